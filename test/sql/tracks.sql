-- Tracks: the four stories, the tick, and what ends an enrollment.
SET client_min_messages = warning;
BEGIN;
SELECT plan(79);
SET LOCAL nurture.clock = '2026-03-02 10:00+00';

INSERT INTO nurture.lead (lead_id, email, audience_type, country, language)
    SELECT n, 'lead' || n || '@example.org', 'hcp', 'FR', 'fr' FROM generate_series(1, 9) n;
SELECT count(nurture_opt_in(n, 'email', 'test')) AS opted_in FROM generate_series(1, 8) n;

CREATE TEMP TABLE library AS SELECT * FROM (VALUES
    ('overview', '{"offer:overview","funnel_stage:awareness","depth:1","topic:disease"}'),
    ('disease', '{"funnel_stage:awareness","depth:1","topic:disease"}'),
    ('moa_1', '{"topic:moa","depth:1","funnel_stage:awareness"}'),
    ('moa_2', '{"topic:moa","depth:2","funnel_stage:consideration"}'),
    ('evidence', '{"offer:clinical_evidence","topic:efficacy","depth:2","funnel_stage:consideration"}'),
    ('webinar', '{"offer:webinar","topic:efficacy","format:webinar"}'),
    ('questions', '{"offer:qa","topic:safety"}'),
    ('choose', '{"offer:preference"}')
) AS v (id, tags);
SELECT count(*) AS added FROM library, nurture_add_asset(jsonb_build_object('asset_id', id, 'title', id, 'format', 'article', 'message_class', 'promotional', 'channels', '["email"]'::jsonb,
    'markets', '["*"]'::jsonb, 'languages', '["*"]'::jsonb, 'audience_types', '["*"]'::jsonb, 'tags', to_jsonb(tags::text[])));
SELECT count(nurture_set_asset_status(id, 1, 'in_review', 'test')) AS submitted FROM library;
SELECT count(nurture_approve('asset', id, 1, 'medical', 'approved', 'test')) AS approved FROM library;

CREATE FUNCTION pg_temp.walk(lead bigint) RETURNS text LANGUAGE sql AS
$$ SELECT string_agg(track || ' ' || step_no || ' ' || state || coalesce(' ' || exit_reason, ''), ', ' ORDER BY enrollment_no) FROM nurture.enrollment WHERE lead_id = lead $$;
CREATE FUNCTION pg_temp.due(lead bigint) RETURNS timestamptz LANGUAGE sql AS
$$ SELECT next_due_at FROM nurture.enrollment WHERE lead_id = lead AND state IN ('active', 'waiting') $$;
CREATE FUNCTION pg_temp.sent(lead bigint) RETURNS text LANGUAGE sql AS
$$ SELECT string_agg(asset_id || ' ' || status, ', ' ORDER BY message_id) FROM nurture.message WHERE lead_id = lead $$;
CREATE FUNCTION pg_temp.tick() RETURNS text LANGUAGE sql AS
$$ SELECT done || ' done, ' || "left" || ' left' FROM nurture_tick(200, '1 min') WHERE kind = 'enrollment' $$;

