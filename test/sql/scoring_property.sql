-- Random models over random leads: the explanation adds up to the score with
-- "=", the view and the set agree with the function, a score does not depend
-- on how the tally came to be, and a naive SQL score says the same.
-- NURTURE_SEED (a number from -1 to 1) repeats a run.
\getenv seed NURTURE_SEED
\if :{?seed}
\echo seed :seed
\else
\set seed 0.20260630
\endif
BEGIN;
SET LOCAL client_min_messages = warning;
SET LOCAL nurture.clock = '2026-06-30T12:00:00Z';
SELECT setseed(:seed) \g /dev/null
SELECT plan(6);

INSERT INTO nurture.event_type (event_type, class) SELECT 'q_' || i, 'content' FROM generate_series(1, 20) i;
INSERT INTO nurture.signal (signal, signal_id, event_type) SELECT 'q_' || i, 31000 + i, 'q_' || i FROM generate_series(1, 20) i;

INSERT INTO nurture.lead (lead_id, audience_type, role, country, attributes)
SELECT 910000 + i, 'hcp',
       (ARRAY['physician', 'nurse', NULL])[1 + floor(random() * 3)::int],
       (ARRAY['DE', 'FR', 'US', NULL])[1 + floor(random() * 4)::int],
       CASE WHEN random() < 0.7 THEN jsonb_build_object('size', floor(random() * 100)) ELSE '{}' END
FROM generate_series(1, 300) i;

-- occurrences as a naive table, days up to 200 back
CREATE TEMPORARY TABLE occurrence AS
SELECT 910000 + 1 + floor(random() * 300)::int AS lead_id,
       (31000 + 1 + floor(random() * 20)::int)::smallint AS signal_id,
       timestamptz '2026-06-30 11:00Z' - interval '1 day' * floor(power(random(), 2) * 200) AS at
FROM generate_series(1, 6000);
INSERT INTO nurture.activity (lead_id, signals)
SELECT lead_id, nurture_tally_agg(signal_id, at) FROM occurrence GROUP BY lead_id
ON CONFLICT (lead_id) DO UPDATE SET signals = EXCLUDED.signals;

-- 12 random models
INSERT INTO nurture.model (model, audience_types) SELECT 'q_' || m, '{q_none}' FROM generate_series(1, 12) m;
SELECT nurture_draft('model', 'q_' || m) FROM generate_series(1, 12) m \g /dev/null
INSERT INTO nurture.rule_group (model, version, rule_group, dimension, floor, cap)
SELECT 'q_' || m, 1, 'g_' || g, CASE WHEN g = 1 THEN 'fit' ELSE 'intent' END,
       CASE WHEN random() < 0.3 THEN -20 END, CASE WHEN random() < 0.6 THEN floor(random() * 3000) / 100 END
FROM generate_series(1, 12) m, generate_series(1, 3) g;
INSERT INTO nurture.fit_rule (model, version, rule, attribute, operator, operand, points, rule_group)
SELECT 'q_' || m, 1, 'f_' || i,
       (ARRAY['role', 'country', 'attributes.size', 'country'])[i],
       (ARRAY['=', 'in', '>=', 'known'])[i],
       (ARRAY['"physician"', '["DE", "US"]', '40', NULL])[i]::jsonb,
       floor(random() * 4000 - 1000) / 100, CASE WHEN random() < 0.5 THEN 'g_1' END
FROM generate_series(1, 12) m, generate_series(1, 4) i;
INSERT INTO nurture.signal_rule (model, version, rule, signal, points, curve, curve_days, curve_steps, per_day_max, count_max, floor, cap, rule_group)
SELECT 'q_' || m, 1, 's_' || i, 'q_' || i, floor(random() * 4000 - 1000) / 100, curve,
       CASE WHEN curve IN ('half_life', 'linear', 'window') THEN 1 + floor(random() * 90)::int END,
       CASE WHEN curve = 'step' THEN '[[3, 100], [30, 33.33], [90, 12.5]]'::jsonb END,
       CASE WHEN random() < 0.3 THEN 1 END, CASE WHEN random() < 0.3 THEN 1 + floor(random() * 3)::int END,
       CASE WHEN random() < 0.2 THEN -7.5 END, CASE WHEN random() < 0.3 THEN floor(random() * 2000) / 100 END,
       CASE WHEN random() < 0.5 THEN 'g_' || 2 + floor(random() * 2)::int END
FROM (SELECT m, i, (ARRAY['none', 'half_life', 'linear', 'step', 'window'])[1 + floor(random() * 5)::int] AS curve
      FROM generate_series(1, 12) m, generate_series(1, 20) i) r;
