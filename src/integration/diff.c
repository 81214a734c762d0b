/*
 * diff.c
 *	  nurture_diff: what changed between two versions, column by column.
 */
#include "base/compat.h"

#include "base/errors.h"
#include "base/plans.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "integration/versions.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"

NURTURE_FUNCTION(nurture_diff);

#define DIFF_COLUMNS 6

/*
 * Rows as jsonb without what tells versions and rows apart; of the table of
 * versions itself also without its life.  Words for people do not count as a
 * change of rules, but are shown.
 */
static char *
diff_query(const VersionedKind *kind, const RuleFamily *family)
{
	StringInfoData key;
	StringInfoData query;

	initStringInfo(&key);
	initStringInfo(&query);
	appendStringInfoString(&key, "concat_ws('/'");
	for (int i = 0; i < MAX_FAMILY_KEYS && family->keys[i]; i++)
		appendStringInfo(&key, ", %s", family->keys[i]);
	appendStringInfo(&key, ", NULL) AS key, to_jsonb(t) - ARRAY['version', 'status', 'author', 'author_login', 'approver', 'published_at', "
					 "'retired_at', 'content_hash', '%s'", kind->code);
	if (strcmp(family->table, kind->versions) == 0)
		appendStringInfoString(&key, ", 'reason'");
	for (int i = 0; i < MAX_FAMILY_KEYS && family->keys[i]; i++)
		appendStringInfo(&key, ", '%s'", family->keys[i]);
	appendStringInfo(&key, "] AS row FROM nurture.%s t WHERE %s = $1 AND version =", family->table, kind->code);

	appendStringInfo(&query, "SELECT coalesce(o.key, n.key), CASE WHEN o.key IS NULL THEN 'added' WHEN n.key IS NULL THEN 'removed' ELSE 'changed' END, "
					 "c.name, o.row ->> c.name, n.row ->> c.name, c.name NOT IN ('title', 'owner', 'reason') "
					 "FROM (SELECT %s $2) o FULL JOIN (SELECT %s $3) n ON o.key = n.key "
					 "CROSS JOIN LATERAL jsonb_object_keys(coalesce(n.row, o.row)) AS c (name) "
					 "WHERE o.row ->> c.name IS DISTINCT FROM n.row ->> c.name "
					 "ORDER BY coalesce(o.key, n.key) COLLATE \"C\", c.name COLLATE \"C\"",
					 key.data, key.data);
	return query.data;
}

/*
 * Puts the differences of one family.  Answers how many variables changed:
 * 1 when any rule did; where a version is one row, its columns.
 */
static int
put_family(ReturnSetInfo *result, const VersionedKind *kind,
		   const RuleFamily *family, Datum *values, StringInfo columns)
{
	Oid			types[3] = {TEXTOID, INT4OID, INT4OID};
	bool		one_row = family->keys[0] == NULL;
	int			rules = 0;

	if (SPI_execute_with_args(diff_query(kind, family), 3, types, values,
							  NULL, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not compare nurture.%s", family->table);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		Datum		row[DIFF_COLUMNS];
		bool		nulls[DIFF_COLUMNS] = {false};

		row[0] = CStringGetTextDatum(family->table);
		for (int column = 1; column < DIFF_COLUMNS; column++)
			row[column] = nurture_cell(i, column, &nulls[column]);
		if (strcmp(nurture_cell_text(i, DIFF_COLUMNS), "t") == 0)
		{
			if (one_row)
				appendStringInfo(columns, "%s%s", rules > 0 ? ", " : "", nurture_cell_text(i, 3));
			rules = one_row ? rules + 1 : 1;
		}
		tuplestore_putvalues(result->setResult, result->setDesc, row, nulls);
	}
	return rules;
}

/*
 * nurture_diff(kind text, code text, v1 int, v2 int) returns setof (family,
 * key, change, "column", old, new): one row per column that differs, with a
 * warning when rules of more than one family do.  With the caller's rights.
 */
Datum
nurture_diff(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	const VersionedKind *kind;
	char	   *code;
	Datum		values[3];
	StringInfoData families;
	StringInfoData columns;
	int			changed = 0;
	int			most = 0;
	int			level;

	/* no row would say that nothing has changed */
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || PG_ARGISNULL(2) || PG_ARGISNULL(3))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("kind, code and both versions must not be null")));
	kind = nurture_versioned_kind(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	code = text_to_cstring(PG_GETARG_TEXT_PP(1));
	InitMaterializedSRF(fcinfo, 0);
	initStringInfo(&families);
	initStringInfo(&columns);
	level = nurture_spi_connect();
	values[0] = CStringGetTextDatum(code);
	for (int i = 2; i <= 3; i++)
	{
		int			version = PG_GETARG_INT32(i);

		values[i - 1] = Int32GetDatum(version);
		nurture_require_version(kind, code, &version);
	}
	for (int i = 0; i < MAX_RULE_FAMILIES && kind->families[i].table; i++)
	{
		int			rules = put_family(result, kind, &kind->families[i], values, &columns);

		most = Max(most, rules);
		if (rules > 0)
			appendStringInfo(&families, "%s%s", changed++ > 0 ? ", " : "",
							 kind->families[i].table);
	}
	if (changed > 1)
		ereport(WARNING,
				(errmsg("%d families of rules differ between versions %d and %d of %s \"%s\": %s",
						changed, PG_GETARG_INT32(2), PG_GETARG_INT32(3),
						kind->kind, code, families.data),
				 errhint("Publish one family at a time, so that the effect of each can be told apart.")));
	else if (most > 1)
		ereport(WARNING,
				(errmsg("%d columns differ between versions %d and %d of %s \"%s\": %s",
						most, PG_GETARG_INT32(2), PG_GETARG_INT32(3), kind->kind, code, columns.data),
				 errhint("Publish one change at a time, so that the effect of each can be told apart.")));
	nurture_spi_finish(level);
	return (Datum) 0;
}
