/*
 * state.c
 *	  A lead as the gate sees it: its gate row, then what a second statement
 *	  with a snapshot of its own reads.
 */
#include "base/compat.h"

#include "access/transam.h"
#include "access/xact.h"
#include "base/plans.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "gate/gate_private.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#define MAX_HASHES	5			/* suppression keys of one message */

static KeptPlan read_gate =
KEPT_PLAN("SELECT g.seq, g.suppressed, g.merged_into, g.erased,"
		  " g.stopped_until, g.paused_until, g.preferences FROM nurture.gate AS g"
		  " WHERE g.lead_id OPERATOR(pg_catalog.=) $1", INT8OID);

static KeptPlan read_lead =
KEPT_PLAN("SELECT l.email, l.phone, l.country, l.audience_type, l.language,"
		  " s.stage, l.audience_verified_at, l.account_id,"
		  " l.erased_at IS NOT NULL, c.channel, c.purpose, c.topic,"
		  " c.product, c.state, c.since, c.expires_at, c.legal_basis, l.xmin"
		  " FROM nurture.lead AS l"
		  " LEFT JOIN nurture.lead_stage AS s"
		  " ON s.lead_id OPERATOR(pg_catalog.=) l.lead_id"
		  " AND s.product OPERATOR(pg_catalog.=) '*'::pg_catalog.text"
		  " LEFT JOIN nurture.consent AS c"
		  " ON c.lead_id OPERATOR(pg_catalog.=) l.lead_id"
		  " WHERE l.lead_id OPERATOR(pg_catalog.=) $1", INT8OID);

static KeptPlan read_stops =
KEPT_PLAN("SELECT e.rule, e.effect, e.scope::pg_catalog.text, e.until,"
		  " e.lifted_by::pg_catalog.text FROM nurture.stop_effect AS e"
		  " WHERE e.lead_id OPERATOR(pg_catalog.=) $1"
		  " AND e.lifted_at IS NULL"
		  " AND e.mode OPERATOR(pg_catalog.=) 'enforced'::pg_catalog.text"
		  " AND e.until OPERATOR(pg_catalog.>) $2 ORDER BY e.rule",
		  INT8OID, TIMESTAMPTZOID);

/*
 * Messages that are neither refused, cancelled nor failed.  Older ones than
 * any cap asks for are left out, but for those with an occurrence key, which
 * is used once for good.
 */
static KeptPlan read_live =
KEPT_PLAN("SELECT m.channel, m.message_class, m.purpose, m.family, m.track,"
		  " m.occurrence_key, m.status,"
		  " COALESCE(m.sent_at, m.taken_at, m.not_before, m.decided_at)"
		  " FROM nurture.message AS m"
		  " WHERE m.lead_id OPERATOR(pg_catalog.=) $1"
		  " AND m.status OPERATOR(pg_catalog.<>) 'refused'::pg_catalog.text"
		  " AND m.status OPERATOR(pg_catalog.<>) 'cancelled'::pg_catalog.text"
		  " AND m.status OPERATOR(pg_catalog.<>) 'failed'::pg_catalog.text"
		  " AND (m.occurrence_key IS NOT NULL"
		  " OR COALESCE(m.sent_at, m.taken_at, m.not_before, m.decided_at)"
		  " OPERATOR(pg_catalog.>) $2)", INT8OID, TIMESTAMPTZOID);

static KeptPlan read_suppressions =
KEPT_PLAN("SELECT s.scope, s.reason, s.until FROM nurture.suppression AS s"
		  " WHERE s.key_hash OPERATOR(pg_catalog.=) ANY ($1)"
		  " AND s.until OPERATOR(pg_catalog.>) $2", BYTEAARRAYOID,
		  TIMESTAMPTZOID);

/* Copies a cell of the last result into the context, NULL when null. */
static char *
keep_text(MemoryContext context, uint64 row, int column)
{
	bool		null;
	Datum		value = nurture_cell(row, column, &null);
	MemoryContext old;
	char	   *word;

	if (null)
		return NULL;
	old = MemoryContextSwitchTo(context);
	word = TextDatumGetCString(value);
	MemoryContextSwitchTo(old);
	return word;
}

