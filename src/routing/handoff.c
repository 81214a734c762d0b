/*
 * handoff.c
 *	  What a team does with a hand-off: accept, reject, attempt, convert,
 *	  return; and offers that expire.
 *
 * Each call updates the lead's gate row first, because it may move the stage
 * and start or lift a stop, then locks the hand-off and checks the state graph.
 * Repeating a call that has had its effect does nothing.
 */
#include "base/compat.h"

#include "audit/audit.h"
#include "base/author.h"
#include "base/clock.h"
#include "base/errors.h"
#include "base/owner.h"
#include "base/plans.h"
#include "catalog/pg_type.h"
#include "facts/lead.h"
#include "facts/subject.h"
#include "gate/gate.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "routing/routing.h"
#include "routing/routing_private.h"
#include "tracks/tracks.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

NURTURE_FUNCTION(nurture_accept);
NURTURE_FUNCTION(nurture_reject);
NURTURE_FUNCTION(nurture_attempt);
NURTURE_FUNCTION(nurture_convert);
NURTURE_FUNCTION(nurture_return);
NURTURE_FUNCTION(nurture_reassign);
NURTURE_FUNCTION(nurture_fulfil);

/* rule of the stop that an accepted hand-off puts in force */
#define OPEN_STOP "handoff_open"
#define OPEN_STOP_LIFTED_BY "handoff_returned"

typedef enum HandoffState
{
	STATE_PENDING,
	STATE_OFFERED,
	STATE_ACCEPTED,
	STATE_WORKING,
	STATE_MET,
	STATE_CONVERTED,
	STATE_REJECTED,
	STATE_EXPIRED,
	STATE_RETURNED,
	HANDOFF_STATES				/* how many */
} HandoffState;

static const char *const state_names[] = {
	"pending", "offered", "accepted", "working", "met", "converted",
	"rejected", "expired", "returned"
};

typedef enum HandoffCall
{
	CALL_ACCEPT,
	CALL_REJECT,
	CALL_ATTEMPT,
	CALL_CONVERT,
	CALL_RETURN,
	CALL_REASSIGN,
	CALL_EXPIRE,				/* by the tick, not by people */
	HANDOFF_CALLS				/* how many */
} HandoffCall;

#define IN(state) (1 << (state))

/* The state graph: from where a call is allowed, and where it leads. */
static const struct
{
	const char *name;
	int			allowed;		/* bits of states */
	HandoffState to;			/* HANDOFF_STATES = stays */
}			calls[] = {
	{"nurture_accept", IN(STATE_OFFERED), STATE_ACCEPTED},
	{"nurture_reject", IN(STATE_OFFERED), STATE_REJECTED},
	{"nurture_attempt", IN(STATE_ACCEPTED) | IN(STATE_WORKING) | IN(STATE_MET), STATE_WORKING},
	{"nurture_convert", IN(STATE_ACCEPTED) | IN(STATE_WORKING) | IN(STATE_MET), STATE_CONVERTED},
	{"nurture_return", IN(STATE_ACCEPTED) | IN(STATE_WORKING) | IN(STATE_MET), STATE_RETURNED},
	{"nurture_reassign", IN(STATE_PENDING) | IN(STATE_OFFERED) | IN(STATE_ACCEPTED) | IN(STATE_WORKING) | IN(STATE_MET), HANDOFF_STATES},
	{"expiry", IN(STATE_OFFERED), STATE_EXPIRED},
};

static const struct
{
	const char *outcome;
	bool		answered;
	bool		met;
	const char *stage;			/* where it moves the lead, NULL = nowhere */
}			outcomes[] = {
	{"no_answer", false, false, NULL},
	{"left_message", false, false, NULL},
	{"wrong_contact", false, false, NULL},
	{"meeting_no_show", false, false, NULL},
	{"reached", true, false, NULL},
	{"replied", true, false, NULL},
	{"meeting_booked", true, false, "meeting_set"},
	{"meeting_held", true, true, "meeting_held"},
};

