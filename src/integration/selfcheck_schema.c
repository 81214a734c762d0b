/*
 * selfcheck_schema.c
 *	  Holds tables and triggers against what nurture_install makes.
 */
#include "base/compat.h"

#include "base/plans.h"
#include "catalog/pg_trigger.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "integration/expected.h"
#include "integration/selfcheck.h"
#include "parser/parse_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

/*
 * Every trigger of ours and of others on tables of schema nurture and on
 * partitions.  A partition's copy is compared with the trigger it is of.
 */
static KeptPlan read_triggers =
KEPT_PLAN0("SELECT c.relname::text, t.tgname::text, p.proname::text, t.tgtype,"
		   " t.tgqual IS NOT NULL, t.tgnargs, t.tgoldtable::text,"
		   " t.tgnewtable::text, t.tgenabled::text,"
		   " p.pronamespace = e.extnamespace AND l.lanname = 'c'"
		   " FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid"
		   " JOIN pg_proc p ON p.oid = t.tgfoid"
		   " JOIN pg_language l ON l.oid = p.prolang"
		   " CROSS JOIN pg_extension e"
		   " WHERE NOT t.tgisinternal AND t.tgparentid = 0"
		   " AND c.relnamespace = 'nurture'::regnamespace AND e.extname = 'nurture'"
		   " ORDER BY c.relname COLLATE \"C\", t.tgname COLLATE \"C\"");

static KeptPlan read_tables =
KEPT_PLAN0("SELECT c.relname::text, a.attname::text, a.atttypid, a.atttypmod,"
		   " (SELECT count(*) FROM pg_constraint k WHERE k.conrelid = c.oid AND k.contype = 'c' AND k.convalidated),"
		   " (SELECT count(*) FROM pg_constraint k WHERE k.conrelid = c.oid AND k.contype IN ('p', 'u'))"
		   " FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid"
		   " WHERE c.relnamespace = 'nurture'::regnamespace AND c.relkind IN ('r', 'p')"
		   " AND a.attnum > 0 AND NOT a.attisdropped");

static KeptPlan missing_relations =
KEPT_PLAN("SELECT n.name FROM unnest($1) n (name) WHERE NOT EXISTS"
		  " (SELECT FROM pg_class c LEFT JOIN pg_index i ON i.indexrelid = c.oid"
		  "  WHERE c.relname = n.name AND c.relnamespace = $2::regnamespace"
		  "  AND c.relkind::text = ANY ($3) AND i.indisvalid IS NOT FALSE)"
		  " ORDER BY 1", TEXTARRAYOID, TEXTOID, TEXTARRAYOID);

static char *
repair_enabled(const ExpectedTrigger *trigger)
{
	return psprintf("ALTER TABLE nurture.%s ENABLE %sTRIGGER %s",
					quote_identifier(trigger->table),
					trigger->enabled == TRIGGER_FIRES_ALWAYS ? "ALWAYS " : "",
					quote_identifier(trigger->name));
}

static char *
repair_missing(const ExpectedTrigger *trigger, bool drop)
{
	return psprintf("%s%s;%s",
					drop ? psprintf("DROP TRIGGER %s ON nurture.%s;",
									quote_identifier(trigger->name),
									quote_identifier(trigger->table)) : "",
					trigger->statement, repair_enabled(trigger));
}

static ExpectedTrigger *
find_trigger(ExpectedSchema *schema, const char *table, const char *name)
{
	ListCell   *cell;

	foreach(cell, schema->triggers)
	{
		ExpectedTrigger *trigger = lfirst(cell);

		if (strcmp(trigger->name, name) == 0 &&
			strcmp(trigger->table, table) == 0)
			return trigger;
	}
	return NULL;
}

