-- A decision made again about a message that is there, when a person ruled: by
-- everything that is true now, with one entry more on record, and never about
-- a message that has gone on meanwhile.
BEGIN;
SELECT plan(25);
SET LOCAL client_min_messages = warning;
SET LOCAL timezone = 'UTC';
SET LOCAL nurture.clock = '2026-03-02T09:00:00Z';

SELECT set_config('search_path', '', true) \g /dev/null
SET LOCAL row_security = off;
SET LOCAL check_function_bodies = off;
INSERT INTO nurture.asset (asset_id, family, title, format) SELECT 'ga_' || i, 'ga_' || i, 'A', 'email' FROM generate_series(1, 4) AS i;
INSERT INTO nurture.asset_version (asset_id, version, status, message_class, channels, languages, markets, audience_types, valid_during, approved_at, content_hash)
    SELECT 'ga_' || i, 1, 'approved', 'promotional', '{email,phone}', '{en}', '{*}', '{hcp}', CASE i WHEN 4 THEN tstzrange('2000-01-01', '2026-03-04') ELSE tstzrange('2000-01-01', NULL) END, '2000-01-01', '\x01' FROM generate_series(1, 4) AS i;
SELECT set_config('search_path', 'public', true) \g /dev/null
SET LOCAL row_security = on;
SET LOCAL check_function_bodies = on;
DELETE FROM nurture.frequency_cap;
INSERT INTO nurture.lead (lead_id, email, phone, country, audience_type, language, time_zone)
    SELECT i, 'ga' || i || '@example.com', '+33 1 23 45 ' || i, 'FR', 'hcp', 'en', 'UTC' FROM generate_series(7001, 7030) AS i;
CREATE FUNCTION pg_temp.send(lead bigint, asset text DEFAULT 'ga_1', key text DEFAULT NULL) RETURNS text LANGUAGE sql AS
$$INSERT INTO nurture.message (lead_id, channel, asset_id, occurrence_key) VALUES (lead, 'email', asset, key) RETURNING concat_ws(' ', status, reasons::text)$$;
CREATE FUNCTION pg_temp.rule(lead bigint, word text DEFAULT 'allow') RETURNS bigint LANGUAGE sql AS
$$SELECT nurture_rule((SELECT max(review_id) FROM nurture.review WHERE lead_id = lead AND bucket = 'consent' AND state = 'open'), word, 'because', 'berta')$$;
CREATE FUNCTION pg_temp.messages(lead bigint) RETURNS text LANGUAGE sql AS
$$SELECT string_agg(concat_ws(' ', status, reasons::text, CASE WHEN not_before > decided_at THEN to_char(not_before, 'MM-DD HH24:MI') END), ', ' ORDER BY message_id) FROM nurture.message WHERE lead_id = $1$$;
CREATE FUNCTION pg_temp.entries(lead bigint) RETURNS text LANGUAGE sql AS
$$SELECT string_agg(concat_ws(' ', trigger ->> 'kind', outcome, reasons::text, reason), ', ' ORDER BY audit_id) FROM nurture.audit WHERE lead_ref = $1 AND kind = 'message'$$;

-- what is written
SELECT is(pg_temp.send(7001), 'held {consent_missing}', 'a message waits for a person');
SELECT gate_seq AS seq, message_id AS id FROM nurture.message WHERE lead_id = 7001 \gset
SET LOCAL nurture.clock = '2026-03-02T10:00:00Z';
SELECT is(pg_temp.rule(7001), 1::bigint, 'who rules');
SELECT is(pg_temp.messages(7001), 'queued', 'lets it go: why it waited is no reason any more');
SELECT ok((SELECT gate_seq > :seq FROM nurture.message WHERE lead_id = 7001), 'the decision has a number of its own');
SELECT is((SELECT gate_seq FROM nurture.message WHERE lead_id = 7001), (SELECT seq FROM nurture.gate WHERE lead_id = 7001), 'which is that of the gate row');
SELECT is((SELECT to_char(requested_at, 'HH24:MI ') || to_char(decided_at, 'HH24:MI') FROM nurture.message WHERE lead_id = 7001), '09:00 10:00', 'and its own time, beside that at which it was asked for');
SELECT is((SELECT decision ->> 'verdict' FROM nurture.message WHERE lead_id = 7001), 'allow', 'the message says what was decided last');
SELECT is(pg_temp.entries(7001), 'manual held {consent_missing}, ruling queued because', 'the audit trail says both');
SELECT is((SELECT app_user FROM nurture.audit WHERE lead_ref = 7001 AND kind = 'review' AND outcome = 'closed'), 'berta', 'and who ruled');
SELECT isnt((SELECT contact_point_hash FROM nurture.message WHERE lead_id = 7001), NULL, 'and for which address');
SELECT pg_temp.send(7002) \g /dev/null
SELECT contact_point_hash AS was FROM nurture.message WHERE lead_id = 7002 \gset
UPDATE nurture.lead SET email = 'elsewhere@example.com' WHERE lead_id = 7002;
SELECT pg_temp.rule(7002) \g /dev/null
SELECT isnt((SELECT contact_point_hash FROM nurture.message WHERE lead_id = 7002), :'was'::bytea, 'the one the lead has now');

