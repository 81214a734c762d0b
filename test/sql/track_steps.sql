-- Steps other than messages, waits for dates, channels in order, segments,
-- cadence by segment and stage, resume and re-entry, reactivation.
SET client_min_messages = warning;
BEGIN;
SELECT plan(87);
SET LOCAL nurture.clock = '2026-03-02 10:00+00';

INSERT INTO nurture.lead (lead_id, email, phone, audience_type, country, language, attributes)
    SELECT n, 'lead' || n || '@example.org', '+33123456' || 700 + n, CASE WHEN n = 9 THEN 'patient' ELSE 'hcp' END, 'FR', 'fr',
        CASE n WHEN 3 THEN '{"webinar_on": "2026-03-20"}' WHEN 4 THEN '{"webinar_on": "2026-03-20T18:00:00+01:00"}' WHEN 5 THEN '{"webinar_on": "soon"}' ELSE '{}' END::jsonb FROM generate_series(1, 12) n;
SELECT count(nurture_opt_in(n, 'email', 'test')) AS opted_in FROM generate_series(1, 12) n;
SELECT nurture_opt_out(1, 'sms', 'test');
CREATE TEMP TABLE library AS SELECT * FROM (VALUES
    ('brief', 'brief', 'email', '{"topic:moa","format:email"}'), ('text', 'text', 'sms', '{"topic:moa"}'), ('clip', 'clip', 'email', '{"topic:moa","format:video"}'),
    ('ask', 'ask', 'email', '{"offer:preference"}'), ('remind', 'remind', 'email', '{"offer:webinar"}'), ('last', 'last', 'email', '{"topic:safety"}')
) AS v (id, family, channel, tags);
SELECT count(*) AS added FROM library, nurture_add_asset(jsonb_build_object('asset_id', id, 'family', family, 'title', id, 'format', 'article', 'message_class', 'promotional', 'channels', jsonb_build_array(channel),
    'markets', '["*"]'::jsonb, 'languages', '["*"]'::jsonb, 'audience_types', '["*"]'::jsonb, 'tags', to_jsonb(tags::text[])));
SELECT count(nurture_set_asset_status(id, 1, 'in_review', 'test')) AS submitted FROM library;
SELECT count(nurture_approve('asset', id, 1, 'medical', 'approved', 'test')) AS approved FROM library;

CREATE FUNCTION pg_temp.walk(lead bigint) RETURNS text LANGUAGE sql AS
$$ SELECT string_agg(track || ' ' || step_no || ' ' || state || coalesce(' ' || exit_reason, ''), ', ' ORDER BY enrollment_no) FROM nurture.enrollment WHERE lead_id = lead $$;
CREATE FUNCTION pg_temp.due(lead bigint) RETURNS timestamptz LANGUAGE sql AS
$$ SELECT next_due_at FROM nurture.enrollment WHERE lead_id = lead AND state IN ('active', 'waiting') ORDER BY enrollment_no DESC LIMIT 1 $$;
CREATE FUNCTION pg_temp.sent(lead bigint) RETURNS text LANGUAGE sql AS
$$ SELECT string_agg(channel || ' ' || asset_id || ' ' || status, ', ' ORDER BY message_id) FROM nurture.message WHERE lead_id = lead $$;
CREATE FUNCTION pg_temp.tick(at timestamptz) RETURNS bigint LANGUAGE sql AS
$$ SELECT set_config('nurture.clock', to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), true); SELECT done FROM nurture_tick(1000, '1 min') WHERE kind = 'enrollment' $$;
-- what became of the last step
CREATE FUNCTION pg_temp.step(lead bigint) RETURNS text LANGUAGE sql AS
$$ SELECT (inputs::jsonb ->> 'step') || ' ' || outcome || coalesce(' ' || array_to_string(reasons, ','), '') FROM nurture.audit WHERE lead_ref = lead AND kind = 'step' AND object LIKE 'enrollment:%' ORDER BY audit_id DESC LIMIT 1 $$;

