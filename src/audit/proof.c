/*
 * proof.c
 *	  What is handed to somebody outside: digests of the sealed log, and proofs
 *	  that an entry is in it or that it has only grown.
 *
 * Everything here reads with the caller's rights: SELECT on nurture.seal, and
 * for the place of an entry on nurture.audit.
 *
 * A proof is some twenty hashes of a tree of millions.  Each seal keeps the
 * nodes that its leaves completed, in that order, so each hash is 32 bytes at
 * a place that can be computed, and only the piece of the stored value around
 * it is read.
 */
#include "base/compat.h"

#include "access/detoast.h"
#include "audit/seal.h"
#include "base/errors.h"
#include "base/plans.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "nodes/execnodes.h"
#include "port/pg_bswap.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/tuplestore.h"

NURTURE_FUNCTION(nurture_audit_digest);
NURTURE_FUNCTION(nurture_audit_proof);
NURTURE_FUNCTION(nurture_audit_consistency);

/* entries looked at around the place where one should be, then ever more */
#define NEAR_ENTRIES	64

/* longest proof there is, taken apart into complete subtrees */
#define MAX_PARTS		(3 * 64 + NURTURE_MERKLE_MAX_PROOF)

static KeptPlan make_digest =
KEPT_PLAN("SELECT pg_catalog.jsonb_build_object('format', 'nurture-digest-1',"
		  " 'block', coalesce(s.block, 0), 'incarnation', coalesce(s.incarnation, 0),"
		  " 'tree_size', coalesce(s.tree_size, 0),"
		  " 'root', pg_catalog.encode(coalesce(s.root, pg_catalog.sha256('')), 'hex'),"
		  " 'hash', coalesce(pg_catalog.encode(s.hash, 'hex'), ''),"
		  " 'closed_at', pg_catalog.to_char(s.closed_at AT TIME ZONE 'UTC',"
		  "  'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'))"
		  " FROM (VALUES ($1)) one LEFT JOIN (SELECT * FROM nurture.seal"
		  " ORDER BY block DESC LIMIT 1) s ON true", INT4OID);

static KeptPlan find_block =
KEPT_PLAN("SELECT s.block, s.tree_size - s.entries, s.leaves"
		  " FROM nurture.audit a JOIN nurture.seal s"
		  " ON s.incarnation = a.incarnation AND a.xid >= s.xid_from AND a.xid < s.xid_to"
		  " WHERE a.audit_id = $1 ORDER BY s.block", INT8OID);

/* for each leaf, given as the size of the log that ends with it, its block */
static KeptPlan find_blocks =
KEPT_PLAN("SELECT s.tree_size - s.entries, s.leaves, s.nodes"
		  " FROM pg_catalog.unnest($1) WITH ORDINALITY n (leaf_end, no)"
		  " LEFT JOIN LATERAL (SELECT b.tree_size, b.entries, b.leaves, b.nodes"
		  "  FROM nurture.seal b WHERE b.tree_size >= n.leaf_end"
		  "  ORDER BY b.tree_size, b.block LIMIT 1) s ON true"
		  " ORDER BY n.no", INT8ARRAYOID);

static KeptPlan find_tree =
KEPT_PLAN("SELECT s.tree_size, s.root FROM nurture.seal s"
		  " WHERE s.block > $1 ORDER BY s.block DESC LIMIT 1", INT8OID);

/* nurture_audit_digest() returns jsonb: the head of the log, to keep elsewhere */
Datum
nurture_audit_digest(PG_FUNCTION_ARGS)
{
	Datum		values[1] = {Int32GetDatum(0)};
	int			level = nurture_spi_connect();
	bool		null;
	Datum		digest;

	(void) nurture_execute(&make_digest, values, NULL, true);
	digest = SPI_datumTransfer(nurture_cell(0, 1, &null), false, -1);
	nurture_spi_finish(level);
	return digest;
}

/* The seals do not add up to the tree that a proof would be about. */
static void
seals_altered(void)
{
	ereport(ERROR,
			(errcode(NURTURE_ERRCODE_BYPASS),
			 errmsg("the seals of the audit trail were altered"),
			 errhint("SELECT * FROM nurture_audit_verify() says more.")));
}

/* Copies bytes out of a stored value, reading only the piece they lie in. */
static void
read_piece(Datum value, uint64 from, int len, void *out)
{
	bytea	   *piece;

	if (from > PG_INT32_MAX)
		seals_altered();
	piece = (bytea *) PG_DETOAST_DATUM_SLICE(value, (int32) from, len);
	if (VARSIZE_ANY_EXHDR(piece) != len)
		seals_altered();
	memcpy(out, VARDATA_ANY(piece), len);
	if ((Pointer) piece != DatumGetPointer(value))
		pfree(piece);
}

