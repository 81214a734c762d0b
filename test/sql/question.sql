-- Confidence, what it rests on, and the next question.
BEGIN;
SET LOCAL client_min_messages = warning;
SET LOCAL nurture.clock = '2026-06-30T12:00:00Z';
SELECT plan(48);
INSERT INTO nurture.tag (dimension, value, tag_id, sensitive) VALUES ('therapeutic_area', 'u_open', 62001, false), ('therapeutic_area', 'u_secret', 62002, true);
INSERT INTO nurture.audience_type (audience_type, title) VALUES ('u_aud', 'u'), ('u_other', 'u');
INSERT INTO nurture.attribute (attribute, type, allowed, personal, required_for, stale_after, title) VALUES
    ('u_size', 'number', NULL, false, '{}', '30 days', 'How many beds are there?'),
    ('u_kind', 'text', '{small,large}', false, '{}', NULL, NULL),
    ('u_skills', 'list', '{pk,ct,lab}', false, '{}', NULL, NULL),
    ('u_private', 'text', NULL, true, '{}', NULL, NULL),
    ('u_needed', 'boolean', NULL, true, '{u_aud/2}', NULL, NULL),
    ('u_start', 'date', NULL, false, '{}', NULL, NULL);
INSERT INTO nurture.account (account_id, organization_type) VALUES (920001, 'hospital');
INSERT INTO nurture.lead (lead_id, account_id, audience_type, role, created_at) VALUES
    (920001, 920001, 'u_aud', 'physician', '2026-01-01'), (920002, NULL, 'u_aud', NULL, '2026-01-01'), (920003, NULL, 'unknown', NULL, '2026-01-01');
INSERT INTO nurture.lead (lead_id, merged_into) VALUES (920004, 920001);
INSERT INTO nurture.lead (lead_id, erased_at) VALUES (920005, now());

INSERT INTO nurture.model (model) VALUES ('u_model'), ('u_aud_model'), ('u_other_model');
CREATE FUNCTION pg_temp.version(of_model text) RETURNS integer LANGUAGE sql AS $$ SELECT nurture_draft('model', of_model) $$;
SELECT pg_temp.version('u_model');
INSERT INTO nurture.fit_rule (model, version, rule, attribute, operator, operand, points) VALUES
    ('u_model', 1, 'role', 'role', '=', '"physician"', 10),
    ('u_model', 1, 'country', 'country', 'in', '["DE", "FR"]', 20),
    ('u_model', 1, 'country_bad', 'country', '=', '"XX"', -30),
    ('u_model', 1, 'hospital', 'account.organization_type', '=', '"hospital"', 5),
    ('u_model', 1, 'account_country', 'account.country', '=', '"DE"', 500),
    ('u_model', 1, 'size', 'attributes.u_size', 'between', '[10, 20]', 15);
INSERT INTO nurture.fit_rule (model, version, rule, condition, points) VALUES
    ('u_model', 1, 'differs', '{"fact": "role", "op": "differs_from", "value": "specialty"}', -4),
    ('u_model', 1, 'either', '{"any": [{"fact": "role", "op": "=", "value": "physician"}, {"fact": "language", "op": "=", "value": "de"}]}', 6);
INSERT INTO nurture.band (model, version, dimension, band, min_points) VALUES ('u_model', 1, 'fit', 'A', 40), ('u_model', 1, 'fit', 'B', 20);
SELECT nurture_publish('model', 'u_model', 1, 'test') <> '' AS published;

