/*
 * merge.c
 *	  Standing, disqualifications and hand-offs of merged leads.
 *
 * The survivor stands where the further of both stood, and is out where either
 * was.  Where both had an open hand-off of a product the survivor's goes on,
 * with an addendum; an open one that only the merged lead had goes on as the
 * survivor's.  Either way the merged lead's ends.
 */
#include "base/compat.h"

#include "audit/audit.h"
#include "base/clock.h"
#include "base/plans.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "routing/routing.h"
#include "routing/routing_private.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#define OPEN "('pending', 'offered', 'accepted', 'working', 'met')"

/* what of a hand-off its state consists of */
#define COURSE \
	"state, member, accepted_at, accepted_by, first_response_at, accept_escalated_at, response_escalated_at, met_at," \
	" closed_at, closed_by, cool_down_until, attempts, unanswered, reason"

static KeptPlan read_open =
KEPT_PLAN("SELECT h.handoff_id, h.team, h.member, h.state, s.handoff_id, s.team, s.member"
		  " FROM nurture.handoff h LEFT JOIN nurture.handoff s ON s.lead_id = $2 AND s.product = h.product"
		  " AND s.lane = h.lane AND s.state IN " OPEN
		  " WHERE h.lead_id = $1 AND h.state IN " OPEN " ORDER BY h.handoff_id", INT8OID, INT8OID);
static KeptPlan lock_open =
KEPT_PLAN("SELECT FROM nurture.handoff WHERE lead_id = ANY (ARRAY[$1, $2]) AND state IN " OPEN
		  " ORDER BY lead_id, handoff_id FOR NO KEY UPDATE", INT8OID, INT8OID);
static KeptPlan describe_one =
KEPT_PLAN("SELECT jsonb_build_object('handoff_id', handoff_id, 'as', $3, 'state', state,"
		  " 'closed_by', closed_by, 'reason', reason, 'cool_down_until', cool_down_until,"
		  " 'tasks', (SELECT coalesce(jsonb_agg(t.task_id), '[]') FROM nurture.task t WHERE t.lead_id = h.lead_id"
		  "  AND t.handoff_id = h.handoff_id AND t.state = 'open'))::text"
		  " FROM nurture.handoff h WHERE lead_id = $1 AND handoff_id = $2", INT8OID, INT8OID, INT8OID);
static KeptPlan end_one =
KEPT_PLAN("UPDATE nurture.handoff SET state = 'returned', closed_at = $3, closed_by = $4, reason = $5"
		  " WHERE lead_id = $1 AND handoff_id = $2", INT8OID, INT8OID, TIMESTAMPTZOID, TEXTOID, TEXTOID);
static KeptPlan copy_one =
KEPT_PLAN("INSERT INTO nurture.handoff (lead_id, product, lane, route, version, team, method, priority, tier, grade,"
		  " total, confidence, created_at, offered_at, accept_due, first_response_due, expires_at, package, " COURSE ")"
		  " SELECT $3, product, lane, route, version, team, method, priority, tier, grade, total, confidence, created_at,"
		  " offered_at, accept_due, first_response_due, expires_at, package, " COURSE
		  " FROM nurture.handoff WHERE lead_id = $1 AND handoff_id = $2"
		  " ON CONFLICT (lead_id, product, lane) WHERE state IN " OPEN " DO NOTHING RETURNING handoff_id",
		  INT8OID, INT8OID, INT8OID);
static KeptPlan find_own =
KEPT_PLAN("SELECT s.handoff_id FROM nurture.handoff h JOIN nurture.handoff s ON s.lead_id = $3 AND s.product = h.product"
		  " AND s.lane = h.lane AND s.state IN " OPEN
		  " WHERE h.lead_id = $1 AND h.handoff_id = $2 FOR NO KEY UPDATE OF s", INT8OID, INT8OID, INT8OID);
