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
	{"view_changed", "error",
		"SELECT format('view %s reads with the rights of its owner', c.oid::regclass),"
		" format('ALTER VIEW %s SET (security_invoker = true)', c.oid::regclass)"
		" FROM pg_class c WHERE c.relnamespace = 'nurture_bi'::regnamespace AND c.relkind = 'v'"
	" AND NOT coalesce((SELECT o.option_value::boolean FROM pg_options_to_table(c.reloptions) o WHERE o.option_name = 'security_invoker'), false)"},

	/* between a statement and its table */
	{"partition_detached", "error",
		"SELECT format('%s is no partition any more', c.oid::regclass), NULL"
		" FROM pg_class c WHERE c.relnamespace = 'nurture_part'::regnamespace AND c.relkind IN ('r', 'p', 'f')"
	" AND NOT EXISTS (SELECT FROM pg_inherits i WHERE i.inhrelid = c.oid)"},
	{"trigger_foreign", "error",
		"SELECT format('trigger %I on partition %s calls %s and is not nurture''s', t.tgname, t.tgrelid::regclass, t.tgfoid::regproc), NULL"
		" FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid"
		" WHERE c.relnamespace = 'nurture_part'::regnamespace AND NOT t.tgisinternal AND t.tgparentid = 0"
		" AND NOT EXISTS (SELECT FROM pg_depend d JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid"
	"  WHERE d.classid = 'pg_proc'::regclass AND d.objid = t.tgfoid AND d.deptype = 'e' AND e.extname = 'nurture')"},
	{"event_trigger", "warning",
		"SELECT format('event trigger %I calls %s at %s and may change or refuse what nurture does to its tables', t.evtname, t.evtfoid::regproc, t.evtevent), NULL"
	" FROM pg_event_trigger t WHERE t.evtenabled <> 'D' AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_event_trigger'::regclass AND d.objid = t.oid AND d.deptype = 'e')"},
	{"trigger_foreign", "error",
		"SELECT format('trigger %I on view %s calls %s', t.tgname, t.tgrelid::regclass, t.tgfoid::regproc), NULL"
		" FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid"
	" WHERE c.relnamespace = 'nurture_bi'::regnamespace AND NOT t.tgisinternal"},

	/* rows that go elsewhere, or come from there */
	{"publication_partial", "warning",
		"SELECT format('publication %I leaves %s of %s out: a copy made by it lacks them', p.pubname,"
		"  concat_ws(' and ', CASE WHEN r.prqual IS NOT NULL THEN 'rows' END, CASE WHEN r.prattrs IS NOT NULL THEN 'columns' END,"
		"   CASE WHEN NOT (p.pubinsert AND p.pubupdate AND p.pubdelete AND p.pubtruncate) THEN 'changes' END), c.oid::regclass), NULL"
		" FROM pg_publication p JOIN pg_publication_rel r ON r.prpubid = p.oid JOIN pg_class c ON c.oid = r.prrelid"
		" WHERE c.relnamespace IN " OURS " AND (r.prqual IS NOT NULL OR r.prattrs IS NOT NULL"
	"  OR NOT (p.pubinsert AND p.pubupdate AND p.pubdelete AND p.pubtruncate))"},
	{"subscription", "warning",
		"SELECT format('subscription %I may write to %s: what another server sends is kept as it came, without a decision of the gate', s.subname,"
		"  coalesce((SELECT string_agg(c.oid::regclass::text, ', ' ORDER BY c.oid::regclass::text) FROM pg_subscription_rel r"
		"   JOIN pg_class c ON c.oid = r.srrelid WHERE r.srsubid = s.oid AND c.relnamespace IN " OURS "), 'any table')), NULL"
		" FROM pg_subscription s JOIN pg_database d ON d.oid = s.subdbid WHERE d.datname = current_database()"
		" AND (NOT EXISTS (SELECT FROM pg_subscription_rel r WHERE r.srsubid = s.oid) OR EXISTS (SELECT FROM pg_subscription_rel r"
	"  JOIN pg_class c ON c.oid = r.srrelid WHERE r.srsubid = s.oid AND c.relnamespace IN " OURS "))"},
	{"security_label", "warning",
		"SELECT format('%s has the label %L of %s, which may allow or forbid what rights do not', c.oid::regclass, l.label, l.provider), NULL"
		" FROM pg_seclabel l JOIN pg_class c ON l.classoid = 'pg_class'::regclass AND c.oid = l.objoid"
		" WHERE c.relnamespace IN " OURS
		" UNION ALL SELECT format('%s has the label %L of %s, which may allow or forbid what rights do not', p.oid::regprocedure, l.label, l.provider), NULL"
		" FROM pg_seclabel l JOIN pg_proc p ON l.classoid = 'pg_proc'::regclass AND p.oid = l.objoid"
		" JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'"
	" JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid WHERE e.extname = 'nurture'"},
	{"function_shadow", "warning",
		"SELECT format('%s is not of the extension and could be called instead of a function that is', p.oid::regprocedure), NULL"
		" FROM pg_proc p JOIN pg_extension e ON e.extnamespace = p.pronamespace WHERE e.extname = 'nurture' AND p.proname ~ '^nurture_'"
	" AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e' AND d.refobjid = e.oid)"},
	{"function_changed", "error",
		"SELECT format('function %s runs %s of the library', p.oid::regprocedure, p.prosrc), NULL"
		" FROM pg_proc p JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'"
		" JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid"
		" WHERE e.extname = 'nurture' AND p.prokind <> 'a' AND p.probin IS NOT NULL AND p.prosrc <> p.proname"
	" AND p.prosrc NOT LIKE replace(p.proname, '_', '\\_') || '\\_%'"},
	{"access_unknown", "warning",
		"SELECT format('nurture.access names role %s, which is not there', a.role_name), NULL"
	" FROM nurture.access a WHERE NOT EXISTS (SELECT FROM pg_roles r WHERE r.rolname = a.role_name)"},
	{NULL}
};