-- confidence: 21 of 590 points, cut to four digits
SELECT is(nurture_confidence(920001, 'u_model'), 0.0355, 'the share of fit points that known facts decide');
SELECT is(nurture_confidence(920001, 'u_model'), (SELECT confidence FROM nurture_scores('u_model') WHERE lead_id = 920001), 'is that of all leads');
SELECT is(nurture_confidence(920004, 'u_model'), nurture_confidence(920001, 'u_model'), 'of the survivor of a merged lead');
SELECT is(nurture_confidence(920005, 'u_model'), NULL, 'of no erased lead');
SELECT is(nurture_confidence(920009), NULL, 'nor of an unknown one');
SELECT is(nurture_confidence(NULL), NULL, 'null in, null out');
SELECT is(nurture_confidence(920001, NULL), NULL, 'null model, null out');
SELECT throws_ok($$SELECT nurture_confidence(920001, 'u_modell')$$, 'NU003', 'unknown model "u_modell"', 'an unknown model is named');
SELECT results_eq($$SELECT rule, attribute, points, state, since FROM nurture_confidence_detail(920001, 'u_model') ORDER BY rule$$,
    $$VALUES ('account_country', 'account.country', 500.00, 'unknown', NULL::timestamptz), ('country', 'country', 20.00, 'unknown', NULL), ('country_bad', 'country', 30.00, 'unknown', NULL),
             ('differs', 'specialty', 4.00, 'unknown', NULL), ('either', 'role', 6.00, 'known', '2026-01-01'), ('hospital', 'account.organization_type', 5.00, 'known', '2026-06-30 12:00Z'),
             ('role', 'role', 10.00, 'known', '2026-01-01'), ('size', 'attributes.u_size', 15.00, 'unknown', NULL)$$, 'rule by rule');
SELECT is((SELECT round(sum(points) FILTER (WHERE state <> 'unknown') / sum(points), 3) FROM nurture_confidence_detail(920001, 'u_model')), round(nurture_confidence(920001, 'u_model'), 3), 'which adds up to it');
SELECT throws_ok($$SELECT * FROM nurture_confidence_detail(920001, 'u_modell')$$, 'NU003', NULL, 'an unknown model is named there too');
SELECT is((SELECT count(*) FROM nurture_confidence_detail(920009)) + (SELECT count(*) FROM nurture_confidence_detail(NULL)) + (SELECT count(*) FROM nurture_confidence_detail(920005)), 0::bigint, 'nothing about leads that are not there');

-- since when, and until when
SET LOCAL nurture.clock = '2026-07-10T12:00:00Z';
UPDATE nurture.lead SET attributes = '{"u_size": 12}', specialty = 'oncology' WHERE lead_id = 920001;
SET LOCAL nurture.clock = '2026-07-20T12:00:00Z';
UPDATE nurture.lead SET country = 'DE' WHERE lead_id = 920001;
SELECT results_eq($$SELECT rule, state, since FROM nurture_confidence_detail(920001, 'u_model') WHERE state <> 'unknown' AND rule IN ('size', 'country', 'role', 'differs') ORDER BY rule$$,
    $$VALUES ('country', 'known', '2026-07-20 12:00Z'::timestamptz), ('differs', 'contradicted', '2026-01-01'), ('role', 'contradicted', '2026-01-01'), ('size', 'known', '2026-07-10 12:00Z')$$,
    'each fact since it was told; two that differ where a rule takes points for it contradict each other');
SELECT is((SELECT state FROM nurture_confidence_detail(920001, 'u_model') WHERE rule = 'either'), 'contradicted', 'and whatever rests on them');
SET LOCAL nurture.clock = '2026-08-09T12:00:00Z';
SELECT is((SELECT state FROM nurture_confidence_detail(920001, 'u_model') WHERE rule = 'size'), 'stale', 'what the registry lets age is stale in time');
INSERT INTO nurture.event_type (event_type, class) VALUES ('u_form', 'intent');
INSERT INTO nurture.fact_map (event_type, path, target, mode) VALUES ('u_form', '$.beds', 'attributes.u_size', 'replace');
INSERT INTO nurture.event (lead_id, event_type, occurred_at, properties) VALUES (920001, 'u_form', '2026-08-08 09:00Z', '{"beds": 12}');
SELECT results_eq($$SELECT state, since FROM nurture_confidence_detail(920001, 'u_model') WHERE rule = 'size'$$, $$VALUES ('known', '2026-08-08 09:00Z'::timestamptz)$$, 'unless it is told again');
INSERT INTO nurture.event (lead_id, event_type, occurred_at, properties) VALUES (920001, 'u_form', '2026-08-08 10:00Z', '{"beds": 14}');
SELECT is((SELECT since FROM nurture_confidence_detail(920001, 'u_model') WHERE rule = 'size'), '2026-08-08 10:00Z', 'another answer holds since it was given');
UPDATE nurture.lead SET attributes = '{"u_size": 13}' WHERE lead_id = 920001;
SELECT is((SELECT since FROM nurture_confidence_detail(920001, 'u_model') WHERE rule = 'size'), '2026-08-09 12:00Z', 'what somebody wrote since that was written');
INSERT INTO nurture.review (lead_id, bucket, scope) VALUES (920001, 'contradiction', 'attributes.u_size'), (920001, 'contradiction', 'lead.country');
SELECT results_eq($$SELECT rule FROM nurture_confidence_detail(920001, 'u_model') WHERE state = 'contradicted' ORDER BY rule$$,
    ARRAY['country', 'country_bad', 'differs', 'either', 'role', 'size'], 'an open case about a fact contradicts it');
