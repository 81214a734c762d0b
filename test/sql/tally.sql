-- The type nurture_tally: text, bytes, operators, aggregates.
BEGIN;
SELECT plan(67);
SET LOCAL timezone = 'UTC';

-- text
SELECT is('{}'::nurture_tally::text, '{}', 'nothing');
SELECT is('{12@2026-11-03:2,12@2026-11-04:max, 15@ever:7/5;rolled 2024-09-01}'::nurture_tally::text,
    '{12@2026-11-03:2, 12@2026-11-04:max, 15@ever:7/5; rolled 2024-09-01}', 'everything');
SELECT is(' { 3@2026-01-02 : 1 , 1@2026-01-01:1 } '::nurture_tally::text, '{1@2026-01-01:1, 3@2026-01-02:1}', 'any order in, one order out');
CREATE FUNCTION pg_temp.refused(input text) RETURNS text LANGUAGE plpgsql AS
$$
DECLARE
    state text; message text; detail text;
BEGIN
    PERFORM input::nurture_tally;
    RETURN 'accepted';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL;
    RETURN state || CASE WHEN message LIKE 'invalid input syntax for type nurture_tally: _%' AND detail LIKE 'Reading stopped at byte %' THEN ' with position' ELSE ' ' || message END;
END
$$;
SELECT is(pg_temp.refused(input), '22P02 with position', 'refused: ' || left(quote_literal(input), 60))
    FROM unnest(ARRAY['', '{', '}', '{1}', '{1@}', '{1@2026-01-01}', '{1@2026-01-01:0}', '{1@2026-01-01:-1}', '{1@2026-02-30:1}', '{1@1960-01-01:1}',
        '{65536@2026-01-01:1}', '{1@2026-01-01:1,}', '{1@2026-01-01:1} x', '{1@2026-01-01:1, 1@2026-01-01:2}', '{1@ever:1/2}', '{1@ever:1}',
        '{1@2023-01-01:1; rolled 2024-01-01}', '{1@2026-01-01:99999999999999999999}', '{1@infinity:1}', '{1@NaN:1}', repeat('{', 1000000)]) AS input;

-- bytes
SELECT is(encode(nurture_tally_send('{1@1970-01-03:2}'), 'hex'), '01000000' || '00010002' || '00000002', 'the binary form is big-endian');
CREATE TEMP TABLE tally_value (n integer, t nurture_tally);
INSERT INTO tally_value VALUES (1, '{}'), (2, '{1@2026-01-01:1}'), (3, '{1@ever:3/2, 1@2026-01-01:1; rolled 2025-01-01}'), (4, '{rolled 2025-01-01}'),
    (5, NULL), (6, (SELECT nurture_tally_agg(s, '2026-01-01'::timestamptz + d * interval '1 day') FROM generate_series(1, 50) s, generate_series(1, 100) d));
SELECT is((SELECT count(*) FROM tally_value a WHERE t IS NOT NULL AND t::text::nurture_tally <> t), 0::bigint, 'text goes round');
SELECT ok(pg_column_size(t) > 8000, 'large values are stored outside the row as they are') FROM tally_value WHERE n = 6;

