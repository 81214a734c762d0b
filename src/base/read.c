/*
 * read.c
 *	  Rows of a table by the leading columns of an index, without a plan.
 */
#include "base/compat.h"

#include "access/relscan.h"
#include "access/stratnum.h"
#include "access/sysattr.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "base/owner.h"
#include "base/read.h"
#include "base/row.h"
#include "catalog/pg_am.h"
#include "catalog/pg_class.h"
#include "catalog/pg_index.h"
#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

static KeptRead *reads = NULL;	/* all that were ever used */

/* A read that stays open. */
typedef struct HeldRead
{
	RowRead		open;
	bool		busy;			/* somebody is using it */
	struct HeldRead *next;
} HeldRead;

static void
forget_read(Datum arg, Oid relid)
{
	for (KeptRead *kept = reads; kept != NULL; kept = kept->next)
	{
		if (!OidIsValid(relid) || kept->relid == relid || kept->index == relid)
			kept->ready = false;
	}
}

/* Registers the callback that makes reads ready again; once per backend. */
void
nurture_read_init(void)
{
	CacheRegisterRelcacheCallback(forget_read, (Datum) 0);
}

/* Returns the function that is equality of a type that keys may have. */
static RegProcedure
equality(Oid type)
{
	switch (type)
	{
		case INT4OID:
			return F_INT4EQ;
		case INT8OID:
			return F_INT8EQ;
		case TEXTOID:
			return F_TEXTEQ;
		case BYTEAOID:
			return F_BYTEAEQ;
		default:
			elog(ERROR, "no read is by a key of type %u", type);
	}
}

/* Tells whether the index leads with the key columns, and readies the keys. */
static bool
index_serves(KeptRead *kept, Relation rel, Relation index)
{
	Form_pg_index form = index->rd_index;

	if (!form->indisvalid || !form->indisready || !form->indislive ||
		form->indcheckxmin || form->indnkeyatts < kept->nkeys ||
		index->rd_rel->relam != BTREE_AM_OID ||
		RelationGetIndexPredicate(index) != NIL)
		return false;
	for (int i = 0; i < kept->nkeys; i++)
	{
		const ReadColumn *key = &kept->keys[i];
		AttrNumber	attno = form->indkey.values[i];
		Oid			operator;

		if (attno <= 0 ||
			strcmp(NameStr(TupleDescAttr(RelationGetDescr(rel), attno - 1)->attname),
				   key->name) != 0 ||
			index->rd_opcintype[i] != key->type)
			return false;
		operator = get_opfamily_member(index->rd_opfamily[i], key->type,
									   key->type, BTEqualStrategyNumber);
		if (!OidIsValid(operator) ||
			get_opcode(operator) != equality(key->type))
			return false;
		ScanKeyEntryInitialize(&kept->scankeys[i], 0, i + 1,
							   BTEqualStrategyNumber, InvalidOid,
							   index->rd_indcollation[i], equality(key->type),
							   (Datum) 0);
	}
	return true;
}

static bool
find_index(KeptRead *kept, Relation rel)
{
	List	   *indexes = RelationGetIndexList(rel);
	ListCell   *cell;

	kept->index = InvalidOid;
	foreach(cell, indexes)
	{
		Relation	index = index_open(lfirst_oid(cell), AccessShareLock);
		bool		serves = index_serves(kept, rel, index);

		index_close(index, NoLock);
		if (serves)
		{
			kept->index = lfirst_oid(cell);
			/* of several the key is the smallest */
			if (kept->index == nurture_primary_key_index(rel))
				break;
		}
	}
	list_free(indexes);
	return OidIsValid(kept->index);
}

/* Finds the columns; false when one is missing or of another type. */
static bool
find_columns(KeptRead *kept, Relation rel)
{
	TupleDesc	desc = RelationGetDescr(rel);

	kept->deepest = 0;
	for (int i = 0; i < kept->ncolumns; i++)
	{
		AttrNumber	place = 0;

		if (strcmp(kept->columns[i].name, "xmin") == 0)
		{
			kept->place[i] = MinTransactionIdAttributeNumber;
			continue;
		}
		for (int j = 0; j < desc->natts && place == 0; j++)
		{
			Form_pg_attribute att = TupleDescAttr(desc, j);

			if (!att->attisdropped &&
				(kept->columns[i].type == READ_ANY_TYPE ||
				 att->atttypid == kept->columns[i].type) &&
				strcmp(NameStr(att->attname), kept->columns[i].name) == 0)
				place = j + 1;
		}
		if (place == 0)
			return false;
		kept->place[i] = place;
		kept->deepest = Max(kept->deepest, place);
	}
	return true;
}

