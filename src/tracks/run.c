/*
 * run.c
 *	  nurture_run: ticks until nothing is due or the budget is spent,
 *	  committing between them, so that no lead's gate is held for long.
 */
#include "base/compat.h"

#include "base/errors.h"
#include "base/owner.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

NURTURE_FUNCTION(nurture_run);

/*
 * Runs one tick; answers how many leads it worked off.  The kind audit_seal
 * counts entries and would never end.
 */
static int64
run_tick(const char *tick)
{
	int64		done = 0;

	if (SPI_execute(tick, false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not run \"%s\"", tick);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		bool		isnull;
		char	   *kind = SPI_getvalue(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1);

		if (strcmp(kind, "audit_seal") != 0)
			done += DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[i],
												SPI_tuptable->tupdesc, 2, &isnull));
	}
	return done;
}

/* nurture_run(budget interval): procedure */
Datum
nurture_run(PG_FUNCTION_ARGS)
{
	Interval   *budget = PG_GETARG_INTERVAL_P(0);
	TimestampTz deadline;
	char	   *tick;

	if (fcinfo->context == NULL || !IsA(fcinfo->context, CallContext) ||
		castNode(CallContext, fcinfo->context)->atomic)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TRANSACTION_TERMINATION),
				 errmsg("nurture_run commits and cannot run inside a transaction"),
				 errhint("CALL it by itself; inside a transaction, use nurture_tick().")));
	(void) nurture_schema_oid(false);
	deadline = DatumGetTimestampTz(DirectFunctionCall2(timestamptz_pl_interval,
													   TimestampTzGetDatum(GetCurrentTimestamp()),
													   IntervalPGetDatum(budget)));
	if (SPI_connect_ext(SPI_OPT_NONATOMIC) != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI");
	tick = psprintf("SELECT kind, done FROM %s.nurture_tick()", nurture_extension_schema());
	for (;;)
	{
		int64		done;

		CHECK_FOR_INTERRUPTS();
		done = run_tick(tick);
		SPI_commit();
		if (done == 0 || GetCurrentTimestamp() >= deadline)
			break;
	}
	if (SPI_finish() != SPI_OK_FINISH)
		elog(ERROR, "could not disconnect from SPI");
	PG_RETURN_VOID();
}