INSERT INTO nurture.pattern (model, version, pattern, condition, points)
SELECT 'q_' || m, 1, 'p_' || i, jsonb_build_object('signal', 'q_' || i, 'at_least', 2, 'within_days', 10 * i), floor(random() * 2000) / 100
FROM generate_series(1, 12) m, generate_series(1, 3) i;
INSERT INTO nurture.model_limit (model, version, dimension, floor, cap)
SELECT 'q_' || m, 1, d, CASE WHEN random() < 0.5 THEN 0 END, CASE WHEN random() < 0.5 THEN 50 + floor(random() * 5000) / 100 END
FROM generate_series(1, 12) m, unnest(ARRAY['fit', 'intent', 'total']) d;
SELECT nurture_publish('model', 'q_' || m, 1, 'property test') FROM generate_series(1, 12) m \g /dev/null

CREATE TEMPORARY TABLE scored AS
SELECT l.lead_id, m.model, nurture_score(l.lead_id, m.model) AS score, nurture_fit(l.lead_id, m.model) AS fit,
       nurture_intent(l.lead_id, m.model) AS intent,
       (SELECT sum(points) FROM nurture_explain(l.lead_id, m.model)) AS explained
FROM nurture.lead l, nurture.model m WHERE l.lead_id BETWEEN 910001 AND 910300 AND m.model LIKE 'q\_%';

SELECT is((SELECT count(*) FROM scored), 3600::bigint, 'cases');
SELECT is((SELECT count(*) FROM scored WHERE NOT coalesce(explained = score, score = 0)), 0::bigint, 'explanations add up');
SELECT cmp_ok((SELECT count(DISTINCT score) FROM scored), '>', 1000::bigint, 'and they are no constants');
SELECT is((SELECT count(*) FROM scored s JOIN (SELECT 'q_' || m AS q, (nurture_scores('q_' || m)).* FROM generate_series(1, 12) m) t
                ON t.q = s.model AND t.lead_id = s.lead_id
           WHERE t.total = s.score AND t.fit = s.fit AND t.intent = s.intent), 3600::bigint, 'the set agrees');

-- the same activity put together another way
UPDATE nurture.activity a SET signals = h.signals
FROM (SELECT lead_id, nurture_tally_sum(t) AS signals
      FROM (SELECT lead_id, signal_id, nurture_tally_agg(signal_id, at) AS t FROM occurrence GROUP BY lead_id, signal_id) x GROUP BY lead_id) h
WHERE a.lead_id = h.lead_id;
SELECT is((SELECT count(*) FROM scored WHERE score = nurture_score(lead_id, model)), 3600::bigint, 'how the tally came to be does not matter');

-- a naive score of the signal rules: per rule, by its explained decayed points,
-- from the table of occurrences (curves in floating point, so to a hundredth)
CREATE TEMPORARY TABLE naive AS
WITH days AS (
    SELECT o.lead_id, r.model, r.rule, r.points, r.curve, r.curve_days, r.count_max,
           date '2026-06-30' - (o.at AT TIME ZONE 'UTC')::date AS age,
           least(count(*), coalesce(r.per_day_max, 1000000)) AS n
    FROM occurrence o JOIN nurture.signal g USING (signal_id) JOIN nurture.signal_rule r USING (signal)
    WHERE r.model LIKE 'q\_%'
    GROUP BY o.lead_id, r.model, r.rule, r.points, r.curve, r.curve_days, r.count_max, r.per_day_max, age
), limited AS (
    SELECT *, greatest(least(n, coalesce(count_max, 1000000)
           - coalesce(sum(n) OVER (PARTITION BY lead_id, model, rule ORDER BY age ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0)), 0) AS counted
    FROM days
)
SELECT lead_id, model, rule, sum(points * counted * CASE curve
           WHEN 'none' THEN 1.0
           WHEN 'half_life' THEN power(0.5::float8, age::float8 / curve_days)
           WHEN 'linear' THEN greatest(0, 1.0 - age::float8 / curve_days)
           WHEN 'window' THEN CASE WHEN age <= curve_days THEN 1 ELSE 0 END
           WHEN 'step' THEN CASE WHEN age <= 3 THEN 1 WHEN age <= 30 THEN 0.3333 WHEN age <= 90 THEN 0.125 ELSE 0 END
           END) AS decayed
FROM limited GROUP BY lead_id, model, rule;
SELECT is((SELECT count(*) FROM naive n JOIN LATERAL nurture_explain(n.lead_id, n.model) e ON e.rule = n.rule AND e.kind = 'signal_rule'
           WHERE abs(e.decayed_points::float8 - n.decayed) > 0.0151), 0::bigint, 'a naive score says the same');
SELECT * FROM finish();
ROLLBACK;
