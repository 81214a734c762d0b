/*
 * score.c
 *	  nurture_score and its kin: the score of one lead, now.
 *
 * One query reads facts and activity with the caller's rights; the rest is
 * arithmetic in the core.  The plan is kept and names only the columns that
 * published models read.
 */
#include "base/compat.h"

#include "base/clock.h"
#include "base/owner.h"
#include "base/plans.h"
#include "catalog/pg_type.h"
#include "facts/lead.h"
#include "funcapi.h"
#include "port/pg_bitutils.h"
#include "scoring/model_private.h"
#include "scoring/moment.h"
#include "scoring/pass.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/numeric.h"

NURTURE_FUNCTION(nurture_score);
NURTURE_FUNCTION(nurture_fit);
NURTURE_FUNCTION(nurture_intent);
NURTURE_FUNCTION(nurture_grade);
NURTURE_FUNCTION(nurture_confidence);
NURTURE_FUNCTION(nurture_score_row);
NURTURE_FUNCTION(nurture_score_part);

#define MAX_GROUPS_ON_STACK 64

static const char worst_band[NURTURE_SCORE_DIMENSIONS] = {'D', '4', 'D'};

/* Raises that points do not fit. */
void
nurture_score_overflow(const CompiledModel *model)
{
	ereport(ERROR,
			(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
			 errmsg("points of model \"%s\" version %d are out of range",
					model->model, model->version)));
}

/* Writes the grade that two places in the bands make. */
void
nurture_grade_of(const CompiledModel *model, const int places[2], char *grade)
{
	for (int d = SCORE_FIT; d <= SCORE_INTENT; d++)
		grade[d] = places[d] >= 0 ? model->bands[d].band[places[d]] : worst_band[d];
	grade[2] = '\0';
}

/* Scores a subject by a model and keeps what explaining needs. */
void
nurture_score_detail(Subject *subject, const CompiledModel *model,
					 ScoreSummary *out, ScoreDetail *detail)
{
	CondSource	source;
	int64		group_sums[MAX_GROUPS_ON_STACK];
	int64		known = 0;
	bool		ok = true;

	nurture_subject_source(subject, &source);
	nurture_score_begin(&model->core, &detail->totals,
						model->core.ngroups <= MAX_GROUPS_ON_STACK && detail->results == NULL ?
						group_sums : palloc(sizeof(int64) * model->core.ngroups));
	for (int i = 0; i < model->n_point_rules; i++)
	{
		const PointRule *rule = &model->point_rules[i];
		NurtureTruth truth = nurture_cond_eval(rule->condition, &source);

		if (detail->truths)
			detail->truths[i] = truth;
		if (!rule->is_pattern && truth != NURTURE_UNKNOWN)
			known += Abs(rule->points);
		if (truth == NURTURE_TRUE)
			ok &= nurture_score_add(&model->core, &detail->totals,
									rule->is_pattern ? SCORE_INTENT : SCORE_FIT,
									rule->group, rule->points) == SCORE_OK;
	}
	ok &= nurture_score_signals(&model->core, &subject->signals, subject->today,
								&detail->totals, detail->results) == SCORE_OK;
	ok &= nurture_score_finish(&model->core, &detail->totals) == SCORE_OK;
	if (!ok)
		nurture_score_overflow(model);

	out->model = model;
	out->fit = detail->totals.points[SCORE_FIT];
	out->intent = detail->totals.points[SCORE_INTENT];
	out->total = detail->totals.points[SCORE_TOTAL];
	out->confidence = model->fit_weight == 0 ? 10000 :
		(int) (known * 10000 / model->fit_weight);
	out->grade[0] = '\0';
	if (model->bands[SCORE_FIT].n > 0 || model->bands[SCORE_INTENT].n > 0)
	{
		int			places[2];

		for (int d = SCORE_FIT; d <= SCORE_INTENT; d++)
			places[d] = nurture_score_band(model->bands[d].min_points, model->bands[d].n,
										   detail->totals.points[d]);
		nurture_grade_of(model, places, out->grade);
	}
}

/* Scores a subject by a model. */
void
nurture_score_with(Subject *subject, const CompiledModel *model, ScoreSummary *out)
{
	ScoreDetail detail;

	detail.results = NULL;
	detail.truths = NULL;
	nurture_score_detail(subject, model, out, &detail);
}

