/*
 * sweep.c
 *	  Leads whose standing the tick decides again because they did something.
 *
 * An event decides at once when a rule names its signal or one occurrence is
 * worth NURTURE_DECIDING_POINTS; the rest, page views and clicks, adds up
 * until the sweep comes by.  A sweep walks nurture.activity by lead, at most
 * once an hour, over leads active since the one before.
 */
#include "base/compat.h"

#include "base/owner.h"
#include "base/plans.h"
#include "base/settings.h"
#include "catalog/pg_type.h"
#include "routing/routing.h"
#include "utils/timestamp.h"

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
