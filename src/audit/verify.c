/*
 * verify.c
 *	  nurture_audit_verify: is the audit trail as it was written?
 *
 * Three things are compared: each entry with its leaf, each closed block with
 * the leaves that its seal lists, and the chain of seals with itself and with
 * digests that were kept elsewhere.  What a superuser does to entries that no
 * seal covers yet, or to the whole log and every seal at once, only a digest
 * kept elsewhere shows.
 */
#include "base/compat.h"

#include "access/htup_details.h"
#include "access/transam.h"
#include "audit/finding.h"
#include "base/errors.h"
#include "base/owner.h"
#include "base/plans.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "nodes/execnodes.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"
#include "utils/xid8.h"

NURTURE_FUNCTION(nurture_audit_verify);

static KeptPlan find_seals =
KEPT_PLAN("SELECT " SEAL_COLUMN_LIST " FROM nurture.seal"
		  " WHERE block OPERATOR(pg_catalog.>) $1 ORDER BY block", INT8OID);

static KeptPlan count_incarnations =
KEPT_PLAN("SELECT coalesce(pg_catalog.max(i.incarnation), 0)"
		  " FROM nurture.incarnation i"
		  " WHERE i.incarnation OPERATOR(pg_catalog.>=) $1", INT4OID);

static KeptPlan read_digests =
KEPT_PLAN("SELECT (d OPERATOR(pg_catalog.->>) 'block')::bigint,"
		  " d OPERATOR(pg_catalog.->>) 'hash', pg_catalog.encode(s.hash, 'hex')"
		  " FROM pg_catalog.jsonb_array_elements("
		  "  CASE pg_catalog.jsonb_typeof($1) WHEN 'array' THEN $1"
		  "  ELSE pg_catalog.jsonb_build_array($1) END) d"
		  " LEFT JOIN nurture.seal s ON s.block OPERATOR(pg_catalog.=)"
		  "  (d OPERATOR(pg_catalog.->>) 'block')::bigint ORDER BY 1", JSONBOID);

/* Notes a finding. */
void
nurture_finding(Verify *v, const char *class, int64 block, int64 audit_id,
				const char *format,...)
{
	MemoryContext old = MemoryContextSwitchTo(v->context);
	Finding    *finding;
	StringInfoData text;

	if (v->nfindings >= v->room)
	{
		v->room = v->room > 0 ? v->room * 2 : 64;
		v->findings = v->findings == NULL ?
			MemoryContextAllocHuge(v->context, v->room * sizeof(Finding)) :
			repalloc_huge(v->findings, v->room * sizeof(Finding));
	}
	finding = &v->findings[v->nfindings++];
	finding->class = class;
	finding->block = block;
	finding->audit_id = audit_id;
	initStringInfo(&text);
	for (;;)
	{
		va_list		args;
		int			needed;

		va_start(args, format);
		needed = appendStringInfoVA(&text, format, args);
		va_end(args);
		if (needed == 0)
			break;
		enlargeStringInfo(&text, needed);
	}
	finding->detail = text.data;

	MemoryContextSwitchTo(old);
}

/* Tells whether a stored value is this hash. */
static bool
is_hash(const bytea *stored, const MerkleHash *hash)
{
	return stored != NULL &&
		VARSIZE_ANY_EXHDR(stored) == NURTURE_HASH_LEN &&
		memcmp(VARDATA_ANY(stored), hash->byte, NURTURE_HASH_LEN) == 0;
}

/*
 * Checks one seal against itself and the log up to it, which it moves on.  Of
 * several things that are wrong with it, the first is reported.
 */
