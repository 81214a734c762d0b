-- Ways around the gate that were found by looking for them.
BEGIN;
SELECT plan(30);
SET LOCAL client_min_messages = error;

-- approved content, as a restore would bring it
SELECT set_config('search_path', '', true) \g /dev/null
SET LOCAL row_security = off;
SET LOCAL check_function_bodies = off;
INSERT INTO nurture.asset (asset_id, family, title, format) SELECT 'by_' || i, 'by_' || i, 'asset ' || i, 'email' FROM generate_series(1, 4) AS i;
INSERT INTO nurture.asset_version (asset_id, version, status, message_class, channels, languages, markets, audience_types, approved_at, content_hash)
    SELECT 'by_' || i, 1, 'approved', 'promotional', '{email}', '{en}', '{*}', '{hcp}', '2026-01-01', '\x01' FROM generate_series(1, 4) AS i;
SELECT set_config('search_path', 'public', true) \g /dev/null
SET LOCAL row_security = on;
SET LOCAL check_function_bodies = on;
INSERT INTO nurture.lead (lead_id, email, country, audience_type, language)
    SELECT i, 'by' || i || '@example.com', 'FR', 'hcp', 'en' FROM generate_series(1, 30) AS i;
SELECT count(nurture_opt_in(i, 'email')) FROM generate_series(1, 30) AS i \g /dev/null

CREATE FUNCTION pg_temp.send(lead bigint, asset text) RETURNS text LANGUAGE sql AS
$$INSERT INTO nurture.message (lead_id, channel, asset_id, occurrence_key) VALUES (lead, 'email', asset, 'bypass') RETURNING lead_id || ' ' || status$$;

-- a grant dated ahead does not win over a later opt-out
SELECT nurture_consent(1, 'given', 'email', occurred_at => 'infinity') \g /dev/null
SELECT nurture_opt_out(1, 'email') \g /dev/null
SELECT is(pg_temp.send(1, 'by_1'), '1 refused', 'an opt-out is later than a grant dated ahead');
SELECT is((SELECT state FROM nurture.consent WHERE lead_id = 1 AND channel = 'email'), 'withdrawn', 'and is the state');

-- taking back a grant of one scope brings an older denial of it into force
SELECT nurture_opt_out(2, '*') \g /dev/null
SELECT nurture_opt_in(2, '*') AS grant_id \gset
SELECT is(pg_temp.send(2, 'by_1'), '2 queued', 'granted again');
SELECT nurture_consent(2, 'entered_in_error', 'sms', evidence => jsonb_build_object('consent_event_id', :grant_id)) \g /dev/null
SELECT is((SELECT status FROM nurture.message WHERE lead_id = 2), 'cancelled', 'a grant entered in error no longer covers what is queued');

-- a merge loosens nothing, before or after
SELECT nurture_opt_out(3, '*') \g /dev/null
UPDATE nurture.lead SET merged_into = 4 WHERE lead_id = 3;
SELECT is(pg_temp.send(3, 'by_1'), '4 refused', 'the survivor is as opted out as the merged lead was');
SELECT is(pg_temp.send(4, 'by_1'), '4 refused', 'however it is called');
SELECT nurture_opt_in(4, '*') \g /dev/null
SELECT is(pg_temp.send(4, 'by_2'), '4 queued', 'until it grants anew');
UPDATE nurture.lead SET merged_into = 6 WHERE lead_id = 5;
SELECT is(pg_temp.send(5, 'by_1'), '6 queued', 'a message to a merged lead goes to the survivor');
SELECT is(nurture_opt_out(5), 1::bigint, 'who opts out by the old number');
SELECT is((SELECT status FROM nurture.message WHERE lead_id = 6), 'cancelled', 'has opted out');
UPDATE nurture.lead SET merged_into = 8 WHERE lead_id = 7;
SELECT is(pg_temp.send(8, 'by_1'), '8 queued', 'another pair');
SELECT is(nurture_pause(7, '2100-01-01', 'holiday'), 1::bigint, 'a pause binds the survivor');
SELECT is(pg_temp.send(7, 'by_2'), '8 refused', 'from then on');
UPDATE nurture.lead SET merged_into = 10 WHERE lead_id = 9;
SELECT nurture_suppress('lead', '9', 'asked') \g /dev/null
SELECT is(pg_temp.send(10, 'by_1'), '10 refused', 'so does a suppression');
SELECT nurture_suppress('lead', '11', 'asked') \g /dev/null
SELECT nurture_pause(11, '2100-01-01', 'holiday') \g /dev/null
UPDATE nurture.lead SET merged_into = 12 WHERE lead_id = 11;
SELECT is((SELECT array_agg(DISTINCT reason ORDER BY reason) FROM nurture_may_contact(12, 'email') m, unnest(m.reasons) AS reason), '{paused,suppressed}', 'stops and suppressions are inherited');
UPDATE nurture.lead SET merged_into = 14 WHERE lead_id = 13;
SELECT throws_ok('UPDATE nurture.lead SET merged_into = 13 WHERE lead_id = 14', 'NU007', NULL, 'no circle of merged leads');

