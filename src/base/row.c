/*
 * row.c
 *	  One row of a table by its primary key, without a plan.
 */
#include "base/compat.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/relscan.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "base/row.h"
#include "catalog/pg_am.h"
#include "catalog/pg_class.h"
#include "catalog/pg_index.h"
#include "catalog/pg_operator.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/primnodes.h"
#include "pgstat.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "tcop/utility.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

/* A table that stays open. */
typedef struct HeldRow
{
	RowTable	table;
	Oid			oid;
	RowUse		use;
	bool		busy;			/* somebody is using it */
	struct HeldRow *next;
} HeldRow;

/* An index that is written without an executor. */
typedef struct PlainIndex
{
	Relation	index;
	List	   *predicate;		/* column = constant, all of them; NIL = none */
} PlainIndex;

bool
nurture_row_triggers_ours(Relation rel)
{
	for (int i = 0; rel->trigdesc != NULL && i < rel->trigdesc->numtriggers; i++)
	{
		const Trigger *trigger = &rel->trigdesc->triggers[i];
		const char *name = trigger->tgname;

		/* those of foreign keys are as plain as the keys */
		if (trigger->tgisinternal && OidIsValid(trigger->tgconstraint) &&
			strncmp(name, "RI_ConstraintTrigger_",
					strlen("RI_ConstraintTrigger_")) == 0)
			continue;
		if (strncmp(name, "nurture_", strlen("nurture_")) != 0 &&
			strncmp(name, "~nurture_", strlen("~nurture_")) != 0)
			return false;
	}
	return true;
}

/*
 * Tells whether the rows of a table lie in it and nowhere else, for all that
 * its owner asks.  Triggers of others than nurture say that it is something
 * more: a distributed table has one, too.
 */
bool
nurture_row_is_table(Relation rel)
{
	return rel->rd_rel->relkind == RELKIND_RELATION &&
		!rel->rd_rel->relhassubclass && !rel->rd_rel->relforcerowsecurity &&
		rel->rd_rules == NULL && nurture_row_triggers_ours(rel);
}

/* Tells whether a trigger fires when a row is written. */
static bool
triggers_fire(const TriggerDesc *triggers, RowUse use)
{
	if (triggers == NULL)
		return false;
	return use == ROW_UPDATE ?
		triggers->trig_update_before_row || triggers->trig_update_after_row ||
		triggers->trig_update_before_statement ||
		triggers->trig_update_after_statement ||
		triggers->trig_update_new_table || triggers->trig_update_old_table :
		triggers->trig_insert_before_row || triggers->trig_insert_after_row ||
		triggers->trig_insert_before_statement ||
		triggers->trig_insert_after_statement ||
		triggers->trig_insert_new_table;
}

/* Tells whether nothing but storing the row happens when a row is stored. */
static bool
is_plain(Relation rel, RowUse use, const char *const *columns, int ncolumns)
{
	TupleDesc	desc = RelationGetDescr(rel);

	if (!nurture_row_is_table(rel) || triggers_fire(rel->trigdesc, use) ||
		desc->natts < ncolumns)
		return false;
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(desc, i);

		if (attribute->attgenerated != '\0')
			return false;
		if (i >= ncolumns)
		{
			if (!attribute->attisdropped && use != ROW_UPDATE)
				return false;
		}
		else if (attribute->attisdropped ||
				 strcmp(NameStr(attribute->attname), columns[i]) != 0)
			return false;
	}
	return desc->constr == NULL || desc->constr->num_check == 0 ||
		use == ROW_APPEND;
}

bool
nurture_row_open(RowTable *table, Oid oid, RowUse use,
				 const char *const *columns, int ncolumns)
{
	bool		write = use != ROW_READ;
	Relation	rel = table_open(oid, write ? RowExclusiveLock : AccessShareLock);

	if (write && !is_plain(rel, use, columns, ncolumns))
	{
		table_close(rel, NoLock);
		return false;
	}
	if (use == ROW_UPDATE)
		CheckCmdReplicaIdentity(rel, CMD_UPDATE);
	if (write)
		PreventCommandIfReadOnly(use == ROW_UPDATE ? "UPDATE" : "INSERT");
	memset(table, 0, sizeof(*table));
	table->context = CurrentMemoryContext;
	table->rel = rel;
	table->found = table_slot_create(rel, NULL);
	table->row = write ? table_slot_create(rel, NULL) : NULL;
	return true;
}

