-- What a version would change, before it is published.
BEGIN;
SET LOCAL client_min_messages = warning;
SET LOCAL nurture.clock = '2026-06-30T12:00:00Z';
SELECT plan(27);

INSERT INTO nurture.audience_type (audience_type, title) VALUES ('w_aud', 'audience of the test'), ('w_other', 'another');
INSERT INTO nurture.event_type (event_type, class) VALUES ('w_click', 'engagement');
INSERT INTO nurture.signal (signal, signal_id, event_type) VALUES ('w_click', 31501, 'w_click');
INSERT INTO nurture.lead (lead_id, audience_type, role, country, is_test) SELECT 930000 + i, (ARRAY['w_aud', 'w_other'])[1 + i % 2],
    CASE WHEN i % 3 > 0 THEN 'physician' END, (ARRAY['DE', 'FR'])[1 + i / 20], i = 40 FROM generate_series(1, 40) i;
UPDATE nurture.lead SET merged_into = 930001 WHERE lead_id = 930004;
INSERT INTO nurture.activity (lead_id, signals) SELECT 930000 + i, ('{31501@2026-06-30:' || i || '}')::nurture_tally FROM generate_series(1, 40) i WHERE i % 5 > 0 AND i <> 4
    ON CONFLICT (lead_id) DO UPDATE SET signals = EXCLUDED.signals;
UPDATE nurture.lead SET erased_at = '2026-06-30' WHERE lead_id = 930006;

INSERT INTO nurture.model (model, title) VALUES ('w_model', 'what if');
SELECT nurture_draft('model', 'w_model');
INSERT INTO nurture.fit_rule (model, version, rule, attribute, operator, operand, points) VALUES ('w_model', 1, 'role', 'role', '=', '"physician"', 20);
INSERT INTO nurture.signal_rule (model, version, rule, signal, points, curve, curve_days) VALUES ('w_model', 1, 'click', 'w_click', 1, 'half_life', 30);
INSERT INTO nurture.band (model, version, dimension, band, min_points) VALUES ('w_model', 1, 'fit', 'A', 20), ('w_model', 1, 'intent', '1', 20), ('w_model', 1, 'intent', '2', 10);
SELECT nurture_publish('model', 'w_model', 1, 'first');
SELECT nurture_draft('model', 'w_model', 1);
UPDATE nurture.signal_rule SET points = 2 WHERE model = 'w_model' AND version = 2;
INSERT INTO nurture.fit_rule (model, version, rule, attribute, operator, operand, points) VALUES ('w_model', 2, 'country', 'country', '=', '"FR"', 0.5);

CREATE TEMP VIEW mine AS SELECT * FROM nurture_what_if('w_model', 2) w WHERE w.lead_id BETWEEN 930001 AND 930040;
SELECT results_eq('SELECT * FROM mine WHERE lead_id <= 930008', $$VALUES
    (930001::bigint, 21.00, 22.00, 'A4', 'A4'), (930002, 22.00, 24.00, 'A4', 'A4'), (930003, 3.00, 6.00, 'D4', 'D4'), (930005, 20.00, 20.00, 'A4', 'A4'),
    (930007, 27.00, 34.00, 'A4', 'A2'), (930008, 28.00, 36.00, 'A4', 'A2')$$, 'a draft against what is in force; merged and erased leads are left out');
SELECT is((SELECT count(*) FROM mine), 37::bigint, 'test leads are not among them');
SELECT results_eq('SELECT * FROM mine', $$SELECT o.lead_id, o.total, n.total, o.grade, n.grade FROM nurture_scores('w_model', 1) o JOIN nurture_scores('w_model', 2) n USING (lead_id)
    WHERE o.lead_id BETWEEN 930001 AND 930040 ORDER BY 1$$, 'both totals are those of nurture_scores');
