/*
 * suppress.c
 *	  Hard blocks on leads, accounts, contact points and domains, and on one
 *	  address of one lead.
 */
#include "base/compat.h"

#include "audit/audit.h"
#include "base/author.h"
#include "base/clock.h"
#include "base/errors.h"
#include "base/owner.h"
#include "base/plans.h"
#include "catalog/pg_type.h"
#include "gate/contact_point.h"
#include "gate/pepper.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

NURTURE_FUNCTION(nurture_suppress);
NURTURE_FUNCTION(nurture_unsuppress);

static KeptPlan add_block =
KEPT_PLAN("INSERT INTO nurture.suppression AS s (scope, key_hash, reason,"
		  " until, source, since) VALUES ($1, $2, $3, $4, $5, $6)"
		  " ON CONFLICT (key_hash, scope) DO UPDATE SET"
		  " reason = CASE WHEN EXCLUDED.until >= s.until"
		  " THEN EXCLUDED.reason ELSE s.reason END,"
		  " source = CASE WHEN EXCLUDED.until >= s.until"
		  " THEN EXCLUDED.source ELSE s.source END,"
		  " since = CASE WHEN s.until <= EXCLUDED.since"
		  " THEN EXCLUDED.since ELSE s.since END,"
		  " until = GREATEST(s.until, EXCLUDED.until)",
		  TEXTOID, BYTEAOID, TEXTOID, TIMESTAMPTZOID, TEXTOID,
		  TIMESTAMPTZOID);

static KeptPlan remove_block =
KEPT_PLAN("DELETE FROM nurture.suppression AS s"
		  " WHERE s.key_hash = $2 AND s.scope = $1", TEXTOID, BYTEAOID);

static KeptPlan find_block =
KEPT_PLAN("SELECT s.reason, s.until, s.source FROM nurture.suppression AS s"
		  " WHERE s.key_hash = $1 AND s.scope = $2 AND s.until > $3",
		  BYTEAOID, TEXTOID, TIMESTAMPTZOID);

static KeptPlan find_by_email =
KEPT_PLAN("SELECT l.lead_id FROM nurture.lead AS l"
		  " WHERE @extschema@.nurture_normal_email(l.email) = $1"
		  " ORDER BY l.lead_id", TEXTOID);

static KeptPlan find_by_phone =
KEPT_PLAN("SELECT l.lead_id FROM nurture.lead AS l"
		  " WHERE @extschema@.nurture_normal_phone(l.phone, l.country) = $1"
		  " ORDER BY l.lead_id", TEXTOID);

static KeptPlan find_by_account =
KEPT_PLAN("SELECT l.lead_id FROM nurture.lead AS l"
		  " WHERE l.account_id = $1 ORDER BY l.lead_id", INT8OID);

/* the domain, and what lies in it */
static KeptPlan find_by_domain =
KEPT_PLAN_SCAN("SELECT l.lead_id FROM nurture.lead AS l, LATERAL ("
			   "SELECT pg_catalog.split_part("
			   "@extschema@.nurture_normal_email(l.email), '@', -1)"
			   " OFFSET 0) AS d (domain)"
			   " WHERE l.email IS NOT NULL AND (d.domain = $1"
			   " OR right(d.domain, length($1) + 1) = '.' || $1)"
			   " ORDER BY l.lead_id", TEXTOID);

static KeptPlan find_by_id =
KEPT_PLAN("SELECT l.lead_id FROM nurture.lead AS l WHERE l.lead_id = $1",
		  INT8OID);

static KeptPlan find_contact =
KEPT_PLAN("SELECT l.email, l.phone, l.country FROM nurture.lead AS l"
		  " WHERE l.lead_id = $1", INT8OID);

static KeptPlan flag_lead =
KEPT_PLAN("INSERT INTO nurture.gate AS g (lead_id, seq, suppressed)"
		  " VALUES ($1, 1, $2) ON CONFLICT (lead_id) DO UPDATE"
		  " SET seq = g.seq + 1, suppressed = g.suppressed OR EXCLUDED.suppressed",
		  INT8OID, BOOLOID);

