/*
 * stop.c
 *	  What stop rules and pauses put in force, and what lifts it.
 *
 * Each effect is a row of nurture.stop_effect; how long any of them lasts is
 * on the gate row, so that a message without one costs nothing more.
 */
#include "base/compat.h"

#include "audit/audit.h"
#include "base/clock.h"
#include "base/errors.h"
#include "base/owner.h"
#include "base/plans.h"
#include "catalog/pg_type.h"
#include "facts/lead.h"
#include "gate/stop.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"
#include "utils/timestamp.h"

NURTURE_FUNCTION(nurture_pause);
NURTURE_FUNCTION(nurture_resume);

#define NO_ADDRESS	0			/* what lift_effects takes where no address
								 * changed */
#define NEW_EMAIL	1
#define NEW_PHONE	2

const GateTracks *nurture_gate_tracks = NULL;

/*
 * What is over, or was put in force by a rule that has become another, ends
 * before the rule acts again.
 */
static KeptPlan end_outdated =
KEPT_PLAN("UPDATE nurture.stop_effect AS e SET lifted_at = least(e.until, $8), lifted_seq = $9,"
		  " lifted_because = CASE WHEN e.until <= $8 THEN 'expired' ELSE 'changed' END"
		  " WHERE e.lead_id = $1 AND e.rule = $2 AND e.lifted_at IS NULL"
		  " AND (e.until <= $8 OR (e.effect, e.mode, e.scope, e.factor, e.to_track)"
		  " IS DISTINCT FROM ($3, $4, $5, $6, $7))",
		  INT8OID, TEXTOID, TEXTOID, TEXTOID, JSONBOID, NUMERICOID, TEXTOID, TIMESTAMPTZOID, INT8OID);

static KeptPlan add_effect =
KEPT_PLAN("INSERT INTO nurture.stop_effect AS e (lead_id, rule, effect, mode, scope, factor, to_track,"
		  " since, until, recorded_at, event_id, cancelled, gate_seq, lifted_by, reason,"
		  " lifted_at, lifted_because, lifted_seq)"
		  " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15,"
		  " CASE WHEN $16 THEN $10 END, CASE WHEN $16 THEN 'done' END, CASE WHEN $16 THEN $13 END)"
		  " ON CONFLICT (lead_id, rule) WHERE lifted_at IS NULL DO UPDATE"
		  " SET lifted_by = EXCLUDED.lifted_by,"
		  " until = greatest(e.until, EXCLUDED.until), event_id = EXCLUDED.event_id,"
		  " fired = e.fired + 1, cancelled = e.cancelled + EXCLUDED.cancelled,"
		  " reason = coalesce(EXCLUDED.reason, e.reason) RETURNING e.until",
		  INT8OID, TEXTOID, TEXTOID, TEXTOID, JSONBOID, NUMERICOID, TEXTOID,
		  TIMESTAMPTZOID, TIMESTAMPTZOID, TIMESTAMPTZOID, INT8OID, INT8OID, INT8OID,
		  TEXTARRAYOID, TEXTOID, BOOLOID);

#define LIFT_SET \
	"UPDATE nurture.stop_effect AS e SET lifted_at = $3, lifted_because = $2, lifted_seq = $5," \
	" reason = coalesce($4, e.reason) WHERE e.lead_id = $1 AND e.lifted_at IS NULL AND "
#define LIFT_RETURN " RETURNING e.rule, e.effect, e.mode"

/* an address lifts what is about its channels only */
static KeptPlan lift_effects =
KEPT_PLAN(LIFT_SET "$2 = ANY (e.lifted_by) AND ($6 = 0 OR NOT e.scope ? 'channels'"
		  " OR ($6 & 1 <> 0 AND e.scope -> 'channels' <@ '[\"email\"]')"
		  " OR ($6 & 2 <> 0 AND e.scope -> 'channels' <@ '[\"phone\", \"sms\"]'))" LIFT_RETURN,
		  INT8OID, TEXTOID, TIMESTAMPTZOID, TEXTOID, INT8OID, INT4OID);

static KeptPlan lift_rule =
KEPT_PLAN(LIFT_SET "e.rule = $6 AND $2 = ANY (e.lifted_by)" LIFT_RETURN,
		  INT8OID, TEXTOID, TIMESTAMPTZOID, TEXTOID, INT8OID, TEXTOID);

