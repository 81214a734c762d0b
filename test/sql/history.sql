-- Versions of leads and accounts that were replaced: written once, with who
-- and why, and gone with the person.
BEGIN;
SET LOCAL client_min_messages = warning;
SET LOCAL nurture.app_user = 'crm_sync';
SELECT plan(27);

SET LOCAL nurture.clock = '2026-01-01T00:00:00Z';
INSERT INTO nurture.account (account_id, name, country) VALUES (911000, 'Clinic', 'DE');
INSERT INTO nurture.lead (lead_id, account_id, email, full_name, role, country, attributes)
    SELECT 911000 + i, 911000, 'h' || i || '@example.org', 'H ' || i, 'physician', 'DE', '{"beds": 10}' FROM generate_series(1, 6) i;
SELECT is_empty($$SELECT * FROM nurture.lead_history WHERE lead_id BETWEEN 911000 AND 911999$$, 'an insert writes nothing: the row is the version');
SELECT is((SELECT recorded_at FROM nurture.lead WHERE lead_id = 911001), '2026-01-01 00:00Z', 'the row says since when the lead is known');

SET LOCAL nurture.clock = '2026-01-02T00:00:00Z';
UPDATE nurture.lead SET role = role, attributes = attributes || '{"beds": 10}' WHERE lead_id BETWEEN 911001 AND 911006;
UPDATE nurture.account SET spike = spike, name = name WHERE account_id = 911000;
SELECT is_empty($$SELECT lead_id FROM nurture.lead_history WHERE lead_id BETWEEN 911000 AND 911999
    UNION ALL SELECT account_id FROM nurture.account_history WHERE account_id = 911000
    UNION ALL SELECT account_id FROM nurture.account_figure_history WHERE account_id = 911000$$, 'nor does an update that changes nothing');

SET LOCAL nurture.change_reason = 'monthly import';
UPDATE nurture.lead SET role = 'nurse', attributes = '{"beds": 20}' WHERE lead_id IN (911001, 911002);
SELECT results_eq($$SELECT lead_id, replaced_at, held_until, changed, event_id, reason, actor, role, attributes FROM nurture.lead_history WHERE lead_id BETWEEN 911000 AND 911999 ORDER BY 1$$,
    $$VALUES (911001::bigint, timestamptz '2026-01-02 00:00Z', timestamptz '2026-01-02 00:00Z', '{role,attributes}'::text[], NULL::bigint, 'monthly import', 'crm_sync', 'physician', '{"beds": 10}'::jsonb),
             (911002, '2026-01-02 00:00Z', '2026-01-02 00:00Z', '{role,attributes}', NULL, 'monthly import', 'crm_sync', 'physician', '{"beds": 10}')$$,
    'an update writes the version it replaced, with what changed, who and why');
UPDATE nurture.lead SET country = 'FR' WHERE lead_id = 911001;
SELECT results_eq($$SELECT changed, role, country FROM nurture.lead_history WHERE lead_id = 911001 ORDER BY history_no$$,
    $$VALUES ('{role,attributes}'::text[], 'physician', 'DE'), ('{country}', 'nurse', 'DE')$$, 'each version once, in order, also at one instant');

-- contact points
UPDATE nurture.lead SET email = 'other@example.org', full_name = 'Other' WHERE lead_id = 911003;
SELECT results_eq($$SELECT changed, email_known FROM nurture.lead_history WHERE lead_id = 911003$$, $$VALUES ('{email,full_name}'::text[], true)$$,
    'history tells that an address changed');
SELECT is((SELECT count(*) FROM nurture.lead_history h WHERE h::text LIKE '%@example.org%' OR h::text LIKE '%H 3%'), 0::bigint, 'and never keeps one, nor a name');
UPDATE nurture.lead SET email = NULL WHERE lead_id = 911003;
SELECT results_eq($$SELECT changed, email_known FROM nurture.lead_history WHERE lead_id = 911003 ORDER BY history_no DESC LIMIT 1$$, $$VALUES ('{email_known,email}'::text[], true)$$,
    'whether there was one is a fact');