static KeptPlan copy_causes =
KEPT_PLAN("INSERT INTO nurture.handoff_cause (lead_id, handoff_id, at, route, version, event_id, event_type, asset_id, reason, actor)"
		  " SELECT $3, $4, at, route, version, event_id, event_type, asset_id, reason, actor"
		  " FROM nurture.handoff_cause WHERE lead_id = $1 AND handoff_id = $2 ORDER BY cause_no",
		  INT8OID, INT8OID, INT8OID, INT8OID);
static KeptPlan copy_attempts =
KEPT_PLAN("INSERT INTO nurture.attempt (lead_id, handoff_id, attempt_no, outcome, at, actor, note)"
		  " SELECT $3, $4, attempt_no, outcome, at, actor, note FROM nurture.attempt"
		  " WHERE lead_id = $1 AND handoff_id = $2", INT8OID, INT8OID, INT8OID, INT8OID);
static KeptPlan copy_tasks =
KEPT_PLAN("INSERT INTO nurture.task (lead_id, handoff_id, task_kind, title, team, member, due_at, created_at)"
		  " SELECT $3, $4, task_kind, title, team, member, due_at, created_at FROM nurture.task"
		  " WHERE lead_id = $1 AND handoff_id = $2 AND state = 'open'", INT8OID, INT8OID, INT8OID, INT8OID);
static KeptPlan add_addendum =
KEPT_PLAN("INSERT INTO nurture.handoff_cause (lead_id, handoff_id, at, reason, actor) VALUES ($1, $2, $3, $4, $5)",
		  INT8OID, INT8OID, TIMESTAMPTZOID, TEXTOID, TEXTOID);
static KeptPlan cancel_tasks =
KEPT_PLAN("UPDATE nurture.task SET state = 'cancelled', done_at = $3 WHERE lead_id = $1 AND handoff_id = $2"
		  " AND state = 'open'", INT8OID, INT8OID, TIMESTAMPTZOID);

/* the one the merge ended is what its copy, or else itself before it, was */
static KeptPlan resume_copied =
KEPT_PLAN("UPDATE nurture.handoff h SET (" COURSE ") = (SELECT " COURSE
		  " FROM nurture.handoff c WHERE c.lead_id = $2 AND c.handoff_id = $3)"
		  " WHERE h.lead_id = $1 AND h.handoff_id = $4 AND h.state = 'returned' AND h.reason = 'merged'"
		  " AND NOT EXISTS (SELECT FROM nurture.handoff o WHERE o.lead_id = $1 AND o.product = h.product"
		  "  AND o.lane = h.lane AND o.state IN " OPEN ")"
		  " RETURNING h.state, h.team, h.member", INT8OID, INT8OID, INT8OID, INT8OID);
static KeptPlan resume_ended =
KEPT_PLAN("UPDATE nurture.handoff h SET state = $3::jsonb ->> 'state', closed_at = NULL,"
		  " closed_by = $3::jsonb ->> 'closed_by', reason = $3::jsonb ->> 'reason'"
		  " WHERE h.lead_id = $1 AND h.handoff_id = $2 AND h.state = 'returned' AND h.reason = 'merged'"
		  " AND NOT EXISTS (SELECT FROM nurture.handoff o WHERE o.lead_id = $1 AND o.product = h.product"
		  "  AND o.lane = h.lane AND o.state IN " OPEN ")"
		  " RETURNING h.state, h.team, h.member", INT8OID, INT8OID, TEXTOID);
static KeptPlan resume_tasks =
KEPT_PLAN("UPDATE nurture.task t SET state = 'open', done_at = NULL"
		  " FROM jsonb_array_elements_text($2::jsonb -> 'tasks') x(task_id)"
		  " WHERE t.lead_id = $1 AND t.task_id = x.task_id::bigint AND t.state = 'cancelled'", INT8OID, TEXTOID);
