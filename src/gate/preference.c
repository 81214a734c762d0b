/*
 * preference.c
 *	  What leads prefer: the gate row knows of those that bind, and a lead that
 *	  wants nothing any more gets nothing that was queued before either.
 */
#include "base/compat.h"

#include "audit/audit.h"
#include "base/owner.h"
#include "base/plans.h"
#include "base/trigger.h"
#include "catalog/pg_type.h"
#include "executor/tuptable.h"
#include "gate/gate_private.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/rel.h"
#include "utils/tuplestore.h"

NURTURE_FUNCTION(nurture_preference_changed);

static KeptPlan mark_gates =
KEPT_PLAN("UPDATE nurture.gate AS g SET preferences = EXISTS (SELECT FROM nurture.preference AS p"
		  " WHERE p.lead_id = g.lead_id AND num_nonnulls(p.max_per_month, p.topics, p.format, p.language) > 0)"
		  " WHERE g.lead_id = ANY ($1)", INT8ARRAYOID);

static KeptPlan read_preferences =
KEPT_PLAN("SELECT p.channel, p.max_per_month, p.topics, p.format, p.language FROM nurture.preference AS p"
		  " WHERE p.lead_id OPERATOR(pg_catalog.=) $1"
		  " ORDER BY p.channel COLLATE \"C\"", INT8OID);

static KeptPlan inherit =
KEPT_PLAN("INSERT INTO nurture.preference AS p (lead_id, channel, max_per_month, topics, format, language, said_at)"
		  " SELECT $2, f.channel, f.max_per_month, f.topics, f.format, f.language, f.said_at FROM nurture.preference AS f"
		  " WHERE f.lead_id = $1"
		  " ON CONFLICT (lead_id, channel) DO UPDATE"
		  " SET max_per_month = least(p.max_per_month, EXCLUDED.max_per_month),"
		  " topics = CASE WHEN p.topics IS NULL OR EXCLUDED.topics IS NULL THEN coalesce(p.topics, EXCLUDED.topics)"
		  " ELSE ARRAY(SELECT unnest(p.topics) INTERSECT SELECT unnest(EXCLUDED.topics) ORDER BY 1) END,"
		  " format = coalesce(p.format, EXCLUDED.format), language = coalesce(p.language, EXCLUDED.language)", INT8OID, INT8OID);

/* A row of a statement, as it is or was. */
typedef struct PreferenceRow
{
	int64		lead_id;
	char	   *channel;
	bool		capped;			/* has a max_per_month */
	int32		max_per_month;
	bool		removed;
} PreferenceRow;

static int
compare_rows(const void *a, const void *b)
{
	const PreferenceRow *x = a;
	const PreferenceRow *y = b;

	if (x->lead_id != y->lead_id)
		return x->lead_id < y->lead_id ? -1 : 1;
	/* what is there now stands before what it replaced */
	return strcmp(x->channel, y->channel) != 0 ? strcmp(x->channel, y->channel) :
		(int) x->removed - (int) y->removed;
}

static PreferenceRow *
add_rows(TriggerData *data, Tuplestorestate *rows, bool removed, PreferenceRow *all, int *n)
{
	TupleDesc	desc = RelationGetDescr(data->tg_relation);
	TupleTableSlot *slot = MakeSingleTupleTableSlot(desc, &TTSOpsMinimalTuple);
	size_t		room = *n + tuplestore_tuple_count(rows);

	all = all == NULL ? palloc(Max(room, 1) * sizeof(PreferenceRow)) :
		repalloc_huge(all, Max(room, 1) * sizeof(PreferenceRow));
	tuplestore_rescan(rows);
	while (tuplestore_gettupleslot(rows, true, false, slot))
	{
		PreferenceRow *row = &all[(*n)++];
		bool		isnull;
		Datum		value;

		row->lead_id = DatumGetInt64(slot_getattr(slot, SPI_fnumber(desc, "lead_id"), &isnull));
		row->channel = TextDatumGetCString(slot_getattr(slot, SPI_fnumber(desc, "channel"), &isnull));
		value = slot_getattr(slot, SPI_fnumber(desc, "max_per_month"), &isnull);
		row->capped = !isnull;
		row->max_per_month = isnull ? 0 : DatumGetInt32(value);
		row->removed = removed;

		/* one that no message goes by would bind nothing, unnoticed */
		if (!removed)
			nurture_require_channel(row->channel);
	}
	ExecDropSingleTupleTableSlot(slot);
	return all;
}

