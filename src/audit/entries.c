/*
 * entries.c
 *	  Reads entries back in the order of their transactions and re-hashes them.
 *
 * Whole logs are read this way, so the rows are taken straight from each
 * partition's index on (incarnation, xid, audit_id) and merged.  Where a
 * partition is not as plain as that needs, a query reads the same.
 */
#include "base/compat.h"

#include "access/htup_details.h"
#include "access/relscan.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/transam.h"
#include "audit/entries.h"
#include "base/owner.h"
#include "base/row.h"
#include "catalog/partition.h"
#include "catalog/pg_am.h"
#include "catalog/pg_index.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/xid8.h"

#define ENTRIES_FETCH 1000

static KeptPlan find_entries =
KEPT_PLAN("SELECT " AUDIT_COLUMN_LIST " FROM nurture.audit a"
		  " WHERE a.incarnation OPERATOR(pg_catalog.=) $1"
		  " AND a.xid OPERATOR(pg_catalog.>=) $2"
		  " AND a.xid OPERATOR(pg_catalog.<=) $3"
		  " ORDER BY a.xid, a.audit_id", INT4OID, XID8OID, XID8OID);

static KeptPlan find_strays =
KEPT_PLAN("SELECT " AUDIT_COLUMN_LIST " FROM nurture.audit a"
		  " WHERE a.incarnation OPERATOR(pg_catalog.<) 1"
		  " OR a.incarnation OPERATOR(pg_catalog.>) $1", INT4OID);

/* name and type of each column, in the order of AuditColumn */
static const struct
{
	const char *name;
	Oid			type;
}			columns[AUDIT_COLUMNS] = {
	{"audit_id", INT8OID}, {"at", TIMESTAMPTZOID}, {"incarnation", INT4OID},
	{"xid", XID8OID}, {"subject", BYTEAOID}, {"kind", TEXTOID},
	{"object", TEXTOID}, {"outcome", TEXTOID}, {"reasons", TEXTARRAYOID},
	{"trigger", JSONBOID}, {"versions", JSONBOID}, {"inputs", TEXTOID},
	{"session_user", TEXTOID}, {"effective_role", TEXTOID},
	{"app_user", TEXTOID}, {"reason", TEXTOID}, {"simulated", BOOLOID},
	{"lead_ref", INT8OID}, {"leaf", BYTEAOID}
};

/* the columns of the index, and what orders each */
static const struct
{
	AuditColumn column;
	Oid			type;
	RegProcedure less;
}			keys[3] = {
	{AUDIT_INCARNATION, INT4OID, F_INT4LT},
	{AUDIT_XID, XID8OID, F_XID8LT},
	{AUDIT_ID, INT8OID, F_INT8LT}
};

/* Finds the columns of a partition; false when one is missing or another. */
static bool
find_places(EntryPart *part)
{
	TupleDesc	desc = RelationGetDescr(part->rel);

	for (int i = 0; i < AUDIT_COLUMNS; i++)
	{
		part->place[i] = 0;
		for (int j = 0; j < desc->natts; j++)
		{
			Form_pg_attribute att = TupleDescAttr(desc, j);

			if (!att->attisdropped && att->atttypid == columns[i].type &&
				strcmp(NameStr(att->attname), columns[i].name) == 0)
				part->place[i] = j + 1;
		}
		if (part->place[i] == 0)
			return false;
	}
	return true;
}

/* Tells whether an index gives entries in the order of their transactions. */
static bool
index_serves(const EntryPart *part, Relation index)
{
	Form_pg_index form = index->rd_index;

	if (!form->indisvalid || !form->indisready || !form->indislive ||
		form->indcheckxmin || form->indnkeyatts != lengthof(keys) ||
		index->rd_rel->relam != BTREE_AM_OID ||
		RelationGetIndexPredicate(index) != NIL)
		return false;
	for (int i = 0; i < lengthof(keys); i++)
	{
		Oid			family = index->rd_opfamily[i];
		Oid			less = get_opfamily_member(family, keys[i].type,
											   keys[i].type,
											   BTLessStrategyNumber);

		if (form->indkey.values[i] != part->place[keys[i].column] ||
			index->rd_opcintype[i] != keys[i].type ||
			index->rd_indoption[i] != 0 || !OidIsValid(less) ||
			get_opcode(less) != keys[i].less)
			return false;
	}
	return true;
}

