/*
 * activity_private.h
 *	  Shared by the files that write nurture.activity.
 */
#ifndef NURTURE_ACTIVITY_PRIVATE_H
#define NURTURE_ACTIVITY_PRIVATE_H

#include "base/plans.h"
#include "scoring/activity.h"
#include "tcop/dest.h"

/* Rows on their way into the array parameters of one statement. */
typedef struct ActivityRows
{
	int			n;
	int			room;
	Datum	   *lead_ids;
	Datum	   *signals;
	Datum	   *topics;
	Datum	   *last;			/* last_event_at */
	bool	   *last_null;
} ActivityRows;

/* A growing list of leads, in a memory context of its own choice. */
typedef struct LeadList
{
	MemoryContext context;
	int64	   *leads;
	int			n;
	int			room;
} LeadList;

extern ActivityRows *nurture_activity_rows(int room);
extern void nurture_activity_put(ActivityRows *rows, int64 lead_id,
								 Datum signals, Datum topics,
								 TimestampTz last_event_at);
extern void nurture_activity_execute(KeptPlan *kept, ActivityRows *rows);
extern void nurture_activity_write(ActivityRows *rows);
extern Datum nurture_lead_array(const int64 *leads, int n);
extern void nurture_list_lead(LeadList *list, int64 lead_id);
extern void nurture_rebuild_listed(LeadList *list);
extern void nurture_plan_tallies(KeptPlan *kept, int from, int to);
extern Datum nurture_tally_array(Datum *tallies, int n);
extern void nurture_activity_write_bases(const int64 *leads, Datum *bases,
										 Datum *base_topics, int n);
extern void nurture_activity_strip_bases(const int32 *signals, int nsignals,
										 const int32 *topics, int ntopics,
										 LeadList *again);
extern int64 nurture_activity_add_base(ActivityDelta *delta, LeadList *again);

/* Leads that were merged, each with the survivor that counts for it. */
typedef struct MergedLeads
{
	int			n;
	int64	   *leads;			/* ascending */
	int64	   *survivors;
} MergedLeads;

/* A lead that was merged, as far as its survivor's row follows from it. */
typedef struct GroupMember
{
	int64		survivor;
	int64		lead_id;
	bool		no_row;			/* of activity; then what follows is unset */
	Datum		base[2];		/* of signals and of topics */
	TimestampTz base_last_event_at; /* DT_NOBEGIN = none */
	int32		roll_day[2];	/* of signals and of topics, 0 = never rolled */
} GroupMember;

/* Ascending by survivor, then by lead. */
typedef struct ActivityGroups
{
	int			n;
	GroupMember *members;
} ActivityGroups;

extern void nurture_merged_find(const int64 *leads, int n, MergedLeads *merged);
extern int	nurture_merged_survivors(int64 *leads, int n);
extern ActivityGroups *nurture_groups_read(const int64 *leads, int n);
extern void nurture_groups_add(const ActivityGroups *groups, DeltaLead **leads,
							   uint32 nleads);
extern const GroupMember *nurture_groups_of(const ActivityGroups *groups,
											int64 survivor, int *n);

/*
 * Counts events as the executor returns them; the queries return lead_id,
 * event_type, occurred_at, tags and properties.
 */
typedef struct EventCounter
{
	DestReceiver pub;
	ActivityDelta *delta;
	const MatchRules *rules;
	EventMatch *match;
	int32		signal;			/* count this one only; 0 = all */
	int32		topic;			/* likewise */
	MemoryContext row;			/* reset now and then */
	uint64		rows;			/* received */
} EventCounter;

extern EventCounter *nurture_event_counter(void);
extern void nurture_count_events(EventCounter *counter, KeptPlan *kept,
								 Datum *values);
extern void nurture_count_leads(EventCounter *counter, KeptPlan *kept);

#endif							/* NURTURE_ACTIVITY_PRIVATE_H */
