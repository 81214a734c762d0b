/*
 * walk.c
 *	  All rows of a table in the order of its primary key, without a plan.
 *
 * The index gives where the rows are.  Keys that follow each other mostly lie
 * in one page of the table, so the rows of such a run are looked up under one
 * lock of the page, and read while it is pinned: a row that is visible to a
 * snapshot stays where it is.
 */
#include "base/compat.h"

#include "access/heapam.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "base/owner.h"
#include "base/row.h"
#include "base/walk.h"
#include "catalog/pg_am.h"
#include "catalog/pg_index.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/bufmgr.h"
#include "utils/acl.h"
#include "utils/rel.h"
#include "utils/rls.h"

/* Tells whether the user may read the columns of a walk. */
static bool
may_read(const KeyWalk *walk)
{
	Oid			table = RelationGetRelid(walk->rel);
	Oid			user = GetUserId();

	if (nurture_namespace_aclcheck(RelationGetNamespace(walk->rel), user,
								   ACL_USAGE) != ACLCHECK_OK)
		return false;
	if (pg_class_aclcheck(table, user, ACL_SELECT) == ACLCHECK_OK)
		return true;
	for (int i = 0; i < walk->ncolumns; i++)
	{
		if (pg_attribute_aclcheck(table, walk->place[i], user, ACL_SELECT) != ACLCHECK_OK)
			return false;
	}
	return true;
}

/* Tells whether reading the table is reading its rows, and no more. */
static bool
is_plain(Relation rel)
{
	return nurture_row_is_table(rel) &&
		rel->rd_tableam == GetHeapamTableAmRoutine() &&
		check_enable_rls(RelationGetRelid(rel), InvalidOid, true) != RLS_ENABLED;
}

/* Finds the columns; false when one is missing or of another type. */
static bool
find_columns(KeyWalk *walk, const ReadColumn *columns)
{
	TupleDesc	desc = RelationGetDescr(walk->rel);

	for (int i = 0; i < walk->ncolumns; i++)
	{
		walk->place[i] = 0;
		for (int j = 0; j < desc->natts && walk->place[i] == 0; j++)
		{
			Form_pg_attribute att = TupleDescAttr(desc, j);

			if (!att->attisdropped && att->atttypid == columns[i].type &&
				strcmp(NameStr(att->attname), columns[i].name) == 0)
				walk->place[i] = j + 1;
		}
		if (walk->place[i] == 0)
			return false;
		walk->deepest = Max(walk->deepest, walk->place[i]);
	}
	return true;
}

/* Opens the index of the primary key if it is the first column, ascending. */
static bool
open_index(KeyWalk *walk)
{
	Oid			oid = nurture_primary_key_index(walk->rel);
	Relation	index;
	Form_pg_index form;

	if (!OidIsValid(oid))
		return false;
	index = index_open(oid, AccessShareLock);
	form = index->rd_index;
	if (index->rd_rel->relam == BTREE_AM_OID && form->indnkeyatts == 1 &&
		form->indisvalid && form->indisready && form->indislive &&
		form->indimmediate && !form->indcheckxmin &&
		form->indkey.values[0] == walk->place[0] &&
		index->rd_opcintype[0] == INT8OID && index->rd_indoption[0] == 0)
	{
		walk->index = index;
		return true;
	}
	index_close(index, AccessShareLock);
	return false;
}

static bool
next_place(KeyWalk *walk)
{
	ItemPointer tid = index_getnext_tid(walk->scan, ForwardScanDirection);

	walk->more = tid != NULL;
	if (walk->more)
		walk->waiting = *tid;
	return walk->more;
}

bool
nurture_walk_open(KeyWalk *walk, const char *table, const ReadColumn *columns,
				  int ncolumns, Snapshot snapshot)
{
	Oid			oid = nurture_table_oid(table, true);

	if (!OidIsValid(oid) || IsolationIsSerializable() ||
		ExecutorCheckPerms_hook != NULL || snapshot == NULL ||
		!IsMVCCSnapshot(snapshot) || ncolumns > lengthof(walk->place))
		return false;
	memset(walk, 0, offsetof(KeyWalk, rows));
	walk->rel = table_open(oid, AccessShareLock);
	walk->ncolumns = ncolumns;
	if (!is_plain(walk->rel) || !find_columns(walk, columns) ||
		!may_read(walk) || !open_index(walk))
	{
		table_close(walk->rel, AccessShareLock);
		return false;
	}
	walk->snapshot = snapshot;
	walk->slot = MakeSingleTupleTableSlot(RelationGetDescr(walk->rel),
										  &TTSOpsBufferHeapTuple);
	walk->scan = nurture_index_beginscan(walk->rel, walk->index, snapshot, 0);
	index_rescan(walk->scan, NULL, 0, NULL, 0);
	walk->buffer = InvalidBuffer;
	(void) next_place(walk);
	return true;
}

