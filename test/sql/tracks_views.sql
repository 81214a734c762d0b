-- Views and checks of tracks.
SET client_min_messages = warning;
BEGIN;
SELECT plan(34);
SET LOCAL nurture.clock = '2026-03-02 10:00+00';

INSERT INTO nurture.lead (lead_id, email, audience_type, country, language, is_test, attributes)
    SELECT n, 'lead' || n || '@example.org', 'hcp', 'FR', 'fr', n = 8, CASE n WHEN 1 THEN '{"decision_role": "recommender", "interest_type": ["clinical_evidence"]}' ELSE '{}' END::jsonb FROM generate_series(1, 8) n;
SELECT count(nurture_opt_in(n, 'email', 'test')) AS opted_in FROM generate_series(1, 8) n;
SELECT count(*) AS added FROM (VALUES ('overview', '{"offer:overview","funnel_stage:awareness","depth:1","topic:moa"}'), ('disease', '{"funnel_stage:awareness","depth:1","topic:disease"}'),
    ('choose', '{"offer:preference"}')) v (id, tags), nurture_add_asset(jsonb_build_object('asset_id', id, 'title', id, 'format', 'article', 'message_class', 'promotional', 'channels', '["email"]'::jsonb,
    'markets', '["*"]'::jsonb, 'languages', '["*"]'::jsonb, 'audience_types', '["*"]'::jsonb, 'tags', to_jsonb(tags::text[])));
SELECT count(nurture_set_asset_status(id, 1, 'in_review', 'test')) AS submitted FROM unnest('{overview,disease,choose}'::text[]) id;
SELECT count(nurture_approve('asset', id, 1, 'medical', 'approved', 'test')) AS approved FROM unnest('{overview,disease,choose}'::text[]) id;
CREATE FUNCTION pg_temp.tick(at timestamptz) RETURNS boolean LANGUAGE sql AS
$$ SELECT set_config('nurture.clock', to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), true); SELECT done > 0 FROM nurture_tick(1000, '1 min') WHERE kind = 'enrollment' $$;

-- leads 1 to 4 and the test lead 8 learn; 1 clicks, 2 asks for a demo, 5 and 6 come to a webinar
INSERT INTO nurture.event (lead_id, event_type, tags) SELECT n, 'brochure_downloaded', '{topic:moa}' FROM unnest('{1,2,3,4,8}'::bigint[]) n;
INSERT INTO nurture.event (lead_id, event_type, campaign) SELECT n, 'webinar_registered', 'spring' FROM generate_series(5, 7) n;
SELECT is(pg_temp.tick('2026-03-06 10:00+00'), true, 'the first step');
SELECT count(nurture_ack(t.lead_id, t.message_id, 'sent')) AS sent FROM nurture_take('email', 100, 'test') t;
SELECT nurture_ack(lead_id, message_id, 'clicked') FROM nurture.message WHERE lead_id = 1;
INSERT INTO nurture.event (lead_id, event_type) VALUES (2, 'demo_requested'), (2, 'meeting_booked');
INSERT INTO nurture.event (lead_id, event_type, campaign) SELECT n, 'webinar_attended', 'spring' FROM generate_series(5, 6) n;
INSERT INTO nurture.event (lead_id, event_type) VALUES (5, 'slide_deck_downloaded');

SELECT results_eq($$SELECT entered_by, ended, exit_reason, sum(entered)::int, sum(progressed)::int, sum(messages)::int FROM nurture_bi.track_performance WHERE track = 'education' AND segment = '*' GROUP BY 1, 2, 3 ORDER BY 2, 3$$,
    $$VALUES ('entry:first_interest', 'exited', 'direct_request', 1, 1, 1), ('entry:first_interest', 'exited', 'higher_priority', 2, 2, 2), ('entry:first_interest', 'open', NULL, 4, 4, 4)$$,
    'walks by way in and way out');
SELECT is((SELECT sum(entered) FROM nurture_bi.track_performance WHERE segment = '*' AND decision_role = 'recommender'), 1::numeric, 'by role in the decision');
SELECT results_eq($$SELECT segment, entered, leads, engaged FROM nurture_bi.track_performance WHERE segment = 'wants_evidence'$$, $$VALUES ('wants_evidence', 1::bigint, 1::bigint, 1::bigint)$$, 'by segment');
SELECT is((SELECT sum(entered) FROM nurture_bi.track_performance WHERE segment = '*' AND track = 'event_follow_up'), 2::numeric, 'who came to the webinar walks the track after it');
SELECT results_eq($$SELECT step_no, action, messages, sent, clicked, went_on, waiting FROM nurture_bi.step_performance WHERE track = 'education' AND step_no <= 2 ORDER BY 1$$,
    $$VALUES (1, 'message', 7::bigint, 7::bigint, 1::bigint, 7::bigint, 0::bigint), (2, 'message', 0, 0, 0, 0, 4)$$, 'steps by what they sent and who stands at them');
