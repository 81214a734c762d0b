/*
 * simulate.c
 *	  nurture_simulate_days: the tick played forward for copies of leads, in a
 *	  subtransaction that is rolled back.
 *
 * Copies have ids below those of all leads, so that one range holds them and
 * nobody else's gate row is touched.  They are written as the rows of a
 * restore are: as they stand, with nothing derived.
 */
#include "base/compat.h"

#include "base/clock.h"
#include "base/owner.h"
#include "base/plans.h"
#include "base/trigger.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "tracks/dry_run.h"
#include "tracks/rules.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

NURTURE_FUNCTION(nurture_simulate_days);

#define MAX_SIMULATED_DAYS 366
#define MAX_SIMULATED_LEADS 10000
#define SIMULATE_COLUMNS 6

/* What a lead is made of for tracks, gate and routing; references later. */
static const char *const copied_tables[] = {
	"lead", "activity", "gate", "consent", "preference", "lead_stage",
	"stop_effect", "label", "list_member", "disqualification", "enrollment",
	"message", "handoff", "handoff_cause", "request"
};

/*
 * With the caller's rights; suppressed ones are left out, because a lead is
 * suppressed under its own number and a copy has another.
 */
static KeptPlan sample =
KEPT_PLAN_SCAN("SELECT array_agg(s.lead_id ORDER BY s.lead_id) "
			   "FROM (SELECT l.lead_id FROM nurture.lead l JOIN nurture.gate g "
			   "ON g.lead_id = l.lead_id "
			   "WHERE l.merged_into IS NULL AND l.erased_at IS NULL "
			   "AND NOT l.is_test AND NOT g.suppressed "
			   "ORDER BY hashint8extended(l.lead_id, 7), l.lead_id LIMIT $1) s",
			   INT4OID);
static KeptPlan find_span =
KEPT_PLAN0("SELECT max(lead_id) - min(lead_id) + 1 "
		   "FROM nurture.lead");
static KeptPlan columns_of =
KEPT_PLAN("SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum), "
		  "string_agg(CASE WHEN attname = 'lead_id' THEN 't.lead_id - $2' "
		  "ELSE 't.' || quote_ident(attname) END, ', ' ORDER BY attnum) "
		  "FROM pg_attribute "
		  "WHERE attrelid = $1 AND attnum > 0 AND NOT attisdropped "
		  "AND attgenerated = ''",
		  OIDOID);
static KeptPlan find_due =
KEPT_PLAN("SELECT DISTINCT lead_id "
		  "FROM nurture.enrollment "
		  "WHERE lead_id BETWEEN $1 AND $2 AND state IN ('active', "
		  "'waiting') AND next_due_at <= $3 "
		  "ORDER BY lead_id",
		  INT8OID, INT8OID, TIMESTAMPTZOID);
static KeptPlan find_standing =
KEPT_PLAN("SELECT lead_id "
		  "FROM nurture.gate "
		  "WHERE lead_id BETWEEN $1 AND $2 AND (due_at <= $3 OR "
		  "stopped_until <= $3 OR paused_until <= $3) "
		  "ORDER BY lead_id",
		  INT8OID, INT8OID, TIMESTAMPTZOID);
