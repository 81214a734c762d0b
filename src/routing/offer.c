/*
 * offer.c
 *	  Hand-offs made, joined and released.
 *
 * One is open per lead, product and lane: a further trigger joins it with an
 * addendum and the stricter clock.  The unique index settles who makes it when
 * two sessions try.
 */
#include "base/compat.h"

#include "access/xact.h"
#include "audit/audit.h"
#include "base/clock.h"
#include "base/plans.h"
#include "base/settings.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "routing/routing.h"
#include "routing/routing_private.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#define OPEN_STATES "('pending', 'offered', 'accepted', 'working', 'met')"

static KeptPlan find_open =
KEPT_PLAN("SELECT handoff_id, state, team, member FROM nurture.handoff"
		  " WHERE lead_id = $1 AND product = $2 AND lane = $3 AND state IN " OPEN_STATES " FOR UPDATE",
		  INT8OID, TEXTOID, TEXTOID);
static KeptPlan insert_handoff =
KEPT_PLAN("INSERT INTO nurture.handoff (lead_id, product, lane, route, version, team, member, state, method, priority,"
		  " created_at, offered_at, accept_due, first_response_due, expires_at, package, tier, grade, total, confidence)"
		  " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17::int2, $18, $19 / 100.0, $20 / 10000.0)"
		  " ON CONFLICT (lead_id, product, lane) WHERE state IN " OPEN_STATES " DO NOTHING"
		  " RETURNING handoff_id, pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(package::text, 'UTF8')), 'hex')",
		  INT8OID, TEXTOID, TEXTOID, TEXTOID, INT4OID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, INT4OID,
		  TIMESTAMPTZOID, TIMESTAMPTZOID, TIMESTAMPTZOID, TIMESTAMPTZOID, TIMESTAMPTZOID, JSONBOID,
		  INT4OID, TEXTOID, INT8OID, INT4OID);
static KeptPlan see_handoff =
KEPT_PLAN("SELECT 1 FROM nurture.handoff WHERE lead_id = $1 AND handoff_id = $2", INT8OID, INT8OID);
static KeptPlan tighten =
KEPT_PLAN("UPDATE nurture.handoff SET priority = least(priority, $3),"
		  " accept_due = CASE WHEN state = 'offered' THEN least(accept_due, $4) ELSE accept_due END,"
		  " first_response_due = CASE WHEN state IN ('offered', 'accepted') THEN least(first_response_due, $5) ELSE first_response_due END"
		  " WHERE lead_id = $1 AND handoff_id = $2",
		  INT8OID, INT8OID, INT4OID, TIMESTAMPTZOID, TIMESTAMPTZOID);
static KeptPlan tighten_tasks =
KEPT_PLAN("UPDATE nurture.task t SET due_at = CASE t.task_kind WHEN 'accept' THEN h.accept_due ELSE h.first_response_due END"
		  " FROM nurture.handoff h WHERE h.lead_id = $1 AND h.handoff_id = $2 AND t.lead_id = $1 AND t.handoff_id = $2"
		  " AND t.state = 'open' AND t.task_kind IN ('accept', 'contact')",
		  INT8OID, INT8OID);
static KeptPlan release =
KEPT_PLAN("UPDATE nurture.handoff SET state = 'offered', offered_at = $3, accept_due = $4, first_response_due = $5,"
		  " expires_at = $6 WHERE lead_id = $1 AND handoff_id = $2",
		  INT8OID, INT8OID, TIMESTAMPTZOID, TIMESTAMPTZOID, TIMESTAMPTZOID, TIMESTAMPTZOID);
static KeptPlan find_pending =
KEPT_PLAN("SELECT handoff_id, route, team, member, product FROM nurture.handoff"
		  " WHERE lead_id = $1 AND state = 'pending' ORDER BY handoff_id FOR UPDATE",
		  INT8OID);
static KeptPlan insert_cause =
KEPT_PLAN("INSERT INTO nurture.handoff_cause (lead_id, handoff_id, at, route, version, event_id, event_type, asset_id, reason, actor)"
		  " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
		  INT8OID, INT8OID, TIMESTAMPTZOID, TEXTOID, INT4OID, INT8OID, TEXTOID, TEXTOID, TEXTOID, TEXTOID);
