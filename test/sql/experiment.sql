-- Experiments: what is refused, who is in which arm, what an arm changes, and
-- what came of it.
SET client_min_messages = warning;
BEGIN;
SELECT plan(65);
SET LOCAL nurture.clock = '2026-03-02 10:00+00';

INSERT INTO nurture.lead (lead_id, email, audience_type, country, language, time_zone)
    SELECT n, 'lead' || n || '@example.org', CASE WHEN n <= 61 THEN 'hcp' ELSE 'payer' END, 'FR', 'fr', 'Europe/Paris' FROM generate_series(1, 70) n;
SELECT count(nurture_opt_in(n, 'email', 'test')) AS opted_in FROM generate_series(1, 70) n;
CREATE TEMP TABLE library AS SELECT * FROM (VALUES
    ('plain_line', 'moa_line', 'article', 'promotional', '{topic:moa,depth:1,offer:overview}'),
    ('question_line', 'moa_question', 'article', 'promotional', '{topic:moa,depth:1,offer:overview}'),
    ('film', 'moa_film', 'video', 'promotional', '{topic:moa,depth:1,offer:overview}'),
    ('later_step', 'later_step', 'article', 'promotional', '{topic:efficacy,depth:1,offer:qa}'),
    ('third_step', 'third_step', 'article', 'promotional', '{topic:safety,depth:1,offer:qa}'),
    ('invoice', 'invoice', 'article', 'operational', '{}')
) AS v (id, family, format, class, tags);
SELECT count(*) AS added FROM library, nurture_add_asset(jsonb_build_object('asset_id', id, 'family', family, 'title', id, 'format', format, 'message_class', class, 'channels', '["email"]'::jsonb,
    'markets', '["*"]'::jsonb, 'languages', '["*"]'::jsonb, 'audience_types', '["*"]'::jsonb, 'tags', to_jsonb(tags::text[])));
SELECT count(nurture_set_asset_status(id, 1, 'in_review', 'test')) AS submitted FROM library;
SELECT count(nurture_approve('asset', id, 1, 'medical', 'approved', 'test')) AS approved FROM library;
INSERT INTO nurture.track (track, title) VALUES ('trial', 'A track for experiments'), ('service', 'One of service messages');
SELECT nurture_draft('track', 'trial') AS trial, nurture_draft('track', 'service') AS service;
INSERT INTO nurture.track_step (track, version, step_no, family, required_tags, wait) VALUES
    ('trial', 1, 1, NULL, '{topic:moa}', '0'), ('trial', 1, 2, 'later_step', NULL, '10 days'), ('trial', 1, 3, 'third_step', NULL, '10 days'), ('service', 1, 1, 'invoice', NULL, '0');
SELECT nurture_publish('track', 'trial', 1, 'test') AS trial, nurture_publish('track', 'service', 1, 'test') AS service;
CREATE FUNCTION pg_temp.tick() RETURNS text LANGUAGE sql AS
$$ SELECT done || ' done, ' || "left" || ' left' FROM nurture_tick(200, '1 min') WHERE kind = 'enrollment' $$;

-- what is refused, by name
INSERT INTO nurture.experiment (experiment, variable, hypothesis, track, condition, success_signal, success_within, min_leads, ends_at, salt)
    VALUES ('line', 'subject', 'a question is clicked more often', 'trial', '{"fact": "audience_type", "op": "=", "value": "hcp"}', 'demo_requested', '7 days', 20, '2026-03-20 00:00+00', 'pepper-1');