-- a track of every action
INSERT INTO nurture.track (track, title, purpose, re_entry) VALUES ('all_steps', 'Every action', 'ts_all', 'never');
SELECT nurture_draft('track', 'all_steps') AS draft \gset
INSERT INTO nurture.track_step (track, version, step_no, action, target, due_within, family, required_tags, wait, channels, on_none) VALUES
    ('all_steps', 1, 1, 'stage', 'nurturing', NULL, NULL, NULL, '0', NULL, 'hold'),
    ('all_steps', 1, 2, 'task', 'sales_development', '8 hours', NULL, NULL, '0', NULL, 'hold'),
    ('all_steps', 1, 3, 'message', NULL, NULL, NULL, '{topic:moa}', '1 day', '{sms,email}', 'hold'),
    ('all_steps', 1, 4, 'question', 'attributes.ts_topic', NULL, NULL, '{offer:preference}', '1 day', '{email}', 'hold'),
    ('all_steps', 1, 5, 'wait', NULL, NULL, NULL, NULL, '1 day', NULL, 'hold'),
    ('all_steps', 1, 6, 'handoff', 'request', NULL, NULL, NULL, '0', NULL, 'hold');
UPDATE nurture.track_step SET condition = '{"fact": "audience_type", "op": "!=", "value": "patient"}' WHERE track = 'all_steps' AND step_no IN (3, 4);
SELECT ok(nurture_publish('track', 'all_steps', 1, 'test') LIKE 'track all_steps: version 1%', 'a track of every action is published');
INSERT INTO nurture.event (lead_id, event_type) VALUES (1, 'page_viewed'), (2, 'page_viewed'), (9, 'page_viewed');
SELECT nurture_enroll(1, 'all_steps', 'test'), nurture_enroll(2, 'all_steps', 'test'), nurture_enroll(9, 'all_steps', 'test');
SELECT is(pg_temp.tick('2026-03-02 10:00+00'), 3::bigint, 'the first step is due at once');
SELECT is((SELECT stage FROM nurture.lead_stage WHERE lead_id = 1), 'nurturing', 'a stage step moves the lead');
SELECT is((SELECT inputs::jsonb ->> 'action' FROM nurture.audit WHERE lead_ref = 1 AND outcome = 'stage_moved'), 'stage', 'and is on record');
SELECT is((SELECT cause FROM nurture.stage_history WHERE lead_id = 1 AND new_stage = 'nurturing' ORDER BY history_no LIMIT 1), 'track', 'with its cause');
SELECT is(pg_temp.tick('2026-03-02 10:00+00'), 0::bigint, 'the task follows at once');
SELECT results_eq($$SELECT task_kind, team, title, due_at, state FROM nurture.task WHERE lead_id = 1$$,
    $$VALUES ('step', 'sales_development', 'Step 2 of track all_steps', '2026-03-03 10:00+00'::timestamptz, 'open')$$, 'due in eight working hours');
