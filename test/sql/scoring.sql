-- Models, scores and explanations.
BEGIN;
SET LOCAL client_min_messages = warning;
SELECT plan(52);

SET LOCAL nurture.clock = '2026-06-30T12:00:00Z';
INSERT INTO nurture.event_type (event_type, class) VALUES ('t_click', 'engagement'), ('t_demo', 'intent'), ('t_page', 'content'), ('t_show', 'negative');
INSERT INTO nurture.signal (signal, signal_id, event_type, title) VALUES
    ('t_click', 30001, 't_click', 'link clicked'), ('t_demo', 30002, 't_demo', 'demo requested'),
    ('t_page', 30003, 't_page', 'page viewed'), ('t_show', 30004, 't_show', 'no-show');
INSERT INTO nurture.account (account_id, name, country, organization_type, active_leads) VALUES (900001, 'Clinic', 'DE', 'hospital', 7);
INSERT INTO nurture.lead (lead_id, account_id, audience_type, role, specialty, country, attributes, email) VALUES
    (900001, 900001, 'hcp', 'physician', 'oncology', 'DE', '{"company_size": 250, "capability": ["pk", "imaging"], "start": "2026-08-01", "text_number": "12.5", "flag": true}', 'a@example.org'),
    (900002, NULL, 'hcp', 'nurse', NULL, 'US', '{}', NULL),
    (900003, NULL, 'payer', NULL, NULL, NULL, '{}', NULL);
INSERT INTO nurture.activity (lead_id, signals) VALUES
    (900001, '{30001@2026-06-30:5, 30001@2026-06-20:1, 30002@2026-05-31:1, 30003@2026-06-29:4, 30003@2026-06-28:1, 30004@2026-06-25:1}')
    ON CONFLICT (lead_id) DO UPDATE SET signals = EXCLUDED.signals;

INSERT INTO nurture.model (model, audience_types, is_default) VALUES ('t_model', '{t_none}', false);
SELECT is(nurture_draft('model', 't_model'), 1, 'a first draft is version 1');
INSERT INTO nurture.rule_group (model, version, rule_group, dimension, cap) VALUES ('t_model', 1, 't_pages', 'intent', 6);
INSERT INTO nurture.fit_rule (model, version, rule, attribute, operator, operand, points) VALUES
    ('t_model', 1, 'r_role', 'role', '=', '"physician"', 10.5),
    ('t_model', 1, 'r_country', 'country', 'in', '["DE", "FR"]', 5),
    ('t_model', 1, 'r_not', 'country', 'not_in', '["DE"]', 3),
    ('t_model', 1, 'r_size', 'attributes.company_size', 'between', '[200, 300]', 2.25),
    ('t_model', 1, 'r_text_number', 'attributes.text_number', '>=', '12.4', 0.01),
    ('t_model', 1, 'r_any', 'attributes.capability', 'any_of', '["pk", "ct"]', 1),
    ('t_model', 1, 'r_all', 'attributes.capability', 'all_of', '["pk", "ct"]', 100),
    ('t_model', 1, 'r_due', 'attributes.start', 'due_within', '[0, 60]', 4),
    ('t_model', 1, 'r_flag', 'attributes.flag', '=', 'true', 0.5),
    ('t_model', 1, 'r_account', 'account.active_leads', '>=', '7', 0.7),
    ('t_model', 1, 'r_email', 'email_known', '=', 'true', 0.04),
    ('t_model', 1, 'r_known', 'specialty', 'known', NULL, 1),
    ('t_model', 1, 'r_prefix', 'specialty', 'prefix', '"onco"', 1);
INSERT INTO nurture.fit_rule (model, version, rule, condition, points) VALUES
    ('t_model', 1, 'r_condition', '{"all": [{"fact": "role", "op": "=", "value": "nurse"}, {"not": {"fact": "specialty", "op": "=", "value": "x"}}]}', -7);
