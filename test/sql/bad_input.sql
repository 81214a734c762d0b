-- Bad input: each gives an error that names what is wrong, or a row in
-- quarantine; never a crash, a wrong number or silence.
SET client_min_messages = warning;
BEGIN;
SELECT plan(81);
SET LOCAL nurture.clock = '2026-06-15 12:00:00+00';

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

INSERT INTO nurture.lead (lead_id, audience_type, country, email) VALUES (5, 'hcp', 'FR', 'five@example.org');
INSERT INTO nurture.model (model) VALUES ('bad_m');
SELECT nurture_draft('model', 'bad_m');

-- unknown codes: the error names the nearest known ones
SELECT is(nurture_score(99), NULL, 'the score of an unknown lead is NULL');
SELECT is_empty('SELECT * FROM nurture_explain(99)', 'and it has no explanation');
SELECT pg_temp.raises('SELECT nurture_rebuild(99)', 'NU004', '99', 'a lead that is not there cannot be rebuilt');
SELECT pg_temp.raises('SELECT nurture_qualify(99)', 'NU004', '99', 'nor qualified');
SELECT pg_temp.raises('SELECT nurture_opt_out(99)', 'NU004', '99', 'nor opt out');
SELECT pg_temp.raises('SELECT nurture_enroll(99, ''education'', '''')', 'NU004', '99', 'nor be enrolled');
SELECT pg_temp.raises('SELECT nurture_score(5, ''defalt'')', 'NU003', 'unknown model "defalt" .*"default"', 'an unknown model');
SELECT pg_temp.raises('SELECT nurture_check_model(''defalt'', 1)', 'NU003', 'unknown model "defalt" .*"default"', 'also when it is checked');
SELECT pg_temp.raises('SELECT nurture_publish(''model'', ''defalt'', 1, ''x'')', 'NU003', 'unknown model "defalt" .*"default"', 'or published');
SELECT pg_temp.raises('SELECT nurture_explain(5, ''default'', 7)', 'NU003', 'model "default" has no version 7', 'an unknown version');
SELECT pg_temp.raises($$INSERT INTO nurture.signal_rule (model, version, rule, signal, points) VALUES ('bad_m', 1, 'r', 'page_viewd', 1)$$,
    'NU003', 'unknown signal "page_viewd" / .*"page_viewed", "trial_page_viewed"', 'an unknown signal');
SELECT pg_temp.raises($$SELECT nurture_tally_count('{}', 'page_viewd', '2026-01-01', '2026-01-02')$$, 'NU003', '"page_viewed"', 'also where it is counted');
SELECT pg_temp.raises($$INSERT INTO nurture.event (lead_id, event_type) VALUES (5, 'page_viewd')$$,
    'NU003', 'unknown event type "page_viewd" / .*"page_viewed", "trial_page_viewed"', 'an unknown event type');
SELECT pg_temp.raises($$INSERT INTO nurture.event (lead_id, event_type) VALUES (5, 'page_viewed'), (99, 'page_viewed')$$,
    'NU004', '99, named in event 2 of the statement', 'an unknown lead of an event');
SELECT pg_temp.raises('SELECT nurture_enroll(5, ''educaton'', '''')', 'NU003', '"educaton" .*education', 'an unknown track');
SELECT pg_temp.raises('SELECT nurture_opt_in(5, ''emial'')', 'NU003', 'unknown channel "emial" / .*"email"', 'an unknown channel of a consent');
SELECT pg_temp.raises('SELECT nurture_opt_out(5, ''emial'')', 'NU003', 'unknown channel "emial"', 'an opt-out is not lost on an unknown channel');
SELECT pg_temp.raises('SELECT nurture_may_contact(5, ''emial'')', 'NU003', 'unknown channel "emial"', 'nor is a question about one answered');

