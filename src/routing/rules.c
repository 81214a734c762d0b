/*
 * rules.c
 *	  Routes, teams and kinds of requests, the graph of stages, and which
 *	  signals concern them, compiled and cached.
 */
#include "base/compat.h"

#include "base/errors.h"
#include "base/plans.h"
#include "base/rulecache.h"
#include "base/trigger.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "facts/vocabulary.h"
#include "routing/routing.h"
#include "routing/routing_private.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

NURTURE_FUNCTION(nurture_routing_check);

static KeptPlan read_teams =
KEPT_PLAN0("SELECT team, lane, calendar, never_audiences, never_requests"
		   " FROM nurture.team ORDER BY team");
static KeptPlan read_routes =
KEPT_PLAN0("SELECT v.route, v.version, r.product, v.priority, v.condition::text, v.hold_until::text, v.team, v.method,"
		   " (extract(epoch FROM v.sla_accept) * 1000000)::int8, (extract(epoch FROM v.sla_first_response) * 1000000)::int8,"
		   " (extract(epoch FROM v.offer_expires) * 1000000)::int8, v.cool_down, v.attempts_max::int4, v.required_fields,"
		   " (v.min_confidence * 10000)::int4, v.review_when::text, v.review_bucket"
		   " FROM nurture.route_version v JOIN nurture.route r USING (route)"
		   " WHERE v.status = 'published' ORDER BY v.priority, v.route");
static KeptPlan read_requests =
KEPT_PLAN0("SELECT k.request_kind, k.event_type, s.signal_id::int4"
		   " FROM nurture.request_kind k LEFT JOIN nurture.signal s ON s.event_type = k.event_type AND s.retired_at IS NULL"
		   " ORDER BY k.request_kind, s.signal_id");
static KeptPlan read_edges =
KEPT_PLAN0("SELECT audience_type, from_stage, to_stage, by, condition::text, after"
		   " FROM nurture.stage_transition ORDER BY audience_type, from_stage, to_stage, by");

/*
 * Scored signals that decide at once: those of which one occurrence is worth
 * something.  Page views and clicks, many and worth little, would cost every
 * one of them a decision; the tick decides for their leads (sweep.c).
 */
static KeptPlan read_scored =
KEPT_PLAN("SELECT DISTINCT s.signal_id::int4 FROM nurture.signal_rule r"
		  " JOIN nurture.model_version v USING (model, version) JOIN nurture.signal s USING (signal)"
		  " WHERE v.status = 'published' AND pg_catalog.abs(r.points) >= $1", INT4OID);
static KeptPlan read_conditions =
KEPT_PLAN0("SELECT 'pattern \"' || p.pattern || '\"', p.condition::text FROM nurture.pattern p"
		   " JOIN nurture.model_version v USING (model, version) WHERE v.status = 'published'"
		   " UNION ALL SELECT 'tier rule \"' || t.requirement || '\"', t.condition::text FROM nurture.tier_rule t"
		   " JOIN nurture.model_version v USING (model, version) WHERE v.status = 'published'"
 /* facts decide by themselves; labels, lists and consent are no facts */
		   " UNION ALL SELECT 'fit rule \"' || f.rule || '\"', f.condition::text FROM nurture.fit_rule f"
		   " JOIN nurture.model_version v USING (model, version) WHERE v.status = 'published'"
		   " AND f.condition::text ~ '\"(label|list|consent)\":'"
		   " UNION ALL SELECT 'route \"' || r.route || '\"', r.condition::text FROM nurture.route_version r"
		   " WHERE r.status = 'published' AND r.condition::text ~ '\"(label|list|consent|stage|tier|grade|score)\":'"
		   " UNION ALL SELECT 'route \"' || r.route || '\"', c.condition::text FROM nurture.route_version r"
		   " CROSS JOIN LATERAL (VALUES (r.hold_until), (r.review_when)) c (condition)"
		   " WHERE r.status = 'published' AND c.condition::text ~ '\"consent\":'");
