-- nurture_grant_access: what each profile gives is exactly what its roles have,
-- no more on tables, views or partitions; again changes nothing, taking back
-- leaves nothing; who grants is on record.
BEGIN;
SET LOCAL client_min_messages = error;
SELECT plan(47);

CREATE TEMP VIEW matrix AS SELECT * FROM nurture_access_matrix();
SELECT is((SELECT string_agg(DISTINCT profile, ' ' ORDER BY profile) FROM matrix),
    'admin analyst auditor clinical compliance data_steward marketing medical sales sender', 'ten profiles');
SELECT set_eq($$SELECT relname::text FROM pg_class WHERE relnamespace = 'nurture'::regnamespace AND relkind IN ('r', 'p')$$,
    $$SELECT object FROM matrix WHERE kind = 'table'$$, 'every table is given to somebody, or written down as nobody''s');
SELECT set_eq($$SELECT relname::text FROM pg_class WHERE relnamespace = 'nurture_bi'::regnamespace AND relkind = 'v'$$,
    $$SELECT object FROM matrix WHERE kind = 'view'$$, 'and so is every view');
SELECT set_eq($$SELECT object FROM matrix WHERE kind = 'table' AND profile IS NULL$$, ARRAY['secret', 'subject_key', 'consent_token'],
    'keys and tokens are nobody''s');
SELECT is_empty($$SELECT object FROM matrix WHERE kind = 'view' AND profile IS NULL$$, 'every view is somebody''s');
SELECT is_empty($$SELECT object, profile, privilege FROM matrix WHERE kind = 'table' AND privilege IN ('UPDATE', 'DELETE')
    AND object IN ('audit', 'seal', 'incarnation', 'change_log', 'consent_event', 'lead_history', 'access', 'access_owner')$$, 'nobody changes what is on record');
SELECT is_empty($$SELECT object, profile FROM matrix WHERE object = 'consent_event' AND privilege = 'UPDATE' OR privilege = 'DELETE' AND object IN ('lead', 'message', 'handoff', 'enrollment')$$,
    'nor takes away leads, messages, hand-offs and walks');
SELECT set_eq($$SELECT profile FROM matrix WHERE object = 'lead' AND privilege = 'SELECT' AND without_columns = 'email, phone, full_name'$$,
    ARRAY['admin', 'marketing', 'analyst', 'sender', 'auditor'], 'these read leads without names and contact points');

-- what roles get
SELECT format('CREATE ROLE access_%s', profile) FROM (SELECT DISTINCT profile FROM matrix WHERE profile IS NOT NULL) x \gexec
CREATE ROLE "Access ""Other""";
SELECT is((SELECT count(*) FROM (SELECT DISTINCT profile FROM matrix WHERE profile IS NOT NULL) x WHERE nurture_grant_access('access_' || profile, profile, 'test')), 10::bigint,
    'each is granted');
CREATE TEMP VIEW relation_rights AS
    SELECT c.oid::regclass::text AS relation, a.privilege_type AS privilege, a.grantee::regrole::text AS role_name
    FROM pg_class c CROSS JOIN aclexplode(c.relacl) a WHERE c.relnamespace::regnamespace::text ~ '^nurture' AND a.grantee::regrole::text LIKE 'access\_%';
CREATE TEMP VIEW column_rights AS
    SELECT c.oid::regclass::text AS relation, t.attname::text AS attname, a.privilege_type AS privilege, a.grantee::regrole::text AS role_name
    FROM pg_class c JOIN pg_attribute t ON t.attrelid = c.oid CROSS JOIN aclexplode(t.attacl) a
    WHERE c.relnamespace::regnamespace::text ~ '^nurture' AND a.grantee::regrole::text LIKE 'access\_%';
SELECT set_eq('SELECT relation, privilege, role_name FROM relation_rights',
    $$SELECT CASE kind WHEN 'table' THEN 'nurture.' ELSE 'nurture_bi.' END || object AS relation, privilege, 'access_' || profile AS role_name FROM matrix
      WHERE kind IN ('table', 'view') AND profile IS NOT NULL AND without_columns IS NULL$$, 'the rights of each role on tables and views are those of the matrix');
SELECT set_eq('SELECT relation, attname, privilege, role_name FROM column_rights',
    $$SELECT 'nurture.' || m.object AS relation, a.attname::text, m.privilege, 'access_' || m.profile AS role_name FROM matrix m
      JOIN pg_attribute a ON a.attrelid = format('nurture.%I', m.object)::regclass AND a.attnum > 0 AND NOT a.attisdropped
      WHERE m.without_columns IS NOT NULL AND a.attname <> ALL (string_to_array(m.without_columns, ', '))$$, 'column by column where some are left out');
SELECT is_empty($$SELECT relation, role_name FROM relation_rights WHERE relation LIKE 'nurture_part.%'
    UNION ALL SELECT relation, role_name FROM column_rights WHERE relation LIKE 'nurture_part.%'$$, 'nobody has rights on a partition');
