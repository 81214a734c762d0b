-- Forms: answers in events become facts, consent and preferences, in the
-- statement that stores the events.
SET client_min_messages = warning;
BEGIN;
SELECT plan(138);
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
SELECT count(pg_temp.form(940003, answers::jsonb, at::timestamptz)) FROM (VALUES ('{"timeline": "now"}', '2026-05-01'), ('{"timeline": "now"}', '2026-06-01'), ('{"timeline": "later"}', '2026-05-15')) v (answers, at);
SELECT is(attributes ->> 'timeline', 'immediate', 'a confirmation counts as said') FROM nurture.lead WHERE lead_id = 940003;
-- any order gives the same
INSERT INTO nurture.event (lead_id, event_type, occurred_at, properties)
    SELECT lead, 'form_submitted', '2026-03-01'::timestamptz + k * interval '1 day', jsonb_build_object('timeline', (ARRAY['now', 'later', 'none', 'within_3_months'])[k])
    FROM generate_series(1, 4) k, generate_series(940011, 940014) lead ORDER BY lead, md5(k::text || lead::text);
SELECT count(pg_temp.form(lead, jsonb_build_object('timeline', (ARRAY['now', 'later', 'none', 'within_3_months'])[k]), '2026-03-01'::timestamptz + k * interval '1 day'))
FROM (SELECT lead, k FROM generate_series(940015, 940018) lead, generate_series(1, 4) k ORDER BY lead, md5(k::text || lead::text) OFFSET 0) s;
SELECT is(array_agg(DISTINCT attributes ->> 'timeline'), '{within_3_months}', 'in one statement or in many, the last answer holds') FROM nurture.lead WHERE lead_id BETWEEN 940011 AND 940018;


-- answers that do not fit: the event counts, a person looks at the answer
INSERT INTO nurture.fact_map (event_type, target, path) VALUES ('form_started', 'attributes.decision_role', '$.decision_role'), ('form_started', 'lead.email', '$.email'),
    ('form_started', 'lead.full_name', '$.full_name'), ('form_started', 'lead.country', '$.country'), ('form_started', 'lead.audience_type', '$.audience_type'),
    ('form_started', 'lead.therapeutic_area', '$.area'), ('form_started', 'lead.region', '$.region'), ('form_started', 'lead.language', '$.language'),
    ('form_started', 'lead.time_zone', '$.time_zone'), ('form_started', 'lead.phone', '$.phone'), ('form_started', 'attributes.company_size', '$.size'),
    ('form_started', 'attributes.study_start', '$.start'), ('form_started', 'attributes.modality', '$.modality[*]'), ('form_started', 'consent.email.marketing', '$.yes');
CREATE FUNCTION pg_temp.misfit(answers jsonb, OUT scope text, OUT problem text, OUT untouched boolean) LANGUAGE plpgsql AS $f$
DECLARE
    before text;
BEGIN
    before := (SELECT (l.*)::text FROM nurture.lead l WHERE lead_id = 940004);
    DELETE FROM nurture.review WHERE lead_id = 940004;
    PERFORM pg_temp.form(940004, answers, '2026-06-01', 'form_started');
    SELECT r.scope, r.evidence #>> '{answers,0,problem}' INTO scope, problem FROM nurture.review r WHERE lead_id = 940004 AND bucket = 'manual_research';
    untouched := before = (SELECT (l.*)::text FROM nurture.lead l WHERE lead_id = 940004);
