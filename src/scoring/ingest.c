/*
 * ingest.c
 *	  nurture_ingest: stores what can be stored, keeps the rest with a reason.
 *
 * Read (ingest_read.c), resolve (ingest_resolve.c), store (ingest_store.c),
 * keep what could not be stored.
 */
#include "base/compat.h"

#include "access/htup_details.h"
#include "base/clock.h"
#include "base/owner.h"
#include "base/plans.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "scoring/ingest.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

NURTURE_FUNCTION(nurture_ingest);

static KeptPlan keep_events = KEPT_PLAN(
										"INSERT INTO nurture.event_quarantine (payload, reason, detail, waits_for)"
 /* what came about an erased lead is noted, not kept */
										" SELECT CASE WHEN u.reason <> 'erased' THEN u.payload"
										" ELSE jsonb_strip_nulls(jsonb_build_object('lead_id', u.payload -> 'lead_id',"
										"  'event_type', u.payload -> 'event_type', 'occurred_at', u.payload -> 'occurred_at',"
										"  'source', u.payload -> 'source')) END, u.reason, u.detail, u.waits_for"
										" FROM unnest($1, $2, $3, $4) AS u(payload, reason, detail, waits_for)",
										JSONBARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID);

/* Notes why an event cannot be stored. */
void
nurture_ingest_set_reason(IngestEvent *event, const char *reason,
						  const char *detail)
{
	event->reason = reason;
	event->detail = pstrdup(detail);
}

/* Counts the events that have a reason. */
void
nurture_ingest_count(const IngestEvent *events, int n, IngestCounts *counts)
{
	for (int i = 0; i < n; i++)
	{
		if (events[i].reason == NULL)
			continue;
		if (strcmp(events[i].reason, "unidentified") == 0)
			counts->unidentified++;
		else
			counts->quarantined++;
	}
}

/* Puts the events that have a reason into quarantine; as the owner. */
static void
keep_refused(IngestEvent *events, int n)
{
	Datum	   *columns[4];
	bool	   *waits_null = palloc(Max(n, 1) * sizeof(bool));
	Datum		parameters[4];
	int			kept = 0;

	for (int i = 0; i < 4; i++)
		columns[i] = palloc(Max(n, 1) * sizeof(Datum));
	for (int i = 0; i < n; i++)
	{
		if (events[i].reason == NULL)
			continue;
		columns[0][kept] = JsonbPGetDatum(events[i].payload);
		columns[1][kept] = CStringGetTextDatum(events[i].reason);
		columns[2][kept] = CStringGetTextDatum(events[i].detail);
		waits_null[kept] = events[i].waits_for == NULL ||
			strcmp(events[i].reason, "unidentified") != 0;
		columns[3][kept] = waits_null[kept] ? (Datum) 0 :
			CStringGetTextDatum(events[i].waits_for);
		kept++;
	}
	if (kept == 0)
		return;
	parameters[0] = nurture_ingest_array(columns[0], NULL, kept, JSONBOID);
	parameters[1] = nurture_ingest_array(columns[1], NULL, kept, TEXTOID);
	parameters[2] = nurture_ingest_array(columns[2], NULL, kept, TEXTOID);
	parameters[3] = nurture_ingest_array(columns[3], waits_null, kept, TEXTOID);
	(void) nurture_execute(&keep_events, parameters, NULL, false);
}

/* Returns the four counts as the row that the calling function is to give. */
Datum
nurture_ingest_result(FunctionCallInfo fcinfo, const IngestCounts *counts)
{
	TupleDesc	desc;
	Datum		values[4];
	bool		nulls[4] = {false};

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	values[0] = Int64GetDatum(counts->inserted);
	values[1] = Int64GetDatum(counts->duplicates);
	values[2] = Int64GetDatum(counts->quarantined);
	values[3] = Int64GetDatum(counts->unidentified);
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls));
}

/* Reads the argument: an array of events, or one event. */
static IngestEvent *
read_all(Jsonb *input, int *n)
{
	const MatchRules *rules = nurture_match_rules();
	TimestampTz latest = nurture_now_wall() + EVENT_MAX_AHEAD;
	IngestEvent *events;
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue	value;

	if (!JB_ROOT_IS_ARRAY(input))
	{
		events = palloc(sizeof(IngestEvent));
		value.type = jbvBinary;
		value.val.binary.data = &input->root;
		value.val.binary.len = VARSIZE(input) - VARHDRSZ;
		nurture_ingest_read(events, &value, rules, latest);
		*n = 1;
		return events;
	}
	events = MemoryContextAllocHuge(CurrentMemoryContext,
									Max(JB_ROOT_COUNT(input), 1) * sizeof(IngestEvent));
	*n = 0;
	iterator = JsonbIteratorInit(&input->root);
	while ((token = JsonbIteratorNext(&iterator, &value, true)) != WJB_DONE)
	{
		if (token == WJB_ELEM)
			nurture_ingest_read(&events[(*n)++], &value, rules, latest);
	}
	return events;
}

/*
 * nurture_ingest(events jsonb, OUT inserted, OUT duplicates, OUT quarantined,
 * OUT unidentified)
 */
Datum
nurture_ingest(PG_FUNCTION_ARGS)
{
	Oid			table = nurture_table_oid("event", false);
	IngestCounts counts = {0};
	OwnerSwitch save;
	IngestEvent *events;
	int			n;
	int			level;
	MemoryContext context = CurrentMemoryContext;

	if (pg_class_aclcheck(table, GetUserId(), ACL_INSERT) != ACLCHECK_OK &&
		pg_attribute_aclcheck_all(table, GetUserId(), ACL_INSERT, ACLMASK_ANY) != ACLCHECK_OK)
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_TABLE, "event");

	events = read_all(PG_GETARG_JSONB_P(0), &n);
	level = nurture_spi_connect();
	MemoryContextSwitchTo(context);
	nurture_owner_enter(&save);
	nurture_ingest_resolve(events, n);
	nurture_owner_leave(&save);
	nurture_ingest_store(events, n, &counts);
	nurture_ingest_count(events, n, &counts);
	nurture_owner_enter(&save);
	keep_refused(events, n);
	nurture_owner_leave(&save);
	nurture_spi_finish(level);
	MemoryContextSwitchTo(context);
	PG_RETURN_DATUM(nurture_ingest_result(fcinfo, &counts));
}