-- 1. clinical evidence download -> evidence follow-up -> webinar invitation
INSERT INTO nurture.event (lead_id, event_type, campaign) VALUES (1, 'form_submitted', 'spring');
SELECT is(pg_temp.walk(1), 'education 1 active', 'a form brings a lead onto the education track');
SELECT is(pg_temp.due(1), '2026-03-03 22:00+00'::timestamptz, 'three days, halved for an active lead');
INSERT INTO nurture.event (lead_id, event_type, tags) VALUES (1, 'clinical_evidence_downloaded', '{topic:efficacy,offer:clinical_evidence}');
SELECT is(pg_temp.walk(1), 'education 1 exited evidence_taken, evidence 1 active', 'taking evidence branches to the evidence track in the same statement');
SELECT is(pg_temp.tick(), '0 done, 0 left', 'nothing is due yet');
SET LOCAL nurture.clock = '2026-03-04 10:00+00';
SELECT is(pg_temp.tick(), '1 done, 0 left', 'then one lead is');
SELECT is(pg_temp.sent(1), 'evidence queued', 'the evidence follow-up');
SELECT results_eq($$SELECT track, step_no, enrollment_no, trigger_kind FROM nurture.message WHERE lead_id = 1$$, $$VALUES ('evidence'::text, 1, 2::bigint, 'step'::text)$$, 'its message says which step it is');
SELECT is(pg_temp.walk(1), 'education 1 exited evidence_taken, evidence 2 active', 'on to the next step');
SELECT is(pg_temp.due(1), '2026-03-07 22:00+00'::timestamptz, 'half a week later');
SELECT is(pg_temp.tick(), '0 done, 0 left', 'a second tick repeats nothing');
SET LOCAL nurture.clock = '2026-03-08 10:00+00';
SELECT is(pg_temp.tick(), '1 done, 0 left', 'when that has come');
SELECT is(pg_temp.sent(1), 'evidence queued, webinar queued', 'the invitation to the webinar');
INSERT INTO nurture.event (lead_id, event_type) VALUES (1, 'webinar_attended');
SELECT is(pg_temp.walk(1), 'education 1 exited evidence_taken, evidence 3 completed goal', 'attending it is the goal');

-- 2. registered but quiet -> general education, fewer messages; resumed on a click
SET LOCAL nurture.clock = '2026-04-01 10:00+00';
INSERT INTO nurture.event (lead_id, event_type) VALUES (2, 'webinar_registered');
SELECT is(pg_temp.walk(2), 'education 1 active', 'a registration brings a lead onto the education track');
SET LOCAL nurture.clock = '2026-04-03 10:00+00';
SELECT is(pg_temp.tick(), '1 done, 0 left', 'its first step');
SELECT is(pg_temp.sent(2), 'overview queued', 'is general education');
SELECT is(pg_temp.due(2), '2026-04-06 22:00+00'::timestamptz, 'the next one comes soon while the lead is active');
SET LOCAL nurture.clock = '2026-05-10 10:00+00';
SELECT is(pg_temp.tick(), '2 done, 0 left', 'the lead has gone quiet');
SELECT is(pg_temp.due(2), '2026-05-24 10:00+00'::timestamptz, 'so one week becomes two');
SELECT results_eq($$SELECT inputs::jsonb -> 'level' FROM nurture.audit WHERE kind = 'step' AND lead_ref = 2 ORDER BY audit_id$$, $$VALUES ('0'::jsonb), ('2')$$, 'and the record says why');
INSERT INTO nurture.event (lead_id, event_type) VALUES (2, 'email_opened');
SELECT is(pg_temp.due(2), '2026-05-24 10:00+00'::timestamptz, 'an opening wakes nobody');
INSERT INTO nurture.event (lead_id, event_type) VALUES (2, 'email_clicked');
SELECT is(pg_temp.due(2), '2026-05-13 22:00+00'::timestamptz, 'a click brings the next step forward');
SET LOCAL nurture.clock = '2026-05-14 12:00+00';
SELECT is(pg_temp.tick(), '1 done, 0 left', 'which is taken then');
SELECT is((SELECT count(*) FROM nurture.message WHERE lead_id = 2), 3::bigint, 'three messages, none twice');
SELECT nurture_exit(2, 'education', 'enough for this test');

-- 3. demo request -> nurture stops
SET LOCAL nurture.clock = '2026-06-01 10:00+00';
INSERT INTO nurture.event (lead_id, event_type) VALUES (3, 'brochure_downloaded');
SET LOCAL nurture.clock = '2026-06-03 10:00+00';
SELECT is(pg_temp.tick(), '1 done, 0 left', 'on the way');
SELECT is(pg_temp.sent(3), 'overview queued', 'with a message queued');
INSERT INTO nurture.event (lead_id, event_type) VALUES (3, 'demo_requested');
SELECT is(pg_temp.walk(3), 'education 2 exited direct_request', 'a demo request ends the track in its statement');
SELECT is(pg_temp.sent(3), 'overview cancelled', 'and cancels what was queued');
INSERT INTO nurture.event (lead_id, event_type) VALUES (3, 'form_submitted');
SELECT is(pg_temp.walk(3), 'education 2 exited direct_request', 'nothing begins again beside the person who takes over');
INSERT INTO nurture.event (lead_id, event_type) VALUES (4, 'demo_requested'), (4, 'form_submitted');
SELECT is(pg_temp.walk(4), NULL, 'whatever the order within a statement');

