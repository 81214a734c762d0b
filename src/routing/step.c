/*
 * step.c
 *	  What steps of tracks do in this room: hand a lead over, and give a team
 *	  something to do.
 *
 * Called by the tick with the lead's gate row locked, after the enrollment, as
 * the lock order wants.
 */
#include "base/compat.h"

#include "audit/audit.h"
#include "base/plans.h"
#include "catalog/pg_type.h"
#include "routing/routing.h"
#include "routing/routing_private.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

static KeptPlan insert_step_task =
KEPT_PLAN("INSERT INTO nurture.task (lead_id, task_kind, title, team, "
		  "due_at, created_at) VALUES ($1, 'step', $2, $3, $4, $5) "
		  "RETURNING task_id",
		  INT8OID, TEXTOID, TEXTOID, TIMESTAMPTZOID, TIMESTAMPTZOID);

static bool
route_holds(Subject *subject, const RoutingRoute *route)
{
	if (strcmp(subject->product, route->product) != 0)
	{
		subject->product = route->product;
		subject->standing_read = false;
	}
	return nurture_subject_eval(subject, route->condition) == NURTURE_TRUE;
}

/* Returns the route that a step names, or the first that takes the lead. */
static const RoutingRoute *
route_of_step(const RoutingRules *rules, Subject *subject, const char *code)
{
	const char *audience = nurture_subject_text(subject, SUBJECT_AUDIENCE_TYPE);

	for (int i = 0; i < rules->nroutes; i++)
	{
		const RoutingRoute *route = &rules->routes[i];

		if (code != NULL && strcmp(route->route, code) != 0)
			continue;
		if (!nurture_team_permitted(route->team, audience, NULL))
			continue;
		if (code != NULL || route_holds(subject, route))
			return route;
	}
	return NULL;
}

/* See routing.h. */
bool
nurture_routing_takes(Subject *subject, const char *route)
{
	return route_of_step(nurture_routing_rules(), subject, route) != NULL;
}

/* See routing.h. */
int64
nurture_routing_hand_over(Subject *subject, const char *route, const char *words)
{
	const RoutingRules *rules = nurture_routing_rules();
	RoutingTrigger trigger = {.reason = words,.by_track = true};
	const RoutingRoute *taken = route_of_step(rules, subject, route);
	HandoffBatch batch;
	int64		handoff_id;

	if (taken == NULL)
		return 0;
	nurture_handoff_batch_begin(&batch);
	MemoryContextSwitchTo(batch.context);
	handoff_id = nurture_handoff_offer(rules, subject, taken, taken->product, NULL,
									   &trigger, &batch);
	nurture_handoff_batch_end(&batch);
	return handoff_id;
}

/* See routing.h. */
int64
nurture_routing_step_task(const Subject *subject, const char *team,
						  const char *title, int64 due_within)
{
	const RoutingTeam *found = nurture_routing_team(nurture_routing_rules(), team);
	Datum		values[5];
	char		nulls[6] = "     ";
	bool		isnull;
	TimestampTz due;

	if (found == NULL ||
		!nurture_team_permitted(found, nurture_subject_text(subject, SUBJECT_AUDIENCE_TYPE), NULL))
		return 0;
	due = due_within == 0 ? DT_NOEND :
		nurture_calendar_due(found->calendar, subject->now, due_within);
	values[0] = Int64GetDatum(subject->lead_id);
	values[1] = CStringGetTextDatum(title);
	values[2] = CStringGetTextDatum(team);
	values[3] = TimestampTzGetDatum(due);
	nulls[3] = TIMESTAMP_IS_NOEND(due) ? 'n' : ' ';
	values[4] = TimestampTzGetDatum(subject->now);
	nurture_execute_latest(&insert_step_task, values, nulls, true);
	return DatumGetInt64(nurture_cell(0, 1, &isnull));
}

/* See routing.h. */
bool
nurture_routing_step_stage(const Subject *subject, const char *stage)
{
	return nurture_stage_move(subject->lead_id, subject->product,
							  nurture_subject_text(subject, SUBJECT_AUDIENCE_TYPE),
							  stage, "track", "track", DT_NOBEGIN);
}
