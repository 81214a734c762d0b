-- What decisions found scores to be, what moved them, and what that did to a
-- lead's place.
BEGIN;
SET LOCAL client_min_messages = warning;
SET LOCAL timezone = 'UTC';
SET LOCAL datestyle = 'ISO';
SELECT plan(50);

SET LOCAL nurture.clock = '2026-03-01T00:00:00Z';
INSERT INTO nurture.audience_type (audience_type, title) VALUES ('hi_aud', 'A');
INSERT INTO nurture.event_type (event_type, class) VALUES ('hi_ask', 'intent');
INSERT INTO nurture.signal (signal, signal_id, event_type) VALUES ('hi_ask', 31931, 'hi_ask');
INSERT INTO nurture.model (model, audience_types, is_default) VALUES ('hi_model', '{hi_aud}', true);
SELECT nurture_draft('model', 'hi_model');
INSERT INTO nurture.fit_rule (model, version, rule, attribute, operator, operand, points) VALUES ('hi_model', 1, 'role', 'role', '=', '"physician"', 10);
INSERT INTO nurture.signal_rule (model, version, rule, signal, points, curve, curve_days) VALUES ('hi_model', 1, 'ask', 'hi_ask', 64, 'half_life', 7);
INSERT INTO nurture.band (model, version, dimension, band, min_points) VALUES ('hi_model', 1, 'fit', 'A', 10), ('hi_model', 1, 'intent', '1', 60), ('hi_model', 1, 'intent', '2', 30), ('hi_model', 1, 'intent', '3', 10);
SELECT nurture_publish('model', 'hi_model', 1, 'test', true);
INSERT INTO nurture.lead (lead_id, audience_type, role, is_test) SELECT 933000 + i, 'hi_aud', CASE WHEN i <> 3 THEN 'physician' END, i = 9 FROM generate_series(1, 9) i;
CREATE FUNCTION pg_temp.tick() RETURNS bigint LANGUAGE sql AS $$SELECT sum(done)::bigint FROM nurture_tick(1000, '10 s') WHERE kind IN ('standing', 'grade')$$;
CREATE FUNCTION pg_temp.history(id bigint) RETURNS SETOF text LANGUAGE sql AS $$
    SELECT concat_ws(' ', day, version, fit, intent, total, grade) FROM nurture_bi.score_history WHERE lead_id = id ORDER BY day $$;

-- rows of decisions
SELECT is_empty('SELECT pg_temp.history(933001)', 'a lead that nothing was decided about has no history');
INSERT INTO nurture.event (lead_id, event_type) SELECT i, 'hi_ask' FROM unnest(ARRAY[933001, 933002, 933003, 933009]) i;
SELECT pg_temp.tick() >= 3;
SELECT results_eq('SELECT pg_temp.history(933001)', ARRAY['2026-03-01 1 10.00 64.00 74.00 A1'], 'a decision keeps the score it found');
SELECT is_empty('SELECT pg_temp.history(933009)', 'that of a test lead is not shown');
INSERT INTO nurture.event (lead_id, event_type) VALUES (933001, 'hi_ask');
SET LOCAL nurture.clock = '2026-03-01T02:00:00Z';
SELECT pg_temp.tick() >= 1;
SELECT results_eq('SELECT pg_temp.history(933001)', ARRAY['2026-03-01 1 10.00 128.00 138.00 A1'], 'of one day the last one');
SELECT is((SELECT at FROM nurture_bi.score_history WHERE lead_id = 933001), '2026-03-01 00:00Z', 'and when it was found: what finds the same later keeps nothing');
SET LOCAL nurture.clock = '2026-03-02T00:00:00Z';
SELECT pg_temp.tick() >= 1;
SELECT results_eq('SELECT pg_temp.history(933002)', ARRAY['2026-03-01 1 10.00 64.00 74.00 A1', '2026-03-02 1 10.00 57.97 67.97 A2'], 'the tick keeps a grade that changed by itself');
SELECT results_eq('SELECT pg_temp.history(933003)', ARRAY['2026-03-01 1 0.00 64.00 64.00 D1', '2026-03-02 1 0.00 57.97 57.97 D2'], 'for each lead');
SELECT pg_temp.tick() >= 0;
SELECT is((SELECT count(*) FROM nurture_bi.score_history WHERE lead_id = 933002), 2::bigint, 'what is the same is not kept again');
SET LOCAL nurture.clock = '2026-03-04T00:00:00Z';
UPDATE nurture.lead SET role = 'nurse' WHERE lead_id = 933002;
SELECT results_eq('SELECT pg_temp.history(933002) OFFSET 2', ARRAY['2026-03-04 1 0.00 47.55 47.55 D2'], 'a changed fact is a decision');
SELECT results_eq('SELECT pg_temp.history(933004)', ARRAY['2026-03-01 1 10.00 0.00 10.00 A4'], 'leads that did not change have the row they began with');

