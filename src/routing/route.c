/*
 * route.c
 *	  Which route takes a lead, in the statement of the event that called for
 *	  it.
 *
 * A route is asked when a signal or tag it names occurred, or when the lead
 * reached a standing and the route names standing.  A route that names none of
 * these is asked for requests nobody else takes.  The first whose condition
 * holds and whose team may have the lead takes it.
 */
#include "base/compat.h"

#include "audit/audit.h"
#include "base/author.h"
#include "base/clock.h"
#include "base/errors.h"
#include "base/owner.h"
#include "base/plans.h"
#include "catalog/pg_type.h"
#include "facts/reaction.h"
#include "facts/vocabulary.h"
#include "miscadmin.h"
#include "routing/routing.h"
#include "routing/routing_private.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

NURTURE_FUNCTION(nurture_route);

#define AUDIENCE_CHANGED "audience_changed"

/* what a person ruled about handing a lead over since it reached its standing */
static KeptPlan find_ruling = KEPT_PLAN("SELECT r.state, r.ruling FROM nurture.review r WHERE r.lead_id = $1 AND r.bucket = $2 AND r.scope = $3"
										" AND (r.state = 'open' OR r.opened_at >= coalesce((SELECT s.since FROM nurture.lead_stage s"
										" WHERE s.lead_id = $1 AND s.product = $4), '-infinity'))"
										" ORDER BY r.state = 'open' DESC, r.review_id DESC LIMIT 1",
										INT8OID, TEXTOID, TEXTOID, TEXTOID);
static KeptPlan open_review = KEPT_PLAN("INSERT INTO nurture.review (lead_id, bucket, scope, evidence, opened_at)"
										" VALUES ($1, $2, $3, pg_catalog.jsonb_build_object('route', $4, 'version', $5, 'confidence', $6 / 10000.0,"
										" 'unknown', $7), $8) ON CONFLICT DO NOTHING",
										INT8OID, TEXTOID, TEXTOID, TEXTOID, INT4OID, INT4OID, TEXTARRAYOID, TIMESTAMPTZOID);
static KeptPlan find_unfit = KEPT_PLAN("SELECT h.handoff_id, h.team, h.lane FROM nurture.handoff h WHERE h.lead_id = $1 AND h.is_open ORDER BY h.handoff_id",
									   INT8OID);
static KeptPlan free_requests = KEPT_PLAN("WITH freed AS (UPDATE nurture.request SET handoff_id = NULL WHERE lead_id = $1 AND handoff_id = $2 AND state = 'open'"
										  " RETURNING request_no, request_kind), ended AS (UPDATE nurture.task t SET state = 'cancelled', done_at = $3"
										  " FROM freed f WHERE t.lead_id = $1 AND t.request_no = f.request_no AND t.state = 'open')"
										  " SELECT request_kind FROM freed ORDER BY request_no", INT8OID, INT8OID, TIMESTAMPTZOID);

static KeptPlan open_request = KEPT_PLAN("INSERT INTO nurture.request (lead_id, request_kind, event_id, asset_id, opened_at)"
										 " SELECT $1, $2, $3, $4, $5 WHERE NOT EXISTS (SELECT FROM nurture.request r"
										 " WHERE r.lead_id = $1 AND r.request_kind = $2 AND r.state = 'open') RETURNING request_no",
										 INT8OID, TEXTOID, INT8OID, TEXTOID, TIMESTAMPTZOID);
static KeptPlan standing_done = KEPT_PLAN("SELECT EXISTS (SELECT FROM nurture.handoff h WHERE h.lead_id = $1 AND h.product = $2"
										  " AND h.lane = $3 AND h.cool_down_until > $4) OR"
										  " EXISTS (SELECT FROM nurture.handoff_cause c JOIN nurture.handoff h USING (lead_id, handoff_id)"
										  " WHERE h.reason IS DISTINCT FROM '" AUDIENCE_CHANGED "' AND c.lead_id = $1 AND h.product = $2 AND h.lane = $3 AND c.at >="
										  " coalesce((SELECT s.since FROM nurture.lead_stage s WHERE s.lead_id = $1 AND s.product = $2), '-infinity'))",
										  INT8OID, TEXTOID, TEXTOID, TIMESTAMPTZOID);

