-- Identity: whom an identifier stands for, and events that wait for it.
BEGIN;
SELECT plan(75);
SET LOCAL nurture.clock = '2026-06-15 12:00:00+00';
SET LOCAL timezone = 'UTC';
INSERT INTO nurture.event_type (event_type, class) VALUES ('id_viewed', 'content'), ('id_visited', 'account');
INSERT INTO nurture.signal (signal, event_type) VALUES ('id_viewed', 'id_viewed'), ('id_visited', 'id_visited');

CREATE FUNCTION pg_temp.ingest(events jsonb) RETURNS text LANGUAGE sql AS
$$ SELECT format('%s inserted, %s duplicates, %s quarantined, %s unidentified', inserted, duplicates, quarantined, unidentified) FROM nurture_ingest(events) $$;
CREATE FUNCTION pg_temp.replay(ids bigint[]) RETURNS text LANGUAGE sql AS
$$ SELECT format('%s inserted, %s duplicates, %s quarantined, %s unidentified', inserted, duplicates, quarantined, unidentified) FROM nurture_replay(ids) $$;
CREATE FUNCTION pg_temp.seen(lead bigint) RETURNS bigint LANGUAGE sql AS
$$ SELECT coalesce((SELECT nurture_tally_count(signals, 'id_viewed') FROM nurture.activity WHERE lead_id = lead), 0) $$;
CREATE FUNCTION pg_temp.refusal(event jsonb) RETURNS text LANGUAGE plpgsql AS
$$
DECLARE
    last bigint := (SELECT coalesce(max(quarantine_id), 0) FROM nurture.event_quarantine);
BEGIN
    PERFORM nurture_ingest(event);
    RETURN (SELECT string_agg(reason || ': ' || detail, ' | ') FROM nurture.event_quarantine WHERE quarantine_id > last);
END
$$;

-- leads own their e-mail address and phone number
INSERT INTO nurture.lead (lead_id, email, phone, external_ref) VALUES
    (9201, ' Ann.One@Example.ORG ', '+49 (30) 12 34-567', 'ID-1'),
    (9202, 'ben@example.org', '0049301234568', 'ID-2'),
    (9203, 'not an address', '030 1234567', NULL);
SELECT results_eq($$SELECT kind, value, lead_id, origin FROM nurture.identity WHERE lead_id BETWEEN 9201 AND 9203 ORDER BY lead_id, kind$$,
    $$VALUES ('email', 'ann.one@example.org', 9201::bigint, 'lead'), ('phone', '+49301234567', 9201, 'lead'),
             ('email', 'ben@example.org', 9202, 'lead'), ('phone', '+49301234568', 9202, 'lead')$$,
    'in the normal form; what is no address, and a number without its country, identify nobody');
SELECT is(nurture_resolve('email', 'ANN.ONE@example.org'), 9201::bigint, 'an address in any case');
SELECT is(nurture_resolve('phone', '+49-30-1234567'), 9201::bigint, 'a number with any signs');
SELECT is(nurture_resolve('phone', '00 49 30 1234568'), 9202::bigint, '00 is +');
SELECT is(nurture_resolve('crm_id', 'ID-2'), 9202::bigint, 'external_ref is an identifier too');
SELECT is(nurture_resolve('email', 'nobody@example.org'), NULL::bigint, 'an address of nobody');
SELECT is(nurture_resolve('email', 'x'), NULL::bigint, 'what is no address is nobody''s');
SELECT is(nurture_resolve('phone', '030 1234567'), NULL::bigint, 'nor is a number without country');
SELECT is(nurture_resolve('email', NULL), NULL::bigint, 'NULL is nobody');
SELECT throws_ok($$SELECT nurture_resolve('fax', '1')$$, 'NU003', 'unknown kind of identity "fax"', 'an unknown kind');

-- the second lead with the same is a candidate, not an error
INSERT INTO nurture.lead (lead_id, email, phone) VALUES (9204, 'ann.one@example.org', '+49301234567'), (9205, 'BEN@example.org', NULL);
SELECT is(nurture_resolve('email', 'ann.one@example.org'), 9201::bigint, 'the first stays owner');
SELECT results_eq($$SELECT lead_id, scope, evidence, state FROM nurture.review WHERE bucket = 'identity' AND lead_id BETWEEN 9201 AND 9209 ORDER BY 1, 2$$,
    $$VALUES (9204::bigint, 'email', '{"same": "email", "lead_id": 9201}'::jsonb, 'open'), (9204, 'phone', '{"same": "phone", "lead_id": 9201}', 'open'),
             (9205, 'email', '{"same": "email", "lead_id": 9202}', 'open')$$, 'a person is to look, and is told at whom');