CREATE FUNCTION pg_temp.refused(message text, description text) RETURNS text LANGUAGE sql AS
$$ SELECT throws_ok($q$SELECT nurture_publish('experiment', 'line', 1, 'test')$q$, 'NU010', 'version 1 of experiment "line": ' || message, description) $$;
SELECT pg_temp.refused('it needs two arms at least', 'without arms');
INSERT INTO nurture.experiment_arm (experiment, arm, share, family) VALUES ('line', 'control', 0.5, NULL), ('line', 'question', 0.4, 'moa_question');
SELECT pg_temp.refused('shares sum to 0.9, not to 1', 'shares that do not sum to 1');
UPDATE nurture.experiment_arm SET share = CASE arm WHEN 'control' THEN 1 ELSE 0 END WHERE experiment = 'line';
SELECT pg_temp.refused('arm "question" has no share', 'an arm that nobody would be in');
UPDATE nurture.experiment_arm SET share = 0.5 WHERE experiment = 'line';
UPDATE nurture.experiment SET starts_at = '2026-04-01 00:00+00' WHERE experiment = 'line';
SELECT pg_temp.refused('it ends before it starts', 'an end before the start');
UPDATE nurture.experiment SET starts_at = NULL, ends_at = '2026-03-01 00:00+00' WHERE experiment = 'line';
SELECT pg_temp.refused('it has ended already', 'an end in the past');
UPDATE nurture.experiment SET ends_at = '2026-03-20 00:00+00', success_signal = 'demo_requestd' WHERE experiment = 'line';
SELECT pg_temp.refused('unknown signal "demo_requestd"', 'an unknown signal');
UPDATE nurture.experiment SET success_signal = 'demo_requested', track = 'trail' WHERE experiment = 'line';
SELECT pg_temp.refused('unknown track "trail"', 'an unknown track');
UPDATE nurture.experiment SET track = 'trial' WHERE experiment = 'line';
UPDATE nurture.experiment_arm SET format = 'video' WHERE experiment = 'line' AND arm = 'question';
SELECT pg_temp.refused('arm "question" changes format, but the variable is subject', 'an arm that changes something else');
UPDATE nurture.experiment_arm SET format = NULL, preferred_tags = '{topic:safety}' WHERE experiment = 'line' AND arm = 'question';
SELECT pg_temp.refused('arm "question" changes tags of topic, but the variable is subject', 'by its tags as well');
UPDATE nurture.experiment_arm SET preferred_tags = NULL, family = 'moa_quesion' WHERE experiment = 'line' AND arm = 'question';
SELECT pg_temp.refused('arm "question": no asset is of family "moa_quesion"', 'a family without assets');
UPDATE nurture.experiment_arm SET family = NULL WHERE experiment = 'line' AND arm = 'question';
SELECT pg_temp.refused('arms "control" and "question" do the same', 'arms that do not differ');
UPDATE nurture.experiment_arm SET family = CASE arm WHEN 'control' THEN 'moa_line' ELSE 'moa_film' END WHERE experiment = 'line';
SELECT results_eq($$SELECT finding, severity FROM nurture_check_version('experiment', 'line', 1)$$,
    $$VALUES ('assets of arms "control" and "question" differ in format too, not only in subject'::text, 'warning'::text)$$, 'assets that differ in more than the variable are told of');
UPDATE nurture.experiment_arm SET family = CASE arm WHEN 'control' THEN 'moa_line' ELSE 'moa_question' END WHERE experiment = 'line';
SELECT throws_ok($$INSERT INTO nurture.experiment (experiment, variable, hypothesis, success_signal, ends_at, salt, condition)
    VALUES ('odd', 'cta', 'x', 'demo_requested', '2027-01-01', 's-------', '{"fact": "audience_typ", "op": "=", "value": "hcp"}')$$, 'NU005', NULL, 'a condition that means nothing');
SELECT throws_ok($$INSERT INTO nurture.experiment_arm (experiment, arm, share) VALUES ('line', 'more', 1.2)$$, '23514', NULL, 'a share is no more than 1');
SELECT throws_ok($$INSERT INTO nurture.experiment_arm (experiment, arm, share) VALUES ('lines', 'more', 0.2)$$, '23503', NULL, 'an arm belongs to an experiment');
SELECT throws_ok($$SELECT nurture_draft('experiment', 'lines')$$, 'NU003', 'unknown experiment "lines"', 'a draft is of something');
SELECT throws_ok($$SELECT nurture_experiment_arm(1, 'lines')$$, 'NU003', 'unknown experiment "lines"', 'so is a lot');
SELECT throws_ok($$SELECT nurture_experiment_arm(1, 'line', 7)$$, 'NU003', 'there is no version 7 of experiment "line"', 'and of a version that is there');