SELECT is_empty($$SELECT n.nspname, a.grantee::regrole FROM pg_namespace n CROSS JOIN aclexplode(n.nspacl) a
    WHERE n.nspname ~ '^nurture' AND a.grantee::regrole::text LIKE 'access\_%' AND (n.nspname = 'nurture_part' OR a.privilege_type <> 'USAGE')$$, 'or more than USAGE on a schema');
SELECT is_empty($$SELECT d.defaclobjtype FROM pg_default_acl d CROSS JOIN aclexplode(d.defaclacl) a WHERE a.grantee::regrole::text LIKE 'access\_%'$$, 'or rights to come');
SELECT is_empty($$SELECT rolname FROM pg_roles WHERE rolname ~ '^nurture'$$, 'no role of the cluster is made');

-- functions by name, where PUBLIC has them no more
REVOKE EXECUTE ON FUNCTION nurture_score(bigint), nurture_take(text, integer, text, interval) FROM PUBLIC;
SELECT nurture_grant_access('access_sender', 'sender') \g /dev/null
SELECT ok(has_function_privilege('access_sender', 'nurture_take(text, integer, text, interval)', 'EXECUTE'), 'a sender may take');
SELECT ok(NOT has_function_privilege('access_sender', 'nurture_score(bigint)', 'EXECUTE'), 'and not score');
SELECT ok(has_function_privilege('access_analyst', 'nurture_score(bigint)', 'EXECUTE'), 'which an analyst may');