-- causes
CREATE FUNCTION pg_temp.change(id bigint, a timestamptz, b timestamptz) RETURNS text LANGUAGE sql AS $$
    SELECT concat_ws(' ', old_version, new_version, old_total, new_total, old_grade, new_grade, by_time, by_activity, by_fact, by_version) FROM nurture_score_change(id, a, b) $$;
SELECT is(pg_temp.change(933002, '2026-03-01 01:00Z', '2026-03-02 01:00Z'), '1 1 74.00 67.97 A1 A2 -6.03 0.00 0.00 0.00', 'time alone');
SELECT is(pg_temp.change(933002, '2026-03-04 00:00Z', '2026-03-04 00:00Z'), '1 1 47.55 47.55 D2 D2 0.00 0.00 0.00 0.00', 'nothing');
SELECT is(pg_temp.change(933002, '2026-03-02 00:00Z', '2026-03-04 00:00Z'), '1 1 67.97 47.55 A2 D2 -10.42 0.00 -10.00 0.00', 'time and a fact');
SELECT is(pg_temp.change(933001, '2026-03-01 00:00Z', '2026-03-01 02:00Z'), '1 1 138.00 138.00 A1 A1 0.00 0.00 0.00 0.00', 'nothing within a day');
SET LOCAL nurture.clock = '2026-03-05T00:00:00Z';
INSERT INTO nurture.event (lead_id, event_type, occurred_at) VALUES (933004, 'hi_ask', '2026-03-01 00:00Z');
SELECT is(pg_temp.change(933004, '2026-03-03 00:00Z', '2026-03-05 00:00Z'), '1 1 10.00 53.07 A4 A2 0.00 43.07 0.00 0.00', 'an event that was told late is activity of when it was told');
SELECT nurture_draft('model', 'hi_model', 1);
UPDATE nurture.signal_rule SET points = 32 WHERE model = 'hi_model' AND version = 2;
UPDATE nurture.fit_rule SET points = 20 WHERE model = 'hi_model' AND version = 2;
SET LOCAL nurture.clock = '2026-03-08T00:00:00Z';
SELECT nurture_publish('model', 'hi_model', 2, 'test', true) IS NOT NULL;
INSERT INTO nurture.event (lead_id, event_type) VALUES (933003, 'hi_ask');
UPDATE nurture.lead SET role = 'physician' WHERE lead_id = 933003;
SELECT is(pg_temp.change(933003, '2026-03-01 00:00Z', '2026-03-08 00:00Z'), '1 2 64.00 68.00 D1 A2 -32.00 64.00 10.00 -38.00', 'all four');
SELECT is(pg_temp.change(933003, '2026-02-01 00:00Z', '2026-03-08 00:00Z'), '2 68.00 A2', 'a lead that was not there has no parts');
SELECT is(pg_temp.change(933999, '2026-02-01 00:00Z', '2026-03-08 00:00Z'), '', 'nor has one that is not');
SELECT pg_temp.tick() >= 1;
SELECT is_empty($$SELECT * FROM nurture_bi.score_change WHERE change IS DISTINCT FROM by_time + by_activity + by_fact + by_version AND old_total IS NOT NULL$$, 'the parts add up');
SELECT is((SELECT concat_ws(' ', old_version, new_version, change, by_time, by_activity, by_fact, by_version) FROM nurture_bi.score_change WHERE lead_id = 933003),
    '1 2 4.00 -32.00 64.00 10.00 -38.00', 'the movers of the week');
SELECT is_empty($$SELECT * FROM nurture_bi.score_change WHERE lead_id IN (933005, 933009)$$, 'without those that stood still, and test leads');
SELECT is_empty($$SELECT s.lead_id FROM generate_series(933001, 933004) s (lead_id), LATERAL nurture_score_change(s.lead_id, '2026-03-01 03:00Z', '2026-03-08 00:00Z') c
    WHERE c.new_total - c.old_total IS DISTINCT FROM c.by_time + c.by_activity + c.by_fact + c.by_version OR c.new_total IS DISTINCT FROM nurture_score(s.lead_id)$$, 'exactly');

