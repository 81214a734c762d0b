/*
 * selfcheck_expression.c
 *	  Holds defaults, checks and views against those that nurture_install makes.
 *
 * Both sides are written out by the server from what it parsed, so that only
 * what they mean is compared.  A dump brings what was written out, which reads
 * a little differently when it is parsed: where they differ, both are read
 * again.
 */
#include "base/compat.h"

#include "access/relation.h"
#include "base/plans.h"
#include "catalog/heap.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "integration/expected.h"
#include "integration/selfcheck.h"
#include "nodes/makefuncs.h"
#include "parser/analyze.h"
#include "parser/parse_coerce.h"
#include "parser/parse_collate.h"
#include "parser/parse_expr.h"
#include "parser/parse_node.h"
#include "parser/parse_relation.h"
#include "rewrite/rewriteHandler.h"
#include "tcop/tcopprot.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/ruleutils.h"

#define READINGS	2			/* until a text stays as it is when read again */

static KeptPlan read_defaults =
KEPT_PLAN("SELECT a.attname::text, a.attnotnull, a.attidentity::text, a.attgenerated::text,"
		  " a.atttypid, a.atttypmod, pg_get_expr(d.adbin, d.adrelid)"
		  " FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum"
		  " WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped", OIDOID);

static KeptPlan read_checks =
KEPT_PLAN("SELECT coalesce(array_agg(pg_get_expr(k.conbin, k.conrelid)), '{}'), count(*) FROM pg_constraint k"
		  " WHERE k.conrelid = $1 AND k.contype = 'c' AND k.convalidated", OIDOID);

/* Makes a parse state in which the columns of a table can be named. */
static ParseState *
parse_state(Relation rel)
{
	ParseState *state = make_parsestate(NULL);

	addNSItemToQuery(state,
					 addRangeTableEntryForRelation(state, rel, AccessShareLock,
												   NULL, false, true),
					 false, true, true);
	return state;
}

/* Writes out what an expression that is expected of a table means. */
static char *
written(Relation rel, Node *raw, bool check, Oid type, int32 typmod, char generated)
{
	ParseState *state = parse_state(rel);
	Node	   *expression;

	raw = copyObject(raw);
	if (check)
	{
		expression = transformExpr(state, raw, EXPR_KIND_CHECK_CONSTRAINT);
		expression = coerce_to_boolean(state, expression, "CHECK");
		assign_expr_collations(state, expression);
	}
	else
		expression = cookDefault(state, raw, type, typmod, "", generated);
	return deparse_expression(expression,
							  deparse_context_for(RelationGetRelationName(rel), RelationGetRelid(rel)),
							  false, false);
}

/* Tells whether a text that is expected, or what it becomes when read again, is there. */
static bool
means(Relation rel, const char *want, const char *have, bool check, Oid type,
	  int32 typmod, char generated)
{
	const char *texts[2] = {want, have};

	if (strcmp(want, have) == 0)
		return true;
	for (int i = 0; i < READINGS * lengthof(texts); i++)
	{
		RawStmt    *raw = linitial_node(RawStmt, pg_parse_query(psprintf("SELECT %s", texts[i % 2])));
		SelectStmt *select = (SelectStmt *) raw->stmt;

		texts[i % 2] = written(rel, linitial_node(ResTarget, select->targetList)->val,
							   check, type, typmod, generated);
	}
	return strcmp(texts[0], texts[1]) == 0;
}

static void
check_columns(SelfcheckSink *sink, const ExpectedTable *table, Relation rel)
{
	Datum		value = ObjectIdGetDatum(RelationGetRelid(rel));
	SPITupleTable *rows;
	uint64		nrows;
	ListCell   *cell;

	(void) nurture_execute(&read_defaults, &value, NULL, true);
	rows = SPI_tuptable;
	nrows = SPI_processed;
	foreach(cell, table->columns)
	{
		ExpectedColumn *column = lfirst(cell);
		const char *table_name = quote_identifier(table->name);
		const char *name = quote_identifier(column->name);

		for (uint64 row = 0; row < nrows; row++)
		{
			char	   *want = NULL;
			char	   *have;
			char	   *generated;
			bool		isnull;

			SPI_tuptable = rows;
			if (strcmp(nurture_cell_text(row, 1), column->name) != 0)
				continue;
			generated = nurture_cell_text(row, 4);
			have = nurture_cell_text(row, 7);
			if (column->not_null && !DatumGetBool(nurture_cell(row, 2, &isnull)))
				nurture_selfcheck_put(sink, "column_changed", "error",
									  psprintf("column \"%s\" of nurture.%s may be null", column->name, table->name),
									  psprintf("ALTER TABLE nurture.%s ALTER %s SET NOT NULL", table_name, name));
			SPI_tuptable = rows;
			if (generated[0] != column->generated || nurture_cell_text(row, 3)[0] != column->identity)
			{
				nurture_selfcheck_put(sink, "column_changed", "error",
									  psprintf("column \"%s\" of nurture.%s is not generated as nurture_install has it",
											   column->name, table->name), NULL);
				continue;
			}
			if (column->default_value != NULL)
				want = written(rel, column->default_value, false,
							   DatumGetObjectId(nurture_cell(row, 5, &isnull)),
							   DatumGetInt32(nurture_cell(row, 6, &isnull)), column->generated);
			if (want == NULL ? have != NULL : have == NULL ||
				!means(rel, want, have, false, DatumGetObjectId(nurture_cell(row, 5, &isnull)),
					   DatumGetInt32(nurture_cell(row, 6, &isnull)), column->generated))
				nurture_selfcheck_put(sink, "default_changed", "error",
									  psprintf("column \"%s\" of nurture.%s has default %s, nurture_install gives it %s",
											   column->name, table->name, have ? have : "none", want ? want : "none"),
									  column->generated ? NULL :
									  want == NULL ? psprintf("ALTER TABLE nurture.%s ALTER %s DROP DEFAULT", table_name, name) :
									  psprintf("ALTER TABLE nurture.%s ALTER %s SET DEFAULT %s", table_name, name, want));
		}
	}
}