-- what readers of reports read
CREATE FUNCTION pg_temp.reads(as_role text, relation text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    said text := 'ran';
BEGIN
    EXECUTE format('SET LOCAL ROLE %I', as_role);
    BEGIN
        EXECUTE format('SELECT * FROM %s LIMIT 5', relation);
    EXCEPTION WHEN OTHERS THEN
        said := SQLSTATE || ' ' || SQLERRM;
    END;
    RESET ROLE;
    RETURN said;
END $$;
SELECT is_empty($$SELECT m.object, m.profile, r.said FROM matrix m CROSS JOIN LATERAL pg_temp.reads('access_' || m.profile, 'nurture_bi.' || m.object) AS r (said)
    WHERE m.kind = 'view' AND m.profile IS NOT NULL AND r.said <> 'ran'$$, 'who is given a view can read it, with all that it reads');
SELECT is_empty($$SELECT v.object, p.profile FROM (SELECT DISTINCT object FROM matrix WHERE kind = 'view') v CROSS JOIN (SELECT DISTINCT profile FROM matrix WHERE profile IS NOT NULL) p
    CROSS JOIN LATERAL pg_temp.reads('access_' || p.profile, 'nurture_bi.' || v.object) AS r (said)
    WHERE NOT EXISTS (SELECT FROM matrix m WHERE m.kind = 'view' AND m.object = v.object AND m.profile = p.profile) AND r.said NOT LIKE '42501%'$$, 'nobody else can');

-- names and contact points: nowhere in what these roles can read
INSERT INTO nurture.lead (lead_id, external_ref, email, phone, full_name, audience_type, role, country, owner)
    VALUES (970001, 'contact-1', 'who@zqhidden.example', '+33140205317', 'Wilhelmina Zqhidden', 'hcp', 'prescriber', 'FR', 'nobody');
SELECT nurture_consent(970001, 'given', 'email', contact_point => 'who@zqhidden.example') \g /dev/null
SELECT nurture_consent(970001, 'given', 'phone', contact_point => '+33140205317') \g /dev/null
INSERT INTO nurture.identity (kind, value, lead_id, origin) VALUES ('professional_number', 'zqhidden-4711', 970001, 'given');
INSERT INTO nurture.event (lead_id, event_type, properties) VALUES (970001, 'page_viewed', '{"form": {"email": "who@zqhidden.example"}}');
SELECT count(*) FROM nurture_import_leads('[{"external_ref": "contact-2", "colour": "x", "email": "who@zqhidden.example"}]') \g /dev/null
UPDATE nurture.lead SET phone = '+33140205318', full_name = 'W. Zqhidden' WHERE lead_id = 970001;
CREATE FUNCTION pg_temp.finds(as_role text, pattern text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    r record;
    found bigint;
BEGIN
    FOR r IN SELECT c.oid::regclass::text AS relation,
                    string_agg(format('t.%I::text', a.attname), ', ' ORDER BY a.attnum) AS columns
             FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
             WHERE c.relnamespace IN ('nurture'::regnamespace, 'nurture_bi'::regnamespace) AND c.relkind IN ('r', 'p', 'v')
                 AND has_column_privilege(as_role, c.oid, a.attnum, 'SELECT')
             GROUP BY c.oid ORDER BY 1
    LOOP
        EXECUTE format('SET LOCAL ROLE %I', as_role);
        EXECUTE format('SELECT count(*) FROM %s t WHERE concat_ws(E''\n'', %s) ~* $1', r.relation, r.columns) INTO found USING pattern;
        RESET ROLE;
        IF found > 0 THEN RETURN NEXT r.relation; END IF;
    END LOOP;
END $$;
SELECT is_empty($$SELECT pg_temp.finds('access_analyst', 'zqhidden|33140205')$$, 'an analyst finds no name and no contact point anywhere');
SELECT is_empty($$SELECT pg_temp.finds('access_marketing', 'zqhidden|33140205')$$, 'nor does marketing');
SELECT is_empty($$SELECT pg_temp.finds('access_auditor', 'zqhidden|33140205')$$, 'nor an auditor');
SELECT is_empty($$SELECT pg_temp.finds('access_admin', 'zqhidden|33140205')$$, 'nor who runs the rules');
SELECT is_empty($$SELECT pg_temp.finds('access_sender', 'zqhidden|33140205')$$, 'a sender gets the address of what it takes, and no other');
SELECT ok(ARRAY['nurture.lead', 'nurture.consent_event', 'nurture.identity'] <@ ARRAY(SELECT pg_temp.finds('access_data_steward', 'zqhidden|33140205')), 'who keeps leads finds them');
SET LOCAL ROLE access_analyst;
SELECT throws_ok('SELECT email FROM nurture.lead', '42501', NULL, 'asked for by name, a contact point is refused');
SELECT throws_ok('SELECT * FROM nurture.lead', '42501', NULL, 'so is the whole row');
SELECT throws_ok('SELECT l FROM nurture.lead l', '42501', NULL, 'also as a row');
SELECT throws_ok($$SELECT nurture_resolve('email', 'who@zqhidden.example')$$, '42501', NULL, 'and nobody is found by one');
RESET ROLE;

-- again, more than one, and back
SELECT is(nurture_grant_access('access_analyst', 'analyst'), false, 'again gives nothing new');
SELECT is((SELECT count(*) FROM nurture.access WHERE role_name = 'access_analyst'), 1::bigint, 'and is written once');
SELECT ok(nurture_grant_access('Access "Other"', 'analyst') AND nurture_grant_access('Access "Other"', 'data_steward'), 'a role may have two profiles');
SELECT ok(has_column_privilege('Access "Other"', 'nurture.lead', 'email', 'SELECT'), 'and what both give');
SELECT ok(nurture_revoke_access('Access "Other"', 'data_steward', 'moved on'), 'one is taken back');
SELECT ok(NOT has_column_privilege('Access "Other"', 'nurture.lead', 'email', 'SELECT') AND has_column_privilege('Access "Other"', 'nurture.lead', 'country', 'SELECT')
    AND NOT has_table_privilege('Access "Other"', 'nurture.lead', 'INSERT'), 'what the other gives stays');
SELECT ok(nurture_revoke_access('Access "Other"', 'analyst') AND NOT nurture_revoke_access('Access "Other"', 'analyst'), 'the other, once');
SELECT ok(count(nurture_revoke_access('access_' || profile, profile)) = 10, 'all of them') FROM (SELECT DISTINCT profile FROM matrix WHERE profile IS NOT NULL) x;
SELECT is_empty($$SELECT refobjid::regrole, classid::regclass, objid, deptype FROM pg_shdepend WHERE refclassid = 'pg_authid'::regclass
    AND refobjid IN (SELECT oid FROM pg_roles WHERE rolname LIKE 'access\_%' OR rolname = 'Access "Other"')$$, 'nothing is left of their rights');

-- who may, and what is refused
SELECT throws_ok($$SELECT nurture_grant_access('access_analyst', 'boss')$$, 'NU003', 'unknown profile "boss"', 'a profile that is none');
SELECT throws_ok($$SELECT nurture_grant_access('access_missing', 'analyst')$$, '42704', NULL, 'a role that is not there');
SELECT throws_ok($$SELECT nurture_grant_access(NULL, 'analyst')$$, '22004', NULL, 'no role');
SELECT throws_ok(format('SELECT nurture_grant_access(%L, ''sales'')', current_user), '22023', NULL, 'a role that has all rights anyway');
ALTER ROLE access_sales BYPASSRLS;
SELECT throws_ok($$SELECT nurture_grant_access('access_sales', 'sales')$$, '22023', 'role "access_sales" bypasses row-level security', 'a role that would see every lead');
GRANT USAGE ON SCHEMA nurture TO access_analyst;
SET LOCAL ROLE access_analyst;
SELECT throws_ok($$SELECT nurture_grant_access('access_analyst', 'admin')$$, '42501', 'permission denied to change access to nurture', 'it is for the owner');
RESET ROLE;
SELECT set_eq($$SELECT outcome, count(*) FROM nurture.audit WHERE kind = 'access' AND xid = pg_current_xact_id() GROUP BY 1$$, $$VALUES ('granted', 12::bigint), ('revoked', 12)$$, 'all of it is in the audit trail');
SELECT is((SELECT count(*) FROM nurture.change_log WHERE table_name = 'access' AND operation = 'DELETE'), 12::bigint, 'and in the change log');

SELECT * FROM finish();
ROLLBACK;