SELECT is(pg_temp.step(1), '2 task', 'the task is on record');
SELECT task_id AS task FROM nurture.task WHERE lead_id = 1 \gset
SELECT is(nurture_task_done(1, :task, actor => 'ts_seller'), 'done', 'whoever did it says so');
SELECT is(nurture_task_done(1, :task), 'done', 'again without effect');
SELECT results_eq($$SELECT state, done_at FROM nurture.task WHERE lead_id = 1$$, $$VALUES ('done', '2026-03-02 10:00+00'::timestamptz)$$, 'it is done');
SELECT results_eq($$SELECT outcome, app_user, inputs FROM nurture.audit WHERE lead_ref = 1 AND object LIKE 'task:%'$$, $$VALUES ('task_done'::text, 'ts_seller'::text, 'Step 2 of track all_steps'::text)$$, 'once, and on record');
SELECT throws_like(format('SELECT nurture_task_done(1, %s, ''cancelled'', ''no'')', :task), 'task % is done already', 'and stays so');
SELECT throws_ok(format('SELECT nurture_task_done(1, %s, ''cancelled'')', :task), '22023', 'cancelling a task needs a reason', 'why');
SELECT throws_ok(format('SELECT nurture_task_done(1, %s, ''late'')', :task), '22023', 'a task is done or cancelled, not "late"', 'only so');
SELECT throws_ok('SELECT nurture_task_done(1, NULL)', '22004', 'argument 2 of nurture_task_done cannot be null', 'one of them');
SELECT throws_ok('SELECT nurture_task_done(2, 0)', 'NU003', 'lead 2 has no task 0', 'that there is');
INSERT INTO nurture.task (lead_id, task_kind, title, team, created_at) VALUES (2, 'contact', 'x', 'sales_development', now()) RETURNING task_id AS other \gset
SELECT throws_like(format('SELECT nurture_task_done(2, %s)', :other), 'task % is no step of a track but "contact"', 'of a step');
DELETE FROM nurture.task WHERE task_id = :other;
SELECT is(pg_temp.step(9), '2 no_task team_not_permitted', 'a team that may not have the lead gets none');
SELECT is((SELECT count(*) FROM nurture.task WHERE lead_id = 9), 0::bigint, 'indeed');
SELECT is(pg_temp.tick('2026-03-02 23:00+00'), 3::bigint, 'the next day begins');
SELECT is(pg_temp.sent(1), 'email brief queued', 'without consent for SMS the next channel is taken');
SELECT is((SELECT inputs::jsonb -> 'passed_over' FROM nurture.audit WHERE lead_ref = 1 AND kind = 'step' AND outcome = 'queued'), '{"sms": ["consent_denied", "consent_missing"]}', 'and the record says why SMS was not');
SELECT nurture_opt_in(2, 'sms', 'test') > 0 AS opted_in;
UPDATE nurture.lead SET attributes = attributes || '{"ts_topic": "safety"}' WHERE lead_id = 2;
SELECT is(pg_temp.tick('2026-03-05 10:00+00') > 0, true, 'a question');
SELECT is(pg_temp.sent(1), 'email brief queued, email ask queued', 'is asked');
SELECT is(pg_temp.step(2), '4 skipped known', 'but not of who has answered it');
SELECT is(pg_temp.tick('2026-03-06 10:00+00') > 0, true, 'a wait');
SELECT is(pg_temp.step(1), '6 handed_over', 'is nothing but that: a hand-off');
SELECT is(pg_temp.tick('2026-03-06 10:00+00') >= 0, true, 'which');
SELECT is(pg_temp.walk(1), 'all_steps 6 completed last_step', 'ends this track');
SELECT results_eq($$SELECT h.route, h.team, h.state, c.reason FROM nurture.handoff h JOIN nurture.handoff_cause c USING (lead_id, handoff_id) WHERE lead_id = 1$$,
    $$VALUES ('request', 'sales_development', 'offered', 'step 6 of track all_steps')$$, 'the lead goes where the step says');
SELECT is((SELECT trigger ->> 'cause' FROM nurture.audit WHERE lead_ref = 1 AND kind = 'handoff'), 'track', 'because of the track');
SELECT is(pg_temp.walk(9) LIKE '% 6 waiting', true, 'a patient waits: that team may not have it');
SELECT is(pg_temp.step(9), '6 held_back no_route', 'which is on record');
SELECT is((SELECT count(*) FROM nurture.handoff WHERE lead_id = 9), 0::bigint, 'and no hand-off');
SELECT is((SELECT count(*) FROM nurture.tick_error), 0::bigint, 'nothing failed');

-- what cannot be published
SELECT nurture_draft('track', 'all_steps', 1) AS draft \gset
UPDATE nurture.track_step SET target = 'sales' WHERE track = 'all_steps' AND version = 2 AND step_no = 2;
SELECT throws_ok($$SELECT nurture_publish('track', 'all_steps', 2, 'x')$$, 'NU003', 'step 2 of track "all_steps": unknown team "sales"', 'a team that is none');
UPDATE nurture.track_step SET target = 'sales_development' WHERE track = 'all_steps' AND version = 2 AND step_no = 2;
UPDATE nurture.track_step SET target = 'mlq' WHERE track = 'all_steps' AND version = 2 AND step_no = 6;
SELECT throws_ok($$SELECT nurture_publish('track', 'all_steps', 2, 'x')$$, 'NU003', 'step 6 of track "all_steps": unknown route "mlq"', 'a route that is none');
UPDATE nurture.track_step SET target = NULL WHERE track = 'all_steps' AND version = 2 AND step_no = 6;
UPDATE nurture.track_step SET target = 'hot' WHERE track = 'all_steps' AND version = 2 AND step_no = 1;
SELECT throws_ok($$SELECT nurture_publish('track', 'all_steps', 2, 'x')$$, 'NU003', 'step 1 of track "all_steps": unknown stage "hot"', 'a stage that is none');
UPDATE nurture.track_step SET target = 'nurturing' WHERE track = 'all_steps' AND version = 2 AND step_no = 1;
UPDATE nurture.track_step SET target = 'attribute.topic' WHERE track = 'all_steps' AND version = 2 AND step_no = 4;
SELECT throws_ok($$SELECT nurture_publish('track', 'all_steps', 2, 'x')$$, 'NU005', NULL, 'a fact that is none');
SELECT throws_ok($$UPDATE nurture.track_step SET target = NULL WHERE track = 'all_steps' AND version = 2 AND step_no = 2$$, '23514', NULL, 'a task has a team');
SELECT throws_ok($$UPDATE nurture.track_step SET wait = '-1 day' WHERE track = 'all_steps' AND version = 2 AND step_no = 3$$, '23514', NULL, 'nothing comes before the step before');
SELECT throws_ok($$UPDATE nurture.track_step SET due_within = '2 days' WHERE track = 'all_steps' AND version = 2 AND step_no = 2$$, '23514', NULL, 'working time is told in hours');

