/*
 * again.c
 *	  Decides again about a message that is there: when it is taken, when a
 *	  person ruled, when its asset has a new version.
 *
 * By the rule of two statements, like a new message: the gate row is updated,
 * then everything is read with a snapshot from after the wait.
 */
#include "base/compat.h"

#include "audit/audit.h"
#include "base/clock.h"
#include "base/owner.h"
#include "base/plans.h"
#include "catalog/pg_type.h"
#include "gate/again.h"
#include "gate/decide.h"
#include "gate/review.h"
#include "lib/stringinfo.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/jsonb.h"

static KeptPlan read_message =
KEPT_PLAN("SELECT m.status, m.cancel_requested, m.channel, m.purpose,"
		  " m.asset_id, m.version, m.family, m.track, m.occurrence_key,"
		  " m.not_before, m.message_class, m.takes, m.taken_by, m.lease_until,"
		  " COALESCE(m.sent_at, m.taken_at, m.not_before, m.decided_at),"
		  " m.status OPERATOR(pg_catalog.=) 'held'::pg_catalog.text"
		  " AND m.reasons OPERATOR(pg_catalog.&&)"
		  " '{asset_superseded,next_version_differs}'::pg_catalog.text[],"
		  " m.decided_at,"
		  " m.reasons OPERATOR(pg_catalog.@>) '{asset_superseded}'::pg_catalog.text[],"
		  " m.contact_point_hash"
		  " FROM nurture.message AS m"
		  " WHERE m.lead_id OPERATOR(pg_catalog.=) $1"
		  " AND m.message_id OPERATOR(pg_catalog.=) $2", INT8OID, INT8OID);

static KeptPlan write_message =
KEPT_PLAN("UPDATE nurture.message AS m SET status = $4, reasons = $5,"
		  " not_before = COALESCE($6, m.not_before), decided_at = $7,"
		  " gate_seq = $8, decision = $9, contact_point_hash = $10,"
		  " version = COALESCE($11, m.version),"
		  " message_class = COALESCE($12, m.message_class),"
		  " taken_at = CASE WHEN $13 IS NULL THEN m.taken_at ELSE $7 END,"
		  " taken_by = COALESCE($13, m.taken_by),"
		  " lease_until = COALESCE($14, m.lease_until),"
		  " takes = CASE WHEN $13 IS NULL THEN m.takes"
		  " ELSE m.takes OPERATOR(pg_catalog.+) 1 END"
		  " WHERE m.lead_id OPERATOR(pg_catalog.=) $1"
		  " AND m.message_id OPERATOR(pg_catalog.=) $2"
		  " AND m.status OPERATOR(pg_catalog.=) $3 AND NOT m.cancel_requested"
		  " AND (m.status OPERATOR(pg_catalog.<>) 'taken'::pg_catalog.text"
		  " OR m.lease_until OPERATOR(pg_catalog.<=) $7)",
		  INT8OID, INT8OID, TEXTOID, TEXTOID, TEXTARRAYOID, TIMESTAMPTZOID,
		  TIMESTAMPTZOID, INT8OID, JSONBOID, BYTEAOID, INT4OID, TEXTOID,
		  TEXTOID, TIMESTAMPTZOID);