/* Computes the roots of spans of the sealed log. */
static void
span_roots(const MerkleHasher *h, const MerkleSpan *spans, int nspans,
		   MerkleHash *roots)
{
	MerklePart	parts[MAX_PARTS];
	int			nparts[NURTURE_MERKLE_MAX_PROOF + 2];
	Datum		ends[MAX_PARTS];
	MerkleHash	found[MAX_PARTS];
	Datum		values[1];
	int			n = 0;

	for (int i = 0; i < nspans; i++)
	{
		Assert(n + 64 <= MAX_PARTS);
		nparts[i] = nurture_merkle_parts(&spans[i], &parts[n]);
		n += nparts[i];
	}
	for (int i = 0; i < n; i++)
		ends[i] = Int64GetDatum((int64) parts[i].end);
	values[0] = PointerGetDatum(construct_array(ends, n, INT8OID, 8, true,
												TYPALIGN_DOUBLE));
	(void) nurture_execute(&find_blocks, values, NULL, true);
	for (int i = 0; i < n; i++)
	{
		bool		null;
		uint64		start = (uint64) DatumGetInt64(nurture_cell(i, 1, &null));
		Datum		leaves = nurture_cell(i, 2, &null);
		Datum		nodes = nurture_cell(i, 3, &null);

		if (null || start >= parts[i].end)
			seals_altered();
		if (parts[i].level == 0)
			read_piece(leaves, (parts[i].end - 1 - start) * SEAL_LEAF_LEN + 8,
					   NURTURE_HASH_LEN, &found[i]);
		else
			read_piece(nodes,
					   (parts[i].place - nurture_merkle_nodes(start)) * NURTURE_HASH_LEN,
					   NURTURE_HASH_LEN, &found[i]);
	}
	n = 0;
	for (int i = 0; i < nspans; i++)
	{
		nurture_merkle_join(h, &found[n], nparts[i], &roots[i]);
		n += nparts[i];
	}
}

static Datum
hash_datum(const MerkleHash *hash)
{
	bytea	   *result = palloc(VARHDRSZ + NURTURE_HASH_LEN);

	SET_VARSIZE(result, VARHDRSZ + NURTURE_HASH_LEN);
	memcpy(VARDATA(result), hash->byte, NURTURE_HASH_LEN);
	return PointerGetDatum(result);
}

static Datum
proof_datum(const MerkleHash *hashes, int n)
{
	Datum	   *items = palloc(sizeof(Datum) * (n + 1));

	for (int i = 0; i < n; i++)
		items[i] = hash_datum(&hashes[i]);
	return PointerGetDatum(construct_array(items, n, BYTEAOID, -1, false,
										   TYPALIGN_INT));
}

/* Returns the size and root of the sealed log. */
static uint64
sealed_tree(MerkleHash *root)
{
	Datum		values[1] = {Int64GetDatum(0)};
	bool		null;
	bytea	   *bytes;

	(void) nurture_execute(&find_tree, values, NULL, true);
	if (SPI_processed == 0)
		return 0;
	bytes = DatumGetByteaPP(nurture_cell(0, 2, &null));
	memset(root, 0, sizeof(*root));
	if (VARSIZE_ANY_EXHDR(bytes) == NURTURE_HASH_LEN)
		memcpy(root->byte, VARDATA_ANY(bytes), NURTURE_HASH_LEN);
	return (uint64) DatumGetInt64(nurture_cell(0, 1, &null));
}

/* Returns the audit_id of the n-th entry that a seal lists. */
static int64
listed_id(Datum leaves, int64 n)
{
	uint64		id;

	read_piece(leaves, n * SEAL_LEAF_LEN, sizeof(id), &id);
	return (int64) pg_ntoh64(id);
}

/*
 * Finds an entry in what a seal lists; returns its number, or -1.  The list is
 * in the order of transactions, and so nearly in that of audit_id: the search
 * goes as if it were, and then looks around, in the end everywhere.
 */
static int64
search_leaves(Datum leaves, int64 audit_id, MerkleHash *leaf)
{
	int64		n = (toast_raw_datum_size(leaves) - VARHDRSZ) / SEAL_LEAF_LEN;
	int64		low = 0;
	int64		high = n;

	while (high - low > NEAR_ENTRIES)
	{
		int64		middle = low + (high - low) / 2;

		if (listed_id(leaves, middle) <= audit_id)
			low = middle;
		else
			high = middle;
	}
	for (int64 around = NEAR_ENTRIES;; around *= 8)
	{
		int64		from = Max(low - around, 0);
		int64		to = Min(low + around, n);
		char	   *bytes = palloc((to - from) * SEAL_LEAF_LEN);

		read_piece(leaves, from * SEAL_LEAF_LEN, (to - from) * SEAL_LEAF_LEN,
				   bytes);
		for (int64 i = from; i < to; i++)
		{
			const char *at = bytes + (i - from) * SEAL_LEAF_LEN;
			uint64		id;

			memcpy(&id, at, sizeof(id));
			if ((int64) pg_ntoh64(id) != audit_id)
				continue;
			memcpy(leaf->byte, at + sizeof(id), NURTURE_HASH_LEN);
			pfree(bytes);
			return i;
		}
		pfree(bytes);
		if (from == 0 && to == n)
			return -1;
	}
}