static KeptPlan lock_handoff =
KEPT_PLAN("SELECT h.state, h.product, h.lane, h.team, h.member, h.attempts, h.unanswered,"
		  " coalesce(v.attempts_max::int4, 0), h.first_response_due,"
		  " (SELECT l.audience_type FROM nurture.lead l WHERE l.lead_id = h.lead_id),"
		  " coalesce($3 + v.cool_down, $3 + interval '30 days'), v.return_track"
		  " FROM nurture.handoff h LEFT JOIN nurture.route_version v ON v.route = h.route AND v.version = h.version"
		  " WHERE h.lead_id = $1 AND h.handoff_id = $2 FOR UPDATE OF h",
		  INT8OID, INT8OID, TIMESTAMPTZOID);
static KeptPlan is_member =
KEPT_PLAN("SELECT 1 FROM nurture.team_member WHERE team = $1 AND member = $2 AND active",
		  TEXTOID, TEXTOID);
static KeptPlan write_accept =
KEPT_PLAN("UPDATE nurture.handoff SET state = 'accepted', accepted_at = $3, accepted_by = $4,"
		  " member = coalesce($5, member) WHERE lead_id = $1 AND handoff_id = $2",
		  INT8OID, INT8OID, TIMESTAMPTZOID, TEXTOID, TEXTOID);
static KeptPlan write_close =
KEPT_PLAN("UPDATE nurture.handoff SET state = $3, closed_at = $4, closed_by = $5, reason = $6, cool_down_until = $7"
		  " WHERE lead_id = $1 AND handoff_id = $2",
		  INT8OID, INT8OID, TEXTOID, TIMESTAMPTZOID, TEXTOID, TEXTOID, TIMESTAMPTZOID);
static KeptPlan write_attempt =
KEPT_PLAN("UPDATE nurture.handoff SET state = $3, attempts = attempts + 1,"
		  " unanswered = CASE WHEN $4 THEN 0 ELSE unanswered + 1 END,"
		  " first_response_at = coalesce(first_response_at, $5),"
		  " met_at = CASE WHEN $6 THEN coalesce(met_at, $5) ELSE met_at END"
		  " WHERE lead_id = $1 AND handoff_id = $2",
		  INT8OID, INT8OID, TEXTOID, BOOLOID, TIMESTAMPTZOID, BOOLOID);
static KeptPlan insert_attempt =
KEPT_PLAN("INSERT INTO nurture.attempt (lead_id, handoff_id, attempt_no, outcome, at, actor, note)"
		  " VALUES ($1, $2, $3, $4, $5, $6, $7)",
		  INT8OID, INT8OID, INT4OID, TEXTOID, TIMESTAMPTZOID, TEXTOID, TEXTOID);
static KeptPlan write_member =
KEPT_PLAN("UPDATE nurture.handoff SET member = $3 WHERE lead_id = $1 AND handoff_id = $2",
		  INT8OID, INT8OID, TEXTOID);
static KeptPlan write_task_member =
KEPT_PLAN("UPDATE nurture.task SET member = $3 WHERE lead_id = $1 AND handoff_id = $2 AND state = 'open'",
		  INT8OID, INT8OID, TEXTOID);
static KeptPlan end_tasks =
KEPT_PLAN("UPDATE nurture.task SET state = $4, done_at = $5 WHERE lead_id = $1 AND handoff_id = $2"
		  " AND state = 'open' AND task_kind = ANY ($3::text[])",
		  INT8OID, INT8OID, TEXTOID, TEXTOID, TIMESTAMPTZOID);
static KeptPlan find_expired =
KEPT_PLAN("SELECT lead_id, handoff_id FROM nurture.handoff WHERE state = 'offered' AND expires_at <= $1"
		  " ORDER BY lead_id, handoff_id LIMIT $2",
		  TIMESTAMPTZOID, INT4OID);
