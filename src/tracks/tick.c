/*
 * tick.c
 *	  nurture_tick: works off what is due, one lead per subtransaction.
 *
 * Candidates are read without locks, then their gate rows are locked in lead
 * order, skipping those that somebody else holds, and only then is what is due
 * read again.  So several ticks share the work, and a tick killed at any point
 * has done nothing twice.
 */
#include "base/compat.h"

#include "access/xact.h"
#include "audit/audit.h"
#include "base/clock.h"
#include "base/errors.h"
#include "base/owner.h"
#include "base/plans.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "gate/gate.h"
#include "routing/routing.h"
#include "scoring/account.h"
#include "tracks/step.h"
#include "tracks/tracks.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

NURTURE_FUNCTION(nurture_tick);

#define MAX_TICK_LEADS 10000
#define ACCOUNT_BATCH 25
/* candidates for each lead that is taken, for that many ticks at once */
#define TICKS_AT_ONCE 8
/* so many leads share a subtransaction while none of them fails */
#define BATCH_LEADS 64
/* more than a lead takes, in microseconds: a batch ends within the budget */
#define LEAD_TIME 1000
/* what is due is counted so far: counting a long queue costs more than its work */
#define MAX_COUNTED 10000
/* a lead whose work failed is left alone for this long */
#define AFTER_ERROR USECS_PER_HOUR

/* more than are taken: those that other ticks have are skipped */
static KeptPlan find_due =
KEPT_PLAN("SELECT array_agg(DISTINCT lead_id ORDER BY lead_id) "
		  "FROM (SELECT lead_id FROM nurture.enrollment WHERE state IN "
		  "('active', 'waiting') AND next_due_at <= $1 ORDER BY "
		  "next_due_at LIMIT $2) d",
		  TIMESTAMPTZOID, INT4OID);
static KeptPlan lock_gates =
KEPT_PLAN("SELECT lead_id, coalesce(greatest(stopped_until, "
		  "paused_until) > $3, false) "
		  "FROM nurture.gate "
		  "WHERE lead_id = ANY ($1) "
		  "ORDER BY lead_id LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED",
		  INT8ARRAYOID, INT4OID, TIMESTAMPTZOID);
static KeptPlan count_due =
KEPT_PLAN("SELECT count(*), min(next_due_at) "
		  "FROM (SELECT next_due_at FROM nurture.enrollment WHERE state IN "
		  "('active', 'waiting') AND next_due_at <= $1 ORDER BY "
		  "next_due_at LIMIT $2) d",
		  TIMESTAMPTZOID, INT4OID);
static KeptPlan add_error =
KEPT_PLAN("INSERT INTO nurture.tick_error (lead_id, kind, at, sqlstate, "
		  "message) "
		  "VALUES ($1, $2, $3, $4, $5)",
		  INT8OID, TEXTOID, TIMESTAMPTZOID, TEXTOID, TEXTOID);

/* A lead whose gate row is ours. */
typedef struct TakenLead
{
	int64		lead_id;
	bool		held;			/* stops or pauses may be in force */
	bool		later;			/* is to be run by itself */
} TakenLead;

typedef struct LeadBatch
{
	TakenLead  *leads;			/* ascending */
	int			n;
	TimestampTz now;
} LeadBatch;

static TickWork *works = NULL;	/* in order of registration */

/* Adds a kind of work to the tick. */
void
nurture_tick_register(TickWork *work)
{
	TickWork  **place = &works;

	while (*place != NULL)
		place = &(*place)->next;
	work->next = NULL;
	*place = work;
}

/* Tells whether an error means that the same would work another time. */
static bool
is_passing(int sqlerrcode)
{
	return sqlerrcode == ERRCODE_T_R_SERIALIZATION_FAILURE ||
		sqlerrcode == ERRCODE_T_R_DEADLOCK_DETECTED ||
		sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE;
}

static void
record_error(const char *kind, int64 lead_id, const ErrorData *error)
{
	Datum		values[5];

	values[0] = Int64GetDatum(lead_id);
	values[1] = CStringGetTextDatum(kind);
	values[2] = TimestampTzGetDatum(nurture_now_wall());
	values[3] = CStringGetTextDatum(unpack_sql_state(error->sqlerrcode));
	values[4] = CStringGetTextDatum(error->message ? error->message : "");
	nurture_execute(&add_error, values, NULL, false);
}