/* Makes the query that reads the same; once per backend. */
static void
make_query(KeptRead *kept)
{
	StringInfoData query;
	const char *table;

	initStringInfo(&query);
	appendStringInfoString(&query, "SELECT ");
	for (int i = 0; i < kept->ncolumns; i++)
		appendStringInfo(&query, "%st.%s", i ? ", " : "",
						 quote_identifier(kept->columns[i].name));
	table = quote_identifier(kept->table);
	appendStringInfo(&query, " FROM nurture.%s AS t WHERE ", table);
	for (int i = 0; i < kept->nkeys; i++)
	{
		appendStringInfo(&query, "%st.%s OPERATOR(pg_catalog.=) $%d",
						 i ? " AND " : "",
						 quote_identifier(kept->keys[i].name), i + 1);
		kept->plan.argtypes[i] = kept->keys[i].type;
	}
	if (kept->share)
		appendStringInfoString(&query, " FOR SHARE OF t");
	kept->plan.query = MemoryContextStrdup(TopMemoryContext, query.data);
	pfree(query.data);
}

/* Looks at the table: how it is read until the next invalidation. */
static void
make_ready(KeptRead *kept)
{
	Relation	rel;

	if (!kept->known)
	{
		while (kept->nkeys < KEPT_READ_MAX_KEYS &&
			   kept->keys[kept->nkeys].name != NULL)
			kept->nkeys++;
		while (kept->ncolumns < KEPT_READ_MAX_COLUMNS &&
			   kept->columns[kept->ncolumns].name != NULL)
			kept->ncolumns++;
		make_query(kept);
		kept->next = reads;
		reads = kept;
		kept->known = true;
	}
	kept->relid = OidIsValid(kept->part) ? kept->part :
		nurture_table_oid(kept->table, false);
	rel = table_open(kept->relid, AccessShareLock);
	/* what comes from now on makes it stale again */
	kept->ready = true;
	kept->direct = nurture_row_is_table(rel) && find_columns(kept, rel) &&
		find_index(kept, rel);
	table_close(rel, NoLock);
}

/* Opens a read as of a snapshot, its memory in the current context. */
static void
open_read(RowRead *read, KeptRead *kept, Snapshot snapshot)
{
	memset(read, 0, sizeof(*read));
	read->kept = kept;
	read->snapshot = snapshot;
	for (;;)
	{
		if (!kept->ready)
			make_ready(kept);
		if (!kept->direct)
		{
			read->level = nurture_spi_connect_here();
			return;
		}
		read->rel = try_table_open(kept->relid,
								   kept->share ? RowShareLock : AccessShareLock);
		/* taking the lock may have told us of changes */
		if (likely(kept->ready && read->rel != NULL))
			break;
		if (read->rel != NULL)
			table_close(read->rel, NoLock);
		read->rel = NULL;
		kept->ready = false;
	}
	if (unlikely(read->rel->rd_rel->relowner != GetUserId()))
	{
		table_close(read->rel, NoLock);
		read->rel = NULL;
		read->level = nurture_spi_connect_here();
		return;
	}
	read->index = index_open(kept->index, AccessShareLock);
	read->slot = table_slot_create(read->rel, NULL);
	read->scan = nurture_index_beginscan(read->rel, read->index, snapshot,
										 kept->nkeys);
}

/* Closes what open_read has opened by the index. */
static void
close_read(RowRead *read)
{
	index_endscan(read->scan);
	ExecDropSingleTupleTableSlot(read->slot);
	/* the table's lock keeps it; there are sixteen places for quick ones */
	index_close(read->index, AccessShareLock);
	table_close(read->rel, NoLock);
}

void
nurture_hold_close_reads(Hold *hold)
{
	for (HeldRead *held = hold->reads; held != NULL; held = held->next)
	{
		if (held->open.rel != NULL)
			close_read(&held->open);
	}
	hold->reads = NULL;
}

/*
 * Returns the held read, opened now or before; NULL when it is in use or takes
 * a query.
 */