SELECT is(nurture_confidence(920001, 'u_model'), (SELECT confidence FROM nurture_scores('u_model') WHERE lead_id = 920001), 'the share stays that of known facts');
SET LOCAL nurture.clock = '2026-06-30T12:00:00Z';

-- the next question
SELECT results_eq($$SELECT attribute, effect, answer, total, grade, lowest, highest, together, question FROM nurture_next_question(920002, 'u_model')$$,
    $$VALUES ('country', 30.00, 'XX', -30.00, 'D4', -30.00, 20.00, NULL, NULL),
             ('role', 16.00, 'physician', 16.00, 'D4', 0.00, 16.00, NULL, NULL),
             ('attributes.u_size', 15.00, '10', 15.00, 'D4', 0.00, 15.00, NULL, 'How many beds are there?'),
             ('language', 6.00, 'de', 6.00, 'D4', 0.00, 6.00, NULL, NULL),
             ('specialty', 4.00, '(another)', -4.00, 'D4', -4.00, 12.00, 'role', NULL)$$,
    'what could change most, by itself or together; nobody is asked about the account');
SELECT is((SELECT attribute FROM nurture_next_question(920002, 'u_model') LIMIT 1), 'country', 'the first row is the next question');
UPDATE nurture.lead SET role = 'nurse', country = 'FR' WHERE lead_id = 920002;
SELECT results_eq($$SELECT attribute, effect, answer, total, grade, together FROM nurture_next_question(920002, 'u_model')$$,
    $$VALUES ('attributes.u_size', 15.00, '10', 35.00, 'B4', NULL), ('language', 6.00, 'de', 26.00, 'B4', NULL), ('specialty', 4.00, '(other)', 16.00, 'D4', NULL)$$,
    'a fact is not asked twice');
UPDATE nurture.lead SET specialty = 'nurse', language = ' ', attributes = '{"u_size": null}' WHERE lead_id = 920002;
SELECT results_eq($$SELECT attribute FROM nurture_next_question(920002, 'u_model')$$, ARRAY['attributes.u_size', 'language'], 'blanks and null are not known');
UPDATE nurture.lead SET language = 'fr', attributes = '{"u_size": 0}' WHERE lead_id = 920002;
SELECT is_empty($$SELECT * FROM nurture_next_question(920002, 'u_model')$$, 'nothing to ask when nothing missing changes anything');
SELECT is_empty($$SELECT * FROM nurture_next_question(NULL)$$, 'nothing of nobody');
SELECT is_empty($$SELECT * FROM nurture_next_question(920009, 'u_model')$$, 'nor of an unknown lead');
SELECT is_empty($$SELECT * FROM nurture_next_question(920005, 'u_model')$$, 'nor of an erased one');
SELECT throws_ok($$SELECT * FROM nurture_next_question(920002, 'u_modell')$$, 'NU003', 'unknown model "u_modell"', 'an unknown model is named');
SELECT results_eq($$SELECT attribute, effect FROM nurture_next_question(920004, 'u_model')$$, $$SELECT attribute, effect FROM nurture_next_question(920001, 'u_model')$$, 'a merged lead is asked what its survivor is');

