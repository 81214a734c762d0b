-- nurture.stage_step is what history, standing and facts say, whoever wrote
-- them; here that is asked of them in another way after every change.
BEGIN;
SELECT plan(31);
SET LOCAL nurture.clock = '2026-03-02 10:00:00+00';
SET LOCAL timezone = 'UTC';

CREATE FUNCTION pg_temp.wrong() RETURNS bigint LANGUAGE sql AS $$
    WITH reached AS (
        SELECT h.lead_id, h.product, h.new_stage AS stage, min(h.at) AS at FROM nurture.stage_history h
        WHERE h.new_stage IS DISTINCT FROM h.old_stage AND EXISTS (SELECT FROM nurture.stage g WHERE g.stage = h.new_stage) GROUP BY 1, 2, 3
    ), placed AS (
        SELECT r.*, (SELECT max(g.stage_no) FROM nurture.stage g WHERE g.stage = r.stage) AS stage_no FROM reached r
    ), step AS (
        SELECT p.lead_id, p.product, p.stage, p.at AS reached_at,
            (SELECT CASE WHEN n.at >= p.at THEN n.at END FROM placed n WHERE n.lead_id = p.lead_id AND n.product = p.product AND (n.stage_no, n.stage) > (p.stage_no, p.stage)
             ORDER BY n.stage_no, n.stage LIMIT 1) AS next_at
        FROM placed p
    ), every AS (
        SELECT lead_id, product, stage FROM step UNION SELECT lead_id, product, stage FROM nurture.lead_stage
    ), expected AS (
        SELECT e.lead_id, e.product, e.stage, s.reached_at, s.next_at, EXISTS (SELECT FROM nurture.lead_stage n WHERE (n.lead_id, n.product, n.stage) = (e.lead_id, e.product, e.stage)) AS is_now,
            l.source, l.audience_type, l.country
        FROM every e LEFT JOIN step s USING (lead_id, product, stage) JOIN nurture.lead l USING (lead_id) WHERE NOT l.is_test AND l.merged_into IS NULL
    )
    SELECT (SELECT count(*) FROM (TABLE expected EXCEPT TABLE nurture.stage_step) x) + (SELECT count(*) FROM (TABLE nurture.stage_step EXCEPT TABLE expected) x)
$$;
CREATE FUNCTION pg_temp.steps(of_lead bigint) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(stage || ' ' || coalesce(to_char(reached_at, 'MM-DD'), '-') || ' ' || coalesce(to_char(next_at, 'MM-DD'), '-') || CASE WHEN is_now THEN ' now' ELSE '' END, ', ' ORDER BY reached_at, stage)
    FROM nurture.stage_step WHERE lead_id = of_lead
$$;

INSERT INTO nurture.lead (lead_id, email, source, audience_type, country, is_test) VALUES (9601, 'a@s.example.org', 'web', 'hcp', 'DE', false),
    (9602, 'b@s.example.org', 'fair', 'hcp', 'DE', false), (9603, 'c@s.example.org', 'fair', 'payer', 'FR', true), (9604, 'd@s.example.org', 'web', 'hcp', 'DE', false);
SELECT is((SELECT count(*) FROM nurture.stage_step WHERE lead_id BETWEEN 9601 AND 9604), 0::bigint, 'nothing is reached yet');
INSERT INTO nurture.stage_history (lead_id, product, old_stage, new_stage, cause, at) VALUES
    (9601, '*', NULL, 'engaged', 'x', '2026-02-01'), (9601, '*', 'engaged', 'engaged', 'grade only', '2026-02-02'), (9601, '*', 'engaged', 'mql', 'x', '2026-02-11'),
    (9601, '*', 'mql', 'recycled', 'x', '2026-02-20'), (9601, '*', 'recycled', 'nurturing', 'x', '2026-02-21'), (9601, '*', 'nurturing', 'mql', 'x', '2026-02-25'),
    (9602, '*', NULL, 'engaged', 'x', '2026-02-03'), (9602, 'p', NULL, 'engaged', 'x', '2026-02-04'), (9603, '*', NULL, 'sql', 'x', '2026-02-01');
SELECT is(pg_temp.steps(9601), 'engaged 02-01 02-21, mql 02-11 -, recycled 02-20 -, nurturing 02-21 -', 'first times; to a stage that was reached before, nobody went on');
SELECT is(pg_temp.wrong(), 0::bigint, 'as the history says');
SELECT is(pg_temp.steps(9603), NULL, 'a test lead has none');
INSERT INTO nurture.lead_stage (lead_id, stage, stage_no, since, tier) VALUES (9601, 'mql', 4, '2026-02-25', 3), (9602, 'sql', 6, '2026-03-01', 4), (9603, 'sql', 6, '2026-02-01', 4);
SELECT is(pg_temp.steps(9602), 'engaged 02-03 -, engaged 02-04 -, sql - - now', 'a stage of which history knows nothing is counted now, not as reached');
UPDATE nurture.lead_stage SET stage = 'engaged', stage_no = 2 WHERE lead_id = 9602;
SELECT is(pg_temp.steps(9602), 'engaged 02-03 - now, engaged 02-04 -', 'and goes with the standing');
SELECT is(pg_temp.wrong(), 0::bigint, 'standing');