-- reminders before a date
INSERT INTO nurture.track (track, title, purpose) VALUES ('reminders', 'Before a date', 'ts_date');
SELECT nurture_draft('track', 'reminders') AS draft \gset
INSERT INTO nurture.track_step (track, version, step_no, family, wait, wait_from, channels, on_none) VALUES
    ('reminders', 1, 1, 'remind', '-2 days', 'attributes.webinar_on', '{email}', 'hold'), ('reminders', 1, 2, 'last', '1 day', 'attributes.webinar_on', '{email}', 'exit');
SELECT ok(nurture_publish('track', 'reminders', 1, 'test') IS NOT NULL, 'a track of reminders');
INSERT INTO nurture.event (lead_id, event_type) SELECT n, 'page_viewed' FROM generate_series(3, 6) n;
SELECT count(nurture_enroll(n, 'reminders', 'test')) AS enrolled FROM generate_series(3, 6) n;
SELECT is(pg_temp.due(3) <= '2026-03-07 10:00+00', true, 'a wait for a date is looked at every day');
SELECT is(pg_temp.tick('2026-03-17 23:00+00') >= 4, true, 'the day before the reminder');
SELECT is(pg_temp.sent(3), NULL, 'nothing goes out');
SELECT is(pg_temp.due(3), '2026-03-18 00:00+00'::timestamptz, 'but is due two days before the day, at midnight UTC');
SELECT is(pg_temp.due(4), '2026-03-18 17:00+00'::timestamptz, 'or before the hour');
SELECT is(pg_temp.step(5), '1 held_back date_unknown', 'what is no date is not known');
SELECT is(pg_temp.walk(6), 'reminders 1 waiting', 'and waits');
SELECT is((SELECT count(*) FROM nurture.audit WHERE lead_ref = 6 AND kind = 'step'), 1::bigint, 'which is recorded once');
SELECT is(pg_temp.tick('2026-03-18 09:00+00') >= 1, true, 'on the day');
SELECT is(pg_temp.sent(3), 'email remind queued', 'the reminder');
SELECT is(pg_temp.sent(4), NULL, 'not yet for who begins in the evening');
UPDATE nurture.lead SET attributes = '{"webinar_on": "2026-04-02"}' WHERE lead_id = 4;
SELECT is(pg_temp.tick('2026-03-18 20:00+00') >= 1, true, 'a date that moved');
SELECT is(pg_temp.sent(4), NULL, 'moves the reminder');
UPDATE nurture.lead SET attributes = '{"webinar_on": "2026-03-18"}' WHERE lead_id = 6;
SELECT is(pg_temp.tick('2026-03-19 23:00+00') >= 1, true, 'a date that is over when it is told');
SELECT is(pg_temp.step(6) IN ('1 skipped date_passed', '2 queued'), true, 'is nothing to remind of');
SELECT is(pg_temp.tick('2026-03-21 01:00+00') >= 1, true, 'the day after');
SELECT is(pg_temp.sent(3), 'email remind queued, email last queued', 'the follow-up');
SELECT is(pg_temp.walk(3), 'reminders 2 completed last_step', 'and the end');

-- segments
SELECT throws_ok($$INSERT INTO nurture.segment (segment, title, condition) VALUES ('ts_bad', 'x', '{"signal": "page_veiwed"}')$$, 'NU005', NULL, 'a segment that means nothing is refused');
INSERT INTO nurture.segment (segment, title, condition) VALUES ('ts_safety', 'wants safety', '{"fact": "attributes.ts_topic", "op": "=", "value": "safety"}'),
    ('ts_patients', 'patients', '{"fact": "audience_type", "op": "=", "value": "patient"}');
