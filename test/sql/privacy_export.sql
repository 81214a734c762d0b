-- Privacy: what a person is told, how long what is kept, and the register of
-- processing activities.
SET client_min_messages = warning;
BEGIN;
SELECT plan(63);

CREATE FUNCTION pg_temp.raised(statement text) RETURNS text LANGUAGE plpgsql AS $f$
DECLARE
    message text;
    hint text;
BEGIN
    EXECUTE statement;
    RETURN 'nothing';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, hint = PG_EXCEPTION_HINT;
    RETURN sqlstate || ' / ' || message || ' / ' || hint;
END $f$;
SET LOCAL nurture.clock = '2026-06-15 12:00:00+00';

-- access and portability
INSERT INTO nurture.lead (lead_id, email, phone, full_name, audience_type, country, source, attributes)
    SELECT 971000 + i, 'export' || i || '@example.org', '+3312345671' || i, 'Export ' || i, 'hcp', 'FR', 'congress', '{"decision_role": "influencer"}' FROM generate_series(1, 3) i;
INSERT INTO nurture.identity (kind, value, lead_id, source) VALUES ('cookie', 'export-cookie', 971002, 'website');
INSERT INTO nurture.event (lead_id, event_type, occurred_at, source, properties) SELECT 971000 + i, 'demo_requested', '2026-06-10', 'web', '{"words": "please call"}' FROM generate_series(1, 3) i;
SELECT nurture_consent(971001, 'given', 'email', source => 'form', notice_id => 'privacy', notice_version => '3', legal_basis => 'consent') > 0 AS given;
SELECT nurture_request_consent(971001, 'sms', source => 'form') IS NOT NULL AS requested;
INSERT INTO nurture.recipient (recipient, kind, channels, country, safeguard, title) VALUES ('export_mailer', 'processor', '{email}', 'US', 'standard contractual clauses', 'Mail provider');
INSERT INTO nurture.controller (name, contact, dpo_contact, security_measures) VALUES ('Pharma', 'privacy@pharma.example', 'dpo@pharma.example', 'see ISMS');
SELECT nurture_merge(971001, 971002, 'same person') > 0 AS merged;
-- suppressions name nobody: those whose hash is that of something the person has
SET LOCAL client_min_messages = error;
SELECT count(nurture_suppress(scope, value, reason)) AS suppressed FROM (VALUES ('contact_point', 'EXPORT2@Example.org', 'asked by phone'), ('contact_point', '+33123456711', 'asked'), ('lead', '971001', 'asked'),
    ('lead_address', '971001:export1@example.org', 'soft_bounce'), ('domain', 'example.org', 'all of them'), ('contact_point', 'export3@example.org', 'of another'), ('account', '971099', 'all of it'), ('lead', '971003', 'of another')) v (scope, value, reason);