SELECT is((SELECT count(*) FROM nurture.review WHERE bucket = 'identity' AND evidence::text LIKE '%example%'), 0::bigint, 'addresses stay in nurture.lead');
INSERT INTO nurture.lead (lead_id, external_ref) VALUES (9206, 'ID-1');
SELECT results_eq($$SELECT scope, evidence FROM nurture.review WHERE bucket = 'identity' AND lead_id = 9206$$,
    $$VALUES ('crm_id', '{"same": "crm_id", "lead_id": 9201}'::jsonb)$$, 'so are two leads with one reference');
SELECT is(nurture_resolve('crm_id', 'ID-1'), NULL::bigint, 'which is nobody''s then');
INSERT INTO nurture.lead (lead_id, email, is_test) VALUES (9207, 'ben@example.org', true);
SELECT is((SELECT count(*) FROM nurture.review WHERE lead_id = 9207), 0::bigint, 'a test lead is nobody''s duplicate');
UPDATE nurture.lead SET email = 'ann.one@example.org' WHERE lead_id = 9204;
SELECT is((SELECT count(*) FROM nurture.review WHERE lead_id = 9204 AND scope = 'email'), 1::bigint, 'a case is opened once');

-- identities follow their lead
UPDATE nurture.lead SET email = 'ann.new@example.org' WHERE lead_id = 9201;
SELECT is(nurture_resolve('email', 'ann.new@example.org'), 9201::bigint, 'a new address');
SELECT is(nurture_resolve('email', 'ann.one@example.org'), 9204::bigint, 'the old one passes to the next lead that has it');
UPDATE nurture.lead SET phone = NULL WHERE lead_id IN (9201, 9204);
SELECT is(nurture_resolve('phone', '+49301234567'), NULL::bigint, 'a number that nobody has any more');
UPDATE nurture.lead SET email = 'ann.new@example.org', updated_at = nurture_now() WHERE lead_id = 9201;
SELECT is((SELECT count(*) FROM nurture.identity WHERE lead_id = 9201), 1::bigint, 'an update that changes none of them');
UPDATE nurture.lead SET merged_into = 9202 WHERE lead_id = 9204;
SELECT is(nurture_resolve('email', 'ann.one@example.org'), 9202::bigint, 'an absorbed lead leads to its survivor');
UPDATE nurture.lead SET merged_into = NULL WHERE lead_id = 9204;
DELETE FROM nurture.lead WHERE lead_id = 9202;
SELECT is(nurture_resolve('email', 'ben@example.org'), 9205::bigint, 'a deleted lead''s address passes on');

-- given ones
INSERT INTO nurture.identity (kind, value, lead_id, source) VALUES
    ('professional_number', '12 345.67-8 a', 9201, 'directory'), ('cookie', 'Abc=', 9201, 'web'), ('email', 'Private@Example.org', 9201, 'form');
SELECT results_eq($$SELECT kind, value, origin FROM nurture.identity WHERE lead_id = 9201 AND origin = 'given' ORDER BY 1$$,
    $$VALUES ('cookie', 'Abc=', 'given'), ('email', 'private@example.org', 'given'), ('professional_number', '12345678A', 'given')$$, 'take their normal form');
