/*
 * react.c
 *	  Goals, branches and entries, in the statement that stored the event.
 *
 * Events of one lead come one statement after the other, because each takes
 * the lead's row of nurture.activity first; so what is read here is current.
 */
#include "base/compat.h"

#include "audit/audit.h"
#include "base/clock.h"
#include "base/owner.h"
#include "base/plans.h"
#include "facts/reaction.h"
#include "gate/gate.h"
#include "miscadmin.h"
#include "tracks/rules.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/* the enrollments of one lead while its events are worked off */
typedef struct LeadWalk
{
	const TrackRules *rules;
	Subject    *subject;
	int			n;
	Enrollment *rows;			/* with room for those that events add */
} LeadWalk;

static bool wants(int signal_id);
static void react(const SubjectEvent *const *events, int nevents);

static Reactor tracks_reactor = {
	.name = "tracks",
	.order = REACT_TRACKS,
	.wants = wants,
	.react = react
};

/* Registers the reactor. */
void
nurture_track_react_init(void)
{
	nurture_reactor_register(&tracks_reactor);
}

static bool
wants(int signal_id)
{
	const TrackRules *rules = nurture_track_rules();

	return rules->all_wanted ||
		(signal_id >= 0 && signal_id <= PG_INT16_MAX && rules->wanted[signal_id]);
}

static bool
event_has(const SubjectEvent *event, int signal)
{
	for (int i = 0; i < event->nsignals; i++)
	{
		if (event->signals[i] == signal)
			return true;
	}
	return false;
}

/* Tells whether an event is one that a rule is about. */
static bool
concerns(const TrackRule *rule, const SubjectEvent *event)
{
	if (rule->any_signal)
		return true;
	for (int i = 0; i < rule->nsignals; i++)
	{
		if (event_has(event, rule->signals[i]))
			return true;
	}
	return false;
}

/* Tells whether a track is for leads such as this one. */
bool
nurture_track_takes_audience(const Track *track, const Subject *subject)
{
	const char *audience = nurture_subject_text(subject, SUBJECT_AUDIENCE_TYPE);

	for (int i = 0; i < track->naudiences; i++)
	{
		if (strcmp(track->audiences[i], "*") == 0 ||
			(audience != NULL && strcmp(track->audiences[i], audience) == 0))
			return true;
	}
	return false;
}

static bool
holds(LeadWalk *walk, const Track *track, const TrackRule *rule,
	  const SubjectEvent *event)
{
	if (walk->subject->product != track->product)
	{
		walk->subject->product = track->product;
		walk->subject->standing_read = false;
	}
	walk->subject->event = event;
	return nurture_subject_eval(walk->subject, rule->condition) == NURTURE_TRUE;
}

static int64
next_number(const LeadWalk *walk)
{
	int64		last = 0;

	for (int i = 0; i < walk->n; i++)
		last = Max(last, walk->rows[i].enrollment_no);
	return last + 1;
}

/* Adds the row of an enrollment that was just entered. */
static void
enter(LeadWalk *walk, const TrackVersion *version, int32 from_step,
	  const char *by, const SubjectEvent *event)
{
	int64		number = next_number(walk);
	Enrollment *rows;
	int			n;

	if (!nurture_enrollment_enter(walk->rules, walk->subject, version,
								  from_step, number, by, event->event_id, NULL))
		return;
	n = nurture_enrollment_read(&walk->subject->lead_id, 1, false, &rows);
	walk->rows = rows;
	walk->n = n;
}

/* Goes on at a later step of the same track, at once or as that step says. */
static bool
go_on_at(LeadWalk *walk, Enrollment *e, const TrackVersion *version,
		 const TrackRule *branch, const SubjectEvent *event)
{
	const TrackStep *step = nurture_track_step(version, branch->to_step);
	GateHold	hold_now;
	TimestampTz due;

	if (step == NULL || step->step_no <= e->step_no)
		return false;
	hold_now = nurture_gate_hold(e->lead_id, version->track->code, version->track->purpose,
								 version->track->product, walk->subject->now);
	due = nurture_track_due(walk->rules, version->track, step, walk->subject,
							walk->subject->now, e->entered_at, hold_now.pace);
	if (!nurture_enrollment_move(e, strcmp(e->state, "paused") == 0 ? "paused" : "active",
								 step->step_no, walk->subject->now, due, 0))
		return false;
	nurture_enrollment_moved(e, version, "moved", branch->code, event->event_id);
	nurture_track_label(e->lead_id, version->track, branch, walk->subject->now);
	return true;
}

