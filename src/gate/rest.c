/*
 * rest.c
 *	  What a lead did lately that it is left in peace after.
 *
 * The event path pays nothing for it: when a message is decided, the lead's
 * row of activity tells in one look whether it did anything within the longest
 * rest.  Only then are its events read, those of the months that matter.
 */
#include "base/compat.h"

#include "access/table.h"
#include "base/owner.h"
#include "base/part.h"
#include "base/plans.h"
#include "base/read.h"
#include "catalog/pg_type.h"
#include "gate/contact_policy.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

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
		  " WHERE e.lead_id OPERATOR(pg_catalog.=) ANY ($1)"
		  " AND e.event_type OPERATOR(pg_catalog.=) ANY ($2)"
		  " AND e.recorded_at OPERATOR(pg_catalog.>) $3"
		  " AND e.recorded_at OPERATOR(pg_catalog.<=) $4"
		  " AND e.occurred_at OPERATOR(pg_catalog.>) $5"
		  " GROUP BY e.event_type", INT8ARRAYOID, TEXTARRAYOID, TIMESTAMPTZOID,
		  TIMESTAMPTZOID, TIMESTAMPTZOID);

enum
{
	EVENT_TYPE, EVENT_OCCURRED_AT, EVENT_RECORDED_AT
};

static KeptRead read_event = {
	"event", {{"lead_id", INT8OID}}, {
		[EVENT_TYPE] = {"event_type", TEXTOID},
		[EVENT_OCCURRED_AT] = {"occurred_at", TIMESTAMPTZOID},
		[EVENT_RECORDED_AT] = {"recorded_at", TIMESTAMPTZOID}
	}
};

#define MAX_PARTS	8			/* partitions read one by one */
#define FEW_PARTS	2			/* as quickly looked into as asked about */

/* Returns when the lead did something last, DT_NOBEGIN when never. */
static TimestampTz
last_activity(const GateLead *lead, Snapshot snapshot)
{
	RowRead		read;
	Datum		key = Int64GetDatum(lead->lead_id);
	TimestampTz last = DT_NOBEGIN;

	nurture_read_open_held(&read, &read_activity, lead->hold, snapshot);
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

/* Takes the event at hand where a row of nurture.rest_period names it. */
static void
take_event(GateLead *lead, const ContactPolicy *policy, const RowRead *read,
		   TimestampTz since, TimestampTz now)
{
	bool		null;
	TimestampTz recorded = DatumGetTimestampTz(nurture_read_cell(read, EVENT_RECORDED_AT, &null));
	TimestampTz at = DatumGetTimestampTz(nurture_read_cell(read, EVENT_OCCURRED_AT, &null));

	if (recorded <= since - USECS_PER_DAY || recorded > now || at <= since)
		return;
	for (int i = 0; i < policy->nrests; i++)
	{
		int			place = 0;

		if (!nurture_read_is(read, EVENT_TYPE, policy->rests[i].event_type))
			continue;
		while (place < lead->nrests && lead->rests[place].row != i)
			place++;
		if (place == lead->nrests)
		{
			lead->rests[lead->nrests].row = i;
			lead->rests[lead->nrests++].at = at;
		}
		else
			lead->rests[place].at = Max(lead->rests[place].at, at);
	}
}

/* Reads the events from their partitions; false when that needs a query. */
static bool
read_parts(GateLead *lead, const ContactPolicy *policy, TimestampTz since,
		   TimestampTz now, Snapshot snapshot)
{
	Relation	events = table_open(nurture_table_oid("event", false),
									AccessShareLock);
	Oid			parts[MAX_PARTS];
	int			n = -1;

	if (!events->rd_rel->relforcerowsecurity &&
		nurture_part_by(events, "recorded_at"))
		n = nurture_part_between(events, since - USECS_PER_DAY, now, parts,
								 MAX_PARTS);
	if (n > FEW_PARTS && last_activity(lead, snapshot) <= since)
		n = 0;
	lead->rests = palloc(sizeof(GateRest) * policy->nrests);
	for (int i = 0; i < n; i++)
	{
		RowRead		read;

		if (!nurture_read_open_part(&read, &read_event, parts[i], lead->hold,
									snapshot))
		{
			lead->nrests = 0;
			n = -1;
			break;
		}
		for (int j = -1; j < lead->nabsorbed; j++)
		{
			Datum		key = Int64GetDatum(j < 0 ? lead->lead_id :
											lead->absorbed[j]);

			nurture_read_find(&read, &key);
			while (nurture_read_next(&read))
				take_event(lead, policy, &read, since, now);
		}
		nurture_read_close(&read);
	}
	table_close(events, NoLock);
	return n >= 0;
}

/*
 * Reads when the lead, or one merged into it, did last what a row of
 * nurture.rest_period names, as it was known at now.  As the owner, in the lead's memory context.
 */
void
nurture_rest_read(GateLead *lead, const ContactPolicy *policy,
				  TimestampTz now, Snapshot snapshot)
{
	TimestampTz since = now - policy->longest_rest;
	Datum	   *names;
	Datum	   *ids;
	Datum		values[5];
	MemoryContext context = CurrentMemoryContext;
	int			level;

	if (read_parts(lead, policy, since, now, snapshot) ||
		last_activity(lead, snapshot) <= since)
		return;
	names = palloc(sizeof(Datum) * policy->nrests);
	for (int i = 0; i < policy->nrests; i++)
		names[i] = CStringGetTextDatum(policy->rests[i].event_type);
	ids = palloc(sizeof(Datum) * (lead->nabsorbed + 1));
	ids[0] = Int64GetDatum(lead->lead_id);
	for (int i = 0; i < lead->nabsorbed; i++)
		ids[i + 1] = Int64GetDatum(lead->absorbed[i]);
	values[0] = PointerGetDatum(construct_array(ids, lead->nabsorbed + 1, INT8OID,
												8, true, TYPALIGN_DOUBLE));
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