static KeptPlan close_request =
KEPT_PLAN("UPDATE nurture.request SET state = $3, closed_at = $4, closed_by = $5, reason = $6"
		  " WHERE lead_id = $1 AND request_no = $2 AND state = 'open' RETURNING request_kind",
		  INT8OID, INT8OID, TEXTOID, TIMESTAMPTZOID, TEXTOID, TEXTOID);
static KeptPlan find_request =
KEPT_PLAN("SELECT state FROM nurture.request WHERE lead_id = $1 AND request_no = $2",
		  INT8OID, INT8OID);
static KeptPlan end_request_task =
KEPT_PLAN("UPDATE nurture.task SET state = 'done', done_at = $3 WHERE lead_id = $1 AND request_no = $2 AND state = 'open'",
		  INT8OID, INT8OID, TIMESTAMPTZOID);

/* A hand-off as it stands, locked. */
typedef struct Locked
{
	int64		lead_id;
	int64		handoff_id;
	HandoffState state;
	const char *product;
	const char *lane;
	const char *team;
	const char *member;			/* NULL = none named */
	int32		attempts;
	int32		unanswered;
	int32		attempts_max;	/* 0 = any number */
	TimestampTz first_response_due;
	const char *audience_type;
	TimestampTz cool_down_until;
	const char *return_track;	/* NULL = none */
	TimestampTz now;
} Locked;

static Datum
text_or_null(const char *text, char *null)
{
	*null = text == NULL ? 'n' : ' ';
	return text == NULL ? (Datum) 0 : CStringGetTextDatum(text);
}

static char *
text_argument(FunctionCallInfo fcinfo, int n)
{
	return PG_ARGISNULL(n) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(n));
}

static bool
is_business(const Locked *handoff)
{
	return strcmp(handoff->lane, ROUTING_BUSINESS_LANE) == 0;
}

/* Updates the gate row and locks the hand-off. */
static void
lock(int64 lead_id, int64 handoff_id, Locked *out)
{
	Datum		values[3];
	bool		isnull;
	char	   *state;

	out->lead_id = lead_id;
	out->handoff_id = handoff_id;
	nurture_gate_bump(lead_id);
	out->now = nurture_now_wall();
	values[0] = Int64GetDatum(lead_id);
	values[1] = Int64GetDatum(handoff_id);
	values[2] = TimestampTzGetDatum(out->now);
	nurture_execute_latest(&lock_handoff, values, NULL, true);
	if (SPI_processed == 0)
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_UNKNOWN_CODE),
				 errmsg("lead %lld has no hand-off %lld",
						(long long) lead_id, (long long) handoff_id),
				 errhint("Hand-offs are rows of nurture.handoff; a merged lead's belong to the survivor.")));
	state = nurture_cell_text(0, 1);
	out->state = 0;
	while (strcmp(state_names[out->state], state) != 0)
		out->state++;
	out->product = nurture_cell_text(0, 2);
	out->lane = nurture_cell_text(0, 3);
	out->team = nurture_cell_text(0, 4);
	out->member = nurture_cell_text(0, 5);
	out->attempts = DatumGetInt32(nurture_cell(0, 6, &isnull));
	out->unanswered = DatumGetInt32(nurture_cell(0, 7, &isnull));
	out->attempts_max = DatumGetInt32(nurture_cell(0, 8, &isnull));
	out->first_response_due = DatumGetTimestampTz(nurture_cell(0, 9, &isnull));
	if (isnull)
		out->first_response_due = DT_NOEND;
	out->audience_type = nurture_cell_text(0, 10);
	if (out->audience_type == NULL)
		out->audience_type = "unknown";
	out->cool_down_until = DatumGetTimestampTz(nurture_cell(0, 11, &isnull));
	out->return_track = nurture_cell_text(0, 12);
}

