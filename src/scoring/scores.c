/*
 * scores.c
 *	  nurture_scores: the score of every lead in one ordered pass.
 */
#include "base/compat.h"

#include "funcapi.h"
#include "miscadmin.h"
#include "scoring/model_private.h"
#include "scoring/pass.h"
#include "utils/builtins.h"
#include "utils/numeric.h"

NURTURE_FUNCTION(nurture_scores);

#define SCORES_COLUMNS 7

typedef struct Scores
{
	ReturnSetInfo *result;
	const CompiledModel *fixed; /* NULL = the default of each lead */
	const CompiledModel *named; /* whose code model_name holds */
	Datum		model_name;
	PointsCache *fit;
	PointsCache *intent;
	PointsCache *total;
	GradeCache *grades;
	int			confidence;		/* that confidence_value holds */
	Datum		confidence_value;
	MemoryContext context;		/* of what outlives a lead */
} Scores;

static void
put_score(void *arg, Subject *subject)
{
	Scores	   *scores = arg;
	ScoreSummary summary;
	Datum		values[SCORES_COLUMNS];
	bool		nulls[SCORES_COLUMNS] = {false};

	if (scores->fixed)
		nurture_score_with(subject, scores->fixed, &summary);
	else if (!nurture_score_subject(subject, NULL, &summary))
		return;
	if (scores->named != summary.model || scores->confidence != summary.confidence)
	{
		MemoryContext old = MemoryContextSwitchTo(scores->context);

		if (scores->named != summary.model)
		{
			scores->named = summary.model;
			scores->model_name = CStringGetTextDatum(summary.model->model);
		}
		if (scores->confidence_value)
			pfree(DatumGetPointer(scores->confidence_value));
		scores->confidence = summary.confidence;
		scores->confidence_value = NumericGetDatum(int64_div_fast_to_numeric(summary.confidence, 4));
		MemoryContextSwitchTo(old);
	}
	values[0] = Int64GetDatum(subject->lead_id);
	values[1] = scores->model_name;
	values[2] = nurture_points_cached(scores->fit, summary.fit);
	values[3] = nurture_points_cached(scores->intent, summary.intent);
	values[4] = nurture_points_cached(scores->total, summary.total);
	values[5] = nurture_grade_cached(scores->grades, summary.grade, &nulls[5]);
	values[6] = scores->confidence_value;
	tuplestore_putvalues(scores->result->setResult, scores->result->setDesc,
						 values, nulls);
}

/*
 * nurture_scores(model text, version int) returns setof record: every lead
 * that is neither merged nor erased nor a test, in one ordered pass.
 */
Datum
nurture_scores(PG_FUNCTION_ARGS)
{
	Scores		scores = {0};
	char	   *name = PG_ARGISNULL(0) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(0));
	uint64		mask;
	uint64		generation;

	InitMaterializedSRF(fcinfo, 0);
	scores.result = (ReturnSetInfo *) fcinfo->resultinfo;
	scores.context = CurrentMemoryContext;
	scores.confidence = -1;
	scores.fit = nurture_points_cache();
	scores.intent = nurture_points_cache();
	scores.total = nurture_points_cache();
	scores.grades = nurture_grade_cache();
	mask = nurture_models_mask(&generation);
	if (name != NULL)
	{
		scores.fixed = PG_ARGISNULL(1) ? nurture_model(name, "", 0) :
			nurture_model_version(name, PG_GETARG_INT32(1));
		mask = scores.fixed->mask;
	}
	else if (!PG_ARGISNULL(1))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a version needs the name of its model"),
				 errhint("Call nurture_scores(model, version).")));
	nurture_score_pass(mask, NULL, put_score, &scores);
	return (Datum) 0;
}
