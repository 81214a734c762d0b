/*
 * retention.c
 *	  What is kept no longer: rules of nurture.retention, carried out in small
 *	  batches by the tick.
 *
 * What a rule can do is listed here, with the instant that its period begins
 * at and the shortest period that the rest of nurture can live with: proof of
 * consent, bounces that come late, scores as of a past moment.  Suppressions,
 * the audit trail and certificates have no rule: they stay.
 *
 * A batch finds its rows by what they say, so one that was interrupted goes on
 * where it was by itself.
 */
#include "base/compat.h"

#include "audit/audit.h"
#include "base/author.h"
#include "base/clock.h"
#include "base/errors.h"
#include "base/owner.h"
#include "base/plans.h"
#include "base/trigger.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "privacy/privacy.h"
#include "tracks/tracks.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/rel.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#define RUN_EVERY	"'1 hour'::interval"
#define RULES_MAX	64
#define ERASE_MAX	50			/* persons a batch erases */

NURTURE_FUNCTION(nurture_retain);
NURTURE_FUNCTION(nurture_retention_check);

/* What a rule can do; $1 is the instant before which rows are due. */
typedef struct RetentionAct
{
	const char *table;
	const char *action;
	const char *due;			/* condition on t */
	const char *set;			/* of clear: assignments */
	int			min_days;		/* shortest period */
	const char *because;		/* why not less */
} RetentionAct;

#define OF_ERASED \
	"EXISTS (SELECT FROM nurture.lead l WHERE l.lead_id = t.lead_id AND l.erased_at < $1)"

