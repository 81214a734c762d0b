/*
 * ack.c
 *	  What became of a message that was taken.
 *
 * Acknowledgements come late, twice and in any order. Each outcome has a rank
 * and the message keeps the highest, so that every order ends in the same
 * state. What the lead or its mail server did is an event first, which may
 * withdraw consent and suppress the address in the same transaction; the row
 * of the message is locked last.
 */
#include "base/compat.h"

#include "access/xact.h"
#include "audit/audit.h"
#include "base/clock.h"
#include "base/errors.h"
#include "base/owner.h"
#include "base/plans.h"
#include "catalog/pg_type.h"
#include "facts/lead.h"
#include "gate/delivery.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

NURTURE_FUNCTION(nurture_ack);

#define ACK_SOURCE		"nurture_ack"
#define PROVIDER_MAX	500		/* bytes of a provider's identifiers */

typedef struct Outcome
{
	const char *outcome;
	int			rank;			/* 0 = it did not go out */
	const char *status;			/* of the message then */
	const char *email_event;	/* event when its channel is email */
	const char *other_event;	/* and when it is another; NULL = none */
} Outcome;

/*
 * The state graph: a message moves to the status of the highest outcome.  One
 * that was delivered may bounce for good afterwards, or be complained about;
 * nothing takes that back.  failed moves a message that is taken, to cancelled
 * when that was asked for.
 */
static const Outcome outcomes[] = {
	{"failed", 0, "failed", NULL, NULL},
	{"sent", 1, "sent", NULL, NULL},
	{"soft_bounce", 2, "bounced", "email_soft_bounced", "email_soft_bounced"},
	{"delivered", 3, "delivered", "email_delivered", NULL},
	{"opened", 4, "delivered", "email_opened", NULL},
	{"clicked", 5, "delivered", "email_clicked", "link_clicked"},
	{"unsubscribed", 6, "delivered", "unsubscribed", "unsubscribed"},
	{"hard_bounce", 7, "bounced", "email_hard_bounced", "email_hard_bounced"},
	{"complaint", 8, "complained", "complained", "complained"},
};

#define READ_COLUMNS \
	"SELECT m.status, m.cancel_requested, m.takes, m.outcome, m.sent_at," \
	" m.delivered_at, m.provider_id, m.reasons, m.channel, m.asset_id," \
	" m.version, m.family, m.occurrence_key, m.xmin, m.outcome_at," \
	" m.taken_by, m.lease_until, c.delivery, m.requested_at" \
	" FROM nurture.message AS m" \
	" LEFT JOIN nurture.channel AS c ON c.channel = m.channel" \
	" WHERE m.lead_id = $1 AND m.message_id = $2"

static KeptPlan read_message =
KEPT_PLAN(READ_COLUMNS, INT8OID, INT8OID);

static KeptPlan lock_message =
KEPT_PLAN(READ_COLUMNS " FOR NO KEY UPDATE OF m", INT8OID, INT8OID);

static KeptPlan add_event =
KEPT_PLAN("INSERT INTO nurture.event (lead_id, event_type, occurred_at,"
		  " source, source_key, channel, asset_id, version, message_id,"
		  " properties) VALUES ($1, $2, $3, '" ACK_SOURCE "', $4, $5, $6, $7,"
		  " $8, COALESCE($9, '{}') || jsonb_build_object('message_id', $8))",
		  INT8OID, TEXTOID, TIMESTAMPTZOID, TEXTOID, TEXTOID, TEXTOID, INT4OID,
		  INT8OID, JSONBOID);

/* Another message has the place of this one: its occasion is used. */
static KeptPlan find_other =
KEPT_PLAN("SELECT 1 FROM nurture.message AS m WHERE m.lead_id = $1"
		  " AND m.message_id <> $2 AND m.family = $3 AND m.occurrence_key = $4"
		  " AND m.status <> 'refused' AND m.status <> 'cancelled'"
		  " AND m.status <> 'failed'", INT8OID, INT8OID, TEXTOID, TEXTOID);

