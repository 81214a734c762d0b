/*
 * activity_merge.c
 *	  Activity of merged leads.
 *
 * Events stay under the lead they came for.  What they count for is counted
 * for the survivor: a lead and all that were merged into it, or into one of
 * those, are one group, and the row of its survivor holds what the events and
 * the bases of the whole group make.  The rows of the others keep their base
 * and their roll day, and nothing else.
 *
 * nurture.lead.merged_into says who belongs to whom.  It changes only while
 * the rows of activity of both survivors are locked, so that whoever holds
 * the row of a survivor knows its group.  That a row counts elsewhere is said
 * on the row itself too: who adds to it learns that for nothing.
 */
#include "base/compat.h"

#include "base/clock.h"
#include "base/errors.h"
#include "base/owner.h"
#include "base/plans.h"
#include "base/trigger.h"
#include "catalog/pg_type.h"
#include "facts/lead.h"
#include "miscadmin.h"
#include "scoring/activity.h"
#include "scoring/activity_private.h"
#include "scoring/tally_type.h"
#include "utils/date.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

NURTURE_FUNCTION(nurture_activity_merged);

static KeptPlan find_survivors =
KEPT_PLAN("WITH RECURSIVE up AS ("
		  " SELECT l.lead_id, l.merged_into, 1 AS depth FROM unnest($1) AS u(lead_id)"
		  " JOIN nurture.lead l ON l.lead_id = u.lead_id WHERE l.merged_into IS NOT NULL"
		  " UNION ALL"
		  " SELECT up.lead_id, l.merged_into, up.depth + 1 FROM up"
		  " JOIN nurture.lead l ON l.lead_id = up.merged_into"
		  " WHERE l.merged_into IS NOT NULL AND up.depth < 64)"
		  " SELECT DISTINCT ON (lead_id) lead_id, merged_into FROM up"
		  " ORDER BY lead_id, depth DESC", INT8ARRAYOID);

#define DOWN(start) \
	"WITH RECURSIVE down AS (" \
	" SELECT l.merged_into AS survivor, l.lead_id, 1 AS depth FROM nurture.lead l" \
	" WHERE l.merged_into IS NOT NULL AND " start \
	" UNION ALL" \
	" SELECT down.survivor, l.lead_id, down.depth + 1 FROM down" \
	" JOIN nurture.lead l ON l.merged_into = down.lead_id" \
	" WHERE l.merged_into IS NOT NULL AND down.depth < 64)" \
	" SELECT down.survivor, down.lead_id, a.base, a.base_topics, a.base_last_event_at," \
	" @extschema@.nurture_tally_rolled(a.signals)," \
	" @extschema@.nurture_tally_rolled(a.topics)" \
	" FROM down LEFT JOIN nurture.activity a ON a.lead_id = down.lead_id" \
	" ORDER BY down.survivor, down.lead_id"

static KeptPlan find_members =
KEPT_PLAN(DOWN("l.merged_into = ANY ($1)"), INT8ARRAYOID);
static KeptPlan all_members =
KEPT_PLAN0(DOWN("NOT EXISTS (SELECT FROM nurture.lead s"
				" WHERE s.lead_id = l.merged_into AND s.merged_into IS NOT NULL)"));

static KeptPlan lock_rows =
KEPT_PLAN("SELECT lead_id FROM nurture.activity WHERE lead_id = ANY ($1)"
		  " ORDER BY lead_id FOR NO KEY UPDATE", INT8ARRAYOID);
static KeptPlan make_rows =
KEPT_PLAN("INSERT INTO nurture.activity (lead_id)"
		  " SELECT u.lead_id FROM unnest($1) AS u(lead_id)"
		  " WHERE (SELECT true FROM nurture.lead l WHERE l.lead_id = u.lead_id)"
		  " ON CONFLICT (lead_id) DO NOTHING", INT8ARRAYOID);

#define ROLLED_NOTHING(tally) \
	"CASE WHEN @extschema@.nurture_tally_rolled(" tally ") IS NULL" \
	" THEN '{}'::@extschema@.nurture_tally" \
	" ELSE @extschema@.nurture_tally_roll('{}'::@extschema@.nurture_tally," \
	" @extschema@.nurture_tally_rolled(" tally ")) END"

static KeptPlan write_merged =
KEPT_PLAN("UPDATE nurture.activity SET merged_into = $2,"
		  " signals = " ROLLED_NOTHING("signals") ","
		  " topics = " ROLLED_NOTHING("topics") ","
		  " last_event_at = NULL WHERE lead_id = $1", INT8OID, INT8OID);

