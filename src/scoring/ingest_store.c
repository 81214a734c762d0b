/*
 * ingest_store.c
 *	  Stores events that nurture_ingest has checked.
 *
 * All of them go in by one INSERT.  Should a constraint or trigger of the
 * user's own refuse one of them after all, they are stored one by one, each
 * in its own subtransaction.
 */
#include "base/compat.h"

#include "access/xact.h"
#include "base/errors.h"
#include "base/plans.h"
#include "base/try.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "scoring/ingest.h"
#include "utils/array.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

static KeptPlan store_events = KEPT_PLAN(
										 "INSERT INTO nurture.event (lead_id, recorded_at, event_type, occurred_at, source,"
										 " source_key, channel, campaign, asset_id, version, message_id, tags, properties)"
										 " SELECT u.lead_id, coalesce(u.recorded_at, @extschema@.nurture_now()), u.event_type,"
										 " coalesce(u.occurred_at, @extschema@.nurture_now()), u.source, u.source_key,"
										 " u.channel, u.campaign, u.asset_id, u.version, u.message_id,"
										 " CASE WHEN u.tags IS NOT NULL THEN ARRAY(SELECT jsonb_array_elements_text(u.tags)) END,"
										 " u.properties"
										 " FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)"
										 " AS u(lead_id, recorded_at, event_type, occurred_at, source, source_key,"
										 " channel, campaign, asset_id, version, message_id, tags, properties)",
										 INT8ARRAYOID, TIMESTAMPTZARRAYOID, TEXTARRAYOID, TIMESTAMPTZARRAYOID,
										 TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID,
										 INT4ARRAYOID, INT8ARRAYOID, JSONBARRAYOID, JSONBARRAYOID);
static KeptPlan store_account_events = KEPT_PLAN(
												 "INSERT INTO nurture.account_event (account_id, recorded_at, event_type, occurred_at, source,"
												 " source_key, channel, campaign, asset_id, version, tags, properties)"
												 " SELECT u.account_id, coalesce(u.recorded_at, @extschema@.nurture_now()), u.event_type,"
												 " coalesce(u.occurred_at, @extschema@.nurture_now()), u.source, u.source_key,"
												 " u.channel, u.campaign, u.asset_id, u.version,"
												 " CASE WHEN u.tags IS NOT NULL THEN ARRAY(SELECT jsonb_array_elements_text(u.tags)) END,"
												 " u.properties"
												 " FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)"
												 " AS u(account_id, recorded_at, event_type, occurred_at, source, source_key,"
												 " channel, campaign, asset_id, version, message_id, tags, properties)"
												 " ON CONFLICT (account_id, coalesce(source, ''), source_key) WHERE source_key IS NOT NULL DO NOTHING",
												 INT8ARRAYOID, TIMESTAMPTZARRAYOID, TEXTARRAYOID, TIMESTAMPTZARRAYOID,
												 TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID,
												 INT4ARRAYOID, INT8ARRAYOID, JSONBARRAYOID, JSONBARRAYOID);

/* parameters of both with their types */
static const struct
{
	EventColumn column;
	Oid			type;
}			stored[] = {
	{EVENT_LEAD_ID, INT8OID},
	{EVENT_RECORDED_AT, TIMESTAMPTZOID},
	{EVENT_EVENT_TYPE, TEXTOID},
	{EVENT_OCCURRED_AT, TIMESTAMPTZOID},
	{EVENT_SOURCE, TEXTOID},
	{EVENT_SOURCE_KEY, TEXTOID},
	{EVENT_CHANNEL, TEXTOID},
	{EVENT_CAMPAIGN, TEXTOID},
	{EVENT_ASSET_ID, TEXTOID},
	{EVENT_VERSION, INT4OID},
	{EVENT_MESSAGE_ID, INT8OID},
	{EVENT_TAGS, JSONBOID},
	{EVENT_PROPERTIES, JSONBOID},
};

