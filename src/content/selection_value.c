/*
 * selection_value.c
 *	  What a ranking would have earned, by what random choices showed; and what
 *	  assets achieved, as weights of a draft.
 *
 * Experiments log the probability with which the lot led to an asset.  Each of
 * these choices is made again by the ranking in question, as the lead was
 * then; where both agree, what came of it tells of the ranking.  The
 * arithmetic is in core/trial.h.
 */
#include "base/compat.h"

#include "base/clock.h"
#include "base/errors.h"
#include "base/owner.h"
#include "base/plans.h"
#include "catalog/pg_type.h"
#include "content/choose.h"
#include "content/experiment.h"
#include "core/trial.h"
#include "facts/vocabulary.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "scoring/moment.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

NURTURE_FUNCTION(nurture_selection_value);
NURTURE_FUNCTION(nurture_draft_performance);

/*
 * Of each lead the first choice that was drawn, sent, and had its time, with
 * what the step asked for.  With the caller's rights.  $1 outcome, $2 within,
 * $3 now, $4 experiment, $5 since.
 */
static KeptPlan read_log =
KEPT_PLAN("SELECT m.lead_id, m.requested_at, m.asset_id, m.propensity::float8,"
		  " @extschema@.nurture_first_signal(m.lead_id, $1, m.sent_at, m.sent_at + $2) IS NOT NULL,"
		  " s.family, s.required_tags, s.preferred_tags, s.channels, coalesce(t.product, '*')"
		  " FROM (SELECT DISTINCT ON (m.lead_id) m.lead_id, m.requested_at, m.asset_id, m.propensity, m.sent_at, m.enrollment_no, m.step_no FROM nurture.message m"
		  "  JOIN nurture.lead l ON l.lead_id = m.lead_id AND NOT l.is_test"
		  "  WHERE m.experiment IS NOT NULL AND m.propensity IS NOT NULL AND m.sent_at IS NOT NULL"
		  "  AND ($4 IS NULL OR m.experiment = $4) AND ($5 IS NULL OR m.requested_at >= $5)"
		  "  ORDER BY m.lead_id, m.sent_at, m.message_id) m"
		  " LEFT JOIN nurture.enrollment e ON e.lead_id = m.lead_id AND e.enrollment_no = m.enrollment_no"
		  " LEFT JOIN nurture.track t ON t.track = e.track"
		  " LEFT JOIN nurture.track_step s ON s.track = e.track AND s.version = e.version AND s.step_no = m.step_no"
		  " WHERE m.sent_at + $2 <= $3 ORDER BY m.lead_id",
		  TEXTOID, INTERVALOID, TIMESTAMPTZOID, TEXTOID, TIMESTAMPTZOID);

/*
 * Of each asset and audience, the lower bound of the share of leads that had
 * the signal in time after their first message with it.  With the caller's
 * rights.  $1 version, $2 signal, $3 within, $4 points of a share of 1, $5 now.
 */
static KeptPlan remove_performance =
KEPT_PLAN("DELETE FROM nurture.selection_weight WHERE selection = 'default' AND version = $1 AND term = 'performance'", INT4OID);
static KeptPlan add_performance =
KEPT_PLAN("INSERT INTO nurture.selection_weight (selection, version, term, subject, value, weight, reason)"
		  " SELECT 'default', $1, 'performance', x.asset_id, x.audience_type, floor($4 * w.low)::int4,"
		  " format('%s of %s leads: %s within %s of the first message; lower end of the 95 %% interval (Wilson) x %s', x.successes, x.leads, $2, $3, $4)"
		  " FROM (SELECT f.asset_id, f.audience_type, count(*) AS leads,"
		  "  count(@extschema@.nurture_first_signal(f.lead_id, $2, f.sent_at, f.sent_at + $3)) AS successes"
		  "  FROM (SELECT DISTINCT ON (m.asset_id, m.lead_id) m.asset_id, m.lead_id, m.sent_at, l.audience_type"
		  "   FROM nurture.message m JOIN nurture.lead l ON l.lead_id = m.lead_id AND NOT l.is_test"
		  "   WHERE m.sent_at IS NOT NULL ORDER BY m.asset_id, m.lead_id, m.sent_at, m.message_id) f"
		  "  WHERE f.sent_at + $3 <= $5 GROUP BY 1, 2) x"
		  " CROSS JOIN LATERAL @extschema@.nurture_share_interval(x.successes, x.leads) w"
		  " WHERE floor($4 * w.low) > 0",
		  INT4OID, TEXTOID, INTERVALOID, INT4OID, TIMESTAMPTZOID);

