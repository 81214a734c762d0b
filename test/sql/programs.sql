-- Programmes: which studies, products and partnerships a lead fits.
BEGIN;
SELECT plan(52);
SET LOCAL nurture.clock = '2026-06-15 12:00:00+00';
SET LOCAL timezone = 'UTC';
INSERT INTO nurture.lead (lead_id, audience_type, therapeutic_area, country, attributes) VALUES
    (9301, 'investigator', 'neoplasms', 'FR', '{"phase": "phase_2", "site_type": "academic"}'),
    (9302, 'investigator', ' neoplasms_by_site ', 'DE', '{"phase": ["phase_3", "phase_2"]}'),
    (9303, 'investigator', NULL, 'FR', '{}'),
    (9304, 'investigator', 'virus_diseases', NULL, '{"phase": 2}'),
    (9305, 'hcp', 'cysts', 'FR', '{"phase": "phase_4"}');
INSERT INTO nurture.lead (lead_id, merged_into) VALUES (9306, 9301);
INSERT INTO nurture.program (program, kind, title, therapeutic_areas, phases, countries, site_types, status, open_during) VALUES
    ('S-1', 'study', 'A study', '{neoplasms}', '{phase_2,phase_3}', '{FR,BE}', '{academic}', 'open', '[2026-01-01,2026-12-31)'),
    ('S-2', 'study', 'A later study', '{neoplasms}', '{phase_2}', '{DE}', '{}', 'open', '[2026-07-01,)'),
    ('S-3', 'study', 'A planned study', '{neoplasms}', '{phase_2}', '{FR,DE}', '{*}', 'planned', '(,)'),
    ('P-1', 'product', 'A product', '{neoplasms_by_site}', '{}', '{*}', '{}', 'open', '(,)');

-- the truth of a condition about a lead, by a pattern of a draft
INSERT INTO nurture.model (model, title) VALUES ('pr_model', 'Programmes');
SELECT nurture_draft('model', 'pr_model') AS version \gset
CREATE FUNCTION pg_temp.truth(lead bigint, condition jsonb) RETURNS text LANGUAGE plpgsql AS
$$
DECLARE
    points numeric;
BEGIN
    DELETE FROM nurture.pattern WHERE model = 'pr_model';
    INSERT INTO nurture.pattern (model, version, pattern, condition, points) VALUES ('pr_model', 1, 'asked', condition, 1), ('pr_model', 1, 'not_asked', jsonb_build_object('not', condition), 2);
    SELECT total INTO points FROM nurture_scores('pr_model', 1) WHERE lead_id = lead;
    RETURN CASE points WHEN 1 THEN 'true' WHEN 2 THEN 'false' WHEN 0 THEN 'unknown' END;
END
$$;
CREATE FUNCTION pg_temp.fits(lead bigint, kind text, VARIADIC fields text[]) RETURNS text LANGUAGE sql AS
$$ SELECT pg_temp.truth(lead, jsonb_build_object('program', jsonb_build_object('kind', kind, 'on', to_jsonb(fields)))) $$;

SELECT is(pg_temp.fits(9301, 'study', 'therapeutic_area', 'country', 'phase'), 'true', 'all named fields fit');
SELECT is(pg_temp.fits(9301, 'study', 'therapeutic_area', 'country', 'site_type'), 'true', 'others too');
SELECT is(pg_temp.fits(9302, 'study', 'phase'), 'true', 'one item of a list is enough');
SELECT is(pg_temp.fits(9305, 'study', 'phase'), 'false', 'another phase');
UPDATE nurture.lead SET attributes = '{"program_stage": "phase_2"}' WHERE lead_id = 9305;
SELECT is(pg_temp.fits(9305, 'study', 'phase'), 'true', 'the stage of the lead''s own programme, where it names no phase');
SELECT is(pg_temp.fits(9302, 'study', 'therapeutic_area'), 'true', 'an area within the study''s');
SELECT is(pg_temp.fits(9301, 'product', 'therapeutic_area'), 'true', 'an area that includes the product''s');
SELECT is(pg_temp.fits(9305, 'product', 'therapeutic_area'), 'false', 'areas beside each other');
SELECT is(pg_temp.fits(9305, 'study', 'therapeutic_area'), 'true', 'but both within a third');
SELECT is(pg_temp.fits(9302, 'study', 'country'), 'false', 'a study that is not open yet, and one that is planned, fit nobody');
SELECT is(pg_temp.fits(9301, 'partnership', 'country'), 'false', 'there is no partnership');
SELECT is(pg_temp.fits(9301, 'product', 'phase'), 'false', 'a programme without phases fits no phase');
SELECT is(pg_temp.fits(9304, 'product', 'country'), 'true', '* fits every country, known or not');
SELECT is(pg_temp.fits(9303, 'study', 'therapeutic_area', 'country'), 'unknown', 'an area not known, and a study that could fit');
SELECT is(pg_temp.fits(9303, 'partnership', 'therapeutic_area', 'country'), 'false', 'no programme that could');
SELECT is(pg_temp.fits(9304, 'study', 'country'), 'unknown', 'a country not known');
SELECT is(pg_temp.fits(9304, 'study', 'country', 'therapeutic_area'), 'false', 'that would not help');
SELECT is(pg_temp.fits(9304, 'study', 'phase'), 'unknown', 'a number is no phase; it is as good as not known');
SELECT is(pg_temp.fits(9303, 'product', 'site_type'), 'false', 'nobody asks where nothing is named');