static KeptPlan end_after =
KEPT_PLAN("UPDATE nurture.stop_effect AS e SET until = $3 WHERE e.lead_id = $1 AND e.lifted_at IS NULL"
		  " AND e.until > $4 AND $2 = ANY (e.lifted_by) AND e.until <> $3 RETURNING e.rule, e.effect, e.mode",
		  INT8OID, TEXTOID, TIMESTAMPTZOID, TIMESTAMPTZOID);

static KeptPlan end_expired =
KEPT_PLAN("UPDATE nurture.stop_effect AS e SET lifted_at = e.until, lifted_because = 'expired', lifted_seq = $3"
		  " WHERE e.lead_id = $1 AND e.lifted_at IS NULL AND e.until <= $2 RETURNING e.rule, e.effect, e.mode",
		  INT8OID, TIMESTAMPTZOID, INT8OID);

static KeptPlan is_open =
KEPT_PLAN("SELECT 1 FROM nurture.stop_effect AS e"
		  " WHERE e.lead_id = $1 AND e.rule = $2 AND e.lifted_at IS NULL AND e.until > $3",
		  INT8OID, TEXTOID, TIMESTAMPTZOID);

static KeptPlan waits_for =
KEPT_PLAN("SELECT 1 FROM nurture.stop_effect AS e"
		  " WHERE e.lead_id = $1 AND e.lifted_at IS NULL AND $2 = ANY (e.lifted_by)",
		  INT8OID, TEXTOID);

static KeptPlan write_gate =
KEPT_PLAN("UPDATE nurture.gate AS g SET stopped_until = e.stopped, paused_until = e.paused"
		  " FROM (SELECT max(until) FILTER (WHERE effect <> 'pause') AS stopped,"
		  " max(until) FILTER (WHERE effect = 'pause') AS paused FROM nurture.stop_effect"
		  " WHERE lead_id = $1 AND lifted_at IS NULL) AS e"
		  " WHERE g.lead_id = $1 AND (g.stopped_until, g.paused_until) IS DISTINCT FROM (e.stopped, e.paused)",
		  INT8OID);

static KeptPlan read_open =
KEPT_PLAN("SELECT e.rule, e.effect, e.scope::text, e.since, e.until, e.lifted_by, e.reason,"
		  " coalesce((e.factor * 100)::int4, 0), e.to_track, coalesce(e.event_id, 0)"
		  " FROM nurture.stop_effect AS e"
		  " WHERE e.lead_id = $1 AND e.lifted_at IS NULL"
		  " AND e.mode = 'enforced' AND e.until > $2 ORDER BY e.rule",
		  INT8OID, TIMESTAMPTZOID);

static KeptPlan find_due =
KEPT_PLAN("SELECT e.lead_id, e.until FROM nurture.stop_effect AS e"
		  " WHERE e.lifted_at IS NULL AND e.until <= $1 AND e.until < 'infinity' ORDER BY e.until LIMIT $2",
		  TIMESTAMPTZOID, INT4OID);

static KeptPlan lock_free =
KEPT_PLAN("SELECT 1 FROM nurture.gate AS g WHERE g.lead_id = $1 FOR NO KEY UPDATE SKIP LOCKED",
		  INT8OID);

/*
 * Updates the gate row and returns its number.  Everything that is put in
 * force or lifted has a place in the order of the lead's decisions.
 */
static int64
next_seq(int64 lead_id)
{
	GateLead	lead = {0};

	if (!nurture_gate_update(lead_id, 1, false, NULL, &lead))
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_UNKNOWN_LEAD),
				 errmsg("there is no lead " INT64_FORMAT, lead_id),
				 errhint("Or you may not see it; nurture.lead lists those you may.")));
	return lead.seq;
}

/* Writes how long anything is in force to the gate row, which is ours. */
static void
refresh_gate(int64 lead_id)
{
	Datum		value = Int64GetDatum(lead_id);

	nurture_gate_epoch++;
	(void) nurture_execute(&write_gate, &value, NULL, false);
}

