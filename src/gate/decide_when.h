/*
 * decide_when.h
 *	  Private to the decision: the rules that may put a message off, gathered
 *	  to be asked together.
 */
#ifndef NURTURE_GATE_DECIDE_WHEN_H
#define NURTURE_GATE_DECIDE_WHEN_H

#include "gate/contact_policy.h"
#include "gate/decide.h"

/* What is told of a rule. */
typedef struct WhenRule
{
	const char *rule;			/* name of the finding */
	const char *reason;
	const GateCap *cap;			/* NULL = it is none */
	const char *fact;			/* of what is no cap */
} WhenRule;

typedef struct When
{
	const GateRules *rules;
	const GateLead *lead;
	const GateAsset *asset;
	const GateAsk *ask;
	int			class;			/* bit */
	int64		start;
	int64		limit;
	LeadClocks	where;
	bool		where_known;	/* was looked up */
	bool		zone_missing;	/* a rule needs a clock that nothing tells */
	int			n;
	WhenRule   *told;
	ContactRule *asked;			/* of the same numbers */
} When;

/* Returns the clocks where the lead is. */
extern const LeadClocks *nurture_when_where(When *when);

/* decide_caps.c: adds the caps, and asks those that refuse at once. */
extern void nurture_gate_ask_caps(When *when, GateDecision *decision);

#endif							/* NURTURE_GATE_DECIDE_WHEN_H */
