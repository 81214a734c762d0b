/*
 * take.c
 *	  Hands messages that are due to a worker, each decided once more.
 *
 * Candidates are read without locks.  Then gate rows are locked, passing over
 * those that somebody else holds, so that workers neither wait for each other
 * nor get the same message; then asset versions, in the order in which a
 * withdrawal locks them; then the messages, and they must still be due.
 */
#include "base/compat.h"

#include "base/clock.h"
#include "base/errors.h"
#include "base/owner.h"
#include "base/plans.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "gate/delivery.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

NURTURE_FUNCTION(nurture_take);

#define TAKE_MAX		1000	/* messages of one call */
#define TAKE_SPARE		50		/* candidates read beyond that, because others
								 * may hold some */
#define TAKE_ROUNDS		16		/* while all that was due is forbidden now */
#define TAKE_COLUMNS	11		/* of the result */
#define TEST_QUEUE		"test"	/* the only way out of messages to test leads */
#define WORKER_MAX		200		/* bytes of a worker's name */

/*
 * The index of what is due gives the order.  The lead is looked at for each
 * row and not joined: a plan made while tables are small would hash all leads.
 * With the rights of the caller: who may not see a lead does not get its
 * messages.
 */
static KeptPlan find_due =
KEPT_PLAN("SELECT m.lead_id, m.message_id FROM nurture.message AS m"
		  " WHERE m.channel = $1 AND m.status = 'queued' AND m.not_before <= $2"
		  " AND NOT (SELECT l.is_test FROM nurture.lead AS l"
		  "  WHERE l.lead_id = m.lead_id)"
		  " ORDER BY m.not_before, m.lead_id, m.message_id LIMIT $3",
		  TEXTOID, TIMESTAMPTZOID, INT4OID);

static KeptPlan find_left =
KEPT_PLAN("SELECT m.lead_id, m.message_id FROM nurture.message AS m"
		  " WHERE m.status = 'taken' AND m.lease_until <= $2"
		  " AND m.channel = $1 AND m.takes < $4 AND NOT m.cancel_requested"
		  " AND NOT (SELECT l.is_test FROM nurture.lead AS l"
		  "  WHERE l.lead_id = m.lead_id)"
		  " ORDER BY m.lease_until, m.lead_id, m.message_id LIMIT $3",
		  TEXTOID, TIMESTAMPTZOID, INT4OID, INT4OID);

/* IS TRUE keeps it off the indexes of all that waits: test leads are few */
static KeptPlan find_test =
KEPT_PLAN("SELECT m.lead_id, m.message_id FROM nurture.lead AS l"
		  " JOIN nurture.message AS m ON m.lead_id = l.lead_id"
		  " WHERE l.is_test AND $1 IS NOT NULL"
		  " AND (m.status = 'queued' AND m.not_before <= $2"
		  "  OR m.status = 'taken' AND m.lease_until <= $2 AND m.takes < $4"
		  "  AND NOT m.cancel_requested) IS TRUE"
		  " ORDER BY m.not_before, m.lead_id, m.message_id LIMIT $3",
		  TEXTOID, TIMESTAMPTZOID, INT4OID, INT4OID);

static KeptPlan read_retakes =
KEPT_PLAN("SELECT c.delivery = 'at_least_once' FROM nurture.channel AS c"
		  " WHERE c.channel = $1", TEXTOID);

/* in the order of the candidates, as many as are wanted and no more */
static KeptPlan lock_gates =
KEPT_PLAN("SELECT u.place FROM unnest($1) WITH ORDINALITY AS u (lead_id, place)"
		  " JOIN nurture.gate AS g ON g.lead_id = u.lead_id"
		  " ORDER BY u.place LIMIT $2 FOR NO KEY UPDATE OF g SKIP LOCKED",
		  INT8ARRAYOID, INT4OID);

