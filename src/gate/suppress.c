/*
 * suppress.c
 *	  Hard blocks on leads, accounts, contact points and domains.
 */
#include "base/compat.h"

#include "audit/audit.h"
#include "base/clock.h"
#include "base/errors.h"
#include "base/owner.h"
#include "base/plans.h"
#include "base/settings.h"
#include "catalog/pg_type.h"
#include "gate/gate_private.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"

NURTURE_FUNCTION(nurture_suppress);
NURTURE_FUNCTION(nurture_unsuppress);

static KeptPlan add_block =
KEPT_PLAN("INSERT INTO nurture.suppression AS s (scope, key_hash, reason,"
		  " until) VALUES ($1, $2, $3, $4)"
		  " ON CONFLICT (key_hash, scope) DO UPDATE"
		  " SET reason = EXCLUDED.reason,"
		  " until = GREATEST(s.until, EXCLUDED.until)",
		  TEXTOID, BYTEAOID, TEXTOID, TIMESTAMPTZOID);

static KeptPlan remove_block =
KEPT_PLAN("DELETE FROM nurture.suppression AS s"
		  " WHERE s.key_hash = $2 AND s.scope = $1", TEXTOID, BYTEAOID);

static KeptPlan find_block =
KEPT_PLAN("SELECT s.reason, s.until FROM nurture.suppression AS s"
		  " WHERE s.key_hash = $1 AND s.scope = 'lead'", BYTEAOID);

static KeptPlan find_by_email =
KEPT_PLAN("SELECT l.lead_id FROM nurture.lead AS l"
		  " WHERE @extschema@.nurture_normal_email(l.email) = $1"
		  " ORDER BY l.lead_id", TEXTOID);

static KeptPlan find_by_phone =
KEPT_PLAN("SELECT l.lead_id FROM nurture.lead AS l"
		  " WHERE @extschema@.nurture_normal_phone(l.phone) = $1"
		  " ORDER BY l.lead_id", TEXTOID);

static KeptPlan find_by_account =
KEPT_PLAN("SELECT l.lead_id FROM nurture.lead AS l"
		  " WHERE l.account_id = $1 ORDER BY l.lead_id", INT8OID);

static KeptPlan find_by_domain =
KEPT_PLAN_SCAN("SELECT l.lead_id FROM nurture.lead AS l"
			   " WHERE pg_catalog.split_part(@extschema@.nurture_normal_email(l.email), '@', -1) = $1"
			   " ORDER BY l.lead_id", TEXTOID);

static KeptPlan find_by_id =
KEPT_PLAN("SELECT l.lead_id FROM nurture.lead AS l WHERE l.lead_id = $1",
		  INT8OID);

static KeptPlan flag_lead =
KEPT_PLAN("INSERT INTO nurture.gate AS g (lead_id, seq, suppressed)"
		  " VALUES ($1, 1, $2) ON CONFLICT (lead_id) DO UPDATE"
		  " SET seq = g.seq + 1, suppressed = EXCLUDED.suppressed",
		  INT8OID, BOOLOID);

/* What a suppression is about. */
typedef struct SuppressedKey
{
	const char *scope;
	char	   *value;			/* normalised */
	const char *channels[2];	/* of messages it forbids; NULL = all */
	KeptPlan   *find;			/* leads it concerns */
	bool		by_id;			/* value is a number */
	int64		id;
} SuppressedKey;