-- malformed tallies
SELECT pg_temp.raises($$SELECT ''::nurture_tally$$, '22P02', 'Reading stopped at byte 1 of 0', 'an empty tally text');
SELECT pg_temp.raises($$SELECT '{1:2026-01-01'::nurture_tally$$, '22P02', 'expected @ .*byte 3 of 13', 'a malformed one names the byte');
SELECT pg_temp.raises($$SELECT '{1@2026-02-30:1}'::nurture_tally$$, '22P02', 'byte', 'a day that does not exist');
SELECT pg_temp.raises($$SELECT '{1@2026-01-01:-1}'::nurture_tally$$, '22P02', 'byte', 'a negative count');
SELECT pg_temp.raises($$SELECT '{1@2026-01-01:1}x'::nurture_tally$$, '22P02', 'byte', 'something behind the end');
SELECT pg_temp.raises($$SELECT repeat('9', 1048576)::nurture_tally$$, '22P02', 'byte 1 of 1048576', 'a megabyte of nothing');
SELECT pg_temp.raises($$SELECT nurture_tally_agg(1, 'infinity')$$, '22008', 'out of the range', 'an infinite day');
SELECT pg_temp.raises($$SELECT nurture_tally_agg(1, '294276-01-01')$$, '22008', 'out of the range', 'a day past the limit');
SELECT is(nurture_tally_agg(NULL, NULL), '{}', 'NULL is not counted');

-- conditions: the error names the path and the nearest words
PREPARE pattern (text) AS INSERT INTO nurture.pattern (model, version, pattern, condition, points) VALUES ('bad_m', 1, 'p', $1::jsonb, 1);
SELECT pg_temp.raises(format('EXECUTE pattern (%L)', document), 'NU005', pattern, 'condition: ' || what)
FROM (VALUES
    ('{}', 'At "/"', 'empty'),
    ('[]', 'must be an object / At "/"', 'no object'),
    ('{"all": {"fact": "country"}}', '"all" needs a list .*At "/all"', 'all without a list'),
    ('{"all": [{"fact": "contry", "op": "known"}]}', 'unknown fact "contry" / At "/all/0/fact" .*"country"', 'unknown fact'),
    ('{"any": [{"not": {"fact": "country", "op": "knwn"}}]}', 'unknown operator "knwn" / At "/any/0/not/op" .*"known"', 'unknown operator'),
    ('{"any": [{"signal": "demo_requestd"}]}', 'unknown signal .*At "/any/0/signal" .*"demo_requested"', 'unknown signal'),
    ('{"stage": ["mqll"]}', 'unknown stage "mqll" / At "/stage/0" .*"mql"', 'unknown stage'),
    ('{"tag": "topic:maa", "present": true}', 'unknown tag .*At "/tag" .*"topic:moa"', 'unknown tag'),
    ('{"signal": "demo_requested", "at_leest": 1}', 'At "/at_leest" .*"at_least"', 'unknown key'),
    ('{"signal": "demo_requested", "at_least": -1}', 'At "/at_least"', 'negative number'),
    ('{"signal": "demo_requested", "at_least": 1e30}', 'At "/at_least"', 'number past its limit'),
    ('{"signal": "demo_requested", "at_least": 3, "at_most": 1}', 'greater than "at_most"', 'empty range of counts'),
    ('{"fact": "attributes.n", "op": "between", "value": [5, 4]}', 'range is empty.*At "/value"', 'empty range'),
    ('{"fact": "country", "op": "in", "value": []}', 'list is empty / At "/value"', 'empty list'),
    ('{"program": {"kind": "trial", "on": ["country"]}}', 'unknown kind of program "trial" / At "/program/kind"', 'an unknown kind of programme'),
    ('{"list": "x"}', 'unknown list "x" / At "/list"', 'an unknown list'),
    ('{"label": "Not a code"}', 'unknown label "Not a code" / At "/label"', 'a label that is no code')
) AS bad (document, pattern, what);
SELECT pg_temp.raises(format('EXECUTE pattern (%L)', repeat('{"not": ', 33) || '{"fact": "country", "op": "known"}' || repeat('}', 33)),
    'NU005', 'nested more than 32 deep / At "/not/not/', 'condition: one level too deep');
SELECT pg_temp.raises(format('EXECUTE pattern (%L)', repeat('{"all": [', 900) || '{"fact": "country", "op": "known"}' || repeat(']}', 900)),
    'NU005', 'deep / At "/all/0/', 'condition: 900 levels');
SELECT pg_temp.raises(format('EXECUTE pattern (%L)', jsonb_build_object('fact', 'country', 'op', '=', 'value', repeat('x', 1048576))),
    'NU005', 'longer than 512 bytes / At "/value"', 'condition: a megabyte of text');
SELECT pg_temp.raises($$INSERT INTO nurture.stop_rule (rule, condition, effect) VALUES ('bad_rule', '{"any": [{"signal": "demo_requestd"}]}', 'stop')$$,
    'NU005', 'stop rule "bad_rule": unknown signal .*At "/any/0/signal"', 'a stop rule is read when it is written, not when an event comes');
