/*
 * stop_react.c
 *	  When stop rules are asked: in the statement that stores an event, and
 *	  where a stage or a denial of consent that a rule names has changed.
 *
 * An event that fires nothing leaves the gate row alone: the rules are asked
 * once before it is locked, and again behind it.
 */
#include "base/compat.h"

#include "base/clock.h"
#include "base/owner.h"
#include "base/plans.h"
#include "catalog/pg_type.h"
#include "facts/reaction.h"
#include "facts/subject.h"
#include "gate/stop.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

/* what the rules did because of events; the survivors' tracks are done */
static KeptPlan read_done =
KEPT_PLAN("SELECT e.lead_id, e.rule, e.effect, e.scope::text, e.to_track, e.event_id"
		  " FROM nurture.stop_effect AS e"
		  " WHERE e.lead_id = ANY ($1) AND e.event_id = ANY ($2) AND e.mode = 'enforced'"
		  " AND (e.lifted_at IS NULL OR e.lifted_because = 'done')"
		  " ORDER BY e.lead_id, e.effect_no", INT8ARRAYOID, INT8ARRAYOID);

static bool
rule_wants(const StopRule *rule, int signal_id)
{
	if (signal_id == 0)
		return rule->tags;
	for (int i = 0; i < rule->nsignals; i++)
	{
		if (rule->signals[i] == signal_id)
			return true;
	}
	return false;
}

/* Tells whether an event with a signal, 0 = with tags, may fire a rule. */
static bool
wants_rule(int signal_id)
{
	const StopRules *all = nurture_stop_rules();

	for (int i = 0; i < all->n; i++)
	{
		if (rule_wants(&all->rules[i], signal_id))
			return true;
	}
	return false;
}

