-- Whose rights decide what nurture_score reads, and the places it can stand
-- in: planned with the query around it, or called by itself.
BEGIN;
SET LOCAL client_min_messages = warning;
SET LOCAL nurture.clock = '2026-06-30T12:00:00Z';
SELECT plan(27);
INSERT INTO nurture.audience_type (audience_type, title) VALUES ('a_aud', 'audience of the test');
INSERT INTO nurture.event_type (event_type, class) VALUES ('a_click', 'engagement');
INSERT INTO nurture.signal (signal, signal_id, event_type) VALUES ('a_click', 32001, 'a_click');
INSERT INTO nurture.lead (lead_id, audience_type, role, owner) SELECT 920000 + i, 'a_aud', CASE WHEN i % 2 = 0 THEN 'physician' END, 'rep_' || i % 2 FROM generate_series(1, 10) i;
INSERT INTO nurture.activity (lead_id, signals) SELECT 920000 + i, ('{32001@2026-06-30:' || i || '}')::nurture_tally FROM generate_series(1, 10) i
    ON CONFLICT (lead_id) DO UPDATE SET signals = EXCLUDED.signals;
INSERT INTO nurture.model (model, audience_types, is_default) VALUES ('a_model', '{a_aud}', true);
SELECT nurture_draft('model', 'a_model');
INSERT INTO nurture.fit_rule (model, version, rule, attribute, operator, operand, points) VALUES ('a_model', 1, 'r', 'role', '=', '"physician"', 100);
INSERT INTO nurture.signal_rule (model, version, rule, signal, points) VALUES ('a_model', 1, 's', 'a_click', 1);
SELECT nurture_publish('model', 'a_model', 1, 'test');

