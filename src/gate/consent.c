/*
 * consent.c
 *	  Consent: what leads said, and the state that follows from it.
 *
 * The state of a scope follows from its events in the order in which they
 * happened, whatever the order in which we learned them.  A denial of one
 * scope and a grant of another stand side by side; that the denial wins is
 * decided where consent is asked for (decide.c), so no order of arrival can
 * loosen it.
 */
#include "base/compat.h"

#include "audit/audit.h"
#include "base/clock.h"
#include "base/errors.h"
#include "base/owner.h"
#include "base/plans.h"
#include "base/trigger.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "executor/tuptable.h"
#include "funcapi.h"
#include "gate/consent_fold.h"
#include "gate/gate_private.h"
#include "miscadmin.h"
#include "scoring/sensitive.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/tuplestore.h"

NURTURE_FUNCTION(nurture_consent_changed);

/* bits of nurture.gate.denied */
#define DENIED_OTHER_PURPOSE	16	/* bits further up */

static KeptPlan read_events =
KEPT_PLAN(CONSENT_FOLD_COLUMNS " FROM nurture.consent_event AS e"
		  " WHERE e.lead_id OPERATOR(pg_catalog.=) $1" CONSENT_FOLD_ORDER,
		  INT8OID);

static KeptPlan write_state =
KEPT_PLAN("INSERT INTO nurture.consent AS c (lead_id, channel, purpose, topic,"
		  " product, state, since, expires_at, legal_basis, consent_event_id,"
		  " contact_point_hashes)"
		  " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)"
		  " ON CONFLICT (lead_id, channel, purpose, topic, product) DO UPDATE"
		  " SET state = EXCLUDED.state, since = EXCLUDED.since,"
		  " expires_at = EXCLUDED.expires_at,"
		  " legal_basis = EXCLUDED.legal_basis,"
		  " consent_event_id = EXCLUDED.consent_event_id,"
		  " contact_point_hashes = EXCLUDED.contact_point_hashes"
		  " WHERE (c.state, c.since, c.consent_event_id) IS DISTINCT FROM"
		  " (EXCLUDED.state, EXCLUDED.since, EXCLUDED.consent_event_id)",
		  INT8OID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID,
		  TIMESTAMPTZOID, TIMESTAMPTZOID, TEXTOID, INT8OID, BYTEAARRAYOID);

static KeptPlan delete_state =
KEPT_PLAN("DELETE FROM nurture.consent AS c"
		  " WHERE c.lead_id OPERATOR(pg_catalog.=) $1"
		  " AND c.channel OPERATOR(pg_catalog.=) $2"
		  " AND c.purpose OPERATOR(pg_catalog.=) $3"
		  " AND c.topic OPERATOR(pg_catalog.=) $4"
		  " AND c.product OPERATOR(pg_catalog.=) $5",
		  INT8OID, TEXTOID, TEXTOID, TEXTOID, TEXTOID);

static KeptPlan write_denied =
KEPT_PLAN("UPDATE nurture.gate AS g SET denied = $2"
		  " WHERE g.lead_id OPERATOR(pg_catalog.=) $1"
		  " AND g.denied OPERATOR(pg_catalog.<>) $2", INT8OID, INT4OID);

/* what the lead said is said for the one it was merged into */
static KeptPlan hand_on =
KEPT_PLAN("INSERT INTO nurture.consent_event (lead_id, channel, purpose,"
		  " topic, product, kind, occurred_at, source, evidence, actor)"
		  " SELECT $2, e.channel, e.purpose, e.topic, e.product, e.kind,"
		  " e.occurred_at, e.source, pg_catalog.jsonb_build_object("
		  "'merged_consent_event_id'::pg_catalog.text, e.consent_event_id),"
		  " e.actor FROM nurture.consent_event AS e"
		  " WHERE e.lead_id OPERATOR(pg_catalog.=) $1"
		  " AND e.consent_event_id OPERATOR(pg_catalog.=) $3",
		  INT8OID, INT8OID, INT8OID);

