/*
 * confirm.c
 *	  Double opt-in: a lead is asked with a token, and confirms with it.
 *
 * Of a token only a hash is kept.  It is good once, until it expires, for
 * the address it was issued for, and as long as the lead did not say no after
 * it had been issued.
 */
#include "base/compat.h"

#include "base/clock.h"
#include "base/errors.h"
#include "base/owner.h"
#include "base/plans.h"
#include "catalog/pg_type.h"
#include "facts/lead.h"
#include "gate/consent_say.h"
#include "gate/contact_point.h"
#include "gate/gate_private.h"
#include "gate/token.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

NURTURE_FUNCTION(nurture_request_consent);
NURTURE_FUNCTION(nurture_confirm);

#define SECRET_BYTES	24		/* random, behind the lead's number */
#define TOKEN_BYTES		(8 + SECRET_BYTES)

static KeptPlan add_token =
KEPT_PLAN("INSERT INTO nurture.consent_token (lead_id, token_hash, channel,"
		  " purpose, topic, product, consent_event_id, contact_point_hash,"
		  " issued_at, expires_at)"
		  " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
		  INT8OID, BYTEAOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, INT8OID,
		  BYTEAOID, TIMESTAMPTZOID, TIMESTAMPTZOID);

static KeptPlan lock_token =
KEPT_PLAN("SELECT t.channel, t.purpose, t.topic, t.product,"
		  " t.consent_event_id, t.contact_point_hash, t.issued_at,"
		  " t.expires_at, t.used_at FROM nurture.consent_token AS t"
		  " WHERE t.lead_id = $1 AND t.token_hash = $2 FOR UPDATE",
		  INT8OID, BYTEAOID);

static KeptPlan find_token =
KEPT_PLAN("SELECT t.purpose FROM nurture.consent_token AS t"
		  " WHERE t.lead_id = $1 AND t.token_hash = $2",
		  INT8OID, BYTEAOID);

static KeptPlan use_token =
KEPT_PLAN("UPDATE nurture.consent_token AS t SET used_at = $3,"
		  " confirmed_event_id = $4 WHERE t.lead_id = $1 AND t.token_hash = $2",
		  INT8OID, BYTEAOID, TIMESTAMPTZOID, INT8OID);

static KeptPlan read_address =
KEPT_PLAN("SELECT l.email, l.phone, l.erased_at IS NOT NULL, l.country"
		  " FROM nurture.lead AS l WHERE l.lead_id = $1", INT8OID);

/* what the lead said no to since then, of the token's scope or a wider one */
static KeptPlan denied_since =
KEPT_PLAN("SELECT 1 FROM nurture.consent AS c WHERE c.lead_id = $1"
		  " AND c.state = ANY ('{refused,withdrawn,objected}')"
		  " AND c.since >= $2 AND c.purpose IN ('*', $4)"
		  " AND (c.state = 'objected' OR c.channel IN ('*', $3)"
		  " AND c.topic IN ('*', $5) AND c.product IN ('*', $6)) LIMIT 1",
		  INT8OID, TIMESTAMPTZOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID);

/* Raises for a token that does not do; all look alike to a client. */
static void
refuse_token(const char *why, const char *hint)
{
	ereport(ERROR,
			(errcode(NURTURE_ERRCODE_TOKEN),
			 errmsg_internal("%s", why),
			 errhint("%s", hint)));
}

#define ASK_AGAIN "Ask the lead again with nurture_request_consent."

/* Returns who a lead is today: the last it was merged into. */
static int64
who_is(int64 lead_id)
{
	for (int merges = 0; merges < GATE_MAX_MERGES; merges++)
	{
		int64		survivor = nurture_gate_survivor(lead_id);

		if (survivor == 0)
			break;
		lead_id = survivor;
	}
	return lead_id;
}

/*
 * Returns the keyed hash of the address that a channel uses, NULL when there
 * is none.  Sets *erased; answers through *found whether the lead is there.
 */
static bytea *
address_hash(int64 lead_id, const char *channel, bool *found, bool *erased)
{
	Datum		value = Int64GetDatum(lead_id);
	ContactPoint point;
	uint8		hash[GATE_HASH_LEN];
	bool		null;

	(void) nurture_execute(&read_address, &value, NULL, false);
	*found = SPI_processed > 0;
	*erased = false;
	if (!*found)
		return NULL;
	*erased = DatumGetBool(nurture_cell(0, 3, &null));
	nurture_contact_read(nurture_contact_kind(channel),
						 nurture_cell_text(0, 1), nurture_cell_text(0, 2),
						 nurture_cell_text(0, 4), &point);
	if (point.address == NULL)
		return NULL;
	nurture_gate_hash(nurture_gate_rules(), "contact_point", point.address,
					  hash);
	return DatumGetByteaPP(nurture_gate_hash_datum(hash));
}