SELECT is((SELECT count(*) FROM nurture_bi.step_performance WHERE status = 'draft'), 0::bigint, 'drafts do nothing');
SELECT results_eq($$SELECT segment, audience_type, sent, leads, engaged FROM nurture_bi.channel_by_segment WHERE channel = 'email' ORDER BY 1$$,
    $$VALUES ('*', 'hcp', 7::bigint, 7::bigint, 1::bigint), ('wants_evidence', 'hcp', 1, 1, 1)$$, 'channels by segment');
SELECT results_eq($$SELECT month, touches, irrelevant, entered, meetings FROM nurture_bi.nurture_progress$$, $$VALUES ('2026-03-01'::date, 7::bigint, 3::bigint, 7::bigint, 1::bigint)$$,
    'progress: who had shown no interest in the topic got something irrelevant, one met');
SELECT is(pg_temp.tick('2026-04-02 10:00+00'), true, 'four weeks on');
SELECT results_eq($$SELECT touches, irrelevant FROM nurture_bi.nurture_progress WHERE month = '2026-03-01'$$, $$VALUES (7::bigint, 5::bigint)$$, 'what nobody answered within 14 days was irrelevant too');
SELECT results_eq($$SELECT webinar, registered, attended, took_slides, nurtured FROM nurture_bi.webinar$$, $$VALUES ('spring', 3::bigint, 2::bigint, 1::bigint, 3::bigint)$$, 'the webinar');
SELECT is((SELECT count(*) FROM nurture_bi.cold_leads), 0::bigint, 'nobody is cold yet');
SELECT is(pg_temp.tick('2026-06-20 10:00+00'), true, 'a quarter on');
SELECT set_eq($$SELECT lead_id FROM nurture_bi.cold_leads$$, $$SELECT generate_series(1, 7)::bigint$$, 'now they are, the test lead apart');
SELECT results_eq($$SELECT track, track_state, quiet_days, reactivation_score FROM nurture_bi.cold_leads WHERE lead_id = 3$$, $$VALUES ('re_nurture', 'active', 110, 0::numeric)$$, 'approached again');
SELECT is((SELECT count(*) FROM nurture_bi.reactivation WHERE lead_id = 3), 1::bigint, 'and a reactivation');
INSERT INTO nurture.event (lead_id, event_type) VALUES (3, 'clinical_evidence_downloaded');
SELECT results_eq($$SELECT state, exit_reason, reactivation_score, engaged_at IS NOT NULL, went_to FROM nurture_bi.reactivation WHERE lead_id = 3$$,
    $$VALUES ('exited', 'evidence_taken', 10::numeric, true, 'evidence')$$, 'that worked');
SELECT is((SELECT count(*) FROM nurture_bi.cold_leads WHERE lead_id = 3), 0::bigint, 'the lead is not cold any more');
SELECT is((SELECT count(*) FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid WHERE c.relnamespace = 'nurture_bi'::regnamespace AND c.relname IN ('track_performance', 'step_performance', 'channel_by_segment', 'nurture_progress', 'webinar', 'cold_leads', 'reactivation')
    AND a.attnum > 0 AND (col_description(c.oid, a.attnum) IS NULL OR a.attndims > 0)), 0::bigint, 'columns have comments and are no arrays');

-- checks of the configuration
CREATE FUNCTION pg_temp.lint(VARIADIC rules text[]) RETURNS TABLE (rule text, object text) LANGUAGE sql AS
$$ SELECT rule, object FROM nurture_lint() WHERE rule = ANY (rules) ORDER BY 1, 2 $$;
SELECT is_empty($$SELECT * FROM pg_temp.lint('track_unreachable', 'step_unreachable', 'track_without_exit', 'track_endless', 'track_hold_without_end', 'track_many_triggers', 'handoff_threshold', 'segment_empty', 'cadence_unused') WHERE object NOT LIKE '%re_nurture%'$$,
    'the preset has none of these');