/*
 * Finds the row of a place in its page, which is locked.  Where every row of
 * the page is visible to all, the place leads to it without a look at its
 * history.
 */
static bool
find_row(KeyWalk *walk, Page page, bool all_visible, ItemPointer tid,
		 HeapTuple row)
{
	if (all_visible)
	{
		OffsetNumber offset = ItemPointerGetOffsetNumber(tid);
		ItemId		item;

		if (offset > PageGetMaxOffsetNumber(page))
			return false;
		item = PageGetItemId(page, offset);
		if (ItemIdIsRedirected(item))
		{
			offset = ItemIdGetRedirect(item);
			ItemPointerSetOffsetNumber(tid, offset);
			item = PageGetItemId(page, offset);
		}
		if (!ItemIdIsNormal(item))
			return false;
		row->t_data = (HeapTupleHeader) PageGetItem(page, item);
		row->t_len = ItemIdGetLength(item);
		row->t_tableOid = RelationGetRelid(walk->rel);
		row->t_self = *tid;
		return true;
	}
	return heap_hot_search_buffer(tid, walk->rel, walk->buffer,
								  walk->snapshot, row, NULL, true);
}

/* Looks up the next run of rows; false when there are no more. */
static bool
find_run(KeyWalk *walk)
{
	OffsetNumber offsets[MaxHeapTuplesPerPage];
	BlockNumber block;
	Page		page;
	bool		all_visible;
	int			n;

	do
	{
		if (!walk->more)
			return false;
		block = ItemPointerGetBlockNumber(&walk->waiting);
		n = 0;
		/* places first: an index page is never locked under a table's */
		do
		{
			offsets[n++] = ItemPointerGetOffsetNumber(&walk->waiting);
		} while (next_place(walk) && n < lengthof(offsets) &&
				 ItemPointerGetBlockNumber(&walk->waiting) == block);

		walk->buffer = ReleaseAndReadBuffer(walk->buffer, walk->rel, block);
		LockBuffer(walk->buffer, BUFFER_LOCK_SHARE);
		page = BufferGetPage(walk->buffer);
		all_visible = PageIsAllVisible(page) &&
			!walk->snapshot->takenDuringRecovery;
		walk->n = walk->next = 0;
		for (int i = 0; i < n; i++)
		{
			ItemPointerData tid;

			ItemPointerSet(&tid, block, offsets[i]);
			if (find_row(walk, page, all_visible, &tid, &walk->rows[walk->n]))
			{
				__builtin_prefetch(walk->rows[walk->n].t_data);
				walk->n++;
				pgstat_count_heap_fetch(walk->index);
			}
		}
		LockBuffer(walk->buffer, BUFFER_LOCK_UNLOCK);
	} while (walk->n == 0);
	return true;
}

/* what comes after the row at hand is on its way from memory meanwhile */
#define ROWS_AHEAD	2
#define CACHE_LINE	64

bool
nurture_walk_next(KeyWalk *walk)
{
	if (walk->next >= walk->n && !find_run(walk))
		return false;
	walk->next++;
	if (walk->next + ROWS_AHEAD - 1 < walk->n)
	{
		HeapTuple	row = &walk->rows[walk->next + ROWS_AHEAD - 1];

		for (uint32 at = 0; at < row->t_len && at < 8 * CACHE_LINE; at += CACHE_LINE)
			__builtin_prefetch((char *) row->t_data + at);
	}
	return true;
}

void
nurture_walk_deform(KeyWalk *walk)
{
	ExecStoreBufferHeapTuple(nurture_walk_row(walk), walk->slot, walk->buffer);
	slot_getsomeattrs(walk->slot, walk->deepest);
}

void
nurture_walk_close(KeyWalk *walk)
{
	index_endscan(walk->scan);
	ExecDropSingleTupleTableSlot(walk->slot);
	if (BufferIsValid(walk->buffer))
		ReleaseBuffer(walk->buffer);
	index_close(walk->index, NoLock);
	table_close(walk->rel, NoLock);
}
