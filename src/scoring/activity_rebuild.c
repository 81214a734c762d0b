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
	" @extschema@.nurture_tally_rolled(topics), merged_into IS NOT NULL"

static KeptPlan make_rows = KEPT_PLAN(
									  "INSERT INTO nurture.activity (lead_id)"
									  " SELECT u.lead_id FROM unnest($1) AS u(lead_id)"
									  " WHERE (SELECT true FROM nurture.event e WHERE e.lead_id = u.lead_id LIMIT 1)"
									  " ON CONFLICT (lead_id) DO NOTHING", INT8ARRAYOID);
static KeptPlan lock_rows = KEPT_PLAN(
									  "SELECT " ROW_PARTS
									  " FROM nurture.activity WHERE lead_id = ANY ($1) AND merged_into IS NULL"
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

/* A base on its way into a tally. */
typedef struct AddedBase
{
	Datum		tally;
	uint16		roll_day;
} AddedBase;

static int
compare_bases(const void *a, const void *b)
{
	return (int) ((const AddedBase *) a)->roll_day -
		(int) ((const AddedBase *) b)->roll_day;
}

/*
 * Returns what the events of a group and its bases make, folded to a roll
 * day.  Days are folded as late as can be: a day that two of them share is
 * one distinct day as long as both still know it.
 */
static Datum
whole_tally(Datum events, const Datum *base, const GroupMember *members,
			int nmembers, int kind, int32 roll_day)
{
	AddedBase  *bases = palloc((nmembers + 1) * sizeof(AddedBase));
	int			n = 0;

	if (base != NULL)
		bases[n++].tally = *base;
	for (int i = 0; i < nmembers; i++)
	{
		if (members[i].no_row)
			continue;
		bases[n++].tally = members[i].base[kind];
		roll_day = Max(roll_day, members[i].roll_day[kind]);
	}
	for (int i = 0; i < n; i++)
		bases[i].roll_day = nurture_tally_of(bases[i].tally, NULL).roll_day;
	if (n > 1)
		qsort(bases, n, sizeof(AddedBase), compare_bases);
	for (int i = 0; i < n; i++)
		events = nurture_tally_plus(events, bases[i].tally);
	return roll_day > 0 ? nurture_tally_fold(events, (uint16) roll_day) : events;
}

/*
 * Puts a lead's row together; row is that of lock_rows or all_special, -1
 * when there is nothing that the events do not tell.  What is folded is folded
 * last: only then is a day that events and base share one distinct day.  The
 * row of a merged lead counts nothing, its base least of all.
 */
static void
put_row(ActivityRows *rows, const DeltaLead *lead, int64 row,
		const ActivityGroups *groups)
{
	Datum		tallies[2];
	Datum		bases[2];
	int32		roll_days[2] = {0, 0};
	bool		merged = false;
	TimestampTz last_event_at = lead->last_event_at;
	int			nmembers;
	const GroupMember *members = nurture_groups_of(groups, lead->lead_id, &nmembers);
	bool		isnull;

	tallies[0] = lead->signals;
	tallies[1] = lead->topics;
	if (row >= 0)
	{
		Datum		last;

		merged = DatumGetBool(nurture_cell(row, 7, &isnull));
		for (int kind = 0; kind < 2; kind++)
		{
			Datum		day;

			bases[kind] = nurture_cell(row, 2 + kind, &isnull);
			day = nurture_cell(row, 5 + kind, &isnull);
			if (!isnull)
				roll_days[kind] = DatumGetDateADT(day) + NURTURE_EPOCH_OFFSET_DAYS;
		}
		last = nurture_cell(row, 4, &isnull);
		if (!isnull && !merged)
			last_event_at = Max(last_event_at, DatumGetTimestampTz(last));
	}
	for (int i = 0; i < nmembers; i++)
	{
		if (!members[i].no_row)
			last_event_at = Max(last_event_at, members[i].base_last_event_at);
	}
	if (row >= 0 || nmembers > 0)
	{
		for (int kind = 0; kind < 2; kind++)
			tallies[kind] = whole_tally(tallies[kind],
										row >= 0 && !merged ? &bases[kind] : NULL,
										members, nmembers, kind, roll_days[kind]);
	}
	nurture_activity_put(rows, lead->lead_id, tallies[0], tallies[1],
						 last_event_at);
}

/*
 * Counts again the rows of some leads that stand for themselves; rows of
 * others are left alone.
 */
static int64
rebuild_chunk(const int64 *leads, int n)
{
	EventCounter *counter = nurture_event_counter();
	ActivityRows *rows = nurture_activity_rows(n);
	Datum		parameter = nurture_lead_array(leads, n);
	SPITupleTable *locked;
	ActivityGroups *groups;
	int64		nlocked;
	int64	   *counting;
	uint32		ncounted;
	DeltaLead **counted;
	bool		isnull;

	(void) nurture_execute_latest(&make_rows, &parameter, NULL, true);
	(void) nurture_execute_latest(&lock_rows, &parameter, NULL, true);
	locked = SPI_tuptable;
	nlocked = SPI_processed;
	counting = palloc(Max(nlocked, 1) * sizeof(int64));
	for (int64 row = 0; row < nlocked; row++)
		counting[row] = DatumGetInt64(nurture_cell(row, 1, &isnull));

	/* whose rows are ours cannot come or go; leads without events count too */
	groups = nurture_groups_read(counting, (int) nlocked);
	if (groups->n > 0)
		counting = repalloc_huge(counting, (nlocked + groups->n) * sizeof(int64));
	for (int i = 0; i < groups->n; i++)
		counting[nlocked + i] = groups->members[i].lead_id;
	for (int64 i = 0; i < nlocked + groups->n; i++)
		nurture_delta_lead(counter->delta, counting[i]);
	if (groups->n > 0 || nlocked < n)
		parameter = nurture_lead_array(counting, (int) (nlocked + groups->n));
	nurture_count_events(counter, &events_of_leads, &parameter);
	counted = nurture_delta_settle(counter->delta, &ncounted);
	nurture_groups_add(groups, counted, ncounted);
	SPI_tuptable = locked;
	for (int64 row = 0, i = 0; row < nlocked; row++)
	{
		int64		lead_id = DatumGetInt64(nurture_cell(row, 1, &isnull));

		while (counted[i]->lead_id < lead_id)
			i++;
		put_row(rows, counted[i], row, groups);
	}
	nurture_activity_write(rows);
	SPI_freetuptable(locked);
	return nlocked;
}

static int64
rebuild_survivors(const int64 *leads, int nleads)
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
 * Counts the events of some leads again.  Whoever counts for them is asked
 * again once the rows are locked: only then can it no longer change.
 */
int64
nurture_activity_rebuild(const int64 *leads, int nleads)
{
	size_t		size = Max(nleads, 1) * sizeof(int64);
	int64	   *survivors = MemoryContextAllocHuge(CurrentMemoryContext, size);
	int64	   *now = MemoryContextAllocHuge(CurrentMemoryContext, size);
	int64		rebuilt;
	int			n;

	memcpy(survivors, leads, nleads * sizeof(int64));
	n = nurture_merged_survivors(survivors, nleads);
	for (;;)
	{
		int			m;

		rebuilt = rebuild_survivors(survivors, n);
		memcpy(now, leads, nleads * sizeof(int64));
		m = nurture_merged_survivors(now, nleads);
		if (m == n && memcmp(now, survivors, n * sizeof(int64)) == 0)
			break;
		n = m;
		memcpy(survivors, now, n * sizeof(int64));
	}
	pfree(survivors);
	pfree(now);
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
	ActivityGroups *groups;
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
	groups = nurture_groups_read(NULL, 0);
	nurture_groups_add(groups, leads, nleads);
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

			put_row(rows, leads[j], is_special ? row : -1, groups);
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
					 errmsg("there is no lead %lld", (long long) lead_id),
					 errhint("Or you may not see it; nurture.lead lists those you may.")));
	}
	nurture_spi_finish(level);
	nurture_owner_leave(&save);
	PG_RETURN_INT64(rebuilt);
}