/*
 * A correction of what was handed on takes the survivor's copy back.  One that
 * was taken back already is left, unless that was an error as well.
 */
static KeptPlan hand_on_correction =
KEPT_PLAN("INSERT INTO nurture.consent_event (lead_id, channel, purpose,"
		  " topic, product, kind, source, evidence, actor)"
		  " SELECT s.lead_id, s.channel, s.purpose, s.topic, s.product,"
		  " 'entered_in_error', e.source, pg_catalog.jsonb_build_object("
		  "'consent_event_id', s.consent_event_id,"
		  " 'merged_consent_event_id', e.consent_event_id), e.actor"
		  " FROM nurture.consent_event AS e"
		  " JOIN nurture.consent_event AS s ON s.lead_id = $2"
		  " AND s.evidence -> 'merged_consent_event_id' = e.evidence -> 'consent_event_id'"
		  " WHERE e.lead_id = $1 AND e.consent_event_id = $3"
		  " AND NOT EXISTS (SELECT FROM nurture.consent_event AS x"
		  " WHERE x.lead_id = $2 AND x.kind = 'entered_in_error'"
		  " AND x.evidence -> 'consent_event_id' = to_jsonb(s.consent_event_id)"
		  " AND NOT EXISTS (SELECT FROM nurture.consent_event AS y"
		  " WHERE y.lead_id = $2 AND y.kind = 'entered_in_error'"
		  " AND y.evidence -> 'consent_event_id' = to_jsonb(x.consent_event_id)))"
		  " ORDER BY s.consent_event_id", INT8OID, INT8OID, INT8OID);

/*
 * What a correction leaves denied to the merged lead and was not handed on
 * binds the survivor from the merge on: what it granted since then stands.  A
 * merge that is not on record may have been at any time.
 */
static KeptPlan inherit_left =
KEPT_PLAN("INSERT INTO nurture.consent_event (lead_id, channel, purpose,"
		  " topic, product, kind, occurred_at, source, evidence)"
		  " SELECT $2, c.channel, c.purpose, c.topic, c.product, c.state,"
		  " GREATEST(c.since, COALESCE((SELECT max(m.at) FROM nurture.merge AS m"
		  " WHERE m.absorbed = $1 AND m.survivor = $2 AND m.undone_at IS NULL), $3)),"
		  " 'merge', pg_catalog.jsonb_build_object("
		  "'merged_consent_event_id', c.consent_event_id, 'since', c.since)"
		  " FROM nurture.consent AS c WHERE c.lead_id = $1"
		  " AND c.state = ANY ('{refused,withdrawn,objected}')"
		  " AND NOT EXISTS (SELECT FROM nurture.consent_event AS s"
		  " WHERE s.lead_id = $2 AND s.kind <> 'entered_in_error'"
		  " AND s.evidence -> 'merged_consent_event_id' = to_jsonb(c.consent_event_id)"
		  " AND NOT EXISTS (SELECT FROM nurture.consent_event AS x"
		  " WHERE x.lead_id = $2 AND x.kind = 'entered_in_error'"
		  " AND x.evidence -> 'consent_event_id' = to_jsonb(s.consent_event_id)"
		  " AND NOT EXISTS (SELECT FROM nurture.consent_event AS y"
		  " WHERE y.lead_id = $2 AND y.kind = 'entered_in_error'"
		  " AND y.evidence -> 'consent_event_id' = to_jsonb(x.consent_event_id))))"
		  " ORDER BY c.channel, c.purpose, c.topic, c.product",
		  INT8OID, INT8OID, TIMESTAMPTZOID);

static KeptPlan find_absorbed =
KEPT_PLAN("SELECT l.lead_id FROM nurture.lead AS l WHERE l.merged_into = $1"
		  " ORDER BY l.lead_id", INT8OID);