static bool
same_word(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

/*
 * A trigger that is not ours.  One that sees a message after the gate has
 * decided could change it; the gate finds that when the statement ends, and
 * refuses the statement.
 */
static void
put_foreign(SelfcheckSink *sink, const char *table, const char *name,
			const char *function, int type, const char *enabled)
{
	bool		after_gate = strcmp(table, "message") == 0 &&
	TRIGGER_FOR_BEFORE(type) && TRIGGER_FOR_ROW(type) &&
	TRIGGER_FOR_INSERT(type) && strcmp(name, "~nurture_gate") > 0;

	nurture_selfcheck_put(sink, "trigger_foreign",
						  after_gate ? "error" : "warning",
						  psprintf("trigger \"%s\" on nurture.%s calls %s and is not nurture's%s%s",
								   name, table, function,
								   after_gate ? "; it fires after the gate" : "",
								   enabled[0] == TRIGGER_DISABLED ? " (disabled)" : ""),
						  NULL);
}

static void
check_triggers(SelfcheckSink *sink, ExpectedSchema *schema)
{
	SPITupleTable *rows;
	uint64		nrows;
	ListCell   *cell;

	(void) nurture_execute(&read_triggers, NULL, NULL, true);
	rows = SPI_tuptable;
	nrows = SPI_processed;
	for (uint64 row = 0; row < nrows; row++)
	{
		ExpectedTrigger *trigger;
		const char *table;
		const char *name;
		const char *enabled;
		bool		isnull;
		bool		same;

		SPI_tuptable = rows;	/* a repair runs queries of its own */
		table = nurture_cell_text(row, 1);
		name = nurture_cell_text(row, 2);
		enabled = nurture_cell_text(row, 9);
		trigger = find_trigger(schema, table, name);
		if (trigger == NULL)
		{
			put_foreign(sink, table, name, nurture_cell_text(row, 3),
						DatumGetInt16(nurture_cell(row, 4, &isnull)), enabled);
			continue;
		}
		trigger->seen = true;
		same = strcmp(trigger->function, nurture_cell_text(row, 3)) == 0 &&
			trigger->type == DatumGetInt16(nurture_cell(row, 4, &isnull)) &&
			trigger->conditional == DatumGetBool(nurture_cell(row, 5, &isnull)) &&
			trigger->nargs == DatumGetInt16(nurture_cell(row, 6, &isnull)) &&
			same_word(trigger->old_table, nurture_cell_text(row, 7)) &&
			same_word(trigger->new_table, nurture_cell_text(row, 8)) &&
			DatumGetBool(nurture_cell(row, 10, &isnull));
		if (!same)
			nurture_selfcheck_put(sink, "trigger_changed", "error",
								  psprintf("trigger \"%s\" on nurture.%s is not the one nurture_install makes",
										   name, table),
								  repair_missing(trigger, true));
		else if (enabled[0] != trigger->enabled)
			nurture_selfcheck_put(sink, "trigger_disabled",
								  enabled[0] == TRIGGER_DISABLED ? "error" : "warning",
								  psprintf("trigger \"%s\" on nurture.%s is %s", name, table,
										   enabled[0] == TRIGGER_DISABLED ? "disabled" :
										   trigger->enabled == TRIGGER_FIRES_ALWAYS ?
										   "enabled, but not ALWAYS" : "enabled otherwise than nurture_install does"),
								  repair_enabled(trigger));
	}
	foreach(cell, schema->triggers)
	{
		ExpectedTrigger *trigger = lfirst(cell);

		if (!trigger->seen)
			nurture_selfcheck_put(sink, "trigger_missing", "error",
								  psprintf("trigger \"%s\" on nurture.%s is not there",
										   trigger->name, trigger->table),
								  repair_missing(trigger, false));
	}
}

/* A column that is there. */
typedef struct ActualColumn
{
	const char *table;
	const char *name;
	Oid			type;
	int32		typmod;
	int64		checks;			/* valid constraints of its table */
	int64		keys;			/* likewise, primary and unique */
} ActualColumn;

typedef struct ActualColumns
{
	int			n;
	ActualColumn *columns;		/* by table and name */
} ActualColumns;

static int
compare_columns(const void *a, const void *b)
{
	const ActualColumn *x = a;
	const ActualColumn *y = b;
	int			result = strcmp(x->table, y->table);

	return result != 0 ? result : strcmp(x->name, y->name);
}

static ActualColumns
read_columns(void)
{
	ActualColumns actual;
	bool		isnull;

	(void) nurture_execute(&read_tables, NULL, NULL, true);
	actual.n = (int) SPI_processed;
	actual.columns = palloc(sizeof(ActualColumn) * Max(actual.n, 1));
	for (int i = 0; i < actual.n; i++)
	{
		ActualColumn *column = &actual.columns[i];

		column->table = nurture_cell_text(i, 1);
		column->name = nurture_cell_text(i, 2);
		column->type = DatumGetObjectId(nurture_cell(i, 3, &isnull));
		column->typmod = DatumGetInt32(nurture_cell(i, 4, &isnull));
		column->checks = DatumGetInt64(nurture_cell(i, 5, &isnull));
		column->keys = DatumGetInt64(nurture_cell(i, 6, &isnull));
	}
	qsort(actual.columns, actual.n, sizeof(ActualColumn), compare_columns);
	return actual;
}

static void
check_column(SelfcheckSink *sink, const ExpectedTable *table,
			 const ExpectedColumn *column, const ActualColumn *found)
{
	Oid			type;
	int32		typmod;

	if (found == NULL)
	{
		nurture_selfcheck_put(sink, "column_missing", "error",
							  psprintf("column \"%s\" of nurture.%s is not there",
									   column->name, table->name), NULL);
		return;
	}
	typenameTypeIdAndMod(NULL, column->type, &type, &typmod);
	if (type != found->type || typmod != found->typmod)
		nurture_selfcheck_put(sink, "column_changed", "error",
							  psprintf("column \"%s\" of nurture.%s has another type than nurture_install gives it",
									   column->name, table->name), NULL);
}

static void
check_table(SelfcheckSink *sink, const ExpectedTable *table,
			const ActualColumns *actual)
{
	const ActualColumn *any = NULL;
	ListCell   *cell;

	for (int i = 0; i < actual->n && any == NULL; i++)
	{
		if (strcmp(actual->columns[i].table, table->name) == 0)
			any = &actual->columns[i];
	}
	if (any == NULL)
	{
		nurture_selfcheck_put(sink, "table_missing", "error",
							  psprintf("table nurture.%s is not there", table->name), NULL);
		return;
	}
	if (any->checks < table->checks || any->keys < table->keys)
		nurture_selfcheck_put(sink, "constraint_missing", "error",
							  psprintf("nurture.%s has %lld valid checks and %lld keys; nurture_install makes %d and %d",
									   table->name, (long long) any->checks,
									   (long long) any->keys, table->checks, table->keys), NULL);
	foreach(cell, table->columns)
	{
		ExpectedColumn *column = lfirst(cell);
		ActualColumn key = {.table = table->name,.name = column->name};

		check_column(sink, table, column,
					 bsearch(&key, actual->columns, actual->n,
							 sizeof(ActualColumn), compare_columns));
	}
}

/* Puts the relations of some kinds that are not there. */
static void
check_relations(SelfcheckSink *sink, const char *finding, List *names,
				const char *schema, const char *kinds)
{
	Datum	   *items = palloc(sizeof(Datum) * Max(list_length(names), 1));
	Datum		values[3];
	SPITupleTable *rows;
	uint64		nrows;
	ListCell   *cell;
	int			n = 0;

	foreach(cell, names)
		items[n++] = CStringGetTextDatum(lfirst(cell));
	values[0] = PointerGetDatum(construct_array(items, n, TEXTOID, -1, false, TYPALIGN_INT));
	values[1] = CStringGetTextDatum(schema);
	for (n = 0; kinds[n] != '\0'; n++)
		items[n] = PointerGetDatum(cstring_to_text_with_len(&kinds[n], 1));
	values[2] = PointerGetDatum(construct_array(items, n, TEXTOID, -1, false, TYPALIGN_INT));
	(void) nurture_execute(&missing_relations, values, NULL, true);
	rows = SPI_tuptable;
	nrows = SPI_processed;
	for (uint64 row = 0; row < nrows; row++)
	{
		SPI_tuptable = rows;
		nurture_selfcheck_put(sink, finding, "error",
							  psprintf("%s.%s is not there or not valid", schema, nurture_cell_text(row, 1)), NULL);
	}
}

void
nurture_selfcheck_schema(SelfcheckSink *sink)
{
	ExpectedSchema *schema = nurture_expected_schema();
	ActualColumns actual = read_columns();
	ListCell   *cell;

	foreach(cell, schema->tables)
		check_table(sink, lfirst(cell), &actual);
	check_triggers(sink, schema);
	check_relations(sink, "index_missing", schema->indexes, "nurture", "iI");
	check_relations(sink, "view_missing", schema->views, "nurture_bi", "v");
	nurture_selfcheck_expressions(sink, schema);
}