static KeptPlan write_message =
KEPT_PLAN("UPDATE nurture.message AS m SET status = $3, outcome = $4,"
		  " outcome_at = $5, sent_at = $6, delivered_at = $7,"
		  " provider_id = COALESCE(m.provider_id, $8),"
		  " cancel_requested = m.cancel_requested AND NOT $10,"
		  " reasons = CASE WHEN $10 THEN NULLIF(trim_array(m.reasons, 1), '{}')"
		  " WHEN $9 IS NULL THEN m.reasons"
		  " ELSE array_append(COALESCE(m.reasons, '{}'), $9) END"
		  " WHERE m.lead_id = $1 AND m.message_id = $2",
		  INT8OID, INT8OID, TEXTOID, TEXTOID, TIMESTAMPTZOID, TIMESTAMPTZOID,
		  TIMESTAMPTZOID, TEXTOID, TEXTOID, BOOLOID);

/* A message as it was read. */
typedef struct AckMessage
{
	char	   *status;
	bool		cancel_requested;
	int			takes;
	char	   *outcome;		/* NULL = none yet */
	TimestampTz outcome_at;
	TimestampTz sent_at;		/* DT_NOEND = not */
	TimestampTz delivered_at;	/* likewise */
	char	   *provider_id;
	bool		opted_out;		/* a reason says so */
	bool		told;			/* sent all the same, which is on record */
	char	   *channel;
	char	   *asset_id;
	int32		version;
	char	   *family;
	char	   *occurrence_key;
	bool		ours;			/* written by this transaction last */
	char	   *taken_by;
	bool		left;			/* its lease is over, it may be taken again */
	TimestampTz requested_at;	/* DT_NOEND = not known */
} AckMessage;

/* What is acknowledged. */
typedef struct Ack
{
	int64		lead_id;
	int64		message_id;
	const Outcome *outcome;
	char	   *provider_id;	/* NULL = not told */
	Jsonb	   *detail;			/* likewise */
	TimestampTz at;				/* when it happened */
} Ack;

static const Outcome *
find_outcome(const char *name)
{
	for (int i = 0; name != NULL && i < lengthof(outcomes); i++)
	{
		if (strcmp(outcomes[i].outcome, name) == 0)
			return &outcomes[i];
	}
	return NULL;
}

static TimestampTz
cell_time(int column)
{
	bool		null;
	Datum		value = nurture_cell(0, column, &null);

	return null ? DT_NOEND : DatumGetTimestampTz(value);
}

/* Reads the message, or locks and reads it; answers false when there is none. */
static bool
get_message(const Ack *ack, bool lock, AckMessage *message)
{
	Datum		key[2] = {Int64GetDatum(ack->lead_id),
	Int64GetDatum(ack->message_id)};
	const char **reasons;
	int			nreasons;
	char	   *delivery;
	bool		null;

	if (lock)
		(void) nurture_execute(&lock_message, key, NULL, false);
	else
		(void) nurture_execute_latest(&read_message, key, NULL, false);
	if (SPI_processed == 0)
		return false;
	message->status = nurture_cell_text(0, 1);
	message->cancel_requested = DatumGetBool(nurture_cell(0, 2, &null));
	message->takes = DatumGetInt16(nurture_cell(0, 3, &null));
	message->outcome = nurture_cell_text(0, 4);
	message->sent_at = cell_time(5);
	message->delivered_at = cell_time(6);
	message->provider_id = nurture_cell_text(0, 7);
	reasons = nurture_cell_strings(0, 8, &nreasons);
	message->opted_out = message->told = false;
	for (int i = 0; i < nreasons; i++)
	{
		if (strcmp(reasons[i], "consent_denied") == 0)
			message->opted_out = true;
		if (strncmp(reasons[i], "sent_after_", strlen("sent_after_")) == 0)
			message->told = true;
	}
	message->channel = nurture_cell_text(0, 9);
	message->asset_id = nurture_cell_text(0, 10);
	message->version = DatumGetInt32(nurture_cell(0, 11, &null));
	message->family = nurture_cell_text(0, 12);
	message->occurrence_key = nurture_cell_text(0, 13);
	message->ours = TransactionIdIsCurrentTransactionId(DatumGetTransactionId(nurture_cell(0, 14, &null)));
	message->outcome_at = cell_time(15);
	message->taken_by = nurture_cell_text(0, 16);
	message->requested_at = cell_time(19);
	delivery = nurture_cell_text(0, 18);
	message->left = cell_time(17) <= nurture_now_wall() &&
		message->takes < DELIVERY_TAKES && !message->cancel_requested &&
		delivery != NULL && strcmp(delivery, "at_least_once") == 0;
	return true;
}