/*
 * Said now, whenever it was: a merge must not loosen anything, and the
 * survivor may have granted meanwhile what the merged lead had denied.  Nor is
 * what the survivor itself denied replaced by something weaker.
 */
static KeptPlan inherit =
KEPT_PLAN("INSERT INTO nurture.consent_event (lead_id, channel, purpose,"
		  " topic, product, kind, occurred_at, source, evidence)"
		  " SELECT $2, c.channel, c.purpose, c.topic, c.product, c.state,"
		  " $3, 'merge'::pg_catalog.text, pg_catalog.jsonb_build_object("
		  "'merged_consent_event_id'::pg_catalog.text, c.consent_event_id,"
		  " 'since'::pg_catalog.text, c.since)"
		  " FROM nurture.consent AS c"
		  " WHERE c.lead_id OPERATOR(pg_catalog.=) $1"
		  " AND c.state OPERATOR(pg_catalog.=) ANY"
		  " ('{refused,withdrawn,objected}'::pg_catalog.text[])"
		  " AND NOT EXISTS (SELECT FROM nurture.consent AS s"
		  " WHERE s.lead_id OPERATOR(pg_catalog.=) $2"
		  " AND s.channel OPERATOR(pg_catalog.=) c.channel"
		  " AND s.purpose OPERATOR(pg_catalog.=) c.purpose"
		  " AND s.topic OPERATOR(pg_catalog.=) c.topic"
		  " AND s.product OPERATOR(pg_catalog.=) c.product"
		  " AND (s.state OPERATOR(pg_catalog.=) 'objected'::pg_catalog.text"
		  " OR s.state OPERATOR(pg_catalog.=) ANY"
		  " ('{refused,withdrawn}'::pg_catalog.text[])"
		  " AND c.state OPERATOR(pg_catalog.<>) 'objected'::pg_catalog.text))",
		  INT8OID, INT8OID, TIMESTAMPTZOID);

static KeptPlan find_wrong =
KEPT_PLAN("SELECT 1 FROM nurture.consent_event AS e JOIN nurture.consent_event AS w"
		  " ON w.lead_id OPERATOR(pg_catalog.=) e.lead_id"
		  " AND w.consent_event_id OPERATOR(pg_catalog.<) e.consent_event_id"
		  " AND w.consent_event_id OPERATOR(pg_catalog.=)"
		  " (e.evidence OPERATOR(pg_catalog.->>) 'consent_event_id'::pg_catalog.text)::pg_catalog.int8"
		  " WHERE e.lead_id OPERATOR(pg_catalog.=) $1"
		  " AND e.consent_event_id OPERATOR(pg_catalog.=) $2", INT8OID, INT8OID);

/* the newest of the stops that an explicit grant lifts */
static KeptPlan newest_stop =
KEPT_PLAN("SELECT e.since FROM nurture.stop_effect AS e"
		  " WHERE e.lead_id OPERATOR(pg_catalog.=) $1 AND e.lifted_at IS NULL"
		  " AND 'explicit_grant'::pg_catalog.text OPERATOR(pg_catalog.=) ANY (e.lifted_by)"
		  " ORDER BY e.since DESC LIMIT 1", INT8OID);

/* An event of the statement. */
typedef struct NewEvent
{
	int64		lead_id;
	int64		id;
	ConsentState kind;
	char	   *channel;
	char	   *purpose;
	char	   *topic;
	char	   *product;
	char	   *source;			/* NULL = not told */
	char	   *actor;			/* likewise */
	char	   *legal_basis;	/* likewise: consent */
	TimestampTz since;			/* when it happened, or was recorded */
} NewEvent;

static int
compare_events(const void *a, const void *b)
{
	const NewEvent *x = a;
	const NewEvent *y = b;

	if (x->lead_id != y->lead_id)
		return x->lead_id < y->lead_id ? -1 : 1;
	return x->id < y->id ? -1 : x->id > y->id;
}