INSERT INTO nurture.signal_rule (model, version, rule, signal, points, curve, curve_days, curve_steps, per_day_max, count_max, cap, rule_group) VALUES
    ('t_model', 1, 's_click', 't_click', 3, 'none', NULL, NULL, 1, NULL, NULL, NULL),
    ('t_model', 1, 's_demo', 't_demo', 40, 'half_life', 30, NULL, NULL, 1, NULL, NULL),
    ('t_model', 1, 's_page', 't_page', 2, 'linear', 10, NULL, 3, NULL, NULL, 't_pages'),
    ('t_model', 1, 's_page_step', 't_page', 1, 'step', NULL, '[[1, 100], [2, 50]]', NULL, NULL, NULL, 't_pages'),
    ('t_model', 1, 's_show', 't_show', -5, 'window', 5, NULL, NULL, NULL, NULL, NULL);
INSERT INTO nurture.pattern (model, version, pattern, condition, points) VALUES
    ('t_model', 1, 'p_demo_then_click', '{"signal": "t_click", "after": "t_demo", "at_least": 2, "within_days": 30}', 12);
INSERT INTO nurture.band (model, version, dimension, band, min_points) VALUES
    ('t_model', 1, 'fit', 'A', 20), ('t_model', 1, 'fit', 'B', 5), ('t_model', 1, 'intent', '1', 40), ('t_model', 1, 'intent', '2', 10);
INSERT INTO nurture.model_limit (model, version, dimension, cap) VALUES ('t_model', 1, 'fit', 25);

SELECT throws_ok($$SELECT nurture_score(900001, 't_model')$$, 'NU003', 'model "t_model" has no published version', 'a draft does not score');
SELECT is((SELECT total FROM nurture_scores('t_model', 1) WHERE lead_id = 900001), 64.00, 'a draft can be tried over all leads');
SELECT is(nurture_publish('model', 't_model', 1, 'test'), 'model t_model: version 1 published', 'publish says what changed');

-- 10.5 + 5 + 2.25 + 0.01 + 1 + 4 + 0.5 + 0.7 + 0.04 + 1 + 1 = 26.00, capped at 25
SELECT is(nurture_fit(900001, 't_model'), 25.00, 'fit, capped');
-- clicks 2 days x 3 = 6; demo 40 x half at age 30 = 20; pages 3x2x0.9 + 1x2x0.8 = 7.00 and 4x1 + 1x0.5 = 4.5, group cap 6;
-- no-show -5 at age 5; pattern 12 (6 clicks since the demo)
SELECT is(nurture_intent(900001, 't_model'), 39.00, 'intent');
SELECT is(nurture_score(900001, 't_model'), 64.00, 'total');
SELECT is(nurture_grade(900001, 't_model'), 'A2', 'grade');
SELECT is(nurture_score(900002, 't_model'), 3.00, 'unknown facts give nothing; a negated unknown is not true');
SELECT is((SELECT sum(points) FROM nurture_explain(900001, 't_model')), nurture_score(900001, 't_model'), 'the explanation adds up');
SELECT results_eq($$SELECT rule, label, occurrences, last_day, raw_points, decayed_points, points FROM nurture_explain(900001, 't_model') WHERE kind <> 'fit_rule' ORDER BY kind, rule$$,
    $$VALUES ('fit', 'cap of fit at 25.00', NULL::bigint, NULL::date, 26.00, 26.00, -1.00),
             ('group t_pages', 'cap of group t_pages at 6.00', NULL, NULL, 11.50, 11.50, -5.50),
             ('p_demo_then_click', (SELECT label FROM nurture_explain(900001, 't_model') WHERE rule = 'p_demo_then_click'), NULL, NULL, 12.00, 12.00, 12.00),
             ('s_click', 'link clicked twice, last on 2026-06-30', 2, '2026-06-30', 6.00, 6.00, 6.00),
             ('s_demo', 'demo requested once, last on 2026-05-31', 1, '2026-05-31', 40.00, 20.00, 20.00),
             ('s_page', 'page viewed 4 times, last on 2026-06-29', 4, '2026-06-29', 8.00, 7.00, 7.00),
             ('s_page_step', 'page viewed 5 times, last on 2026-06-29', 5, '2026-06-29', 5.00, 4.50, 4.50),
             ('s_show', 'no-show once, last on 2026-06-25', 1, '2026-06-25', -5.00, -5.00, -5.00)$$, 'the rows of the explanation');