SET LOCAL client_min_messages = warning;
CREATE TEMP TABLE export AS SELECT nurture_subject_export(971001) AS of_survivor, nurture_subject_export(971002) AS of_merged, nurture_subject_export(971003) AS of_other;
SELECT is((SELECT of_survivor -> 'leads' FROM export), '[971001, 971002]'::jsonb, 'a person is all of its leads');
SELECT is((SELECT of_survivor #- '{held,audit}' FROM export), (SELECT of_merged #- '{held,audit}' FROM export), 'whichever is asked for');
SET LOCAL timezone = 'Asia/Tokyo';
SET LOCAL datestyle = 'German';
SET LOCAL intervalstyle = 'iso_8601';
SELECT is(md5((nurture_subject_export(971003) #- '{held,audit}')::text), (SELECT md5((of_other #- '{held,audit}')::text) FROM export), 'again the same bytes, whatever the session writes');
SET LOCAL timezone = 'UTC';
SET LOCAL datestyle = 'ISO, YMD';
SET LOCAL intervalstyle = 'postgres';
SELECT set_eq($$SELECT r ->> 'email' FROM export, jsonb_array_elements(of_survivor #> '{held,lead,rows}') r$$, ARRAY['export1@example.org', 'export2@example.org'], 'facts');
SELECT set_eq($$SELECT r #>> '{properties,words}' FROM export, jsonb_array_elements(of_survivor #> '{held,event,rows}') r$$, ARRAY['please call'], 'events');
SELECT is((SELECT count(*) FROM export, jsonb_array_elements(of_survivor #> '{held,event,rows}') r), 2::bigint, 'of both');
SELECT results_eq($$SELECT r ->> 'kind', r ->> 'value' FROM export, jsonb_array_elements(of_survivor #> '{held,identity,rows}') r WHERE r ->> 'kind' = 'cookie'$$, $$VALUES ('cookie', 'export-cookie')$$, 'identities');
SELECT results_eq($$SELECT r ->> 'kind', r ->> 'notice_version', r ->> 'legal_basis' FROM export, jsonb_array_elements(of_survivor #> '{held,consent_event,rows}') r WHERE r ->> 'channel' = 'email' AND (r ->> 'lead_id')::bigint = 971001$$,
    $$VALUES ('given', '3', 'consent')$$, 'what was consented to, under which notice');
SELECT results_eq($$SELECT r ->> 'scope', r ->> 'of', r ->> 'reason', r ->> 'until' FROM export, jsonb_array_elements(of_survivor #> '{held,suppression,rows}') r$$,
    $$VALUES ('contact_point', '+33123456711', 'asked', 'infinity'), ('contact_point', 'export2@example.org', 'asked by phone', 'infinity'), ('domain', 'example.org', 'all of them', 'infinity'), ('lead', '971001', 'asked', 'infinity'),
        ('lead_address', '971001:export1@example.org', 'soft_bounce', 'infinity')$$, 'what is suppressed of it, by what it has');
SELECT results_eq($$SELECT r ->> 'scope', r ->> 'of' FROM export, jsonb_array_elements(of_other #> '{held,suppression,rows}') r$$, $$VALUES ('contact_point', 'export3@example.org'), ('domain', 'example.org'), ('lead', '971003')$$, 'and nothing of others');
SELECT is((SELECT of_survivor -> 'sources' @> '["congress", "form", "web", "website"]' FROM export), true, 'where it comes from');
SELECT is((SELECT of_survivor -> 'purposes' @> '["marketing"]' FROM export), true, 'what it is for');
SELECT is((SELECT of_survivor #>> '{controller,name}' FROM export), 'Pharma', 'who answers for it');
SELECT ok((SELECT jsonb_array_length(of_survivor #> '{recipients,teams}') > 0 AND jsonb_array_length(of_survivor #> '{recipients,systems}') > 0 FROM export), 'who received it');
SELECT results_eq($$SELECT (s ->> 'lead_id')::bigint, (s ->> 'score')::numeric, (SELECT sum((e ->> 'points')::numeric) FROM jsonb_array_elements(s -> 'explanation') e) FROM export, jsonb_array_elements(of_survivor -> 'scores') s$$,
    $$SELECT 971001::bigint, nurture_score(971001), nurture_score(971001)$$, 'its score, with an explanation that adds up');
SELECT set_eq($$SELECT key FROM export, jsonb_each(of_survivor -> 'held') WHERE NOT value ?& '{rows,about,retention}'$$, ARRAY[]::text[], 'each table says what it is for and how long it is kept');
SELECT is((SELECT of_survivor #>> '{held,consent_token,retention,0}' FROM export), 'delete after 30 days', 'as the rules have it');
SELECT is_empty($$SELECT key FROM export, jsonb_each(of_survivor -> 'held') WHERE value::text ~ '(token_hash|contact_point_hash|key_hash|"leaf"|"subject")'$$, 'hashes and keys are nobody''s');
SELECT ok((SELECT of_other::text !~ 'export[12]@' FROM export), 'nothing of anybody else');
SELECT is_empty($$SELECT table_name FROM nurture_erase_map() WHERE act IN ('delete', 'clear') AND NOT exported AND table_name NOT IN ('event_key', 'tick_error', 'subject_key')$$, 'what is erased is exported, but keys');
SELECT results_eq($$SELECT kind, outcome, count(*) FROM nurture.audit WHERE lead_ref = 971001 AND kind = 'subject_export' GROUP BY 1, 2$$, $$VALUES ('subject_export', 'exported', 1::bigint)$$, 'an export is on record');
SELECT nurture_erase(971003, 'objection', 'ticket') > 0 AS erased;
SELECT is((SELECT jsonb_agg(x.key ORDER BY x.key) FROM jsonb_object_keys(nurture_subject_export(971003) -> 'held') x(key)) ?| ARRAY['event', 'identity', 'score_history', 'lead_stage'], false, 'of an erased lead nothing but what stays is left to tell');
SELECT matches(pg_temp.raised(statement), pattern, what)
FROM (VALUES ('SELECT nurture_subject_export(NULL)', '^22004 / the lead to export must be given', 'no lead'),
    ('SELECT nurture_subject_export(979999)', '^NU004 / there is no lead 979999 / .', 'a lead that is not there')) v (statement, pattern, what);
CREATE ROLE nurture_test_export;
GRANT USAGE ON SCHEMA nurture TO nurture_test_export;
GRANT SELECT ON ALL TABLES IN SCHEMA nurture TO nurture_test_export;
SET LOCAL ROLE nurture_test_export;
SELECT matches(pg_temp.raised('SELECT nurture_subject_export(971001)'), '^42501 / permission denied for function', 'nobody may call it by default');
RESET ROLE;
GRANT EXECUTE ON FUNCTION nurture_subject_export(bigint), nurture_retain(text, integer) TO nurture_test_export;
SET LOCAL ROLE nurture_test_export;
SELECT matches(pg_temp.raised('SELECT nurture_subject_export(971001)'), '^42501 / permission denied to export .*INSERT into nurture.erasure', 'the right to read all tables is not enough');
SELECT matches(pg_temp.raised('SELECT * FROM nurture_retain()'), '^42501 / permission denied to carry out retention / .*owner', 'nor to carry out retention');
RESET ROLE;

-- retention: due rows go, in batches; others stay
INSERT INTO nurture.event_quarantine (payload, reason, received_at) SELECT jsonb_build_object('retained', i), 'bad_value', nurture_now() - i * interval '30 days' FROM generate_series(1, 6) i;
SELECT results_eq($$SELECT * FROM nurture_retain('event_quarantine', 2)$$, $$VALUES ('event_quarantine', 2::bigint, true)$$, 'so many at a time');
SELECT results_eq($$SELECT * FROM nurture_retain('event_quarantine')$$, $$VALUES ('event_quarantine', 1::bigint, false)$$, 'until there are no more');
SELECT set_eq($$SELECT (payload ->> 'retained')::int FROM nurture.event_quarantine WHERE payload ? 'retained'$$, ARRAY[1, 2, 3], 'what is not due stays');
SELECT results_eq($$SELECT outcome, inputs, app_user, lead_ref FROM nurture.audit WHERE object = 'retention:event_quarantine' ORDER BY audit_id DESC LIMIT 2$$,
    $$VALUES ('deleted', 'rows 1 of event_quarantine, before ' || (nurture_now() - interval '90 days')::text, 'retention', NULL::bigint),
             ('deleted', 'rows 2 of event_quarantine, before ' || (nurture_now() - interval '90 days')::text, 'retention', NULL)$$, 'with entries that name nobody');
SELECT results_eq($$SELECT rows_total, more FROM nurture.retention_run WHERE retention = 'event_quarantine'$$, $$VALUES (3::bigint, false)$$, 'and a note of the last run');
INSERT INTO nurture.event_quarantine (payload, reason, received_at) VALUES ('{"retained": 9}', 'bad_value', nurture_now() - interval '1 year');
UPDATE nurture.retention_run SET last_run_at = nurture_now() - interval '2 hours';
SELECT is((SELECT done > 0 FROM nurture_tick(200, '1 minute') WHERE kind = 'retention'), true, 'the tick does it');
SELECT is_empty($$SELECT 1 FROM nurture.event_quarantine WHERE payload ->> 'retained' = '9'$$, 'within the hour');
INSERT INTO nurture.document (lead_id, kind, uri, retain_until) SELECT 971001, 'cv', 'https://dms.example.org/r' || i, '2026-06-15'::date + i FROM generate_series(-1, 1) i;
SELECT nurture_retain('document') IS NOT NULL AS done;
SELECT set_eq($$SELECT retain_until - '2026-06-15'::date FROM nurture.document WHERE lead_id = 971001$$, ARRAY[0, 1], 'a document is kept until its own day');
UPDATE nurture.retention SET period = '30 days' WHERE retention IN ('handoff', 'attempt', 'review');
UPDATE nurture.consent_token SET expires_at = nurture_now() - interval '31 days' WHERE lead_id = 971001;
SELECT results_eq($$SELECT done FROM nurture_retain('consent_token')$$, $$VALUES (1::bigint)$$, 'tokens that ran out go');
INSERT INTO nurture.review (lead_id, bucket, scope, evidence, state, ruling, closed_at) VALUES (971001, 'discovery', 'r1', '{"a": 1}', 'closed', 'done', nurture_now() - interval '31 days'), (971001, 'discovery', 'r2', '{"a": 1}', 'open', NULL, NULL);
SELECT nurture_retain('review') IS NOT NULL AS done;
SELECT results_eq($$SELECT scope, evidence IS NULL, ruling FROM nurture.review WHERE lead_id = 971001 AND scope IN ('r1', 'r2') ORDER BY 1$$, $$VALUES ('r1', true, 'done'), ('r2', false, NULL)$$, 'evidence of closed cases is cleared, the ruling stays');

-- standings, stops, requests and tasks: what is over goes, what is in force stays
UPDATE nurture.retention SET period = '400 days' WHERE retention IN ('stage_history', 'stop_effect', 'request', 'task');
INSERT INTO nurture.lead (lead_id, email, audience_type, country) VALUES (971020, 'over@example.org', 'hcp', 'FR');
SET LOCAL session_replication_role = replica;
INSERT INTO nurture.stage_history (lead_id, product, new_stage, at) SELECT 971020, p, 's' || i, nurture_now() - (510 - 20 * i) * interval '1 day' FROM generate_series(1, 6) i, unnest('{a,b}'::text[]) p WHERE p = 'a' OR i = 1;
INSERT INTO nurture.stop_effect (lead_id, rule, effect, mode, since, until, lifted_at) SELECT 971020, 'r' || i, 'pause', 'enforced', nurture_now() - interval '600 days', until, lifted
    FROM (VALUES (1, 'infinity'::timestamptz, nurture_now() - interval '401 days'), (2, 'infinity', nurture_now() - interval '399 days'), (3, 'infinity', NULL), (4, nurture_now() - interval '500 days', NULL)) v (i, until, lifted);
INSERT INTO nurture.request (lead_id, request_kind, opened_at, state, closed_at) SELECT 971020, 'k' || i, nurture_now() - interval '600 days', state, nurture_now() - days * interval '1 day' FROM (VALUES (1, 'fulfilled', 401), (2, 'declined', 399), (3, 'open', NULL)) v (i, state, days);
INSERT INTO nurture.task (lead_id, task_kind, title, team, created_at, state, done_at) SELECT 971020, 'contact', 't' || i, 'x', nurture_now() - interval '600 days', state, nurture_now() - days * interval '1 day' FROM (VALUES (1, 'done', 401), (2, 'cancelled', 401), (3, 'done', 399), (4, 'open', NULL)) v (i, state, days);
SET LOCAL session_replication_role = origin;
SELECT results_eq($$SELECT r, (SELECT done FROM nurture_retain(r)) FROM unnest('{request,stage_history,stop_effect,task}'::text[]) r ORDER BY 1$$, $$VALUES ('request', 1::bigint), ('stage_history', 4), ('stop_effect', 1), ('task', 2)$$, 'so many of each');
SELECT set_eq($$SELECT product || new_stage FROM nurture.stage_history WHERE lead_id = 971020$$, ARRAY['as5', 'as6', 'bs1'], 'of standings the one that held then, and what came after');
SELECT set_eq($$SELECT rule FROM nurture.stop_effect WHERE lead_id = 971020$$, ARRAY['r2', 'r3', 'r4'], 'of stops those in force, and those that nobody has ended yet');
SELECT set_eq($$SELECT request_kind FROM nurture.request WHERE lead_id = 971020$$, ARRAY['k2', 'k3'], 'of requests the open ones');
SELECT set_eq($$SELECT title FROM nurture.task WHERE lead_id = 971020$$, ARRAY['t3', 't4'], 'of tasks too');

-- whole persons and whole months
INSERT INTO nurture.lead (lead_id, email, audience_type, created_at, updated_at) SELECT 971010 + i, 'quiet' || i || '@example.org', 'hcp', '2020-01-01', '2020-01-01' FROM generate_series(1, 2) i;
INSERT INTO nurture.event (lead_id, event_type, occurred_at) VALUES (971012, 'page_viewed', '2026-06-14');
SELECT is_empty($$SELECT * FROM nurture_retain() WHERE retention IN ('lead', 'event')$$, 'what is not enabled is not carried out');
SELECT nurture_retain('lead') IS NOT NULL AS done;
SELECT set_eq($$SELECT lead_id, erased_at IS NOT NULL FROM nurture.lead WHERE lead_id IN (971001, 971011, 971012)$$, $$VALUES (971001::bigint, false), (971011, true), (971012, false)$$, 'asked for it erases who is not heard of any more');
SELECT is((SELECT basis FROM nurture.erasure WHERE lead_id = 971011), 'retention', 'with a certificate');
INSERT INTO nurture.event (lead_id, event_type, occurred_at, recorded_at) SELECT 971012, 'page_viewed', '2019-03-05', '2019-03-05' FROM generate_series(1, 3);
CREATE TEMP TABLE score AS SELECT nurture_tally_count(signals, 'page_viewed') AS n FROM nurture.activity WHERE lead_id = 971012;
SELECT results_eq($$SELECT done FROM nurture_retain('event')$$, $$VALUES (3::bigint)$$, 'events of whole months go');
SELECT is((SELECT nurture_tally_count(signals, 'page_viewed') FROM nurture.activity WHERE lead_id = 971012), (SELECT n FROM score), 'their counts stay');
INSERT INTO nurture.consent_event (lead_id, kind, channel, source) VALUES (971011, 'withdrawn', 'email', 'letter');
UPDATE nurture.lead SET updated_at = updated_at WHERE lead_id = 971011;
SELECT nurture_retain('consent_proof') IS NOT NULL AS done;
SELECT is((SELECT count(*) FROM nurture.consent_event WHERE lead_id = 971011), 1::bigint, 'proof of consent of who was erased lately stays');
SET LOCAL nurture.clock = '2032-06-15 12:00:00+00';
SELECT nurture_retain('consent_proof') IS NOT NULL AS done;
SELECT is((SELECT count(*) FROM nurture.consent_event WHERE lead_id = 971011), 0::bigint, 'until nobody can ask for it any more');
SET LOCAL nurture.clock = '2026-06-15 12:00:00+00';
SELECT is_empty($$SELECT * FROM nurture_audit_verify()$$, 'the trail verifies');

-- what no rule may do
SELECT matches(pg_temp.raised(statement), pattern, what)
FROM (VALUES ($$INSERT INTO nurture.retention (retention, table_name, action, period) VALUES ('r', 'suppression', 'delete', '1 year')$$, '^NU003 / retention can not delete rows of table "suppression" / .*stay', 'suppressions stay'),
    ($$INSERT INTO nurture.retention (retention, table_name, action, period) VALUES ('r', 'audit', 'drop', '1 year')$$, '^NU003', 'so does the trail'),
    ($$INSERT INTO nurture.retention (retention, table_name, action, period) VALUES ('r', 'message', 'delete', '9 years')$$, '^NU003', 'and that messages went out'),
    ($$UPDATE nurture.retention SET period = '2 years' WHERE retention = 'consent_proof'$$, '^22023 / table "consent_event" cannot be kept for less than 1095 days / .', 'proof of consent is kept long enough'),
    ($$UPDATE nurture.retention SET period = '90 days' WHERE retention = 'stop_effect'$$, '^22023 / table "stop_effect" cannot be kept for less than 365 days / .', 'reports need a year'),
    ($$UPDATE nurture.retention SET period = '-1 day' WHERE retention = 'document'$$, '^22023|^23514', 'no period before'),
    ($$SELECT * FROM nurture_retain('nothing')$$, '^NU003 / there is no rule of retention "nothing" / .', 'an unknown rule'),
    ($$SELECT * FROM nurture_retain('document', 0)$$, '^22023 / max_rows must be between', 'no rows')) v (statement, pattern, what);

-- the register
INSERT INTO nurture.notice (notice_id, notice_version, uri, hash, title) VALUES ('privacy', '3', 'https://www.example.org/privacy/3', sha256('three'), 'Privacy notice');
SELECT set_eq($$SELECT DISTINCT section FROM nurture_bi.processing_register$$,
    ARRAY['controller', 'security', 'purpose', 'data_subject', 'data_category', 'recipient', 'system', 'retention', 'notice', 'erasure'], 'all that Art. 30 asks for');
SELECT is_empty($$SELECT section, item FROM nurture_bi.processing_register GROUP BY 1, 2 HAVING count(*) > 1$$, 'each once');
SELECT is((SELECT retention FROM nurture_bi.processing_register WHERE item = 'table:consent_token'), 'delete after 30 days', 'with periods from the rules');
SELECT is((SELECT detail LIKE 'messages leave by it; provider: Mail provider%' FROM nurture_bi.processing_register WHERE item = 'channel:email'), true, 'and providers');
SELECT results_eq($$SELECT known, grants, hash_differs FROM nurture_bi.consent_notice WHERE notice_id = 'privacy' AND notice_version = '3'$$, $$VALUES (true, 1::bigint, 0::bigint)$$, 'consent names notices that are known');

SELECT * FROM finish();
ROLLBACK;