/* the versions of the messages and of the blocks they are made with */
static KeptPlan lock_assets =
KEPT_PLAN("SELECT 1 FROM nurture.asset_version AS v JOIN ("
		  " SELECT m.asset_id, m.version"
		  " FROM unnest($1, $2) AS u (lead_id, message_id)"
		  " JOIN nurture.message AS m ON m.lead_id = u.lead_id"
		  "  AND m.message_id = u.message_id"
		  " UNION SELECT w.asset_id, w.version"
		  " FROM unnest($1, $2) AS u (lead_id, message_id)"
		  " JOIN nurture.message AS m ON m.lead_id = u.lead_id"
		  "  AND m.message_id = u.message_id"
		  " JOIN nurture.asset_block AS b ON b.asset_id = m.asset_id"
		  "  AND b.version = m.version"
		  " JOIN nurture.asset_version AS w ON w.asset_id = b.block_asset"
		  "  AND w.status = 'approved'"
		  " UNION SELECT w.asset_id, w.version"
		  " FROM unnest($1, $2) AS u (lead_id, message_id)"
		  " JOIN nurture.message AS m ON m.lead_id = u.lead_id"
		  "  AND m.message_id = u.message_id"
		  " JOIN nurture.asset_version AS x ON x.asset_id = m.asset_id"
		  "  AND x.version = m.version"
		  " JOIN nurture.asset_version AS w ON w.asset_id = x.safety_block"
		  "  AND w.status = 'approved') AS k"
		  " ON k.asset_id = v.asset_id AND k.version = v.version"
		  " ORDER BY v.asset_id, v.version FOR SHARE OF v",
		  INT8ARRAYOID, INT8ARRAYOID);

/*
 * What the worker needs besides.  Contact points and merge fields only where
 * the caller, $5, may read their columns; a merge field is a column of lead,
 * attributes.<key> or account.<column>, with what stands in its place behind
 * an equals sign.
 */
static KeptPlan read_details =
KEPT_PLAN("SELECT l.is_test, c.delivery, c.lease,"
		  " CASE WHEN c.contact_point = 'email' AND has_column_privilege($5,"
		  "  'nurture.lead', 'email', 'SELECT') THEN l.email"
		  " WHEN c.contact_point = 'phone' AND has_column_privilege($5,"
		  "  'nurture.lead', 'phone', 'SELECT') THEN l.phone END,"
		  " v.uri,"
		  " CASE WHEN l.language = ANY (v.languages) THEN l.language"
		  " WHEN substring(l.language, '^[^-_]+') = ANY (v.languages)"
		  " THEN substring(l.language, '^[^-_]+') ELSE l.language END,"
		  " (WITH RECURSIVE made (slot, block, depth) AS ("
		  "   SELECT s.slot, s.block, 1 FROM (SELECT b.slot, b.block_asset"
		  "    FROM nurture.asset_block AS b"
		  "    WHERE b.asset_id = v.asset_id AND b.version = v.version"
		  "    UNION ALL SELECT 'safety_block', v.safety_block"
		  "    WHERE v.safety_block IS NOT NULL) AS s (slot, block)"
		  "   UNION ALL SELECT m.slot || '/' || n.slot, n.block, m.depth + 1"
		  "   FROM made AS m JOIN nurture.asset_version AS w"
		  "    ON w.asset_id = m.block AND w.status = 'approved'"
		  "   CROSS JOIN LATERAL (SELECT b.slot, b.block_asset"
		  "    FROM nurture.asset_block AS b"
		  "    WHERE b.asset_id = w.asset_id AND b.version = w.version"
		  "    UNION ALL SELECT 'safety_block', w.safety_block"
		  "    WHERE w.safety_block IS NOT NULL) AS n (slot, block)"
		  "   WHERE m.depth < 32)"
		  "  SELECT jsonb_object_agg(b.slot, jsonb_build_object("
		  "   'asset_id', w.asset_id, 'version', w.version, 'uri', w.uri,"
		  "   'content_hash', encode(w.content_hash, 'hex')))"
		  "  FROM made AS b JOIN nurture.asset_version AS w"
		  "   ON w.asset_id = b.block AND w.status = 'approved'),"
		  " (SELECT jsonb_object_agg(f.name, COALESCE("
		  "   CASE WHEN EXISTS (SELECT FROM pg_attribute AS a"
		  "    WHERE a.attrelid = CASE WHEN f.name LIKE 'account.%'"
		  "     THEN 'nurture.account'::regclass ELSE 'nurture.lead'::regclass END"
		  "    AND a.attname = CASE WHEN f.name LIKE 'attributes.%'"
		  "     THEN 'attributes' ELSE substring(f.name, '[^.]+$') END"
		  "    AND a.attnum > 0 AND NOT a.attisdropped"
		  "    AND has_column_privilege($5, a.attrelid, a.attnum, 'SELECT'))"
		  "   THEN NULLIF(CASE WHEN f.name LIKE 'attributes.%'"
		  "    THEN l.attributes -> substr(f.name, 12)"
		  "    WHEN f.name LIKE 'account.%' THEN to_jsonb(a) -> substr(f.name, 9)"
		  "    ELSE to_jsonb(l) -> f.name END, 'null') END,"
		  "   to_jsonb(f.fallback), 'null'))"
		  "  FROM (SELECT split_part(m, '=', 1) AS name,"
		  "   CASE WHEN strpos(m, '=') > 0"
		  "   THEN substr(m, strpos(m, '=') + 1) END AS fallback"
		  "   FROM unnest(v.merge_fields) AS m) AS f)"
		  " FROM nurture.lead AS l"
		  " LEFT JOIN nurture.account AS a ON a.account_id = l.account_id"
		  " LEFT JOIN nurture.channel AS c ON c.channel = $2"
		  " LEFT JOIN nurture.asset_version AS v"
		  "  ON v.asset_id = $3 AND v.version = $4"
		  " WHERE l.lead_id = $1", INT8OID, TEXTOID, TEXTOID, INT4OID, OIDOID);