SELECT set_eq($$SELECT nurture_segment_preview('ts_safety')$$, $$VALUES (2::bigint)$$, 'a segment is a condition');
SELECT set_eq($$SELECT nurture_segment_preview('ts_patients')$$, $$VALUES (9::bigint)$$, 'and lists its leads');
SELECT throws_ok($$SELECT nurture_segment_preview('safety')$$, 'NU003', 'unknown segment "safety"', 'an unknown one is named');
INSERT INTO nurture.track (track, title, purpose, re_entry) VALUES ('narrow', 'Narrow', 'ts_narrow', 'never');
SELECT nurture_draft('track', 'narrow') AS draft \gset
INSERT INTO nurture.track_step (track, version, step_no, required_tags, wait, channels, on_none) VALUES ('narrow', 1, 1, '{topic:moa}', '4 days', '{email}', 'hold'), ('narrow', 1, 2, '{topic:safety}', '4 days', '{email}', 'hold');
INSERT INTO nurture.track_entry (track, version, entry, condition, segment) VALUES ('narrow', 1, 'watched', '{"signal": "video_watched"}', 'ts_safety');
SELECT ok(nurture_publish('track', 'narrow', 1, 'test') IS NOT NULL, 'an entry for a segment');
INSERT INTO nurture.event (lead_id, event_type) VALUES (2, 'video_watched'), (7, 'video_watched');
SELECT is(pg_temp.walk(2) LIKE '%narrow 1 active', true, 'takes who is in it');
SELECT is(pg_temp.walk(7), NULL, 'and nobody else');

-- cadence of a segment and a stage, with formats
SELECT is(pg_temp.due(2), '2026-03-23 01:00+00'::timestamptz, 'an active lead waits half as long');
INSERT INTO nurture.cadence (track, segment, stage, level, factor, formats) VALUES ('narrow', '*', '*', 'active', 1, NULL), ('*', 'ts_safety', '*', 'active', 3, NULL), ('narrow', 'ts_safety', '*', 'active', 0.25, '{video}'), ('*', '*', 'nurturing', 'active', 7, NULL);
INSERT INTO nurture.lead (lead_id, email, audience_type, country, language, attributes) VALUES (21, 'x@example.org', 'hcp', 'FR', 'fr', '{"ts_topic": "safety"}');
SELECT nurture_opt_in(21, 'email', 'test') > 0 AS opted_in;
INSERT INTO nurture.event (lead_id, event_type) VALUES (21, 'video_watched');
SELECT is(pg_temp.due(21), '2026-03-22 01:00+00'::timestamptz, 'the row of track and segment says before those that say less');
SELECT is(pg_temp.tick('2026-03-22 02:00+00') >= 1, true, 'its step');
SELECT is(pg_temp.sent(21), 'email clip queued', 'takes the format that suits the segment');

-- re-entry: never; resume goes on where the lead left
INSERT INTO nurture.track (track, title, purpose, priority) VALUES ('aside', 'Aside', 'ts_narrow', 9);
SELECT nurture_draft('track', 'aside') AS draft \gset
INSERT INTO nurture.track_step (track, version, step_no, action, wait) VALUES ('aside', 1, 1, 'wait', '10 days');
INSERT INTO nurture.track_entry (track, version, entry, condition) VALUES ('aside', 1, 'asked', '{"signal": "coverage_question"}');
INSERT INTO nurture.track_branch (track, version, branch, condition, to_track, resume) VALUES ('aside', 1, 'back', '{"signal": "slide_deck_downloaded", "within_days": 0}', 'narrow', true), ('aside', 1, 'again', '{"signal": "guideline_downloaded", "within_days": 0}', 'narrow', false);
SELECT ok(nurture_publish('track', 'aside', 1, 'test') IS NOT NULL, 'a track that leads back');
INSERT INTO nurture.event (lead_id, event_type) VALUES (21, 'coverage_question');
SELECT is(pg_temp.walk(21), 'narrow 2 exited higher_priority, aside 1 active', 'the higher priority takes over');
INSERT INTO nurture.event (lead_id, event_type) VALUES (21, 'guideline_downloaded');
SELECT is(pg_temp.walk(21), 'narrow 2 exited higher_priority, aside 1 active', 'a track that is walked once is not begun again by a branch');
SELECT is((SELECT array_to_string(reasons, ',') FROM nurture.audit WHERE lead_ref = 21 AND outcome = 'not_entered'), 're_entry', 'which is on record');
INSERT INTO nurture.event (lead_id, event_type) VALUES (21, 'slide_deck_downloaded');
SELECT is(pg_temp.walk(21), 'narrow 2 exited higher_priority, aside 1 exited back, narrow 2 active', 'resumed it is, at the step where it was left');

