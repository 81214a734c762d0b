/*
 * dry_run.c
 *	  nurture_dry_run: what events would lead to, by the code that would do it,
 *	  in a subtransaction that is rolled back.
 *
 * Deferred constraints are made immediate inside, or they would be checked for
 * rows that are gone; the clock is a setting of a nest level that ends with
 * the subtransaction; what was decided is copied to the outer context as it is
 * recorded.  Nothing remains but sequence numbers.
 */
#include "base/compat.h"

#include "access/xact.h"
#include "audit/audit.h"
#include "base/clock.h"
#include "base/errors.h"
#include "base/owner.h"
#include "base/plans.h"
#include "base/try.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "control/control.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/parsenodes.h"
#include "tcop/utility.h"
#include "tracks/dry_run.h"
#include "tracks/rules.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

NURTURE_FUNCTION(nurture_dry_run);

#define DRY_RUN_COLUMNS 8

static KeptPlan ingest_events =
KEPT_PLAN("SELECT inserted, duplicates, quarantined, unidentified "
		  "FROM @extschema@.nurture_ingest($1)",
		  JSONBOID);
static KeptPlan last_quarantined =
KEPT_PLAN0("SELECT coalesce(max(quarantine_id), 0) "
		   "FROM nurture.event_quarantine");
static KeptPlan find_quarantined =
KEPT_PLAN("SELECT q.reason, q.detail "
		  "FROM nurture.event_quarantine q "
		  "WHERE q.quarantine_id > $1 "
		  "ORDER BY q.quarantine_id",
		  INT8OID);

/* those named by number or reference; about others something was decided */
static KeptPlan named_leads =
KEPT_PLAN("SELECT DISTINCT coalesce(CASE WHEN e.v ->> 'lead_id' ~ "
		  "'^-?[0-9]{1,18}$' THEN (e.v ->> 'lead_id')::int8 END, "
		  "@extschema@.nurture_lead_id(e.v ->> 'external_ref')) "
		  "FROM jsonb_array_elements(CASE jsonb_typeof($1) WHEN 'array' "
		  "THEN $1 ELSE jsonb_build_array($1) END) e (v) "
		  "WHERE jsonb_typeof(e.v) = 'object'",
		  JSONBOID);
static KeptPlan visible_leads =
KEPT_PLAN("SELECT lead_id "
		  "FROM nurture.lead "
		  "WHERE lead_id = ANY ($1) "
		  "ORDER BY lead_id",
		  INT8ARRAYOID);

/* A decision, in the outer context. */
typedef struct Decision
{
	AuditEntry	entry;
	const char **reasons;
} Decision;

typedef struct DryRun
{
	Jsonb	   *events;
	TimestampTz at;
	int64		counts[4];		/* as nurture_ingest returns them */
	List	   *refused;		/* of char *: why events could not be stored */
} DryRun;

typedef struct Undone
{
	void		(*work) (void *arg);
	void	   *arg;
	TimestampTz at;
	Jsonb	   *drafts;
} Undone;

/* decisions of the dry run that is going on */
static List *decisions = NIL;
static MemoryContext decisions_context = NULL;

/* Sets the clock until the nest level ends. */
void
nurture_dry_clock(TimestampTz at)
{
	struct pg_tm tm;
	fsec_t		usec;

	if (timestamp2tm(at, NULL, &tm, &usec, NULL, NULL) != 0 || tm.tm_year < 1 || tm.tm_year > 9999)
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("a dry run needs a time between the years 1 and 9999")));
	(void) set_config_option("nurture.clock",
							 psprintf("%04d-%02d-%02dT%02d:%02d:%02d.%06dZ", tm.tm_year, tm.tm_mon, tm.tm_mday,
									  tm.tm_hour, tm.tm_min, tm.tm_sec, usec),
							 PGC_SUSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
}

static void
run_inside(void *arg)
{
	Undone	   *undone = arg;
	ConstraintsSetStmt *immediate = makeNode(ConstraintsSetStmt);
	int			gucs = NewGUCNestLevel();
	OwnerSwitch save;
	int			level;

	AfterTriggerSetState(immediate);
	(void) set_config_option("nurture.refuse_with_error", "off", PGC_USERSET,
							 PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	nurture_dry_clock(undone->at);
	nurture_owner_enter(&save);
	level = nurture_spi_connect();
	if (undone->drafts != NULL)
		nurture_control_try_drafts(undone->drafts);
	undone->work(undone->arg);
	nurture_spi_finish(level);
	nurture_owner_leave(&save);
	AtEOXact_GUC(false, gucs);
}

static bool
never(int sqlstate)
{
	return false;
}

/* See dry_run.h. */
void
nurture_run_undone(void (*work) (void *arg), void *arg, TimestampTz at,
				   Jsonb *drafts,
				   void (*listen) (const AuditEntry *entries, int n))
{
	void		(*before) (const AuditEntry *entries, int n) = nurture_audit_listener;
	Undone		undone = {work, arg, at, drafts};

	nurture_audit_listener = listen;
	PG_TRY();
	{
		(void) nurture_try_undone(run_inside, &undone, never);
	}
	PG_FINALLY();
	{
		nurture_audit_listener = before;
	}
	PG_END_TRY();
}

/* See dry_run.h. */
void
nurture_dry_run_right(const char *function)
{
	PreventCommandIfReadOnly(function);
	PreventCommandIfParallelMode(function);
	if (pg_class_aclcheck(nurture_table_oid("enrollment", false),
						  nurture_caller_role(), ACL_UPDATE) != ACLCHECK_OK)
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_TABLE, "enrollment");
}