static KeptPlan each_handoff =
KEPT_PLAN("SELECT (h ->> 'handoff_id')::bigint, (h ->> 'as')::bigint, h::text,"
		  " (SELECT c.state IN " OPEN " FROM nurture.handoff c WHERE c.lead_id = $1 AND c.handoff_id = (h ->> 'as')::bigint)"
		  " FROM jsonb_array_elements($2::jsonb -> 'handoffs') h", INT8OID, TEXTOID);

/* the survivor stands where the further of both stands */
static KeptPlan read_stages =
KEPT_PLAN("SELECT coalesce(jsonb_agg(jsonb_build_object('product', a.product, 'was', to_jsonb(s))), '[]')::text"
		  " FROM nurture.lead_stage a LEFT JOIN nurture.lead_stage s ON s.lead_id = $2 AND s.product = a.product"
		  " WHERE a.lead_id = $1 AND a.stage_no > coalesce(s.stage_no, 0)"
		  " AND coalesce(s.stage, 'new') <> 'disqualified'", INT8OID, INT8OID);
static KeptPlan write_stages =
KEPT_PLAN("INSERT INTO nurture.lead_stage AS s (lead_id, product, stage, stage_no, since, tier, grade, cause, accepted_at)"
		  " SELECT $2, a.product, a.stage, a.stage_no, $4, a.tier, a.grade, 'merged', a.accepted_at"
		  " FROM nurture.lead_stage a JOIN jsonb_array_elements($3::jsonb) x ON x ->> 'product' = a.product"
		  " WHERE a.lead_id = $1 ON CONFLICT (lead_id, product) DO UPDATE SET stage = EXCLUDED.stage,"
		  " stage_no = EXCLUDED.stage_no, since = EXCLUDED.since, cause = EXCLUDED.cause,"
		  " accepted_at = coalesce(s.accepted_at, EXCLUDED.accepted_at)", INT8OID, INT8OID, TEXTOID, TIMESTAMPTZOID);
static KeptPlan write_stage_history =
KEPT_PLAN("INSERT INTO nurture.stage_history (lead_id, product, old_stage, new_stage, old_grade, new_grade, old_tier, new_tier, cause, at)"
		  " SELECT s.lead_id, s.product, x -> 'was' ->> 'stage', s.stage, x -> 'was' ->> 'grade', s.grade,"
		  " (x -> 'was' ->> 'tier')::smallint, s.tier, 'merged', $3"
		  " FROM nurture.lead_stage s JOIN jsonb_array_elements($2::jsonb) x ON x ->> 'product' = s.product"
		  " WHERE s.lead_id = $1", INT8OID, TEXTOID, TIMESTAMPTZOID);
static KeptPlan restore_stages =
KEPT_PLAN("UPDATE nurture.lead_stage s SET stage = coalesce(x -> 'was' ->> 'stage', 'new'),"
		  " stage_no = coalesce((x -> 'was' ->> 'stage_no')::smallint, 1), since = $3, cause = 'unmerged',"
		  " accepted_at = (x -> 'was' ->> 'accepted_at')::timestamptz"
		  " FROM jsonb_array_elements($2::jsonb -> 'stages') x WHERE s.lead_id = $1 AND s.product = x ->> 'product'"
		  " AND s.cause = 'merged' RETURNING s.product, s.stage, s.grade, s.tier", INT8OID, TEXTOID, TIMESTAMPTZOID);
static KeptPlan write_restored =
KEPT_PLAN("INSERT INTO nurture.stage_history (lead_id, product, old_stage, new_stage, old_grade, new_grade, old_tier, new_tier, cause, at)"
		  " SELECT s.lead_id, s.product, (SELECT h.new_stage FROM nurture.stage_history h WHERE h.lead_id = s.lead_id"
		  "  AND h.product = s.product ORDER BY h.history_no DESC LIMIT 1), s.stage, s.grade, s.grade, s.tier, s.tier, 'unmerged', $2"
		  " FROM nurture.lead_stage s WHERE s.lead_id = $1 AND s.cause = 'unmerged' AND s.since = $2",
		  INT8OID, TIMESTAMPTZOID);

