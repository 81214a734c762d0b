/*
 * activity.c
 *	  Writes gathered counts to nurture.activity.
 *
 * Inserting only ever adds, so it is one upsert whose right side needs no
 * look at the row before: it waits for whoever holds the row and adds to what
 * they left.  Taking away has to see the row: saturated and folded counts
 * cannot be taken from, and then the lead is counted again from its events.
 *
 * Everything here reads with the latest snapshot, at any isolation level:
 * counts are facts about the table, not part of the transaction's view.
 * A row that is changed by others between snapshot and lock still raises
 * 40001 above READ COMMITTED.
 */
#include "base/compat.h"

#include "access/xact.h"
#include "base/clock.h"
#include "base/owner.h"
#include "base/plans.h"
#include "base/row.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "scoring/activity.h"
#include "scoring/activity_private.h"
#include "scoring/tally_type.h"
#include "utils/array.h"
#include "utils/date.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

uint64		nurture_merged_counted = 0;

/*
 * The look at nurture.lead is a sub-select so that it stays one probe per
 * row in the order of the arrays, which is the order of locking.  A row that
 * is made says that the lead was seen: whoever deletes the lead waits for it.
 * One that is there keeps what it says, since the lead may have gone between
 * our snapshot and our lock.  Rows of merged leads are left alone, and best
 * not locked: what they get counts for their survivors, whose rows may come
 * before them.
 */
static KeptPlan upsert_many = KEPT_PLAN(
										"INSERT INTO nurture.activity AS a (lead_id, signals, topics, last_event_at, lead_seen)"
										" SELECT u.* FROM (SELECT lead_id, signals, topics, last_event_at,"
										" (SELECT l.merged_into IS NULL FROM nurture.lead l WHERE l.lead_id = u.lead_id AND l.erased_at IS NULL) AS lead_seen"
										" FROM unnest($1, $2, $3, $4) AS u(lead_id, signals, topics, last_event_at) OFFSET 0) AS u"
										" WHERE u.lead_seen"
										" ON CONFLICT (lead_id) DO UPDATE SET"
										" signals = @extschema@.nurture_tally_merge(a.signals, EXCLUDED.signals),"
										" topics = @extschema@.nurture_tally_merge(a.topics, EXCLUDED.topics),"
										" last_event_at = greatest(a.last_event_at, EXCLUDED.last_event_at)"
										" WHERE a.merged_into IS NULL"
										" RETURNING a.lead_id, greatest("
										"@extschema@.nurture_tally_rolled(a.signals),"
										" @extschema@.nurture_tally_rolled(a.topics)), a.lead_seen",
										INT8ARRAYOID, InvalidOid, InvalidOid, TIMESTAMPTZARRAYOID);

/*
 * One lead without a row, or when rows cannot be written directly.  What
 * returning would tell about folded days nurture_tally_late tells for less.
 */
static KeptPlan upsert_one = KEPT_PLAN(
									   "INSERT INTO nurture.activity AS a (lead_id, signals, topics, last_event_at, lead_seen)"
									   " SELECT $1, $2, $3, $4, true"
									   " FROM nurture.lead l WHERE l.lead_id = $1 AND l.merged_into IS NULL AND l.erased_at IS NULL"
									   " ON CONFLICT (lead_id) DO UPDATE SET"
									   " signals = @extschema@.nurture_tally_merge(a.signals, EXCLUDED.signals),"
									   " topics = @extschema@.nurture_tally_merge(a.topics, EXCLUDED.topics),"
									   " last_event_at = greatest(a.last_event_at, EXCLUDED.last_event_at)"
									   " WHERE a.merged_into IS NULL"
									   " RETURNING a.lead_seen",
									   INT8OID, InvalidOid, InvalidOid, TIMESTAMPTZOID);

/*
 * The first of some leads that is not there, or was erased; asked about rows that do not say
 * that it was seen, once they are ours.
 */
