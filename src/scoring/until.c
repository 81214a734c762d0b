/*
 * until.c
 *	  nurture_score_until: when a grade changes if nothing happens.
 *
 * Points fade (core/until.h); conditions change on days that follow from
 * their terms and what they read: a date comes near or grows old, an
 * occurrence leaves its window, consent runs out.  Between such days only
 * signal rules are scored, and few of their days.
 */
#include "base/compat.h"

#include "base/clock.h"
#include "base/owner.h"
#include "base/plans.h"
#include "base/settings.h"
#include "catalog/pg_type.h"
#include "core/day.h"
#include "core/until.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "scoring/model_private.h"
#include "scoring/moment.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/timestamp.h"

NURTURE_FUNCTION(nurture_score_until);

static KeptPlan read_expiries =
KEPT_PLAN("SELECT expires_at FROM nurture.consent WHERE lead_id = $1 AND expires_at > $2",
		  INT8OID, TIMESTAMPTZOID);

/* when labels and memberships of lists begin or end */
static KeptPlan read_mark_ends =
KEPT_PLAN("SELECT since FROM nurture.label WHERE lead_id = $1 AND since > $2"
		  " UNION ALL SELECT until FROM nurture.label WHERE lead_id = $1 AND until > $2"
		  " UNION ALL SELECT since FROM nurture.list_member WHERE lead_id = $1 AND since > $2"
		  " UNION ALL SELECT until FROM nurture.list_member WHERE lead_id = $1 AND until > $2",
		  INT8OID, TIMESTAMPTZOID);

/* The days on which a condition may change. */
typedef struct ConditionDays
{
	Subject    *subject;
	CondSource	source;
	int32		today;
	int			ndays;
	bool	   *marks;			/* marks[0] is tomorrow */
	bool		today_too;		/* something changes before today ends */
	bool		changes;		/* the condition at hand may change at all */
	bool		expiries_marked;
	bool		ends_marked;
} ConditionDays;

static void
mark_day(ConditionDays *days, int64 day)
{
	int64		place = day - days->today - 1;

	if (place == -1)
		days->today_too = true;
	if (place < -1 || place >= days->ndays)
		return;
	days->changes = true;
	if (place >= 0)
		days->marks[place] = true;
}

/* A date is near or old as its day lies from today. */
static void
mark_date(ConditionDays *days, const CondTerm *term)
{
	CondValue	value = {COND_VALUE_UNKNOWN};
	int64		day;
	int32		read;

	if (term->op != COND_OP_DUE_WITHIN && term->op != COND_OP_OLDER_THAN)
		return;
	days->source.fact(days->source.ctx, term->subject.id, &value);
	if (value.kind == COND_VALUE_DAY)
		day = value.day;
	else if (value.kind == COND_VALUE_TEXT)
	{
		const char *text = value.text.ptr;
		size_t		len = value.text.len;

		while (len > 0 && (*text == ' ' || *text == '\t' || *text == '\n' || *text == '\r'))
		{
			text	  ++;

			len--;
		}
		while (len > 0 && (text[len - 1] == ' ' || text[len - 1] == '\t' ||
						   text[len - 1] == '\n' || text[len - 1] == '\r'))
			len--;
		if (!nurture_day_from_iso(text, len, &read))
			return;
		day = read;
	}
	else
		return;
	if (term->op == COND_OP_OLDER_THAN)
		mark_day(days, day + term->from_day + 1);
	else
	{
		mark_day(days, day - term->to_day);
		mark_day(days, day - term->from_day + 1);
	}
}

/*
 * An occurrence leaves a window, which reaches back to the horizon at most, or
 * its day is still to come.  within is -1 when no occurrence leaves.
 */
static void
mark_occurrences(ConditionDays *days, int signal, int32 within)
{
	const Tally *tally = &days->subject->signals;

	for (uint32 i = nurture_tally_search(tally, signal, NURTURE_TALLY_FIRST_DAY); i < tally->n; i++)
	{
		TallyEntry	e = nurture_tally_entry(tally, i);

		if (e.key != signal)
			break;
		if (e.day > days->today)
			mark_day(days, e.day);
		if (within >= 0)
			mark_day(days, (int64) e.day + within + 1);
	}
}

