/*
 * incarnation.c
 *	  Which life of the database this is: one number per cluster, database and
 *	  timeline that entries are written in.
 *
 * Blocks are closed by ranges of transaction ids, and these mean nothing in
 * another cluster.  So a restore into another cluster or database, point-in-
 * time recovery, promotion and pg_upgrade open a new incarnation at the next
 * append or seal, naming the last seal it found.
 */
#include "base/compat.h"

#include "access/transam.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "audit/incarnation.h"
#include "base/plans.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/timestamp.h"
#include "utils/xid8.h"

static int32 current_incarnation = 0;	/* 0: not known in this backend */
static TimeLineID current_timeline = 0; /* at which it is right */

static KeptPlan find_current =
KEPT_PLAN("SELECT i.incarnation FROM nurture.incarnation i"
		  " WHERE i.incarnation OPERATOR(pg_catalog.=) "
		  "  (SELECT pg_catalog.max(l.incarnation) FROM nurture.incarnation l)"
		  " AND i.system_identifier OPERATOR(pg_catalog.=) $1"
		  " AND i.database OPERATOR(pg_catalog.=) $2"
		  " AND i.timeline OPERATOR(pg_catalog.=) $3"
		  " AND NOT EXISTS (SELECT FROM nurture.seal s"
		  "  WHERE s.incarnation OPERATOR(pg_catalog.=) i.incarnation"
		  "  AND s.xid_to OPERATOR(pg_catalog.>) $4)",
		  INT8OID, INT8OID, INT4OID, XID8OID);

static KeptPlan open_next =
KEPT_PLAN("INSERT INTO nurture.incarnation (incarnation, system_identifier,"
		  " database, timeline, opened_at, opened_xid, head_block, head_hash)"
		  " SELECT 1 OPERATOR(pg_catalog.+) coalesce("
		  "  (SELECT pg_catalog.max(l.incarnation) FROM nurture.incarnation l), 0),"
		  "  $1, $2, $3, $4, $5, s.block, s.hash"
		  " FROM (VALUES (1)) one LEFT JOIN"
		  "  (SELECT h.block, h.hash FROM nurture.seal h"
		  "   ORDER BY h.block DESC LIMIT 1) s ON true"
		  " ON CONFLICT DO NOTHING RETURNING incarnation",
		  INT8OID, INT8OID, INT4OID, TIMESTAMPTZOID, XID8OID);

/* Forgets the number: the transaction that opened it may be the one aborting. */
static void
forget(void)
{
	current_incarnation = 0;
}

static void
forget_xact(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_ABORT)
		forget();
}

static void
forget_subxact(SubXactEvent event, SubTransactionId my,
			   SubTransactionId parent, void *arg)
{
	if (event == SUBXACT_EVENT_ABORT_SUB)
		forget();
}

/* Registers the callbacks that forget what was rolled back. */
void
nurture_incarnation_init(void)
{
	RegisterXactCallback(forget_xact, NULL);
	RegisterSubXactCallback(forget_subxact, NULL);
}

/* Looks for the present incarnation, and opens it when there is none. */
static void
find_or_open(TimeLineID timeline)
{
	Datum		identity[5];

	identity[0] = Int64GetDatum((int64) GetSystemIdentifier());
	identity[1] = Int64GetDatum((int64) MyDatabaseId);
	identity[2] = Int32GetDatum((int32) timeline);
	for (int attempt = 0; attempt < 10; attempt++)
	{
		bool		null;

		identity[3] = FullTransactionIdGetDatum(ReadNextFullTransactionId());
		if (nurture_execute_latest(&find_current, identity, NULL, false),
			SPI_processed > 0)
		{
			current_incarnation = DatumGetInt32(nurture_cell(0, 1, &null));
			current_timeline = timeline;
			return;
		}
		/* another session may be opening it: then wait for it and look again */
		identity[3] = TimestampTzGetDatum(GetCurrentTimestamp());
		identity[4] = FullTransactionIdGetDatum(GetTopFullTransactionId());
		(void) nurture_execute_latest(&open_next, identity, NULL, true);
	}
	elog(ERROR, "could not open an incarnation of the audit trail");
}

/*
 * Returns the number of the present incarnation, opening one when the last was
 * written elsewhere.  check_xid also opens one when the last seal lies in the
 * future, as after pg_resetwal.  Runs as the owner.
 */
int32
nurture_incarnation(bool check_xid)
{
	TimeLineID	timeline = GetWALInsertionTimeLine();
	int			level;

	if (current_incarnation > 0 && current_timeline == timeline && !check_xid)
		return current_incarnation;
	level = nurture_spi_connect_here();
	find_or_open(timeline);
	nurture_spi_finish(level);
	return current_incarnation;
}