SELECT is((SELECT label FROM nurture_explain(900001, 't_model') WHERE rule = 'r_country'), 'country is DE or FR', 'a rule without a title is told by its condition');
SELECT is(nurture_score(900009), NULL, 'an unknown lead has no score');
SELECT is(nurture_score(NULL), NULL, 'null in, null out');
SELECT is(nurture_score(900001, NULL), NULL, 'null model, null out');
SELECT throws_ok($$SELECT nurture_score(900001, 't_modell')$$, 'NU003', 'unknown model "t_modell"', 'an unknown model is named');
SELECT is((SELECT count(*) FROM nurture_explain(900009)), 0::bigint, 'nothing to explain about an unknown lead');

-- time
SET LOCAL nurture.clock = '2026-07-01T00:00:00Z';
SELECT is((SELECT decayed_points FROM nurture_explain(900001, 't_model') WHERE rule = 's_demo'), 19.54, 'decay by whole UTC days');
SELECT is((SELECT count(*) FROM nurture_explain(900001, 't_model') WHERE rule = 's_show' AND points <> 0), 0::bigint, 'a window closes');
SET LOCAL nurture.clock = '2026-06-30T12:00:00Z';

-- immutability
SELECT throws_ok($$UPDATE nurture.fit_rule SET points = 99 WHERE model = 't_model'$$, 'NU006', 'version 1 of model "t_model" is published and cannot be changed', 'published rules cannot be updated');
SELECT throws_ok($$DELETE FROM nurture.signal_rule WHERE model = 't_model'$$, 'NU006', NULL, 'nor deleted');
SELECT throws_ok($$INSERT INTO nurture.band VALUES ('t_model', 1, 'total', 'A', 1)$$, 'NU006', NULL, 'nor added to');
SELECT throws_ok($$UPDATE nurture.model_version SET status = 'draft' WHERE model = 't_model'$$, 'NU006', NULL, 'nor reopened');
SELECT throws_ok($$INSERT INTO nurture.model_version (model, version, status) VALUES ('t_model', 9, 'published')$$, 'NU007', NULL, 'a version begins as a draft');
SELECT throws_ok($$TRUNCATE nurture.fit_rule$$, 'NU006', NULL, 'nor truncated');
SET LOCAL session_replication_role = replica;
SELECT throws_ok($$UPDATE nurture.fit_rule SET points = 99 WHERE model = 't_model'$$, 'NU006', NULL, 'session_replication_role changes nothing');
SET LOCAL session_replication_role = origin;
SELECT throws_ok($$SELECT nurture_publish('model', 't_model', 1, 'again')$$, 'NU007', NULL, 'publishing twice is refused');
SELECT throws_ok($$SELECT nurture_publish('model', 't_model', 1, '  ')$$, '22023', 'a reason is needed to publish', 'a reason is needed');
SELECT throws_ok($$SELECT nurture_publish('modell', 't_model', 1, 'x')$$, 'NU003', NULL, 'an unknown kind is named');

-- a new version, seen at once, forgotten at rollback
SAVEPOINT s;
SELECT is(nurture_draft('model', 't_model', 1), 2, 'a draft from a version');
UPDATE nurture.fit_rule SET points = 20 WHERE model = 't_model' AND version = 2 AND rule = 'r_country';
DELETE FROM nurture.model_limit WHERE model = 't_model' AND version = 2;
SELECT is(nurture_score(900001, 't_model'), 64.00, 'a draft changes no score');
SELECT is((SELECT total FROM nurture_scores('t_model', 2) WHERE lead_id = 900001), 80.00, 'but can be tried');
SELECT is(nurture_publish('model', 't_model', 2, 'more for Germany'), 'model t_model: version 2 published, version 1 retired; 0 of 0 open leads change grade', 'version 2 replaces version 1');
SELECT is(nurture_score(900001, 't_model'), 80.00, 'the new version applies at once');
SELECT is((SELECT count(*) FROM nurture.model_version WHERE model = 't_model' AND content_hash IS NOT NULL), 2::bigint, 'both have their content hash');
ROLLBACK TO s;
SELECT is(nurture_score(900001, 't_model'), 64.00, 'a savepoint rolled back takes the version with it');

