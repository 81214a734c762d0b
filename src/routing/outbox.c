/*
 * outbox.c
 *	  What other systems learn: nurture_outbox_take leases rows to a consumer,
 *	  nurture_outbox_done confirms them.
 *
 * Order per lead: who locks the first open row of a lead has all of its rows,
 * and while that row is leased nobody gets a later one.  A consumer that dies
 * loses its lease, so a row may be given twice; outbox_id is what a receiver
 * knows a repetition by.
 */
#include "base/compat.h"

#include "base/clock.h"
#include "base/owner.h"
#include "base/plans.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "nodes/execnodes.h"
#include "routing/routing_private.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

NURTURE_FUNCTION(nurture_outbox_take);
NURTURE_FUNCTION(nurture_outbox_done);

#define MAX_TAKE 10000

/* the array is built from the locked rows: FOR UPDATE allows no aggregate */
static KeptPlan lock_heads =
KEPT_PLAN("WITH heads AS (SELECT o.lead_id FROM nurture.outbox o WHERE o.done_at IS NULL AND o.topic LIKE $3"
		  " AND (o.lease_until IS NULL OR o.lease_until <= $1)"
		  " AND NOT EXISTS (SELECT FROM nurture.outbox e WHERE e.lead_id = o.lead_id AND e.outbox_id < o.outbox_id"
		  " AND e.done_at IS NULL AND e.topic LIKE $3)"
		  " ORDER BY o.outbox_id LIMIT $2 FOR NO KEY UPDATE OF o SKIP LOCKED)"
		  " SELECT pg_catalog.array_agg(lead_id) FROM heads",
		  TIMESTAMPTZOID, INT4OID, TEXTOID);

/* the lease is asked again: consumers of other topics may have been first */
static KeptPlan take_rows =
KEPT_PLAN("WITH taken AS (UPDATE nurture.outbox o SET taken_by = $4, lease_until = $5, attempts = o.attempts + 1"
		  " FROM (SELECT x.lead_id, x.outbox_id FROM nurture.outbox x WHERE x.lead_id = ANY ($6) AND x.done_at IS NULL"
		  "  AND x.topic LIKE $3 ORDER BY x.outbox_id LIMIT $2) p"
		  " WHERE o.lead_id = p.lead_id AND o.outbox_id = p.outbox_id AND o.done_at IS NULL"
		  " AND (o.lease_until IS NULL OR o.lease_until <= $1)"
		  " RETURNING o.outbox_id, o.lead_id, o.topic, o.payload, o.created_at, o.attempts, o.lease_until)"
		  " SELECT * FROM taken ORDER BY outbox_id",
		  TIMESTAMPTZOID, INT4OID, TEXTOID, TEXTOID, TIMESTAMPTZOID, INT8ARRAYOID);
static KeptPlan end_rows =
KEPT_PLAN("UPDATE nurture.outbox SET done_at = $3, lease_until = NULL"
		  " WHERE outbox_id = ANY ($2) AND taken_by = $1 AND done_at IS NULL",
		  TEXTOID, INT8ARRAYOID, TIMESTAMPTZOID);

/* Answers a consumer's name, which must be one. */
static Datum
consumer_name(text *name)
{
	if (VARSIZE_ANY_EXHDR(name) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a consumer of the outbox needs a name"),
				 errhint("Give each process that takes rows a name of its own, such as crm_1.")));
	return PointerGetDatum(name);
}

/*
 * nurture_outbox_take(n int, consumer text, lease interval, topics text)
 * returns setof (outbox_id, lead_id, topic, payload, created_at, attempts,
 * lease_until)
 */
Datum
nurture_outbox_take(PG_FUNCTION_ARGS)
{
	int32		n = PG_GETARG_INT32(0);
	Interval   *lease = PG_GETARG_INTERVAL_P(2);
	ReturnSetInfo *result;
	TimestampTz now;
	TimestampTz until;
	OwnerSwitch save;
	Datum		values[6];
	bool		isnull;
	int			level;

	if (n < 1 || n > MAX_TAKE)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("nurture_outbox_take gives 1 to %d rows at once, not %d", MAX_TAKE, n)));
	values[3] = consumer_name(PG_GETARG_TEXT_PP(1));
	nurture_routing_right("outbox");
	now = nurture_now_wall();
	until = DatumGetTimestampTz(DirectFunctionCall2(timestamptz_pl_interval,
													TimestampTzGetDatum(now),
													IntervalPGetDatum(lease)));
	if (until <= now || until > now + USECS_PER_DAY)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a lease is longer than nothing and at most a day")));
	InitMaterializedSRF(fcinfo, 0);
	result = (ReturnSetInfo *) fcinfo->resultinfo;
	nurture_owner_enter(&save);
	level = nurture_spi_connect();
	values[0] = TimestampTzGetDatum(now);
	values[1] = Int32GetDatum(n);
	values[2] = PG_GETARG_DATUM(3);
	values[4] = TimestampTzGetDatum(until);
	nurture_execute_latest(&lock_heads, values, NULL, true);
	values[5] = nurture_cell(0, 1, &isnull);
	if (!isnull)
	{
		nurture_execute_latest(&take_rows, values, NULL, true);
		for (uint64 row = 0; row < SPI_processed; row++)
			tuplestore_puttuple(result->setResult, SPI_tuptable->vals[row]);
	}
	nurture_spi_finish(level);
	nurture_owner_leave(&save);
	return (Datum) 0;
}

/* nurture_outbox_done(consumer text, outbox_ids bigint[]) returns int */
Datum
nurture_outbox_done(PG_FUNCTION_ARGS)
{
	OwnerSwitch save;
	Datum		values[3];
	uint64		done;
	int			level;

	values[0] = consumer_name(PG_GETARG_TEXT_PP(0));
	nurture_routing_right("outbox");
	values[1] = PG_GETARG_DATUM(1);
	values[2] = TimestampTzGetDatum(nurture_now_wall());
	nurture_owner_enter(&save);
	level = nurture_spi_connect();
	nurture_execute_latest(&end_rows, values, NULL, true);
	done = SPI_processed;
	nurture_spi_finish(level);
	nurture_owner_leave(&save);
	PG_RETURN_INT32((int32) done);
}