-- what is open depends on the time
SET LOCAL nurture.clock = '2026-08-15 12:00:00+00';
SELECT is(pg_temp.fits(9302, 'study', 'country', 'phase'), 'true', 'the later study has opened');
SET LOCAL nurture.clock = '2026-12-31 00:00:00+00';
SELECT is(pg_temp.fits(9301, 'study', 'country'), 'false', 'the end is not included');
SET LOCAL nurture.clock = '2026-06-15 12:00:00+00';
UPDATE nurture.program SET status = 'open' WHERE program = 'S-3';
SELECT is(pg_temp.fits(9302, 'study', 'country', 'phase', 'site_type'), 'true', 'a change is seen at once');
UPDATE nurture.program SET open_during = 'empty' WHERE program = 'S-3';
SELECT is(pg_temp.fits(9302, 'study', 'country'), 'false', 'never open');
UPDATE nurture.tag SET parent = NULL WHERE dimension = 'therapeutic_area' AND value = 'cysts';
SELECT is(pg_temp.fits(9305, 'study', 'therapeutic_area'), 'false', 'so is a change of the tree');

-- which ones
SELECT results_eq($$SELECT * FROM nurture_programs(9301)$$, $$VALUES ('S-1', 'A study', 'study'), ('P-1', 'A product', 'product')$$, 'the programmes that fit on area and country');
SELECT results_eq($$SELECT program FROM nurture_programs(9301, 'study', '{phase}')$$, $$VALUES ('S-1')$$, 'of a kind, on other fields');
SELECT results_eq($$SELECT program FROM nurture_programs(9306, 'study')$$, $$VALUES ('S-1')$$, 'a merged lead has its survivor''s');
SELECT results_eq($$SELECT program FROM nurture_programs(9301, fields => '{}')$$, $$VALUES ('S-1'), ('P-1')$$, 'on no field all that are open fit');
SELECT is_empty($$SELECT * FROM nurture_programs(9399)$$, 'none for an unknown lead');
SELECT is_empty($$SELECT * FROM nurture_programs(NULL)$$, 'nor for NULL');
SELECT throws_ok($$SELECT * FROM nurture_programs(9301, 'trial')$$, 'NU003', 'unknown kind of program "trial"', 'an unknown kind');
SELECT throws_ok($$SELECT * FROM nurture_programs(9301, 'study', '{colour}')$$, 'NU003', 'unknown program field "colour"', 'an unknown field');
SELECT throws_ok($$SELECT * FROM nurture_programs(9301, 'study', '{NULL}')$$, 'NU003', 'unknown program field ""', 'no field');
SELECT throws_ok($$SELECT pg_temp.fits(9301, 'trial', 'phase')$$, 'NU005', 'condition of pattern "asked": unknown kind of program "trial"', 'the same in a condition');
SELECT throws_ok($$SELECT pg_temp.fits(9301, 'study', 'color')$$, 'NU005', NULL, 'and an unknown field');
SELECT throws_ok($$INSERT INTO nurture.program (program, kind, title, countries) VALUES ('x', 'study', 'x', '{NULL}')$$, '23514', NULL, 'a list holds no NULL');
SELECT throws_ok($$INSERT INTO nurture.program (program, kind, title, status) VALUES ('x', 'study', 'x', 'recruiting')$$, '23514', NULL, 'states are planned, open, paused and closed');

