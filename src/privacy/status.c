/*
 * status.c
 *	  When an erasure is complete: nothing of the rows is left in the files of
 *	  the database either.
 *
 * DELETE and UPDATE leave the old row in its page, plain VACUUM frees the
 * space without wiping it, and an index keeps what it was built of.  VACUUM
 * FULL and CLUSTER write table, TOAST table and indexes anew: then the file
 * node is another.  They copy rows that an old snapshot may still want to
 * see, so a table counts only when no row that went with the erasure is in it.
 *
 * A transaction that ran beside an erasure may have left something that
 * nothing made it wait for.  So nothing is complete before all of these have
 * ended, and what they left is taken then.
 */
#include "base/compat.h"

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/tableam.h"
#include "access/transam.h"
#include "access/xact.h"
#include "audit/audit.h"
#include "base/clock.h"
#include "base/errors.h"
#include "base/owner.h"
#include "catalog/pg_am.h"
#include "catalog/pg_type.h"
#include "executor/tuptable.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "storage/procarray.h"
#include "privacy/map.h"
#include "privacy/privacy.h"
#include "tracks/tracks.h"
#include "utils/builtins.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"
#include "utils/xid8.h"

#define STATUS_COLUMNS 5
#define TICK_CERTIFICATES 20

NURTURE_FUNCTION(nurture_erase_status);

static KeptPlan find_one =
KEPT_PLAN("SELECT e.lead_id, e.erasure_id, e.status, e.xid_to, e.xid_to < pg_snapshot_xmin(pg_current_snapshot())"
		  " FROM nurture.erasure e WHERE e.erasure_id = $1", INT8OID);
static KeptPlan find_pending =
KEPT_PLAN("SELECT e.lead_id, e.erasure_id, e.status, e.xid_to, e.xid_to < pg_snapshot_xmin(pg_current_snapshot())"
		  " FROM nurture.erasure e WHERE e.status = 'pending' ORDER BY e.erasure_id LIMIT $1", INT8OID);

/* those the tick can do something for: to be looked through, or rewritten */
static KeptPlan find_ripe =
KEPT_PLAN("SELECT e.lead_id, e.erasure_id, e.status, e.xid_to, true FROM nurture.erasure e"
		  " WHERE e.status = 'pending' AND e.xid_to < pg_snapshot_xmin(pg_current_snapshot())"
		  " AND (e.swept_at IS NULL OR NOT EXISTS (SELECT FROM nurture.erasure_relation r"
		  "  JOIN pg_class c ON c.oid = r.relid AND c.oid = to_regclass(r.relation)"
		  "  WHERE r.lead_id = e.lead_id AND r.erasure_id = e.erasure_id AND r.rewritten_at IS NULL"
		  "  AND pg_relation_filenode(c.oid) IS NOT DISTINCT FROM r.filenode))"
		  " ORDER BY e.erasure_id LIMIT $1", INT8OID);
static KeptPlan mark_swept =
KEPT_PLAN("UPDATE nurture.erasure SET swept_at = $3 WHERE lead_id = $1 AND erasure_id = $2 AND swept_at IS NULL",
		  INT8OID, INT8OID, TIMESTAMPTZOID);
static KeptPlan lock_pending =
KEPT_PLAN("SELECT e.lead_id FROM nurture.erasure e WHERE e.lead_id = $1 AND e.erasure_id = $2"
		  " AND e.status = 'pending' FOR NO KEY UPDATE SKIP LOCKED", INT8OID, INT8OID);

/* a table that is gone, or came back from a dump, has new files */
static KeptPlan find_relations =
KEPT_PLAN("SELECT r.relation, r.relid, r.rewritten_at IS NOT NULL,"
		  " c.oid IS NULL OR pg_relation_filenode(c.oid) IS DISTINCT FROM r.filenode, c.oid IS NULL"
		  " FROM nurture.erasure_relation r LEFT JOIN pg_class c ON c.oid = r.relid AND c.oid = to_regclass(r.relation)"
		  " WHERE r.lead_id = $1 AND r.erasure_id = $2 ORDER BY r.relation", INT8OID, INT8OID);
static KeptPlan mark_relation =
KEPT_PLAN("UPDATE nurture.erasure_relation SET rewritten_at = $4 WHERE lead_id = $1 AND erasure_id = $2 AND relation = $3",
		  INT8OID, INT8OID, TEXTOID, TIMESTAMPTZOID);
static KeptPlan complete =
KEPT_PLAN("UPDATE nurture.erasure SET status = 'complete', completed_at = $3 WHERE lead_id = $1 AND erasure_id = $2",
		  INT8OID, INT8OID, TIMESTAMPTZOID);