/* Opens a partition; false when it is not as plain as it has to be. */
static bool
open_part(EntryPart *part, Oid relid, Snapshot snapshot)
{
	List	   *indexes;
	ListCell   *cell;

	part->rel = table_open(relid, AccessShareLock);
	if (!nurture_row_is_table(part->rel) ||
		part->rel->rd_rel->relowner != GetUserId() || !find_places(part))
		return false;
	indexes = RelationGetIndexList(part->rel);
	foreach(cell, indexes)
	{
		part->index = index_open(lfirst_oid(cell), AccessShareLock);
		if (index_serves(part, part->index))
			break;
		index_close(part->index, NoLock);
		part->index = NULL;
	}
	list_free(indexes);
	if (part->index == NULL)
		return false;
	part->slot = table_slot_create(part->rel, NULL);
	part->scan = nurture_index_beginscan(part->rel, part->index, snapshot, 3);
	return true;
}

static void
close_part(EntryPart *part)
{
	if (part->scan != NULL)
		index_endscan(part->scan);
	if (part->slot != NULL)
		ExecDropSingleTupleTableSlot(part->slot);
	if (part->index != NULL)
		index_close(part->index, NoLock);
	if (part->rel != NULL)
		table_close(part->rel, NoLock);
}

/* Opens every partition, or none. */
static void
open_parts(EntryScan *scan)
{
	Relation	parent = table_open(nurture_table_oid("audit", false),
									AccessShareLock);
	bool		plain = parent->rd_rel->relkind == RELKIND_PARTITIONED_TABLE &&
	!parent->rd_rel->relforcerowsecurity && parent->rd_rules == NULL &&
	parent->rd_rel->relowner == GetUserId();
	List	   *children = plain ?
	find_inheritance_children(RelationGetRelid(parent), AccessShareLock) : NIL;
	ListCell   *cell;

	scan->parts = palloc0(sizeof(EntryPart) * (list_length(children) + 1));
	foreach(cell, children)
	{
		plain = open_part(&scan->parts[scan->nparts++], lfirst_oid(cell),
						  scan->snapshot);
		if (!plain)
			break;
	}
	if (!plain)
	{
		for (int i = 0; i < scan->nparts; i++)
			close_part(&scan->parts[i]);
		pfree(scan->parts);
		scan->parts = NULL;
		scan->nparts = 0;
	}
	list_free(children);
	table_close(parent, NoLock);
}

/* Makes ready to read entries as a snapshot shows them. */
void
nurture_entries_open(EntryScan *scan, AuditHasher *hasher, Snapshot snapshot)
{
	memset(scan, 0, sizeof(*scan));
	scan->hasher = hasher;
	scan->snapshot = snapshot;
	scan->context = AllocSetContextCreate(CurrentMemoryContext,
										  "nurture audit entry",
										  ALLOCSET_DEFAULT_SIZES);
	open_parts(scan);
}

/* Moves a partition to its next entry. */
static void
advance(EntryPart *part)
{
	bool		null;

	part->ended = !index_getnext_slot(part->scan, ForwardScanDirection,
									  part->slot);
	if (part->ended)
		return;
	/* the keys that found it are not null */
	part->xid = U64FromFullTransactionId(DatumGetFullTransactionId(slot_getattr(part->slot,
																				part->place[AUDIT_XID], &null)));
	part->audit_id = DatumGetInt64(slot_getattr(part->slot,
												part->place[AUDIT_ID], &null));
}

static void
set_key(ScanKey key, AttrNumber column, StrategyNumber strategy,
		RegProcedure proc, Datum value)
{
	ScanKeyEntryInitialize(key, 0, column, strategy, InvalidOid, InvalidOid,
						   proc, value);
}

/* Ends reading by a query. */
static void
close_query(EntryScan *scan)
{
	if (scan->table != NULL)
		SPI_freetuptable(scan->table);
	scan->table = NULL;
	if (scan->portal != NULL)
		SPI_cursor_close(scan->portal);
	scan->portal = NULL;
}

static void
open_query(EntryScan *scan, KeptPlan *kept, Datum *values)
{
	close_query(scan);
	scan->by_query = true;
	scan->rows = scan->next = 0;
	PushActiveSnapshot(scan->snapshot);
	scan->portal = SPI_cursor_open(NULL, nurture_plan(kept), values, NULL,
								   true);
	PopActiveSnapshot();
}

/*
 * Starts with the entries of a range of transactions.  Who reads range after
 * range says so (ahead), and one that begins where the last ended goes on from
 * there; what lies behind the range must be worth a look, then.
 */
