/*
 * event_key.c
 *	  Recognises repetitions of events by (lead, source, source_key).
 *
 * The keys of a statement's rows go into nurture.event_key set by set, in
 * order; those that do not get in are repetitions, and their rows are deleted
 * again from nurture.event by the statement that brought them.
 */
#include "base/compat.h"

#include "access/xact.h"
#include "base/owner.h"
#include "base/plans.h"
#include "base/row.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "scoring/event_row.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#define KEY_CHUNK 8192			/* keys handled by one statement */

static KeptPlan claim_one = KEPT_PLAN(
									  "INSERT INTO nurture.event_key (lead_id, source, source_key, event_id, recorded_at)"
									  " VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
									  INT8OID, TEXTOID, TEXTOID, INT8OID, TIMESTAMPTZOID);
static KeptPlan claim_many = KEPT_PLAN(
									   "INSERT INTO nurture.event_key (lead_id, source, source_key, event_id, recorded_at)"
									   " SELECT * FROM unnest($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
									   INT8ARRAYOID, TEXTARRAYOID, TEXTARRAYOID, INT8ARRAYOID, TIMESTAMPTZARRAYOID);
static KeptPlan find_refused = KEPT_PLAN(
										 "SELECT u.i FROM unnest($1, $2, $3, $4, $5)"
										 " WITH ORDINALITY AS u(lead_id, source, source_key, event_id, recorded_at, i)"
										 " WHERE NOT coalesce((SELECT k.event_id = u.event_id AND k.recorded_at = u.recorded_at"
										 " FROM nurture.event_key k WHERE k.lead_id = u.lead_id"
										 " AND k.source = u.source AND k.source_key = u.source_key), false)",
										 INT8ARRAYOID, TEXTARRAYOID, TEXTARRAYOID, INT8ARRAYOID, TIMESTAMPTZARRAYOID);

/* by place: a join would go over all keys when it takes them for few */
static KeptPlan release_keys = KEPT_PLAN(
										 "DELETE FROM nurture.event_key WHERE ctid = ANY (ARRAY("
										 "SELECT (SELECT k.ctid FROM nurture.event_key k WHERE k.lead_id = u.lead_id"
										 " AND k.source = u.source AND k.source_key = u.source_key"
										 " AND k.event_id = u.event_id AND k.recorded_at = u.recorded_at)"
										 " FROM unnest($1, $2, $3, $4, $5)"
										 " AS u(lead_id, source, source_key, event_id, recorded_at)))",
										 INT8ARRAYOID, TEXTARRAYOID, TEXTARRAYOID, INT8ARRAYOID, TIMESTAMPTZARRAYOID);
static KeptPlan drop_events = KEPT_PLAN(
										"DELETE FROM nurture.event e"
										" USING unnest($1, $2, $3) AS u(lead_id, event_id, recorded_at)"
										" WHERE e.lead_id = u.lead_id AND e.event_id = u.event_id"
										" AND e.recorded_at = u.recorded_at",
										INT8ARRAYOID, INT8ARRAYOID, TIMESTAMPTZARRAYOID);

uint64		nurture_event_repeats = 0;

static bool dropping = false;	/* drop_events is running */

static const char *const key_columns[] = {
	"lead_id", "source", "source_key", "recorded_at", "event_id"
};

static const char *const column_names[EVENT_COLUMNS] = {
	"lead_id", "event_id", "recorded_at", "event_type", "occurred_at",
	"source", "source_key", "channel", "campaign", "asset_id", "version",
	"message_id", "tags", "properties"
};

/* Finds the columns of nurture.event. */
void
nurture_event_layout(TupleDesc desc, EventLayout *layout)
{
	layout->last = 0;
	for (int i = 0; i < EVENT_COLUMNS; i++)
	{
		int			number = i + 1;

		if (number > desc->natts ||
			TupleDescAttr(desc, i)->attisdropped ||
			strcmp(NameStr(TupleDescAttr(desc, i)->attname), column_names[i]) != 0)
			number = SPI_fnumber(desc, column_names[i]);
		if (number <= 0)
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_COLUMN),
					 errmsg("column \"%s\" of table \"nurture.event\" does not exist",
							column_names[i])));
		layout->numbers[i] = number;
		layout->last = Max(layout->last, number);
	}
}

/* Makes an empty set of keys in the current memory context. */
void
nurture_event_keys_start(EventKeys *keys)
{
	memset(keys, 0, sizeof(*keys));
	keys->context = CurrentMemoryContext;
}