static const char *
copy_text(const char *text)
{
	return text == NULL ? NULL : pstrdup(text);
}

/* Keeps entries beyond the subtransaction. */
static void
keep_decisions(const AuditEntry *entries, int n)
{
	MemoryContext old = MemoryContextSwitchTo(decisions_context);

	for (int i = 0; i < n; i++)
	{
		Decision   *decision = palloc0(sizeof(Decision));
		const AuditEntry *entry = &entries[i];

		decision->entry.has_lead = entry->has_lead;
		decision->entry.lead_id = entry->lead_id;
		decision->entry.kind = copy_text(entry->kind);
		decision->entry.object = copy_text(entry->object);
		decision->entry.outcome = copy_text(entry->outcome);
		decision->entry.nreasons = entry->reasons == NULL ? -1 : entry->nreasons;
		decision->reasons = palloc(Max(entry->nreasons, 1) * sizeof(char *));
		for (int r = 0; entry->reasons != NULL && r < entry->nreasons; r++)
			decision->reasons[r] = copy_text(entry->reasons[r]);
		decision->entry.trigger_json = copy_text(entry->trigger_json);
		decision->entry.versions_json = copy_text(entry->versions_json);
		decision->entry.inputs = copy_text(entry->inputs);
		decisions = lappend(decisions, decision);
	}
	MemoryContextSwitchTo(old);
}

static int
compare_ids(const void *a, const void *b)
{
	int64		x = *(const int64 *) a;
	int64		y = *(const int64 *) b;

	return x < y ? -1 : x > y;
}

/* Lists the leads that something was decided about, and others, ascending. */
static int64 *
decided_leads(const int64 *others, int nothers, int *n)
{
	int64	   *leads = palloc((list_length(decisions) + nothers + 1) * sizeof(int64));
	int			count = 0;
	int			unique = 0;
	ListCell   *cell;

	for (; count < nothers; count++)
		leads[count] = others[count];
	foreach(cell, decisions)
	{
		Decision   *decision = lfirst(cell);

		if (decision->entry.has_lead)
			leads[count++] = decision->entry.lead_id;
	}
	qsort(leads, count, sizeof(int64), compare_ids);
	for (int i = 0; i < count; i++)
	{
		if (unique == 0 || leads[i] != leads[unique - 1])
			leads[unique++] = leads[i];
	}
	*n = unique;
	return leads;
}

/* Stores the events, then works off what is due of the leads they are about. */
static void
store_events(void *arg)
{
	DryRun	   *run = arg;
	Datum		value = JsonbPGetDatum(run->events);
	Datum		before;
	int64	   *leads;
	int			n;
	bool		null;

	decisions = NIL;			/* those about drafts are no answer */
	nurture_execute(&last_quarantined, NULL, NULL, false);
	before = nurture_cell(0, 1, &null);
	nurture_execute(&ingest_events, &value, NULL, false);
	for (int i = 0; i < 4; i++)
	{
		bool		isnull;

		run->counts[i] = DatumGetInt64(nurture_cell(0, i + 1, &isnull));
	}
	if (run->counts[2] + run->counts[3] > 0)
	{
		nurture_execute(&find_quarantined, &before, NULL, false);
		for (uint64 i = 0; i < SPI_processed; i++)
		{
			MemoryContext old = MemoryContextSwitchTo(decisions_context);

			run->refused = lappend(run->refused, nurture_cell_text(i, 1));
			run->refused = lappend(run->refused, nurture_cell_text(i, 2));
			MemoryContextSwitchTo(old);
		}
	}
	value = JsonbPGetDatum(run->events);
	nurture_execute(&named_leads, &value, NULL, false);
	leads = palloc(Max(SPI_processed, 1) * sizeof(int64));
	n = 0;
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		value = nurture_cell(i, 1, &null);
		if (!null)
			leads[n++] = DatumGetInt64(value);
	}
	leads = decided_leads(leads, n, &n);
	if (n > 0)
		nurture_tick_enrollments(leads, n, run->at);
}

static void
set_json(const char *json, Datum *value, bool *null)
{
	*null = json == NULL;
	if (json != NULL)
		*value = DirectFunctionCall1(jsonb_in, CStringGetDatum(json));
}

