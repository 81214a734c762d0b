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

static KeptPlan write_bases = KEPT_PLAN(
										"UPDATE nurture.activity a SET base = u.base, base_topics = u.base_topics"
										" FROM unnest($1, $2, $3) AS u(lead_id, base, base_topics) WHERE a.lead_id = u.lead_id",
										INT8ARRAYOID, InvalidOid, InvalidOid);
static KeptPlan next_bases = KEPT_PLAN(
									   "SELECT lead_id, base, base_topics FROM nurture.activity"
									   " WHERE lead_id >= $1 AND base_last_event_at IS NOT NULL"
									   " ORDER BY lead_id LIMIT $2 FOR NO KEY UPDATE", INT8OID, INT4OID);

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

/* Writes bases of leads whose rows are locked. */
void
nurture_activity_write_bases(const int64 *leads, Datum *bases,
							 Datum *base_topics, int n)
{
	Datum		values[3];

	if (n == 0)
		return;
	nurture_plan_tallies(&write_bases, 1, 2);
	values[0] = nurture_lead_array(leads, n);
	values[1] = nurture_tally_array(bases, n);
	values[2] = nurture_tally_array(base_topics, n);
	(void) nurture_execute_latest(&write_bases, values, NULL, true);
}

/* Takes keys out of a tally; tells whether it had any of them. */
static bool
take_keys(Datum *tally, const int32 *keys, int nkeys)
{
	bool		had = false;

	for (int i = 0; i < nkeys; i++)
	{
		Tally		t = nurture_tally_of(*tally, NULL);

		if (nurture_tally_last(&t, (uint16) keys[i]) == NURTURE_TALLY_NO_DAY)
			continue;
		*tally = nurture_tally_part(*tally, (uint16) keys[i], false);
		had = true;
	}
	return had;
}

/*
 * Takes signals and topics out of all bases, and lists the leads that had
 * some, which are to be counted again.
 */
void
nurture_activity_strip_bases(const int32 *signals, int nsignals,
							 const int32 *topics, int ntopics,
							 LeadList *again)
{
	MemoryContext context;
	Datum		values[2];
	int64		next = PG_INT64_MIN;
	int			n = ACTIVITY_CHUNK;

	if (nsignals == 0 && ntopics == 0)
		return;
	context = AllocSetContextCreate(CurrentMemoryContext, "nurture base",
									ALLOCSET_DEFAULT_SIZES);
	while (n == ACTIVITY_CHUNK)
	{
		MemoryContext old = MemoryContextSwitchTo(context);
		int64	   *leads = palloc(ACTIVITY_CHUNK * sizeof(int64));
		Datum	   *bases = palloc(ACTIVITY_CHUNK * sizeof(Datum));
		Datum	   *base_topics = palloc(ACTIVITY_CHUNK * sizeof(Datum));
		int			changed = 0;

		CHECK_FOR_INTERRUPTS();
		values[0] = Int64GetDatum(next);
		values[1] = Int32GetDatum(ACTIVITY_CHUNK);
		(void) nurture_execute_latest(&next_bases, values, NULL, true);
		n = (int) SPI_processed;
		for (int i = 0; i < n; i++)
		{
			bool		isnull;
			bool		had;

			leads[changed] = DatumGetInt64(nurture_cell(i, 1, &isnull));
			bases[changed] = nurture_cell(i, 2, &isnull);
			base_topics[changed] = nurture_cell(i, 3, &isnull);
			next = leads[changed] + 1;
			had = take_keys(&bases[changed], signals, nsignals);
			had |= take_keys(&base_topics[changed], topics, ntopics);
			if (had)
				nurture_list_lead(again, leads[changed++]);
		}
		nurture_activity_write_bases(leads, bases, base_topics, changed);
		MemoryContextSwitchTo(old);
		MemoryContextReset(context);
	}
	MemoryContextDelete(context);
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
