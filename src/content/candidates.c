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

/* Fills what the track step at hand asks for. */
static void
request_step(ContentRequest *request, int64 lead_id, char *track)
{
	MemoryContext context = CurrentMemoryContext;
	Datum		values[2];
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

/* Reads lead, channel, track and at from arguments that start at first. */
static Subject *
read_request(FunctionCallInfo fcinfo, int first, ContentRequest *request)
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
	subject = nurture_subject_load(lead_id, request->at, false);
	if (subject == NULL)
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_UNKNOWN_LEAD),
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
	TupleDesc	desc;
	ContentRequest request;
	ContentChoice choice;
	Datum		values[4] = {0};
	bool		nulls[4] = {true, true, true, true};

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	choice = nurture_content_choose(read_request(fcinfo, 1, &request), &request);
	if (choice.chosen != NULL)
	{
		values[0] = CStringGetTextDatum(choice.chosen->asset_id);
		values[1] = Int32GetDatum(choice.chosen->version);
		values[2] = Int32GetDatum(choice.chosen->rank);
		nulls[0] = nulls[1] = nulls[2] = false;
	}
	values[3] = CStringGetTextDatum(choice.reason);
	nulls[3] = false;
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc),
													  values, nulls)));
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
 * at timestamptz) returns setof (asset_id text, version integer, verdict text,
 * failed text[], rank integer, terms jsonb)
 *
 * The ledger behind nurture_next_asset, the best first.
 */
Datum
nurture_candidates(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	ContentRequest request;
	ContentCandidate *ledger;
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
	ledger = nurture_content_ledger(read_request(fcinfo, 2, &request), &request, &n);
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