/* Makes an array of one of the types above. */
Datum
nurture_ingest_array(Datum *values, bool *nulls, int n, Oid type)
{
	int			lower = 1;
	ArrayType  *array;

	if (n == 0)
		array = construct_empty_array(type);
	else if (type == TEXTOID || type == JSONBOID)
		array = construct_md_array(values, nulls, 1, &n, &lower, type, -1,
								   false, TYPALIGN_INT);
	else if (type == INT4OID)
		array = construct_md_array(values, nulls, 1, &n, &lower, type, 4,
								   true, TYPALIGN_INT);
	else
		array = construct_md_array(values, nulls, 1, &n, &lower, type, 8,
								   FLOAT8PASSBYVAL, TYPALIGN_DOUBLE);
	return PointerGetDatum(array);
}

/*
 * Stores events of leads, or of organisations, by one INSERT; returns how many
 * were there already.
 */
static int64
store(IngestEvent **events, int n)
{
	Datum		parameters[lengthof(stored)];
	Datum	   *values = palloc(n * sizeof(Datum));
	bool	   *nulls = palloc(n * sizeof(bool));
	uint64		before;

	for (int i = 0; i < lengthof(stored); i++)
	{
		for (int j = 0; j < n; j++)
		{
			values[j] = events[j]->values[stored[i].column];
			nulls[j] = events[j]->nulls[stored[i].column];
		}
		parameters[i] = nurture_ingest_array(values, nulls, n, stored[i].type);
	}
	if (events[0]->of_account)
	{
		(void) nurture_execute(&store_account_events, parameters, NULL, false);
		return n - (int64) SPI_processed;
	}
	before = nurture_event_repeats;
	(void) nurture_execute(&store_events, parameters, NULL, false);
	return nurture_event_repeats - before;
}

/* Tells whether an error is about the data, not about rights or the server. */
static bool
about_the_event(int sqlstate)
{
	return nurture_error_of_data(sqlstate) ||
		sqlstate == NURTURE_ERRCODE_UNKNOWN_LEAD ||
		sqlstate == NURTURE_ERRCODE_UNKNOWN_CODE ||
		sqlstate == NURTURE_ERRCODE_REFUSED;
}

/* Events to store, and how many of them were repeats. */
typedef struct StoreAttempt
{
	IngestEvent **events;
	int			n;
	int64	   *repeats;
} StoreAttempt;

static void
attempt_store(void *arg)
{
	StoreAttempt *attempt = arg;

	*attempt->repeats = store(attempt->events, attempt->n);
}

/*
 * Stores events in a subtransaction; false with the error when that failed
 * because of them.
 */
static bool
try_store(IngestEvent **events, int n, int64 *repeats, ErrorData **failure)
{
	StoreAttempt attempt = {events, n, repeats};
	ErrorData  *error = nurture_try(attempt_store, &attempt, about_the_event);

	if (error != NULL)
		*failure = error;
	return error == NULL;
}

/* Stores those of leads, or those of organisations. */
static void
store_kind(IngestEvent *events, int n, bool of_account, IngestCounts *counts)
{
	IngestEvent **good = palloc(Max(n, 1) * sizeof(IngestEvent *));
	ErrorData  *failure;
	int64		repeats;
	int			ngood = 0;

	for (int i = 0; i < n; i++)
	{
		if (events[i].reason == NULL && events[i].of_account == of_account)
			good[ngood++] = &events[i];
	}
	if (ngood == 0)
		return;
	if (try_store(good, ngood, &repeats, &failure))
	{
		counts->duplicates += repeats;
		counts->inserted += ngood - repeats;
		return;
	}
	for (int i = 0; i < ngood; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (!try_store(&good[i], 1, &repeats, &failure))
		{
			nurture_ingest_set_reason(good[i], "refused", failure->message);
			continue;
		}
		counts->duplicates += repeats;
		counts->inserted += 1 - repeats;
	}
}

/* Stores the events that have no reason against it. */
void
nurture_ingest_store(IngestEvent *events, int n, IngestCounts *counts)
{
	store_kind(events, n, false, counts);
	store_kind(events, n, true, counts);
}
