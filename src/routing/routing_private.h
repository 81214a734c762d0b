/*
 * routing_private.h
 *	  What the files of the routing room share.
 */
#ifndef NURTURE_ROUTING_PRIVATE_H
#define NURTURE_ROUTING_PRIVATE_H

#include "base/compat.h"
#include "audit/audit.h"
#include "base/plans.h"
#include "core/condition.h"
#include "datatype/timestamp.h"
#include "facts/subject.h"
#include "lib/stringinfo.h"
#include "nodes/bitmapset.h"
#include "scoring/model.h"

/* the lane whose hand-offs move the lifecycle stage */
#define ROUTING_BUSINESS_LANE "business"

/* ---------- configuration, cached: rules.c ---------- */

typedef struct RoutingTeam
{
	const char *team;
	const char *lane;
	const char *calendar;		/* NULL = round the clock */
	const char **never_audiences;	/* NULL-terminated */
	const char **never_requests;	/* likewise */
} RoutingTeam;

typedef struct RoutingRoute
{
	const char *route;
	int32		version;
	const char *product;
	int32		priority;
	const Condition *condition;
	const Condition *hold_until;	/* NULL = offered at once */
	int32		min_confidence; /* 0 to 10000; below it a person looks first */
	const Condition *review_when;	/* likewise when it holds; NULL = never */
	const char *review_bucket;
	const RoutingTeam *team;
	const char *method;
	int64		sla_accept;		/* working microseconds */
	int64		sla_first_response;
	int64		offer_expires;	/* 0 = never */
	Interval	cool_down;
	int32		attempts_max;	/* 0 = any number */
	const char **required_fields;	/* NULL-terminated */
	const Condition **required; /* parallel: it is known */
	bool		names_standing; /* asked when a standing was reached */
	bool		names_tags;
	Bitmapset  *signals;		/* asked when one of these occurred */
	int			ntags;
	int		   *tags;			/* or an event carried one of these */
} RoutingRoute;

typedef struct RoutingRequest
{
	const char *kind;
	const char *event_type;
} RoutingRequest;

typedef struct RoutingRules
{
	int			nroutes;
	RoutingRoute *routes;		/* ascending by priority, then code */
	int			nteams;
	RoutingTeam *teams;
	int			nrequests;
	RoutingRequest *requests;
	Bitmapset  *signals;		/* named by routes, holds and requests */
	bool		names_standing; /* some route does */
	bool		names_tags;		/* some route or hold does */
} RoutingRules;

extern void nurture_routing_rules_init(void);
extern const RoutingRules *nurture_routing_rules(void);
extern const RoutingRoute *nurture_routing_find(const RoutingRules *rules,
												const char *route);
extern const Condition *nurture_required_condition(const char *field,
												   const char *owner);
extern const RoutingTeam *nurture_routing_team(const RoutingRules *rules,
											   const char *team);
extern const char *nurture_routing_request(const RoutingRules *rules,
										   const char *event_type);
extern char **nurture_text_items(Datum array);
extern Datum nurture_text_array(List *strings);

/* what moves leads along the graph of stages, and when it is asked */
typedef struct StageEdge
{
	const char *audience_type;	/* "*" = all without a row of their own */
	const char *from_stage;
	const char *to_stage;
	const char *by;				/* rule, hand_off or person */
	const Condition *condition; /* of a rule */
	Interval	after;
} StageEdge;

/* points from which one occurrence of a signal decides at once */
#define NURTURE_DECIDING_POINTS 5

typedef struct StandingRules
{
	int			nedges;
	StageEdge  *edges;
	int			nproducts;
	const char **products;		/* of models that were ever in force, besides
								 * "*" */
	Bitmapset  *signals;		/* scored high, or named by a pattern, tier or
								 * edge */
	bool		names_tags;
	bool		names_marks;	/* labels or lists */
	bool		names_consent;
} StandingRules;

extern const StandingRules *nurture_standing_rules(void);
extern const StageEdge *nurture_stage_edge(const StandingRules *rules,
										   const char *audience_type,
										   const char *from_stage,
										   const char *to_stage,
										   const char *by);