static char *
slot_text(TupleTableSlot *slot, TupleDesc desc, const char *column)
{
	bool		null;
	Datum		value = slot_getattr(slot, SPI_fnumber(desc, column), &null);

	return null ? NULL : TextDatumGetCString(value);
}

/* Collects the events of the statement, ascending by lead. */
static NewEvent *
collect_events(TriggerData *data, int *count)
{
	TupleDesc	desc = RelationGetDescr(data->tg_relation);
	TupleTableSlot *slot = MakeSingleTupleTableSlot(desc, &TTSOpsMinimalTuple);
	TimestampTz now = nurture_now_wall();
	NewEvent   *events = NULL;
	int			n = 0;
	int			max = 0;

	tuplestore_rescan(data->tg_newtable);
	while (tuplestore_gettupleslot(data->tg_newtable, true, false, slot))
	{
		NewEvent   *event;
		TimestampTz recorded;
		bool		null;

		if (n == max)
		{
			max = max ? max * 2 : 16;
			events = events ?
				repalloc_huge(events, sizeof(NewEvent) * max) :
				palloc(sizeof(NewEvent) * max);
		}
		event = &events[n++];
		event->lead_id = DatumGetInt64(slot_getattr(slot, SPI_fnumber(desc, "lead_id"), &null));
		event->id = DatumGetInt64(slot_getattr(slot, SPI_fnumber(desc, "consent_event_id"), &null));
		event->kind = nurture_consent_state(slot_text(slot, desc, "kind"));
		event->channel = slot_text(slot, desc, "channel");
		event->purpose = slot_text(slot, desc, "purpose");
		event->topic = slot_text(slot, desc, "topic");
		event->product = slot_text(slot, desc, "product");
		event->source = slot_text(slot, desc, "source");
		event->actor = slot_text(slot, desc, "actor");
		event->legal_basis = slot_text(slot, desc, "legal_basis");
		recorded = DatumGetTimestampTz(slot_getattr(slot, SPI_fnumber(desc, "recorded_at"), &null));
		event->since = Min(recorded, DatumGetTimestampTz(slot_getattr(slot, SPI_fnumber(desc, "occurred_at"), &null)));
		/* it would win over every opt-out until then */
		if (recorded > now)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("a consent event cannot have been recorded in the future"),
					 errhint("Leave recorded_at out: it is the time at which the row is written.")));
	}
	ExecDropSingleTupleTableSlot(slot);
	if (n > 1)
		qsort(events, n, sizeof(NewEvent), compare_events);
	*count = n;
	return events;
}

/*
 * Updates the gate row of the lead of some events.  What would permit is
 * nobody's once the lead was erased; a denial is taken all the same.
 */
static void
lock_lead(const NewEvent *events, int n)
{
	GateLead	lead;

	if (!nurture_gate_update(events->lead_id, 1, false, NULL, &lead))
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_UNKNOWN_LEAD),
				 errmsg("there is no lead " INT64_FORMAT, events->lead_id),
				 errhint("Or you may not see it; nurture.lead lists those you may.")));
	for (int i = 0; lead.erased && i < n && events[i].lead_id == events->lead_id; i++)
	{
		if (events[i].kind == CONSENT_REQUESTED || nurture_consent_permits(events[i].kind))
			ereport(ERROR,
					(errcode(NURTURE_ERRCODE_BAD_STATE),
					 errmsg("lead " INT64_FORMAT " was erased and can consent to nothing", events->lead_id),
					 errhint("Insert the person as a new lead; an address that was suppressed stays so until nurture_unsuppress.")));
	}
}

