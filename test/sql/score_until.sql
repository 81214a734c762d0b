-- nurture_score_until against a score of every day to come.
BEGIN;
SET LOCAL client_min_messages = warning;
SET LOCAL timezone = 'UTC';
SET LOCAL datestyle = 'ISO';
SET LOCAL nurture.horizon_days = 100;
SET LOCAL nurture.clock = '2026-05-01T10:00:00Z';
SELECT plan(23);
SELECT setseed(0.5);

INSERT INTO nurture.audience_type (audience_type, title) VALUES ('un_aud', 'A'), ('un_simple', 'B'), ('un_none', 'C');
INSERT INTO nurture.event_type (event_type, class) VALUES ('un_view', 'content'), ('un_ask', 'intent'), ('un_click', 'engagement'), ('un_bad', 'negative');
INSERT INTO nurture.signal (signal, signal_id, event_type) VALUES ('un_view', 31921, 'un_view'), ('un_ask', 31922, 'un_ask'), ('un_click', 31923, 'un_click'), ('un_bad', 31924, 'un_bad');
INSERT INTO nurture.model (model, audience_types, is_default) VALUES ('un_model', '{un_aud}', true), ('un_simple', '{un_simple}', true), ('un_none', '{un_none}', true);
SELECT nurture_draft('model', m) FROM unnest(ARRAY['un_model', 'un_simple', 'un_none']) m;
INSERT INTO nurture.rule_group (model, version, rule_group, dimension, floor, cap) VALUES ('un_model', 1, 'reading', 'intent', NULL, 25), ('un_model', 1, 'known', 'fit', 0, 30);
INSERT INTO nurture.fit_rule (model, version, rule, attribute, operator, operand, points, rule_group) VALUES
    ('un_model', 1, 'due', 'attributes.study_start', 'due_within', '[5, 30]', 15, NULL),
    ('un_model', 1, 'old', 'audience_verified_at', 'older_than', '40', -7, NULL),
    ('un_model', 1, 'role', 'role', '=', '"physician"', 12, 'known');
INSERT INTO nurture.signal_rule (model, version, rule, signal, points, curve, curve_days, curve_steps, per_day_max, count_max, rule_group) VALUES
    ('un_model', 1, 'view', 'un_view', 6, 'half_life', 15, NULL, 3, NULL, 'reading'),
    ('un_model', 1, 'ask', 'un_ask', 22, 'linear', 70, NULL, NULL, 2, NULL),
    ('un_model', 1, 'click', 'un_click', 5, 'step', NULL, '[[3, 20], [20, 100], [60, 40]]', NULL, NULL, 'known'),
    ('un_model', 1, 'bad', 'un_bad', -9, 'window', 25, NULL, NULL, NULL, NULL),
    ('un_model', 1, 'ever', 'un_ask', 1.5, 'none', NULL, NULL, 1, NULL, NULL);
INSERT INTO nurture.pattern (model, version, pattern, condition, points) VALUES
    ('un_model', 1, 'busy', '{"signal": "un_view", "at_least": 3, "within_days": 20}', 9),
    ('un_model', 1, 'quiet', '{"signal": "un_view", "at_most": 0, "within_days": 33}', -4),
    ('un_model', 1, 'after', '{"signal": "un_click", "after": "un_ask", "within_days": 45}', 5),
    ('un_model', 1, 'consent', '{"consent": {"channel": "email", "purpose": "marketing", "is": "given"}}', 8),
    ('un_model', 1, 'topic', '{"interest": {"dimension": "topic", "value": "moa", "at_least": 0.5}}', 4),
    ('un_model', 1, 'label', '{"label": "un_label"}', 6),
    ('un_model', 1, 'stage', '{"stage": ["mql", "sql"]}', 3);
INSERT INTO nurture.band (model, version, dimension, band, min_points) VALUES
    ('un_model', 1, 'fit', 'A', 30), ('un_model', 1, 'fit', 'B', 20), ('un_model', 1, 'fit', 'C', 8), ('un_model', 1, 'fit', 'D', -5),
    ('un_model', 1, 'intent', '1', 40), ('un_model', 1, 'intent', '2', 20), ('un_model', 1, 'intent', '3', 6),
    ('un_simple', 1, 'intent', '1', 10), ('un_simple', 1, 'intent', '2', 5);
