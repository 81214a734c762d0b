/*
 * plans.h
 *	  SPI plans that are kept for the life of a backend.
 *
 * A plan is declared static beside the code that uses it:
 *
 *		static KeptPlan find_lead = KEPT_PLAN(
 *			"SELECT country FROM nurture.lead WHERE lead_id = $1", INT8OID);
 *
 * The caller is connected through nurture_spi_connect, which pins search_path
 * to pg_catalog, pg_temp until nurture_spi_finish: operators and functions
 * without a schema are the server's own, and look-alikes on the caller's path
 * are never seen.  Tables are written nurture.name, functions of nurture
 * itself @extschema@.name.
 *
 * The execute functions leave the current memory context as it was.
 *
 * A hot path may connect with SPI_connect alone (pinning costs about 2 us);
 * then every function and operator of its queries is qualified too.
 */
#ifndef NURTURE_PLANS_H
#define NURTURE_PLANS_H

#include "base/compat.h"
#include "executor/spi.h"
#include "executor/tuptable.h"
#include "utils/snapshot.h"

#define KEPT_PLAN_MAX_ARGS 24

typedef struct KeptPlan
{
	const char *query;			/* one statement, parameters $1 .. $n */
	Oid			argtypes[KEPT_PLAN_MAX_ARGS];	/* ends at the first 0 */
	SPIPlanPtr	plan;			/* NULL until first used */
	bool		seqscan;		/* the query wants whole tables: leave
								 * sequential scans on */
} KeptPlan;

/* one argument type at least; a query without parameters uses KEPT_PLAN0 */
#define KEPT_PLAN(query_text, ...) {query_text, {__VA_ARGS__}, NULL, false}
#define KEPT_PLAN0(query_text) {query_text, {0}, NULL, false}
#define KEPT_PLAN_SCAN(query_text, ...) {query_text, {__VA_ARGS__}, NULL, true}

extern SPIPlanPtr nurture_plan(KeptPlan *kept);
extern int	nurture_execute(KeptPlan *kept, Datum *values, const char *nulls,
							bool read_only);
extern int	nurture_execute_latest(KeptPlan *kept, Datum *values,
								   const char *nulls, bool write);
extern int	nurture_execute_snapshot(KeptPlan *kept, Datum *values,
									 const char *nulls, Snapshot snapshot);
extern void nurture_execute_each(KeptPlan *kept, Snapshot snapshot,
								 void (*take) (TupleTableSlot *row, void *arg),
								 void *arg);
extern void nurture_execute_text(const char *sql);
extern Datum nurture_cell(uint64 row, int column, bool *isnull);
extern char *nurture_cell_text(uint64 row, int column);
extern const char **nurture_cell_strings(uint64 row, int column, int *n);
extern Datum nurture_strings_array(const char *const *strings, int n);
extern int	nurture_spi_connect(void);
extern int	nurture_spi_connect_here(void);
extern void nurture_spi_finish(int level);

#endif							/* NURTURE_PLANS_H */