/* Returns the bits of nurture.gate.denied that a denied scope sets. */
static int32
denied_bits(const ConsentScope *scope)
{
	static const char *const channels[] = {"*", "email", "phone", "sms",
	"push", "post", "in_person"};
	int32		bit = 1 << lengthof(channels);

	if (strcmp(scope->topic, "*") != 0 || strcmp(scope->product, "*") != 0)
		return scope->state == CONSENT_OBJECTED ? 1 : 0;
	for (int i = 0; i < lengthof(channels); i++)
	{
		if (strcmp(scope->channel, channels[i]) == 0)
			bit = 1 << i;
	}
	if (scope->state == CONSENT_OBJECTED)
		bit = 1;
	if (strcmp(scope->purpose, "*") == 0)
		return bit | (bit << DENIED_OTHER_PURPOSE);
	return strcmp(scope->purpose, "marketing") == 0 ? bit :
		bit << DENIED_OTHER_PURPOSE;
}

/* Raises unless a correction names an earlier event of its lead. */
static void
check_correction(const NewEvent *event)
{
	Datum		values[2];

	values[0] = Int64GetDatum(event->lead_id);
	values[1] = Int64GetDatum(event->id);
	(void) nurture_execute(&find_wrong, values, NULL, false);
	if (SPI_processed == 0)
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_BAD_STATE),
				 errmsg("lead " INT64_FORMAT " has no earlier consent event of this number",
						event->lead_id),
				 errhint("Give the consent_event_id that was entered in error in evidence, such as {\"consent_event_id\": 7}.")));
}

/* Writes the state of each scope of a lead; returns the scopes. */
static ConsentScope *
write_states(int64 lead_id, int *nscopes)
{
	Datum		values[11];
	ConsentScope *scopes;
	int32		denied = 0;

	values[0] = Int64GetDatum(lead_id);
	(void) nurture_execute(&read_events, values, NULL, false);
	scopes = nurture_consent_fold(nscopes, DT_NOEND);
	for (int i = 0; i < *nscopes; i++)
	{
		ConsentScope *scope = &scopes[i];
		char		nulls[11] = {' ', ' ', ' ', ' ', ' ', ' ', ' ', ' ', ' ', ' ', ' '};

		values[1] = CStringGetTextDatum(scope->channel);
		values[2] = CStringGetTextDatum(scope->purpose);
		values[3] = CStringGetTextDatum(scope->topic);
		values[4] = CStringGetTextDatum(scope->product);
		if (scope->state == CONSENT_NONE)
		{
			(void) nurture_execute(&delete_state, values, NULL, false);
			continue;
		}
		values[5] = CStringGetTextDatum(nurture_consent_state_name(scope->state));
		values[6] = TimestampTzGetDatum(scope->since);
		values[7] = TimestampTzGetDatum(scope->expires_at);
		if (scope->expires_at == DT_NOEND)
			nulls[7] = 'n';
		if (scope->legal_basis != NULL)
			values[8] = CStringGetTextDatum(scope->legal_basis);
		else
			nulls[8] = 'n';
		values[9] = Int64GetDatum(scope->consent_event_id);
		values[10] = scope->hashes;
		nulls[10] = scope->bound ? ' ' : 'n';
		(void) nurture_execute(&write_state, values, nulls, false);
		if (nurture_consent_forbids(scope->state))
			denied |= denied_bits(scope);
	}
	values[1] = Int32GetDatum(denied);
	(void) nurture_execute(&write_denied, values, NULL, false);
	return scopes;
}

/* Writes the states of all leads of a statement, past their guard. */
static pg_noinline void
write_all_states(const NewEvent *events, const int *begin, int nleads,
				 ConsentScope **scopes, int *nscopes)
{
	int			guarded = nurture_message_open();

	PG_TRY();
	{
		for (int i = 0; i < nleads; i++)
		{
			CHECK_FOR_INTERRUPTS();
			scopes[i] = write_states(events[begin[i]].lead_id, &nscopes[i]);
		}
	}
	PG_FINALLY();
	{
		nurture_message_close(guarded);
	}
	PG_END_TRY();
}