END
$f$;
SELECT results_eq(format('SELECT * FROM pg_temp.misfit(%L)', answers), format('VALUES (%L, %L, true)', scope, problem), 'does not fit: ' || what)
FROM (VALUES
    ('{"country": "Germoney"}'::jsonb, 'lead.country', 'it is no country code of ISO 3166-1 alpha-2', 'a country'),
    ('{"country": "XX"}', 'lead.country', 'it is no country code of ISO 3166-1 alpha-2', 'two letters that are no country'),
    ('{"country": "E "}', 'lead.country', 'it is no country code of ISO 3166-1 alpha-2', 'one letter'),
    ('{"country": ["DE", "FR"]}', 'lead.country', 'there is more than one answer', 'two countries'),
    ('{"country": {"code": "DE"}}', 'lead.country', 'it is not a text', 'an object'),
    ('{"country": true}', 'lead.country', 'it is not a text', 'a bool'),
    (jsonb_build_object('full_name', repeat('x', 513)), 'lead.full_name', 'it is longer than 512 bytes', 'a name that is too long'),
    (jsonb_build_object('full_name', repeat('x', 1048576)), 'lead.full_name', 'it is longer than 512 bytes', 'a megabyte'),
    ('{"email": "me"}', 'lead.email', 'it is not an e-mail address', 'an address without @ (the known one stays)'),
    ('{"audience_type": "hpc"}', 'lead.audience_type', 'it is no row of nurture.audience_type', 'an audience'),
    ('{"area": "oncolgy"}', 'lead.therapeutic_area', 'it is no value of nurture.tag in dimension "therapeutic_area"', 'an area'),
    ('{"region": "Bavaria"}', 'lead.region', 'it is no region code of ISO 3166-2', 'a region'),
    ('{"language": "Deutsch"}', 'lead.language', 'it is no language code of ISO 639-1', 'a language'),
    ('{"language": "xx"}', 'lead.language', 'it is no language code of ISO 639-1', 'two letters that are no language'),
    ('{"language": "en-EN"}', 'lead.language', 'it is no language code of ISO 639-1 with a country', 'a language of no country'),
    ('{"time_zone": "../../etc/passwd"}', 'lead.time_zone', 'it is not an IANA time zone such as Europe/Paris', 'a path'),
    ('{"time_zone": "XYZ5"}', 'lead.time_zone', 'it is not an IANA time zone such as Europe/Paris', 'a zone'),
    ('{"phone": "call me"}', 'lead.phone', 'it is not a phone number', 'a number'),
    ('{"decision_role": "boss"}', 'attributes.decision_role', 'it is not among the allowed values', 'a word that is not allowed'),
    ('{"size": "many"}', 'attributes.company_size', 'it is text', 'text for a number'),
    ('{"size": "1e999999"}', 'attributes.company_size', 'it is text', 'a number nobody can hold'),
    ('{"start": "soon"}', 'attributes.study_start', 'it is not a date', 'no date'),
    ('{"modality": ["biologic", "magic"]}', 'attributes.modality', 'item 2: it is not among the allowed values', 'an item of a list'),
    ('{"modality": [["biologic"], {"a": 1}]}', 'attributes.modality', 'it is an object or a list of lists', 'an object in a list'),
    (jsonb_build_object('modality', (SELECT jsonb_agg('biologic'::text) FROM generate_series(1, 1001))), 'attributes.modality', 'it has more than 1000 items', 'a list without end'),
    ('{"yes": "maybe"}', 'consent.email.marketing', 'it is neither yes nor no', 'neither yes nor no')
) AS bad (answers, scope, problem, what);
SELECT is(nurture_tally_count(signals, 'form_started'), 26::bigint, 'and every one of these events counts') FROM nurture.activity WHERE lead_id = 940004;
SELECT ok(length(evidence::text) < 400, 'a review shows a long answer by its event') FROM nurture.review r, pg_temp.misfit(jsonb_build_object('full_name', repeat('x', 1048576))) m WHERE r.lead_id = 940004;
SELECT results_eq(format('SELECT * FROM pg_temp.misfit(%L)', answers), 'VALUES (NULL, NULL, true)', 'no answer: ' || answers::text)
FROM (VALUES ('{"country": null}'::jsonb), ('{"country": "  "}'), ('{"country": []}'), ('{"country": [null, ""]}'), ('[]'), ('7'), ('null'), ('{"audience_type": "unknown"}'), ('{"modality": []}')) AS v (answers);
SELECT is(pg_temp.form(940005, '[{"country": "fr"}, 1]', '2026-06-01', 'form_started') > 0, true, 'a path is lax: of a list it looks at the items');
SELECT is(country, 'FR', 'a list of one answer is an answer') FROM nurture.lead WHERE lead_id = 940005;

