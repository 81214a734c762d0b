/*
 * sensitive.c
 *	  Who granted the purpose sensitive_inference; see sensitive.h.
 */
#include "base/compat.h"

#include "base/clock.h"
#include "base/plans.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "scoring/activity.h"
#include "scoring/activity_private.h"
#include "scoring/sensitive.h"
#include "tracks/tracks.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#define PURPOSE "'" NURTURE_INFERENCE_PURPOSE "'"
#define PERMITS "('given', 'confirmed', 'renewed')"
#define FORBIDS "('refused', 'withdrawn', 'objected')"

static KeptPlan find_granted = KEPT_PLAN(
										 "SELECT u.lead_id FROM unnest($1) AS u(lead_id)"
										 " WHERE EXISTS (SELECT FROM nurture.consent c WHERE c.lead_id = u.lead_id"
										 " AND c.purpose = " PURPOSE " AND c.topic = '*' AND c.product = '*'"
										 " AND c.state IN " PERMITS
										 " AND (c.expires_at IS NULL OR c.expires_at > $2))"
										 " AND NOT EXISTS (SELECT FROM nurture.consent c WHERE c.lead_id = u.lead_id"
										 " AND (c.state = 'objected' OR c.state IN " FORBIDS
										 " AND c.purpose IN (" PURPOSE ", '*')))"
										 " ORDER BY u.lead_id",
										 INT8ARRAYOID, TIMESTAMPTZOID);

/* What one survivor did not grant is not counted for those merged into it. */
static KeptPlan find_refused = KEPT_PLAN(
										 "WITH RECURSIVE up AS (SELECT l.lead_id, l.merged_into, 1 AS depth"
										 " FROM unnest($1) AS u(lead_id) JOIN nurture.lead l ON l.lead_id = u.lead_id"
										 " WHERE l.merged_into IS NOT NULL UNION ALL"
										 " SELECT up.lead_id, l.merged_into, up.depth + 1 FROM up"
										 " JOIN nurture.lead l ON l.lead_id = up.merged_into"
										 " WHERE l.merged_into IS NOT NULL AND up.depth < 64)"
										 " SELECT DISTINCT lead_id FROM up"
										 " WHERE NOT EXISTS (SELECT FROM nurture.consent c WHERE c.lead_id = up.merged_into"
										 " AND c.purpose = " PURPOSE " AND c.topic = '*' AND c.product = '*'"
										 " AND c.state IN " PERMITS
										 " AND (c.expires_at IS NULL OR c.expires_at > $2))"
										 " OR EXISTS (SELECT FROM nurture.consent c WHERE c.lead_id = up.merged_into"
										 " AND (c.state = 'objected' OR c.state IN " FORBIDS
										 " AND c.purpose IN (" PURPOSE ", '*')))"
										 " ORDER BY lead_id",
										 INT8ARRAYOID, TIMESTAMPTZOID);
static KeptPlan find_concerned = KEPT_PLAN(
										   "SELECT u.lead_id FROM unnest($1) AS u(lead_id)"
										   " WHERE EXISTS (SELECT FROM nurture.consent c WHERE c.lead_id = u.lead_id"
										   " AND c.purpose = " PURPOSE ") ORDER BY u.lead_id",
										   INT8ARRAYOID);
static KeptPlan make_rows = KEPT_PLAN(
									  "INSERT INTO nurture.activity (lead_id)"
									  " SELECT u.lead_id FROM unnest($1) AS u(lead_id)"
									  " WHERE (SELECT true FROM nurture.lead l WHERE l.lead_id = u.lead_id)"
									  " ON CONFLICT (lead_id) DO NOTHING", INT8ARRAYOID);
static KeptPlan lock_rows = KEPT_PLAN(
									  "SELECT FROM nurture.activity WHERE lead_id = ANY ($1)"
									  " ORDER BY lead_id FOR NO KEY UPDATE", INT8ARRAYOID);
static KeptPlan find_expired = KEPT_PLAN(
										 "SELECT DISTINCT lead_id FROM nurture.consent"
										 " WHERE purpose = " PURPOSE " AND expires_at <= $1 AND state IN " PERMITS
										 " ORDER BY lead_id LIMIT $2",
										 TIMESTAMPTZOID, INT4OID);
static KeptPlan lock_free = KEPT_PLAN(
									  "SELECT FROM nurture.activity WHERE lead_id = $1"
									  " FOR NO KEY UPDATE SKIP LOCKED", INT8OID);

/*
 * That consent has run out is said as of when it did, so that what the lead
 * said later stands.
 */
static KeptPlan expire = KEPT_PLAN(
								   "INSERT INTO nurture.consent_event (lead_id, channel, purpose, topic, product,"
								   " kind, occurred_at, source)"
								   " SELECT lead_id, channel, purpose, topic, product, 'expired', expires_at, 'nurture_tick'"
								   " FROM nurture.consent WHERE lead_id = $1"
								   " AND purpose = " PURPOSE " AND expires_at <= $2 AND state IN " PERMITS,
								   INT8OID, TIMESTAMPTZOID);