static Datum
token_hash(const char *token)
{
	uint8		hash[GATE_HASH_LEN];

	nurture_gate_hash(nurture_gate_rules(), "confirm", token, hash);
	return nurture_gate_hash_datum(hash);
}

static char *
argument(FunctionCallInfo fcinfo, int n, const char *otherwise)
{
	if (PG_ARGISNULL(n))
		return otherwise ? pstrdup(otherwise) : NULL;
	return text_to_cstring(PG_GETARG_TEXT_PP(n));
}

/*
 * Returns when a token ends that is issued now; months and days are those of
 * the calendar in UTC, whatever the session's time zone.
 */
static TimestampTz
end_of(TimestampTz now, Datum valid)
{
	TimestampTz end =
	DatumGetTimestampTz(DirectFunctionCall2(timestamp_pl_interval,
											TimestampTzGetDatum(now), valid));

	if (end <= now || TIMESTAMP_NOT_FINITE(end))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a token must be valid for some time, and not for ever"),
				 errhint("Give an interval such as '7 days'.")));
	return end;
}

/*
 * nurture_request_consent(lead_id bigint, channel text, purpose text, topic
 * text, product text, valid interval, source text, evidence jsonb, notice_id
 * text, notice_version text, actor text) returns text: the token.
 */
Datum
nurture_request_consent(PG_FUNCTION_ARGS)
{
	ConsentWords said = {.kind = "requested"};
	uint8		bytes[TOKEN_BYTES];
	Datum		values[10];
	char		nulls[10];
	TimestampTz now = nurture_now_wall();
	OwnerSwitch owner;
	bytea	   *address;
	bool		found;
	bool		erased;
	char	   *token;
	int64		lead_id;
	int64		event_id;
	int			level;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || PG_ARGISNULL(5))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("lead, channel and validity of a request must be given")));
	lead_id = PG_GETARG_INT64(0);
	said.channel = argument(fcinfo, 1, NULL);
	said.purpose = argument(fcinfo, 2, "marketing");
	said.topic = argument(fcinfo, 3, "*");
	said.product = argument(fcinfo, 4, "*");
	values[9] = TimestampTzGetDatum(end_of(now, PG_GETARG_DATUM(5)));
	said.source = argument(fcinfo, 6, NULL);
	if (!PG_ARGISNULL(7))
		said.evidence = JsonbToCString(NULL, &PG_GETARG_JSONB_P(7)->root, 0);
	said.notice_id = argument(fcinfo, 8, NULL);
	said.notice_version = argument(fcinfo, 9, NULL);
	said.actor = argument(fcinfo, 10, NULL);
	nurture_require_channel(said.channel);
	if (nurture_lead_hidden(lead_id))
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_UNKNOWN_LEAD),
				 errmsg("there is no lead " INT64_FORMAT, lead_id),
				 errhint("Or you may not see it; nurture.lead lists those you may.")));

	level = nurture_spi_connect();
	nurture_owner_enter(&owner);
	said.lead_id = who_is(lead_id);
	nurture_owner_leave(&owner);
	/* with the caller's rights: who may record consent may ask for it */
	event_id = nurture_consent_say(&said);

	nurture_owner_enter(&owner);
	address = address_hash(said.lead_id, said.channel, &found, &erased);
	if (erased)
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_BAD_STATE),
				 errmsg("lead " INT64_FORMAT " was erased", lead_id)));
	nurture_token_put_number(bytes, said.lead_id);
	if (!pg_strong_random(bytes + 8, SECRET_BYTES))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not generate random values")));
	token = nurture_token_text(bytes, TOKEN_BYTES);
	memset(nulls, ' ', sizeof(nulls));
	values[0] = Int64GetDatum(said.lead_id);
	values[1] = token_hash(token);
	values[2] = CStringGetTextDatum(said.channel);
	values[3] = CStringGetTextDatum(said.purpose);
	values[4] = CStringGetTextDatum(said.topic);
	values[5] = CStringGetTextDatum(said.product);
	values[6] = Int64GetDatum(event_id);
	values[7] = PointerGetDatum(address);
	nulls[7] = address == NULL ? 'n' : ' ';
	values[8] = TimestampTzGetDatum(now);
	(void) nurture_execute(&add_token, values, nulls, false);
	nurture_owner_leave(&owner);
	values[0] = CStringGetTextDatum(token);
	values[0] = SPI_datumTransfer(values[0], false, -1);
	nurture_spi_finish(level);
	PG_RETURN_DATUM(values[0]);
}

/*
 * nurture_confirm(token text, evidence jsonb) returns bigint: the lead
 * confirms what it was asked; returns the consent_event_id.
 */
