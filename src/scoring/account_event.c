/*
 * account_event.c
 *	  Counts what organisations did, where no lead of theirs is known.
 *
 * Inserted events are added to nurture.account_activity, in order of
 * organisations.  Corrections are rare and such events few, so after an
 * update or deletion the organisations concerned are counted again: their
 * rows are locked before their events are read, so that an event is either
 * seen here or added by its own statement afterwards.
 */
#include "base/compat.h"

#include "base/clock.h"
#include "base/errors.h"
#include "base/owner.h"
#include "base/plans.h"
#include "base/trigger.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "facts/vocabulary.h"
#include "miscadmin.h"
#include "scoring/activity_private.h"
#include "scoring/event_row.h"
#include "scoring/signal_match.h"
#include "scoring/tally_type.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

NURTURE_FUNCTION(nurture_account_event_count);
NURTURE_FUNCTION(nurture_account_rebuild);

#define ACCOUNT_FETCH 1000		/* events read at once when counting again */

static KeptPlan upsert_rows = KEPT_PLAN(
										"INSERT INTO nurture.account_activity AS a (account_id, signals, topics, last_event_at)"
										" SELECT * FROM unnest($1, $2, $3, $4)"
										" ON CONFLICT (account_id) DO UPDATE SET"
										" signals = @extschema@.nurture_tally_merge(a.signals, EXCLUDED.signals),"
										" topics = @extschema@.nurture_tally_merge(a.topics, EXCLUDED.topics),"
										" last_event_at = greatest(a.last_event_at, EXCLUDED.last_event_at)",
										INT8ARRAYOID, InvalidOid, InvalidOid, TIMESTAMPTZARRAYOID);
static KeptPlan make_rows = KEPT_PLAN(
									  "INSERT INTO nurture.account_activity (account_id)"
									  " SELECT u.account_id FROM unnest($1) AS u(account_id)"
									  " WHERE (SELECT true FROM nurture.account_event e WHERE e.account_id = u.account_id LIMIT 1)"
									  " ON CONFLICT (account_id) DO NOTHING", INT8ARRAYOID);
static KeptPlan lock_rows = KEPT_PLAN(
									  "SELECT account_id FROM nurture.account_activity WHERE account_id = ANY ($1)"
									  " ORDER BY account_id FOR NO KEY UPDATE", INT8ARRAYOID);
static KeptPlan events_of_accounts = KEPT_PLAN(
											   "SELECT account_id, event_type, occurred_at, tags, properties"
											   " FROM nurture.account_event WHERE account_id = ANY ($1)", INT8ARRAYOID);
static KeptPlan write_rows = KEPT_PLAN(
									   "UPDATE nurture.account_activity a SET signals = u.signals, topics = u.topics,"
									   " last_event_at = u.last_event_at"
									   " FROM unnest($1, $2, $3, $4) AS u(account_id, signals, topics, last_event_at)"
									   " WHERE a.account_id = u.account_id",
									   INT8ARRAYOID, InvalidOid, InvalidOid, TIMESTAMPTZARRAYOID);
static KeptPlan drop_empty = KEPT_PLAN(
									   "DELETE FROM nurture.account_activity WHERE account_id = ANY ($1) AND last_event_at IS NULL",
									   INT8ARRAYOID);
static KeptPlan all_accounts = {
	"SELECT account_id FROM nurture.account_activity UNION SELECT account_id FROM nurture.account_event ORDER BY 1",
	{0}, NULL, true
};

static int
compare_ids(const void *a, const void *b)
{
	int64		x = *(const int64 *) a;
	int64		y = *(const int64 *) b;

	return (x > y) - (x < y);
}

/* Writes counted organisations; the first rows of nothing are left out. */
static void
write_counted(KeptPlan *plan, ActivityDelta *delta)
{
	uint32		n;
	DeltaLead **accounts = nurture_delta_finish(delta, &n);

	for (uint32 i = 0; i < n; i += ACTIVITY_CHUNK)
	{
		uint32		end = Min((uint64) n, (uint64) i + ACTIVITY_CHUNK);
		ActivityRows *rows = nurture_activity_rows(end - i);

		CHECK_FOR_INTERRUPTS();
		for (uint32 j = i; j < end; j++)
			nurture_activity_put(rows, accounts[j]->lead_id,
								 accounts[j]->signals, accounts[j]->topics,
								 accounts[j]->last_event_at);
		nurture_activity_execute(plan, rows);
	}
}