static bool
same_text(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

/*
 * Takes those that wait for a later instant out of those that count: they are
 * decided about again when they are taken, and must not put off a message that
 * they were put off for.
 */
static void
forget_later(GateLead *lead, TimestampTz at)
{
	int			n = 0;

	for (int i = 0; i < lead->nlive; i++)
	{
		if (!lead->live[i].waits || lead->live[i].at <= at)
			lead->live[n++] = lead->live[i];
	}
	lead->nlive = n;
	nurture_gate_count_again(lead);
}

/*
 * Takes the message out of those that count.  Entries that say the same weigh
 * the same, so the first that does will do.
 */
static void
forget_live(GateLead *lead, const GateLive *itself)
{
	for (int i = 0; i < lead->nlive; i++)
	{
		const GateLive *live = &lead->live[i];

		if (live->at == itself->at && live->class == itself->class &&
			live->counts == itself->counts &&
			same_text(live->channel, itself->channel) &&
			same_text(live->purpose, itself->purpose) &&
			same_text(live->family, itself->family) &&
			same_text(live->track, itself->track) &&
			same_text(live->occurrence_key, itself->occurrence_key))
		{
			lead->live[i] = lead->live[--lead->nlive];
			nurture_gate_count_again(lead);
			return;
		}
	}
}

static char *
copy_text(MemoryContext context, int column)
{
	char	   *text = nurture_cell_text(0, column);

	return text ? MemoryContextStrdup(context, text) : NULL;
}

static TimestampTz
cell_time(int column)
{
	bool		null;
	Datum		value = nurture_cell(0, column, &null);

	return null ? DT_NOBEGIN : DatumGetTimestampTz(value);
}

static void
copy_hash(int column, uint8 *hash, bool *null)
{
	Datum		value = nurture_cell(0, column, null);

	if (*null)
		return;
	*null = VARSIZE_ANY_EXHDR(DatumGetPointer(value)) != GATE_HASH_LEN;
	if (!*null)
		memcpy(hash, VARDATA_ANY(DatumGetPointer(value)), GATE_HASH_LEN);
}

/* Reads everything again and decides; see again.h. */
bool
nurture_gate_ask_again(GateAgain *again, bool bump)
{
	MemoryContext context = CurrentMemoryContext;
	const GateRules *rules = nurture_gate_rules();
	GateLead   *lead = &again->lead;
	GateAsk    *ask = &again->ask;
	GateLive	itself = {0};
	Datum		key[2] = {Int64GetDatum(again->lead_id),
	Int64GetDatum(again->message_id)};
	uint8		decided_for[GATE_HASH_LEN];
	bool		for_none;
	int32		version;
	bool		null;
	int			level = nurture_spi_connect_here();

	memset(lead, 0, sizeof(*lead));
	memset(ask, 0, sizeof(*ask));
	lead->context = context;
	lead->asked = again->lead_id;
	nurture_gate_read(lead, rules, bump, nurture_now_wall());

	/* without the gate row the caller wants what is true now */
	if (bump)
		(void) nurture_execute(&read_message, key, NULL, false);
	else
		(void) nurture_execute_latest(&read_message, key, NULL, false);
	if (SPI_processed == 0)
	{
		nurture_spi_finish(level);
		MemoryContextSwitchTo(context);
		return false;
	}
	again->status = copy_text(context, 1);
	again->cancel_requested = DatumGetBool(nurture_cell(0, 2, &null));
	again->asset_id = copy_text(context, 5);
	again->track = copy_text(context, 8);
	again->takes = DatumGetInt16(nurture_cell(0, 12, &null));
	again->taken_by = copy_text(context, 13);
	again->lease_until = cell_time(14);
	version = DatumGetInt32(nurture_cell(0, 6, &null));
	again->superseded = DatumGetBool(nurture_cell(0, 16, &null)) && !null;
	again->held_at = cell_time(17);
	again->moves_first = DatumGetBool(nurture_cell(0, 18, &null)) && !null;
	copy_hash(19, decided_for, &for_none);
	ask->channel = copy_text(context, 3);
	ask->purpose = copy_text(context, 4);
	ask->track = again->track;
	ask->occurrence_key = copy_text(context, 9);
	ask->not_before = cell_time(10);
	itself.channel = ask->channel;
	itself.purpose = ask->purpose;
	itself.family = copy_text(context, 7);
	itself.track = ask->track;
	itself.occurrence_key = ask->occurrence_key;
	itself.class = nurture_gate_class(nurture_cell_text(0, 11));
	itself.counts = strcmp(again->status, "held") != 0 &&
		strcmp(again->status, "bounced") != 0;
	itself.at = cell_time(15);
	forget_live(lead, &itself);
	/* one on hold has no place among them yet */
	if (itself.counts)
		forget_later(lead, itself.at);

	/* with bump the gate row is ours: only now is now now */
	ask->now = nurture_now_wall();
	nurture_gate_asset(again->asset_id,
					   again->version ? again->version :
					   again->superseded ? 0 : version, bump,
					   ask->now, &again->asset);
	nurture_gate_suppressions(lead, rules, ask);
	again->same_address = for_none ? ask->contact_hash == NULL :
		ask->contact_hash != NULL &&
		memcmp(decided_for, ask->contact_hash, GATE_HASH_LEN) == 0;
	nurture_gate_decide(rules, lead, &again->asset, ask, &again->decision);
	if (again->decision.verdict == GATE_REVIEW &&
		nurture_review_allows(again->lead_id, again->message_id))
	{
		ask->ruled = true;
		nurture_gate_decide(rules, lead, &again->asset, ask, &again->decision);
	}
	if (lead->found && lead->lead_id != again->lead_id)
		(void) nurture_gate_found(&again->decision, "lead_not_merged", false,
								  GATE_REFUSE, "lead_merged", "merged");
	nurture_spi_finish(level);
	MemoryContextSwitchTo(context);
	return true;
}

/* Returns the status that follows from the decision. */
static const char *
next_status(const GateAgain *again, const GateLease *lease)
{
	const GateDecision *decision = &again->decision;

	switch (decision->verdict)
	{
		case GATE_ALLOW:
		case GATE_DEFER:
			return lease != NULL && decision->not_before <= again->ask.now ?
				"taken" : "queued";
		case GATE_REVIEW:
			return "held";
		case GATE_REFUSE:
			break;
	}

	/*
	 * What was allowed once is cancelled, what never was is refused; of what
	 * a worker took and never told about nobody knows whether it went out.
	 */
	return strcmp(again->status, "held") == 0 ? "refused" :
		strcmp(again->status, "taken") == 0 ? "failed" : "cancelled";
}

/* Appends the audit entry of a decision. */
static void
record_decision(const GateAgain *again, const GateLease *lease,
				const char *status, ArrayType *reasons, const char *json,
				int passed, const char *cause, const char *reason)
{
	AuditEntry	entry = {0};
	StringInfoData trigger;

	initStringInfo(&trigger);
	appendStringInfoString(&trigger, "{\"kind\":");
	escape_json(&trigger, cause);
	if (lease != NULL)
	{
		appendStringInfoString(&trigger, ",\"worker\":");
		escape_json(&trigger, lease->worker);
	}
	appendStringInfoChar(&trigger, '}');
	entry.has_lead = true;
	entry.lead_id = again->lead_id;
	entry.kind = "message";
	entry.object = psprintf("message:" INT64_FORMAT, again->message_id);
	entry.outcome = status;
	if (reasons != NULL)
	{
		Datum	   *items;
		const char **codes;

		deconstruct_array(reasons, TEXTOID, -1, false, TYPALIGN_INT, &items,
						  NULL, &entry.nreasons);
		codes = palloc(sizeof(char *) * entry.nreasons);
		for (int i = 0; i < entry.nreasons; i++)
			codes[i] = TextDatumGetCString(items[i]);
		entry.reasons = codes;
	}
	entry.trigger_json = trigger.data;
	initStringInfo(&trigger);
	appendStringInfoString(&trigger, "{\"asset\":");
	escape_json(&trigger, again->asset_id);
	appendStringInfo(&trigger, ",\"version\":%d", again->asset.version);
	if (again->blocks != NULL)
		appendStringInfo(&trigger, ",\"blocks\":%s", again->blocks);
	appendStringInfoChar(&trigger, '}');
	entry.versions_json = trigger.data;
	entry.inputs = json;
	entry.inputs_common = passed;
	entry.reason = reason;
	nurture_audit_append(&entry, 1);
}

/* Executes a plan that writes messages, past their guard. */
void
nurture_message_write(KeptPlan *plan, Datum *values, const char *nulls)
{
	int			guarded = nurture_message_open();

	PG_TRY();
	{
		(void) nurture_execute(plan, values, nulls, false);
	}
	PG_FINALLY();
	{
		nurture_message_close(guarded);
	}
	PG_END_TRY();
	/* what a statement of ours has in memory about a lead may have changed */
	nurture_gate_epoch++;
}

/* Writes what was decided; see again.h. */
const char *
nurture_gate_write_again(GateAgain *again, const GateLease *lease,
						 const char *cause, const char *reason)
{
	const GateDecision *decision = &again->decision;
	const char *status;
	ArrayType  *reasons;
	char	   *json;
	int			passed;
	Datum		values[14];
	char		nulls[14];
	bool		written;
	int			level;

	if (again->cancel_requested ||
		(strcmp(again->status, "queued") != 0 &&
		 strcmp(again->status, "held") != 0 &&
		 (strcmp(again->status, "taken") != 0 ||
		  again->lease_until > again->ask.now)))
		return NULL;
	if (again->decision.verdict == GATE_REFUSE &&
		strcmp(again->status, "taken") == 0)
		(void) nurture_gate_found(&again->decision, "lease", false,
								  GATE_REFUSE, "lease_expired",
								  "not known whether it was sent");
	status = next_status(again, lease);
	if (strcmp(status, "taken") != 0)
		lease = NULL;
	memset(nulls, ' ', sizeof(nulls));
	reasons = nurture_gate_reasons(decision);
	json = nurture_gate_decision_json(decision, &again->lead, &passed);
	values[0] = Int64GetDatum(again->lead_id);
	values[1] = Int64GetDatum(again->message_id);
	values[2] = CStringGetTextDatum(again->status);
	values[3] = CStringGetTextDatum(status);
	values[4] = PointerGetDatum(reasons);
	nulls[4] = reasons == NULL ? 'n' : ' ';
	values[5] = TimestampTzGetDatum(decision->not_before);
	nulls[5] = decision->verdict == GATE_REFUSE ? 'n' : ' ';
	values[6] = TimestampTzGetDatum(again->ask.now);
	values[7] = Int64GetDatum(again->lead.seq);
	nulls[7] = again->lead.found ? ' ' : 'n';
	values[8] = nurture_gate_decision_short(decision, &again->lead);
	nulls[9] = again->ask.contact_hash == NULL ? 'n' : ' ';
	values[9] = again->ask.contact_hash == NULL ? (Datum) 0 :
		nurture_gate_hash_datum(again->ask.contact_hash);
	nulls[10] = nulls[11] = again->asset.found ? ' ' : 'n';
	values[10] = Int32GetDatum(again->asset.version);
	values[11] = again->asset.found ?
		CStringGetTextDatum(again->asset.class_name) : (Datum) 0;
	nulls[12] = nulls[13] = lease == NULL ? 'n' : ' ';
	values[12] = lease == NULL ? (Datum) 0 : CStringGetTextDatum(lease->worker);
	values[13] = lease == NULL ? (Datum) 0 : TimestampTzGetDatum(lease->until);

	level = nurture_spi_connect_here();
	nurture_message_write(&write_message, values, nulls);
	written = SPI_processed > 0;
	if (written)
	{
		if (decision->verdict == GATE_REVIEW)
			nurture_gate_open_review(values[0],
									 CStringGetTextDatum(decision->review_scope),
									 values[1]);
		record_decision(again, lease, status, reasons, json, passed, cause,
						reason);
	}
	nurture_spi_finish(level);
	return written ? status : NULL;
}

/* Decides again for another room; see gate.h. */
const char *
nurture_gate_again(int64 lead_id, int64 message_id, int32 version,
				   const char *cause, const char *reason)
{
	MemoryContext context = CurrentMemoryContext;
	GateAgain  *again = palloc0(sizeof(GateAgain));
	const char *status = NULL;
	OwnerSwitch owner;
	int			level;

	again->lead_id = lead_id;
	again->message_id = message_id;
	again->version = version;
	nurture_owner_enter(&owner);
	level = nurture_spi_connect_here();
	if (nurture_gate_ask_again(again, true))
		status = nurture_gate_write_again(again, NULL, cause, reason);
	nurture_spi_finish(level);
	nurture_owner_leave(&owner);
	MemoryContextSwitchTo(context);
	return status;
}

/* how long a message is held for a version that fits */
#define MOVE_ON_WITHIN	(30 * USECS_PER_DAY)

static KeptPlan find_moving =
KEPT_PLAN("SELECT m.lead_id, m.message_id FROM nurture.message AS m"
		  " WHERE m.status = 'held' AND (m.reasons @> '{asset_superseded}'"
		  " OR m.reasons @> '{next_version_differs}' AND m.decided_at < $1)"
		  " ORDER BY m.lead_id, m.message_id LIMIT $2", TIMESTAMPTZOID, INT4OID);

static KeptPlan lock_moving =
KEPT_PLAN("SELECT g.lead_id FROM nurture.gate AS g WHERE g.lead_id = ANY ($1)"
		  " ORDER BY g.lead_id FOR NO KEY UPDATE SKIP LOCKED", INT8ARRAYOID);

static KeptPlan keep_held =
KEPT_PLAN("UPDATE nurture.message AS m SET reasons = $3, decided_at = $4,"
		  " gate_seq = $5, decision = $6"
		  " WHERE m.lead_id OPERATOR(pg_catalog.=) $1"
		  " AND m.message_id OPERATOR(pg_catalog.=) $2"
		  " AND m.status OPERATOR(pg_catalog.=) 'held'::pg_catalog.text",
		  INT8OID, INT8OID, TEXTARRAYOID, TIMESTAMPTZOID, INT8OID, JSONBOID);

/* Lists what waits for a new version; see gate.h. */
int
nurture_gate_moving(TimestampTz now, int64 *leads, int64 *messages, int max)
{
	Datum		values[2] = {TimestampTzGetDatum(now - MOVE_ON_WITHIN),
	Int32GetDatum(max)};
	Datum	   *wanted;
	Datum		array;
	bool		null;
	int			found;
	int			n = 0;

	(void) nurture_execute(&find_moving, values, NULL, false);
	found = (int) SPI_processed;
	if (found == 0)
		return 0;
	wanted = palloc(sizeof(Datum) * found);
	for (int i = 0; i < found; i++)
	{
		wanted[i] = nurture_cell(i, 1, &null);
		leads[i] = DatumGetInt64(wanted[i]);
		messages[i] = DatumGetInt64(nurture_cell(i, 2, &null));
	}
	array = PointerGetDatum(construct_array(wanted, found, INT8OID, 8, true,
											TYPALIGN_DOUBLE));
	(void) nurture_execute(&lock_moving, &array, NULL, false);
	for (int i = 0; i < found; i++)
	{
		for (uint64 row = 0; row < SPI_processed; row++)
		{
			if (DatumGetInt64(nurture_cell(row, 1, &null)) != leads[i])
				continue;
			leads[n] = leads[i];
			messages[n++] = messages[i];
			break;
		}
	}
	return n;
}

/* Tells whether all that speaks against a message is that the version is for others. */
static bool
only_misfits(const GateDecision *decision)
{
	static const char *const misfits[] = {
		"market", "audience", "language", "channel_not_supported",
		"claim_not_allowed"
	};

	for (int i = 0; i < decision->nfindings; i++)
	{
		bool		misfit = false;

		if (decision->findings[i].verdict != GATE_REFUSE)
			continue;
		for (int j = 0; j < lengthof(misfits); j++)
			misfit = misfit || strcmp(decision->findings[i].reason, misfits[j]) == 0;
		if (!misfit)
			return false;
	}
	return true;
}

/* Leaves a message held, with what speaks against the new version. */
static const char *
leave_held(GateAgain *again)
{
	ArrayType  *reasons;
	Datum		values[6];
	char	   *json;
	int			passed;

	(void) nurture_gate_found(&again->decision, "next_version", false, GATE_REFUSE,
							  "next_version_differs", "not made for this lead");
	reasons = nurture_gate_reasons(&again->decision);
	json = nurture_gate_decision_json(&again->decision, &again->lead, &passed);
	values[0] = Int64GetDatum(again->lead_id);
	values[1] = Int64GetDatum(again->message_id);
	values[2] = PointerGetDatum(reasons);
	values[3] = TimestampTzGetDatum(again->ask.now);
	values[4] = Int64GetDatum(again->lead.seq);
	values[5] = nurture_gate_decision_short(&again->decision, &again->lead);
	nurture_message_write(&keep_held, values, NULL);
	if (SPI_processed == 0)
		return NULL;
	record_decision(again, NULL, "held", reasons, json, passed, "superseded",
					NULL);
	return "held";
}

/* Moves a message on to the version in use; see gate.h. */
const char *
nurture_gate_move_on(int64 lead_id, int64 message_id)
{
	MemoryContext context = CurrentMemoryContext;
	GateAgain  *again = palloc0(sizeof(GateAgain));
	const char *status = NULL;
	OwnerSwitch owner;
	int			level;

	again->lead_id = lead_id;
	again->message_id = message_id;
	nurture_owner_enter(&owner);
	level = nurture_spi_connect_here();
	if (nurture_gate_ask_again(again, true) && again->superseded)
	{
		if (again->decision.verdict == GATE_REFUSE &&
			only_misfits(&again->decision) &&
			(again->moves_first ||
			 again->held_at > again->ask.now - MOVE_ON_WITHIN))
			status = leave_held(again);
		else
			status = nurture_gate_write_again(again, NULL, "superseded", NULL);
	}
	nurture_spi_finish(level);
	nurture_owner_leave(&owner);
	MemoryContextSwitchTo(context);
	return status;
}
