/*
 * seal.c
 *	  Closes blocks of audit entries.
 *
 * Block k holds the entries of the transactions in [h(k-1), h(k)), h being the
 * xmin of the sealer's snapshot: all transactions before it have ended, so no
 * entry can join the block any more, and no writer ever waited for it.
 */
#include "base/compat.h"

#include "access/htup_details.h"
#include "access/transam.h"
#include "audit/audit.h"
#include "audit/entries.h"
#include "audit/guard.h"
#include "audit/incarnation.h"
#include "audit/seal.h"
#include "base/errors.h"
#include "base/owner.h"
#include "base/plans.h"
#include "catalog/pg_type.h"
#include "core/canon.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "port/pg_bswap.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/xid8.h"

NURTURE_FUNCTION(nurture_audit_seal);

/* "nurt": the first key of the advisory locks of nurture; 1 is the sealer */
#define SEAL_LOCK_CLASS		0x6e757274
#define SEAL_LOCK_SEALER	1

/* a block that grew to this is closed where its transaction ends */
#define SEAL_BLOCK_ENTRIES	65536

/* an empty block is closed when the last seal is older than this */
#define SEAL_HEARTBEAT_MS	60000

static KeptPlan find_head =
KEPT_PLAN("SELECT " SEAL_COLUMN_LIST " FROM nurture.seal"
		  " WHERE block OPERATOR(pg_catalog.>) $1"
		  " ORDER BY block DESC LIMIT 1", INT8OID);

static KeptPlan find_incarnations =
KEPT_PLAN("SELECT i.incarnation,"
		  " (SELECT s.xid_to FROM nurture.seal s"
		  "  WHERE s.incarnation OPERATOR(pg_catalog.=) i.incarnation"
		  "  ORDER BY s.xid_to DESC LIMIT 1),"
		  " i.system_identifier OPERATOR(pg_catalog.=) c.system_identifier"
		  " AND i.database OPERATOR(pg_catalog.=) c.database"
		  " AND i.opened_xid OPERATOR(pg_catalog.<=) c.opened_xid"
		  " FROM nurture.incarnation i, nurture.incarnation c"
		  " WHERE c.incarnation OPERATOR(pg_catalog.=) $1"
		  " ORDER BY i.incarnation", INT4OID);

static KeptPlan add_seal =
KEPT_PLAN("INSERT INTO nurture.seal (" SEAL_COLUMN_LIST ") VALUES"
		  " ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15,"
		  "  $16)",
		  INT8OID, INT4OID, XID8OID, XID8OID, INT8OID, TIMESTAMPTZOID,
		  TIMESTAMPTZOID, BYTEAOID, INT8OID, BYTEAOID, BYTEAOID, BYTEAOID,
		  TIMESTAMPTZOID, BYTEAOID, BYTEAOID, BYTEAOID);

/* the log as far as it is sealed, and what sealing it further needs */
typedef struct Sealer
{
	AuditHasher hasher;
	Snapshot	snapshot;
	EntryScan	scan;
	MerkleRange log;			/* all leaves so far */
	int64		block;			/* last block */
	MerkleHash	head;			/* its hash */
	bool		has_head;
	TimestampTz closed_at;		/* when it was closed */
	int64		sealed;			/* entries sealed by this call */
	int			blocks;			/* blocks closed by this call */
} Sealer;

static bytea *
bytes_of(const void *bytes, size_t len)
{
	bytea	   *result = palloc(VARHDRSZ + len);

	SET_VARSIZE(result, VARHDRSZ + len);
	memcpy(VARDATA(result), bytes, len);
	return result;
}

/*
 * Computes the hash of a seal, over all its fields but hash, and leaves and
 * nodes, which its roots are computed from.
 */