/* Counts rows of events_of_accounts that a cursor has fetched. */
static void
count_fetched(ActivityDelta *delta, const MatchRules *rules, EventMatch *match,
			  MemoryContext row_context)
{
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		bool		isnull;
		bool		tags_null;
		bool		properties_null;
		int64		account_id = DatumGetInt64(nurture_cell(row, 1, &isnull));
		text	   *code = DatumGetTextPP(nurture_cell(row, 2, &isnull));
		TimestampTz occurred_at = DatumGetTimestampTz(nurture_cell(row, 3, &isnull));
		Datum		tags = nurture_cell(row, 4, &tags_null);
		Datum		properties = nurture_cell(row, 5, &properties_null);
		const MatchType *type;
		MemoryContext old;

		type = nurture_match_type(rules, VARDATA_ANY(code), VARSIZE_ANY_EXHDR(code));
		old = MemoryContextSwitchTo(row_context);
		if (type != NULL)
			nurture_match_event(rules, type, tags, tags_null, properties,
								properties_null, occurred_at, match);
		else
			nurture_match_nothing(match);
		MemoryContextSwitchTo(old);
		nurture_delta_count(delta, account_id, occurred_at, match);
	}
	MemoryContextReset(row_context);
}

/*
 * Counts the events of organisations again, ascending and without repeats;
 * returns how many have any.  Connected to SPI, as the owner.
 */
static int64
rebuild_accounts(const int64 *accounts, int n)
{
	const MatchRules *rules = nurture_match_rules();
	EventMatch *match = nurture_match_create(rules);
	ActivityDelta *delta = nurture_delta_create();
	MemoryContext context = CurrentMemoryContext;
	MemoryContext row_context;
	Datum		parameter = nurture_lead_array(accounts, n);
	Portal		cursor;
	int64		counted;
	bool		isnull;

	row_context = AllocSetContextCreate(context, "nurture event",
										ALLOCSET_DEFAULT_SIZES);
	(void) nurture_execute_latest(&make_rows, &parameter, NULL, true);
	(void) nurture_execute_latest(&lock_rows, &parameter, NULL, true);
	counted = SPI_processed;
	for (int64 row = 0; row < counted; row++)
		nurture_delta_lead(delta, DatumGetInt64(nurture_cell(row, 1, &isnull)));
	SPI_freetuptable(SPI_tuptable);

	CommandCounterIncrement();	/* see this transaction's own changes */
	PushActiveSnapshot(GetLatestSnapshot());
	cursor = SPI_cursor_open(NULL, nurture_plan(&events_of_accounts),
							 &parameter, NULL, true);
	do
	{
		CHECK_FOR_INTERRUPTS();
		SPI_cursor_fetch(cursor, true, ACCOUNT_FETCH);
		MemoryContextSwitchTo(context);
		count_fetched(delta, rules, match, row_context);
		SPI_freetuptable(SPI_tuptable);
	} while (SPI_processed > 0);
	SPI_cursor_close(cursor);
	PopActiveSnapshot();
	MemoryContextSwitchTo(context);

	write_counted(&write_rows, delta);
	(void) nurture_execute_latest(&drop_empty, &parameter, NULL, true);
	return counted - SPI_processed;
}

/* Columns of nurture.account_event that count, by place in the run. */
typedef enum AccountColumn
{
	ACCOUNT_ID,
	ACCOUNT_EVENT_TYPE,
	ACCOUNT_OCCURRED_AT,
	ACCOUNT_TAGS,
	ACCOUNT_PROPERTIES,
	ACCOUNT_COLUMNS				/* how many */
} AccountColumn;

static const char *const column_names[ACCOUNT_COLUMNS] = {
	"account_id", "event_type", "occurred_at", "tags", "properties"
};