-- lists, dates, flags, sensitive and personal facts
SELECT nurture_draft('model', 'u_model', 1);
DELETE FROM nurture.fit_rule WHERE model = 'u_model' AND version = 2;
INSERT INTO nurture.fit_rule (model, version, rule, attribute, operator, operand, points) VALUES
    ('u_model', 2, 'all', 'attributes.u_skills', 'all_of', '["pk", "ct"]', 7),
    ('u_model', 2, 'any', 'attributes.u_skills', 'any_of', '["lab"]', 5),
    ('u_model', 2, 'none', 'attributes.u_free', 'any_of', '["x", "y"]', 3),
    ('u_model', 2, 'kind', 'attributes.u_kind', '!=', '"small"', 2),
    ('u_model', 2, 'soon', 'attributes.u_start', 'due_within', '[10, 20]', 8),
    ('u_model', 2, 'old', 'attributes.u_since', 'older_than', '100', 9),
    ('u_model', 2, 'prefix', 'attributes.u_name', 'prefix', '"Uni"', 1),
    ('u_model', 2, 'private', 'attributes.u_private', '=', '"x"', 1000),
    ('u_model', 2, 'needed', 'attributes.u_needed', '=', 'true', 60),
    ('u_model', 2, 'email', 'email_known', '=', 'true', 2000),
    ('u_model', 2, 'owner', 'owner', '=', '"me"', 3000),
    ('u_model', 2, 'open', 'therapeutic_area', 'under', '"therapeutic_area:u_open"', 4),
    ('u_model', 2, 'secret', 'therapeutic_area', 'under', '"therapeutic_area:u_secret"', 4000),
    ('u_model', 2, 'region', 'region', 'known', NULL, 50);
SELECT nurture_publish('model', 'u_model', 2, 'test', true) <> '' AS published;
UPDATE nurture.lead SET specialty = NULL, attributes = '{}' WHERE lead_id = 920002;
SELECT results_eq($$SELECT attribute, effect, answer FROM nurture_next_question(920002, 'u_model')$$,
    $$VALUES ('attributes.u_needed', 60.00, 'true'), ('region', 50.00, '(other)'), ('attributes.u_skills', 12.00, '["ct","lab","pk"]'), ('attributes.u_since', 9.00, '2026-03-21'), ('attributes.u_start', 8.00, '2026-07-10'),
             ('therapeutic_area', 4.00, 'u_open'), ('attributes.u_free', 3.00, 'x'), ('attributes.u_kind', 2.00, 'large'), ('attributes.u_name', 1.00, 'Uni')$$,
    'no contact point, nothing personal that is not required, nothing for the sake of a sensitive answer');
UPDATE nurture.attribute SET required_for = '{*/1}' WHERE attribute = 'u_private';
SELECT is((SELECT attribute FROM nurture_next_question(920002, 'u_model') LIMIT 1), 'attributes.u_private', 'what is required may be asked');
UPDATE nurture.attribute SET required_for = '{other/1,route:u}' WHERE attribute IN ('u_private', 'u_needed');
SELECT is((SELECT attribute FROM nurture_next_question(920002, 'u_model') LIMIT 1), 'region', 'of those of whom it is required');

-- the grade, and ties
SELECT nurture_draft('model', 'u_model', 2);
DELETE FROM nurture.fit_rule WHERE model = 'u_model' AND version = 3;
INSERT INTO nurture.model_limit (model, version, dimension, cap) VALUES ('u_model', 3, 'total', 30);
INSERT INTO nurture.fit_rule (model, version, rule, attribute, operator, operand, points) VALUES
    ('u_model', 3, 'role', 'role', 'known', NULL, 35), ('u_model', 3, 'b', 'region', 'known', NULL, 5), ('u_model', 3, 'a', 'postal_code', 'known', NULL, 5),
    ('u_model', 3, 'c', 'specialty', 'known', NULL, 2), ('u_model', 3, 'd', 'language', '=', '"de"', 0);