-- reactivation
SELECT is(nurture_reactivation(21), NULL, 'who was never cold has no reactivation score');
INSERT INTO nurture.event (lead_id, event_type, occurred_at) VALUES (11, 'pricing_requested', '2025-09-01 10:00+00');
SELECT nurture_enroll(11, 're_nurture', 'test');
SELECT is(nurture_reactivation(11), 0::numeric, 'what a cold lead did before does not count');
INSERT INTO nurture.event (lead_id, event_type) VALUES (11, 'clinical_evidence_downloaded');
SELECT results_eq($$SELECT nurture_reactivation(11), nurture_intent(11) > nurture_reactivation(11)$$, $$VALUES (10::numeric, true)$$, 'what it does since is its reactivation score, apart from the ordinary one');
-- what is denied ends a track when nothing of it may reach the lead any more
INSERT INTO nurture.lead (lead_id, email, phone, audience_type, country, language) SELECT n, 'way' || n || '@example.org', '+33123456' || 800 + n, 'hcp', 'FR', 'fr' FROM generate_series(61, 63) n;
INSERT INTO nurture.track (track, title, purpose) VALUES ('two_ways', 'Two channels', 'marketing'), ('service_ways', 'Service', 'ts_service');
SELECT nurture_draft('track', t) AS drafted FROM unnest('{two_ways,service_ways}'::text[]) t;
INSERT INTO nurture.track_step (track, version, step_no, required_tags, wait, channels)
    SELECT t, 1, n, '{topic:moa}', '7 days', CASE n WHEN 1 THEN '{sms,email}'::text[] ELSE '{email}' END FROM unnest('{two_ways,service_ways}'::text[]) t, generate_series(1, 2) n;
SELECT nurture_publish('track', t, 1, 'test') IS NOT NULL AS published FROM unnest('{two_ways,service_ways}'::text[]) t;
SELECT count(nurture_opt_in(n, c, 'test')) AS opted_in FROM generate_series(61, 63) n, unnest('{email,sms}'::text[]) c;
SELECT count(nurture_enroll(n, t, 'test')) AS enrolled FROM generate_series(61, 63) n, unnest('{two_ways,service_ways}'::text[]) t;
SELECT nurture_opt_out(61, 'email', 'test');
SELECT is(pg_temp.walk(61), 'two_ways 1 active, service_ways 1 active', 'as long as there is another channel it goes on');
SELECT nurture_opt_out(61, 'sms', 'test');
SELECT is(pg_temp.walk(61), 'two_ways 1 exited consent_denied, service_ways 1 active', 'not without the last one; what was refused to advertising is no matter to service');
INSERT INTO nurture.consent_event (lead_id, channel, purpose, kind, source) VALUES (62, 'email', 'ts_service', 'withdrawn', 'test');
SELECT is(pg_temp.walk(62), 'two_ways 1 active, service_ways 1 active', 'nor is the reverse');
INSERT INTO nurture.consent_event (lead_id, channel, purpose, kind, source) VALUES (62, '*', 'ts_service', 'withdrawn', 'test');
SELECT is(pg_temp.walk(62), 'two_ways 1 active, service_ways 1 exited consent_denied', 'service ends when that is refused everywhere');
INSERT INTO nurture.consent_event (lead_id, channel, purpose, kind, source) VALUES (63, '*', '*', 'objected', 'test');
SELECT is(pg_temp.walk(63), 'two_ways 1 exited consent_denied, service_ways 1 exited consent_denied', 'an objection to everything ends all');
SELECT is((SELECT count(*) FROM nurture.tick_error), 0::bigint, 'nothing failed');

SELECT * FROM finish();
ROLLBACK;