/* Appends an entry per lead and channel. */
static void
record_rows(const PreferenceRow *rows, int n)
{
	AuditEntry *entries = palloc0(Max(n, 1) * sizeof(AuditEntry));
	int			nentries = 0;

	for (int i = 0; i < n; i++)
	{
		AuditEntry *entry;

		if (i > 0 && rows[i].lead_id == rows[i - 1].lead_id &&
			strcmp(rows[i].channel, rows[i - 1].channel) == 0)
			continue;
		entry = &entries[nentries++];
		entry->has_lead = true;
		entry->lead_id = rows[i].lead_id;
		entry->kind = "preference";
		entry->object = psprintf("preference:%s", rows[i].channel);
		entry->outcome = rows[i].removed ? "removed" : "set";
		entry->inputs = rows[i].capped && !rows[i].removed ?
			psprintf("max_per_month %d", rows[i].max_per_month) : NULL;
	}
	nurture_audit_append(entries, nentries);
}

/*
 * Trigger of nurture.preference, after each statement: gate rows of all its
 * leads first, then messages that nobody wants any more, then the audit.
 */
Datum
nurture_preference_changed(PG_FUNCTION_ARGS)
{
	TriggerData *data = nurture_trigger_data(fcinfo, "nurture_preference_changed");
	PreferenceRow *rows = NULL;
	OwnerSwitch owner;
	Datum	   *ids;
	Datum		value;
	int			n = 0;
	int			nids = 0;
	int			level;

	if (!nurture_deriving())
		return PointerGetDatum(NULL);
	nurture_owner_enter(&owner);
	level = nurture_spi_connect();
	if (data->tg_newtable != NULL)
		rows = add_rows(data, data->tg_newtable, false, rows, &n);
	if (data->tg_oldtable != NULL)
		rows = add_rows(data, data->tg_oldtable, true, rows, &n);
	if (n > 1)
		qsort(rows, n, sizeof(PreferenceRow), compare_rows);
	ids = palloc(Max(n, 1) * sizeof(Datum));
	for (int i = 0; i < n; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (i > 0 && rows[i].lead_id == rows[i - 1].lead_id)
			continue;
		nurture_gate_lock(rows[i].lead_id);
		ids[nids++] = Int64GetDatum(rows[i].lead_id);
	}
	if (nids > 0)
	{
		value = PointerGetDatum(construct_array(ids, nids, INT8OID, 8, true, TYPALIGN_DOUBLE));
		(void) nurture_execute(&mark_gates, &value, NULL, false);
	}
	for (int i = 0; i < n; i++)
	{
		CancelScope scope = {
			.lead_id = rows[i].lead_id,.classes = CLASS_MARKETING,
			.channel = rows[i].channel,.topic = "*",.product = "*",
			.reason = "preference"
		};

		if (!rows[i].removed && rows[i].capped && rows[i].max_per_month == 0)
			(void) nurture_gate_cancel(&scope);
	}
	record_rows(rows, n);
	nurture_spi_finish(level);
	nurture_owner_leave(&owner);
	return PointerGetDatum(NULL);
}

/*
 * Reads the preferences of a lead, caps and wishes.  Connected to SPI, as the
 * owner.
 */
void
nurture_preference_read(GateLead *lead)
{
	Datum		value = Int64GetDatum(lead->lead_id);
	MemoryContext old;

	(void) nurture_execute(&read_preferences, &value, NULL, false);
	old = MemoryContextSwitchTo(lead->context);
	lead->npreferences = lead->nwishes = 0;
	lead->preferences = palloc0(Max(SPI_processed, 1) * sizeof(GateCap));
	lead->wishes = palloc0(Max(SPI_processed, 1) * sizeof(GateWish));
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		GateCap    *cap = &lead->preferences[lead->npreferences];
		GateWish   *wish = &lead->wishes[lead->nwishes++];
		bool		isnull;
		Datum		cell;
		const char *channel = TextDatumGetCString(nurture_cell(row, 1, &isnull));

		wish->channel = channel;
		cell = nurture_cell(row, 3, &isnull);
		wish->topics = isnull ? NULL : DatumGetArrayTypePCopy(cell);
		cell = nurture_cell(row, 4, &isnull);
		wish->format = isnull ? NULL : TextDatumGetCString(cell);
		cell = nurture_cell(row, 5, &isnull);
		wish->language = isnull ? NULL : TextDatumGetCString(cell);
		cell = nurture_cell(row, 2, &isnull);
		if (isnull)
			continue;
		lead->npreferences++;
		cap->cap = psprintf("preference:%s", channel);
		cap->rule = cap->cap;
		cap->any_channel = strcmp(channel, "*") == 0;
		cap->nchannels = 1;
		cap->channels = palloc(sizeof(char *));
		cap->channels[0] = channel;
		cap->classes = CLASS_MARKETING;
		cap->n = DatumGetInt32(cell);
		cap->length = PREFERENCE_PERIOD;
		cap->period_text = "30 days";
		cap->preference = true;
	}
	MemoryContextSwitchTo(old);
}

/* Hands what a merged lead wants on to its survivor; the stricter one holds. */
void
nurture_preference_inherit(int64 lead_id, int64 survivor)
{
	Datum		values[2] = {Int64GetDatum(lead_id), Int64GetDatum(survivor)};

	(void) nurture_execute(&inherit, values, NULL, false);
}
