-- Settings: those that weaken a guarantee are for superusers and whom they
-- grant them to, and their use is on record.
BEGIN;
SET LOCAL client_min_messages = error;
SELECT plan(18);
CREATE ROLE settings_role;

-- before the library is there the server takes any value of a name it does not know
SET LOCAL ROLE settings_role;
SET LOCAL nurture.clock = '2020-01-01T00:00:00Z';
SELECT cmp_ok(nurture_now(), '>', '2026-01-01'::timestamptz, 'a clock set before the library came is dropped when it comes');
RESET ROLE;

SELECT set_eq($$SELECT name, context FROM pg_settings WHERE name LIKE 'nurture.%'$$,
    $$VALUES ('nurture.clock', 'superuser'), ('nurture.two_person_rule', 'superuser'), ('nurture.pooled_logins', 'superuser'), ('nurture.horizon_days', 'superuser'), ('nurture.react_within', 'superuser'),
             ('nurture.pepper_file', 'sighup'), ('nurture.refuse_with_error', 'user'), ('nurture.change_reason', 'user'), ('nurture.app_user', 'user')$$,
    'who may set which: a new setting is put among these on purpose');
GRANT USAGE ON SCHEMA nurture TO settings_role;
SET LOCAL ROLE settings_role;
SELECT throws_ok(format('SET LOCAL %I = %L', name, value), '42501', NULL, name || ' is refused') FROM (VALUES ('nurture.clock', '2020-01-01T00:00:00Z'), ('nurture.two_person_rule', 'off'),
    ('nurture.pooled_logins', 'on'), ('nurture.horizon_days', '31'), ('nurture.react_within', '0')) AS s (name, value);
SELECT throws_ok('SHOW nurture.pepper_file', '42501', NULL, 'where the key is, is not told');
SELECT throws_ok('ALTER ROLE settings_role SET nurture.pooled_logins = on', '42501', NULL, 'nor can it be set for later');
SELECT lives_ok('SET LOCAL nurture.refuse_with_error = on', 'what weakens nothing is everybody''s');
RESET ROLE;
RESET nurture.refuse_with_error;

-- on record
CREATE FUNCTION pg_temp.told() RETURNS SETOF text LANGUAGE sql AS
$$SELECT inputs FROM nurture.audit WHERE kind = 'setting' AND outcome = 'weakened' AND xid = pg_current_xact_id() ORDER BY audit_id$$;
UPDATE nurture.frequency_cap SET title = 'one' WHERE cap = (SELECT min(cap) FROM nurture.frequency_cap);
SELECT is_empty('SELECT pg_temp.told()', 'nothing to say under the settings of the server');
SET LOCAL nurture.two_person_rule = on;
UPDATE nurture.frequency_cap SET title = 'two' WHERE cap = (SELECT min(cap) FROM nurture.frequency_cap);
SELECT is_empty('SELECT pg_temp.told()', 'nor where a session guarantees more');
SET LOCAL nurture.pooled_logins = on;
SET LOCAL nurture.react_within = 0;
UPDATE nurture.frequency_cap SET title = 'three' WHERE cap = (SELECT min(cap) FROM nurture.frequency_cap);
SELECT results_eq('SELECT pg_temp.told()', ARRAY['pooled_logins on, react_within 0 s'], 'less is on record, before what was done under it');
UPDATE nurture.frequency_cap SET title = 'four' WHERE cap = (SELECT min(cap) FROM nurture.frequency_cap);
SELECT is((SELECT count(*) FROM pg_temp.told()), 1::bigint, 'once in a transaction');
RESET nurture.pooled_logins;
RESET nurture.react_within;
SELECT is((SELECT bool_or(simulated) FROM nurture.audit WHERE xid = pg_current_xact_id()), false, 'so far in real time');
SET LOCAL nurture.clock = '2026-05-05T10:00:00Z';
UPDATE nurture.frequency_cap SET title = 'five' WHERE cap = (SELECT min(cap) FROM nurture.frequency_cap);
SELECT ok((SELECT simulated FROM nurture.audit WHERE kind = 'change' ORDER BY audit_id DESC LIMIT 1) AND (SELECT simulated FROM nurture.change_log ORDER BY change_id DESC LIMIT 1), 'under the clock an entry and its change are marked');
SELECT is((SELECT simulated FROM nurture_bi.decision_log ORDER BY audit_id DESC LIMIT 1), true, 'and the log of decisions shows it');
SELECT ok(EXISTS (SELECT FROM nurture.audit WHERE xid = pg_current_xact_id() AND "session_user" = session_user), 'with the login that did it');
SELECT * FROM finish();
ROLLBACK;
