/*
 * stop.c
 *	  Stop rules, pauses, and what lifts them.
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
#include "core/condition.h"
#include "facts/reaction.h"
#include "facts/subject.h"
#include "gate/gate_private.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

NURTURE_FUNCTION(nurture_pause);
NURTURE_FUNCTION(nurture_resume);

static KeptPlan add_effect =
KEPT_PLAN("INSERT INTO nurture.stop_effect AS e (lead_id, rule, effect, mode,"
		  " scope, since, until, event_id, lifted_by, reason)"
		  " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"
		  " ON CONFLICT (lead_id, rule) WHERE lifted_at IS NULL DO UPDATE"
		  " SET effect = EXCLUDED.effect, mode = EXCLUDED.mode,"
		  " scope = EXCLUDED.scope, lifted_by = EXCLUDED.lifted_by,"
		  " until = GREATEST(e.until, EXCLUDED.until),"
		  " event_id = EXCLUDED.event_id, reason = EXCLUDED.reason",
		  INT8OID, TEXTOID, TEXTOID, TEXTOID, JSONBOID, TIMESTAMPTZOID,
		  TIMESTAMPTZOID, INT8OID, TEXTARRAYOID, TEXTOID);

static KeptPlan lift_effects =
KEPT_PLAN("UPDATE nurture.stop_effect AS e SET lifted_at = $3,"
		  " lifted_because = $2, reason = COALESCE($4, e.reason)"
		  " WHERE e.lead_id = $1 AND e.lifted_at IS NULL"
		  " AND $2 = ANY (e.lifted_by) RETURNING e.rule, e.effect, e.mode",
		  INT8OID, TEXTOID, TIMESTAMPTZOID, TEXTOID);

static KeptPlan write_gate =
KEPT_PLAN("UPDATE nurture.gate AS g SET stopped_until = $2, paused_until = $3"
		  " WHERE g.lead_id = $1", INT8OID, TIMESTAMPTZOID, TIMESTAMPTZOID);

static KeptPlan read_ends =
KEPT_PLAN("SELECT max(e.until) FILTER (WHERE e.effect <> 'pause'),"
		  " max(e.until) FILTER (WHERE e.effect = 'pause')"
		  " FROM nurture.stop_effect AS e"
		  " WHERE e.lead_id = $1 AND e.lifted_at IS NULL"
		  " AND e.mode = 'enforced'", INT8OID);

/*
 * Returns the classes an effect forbids, and in *channels those its scope
 * names, NULL for all.
 */
int
nurture_stop_classes(const char *effect, const char *scope_json,
					 ArrayType **channels)
{
	int			classes = strcmp(effect, "suppress_promotional") == 0 ?
	CLASS_MARKETING : CLASS_ALL & ~CLASS_OPERATIONAL;
	Jsonb	   *scope;
	static const char *const keys[] = {"message_classes", "channels"};

	*channels = NULL;
	if (scope_json == NULL || strcmp(scope_json, "{}") == 0)
		return classes;
	scope = DatumGetJsonbP(DirectFunctionCall1(jsonb_in,
											   CStringGetDatum(scope_json)));
	for (int key = 0; key < lengthof(keys); key++)
	{
		JsonbValue	list;
		JsonbIterator *iterator;
		JsonbValue	item;
		Datum	   *items;
		int			n = 0;
		int			named = 0;
		JsonbIteratorToken token;

		if (getKeyJsonValueFromContainer(&scope->root, keys[key],
										 strlen(keys[key]), &list) == NULL ||
			list.type != jbvBinary)
			continue;
		items = palloc(sizeof(Datum) *
					   Max(JsonContainerSize(list.val.binary.data), 1));
		iterator = JsonbIteratorInit(list.val.binary.data);
		while ((token = JsonbIteratorNext(&iterator, &item, true)) != WJB_DONE)
		{
			char	   *word;

			if (token != WJB_ELEM || item.type != jbvString)
				continue;
			word = pnstrdup(item.val.string.val, item.val.string.len);
			named |= nurture_gate_class(word);
			items[n++] = CStringGetTextDatum(word);
		}
		if (key == 0)
			classes = named;
		else
			*channels = construct_array(items, n, TEXTOID, -1, false,
										TYPALIGN_INT);
	}
	return classes;
}

