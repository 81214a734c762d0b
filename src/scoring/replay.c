/*
 * replay.c
 *	  Stores events of nurture.event_quarantine after all: those whose
 *	  identity appeared, and those that were corrected.
 *
 * Their rows are locked first, and only unresolved ones are taken: an event
 * is stored once, however many try.
 */
#include "base/compat.h"

#include "base/clock.h"
#include "base/owner.h"
#include "base/plans.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "facts/identity.h"
#include "miscadmin.h"
#include "scoring/ingest.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

NURTURE_FUNCTION(nurture_replay);

#define REPLAY_CHUNK 1000		/* events stored by one statement */

static KeptPlan find_waiting = KEPT_PLAN(
										 "SELECT quarantine_id, payload, received_at FROM nurture.event_quarantine"
										 " WHERE waits_for = ANY ($1) AND resolved_at IS NULL"
										 " ORDER BY quarantine_id FOR UPDATE", TEXTARRAYOID);
static KeptPlan find_given = KEPT_PLAN(
									   "SELECT quarantine_id, payload, received_at FROM nurture.event_quarantine"
									   " WHERE quarantine_id = ANY ($1) AND resolved_at IS NULL"
									   " ORDER BY quarantine_id FOR UPDATE", INT8ARRAYOID);
static KeptPlan find_next = KEPT_PLAN(
									  "SELECT quarantine_id, payload, received_at FROM nurture.event_quarantine"
									  " WHERE quarantine_id > $1 AND resolved_at IS NULL"
									  " ORDER BY quarantine_id LIMIT $2 FOR UPDATE", INT8OID, INT4OID);
static KeptPlan resolve_rows = KEPT_PLAN(
										 "UPDATE nurture.event_quarantine SET resolved_at = @extschema@.nurture_now(), waits_for = NULL"
										 " WHERE quarantine_id = ANY ($1)", INT8ARRAYOID);
static KeptPlan keep_rows = KEPT_PLAN(
									  "UPDATE nurture.event_quarantine q SET reason = u.reason, detail = u.detail, waits_for = u.waits_for"
									  " FROM unnest($1, $2, $3, $4) AS u(quarantine_id, reason, detail, waits_for)"
									  " WHERE q.quarantine_id = u.quarantine_id"
									  " AND (q.reason, q.detail, q.waits_for) IS DISTINCT FROM (u.reason, u.detail, u.waits_for)",
									  INT8ARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID);

/* Events of one round with the rows they came from. */
typedef struct ReplayRound
{
	int			n;
	int64	   *quarantine_ids;
	IngestEvent *events;
} ReplayRound;

/* Reads the rows that a query has locked. */
static void
read_round(ReplayRound *round, MemoryContext context)
{
	const MatchRules *rules = nurture_match_rules();
	TimestampTz latest = nurture_now_wall() + EVENT_MAX_AHEAD;
	SPITupleTable *rows = SPI_tuptable;

	round->n = SPI_processed;
	MemoryContextSwitchTo(context);
	round->quarantine_ids = palloc(Max(round->n, 1) * sizeof(int64));
	round->events = MemoryContextAllocHuge(context,
										   Max(round->n, 1) * sizeof(IngestEvent));
	for (int i = 0; i < round->n; i++)
	{
		IngestEvent *event = &round->events[i];
		Jsonb	   *payload;
		JsonbValue	value;
		bool		isnull;

		SPI_tuptable = rows;
		round->quarantine_ids[i] = DatumGetInt64(nurture_cell(i, 1, &isnull));
		payload = DatumGetJsonbPCopy(nurture_cell(i, 2, &isnull));
		value.type = jbvBinary;
		value.val.binary.data = &payload->root;
		value.val.binary.len = VARSIZE(payload) - VARHDRSZ;
		nurture_ingest_read(event, &value, rules, latest);

		/* it happened when it came, not now that it is understood */
		SPI_tuptable = rows;
		if (event->nulls[EVENT_OCCURRED_AT])
		{
			event->values[EVENT_OCCURRED_AT] =
				Int64GetDatum(DatumGetInt64(nurture_cell(i, 3, &isnull)));
			event->nulls[EVENT_OCCURRED_AT] = false;
		}
	}
	SPI_freetuptable(rows);
}

