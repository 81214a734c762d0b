/*
 * grant.c
 *	  nurture_grant_access and nurture_revoke_access: profiles as ordinary
 *	  grants on roles that exist.
 *
 * Which roles have which profiles is kept in nurture.access, a configuration
 * table like any other, so that what is granted and taken back is in the
 * change log and the audit trail.  Rights are given table by table and column
 * by column, never on all tables of a schema and never on partitions, and
 * always as the union of all profiles of a role: taking one back leaves what
 * another one gives.
 */
#include "base/compat.h"

#include "access/access.h"
#include "audit/audit.h"
#include "base/author.h"
#include "base/errors.h"
#include "base/owner.h"
#include "base/plans.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

NURTURE_FUNCTION(nurture_grant_access);
NURTURE_FUNCTION(nurture_revoke_access);
NURTURE_FUNCTION(nurture_access_matrix);

static KeptPlan read_profiles =
KEPT_PLAN("SELECT profile FROM nurture.access WHERE role_name = $1 FOR UPDATE", TEXTOID);

static KeptPlan add_profile =
KEPT_PLAN("INSERT INTO nurture.access (role_name, profile, granted_by, reason)"
		  " VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
		  TEXTOID, TEXTOID, TEXTOID, TEXTOID);

static KeptPlan remove_profile =
KEPT_PLAN("DELETE FROM nurture.access WHERE role_name = $1 AND profile = $2",
		  TEXTOID, TEXTOID);

static KeptPlan list_columns =
KEPT_PLAN("SELECT a.attname::text, quote_ident(a.attname) FROM pg_attribute a"
		  " WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum",
		  OIDOID);

/* every function of the extension that somebody may grant */
static KeptPlan list_functions =
KEPT_PLAN("SELECT p.proname::text, p.oid::regprocedure::text, p.prokind = 'p'"
		  " FROM pg_proc p JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'"
		  " JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid"
		  " WHERE e.extname = 'nurture' AND has_function_privilege($1, p.oid, 'EXECUTE WITH GRANT OPTION')"
		  " ORDER BY p.proname, 2", OIDOID);

/* Words for a letter of a cell. */
static const struct
{
	char		letter;
	const char *privilege;
}			letters[] = {
	{'r', "SELECT"}, {'a', "INSERT"}, {'w', "UPDATE"}, {'d', "DELETE"},
};

static Profile
find_profile(const char *name)
{
	for (int i = 0; i < PROFILES; i++)
	{
		if (strcmp(nurture_profiles[i], name) == 0)
			return i;
	}
	ereport(ERROR,
			(errcode(NURTURE_ERRCODE_UNKNOWN_CODE),
			 errmsg("unknown profile \"%.64s\"", name),
			 errhint("Profiles are admin, marketing, sales, medical, clinical, compliance, data_steward, analyst, sender and auditor.")));
	return PROFILES;			/* not reached */
}

/* Returns the columns of a table without the private ones, as a list. */
static char *
public_columns(Oid table, const char *name)
{
	Datum		value = ObjectIdGetDatum(table);
	StringInfoData list;

	initStringInfo(&list);
	(void) nurture_execute(&list_columns, &value, NULL, true);
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		if (!nurture_column_private(name, nurture_cell_text(row, 1)))
			appendStringInfo(&list, "%s%s", list.len ? ", " : "",
							 nurture_cell_text(row, 2));
	}
	return list.data;
}

/* Returns what the cells of some profiles give together: each letter once. */
static char *
union_of(const TableRights *rights, uint32 profiles)
{
	char	   *all = palloc0(8);
	int			n = 0;

	for (const char *letter = "rcawd"; *letter != '\0'; letter++)
	{
		for (int i = 0; i < PROFILES; i++)
		{
			if ((profiles & (1U << i)) && strchr(rights->cells[i], *letter) != NULL)
			{
				if (*letter != 'c' || strchr(all, 'r') == NULL)
					all[n++] = *letter;
				break;
			}
		}
	}
	return all;
}