/* Closes the indexes that are written. */
static void
finish_indexes(RowTable *table)
{
	for (int i = 0; i < table->nplain; i++)
		index_close(table->plain[i].index, RowExclusiveLock);
	table->nplain = 0;
	table->plain = NULL;
	if (table->info != NULL)
		ExecCloseIndices(table->info);
	if (table->estate != NULL)
	{
		ExecResetTupleTable(table->estate->es_tupleTable, false);
		FreeExecutorState(table->estate);
	}
	table->info = NULL;
	table->estate = NULL;
}

static void
close_table(RowTable *table)
{
	finish_indexes(table);
	if (table->scan != NULL)
		index_endscan(table->scan);
	if (table->index != NULL)
		index_close(table->index, table->scan != NULL ? AccessShareLock :
					RowExclusiveLock);
	ExecDropSingleTupleTableSlot(table->found);
	if (table->row != NULL)
		ExecDropSingleTupleTableSlot(table->row);
	table_close(table->rel, NoLock);
}

void
nurture_row_close(RowTable *table)
{
	if (!table->held)
	{
		close_table(table);
		return;
	}
	finish_indexes(table);
	/* no page stays pinned: that would keep it from being pruned */
	ExecClearTuple(table->found);
	if (table->row != NULL)
		ExecClearTuple(table->row);
	((HeldRow *) table)->busy = false;
}

void
nurture_hold_close_rows(Hold *hold)
{
	for (HeldRow *held = hold->rows; held != NULL; held = held->next)
		close_table(&held->table);
	hold->rows = NULL;
}

RowTable   *
nurture_row_open_held(RowTable *own, Hold *hold, Oid oid, RowUse use,
					  const char *const *columns, int ncolumns)
{
	HeldRow    *held;
	MemoryContext old;

	if (!nurture_hold_serves(hold))
		return nurture_row_open(own, oid, use, columns, ncolumns) ? own : NULL;
	for (held = hold->rows; held != NULL; held = held->next)
	{
		if (held->oid == oid && held->use == use && !held->busy)
		{
			held->busy = true;
			return &held->table;
		}
	}
	old = MemoryContextSwitchTo(hold->context);
	if (nurture_row_open(own, oid, use, columns, ncolumns))
	{
		held = palloc0(sizeof(HeldRow));
		held->table = *own;
		held->table.held = true;
		held->oid = oid;
		held->use = use;
		held->busy = true;
		held->next = hold->rows;
		hold->rows = held;
	}
	MemoryContextSwitchTo(old);
	return held ? &held->table : NULL;
}

/* Opens the primary key, one bigint, to be looked through. */
static void
open_key(RowTable *table, Snapshot snapshot)
{
	Oid			index = nurture_primary_key_index(table->rel);

	if (!OidIsValid(index))
		elog(ERROR, "table \"%s\" has no primary key",
			 RelationGetRelationName(table->rel));
	table->index = index_open(index, AccessShareLock);
	if (IndexRelationGetNumberOfKeyAttributes(table->index) != 1 ||
		TupleDescAttr(RelationGetDescr(table->index), 0)->atttypid != INT8OID)
		elog(ERROR, "the primary key of table \"%s\" is not one bigint",
			 RelationGetRelationName(table->rel));
	table->scan = nurture_index_beginscan(table->rel, table->index, snapshot, 1);
}

/* Tells whether a page has no more room for new versions of such a row. */
static bool
page_is_full(Page page, uint32 len)
{
	return PageGetHeapFreeSpace(page) < Max(BLCKSZ / 10, 2 * MAXALIGN(len));
}

/*
 * Finds the row as an index scan does, but for when it prunes the page: that
 * does so as soon as the room is used that a fillfactor asks to be left, which
 * on a page of rows that are updated all the time is at each visit.  Here old
 * versions go when the room for new ones does.
 */
