/*
 * account_sweep.c
 *	  The figures that the tick writes to nurture.account.
 *
 * Due are accounts without figures, accounts whose figures are a day old
 * (points decay, and what is corrected or moved shows no other way), and,
 * looked for at most once an hour, accounts with events recorded since.
 *
 * Account rows are the last that a tick locks, skipping those that somebody
 * else holds: a tick never waits for an account, nor for anything else once
 * it has one.
 */
#include "base/compat.h"

#include "base/clock.h"
#include "base/plans.h"
#include "base/settings.h"
#include "catalog/pg_type.h"
#include "scoring/account_private.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

#define SWEEP_EVERY USECS_PER_HOUR

/* events are recorded before they are committed: look so far back */
#define LOOK_BACK (10 * USECS_PER_MINUTE)

/* accounts that a sweep looks at for each that it may return */
#define LOOKS_PER_ACCOUNT 10

/* largest number of activity_score and spike, in hundredths */
#define MAX_WRITTEN INT64CONST(999999999)

static KeptPlan find_old =
KEPT_PLAN("SELECT array_agg(account_id ORDER BY account_id) FROM ("
		  "SELECT account_id FROM (SELECT account_id FROM nurture.account WHERE as_of IS NULL LIMIT $2) n "
		  "UNION ALL "
		  "SELECT account_id FROM (SELECT account_id FROM nurture.account WHERE as_of <= $1 ORDER BY as_of LIMIT $2) o "
		  "LIMIT $2) d", TIMESTAMPTZOID, INT4OID);

/* one tick sweeps at a time; the others find nothing to do */
static KeptPlan lock_sweep =
KEPT_PLAN0("SELECT started_at, next_account FROM nurture.account_sweep FOR UPDATE SKIP LOCKED");
static KeptPlan keep_sweep =
KEPT_PLAN("UPDATE nurture.account_sweep SET started_at = $1, next_account = $2", TIMESTAMPTZOID, INT8OID);

/*
 * The accounts from $1 on, at most $2 of them: the last one looked at, and
 * those whose leads did something that was recorded since as_of.  $3 is how
 * long after they occurred events may be recorded without waiting for the
 * next day.
 */
static KeptPlan find_active =
KEPT_PLAN("SELECT max(c.account_id), array_agg(c.account_id ORDER BY c.account_id) FILTER (WHERE "
		  "EXISTS (SELECT FROM nurture.lead l JOIN nurture.activity a ON a.lead_id = l.lead_id "
		  "WHERE l.account_id = c.account_id AND a.last_event_at >= c.as_of - $3 "
		  "AND EXISTS (SELECT FROM nurture.event e WHERE e.lead_id = l.lead_id AND e.recorded_at >= c.as_of - $4)) "
		  "OR EXISTS (SELECT FROM nurture.account_event e WHERE e.account_id = c.account_id AND e.recorded_at >= c.as_of - $4)) "
		  "FROM (SELECT account_id, as_of FROM nurture.account WHERE account_id >= $1 ORDER BY account_id LIMIT $2) c "
		  "WHERE c.as_of < $5",
		  INT8OID, INT4OID, INTERVALOID, INTERVALOID, TIMESTAMPTZOID);
static KeptPlan last_looked_at =
KEPT_PLAN("SELECT max(account_id) FROM (SELECT account_id FROM nurture.account WHERE account_id >= $1 ORDER BY account_id LIMIT $2) c",
		  INT8OID, INT4OID);

static KeptPlan lock_accounts =
KEPT_PLAN("SELECT account_id FROM nurture.account WHERE account_id = ANY ($1) "
		  "ORDER BY account_id FOR NO KEY UPDATE SKIP LOCKED", INT8ARRAYOID);
static KeptPlan write_figures =
KEPT_PLAN("UPDATE nurture.account SET activity_score = $2, spike = $3, active_leads = $4, as_of = $5 WHERE account_id = $1",
		  INT8OID, NUMERICOID, NUMERICOID, INT4OID, TIMESTAMPTZOID);

static Interval *
interval_of(int64 microseconds)
{
	Interval   *interval = palloc0(sizeof(Interval));

	interval->time = microseconds;
	return interval;
}

/* Locks what it can of the accounts of an array and adds them. */
static int
take(Datum wanted, int64 *accounts, int n, int max)
{
	bool		isnull;

	nurture_execute(&lock_accounts, &wanted, NULL, false);
	for (uint64 i = 0; i < SPI_processed && n < max; i++)
		accounts[n++] = DatumGetInt64(nurture_cell(i, 1, &isnull));
	return n;
}

/*
 * Goes on with the sweep, or begins one: adds up to max - n accounts that
 * were active.  Returns how many there are then.
 */
