/*
 * candidates.c
 *	  nurture_next_asset and nurture_candidates: the choice as SQL sees it.
 */
#include "base/compat.h"

#include "base/clock.h"
#include "base/errors.h"
#include "base/owner.h"
#include "base/plans.h"
#include "catalog/pg_type.h"
#include "content/choose.h"
#include "content/content_private.h"
#include "funcapi.h"
#include "scoring/moment.h"
#include "lib/stringinfo.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

NURTURE_FUNCTION(nurture_next_asset);
NURTURE_FUNCTION(nurture_candidates);

/* rows of the ledger that nurture_candidates returns at most */
#define MAX_CANDIDATES 100000

/*
 * The step of a track that a lead is at, or the first one that sends.
 */
static KeptPlan read_step =
KEPT_PLAN("SELECT s.family, s.required_tags, s.preferred_tags "
		  "FROM nurture.track_version v "
		  "JOIN nurture.track_step s ON s.track = v.track "
		  "AND s.version = v.version "
		  "LEFT JOIN nurture.enrollment e ON e.lead_id = $1 "
		  "AND e.track = v.track AND e.version = v.version "
		  "AND e.state IN ('active', 'waiting', 'paused') "
		  "WHERE v.track = $2 AND v.status = 'published' "
		  "AND s.action IN ('message', 'invitation', 'question') "
		  "AND s.step_no >= coalesce(e.step_no, 0) "
		  "ORDER BY s.step_no LIMIT 1",
		  INT8OID, TEXTOID);

/* The step that sent the next message after a moment. */
static KeptPlan read_step_then =
KEPT_PLAN("SELECT s.family, s.required_tags, s.preferred_tags "
		  "FROM nurture.message m "
		  "JOIN nurture.enrollment e ON e.lead_id = m.lead_id "
		  "AND e.enrollment_no = m.enrollment_no "
		  "JOIN nurture.track_step s ON s.track = e.track "
		  "AND s.version = e.version AND s.step_no = m.step_no "
		  "WHERE m.lead_id = $1 AND m.track = $2 AND m.requested_at >= $3 "
		  "ORDER BY m.requested_at, m.message_id LIMIT 1",
		  INT8OID, TEXTOID, TIMESTAMPTZOID);
static KeptPlan track_exists =
KEPT_PLAN("SELECT (SELECT string_agg(track, ', ' ORDER BY track) FROM "
		  "nurture.track) "
		  "WHERE NOT EXISTS (SELECT FROM nurture.track WHERE track = $1)",
		  TEXTOID);
static KeptPlan channel_exists =
KEPT_PLAN("SELECT (SELECT string_agg(channel, ', ' ORDER BY channel) "
		  "FROM nurture.channel) "
		  "WHERE NOT EXISTS (SELECT FROM nurture.channel WHERE channel = "
		  "$1)",
		  TEXTOID);

static KeptPlan weights_then =
KEPT_PLAN("SELECT version FROM nurture.selection_version WHERE selection = 'default'"
		  " AND published_at <= $1 AND (retired_at IS NULL OR retired_at > $1)"
		  " ORDER BY version DESC LIMIT 1", TIMESTAMPTZOID);

static ArrayType *
copy_array(uint64 row, int column, MemoryContext context)
{
	bool		isnull;
	Datum		value = nurture_cell(row, column, &isnull);
	MemoryContext old;
	ArrayType  *result;

	if (isnull)
		return NULL;
	old = MemoryContextSwitchTo(context);
	result = DatumGetArrayTypePCopy(value);
	MemoryContextSwitchTo(old);
	return result;
}

/*
 * Fills what the track step at hand asks for; of a moment of the past, the one
 * that sent the next message.
 */
static void
request_step(ContentRequest *request, int64 lead_id, char *track)
{
	MemoryContext context = CurrentMemoryContext;
	Datum		values[3];
	OwnerSwitch save;
	int			level;

	nurture_owner_enter(&save);
	level = nurture_spi_connect();
	values[0] = CStringGetTextDatum(track);
	nurture_execute(&track_exists, values, NULL, true);
	if (SPI_processed > 0)
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_UNKNOWN_CODE),
				 errmsg("unknown track \"%.64s\"", track),
				 errhint("Tracks are %s.", nurture_cell_text(0, 1) ? nurture_cell_text(0, 1) : "not set up")));
	values[0] = Int64GetDatum(lead_id);
	values[1] = CStringGetTextDatum(track);
	values[2] = TimestampTzGetDatum(request->at);
	SPI_processed = 0;
	if (request->past)
		nurture_execute(&read_step_then, values, NULL, true);
	if (SPI_processed == 0)
		nurture_execute(&read_step, values, NULL, true);
	if (SPI_processed > 0)
	{
		char	   *family = nurture_cell_text(0, 1);

		request->family = family ? MemoryContextStrdup(context, family) : NULL;
		request->required_tags = copy_array(0, 2, context);
		request->preferred_tags = copy_array(0, 3, context);
	}
	nurture_spi_finish(level);
	nurture_owner_leave(&save);
}

