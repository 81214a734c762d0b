-- What another ranking would have earned: by hand-made figures, and refused
-- where nothing was drawn. Its coverage is tested in test/unit/trial_test.c.
SET client_min_messages = warning;
BEGIN;
SELECT plan(23);
SET LOCAL nurture.clock = '2026-03-02 10:00+00';
INSERT INTO nurture.lead (lead_id, email, audience_type, country, language, time_zone)
    SELECT n, 'lead' || n || '@example.org', CASE WHEN n % 2 = 0 THEN 'hcp' ELSE 'payer' END, 'FR', 'fr', 'Europe/Paris' FROM generate_series(1, 60) n;
SELECT count(nurture_opt_in(n, 'email', 'test')) AS opted_in FROM generate_series(1, 60) n;
SELECT count(*) AS added FROM (VALUES ('sv_a', 5), ('sv_b', 0), ('sv_c', 0)) v (id, priority),
    nurture_add_asset(jsonb_build_object('asset_id', id, 'title', id, 'format', 'article', 'priority', priority, 'message_class', 'promotional', 'channels', '["email"]'::jsonb, 'markets', '["*"]'::jsonb, 'languages', '["*"]'::jsonb, 'audience_types', '["*"]'::jsonb, 'tags', '["topic:moa"]'::jsonb));
SELECT count(nurture_set_asset_status(id, 1, 'in_review', 'test')) AS submitted, count(nurture_approve('asset', id, 1, 'medical', 'approved', 'test')) AS approved FROM unnest('{sv_a,sv_b,sv_c}'::text[]) id;
INSERT INTO nurture.track (track, title) VALUES ('sv', 'A track');
SELECT nurture_draft('track', 'sv') AS draft;
INSERT INTO nurture.track_step (track, version, step_no, required_tags, wait) VALUES ('sv', 1, 1, '{topic:moa}', '0'), ('sv', 1, 2, '{topic:safety}', '100 days');
SELECT nurture_publish('track', 'sv', 1, 'test') AS published;

SELECT throws_ok($$SELECT nurture_selection_value('demo_requested')$$, 'NU007', 'no random choice of assets was logged', 'nothing was drawn');
INSERT INTO nurture.experiment (experiment, variable, hypothesis, track, success_signal, ends_at, salt) VALUES ('sv', 'subject', 'b is better', 'sv', 'demo_requested', '2026-03-20 00:00+00', 'sv-of-sv');
INSERT INTO nurture.experiment_arm (experiment, arm, share, family) VALUES ('sv', 'a', 0.6, 'sv_a'), ('sv', 'b', 0.4, 'sv_b');
SELECT nurture_publish('experiment', 'sv', 1, 'test') AS experiment;
SELECT count(nurture_enroll(n, 'sv', 'test')) AS enrolled FROM generate_series(1, 60) n;
SET LOCAL nurture.clock = '2026-03-02 10:01+00';
SELECT done FROM nurture_tick(200, '1 min') WHERE kind = 'enrollment';
SELECT results_eq($$SELECT arm, asset_id, propensity FROM nurture.message GROUP BY 1, 2, 3 ORDER BY 1$$, $$VALUES ('a'::text, 'sv_a'::text, 0.6), ('b', 'sv_b', 0.4)$$, 'the probability of each asset is logged');
SELECT throws_ok($$SELECT nurture_selection_value('demo_requested')$$, 'NU007', 'no random choice of assets was logged', 'what has not been sent tells nothing');
SELECT count(nurture_ack(lead_id, message_id, 'sent')) AS sent FROM nurture_take('email', 100, 'test');
SET LOCAL nurture.clock = '2026-03-04 10:00+00';
-- half of arm a and all but every fifth of arm b; one of them too late for 5 days
INSERT INTO nurture.event (lead_id, event_type) SELECT lead_id, 'demo_requested' FROM nurture.message WHERE CASE arm WHEN 'a' THEN lead_id % 4 < 2 ELSE lead_id % 5 > 0 END;
SELECT throws_ok($$SELECT nurture_selection_value('demo_requested', within => '5 days')$$, 'NU007', NULL, 'nor does what still has time');
SET LOCAL nurture.clock = '2026-03-10 10:00+00';
UPDATE nurture.lead SET is_test = true WHERE lead_id = 60;
INSERT INTO nurture.lead (lead_id, email, audience_type, country, language) VALUES (62, 'lead62@example.org', 'hcp', 'FR', 'fr');
SELECT nurture_opt_in(62, 'email', 'test') > 0 AS opted_in;
CREATE TEMP TABLE log AS SELECT lead_id, arm, propensity::double precision AS p,
    (EXISTS (SELECT FROM nurture.event e WHERE e.lead_id = m.lead_id AND e.event_type = 'demo_requested'))::int AS r FROM nurture.message m WHERE lead_id < 60;

-- the ranking in force prefers a, by its priority
SELECT results_eq($$SELECT signal, leads, agreed, clipped, round(value::numeric, 9), round(support::numeric, 9), round(effective::numeric, 6), round(logged::numeric, 9) FROM nurture_selection_value('demo_requested', within => '5 days')$$,
    $$SELECT 'demo_requested'::text, count(*), count(*) FILTER (WHERE arm = 'a'), 0::bigint, round((sum(r / p) FILTER (WHERE arm = 'a') / count(*))::numeric, 9), round((sum(1 / p) FILTER (WHERE arm = 'a') / count(*))::numeric, 9),
        round((count(*) FILTER (WHERE arm = 'a'))::numeric, 6), round(avg(r), 9) FROM log$$, 'the value of the ranking in force; test leads apart');
