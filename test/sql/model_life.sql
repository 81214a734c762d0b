-- Publishing: what is refused, what has to be confirmed, what becomes of
-- standings; differences of versions; retiring; defaults.
BEGIN;
SET LOCAL client_min_messages = warning;
SET LOCAL nurture.clock = '2026-06-30T12:00:00Z';
SELECT plan(83);
CREATE FUNCTION pg_temp.refused(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE d text; h text;
BEGIN
    EXECUTE statement;
    RETURN 'not refused';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS d = PG_EXCEPTION_DETAIL, h = PG_EXCEPTION_HINT;
    RETURN concat_ws(' | ', SQLSTATE, SQLERRM, nullif(d, ''), nullif(h, ''));
END $$;
INSERT INTO nurture.audience_type (audience_type, title) VALUES ('l_aud', 'of this test'), ('l_two', 'of this test'), ('l_three', 'of this test');
INSERT INTO nurture.event_type (event_type, class) VALUES ('l_click', 'engagement'), ('l_ask', 'intent');
INSERT INTO nurture.signal (signal, signal_id, event_type) VALUES ('l_click', 31601, 'l_click'), ('l_ask', 31602, 'l_ask');
INSERT INTO nurture.lead (lead_id, audience_type, role, email, country, is_test)
    SELECT 940000 + i, 'l_aud', CASE WHEN i <= 2 THEN 'nurse' ELSE 'prescriber' END, 'l' || i || '@example.org', 'DE', i > 20 FROM generate_series(1, 30) i;

INSERT INTO nurture.model (model, audience_types, is_default, title) VALUES ('l_model', '{l_aud}', true, 'life');
SELECT nurture_draft('model', 'l_model');
INSERT INTO nurture.rule_group (model, version, rule_group, dimension, cap) VALUES ('l_model', 1, 'role', 'fit', 50);
INSERT INTO nurture.fit_rule (model, version, rule, attribute, operator, operand, points, rule_group) VALUES
    ('l_model', 1, 'prescriber', 'role', '=', '"prescriber"', 30, 'role'), ('l_model', 1, 'nurse', 'role', '=', '"nurse"', 10, 'role');
INSERT INTO nurture.signal_rule (model, version, rule, signal, points, curve, curve_days) VALUES ('l_model', 1, 'ask', 'l_ask', 20, 'half_life', 30);
INSERT INTO nurture.band (model, version, dimension, band, min_points) VALUES
    ('l_model', 1, 'fit', 'A', 30), ('l_model', 1, 'fit', 'B', 20), ('l_model', 1, 'fit', 'C', 10), ('l_model', 1, 'intent', '1', 20), ('l_model', 1, 'intent', '2', 10);
INSERT INTO nurture.tier_rule (model, version, tier, requirement, condition, fails_with) VALUES
    ('l_model', 1, 1, 'address', '{"fact": "email_known", "op": "=", "value": true}', 'missing_contact_point'), ('l_model', 1, 2, 'fit', '{"score": {"dimension": "fit", "at_least": 10}}', 'fit_short');
SELECT is_empty($$SELECT * FROM nurture_check_model('l_model', 1)$$, 'nothing is wrong with it');

-- reason, author, approver
SELECT is(pg_temp.refused($$SELECT nurture_publish('model', 'l_model', 1, NULL)$$), '22023 | a reason is needed to publish | Say in a few words why these rules change; it is kept in the audit trail.', 'no reason');
SELECT is(pg_temp.refused($$SELECT nurture_publish('model', 'l_model', NULL, 'x')$$), '22004 | kind, code and version must not be null', 'no version');
SET LOCAL nurture.two_person_rule = on;
UPDATE nurture.model_version SET title = 'anna''s' WHERE model = 'l_model';
SELECT is(pg_temp.refused($$UPDATE nurture.model_version SET author = 'bert' WHERE model = 'l_model'$$),
    'NU007 | column "author" of a version is set when it is made and stays | A draft of somebody else is made by them, with nurture_draft or nurture_add_asset.', 'an author stays the author');
SELECT is(pg_temp.refused($$UPDATE nurture.model_version SET author_login = 'bert' WHERE model = 'l_model'$$),
    'NU007 | column "author_login" of a version is set when it is made and stays | A draft of somebody else is made by them, with nurture_draft or nurture_add_asset.', 'and who logged in too');
SELECT is(pg_temp.refused(format('UPDATE nurture.%s_version SET author = %L WHERE %1$s = %3$L AND version = 1', kind, 'bert', code)),
    'NU007 | column "author" of a version is set when it is made and stays | A draft of somebody else is made by them, with nurture_draft or nurture_add_asset.', 'of each kind: ' || kind)
FROM (VALUES ('track', 'education'), ('route', 'mql'), ('selection', 'default')) v (kind, code);
INSERT INTO nurture.model_version (model, version, author, author_login) VALUES ('l_model', 99, 'bert', 'bert');
SELECT is((SELECT author_login FROM nurture.model_version WHERE model = 'l_model' AND version = 99), current_setting('session_authorization'), 'whoever writes the row');
DELETE FROM nurture.model_version WHERE model = 'l_model' AND version = 99;
SELECT is((SELECT count(author_login) FROM nurture.track_version WHERE author = 'preset'), 0::bigint, 'a preset is nobody''s');
SELECT is(pg_temp.refused($$SELECT nurture_publish('model', 'l_model', 1, 'first')$$),
    '42501 | the author of version 1 of model "l_model" cannot publish it | nurture.two_person_rule is on: another person publishes, with a login of their own; nurture.pooled_logins is for people who share one.', 'the author cannot approve');
SELECT is(pg_temp.refused(format('SELECT nurture_publish(%L, %L, nurture_draft(%L, %L, 1), %L)', kind, code, kind, code, 'x')),
    format('42501 | the author of version 2 of %s "%s" cannot publish it | nurture.two_person_rule is on: another person publishes, with a login of their own; nurture.pooled_logins is for people who share one.', kind, code), 'of no kind: ' || kind)
FROM (VALUES ('track', 'education'), ('route', 'mql'), ('selection', 'default')) v (kind, code);
SELECT is(pg_temp.refused($$SELECT nurture_publish('model', 'l_model', 1, 'first', actor => 'berta')$$),
    '42501 | the author of version 1 of model "l_model" cannot publish it | nurture.two_person_rule is on: another person publishes, with a login of their own; nurture.pooled_logins is for people who share one.', 'nor under another name');
CREATE ROLE nurture_test_second SUPERUSER;
SET LOCAL SESSION AUTHORIZATION nurture_test_second;
SELECT is(pg_temp.refused($$SELECT nurture_publish('model', 'l_model', 1, 'first', actor => 'berta')$$),
    '42501 | the author of version 1 of model "l_model" cannot publish it | nurture.two_person_rule is on: another person publishes, with a login of their own; nurture.pooled_logins is for people who share one.', 'or with SET SESSION AUTHORIZATION, which is no login');
RESET SESSION AUTHORIZATION;
SET LOCAL nurture.pooled_logins = on;
SET LOCAL ROLE nurture_test_second;
SELECT is(pg_temp.refused($$SELECT nurture_publish('model', 'l_model', 1, 'first')$$),
    '42501 | the author of version 1 of model "l_model" cannot publish it | nurture.two_person_rule is on: another person publishes, with a login of their own; nurture.pooled_logins is for people who share one.', 'a pooled login has to declare who it is: a role is not enough');
RESET ROLE;
SELECT is(nurture_publish('model', 'l_model', 1, 'first', actor => 'berta'), 'model l_model: version 1 published; 18 of 20 open leads change grade (C4 to A4: 18)', 'another person can; the first version takes over from the default');
SELECT results_eq($$SELECT status, approver, reason, content_hash ~ '^[0-9a-f]{64}$', published_at FROM nurture.model_version WHERE model = 'l_model' AND version = 1$$,
    $$VALUES ('published', 'berta', 'first', true, '2026-06-30 12:00:00+00'::timestamptz)$$, 'who, why and when are kept');
SET LOCAL nurture.two_person_rule = off;
SET LOCAL nurture.pooled_logins = off;
SELECT results_eq($$SELECT kind, outcome, reason, app_user, inputs FROM nurture.audit WHERE object = 'model:l_model:1'$$,
    $$VALUES ('publish', 'published', 'first', 'berta', '18 of 20 open leads change grade (C4 to A4: 18)')$$, 'and audited');

-- standings of leads that nothing happens to
SELECT count(*) > 0 FROM nurture_tick(10000, '1 min');
INSERT INTO nurture.event (lead_id, event_type) SELECT 940000 + i, 'l_ask' FROM generate_series(1, 30) i;
SELECT is((SELECT string_agg(DISTINCT grade || tier, ',') FROM nurture.lead_stage WHERE lead_id BETWEEN 940001 AND 940030), 'A12,C12', 'the leads have standings');
SELECT is((SELECT walk_next FROM nurture.standing_sweep), NULL, 'no walk to make');

-- a draft with errors
SELECT nurture_draft('model', 'l_model', 1);
UPDATE nurture.band SET min_points = 100 WHERE model = 'l_model' AND version = 2 AND band = 'A';
INSERT INTO nurture.signal_rule (model, version, rule, signal, points) VALUES ('l_model', 2, 'safety', 'adverse_event_reported', 1);
SELECT is(pg_temp.refused($$SELECT nurture_publish('model', 'l_model', 2, 'second')$$),
    'NU010 | version 2 of model "l_model" cannot be published: band A cannot be reached at band/fit/A | There are 2 errors: band A cannot be reached at band/fit/A; signals of class safety are never scored at signal_rule/safety. | See nurture_check_model(''l_model'', 2).', 'errors are listed');
UPDATE nurture.band SET min_points = 25 WHERE model = 'l_model' AND version = 2 AND band = 'A';
DELETE FROM nurture.signal_rule WHERE model = 'l_model' AND version = 2 AND rule = 'safety';

-- moves that have to be confirmed: 2 of 20 are not more than 10 %, 3 are
SAVEPOINT s;
UPDATE nurture.fit_rule SET points = 1 WHERE model = 'l_model' AND version = 2 AND rule = 'nurse';
SELECT is(nurture_publish('model', 'l_model', 2, 'second'), 'model l_model: version 2 published, version 1 retired; 2 of 20 open leads change grade (C1 to D1: 2)', 'a tenth need not be confirmed; test leads do not count');
ROLLBACK TO s;
UPDATE nurture.lead SET role = 'nurse' WHERE lead_id = 940003;
UPDATE nurture.fit_rule SET points = 1 WHERE model = 'l_model' AND version = 2 AND rule = 'nurse';
SELECT is(pg_temp.refused($$SELECT nurture_publish('model', 'l_model', 2, 'second')$$),
    'NU011 | version 2 of model "l_model" would change the grade of 3 of 20 open leads | C1 to D1: 3. | See nurture_what_if_matrix(''l_model'', 2); when this is meant, publish with confirm => true.', 'more have to be');
SELECT is(pg_temp.refused($$SELECT nurture_publish('model', 'l_model', 2, 'second', NULL)$$) ~ '^NU011', true, 'NULL does not confirm');
SELECT is((SELECT status FROM nurture.model_version WHERE model = 'l_model' AND version = 2), 'draft', 'a refused draft stays one');
UPDATE nurture.lead_stage SET stage = 'converted' WHERE lead_id = 940003;
SELECT is(nurture_publish('model', 'l_model', 2, 'second', true), 'model l_model: version 2 published, version 1 retired; 2 of 19 open leads change grade (C1 to D1: 2)', 'confirmed; who is converted is not open');
SELECT results_eq($$SELECT version, status, retired_at FROM nurture.model_version WHERE model = 'l_model' ORDER BY 1$$,
    $$VALUES (1, 'retired', '2026-06-30 12:00:00+00'::timestamptz), (2, 'published', NULL)$$, 'the version before is retired');
SELECT is(nurture_grade(940001), 'D1', 'the new grade is read at once');
SELECT is((SELECT grade FROM nurture.lead_stage WHERE lead_id = 940001), 'C1', 'the standing waits for the tick');
SELECT isnt((SELECT walk_next FROM nurture.standing_sweep), NULL, 'which has a walk to make');
SELECT results_eq($$SELECT kind, done >= 1 FROM nurture_tick(1, '1 min') WHERE kind = 'standing'$$, $$VALUES ('standing', true)$$, 'in batches');
SELECT count(*) > 0 FROM nurture_tick(10000, '1 min');
SELECT results_eq($$SELECT grade, tier, cause FROM nurture.lead_stage WHERE lead_id = 940001$$, $$VALUES ('D1', 1::smallint, 'published')$$, 'it decides what no event would');
SELECT is((SELECT count(*) FROM nurture.lead_stage s WHERE s.lead_id BETWEEN 940001 AND 940030 AND grade <> nurture_grade(lead_id)), 0::bigint, 'for all of them');
SELECT is((SELECT walk_next FROM nurture.standing_sweep), NULL, 'and is done');
SELECT is((SELECT count(*) FROM nurture.stage_history WHERE lead_id BETWEEN 940001 AND 940030 AND cause = 'published'), 3::bigint, 'those that changed have a line of history');

-- what changed
SELECT nurture_draft('model', 'l_model', 2);
UPDATE nurture.fit_rule SET points = 12.5, title = 'is a nurse' WHERE model = 'l_model' AND version = 3 AND rule = 'nurse';
SELECT results_eq($$SELECT * FROM nurture_diff('model', 'l_model', 2, 3)$$, $$VALUES ('fit_rule', 'nurse', 'changed', 'points', '1.00', '12.50'), ('fit_rule', 'nurse', 'changed', 'title', NULL, 'is a nurse')$$, 'a changed rule, column by column');
SELECT results_eq($$SELECT * FROM nurture_diff('model', 'l_model', 3, 2)$$, $$VALUES ('fit_rule', 'nurse', 'changed', 'points', '12.50', '1.00'), ('fit_rule', 'nurse', 'changed', 'title', 'is a nurse', NULL)$$, 'and back');
SELECT is_empty($$SELECT * FROM nurture_diff('model', 'l_model', 3, 3)$$, 'a version does not differ from itself');
DELETE FROM nurture.band WHERE model = 'l_model' AND version = 3 AND band = '2';
INSERT INTO nurture.pattern (model, version, pattern, condition, points) VALUES ('l_model', 3, 'asks', '{"signal": "l_ask", "at_least": 2}', 5);
UPDATE nurture.tier_rule SET owner = 'anna' WHERE model = 'l_model' AND version = 3 AND tier = 2;
SET LOCAL client_min_messages = error;
SELECT results_eq($$SELECT * FROM nurture_diff('model', 'l_model', 2, 3) WHERE family <> 'fit_rule'$$, $$VALUES
    ('pattern', 'asks', 'added', 'condition', NULL, '{"signal": "l_ask", "at_least": 2}'), ('pattern', 'asks', 'added', 'points', NULL, '5.00'),
    ('band', 'intent/2', 'removed', 'min_points', '10.00', NULL), ('tier_rule', '2/fit', 'changed', 'owner', NULL, 'anna')$$, 'added and removed rules, keys of two columns, words for people');
SET LOCAL client_min_messages = warning;
SELECT count(*) FROM nurture_diff('model', 'l_model', 2, 3);
SELECT nurture_draft('track', 'education', 1) AS track, nurture_draft('route', 'mql', 1) AS route, nurture_draft('selection', 'default', 1) AS selection \gset
UPDATE nurture.track_step SET wait = '5 days' WHERE track = 'education' AND version = :track AND step_no = 2;
UPDATE nurture.route_version SET sla_accept = '3 hours' WHERE route = 'mql' AND version = :route;
UPDATE nurture.selection_weight SET weight = weight + 1 WHERE selection = 'default' AND version = :selection AND term = 'stage';
SELECT results_eq($$SELECT family, key, "column", new FROM nurture_diff('track', 'education', 1, $$ || :track || $$)$$, $$VALUES ('track_step', '2', 'wait', '@ 5 days')$$, 'of a track');
SELECT results_eq($$SELECT family, key, change, "column", new FROM nurture_diff('route', 'mql', 1, $$ || :route || $$)$$, $$VALUES ('route_version', '', 'changed', 'sla_accept', '@ 3 hours')$$, 'of a route');
SELECT results_eq($$SELECT DISTINCT family, change, "column", new::int - old::int FROM nurture_diff('selection', 'default', 1, $$ || :selection || $$)$$, $$VALUES ('selection_weight', 'changed', 'weight', 1)$$, 'of a selection');
SELECT set_eq($$SELECT conrelid::regclass::text FROM pg_constraint WHERE contype = 'f' AND confrelid IN ('nurture.model_version'::regclass, 'nurture.track_version'::regclass, 'nurture.selection_version'::regclass, 'nurture.route_version'::regclass)$$,
    ARRAY['nurture.rule_group', 'nurture.fit_rule', 'nurture.signal_rule', 'nurture.pattern', 'nurture.model_limit', 'nurture.band', 'nurture.tier_rule', 'nurture.track_step', 'nurture.track_entry', 'nurture.track_branch', 'nurture.selection_weight'],
    'there are no other tables of versioned rules');
SELECT throws_ok($$SELECT nurture_diff('modell', 'l_model', 1, 2)$$, 'NU003', 'unknown kind "modell"', 'an unknown kind');
SELECT throws_ok($$SELECT nurture_diff('model', 'l_mdl', 1, 2)$$, 'NU003', 'there is no version of model "l_mdl"', 'an unknown code');
SELECT throws_ok($$SELECT nurture_diff('model', 'l_model', 0, 2)$$, 'NU003', 'model "l_model" has no version 0', 'an unknown version');
SELECT throws_ok($$SELECT nurture_diff('model', 'l_model', 1, 9)$$, 'NU003', 'model "l_model" has no version 9', 'on either side');

-- retiring
SELECT throws_ok($$SELECT nurture_retire('model', 'l_model', ' ')$$, '22023', 'a reason is needed to retire', 'no reason');
SELECT throws_ok($$SELECT nurture_retire('model', NULL, 'x')$$, '22004', NULL, 'no code');
SELECT is(pg_temp.refused($$SELECT nurture_retire('model', 'default', 'x')$$), 'NU007 | model "default" is the default for leads that no other model is for | Without it they would have no score. | Publish another version of it, or make another model the default first.', 'somebody would have no score');
SELECT throws_ok($$SELECT nurture_retire('model', 'l_mdl', 'x')$$, 'NU003', 'there is no version of model "l_mdl"', 'an unknown model');
SELECT is(nurture_retire('model', 'l_model', 'merged into the default', 'anna'), 'model l_model: version 2 retired', 'a model is retired');
SELECT is((SELECT status FROM nurture.model_version WHERE model = 'l_model' AND version = 2), 'retired', 'so it says');
SELECT throws_ok($$SELECT nurture_score(940001, 'l_model')$$, 'NU003', 'model "l_model" has no published version', 'it scores no more');
SELECT is(nurture_score(940001), nurture_score(940001, 'default'), 'its leads fall to the default that names no audience');
SELECT throws_ok($$SELECT nurture_retire('model', 'l_model', 'x')$$, 'NU007', 'model "l_model" has no published version', 'only once');
SELECT results_eq($$SELECT outcome, reason, app_user FROM nurture.audit WHERE kind = 'retire' AND object = 'model:l_model:2'$$, $$VALUES ('retired', 'merged into the default', 'anna')$$, 'with its reason on record');
SELECT is((SELECT reason FROM nurture.change_log WHERE table_name = 'model_version' AND new_row ->> 'model' = 'l_model' ORDER BY change_id DESC LIMIT 1), 'merged into the default', 'in the log of changes too');
SELECT count(*) > 0 FROM nurture_tick(10000, '1 min');
SELECT is((SELECT count(*) FROM nurture.lead_stage s WHERE s.lead_id BETWEEN 940001 AND 940030 AND grade IS DISTINCT FROM nurture_grade(lead_id)), 0::bigint, 'and the tick decides their standings again');
SELECT is(nurture_retire(kind, code, 'test'), kind || ' ' || code || ': version 1 retired', 'a ' || kind || ' is retired')
FROM (VALUES ('track', 'education'), ('route', 'mql'), ('selection', 'default')) v (kind, code);
SELECT throws_ok($$UPDATE nurture.model_version SET status = 'published' WHERE model = 'l_model' AND version = 2$$, 'NU006', NULL, 'what is retired stays retired');

-- one default per product and audience
INSERT INTO nurture.model (model, audience_types, is_default) VALUES ('l_other', '{l_two,l_three}', true);
SELECT is(pg_temp.refused($$INSERT INTO nurture.model (model, audience_types, is_default) VALUES ('l_third', '{l_three}', true)$$),
    '23505 | models "l_other" and "l_third" cannot both be the default of product "*" for audience type "l_three" | Set is_default of one of them to false, or change its audience_types; one UPDATE may do both.', 'a second default for an audience');
SELECT throws_ok($$INSERT INTO nurture.model (model, is_default) VALUES ('l_third', true)$$, '23505', 'models "default" and "l_third" cannot both be the default of product "*" for the audiences that no default names', 'a second one for the others');
SELECT lives_ok($$INSERT INTO nurture.model (model, audience_types, is_default) VALUES ('l_third', '{l_three}', false)$$, 'a model that is no default may name whom it likes');
SELECT throws_ok($$UPDATE nurture.model SET is_default = true WHERE model = 'l_third'$$, '23505', NULL, 'nor can it become one');
SELECT lives_ok($$UPDATE nurture.model SET is_default = model = 'l_third' WHERE model IN ('l_third', 'l_other')$$, 'one statement makes another the default');
SELECT lives_ok($$INSERT INTO nurture.model (model, product, audience_types, is_default) VALUES ('l_prod', 'l_product', '{l_three}', true), ('l_prod_any', 'l_product', '{}', true)$$, 'each product has its own');
SELECT throws_ok($$UPDATE nurture.model SET product = '*' WHERE model = 'l_prod_any'$$, '23505', NULL, 'a default that changes its product');
SELECT lives_ok($$INSERT INTO nurture.model (model, is_default) VALUES ('default', true) ON CONFLICT DO NOTHING$$, 'a preset that is there already is no second');

-- which model, and why
INSERT INTO nurture.model (model, product) VALUES ('l_plain', 'l_product_two');
SELECT count(*) FROM (VALUES ('l_third', 3), ('l_prod', 4), ('l_prod_any', 5), ('l_plain', 6)) v (m, p), LATERAL (SELECT nurture_draft('model', m)) d;
INSERT INTO nurture.fit_rule (model, version, rule, attribute, operator, operand, points) SELECT m, 1, 'r', 'country', '=', '"DE"', p FROM (VALUES ('l_third', 3), ('l_prod', 4), ('l_prod_any', 5), ('l_plain', 6)) v (m, p);
INSERT INTO nurture.band (model, version, dimension, band, min_points) SELECT m, 1, 'fit', 'A', 1 FROM unnest('{l_third,l_prod,l_prod_any,l_plain}'::text[]) m;
SELECT count(nurture_publish('model', m, 1, 'test', true)) FROM unnest('{l_third,l_prod,l_prod_any,l_plain}'::text[]) m;
UPDATE nurture.lead SET audience_type = CASE lead_id WHEN 940001 THEN 'l_three' WHEN 940002 THEN 'unknown' ELSE 'l_two' END WHERE lead_id <= 940003 AND lead_id > 940000;
SELECT results_eq($$SELECT l, p, m.* FROM generate_series(940001, 940003) l, unnest('{*,l_product,l_product_two}'::text[]) p, nurture_model_for(l, p) m ORDER BY l, p COLLATE "C"$$, $$VALUES
    (940001, '*', 'l_third', 1, 'the default for audience type "l_three"'), (940001, 'l_product', 'l_prod', 1, 'the default for audience type "l_three"'),
    (940001, 'l_product_two', 'l_plain', 1, 'a model of the product for audience type "l_three"; there is no default'),
    (940002, '*', 'default', 1, 'the lead has no audience type; the default for audiences that no default names'),
    (940002, 'l_product', 'l_prod_any', 1, 'the lead has no audience type; the default for audiences that no default names'),
    (940002, 'l_product_two', 'l_plain', 1, 'a model of the product for audience type "unknown"; there is no default'),
    (940003, '*', 'default', 1, 'no default names audience type "l_two"; the default for such audiences'),
    (940003, 'l_product', 'l_prod_any', 1, 'no default names audience type "l_two"; the default for such audiences'),
    (940003, 'l_product_two', 'l_plain', 1, 'a model of the product for audience type "l_two"; there is no default')$$, 'the model of each lead and product, and why');
SELECT results_eq($$SELECT nurture_score(940001), nurture_score(940002), nurture_score(940001, 'l_prod')$$, $$SELECT 3.00, nurture_score(940002, 'default'), 4.00$$, 'scores follow it; models of a product answer for that product only');
SELECT is((SELECT why FROM nurture_model_for(940003, 'no_such_product')), 'product "no_such_product" has no model for it: no default names audience type "l_two"; the default for such audiences', 'a product without models');
SELECT is_empty($$SELECT * FROM nurture_model_for(949999)$$, 'an unknown lead');
SELECT count(*) > 0 FROM nurture_tick(10000, '1 min');
SELECT results_eq($$SELECT product, grade FROM nurture.lead_stage WHERE lead_id = 940001 ORDER BY 1$$, $$VALUES ('*', 'A4'), ('l_product', 'A4'), ('l_product_two', 'A4')$$, 'a standing per product');
SELECT nurture_retire('model', 'l_third', 'test');
SELECT is((SELECT model FROM nurture_model_for(940001)), 'default', 'without a version in force the next one down applies');
INSERT INTO nurture.model (model) VALUES ('l_spare');
SELECT nurture_draft('model', 'l_spare', NULL);
INSERT INTO nurture.fit_rule (model, version, rule, attribute, operator, operand, points) VALUES ('l_spare', 1, 'r', 'country', '=', '"DE"', 1);
SELECT nurture_publish('model', 'l_spare', 1, 'test', true) IS NOT NULL;
UPDATE nurture.model SET is_default = model = 'l_spare' WHERE model IN ('default', 'l_spare');
SELECT is(nurture_retire('model', 'default', 'test'), 'model default: version 1 retired', 'with another default it can go');
SELECT is((SELECT model FROM nurture_model_for(940001)), 'l_spare', 'and that one scores');
SELECT throws_ok($$SELECT nurture_diff('model', 'l_model', 1, NULL)$$, '22004', NULL, 'no version to compare with');
SELECT throws_ok($$SELECT * FROM nurture_check_model('l_model', NULL)$$, '22004', NULL, 'no version to check');

SELECT * FROM finish();
ROLLBACK;