-- published, it stays as it is, and is on record
SELECT is(nurture_publish('experiment', 'line', 1, 'agreed with the brand team'), 'experiment line: version 1 published', 'a sound draft is published');
SELECT throws_ok($$UPDATE nurture.experiment SET hypothesis = 'what came out' WHERE experiment = 'line'$$, 'NU006', 'version 1 of "line" is published and cannot be changed', 'the hypothesis stays');
SELECT throws_ok($$UPDATE nurture.experiment_arm SET share = 0.9 WHERE experiment = 'line'$$, 'NU006', 'version 1 of "line" is published and cannot be changed', 'so do the arms');
SELECT throws_ok($$DELETE FROM nurture.experiment WHERE experiment = 'line'$$, 'NU006', NULL, 'and it is not removed');
SELECT results_eq($$SELECT object, outcome, reason FROM nurture.audit WHERE kind = 'publish' AND object LIKE 'experiment%'$$,
    $$VALUES ('experiment:line:1'::text, 'published'::text, 'agreed with the brand team'::text)$$, 'the audit trail has it');
SELECT is((SELECT count(*) FROM nurture.change_log WHERE table_name = 'experiment' AND operation = 'UPDATE' AND new_row ->> 'status' = 'published'), 1::bigint, 'the change log too');

-- one that would vary the same for the same leads; for others it may
INSERT INTO nurture.experiment (experiment, variable, hypothesis, condition, success_signal, ends_at, salt)
    VALUES ('line_two', 'subject', 'x', '{"fact": "country", "op": "=", "value": "FR"}', 'demo_requested', '2026-06-01 00:00+00', 'salt-one');
INSERT INTO nurture.experiment_arm (experiment, arm, share, family) VALUES ('line_two', 'a', 0.5, 'moa_line'), ('line_two', 'b', 0.5, 'moa_question');
SELECT throws_ok($$SELECT nurture_publish('experiment', 'line_two', 1, 'test')$$, 'NU010', 'version 1 of experiment "line_two": leads may be in experiment "line" at the same time, which varies subject as well', 'two of one variable that overlap');
UPDATE nurture.experiment SET condition = '{"fact": "audience_type", "op": "=", "value": "payer"}' WHERE experiment = 'line_two';
SELECT is_empty($$SELECT * FROM nurture_check_version('experiment', 'line_two', 1)$$, 'no lead is in both segments');
UPDATE nurture.experiment SET condition = NULL, starts_at = '2026-03-20 00:00+00' WHERE experiment = 'line_two';
SELECT is_empty($$SELECT * FROM nurture_check_version('experiment', 'line_two', 1)$$, 'nor at the same time');
UPDATE nurture.experiment SET starts_at = NULL, track = 'service' WHERE experiment = 'line_two';
SELECT is_empty($$SELECT * FROM nurture_check_version('experiment', 'line_two', 1)$$, 'nor on the same track');

-- lots: those of the formula, and nobody else's
CREATE TEMP TABLE lot AS SELECT lead_id, nurture_experiment_arm(lead_id, 'line') AS arm FROM nurture.lead;
SELECT is((SELECT count(*) FROM lot WHERE arm <> CASE WHEN ('x' || substr(encode(sha256(convert_to('pepper-1:line:' || lead_id, 'UTF8')), 'hex'), 1, 15))::bit(60)::bigint % 1000000 < 500000 THEN 'control' ELSE 'question' END),
    0::bigint, 'the arm is what the documented formula says');
SELECT is((SELECT string_agg(left(arm, 1), '' ORDER BY lead_id) FROM lot WHERE lead_id <= 20), 'qcqcqqqcccqccqqqqcqq', 'the same in every session and on every server');

-- the tick sends what the arm says
SELECT count(nurture_enroll(n, 'trial', 'test')) AS enrolled FROM generate_series(1, 63) n;
SELECT is(pg_temp.tick(), '63 done, 0 left', 'everybody gets the first step');
SELECT is_empty($$SELECT lead_id, m.arm, l.arm FROM nurture.message m JOIN lot l USING (lead_id) WHERE lead_id <= 61 AND (m.experiment, m.arm) IS DISTINCT FROM ('line', l.arm)$$, 'messages carry experiment and arm');
SELECT results_eq($$SELECT arm, asset_id, propensity FROM nurture.message WHERE experiment = 'line' GROUP BY 1, 2, 3 ORDER BY 1$$,
    $$VALUES ('control'::text, 'plain_line'::text, 0.5), ('question', 'question_line', 0.5)$$, 'each arm its own asset, with the probability of the lot');
