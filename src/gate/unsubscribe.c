/*
 * unsubscribe.c
 *	  One-click unsubscription (RFC 8058): a token per lead and list, and the
 *	  function that a mail provider's POST ends in.
 *
 * Nothing is stored for a token.  It is the lead, the list (a scope of
 * consent) and the message it came with, and an HMAC of these with the
 * pepper.  It does not expire and may be used again: what it does is what the
 * lead may always do.
 */
#include "base/compat.h"

#include "base/errors.h"
#include "base/owner.h"
#include "base/plans.h"
#include "catalog/pg_type.h"
#include "facts/lead.h"
#include "gate/consent_say.h"
#include "gate/gate_private.h"
#include "gate/token.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"

NURTURE_FUNCTION(nurture_unsubscribe_token);
NURTURE_FUNCTION(nurture_one_click);

#define TOKEN_VERSION	1
#define TOKEN_HEAD		17		/* version, lead, message */
#define TOKEN_WORD_MAX	200		/* bytes of a word of the scope */
#define TOKEN_MAX		(TOKEN_HEAD + 4 * (TOKEN_WORD_MAX + 1))
#define TOKEN_KEY		"unsubscribe"	/* what the HMAC is for */

static KeptPlan read_state =
KEPT_PLAN("SELECT c.state FROM nurture.consent AS c"
		  " WHERE c.lead_id = $1 AND c.channel = $2 AND c.purpose = $3"
		  " AND c.topic = $4 AND c.product = $5",
		  INT8OID, TEXTOID, TEXTOID, TEXTOID, TEXTOID);

static KeptPlan find_lead =
KEPT_PLAN("SELECT 1 FROM nurture.lead AS l"
		  " WHERE l.lead_id = $1 AND l.erased_at IS NULL", INT8OID);

/*
 * Returns the token by which a lead leaves a list: what is sent by a channel
 * for a purpose, topic and product, "*" for all.  message_id is the message it
 * goes with, 0 for none.  Lives in the current memory context.
 */
char	   *
nurture_gate_unsubscribe_token(int64 lead_id, int64 message_id,
							   const char *channel, const char *purpose,
							   const char *topic, const char *product)
{
	const GateRules *rules = nurture_gate_rules();
	const char *words[4] = {channel, purpose, topic, product};
	uint8		bytes[TOKEN_MAX];
	uint8		mac[GATE_HASH_LEN];
	int			n = TOKEN_HEAD;
	char	   *body;

	bytes[0] = TOKEN_VERSION;
	nurture_token_put_number(bytes + 1, lead_id);
	nurture_token_put_number(bytes + 9, message_id);
	for (int i = 0; i < lengthof(words); i++)
	{
		int			len = strlen(words[i]);

		if (len == 0 || len > TOKEN_WORD_MAX)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("channel, purpose, topic and product of a list have 1 to %d bytes",
							TOKEN_WORD_MAX)));
		memcpy(bytes + n, words[i], len + 1);
		n += len + 1;
	}
	body = nurture_token_text(bytes, n);
	nurture_gate_hash(rules, TOKEN_KEY, body, mac);
	return psprintf("%s.%s", body, nurture_token_text(mac, GATE_HASH_LEN));
}

/* What a token says. */
typedef struct Unsubscription
{
	int64		lead_id;
	int64		message_id;		/* 0 = none */
	char	   *words[4];		/* channel, purpose, topic, product */
} Unsubscription;

/* Reads a token that is ours; answers false when it is not. */
static bool
read_token(const char *token, Unsubscription *what)
{
	const GateRules *rules = nurture_gate_rules();
	const char *dot = strchr(token, '.');
	uint8		bytes[TOKEN_MAX];
	uint8		given[GATE_HASH_LEN];
	uint8		mac[GATE_HASH_LEN];
	char	   *body;
	int			n;
	int			at = TOKEN_HEAD;

	if (dot == NULL || dot - token > TOKEN_MAX * 2 ||
		nurture_token_bytes(dot + 1, Min(strlen(dot + 1), TOKEN_MAX * 2),
							given, GATE_HASH_LEN) != GATE_HASH_LEN)
		return false;
	body = pnstrdup(token, dot - token);
	nurture_gate_hash(rules, TOKEN_KEY, body, mac);
	if (!nurture_token_same(mac, given, GATE_HASH_LEN))
		return false;
	/* it is ours: what follows holds unless the pepper leaked */
	n = nurture_token_bytes(body, dot - token, bytes, TOKEN_MAX);
	if (n <= TOKEN_HEAD || bytes[0] != TOKEN_VERSION || bytes[n - 1] != '\0')
		return false;
	what->lead_id = nurture_token_number(bytes + 1);
	what->message_id = nurture_token_number(bytes + 9);
	for (int i = 0; i < lengthof(what->words); i++)
	{
		if (at >= n)
			return false;
		what->words[i] = pstrdup((char *) bytes + at);
		at += strlen(what->words[i]) + 1;
	}
	return at == n;
}

