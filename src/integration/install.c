/*
 * install.c
 *	  nurture_install: schemas, tables, triggers, views and presets as the
 *	  caller's own objects.
 *
 * Nothing of this belongs to the extension: a member table would be dropped
 * with it, would come back from a dump without its rows or with its triggers
 * firing, and could not be restored by an owner who is no superuser.
 */
#include "base/compat.h"

#include "base/author.h"
#include "base/errors.h"
#include "base/owner.h"
#include "base/plans.h"
#include "catalog/namespace.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_database.h"
#include "integration/ddl_text.h"
#include "integration/expected.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "tcop/tcopprot.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

NURTURE_FUNCTION(nurture_install);
NURTURE_FUNCTION(nurture_seed);
NURTURE_FUNCTION(nurture_config_table);
NURTURE_FUNCTION(nurture_versioned_table);

/*
 * Presets, each with the prefixes of the seed parts it loads: "seed/pharma"
 * stands for seed/pharma.sql and every seed/pharma_<room>.sql, by name.
 */
static const struct
{
	const char *preset;
	const char *prefixes[3];
}			presets[] = {
	{"minimal", {"seed/vocabulary"}},
	{"pharma", {"seed/vocabulary", "seed/pharma"}},
	{"biopharma", {"seed/vocabulary", "seed/pharma", "seed/biopharma"}},
	{"demo", {"seed/vocabulary", "seed/pharma", "seed/demo"}},
};

static bool
part_matches(const NurtureDdlPart *part, const char *prefix)
{
	size_t		length = strlen(prefix);

	return strncmp(part->name, prefix, length) == 0 &&
		(part->name[length] == '.' || part->name[length] == '_');
}

static bool
prefix_exists(const char *prefix)
{
	for (const NurtureDdlPart *part = nurture_ddl_parts; part->name; part++)
	{
		if (part_matches(part, prefix))
			return true;
	}
	return false;
}

/* Returns text with @extschema@ replaced. */
char	   *
nurture_with_schema(const char *sql, const char *schema)
{
	Datum		replaced;

	replaced = DirectFunctionCall3Coll(replace_text, C_COLLATION_OID,
									   CStringGetTextDatum(sql),
									   CStringGetTextDatum("@extschema@"),
									   CStringGetTextDatum(schema));
	return TextDatumGetCString(replaced);
}

static void
part_error_context(void *arg)
{
	errcontext("SQL part \"%s\" of nurture_install", (const char *) arg);
}

/* Runs the statements of one part, each by itself. */
static void
run_part(const char *name, const char *text, const char *schema)
{
	ErrorContextCallback callback;
	char	   *sql = nurture_with_schema(text, schema);
	ListCell   *cell;

	callback.callback = part_error_context;
	callback.arg = unconstify(char *, name);
	callback.previous = error_context_stack;
	error_context_stack = &callback;

	foreach(cell, pg_parse_query(sql))
	{
		RawStmt    *raw = lfirst_node(RawStmt, cell);
		int			length = raw->stmt_len ? raw->stmt_len :
		strlen(sql) - raw->stmt_location;
		char	   *statement = pnstrdup(sql + raw->stmt_location, length);
		int			result;

		CHECK_FOR_INTERRUPTS();
		result = SPI_execute(statement, false, 0);
		if (result < 0)
			elog(ERROR, "could not execute \"%s\": %s", statement,
				 SPI_result_code_string(result));
		pfree(statement);
	}
	error_context_stack = callback.previous;
}

static int
preset_number(const char *preset)
{
	for (int i = 0; i < lengthof(presets); i++)
	{
		if (strcmp(presets[i].preset, preset) == 0)
		{
			for (int j = 0; j < lengthof(presets[i].prefixes); j++)
			{
				if (presets[i].prefixes[j] && !prefix_exists(presets[i].prefixes[j]))
					ereport(ERROR,
							(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
							 errmsg("preset \"%s\" is not part of this version",
									preset)));
			}
			return i;
		}
	}
	ereport(ERROR,
			(errcode(NURTURE_ERRCODE_UNKNOWN_CODE),
			 errmsg("unknown preset \"%s\"", preset),
			 errhint("Presets are pharma, biopharma, demo and minimal.")));
	return -1;					/* not reached */
}

/* Raises when there is no such preset. */
void
nurture_preset_check(const char *preset)
{
	(void) preset_number(preset);
}

static void
load_preset(int number, const char *schema)
{
	nurture_loading_preset = true;
	PG_TRY();
	{
		for (int j = 0; j < lengthof(presets[number].prefixes); j++)
		{
			const char *prefix = presets[number].prefixes[j];

			if (prefix == NULL)
				break;
			for (const NurtureDdlPart *part = nurture_ddl_parts; part->name; part++)
			{
				if (part_matches(part, prefix))
					run_part(part->name, part->text, schema);
			}
		}
	}
	PG_FINALLY();
	{
		nurture_loading_preset = false;
	}
	PG_END_TRY();
}

/*
 * nurture_install(preset text) returns text
 *
 * Creates schemas nurture, nurture_part and nurture_bi with everything in
 * them, owned by the caller, and loads a preset.  One transaction.
 */