static const RetentionAct acts[] = {
	{"event", "drop", NULL, NULL, 90, "signals look back that far"},
	{"event_history", "delete", "t.replaced_at < $1", NULL, 90, "scores as they were known at a past moment read it"},
	{"event_quarantine", "delete", "t.received_at < $1", NULL, 1, "somebody has to see it"},
	{"lead_quarantine", "delete", "t.received_at < $1", NULL, 1, "somebody has to see it"},
	{"consent_token", "delete", "t.expires_at < $1", NULL, 0, NULL},
	{"consent_event", "delete", OF_ERASED, NULL, 3 * 365, "consent has to be proved (GDPR Art. 7(1))"},
	{"consent", "delete", OF_ERASED, NULL, 3 * 365, "consent has to be proved (GDPR Art. 7(1))"},
	{"lead_history", "delete", "t.replaced_at < $1", NULL, 90, "scores of a past moment read it"},
	{"score_history", "delete", "t.at < $1", NULL, 90, "reports compare scores of weeks"},
	{"account_figure_history", "delete", "t.replaced_at < $1", NULL, 90, "reports compare figures of weeks"},
	{"label", "delete", "t.until < $1", NULL, 0, NULL},
	{"list_member", "delete", "t.until < $1", NULL, 0, NULL},
	{"document", "delete", "t.retain_until < $1::date", NULL, 0, NULL},
	{"outbox", "delete", "t.done_at < $1", NULL, 1, "consumers ask again"},
	{"tick_error", "delete", "t.at < $1", NULL, 1, "somebody has to see it"},
	{"message", "clear",
		"t.status NOT IN ('queued', 'held', 'taken') AND t.decided_at < $1"
		" AND (t.contact_point_hash IS NOT NULL OR t.provider_id IS NOT NULL OR t.decision @? '$.failed[*].fact')",
		"contact_point_hash = NULL, provider_id = NULL,"
		" decision = jsonb_strip_nulls(jsonb_build_object('verdict', decision -> 'verdict', 'purpose', decision -> 'purpose',"
		" 'failed', (SELECT jsonb_agg(jsonb_build_object('rule', f -> 'rule', 'reason', f -> 'reason'))"
		" FROM jsonb_array_elements(decision -> 'failed') f)))",
	90, "bounces and complaints come late"},
	{"bounce", "clear", "t.key_hash IS NOT NULL AND t.occurred_at < $1", "key_hash = NULL", 2 * 365, "bounces are counted by address"},
	{"handoff", "clear", "t.closed_at < $1 AND t.package <> '{}'", "package = '{}'", 30, "a returned lead may be offered again"},
	{"stage_history", "delete",
		"t.at < $1 AND EXISTS (SELECT FROM nurture.stage_history n WHERE n.lead_id = t.lead_id AND n.product = t.product"
		" AND n.history_no > t.history_no AND n.at < $1)",
	NULL, 365, "conversion rates compare years"},
	{"stop_effect", "delete", "t.lifted_at < $1", NULL, 365, "reports tell what stop rules did in a year"},
	{"request", "delete", "t.state <> 'open' AND t.closed_at < $1", NULL, 365, "reports compare requests of a year"},
	{"task", "delete", "t.state <> 'open' AND t.done_at < $1", NULL, 30, "who takes over reads them"},
	{"attempt", "clear", "t.at < $1 AND t.note IS NOT NULL", "note = NULL", 30, "who takes over reads it"},
	{"feedback", "clear", "t.at < $1 AND t.note IS NOT NULL", "note = NULL", 30, "the next package tells it"},
	{"review", "clear", "t.state = 'closed' AND t.closed_at < $1 AND (t.evidence IS NOT NULL OR t.reason IS NOT NULL)",
	"evidence = NULL, reason = NULL", 30, "a ruling may be asked about"},
	{"lead", "erase",
		"t.erased_at IS NULL AND t.merged_into IS NULL AND t.updated_at < $1"
		" AND NOT EXISTS (SELECT FROM nurture.activity a WHERE a.lead_id = t.lead_id AND a.last_event_at >= $1)"
		" AND NOT EXISTS (SELECT FROM nurture.message m WHERE m.lead_id = t.lead_id AND m.decided_at >= $1)"
		" AND NOT EXISTS (SELECT FROM nurture.consent_event c WHERE c.lead_id = t.lead_id AND c.recorded_at >= $1)"
		" AND NOT EXISTS (SELECT FROM nurture.handoff h WHERE h.lead_id = t.lead_id AND (h.is_open OR h.closed_at >= $1))"
		" AND NOT EXISTS (SELECT FROM nurture.enrollment e WHERE e.lead_id = t.lead_id AND e.state IN ('active', 'waiting', 'paused'))"
		" AND NOT EXISTS (SELECT FROM nurture.lead x WHERE x.merged_into = t.lead_id AND x.updated_at >= $1)",
	NULL, 180, "a person may be silent for a season"},
};

static KeptPlan plans[lengthof(acts)];

#define FIND_RULES \
	"SELECT r.retention, r.table_name, r.action, $2 - r.period, r.title" \
	" FROM nurture.retention r LEFT JOIN nurture.retention_run u USING (retention)" \
	" WHERE r.retention = $1 OR ($1 IS NULL AND r.enabled" \
	"  AND (NOT $3 OR u.last_run_at IS NULL OR u.more OR u.last_run_at < $2 - " RUN_EVERY "))" \
	" ORDER BY r.retention"
static KeptPlan find_rules = KEPT_PLAN(FIND_RULES, TEXTOID, TIMESTAMPTZOID, BOOLOID);

/* a tick passes by what another one carries out */
static KeptPlan claim_rules =
KEPT_PLAN(FIND_RULES " FOR NO KEY UPDATE OF r SKIP LOCKED", TEXTOID, TIMESTAMPTZOID, BOOLOID);
static KeptPlan note_run =
KEPT_PLAN("INSERT INTO nurture.retention_run AS u (retention, last_run_at, rows_total, more) VALUES ($1, $2, $3, $4)"
		  " ON CONFLICT (retention) DO UPDATE SET last_run_at = EXCLUDED.last_run_at,"
		  " rows_total = u.rows_total + EXCLUDED.rows_total, more = EXCLUDED.more",
		  TEXTOID, TIMESTAMPTZOID, INT8OID, BOOLOID);

