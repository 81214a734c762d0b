/*
 * activity_rebuild.c
 *	  Counts kept events again.
 *
 * The result is what the triggers would have left, byte by byte: roll days
 * and base are kept, everything else comes from the events.  Rows are locked
 * before the events are read, so that an event is either seen here or added
 * by its own statement afterwards, never both and never neither.
 */
#include "base/compat.h"

#include "access/xact.h"
#include "base/clock.h"
#include "base/errors.h"
#include "base/owner.h"
#include "base/plans.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "facts/lead.h"
#include "miscadmin.h"
#include "scoring/activity.h"
#include "scoring/activity_private.h"
#include "scoring/tally_type.h"
#include "tcop/dest.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

NURTURE_FUNCTION(nurture_rebuild);

static KeptPlan make_rows = KEPT_PLAN(
									  "INSERT INTO nurture.activity (lead_id)"
									  " SELECT u.lead_id FROM unnest($1) AS u(lead_id)"
									  " WHERE (SELECT true FROM nurture.event e WHERE e.lead_id = u.lead_id LIMIT 1)"
									  " ON CONFLICT (lead_id) DO NOTHING", INT8ARRAYOID);
static KeptPlan lock_rows = KEPT_PLAN(
									  "SELECT lead_id, base, @extschema@.nurture_tally_rolled(signals),"
									  " @extschema@.nurture_tally_rolled(topics)"
									  " FROM nurture.activity WHERE lead_id = ANY ($1)"
									  " ORDER BY lead_id FOR NO KEY UPDATE", INT8ARRAYOID);
static KeptPlan events_of_leads = KEPT_PLAN(
											"SELECT lead_id, event_type, occurred_at, tags, properties"
											" FROM nurture.event WHERE lead_id = ANY ($1)", INT8ARRAYOID);
static KeptPlan all_rows = {
	"SELECT lead_id FROM nurture.activity", {0}, NULL, true
};
static KeptPlan all_special = {
	"SELECT lead_id, base, @extschema@.nurture_tally_rolled(signals),"
	" @extschema@.nurture_tally_rolled(topics)"
	" FROM nurture.activity"
	" WHERE @extschema@.nurture_tally_rolled(signals) IS NOT NULL"
	" OR @extschema@.nurture_tally_rolled(topics) IS NOT NULL"
	" OR NOT @extschema@.nurture_tally_eq(base, '{}'::@extschema@.nurture_tally)"
	" ORDER BY lead_id", {0}, NULL, true
};
static KeptPlan all_events = {
	"SELECT lead_id, event_type, occurred_at, tags, properties"
	" FROM nurture.event", {0}, NULL, true
};
static KeptPlan replace_rows = KEPT_PLAN(
										 "INSERT INTO nurture.activity AS a (lead_id, signals, topics, last_event_at)"
										 " SELECT u.lead_id, u.signals, u.topics, u.last_event_at"
										 " FROM unnest($1, $2, $3, $4) AS u(lead_id, signals, topics, last_event_at)"
										 " ON CONFLICT (lead_id) DO UPDATE SET signals = EXCLUDED.signals,"
										 " topics = EXCLUDED.topics, last_event_at = EXCLUDED.last_event_at"
										 " WHERE NOT @extschema@.nurture_tally_eq(a.signals, EXCLUDED.signals)"
										 " OR NOT @extschema@.nurture_tally_eq(a.topics, EXCLUDED.topics)"
										 " OR a.last_event_at IS DISTINCT FROM EXCLUDED.last_event_at",
										 INT8ARRAYOID, InvalidOid, InvalidOid, TIMESTAMPTZARRAYOID);

/* Receives events, or leads, straight from the executor. */
typedef struct CountReceiver
{
	DestReceiver pub;
	ActivityDelta *delta;
	const MatchRules *rules;
	EventMatch *match;
	MemoryContext row;			/* reset now and then */
	uint64		rows;
} CountReceiver;

static void
receiver_startup(DestReceiver *self, int operation, TupleDesc desc)
{
}

static void
receiver_end(DestReceiver *self)
{
}

static bool
receive_event(TupleTableSlot *slot, DestReceiver *self)
{
	CountReceiver *receiver = (CountReceiver *) self;
	MemoryContext old = MemoryContextSwitchTo(receiver->row);
	EventMatch *match = receiver->match;
	const MatchType *type;
	text	   *code;
	TimestampTz occurred_at;

	slot_getallattrs(slot);
	code = DatumGetTextPP(slot->tts_values[1]);
	occurred_at = DatumGetTimestampTz(slot->tts_values[2]);
	type = nurture_match_type(receiver->rules, VARDATA_ANY(code),
							  VARSIZE_ANY_EXHDR(code));
	if (type != NULL)
		nurture_match_event(receiver->rules, type,
							slot->tts_values[3], slot->tts_isnull[3],
							slot->tts_values[4], slot->tts_isnull[4],
							occurred_at, match);
	else
		match->ncounted = match->ntopics = 0;
	nurture_delta_count(receiver->delta, DatumGetInt64(slot->tts_values[0]),
						occurred_at, match);
	MemoryContextSwitchTo(old);
	if ((++receiver->rows & 255) == 0)
		MemoryContextReset(receiver->row);
	return true;
}