static void
read_block(const char *scope, const char *value, SuppressedKey *block)
{
	memset(block, 0, sizeof(*block));
	block->scope = scope;
	if (strcmp(scope, "contact_point") == 0)
	{
		if (strchr(value, '@') != NULL)
		{
			block->value = nurture_gate_normal_email(value);
			block->channels[0] = "email";
			block->find = &find_by_email;
		}
		else
		{
			block->value = nurture_gate_normal_phone(value);
			block->channels[0] = "phone";
			block->channels[1] = "sms";
			block->find = &find_by_phone;
		}
	}
	else if (strcmp(scope, "domain") == 0)
	{
		const char *at = strrchr(value, '@');
		char	   *whole = nurture_gate_normal_email(psprintf("x@%s", at ? at + 1 : value));

		block->value = whole ? whole + 2 : NULL;
		block->channels[0] = "email";
		block->find = &find_by_domain;
	}
	else if (strcmp(scope, "lead") == 0 || strcmp(scope, "account") == 0)
	{
		block->by_id = true;
		block->id = pg_strtoint64(value);
		block->value = psprintf(INT64_FORMAT, block->id);
		block->find = strcmp(scope, "lead") == 0 ? &find_by_id :
			&find_by_account;
	}
	else
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_UNKNOWN_CODE),
				 errmsg("unknown scope of suppression \"%s\"", scope),
				 errhint("Scopes are contact_point, domain, lead and account.")));
	if (block->value == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the value to suppress is no address")));
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

/* Says once per session that the pepper lies in the database. */
static void
warn_of_pepper(void)
{
	static bool warned = false;

	if (warned || (nurture_pepper_file != NULL && nurture_pepper_file[0]))
		return;
	warned = true;
	ereport(NOTICE,
			(errmsg("hashes of contact points use a key that is kept in the database"),
			 errhint("For more than trials set nurture.pepper_file; losing that file means losing every suppression.")));
}

/*
 * Updates the gate rows of the leads a block concerns, in lead order and found
 * with the latest snapshot; returns their number and ids.
 */
static uint64
touch_leads(const SuppressedKey *block, bool set, int64 **ids)
{
	Datum		values[2];
	uint64		n;

	values[0] = block->by_id ? Int64GetDatum(block->id) :
		CStringGetTextDatum(block->value);
	(void) nurture_execute_latest(block->find, values, NULL, false);
	n = SPI_processed;
	*ids = palloc(sizeof(int64) * Max(n, 1));
	for (uint64 row = 0; row < n; row++)
	{
		bool		null;

		(*ids)[row] = DatumGetInt64(nurture_cell(row, 1, &null));
	}
	if (strcmp(block->scope, "lead") == 0)
	{
		/* the row is made for a lead that is not there yet */
		values[1] = BoolGetDatum(set);
		nurture_gate_epoch++;
		(void) nurture_execute(&flag_lead, values, NULL, false);
		return n;
	}
	for (uint64 row = 0; row < n; row++)
		nurture_gate_lock((*ids)[row]);
	return n;
}

static void
record_block(const SuppressedKey *block, const int64 *ids, uint64 n,
			 const char *outcome, const char *reason)
{
	AuditEntry *entries = palloc0(sizeof(AuditEntry) * (n + 1));
	int			count = 0;

	for (uint64 i = 0; i < Max(n, 1); i++)
	{
		AuditEntry *entry = &entries[count++];

		entry->has_lead = n > 0;
		entry->lead_id = n > 0 ? ids[i] : 0;
		entry->kind = "suppression";
		entry->object = psprintf("suppression:%s", block->scope);
		entry->outcome = outcome;
		entry->reason = reason;
	}
	nurture_audit_append(entries, count);
}

/*
 * Puts a block in force and cancels what it forbids.  One of a merged lead
 * binds its survivor as well.  Connected to SPI, as the owner.
 */
static void
put_block(const SuppressedKey *block, const char *reason, TimestampTz until)
{
	uint8		hash[GATE_HASH_LEN];
	Datum		values[4];
	int64	   *ids;
	uint64		n;

	nurture_gate_hash(nurture_gate_rules(), block->scope, block->value, hash);
	if (strcmp(block->scope, "contact_point") == 0)
		nurture_gate_lock_address(hash, true);
	n = touch_leads(block, true, &ids);
	values[0] = CStringGetTextDatum(block->scope);
	values[1] = nurture_gate_hash_datum(hash);
	values[2] = CStringGetTextDatum(reason);
	values[3] = TimestampTzGetDatum(until);
	(void) nurture_execute(&add_block, values, NULL, false);
	for (uint64 i = 0; i < n; i++)
	{
		CancelScope cancel = {
			.lead_id = ids[i],.classes = CLASS_ALL,.channel = "*",
			.topic = "*",.product = "*",.reason = "suppressed",
			.cause = psprintf("suppression:%s", block->scope)
		};

		for (int j = 0; j < lengthof(block->channels); j++)
		{
			if (block->channels[j] == NULL && j > 0)
				break;
			if (block->channels[j] != NULL)
				cancel.channel = block->channels[j];
			(void) nurture_gate_cancel(&cancel);
		}
	}
	record_block(block, ids, n, "suppressed", reason);
	if (strcmp(block->scope, "lead") == 0)
	{
		int64		survivor = nurture_gate_survivor(block->id);

		if (survivor != 0)
		{
			SuppressedKey same;

			read_block("lead", psprintf(INT64_FORMAT, survivor), &same);
			put_block(&same, reason, until);
		}
	}
}

/* Suppresses the survivor of a merge if the merged lead is. */
void
nurture_suppress_inherit(int64 lead_id, int64 survivor)
{
	SuppressedKey block;
	uint8		hash[GATE_HASH_LEN];
	Datum		value;
	bool		null;

	read_block("lead", psprintf(INT64_FORMAT, lead_id), &block);
	nurture_gate_hash(nurture_gate_rules(), block.scope, block.value, hash);
	value = nurture_gate_hash_datum(hash);
	(void) nurture_execute_latest(&find_block, &value, NULL, false);
	if (SPI_processed == 0)
		return;
	read_block("lead", psprintf(INT64_FORMAT, survivor), &block);
	put_block(&block, nurture_cell_text(0, 1),
			  DatumGetTimestampTz(nurture_cell(0, 2, &null)));
}

/*
 * nurture_suppress(scope text, value text, reason text, until timestamptz)
 * returns bigint: how many messages that cancelled.
 */
Datum
nurture_suppress(PG_FUNCTION_ARGS)
{
	SuppressedKey block;
	char	   *reason;
	int64		before = nurture_cancelled_messages;
	OwnerSwitch owner;
	int			level;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || PG_ARGISNULL(2))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("scope, value and reason of a suppression must be given")));
	check_right(ACL_INSERT);
	reason = text_to_cstring(PG_GETARG_TEXT_PP(2));
	warn_of_pepper();
	nurture_owner_enter(&owner);
	level = nurture_spi_connect();
	read_block(text_to_cstring(PG_GETARG_TEXT_PP(0)),
			   text_to_cstring(PG_GETARG_TEXT_PP(1)), &block);
	put_block(&block, reason,
			  PG_ARGISNULL(3) ? DT_NOEND : PG_GETARG_TIMESTAMPTZ(3));
	nurture_spi_finish(level);
	nurture_owner_leave(&owner);
	PG_RETURN_INT64(nurture_cancelled_messages - before);
}

