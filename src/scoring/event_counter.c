/*
 * event_counter.c
 *	  Counts stored events as a query returns them, and settles what of it is
 *	  guarded.
 */
#include "base/compat.h"

#include "access/xact.h"
#include "base/clock.h"
#include "executor/executor.h"
#include "scoring/activity_private.h"
#include "scoring/sensitive.h"
#include "scoring/tally_type.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

static void
receiver_startup(DestReceiver *self, int operation, TupleDesc desc)
{
}

static void
receiver_end(DestReceiver *self)
{
}

/* Leaves of a match one signal or one topic. */
static void
match_only(EventMatch *match, int32 signal, int32 topic)
{
	int			nsignals = 0;
	int			ncounted = 0;
	int			ntopics = 0;
	int			nguarded = 0;

	for (int i = 0; i < match->nsignals; i++)
	{
		if (match->signals[i] != signal)
			continue;
		match->signals[nsignals++] = match->signals[i];
		if (i < match->ncounted)
			ncounted++;
	}
	for (int i = 0; i < match->ntopics; i++)
	{
		if (match->topics[i] == topic)
			match->topics[ntopics++] = match->topics[i];
	}
	for (int i = 0; i < match->nguarded; i++)
	{
		if (match->guarded[i] == topic)
			match->guarded[nguarded++] = match->guarded[i];
	}
	match->nsignals = nsignals;
	match->ncounted = ncounted;
	match->ntopics = ntopics;
	match->nguarded = nguarded;
}

static bool
receive_event(TupleTableSlot *slot, DestReceiver *self)
{
	EventCounter *counter = (EventCounter *) self;
	MemoryContext old = MemoryContextSwitchTo(counter->row);
	EventMatch *match = counter->match;
	const MatchType *type;
	text	   *code;
	TimestampTz occurred_at;

	slot_getallattrs(slot);
	code = DatumGetTextPP(slot->tts_values[1]);
	occurred_at = DatumGetTimestampTz(slot->tts_values[2]);
	type = nurture_match_type(counter->rules, VARDATA_ANY(code),
							  VARSIZE_ANY_EXHDR(code));
	if (type != NULL)
		nurture_match_event(counter->rules, type,
							slot->tts_values[3], slot->tts_isnull[3],
							slot->tts_values[4], slot->tts_isnull[4],
							occurred_at, match);
	else
		nurture_match_nothing(match);
	if (counter->signal != 0 || counter->topic != 0)
		match_only(match, counter->signal, counter->topic);
	nurture_delta_count(counter->delta, DatumGetInt64(slot->tts_values[0]),
						occurred_at, match);
	MemoryContextSwitchTo(old);
	if ((++counter->rows & 255) == 0)
		MemoryContextReset(counter->row);
	return true;
}

static bool
receive_lead(TupleTableSlot *slot, DestReceiver *self)
{
	EventCounter *counter = (EventCounter *) self;

	slot_getallattrs(slot);
	nurture_delta_lead(counter->delta, DatumGetInt64(slot->tts_values[0]));
	return true;
}

/* Runs a query with the latest snapshot and gives its rows to the counter. */
static void
stream(EventCounter *counter, KeptPlan *kept, Datum *values,
	   bool (*receive) (TupleTableSlot *slot, DestReceiver *self))
{
	SPIPlanPtr	plan = nurture_plan(kept);
	MemoryContext context = CurrentMemoryContext;
	SPIExecuteOptions options;
	int			nargs = 0;
	int			result;

	counter->pub.receiveSlot = receive;
	counter->pub.rStartup = receiver_startup;
	counter->pub.rShutdown = receiver_end;
	counter->pub.rDestroy = receiver_end;
	counter->pub.mydest = DestNone;

	memset(&options, 0, sizeof(options));
	options.read_only = true;	/* with the snapshot pushed here */
	options.dest = (DestReceiver *) counter;
	while (nargs < KEPT_PLAN_MAX_ARGS && OidIsValid(kept->argtypes[nargs]))
		nargs++;
	if (nargs > 0)
	{
		options.params = makeParamList(nargs);
		for (int i = 0; i < nargs; i++)
		{
			options.params->params[i].value = values[i];
			options.params->params[i].isnull = false;
			options.params->params[i].pflags = PARAM_FLAG_CONST;
			options.params->params[i].ptype = kept->argtypes[i];
		}
	}
	CommandCounterIncrement();	/* see this transaction's own changes */
	PushActiveSnapshot(GetLatestSnapshot());
	result = SPI_execute_plan_extended(plan, &options);
	PopActiveSnapshot();
	MemoryContextSwitchTo(context);
	if (result < 0)
		elog(ERROR, "could not execute \"%s\": %s", kept->query,
			 SPI_result_code_string(result));
}

/* Makes a counter of all signals and topics in the current memory context. */
EventCounter *
nurture_event_counter(void)
{
	EventCounter *counter = palloc0(sizeof(EventCounter));

	counter->rules = nurture_match_rules();
	counter->match = nurture_match_create(counter->rules);
	counter->delta = nurture_delta_create();
	counter->row = AllocSetContextCreate(CurrentMemoryContext,
										 "nurture event",
										 ALLOCSET_DEFAULT_SIZES);
	return counter;
}

/* Counts the events that a query returns. */
void
nurture_count_events(EventCounter *counter, KeptPlan *kept, Datum *values)
{
	stream(counter, kept, values, receive_event);
}

/* Makes the leads that a query returns part of what is counted. */
void
nurture_count_leads(EventCounter *counter, KeptPlan *kept)
{
	stream(counter, kept, NULL, receive_lead);
}

/* Returns the guarded counts of leads that granted the purpose. */
DeltaLead **
nurture_delta_granted(ActivityDelta *delta, uint32 *nleads)
{
	ActivityDelta *guarded = delta ? nurture_delta_guarded(delta) : NULL;
	DeltaLead **leads;
	int64	   *ids;
	bool	   *granted;
	uint32		n;

	*nleads = 0;
	if (guarded == NULL)
		return NULL;
	leads = nurture_delta_finish(guarded, &n);
	ids = MemoryContextAllocHuge(CurrentMemoryContext, n * sizeof(int64));
	granted = MemoryContextAllocHuge(CurrentMemoryContext, n * sizeof(bool));
	for (uint32 i = 0; i < n; i++)
		ids[i] = leads[i]->lead_id;
	nurture_inference_granted(ids, n, nurture_now_wall(), granted);
	for (uint32 i = 0; i < n; i++)
	{
		if (granted[i])
			leads[(*nleads)++] = leads[i];
	}
	pfree(ids);
	pfree(granted);
	return leads;
}

/* Adds to all leads what they granted; returns them, ascending. */
DeltaLead **
nurture_delta_settle(ActivityDelta *delta, uint32 *nleads)
{
	uint32		ngranted;
	DeltaLead **granted = nurture_delta_granted(delta, &ngranted);
	DeltaLead **leads = nurture_delta_finish(delta, nleads);
	uint32		i = 0;

	/* a lead with guarded counts is part of the delta itself too */
	for (uint32 j = 0; j < ngranted; j++)
	{
		while (leads[i]->lead_id != granted[j]->lead_id)
			i++;
		leads[i]->signals = nurture_tally_plus(leads[i]->signals,
											   granted[j]->signals);
		leads[i]->topics = nurture_tally_plus(leads[i]->topics,
											  granted[j]->topics);
		leads[i]->first_day = Min(leads[i]->first_day, granted[j]->first_day);
	}
	return leads;
}