/* Scores a subject by the model that applies; false when none does. */
bool
nurture_score_subject(Subject *subject, const char *model, ScoreSummary *out)
{
	const CompiledModel *m;
	text	   *audience = NULL;

	if (!subject->nulls[SUBJECT_AUDIENCE_TYPE])
		audience = DatumGetTextPP(subject->values[SUBJECT_AUDIENCE_TYPE]);
	if (subject->past)
		m = nurture_model_at(model, audience ? VARDATA_ANY(audience) : "",
							 audience ? VARSIZE_ANY_EXHDR(audience) : 0, subject->now);
	else
		m = nurture_model(model, audience ? VARDATA_ANY(audience) : "",
						  audience ? VARSIZE_ANY_EXHDR(audience) : 0);
	if (m == NULL)
		return false;
	nurture_score_with(subject, m, out);
	return true;
}

/* Points of one dimension for a condition about the score. */
static bool
points_for_condition(Subject *subject, int dimension, int64 *points)
{
	static int	depth = 0;
	ScoreSummary summary;
	bool		scored = false;

	/* a model that asks for its own score would never end */
	if (depth > 0)
		return false;
	depth++;
	PG_TRY();
	{
		scored = nurture_score_subject(subject, NULL, &summary);
	}
	PG_FINALLY();
	{
		depth--;
	}
	PG_END_TRY();
	if (!scored)
		return false;
	*points = dimension == SCORE_FIT ? summary.fit :
		dimension == SCORE_INTENT ? summary.intent : summary.total;
	return true;
}

/* Makes the score known to conditions; from nurture_scoring_init. */
void
nurture_score_hook_init(void)
{
	nurture_subject_points = points_for_condition;
}

/*
 * Reads and scores one lead with the caller's rights.  False when the lead is
 * not there, not visible or erased, or no model applies.
 */
static bool
score_lead(int64 lead_id, const char *model, ScoreSummary *out)
{
	static KeptPlan find = {NULL, {INT8OID}, NULL, false};
	static uint64 of_generation = 0;
	static uint64 mask = 0;
	uint64		generation;
	uint64		wanted = nurture_models_mask(&generation);
	bool		scored = false;

	if (unlikely(of_generation != generation && (find.query == NULL || wanted != mask)))
	{
		MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);
		char	   *query = nurture_subject_query(wanted, "WHERE l.lead_id OPERATOR(pg_catalog.=) $1");

		MemoryContextSwitchTo(old);
		if (find.plan)
			SPI_freeplan(find.plan);
		find.plan = NULL;
		if (find.query)
			pfree(unconstify(char *, find.query));
		find.query = query;
		mask = wanted;
	}
	of_generation = generation;

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI");
	for (int hop = 0; hop < SUBJECT_MAX_MERGE_CHAIN; hop++)
	{
		Datum		argument = Int64GetDatum(lead_id);
		Datum		values[6 + SUBJECT_COLUMNS];
		bool		nulls[6 + SUBJECT_COLUMNS];
		Subject		subject;

		nurture_execute(&find, &argument, NULL, true);
		if (SPI_processed == 0)
			break;
		heap_deform_tuple(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, values, nulls);
		if (!nulls[1])			/* merged into another */
		{
			lead_id = DatumGetInt64(values[1]);
			SPI_freetuptable(SPI_tuptable);
			continue;
		}
		if (!nulls[2])			/* erased */
			break;
		nurture_subject_begin(&subject, nurture_now_statement(), CurrentMemoryContext);
		nurture_subject_fill(&subject, values, nulls, mask);
		scored = nurture_score_subject(&subject, model, out);
		break;
	}
	SPI_finish();
	return scored;
}

static bool
score_arguments(FunctionCallInfo fcinfo, ScoreSummary *out)
{
	char	   *model = NULL;

	if (PG_ARGISNULL(0))
		return false;
	if (PG_NARGS() > 1)
	{
		if (PG_ARGISNULL(1))
			return false;
		model = text_to_cstring(PG_GETARG_TEXT_PP(1));
	}
	return score_lead(PG_GETARG_INT64(0), model, out);
}

/* Returns points in hundredths as numeric with two decimals. */
Datum
nurture_points_datum(int64 points)
{
	return NumericGetDatum(int64_div_fast_to_numeric(points, 2));
}

static Datum
part_of(const ScoreSummary *summary, int part)
{
	return nurture_points_datum(part == SCORE_FIT ? summary->fit :
								part == SCORE_INTENT ? summary->intent : summary->total);
}

/*
 * nurture_score_part(part int, mask bigint, lead_id, merged_into, erased_at,
 * signals, topics, fact columns ...) returns numeric: fit, intent or total of
 * a lead whose columns the query around it has read (inline.c).
 *
 * Should the models have come to read more columns than the query selected,
 * while it runs, the lead is read again.
 */
#define PART_FIRST_FACT 7

/* What a call keeps for its query: whether a lead might be named by hand. */
static char leads_sure;
static char leads_doubted;