void
nurture_seal_hash(AuditHasher *hasher, const AuditSeal *seal,
				  MerkleHash *hash)
{
	unsigned char buffer[4096]; /* 64 frontier hashes are 2048 bytes */
	CanonWriter w = {.buf = buffer,.cap = sizeof(buffer)};

	nurture_canon_begin(&w, NURTURE_CANON_SEAL);
	nurture_canon_int(&w, 1, seal->block);
	nurture_canon_int(&w, 2, seal->incarnation);
	nurture_canon_uint(&w, 3, seal->xid_from);
	nurture_canon_uint(&w, 4, seal->xid_to);
	nurture_canon_int(&w, 5, seal->entries);
	if (seal->has_at)
	{
		nurture_canon_instant(&w, 6, seal->first_at);
		nurture_canon_instant(&w, 7, seal->last_at);
	}
	else
	{
		nurture_canon_null(&w, 6, CANON_INSTANT);
		nurture_canon_null(&w, 7, CANON_INSTANT);
	}
	nurture_canon_value(&w, 8, CANON_BYTES, seal->block_root.byte,
						NURTURE_HASH_LEN);
	nurture_canon_int(&w, 9, seal->tree_size);
	nurture_canon_value(&w, 10, CANON_BYTES, seal->root.byte,
						NURTURE_HASH_LEN);
	nurture_canon_value(&w, 11, CANON_BYTES, VARDATA_ANY(seal->frontier),
						VARSIZE_ANY_EXHDR(seal->frontier));
	if (seal->previous)
		nurture_canon_value(&w, 12, CANON_BYTES, VARDATA_ANY(seal->previous),
							VARSIZE_ANY_EXHDR(seal->previous));
	else
		nurture_canon_null(&w, 12, CANON_BYTES);
	nurture_canon_instant(&w, 13, seal->closed_at);

	/* a stored field longer than any of ours is forged: hash what fits */
	(void) nurture_canon_end(&w);
	hasher->merkle.sha256(hasher->merkle.ctx, buffer, w.used, hash->byte);
}

/* Copies a hash out of a stored value; one of another length becomes zeros. */
static void
read_hash(Datum value, MerkleHash *hash)
{
	bytea	   *bytes = DatumGetByteaPP(value);

	memset(hash, 0, sizeof(*hash));
	if (VARSIZE_ANY_EXHDR(bytes) == NURTURE_HASH_LEN)
		memcpy(hash->byte, VARDATA_ANY(bytes), NURTURE_HASH_LEN);
}

/* Reads a row of SEAL_COLUMN_LIST into the current memory context. */
void
nurture_seal_read(HeapTuple tuple, TupleDesc desc, AuditSeal *seal)
{
	Datum		values[SEAL_COLUMNS];
	bool		nulls[SEAL_COLUMNS];

	heap_deform_tuple(tuple, desc, values, nulls);
	/* a NULL where none can be is forged: read it as nothing */
	for (int i = 0; i < SEAL_COLUMNS; i++)
	{
		if (nulls[i])
			values[i] = TupleDescAttr(desc, i)->attlen == -1 ?
				PointerGetDatum(bytes_of("", 0)) : (Datum) 0;
	}
	seal->block = DatumGetInt64(values[0]);
	seal->incarnation = DatumGetInt32(values[1]);
	seal->xid_from = U64FromFullTransactionId(DatumGetFullTransactionId(values[2]));
	seal->xid_to = U64FromFullTransactionId(DatumGetFullTransactionId(values[3]));
	seal->entries = DatumGetInt64(values[4]);
	seal->has_at = !nulls[5] && !nulls[6];
	seal->first_at = seal->has_at ? DatumGetTimestampTz(values[5]) : 0;
	seal->last_at = seal->has_at ? DatumGetTimestampTz(values[6]) : 0;
	read_hash(values[7], &seal->block_root);
	seal->tree_size = DatumGetInt64(values[8]);
	read_hash(values[9], &seal->root);
	seal->frontier = DatumGetByteaPCopy(values[10]);
	seal->previous = nulls[11] ? NULL : DatumGetByteaPCopy(values[11]);
	seal->closed_at = DatumGetTimestampTz(values[12]);
	seal->hash = DatumGetByteaPCopy(values[13]);
	seal->leaves = DatumGetByteaPCopy(values[14]);
	seal->nodes = DatumGetByteaPCopy(values[15]);
}