SELECT results_eq($$SELECT lead_id, new_total, old_total, new_grade, old_grade FROM nurture_what_if('w_model', 1, 2) w WHERE w.lead_id BETWEEN 930001 AND 930040$$, 'SELECT * FROM mine', 'and the other way round against the draft');
SELECT is((SELECT count(*) FROM nurture_what_if('w_model', 1) WHERE old_total IS DISTINCT FROM new_total OR old_grade IS DISTINCT FROM new_grade), 0::bigint, 'what is in force changes nothing');
SELECT results_eq($$SELECT * FROM nurture_what_if_matrix('w_model', 2)$$, $$SELECT old_grade, new_grade, count(*) FROM nurture_what_if('w_model', 2) GROUP BY 1, 2 ORDER BY 1, 2$$, 'the matrix counts the same moves');
SELECT is((SELECT sum(leads) FROM nurture_what_if_matrix('w_model', 2)), (SELECT count(*)::numeric FROM nurture.lead WHERE merged_into IS NULL AND erased_at IS NULL AND NOT is_test), 'of all leads');
SELECT is(nurture_score(930008, 'w_model'), 28.00, 'no score has changed');
SELECT is((SELECT status FROM nurture.model_version WHERE model = 'w_model' AND version = 2), 'draft', 'nor the status of the draft');
SELECT is((SELECT count(*) FROM nurture_what_if('w_model', 2, 2) WHERE old_total <> new_total), 0::bigint, 'a version against itself');

-- whom a model is for
INSERT INTO nurture.model (model, audience_types, is_default) VALUES ('w_own', '{w_aud}', true);
SELECT nurture_draft('model', 'w_own');
INSERT INTO nurture.fit_rule (model, version, rule, attribute, operator, operand, points) VALUES ('w_own', 1, 'role', 'role', '=', '"physician"', 7);
SELECT results_eq($$SELECT w.lead_id, old_total = nurture_score(w.lead_id), new_total, old_grade = nurture_grade(w.lead_id), new_grade FROM nurture_what_if('w_own', 1) w WHERE w.lead_id BETWEEN 930001 AND 930009$$,
    $$VALUES (930002::bigint, true, 7.00, true, NULL::text), (930008, true, 7.00, true, NULL)$$, 'a first version: leads of its audience only, against what applies to them now');
SELECT is((SELECT count(*) FROM nurture_what_if('default', 1) WHERE lead_id BETWEEN 930001 AND 930040), 37::bigint, 'until it is published, the default is for its leads too');
SELECT nurture_publish('model', 'w_own', 1, 'own rules', true);
SELECT is((SELECT count(*) FROM nurture_what_if('default', 1) WHERE lead_id BETWEEN 930001 AND 930040), 20::bigint, 'afterwards no more');
SELECT is((SELECT count(*) FROM nurture_what_if('w_model', 2) WHERE lead_id BETWEEN 930001 AND 930040), 37::bigint, 'a model that is no default and names nobody is for all');
INSERT INTO nurture.model (model) VALUES ('w_none');
SELECT nurture_draft('model', 'w_none');
INSERT INTO nurture.fit_rule (model, version, rule, attribute, operator, operand, points) VALUES ('w_none', 1, 'role', 'role', '=', '"physician"', 7);
SELECT results_eq($$SELECT * FROM nurture_what_if('w_none', 1) WHERE lead_id = 930001$$, $$VALUES (930001::bigint, NULL::numeric, 7.00, NULL::text, NULL::text)$$, 'nothing in force, nothing before');

-- bad input
SELECT throws_ok($$SELECT nurture_what_if('w_mdel', 2)$$, 'NU003', 'unknown model "w_mdel"', 'an unknown model');
SELECT throws_ok($$SELECT nurture_what_if('w_model', 9)$$, 'NU003', 'model "w_model" has no version 9', 'an unknown version');
SELECT throws_ok($$SELECT nurture_what_if_matrix('w_model', 2, 0)$$, 'NU003', 'model "w_model" has no version 0', 'an unknown version to compare with');
SELECT throws_ok($$SELECT nurture_what_if('w_model', NULL)$$, '22004', 'model and version must not be null', 'no version');