Datum
nurture_score_part(PG_FUNCTION_ARGS)
{
	uint64		mask = (uint64) PG_GETARG_INT64(1);
	uint64		generation;
	Subject		subject;
	ScoreSummary summary;
	Datum		row[6 + SUBJECT_COLUMNS];
	bool		nulls[6 + SUBJECT_COLUMNS];
	int			place = 6;

	if (!PG_ARGISNULL(4))		/* erased */
		PG_RETURN_NULL();
	if (unlikely(fcinfo->flinfo->fn_extra == NULL))
		fcinfo->flinfo->fn_extra = nurture_leads_doubted() ? &leads_doubted : &leads_sure;
	if (unlikely(fcinfo->flinfo->fn_extra == &leads_doubted) &&
		!nurture_lead_seen(PG_GETARG_INT64(2)))
		PG_RETURN_NULL();
	if (!PG_ARGISNULL(3) || (nurture_models_mask(&generation) & ~mask) != 0)
	{
		if (!score_lead(PG_GETARG_INT64(PG_ARGISNULL(3) ? 2 : 3), NULL, &summary))
			PG_RETURN_NULL();
		return part_of(&summary, PG_GETARG_INT32(0));
	}
	row[0] = PG_GETARG_DATUM(2);
	nulls[0] = false;
	nulls[1] = nulls[2] = nulls[5] = true;
	row[3] = PG_GETARG_DATUM(5);
	nulls[3] = PG_ARGISNULL(5);
	row[4] = PG_GETARG_DATUM(6);
	nulls[4] = PG_ARGISNULL(6);
	for (int i = 0; i < SUBJECT_COLUMNS; i++)
	{
		if (mask & (UINT64CONST(1) << i))
		{
			row[place] = PG_GETARG_DATUM(PART_FIRST_FACT + i);
			nulls[place++] = PG_ARGISNULL(PART_FIRST_FACT + i);
		}
	}
	nurture_subject_begin(&subject, nurture_now_statement(), CurrentMemoryContext);
	nurture_subject_fill(&subject, row, nulls, mask);
	if (!nurture_score_subject(&subject, NULL, &summary))
		PG_RETURN_NULL();
	return part_of(&summary, PG_GETARG_INT32(0));
}

/* nurture_score(lead_id bigint [, model text]) returns numeric */
Datum
nurture_score(PG_FUNCTION_ARGS)
{
	ScoreSummary summary;

	if (!score_arguments(fcinfo, &summary))
		PG_RETURN_NULL();
	return nurture_points_datum(summary.total);
}

/* nurture_fit(lead_id bigint [, model text]) returns numeric */
Datum
nurture_fit(PG_FUNCTION_ARGS)
{
	ScoreSummary summary;

	if (!score_arguments(fcinfo, &summary))
		PG_RETURN_NULL();
	return nurture_points_datum(summary.fit);
}

/* nurture_intent(lead_id bigint [, model text]) returns numeric */
Datum
nurture_intent(PG_FUNCTION_ARGS)
{
	ScoreSummary summary;

	if (!score_arguments(fcinfo, &summary))
		PG_RETURN_NULL();
	return nurture_points_datum(summary.intent);
}

/* nurture_grade(lead_id bigint [, model text]) returns text */
Datum
nurture_grade(PG_FUNCTION_ARGS)
{
	ScoreSummary summary;

	if (!score_arguments(fcinfo, &summary) || summary.grade[0] == '\0')
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(summary.grade));
}

/* nurture_confidence(lead_id bigint [, model text]) returns numeric */
Datum
nurture_confidence(PG_FUNCTION_ARGS)
{
	ScoreSummary summary;

	if (!score_arguments(fcinfo, &summary))
		PG_RETURN_NULL();
	return NumericGetDatum(int64_div_fast_to_numeric(summary.confidence, 4));
}

/* What a call of nurture_score_row keeps for the next lead of its query. */
typedef struct RowCache
{
	TupleDesc	desc;
	PointsCache *fit;
	PointsCache *intent;
	PointsCache *total;
	GradeCache *grades;
	PointsCache *confidence;
	bool		doubted;		/* a lead might be named by hand */
	char		model[NAMEDATALEN]; /* whose code model_name holds */
	Datum		model_name;
} RowCache;