/* What a suppression is about. */
typedef struct SuppressedKey
{
	const char *scope;
	const char *value;			/* normalised, NULL = its hash alone is known */
	uint8		hash[GATE_HASH_LEN];
	ContactKind kind;			/* of messages it forbids; CONTACT_NONE = all */
	KeptPlan   *find;			/* leads it concerns */
	Datum		find_by;		/* its parameter */
	bool		flags;			/* the gate row says that there is one: */
	int64		lead_id;		/* of this lead */
} SuppressedKey;

static void
raise_no_value(const char *what, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("the value to suppress is no %s", what),
			 errhint("%s", hint)));
}

static int64
read_id(const char *value, const char *what)
{
	char	   *end;
	int64		id;

	errno = 0;
	id = strtoi64(value, &end, 10);
	if (errno != 0 || end == value || *end != '\0')
		raise_no_value(what, "Give its number.");
	return id;
}

/* Reads an e-mail address or a phone number into the key. */
static void
read_contact(const char *value, SuppressedKey *key)
{
	bool		e164;

	if (strchr(value, '@') != NULL)
	{
		key->kind = CONTACT_EMAIL;
		key->value = nurture_gate_normal_email(value);
		if (key->value == NULL)
			raise_no_value("e-mail address",
						   "Write it without name and brackets, such as anna@example.com.");
		key->find = &find_by_email;
	}
	else
	{
		key->kind = CONTACT_PHONE;
		key->value = nurture_gate_normal_phone(value, NULL, &e164);
		if (!e164)
			raise_no_value("e-mail address, and no phone number with its country code",
						   "Write a number as +33 1 23 45 67 89, or use nurture_normal_phone(number, country).");
		key->find = &find_by_phone;
	}
	key->find_by = CStringGetTextDatum(key->value);
}

static void
read_lead_address(const char *value, SuppressedKey *key)
{
	const char *colon = strchr(value, ':');

	if (colon == NULL)
		raise_no_value("address of a lead",
					   "Write the number of the lead, a colon and the address, such as 42:anna@example.com.");
	key->lead_id = read_id(pnstrdup(value, colon - value), "lead");
	read_contact(colon + 1, key);
	key->value = psprintf(INT64_FORMAT ":%s", key->lead_id, key->value);
	key->find = &find_by_id;
	key->find_by = Int64GetDatum(key->lead_id);
	key->flags = true;
}

/* Reads scope and value; raises unless they are some. */
static void
read_key(const char *scope, const char *value, SuppressedKey *key)
{
	memset(key, 0, sizeof(*key));
	key->scope = scope;
	if (strcmp(scope, "contact_point") == 0)
		read_contact(value, key);
	else if (strcmp(scope, "lead_address") == 0)
		read_lead_address(value, key);
	else if (strcmp(scope, "domain") == 0)
	{
		const char *at = strrchr(value, '@');

		key->kind = CONTACT_EMAIL;
		key->value = nurture_gate_normal_domain(at ? at + 1 : value);
		if (key->value == NULL || strchr(key->value, '.') == NULL)
			raise_no_value("domain",
						   "Write it with two labels at least, such as example.com; what lies in it is covered.");
		key->find = &find_by_domain;
		key->find_by = CStringGetTextDatum(key->value);
	}
	else if (strcmp(scope, "lead") == 0 || strcmp(scope, "account") == 0)
	{
		key->flags = strcmp(scope, "lead") == 0;
		key->lead_id = read_id(value, scope);
		key->value = psprintf(INT64_FORMAT, key->lead_id);
		key->find = key->flags ? &find_by_id : &find_by_account;
		key->find_by = Int64GetDatum(key->lead_id);
	}
	else
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_UNKNOWN_CODE),
				 errmsg("unknown scope of suppression \"%.64s\"", scope),
				 errhint("Scopes are contact_point, domain, lead, account and lead_address.")));
	nurture_gate_hash(nurture_gate_rules(), scope, key->value, key->hash);
}

