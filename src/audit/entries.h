/*
 * entries.h
 *	  Private to the audit room: reading entries back, each re-hashed.
 */
#ifndef NURTURE_AUDIT_ENTRIES_H
#define NURTURE_AUDIT_ENTRIES_H

#include "base/compat.h"

#include "audit/leaf.h"
#include "base/plans.h"
#include "utils/portal.h"
#include "utils/snapshot.h"

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
	Portal		portal;
	SPITupleTable *table;
	uint64		rows;
	uint64		next;
	MemoryContext context;
} EntryScan;

extern void nurture_entries_open(EntryScan *scan, AuditHasher *hasher,
								 int32 incarnation, uint64 xid_from,
								 uint64 xid_to, Snapshot snapshot);
extern void nurture_entries_open_strays(EntryScan *scan, AuditHasher *hasher,
										int32 incarnations,
										Snapshot snapshot);
extern bool nurture_entries_next(EntryScan *scan);
extern void nurture_entries_close(EntryScan *scan);

#endif							/* NURTURE_AUDIT_ENTRIES_H */