static KeptPlan read_products =
KEPT_PLAN0("SELECT DISTINCT m.product FROM nurture.model m"
		   " JOIN nurture.model_version v USING (model) WHERE v.status <> 'draft' AND m.product <> '*'"
		   " ORDER BY m.product");

static void *load_routing(Snapshot snapshot);
static void *load_standing(Snapshot snapshot);

static RuleCache routing_cache = {
	"routes",
	{"route", "route_version", "team", "request_kind", "signal", "tag", "stage"},
	load_routing
};
static RuleCache standing_cache = {
	"stages",
	{"stage_transition", "model", "model_version", "signal_rule", "pattern",
	"tier_rule", "fit_rule", "route_version", "list", "signal", "tag", "stage"},
	load_standing
};

/* Returns the texts of a text[], NULL-terminated, in the current context. */
char	  **
nurture_text_items(Datum array)
{
	Datum	   *items;
	bool	   *nulls;
	int			n;
	int			kept = 0;
	char	  **result;

	deconstruct_array(DatumGetArrayTypeP(array), TEXTOID, -1, false,
					  TYPALIGN_INT, &items, &nulls, &n);
	result = palloc(sizeof(char *) * (n + 1));
	for (int i = 0; i < n; i++)
	{
		if (!nulls[i])
			result[kept++] = TextDatumGetCString(items[i]);
	}
	result[kept] = NULL;
	return result;
}

static char **
cell_texts(uint64 row, int column)
{
	bool		isnull;
	Datum		array = nurture_cell(row, column, &isnull);

	return nurture_text_items(array);
}

static int64
cell_bigint(uint64 row, int column)
{
	bool		isnull;
	Datum		value = nurture_cell(row, column, &isnull);

	return isnull ? 0 : DatumGetInt64(value);
}

static int32
cell_int(uint64 row, int column)
{
	bool		isnull;
	Datum		value = nurture_cell(row, column, &isnull);

	return isnull ? 0 : DatumGetInt32(value);
}

static Interval
cell_interval(uint64 row, int column)
{
	bool		isnull;

	return *DatumGetIntervalP(nurture_cell(row, column, &isnull));
}

/* What the terms of a condition name. */
typedef struct Named
{
	Bitmapset **signals;
	List	   *tags;			/* integers */
	bool		standing;
	bool		marks;			/* labels or lists */
	bool		consent;
} Named;

static void
note_term(void *arg, const CondTerm *term)
{
	Named	   *named = arg;

	switch (term->kind)
	{
		case COND_TERM_SIGNAL:
			*named->signals = bms_add_member(*named->signals, term->subject.id);
			break;
		case COND_TERM_TAG:
			named->tags = lappend_int(named->tags, term->subject.id);
			break;
		case COND_TERM_STAGE:
		case COND_TERM_TIER:
		case COND_TERM_GRADE:
		case COND_TERM_SCORE:
			named->standing = true;
			break;
		case COND_TERM_LABEL:
		case COND_TERM_LIST:
			named->marks = true;
			break;
		case COND_TERM_CONSENT:
			named->consent = true;
			break;
		default:
			break;
	}
}

static Named
names_of(const Condition *condition, Bitmapset **signals)
{
	Named		named = {signals, NIL, false, false, false};

	nurture_cond_visit_terms(condition, note_term, &named);
	return named;
}

static const RoutingTeam *
find_team(const RoutingRules *rules, const char *team)
{
	for (int i = 0; i < rules->nteams; i++)
	{
		if (strcmp(rules->teams[i].team, team) == 0)
			return &rules->teams[i];
	}
	return NULL;
}

static void
load_teams(RoutingRules *rules, Snapshot snapshot)
{
	nurture_execute_snapshot(&read_teams, NULL, NULL, snapshot);
	rules->nteams = (int) SPI_processed;
	rules->teams = palloc0(sizeof(RoutingTeam) * Max(rules->nteams, 1));
	for (int i = 0; i < rules->nteams; i++)
	{
		RoutingTeam *team = &rules->teams[i];

		team->team = nurture_cell_text(i, 1);
		team->lane = nurture_cell_text(i, 2);
		team->calendar = nurture_cell_text(i, 3);
		team->never_audiences = (const char **) cell_texts(i, 4);
		team->never_requests = (const char **) cell_texts(i, 5);
	}
}