/* What one statement changed. */
typedef struct AccountRun
{
	int			numbers[ACCOUNT_COLUMNS];	/* of the columns */
	TupleTableSlot *slot;
	int64		row_no;			/* from 1 */
} AccountRun;

static inline Datum
row_value(AccountRun *run, AccountColumn column, bool *isnull)
{
	return slot_getattr(run->slot, run->numbers[column], isnull);
}

/* Refuses events of unknown type or impossible time; returns the type. */
static const MatchType *
checked_type(AccountRun *run, const MatchRules *rules, TimestampTz latest)
{
	bool		isnull;
	text	   *code = DatumGetTextPP(row_value(run, ACCOUNT_EVENT_TYPE, &isnull));
	TimestampTz occurred_at =
	DatumGetTimestampTz(row_value(run, ACCOUNT_OCCURRED_AT, &isnull));
	const MatchType *type = nurture_match_type(rules, VARDATA_ANY(code),
											   VARSIZE_ANY_EXHDR(code));

	if (type == NULL)
		nurture_unknown_event_type(text_to_cstring(code));
	if (occurred_at > latest || occurred_at < NURTURE_TALLY_MIN_INSTANT)
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_FIELD_OVERFLOW),
				 errmsg("event %lld of the statement is out of range",
						(long long) run->row_no),
				 errdetail("occurred_at may be from 1970-01-03 to 5 minutes ahead of the server's clock."),
				 errhint("nurture_ingest() keeps such events in nurture.event_quarantine.")));
	return type;
}

static bool
next_row(AccountRun *run, Tuplestorestate *rows)
{
	if ((++run->row_no & 1023) == 0)
		CHECK_FOR_INTERRUPTS();
	return tuplestore_gettupleslot(rows, true, false, run->slot);
}

static void
start_rows(AccountRun *run, Tuplestorestate *rows)
{
	tuplestore_select_read_pointer(rows, 0);
	tuplestore_rescan(rows);
	run->row_no = 0;
}

static void
count_inserted(AccountRun *run, Tuplestorestate *rows)
{
	const MatchRules *rules = nurture_match_rules();
	EventMatch *match = nurture_match_create(rules);
	ActivityDelta *delta = nurture_delta_create();
	TimestampTz latest = nurture_now_wall() + EVENT_MAX_AHEAD;
	MemoryContext row_context;
	OwnerSwitch save;
	int			level;

	row_context = AllocSetContextCreate(CurrentMemoryContext, "nurture event",
										ALLOCSET_DEFAULT_SIZES);
	start_rows(run, rows);
	while (next_row(run, rows))
	{
		const MatchType *type = checked_type(run, rules, latest);
		bool		isnull;
		bool		tags_null;
		bool		properties_null;
		Datum		tags = row_value(run, ACCOUNT_TAGS, &tags_null);
		Datum		properties = row_value(run, ACCOUNT_PROPERTIES, &properties_null);
		TimestampTz occurred_at =
		DatumGetTimestampTz(row_value(run, ACCOUNT_OCCURRED_AT, &isnull));
		MemoryContext old = MemoryContextSwitchTo(row_context);

		nurture_match_event(rules, type, tags, tags_null, properties,
							properties_null, occurred_at, match);
		MemoryContextSwitchTo(old);
		MemoryContextReset(row_context);
		nurture_delta_count(delta,
							DatumGetInt64(row_value(run, ACCOUNT_ID, &isnull)),
							occurred_at, match);
	}
	if (run->row_no == 1)
		return;					/* no rows */
	nurture_owner_enter(&save);
	level = nurture_spi_connect();
	write_counted(&upsert_rows, delta);
	nurture_spi_finish(level);
	nurture_owner_leave(&save);
}