static bool
covers_track(const void *scope, const char *track, const char *purpose,
			 const char *product)
{
	return nurture_stop_covers_track(scope, track, purpose, product);
}

/* Has the tracks room do to enrollments what an effect does. */
void
nurture_stop_apply_tracks(const StopEffect *effect)
{
	static const struct
	{
		GateTrackAct act;
		const char *exit_reason;
	}			acts[] = {
		[STOP_STOP] = {GATE_TRACKS_END, "stopped"},
		[STOP_SUPPRESS] = {GATE_TRACKS_END, "stopped"},
		[STOP_PAUSE] = {GATE_TRACKS_PAUSE, NULL},
		[STOP_SLOW] = {GATE_TRACKS_SLOW, NULL},
		[STOP_EXIT_TRACK] = {GATE_TRACKS_END, "exit_track"},
		[STOP_SWITCH_TRACK] = {GATE_TRACKS_SWITCH, "switch_track"}
	};
	StopEffectKind kind = nurture_stop_kind(effect->effect);
	StopScope	scope;
	GateTrackEffect what = {
		.lead_id = effect->lead_id,.act = acts[kind].act,
		.rule = effect->rule,.exit_reason = acts[kind].exit_reason,
		.to_track = effect->to_track,.event_id = effect->event_id,
		.words = effect->reason,.scope = &scope,.covers = covers_track
	};

	if (nurture_gate_tracks == NULL || strcmp(effect->mode, "enforced") != 0)
		return;
	nurture_stop_scope(effect->effect, effect->scope, effect->to_track, &scope);
	nurture_gate_tracks->apply(&what);
}

/* Lets enrollments go on that a pause held, unless another does. */
static void
release_tracks(int64 lead_id, const char *rule, const char *words)
{
	GateTrackEffect what = {
		.lead_id = lead_id,.act = GATE_TRACKS_RELEASE,.rule = rule,.words = words
	};

	if (nurture_gate_tracks != NULL)
		nurture_gate_tracks->apply(&what);
}

static char *
until_text(TimestampTz until)
{
	return TIMESTAMP_IS_NOEND(until) ? "lifted" : pstrdup(timestamptz_to_str(until));
}

static void
record_put(const StopEffect *effect, TimestampTz until, int64 cancelled)
{
	AuditEntry	entry = {0};
	StringInfoData json;
	bool		enforced = strcmp(effect->mode, "enforced") == 0;

	initStringInfo(&json);
	appendStringInfoString(&json, "{\"rule\":");
	escape_json(&json, effect->rule);
	if (effect->event_id != 0)
		appendStringInfo(&json, ",\"event_id\":" INT64_FORMAT, effect->event_id);
	appendStringInfoChar(&json, '}');
	entry.has_lead = true;
	entry.lead_id = effect->lead_id;
	entry.kind = "stop";
	entry.object = psprintf("stop_rule:%s", effect->rule);
	entry.outcome = enforced ? effect->effect : psprintf("shadow_%s", effect->effect);
	entry.trigger_json = json.data;
	entry.inputs = psprintf("until %s, scope %s, %s " INT64_FORMAT " messages",
							effect->at_once ? "now" : until_text(until), effect->scope,
							enforced ? "cancelled" : "would have cancelled", cancelled);
	entry.reason = effect->reason;
	entry.actor = effect->actor;
	nurture_audit_append(&entry, 1);
}

/*
 * Puts an effect in force and cancels what it forbids; what it does to
 * enrollments comes after all messages of the statement and is the caller's,
 * but for the survivor of a merge.  The gate row has been updated by the
 * caller; connected to SPI, as the owner.
 */
