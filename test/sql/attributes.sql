-- The registry of attributes: what may stand in lead.attributes and
-- account.attributes, and what rules may say about it.
SET client_min_messages = warning;
BEGIN;
SELECT plan(55);

-- What a statement raises: SQLSTATE, message, detail and hint.
CREATE FUNCTION pg_temp.raised(statement text) RETURNS text LANGUAGE plpgsql AS $f$
DECLARE
    message text;
    detail text;
    hint text;
BEGIN
    EXECUTE statement;
    RETURN 'nothing';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    RETURN concat_ws(' / ', SQLSTATE, left(message, 240), nullif(left(detail, 240), ''), nullif(left(hint, 240), ''));
END
$f$;
CREATE FUNCTION pg_temp.raises(statement text, state text, pattern text, what text) RETURNS text LANGUAGE sql AS $f$
    SELECT matches(pg_temp.raised(statement), '^' || state || ' / .*' || pattern, what);
$f$;

-- what is shipped
SELECT set_eq('SELECT attribute, type FROM nurture.attribute', $$VALUES
    ('decision_role', 'text'), ('job_function', 'text'), ('modality', 'list'), ('program_stage', 'text'), ('capability', 'list'),
    ('site_type', 'text'), ('study_history', 'list'), ('study_start', 'date'), ('formulary_cycle', 'date'), ('meeting_on', 'date'), ('patient_population', 'list'),
    ('interest_type', 'list'), ('company_size', 'number'), ('practice_type', 'text'), ('timeline', 'text')$$, 'the shipped attributes');
SELECT is_empty($$SELECT attribute FROM nurture.attribute a, unnest(required_for) r
    WHERE split_part(r, '/', 1) <> '*' AND NOT EXISTS (SELECT FROM nurture.audience_type WHERE audience_type = split_part(r, '/', 1))$$, 'required for audiences that exist');

INSERT INTO nurture.attribute (attribute, type, allowed, tag_dimension, personal) VALUES
    ('a_colour', 'text', '{red,green,blue}', NULL, false), ('a_n', 'number', NULL, NULL, false), ('a_flag', 'boolean', NULL, NULL, false),
    ('a_day', 'date', NULL, NULL, false), ('a_words', 'list', NULL, NULL, false), ('a_kinds', 'list', '{x,y}', NULL, false),
    ('a_topic', 'text', NULL, 'topic', false), ('a_topics', 'list', NULL, 'topic', false), ('a_secret', 'text', '{yes,no}', NULL, true);

