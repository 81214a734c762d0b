/*
 * backfill.c
 *	  nurture_backfill: fills a signal, or a topic, from stored events.
 *
 * Lead by lead in order, a chunk of rows of nurture.activity is locked, the
 * kept events of these leads are counted for the one signal, and its entries
 * are replaced.  That is what a rebuild would write, so it may be repeated,
 * interrupted at any place and go on from there; rows that hold it already
 * are not touched.
 *
 * No event is lost or counted twice.  Events stored by statements that know
 * the signal are counted by their trigger, and again here when they are seen:
 * the entries are replaced, not added to.  Organisations follow at the end.  Statements that were under way
 * when the signal was defined do not know it; before the first lead, all
 * transactions that have written to nurture.event by then are waited for.
 */
#include "base/compat.h"

#include "access/transam.h"
#include "access/xact.h"
#include "base/author.h"
#include "base/clock.h"
#include "base/errors.h"
#include "base/owner.h"
#include "base/plans.h"
#include "catalog/pg_type.h"
#include "facts/vocabulary.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "scoring/activity.h"
#include "scoring/activity_private.h"
#include "scoring/tally_type.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

NURTURE_FUNCTION(nurture_backfill);
NURTURE_FUNCTION(nurture_backfill_run);

static KeptPlan find_signal = KEPT_PLAN(
										"SELECT signal_id::integer, event_type, xmin FROM nurture.signal WHERE signal = $1",
										TEXTOID);
static KeptPlan find_tag = KEPT_PLAN(
									 "SELECT tag_id, dimension || ':' || value, xmin FROM nurture.tag"
									 " WHERE dimension = split_part($1, ':', 1) AND value = substr($1, strpos($1, ':') + 1)",
									 TEXTOID);
static KeptPlan start_progress = KEPT_PLAN(
										   "INSERT INTO nurture.backfill (signal, total, started_at, updated_at, actor)"
										   " SELECT $1, (SELECT count(*) FROM nurture.activity), $2, $2, $3"
										   " ON CONFLICT (signal) DO NOTHING", TEXTOID, TIMESTAMPTZOID, TEXTOID);
static KeptPlan read_progress = KEPT_PLAN(
										  "SELECT position, finished_at IS NOT NULL FROM nurture.backfill"
										  " WHERE signal = $1 FOR UPDATE", TEXTOID);
static KeptPlan restart_progress = KEPT_PLAN(
											 "UPDATE nurture.backfill SET position = NULL, done = 0, filled = 0,"
											 " total = (SELECT count(*) FROM nurture.activity),"
											 " started_at = $2, updated_at = $2, finished_at = NULL, actor = $3"
											 " WHERE signal = $1", TEXTOID, TIMESTAMPTZOID, TEXTOID);
static KeptPlan write_progress = KEPT_PLAN(
										   "UPDATE nurture.backfill SET position = $2, done = done + $3, filled = filled + $4,"
										   " total = greatest(total, done + $3), updated_at = $5,"
										   " finished_at = CASE WHEN $6 THEN $5 END WHERE signal = $1",
										   TEXTOID, INT8OID, INT8OID, INT8OID, TIMESTAMPTZOID, BOOLOID);
static KeptPlan lock_next = KEPT_PLAN(
									  "SELECT a.lead_id, a.signals, a.topics, a.base, a.base_topics, a.last_event_at,"
									  " a.merged_into IS NOT NULL, EXISTS (SELECT FROM nurture.lead m WHERE m.merged_into = a.lead_id)"
									  " FROM nurture.activity a WHERE a.lead_id >= $1"
									  " ORDER BY a.lead_id LIMIT $2 FOR NO KEY UPDATE OF a", INT8OID, INT4OID);
static KeptPlan events_of_type = KEPT_PLAN(
										   "SELECT lead_id, event_type, occurred_at, tags, properties"
										   " FROM nurture.event WHERE lead_id = ANY ($1) AND event_type = $2",
										   INT8ARRAYOID, TEXTOID);

/* organisations have few events of their own: these are counted as a whole */
static KeptPlan fill_accounts = KEPT_PLAN0(
										   "SELECT @extschema@.nurture_account_rebuild()");