static const ConsentScope *
scope_of(const NewEvent *event, const ConsentScope *scopes, int nscopes)
{
	for (int i = 0; i < nscopes; i++)
	{
		if (strcmp(scopes[i].channel, event->channel) == 0 &&
			strcmp(scopes[i].purpose, event->purpose) == 0 &&
			strcmp(scopes[i].topic, event->topic) == 0 &&
			strcmp(scopes[i].product, event->product) == 0)
			return &scopes[i];
	}
	return NULL;
}

/* Cancels what a scope that is denied now covers. */
static void
cancel_denied(int64 lead_id, const ConsentScope *scope)
{
	CancelScope cancel = {
		.lead_id = lead_id,.channel = scope->channel,
		.purpose = scope->purpose,.topic = scope->topic,
		.product = scope->product,.reason = "consent_denied"
	};

	if (strcmp(scope->purpose, "*") == 0)
		cancel.classes = CLASS_ALL;
	else if (strcmp(scope->purpose, "marketing") == 0)
		cancel.classes = CLASS_MARKETING;
	if (scope->state == CONSENT_OBJECTED)
		cancel.channel = cancel.topic = cancel.product = "*";
	cancel.cause = psprintf("consent:%s:%s:%s",
							nurture_consent_state_name(scope->state),
							scope->channel, scope->purpose);
	(void) nurture_gate_cancel(&cancel);
}

/*
 * Tells whether an explicit grant for marketing that holds was among the
 * events, no denial of all channels is left, and no stop that it would lift
 * is newer than the grant: what was said before it does not end it.
 */
static bool
lifts_stops(const NewEvent *events, int nevents, const ConsentScope *scopes,
			int nscopes)
{
	TimestampTz granted = DT_NOBEGIN;
	Datum		value;
	bool		null;

	for (int i = 0; i < nevents; i++)
	{
		const ConsentScope *scope = scope_of(&events[i], scopes, nscopes);

		if (nurture_consent_permits(events[i].kind) &&
			nurture_consent_basis(events[i].legal_basis) == BASIS_CONSENT &&
			scope != NULL && nurture_consent_permits(scope->state) &&
			(strcmp(events[i].purpose, "marketing") == 0 ||
			 strcmp(events[i].purpose, "*") == 0))
			granted = Max(granted, events[i].since);
	}
	if (TIMESTAMP_IS_NOBEGIN(granted))
		return false;
	for (int i = 0; i < nscopes; i++)
	{
		if (nurture_consent_forbids(scopes[i].state) &&
			(scopes[i].state == CONSENT_OBJECTED ||
			 strcmp(scopes[i].channel, "*") == 0))
			return false;
	}
	value = Int64GetDatum(events[0].lead_id);
	(void) nurture_execute(&newest_stop, &value, NULL, false);
	return SPI_processed == 0 ||
		DatumGetTimestampTz(nurture_cell(0, 1, &null)) <= granted;
}

/* Denies to the survivor of a merge what is denied to the merged lead. */
void
nurture_consent_inherit(int64 lead_id, int64 survivor)
{
	Datum		values[3] = {Int64GetDatum(lead_id), Int64GetDatum(survivor),
	TimestampTzGetDatum(nurture_now_wall())};

	(void) nurture_execute(&inherit, values, NULL, false);
}

/*
 * Hands a correction on to the survivor, and what it leaves denied.  Where the
 * survivor itself is corrected, what others bring it counts again.
 */