/* out of the funnel for one, out for both */
static KeptPlan copy_disqualifications =
KEPT_PLAN("WITH a AS (SELECT product, reason, excludes, valid_during, note FROM nurture.disqualification"
		  "  WHERE lead_id = $1 AND NOT upper_inf(valid_during) AND upper(valid_during) > $3 OR lead_id = $1 AND upper_inf(valid_during)"
		  "  UNION ALL SELECT s.product, 'merged', true, tstzrange($3, NULL), NULL FROM nurture.lead_stage s"
		  "  WHERE s.lead_id = $1 AND s.stage = 'disqualified' AND NOT EXISTS (SELECT FROM nurture.disqualification d"
		  "  WHERE d.lead_id = $1 AND d.product IN ('*', s.product) AND d.excludes AND d.valid_during @> $3)),"
		  " made AS (INSERT INTO nurture.disqualification (lead_id, product, reason, excludes, valid_during, note, actor)"
		  "  SELECT $2, a.product, a.reason, a.excludes, a.valid_during, a.note, $4 FROM a"
		  "  WHERE NOT EXISTS (SELECT FROM nurture.disqualification d WHERE d.lead_id = $2 AND d.product = a.product"
		  "  AND d.reason = a.reason AND d.excludes = a.excludes AND d.valid_during @> a.valid_during)"
		  "  RETURNING disqualification_no)"
		  " SELECT coalesce(jsonb_agg(disqualification_no), '[]')::text FROM made",
		  INT8OID, INT8OID, TIMESTAMPTZOID, TEXTOID);
static KeptPlan drop_disqualifications =
KEPT_PLAN("DELETE FROM nurture.disqualification d USING jsonb_array_elements_text($2::jsonb -> 'disqualifications') x(no)"
		  " WHERE d.lead_id = $1 AND d.disqualification_no = x.no::bigint", INT8OID, TEXTOID);

static void
record(int64 lead_id, int64 handoff_id, const char *outcome, const char *why,
	   const char *reason, const char *actor)
{
	AuditEntry	entry = {0};

	entry.has_lead = true;
	entry.lead_id = lead_id;
	entry.kind = "handoff";
	entry.object = psprintf("handoff:" INT64_FORMAT, handoff_id);
	entry.outcome = outcome;
	entry.reasons = &why;
	entry.nreasons = 1;
	entry.reason = reason;
	entry.actor = actor;
	nurture_audit_append(&entry, 1);
}

/* An open hand-off of the merged lead. */
typedef struct OpenHandoff
{
	int64		handoff_id;
	char	   *team;
	char	   *member;			/* NULL = none named */
	char	   *state;
	int64		own;			/* the survivor's, 0 = none */
	char	   *own_team;
	char	   *own_member;
} OpenHandoff;

/*
 * Copies one hand-off of the merged lead to the survivor; answers 0, and
 * names the survivor's own, when another session has made one meanwhile.
 */
static int64
copy_handoff(int64 absorbed, int64 survivor, OpenHandoff *open)
{
	Datum		values[4];
	bool		isnull;

	values[0] = Int64GetDatum(absorbed);
	values[1] = Int64GetDatum(open->handoff_id);
	values[2] = Int64GetDatum(survivor);
	for (;;)
	{
		CHECK_FOR_INTERRUPTS();
		nurture_handoff_write(&copy_one, values, NULL);
		if (SPI_processed > 0)
			break;
		/* it may have ended again */
		nurture_execute_latest(&find_own, values, NULL, true);
		if (SPI_processed > 0)
		{
			open->own = DatumGetInt64(nurture_cell(0, 1, &isnull));
			return 0;
		}
	}
	values[3] = nurture_cell(0, 1, &isnull);
	nurture_execute_latest(&copy_causes, values, NULL, true);
	nurture_execute_latest(&copy_attempts, values, NULL, true);
	nurture_execute_latest(&copy_tasks, values, NULL, true);
	return DatumGetInt64(values[3]);
}