INSERT INTO nurture.signal_rule (model, version, rule, signal, points, curve, curve_days) VALUES
    ('un_simple', 1, 'ask', 'un_ask', 16, 'half_life', 10), ('un_none', 1, 'ask', 'un_ask', 16, 'half_life', 10);
SELECT nurture_publish('model', m, 1, 'test', true) FROM unnest(ARRAY['un_model', 'un_simple', 'un_none']) m;

INSERT INTO nurture.lead (lead_id, audience_type, role, audience_verified_at, attributes)
    SELECT 932000 + i, 'un_aud', CASE WHEN random() < 0.6 THEN 'physician' END, CASE WHEN random() < 0.7 THEN nurture_now() - interval '60 days' * random() END,
           CASE WHEN random() < 0.7 THEN jsonb_build_object('study_start', (nurture_now() + interval '60 days' * random())::date) ELSE '{}' END
    FROM generate_series(1, 80) i;
INSERT INTO nurture.event (lead_id, event_type, occurred_at, tags)
    SELECT 932001 + floor(random() * 80)::bigint, (ARRAY['un_view', 'un_view', 'un_ask', 'un_click', 'un_bad'])[1 + floor(random() * 5)::integer],
           nurture_now() - interval '75 days' * random(), CASE WHEN random() < 0.3 THEN ARRAY['topic:' || (ARRAY['moa', 'safety'])[1 + floor(random() * 2)::integer]] END
    FROM generate_series(1, 700) i;
SELECT count(nurture_consent(932000 + i, 'given', 'email', expires_at => nurture_now() + interval '50 days' * random())) FROM generate_series(1, 40) i;
SELECT count(nurture_consent(932001, 'given', 'email', expires_at => nurture_now() + interval '3 hours'));

SELECT count(nurture_label(932000 + i, 'un_label', nurture_now() + interval '60 days' * random())) FROM generate_series(21, 60) i;

-- brute force
CREATE TEMP TABLE each_day AS
    SELECT l.lead_id, d AS on_date, a.grade, nurture_grade(l.lead_id) AS now
    FROM nurture.lead l, generate_series(0, 100) n, LATERAL (SELECT date '2026-05-01' + n AS d) x,
         LATERAL nurture_scores_at(l.lead_id, (d + 1)::timestamp AT TIME ZONE 'UTC' - interval '1 microsecond') a
    WHERE l.lead_id BETWEEN 932001 AND 932080;
CREATE TEMP VIEW expected AS
    SELECT DISTINCT ON (l.lead_id) l.lead_id, d.on_date, d.grade
    FROM nurture.lead l LEFT JOIN each_day d ON d.lead_id = l.lead_id AND d.grade <> d.now
    WHERE l.lead_id BETWEEN 932001 AND 932080 ORDER BY l.lead_id, d.on_date;
SELECT cmp_ok((SELECT count(DISTINCT grade) FROM each_day), '>=', 10::bigint, 'leads of many grades');
SELECT cmp_ok((SELECT count(DISTINCT on_date) FROM expected), '>=', 25::bigint, 'whose grades change on many days');
SELECT is_empty($$SELECT e.*, u.* FROM expected e, nurture_score_until(e.lead_id) u WHERE (u.on_date, u.grade) IS DISTINCT FROM (e.on_date, e.grade)$$,
    'the day is the first on which a score of that day has another grade');
SELECT is_empty($$SELECT l.lead_id FROM expected l, nurture_score_until(l.lead_id, 'un_simple') u,
    LATERAL (SELECT min(d) AS d FROM generate_series(1, 100) n, LATERAL (SELECT date '2026-05-01' + n AS d) x
             WHERE (nurture_scores_at(l.lead_id, d::timestamp AT TIME ZONE 'UTC', 'un_simple')).grade <> nurture_grade(l.lead_id, 'un_simple')) e
    WHERE u.on_date IS DISTINCT FROM e.d$$, 'also by a model that is named');
SELECT isnt((SELECT on_date FROM nurture_score_until(932001)), NULL, 'consent that runs out today');