static KeptPlan link_requests =
KEPT_PLAN("WITH linked AS (UPDATE nurture.request SET handoff_id = $2 WHERE lead_id = $1 AND request_kind = $3"
		  " AND state = 'open' AND handoff_id IS NULL RETURNING request_no)"
		  " INSERT INTO nurture.task (lead_id, handoff_id, request_no, task_kind, title, team, member, due_at, created_at)"
		  " SELECT $1, $2, l.request_no, 'request', 'Fulfil: ' || k.title, $4, $5, $6, $7"
		  " FROM linked l JOIN nurture.request_kind k ON k.request_kind = $3",
		  INT8OID, INT8OID, TEXTOID, TEXTOID, TEXTOID, TIMESTAMPTZOID, TIMESTAMPTZOID);
static KeptPlan insert_task =
KEPT_PLAN("INSERT INTO nurture.task (lead_id, handoff_id, task_kind, title, team, member, due_at, created_at)"
		  " VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
		  INT8OID, INT8OID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, TIMESTAMPTZOID, TIMESTAMPTZOID);
static KeptPlan insert_outbox =
KEPT_PLAN("INSERT INTO nurture.outbox (lead_id, topic, payload, created_at) VALUES ($1, $2,"
		  " pg_catalog.jsonb_build_object('handoff_id', $3, 'lead_id', $1, 'state', $4, 'team', $5, 'member', $6), $7)",
		  INT8OID, TEXTOID, INT8OID, TEXTOID, TEXTOID, TEXTOID, TIMESTAMPTZOID);
static KeptPlan find_owner =
KEPT_PLAN("SELECT m.team, m.member FROM nurture.team_member m JOIN nurture.team t USING (team)"
		  " WHERE t.lane = $1 AND m.active AND (m.member = $2 OR m.external_ref = $2)"
		  " AND NOT EXISTS (SELECT FROM pg_catalog.unnest(m.absence) a (away) WHERE a.away @> $3)"
		  " ORDER BY m.team <> $4, m.team",
		  TEXTOID, TEXTOID, TIMESTAMPTZOID, TEXTOID);
static KeptPlan find_territory =
KEPT_PLAN("SELECT m.member FROM nurture.team_member m WHERE m.team = $1 AND m.active"
		  " AND ($2 = ANY (m.territories) OR $3 = ANY (m.territories))"
		  " AND NOT EXISTS (SELECT FROM pg_catalog.unnest(m.absence) a (away) WHERE a.away @> $4)"
		  " AND (m.capacity IS NULL OR m.capacity > (SELECT pg_catalog.count(*) FROM nurture.handoff h"
		  " WHERE h.team = m.team AND h.member = m.member AND h.state IN " OPEN_STATES ")) LIMIT 2",
		  TEXTOID, TEXTOID, TEXTOID, TIMESTAMPTZOID);

/* When the clocks of an offer end. */
typedef struct Clocks
{
	TimestampTz accept_due;
	TimestampTz first_response_due;
	TimestampTz expires_at;		/* DT_NOEND = never */
} Clocks;