static KeptPlan events_with_tag = KEPT_PLAN(
											"SELECT lead_id, event_type, occurred_at, tags, properties"
											" FROM nurture.event WHERE lead_id = ANY ($1) AND $2 = ANY (tags)",
											INT8ARRAYOID, TEXTOID);

/* A backfill at work. */
typedef struct Backfill
{
	text	   *code;			/* as given: a signal, or dimension:value */
	bool		topic;			/* a topic */
	int32		key;			/* signal_id or tag_id */
	Datum		source;			/* event type, or tag, to look for */
	bool		own;			/* defined by this transaction */
	bool		started;		/* position holds a lead */
	bool		finished;
	int64		position;		/* last lead gone through */
} Backfill;

/* Columns of lock_next. */
enum
{
	COL_LEAD_ID = 1,
	COL_SIGNALS,
	COL_TOPICS,
	COL_BASE,
	COL_BASE_TOPICS,
	COL_LAST_EVENT_AT,
	COL_MERGED,
	COL_ABSORBED
};

/* Finds what is to be filled; raises when it is not known. */
static void
find_target(Backfill *fill)
{
	Datum		value = PointerGetDatum(fill->code);
	char	   *code = text_to_cstring(fill->code);
	bool		isnull;

	fill->topic = strchr(code, ':') != NULL;
	(void) nurture_execute_latest(fill->topic ? &find_tag : &find_signal,
								  &value, NULL, false);
	if (SPI_processed == 0)
		nurture_unknown_code(fill->topic ? COND_NAME_TAG : COND_NAME_SIGNAL,
							 fill->topic ? "tag" : "signal", code);
	fill->key = DatumGetInt32(nurture_cell(0, 1, &isnull));
	fill->source = PointerGetDatum(DatumGetTextPCopy(nurture_cell(0, 2, &isnull)));
	fill->own = TransactionIdIsCurrentTransactionId(DatumGetTransactionId(nurture_cell(0, 3, &isnull)));
	SPI_freetuptable(SPI_tuptable);
}

/*
 * Waits for statements that store events without knowing the signal.  Later
 * ones lock nurture.event anew and learn of it by that.  As long as we have
 * not committed the signal nobody can: then nothing may be stored until we
 * have.
 */
static void
wait_for_writers(const Backfill *fill)
{
	static const char *const tables[] = {"event", "account_event"};

	if (fill->own)
	{
		if (SPI_execute("LOCK TABLE nurture.event, nurture.account_event IN SHARE MODE", false, 0) != SPI_OK_UTILITY)
			elog(ERROR, "could not lock nurture.event");
		return;
	}
	for (int i = 0; i < lengthof(tables); i++)
	{
		LOCKTAG		tag;

		SET_LOCKTAG_RELATION(tag, MyDatabaseId, nurture_table_oid(tables[i], false));
		WaitForLockers(tag, ShareLock, false);
	}
}

/* Finds or makes the row of progress and locks it. */
static void
open_progress(Backfill *fill, bool again)
{
	Datum		values[3];
	char		nulls[3] = {' ', ' ', ' '};
	const char *actor = nurture_actor(NULL);
	bool		made;
	bool		isnull;

	values[0] = PointerGetDatum(fill->code);
	values[1] = TimestampTzGetDatum(nurture_now_wall());
	values[2] = actor ? CStringGetTextDatum(actor) : (Datum) 0;
	nulls[2] = actor ? ' ' : 'n';
	(void) nurture_execute_latest(&start_progress, values, nulls, true);
	made = SPI_processed > 0;
	(void) nurture_execute_latest(&read_progress, values, NULL, true);
	if (SPI_processed == 0)
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("the backfill was taken away by another session"),
				 errhint("Call nurture_backfill again.")));
	if (again && !made)
	{
		(void) nurture_execute_latest(&restart_progress, values, nulls, true);
		made = true;
	}
	else
	{
		fill->position = DatumGetInt64(nurture_cell(0, 1, &isnull));
		fill->started = !isnull;
		fill->finished = DatumGetBool(nurture_cell(0, 2, &isnull));
	}
	if (!fill->finished && !fill->started)
		wait_for_writers(fill);
}