/* Returns a text of the detail, NULL when it is not there. */
static char *
detail_text(const Ack *ack, const char *key)
{
	JsonbValue *value;

	if (ack->detail == NULL)
		return NULL;
	value = getKeyJsonValueFromContainer(&ack->detail->root, key, strlen(key),
										 NULL);
	if (value == NULL || value->type == jbvNull)
		return NULL;
	if (value->type == jbvString)
		return pnstrdup(value->val.string.val, value->val.string.len);
	if (value->type == jbvNumeric)
		return DatumGetCString(DirectFunctionCall1(numeric_out,
												   NumericGetDatum(value->val.numeric)));
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("key \"%s\" of the detail is neither a text nor a number", key)));
}

/*
 * Inserts the event that tells of the outcome.  Its key makes a repetition
 * nothing; where the provider numbers what it tells (key event_id of the
 * detail), every opening and click is an event of its own.
 */
static void
tell_event(const Ack *ack, const AckMessage *message)
{
	const char *event = strcmp(message->channel, "email") == 0 ?
	ack->outcome->email_event : ack->outcome->other_event;
	char	   *event_id = detail_text(ack, "event_id");
	Datum		values[9];
	char		nulls[9] = {' ', ' ', ' ', ' ', ' ', ' ', ' ', ' ', ' '};

	/* without the lead there is nobody whose event it could be */
	if (event == NULL || !nurture_lead_living(ack->lead_id))
		return;
	values[0] = Int64GetDatum(ack->lead_id);
	values[1] = CStringGetTextDatum(event);
	values[2] = TimestampTzGetDatum(ack->at);
	values[3] = CStringGetTextDatum(psprintf(INT64_FORMAT ":%s%s%s",
											 ack->message_id,
											 ack->outcome->outcome,
											 event_id ? ":" : "",
											 event_id ? event_id : ""));
	values[4] = CStringGetTextDatum(message->channel);
	values[5] = CStringGetTextDatum(message->asset_id);
	values[6] = Int32GetDatum(message->version);
	values[7] = Int64GetDatum(ack->message_id);
	values[8] = JsonbPGetDatum(ack->detail);
	nulls[8] = ack->detail == NULL ? 'n' : ' ';
	(void) nurture_execute(&add_event, values, nulls, false);
}

/* Tells whether a status is one that counts for nothing. */
static bool
is_over(const char *status)
{
	return strcmp(status, "cancelled") == 0 || strcmp(status, "failed") == 0 ||
		strcmp(status, "refused") == 0;
}

/* Tells whether another message took the occasion of this one meanwhile. */
static bool
occasion_used(const Ack *ack, const AckMessage *message)
{
	Datum		values[4];

	if (message->family == NULL || message->occurrence_key == NULL)
		return false;
	values[0] = Int64GetDatum(ack->lead_id);
	values[1] = Int64GetDatum(ack->message_id);
	values[2] = CStringGetTextDatum(message->family);
	values[3] = CStringGetTextDatum(message->occurrence_key);
	(void) nurture_execute(&find_other, values, NULL, false);
	return SPI_processed > 0;
}

/* Returns the status that the outcome leads to. */
static const char *
next_status(const Ack *ack, const AckMessage *message, int rank)
{
	const char *status = message->status;

	if (ack->outcome->rank == 0)
	{
		char	   *worker = detail_text(ack, "worker");

		/*
		 * That one worker failed says nothing about the next one's attempt,
		 * nor about one that is to come.
		 */
		if (strcmp(status, "taken") != 0 || message->left ||
			(worker != NULL && message->taken_by != NULL &&
			 strcmp(worker, message->taken_by) != 0))
			return status;
		return message->cancel_requested ? "cancelled" : "failed";
	}
	if (ack->outcome->rank <= rank)
		return status;
	/* it went out, but its place is taken: that stays with the other one */
	if (is_over(status) && occasion_used(ack, message))
		return status;
	return ack->outcome->status;
}

/* Tells whether the message was ended by the event of this acknowledgement. */
static bool
caused(const AckMessage *before, const AckMessage *message)
{
	return message->ours && !before->cancel_requested &&
		!is_over(before->status);
}