/* Raises NU007 when the state graph does not allow a call. */
static void
check_call(const Locked *handoff, HandoffCall call)
{
	StringInfoData needs;
	StringInfoData can;

	if (calls[call].allowed & IN(handoff->state))
		return;
	initStringInfo(&needs);
	initStringInfo(&can);
	for (int i = 0; i < HANDOFF_STATES; i++)
	{
		if (calls[call].allowed & IN(i))
			appendStringInfo(&needs, "%s%s", needs.len ? ", " : "", state_names[i]);
	}
	for (int i = 0; i < CALL_EXPIRE; i++)
	{
		if (calls[i].allowed & IN(handoff->state))
			appendStringInfo(&can, "%s%s", can.len ? ", " : "", calls[i].name);
	}
	ereport(ERROR,
			(errcode(NURTURE_ERRCODE_BAD_STATE),
			 errmsg("hand-off %lld is %s: %s needs %s",
					(long long) handoff->handoff_id, state_names[handoff->state],
					calls[call].name, needs.data),
			 can.len > 0 ? errhint("Now possible: %s.", can.data) :
			 errhint("This hand-off has ended; nurture_route makes a new one.")));
}

static void
record(const Locked *handoff, const char *outcome, const char *inputs,
	   const char *reason, const char *actor)
{
	AuditEntry	entry = {0};
	const char *reasons[1];

	reasons[0] = state_names[handoff->state];
	entry.has_lead = true;
	entry.lead_id = handoff->lead_id;
	entry.kind = "handoff";
	entry.object = psprintf("handoff:" INT64_FORMAT, handoff->handoff_id);
	entry.outcome = outcome;
	entry.reasons = reasons;
	entry.nreasons = 1;
	entry.inputs = inputs;
	entry.reason = reason;
	entry.actor = actor;
	nurture_audit_append(&entry, 1);
}

/* Ends open tasks of some kinds, as {a,b}. */
static void
finish_tasks(const Locked *handoff, const char *kinds, const char *state)
{
	Datum		values[5];

	values[0] = Int64GetDatum(handoff->lead_id);
	values[1] = Int64GetDatum(handoff->handoff_id);
	values[2] = CStringGetTextDatum(kinds);
	values[3] = CStringGetTextDatum(state);
	values[4] = TimestampTzGetDatum(handoff->now);
	nurture_execute_latest(&end_tasks, values, NULL, true);
}

static bool
in_team(const char *team, const char *member)
{
	Datum		values[2];

	values[0] = CStringGetTextDatum(team);
	values[1] = CStringGetTextDatum(member);
	nurture_execute_latest(&is_member, values, NULL, false);
	return SPI_processed > 0;
}

/* Accepts: the stage follows, and promotional nurturing rests. */
static void
do_accept(Locked *handoff, const char *actor, const char *reason)
{
	Datum		values[5];
	char		nulls[6] = "     ";
	const char *member = in_team(handoff->team, actor) ? actor : NULL;

	values[0] = Int64GetDatum(handoff->lead_id);
	values[1] = Int64GetDatum(handoff->handoff_id);
	values[2] = TimestampTzGetDatum(handoff->now);
	values[3] = CStringGetTextDatum(actor);
	values[4] = text_or_null(member, &nulls[4]);

	/* the stop and the stage before the hand-off: lock order */
	if (is_business(handoff))
	{
		nurture_gate_stop(handoff->lead_id, OPEN_STOP, "suppress_promotional",
						  DT_NOEND, OPEN_STOP_LIFTED_BY, "handoff_open");
		(void) nurture_stage_move(handoff->lead_id, handoff->product,
								  handoff->audience_type, "sal", "hand_off",
								  "accepted", handoff->now);
	}
	nurture_handoff_write(&write_accept, values, nulls);
	finish_tasks(handoff, "{accept,escalate}", "done");
	nurture_task_add(handoff->lead_id, handoff->handoff_id, "contact", "Contact the lead",
					 handoff->team, member ? member : handoff->member,
					 handoff->first_response_due, handoff->now);
	nurture_outbox_add(handoff->lead_id, handoff->handoff_id, "accepted",
					   handoff->team, member ? member : handoff->member);
	record(handoff, "accepted", NULL, reason, actor);
}

