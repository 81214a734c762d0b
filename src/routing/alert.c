/*
 * alert.c
 *	  Figures of reports that crossed a line: told once, and once more when
 *	  they are back.
 *
 * A rule names a view, a column and a value; what is looked at is written here
 * from names of the catalog, never from words of a row.
 */
#include "base/compat.h"

#include "audit/audit.h"
#include "base/clock.h"
#include "base/errors.h"
#include "base/owner.h"
#include "base/plans.h"
#include "base/trigger.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "routing/routing.h"
#include "tracks/tracks.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

NURTURE_FUNCTION(nurture_alert_rule_check);

/* alerts of nobody in particular stand under this number in the outbox */
#define NO_LEAD 0

static KeptPlan find_due =
KEPT_PLAN("SELECT r.alert FROM nurture.alert_rule r LEFT JOIN nurture.alert a USING (alert)"
		  " WHERE r.enabled AND (a.alert IS NULL OR a.checked_at <= $1 - r.every OR a.checked_at > $1)"
		  " ORDER BY a.checked_at NULLS FIRST, r.alert LIMIT $2", TIMESTAMPTZOID, INT4OID);
static KeptPlan lock_rule =
KEPT_PLAN("SELECT r.view, r.figure, r.op, r.value::text, r.among::text, r.severity, r.team, r.title"
		  " FROM nurture.alert_rule r WHERE r.alert = $1 FOR NO KEY UPDATE SKIP LOCKED", TEXTOID);
static KeptPlan read_state =
KEPT_PLAN("SELECT raised_at IS NOT NULL FROM nurture.alert WHERE alert = $1", TEXTOID);
static KeptPlan write_state =
KEPT_PLAN("INSERT INTO nurture.alert AS a (alert, checked_at, raised_at, amount)"
		  " VALUES ($1, $2, CASE WHEN $3 THEN $2 END, $4) ON CONFLICT (alert) DO UPDATE SET checked_at = EXCLUDED.checked_at,"
		  " raised_at = CASE WHEN $3 THEN coalesce(a.raised_at, EXCLUDED.raised_at) END, amount = EXCLUDED.amount",
		  TEXTOID, TIMESTAMPTZOID, BOOLOID, NUMERICOID);
static KeptPlan add_outbox =
KEPT_PLAN("INSERT INTO nurture.outbox (lead_id, topic, payload, created_at) VALUES ($1, 'alert.' || $2,"
		  " pg_catalog.jsonb_build_object('alert', $2, 'state', $3, 'severity', $4, 'team', $5, 'title', $6, 'amount', $7), $8)",
		  INT8OID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, NUMERICOID, TIMESTAMPTZOID);

static Datum
text_or_null(const char *text, char *null)
{
	*null = text == NULL ? 'n' : ' ';
	return text == NULL ? (Datum) 0 : CStringGetTextDatum(text);
}

/* Writes the query whose one row tells the figure that is over the line. */
static char *
figure_query(const char *view, const char *figure, const char *op,
			 const char *value, const char *among)
{
	const char *furthest = op[0] == '<' && op[1] != '>' ? "min" : "max";
	const char *from = psprintf("nurture_bi.%s v WHERE pg_catalog.to_jsonb(v) @> %s::pg_catalog.jsonb",
								quote_identifier(view), quote_literal_cstr(among));

	if (figure == NULL)
		return psprintf("SELECT n FROM (SELECT pg_catalog.count(*)::pg_catalog.numeric AS n FROM %s) c WHERE n %s %s",
						from, op, value);
	return psprintf("SELECT n FROM (SELECT pg_catalog.%s(v.%s)::pg_catalog.numeric AS n FROM %s AND v.%s %s %s) c WHERE n IS NOT NULL",
					furthest, quote_identifier(figure), from, quote_identifier(figure), op, value);
}