/* Returns the code for a message that went out all the same, or NULL. */
static const char *
sent_after(const Ack *ack, const AckMessage *before, const AckMessage *message)
{
	const Outcome *known = find_outcome(message->outcome);

	/* that it went out is on record already, and why it was let */
	if (known != NULL && known->rank > 0)
		return NULL;
	if (ack->outcome->rank == 0 || message->told ||
		(!message->cancel_requested && !is_over(message->status)))
		return NULL;
	/* what this acknowledgement itself led to came after the sending */
	if (caused(before, message))
		return NULL;
	return message->opted_out ? "sent_after_opt_out" : "sent_after_cancel";
}

/* Writes what the outcome changes of the message, if anything. */
static const char *
write_outcome(const Ack *ack, const AckMessage *before,
			  const AckMessage *message)
{
	const Outcome *known = find_outcome(message->outcome);
	int			rank = known ? known->rank : 0;
	bool		further = known == NULL || ack->outcome->rank > rank;
	const char *status = next_status(ack, message, rank);
	const char *after = sent_after(ack, before, message);

	/* what followed from this outcome is not to be held against it */
	bool		undo = caused(before, message) &&
	(message->cancel_requested || is_over(message->status));
	TimestampTz sent_at = message->sent_at;
	TimestampTz delivered_at = message->delivered_at;
	AuditEntry	entry = {0};
	Datum		values[10];
	char		nulls[10] = {' ', ' ', ' ', ' ', ' ', ' ', ' ', ' ', ' ', ' '};

	if (ack->outcome->rank > 0)
		sent_at = Min(sent_at, ack->at);
	if (strcmp(ack->outcome->status, "delivered") == 0)
		delivered_at = Min(delivered_at, ack->at);
	if (!further && after == NULL && !undo && sent_at == message->sent_at &&
		delivered_at == message->delivered_at &&
		strcmp(status, message->status) == 0 &&
		(ack->provider_id == NULL || message->provider_id != NULL))
		return status;

	values[0] = Int64GetDatum(ack->lead_id);
	values[1] = Int64GetDatum(ack->message_id);
	values[2] = CStringGetTextDatum(status);
	values[3] = CStringGetTextDatum(further ? ack->outcome->outcome :
									message->outcome);
	values[4] = TimestampTzGetDatum(further ? ack->at : message->outcome_at);
	values[5] = TimestampTzGetDatum(sent_at);
	nulls[5] = sent_at == DT_NOEND ? 'n' : ' ';
	values[6] = TimestampTzGetDatum(delivered_at);
	nulls[6] = delivered_at == DT_NOEND ? 'n' : ' ';
	nulls[7] = ack->provider_id == NULL ? 'n' : ' ';
	values[7] = ack->provider_id == NULL ? (Datum) 0 :
		CStringGetTextDatum(ack->provider_id);
	nulls[8] = after == NULL ? 'n' : ' ';
	values[8] = after == NULL ? (Datum) 0 : CStringGetTextDatum(after);
	values[9] = BoolGetDatum(undo);
	nurture_message_write(&write_message, values, nulls);

	entry.has_lead = true;
	entry.lead_id = ack->lead_id;
	entry.kind = "delivery";
	entry.object = psprintf("message:" INT64_FORMAT, ack->message_id);
	entry.outcome = ack->outcome->outcome;
	entry.reasons = after == NULL ? NULL : &after;
	entry.nreasons = after == NULL ? 0 : 1;
	entry.inputs = psprintf("%s to %s", message->status, status);
	nurture_audit_append(&entry, 1);
	if (after != NULL)
		nurture_gate_alert(ack->lead_id, ack->message_id, after);
	return status;
}