-- many leads in one statement, some of them twice
INSERT INTO nurture.lead (lead_id) SELECT generate_series(941001, 942000);
INSERT INTO nurture.event (lead_id, event_type, occurred_at, source, source_key, properties)
    SELECT 941001 + (i * 7919) % 1000, 'form_submitted', '2026-06-01'::timestamptz + i * interval '1 second', 'web', 'many' || i,
           jsonb_build_object('role', 'nurse', 'timeline', CASE WHEN i < 1000 THEN 'now' ELSE 'later' END, 'company_size', i, 'consent', jsonb_build_object('email', i % 2 = 0))
    FROM generate_series(0, 1999) i;
SELECT results_eq($$SELECT count(*), count(*) FILTER (WHERE role = 'nurse'), count(*) FILTER (WHERE attributes ->> 'timeline' = 'later'), min((attributes ->> 'company_size')::int), max((attributes ->> 'company_size')::int) FROM nurture.lead WHERE lead_id BETWEEN 941001 AND 942000$$,
    $$VALUES (1000::bigint, 1000::bigint, 1000::bigint, 0, 999)$$, 'each lead has its answers');
SELECT is(count(*), 1000::bigint, 'by one change each') FROM nurture.lead_history WHERE lead_id BETWEEN 941001 AND 942000;
SELECT is(count(*), 2000::bigint, 'and says twice what it permits') FROM nurture.consent_event WHERE lead_id BETWEEN 941001 AND 942000;
-- and all of it once more: repetitions are dropped before they are read
INSERT INTO nurture.event (lead_id, event_type, occurred_at, source, source_key, properties)
    SELECT 941001 + (i * 7919) % 1000, 'form_submitted', '2026-06-01'::timestamptz + i * interval '1 second', 'web', 'many' || i, '{"role": "pharmacist", "consent": {"email": false}}'
    FROM generate_series(0, 1999) i;
SELECT results_eq($$SELECT (SELECT count(*) FROM nurture.lead_history WHERE lead_id BETWEEN 941001 AND 942000), (SELECT count(*) FROM nurture.consent_event WHERE lead_id BETWEEN 941001 AND 942000), (SELECT count(*) FROM nurture.review WHERE lead_id BETWEEN 941001 AND 942000)$$,
    $$VALUES (1000::bigint, 2000::bigint, 0::bigint)$$, 'a repeated key changes nothing twice');

-- ingest, and a rollback
SAVEPOINT before_ingest;
SELECT inserted FROM nurture_ingest('[{"lead_id": 940006, "event_type": "form_submitted", "occurred_at": "2026-06-01T00:00:00Z", "properties": {"role": "nurse", "country": "nowhere", "consent": {"email": "yes"}}}]');
SELECT results_eq($$SELECT role, country, (SELECT state FROM nurture.consent c WHERE c.lead_id = l.lead_id AND channel = 'email'), (SELECT scope FROM nurture.review r WHERE r.lead_id = l.lead_id) FROM nurture.lead l WHERE lead_id = 940006$$,
    $$VALUES ('nurse', NULL::text, 'given', 'lead.country')$$, 'nurture_ingest does the same');
ROLLBACK TO before_ingest;
SELECT results_eq($$SELECT role, (SELECT count(*) FROM nurture.consent_event c WHERE c.lead_id = l.lead_id), (SELECT count(*) FROM nurture.review r WHERE r.lead_id = l.lead_id), (SELECT count(*) FROM nurture.fact_source s WHERE s.lead_id = l.lead_id), (SELECT count(*) FROM nurture.lead_history h WHERE h.lead_id = l.lead_id) FROM nurture.lead l WHERE lead_id = 940006$$,
    $$VALUES (NULL::text, 0::bigint, 0::bigint, 0::bigint, 0::bigint)$$, 'what is taken back leaves nothing');

-- consent, and what may be sent in the next statement
SELECT set_config('search_path', '', true) \g /dev/null
SET LOCAL row_security = off;
SET LOCAL check_function_bodies = off;
INSERT INTO nurture.asset (asset_id, family, title, format) SELECT 'fo_' || i, 'fo_' || i, 'x', 'email' FROM generate_series(1, 6) i;
INSERT INTO nurture.asset_version (asset_id, version, status, message_class, channels, languages, markets, audience_types, valid_during, approved_at, content_hash)
    SELECT 'fo_' || i, 1, 'approved', 'promotional', '{email,phone}', '{en}', '{FR}', '{hcp}', '[2026-01-01,)', '2026-01-01', '\x01' FROM generate_series(1, 6) i;
