/*
 * activity.h
 *	  What events count for, gathered per lead and written to
 *	  nurture.activity.
 */
#ifndef NURTURE_ACTIVITY_H
#define NURTURE_ACTIVITY_H

#include "base/compat.h"
#include "datatype/timestamp.h"
#include "facts/subject.h"
#include "scoring/signal_match.h"

/*
 * Counts of many leads before they are written.  Lives in the memory context
 * it was made in; holds eight bytes per count until enough came together to
 * be combined.
 */
typedef struct ActivityDelta ActivityDelta;

/* One lead of it, with what it counts. */
typedef struct DeltaLead
{
	int64		lead_id;
	TimestampTz last_event_at;	/* latest occurrence, DT_NOBEGIN = none */
	int32		first_day;		/* earliest day counted, PG_INT32_MAX = none */
	Datum		signals;		/* nurture_tally, once finished */
	Datum		topics;			/* likewise */
} DeltaLead;

extern ActivityDelta *nurture_delta_create(void);
extern void nurture_delta_lead(ActivityDelta *delta, int64 lead_id);
extern void nurture_delta_count(ActivityDelta *delta, int64 lead_id,
								TimestampTz occurred_at,
								const EventMatch *match);

/* Builds the tallies and returns the leads, ascending. */
extern DeltaLead **nurture_delta_finish(ActivityDelta *delta, uint32 *nleads);

/*
 * What is guarded is gathered apart: guarded returns that, NULL when there is
 * nothing.  granted returns it for those leads that
 * granted the purpose sensitive_inference (NULL is an empty delta), settle
 * adds it to what the leads of the delta count.  Their rows of activity are
 * locked by then, so that no consent can change behind the answer.
 */
extern ActivityDelta *nurture_delta_guarded(ActivityDelta *delta);
extern DeltaLead **nurture_delta_granted(ActivityDelta *delta, uint32 *nleads);
extern DeltaLead **nurture_delta_settle(ActivityDelta *delta, uint32 *nleads);

/*
 * Adds to activity, one upsert per few thousand leads, in order of leads.
 * Returns false with the first lead that does not exist.  The caller runs
 * as the owner.
 */
extern uint64 nurture_merged_counted;	/* grows whenever a survivor counts */
extern bool nurture_activity_add(ActivityDelta *plus, int64 *unknown_lead);

/*
 * Takes one delta away and adds another; either may be NULL.  The caller is
 * connected to SPI as well.
 */
extern void nurture_activity_change(ActivityDelta *plus, ActivityDelta *minus);

/*
 * Counts all kept events of these leads again, ascending and without
 * repeats; returns how many rows that are.  The rows keep their roll days and
 * their base.  Merged leads count for their survivors, whose rows are counted
 * instead.
 */
extern int64 nurture_activity_rebuild(const int64 *leads, int nleads);

/* Lets events that came for merged leads concern their survivors. */
extern void nurture_merged_events(SubjectEvent **events, int nevents);

/* Makes and locks the rows of leads, ascending, before gate and lead rows. */
extern void nurture_activity_lock(const int64 *leads, int n);

extern void nurture_roll_init(void);

#define ACTIVITY_CHUNK 8192		/* leads written by one statement */

#endif							/* NURTURE_ACTIVITY_H */
