/*
 * plans.c
 *	  SPI plans that are kept for the life of a backend.
 *
 * Two traps made this file.  A generic plan made while its table is empty
 * scans it sequentially and is kept, so that a bulk load turns quadratic; and
 * a plan made under enable_seqscan = off is made again under the caller's
 * settings at the next ANALYZE.  So plans are generic, made inside a GUC nest
 * level with sequential scans off, and whenever SPI_plan_is_valid says no
 * they are thrown away and made again the same way.
 */
#include "base/compat.h"

#include "access/xact.h"
#include "base/owner.h"
#include "base/plans.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "nodes/parsenodes.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/plancache.h"
#include "utils/snapmgr.h"

#define PINNED_PATH "pg_catalog, pg_temp"

/* Returns the query with @extschema@ replaced by the extension's schema. */
static char *
qualify(const char *query)
{
	const char *mark = "@extschema@";
	const char *found = strstr(query, mark);
	const char *schema;
	StringInfoData buf;

	if (found == NULL)
		return pstrdup(query);
	schema = nurture_extension_schema();
	initStringInfo(&buf);
	while (found != NULL)
	{
		appendBinaryStringInfo(&buf, query, found - query);
		appendStringInfoString(&buf, schema);
		query = found + strlen(mark);
		found = strstr(query, mark);
	}
	appendStringInfoString(&buf, query);
	return buf.data;
}

/* Returns the plan, made anew when there is none or it is no longer valid. */
SPIPlanPtr
nurture_plan(KeptPlan *kept)
{
	SPIPlanPtr	plan;
	int			nargs = 0;
	int			level;
	char	   *query;
	ListCell   *cell;

	if (kept->plan != NULL)
	{
		if (likely(SPI_plan_is_valid(kept->plan)))
			return kept->plan;
		plan = kept->plan;
		kept->plan = NULL;
		SPI_freeplan(plan);
	}

	while (nargs < KEPT_PLAN_MAX_ARGS && OidIsValid(kept->argtypes[nargs]))
		nargs++;
	query = qualify(kept->query);

	/*
	 * Where only a sequential scan is possible, its price with the setting
	 * off would ask for JIT compilation: 400 ms for a query of 0.1 ms.
	 */
	level = NewGUCNestLevel();
	(void) set_config_option("jit", "off",
							 PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
	if (!kept->seqscan)
		(void) set_config_option("enable_seqscan", "off",
								 PGC_USERSET, PGC_S_SESSION,
								 GUC_ACTION_SAVE, true, 0, false);
	plan = SPI_prepare_cursor(query, nargs, kept->argtypes,
							  CURSOR_OPT_GENERIC_PLAN);
	if (plan == NULL)
		elog(ERROR, "could not prepare \"%s\": %s", query,
			 SPI_result_code_string(SPI_result));
	if (SPI_keepplan(plan) != 0)
		elog(ERROR, "could not keep the plan of \"%s\"", query);

	/*
	 * Plan now, while the settings hold: SPI_prepare only parses and
	 * rewrites.  After SPI_keepplan, which forgets a generic plan made
	 * before.
	 */
	PushActiveSnapshot(GetTransactionSnapshot());
	foreach(cell, SPI_plan_get_plan_sources(plan))
	{
		CachedPlanSource *source = lfirst(cell);

		ReleaseCachedPlan(GetCachedPlan(source, NULL, NULL, NULL), NULL);
	}
	PopActiveSnapshot();
	AtEOXact_GUC(true, level);

	kept->plan = plan;
	pfree(query);
	return plan;
}

static int
check_result(KeptPlan *kept, int result)
{
	if (result < 0)
		elog(ERROR, "could not execute \"%s\": %s", kept->query,
			 SPI_result_code_string(result));
	return result;
}

/*
 * Executes with the transaction's snapshot.  read_only uses the active
 * snapshot as it is; otherwise a new one is taken and the command counter
 * moves, so that the query sees what this transaction has written.
 */
int
nurture_execute(KeptPlan *kept, Datum *values, const char *nulls,
				bool read_only)
{
	MemoryContext context = CurrentMemoryContext;
	int			result = SPI_execute_plan(nurture_plan(kept), values, nulls,
										  read_only, 0);

	/* SPI leaves its own procedure context current */
	MemoryContextSwitchTo(context);
	return check_result(kept, result);
}

/*
 * Executes with the latest snapshot at any isolation level, the way
 * ri_PerformCheck does.  With write, rows changed by others since the
 * transaction's own snapshot are updated as well instead of raising 40001.
 */
int
nurture_execute_latest(KeptPlan *kept, Datum *values, const char *nulls,
					   bool write)
{
	MemoryContext context = CurrentMemoryContext;
	SPIPlanPtr	plan = nurture_plan(kept);
	Snapshot	snapshot;
	int			result;

	CommandCounterIncrement();	/* see this transaction's own changes */
	snapshot = GetLatestSnapshot();
	result = SPI_execute_snapshot(plan, values, nulls, snapshot,
								  InvalidSnapshot, !write, true, 0);
	MemoryContextSwitchTo(context);
	return check_result(kept, result);
}

/* Executes read-only with a given snapshot. */
int
nurture_execute_snapshot(KeptPlan *kept, Datum *values, const char *nulls,
						 Snapshot snapshot)
{
	MemoryContext context = CurrentMemoryContext;
	int			result = SPI_execute_snapshot(nurture_plan(kept), values,
											  nulls, snapshot,
											  InvalidSnapshot, true, false, 0);

	MemoryContextSwitchTo(context);
	return check_result(kept, result);
}

/* Hands the rows of a query on, each while the executor has it. */
typedef struct RowTaker
{
	DestReceiver receiver;
	void		(*take) (TupleTableSlot *row, void *arg);
	void	   *arg;
	MemoryContext context;		/* the caller's */
} RowTaker;

static bool
take_row(TupleTableSlot *slot, DestReceiver *self)
{
	RowTaker   *taker = (RowTaker *) self;
	MemoryContext old = MemoryContextSwitchTo(taker->context);

	slot_getallattrs(slot);
	taker->take(slot, taker->arg);
	MemoryContextSwitchTo(old);
	return true;
}

static void
start_rows(DestReceiver *self, int operation, TupleDesc desc)
{
}

static void
no_more_rows(DestReceiver *self)
{
}

/*
 * Executes a query without parameters, read-only with a given snapshot, and
 * calls take for each row: for tables too large to be held twice.
 */
void
nurture_execute_each(KeptPlan *kept, Snapshot snapshot,
					 void (*take) (TupleTableSlot *row, void *arg), void *arg)
{
	MemoryContext context = CurrentMemoryContext;
	RowTaker	taker = {
		.receiver = {take_row, start_rows, no_more_rows, no_more_rows, DestNone},
		.take = take,.arg = arg,.context = context
	};
	SPIExecuteOptions options = {
		.read_only = true,.dest = &taker.receiver
	};
	int			result;

	PushActiveSnapshot(snapshot);
	result = SPI_execute_plan_extended(nurture_plan(kept), &options);
	PopActiveSnapshot();
	MemoryContextSwitchTo(context);
	(void) check_result(kept, result);
}

/* Executes a statement that is run too seldom, or is too varied, to keep. */
void
nurture_execute_text(const char *sql)
{
	int			result = SPI_execute(sql, false, 0);

	if (result < 0)
		elog(ERROR, "could not execute \"%s\": %s", sql,
			 SPI_result_code_string(result));
}

/* Returns one cell of the last result; columns count from 1. */
Datum
nurture_cell(uint64 row, int column, bool *isnull)
{
	return SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc,
						 column, isnull);
}

