/*
 * entries.c
 *	  Reads entries back in the order of their transactions and re-hashes them.
 */
#include "base/compat.h"

#include "access/htup_details.h"
#include "access/transam.h"
#include "audit/entries.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/xid8.h"

#define ENTRIES_FETCH 1000

static KeptPlan find_entries =
KEPT_PLAN("SELECT " AUDIT_COLUMN_LIST " FROM nurture.audit a"
		  " WHERE a.incarnation OPERATOR(pg_catalog.=) $1"
		  " AND a.xid OPERATOR(pg_catalog.>=) $2"
		  " AND a.xid OPERATOR(pg_catalog.<) $3"
		  " ORDER BY a.xid, a.audit_id", INT4OID, XID8OID, XID8OID);

static KeptPlan find_strays =
KEPT_PLAN("SELECT " AUDIT_COLUMN_LIST " FROM nurture.audit a"
		  " WHERE a.incarnation OPERATOR(pg_catalog.<) 1"
		  " OR a.incarnation OPERATOR(pg_catalog.>) $1", INT4OID);

static void
open_scan(EntryScan *scan, AuditHasher *hasher, KeptPlan *kept,
		  Datum *values, Snapshot snapshot)
{
	scan->hasher = hasher;
	scan->table = NULL;
	scan->rows = scan->next = 0;
	scan->context = AllocSetContextCreate(CurrentMemoryContext,
										  "nurture audit entry",
										  ALLOCSET_DEFAULT_SIZES);
	PushActiveSnapshot(snapshot);
	scan->portal = SPI_cursor_open(NULL, nurture_plan(kept), values, NULL,
								   true);
	PopActiveSnapshot();
}

/*
 * Starts reading the entries of a range of transactions, as a snapshot shows
 * them.  Connected to SPI, running as the owner.
 */
void
nurture_entries_open(EntryScan *scan, AuditHasher *hasher, int32 incarnation,
					 uint64 xid_from, uint64 xid_to, Snapshot snapshot)
{
	Datum		values[3];

	values[0] = Int32GetDatum(incarnation);
	values[1] = FullTransactionIdGetDatum(FullTransactionIdFromU64(xid_from));
	values[2] = FullTransactionIdGetDatum(FullTransactionIdFromU64(xid_to));
	open_scan(scan, hasher, &find_entries, values, snapshot);
}

/* Starts reading the entries that name no incarnation from 1 to incarnations. */
void
nurture_entries_open_strays(EntryScan *scan, AuditHasher *hasher,
							int32 incarnations, Snapshot snapshot)
{
	Datum		values[1];

	values[0] = Int32GetDatum(incarnations);
	open_scan(scan, hasher, &find_strays, values, snapshot);
}

/* Moves to the next entry; false when there is none. */
bool
nurture_entries_next(EntryScan *scan)
{
	MemoryContext old;
	bytea	   *leaf;

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
		CHECK_FOR_INTERRUPTS();
	}
	MemoryContextReset(scan->context);
	old = MemoryContextSwitchTo(scan->context);
	heap_deform_tuple(scan->table->vals[scan->next++], scan->table->tupdesc,
					  scan->values, scan->nulls);
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
	if (scan->table != NULL)
		SPI_freetuptable(scan->table);
	SPI_cursor_close(scan->portal);
	MemoryContextDelete(scan->context);
}
