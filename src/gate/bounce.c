/*
 * bounce.c
 *	  What providers tell of addresses: bounces and complaints, and what
 *	  nurture.bounce_policy makes of them.
 *
 * A complaint is always about the address it was sent to, however old it is.
 * A bounce that is too old to start anything is kept and counts, no more.
 */
#include "base/compat.h"

#include "base/clock.h"
#include "base/owner.h"
#include "base/plans.h"
#include "base/rulecache.h"
#include "catalog/pg_type.h"
#include "core/status_code.h"
#include "facts/reaction.h"
#include "facts/vocabulary.h"
#include "gate/contact_point.h"
#include "gate/gate_private.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

static KeptPlan read_policy =
KEPT_PLAN_SCAN("SELECT rule, kind, status, count, COALESCE(within, '0'),"
			   " action, duration FROM nurture.bounce_policy"
			   " ORDER BY rule COLLATE \"C\"", 0);

static KeptPlan read_lead =
KEPT_PLAN("SELECT l.email, l.phone, l.country FROM nurture.lead AS l"
		  " WHERE l.lead_id = $1", INT8OID);

static KeptPlan read_message =
KEPT_PLAN("SELECT m.contact_point_hash, m.channel FROM nurture.message AS m"
		  " WHERE m.lead_id = $1 AND m.message_id = $2", INT8OID, INT8OID);

static KeptPlan add_bounce =
KEPT_PLAN("INSERT INTO nurture.bounce (lead_id, key_hash, kind, status,"
		  " occurred_at, event_id, message_id, rule)"
		  " VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
		  INT8OID, BYTEAOID, TEXTOID, TEXTOID, TIMESTAMPTZOID, INT8OID,
		  INT8OID, TEXTOID);

/* those before the one at hand */
static KeptPlan count_bounces =
KEPT_PLAN("SELECT count(*) FROM nurture.bounce AS b WHERE b.key_hash = $1"
		  " AND b.kind = $2 AND b.occurred_at > $3 AND b.occurred_at <= $4"
		  " AND ($5 = '' OR b.status = $5 OR starts_with(b.status, $5 || '.'))",
		  BYTEAOID, TEXTOID, TIMESTAMPTZOID, TIMESTAMPTZOID, TEXTOID);

typedef struct BounceRule
{
	const char *rule;
	const char *kind;
	const char *status;			/* class of status codes, "" = any */
	int32		count;
	int64		within;			/* in microseconds; a day has 24 hours, a
								 * month 30 days */
	const char *action;
	bool		has_duration;
	int64		duration;		/* likewise */
} BounceRule;

typedef struct BounceRules
{
	int			n;
	BounceRule *rules;
} BounceRules;

/* What an event tells. */
typedef struct Bounce
{
	const SubjectEvent *event;
	const char *kind;
	char		status[NURTURE_STATUS_CODE];
	ContactKind contact;
	const char *address;		/* NULL = its hash alone is known */
	bool		hashed;			/* it is known at all */
	uint8		hash[GATE_HASH_LEN];
} Bounce;

static void *load_policy(Snapshot snapshot);

static RuleCache bounce_cache = {
	.name = "bounce policy",
	.tables = {"bounce_policy"},
	.load = load_policy
};

static int64
length_of(Datum interval)
{
	const Interval *span = DatumGetIntervalP(interval);

	return span->time +
		(span->day + span->month * INT64CONST(30)) * USECS_PER_DAY;
}

static void *
load_policy(Snapshot snapshot)
{
	BounceRules *all = palloc0(sizeof(BounceRules));

	(void) nurture_execute_snapshot(&read_policy, NULL, NULL, snapshot);
	all->n = SPI_processed;
	all->rules = palloc0(sizeof(BounceRule) * Max(SPI_processed, 1));
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		BounceRule *rule = &all->rules[row];
		Datum		value;
		bool		null;

		rule->rule = pstrdup(nurture_cell_text(row, 1));
		rule->kind = pstrdup(nurture_cell_text(row, 2));
		rule->status = pstrdup(nurture_cell_text(row, 3));
		rule->count = DatumGetInt32(nurture_cell(row, 4, &null));
		rule->within = length_of(nurture_cell(row, 5, &null));
		rule->action = pstrdup(nurture_cell_text(row, 6));
		value = nurture_cell(row, 7, &null);
		rule->has_duration = !null;
		rule->duration = null ? 0 : length_of(value);
	}
	return all;
}

/* What an event type tells of an address; NULL when nothing. */
static const char *
event_tells(const char *event_type)
{
	if (strcmp(event_type, "email_hard_bounced") == 0)
		return "hard_bounce";
	if (strcmp(event_type, "email_soft_bounced") == 0)
		return "soft_bounce";
	return strcmp(event_type, "complained") == 0 ? "complaint" : NULL;
}