/* Reads the arguments. */
static void
read_arguments(FunctionCallInfo fcinfo, Ack *ack)
{
	char	   *name;
	char	   *at;
	char	   *event_id;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || PG_ARGISNULL(2))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("lead, message and outcome must be given")));
	ack->lead_id = PG_GETARG_INT64(0);
	ack->message_id = PG_GETARG_INT64(1);
	name = text_to_cstring(PG_GETARG_TEXT_PP(2));
	ack->outcome = find_outcome(name);
	if (ack->outcome == NULL)
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_UNKNOWN_CODE),
				 errmsg("unknown outcome \"%.64s\"", name),
				 errhint("Outcomes are sent, delivered, opened, clicked, soft_bounce, hard_bounce, complaint, unsubscribed and failed.")));
	ack->provider_id = PG_ARGISNULL(3) ? NULL :
		text_to_cstring(PG_GETARG_TEXT_PP(3));
	if (ack->provider_id != NULL && strlen(ack->provider_id) > PROVIDER_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a provider's identifier has at most %d bytes",
						PROVIDER_MAX)));
	ack->detail = PG_ARGISNULL(4) ? NULL : PG_GETARG_JSONB_P(4);
	if (ack->detail != NULL && !JB_ROOT_IS_OBJECT(ack->detail))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the detail of an outcome is a JSON object"),
				 errhint("Such as {\"at\": \"2026-03-02T09:00:00Z\", \"status\": \"5.1.1\", \"event_id\": \"...\"}.")));
	event_id = detail_text(ack, "event_id");
	if (event_id != NULL && strlen(event_id) > PROVIDER_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("key \"event_id\" of the detail has at most %d bytes",
						PROVIDER_MAX)));
	at = detail_text(ack, "at");
	ack->at = nurture_now_wall();
	if (at != NULL)
	{
		TimestampTz told =
		DatumGetTimestampTz(DirectFunctionCall3(timestamptz_in,
												CStringGetDatum(at),
												ObjectIdGetDatum(InvalidOid),
												Int32GetDatum(-1)));

		/* the provider's clock may be ahead of ours */
		ack->at = Min(ack->at, told);
		if (TIMESTAMP_NOT_FINITE(told))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("key \"at\" of the detail is no instant"),
					 errhint("Leave it out when it is not known.")));
	}
}

/*
 * nurture_ack(lead_id bigint, message_id bigint, outcome text, provider_id
 * text, detail jsonb) returns text
 *
 * Records what became of a message that was taken, whoever took it; answers
 * its status. A repetition changes nothing.
 */
Datum
nurture_ack(PG_FUNCTION_ARGS)
{
	MemoryContext context = CurrentMemoryContext;
	Ack			ack = {0};
	AckMessage	before;
	AckMessage	message;
	const char *status;
	OwnerSwitch owner;
	bool		known;
	bool		gate = false;
	int			level;

	read_arguments(fcinfo, &ack);
	nurture_delivery_check_right();
	known = !nurture_lead_hidden(ack.lead_id);
	nurture_owner_enter(&owner);
	level = nurture_spi_connect();
	if (!known || !get_message(&ack, false, &before))
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_UNKNOWN_LEAD),
				 errmsg("lead " INT64_FORMAT " has no message " INT64_FORMAT,
						ack.lead_id, ack.message_id)));
	if (before.takes == 0)
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_BAD_STATE),
				 errmsg("message " INT64_FORMAT " was never taken",
						ack.message_id),
				 errhint("Only what nurture_take handed out can be acknowledged.")));
	/* nor does anything become of a message before it was asked for */
	if (before.requested_at != DT_NOEND)
		ack.at = Max(ack.at, before.requested_at);
	tell_event(&ack, &before);
	/* by which the provider would find the person again */
	if (ack.provider_id != NULL && !nurture_lead_living(ack.lead_id))
		ack.provider_id = NULL;
	if (ack.outcome->rank > 0 && is_over(before.status) &&
		nurture_lead_exists(ack.lead_id))
	{
		/* it will count again: nobody else may use its occasion meanwhile */
		nurture_gate_lock(ack.lead_id);
		gate = true;
	}
	if (!get_message(&ack, true, &message))
		elog(ERROR, "message " INT64_FORMAT " is gone", ack.message_id);
	if (!gate && ack.outcome->rank > 0 && is_over(message.status) &&
		!caused(&before, &message) && nurture_lead_exists(ack.lead_id))
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("could not serialize access: the lease of the message ended at this moment"),
				 errhint("Run the transaction again.")));
	status = write_outcome(&ack, &before, &message);
	MemoryContextSwitchTo(context);
	status = pstrdup(status);
	nurture_spi_finish(level);
	nurture_owner_leave(&owner);
	PG_RETURN_TEXT_P(cstring_to_text(status));
}
