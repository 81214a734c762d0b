/*
 * decide.h
 *	  Private to the decision: its parts, each of which asks some rules.
 *
 * A part adds one finding for each rule it asks, passed or not, and never
 * reads a table: what it needs is in GateLead, GateAsset, GateAsk and the
 * compiled GateRules.
 */
#ifndef NURTURE_GATE_DECIDE_H
#define NURTURE_GATE_DECIDE_H

#include "gate/gate_private.h"

/* decide.c */
extern GateFinding *nurture_gate_found(GateDecision *decision,
									   const char *rule, bool passed,
									   GateVerdict verdict,
									   const char *reason, const char *fact);
extern char *nurture_gate_when(TimestampTz at);
extern char *nurture_gate_used(const GateCap *cap, int used, int n);

/* decide_consent.c */
extern void nurture_gate_decide_consent(const GateRules *rules,
										const GateLead *lead,
										const GateAsset *asset,
										const GateAsk *ask, int class,
										TimestampTz at,
										GateDecision *decision);

/* decide_when.c */
extern TimestampTz nurture_gate_decide_when(const GateRules *rules,
											const GateLead *lead,
											const GateAsset *asset,
											const GateAsk *ask, int class,
											TimestampTz start,
											GateDecision *decision);
extern void nurture_gate_decide_holdout(const GateRules *rules,
										const GateLead *lead, int class,
										TimestampTz at,
										GateDecision *decision);

/* decide_wish.c */
typedef enum GateWishKind
{
	GATE_WISH_FORMAT,
	GATE_WISH_LANGUAGE
} GateWishKind;

extern const char *nurture_gate_wish(const GateLead *lead,
									 const char *channel, GateWishKind kind);
extern void nurture_gate_decide_wishes(const GateLead *lead,
									   const GateAsset *asset,
									   const GateAsk *ask, int class,
									   GateDecision *decision);

/* decide_caps.c */
extern void nurture_gate_decide_occurrence(const GateLead *lead,
										   const GateAsset *asset,
										   const GateAsk *ask,
										   GateDecision *decision);

/* decide_blocks.c */
extern void nurture_gate_decide_blocks(const GateLead *lead,
									   const GateAsset *asset,
									   const GateAsk *ask, int class,
									   GateDecision *decision);

#endif							/* NURTURE_GATE_DECIDE_H */