SELECT is(nurture_resolve('professional_number', '1234567-8A'), 9201::bigint, 'and are found by any other');
SELECT is(nurture_resolve('cookie', 'abc='), NULL::bigint, 'a cookie is what it is');
UPDATE nurture.lead SET email = 'ann.newer@example.org' WHERE lead_id = 9201;
SELECT is(nurture_resolve('email', 'private@example.org'), 9201::bigint, 'a given one stays when the lead changes its address');
SELECT throws_ok($$INSERT INTO nurture.identity (kind, value, lead_id) VALUES ('email', 'PRIVATE@example.org', 9205)$$, '23505', NULL, 'one owner per kind and value');
SELECT lives_ok($$INSERT INTO nurture.identity (kind, value, lead_id) VALUES ('email', 'PRIVATE@example.org', 9205) ON CONFLICT DO NOTHING$$, 'unless the sender says what to do');
SELECT throws_ok($$INSERT INTO nurture.identity (kind, value, lead_id) VALUES ('phone', '030 12345', 9205)$$, '22023', 'value of the identity of kind "phone" is no phone number with its country code', 'a number without country');
SELECT throws_ok($$INSERT INTO nurture.identity (kind, value, lead_id) VALUES ('email', '@', 9205)$$, '22023', 'value of the identity of kind "email" is no e-mail address', 'no address');
SELECT throws_ok($$INSERT INTO nurture.identity (kind, value, lead_id) VALUES ('professional_number', ' - ', 9205)$$, '22023', 'value of the identity of kind "professional_number" is empty', 'nothing but signs');
SELECT throws_ok($$INSERT INTO nurture.identity (kind, value, lead_id) VALUES ('cookie', repeat('x', 1001), 9205)$$, '22023', 'value of the identity of kind "cookie" is longer than 1000 bytes', 'too long for an index');
SELECT throws_ok($$INSERT INTO nurture.identity (kind, value, lead_id) VALUES ('fax', '1', 9205)$$, 'NU003', 'unknown kind of identity "fax"', 'an unknown kind is named');
SELECT throws_ok($$INSERT INTO nurture.identity (kind, value, lead_id) VALUES ('cookie', 'c', 9299)$$, 'NU004', 'there is no lead 9299', 'an unknown lead');
UPDATE nurture.lead SET erased_at = nurture_now() WHERE lead_id = 9201;
SELECT is((SELECT count(*) FROM nurture.identity WHERE lead_id = 9201), 0::bigint, 'an erased lead has no identities');
DELETE FROM nurture.lead WHERE lead_id BETWEEN 9201 AND 9209;

-- events that wait
SELECT is(pg_temp.ingest('[{"identity": {"kind": "email", "value": "Late@Example.org"}, "event_type": "id_viewed", "source": "web", "source_key": "w1"},
    {"identity": {"kind": "cookie", "value": "c1"}, "event_type": "id_viewed", "occurred_at": "2026-06-14T09:00:00Z"},
    {"external_ref": "ID-LATE", "event_type": "id_viewed"},
    {"identity": {"kind": "phone", "value": "+49 30 99"}, "event_type": "id_viewed"}]'),
    '0 inserted, 0 duplicates, 1 quarantined, 3 unidentified', 'who is not known yet waits; what is no number never will be');
SELECT results_eq($$SELECT waits_for FROM nurture.event_quarantine WHERE reason = 'unidentified' AND resolved_at IS NULL ORDER BY quarantine_id DESC LIMIT 3$$,
    $$VALUES ('crm_id:ID-LATE'), ('cookie:c1'), ('email:late@example.org')$$, 'for a key in its normal form');
SET LOCAL nurture.clock = '2026-06-16 12:00:00+00';
INSERT INTO nurture.lead (lead_id, email, external_ref) VALUES (9211, 'LATE@example.org', 'ID-LATE');
SELECT is(pg_temp.seen(9211), 2::bigint, 'a new lead gets what waited for its address and its reference, in the same statement');
SELECT results_eq($$SELECT occurred_at, recorded_at, source_key FROM nurture.event WHERE lead_id = 9211 ORDER BY source_key NULLS LAST$$,
    $$VALUES ('2026-06-15 12:00:00+00'::timestamptz, '2026-06-16 12:00:00+00'::timestamptz, 'w1'), ('2026-06-15 12:00:00+00', '2026-06-16 12:00:00+00', NULL)$$,
    'it happened when it came, and was learned now');
SELECT is((SELECT count(*) FROM nurture.event_quarantine WHERE waits_for IS NOT NULL AND resolved_at IS NULL AND waits_for LIKE '%ate%'), 0::bigint, 'and no longer waits');
INSERT INTO nurture.identity (kind, value, lead_id) VALUES ('cookie', 'c1', 9211);
SELECT is(pg_temp.seen(9211), 3::bigint, 'a given identity gets its events as well');
DELETE FROM nurture.identity WHERE kind = 'cookie';
INSERT INTO nurture.identity (kind, value, lead_id) VALUES ('cookie', 'c1', 9211);
SELECT is(pg_temp.seen(9211), 3::bigint, 'once');
SELECT is(pg_temp.ingest('{"identity": {"kind": "email", "value": "late@example.org"}, "event_type": "id_viewed", "source": "web", "source_key": "w1"}'),
    '0 inserted, 1 duplicates, 0 quarantined, 0 unidentified', 'a repetition of what waited is a duplicate');