static bool
find_in_heap(RowTable *table, Snapshot snapshot)
{
	BufferHeapTupleTableSlot *slot = (BufferHeapTupleTableSlot *) table->found;
	HeapTuple	row = &slot->base.tupdata;
	ItemPointer place;

	ExecClearTuple(table->found);
	while ((place = index_getnext_tid(table->scan, ForwardScanDirection)) != NULL)
	{
		Buffer		buffer = ReadBuffer(table->rel,
										ItemPointerGetBlockNumber(place));
		bool		pruned = false;
		bool		all_dead;
		bool		found;

		for (;;)
		{
			ItemPointerData tid = *place;
			bool		full;

			LockBuffer(buffer, BUFFER_LOCK_SHARE);
			found = heap_hot_search_buffer(&tid, table->rel, buffer, snapshot,
										   row, &all_dead, true);
			full = page_is_full(BufferGetPage(buffer), found ? row->t_len : 0);
			LockBuffer(buffer, BUFFER_LOCK_UNLOCK);
			if (!full || pruned)
				break;
			/* what was found may lie elsewhere in the page then */
			heap_page_prune_opt(table->rel, buffer);
			pruned = true;
		}
		if (found)
			ExecStoreBufferHeapTuple(row, table->found, buffer);
		else if (!table->scan->xactStartedInRecovery)
			table->scan->kill_prior_tuple = all_dead;
		ReleaseBuffer(buffer);
		if (found)
		{
			pgstat_count_heap_fetch(table->index);
			return true;
		}
	}
	return false;
}

bool
nurture_row_find(RowTable *table, int64 key, Snapshot snapshot)
{
	MemoryContext old = MemoryContextSwitchTo(table->context);
	ScanKeyData scan_key;
	bool		found;

	if (table->scan == NULL)
		open_key(table, snapshot);
	table->scan->xs_snapshot = snapshot;
	ScanKeyInit(&scan_key, 1, BTEqualStrategyNumber, F_INT8EQ,
				Int64GetDatum(key));
	index_rescan(table->scan, &scan_key, 1, NULL, 0);
	if (table->rel->rd_tableam == GetHeapamTableAmRoutine())
		found = find_in_heap(table, snapshot);
	else
	{
		found = index_getnext_slot(table->scan, ForwardScanDirection,
								   table->found);
		table_index_fetch_reset(table->scan->xs_heapfetch);
	}
	MemoryContextSwitchTo(old);
	return found;
}

static void
prepare_indexes(RowTable *table)
{
	MemoryContext old;

	if (table->estate != NULL)
		return;
	old = MemoryContextSwitchTo(table->context);
	table->estate = CreateExecutorState();
	MemoryContextSwitchTo(table->estate->es_query_cxt);
	table->info = makeNode(ResultRelInfo);
	InitResultRelInfo(table->info, table->rel, 0, NULL, 0);
	ExecOpenIndices(table->info, false);
	MemoryContextSwitchTo(old);
}

/* Opens the indexes again with what looking for a conflict needs. */
static void
prepare_to_look(RowTable *table)
{
	MemoryContext old = MemoryContextSwitchTo(table->estate->es_query_cxt);

	ExecCloseIndices(table->info);
	ExecOpenIndices(table->info, true);
	MemoryContextSwitchTo(old);
}

bool
nurture_row_update(RowTable *table, Snapshot snapshot)
{
	ItemPointerData tid = table->found->tts_tid;
	TM_FailureData failure;
	LockTupleMode lock_mode;
	NurtureUpdateIndexes update_indexes;
	TM_Result	result;

	result = table_tuple_update(table->rel, &tid, table->row,
								GetCurrentCommandId(true), snapshot,
								InvalidSnapshot, true, &failure, &lock_mode,
								&update_indexes);
	switch (result)
	{
		case TM_Ok:
			break;
		case TM_Updated:
		case TM_Deleted:
			table->deleted = result == TM_Deleted;
			CHECK_FOR_INTERRUPTS();
			return false;
		default:
			elog(ERROR, "unexpected result %d of updating a row of table \"%s\"",
				 (int) result, RelationGetRelationName(table->rel));
	}
	if (update_indexes)
	{
		prepare_indexes(table);
		list_free(nurture_insert_index_tuples(table->info, table->row,
											  table->estate, update_indexes,
											  false, NULL));
	}
	return true;
}