/* Writes the ends of what is in force to the gate row, which is ours. */
static void
refresh_gate(int64 lead_id)
{
	Datum		values[3];
	char		nulls[3] = {' ', ' ', ' '};
	bool		null;

	values[0] = Int64GetDatum(lead_id);
	(void) nurture_execute(&read_ends, values, NULL, false);
	values[1] = nurture_cell(0, 1, &null);
	nulls[1] = null ? 'n' : ' ';
	values[2] = nurture_cell(0, 2, &null);
	nulls[2] = null ? 'n' : ' ';
	nurture_gate_epoch++;
	(void) nurture_execute(&write_gate, values, nulls, false);
}

static KeptPlan read_open =
KEPT_PLAN("SELECT e.rule, e.effect, e.scope::pg_catalog.text, e.since,"
		  " e.until, e.lifted_by, e.reason FROM nurture.stop_effect AS e"
		  " WHERE e.lead_id = $1 AND e.lifted_at IS NULL"
		  " AND e.mode = 'enforced' AND e.until > $2 ORDER BY e.rule",
		  INT8OID, TIMESTAMPTZOID);

/* What is to be put in force. */
typedef struct StopEffect
{
	int64		lead_id;
	const char *rule;
	const char *effect;
	const char *mode;
	const char *scope;			/* JSON */
	TimestampTz since;
	TimestampTz until;
	int64		event_id;		/* 0 = none */
	Datum		lifted_by;		/* text[] */
	const char *reason;			/* NULL = none */
} StopEffect;

/*
 * Puts an effect in force and cancels what it forbids.  The gate row has been
 * updated by the caller; connected to SPI, as the owner.
 */
static void
put_effect(const StopEffect *effect)
{
	Datum		values[10];
	char		nulls[10] = {' ', ' ', ' ', ' ', ' ', ' ', ' ', ' ', ' ', ' '};
	bool		enforced = strcmp(effect->mode, "enforced") == 0;
	AuditEntry	entry = {0};
	StringInfoData json;
	int64		survivor;

	values[0] = Int64GetDatum(effect->lead_id);
	values[1] = CStringGetTextDatum(effect->rule);
	values[2] = CStringGetTextDatum(effect->effect);
	values[3] = CStringGetTextDatum(effect->mode);
	values[4] = DirectFunctionCall1(jsonb_in, CStringGetDatum(effect->scope));
	values[5] = TimestampTzGetDatum(effect->since);
	values[6] = TimestampTzGetDatum(effect->until);
	values[7] = Int64GetDatum(effect->event_id);
	nulls[7] = effect->event_id == 0 ? 'n' : ' ';
	values[8] = effect->lifted_by;
	if (effect->reason != NULL)
		values[9] = CStringGetTextDatum(effect->reason);
	else
		nulls[9] = 'n';
	(void) nurture_execute(&add_effect, values, nulls, false);
	if (enforced)
	{
		CancelScope cancel = {
			.lead_id = effect->lead_id,.channel = "*",.topic = "*",
			.product = "*",
			.reason = strcmp(effect->effect, "pause") == 0 ? "paused" : "stopped",
			.cause = psprintf("stop_rule:%s", effect->rule)
		};

		refresh_gate(effect->lead_id);
		cancel.classes = nurture_stop_classes(effect->effect, effect->scope,
											  &cancel.channels);
		(void) nurture_gate_cancel(&cancel);
	}

	initStringInfo(&json);
	appendStringInfoString(&json, "{\"rule\":");
	escape_json(&json, effect->rule);
	if (effect->event_id != 0)
		appendStringInfo(&json, ",\"event_id\":" INT64_FORMAT,
						 effect->event_id);
	appendStringInfoChar(&json, '}');
	entry.has_lead = true;
	entry.lead_id = effect->lead_id;
	entry.kind = "stop";
	entry.object = psprintf("stop_rule:%s", effect->rule);
	entry.outcome = enforced ? effect->effect :
		psprintf("shadow_%s", effect->effect);
	entry.trigger_json = json.data;
	entry.inputs = psprintf("until %s",
							TIMESTAMP_IS_NOEND(effect->until) ? "lifted" :
							pstrdup(timestamptz_to_str(effect->until)));
	entry.reason = effect->reason;
	nurture_audit_append(&entry, 1);
	survivor = enforced ? nurture_gate_survivor(effect->lead_id) : 0;
	if (survivor != 0)
	{
		StopEffect	same = *effect;

		/* the same person: there are no circles, see gate_row.c */
		same.lead_id = survivor;
		nurture_gate_lock(survivor);
		put_effect(&same);
	}
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
	}
	if (n > 0)
		nurture_gate_lock(survivor);
	for (uint64 row = 0; row < n; row++)
		put_effect(&effects[row]);
}