/* Marks the days of the instants that a query returns, once. */
static void
mark_instants(ConditionDays *days, KeptPlan *plan, bool *marked)
{
	OwnerSwitch owner;
	Datum		values[2];
	int			level;

	days->changes = true;
	if (*marked)
		return;
	*marked = true;
	values[0] = Int64GetDatum(days->subject->lead_id);
	values[1] = TimestampTzGetDatum(days->subject->now);
	nurture_owner_enter(&owner);
	level = nurture_spi_connect();
	nurture_execute(plan, values, NULL, !days->subject->fresh);
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		bool		isnull;

		mark_day(days, nurture_day_of(DatumGetTimestampTz(nurture_cell(row, 1, &isnull))));
	}
	nurture_spi_finish(level);
	nurture_owner_leave(&owner);
}

static void
mark_term(void *arg, const CondTerm *term)
{
	ConditionDays *days = arg;

	switch (term->kind)
	{
		case COND_TERM_FACT:
			mark_date(days, term);
			break;
		case COND_TERM_SIGNAL:
			mark_occurrences(days, term->subject.id,
							 term->within_days >= 0 ? Min(term->within_days, days->ndays - 1) :
							 term->other.id >= 0 ? days->ndays - 1 : -1);
			if (term->other.id >= 0)
				mark_occurrences(days, term->other.id, -1);
			break;
		case COND_TERM_CONSENT:
			mark_instants(days, &read_expiries, &days->expiries_marked);
			break;
		case COND_TERM_LABEL:
		case COND_TERM_LIST:
			mark_instants(days, &read_mark_ends, &days->ends_marked);
			break;
		case COND_TERM_TAG:
		case COND_TERM_STAGE:
		case COND_TERM_TIER:
		case COND_TERM_GRADE:
		case COND_TERM_HANDOFF:
		case COND_TERM_CAMPAIGN:
			break;				/* these change when something happens */
		default:
			/* interest, a score, programmes: any day */
			days->changes = true;
			memset(days->marks, true, days->ndays);
			break;
	}
}

/* A grade being looked for. */
typedef struct GradeSearch
{
	Subject    *subject;
	const CompiledModel *model;
	TimestampTz now;
	int32		today;
	NurtureTruth *truths;		/* of point rules */
	bool	   *changes;		/* which of them may change */
	int64	   *group_sums;
	const char *grade;			/* the one to leave */
	UntilStretch stretch;
} GradeSearch;

/* Sums what conditions give at the end of a day; all of them when asked. */
static void
sum_conditions(GradeSearch *search, int32 day, bool all)
{
	Subject    *subject = search->subject;
	const CompiledModel *model = search->model;
	CondSource	source;
	ScoreTotals totals;
	bool		ok = true;

	subject->today = day;
	subject->now = nurture_instant_of_day(day + 1) - 1;
	subject->marks_read = false;
	nurture_subject_source(subject, &source);
	nurture_score_begin(&model->core, &totals, search->group_sums);
	for (int i = 0; i < model->n_point_rules; i++)
	{
		const PointRule *rule = &model->point_rules[i];

		if (all || search->changes[i])
			search->truths[i] = nurture_cond_eval(rule->condition, &source);
		if (search->truths[i] == NURTURE_TRUE)
			ok &= nurture_score_add(&model->core, &totals, rule->is_pattern ? SCORE_INTENT : SCORE_FIT,
									rule->group, rule->points) == SCORE_OK;
	}
	if (!ok)
		nurture_score_overflow(model);
	search->stretch.sums[0] = totals.sums[SCORE_FIT];
	search->stretch.sums[1] = totals.sums[SCORE_INTENT];
	subject->today = search->today;
	subject->now = search->now;
	subject->marks_read = false;
}

/*
 * Looks for another grade from one day to another.  Other bands may have the
 * same letter: below the lowest minimum the worst applies.
 */