/* Writes back what became of the rows; as the owner. */
static void
write_round(const ReplayRound *round)
{
	Datum	   *done = palloc(Max(round->n, 1) * sizeof(Datum));
	Datum	   *kept = palloc(Max(round->n, 1) * sizeof(Datum));
	Datum	   *reasons = palloc(Max(round->n, 1) * sizeof(Datum));
	Datum	   *details = palloc(Max(round->n, 1) * sizeof(Datum));
	Datum	   *waits = palloc(Max(round->n, 1) * sizeof(Datum));
	bool	   *waits_null = palloc(Max(round->n, 1) * sizeof(bool));
	Datum		parameters[4];
	int			ndone = 0;
	int			nkept = 0;

	for (int i = 0; i < round->n; i++)
	{
		const IngestEvent *event = &round->events[i];
		Datum		id = Int64GetDatum(round->quarantine_ids[i]);

		if (event->reason == NULL)
		{
			done[ndone++] = id;
			continue;
		}
		reasons[nkept] = CStringGetTextDatum(event->reason);
		details[nkept] = CStringGetTextDatum(event->detail);
		waits_null[nkept] = strcmp(event->reason, "unidentified") != 0;
		waits[nkept] = waits_null[nkept] ? (Datum) 0 : CStringGetTextDatum(event->waits_for);
		kept[nkept++] = id;
	}
	if (ndone > 0)
	{
		parameters[0] = nurture_ingest_array(done, NULL, ndone, INT8OID);
		(void) nurture_execute_latest(&resolve_rows, parameters, NULL, true);
	}
	if (nkept > 0)
	{
		parameters[0] = nurture_ingest_array(kept, NULL, nkept, INT8OID);
		parameters[1] = nurture_ingest_array(reasons, NULL, nkept, TEXTOID);
		parameters[2] = nurture_ingest_array(details, NULL, nkept, TEXTOID);
		parameters[3] = nurture_ingest_array(waits, waits_null, nkept, TEXTOID);
		(void) nurture_execute_latest(&keep_rows, parameters, NULL, true);
	}
}

/*
 * Replays the events that wait for keys, which the caller has locked, as the
 * owner: whoever sent them had the right to.
 */
static void
replay_keys(const char *const *keys, int n)
{
	MemoryContext context = CurrentMemoryContext;
	Datum	   *texts = palloc(n * sizeof(Datum));
	IngestCounts counts = {0};
	ReplayRound round;
	Datum		parameter;

	for (int i = 0; i < n; i++)
		texts[i] = CStringGetTextDatum(keys[i]);
	parameter = nurture_ingest_array(texts, NULL, n, TEXTOID);
	(void) nurture_execute_latest(&find_waiting, &parameter, NULL, true);
	if (SPI_processed == 0)
		return;
	read_round(&round, context);
	nurture_ingest_resolve(round.events, round.n);
	nurture_ingest_store(round.events, round.n, &counts);
	write_round(&round);
}

/* Lets the facts room call; from nurture_scoring_init. */
void
nurture_replay_init(void)
{
	nurture_identity_appeared = replay_keys;
}

/* Replays locked rows with the caller's rights to store events. */
static void
replay_round(ReplayRound *round, IngestCounts *counts, const OwnerSwitch *owner)
{
	OwnerSwitch again;

	nurture_ingest_resolve(round->events, round->n);
	nurture_owner_leave(owner);
	nurture_ingest_store(round->events, round->n, counts);
	nurture_owner_enter(&again);
	nurture_ingest_count(round->events, round->n, counts);
	write_round(round);
}

/*
 * nurture_replay(quarantine_ids bigint[], OUT inserted, OUT duplicates,
 * OUT quarantined, OUT unidentified)
 *
 * Asks for INSERT on nurture.event, as nurture_ingest does, and for UPDATE on
 * nurture.event_quarantine.
 */
Datum
nurture_replay(PG_FUNCTION_ARGS)
{
	IngestCounts counts = {0};
	MemoryContext context = CurrentMemoryContext;
	MemoryContext work;
	ReplayRound round;
	OwnerSwitch save;
	Datum		parameters[2];
	int			level;

	if (pg_class_aclcheck(nurture_table_oid("event", false), GetUserId(), ACL_INSERT) != ACLCHECK_OK)
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_TABLE, "event");
	if (pg_class_aclcheck(nurture_table_oid("event_quarantine", false), GetUserId(), ACL_UPDATE) != ACLCHECK_OK)
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_TABLE, "event_quarantine");

	work = AllocSetContextCreate(context, "nurture replay", ALLOCSET_DEFAULT_SIZES);
	level = nurture_spi_connect();
	MemoryContextSwitchTo(work);
	nurture_owner_enter(&save);
	if (!PG_ARGISNULL(0))
	{
		parameters[0] = PG_GETARG_DATUM(0);
		(void) nurture_execute_latest(&find_given, parameters, NULL, true);
		read_round(&round, work);
		replay_round(&round, &counts, &save);
	}
	else
	{
		int64		last = PG_INT64_MIN;

		do
		{
			CHECK_FOR_INTERRUPTS();
			parameters[0] = Int64GetDatum(last);
			parameters[1] = Int32GetDatum(REPLAY_CHUNK);
			(void) nurture_execute_latest(&find_next, parameters, NULL, true);
			read_round(&round, work);
			if (round.n == 0)
				break;
			last = round.quarantine_ids[round.n - 1];
			replay_round(&round, &counts, &save);
			MemoryContextReset(work);
		} while (round.n == REPLAY_CHUNK);
	}
	nurture_owner_leave(&save);
	nurture_spi_finish(level);
	MemoryContextSwitchTo(context);
	MemoryContextDelete(work);
	PG_RETURN_DATUM(nurture_ingest_result(fcinfo, &counts));
}