-- operators
SELECT is('{1@2026-01-01:1, 2@2026-01-01:1}'::nurture_tally + '{1@2026-01-01:2, 1@2026-01-02:1}', '{1@2026-01-01:3, 1@2026-01-02:1, 2@2026-01-01:1}'::nurture_tally, '+ adds');
SELECT is('{1@2026-01-01:3, 2@2026-01-01:1}'::nurture_tally - '{1@2026-01-01:2, 2@2026-01-01:1}', '{1@2026-01-01:1}'::nurture_tally, '- takes away');
SELECT is('{1@2026-01-01:max}'::nurture_tally + '{1@2026-01-01:2}', '{1@2026-01-01:max}'::nurture_tally, 'saturated stays saturated');
SELECT is('{1@2026-01-01:4294967294}'::nurture_tally + '{1@2026-01-01:5}', '{1@2026-01-01:max}'::nurture_tally, 'and is reached, not wrapped');
SELECT throws_ok($$SELECT '{1@2026-01-01:1}'::nurture_tally - '{1@2026-01-01:2}'$$, '22003', 'tally does not contain what is subtracted from it', 'underflow is an error');
SELECT throws_ok($$SELECT '{}'::nurture_tally - '{1@2026-01-01:2}'$$, '22003', 'tally does not contain what is subtracted from it', 'from nothing too');
SELECT throws_ok($$SELECT '{1@2026-01-01:max}'::nurture_tally - '{1@2026-01-01:2}'$$, '22003', 'saturated or folded counts cannot be subtracted from', 'saturated counts are known to the events only');
SELECT is(NULL::nurture_tally + '{}', NULL, 'NULL stays unknown');
SELECT is((SELECT count(DISTINCT t) FROM (SELECT t FROM tally_value UNION ALL SELECT t::text::nurture_tally FROM tally_value) x), 5::bigint, 'DISTINCT works');
SET LOCAL enable_sort = off;
SELECT is((SELECT count(*) FROM (SELECT t FROM (SELECT t FROM tally_value UNION ALL SELECT t::text::nurture_tally FROM tally_value) x GROUP BY t) g), 6::bigint, 'hashed grouping works');
RESET enable_sort;
SET LOCAL enable_hashagg = off;
SELECT is((SELECT count(*) FROM (SELECT t FROM (SELECT t FROM tally_value UNION ALL SELECT t::text::nurture_tally FROM tally_value) x GROUP BY t) g), 6::bigint, 'sorted grouping works');
RESET enable_hashagg;
SELECT is((SELECT count(*) FROM tally_value a JOIN tally_value b USING (t)), 5::bigint, 'joins work');
CREATE INDEX ON tally_value (t) WHERE n < 6;
SET LOCAL enable_seqscan = off;
SELECT is((SELECT n FROM tally_value WHERE t = '{1@2026-01-01:1}' AND n < 6), 2, 'an index finds short headers');
RESET enable_seqscan;
SELECT ok('{1@2026-01-01:1}'::nurture_tally < '{1@2026-01-02:1}' AND '{1@2026-01-01:1}'::nurture_tally <= '{1@2026-01-01:1}'
    AND '{2@2026-01-01:1}'::nurture_tally > '{1@2026-01-02:1}' AND '{}'::nurture_tally >= '{}' AND '{}'::nurture_tally <> '{rolled 2025-01-01}', 'comparisons');

-- aggregates
SELECT is((SELECT nurture_tally_agg(s::smallint, at) FROM (VALUES (2, '2026-01-01 23:59:59.999999+00'::timestamptz), (1, '2026-01-02 00:00+00'), (2, '2026-01-01 00:00+00'), (NULL, '2026-01-01'), (1, NULL)) v(s, at)),
    '{1@2026-01-02:1, 2@2026-01-01:2}'::nurture_tally, 'occurrences are counted by UTC day, NULLs are not');
SELECT is((SELECT nurture_tally_agg(1, now()) WHERE false), '{}'::nurture_tally, 'no rows, nothing counted');
SELECT throws_ok($$SELECT nurture_tally_agg(1, 'infinity')$$, '22008', 'occurrence is out of the range of a tally', 'infinity cannot be counted');
SELECT throws_ok($$SELECT nurture_tally_agg(1, '1970-01-02 23:59+00')$$, '22008', NULL, 'nor what was before tallies');
SELECT throws_ok($$SELECT nurture_tally_agg(65536, now())$$, '22003', NULL, 'nor a signal out of range');
SELECT throws_ok($$SELECT nurture_tally_agg(-1, now())$$, '22003', NULL, 'nor a negative one');
SELECT is((SELECT nurture_tally_sum(t) FROM tally_value WHERE n IN (2, 3, 5)), '{1@ever:3/2, 1@2026-01-01:2; rolled 2025-01-01}'::nurture_tally, 'tallies add up');
SELECT is((SELECT nurture_tally_sum(t) FROM tally_value WHERE false), NULL, 'no tallies, no sum');
SELECT is((SELECT nurture_tally_sum(t) FROM (SELECT ('{' || i % 7 || '@2026-01-0' || 1 + i % 9 || ':1}')::nurture_tally AS t FROM generate_series(1, 1000) i) x),
    (SELECT nurture_tally_agg(i % 7, ('2026-01-0' || 1 + i % 9)::timestamptz) FROM generate_series(1, 1000) i), 'a thousand of them too');