/* Begins a statement's hand-offs. */
void
nurture_handoff_batch_begin(HandoffBatch *batch)
{
	batch->outer = CurrentMemoryContext;
	batch->context = AllocSetContextCreate(CurrentMemoryContext, "nurture hand-offs",
										   ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(batch->context);
	batch->n = 0;
	batch->room = 8;
	batch->entries = palloc(sizeof(AuditEntry) * batch->room);
}

/* Returns a new, empty audit entry of the batch; its texts belong into the
 * batch's context, which is the current one. */
AuditEntry *
nurture_handoff_entry(HandoffBatch *batch)
{
	MemoryContextSwitchTo(batch->context);
	if (batch->n == batch->room)
	{
		batch->room *= 2;
		batch->entries = repalloc(batch->entries, sizeof(AuditEntry) * batch->room);
	}
	memset(&batch->entries[batch->n], 0, sizeof(AuditEntry));
	return &batch->entries[batch->n++];
}

/* Ends a statement's hand-offs: everything goes on record. */
void
nurture_handoff_batch_end(HandoffBatch *batch)
{
	if (batch->n > 0)
		nurture_audit_append(batch->entries, batch->n);
	MemoryContextSwitchTo(batch->outer);
	MemoryContextDelete(batch->context);
}

static Datum
text_or_null(const char *text, char *null)
{
	*null = text == NULL ? 'n' : ' ';
	return text == NULL ? (Datum) 0 : CStringGetTextDatum(text);
}

/* Runs a statement that writes hand-offs past their guard. */
void
nurture_handoff_write(KeptPlan *plan, Datum *values, const char *nulls)
{
	nurture_handoffs_open();
	PG_TRY();
	{
		nurture_execute_latest(plan, values, nulls, true);
	}
	PG_FINALLY();
	{
		nurture_handoffs_close();
	}
	PG_END_TRY();
}

static Clocks
clocks_of(const RoutingRoute *route, const RoutingTeam *team, TimestampTz now)
{
	Clocks		clocks;

	clocks.accept_due = nurture_calendar_due(team->calendar, now, route->sla_accept);
	clocks.first_response_due = nurture_calendar_due(team->calendar, now, route->sla_first_response);
	clocks.expires_at = route->offer_expires == 0 ? DT_NOEND :
		nurture_calendar_due(team->calendar, now, route->offer_expires);
	return clocks;
}

/*
 * Raises 40001 for a hand-off that another session made after this
 * transaction's snapshot was taken.  It is found with a later one, but what
 * refers to it cannot be written: the server looks for a referenced row with
 * the transaction's own.
 */
void
nurture_handoff_require_seen(int64 lead_id, int64 handoff_id)
{
	Datum		values[2];

	if (!IsolationUsesXactSnapshot())
		return;
	values[0] = Int64GetDatum(lead_id);
	values[1] = Int64GetDatum(handoff_id);
	nurture_execute(&see_handoff, values, NULL, false);
	if (SPI_processed == 0)
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("could not serialize access to a hand-off that was made after this transaction began"),
				 errhint("Run the transaction again.")));
}

/* Writes what led to a hand-off. */
static void
add_cause(const Subject *subject, int64 handoff_id, const RoutingRoute *route,
		  const RoutingTrigger *trigger)
{
	const SubjectEvent *event = trigger->event;
	Datum		values[10];
	char		nulls[11] = "          ";

	values[0] = Int64GetDatum(subject->lead_id);
	values[1] = Int64GetDatum(handoff_id);
	values[2] = TimestampTzGetDatum(subject->now);
	values[3] = CStringGetTextDatum(route->route);
	values[4] = Int32GetDatum(route->version);
	values[5] = Int64GetDatum(event ? event->event_id : 0);
	nulls[5] = event ? ' ' : 'n';
	values[6] = text_or_null(event ? event->event_type : NULL, &nulls[6]);
	values[7] = text_or_null(event ? event->asset_id : NULL, &nulls[7]);
	values[8] = text_or_null(trigger->reason, &nulls[8]);
	values[9] = text_or_null(trigger->actor, &nulls[9]);
	nurture_execute_latest(&insert_cause, values, nulls, true);
}

/* Opens a task; due DT_NOEND = none. */
void
nurture_task_add(int64 lead_id, int64 handoff_id, const char *kind,
				 const char *title, const char *team, const char *member,
				 TimestampTz due, TimestampTz now)
{
	Datum		values[8];
	char		nulls[9] = "        ";

	values[0] = Int64GetDatum(lead_id);
	values[1] = Int64GetDatum(handoff_id);
	values[2] = CStringGetTextDatum(kind);
	values[3] = CStringGetTextDatum(title);
	values[4] = CStringGetTextDatum(team);
	values[5] = text_or_null(member, &nulls[5]);
	values[6] = TimestampTzGetDatum(due);
	nulls[6] = TIMESTAMP_IS_NOEND(due) ? 'n' : ' ';
	values[7] = TimestampTzGetDatum(now);
	nurture_execute_latest(&insert_task, values, nulls, true);
}

/* Tells other systems about a hand-off. */
void
nurture_outbox_add(int64 lead_id, int64 handoff_id, const char *state,
				   const char *team, const char *member)
{
	Datum		values[7];
	char		nulls[8] = "       ";

	values[0] = Int64GetDatum(lead_id);
	values[1] = CStringGetTextDatum(psprintf("handoff.%s", state));
	values[2] = Int64GetDatum(handoff_id);
	values[3] = CStringGetTextDatum(state);
	values[4] = CStringGetTextDatum(team);
	values[5] = text_or_null(member, &nulls[5]);
	values[6] = TimestampTzGetDatum(nurture_now_wall());
	nurture_execute_latest(&insert_outbox, values, nulls, true);
}