-- the writer's clock
SET LOCAL nurture.clock = '2026-01-05T00:00:00Z';
UPDATE nurture.lead SET role = 'nurse', updated_at = '2026-01-03T12:00:00Z' WHERE lead_id = 911004;
UPDATE nurture.lead SET role = 'nurse', updated_at = '2026-02-03T12:00:00Z' WHERE lead_id = 911005;
SELECT results_eq($$SELECT lead_id, replaced_at, held_until FROM nurture.lead_history WHERE lead_id IN (911004, 911005) ORDER BY 1$$,
    $$VALUES (911004::bigint, timestamptz '2026-01-05 00:00Z', timestamptz '2026-01-03 12:00Z'), (911005, '2026-01-05 00:00Z', '2026-01-05 00:00Z')$$,
    'updated_at says since when a change holds, not later than now');

-- every way to update
INSERT INTO nurture.lead (lead_id, role) VALUES (911006, 'pharmacist'), (911007, 'new') ON CONFLICT (lead_id) DO UPDATE SET role = EXCLUDED.role;
MERGE INTO nurture.lead l USING (VALUES (911006, 'merged'), (911008, 'new')) v (lead_id, role) ON v.lead_id = l.lead_id
    WHEN MATCHED THEN UPDATE SET role = v.role WHEN NOT MATCHED THEN INSERT (lead_id, role) VALUES (v.lead_id, v.role);
SELECT results_eq($$SELECT lead_id, role FROM nurture.lead_history WHERE lead_id BETWEEN 911006 AND 911008 ORDER BY history_no$$,
    $$VALUES (911006::bigint, 'physician'), (911006, 'pharmacist')$$, 'INSERT ON CONFLICT and MERGE are updates where they update');
INSERT INTO nurture.lead (lead_id, attributes) SELECT 912000 + i, '{}' FROM generate_series(1, 2500) i;
UPDATE nurture.lead SET attributes = jsonb_build_object('text', repeat(md5(lead_id::text), 400)) WHERE lead_id BETWEEN 912001 AND 914500;
UPDATE nurture.lead SET attributes = '{}' WHERE lead_id BETWEEN 912001 AND 914500;
SELECT is((SELECT count(*) FROM nurture.lead_history WHERE lead_id BETWEEN 912001 AND 914500
           AND attributes = jsonb_build_object('text', repeat(md5(lead_id::text), 400))), 2500::bigint, 'large versions, in large statements');
SAVEPOINT undone;
UPDATE nurture.lead SET role = 'undone' WHERE lead_id = 911006;
ROLLBACK TO undone;
SELECT is((SELECT count(*) FROM nurture.lead_history WHERE lead_id = 911006), 2::bigint, 'what is rolled back leaves nothing');

-- other columns
ALTER TABLE nurture.lead ADD COLUMN shoe_size integer;
ALTER TABLE nurture.lead_history ADD COLUMN note text;
UPDATE nurture.lead SET shoe_size = 40 WHERE lead_id = 911006;
UPDATE nurture.lead SET role = 'physician' WHERE lead_id = 911006;
SELECT is((SELECT count(*) FROM nurture.lead_history WHERE lead_id = 911006), 3::bigint, 'columns of others are none of its business and in nobody''s way');

-- merged, erased, deleted
UPDATE nurture.lead SET merged_into = 911001 WHERE lead_id = 911002;
SELECT results_eq($$SELECT changed, merged_into FROM nurture.lead_history WHERE lead_id = 911002 ORDER BY history_no DESC LIMIT 1$$,
    $$VALUES ('{merged_into}'::text[], NULL::bigint)$$, 'a merge is a change');
UPDATE nurture.lead SET role = NULL, attributes = '{}', erased_at = nurture_now() WHERE lead_id = 911001;
SELECT is_empty($$SELECT * FROM nurture.lead_history WHERE lead_id = 911001$$, 'an erased lead has no history');
UPDATE nurture.lead SET role = 'x' WHERE lead_id = 911001;
SELECT is_empty($$SELECT * FROM nurture.lead_history WHERE lead_id = 911001$$, 'and gets none');
DELETE FROM nurture.lead WHERE lead_id IN (911004, 911005);
SELECT is_empty($$SELECT * FROM nurture.lead_history WHERE lead_id IN (911004, 911005)$$, 'neither has a deleted one');