-- 4. repeated mechanism-of-action views -> deeper content
INSERT INTO nurture.event (lead_id, event_type, tags) SELECT 5, 'mechanism_page_viewed', '{topic:moa}' FROM generate_series(1, 2);
SELECT is(pg_temp.walk(5), NULL, 'two views are no repeated interest');
INSERT INTO nurture.event (lead_id, event_type, tags) VALUES (5, 'mechanism_page_viewed', '{topic:moa}');
SELECT is(pg_temp.walk(5), 'education 1 active', 'the third is');
SELECT is((SELECT asset_id FROM nurture_next_asset(5)), 'moa_2', 'the best asset is one deeper');
SELECT is((SELECT asset_id FROM nurture_next_asset(5, track => 'education')), 'moa_2', 'for the step of the track as well');
SET LOCAL nurture.clock = '2026-06-05 10:00+00';
SELECT is(pg_temp.tick(), '1 done, 0 left', 'its first step');
SET LOCAL nurture.clock = '2026-06-09 10:00+00';
SELECT is(pg_temp.tick(), '1 done, 0 left', 'and its second');
SELECT is(pg_temp.sent(5), 'moa_2 queued, moa_1 queued', 'go deeper, then broader');

-- two tracks want a lead
INSERT INTO nurture.event (lead_id, event_type) VALUES (6, 'clinical_evidence_downloaded');
INSERT INTO nurture.event (lead_id, event_type) VALUES (6, 'form_submitted');
SELECT is(pg_temp.walk(6), 'evidence 1 active', 'the higher priority keeps the lead');
SELECT is((SELECT reasons FROM nurture.audit WHERE kind = 'enrollment' AND outcome = 'not_entered' AND lead_ref = 6), '{lower_priority}'::text[], 'and the loser is on record');

-- by hand, and what ends it
UPDATE nurture.lead SET campaign = 'congress' WHERE lead_id = 7;
SELECT is(nurture_enroll(7, 'education', 'met at a congress'), 1::bigint, 'a person enrolls a lead');
SELECT results_eq($$SELECT lead_id, campaign FROM nurture.enrollment WHERE lead_id IN (1, 7) AND enrollment_no = 1 ORDER BY 1$$,
    $$VALUES (1::bigint, 'spring'), (7, 'congress')$$, 'an enrollment keeps the campaign of its event, or of its lead');