/*
 * Runs work on one lead in a subtransaction; false when it failed.  Orders to
 * stop are passed on.  With kind NULL no error is recorded.
 */
bool
nurture_tick_lead(const char *kind, int64 lead_id,
				  void (*work) (int64 lead_id, void *arg), void *arg)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	volatile bool done = true;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		work(lead_id, arg);
		ReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		if (error->sqlerrcode == ERRCODE_QUERY_CANCELED ||
			error->sqlerrcode == ERRCODE_ADMIN_SHUTDOWN ||
			error->elevel > ERROR)
			PG_RE_THROW();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;
		if (kind != NULL && !is_passing(error->sqlerrcode))
			record_error(kind, lead_id, error);
		FreeErrorData(error);
		done = false;
	}
	PG_END_TRY();
	return done;
}

/* Works off one enrollment of a lead. */
static void
run_enrollment(Subject *subject, Enrollment *e, bool held, StepBatch *batch)
{
	if (subject->lead_id != e->lead_id)
		nurture_enrollment_end(e, "exited", "merged", "tick", NULL, subject->now);
	else
		nurture_track_run_step(nurture_track_rules(), subject, e, held, batch);
}

static bool
is_due(const Enrollment *e, TimestampTz now)
{
	return e->open && strcmp(e->state, "paused") != 0 && e->next_due_at <= now;
}

/* Works off what is due of one lead. */
static void
run_lead(int64 lead_id, void *arg)
{
	LeadBatch  *batch = arg;
	Subject    *subject = nurture_subject_load(lead_id, batch->now, true);
	Enrollment *rows;
	int			n;

	if (subject == NULL)
		return;
	n = nurture_enrollment_read(&lead_id, 1, false, &rows);
	for (int i = 0; i < n; i++)
	{
		if (is_due(&rows[i], batch->now))
			run_enrollment(subject, &rows[i], batch->leads->held, NULL);
	}
}

/*
 * Works off what is due of many leads as far as it can be done together.
 * Their enrollments are ours first, skipping those that others have, so that
 * the order in which they are written is no matter.
 */
static void
run_together(int64 first, void *arg)
{
	LeadBatch  *batch = arg;
	int64	   *leads = palloc(batch->n * sizeof(int64));
	StepBatch	steps = {0};
	Subject    *subject = NULL;
	Enrollment *rows;
	int			lead = 0;
	int			n;

	for (int i = 0; i < batch->n; i++)
		leads[i] = batch->leads[i].lead_id;
	steps.runs = palloc(batch->n * sizeof(StepRun));
	n = nurture_enrollment_take(leads, batch->n, &rows);
	for (int i = 0; i < n; i++)
	{
		if (!is_due(&rows[i], batch->now))
			continue;
		while (leads[lead] < rows[i].lead_id)
			lead++;
		if (batch->leads[lead].later)
			continue;
		/* one message of a lead, because it bears upon the next */
		if (steps.n > 0 && steps.runs[steps.n - 1].e->lead_id == leads[lead])
		{
			batch->leads[lead].later = true;
			continue;
		}
		subject = nurture_subject_load(leads[lead], batch->now, true);
		if (subject == NULL)
			continue;
		steps.later = false;
		run_enrollment(subject, &rows[i], batch->leads[lead].held, &steps);
		batch->leads[lead].later = steps.later;
	}
	if (steps.n > 0)
		nurture_step_send(steps.runs, steps.n);
}

/* Puts off a lead that failed, so that it does not stand in the way. */
static void
put_off(int64 lead_id, void *arg)
{
	TimestampTz now = ((LeadBatch *) arg)->now;
	Enrollment *rows;
	int			n = nurture_enrollment_read(&lead_id, 1, false, &rows);

	for (int i = 0; i < n; i++)
	{
		if (rows[i].open && rows[i].next_due_at <= now)
			nurture_enrollment_move(&rows[i], rows[i].state, rows[i].step_no,
									rows[i].due_from, now + AFTER_ERROR,
									rows[i].refusals);
	}
}

/* Locks the gate rows that nobody else has; answers how many, ascending. */
static int
take_leads(Datum leads, int max_leads, TimestampTz now, TakenLead **taken)
{
	Datum		values[3] = {leads, Int32GetDatum(max_leads), TimestampTzGetDatum(now)};
	int			n;

	nurture_execute(&lock_gates, values, NULL, false);
	n = SPI_processed;
	*taken = palloc0(Max(n, 1) * sizeof(TakenLead));
	for (int i = 0; i < n; i++)
	{
		bool		isnull;

		(*taken)[i].lead_id = DatumGetInt64(nurture_cell(i, 1, &isnull));
		(*taken)[i].held = DatumGetBool(nurture_cell(i, 2, &isnull));
	}
	SPI_freetuptable(SPI_tuptable);
	return n;
}

