/*
 * sweep.c
 *	  Leads whose standing the tick decides again: because they did something,
 *	  or because rules changed.
 *
 * An event decides at once when a rule names its signal or one occurrence is
 * worth NURTURE_DECIDING_POINTS; the rest, page views and clicks, adds up
 * until the sweep comes by.  A sweep walks nurture.activity by lead, at most
 * once an hour, over leads active since the one before.
 *
 * When a model, route or stage graph changes, every standing there is may: a
 * walk over nurture.lead_stage begins, from the first lead again if one is
 * under way.
 */
#include "base/compat.h"

#include "base/owner.h"
#include "base/plans.h"
#include "base/settings.h"
#include "base/trigger.h"
#include "catalog/pg_type.h"
#include "routing/routing.h"
#include "utils/timestamp.h"

NURTURE_FUNCTION(nurture_standing_restart);

#define SWEEP_EVERY (INT64CONST(3600) * USECS_PER_SEC)

/* one tick sweeps at a time; the others find nothing to do */
static KeptPlan lock_sweep = KEPT_PLAN0("SELECT since, started_at, next_lead FROM nurture.standing_sweep FOR UPDATE SKIP LOCKED");
static KeptPlan keep_sweep = KEPT_PLAN("UPDATE nurture.standing_sweep SET since = $1, started_at = $2, next_lead = $3",
									   TIMESTAMPTZOID, TIMESTAMPTZOID, INT8OID);

/* history starts nothing: an event that is not marked so must be among them */
static KeptPlan find_active = KEPT_PLAN("SELECT a.lead_id FROM nurture.activity a WHERE a.lead_id >= $1 AND a.last_event_at >= $2 "
										"AND EXISTS (SELECT FROM nurture.event e WHERE e.lead_id = a.lead_id AND e.occurred_at >= $2 "
										"AND (e.properties -> 'history') IS DISTINCT FROM 'true'::jsonb) "
										"ORDER BY a.lead_id LIMIT $3", INT8OID, TIMESTAMPTZOID, INT4OID);

/* SKIP LOCKED as above: a publication that is not committed holds the row */
static KeptPlan lock_walk = KEPT_PLAN0("SELECT walk_next FROM nurture.standing_sweep WHERE walk_next IS NOT NULL FOR UPDATE SKIP LOCKED");
static KeptPlan keep_walk = KEPT_PLAN("UPDATE nurture.standing_sweep SET walk_next = $1", INT8OID);
static KeptPlan find_standing = KEPT_PLAN("SELECT DISTINCT lead_id FROM nurture.lead_stage WHERE lead_id >= $1 ORDER BY lead_id LIMIT $2",
										  INT8OID, INT4OID);

/*
 * Fills leads with up to max that are due, ascending, and moves the sweep on.
 * Events may be recorded nurture.react_within after they occurred, so a sweep
 * looks back that much further.
 */
int
nurture_standing_due(TimestampTz now, int64 *leads, int max)
{
	OwnerSwitch save;
	Datum		values[3];
	char		nulls[4] = "   ";
	TimestampTz since;
	TimestampTz started;
	bool		resting;
	int			n = 0;
	int			level;

	nurture_owner_enter(&save);
	level = nurture_spi_connect();
	nurture_execute(&lock_sweep, NULL, NULL, false);
	if (SPI_processed == 1)
	{
		bool		isnull;
		Datum		next;

		since = DatumGetTimestampTz(nurture_cell(0, 1, &isnull));
		started = DatumGetTimestampTz(nurture_cell(0, 2, &isnull));
		next = nurture_cell(0, 3, &resting);
		if (resting && !TIMESTAMP_IS_NOBEGIN(started) &&
			now >= started && now - started < SWEEP_EVERY)
			max = 0;
		else if (resting)
		{
			since = (TIMESTAMP_IS_NOBEGIN(started) ? now : Min(started, now)) -
				nurture_react_within * USECS_PER_SEC;
			started = now;
			next = Int64GetDatum(PG_INT64_MIN);
		}
		if (max > 0)
		{
			values[0] = next;
			values[1] = TimestampTzGetDatum(since);
			values[2] = Int32GetDatum(max);
			nurture_execute(&find_active, values, NULL, false);
			n = (int) SPI_processed;
			for (int i = 0; i < n; i++)
				leads[i] = DatumGetInt64(nurture_cell(i, 1, &isnull));
			values[0] = TimestampTzGetDatum(since);
			values[1] = TimestampTzGetDatum(started);
			values[2] = n == max ? Int64GetDatum(leads[n - 1] + 1) : (Datum) 0;
			nulls[2] = n == max ? ' ' : 'n';
			nurture_execute(&keep_sweep, values, nulls, false);
		}
	}
	nurture_spi_finish(level);
	nurture_owner_leave(&save);
	return n;
}

/*
 * Fills leads with up to max whose standing a change of rules may have
 * changed, ascending, and moves the walk on; 0 when there is none to make.
 */
int
nurture_standing_walk(int64 *leads, int max)
{
	OwnerSwitch save;
	Datum		values[2];
	char		nulls[3] = "  ";
	int			n = 0;
	int			level;

	if (max <= 0)
		return 0;
	nurture_owner_enter(&save);
	level = nurture_spi_connect();
	nurture_execute(&lock_walk, NULL, NULL, false);
	if (SPI_processed == 1)
	{
		bool		isnull;

		values[0] = nurture_cell(0, 1, &isnull);
		values[1] = Int32GetDatum(max);
		nurture_execute(&find_standing, values, NULL, false);
		n = (int) SPI_processed;
		for (int i = 0; i < n; i++)
			leads[i] = DatumGetInt64(nurture_cell(i, 1, &isnull));
		values[0] = n == max ? Int64GetDatum(leads[n - 1] + 1) : (Datum) 0;
		nulls[0] = n == max ? ' ' : 'n';
		nurture_execute(&keep_walk, values, nulls, false);
	}
	nurture_spi_finish(level);
	nurture_owner_leave(&save);
	return n;
}

/*
 * Trigger on tables of rules that standings and routes depend on: makes the
 * walk begin, for the ticks after the commit.
 */
Datum
nurture_standing_restart(PG_FUNCTION_ARGS)
{
	Datum		first = Int64GetDatum(PG_INT64_MIN);
	OwnerSwitch save;
	int			level;

	(void) nurture_trigger_data(fcinfo, "nurture_standing_restart");
	if (!nurture_deriving())
		return PointerGetDatum(NULL);
	nurture_owner_enter(&save);
	level = nurture_spi_connect();
	nurture_execute_latest(&keep_walk, &first, NULL, true);
	nurture_spi_finish(level);
	nurture_owner_leave(&save);
	return PointerGetDatum(NULL);
}
