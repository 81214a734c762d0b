-- Dry runs: the real code under another clock, and nothing remains.
SET client_min_messages = warning;
BEGIN;
SELECT plan(43);
SET LOCAL nurture.clock = '2026-03-02 10:00+00';

INSERT INTO nurture.lead (lead_id, email, audience_type, country, language)
    SELECT n, 'lead' || n || '@example.org', 'hcp', 'FR', 'fr' FROM generate_series(1, 9) n;
SELECT count(nurture_opt_in(n, 'email', 'test')) AS opted_in FROM generate_series(1, 8) n;
SELECT count(*) AS added FROM (VALUES ('overview', '{"offer:overview","funnel_stage:awareness","depth:1"}'), ('disease', '{"funnel_stage:awareness","depth:1","topic:disease"}'),
    ('evidence', '{"offer:clinical_evidence","topic:efficacy","depth:2"}'), ('choose', '{"offer:preference"}')) v (id, tags),
    nurture_add_asset(jsonb_build_object('asset_id', id, 'title', id, 'format', 'article', 'message_class', 'promotional', 'channels', '["email"]'::jsonb,
    'markets', '["*"]'::jsonb, 'languages', '["*"]'::jsonb, 'audience_types', '["*"]'::jsonb, 'tags', to_jsonb(tags::text[])));
SELECT count(nurture_set_asset_status(id, 1, 'in_review', 'test')) AS submitted FROM unnest('{overview,disease,evidence,choose}'::text[]) id;
SELECT count(nurture_approve('asset', id, 1, 'medical', 'approved', 'test')) AS approved FROM unnest('{overview,disease,evidence,choose}'::text[]) id;

-- every row of every table, as one digest
CREATE FUNCTION pg_temp.picture() RETURNS text LANGUAGE plpgsql AS $$
DECLARE t regclass; one text; whole text := '';
BEGIN
    FOR t IN SELECT oid FROM pg_class WHERE relnamespace IN ('nurture'::regnamespace, 'nurture_part'::regnamespace) AND relkind = 'r' ORDER BY oid LOOP
        EXECUTE format('SELECT md5(string_agg(md5(x::text), %L ORDER BY md5(x::text) COLLATE "C")) FROM %s x', '', t) INTO one;
        whole := whole || t || ':' || coalesce(one, '-') || E'\n';
    END LOOP;
    RETURN md5(whole);
END $$;
CREATE FUNCTION pg_temp.dry(events jsonb, at timestamptz DEFAULT NULL, drafts jsonb DEFAULT NULL) RETURNS TABLE (decision text) LANGUAGE sql AS
$$ SELECT concat_ws(' ', lead_id, kind, outcome, array_to_string(reasons, ',')) FROM nurture_dry_run(events, at, drafts) WHERE kind <> 'ingest' $$;
SELECT pg_temp.picture() AS before \gset

-- what events lead to
SELECT results_eq($$SELECT * FROM pg_temp.dry('[{"lead_id": 1, "event_type": "form_submitted"}]')$$,
    $$VALUES ('1 stage new intent_short'), ('1 enrollment entered entry:first_interest')$$, 'a form would bring the lead onto a track');
SELECT results_eq($$SELECT inputs FROM nurture_dry_run('[{"lead_id": 1, "event_type": "form_submitted", "source": "w", "source_key": "1"}, {"lead_id": 1, "event_type": "form_submitted", "source": "w", "source_key": "1"}]') WHERE kind = 'ingest'$$,
    $$VALUES ('{"inserted": 1, "duplicates": 1, "quarantined": 0, "unidentified": 0}')$$, 'a repeated event is one');
SELECT is((SELECT count(*) FROM nurture_dry_run((SELECT jsonb_agg('{"lead_id": 1, "event_type": "form_submitted"}'::jsonb) FROM generate_series(1, 5))) WHERE kind = 'enrollment' AND outcome = 'entered'), 1::bigint,
    'several form fills in one second enter once');
SELECT is((SELECT count(*) FROM nurture_dry_run((SELECT jsonb_agg('{"lead_id": 1, "event_type": "link_clicked"}'::jsonb) FROM generate_series(1, 20))) WHERE kind = 'enrollment'), 0::bigint,
    'repeated clicks enroll nobody');
SELECT results_eq($$SELECT outcome, reasons[1], inputs FROM nurture_dry_run('[{"lead_id": 1, "event_type": "form_submited"}]') WHERE outcome = 'quarantined'$$,
    $$VALUES ('quarantined', 'unknown_event_type', 'the nearest known event types are "form_submitted", "form_started" or "rfp_submitted"')$$, 'what could not be stored is told with its reason');
SELECT is((SELECT count(*) FROM nurture_dry_run('[]')), 1::bigint, 'no events lead to nothing');
SELECT is(pg_temp.picture(), :'before', 'and nothing remains');