-- places
SELECT is((SELECT r::text FROM nurture_rank_change(933001, '2026-03-01 03:00Z', '2026-03-08 00:00Z') r), '(1,2,8,8,138.00,52.00)', 'the place then and now, and among how many');
SELECT is((SELECT r::text FROM nurture_rank_change(933003, '2026-03-01 03:00Z', '2026-03-08 00:00Z') r), '(3,1,8,8,64.00,68.00)', 'of each');
SELECT is((SELECT r::text FROM nurture_rank_change(933005, '2026-03-01 03:00Z', '2026-03-08 00:00Z') r), '(4,4,8,8,10.00,20.00)', 'equal scores share a place');
SELECT is((SELECT r::text FROM nurture_rank_change(933005, '2026-02-01 03:00Z', '2026-03-08 00:00Z') r), '(,4,0,8,,20.00)', 'a lead that was not there had none');
SELECT is((SELECT r::text FROM nurture_rank_change(933999, '2026-02-01 03:00Z', '2026-03-08 00:00Z') r), '(,,,,,)', 'nor has one that is not');

UPDATE nurture.lead SET merged_into = 933001 WHERE lead_id = 933008;
SELECT is((SELECT r::text FROM nurture_rank_change(933008, '2026-03-01 03:00Z', '2026-03-08 00:00Z') r), (SELECT r::text FROM nurture_rank_change(933001, '2026-03-01 03:00Z', '2026-03-08 00:00Z') r),
    'a merged lead has the place of its survivor');
UPDATE nurture.lead SET merged_into = NULL WHERE lead_id = 933008;

-- bad input
SELECT throws_ok($$SELECT nurture_score_change(933001, '-infinity', nurture_now())$$, '22008', 'a score at "-infinity" cannot be computed', 'a moment is finite');
SELECT throws_ok($$SELECT nurture_rank_change(933001, nurture_now(), 'infinity')$$, '22008', 'a score at "infinity" cannot be computed', 'also of a place');
SELECT throws_ok($$SELECT nurture_score_change(933001, nurture_now(), nurture_now(), 'hi_modle')$$, 'NU003', 'unknown model "hi_modle"', 'a model is one');
SELECT is((SELECT concat(c.*) FROM nurture_score_change(NULL, nurture_now(), nurture_now()) c) || (SELECT concat(r.*) FROM nurture_rank_change(933001, NULL, nurture_now()) r), '(,,,,,,,,,,,,)(,,,,,)', 'NULL in, NULLs out');

-- movers that no decision found
INSERT INTO nurture.event (lead_id, event_type, occurred_at) VALUES (933006, 'hi_ask', '2026-03-04 00:00Z');
UPDATE nurture.lead SET role = 'nurse' WHERE lead_id = 933007;
SELECT results_eq($$SELECT lead_id, by_activity, by_fact FROM nurture_bi.score_change WHERE lead_id IN (933006, 933007) ORDER BY 1$$, $$VALUES (933006::bigint, 43.07, 0.00), (933007, 0.00, -10.00)$$,
    'those too about whom nothing was decided: history, and facts of leads without a standing');

-- the daily sweep
SET LOCAL nurture.clock = '2026-04-01T00:00:00Z';
CREATE FUNCTION pg_temp.sweep(n integer DEFAULT 10000) RETURNS text LANGUAGE sql AS $$SELECT concat_ws(' ', done > 0, "left") FROM nurture_tick(n, '10 s') WHERE kind = 'score'$$;
INSERT INTO nurture.model (model, product, audience_types) VALUES ('hi_second', 'hi_product', '{hi_aud}');
SELECT nurture_draft('model', 'hi_second');
INSERT INTO nurture.fit_rule (model, version, rule, attribute, operator, operand, points) VALUES ('hi_second', 1, 'nurse', 'role', '=', '"nurse"', 3);
SELECT nurture_publish('model', 'hi_second', 1, 'test', true) IS NOT NULL;
INSERT INTO nurture.lead (lead_id, audience_type) VALUES (933011, 'hi_aud');
SELECT is(pg_temp.sweep(), 't 0', 'the tick goes over all leads once a day');
SELECT is(pg_temp.sweep(), 'f 0', 'and then rests');
SELECT is_empty($$SELECT l.lead_id, s.model, s.total FROM nurture.lead l CROSS JOIN (VALUES ('hi_model'), ('hi_second')) m (model)
    CROSS JOIN LATERAL (SELECT m.model, nurture_score(l.lead_id, m.model) AS total) s
    WHERE l.lead_id BETWEEN 933001 AND 933008 AND s.total <> 0
    AND s.total IS DISTINCT FROM (SELECT h.total FROM nurture.score_history h WHERE h.lead_id = l.lead_id AND h.model = m.model ORDER BY day DESC LIMIT 1)$$,
    'after it the last row of every lead and model is its score');