typedef struct Candidate
{
	int64		lead_id;
	int64		message_id;
	int			place;			/* in the order they are due */
	bool		taken;
	Datum		values[TAKE_COLUMNS];	/* of the result, when it was */
	bool		nulls[TAKE_COLUMNS];
} Candidate;

/* What was asked for. */
typedef struct Take
{
	const char *channel;
	bool		test;
	bool		retakes;		/* left messages are taken up again */
	int			n;
	const char *worker;
	Interval   *lease;			/* NULL = the channel's */
	Oid			role;			/* caller */
	MemoryContext context;		/* of the result */
} Take;

/* Raises unless the caller may take and acknowledge messages. */
void
nurture_delivery_check_right(void)
{
	if (pg_class_aclcheck(nurture_table_oid("message", false),
						  nurture_caller_role(), ACL_UPDATE) != ACLCHECK_OK)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to take or acknowledge messages"),
				 errhint("It needs the right to UPDATE nurture.message.")));
}

/* Adds the rows of the last result to the candidates. */
static int
add_candidates(Candidate *candidates, int n, int max)
{
	bool		null;

	for (uint64 row = 0; row < SPI_processed && n < max; row++)
	{
		Candidate  *candidate = &candidates[n];

		memset(candidate, 0, sizeof(*candidate));
		candidate->lead_id = DatumGetInt64(nurture_cell(row, 1, &null));
		candidate->message_id = DatumGetInt64(nurture_cell(row, 2, &null));
		candidate->place = n++;
	}
	return n;
}

/* Reads what is due with the rights of the caller; what was left comes first. */
static int
find_candidates(const Take *take, Candidate *candidates, int max)
{
	Datum		values[4];
	int			n = 0;

	values[0] = CStringGetTextDatum(take->channel);
	values[1] = TimestampTzGetDatum(nurture_now_wall());
	values[2] = Int32GetDatum(max);
	values[3] = Int32GetDatum(DELIVERY_TAKES);
	if (take->test)
		(void) nurture_execute(&find_test, values, NULL, false);
	else if (take->retakes)
		(void) nurture_execute(&find_left, values, NULL, false);
	if (take->test || take->retakes)
		n = add_candidates(candidates, n, max);
	if (!take->test && n < max)
	{
		(void) nurture_execute(&find_due, values, NULL, false);
		n = add_candidates(candidates, n, max);
	}
	return n;
}