SELECT pg_temp.raises($$UPDATE nurture.stop_rule SET condition = '{"all": 7}' WHERE rule = 'opted_out'$$, 'NU005', 'At "/all"', 'also when it changes');

-- numbers of rules, at and past their limits
PREPARE points (numeric) AS INSERT INTO nurture.signal_rule (model, version, rule, signal, points) VALUES ('bad_m', 1, 'points', 'page_viewed', $1);
SELECT pg_temp.raises('EXECUTE points (''NaN'')', '23514', 'signal_rule_points_check', 'points are numbers');
SELECT pg_temp.raises('EXECUTE points (''Infinity'')', '22003', '', 'and finite');
SELECT pg_temp.raises('EXECUTE points (9999999.995)', '22003', '', 'points past the limit');
SELECT lives_ok('EXECUTE points (9999999.99)', 'points at the limit');
PREPARE rule (text, int, jsonb, int, numeric, numeric) AS
    INSERT INTO nurture.signal_rule (model, version, rule, signal, points, curve, curve_days, curve_steps, per_day_max, floor, cap)
    VALUES ('bad_m', 1, 'r', 'page_viewed', 1, $1, $2, $3, $4, $5, $6);
SELECT pg_temp.raises('EXECUTE rule (' || arguments || ')', state, pattern, 'signal rule: ' || what)
FROM (VALUES
    ('''none'', NULL, NULL, NULL, 2, 1', '23514', '', 'floor above cap'),
    ('''none'', NULL, NULL, NULL, NULL, ''NaN''', '23514', 'cap', 'a cap that is no number'),
    ('''none'', NULL, NULL, 0, NULL, NULL', '23514', 'per_day_max', 'none a day'),
    ('''half_life'', 0, NULL, NULL, NULL, NULL', '22023', 'days must be positive', 'half-life of no days'),
    ('''linear'', 801, NULL, NULL, NULL, NULL', '22023', 'beyond the horizon', 'beyond the horizon'),
    ('''step'', NULL, ''[[10, 100], [5, 50]]'', NULL, NULL, NULL', '22023', 'must increase', 'steps that overlap'),
    ('''step'', NULL, ''7'', NULL, NULL, NULL', '22023', 'not a list', 'steps that are no list')
) AS bad (arguments, state, pattern, what);
INSERT INTO nurture.fit_rule (model, version, rule, attribute, operator, operand, points) VALUES
    ('bad_m', 1, 'few', 'attributes.n', 'between', '[1, 5]', 1), ('bad_m', 1, 'more', 'attributes.n', 'between', '[4, 9]', 2), ('bad_m', 1, 'many', 'attributes.n', 'between', '[10, 20]', 3);
INSERT INTO nurture.signal_rule (model, version, rule, signal, points) VALUES ('bad_m', 1, 'safety', 'adverse_event_reported', 1);
SELECT results_eq($$SELECT path, severity, finding FROM nurture_check_model('bad_m', 1) WHERE path ~ '_rule/' AND finding !~ 'not registered' ORDER BY 1$$,
    $$VALUES ('fit_rule/more', 'warning', 'the range overlaps that of rule "few"'), ('signal_rule/safety', 'error', 'signals of class safety are never scored')$$,
    'the check finds ranges that overlap, and points for safety reports');
SELECT pg_temp.raises('SELECT nurture_publish(''model'', ''bad_m'', 1, ''x'')', 'NU010', 'class safety are never scored at signal_rule/safety', 'which cannot be published');
DELETE FROM nurture.signal_rule WHERE model = 'bad_m' AND rule = 'safety';
SELECT lives_ok('SELECT nurture_publish(''model'', ''bad_m'', 1, ''x'')', 'without them it can');
INSERT INTO nurture.event (lead_id, event_type, occurred_at) SELECT 5, 'page_viewed', '2026-06-15' FROM generate_series(1, 1000);
SELECT is(nurture_score(5, 'bad_m'), 9999999990.00, 'points at the limit add up without wrapping');
SELECT is((SELECT sum(points) FROM nurture_explain(5, 'bad_m')), 9999999990.00, 'and so do their explanations');

-- events
PREPARE event (text, timestamptz, text) AS INSERT INTO nurture.event (lead_id, event_type, occurred_at, source_key) VALUES (5, $1, $2, $3);
SELECT pg_temp.raises('EXECUTE event (' || arguments || ')', state, pattern, 'event: ' || what)
FROM (VALUES
    ('''page_viewed'', ''2026-06-15 12:05:01+00'', NULL', '22008', 'event 1 of the statement lies in the future', 'in the future'),
    ('''page_viewed'', ''infinity'', NULL', '22008', 'future', 'at infinity'),
    ('''page_viewed'', ''-infinity'', NULL', '22008', 'out of range', 'at minus infinity'),
    ('''page_viewed'', ''1900-01-01'', NULL', '22008', '1970-01-03', 'before days are counted'),
    ('''page_viewed'', NULL, NULL', '23502', 'occurred_at', 'at no time'),
    ('NULL, ''2026-01-01'', NULL', '23502', 'event_type', 'of no type'),
    ('''page_viewed'', ''2026-01-01'', repeat(''x'', 1048576)', '22001', '1024 bytes', 'a megabyte of source_key'),
    ('repeat(''x'', 1048576), ''2026-01-01'', NULL', 'NU003', 'unknown event type "x{64}"', 'a megabyte of event type')
) AS bad (arguments, state, pattern, what);
SELECT lives_ok($$INSERT INTO nurture.event (lead_id, event_type, occurred_at, properties, tags) VALUES (5, 'page_viewed', '2026-06-14', to_jsonb(repeat('x', 1048576)), ARRAY[NULL, 'none:such'])$$,
    'a megabyte of properties and tags that nobody knows do no harm');

-- ingestion keeps what is good and says what is not
SELECT results_eq($$SELECT inserted, duplicates, quarantined, unidentified FROM nurture_ingest(jsonb_build_array(
        '{"lead_id": 5, "event_type": "page_viewed", "occurred_at": "2026-06-01T00:00:00Z", "source": "w", "source_key": "1"}'::jsonb,
        '{"lead_id": 5, "event_type": "page_viewed", "occurred_at": "2026-06-01T00:00:00Z", "source": "w", "source_key": "1"}'::jsonb,
        '{"lead_id": 99, "event_type": "page_viewed"}'::jsonb,
        '{"lead_id": 5, "event_type": "page_viewd"}'::jsonb,
        '{"lead_id": 5, "event_type": "page_viewed", "occurred_at": "2199-01-01"}'::jsonb,
        '{"lead_id": 5, "event_type": "page_viewed", "occurred_at": "infinity"}'::jsonb,
        '{"lead_id": "NaN", "event_type": "page_viewed"}'::jsonb,
        '{"external_ref": "nobody", "event_type": "page_viewed"}'::jsonb,
        'null'::jsonb, '7'::jsonb,
        jsonb_build_object('lead_id', 5, 'event_type', repeat('x', 1048576)),
        jsonb_build_object('lead_id', 5, 'event_type', 'page_viewed', 'source_key', repeat('x', 1048576)),
        '{"lead_id": 5, "event_type": "page_viewed", "occurred_at": "2026-06-02T00:00:00Z"}'::jsonb))$$,
    $$VALUES (2::bigint, 1::bigint, 9::bigint, 1::bigint)$$, 'two stored, one repeated, nine in quarantine, one waits for its lead');
SELECT results_eq($$SELECT reason, count(*) FROM nurture.event_quarantine GROUP BY reason ORDER BY reason COLLATE "C"$$,
    $$VALUES ('bad_value', 6::bigint), ('future', 1), ('unidentified', 1), ('unknown_event_type', 1), ('unknown_lead', 1)$$, 'each with its reason');
SELECT matches((SELECT detail FROM nurture.event_quarantine WHERE reason = 'unknown_event_type' AND payload ->> 'event_type' = 'page_viewd'), '"page_viewed"', 'which names the nearest codes too');
SELECT is(nurture_tally_count(signals, 'page_viewed', '2026-06-01', '2026-06-02'), 2::bigint, 'what was good is counted') FROM nurture.activity WHERE lead_id = 5;

-- NULL in place of every argument
SELECT is(nurture_score(NULL), NULL, 'no lead, no score');
SELECT pg_temp.raises('SELECT nurture_may_contact(NULL, NULL)', '22004', '', 'NULL is no lead to ask about');
SELECT pg_temp.raises('SELECT nurture_suppress(NULL, NULL, NULL)', '22004', '', 'nor a scope');

SELECT * FROM finish();
ROLLBACK;