/* Fills the audit entry of a hand-off. */
static AuditEntry *
describe(HandoffBatch *batch, const Subject *subject, int64 handoff_id,
		 const char *outcome, const RoutingRoute *route,
		 const RoutingTrigger *trigger, const char *inputs)
{
	AuditEntry *entry = nurture_handoff_entry(batch);
	const char **reasons = palloc(sizeof(char *));

	reasons[0] = pstrdup(route->route);
	entry->has_lead = true;
	entry->lead_id = subject->lead_id;
	entry->kind = "handoff";
	entry->object = psprintf("handoff:" INT64_FORMAT, handoff_id);
	entry->outcome = outcome;
	entry->reasons = reasons;
	entry->nreasons = 1;
	entry->trigger_json = trigger->event ?
		psprintf("{\"event_id\": " INT64_FORMAT ", \"event_type\": \"%s\"}",
				 trigger->event->event_id, trigger->event->event_type) :
		trigger->by_track ? "{\"cause\": \"track\"}" :
		trigger->actor ? "{\"cause\": \"person\"}" : "{\"cause\": \"standing\"}";
	entry->versions_json = psprintf("{\"route\": \"%s\", \"version\": %d}",
									route->route, route->version);
	entry->inputs = inputs;
	entry->reason = trigger->reason;
	entry->actor = trigger->actor;
	return entry;
}

/*
 * Finds a member that needs no turn: the owner of the lead or its account, who
 * brings the own team along where the method says so, or the only one for the
 * lead's territory.  NULL when nurture_assign is to name one.
 */
static char *
member_at_once(const RoutingRules *rules, const Subject *subject,
			   const RoutingRoute *route, const char *request_kind,
			   const RoutingTeam **team)
{
	const char *audience = nurture_subject_text(subject, SUBJECT_AUDIENCE_TYPE);
	bool		with_team = strcmp(route->method, "owner_affinity") == 0;
	SubjectColumn owners[] = {SUBJECT_OWNER, SUBJECT_ACCOUNT_OWNER};
	Datum		values[4];
	char		nulls[5] = "    ";

	for (int i = 0; i < lengthof(owners); i++)
	{
		char	   *owner = nurture_subject_text(subject, owners[i]);

		if (owner == NULL)
			continue;
		values[0] = CStringGetTextDatum(route->team->lane);
		values[1] = CStringGetTextDatum(owner);
		values[2] = TimestampTzGetDatum(subject->now);
		values[3] = CStringGetTextDatum(route->team->team);
		nurture_execute(&find_owner, values, NULL, false);
		for (uint64 row = 0; row < SPI_processed; row++)
		{
			const RoutingTeam *found = nurture_routing_team(rules, nurture_cell_text(row, 1));

			if (found != route->team && !with_team)
				continue;
			if (!nurture_team_permitted(found, audience, request_kind))
				continue;
			*team = found;
			return nurture_cell_text(row, 2);
		}
	}
	if (strcmp(route->method, "territory") == 0)
	{
		values[0] = CStringGetTextDatum(route->team->team);
		values[1] = text_or_null(nurture_subject_text(subject, SUBJECT_COUNTRY), &nulls[1]);
		values[2] = text_or_null(nurture_subject_text(subject, SUBJECT_REGION), &nulls[2]);
		values[3] = TimestampTzGetDatum(subject->now);
		nurture_execute(&find_territory, values, nulls, false);
		if (SPI_processed == 1)
			return nurture_cell_text(0, 1);
	}
	return NULL;
}

static void
link_request(const Subject *subject, int64 handoff_id, const char *request_kind,
			 const char *team, const char *member, TimestampTz due)
{
	Datum		values[7];
	char		nulls[8] = "       ";

	if (request_kind == NULL)
		return;
	values[0] = Int64GetDatum(subject->lead_id);
	values[1] = Int64GetDatum(handoff_id);
	values[2] = CStringGetTextDatum(request_kind);
	values[3] = CStringGetTextDatum(team);
	values[4] = text_or_null(member, &nulls[4]);
	values[5] = TimestampTzGetDatum(due);
	values[6] = TimestampTzGetDatum(subject->now);
	nurture_execute_latest(&link_requests, values, nulls, true);
}

