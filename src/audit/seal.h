/*
 * seal.h
 *	  Private to the audit room: a closed block of entries.
 */
#ifndef NURTURE_AUDIT_SEAL_H
#define NURTURE_AUDIT_SEAL_H

#include "base/compat.h"

#include "audit/leaf.h"
#include "access/htup.h"
#include "access/tupdesc.h"
#include "datatype/timestamp.h"

#define SEAL_LEAF_LEN (8 + NURTURE_HASH_LEN)	/* audit_id and leaf */

typedef struct AuditSeal
{
	int64		block;			/* from 1 without gaps */
	int32		incarnation;
	uint64		xid_from;		/* transactions from here */
	uint64		xid_to;			/* up to, not including, here */
	int64		entries;
	bool		has_at;			/* false when it holds no entry */
	TimestampTz first_at;		/* earliest at of its entries */
	TimestampTz last_at;		/* and latest */
	MerkleHash	block_root;		/* of its leaves */
	int64		tree_size;		/* leaves of this and all earlier blocks */
	MerkleHash	root;			/* of them */
	bytea	   *frontier;		/* nurture_merkle_save of them */
	bytea	   *previous;		/* hash of the seal before, NULL in block 1 */
	TimestampTz closed_at;
	bytea	   *hash;			/* as stored, see nurture_seal_hash */
	bytea	   *leaves;			/* SEAL_LEAF_LEN for each entry */
	bytea	   *nodes;			/* of the log's tree, see merkle.h, that its
								 * leaves made */
} AuditSeal;

#define SEAL_COLUMN_LIST \
	"block, incarnation, xid_from, xid_to, entries, first_at, last_at, " \
	"block_root, tree_size, root, frontier, previous, closed_at, hash, leaves, " \
	"nodes"
#define SEAL_COLUMNS 16

extern void nurture_seal_hash(AuditHasher *hasher, const AuditSeal *seal,
							  MerkleHash *hash);
extern void nurture_seal_read(HeapTuple tuple, TupleDesc desc,
							  AuditSeal *seal);
extern int64 nurture_seal_leaf(const AuditSeal *seal, int64 n,
							   MerkleHash *leaf);

#endif							/* NURTURE_AUDIT_SEAL_H */