SELECT set_config('search_path', 'public', true) \g /dev/null
SET LOCAL row_security = on;
SET LOCAL check_function_bodies = on;
UPDATE nurture.lead SET country = 'FR', audience_type = 'hcp', language = 'en', phone = '+33 1 23456' WHERE lead_id BETWEEN 940020 AND 940040;
CREATE FUNCTION pg_temp.send(lead bigint, asset text, channel text DEFAULT 'email', at timestamptz DEFAULT NULL) RETURNS text LANGUAGE sql AS
$$INSERT INTO nurture.message (lead_id, channel, asset_id, not_before) VALUES (lead, channel, asset, at)
  RETURNING concat_ws(' ', status, CASE WHEN not_before > coalesce(at, decided_at) THEN 'from ' || to_char(not_before AT TIME ZONE 'UTC', 'MM-DD HH24:MI') END, reasons::text)$$;
SELECT is(pg_temp.send(940020, 'fo_1'), 'held {consent_missing}', 'no answer yet: no message');
SELECT pg_temp.form(940020, '{"consent": {"email": "Yes"}, "notice_id": "privacy", "notice_version": "7"}') AS event_id \gset
SELECT is(pg_temp.send(940020, 'fo_2'), 'queued', 'the next statement may send');
SELECT results_eq($$SELECT kind, channel, purpose, source, (evidence ->> 'event_id')::bigint, evidence ->> 'path', occurred_at, notice_id, notice_version FROM nurture.consent_event WHERE lead_id = 940020$$,
    format($$VALUES ('given', 'email', 'marketing', 'form_submitted', %s::bigint, '$."consent"."email"', '2026-06-15 11:00:00+00'::timestamptz, 'privacy', '7')$$, :event_id), 'the event is the evidence');
SELECT pg_temp.form(940020, '{"consent": {"email": false}}') > 0 AS stored;
SELECT is(array_agg(status || ' ' || reasons::text ORDER BY asset_id), '{"cancelled {consent_missing,consent_denied}","cancelled {consent_denied}"}', 'a no cancels what is queued and held, in the same statement') FROM nurture.message WHERE lead_id = 940020;
SELECT is(pg_temp.send(940020, 'fo_3'), 'refused {consent_denied,consent_missing}', 'and forbids what comes');
-- a yes against a no
SELECT pg_temp.form(940020, '{"consent": {"email": true}}', '2026-06-15 11:30:00+00') > 0 AS stored;
SELECT results_eq($$SELECT (SELECT state FROM nurture.consent WHERE lead_id = 940020), bucket, scope FROM nurture.review WHERE lead_id = 940020 AND state = 'open' AND bucket = 'contradiction'$$, $$VALUES ('withdrawn', 'contradiction', 'consent.email.marketing')$$, 'mode review: a yes after a no is for a person');
SELECT pg_temp.form(940020, '{"consent": {"email": true}}', '2026-06-15 10:00:00+00') > 0 AS stored;
SELECT results_eq($$SELECT kind, (SELECT state FROM nurture.consent WHERE lead_id = 940020) FROM nurture.consent_event WHERE lead_id = 940020 ORDER BY consent_event_id$$, $$VALUES ('given', 'withdrawn'), ('withdrawn', 'withdrawn'), ('given', 'withdrawn')$$,
    'one from before the no is on record, and the no stands');