static bool
listed(const char *const *items, const char *text)
{
	for (; text !=NULL && *items != NULL; items++)
	{
		if (strcmp(*items, text) == 0)
			return true;
	}
	return false;
}

/*
 * Tells whether a team may have this lead at all, whatever a route says:
 * patients never reach sales, and neither does a medical question.
 */
bool
nurture_team_permitted(const RoutingTeam *team, const char *audience_type,
					   const char *request_kind)
{
	return !listed(team->never_audiences, audience_type ? audience_type : "unknown") &&
		!listed(team->never_requests, request_kind);
}

/* Tells whether an event calls for a route. */
static bool
called_by(const RoutingRoute *route, const SubjectEvent *event)
{
	for (int i = 0; i < event->nsignals; i++)
	{
		if (bms_is_member(event->signals[i], route->signals))
			return true;
	}
	if (event->tags != NULL && route->ntags > 0)
	{
		Datum	   *items;
		bool	   *nulls;
		int			n;

		deconstruct_array(event->tags, TEXTOID, -1, false, TYPALIGN_INT,
						  &items, &nulls, &n);
		for (int i = 0; i < n; i++)
		{
			text	   *tag = nulls[i] ? NULL : DatumGetTextPP(items[i]);
			int			id = tag ? nurture_tag_id(VARDATA_ANY(tag), VARSIZE_ANY_EXHDR(tag)) : -1;

			for (int j = 0; id > 0 && j < route->ntags; j++)
			{
				if (nurture_tag_under(id, route->tags[j]))
					return true;
			}
		}
	}
	return false;
}

static bool
names_nothing(const RoutingRoute *route)
{
	return route->signals == NULL && !route->names_tags && !route->names_standing;
}

/* Asks a route about a lead, for the route's product. */
static bool
holds(Subject *subject, const RoutingRoute *route)
{
	if (strcmp(subject->product, route->product) != 0)
	{
		subject->product = route->product;
		subject->standing_read = false;
	}
	return nurture_subject_eval(subject, route->condition) == NURTURE_TRUE;
}

/* Finds the route that an event calls for; NULL when there is none. */
static const RoutingRoute *
route_of_event(const RoutingRules *rules, Subject *subject,
			   const SubjectEvent *event, const char *request_kind)
{
	const char *audience = nurture_subject_text(subject, SUBJECT_AUDIENCE_TYPE);

	for (int i = 0; i < rules->nroutes; i++)
	{
		const RoutingRoute *route = &rules->routes[i];

		if (!called_by(route, event) &&
			!(request_kind != NULL && names_nothing(route)))
			continue;
		if (nurture_team_permitted(route->team, audience, request_kind) &&
			holds(subject, route))
			return route;
	}
	return NULL;
}

/*
 * Tells whether a team of the lane has heard of the lead since it reached its
 * standing, or the lead is cooling down.
 */
static bool
standing_was_routed(Subject *subject, const RoutingRoute *route)
{
	MemoryContext context = CurrentMemoryContext;
	Datum		values[4];
	bool		isnull;

	values[0] = Int64GetDatum(subject->lead_id);
	values[1] = CStringGetTextDatum(route->product);
	values[2] = CStringGetTextDatum(route->team->lane);
	values[3] = TimestampTzGetDatum(subject->now);
	nurture_execute_latest(&standing_done, values, NULL, false);
	MemoryContextSwitchTo(context);
	return DatumGetBool(nurture_cell(0, 1, &isnull));
}

/*
 * Tells whether a person has to look at a lead before a route takes it by
 * standing: too little is known, or the route's condition for a review holds.
 * Opens the review, unless it was ruled about since.
 */
