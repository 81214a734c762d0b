/*
 * selfcheck_catalog.c
 *	  What the catalogs say about who sees which rows, and about objects that
 *	  stand between a statement and its table.
 */
#include "base/compat.h"

#include "integration/selfcheck.h"

#define OURS "('nurture'::regnamespace, 'nurture_part'::regnamespace)"

const Selfcheck nurture_selfcheck_catalog[] = {
	/* rows that a role is not to see */
	{"rows_unsecured", "error",
		"SELECT format('row-level security is off on %s, which keeps leads from others than their owner', c.oid::regclass),"
		" format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', c.oid::regclass)"
		" FROM pg_class c WHERE c.relnamespace = 'nurture'::regnamespace AND NOT c.relrowsecurity"
	" AND EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid AND p.polname = 'nurture_own')"},
	{"rows_unsecured", "error",
		"SELECT format('%s has no policy that keeps leads from %s', m.object, string_agg(DISTINCT a.role_name, ', ')),"
		" format('SELECT @extschema@.nurture_grant_access(%L, %L)', min(a.role_name), min(a.profile))"
		" FROM nurture.access a JOIN pg_roles r ON r.rolname = a.role_name"
		" JOIN @extschema@.nurture_access_matrix() m ON m.kind = 'table' AND m.profile = a.profile"
		" JOIN pg_class c ON c.relname = m.object AND c.relnamespace = 'nurture'::regnamespace"
		" JOIN pg_attribute t ON t.attrelid = c.oid AND t.attname IN ('lead_id', 'lead_ref')"
		" LEFT JOIN pg_policy p ON p.polrelid = c.oid AND p.polname = 'nurture_own'"
		" WHERE a.profile = 'sales' AND (p.oid IS NULL OR p.polpermissive OR p.polcmd <> '*' OR NOT r.oid = ANY (p.polroles)"
		"  OR pg_get_expr(p.polqual, c.oid) !~ CASE c.relname WHEN 'lead' THEN 'nurture_lead_owners' ELSE 'nurture.lead' END"
		"  OR p.polwithcheck IS NOT NULL)"
	" GROUP BY m.object"},
	{"rows_unsecured", "error",
		"SELECT format('role %s of profile %s bypasses row-level security', a.role_name, a.profile), NULL"
	" FROM nurture.access a JOIN pg_roles r ON r.rolname = a.role_name WHERE a.profile = 'sales' AND (r.rolsuper OR r.rolbypassrls)"},
	{"rows_forced", "error",
		"SELECT format('row-level security on %s binds the owner: what nurture reads there may be hidden from it', c.oid::regclass),"
		" format('ALTER TABLE %s NO FORCE ROW LEVEL SECURITY', c.oid::regclass)"
	" FROM pg_class c WHERE c.relnamespace IN " OURS " AND c.relforcerowsecurity"},
	{"access_unknown", "warning",
		"SELECT format('nurture.access names role %s, which is not there', a.role_name), NULL"
	" FROM nurture.access a WHERE NOT EXISTS (SELECT FROM pg_roles r WHERE r.rolname = a.role_name)"},
	{NULL}
};