void
nurture_stop_put(const StopEffect *effect)
{
	Datum		values[16];
	char		nulls[16];
	Datum		outdated[9];
	char		outdated_nulls[9];
	StopEffectKind kind = nurture_stop_kind(effect->effect);
	bool		enforced = strcmp(effect->mode, "enforced") == 0;
	int64		cancelled = 0;
	TimestampTz now = nurture_now_wall();
	TimestampTz until;
	StopScope	scope;
	CancelScope cancel = {
		.lead_id = effect->lead_id,.channel = "*",.topic = "*",.product = "*",
		.reason = kind == STOP_PAUSE ? "paused" : "stopped",
		.cause = psprintf("stop_rule:%s", effect->rule)
	};
	int64		survivor;
	int64		seq = next_seq(effect->lead_id);
	bool		null;

	memset(nulls, ' ', sizeof(nulls));
	values[0] = Int64GetDatum(effect->lead_id);
	values[1] = CStringGetTextDatum(effect->rule);
	values[2] = CStringGetTextDatum(effect->effect);
	values[3] = CStringGetTextDatum(effect->mode);
	values[4] = DirectFunctionCall1(jsonb_in, CStringGetDatum(effect->scope));
	values[5] = DirectFunctionCall3(numeric_in, CStringGetDatum(psprintf("%d.%02d", effect->factor / 100, effect->factor % 100)),
									ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1));
	nulls[5] = effect->factor == 0 ? 'n' : ' ';
	values[6] = effect->to_track ? CStringGetTextDatum(effect->to_track) : (Datum) 0;
	nulls[6] = effect->to_track ? ' ' : 'n';
	memcpy(outdated, values, sizeof(Datum) * 7);
	memcpy(outdated_nulls, nulls, 7);
	outdated_nulls[7] = outdated_nulls[8] = ' ';
	outdated[7] = TimestampTzGetDatum(now);
	outdated[8] = Int64GetDatum(seq);
	if (!effect->at_once)
		(void) nurture_execute(&end_outdated, outdated, outdated_nulls, false);

	nurture_stop_scope(effect->effect, effect->scope, effect->to_track, &scope);
	cancel.classes = scope.classes;
	cancel.channels = scope.channels;
	cancel.purposes = scope.purposes;
	cancel.products = scope.products;
	cancel.tracks = scope.tracks;
	cancel.but_track = scope.but_track;
	if (kind != STOP_SLOW)
		cancelled = enforced ? nurture_gate_cancel(&cancel) : nurture_gate_would_cancel(&cancel);

	values[7] = TimestampTzGetDatum(effect->since);
	values[8] = TimestampTzGetDatum(effect->at_once ? effect->since : effect->until);
	values[9] = TimestampTzGetDatum(now);
	values[10] = Int64GetDatum(effect->event_id);
	nulls[10] = effect->event_id == 0 ? 'n' : ' ';
	values[11] = Int64GetDatum(cancelled);
	values[12] = Int64GetDatum(seq);
	values[13] = effect->lifted_by;
	values[14] = effect->reason ? CStringGetTextDatum(effect->reason) : (Datum) 0;
	nulls[14] = effect->reason ? ' ' : 'n';
	values[15] = BoolGetDatum(effect->at_once);
	(void) nurture_execute(&add_effect, values, nulls, false);
	until = DatumGetTimestampTz(nurture_cell(0, 1, &null));
	if (!effect->at_once)
		refresh_gate(effect->lead_id);
	record_put(effect, until, cancelled);

	survivor = enforced ? nurture_gate_survivor(effect->lead_id) : 0;
	if (survivor != 0)
	{
		StopEffect	same = *effect;

		/* the same person: there are no circles, see gate_row.c */
		same.lead_id = survivor;
		nurture_stop_put(&same);
		nurture_stop_apply_tracks(&same);
	}
}

/* Writes the ends of what is in force anew, for merge.c. */
void
nurture_stop_refresh(int64 lead_id)
{
	refresh_gate(lead_id);
}

/* Stops the survivor of a merge for what the merged lead is stopped. */
void
nurture_stop_inherit(int64 lead_id, int64 survivor)
{
	Datum		values[2] = {Int64GetDatum(lead_id),
	TimestampTzGetDatum(nurture_now_wall())};
	StopEffect *effects;
	uint64		n;

	(void) nurture_execute(&read_open, values, NULL, false);
	n = SPI_processed;
	effects = palloc0(sizeof(StopEffect) * Max(n, 1));
	for (uint64 row = 0; row < n; row++)
	{
		bool		null;

		effects[row].lead_id = survivor;
		effects[row].rule = nurture_cell_text(row, 1);
		effects[row].effect = nurture_cell_text(row, 2);
		effects[row].mode = "enforced";
		effects[row].scope = nurture_cell_text(row, 3);
		effects[row].since = DatumGetTimestampTz(nurture_cell(row, 4, &null));
		effects[row].until = DatumGetTimestampTz(nurture_cell(row, 5, &null));
		effects[row].lifted_by = PointerGetDatum(DatumGetArrayTypePCopy(nurture_cell(row, 6, &null)));
		effects[row].reason = nurture_cell_text(row, 7);
		effects[row].factor = DatumGetInt32(nurture_cell(row, 8, &null));
		effects[row].to_track = nurture_cell_text(row, 9);
		effects[row].event_id = DatumGetInt64(nurture_cell(row, 10, &null));
	}
	for (uint64 row = 0; row < n; row++)
		nurture_stop_put(&effects[row]);
	for (uint64 row = 0; row < n; row++)
		nurture_stop_apply_tracks(&effects[row]);
}

