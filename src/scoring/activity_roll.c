/*
 * activity_roll.c
 *	  nurture_roll: folds what is older than the horizon.
 *
 * A pass goes over nurture.activity by lead and folds the days that no
 * decaying curve gives points for; it changes no score.  Rows without such
 * days are not touched, and rows that somebody else holds are left for the
 * next pass: nothing depends on when a row is rolled.
 *
 * The base is folded too, but never behind the first event that is kept or
 * known to have been: while a day of the base and a day of the events can be
 * the same day, both have to be there to be seen as one.  Bases of merged leads and of their survivors stay
 * as they are, because the others of the group have such days too.
 */
#include "base/compat.h"

#include "base/clock.h"
#include "base/owner.h"
#include "base/plans.h"
#include "base/settings.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "scoring/activity.h"
#include "scoring/activity_private.h"
#include "scoring/tally_type.h"
#include "storage/lmgr.h"
#include "tracks/tracks.h"
#include "utils/acl.h"
#include "utils/date.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

NURTURE_FUNCTION(nurture_roll);

#define DAYS_BETWEEN_PASSES	30	/* of the tick */
#define LEADS_PER_TICK_LEAD	10	/* folding is cheap beside a tick's work */

static KeptPlan last_pass = KEPT_PLAN0(
									   "SELECT roll_day, position, finished_at IS NOT NULL FROM nurture.roll"
									   " ORDER BY roll_day DESC LIMIT 1");
static KeptPlan start_pass = KEPT_PLAN(
									   "INSERT INTO nurture.roll (roll_day, total, started_at, updated_at)"
									   " SELECT $1, (SELECT count(*) FROM nurture.activity), $2, $2"
									   " ON CONFLICT (roll_day) DO NOTHING", DATEOID, TIMESTAMPTZOID);
static KeptPlan write_pass = KEPT_PLAN(
									   "UPDATE nurture.roll SET position = $2, done = done + $3, rolled = rolled + $4,"
									   " total = greatest(total, done + $3), updated_at = $5,"
									   " finished_at = CASE WHEN $6 THEN $5 END WHERE roll_day = $1",
									   DATEOID, INT8OID, INT8OID, INT8OID, TIMESTAMPTZOID, BOOLOID);
static KeptPlan lock_next = KEPT_PLAN(
									  "SELECT a.lead_id, a.signals, a.topics, a.base, a.base_topics,"
									  " CASE WHEN a.base_last_event_at IS NOT NULL THEN a.merged_into IS NOT NULL"
									  " OR EXISTS (SELECT FROM nurture.lead m WHERE m.merged_into = a.lead_id)"
									  " ELSE false END"
									  " FROM nurture.activity a WHERE a.lead_id >= $1"
									  " ORDER BY a.lead_id LIMIT $2 FOR NO KEY UPDATE OF a SKIP LOCKED", INT8OID, INT4OID);
static KeptPlan first_events = KEPT_PLAN(
										 "SELECT least((SELECT min(e.occurred_at) FROM nurture.event e WHERE e.lead_id = u.lead_id),"
										 " (SELECT min(h.occurred_at) FROM nurture.event_history h WHERE h.lead_id = u.lead_id))"
										 " FROM unnest($1) WITH ORDINALITY AS u(lead_id, i) ORDER BY u.i", INT8ARRAYOID);
static KeptPlan write_tallies = KEPT_PLAN(
										  "UPDATE nurture.activity a SET signals = u.signals, topics = u.topics"
										  " FROM unnest($1, $2, $3) AS u(lead_id, signals, topics) WHERE a.lead_id = u.lead_id",
										  INT8ARRAYOID, InvalidOid, InvalidOid);

/* A pass at work. */
typedef struct RollPass
{
	int32		day;			/* days before it are folded, since 1970 */
	bool		started;		/* position holds a lead */
	int64		position;		/* last lead gone through */
	bool		finished;
} RollPass;

/* A pair of tallies per lead, on their way to be written. */
typedef struct TallyPairs
{
	int64	   *leads;
	Datum	   *first;
	Datum	   *second;
	int			n;
} TallyPairs;

static void
pairs_create(TallyPairs *pairs, int room)
{
	pairs->leads = palloc(Max(room, 1) * sizeof(int64));
	pairs->first = palloc(Max(room, 1) * sizeof(Datum));
	pairs->second = palloc(Max(room, 1) * sizeof(Datum));
	pairs->n = 0;
}

static void
pairs_put(TallyPairs *pairs, int64 lead_id, Datum first, Datum second)
{
	pairs->leads[pairs->n] = lead_id;
	pairs->first[pairs->n] = first;
	pairs->second[pairs->n++] = second;
}