SELECT nurture_publish('model', 'u_model', 3, 'test', true) <> '' AS published;
UPDATE nurture.lead SET language = NULL WHERE lead_id = 920002;
SELECT results_eq($$SELECT attribute, effect, total, grade FROM nurture_next_question(920002, 'u_model')$$,
    $$VALUES ('postal_code', 0.00, 30.00, 'A4'), ('region', 0.00, 30.00, 'A4')$$, 'a better grade under a cap of the total; equal ones by name; what changes neither is not asked');

-- the audience, which decides about the model as well
SELECT pg_temp.version('u_aud_model'), pg_temp.version('u_other_model');
INSERT INTO nurture.fit_rule (model, version, rule, attribute, operator, operand, points) VALUES
    ('u_aud_model', 1, 'is', 'audience_type', '=', '"u_aud"', 77), ('u_other_model', 1, 'is', 'audience_type', 'known', NULL, -99);
UPDATE nurture.model SET audience_types = '{u_aud}', is_default = true WHERE model = 'u_aud_model';
UPDATE nurture.model SET audience_types = '{u_other}', is_default = true WHERE model = 'u_other_model';
SELECT nurture_publish('model', 'u_aud_model', 1, 'test', true) || nurture_publish('model', 'u_other_model', 1, 'test', true) <> '' AS published;
UPDATE nurture.lead SET role = 'x' WHERE lead_id = 920003;
SELECT is((SELECT attribute || ' ' || answer || ' ' || effect FROM nurture_next_question(920003) WHERE attribute = 'audience_type'), 'audience_type u_other 99.00', 'who the lead is may lead to another model');
SELECT is((SELECT total FROM nurture_next_question(920003) WHERE attribute = 'audience_type'), -99.00, 'by which it is scored then');
SELECT is_empty($$SELECT * FROM nurture_next_question(920003, 'u_aud_model') WHERE attribute <> 'audience_type'$$, 'a model that is named stays');
SELECT is((SELECT effect FROM nurture_next_question(920003, 'u_aud_model')), 77.00, 'with its own rules');
SELECT is_empty($$SELECT * FROM nurture_next_question(920002)$$, 'an audience that is known is not asked');

-- random models against brute force: every answer is given to a lead of its own
SELECT setseed(0.7);
INSERT INTO nurture.model (model) VALUES ('u_random');
SELECT pg_temp.version('u_random');
INSERT INTO nurture.rule_group (model, version, rule_group, dimension, floor, cap) VALUES ('u_random', 1, 'g', 'fit', -10, 25);
INSERT INTO nurture.model_limit (model, version, dimension, floor, cap) VALUES ('u_random', 1, 'fit', -20, 60);
CREATE TEMP TABLE fact AS SELECT * FROM (VALUES ('role', 'text'), ('specialty', 'text'), ('region', 'text'), ('attributes.u_r1', 'number'), ('attributes.u_r2', 'number'), ('attributes.u_r3', 'day')) v (fact, type);
INSERT INTO nurture.fit_rule (model, version, rule, attribute, operator, operand, points, rule_group)
    SELECT 'u_random', 1, 'r' || i, f.fact, o.op,
           CASE WHEN o.op IN ('known', 'unknown') THEN NULL WHEN o.op = 'in' THEN to_jsonb(ARRAY[chr(97 + a), chr(97 + b)])
                WHEN o.op = 'between' THEN to_jsonb(ARRAY[least(a, b), greatest(a, b)]) WHEN o.op = 'due_within' THEN to_jsonb(ARRAY[least(a, b) * 5, greatest(a, b) * 5])
                WHEN o.op = 'older_than' THEN to_jsonb(a * 5) WHEN f.type = 'text' THEN to_jsonb(chr(97 + a)) WHEN f.type = 'day' THEN to_jsonb(to_char(date '2026-06-20' + a * 5, 'YYYY-MM-DD')) ELSE to_jsonb(a) END,
           floor(random() * 61) - 25, CASE WHEN random() < 0.3 THEN 'g' END
    FROM (SELECT i, floor(random() * 6)::int + 0 * i AS a, floor(random() * 6)::int + 0 * i AS b, 1 + floor(random() * 6)::int AS f, random() AS o FROM generate_series(1, 40) i) d
    JOIN (SELECT *, row_number() OVER () AS n FROM fact) f ON f.n = d.f,
    LATERAL (SELECT ops[1 + floor(d.o * cardinality(ops))::int] AS op FROM (SELECT CASE type WHEN 'text' THEN ARRAY['=', '!=', 'in', 'known', 'prefix', '>='] WHEN 'number' THEN ARRAY['=', '!=', 'between', '>=', '<=', 'known', 'unknown'] ELSE ARRAY['=', '>=', '<=', 'due_within', 'older_than'] END AS ops) x) o;