SELECT results_eq($$SELECT DISTINCT experiment, arm, propensity FROM nurture.message WHERE lead_id IN (62, 63)$$, $$VALUES (NULL::text, NULL::text, NULL::numeric)$$, 'who is not in the segment is in no arm');
SELECT results_eq($$SELECT DISTINCT versions ->> 'experiment', versions ->> 'experiment_version', versions ->> 'arm' FROM nurture.audit WHERE kind = 'step' AND lead_ref <= 61 ORDER BY 3$$,
    $$VALUES ('line'::text, '1'::text, 'control'::text), ('line', '1', 'question')$$, 'the record of the step names them');

-- what came of it: all of one arm ask for a demo, none of the other
SELECT count(nurture_ack(lead_id, message_id, 'sent')) AS sent FROM nurture_take('email', 100, 'test');
UPDATE nurture.lead SET is_test = true WHERE lead_id = 61;
SET LOCAL nurture.clock = '2026-03-05 10:00+00';
INSERT INTO nurture.event (lead_id, event_type) SELECT lead_id, 'demo_requested' FROM lot WHERE arm = 'question' AND lead_id <= 61;
INSERT INTO nurture.event (lead_id, event_type) SELECT lead_id, 'page_viewed' FROM lot WHERE arm = 'control' AND lead_id <= 61;
SET LOCAL nurture.clock = '2026-03-10 10:00+00';
INSERT INTO nurture.event (lead_id, event_type) SELECT lead_id, 'demo_requested' FROM lot WHERE arm = 'control' AND lead_id <= 10;
SELECT results_eq($$SELECT arm, is_reference, leads, converted, messages, conversion, status, verdict, one_variable, violation FROM nurture_bi.experiment WHERE experiment = 'line' ORDER BY arm$$,
    $$SELECT arm, arm = 'control', count(*), count(*) FILTER (WHERE arm = 'question'), count(*), CASE arm WHEN 'question' THEN 1.0 ELSE 0 END::double precision, 'running'::text, 'not ended'::text, true, NULL::text FROM lot WHERE lead_id <= 60 GROUP BY arm ORDER BY arm$$,
    'leads and conversions of each arm, in time only and without test leads; no verdict before the end');
SAVEPOINT another;
INSERT INTO nurture.message (lead_id, channel, asset_id, experiment, arm) VALUES (64, 'email', 'film', 'line', 'question');
SELECT count(nurture_ack(lead_id, message_id, 'sent')) AS sent FROM nurture_take('email', 100, 'test');
SELECT results_eq($$SELECT DISTINCT one_variable, violation FROM nurture_bi.experiment WHERE experiment = 'line'$$, $$VALUES (false, 'assets of the arms differ in format'::text)$$, 'assets that differ in more than the variable are told of');
ROLLBACK TO another;
SET LOCAL nurture.clock = '2026-03-21 10:00+00';
SELECT is((SELECT status || ', ' || verdict FROM nurture_bi.experiment WHERE experiment = 'line' AND arm = 'question'), 'ended, not ended', 'nor before the last lead had its time');
SET LOCAL nurture.clock = '2026-03-28 10:00+00';
SELECT results_eq($$SELECT arm, verdict FROM nurture_bi.experiment WHERE experiment = 'line' ORDER BY arm$$, $$VALUES ('control'::text, 'reference'::text), ('question', 'better')$$, 'then there is one');
SELECT results_eq($$SELECT arm, round(conversion_low::numeric, 10), round(conversion_high::numeric, 10) FROM nurture_bi.experiment WHERE experiment = 'line' ORDER BY arm$$,
    $$SELECT arm, round(((p + z * z / (2 * n) - z * sqrt(p * (1 - p) / n + z * z / (4 * n * n))) / (1 + z * z / n))::numeric, 10), round(((p + z * z / (2 * n) + z * sqrt(p * (1 - p) / n + z * z / (4 * n * n))) / (1 + z * z / n))::numeric, 10)
      FROM (SELECT arm, count(*)::double precision AS n, CASE arm WHEN 'question' THEN 1.0 ELSE 0 END::double precision AS p, 1.959963984540054::double precision AS z FROM lot WHERE lead_id <= 60 GROUP BY arm) x ORDER BY arm$$,
    'the interval is Wilson''s');