static KeptPlan find_gone = KEPT_PLAN(
									  "SELECT u.lead_id FROM unnest($1) AS u(lead_id)"
									  " WHERE NOT EXISTS (SELECT FROM nurture.lead l WHERE l.lead_id = u.lead_id AND l.erased_at IS NULL)"
									  " LIMIT 1", INT8ARRAYOID);
static KeptPlan lock_rows = KEPT_PLAN(
									  "SELECT lead_id, signals, topics, last_event_at"
									  " FROM nurture.activity WHERE lead_id = ANY ($1) AND merged_into IS NULL"
									  " ORDER BY lead_id FOR NO KEY UPDATE", INT8ARRAYOID);

/* of a survivor also what those merged into it did */
static KeptPlan last_events = KEPT_PLAN(
										"WITH RECURSIVE down AS (SELECT u.lead_id AS survivor, u.lead_id, 0 AS depth"
										" FROM unnest($1) AS u(lead_id) UNION ALL"
										" SELECT down.survivor, l.lead_id, down.depth + 1 FROM down"
										" JOIN nurture.lead l ON l.merged_into = down.lead_id"
										" WHERE l.merged_into IS NOT NULL AND down.depth < 64)"
										" SELECT down.survivor, max(greatest(a.base_last_event_at,"
										" (SELECT max(e.occurred_at) FROM nurture.event e WHERE e.lead_id = down.lead_id)))"
										" FROM down LEFT JOIN nurture.activity a ON a.lead_id = down.lead_id"
										" GROUP BY down.survivor ORDER BY down.survivor", INT8ARRAYOID);
static KeptPlan write_rows = KEPT_PLAN(
									   "UPDATE nurture.activity a SET signals = u.signals, topics = u.topics,"
									   " last_event_at = u.last_event_at"
									   " FROM unnest($1, $2, $3, $4) AS u(lead_id, signals, topics, last_event_at)"
									   " WHERE a.lead_id = u.lead_id",
									   INT8ARRAYOID, InvalidOid, InvalidOid, TIMESTAMPTZARRAYOID);

/* Makes room for so many rows. */
ActivityRows *
nurture_activity_rows(int room)
{
	ActivityRows *rows = palloc(sizeof(ActivityRows));

	rows->n = 0;
	rows->room = room;
	rows->lead_ids = palloc(room * sizeof(Datum));
	rows->signals = palloc(room * sizeof(Datum));
	rows->topics = palloc(room * sizeof(Datum));
	rows->last = palloc(room * sizeof(Datum));
	rows->last_null = palloc(room * sizeof(bool));
	return rows;
}

/* Appends a row; DT_NOBEGIN stands for no last event. */
void
nurture_activity_put(ActivityRows *rows, int64 lead_id, Datum signals,
					 Datum topics, TimestampTz last_event_at)
{
	int			i = rows->n++;

	Assert(i < rows->room);
	rows->lead_ids[i] = Int64GetDatum(lead_id);
	rows->signals[i] = signals;
	rows->topics[i] = topics;
	rows->last[i] = TimestampTzGetDatum(last_event_at);
	rows->last_null[i] = last_event_at == DT_NOBEGIN;
}

/* Sets the types that are known only once the tables are there. */
static void
set_tally_types(KeptPlan *kept, bool arrays)
{
	Oid			type = nurture_tally_type_oid();

	if (arrays)
		type = get_array_type(type);
	if (kept->argtypes[1] == type)
		return;
	if (kept->plan != NULL)
	{
		SPI_freeplan(kept->plan);
		kept->plan = NULL;
	}
	kept->argtypes[1] = type;
	kept->argtypes[2] = type;
}

