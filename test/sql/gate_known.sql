-- A lead that is deleted and inserted again with the same number: what forbids
-- binds it, what permitted has to be said again, nothing else is left.
BEGIN;
SELECT plan(20);
SET LOCAL client_min_messages = warning;
SET LOCAL timezone = 'UTC';
SET LOCAL nurture.clock = '2026-03-02T09:00:00Z';

SELECT set_config('search_path', '', true) \g /dev/null
SET LOCAL row_security = off;
SET LOCAL check_function_bodies = off;
INSERT INTO nurture.asset (asset_id, family, title, format) VALUES ('gk_a', 'gk_a', 'A', 'email');
INSERT INTO nurture.asset_version (asset_id, version, status, message_class, channels, languages, markets, audience_types, valid_during, approved_at, content_hash)
    VALUES ('gk_a', 1, 'approved', 'promotional', '{email,phone}', '{en}', '{*}', '{hcp}', tstzrange('2000-01-01', NULL), '2000-01-01', '\x01');
SELECT set_config('search_path', 'public', true) \g /dev/null
SET LOCAL row_security = on;
SET LOCAL check_function_bodies = on;
DELETE FROM nurture.frequency_cap;
INSERT INTO nurture.frequency_cap (cap, n, period, reason) VALUES ('gk_week', 1, '7 days', 'test');
CREATE FUNCTION pg_temp.put(first bigint, last bigint DEFAULT NULL) RETURNS void LANGUAGE sql AS
$$INSERT INTO nurture.lead (lead_id, email, phone, country, audience_type, language)
  SELECT i, 'gk' || i || '@example.com', '+33 1 23 45 ' || i, 'FR', 'hcp', 'en' FROM generate_series(first, coalesce(last, first)) AS i$$;
CREATE FUNCTION pg_temp.again(lead bigint) RETURNS text LANGUAGE sql AS
$$DELETE FROM nurture.lead WHERE lead_id = $1; SELECT pg_temp.put($1);
  SELECT inputs FROM nurture.audit WHERE lead_ref = $1 AND kind = 'gate' AND outcome = 'known_number' ORDER BY audit_id DESC LIMIT 1$$;
CREATE FUNCTION pg_temp.may(lead bigint, channel text DEFAULT 'email') RETURNS text LANGUAGE sql AS
$$SELECT concat_ws(' ', verdict, nullif(reasons, '{}')) FROM nurture_may_contact($1, channel, NULL, 'gk_a')$$;
SELECT pg_temp.put(6901, 6920) \g /dev/null
SELECT is((SELECT count(*) FROM nurture.audit WHERE lead_ref BETWEEN 6901 AND 6920 AND kind = 'gate'), 0::bigint, 'of new leads there is nothing to say');

-- what forbids
SELECT nurture_opt_out(6901, 'email'), nurture_opt_in(6901, 'phone') \g /dev/null
SELECT seq AS seq FROM nurture.gate WHERE lead_id = 6901 \gset
SELECT is(pg_temp.again(6901), 'kept: denied consent; ended: 1 grants', 'what is kept and what ends is on record');
SELECT ok((SELECT seq > :seq FROM nurture.gate WHERE lead_id = 6901), 'numbers of decisions go on');
SELECT is(pg_temp.may(6901), 'refuse {consent_denied,consent_missing}', 'an opt-out binds');
SELECT is(pg_temp.may(6901, 'phone'), 'review {consent_expired}', 'a grant does not');
SELECT nurture_opt_in(6901, 'email'), nurture_opt_in(6901, 'phone') \g /dev/null
SELECT is(pg_temp.may(6901) || ', ' || pg_temp.may(6901, 'phone'), 'allow, allow', 'until the lead says so');
SELECT nurture_suppress('lead', '6902', 'asked'), nurture_opt_in(6902, 'email') \g /dev/null
SELECT is(pg_temp.again(6902), 'kept: suppression; ended: 1 grants', 'a suppression');
SELECT nurture_opt_in(6902, 'email') \g /dev/null
SELECT is(pg_temp.may(6902), 'refuse {suppressed}', 'binds');
SELECT nurture_pause(6903, 'infinity', 'leave'), nurture_opt_in(6903, 'email') \g /dev/null
SELECT is(pg_temp.again(6903), 'kept: pauses; ended: 1 grants', 'a pause');
SELECT nurture_opt_in(6903, 'email') \g /dev/null
SELECT is(pg_temp.may(6903), 'refuse {paused}', 'too');
INSERT INTO nurture.event (lead_id, event_type) VALUES (6904, 'product_complaint_reported');
SELECT is(pg_temp.again(6904), 'kept: stops; ended: 0 grants', 'a stop');