-- another experiment of the same leads meanwhile, and assets that differ
INSERT INTO nurture.experiment (experiment, variable, hypothesis, track, success_signal, ends_at, salt) VALUES ('pace', 'cadence', 'slower is better', 'trial', 'demo_requested', '2026-06-01 00:00+00', 'slow-one');
INSERT INTO nurture.experiment_arm (experiment, arm, share, cadence_factor) VALUES ('pace', 'usual', 0.5, NULL), ('pace', 'slow', 0.5, 2);
SELECT is(nurture_publish('experiment', 'pace', 1, 'test'), 'experiment pace: version 1 published', 'one of another variable');
SELECT is((SELECT status FROM nurture_bi.experiment WHERE experiment = 'pace' AND arm = 'slow'), 'running', 'runs');
INSERT INTO nurture.message (lead_id, channel, asset_id, experiment, arm) SELECT min(lead_id), 'email', 'film', 'pace', 'slow' FROM lot WHERE arm = 'control' AND lead_id > 10;
SELECT count(nurture_ack(lead_id, message_id, 'sent')) AS sent FROM nurture_take('email', 100, 'test');
SELECT is((SELECT one_variable FROM nurture_bi.experiment WHERE experiment = 'line' AND arm = 'control'), true, 'what comes after the run does not disturb it');
SELECT nurture_retire('experiment', 'line', 'test');
SELECT is((SELECT status FROM nurture_bi.experiment WHERE experiment = 'line' LIMIT 1), 'ended', 'retired after its end, it has ended');

-- cadence: twice the wait in one arm; a lead is in one experiment at a time
CREATE TEMP TABLE pace AS SELECT lead_id, nurture_experiment_arm(lead_id, 'pace') AS arm FROM nurture.lead;
SELECT count(nurture_enroll(n, 'trial', 'test')) AS enrolled FROM generate_series(64, 70) n;
SELECT is(pg_temp.tick() LIKE '% done, 0 left', true, 'seven more get their first step');
SELECT results_eq($$SELECT DISTINCT p.arm, e.next_due_at - e.due_from FROM nurture.enrollment e JOIN pace p USING (lead_id) WHERE e.lead_id >= 64 ORDER BY 1$$,
    $$VALUES ('slow'::text, '20 days'::interval), ('usual', '10 days')$$, 'the second comes later in one of the arms');
SELECT results_eq($$SELECT DISTINCT experiment, propensity FROM nurture.message WHERE lead_id >= 64$$, $$VALUES ('pace'::text, NULL::numeric)$$, 'no lot was about the asset');
SELECT nurture_retire('experiment', 'pace', 'enough of it');
SELECT is((SELECT status FROM nurture_bi.experiment WHERE experiment = 'pace' LIMIT 1), 'stopped', 'before its time, it is stopped');
SELECT throws_ok($$SELECT nurture_retire('experiment', 'pace', 'again')$$, 'NU007', NULL, 'once');

-- a new run draws anew
SELECT is(nurture_draft('experiment', 'line', 1), 2, 'a second run is a copy');
SELECT isnt((SELECT salt FROM nurture.experiment WHERE experiment = 'line' AND version = 2), 'pepper-1', 'with a salt of its own');
UPDATE nurture.experiment SET ends_at = '2026-05-20 00:00+00', salt = 'pepper-1' WHERE experiment = 'line' AND version = 2;
SELECT throws_ok($$SELECT nurture_publish('experiment', 'line', 2, 'test')$$, 'NU010', 'version 2 of experiment "line": version 1 drew with the same salt: every lead would be in the same arm again', 'and with no other');

-- time of day, by the lead's clock
INSERT INTO nurture.experiment (experiment, variable, hypothesis, track, success_signal, ends_at, salt) VALUES ('hour', 'send_time', 'after work', 'trial', 'demo_requested', '2026-06-01 00:00+00', 'hour-one');
INSERT INTO nurture.experiment_arm (experiment, arm, share, send_at) VALUES ('hour', 'any', 0.5, NULL), ('hour', 'evening', 0.5, '18:30');
SELECT nurture_publish('experiment', 'hour', 1, 'test') AS hour;
INSERT INTO nurture.lead (lead_id, email, audience_type, country, language, time_zone)
    SELECT n, 'lead' || n || '@example.org', 'hcp', 'FR', 'fr', CASE WHEN n < 88 THEN 'Europe/Paris' END FROM generate_series(81, 90) n;