/* Grants or revokes what letters of a table mean. */
static void
table_statements(const TableRights *rights, const char *cell, const char *role,
				 bool grant)
{
	const char *table = quote_qualified_identifier("nurture", rights->name);
	const char *way = grant ? "TO" : "FROM";
	const char *verb = grant ? "GRANT" : "REVOKE";
	StringInfoData list;

	initStringInfo(&list);
	for (int i = 0; i < lengthof(letters); i++)
	{
		if (strchr(cell, letters[i].letter) != NULL)
			appendStringInfo(&list, "%s%s", list.len ? ", " : "", letters[i].privilege);
	}
	if (list.len > 0)
		nurture_execute_text(psprintf("%s %s ON %s %s %s", verb, list.data, table, way, role));
	if (strchr(cell, 'c') != NULL)
		nurture_execute_text(psprintf("%s SELECT (%s) ON %s %s %s", verb,
									  public_columns(nurture_table_oid(rights->name, false), rights->name),
									  table, way, role));
}

static bool
marked(const NameRights *rights, uint32 profiles)
{
	for (int i = 0; i < PROFILES; i++)
	{
		if ((profiles & (1U << i)) && rights->marks[i] == 'x')
			return true;
	}
	return false;
}

static const NameRights *
find_name(const NameRights *rights, const char *name)
{
	while (rights->name != NULL && strcmp(rights->name, name) != 0)
		rights++;
	return rights->name != NULL ? rights : NULL;
}

/* Runs a statement with the rights of a role. */
static void
execute_as(Oid role, const char *statement)
{
	Oid			userid;
	int			sec_context;

	GetUserIdAndSecContext(&userid, &sec_context);
	SetUserIdAndSecContext(role, sec_context);
	nurture_execute_text(statement);
	SetUserIdAndSecContext(userid, sec_context);
}

/* Lets a role name the functions, where the extension is in a schema of its own. */
static void
use_functions(const char *name, Oid grantor)
{
	nurture_execute_text(psprintf("SELECT n.nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace"
								  " WHERE e.extname = 'nurture' AND NOT has_schema_privilege(%s, n.oid, 'USAGE')",
								  quote_literal_cstr(name)));
	if (SPI_processed > 0)
		execute_as(grantor, psprintf("GRANT USAGE ON SCHEMA %s TO %s",
									 nurture_extension_schema(), quote_identifier(name)));
}

/* Grants or revokes all that some profiles give together. */
static void
change_rights(const char *name, uint32 profiles, Oid grantor, bool grant)
{
	const char *role = quote_identifier(name);
	const char *way = grant ? "TO" : "FROM";
	const char *verb = grant ? "GRANT" : "REVOKE";
	Datum		value = ObjectIdGetDatum(grantor);
	SPITupleTable *functions;
	uint64		nfunctions;

	if (profiles == 0)
		return;
	nurture_execute_text(psprintf("%s USAGE ON SCHEMA nurture, nurture_bi %s %s", verb, way, role));
	if (grant)
		use_functions(name, grantor);
	for (const TableRights *rights = nurture_table_rights; rights->name; rights++)
		table_statements(rights, union_of(rights, profiles), role, grant);
	for (const NameRights *rights = nurture_view_rights; rights->name; rights++)
	{
		if (marked(rights, profiles))
			nurture_execute_text(psprintf("%s SELECT ON nurture_bi.%s %s %s", verb,
										  quote_identifier(rights->name), way, role));
	}

	/*
	 * Everybody may execute the functions, which ask for rights on tables
	 * themselves; who takes that away from PUBLIC finds them granted here,
	 * where the functions are the grantor's to grant.
	 */
	(void) nurture_execute(&list_functions, &value, NULL, true);
	functions = SPI_tuptable;
	nfunctions = SPI_processed;
	for (uint64 row = 0; row < nfunctions; row++)
	{
		const NameRights *rights;

		SPI_tuptable = functions;
		rights = find_name(nurture_function_rights, nurture_cell_text(row, 1));
		if (rights != NULL && marked(rights, profiles))
		{
			bool		isnull;
			bool		procedure = DatumGetBool(nurture_cell(row, 3, &isnull));

			execute_as(grantor, psprintf("%s EXECUTE ON %s %s %s %s", verb,
										 procedure ? "PROCEDURE" : "FUNCTION",
										 nurture_cell_text(row, 2), way, role));
		}
	}
}