SELECT throws_ok($$SELECT nurture_enroll(7, 'education', 'again')$$, 'NU007', 'lead 7 is on track "education" already', 'once');
SELECT throws_ok($$SELECT nurture_enroll(7, 'educaton', 'x')$$, 'NU003', 'unknown track "educaton"', 'an unknown track is named');
SELECT throws_ok($$SELECT nurture_enroll(999, 'education', 'x')$$, 'NU004', 'there is no lead 999', 'so is an unknown lead');
SELECT is(nurture_exit(7, 'education', 'asked by phone'), true, 'and ends it');
SELECT is(nurture_exit(7, 'education', 'asked by phone'), false, 'once');
SELECT throws_ok($$UPDATE nurture.enrollment SET step_no = 4$$, 'NU009', 'enrollments are written by functions only', 'nobody else writes enrollments');
INSERT INTO nurture.event (lead_id, event_type) VALUES (8, 'page_viewed'), (9, 'page_viewed');
SELECT nurture_enroll(8, 'education', 'test'), nurture_opt_out(8, 'email', 'test');
SELECT is(pg_temp.walk(8), 'education 1 exited consent_denied', 'withdrawn consent ends the enrollment in its statement');
SELECT results_eq($$SELECT outcome, reasons, trigger ->> 'by' FROM nurture.audit WHERE lead_ref = 8 AND kind = 'enrollment' ORDER BY audit_id DESC LIMIT 1$$, $$VALUES ('exited'::text, '{consent_denied}'::text[], 'consent'::text)$$, 'for that reason');
INSERT INTO nurture.lead (lead_id, email, phone, audience_type, country, language) SELECT n, 'lead' || n || '@example.org', CASE n WHEN 92 THEN '+33612345678' END, 'hcp', 'FR', 'fr' FROM generate_series(91, 94) n;
SELECT nurture_opt_in(92, 'email', 'test'), nurture_opt_in(92, 'sms', 'test'), nurture_opt_in(93, 'email', 'test'), nurture_opt_in(94, 'email', 'test') \g /dev/null
SELECT count(nurture_enroll(n, 'education', 'test')) AS enrolled FROM generate_series(91, 94) n;
SELECT nurture_opt_out(92, 'sms', 'test');
SELECT is(pg_temp.walk(92), 'education 1 active', 'a channel that the track does not use is no matter');
SELECT nurture_opt_out(92, 'email', 'test');
SELECT is(pg_temp.walk(92), 'education 1 exited consent_denied', 'its last one is');
SELECT nurture_suppress('lead', '93', 'asked for a week', now() + interval '7 days');
SELECT is(pg_temp.walk(93), 'education 1 active', 'what is suppressed for a time only waits');
SELECT nurture_suppress('lead', '93', 'never again');
SELECT is(pg_temp.walk(93), 'education 1 exited suppressed', 'what is suppressed for good ends');
SELECT nurture_suppress('contact_point', 'lead94@example.org', 'never again');
SELECT is(pg_temp.walk(94), 'education 1 exited suppressed', 'so does what only that address could reach');
SELECT nurture_exit(91, 'education', 'test');
SELECT nurture_enroll(9, 'education', 'test');
SET LOCAL nurture.clock = '2026-06-20 10:00+00';
SELECT is((SELECT count(*) FROM nurture.message WHERE lead_id = 8), 0::bigint, 'nothing was sent to who opted out');
SELECT is(pg_temp.tick(), '5 done, 0 left', 'when its step is due');
SELECT is((SELECT array_agg(DISTINCT status) FROM nurture.message WHERE lead_id = 9), '{held}'::text[], 'unclear consent holds the message');
SELECT is((SELECT count(*) FROM nurture.tick_error), 0::bigint, 'no tick failed');
SELECT throws_ok($$SELECT nurture_tick(0)$$, '22023', '0 is no number of leads for a tick', 'a tick has a size');

-- versions: a lead finishes the one it entered
SELECT is(nurture_draft('track', 'education', 1), 2, 'a draft is a copy');
SELECT throws_ok($$UPDATE nurture.track_step SET wait = '1 day' WHERE track = 'education' AND version = 1$$, 'NU006', 'version 1 of "education" is published and cannot be changed', 'what is published stays');
UPDATE nurture.track_step SET wait = '1 day' WHERE track = 'education' AND version = 2 AND step_no = 1;
UPDATE nurture.track_entry SET condition = '{"signal": "form_submited"}' WHERE track = 'education' AND version = 2 AND entry = 'first_interest';
SELECT throws_ok($$SELECT nurture_publish('track', 'education', 2, 'sooner')$$, 'NU005', NULL, 'a condition that means nothing is not published');
UPDATE nurture.track_entry SET condition = '{"signal": "form_submitted"}' WHERE track = 'education' AND version = 2 AND entry = 'first_interest';
UPDATE nurture.track_step SET required_tags = '{offer:overvew}' WHERE track = 'education' AND version = 2 AND step_no = 1;
SELECT throws_ok($$SELECT nurture_publish('track', 'education', 2, 'sooner')$$, 'NU003', 'unknown tag "offer:overvew"', 'nor a tag that is none');
UPDATE nurture.track_step SET required_tags = NULL WHERE track = 'education' AND version = 2 AND step_no = 1;
SELECT is(nurture_publish('track', 'education', 2, 'sooner'), 'track education: version 2 published', 'the draft is published');
SELECT results_eq($$SELECT version, status FROM nurture.track_version WHERE track = 'education' ORDER BY version$$, $$VALUES (1, 'retired'::text), (2, 'published')$$, 'and the one before retired');
SELECT nurture_exit(5, 'education', 'test');
SELECT is((SELECT version FROM nurture.enrollment WHERE lead_id = 9 AND state = 'active'), 1, 'who is on the way stays on the version entered');
SELECT nurture_enroll(7, 'education', 'test');
SELECT is((SELECT version FROM nurture.enrollment WHERE lead_id = 7 AND state = 'active'), 2, 'who begins now takes the new one');