Datum
nurture_confirm(PG_FUNCTION_ARGS)
{
	ConsentWords said = {.kind = "confirmed",.source = "double_opt_in"};
	uint8		bytes[TOKEN_BYTES];
	Datum		values[6];
	OwnerSwitch owner;
	char	   *token;
	bytea	   *issued_for;
	bytea	   *address;
	bool		null;
	bool		found;
	bool		erased;
	int64		issued_to;
	int64		event_id;
	int64		request;
	TimestampTz issued_at;
	TimestampTz expires_at;
	TimestampTz now;
	int			level;

	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("the token must be given")));
	token = text_to_cstring(PG_GETARG_TEXT_PP(0));
	if (strlen(token) > 2 * TOKEN_BYTES ||
		nurture_token_bytes(token, strlen(token), bytes, TOKEN_BYTES) != TOKEN_BYTES)
		refuse_token("this is no token of consent",
					 "Pass the token as nurture_request_consent returned it.");
	issued_to = nurture_token_number(bytes);

	/* whoever holds a token needs no other right */
	nurture_owner_enter(&owner);
	level = nurture_spi_connect();
	values[0] = Int64GetDatum(issued_to);
	values[1] = token_hash(token);
	(void) nurture_execute(&find_token, values, NULL, false);
	if (SPI_processed == 0)
		refuse_token("this is no token of consent",
					 "Pass the token as nurture_request_consent returned it; tokens end with the pepper they were made with.");
	said.purpose = nurture_cell_text(0, 1);
	said.lead_id = who_is(issued_to);
	if (nurture_consent_gate_first(said.purpose))
		nurture_gate_lock(said.lead_id);

	(void) nurture_execute(&lock_token, values, NULL, false);
	if (SPI_processed == 0)
		refuse_token("this is no token of consent", ASK_AGAIN);
	said.channel = nurture_cell_text(0, 1);
	said.topic = nurture_cell_text(0, 3);
	said.product = nurture_cell_text(0, 4);
	request = DatumGetInt64(nurture_cell(0, 5, &null));
	values[2] = nurture_cell(0, 6, &null);
	issued_for = null ? NULL : DatumGetByteaPCopy(values[2]);
	issued_at = DatumGetTimestampTz(nurture_cell(0, 7, &null));
	expires_at = DatumGetTimestampTz(nurture_cell(0, 8, &null));
	(void) nurture_cell(0, 9, &null);
	/* after the wait for the row */
	now = nurture_now_wall();
	if (!null)
		refuse_token("this token was used before", ASK_AGAIN);
	if (expires_at <= now)
		refuse_token("this token has expired", ASK_AGAIN);

	address = address_hash(said.lead_id, said.channel, &found, &erased);
	if (!found || erased)
		refuse_token("this is no token of consent", ASK_AGAIN);
	if ((issued_for == NULL) != (address == NULL) ||
		(address != NULL &&
		 (VARSIZE_ANY_EXHDR(issued_for) != VARSIZE_ANY_EXHDR(address) ||
		  memcmp(VARDATA_ANY(issued_for), VARDATA_ANY(address),
				 VARSIZE_ANY_EXHDR(address)) != 0)))
		refuse_token("this token was issued for another address of the lead", ASK_AGAIN);

	values[0] = Int64GetDatum(said.lead_id);
	values[1] = TimestampTzGetDatum(issued_at);
	values[2] = CStringGetTextDatum(said.channel);
	values[3] = CStringGetTextDatum(said.purpose);
	values[4] = CStringGetTextDatum(said.topic);
	values[5] = CStringGetTextDatum(said.product);
	(void) nurture_execute(&denied_since, values, NULL, false);
	if (SPI_processed > 0)
		refuse_token("the lead said no after this token had been issued",
					 "Record what the lead says now with nurture_consent, or ask again with nurture_request_consent.");

	if (PG_ARGISNULL(1))
		said.evidence = psprintf("{\"requested_consent_event_id\": " INT64_FORMAT "}", request);
	else
		said.evidence = psprintf("{\"requested_consent_event_id\": " INT64_FORMAT ", \"given\": %s}", request,
								 JsonbToCString(NULL, &PG_GETARG_JSONB_P(1)->root, 0));
	said.confirmed_for = issued_for;
	event_id = nurture_consent_say(&said);
	values[0] = Int64GetDatum(issued_to);
	values[1] = token_hash(token);
	values[2] = TimestampTzGetDatum(now);
	values[3] = Int64GetDatum(event_id);
	(void) nurture_execute(&use_token, values, NULL, false);
	nurture_spi_finish(level);
	nurture_owner_leave(&owner);
	PG_RETURN_INT64(event_id);
}
