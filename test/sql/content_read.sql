-- Content: the choice is the same however its lead is read: by keys for who
-- may see all rows, by a query for everyone else, in FROM for lead after lead.
SET client_min_messages = warning;
BEGIN;
SELECT plan(12);
SET LOCAL nurture.clock = '2026-03-01 10:00+00';
INSERT INTO nurture.account (account_id, name, organization_type, activity_score, attributes) VALUES (960001, 'Clinic', 'hospital', 12.50, '{"beds": 400}');
INSERT INTO nurture.lead (lead_id, account_id, email, audience_type, country, language, role, attributes)
SELECT 960000 + i, CASE WHEN i % 2 = 0 THEN 960001 END, 'read' || i || '@example.org', CASE WHEN i % 5 = 0 THEN 'patient' ELSE 'hcp' END, (ARRAY['FR', 'DE', NULL])[1 + i % 3],
       (ARRAY['fr', 'de'])[1 + i % 2], CASE WHEN i % 4 = 0 THEN 'nurse' END, CASE WHEN i % 3 = 0 THEN '{"interest": "high"}'::jsonb ELSE '{}' END
FROM generate_series(1, 30) i;
INSERT INTO nurture.lead (lead_id, merged_into) VALUES (960031, 960002);
SELECT count(nurture_opt_in(lead_id, 'email', 'test')) AS opted_in FROM nurture.lead WHERE lead_id BETWEEN 960001 AND 960028;
INSERT INTO nurture.event (lead_id, event_type, occurred_at, tags)
SELECT 960000 + i, 'page_viewed', '2026-02-20 10:00+00', ARRAY['topic:' || (ARRAY['moa', 'disease'])[1 + i % 2], 'depth:' || (1 + i % 3)] FROM generate_series(1, 20) i;
SELECT count(*) AS added FROM (VALUES ('clinic', '{}', '{"priority": 60, "prerequisites": {"big": {"fact": "account.attributes.beds", "op": ">=", "value": 100}}}'), ('keen', '{}', '{"priority": 20, "prerequisites": {"keen": {"fact": "attributes.interest", "op": "=", "value": "high"}}}'),
    ('moa', '{}', '{"tags": ["topic:moa", "depth:2"]}'), ('disease', '{}', '{"tags": ["topic:disease", "depth:3"]}'), ('nurses', '{}', '{"tags": ["role:nurse"]}'), ('any', '{}', '{"audience_types": ["*"], "tags": ["offer:overview"]}')) v (id, x, extra),
    nurture_add_asset(jsonb_build_object('asset_id', 'read_' || id, 'title', id, 'format', 'article', 'message_class', 'promotional', 'channels', '["email"]'::jsonb, 'markets', '["*"]'::jsonb,
        'audience_types', '["hcp"]'::jsonb, 'languages', '["*"]'::jsonb) || extra::jsonb);
SELECT count(nurture_set_asset_status(asset_id, 1, 'in_review', 'test')) AS reviewed FROM nurture.asset_version WHERE asset_id LIKE 'read%';
SELECT count(nurture_approve('asset', asset_id, 1, 'medical', 'approved', 'test')) AS approved FROM nurture.asset_version WHERE asset_id LIKE 'read%';

CREATE ROLE nurture_test_columns;
CREATE ROLE nurture_test_policy;
GRANT USAGE ON SCHEMA nurture TO nurture_test_columns, nurture_test_policy;
GRANT SELECT ON ALL TABLES IN SCHEMA nurture TO nurture_test_columns, nurture_test_policy;
CREATE TEMP TABLE asked AS SELECT lead_id FROM nurture.lead WHERE lead_id BETWEEN 960001 AND 960031;
CREATE FUNCTION pg_temp.chosen() RETURNS SETOF text LANGUAGE sql BEGIN ATOMIC
    SELECT l.lead_id || ' ' || a::text FROM asked l, nurture_next_asset(l.lead_id) a ORDER BY l.lead_id;
END;
CREATE FUNCTION pg_temp.ledger() RETURNS SETOF text LANGUAGE sql BEGIN ATOMIC
    SELECT l.lead_id || ' ' || c::text FROM asked l, nurture_candidates(l.lead_id, 100) c ORDER BY l.lead_id, c.asset_id COLLATE "C";