static void
load_route(const RoutingRules *rules, RoutingRoute *route, uint64 row)
{
	route->route = nurture_cell_text(row, 1);
	route->version = cell_int(row, 2);
	route->product = nurture_cell_text(row, 3);
	route->priority = cell_int(row, 4);
	route->team = find_team(rules, nurture_cell_text(row, 7));
	route->method = nurture_cell_text(row, 8);
	route->sla_accept = cell_bigint(row, 9);
	route->sla_first_response = cell_bigint(row, 10);
	route->offer_expires = cell_bigint(row, 11);
	route->cool_down = cell_interval(row, 12);
	route->attempts_max = cell_int(row, 13);
	route->required_fields = (const char **) cell_texts(row, 14);
	/* as text until compile_route */
	route->condition = (const Condition *) nurture_cell_text(row, 5);
	route->hold_until = (const Condition *) nurture_cell_text(row, 6);
	route->min_confidence = cell_int(row, 15);
	route->review_when = (const Condition *) nurture_cell_text(row, 16);
	route->review_bucket = nurture_cell_text(row, 17);
}

/*
 * Returns the condition that a required field is known; addresses are asked
 * for by what is known about them.
 */
const Condition *
nurture_required_condition(const char *field, const char *owner)
{
	if (strcmp(field, "email") == 0 || strcmp(field, "phone") == 0)
		return nurture_condition_compile_fact(psprintf("%s_known", field), "=",
											  "true", owner);
	return nurture_condition_compile_fact(field, "known", NULL, owner);
}

/* Compiles what load_route read as text: compiling runs queries of its own. */
static void
compile_route(RoutingRules *rules, RoutingRoute *route)
{
	const char *owner = psprintf("route \"%s\"", route->route);
	Named		named;
	int			i = 0;
	ListCell   *cell;

	route->condition = nurture_condition_compile((const char *) route->condition, owner);
	named = names_of(route->condition, &route->signals);
	route->names_standing = named.standing;
	route->names_tags = named.tags != NIL;
	route->ntags = list_length(named.tags);
	route->tags = palloc(sizeof(int) * Max(route->ntags, 1));
	foreach(cell, named.tags)
		route->tags[i++] = lfirst_int(cell);
	for (i = 0; route->required_fields[i] != NULL; i++)
		;
	route->required = palloc(sizeof(Condition *) * (i + 1));
	for (i = 0; route->required_fields[i] != NULL; i++)
		route->required[i] = nurture_required_condition(route->required_fields[i], owner);
	rules->signals = bms_add_members(rules->signals, route->signals);
	rules->names_standing |= route->names_standing;
	rules->names_tags |= route->names_tags;
	if (route->hold_until != NULL)
	{
		route->hold_until = nurture_condition_compile((const char *) route->hold_until,
													  psprintf("hold of %s", owner));
		named = names_of(route->hold_until, &rules->signals);
		rules->names_standing |= named.standing;
		rules->names_tags |= named.tags != NIL;
	}
	if (route->review_when != NULL)
		route->review_when = nurture_condition_compile((const char *) route->review_when,
													   psprintf("review of %s", owner));
}