-- in the way rules use it: a model that is published, and what is told
DELETE FROM nurture.pattern WHERE model = 'pr_model';
INSERT INTO nurture.fit_rule (model, version, rule, condition, points) VALUES
    ('pr_model', :version, 'study_fit', '{"program": {"kind": "study", "on": ["therapeutic_area", "country", "phase"]}}', 10);
INSERT INTO nurture.band (model, version, dimension, band, min_points) VALUES ('pr_model', :version, 'fit', 'A', 10);
SELECT lives_ok(format($$SELECT nurture_publish('model', 'pr_model', %s, 'tested', true)$$, :version), 'a model that reads programmes is published');
SELECT results_eq($$SELECT lead_id, nurture_score(lead_id, 'pr_model') FROM nurture.lead WHERE lead_id BETWEEN 9301 AND 9305 ORDER BY 1$$,
    $$VALUES (9301::bigint, 10.00), (9302, 0.00), (9303, 0.00), (9304, 0.00), (9305, 0.00)$$, 'by lead');
SELECT results_eq($$SELECT lead_id, total, confidence FROM nurture_scores('pr_model') WHERE lead_id BETWEEN 9301 AND 9305 ORDER BY 1$$,
    $$VALUES (9301::bigint, 10.00, 1.0000), (9302, 0.00, 1.0000), (9303, 0.00, 0.0000), (9304, 0.00, 1.0000), (9305, 0.00, 1.0000)$$, 'all at once, unknown facts lower confidence');
SELECT results_eq($$SELECT label, points FROM nurture_explain(9301, 'pr_model')$$,
    $$VALUES ('an open study matches on therapeutic area, country and phase', 10.00)$$, 'in words');

-- requirements of a tier tell which programmes met them
INSERT INTO nurture.model (model, title, product, audience_types) VALUES ('pr_tiers', 'Study sites', 'pr', '{investigator}');
SELECT nurture_draft('model', 'pr_tiers') AS version \gset
INSERT INTO nurture.tier_rule (model, version, tier, requirement, condition, fails_with) VALUES
    ('pr_tiers', :version, 1, 'study', '{"program": {"kind": "study", "on": ["country", "therapeutic_area"]}}', 'no_fit'),
    ('pr_tiers', :version, 2, 'product', '{"program": {"kind": "product", "on": ["country"]}}', 'no_fit');
INSERT INTO nurture.fit_rule (model, version, rule, attribute, operator, operand, points) VALUES ('pr_tiers', :version, 'country', 'country', '=', '"FR"', 10);
INSERT INTO nurture.band (model, version, dimension, band, min_points) VALUES ('pr_tiers', :version, 'fit', 'A', 10);
SELECT nurture_publish('model', 'pr_tiers', :version, 'tested', true) IS NOT NULL AS published;
SELECT results_eq($$SELECT tier, reasons FROM nurture_qualify(9301, 'pr')$$, $$VALUES (2, '{program:S-1,program:P-1}'::text[])$$, 'programmes stand in the reasons of tiers');
SELECT results_eq($$SELECT tier, reasons, unknown FROM nurture_qualify(9303, 'pr')$$,
    $$VALUES (0, '{no_fit}'::text[], '{"an open study matches on country and therapeutic area"}'::text[])$$, 'what is unknown can be asked for');

-- the registered studies, as they are really written
\copy nurture.program (program, kind, title, therapeutic_areas, phases, modalities, countries, status, open_during, reason) FROM PROGRAM 'cat "$PG_ABS_SRCDIR/../examples/demo/data/studies.csv"' CSV HEADER
SELECT is((SELECT count(*) FROM nurture.program WHERE program LIKE 'NCT%'), 795::bigint, '795 registered studies are loaded');
SELECT is((SELECT count(*) FROM nurture.program WHERE program LIKE 'NCT%' AND status = 'open'), 392::bigint, '392 of them take participants');
SELECT is_empty($$SELECT area FROM nurture.program, unnest(therapeutic_areas) area WHERE program LIKE 'NCT%' AND NOT EXISTS (SELECT FROM nurture.tag WHERE dimension = 'therapeutic_area' AND value = area)$$, 'every area is a tag');
SELECT is_empty($$SELECT country FROM nurture.program, unnest(countries) country WHERE program LIKE 'NCT%' AND country !~ '^[A-Z][A-Z]$'$$, 'every country is a code');
SELECT results_eq($$SELECT count(*) FILTER (WHERE therapeutic_areas = '{}'), count(*) FILTER (WHERE countries = '{}'), count(*) FILTER (WHERE phases = '{}') FROM nurture.program WHERE program LIKE 'NCT%'$$,
    $$VALUES (20::bigint, 175::bigint, 300::bigint)$$, 'what could not be mapped: 20 without an area, 175 name no place, 300 no phase');