/* Works off one lead in a subtransaction of its own; false when it failed. */
static bool
run_alone(TakenLead *lead, TimestampTz now)
{
	LeadBatch	batch = {lead, 1, now};

	if (nurture_tick_lead("enrollment", lead->lead_id, run_lead, &batch))
		return true;
	(void) nurture_tick_lead("enrollment", lead->lead_id, put_off, &batch);
	return false;
}

/*
 * Works off leads in one subtransaction, then those that need their own; when
 * one fails, each by itself, so that only that one's work is undone.  Answers
 * how many did not fail.
 */
static int
run_batch(TakenLead *leads, int n, TimestampTz now)
{
	LeadBatch	batch = {leads, n, now};
	bool		together;
	int			done = 0;

	together = n > 1 && nurture_tick_lead(NULL, leads->lead_id, run_together, &batch);
	for (int i = 0; i < n; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if ((together && !leads[i].later) || run_alone(&leads[i], now))
			done++;
	}
	return done;
}

/*
 * Works off what is due of some leads, ascending, whose gate rows nobody else
 * has: for dry runs, which tell every decision once.  Connected to SPI, as the
 * owner.
 */
void
nurture_tick_enrollments(const int64 *leads, int nleads, TimestampTz now)
{
	Datum	   *items = palloc(Max(nleads, 1) * sizeof(Datum));
	TakenLead  *taken;
	int			n;

	for (int i = 0; i < nleads; i++)
		items[i] = Int64GetDatum(leads[i]);
	n = take_leads(PointerGetDatum(construct_array(items, nleads, INT8OID, 8,
												   FLOAT8PASSBYVAL, TYPALIGN_DOUBLE)),
				   nleads, now, &taken);
	for (int i = 0; i < n; i++)
	{
		CHECK_FOR_INTERRUPTS();
		(void) run_alone(&taken[i], now);
	}
}

/* Works off enrollments: the first work of every tick. */
static void
run_enrollments(TimestampTz now, int max_leads, TimestampTz deadline,
				int64 *done, int64 *left, TimestampTz *oldest)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "nurture tick",
												  ALLOCSET_DEFAULT_SIZES);
	Datum		values[2];
	Datum		due;
	bool		isnull;
	TakenLead  *leads = NULL;
	int			n = 0;
	int			size;

	values[0] = TimestampTzGetDatum(now);
	values[1] = Int32GetDatum(max_leads * TICKS_AT_ONCE);
	nurture_execute(&find_due, values, NULL, false);
	due = nurture_cell(0, 1, &isnull);
	if (!isnull)
		n = take_leads(due, max_leads, now, &leads);
	for (int i = 0; i < n; i += size)
	{
		MemoryContext old = MemoryContextSwitchTo(context);
		TimestampTz rest = deadline - GetCurrentTimestamp();

		if (i > 0 && rest <= 0)
		{
			MemoryContextSwitchTo(old);
			break;
		}
		size = Max(Min(Min(BATCH_LEADS, n - i), rest / LEAD_TIME), 1);
		*done += run_batch(&leads[i], size, now);
		MemoryContextSwitchTo(old);
		MemoryContextReset(context);
	}
	MemoryContextDelete(context);
	values[1] = Int32GetDatum(MAX_COUNTED);
	nurture_execute(&count_due, values, NULL, false);
	*left = DatumGetInt64(nurture_cell(0, 1, &isnull));
	due = nurture_cell(0, 2, &isnull);
	*oldest = isnull ? DT_NOEND : DatumGetTimestampTz(due);
}

static void
decide_standing(int64 lead_id, void *arg)
{
	nurture_standing_decide(&lead_id, 1, arg);
}

/*
 * Decides the standing of leads again whose activity added up, then of those
 * whose rules changed.
 */
