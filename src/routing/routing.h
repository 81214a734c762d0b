/*
 * routing.h
 *	  What the routing room offers the others: standing of leads, hand-offs,
 *	  and the versions of routes.
 */
#ifndef NURTURE_ROUTING_H
#define NURTURE_ROUTING_H

#include "base/compat.h"
#include "datatype/timestamp.h"
#include "facts/subject.h"

extern void nurture_routing_init(void);

/* What nurture_lint asks about routing. */
extern void nurture_routing_lint_init(void);

/* Alert rules: the last work of a tick, because it reads reports. */
extern void nurture_alert_init(void);

/*
 * Between these two the guard lets the functions of a room write hand-offs.
 * The second belongs into PG_FINALLY.
 */
extern void nurture_handoffs_open(void);
extern void nurture_handoffs_close(void);

/*
 * Decides grade, tier, stage and routes of leads again, ascending by lead;
 * cause is a code such as published or due.  For publishing, the tick, and
 * rulings.
 */
extern void nurture_standing_decide(const int64 *leads, int n,
									const char *cause);

/*
 * For the tick, in a transaction that does nothing after it: ends offers whose
 * time is over, then names members.  Returns how many hand-offs it changed.
 */
extern int	nurture_routing_tick(int max);

/*
 * For steps of tracks; the lead's gate row is ours, its enrollment has been
 * written; connected to SPI, as the owner.  A step hands over by a route, or,
 * with NULL, by the first that takes the lead (0: none does); gives a team a
 * task, due within working time (0: the team may not have the lead); or moves
 * the lead to a stage, where the graph of stages lets tracks do so.
 */
extern bool nurture_routing_takes(Subject *subject, const char *route);
extern int64 nurture_routing_hand_over(Subject *subject, const char *route,
									   const char *words);
extern int64 nurture_routing_step_task(const Subject *subject, const char *team,
									   const char *title, int64 due_within);
extern bool nurture_routing_step_stage(const Subject *subject, const char *stage);

/* Leads whose standing the tick is to decide again; how many were filled. */
extern int	nurture_standing_due(TimestampTz now, int64 *leads, int max);
extern int	nurture_standing_walk(int64 *leads, int max);

/*
 * For nurture_merge and nurture_unmerge: the first resolves standing,
 * disqualifications and open hand-offs of a lead that was merged and answers
 * what it changed, as JSON; the second takes that back.  The gate rows of both
 * are ours; connected to SPI, as the owner.
 */
extern char *nurture_routing_merged(int64 absorbed, int64 survivor,
									const char *reason, const char *actor);
extern void nurture_routing_unmerged(int64 absorbed, int64 survivor,
									 const char *changed, const char *reason,
									 const char *actor);

/* For nurture_draft and nurture_publish, kind route. */
extern int	nurture_route_draft(const char *route, int from_version);
extern char *nurture_route_publish(const char *route, int version,
								   const char *reason, const char *actor,
								   bool confirm);

/*
 * Ends the open hand-offs, tasks and requests of a lead that is erased, and
 * tells other systems.  The lead's gate row is ours; connected to SPI, as the
 * owner.  For nurture_erase.
 */
extern void nurture_routing_erase(int64 lead_id, const char *actor);

#endif							/* NURTURE_ROUTING_H */