static KeptPlan figures =
KEPT_PLAN("SELECT f.figure, f.period, f.subject, count(DISTINCT f.lead_id), "
		  "count(*), round(count(*)::numeric / $4, 3) "
		  "FROM ("
		  "SELECT 'messages' AS figure, date_trunc('week', m.requested_at AT TIME ZONE 'UTC')::date AS period, "
		  "coalesce(m.track, '') AS subject, m.lead_id "
		  "FROM nurture.message m WHERE m.lead_id BETWEEN $1 AND $2 AND m.requested_at >= $3 AND m.status = 'queued' "
		  "UNION ALL SELECT 'held', date_trunc('week', m.requested_at AT TIME ZONE 'UTC')::date, r, m.lead_id "
		  "FROM nurture.message m, unnest(m.reasons) r "
		  "WHERE m.lead_id BETWEEN $1 AND $2 AND m.requested_at >= $3 AND m.status = 'held' "
		  "UNION ALL SELECT 'refused', date_trunc('week', a.at AT TIME ZONE 'UTC')::date, r, a.lead_ref "
		  "FROM nurture.audit a, unnest(a.reasons) r "
		  "WHERE a.lead_ref BETWEEN $1 AND $2 AND a.at >= $3 AND a.kind = 'step' AND a.outcome IN ('refused', 'not_permitted', 'no_asset') "
		  "UNION ALL SELECT e.state, NULL, e.track || CASE WHEN e.state = 'exited' THEN ':' || e.exit_reason ELSE '' END, e.lead_id "
		  "FROM nurture.enrollment e WHERE e.lead_id BETWEEN $1 AND $2 AND e.exited_at >= $3 "
		  "UNION ALL SELECT 'handoffs', (h.created_at AT TIME ZONE 'UTC')::date, h.team, h.lead_id "
		  "FROM nurture.handoff h WHERE h.lead_id BETWEEN $1 AND $2 AND h.created_at >= $3 "
		  "UNION ALL SELECT 'errors', NULL, t.sqlstate, t.lead_id "
		  "FROM nurture.tick_error t WHERE t.lead_id BETWEEN $1 AND $2"
		  ") f GROUP BY 1, 2, 3 ORDER BY 1, 2, 3",
		  INT8OID, INT8OID, TIMESTAMPTZOID, INT4OID);

typedef struct Simulation
{
	Datum		leads;			/* bigint[] */
	int			nleads;
	int			days;
	TimestampTz start;
	ReturnSetInfo *result;
	int64		low;			/* ids of the copies */
	int64		high;
} Simulation;

/* Copies the rows of the sampled leads, table by table. */
static void
copy_rows(const char *table, Datum leads, int64 span)
{
	Oid			types[2] = {INT8ARRAYOID, INT8OID};
	Datum		values[2] = {leads, Int64GetDatum(span)};
	Datum		relation = ObjectIdGetDatum(nurture_table_oid(table, false));
	char	   *query;

	nurture_execute(&columns_of, &relation, NULL, true);
	query = psprintf("INSERT INTO nurture.%s (%s) SELECT %s FROM nurture.%s t WHERE t.lead_id = ANY ($1)",
					 table, nurture_cell_text(0, 1), nurture_cell_text(0, 2), table);
	if (SPI_execute_with_args(query, 2, types, values, NULL, false, 0) != SPI_OK_INSERT)
		elog(ERROR, "could not copy rows of nurture.%s", table);
}

static void
copy_leads(Simulation *run)
{
	ArrayType  *array = DatumGetArrayTypeP(run->leads);
	int64	   *ids = (int64 *) ARR_DATA_PTR(array);
	bool		before;
	bool		isnull;
	int64		span;

	nurture_execute(&find_span, NULL, NULL, false);
	span = DatumGetInt64(nurture_cell(0, 1, &isnull));
	run->low = ids[0] - span;
	run->high = ids[run->nleads - 1] - span;
	before = nurture_copying_open();
	PG_TRY();
	{
		for (int i = 0; i < lengthof(copied_tables); i++)
			copy_rows(copied_tables[i], run->leads, span);
	}
	PG_FINALLY();
	{
		nurture_copying_close(before);
	}
	PG_END_TRY();
}

/* Lists the copies that a query finds for a day. */
static int64 *
find_leads(KeptPlan *plan, const Simulation *run, TimestampTz now, int *n)
{
	Datum		values[3];
	int64	   *leads;

	values[0] = Int64GetDatum(run->low);
	values[1] = Int64GetDatum(run->high);
	values[2] = TimestampTzGetDatum(now);
	nurture_execute(plan, values, NULL, false);
	*n = SPI_processed;
	leads = palloc(Max(*n, 1) * sizeof(int64));
	for (int i = 0; i < *n; i++)
	{
		bool		isnull;

		leads[i] = DatumGetInt64(nurture_cell(i, 1, &isnull));
	}
	SPI_freetuptable(SPI_tuptable);
	return leads;
}

