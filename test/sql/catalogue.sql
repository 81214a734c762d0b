-- The catalogue: what an installed nurture looks like to psql, to a DBA and to
-- whoever spreads leads over machines.
BEGIN;
SELECT plan(19);

CREATE TEMP VIEW ours AS
    SELECT c.oid, c.relkind, c.oid::regclass::text AS name
    FROM pg_class c
    WHERE c.relnamespace IN ('nurture'::regnamespace, 'nurture_bi'::regnamespace) AND c.relkind IN ('r', 'p', 'v');
CREATE TEMP VIEW member AS
    SELECT d.classid, d.objid
    FROM pg_depend d
    WHERE d.deptype = 'e' AND d.refclassid = 'pg_extension'::regclass
        AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'nurture');
CREATE TEMP VIEW ours_function AS
    SELECT p.* FROM pg_proc p JOIN member m ON m.classid = 'pg_proc'::regclass AND m.objid = p.oid;

-- what is where
SELECT is_empty($$SELECT classid::regclass, objid FROM member WHERE classid IN ('pg_namespace'::regclass, 'pg_trigger'::regclass)
    OR (classid = 'pg_class'::regclass AND objid IN (SELECT oid FROM pg_class WHERE relkind <> 'c'))$$,
    'no schema, table, view or sequence belongs to the extension');
SELECT is_empty($$SELECT oid::regprocedure FROM ours_function WHERE proname NOT LIKE 'nurture\_%'$$, 'every function is named nurture_');
SELECT is_empty($$SELECT typname FROM pg_type WHERE oid IN (SELECT objid FROM member WHERE classid = 'pg_type'::regclass) AND typname NOT LIKE 'nurture\_%' AND typname NOT LIKE '\_nurture\_%'$$,
    'and so is every type');
SELECT is_empty($$SELECT oid::regprocedure FROM ours_function WHERE prosecdef$$, 'no function is SECURITY DEFINER');
SELECT is_empty($$SELECT oid::regprocedure FROM ours_function WHERE prolang NOT IN (SELECT oid FROM pg_language WHERE lanname IN ('c', 'sql', 'internal'))$$,
    'functions are in C, or one line of SQL');
SELECT is_empty($$SELECT oid::regclass FROM pg_class WHERE relkind IN ('v', 'm') AND relnamespace = 'nurture'::regnamespace
    UNION ALL SELECT oid::regclass FROM pg_class WHERE relkind <> 'v' AND relnamespace = 'nurture_bi'::regnamespace$$,
    'nurture_bi holds views, and no other schema does');
SELECT is_empty($$SELECT oid::regclass FROM pg_class WHERE relkind = 'v' AND relnamespace = 'nurture_bi'::regnamespace
    AND NOT coalesce('security_invoker=true' = ANY (reloptions) OR 'security_invoker=on' = ANY (reloptions), false)$$,
    'views read with the rights of who asks');

-- comments
SELECT is_empty($$SELECT nspname FROM pg_namespace WHERE nspname LIKE 'nurture%' AND obj_description(oid, 'pg_namespace') IS NULL$$, 'every schema has a comment');
SELECT is_empty($$SELECT name FROM ours WHERE obj_description(oid, 'pg_class') IS NULL$$, 'every table and view has a comment');
SELECT is_empty($$SELECT name, attname FROM ours JOIN pg_attribute ON attrelid = ours.oid
    WHERE attnum > 0 AND NOT attisdropped AND col_description(attrelid, attnum) IS NULL$$, 'so has every column');
SELECT is_empty($$SELECT oid::regprocedure FROM ours_function WHERE obj_description(oid, 'pg_proc') IS NULL$$, 'every function has a comment');
SELECT is_empty($$SELECT classid::regclass, objid FROM member WHERE classid IN ('pg_operator'::regclass, 'pg_opclass'::regclass) AND obj_description(objid, classid::regclass::name) IS NULL
    UNION ALL SELECT m.classid::regclass, t.oid FROM member m JOIN pg_type t ON m.classid = 'pg_type'::regclass AND m.objid = t.oid
    WHERE t.typtype = 'b' AND t.typelem = 0 AND obj_description(t.oid, 'pg_type') IS NULL$$, 'and every operator, operator class and type');

-- how functions are declared
SELECT set_eq($$SELECT proname::text FROM ours_function WHERE provolatile = 'v' AND proparallel = 's'$$, ARRAY['nurture_score_row'],
    'what writes is not for parallel queries; a view''s function is VOLATILE so that it is not run once per column');
SELECT set_eq($$SELECT proname::text FROM ours_function WHERE proname ~ '^nurture_(score|scores|fit|intent|grade|explain|score_at|scores_at|score_until|score_change|rank_change)$' AND provolatile = 's' AND proparallel = 's'$$,
    ARRAY['nurture_score', 'nurture_scores', 'nurture_fit', 'nurture_intent', 'nurture_grade', 'nurture_explain', 'nurture_score_at', 'nurture_scores_at', 'nurture_score_until', 'nurture_score_change', 'nurture_rank_change'],
    'scores are STABLE and PARALLEL SAFE');
SELECT is_empty($$SELECT oid::regprocedure FROM ours_function WHERE proname ~ '^nurture_(score|scores|fit|intent|grade|explain|score_at|scores_at|score_until|score_change|rank_change)$' AND (provolatile, proparallel) <> ('s', 's')$$,
    'in all their forms');

-- one lead is one unit of work
SELECT is_empty($$SELECT i.indexrelid::regclass FROM pg_index i JOIN ours ON ours.oid = i.indrelid
    JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attname = 'lead_id' AND NOT a.attisdropped
    WHERE i.indisunique AND i.indkey[0] <> a.attnum AND ours.relkind <> 'v' AND ours.name <> 'nurture.identity'$$,
    'lead_id is first in every primary key and unique index of a table that has it; the directory of identities is spread by its values');
SELECT is_empty($$SELECT c.conname FROM pg_constraint c JOIN ours ON ours.oid = c.conrelid
    JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attname = 'lead_id' AND NOT a.attisdropped
    WHERE c.contype = 'f' AND NOT a.attnum = ANY (c.conkey)$$, 'no foreign key crosses leads');

-- configuration
SELECT is_empty($$SELECT DISTINCT c.relname, want.column
    FROM pg_trigger t
    JOIN pg_proc p ON p.oid = t.tgfoid AND p.proname = 'nurture_invalidate'
    JOIN pg_class c ON c.oid = t.tgrelid
    CROSS JOIN unnest(ARRAY['title', 'owner', 'reason']) AS want ("column")
    WHERE NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = c.oid AND attname = want.column AND NOT attisdropped)
        AND c.relname <> 'secret'$$,
    'every configuration table has title, owner and reason');
SELECT is_empty($$SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
    WHERE c.relnamespace = 'nurture'::regnamespace AND c.relkind = 'r' AND a.attname IN ('points', 'floor', 'cap', 'min_points', 'factor')
        AND format_type(a.atttypid, a.atttypmod) NOT IN ('numeric(9,2)', 'text')$$,
    'numbers of rules are numeric(9,2)');

SELECT * FROM finish();
ROLLBACK;