/* ---------- clocks: calendar.c ---------- */

extern void nurture_calendar_init(void);
extern TimestampTz nurture_calendar_due(const char *calendar,
										TimestampTz from, int64 amount);

/* ---------- standing: qualify.c, standing.c ---------- */

typedef struct Qualification
{
	int			tier;			/* passed, 0 to 4 */
	const char *status;			/* see nurture_qualify */
	char	   *grade;			/* NULL = no model applies */
	int64		fit;			/* hundredths */
	int64		intent;
	int64		total;
	int			confidence;		/* 0 to 10000 */
	const char *model;			/* NULL = none applies */
	int32		version;
	List	   *reasons;		/* of char *: fails_with of the first tier
								 * that is not passed */
	List	   *unknown;		/* of char *: terms not known, in words */
	List	   *programs;		/* of char *: open programmes that met a
								 * requirement */
	List	   *labelling;		/* of const PointRule *: patterns that are
								 * true and give a label */
} Qualification;

/* programmes that are named at most: who fits hundreds fits them all alike */
#define QUALIFY_MAX_PROGRAMS 20

extern void nurture_subject_stage(Subject *subject, const char *product);
extern const CompiledModel *nurture_subject_model(const Subject *subject,
												  const char *product);
extern void nurture_qualification(Subject *subject, const char *product,
								  Qualification *out);
extern List *nurture_qualification_reasons(const Qualification *q);

extern bool nurture_stage_move(int64 lead_id, const char *product,
							   const char *audience_type,
							   const char *to_stage, const char *by,
							   const char *cause, TimestampTz accepted_at);

extern void nurture_standing_init(void);

/* ---------- hand-offs: route.c, package.c, handoff.c, assign.c ---------- */

typedef struct RoutingTrigger
{
	const SubjectEvent *event;	/* NULL = a standing, or a person */
	const char *reason;			/* words of a person, or NULL */
	const char *actor;
	bool		by_track;		/* a step of a track asks for it */
} RoutingTrigger;

extern void nurture_route_init(void);
extern void nurture_route_standing(const int64 *leads, int n);
extern Datum nurture_handoff_package(Subject *subject,
									 const RoutingRoute *route,
									 const RoutingTeam *team,
									 const char *product,
									 const RoutingTrigger *trigger,
									 const Qualification *standing);

/* Audit entries of one statement; its context is the current one meanwhile. */
typedef struct HandoffBatch
{
	MemoryContext context;
	MemoryContext outer;
	AuditEntry *entries;
	int			n;
	int			room;
} HandoffBatch;

extern bool nurture_team_permitted(const RoutingTeam *team,
								   const char *audience_type,
								   const char *request_kind);
extern void nurture_routing_right(const char *table);
extern void nurture_handoff_batch_begin(HandoffBatch *batch);
extern AuditEntry *nurture_handoff_entry(HandoffBatch *batch);
extern void nurture_handoff_batch_end(HandoffBatch *batch);
extern void nurture_handoff_write(KeptPlan *plan, Datum *values,
								  const char *nulls);
extern void nurture_handoff_require_seen(int64 lead_id, int64 handoff_id);
extern int64 nurture_handoff_offer(const RoutingRules *rules, Subject *subject,
								   const RoutingRoute *route,
								   const char *product,
								   const char *request_kind,
								   const RoutingTrigger *trigger,
								   HandoffBatch *batch);
extern void nurture_handoff_release(const RoutingRules *rules,
									Subject *subject, HandoffBatch *batch);
extern void nurture_task_add(int64 lead_id, int64 handoff_id,
							 const char *kind, const char *title,
							 const char *team, const char *member,
							 TimestampTz due, TimestampTz now);
extern void nurture_outbox_add(int64 lead_id, int64 handoff_id,
							   const char *state, const char *team,
							   const char *member);
extern int	nurture_handoff_assign(int max, bool wait);
extern int	nurture_handoff_expire(int max);
extern int	nurture_handoff_escalate(int max);
extern bool nurture_handoff_withdraw(int64 lead_id, int64 handoff_id,
									 const char *reason);

#endif							/* NURTURE_ROUTING_PRIVATE_H */