static void
run_standings(TimestampTz now, int max_leads, TimestampTz deadline,
			  int64 *done, int64 *left, TimestampTz *oldest)
{
	int64	   *leads = palloc(sizeof(int64) * max_leads);
	int			active = nurture_standing_due(now, leads, max_leads);
	int			n = active + nurture_standing_walk(leads + active, max_leads - active);

	for (int i = 0; i < n; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (nurture_tick_lead("standing", leads[i], decide_standing,
							  i < active ? "activity" : "published"))
			(*done)++;
	}
	*left = n == max_leads ? 1 : 0;
	pfree(leads);
}

/* Decides the standing of a lead whose grade is to change by now. */
static void
decide_due(int64 lead_id, void *arg)
{
	TimestampTz now = *(TimestampTz *) arg;

	if (!nurture_gate_due_taken(lead_id, now))
		return;
	nurture_standing_decide(&lead_id, 1, "due");
	/* merged and erased leads are not decided */
	nurture_gate_due_done(lead_id, now, DT_NOEND);
}

/* Puts off a lead that could not be decided. */
static void
put_off_due(int64 lead_id, void *arg)
{
	TimestampTz now = *(TimestampTz *) arg;

	nurture_gate_due_done(lead_id, now, now + AFTER_ERROR);
}

/* Decides the standing of leads whose grade changes although nothing happens. */
static void
run_grades(TimestampTz now, int max_leads, TimestampTz deadline,
		   int64 *done, int64 *left, TimestampTz *oldest)
{
	int64	   *leads = palloc(sizeof(int64) * max_leads);
	int			n = nurture_gate_due_leads(now, leads, max_leads, oldest);

	for (int i = 0; i < n && (i == 0 || GetCurrentTimestamp() < deadline); i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (!nurture_tick_lead("grade", leads[i], decide_due, &now))
			(void) nurture_tick_lead("grade", leads[i], put_off_due, &now);
		(*done)++;
	}
	*left = n - *done + (n == max_leads ? 1 : 0);
	if (*left == 0)
		*oldest = DT_NOEND;
	pfree(leads);
}

/* Ends offers of hand-offs whose time is over, then names members. */
static void
run_handoffs(TimestampTz now, int max_leads, TimestampTz deadline,
			 int64 *done, int64 *left, TimestampTz *oldest)
{
	*done = nurture_routing_tick(max_leads);
}

/*
 * Writes the figures of accounts; last, see account_sweep.c.  In small
 * batches, because a sweep that has returned an account comes back to it an
 * hour later.
 */
static void
run_accounts(TimestampTz now, int max_leads, TimestampTz deadline,
			 int64 *done, int64 *left, TimestampTz *oldest)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "nurture tick of accounts",
												  ALLOCSET_DEFAULT_SIZES);
	int64		accounts[ACCOUNT_BATCH];
	bool		more;

	do
	{
		int			n = nurture_account_due(now, accounts, Min(ACCOUNT_BATCH, max_leads - (int) *done), &more);

		for (int i = 0; i < n; i++)
		{
			MemoryContext old = MemoryContextSwitchTo(context);

			CHECK_FOR_INTERRUPTS();
			if (!nurture_tick_lead("account", accounts[i], nurture_account_refresh, &now))
				(void) nurture_tick_lead("account", accounts[i], nurture_account_put_off, &now);
			(*done)++;
			MemoryContextSwitchTo(old);
			MemoryContextReset(context);
		}
	} while (more && *done < max_leads && GetCurrentTimestamp() < deadline);
	*left = more ? 1 : 0;
	MemoryContextDelete(context);
}

/* Ends leases of messages whose workers told nothing. */
static void
run_leases(TimestampTz now, int max_leads, TimestampTz deadline,
		   int64 *done, int64 *left, TimestampTz *oldest)
{
	*done = nurture_delivery_expire(now, max_leads);
	*left = *done == max_leads ? 1 : 0;
}

static TickWork lease_work = {"lease", run_leases, NULL};

/* What run_stops tells and asks. */
typedef struct EndStops
{
	TimestampTz now;
	bool		ended;			/* out */
} EndStops;

static void
end_stops(int64 lead_id, void *arg)
{
	EndStops   *end = arg;

	end->ended = nurture_gate_stops_end(lead_id, end->now);
}

/* Ends stops and pauses whose time is over; enrollments go on. */
static void
run_stops(TimestampTz now, int max_leads, TimestampTz deadline,
		  int64 *done, int64 *left, TimestampTz *oldest)
{
	int64	   *leads = palloc(sizeof(int64) * max_leads);
	int			n = nurture_gate_stops_due(now, leads, max_leads, oldest);

	for (int i = 0; i < n && (i == 0 || GetCurrentTimestamp() < deadline); i++)
	{
		EndStops	end = {now, false};

		CHECK_FOR_INTERRUPTS();
		if (nurture_tick_lead("stop", leads[i], end_stops, &end) && end.ended)
			(*done)++;
	}
	*left = n - *done + (n == max_leads ? 1 : 0);
	if (*left == 0)
		*oldest = DT_NOEND;
	pfree(leads);
}