static void
check_right(AclMode mode)
{
	if (pg_class_aclcheck(nurture_table_oid("suppression", false), GetUserId(),
						  mode) != ACLCHECK_OK)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to change suppressions"),
				 errhint("It needs the right to INSERT into, and to lift one to DELETE from, nurture.suppression.")));
}

/*
 * Updates the gate rows of the leads a key concerns, in lead order and found
 * with the latest snapshot; returns their number and ids.
 */
static uint64
touch_leads(const SuppressedKey *key, bool set, int64 **ids)
{
	Datum		values[2] = {key->find_by, BoolGetDatum(set)};
	uint64		n;

	(void) nurture_execute_latest(key->find, values, NULL, false);
	n = SPI_processed;
	*ids = palloc(sizeof(int64) * Max(n, 1));
	for (uint64 row = 0; row < n; row++)
	{
		bool		null;

		(*ids)[row] = DatumGetInt64(nurture_cell(row, 1, &null));
	}
	if (key->flags)
	{
		/* the row is made for a lead that is not there yet */
		values[0] = Int64GetDatum(key->lead_id);
		nurture_gate_epoch++;
		(void) nurture_execute(&flag_lead, values, NULL, false);
		return n;
	}
	for (uint64 row = 0; row < n; row++)
	{
		CHECK_FOR_INTERRUPTS();
		nurture_gate_lock((*ids)[row]);
	}
	return n;
}

/* What is said about a suppression, or its end. */
typedef struct SuppressionWords
{
	const char *outcome;
	const char *reason;
	const char *source;
	const char *actor;			/* NULL = as the session says */
	TimestampTz until;
} SuppressionWords;

static void
record(const SuppressedKey *key, const int64 *ids, uint64 n,
	   const SuppressionWords *words)
{
	AuditEntry *entries = palloc0(sizeof(AuditEntry) * Max(n, 1));

	for (uint64 i = 0; i < Max(n, 1); i++)
	{
		AuditEntry *entry = &entries[i];

		entry->has_lead = n > 0;
		entry->lead_id = n > 0 ? ids[i] : 0;
		entry->kind = "suppression";
		entry->object = psprintf("suppression:%s", key->scope);
		entry->outcome = words->outcome;
		entry->inputs = words->source == NULL ? NULL :
			psprintf("until %s, by %s", TIMESTAMP_IS_NOEND(words->until) ?
					 "lifted" : pstrdup(timestamptz_to_str(words->until)),
					 words->source);
		entry->reason = words->reason;
		entry->actor = words->actor;
	}
	nurture_audit_append(entries, Max(n, 1));
}

/* Cancels what a key forbids to a lead. */
static void
cancel_for(const SuppressedKey *key, int64 lead_id)
{
	CancelScope cancel = {
		.lead_id = lead_id,.classes = CLASS_ALL,.channel = "*",.topic = "*",
		.product = "*",.reason = "suppressed",
		.cause = psprintf("suppression:%s", key->scope)
	};

	if (key->kind != CONTACT_NONE)
		cancel.channels = nurture_contact_channels(key->kind);
	(void) nurture_gate_cancel(&cancel);
}

/*
 * Puts a suppression in force and cancels what it forbids.  One of a merged
 * lead binds its survivor as well.  Connected to SPI, as the owner.
 */
