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

NURTURE_FUNCTION(nurture_scores);

#define SCORES_COLUMNS 7

typedef struct Scores
{
	ReturnSetInfo *result;
	const CompiledModel *fixed; /* NULL = the default of each lead */
	const CompiledModel *last;	/* the default of the audience below */
	char		audience[NAMEDATALEN];	/* "" = none yet */
	size_t		audience_len;
	const CompiledModel *named; /* whose code model_name holds */
	Datum		model_name;
	PointsCache *fit;
	PointsCache *intent;
	PointsCache *total;
	GradeCache *grades;
	PointsCache *confidence;
	MemoryContext context;		/* of what outlives a lead */
} Scores;

/*
 * Returns the default model for a lead, NULL when none applies.  Leads of one
 * audience follow each other, and what applies to it does not change within a
 * statement.
 */
static const CompiledModel *
default_model(Scores *scores, const Subject *subject)
{
	text	   *audience;
	const char *name = "";
	size_t		len = 0;

	if (!subject->nulls[SUBJECT_AUDIENCE_TYPE])
	{
		audience = DatumGetTextPP(subject->values[SUBJECT_AUDIENCE_TYPE]);
		name = VARDATA_ANY(audience);
		len = VARSIZE_ANY_EXHDR(audience);
		if (len == scores->audience_len && len > 0 &&
			memcmp(name, scores->audience, len) == 0)
			return scores->last;
	}
	scores->last = nurture_model(NULL, name, len);
	scores->audience_len = len < sizeof(scores->audience) ? len : 0;
	memcpy(scores->audience, name, scores->audience_len);
	return scores->last;
}

static void
put_score(void *arg, Subject *subject)
{
	Scores	   *scores = arg;
	const CompiledModel *model = scores->fixed ? scores->fixed : default_model(scores, subject);
	ScoreSummary summary;
	Datum		values[SCORES_COLUMNS];
	bool		nulls[SCORES_COLUMNS] = {false};

	if (model == NULL)
		return;
	nurture_score_with(subject, model, &summary);
	if (scores->named != summary.model)
	{
		MemoryContext old = MemoryContextSwitchTo(scores->context);

		scores->named = summary.model;
		scores->model_name = CStringGetTextDatum(summary.model->model);
		MemoryContextSwitchTo(old);
	}
	values[0] = Int64GetDatum(subject->lead_id);
	values[1] = scores->model_name;
	values[2] = nurture_points_cached(scores->fit, summary.fit);
	values[3] = nurture_points_cached(scores->intent, summary.intent);
	values[4] = nurture_points_cached(scores->total, summary.total);
	values[5] = nurture_grade_cached(scores->grades, summary.grade, &nulls[5]);
	values[6] = nurture_share_cached(scores->confidence, summary.confidence);
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
	scores.confidence = nurture_points_cache();
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