/* Returns a hash that settles most comparisons of two texts. */
uint32
nurture_gate_text_hash(const char *text)
{
	return text == NULL ? 0 :
	hash_bytes((const unsigned char *) text, strlen(text));
}

static TimestampTz
cell_time(uint64 row, int column, TimestampTz when_null)
{
	bool		null;
	Datum		value = nurture_cell(row, column, &null);

	return null ? when_null : DatumGetTimestampTz(value);
}

/* Reads the gate row without updating it; answers false when there is none. */
static bool
read_gate_row(int64 lead_id, GateLead *lead)
{
	Datum		values[1];
	bool		null;
	Datum		value;

	values[0] = Int64GetDatum(lead_id);
	(void) nurture_execute(&read_gate, values, NULL, false);
	if (SPI_processed == 0)
		return false;
	lead->seq = DatumGetInt64(nurture_cell(0, 1, &null));
	lead->suppressed = DatumGetBool(nurture_cell(0, 2, &null));
	value = nurture_cell(0, 3, &null);
	lead->lead_id = null ? lead_id : DatumGetInt64(value);
	lead->erased = DatumGetBool(nurture_cell(0, 4, &null));
	lead->stopped_until = cell_time(0, 5, DT_NOBEGIN);
	lead->paused_until = cell_time(0, 6, DT_NOBEGIN);
	lead->prefers = DatumGetBool(nurture_cell(0, 7, &null));
	return true;
}

static void
read_facts(GateLead *lead, MemoryContext context)
{
	Datum		values[1];
	bool		null;
	Datum		value;
	GateConsent *consents;

	values[0] = Int64GetDatum(lead->lead_id);
	(void) nurture_execute(&read_lead, values, NULL, false);
	if (SPI_processed == 0)
	{
		lead->found = false;
		return;
	}
	lead->email = keep_text(context, 0, 1);
	lead->phone = keep_text(context, 0, 2);
	lead->country = keep_text(context, 0, 3);
	lead->audience_type = keep_text(context, 0, 4);
	lead->language = keep_text(context, 0, 5);
	lead->stage = keep_text(context, 0, 6);
	if (lead->stage == NULL)
		lead->stage = "new";
	lead->verified_at = cell_time(0, 7, DT_NOBEGIN);
	value = nurture_cell(0, 8, &null);
	lead->has_account = !null;
	lead->account_id = null ? 0 : DatumGetInt64(value);
	if (DatumGetBool(nurture_cell(0, 9, &null)))
		lead->erased = true;
	lead->ours = TransactionIdIsCurrentTransactionId(DatumGetTransactionId(nurture_cell(0, 18, &null)));

	(void) nurture_cell(0, 10, &null);
	if (null)
		return;
	consents = MemoryContextAlloc(context,
								  sizeof(GateConsent) * SPI_processed);
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		GateConsent *consent = &consents[row];

		consent->channel = keep_text(context, row, 10);
		consent->purpose = keep_text(context, row, 11);
		consent->topic = keep_text(context, row, 12);
		consent->product = keep_text(context, row, 13);
		consent->state = nurture_consent_state(nurture_cell_text(row, 14));
		consent->since = cell_time(row, 15, DT_NOBEGIN);
		consent->expires_at = cell_time(row, 16, DT_NOEND);
		consent->legal_basis = keep_text(context, row, 17);
	}
	lead->nconsents = SPI_processed;
	lead->consents = consents;
}