SELECT results_eq($$SELECT round(low::numeric, 9), round(high::numeric, 9) FROM nurture_selection_value('demo_requested', within => '5 days')$$,
    $$SELECT round(greatest(0, avg(w * r) - 1.959963984540054 * stddev_samp(w * r) / sqrt(count(*)))::numeric, 9), round(least(1, 1 - avg(w * (1 - r)) + 1.959963984540054 * stddev_samp(w * (1 - r)) / sqrt(count(*)))::numeric, 9)
      FROM (SELECT r::double precision, CASE WHEN arm = 'a' THEN 1 / p ELSE 0 END AS w FROM log) x$$, 'and its interval');
SELECT results_eq($$SELECT round(logged_low::numeric, 9), round(logged_high::numeric, 9) FROM nurture_selection_value('demo_requested', within => '5 days')$$,
    $$SELECT round(low::numeric, 9), round(high::numeric, 9) FROM (SELECT sum(r) AS k, count(*) AS n FROM log) x, nurture_share_interval(x.k, x.n)$$, 'beside what was earned');
SELECT results_eq($$SELECT clipped > 0, support < 1 FROM nurture_selection_value('demo_requested', within => '5 days', clip => 1.5)$$, $$VALUES (true, true)$$, 'weights are cut, and that is told');

-- a draft is judged before it is switched on
SELECT nurture_draft('selection', 'default', 1) AS draft \gset
INSERT INTO nurture.selection_weight (selection, version, term, subject, value, weight) VALUES ('default', :draft, 'performance', 'sv_b', 'hcp', 50);
SELECT results_eq(format($$SELECT version, agreed, round(value::numeric, 9) FROM nurture_selection_value('demo_requested', %s, within => '5 days')$$, :draft),
    format($$SELECT %s, count(*) FILTER (WHERE good), round((sum(r / p) FILTER (WHERE good) / count(*))::numeric, 9) FROM (SELECT *, arm = CASE WHEN lead_id %% 2 = 0 THEN 'b' ELSE 'a' END AS good FROM log) x$$, :draft),
    'b for one audience, a for the other');
INSERT INTO nurture.selection_weight (selection, version, term, subject, value, weight) VALUES ('default', :draft, 'performance', 'sv_c', '*', 500);
SELECT results_eq(format($$SELECT agreed, value, support, low, high FROM nurture_selection_value('demo_requested', %s, within => '5 days')$$, :draft), $$VALUES (0::bigint, 0::double precision, 0::double precision, 0::double precision, 1::double precision)$$,
    'of what was never sent the log knows nothing, and says so');
SELECT is((SELECT asset_id FROM nurture_next_asset(62)), 'sv_a', 'no draft is in force');
SELECT is((SELECT terms -> 'performance' FROM nurture_candidates(62, 1, selection_version => :draft)), '500', 'its ranking can be asked');

-- what assets achieved, as weights of a draft: by the lower end of the interval
SELECT is(nurture_draft_performance(:draft, 'demo_requested', '5 days', 100), 4::bigint, 'assets x audiences');
SELECT results_eq(format($$SELECT subject, value, weight FROM nurture.selection_weight WHERE version = %s AND term = 'performance' ORDER BY 1, 2$$, :draft),
    $$SELECT 'sv_' || arm, audience, floor(100 * low)::int FROM (SELECT arm, CASE WHEN lead_id % 2 = 0 THEN 'hcp' ELSE 'payer' END AS audience, sum(r) AS k, count(*) AS n FROM log GROUP BY 1, 2) x, nurture_share_interval(x.k, x.n) ORDER BY 1, 2$$, 'so many points each');
SELECT is(nurture_draft_performance(:draft, 'demo_requested', '5 days', 100), 4::bigint, 'again, in place of those before');
SELECT is(nurture_publish('selection', 'default', :draft, 'what worked goes first') LIKE 'selection default: version % published%', true, 'published, they count');
SELECT is((SELECT (terms ->> 'performance')::int > 0 FROM nurture_candidates(62, 1)), true, 'in the rank');
SELECT throws_ok(format($$SELECT nurture_draft_performance(%s, 'demo_requested', '5 days', 100)$$, :draft), 'NU006', NULL, 'and stay');

-- bad input
SELECT throws_ok($$SELECT nurture_selection_value('demo_requestd')$$, 'NU003', NULL, 'an unknown outcome');
SELECT throws_ok($$SELECT nurture_selection_value('demo_requested', 99)$$, 'NU003', 'there is no version 99 of selection "default" with weights', 'an unknown version');
SELECT throws_ok($$SELECT nurture_selection_value('demo_requested', clip => 0.5)$$, '22023', 'weights cannot be cut at 0.5', 'a clip below 1');
SELECT throws_ok($$SELECT nurture_selection_value('demo_requested', within => '-1 day')$$, '22023', 'an outcome needs time to come', 'no time');
SELECT throws_ok($$SELECT nurture_selection_value('demo_requested', confidence => 'NaN')$$, '22023', NULL, 'a confidence that is none');

SELECT * FROM finish();
ROLLBACK;