static bool
find(GradeSearch *search, int32 first, int32 last, int32 *day, char *grade)
{
	while (first <= last)
	{
		bool		found;
		int			bands[2];

		if (nurture_until_find(&search->stretch, first, last, &found, day, bands) != SCORE_OK)
			nurture_score_overflow(search->model);
		if (!found)
			break;
		nurture_grade_of(search->model, bands, grade);
		if (strcmp(grade, search->grade) != 0)
			return true;
		memcpy(search->stretch.now, bands, sizeof(bands));
		first = *day + 1;
	}
	return false;
}

/* Returns when the grade changes if nothing happens. */
bool
nurture_grade_until(Subject *subject, const CompiledModel *model, int32 *day, char *grade)
{
	GradeSearch search = {subject, model, subject->now, subject->today};
	ConditionDays days = {subject};
	int			ndays = nurture_horizon_days;
	ScoreSummary now;
	bool		found = false;

	if (model->bands[SCORE_FIT].n == 0 && model->bands[SCORE_INTENT].n == 0)
		return false;
	nurture_score_with(subject, model, &now);
	days.today = subject->today;
	days.ndays = ndays;
	days.marks = palloc0(sizeof(bool) * ndays);
	search.changes = palloc0(sizeof(bool) * Max(model->n_point_rules, 1));
	search.truths = palloc0(sizeof(NurtureTruth) * Max(model->n_point_rules, 1));
	search.group_sums = palloc0(sizeof(int64) * Max(model->core.ngroups, 1));
	nurture_subject_source(subject, &days.source);
	for (int i = 0; i < model->n_point_rules; i++)
	{
		days.changes = false;
		nurture_cond_visit_terms(model->point_rules[i].condition, mark_term, &days);
		search.changes[i] = days.changes;
	}
	nurture_until_breaks(&model->core, &subject->signals, subject->today, ndays, days.marks);

	search.grade = now.grade;
	search.stretch.model = &model->core;
	search.stretch.tally = &subject->signals;
	search.stretch.group_sums = search.group_sums;
	search.stretch.scratch = palloc(sizeof(int64) * Max(2 * model->core.ngroups, 1));
	for (int d = 0; d < 2; d++)
	{
		search.stretch.bands[d].n = model->bands[d].n;
		search.stretch.bands[d].min_points = model->bands[d].min_points;
		search.stretch.now[d] = nurture_score_band(model->bands[d].min_points, model->bands[d].n,
												   d == SCORE_FIT ? now.fit : now.intent);
	}
	sum_conditions(&search, search.today, true);
	if (days.today_too)
		found = find(&search, search.today, search.today, day, grade);
	for (int from = 0; from < ndays && !found;)
	{
		int			to = from + 1;

		CHECK_FOR_INTERRUPTS();
		while (to < ndays && !days.marks[to])
			to++;
		if (days.marks[from])
			sum_conditions(&search, search.today + 1 + from, false);
		found = find(&search, search.today + 1 + from, search.today + to, day, grade);
		from = to;
	}
	return found;
}

/*
 * nurture_score_until(lead_id bigint, model text) returns (on_date date, grade
 * text): NULLs when the grade stays.
 */
Datum
nurture_score_until(PG_FUNCTION_ARGS)
{
	TupleDesc	desc;
	Subject    *subject;
	const CompiledModel *model;
	text	   *audience;
	int32		day;
	char		grade[3];
	Datum		values[2] = {0};
	bool		nulls[2] = {true, true};

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE || desc->natts != 2)
		elog(ERROR, "nurture_score_until is declared otherwise than it is built");
	subject = PG_ARGISNULL(0) ? NULL :
		nurture_subject_load(PG_GETARG_INT64(0), nurture_now_statement(), false);
	if (subject != NULL && subject->erased_at == DT_NOBEGIN)
	{
		audience = DatumGetTextPP(subject->values[SUBJECT_AUDIENCE_TYPE]);
		model = nurture_model(PG_ARGISNULL(1) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(1)),
							  VARDATA_ANY(audience), VARSIZE_ANY_EXHDR(audience));
		if (model != NULL && nurture_grade_until(subject, model, &day, grade))
		{
			values[0] = DateADTGetDatum(day - NURTURE_EPOCH_OFFSET_DAYS);
			values[1] = CStringGetTextDatum(grade);
			nulls[0] = nulls[1] = false;
		}
	}
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls));
}