/* Marks the leads of the last result, which is ascending like the leads. */
static void
mark_found(const int64 *leads, int n, bool *marks)
{
	uint64		row = 0;
	bool		isnull;

	for (int i = 0; i < n && row < SPI_processed; i++)
	{
		if (DatumGetInt64(nurture_cell(row, 1, &isnull)) != leads[i])
			continue;
		marks[i] = true;
		row++;
	}
	SPI_freetuptable(SPI_tuptable);
}

void
nurture_inference_granted(const int64 *leads, int64 n, TimestampTz at,
						  bool *granted)
{
	memset(granted, 0, n * sizeof(bool));
	for (int64 i = 0; i < n; i += ACTIVITY_CHUNK)
	{
		int			chunk = Min(n - i, ACTIVITY_CHUNK);
		Datum		values[2];

		CHECK_FOR_INTERRUPTS();
		values[0] = nurture_lead_array(leads + i, chunk);
		values[1] = TimestampTzGetDatum(at);
		(void) nurture_execute_latest(&find_granted, values, NULL, false);
		if (SPI_processed == 0)
			continue;
		mark_found(leads + i, chunk, granted + i);
		(void) nurture_execute_latest(&find_refused, values, NULL, false);
		for (uint64 row = 0, j = i; row < SPI_processed; row++)
		{
			bool		isnull;
			int64		lead_id = DatumGetInt64(nurture_cell(row, 1, &isnull));

			while (leads[j] != lead_id)
				j++;
			granted[j] = false;
		}
		SPI_freetuptable(SPI_tuptable);
	}
}

void
nurture_inference_lock(const int64 *leads, int n, const bool *named)
{
	bool	   *wanted = palloc(Max(n, 1) * sizeof(bool));
	int64	   *rows = palloc(Max(n, 1) * sizeof(int64));
	int			nrows = 0;
	Datum		value;

	if (n == 0)
		return;
	memcpy(wanted, named, n * sizeof(bool));
	value = nurture_lead_array(leads, n);
	(void) nurture_execute_latest(&find_concerned, &value, NULL, false);
	mark_found(leads, n, wanted);
	for (int i = 0; i < n; i++)
	{
		if (wanted[i])
			rows[nrows++] = leads[i];
	}
	if (nrows == 0)
		return;

	/*
	 * A row that another transaction is inserting is waited for here: its
	 * events are to be seen when they are counted.  Of merged leads it is the
	 * survivor's.
	 */
	nrows = nurture_merged_survivors(rows, nrows);
	value = nurture_lead_array(rows, nrows);
	(void) nurture_execute_latest(&make_rows, &value, NULL, true);
	(void) nurture_execute_latest(&lock_rows, &value, NULL, true);
}

int
nurture_inference_settle(const int64 *leads, int n, const bool *before)
{
	bool	   *now = palloc(Max(n, 1) * sizeof(bool));
	int64	   *changed = palloc(Max(n, 1) * sizeof(int64));
	int			nchanged = 0;

	/*
	 * A grant may have run out, and events come, since it was counted: what
	 * it was before tells that something was let in, not what.
	 */
	nurture_inference_granted(leads, n, nurture_now_wall(), now);
	for (int i = 0; i < n; i++)
	{
		if (before[i] || now[i])
			changed[nchanged++] = leads[i];
	}
	if (nchanged > 0)
		(void) nurture_activity_rebuild(changed, nchanged);
	return nchanged;
}

/* Records that a lead's grants have run out, unless its row is in use. */
static void
expire_lead(int64 lead_id, void *arg)
{
	Datum		values[2];

	values[0] = Int64GetDatum(lead_id);
	values[1] = TimestampTzGetDatum(*(TimestampTz *) arg);
	(void) nurture_execute_latest(&lock_free, values, NULL, true);
	if (SPI_processed > 0)
		(void) nurture_execute(&expire, values, NULL, false);
}

/* Takes out what grants that have run out let in. */
static void
run_expired(TimestampTz now, int max_leads, TimestampTz deadline,
			int64 *done, int64 *left, TimestampTz *oldest)
{
	Datum		values[2];
	int64	   *leads;
	int			n;
	bool		isnull;

	values[0] = TimestampTzGetDatum(now);
	values[1] = Int32GetDatum(max_leads);
	(void) nurture_execute(&find_expired, values, NULL, false);
	n = (int) SPI_processed;
	leads = palloc(Max(n, 1) * sizeof(int64));
	for (int i = 0; i < n; i++)
		leads[i] = DatumGetInt64(nurture_cell(i, 1, &isnull));
	*left = n == max_leads ? 1 : 0;
	for (int i = 0; i < n; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (GetCurrentTimestamp() >= deadline)
		{
			*left += n - i;
			break;
		}
		if (nurture_tick_lead("sensitive", leads[i], expire_lead, &now))
			(*done)++;
	}
	pfree(leads);
}

static TickWork expiry_work = {"sensitive", run_expired, NULL};

/* Registers what the tick does here. */
void
nurture_sensitive_init(void)
{
	nurture_tick_register(&expiry_work);
}