/* Finds the survivors of those leads that were merged, ascending by lead. */
void
nurture_merged_find(const int64 *leads, int n, MergedLeads *merged)
{
	Datum		value = nurture_lead_array(leads, n);
	bool		isnull;

	(void) nurture_execute_latest(&find_survivors, &value, NULL, false);
	merged->n = (int) SPI_processed;
	merged->leads = palloc(Max(merged->n, 1) * sizeof(int64));
	merged->survivors = palloc(Max(merged->n, 1) * sizeof(int64));
	for (int i = 0; i < merged->n; i++)
	{
		merged->leads[i] = DatumGetInt64(nurture_cell(i, 1, &isnull));
		merged->survivors[i] = DatumGetInt64(nurture_cell(i, 2, &isnull));
	}
	SPI_freetuptable(SPI_tuptable);
}

static int
compare_ids(const void *a, const void *b)
{
	int64		x = *(const int64 *) a;
	int64		y = *(const int64 *) b;

	return (x > y) - (x < y);
}

/*
 * Puts the survivors of leads in their place; returns how many leads that
 * makes, ascending and each once.
 */
int
nurture_merged_survivors(int64 *leads, int n)
{
	MergedLeads merged;
	int			kept = 0;

	qsort(leads, n, sizeof(int64), compare_ids);
	nurture_merged_find(leads, n, &merged);
	for (int i = 0, j = 0; i < n && merged.n > 0; i++)
	{
		while (j < merged.n && merged.leads[j] < leads[i])
			j++;
		if (j < merged.n && merged.leads[j] == leads[i])
			leads[i] = merged.survivors[j];
	}
	if (merged.n > 0)
		qsort(leads, n, sizeof(int64), compare_ids);
	for (int i = 0; i < n; i++)
	{
		if (kept == 0 || leads[kept - 1] != leads[i])
			leads[kept++] = leads[i];
	}
	return kept;
}

/* Reads who was merged into some survivors, or into any when leads is NULL. */
ActivityGroups *
nurture_groups_read(const int64 *leads, int n)
{
	ActivityGroups *groups = palloc0(sizeof(ActivityGroups));
	MemoryContext context = CurrentMemoryContext;

	if (leads != NULL)
	{
		Datum		value = nurture_lead_array(leads, n);

		(void) nurture_execute_latest(&find_members, &value, NULL, false);
	}
	else
		(void) nurture_execute_latest(&all_members, NULL, NULL, false);
	MemoryContextSwitchTo(context);
	groups->n = (int) SPI_processed;
	groups->members = MemoryContextAllocHuge(context, Max(groups->n, 1) * sizeof(GroupMember));
	for (int i = 0; i < groups->n; i++)
	{
		GroupMember *member = &groups->members[i];
		bool		isnull;
		Datum		value;

		member->survivor = DatumGetInt64(nurture_cell(i, 1, &isnull));
		member->lead_id = DatumGetInt64(nurture_cell(i, 2, &isnull));
		value = nurture_cell(i, 3, &member->no_row);
		if (member->no_row)
			continue;
		member->base[0] = PointerGetDatum(PG_DETOAST_DATUM_COPY(value));
		member->base[1] = PointerGetDatum(PG_DETOAST_DATUM_COPY(nurture_cell(i, 4, &isnull)));
		value = nurture_cell(i, 5, &isnull);
		member->base_last_event_at = isnull ? DT_NOBEGIN : DatumGetTimestampTz(value);
		for (int kind = 0; kind < 2; kind++)
		{
			value = nurture_cell(i, 6 + kind, &isnull);
			member->roll_day[kind] = isnull ? 0 :
				DatumGetDateADT(value) + NURTURE_EPOCH_OFFSET_DAYS;
		}
	}
	SPI_freetuptable(SPI_tuptable);
	return groups;
}

static DeltaLead *
find_lead(DeltaLead **leads, uint32 n, int64 lead_id)
{
	uint32		low = 0;
	uint32		all = n;

	while (n > 0)
	{
		uint32		half = n / 2;

		if (leads[low + half]->lead_id < lead_id)
		{
			low += half + 1;
			n -= half + 1;
		}
		else
			n = half;
	}
	return low < all && leads[low]->lead_id == lead_id ? leads[low] : NULL;
}

/*
 * Gives what members of groups counted to their survivors; both are among the
 * leads, ascending.
 */