static void
play_day(const Simulation *run, TimestampTz now)
{
	int64	   *leads;
	int			n;

	nurture_dry_clock(now);
	leads = find_leads(&find_standing, run, now, &n);
	nurture_tick_due(leads, n, now);
	leads = find_leads(&find_due, run, now, &n);
	nurture_tick_enrollments(leads, n, now);
}

/* Puts the figures into the result, which belongs to the outer context. */
static void
put_figures(const Simulation *run)
{
	Datum		values[SIMULATE_COLUMNS] = {0};
	bool		nulls[SIMULATE_COLUMNS] = {false, true, false, false, false, false};

	values[0] = CStringGetTextDatum("leads");
	values[2] = CStringGetTextDatum("copied");
	values[3] = values[4] = Int64GetDatum(run->nleads);
	values[5] = DirectFunctionCall1(int4_numeric, Int32GetDatum(1));
	tuplestore_putvalues(run->result->setResult, run->result->setDesc, values, nulls);

	values[0] = Int64GetDatum(run->low);
	values[1] = Int64GetDatum(run->high);
	values[2] = TimestampTzGetDatum(run->start);
	values[3] = Int32GetDatum(run->nleads);
	nurture_execute(&figures, values, NULL, false);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		for (int column = 0; column < SIMULATE_COLUMNS; column++)
			values[column] = nurture_cell(i, column + 1, &nulls[column]);
		tuplestore_putvalues(run->result->setResult, run->result->setDesc, values, nulls);
	}
}

static void
play(void *arg)
{
	Simulation *run = arg;
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "nurture simulation",
												  ALLOCSET_DEFAULT_SIZES);

	copy_leads(run);
	for (int day = 0; day < run->days; day++)
	{
		MemoryContext old = MemoryContextSwitchTo(context);

		CHECK_FOR_INTERRUPTS();
		play_day(run, run->start + day * USECS_PER_DAY);
		MemoryContextSwitchTo(old);
		MemoryContextReset(context);
	}
	put_figures(run);
}

/* Chooses leads that the caller may see; false when there is none. */
static bool
choose_leads(Simulation *run, int max_leads)
{
	MemoryContext context = CurrentMemoryContext;
	Datum		value = Int32GetDatum(max_leads);
	bool		isnull;
	int			level = nurture_spi_connect();
	Datum		leads;

	nurture_execute(&sample, &value, NULL, true);
	leads = nurture_cell(0, 1, &isnull);
	if (!isnull)
	{
		MemoryContext old = MemoryContextSwitchTo(context);
		ArrayType  *array = DatumGetArrayTypePCopy(leads);

		run->leads = PointerGetDatum(array);
		run->nleads = ARR_DIMS(array)[0];
		MemoryContextSwitchTo(old);
	}
	nurture_spi_finish(level);
	return !isnull;
}

static int32
limited(FunctionCallInfo fcinfo, int place, int32 usual, int32 most, const char *name)
{
	int32		value = PG_ARGISNULL(place) ? usual : PG_GETARG_INT32(place);

	if (value < 1 || value > most)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%d is no number of %s to simulate", value, name),
				 errhint("Give 1 to %d.", most)));
	return value;
}

/*
 * nurture_simulate_days(days integer, max_leads integer, drafts jsonb) returns
 * setof (figure text, period date, subject text, leads bigint, n bigint,
 * per_lead numeric)
 */
Datum
nurture_simulate_days(PG_FUNCTION_ARGS)
{
	Simulation	run = {0};
	int32		max_leads;

	nurture_dry_run_right("nurture_simulate_days()");
	run.days = limited(fcinfo, 0, 28, MAX_SIMULATED_DAYS, "days");
	max_leads = limited(fcinfo, 1, 1000, MAX_SIMULATED_LEADS, "leads");
	run.start = nurture_now_wall();
	run.result = (ReturnSetInfo *) fcinfo->resultinfo;
	InitMaterializedSRF(fcinfo, 0);
	if (choose_leads(&run, max_leads))
		nurture_run_undone(play, &run, run.start,
						   PG_ARGISNULL(2) ? NULL : PG_GETARG_JSONB_P(2), NULL);
	return (Datum) 0;
}