/* whole months, as partitions are cut */
static KeptPlan drop_partitions =
KEPT_PLAN("SELECT coalesce(sum(p.events), 0) FROM @extschema@.nurture_partition_drop("
		  "date_trunc('month', $1, 'UTC'), reason => $2, actor => 'retention') p"
		  " WHERE date_trunc('month', $1, 'UTC') > (SELECT coalesce(min(recorded_at), 'infinity') FROM nurture.event)",
		  TIMESTAMPTZOID, TEXTOID);
static KeptPlan find_month =
KEPT_PLAN("SELECT 1 FROM nurture.event WHERE recorded_at < date_trunc('month', $1, 'UTC') LIMIT 1", TIMESTAMPTZOID);
static KeptPlan check_period =
KEPT_PLAN("SELECT $1 >= make_interval(days => $2)", INTERVALOID, INT4OID);

/* A rule that is carried out. */
typedef struct Rule
{
	char	   *code;
	const RetentionAct *act;
	KeptPlan   *plan;
	TimestampTz before;
	int			max_rows;
	int64		done;
	bool		more;
} Rule;

static const RetentionAct *
find_act(const char *table, const char *action, int *place)
{
	for (int i = 0; i < lengthof(acts); i++)
	{
		if (strcmp(acts[i].table, table) == 0 && strcmp(acts[i].action, action) == 0)
		{
			*place = i;
			return &acts[i];
		}
	}
	return NULL;
}

/* Returns the plan of a batch; it lives as long as the backend. */
static KeptPlan *
batch_plan(int place)
{
	const RetentionAct *act = &acts[place];
	KeptPlan   *plan = &plans[place];
	const char *rows;

	if (plan->query != NULL)
		return plan;
	plan->argtypes[0] = TIMESTAMPTZOID;
	plan->argtypes[1] = INT4OID;
	plan->seqscan = true;
	if (strcmp(act->action, "erase") == 0)
		rows = psprintf("SELECT t.lead_id FROM nurture.%s t WHERE %s ORDER BY t.lead_id LIMIT $2", act->table, act->due);
	else
		rows = psprintf("%s nurture.%s %s%s WHERE ctid = ANY (ARRAY("
						"SELECT t.ctid FROM nurture.%s t WHERE %s LIMIT $2 FOR UPDATE OF t SKIP LOCKED))",
						act->set ? "UPDATE" : "DELETE FROM", act->table, act->set ? "SET " : "",
						act->set ? act->set : "", act->table, act->due);
	plan->query = MemoryContextStrdup(TopMemoryContext, rows);
	return plan;
}

static void
record(const Rule *rule)
{
	AuditEntry	entry = {0};

	entry.kind = "retention";
	entry.object = psprintf("retention:%s", rule->code);
	entry.outcome = strcmp(rule->act->action, "clear") == 0 ? "cleared" :
		strcmp(rule->act->action, "erase") == 0 ? "erased" : "deleted";
	entry.inputs = psprintf("rows " INT64_FORMAT " of %s, before %s", rule->done,
							rule->act->table, timestamptz_to_str(rule->before));
	entry.actor = "retention";
	nurture_audit_append(&entry, 1);
}

/* Erases persons of whom nothing was heard. */
static void
erase_persons(Rule *rule, Datum *values)
{
	int64	   *leads;
	int			n;

	values[1] = Int32GetDatum(Min(rule->max_rows, ERASE_MAX));
	(void) nurture_execute_latest(rule->plan, values, NULL, false);
	n = (int) SPI_processed;
	leads = palloc(sizeof(int64) * Max(n, 1));
	for (int i = 0; i < n; i++)
	{
		bool		isnull;

		leads[i] = DatumGetInt64(nurture_cell(i, 1, &isnull));
	}
	for (int i = 0; i < n; i++)
	{
		CHECK_FOR_INTERRUPTS();
		(void) nurture_privacy_erase(leads[i], "retention", psprintf("rule %s", rule->code), false, "retention");
	}
	rule->done = n;
	rule->more = n == Min(rule->max_rows, ERASE_MAX);
}