/* Ends one hand-off of the merged lead; answers what it was, as JSON. */
static char *
end_handoff(int64 absorbed, int64 survivor, OpenHandoff *open,
			TimestampTz now, const char *reason, const char *actor)
{
	Datum		values[5];
	char		nulls[6] = "     ";
	int64		as = open->own == 0 ? copy_handoff(absorbed, survivor, open) : 0;
	char	   *was;

	if (as == 0)
		nurture_handoff_require_seen(survivor, open->own);
	values[0] = Int64GetDatum(absorbed);
	values[1] = Int64GetDatum(open->handoff_id);
	values[2] = Int64GetDatum(as);
	nulls[2] = as == 0 ? 'n' : ' ';
	nurture_execute_latest(&describe_one, values, nulls, false);
	was = nurture_cell_text(0, 1);

	values[2] = TimestampTzGetDatum(now);
	values[3] = CStringGetTextDatum(actor);
	values[4] = CStringGetTextDatum("merged");
	nurture_handoff_write(&end_one, values, NULL);
	nurture_execute_latest(&cancel_tasks, values, NULL, true);
	values[0] = Int64GetDatum(survivor);
	values[1] = Int64GetDatum(as != 0 ? as : open->own);
	values[3] = CStringGetTextDatum("merged");
	values[4] = CStringGetTextDatum(actor);
	nurture_execute_latest(&add_addendum, values, NULL, true);

	nurture_outbox_add(absorbed, open->handoff_id, "returned", open->team, open->member);
	record(absorbed, open->handoff_id, "returned", "merged", reason, actor);
	if (as != 0)
		nurture_outbox_add(survivor, as, open->state, open->team, open->member);
	record(survivor, as != 0 ? as : open->own, as != 0 ? open->state : "addendum",
		   "merged", reason, actor);
	return was;
}

/* Resolves standing and hand-offs of a merge; answers what changed, as JSON. */
char	   *
nurture_routing_merged(int64 absorbed, int64 survivor, const char *reason,
					   const char *actor)
{
	TimestampTz now = nurture_now_wall();
	Datum		values[4];
	OpenHandoff *open;
	StringInfoData json;
	char	   *stages;
	bool		isnull;
	int			n;

	initStringInfo(&json);
	values[0] = Int64GetDatum(absorbed);
	values[1] = Int64GetDatum(survivor);
	nurture_execute_latest(&lock_open, values, NULL, true);
	nurture_execute_latest(&read_stages, values, NULL, false);
	stages = nurture_cell_text(0, 1);
	appendStringInfo(&json, "{\"stages\": %s", stages);
	values[2] = CStringGetTextDatum(stages);
	values[3] = TimestampTzGetDatum(now);
	nurture_execute_latest(&write_stages, values, NULL, true);
	values[0] = Int64GetDatum(survivor);
	values[1] = CStringGetTextDatum(stages);
	values[2] = TimestampTzGetDatum(now);
	nurture_execute_latest(&write_stage_history, values, NULL, true);

	values[0] = Int64GetDatum(absorbed);
	values[1] = Int64GetDatum(survivor);
	values[3] = CStringGetTextDatum(actor);
	nurture_execute_latest(&copy_disqualifications, values, NULL, true);
	appendStringInfo(&json, ", \"disqualifications\": %s, \"handoffs\": [", nurture_cell_text(0, 1));

	nurture_execute_latest(&read_open, values, NULL, false);
	n = (int) SPI_processed;
	open = palloc(Max(n, 1) * sizeof(OpenHandoff));
	for (int i = 0; i < n; i++)
	{
		open[i].handoff_id = DatumGetInt64(nurture_cell(i, 1, &isnull));
		open[i].team = nurture_cell_text(i, 2);
		open[i].member = nurture_cell_text(i, 3);
		open[i].state = nurture_cell_text(i, 4);
		open[i].own = DatumGetInt64(nurture_cell(i, 5, &isnull));
		if (isnull)
			open[i].own = 0;
	}
	for (int i = 0; i < n; i++)
		appendStringInfo(&json, "%s%s", i > 0 ? ", " : "",
						 end_handoff(absorbed, survivor, &open[i], now, reason, actor));
	appendStringInfoString(&json, "]}");
	return json.data;
}