static int
sweep(TimestampTz now, int64 *accounts, int n, int max, bool *more)
{
	Datum		values[5];
	char		nulls[3] = "  ";
	TimestampTz started;
	Datum		next;
	Datum		wanted;
	bool		resting;
	bool		isnull;
	bool		none;
	int64		last;

	nurture_execute(&lock_sweep, NULL, NULL, false);
	if (SPI_processed == 0)
		return n;
	started = DatumGetTimestampTz(nurture_cell(0, 1, &isnull));
	next = nurture_cell(0, 2, &resting);
	if (resting && !TIMESTAMP_IS_NOBEGIN(started) && now >= started && now - started < SWEEP_EVERY)
		return n;
	if (resting)
	{
		started = now;
		next = Int64GetDatum(PG_INT64_MIN);
	}

	values[0] = next;
	values[1] = Int32GetDatum((max - n) * LOOKS_PER_ACCOUNT);
	nurture_execute(&last_looked_at, values, NULL, false);
	last = DatumGetInt64(nurture_cell(0, 1, &none));
	if (!none)
	{
		values[2] = IntervalPGetDatum(interval_of(nurture_react_within * USECS_PER_SEC));
		values[3] = IntervalPGetDatum(interval_of(LOOK_BACK));
		values[4] = TimestampTzGetDatum(started);
		nurture_execute(&find_active, values, NULL, false);
		wanted = nurture_cell(0, 2, &isnull);
		if (!isnull)
		{
			ArrayType  *array = DatumGetArrayTypeP(wanted);
			int64	   *ids = (int64 *) ARR_DATA_PTR(array);
			int			found = ARR_DIMS(array)[0];

			if (found > max - n)
			{
				/* the rest next time */
				last = ids[max - n - 1];
				ARR_DIMS(array)[0] = max - n;
				SET_VARSIZE(array, ARR_OVERHEAD_NONULLS(1) + (max - n) * sizeof(int64));
			}
			n = take(PointerGetDatum(array), accounts, n, max);
		}
	}
	*more |= !none;
	values[0] = TimestampTzGetDatum(started);
	values[1] = none ? (Datum) 0 : Int64GetDatum(last + 1);
	nulls[1] = none || last == PG_INT64_MAX ? 'n' : ' ';
	nurture_execute(&keep_sweep, values, nulls, false);
	return n;
}

static int
compare_accounts(const void *a, const void *b)
{
	int64		x = *(const int64 *) a;
	int64		y = *(const int64 *) b;

	return x < y ? -1 : x > y;
}

/* Fills accounts with up to max that are due, ascending and locked. */
int
nurture_account_due(TimestampTz now, int64 *accounts, int max, bool *more)
{
	Datum		values[2];
	Datum		wanted;
	bool		isnull;
	int			n = 0;

	*more = false;
	values[0] = TimestampTzGetDatum(now - USECS_PER_DAY);
	values[1] = Int32GetDatum(max);
	nurture_execute(&find_old, values, NULL, false);
	wanted = nurture_cell(0, 1, &isnull);
	if (!isnull)
	{
		n = take(wanted, accounts, 0, max);
		*more = n == max;
	}
	if (n < max)
		n = sweep(now, accounts, n, max, more);
	qsort(accounts, n, sizeof(int64), compare_accounts);
	return n;
}

static Datum
written(int64 hundredths)
{
	return nurture_points_datum(Max(-MAX_WRITTEN, Min(hundredths, MAX_WRITTEN)));
}

static void
write_account(int64 account_id, TimestampTz now, const AccountFigures *figures,
			  const AccountScore *score)
{
	Datum		values[5] = {0};
	char		nulls[6] = "     ";

	values[0] = Int64GetDatum(account_id);
	if (score)
		values[1] = written(score->total);
	else
		nulls[1] = 'n';
	if (figures && figures->spike.has_ratio)
		values[2] = written(figures->spike.is_spike ? figures->spike.ratio : 0);
	else
		nulls[2] = 'n';
	if (figures)
		values[3] = Int32GetDatum((int32) Min(figures->active_leads, PG_INT32_MAX));
	else
		nulls[3] = 'n';
	values[4] = TimestampTzGetDatum(now);
	nurture_execute(&write_figures, values, nulls, false);
}

/* Writes the figures of one account. */
void
nurture_account_refresh(int64 account_id, void *arg)
{
	TimestampTz now = *(TimestampTz *) arg;
	AccountFigures figures;
	AccountScore score;
	uint64		generation;

	if (!nurture_account_read(account_id, now, nurture_models_mask(&generation), &figures))
		return;
	if (nurture_account_points(&figures, NULL, &score, NULL))
		write_account(account_id, now, &figures, &score);
	else
		write_account(account_id, now, &figures, NULL);
}

/* Writes that there are no figures, as of now. */
void
nurture_account_put_off(int64 account_id, void *arg)
{
	write_account(account_id, *(TimestampTz *) arg, NULL, NULL);
}
