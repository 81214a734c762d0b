/*
 * rest.c
 *	  What a lead did lately that it is left in peace after.
 *
 * The event path pays nothing for it: when a message is decided, the lead's
 * row of activity tells in one look whether it did anything within the longest
 * rest.  Only then are its events read, those of the months that matter.
 */
#include "base/compat.h"

#include "base/plans.h"
#include "base/read.h"
#include "catalog/pg_type.h"
#include "gate/contact_policy.h"
#include "utils/array.h"
#include "utils/builtins.h"

enum
{
	ACTIVITY_LAST_EVENT_AT
};

static KeptRead read_activity = {
	"activity", {{"lead_id", INT8OID}}, {
		[ACTIVITY_LAST_EVENT_AT] = {"last_event_at", TIMESTAMPTZOID}
	}
};

/*
 * An event is recorded when it happened or later; a clock that is fast is given
 * a day.
 */
static KeptPlan read_events =
KEPT_PLAN("SELECT e.event_type, pg_catalog.max(e.occurred_at)"
		  " FROM nurture.event AS e"
		  " WHERE e.lead_id OPERATOR(pg_catalog.=) $1"
		  " AND e.event_type OPERATOR(pg_catalog.=) ANY ($2)"
		  " AND e.recorded_at OPERATOR(pg_catalog.>) $3"
		  " AND e.recorded_at OPERATOR(pg_catalog.<=) $4"
		  " AND e.occurred_at OPERATOR(pg_catalog.>) $5"
		  " GROUP BY e.event_type", INT8OID, TEXTARRAYOID, TIMESTAMPTZOID,
		  TIMESTAMPTZOID, TIMESTAMPTZOID);

/* Returns when the lead did something last, DT_NOBEGIN when never. */
static TimestampTz
last_activity(int64 lead_id, Snapshot snapshot)
{
	RowRead		read;
	Datum		key = Int64GetDatum(lead_id);
	TimestampTz last = DT_NOBEGIN;

	nurture_read_open(&read, &read_activity, snapshot);
	nurture_read_find(&read, &key);
	if (nurture_read_next(&read))
	{
		bool		null;
		Datum		value = nurture_read_cell(&read, ACTIVITY_LAST_EVENT_AT, &null);

		if (!null)
			last = DatumGetTimestampTz(value);
	}
	nurture_read_close(&read);
	return last;
}

/*
 * Reads when the lead did last what a row of nurture.rest_period names, as it
 * was known at now.  As the owner, in the lead's memory context.
 */
void
nurture_rest_read(GateLead *lead, const ContactPolicy *policy,
				  TimestampTz now, Snapshot snapshot)
{
	TimestampTz since = now - policy->longest_rest;
	Datum	   *names;
	Datum		values[5];
	MemoryContext context = CurrentMemoryContext;
	int			level;

	if (last_activity(lead->lead_id, snapshot) <= since)
		return;
	names = palloc(sizeof(Datum) * policy->nrests);
	for (int i = 0; i < policy->nrests; i++)
		names[i] = CStringGetTextDatum(policy->rests[i].event_type);
	values[0] = Int64GetDatum(lead->lead_id);
	values[1] = PointerGetDatum(construct_array(names, policy->nrests, TEXTOID,
												-1, false, TYPALIGN_INT));
	values[2] = TimestampTzGetDatum(since - USECS_PER_DAY);
	values[3] = TimestampTzGetDatum(now);
	values[4] = TimestampTzGetDatum(since);
	level = nurture_spi_connect_here();
	(void) nurture_execute(&read_events, values, NULL, false);
	lead->rests = palloc(sizeof(GateRest) * Max(SPI_processed, 1));
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		char	   *event_type = nurture_cell_text(row, 1);
		bool		null;

		for (int i = 0; i < policy->nrests; i++)
		{
			if (strcmp(policy->rests[i].event_type, event_type) != 0)
				continue;
			lead->rests[lead->nrests].row = i;
			lead->rests[lead->nrests++].at =
				DatumGetTimestampTz(nurture_cell(row, 2, &null));
		}
	}
	nurture_spi_finish(level);
	MemoryContextSwitchTo(context);
}