/* Counts the organisations of changed rows again; either may be NULL. */
static void
count_changed(AccountRun *run, Tuplestorestate *old_rows,
			  Tuplestorestate *new_rows)
{
	const MatchRules *rules = nurture_match_rules();
	TimestampTz latest = nurture_now_wall() + EVENT_MAX_AHEAD;
	LeadList	accounts = {CurrentMemoryContext, NULL, 0, 0};
	OwnerSwitch save;
	int			level;
	int			n = 0;

	for (int side = 0; side < 2; side++)
	{
		Tuplestorestate *rows = side == 0 ? old_rows : new_rows;
		bool		isnull;

		if (rows == NULL)
			continue;
		start_rows(run, rows);
		while (next_row(run, rows))
		{
			int64		account_id;

			if (side == 1)
				(void) checked_type(run, rules, latest);
			account_id = DatumGetInt64(row_value(run, ACCOUNT_ID, &isnull));
			if (accounts.n == 0 || accounts.leads[accounts.n - 1] != account_id)
				nurture_list_lead(&accounts, account_id);
		}
	}
	if (accounts.n == 0)
		return;
	qsort(accounts.leads, accounts.n, sizeof(int64), compare_ids);
	for (int i = 0; i < accounts.n; i++)
	{
		if (n == 0 || accounts.leads[n - 1] != accounts.leads[i])
			accounts.leads[n++] = accounts.leads[i];
	}
	nurture_owner_enter(&save);
	level = nurture_spi_connect();
	(void) rebuild_accounts(accounts.leads, n);
	nurture_spi_finish(level);
	nurture_owner_leave(&save);
}

/*
 * nurture_account_event_count() returns trigger
 *
 * After every statement that inserts, updates or deletes events of
 * organisations.
 */
Datum
nurture_account_event_count(PG_FUNCTION_ARGS)
{
	TriggerData *data = nurture_trigger_data(fcinfo, "nurture_account_event_count");
	MemoryContext context;
	MemoryContext old;
	AccountRun	run;

	nurture_trigger_after_statement(data, "nurture_account_event_count");
	if (!nurture_deriving())
		return PointerGetDatum(NULL);
	context = AllocSetContextCreate(CurrentMemoryContext, "nurture events",
									ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(context);
	for (int i = 0; i < ACCOUNT_COLUMNS; i++)
	{
		run.numbers[i] = SPI_fnumber(RelationGetDescr(data->tg_relation), column_names[i]);
		if (run.numbers[i] <= 0)
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_COLUMN),
					 errmsg("column \"%s\" of table \"nurture.account_event\" does not exist",
							column_names[i])));
	}
	run.slot = MakeSingleTupleTableSlot(RelationGetDescr(data->tg_relation),
										&TTSOpsMinimalTuple);
	if (TRIGGER_FIRED_BY_INSERT(data->tg_event))
		count_inserted(&run, data->tg_newtable);
	else
		count_changed(&run, data->tg_oldtable, data->tg_newtable);
	ExecDropSingleTupleTableSlot(run.slot);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return PointerGetDatum(NULL);
}

/*
 * nurture_account_rebuild(account_id bigint DEFAULT NULL) returns bigint
 *
 * Counts the kept events of one organisation, or of all, again.
 */
Datum
nurture_account_rebuild(PG_FUNCTION_ARGS)
{
	int64		counted = 0;
	OwnerSwitch save;
	int			level;

	if (!has_privs_of_role(GetUserId(), nurture_owner_oid()))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to rebuild the activity of organisations"),
				 errhint("Only the owner of schema nurture may call nurture_account_rebuild.")));
	nurture_owner_enter(&save);
	level = nurture_spi_connect();
	if (!PG_ARGISNULL(0))
	{
		int64		account_id = PG_GETARG_INT64(0);

		counted = rebuild_accounts(&account_id, 1);
	}
	else
	{
		int64	   *accounts;
		int			n;
		bool		isnull;

		(void) nurture_execute_latest(&all_accounts, NULL, NULL, false);
		n = SPI_processed;
		accounts = palloc(Max(n, 1) * sizeof(int64));
		for (int i = 0; i < n; i++)
			accounts[i] = DatumGetInt64(nurture_cell(i, 1, &isnull));
		for (int i = 0; i < n; i += ACTIVITY_CHUNK)
			counted += rebuild_accounts(accounts + i, Min(n - i, ACTIVITY_CHUNK));
	}
	nurture_spi_finish(level);
	nurture_owner_leave(&save);
	PG_RETURN_INT64(counted);
}