-- corrections by hand
UPDATE nurture.stage_history SET at = '2026-01-20' WHERE lead_id = 9601 AND new_stage = 'nurturing';
SELECT is(pg_temp.steps(9601), 'nurturing 01-20 02-11, engaged 02-01 -, mql 02-11 - now, recycled 02-20 -', 'a corrected time');
UPDATE nurture.stage_history SET lead_id = 9604 WHERE lead_id = 9602 AND product = 'p';
SELECT is(pg_temp.steps(9604), 'engaged 02-04 -', 'a line of another lead');
DELETE FROM nurture.stage_history WHERE lead_id = 9601 AND new_stage = 'engaged';
SELECT is(pg_temp.wrong(), 0::bigint, 'all corrections');

-- facts, test leads
UPDATE nurture.lead SET source = 'web', country = 'FR', audience_type = 'payer' WHERE lead_id = 9602;
SELECT is((SELECT string_agg(DISTINCT source || audience_type || country, ',') FROM nurture.stage_step WHERE lead_id = 9602), 'webpayerFR', 'facts of the lead');
UPDATE nurture.lead SET is_test = NOT is_test WHERE lead_id IN (9602, 9603);
SELECT is(concat(pg_temp.steps(9602), '|', pg_temp.steps(9603)), '|sql 02-01 - now', 'a lead that becomes a test lead goes, one that is none any more comes');
UPDATE nurture.lead SET is_test = NOT is_test WHERE lead_id IN (9602, 9603);
SELECT is(pg_temp.wrong(), 0::bigint, 'facts');

-- what the functions write
INSERT INTO nurture.event (lead_id, event_type, occurred_at) SELECT 9604, e, '2026-03-02 09:00+00' FROM unnest('{demo_requested,clinical_evidence_downloaded,webinar_attended}'::text[]) e;
SELECT ok((SELECT count(*) FROM nurture.stage_history WHERE lead_id = 9604 AND cause <> 'x') > 0, 'an event moves a lead');
SELECT is(pg_temp.wrong(), 0::bigint, 'event');
SELECT nurture_merge(9604, 9601, 'same person') AS merge_id \gset
SELECT is(pg_temp.steps(9601), NULL, 'a merged lead is counted nowhere');
SELECT ok(EXISTS (SELECT FROM nurture.stage_step WHERE lead_id = 9604 AND stage = 'mql' AND is_now), 'the survivor stands where it stood');
SELECT is(pg_temp.wrong(), 0::bigint, 'merge');
SELECT nurture_unmerge(:merge_id, 'two persons') IS NOT NULL AS unmerged;
SELECT ok(EXISTS (SELECT FROM nurture.stage_step WHERE lead_id = 9601 AND stage = 'mql' AND is_now), 'and comes back');
SELECT is(pg_temp.wrong(), 0::bigint, 'unmerge');

-- another order of stages
UPDATE nurture.stage SET stage_no = CASE stage_no WHEN 3 THEN 4 ELSE 3 END WHERE stage IN ('nurturing', 'mql');
SELECT is((SELECT next_at FROM nurture.stage_step WHERE lead_id = 9601 AND stage = 'nurturing'), NULL, 'nurturing leads no longer to mql');
SELECT is(pg_temp.wrong(), 0::bigint, 'order');
DELETE FROM nurture.stage WHERE stage = 'recycled';
SELECT is(pg_temp.wrong(), 0::bigint, 'a stage that is gone');
INSERT INTO nurture.stage (audience_type, stage, stage_no, goal, message_classes, title) VALUES ('*', 'recycled', 0, 'x', '{}', 'x');
SELECT ok(EXISTS (SELECT FROM nurture.stage_step WHERE lead_id = 9601 AND stage = 'recycled'), 'and comes again');

-- erasure
SELECT nurture_erase(9601, 'no_longer_needed', 'ticket 1') IS NOT NULL AS erased;
SELECT is((SELECT string_agg(DISTINCT concat(source, audience_type, country, is_now), ',') FROM nurture.stage_step WHERE lead_id = 9601), 'unknownf', 'of an erased lead it stays that stages were reached, without facts');
SELECT is(pg_temp.wrong(), 0::bigint, 'erasure');

-- around the triggers
SELECT is_empty($$SELECT detail FROM nurture_selfcheck() WHERE finding = 'stage_step_differs'$$, 'the self-check finds nothing');
UPDATE nurture.stage_step SET reached_at = '2020-01-01' WHERE lead_id = 9602;
SELECT results_eq($$SELECT detail FROM nurture_selfcheck() WHERE finding = 'stage_step_differs'$$, $$VALUES ('the stages that lead 9602 has reached are not kept as its history says')$$, 'but what was changed by hand');

SELECT count(*) FROM nurture_selfcheck(true) \g /dev/null
SELECT is(pg_temp.wrong(), 0::bigint, 'and puts it right');

-- the median
SELECT results_eq($$SELECT nurture_median(v) FROM (VALUES (1, 3.0), (1, 1), (1, 2), (2, 4), (2, 1), (2, 8), (2, 2), (3, NULL), (4, 'infinity'), (4, '-infinity'), (4, 'nan')) t (g, v) GROUP BY g ORDER BY g$$,
    $$VALUES (2::double precision), (3), (NULL), ('infinity')$$, 'the one in the middle, or the mean of both');
SELECT is_empty($$SELECT g FROM (SELECT g, nurture_median(v) AS m, percentile_cont(0.5) WITHIN GROUP (ORDER BY v) AS p
    FROM (SELECT n % 97 AS g, (hashint4(n) % (1 + n % 50))::double precision AS v FROM generate_series(1, 9700) n) t GROUP BY g) x WHERE m IS DISTINCT FROM p$$, 'as the server''s');

SELECT * FROM finish();
ROLLBACK;