/* One logged choice, copied out of the query that found it. */
typedef struct LoggedChoice
{
	int64		lead_id;
	TimestampTz at;
	char	   *asset_id;
	double		propensity;
	bool		success;
	ContentRequest step;
	const char **channels;
	int			nchannels;
	char	   *product;
} LoggedChoice;

static void
check_signal(const text *signal)
{
	if (nurture_signal_id(VARDATA_ANY(signal), VARSIZE_ANY_EXHDR(signal)) < 0)
		nurture_unknown_code(COND_NAME_SIGNAL, "signal", text_to_cstring(signal));
}

static void
check_within(const Interval *within)
{
	if (within->month < 0 || within->day < 0 || within->time < 0 ||
		(within->month == 0 && within->day == 0 && within->time == 0))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("an outcome needs time to come"),
				 errhint("Give an interval above 0, such as '14 days'.")));
}

static ArrayType *
copy_tags(uint64 row, int column)
{
	bool		isnull;
	Datum		value = nurture_cell(row, column, &isnull);

	return isnull ? NULL : DatumGetArrayTypePCopy(value);
}

/* Reads the log into the current context; answers how many choices there are. */
static uint64
load_log(Datum *values, const char *nulls, LoggedChoice **log)
{
	MemoryContext context = CurrentMemoryContext;
	int			level = nurture_spi_connect();
	MemoryContext old;
	uint64		n;

	nurture_execute(&read_log, values, nulls, true);
	n = SPI_processed;
	old = MemoryContextSwitchTo(context);
	*log = MemoryContextAllocHuge(context, Max(n, 1) * sizeof(LoggedChoice));
	for (uint64 i = 0; i < n; i++)
	{
		LoggedChoice *choice = &(*log)[i];
		bool		isnull;
		char	   *family = nurture_cell_text(i, 6);

		memset(choice, 0, sizeof(*choice));
		choice->lead_id = DatumGetInt64(nurture_cell(i, 1, &isnull));
		choice->at = DatumGetTimestampTz(nurture_cell(i, 2, &isnull));
		choice->asset_id = pstrdup(nurture_cell_text(i, 3));
		choice->propensity = DatumGetFloat8(nurture_cell(i, 4, &isnull));
		choice->success = DatumGetBool(nurture_cell(i, 5, &isnull));
		choice->step.family = family ? pstrdup(family) : NULL;
		choice->step.required_tags = copy_tags(i, 7);
		choice->step.preferred_tags = copy_tags(i, 8);
		choice->channels = nurture_cell_strings(i, 9, &choice->nchannels);
		choice->product = pstrdup(nurture_cell_text(i, 10));
	}
	MemoryContextSwitchTo(old);
	nurture_spi_finish(level);
	return n;
}

/* Tells whether the ranking would have chosen the same, as the lead was then. */
static bool
agrees(const LoggedChoice *choice, const ContentIndex *index)
{
	Subject    *subject = nurture_moment_subject(choice->lead_id, choice->at);
	ContentRequest request = choice->step;
	ContentChoice again;
	int32		propensity;

	if (subject == NULL)
		return false;
	subject->product = choice->product;
	request.at = choice->at;
	request.past = true;
	request.index = index;
	again = nurture_content_choose_step(subject, &request, choice->channels, choice->nchannels,
										NULL, &propensity);
	return again.chosen != NULL && strcmp(again.chosen->asset_id, choice->asset_id) == 0;
}

/*
 * nurture_selection_value(outcome text, selection_version integer,
 * experiment text, within interval, clip double precision,
 * since timestamptz, confidence double precision) returns one row
 *
 * What a version of the ranking would have earned per lead; NULL: the one in
 * force.
 */
