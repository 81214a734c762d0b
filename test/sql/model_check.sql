-- Every finding of nurture_check_model, each by a version that has it and
-- nothing else wrong.
BEGIN;
SET LOCAL client_min_messages = warning;
SET LOCAL nurture.clock = '2026-06-30T12:00:00Z';
SELECT plan(61);
SELECT is_empty($$SELECT v.model, v.version, c.* FROM nurture.model_version v, nurture_check_model(v.model, v.version) c$$, 'the preset has nothing to find');
INSERT INTO nurture.audience_type (audience_type, title) VALUES ('c_aud', 'of this test'), ('c_two', 'of this test');
INSERT INTO nurture.event_type (event_type, class, sensitive) VALUES ('c_click', 'engagement', false), ('c_old', 'engagement', false), ('c_illness', 'content', true), ('c_harm', 'safety', false);
INSERT INTO nurture.signal (signal, signal_id, event_type, retired_at) VALUES ('c_click', 31701, 'c_click', NULL), ('c_old', 31702, 'c_old', '2026-01-01'), ('c_illness', 31703, 'c_illness', NULL), ('c_harm', 31704, 'c_harm', NULL), ('c_lost', 31705, 'c_click', NULL);
INSERT INTO nurture.attribute (attribute, type, title, reason) VALUES ('c_size', 'number', 'size', 'test');

-- what a sound version is
INSERT INTO nurture.model (model, audience_types) VALUES ('c_model', '{c_aud,c_two}');
SELECT nurture_draft('model', 'c_model');
INSERT INTO nurture.rule_group (model, version, rule_group, dimension, floor, cap) VALUES ('c_model', 1, 'who', 'fit', NULL, 40), ('c_model', 1, 'clicks', 'intent', 0, 30);
INSERT INTO nurture.fit_rule (model, version, rule, attribute, operator, operand, points, rule_group) VALUES
    ('c_model', 1, 'aud', 'audience_type', '=', '"c_aud"', 20, 'who'), ('c_model', 1, 'country', 'country', 'in', '["DE", "FR"]', 20, NULL),
    ('c_model', 1, 'abroad', 'country', 'not_in', '["DE", "FR"]', -5, NULL), ('c_model', 1, 'small', 'attributes.c_size', 'between', '[1, 10]', 5, 'who'),
    ('c_model', 1, 'large', 'attributes.c_size', '>=', '11', 10, 'who'), ('c_model', 1, 'any_size', 'attributes.c_size', 'between', '[1, 100]', 1, NULL);
INSERT INTO nurture.signal_rule (model, version, rule, signal, points, curve, curve_days, per_day_max, cap, rule_group) VALUES
    ('c_model', 1, 'click', 'c_click', 10, 'half_life', 30, 1, NULL, 'clicks'), ('c_model', 1, 'ever', 'c_click', 1, 'none', NULL, 1, 5, NULL);
INSERT INTO nurture.pattern (model, version, pattern, condition, points) VALUES
    ('c_model', 1, 'often', '{"all": [{"signal": "c_click", "at_least": 5, "within_days": 30}, {"signal": "c_click", "at_most": 20}]}', 5);
INSERT INTO nurture.model_limit (model, version, dimension, floor, cap) VALUES ('c_model', 1, 'fit', 0, 100), ('c_model', 1, 'total', NULL, 120);
INSERT INTO nurture.band (model, version, dimension, band, min_points) VALUES
    ('c_model', 1, 'fit', 'A', 40), ('c_model', 1, 'fit', 'B', 20), ('c_model', 1, 'fit', 'C', 0), ('c_model', 1, 'intent', '1', 20), ('c_model', 1, 'intent', '2', 10), ('c_model', 1, 'total', 'A', 60);
INSERT INTO nurture.tier_rule (model, version, tier, requirement, condition, fails_with) VALUES
    ('c_model', 1, 1, 'known', '{"fact": "email_known", "op": "=", "value": true}', 'missing_contact_point'), ('c_model', 1, 2, 'fit', '{"score": {"dimension": "fit", "at_least": 20}}', 'fit_short');
SELECT is_empty($$SELECT * FROM nurture_check_model('c_model', 1)$$, 'a sound version');