void
nurture_groups_add(const ActivityGroups *groups, DeltaLead **leads,
				   uint32 nleads)
{
	for (int i = 0; i < groups->n; i++)
	{
		const GroupMember *member = &groups->members[i];
		DeltaLead  *from = find_lead(leads, nleads, member->lead_id);
		DeltaLead  *to = find_lead(leads, nleads, member->survivor);
		TallyEntry	nothing;

		if (from == NULL || to == NULL)
			continue;
		to->signals = nurture_tally_plus(to->signals, from->signals);
		to->topics = nurture_tally_plus(to->topics, from->topics);
		to->last_event_at = Max(to->last_event_at, from->last_event_at);
		to->first_day = Min(to->first_day, from->first_day);
		from->signals = from->topics = nurture_tally_from_entries(&nothing, 0, 0);
		from->last_event_at = DT_NOBEGIN;
		from->first_day = PG_INT32_MAX;
	}
}

/* Returns the members of a survivor, NULL when nobody was merged into it. */
const GroupMember *
nurture_groups_of(const ActivityGroups *groups, int64 survivor, int *n)
{
	int			low = 0;
	int			rest = groups->n;

	while (rest > 0)
	{
		int			half = rest / 2;

		if (groups->members[low + half].survivor < survivor)
		{
			low += half + 1;
			rest -= half + 1;
		}
		else
			rest = half;
	}
	*n = 0;
	while (low + *n < groups->n && groups->members[low + *n].survivor == survivor)
		(*n)++;
	return *n > 0 ? &groups->members[low] : NULL;
}

void
nurture_merged_events(SubjectEvent **events, int nevents)
{
	int64	   *leads = palloc(nevents * sizeof(int64));
	MergedLeads merged;
	int			level = nurture_spi_connect_here();

	for (int i = 0; i < nevents; i++)
		leads[i] = events[i]->came_for;
	nurture_merged_find(leads, nevents, &merged);
	for (int i = 0; i < nevents && merged.n > 0; i++)
	{
		int64	   *found = bsearch(&leads[i], merged.leads, merged.n,
									sizeof(int64), compare_ids);

		if (found != NULL)
			events[i]->lead_id = merged.survivors[found - merged.leads];
	}
	pfree(leads);
	nurture_spi_finish(level);
}

/* Makes and locks rows of activity, ascending, before anything else. */
void
nurture_activity_lock(const int64 *leads, int n)
{
	Datum		value = nurture_lead_array(leads, n);

	(void) nurture_execute_latest(&make_rows, &value, NULL, true);
	(void) nurture_execute_latest(&lock_rows, &value, NULL, true);
}

/*
 * nurture_activity_merged() returns trigger
 *
 * After a row of nurture.lead whose merged_into is set or has changed: moves
 * what the lead did to where it counts now.  What a merged lead did goes with
 * it when it is deleted.
 */
Datum
nurture_activity_merged(PG_FUNCTION_ARGS)
{
	TriggerData *data = nurture_trigger_data(fcinfo, "nurture_activity_merged");
	bool		update = TRIGGER_FIRED_BY_UPDATE(data->tg_event);
	bool		gone = TRIGGER_FIRED_BY_DELETE(data->tg_event);
	HeapTuple	row = update ? data->tg_newtuple : data->tg_trigtuple;
	TupleDesc	desc = RelationGetDescr(data->tg_relation);
	int			column = SPI_fnumber(desc, "merged_into");
	int64		leads[3];
	int			n = 0;
	Datum		values[2];
	char		nulls[3] = "  ";
	OwnerSwitch save;
	bool		isnull;
	bool		was_null = true;
	int64		was = 0;
	int			level;

	if (!nurture_deriving())
		return PointerGetDatum(NULL);
	values[0] = SPI_getbinval(row, desc, SPI_fnumber(desc, "lead_id"), &isnull);
	values[1] = SPI_getbinval(row, desc, column, &isnull);
	if (update)
		was = DatumGetInt64(SPI_getbinval(data->tg_trigtuple, desc, column, &was_null));
	if (!gone)
		leads[n++] = DatumGetInt64(values[0]);
	if (!isnull)
		leads[n++] = DatumGetInt64(values[1]);
	if (!was_null)
		leads[n++] = was;
	nulls[1] = isnull ? 'n' : ' ';

	nurture_owner_enter(&save);
	level = nurture_spi_connect();
	qsort(leads, n, sizeof(int64), compare_ids);
	nurture_activity_lock(leads, n);
	if (!gone && !isnull && !nurture_lead_exists(DatumGetInt64(values[1])))
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_UNKNOWN_LEAD),
				 errmsg("lead " INT64_FORMAT " cannot be merged into lead " INT64_FORMAT ", which is not there",
						DatumGetInt64(values[0]), DatumGetInt64(values[1])),
				 errhint("Merge it into a lead of nurture.lead.")));
	if (!gone)
		(void) nurture_execute_latest(&write_merged, values, nulls, true);
	(void) nurture_activity_rebuild(leads, n);
	nurture_spi_finish(level);
	nurture_owner_leave(&save);
	return PointerGetDatum(NULL);
}
