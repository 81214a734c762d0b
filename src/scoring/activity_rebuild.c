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

#include "base/clock.h"
#include "base/errors.h"
#include "base/owner.h"
#include "base/plans.h"
#include "catalog/pg_type.h"
#include "facts/lead.h"
#include "miscadmin.h"
#include "scoring/activity.h"
#include "scoring/activity_private.h"
#include "scoring/tally_type.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

NURTURE_FUNCTION(nurture_rebuild);

/* What of a row its events do not tell. */
#define ROW_PARTS \
	"lead_id, base, base_topics, base_last_event_at," \
	" @extschema@.nurture_tally_rolled(signals)," \
	" @extschema@.nurture_tally_rolled(topics)"

static KeptPlan make_rows = KEPT_PLAN(
									  "INSERT INTO nurture.activity (lead_id)"
									  " SELECT u.lead_id FROM unnest($1) AS u(lead_id)"
									  " WHERE (SELECT true FROM nurture.event e WHERE e.lead_id = u.lead_id LIMIT 1)"
									  " ON CONFLICT (lead_id) DO NOTHING", INT8ARRAYOID);
static KeptPlan lock_rows = KEPT_PLAN(
									  "SELECT " ROW_PARTS
									  " FROM nurture.activity WHERE lead_id = ANY ($1)"
									  " ORDER BY lead_id FOR NO KEY UPDATE", INT8ARRAYOID);
static KeptPlan events_of_leads = KEPT_PLAN(
											"SELECT lead_id, event_type, occurred_at, tags, properties"
											" FROM nurture.event WHERE lead_id = ANY ($1)", INT8ARRAYOID);
static KeptPlan all_rows = {
	"SELECT lead_id FROM nurture.activity", {0}, NULL, true
};
static KeptPlan all_special = {
	"SELECT " ROW_PARTS
	" FROM nurture.activity"
	" WHERE @extschema@.nurture_tally_rolled(signals) IS NOT NULL"
	" OR @extschema@.nurture_tally_rolled(topics) IS NOT NULL"
	" OR NOT @extschema@.nurture_tally_eq(base, '{}'::@extschema@.nurture_tally)"
	" OR NOT @extschema@.nurture_tally_eq(base_topics, '{}'::@extschema@.nurture_tally)"
	" OR base_last_event_at IS NOT NULL"
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

/* Returns what a lead's events and its base make, folded to a roll day. */
static Datum
whole_tally(Datum events, Datum base, Datum roll_day, bool never_rolled)
{
	Datum		whole = nurture_tally_plus(events, base);

	if (never_rolled)
		return whole;
	return nurture_tally_fold(whole, (uint16) (DatumGetDateADT(roll_day) +
											   NURTURE_EPOCH_OFFSET_DAYS));
}

/*
 * Puts a lead's row together; row is that of lock_rows or all_special.  What
 * is folded is folded last: only then is a day that events and base share
 * one distinct day.
 */
static void
put_row(ActivityRows *rows, const DeltaLead *lead, int64 row)
{
	Datum		signals = lead->signals;
	Datum		topics = lead->topics;
	TimestampTz last_event_at = lead->last_event_at;

	if (row >= 0)
	{
		Datum		cells[6];
		bool		nulls[6];

		for (int i = 0; i < 6; i++)
			cells[i] = nurture_cell(row, i + 2, &nulls[i]);
		signals = whole_tally(signals, cells[0], cells[3], nulls[3]);
		topics = whole_tally(topics, cells[1], cells[4], nulls[4]);
		if (!nulls[2])
			last_event_at = Max(last_event_at, DatumGetTimestampTz(cells[2]));
	}
	nurture_activity_put(rows, lead->lead_id, signals, topics, last_event_at);
}

static int64
rebuild_chunk(const int64 *leads, int n)
{
	EventCounter *counter = nurture_event_counter();
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
		nurture_delta_lead(counter->delta,
						   DatumGetInt64(nurture_cell(row, 1, &isnull)));
	nurture_count_events(counter, &events_of_leads, &parameter);
	counted = nurture_delta_settle(counter->delta, &ncounted);
	SPI_tuptable = locked;
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
 * ends, those too that have only locked a row so far: they would wait for us
 * with a lock we wait for.  Readers do not.  Rows that are right stay
 * untouched.
 */
static int64
rebuild_all(void)
{
	EventCounter *counter = nurture_event_counter();
	SPITupleTable *special;
	int64		nspecial;
	int64		row = 0;
	uint32		nleads;
	DeltaLead **leads;
	MemoryContext context;
	bool		isnull;

	if (SPI_execute("LOCK TABLE nurture.activity IN EXCLUSIVE MODE",
					false, 0) != SPI_OK_UTILITY)
		elog(ERROR, "could not lock nurture.activity");
	nurture_count_leads(counter, &all_rows);
	nurture_count_events(counter, &all_events, NULL);
	leads = nurture_delta_settle(counter->delta, &nleads);
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