static void *
load_routing(Snapshot snapshot)
{
	RoutingRules *rules = palloc0(sizeof(RoutingRules));

	load_teams(rules, snapshot);

	nurture_execute_snapshot(&read_routes, NULL, NULL, snapshot);
	rules->nroutes = (int) SPI_processed;
	rules->routes = palloc0(sizeof(RoutingRoute) * Max(rules->nroutes, 1));
	for (int i = 0; i < rules->nroutes; i++)
		load_route(rules, &rules->routes[i], i);
	for (int i = 0; i < rules->nroutes; i++)
		compile_route(rules, &rules->routes[i]);

	nurture_execute_snapshot(&read_requests, NULL, NULL, snapshot);
	rules->requests = palloc0(sizeof(RoutingRequest) * Max(SPI_processed, 1));
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		bool		isnull;
		Datum		signal = nurture_cell(row, 3, &isnull);
		char	   *kind = nurture_cell_text(row, 1);

		if (!isnull)
			rules->signals = bms_add_member(rules->signals, DatumGetInt32(signal));
		if (rules->nrequests > 0 &&
			strcmp(rules->requests[rules->nrequests - 1].kind, kind) == 0)
			continue;
		rules->requests[rules->nrequests].kind = kind;
		rules->requests[rules->nrequests++].event_type = nurture_cell_text(row, 2);
	}
	return rules;
}

static void *
load_standing(Snapshot snapshot)
{
	StandingRules *rules = palloc0(sizeof(StandingRules));
	int			n;
	char	  **owners;
	char	  **conditions;
	Datum		least;

	least = Int32GetDatum(NURTURE_DECIDING_POINTS);
	nurture_execute_snapshot(&read_scored, &least, NULL, snapshot);
	for (uint64 row = 0; row < SPI_processed; row++)
		rules->signals = bms_add_member(rules->signals, cell_int(row, 1));

	nurture_execute_snapshot(&read_products, NULL, NULL, snapshot);
	rules->nproducts = (int) SPI_processed;
	rules->products = palloc(sizeof(char *) * Max(rules->nproducts, 1));
	for (int i = 0; i < rules->nproducts; i++)
		rules->products[i] = nurture_cell_text(i, 1);

	nurture_execute_snapshot(&read_edges, NULL, NULL, snapshot);
	rules->nedges = (int) SPI_processed;
	rules->edges = palloc0(sizeof(StageEdge) * Max(rules->nedges, 1));
	for (int i = 0; i < rules->nedges; i++)
	{
		StageEdge  *edge = &rules->edges[i];

		edge->audience_type = nurture_cell_text(i, 1);
		edge->from_stage = nurture_cell_text(i, 2);
		edge->to_stage = nurture_cell_text(i, 3);
		edge->by = nurture_cell_text(i, 4);
		edge->condition = (const Condition *) nurture_cell_text(i, 5);
		edge->after = cell_interval(i, 6);
	}

	nurture_execute_snapshot(&read_conditions, NULL, NULL, snapshot);
	n = (int) SPI_processed;
	owners = palloc(sizeof(char *) * Max(n, 1));
	conditions = palloc(sizeof(char *) * Max(n, 1));
	for (int i = 0; i < n; i++)
	{
		owners[i] = nurture_cell_text(i, 1);
		conditions[i] = nurture_cell_text(i, 2);
	}

	/* compiling runs queries of its own: only now */
	for (int i = 0; i < n; i++)
	{
		Named		named = names_of(nurture_condition_compile(conditions[i], owners[i]),
									 &rules->signals);

		rules->names_tags |= named.tags != NIL;
		rules->names_marks |= named.marks;
		rules->names_consent |= named.consent;
	}
	for (int i = 0; i < rules->nedges; i++)
	{
		StageEdge  *edge = &rules->edges[i];
		Named		named;

		if (edge->condition == NULL)
			continue;
		edge->condition = nurture_condition_compile((const char *) edge->condition,
													psprintf("stage transition \"%s\" to \"%s\"",
															 edge->from_stage, edge->to_stage));
		named = names_of(edge->condition, &rules->signals);
		rules->names_tags |= named.tags != NIL;
		rules->names_marks |= named.marks;
		rules->names_consent |= named.consent;
	}
	return rules;
}

/* Makes the caches known; once per backend. */
void
nurture_routing_rules_init(void)
{
	nurture_rulecache_register(&routing_cache);
	nurture_rulecache_register(&standing_cache);
}

/* Returns routes, teams and kinds of requests. */
const RoutingRules *
nurture_routing_rules(void)
{
	return nurture_rulecache_get(&routing_cache);
}