static void
check_seal(Verify *v, const AuditSeal *seal, const AuditSeal *before,
		   MerkleRange *log)
{
	unsigned char frontier[64 * NURTURE_HASH_LEN];
	const MerkleHasher *h = &v->hasher.merkle;
	const char *wrong = NULL;
	MerkleRange own;
	MerkleHash	hash;
	MerkleHash	nodes[64];
	bool		nodes_fit = true;
	size_t		nodes_len = 0;
	size_t		len;

	if (seal->block != (before ? before->block + 1 : 1))
		nurture_finding(v, "missing_seal", seal->block, 0,
						"the seal before it is not there");
	else if (before != NULL && (seal->previous == NULL ||
								VARSIZE_ANY_EXHDR(before->hash) != VARSIZE_ANY_EXHDR(seal->previous) ||
								memcmp(VARDATA_ANY(before->hash),
									   VARDATA_ANY(seal->previous),
									   VARSIZE_ANY_EXHDR(before->hash)) != 0))
		wrong = "previous is not the hash of the seal before";
	else if (before == NULL && seal->previous != NULL)
		wrong = "the first seal names one before";

	nurture_seal_hash(&v->hasher, seal, &hash);
	if (!is_hash(seal->hash, &hash))
		wrong = "hash is not that of its columns";

	if (seal->entries < 0 ||
		VARSIZE_ANY_EXHDR(seal->leaves) != seal->entries * SEAL_LEAF_LEN)
		wrong = wrong ? wrong : "leaves are not as many as entries";
	nurture_merkle_start(&own);
	for (int64 n = 0; n < VARSIZE_ANY_EXHDR(seal->leaves) / SEAL_LEAF_LEN; n++)
	{
		(void) nurture_seal_leaf(seal, n, &hash);
		nurture_merkle_append(h, &own, &hash);
		len = sizeof(MerkleHash) *
			nurture_merkle_append_nodes(h, log, &hash, nodes);
		nodes_fit = nodes_fit &&
			nodes_len + len <= VARSIZE_ANY_EXHDR(seal->nodes) &&
			memcmp(VARDATA_ANY(seal->nodes) + nodes_len, nodes, len) == 0;
		nodes_len += len;
	}
	nurture_merkle_root(h, &own, &hash);
	if (!nurture_merkle_equal(&hash, &seal->block_root))
		wrong = wrong ? wrong : "block_root is not that of its leaves";
	nurture_merkle_root(h, log, &hash);
	len = nurture_merkle_save(log, frontier);
	if (log->size != (uint64) seal->tree_size ||
		!nurture_merkle_equal(&hash, &seal->root) ||
		len != VARSIZE_ANY_EXHDR(seal->frontier) ||
		memcmp(frontier, VARDATA_ANY(seal->frontier), len) != 0)
		wrong = wrong ? wrong : "root is not that of the log up to it";
	if (!nodes_fit || nodes_len != VARSIZE_ANY_EXHDR(seal->nodes))
		wrong = wrong ? wrong : "nodes are not those that its leaves made";

	if (seal->incarnation < 1 || seal->incarnation > v->incarnations)
		wrong = wrong ? wrong : "it names an incarnation that never was";
	else
	{
		if (seal->xid_from != v->xid_to[seal->incarnation] ||
			seal->xid_to < seal->xid_from)
			wrong = wrong ? wrong : "its transactions do not follow those of the block before";
		v->xid_to[seal->incarnation] = seal->xid_to;
	}

	if (wrong != NULL)
	{
		nurture_finding(v, "forged_seal", seal->block, 0, "%s", wrong);
		/* go on from what it says, so that one forged seal is one finding */
		if (seal->tree_size >= 0)
			(void) nurture_merkle_load(log, (uint64) seal->tree_size,
									   (unsigned char *) VARDATA_ANY(seal->frontier),
									   VARSIZE_ANY_EXHDR(seal->frontier));
	}
}

/* Checks all seals, and the entries of the blocks asked for. */
static void
check_seals(Verify *v)
{
	Datum		values[1] = {Int64GetDatum(PG_INT64_MIN)};
	MemoryContext contexts[2];
	AuditSeal	seals[2];
	AuditSeal  *before = NULL;
	MerkleRange log;
	Portal		portal;
	int			turn = 0;

	for (int i = 0; i < 2; i++)
		contexts[i] = AllocSetContextCreate(CurrentMemoryContext,
											"nurture verify seal",
											ALLOCSET_DEFAULT_SIZES);
	nurture_merkle_start(&log);
	PushActiveSnapshot(v->snapshot);
	portal = SPI_cursor_open(NULL, nurture_plan(&find_seals), values, NULL,
							 true);
	PopActiveSnapshot();
	for (;;)
	{
		AuditSeal  *seal = &seals[turn];
		MemoryContext old;

		SPI_cursor_fetch(portal, true, 1);
		if (SPI_processed == 0)
			break;
		CHECK_FOR_INTERRUPTS();
		MemoryContextReset(contexts[turn]);
		old = MemoryContextSwitchTo(contexts[turn]);
		nurture_seal_read(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, seal);
		MemoryContextSwitchTo(old);
		SPI_freetuptable(SPI_tuptable);

		check_seal(v, seal, before, &log);
		if (!seal->has_at || (seal->last_at >= v->from && seal->first_at <= v->to))
			nurture_verify_block(v, seal);
		before = seal;
		turn = 1 - turn;
	}
	SPI_cursor_close(portal);
}

/* Compares seals with digests that were kept elsewhere. */
static void
check_digests(Verify *v, Jsonb *digests)
{
	Datum		values[1] = {JsonbPGetDatum(digests)};

	(void) nurture_execute_snapshot(&read_digests, values, NULL, v->snapshot);
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		bool		null;
		int64		block = DatumGetInt64(nurture_cell(row, 1, &null));
		char	   *kept = nurture_cell_text(row, 2);
		char	   *here = nurture_cell_text(row, 3);

		if (null || kept == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("digest %d has no block or no hash",
							(int) row + 1),
					 errhint("Digests are what nurture_audit_digest() returns, one or an array of them.")));
		if (block == 0)
			continue;			/* taken before anything was sealed */
		if (here == NULL)
			nurture_finding(v, "truncated", block, 0,
							"a digest kept elsewhere names this block, which is not there");
		else if (strcmp(kept, here) != 0)
			nurture_finding(v, "digest", block, 0,
							"the seal is not the one of the digest kept elsewhere: the log was rewritten");
	}
}