static bool
wants_review(Subject *subject, const RoutingRoute *route)
{
	MemoryContext context = CurrentMemoryContext;
	Qualification standing;
	Datum		values[8];
	char	   *state;
	char	   *ruling;

	if (route->min_confidence == 0 && route->review_when == NULL)
		return false;
	nurture_subject_stage(subject, route->product);
	nurture_qualification(subject, route->product, &standing);
	if (!(standing.model != NULL && standing.confidence < route->min_confidence) &&
		!(route->review_when != NULL &&
		  nurture_subject_eval(subject, route->review_when) == NURTURE_TRUE))
		return false;
	values[0] = Int64GetDatum(subject->lead_id);
	values[1] = CStringGetTextDatum(route->review_bucket);
	values[2] = CStringGetTextDatum(psprintf("route:%s", route->route));
	values[3] = CStringGetTextDatum(route->product);
	nurture_execute_latest(&find_ruling, values, NULL, false);
	MemoryContextSwitchTo(context);
	if (SPI_processed > 0)
	{
		state = nurture_cell_text(0, 1);
		ruling = nurture_cell_text(0, 2);
		return strcmp(state, "open") == 0 || ruling == NULL ||
			(strcmp(ruling, "done") != 0 && strcmp(ruling, "allow") != 0);
	}
	values[3] = CStringGetTextDatum(route->route);
	values[4] = Int32GetDatum(route->version);
	values[5] = Int32GetDatum(standing.confidence);
	values[6] = nurture_text_array(standing.unknown);
	values[7] = TimestampTzGetDatum(subject->now);
	nurture_execute_latest(&open_review, values, NULL, true);
	MemoryContextSwitchTo(context);
	return true;
}

/* Finds the route of a lane for a request that lost its team. */
static const RoutingRoute *
route_of_request(const RoutingRules *rules, Subject *subject,
				 const char *lane, const char *kind)
{
	const char *audience = nurture_subject_text(subject, SUBJECT_AUDIENCE_TYPE);

	for (int i = 0; i < rules->nroutes; i++)
	{
		const RoutingRoute *route = &rules->routes[i];

		if ((route->signals != NULL || names_nothing(route)) &&
			strcmp(route->team->lane, lane) == 0 &&
			nurture_team_permitted(route->team, audience, kind) &&
			holds(subject, route))
			return route;
	}
	return NULL;
}

/*
 * Takes open hand-offs back from teams that may not have the lead any more,
 * because its audience is another one now, and routes their requests again.
 */
static void
withdraw_unfit(const RoutingRules *rules, Subject *subject,
			   HandoffBatch *batch)
{
	const char *audience = nurture_subject_text(subject, SUBJECT_AUDIENCE_TYPE);
	Datum		values[3];
	int			n;
	int64	   *ids;
	char	  **teams;
	char	  **lanes;
	bool		isnull;

	values[0] = Int64GetDatum(subject->lead_id);
	nurture_execute_latest(&find_unfit, values, NULL, false);
	MemoryContextSwitchTo(batch->context);
	n = (int) SPI_processed;
	ids = palloc(sizeof(int64) * Max(n, 1));
	teams = palloc(sizeof(char *) * Max(n, 1));
	lanes = palloc(sizeof(char *) * Max(n, 1));
	for (int i = 0; i < n; i++)
	{
		ids[i] = DatumGetInt64(nurture_cell(i, 1, &isnull));
		teams[i] = nurture_cell_text(i, 2);
		lanes[i] = nurture_cell_text(i, 3);
	}
	for (int i = 0; i < n; i++)
	{
		RoutingTrigger trigger = {NULL, AUDIENCE_CHANGED, NULL};
		char	  **kinds;
		int			nkinds;

		if (nurture_team_permitted(nurture_routing_team(rules, teams[i]), audience, NULL) ||
			!nurture_handoff_withdraw(subject->lead_id, ids[i], AUDIENCE_CHANGED))
			continue;
		values[1] = Int64GetDatum(ids[i]);
		values[2] = TimestampTzGetDatum(subject->now);
		nurture_execute_latest(&free_requests, values, NULL, true);
		MemoryContextSwitchTo(batch->context);
		nkinds = (int) SPI_processed;
		kinds = palloc(sizeof(char *) * Max(nkinds, 1));
		for (int k = 0; k < nkinds; k++)
			kinds[k] = nurture_cell_text(k, 1);
		for (int k = 0; k < nkinds; k++)
		{
			const RoutingRoute *route = route_of_request(rules, subject, lanes[i], kinds[k]);

			if (route != NULL)
				(void) nurture_handoff_offer(rules, subject, route, route->product, kinds[k],
											 &trigger, batch);
		}
	}
}