/* Puts checks that are there in number, but say something else. */
static void
check_conditions(SelfcheckSink *sink, const ExpectedTable *table, Relation rel)
{
	Datum		value = ObjectIdGetDatum(RelationGetRelid(rel));
	const char **have;
	int			nhave;
	bool		isnull;
	ListCell   *cell;

	(void) nurture_execute(&read_checks, &value, NULL, true);
	/* fewer than there should be is said elsewhere */
	if (DatumGetInt64(nurture_cell(0, 2, &isnull)) < table->checks)
		return;
	have = nurture_cell_strings(0, 1, &nhave);
	foreach(cell, table->conditions)
	{
		char	   *want = written(rel, lfirst(cell), true, InvalidOid, -1, '\0');
		bool		found = false;

		for (int i = 0; i < nhave && !found; i++)
			found = strcmp(have[i], want) == 0;
		for (int i = 0; i < nhave && !found; i++)
			found = means(rel, want, have[i], true, InvalidOid, -1, '\0');
		if (!found)
			nurture_selfcheck_put(sink, "constraint_changed", "error",
								  psprintf("nurture.%s lacks CHECK (%s)", table->name, want), NULL);
	}
}

/* Takes the names of columns away from the parts of a union, which need none. */
static void
forget_names(Query *query)
{
	ListCell   *cell;
	ListCell   *column;

	foreach(cell, query->rtable)
	{
		RangeTblEntry *part = lfirst_node(RangeTblEntry, cell);

		if (part->rtekind != RTE_SUBQUERY)
			continue;
		forget_names(part->subquery);
		if (query->setOperations == NULL)
			continue;
		foreach(column, part->subquery->targetList)
			lfirst_node(TargetEntry, column)->resname = NULL;
	}
	foreach(cell, query->cteList)
		forget_names(castNode(Query, lfirst_node(CommonTableExpr, cell)->ctequery));
}

/*
 * Writes out a view's query.  Columns are written with their table where a
 * query has several, and a stored view counts itself among its own.
 */
static char *
written_query(Query *query)
{
	RangeTblEntry *nothing = makeNode(RangeTblEntry);

	forget_names(query);
	nothing->rtekind = RTE_RESULT;
	nothing->eref = makeAlias("nothing", NIL);
	query->rtable = lappend(query->rtable, nothing);
	return pg_get_querydef(query, false);
}

static bool
same_query(const char *want, const char *have)
{
	const char *texts[2] = {want, have};

	if (strcmp(want, have) == 0)
		return true;
	for (int i = 0; i < READINGS * lengthof(texts); i++)
		texts[i % 2] = written_query(parse_analyze_fixedparams(linitial_node(RawStmt, pg_parse_query(texts[i % 2])),
															   texts[i % 2], NULL, 0, NULL));
	return strcmp(texts[0], texts[1]) == 0;
}

static void
check_view(SelfcheckSink *sink, const char *name, RawStmt *raw)
{
	Oid			oid = get_relname_relid(name, get_namespace_oid("nurture_bi", false));
	Relation	rel;
	Query	   *want;
	Query	   *have;

	if (!OidIsValid(oid) || get_rel_relkind(oid) != RELKIND_VIEW)
		return;					/* its absence is said elsewhere */
	want = parse_analyze_fixedparams(copyObject(raw), "", NULL, 0, NULL);
	rel = relation_open(oid, AccessShareLock);
	have = copyObject(get_view_query(rel));
	relation_close(rel, AccessShareLock);
	if (!same_query(written_query(want), written_query(have)))
		nurture_selfcheck_put(sink, "view_changed", "error",
							  psprintf("view nurture_bi.%s is not the one nurture_install makes", name), NULL);
}

void
nurture_selfcheck_expressions(SelfcheckSink *sink, const ExpectedSchema *schema)
{
	ListCell   *cell;
	ListCell   *query;
	bool		complete = true;

	foreach(cell, schema->tables)
	{
		ExpectedTable *table = lfirst(cell);
		Oid			oid = get_relname_relid(table->name, get_namespace_oid("nurture", false));
		Relation	rel;

		if (!OidIsValid(oid))
		{
			complete = false;
			continue;
		}
		rel = relation_open(oid, AccessShareLock);
		if (list_length(table->columns) <= RelationGetNumberOfAttributes(rel))
		{
			check_columns(sink, table, rel);
			check_conditions(sink, table, rel);
		}
		relation_close(rel, NoLock);
	}
	/* what is made of a table that is not there cannot be written out */
	if (!complete)
		return;
	forboth(cell, schema->views, query, schema->view_queries)
		check_view(sink, lfirst(cell), lfirst_node(RawStmt, query));
}