-- accounts
UPDATE nurture.account SET name = 'Clinic North' WHERE account_id = 911000;
UPDATE nurture.account SET activity_score = 12.5, spike = 2, active_leads = 3, as_of = nurture_now() WHERE account_id = 911000;
UPDATE nurture.account SET activity_score = 13, as_of = nurture_now() WHERE account_id = 911000;
SELECT results_eq($$SELECT changed, reason, actor, name FROM nurture.account_history WHERE account_id = 911000 ORDER BY history_no$$,
    $$VALUES ('{name}'::text[], 'monthly import', 'crm_sync', 'Clinic')$$, 'accounts have the same, without the figures of the scheduler');
SELECT results_eq($$SELECT activity_score, spike, active_leads FROM nurture.account_figure_history WHERE account_id = 911000 AND activity_score IS DISTINCT FROM 13 ORDER BY history_no$$,
    $$VALUES (NULL::numeric, NULL::numeric, NULL::integer), (12.50, 2.00, 3)$$, 'which have a table of their own');
UPDATE nurture.account SET as_of = as_of + interval '23 hours' WHERE account_id = 911000;
UPDATE nurture.account SET as_of = as_of + interval '2 hours' WHERE account_id = 911000;
SELECT results_eq($$SELECT as_of FROM nurture.account_figure_history WHERE account_id = 911000 AND activity_score = 13$$,
    $$VALUES (timestamptz '2026-01-05 23:00Z')$$, 'with their age in days');
DELETE FROM nurture.account WHERE account_id = 911000;
SELECT results_eq($$SELECT changed, name FROM nurture.account_history WHERE account_id = 911000 ORDER BY history_no$$,
    $$VALUES ('{name}'::text[], 'Clinic'), ('{}', 'Clinic North')$$, 'a deleted account leaves its last version: leads had its facts');

-- putting back
SET LOCAL check_function_bodies = off;
SET LOCAL row_security = off;
SELECT set_config('search_path', '', true);
UPDATE nurture.lead SET role = 'restored' WHERE lead_id = 911008;
RESET search_path;
RESET row_security;
RESET check_function_bodies;
SELECT is_empty($$SELECT * FROM nurture.lead_history WHERE lead_id = 911008$$, 'a restore derives nothing');

-- protocol
CREATE TRIGGER wrong AFTER UPDATE ON nurture.lead FOR EACH ROW EXECUTE FUNCTION nurture_keep_history();
SELECT throws_ok($$UPDATE nurture.lead SET role = 'y' WHERE lead_id = 911008$$, '39P01', NULL, 'as a row trigger it refuses');
DROP TRIGGER wrong ON nurture.lead;
CREATE TRIGGER wrong AFTER UPDATE ON nurture.lead FOR EACH STATEMENT EXECUTE FUNCTION nurture_keep_history();
SELECT throws_ok($$UPDATE nurture.lead SET role = 'y' WHERE lead_id = 911008$$, '39P01', NULL, 'and without transition tables');
DROP TRIGGER wrong ON nurture.lead;
SELECT throws_ok($$SELECT nurture_keep_history()$$, '39P01', NULL, 'and outside a trigger');
CREATE TEMP TABLE mine (lead_id bigint, updated_at timestamptz);
CREATE TRIGGER mine AFTER UPDATE ON mine REFERENCING OLD TABLE AS o NEW TABLE AS n FOR EACH STATEMENT EXECUTE FUNCTION nurture_keep_history();
SELECT throws_ok($$UPDATE mine SET lead_id = 1$$, '42501', NULL, 'and for a table of somebody else''s');
ALTER TABLE nurture.lead_history RENAME COLUMN held_until TO until;
SELECT throws_ok($$UPDATE nurture.lead SET role = 'y' WHERE lead_id = 911008$$, '42703', 'a table of facts or its history has no column "held_until"', 'a column that is missing is named');

SELECT * FROM finish();
ROLLBACK;