static bool
wants_bounce(int signal_id)
{
	const char *signal = signal_id > 0 ? nurture_signal_code(signal_id) : NULL;

	return signal != NULL && event_tells(signal) != NULL;
}

static bool
wants_type(const char *event_type)
{
	return event_tells(event_type) != NULL;
}

/* Returns a text or number among the event's properties, NULL = none. */
static char *
property(const SubjectEvent *event, const char *key)
{
	JsonbValue *value;

	if (event->properties == NULL || !JB_ROOT_IS_OBJECT(event->properties))
		return NULL;
	value = getKeyJsonValueFromContainer(&event->properties->root, key,
										 strlen(key), NULL);
	if (value != NULL && value->type == jbvString)
		return pnstrdup(value->val.string.val, value->val.string.len);
	if (value != NULL && value->type == jbvNumeric)
		return numeric_normalize(value->val.numeric);
	return NULL;
}

static void
read_status(Bounce *bounce)
{
	static const char *const keys[] = {"status", "diagnostic"};

	bounce->status[0] = '\0';
	for (int i = 0; i < lengthof(keys) && bounce->status[0] == '\0'; i++)
	{
		char	   *text = property(bounce->event, keys[i]);

		if (text !=NULL)
			(void) nurture_status_code(text, bounce->status);
	}
}

/* Takes an address that the event or the lead names. */
static void
take_address(Bounce *bounce, char *const *lead)
{
	ContactPoint point;

	nurture_contact_read(bounce->contact, lead[0], lead[1], lead[2], &point);
	if (point.address == NULL ||
		(bounce->contact == CONTACT_PHONE && point.fault != NULL))
		return;
	bounce->address = point.address;
	nurture_gate_hash(nurture_gate_rules(), "contact_point", point.address,
					  bounce->hash);
	bounce->hashed = true;
}

/*
 * Finds the address: the one the event names, else the one its message was
 * decided for, else the lead's.
 */
static void
read_address(Bounce *bounce)
{
	const SubjectEvent *event = bounce->event;
	char	   *told = property(event, "contact_point");
	Datum		values[2] = {Int64GetDatum(event->lead_id),
	Int64GetDatum(event->message_id)};
	char	   *lead[3] = {NULL, NULL, NULL};
	uint8		hash[GATE_HASH_LEN];
	bool		sent = false;

	bounce->contact = event->channel ? nurture_contact_kind(event->channel) :
		CONTACT_NONE;
	if (event->message_id != 0)
	{
		(void) nurture_execute(&read_message, values, NULL, false);
		if (SPI_processed > 0)
		{
			bool		null;
			Datum		value = nurture_cell(0, 1, &null);

			bounce->contact = nurture_contact_kind(nurture_cell_text(0, 2));
			if (!null)
			{
				bytea	   *bytes = DatumGetByteaPP(value);

				memcpy(hash, VARDATA_ANY(bytes), GATE_HASH_LEN);
				sent = VARSIZE_ANY_EXHDR(bytes) == GATE_HASH_LEN;
			}
		}
	}
	if (bounce->contact == CONTACT_NONE)
		bounce->contact = told != NULL && strchr(told, '@') == NULL ?
			CONTACT_PHONE : CONTACT_EMAIL;
	(void) nurture_execute(&read_lead, values, NULL, false);
	for (int i = 0; i < 3 && SPI_processed > 0; i++)
		lead[i] = nurture_cell_text(0, i + 1);
	if (told != NULL)
		lead[bounce->contact == CONTACT_EMAIL ? 0 : 1] = told;
	take_address(bounce, lead);
	if (told == NULL && sent &&
		(!bounce->hashed || memcmp(hash, bounce->hash, GATE_HASH_LEN) != 0))
	{
		/* the lead has another by now */
		bounce->address = NULL;
		memcpy(bounce->hash, hash, GATE_HASH_LEN);
		bounce->hashed = true;
	}
}

/* Returns the row for a status code: of those that cover it the narrowest. */
static const BounceRule *
find_rule(const BounceRules *all, const Bounce *bounce)
{
	const BounceRule *found = NULL;

	for (int i = 0; i < all->n; i++)
	{
		const BounceRule *rule = &all->rules[i];

		if (strcmp(rule->kind, bounce->kind) == 0 &&
			nurture_status_within(bounce->status, rule->status) &&
			(found == NULL || strlen(rule->status) > strlen(found->status)))
			found = rule;
	}
	return found;
}