-- one by one
INSERT INTO nurture.lead (lead_id, audience_type) VALUES (932101, 'un_simple'), (932102, 'un_none');
SELECT is((SELECT u::text FROM nurture_score_until(932101) u), '(,)', 'a lead that did nothing keeps its grade');
INSERT INTO nurture.event (lead_id, event_type, occurred_at) VALUES (932101, 'un_ask', '2026-05-01 09:00Z'), (932102, 'un_ask', '2026-05-01 09:00Z');
-- 16 x 2^(-d/10) is below 10 from the 7th day on, below 5 from the 17th
SELECT is((SELECT u::text FROM nurture_score_until(932101) u), '(2026-05-08,D2)', 'points fade below a minimum on the 7th day');
SET LOCAL nurture.clock = '2026-05-08T00:00:00Z';
SELECT is(nurture_grade(932101), 'D2', 'on which the grade is that');
SELECT is((SELECT u::text FROM nurture_score_until(932101) u), '(2026-05-18,D4)', 'and the next change is on the 17th');
SET LOCAL nurture.clock = '2026-05-18T00:00:00Z';
SELECT is((SELECT u::text FROM nurture_score_until(932101) u), '(,)', 'then none is left');
SET LOCAL nurture.clock = '2026-05-01T10:00:00Z';
SELECT is((SELECT u::text FROM nurture_score_until(932102) u), '(,)', 'a model without bands has no grade to change');
DELETE FROM nurture.event WHERE lead_id = 932102;
UPDATE nurture.lead SET merged_into = 932101 WHERE lead_id = 932102;
SELECT is((SELECT u::text FROM nurture_score_until(932102) u), '(2026-05-08,D2)', 'a merged lead has its survivor''s');
SELECT is((SELECT u::text FROM nurture_score_until(932999) u), '(,)', 'an unknown lead none');
SELECT is((SELECT u::text FROM nurture_score_until(NULL) u), '(,)', 'nor has NULL');
SELECT throws_ok($$SELECT nurture_score_until(932101, 'un_modle')$$, 'NU003', 'unknown model "un_modle"', 'an unknown model is named');

-- the tick
SELECT ok((SELECT bool_and(done = 0) FROM nurture_tick(1000, '10 s') WHERE kind = 'grade'), 'nothing is due yet');
SELECT is((SELECT grade FROM nurture.lead_stage WHERE lead_id = 932101), 'D1', 'the tick has decided who was active');
SELECT is((SELECT due_at FROM nurture.gate WHERE lead_id = 932101), '2026-05-08 00:00Z', 'and knows when to come back');
SELECT is((SELECT count(*) FROM expected e JOIN nurture.gate g USING (lead_id) JOIN nurture.lead_stage s USING (lead_id)
           WHERE s.product = '*' AND e.on_date IS NOT NULL AND coalesce(g.due_at, 'infinity') > greatest(e.on_date, '2026-05-02')::timestamp AT TIME ZONE 'UTC'), 0::bigint, 'to nobody too late');
INSERT INTO nurture.event (lead_id, event_type, occurred_at) VALUES (932101, 'un_ask', '2026-05-01 09:30Z');
SELECT count(*) > 0 FROM nurture_tick(1000, '10 s');
SELECT is((SELECT due_at FROM nurture.gate WHERE lead_id = 932101), '2026-05-08 00:00Z', 'more points leave the day where it is: to come early does no harm');
SET LOCAL nurture.clock = '2026-05-08T00:00:00Z';
SELECT count(*) > 0 FROM nurture_tick(1000, '10 s');
SELECT is((SELECT due_at FROM nurture.gate WHERE lead_id = 932101), '2026-05-18 00:00Z', 'then it is set again');
DO $$
BEGIN
    FOR i IN 1..100 LOOP
        PERFORM set_config('nurture.clock', to_char(timestamp '2026-05-08' + i * interval '1 day', 'YYYY-MM-DD"T00:00:00Z"'), true);
        PERFORM nurture_tick(1000, '10 s');
        IF EXISTS (SELECT FROM nurture.lead_stage s WHERE s.lead_id BETWEEN 932001 AND 932101 AND s.product = '*' AND s.grade IS DISTINCT FROM nurture_grade(s.lead_id)) THEN
            RAISE EXCEPTION 'grades of % are behind', nurture_now();
        END IF;
    END LOOP;
END $$;
SELECT pass('a tick a day keeps every grade what it is');
SELECT is((SELECT count(*) FROM nurture.gate g WHERE g.lead_id BETWEEN 932001 AND 932102 AND g.due_at <= nurture_now()), 0::bigint, 'and leaves nothing due');

SELECT * FROM finish();
ROLLBACK;