SELECT is(pg_temp.ingest('{"identity": {"kind": "email", "value": "late@example.org"}, "event_type": "id_viewed"}'),
    '1 inserted, 0 duplicates, 0 quarantined, 0 unidentified', 'who is known does not wait');
-- nothing is guessed: a reference of two leads waits until one of them has it alone
INSERT INTO nurture.lead (lead_id, external_ref) VALUES (9212, 'ID-TWO'), (9213, 'ID-TWO');
SELECT is(pg_temp.ingest('{"external_ref": "ID-TWO", "event_type": "id_viewed"}'), '0 inserted, 0 duplicates, 0 quarantined, 1 unidentified', 'a reference of two leads is nobody''s');
INSERT INTO nurture.identity (kind, value, lead_id) VALUES ('crm_id', 'ID-TWO', 9213);
SELECT is(pg_temp.seen(9213), 1::bigint, 'until somebody says whose');
-- what was wrong besides stays with its new reason
SELECT is(pg_temp.ingest('{"identity": {"kind": "cookie", "value": "c2"}, "event_type": "id_viewed", "campaign": "forbidden"}'), '0 inserted, 0 duplicates, 0 quarantined, 1 unidentified', 'waits');
ALTER TABLE nurture.event ADD CHECK (campaign <> 'forbidden');
INSERT INTO nurture.identity (kind, value, lead_id) VALUES ('cookie', 'c2', 9213);
SELECT results_eq($$SELECT reason, waits_for, resolved_at FROM nurture.event_quarantine WHERE payload #>> '{identity,value}' = 'c2'$$,
    $$VALUES ('refused', NULL::text, NULL::timestamptz)$$, 'what the table refuses is no error of the identity''s INSERT');

-- corrected events
CREATE TEMP TABLE bad AS SELECT * FROM nurture_ingest('[{"lead_id": 9211, "event_type": "id_veiwed"}, {"lead_id": 9299, "event_type": "id_viewed"}]');
CREATE FUNCTION pg_temp.bad(last_but int) RETURNS bigint LANGUAGE sql AS $$SELECT quarantine_id FROM nurture.event_quarantine ORDER BY 1 DESC OFFSET last_but LIMIT 1$$;
SELECT is(pg_temp.replay(ARRAY[pg_temp.bad(1), pg_temp.bad(0)]), '0 inserted, 0 duplicates, 2 quarantined, 0 unidentified', 'as they are they are still wrong');
UPDATE nurture.event_quarantine SET payload = payload || '{"event_type": "id_viewed"}' WHERE quarantine_id = pg_temp.bad(1);
SELECT is(pg_temp.replay(ARRAY[pg_temp.bad(1), pg_temp.bad(0), -1, NULL]), '1 inserted, 0 duplicates, 1 quarantined, 0 unidentified', 'a corrected one is stored; numbers of nothing are skipped');
SELECT is(pg_temp.replay(ARRAY[pg_temp.bad(1)]), '0 inserted, 0 duplicates, 0 quarantined, 0 unidentified', 'once');
UPDATE nurture.event_quarantine SET payload = '{"lead_id": 9211, "event_type": "id_viewed"}' WHERE quarantine_id = pg_temp.bad(0);
SELECT is((SELECT inserted FROM nurture_replay()), 1::bigint, 'without numbers, all that are unresolved');
SELECT is(pg_temp.replay('{}'), '0 inserted, 0 duplicates, 0 quarantined, 0 unidentified', 'none of none');
CREATE ROLE id_reader;
GRANT USAGE ON SCHEMA nurture TO id_reader;
SET LOCAL ROLE id_reader;
SELECT throws_ok($$SELECT nurture_replay()$$, '42501', 'permission denied for table event', 'asks for the right to store events');
RESET ROLE;

-- organisations
INSERT INTO nurture.account (account_id, external_ref, name) VALUES (921, 'ORG-1', 'one');
SELECT is(pg_temp.ingest('[{"account_id": 921, "event_type": "id_visited", "tags": ["topic:moa"], "source": "net", "source_key": "1"},
    {"account_ref": "ORG-1", "event_type": "id_visited", "occurred_at": "2026-06-10T10:00:00Z"}, {"account_id": 921, "event_type": "id_visited", "source": "net", "source_key": "1"},
    {"account_ref": "ORG-2", "event_type": "id_visited"}, {"account_id": 922, "event_type": "id_visited"}]'),
    '2 inserted, 1 duplicates, 1 quarantined, 1 unidentified', 'events of organisations');