-- an asset that goes out of use while a statement uses it
CREATE FUNCTION pg_temp.withdraw(i integer) RETURNS text LANGUAGE plpgsql AS
$$BEGIN IF i = 22 THEN PERFORM nurture_set_asset_status('by_3', 1, 'withdrawn', 'recalled'); END IF; RETURN 'by_3'; END$$;
INSERT INTO nurture.message (lead_id, channel, asset_id) SELECT i, 'email', pg_temp.withdraw(i) FROM generate_series(21, 23) AS i;
SELECT is((SELECT string_agg(status, ' ' ORDER BY lead_id) FROM nurture.message WHERE asset_id = 'by_3'), 'cancelled refused refused', 'what was withdrawn within the statement is not queued by it');

-- an address that is suppressed already
SELECT nurture_suppress('contact_point', 'gone@example.com', 'bounced') \g /dev/null
SELECT is(pg_temp.send(24, 'by_1'), '24 queued', 'queued for one address');
UPDATE nurture.lead SET email = 'Gone@example.com' WHERE lead_id = 24;
SELECT is((SELECT status FROM nurture.message WHERE lead_id = 24), 'cancelled', 'a move to a suppressed one cancels it');

-- leads that go
SELECT is(pg_temp.send(25, 'by_1'), '25 queued', 'a lead');
DELETE FROM nurture.lead WHERE lead_id = 25;
SELECT is((SELECT status FROM nurture.message WHERE lead_id = 25), 'cancelled', 'what was queued for a deleted lead is cancelled');
SELECT is(pg_temp.send(25, 'by_2'), '25 refused', 'and nothing more is queued');
INSERT INTO nurture.lead (lead_id, email, country, audience_type, language) VALUES (26025, 'x@example.com', 'FR', 'hcp', 'en');
SELECT throws_ok('TRUNCATE nurture.lead', 'NU008', NULL, 'leads cannot be truncated');

-- a hand-made past or future does not widen a cap
INSERT INTO nurture.message (lead_id, channel, asset_id, not_before, occurrence_key)
    VALUES (27, 'email', 'by_1', '2001-01-01', 'a'), (27, 'email', 'by_2', '2002-01-01', 'b'), (27, 'email', 'by_4', '-infinity', 'c');
SELECT is((SELECT count(*) FROM nurture.message WHERE lead_id = 27 AND status = 'queued' AND not_before <= decided_at), 1::bigint, 'messages dated back count now');
INSERT INTO nurture.message (lead_id, channel, asset_id, not_before) VALUES (28, 'email', 'by_1', 'infinity');
SELECT isnt((SELECT status FROM nurture.message WHERE lead_id = 28), 'queued', 'at the end of time nothing is in force');

-- a table of one's own with a trigger of ours: its columns are not what we take them for
CREATE TEMP TABLE mine (lead_id bigint, consent_event_id bigint, kind integer, channel text, purpose text, topic text, product text, source text, actor text);
CREATE TRIGGER mine AFTER INSERT ON mine REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION nurture_consent_changed();
SELECT throws_ok('INSERT INTO mine (lead_id, kind) VALUES (1, 1)', '42501', NULL, 'a trigger of ours serves no other table');
DROP TRIGGER mine ON mine;
CREATE TRIGGER mine AFTER INSERT ON mine REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION nurture_gate_lead();
SELECT throws_ok('INSERT INTO mine (lead_id) VALUES (777777)', '42501', NULL, 'nor writes gate rows for one');
DROP TRIGGER mine ON mine;
CREATE TRIGGER mine AFTER INSERT ON mine REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION nurture_event_count();
SELECT throws_ok('INSERT INTO mine (lead_id) VALUES (1)', '42501', NULL, 'nor counts its rows as events');

SELECT is((SELECT count(*) FROM nurture.message WHERE status = 'queued' AND lead_id IN (SELECT lead_id FROM nurture.lead WHERE merged_into IS NOT NULL)), 0::bigint, 'nothing is queued for a merged lead');
SELECT is((SELECT count(*) FROM nurture_audit_verify() WHERE severity = 'error'), 0::bigint, 'all of it is on record');

SELECT * FROM finish();
ROLLBACK;