static void
check_channel(const char *channel)
{
	Datum		value = CStringGetTextDatum(channel);
	OwnerSwitch save;
	int			level;

	nurture_owner_enter(&save);
	level = nurture_spi_connect();
	nurture_execute(&channel_exists, &value, NULL, true);
	if (SPI_processed > 0)
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_UNKNOWN_CODE),
				 errmsg("unknown channel \"%.64s\"", channel),
				 errhint("Known ones are %s.", nurture_cell_text(0, 1))));
	nurture_spi_finish(level);
	nurture_owner_leave(&save);
}

/* What a query's calls of nurture_next_asset have in common. */
typedef struct NextCalls
{
	TupleDesc	desc;
	SubjectReader reader;
} NextCalls;

/*
 * Reads lead, channel, track and at from arguments that start at first.  A
 * moment of the past is asked as it was, and was known, then.
 */
static Subject *
read_request(FunctionCallInfo fcinfo, int first, SubjectReader *reader,
			 ContentRequest *request)
{
	int64		lead_id = PG_GETARG_INT64(0);
	Subject    *subject;

	memset(request, 0, sizeof(*request));
	(void) nurture_schema_oid(false);
	request->at = PG_ARGISNULL(first + 2) ? nurture_now_statement() :
		PG_GETARG_TIMESTAMPTZ(first + 2);
	if (TIMESTAMP_NOT_FINITE(request->at))
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("an asset cannot be chosen as of infinity"),
				 errhint("Give an instant, or leave it out for the present.")));
	request->past = request->at < nurture_now_statement();
	subject = request->past ? nurture_moment_subject(lead_id, request->at) :
		nurture_subject_load_by(reader, lead_id, request->at);
	if (subject == NULL)
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_UNKNOWN_LEAD),
				 request->past ? errmsg("there was no lead " INT64_FORMAT " at that moment", lead_id) :
				 errmsg("there is no lead " INT64_FORMAT, lead_id),
				 errhint("Or you may not see it; nurture.lead lists those you may.")));
	if (!PG_ARGISNULL(first))
	{
		request->channel = text_to_cstring(PG_GETARG_TEXT_PP(first));
		check_channel(request->channel);
	}
	if (!PG_ARGISNULL(first + 1))
		request_step(request, subject->lead_id,
					 text_to_cstring(PG_GETARG_TEXT_PP(first + 1)));
	return subject;
}

/*
 * Returns the library with the weights of a version of selection default, in
 * the current memory context; raises when there is none.
 */
const ContentIndex *
nurture_content_weighed(int32 version)
{
	MemoryContext context = CurrentMemoryContext;
	const ContentIndex *index;
	OwnerSwitch save;
	MemoryContext old;
	int			level;

	nurture_owner_enter(&save);
	level = nurture_spi_connect();
	old = MemoryContextSwitchTo(context);
	index = nurture_content_index_with("default", version);
	MemoryContextSwitchTo(old);
	nurture_spi_finish(level);
	nurture_owner_leave(&save);
	if (index->selection_version == 0)
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_UNKNOWN_CODE),
				 errmsg("there is no version %d of selection \"default\" with weights", version),
				 errhint("nurture.selection_version lists what there is.")));
	return index;
}

/* Returns the library with the weights of a moment; NULL: those in force. */
static const ContentIndex *
weighed_then(TimestampTz at)
{
	Datum		value = TimestampTzGetDatum(at);
	int32		version = 0;
	OwnerSwitch save;
	int			level;

	nurture_owner_enter(&save);
	level = nurture_spi_connect();
	nurture_execute(&weights_then, &value, NULL, true);
	if (SPI_processed > 0)
	{
		bool		isnull;

		version = DatumGetInt32(nurture_cell(0, 1, &isnull));
	}
	nurture_spi_finish(level);
	nurture_owner_leave(&save);
	return version == 0 || version == nurture_content_index()->selection_version ? NULL :
		nurture_content_weighed(version);
}

