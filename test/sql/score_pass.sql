-- The pass over all leads reads its tables without the executor where they
-- are plain, and by a query where they are not: with the same result.
BEGIN;
SET LOCAL client_min_messages = warning;
SET LOCAL nurture.clock = '2026-06-30T12:00:00Z';
SELECT plan(32);

INSERT INTO nurture.audience_type (audience_type, title) VALUES ('p_aud', 'audience of the test'), ('p_plain', 'another');
INSERT INTO nurture.event_type (event_type, class) VALUES ('p_click', 'engagement'), ('p_call', 'engagement');
INSERT INTO nurture.signal (signal, signal_id, event_type) VALUES ('p_click', 31601, 'p_click'), ('p_call', 31602, 'p_call');
INSERT INTO nurture.account (account_id, name, country, attributes) SELECT 930500 + i, 'account ' || i, (ARRAY['DE', 'FR', NULL])[1 + i % 3], jsonb_build_object('beds', 10 * i) FROM generate_series(1, 30) i;
-- in no order of their keys, some with an account, of which some are not there
INSERT INTO nurture.lead (lead_id, account_id, audience_type, role, country, is_test, attributes)
    SELECT 930000 + i * 37 % 400, CASE WHEN i % 4 > 0 THEN 930500 + i % 40 END, (ARRAY['p_aud', 'p_plain'])[1 + i % 2],
           CASE WHEN i % 3 > 0 THEN 'physician' END, (ARRAY['DE', 'FR'])[1 + i % 2], i % 29 = 0, jsonb_build_object('size', i) FROM generate_series(0, 399) i;
INSERT INTO nurture.event (lead_id, event_type, occurred_at, recorded_at)
    SELECT 930000 + i * 7 % 400, (ARRAY['p_click', 'p_call'])[1 + i % 2], timestamptz '2026-06-29' - i % 50 * interval '1 day', timestamptz '2026-06-29' FROM generate_series(1, 1500) i WHERE i * 7 % 400 % 5 > 0;
-- a tally that does not fit into its row
INSERT INTO nurture.event (lead_id, event_type, occurred_at, recorded_at) SELECT 930001, 'p_click', timestamptz '2026-06-29' - i * interval '1 day', '2026-06-29' FROM generate_series(1, 700) i;
UPDATE nurture.lead SET merged_into = 930002 WHERE lead_id = 930007;
UPDATE nurture.lead SET erased_at = '2026-06-30' WHERE lead_id = 930011;
DELETE FROM nurture.lead WHERE lead_id = 930016;
UPDATE nurture.lead SET role = 'nurse' WHERE lead_id % 6 = 1;

INSERT INTO nurture.model (model, audience_types, is_default) VALUES ('p_model', '{p_aud}', true), ('p_plain', '{p_plain}', true);
SELECT nurture_draft('model', 'p_model'), nurture_draft('model', 'p_plain');
INSERT INTO nurture.fit_rule (model, version, rule, attribute, operator, operand, points) VALUES
    ('p_model', 1, 'role', 'role', '=', '"physician"', 20), ('p_model', 1, 'size', 'attributes.size', '>=', '200', 3),
    ('p_plain', 1, 'role', 'role', '=', '"nurse"', 5);
INSERT INTO nurture.signal_rule (model, version, rule, signal, points, curve, curve_days, count_max) VALUES
    ('p_model', 1, 'click', 'p_click', 1, 'half_life', 30, NULL), ('p_model', 1, 'call', 'p_call', 2, 'none', NULL, NULL),
    ('p_plain', 1, 'click', 'p_click', 7, 'linear', 60, NULL), ('p_plain', 1, 'call', 'p_call', 2, 'half_life', 9, 3);
INSERT INTO nurture.band (model, version, dimension, band, min_points) VALUES ('p_model', 1, 'fit', 'A', 20), ('p_model', 1, 'intent', '1', 20);
SELECT nurture_publish('model', 'p_model', 1, 'test', true), nurture_publish('model', 'p_plain', 1, 'test', true);

