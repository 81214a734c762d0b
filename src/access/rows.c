/*
 * rows.c
 *	  Whose leads a role sees: row-level security for the restricted profiles.
 *
 * Policies are on while some role has such a profile.  Everybody else keeps
 * seeing every row by the policy nurture_everybody; for the restricted roles
 * nurture_own, which is RESTRICTIVE, takes away what is not theirs, whatever
 * other policies give.  The lead decides: each other table with leads in it
 * shows the rows of leads that can be seen.
 */
#include "base/compat.h"

#include "access/access.h"
#include "base/owner.h"
#include "base/plans.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

NURTURE_FUNCTION(nurture_lead_owners);
NURTURE_FUNCTION(nurture_handed_leads);

/* what nurture.lead.owner may say of the leads of a role: its name, and what is mapped to it or to a role it is a member of */
#define OWNERS_OF \
	"(SELECT r.rolname::text AS owner FROM pg_roles r WHERE r.oid = $1" \
	" UNION SELECT o.lead_owner FROM nurture.access_owner o JOIN pg_roles r ON r.rolname = o.role_name" \
	" WHERE pg_has_role($1, r.oid, 'USAGE'))"

static KeptPlan find_owners =
KEPT_PLAN("SELECT w.owner FROM " OWNERS_OF " w", OIDOID);

/* open hand-offs to one of them, or to a team of theirs while no member is named */
static KeptPlan find_handed =
KEPT_PLAN("SELECT DISTINCT h.lead_id FROM nurture.team_member m"
		  " JOIN " OWNERS_OF " w ON w.owner IN (m.member, m.external_ref)"
		  " JOIN nurture.handoff h ON h.team = m.team AND (h.member = m.member OR h.member IS NULL)"
		  " WHERE m.active AND h.state IN ('pending', 'offered', 'accepted', 'working', 'met')",
		  OIDOID);

static KeptPlan list_roles =
KEPT_PLAN("SELECT string_agg(quote_ident(a.role_name), ', ' ORDER BY a.role_name)"
		  " FROM nurture.access a JOIN pg_roles r ON r.rolname = a.role_name WHERE a.profile = ANY ($1)",
		  TEXTARRAYOID);

static KeptPlan read_table =
KEPT_PLAN("SELECT c.relrowsecurity,"
		  " EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid AND p.polname = 'nurture_own'),"
		  " EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid AND p.polname = 'nurture_everybody'),"
		  " EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid AND p.polname NOT IN ('nurture_own', 'nurture_everybody')),"
		  " (SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = c.oid AND NOT a.attisdropped"
		  "  AND a.attname IN ('lead_id', 'lead_ref'))"
		  " FROM pg_class c WHERE c.oid = $1", OIDOID);

/* Hands the rows of a query about the caller to the caller. */
static Datum
answer(FunctionCallInfo fcinfo, KeptPlan *plan)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Datum		role = ObjectIdGetDatum(nurture_caller_role());
	OwnerSwitch owner;
	int			level;

	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	nurture_owner_enter(&owner);
	level = nurture_spi_connect();
	(void) nurture_execute(plan, &role, NULL, true);
	for (uint64 row = 0; row < SPI_processed; row++)
		tuplestore_puttuple(result->setResult, SPI_tuptable->vals[row]);
	nurture_spi_finish(level);
	nurture_owner_leave(&owner);
	return (Datum) 0;
}

/*
 * nurture_lead_owners() returns setof text: the owners whose leads the current
 * role sees when its profile restricts it
 */
Datum
nurture_lead_owners(PG_FUNCTION_ARGS)
{
	return answer(fcinfo, &find_owners);
}

/*
 * nurture_handed_leads() returns setof bigint: leads that were handed to the
 * current role, as one of these owners, and wait for it
 */
Datum
nurture_handed_leads(PG_FUNCTION_ARGS)
{
	return answer(fcinfo, &find_handed);
}

/* Returns what a row has to be for a restricted role, NULL: no row names a lead. */
static char *
own_condition(const char *table, const char *column)
{
	const char *schema = nurture_extension_schema();

	if (strcmp(table, "lead") == 0)
		return psprintf("owner = ANY (ARRAY(SELECT %s.nurture_lead_owners()))"
						" OR lead_id = ANY (ARRAY(SELECT %s.nurture_handed_leads()))",
						schema, schema);
	if (column == NULL)
		return NULL;
	return psprintf("EXISTS (SELECT FROM nurture.lead l WHERE l.lead_id = %s.%s)",
					quote_identifier(table), column);
}

/* Brings the policies of one table in line with who is restricted. */
static void
apply_table(const char *name, const char *roles)
{
	Datum		value = ObjectIdGetDatum(nurture_table_oid(name, false));
	const char *table = quote_qualified_identifier("nurture", name);
	char	   *condition;
	bool		secured;
	bool		own;
	bool		everybody;
	bool		others;
	bool		isnull;

	(void) nurture_execute(&read_table, &value, NULL, false);
	secured = DatumGetBool(nurture_cell(0, 1, &isnull));
	own = DatumGetBool(nurture_cell(0, 2, &isnull));
	everybody = DatumGetBool(nurture_cell(0, 3, &isnull));
	others = DatumGetBool(nurture_cell(0, 4, &isnull));
	condition = own_condition(name, nurture_cell_text(0, 5));
	if (condition == NULL)
		return;
	if (roles != NULL)
	{
		/* where somebody has policies already, theirs say who else sees what */
		if (!secured && !everybody && !others)
			nurture_execute_text(psprintf("CREATE POLICY nurture_everybody ON %s USING (true) WITH CHECK (true)", table));
		if (own)
			nurture_execute_text(psprintf("DROP POLICY nurture_own ON %s", table));
		nurture_execute_text(psprintf("CREATE POLICY nurture_own ON %s AS RESTRICTIVE TO %s USING (%s)",
									  table, roles, condition));
		if (!secured)
			nurture_execute_text(psprintf("ALTER TABLE %s ENABLE ROW LEVEL SECURITY", table));
		return;
	}
	if (own)
		nurture_execute_text(psprintf("DROP POLICY nurture_own ON %s", table));
	if (everybody)
		nurture_execute_text(psprintf("DROP POLICY nurture_everybody ON %s", table));
	if (everybody && !others)
		nurture_execute_text(psprintf("ALTER TABLE %s DISABLE ROW LEVEL SECURITY", table));
}

/* Brings the policies of all tables in line with who is restricted. */
void
nurture_rows_apply(void)
{
	Datum		names[PROFILES];
	Datum		value;
	char	   *roles;
	int			n = 0;

	for (int i = 0; i < PROFILES; i++)
	{
		if (nurture_profile_restricted(i))
			names[n++] = CStringGetTextDatum(nurture_profiles[i]);
	}
	value = PointerGetDatum(construct_array(names, n, TEXTOID, -1, false, TYPALIGN_INT));
	(void) nurture_execute_latest(&list_roles, &value, NULL, false);
	roles = nurture_cell_text(0, 1);
	for (const TableRights *rights = nurture_table_rights; rights->name; rights++)
	{
		bool		any = false;

		for (int i = 0; i < PROFILES; i++)
			any = any || (nurture_profile_restricted(i) && rights->cells[i][0] != '\0');
		if (any)
			apply_table(rights->name, roles);
	}
}