static void
hand_on_errors(const NewEvent *event, int64 survivor)
{
	Datum		values[3] = {Int64GetDatum(event->lead_id),
	Int64GetDatum(survivor), Int64GetDatum(event->id)};
	Datum	   *absorbed;
	uint64		n;

	if (survivor != 0)
	{
		(void) nurture_execute(&hand_on_correction, values, NULL, false);
		values[2] = TimestampTzGetDatum(nurture_now_wall());
		(void) nurture_execute(&inherit_left, values, NULL, false);
	}
	(void) nurture_execute(&find_absorbed, values, NULL, false);
	n = SPI_processed;
	absorbed = palloc(sizeof(Datum) * Max(n, 1));
	for (uint64 i = 0; i < n; i++)
	{
		bool		null;

		absorbed[i] = nurture_cell(i, 1, &null);
	}
	values[1] = values[0];
	values[2] = TimestampTzGetDatum(nurture_now_wall());
	for (uint64 i = 0; i < n; i++)
	{
		values[0] = absorbed[i];
		(void) nurture_execute(&inherit_left, values, NULL, false);
	}
}

/* Hands denials of merged leads, and corrections, on to their survivors. */
static void
hand_on_denials(const NewEvent *events, int n)
{
	for (int i = 0; i < n; i++)
	{
		bool		correction = events[i].kind == CONSENT_ENTERED_IN_ERROR;
		Datum		values[3];
		int64		survivor;

		if (!correction && !nurture_consent_forbids(events[i].kind))
			continue;
		survivor = nurture_gate_survivor(events[i].lead_id);
		if (correction)
			hand_on_errors(&events[i], survivor);
		if (correction || survivor == 0)
			continue;
		values[0] = Int64GetDatum(events[i].lead_id);
		values[1] = Int64GetDatum(survivor);
		values[2] = Int64GetDatum(events[i].id);
		(void) nurture_execute(&hand_on, values, NULL, false);
	}
}

/* Appends an entry per event. */
static void
record_events(const NewEvent *events, int n)
{
	AuditEntry *entries = palloc0(sizeof(AuditEntry) * Max(n, 1));

	for (int i = 0; i < n; i++)
	{
		const NewEvent *event = &events[i];

		entries[i].has_lead = true;
		entries[i].lead_id = event->lead_id;
		entries[i].kind = "consent";
		entries[i].object = psprintf("consent:" INT64_FORMAT, event->id);
		entries[i].outcome = nurture_consent_state_name(event->kind);
		entries[i].inputs = psprintf("channel %s, purpose %s, topic %s, product %s",
									 event->channel, event->purpose,
									 event->topic, event->product);
		entries[i].actor = event->actor;
		if (event->source != NULL)
		{
			StringInfoData json;

			initStringInfo(&json);
			appendStringInfoString(&json, "{\"source\":");
			escape_json(&json, event->source);
			appendStringInfoChar(&json, '}');
			entries[i].trigger_json = json.data;
		}
	}
	nurture_audit_append(entries, n);
}

/* Leads of a statement whose grant of sensitive inference is at stake. */
typedef struct InferenceLeads
{
	int64	   *leads;			/* ascending */
	bool	   *before;			/* whether it was granted, run out or not */
	int			n;
} InferenceLeads;

/*
 * Finds the leads whose events may change that grant and locks what follows
 * from it: activity comes before gate.
 */
static void
lock_inference(const NewEvent *events, int n, InferenceLeads *concerned)
{
	bool	   *named = palloc(sizeof(bool) * Max(n, 1));

	concerned->leads = palloc(sizeof(int64) * Max(n, 1));
	concerned->n = 0;
	for (int i = 0; i < n; i++)
	{
		const NewEvent *event = &events[i];
		bool		names = strcmp(event->purpose, NURTURE_INFERENCE_PURPOSE) == 0;
		int			last = concerned->n - 1;

		/* a grant of another purpose may end the objection that forbade it */
		if (!names && strcmp(event->purpose, "*") != 0 &&
			event->kind != CONSENT_OBJECTED &&
			event->kind != CONSENT_ENTERED_IN_ERROR &&
			!nurture_consent_permits(event->kind))
			continue;
		if (last < 0 || concerned->leads[last] != event->lead_id)
		{
			last = concerned->n++;
			concerned->leads[last] = event->lead_id;
			named[last] = false;
		}
		named[last] |= names;
	}
	if (concerned->n > 0)
		nurture_inference_lock(concerned->leads, concerned->n, named);
}