static void
put_block(const SuppressedKey *key, const SuppressionWords *words)
{
	Datum		values[6];
	int64	   *ids;
	uint64		n;

	nurture_pepper_claim(nurture_gate_rules());
	/* before the gates, as whoever gives it to a lead does */
	if (key->value != NULL && !key->flags)
		nurture_contact_lock(key->scope, key->value, true);
	n = touch_leads(key, true, &ids);
	values[0] = CStringGetTextDatum(key->scope);
	values[1] = nurture_gate_hash_datum(key->hash);
	values[2] = CStringGetTextDatum(words->reason);
	values[3] = TimestampTzGetDatum(words->until);
	values[4] = CStringGetTextDatum(words->source);
	values[5] = TimestampTzGetDatum(nurture_now_wall());
	(void) nurture_execute(&add_block, values, NULL, false);
	/* of an address it no longer has, a lead has nothing queued */
	for (uint64 i = 0; i < n && key->value != NULL; i++)
	{
		CHECK_FOR_INTERRUPTS();
		cancel_for(key, ids[i]);
	}
	record(key, ids, n, words);
	/* what is for a time only holds their next steps */
	for (uint64 i = 0; i < n && TIMESTAMP_IS_NOEND(words->until) && nurture_gate_tracks != NULL; i++)
		nurture_gate_tracks->denied(ids[i], "suppressed", "suppression");
	if (key->flags)
	{
		int64		survivor = nurture_gate_survivor(key->lead_id);

		if (survivor != 0)
			nurture_suppress_inherit(key->lead_id, survivor);
	}
}

/* Puts a contact point out of use; see contact_point.h. */
void
nurture_suppress_contact(const ContactBlock *block)
{
	SuppressedKey key;
	SuppressionWords words = {
		.outcome = "suppressed",.reason = block->reason,
		.source = block->source,.until = block->until
	};

	if (block->address != NULL)
		read_key(block->lead_only ? "lead_address" : "contact_point",
				 block->lead_only ?
				 psprintf(INT64_FORMAT ":%s", block->lead_id, block->address) :
				 block->address, &key);
	else
	{
		if (block->lead_only)
			return;				/* it has another already */
		memset(&key, 0, sizeof(key));
		key.scope = "contact_point";
		memcpy(key.hash, block->hash, GATE_HASH_LEN);
		key.kind = block->kind;
		key.find = &find_by_id;
		key.find_by = Int64GetDatum(block->lead_id);
	}
	put_block(&key, &words);
}

/* Suppresses something as something else is; tells whether that is. */
static bool
inherit(const char *scope, const char *value, const char *as, const char *same)
{
	SuppressedKey key;
	SuppressionWords words = {.outcome = "suppressed"};
	Datum		values[3];
	bool		null;

	read_key(scope, value, &key);
	values[0] = nurture_gate_hash_datum(key.hash);
	values[1] = CStringGetTextDatum(scope);
	values[2] = TimestampTzGetDatum(nurture_now_wall());
	(void) nurture_execute_latest(&find_block, values, NULL, false);
	if (SPI_processed == 0)
		return false;
	words.reason = nurture_cell_text(0, 1);
	words.until = DatumGetTimestampTz(nurture_cell(0, 2, &null));
	words.source = nurture_cell_text(0, 3);
	if (words.source == NULL)
		words.source = "merge";
	read_key(as, same, &key);
	put_block(&key, &words);
	return true;
}

/* Suppresses the survivor of a merge as the merged lead is. */
void
nurture_suppress_inherit(int64 lead_id, int64 survivor)
{
	Datum		value = Int64GetDatum(lead_id);
	char	   *texts[3];

	(void) inherit("lead", psprintf(INT64_FORMAT, lead_id),
				   "lead", psprintf(INT64_FORMAT, survivor));
	(void) nurture_execute_latest(&find_contact, &value, NULL, false);
	if (SPI_processed == 0)
		return;
	for (int i = 0; i < 3; i++)
		texts[i] = nurture_cell_text(0, i + 1);
	for (ContactKind kind = CONTACT_EMAIL; kind <= CONTACT_PHONE; kind++)
	{
		ContactPoint point;

		nurture_contact_read(kind, texts[0], texts[1], texts[2], &point);
		if (point.address != NULL && point.fault == NULL)
			(void) inherit("lead_address",
						   psprintf(INT64_FORMAT ":%s", lead_id, point.address),
						   "lead_address",
						   psprintf(INT64_FORMAT ":%s", survivor, point.address));
	}
}