SELECT results_eq($$SELECT nurture_tally_count(signals, 'id_visited'), last_event_at FROM nurture.account_activity WHERE account_id = 921$$,
    $$VALUES (2::bigint, '2026-06-16 12:00:00+00'::timestamptz)$$, 'count for the organisation');
SELECT is((SELECT count(*) FROM nurture_tally_unnest((SELECT topics FROM nurture.account_activity WHERE account_id = 921))), 1::bigint, 'with their topics');
INSERT INTO nurture.account (account_id, external_ref) VALUES (922, 'ORG-2');
SELECT is((SELECT nurture_tally_count(signals, 'id_visited') FROM nurture.account_activity WHERE account_id = 922), 1::bigint, 'an event waits for its organisation');
UPDATE nurture.account SET name = 'two' WHERE account_id = 922;
SELECT is((SELECT nurture_tally_count(signals, 'id_visited') FROM nurture.account_activity WHERE account_id = 922), 1::bigint, 'once');
CREATE TEMP TABLE before AS SELECT * FROM nurture.account_activity WHERE account_id IN (921, 922);
UPDATE nurture.account_event SET event_type = 'id_viewed' WHERE account_id = 921 AND source_key = '1';
SELECT is((SELECT nurture_tally_count(signals, 'id_visited') FROM nurture.account_activity WHERE account_id = 921), 1::bigint, 'a correction is counted');
UPDATE nurture.account_event SET event_type = 'id_visited' WHERE account_id = 921 AND source_key = '1';
SELECT is(nurture_account_rebuild(921), 1::bigint, 'an organisation is counted again');
SELECT is((SELECT count(*) FROM before JOIN nurture.account_activity a USING (account_id, signals, topics, last_event_at)), 2::bigint, 'to the same bytes');
DELETE FROM nurture.account_event WHERE account_id = 921;
SELECT is((SELECT count(*) FROM nurture.account_activity WHERE account_id = 921), 0::bigint, 'nothing is left of nothing');
SELECT is(nurture_account_rebuild(921), 0::bigint, 'and nothing to count');
SELECT throws_ok($$INSERT INTO nurture.account_event (account_id, event_type) VALUES (922, 'id_visted')$$, 'NU003', 'unknown event type "id_visted"', 'an unknown type');
SELECT throws_ok($$INSERT INTO nurture.account_event (account_id, event_type, occurred_at) VALUES (922, 'id_visited', '2026-06-17')$$, '22008', 'event 1 of the statement is out of range', 'a visit tomorrow');
SELECT throws_ok($$INSERT INTO nurture.account_event (account_id, event_type) VALUES (929, 'id_visited')$$, '23503', NULL, 'an unknown organisation');
SET LOCAL ROLE id_reader;
SELECT throws_ok($$SELECT nurture_account_rebuild()$$, '42501', 'permission denied to rebuild the activity of organisations', 'counting again is for the owner');
RESET ROLE;

-- refusals
SELECT is(pg_temp.refusal('{"identity": {"kind": "fax", "value": "1"}, "event_type": "id_viewed"}'), 'bad_value: kinds of identity are email, phone, professional_number, crm_id and cookie', 'unknown kind');
SELECT is(pg_temp.refusal('{"identity": {"kind": "email", "value": "x"}, "event_type": "id_viewed"}'), 'bad_value: identity.value is no e-mail address', 'no address');
SELECT is(pg_temp.refusal('{"identity": {"kind": "email"}, "event_type": "id_viewed"}'), 'bad_value: identity must be an object with kind and value, both texts', 'half an identity');
SELECT is(pg_temp.refusal('{"identity": "a@example.org", "event_type": "id_viewed"}'), 'bad_value: identity must be an object with kind and value', 'no object');
SELECT is(pg_temp.refusal('{"account_id": 922, "message_id": 1, "event_type": "id_visited"}'), 'bad_value: a message_id belongs to a lead, not to an organisation', 'an organisation answers no message');
SELECT is(pg_temp.refusal('{"account_id": 922, "lead_id": 9211, "event_type": "id_visited"}'), 'bad_value: give one of lead_id, external_ref, identity, account_id and account_ref', 'two ways to say who');
SELECT * FROM finish();
ROLLBACK;