SELECT count(nurture_opt_in(n, 'email', 'test')) AS opted_in, count(nurture_enroll(n, 'trial', 'test')) AS enrolled FROM generate_series(81, 90) n;
SELECT is(pg_temp.tick() LIKE '% done, 0 left', true, 'ten more');
SELECT results_eq($$SELECT DISTINCT arm, not_before FROM nurture.message WHERE lead_id BETWEEN 81 AND 87 ORDER BY 1$$,
    $$VALUES ('any'::text, '2026-03-28 10:00+00'::timestamptz), ('evening', '2026-03-28 17:30+00')$$, 'half past six in Paris');
SELECT is((SELECT count(*) FROM nurture.message WHERE lead_id BETWEEN 88 AND 90 AND experiment IS NOT NULL), 0::bigint, 'whose clock is not known takes no part');

-- holdouts come before arms
INSERT INTO nurture.holdout (holdout, per_mille, salt, valid_during, reason) VALUES ('exp_holdout', 1000, 'salt-of-some-length', '[2026-03-01,2026-12-01)', 'test');
UPDATE nurture.experiment SET starts_at = NULL, track = 'service', ends_at = '2026-06-01 00:00+00' WHERE experiment = 'line_two';
UPDATE nurture.experiment SET variable = 'format' WHERE experiment = 'line_two';
DELETE FROM nurture.experiment_arm WHERE experiment = 'line_two';
INSERT INTO nurture.experiment_arm (experiment, arm, share, format) VALUES ('line_two', 'any', 0.5, NULL), ('line_two', 'film', 0.5, 'video');
SELECT nurture_publish('experiment', 'line_two', 1, 'test') AS line_two;
SELECT nurture_enroll(81, 'service', 'test') AS enrolled;
SELECT is(pg_temp.tick() LIKE '% done, 0 left', true, 'a service message to who is held out');
SELECT results_eq($$SELECT status, experiment, arm FROM nurture.message WHERE lead_id = 81 AND asset_id = 'invoice'$$, $$VALUES ('queued'::text, NULL::text, NULL::text)$$, 'goes out, in no arm');
UPDATE nurture.holdout SET valid_during = '[2026-03-01,2026-03-02)' WHERE holdout = 'exp_holdout';

-- an arm that has nothing to send leaves the step as it is
SELECT count(nurture_enroll(n, 'service', 'test')) AS enrolled FROM generate_series(82, 90) n;
SELECT is(pg_temp.tick() LIKE '% done, 0 left', true, 'to the others');
SELECT results_eq($$SELECT DISTINCT arm, asset_id, propensity FROM nurture.message WHERE lead_id BETWEEN 82 AND 90 AND experiment = 'line_two' ORDER BY 1$$,
    $$VALUES ('any'::text, 'invoice'::text, 1.0), ('film', 'invoice', 1.0)$$, 'both arms get the step''s own asset, which was certain then');

-- who was in two of them
SET LOCAL nurture.clock = '2026-03-28 18:00+00';
SELECT count(nurture_ack(lead_id, message_id, 'sent')) AS sent FROM nurture_take('email', 100, 'test') WHERE lead_id BETWEEN 82 AND 87;
SELECT results_eq($$SELECT DISTINCT experiment, violation FROM nurture_bi.experiment WHERE experiment IN ('hour', 'line_two') ORDER BY 1$$,
    $$VALUES ('hour'::text, '6 leads were in line_two too, which varies format'::text), ('line_two', '6 leads were in hour too, which varies send_time')$$, 'leads of two experiments at once are told of');

-- intervals
SELECT results_eq($$SELECT round(low::numeric, 4), round(high::numeric, 4) FROM nurture_share_interval(81, 263)$$, $$VALUES (0.2553, 0.3662)$$, 'Wilson''s interval as published');
SELECT results_eq($$SELECT round(low::numeric, 4), round(high::numeric, 4) FROM nurture_share_difference(56, 70, 48, 80)$$, $$VALUES (0.0524, 0.3339)$$, 'Newcombe''s as well');
SELECT throws_ok($$SELECT nurture_share_interval(3, 2)$$, '22023', '3 of 2 is no share', 'more than all is none');
SELECT throws_ok($$SELECT nurture_share_interval(1, 2, 1)$$, '22023', '1 is no confidence', 'certainty is none');
SELECT throws_ok($$SELECT nurture_share_interval(1, 2, 'NaN')$$, '22023', NULL, 'nor is what is no number');

SELECT * FROM finish();
ROLLBACK;
