-- From the queue to the provider: what is taken, by whom, and what then
-- becomes of it.
BEGIN;
SELECT plan(123);
SET LOCAL client_min_messages = warning;
SET LOCAL nurture.clock = '2026-03-02T09:00:00Z';

SELECT set_config('search_path', '', true) \g /dev/null
SET LOCAL row_security = off;
SET LOCAL check_function_bodies = off;
INSERT INTO nurture.asset (asset_id, family, title, format)
    SELECT id, 'family_' || id, id, CASE WHEN id LIKE 'dv_block%' THEN 'block' ELSE 'email' END
    FROM unnest(ARRAY['dv_a', 'dv_b', 'dv_old', 'dv_fr', 'dv_block1', 'dv_block2']) AS id;
INSERT INTO nurture.asset_version (asset_id, version, status, message_class, channels, languages, markets, audience_types, valid_during, approved_at, content_hash, uri, merge_fields, safety_block)
    SELECT id, 1, 'approved', 'promotional', '{email,phone,sms}', CASE id WHEN 'dv_b' THEN '{en-GB}' WHEN 'dv_fr' THEN '{*}' ELSE '{en}' END::text[],
           CASE id WHEN 'dv_fr' THEN '{*}' ELSE '{US,GB}' END::text[], '{hcp}',
           CASE id WHEN 'dv_old' THEN tstzrange('2026-01-01', '2026-03-03') ELSE tstzrange('2026-01-01', NULL) END, '2026-01-01', '\x01', 'https://cms.example/' || id,
           CASE id WHEN 'dv_a' THEN '{full_name=colleague,country,attributes.title,account.name=your hospital,no_such_fact=none,no_such_either}' ELSE '{}' END::text[],
           CASE id WHEN 'dv_a' THEN 'dv_block2' END
    FROM unnest(ARRAY['dv_a', 'dv_b', 'dv_old', 'dv_fr', 'dv_block1', 'dv_block2']) AS id;
INSERT INTO nurture.asset_block (asset_id, version, slot, block_asset) VALUES ('dv_a', 1, 'footer', 'dv_block1');
SELECT set_config('search_path', 'public', true) \g /dev/null
SET LOCAL row_security = on;
SET LOCAL check_function_bodies = on;

INSERT INTO nurture.account (account_id, name) VALUES (1, 'General Hospital');
INSERT INTO nurture.lead (lead_id, email, phone, country, audience_type, language, full_name, account_id, attributes, is_test)
    SELECT i, 'lead' || i || '@Example.com', '+1 212 555 ' || 1000 + i, 'US', 'hcp', 'en', CASE WHEN i <> 2 THEN 'Doctor ' || i END, CASE WHEN i = 1 THEN 1 END,
           CASE WHEN i = 1 THEN '{"title": "MD"}' ELSE '{}' END::jsonb, i BETWEEN 90 AND 92
    FROM generate_series(1, 99) AS i;
UPDATE nurture.lead SET language = 'en-GB', country = 'GB' WHERE lead_id = 4;
UPDATE nurture.lead SET language = 'fr', country = 'US' WHERE lead_id = 5;

-- nothing is due
SELECT is_empty($$SELECT * FROM nurture_take('email', 10, 'w')$$, 'nothing to take');

-- the longest due first, whatever the leads
INSERT INTO nurture.message (lead_id, channel, asset_id, not_before) VALUES
    (1, 'email', 'dv_a', '2026-03-02T09:00:03Z'), (2, 'email', 'dv_a', '2026-03-02T09:00:02Z'), (3, 'email', 'dv_a', '2026-03-02T09:00:01Z'), (6, 'email', 'dv_a', '2026-03-02T10:00:00Z');
SELECT is_empty($$SELECT * FROM nurture_take('email', 10, 'w')$$, 'nothing is due yet');
SET LOCAL nurture.clock = '2026-03-02T09:01:00Z';
CREATE TEMP TABLE t AS SELECT row_number() OVER () AS n, * FROM nurture_take('email', 2, 'w1', '10 minutes');
SELECT results_eq($$SELECT lead_id FROM t ORDER BY n$$, ARRAY[3, 2]::bigint[], 'the longest due come first, no more than asked for');
INSERT INTO t SELECT 2 + row_number() OVER (), * FROM nurture_take('email', 10, 'w2');
SELECT results_eq($$SELECT lead_id FROM t WHERE n > 2 ORDER BY n$$, ARRAY[1]::bigint[], 'another worker gets what is left, and nothing that is not due');
SELECT is((SELECT array_agg(DISTINCT address ORDER BY address) FROM t), ARRAY['lead1@Example.com', 'lead2@Example.com', 'lead3@Example.com'], 'with the address');
SELECT is((SELECT merge FROM t WHERE lead_id = 1), '{"full_name": "Doctor 1", "country": "US", "attributes.title": "MD", "account.name": "General Hospital", "no_such_fact": "none", "no_such_either": null}'::jsonb, 'and exactly the merge fields of the version');
SELECT is((SELECT merge FROM t WHERE lead_id = 2), '{"full_name": "colleague", "country": "US", "attributes.title": null, "account.name": "your hospital", "no_such_fact": "none", "no_such_either": null}'::jsonb, 'with what stands in for facts that are not known');
SELECT is((SELECT blocks FROM t WHERE lead_id = 1), '{"footer": {"uri": "https://cms.example/dv_block1", "version": 1, "asset_id": "dv_block1", "content_hash": "01"}, "safety_block": {"uri": "https://cms.example/dv_block2", "version": 1, "asset_id": "dv_block2", "content_hash": "01"}}'::jsonb, 'the blocks as they are in force');
SELECT is((SELECT array_agg(concat_ws(' ', asset_id, version, uri, language, to_char(lease_until AT TIME ZONE 'UTC', 'HH24:MI')) ORDER BY n) FROM t),
    ARRAY['dv_a 1 https://cms.example/dv_a en 09:11', 'dv_a 1 https://cms.example/dv_a en 09:11', 'dv_a 1 https://cms.example/dv_a en 09:16'], 'asset, language and the lease, which is the channel''s unless it is told');