UPDATE nurture.fact_map SET mode = 'replace' WHERE event_type = 'form_submitted' AND target = 'consent.email.marketing';
SELECT pg_temp.form(940020, '{"consent": {"email": true}}', '2026-06-15 11:40:00+00') > 0 AS stored;
SELECT is(state, 'given', 'mode replace: a later yes of the same scope lifts it') FROM nurture.consent WHERE lead_id = 940020;
UPDATE nurture.fact_map SET mode = 'fill' WHERE event_type = 'form_submitted' AND target = 'consent.email.marketing';
SELECT pg_temp.form(940021, '{"consent": {"email": true}}', '2026-06-01') > 0 AS stored;
SELECT pg_temp.form(940021, '{"consent": {"email": true}}', '2026-06-02') > 0 AS stored;
SELECT is(count(*), 1::bigint, 'mode fill: one yes is enough') FROM nurture.consent_event WHERE lead_id = 940021;
SELECT pg_temp.form(940021, '{"consent": {"email": "no"}}', '2026-06-03') > 0 AS stored;
SELECT is(state, 'withdrawn', 'a no binds in every mode') FROM nurture.consent WHERE lead_id = 940021;
SELECT nurture_opt_out(940022, '*') > -1 AS said;
SELECT pg_temp.form(940022, '{"consent": {"email": true}}') > 0 AS stored;
SELECT is(count(*), 1::bigint, 'mode fill: nor after an opt-out of everything') FROM nurture.consent_event WHERE lead_id = 940022;
SELECT pg_temp.form(940023, '{"consent": {"email": true}, "history": true}', '2020-01-01') > 0 AS stored;
SELECT is(since, '2020-01-01', 'old forms tell what was permitted then') FROM nurture.consent WHERE lead_id = 940023;

-- merged and erased leads
UPDATE nurture.lead SET merged_into = 940051 WHERE lead_id = 940050;
UPDATE nurture.lead SET merged_into = 940052 WHERE lead_id = 940051;
SELECT pg_temp.form(940050, '{"role": "nurse", "consent": {"sms": false}, "preference": {"max_per_month": 3}}') > 0 AS stored;
SELECT results_eq($$SELECT lead_id, role FROM nurture.lead WHERE lead_id IN (940050, 940051, 940052) ORDER BY 1$$, $$VALUES (940050::bigint, NULL::text), (940051, NULL), (940052, 'nurse')$$, 'answers of a merged lead are its survivor''s');
SELECT set_eq($$SELECT lead_id FROM nurture.preference WHERE lead_id BETWEEN 940050 AND 940052$$, $$VALUES (940052::bigint)$$, 'its preferences too');
SELECT set_eq($$SELECT lead_id, state FROM nurture.consent WHERE lead_id BETWEEN 940050 AND 940052$$, $$VALUES (940050::bigint, 'withdrawn'), (940051, 'withdrawn'), (940052, 'withdrawn')$$, 'and a no is a no of all of them');
UPDATE nurture.lead SET erased_at = '2026-06-01' WHERE lead_id = 940053;
SELECT pg_temp.raises($$SELECT pg_temp.form(940053, '{"role": "nurse", "country": "nowhere", "consent": {"email": true}}')$$, 'NU004', 'lead 940053, named in event 1 of the statement, was erased', 'an event of an erased lead');
SELECT results_eq($$SELECT role, (SELECT count(*) FROM nurture.consent_event c WHERE c.lead_id = l.lead_id), (SELECT count(*) FROM nurture.review c WHERE c.lead_id = l.lead_id), (SELECT count(*) FROM nurture.fact_source c WHERE c.lead_id = l.lead_id) FROM nurture.lead l WHERE lead_id = 940053$$,
    $$VALUES (NULL::text, 0::bigint, 0::bigint, 0::bigint)$$, 'of an erased lead nothing is kept');

-- preferences bind like a cap
SELECT pg_temp.form(940030, '{"consent": {"email": true, "phone": true}, "preference": {"max_per_month": "2", "topics": ["moa", "access"], "format": "video", "language": "FR_ca", "email": {"max_per_month": 1}}}') > 0 AS stored;
SELECT results_eq($$SELECT channel, max_per_month, topics, format, language, said_at FROM nurture.preference WHERE lead_id = 940030 ORDER BY channel$$,
    $$VALUES ('*', 2, '{moa,access}'::text[], 'video', 'fr-CA', '2026-06-15 11:00:00+00'::timestamptz), ('email', 1, NULL, NULL, NULL, '2026-06-15 11:00:00+00')$$, 'what the lead prefers, told in a form');