static struct varlena *
keep_source(EventKeys *keys, Datum value, bool isnull)
{
	struct varlena *source;

	if (isnull)
	{
		if (keys->empty == NULL)
			keys->empty = (struct varlena *) cstring_to_text("");
		return keys->empty;
	}
	source = PG_DETOAST_DATUM_PACKED(value);
	if (VARSIZE_ANY_EXHDR(source) > EVENT_MAX_SOURCE)
		ereport(ERROR,
				(errcode(ERRCODE_STRING_DATA_RIGHT_TRUNCATION),
				 errmsg("source of an event is longer than %d bytes",
						EVENT_MAX_SOURCE)));
	if (keys->last_source == NULL ||
		VARSIZE_ANY_EXHDR(keys->last_source) != VARSIZE_ANY_EXHDR(source) ||
		memcmp(VARDATA_ANY(keys->last_source), VARDATA_ANY(source),
			   VARSIZE_ANY_EXHDR(source)) != 0)
		keys->last_source = PG_DETOAST_DATUM_COPY(value);
	return keys->last_source;
}

/* Takes the key of a row; false when it has none. */
bool
nurture_event_keys_put(EventKeys *keys, const EventLayout *layout,
					   TupleTableSlot *slot)
{
	bool		isnull;
	bool		source_null;
	Datum		value = event_value(layout, slot, EVENT_SOURCE_KEY, &isnull);
	Datum		source;
	EventKey   *key;
	MemoryContext old;

	if (isnull)
		return false;
	old = MemoryContextSwitchTo(keys->context);
	if (keys->n == keys->room)
	{
		keys->room = Max(keys->room * 2, 4);
		keys->keys = keys->keys == NULL ?
			palloc(keys->room * sizeof(EventKey)) :
			repalloc_huge(keys->keys, keys->room * sizeof(EventKey));
	}
	key = &keys->keys[keys->n];
	if (VARSIZE_ANY_EXHDR(PG_DETOAST_DATUM_PACKED(value)) > EVENT_MAX_SOURCE_KEY)
		ereport(ERROR,
				(errcode(ERRCODE_STRING_DATA_RIGHT_TRUNCATION),
				 errmsg("source_key of an event is longer than %d bytes",
						EVENT_MAX_SOURCE_KEY)));
	key->source_key = PG_DETOAST_DATUM_COPY(value);
	source = event_value(layout, slot, EVENT_SOURCE, &source_null);
	key->source = keep_source(keys, source, source_null);
	key->lead_id = DatumGetInt64(event_value(layout, slot, EVENT_LEAD_ID, &isnull));
	key->event_id = DatumGetInt64(event_value(layout, slot, EVENT_EVENT_ID, &isnull));
	key->recorded_at = DatumGetTimestampTz(event_value(layout, slot, EVENT_RECORDED_AT, &isnull));
	key->dropped = false;
	keys->n++;
	MemoryContextSwitchTo(old);
	return true;
}

static int
compare_texts(const struct varlena *a, const struct varlena *b)
{
	size_t		la = VARSIZE_ANY_EXHDR(a);
	size_t		lb = VARSIZE_ANY_EXHDR(b);
	int			order = memcmp(VARDATA_ANY(a), VARDATA_ANY(b), Min(la, lb));

	return order != 0 ? order : (la > lb) - (la < lb);
}

static int
compare_event_ids(const EventKey *a, const EventKey *b)
{
	if (a->event_id != b->event_id)
		return a->event_id < b->event_id ? -1 : 1;
	return (a->recorded_at > b->recorded_at) - (a->recorded_at < b->recorded_at);
}

/* By what makes a repetition, then the first event first. */
static int
compare_keys(const void *a, const void *b)
{
	const EventKey *x = a;
	const EventKey *y = b;
	int			order;

	if (x->lead_id != y->lead_id)
		return x->lead_id < y->lead_id ? -1 : 1;
	order = x->source == y->source ? 0 : compare_texts(x->source, y->source);
	if (order == 0)
		order = compare_texts(x->source_key, y->source_key);
	return order != 0 ? order : compare_event_ids(x, y);
}

/* By event, dropped ones first. */
static int
compare_dropped(const void *a, const void *b)
{
	const EventKey *x = a;
	const EventKey *y = b;

	if (x->dropped != y->dropped)
		return x->dropped ? -1 : 1;
	if (x->lead_id != y->lead_id)
		return x->lead_id < y->lead_id ? -1 : 1;
	return compare_event_ids(x, y);
}