INSERT INTO nurture.band (model, version, dimension, band, min_points) VALUES ('u_random', 1, 'fit', 'A', 40), ('u_random', 1, 'fit', 'B', 20), ('u_random', 1, 'fit', 'C', 5);
SELECT nurture_publish('model', 'u_random', 1, 'test', true) <> '' AS published;
INSERT INTO nurture.lead (lead_id, role, specialty, region, attributes)
    SELECT 921000 + i, CASE WHEN random() < 0.4 THEN chr(97 + floor(random() * 7)::int) END, CASE WHEN random() < 0.4 THEN chr(97 + floor(random() * 7)::int) END, CASE WHEN random() < 0.4 THEN chr(97 + floor(random() * 7)::int) END,
           jsonb_strip_nulls(jsonb_build_object('u_r1', CASE WHEN random() < 0.4 THEN floor(random() * 8) END, 'u_r2', CASE WHEN random() < 0.4 THEN floor(random() * 8) END,
                                                'u_r3', CASE WHEN random() < 0.4 THEN date '2026-06-20' + floor(random() * 20)::int END))
    FROM generate_series(1, 40) i;
CREATE TEMP TABLE variant AS
    SELECT 930000 + row_number() OVER () AS lead_id, l.lead_id AS of_lead, f.fact, v.value
    FROM nurture.lead l, fact f, LATERAL (
        SELECT to_jsonb(x) FROM unnest(ARRAY['a', 'b', 'c', 'd', 'e', 'f', 'g', 'a!', 'b!', 'c!', 'd!', 'e!', 'f!', '!']) x WHERE f.type = 'text'
        UNION ALL SELECT to_jsonb(n / 2.0) FROM generate_series(-2, 16) n WHERE f.type = 'number'
        UNION ALL SELECT to_jsonb(to_char(date '2026-05-15' + n, 'YYYY-MM-DD')) FROM generate_series(0, 100) n WHERE f.type = 'day') v (value)
    WHERE l.lead_id BETWEEN 921001 AND 921040
        AND CASE WHEN f.fact LIKE 'attributes.%' THEN l.attributes -> substr(f.fact, 12) ELSE to_jsonb(l) -> f.fact END IS NOT DISTINCT FROM CASE WHEN f.fact LIKE 'attributes.%' THEN NULL ELSE 'null'::jsonb END;
INSERT INTO nurture.lead (lead_id, role, specialty, region, attributes)
    SELECT v.lead_id, CASE WHEN fact = 'role' THEN value #>> '{}' ELSE role END, CASE WHEN fact = 'specialty' THEN value #>> '{}' ELSE specialty END, CASE WHEN fact = 'region' THEN value #>> '{}' ELSE region END,
           CASE WHEN fact LIKE 'attributes.%' THEN attributes || jsonb_build_object(substr(fact, 12), value) ELSE attributes END
    FROM variant v JOIN nurture.lead l ON l.lead_id = v.of_lead;