static int
compare_candidates(const void *a, const void *b)
{
	const Candidate *x = a;
	const Candidate *y = b;

	if (x->lead_id != y->lead_id)
		return x->lead_id < y->lead_id ? -1 : 1;
	return x->message_id < y->message_id ? -1 : x->message_id > y->message_id;
}

static int
compare_places(const void *a, const void *b)
{
	return ((const Candidate *) a)->place - ((const Candidate *) b)->place;
}

/*
 * Locks the gate rows of as many candidates as are wanted, passing over those
 * that others hold; the candidates that are ours come first, by lead.
 */
static int
lock_candidate_gates(const Take *take, Candidate *candidates, int n)
{
	Datum	   *ids = palloc(sizeof(Datum) * n);
	Datum		values[2];
	int			ours;
	bool		null;

	for (int i = 0; i < n; i++)
		ids[i] = Int64GetDatum(candidates[i].lead_id);
	/* places ascend: what is moved to the front is never needed again */
	values[0] = PointerGetDatum(construct_array(ids, n, INT8OID, 8, true,
												TYPALIGN_DOUBLE));
	values[1] = Int32GetDatum(take->n);
	(void) nurture_execute(&lock_gates, values, NULL, false);
	ours = (int) SPI_processed;
	for (int i = 0; i < ours; i++)
		candidates[i] = candidates[DatumGetInt64(nurture_cell(i, 1, &null)) - 1];
	qsort(candidates, ours, sizeof(Candidate), compare_candidates);
	return ours;
}

/* Locks the asset versions of all candidates, in order. */
static void
lock_candidate_assets(const Candidate *candidates, int n)
{
	Datum	   *leads = palloc(sizeof(Datum) * n);
	Datum	   *messages = palloc(sizeof(Datum) * n);
	Datum		values[2];

	for (int i = 0; i < n; i++)
	{
		leads[i] = Int64GetDatum(candidates[i].lead_id);
		messages[i] = Int64GetDatum(candidates[i].message_id);
	}
	values[0] = PointerGetDatum(construct_array(leads, n, INT8OID, 8, true,
												TYPALIGN_DOUBLE));
	values[1] = PointerGetDatum(construct_array(messages, n, INT8OID, 8, true,
												TYPALIGN_DOUBLE));
	(void) nurture_execute(&lock_assets, values, NULL, false);
}

/* Puts a column of the details into the candidate's row. */
static void
put_detail(const Take *take, Candidate *candidate, int place, int column,
		   bool null_is_empty)
{
	bool		null;
	Datum		value = nurture_cell(0, column, &null);
	MemoryContext old = MemoryContextSwitchTo(take->context);

	candidate->nulls[place] = null && !null_is_empty;
	if (!null)
		candidate->values[place] = datumCopy(value, false, -1);
	else if (null_is_empty)
		candidate->values[place] = DirectFunctionCall1(jsonb_in,
													   CStringGetDatum("{}"));
	MemoryContextSwitchTo(old);
}

/* Tells whether a message, its gate row being ours, is still to be taken. */
static bool
is_due(const GateAgain *again)
{
	if (again->cancel_requested)
		return false;
	if (strcmp(again->status, "queued") == 0)
		return again->ask.not_before <= again->ask.now;
	return strcmp(again->status, "taken") == 0 &&
		again->lease_until <= again->ask.now &&
		again->takes < DELIVERY_TAKES;
}