-- values that fit
SELECT lives_ok($$INSERT INTO nurture.lead (lead_id, attributes) VALUES (930001, '{"a_colour": "red", "a_n": 1e3, "a_flag": false, "a_day": "2028-02-29",
    "a_words": ["one", "two"], "a_kinds": ["y"], "a_topic": "moa", "a_topics": ["moa", "access"], "nobody": {"knows": [1]}}')$$, 'values of the type, and keys that are not registered');
SELECT lives_ok($$INSERT INTO nurture.lead (lead_id, attributes) VALUES (930002, '{"a_colour": null, "a_n": null, "a_flag": null, "a_day": " ", "a_words": null, "a_kinds": [], "a_topic": ""}')$$,
    'what is not known fits every type');
SELECT lives_ok($$INSERT INTO nurture.account (account_id, attributes) VALUES (930001, '{"a_n": 5}')$$, 'accounts have the same registry');

-- values that do not
SELECT pg_temp.raises(format('INSERT INTO nurture.lead (lead_id, attributes) VALUES (930003, %L)', document), '23514', pattern, 'refused: ' || what)
FROM (VALUES
    ('{"a_colour": "gren"}', 'value "gren" of attribute "a_colour" of the lead does not fit: it is not among the allowed values / Attribute "a_colour" is "blue", "green" or "red"', 'a word that is not allowed'),
    ('{"a_colour": "Red"}', 'not among', 'allowed words are what they are, letter by letter'),
    ('{"a_colour": ["red"]}', 'it is a list', 'a list for a text'),
    ('{"a_colour": {"red": 1}}', 'it is an object', 'an object'),
    ('{"a_n": "12"}', 'value "12" of attribute "a_n" .* it is text / Attribute "a_n" is a number', 'text for a number'),
    ('{"a_n": true}', 'it is true or false', 'a bool for a number'),
    ('{"a_flag": "yes"}', 'Attribute "a_flag" is true or false', 'text for a bool'),
    ('{"a_flag": 1}', 'it is a number', 'a number for a bool'),
    ('{"a_day": "2027-02-29"}', 'it is not a date / .*YYYY-MM-DD', 'a day that does not exist'),
    ('{"a_day": "2027-02-28T00:00:00Z"}', 'it is not a date', 'an instant for a day'),
    ('{"a_day": 20270228}', 'it is a number', 'a number for a day'),
    ('{"a_words": "one"}', 'it is text / Attribute "a_words" is a list of texts of at most 512 bytes', 'one text for a list'),
    ('{"a_words": ["one", 2]}', 'item 2 is not a text', 'a list of other things'),
    ('{"a_kinds": ["x", "z"]}', 'item 2: it is not among the allowed values / .*a list of "x" or "y"', 'an item that is not allowed'),
    ('{"a_topic": "mao"}', 'values of nurture.tag in dimension "topic"', 'a tag that does not exist'),
    ('{"a_topics": ["moa", "mao"]}', 'item 2', 'a list with a tag that does not exist'),
    (jsonb_build_object('a_words', jsonb_build_array(repeat('x', 513))), 'item 1: it is longer than 512 bytes', 'a text no rule could name'),
    (jsonb_build_object('a_words', (SELECT jsonb_agg('x'::text) FROM generate_series(1, 1001))), 'more than 1000 items', 'a list without end'),
    (jsonb_build_object('a_n', repeat('x', 1048576)), 'value "x{63}\.\.\. of attribute', 'a megabyte, shown in part')
) AS bad (document, pattern, what);
SELECT pg_temp.raises($$INSERT INTO nurture.account (account_id, attributes) VALUES (930002, '{"a_n": "5"}')$$, '23514', 'of the account', 'an account is held to it too');
SELECT pg_temp.raises($$INSERT INTO nurture.lead (lead_id, attributes) VALUES (930003, '{"a_secret": "maybe"}')$$, '23514', 'value of attribute "a_secret" of the lead', 'a value that is personal is not shown');
SELECT doesnt_match(pg_temp.raised($$INSERT INTO nurture.lead (lead_id, attributes) VALUES (930003, '{"a_secret": "maybe"}')$$), 'maybe', 'anywhere');
SELECT pg_temp.raises($$INSERT INTO nurture.lead (lead_id, attributes) VALUES (930003, '[]')$$, '23514', 'lead_attributes_check', 'no object at all');

-- updates: what was there is let be, what comes is checked
UPDATE nurture.attribute SET allowed = '{green,blue}' WHERE attribute = 'a_colour';
SELECT lives_ok($$UPDATE nurture.lead SET attributes = attributes || '{"a_n": 2}' WHERE lead_id = 930001$$, 'who changes one fact does not answer for another that was allowed once');
SELECT lives_ok($$UPDATE nurture.lead SET country = 'FR', role = 'nurse' WHERE lead_id = 930001$$, 'nor who changes none');
SELECT pg_temp.raises($$UPDATE nurture.lead SET attributes = attributes || '{"a_colour": "black"}' WHERE lead_id = 930001$$, '23514', '"blue" or "green"', 'a new value is checked');
SELECT pg_temp.raises($$UPDATE nurture.lead SET attributes = attributes || '{"a_colour": "red"}' WHERE lead_id = 930002$$, '23514', '"blue" or "green"', 'by what the registry says now');
SELECT pg_temp.raises($$INSERT INTO nurture.lead (lead_id) VALUES (930002) ON CONFLICT (lead_id) DO UPDATE SET attributes = '{"a_n": []}'$$, '23514', 'a_n', 'an upsert too');

-- asked before writing
SELECT is(nurture_attribute_problem('a_colour', '"green"'), NULL, 'fits');
SELECT is(nurture_attribute_problem('a_colour', '"gren"'), 'it is not among the allowed values; attribute "a_colour" is "blue" or "green"', 'does not fit');
SELECT is(nurture_attribute_problem('a_kinds', '["x"]'), NULL, 'a list fits');
SELECT is(nurture_attribute_problem('a_n', '{}'), 'it is an object; attribute "a_n" is a number', 'an object does not');
SELECT is(nurture_attribute_problem('nobody', '{}'), NULL, 'nothing is known about others');

-- the registry itself
SELECT throws_ok($$INSERT INTO nurture.attribute (attribute, type, allowed) VALUES ('a_bad', 'number', '{1}')$$, '23514', NULL, 'words are for texts and lists');
SELECT throws_ok($$INSERT INTO nurture.attribute (attribute, type, allowed, tag_dimension) VALUES ('a_bad', 'text', '{x}', 'topic')$$, '23514', NULL, 'a list of values or a dimension');
SELECT throws_ok($$INSERT INTO nurture.attribute (attribute, type, allowed) VALUES ('a_bad', 'text', '{}')$$, '23514', NULL, 'nothing is allowed');
SELECT throws_ok($$INSERT INTO nurture.attribute (attribute, type, required_for) VALUES ('a_bad', 'text', '{hcp}')$$, '23514', NULL, 'required for no tier');
SELECT throws_ok($$INSERT INTO nurture.attribute (attribute, type, required_for) VALUES ('a_bad', 'text', '{hcp/3,"x y/2"}')$$, '23514', NULL, 'or no audience');
SELECT lives_ok($$INSERT INTO nurture.attribute (attribute, type, required_for) VALUES ('a_good', 'text', '{hcp/3,*/4,route:medical}')$$, 'audience and tier, or route');
SELECT throws_ok($$INSERT INTO nurture.attribute (attribute, type) VALUES ('A', 'text')$$, '23514', NULL, 'a key is a code');

-- audience types
SELECT pg_temp.raises($$INSERT INTO nurture.lead (lead_id, audience_type) VALUES (930004, 'hpc')$$, 'NU003', 'unknown audience type "hpc" / The nearest known ones are "hcp", "payer" or "partner"', 'an unknown audience type names the nearest');
SELECT pg_temp.raises($$UPDATE nurture.lead SET audience_type = 'pateint' WHERE lead_id = 930001$$, 'NU003', '"patient"', 'also when it changes');
SELECT lives_ok($$UPDATE nurture.lead SET audience_type = 'patient' WHERE lead_id = 930001$$, 'a known one is fine');
CREATE TEMP TABLE kept AS SELECT * FROM nurture.audience_type WHERE audience_type = 'patient';
DELETE FROM nurture.audience_type WHERE audience_type = 'patient';
SELECT lives_ok($$UPDATE nurture.lead SET attributes = attributes || '{"a_n": 3}' WHERE lead_id = 930001$$, 'a type that is no longer there does no harm to those that have it');
INSERT INTO nurture.audience_type SELECT * FROM kept;

-- what rules may say: the check of a model knows the registry
INSERT INTO nurture.model (model) VALUES ('a_model');
SELECT nurture_draft('model', 'a_model');
INSERT INTO nurture.fit_rule (model, version, rule, attribute, operator, operand, points) VALUES
    ('a_model', 1, 'r01', 'attributes.a_colour', '=', '"green"', 1), ('a_model', 1, 'r02', 'attributes.a_colour', 'in', '["green", "grin"]', 1),
    ('a_model', 1, 'r03', 'attributes.a_n', '=', '"5"', 1), ('a_model', 1, 'r04', 'attributes.a_n', 'between', '[1, 5]', 1),
    ('a_model', 1, 'r05', 'attributes.a_words', '=', '"one"', 1), ('a_model', 1, 'r06', 'attributes.a_words', 'any_of', '["one"]', 1),
    ('a_model', 1, 'r07', 'attributes.a_topics', 'under', '"topic:moa"', 1), ('a_model', 1, 'r08', 'attributes.a_topics', 'under', '"offer:webinar"', 1),
    ('a_model', 1, 'r09', 'attributes.a_day', 'due_within', '[0, 10]', 1), ('a_model', 1, 'r10', 'attributes.a_n', 'older_than', '10', 1),
    ('a_model', 1, 'r11', 'attributes.a_colour', 'prefix', '"gr"', 1), ('a_model', 1, 'r12', 'attributes.a_colour', 'prefix', '"re"', 1),
    ('a_model', 1, 'r13', 'attributes.a_colur', 'known', NULL, 1), ('a_model', 1, 'r14', 'account.attributes.a_n', '>=', '"x"', 1),
    ('a_model', 1, 'r15', 'audience_type', 'in', '["hcp", "hpc"]', 1), ('a_model', 1, 'r16', 'attributes.a_flag', '>=', '5', 1),
    ('a_model', 1, 'r17', 'attributes.a_flag', '=', 'true', 1), ('a_model', 1, 'r18', 'attributes.a_kinds', 'all_of', '["x", "z"]', 1);
INSERT INTO nurture.pattern (model, version, pattern, condition, points) VALUES
    ('a_model', 1, 'p', '{"all": [{"not": {"fact": "attributes.a_day", "op": "<=", "value": "soon"}}, {"fact": "role", "op": "same_as", "value": "attributes.a_roll"}]}', 1);
SELECT results_eq($$SELECT path, severity, finding FROM nurture_check_model('a_model', 1) WHERE finding ~ 'attribute|audience' ORDER BY path, finding COLLATE "C"$$, $$VALUES
    ('fit_rule/r02', 'error', 'attribute "a_colour" is never "grin": it is "blue" or "green"'),
    ('fit_rule/r03', 'error', 'attribute "a_n" is a number, and is compared with text'),
    ('fit_rule/r05', 'error', 'attribute "a_words" is of type list, which is never equal to one value (use any_of or all_of)'),
    ('fit_rule/r08', 'error', 'attribute "a_topics" is never under "offer:webinar": it is a list of values of nurture.tag in dimension "topic"'),
    ('fit_rule/r10', 'error', 'attribute "a_n" is of type number, which is never a date'),
    ('fit_rule/r12', 'error', 'attribute "a_colour" is never "re": it is "blue" or "green"'),
    ('fit_rule/r13', 'warning', 'attribute "a_colur" is not registered in nurture.attribute'),
    ('fit_rule/r14', 'error', 'attribute "a_n" is a number, and is compared with text'),
    ('fit_rule/r15', 'error', 'audience_type is never "hpc": it is no row of nurture.audience_type'),
    ('fit_rule/r16', 'error', 'attribute "a_flag" is of type boolean, which is never more or less than a value'),
    ('fit_rule/r18', 'error', 'attribute "a_kinds" is never "z": it is a list of "x" or "y"'),
    ('pattern/p', 'error', 'attribute "a_day" is a date as "YYYY-MM-DD", and is compared with text'),
    ('pattern/p', 'warning', 'attribute "a_roll" is not registered in nurture.attribute')$$, 'every operand that no lead can have, and every key that nobody registered');
SELECT pg_temp.raises($$SELECT nurture_publish('model', 'a_model', 1, 'x', true)$$, 'NU010', 'cannot be published', 'such a version is not published');
SELECT pg_temp.raises($$INSERT INTO nurture.stop_rule (rule, condition, effect) VALUES ('a_rule', '{"all": [{"signal": "demo_requested"}, {"fact": "attributes.a_colour", "op": "=", "value": "pink"}]}', 'stop')$$,
    'NU005', 'condition of stop rule "a_rule": attribute "a_colour" is never "pink"', 'and such a stop rule is not written');

-- nor a route, a prerequisite or a step of a track
SELECT pg_temp.raises($$INSERT INTO nurture.stage_transition (audience_type, from_stage, to_stage, condition) VALUES ('*', 'new', 'engaged', '{"fact": "attributes.a_n", "op": "=", "value": "x"}')$$, 'NU005', 'attribute "a_n" is a number', 'a stage transition is held to the registry');
SELECT pg_temp.raises($$SELECT nurture_add_asset('{"asset_id": "a_x", "title": "x", "format": "article", "message_class": "promotional", "channels": ["email"], "markets": ["*"], "audience_types": ["*"], "prerequisites": {"a_p": {"fact": "audience_type", "op": "=", "value": "hpc"}}}')$$, 'NU005', 'audience_type is never "hpc"', 'so is what an asset presupposes');

-- a restore and a data-only load take rows as they were
SET LOCAL check_function_bodies = off;
SET LOCAL row_security = off;
SELECT set_config('search_path', '', true);
INSERT INTO nurture.lead (lead_id, audience_type, attributes) VALUES (930009, 'of_long_ago', '{"a_n": "twelve"}');
SET LOCAL check_function_bodies = on;
SET LOCAL row_security = on;
SELECT set_config('search_path', 'public, pg_temp', true);
SELECT is(audience_type || (attributes ->> 'a_n'), 'of_long_agotwelve', 'rows of a dump come back as they were') FROM nurture.lead WHERE lead_id = 930009;

SELECT * FROM finish();
ROLLBACK;