/* Replaces the entries of the key in a tally; *counted: it has some now. */
static Datum
replaced_tally(const Backfill *fill, Datum old, Datum base, Datum events,
			   bool *counted)
{
	uint16		key = (uint16) fill->key;
	uint16		roll_day = nurture_tally_of(old, NULL).roll_day;
	Datum		part;

	part = nurture_tally_plus(events, nurture_tally_part(base, key, true));
	if (roll_day > 0)
		part = nurture_tally_fold(part, roll_day);
	*counted = !nurture_tally_is_empty(part);
	return nurture_tally_plus(nurture_tally_part(old, key, false), part);
}

/* Fills the next leads; returns how many there were. */
static int
fill_chunk(Backfill *fill, int room)
{
	EventCounter *counter = nurture_event_counter();
	ActivityRows *rows;
	SPITupleTable *locked;
	Datum		values[6];
	DeltaLead **leads;
	uint32		ncounted;
	LeadList	groups = {CurrentMemoryContext, NULL, 0, 0};
	int			n;
	int64		filled = 0;
	bool		isnull;

	values[0] = Int64GetDatum(fill->started ? fill->position + 1 : PG_INT64_MIN);
	values[1] = Int32GetDatum(room);
	(void) nurture_execute_latest(&lock_next, values, NULL, true);
	locked = SPI_tuptable;
	n = (int) SPI_processed;
	if (n > 0)
	{
		int64	   *ids = palloc(n * sizeof(int64));

		for (int i = 0; i < n; i++)
		{
			ids[i] = DatumGetInt64(nurture_cell(i, COL_LEAD_ID, &isnull));
			nurture_delta_lead(counter->delta, ids[i]);
		}
		values[0] = nurture_lead_array(ids, n);
		values[1] = fill->source;
		if (fill->topic)
			counter->topic = fill->key;
		else
			counter->signal = fill->key;
		nurture_count_events(counter, fill->topic ? &events_with_tag : &events_of_type, values);
		leads = nurture_delta_settle(counter->delta, &ncounted);
		Assert(ncounted == (uint32) n);

		rows = nurture_activity_rows(n);
		SPI_tuptable = locked;
		for (int i = 0; i < n; i++)
		{
			Datum		signals = nurture_cell(i, COL_SIGNALS, &isnull);
			Datum		topics = nurture_cell(i, COL_TOPICS, &isnull);
			Datum		base = nurture_cell(i, fill->topic ? COL_BASE_TOPICS : COL_BASE, &isnull);
			Datum	   *target = fill->topic ? &topics : &signals;
			Datum		last;
			Datum		old = *target;
			bool		counted;

			/* of a merged lead its survivor counts everything */
			if (DatumGetBool(nurture_cell(i, COL_MERGED, &isnull)))
				continue;
			if (DatumGetBool(nurture_cell(i, COL_ABSORBED, &isnull)))
			{
				nurture_list_lead(&groups, leads[i]->lead_id);
				continue;
			}
			last = nurture_cell(i, COL_LAST_EVENT_AT, &isnull);
			*target = replaced_tally(fill, old, base,
									 fill->topic ? leads[i]->topics : leads[i]->signals,
									 &counted);
			filled += counted;
			if (!nurture_tally_same(old, *target))
				nurture_activity_put(rows, leads[i]->lead_id, signals, topics,
									 isnull ? DT_NOBEGIN : DatumGetTimestampTz(last));
		}
		nurture_activity_write(rows);
		SPI_freetuptable(locked);
		nurture_rebuild_listed(&groups);
		fill->position = ids[n - 1];
		fill->started = true;
	}
	fill->finished = n < room || fill->position == PG_INT64_MAX;
	if (fill->finished)
		(void) nurture_execute_latest(&fill_accounts, NULL, NULL, true);
	values[0] = PointerGetDatum(fill->code);
	values[1] = Int64GetDatum(fill->position);
	values[2] = Int64GetDatum(n);
	values[3] = Int64GetDatum(filled);
	values[4] = TimestampTzGetDatum(nurture_now_wall());
	values[5] = BoolGetDatum(fill->finished);
	(void) nurture_execute_latest(&write_progress, values, fill->started ? "      " : " n    ", true);
	return n;
}

static void
require_owner(const char *function)
{
	if (!has_privs_of_role(GetUserId(), nurture_owner_oid()))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to fill signals"),
				 errhint("Only the owner of schema nurture may call %s.", function)));
}