void
nurture_access_apply(const char *role, uint32 profiles, Oid grantor)
{
	change_rights(role, profiles, grantor, true);
	nurture_rows_apply();
}

/* Returns the profiles a role has, and locks their rows. */
static uint32
profiles_of(const char *role)
{
	Datum		value = CStringGetTextDatum(role);
	uint32		profiles = 0;

	(void) nurture_execute_latest(&read_profiles, &value, NULL, true);
	for (uint64 row = 0; row < SPI_processed; row++)
		profiles |= 1U << find_profile(nurture_cell_text(row, 1));
	return profiles;
}

/* Raises where a profile would promise what it cannot keep. */
static void
check_role(const char *role, Oid oid, Profile profile)
{
	if (has_privs_of_role(oid, nurture_owner_oid()))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("role \"%s\" has all rights of the owner of schema nurture", role),
				 errhint("A profile is for a role of its own, without superuser rights and without the owner's.")));
	if (nurture_profile_restricted(profile) && has_bypassrls_privilege(oid))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("role \"%s\" bypasses row-level security", role),
				 errdetail("Profile %s is for those who see some leads only.", nurture_profiles[profile]),
				 errhint("ALTER ROLE ... NOBYPASSRLS first.")));
}

/* What both functions do: true when something changed. */
static bool
change_access(FunctionCallInfo fcinfo, bool grant)
{
	char	   *role;
	Profile		profile;
	const char *reason = PG_ARGISNULL(2) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(2));
	const char *actor = nurture_actor(PG_ARGISNULL(3) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(3)));
	AuditEntry	entry = {.kind = "access"};
	Oid			grantor = GetUserId();
	Oid			oid;
	OwnerSwitch owner;
	Datum		values[4];
	char		nulls[] = "    ";
	uint32		before;
	uint32		bit;
	int			level;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("role and profile must be given")));
	role = text_to_cstring(PG_GETARG_TEXT_PP(0));
	profile = find_profile(text_to_cstring(PG_GETARG_TEXT_PP(1)));
	if (!has_privs_of_role(grantor, nurture_owner_oid()))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to change access to nurture"),
				 errhint("Only the owner of schema nurture may grant and revoke profiles.")));
	/* a role that was renamed or dropped can still lose its row */
	oid = get_role_oid(role, !grant);
	if (grant)
		check_role(role, oid, profile);

	bit = 1U << profile;
	nurture_owner_enter(&owner);
	level = nurture_spi_connect();
	/* one change of rights at a time: GRANT reads and writes whole lists */
	nurture_execute_text("LOCK TABLE nurture.access IN SHARE ROW EXCLUSIVE MODE");
	before = profiles_of(role);
	values[0] = CStringGetTextDatum(role);
	values[1] = CStringGetTextDatum(nurture_profiles[profile]);
	values[2] = CStringGetTextDatum(actor);
	nulls[3] = reason == NULL ? 'n' : ' ';
	values[3] = reason == NULL ? (Datum) 0 : CStringGetTextDatum(reason);
	if (grant)
	{
		if ((before & bit) == 0)
			(void) nurture_execute(&add_profile, values, nulls, false);
		/* also again: a later version of nurture may give more */
		nurture_access_apply(role, before | bit, grantor);
	}
	else if ((before & bit) != 0)
	{
		(void) nurture_execute(&remove_profile, values, NULL, false);
		if (OidIsValid(oid))
			change_rights(role, bit, grantor, false);
		if (OidIsValid(oid))
			change_rights(role, before & ~bit, grantor, true);
		nurture_rows_apply();
	}
	if (grant == ((before & bit) == 0))
	{
		entry.object = psprintf("profile:%s", nurture_profiles[profile]);
		entry.outcome = grant ? "granted" : "revoked";
		entry.inputs = psprintf("role %s", quote_identifier(role));
		entry.reason = reason;
		entry.actor = actor;
		nurture_audit_append(&entry, 1);
	}
	nurture_spi_finish(level);
	nurture_owner_leave(&owner);
	return grant == ((before & bit) == 0);
}

