/*
 * lint.c
 *	  nurture_lint: what in the configuration is allowed and still not meant.
 *
 * Every constraint holds and every version was published; here is what no
 * constraint says: a step that nothing can fill, content about to run out.
 * The checks are tables in the rooms they are about.
 */
#include "base/compat.h"

#include "base/owner.h"
#include "base/plans.h"
#include "funcapi.h"
#include "integration/expected.h"
#include "integration/lint.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/tuplestore.h"

NURTURE_FUNCTION(nurture_lint);

#define LINT_ROOMS		16
#define LINT_COLUMNS	5

static const LintCheck *rooms[LINT_ROOMS];
static int	nrooms = 0;

/* Adds the checks of a room. */
void
nurture_lint_register(const LintCheck *checks)
{
	if (nrooms == LINT_ROOMS)
		elog(ERROR, "too many rooms with checks");
	rooms[nrooms++] = checks;
}

/* Puts a row for each finding of a check. */
static void
run_check(ReturnSetInfo *result, const LintCheck *check)
{
	char	   *query = nurture_with_schema(check->query, nurture_extension_schema());

	if (SPI_execute(query, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not ask check \"%s\"", check->rule);
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		Datum		values[LINT_COLUMNS];
		bool		nulls[LINT_COLUMNS] = {false};
		char	   *object = nurture_cell_text(row, 1);
		char	   *finding = nurture_cell_text(row, 2);
		char	   *remedy = SPI_tuptable->tupdesc->natts > 2 ?
		nurture_cell_text(row, 3) : NULL;

		values[0] = CStringGetTextDatum(finding ? finding : check->rule);
		values[1] = CStringGetTextDatum(check->severity);
		values[2] = CStringGetTextDatum(remedy ? remedy : check->remedy);
		values[3] = CStringGetTextDatum(check->rule);
		nulls[4] = object == NULL;
		values[4] = object ? CStringGetTextDatum(object) : (Datum) 0;
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
}

/*
 * nurture_lint() returns setof (finding text, severity text, remedy text,
 * rule text, object text): no row when there is nothing to tell.  With the
 * caller's rights.
 */
Datum
nurture_lint(PG_FUNCTION_ARGS)
{
	static const char *const style[][2] = {
		{"DateStyle", "ISO, YMD"}, {"IntervalStyle", "postgres"}, {"TimeZone", "UTC"}
	};
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	int			gucs;
	int			level;

	(void) nurture_schema_oid(false);
	InitMaterializedSRF(fcinfo, 0);
	gucs = NewGUCNestLevel();
	for (int i = 0; i < lengthof(style); i++)
		(void) set_config_option(style[i][0], style[i][1], PGC_USERSET, PGC_S_SESSION,
								 GUC_ACTION_SAVE, true, 0, false);
	level = nurture_spi_connect();
	for (int i = 0; i < nrooms; i++)
	{
		for (const LintCheck *check = rooms[i]; check->rule; check++)
		{
			CHECK_FOR_INTERRUPTS();
			run_check(result, check);
		}
	}
	nurture_spi_finish(level);
	AtEOXact_GUC(true, gucs);
	return (Datum) 0;
}