END;
GRANT SELECT ON asked TO nurture_test_columns, nurture_test_policy;
CREATE TEMP TABLE chosen AS SELECT * FROM pg_temp.chosen() c (row);
CREATE TEMP TABLE ledger AS SELECT * FROM pg_temp.ledger() c (row);
GRANT SELECT ON chosen, ledger TO nurture_test_columns, nurture_test_policy;
SELECT ok((SELECT count(DISTINCT substr(row, 8)) FROM chosen) = 5, 'leads get different assets');
SELECT results_eq($$SELECT lead_id || ' ' || nurture_next_asset(lead_id)::text FROM asked ORDER BY lead_id$$, 'SELECT row FROM chosen', 'one at a time they get what they get in FROM');
SELECT is((SELECT substr(row, 8) FROM chosen WHERE row LIKE '960031 %'), (SELECT substr(row, 8) FROM chosen WHERE row LIKE '960002 %'), 'a lead that was merged gets what its survivor gets');

SET LOCAL ROLE nurture_test_policy;
SELECT results_eq('SELECT * FROM pg_temp.chosen()', 'SELECT row FROM chosen', 'who may read all rows gets the same');
RESET ROLE;
ALTER TABLE nurture.lead ENABLE ROW LEVEL SECURITY;
CREATE POLICY visible ON nurture.lead TO nurture_test_policy USING (lead_id <> 960003);
DELETE FROM asked WHERE lead_id = 960003;
SET LOCAL ROLE nurture_test_policy;
SELECT set_eq('SELECT * FROM pg_temp.chosen()', $$SELECT row FROM chosen WHERE row NOT LIKE '960003 %'$$, 'who has a policy gets the same for the leads it shows');
SELECT set_eq('SELECT * FROM pg_temp.ledger()', $$SELECT row FROM ledger WHERE row NOT LIKE '960003 %'$$, 'with the same ledger');
SELECT throws_ok('SELECT * FROM nurture_next_asset(960003)', 'NU004', 'there is no lead 960003', 'and there is no other');
RESET ROLE;
ALTER TABLE nurture.lead DISABLE ROW LEVEL SECURITY;

REVOKE SELECT ON nurture.account FROM nurture_test_columns;
SET LOCAL ROLE nurture_test_columns;
SELECT throws_ok('SELECT * FROM nurture_next_asset(960002)', '42501', 'permission denied for table account', 'who may not read accounts is told so');
RESET ROLE;
GRANT SELECT (account_id, name, organization_type, country, region, domain, owner, activity_score, spike, active_leads, as_of, attributes) ON nurture.account TO nurture_test_columns;
SET LOCAL ROLE nurture_test_columns;
SELECT set_eq('SELECT * FROM pg_temp.chosen()', $$SELECT row FROM chosen WHERE row NOT LIKE '960003 %'$$, 'who may read the columns that are asked gets the same');
RESET ROLE;

-- what was open is closed, and another role in the same query has its own rights
CREATE FUNCTION pg_temp.as_policy(lead bigint) RETURNS text LANGUAGE sql SECURITY DEFINER RETURN (SELECT a::text FROM nurture_next_asset(lead) a);
ALTER FUNCTION pg_temp.as_policy OWNER TO nurture_test_policy;
ALTER TABLE nurture.lead ENABLE ROW LEVEL SECURITY;
SELECT results_eq($$SELECT l.lead_id || ' ' || a::text, l.lead_id || ' ' || pg_temp.as_policy(l.lead_id) FROM asked l, nurture_next_asset(l.lead_id) a ORDER BY l.lead_id$$,
    $$SELECT row, row FROM chosen WHERE row NOT LIKE '960003 %'$$, 'two roles in one query get the same');
SELECT throws_ok('SELECT pg_temp.as_policy(lead_id) FROM nurture.lead l, nurture_next_asset(l.lead_id) WHERE lead_id = 960003', 'NU004', 'there is no lead 960003', 'each has its rights');
SELECT lives_ok('ALTER TABLE nurture.lead ADD COLUMN extra integer; ALTER TABLE nurture.activity ADD COLUMN extra integer', 'nothing stays open');
SELECT * FROM finish();
ROLLBACK;