-- labels that branches give
SELECT nurture_draft('track', 'education', 2) AS labelling \gset
UPDATE nurture.track_branch SET label = 'tr_evidence' WHERE track = 'education' AND version = :labelling AND branch = 'evidence_taken';
UPDATE nurture.track_branch SET label = 'tr_cold' WHERE track = 'education' AND version = :labelling AND branch = 'went_cold';
SELECT throws_ok($$UPDATE nurture.track_branch SET label = 'No Code' WHERE track = 'education' AND label = 'tr_cold'$$, '23514', NULL, 'a label is a code');
SELECT ok(nurture_publish('track', 'education', :labelling, 'labels') LIKE 'track education: version%', 'a version with labels is published');
SELECT is((SELECT count(*) FROM nurture_diff('track', 'education', 2, :labelling) d WHERE d::text LIKE '%tr\_%'), 2::bigint, 'and differs by them');
INSERT INTO nurture.lead (lead_id, audience_type, country, language) SELECT i, 'hcp', 'FR', 'en' FROM generate_series(971, 973) i;
INSERT INTO nurture.event (lead_id, event_type) SELECT i, 'form_submitted' FROM generate_series(971, 973) i;
SELECT nurture_label(972, 'tr_evidence'), nurture_unlabel(972, 'tr_evidence', 'not so');
INSERT INTO nurture.event (lead_id, event_type, tags) SELECT i, 'clinical_evidence_downloaded', '{topic:efficacy,offer:clinical_evidence}' FROM generate_series(971, 972) i;
SELECT results_eq($$SELECT lead_id, label, by FROM nurture.label WHERE lead_id BETWEEN 971 AND 973 AND ended_by IS NULL$$, $$VALUES (971::bigint, 'tr_evidence', 'branch:education/evidence_taken')$$,
    'who takes a branch gets its label, unless a person took that off');
SELECT is(nurture_draft('track', 'education', :labelling), :labelling + 1, 'a draft of it');
SELECT is((SELECT string_agg(label, ' ' ORDER BY label) FROM nurture.track_branch WHERE track = 'education' AND version = :labelling + 1), 'tr_cold tr_evidence', 'has the labels too');
SELECT set_config('nurture.clock', to_char(nurture_now() + interval '100 days', 'YYYY-MM-DD"T"HH24:MI:SSOF'), true) <> '' AS later;
SELECT count(*) > 0 AS ticked FROM nurture_tick(1000, '1 min');
SELECT is((SELECT by FROM nurture.label WHERE lead_id = 973 AND label = 'tr_cold'), 'branch:education/went_cold', 'also when the tick takes it');

-- rights
CREATE ROLE nurture_test_reader;
GRANT USAGE ON SCHEMA nurture TO nurture_test_reader;
GRANT SELECT ON ALL TABLES IN SCHEMA nurture TO nurture_test_reader;
SET LOCAL ROLE nurture_test_reader;
SELECT throws_ok($$SELECT nurture_tick()$$, '42501', 'permission denied for table enrollment', 'a reader does not tick');
SELECT throws_ok($$SELECT nurture_enroll(5, 'education', 'x')$$, '42501', 'permission denied for table enrollment', 'nor enroll');
SELECT throws_ok($$SELECT nurture_set_asset_status('overview', 1, 'withdrawn', 'x')$$, '42501', 'permission denied for table asset_version', 'nor withdraw an asset');
SELECT throws_ok($$SELECT nurture_publish('track', 'evidence', 1, 'x')$$, '42501', 'permission denied for table track_version', 'nor publish');
SELECT is((SELECT asset_id FROM nurture_next_asset(5)) IS NOT NULL, true, 'but may ask what comes next');
RESET ROLE;

SELECT * FROM finish();
ROLLBACK;