-- what says nothing about the new lead
SELECT nurture_opt_in(6905, 'email') \g /dev/null
UPDATE nurture.lead SET merged_into = 6906 WHERE lead_id = 6905;
SELECT is(pg_temp.again(6905), 'kept: nothing; ended: 1 grants', 'that the other was merged');
SELECT nurture_opt_in(6905, 'email') \g /dev/null
INSERT INTO nurture.message (lead_id, channel, asset_id) VALUES (6905, 'email', 'gk_a') RETURNING lead_id, status;
UPDATE nurture.lead SET erased_at = nurture_now() WHERE lead_id = 6907;
SELECT is(pg_temp.again(6907), 'kept: nothing; ended: 0 grants', 'that it was erased');
SELECT nurture_opt_in(6907, 'email') \g /dev/null
SELECT is(pg_temp.may(6907), 'allow', 'does not count');
DELETE FROM nurture.lead WHERE lead_id IN (6908, 6909);
INSERT INTO nurture.lead (lead_id, merged_into, erased_at) VALUES (6908, 6910, NULL), (6909, NULL, nurture_now());
SELECT results_eq('SELECT lead_id, merged_into, erased FROM nurture.gate WHERE lead_id IN (6908, 6909) ORDER BY 1', $$VALUES (6908::bigint, 6910::bigint, false), (6909, NULL, true)$$, 'but what the new row says does');

-- what was sent under the number counts: the same person may be behind it
SELECT nurture_opt_in(6911, 'email') \g /dev/null
INSERT INTO nurture.message (lead_id, channel, asset_id, occurrence_key) VALUES (6911, 'email', 'gk_a', 'once');
SELECT count(nurture_ack(lead_id, message_id, 'sent')) AS sent FROM nurture_take('email', 10, 'w') WHERE lead_id = 6911;
SELECT is(pg_temp.again(6911), 'kept: nothing; ended: 1 grants', 'messages');
SELECT nurture_opt_in(6911, 'email') \g /dev/null
SELECT is(pg_temp.may(6911), 'defer {frequency_cap}', 'count on');
INSERT INTO nurture.message (lead_id, channel, asset_id, occurrence_key) VALUES (6911, 'email', 'gk_a', 'once') RETURNING status, reasons;

-- some known, some new, in one statement; and one that was suppressed before it came
SELECT nurture_suppress('lead', '6940', 'asked before') \g /dev/null
DELETE FROM nurture.lead WHERE lead_id IN (6912, 6913);
SELECT pg_temp.put(6912, 6913), pg_temp.put(6930, 6940) \g /dev/null
DELETE FROM nurture.lead WHERE lead_id BETWEEN 6930 AND 6932;
SELECT pg_temp.put(6928, 6932) \g /dev/null
SELECT results_eq($$SELECT lead_ref, count(*), max(inputs) FROM nurture.audit WHERE kind = 'gate' AND lead_ref IN (6912, 6913) OR kind = 'gate' AND lead_ref BETWEEN 6928 AND 6940 GROUP BY 1 ORDER BY 1$$,
    $$VALUES (6912::bigint, 1::bigint, 'kept: nothing; ended: 0 grants'), (6913, 1, 'kept: nothing; ended: 0 grants'), (6930, 1, 'kept: nothing; ended: 0 grants'),
             (6931, 1, 'kept: nothing; ended: 0 grants'), (6932, 1, 'kept: nothing; ended: 0 grants'), (6940, 1, 'kept: suppression; ended: 0 grants')$$, 'only those that were known are told of');
SELECT is((SELECT kind || ' ' || source FROM nurture.consent_event WHERE lead_id = 6911 AND kind = 'expired'), 'expired lead_inserted_again', 'the end of a grant says why');
SELECT is_empty($$SELECT severity, class, detail FROM nurture_audit_verify() WHERE severity <> 'info'$$, 'the trail verifies');

SELECT * FROM finish();
ROLLBACK;