-- these assets are neither videos nor in French
SELECT is(pg_temp.send(940030, 'fo_1'), 'refused {language,preference}', 'format and language bind');
UPDATE nurture.preference SET format = NULL, language = NULL WHERE lead_id = 940030;
SELECT is(pg_temp.send(940030, 'fo_1'), 'queued', 'one e-mail');
SELECT matches(pg_temp.send(940030, 'fo_2'), '^queued from 07-15 12:00 .*preference', 'the next in thirty days');
SELECT matches(passed::text || ' ' || fact, '^false . of 1 in 30 days$', 'explained') FROM nurture_explain_contact(940030, 'email') WHERE rule = 'preference:email';
SELECT is(passed, true, 'what is for all channels counts all of them') FROM nurture_explain_contact(940030, 'phone') WHERE rule = 'preference:*';
SELECT pg_temp.form(940030, '{"preference": {"max_per_month": 0}}', '2026-06-15 11:30:00+00') > 0 AS stored;
SELECT is(array_agg(DISTINCT status || ' ' || reasons[cardinality(reasons)]), '{"cancelled preference"}', 'a lead that wants nothing gets nothing that was queued') FROM nurture.message WHERE lead_id = 940030 AND NOT 'language' = ANY (reasons);
SELECT is(pg_temp.send(940030, 'fo_3'), 'refused {preference}', 'nor anything new');
SELECT results_eq($$SELECT passed, fact, remedy FROM nurture_explain_contact(940030, 'email') WHERE rule = 'preference:*'$$, $$VALUES (false, 'the lead wants none', 'Only the lead can change it, in nurture.preference.')$$, 'and says why');
SELECT pg_temp.form(940030, '{"preference": {"max_per_month": 9}}', '2026-06-15 11:10:00+00') > 0 AS stored;
SELECT is(max_per_month, 0, 'an older wish comes too late') FROM nurture.preference WHERE lead_id = 940030 AND channel = '*';
DELETE FROM nurture.preference WHERE lead_id = 940030;
SELECT is(pg_temp.send(940030, 'fo_4'), 'queued', 'without a preference the company''s caps alone');
SELECT is(preferences, false, 'the gate row knows') FROM nurture.gate WHERE lead_id = 940030;
INSERT INTO nurture.preference (lead_id, channel, max_per_month) VALUES (940031, 'email', 1), (940032, 'email', NULL);
SELECT results_eq($$SELECT lead_id, preferences FROM nurture.gate WHERE lead_id IN (940031, 940032) ORDER BY 1$$, $$VALUES (940031::bigint, true), (940032, false)$$, 'written by hand it binds as well');
UPDATE nurture.preference SET lead_id = 940033 WHERE lead_id = 940031;
SELECT results_eq($$SELECT lead_id, preferences FROM nurture.gate WHERE lead_id IN (940031, 940033) ORDER BY 1$$, $$VALUES (940031::bigint, false), (940033, true)$$, 'also when it moves');
UPDATE nurture.lead SET merged_into = 940034 WHERE lead_id = 940033;
SELECT is(max_per_month, 1, 'a merge loosens nothing') FROM nurture.preference WHERE lead_id = 940034;
SELECT set_eq($$SELECT DISTINCT object, outcome FROM nurture.audit WHERE kind = 'preference' AND lead_ref IN (940030, 940031)$$, $$VALUES ('preference:*', 'set'), ('preference:email', 'set'), ('preference:*', 'removed'), ('preference:email', 'removed')$$, 'and all of it is in the trail');
SELECT pg_temp.raises('INSERT INTO nurture.preference (lead_id, max_per_month) VALUES (940030, -1)', '23514', 'max_per_month', 'less than none');
SELECT pg_temp.raises('INSERT INTO nurture.preference (lead_id, max_per_month) VALUES (949999, 1)', 'NU004', '949999', 'a lead that is not there');
SELECT pg_temp.raises($$INSERT INTO nurture.preference (lead_id, channel, max_per_month) VALUES (940030, 'mail', 1)$$, 'NU003', 'unknown channel "mail"', 'a channel that there is not');
SELECT pg_temp.raises($$INSERT INTO nurture.document (lead_id, kind, uri) VALUES (949999, 'cv', 'https://dms.example.org/1')$$, 'NU004', '949999', 'a document of a lead that is not there');