/* Starts the clocks of a hand-off that was pending. */
static void
release_one(const Subject *subject, int64 handoff_id, const RoutingRoute *route,
			const RoutingTeam *team, const char *member, HandoffBatch *batch,
			const RoutingTrigger *trigger)
{
	Clocks		clocks = clocks_of(route, team, subject->now);
	Datum		values[6];
	char		nulls[7] = "      ";

	values[0] = Int64GetDatum(subject->lead_id);
	values[1] = Int64GetDatum(handoff_id);
	values[2] = TimestampTzGetDatum(subject->now);
	values[3] = TimestampTzGetDatum(clocks.accept_due);
	values[4] = TimestampTzGetDatum(clocks.first_response_due);
	values[5] = TimestampTzGetDatum(clocks.expires_at);
	nulls[5] = TIMESTAMP_IS_NOEND(clocks.expires_at) ? 'n' : ' ';
	nurture_handoff_write(&release, values, nulls);
	nurture_task_add(subject->lead_id, handoff_id, "accept", "Accept or reject the lead",
					 team->team, member, clocks.accept_due, subject->now);
	nurture_outbox_add(subject->lead_id, handoff_id, "offered", team->team, member);
	(void) describe(batch, subject, handoff_id, "offered", route, trigger, "released");
}

/* Adds a trigger to the hand-off that is open already. */
static int64
join_open(const RoutingRules *rules, Subject *subject,
		  const RoutingRoute *route, const char *product,
		  const char *request_kind, const RoutingTrigger *trigger,
		  HandoffBatch *batch)
{
	Datum		values[5];
	bool		isnull;
	int64		handoff_id;
	char	   *state;
	char	   *member;
	const RoutingTeam *team;
	Clocks		clocks;

	values[0] = Int64GetDatum(subject->lead_id);
	values[1] = CStringGetTextDatum(product);
	values[2] = CStringGetTextDatum(route->team->lane);
	nurture_execute_latest(&find_open, values, NULL, true);
	if (SPI_processed == 0)
		return 0;
	handoff_id = DatumGetInt64(nurture_cell(0, 1, &isnull));
	state = nurture_cell_text(0, 2);
	team = nurture_routing_team(rules, nurture_cell_text(0, 3));
	member = nurture_cell_text(0, 4);

	nurture_handoff_require_seen(subject->lead_id, handoff_id);
	add_cause(subject, handoff_id, route, trigger);
	clocks = clocks_of(route, team, subject->now);
	if (strcmp(state, "pending") == 0)
	{
		if (route->hold_until == NULL ||
			nurture_subject_eval(subject, route->hold_until) == NURTURE_TRUE)
			release_one(subject, handoff_id, route, team, member, batch, trigger);
	}
	else
	{
		values[1] = Int64GetDatum(handoff_id);
		values[2] = Int32GetDatum(route->priority);
		values[3] = TimestampTzGetDatum(clocks.accept_due);
		values[4] = TimestampTzGetDatum(clocks.first_response_due);
		nurture_handoff_write(&tighten, values, NULL);
		nurture_execute_latest(&tighten_tasks, values, NULL, true);
	}
	link_request(subject, handoff_id, request_kind, team->team, member,
				 clocks.first_response_due);
	nurture_outbox_add(subject->lead_id, handoff_id, "joined", team->team, member);
	(void) describe(batch, subject, handoff_id, "joined", route, trigger,
					psprintf("addendum to a hand-off that is %s", state));
	return handoff_id;
}

/*
 * Hands a lead over as a route says, or joins the hand-off that is open for
 * the product in the team's lane; returns its id.  The caller is connected to
 * SPI and works as the owner.
 */