CREATE FUNCTION pg_temp.scans_leads(statement text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE before bigint := (SELECT seq_scan FROM pg_stat_xact_user_tables WHERE relid = 'nurture.lead'::regclass);
BEGIN
    EXECUTE statement;
    RETURN (SELECT seq_scan FROM pg_stat_xact_user_tables WHERE relid = 'nurture.lead'::regclass) > before;
END $$;
-- what is not nurture's makes a table one that a query has to read
CREATE FUNCTION pg_temp.nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE FUNCTION pg_temp.by_query(table_name text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('CREATE TRIGGER another AFTER TRUNCATE ON nurture.%I EXECUTE FUNCTION pg_temp.nothing()', table_name);
    RETURN table_name;
END $$;
CREATE FUNCTION pg_temp.directly(table_name text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('DROP TRIGGER another ON nurture.%I', table_name);
    RETURN table_name;
END $$;
CREATE TEMP VIEW scored AS SELECT * FROM nurture_scores();
CREATE TEMP VIEW differing AS SELECT s.* FROM scored s FULL JOIN nurture_bi.lead_score v USING (lead_id) WHERE row(s.*) IS DISTINCT FROM row(v.*);
-- the query of so few leads reads them all, however it is told to find them
SET LOCAL enable_indexscan = off;
SET LOCAL enable_bitmapscan = off;

SELECT ok(NOT pg_temp.scans_leads('SELECT count(*) FROM scored'), 'plain tables are read by their keys, without a query');
SELECT is((SELECT count(*) FROM scored WHERE lead_id BETWEEN 930000 AND 930399), (SELECT count(*) FROM nurture.lead
    WHERE lead_id BETWEEN 930000 AND 930399 AND merged_into IS NULL AND erased_at IS NULL AND NOT is_test), 'every lead that is neither merged nor erased nor a test');
SELECT ok((SELECT array_agg(lead_id) = array_agg(lead_id ORDER BY lead_id) FROM scored), 'in order of lead_id');
SELECT is((SELECT count(*) FROM differing), 0::bigint, 'each as the view has it, which a query reads');
SELECT is((SELECT count(*) FROM scored WHERE total <> nurture_score(lead_id) OR grade <> nurture_grade(lead_id) OR confidence <> nurture_confidence(lead_id)), 0::bigint, 'and as it is alone');
SELECT ok((SELECT count(DISTINCT total) > 100 FROM scored WHERE lead_id BETWEEN 930000 AND 930399), 'which are many different scores');
SELECT is((SELECT total FROM scored WHERE lead_id = 930395), (SELECT total FROM scored WHERE lead_id = 930395 AND intent = 0), 'a lead without activity');
CREATE TEMP TABLE direct AS SELECT row_number() OVER () AS n, * FROM scored;
SELECT pg_temp.by_query('lead');
SELECT ok(pg_temp.scans_leads('SELECT count(*) FROM scored'), 'leads with a trigger of somebody else''s are read by a query');
CREATE TEMP TABLE queried AS SELECT row_number() OVER () AS n, * FROM scored;
SELECT results_eq('TABLE direct', 'TABLE queried', 'with the same result');
SELECT pg_temp.directly('lead'), pg_temp.by_query('activity');
SELECT ok(pg_temp.scans_leads('SELECT count(*) FROM scored'), 'likewise when it is the activity');
SELECT results_eq('SELECT row_number() OVER (), * FROM scored', 'TABLE direct', 'with the same result');
SELECT pg_temp.directly('activity');
SELECT ok(NOT pg_temp.scans_leads('SELECT count(*) FROM scored'), 'and then directly again');
SELECT results_eq($$SELECT * FROM nurture_scores('p_model', 1)$$, $$SELECT s.* FROM nurture.lead l, nurture_scores('p_model', 1) s WHERE s.lead_id = l.lead_id ORDER BY l.lead_id$$, 'a named model');

-- facts of accounts
SELECT nurture_draft('model', 'p_model', 1);
INSERT INTO nurture.fit_rule (model, version, rule, attribute, operator, operand, points) VALUES
    ('p_model', 2, 'home', 'account.country', '=', '"DE"', 11), ('p_model', 2, 'beds', 'account.attributes.beds', '>=', '100', 13);
SELECT nurture_publish('model', 'p_model', 2, 'accounts', true);
SELECT ok(NOT pg_temp.scans_leads('SELECT count(*) FROM scored'), 'facts of accounts are looked up');
SELECT is((SELECT count(*) FROM differing), 0::bigint, 'each score as a query has it');
SELECT ok((SELECT bool_or(fit = 47.00) AND bool_or(fit = 11.00) AND bool_or(fit = 0.00) FROM scored WHERE lead_id BETWEEN 930000 AND 930399), 'accounts that match, and that are not there');
CREATE TEMP TABLE with_accounts AS SELECT row_number() OVER () AS n, * FROM scored;
SELECT pg_temp.by_query('account');
SELECT ok(pg_temp.scans_leads('SELECT count(*) FROM scored'), 'accounts that a query has to read');
SELECT results_eq('SELECT row_number() OVER (), * FROM scored', 'TABLE with_accounts', 'with the same result');
SELECT pg_temp.directly('account');
INSERT INTO nurture.account (account_id, name, attributes) SELECT 931000 + i, repeat('x', 100), jsonb_build_object('beds', repeat('y', 400)) FROM generate_series(1, 500) i;
SET LOCAL work_mem = '64kB';
SELECT ok(pg_temp.scans_leads('SELECT count(*) FROM scored'), 'accounts that do not fit into work_mem are joined by a query');
SELECT results_eq('SELECT row_number() OVER (), * FROM scored', 'TABLE with_accounts', 'with the same result');
RESET work_mem;

-- which moment
DECLARE before CURSOR FOR SELECT count(*), sum(total) FROM scored;
UPDATE nurture.lead SET role = 'surgeon' WHERE lead_id BETWEEN 930100 AND 930199;
DELETE FROM nurture.lead WHERE lead_id BETWEEN 930200 AND 930209;
INSERT INTO nurture.lead (lead_id, audience_type, role) VALUES (930800, 'p_aud', 'physician');
SELECT results_eq('FETCH before', 'SELECT count(*), sum(total) FROM with_accounts', 'a cursor sees what was there when it was declared');
SELECT is((SELECT count(*) FROM differing), 0::bigint, 'a new statement what this transaction has done since');
SELECT is((SELECT total FROM scored WHERE lead_id = 930800), 20.00, 'a new lead');
SAVEPOINT s;
DELETE FROM nurture.lead WHERE lead_id BETWEEN 930000 AND 930900;
SELECT is((SELECT count(*) FROM scored WHERE lead_id BETWEEN 930000 AND 930900), 0::bigint, 'none of what was deleted');
ROLLBACK TO s;
SELECT is((SELECT count(*) FROM differing), 0::bigint, 'and all of what was rolled back');
DO $$BEGIN PERFORM set_config(name, 'on', true) FROM pg_settings WHERE name IN ('force_parallel_mode', 'debug_parallel_query'); END$$;
SELECT is((SELECT count(*) FROM differing), 0::bigint, 'in a parallel worker');
DO $$BEGIN PERFORM set_config(name, 'off', true) FROM pg_settings WHERE name IN ('force_parallel_mode', 'debug_parallel_query'); END$$;

-- rights
CREATE TEMP TABLE all_of_them AS SELECT row_number() OVER () AS n, * FROM scored;
CREATE ROLE nurture_test_reader;
GRANT USAGE ON SCHEMA nurture TO nurture_test_reader;
GRANT SELECT ON nurture.activity, nurture.account, all_of_them TO nurture_test_reader;
GRANT SELECT (lead_id, merged_into, erased_at, is_test, account_id, audience_type, role, country, attributes) ON nurture.lead TO nurture_test_reader;
SET LOCAL ROLE nurture_test_reader;
SELECT results_eq($$SELECT row_number() OVER (), * FROM nurture_scores('p_model')$$, $$SELECT row_number() OVER (), s.* FROM nurture_scores('p_model', 2) s$$, 'the columns that are read are enough');
RESET ROLE;
REVOKE SELECT (role) ON nurture.lead FROM nurture_test_reader;
SET LOCAL ROLE nurture_test_reader;
SELECT throws_ok($$SELECT * FROM nurture_scores('p_model')$$, '42501', NULL, 'a column that may not be read ends the pass');
RESET ROLE;
GRANT SELECT (role) ON nurture.lead TO nurture_test_reader;
REVOKE SELECT ON nurture.activity FROM nurture_test_reader;
SET LOCAL ROLE nurture_test_reader;
SELECT throws_ok($$SELECT * FROM nurture_scores('p_model')$$, '42501', NULL, 'so does activity that may not');
RESET ROLE;
GRANT SELECT ON nurture.activity TO nurture_test_reader;
REVOKE USAGE ON SCHEMA nurture FROM nurture_test_reader;
SET LOCAL ROLE nurture_test_reader;
SELECT throws_ok($$SELECT * FROM nurture_scores('p_model')$$, '42501', NULL, 'or a schema');
RESET ROLE;
GRANT USAGE ON SCHEMA nurture TO nurture_test_reader;
ALTER TABLE nurture.lead ENABLE ROW LEVEL SECURITY;
CREATE POLICY half ON nurture.lead TO nurture_test_reader USING (lead_id % 2 = 0);
SET LOCAL ROLE nurture_test_reader;
SELECT results_eq($$SELECT lead_id, fit FROM nurture_scores('p_model')$$, $$SELECT lead_id, fit FROM nurture_scores('p_model') WHERE lead_id % 2 = 0$$, 'leads that a policy hides are left out');
RESET ROLE;
SELECT is((SELECT count(*) FROM differing), 0::bigint, 'the owner sees all');

SELECT * FROM finish();
ROLLBACK;