-- what an erased or deleted lead leaves
INSERT INTO nurture.document (lead_id, kind, uri) SELECT 940054 + i, 'cv', 'https://dms.example.org/cv' || i FROM generate_series(0, 1) i;
SELECT count(pg_temp.form(940054 + i, '{"country": "nowhere", "role": "nurse", "preference": {"max_per_month": 3}}')) FROM generate_series(0, 1) i;
UPDATE nurture.lead SET erased_at = '2026-06-15' WHERE lead_id = 940054;
DELETE FROM nurture.lead WHERE lead_id = 940055;
SELECT is_empty($$SELECT lead_id FROM nurture.document WHERE lead_id IN (940054, 940055) UNION ALL SELECT lead_id FROM nurture.preference WHERE lead_id IN (940054, 940055) UNION ALL SELECT lead_id FROM nurture.fact_source WHERE lead_id IN (940054, 940055)$$,
    'neither documents nor preferences nor where its facts came from');
SELECT results_eq($$SELECT lead_id, state, ruling, evidence FROM nurture.review WHERE lead_id IN (940054, 940055) ORDER BY 1$$, $$VALUES (940054::bigint, 'closed', 'lead_erased', NULL::jsonb), (940055, 'closed', 'lead_erased', NULL)$$, 'nor what it answered');

-- documents are references
INSERT INTO nurture.document (lead_id, kind, uri, hash, access_profile, retain_until) VALUES (940001, 'consent_form', 'https://dms.example.org/7', sha256('x'), 'compliance', '2036-01-01');
SELECT pg_temp.raises(format('INSERT INTO nurture.document (lead_id, kind, uri) VALUES (940001, ''cv'', %L)', uri), '23514', 'document_uri_check', 'no reference: ' || left(uri, 20))
FROM (VALUES ('data:text/plain,hello'), ('DATA:,x'), ('seven'), ('https://x y'), ('https://' || repeat('x', 2048))) v (uri);
SELECT pg_temp.raises($$INSERT INTO nurture.document (lead_id, kind, uri, hash) VALUES (940001, 'cv', 'https://x', '\x00')$$, '23514', 'document_hash_check', 'a hash of another kind');

-- what is configured is checked then
SELECT pg_temp.raises(format('INSERT INTO nurture.fact_map (event_type, target, path, mode) VALUES (%L, %L, %L, %L)', type, target, path, mode), state, pattern, 'fact map: ' || what)
FROM (VALUES
    ('form_submited', 'lead.role', '$.a', 'fill', 'NU003', 'unknown event type "form_submited" / .*"form_submitted"', 'an unknown event type'),
    ('email_clicked', 'lead.rle', '$.a', 'fill', 'NU003', 'target "lead.rle" .*unknown column "rle" / The nearest are "role"', 'an unknown column'),
    ('email_clicked', 'lead.merged_into', '$.a', 'fill', 'NU003', 'unknown column "merged_into"', 'a column no form may write'),
    ('email_clicked', 'attributes.timelin', '$.a', 'fill', 'NU003', 'unknown attribute "timelin" / .*"timeline"', 'an unknown attribute'),
    ('email_clicked', 'consent.emial.marketing', '$.a', 'fill', 'NU003', 'unknown channel "emial"', 'an unknown channel'),
    ('email_clicked', 'consent.email', '$.a', 'fill', 'NU003', 'unknown kind of target "consent" / .*consent.<channel>.<purpose>', 'consent without a purpose'),
    ('email_clicked', 'consent.email.Marketing', '$.a', 'fill', 'NU003', 'unknown purpose', 'a purpose that is no code'),
    ('email_clicked', 'preference.email.colour', '$.a', 'replace', 'NU003', 'unknown preference "colour"', 'an unknown preference'),
    ('email_clicked', 'preference.email.format', '$.a', 'fill', '22023', 'needs mode "replace"', 'a preference that is not replaced'),
    ('email_clicked', 'role', '$.a', 'fill', 'NU003', 'Targets are lead', 'no kind of target'),
    ('email_clicked', 'lead.email', '$.a', 'replace', '22023', 'cannot have mode "replace" / .*fill', 'a contact point that is overwritten'),
    ('email_clicked', 'lead.audience_type', '$.a', 'replace', '22023', 'cannot have mode', 'an audience that is overwritten'),
    ('email_clicked', 'lead.role', '$.a ? (@ == $x)', 'fill', '22023', 'has a variable', 'a variable'),
    ('email_clicked', 'lead.role', '$.a.datetime()', 'fill', '22023', 'method for dates', 'a date that could raise an error'),
    ('email_clicked', 'lead.role', '$.a[', 'fill', '42601', 'jsonpath', 'a path that is none'),
    ('email_clicked', 'lead.role', '$.a', 'append', '23514', 'fact_map_mode_check', 'an unknown mode'),
    ('adverse_event_reported', 'lead.role', '$.a', 'fill', '22023', 'do not become facts', 'facts from safety reports')
) AS bad (type, target, path, mode, state, pattern, what);
SELECT lives_ok($$INSERT INTO nurture.fact_map (event_type, target, path) VALUES ('email_clicked', 'lead.role', '$."a$".b ? (@ starts with ".datetime(")')$$, 'words in quotes are words');
SELECT pg_temp.raises($$INSERT INTO nurture.fact_map (event_type, target, path, translate) VALUES ('email_clicked', 'lead.specialty', '$.a', '[]')$$, '23514', 'translate', 'translations that are no object');
-- what becomes sensitive gives no facts from then on, but consent
UPDATE nurture.event_type SET sensitive = true WHERE event_type = 'form_started';
SELECT pg_temp.form(940007, '{"country": "FR", "yes": "no"}', '2026-06-01', 'form_started') > 0 AS stored;
SELECT results_eq($$SELECT country, (SELECT kind FROM nurture.consent_event c WHERE c.lead_id = l.lead_id) FROM nurture.lead l WHERE lead_id = 940007$$, $$VALUES (NULL::text, 'withdrawn')$$, 'a type that became sensitive gives no facts');

