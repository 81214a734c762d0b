-- Installs nurture for the files that follow, and tests installing.
SET client_min_messages = warning;
CREATE TABLE nurture_before AS
    SELECT count(*) AS schemas FROM pg_namespace WHERE nspname LIKE 'nurture%';
SELECT nurture_install('pharma');
-- the files that follow send at any hour; contact_policy.sql asks for quiet ones
DELETE FROM nurture.quiet_hours;

BEGIN;
SELECT plan(3);
SELECT is((SELECT schemas FROM nurture_before), 0::bigint, 'the extension brings no schema');
SELECT throws_ok($$SELECT nurture_install('pharma')$$, '42P06', 'schema "nurture" exists already', 'installing twice is refused');
SELECT throws_ok($$SELECT nurture_seed('farma')$$, 'NU003', 'unknown preset "farma"', 'an unknown preset is named');
SELECT * FROM finish();
ROLLBACK;
DROP TABLE nurture_before;