/*
 * Ends a hand-off: converted, or back to nurture with a cool-down, by which
 * the stop of an accepted hand-off is lifted.
 */
static void
do_close(Locked *handoff, HandoffState to, const char *actor,
		 const char *reason, const char *code)
{
	bool		back = to != STATE_CONVERTED;
	Datum		values[7];
	char		nulls[8] = "       ";

	if (is_business(handoff))
	{
		(void) nurture_stage_move(handoff->lead_id, handoff->product,
								  handoff->audience_type,
								  back ? "recycled" : "converted", "hand_off",
								  state_names[to], DT_NOBEGIN);
		if (back)
			(void) nurture_gate_lift(handoff->lead_id, OPEN_STOP_LIFTED_BY,
									 psprintf("handoff_%s", state_names[to]));
		if (back && handoff->return_track != NULL)
			(void) nurture_tracks_enter(handoff->lead_id, handoff->return_track, "handoff",
										state_names[to]);
	}
	values[0] = Int64GetDatum(handoff->lead_id);
	values[1] = Int64GetDatum(handoff->handoff_id);
	values[2] = CStringGetTextDatum(state_names[to]);
	values[3] = TimestampTzGetDatum(handoff->now);
	values[4] = text_or_null(actor, &nulls[4]);
	values[5] = text_or_null(reason ? reason : code, &nulls[5]);
	values[6] = TimestampTzGetDatum(handoff->cool_down_until);
	nulls[6] = back && !TIMESTAMP_NOT_FINITE(handoff->cool_down_until) ? ' ' : 'n';
	nurture_handoff_write(&write_close, values, nulls);
	finish_tasks(handoff, "{accept,contact,escalate}", to == STATE_CONVERTED || to == STATE_REJECTED ? "done" : "cancelled");
	nurture_outbox_add(handoff->lead_id, handoff->handoff_id, state_names[to],
					   handoff->team, handoff->member);
	record(handoff, state_names[to], code, reason, actor);
}

/* Logs an attempt; the last one allowed without an answer returns the lead. */
static HandoffState
do_attempt(Locked *handoff, const char *outcome, const char *actor,
		   const char *note)
{
	HandoffState to;
	Datum		values[7];
	char		nulls[8] = "       ";
	int			i = 0;

	while (i < lengthof(outcomes) && strcmp(outcomes[i].outcome, outcome) != 0)
		i++;
	if (i == lengthof(outcomes))
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_UNKNOWN_CODE),
				 errmsg("unknown outcome \"%s\" of an attempt", outcome),
				 errhint("Outcomes are no_answer, left_message, wrong_contact, meeting_no_show, reached, replied, meeting_booked and meeting_held.")));
	to = outcomes[i].met || handoff->state == STATE_MET ? STATE_MET : STATE_WORKING;
	if (outcomes[i].stage != NULL && is_business(handoff))
		(void) nurture_stage_move(handoff->lead_id, handoff->product,
								  handoff->audience_type, outcomes[i].stage,
								  "hand_off", outcome, DT_NOBEGIN);
	values[0] = Int64GetDatum(handoff->lead_id);
	values[1] = Int64GetDatum(handoff->handoff_id);
	values[2] = CStringGetTextDatum(state_names[to]);
	values[3] = BoolGetDatum(outcomes[i].answered);
	values[4] = TimestampTzGetDatum(handoff->now);
	values[5] = BoolGetDatum(outcomes[i].met);
	nurture_handoff_write(&write_attempt, values, NULL);
	values[2] = Int32GetDatum(handoff->attempts + 1);
	values[3] = CStringGetTextDatum(outcome);
	values[5] = CStringGetTextDatum(actor);
	values[6] = text_or_null(note, &nulls[6]);
	nurture_execute_latest(&insert_attempt, values, nulls, true);
	finish_tasks(handoff, "{contact,escalate}", "done");
	record(handoff, to == STATE_MET ? "met" : "attempted", outcome, note, actor);
	handoff->state = to;
	if (!outcomes[i].answered && handoff->attempts_max > 0 &&
		handoff->unanswered + 1 >= handoff->attempts_max)
	{
		nurture_gate_stop(handoff->lead_id, "no_answer", NULL, DT_NOEND, NULL, NULL);
		do_close(handoff, STATE_RETURNED, actor, NULL, "no_answer");
		return STATE_RETURNED;
	}
	return to;
}