-- by everything that is true now
INSERT INTO nurture.frequency_cap (cap, n, period, reason) VALUES ('ga_week', 1, '7 days', 'test');
SELECT pg_temp.send(7003, 'ga_1'), pg_temp.send(7003, 'ga_2') \g /dev/null
SELECT pg_temp.rule(7003) \g /dev/null
SELECT is(pg_temp.messages(7003), 'queued, queued {frequency_cap} 03-09 10:00', 'of two that are let go the second counts the first');
DELETE FROM nurture.frequency_cap;
SELECT pg_temp.send(7004) \g /dev/null
INSERT INTO nurture.blackout (blackout, market, channel, during, reason, title) VALUES ('ga_closed', 'FR', 'email', tstzrange('2026-03-02 08:00Z', '2026-03-03 08:00Z'), 'test', 'closed');
SELECT pg_temp.rule(7004) \g /dev/null
SELECT is(pg_temp.messages(7004), 'queued {blackout} 03-03 08:00', 'what puts it off now puts it off');
SELECT pg_temp.send(7005, 'ga_4') \g /dev/null
SET LOCAL nurture.clock = '2026-03-05T09:00:00Z';
SELECT pg_temp.rule(7005) \g /dev/null
SELECT alike(pg_temp.messages(7005), 'refused {%asset_not_in_force%', 'an asset whose time is over is refused');
DELETE FROM nurture.blackout WHERE blackout = 'ga_closed';
SELECT pg_temp.send(7006) \g /dev/null
UPDATE nurture.lead SET audience_type = 'patient' WHERE lead_id = 7006;
SELECT pg_temp.rule(7006) \g /dev/null
SELECT alike(pg_temp.messages(7006), 'refused {%audience%', 'so is one for another audience');
SELECT is((SELECT count(*) FROM nurture.message m, unnest(m.reasons) AS r WHERE m.lead_id IN (7005, 7006) AND r NOT IN (SELECT reason FROM nurture.reason)), 0::bigint, 'with reasons that are rows');
SELECT pg_temp.send(7007, 'ga_1', 'once') \g /dev/null
SELECT nurture_opt_in(7007, 'email') \g /dev/null
SELECT is(pg_temp.send(7007, 'ga_1', 'once'), 'refused {duplicate}', 'one on hold has its occasion');
SELECT pg_temp.rule(7007) \g /dev/null
SELECT is(pg_temp.messages(7007), 'queued, refused {duplicate}', 'and is no repetition of itself');

-- never about a message that has gone on
SELECT pg_temp.send(7008, 'ga_1'), pg_temp.send(7008, 'ga_2') \g /dev/null
SELECT nurture_consent(7008, 'refused', 'email') \g /dev/null
SELECT is(pg_temp.messages(7008), 'cancelled {consent_missing,consent_denied}, cancelled {consent_missing,consent_denied}', 'a refusal cancels what waits');
SELECT nurture_opt_in(7008, 'email') \g /dev/null
SELECT is(pg_temp.rule(7008), 0::bigint, 'which no ruling brings back');
SELECT is(pg_temp.entries(7008), 'manual held {consent_missing}, manual held {consent_missing}', 'nor is anything decided');

-- a ruling lasts until the message is sent, and no longer
SELECT pg_temp.send(7009) \g /dev/null
SELECT pg_temp.rule(7009) \g /dev/null
SELECT is((SELECT count(*) FROM nurture_take('email', 100, 'w') WHERE lead_id = 7009), 1::bigint, 'the worker gets what a person let go');
SELECT is(pg_temp.send(7009, 'ga_2'), 'held {consent_missing}', 'the next message waits again');
SELECT is((SELECT count(*) FROM nurture.review WHERE lead_id = 7009 AND state = 'open'), 1::bigint, 'with a case of its own');
SELECT is_empty($$SELECT severity, class, detail FROM nurture_audit_verify() WHERE severity <> 'info'$$, 'the trail verifies');

SELECT * FROM finish();
ROLLBACK;