/* Tells whether the bounce is the last of as many as its rule asks for. */
static bool
is_enough(const BounceRule *rule, const Bounce *bounce)
{
	TimestampTz at = bounce->event->occurred_at;
	Datum		values[5];
	bool		null;

	if (rule->count <= 1)
		return true;
	values[0] = nurture_gate_hash_datum(bounce->hash);
	values[1] = CStringGetTextDatum(bounce->kind);
	values[2] = TimestampTzGetDatum(at - rule->within);
	values[3] = TimestampTzGetDatum(at);
	values[4] = CStringGetTextDatum(rule->status);
	(void) nurture_execute_latest(&count_bounces, values, NULL, false);
	return DatumGetInt64(nurture_cell(0, 1, &null)) + 1 >= rule->count;
}

/* Decides what follows; false when nothing does. */
static bool
decide(const BounceRule *rule, const Bounce *bounce, ContactBlock *block)
{
	if (rule == NULL || strcmp(rule->action, "none") == 0)
		return false;
	if (bounce->event->history && strcmp(bounce->kind, "complaint") != 0)
		return false;
	memset(block, 0, sizeof(*block));
	block->until = rule->has_duration ?
		bounce->event->occurred_at + rule->duration : DT_NOEND;
	if (block->until <= nurture_now_wall() || !is_enough(rule, bounce))
		return false;
	block->lead_only = strcmp(rule->action, "stop_address") == 0;
	block->lead_id = bounce->event->lead_id;
	block->kind = bounce->contact;
	block->address = bounce->address;
	block->hash = bounce->hash;
	block->reason = bounce->kind;
	block->source = psprintf("bounce_policy:%s", rule->rule);
	return true;
}

static void
keep(const Bounce *bounce, const char *rule)
{
	const SubjectEvent *event = bounce->event;
	Datum		values[8];
	char		nulls[8] = {' ', ' ', ' ', ' ', ' ', ' ', ' ', ' '};

	values[0] = Int64GetDatum(event->lead_id);
	values[1] = nurture_gate_hash_datum(bounce->hash);
	nulls[1] = bounce->hashed ? ' ' : 'n';
	values[2] = CStringGetTextDatum(bounce->kind);
	values[3] = CStringGetTextDatum(bounce->status);
	values[4] = TimestampTzGetDatum(event->occurred_at);
	values[5] = Int64GetDatum(event->event_id);
	values[6] = Int64GetDatum(event->message_id);
	nulls[6] = event->message_id != 0 ? ' ' : 'n';
	if (rule != NULL)
		values[7] = CStringGetTextDatum(rule);
	else
		nulls[7] = 'n';
	(void) nurture_execute(&add_bounce, values, nulls, false);
}

/*
 * Keeps what the events tell, and applies the policy: all locks of addresses
 * first, then their leads.
 */
static void
react_bounce(const SubjectEvent *const *events, int nevents)
{
	const BounceRules *rules = nurture_rulecache_get(&bounce_cache);
	ContactBlock *blocks;
	OwnerSwitch owner;
	int			level;
	int			n = 0;

	nurture_owner_enter(&owner);
	level = nurture_spi_connect();
	blocks = palloc(sizeof(ContactBlock) * nevents);
	for (int i = 0; i < nevents; i++)
	{
		Bounce	   *bounce;
		const BounceRule *rule;
		bool		follows;

		CHECK_FOR_INTERRUPTS();
		if (event_tells(events[i]->event_type) == NULL)
			continue;
		bounce = palloc0(sizeof(Bounce));
		bounce->event = events[i];
		bounce->kind = event_tells(events[i]->event_type);
		read_status(bounce);
		read_address(bounce);
		rule = find_rule(rules, bounce);
		follows = bounce->hashed && decide(rule, bounce, &blocks[n]);
		keep(bounce, follows ? rule->rule : NULL);
		if (follows)
			n++;
	}
	for (int i = 0; i < n; i++)
	{
		if (blocks[i].address != NULL && !blocks[i].lead_only)
			nurture_contact_lock("contact_point", blocks[i].address, true);
	}
	for (int i = 0; i < n; i++)
		nurture_suppress_contact(&blocks[i]);
	nurture_spi_finish(level);
	nurture_owner_leave(&owner);
}

/* Registers cache and reactor. */
void
nurture_bounce_init(void)
{
	static Reactor reactor = {
		.name = "bounces",.order = REACT_BOUNCE,.history_too = true,
		.wants = wants_bounce,.react = react_bounce,.wants_type = wants_type
	};

	nurture_rulecache_register(&bounce_cache);
	nurture_reactor_register(&reactor);
}