static void
read_stop_effects(GateLead *lead, MemoryContext context, TimestampTz now)
{
	Datum		values[2];

	values[0] = Int64GetDatum(lead->lead_id);
	values[1] = TimestampTzGetDatum(now);
	(void) nurture_execute(&read_stops, values, NULL, false);
	if (SPI_processed == 0)
		return;
	lead->stops = MemoryContextAllocZero(context,
										 sizeof(GateStop) * SPI_processed);
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		GateStop   *stop = &lead->stops[row];
		MemoryContext old;

		stop->rule = keep_text(context, row, 1);
		stop->effect = keep_text(context, row, 2);
		stop->until = cell_time(row, 4, DT_NOEND);
		stop->lifted_by = keep_text(context, row, 5);
		old = MemoryContextSwitchTo(context);
		stop->classes = nurture_stop_classes(stop->effect,
											 nurture_cell_text(row, 3),
											 &stop->channel_list);
		MemoryContextSwitchTo(old);
	}
	lead->nstops = SPI_processed;
}

/*
 * Reads the lead's messages that may count, under its gate row: nobody else
 * can add to them.
 */
void
nurture_gate_read_live(GateLead *lead, const GateRules *rules,
					   TimestampTz now)
{
	MemoryContext context = lead->context;
	Datum		values[2];
	int64		longest = Max(rules->longest, lead->npreferences > 0 ? PREFERENCE_PERIOD : 0);

	values[0] = Int64GetDatum(lead->lead_id);
	values[1] = TimestampTzGetDatum(now - longest - USECS_PER_DAY);
	(void) nurture_execute(&read_live, values, NULL, false);
	lead->nlive = 0;
	lead->nadded = 0;
	if (SPI_processed > lead->maxlive || lead->live == NULL)
	{
		lead->maxlive = SPI_processed + 8;
		lead->live = MemoryContextAlloc(context,
										sizeof(GateLive) * lead->maxlive);
	}
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		GateLive   *live = &lead->live[lead->nlive++];
		char	   *status = nurture_cell_text(row, 7);

		live->channel = keep_text(context, row, 1);
		live->class = nurture_gate_class(nurture_cell_text(row, 2));
		live->purpose = keep_text(context, row, 3);
		live->family = keep_text(context, row, 4);
		live->track = keep_text(context, row, 5);
		live->occurrence_key = keep_text(context, row, 6);
		live->occurrence_hash = nurture_gate_text_hash(live->occurrence_key);
		/* a message somebody complained about was sent */
		live->counts = strcmp(status, "held") != 0 &&
			strcmp(status, "bounced") != 0;
		live->at = cell_time(row, 8, now);
	}
}

static char *
copy_name(MemoryContext context, const char *text)
{
	return text ? MemoryContextStrdup(context, text) : NULL;
}

/* Adds a message that this statement brings to those that are there. */
void
nurture_gate_add_live(GateLead *lead, const GateLive *live)
{
	MemoryContext context = lead->context;
	GateLive   *added;

	if (lead->nlive == lead->maxlive)
	{
		lead->maxlive *= 2;
		lead->live = repalloc(lead->live, sizeof(GateLive) * lead->maxlive);
	}
	added = &lead->live[lead->nlive++];
	*added = *live;
	added->channel = copy_name(context, live->channel);
	added->purpose = copy_name(context, live->purpose);
	added->family = copy_name(context, live->family);
	added->track = copy_name(context, live->track);
	added->occurrence_key = copy_name(context, live->occurrence_key);
	added->occurrence_hash = nurture_gate_text_hash(live->occurrence_key);
	lead->nadded++;
}

/*
 * Reads the lead lead->asked into *lead.  With bump its gate row is updated
 * first and stays ours until the transaction ends.  now, from before a wait,
 * only bounds what is read: the decision asks the clock again.  Connected to
 * SPI, as the owner.
 */
