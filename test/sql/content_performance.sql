-- What assets achieved: sent, opened, clicked, progressed, converted.
SET client_min_messages = warning;
BEGIN;
SELECT plan(9);
SET LOCAL nurture.clock = '2026-03-02 10:00+00';
INSERT INTO nurture.lead (lead_id, email, audience_type, country, language, time_zone)
    SELECT n, 'lead' || n || '@example.org', 'hcp', 'FR', 'fr', 'Europe/Paris' FROM generate_series(1, 12) n;
SELECT count(nurture_opt_in(n, 'email', 'test')) AS opted_in FROM generate_series(1, 12) n;
SELECT count(nurture_consent(n, 'given', 'email', 'events', source => 'test')) AS for_events FROM generate_series(1, 12) n;
SELECT count(*) AS added FROM (VALUES ('brief', '["topic:moa", "topic:safety"]', 'marketing'), ('plain', '[]', 'marketing'), ('seminar', '["topic:moa"]', 'events'), ('unused', '["topic:dosing"]', 'marketing'), ('draft', '["topic:moa"]', 'marketing')) v (id, tags, purpose),
    nurture_add_asset(jsonb_build_object('asset_id', id, 'title', id, 'format', 'article', 'purpose', purpose, 'message_class', 'promotional', 'channels', '["email"]'::jsonb, 'markets', '["*"]'::jsonb, 'languages', '["*"]'::jsonb, 'audience_types', '["*"]'::jsonb, 'tags', tags::jsonb));
SELECT count(nurture_set_asset_status(id, 1, 'in_review', 'test')) AS submitted, count(nurture_approve('asset', id, 1, 'medical', 'approved', 'test')) AS approved FROM unnest('{brief,plain,seminar,unused}'::text[]) id;
INSERT INTO nurture.track (track, title, goal_signal) VALUES ('cp', 'A track', 'webinar_registered');
SELECT nurture_draft('track', 'cp') AS draft;
INSERT INTO nurture.track_step (track, version, step_no, family, wait) VALUES ('cp', 1, 1, 'brief', '0'), ('cp', 1, 2, NULL, '100 days');
SELECT nurture_publish('track', 'cp', 1, 'test') AS published;

-- leads 1 to 8 on the track, 9 and 10 by hand; 10 becomes a test lead; 11 and 12 get the seminar
SELECT count(nurture_enroll(n, 'cp', 'test')) AS enrolled FROM generate_series(1, 8) n;
SELECT done FROM nurture_tick(200, '1 min') WHERE kind = 'enrollment';
INSERT INTO nurture.message (lead_id, channel, asset_id) VALUES (9, 'email', 'brief'), (10, 'email', 'brief'), (11, 'email', 'seminar'), (12, 'email', 'seminar');
SELECT count(nurture_ack(lead_id, message_id, CASE WHEN lead_id <= 2 THEN 'opened' WHEN lead_id <= 5 THEN 'clicked' WHEN lead_id = 6 THEN 'unsubscribed' WHEN lead_id = 7 THEN 'hard_bounce' WHEN lead_id = 8 THEN 'sent' ELSE 'delivered' END)) AS acknowledged
FROM nurture_take('email', 11, 'test') WHERE lead_id < 12;
UPDATE nurture.lead SET is_test = true WHERE lead_id = 10;
SET LOCAL nurture.clock = '2026-03-05 10:00+00';
-- the goal of the track, an outcome for somebody who was written to by hand, and an outcome too late
INSERT INTO nurture.event (lead_id, event_type) VALUES (3, 'webinar_registered'), (10, 'demo_attended');
INSERT INTO nurture.event (lead_id, event_type, asset_id, version) VALUES (1, 'white_paper_downloaded', 'brief', 1), (1, 'white_paper_downloaded', 'brief', 1), (4, 'page_viewed', 'brief', 1), (10, 'page_viewed', 'brief', 1);
INSERT INTO nurture.event (lead_id, event_type) VALUES (9, 'rfp_submitted'), (9, 'demo_attended'), (8, 'lost');
INSERT INTO nurture.stage_history (lead_id, history_no, product, old_stage, new_stage, at)
    SELECT v.lead_id, 1 + coalesce((SELECT max(history_no) FROM nurture.stage_history h WHERE h.lead_id = v.lead_id), 0), '*', v.old_stage, v.new_stage, v.at
    FROM (VALUES (8, 'sql', 'recycled', '2026-03-04 10:00+00'::timestamptz), (2, 'new', 'engaged', '2026-05-04 10:00+00')) v (lead_id, old_stage, new_stage, at);
