/*
 * gate_due.c
 *	  When the tick has to look at a lead again: nurture.gate.due_at.
 *
 * Not an update of seq: it forbids nothing.  It is written where the gate row
 * comes in the lock order, and only when it has to be earlier, so that most
 * decisions leave the row alone.
 */
#include "base/compat.h"

#include "base/plans.h"
#include "catalog/pg_type.h"
#include "gate/gate.h"
#include "utils/timestamp.h"

static KeptPlan find_due =
KEPT_PLAN("SELECT lead_id, due_at FROM nurture.gate WHERE due_at <= $1 ORDER BY due_at LIMIT $2",
		  TIMESTAMPTZOID, INT4OID);
static KeptPlan lock_due =
KEPT_PLAN("SELECT 1 FROM nurture.gate WHERE lead_id = $1 AND due_at <= $2 FOR NO KEY UPDATE SKIP LOCKED",
		  INT8OID, TIMESTAMPTZOID);
static KeptPlan write_due =
KEPT_PLAN("UPDATE nurture.gate SET due_at = $2 WHERE lead_id = $1"
		  " AND (due_at <= $3 OR due_at > $2 OR (due_at IS NULL AND $2 IS NOT NULL))",
		  INT8OID, TIMESTAMPTZOID, TIMESTAMPTZOID);
static KeptPlan end_due =
KEPT_PLAN("UPDATE nurture.gate SET due_at = $3 WHERE lead_id = $1 AND due_at <= $2",
		  INT8OID, TIMESTAMPTZOID, TIMESTAMPTZOID);

static int
compare_leads(const void *a, const void *b)
{
	int64		x = *(const int64 *) a;
	int64		y = *(const int64 *) b;

	return (x > y) - (x < y);
}

/* Fills up to max leads that are due, the longest due of all, ascending. */
int
nurture_gate_due_leads(TimestampTz now, int64 *leads, int max, TimestampTz *oldest)
{
	Datum		values[2];
	int			n;
	bool		isnull;

	values[0] = TimestampTzGetDatum(now);
	values[1] = Int32GetDatum(max);
	nurture_execute(&find_due, values, NULL, false);
	n = (int) SPI_processed;
	for (int i = 0; i < n; i++)
		leads[i] = DatumGetInt64(nurture_cell(i, 1, &isnull));
	*oldest = n > 0 ? DatumGetTimestampTz(nurture_cell(0, 2, &isnull)) : DT_NOEND;
	qsort(leads, n, sizeof(int64), compare_leads);
	return n;
}

/* Has the tick look at a lead at an instant, or earlier. */
void
nurture_gate_due(int64 lead_id, TimestampTz due, TimestampTz now)
{
	Datum		values[3];
	char		nulls[4] = "   ";

	values[0] = Int64GetDatum(lead_id);
	values[1] = TimestampTzGetDatum(due);
	values[2] = TimestampTzGetDatum(now);
	nulls[1] = due == DT_NOEND ? 'n' : ' ';
	nurture_execute_latest(&write_due, values, nulls, true);
}

/* Locks the row of a lead that is due. */
bool
nurture_gate_due_taken(int64 lead_id, TimestampTz now)
{
	Datum		values[2];

	values[0] = Int64GetDatum(lead_id);
	values[1] = TimestampTzGetDatum(now);
	nurture_execute(&lock_due, values, NULL, false);
	return SPI_processed > 0;
}

/* Takes a lead off that was looked at, or puts it off. */
void
nurture_gate_due_done(int64 lead_id, TimestampTz now, TimestampTz again)
{
	Datum		values[3];
	char		nulls[4] = "   ";

	values[0] = Int64GetDatum(lead_id);
	values[1] = TimestampTzGetDatum(now);
	values[2] = TimestampTzGetDatum(again);
	nulls[2] = again == DT_NOEND ? 'n' : ' ';
	nurture_execute(&end_due, values, nulls, false);
}