/*
 * Ends stops of some leads whose time is over and decides standings that are
 * due: for dry runs.  Connected to SPI, as the owner.
 */
void
nurture_tick_due(const int64 *leads, int nleads, TimestampTz now)
{
	for (int i = 0; i < nleads; i++)
	{
		EndStops	end = {now, false};

		CHECK_FOR_INTERRUPTS();
		(void) nurture_tick_lead("stop", leads[i], end_stops, &end);
		(void) nurture_tick_lead("grade", leads[i], decide_due, &now);
	}
}

static TickWork stop_work = {"stop", run_stops, NULL};
static TickWork standing_work = {"standing", run_standings, NULL};
static TickWork grade_work = {"grade", run_grades, NULL};
static TickWork handoff_work = {"handoff", run_handoffs, NULL};
static TickWork account_work = {"account", run_accounts, NULL};

/* Registers the work of every tick besides enrollments. */
void
nurture_tick_init(void)
{
	nurture_tick_register(&lease_work);
	nurture_tick_register(&stop_work);
	nurture_tick_register(&standing_work);
	nurture_tick_register(&grade_work);
	nurture_tick_register(&handoff_work);
	nurture_tick_register(&account_work);
}

static void
put_row(ReturnSetInfo *rsinfo, const char *kind, int64 done, int64 left,
		TimestampTz oldest)
{
	Datum		values[4];
	bool		nulls[4] = {false, false, false, false};

	values[0] = CStringGetTextDatum(kind);
	values[1] = Int64GetDatum(done);
	values[2] = Int64GetDatum(left);
	values[3] = TimestampTzGetDatum(oldest);
	nulls[3] = TIMESTAMP_NOT_FINITE(oldest);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

/*
 * nurture_tick(max_leads integer, budget interval) returns setof (kind text,
 * done bigint, left bigint, oldest_due timestamptz)
 *
 * Works off what is due: at most so many leads of each kind, and begins no
 * other lead when the budget is spent.
 */
Datum
nurture_tick(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	int32		max_leads = PG_GETARG_INT32(0);
	Interval   *budget = PG_GETARG_INTERVAL_P(1);
	TimestampTz now = nurture_now_statement();
	TimestampTz deadline;
	OwnerSwitch save;
	int64		done = 0;
	int64		left = 0;
	TimestampTz oldest = DT_NOEND;
	int			gucs;
	int			level;

	if (max_leads < 1 || max_leads > MAX_TICK_LEADS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%d is no number of leads for a tick", max_leads),
				 errhint("Give 1 to %d; small batches keep opt-outs from waiting.", MAX_TICK_LEADS)));
	deadline = DatumGetTimestampTz(DirectFunctionCall2(timestamptz_pl_interval,
													   TimestampTzGetDatum(GetCurrentTimestamp()),
													   IntervalPGetDatum(budget)));
	if (pg_class_aclcheck(nurture_table_oid("enrollment", false),
						  nurture_caller_role(), ACL_UPDATE) != ACLCHECK_OK)
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_TABLE, "enrollment");
	InitMaterializedSRF(fcinfo, 0);

	/* a refusal is a row here, never an error */
	gucs = NewGUCNestLevel();
	(void) set_config_option("nurture.refuse_with_error", "off",
							 PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
	nurture_owner_enter(&save);
	level = nurture_spi_connect();
	run_enrollments(now, max_leads, deadline, &done, &left, &oldest);
	put_row(rsinfo, "enrollment", done, left, oldest);
	for (TickWork *work = works; work != NULL; work = work->next)
	{
		done = left = 0;
		oldest = DT_NOEND;
		work->run(now, max_leads, deadline, &done, &left, &oldest);
		put_row(rsinfo, work->kind, done, left, oldest);
	}
	put_row(rsinfo, "audit_seal", nurture_audit_close(), 0, DT_NOEND);
	nurture_spi_finish(level);
	nurture_owner_leave(&save);
	AtEOXact_GUC(true, gucs);
	return (Datum) 0;
}