Datum
nurture_selection_value(PG_FUNCTION_ARGS)
{
	TupleDesc	desc;
	Datum		arguments[5];
	char		argument_nulls[6] = "     ";
	Datum		values[13];
	bool		nulls[13] = {false};
	const ContentIndex *index;
	LoggedChoice *log;
	MemoryContext context;
	MemoryContext old;
	TrialLog	sums = {0};
	TrialValue	value;
	TrialInterval logged;
	bool		random = false;
	double		clip;
	double		confidence;
	uint64		n;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(3) || PG_ARGISNULL(4) || PG_ARGISNULL(6))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("outcome, within, clip and confidence must not be null")));
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	(void) nurture_schema_oid(false);
	/* outcomes are activity, even where the log is empty */
	if (pg_class_aclcheck(nurture_table_oid("activity", false), GetUserId(), ACL_SELECT) != ACLCHECK_OK)
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_TABLE, "activity");
	check_signal(PG_GETARG_TEXT_PP(0));
	check_within(PG_GETARG_INTERVAL_P(3));
	clip = PG_GETARG_FLOAT8(4);
	if (!(clip >= 1))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("weights cannot be cut at %g", clip),
				 errhint("Give a number from 1 on: the weight of a choice that was made once in so many.")));
	confidence = PG_GETARG_FLOAT8(6);
	if (!(confidence > 0 && confidence < 1))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%g is no confidence", confidence),
				 errhint("It lies between 0 and 1, such as 0.95.")));
	index = PG_ARGISNULL(1) ? NULL : nurture_content_weighed(PG_GETARG_INT32(1));

	arguments[0] = PG_GETARG_DATUM(0);
	arguments[1] = PG_GETARG_DATUM(3);
	arguments[2] = TimestampTzGetDatum(nurture_now_statement());
	arguments[3] = PG_ARGISNULL(2) ? (Datum) 0 : PG_GETARG_DATUM(2);
	argument_nulls[3] = PG_ARGISNULL(2) ? 'n' : ' ';
	arguments[4] = PG_ARGISNULL(5) ? (Datum) 0 : PG_GETARG_DATUM(5);
	argument_nulls[4] = PG_ARGISNULL(5) ? 'n' : ' ';
	n = load_log(arguments, argument_nulls, &log);
	for (uint64 i = 0; i < n && !random; i++)
		random = log[i].propensity < 1;
	if (!random)
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_BAD_STATE),
				 errmsg("no random choice of assets was logged"),
				 errdetail("What another ranking would have earned cannot be told from choices that one ranking made."),
				 errhint("Publish an experiment that varies subject, format, cta or theme, and wait until its messages had time for the outcome.")));

	context = AllocSetContextCreate(CurrentMemoryContext, "nurture selection value",
									ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(context);
	for (uint64 i = 0; i < n; i++)
	{
		CHECK_FOR_INTERRUPTS();
		nurture_trial_log(&sums, log[i].propensity, agrees(&log[i], index),
						  log[i].success ? 1 : 0, clip);
		MemoryContextReset(context);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	value = nurture_trial_value(&sums, confidence);
	logged = nurture_trial_share((int64) sums.reward, sums.n, confidence);

	values[0] = PG_GETARG_DATUM(0);
	values[1] = Int32GetDatum(index ? index->selection_version : nurture_content_index()->selection_version);
	values[2] = Int64GetDatum(sums.n);
	values[3] = Int64GetDatum(sums.agreed);
	values[4] = Int64GetDatum(sums.clipped);
	values[5] = Float8GetDatum(value.value);
	values[6] = Float8GetDatum(value.interval.low);
	values[7] = Float8GetDatum(value.interval.high);
	values[8] = Float8GetDatum(value.support);
	values[9] = Float8GetDatum(value.effective);
	values[10] = Float8GetDatum(value.logged);
	values[11] = Float8GetDatum(logged.low);
	values[12] = Float8GetDatum(logged.high);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}

/*
 * nurture_draft_performance(version integer, signal text, within interval,
 * points integer) returns bigint: how many weights were written.
 */
Datum
nurture_draft_performance(PG_FUNCTION_ARGS)
{
	Datum		values[5];
	int32		points = PG_GETARG_INT32(3);
	int64		written;
	int			level;

	(void) nurture_schema_oid(false);
	check_signal(PG_GETARG_TEXT_PP(1));
	check_within(PG_GETARG_INTERVAL_P(2));
	if (points < 1 || points > 10000)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%d points cannot be given", points),
				 errhint("Give 1 to 10000: what a share of 1 would be worth.")));
	for (int i = 0; i < 4; i++)
		values[i] = PG_GETARG_DATUM(i);
	values[4] = TimestampTzGetDatum(nurture_now_statement());
	level = nurture_spi_connect();
	nurture_execute(&remove_performance, values, NULL, false);
	nurture_execute(&add_performance, values, NULL, false);
	written = (int64) SPI_processed;
	nurture_spi_finish(level);
	PG_RETURN_INT64(written);
}