static void
write_pairs(const TallyPairs *pairs)
{
	Datum		values[3];

	if (pairs->n == 0)
		return;
	nurture_plan_tallies(&write_tallies, 1, 2);
	values[0] = nurture_lead_array(pairs->leads, pairs->n);
	values[1] = nurture_tally_array(pairs->first, pairs->n);
	values[2] = nurture_tally_array(pairs->second, pairs->n);
	(void) nurture_execute_latest(&write_tallies, values, NULL, true);
}

/* Tells whether a tally holds days before one. */
static bool
holds_before(Datum tally, int32 day)
{
	Tally		t = nurture_tally_of(tally, NULL);
	int32		first = nurture_tally_first(&t);

	return first != NURTURE_TALLY_NO_DAY && first < day;
}

/* Folds a tally when it holds days before one; tells whether it did. */
static bool
fold_before(Datum *tally, int32 day)
{
	if (!holds_before(*tally, day))
		return false;
	*tally = nurture_tally_fold(*tally, (uint16) day);
	return true;
}

/*
 * Folds the bases of leads that have old days there; rows are what their
 * tallies are now, and a base is folded no further than its tally.
 */
static void
fold_bases(const TallyPairs *bases, const TallyPairs *rows, int32 day)
{
	TallyPairs	folded;
	Datum		value;
	bool		isnull;

	if (bases->n == 0)
		return;
	pairs_create(&folded, bases->n);
	value = nurture_lead_array(bases->leads, bases->n);
	(void) nurture_execute_latest(&first_events, &value, NULL, false);
	for (int i = 0; i < bases->n; i++)
	{
		Datum		base = bases->first[i];
		Datum		base_topics = bases->second[i];
		Datum		first = nurture_cell(i, 1, &isnull);
		int32		until = isnull ? day : Min(day, nurture_day_of(DatumGetTimestampTz(first)));
		bool		changed;

		changed = fold_before(&base, Min(until, nurture_tally_of(rows->first[i], NULL).roll_day));
		changed |= fold_before(&base_topics, Min(until, nurture_tally_of(rows->second[i], NULL).roll_day));
		if (changed)
			pairs_put(&folded, bases->leads[i], base, base_topics);
	}
	SPI_freetuptable(SPI_tuptable);
	nurture_activity_write_bases(folded.leads, folded.first, folded.second,
								 folded.n);
}

/* Goes over the next leads; returns how many there were. */
static int
roll_chunk(RollPass *pass, int room)
{
	Datum		values[6];
	TallyPairs	rows;
	TallyPairs	bases;
	TallyPairs	of_bases;
	int			n;
	bool		isnull;

	values[0] = Int64GetDatum(pass->started ? pass->position + 1 : PG_INT64_MIN);
	values[1] = Int32GetDatum(room);
	(void) nurture_execute_latest(&lock_next, values, NULL, true);
	n = (int) SPI_processed;
	pairs_create(&rows, n);
	pairs_create(&bases, n);
	pairs_create(&of_bases, n);
	for (int i = 0; i < n; i++)
	{
		int64		lead_id = DatumGetInt64(nurture_cell(i, 1, &isnull));
		Datum		tallies[4];
		bool		changed;

		for (int j = 0; j < 4; j++)
			tallies[j] = nurture_cell(i, j + 2, &isnull);
		changed = fold_before(&tallies[0], pass->day);
		changed |= fold_before(&tallies[1], pass->day);
		if (changed)
			pairs_put(&rows, lead_id, tallies[0], tallies[1]);
		if (!DatumGetBool(nurture_cell(i, 6, &isnull)) &&
			(holds_before(tallies[2], pass->day) || holds_before(tallies[3], pass->day)))
		{
			pairs_put(&bases, lead_id, tallies[2], tallies[3]);
			pairs_put(&of_bases, lead_id, tallies[0], tallies[1]);
		}
		pass->position = lead_id;
		pass->started = true;
	}
	fold_bases(&bases, &of_bases, pass->day);
	write_pairs(&rows);

	pass->finished = n < room || pass->position == PG_INT64_MAX;
	values[0] = DateADTGetDatum(pass->day - NURTURE_EPOCH_OFFSET_DAYS);
	values[1] = Int64GetDatum(pass->position);
	values[2] = Int64GetDatum(n);
	values[3] = Int64GetDatum(rows.n);
	values[4] = TimestampTzGetDatum(nurture_now_wall());
	values[5] = BoolGetDatum(pass->finished);
	(void) nurture_execute_latest(&write_pass, values, pass->started ? "      " : " n    ", true);
	return n;
}

/*
 * Reads the last pass; false when it is finished and the horizon has not
 * moved by so many days since.
 */