CREATE TEMP TABLE score AS SELECT * FROM nurture_scores('u_random') WHERE lead_id > 921000;
CREATE TEMP TABLE brute AS
    SELECT v.of_lead, v.fact, max(abs(s.total - n.total)) AS effect, least(min(s.total), min(n.total)) AS lowest, greatest(max(s.total), max(n.total)) AS highest, bool_or(s.grade <> n.grade) AS regrades
    FROM variant v JOIN score s USING (lead_id) JOIN score n ON n.lead_id = v.of_lead GROUP BY 1, 2;
CREATE TEMP TABLE asked AS SELECT l.lead_id, q.* FROM generate_series(921001, 921040) l (lead_id), nurture_next_question(l.lead_id, 'u_random') WITH ORDINALITY q;
SELECT ok((SELECT count(*) FROM variant) > 2000, 'thousands of answers');
SELECT is_empty($$SELECT * FROM brute b FULL JOIN asked a ON a.lead_id = b.of_lead AND a.attribute = b.fact
    WHERE CASE WHEN a.lead_id IS NULL THEN b.effect <> 0 OR b.regrades ELSE (a.effect, a.lowest, a.highest) IS DISTINCT FROM (b.effect, b.lowest, b.highest) END$$, 'the effect and the range are those of brute force');
SELECT is_empty($$SELECT a.* FROM asked a WHERE a.ordinality <> (SELECT count(*) FROM asked b WHERE b.lead_id = a.lead_id AND (b.effect > a.effect OR b.effect = a.effect AND b.ordinality <= a.ordinality))$$, 'the largest first');
SELECT is_empty($$SELECT a.lead_id FROM asked a JOIN score n USING (lead_id) WHERE abs(a.total - n.total) <> a.effect OR a.total NOT BETWEEN a.lowest AND a.highest$$, 'the answer has the effect');
-- give the answers
CREATE TEMP TABLE given AS SELECT 940000 + row_number() OVER () AS lead_id, a.lead_id AS of_lead, a.attribute, a.answer, a.total, a.grade FROM asked a;
INSERT INTO nurture.lead (lead_id, role, specialty, region, attributes)
    SELECT v.lead_id, CASE WHEN attribute = 'role' THEN answer ELSE role END, CASE WHEN attribute = 'specialty' THEN answer ELSE specialty END, CASE WHEN attribute = 'region' THEN answer ELSE region END,
           CASE WHEN attribute LIKE 'attributes.%' THEN attributes || jsonb_build_object(substr(attribute, 12), CASE WHEN attribute = 'attributes.u_r3' THEN to_jsonb(answer) ELSE answer::jsonb END) ELSE attributes END
    FROM given v JOIN nurture.lead l ON l.lead_id = v.of_lead;
SELECT is_empty($$SELECT g.*, s.total, s.grade FROM given g JOIN nurture_scores('u_random') s USING (lead_id) WHERE (g.total, g.grade) IS DISTINCT FROM (s.total, s.grade)$$, 'given, it leads to the total and grade that were told');

-- rights
CREATE ROLE nurture_test_asker;
GRANT USAGE ON SCHEMA nurture TO nurture_test_asker;
SET LOCAL ROLE nurture_test_asker;
SELECT throws_ok('SELECT * FROM nurture_next_question(920002)', '42501', NULL, 'who may not read leads asks nothing');
RESET ROLE;
GRANT SELECT ON nurture.lead, nurture.activity, nurture.account TO nurture_test_asker;
ALTER TABLE nurture.lead ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON nurture.lead TO nurture_test_asker USING (lead_id = 920003);
SET LOCAL ROLE nurture_test_asker;
SELECT is((SELECT count(*) FROM nurture_next_question(920002, 'u_random')) + (SELECT count(*) FROM nurture_confidence_detail(920002, 'u_random')), 0::bigint, 'nothing of a hidden lead');
SELECT is(nurture_confidence(920002, 'u_random'), NULL, 'no confidence either');
SELECT ok((SELECT count(*) FROM nurture_next_question(920003, 'u_random')) > 0, 'something of one that is seen');
RESET ROLE;
SELECT * FROM finish();
ROLLBACK;