/* Routes a lead by the standing it has reached. */
static void
route_by_standing(const RoutingRules *rules, Subject *subject,
				  HandoffBatch *batch)
{
	const char *audience = nurture_subject_text(subject, SUBJECT_AUDIENCE_TYPE);
	RoutingTrigger trigger = {subject->event, NULL, NULL};

	for (int i = 0; i < rules->nroutes; i++)
	{
		const RoutingRoute *route = &rules->routes[i];

		if (!route->names_standing ||
			!nurture_team_permitted(route->team, audience, NULL) ||
			!holds(subject, route))
			continue;
		/* what a team may not have it does not learn by the way */
		if (trigger.event != NULL &&
			!nurture_team_permitted(route->team, audience,
									nurture_routing_request(rules, trigger.event->event_type)))
			trigger.event = NULL;
		if (!standing_was_routed(subject, route) && !wants_review(subject, route))
			(void) nurture_handoff_offer(rules, subject, route, route->product, NULL,
										 &trigger, batch);
		return;
	}
}

/* Opens the request that an event makes; returns its kind, NULL when none. */
static const char *
request_of_event(const RoutingRules *rules, const Subject *subject,
				 const SubjectEvent *event, HandoffBatch *batch)
{
	const char *kind = nurture_routing_request(rules, event->event_type);
	Datum		values[5];
	char		nulls[6] = "     ";

	if (kind == NULL)
		return NULL;
	values[0] = Int64GetDatum(subject->lead_id);
	values[1] = CStringGetTextDatum(kind);
	values[2] = Int64GetDatum(event->event_id);
	values[3] = event->asset_id ? CStringGetTextDatum(event->asset_id) : (Datum) 0;
	if (event->asset_id == NULL)
		nulls[3] = 'n';
	values[4] = TimestampTzGetDatum(event->occurred_at);
	nurture_execute_latest(&open_request, values, nulls, true);
	if (SPI_processed > 0)
	{
		AuditEntry *entry = nurture_handoff_entry(batch);

		entry->has_lead = true;
		entry->lead_id = subject->lead_id;
		entry->kind = "request";
		entry->object = psprintf("request:%s", nurture_cell_text(0, 1));
		entry->outcome = "open";
		entry->trigger_json = psprintf("{\"event_id\": " INT64_FORMAT ", \"event_type\": \"%s\"}",
									   event->event_id, event->event_type);
		entry->inputs = kind;
	}
	return kind;
}

/* Routes one lead by its events, ascending, then by its standing. */
static void
route_lead(const RoutingRules *rules, int64 lead_id,
		   const SubjectEvent *const *events, int nevents,
		   HandoffBatch *batch)
{
	Subject    *subject = nurture_subject_load(lead_id, nurture_now_wall(), true);
	OwnerSwitch save;
	int			level;

	if (subject == NULL || !TIMESTAMP_IS_NOBEGIN(subject->erased_at))
		return;
	nurture_owner_enter(&save);
	level = nurture_spi_connect();
	MemoryContextSwitchTo(batch->context);
	if (nevents == 0)
		withdraw_unfit(rules, subject, batch);
	for (int i = 0; i < nevents; i++)
	{
		RoutingTrigger trigger = {events[i], NULL, NULL};
		const RoutingRoute *route;
		const char *kind;

		subject->event = events[i];
		kind = request_of_event(rules, subject, events[i], batch);
		route = route_of_event(rules, subject, events[i], kind);
		if (route != NULL)
			(void) nurture_handoff_offer(rules, subject, route, route->product, kind,
										 &trigger, batch);
	}
	if (rules->names_standing)
		route_by_standing(rules, subject, batch);
	nurture_handoff_release(rules, subject, batch);
	nurture_spi_finish(level);
	nurture_owner_leave(&save);
	MemoryContextSwitchTo(batch->context);
}

