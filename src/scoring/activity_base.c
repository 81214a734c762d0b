/*
 * activity_base.c
 *	  What events gave that are no longer kept.
 *
 * Before old events go, their counts are added to the base of their leads.
 * The tallies stay as they are: they are the base and the kept events
 * together, before and after.  Two kinds of leads are counted again:
 *
 *	- those whose events fall on days that the base has folded: it has
 *	  forgotten its days, and counts them once more;
 *	- those that had counts of sensitive events, which do not outlive them:
 *	  consent that is withdrawn later could not be followed in the base.
 */
#include "base/compat.h"

#include "base/clock.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "scoring/activity.h"
#include "scoring/activity_private.h"
#include "scoring/tally_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

static KeptPlan add_base = KEPT_PLAN(
									 "INSERT INTO nurture.activity AS a (lead_id, signals, topics, last_event_at,"
									 " base, base_topics, base_last_event_at)"
									 " SELECT u.lead_id, u.signals, u.topics, u.last_event_at,"
									 " u.signals, u.topics, u.last_event_at"
									 " FROM unnest($1, $2, $3, $4) AS u(lead_id, signals, topics, last_event_at)"
									 " ON CONFLICT (lead_id) DO UPDATE SET"
									 " base = @extschema@.nurture_tally_merge(a.base, EXCLUDED.base),"
									 " base_topics = @extschema@.nurture_tally_merge(a.base_topics, EXCLUDED.base_topics),"
									 " base_last_event_at = greatest(a.base_last_event_at, EXCLUDED.base_last_event_at)"
									 " RETURNING a.lead_id, greatest("
									 "@extschema@.nurture_tally_rolled(a.base),"
									 " @extschema@.nurture_tally_rolled(a.base_topics))",
									 INT8ARRAYOID, InvalidOid, InvalidOid, TIMESTAMPTZARRAYOID);

/* Sets the types of tally arrays, which are known once the tables are there. */
void
nurture_plan_tallies(KeptPlan *kept, int from, int to)
{
	Oid			type = get_array_type(nurture_tally_type_oid());

	if (kept->argtypes[from] == type)
		return;
	if (kept->plan != NULL)
	{
		SPI_freeplan(kept->plan);
		kept->plan = NULL;
	}
	for (int i = from; i <= to; i++)
		kept->argtypes[i] = type;
}

/* Returns tallies as an array. */
Datum
nurture_tally_array(Datum *tallies, int n)
{
	return PointerGetDatum(construct_array(tallies, n, nurture_tally_type_oid(),
										   -1, false, TYPALIGN_INT));
}

/* Adds some leads; lists those that are to be counted again. */
static void
add_chunk(DeltaLead **leads, int n, LeadList *again)
{
	ActivityRows *rows = nurture_activity_rows(n);

	for (int i = 0; i < n; i++)
		nurture_activity_put(rows, leads[i]->lead_id, leads[i]->signals,
							 leads[i]->topics, leads[i]->last_event_at);
	nurture_activity_execute(&add_base, rows);
	for (int i = 0; i < n && i < SPI_processed; i++)
	{
		bool		isnull;
		Datum		rolled = nurture_cell(i, 2, &isnull);

		if (!isnull && leads[i]->first_day <
			DatumGetDateADT(rolled) + NURTURE_EPOCH_OFFSET_DAYS)
			nurture_list_lead(again, leads[i]->lead_id);
	}
	SPI_freetuptable(SPI_tuptable);
}

/*
 * Adds what events gave that are about to go, and lists the leads that are to
 * be counted again once they have gone; returns how many leads it were.
 */
int64
nurture_activity_add_base(ActivityDelta *delta, LeadList *again)
{
	uint32		nleads;
	uint32		ngranted;
	DeltaLead **leads = nurture_delta_finish(delta, &nleads);
	DeltaLead **granted;
	MemoryContext context;

	context = AllocSetContextCreate(CurrentMemoryContext, "nurture base",
									ALLOCSET_DEFAULT_SIZES);
	for (uint32 i = 0; i < nleads; i += ACTIVITY_CHUNK)
	{
		MemoryContext old = MemoryContextSwitchTo(context);

		CHECK_FOR_INTERRUPTS();
		add_chunk(leads + i, Min(nleads - i, ACTIVITY_CHUNK), again);
		MemoryContextSwitchTo(old);
		MemoryContextReset(context);
	}
	MemoryContextDelete(context);
	granted = nurture_delta_granted(delta, &ngranted);
	for (uint32 i = 0; i < ngranted; i++)
		nurture_list_lead(again, granted[i]->lead_id);
	return nleads;
}