static Datum
one_word(const char *word)
{
	Datum		item = word ? CStringGetTextDatum(word) : (Datum) 0;

	return PointerGetDatum(construct_array(&item, word ? 1 : 0, TEXTOID, -1,
										   false, TYPALIGN_INT));
}

/* Adds an interval in UTC, so that no session's time zone moves the end. */
static TimestampTz
plus_interval(TimestampTz at, Interval span)
{
	return DatumGetTimestamp(DirectFunctionCall2(timestamp_pl_interval,
												 TimestampGetDatum(at),
												 IntervalPGetDatum(&span)));
}

/*
 * Fills what a rule does; false when it is over already, counted from since.
 */
bool
nurture_stop_of_rule(const StopRule *rule, StopEffect *effect)
{
	effect->rule = rule->rule;
	effect->effect = rule->effect;
	effect->mode = rule->mode;
	effect->scope = rule->scope;
	effect->factor = rule->factor;
	effect->to_track = rule->to_track;
	effect->lifted_by = rule->lifted_by;
	effect->until = rule->has_duration ? plus_interval(effect->since, rule->duration) : DT_NOEND;
	effect->at_once = !rule->has_duration && nurture_stop_kind(rule->effect) >= STOP_EXIT_TRACK;
	return effect->until > nurture_now_wall();
}

/* Puts an effect in force; the row of a rule says what, where there is one. */
static void
put_by_name(int64 lead_id, const char *code, const StopRule *rule,
			const char *effect, TimestampTz until, const char *lifted_by,
			const char *reason, const char *actor)
{
	OwnerSwitch owner;
	int			level;
	StopEffect	stop = {
		.lead_id = lead_id,.rule = code,.effect = effect,.mode = "enforced",
		.scope = "{}",.until = until,.reason = reason,.actor = actor
	};

	nurture_owner_enter(&owner);
	level = nurture_spi_connect();
	nurture_gate_lock(lead_id);
	stop.since = nurture_now_wall();
	stop.lifted_by = one_word(lifted_by);
	if (rule == NULL || nurture_stop_of_rule(rule, &stop))
	{
		nurture_stop_put(&stop);
		nurture_stop_apply_tracks(&stop);
	}
	nurture_spi_finish(level);
	nurture_owner_leave(&owner);
}

/* Puts a stop in force; see gate.h. */
void
nurture_gate_stop(int64 lead_id, const char *rule, const char *effect,
				  TimestampTz until, const char *lifted_by,
				  const char *reason)
{
	const StopRule *row = nurture_stop_rule_find(rule);

	if (row != NULL || effect != NULL)
		put_by_name(lead_id, rule, row, effect, until, lifted_by, reason, NULL);
}

/* Tells whether a rule's effect is in force for a lead. */
bool
nurture_stop_is_open(int64 lead_id, const char *rule, TimestampTz now)
{
	Datum		values[3] = {Int64GetDatum(lead_id), CStringGetTextDatum(rule),
	TimestampTzGetDatum(now)};

	(void) nurture_execute(&is_open, values, NULL, false);
	return SPI_processed > 0;
}

/*
 * Records what the last result says has ended or been put off, and lets paused
 * enrollments go on.  Returns how many.
 */