static Datum
make_array(Datum *values, int n, Oid type)
{
	if (type == TEXTOID)
		return PointerGetDatum(construct_array(values, n, TEXTOID, -1, false,
											   TYPALIGN_INT));
	return PointerGetDatum(construct_array(values, n, type, 8,
										   FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}

/* Fills the five array parameters from some keys. */
static void
key_parameters(EventKey *const *keys, int n, Datum parameters[5])
{
	Datum	   *values = palloc(n * sizeof(Datum));

	for (int i = 0; i < n; i++)
		values[i] = Int64GetDatum(keys[i]->lead_id);
	parameters[0] = make_array(values, n, INT8OID);
	for (int i = 0; i < n; i++)
		values[i] = PointerGetDatum(keys[i]->source);
	parameters[1] = make_array(values, n, TEXTOID);
	for (int i = 0; i < n; i++)
		values[i] = PointerGetDatum(keys[i]->source_key);
	parameters[2] = make_array(values, n, TEXTOID);
	for (int i = 0; i < n; i++)
		values[i] = Int64GetDatum(keys[i]->event_id);
	parameters[3] = make_array(values, n, INT8OID);
	for (int i = 0; i < n; i++)
		values[i] = TimestampTzGetDatum(keys[i]->recorded_at);
	parameters[4] = make_array(values, n, TIMESTAMPTZOID);
}

/* Stores one key without a query where that is possible. */
static bool
claim_row(const EventKey *key, bool *claimed)
{
	RowTable	table;
	Datum	   *values;

	if (!nurture_row_open(&table, nurture_table_oid("event_key", false),
						  ROW_INSERT, key_columns, lengthof(key_columns)))
		return false;
	ExecClearTuple(table.row);
	values = table.row->tts_values;
	values[0] = Int64GetDatum(key->lead_id);
	values[1] = PointerGetDatum(key->source);
	values[2] = PointerGetDatum(key->source_key);
	values[3] = TimestampTzGetDatum(key->recorded_at);
	values[4] = Int64GetDatum(key->event_id);
	for (int i = 0; i < RelationGetDescr(table.rel)->natts; i++)
		table.row->tts_isnull[i] = i >= lengthof(key_columns);
	ExecStoreVirtualTuple(table.row);
	CommandCounterIncrement();
	*claimed = nurture_row_insert(&table);
	nurture_row_close(&table);
	return true;
}

static void
claim_chunk(EventKeys *keys, EventKey **chunk, int n)
{
	Datum		parameters[5];
	bool		isnull;

	if (n == 1)
	{
		parameters[0] = Int64GetDatum(chunk[0]->lead_id);
		parameters[1] = PointerGetDatum(chunk[0]->source);
		parameters[2] = PointerGetDatum(chunk[0]->source_key);
		parameters[3] = Int64GetDatum(chunk[0]->event_id);
		parameters[4] = TimestampTzGetDatum(chunk[0]->recorded_at);
		(void) nurture_execute_latest(&claim_one, parameters, NULL, true);
		if (SPI_processed == 0)
		{
			chunk[0]->dropped = true;
			keys->dropped++;
		}
		return;
	}
	key_parameters(chunk, n, parameters);
	(void) nurture_execute_latest(&claim_many, parameters, NULL, true);
	if (SPI_processed == n)
		return;
	(void) nurture_execute_latest(&find_refused, parameters, NULL, false);
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		int64		i = DatumGetInt64(nurture_cell(row, 1, &isnull));

		chunk[i - 1]->dropped = true;
		keys->dropped++;
	}
	SPI_freetuptable(SPI_tuptable);
}

/* Deletes the rows of repetitions again, without any effect on activity. */
static void
drop_repetitions(EventKeys *keys)
{
	MemoryContext context;
	int			level = nurture_spi_connect_here();

	context = AllocSetContextCreate(CurrentMemoryContext, "nurture repetitions",
									ALLOCSET_DEFAULT_SIZES);
	qsort(keys->keys, keys->n, sizeof(EventKey), compare_dropped);
	for (size_t begin = 0; begin < keys->dropped; begin += KEY_CHUNK)
	{
		int			n = Min(keys->dropped - begin, KEY_CHUNK);
		EventKey   *chunk = keys->keys + begin;
		MemoryContext old = MemoryContextSwitchTo(context);
		Datum	   *values = palloc(n * sizeof(Datum));
		Datum		parameters[3];

		for (int i = 0; i < n; i++)
			values[i] = Int64GetDatum(chunk[i].lead_id);
		parameters[0] = make_array(values, n, INT8OID);
		for (int i = 0; i < n; i++)
			values[i] = Int64GetDatum(chunk[i].event_id);
		parameters[1] = make_array(values, n, INT8OID);
		for (int i = 0; i < n; i++)
			values[i] = TimestampTzGetDatum(chunk[i].recorded_at);
		parameters[2] = make_array(values, n, TIMESTAMPTZOID);
		dropping = true;
		PG_TRY();
		{
			(void) nurture_execute_latest(&drop_events, parameters, NULL, true);
		}
		PG_FINALLY();
		{
			dropping = false;
		}
		PG_END_TRY();
		MemoryContextSwitchTo(old);
		MemoryContextReset(context);
	}
	MemoryContextDelete(context);
	nurture_spi_finish(level);
	nurture_event_repeats += keys->dropped;
}

/* Tells whether rows of repetitions are being deleted. */
bool
nurture_event_dropping(void)
{
	return dropping;
}

static void
raise_taken(const EventKeys *keys)
{
	const EventKey *key = keys->keys;

	while (!key->dropped)
		key++;
	ereport(ERROR,
			(errcode(ERRCODE_UNIQUE_VIOLATION),
			 errmsg("another event of lead %lld has this source and source_key",
					(long long) key->lead_id),
			 errdetail("Event %lld was to get them.",
					   (long long) key->event_id)));
}

static void
claim_all(EventKeys *keys)
{
	MemoryContext context;
	EventKey  **chunk;
	size_t		i = 0;
	int			level = nurture_spi_connect_here();

	if (keys->n > 1)
		qsort(keys->keys, keys->n, sizeof(EventKey), compare_keys);
	context = AllocSetContextCreate(CurrentMemoryContext, "nurture keys",
									ALLOCSET_DEFAULT_SIZES);
	chunk = palloc(Min(keys->n, KEY_CHUNK) * sizeof(EventKey *));
	while (i < keys->n)
	{
		MemoryContext old = MemoryContextSwitchTo(context);
		int			n = 0;

		CHECK_FOR_INTERRUPTS();
		for (; i < keys->n && n < KEY_CHUNK; i++)
		{
			EventKey   *key = &keys->keys[i];
			EventKey   *before = i > 0 ? key - 1 : NULL;

			if (before != NULL && before->lead_id == key->lead_id &&
				compare_texts(before->source, key->source) == 0 &&
				compare_texts(before->source_key, key->source_key) == 0)
			{
				key->dropped = true;
				keys->dropped++;
			}
			else
				chunk[n++] = key;
		}
		if (n > 0)
			claim_chunk(keys, chunk, n);
		MemoryContextSwitchTo(old);
		MemoryContextReset(context);
	}
	MemoryContextDelete(context);
	nurture_spi_finish(level);
}

/*
 * Stores the keys and drops the events whose key was there; of several in
 * one statement the one with the lowest event_id stays.  Events that stand
 * already cannot be dropped: with keep, a key that was there is an error.
 */
void
nurture_event_keys_claim(EventKeys *keys, bool keep)
{
	bool		claimed;

	if (keys->n == 0)
		return;
	if (keys->n == 1 && claim_row(keys->keys, &claimed))
	{
		keys->keys->dropped = !claimed;
		keys->dropped = claimed ? 0 : 1;
	}
	else
		claim_all(keys);
	if (keys->dropped > 0 && keep)
		raise_taken(keys);
	if (keys->dropped > 0)
		drop_repetitions(keys);
}

/* Gives the keys of deleted events free again. */
void
nurture_event_keys_release(EventKeys *keys)
{
	MemoryContext context;
	EventKey  **chunk;
	int			level;

	if (keys->n == 0)
		return;
	level = nurture_spi_connect_here();
	qsort(keys->keys, keys->n, sizeof(EventKey), compare_keys);
	context = AllocSetContextCreate(CurrentMemoryContext, "nurture keys",
									ALLOCSET_DEFAULT_SIZES);
	chunk = palloc(Min(keys->n, KEY_CHUNK) * sizeof(EventKey *));
	for (size_t begin = 0; begin < keys->n; begin += KEY_CHUNK)
	{
		int			n = Min(keys->n - begin, KEY_CHUNK);
		MemoryContext old = MemoryContextSwitchTo(context);
		Datum		parameters[5];

		CHECK_FOR_INTERRUPTS();
		for (int i = 0; i < n; i++)
			chunk[i] = &keys->keys[begin + i];
		key_parameters(chunk, n, parameters);
		(void) nurture_execute_latest(&release_keys, parameters, NULL, true);
		MemoryContextSwitchTo(old);
		MemoryContextReset(context);
	}
	MemoryContextDelete(context);
	nurture_spi_finish(level);
}

/* Tells whether an event was dropped as a repetition. */
bool
nurture_event_dropped(EventKeys *keys, int64 lead_id, int64 event_id,
					  TimestampTz recorded_at)
{
	EventKey	wanted = {lead_id, event_id, recorded_at, NULL, NULL, true};

	return keys->dropped > 0 &&
		bsearch(&wanted, keys->keys, keys->dropped, sizeof(EventKey),
				compare_dropped) != NULL;
}
