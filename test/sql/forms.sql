-- Forms: answers in events become facts, consent and preferences, in the
-- statement that stores the events.
SET client_min_messages = warning;
BEGIN;
SELECT plan(200);
SET LOCAL nurture.clock = '2026-06-15 12:00:00+00';
SET LOCAL nurture.app_user = 'tester';

-- What a statement raises: SQLSTATE, message, detail and hint.
CREATE FUNCTION pg_temp.raised(statement text) RETURNS text LANGUAGE plpgsql AS $f$
DECLARE
    message text;
    detail text;
    hint text;
BEGIN
    EXECUTE statement;
    RETURN 'nothing';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    RETURN concat_ws(' / ', SQLSTATE, left(message, 240), nullif(left(detail, 240), ''), nullif(left(hint, 240), ''));
END
$f$;
CREATE FUNCTION pg_temp.raises(statement text, state text, pattern text, what text) RETURNS text LANGUAGE sql AS $f$
    SELECT matches(pg_temp.raised(statement), '^' || state || ' / .*' || pattern, what);
$f$;
CREATE FUNCTION pg_temp.form(lead bigint, answers jsonb, at timestamptz DEFAULT '2026-06-15 11:00:00+00', type text DEFAULT 'form_submitted') RETURNS bigint LANGUAGE sql AS $f$
    INSERT INTO nurture.event (lead_id, event_type, occurred_at, properties) VALUES (lead, type, at, answers) RETURNING event_id;
$f$;

INSERT INTO nurture.lead (lead_id, email, created_at, updated_at, attributes) SELECT 940000 + i, 'f' || i || '@example.org', '2026-01-01', '2026-01-01', '{"kept": 1}' FROM generate_series(1, 60) i;

-- one form fills what is unknown
SELECT pg_temp.form(940001, '{"role": " physician ", "specialty": "oncology", "country": "Germany", "organization_type": "hospital", "timeline": "asap",
    "capability": ["pk", "imaging"], "company_size": "250", "study_start": "2026-09-01T00:00:00Z", "interest_type": "training", "postal_code": 10115,
    "job_title": "nurse", "therapeutic_area": "oncology", "language": "DE", "time_zone": "Europe/Berlin", "region": "de-be", "audience_type": "doctor", "phone": "+49 30 123456", "nothing": 7}') > 0 AS stored;
SELECT results_eq($$SELECT role, specialty, country, organization_type, postal_code, therapeutic_area, language, time_zone, region, audience_type, phone FROM nurture.lead WHERE lead_id = 940001$$,
    $$VALUES ('prescriber', 'oncology', 'DE', 'hospital', '10115', 'neoplasms', 'de', 'Europe/Berlin', 'DE-BE', 'hcp', '+49 30 123456')$$, 'answers become columns, translated and in the form of the column');
SELECT is(attributes, '{"kept": 1, "timeline": "immediate", "capability": ["pk", "imaging"], "company_size": 250, "study_start": "2026-09-01", "interest_type": ["training"]}', 'and attributes of their type; others stay')
FROM nurture.lead WHERE lead_id = 940001;
SELECT is(updated_at, '2026-06-15 11:00:00+00', 'the facts hold since the answer was given') FROM nurture.lead WHERE lead_id = 940001;
SELECT results_eq($$SELECT h.event_id = e.event_id, h.actor, left(h.reason, 28), h.held_until, h.role, h.attributes FROM nurture.lead_history h JOIN nurture.event e USING (lead_id) WHERE h.lead_id = 940001$$,
    $$VALUES (true, 'tester', 'form_submitted: attributes.c', '2026-06-15 11:00:00+00'::timestamptz, NULL, '{"kept": 1}'::jsonb)$$, 'history names the event and who told it');
SELECT results_eq($$SELECT count(*), count(s.event_id), min(said_at) FROM nurture.fact_source s WHERE lead_id = 940001$$, $$VALUES (16::bigint, 16::bigint, '2026-06-15 11:00:00+00'::timestamptz)$$, 'and each fact its source');
SELECT is(nurture_tally_count(signals, 'form_submitted'), 1::bigint, 'the event counts') FROM nurture.activity WHERE lead_id = 940001;
SELECT is_empty('SELECT * FROM nurture.review WHERE lead_id = 940001', 'nobody has to look at it');

-- the same once more changes nothing but how young the facts are
SELECT pg_temp.form(940001, '{"role": "doctor", "timeline": "now", "country": "DE"}', '2026-06-15 11:30:00+00') > 0 AS stored;
SELECT is(count(*), 1::bigint, 'nothing changed') FROM nurture.lead_history WHERE lead_id = 940001;
SELECT is(said_at, '2026-06-15 11:30:00+00', 'the fact is as young as its last confirmation') FROM nurture.fact_source WHERE lead_id = 940001 AND target = 'lead.role';