static void
do_reassign(Locked *handoff, const char *member, const char *actor,
			const char *reason)
{
	Datum		values[3];

	if (!in_team(handoff->team, member))
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_UNKNOWN_CODE),
				 errmsg("\"%s\" is no active member of team \"%s\"", member, handoff->team),
				 errhint("Members are rows of nurture.team_member.")));
	values[0] = Int64GetDatum(handoff->lead_id);
	values[1] = Int64GetDatum(handoff->handoff_id);
	values[2] = CStringGetTextDatum(member);
	nurture_handoff_write(&write_member, values, NULL);
	nurture_execute_latest(&write_task_member, values, NULL, true);
	nurture_outbox_add(handoff->lead_id, handoff->handoff_id, "assigned",
					   handoff->team, member);
	record(handoff, "assigned", psprintf("member %s", member), reason, actor);
}

/*
 * Runs one call; returns the state after it.  word is the outcome of an
 * attempt or the new member.
 */
static HandoffState
run_call(int64 lead_id, int64 handoff_id, HandoffCall call, const char *word,
		 const char *reason, const char *given_actor)
{
	const char *actor = nurture_actor(given_actor);
	Locked		handoff;
	HandoffState state;
	OwnerSwitch save;
	int			level;

	nurture_routing_right("handoff");
	nurture_lead_require_seen(lead_id);
	nurture_owner_enter(&save);
	level = nurture_spi_connect();
	lock(lead_id, handoff_id, &handoff);
	state = calls[call].to;
	if (handoff.state == state && call != CALL_ATTEMPT)
		 /* it has had its effect */ ;
	else if (call == CALL_REASSIGN && handoff.member != NULL &&
			 strcmp(handoff.member, word) == 0)
		state = handoff.state;
	else
	{
		check_call(&handoff, call);
		switch (call)
		{
			case CALL_ACCEPT:
				do_accept(&handoff, actor, reason);
				break;
			case CALL_ATTEMPT:
				state = do_attempt(&handoff, word, actor, reason);
				break;
			case CALL_REASSIGN:
				do_reassign(&handoff, word, actor, reason);
				state = handoff.state;
				break;
			default:
				do_close(&handoff, state, call == CALL_EXPIRE ? NULL : actor,
						 reason, call == CALL_EXPIRE ? "offer_expired" : NULL);
		}
	}
	nurture_spi_finish(level);
	nurture_owner_leave(&save);
	return state;
}

static Datum
state_text(HandoffState state)
{
	PG_RETURN_TEXT_P(cstring_to_text(state_names[state]));
}

static void
check_arguments(FunctionCallInfo fcinfo, int n, const char *function)
{
	for (int i = 0; i < n; i++)
	{
		if (PG_ARGISNULL(i))
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("argument %d of %s cannot be null", i + 1, function)));
	}
}

/* Calls that end a hand-off want to know why. */
static char *
needed_reason(FunctionCallInfo fcinfo, int n, const char *function)
{
	char	   *reason = text_argument(fcinfo, n);

	if (reason == NULL || reason[0] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s needs a reason", function),
				 errhint("Say why, as a code such as not_ready or in words.")));
	return reason;
}