/*
 * nurture_unsuppress(scope text, value text, reason text) returns boolean:
 * whether there was one.
 */
Datum
nurture_unsuppress(PG_FUNCTION_ARGS)
{
	SuppressedKey block;
	OwnerSwitch owner;
	int			level;
	uint8		hash[GATE_HASH_LEN];
	Datum		values[2];
	int64	   *ids;
	uint64		n;
	bool		removed;

	check_right(ACL_DELETE);
	nurture_owner_enter(&owner);
	level = nurture_spi_connect();
	read_block(text_to_cstring(PG_GETARG_TEXT_PP(0)),
			   text_to_cstring(PG_GETARG_TEXT_PP(1)), &block);
	n = touch_leads(&block, false, &ids);
	nurture_gate_hash(nurture_gate_rules(), block.scope, block.value, hash);
	values[0] = CStringGetTextDatum(block.scope);
	values[1] = nurture_gate_hash_datum(hash);
	(void) nurture_execute(&remove_block, values, NULL, false);
	removed = SPI_processed > 0;
	if (removed)
		record_block(&block, ids, n, "unsuppressed",
					 text_to_cstring(PG_GETARG_TEXT_PP(2)));
	nurture_spi_finish(level);
	nurture_owner_leave(&owner);
	PG_RETURN_BOOL(removed);
}