static bool
wants_stop(int signal_id)
{
	const StopRules *all = nurture_stop_rules();

	for (int i = 0; i < all->nlifters; i++)
	{
		if (all->lifters[i].signal == signal_id)
			return true;
	}
	return wants_rule(signal_id);
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

static bool
event_concerns(const StopRule *rule, const SubjectEvent *event)
{
	for (int i = 0; i < event->nsignals; i++)
	{
		if (rule_wants(rule, event->signals[i]))
			return true;
	}
	return event->tags != NULL && rule->tags;
}

static bool
fires(const StopRule *rule, Subject *subject, const SubjectEvent *event)
{
	return event_concerns(rule, event) &&
		nurture_subject_eval(subject, rule->condition) == NURTURE_TRUE;
}

/* Tells whether an event does anything, before the gate row is locked. */
static bool
may_act(const SubjectEvent *event, Subject *subject)
{
	const StopRules *all = nurture_stop_rules();

	for (int i = 0; i < all->nlifters; i++)
	{
		if (event_has(event, all->lifters[i].signal))
			return true;
	}
	subject->event = event;
	for (int i = 0; i < all->n; i++)
	{
		if (fires(&all->rules[i], subject, event))
			return true;
	}
	return false;
}

/* Lifts and applies what one event lifts and fires; the gate row is ours. */
static void
react_event(const SubjectEvent *event, Subject *subject)
{
	const StopRules *all = nurture_stop_rules();

	for (int i = 0; i < all->nlifters; i++)
	{
		bool		twice = false;

		for (int j = 0; j < i; j++)
			twice = twice || strcmp(all->lifters[j].text, all->lifters[i].text) == 0;
		if (!twice && event_has(event, all->lifters[i].signal))
			nurture_stop_end_after(event->lead_id, &all->lifters[i], event->occurred_at);
	}
	subject->event = event;
	for (int i = 0; i < all->n; i++)
	{
		StopEffect	stop = {
			.lead_id = event->lead_id,.since = event->occurred_at,
			.event_id = event->event_id
		};

		if (fires(&all->rules[i], subject, event) &&
			nurture_stop_of_rule(&all->rules[i], &stop))
			nurture_stop_put(&stop);
	}
}

/*
 * Applies stop rules to events, ascending by lead: gate rows of all leads that
 * are stopped first.
 */
static void
react_stop(const SubjectEvent *const *events, int nevents)
{
	bool	   *act = palloc0(sizeof(bool) * nevents);
	Subject    *subject = NULL;
	OwnerSwitch owner;
	int			level;
	bool		any = false;

	nurture_owner_enter(&owner);
	level = nurture_spi_connect();
	for (int i = 0; i < nevents; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (i == 0 || events[i]->lead_id != events[i - 1]->lead_id)
			subject = nurture_subject_load(events[i]->lead_id,
										   nurture_now_statement(), true);
		act[i] = subject != NULL && may_act(events[i], subject);
		any = any || act[i];
	}
	for (int i = 0, locked = -1; any && i < nevents; i++)
	{
		if (act[i] && (locked < 0 || events[i]->lead_id != events[locked]->lead_id))
		{
			nurture_gate_lock(events[i]->lead_id);
			locked = i;
		}
	}
	for (int i = 0, loaded = -1; any && i < nevents; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (!act[i])
			continue;
		if (loaded < 0 || events[i]->lead_id != events[loaded]->lead_id)
			subject = nurture_subject_load(events[i]->lead_id,
										   nurture_now_statement(), true);
		loaded = i;
		if (subject != NULL)
			react_event(events[i], subject);
	}
	nurture_spi_finish(level);
	nurture_owner_leave(&owner);
}

static Datum
number_array(Datum *items, int n)
{
	return PointerGetDatum(construct_array(items, n, INT8OID, 8, true, TYPALIGN_DOUBLE));
}

/*
 * Does to enrollments what the rules did to leads, after the tracks themselves
 * had the events: a goal or branch that the event is about says why a lead
 * leaves, a stop ends what is left.
 */
static void
react_tracks(const SubjectEvent *const *events, int nevents)
{
	Datum	   *leads = palloc(sizeof(Datum) * nevents);
	Datum	   *ids = palloc(sizeof(Datum) * nevents);
	Datum		values[2];
	StopEffect *done;
	OwnerSwitch owner;
	int			level;
	int			n;

	for (int i = 0; i < nevents; i++)
	{
		leads[i] = Int64GetDatum(events[i]->lead_id);
		ids[i] = Int64GetDatum(events[i]->event_id);
	}
	nurture_owner_enter(&owner);
	level = nurture_spi_connect();
	values[0] = number_array(leads, nevents);
	values[1] = number_array(ids, nevents);
	(void) nurture_execute(&read_done, values, NULL, false);
	n = SPI_processed;
	done = palloc0(sizeof(StopEffect) * Max(n, 1));
	for (int i = 0; i < n; i++)
	{
		bool		null;

		done[i].lead_id = DatumGetInt64(nurture_cell(i, 1, &null));
		done[i].rule = nurture_cell_text(i, 2);
		done[i].effect = nurture_cell_text(i, 3);
		done[i].mode = "enforced";
		done[i].scope = nurture_cell_text(i, 4);
		done[i].to_track = nurture_cell_text(i, 5);
		done[i].event_id = DatumGetInt64(nurture_cell(i, 6, &null));
	}
	for (int i = 0; i < n; i++)
	{
		CHECK_FOR_INTERRUPTS();
		nurture_stop_apply_tracks(&done[i]);
	}
	nurture_spi_finish(level);
	nurture_owner_leave(&owner);
}

/* Asks the rules about a state that has changed; see gate.h. */
void
nurture_gate_state_changed(int64 lead_id, int states)
{
	const StopRules *all = nurture_stop_rules();
	TimestampTz now = nurture_now_wall();
	Subject    *subject;

	if ((all->states & states) == 0)
		return;
	subject = nurture_subject_load(lead_id, nurture_now_statement(), true);
	if (subject == NULL || subject->lead_id != lead_id)
		return;
	for (int i = 0; i < all->n; i++)
	{
		const StopRule *rule = &all->rules[i];
		StopEffect	stop = {.lead_id = lead_id,.since = now};
		bool		open;

		if ((rule->states & states) == 0)
			continue;
		open = nurture_stop_is_open(lead_id, rule->rule, now);
		if (nurture_subject_eval(subject, rule->condition) != NURTURE_TRUE)
		{
			if (open && (rule->states & GATE_STATE_STAGE))
				(void) nurture_stop_lift_rule(lead_id, rule->rule, "stage_left");
		}
		else if (!open && nurture_stop_of_rule(rule, &stop))
		{
			nurture_stop_put(&stop);
			nurture_stop_apply_tracks(&stop);
		}
	}
}

/* Registers the reactors. */
void
nurture_stop_react_init(void)
{
	static Reactor stops = {
		.name = "stop rules",.order = REACT_GATE,.history_too = false,
		.wants = wants_stop,.react = react_stop
	};
	static Reactor tracks = {
		.name = "stop rules of tracks",.order = REACT_STOPPED,.history_too = false,
		.wants = wants_rule,.react = react_tracks
	};

	nurture_reactor_register(&stops);
	nurture_reactor_register(&tracks);
}
