-- Audit: the change log, append-only tables, what an entry records.
BEGIN;
SELECT plan(24);

SELECT isnt_empty($$SELECT FROM nurture.change_log WHERE reason = 'preset'$$, 'loading a preset is logged, and why');
SELECT is_empty($$SELECT change_id FROM nurture.change_log c WHERE NOT EXISTS
    (SELECT FROM nurture.audit a WHERE a.kind = 'change' AND a.object = 'change:' || c.change_id)$$,
    'each change has its audit entry');

-- who, when, old, new, why
CREATE ROLE nurture_test_editor;
GRANT USAGE ON SCHEMA nurture TO nurture_test_editor;
GRANT SELECT, INSERT, UPDATE, DELETE ON nurture.event_type TO nurture_test_editor;
SET LOCAL nurture.app_user = 'ana';
SET LOCAL nurture.change_reason = 'first try';
SET LOCAL ROLE nurture_test_editor;
INSERT INTO nurture.event_type (event_type, class, reason) VALUES ('audit_probe', 'intent', 'own reason');
RESET ROLE;
SET LOCAL nurture.change_reason = '';
UPDATE nurture.event_type SET title = 'Probe' WHERE event_type = 'audit_probe';
UPDATE nurture.event_type SET title = 'Probe' WHERE event_type = 'audit_probe';
DELETE FROM nurture.event_type WHERE event_type = 'audit_probe';
CREATE TEMP TABLE log ON COMMIT DROP AS
    SELECT row_number() OVER (ORDER BY change_id) AS n, * FROM nurture.change_log
    WHERE 'audit_probe' IN (old_row ->> 'event_type', new_row ->> 'event_type');
SELECT results_eq($$SELECT operation, reason, effective_role, app_user FROM log ORDER BY n$$,
    $$VALUES ('INSERT', 'first try', 'nurture_test_editor', 'ana'),
             ('UPDATE', 'own reason', session_user::text COLLATE "default", 'ana'),
             ('DELETE', 'own reason', session_user::text COLLATE "default", 'ana')$$,
    'each change says who and why; one that changes nothing is no change');
SELECT is((SELECT old_row ->> 'title' FROM log WHERE n = 2), NULL, 'old row');
SELECT is((SELECT new_row ->> 'title' FROM log WHERE n = 2), 'Probe', 'new row');
SELECT is((SELECT count(DISTINCT "session_user") FROM log), 1::bigint, 'the login role is the same throughout');
SELECT results_eq($$SELECT a.kind, a.outcome, a.inputs::jsonb -> 'new' ->> 'title', a.reason, a.subject IS NULL, a.simulated
    FROM nurture.audit a JOIN log ON a.object = 'change:' || log.change_id AND n = 2$$,
    $$VALUES ('change', 'event_type', 'Probe', 'own reason', true, false)$$, 'the entry holds the rows');
SELECT is((SELECT a.xid FROM nurture.audit a JOIN log ON a.object = 'change:' || log.change_id AND n = 2),
    pg_current_xact_id(), 'and its transaction');

SET LOCAL nurture.clock = '2030-01-02T03:04:05Z';
INSERT INTO nurture.event_type (event_type, class) VALUES ('audit_probe', 'intent');
SELECT results_eq($$SELECT at, simulated FROM nurture.audit ORDER BY audit_id DESC LIMIT 1$$,
    $$VALUES ('2030-01-02 03:04:05+00'::timestamptz, true)$$, 'an entry under a set clock says so');
SET LOCAL nurture.clock = '';

-- nobody can be somebody else on record
SET LOCAL SESSION AUTHORIZATION nurture_test_editor;
UPDATE nurture.event_type SET title = 'By another' WHERE event_type = 'audit_probe';
RESET SESSION AUTHORIZATION;
SELECT results_eq($$SELECT "session_user", effective_role FROM nurture.audit ORDER BY audit_id DESC LIMIT 1$$,
    $$VALUES (session_user::text COLLATE "default", 'nurture_test_editor')$$, 'the login role stays after SET SESSION AUTHORIZATION');
CREATE FUNCTION pg_temp.by_editor() RETURNS void LANGUAGE sql SECURITY DEFINER AS
    $$UPDATE nurture.event_type SET title = 'By function' WHERE event_type = 'audit_probe'$$;
ALTER FUNCTION pg_temp.by_editor() OWNER TO nurture_test_editor;
SELECT pg_temp.by_editor();
SELECT results_eq($$SELECT "session_user", effective_role FROM nurture.audit ORDER BY audit_id DESC LIMIT 1$$,
    $$VALUES (session_user::text COLLATE "default", 'nurture_test_editor')$$, 'and in a security-definer function');

-- rolled back with what it records
SAVEPOINT s;
DELETE FROM nurture.event_type WHERE event_type = 'audit_probe';
ROLLBACK TO s;
SELECT is((SELECT operation FROM nurture.change_log ORDER BY change_id DESC LIMIT 1), 'UPDATE', 'nothing stays of a rolled back change');

-- append-only, for a superuser and in replica mode too
SELECT throws_ok($$UPDATE nurture.audit SET outcome = 'x'$$, 'NU008', NULL, 'no UPDATE of the audit trail');
SELECT throws_ok($$DELETE FROM nurture.audit$$, 'NU008', NULL, 'no DELETE');
SELECT throws_ok($$TRUNCATE nurture.audit$$, 'NU008', NULL, 'no TRUNCATE');
SELECT throws_ok($$UPDATE nurture_part.audit_default SET outcome = 'x'$$, 'NU008', NULL, 'no UPDATE of a partition');
SELECT throws_ok($$TRUNCATE nurture_part.audit_default$$, 'NU008', NULL, 'no TRUNCATE of a partition');
SELECT throws_ok($$INSERT INTO nurture.audit SELECT * FROM nurture.audit$$, 'NU008', NULL, 'no entry by hand');
SET LOCAL session_replication_role = replica;
SELECT throws_ok($$DELETE FROM nurture.audit$$, 'NU008', NULL, 'no DELETE in replica mode');
SELECT throws_ok($$INSERT INTO nurture.audit SELECT * FROM nurture.audit$$, 'NU008', NULL, 'no entry by hand in replica mode');
SET LOCAL session_replication_role = origin;
SELECT throws_ok($$DELETE FROM nurture.change_log$$, 'NU008', NULL, 'no DELETE of the change log');
SELECT throws_ok($$UPDATE nurture.incarnation SET timeline = 9$$, 'NU008', NULL, 'no UPDATE of incarnations');
SELECT throws_ok($$TRUNCATE nurture.seal$$, 'NU008', NULL, 'no TRUNCATE of seals');
SELECT throws_ok($$INSERT INTO nurture.change_log (at, table_name, operation, simulated) VALUES (now(), 'x', 'INSERT', false)$$,
    'NU008', NULL, 'no change logged by hand');

SELECT * FROM finish();
ROLLBACK;