/* Runs a query whose parameters are the arrays of lead_id, signals, topics and last_event_at. */
void
nurture_activity_execute(KeptPlan *kept, ActivityRows *rows)
{
	Oid			type = nurture_tally_type_oid();
	int			dim = rows->n;
	int			lower = 1;
	Datum		parameters[4];

	set_tally_types(kept, true);
	parameters[0] = PointerGetDatum(construct_array(rows->lead_ids, rows->n,
													INT8OID, 8,
													FLOAT8PASSBYVAL,
													TYPALIGN_DOUBLE));
	parameters[1] = PointerGetDatum(construct_array(rows->signals, rows->n,
													type, -1, false,
													TYPALIGN_INT));
	parameters[2] = PointerGetDatum(construct_array(rows->topics, rows->n,
													type, -1, false,
													TYPALIGN_INT));
	parameters[3] = PointerGetDatum(construct_md_array(rows->last,
													   rows->last_null, 1,
													   &dim, &lower,
													   TIMESTAMPTZOID, 8,
													   FLOAT8PASSBYVAL,
													   TYPALIGN_DOUBLE));
	(void) nurture_execute_latest(kept, parameters, NULL, true);
}

/* Writes rows that are there and locked. */
void
nurture_activity_write(ActivityRows *rows)
{
	if (rows->n > 0)
		nurture_activity_execute(&write_rows, rows);
}