static NextCalls *
calls_of(FunctionCallInfo fcinfo)
{
	if (fcinfo->flinfo->fn_extra == NULL)
	{
		MemoryContext context = fcinfo->flinfo->fn_mcxt;
		NextCalls  *calls = MemoryContextAllocZero(context, sizeof(NextCalls));
		MemoryContext old = MemoryContextSwitchTo(context);

		if (get_call_result_type(fcinfo, NULL, &calls->desc) != TYPEFUNC_COMPOSITE)
			elog(ERROR, "return type must be a row type");
		calls->desc = BlessTupleDesc(calls->desc);
		MemoryContextSwitchTo(old);
		/* in FROM the memory of the call is the executor's */
		if (fcinfo->resultinfo != NULL)
			calls->reader.hold = nurture_hold_make(context);
		fcinfo->flinfo->fn_extra = calls;
	}
	return fcinfo->flinfo->fn_extra;
}

/*
 * nurture_next_asset(lead_id bigint, channel text, track text,
 * at timestamptz) returns (asset_id text, version integer, rank integer,
 * reason text)
 *
 * The asset that fits the lead best; without one, asset_id is NULL and reason
 * names the filter that removed the last candidate.
 */
Datum
nurture_next_asset(PG_FUNCTION_ARGS)
{
	NextCalls  *calls;
	ContentRequest request;
	ContentChoice choice;
	Subject    *subject;
	Datum		values[4] = {0};
	bool		nulls[4] = {true, true, true, true};

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	calls = calls_of(fcinfo);
	subject = read_request(fcinfo, 1, &calls->reader, &request);
	if (request.past)
		request.index = weighed_then(request.at);
	choice = nurture_content_choose(subject, &request);
	if (choice.chosen != NULL)
	{
		values[0] = CStringGetTextDatum(choice.chosen->asset_id);
		values[1] = Int32GetDatum(choice.chosen->version);
		values[2] = Int32GetDatum(choice.chosen->rank);
		nulls[0] = nulls[1] = nulls[2] = false;
	}
	values[3] = CStringGetTextDatum(choice.reason);
	nulls[3] = false;
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(calls->desc, values,
													  nulls)));
}

static Datum
failed_array(uint32 failed)
{
	Datum		items[CONTENT_FILTERS];
	int			n = 0;

	for (int f = 0; f < CONTENT_FILTERS; f++)
	{
		if (failed & (1u << f))
			items[n++] = CStringGetTextDatum(nurture_content_filter_code(f));
	}
	return PointerGetDatum(construct_array(items, n, TEXTOID, -1, false,
										   TYPALIGN_INT));
}

static Datum
terms_json(const ContentCandidate *candidate)
{
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfoChar(&buf, '{');
	for (int t = 0; t < CONTENT_TERMS; t++)
		appendStringInfo(&buf, "%s\"%s\": %d", t == 0 ? "" : ", ",
						 nurture_content_term_code(t), candidate->terms[t]);
	appendStringInfoChar(&buf, '}');
	return DirectFunctionCall1(jsonb_in, CStringGetDatum(buf.data));
}

/*
 * nurture_candidates(lead_id bigint, k integer, channel text, track text,
 * at timestamptz, selection_version integer) returns setof (asset_id text,
 * version integer, verdict text, failed text[], rank integer, terms jsonb)
 *
 * The ledger behind nurture_next_asset, the best first.  With a version the
 * rank is by its weights, in force or not.
 */
Datum
nurture_candidates(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	ContentRequest request;
	ContentCandidate *ledger;
	SubjectReader reader = {NULL};
	Subject    *subject;
	int			n;
	int			k;

	InitMaterializedSRF(fcinfo, 0);
	if (PG_ARGISNULL(0))
		return (Datum) 0;
	k = PG_ARGISNULL(1) ? MAX_CANDIDATES : PG_GETARG_INT32(1);
	if (k < 1 || k > MAX_CANDIDATES)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%d is no number of candidates", k),
				 errhint("Ask for 1 to %d.", MAX_CANDIDATES)));
	subject = read_request(fcinfo, 2, &reader, &request);
	if (!PG_ARGISNULL(5))
		request.index = nurture_content_weighed(PG_GETARG_INT32(5));
	else if (request.past)
		request.index = weighed_then(request.at);
	ledger = nurture_content_ledger(subject, &request, &n);
	for (int i = 0; i < Min(n, k); i++)
	{
		Datum		values[6];
		bool		nulls[6] = {false};

		values[0] = CStringGetTextDatum(ledger[i].asset_id);
		values[1] = Int32GetDatum(ledger[i].version);
		values[2] = CStringGetTextDatum(ledger[i].failed == 0 ? "eligible" : "filtered");
		values[3] = failed_array(ledger[i].failed);
		values[4] = Int32GetDatum(ledger[i].rank);
		values[5] = terms_json(&ledger[i]);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	return (Datum) 0;
}