static HeldRead *
hold_read(Hold *hold, KeptRead *kept, Snapshot snapshot)
{
	HeldRead   *held = kept->held;
	RowRead    *open;

	if (kept->hold != hold->serial)
	{
		/* two statements may take turns */
		held = hold->reads;
		while (held != NULL && held->open.kept != kept)
			held = held->next;
		if (held == NULL)
		{
			held = MemoryContextAllocZero(hold->context, sizeof(HeldRead));
			held->open.kept = kept;
			held->next = hold->reads;
			hold->reads = held;
		}
		kept->hold = hold->serial;
		kept->held = held;
	}
	if (held->busy)
		return NULL;
	open = &held->open;
	if (open->rel != NULL && (unlikely(!kept->ready) ||
							  open->rel->rd_rel->relowner != GetUserId()))
	{
		close_read(open);
		open->rel = NULL;
	}
	if (open->rel == NULL)
	{
		MemoryContext old;

		if (!kept->ready)
			make_ready(kept);
		if (!kept->direct)
			return NULL;
		old = MemoryContextSwitchTo(hold->context);
		open_read(open, kept, snapshot);
		MemoryContextSwitchTo(old);
		if (open->rel == NULL)
		{
			nurture_read_close(open);
			return NULL;
		}
	}
	return held;
}

/* Opens a read as of a snapshot. */
void
nurture_read_open(RowRead *read, KeptRead *kept, Snapshot snapshot)
{
	open_read(read, kept, snapshot);
}

/* The same with a hold, NULL = none. */
void
nurture_read_open_held(RowRead *read, KeptRead *kept, Hold *hold,
					   Snapshot snapshot)
{
	HeldRead   *held = NULL;

	if (nurture_hold_serves(hold) && !kept->share)
		held = hold_read(hold, kept, snapshot);
	if (held == NULL)
	{
		open_read(read, kept, snapshot);
		return;
	}
	held->busy = true;
	held->open.snapshot = snapshot;
	held->open.scan->xs_snapshot = snapshot;
	*read = held->open;
	read->held = held;
	read->context = hold->context;
}

/* Opens a read of one partition. */
bool
nurture_read_open_part(RowRead *read, KeptRead *kept, Oid part, Hold *hold,
					   Snapshot snapshot)
{
	KeptRead   *own = kept->last_part;

	/* each partition has a copy of its own, kept like the others */
	if (own == NULL || own->part != part)
	{
		own = reads;
		while (own != NULL && (own->part != part || own->whole != kept))
			own = own->next;
	}
	if (own == NULL)
	{
		own = MemoryContextAllocZero(TopMemoryContext, sizeof(KeptRead));
		own->table = kept->table;
		memcpy(own->keys, kept->keys, sizeof(own->keys));
		memcpy(own->columns, kept->columns, sizeof(own->columns));
		own->part = part;
		own->whole = kept;
	}
	kept->last_part = own;
	if (!own->ready)
		make_ready(own);
	if (!own->direct)
		return false;
	nurture_read_open_held(read, own, hold, snapshot);
	if (read->rel != NULL)
		return true;
	nurture_read_close(read);
	return false;
}

/* Makes what a scan allocates as it goes live as long as the scan. */
static MemoryContext
enter_read(const RowRead *read)
{
	return MemoryContextSwitchTo(read->held ? read->context :
								 CurrentMemoryContext);
}

/* Starts over with the rows of a key. */
void
nurture_read_find(RowRead *read, const Datum *keys)
{
	KeptRead   *kept = read->kept;
	MemoryContext old;

	if (read->rel != NULL)
	{
		for (int i = 0; i < kept->nkeys; i++)
			kept->scankeys[i].sk_argument = keys[i];
		old = enter_read(read);
		/* the scan copies the keys */
		index_rescan(read->scan, kept->scankeys, kept->nkeys, NULL, 0);
		MemoryContextSwitchTo(old);
		return;
	}
	if (kept->share)
		(void) nurture_execute(&kept->plan, (Datum *) keys, NULL, false);
	else
		(void) nurture_execute_snapshot(&kept->plan, (Datum *) keys, NULL,
										read->snapshot);
	read->rows = SPI_tuptable;
	read->nrows = SPI_processed;
	read->row = 0;
}