/*
 * Goal and branches of the open enrollments; true when one ended without
 * another track, so that this event enters none.
 */
static bool
leave(LeadWalk *walk, const SubjectEvent *event)
{
	for (int i = 0; i < walk->n; i++)
	{
		Enrollment *e = &walk->rows[i];
		const Track *track;
		const TrackVersion *version;

		if (!e->open)
			continue;
		track = nurture_track_find(walk->rules, e->track);
		version = nurture_track_version(track, e->version);
		if (version == NULL)
			continue;
		if (track->goal_signal >= 0 && event_has(event, track->goal_signal))
		{
			nurture_enrollment_end(e, "completed", "goal", "event", NULL,
								   walk->subject->now);
			return true;
		}
		for (int b = 0; b < version->nbranches; b++)
		{
			const TrackRule *branch = &version->branches[b];
			const Track *to;
			int32		to_step;

			if (branch->condition == NULL ||
				(branch->from_step != 0 && branch->from_step != e->step_no) ||
				!concerns(branch, event) || !holds(walk, track, branch, event))
				continue;
			if (branch->to_track == NULL)
			{
				if (nurture_enrollment_end(e, "exited", branch->code, "event", NULL,
										   walk->subject->now))
					nurture_track_label(e->lead_id, track, branch, walk->subject->now);
				return true;
			}
			to = nurture_track_find(walk->rules, branch->to_track);
			if (to == track && branch->to_step != 0)
			{
				if (!go_on_at(walk, e, version, branch, event))
					continue;
				return false;
			}
			if (to == NULL || to->published == NULL || to->published->nsteps == 0 ||
				!nurture_track_takes_audience(to, walk->subject))
				continue;
			to_step = branch->resume ? nurture_track_left_at(to, walk->rows, walk->n) : branch->to_step;
			if (to == track || (!branch->resume &&
								!nurture_track_again(to, walk->rows, walk->n, walk->subject->now)))
			{
				nurture_enrollment_not_again(e->lead_id, to->published, branch->code);
				continue;
			}
			if (nurture_enrollment_end(e, "exited", branch->code, "event", NULL,
									   walk->subject->now))
			{
				enter(walk, to->published, to_step,
					  psprintf("branch:%s", branch->code), event);
				nurture_track_label(walk->subject->lead_id, track, branch, walk->subject->now);
			}
			return false;
		}
	}
	return false;
}

/* Enters the tracks that want the lead because of this event. */
static void
consider_entries(LeadWalk *walk, const SubjectEvent *event)
{
	for (int t = 0; t < walk->rules->ntracks; t++)
	{
		const Track *track = &walk->rules->tracks[t];
		const TrackVersion *version = track->published;
		Enrollment *other = NULL;

		if (version == NULL || version->nsteps == 0 || version->nentries == 0 ||
			!nurture_track_takes_audience(track, walk->subject) || !nurture_track_again(track, walk->rows, walk->n, walk->subject->now))
			continue;
		for (int i = 0; i < walk->n; i++)
		{
			if (walk->rows[i].open &&
				strcmp(walk->rows[i].purpose, track->purpose) == 0)
				other = &walk->rows[i];
		}
		for (int i = 0; i < version->nentries; i++)
		{
			const TrackRule *entry = &version->entries[i];
			GateHold	hold;
			const Track *on;

			if (!concerns(entry, event) || !holds(walk, track, entry, event))
				continue;
			if (entry->segment >= 0 &&
				!nurture_track_in_segment(walk->rules, entry->segment, walk->subject))
				continue;
			if (entry->once_goal_unmet && track->goal_signal >= 0 &&
				nurture_tally_last(&walk->subject->signals,
								   (uint16) track->goal_signal) != NURTURE_TALLY_NO_DAY)
				continue;
			hold = nurture_gate_hold(walk->subject->lead_id, track->code, track->purpose,
									 track->product, walk->subject->now);
			if (hold.stopped)
			{
				nurture_enrollment_barred(walk->subject->lead_id, version, entry->code, hold.rule);
				break;
			}
			on = other == NULL ? NULL : nurture_track_find(walk->rules, other->track);
			if (on != NULL && on->priority >= track->priority)
			{
				nurture_enrollment_lost(walk->subject->lead_id, version,
										entry->code, on->code);
				break;
			}
			if (other != NULL &&
				!nurture_enrollment_end(other, "exited", "higher_priority",
										"event", NULL, walk->subject->now))
				break;
			enter(walk, version, entry->from_step,
				  psprintf("entry:%s", entry->code), event);
			break;
		}
	}
}

