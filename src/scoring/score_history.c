/*
 * score_history.c
 *	  What decisions and the tick found scores to be, what moved a score, and
 *	  what that did to a lead's place among others.
 */
#include "base/compat.h"

#include "base/clock.h"
#include "base/plans.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "scoring/model_private.h"
#include "scoring/moment.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/timestamp.h"

NURTURE_FUNCTION(nurture_score_change);
NURTURE_FUNCTION(nurture_rank_change);

#define CHANGE_COLUMNS 13
#define RANK_COLUMNS 6

/*
 * Nothing is written where the last row says the same.  Unless it was decided
 * ($10), neither where a lead without a row has nothing, nor over what was
 * decided on the same day, which may be newer than what the sweep has read.
 * $8 the day, $9 the moment.  The sum keeps the plan of an empty table from
 * reading the index on days, which holds everybody's.
 */
static KeptPlan write_scores =
KEPT_PLAN("INSERT INTO nurture.score_history (lead_id, model, day, at, version, fit, intent, total, grade, swept)"
		  " SELECT DISTINCT ON (u.lead_id, u.model) u.lead_id, u.model, $8, $9, u.version,"
		  "  u.fit * 0.01, u.intent * 0.01, u.total * 0.01, nullif(u.grade, ''), NOT $10"
		  " FROM unnest($1, $2, $3, $4, $5, $6, $7) WITH ORDINALITY AS u(lead_id, model, version, fit, intent, total, grade, i)"
		  " LEFT JOIN LATERAL (SELECT h.day, h.version, h.fit, h.intent, h.total, h.grade FROM nurture.score_history h"
		  "  WHERE h.lead_id = u.lead_id AND h.model = u.model ORDER BY h.day + 0 DESC LIMIT 1) p ON true"
		  " WHERE ($10 OR CASE WHEN p.day IS NULL THEN u.fit <> 0 OR u.intent <> 0 ELSE p.day < $8 END)"
		  " AND (p.day IS NULL OR ($10 AND p.version <> u.version)"
		  "  OR (p.fit, p.intent, p.total) <> (u.fit * 0.01, u.intent * 0.01, u.total * 0.01)"
		  "  OR p.grade IS DISTINCT FROM nullif(u.grade, ''))"
		  " ORDER BY u.lead_id, u.model, u.i"
		  " ON CONFLICT (lead_id, model, day) DO UPDATE SET at = EXCLUDED.at, version = EXCLUDED.version,"
		  " fit = EXCLUDED.fit, intent = EXCLUDED.intent, total = EXCLUDED.total, grade = EXCLUDED.grade,"
		  " swept = false WHERE NOT EXCLUDED.swept",
		  INT8ARRAYOID, TEXTARRAYOID, INT4ARRAYOID, INT8ARRAYOID, INT8ARRAYOID, INT8ARRAYOID, TEXTARRAYOID,
		  DATEOID, TIMESTAMPTZOID, BOOLOID);

static KeptPlan read_ranks =
KEPT_PLAN_SCAN("WITH s AS MATERIALIZED (SELECT l.lead_id,"
			   " @extschema@.nurture_score_at(l.lead_id, $2, NULL, NULL, $2) AS old,"
			   " @extschema@.nurture_score_at(l.lead_id, $3, NULL, NULL, $3) AS new FROM nurture.lead l"
			   " WHERE l.audience_type = (SELECT audience_type FROM nurture.lead WHERE lead_id = $1)"
			   " AND l.merged_into IS NULL AND l.erased_at IS NULL AND (NOT l.is_test OR l.lead_id = $1))"
			   " SELECT CASE WHEN me.old IS NOT NULL THEN 1 + (SELECT count(*) FROM s WHERE s.old > me.old) END,"
			   " CASE WHEN me.new IS NOT NULL THEN 1 + (SELECT count(*) FROM s WHERE s.new > me.new) END,"
			   " (SELECT count(s.old) FROM s), (SELECT count(s.new) FROM s), me.old, me.new"
			   " FROM s me WHERE me.lead_id = $1",
			   INT8OID, TIMESTAMPTZOID, TIMESTAMPTZOID);