Datum
nurture_install(PG_FUNCTION_ARGS)
{
	char	   *preset = text_to_cstring(PG_GETARG_TEXT_PP(0));
	int			number = preset_number(preset);
	const char *schema = nurture_extension_schema();
	static const char *const schemas[] = {"nurture", "nurture_part", "nurture_bi"};
	int			gucs;
	int			level;

	for (int i = 0; i < lengthof(schemas); i++)
	{
		if (OidIsValid(get_namespace_oid(schemas[i], true)))
			ereport(ERROR,
					(errcode(ERRCODE_DUPLICATE_SCHEMA),
					 errmsg("schema \"%s\" exists already", schemas[i]),
					 OidIsValid(get_relname_relid("meta", get_namespace_oid(schemas[i], true))) ?
					 errhint("nurture is installed in this database; to add a preset, call nurture_seed(preset).") :
					 errhint("nurture_install makes this schema itself; rename the existing one.")));
	}
	if (nurture_database_aclcheck(MyDatabaseId, GetUserId(), ACL_CREATE) != ACLCHECK_OK)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to create schemas in this database"),
				 errhint("Call nurture_install as the owner of the database, or GRANT CREATE ON DATABASE to the role that calls it.")));

	gucs = NewGUCNestLevel();
	(void) set_config_option("client_min_messages", "warning",
							 PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
	(void) set_config_option("nurture.change_reason", "preset",
							 PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
	level = nurture_spi_connect();
	for (const NurtureDdlPart *part = nurture_ddl_parts; part->name; part++)
	{
		if (strncmp(part->name, "seed/", 5) != 0)
			run_part(part->name, part->text, schema);
	}
	load_preset(number, schema);
	nurture_spi_finish(level);
	AtEOXact_GUC(true, gucs);
	PG_RETURN_TEXT_P(cstring_to_text(psprintf("nurture installed with preset %s", preset)));
}

/* nurture_seed(preset text) returns text: loads a preset into what is installed. */
Datum
nurture_seed(PG_FUNCTION_ARGS)
{
	char	   *preset = text_to_cstring(PG_GETARG_TEXT_PP(0));
	int			number = preset_number(preset);
	int			level;

	(void) nurture_schema_oid(false);
	level = nurture_spi_connect();
	load_preset(number, nurture_extension_schema());
	nurture_spi_finish(level);
	PG_RETURN_TEXT_P(cstring_to_text(psprintf("preset %s loaded", preset)));
}

/* Returns the statements that make the triggers of a configuration table. */
char	   *
nurture_config_table_ddl(const char *table)
{
	const char *schema = nurture_extension_schema();

	return psprintf("CREATE TRIGGER nurture_invalidate AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON %s "
					"FOR EACH STATEMENT EXECUTE FUNCTION %s.nurture_invalidate();"
					"CREATE TRIGGER nurture_invalidate_row AFTER INSERT OR UPDATE OR DELETE ON %s "
					"FOR EACH ROW EXECUTE FUNCTION %s.nurture_invalidate();"
					"CREATE TRIGGER nurture_change_log AFTER INSERT OR UPDATE OR DELETE ON %s "
					"FOR EACH ROW EXECUTE FUNCTION %s.nurture_log_change();"
					"ALTER TABLE %s ENABLE ALWAYS TRIGGER nurture_invalidate;"
					"ALTER TABLE %s ENABLE ALWAYS TRIGGER nurture_invalidate_row",
					table, schema, table, schema, table, schema, table, table);
}

/* Returns the statements that make the guards of a table of versioned rules. */
char	   *
nurture_versioned_table_ddl(const char *table)
{
	const char *schema = nurture_extension_schema();

	return psprintf("CREATE TRIGGER nurture_guard BEFORE INSERT OR UPDATE OR DELETE ON %s "
					"FOR EACH ROW EXECUTE FUNCTION %s.nurture_guard_versioned();"
					"CREATE TRIGGER nurture_guard_truncate BEFORE TRUNCATE ON %s "
					"FOR EACH STATEMENT EXECUTE FUNCTION %s.nurture_guard_versioned();"
					"ALTER TABLE %s ENABLE ALWAYS TRIGGER nurture_guard;"
					"ALTER TABLE %s ENABLE ALWAYS TRIGGER nurture_guard_truncate",
					table, schema, table, schema, table, table);
}

/* Runs the statements that a table of this kind has. */
static void
attach_triggers(Oid table, char *(*ddl) (const char *table))
{
	char	   *name = get_rel_name(table);
	char	   *qualified;
	int			level;

	if (name == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("table with OID %u does not exist", table)));
	qualified = quote_qualified_identifier(get_namespace_name(get_rel_namespace(table)), name);
	level = nurture_spi_connect();
	run_part(name, ddl(qualified), nurture_extension_schema());
	nurture_spi_finish(level);
}

/*
 * nurture_config_table(table regclass) returns void
 *
 * Attaches what every configuration table has: the pair of triggers that
 * invalidate the caches, and the one that keeps the change log.
 */
Datum
nurture_config_table(PG_FUNCTION_ARGS)
{
	attach_triggers(PG_GETARG_OID(0), nurture_config_table_ddl);
	PG_RETURN_VOID();
}

/* nurture_versioned_table(regclass) returns void: attaches the guards of a rule table. */
Datum
nurture_versioned_table(PG_FUNCTION_ARGS)
{
	attach_triggers(PG_GETARG_OID(0), nurture_versioned_table_ddl);
	PG_RETURN_VOID();
}