static Datum
one_word(const char *word)
{
	Datum		item = word ? CStringGetTextDatum(word) : (Datum) 0;

	return PointerGetDatum(construct_array(&item, word ? 1 : 0, TEXTOID, -1,
										   false, TYPALIGN_INT));
}

/* Puts a stop in force; see gate.h. */
void
nurture_gate_stop(int64 lead_id, const char *rule, const char *effect,
				  TimestampTz until, const char *lifted_by,
				  const char *reason)
{
	OwnerSwitch owner;
	int			level;
	StopEffect	stop = {
		.lead_id = lead_id,.rule = rule,.effect = effect,.mode = "enforced",
		.scope = "{}",.until = until,.reason = reason
	};

	nurture_owner_enter(&owner);
	level = nurture_spi_connect();
	nurture_gate_lock(lead_id);
	stop.since = nurture_now_wall();
	stop.lifted_by = one_word(lifted_by);
	put_effect(&stop);
	nurture_spi_finish(level);
	nurture_owner_leave(&owner);
}

/* Lifts stops; see gate.h. */
int
nurture_gate_lift(int64 lead_id, const char *cause, const char *reason)
{
	OwnerSwitch owner;
	int			level;
	Datum		values[4];
	char		nulls[4] = {' ', ' ', ' ', ' '};
	AuditEntry *entries;
	int			n;

	nurture_owner_enter(&owner);
	level = nurture_spi_connect();
	nurture_gate_lock(lead_id);
	values[0] = Int64GetDatum(lead_id);
	values[1] = CStringGetTextDatum(cause);
	values[2] = TimestampTzGetDatum(nurture_now_wall());
	if (reason != NULL)
		values[3] = CStringGetTextDatum(reason);
	else
		nulls[3] = 'n';
	(void) nurture_execute(&lift_effects, values, nulls, false);
	n = (int) SPI_processed;
	entries = palloc0(sizeof(AuditEntry) * Max(n, 1));
	for (int i = 0; i < n; i++)
	{
		entries[i].has_lead = true;
		entries[i].lead_id = lead_id;
		entries[i].kind = "stop";
		entries[i].object = psprintf("stop_rule:%s", nurture_cell_text(i, 1));
		entries[i].outcome = "lifted";
		entries[i].inputs = psprintf("%s, lifted by %s",
									 nurture_cell_text(i, 2), cause);
		entries[i].reason = reason;
	}
	if (n > 0)
	{
		refresh_gate(lead_id);
		nurture_audit_append(entries, n);
	}
	nurture_spi_finish(level);
	nurture_owner_leave(&owner);
	return n;
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

/*
 * nurture_pause(lead_id bigint, until timestamptz, reason text) returns
 * bigint: how many messages that cancelled.
 */
Datum
nurture_pause(PG_FUNCTION_ARGS)
{
	TimestampTz until = PG_GETARG_TIMESTAMPTZ(1);
	char	   *reason = text_to_cstring(PG_GETARG_TEXT_PP(2));
	int64		before = nurture_cancelled_messages;

	check_right();
	if (until <= nurture_now_wall())
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the end of the pause lies in the past")));
	nurture_gate_stop(PG_GETARG_INT64(0), "manual", "pause", until, "resume",
					  reason);
	PG_RETURN_INT64(nurture_cancelled_messages - before);
}

/*
 * nurture_resume(lead_id bigint, reason text) returns integer: how many pauses
 * and stops that lifted.  A stop that only the lead can lift stays.
 */
Datum
nurture_resume(PG_FUNCTION_ARGS)
{
	check_right();
	PG_RETURN_INT32(nurture_gate_lift(PG_GETARG_INT64(0), "resume",
									  text_to_cstring(PG_GETARG_TEXT_PP(1))));
}

static bool
rule_wants(const GateStopRule *rule, int signal_id)
{
	if (signal_id == 0)
		return rule->tags;
	for (int i = 0; i < rule->nsignals; i++)
	{
		if (rule->signals[i] == signal_id)
			return true;
	}
	return false;
}

static bool
wants_stop(int signal_id)
{
	int			n;
	const GateStopRule *rules = nurture_gate_stop_rules(&n);

	for (int i = 0; i < n; i++)
	{
		if (rule_wants(&rules[i], signal_id))
			return true;
	}
	return false;
}

static bool
event_concerns(const GateStopRule *rule, const SubjectEvent *event)
{
	for (int i = 0; i < event->nsignals; i++)
	{
		if (rule_wants(rule, event->signals[i]))
			return true;
	}
	return event->tags != NULL && rule->tags;
}

/* Evaluates the stop rules that an event concerns, and applies them. */
static void
react_event(const SubjectEvent *event, Subject *subject,
			const GateStopRule *rules, int nrules)
{
	subject->event = event;
	for (int i = 0; i < nrules; i++)
	{
		const GateStopRule *rule = &rules[i];
		StopEffect	stop = {
			.lead_id = event->lead_id,.rule = rule->rule,
			.effect = rule->effect,.mode = rule->mode,.scope = rule->scope,
			.since = event->occurred_at,.until = DT_NOEND,
			.event_id = event->event_id,.lifted_by = rule->lifted_by
		};

		if (!event_concerns(rule, event) ||
			nurture_subject_eval(subject, rule->condition) != NURTURE_TRUE)
			continue;
		if (rule->has_duration)
		{
			Interval	duration = rule->duration;

			stop.until =
				DatumGetTimestampTz(DirectFunctionCall2(timestamptz_pl_interval,
														TimestampTzGetDatum(event->occurred_at),
														IntervalPGetDatum(&duration)));
			if (stop.until <= nurture_now_wall())
				continue;
		}
		put_effect(&stop);
	}
}

/* Applies stop rules to events; gate rows of all their leads first. */
static void
react_stop(const SubjectEvent *const *events, int nevents)
{
	int			nrules;
	const GateStopRule *rules = nurture_gate_stop_rules(&nrules);
	Subject    *subject = NULL;
	OwnerSwitch owner;
	int			level;

	nurture_owner_enter(&owner);
	level = nurture_spi_connect();
	for (int i = 0; i < nevents; i++)
	{
		if (i == 0 || events[i]->lead_id != events[i - 1]->lead_id)
			nurture_gate_lock(events[i]->lead_id);
	}
	for (int i = 0; i < nevents; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (i == 0 || events[i]->lead_id != events[i - 1]->lead_id)
			subject = nurture_subject_load(events[i]->lead_id,
										   nurture_now_statement(), true);
		if (subject != NULL)
			react_event(events[i], subject, rules, nrules);
	}
	nurture_spi_finish(level);
	nurture_owner_leave(&owner);
}

/* Registers the reactor. */
void
nurture_stop_init(void)
{
	static Reactor reactor = {
		.name = "stop rules",.order = REACT_GATE,.history_too = false,
		.wants = wants_stop,.react = react_stop
	};

	nurture_reactor_register(&reactor);
}