static RowCache *
make_row_cache(FunctionCallInfo fcinfo)
{
	MemoryContext old = MemoryContextSwitchTo(fcinfo->flinfo->fn_mcxt);
	RowCache   *cache = palloc0(sizeof(RowCache));

	if (get_call_result_type(fcinfo, NULL, &cache->desc) != TYPEFUNC_COMPOSITE || cache->desc->natts != 6 ||
		PG_NARGS() != SCORE_ROW_COLUMNS + 1)
		elog(ERROR, "nurture_score_row is declared otherwise than it is built");
	cache->desc = BlessTupleDesc(CreateTupleDescCopy(cache->desc));
	cache->doubted = nurture_leads_doubted();
	cache->fit = nurture_points_cache();
	cache->intent = nurture_points_cache();
	cache->total = nurture_points_cache();
	cache->grades = nurture_grade_cache();
	cache->confidence = nurture_points_cache();
	MemoryContextSwitchTo(old);
	return cache;
}

/* Returns the code of a model as text, made anew when it is another model. */
static Datum
cached_model_name(RowCache *cache, FunctionCallInfo fcinfo, const char *model)
{
	if (cache->model_name == (Datum) 0 || strcmp(cache->model, model) != 0)
	{
		MemoryContext old = MemoryContextSwitchTo(fcinfo->flinfo->fn_mcxt);

		if (cache->model_name)
			pfree(DatumGetPointer(cache->model_name));
		cache->model_name = CStringGetTextDatum(model);
		strlcpy(cache->model, model, sizeof(cache->model));
		MemoryContextSwitchTo(old);
	}
	return cache->model_name;
}

/*
 * nurture_score_row(lead_id, signals, topics, model, fact columns ..., columns)
 * returns record: the score of a lead whose columns a view has read.  Facts
 * are in the order of SubjectColumn; columns is the mask of those the planner
 * has left (inline.c), NULL for all.
 *
 * Should the models have come to read more columns than were left, while the
 * query runs, the lead is read again.
 */
Datum
nurture_score_row(PG_FUNCTION_ARGS)
{
	RowCache   *cache = fcinfo->flinfo->fn_extra;
	Subject		subject;
	ScoreSummary summary;
	Datum		values[6];
	bool		nulls[6] = {false};
	Datum		row[6 + SUBJECT_COLUMNS];
	bool		row_nulls[6 + SUBJECT_COLUMNS];
	uint64		mask;
	uint64		generation;
	char	   *model;
	HeapTuple	tuple;
	int			place = 6;

	if (cache == NULL)
		fcinfo->flinfo->fn_extra = cache = make_row_cache(fcinfo);
	if (PG_ARGISNULL(0) ||
		(unlikely(cache->doubted) && !nurture_lead_seen(PG_GETARG_INT64(0))))
		PG_RETURN_NULL();
	row[0] = PG_GETARG_DATUM(0);
	row_nulls[0] = false;
	row_nulls[1] = row_nulls[2] = row_nulls[5] = true;
	row[3] = PG_GETARG_DATUM(1);
	row_nulls[3] = PG_ARGISNULL(1);
	row[4] = PG_GETARG_DATUM(2);
	row_nulls[4] = PG_ARGISNULL(2);
	model = PG_ARGISNULL(SCORE_ROW_MODEL) ? NULL :
		text_to_cstring(PG_GETARG_TEXT_PP(SCORE_ROW_MODEL));
	mask = model ? SUBJECT_ALL_COLUMNS : nurture_models_mask(&generation);
	if (!PG_ARGISNULL(SCORE_ROW_COLUMNS) &&
		(mask & ~(uint64) PG_GETARG_INT64(SCORE_ROW_COLUMNS)) != 0)
	{
		if (!score_lead(PG_GETARG_INT64(0), model, &summary))
			PG_RETURN_NULL();
	}
	else
	{
		for (uint64 rest = mask; rest != 0; rest &= rest - 1, place++)
		{
			int			i = SCORE_ROW_FIRST_FACT + pg_rightmost_one_pos64(rest);

			row[place] = PG_GETARG_DATUM(i);
			row_nulls[place] = PG_ARGISNULL(i);
		}
		nurture_subject_begin(&subject, nurture_now_statement(), CurrentMemoryContext);
		nurture_subject_fill(&subject, row, row_nulls, mask);
		if (!nurture_score_subject(&subject, model, &summary))
			PG_RETURN_NULL();
	}

	values[0] = cached_model_name(cache, fcinfo, summary.model->model);
	values[1] = nurture_points_cached(cache->fit, summary.fit);
	values[2] = nurture_points_cached(cache->intent, summary.intent);
	values[3] = nurture_points_cached(cache->total, summary.total);
	values[4] = nurture_grade_cached(cache->grades, summary.grade, &nulls[4]);
	values[5] = nurture_share_cached(cache->confidence, summary.confidence);
	tuple = heap_form_tuple(cache->desc, values, nulls);
	return HeapTupleGetDatum(tuple);
}