INSERT INTO nurture.lead (lead_id, audience_type, therapeutic_area, country, attributes)
    SELECT 93000 + n, 'investigator', (ARRAY['virus_diseases', 'lung_diseases', 'neoplasms', 'heart_diseases', NULL, 'eye_diseases'])[1 + n % 6],
           (ARRAY['FR', 'US', 'CN', 'IT', NULL, 'DE', 'BR'])[1 + n % 7], CASE WHEN n % 5 > 0 THEN jsonb_build_object('phase', 'phase_' || 1 + n % 4) ELSE '{}' END
    FROM generate_series(1, 420) n;
-- a second way: joins over the rows, one programme after the other
CREATE TEMP TABLE line AS
    WITH RECURSIVE up AS (
        SELECT value AS a, value AS b FROM nurture.tag WHERE dimension = 'therapeutic_area'
        UNION SELECT u.a, t.parent FROM up u JOIN nurture.tag t ON t.dimension = 'therapeutic_area' AND t.value = u.b WHERE t.parent IS NOT NULL)
    SELECT a, array_agg(b) AS fitting FROM (SELECT a, b FROM up UNION SELECT b, a FROM up) u GROUP BY a;
CREATE TEMP TABLE naive AS
SELECT l.lead_id, max(CASE WHEN m.area AND m.country AND m.phase THEN 2 WHEN m.area IS NOT false AND m.country IS NOT false AND m.phase IS NOT false THEN 1 ELSE 0 END) AS truth
FROM nurture.lead l LEFT JOIN line ON line.a = l.therapeutic_area CROSS JOIN nurture.program p
CROSS JOIN LATERAL (SELECT
    CASE WHEN p.therapeutic_areas = '{}' THEN false WHEN l.therapeutic_area IS NOT NULL
        THEN p.therapeutic_areas && line.fitting END AS area,
    CASE WHEN p.countries = '{}' THEN false WHEN l.country IS NOT NULL THEN l.country = ANY (p.countries) END AS country,
    CASE WHEN p.phases = '{}' THEN false WHEN l.attributes ? 'phase' THEN l.attributes ->> 'phase' = ANY (p.phases) END AS phase) m
WHERE l.lead_id BETWEEN 93001 AND 93420 AND p.kind = 'study' AND p.status = 'open' AND p.open_during @> '2026-06-15 12:00:00+00'::timestamptz
GROUP BY l.lead_id;
SELECT is_empty($$SELECT n.lead_id, n.truth, s.total, s.confidence FROM naive n JOIN nurture_scores('pr_model') s USING (lead_id)
    WHERE (CASE WHEN s.total = 10 THEN 2 WHEN s.confidence = 0 THEN 1 ELSE 0 END) <> n.truth$$, 'the index says what the rows say, for 420 leads and 795 studies');
SELECT cmp_ok((SELECT min(n) FROM (SELECT count(*) AS n FROM naive GROUP BY truth) c), '>', 20::bigint, 'of which many fit, many do not and of many it is not known');
SELECT is_empty($$SELECT n.lead_id FROM naive n WHERE (n.truth = 2) <> EXISTS (SELECT FROM nurture_programs(n.lead_id, 'study', '{therapeutic_area,country,phase}'))$$, 'and so does the list');
SET LOCAL parallel_setup_cost = 0;
SET LOCAL parallel_tuple_cost = 0;
SET LOCAL min_parallel_table_scan_size = 0;
DO $$BEGIN PERFORM set_config(name, 'on', true) FROM pg_settings WHERE name IN ('force_parallel_mode', 'debug_parallel_query'); END$$;
SELECT is_empty($$SELECT n.lead_id FROM naive n WHERE (n.truth = 2) <> (nurture_score(n.lead_id, 'pr_model') = 10)$$, 'in a parallel worker too');
SELECT * FROM finish();
ROLLBACK;