static bool
receive_lead(TupleTableSlot *slot, DestReceiver *self)
{
	CountReceiver *receiver = (CountReceiver *) self;

	slot_getallattrs(slot);
	nurture_delta_lead(receiver->delta, DatumGetInt64(slot->tts_values[0]));
	return true;
}

/* Runs a query with the latest snapshot and gives its rows to a receiver. */
static void
stream(KeptPlan *kept, Datum *parameter, CountReceiver *receiver,
	   bool (*receive) (TupleTableSlot *slot, DestReceiver *self))
{
	SPIPlanPtr	plan = nurture_plan(kept);
	SPIExecuteOptions options;
	int			result;

	receiver->pub.receiveSlot = receive;
	receiver->pub.rStartup = receiver_startup;
	receiver->pub.rShutdown = receiver_end;
	receiver->pub.rDestroy = receiver_end;
	receiver->pub.mydest = DestNone;

	memset(&options, 0, sizeof(options));
	options.read_only = true;	/* with the snapshot pushed here */
	options.dest = (DestReceiver *) receiver;
	if (parameter != NULL)
	{
		options.params = makeParamList(1);
		options.params->params[0].value = *parameter;
		options.params->params[0].isnull = false;
		options.params->params[0].pflags = PARAM_FLAG_CONST;
		options.params->params[0].ptype = INT8ARRAYOID;
	}
	CommandCounterIncrement();	/* see this transaction's own changes */
	PushActiveSnapshot(GetLatestSnapshot());
	result = SPI_execute_plan_extended(plan, &options);
	PopActiveSnapshot();
	if (result < 0)
		elog(ERROR, "could not execute \"%s\": %s", kept->query,
			 SPI_result_code_string(result));
}

static CountReceiver *
make_receiver(void)
{
	CountReceiver *receiver = palloc0(sizeof(CountReceiver));

	receiver->rules = nurture_match_rules();
	receiver->match = nurture_match_create(receiver->rules);
	receiver->delta = nurture_delta_create();
	receiver->row = AllocSetContextCreate(CurrentMemoryContext,
										  "nurture event",
										  ALLOCSET_DEFAULT_SIZES);
	return receiver;
}

/* Folds a tally to a returned roll day, if there is one. */
static Datum
rolled_again(Datum tally, uint64 row, int column)
{
	bool		isnull;
	Datum		day = nurture_cell(row, column, &isnull);
	Tally		t = nurture_tally_of(tally, NULL);
	struct varlena *result;
	TallyStatus status;
	size_t		length;

	if (isnull)
		return tally;
	result = nurture_tally_alloc(nurture_tally_roll_bound(&t));
	status = nurture_tally_roll(&t,
								(uint16) (DatumGetDateADT(day) + NURTURE_EPOCH_OFFSET_DAYS),
								(unsigned char *) VARDATA(result), &length);
	if (status != TALLY_OK)
		nurture_tally_raise(status);
	return nurture_tally_close(result, length);
}

/* Puts a lead's row together; row is that of lock_rows or all_special. */
static void
put_row(ActivityRows *rows, const DeltaLead *lead, int64 row)
{
	Datum		signals = lead->signals;
	Datum		topics = lead->topics;
	bool		isnull;

	if (row >= 0)
	{
		signals = nurture_tally_plus(rolled_again(signals, row, 3),
									 nurture_cell(row, 2, &isnull));
		topics = rolled_again(topics, row, 4);
	}
	nurture_activity_put(rows, lead->lead_id, signals, topics,
						 lead->last_event_at);
}

