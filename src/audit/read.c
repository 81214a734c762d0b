/*
 * read.c
 *	  What the audit trail says: why a message was decided as it was, all
 *	  decisions about a lead, digests and proofs.
 *
 * Everything here reads with the caller's rights: SELECT on nurture.audit, and
 * for digests and proofs on nurture.seal.
 */
#include "base/compat.h"

#include "audit/seal.h"
#include "base/plans.h"
#include "catalog/pg_type.h"
#include "facts/lead.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "nodes/execnodes.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

NURTURE_FUNCTION(nurture_why);
NURTURE_FUNCTION(nurture_decisions);
NURTURE_FUNCTION(nurture_audit_digest);
NURTURE_FUNCTION(nurture_audit_proof);
NURTURE_FUNCTION(nurture_audit_consistency);

/* decisions with each rule, those that failed first; what happened to the message later, with reasons */
static KeptPlan find_why =
KEPT_PLAN("SELECT a.at, a.trigger,"
		  " coalesce(r.rule, pg_catalog.array_to_string(a.reasons, ', '), a.outcome),"
		  " r.version, r.passed,"
		  " CASE WHEN a.kind = 'message' THEN r.fact ELSE a.inputs END"
		  " FROM nurture.audit a"
		  " CROSS JOIN LATERAL (SELECT CASE WHEN a.kind = 'message'"
		  "  THEN a.inputs::pg_catalog.jsonb END AS inputs) i"
		  " LEFT JOIN LATERAL (SELECT f.value ->> 'rule', f.value ->> 'version',"
		  "  false, f.value ->> 'fact', f.n"
		  "  FROM pg_catalog.jsonb_array_elements(i.inputs -> 'failed')"
		  "  WITH ORDINALITY f (value, n)"
		  "  UNION ALL SELECT p.rule, p.value ->> 'version', true,"
		  "  CASE WHEN pg_catalog.jsonb_typeof(p.value) = 'object'"
		  "  THEN p.value ->> 'fact' ELSE p.value #>> '{}' END, p.n + 1000"
		  "  FROM pg_catalog.jsonb_each(i.inputs -> 'passed')"
		  "  WITH ORDINALITY p (rule, value, n))"
		  " r (rule, version, passed, fact, n) ON true"
		  " WHERE a.lead_ref = $1 AND a.object = 'message:' || $2"
		  " ORDER BY a.audit_id, r.n", INT8OID, INT8OID);

static KeptPlan find_decisions =
KEPT_PLAN("SELECT a.audit_id, a.at, a.kind, a.object, a.outcome, a.reasons,"
		  " a.trigger, a.versions, a.inputs, a.reason, a.\"session_user\","
		  " a.effective_role, a.app_user, a.simulated"
		  " FROM nurture.audit a WHERE a.lead_ref = $1"
		  " AND a.at >= $2 AND a.at <= $3 ORDER BY a.audit_id",
		  INT8OID, TIMESTAMPTZOID, TIMESTAMPTZOID);

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

static KeptPlan find_leaves =
KEPT_PLAN("SELECT s.tree_size - s.entries, s.leaves FROM nurture.seal s"
		  " WHERE s.entries > 0 AND s.block > $1 ORDER BY s.block", INT8OID);

static KeptPlan find_tree =
KEPT_PLAN("SELECT s.tree_size, s.root FROM nurture.seal s"
		  " WHERE s.block > $1 ORDER BY s.block DESC LIMIT 1", INT8OID);

/* Hands the rows of a query to the caller of a set-returning function. */
static void
return_rows(FunctionCallInfo fcinfo, KeptPlan *kept, Datum *values)
{
	ReturnSetInfo *result;
	int			level;

	InitMaterializedSRF(fcinfo, 0);
	result = (ReturnSetInfo *) fcinfo->resultinfo;
	level = nurture_spi_connect();
	(void) nurture_execute(kept, values, NULL, true);
	for (uint64 row = 0; row < SPI_processed; row++)
		tuplestore_puttuple(result->setResult, SPI_tuptable->vals[row]);
	nurture_spi_finish(level);
}

/*
 * nurture_why(lead_id, message_id) returns at, trigger, rule, version, passed,
 * fact: what is on record, never a decision made again.
 */