void
nurture_gate_read(GateLead *lead, const GateRules *rules, bool bump,
				  TimestampTz now)
{
	MemoryContext context = lead->context;
	int64		lead_id = lead->asked;

	lead->found = false;
	lead->lead_id = lead_id;
	lead->seq = 0;
	lead->erased = false;
	lead->suppressed = false;
	lead->stopped_until = lead->paused_until = DT_NOBEGIN;
	lead->verified_at = DT_NOBEGIN;
	lead->email = lead->phone = lead->country = NULL;
	lead->audience_type = lead->language = lead->stage = NULL;
	lead->ours = lead->has_account = false;
	lead->prefers = false;
	lead->nconsents = lead->nstops = lead->npreferences = lead->nlive = 0;
	lead->maxlive = lead->nadded = 0;
	lead->live = NULL;

	for (int merges = 0; merges < GATE_MAX_MERGES; merges++)
	{
		if (bump)
			lead->found = nurture_gate_update(lead_id, 1, lead);
		else
			lead->found = read_gate_row(lead_id, lead);
		if (!lead->found)
		{
			lead->lead_id = lead_id;
			return;
		}
		if (lead->lead_id == lead_id)
			break;
		lead_id = lead->lead_id;
		/* merged in a circle, or too often: nobody to write to */
		lead->found = false;
	}
	if (!lead->found)
		return;
	read_facts(lead, context);
	if (!lead->found)
		return;
	if (lead->stopped_until > now || lead->paused_until > now)
		read_stop_effects(lead, context, now);
	if (lead->prefers)
		nurture_preference_read(lead);
	nurture_gate_read_live(lead, rules, now);
}

/*
 * Hashes the contact point of the channel into hash and looks up what is
 * suppressed: the lead, its account, the address and its domain.  Sets the
 * ask's contact_hash, and suppressions.
 */
void
nurture_gate_suppressions(const GateLead *lead, const GateRules *rules,
						  GateAsk *ask)
{
	Datum		hashes[MAX_HASHES];
	uint8		hash[GATE_HASH_LEN];
	char		id[24];
	Datum		values[2];
	char	   *address = NULL;
	int			n = 0;
	bool		email = strcmp(ask->channel, "email") == 0;

	ask->contact_hash = NULL;
	ask->nsuppressions = 0;
	if (!lead->found)
		return;
	if (email)
		address = nurture_gate_normal_email(lead->email);
	else if (strcmp(ask->channel, "phone") == 0 ||
			 strcmp(ask->channel, "sms") == 0)
		address = nurture_gate_normal_phone(lead->phone);
	if (address != NULL)
	{
		uint8	   *kept = palloc(GATE_HASH_LEN);

		nurture_gate_hash(rules, "contact_point", address, kept);
		if (lead->ours)
			nurture_gate_lock_address(kept, false);
		ask->contact_hash = kept;
		hashes[n++] = nurture_gate_hash_datum(kept);
	}
	if (email && address != NULL)
	{
		nurture_gate_hash(rules, "domain", strrchr(address, '@') + 1, hash);
		hashes[n++] = nurture_gate_hash_datum(hash);
	}
	if (lead->suppressed)
	{
		snprintf(id, sizeof(id), INT64_FORMAT, lead->lead_id);
		nurture_gate_hash(rules, "lead", id, hash);
		hashes[n++] = nurture_gate_hash_datum(hash);
	}
	if (lead->has_account)
	{
		snprintf(id, sizeof(id), INT64_FORMAT, lead->account_id);
		nurture_gate_hash(rules, "account", id, hash);
		hashes[n++] = nurture_gate_hash_datum(hash);
	}
	if (n == 0)
		return;
	values[0] = PointerGetDatum(construct_array(hashes, n, BYTEAOID, -1, false,
												TYPALIGN_INT));
	values[1] = TimestampTzGetDatum(ask->now);
	/* one that did not concern the lead before has not touched its gate row */
	(void) nurture_execute_latest(&read_suppressions, values, NULL, false);
	if (SPI_processed > 0)
	{
		GateSuppression *found = palloc(sizeof(GateSuppression) * SPI_processed);

		for (uint64 row = 0; row < SPI_processed; row++)
		{
			found[row].scope = nurture_cell_text(row, 1);
			found[row].reason = nurture_cell_text(row, 2);
			found[row].until = cell_time(row, 3, DT_NOEND);
		}
		ask->suppressions = found;
		ask->nsuppressions = SPI_processed;
	}
}