static bool
denies(const NewEvent *events, int n)
{
	for (int i = 0; i < n; i++)
	{
		if (nurture_consent_forbids(events[i].kind))
			return true;
	}
	return false;
}

/*
 * Trigger of nurture.consent_event, after each INSERT statement: gate rows of
 * all its leads first, then states and what they let into activity, then
 * messages and stops, then the audit, then enrollments.
 */
Datum
nurture_consent_changed(PG_FUNCTION_ARGS)
{
	TriggerData *data = nurture_trigger_data(fcinfo, "nurture_consent_changed");
	OwnerSwitch owner;
	int			level;
	NewEvent   *events;
	int			n;
	int			nleads = 0;
	int		   *begin;
	ConsentScope **scopes;
	int		   *nscopes;
	InferenceLeads inference = {0};

	if (!nurture_deriving())
		return PointerGetDatum(NULL);
	nurture_owner_enter(&owner);
	level = nurture_spi_connect();
	events = collect_events(data, &n);
	lock_inference(events, n, &inference);
	begin = palloc(sizeof(int) * (n + 1));
	for (int i = 0; i < n; i++)
	{
		if (i > 0 && events[i].lead_id == events[i - 1].lead_id)
			continue;
		begin[nleads++] = i;
		lock_lead(&events[i], n - i);
	}
	begin[nleads] = n;
	scopes = palloc(sizeof(ConsentScope *) * Max(nleads, 1));
	nscopes = palloc(sizeof(int) * Max(nleads, 1));
	if (inference.n > 0)
	{
		inference.before = palloc(sizeof(bool) * inference.n);
		nurture_inference_granted(inference.leads, inference.n, DT_NOBEGIN,
								  inference.before);
	}
	for (int i = 0; i < n; i++)
	{
		if (events[i].kind == CONSENT_ENTERED_IN_ERROR)
			check_correction(&events[i]);
	}
	write_all_states(events, begin, nleads, scopes, nscopes);
	if (inference.n > 0)
		(void) nurture_inference_settle(inference.leads, inference.n, inference.before);
	for (int i = 0; i < nleads; i++)
	{
		for (int j = begin[i]; j < begin[i + 1]; j++)
		{
			const ConsentScope *scope = scope_of(&events[j], scopes[i],
												 nscopes[i]);

			if (scope != NULL && nurture_consent_forbids(scope->state))
				cancel_denied(events[j].lead_id, scope);
			if (events[j].kind != CONSENT_ENTERED_IN_ERROR)
				continue;
			/* the grant it takes back may be one of another scope */
			for (int k = 0; k < nscopes[i]; k++)
			{
				if (nurture_consent_forbids(scopes[i][k].state))
					cancel_denied(events[j].lead_id, &scopes[i][k]);
			}
		}
	}
	record_events(events, n);
	hand_on_denials(events, n);
	for (int i = 0; i < nleads; i++)
	{
		if (lifts_stops(&events[begin[i]], begin[i + 1] - begin[i], scopes[i],
						nscopes[i]))
			(void) nurture_gate_lift(events[begin[i]].lead_id,
									 "explicit_grant", NULL);
	}
	for (int i = 0; i < nleads; i++)
	{
		if (denies(&events[begin[i]], begin[i + 1] - begin[i]) && nurture_gate_tracks != NULL)
			nurture_gate_tracks->denied(events[begin[i]].lead_id, "consent_denied", "consent");
	}
	for (int i = 0; i < nleads; i++)
	{
		if (denies(&events[begin[i]], begin[i + 1] - begin[i]))
			nurture_gate_state_changed(events[begin[i]].lead_id, GATE_STATE_CONSENT);
	}
	nurture_spi_finish(level);
	nurture_owner_leave(&owner);
	return PointerGetDatum(NULL);
}