SELECT is((SELECT array_agg(concat_ws(' ', status, taken_by, takes, decision ->> 'verdict', gate_seq) ORDER BY lead_id) FROM nurture.message WHERE lead_id < 4),
    ARRAY['taken w2 1 allow 2', 'taken w1 1 allow 2', 'taken w1 1 allow 2'], 'each was decided once more');
SELECT is((SELECT array_agg(DISTINCT concat_ws(' ', trigger ->> 'kind', trigger ->> 'worker', versions #>> '{blocks,footer,version}')) FROM nurture.audit WHERE lead_ref = 1 AND kind = 'message' AND outcome = 'taken'), ARRAY['take w2 1'], 'which is on record, with the worker and the blocks');
SELECT is_empty($$SELECT * FROM nurture_take('email', 10, 'w1')$$, 'nothing is taken twice');
SELECT is((SELECT nurture_one_click(unsubscribe_token) FROM t WHERE lead_id = 3), 1::bigint, 'and a token, by which the lead leaves the list');
SELECT is((SELECT concat_ws(' ', status, cancel_requested, nurture_still_allowed(lead_id, message_id)) FROM nurture.message WHERE lead_id = 3), 'taken t f', 'after which the message may not be sent');
SELECT is_empty($$SELECT * FROM nurture_take('sms', 10, 'w1')$$, 'nor by another channel');

-- languages and other channels
SELECT count(nurture_opt_in(i, 'sms')) FROM unnest(ARRAY[4, 5, 7, 91, 31, 32, 93]) AS i \g /dev/null
INSERT INTO nurture.message (lead_id, channel, asset_id) VALUES (4, 'sms', 'dv_b'), (5, 'sms', 'dv_fr'), (7, 'sms', 'dv_fr');
UPDATE nurture.channel SET lease = '1 hour' WHERE channel = 'sms';
SELECT results_eq($$SELECT lead_id, address, language, uri, merge, blocks, to_char(lease_until AT TIME ZONE 'UTC', 'HH24:MI') FROM nurture_take('sms', 10, 'w1') ORDER BY 1$$,
    $$VALUES (4::bigint, '+1 212 555 1004', 'en-GB', 'https://cms.example/dv_b', '{}'::jsonb, '{}'::jsonb, '10:01'), (5, '+1 212 555 1005', 'fr', 'https://cms.example/dv_fr', '{}', '{}', '10:01'), (7, '+1 212 555 1007', 'en', 'https://cms.example/dv_fr', '{}', '{}', '10:01')$$,
    'the lead''s language, where the version has it');

-- test leads
INSERT INTO nurture.message (lead_id, channel, asset_id) VALUES (90, 'email', 'dv_a'), (91, 'sms', 'dv_fr'), (8, 'email', 'dv_a');
SELECT results_eq($$SELECT lead_id FROM nurture_take('email', 10, 'w')$$, ARRAY[8]::bigint[], 'messages to test leads are not taken by their channel');
SELECT results_eq($$SELECT lead_id, address FROM nurture_take('test', 10, 'w') ORDER BY 1$$, $$VALUES (90::bigint, 'lead90@Example.com'), (91, '+1 212 555 1091')$$, 'but by channel test, of whatever channel');
SELECT throws_ok($$INSERT INTO nurture.channel (channel, kind, contact_point, consent_channel) VALUES ('test', 'message', 'none', 'test')$$, '23514', NULL, 'which is no channel of its own');

-- what changed since it was queued
INSERT INTO nurture.message (lead_id, channel, asset_id) SELECT i, 'email', CASE i WHEN 11 THEN 'dv_old' ELSE 'dv_a' END FROM generate_series(10, 15) AS i;
UPDATE nurture.lead SET country = 'FR' WHERE lead_id = 10;
UPDATE nurture.lead SET email = NULL WHERE lead_id = 12;
UPDATE nurture.lead SET email = 'other@example.com' WHERE lead_id = 15;
SET LOCAL nurture.clock = '2026-03-03T09:00:00Z';
INSERT INTO nurture.consent_policy (country, audience_type, channel, message_class, rule, unclear, legal_source) VALUES ('US', 'hcp', 'email', 'promotional', 'opt_in', 'review', 'test');
SELECT nurture_opt_in(13, 'email') \g /dev/null
SELECT nurture_opt_in(15, 'email') \g /dev/null
INSERT INTO nurture.message (lead_id, channel, asset_id, not_before) VALUES (13, 'email', 'dv_fr', '2026-03-06T09:00:00Z');
UPDATE nurture.frequency_cap SET period = '5 days' WHERE cap = 'promotional_gap';
SELECT results_eq($$SELECT lead_id, address FROM nurture_take('email', 10, 'w') ORDER BY 1$$, $$VALUES (13::bigint, 'lead13@Example.com'), (15, 'other@example.com')$$, 'what is still allowed is taken, to the address of today');
SELECT results_eq($$SELECT lead_id, status, reasons, takes::integer, to_char(not_before AT TIME ZONE 'UTC', 'MM-DD HH24:MI') FROM nurture.message WHERE lead_id IN (10, 11, 12, 13, 14) AND asset_id <> 'dv_fr' ORDER BY 1$$,
    $$VALUES (10::bigint, 'cancelled', '{market,consent_missing}'::text[], 0, '03-02 09:01'), (11, 'cancelled', '{asset_not_in_force,consent_missing}', 0, '03-02 09:01'), (12, 'cancelled', '{consent_missing,no_contact_point}', 0, '03-02 09:01'),
             (13, 'taken', NULL, 1, '03-03 09:00'), (14, 'held', '{consent_missing}', 0, '03-03 09:00')$$, 'all else is cancelled or held, with its reasons; a later one puts nothing off');
SELECT is((SELECT count(*) FROM nurture.review WHERE lead_id = 14 AND state = 'open'), 1::bigint, 'a person is asked about what is held');
SELECT is((SELECT array_agg(outcome ORDER BY lead_ref) FROM nurture.audit WHERE trigger ->> 'kind' = 'take' AND lead_ref BETWEEN 10 AND 15), ARRAY['cancelled', 'cancelled', 'cancelled', 'taken', 'held', 'taken'], 'and all of it is on record');
SELECT is((SELECT count(DISTINCT fact) FROM nurture.message m, nurture_why(m.lead_id, m.message_id) w WHERE m.lead_id = 10 AND w.rule = 'market'), 2::bigint, 'nurture_why tells both decisions');
DELETE FROM nurture.consent_policy WHERE legal_source = 'test';
UPDATE nurture.frequency_cap SET period = '48 hours' WHERE cap = 'promotional_gap';

-- when everything that was asked for is forbidden, the next ones are looked at
INSERT INTO nurture.message (lead_id, channel, asset_id) SELECT i, 'email', 'dv_a' FROM generate_series(20, 29) AS i;
UPDATE nurture.lead SET country = 'FR' WHERE lead_id BETWEEN 20 AND 28;
SELECT results_eq($$SELECT lead_id FROM nurture_take('email', 3, 'w')$$, ARRAY[29]::bigint[], 'no answer means that nothing is due');
SELECT is((SELECT count(*) FROM nurture.message WHERE lead_id BETWEEN 20 AND 28 AND status = 'cancelled'), 9::bigint, 'what is forbidden is cancelled on the way');

-- leases: at most once
SET LOCAL nurture.clock = '2026-03-03T10:00:00Z';
INSERT INTO nurture.message (lead_id, channel, asset_id) VALUES (30, 'email', 'dv_a'), (31, 'sms', 'dv_fr'), (32, 'sms', 'dv_fr'), (93, 'sms', 'dv_fr');
SELECT is((SELECT count(*) FROM nurture_take('email', 10, 'dead', '1 minute')), 1::bigint, 'taken');
SELECT ok(nurture_still_allowed(30, message_id) AND nurture_still_allowed(30, message_id, 'dead'), 'while the lease lasts it may be sent') FROM nurture.message WHERE lead_id = 30;
SELECT ok(NOT nurture_still_allowed(30, message_id, 'other'), 'by the worker that has it') FROM nurture.message WHERE lead_id = 30;
SET LOCAL nurture.clock = '2026-03-03T10:01:00Z';
SELECT ok(NOT nurture_still_allowed(30, message_id), 'not when it has ended') FROM nurture.message WHERE lead_id = 30;
SELECT is((SELECT done FROM nurture_tick() WHERE kind = 'lease') > 0, true, 'the tick ends it');
SELECT is((SELECT concat_ws(' ', status, reasons, takes) FROM nurture.message WHERE lead_id = 30), 'failed {lease_expired} 1', 'at most once: it failed');
SELECT is((SELECT array_agg(reasons) FROM nurture.audit WHERE lead_ref = 30 AND kind = 'delivery'), ARRAY[ARRAY['lease_expired']], 'on record');
SELECT is((SELECT done FROM nurture_tick() WHERE kind = 'lease'), 0::bigint, 'once');

-- at least once
UPDATE nurture.channel SET delivery = 'at_least_once' WHERE channel = 'sms';
SELECT is((SELECT array_agg(lead_id ORDER BY lead_id) FROM nurture_take('sms', 10, 'dead', '1 minute')), '{31,32,93}', 'taken');
SELECT nurture_opt_out(32) \g /dev/null
UPDATE nurture.lead SET audience_type = 'patient' WHERE lead_id = 93;
SET LOCAL nurture.clock = '2026-03-03T10:02:00Z';
SELECT is((SELECT done FROM nurture_tick() WHERE kind = 'lease'), 1::bigint, 'what may be taken once more is left to the next worker, not what is to be cancelled');
SELECT is(nurture_ack(31, message_id, 'failed'), 'taken', 'a failure told too late takes nothing from it') FROM nurture.message WHERE lead_id = 31;
SELECT ok(NOT nurture_still_allowed(31, message_id), 'though it may not be sent') FROM nurture.message WHERE lead_id = 31;
SELECT results_eq($$SELECT lead_id, message_id FROM nurture_take('sms', 10, 'second', '1 minute')$$, $$SELECT lead_id, message_id FROM nurture.message WHERE lead_id = 31$$, 'taken once more, with the same key for the provider');
SELECT is((SELECT concat_ws(' ', status, taken_by, takes) FROM nurture.message WHERE lead_id = 31), 'taken second 2', 'for the second time');
SELECT is((SELECT concat_ws(' ', status, reasons, cancel_requested, takes) FROM nurture.message WHERE lead_id = 32), 'failed {consent_denied,lease_expired} t 1', 'what was to be cancelled is not tried again');
SELECT is((SELECT concat_ws(' ', status, reasons, takes) FROM nurture.message WHERE lead_id = 93), 'failed {audience,class_prohibited,lease_expired} 1', 'nor what is no longer allowed: nobody knows whether it went out');
SET LOCAL nurture.clock = '2026-03-03T10:03:00Z';
SELECT is_empty($$SELECT * FROM nurture_take('sms', 10, 'third', '1 minute')$$, 'never a third time');
SELECT is((SELECT concat_ws(' ', status, reasons, takes) FROM nurture.message WHERE lead_id = 31), 'failed {lease_expired} 2', 'then it failed, which nurture_take finds too');


-- who may
CREATE ROLE nurture_dv_worker;
CREATE ROLE nurture_dv_blind;
GRANT USAGE ON SCHEMA nurture TO nurture_dv_worker, nurture_dv_blind;
GRANT SELECT, UPDATE ON nurture.message TO nurture_dv_worker, nurture_dv_blind;
GRANT SELECT (lead_id, is_test, email, full_name) ON nurture.lead TO nurture_dv_worker;
GRANT SELECT (lead_id, is_test) ON nurture.lead TO nurture_dv_blind;
INSERT INTO nurture.message (lead_id, channel, asset_id) VALUES (33, 'email', 'dv_a'), (34, 'email', 'dv_a');
SET LOCAL ROLE nurture_dv_worker;
SELECT results_eq($$SELECT address, merge FROM nurture_take('email', 1, 'w')$$,
    $$VALUES ('lead33@Example.com', '{"full_name": "Doctor 33", "country": null, "attributes.title": null, "account.name": "your hospital", "no_such_fact": "none", "no_such_either": null}'::jsonb)$$, 'a worker gets what it may read');
SET LOCAL ROLE nurture_dv_blind;
SELECT results_eq($$SELECT address, merge ->> 'full_name' FROM nurture_take('email', 1, 'w')$$, $$VALUES (NULL::text, 'colleague')$$, 'and neither addresses nor facts that it may not');
RESET ROLE;
REVOKE UPDATE ON nurture.message FROM nurture_dv_blind;
SET LOCAL ROLE nurture_dv_blind;
SELECT throws_ok($$SELECT * FROM nurture_take('email', 1, 'w')$$, '42501', 'permission denied to take or acknowledge messages', 'taking needs a right');
SELECT throws_ok($$SELECT nurture_ack(1, 1, 'sent')$$, '42501', 'permission denied to take or acknowledge messages', 'so does acknowledging');
SELECT throws_ok($$SELECT nurture_still_allowed(1, 1)$$, '42501', 'permission denied to take or acknowledge messages', 'and asking');
RESET ROLE;

-- bad input
SELECT throws_ok($$SELECT * FROM nurture_take('fax', 1, 'w')$$, 'NU003', 'unknown channel "fax"', 'an unknown channel');
SELECT throws_ok($$SELECT * FROM nurture_take('*', 1, 'w')$$, 'NU003', 'messages are taken of one channel at a time', 'all channels');
SELECT throws_ok($$SELECT * FROM nurture_take('email', 0, 'w')$$, '22023', '0 is no number of messages to take', 'none');
SELECT throws_ok($$SELECT * FROM nurture_take('email', 1001, 'w')$$, '22023', '1001 is no number of messages to take', 'too many');
SELECT throws_ok($$SELECT * FROM nurture_take('email', 1, '')$$, '22023', 'a worker has a name of 1 to 200 bytes', 'nobody');
SELECT throws_ok($$SELECT * FROM nurture_take('email', 1, 'w', '0')$$, '22023', 'a lease lasts more than nothing and at most 30 days', 'no lease');
SELECT throws_ok($$SELECT * FROM nurture_take('email', 1, 'w', '31 days')$$, '22023', NULL, 'an endless lease');
SELECT throws_ok($$SELECT * FROM nurture_take('email', NULL, 'w')$$, '22004', 'channel, number and worker must be given', 'NULL');
SELECT is(nurture_still_allowed(1, -1), false, 'a message that does not exist may not be sent');
SELECT is(nurture_still_allowed(NULL, 1), false, 'nor nothing');
SELECT throws_ok($$SELECT nurture_ack(1, -1, 'sent')$$, 'NU004', 'lead 1 has no message -1', 'no such message');
SELECT throws_ok($$SELECT nurture_ack(1, 1, 'vanished')$$, 'NU003', 'unknown outcome "vanished"', 'no such outcome');
SELECT throws_ok($$SELECT nurture_ack(1, 1, NULL)$$, '22004', 'lead, message and outcome must be given', 'no outcome');
SELECT throws_ok(format($$SELECT nurture_ack(1, %s, 'sent', NULL, '[]')$$, message_id), '22023', 'the detail of an outcome is a JSON object', 'a detail that is a list') FROM nurture.message WHERE lead_id = 1;
SELECT throws_ok(format($$SELECT nurture_ack(1, %s, 'sent', NULL, '{"at": true}')$$, message_id), '22023', 'key "at" of the detail is neither a text nor a number', 'a time that is none') FROM nurture.message WHERE lead_id = 1;
SELECT throws_ok(format($$SELECT nurture_ack(1, %s, 'sent', NULL, '{"at": "soon"}')$$, message_id), '22007', NULL, 'nor this') FROM nurture.message WHERE lead_id = 1;

SELECT throws_ok(format($$SELECT nurture_ack(1, %s, 'sent', NULL, '{"at": "-infinity"}')$$, message_id), '22023', 'key "at" of the detail is no instant', 'nor this') FROM nurture.message WHERE lead_id = 1;
SELECT throws_ok(format($$SELECT nurture_ack(1, %s, 'sent', NULL, jsonb_build_object('event_id', repeat('x', 501)))$$, message_id), '22023', 'key "event_id" of the detail has at most 500 bytes', 'a number that is a novel') FROM nurture.message WHERE lead_id = 1;

-- acknowledgements
INSERT INTO nurture.message (lead_id, channel, asset_id) VALUES (41, 'email', 'dv_a'), (42, 'email', 'dv_a'), (43, 'email', 'dv_a'), (44, 'email', 'dv_a');
SELECT is((SELECT count(*) FROM nurture_take('email', 10, 'w')), 4::bigint, 'taken');
SET LOCAL nurture.clock = '2026-03-03T10:06:00Z';
SELECT is(nurture_ack(41, message_id, 'sent', 'p-1', '{"at": "2026-03-03T10:04:00Z"}'), 'sent', 'sent') FROM nurture.message WHERE lead_id = 41;
SELECT is(nurture_ack(41, message_id, 'sent', 'p-2'), 'sent', 'a repetition') FROM nurture.message WHERE lead_id = 41;
SELECT is(nurture_ack(41, message_id, 'clicked', NULL, '{"event_id": "c1", "url": "https://x"}'), 'delivered', 'a click says that it was delivered') FROM nurture.message WHERE lead_id = 41;
SELECT is(nurture_ack(41, message_id, 'clicked', NULL, '{"event_id": "c2"}'), 'delivered', 'another click') FROM nurture.message WHERE lead_id = 41;
SELECT is(nurture_ack(41, message_id, 'clicked', NULL, '{"event_id": "c1", "url": "https://x"}'), 'delivered', 'the first once more') FROM nurture.message WHERE lead_id = 41;
SELECT is(nurture_ack(41, message_id, 'delivered', NULL, '{"at": "2026-03-03T10:05:00Z"}'), 'delivered', 'the delivery, late') FROM nurture.message WHERE lead_id = 41;
SELECT is((SELECT concat_ws(' ', status, outcome, provider_id, to_char(sent_at AT TIME ZONE 'UTC', 'HH24:MI'), to_char(delivered_at AT TIME ZONE 'UTC', 'HH24:MI'), reasons) FROM nurture.message WHERE lead_id = 41), 'delivered clicked p-1 10:04 10:05', 'the message keeps the furthest and the first times');
SELECT results_eq($$SELECT e.event_type, e.channel, e.asset_id, e.version, e.properties - 'message_id', e.message_id = m.message_id AND e.properties ->> 'message_id' = m.message_id::text, e.source FROM nurture.event e JOIN nurture.message m USING (lead_id) WHERE e.lead_id = 41 ORDER BY e.event_id$$,
    $$VALUES ('email_clicked', 'email', 'dv_a', 1, '{"event_id": "c1", "url": "https://x"}'::jsonb, true, 'nurture_ack'), ('email_clicked', 'email', 'dv_a', 1, '{"event_id": "c2"}', true, 'nurture_ack'), ('email_delivered', 'email', 'dv_a', 1, '{"at": "2026-03-03T10:05:00Z"}', true, 'nurture_ack')$$, 'each outcome of the lead is one event');
SELECT is((SELECT array_agg(concat_ws(' ', outcome, inputs) ORDER BY audit_id) FROM nurture.audit WHERE lead_ref = 41 AND kind = 'delivery'), ARRAY['sent taken to sent', 'clicked sent to delivered', 'delivered delivered to delivered'], 'each change is on record');
SELECT is(nurture_ack(42, message_id, 'sent', NULL, '{"at": "1999-01-01T00:00:00Z"}'), 'sent', 'a clock that is wrong') FROM nurture.message WHERE lead_id = 42;
SELECT is((SELECT sent_at = requested_at FROM nurture.message WHERE lead_id = 42), true, 'does not send before it was asked for');
SELECT is(nurture_ack(5, message_id, 'clicked'), 'delivered', 'a text message') FROM nurture.message WHERE lead_id = 5;
SELECT is(nurture_ack(5, message_id, 'opened'), 'delivered', 'opened') FROM nurture.message WHERE lead_id = 5;
SELECT is((SELECT array_agg(concat_ws(' ', event_type, channel)) FROM nurture.event WHERE lead_id = 5), ARRAY['link_clicked sms'], 'a click on its link is an event, no event of e-mail is made up');
SELECT throws_ok(format($$SELECT nurture_ack(14, %s, 'sent')$$, message_id), 'NU007', format('message %s was never taken', message_id), 'what nobody took was not sent') FROM nurture.message WHERE lead_id = 14;

-- consent follows in the same transaction
SELECT is(nurture_ack(42, message_id, 'unsubscribed'), 'delivered', 'an unsubscription') FROM nurture.message WHERE lead_id = 42;
SELECT is((SELECT concat_ws(' ', channel, state) FROM nurture.consent WHERE lead_id = 42), 'email withdrawn', 'withdraws consent for the channel');
SELECT is(nurture_ack(43, message_id, 'complaint'), 'complained', 'a complaint') FROM nurture.message WHERE lead_id = 43;
SELECT is((SELECT concat_ws(' ', channel, state) FROM nurture.consent WHERE lead_id = 43), '* objected', 'is an objection');
SELECT is((SELECT array_agg(concat_ws(' ', status, cancel_requested, reasons) ORDER BY lead_id) FROM nurture.message WHERE lead_id IN (42, 43)), ARRAY['delivered f', 'complained f'], 'neither was sent after the opt-out it led to');

UPDATE nurture.signal SET retired_at = nurture_now() WHERE signal = 'unsubscribed';
SELECT is(nurture_ack(44, message_id, 'unsubscribed'), 'delivered', 'an unsubscription that is counted by no signal') FROM nurture.message WHERE lead_id = 44;
SELECT is((SELECT concat_ws(' ', channel, state) FROM nurture.consent WHERE lead_id = 44), 'email withdrawn', 'binds as well');

-- sent after an opt-out all the same
SELECT is((SELECT count(*) FROM nurture.message WHERE lead_id IN (8, 29) AND status = 'taken'), 0::bigint, 'their leases are over');
INSERT INTO nurture.message (lead_id, channel, asset_id) VALUES (35, 'email', 'dv_a'), (36, 'email', 'dv_a'), (37, 'email', 'dv_a'), (38, 'email', 'dv_a');
SELECT is((SELECT count(*) FROM nurture_take('email', 10, 'w')), 4::bigint, 'taken');
SELECT is(nurture_opt_out(35) + nurture_opt_out(36), 2::bigint, 'an opt-out reaches them');
SELECT is((SELECT bool_or(nurture_still_allowed(lead_id, message_id)) FROM nurture.message WHERE lead_id IN (35, 36)), false, 'they may not be sent any more');
SELECT is(nurture_ack(35, message_id, 'sent'), 'sent', 'sent all the same') FROM nurture.message WHERE lead_id = 35;
SELECT is(nurture_ack(35, message_id, 'delivered'), 'delivered', 'and delivered') FROM nurture.message WHERE lead_id = 35;
SELECT is(nurture_ack(36, message_id, 'failed'), 'cancelled', 'the other was not sent') FROM nurture.message WHERE lead_id = 36;
SELECT is((SELECT array_agg(concat_ws(' ', status, cancel_requested, reasons) ORDER BY lead_id) FROM nurture.message WHERE lead_id IN (35, 36)), ARRAY['delivered t {consent_denied,sent_after_opt_out}', 'cancelled t {consent_denied}'], 'which the messages say');
SELECT is((SELECT array_agg(concat_ws(' ', outcome, reasons)) FROM nurture.audit WHERE lead_ref = 35 AND kind = 'delivery' AND reasons IS NOT NULL), ARRAY['sent {sent_after_opt_out}'], 'and the audit, once');
SELECT is(nurture_ack(37, message_id, 'failed', NULL, '{"worker": "another"}'), 'taken', 'a failure of a worker that no longer has it changes nothing') FROM nurture.message WHERE lead_id = 37;
SELECT is(nurture_ack(37, message_id, 'failed', NULL, '{"worker": "w"}'), 'failed', 'that of the one that has it does') FROM nurture.message WHERE lead_id = 37;

-- the lead leaves the address that a worker was given
INSERT INTO nurture.message (lead_id, channel, asset_id) VALUES (51, 'email', 'dv_a'), (52, 'email', 'dv_a');
SELECT is((SELECT count(*) FROM nurture_take('email', 2, 'w') WHERE lead_id IN (51, 52)), 2::bigint, 'taken');
UPDATE nurture.lead SET email = upper(email) WHERE lead_id = 51;
SELECT is((SELECT bool_and(nurture_still_allowed(lead_id, message_id, 'w')) FROM nurture.message WHERE lead_id IN (51, 52) AND status = 'taken'), true, 'another spelling is the same address');
INSERT INTO nurture.message (lead_id, channel, asset_id) VALUES (53, 'email', 'dv_a');
UPDATE nurture.lead SET email = 'new' || lead_id || '@example.com' WHERE lead_id IN (51, 53);
UPDATE nurture.lead SET phone = '+51125256789' WHERE lead_id = 52;
SELECT results_eq($$SELECT lead_id, status, cancel_requested, reasons FROM nurture.message WHERE lead_id IN (51, 52, 53) ORDER BY 1$$,
    $$VALUES (51::bigint, 'taken', true, '{address_changed}'::text[]), (52, 'taken', false, NULL), (53, 'queued', false, NULL)$$,
    'what was taken for the old address is called back, nothing else');
SELECT is((SELECT array_agg(nurture_still_allowed(lead_id, message_id, 'w') ORDER BY lead_id) FROM nurture.message WHERE lead_id IN (51, 52) AND status = 'taken'), ARRAY[false, true], 'and may not be sent');
SELECT is((SELECT array_agg(concat_ws(' ', kind, outcome, reasons) ORDER BY audit_id) FROM nurture.audit WHERE lead_ref = 51 AND kind = 'cancel'), ARRAY['cancel cancel_requested {address_changed}'], 'which is on record');
SELECT is((SELECT address FROM nurture_take('email', 2, 'w') WHERE lead_id = 53), 'new53@example.com', 'what was queued goes to the new one');
-- without the trigger of nurture.lead, as in a logical apply, the address itself is compared
ALTER TABLE nurture.lead DISABLE TRIGGER nurture_gate_update;
UPDATE nurture.lead SET email = 'other52@example.com' WHERE lead_id = 52;
ALTER TABLE nurture.lead ENABLE ALWAYS TRIGGER nurture_gate_update;
SELECT results_eq($$SELECT cancel_requested, nurture_still_allowed(lead_id, message_id, 'w') FROM nurture.message WHERE lead_id = 52$$, $$VALUES (false, false)$$, 'whoever asks is told, even where nobody called back');

-- a late acknowledgement of a message whose occasion was used meanwhile
SET LOCAL nurture.clock = '2026-03-03T11:00:00Z';
INSERT INTO nurture.message (lead_id, channel, asset_id, occurrence_key) VALUES (40, 'email', 'dv_a', 'o');
SELECT is((SELECT count(*) FROM nurture_take('email', 10, 'w', '1 minute')), 1::bigint, 'taken');
SET LOCAL nurture.clock = '2026-03-03T11:01:00Z';
SELECT is_empty($$SELECT * FROM nurture_take('email', 10, 'w')$$, 'its lease ends');
INSERT INTO nurture.message (lead_id, channel, asset_id, occurrence_key) VALUES (40, 'email', 'dv_a', 'o');
SELECT is((SELECT array_agg(status ORDER BY message_id) FROM nurture.message WHERE lead_id = 40), '{failed,queued}', 'the occasion may be used again');
SELECT is(nurture_ack(40, min(message_id), 'sent'), 'failed', 'it was sent after all: the place stays with the other') FROM nurture.message WHERE lead_id = 40;
SELECT is((SELECT array_agg(concat_ws(' ', status, outcome, reasons) ORDER BY message_id) FROM nurture.message WHERE lead_id = 40), ARRAY['failed sent {lease_expired,sent_after_cancel}', 'queued'], 'but what happened is told');

-- the log of all of it
SELECT results_eq($$SELECT lead_id, channel, asset_id, status, verdict, reasons, outcome, taken_by, takes::integer, sent_all_the_same, requested_at <= decided_at AND decided_at = taken_at AND taken_at <= sent_at FROM nurture_bi.message_log WHERE lead_id IN (35, 14, 41) ORDER BY 1$$,
    $$VALUES (14::bigint, 'email', 'dv_a', 'held', 'review', 'consent_missing'::text, NULL::text, NULL::text, 0, false, NULL::boolean), (35, 'email', 'dv_a', 'delivered', 'allow', 'consent_denied, sent_after_opt_out', 'delivered', 'w', 1, true, true), (41, 'email', 'dv_a', 'delivered', 'allow', NULL, 'clicked', 'w', 1, false, true)$$, 'the log tells what became of each');
SELECT is((SELECT count(*) FROM nurture_bi.message_log), (SELECT count(*) FROM nurture.message WHERE lead_id NOT IN (90, 91)), 'every one, but those to test leads');

-- every state and every outcome: what a message becomes
CREATE TEMP TABLE graph (state text, outcome text, cancel boolean, takes integer, sent text, soft_bounce text, delivered text, opened text, clicked text, unsubscribed text, hard_bounce text, complaint text, failed text);
INSERT INTO graph VALUES
    ('taken', NULL, false, 1, 'sent', 'bounced', 'delivered', 'delivered', 'delivered', 'delivered', 'bounced', 'complained', 'failed'),
    ('taken', NULL, true, 1, 'sent', 'bounced', 'delivered', 'delivered', 'delivered', 'delivered', 'bounced', 'complained', 'cancelled'),
    ('taken', 'failed', false, 2, 'sent', 'bounced', 'delivered', 'delivered', 'delivered', 'delivered', 'bounced', 'complained', 'failed'),
    ('queued', NULL, false, 1, 'sent', 'bounced', 'delivered', 'delivered', 'delivered', 'delivered', 'bounced', 'complained', 'queued'),
    ('held', NULL, false, 1, 'sent', 'bounced', 'delivered', 'delivered', 'delivered', 'delivered', 'bounced', 'complained', 'held'),
    ('refused', NULL, false, 1, 'sent', 'bounced', 'delivered', 'delivered', 'delivered', 'delivered', 'bounced', 'complained', 'refused'),
    ('cancelled', NULL, false, 1, 'sent', 'bounced', 'delivered', 'delivered', 'delivered', 'delivered', 'bounced', 'complained', 'cancelled'),
    ('cancelled', 'failed', true, 1, 'sent', 'bounced', 'delivered', 'delivered', 'delivered', 'delivered', 'bounced', 'complained', 'cancelled'),
    ('failed', NULL, false, 1, 'sent', 'bounced', 'delivered', 'delivered', 'delivered', 'delivered', 'bounced', 'complained', 'failed'),
    ('failed', 'failed', false, 1, 'sent', 'bounced', 'delivered', 'delivered', 'delivered', 'delivered', 'bounced', 'complained', 'failed'),
    ('sent', 'sent', false, 1, 'sent', 'bounced', 'delivered', 'delivered', 'delivered', 'delivered', 'bounced', 'complained', 'sent'),
    ('bounced', 'soft_bounce', false, 1, 'bounced', 'bounced', 'delivered', 'delivered', 'delivered', 'delivered', 'bounced', 'complained', 'bounced'),
    ('delivered', 'delivered', false, 1, 'delivered', 'delivered', 'delivered', 'delivered', 'delivered', 'delivered', 'bounced', 'complained', 'delivered'),
    ('delivered', 'opened', false, 1, 'delivered', 'delivered', 'delivered', 'delivered', 'delivered', 'delivered', 'bounced', 'complained', 'delivered'),
    ('delivered', 'clicked', false, 1, 'delivered', 'delivered', 'delivered', 'delivered', 'delivered', 'delivered', 'bounced', 'complained', 'delivered'),
    ('delivered', 'unsubscribed', false, 1, 'delivered', 'delivered', 'delivered', 'delivered', 'delivered', 'delivered', 'bounced', 'complained', 'delivered'),
    ('bounced', 'hard_bounce', false, 1, 'bounced', 'bounced', 'bounced', 'bounced', 'bounced', 'bounced', 'bounced', 'complained', 'bounced'),
    ('complained', 'complaint', false, 1, 'complained', 'complained', 'complained', 'complained', 'complained', 'complained', 'complained', 'complained', 'complained'),
    ('queued', NULL, false, 0, 'NU007', 'NU007', 'NU007', 'NU007', 'NU007', 'NU007', 'NU007', 'NU007', 'NU007'),
    ('held', NULL, false, 0, 'NU007', 'NU007', 'NU007', 'NU007', 'NU007', 'NU007', 'NU007', 'NU007', 'NU007'),
    ('refused', NULL, false, 0, 'NU007', 'NU007', 'NU007', 'NU007', 'NU007', 'NU007', 'NU007', 'NU007', 'NU007'),
    ('cancelled', NULL, false, 0, 'NU007', 'NU007', 'NU007', 'NU007', 'NU007', 'NU007', 'NU007', 'NU007', 'NU007');
CREATE TEMP TABLE move AS
    SELECT 1000 + row_number() OVER () AS lead_id, g.state, g.outcome, g.cancel, g.takes, m.key AS told, m.value AS becomes, NULL::text AS became
    FROM graph AS g, jsonb_each_text(to_jsonb(g) - '{state,outcome,cancel,takes}'::text[]) AS m;
INSERT INTO nurture.lead (lead_id, email, country, audience_type, language) SELECT lead_id, 'lead' || lead_id || '@example.com', 'US', 'hcp', 'en' FROM move;
INSERT INTO nurture.message (lead_id, channel, asset_id) SELECT lead_id, 'email', 'dv_a' FROM move;
SELECT set_config('search_path', '', true) \g /dev/null
SET LOCAL row_security = off;
SET LOCAL check_function_bodies = off;
UPDATE nurture.message AS m SET status = v.state, outcome = v.outcome, cancel_requested = v.cancel, takes = v.takes, sent_at = CASE WHEN v.outcome <> 'failed' THEN m.decided_at END
    FROM pg_temp.move AS v WHERE v.lead_id = m.lead_id;
SELECT set_config('search_path', 'public', true) \g /dev/null
SET LOCAL row_security = on;
SET LOCAL check_function_bodies = on;
CREATE FUNCTION pg_temp.ack(lead bigint, told text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    RETURN nurture_ack(lead, (SELECT message_id FROM nurture.message WHERE lead_id = lead), told);
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE;
END $$;
UPDATE move SET became = pg_temp.ack(lead_id, told);
SELECT is_empty($$SELECT state, outcome, cancel, takes, told, becomes, became FROM move WHERE becomes IS DISTINCT FROM became$$, 'every state goes where the graph says, and nowhere else');
SELECT is((SELECT count(*) FROM move), 198::bigint, 'for every outcome');
SELECT is_empty($$SELECT v.state, v.told FROM move v JOIN nurture.message m USING (lead_id) WHERE m.status <> CASE v.became WHEN 'NU007' THEN v.state ELSE v.became END$$, 'the rows say so too');
UPDATE move SET became = pg_temp.ack(lead_id, told);
SELECT is_empty($$SELECT state, outcome, cancel, takes, told, becomes, became FROM move WHERE becomes IS DISTINCT FROM became$$, 'the same again changes nothing');
SELECT is_empty($$SELECT m.lead_id FROM nurture.message m JOIN move v USING (lead_id) WHERE became <> 'NU007' AND told <> 'failed' AND (m.sent_at IS NULL OR (m.delivered_at IS NOT NULL) < (told IN ('delivered', 'opened', 'clicked', 'unsubscribed')))$$, 'whatever says that it went out sets when');
SELECT is_empty($$SELECT v.state, v.cancel, v.told, m.reasons FROM nurture.message m JOIN move v USING (lead_id) WHERE became <> 'NU007'
    AND (told <> 'failed' AND (v.cancel OR state IN ('refused', 'cancelled', 'failed'))) IS DISTINCT FROM COALESCE(reasons @> '{sent_after_cancel}', false)$$, 'what went out although it should not have is marked');

-- whatever the order, the end is the same
CREATE TEMP TABLE orders AS
    WITH RECURSIVE o (told) AS (SELECT ARRAY[]::text[] UNION ALL
        SELECT o.told || x FROM o, unnest('{failed,sent,soft_bounce,delivered,clicked,hard_bounce,complaint}'::text[]) AS x WHERE cardinality(o.told) < 3 AND x <> ALL (o.told))
    SELECT 2000 + row_number() OVER () AS lead_id, told, ARRAY(SELECT x FROM unnest(told) AS x ORDER BY x) AS set FROM o WHERE cardinality(told) = 3;
INSERT INTO nurture.lead (lead_id, email, country, audience_type, language) SELECT lead_id, 'lead' || lead_id || '@example.com', 'US', 'hcp', 'en' FROM orders;
INSERT INTO nurture.message (lead_id, channel, asset_id) SELECT lead_id, 'email', 'dv_a' FROM orders;
SELECT count(*) FROM nurture_take('email', 1000, 'w') \g /dev/null
SET LOCAL nurture.clock = '2026-03-03T11:02:00Z';
DO $$
BEGIN
    PERFORM nurture_ack(o.lead_id, m.message_id, t.told, NULL, jsonb_build_object('at', timestamptz '2026-03-03T11:01:00Z' + interval '1 second' * length(t.told)))
    FROM orders o JOIN nurture.message m USING (lead_id), unnest(o.told) WITH ORDINALITY AS t (told, n);
END $$;
SELECT is((SELECT count(DISTINCT set) FROM orders), 35::bigint, 'three outcomes of seven');
SELECT is_empty($$SELECT set, array_agg(DISTINCT concat_ws(' ', status, outcome, sent_at, delivered_at)) FROM orders JOIN nurture.message m USING (lead_id) GROUP BY set HAVING count(*) <> 6 OR count(DISTINCT (status, outcome, outcome_at, sent_at, delivered_at)) > 1$$, 'every order of them ends in the same state');

SELECT * FROM finish();
ROLLBACK;
