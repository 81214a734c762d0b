/*
 * explain.c
 *	  nurture_explain: the score of one lead, row by row.
 *
 * The rows of an explanation add up to the score exactly: one per rule that
 * fired, and one per limit that took points away or added some.
 */
#include "base/compat.h"

#include "base/clock.h"
#include "base/owner.h"
#include "base/plans.h"
#include "catalog/pg_type.h"
#include "core/day.h"
#include "facts/vocabulary.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "scoring/model_private.h"
#include "scoring/moment.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/memutils.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

NURTURE_FUNCTION(nurture_explain);

#define EXPLAIN_COLUMNS 10

static const char *const dimension_names[] = {"fit", "intent", "total"};

typedef struct ExplainRow
{
	const char *dimension;
	const char *kind;
	const char *rule;
	const char *label;
	const char *subject;		/* NULL = none */
	int64		occurrences;	/* -1 = none */
	int32		last_day;		/* below NURTURE_TALLY_FIRST_DAY = none */
	int64		raw;
	int64		decayed;
	int64		points;
} ExplainRow;

static void
put_row(ReturnSetInfo *result, const ExplainRow *row)
{
	Datum		values[EXPLAIN_COLUMNS];
	bool		nulls[EXPLAIN_COLUMNS] = {false};

	values[0] = CStringGetTextDatum(row->dimension);
	values[1] = CStringGetTextDatum(row->kind);
	values[2] = CStringGetTextDatum(row->rule);
	values[3] = CStringGetTextDatum(row->label);
	nulls[4] = row->subject == NULL;
	values[4] = nulls[4] ? (Datum) 0 : CStringGetTextDatum(row->subject);
	nulls[5] = row->occurrences < 0;
	values[5] = Int64GetDatum(row->occurrences);
	nulls[6] = row->last_day < NURTURE_TALLY_FIRST_DAY;
	values[6] = DateADTGetDatum(row->last_day - NURTURE_EPOCH_OFFSET_DAYS);
	values[7] = nurture_points_datum(row->raw);
	values[8] = nurture_points_datum(row->decayed);
	values[9] = nurture_points_datum(row->points);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

static const char *
dimension_of_rule(const CompiledModel *model, int group, ScoreDimension otherwise)
{
	return dimension_names[group >= 0 ? model->core.groups[group].dimension : otherwise];
}

static char *
times(uint64 n)
{
	if (n == 1)
		return pstrdup("once");
	if (n == 2)
		return pstrdup("twice");
	return psprintf(UINT64_FORMAT " times", n);
}

static void
explain_rules(ReturnSetInfo *result, const CompiledModel *model, const ScoreDetail *detail)
{
	ExplainRow	row;

	for (int i = 0; i < model->n_point_rules; i++)
	{
		const PointRule *rule = &model->point_rules[i];

		if (detail->truths[i] != NURTURE_TRUE)
			continue;
		memset(&row, 0, sizeof(row));
		row.dimension = dimension_of_rule(model, rule->group,
										  rule->is_pattern ? SCORE_INTENT : SCORE_FIT);
		row.kind = rule->is_pattern ? "pattern" : "fit_rule";
		row.rule = rule->rule;
		row.label = rule->title ? rule->title : nurture_condition_text(rule->condition);
		row.subject = rule->subject;
		row.occurrences = -1;
		row.last_day = -1;
		row.raw = row.decayed = row.points = rule->points;
		put_row(result, &row);
	}
	for (int i = 0; i < model->core.nrules; i++)
	{
		const ScoreRuleResult *r = &detail->results[i];
		char		day[16] = "";

		if (r->occurrences == 0 && r->points == 0)
			continue;
		memset(&row, 0, sizeof(row));
		row.dimension = dimension_of_rule(model, model->core.rules[i].group, SCORE_INTENT);
		row.kind = "signal_rule";
		row.rule = model->signal_names[i].rule;
		if (r->last_day >= NURTURE_TALLY_FIRST_DAY)
			nurture_day_to_iso(r->last_day, day);
		row.label = psprintf("%s %s%s%s", model->signal_names[i].title, times(r->occurrences),
							 day[0] ? ", last on " : "", day);
		row.subject = model->signal_names[i].signal;
		row.occurrences = r->occurrences;
		row.last_day = r->last_day;
		row.raw = r->raw_points;
		row.decayed = r->decayed;
		row.points = r->points;
		put_row(result, &row);
	}
}

static void
explain_limit(ReturnSetInfo *result, const char *dimension, const char *rule,
			  const ScoreLimit *limit, int64 sum, int64 adjustment)
{
	ExplainRow	row;
	bool		capped = adjustment < 0;

	if (adjustment == 0)
		return;
	memset(&row, 0, sizeof(row));
	row.dimension = dimension;
	row.kind = "limit";
	row.rule = rule;
	row.label = psprintf("%s of %s at %s",
						 capped ? "cap" : "floor", rule,
						 DatumGetCString(DirectFunctionCall1(numeric_out, nurture_points_datum(capped ? limit->cap : limit->floor))));
	row.occurrences = -1;
	row.last_day = -1;
	row.raw = row.decayed = sum;
	row.points = adjustment;
	put_row(result, &row);
}

static void
explain_limits(ReturnSetInfo *result, const CompiledModel *model, const ScoreDetail *detail)
{
	for (int i = 0; i < model->core.ngroups; i++)
	{
		const ScoreGroup *group = &model->core.groups[i];

		explain_limit(result, dimension_names[group->dimension],
					  psprintf("group %s", model->group_names[i]), &group->limit,
					  detail->totals.group_sums[i],
					  nurture_score_group_adjustment(&model->core, &detail->totals, i));
	}
	for (int d = 0; d < NURTURE_SCORE_DIMENSIONS; d++)
		explain_limit(result, dimension_names[d], dimension_names[d], &model->core.limits[d],
					  detail->totals.sums[d], nurture_score_adjustment(&detail->totals, d));
}

/*
 * Puts the rows that explain a score, by rules and then by limits; detail has
 * results and truths.
 */
void
nurture_explain_rows(ReturnSetInfo *result, const CompiledModel *model,
					 const ScoreDetail *detail)
{
	explain_rules(result, model, detail);
	explain_limits(result, model, detail);
}

/* Reads a lead as it is now; false when there is none or no model applies. */
static bool
load_now(int64 lead_id, const char *model, const int32 *version, ScoredMoment *out)
{
	text	   *audience;

	out->subject = nurture_subject_load(lead_id, nurture_now_statement(), false);
	if (out->subject == NULL || out->subject->erased_at != DT_NOBEGIN)
		return false;
	if (version != NULL)
	{
		if (model == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("a version needs the name of its model"),
					 errhint("Call nurture_explain(lead_id, model, version).")));
		out->model = nurture_model_version(model, *version);
	}
	else
	{
		audience = DatumGetTextPP(out->subject->values[SUBJECT_AUDIENCE_TYPE]);
		out->model = nurture_model(model, VARDATA_ANY(audience), VARSIZE_ANY_EXHDR(audience));
	}
	return out->model != NULL;
}