Datum
nurture_why(PG_FUNCTION_ARGS)
{
	Datum		values[2] = {PG_GETARG_DATUM(0), PG_GETARG_DATUM(1)};

	if (nurture_lead_hidden(PG_GETARG_INT64(0)))
		InitMaterializedSRF(fcinfo, 0);
	else
		return_rows(fcinfo, &find_why, values);
	return (Datum) 0;
}

/* nurture_decisions(lead_id, "from", "to"): every entry about a lead. */
Datum
nurture_decisions(PG_FUNCTION_ARGS)
{
	Datum		values[3];

	if (PG_ARGISNULL(0) || nurture_lead_hidden(PG_GETARG_INT64(0)))
	{
		InitMaterializedSRF(fcinfo, 0);
		return (Datum) 0;
	}
	values[0] = PG_GETARG_DATUM(0);
	values[1] = PG_ARGISNULL(1) ? TimestampTzGetDatum(DT_NOBEGIN) :
		PG_GETARG_DATUM(1);
	values[2] = PG_ARGISNULL(2) ? TimestampTzGetDatum(DT_NOEND) :
		PG_GETARG_DATUM(2);
	return_rows(fcinfo, &find_decisions, values);
	return (Datum) 0;
}

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

/* Computes the roots of spans of the sealed log, in one pass over its leaves. */
static void
span_roots(AuditHasher *hasher, const MerkleSpan *spans, int nspans,
		   MerkleHash *roots)
{
	MerkleRange *ranges = palloc(sizeof(MerkleRange) * (nspans + 1));
	Datum		values[1] = {Int64GetDatum(0)};
	Portal		portal;

	for (int i = 0; i < nspans; i++)
		nurture_merkle_start(&ranges[i]);
	portal = SPI_cursor_open(NULL, nurture_plan(&find_leaves), values, NULL,
							 true);
	for (;;)
	{
		bool		null;
		uint64		index;
		AuditSeal	seal = {0};

		SPI_cursor_fetch(portal, true, 1);
		if (SPI_processed == 0)
			break;
		CHECK_FOR_INTERRUPTS();
		index = (uint64) DatumGetInt64(nurture_cell(0, 1, &null));
		seal.leaves = DatumGetByteaPP(nurture_cell(0, 2, &null));
		for (int64 n = 0; n < VARSIZE_ANY_EXHDR(seal.leaves) / SEAL_LEAF_LEN; n++, index++)
		{
			MerkleHash	leaf;

			(void) nurture_seal_leaf(&seal, n, &leaf);
			for (int i = 0; i < nspans; i++)
			{
				if (index >= spans[i].start && index < spans[i].end)
					nurture_merkle_append(&hasher->merkle, &ranges[i], &leaf);
			}
		}
		SPI_freetuptable(SPI_tuptable);
	}
	SPI_cursor_close(portal);
	for (int i = 0; i < nspans; i++)
		nurture_merkle_root(&hasher->merkle, &ranges[i], &roots[i]);
	pfree(ranges);
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

/* Finds the place of an entry in the sealed log; false when it has none. */
static bool
find_leaf(int64 audit_id, int64 *block, uint64 *index, MerkleHash *leaf)
{
	Datum		values[1] = {Int64GetDatum(audit_id)};

	(void) nurture_execute(&find_block, values, NULL, true);
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		bool		null;
		AuditSeal	seal = {0};

		*block = DatumGetInt64(nurture_cell(row, 1, &null));
		*index = (uint64) DatumGetInt64(nurture_cell(row, 2, &null));
		seal.leaves = DatumGetByteaPP(nurture_cell(row, 3, &null));
		for (int64 n = 0; n < VARSIZE_ANY_EXHDR(seal.leaves) / SEAL_LEAF_LEN; n++)
		{
			if (nurture_seal_leaf(&seal, n, leaf) == audit_id)
			{
				*index += n;
				return true;
			}
		}
	}
	return false;
}

/*
 * nurture_audit_proof(audit_id) returns block, leaf_index, tree_size, leaf,
 * root, proof: that the entry is in the log, by RFC 6962; no row while it is
 * not sealed.
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

		if (n >= 0)
		{
			Datum		values[6];
			bool		nulls[6] = {0};
			MemoryContext spi;

			nurture_hasher_open(&hasher);
			span_roots(&hasher, spans, n, hashes);
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
	span_roots(&hasher, spans, n + 2, hashes);
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