static int
record_lifted(int64 lead_id, const char *outcome, const char *cause,
			  const char *reason, const char *actor)
{
	int			n = (int) SPI_processed;
	AuditEntry *entries = palloc0(sizeof(AuditEntry) * Max(n, 1));
	const char *paused = NULL;

	for (int i = 0; i < n; i++)
	{
		char	   *rule = nurture_cell_text(i, 1);
		char	   *effect = nurture_cell_text(i, 2);
		bool		shadow = strcmp(nurture_cell_text(i, 3), "shadow") == 0;

		entries[i].has_lead = true;
		entries[i].lead_id = lead_id;
		entries[i].kind = "stop";
		entries[i].object = psprintf("stop_rule:%s", rule);
		entries[i].outcome = shadow ? psprintf("shadow_%s", outcome) : outcome;
		entries[i].inputs = psprintf("%s, %s", effect, cause);
		entries[i].reason = reason;
		entries[i].actor = actor;
		if (!shadow && nurture_stop_kind(effect) == STOP_PAUSE)
			paused = rule;
	}
	if (n == 0)
		return 0;
	refresh_gate(lead_id);
	nurture_audit_append(entries, n);
	if (paused != NULL)
		release_tracks(lead_id, paused, reason);
	return n;
}

static int
lift(int64 lead_id, const char *cause, int addresses, const char *reason,
	 const char *actor)
{
	OwnerSwitch owner;
	int			level;
	Datum		values[6];
	char		nulls[6] = {' ', ' ', ' ', ' ', ' ', ' '};
	int			n;

	nurture_owner_enter(&owner);
	level = nurture_spi_connect();
	values[0] = Int64GetDatum(lead_id);
	values[1] = CStringGetTextDatum(cause);
	values[4] = Int64GetDatum(next_seq(lead_id));
	values[2] = TimestampTzGetDatum(nurture_now_wall());
	if (reason != NULL)
		values[3] = CStringGetTextDatum(reason);
	else
		nulls[3] = 'n';
	values[5] = Int32GetDatum(addresses);
	(void) nurture_execute(&lift_effects, values, nulls, false);
	n = record_lifted(lead_id, "lifted", psprintf("lifted by %s", cause), reason, actor);
	nurture_spi_finish(level);
	nurture_owner_leave(&owner);
	return n;
}

/* Lifts stops; see gate.h. */
int
nurture_gate_lift(int64 lead_id, const char *cause, const char *reason)
{
	return lift(lead_id, cause, NO_ADDRESS, reason, NULL);
}

/* Lifts what a new address lifts.  Connected to SPI, as the owner. */
void
nurture_stop_new_address(int64 lead_id, bool email, bool phone)
{
	Datum		values[2] = {Int64GetDatum(lead_id), CStringGetTextDatum("new_address")};

	if (!email && !phone)
		return;
	(void) nurture_execute(&waits_for, values, NULL, false);
	if (SPI_processed == 0)
		return;
	(void) lift(lead_id, "new_address", (email ? NEW_EMAIL : 0) | (phone ? NEW_PHONE : 0), NULL, NULL);
}

/* Lifts what one rule put in force, if this cause may; how many. */
int
nurture_stop_lift_rule(int64 lead_id, const char *rule, const char *cause)
{
	Datum		values[6] = {Int64GetDatum(lead_id), CStringGetTextDatum(cause),
		TimestampTzGetDatum(nurture_now_wall()), (Datum) 0,
	Int64GetDatum(next_seq(lead_id)), CStringGetTextDatum(rule)};

	(void) nurture_execute(&lift_rule, values, "   n  ", false);
	return record_lifted(lead_id, "lifted", psprintf("lifted by %s", cause), NULL, NULL);
}

/*
 * A signal came that lifts effects: at once, or so many days after it.  The
 * gate row is ours.
 */
void
nurture_stop_end_after(int64 lead_id, const StopLifter *lifter, TimestampTz at)
{
	TimestampTz now = nurture_now_wall();
	Interval	after = {.day = lifter->days};
	TimestampTz until;
	Datum		values[4];

	if (lifter->days < 0)
	{
		(void) lift(lead_id, lifter->text, NO_ADDRESS, NULL, NULL);
		return;
	}
	until = plus_interval(at, after);
	values[0] = Int64GetDatum(lead_id);
	values[1] = CStringGetTextDatum(lifter->text);
	values[2] = TimestampTzGetDatum(until);
	values[3] = TimestampTzGetDatum(now);
	(void) next_seq(lead_id);
	(void) nurture_execute(&end_after, values, NULL, false);
	(void) record_lifted(lead_id, "end_set", psprintf("until %s by %s", until_text(until), lifter->text), NULL, NULL);
}