static void
check_batch(bool isnull, int32 batch)
{
	if (!isnull && batch < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%d is no number of leads for a batch", batch),
				 errhint("Give 1 or more, or leave it out to go to the end.")));
}

/*
 * nurture_backfill(signal text, batch integer, again boolean) returns bigint
 *
 * Fills a signal, or a topic given as dimension:value, for the next batch of
 * leads, or for all that are left; returns how many leads it went through, 0
 * when it is finished.
 */
Datum
nurture_backfill(PG_FUNCTION_ARGS)
{
	Backfill	fill = {0};
	int64		left = PG_ARGISNULL(1) ? PG_INT64_MAX : PG_GETARG_INT32(1);
	int64		done = 0;
	MemoryContext outer = CurrentMemoryContext;
	MemoryContext context;
	OwnerSwitch save;
	int			level;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	check_batch(PG_ARGISNULL(1), PG_GETARG_INT32(1));
	require_owner("nurture_backfill");
	fill.code = PG_GETARG_TEXT_PP(0);
	nurture_owner_enter(&save);
	level = nurture_spi_connect();
	MemoryContextSwitchTo(outer);
	find_target(&fill);
	open_progress(&fill, !PG_ARGISNULL(2) && PG_GETARG_BOOL(2));
	context = AllocSetContextCreate(outer, "nurture backfill",
									ALLOCSET_DEFAULT_SIZES);
	while (!fill.finished && left > 0)
	{
		int			n;

		CHECK_FOR_INTERRUPTS();
		MemoryContextSwitchTo(context);
		n = fill_chunk(&fill, (int) Min(left, ACTIVITY_CHUNK));
		MemoryContextSwitchTo(outer);
		MemoryContextReset(context);
		done += n;
		left -= n;
	}
	MemoryContextDelete(context);
	nurture_spi_finish(level);
	nurture_owner_leave(&save);
	PG_RETURN_INT64(done);
}

/*
 * nurture_backfill_run(signal text, batch integer, again boolean): procedure
 *
 * Fills to the end and commits after each batch, so that no lead is locked
 * for long and the progress is seen.
 */
Datum
nurture_backfill_run(PG_FUNCTION_ARGS)
{
	char	   *query;
	Oid			types[3] = {TEXTOID, INT4OID, BOOLOID};
	Datum		values[3];
	SPIPlanPtr	plan;

	if (fcinfo->context == NULL || !IsA(fcinfo->context, CallContext) ||
		castNode(CallContext, fcinfo->context)->atomic)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TRANSACTION_TERMINATION),
				 errmsg("nurture_backfill_run commits and cannot run inside a transaction"),
				 errhint("CALL it by itself; inside a transaction, use nurture_backfill().")));
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("signal and batch must be given")));
	check_batch(false, PG_GETARG_INT32(1));
	require_owner("nurture_backfill_run");
	if (SPI_connect_ext(SPI_OPT_NONATOMIC) != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI");
	/* what outlives the commits lives in the memory of SPI */
	values[0] = PointerGetDatum(PG_GETARG_TEXT_P_COPY(0));
	values[1] = PG_GETARG_DATUM(1);
	values[2] = BoolGetDatum(!PG_ARGISNULL(2) && PG_GETARG_BOOL(2));
	query = psprintf("SELECT %s.nurture_backfill($1, $2, $3)", nurture_extension_schema());
	plan = SPI_prepare(query, 3, types);
	if (plan == NULL || SPI_keepplan(plan) != 0)
		elog(ERROR, "could not prepare \"%s\"", query);
	PG_TRY();
	{
		for (;;)
		{
			bool		isnull;
			int64		done;

			CHECK_FOR_INTERRUPTS();
			if (SPI_execute_plan(plan, values, NULL, false, 0) != SPI_OK_SELECT)
				elog(ERROR, "could not run \"%s\"", query);
			done = DatumGetInt64(nurture_cell(0, 1, &isnull));
			SPI_freetuptable(SPI_tuptable);
			SPI_commit();
			if (done == 0)
				break;
			values[2] = BoolGetDatum(false);
		}
	}
	PG_FINALLY();
	{
		SPI_freeplan(plan);
	}
	PG_END_TRY();
	if (SPI_finish() != SPI_OK_FINISH)
		elog(ERROR, "could not disconnect from SPI");
	PG_RETURN_VOID();
}