-- places
CREATE FUNCTION pg_temp.plan_of(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN RETURN QUERY EXECUTE 'EXPLAIN (COSTS OFF) ' || query; END $$;
SELECT ok(EXISTS (SELECT FROM pg_temp.plan_of('SELECT nurture_score(lead_id) FROM nurture.lead') p WHERE p LIKE '%SubPlan%'), 'in a query it is planned with the query');
SELECT is((SELECT sum(nurture_score(lead_id)) FROM nurture.lead WHERE lead_id BETWEEN 920001 AND 920010), 555.00, 'in an aggregate');
SELECT is((SELECT string_agg(n::text, ',' ORDER BY s) FROM (SELECT nurture_fit(lead_id) AS s, count(*) AS n FROM nurture.lead WHERE lead_id BETWEEN 920001 AND 920010
           GROUP BY nurture_fit(lead_id) HAVING nurture_fit(lead_id) >= 0) x), '5,5', 'in GROUP BY and HAVING');
SELECT is((SELECT array_agg(DISTINCT nurture_fit(lead_id)) FROM nurture.lead WHERE lead_id BETWEEN 920001 AND 920010), ARRAY[0.00, 100.00], 'under DISTINCT');
SELECT is((SELECT array_agg(lead_id) FROM (SELECT lead_id FROM nurture.lead WHERE lead_id BETWEEN 920001 AND 920010 ORDER BY nurture_score(lead_id) DESC LIMIT 2) x), ARRAY[920010, 920008]::bigint[], 'in ORDER BY');
SELECT is((SELECT count(*) FROM nurture.lead WHERE lead_id BETWEEN 920001 AND 920010 AND nurture_score(lead_id) > 100), 5::bigint, 'in WHERE');
SELECT is((SELECT rank() OVER (ORDER BY nurture_score(lead_id)) FROM nurture.lead WHERE lead_id = 920004), 1::bigint, 'in a window');
SELECT is((SELECT count(*) FROM nurture.lead a JOIN nurture.lead b ON nurture_score(a.lead_id) = nurture_score(b.lead_id) + 1
           WHERE a.lead_id BETWEEN 920001 AND 920010 AND b.lead_id BETWEEN 920001 AND 920010), 0::bigint, 'in a join');
SELECT is(nurture_score((SELECT max(lead_id) FROM nurture.lead WHERE lead_id < 920011)), 110.00, 'over a subquery');
SELECT is((SELECT nurture_score(l.lead_id + 0 * length(x.s)) FROM nurture.lead l, LATERAL (SELECT l.role AS s) x WHERE l.lead_id = 920002), 102.00, 'with outer columns in the argument');
CREATE FUNCTION pg_temp.of_lead(id bigint) RETURNS numeric LANGUAGE plpgsql AS $$
DECLARE result numeric;
BEGIN result := nurture_score(id); RETURN result; END $$;
SELECT is(pg_temp.of_lead(920003), 3.00, 'in a PL/pgSQL expression');
SELECT is((SELECT sum(pg_temp.of_lead(lead_id)) FROM nurture.lead WHERE lead_id BETWEEN 920001 AND 920010), 555.00, 'called row by row from PL/pgSQL');
PREPARE one(bigint) AS SELECT nurture_score(lead_id) FROM nurture.lead WHERE lead_id = $1;
SELECT results_eq('EXECUTE one(920005)', ARRAY[5.00], 'in a prepared statement');
SELECT nurture_draft('model', 'a_model', 1);
INSERT INTO nurture.fit_rule (model, version, rule, attribute, operator, operand, points) VALUES ('a_model', 2, 'o', 'owner', '=', '"rep_1"', 1000);
SELECT nurture_publish('model', 'a_model', 2, 'reads another column');
SELECT results_eq('EXECUTE one(920005)', ARRAY[1005.00], 'which follows a publish that reads more columns');

-- the view is planned with the facts that published models read
SELECT ok(NOT EXISTS (SELECT FROM pg_temp.plan_of('SELECT * FROM nurture_bi.lead_score') p WHERE p LIKE '%account%'), 'the view joins no accounts that nobody asks about');
INSERT INTO nurture.account (account_id, country) VALUES (920001, 'BR');
UPDATE nurture.lead SET account_id = 920001 WHERE lead_id IN (920003, 920005);
PREPARE seen(bigint) AS SELECT fit FROM nurture_bi.lead_score WHERE lead_id = $1;
SELECT results_eq('EXECUTE seen(920005)', ARRAY[1000.00], 'and gives the score');
DECLARE open_view CURSOR FOR SELECT s.fit FROM (VALUES (920001), (920003)) v (id) CROSS JOIN LATERAL (SELECT fit FROM nurture_bi.lead_score WHERE lead_id = v.id OFFSET 0) s;
SELECT results_eq('FETCH 1 FROM open_view', ARRAY[1000.00], 'a lead of an open query');
SELECT nurture_draft('model', 'a_model', 2);
INSERT INTO nurture.fit_rule (model, version, rule, attribute, operator, operand, points) VALUES ('a_model', 3, 'c', 'account.country', '=', '"BR"', 5);
SELECT nurture_publish('model', 'a_model', 3, 'reads accounts');
SELECT results_eq('EXECUTE seen(920005)', ARRAY[1005.00], 'a prepared statement joins them once a model asks');
SELECT results_eq('FETCH 1 FROM open_view', 'SELECT nurture_fit(920003)', 'a query that was open reads the lead again');
CLOSE open_view;
UPDATE nurture.lead SET account_id = NULL WHERE lead_id = 920003;

-- both are counted again from their events, of which there are none
UPDATE nurture.lead SET merged_into = 920010 WHERE lead_id = 920009;
SELECT is((SELECT nurture_score(lead_id) FROM nurture.lead WHERE lead_id = 920009), 100.00, 'merged leads give their survivor''s, planned');
UPDATE nurture.lead SET erased_at = '2026-06-30' WHERE lead_id = 920008;
SELECT is((SELECT nurture_score(lead_id) FROM nurture.lead WHERE lead_id = 920008), NULL, 'erased leads give none, planned');

-- rights
CREATE ROLE nurture_test_reader;
GRANT USAGE ON SCHEMA nurture, nurture_bi TO nurture_test_reader;
SET LOCAL ROLE nurture_test_reader;
SELECT throws_ok('SELECT nurture_score(920001)', '42501', NULL, 'who may not read leads gets no score');
RESET ROLE;
GRANT SELECT ON nurture.activity, nurture.account TO nurture_test_reader;
SELECT format('GRANT SELECT (%s) ON nurture.lead TO nurture_test_reader', string_agg(attname, ', ')) FROM pg_attribute
    WHERE attrelid = 'nurture.lead'::regclass AND attnum > 0 AND attname NOT IN ('email', 'phone', 'full_name') \gexec
SET LOCAL ROLE nurture_test_reader;
SELECT is(nurture_score(920001), 1001.00, 'the columns without contact points are enough');
SELECT throws_ok('SELECT email FROM nurture.lead', '42501', NULL, 'and contact points stay hidden');
RESET ROLE;
ALTER TABLE nurture.lead ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON nurture.lead TO nurture_test_reader USING (owner = 'rep_1');
SET LOCAL ROLE nurture_test_reader;
SELECT is((SELECT array_agg(nurture_score(id)) FROM generate_series(920001, 920003) id), ARRAY[1001.00, NULL, 1003.00], 'row-level security hides the score of a hidden lead');
SELECT is((SELECT count(*) FROM nurture_scores('a_model')  s WHERE s.lead_id BETWEEN 920001 AND 920010), 4::bigint, 'also in the set');
RESET ROLE;
SELECT is((SELECT count(*) FROM nurture_scores('a_model') s WHERE s.lead_id BETWEEN 920001 AND 920010), 8::bigint, 'the owner sees all');
SELECT * FROM finish();
ROLLBACK;