static void
set_text(const char *text, Datum *value, bool *null)
{
	*null = text == NULL;

	if (text !=NULL)
		*value = CStringGetTextDatum(text);
}

static void
put_decision(ReturnSetInfo *result, const Decision *decision)
{
	const AuditEntry *entry = &decision->entry;
	Datum		values[DRY_RUN_COLUMNS] = {0};
	bool		nulls[DRY_RUN_COLUMNS] = {0};

	nulls[0] = !entry->has_lead;
	values[0] = Int64GetDatum(entry->lead_id);
	set_text(entry->kind, &values[1], &nulls[1]);
	set_text(entry->object, &values[2], &nulls[2]);
	set_text(entry->outcome, &values[3], &nulls[3]);
	nulls[4] = entry->nreasons < 0;
	if (!nulls[4])
		values[4] = nurture_strings_array(decision->reasons, entry->nreasons);
	set_json(entry->trigger_json, &values[5], &nulls[5]);
	set_json(entry->versions_json, &values[6], &nulls[6]);
	set_text(entry->inputs, &values[7], &nulls[7]);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/* Puts what became of the events themselves. */
static void
put_counts(ReturnSetInfo *result, const DryRun *run)
{
	static const char about_events[] = "ingest";	/* no entry of the trail */
	Decision	decision = {0};
	const char *reason;

	decision.entry.kind = about_events;
	decision.entry.outcome = "stored";
	decision.entry.nreasons = -1;
	decision.entry.inputs = psprintf("{\"inserted\": " INT64_FORMAT ", \"duplicates\": " INT64_FORMAT
									 ", \"quarantined\": " INT64_FORMAT ", \"unidentified\": " INT64_FORMAT "}",
									 run->counts[0], run->counts[1], run->counts[2], run->counts[3]);
	put_decision(result, &decision);
	decision.entry.outcome = "quarantined";
	decision.entry.nreasons = 1;
	decision.reasons = &reason;
	for (int i = 0; i < list_length(run->refused); i += 2)
	{
		reason = list_nth(run->refused, i);
		decision.entry.inputs = list_nth(run->refused, i + 1);
		put_decision(result, &decision);
	}
}

/* Puts the decisions about leads that the caller may see, and about none. */
static void
put_decisions(ReturnSetInfo *result)
{
	MemoryContext context = CurrentMemoryContext;
	int			nleads;
	int64	   *leads = decided_leads(NULL, 0, &nleads);
	Datum	   *items = palloc(Max(nleads, 1) * sizeof(Datum));
	Datum		argument;
	int			level;
	int			n;
	ListCell   *cell;

	for (int i = 0; i < nleads; i++)
		items[i] = Int64GetDatum(leads[i]);
	argument = PointerGetDatum(construct_array(items, nleads, INT8OID, 8,
											   FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
	level = nurture_spi_connect();
	nurture_execute(&visible_leads, &argument, NULL, true);
	n = SPI_processed;
	for (int i = 0; i < n; i++)
	{
		bool		isnull;

		leads[i] = DatumGetInt64(nurture_cell(i, 1, &isnull));
	}
	nurture_spi_finish(level);
	MemoryContextSwitchTo(context);
	foreach(cell, decisions)
	{
		Decision   *decision = lfirst(cell);

		if (!decision->entry.has_lead ||
			bsearch(&decision->entry.lead_id, leads, n, sizeof(int64), compare_ids) != NULL)
			put_decision(result, decision);
	}
}

/*
 * nurture_dry_run(events jsonb, at timestamptz, drafts jsonb) returns setof
 * (lead_id bigint, kind text, object text, outcome text, reasons text[],
 * trigger jsonb, versions jsonb, inputs text)
 *
 * What the events would lead to, were they stored at that time: what became of
 * them, then every decision in its order.
 */
Datum
nurture_dry_run(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	DryRun		run = {0};

	nurture_dry_run_right("nurture_dry_run()");
	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("events must not be null"),
				 errhint("Give an array of events as nurture_ingest takes it, [] for none.")));
	if (decisions_context != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("a dry run cannot be part of a dry run")));
	run.events = PG_GETARG_JSONB_P(0);
	run.at = PG_ARGISNULL(1) ? nurture_now_wall() : PG_GETARG_TIMESTAMPTZ(1);
	if (TIMESTAMP_NOT_FINITE(run.at))
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("a dry run needs a finite time")));
	InitMaterializedSRF(fcinfo, 0);
	decisions = NIL;
	decisions_context = CurrentMemoryContext;
	PG_TRY();
	{
		nurture_run_undone(store_events, &run, run.at,
						   PG_ARGISNULL(2) ? NULL : PG_GETARG_JSONB_P(2), keep_decisions);
		put_counts(result, &run);
		put_decisions(result);
	}
	PG_FINALLY();
	{
		decisions_context = NULL;
		decisions = NIL;
	}
	PG_END_TRY();
	return (Datum) 0;
}