-- two persons
SET LOCAL nurture.app_user = 'anna';
SELECT nurture_draft('model', 't_model', 1);
SET LOCAL nurture.two_person_rule = on;
SELECT throws_ok($$SELECT nurture_publish('model', 't_model', 2, 'mine')$$, '42501', NULL, 'the author may not publish under the two-person rule');
SET LOCAL nurture.pooled_logins = on;
SELECT lives_ok($$SELECT nurture_publish('model', 't_model', 2, 'seen', actor => 'bert')$$, 'another person may');
SET LOCAL nurture.two_person_rule = off;

-- bad rules are refused when they are written
SELECT nurture_draft('model', 't_model');
PREPARE bad_fit(text, text, jsonb) AS INSERT INTO nurture.fit_rule (model, version, rule, attribute, operator, operand, points) VALUES ('t_model', 3, 'bad', $1, $2, $3, 1);
SELECT throws_ok($$EXECUTE bad_fit('rolle', '=', '"x"')$$, 'NU005', NULL, 'an unknown attribute');
SELECT throws_ok($$EXECUTE bad_fit('email', '=', '"x"')$$, 'NU005', NULL, 'a contact point is no attribute');
SELECT throws_ok($$EXECUTE bad_fit('role', 'like', '"x"')$$, 'NU005', NULL, 'an unknown operator');
SELECT throws_ok($$EXECUTE bad_fit('attributes.n', 'between', '[5, 4]')$$, 'NU005', NULL, 'an empty range');
SELECT throws_ok($$INSERT INTO nurture.fit_rule (model, version, rule, attribute, operator, operand, points) VALUES ('t_model', 3, 'bad', 'role', '=', '"x"', 'NaN')$$, '23514', NULL, 'NaN points');
SELECT throws_ok($$INSERT INTO nurture.fit_rule (model, version, rule, attribute, operator, operand, points) VALUES ('t_model', 3, 'bad', 'role', '=', '"x"', 1e8)$$, '22003', NULL, 'points past their limit');
SELECT throws_ok($$INSERT INTO nurture.signal_rule (model, version, rule, signal, points) VALUES ('t_model', 3, 'bad', 't_clik', 1)$$, 'NU003', 'unknown signal "t_clik"', 'an unknown signal');
SELECT throws_ok($$INSERT INTO nurture.signal_rule (model, version, rule, signal, points, curve, curve_days) VALUES ('t_model', 3, 'bad', 't_click', 1, 'half_life', 0)$$, '22023', NULL, 'a half-life of no days');
SELECT throws_ok($$INSERT INTO nurture.signal_rule (model, version, rule, signal, points, curve, curve_steps) VALUES ('t_model', 3, 'bad', 't_click', 1, 'step', '[[3, 50], [2, 10]]')$$, '22023', NULL, 'steps that go back');
SELECT throws_ok($$INSERT INTO nurture.signal_rule (model, version, rule, signal, points, per_day_max) VALUES ('t_model', 3, 'bad', 't_click', 1, 2)$$, '22023', NULL, 'per_day_max above 1 without a curve');
SELECT throws_ok($$SELECT nurture_publish('model', 't_model', 3, 'empty')$$, 'NU010', NULL, 'a version without rules cannot be published');
INSERT INTO nurture.signal_rule (model, version, rule, signal, points, cap) VALUES ('t_model', 3, 's', 't_click', 1, 5);
INSERT INTO nurture.band (model, version, dimension, band, min_points) VALUES ('t_model', 3, 'intent', '1', 50), ('t_model', 3, 'fit', 'A', 1);
SELECT results_eq($$SELECT finding, severity, path FROM nurture_check_model('t_model', 3) ORDER BY 1$$,
    $$VALUES ('band 1 cannot be reached', 'error', 'band/intent/1'), ('band A cannot be reached', 'error', 'band/fit/A'), ('the version has no tier rules', 'warning', NULL)$$, 'the check names unreachable bands');

-- the view agrees with the functions, and merged leads resolve
SELECT is((SELECT count(*) FROM nurture_bi.lead_score v WHERE v.total IS DISTINCT FROM nurture_score(v.lead_id) OR v.grade IS DISTINCT FROM nurture_grade(v.lead_id)), 0::bigint, 'the view agrees with the functions');
UPDATE nurture.lead SET merged_into = 900001 WHERE lead_id = 900003;
SELECT is(nurture_score(900003, 't_model'), nurture_score(900001, 't_model'), 'a merged lead has the score of its survivor');
SELECT * FROM finish();
ROLLBACK;
