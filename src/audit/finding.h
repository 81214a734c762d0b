/*
 * finding.h
 *	  Private to the audit room: what a verification found.
 */
#ifndef NURTURE_AUDIT_FINDING_H
#define NURTURE_AUDIT_FINDING_H

#include "base/compat.h"

#include "audit/entries.h"
#include "audit/seal.h"
#include "nodes/execnodes.h"

typedef struct Finding
{
	const char *class;			/* code, see nurture_audit_verify in SQL */
	int64		block;			/* 0 when in none */
	int64		audit_id;		/* 0 when about no entry */
	char	   *detail;
} Finding;

/* an entry of a block, as the seal lists it or as the table holds it */
typedef struct BlockEntry
{
	int64		audit_id;
	TimestampTz at;				/* of the row */
	bool		leaf_fits;		/* of the row */
	MerkleHash	leaf;
} BlockEntry;

typedef struct BlockEntries
{
	BlockEntry *entry;
	int64		n;
	int64		room;
} BlockEntries;

/* a verification under way */
typedef struct Verify
{
	AuditHasher hasher;
	Snapshot	snapshot;
	MemoryContext context;		/* findings live here */
	EntryScan	scan;
	Finding    *findings;
	int64		nfindings;
	int64		room;
	BlockEntries rows;			/* of the block at hand */
	struct LeadHash *leads;		/* pseudonyms by lead, see verify_lead.c */
	struct Claims *claims;		/* what entries say of tables, see
								 * verify_table.c; NULL: asked by queries */
	int32		incarnations;	/* numbers in use are 1 to here */
	uint64	   *xid_to;			/* sealed up to here, by incarnation */
	TimestampTz from;			/* entries compared with seals: from here */
	TimestampTz to;				/* up to and including here */
} Verify;

extern void nurture_finding(Verify *v, const char *class, int64 block,
							int64 audit_id, const char *format,...) pg_attribute_printf(5, 6);
extern void nurture_verify_lead(Verify *v, const EntryScan *scan,
								int64 block);
extern void nurture_verify_block(Verify *v, const AuditSeal *seal);
extern void nurture_verify_open(Verify *v);
extern void nurture_verify_gather(Verify *v);
extern void nurture_verify_claim(Verify *v, const EntryScan *scan);
extern void nurture_verify_tables(Verify *v);

#endif							/* NURTURE_AUDIT_FINDING_H */