/* Fills up to max leads with stops whose time is over; see gate.h. */
int
nurture_gate_stops_due(TimestampTz now, int64 *leads, int max, TimestampTz *oldest)
{
	Datum		values[2] = {TimestampTzGetDatum(now), Int32GetDatum(max)};
	int			n = 0;
	bool		null;

	(void) nurture_execute(&find_due, values, NULL, false);
	*oldest = SPI_processed > 0 ? DatumGetTimestampTz(nurture_cell(0, 2, &null)) : DT_NOEND;
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		int64		lead_id = DatumGetInt64(nurture_cell(row, 1, &null));
		int			place = 0;

		while (place < n && leads[place] < lead_id)
			place++;
		if (place < n && leads[place] == lead_id)
			continue;
		memmove(&leads[place + 1], &leads[place], sizeof(int64) * (n - place));
		leads[place] = lead_id;
		n++;
	}
	return n;
}

/*
 * Ends what is over for a lead; false when somebody else has its gate row.
 * See gate.h.
 */
bool
nurture_gate_stops_end(int64 lead_id, TimestampTz now)
{
	Datum		values[3] = {Int64GetDatum(lead_id), TimestampTzGetDatum(now)};

	(void) nurture_execute(&lock_free, values, NULL, false);
	if (SPI_processed == 0)
		return false;
	values[2] = Int64GetDatum(next_seq(lead_id));
	(void) nurture_execute(&end_expired, values, NULL, false);
	(void) record_lifted(lead_id, "ended", "its time is over", NULL, NULL);
	return true;
}

/* Raises unless the caller may put stops in force. */
static void
check_right(void)
{
	if (pg_class_aclcheck(nurture_table_oid("stop_effect", false), GetUserId(),
						  ACL_INSERT) != ACLCHECK_OK)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to pause or resume leads"),
				 errhint("It needs the right to INSERT into nurture.stop_effect.")));
}

/* Raises unless all arguments but the actor are there, and returns that. */
static char *
check_arguments(FunctionCallInfo fcinfo, const char *what)
{
	int			last = PG_NARGS() - 1;

	for (int i = 0; i < last; i++)
	{
		if (PG_ARGISNULL(i))
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("%s must be given", what),
					 errhint("A pause without an end is one until infinity.")));
	}
	return PG_ARGISNULL(last) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(last));
}

/*
 * nurture_pause(lead_id bigint, until timestamptz, reason text, actor text)
 * returns bigint: how many messages that cancelled.
 */
Datum
nurture_pause(PG_FUNCTION_ARGS)
{
	char	   *actor = check_arguments(fcinfo, "lead, end and reason of a pause");
	TimestampTz until = PG_GETARG_TIMESTAMPTZ(1);
	int64		before = nurture_cancelled_messages;

	check_right();
	nurture_lead_require_seen(PG_GETARG_INT64(0));
	if (until <= nurture_now_wall())
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the end of the pause lies in the past"),
				 errhint("Give an instant to come, or infinity for until nurture_resume.")));
	put_by_name(PG_GETARG_INT64(0), "manual", NULL, "pause", until, "resume",
				text_to_cstring(PG_GETARG_TEXT_PP(2)), actor);
	PG_RETURN_INT64(nurture_cancelled_messages - before);
}

/*
 * nurture_resume(lead_id bigint, reason text, actor text) returns integer: how
 * many pauses and stops that lifted.  A stop that only the lead can lift stays.
 */
Datum
nurture_resume(PG_FUNCTION_ARGS)
{
	char	   *actor = check_arguments(fcinfo, "lead and reason of resuming");

	check_right();
	nurture_lead_require_seen(PG_GETARG_INT64(0));
	PG_RETURN_INT32(lift(PG_GETARG_INT64(0), "resume", NO_ADDRESS,
						 text_to_cstring(PG_GETARG_TEXT_PP(1)), actor));
}