-- fill, replace, review
SELECT pg_temp.form(940001, '{"company_size": 300, "timeline": "later", "role": "nurse", "country": "FR"}', '2026-06-15 11:40:00+00') AS event_id \gset
SELECT is(attributes ->> 'company_size', '250', 'fill leaves what is known') FROM nurture.lead WHERE lead_id = 940001;
SELECT is(attributes ->> 'timeline', 'later', 'replace takes the new answer') FROM nurture.lead WHERE lead_id = 940001;
SELECT results_eq($$SELECT role, country FROM nurture.lead WHERE lead_id = 940001$$, $$VALUES ('prescriber', 'DE')$$, 'review changes nothing');
SELECT results_eq($$SELECT bucket, scope, state, jsonb_array_length(evidence -> 'answers'), evidence #> '{answers,0,answer}', evidence #> '{answers,0,present}', (evidence #>> '{answers,0,occurred_at}')::timestamptz FROM nurture.review WHERE lead_id = 940001 ORDER BY scope$$,
    $$VALUES ('contradiction', 'lead.country', 'open', 1, '"FR"'::jsonb, '"DE"'::jsonb, '2026-06-15 11:40:00+00'::timestamptz), ('contradiction', 'lead.role', 'open', 1, '"nurse"', '"prescriber"', '2026-06-15 11:40:00+00')$$,
    'and opens a case with what was said and what is known');
SELECT results_eq($$SELECT target, ignored_because FROM nurture.fact_source WHERE lead_id = 940001 AND ignored_event_id = $$ || :event_id || $$ ORDER BY target$$,
    $$VALUES ('attributes.company_size', 'known'), ('lead.country', 'contradicts'), ('lead.role', 'contradicts')$$, 'what was not taken is on record');
SELECT pg_temp.form(940001, '{"role": "pharmacist"}', '2026-06-15 11:45:00+00') > 0 AS stored;
SELECT results_eq($$SELECT jsonb_path_query(evidence, '$.answers[*].answer') FROM nurture.review WHERE lead_id = 940001 AND scope = 'lead.role'$$, $$VALUES ('"nurse"'::jsonb), ('"pharmacist"')$$, 'a case that is open is joined');

-- late answers: what was said later counts, in whatever order we learn it
SELECT pg_temp.form(940002, '{"timeline": "now", "role": "nurse"}', '2026-06-01') > 0 AS stored;
SELECT pg_temp.form(940002, '{"timeline": "later", "role": "pharmacist"}', '2026-05-01') > 0 AS stored;
SELECT results_eq($$SELECT attributes ->> 'timeline', role FROM nurture.lead WHERE lead_id = 940002$$, $$VALUES ('immediate', 'nurse')$$, 'an older answer changes nothing');
SELECT is_empty('SELECT * FROM nurture.review WHERE lead_id = 940002', 'and contradicts nothing');
SELECT results_eq($$SELECT ignored_because FROM nurture.fact_source WHERE lead_id = 940002$$, $$VALUES ('older'), ('older')$$, 'which is on record');
SELECT pg_temp.form(940002, '{"practice_type": "solo"}', '2026-05-01') > 0 AS stored;
SELECT is(attributes ->> 'practice_type', 'solo', 'what is unknown it fills all the same') FROM nurture.lead WHERE lead_id = 940002;
SELECT pg_temp.form(940002, '{"practice_type": "group"}', '2026-05-20') > 0 AS stored;
SELECT is(attributes ->> 'practice_type', 'group', 'and what came later, but was known before the present value, takes its place') FROM nurture.lead WHERE lead_id = 940002;
-- what others write counts from when they wrote it
UPDATE nurture.lead SET attributes = attributes || '{"practice_type": "academic"}', updated_at = '2026-06-10' WHERE lead_id = 940002;
SELECT pg_temp.form(940002, '{"practice_type": "community"}', '2026-06-09') > 0 AS stored;
SELECT is(attributes ->> 'practice_type', 'academic', 'older than what the CRM wrote') FROM nurture.lead WHERE lead_id = 940002;
SELECT pg_temp.form(940002, '{"timeline": "none"}', '2026-06-09') > 0 AS stored;
SELECT is(attributes ->> 'timeline', 'none', 'the CRM wrote another fact') FROM nurture.lead WHERE lead_id = 940002;
SELECT pg_temp.form(940002, '{"practice_type": "community"}', '2026-06-11') > 0 AS stored;
SELECT is(attributes ->> 'practice_type', 'community', 'younger than it') FROM nurture.lead WHERE lead_id = 940002;
-- confirmed by an answer: an older one that is learned later does not win
SELECT pg_temp.form(940003, '{"timeline": "now"}', '2026-05-01'), pg_temp.form(940003, '{"timeline": "now"}', '2026-06-01'), pg_temp.form(940003, '{"timeline": "later"}', '2026-05-15') IS NULL AS never;
SELECT is(attributes ->> 'timeline', 'immediate', 'a confirmation counts as said') FROM nurture.lead WHERE lead_id = 940003;
-- any order gives the same
INSERT INTO nurture.event (lead_id, event_type, occurred_at, properties)
    SELECT lead, 'form_submitted', '2026-03-01'::timestamptz + k * interval '1 day', jsonb_build_object('timeline', (ARRAY['now', 'later', 'none', 'within_3_months'])[k])
    FROM generate_series(1, 4) k, generate_series(940011, 940014) lead ORDER BY lead, md5(k::text || lead::text);
SELECT pg_temp.form(lead, jsonb_build_object('timeline', (ARRAY['now', 'later', 'none', 'within_3_months'])[k]), '2026-03-01'::timestamptz + k * interval '1 day') IS NULL AS never
    FROM generate_series(940015, 940018) lead, generate_series(1, 4) k ORDER BY lead, md5(k::text || lead::text) LIMIT 16 OFFSET 15;
SELECT is(array_agg(DISTINCT attributes ->> 'timeline'), '{within_3_months}', 'in one statement or in many, the last answer holds') FROM nurture.lead WHERE lead_id BETWEEN 940011 AND 940018;

SELECT * FROM finish();
ROLLBACK;