SELECT is((SELECT count(*) FROM nurture.score_history WHERE model = 'hi_second' AND lead_id IN (933002, 933007) AND total = 3), 2::bigint, 'of each model that applies');
SELECT is((SELECT count(*) FROM nurture.score_history WHERE lead_id IN (933009, 933011) AND swept), 0::bigint, 'but test leads, and leads that never had a point');
SELECT is((SELECT count(*) FROM nurture.score_history WHERE lead_id = 933005 AND day > '2026-03-08'), 0::bigint, 'what did not change is not kept');
SET LOCAL nurture.clock = '2026-04-02T00:00:00Z';
SELECT is(pg_temp.sweep(), 't 0', 'the next day again');
SELECT is((SELECT count(*) FROM nurture.score_history WHERE lead_id = 933006 AND day BETWEEN '2026-04-01' AND '2026-04-02' AND swept), 2::bigint, 'what fades has a row a day');
SELECT is((SELECT count(*) FROM nurture_bi.score_change WHERE lead_id = 933006), 0::bigint, 'which alone makes no mover of the week');
INSERT INTO nurture.event (lead_id, event_type) VALUES (933006, 'hi_ask');
SELECT pg_temp.tick() >= 0;
SELECT is((SELECT concat_ws(' ', count(*), bool_or(swept), max(total) = nurture_score(933006)) FROM nurture.score_history WHERE lead_id = 933006 AND day = '2026-04-02' AND model = 'hi_model'),
    '1 f t', 'a decision of the same day takes its place');
INSERT INTO nurture.lead (lead_id, audience_type, role) SELECT 934000 + i, 'hi_aud', 'physician' FROM generate_series(1, 1200) i;
SET LOCAL nurture.clock = '2026-04-03T00:00:00Z';
SELECT is(pg_temp.sweep(30), 't 1', 'a tick does so much of it');
SELECT is((SELECT next_lead IS NOT NULL AND day = '2026-04-03' FROM nurture.score_sweep), true, 'and keeps the place');
SET LOCAL nurture.clock = '2026-04-03T01:00:00Z';
SELECT is(pg_temp.sweep(), 't 0', 'where the next goes on');
SELECT is((SELECT count(*) FROM nurture.score_history WHERE lead_id > 934000 AND total = 20), 1200::bigint, 'to the end');

-- rights, and what goes
CREATE ROLE nurture_test_history;
GRANT USAGE ON SCHEMA nurture, nurture_bi TO nurture_test_history;
GRANT SELECT ON nurture.lead, nurture.account, nurture.activity, nurture.score_history, nurture.lead_history, nurture.event, nurture.event_history, nurture_bi.score_history, nurture_bi.score_change TO nurture_test_history;
ALTER TABLE nurture.lead ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON nurture.lead TO nurture_test_history USING (lead_id <> 933003);
SET LOCAL ROLE nurture_test_history;
SELECT is((SELECT count(*) FROM nurture_bi.score_history WHERE lead_id = 933003) + (SELECT count(*) FROM nurture_bi.score_change WHERE lead_id = 933003)
    + (SELECT count(old_total) FROM nurture_score_change(933003, '2026-03-01 03:00Z', '2026-03-08 00:00Z')), 0::bigint, 'a hidden lead has no history');
SELECT is((SELECT r::text FROM nurture_rank_change(933001, '2026-03-01 03:00Z', '2026-03-08 00:00Z') r), '(1,1,7,7,138.00,52.00)', 'and no place among those that are seen');
RESET ROLE;
UPDATE nurture.lead SET erased_at = nurture_now() WHERE lead_id = 933003;
DELETE FROM nurture.lead WHERE lead_id = 933002;
SELECT is((SELECT count(*) FROM nurture.score_history WHERE lead_id IN (933002, 933003)), 0::bigint, 'an erased or deleted lead has no history of scores');

SELECT * FROM finish();
ROLLBACK;