/* Brings the next step forward: the lead woke up. */
static void
wake(LeadWalk *walk, const SubjectEvent *event)
{
	for (int i = 0; i < walk->n; i++)
	{
		Enrollment *e = &walk->rows[i];
		const Track *track;
		const TrackVersion *version;
		const TrackStep *step;
		TimestampTz due;
		AuditEntry	entry = {0};
		bool		woken = false;

		if (!e->open || strcmp(e->state, "paused") == 0)
			continue;
		track = nurture_track_find(walk->rules, e->track);
		version = nurture_track_version(track, e->version);
		step = version ? nurture_track_step(version, e->step_no) : NULL;
		for (int w = 0; step != NULL && w < track->nwake; w++)
			woken = woken || event_has(event, track->wake[w]);
		if (!woken)
			continue;
		due = nurture_track_due(walk->rules, track, step, walk->subject, e->due_from,
								e->entered_at,
								nurture_gate_hold(e->lead_id, track->code, track->purpose,
												  track->product, walk->subject->now).pace);
		due = Max(due, walk->subject->now);
		if (due >= e->next_due_at ||
			!nurture_enrollment_move(e, "active", e->step_no, e->due_from, due, e->refusals))
			continue;
		entry.has_lead = true;
		entry.lead_id = e->lead_id;
		entry.kind = "enrollment";
		entry.object = psprintf("enrollment:" INT64_FORMAT, e->enrollment_no);
		entry.outcome = "brought_forward";
		entry.trigger_json = psprintf("{\"event\": " INT64_FORMAT "}", event->event_id);
		entry.inputs = psprintf("{\"step\": %d}", e->step_no);
		nurture_audit_append(&entry, 1);
	}
}

/* Works off the events of one lead. */
static void
react_lead(const TrackRules *rules, const SubjectEvent *const *events,
		   int nevents, Enrollment *rows, int nrows)
{
	LeadWalk	walk = {rules, NULL, nrows, rows};

	walk.subject = nurture_subject_load(events[0]->lead_id,
										nurture_now_statement(), true);
	if (walk.subject == NULL || walk.subject->lead_id != events[0]->lead_id ||
		!TIMESTAMP_IS_NOBEGIN(walk.subject->erased_at))
		return;
	for (int i = 0; i < nevents; i++)
	{
		if (!leave(&walk, events[i]))
			consider_entries(&walk, events[i]);
		wake(&walk, events[i]);
	}
}

static void
react(const SubjectEvent *const *events, int nevents)
{
	const TrackRules *rules = nurture_track_rules();
	int64	   *leads = palloc(nevents * sizeof(int64));
	int			nleads = 0;
	Enrollment *rows;
	int			nrows;
	int			row = 0;
	OwnerSwitch save;
	int			level;
	MemoryContext context;
	MemoryContext old;

	for (int i = 0; i < nevents; i++)
	{
		if (nleads == 0 || leads[nleads - 1] != events[i]->lead_id)
			leads[nleads++] = events[i]->lead_id;
	}
	nurture_owner_enter(&save);
	level = nurture_spi_connect();
	/* a label may decide a standing, and gates come before enrollments */
	for (int i = 0; rules->labels && i < nleads; i++)
		nurture_gate_bump(leads[i]);
	nrows = nurture_enrollment_read(leads, nleads, true, &rows);
	context = AllocSetContextCreate(CurrentMemoryContext, "nurture track reaction",
									ALLOCSET_DEFAULT_SIZES);
	for (int i = 0; i < nevents;)
	{
		int			n = 1;
		int			mine = 0;

		CHECK_FOR_INTERRUPTS();
		while (i + n < nevents && events[i + n]->lead_id == events[i]->lead_id)
			n++;
		while (row < nrows && rows[row].lead_id < events[i]->lead_id)
			row++;
		while (row + mine < nrows && rows[row + mine].lead_id == events[i]->lead_id)
			mine++;
		old = MemoryContextSwitchTo(context);
		react_lead(rules, &events[i], n, &rows[row], mine);
		MemoryContextSwitchTo(old);
		MemoryContextReset(context);
		i += n;
	}
	nurture_spi_finish(level);
	nurture_owner_leave(&save);
}