/* A certificate as it is looked at. */
typedef struct Certificate
{
	int64		lead_id;
	int64		erasure_id;
	bool		pending;
	uint64		xid_to;			/* all that the erasure wrote is before it */
	bool		alone;			/* nothing that ran beside it runs still */
} Certificate;

/*
 * Tells whether a table still has a row that went before a transaction; such
 * are there after a rewrite only when an old snapshot may see them.
 */
static bool
has_remains(Oid relid, uint64 xid_to)
{
	Relation	rel = try_relation_open(relid, AccessShareLock);
	TransactionId limit = (TransactionId) xid_to;
	TableScanDesc scan;
	TupleTableSlot *slot;
	bool		found = false;

	if (rel == NULL)
		return false;
	if (rel->rd_rel->relkind != RELKIND_RELATION || rel->rd_rel->relam != HEAP_TABLE_AM_OID ||
		U64FromFullTransactionId(ReadNextFullTransactionId()) - xid_to > PG_INT32_MAX)
	{
		relation_close(rel, AccessShareLock);
		return false;
	}
	slot = table_slot_create(rel, NULL);
	scan = table_beginscan(rel, SnapshotAny, 0, NULL);
	while (!found && table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		HeapTupleHeader row = ((HeapTupleTableSlot *) slot)->tuple->t_data;
		TransactionId went;

		CHECK_FOR_INTERRUPTS();
		if ((row->t_infomask & HEAP_XMAX_INVALID) || HEAP_XMAX_IS_LOCKED_ONLY(row->t_infomask))
			continue;
		went = HeapTupleHeaderGetUpdateXid(row);
		found = TransactionIdIsNormal(went) && TransactionIdPrecedes(went, limit) &&
			!TransactionIdIsInProgress(went) && TransactionIdDidCommit(went);
	}
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	relation_close(rel, AccessShareLock);
	return found;
}

