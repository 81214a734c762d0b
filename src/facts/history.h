/*
 * history.h
 *	  Why the facts of leads change: what the history of nurture.lead names.
 *
 * A trigger of nurture.lead and nurture.account writes the version that an
 * UPDATE replaces into nurture.lead_history or nurture.account_history, with
 * the actor, the setting nurture.change_reason and nothing else.  Code that
 * changes facts because of events says so around its UPDATE:
 *
 *		const FactCauses *before = nurture_history_because(&causes);
 *		... nurture_execute(&update_leads, ...) ...
 *		(void) nurture_history_because(before);
 *
 * An error in between forgets the causes; they need not live longer than the
 * UPDATE.
 *
 * The trigger that counts events keeps those that were corrected or deleted
 * in nurture.event_history in the same way.
 */
#ifndef NURTURE_HISTORY_H
#define NURTURE_HISTORY_H

#include "base/compat.h"
#include "commands/trigger.h"

/* Why one lead's row changes. */
typedef struct FactCause
{
	int64		lead_id;
	int64		event_id;		/* of the event that told it, 0 = none */
	const char *reason;			/* NULL = the setting nurture.change_reason */
	const char *actor;			/* NULL = who calls */
} FactCause;

typedef struct FactCauses
{
	const FactCause *causes;	/* ascending by lead_id, one per lead */
	int			n;
} FactCauses;

extern void nurture_history_init(void);

/* Sets the causes of the UPDATEs that follow; returns those set before. */
extern const FactCauses *nurture_history_because(const FactCauses *causes);

/*
 * Keeps the events that a statement corrected or deleted; after their rows of
 * activity are locked, which an erasure waits for.
 */
extern void nurture_history_events(TriggerData *data);

#endif							/* NURTURE_HISTORY_H */