/* Lets whole months of events go. */
static void
drop_months(Rule *rule, Datum *values)
{
	bool		isnull;

	(void) nurture_execute_latest(&find_month, values, NULL, false);
	if (SPI_processed == 0)
		return;
	values[1] = CStringGetTextDatum(psprintf("retention:%s", rule->code));
	(void) nurture_execute(&drop_partitions, values, NULL, false);
	rule->done = DatumGetInt64(DirectFunctionCall1(numeric_int8, nurture_cell(0, 1, &isnull)));
}

/* Carries out a rule for one batch. */
static void
carry_out(int64 unused, void *arg)
{
	Rule	   *rule = arg;
	Datum		values[4];

	values[0] = TimestampTzGetDatum(rule->before);
	values[1] = Int32GetDatum(rule->max_rows);
	if (strcmp(rule->act->action, "erase") == 0)
		erase_persons(rule, values);
	else if (strcmp(rule->act->action, "drop") == 0)
		drop_months(rule, values);
	else
	{
		nurture_privacy_write(rule->plan, values, NULL);
		rule->done = (int64) SPI_processed;
		rule->more = rule->done == rule->max_rows;
	}
	/* partitions that were dropped have entries of their own */
	if (rule->done > 0 && strcmp(rule->act->action, "drop") != 0)
		record(rule);
	values[0] = CStringGetTextDatum(rule->code);
	values[1] = TimestampTzGetDatum(nurture_now_wall());
	values[2] = Int64GetDatum(rule->done);
	values[3] = BoolGetDatum(rule->more);
	(void) nurture_execute_latest(&note_run, values, NULL, true);
}

/* Reads the rules to carry out: one, or all that are enabled and, hourly, due. */
static int
read_rules(const char *code, bool hourly, int max_rows, Rule *rules)
{
	Datum		values[3];
	char		nulls[4] = "   ";
	int			n = 0;

	values[0] = code ? CStringGetTextDatum(code) : (Datum) 0;
	nulls[0] = code ? ' ' : 'n';
	values[1] = TimestampTzGetDatum(nurture_now_wall());
	values[2] = BoolGetDatum(hourly);
	(void) nurture_execute_latest(hourly ? &claim_rules : &find_rules, values,
								  nulls, hourly);
	for (uint64 row = 0; row < SPI_processed && n < RULES_MAX; row++)
	{
		Rule	   *rule = &rules[n];
		bool		isnull;
		int			place;

		memset(rule, 0, sizeof(*rule));
		rule->code = nurture_cell_text(row, 1);
		rule->act = find_act(nurture_cell_text(row, 2), nurture_cell_text(row, 3), &place);
		if (rule->act == NULL)
			continue;			/* of another version */
		rule->plan = rule->act->due ? batch_plan(place) : NULL;
		rule->before = DatumGetTimestampTz(nurture_cell(row, 4, &isnull));
		rule->max_rows = max_rows;
		n++;
	}
	return n;
}

/*
 * nurture_retain(retention text, max_rows integer) returns setof (retention
 * text, done bigint, more boolean)
 */