-- under another clock
INSERT INTO nurture.event (lead_id, event_type) VALUES (2, 'brochure_downloaded'), (3, 'brochure_downloaded'), (4, 'brochure_downloaded');
SELECT pg_temp.picture() AS before \gset
SELECT is((SELECT count(*) FROM pg_temp.dry('[{"lead_id": 2, "event_type": "page_viewed"}]') d WHERE d.decision LIKE '%message%'), 0::bigint, 'nothing is due yet');
SELECT results_eq($$SELECT outcome, (inputs::jsonb) ->> 'asset' FROM nurture_dry_run('[{"lead_id": 2, "event_type": "white_paper_downloaded"}]', '2026-03-06 10:00+00') WHERE kind = 'step'$$,
    $$VALUES ('queued', 'overview:1')$$, 'four days on the first step is due');
SELECT is(current_setting('nurture.clock'), '2026-03-02 10:00+00', 'the clock is what it was');
SELECT is((SELECT bool_and(d.decision NOT LIKE '2 step%') FROM pg_temp.dry('[{"lead_id": 2, "event_type": "opted_out"}]', '2026-03-06 10:00+00') d), true, 'after an opt-out between steps it sends nothing');
SELECT ok((SELECT count(*) FROM pg_temp.dry('[{"lead_id": 2, "event_type": "demo_requested"}]') d WHERE d.decision IN ('2 enrollment exited direct_request', '2 handoff offered request')) = 2,
    'a demo request ends the track and hands over');
SELECT is(pg_temp.picture(), :'before', 'nothing remains of that either');

-- drafts
SELECT nurture_draft('track', 'education', 1) AS draft \gset
UPDATE nurture.track_step SET wait = '1 hour' WHERE track = 'education' AND version = :draft AND step_no = 1;
SELECT pg_temp.picture() AS before \gset
SELECT results_eq($$SELECT versions ->> 'version' FROM nurture_dry_run('[{"lead_id": 1, "event_type": "form_submitted"}]', NULL, '{"track": {"education": 2}}') WHERE kind = 'enrollment'$$,
    $$VALUES ('2')$$, 'a draft is in force for the dry run');
SELECT is((SELECT status FROM nurture.track_version WHERE track = 'education' AND version = 2), 'draft', 'and a draft after it');
SELECT is((SELECT count(*) FROM nurture_dry_run('[{"lead_id": 1, "event_type": "form_submitted"}]', NULL, '{"track": {"education": 2}}') WHERE kind = 'publish'), 0::bigint, 'that it was published is no decision');
SELECT results_eq($$SELECT versions ->> 'version' FROM nurture_dry_run('[{"lead_id": 1, "event_type": "form_submitted"}]') WHERE kind = 'enrollment'$$,
    $$VALUES ('1')$$, 'without it the version in force decides');
SELECT is((SELECT count(*) FROM pg_temp.dry('[{"lead_id": 2, "event_type": "white_paper_downloaded"}]', '2026-03-06 10:00+00', '{"settings": {"cadence": []}}') d WHERE d.decision = '2 step queued'), 0::bigint,
    'policies are tried as settings: without a cadence the step comes later');
SELECT throws_ok($$SELECT * FROM nurture_dry_run('[]', NULL, '{"track": {"education": 7}}')$$, 'NU003', 'there is no version 7 of track "education"', 'a draft that is not there is named');
SELECT throws_ok($$SELECT * FROM nurture_dry_run('[]', NULL, '{"trak": {"education": 2}}')$$, '22023', '"trak" is none that can be tried as a draft', 'so is a word that means nothing');
SELECT throws_ok($$SELECT * FROM nurture_dry_run('[]', NULL, '{"track": 3}')$$, '22023', '"track" is none that can be tried as a draft', 'and a shape that does');
SELECT is(pg_temp.picture(), :'before', 'nothing remains of drafts and errors');
SET LOCAL nurture.two_person_rule = on;
SELECT is((SELECT count(*) FROM nurture_dry_run('[]', NULL, '{"track": {"education": 2}}')), 1::bigint, 'nobody need have approved a draft to try it');
SELECT throws_ok($$SELECT nurture_publish('track', 'education', 2, 'x')$$, '42501', NULL, 'to publish it somebody does');
RESET nurture.two_person_rule;

-- constraints that wait for the commit are asked inside
CREATE TABLE kept (lead_id bigint PRIMARY KEY DEFERRABLE INITIALLY DEFERRED);
CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO public.kept VALUES (NEW.lead_id); RETURN NEW; END $$;
CREATE TRIGGER keep AFTER INSERT ON nurture.event FOR EACH ROW EXECUTE FUNCTION keep();
GRANT ALL ON kept TO PUBLIC;
SAVEPOINT s;
SELECT throws_ok($$SELECT * FROM nurture_dry_run('[{"lead_id": 5, "event_type": "page_viewed", "source_key": "a"}]'), nurture_dry_run('[{"lead_id": 5, "event_type": "page_viewed"}, {"lead_id": 5, "event_type": "page_viewed"}]') x WHERE x.outcome = 'quarantined' AND 1 / (length(x.inputs) - length(x.inputs)) > 0$$,
    '22012', NULL, 'a deferred constraint refuses inside the dry run');
