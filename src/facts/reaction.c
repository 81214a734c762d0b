/*
 * reaction.c
 *	  Calls the rooms that want to know about events, in lock order.
 */
#include "base/compat.h"

#include "facts/reaction.h"
#include "miscadmin.h"

static Reactor *reactors = NULL;	/* ascending by order */

/* Registers a room's reactor; from its init. */
void
nurture_reactor_register(Reactor *reactor)
{
	Reactor   **place = &reactors;

	while (*place != NULL && (*place)->order <= reactor->order)
		place = &(*place)->next;
	reactor->next = *place;
	*place = reactor;
}

/* Tells whether any reactor wants events of this signal. */
bool
nurture_reactors_want(int signal_id, bool history)
{
	for (Reactor *reactor = reactors; reactor != NULL; reactor = reactor->next)
	{
		if ((!history || reactor->history_too) && reactor->wants(signal_id))
			return true;
	}
	return false;
}

/* Tells whether any reactor wants events of this type. */
bool
nurture_reactors_want_type(const char *event_type, bool history)
{
	for (Reactor *reactor = reactors; reactor != NULL; reactor = reactor->next)
	{
		if ((!history || reactor->history_too) && reactor->wants_type != NULL &&
			reactor->wants_type(event_type))
			return true;
	}
	return false;
}

static bool
wanted(const Reactor *reactor, const SubjectEvent *event)
{
	if (event->history && !reactor->history_too)
		return false;
	if (reactor->wants_type != NULL && event->properties != NULL &&
		reactor->wants_type(event->event_type))
		return true;
	for (int i = 0; i < event->nsignals; i++)
	{
		if (reactor->wants(event->signals[i]))
			return true;
	}
	return event->tags != NULL && reactor->wants(0);
}

static int
compare_events(const void *a, const void *b)
{
	const SubjectEvent *x = *(const SubjectEvent *const *) a;
	const SubjectEvent *y = *(const SubjectEvent *const *) b;

	if (x->lead_id != y->lead_id)
		return x->lead_id < y->lead_id ? -1 : 1;
	if (x->occurred_at != y->occurred_at)
		return x->occurred_at < y->occurred_at ? -1 : 1;
	if (x->event_id != y->event_id)
		return x->event_id < y->event_id ? -1 : 1;
	return 0;
}

/* Hands the events to every reactor that wants some of them. */
void
nurture_react(const SubjectEvent *const *events, int nevents)
{
	const SubjectEvent **sorted;
	const SubjectEvent **chosen;

	if (nevents == 0 || reactors == NULL)
		return;
	sorted = palloc(nevents * sizeof(SubjectEvent *));
	chosen = palloc(nevents * sizeof(SubjectEvent *));
	memcpy(sorted, events, nevents * sizeof(*sorted));
	qsort(sorted, nevents, sizeof(*sorted), compare_events);
	for (Reactor *reactor = reactors; reactor != NULL; reactor = reactor->next)
	{
		int			n = 0;

		CHECK_FOR_INTERRUPTS();
		for (int i = 0; i < nevents; i++)
		{
			if (wanted(reactor, sorted[i]))
				chosen[n++] = sorted[i];
		}
		if (n > 0)
			reactor->react(chosen, n);
	}
	pfree(sorted);
	pfree(chosen);
}