/* Finds the place of an entry in the sealed log; false when it has none. */
static bool
find_leaf(int64 audit_id, int64 *block, uint64 *index, MerkleHash *leaf)
{
	Datum		values[1] = {Int64GetDatum(audit_id)};

	(void) nurture_execute(&find_block, values, NULL, true);
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		bool		null;
		int64		n;

		*block = DatumGetInt64(nurture_cell(row, 1, &null));
		*index = (uint64) DatumGetInt64(nurture_cell(row, 2, &null));
		n = search_leaves(nurture_cell(row, 3, &null), audit_id, leaf);
		if (n >= 0)
		{
			*index += n;
			return true;
		}
	}
	return false;
}

/*
 * nurture_audit_proof(audit_id) returns block, leaf_index, tree_size, leaf,
 * root, proof: that the entry is in the log, by RFC 6962; no row while it is
 * not sealed.  What does not prove it is not handed out.
 */
Datum
nurture_audit_proof(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result;
	MemoryContext caller = CurrentMemoryContext;
	MerkleSpan	spans[NURTURE_MERKLE_MAX_PROOF];
	MerkleHash	hashes[NURTURE_MERKLE_MAX_PROOF];
	MerkleHash	root;
	MerkleHash	leaf;
	int64		block;
	uint64		index;
	uint64		size;
	int			level;

	InitMaterializedSRF(fcinfo, 0);
	result = (ReturnSetInfo *) fcinfo->resultinfo;
	level = nurture_spi_connect();
	size = sealed_tree(&root);
	if (find_leaf(PG_GETARG_INT64(0), &block, &index, &leaf))
	{
		int			n = nurture_merkle_inclusion(index, size, spans);
		AuditHasher hasher;
		Datum		values[6];
		bool		nulls[6] = {0};
		MemoryContext spi;

		if (n < 0)
			seals_altered();
		nurture_hasher_open(&hasher);
		span_roots(&hasher.merkle, spans, n, hashes);
		if (!nurture_merkle_check_inclusion(&hasher.merkle, &leaf, index, size,
											hashes, n, &root))
			seals_altered();
		nurture_hasher_close(&hasher);
		spi = MemoryContextSwitchTo(caller);
		values[0] = Int64GetDatum(block);
		values[1] = Int64GetDatum((int64) index);
		values[2] = Int64GetDatum((int64) size);
		values[3] = hash_datum(&leaf);
		values[4] = hash_datum(&root);
		values[5] = proof_datum(hashes, n);
		tuplestore_putvalues(result->setResult, result->setDesc, values,
							 nulls);
		MemoryContextSwitchTo(spi);
	}
	nurture_spi_finish(level);
	return (Datum) 0;
}

/*
 * nurture_audit_consistency(size1, size2) returns root1, root2, proof: that
 * the log of size1 leaves is the beginning of the one of size2, by RFC 6962.
 */
Datum
nurture_audit_consistency(PG_FUNCTION_ARGS)
{
	int64		old_size = PG_GETARG_INT64(0);
	int64		new_size = PG_GETARG_INT64(1);
	ReturnSetInfo *result;
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext spi;
	MerkleSpan	spans[NURTURE_MERKLE_MAX_PROOF + 2];
	MerkleHash	hashes[NURTURE_MERKLE_MAX_PROOF + 2];
	MerkleHash	root;
	AuditHasher hasher;
	Datum		values[3];
	bool		nulls[3] = {0};
	uint64		size;
	int			level;
	int			n;

	InitMaterializedSRF(fcinfo, 0);
	result = (ReturnSetInfo *) fcinfo->resultinfo;
	level = nurture_spi_connect();
	size = sealed_tree(&root);
	if (old_size < 0 || old_size > new_size || (uint64) new_size > size)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("no sealed log of " INT64_FORMAT " entries begins one of " INT64_FORMAT,
						old_size, new_size),
				 errhint("The sealed log has " UINT64_FORMAT " entries.", size)));
	n = nurture_merkle_consistency((uint64) old_size, (uint64) new_size, spans);
	spans[n] = (MerkleSpan)
	{
		0, (uint64) old_size
	};
	spans[n + 1] = (MerkleSpan)
	{
		0, (uint64) new_size
	};
	nurture_hasher_open(&hasher);
	span_roots(&hasher.merkle, spans, n + 2, hashes);
	if (!nurture_merkle_check_consistency(&hasher.merkle, (uint64) old_size,
										  (uint64) new_size, &hashes[n],
										  &hashes[n + 1], hashes, n) ||
		((uint64) new_size == size && size > 0 &&
		 !nurture_merkle_equal(&hashes[n + 1], &root)))
		seals_altered();
	nurture_hasher_close(&hasher);
	spi = MemoryContextSwitchTo(caller);
	values[0] = hash_datum(&hashes[n]);
	values[1] = hash_datum(&hashes[n + 1]);
	values[2] = proof_datum(hashes, n);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	MemoryContextSwitchTo(spi);
	nurture_spi_finish(level);
	return (Datum) 0;
}