INSERT INTO nurture.track (track, title, re_entry, purpose) VALUES ('tv_lost', 'x', 'always', 'marketing'), ('tv_a', 'x', 'always', 'marketing'), ('tv_b', 'x', 'always', 'marketing');
SELECT nurture_draft('track', t) FROM unnest('{tv_lost,tv_a,tv_b}'::text[]) t;
INSERT INTO nurture.segment (segment, title, condition) VALUES ('tv_none', 'x', '{"fact": "country", "op": "=", "value": "XX"}');
INSERT INTO nurture.track_step (track, version, step_no, action, target, wait, on_none, condition) VALUES
    ('tv_lost', 1, 1, 'message', NULL, '1 day', 'hold', NULL), ('tv_a', 1, 1, 'wait', NULL, '1 day', 'hold', NULL), ('tv_a', 1, 2, 'wait', NULL, '1 day', 'hold', NULL),
    ('tv_a', 1, 3, 'handoff', NULL, '0', 'skip', '{"score": {"dimension": "intent", "at_least": 33}}'), ('tv_b', 1, 1, 'wait', NULL, '1 day', 'hold', NULL);
INSERT INTO nurture.track_entry (track, version, entry, condition, from_step, segment) VALUES ('tv_a', 1, 'e', '{"signal": "video_watched"}', 2, 'tv_none');
INSERT INTO nurture.track_branch (track, version, branch, condition, to_track, to_step) VALUES ('tv_a', 1, 'b', '{"signal": "page_viewed"}', 'tv_b', NULL), ('tv_b', 1, 'a', '{"signal": "page_viewed"}', 'tv_a', 2);
SELECT count(nurture_publish('track', t, 1, 'test')) AS published FROM unnest('{tv_lost,tv_a,tv_b}'::text[]) t;
INSERT INTO nurture.cadence (track, level, factor) VALUES ('tv_gone', 'warm', 1);
SELECT results_eq($$SELECT * FROM pg_temp.lint('track_unreachable')$$, $$VALUES ('track_unreachable', 'track:tv_lost')$$, 'a track that nothing leads to');
SELECT results_eq($$SELECT * FROM pg_temp.lint('step_unreachable')$$, $$VALUES ('step_unreachable', 'track:tv_a:1')$$, 'a step before every way in');
SELECT results_eq($$SELECT * FROM pg_temp.lint('track_endless')$$, $$VALUES ('track_endless', 'track:tv_a'), ('track_endless', 'track:tv_b')$$, 'two that lead into each other without end');
SELECT results_eq($$SELECT * FROM pg_temp.lint('track_without_exit')$$, $$VALUES ('track_without_exit', 'track:tv_lost')$$, 'one that only its last step ends');
SELECT results_eq($$SELECT * FROM pg_temp.lint('track_hold_without_end')$$, $$VALUES ('track_hold_without_end', 'track:tv_lost:1')$$, 'one that may wait for ever');
SELECT results_eq($$SELECT * FROM pg_temp.lint('handoff_threshold')$$, $$VALUES ('handoff_threshold', 'track:tv_a:step 3')$$, 'a threshold of its own');
SELECT results_eq($$SELECT * FROM pg_temp.lint('segment_empty')$$, $$VALUES ('segment_empty', 'segment:tv_none')$$, 'a segment nobody is in');
SELECT results_eq($$SELECT * FROM pg_temp.lint('cadence_unused')$$, $$VALUES ('cadence_unused', 'cadence:tv_gone:*:*:warm')$$, 'a cadence of a track that is not there');
SELECT nurture_draft('track', 'tv_b', 1) AS draft \gset
INSERT INTO nurture.track_branch (track, version, branch, condition) SELECT 'tv_b', 2, 'x' || n, '{"signal": "page_viewed"}' FROM generate_series(1, 12) n;
SELECT nurture_publish('track', 'tv_b', 2, 'test') IS NOT NULL AS published;
SELECT results_eq($$SELECT * FROM pg_temp.lint('track_many_triggers')$$, $$VALUES ('track_many_triggers', 'track:tv_b')$$, 'one that too many things move');
SELECT is((SELECT count(*) FROM nurture_lint() WHERE remedy IS NULL OR finding IS NULL), 0::bigint, 'each finding has its remedy');

-- jobs
SELECT results_eq($$SELECT job, state FROM nurture_schedule() WHERE job = 'nurture_run'$$, $$VALUES ('nurture_run', 'by_hand')$$, 'without pg_cron the jobs are told');
SELECT is((SELECT count(*) FROM nurture_schedule() WHERE command !~ '^(SELECT|CALL) .*nurture_'), 0::bigint, 'as commands');
CREATE ROLE nurture_test_reader;
SET LOCAL ROLE nurture_test_reader;
SELECT throws_ok($$SELECT * FROM nurture_schedule()$$, '42501', 'must be the owner of schema nurture to schedule its jobs', 'to the owner alone');
RESET ROLE;

SELECT * FROM finish();
ROLLBACK;