/*
 * Tells whether there is still something to withdraw: the lead is known, and
 * has not said no to just this before.  Where the gate row cannot be locked
 * first, no is said again.
 */
static bool
has_effect(const Unsubscription *what)
{
	GateLead	lead = {0};
	Datum		values[5];
	bool		settled = nurture_consent_gate_first(what->words[1]);

	if (settled && !nurture_gate_update(what->lead_id, 1, false, NULL, &lead))
		return false;
	values[0] = Int64GetDatum(what->lead_id);
	(void) nurture_execute(&find_lead, values, NULL, false);
	if (SPI_processed == 0)
		return false;
	if (!settled)
		return true;
	for (int i = 0; i < lengthof(what->words); i++)
		values[i + 1] = CStringGetTextDatum(what->words[i]);
	(void) nurture_execute(&read_state, values, NULL, false);
	return SPI_processed == 0 ||
		!nurture_consent_forbids(nurture_consent_state(nurture_cell_text(0, 1)));
}

/*
 * nurture_unsubscribe_token(lead_id bigint, channel text, purpose text,
 * topic text, product text, message_id bigint) returns text
 */
Datum
nurture_unsubscribe_token(PG_FUNCTION_ARGS)
{
	const char *words[4] = {NULL, "marketing", "*", "*"};
	int64		lead_id;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("lead and channel must be given")));
	lead_id = PG_GETARG_INT64(0);
	for (int i = 0; i < lengthof(words); i++)
	{
		if (!PG_ARGISNULL(i + 1))
			words[i] = text_to_cstring(PG_GETARG_TEXT_PP(i + 1));
	}
	nurture_require_channel(words[0]);
	/* who may hold one may withdraw the lead's consent */
	if (pg_class_aclcheck(nurture_table_oid("consent_event", false),
						  GetUserId(), ACL_INSERT) != ACLCHECK_OK)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to issue tokens of unsubscription"),
				 errhint("A token lets its holder withdraw consent; it takes the right to INSERT into nurture.consent_event.")));
	nurture_lead_require_seen(lead_id);
	PG_RETURN_TEXT_P(cstring_to_text(nurture_gate_unsubscribe_token(lead_id,
																	PG_ARGISNULL(5) ? 0 : PG_GETARG_INT64(5),
																	words[0], words[1], words[2], words[3])));
}

/*
 * nurture_one_click(token text) returns bigint: the lead leaves the list.
 * Returns how many messages that cancelled; 0 when it had left before, or is
 * no longer known.
 */
Datum
nurture_one_click(PG_FUNCTION_ARGS)
{
	Unsubscription what;
	OwnerSwitch owner;
	int64		before = nurture_cancelled_messages;
	int			level;

	if (!read_token(text_to_cstring(PG_GETARG_TEXT_PP(0)), &what))
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_TOKEN),
				 errmsg("this is no token of unsubscription"),
				 errhint("Pass the token as nurture_take or nurture_unsubscribe_token returned it; tokens end with the pepper they were made with.")));

	/* whoever holds a token needs no other right */
	nurture_owner_enter(&owner);
	level = nurture_spi_connect();
	if (has_effect(&what))
	{
		ConsentWords said = {
			.lead_id = what.lead_id,.kind = "withdrawn",
			.channel = what.words[0],.purpose = what.words[1],
			.topic = what.words[2],.product = what.words[3],
			.source = "one_click",
			.evidence = what.message_id == 0 ? NULL :
			psprintf("{\"message_id\": " INT64_FORMAT "}", what.message_id)
		};

		(void) nurture_consent_say(&said);
	}
	nurture_spi_finish(level);
	nurture_owner_leave(&owner);
	PG_RETURN_INT64(nurture_cancelled_messages - before);
}