/* Looks at one rule and tells when it begins or ceases to hold. */
static void
look(const char *alert, TimestampTz now)
{
	Datum		values[8];
	char		nulls[9] = "        ";
	char	   *rule[8];
	char	   *query;
	bool		isnull;
	bool		was;
	bool		is;
	Datum		amount;
	AuditEntry	entry = {0};

	values[0] = CStringGetTextDatum(alert);
	nurture_execute_latest(&lock_rule, values, NULL, true);
	if (SPI_processed == 0)
		return;					/* another tick has it */
	for (int i = 0; i < lengthof(rule); i++)
		rule[i] = nurture_cell_text(0, i + 1);
	nurture_execute_latest(&read_state, values, NULL, false);
	was = SPI_processed > 0 && DatumGetBool(nurture_cell(0, 1, &isnull));
	query = figure_query(rule[0], rule[1], rule[2], rule[3], rule[4]);
	if (SPI_execute(query, true, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not look at alert rule \"%s\"", alert);
	is = SPI_processed > 0;
	amount = is ? nurture_cell(0, 1, &isnull) : (Datum) 0;
	values[1] = TimestampTzGetDatum(now);
	values[2] = BoolGetDatum(is);
	values[3] = amount;
	nulls[3] = is ? ' ' : 'n';
	nurture_execute_latest(&write_state, values, nulls, true);
	if (is == was)
		return;
	values[0] = Int64GetDatum(NO_LEAD);
	values[1] = CStringGetTextDatum(alert);
	values[2] = CStringGetTextDatum(is ? "raised" : "cleared");
	values[3] = CStringGetTextDatum(rule[5]);
	nulls[3] = ' ';
	values[4] = text_or_null(rule[6], &nulls[4]);
	values[5] = CStringGetTextDatum(rule[7]);
	values[6] = amount;
	nulls[6] = is ? ' ' : 'n';
	values[7] = TimestampTzGetDatum(now);
	nurture_execute_latest(&add_outbox, values, nulls, true);
	entry.kind = "alert";
	entry.object = psprintf("alert:%s", alert);
	entry.outcome = is ? "raised" : "cleared";
	entry.inputs = psprintf("%s.%s %s %s", rule[0], rule[1] ? rule[1] : "count", rule[2], rule[3]);
	nurture_audit_append(&entry, 1);
}

/* What look needs, for a subtransaction of its own. */
typedef struct LookAt
{
	const char *alert;
	TimestampTz now;
} LookAt;

static void
look_at(int64 lead_id, void *arg)
{
	LookAt	   *at = arg;

	look(at->alert, at->now);
}

/* Looks at the rules that are due: the last work of a tick. */
static void
run_alerts(TimestampTz now, int max_leads, TimestampTz deadline,
		   int64 *done, int64 *left, TimestampTz *oldest)
{
	Datum		values[2];
	char	  **alerts;
	int			n;

	values[0] = TimestampTzGetDatum(now);
	values[1] = Int32GetDatum(max_leads);
	nurture_execute(&find_due, values, NULL, false);
	n = (int) SPI_processed;
	alerts = palloc(sizeof(char *) * Max(n, 1));
	for (int i = 0; i < n; i++)
		alerts[i] = nurture_cell_text(i, 1);
	for (int i = 0; i < n && (i == 0 || GetCurrentTimestamp() < deadline); i++)
	{
		LookAt		at = {alerts[i], now};

		CHECK_FOR_INTERRUPTS();
		(void) nurture_tick_lead("alert", NO_LEAD, look_at, &at);
		(*done)++;
	}
	*left = n - *done;
}

static TickWork alert_work = {"alert", run_alerts, NULL};

/* Registers the work; once per backend. */
void
nurture_alert_init(void)
{
	nurture_tick_register(&alert_work);
}

/* Tells whether a type is a number of the server. */
static bool
is_number(Oid type)
{
	return type == INT2OID || type == INT4OID || type == INT8OID ||
		type == NUMERICOID || type == FLOAT4OID || type == FLOAT8OID;
}

/* Trigger on nurture.alert_rule: the view and its column are there. */
Datum
nurture_alert_rule_check(PG_FUNCTION_ARGS)
{
	TriggerData *data = nurture_trigger_data(fcinfo, "nurture_alert_rule_check");
	TupleDesc	desc = RelationGetDescr(data->tg_relation);
	HeapTuple	row = TRIGGER_FIRED_BY_UPDATE(data->tg_event) ?
	data->tg_newtuple : data->tg_trigtuple;
	char	   *alert = SPI_getvalue(row, desc, SPI_fnumber(desc, "alert"));
	char	   *view = SPI_getvalue(row, desc, SPI_fnumber(desc, "view"));
	char	   *figure = SPI_getvalue(row, desc, SPI_fnumber(desc, "figure"));
	Oid			schema = get_namespace_oid("nurture_bi", true);
	Oid			relid = view && OidIsValid(schema) ? get_relname_relid(view, schema) : InvalidOid;

	if (!nurture_deriving())
		return PointerGetDatum(row);
	if (!OidIsValid(relid) || get_rel_relkind(relid) != RELKIND_VIEW)
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_UNKNOWN_CODE),
				 errmsg("alert rule \"%s\": there is no view nurture_bi.%s", alert, view),
				 errhint("Rules are about the views of schema nurture_bi.")));
	if (figure != NULL)
	{
		AttrNumber	column = get_attnum(relid, figure);

		if (column == InvalidAttrNumber || !is_number(get_atttype(relid, column)))
			ereport(ERROR,
					(errcode(NURTURE_ERRCODE_UNKNOWN_CODE),
					 errmsg("alert rule \"%s\": view nurture_bi.%s has no number \"%s\"", alert, view, figure),
					 errhint("Name a column that is a number, or none to count rows.")));
	}
	return PointerGetDatum(row);
}