Datum
nurture_retain(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	MemoryContext context = CurrentMemoryContext;
	char	   *code = PG_ARGISNULL(0) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(0));
	int			max_rows = PG_ARGISNULL(1) ? 0 : PG_GETARG_INT32(1);
	Rule	   *rules = palloc(sizeof(Rule) * RULES_MAX);
	OwnerSwitch owner;
	int			level;
	int			n;

	if (max_rows < 1 || max_rows > 1000000)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("max_rows must be between 1 and 1000000")));
	if (!has_privs_of_role(GetUserId(), nurture_owner_oid()))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to carry out retention"),
				 errhint("Only the owner of schema nurture may call nurture_retain; the tick does it by itself.")));
	InitMaterializedSRF(fcinfo, 0);
	nurture_owner_enter(&owner);
	level = nurture_spi_connect();
	MemoryContextSwitchTo(context);
	n = read_rules(code, false, max_rows, rules);
	if (n == 0 && code != NULL)
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_UNKNOWN_CODE),
				 errmsg("there is no rule of retention \"%.64s\"", code),
				 errhint("Rules are rows of nurture.retention.")));
	for (int i = 0; i < n; i++)
	{
		Datum		values[3];
		bool		nulls[3] = {false, false, false};

		CHECK_FOR_INTERRUPTS();
		carry_out(0, &rules[i]);
		values[0] = CStringGetTextDatum(rules[i].code);
		values[1] = Int64GetDatum(rules[i].done);
		values[2] = BoolGetDatum(rules[i].more);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	nurture_spi_finish(level);
	nurture_owner_leave(&owner);
	return (Datum) 0;
}

/* Work of the tick: rules that were not carried out for an hour. */
static void
run_retention(TimestampTz now, int max_leads, TimestampTz deadline,
			  int64 *done, int64 *left, TimestampTz *oldest)
{
	Rule	   *rules = palloc(sizeof(Rule) * RULES_MAX);
	int			n = read_rules(NULL, true, max_leads, rules);

	for (int i = 0; i < n && GetCurrentTimestamp() < deadline; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (!nurture_tick_lead("retention", 0, carry_out, &rules[i]))
			continue;
		*done += rules[i].done;
		*left += rules[i].more ? 1 : 0;
	}
}

static TickWork retention_work = {"retention", run_retention};

/* Registers the work of the tick; once per backend. */
void
nurture_privacy_init(void)
{
	nurture_erasure_init();
	nurture_tick_register(&retention_work);
}

/* nurture_retention_check() returns trigger */
Datum
nurture_retention_check(PG_FUNCTION_ARGS)
{
	TriggerData *data = nurture_trigger_data(fcinfo, "nurture_retention_check");
	HeapTuple	row = nurture_trigger_before_row(data, "nurture_retention_check");
	TupleDesc	desc = RelationGetDescr(data->tg_relation);
	char	   *table = SPI_getvalue(row, desc, SPI_fnumber(desc, "table_name"));
	char	   *action = SPI_getvalue(row, desc, SPI_fnumber(desc, "action"));
	const RetentionAct *act;
	Datum		values[2];
	bool		isnull;
	int			place;
	int			level;

	if (!nurture_deriving() || table == NULL || action == NULL)
		return PointerGetDatum(row);
	act = find_act(table, action, &place);
	if (act == NULL)
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_UNKNOWN_CODE),
				 errmsg("retention can not %.20s rows of table \"%.64s\"", action, table),
				 errhint("docs/privacy.md lists what it can do; suppressions, the audit trail and certificates stay.")));
	values[0] = SPI_getbinval(row, desc, SPI_fnumber(desc, "period"), &isnull);
	if (isnull || act->because == NULL)
		return PointerGetDatum(row);
	values[1] = Int32GetDatum(act->min_days);
	level = nurture_spi_connect();
	(void) nurture_execute(&check_period, values, NULL, true);
	if (!DatumGetBool(nurture_cell(0, 1, &isnull)))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("table \"%s\" cannot be kept for less than %d days", table, act->min_days),
				 errdetail("%c%s.", pg_ascii_toupper((unsigned char) act->because[0]), act->because + 1),
				 errhint("Choose a longer period, or do not enable the rule.")));
	nurture_spi_finish(level);
	return PointerGetDatum(row);
}