-- what one change makes of it
CREATE FUNCTION pg_temp.with_change(change text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    found text;
BEGIN
    BEGIN
        EXECUTE change;
        SELECT string_agg(concat_ws(' | ', severity, path, finding), E'\n' ORDER BY path, finding) INTO found FROM nurture_check_model('c_model', 1);
        RAISE EXCEPTION USING ERRCODE = 'TT001', MESSAGE = coalesce(found, 'nothing');
    EXCEPTION WHEN SQLSTATE 'TT001' THEN
        RETURN SQLERRM;
    END;
END $$;
-- rules as they may stand in a table whose guards did not run: restored, or from before a setting changed
CREATE FUNCTION pg_temp.as_restored(change text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    path text := current_setting('search_path');
BEGIN
    PERFORM set_config('session_replication_role', 'replica', true), set_config('row_security', 'off', true), set_config('check_function_bodies', 'off', true), set_config('search_path', '', true);
    EXECUTE change;
    PERFORM set_config('session_replication_role', 'origin', true), set_config('row_security', 'on', true), set_config('check_function_bodies', 'on', true), set_config('search_path', path, true);
    RETURN 'done';
END $$;
CREATE FUNCTION pg_temp.fit(attribute text, operator text, operand jsonb, points numeric DEFAULT 1, rule_group text DEFAULT NULL) RETURNS text LANGUAGE sql AS
$$ SELECT format('INSERT INTO nurture.fit_rule (model, version, rule, attribute, operator, operand, points, rule_group) VALUES (''c_model'', 1, ''new'', %L, %L, %L, %L, %L)', attribute, operator, operand, points, rule_group) $$;
CREATE FUNCTION pg_temp.when_(condition jsonb) RETURNS text LANGUAGE sql AS
$$ SELECT format('INSERT INTO nurture.pattern (model, version, pattern, condition, points) VALUES (''c_model'', 1, ''new'', %L, 1)', condition) $$;
CREATE FUNCTION pg_temp.tier(condition jsonb, tier int DEFAULT 2) RETURNS text LANGUAGE sql AS
$$ SELECT format('INSERT INTO nurture.tier_rule (model, version, tier, requirement, condition, fails_with) VALUES (''c_model'', 1, %s, ''new'', %L, ''x'')', tier, condition) $$;
CREATE FUNCTION pg_temp.signal(columns text, content text) RETURNS text LANGUAGE sql AS
$$ SELECT format('INSERT INTO nurture.signal_rule (model, version, rule, signal, points%s) VALUES (''c_model'', 1, ''new'', %s)', columns, content) $$;

-- rules that cannot be compiled
SELECT is(pg_temp.with_change($$SELECT pg_temp.as_restored('DELETE FROM nurture.signal WHERE signal = ''c_click''')$$),
    E'error | pattern/often | unknown signal "c_click" at "/all/0/signal" in the document\nerror | signal_rule/click | unknown signal "c_click"\nerror | signal_rule/ever | unknown signal "c_click"', 'unknown signals');
SELECT is(pg_temp.with_change($$SELECT pg_temp.as_restored($i$INSERT INTO nurture.fit_rule (model, version, rule, attribute, operator, operand, points) VALUES ('c_model', 1, 'new', 'rolle', '=', '"x"', 1)$i$)$$),
    'error | fit_rule/new | unknown fact "rolle"', 'unknown facts');
SELECT is(pg_temp.with_change($$SELECT pg_temp.as_restored($i$INSERT INTO nurture.fit_rule (model, version, rule, condition, points) VALUES ('c_model', 1, 'new', '{"fakt": 1}', 1)$i$)$$) ~ '^error . fit_rule/new . unknown term', true, 'conditions that are none');
SELECT is(pg_temp.with_change($$UPDATE nurture.signal_rule SET curve_days = 700 WHERE model = 'c_model' AND rule = 'click'; SET LOCAL nurture.horizon_days = 400$$),
    'error | signal_rule/click | the curve is longer than the horizon of 400 days', 'a curve longer than the horizon');
SET LOCAL nurture.horizon_days = 800;
SELECT is(pg_temp.with_change($$UPDATE nurture.signal_rule SET curve = 'step', curve_days = NULL, curve_steps = '[[10, 100], [700, 5]]' WHERE model = 'c_model' AND rule = 'click'; SET LOCAL nurture.horizon_days = 400$$),
    'error | signal_rule/click | the curve is longer than the horizon of 400 days', 'steps beyond the horizon');
SET LOCAL nurture.horizon_days = 800;
SELECT is(pg_temp.with_change($$SELECT pg_temp.as_restored('UPDATE nurture.signal_rule SET curve = ''step'', curve_days = NULL, curve_steps = ''7'' WHERE model = ''c_model'' AND rule = ''click''')$$),
    'error | signal_rule/click | curve_steps is not a list of [days, percent] pairs', 'steps that are none');
SELECT is(pg_temp.with_change($$SELECT pg_temp.as_restored('UPDATE nurture.signal_rule SET per_day_max = 2 WHERE model = ''c_model'' AND rule = ''ever''')$$),
    'error | signal_rule/ever | per_day_max above 1 needs a curve that fades', 'per_day_max without a curve');

-- nothing there
SELECT is(pg_temp.with_change($$DELETE FROM nurture.fit_rule WHERE model = 'c_model'; DELETE FROM nurture.signal_rule WHERE model = 'c_model'; DELETE FROM nurture.pattern WHERE model = 'c_model';
    DELETE FROM nurture.rule_group WHERE model = 'c_model'; DELETE FROM nurture.band WHERE model = 'c_model' AND (band IN ('A', 'B') OR dimension = 'intent'); INSERT INTO nurture.band (model, version, dimension, band, min_points) VALUES ('c_model', 1, 'intent', '4', 0)$$),
    'error | the version has no rules', 'no rules');
SELECT is(pg_temp.with_change($$DELETE FROM nurture.band WHERE model = 'c_model'$$), E'warning | band/fit | dimension fit has no bands\nwarning | band/intent | dimension intent has no bands', 'no bands');
SELECT is(pg_temp.with_change($$DELETE FROM nurture.tier_rule WHERE model = 'c_model'$$), 'warning | the version has no tier rules', 'no tiers');
SELECT is(pg_temp.with_change(pg_temp.tier('{"fact": "country", "op": "known"}', 4)), 'warning | tier_rule/4/new | tier 3 asks for nothing: leads pass it unseen', 'a tier without requirements');
SELECT is(pg_temp.with_change($$INSERT INTO nurture.rule_group (model, version, rule_group, dimension) VALUES ('c_model', 1, 'empty', 'fit')$$), 'warning | rule_group/empty | no rule is in the group', 'a group that is never used');

-- bands
SELECT is(pg_temp.with_change($$UPDATE nurture.band SET min_points = 61.01 WHERE model = 'c_model' AND dimension = 'fit' AND band = 'A'$$), 'error | band/fit/A | band A cannot be reached', 'more than all fit rules together give');
SELECT is(pg_temp.with_change($$UPDATE nurture.band SET min_points = 56 WHERE model = 'c_model' AND dimension = 'fit' AND band = 'A'$$), 'nothing', 'exactly as much');
SELECT is(pg_temp.with_change($$UPDATE nurture.model_limit SET cap = 39 WHERE model = 'c_model' AND dimension = 'fit'$$), 'error | band/fit/A | band A cannot be reached', 'a cap below the band');
SELECT is(pg_temp.with_change($$UPDATE nurture.band SET min_points = 41 WHERE model = 'c_model' AND dimension = 'intent' AND band = '1'$$), 'error | band/intent/1 | band 1 cannot be reached', 'more than groups and caps leave');
SELECT is(pg_temp.with_change($$UPDATE nurture.signal_rule SET rule_group = NULL WHERE model = 'c_model' AND rule = 'click'; DELETE FROM nurture.rule_group WHERE model = 'c_model' AND rule_group = 'clicks';
    UPDATE nurture.band SET min_points = 460 WHERE model = 'c_model' AND dimension = 'intent' AND band = '1'$$), 'error | band/intent/1 | band 1 cannot be reached', 'more than an occurrence on each day adds up to');
SELECT is(pg_temp.with_change($$UPDATE nurture.signal_rule SET rule_group = NULL, per_day_max = NULL WHERE model = 'c_model' AND rule = 'click'; DELETE FROM nurture.rule_group WHERE model = 'c_model' AND rule_group = 'clicks';
    UPDATE nurture.band SET min_points = 460 WHERE model = 'c_model' AND dimension = 'intent' AND band = '1'$$), 'nothing', 'without a limit everything can be reached');
SELECT is(pg_temp.with_change($$UPDATE nurture.model_limit SET floor = 20 WHERE model = 'c_model' AND dimension = 'fit'$$), 'error | band/fit/C | band C cannot be reached: every lead has more points', 'a floor above the band');
SELECT is(pg_temp.with_change($$UPDATE nurture.band SET min_points = 15 WHERE model = 'c_model' AND dimension = 'fit' AND band = 'A'$$), 'error | band/fit/A | band B needs more points than band A', 'bands in the wrong order');
SELECT is(pg_temp.with_change($$UPDATE nurture.band SET min_points = 130 WHERE model = 'c_model' AND dimension = 'total'$$), 'error | band/total/A | band A cannot be reached', 'bands of the total as well');

-- limits that leave nothing
SELECT is(pg_temp.with_change($$UPDATE nurture.signal_rule SET cap = 0 WHERE model = 'c_model' AND rule = 'ever'$$), 'warning | signal_rule/ever | the cap leaves nothing of the points of the rule', 'a cap of 0');
SELECT is(pg_temp.with_change(pg_temp.signal(', floor', '''c_click'', -3, 0')), 'warning | signal_rule/new | the floor leaves nothing of the points of the rule', 'a floor of 0 under negative points');
SELECT is(pg_temp.with_change($$INSERT INTO nurture.rule_group (model, version, rule_group, dimension, cap) VALUES ('c_model', 1, 'nil', 'fit', 0)$$ || ';' || pg_temp.fit('role', '=', '"x"', 5, 'nil')), 'warning | rule_group/nil | the cap leaves nothing of the points of the group', 'a group with a cap of 0');
SELECT is(pg_temp.with_change($$INSERT INTO nurture.rule_group (model, version, rule_group, dimension, floor) VALUES ('c_model', 1, 'nil', 'fit', 0)$$ || ';' || pg_temp.fit('role', '=', '"x"', -5, 'nil')), 'warning | rule_group/nil | the floor leaves nothing of the points of the group', 'a group of negative points with a floor of 0');
SELECT is(pg_temp.with_change($$INSERT INTO nurture.rule_group (model, version, rule_group, dimension, floor, cap) VALUES ('c_model', 1, 'nil', 'fit', 3, 3)$$ || ';' || pg_temp.fit('role', '=', '"x"', 5, 'nil')), 'warning | rule_group/nil | floor and cap are the same: the group is the same for every lead', 'a group that is always the same');
SELECT is(pg_temp.with_change($$UPDATE nurture.model_limit SET floor = 120 WHERE model = 'c_model' AND dimension = 'total'; DELETE FROM nurture.band WHERE model = 'c_model' AND dimension = 'total'$$), 'warning | model_limit/total | floor and cap are the same: the dimension is the same for every lead', 'a total that is always the same');

-- rules that can never fire, or give nothing
SELECT is(pg_temp.with_change(pg_temp.fit('role', '=', '"x"', 0)), 'warning | fit_rule/new | the rule gives 0 points', 'no points of a fit rule');
SELECT is(pg_temp.with_change($$UPDATE nurture.pattern SET points = 0 WHERE model = 'c_model'$$), 'warning | pattern/often | the rule gives 0 points', 'of a pattern');
SELECT is(pg_temp.with_change(pg_temp.signal('', '''c_click'', 0')), 'warning | signal_rule/new | the rule gives 0 points', 'of a signal rule');
SELECT is(pg_temp.with_change(pg_temp.signal(', curve, curve_steps', '''c_click'', 1, ''step'', ''[[30, 0]]''')), 'warning | signal_rule/new | the curve is 0 at every age', 'a curve without weight');
SELECT is(pg_temp.with_change(pg_temp.when_('{"all": [{"fact": "country", "op": "=", "value": "DE"}, {"fact": "country", "op": "=", "value": "FR"}]}')), 'warning | pattern/new | the condition can never be true', 'a condition that contradicts itself');
SELECT is(pg_temp.with_change(pg_temp.when_('{"all": [{"signal": "c_click", "at_least": 5, "within_days": 7}, {"signal": "c_click", "at_most": 4, "within_days": 30}]}')), 'warning | pattern/new | the condition can never be true', 'counts that contradict each other');
SELECT is(pg_temp.with_change(pg_temp.tier('{"all": [{"score": {"dimension": "fit", "at_least": 40}}, {"score": {"dimension": "fit", "at_most": 20}}]}')), 'error | tier_rule/2/new | the condition can never be true', 'a tier nobody can pass');
SELECT is(pg_temp.with_change(pg_temp.fit('audience_type', 'in', '["hcp", "payer"]')), 'warning | fit_rule/new | the condition is for audiences that the model is not for', 'a rule for audiences that the model is not for');
SELECT is(pg_temp.with_change(pg_temp.fit('audience_type', 'in', '["hcp", "c_two"]')), 'nothing', 'one that it is for is enough');
SELECT is(pg_temp.with_change(pg_temp.fit('audience_type', '!=', '"hcp"')), 'nothing', 'so is what others are not');
SELECT is(pg_temp.with_change(pg_temp.tier('{"fact": "audience_type", "op": "=", "value": "hcp"}')), 'error | tier_rule/2/new | the condition is for audiences that the model is not for', 'a tier for other audiences');
SELECT is(pg_temp.with_change($$UPDATE nurture.model SET audience_types = '{}' WHERE model = 'c_model'$$ || ';' || pg_temp.fit('audience_type', '=', '"hcp"')), 'nothing', 'a model that names no audience is for all');
SELECT is(pg_temp.with_change(pg_temp.signal('', '''c_old'', 1')), 'warning | signal_rule/new | signal "c_old" is retired and no longer counted', 'a retired signal');
SELECT is(pg_temp.with_change(pg_temp.when_('{"signal": "c_old"}')), 'warning | pattern/new | signal "c_old" is retired and no longer counted', 'in a pattern');
SELECT is(pg_temp.with_change(pg_temp.tier('{"signal": "c_click", "after": "c_old"}')), 'warning | tier_rule/2/new | signal "c_old" is retired and no longer counted', 'in a tier');

-- what should not be scored
SELECT is(pg_temp.with_change(pg_temp.signal('', '''c_harm'', 1')), 'error | signal_rule/new | signals of class safety are never scored', 'safety reports');
SELECT is(pg_temp.with_change(pg_temp.when_('{"not": {"signal": "c_harm"}}')), 'error | pattern/new | signals of class safety are never scored', 'in a pattern');
SELECT is(pg_temp.with_change(pg_temp.signal('', '''c_illness'', 1')), 'warning | signal_rule/new | the signal is sensitive and counts with special consent only', 'sensitive signals');
SELECT is(pg_temp.with_change(pg_temp.when_('{"signal": "c_illness"}')), 'warning | pattern/new | the signal is sensitive and counts with special consent only', 'in a pattern');
SELECT is(pg_temp.with_change($$UPDATE nurture.tag SET sensitive = true WHERE dimension = 'topic' AND value = 'moa'$$ || ';' || pg_temp.when_('{"interest": {"dimension": "topic", "value": "moa", "at_least": 0.3}}')),
    'warning | pattern/new | tag "topic:moa" is sensitive and counts with special consent only', 'interest in sensitive subjects');
SELECT is(pg_temp.with_change(pg_temp.when_('{"score": {"dimension": "total", "at_least": 50}}')), 'warning | pattern/new | the rule asks for the score or grade that it is part of', 'a rule that asks for its own score');
SELECT is(pg_temp.with_change(pg_temp.when_('{"grade": ["A1"]}')), 'warning | pattern/new | the rule asks for the score or grade that it is part of', 'or grade');
SELECT is(pg_temp.with_change(pg_temp.fit('attributes.c_colour', '=', '"red"')) ~ '^warning . fit_rule/new . .*c_colour', true, 'attributes that are not registered');
SELECT is(pg_temp.with_change(pg_temp.fit('audience_type', '=', '"c_three"')) ~ 'error . fit_rule/new . .*c_three', true, 'audiences that there are not');

-- rules of one group that count the same twice
SELECT is(pg_temp.with_change(pg_temp.fit('attributes.c_size', 'between', '[10, 10.5]', 1, 'who')), 'warning | fit_rule/small | the range overlaps that of rule "new"', 'ranges that overlap');
SELECT is(pg_temp.with_change(pg_temp.fit('attributes.c_size', '<=', '1', 1, 'who')), 'warning | fit_rule/small | the range overlaps that of rule "new"', 'ranges that are open on one side');
SELECT is(pg_temp.with_change(pg_temp.fit('attributes.c_size', 'between', '[10.01, 10.99]', 1, 'who')), 'nothing', 'ranges that do not');
SELECT is(pg_temp.with_change(pg_temp.fit('country', '=', '"FR"')), 'warning | fit_rule/new | the value "FR" is that of rule "country" too', 'a value that has points already');
SELECT is(pg_temp.with_change(pg_temp.fit('country', '=', '"FR"', 1, 'who')), 'nothing', 'in another group that may be meant');

SELECT throws_ok($$SELECT nurture_check_model('c_mdel', 1)$$, 'NU003', 'unknown model "c_mdel"', 'an unknown model');
SELECT throws_ok($$SELECT nurture_check_model('c_model', 9)$$, 'NU003', 'model "c_model" has no version 9', 'an unknown version');
SELECT throws_ok($$SELECT * FROM nurture_check_model(NULL, 1)$$, '22004', NULL, 'no model');
SELECT * FROM finish();
ROLLBACK;