/* Tells whether a predicate only asks whether text columns equal constants. */
static bool
is_plain_predicate(List *predicate)
{
	ListCell   *cell;

	foreach(cell, predicate)
	{
		OpExpr	   *equal = lfirst(cell);

		if (!IsA(equal, OpExpr) || equal->opno != TextEqualOperator ||
			!IsA(linitial(equal->args), Var) || !IsA(lsecond(equal->args), Const) ||
			lsecond_node(Const, equal->args)->constisnull)
			return false;
	}
	return true;
}

/* Tells whether a row belongs into an index with such a predicate. */
static bool
is_indexed(List *predicate, TupleTableSlot *row)
{
	ListCell   *cell;

	foreach(cell, predicate)
	{
		OpExpr	   *equal = lfirst_node(OpExpr, cell);
		bool		isnull;
		Datum		value = slot_getattr(row, linitial_node(Var, equal->args)->varattno,
										 &isnull);

		if (isnull ||
			!DatumGetBool(DirectFunctionCall2Coll(texteq, equal->inputcollid, value,
												  lsecond_node(Const, equal->args)->constvalue)))
			return false;
	}
	return true;
}

/* Tells whether writing an entry of the index needs no executor. */
static bool
is_plain_index(Relation index, List *predicate)
{
	Form_pg_index form = index->rd_index;
	bool		plain;

	plain = form->indimmediate && form->indisready && form->indisvalid &&
		!form->indisexclusion && index->rd_rel->relam == BTREE_AM_OID &&
		is_plain_predicate(predicate);
	for (int i = 0; plain && i < form->indnatts; i++)
		plain = form->indkey.values[i] > 0;
	return plain;
}

/*
 * Opens the only index of a table if that is its primary key, of columns and
 * nothing else; writing such an entry needs no executor.
 */
static bool
open_only_index(RowTable *table)
{
	List	   *indexes = RelationGetIndexList(table->rel);
	Relation	index;
	bool		plain;

	if (list_length(indexes) != 1)
		return false;
	index = index_open(linitial_oid(indexes), RowExclusiveLock);
	list_free(indexes);
	plain = index->rd_index->indisprimary && is_plain_index(index, NIL);
	if (plain)
		table->index = index;
	else
		index_close(index, NoLock);
	return plain;
}

/* Writes the entry of a row in a plain index. */
static bool
insert_entry(RowTable *table, Relation index, TupleTableSlot *row,
			 IndexUniqueCheck unique, IndexInfo *info)
{
	Form_pg_index form = index->rd_index;
	Datum		values[INDEX_MAX_KEYS];
	bool		nulls[INDEX_MAX_KEYS];

	for (int i = 0; i < form->indnatts; i++)
		values[i] = slot_getattr(row, form->indkey.values[i], &nulls[i]);
	return index_insert(index, values, nulls, &row->tts_tid, table->rel, unique,
						false, info);
}

/* Writes the entry of the row; false when there may be one with its key. */
static bool
insert_only_entry(RowTable *table)
{
	return insert_entry(table, table->index, table->row, UNIQUE_CHECK_PARTIAL,
						makeNode(IndexInfo));
}

/* Stores the row for as long as nobody has its key; false when somebody has. */
static bool
insert_tentatively(RowTable *table, bool only_index)
{
	bool		too_late = false;
	uint32		token = SpeculativeInsertionLockAcquire(GetCurrentTransactionId());

	table_tuple_insert_speculative(table->rel, table->row,
								   GetCurrentCommandId(true), 0, NULL, token);
	if (only_index)
		too_late = !insert_only_entry(table);
	else
		list_free(nurture_insert_index_tuples(table->info, table->row,
											  table->estate, 0, true,
											  &too_late));
	table_tuple_complete_speculative(table->rel, table->row, token, !too_late);
	SpeculativeInsertionLockRelease(GetCurrentTransactionId());
	return !too_late;
}

/*
 * What ExecInsert does for ON CONFLICT DO NOTHING: store tentatively, and
 * take the row back when there is one with its key already.  Other than there
 * the first attempt does not look before, since most keys are new.
 */
bool
nurture_row_insert(RowTable *table)
{
	ItemPointerData conflict;

	table->row->tts_tableOid = RelationGetRelid(table->rel);
	if (open_only_index(table))
	{
		if (insert_tentatively(table, true))
			return true;
		prepare_indexes(table);
	}
	else
	{
		prepare_indexes(table);
		if (insert_tentatively(table, false))
			return true;
	}
	prepare_to_look(table);
	for (;;)
	{
		CHECK_FOR_INTERRUPTS();
		if (!nurture_check_index_constraints(table->info, table->row,
											 table->estate, &conflict))
			return false;
		if (insert_tentatively(table, false))
			return true;
	}
}