static Datum
bigint_array(Datum *items, int n)
{
	return PointerGetDatum(construct_array(items, n, INT8OID, 8, FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}

static Datum
text_array(Datum *items, int n)
{
	return PointerGetDatum(construct_array(items, n, TEXTOID, -1, false, TYPALIGN_INT));
}

/*
 * Keeps scores that were found; comes last in the lock order.
 */
void
nurture_scores_keep(const FoundScore *scores, int n, TimestampTz at, bool decided)
{
	Datum	   *items[7];
	Datum		values[10];

	if (n == 0)
		return;
	for (int i = 0; i < lengthof(items); i++)
		items[i] = palloc(n * sizeof(Datum));
	for (int i = 0; i < n; i++)
	{
		items[0][i] = Int64GetDatum(scores[i].lead_id);
		items[1][i] = CStringGetTextDatum(scores[i].model);
		items[2][i] = Int32GetDatum(scores[i].version);
		items[3][i] = Int64GetDatum(scores[i].fit);
		items[4][i] = Int64GetDatum(scores[i].intent);
		items[5][i] = Int64GetDatum(scores[i].total);
		items[6][i] = CStringGetTextDatum(scores[i].grade);
	}
	values[0] = bigint_array(items[0], n);
	values[1] = text_array(items[1], n);
	values[2] = PointerGetDatum(construct_array(items[2], n, INT4OID, 4, true, TYPALIGN_INT));
	for (int i = 3; i < 6; i++)
		values[i] = bigint_array(items[i], n);
	values[6] = text_array(items[6], n);
	values[7] = DateADTGetDatum(nurture_day_of(at) - NURTURE_EPOCH_OFFSET_DAYS);
	values[8] = TimestampTzGetDatum(at);
	values[9] = BoolGetDatum(decided);
	nurture_execute_latest(&write_scores, values, NULL, true);
}

static int64
total_of(Subject *subject, const CompiledModel *model)
{
	ScoreSummary summary;

	nurture_score_with(subject, model, &summary);
	return summary.total;
}

/*
 * nurture_score_change(lead_id bigint, from timestamptz, to timestamptz, model
 * text) returns record
 *
 * From the score of the first moment to that of the second, one thing
 * exchanged at a time: the time, then what happened, then the facts, then the
 * version.
 */
Datum
nurture_score_change(PG_FUNCTION_ARGS)
{
	TupleDesc	desc;
	ScoredMoment old;
	ScoredMoment new;
	ScoreSummary summary;
	Subject		between;
	char	   *model = PG_ARGISNULL(3) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(3));
	bool		had = false;
	bool		has = false;
	Datum		values[CHANGE_COLUMNS] = {0};
	bool		nulls[CHANGE_COLUMNS];

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE || desc->natts != CHANGE_COLUMNS)
		elog(ERROR, "nurture_score_change is declared otherwise than it is built");
	memset(nulls, true, sizeof(nulls));
	if (!PG_ARGISNULL(0) && !PG_ARGISNULL(1) && !PG_ARGISNULL(2))
	{
		TimestampTz from = PG_GETARG_TIMESTAMPTZ(1);
		TimestampTz to = PG_GETARG_TIMESTAMPTZ(2);

		had = nurture_moment_load(PG_GETARG_INT64(0), from, from, model, NULL, &old);
		has = nurture_moment_load(PG_GETARG_INT64(0), to, to, model, NULL, &new);
		values[0] = TimestampTzGetDatum(from);
		values[1] = TimestampTzGetDatum(to);
		nulls[0] = nulls[1] = false;
	}
	if (had)
	{
		nurture_score_with(old.subject, old.model, &summary);
		values[2] = CStringGetTextDatum(old.model->model);
		values[3] = Int32GetDatum(old.model->version);
		values[5] = nurture_points_datum(summary.total);
		nulls[2] = nulls[3] = nulls[5] = false;
		nulls[7] = summary.grade[0] == '\0';
		values[7] = nulls[7] ? (Datum) 0 : CStringGetTextDatum(summary.grade);
	}
	if (has)
	{
		int64		first = had ? summary.total : 0;
		int64		totals[3];

		nurture_score_with(new.subject, new.model, &summary);
		values[2] = CStringGetTextDatum(new.model->model);
		values[4] = Int32GetDatum(new.model->version);
		values[6] = nurture_points_datum(summary.total);
		nulls[2] = nulls[4] = nulls[6] = false;
		nulls[8] = summary.grade[0] == '\0';
		values[8] = nulls[8] ? (Datum) 0 : CStringGetTextDatum(summary.grade);
		if (had)
		{
			/* later, nothing more known */
			between = *old.subject;
			between.now = new.subject->now;
			between.today = new.subject->today;
			between.standing_read = between.marks_read = false;
			totals[0] = total_of(&between, old.model);

			/* what happened since */
			between.known_at = new.subject->known_at;
			between.signals = new.subject->signals;
			between.topics = new.subject->topics;
			between.last_event_at = new.subject->last_event_at;
			between.standing_read = between.marks_read = false;
			totals[1] = total_of(&between, old.model);

			/* and who the lead is */
			totals[2] = total_of(new.subject, old.model);
			values[9] = nurture_points_datum(totals[0] - first);
			values[10] = nurture_points_datum(totals[1] - totals[0]);
			values[11] = nurture_points_datum(totals[2] - totals[1]);
			values[12] = nurture_points_datum(summary.total - totals[2]);
			nulls[9] = nulls[10] = nulls[11] = nulls[12] = false;
		}
	}
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls));
}

/*
 * nurture_rank_change(lead_id bigint, from timestamptz, to timestamptz)
 * returns record: NULLs for a lead that is not there or cannot be seen.
 */
Datum
nurture_rank_change(PG_FUNCTION_ARGS)
{
	MemoryContext context = CurrentMemoryContext;
	TupleDesc	desc;
	HeapTuple	tuple;
	Datum		values[RANK_COLUMNS] = {0};
	bool		nulls[RANK_COLUMNS];
	Subject    *subject;
	int			level;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE || desc->natts != RANK_COLUMNS)
		elog(ERROR, "nurture_rank_change is declared otherwise than it is built");
	memset(nulls, true, sizeof(nulls));
	desc = BlessTupleDesc(desc);
	/* a merged lead has the place of its survivor */
	subject = PG_ARGISNULL(0) ? NULL : nurture_subject_load(PG_GETARG_INT64(0), nurture_now_statement(), false);
	level = nurture_spi_connect();
	if (subject != NULL && !PG_ARGISNULL(1) && !PG_ARGISNULL(2))
	{
		Datum		arguments[3] = {Int64GetDatum(subject->lead_id), PG_GETARG_DATUM(1), PG_GETARG_DATUM(2)};

		nurture_execute(&read_ranks, arguments, NULL, true);
		for (int i = 0; i < RANK_COLUMNS && SPI_processed > 0; i++)
			values[i] = nurture_cell(0, i + 1, &nulls[i]);
	}
	MemoryContextSwitchTo(context);
	tuple = heap_form_tuple(desc, values, nulls);
	nurture_spi_finish(level);
	return HeapTupleGetDatum(tuple);
}
