/*
 * score_at.c
 *	  nurture_score_at and its kin: scores at other moments than now.
 */
#include "base/compat.h"

#include "funcapi.h"
#include "scoring/model_private.h"
#include "scoring/moment.h"
#include "utils/builtins.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

NURTURE_FUNCTION(nurture_score_at);
NURTURE_FUNCTION(nurture_scores_at);

#define SCORES_AT_COLUMNS 7

/* Scores by the arguments lead_id, at, model, version, known_at. */
static bool
score_moment(FunctionCallInfo fcinfo, ScoreSummary *out)
{
	ScoredMoment moment;
	int32		version = PG_ARGISNULL(3) ? 0 : PG_GETARG_INT32(3);

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		return false;
	if (!nurture_moment_load(PG_GETARG_INT64(0), PG_GETARG_TIMESTAMPTZ(1),
							 PG_ARGISNULL(4) ? DT_NOEND : PG_GETARG_TIMESTAMPTZ(4),
							 PG_ARGISNULL(2) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(2)),
							 PG_ARGISNULL(3) ? NULL : &version, &moment))
		return false;
	nurture_score_with(moment.subject, moment.model, out);
	return true;
}

/*
 * nurture_score_at(lead_id bigint, at timestamptz, model text, version
 * integer, known_at timestamptz) returns numeric
 */
Datum
nurture_score_at(PG_FUNCTION_ARGS)
{
	ScoreSummary summary;

	if (!score_moment(fcinfo, &summary))
		PG_RETURN_NULL();
	return nurture_points_datum(summary.total);
}

/*
 * nurture_scores_at(lead_id bigint, at timestamptz, model text, version
 * integer, known_at timestamptz) returns record: NULLs when there is no score.
 */
Datum
nurture_scores_at(PG_FUNCTION_ARGS)
{
	TupleDesc	desc;
	ScoreSummary summary;
	Datum		values[SCORES_AT_COLUMNS];
	bool		nulls[SCORES_AT_COLUMNS] = {false};

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE || desc->natts != SCORES_AT_COLUMNS)
		elog(ERROR, "nurture_scores_at is declared otherwise than it is built");
	if (!score_moment(fcinfo, &summary))
		PG_RETURN_NULL();
	values[0] = CStringGetTextDatum(summary.model->model);
	values[1] = Int32GetDatum(summary.model->version);
	values[2] = nurture_points_datum(summary.fit);
	values[3] = nurture_points_datum(summary.intent);
	values[4] = nurture_points_datum(summary.total);
	nulls[5] = summary.grade[0] == '\0';
	values[5] = nulls[5] ? (Datum) 0 : CStringGetTextDatum(summary.grade);
	values[6] = NumericGetDatum(int64_div_fast_to_numeric(summary.confidence, 4));
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls));
}