/* Lists the leads that have an address. */
int
nurture_suppress_holders(const char *address, int64 **ids)
{
	SuppressedKey key;
	int			n;

	read_key("contact_point", address, &key);
	(void) nurture_execute_latest(key.find, &key.find_by, NULL, false);
	n = (int) SPI_processed;
	*ids = palloc(sizeof(int64) * Max(n, 1));
	for (int row = 0; row < n; row++)
	{
		bool		null;

		(*ids)[row] = DatumGetInt64(nurture_cell(row, 1, &null));
	}
	return n;
}

/* Keeps what binds an address of a lead that is erased. */
bool
nurture_suppress_keep(int64 lead_id, const char *address)
{
	bool		kept = inherit("lead", psprintf(INT64_FORMAT, lead_id), "contact_point", address);

	return inherit("lead_address", psprintf(INT64_FORMAT ":%s", lead_id, address),
				   "contact_point", address) || kept;
}

static char *
require_reason(FunctionCallInfo fcinfo)
{
	char	   *reason;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || PG_ARGISNULL(2))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("scope, value and reason of a suppression must be given")));
	reason = text_to_cstring(PG_GETARG_TEXT_PP(2));
	if (reason[strspn(reason, " \t\r\n")] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the reason of a suppression is empty"),
				 errhint("It is what the next person reads; write a few words.")));
	return reason;
}

/*
 * nurture_suppress(scope text, value text, reason text, until timestamptz,
 * actor text) returns bigint: how many messages that cancelled.
 */
Datum
nurture_suppress(PG_FUNCTION_ARGS)
{
	SuppressedKey key;
	SuppressionWords words = {.outcome = "suppressed"};
	int64		before = nurture_cancelled_messages;
	OwnerSwitch owner;
	int			level;

	words.reason = require_reason(fcinfo);
	words.until = PG_ARGISNULL(3) ? DT_NOEND : PG_GETARG_TIMESTAMPTZ(3);
	words.actor = PG_ARGISNULL(4) ? NULL :
		text_to_cstring(PG_GETARG_TEXT_PP(4));
	check_right(ACL_INSERT);
	if (words.until <= nurture_now_wall())
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the end of the suppression lies in the past")));
	words.source = nurture_actor(words.actor);
	nurture_pepper_warn(nurture_gate_rules());
	nurture_owner_enter(&owner);
	level = nurture_spi_connect();
	read_key(text_to_cstring(PG_GETARG_TEXT_PP(0)),
			 text_to_cstring(PG_GETARG_TEXT_PP(1)), &key);
	put_block(&key, &words);
	nurture_spi_finish(level);
	nurture_owner_leave(&owner);
	PG_RETURN_INT64(nurture_cancelled_messages - before);
}

/*
 * nurture_unsuppress(scope text, value text, reason text, actor text) returns
 * boolean: whether there was one.
 */
Datum
nurture_unsuppress(PG_FUNCTION_ARGS)
{
	SuppressedKey key;
	SuppressionWords words = {.outcome = "unsuppressed"};
	OwnerSwitch owner;
	int			level;
	Datum		values[2];
	int64	   *ids;
	uint64		n;
	bool		removed;

	words.reason = require_reason(fcinfo);
	words.actor = PG_ARGISNULL(3) ? NULL :
		text_to_cstring(PG_GETARG_TEXT_PP(3));
	check_right(ACL_DELETE);
	nurture_owner_enter(&owner);
	level = nurture_spi_connect();
	read_key(text_to_cstring(PG_GETARG_TEXT_PP(0)),
			 text_to_cstring(PG_GETARG_TEXT_PP(1)), &key);
	n = touch_leads(&key, false, &ids);
	values[0] = CStringGetTextDatum(key.scope);
	values[1] = nurture_gate_hash_datum(key.hash);
	(void) nurture_execute(&remove_block, values, NULL, false);
	removed = SPI_processed > 0;
	if (removed)
		record(&key, ids, n, &words);
	nurture_spi_finish(level);
	nurture_owner_leave(&owner);
	PG_RETURN_BOOL(removed);
}