static bool
route_wants(int signal_id)
{
	const RoutingRules *rules = nurture_routing_rules();

	if (signal_id == 0 ? rules->names_tags : bms_is_member(signal_id, rules->signals))
		return true;
	if (!rules->names_standing)
		return false;
	if (signal_id == 0)
		return nurture_standing_rules()->names_tags;
	return bms_is_member(signal_id, nurture_standing_rules()->signals);
}

static void
route_react(const SubjectEvent *const *events, int nevents)
{
	const RoutingRules *rules = nurture_routing_rules();
	HandoffBatch batch;
	int			first = 0;

	nurture_handoff_batch_begin(&batch);
	while (first < nevents)
	{
		int			next = first + 1;

		CHECK_FOR_INTERRUPTS();
		while (next < nevents && events[next]->lead_id == events[first]->lead_id)
			next++;
		route_lead(rules, events[first]->lead_id, &events[first], next - first, &batch);
		first = next;
	}
	nurture_handoff_batch_end(&batch);
}

static Reactor route_reactor = {
	"routing", REACT_ROUTING, false, route_wants, route_react
};

/* Registers the reactor; once per backend. */
void
nurture_route_init(void)
{
	nurture_reactor_register(&route_reactor);
}

/* Routes leads by their standing, ascending by lead. */
void
nurture_route_standing(const int64 *leads, int n)
{
	const RoutingRules *rules = nurture_routing_rules();
	HandoffBatch batch;

	nurture_handoff_batch_begin(&batch);
	for (int i = 0; i < n; i++)
		route_lead(rules, leads[i], NULL, 0, &batch);
	nurture_handoff_batch_end(&batch);
}

/*
 * nurture_route(lead_id bigint, product text, reason text, actor text)
 * returns bigint: the hand-off that now has the lead, NULL when no route
 * applies.
 */
Datum
nurture_route(PG_FUNCTION_ARGS)
{
	RoutingTrigger trigger = {0};
	const RoutingRules *rules;
	const RoutingRoute *taken = NULL;
	HandoffBatch batch;
	Subject    *subject;
	OwnerSwitch save;
	int64		handoff_id = 0;
	char	   *product;
	const char *audience;
	int			level;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("lead_id and product of nurture_route cannot be null")));
	product = text_to_cstring(PG_GETARG_TEXT_PP(1));
	trigger.reason = PG_ARGISNULL(2) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(2));
	trigger.actor = nurture_actor(PG_ARGISNULL(3) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(3)));

	/* once with the caller's rights, so that they decide */
	subject = nurture_subject_load(PG_GETARG_INT64(0), nurture_now_wall(), false);
	if (subject != NULL)
		subject = nurture_subject_load(subject->lead_id, nurture_now_wall(), true);
	if (subject == NULL || !TIMESTAMP_IS_NOBEGIN(subject->erased_at))
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_UNKNOWN_LEAD),
				 errmsg("there is no lead %lld", (long long) PG_GETARG_INT64(0)),
				 errhint("Or you may not see it; nurture.lead lists those you may.")));
	nurture_routing_right("handoff");
	rules = nurture_routing_rules();
	nurture_handoff_batch_begin(&batch);
	nurture_owner_enter(&save);
	level = nurture_spi_connect();
	MemoryContextSwitchTo(batch.context);
	audience = nurture_subject_text(subject, SUBJECT_AUDIENCE_TYPE);
	for (int i = 0; i < rules->nroutes && taken == NULL; i++)
	{
		const RoutingRoute *route = &rules->routes[i];

		if (strcmp(route->product, "*") != 0 && strcmp(route->product, product) != 0)
			continue;
		if (nurture_team_permitted(route->team, audience, NULL) && holds(subject, route))
			taken = route;
	}
	if (taken != NULL)
		handoff_id = nurture_handoff_offer(rules, subject, taken, product, NULL,
										   &trigger, &batch);
	nurture_spi_finish(level);
	nurture_owner_leave(&save);
	nurture_handoff_batch_end(&batch);
	if (taken == NULL)
		PG_RETURN_NULL();
	PG_RETURN_INT64(handoff_id);
}