/* nurture_accept(lead_id, handoff_id, reason, actor) returns text: the state */
Datum
nurture_accept(PG_FUNCTION_ARGS)
{
	check_arguments(fcinfo, 2, "nurture_accept");
	return state_text(run_call(PG_GETARG_INT64(0), PG_GETARG_INT64(1), CALL_ACCEPT, NULL,
							   text_argument(fcinfo, 2), text_argument(fcinfo, 3)));
}

/* nurture_reject(lead_id, handoff_id, reason, actor) returns text: the state */
Datum
nurture_reject(PG_FUNCTION_ARGS)
{
	check_arguments(fcinfo, 2, "nurture_reject");
	return state_text(run_call(PG_GETARG_INT64(0), PG_GETARG_INT64(1), CALL_REJECT, NULL,
							   needed_reason(fcinfo, 2, "nurture_reject"),
							   text_argument(fcinfo, 3)));
}

/* nurture_attempt(lead_id, handoff_id, outcome, note, actor) returns text */
Datum
nurture_attempt(PG_FUNCTION_ARGS)
{
	check_arguments(fcinfo, 3, "nurture_attempt");
	return state_text(run_call(PG_GETARG_INT64(0), PG_GETARG_INT64(1), CALL_ATTEMPT,
							   text_argument(fcinfo, 2), text_argument(fcinfo, 3),
							   text_argument(fcinfo, 4)));
}

/* nurture_convert(lead_id, handoff_id, reason, actor) returns text: the state */
Datum
nurture_convert(PG_FUNCTION_ARGS)
{
	check_arguments(fcinfo, 2, "nurture_convert");
	return state_text(run_call(PG_GETARG_INT64(0), PG_GETARG_INT64(1), CALL_CONVERT, NULL,
							   text_argument(fcinfo, 2), text_argument(fcinfo, 3)));
}

/* nurture_return(lead_id, handoff_id, reason, actor) returns text: the state */
Datum
nurture_return(PG_FUNCTION_ARGS)
{
	check_arguments(fcinfo, 2, "nurture_return");
	return state_text(run_call(PG_GETARG_INT64(0), PG_GETARG_INT64(1), CALL_RETURN, NULL,
							   needed_reason(fcinfo, 2, "nurture_return"),
							   text_argument(fcinfo, 3)));
}

/* nurture_reassign(lead_id, handoff_id, member, reason, actor) returns text */
Datum
nurture_reassign(PG_FUNCTION_ARGS)
{
	check_arguments(fcinfo, 3, "nurture_reassign");
	return state_text(run_call(PG_GETARG_INT64(0), PG_GETARG_INT64(1), CALL_REASSIGN,
							   text_argument(fcinfo, 2), text_argument(fcinfo, 3),
							   text_argument(fcinfo, 4)));
}

/*
 * nurture_fulfil(lead_id, request_no, state, reason, actor) returns text:
 * answers a request, fulfilled or declined
 */