static int
compare_findings(const void *a, const void *b)
{
	const Finding *x = a;
	const Finding *y = b;
	uint64		xb = x->block == 0 ? PG_UINT64_MAX : (uint64) x->block;
	uint64		yb = y->block == 0 ? PG_UINT64_MAX : (uint64) y->block;

	if (xb != yb)
		return xb < yb ? -1 : 1;
	if (x->audit_id != y->audit_id)
		return x->audit_id < y->audit_id ? -1 : 1;
	return strcmp(x->class, y->class);
}

static int
compare_by_entry(const void *a, const void *b)
{
	const Finding *x = a;
	const Finding *y = b;

	if (x->audit_id != y->audit_id)
		return x->audit_id < y->audit_id ? -1 : 1;
	/* missing before where it turned up */
	return strcmp(x->class, "missing") == 0 ? -1 :
		strcmp(y->class, "missing") == 0 ? 1 : 0;
}

/*
 * Turns an entry that is missing in its block and turned up elsewhere into one
 * finding: it was moved.
 */
static void
join_moved(Verify *v)
{
	int64		kept = 0;

	if (v->nfindings < 2)
		return;
	qsort(v->findings, v->nfindings, sizeof(Finding), compare_by_entry);
	for (int64 i = 0; i < v->nfindings; i++)
	{
		Finding    *f = &v->findings[i];

		if (kept > 0 && f->audit_id != 0 &&
			v->findings[kept - 1].audit_id == f->audit_id &&
			(strcmp(v->findings[kept - 1].class, "missing") == 0 ||
			 strcmp(v->findings[kept - 1].class, "moved") == 0) &&
			(strcmp(f->class, "added") == 0 ||
			 strcmp(f->class, "forged") == 0))
		{
			v->findings[kept - 1].class = "moved";
			v->findings[kept - 1].detail =
				"the entry was sealed in this block and is now elsewhere";
			continue;
		}
		v->findings[kept++] = *f;
	}
	v->nfindings = kept;
}

/* Runs every check. */
static void
verify_all(Verify *v, Jsonb *digests)
{
	Datum		values[1] = {Int32GetDatum(1)};
	bool		null;

	(void) nurture_execute_snapshot(&count_incarnations, values, NULL,
									v->snapshot);
	v->incarnations = DatumGetInt32(nurture_cell(0, 1, &null));
	v->xid_to = palloc0(sizeof(uint64) * (v->incarnations + 1));
	if (TIMESTAMP_IS_NOBEGIN(v->from) && TIMESTAMP_IS_NOEND(v->to))
		nurture_verify_gather(v);
	nurture_entries_open(&v->scan, &v->hasher, v->snapshot);
	check_seals(v);
	nurture_verify_open(v);
	nurture_entries_close(&v->scan);
	nurture_verify_tables(v);
	if (digests != NULL)
		check_digests(v, digests);
	join_moved(v);
	if (v->nfindings > 0)
		qsort(v->findings, v->nfindings, sizeof(Finding), compare_findings);
}

/*
 * nurture_audit_verify("from", "to", digests) returns severity, class, block,
 * audit_id, detail
 *
 * The time range chooses the blocks whose entries are compared; seals and what
 * is not sealed are always checked.  Reads as the owner, for the keys of
 * pseudonyms; the caller needs SELECT on nurture.audit.
 */
Datum
nurture_audit_verify(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Oid			table = nurture_table_oid("audit", false);
	Verify	   *v = palloc0(sizeof(Verify));
	OwnerSwitch owner;
	int			level;

	if (pg_class_aclcheck(table, nurture_caller_role(),
						  ACL_SELECT) != ACLCHECK_OK)
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_TABLE, "audit");
	InitMaterializedSRF(fcinfo, 0);
	v->from = PG_ARGISNULL(0) ? DT_NOBEGIN : PG_GETARG_TIMESTAMPTZ(0);
	v->to = PG_ARGISNULL(1) ? DT_NOEND : PG_GETARG_TIMESTAMPTZ(1);
	v->context = AllocSetContextCreate(CurrentMemoryContext,
									   "nurture verify",
									   ALLOCSET_DEFAULT_SIZES);

	nurture_owner_enter(&owner);
	level = nurture_spi_connect();
	CommandCounterIncrement();	/* see this transaction's own entries */
	v->snapshot = RegisterSnapshot(GetLatestSnapshot());
	nurture_hasher_open(&v->hasher);
	verify_all(v, PG_ARGISNULL(2) ? NULL : PG_GETARG_JSONB_P(2));
	nurture_hasher_close(&v->hasher);
	UnregisterSnapshot(v->snapshot);
	nurture_spi_finish(level);
	nurture_owner_leave(&owner);

	for (int64 i = 0; i < v->nfindings; i++)
	{
		Finding    *f = &v->findings[i];
		Datum		values[5];
		bool		nulls[5] = {0};

		values[0] = CStringGetTextDatum("error");
		values[1] = CStringGetTextDatum(f->class);
		values[2] = Int64GetDatum(f->block);
		nulls[2] = f->block == 0;
		values[3] = Int64GetDatum(f->audit_id);
		nulls[3] = f->audit_id == 0;
		values[4] = CStringGetTextDatum(f->detail);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}