int64
nurture_handoff_offer(const RoutingRules *rules, Subject *subject,
					  const RoutingRoute *route, const char *product,
					  const char *request_kind, const RoutingTrigger *trigger,
					  HandoffBatch *batch)
{
	const RoutingTeam *team = route->team;
	Qualification standing;
	Clocks		clocks;
	Datum		values[20];
	char		nulls[21] = "                    ";
	bool		isnull;
	bool		pending;
	char	   *member;
	char	   *package_hash;
	int64		handoff_id;

	/* another session may end the one we meet, or make one we did not */
	for (int attempt = 0;; attempt++)
	{
		handoff_id = join_open(rules, subject, route, product, request_kind, trigger, batch);
		if (handoff_id != 0)
			return handoff_id;
		if (attempt == 0)
		{
			pending = route->hold_until != NULL &&
				nurture_subject_eval(subject, route->hold_until) != NURTURE_TRUE;
			nurture_subject_stage(subject, product);
			nurture_qualification(subject, product, &standing);
			member = member_at_once(rules, subject, route, request_kind, &team);
			clocks = clocks_of(route, team, subject->now);
			values[0] = Int64GetDatum(subject->lead_id);
			values[1] = CStringGetTextDatum(product);
			values[2] = CStringGetTextDatum(team->lane);
			values[3] = CStringGetTextDatum(route->route);
			values[4] = Int32GetDatum(route->version);
			values[5] = CStringGetTextDatum(team->team);
			values[6] = text_or_null(member, &nulls[6]);
			values[7] = CStringGetTextDatum(pending ? "pending" : "offered");
			values[8] = CStringGetTextDatum(route->method);
			values[9] = Int32GetDatum(route->priority);
			values[10] = TimestampTzGetDatum(subject->now);
			values[11] = TimestampTzGetDatum(subject->now);
			values[12] = TimestampTzGetDatum(clocks.accept_due);
			values[13] = TimestampTzGetDatum(clocks.first_response_due);
			values[14] = TimestampTzGetDatum(clocks.expires_at);
			if (pending)
				nulls[11] = nulls[12] = nulls[13] = nulls[14] = 'n';
			else if (TIMESTAMP_IS_NOEND(clocks.expires_at))
				nulls[14] = 'n';
			values[15] = nurture_handoff_package(subject, route, team, product, trigger, &standing);
			values[16] = Int32GetDatum(standing.tier);
			values[17] = text_or_null(standing.grade, &nulls[17]);
			values[18] = Int64GetDatum(standing.total);
			values[19] = Int32GetDatum(standing.confidence);
			if (standing.model == NULL)
				nulls[18] = nulls[19] = 'n';
		}
		nurture_handoff_write(&insert_handoff, values, nulls);
		if (SPI_processed > 0)
			break;
		CHECK_FOR_INTERRUPTS();
	}
	handoff_id = DatumGetInt64(nurture_cell(0, 1, &isnull));
	package_hash = nurture_cell_text(0, 2);
	add_cause(subject, handoff_id, route, trigger);
	if (!pending)
		nurture_task_add(subject->lead_id, handoff_id, "accept", "Accept or reject the lead",
						 team->team, member, clocks.accept_due, subject->now);
	link_request(subject, handoff_id, request_kind, team->team, member,
				 clocks.first_response_due);
	nurture_outbox_add(subject->lead_id, handoff_id, pending ? "pending" : "offered",
					   team->team, member);
	(void) describe(batch, subject, handoff_id, pending ? "pending" : "offered", route, trigger,
					psprintf("team %s, stage %s, tier %d, grade %s, package sha256 %s",
							 team->team, subject->stage, standing.tier,
							 standing.grade ? standing.grade : "none", package_hash));
	return handoff_id;
}

/* Offers the lead's pending hand-offs whose hold is over. */
void
nurture_handoff_release(const RoutingRules *rules, Subject *subject,
						HandoffBatch *batch)
{
	RoutingTrigger trigger = {subject->event, NULL, NULL};
	Datum		values[1];
	uint64		n;
	bool		isnull;
	int64	   *ids;
	char	  **texts;

	values[0] = Int64GetDatum(subject->lead_id);
	nurture_execute_latest(&find_pending, values, NULL, true);
	n = SPI_processed;
	if (n == 0)
		return;
	ids = palloc(sizeof(int64) * n);
	texts = palloc(sizeof(char *) * n * 4);
	for (uint64 i = 0; i < n; i++)
	{
		ids[i] = DatumGetInt64(nurture_cell(i, 1, &isnull));
		for (int column = 0; column < 4; column++)
			texts[i * 4 + column] = nurture_cell_text(i, column + 2);
	}
	for (uint64 i = 0; i < n; i++)
	{
		const RoutingRoute *route = nurture_routing_find(rules, texts[i * 4]);

		if (route == NULL)
			continue;
		if (strcmp(subject->product, texts[i * 4 + 3]) != 0)
		{
			subject->product = texts[i * 4 + 3];
			subject->standing_read = false;
		}
		if (route->hold_until == NULL ||
			nurture_subject_eval(subject, route->hold_until) == NURTURE_TRUE)
			release_one(subject, ids[i], route, nurture_routing_team(rules, texts[i * 4 + 1]),
						texts[i * 4 + 2], batch, &trigger);
	}
}