/* Returns the graph of stages. */
const StandingRules *
nurture_standing_rules(void)
{
	return nurture_rulecache_get(&standing_cache);
}

/* Returns a team, or raises NU003. */
const RoutingTeam *
nurture_routing_team(const RoutingRules *rules, const char *team)
{
	const RoutingTeam *found = find_team(rules, team);

	if (found == NULL)
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_UNKNOWN_CODE),
				 errmsg("unknown team \"%s\"", team),
				 errhint("Teams are rows of nurture.team.")));
	return found;
}

/* Returns the published version of a route, NULL when there is none. */
const RoutingRoute *
nurture_routing_find(const RoutingRules *rules, const char *route)
{
	for (int i = 0; i < rules->nroutes; i++)
	{
		if (strcmp(rules->routes[i].route, route) == 0)
			return &rules->routes[i];
	}
	return NULL;
}

/* Returns the kind of request an event opens, NULL when it opens none. */
const char *
nurture_routing_request(const RoutingRules *rules, const char *event_type)
{
	for (int i = 0; i < rules->nrequests; i++)
	{
		if (strcmp(rules->requests[i].event_type, event_type) == 0)
			return rules->requests[i].kind;
	}
	return NULL;
}

/*
 * Returns the row of the graph that lets a lead go from one stage to another;
 * one of the audience's own goes before one for all.  NULL when there is none.
 */
const StageEdge *
nurture_stage_edge(const StandingRules *rules, const char *audience_type,
				   const char *from_stage, const char *to_stage,
				   const char *by)
{
	const StageEdge *general = NULL;

	for (int i = 0; i < rules->nedges; i++)
	{
		const StageEdge *edge = &rules->edges[i];

		if (strcmp(edge->by, by) != 0 ||
			strcmp(edge->from_stage, from_stage) != 0 ||
			strcmp(edge->to_stage, to_stage) != 0)
			continue;
		if (strcmp(edge->audience_type, audience_type) == 0)
			return edge;
		if (strcmp(edge->audience_type, "*") == 0)
			general = edge;
	}
	return general;
}

static void
check_condition(HeapTuple row, TupleDesc desc, const char *column,
				const char *owner)
{
	char	   *condition = SPI_getvalue(row, desc, SPI_fnumber(desc, column));

	if (condition != NULL)
		nurture_condition_accept(condition, owner);
}

/*
 * Trigger on nurture.route_version and nurture.stage_transition: a condition
 * that cannot be understood is refused when it is written, not when an event
 * comes.
 */
Datum
nurture_routing_check(PG_FUNCTION_ARGS)
{
	TriggerData *data = nurture_trigger_data(fcinfo, "nurture_routing_check");
	TupleDesc	desc = RelationGetDescr(data->tg_relation);
	HeapTuple	row = TRIGGER_FIRED_BY_UPDATE(data->tg_event) ?
	data->tg_newtuple : data->tg_trigtuple;
	Datum		fields;
	bool		isnull;

	if (!nurture_deriving())
		return PointerGetDatum(row);
	if (SPI_fnumber(desc, "route") > 0)
	{
		const char *owner = psprintf("route \"%s\"", SPI_getvalue(row, desc, 1));

		check_condition(row, desc, "condition", owner);
		check_condition(row, desc, "hold_until", psprintf("hold of %s", owner));
		check_condition(row, desc, "review_when", psprintf("review of %s", owner));
		fields = SPI_getbinval(row, desc, SPI_fnumber(desc, "required_fields"), &isnull);
		for (char **field = isnull ? NULL : nurture_text_items(fields); field && *field; field++)
			(void) nurture_required_condition(*field, owner);
	}
	else
		check_condition(row, desc, "condition",
						psprintf("stage transition \"%s\" to \"%s\"",
								 SPI_getvalue(row, desc, SPI_fnumber(desc, "from_stage")),
								 SPI_getvalue(row, desc, SPI_fnumber(desc, "to_stage"))));
	return PointerGetDatum(row);
}