static int64
rebuild_chunk(const int64 *leads, int n)
{
	CountReceiver *receiver = make_receiver();
	ActivityRows *rows = nurture_activity_rows(n);
	Datum		parameter = nurture_lead_array(leads, n);
	SPITupleTable *locked;
	int64		nlocked;
	uint32		ncounted;
	DeltaLead **counted;
	bool		isnull;

	(void) nurture_execute_latest(&make_rows, &parameter, NULL, true);
	(void) nurture_execute_latest(&lock_rows, &parameter, NULL, true);
	locked = SPI_tuptable;
	nlocked = SPI_processed;

	/* leads without events are part of the delta too */
	for (int64 row = 0; row < nlocked; row++)
		nurture_delta_lead(receiver->delta,
						   DatumGetInt64(nurture_cell(row, 1, &isnull)));
	stream(&events_of_leads, &parameter, receiver, receive_event);
	SPI_tuptable = locked;
	counted = nurture_delta_finish(receiver->delta, &ncounted);
	for (int64 row = 0, i = 0; row < nlocked; row++)
	{
		int64		lead_id = DatumGetInt64(nurture_cell(row, 1, &isnull));

		while (counted[i]->lead_id < lead_id)
			i++;
		put_row(rows, counted[i], row);
	}
	nurture_activity_write(rows);
	SPI_freetuptable(locked);
	return nlocked;
}

/* Counts the events of some leads again. */
int64
nurture_activity_rebuild(const int64 *leads, int nleads)
{
	int64		rebuilt = 0;
	MemoryContext context;

	context = AllocSetContextCreate(CurrentMemoryContext, "nurture rebuild",
									ALLOCSET_DEFAULT_SIZES);
	for (int i = 0; i < nleads; i += ACTIVITY_CHUNK)
	{
		MemoryContext old = MemoryContextSwitchTo(context);

		CHECK_FOR_INTERRUPTS();
		rebuilt += rebuild_chunk(leads + i, Min(nleads - i, ACTIVITY_CHUNK));
		MemoryContextSwitchTo(old);
		MemoryContextReset(context);
	}
	MemoryContextDelete(context);
	return rebuilt;
}

/*
 * Counts all events again.  Writers of activity wait until the transaction
 * ends; readers do not.  Rows that are right stay untouched.
 */
static int64
rebuild_all(void)
{
	CountReceiver *receiver = make_receiver();
	SPITupleTable *special;
	int64		nspecial;
	int64		row = 0;
	uint32		nleads;
	DeltaLead **leads;
	MemoryContext context;
	bool		isnull;

	if (SPI_execute("LOCK TABLE nurture.activity IN SHARE ROW EXCLUSIVE MODE",
					false, 0) != SPI_OK_UTILITY)
		elog(ERROR, "could not lock nurture.activity");
	stream(&all_rows, NULL, receiver, receive_lead);
	stream(&all_events, NULL, receiver, receive_event);
	leads = nurture_delta_finish(receiver->delta, &nleads);
	(void) nurture_execute_latest(&all_special, NULL, NULL, false);
	special = SPI_tuptable;
	nspecial = SPI_processed;

	context = AllocSetContextCreate(CurrentMemoryContext, "nurture rebuild",
									ALLOCSET_DEFAULT_SIZES);
	for (uint32 i = 0; i < nleads; i += ACTIVITY_CHUNK)
	{
		uint32		end = Min((uint64) nleads, (uint64) i + ACTIVITY_CHUNK);
		MemoryContext old = MemoryContextSwitchTo(context);
		ActivityRows *rows = nurture_activity_rows(end - i);

		CHECK_FOR_INTERRUPTS();
		SPI_tuptable = special;
		for (uint32 j = i; j < end; j++)
		{
			bool		is_special = row < nspecial &&
			DatumGetInt64(nurture_cell(row, 1, &isnull)) == leads[j]->lead_id;

			put_row(rows, leads[j], is_special ? row : -1);
			if (is_special)
				row++;
		}
		nurture_activity_execute(&replace_rows, rows);
		MemoryContextSwitchTo(old);
		MemoryContextReset(context);
	}
	MemoryContextDelete(context);
	return nleads;
}

/*
 * nurture_rebuild(lead_id bigint DEFAULT NULL) returns bigint
 *
 * Counts the kept events of one lead, or of all, again and returns how many
 * leads have activity.
 */
Datum
nurture_rebuild(PG_FUNCTION_ARGS)
{
	int64		rebuilt;
	OwnerSwitch save;
	int			level;

	if (!has_privs_of_role(GetUserId(), nurture_owner_oid()))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to rebuild activity"),
				 errhint("Only the owner of schema nurture may call nurture_rebuild.")));
	nurture_owner_enter(&save);
	level = nurture_spi_connect();
	if (PG_ARGISNULL(0))
		rebuilt = rebuild_all();
	else
	{
		int64		lead_id = PG_GETARG_INT64(0);

		rebuilt = nurture_activity_rebuild(&lead_id, 1);
		if (rebuilt == 0 && !nurture_lead_exists(lead_id))
			ereport(ERROR,
					(errcode(NURTURE_ERRCODE_UNKNOWN_LEAD),
					 errmsg("unknown lead %lld", (long long) lead_id)));
	}
	nurture_spi_finish(level);
	nurture_owner_leave(&save);
	PG_RETURN_INT64(rebuilt);
}