void
nurture_entries_range(EntryScan *scan, int32 incarnation, uint64 xid_from,
					  uint64 xid_to, bool ahead)
{
	Datum		values[3];
	ScanKeyData scankeys[3];
	bool		goes_on = scan->positioned && scan->incarnation == incarnation &&
	scan->upto == xid_from;

	scan->incarnation = incarnation;
	scan->upto = xid_to;
	scan->positioned = false;
	values[0] = Int32GetDatum(incarnation);
	values[1] = FullTransactionIdGetDatum(FullTransactionIdFromU64(xid_from));
	/* the last transaction, for the end of the last range is no end */
	values[2] = FullTransactionIdGetDatum(FullTransactionIdFromU64(xid_to == PG_UINT64_MAX ||
																   xid_to == 0 ? xid_to : xid_to - 1));
	if (scan->parts == NULL)
	{
		open_query(scan, &find_entries, values);
		return;
	}
	scan->by_query = false;
	scan->positioned = ahead;
	if (goes_on)
		return;
	scan->current = NULL;
	set_key(&scankeys[0], 1, BTEqualStrategyNumber, F_INT4EQ, values[0]);
	set_key(&scankeys[1], 2, BTGreaterEqualStrategyNumber, F_XID8GE, values[1]);
	if (ahead)
		values[2] = FullTransactionIdGetDatum(FullTransactionIdFromU64(PG_UINT64_MAX));
	set_key(&scankeys[2], 2, BTLessEqualStrategyNumber, F_XID8LE, values[2]);
	for (int i = 0; i < scan->nparts; i++)
	{
		index_rescan(scan->parts[i].scan, scankeys, 3, NULL, 0);
		advance(&scan->parts[i]);
	}
}

/* Starts with the entries that name no incarnation from 1 to incarnations. */
void
nurture_entries_strays(EntryScan *scan, int32 incarnations)
{
	Datum		values[1];

	values[0] = Int32GetDatum(incarnations);
	scan->positioned = false;
	open_query(scan, &find_strays, values);
}

/* Takes the first of the partitions' next entries; false at the end. */
static bool
next_of_parts(EntryScan *scan)
{
	EntryPart  *first = NULL;

	if (scan->current != NULL)
		advance(scan->current);
	scan->current = NULL;
	for (int i = 0; i < scan->nparts; i++)
	{
		EntryPart  *part = &scan->parts[i];

		if (!part->ended &&
			(first == NULL || part->xid < first->xid ||
			 (part->xid == first->xid && part->audit_id < first->audit_id)))
			first = part;
	}
	if (first == NULL ||
		(first->xid >= scan->upto && scan->upto != PG_UINT64_MAX))
		return false;
	scan->current = first;
	slot_getallattrs(first->slot);
	for (int i = 0; i < AUDIT_COLUMNS; i++)
	{
		scan->values[i] = first->slot->tts_values[first->place[i] - 1];
		scan->nulls[i] = first->slot->tts_isnull[first->place[i] - 1];
	}
	return true;
}

/* Takes the next row of the query; false at the end. */
static bool
next_of_query(EntryScan *scan)
{
	if (scan->next >= scan->rows)
	{
		if (scan->table != NULL)
			SPI_freetuptable(scan->table);
		SPI_cursor_fetch(scan->portal, true, ENTRIES_FETCH);
		scan->table = SPI_tuptable;
		scan->rows = SPI_processed;
		scan->next = 0;
		if (scan->rows == 0)
			return false;
	}
	heap_deform_tuple(scan->table->vals[scan->next++], scan->table->tupdesc,
					  scan->values, scan->nulls);
	return true;
}

/* Moves to the next entry; false when there is none. */
bool
nurture_entries_next(EntryScan *scan)
{
	MemoryContext old;
	bytea	   *leaf;

	CHECK_FOR_INTERRUPTS();
	if (!(scan->by_query ? next_of_query(scan) : next_of_parts(scan)))
		return false;
	MemoryContextReset(scan->context);
	old = MemoryContextSwitchTo(scan->context);
	scan->audit_id = DatumGetInt64(scan->values[AUDIT_ID]);
	scan->xid = U64FromFullTransactionId(DatumGetFullTransactionId(scan->values[AUDIT_XID]));
	scan->at = DatumGetTimestampTz(scan->values[AUDIT_AT]);
	nurture_audit_leaf(scan->hasher, scan->values, scan->nulls, &scan->leaf);
	leaf = scan->nulls[AUDIT_LEAF] ? NULL :
		DatumGetByteaPP(scan->values[AUDIT_LEAF]);
	scan->leaf_fits = leaf != NULL &&
		VARSIZE_ANY_EXHDR(leaf) == NURTURE_HASH_LEN &&
		memcmp(VARDATA_ANY(leaf), scan->leaf.byte, NURTURE_HASH_LEN) == 0;
	MemoryContextSwitchTo(old);
	return true;
}

/* Ends reading. */
void
nurture_entries_close(EntryScan *scan)
{
	close_query(scan);
	for (int i = 0; i < scan->nparts; i++)
		close_part(&scan->parts[i]);
	if (scan->parts != NULL)
		pfree(scan->parts);
	MemoryContextDelete(scan->context);
}