/* Tells whether a row, come to by following updates, still has the key. */
static bool
has_key(const RowRead *read)
{
	const		int2vector *places = &read->index->rd_index->indkey;

	for (int i = 0; i < read->kept->nkeys; i++)
	{
		ScanKey		key = &read->scan->keyData[i];
		bool		isnull;
		Datum		value = slot_getattr(read->slot, places->values[i], &isnull);

		if (isnull ||
			!DatumGetBool(FunctionCall2Coll(&key->sk_func, key->sk_collation,
											value, key->sk_argument)))
			return false;
	}
	return true;
}

/*
 * Locks the row at hand as the executor does; false when it is gone, or is no
 * longer the one that was looked for.
 */
static bool
lock_row(RowRead *read)
{
	ItemPointerData tid = read->slot->tts_tid;
	TM_FailureData failure;
	TM_Result	result;
	int			flags = TUPLE_LOCK_FLAG_LOCK_UPDATE_IN_PROGRESS;

	if (!IsolationUsesXactSnapshot())
		flags |= TUPLE_LOCK_FLAG_FIND_LAST_VERSION;
	ExecClearTuple(read->slot);
	result = table_tuple_lock(read->rel, &tid, read->snapshot, read->slot,
							  GetCurrentCommandId(true), LockTupleShare,
							  LockWaitBlock, flags, &failure);
	switch (result)
	{
		case TM_Ok:
			return !failure.traversed || has_key(read);
		case TM_SelfModified:
			return false;
		case TM_Updated:
		case TM_Deleted:
			if (IsolationUsesXactSnapshot())
				ereport(ERROR,
						(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
						 errmsg("could not serialize access due to concurrent update")));
			return false;
		default:
			elog(ERROR, "unexpected result %d of locking a row of table \"%s\"",
				 (int) result, RelationGetRelationName(read->rel));
	}
}

/* Moves to the next row; false when there is none. */
bool
nurture_read_next(RowRead *read)
{
	MemoryContext old;
	bool		found;

	if (read->rel == NULL)
	{
		if (read->row >= read->nrows)
			return false;
		read->row++;
		return true;
	}
	old = enter_read(read);
	do
	{
		found = index_getnext_slot(read->scan, ForwardScanDirection,
								   read->slot);
	} while (found && read->kept->share && !lock_row(read));
	MemoryContextSwitchTo(old);
	if (!found)
		return false;
	slot_getsomeattrs(read->slot, read->kept->deepest);
	return true;
}

/* Ends a read. */
void
nurture_read_close(RowRead *read)
{
	if (read->rel == NULL)
	{
		MemoryContext context = CurrentMemoryContext;

		if (read->rows != NULL)
			SPI_freetuptable(read->rows);
		nurture_spi_finish(read->level);
		MemoryContextSwitchTo(context);
		return;
	}
	if (read->held == NULL)
	{
		close_read(read);
		return;
	}
	/* no page stays pinned: that would keep it from being pruned */
	ExecClearTuple(read->slot);
	table_index_fetch_reset(read->scan->xs_heapfetch);
	read->held->busy = false;
}

/* Returns one column of the row at hand. */
Datum
nurture_read_cell(const RowRead *read, int column, bool *isnull)
{
	AttrNumber	place;

	if (read->rel == NULL)
		return SPI_getbinval(read->rows->vals[read->row - 1],
							 read->rows->tupdesc, column + 1, isnull);
	place = read->kept->place[column];
	if (place < 0)
		return slot_getsysattr(read->slot, place, isnull);
	*isnull = read->slot->tts_isnull[place - 1];
	return read->slot->tts_values[place - 1];
}

/* Returns a copy of a text column, NULL when null. */
char	   *
nurture_read_text(const RowRead *read, int column)
{
	bool		isnull;
	Datum		value = nurture_read_cell(read, column, &isnull);

	return isnull ? NULL : TextDatumGetCString(value);
}

/* Tells whether a text column says the word. */
bool
nurture_read_is(const RowRead *read, int column, const char *word)
{
	bool		isnull;
	Datum		value = nurture_read_cell(read, column, &isnull);
	text	   *t;

	if (isnull)
		return false;
	t = DatumGetTextPP(value);
	return VARSIZE_ANY_EXHDR(t) == strlen(word) &&
		memcmp(VARDATA_ANY(t), word, VARSIZE_ANY_EXHDR(t)) == 0;
}