static bool
pass_due(RollPass *pass, int32 day, int days)
{
	bool		isnull;

	memset(pass, 0, sizeof(*pass));
	(void) nurture_execute_latest(&last_pass, NULL, NULL, false);
	if (SPI_processed == 0)
	{
		pass->finished = true;
		return true;
	}
	pass->day = DatumGetDateADT(nurture_cell(0, 1, &isnull)) + NURTURE_EPOCH_OFFSET_DAYS;
	pass->position = DatumGetInt64(nurture_cell(0, 2, &isnull));
	pass->started = !isnull;
	pass->finished = DatumGetBool(nurture_cell(0, 3, &isnull));
	return !pass->finished || day >= pass->day + days;
}

/*
 * Finds the pass to go on with, or starts one when the horizon has moved by
 * so many days since the last; false when there is nothing to do, or, unless
 * we wait, when somebody else is at it.
 */
static bool
open_pass(RollPass *pass, int days, bool wait)
{
	int32		day = nurture_today() - nurture_horizon_days + 1;
	Oid			table = nurture_table_oid("roll", false);
	Datum		values[2];

	if (day < NURTURE_TALLY_FIRST_DAY || !pass_due(pass, day, days))
		return false;
	if (wait)
		LockRelationOid(table, ShareUpdateExclusiveLock);
	else if (!ConditionalLockRelationOid(table, ShareUpdateExclusiveLock))
		return false;
	if (!pass_due(pass, day, days))
		return false;
	if (!pass->finished)
		return true;
	values[0] = DateADTGetDatum(day - NURTURE_EPOCH_OFFSET_DAYS);
	values[1] = TimestampTzGetDatum(nurture_now_wall());
	(void) nurture_execute_latest(&start_pass, values, NULL, true);
	memset(pass, 0, sizeof(*pass));
	pass->day = day;
	return true;
}

/* Goes on with the pass for so many leads; returns how many it were. */
static int64
roll_leads(RollPass *pass, int64 room, TimestampTz deadline)
{
	MemoryContext outer = CurrentMemoryContext;
	MemoryContext context;
	int64		done = 0;

	context = AllocSetContextCreate(outer, "nurture roll",
									ALLOCSET_DEFAULT_SIZES);
	while (!pass->finished && done < room)
	{
		CHECK_FOR_INTERRUPTS();
		if (done > 0 && GetCurrentTimestamp() >= deadline)
			break;
		MemoryContextSwitchTo(context);
		done += roll_chunk(pass, (int) Min(room - done, ACTIVITY_CHUNK));
		MemoryContextSwitchTo(outer);
		MemoryContextReset(context);
	}
	MemoryContextDelete(context);
	return done;
}

/*
 * nurture_roll(max_leads integer) returns bigint
 *
 * Goes on with the pass over all leads, or starts one when the horizon has
 * moved; returns how many leads it went through, 0 when nothing is left.
 */
Datum
nurture_roll(PG_FUNCTION_ARGS)
{
	int64		room = PG_ARGISNULL(0) ? PG_INT64_MAX : PG_GETARG_INT32(0);
	MemoryContext outer = CurrentMemoryContext;
	RollPass	pass;
	OwnerSwitch save;
	int64		done = 0;
	int			level;

	if (room < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%lld is no number of leads to roll", (long long) room),
				 errhint("Give 1 or more, or leave it out to go to the end.")));
	if (!has_privs_of_role(GetUserId(), nurture_owner_oid()))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to roll activity"),
				 errhint("Only the owner of schema nurture may call nurture_roll; the tick rolls by itself.")));
	nurture_owner_enter(&save);
	level = nurture_spi_connect();
	MemoryContextSwitchTo(outer);
	if (open_pass(&pass, 1, true))
		done = roll_leads(&pass, room, DT_NOEND);
	nurture_spi_finish(level);
	nurture_owner_leave(&save);
	PG_RETURN_INT64(done);
}

/* Rolls some leads; a pass of the tick begins once in a while. */
static void
run_roll(TimestampTz now, int max_leads, TimestampTz deadline,
		 int64 *done, int64 *left, TimestampTz *oldest)
{
	RollPass	pass;

	if (GetCurrentTimestamp() >= deadline ||
		!open_pass(&pass, DAYS_BETWEEN_PASSES, false))
		return;
	*done = roll_leads(&pass, (int64) max_leads * LEADS_PER_TICK_LEAD, deadline);
	*left = pass.finished ? 0 : 1;
}

static TickWork roll_work = {"roll", run_roll, NULL};

/* Registers what the tick does here. */
void
nurture_roll_init(void)
{
	nurture_tick_register(&roll_work);
}