/* Returns the end of the lease that begins now; the details are at hand. */
static TimestampTz
lease_end(const Take *take, TimestampTz now)
{
	Interval	usual = {.time = DELIVERY_LEASE};
	Interval   *lease = take->lease;
	bool		null = true;
	Datum		value = (Datum) 0;

	if (lease == NULL)
	{
		value = nurture_cell(0, 3, &null);
		lease = null ? &usual : DatumGetIntervalP(value);
	}
	return DatumGetTimestampTz(DirectFunctionCall2(timestamptz_pl_interval,
												   TimestampTzGetDatum(now),
												   IntervalPGetDatum(lease)));
}

/* Returns the token by which the lead leaves the list the message is of. */
static char *
list_token(const GateAgain *again)
{
	return nurture_gate_unsubscribe_token(again->lead_id, again->message_id,
										  again->ask.channel,
										  again->asset.class & CLASS_MARKETING ?
										  "marketing" : again->decision.purpose,
										  "*", "*");
}

/* Decides about a candidate once more, and takes it if it may go out. */
static void
take_candidate(const Take *take, Candidate *candidate)
{
	GateAgain  *again = palloc0(sizeof(GateAgain));
	GateLease	lease = {.worker = take->worker};
	Datum		values[5];
	int			level = nurture_spi_connect_here();

	again->lead_id = candidate->lead_id;
	again->message_id = candidate->message_id;
	if (nurture_gate_ask_again(again, true) && is_due(again))
	{
		bool		left = strcmp(again->status, "taken") == 0;
		bool		mine;
		const char *status;

		values[0] = Int64GetDatum(again->lead_id);
		values[1] = CStringGetTextDatum(again->ask.channel);
		values[2] = CStringGetTextDatum(again->asset_id);
		values[3] = Int32GetDatum(again->asset.version);
		values[4] = ObjectIdGetDatum(take->role);
		(void) nurture_execute(&read_details, values, NULL, false);
		mine = SPI_processed == 1;
		if (mine)
		{
			bool		null;
			char	   *delivery = nurture_cell_text(0, 2);

			mine = DatumGetBool(nurture_cell(0, 1, &null)) == take->test &&
				(!left || (delivery != NULL &&
						   strcmp(delivery, "at_least_once") == 0));
			lease.until = lease_end(take, again->ask.now);
			again->blocks = nurture_cell_text(0, 7);
			put_detail(take, candidate, 2, 4, false);
			put_detail(take, candidate, 5, 5, false);
			put_detail(take, candidate, 6, 6, false);
			put_detail(take, candidate, 7, 7, true);
			put_detail(take, candidate, 8, 8, true);
		}
		status = mine ? nurture_gate_write_again(again, &lease, "take", NULL) :
			NULL;
		candidate->taken = status != NULL && strcmp(status, "taken") == 0;
		if (candidate->taken)
		{
			MemoryContext old = MemoryContextSwitchTo(take->context);

			candidate->values[0] = Int64GetDatum(again->lead_id);
			candidate->values[1] = Int64GetDatum(again->message_id);
			candidate->values[3] = CStringGetTextDatum(again->asset_id);
			candidate->values[4] = Int32GetDatum(again->asset.version);
			candidate->values[9] = CStringGetTextDatum(list_token(again));
			candidate->values[10] = TimestampTzGetDatum(lease.until);
			MemoryContextSwitchTo(old);
		}
	}
	nurture_spi_finish(level);
}

/* Takes what can be taken of the candidates, by lead; returns how many. */
static int
take_candidates(const Take *take, Candidate *candidates, int n)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "nurture take",
												  ALLOCSET_DEFAULT_SIZES);
	int			taken = 0;

	for (int i = 0; i < n; i++)
	{
		MemoryContext old = MemoryContextSwitchTo(context);

		CHECK_FOR_INTERRUPTS();
		take_candidate(take, &candidates[i]);
		if (candidates[i].taken)
			taken++;
		MemoryContextSwitchTo(old);
		MemoryContextReset(context);
	}
	MemoryContextDelete(context);
	return taken;
}