/* Returns lead ids as an array. */
Datum
nurture_lead_array(const int64 *leads, int n)
{
	Datum	   *lead_ids = palloc(Max(n, 1) * sizeof(Datum));

	for (int i = 0; i < n; i++)
		lead_ids[i] = Int64GetDatum(leads[i]);
	return PointerGetDatum(construct_array(lead_ids, n, INT8OID, 8,
										   FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}

/* Appends a lead. */
void
nurture_list_lead(LeadList *list, int64 lead_id)
{
	if (list->n == list->room)
	{
		list->room = Max(list->room * 2, 64);
		list->leads = list->leads == NULL ?
			MemoryContextAlloc(list->context, list->room * sizeof(int64)) :
			repalloc_huge(list->leads, list->room * sizeof(int64));
	}
	list->leads[list->n++] = lead_id;
}

static int
compare_lead_ids(const void *a, const void *b)
{
	int64		x = *(const int64 *) a;
	int64		y = *(const int64 *) b;

	return (x > y) - (x < y);
}

/* Counts the events of listed leads again, each once and ascending. */
void
nurture_rebuild_listed(LeadList *list)
{
	int			n = 0;

	if (likely(list->n == 0))
		return;
	qsort(list->leads, list->n, sizeof(int64), compare_lead_ids);
	for (int i = 0; i < list->n; i++)
	{
		if (n == 0 || list->leads[n - 1] != list->leads[i])
			list->leads[n++] = list->leads[i];
	}
	(void) nurture_activity_rebuild(list->leads, n);
}

/* Returns the roll day of a returned row, or a day before all others. */
static int32
returned_roll_day(uint64 row)
{
	bool		isnull;
	Datum		day = nurture_cell(row, 2, &isnull);

	return isnull ? PG_INT32_MIN :
		DatumGetDateADT(day) + NURTURE_EPOCH_OFFSET_DAYS;
}

static const char *const activity_columns[] = {
	"lead_id", "signals", "topics", "base", "last_event_at", "base_topics",
	"base_last_event_at", "lead_seen"
};

/* Their places, from 0. */
enum
{
	ACTIVITY_SIGNALS = 1, ACTIVITY_TOPICS = 2, ACTIVITY_LAST = 4,
	ACTIVITY_SEEN = 7
};

/*
 * Tells whether there is a lead that was not erased; *unmerged whether it was
 * not merged into another.
 */
static bool
see_lead(int64 lead_id, Snapshot snapshot, bool *unmerged)
{
	RowTable	leads;
	bool		known;
	bool		isnull = false;

	(void) nurture_row_open(&leads, nurture_table_oid("lead", false),
							ROW_READ, NULL, 0);
	known = nurture_row_find(&leads, lead_id, snapshot);
	if (known)
	{
		(void) slot_getattr(leads.found,
							get_attnum(RelationGetRelid(leads.rel), "erased_at"),
							&known);
		(void) slot_getattr(leads.found,
							get_attnum(RelationGetRelid(leads.rel), "merged_into"),
							&isnull);
	}
	nurture_row_close(&leads);
	*unmerged = isnull;
	return known;
}

/*
 * Adds to the row of one lead without a query; false when there is no row, no
 * lead, when it was merged, or the tables are not plain.
 *
 * A row that says that the lead was seen spares the look at nurture.lead:
 * nurture_lead_unseen takes that back, holding the row until the lead is
 * gone.  Therefore it can be set only on a version of the row that is still
 * the latest when it is written, by the snapshot that saw the lead.
 */
static bool
add_to_row(const DeltaLead *lead)
{
	RowTable	activity;
	Snapshot	snapshot;
	bool		done = false;

	if (!nurture_row_open(&activity, nurture_table_oid("activity", false),
						  ROW_UPDATE, activity_columns, lengthof(activity_columns)))
		return false;
	CommandCounterIncrement();	/* see this transaction's own changes */
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	while (!done && nurture_row_find(&activity, lead->lead_id, snapshot))
	{
		int			natts = RelationGetDescr(activity.rel)->natts;
		Datum	   *values = activity.row->tts_values;
		bool	   *nulls = activity.row->tts_isnull;

		slot_getallattrs(activity.found);
		ExecClearTuple(activity.row);
		memcpy(values, activity.found->tts_values, natts * sizeof(Datum));
		memcpy(nulls, activity.found->tts_isnull, natts * sizeof(bool));
		if (!DatumGetBool(values[ACTIVITY_SEEN]))
		{
			bool		unmerged;

			if (!see_lead(lead->lead_id, snapshot, &unmerged) || !unmerged)
				break;
			values[ACTIVITY_SEEN] = BoolGetDatum(true);
		}
		values[ACTIVITY_SIGNALS] = nurture_tally_gather(values[ACTIVITY_SIGNALS],
														lead->signals);
		values[ACTIVITY_TOPICS] = nurture_tally_gather(values[ACTIVITY_TOPICS],
													   lead->topics);
		if (nulls[ACTIVITY_LAST] ||
			DatumGetTimestampTz(values[ACTIVITY_LAST]) < lead->last_event_at)
			values[ACTIVITY_LAST] = TimestampTzGetDatum(lead->last_event_at);
		nulls[ACTIVITY_LAST] = false;
		ExecStoreVirtualTuple(activity.row);
		done = nurture_row_update(&activity, snapshot);
		if (!done)
		{
			UnregisterSnapshot(snapshot);
			snapshot = RegisterSnapshot(GetLatestSnapshot());
		}
	}
	UnregisterSnapshot(snapshot);
	nurture_row_close(&activity);
	return done;
}

/* Tells whether leads are there, now that their rows are ours; else names one. */
static bool
all_there(const int64 *leads, int n, int64 *unknown_lead)
{
	Datum		parameter = nurture_lead_array(leads, n);
	bool		isnull;

	(void) nurture_execute_latest(&find_gone, &parameter, NULL, false);
	if (SPI_processed == 0)
		return true;
	*unknown_lead = DatumGetInt64(nurture_cell(0, 1, &isnull));
	return false;
}

/*
 * Leads whose rows took nothing: they were merged, and are listed so that
 * their survivors are counted again; false names one that is not there.
 */
static bool
not_added(const int64 *leads, int n, LeadList *late, int64 *unknown_lead)
{
	if (!all_there(leads, n, unknown_lead))
		return false;
	nurture_merged_counted++;
	for (int i = 0; i < n; i++)
		nurture_list_lead(late, leads[i]);
	return true;
}

/* Adds one lead; false when it does not exist. */
static bool
add_one(DeltaLead *lead, LeadList *late, int64 *unknown_lead)
{
	Datum		parameters[4];
	bool		isnull;
	uint64		late_before = nurture_tally_late;

	parameters[0] = Int64GetDatum(lead->lead_id);
	parameters[1] = lead->signals;
	parameters[2] = lead->topics;
	parameters[3] = TimestampTzGetDatum(lead->last_event_at);
	set_tally_types(&upsert_one, false);
	(void) nurture_execute_latest(&upsert_one, parameters, NULL, true);
	if (unlikely(SPI_processed == 0))
		return not_added(&lead->lead_id, 1, late, unknown_lead);
	if (unlikely(nurture_tally_late != late_before))
		nurture_list_lead(late, lead->lead_id);
	return DatumGetBool(nurture_cell(0, 1, &isnull)) ||
		all_there(&lead->lead_id, 1, unknown_lead);
}

/*
 * Adds some leads.  Those with counts on days that are folded already are
 * listed: only their events know how many distinct days that makes.
 */
static bool
add_chunk(DeltaLead **leads, int n, LeadList *late, int64 *unknown_lead)
{
	ActivityRows *rows;
	int64	   *unseen;
	int			nunseen = 0;
	int64	   *absent = NULL;
	int			nabsent = 0;
	uint64		row = 0;
	bool		isnull;

	if (n == 1)
		return add_one(leads[0], late, unknown_lead);
	rows = nurture_activity_rows(n);
	for (int i = 0; i < n; i++)
		nurture_activity_put(rows, leads[i]->lead_id, leads[i]->signals,
							 leads[i]->topics, leads[i]->last_event_at);
	nurture_activity_execute(&upsert_many, rows);
	unseen = palloc(n * sizeof(int64));
	for (int i = 0; i < n; i++)
	{
		if (unlikely(row >= SPI_processed ||
					 DatumGetInt64(nurture_cell(row, 1, &isnull)) != leads[i]->lead_id))
		{
			if (absent == NULL)
				absent = palloc(n * sizeof(int64));
			absent[nabsent++] = leads[i]->lead_id;
			continue;
		}
		if (unlikely(leads[i]->first_day < returned_roll_day(row)))
			nurture_list_lead(late, leads[i]->lead_id);
		if (!DatumGetBool(nurture_cell(row, 3, &isnull)))
			unseen[nunseen++] = leads[i]->lead_id;
		row++;
	}
	SPI_freetuptable(SPI_tuptable);
	return (nabsent == 0 || not_added(absent, nabsent, late, unknown_lead)) &&
		(nunseen == 0 || all_there(unseen, nunseen, unknown_lead));
}

static bool
add_all(DeltaLead **leads, uint32 nleads, LeadList *late, int64 *unknown_lead)
{
	int			level = nurture_spi_connect_here();
	MemoryContext context;
	bool		known = true;

	context = AllocSetContextCreate(CurrentMemoryContext, "nurture activity",
									ALLOCSET_DEFAULT_SIZES);
	for (uint32 i = 0; i < nleads && known; i += ACTIVITY_CHUNK)
	{
		MemoryContext old;

		CHECK_FOR_INTERRUPTS();
		old = MemoryContextSwitchTo(context);
		known = add_chunk(leads + i, Min(nleads - i, ACTIVITY_CHUNK), late,
						  unknown_lead);
		MemoryContextSwitchTo(old);
		MemoryContextReset(context);
	}
	MemoryContextDelete(context);
	nurture_spi_finish(level);
	return known;
}

/*
 * Adds what is guarded of a delta whose rows are locked: only now can it be
 * asked who granted it.
 */
static void
add_granted(ActivityDelta *plus, LeadList *late)
{
	int			level = nurture_spi_connect_here();
	uint32		nleads;
	DeltaLead **leads = nurture_delta_granted(plus, &nleads);
	int64		unknown_lead;

	if (nleads > 0)
		(void) add_all(leads, nleads, late, &unknown_lead);
	nurture_spi_finish(level);
}

/* Adds a delta to activity; false names a lead that does not exist. */
bool
nurture_activity_add(ActivityDelta *plus, int64 *unknown_lead)
{
	uint32		nleads;
	DeltaLead **leads = nurture_delta_finish(plus, &nleads);
	LeadList	late = {CurrentMemoryContext, NULL, 0, 0};
	uint64		late_before = nurture_tally_late;

	if (nleads == 1 && add_to_row(leads[0]))
	{
		if (unlikely(nurture_tally_late != late_before))
			nurture_list_lead(&late, leads[0]->lead_id);
	}
	else if (!add_all(leads, nleads, &late, unknown_lead))
		return false;
	if (unlikely(nurture_delta_guarded(plus) != NULL))
		add_granted(plus, &late);
	if (unlikely(late.n > 0))
	{
		int			level = nurture_spi_connect_here();

		nurture_rebuild_listed(&late);
		nurture_spi_finish(level);
	}
	return true;
}

/* What a change does to one lead. */
typedef struct LeadChange
{
	int64		lead_id;
	const DeltaLead *plus;		/* NULL = nothing */
	const DeltaLead *minus;		/* likewise */
} LeadChange;

/* Returns the leads of both deltas, ascending. */
static LeadChange *
pair_leads(DeltaLead **p, uint32 nplus, DeltaLead **m, uint32 nminus,
		   uint32 *nchanges)
{
	LeadChange *changes;
	uint32		n = 0;
	uint32		i = 0;
	uint32		j = 0;

	changes = MemoryContextAllocHuge(CurrentMemoryContext,
									 ((size_t) nplus + nminus) * sizeof(LeadChange) + 1);
	while (i < nplus || j < nminus)
	{
		LeadChange *change = &changes[n++];
		bool		take_plus = i < nplus &&
		(j >= nminus || p[i]->lead_id <= m[j]->lead_id);
		bool		take_minus = j < nminus &&
		(i >= nplus || m[j]->lead_id <= p[i]->lead_id);

		change->plus = take_plus ? p[i++] : NULL;
		change->minus = take_minus ? m[j++] : NULL;
		change->lead_id = change->plus ? change->plus->lead_id :
			change->minus->lead_id;
	}
	*nchanges = n;
	return changes;
}

/* Computes a tally after a change; false when the events have to tell. */
static bool
changed_tally(Datum *tally, Datum minus, Datum plus, int32 first_day)
{
	if (minus != (Datum) 0 && !nurture_tally_is_empty(minus) &&
		nurture_tally_minus(*tally, minus, tally) != TALLY_OK)
		return false;
	if (plus != (Datum) 0)
	{
		if (first_day < nurture_tally_of(*tally, NULL).roll_day)
			return false;
		*tally = nurture_tally_plus(*tally, plus);
	}
	return true;
}

/*
 * Computes a lead's row after a change.  *stale_last tells that the latest
 * event may have gone.
 */
static bool
changed_row(const LeadChange *change, ActivityRows *rows, uint64 row,
			bool *stale_last)
{
	const DeltaLead *plus = change->plus;
	const DeltaLead *minus = change->minus;
	bool		isnull;
	Datum		signals = nurture_cell(row, 2, &isnull);
	Datum		topics = nurture_cell(row, 3, &isnull);
	Datum		last = nurture_cell(row, 4, &isnull);
	TimestampTz last_event_at = isnull ? DT_NOBEGIN : DatumGetTimestampTz(last);

	if (!changed_tally(&signals, minus ? minus->signals : (Datum) 0,
					   plus ? plus->signals : (Datum) 0,
					   plus ? plus->first_day : PG_INT32_MAX) ||
		!changed_tally(&topics, minus ? minus->topics : (Datum) 0,
					   plus ? plus->topics : (Datum) 0,
					   plus ? plus->first_day : PG_INT32_MAX))
		return false;
	*stale_last = minus != NULL && minus->last_event_at >= last_event_at;
	if (plus != NULL && plus->last_event_at > last_event_at)
	{
		last_event_at = plus->last_event_at;
		*stale_last = false;
	}
	nurture_activity_put(rows, change->lead_id, signals, topics,
						 last_event_at);
	return true;
}

/* Looks up the latest event of rows whose latest event may have gone. */
static void
refresh_last_events(ActivityRows *rows, const int *stale, int nstale)
{
	int64	   *leads = palloc(nstale * sizeof(int64));
	Datum		parameter;

	for (int i = 0; i < nstale; i++)
		leads[i] = DatumGetInt64(rows->lead_ids[stale[i]]);
	parameter = nurture_lead_array(leads, nstale);
	(void) nurture_execute_latest(&last_events, &parameter, NULL, false);
	for (int i = 0; i < nstale && i < SPI_processed; i++)
		rows->last[stale[i]] = nurture_cell(i, 2, &rows->last_null[stale[i]]);
	SPI_freetuptable(SPI_tuptable);
}

static void
change_chunk(const LeadChange *changes, int n, LeadList *again)
{
	ActivityRows *rows = nurture_activity_rows(n);
	int64	   *leads = palloc(n * sizeof(int64));
	int		   *stale = palloc(n * sizeof(int));
	int			nstale = 0;
	uint64		row = 0;
	Datum		parameter;
	SPITupleTable *locked;

	for (int i = 0; i < n; i++)
		leads[i] = changes[i].lead_id;
	parameter = nurture_lead_array(leads, n);
	(void) nurture_execute_latest(&lock_rows, &parameter, NULL, true);
	locked = SPI_tuptable;
	for (int i = 0; i < n; i++)
	{
		bool		isnull;
		bool		stale_last;

		if (row < SPI_processed &&
			DatumGetInt64(nurture_cell(row, 1, &isnull)) == leads[i] &&
			changed_row(&changes[i], rows, row, &stale_last))
		{
			if (stale_last)
				stale[nstale++] = rows->n - 1;
		}
		else
			nurture_list_lead(again, leads[i]);
		if (row < SPI_processed &&
			DatumGetInt64(nurture_cell(row, 1, &isnull)) == leads[i])
			row++;
	}
	if (nstale > 0)
		refresh_last_events(rows, stale, nstale);
	nurture_activity_write(rows);
	SPI_freetuptable(locked);
}

static void
change_leads(const LeadChange *changes, uint32 nchanges, LeadList *again)
{
	MemoryContext context;

	context = AllocSetContextCreate(CurrentMemoryContext, "nurture activity",
									ALLOCSET_DEFAULT_SIZES);
	for (uint32 i = 0; i < nchanges; i += ACTIVITY_CHUNK)
	{
		MemoryContext old = MemoryContextSwitchTo(context);

		CHECK_FOR_INTERRUPTS();
		change_chunk(changes + i, Min(nchanges - i, ACTIVITY_CHUNK), again);
		MemoryContextSwitchTo(old);
		MemoryContextReset(context);
	}
	MemoryContextDelete(context);
}

/* Takes one delta away and adds another. */
void
nurture_activity_change(ActivityDelta *plus, ActivityDelta *minus)
{
	uint32		nplus = 0;
	uint32		nminus = 0;
	uint32		nchanges;
	DeltaLead **p = plus ? nurture_delta_finish(plus, &nplus) : NULL;
	DeltaLead **m = minus ? nurture_delta_finish(minus, &nminus) : NULL;
	LeadList	again = {CurrentMemoryContext, NULL, 0, 0};
	LeadChange *changes = pair_leads(p, nplus, m, nminus, &nchanges);

	change_leads(changes, nchanges, &again);
	p = nurture_delta_granted(plus, &nplus);
	m = nurture_delta_granted(minus, &nminus);
	if (unlikely(nplus > 0 || nminus > 0))
	{
		changes = pair_leads(p, nplus, m, nminus, &nchanges);
		change_leads(changes, nchanges, &again);
	}
	nurture_rebuild_listed(&again);
}