ROLLBACK TO s;
SELECT is((SELECT count(*) FROM kept), 0::bigint, 'rows of triggers of others are gone');
SET CONSTRAINTS ALL IMMEDIATE;
DROP TRIGGER keep ON nurture.event;

-- simulated days
SELECT pg_temp.picture() AS before \gset
SELECT results_eq($$SELECT figure, subject, leads, n, per_lead FROM nurture_simulate_days(7, 100) WHERE figure IN ('leads', 'messages')$$,
    $$VALUES ('leads', 'copied', 9::bigint, 9::bigint, 1.0), ('messages', 'education', 3, 6, 0.667)$$, 'a week for nine leads, three of them on a track');
SELECT results_eq($$SELECT figure, subject, sum(n) FROM nurture_simulate_days(200, 100) WHERE figure = 'exited' GROUP BY 1, 2 ORDER BY 2$$,
    $$VALUES ('exited', 'education:went_cold', 3::numeric), ('exited', 're_nurture:no_asset', 3)$$, 'in two hundred days leads that do nothing go cold');
SELECT is((SELECT n FROM nurture_simulate_days(1, 4) WHERE figure = 'leads'), 4::bigint, 'a sample is as large as it was asked for');
SELECT is((SELECT coalesce(sum(n), 0) FROM nurture_simulate_days(1, 100) WHERE figure = 'messages'), 0::numeric, 'on the first day nothing is due');
SELECT is((SELECT sum(n) FROM nurture_simulate_days(1, 100, jsonb_build_object('settings', jsonb_build_object('frequency_cap', '[]'::jsonb))) WHERE figure = 'errors'), NULL, 'drafts of policies do no harm');
SELECT is(pg_temp.picture(), :'before', 'nothing remains of simulated days');
SELECT is((SELECT count(*) FROM nurture.lead WHERE lead_id < 1), 0::bigint, 'no copies');
SELECT throws_ok($$SELECT * FROM nurture_simulate_days(0)$$, '22023', '0 is no number of days to simulate', 'days have a number');
SELECT throws_ok($$SELECT * FROM nurture_simulate_days(1, 0)$$, '22023', '0 is no number of leads to simulate', 'leads too');
SELECT throws_ok($$SELECT * FROM nurture_dry_run(NULL)$$, '22004', 'events must not be null', 'events are needed');
SELECT throws_ok($$SELECT * FROM nurture_dry_run('[]', 'infinity')$$, '22008', NULL, 'and a time that is one');

-- the session goes on, and real work is real
INSERT INTO nurture.event (lead_id, event_type) VALUES (1, 'form_submitted');
SELECT is((SELECT track FROM nurture.enrollment WHERE lead_id = 1), 'education', 'after dry runs events are stored as ever');
SELECT is((SELECT count(*) FROM nurture.tick_error), 0::bigint, 'and nothing failed');

-- the night in which the clocks go forward is an hour shorter: at half past six UTC it is over
INSERT INTO nurture.lead (lead_id, email, audience_type, country, language, time_zone) VALUES (10, 'lead10@example.org', 'hcp', 'FR', 'fr', 'Europe/Paris');
SELECT nurture_opt_in(10, 'email', 'test') > 0 AND nurture_enroll(10, 'education', 'test') > 0 AS enrolled;
DELETE FROM nurture.quiet_hours;
INSERT INTO nurture.quiet_hours (market, channel, from_time, to_time, title, reason) VALUES ('*', '*', '21:00', '08:00', 'Nights', 'test');
SELECT results_eq($$SELECT at, d.outcome, d.reasons FROM unnest('{2026-03-28 06:30+00, 2026-03-29 06:30+00}'::timestamptz[]) at, nurture_dry_run('[{"lead_id": 10, "event_type": "page_viewed"}]', at) d WHERE d.kind = 'message' ORDER BY 1$$,
    $$VALUES ('2026-03-28 06:30+00'::timestamptz, 'queued', '{quiet_hours}'::text[]), ('2026-03-29 06:30+00', 'queued', NULL)$$, 'what is put off on one day goes out on the next');

-- rights, and a server that only reads
CREATE ROLE nurture_test_reader;
GRANT USAGE ON SCHEMA nurture TO nurture_test_reader;
GRANT SELECT ON ALL TABLES IN SCHEMA nurture TO nurture_test_reader;
SET LOCAL ROLE nurture_test_reader;
SELECT throws_ok($$SELECT * FROM nurture_dry_run('[]')$$, '42501', 'permission denied for table enrollment', 'a reader does no dry runs');
SELECT throws_ok($$SELECT * FROM nurture_simulate_days(1)$$, '42501', 'permission denied for table enrollment', 'nor simulates');
RESET ROLE;
SET LOCAL transaction_read_only = on;
SELECT throws_ok($$SELECT * FROM nurture_dry_run('[]')$$, '25006', 'cannot execute nurture_dry_run() in a read-only transaction', 'it needs a transaction that may write');

SELECT * FROM finish();
ROLLBACK;