/* Returns the audit_id of the n-th entry that a seal lists, and its leaf. */
int64
nurture_seal_leaf(const AuditSeal *seal, int64 n, MerkleHash *leaf)
{
	const char *at = VARDATA_ANY(seal->leaves) + n * SEAL_LEAF_LEN;
	uint64		id;

	memcpy(&id, at, sizeof(id));
	memcpy(leaf->byte, at + sizeof(id), NURTURE_HASH_LEN);
	return (int64) pg_ntoh64(id);
}

/* Widens an xid of a snapshot taken just now. */
static uint64
widen(TransactionId xid)
{
	FullTransactionId next = ReadNextFullTransactionId();
	uint32		epoch = EpochFromFullTransactionId(next);

	if (xid > XidFromFullTransactionId(next))
		epoch--;
	return U64FromFullTransactionId(FullTransactionIdFromEpochAndXid(epoch, xid));
}

/* Reads the last seal. */
static void
read_head(Sealer *sealer)
{
	Datum		values[1] = {Int64GetDatum(0)};
	AuditSeal	seal;

	nurture_merkle_start(&sealer->log);
	(void) nurture_execute_snapshot(&find_head, values, NULL,
									sealer->snapshot);
	sealer->has_head = SPI_processed > 0;
	if (!sealer->has_head)
		return;
	nurture_seal_read(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, &seal);
	if (VARSIZE_ANY_EXHDR(seal.hash) != NURTURE_HASH_LEN ||
		!nurture_merkle_load(&sealer->log, (uint64) seal.tree_size,
							 (unsigned char *) VARDATA_ANY(seal.frontier),
							 VARSIZE_ANY_EXHDR(seal.frontier)))
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_BYPASS),
				 errmsg("seal " INT64_FORMAT " was altered", seal.block),
				 errhint("SELECT * FROM nurture_audit_verify() says more.")));
	sealer->block = seal.block;
	sealer->closed_at = seal.closed_at;
	memcpy(sealer->head.byte, VARDATA_ANY(seal.hash), NURTURE_HASH_LEN);
}

/* what the entries of a block under way add to its seal */
typedef struct Gathered
{
	StringInfoData leaves;
	StringInfoData nodes;
} Gathered;

/* Closes a block whose entries are gathered: log has their leaves already. */
static void
close_block(Sealer *sealer, AuditSeal *seal, const MerkleRange *own,
			const Gathered *gathered)
{
	unsigned char frontier[64 * NURTURE_HASH_LEN];
	MerkleHash	hash;
	Datum		values[SEAL_COLUMNS];
	char		nulls[SEAL_COLUMNS + 1];
	bool		guarded;
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "nurture seal",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);

	seal->block = sealer->block + 1;
	nurture_merkle_root(&sealer->hasher.merkle, own, &seal->block_root);
	nurture_merkle_root(&sealer->hasher.merkle, &sealer->log, &seal->root);
	seal->tree_size = (int64) sealer->log.size;
	seal->frontier = bytes_of(frontier,
							  nurture_merkle_save(&sealer->log, frontier));
	seal->previous = sealer->has_head ?
		bytes_of(sealer->head.byte, NURTURE_HASH_LEN) : NULL;
	seal->closed_at = GetCurrentTimestamp();
	nurture_seal_hash(&sealer->hasher, seal, &hash);

	memset(nulls, ' ', sizeof(nulls));
	values[0] = Int64GetDatum(seal->block);
	values[1] = Int32GetDatum(seal->incarnation);
	values[2] = FullTransactionIdGetDatum(FullTransactionIdFromU64(seal->xid_from));
	values[3] = FullTransactionIdGetDatum(FullTransactionIdFromU64(seal->xid_to));
	values[4] = Int64GetDatum(seal->entries);
	values[5] = TimestampTzGetDatum(seal->first_at);
	values[6] = TimestampTzGetDatum(seal->last_at);
	if (!seal->has_at)
		nulls[5] = nulls[6] = 'n';
	values[7] = PointerGetDatum(bytes_of(seal->block_root.byte,
										 NURTURE_HASH_LEN));
	values[8] = Int64GetDatum(seal->tree_size);
	values[9] = PointerGetDatum(bytes_of(seal->root.byte, NURTURE_HASH_LEN));
	values[10] = PointerGetDatum(seal->frontier);
	values[11] = PointerGetDatum(seal->previous);
	if (seal->previous == NULL)
		nulls[11] = 'n';
	values[12] = TimestampTzGetDatum(seal->closed_at);
	values[13] = PointerGetDatum(bytes_of(hash.byte, NURTURE_HASH_LEN));
	values[14] = PointerGetDatum(bytes_of(gathered->leaves.data,
										  gathered->leaves.len));
	values[15] = PointerGetDatum(bytes_of(gathered->nodes.data,
										  gathered->nodes.len));

	guarded = nurture_guard_open();
	PG_TRY();
	{
		(void) nurture_execute(&add_seal, values, nulls, false);
	}
	PG_FINALLY();
	{
		nurture_guard_close(guarded);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);

	sealer->block = seal->block;
	sealer->head = hash;
	sealer->has_head = true;
	sealer->closed_at = seal->closed_at;
	sealer->sealed += seal->entries;
	sealer->blocks++;
}