/* Lets a hand-off of the merged lead go on where it, or its copy, is now. */
static void
resume_handoff(int64 absorbed, int64 survivor, int64 handoff_id, int64 as,
			   bool as_open, const char *was, TimestampTz now,
			   const char *reason, const char *actor)
{
	Datum		values[5];
	char	   *state;
	char	   *team;
	char	   *member;

	values[0] = Int64GetDatum(absorbed);
	if (as != 0)
	{
		values[1] = Int64GetDatum(survivor);
		values[2] = Int64GetDatum(as);
		values[3] = Int64GetDatum(handoff_id);
		nurture_handoff_write(&resume_copied, values, NULL);
	}
	else
	{
		values[1] = Int64GetDatum(handoff_id);
		values[2] = CStringGetTextDatum(was);
		nurture_handoff_write(&resume_ended, values, NULL);
	}
	if (SPI_processed == 0)
		return;
	state = nurture_cell_text(0, 1);
	team = nurture_cell_text(0, 2);
	member = nurture_cell_text(0, 3);
	values[1] = CStringGetTextDatum(was);
	if (as == 0 || as_open)
		nurture_execute_latest(&resume_tasks, values, NULL, true);
	record(absorbed, handoff_id, state, "unmerged", reason, actor);
	nurture_outbox_add(absorbed, handoff_id, state, team, member);
	if (!as_open)
		return;
	values[0] = Int64GetDatum(survivor);
	values[1] = Int64GetDatum(as);
	values[2] = TimestampTzGetDatum(now);
	values[3] = CStringGetTextDatum(actor);
	values[4] = CStringGetTextDatum("unmerged");
	nurture_handoff_write(&end_one, values, NULL);
	nurture_execute_latest(&cancel_tasks, values, NULL, true);
	record(survivor, as, "returned", "unmerged", reason, actor);
	nurture_outbox_add(survivor, as, "returned", team, member);
}

/* Takes that back, with what nurture_routing_merged answered. */
void
nurture_routing_unmerged(int64 absorbed, int64 survivor, const char *changed,
						 const char *reason, const char *actor)
{
	TimestampTz now = nurture_now_wall();
	Datum		values[3];
	SPITupleTable *table;
	uint64		n;

	values[0] = Int64GetDatum(absorbed);
	values[1] = Int64GetDatum(survivor);
	nurture_execute_latest(&lock_open, values, NULL, true);
	values[0] = Int64GetDatum(survivor);
	values[1] = CStringGetTextDatum(changed);
	nurture_execute_latest(&each_handoff, values, NULL, false);
	table = SPI_tuptable;
	n = SPI_processed;
	for (uint64 i = 0; i < n; i++)
	{
		bool		isnull;
		bool		no_copy;
		bool		not_open;
		int64		handoff_id;
		int64		as;
		bool		as_open;

		SPI_tuptable = table;
		handoff_id = DatumGetInt64(nurture_cell(i, 1, &isnull));
		as = DatumGetInt64(nurture_cell(i, 2, &no_copy));
		as_open = DatumGetBool(nurture_cell(i, 4, &not_open)) && !not_open;
		resume_handoff(absorbed, survivor, handoff_id, no_copy ? 0 : as, as_open,
					   nurture_cell_text(i, 3), now, reason, actor);
	}
	values[2] = TimestampTzGetDatum(now);
	nurture_execute_latest(&restore_stages, values, NULL, true);
	values[1] = values[2];
	nurture_execute_latest(&write_restored, values, NULL, true);
	values[1] = CStringGetTextDatum(changed);
	nurture_execute_latest(&drop_disqualifications, values, NULL, true);
}
