/*
 * entries.h
 *	  Private to the audit room: reading entries back, each re-hashed.
 */
#ifndef NURTURE_AUDIT_ENTRIES_H
#define NURTURE_AUDIT_ENTRIES_H

#include "base/compat.h"

#include "access/genam.h"
#include "audit/leaf.h"
#include "base/plans.h"
#include "executor/tuptable.h"
#include "utils/portal.h"
#include "utils/snapshot.h"

/* one partition, read by its index in the order of transactions */
typedef struct EntryPart
{
	Relation	rel;
	Relation	index;
	IndexScanDesc scan;
	TupleTableSlot *slot;		/* its next entry */
	AttrNumber	place[AUDIT_COLUMNS];
	bool		ended;			/* it has no next one */
	uint64		xid;			/* of the next */
	int64		audit_id;
} EntryPart;

typedef struct EntryScan
{
	/* the row at hand; values live until the next call */
	int64		audit_id;
	uint64		xid;
	TimestampTz at;
	MerkleHash	leaf;			/* computed from the columns */
	bool		leaf_fits;		/* the column leaf says the same */
	Datum		values[AUDIT_COLUMNS];
	bool		nulls[AUDIT_COLUMNS];

	/* private to entries.c */
	AuditHasher *hasher;
	Snapshot	snapshot;
	EntryPart  *parts;			/* NULL: by a query */
	int			nparts;
	EntryPart  *current;		/* gave the row at hand */
	bool		by_query;		/* this range is read by a query */
	bool		positioned;		/* the next entries are those from upto on */
	int32		incarnation;
	uint64		upto;			/* end of the range */
	Portal		portal;
	SPITupleTable *table;
	uint64		rows;
	uint64		next;
	MemoryContext context;
} EntryScan;

/*
 * Open, then for each range or the strays: next until false; close.  Connected
 * to SPI, running as the owner; the snapshot is registered meanwhile.
 */
extern void nurture_entries_open(EntryScan *scan, AuditHasher *hasher,
								 Snapshot snapshot);
extern void nurture_entries_range(EntryScan *scan, int32 incarnation,
								  uint64 xid_from, uint64 xid_to, bool ahead);
extern void nurture_entries_strays(EntryScan *scan, int32 incarnations);
extern bool nurture_entries_next(EntryScan *scan);
extern void nurture_entries_close(EntryScan *scan);

#endif							/* NURTURE_AUDIT_ENTRIES_H */