/* Opens all indexes if each of them, and every constraint, is plain. */
static bool
open_plain_indexes(RowTable *table)
{
	TupleConstr *constraints = RelationGetDescr(table->rel)->constr;
	MemoryContext old;
	List	   *indexes;
	ListCell   *cell;

	if (table->plain != NULL)
		return true;
	/* opened before and found not to be */
	if (table->estate != NULL ||
		(constraints != NULL && constraints->num_check > 0))
		return false;
	old = MemoryContextSwitchTo(table->context);
	indexes = RelationGetIndexList(table->rel);
	table->plain = palloc(sizeof(PlainIndex) * (list_length(indexes) + 1));
	foreach(cell, indexes)
	{
		PlainIndex *plain = &table->plain[table->nplain++];

		plain->index = index_open(lfirst_oid(cell), RowExclusiveLock);
		plain->predicate = RelationGetIndexPredicate(plain->index);
		if (!is_plain_index(plain->index, plain->predicate))
		{
			finish_indexes(table);
			break;
		}
	}
	list_free(indexes);
	MemoryContextSwitchTo(old);
	return table->plain != NULL;
}

/* Refuses a row that lacks what it must have. */
static void
check_not_null(RowTable *table, TupleTableSlot *row)
{
	TupleDesc	desc = RelationGetDescr(table->rel);

	for (int i = 0; i < desc->natts; i++)
	{
		if (TupleDescAttr(desc, i)->attnotnull && row->tts_isnull[i])
			ereport(ERROR,
					(errcode(ERRCODE_NOT_NULL_VIOLATION),
					 errmsg("null value in column \"%s\" of relation \"%s\" violates not-null constraint",
							NameStr(TupleDescAttr(desc, i)->attname),
							RelationGetRelationName(table->rel)),
					 errtablecol(table->rel, i + 1)));
	}
}

static void
store_rows(RowTable *table, TupleTableSlot **rows, int nrows)
{
	if (nrows == 1)
		table_tuple_insert(table->rel, rows[0], GetCurrentCommandId(true), 0,
						   NULL);
	else
		table_multi_insert(table->rel, rows, nrows, GetCurrentCommandId(true),
						   0, NULL);
}

/* Appends rows with an executor. */
static void
append_with_executor(RowTable *table, TupleTableSlot **rows, int nrows)
{
	MemoryContext old;
	ExprContext *context;

	prepare_indexes(table);
	context = GetPerTupleExprContext(table->estate);
	old = MemoryContextSwitchTo(GetPerTupleMemoryContext(table->estate));
	if (RelationGetDescr(table->rel)->constr != NULL)
	{
		for (int i = 0; i < nrows; i++)
			ExecConstraints(table->info, rows[i], table->estate);
	}
	store_rows(table, rows, nrows);
	for (int i = 0; i < nrows; i++)
	{
		ResetExprContext(context);
		list_free(nurture_insert_index_tuples(table->info, rows[i],
											  table->estate, 0, false, NULL));
	}
	ResetExprContext(context);
	MemoryContextSwitchTo(old);
}

void
nurture_row_append(RowTable *table, TupleTableSlot **rows, int nrows)
{
	IndexInfo  *info;

	for (int i = 0; i < nrows; i++)
		rows[i]->tts_tableOid = RelationGetRelid(table->rel);
	if (!open_plain_indexes(table))
	{
		append_with_executor(table, rows, nrows);
		return;
	}
	for (int i = 0; i < nrows; i++)
		check_not_null(table, rows[i]);
	store_rows(table, rows, nrows);
	info = makeNode(IndexInfo);
	for (int i = 0; i < table->nplain; i++)
	{
		const PlainIndex *plain = &table->plain[i];

		for (int j = 0; j < nrows; j++)
		{
			if (is_indexed(plain->predicate, rows[j]))
				(void) insert_entry(table, plain->index, rows[j],
									plain->index->rd_index->indisunique ?
									UNIQUE_CHECK_YES : UNIQUE_CHECK_NO, info);
		}
	}
}