-- translations
UPDATE nurture.fact_map SET translate = '{"1": "solo", "true": "group", "n/a": null, "all": ["x", "y"]}' WHERE event_type = 'form_submitted' AND target = 'attributes.practice_type';
SELECT count(pg_temp.form(940041 + i, jsonb_build_object('practice_type', answer))) FROM (VALUES (0, '1'::jsonb), (1, 'true'), (2, '"n/a"'), (3, '"academic"')) v (i, answer);
SELECT results_eq($$SELECT attributes ->> 'practice_type' FROM nurture.lead WHERE lead_id BETWEEN 940041 AND 940044 ORDER BY lead_id$$, $$VALUES ('solo'), ('group'), (NULL), ('academic')$$, 'numbers and bools have translations too; null is no answer');

-- a restore decides nothing again
SET LOCAL check_function_bodies = off;
SET LOCAL row_security = off;
SELECT set_config('search_path', '', true) \g /dev/null
INSERT INTO nurture.event (lead_id, event_type, occurred_at, properties) VALUES (940060, 'form_submitted', '2026-06-01', '{"role": "nurse", "country": "nowhere", "consent": {"email": true}, "preference": {"max_per_month": 0}}');
INSERT INTO nurture.preference (lead_id, max_per_month) VALUES (940060, 0);
INSERT INTO nurture.fact_map (event_type, target, path, mode) VALUES ('email_clicked', 'lead.of_long_ago', '$.a', 'replace');
SET LOCAL check_function_bodies = on;
SET LOCAL row_security = on;
SELECT set_config('search_path', 'public, pg_temp', true) \g /dev/null
SELECT results_eq($$SELECT role, (SELECT count(*) FROM nurture.consent_event c WHERE c.lead_id = l.lead_id), (SELECT count(*) FROM nurture.review c WHERE c.lead_id = l.lead_id), (SELECT preferences FROM nurture.gate g WHERE g.lead_id = l.lead_id) FROM nurture.lead l WHERE lead_id = 940060$$,
    $$VALUES (NULL::text, 0::bigint, 0::bigint, false)$$, 'rows of a dump come back as they were');
SELECT lives_ok($$SELECT pg_temp.form(940060, '{"a": 1}', '2026-06-01', 'email_clicked')$$, 'a row of the map that can no longer be read is passed over');

SELECT * FROM finish();
ROLLBACK;
