/*
 * reaction.h
 *	  What happens after events were counted, in the statement that stored
 *	  them.
 *
 * Rooms register a reactor each.  The event trigger calls them in their order
 * (which is the lock order: lead before gate before enrollment before hand-off), each once
 * per statement with all the events it wants, ascending by lead.  An event
 * that matched no signal a reactor wants costs nothing.
 */
#ifndef NURTURE_REACTION_H
#define NURTURE_REACTION_H

#include "base/compat.h"
#include "facts/subject.h"

/* order of the reactors */
#define REACT_FACTS		5		/* answers in forms become facts and consent */
#define REACT_BOUNCE	8		/* addresses that do not work: their locks
								 * come before gates */
#define REACT_CONSENT	10		/* opt-outs and objections told by events */
#define REACT_GATE		20		/* stop rules */
#define REACT_STANDING	30		/* tier, stage, grade */
#define REACT_TRACKS	40		/* entry, branching, exits */
#define REACT_STOPPED	45		/* what stop rules did to tracks */
#define REACT_ROUTING	50		/* hand-offs, requests */

typedef struct Reactor
{
	const char *name;
	int			order;
	bool		history_too;	/* also wants events too old to start things */

	/*
	 * Whether events with this signal are wanted; signal 0 stands for events
	 * that carry tags.  Asked once per signal and statement.
	 */
	bool		(*wants) (int signal_id);
	/* events are ascending by lead_id, then by occurred_at and event_id */
	void		(*react) (const SubjectEvent *const *events, int nevents);

	/*
	 * Whether events of this type are wanted whatever they match; NULL = no.
	 * They come with their properties.
	 */
	bool		(*wants_type) (const char *event_type);
	struct Reactor *next;		/* private */
} Reactor;

extern void nurture_reactor_register(Reactor *reactor);

/* For the event trigger: */
extern bool nurture_reactors_want(int signal_id, bool history);
extern bool nurture_reactors_want_type(const char *event_type, bool history);
extern void nurture_react(const SubjectEvent *const *events, int nevents);

#endif							/* NURTURE_REACTION_H */
