/*
 * trial_sql.c
 *	  The arithmetic of experiments (core/trial.h) as SQL functions.
 */
#include "base/compat.h"

#include <math.h>

#include "access/htup_details.h"
#include "core/trial.h"
#include "funcapi.h"

NURTURE_FUNCTION(nurture_share_interval);
NURTURE_FUNCTION(nurture_share_difference);

static void
check_counts(int64 successes, int64 trials)
{
	if (trials < 0 || successes < 0 || successes > trials)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg(INT64_FORMAT " of " INT64_FORMAT " is no share", successes, trials),
				 errhint("Give how many, and of how many.")));
}

static double
read_confidence(double confidence)
{
	if (!(confidence > 0 && confidence < 1))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%g is no confidence", confidence),
				 errhint("It lies between 0 and 1, such as 0.95.")));
	return confidence;
}

static Datum
interval_row(FunctionCallInfo fcinfo, TrialInterval interval)
{
	TupleDesc	desc;
	Datum		values[2];
	bool		nulls[2] = {false, false};

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	values[0] = Float8GetDatum(interval.low);
	values[1] = Float8GetDatum(interval.high);
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls));
}

/*
 * nurture_share_interval(successes bigint, trials bigint, confidence double
 * precision) returns (low, high): Wilson's interval.
 */
Datum
nurture_share_interval(PG_FUNCTION_ARGS)
{
	check_counts(PG_GETARG_INT64(0), PG_GETARG_INT64(1));
	return interval_row(fcinfo,
						nurture_trial_share(PG_GETARG_INT64(0), PG_GETARG_INT64(1),
											read_confidence(PG_GETARG_FLOAT8(2))));
}

/*
 * nurture_share_difference(successes bigint, trials bigint, other_successes
 * bigint, other_trials bigint, confidence double precision) returns (low,
 * high): Newcombe's interval of the first share less the other.
 */
Datum
nurture_share_difference(PG_FUNCTION_ARGS)
{
	check_counts(PG_GETARG_INT64(0), PG_GETARG_INT64(1));
	check_counts(PG_GETARG_INT64(2), PG_GETARG_INT64(3));
	return interval_row(fcinfo,
						nurture_trial_difference(PG_GETARG_INT64(0), PG_GETARG_INT64(1),
												 PG_GETARG_INT64(2), PG_GETARG_INT64(3),
												 read_confidence(PG_GETARG_FLOAT8(4))));
}