/*
 * nurture_grant_access("role" text, profile text, reason text, actor text)
 * returns boolean: false when the role had the profile
 */
Datum
nurture_grant_access(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(change_access(fcinfo, true));
}

/*
 * nurture_revoke_access("role" text, profile text, reason text, actor text)
 * returns boolean: false when the role did not have the profile
 */
Datum
nurture_revoke_access(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(change_access(fcinfo, false));
}

static void
put_right(ReturnSetInfo *result, const char *kind, const char *object,
		  const char *profile, const char *privilege, const char *without)
{
	Datum		values[5];
	bool		nulls[5] = {false, false, profile == NULL, privilege == NULL, without == NULL};

	values[0] = CStringGetTextDatum(kind);
	values[1] = CStringGetTextDatum(object);
	values[2] = profile == NULL ? (Datum) 0 : CStringGetTextDatum(profile);
	values[3] = privilege == NULL ? (Datum) 0 : CStringGetTextDatum(privilege);
	values[4] = without == NULL ? (Datum) 0 : CStringGetTextDatum(without);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

static const char *
private_list(const char *table)
{
	char	   *list = NULL;

	for (const PrivateColumns *each = nurture_private_columns; each->table; each++)
	{
		for (int i = 0; strcmp(each->table, table) == 0 && i < lengthof(each->columns) && each->columns[i]; i++)
			list = list == NULL ? pstrdup(each->columns[i]) : psprintf("%s, %s", list, each->columns[i]);
	}
	return list;
}

static void
put_names(ReturnSetInfo *result, const char *kind, const char *privilege,
		  const NameRights *rights)
{
	for (; rights->name; rights++)
	{
		if (!marked(rights, (1U << PROFILES) - 1))
			put_right(result, kind, rights->name, NULL, NULL, NULL);
		for (int i = 0; i < PROFILES; i++)
		{
			if (rights->marks[i] == 'x')
				put_right(result, kind, rights->name, nurture_profiles[i], privilege, NULL);
		}
	}
}

/*
 * nurture_access_matrix() returns kind, object, profile, privilege,
 * without_columns: what each profile gives, and with profile NULL what is
 * nobody's but the owner's
 */
Datum
nurture_access_matrix(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;

	InitMaterializedSRF(fcinfo, 0);
	for (const TableRights *rights = nurture_table_rights; rights->name; rights++)
	{
		bool		any = false;

		for (int i = 0; i < PROFILES; i++)
		{
			const char *cell = rights->cells[i];

			any = any || cell[0] != '\0';
			if (strchr(cell, 'c') != NULL)
				put_right(result, "table", rights->name, nurture_profiles[i],
						  "SELECT", private_list(rights->name));
			for (int j = 0; j < lengthof(letters); j++)
			{
				if (strchr(cell, letters[j].letter) != NULL)
					put_right(result, "table", rights->name, nurture_profiles[i],
							  letters[j].privilege, NULL);
			}
		}
		if (!any)
			put_right(result, "table", rights->name, NULL, NULL, NULL);
	}
	put_names(result, "view", "SELECT", nurture_view_rights);
	put_names(result, "function", "EXECUTE", nurture_function_rights);
	return (Datum) 0;
}