/*
 * nurture_explain(lead_id bigint, model text, version integer, at timestamptz,
 * known_at timestamptz) returns setof record: no row for an unknown lead.
 */
Datum
nurture_explain(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	int32		number = PG_ARGISNULL(2) ? 0 : PG_GETARG_INT32(2);
	int32	   *version = PG_ARGISNULL(2) ? NULL : &number;
	ScoredMoment moment;
	ScoreSummary summary;
	ScoreDetail detail;
	char	   *name;

	InitMaterializedSRF(fcinfo, 0);
	if (PG_ARGISNULL(0))
		return (Datum) 0;
	name = PG_ARGISNULL(1) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(1));
	if (PG_ARGISNULL(3) && PG_ARGISNULL(4) ? !load_now(PG_GETARG_INT64(0), name, version, &moment) :
		!nurture_moment_load(PG_GETARG_INT64(0),
							 PG_ARGISNULL(3) ? nurture_now_statement() : PG_GETARG_TIMESTAMPTZ(3),
							 PG_ARGISNULL(4) ? DT_NOEND : PG_GETARG_TIMESTAMPTZ(4), name, version, &moment))
		return (Datum) 0;
	detail.results = palloc0(sizeof(ScoreRuleResult) * Max(moment.model->core.nrules, 1));
	detail.truths = palloc0(sizeof(NurtureTruth) * Max(moment.model->n_point_rules, 1));
	nurture_score_detail(moment.subject, moment.model, &summary, &detail);
	nurture_explain_rows(result, moment.model, &detail);
	return (Datum) 0;
}