/* Returns one cell of the last result as text, NULL when null. */
char	   *
nurture_cell_text(uint64 row, int column)
{
	return SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc,
						column);
}

/*
 * Connects to SPI and pins search_path.  Returns the GUC nest level to hand
 * to nurture_spi_finish, 0 when the path was pinned already.
 */
int
nurture_spi_connect(void)
{
	int			level = 0;

	if (namespace_search_path == NULL ||
		strcmp(namespace_search_path, PINNED_PATH) != 0)
	{
		level = NewGUCNestLevel();
		(void) set_config_option("search_path", PINNED_PATH,
								 PGC_USERSET, PGC_S_SESSION,
								 GUC_ACTION_SAVE, true, 0, false);
	}
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI");
	return level;
}

/* The same, and leaves the current memory context as it was. */
int
nurture_spi_connect_here(void)
{
	MemoryContext context = CurrentMemoryContext;
	int			level = nurture_spi_connect();

	MemoryContextSwitchTo(context);
	return level;
}

/* Disconnects from SPI and gives search_path back. */
void
nurture_spi_finish(int level)
{
	if (SPI_finish() != SPI_OK_FINISH)
		elog(ERROR, "could not disconnect from SPI");
	if (level > 0)
		AtEOXact_GUC(true, level);
}

/* Returns strings as a text[] parameter. */
Datum
nurture_strings_array(const char *const *strings, int n)
{
	Datum	   *values = palloc(Max(n, 1) * sizeof(Datum));

	for (int i = 0; i < n; i++)
		values[i] = CStringGetTextDatum(strings[i]);
	return PointerGetDatum(construct_array(values, n, TEXTOID, -1, false,
										   TYPALIGN_INT));
}

/* Returns the strings of a text[] cell without its NULLs, and how many. */
const char **
nurture_cell_strings(uint64 row, int column, int *n)
{
	bool		isnull;
	Datum		array = nurture_cell(row, column, &isnull);
	Datum	   *items;
	bool	   *nulls;
	const char **result;
	int			count = 0;

	*n = 0;
	if (isnull)
		return NULL;
	deconstruct_array(DatumGetArrayTypeP(array), TEXTOID, -1, false,
					  TYPALIGN_INT, &items, &nulls, &count);
	result = palloc(Max(count, 1) * sizeof(char *));
	for (int i = 0; i < count; i++)
	{
		if (!nulls[i])
			result[(*n)++] = TextDatumGetCString(items[i]);
	}
	return result;
}