/* Reads the arguments. */
static void
read_arguments(FunctionCallInfo fcinfo, Take *take)
{
	Datum		lease;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || PG_ARGISNULL(2))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("channel, number and worker must be given")));
	take->channel = text_to_cstring(PG_GETARG_TEXT_PP(0));
	take->n = PG_GETARG_INT32(1);
	take->worker = text_to_cstring(PG_GETARG_TEXT_PP(2));
	take->test = strcmp(take->channel, TEST_QUEUE) == 0;
	if (take->n < 1 || take->n > TAKE_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%d is no number of messages to take", take->n),
				 errhint("Give 1 to %d.", TAKE_MAX)));
	if (take->worker[0] == '\0' || strlen(take->worker) > WORKER_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a worker has a name of 1 to %d bytes", WORKER_MAX),
				 errhint("Give each worker a name of its own, such as host and process.")));
	take->lease = PG_ARGISNULL(3) ? NULL : PG_GETARG_INTERVAL_P(3);
	if (take->lease != NULL)
	{
		Interval	longest = {.day = DELIVERY_LEASE_DAYS};
		Interval	none = {0};

		lease = IntervalPGetDatum(take->lease);
		if (!DatumGetBool(DirectFunctionCall2(interval_gt, lease,
											  IntervalPGetDatum(&none))) ||
			DatumGetBool(DirectFunctionCall2(interval_gt, lease,
											 IntervalPGetDatum(&longest))))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("a lease lasts more than nothing and at most %d days",
							DELIVERY_LEASE_DAYS),
					 errhint("Leave it out to have the one of nurture.channel.")));
	}
	if (!take->test && strcmp(take->channel, "*") == 0)
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_UNKNOWN_CODE),
				 errmsg("messages are taken of one channel at a time"),
				 errhint("Name one of nurture.channel, or \"%s\".", TEST_QUEUE)));
	if (!take->test)
		nurture_require_channel(take->channel);
}

/*
 * nurture_take(channel text, n integer, worker text, lease interval) returns
 * setof (lead_id, message_id, address, asset_id, version, uri, language,
 * blocks, merge, unsubscribe_token, lease_until), the longest due first.
 */
Datum
nurture_take(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Take		take = {0};
	Candidate  *candidates;
	Datum		channel;
	OwnerSwitch owner;
	int			level;
	int			max;
	int			n = 0;
	int			taken = 0;

	read_arguments(fcinfo, &take);
	nurture_delivery_check_right();
	InitMaterializedSRF(fcinfo, 0);
	take.role = nurture_caller_role();
	take.context = CurrentMemoryContext;
	max = take.n * 2 + TAKE_SPARE;
	candidates = palloc(sizeof(Candidate) * max);

	level = nurture_spi_connect_here();
	channel = CStringGetTextDatum(take.channel);
	nurture_owner_enter(&owner);
	(void) nurture_execute(&read_retakes, &channel, NULL, true);
	if (SPI_processed > 0)
	{
		bool		null;

		take.retakes = DatumGetBool(nurture_cell(0, 1, &null));
	}
	nurture_owner_leave(&owner);

	/* nothing taken means that nothing is due which nobody else is at */
	for (int round = 0; taken == 0 && round < TAKE_ROUNDS; round++)
	{
		n = find_candidates(&take, candidates, max);
		if (n == 0)
			break;
		nurture_owner_enter(&owner);
		n = lock_candidate_gates(&take, candidates, n);
		if (n > 0)
		{
			lock_candidate_assets(candidates, n);
			taken = take_candidates(&take, candidates, n);
		}
		nurture_owner_leave(&owner);
		if (n == 0)
			break;
	}

	/* what nobody may take up again, after the locks that come before it */
	nurture_owner_enter(&owner);
	(void) nurture_delivery_expire(nurture_now_wall(), TAKE_MAX);
	nurture_owner_leave(&owner);
	nurture_spi_finish(level);

	qsort(candidates, n, sizeof(Candidate), compare_places);
	for (int i = 0; i < n; i++)
	{
		if (candidates[i].taken)
			tuplestore_putvalues(result->setResult, result->setDesc,
								 candidates[i].values, candidates[i].nulls);
	}
	return (Datum) 0;
}