/* Starts the next block. */
static void
start_block(AuditSeal *seal, int32 incarnation, uint64 xid_from,
			MerkleRange *own, Gathered *gathered)
{
	memset(seal, 0, sizeof(*seal));
	seal->incarnation = incarnation;
	seal->xid_from = xid_from;
	nurture_merkle_start(own);
	resetStringInfo(&gathered->leaves);
	resetStringInfo(&gathered->nodes);
}

/*
 * Closes the blocks of one incarnation up to a horizon.  An entry that does
 * not match its leaf ends it: its block stays open, for a tree that holds a
 * wrong leaf cannot be mended.
 */
static bool
seal_incarnation(Sealer *sealer, int32 incarnation, uint64 xid_from,
				 uint64 xid_to, bool heartbeat)
{
	EntryScan  *scan = &sealer->scan;
	AuditSeal	seal;
	MerkleRange own;
	MerkleRange log_before = sealer->log;
	MerkleHash	nodes[64];
	Gathered	gathered;
	uint64		last_xid = 0;
	bool		good = true;

	initStringInfo(&gathered.leaves);
	initStringInfo(&gathered.nodes);
	start_block(&seal, incarnation, xid_from, &own, &gathered);
	nurture_entries_range(scan, incarnation, xid_from, xid_to, false);
	while (nurture_entries_next(scan))
	{
		uint64		id = pg_hton64((uint64) scan->audit_id);
		int			n;

		if (!scan->leaf_fits)
		{
			ereport(WARNING,
					(errcode(NURTURE_ERRCODE_BYPASS),
					 errmsg("audit entry " INT64_FORMAT " does not match its leaf: its block stays open",
							scan->audit_id),
					 errhint("SELECT * FROM nurture_audit_verify() says more.")));
			good = false;
			break;
		}
		if (seal.entries >= SEAL_BLOCK_ENTRIES && scan->xid != last_xid)
		{
			seal.xid_to = scan->xid;
			close_block(sealer, &seal, &own, &gathered);
			start_block(&seal, incarnation, scan->xid, &own, &gathered);
			log_before = sealer->log;
		}
		last_xid = scan->xid;
		if (!seal.has_at || scan->at < seal.first_at)
			seal.first_at = scan->at;
		if (!seal.has_at || scan->at > seal.last_at)
			seal.last_at = scan->at;
		seal.has_at = true;
		seal.entries++;
		appendBinaryStringInfo(&gathered.leaves, (char *) &id, sizeof(id));
		appendBinaryStringInfo(&gathered.leaves, (char *) scan->leaf.byte,
							   NURTURE_HASH_LEN);
		nurture_merkle_append(&sealer->hasher.merkle, &own, &scan->leaf);
		n = nurture_merkle_append_nodes(&sealer->hasher.merkle, &sealer->log,
										&scan->leaf, nodes);
		appendBinaryStringInfo(&gathered.nodes, (char *) nodes,
							   n * sizeof(MerkleHash));
	}
	if (!good)
		sealer->log = log_before;
	else if (seal.entries > 0 ||
			 (heartbeat && sealer->blocks == 0 &&
			  (!sealer->has_head ||
			   TimestampDifferenceExceeds(sealer->closed_at,
										  GetCurrentTimestamp(),
										  SEAL_HEARTBEAT_MS))))
	{
		seal.xid_to = xid_to;
		close_block(sealer, &seal, &own, &gathered);
	}
	pfree(gathered.leaves.data);
	pfree(gathered.nodes.data);
	return good;
}