SET LOCAL nurture.clock = '2026-05-05 10:00+00';
INSERT INTO nurture.event (lead_id, event_type) VALUES (5, 'demo_attended');

SELECT results_eq($$SELECT topic, purpose, sent, delivered, opened, clicked, bounced, unsubscribed, complained, leads FROM nurture_bi.content_performance WHERE asset_id = 'brief' ORDER BY topic$$,
    $$VALUES ('moa'::text, 'marketing'::text, 9::bigint, 7::bigint, 5::bigint, 3::bigint, 1::bigint, 1::bigint, 0::bigint, 9::bigint), ('safety', 'marketing', 9, 7, 5, 3, 1, 1, 0, 9)$$, 'what became of messages, for each topic; test leads apart');
SELECT is((SELECT DISTINCT converted FROM nurture_bi.content_performance WHERE asset_id = 'brief'), 2::bigint, 'the goal of the track, or an outcome that is no loss, in time');
SELECT is((SELECT DISTINCT taken_leads FROM nurture_bi.content_performance WHERE asset_id = 'brief'), 2::bigint, 'leads that took it themselves');
SELECT is((SELECT DISTINCT progressed FROM nurture_bi.content_performance WHERE asset_id = 'brief'), (SELECT count(DISTINCT h.lead_id) FROM nurture.stage_history h JOIN nurture.stage o ON o.stage = old_stage AND o.audience_type = '*' JOIN nurture.stage n ON n.stage = new_stage AND n.audience_type = '*'
    WHERE lead_id <= 9 AND at BETWEEN '2026-03-02 10:00+00' AND '2026-04-01 10:00+00' AND n.stage_no > o.stage_no), 'leads that came further, in time; to be recycled is not further');
SELECT results_eq($$SELECT topic, purpose, sent, converted FROM nurture_bi.content_performance WHERE asset_id = 'seminar'$$, $$VALUES ('moa'::text, 'events'::text, 1::bigint, 0::bigint)$$, 'by purpose; what was not acknowledged was not sent');
SELECT results_eq($$SELECT asset_id, topic, sent, click_share, leads FROM nurture_bi.content_performance WHERE asset_id IN ('plain', 'unused', 'draft') ORDER BY 1$$,
    $$VALUES ('plain'::text, NULL::text, 0::bigint, NULL::double precision, 0::bigint), ('unused', 'dosing', 0, NULL, 0)$$, 'what was never sent is there, without a topic too; drafts are not');
SELECT is((SELECT DISTINCT round(click_share::numeric, 4) || ' ' || round(click_share_low::numeric, 4) FROM nurture_bi.content_performance WHERE asset_id = 'brief'), '0.3333 0.1206', 'three of nine, and what is sure of it');
SELECT is((SELECT DISTINCT round(conversion_low::numeric, 4) || ' ' || round(conversion::numeric, 4) || ' ' || round(conversion_high::numeric, 4) FROM nurture_bi.content_performance WHERE asset_id = 'brief'), '0.0632 0.2222 0.5474', 'conversion with its interval');
SELECT nurture_set_asset_status('brief', 1, 'withdrawn', 'test') IS NOT NULL AS withdrawn;
SELECT results_eq($$SELECT DISTINCT status, sent FROM nurture_bi.content_performance WHERE asset_id = 'brief'$$, $$VALUES ('withdrawn'::text, 9::bigint)$$, 'and stays when it is withdrawn');

SELECT * FROM finish();
ROLLBACK;