CREATE TABLE public.tally_parallel AS SELECT i % 13 AS s, '2026-01-01 00:00+00'::timestamptz + (i % 97) * interval '1 day' AS at, i % 10 AS g FROM generate_series(1, 20000) i;
ANALYZE tally_parallel;
CREATE TEMP TABLE serial_result AS SELECT nurture_tally_agg(s, at) AS t, (SELECT nurture_tally_sum(x) FROM (SELECT nurture_tally_agg(s, at) AS x FROM tally_parallel GROUP BY g) y) AS u FROM tally_parallel;
SELECT is(t, u, 'an aggregate of parts is the sum of their aggregates') FROM serial_result;
SET LOCAL parallel_setup_cost = 0; SET LOCAL parallel_tuple_cost = 0; SET LOCAL min_parallel_table_scan_size = 0; SET LOCAL max_parallel_workers_per_gather = 2;
SELECT is((SELECT nurture_tally_agg(s, at) FROM tally_parallel), (SELECT t FROM serial_result), 'parallel workers give the same');
SELECT is((SELECT nurture_tally_sum(('{' || s || '@2026-01-01:1}')::nurture_tally) FROM tally_parallel), (SELECT nurture_tally_agg(s, '2026-01-01') FROM tally_parallel), 'for sums too');

-- reading
CREATE TEMP TABLE r AS SELECT '{7@ever:9/4, 7@2026-01-01:2, 7@2026-01-05:3, 8@ever:1/1; rolled 2025-06-01}'::nurture_tally AS t;
SELECT is(nurture_tally_count(t, 7), 14::bigint, 'count of all') FROM r;
SELECT is(nurture_tally_count(t, 7, '2026-01-01', '2026-01-04'), 2::bigint, 'count of days, both ends') FROM r;
SELECT is(nurture_tally_count(t, 7, '1900-01-01', 'infinity'), 5::bigint, 'folded counts have no day') FROM r;
SELECT is(nurture_tally_count(t, 9::smallint, '2026-01-01', '2026-01-04'), 0::bigint, 'an absent signal') FROM r;
SELECT is(nurture_tally_last(t, 7), '2026-01-05'::date, 'last day') FROM r;
SELECT is(nurture_tally_last(t, 8), '-infinity'::date, 'last day that was folded') FROM r;
SELECT is(nurture_tally_last(t, 9), NULL::date, 'never') FROM r;
SELECT throws_ok($$SELECT nurture_tally_count('{}', 'no_such_signal')$$, 'NU003', NULL, 'an unknown code is an error');
SELECT throws_ok($$SELECT nurture_tally_last('{}', -1)$$, '22003', NULL, 'an impossible number is an error');
SELECT results_eq('SELECT u.* FROM r, nurture_tally_unnest(t) u', $$VALUES (7, NULL::date, 9::bigint, 4::bigint), (7, '2026-01-01', 2, 1), (7, '2026-01-05', 3, 1), (8, NULL, 1, 1)$$, 'rows');
SELECT is(nurture_tally_roll(t, '2026-01-05'), '{7@ever:11/5, 7@2026-01-05:3, 8@ever:1/1; rolled 2026-01-05}'::nurture_tally, 'rolling folds') FROM r;
SELECT is(nurture_tally_roll(t, '2020-01-01'), t, 'and never goes back') FROM r;
SELECT is(nurture_tally_rolled(t), '2025-06-01'::date, 'the roll day can be asked') FROM r;
SELECT throws_ok($$SELECT nurture_tally_roll('{}', 'infinity')$$, '22008', NULL, 'no roll to infinity');
SELECT * FROM finish();
ROLLBACK;