/* Closes what can be closed, by the sealer that holds the lock. */
static int64
seal_all(void)
{
	Sealer	   *sealer = palloc0(sizeof(Sealer));
	int32		incarnation = nurture_incarnation(true);
	Datum		values[1] = {Int32GetDatum(incarnation)};
	SPITupleTable *table;
	uint64		rows;
	uint64		horizon;

	sealer->snapshot = RegisterSnapshot(GetLatestSnapshot());
	horizon = widen(sealer->snapshot->xmin);
	nurture_hasher_open(&sealer->hasher);
	nurture_entries_open(&sealer->scan, &sealer->hasher, sealer->snapshot);
	read_head(sealer);

	(void) nurture_execute_latest(&find_incarnations, values, NULL, false);
	table = SPI_tuptable;
	rows = SPI_processed;
	for (uint64 row = 0; row < rows; row++)
	{
		bool		null;
		bool		null_from;
		HeapTuple	tuple = table->vals[row];
		int32		number = DatumGetInt32(SPI_getbinval(tuple, table->tupdesc,
														 1, &null));
		Datum		from = SPI_getbinval(tuple, table->tupdesc, 2, &null_from);
		bool		here = DatumGetBool(SPI_getbinval(tuple, table->tupdesc,
													  3, &null));
		uint64		xid_from = null_from ? 0 :
		U64FromFullTransactionId(DatumGetFullTransactionId(from));

		/* what another cluster wrote is final as it was restored */
		uint64		xid_to = here ? horizon : PG_UINT64_MAX;

		if (xid_from > xid_to)
			continue;
		if (!seal_incarnation(sealer, number, xid_from, xid_to,
							  number == incarnation))
			break;
	}
	nurture_entries_close(&sealer->scan);
	nurture_hasher_close(&sealer->hasher);
	UnregisterSnapshot(sealer->snapshot);
	return sealer->sealed;
}

/*
 * Closes blocks and returns how many entries they hold: 0 when another session
 * is at it.  Raises no error for a forged entry, so that the tick goes on; a
 * warning says which, and the seals' lag shows it.
 */
int64
nurture_audit_close(void)
{
	OwnerSwitch owner;
	int64		sealed = 0;
	int			level;

	nurture_owner_enter(&owner);
	level = nurture_spi_connect();
	if (DatumGetBool(DirectFunctionCall2(pg_try_advisory_xact_lock_int4,
										 Int32GetDatum(SEAL_LOCK_CLASS),
										 Int32GetDatum(SEAL_LOCK_SEALER))))
		sealed = seal_all();
	nurture_spi_finish(level);
	nurture_owner_leave(&owner);
	return sealed;
}

/* nurture_audit_seal() returns bigint: entries sealed */
Datum
nurture_audit_seal(PG_FUNCTION_ARGS)
{
	Oid			table = nurture_table_oid("seal", false);

	PreventCommandIfReadOnly("nurture_audit_seal()");
	PreventCommandDuringRecovery("nurture_audit_seal()");
	if (pg_class_aclcheck(table, nurture_caller_role(),
						  ACL_SELECT) != ACLCHECK_OK)
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_TABLE, "seal");
	PG_RETURN_INT64(nurture_audit_close());
}