static void
put(ReturnSetInfo *rsinfo, const Certificate *certificate, const char *status,
	const char *relation, const char *detail)
{
	Datum		values[STATUS_COLUMNS];
	bool		nulls[STATUS_COLUMNS] = {false, false, false, relation == NULL, detail == NULL};

	if (rsinfo == NULL)
		return;
	values[0] = Int64GetDatum(certificate->erasure_id);
	values[1] = Int64GetDatum(certificate->lead_id);
	values[2] = CStringGetTextDatum(status);
	values[3] = relation ? CStringGetTextDatum(relation) : (Datum) 0;
	values[4] = detail ? CStringGetTextDatum(detail) : (Datum) 0;
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

/* Reads the certificates of the last result. */
static Certificate *
read_certificates(int *n)
{
	Certificate *result;

	*n = (int) SPI_processed;
	result = palloc(sizeof(Certificate) * Max(*n, 1));
	for (int i = 0; i < *n; i++)
	{
		bool		isnull;

		result[i].lead_id = DatumGetInt64(nurture_cell(i, 1, &isnull));
		result[i].erasure_id = DatumGetInt64(nurture_cell(i, 2, &isnull));
		result[i].pending = strcmp(nurture_cell_text(i, 3), "pending") == 0;
		result[i].xid_to = U64FromFullTransactionId(DatumGetFullTransactionId(nurture_cell(i, 4, &isnull)));
		result[i].alone = DatumGetBool(nurture_cell(i, 5, &isnull));
	}
	return result;
}

/* Looks at the tables of a certificate; answers how many are to be rewritten. */
static int
look_at_tables(const Certificate *certificate, ReturnSetInfo *rsinfo)
{
	Datum		values[4];
	SPITupleTable *rows;
	uint64		nrows;
	int			left = 0;

	values[0] = Int64GetDatum(certificate->lead_id);
	values[1] = Int64GetDatum(certificate->erasure_id);
	(void) nurture_execute_latest(&find_relations, values, NULL, false);
	rows = SPI_tuptable;
	nrows = SPI_processed;
	for (uint64 row = 0; row < nrows; row++)
	{
		bool		isnull;
		char	   *relation;
		bool		gone;

		SPI_tuptable = rows;
		if (DatumGetBool(nurture_cell(row, 3, &isnull)))
			continue;
		relation = nurture_cell_text(row, 1);
		gone = DatumGetBool(nurture_cell(row, 5, &isnull));
		if (!DatumGetBool(nurture_cell(row, 4, &isnull)))
		{
			left++;
			put(rsinfo, certificate, "pending", relation, psprintf("VACUUM FULL %s", relation));
		}
		else if (!gone && has_remains(DatumGetObjectId(nurture_cell(row, 2, &isnull)), certificate->xid_to))
		{
			left++;
			put(rsinfo, certificate, "pending", relation,
				psprintf("an old snapshot kept rows when it was rewritten; VACUUM FULL %s once more", relation));
		}
		else
		{
			values[2] = CStringGetTextDatum(relation);
			values[3] = TimestampTzGetDatum(nurture_now_wall());
			nurture_privacy_write(&mark_relation, values, NULL);
		}
	}
	return left;
}

/* Looks at one certificate; completes it when there is nothing left. */
static bool
look_at(const Certificate *certificate, ReturnSetInfo *rsinfo)
{
	Datum		values[3];
	AuditEntry	entry = {0};
	int64		left;

	if (!certificate->pending)
	{
		put(rsinfo, certificate, "complete", NULL, NULL);
		return true;
	}
	values[0] = Int64GetDatum(certificate->lead_id);
	values[1] = Int64GetDatum(certificate->erasure_id);
	(void) nurture_execute_latest(&lock_pending, values, NULL, true);
	if (SPI_processed == 0)
	{
		put(rsinfo, certificate, "pending", NULL, "somebody else is looking at it");
		return false;
	}
	left = nurture_privacy_sweep(certificate->lead_id, certificate->erasure_id);
	if (left == 0 && certificate->alone)
	{
		values[2] = TimestampTzGetDatum(nurture_now_wall());
		nurture_privacy_write(&mark_swept, values, NULL);
	}
	if (look_at_tables(certificate, rsinfo) > 0 || left > 0)
		return false;
	if (!certificate->alone)
	{
		put(rsinfo, certificate, "pending", NULL, "a transaction that ran beside it has not ended");
		return false;
	}
	values[2] = TimestampTzGetDatum(nurture_now_wall());
	nurture_privacy_write(&complete, values, NULL);

	/* about nobody: the person's trail has ended */
	entry.kind = "erasure";
	entry.object = psprintf("erasure:" INT64_FORMAT, certificate->erasure_id);
	entry.outcome = "complete";
	nurture_audit_append(&entry, 1);
	put(rsinfo, certificate, "complete", NULL, NULL);
	return true;
}

/*
 * nurture_erase_status(erasure_id bigint) returns setof (erasure_id bigint,
 * lead_id bigint, status text, relation text, detail text)
 */
Datum
nurture_erase_status(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	MemoryContext context = CurrentMemoryContext;
	Certificate *certificates;
	Datum		value;
	OwnerSwitch owner;
	int			level;
	int			n;

	nurture_privacy_right(ACL_SELECT, "look at erasures");
	InitMaterializedSRF(fcinfo, 0);
	nurture_owner_enter(&owner);
	level = nurture_spi_connect();
	MemoryContextSwitchTo(context);
	value = PG_ARGISNULL(0) ? Int64GetDatum(PG_INT64_MAX) : PG_GETARG_DATUM(0);
	(void) nurture_execute_latest(PG_ARGISNULL(0) ? &find_pending : &find_one, &value, NULL, false);
	certificates = read_certificates(&n);
	if (n == 0 && !PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_UNKNOWN_CODE),
				 errmsg("there is no erasure " INT64_FORMAT, PG_GETARG_INT64(0)),
				 errhint("Erasures are rows of nurture.erasure.")));
	for (int i = 0; i < n; i++)
		(void) look_at(&certificates[i], rsinfo);
	nurture_spi_finish(level);
	nurture_owner_leave(&owner);
	return (Datum) 0;
}

static void
look_at_lead(int64 lead_id, void *arg)
{
	(void) look_at(arg, NULL);
}

/* Work of the tick: certificates that it can bring further. */
static void
run_erasures(TimestampTz now, int max_leads, TimestampTz deadline,
			 int64 *done, int64 *left, TimestampTz *oldest)
{
	Datum		value = Int64GetDatum(Min(max_leads, TICK_CERTIFICATES));
	Certificate *certificates;
	int			n;

	(void) nurture_execute_latest(&find_ripe, &value, NULL, false);
	certificates = read_certificates(&n);
	for (int i = 0; i < n && GetCurrentTimestamp() < deadline; i++)
	{
		if (nurture_tick_lead("erasure", certificates[i].lead_id, look_at_lead, &certificates[i]))
			(*done)++;
	}
}

static TickWork erasure_work = {"erasure", run_erasures};

/* Registers the work of the tick; once per backend. */
void
nurture_erasure_init(void)
{
	nurture_tick_register(&erasure_work);
}