Datum
nurture_fulfil(PG_FUNCTION_ARGS)
{
	const char *actor;
	char	   *state;
	char	   *reason = text_argument(fcinfo, 3);
	char	   *was = NULL;
	bool		written;
	AuditEntry	entry = {0};
	OwnerSwitch save;
	Datum		values[6];
	char		nulls[7] = "      ";
	bool		hidden;
	int			level;

	check_arguments(fcinfo, 3, "nurture_fulfil");
	nurture_routing_right("request");
	hidden = nurture_lead_hidden(PG_GETARG_INT64(0));
	actor = nurture_actor(text_argument(fcinfo, 4));
	state = text_argument(fcinfo, 2);
	if (strcmp(state, "fulfilled") != 0 && strcmp(state, "declined") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a request is fulfilled or declined, not \"%s\"", state)));
	if (strcmp(state, "declined") == 0)
		(void) needed_reason(fcinfo, 3, "declining a request");
	values[0] = PG_GETARG_DATUM(0);
	values[1] = PG_GETARG_DATUM(1);
	values[2] = CStringGetTextDatum(state);
	values[3] = TimestampTzGetDatum(nurture_now_wall());
	values[4] = CStringGetTextDatum(actor);
	values[5] = text_or_null(reason, &nulls[5]);
	nurture_owner_enter(&save);
	level = nurture_spi_connect();
	if (!hidden)
		nurture_execute_latest(&close_request, values, nulls, true);
	written = !hidden && SPI_processed > 0;
	if (written)
	{
		entry.inputs = nurture_cell_text(0, 1);
		values[2] = values[3];
		nurture_execute_latest(&end_request_task, values, NULL, true);
		entry.has_lead = true;
		entry.lead_id = PG_GETARG_INT64(0);
		entry.kind = "request";
		entry.object = psprintf("request:" INT64_FORMAT, PG_GETARG_INT64(1));
		entry.outcome = state;
		entry.reason = reason;
		entry.actor = actor;
		nurture_audit_append(&entry, 1);
	}
	else
	{
		if (!hidden)
			nurture_execute_latest(&find_request, values, NULL, false);
		was = !hidden && SPI_processed > 0 ? nurture_cell_text(0, 1) : NULL;
		if (was == NULL)
			ereport(ERROR,
					(errcode(NURTURE_ERRCODE_UNKNOWN_CODE),
					 errmsg("lead %lld has no request %lld",
							(long long) PG_GETARG_INT64(0), (long long) PG_GETARG_INT64(1))));
		if (strcmp(was, state) != 0)
			ereport(ERROR,
					(errcode(NURTURE_ERRCODE_BAD_STATE),
					 errmsg("request %lld is %s: nurture_fulfil needs open",
							(long long) PG_GETARG_INT64(1), was)));
	}
	nurture_spi_finish(level);
	nurture_owner_leave(&save);
	PG_RETURN_TEXT_P(cstring_to_text(state));
}

/* Ends offers whose time is over, ascending by lead; returns how many. */
int
nurture_handoff_expire(int max)
{
	Datum		values[2];
	OwnerSwitch save;
	int64	   *ids;
	int			n;
	int			level;
	bool		isnull;

	nurture_owner_enter(&save);
	level = nurture_spi_connect();
	values[0] = TimestampTzGetDatum(nurture_now_wall());
	values[1] = Int32GetDatum(max);
	nurture_execute_latest(&find_expired, values, NULL, false);
	n = (int) SPI_processed;
	ids = palloc(sizeof(int64) * 2 * Max(n, 1));
	for (int i = 0; i < n; i++)
	{
		ids[2 * i] = DatumGetInt64(nurture_cell(i, 1, &isnull));
		ids[2 * i + 1] = DatumGetInt64(nurture_cell(i, 2, &isnull));
	}
	for (int i = 0; i < n; i++)
	{
		Locked		handoff;

		CHECK_FOR_INTERRUPTS();
		/* somebody may have accepted it meanwhile */
		lock(ids[2 * i], ids[2 * i + 1], &handoff);
		if (handoff.state == STATE_OFFERED)
			do_close(&handoff, STATE_EXPIRED, NULL, NULL, "offer_expired");
	}
	nurture_spi_finish(level);
	nurture_owner_leave(&save);
	return n;
}

/*
 * Takes an open hand-off back from a team that may not have the lead any more,
 * without a cool-down; false when it has ended.  Connected to SPI, as the
 * owner.
 */
bool
nurture_handoff_withdraw(int64 lead_id, int64 handoff_id, const char *reason)
{
	Locked		handoff;

	lock(lead_id, handoff_id, &handoff);
	if (handoff.state > STATE_MET)
		return false;
	handoff.cool_down_until = DT_NOEND;
	handoff.return_track = NULL;
	do_close(&handoff, handoff.state <= STATE_OFFERED ? STATE_REJECTED : STATE_RETURNED,
			 NULL, NULL, reason);
	return true;
}