-- points of every size are the numerics that the server makes
CREATE TEMP TABLE size AS SELECT 930100 + n AS lead_id, p FROM unnest('{0,0.01,-0.01,0.1,0.99,1,-1,9.9,10,99.99,100,9999,9999.99,10000,-10000.01,12345.60,1000000,9999999.99,-9999999.99}'::numeric(9,2)[]) WITH ORDINALITY u (p, n);
INSERT INTO nurture.lead (lead_id, audience_type, role) SELECT lead_id, 'unknown', 'r' || lead_id FROM size;
INSERT INTO nurture.model (model) VALUES ('w_size');
SELECT nurture_draft('model', 'w_size');
INSERT INTO nurture.fit_rule (model, version, rule, attribute, operator, operand, points) SELECT 'w_size', 1, 'r' || lead_id, 'role', '=', to_jsonb('r' || lead_id), p FROM size;
INSERT INTO nurture.fit_rule (model, version, rule, attribute, operator, operand, points) VALUES ('w_size', 1, 'u', 'country', '=', '"DE"', 12345.67);
INSERT INTO nurture.signal_rule (model, version, rule, signal, points) VALUES ('w_size', 1, 's', 'w_click', 9999999.99);
INSERT INTO nurture.activity (lead_id, signals) SELECT lead_id, ('{31501@2026-06-30:' || CASE lead_id WHEN 930101 THEN 1 WHEN 930102 THEN 1000 WHEN 930103 THEN 4000000000 END || '}')::nurture_tally FROM size WHERE lead_id <= 930103
    ON CONFLICT (lead_id) DO UPDATE SET signals = EXCLUDED.signals;
SELECT is_empty($$SELECT s.lead_id, s.fit, p FROM nurture_scores('w_size', 1) s JOIN size USING (lead_id) WHERE numeric_send(s.fit) <> numeric_send(p) OR s.fit::text <> p::text$$, 'of fit');
SELECT results_eq($$SELECT s.intent, s.intent::text, hash_numeric(s.intent) = hash_numeric(n * 9999999.99) FROM nurture_scores('w_size', 1) s JOIN (VALUES (930101, 1::numeric), (930102, 1000), (930103, 4000000000), (930104, 0)) v (lead_id, n) USING (lead_id) ORDER BY s.lead_id$$,
    $$VALUES (9999999.99, '9999999.99', true), (9999999990.00, '9999999990.00', true), (39999999960000000.00, '39999999960000000.00', true), (0.00, '0.00', true)$$, 'of intent');
SELECT results_eq($$SELECT s.lead_id, s.confidence::text FROM nurture_scores('w_model', 1) s WHERE lead_id IN (930001, 930002, 930003) UNION ALL SELECT s.lead_id, s.confidence::text FROM nurture_scores('w_size', 1) s WHERE lead_id = 930101 ORDER BY 1$$,
    $$VALUES (930001::bigint, '1.0000'), (930002, '1.0000'), (930003, '0.0000'), (930101, '0.9994')$$, 'of confidence');

-- whose rights
SAVEPOINT s;
SET LOCAL transaction_read_only = on;
SELECT is((SELECT count(*) FROM mine), 37::bigint, 'a read-only transaction is enough');
ROLLBACK TO s;
CREATE ROLE nurture_test_what_if;
UPDATE nurture.lead SET owner = 'rep_' || lead_id % 2 WHERE lead_id BETWEEN 930001 AND 930010;
GRANT USAGE ON SCHEMA nurture TO nurture_test_what_if;
SET LOCAL ROLE nurture_test_what_if;
SELECT throws_ok($$SELECT nurture_what_if('default', 1)$$, '42501', NULL, 'who may not read leads learns nothing');
RESET ROLE;
GRANT SELECT ON nurture.lead, nurture.activity, nurture.account TO nurture_test_what_if;
ALTER TABLE nurture.lead ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON nurture.lead TO nurture_test_what_if USING (owner = 'rep_1');
SET LOCAL ROLE nurture_test_what_if;
SELECT is((SELECT array_agg(lead_id) FROM nurture_what_if('w_none', 1)), ARRAY[930001, 930003, 930005, 930007, 930009]::bigint[], 'row-level security decides which leads are seen');
SELECT is((SELECT sum(leads) FROM nurture_what_if_matrix('w_none', 1)), 5::numeric, 'in the matrix too');
RESET ROLE;

-- parallel plans around it
DO $$BEGIN PERFORM set_config(name, 'on', true) FROM pg_settings WHERE name IN ('force_parallel_mode', 'debug_parallel_query'); END$$;
SELECT is((SELECT sum(leads) FROM nurture_what_if_matrix('w_model', 2)), (SELECT count(*)::numeric FROM nurture.lead WHERE merged_into IS NULL AND erased_at IS NULL AND NOT is_test), 'in a parallel worker');
SELECT * FROM finish();
ROLLBACK;
