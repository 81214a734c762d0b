/*
 * escalate.c
 *	  Clocks of hand-offs that are up: told once to whoever the team names.
 *
 * Views show what is overdue by the reader's clock; this is what reaches those
 * who read no view: a task and a row of the outbox.
 */
#include "base/compat.h"

#include "audit/audit.h"
#include "base/clock.h"
#include "base/owner.h"
#include "base/plans.h"
#include "catalog/pg_type.h"
#include "routing/routing_private.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#define TELL(state, due, told, clock) \
	"WITH late AS (UPDATE nurture.handoff h SET " told " = $1" \
	" FROM (SELECT x.lead_id, x.handoff_id FROM nurture.handoff x WHERE x.state = '" state "' AND x." due " < $1" \
	"  AND x." told " IS NULL ORDER BY x." due " LIMIT $2 FOR UPDATE SKIP LOCKED) d" \
	" WHERE h.lead_id = d.lead_id AND h.handoff_id = d.handoff_id AND h.state = '" state "'" \
	" RETURNING h.lead_id, h.handoff_id, h.state, h.team, h.member, h." due " AS due_at)," \
	" told AS (SELECT l.*, coalesce(t.escalate_to, t.owner) AS escalate_to FROM late l JOIN nurture.team t USING (team))," \
	" tasks AS (INSERT INTO nurture.task (lead_id, handoff_id, task_kind, title, team, member, due_at, created_at)" \
	"  SELECT lead_id, handoff_id, 'escalate', 'See that the lead is taken care of', team, escalate_to, due_at, $1 FROM told)," \
	" rows AS (INSERT INTO nurture.outbox (lead_id, topic, payload, created_at)" \
	"  SELECT lead_id, 'handoff.overdue', pg_catalog.jsonb_build_object('handoff_id', handoff_id, 'lead_id', lead_id," \
	"  'state', state, 'team', team, 'member', member, 'clock', '" clock "', 'due_at', due_at, 'escalate_to', escalate_to), $1 FROM told)" \
	" SELECT lead_id, handoff_id, escalate_to FROM told ORDER BY lead_id, handoff_id"

static KeptPlan tell_acceptance =
KEPT_PLAN(TELL("offered", "accept_due", "accept_escalated_at", "accept"), TIMESTAMPTZOID, INT4OID);
static KeptPlan tell_response =
KEPT_PLAN(TELL("accepted", "first_response_due", "response_escalated_at", "first_response"), TIMESTAMPTZOID, INT4OID);

/* Tells of one clock; returns of how many hand-offs. */
static int
tell(KeptPlan *plan, const char *reason, TimestampTz now, int max)
{
	Datum		values[2];
	AuditEntry *entries;
	bool		isnull;
	int			n;

	values[0] = TimestampTzGetDatum(now);
	values[1] = Int32GetDatum(max);
	nurture_handoff_write(plan, values, NULL);
	n = (int) SPI_processed;
	entries = palloc0(sizeof(AuditEntry) * Max(n, 1));
	for (int i = 0; i < n; i++)
	{
		char	   *whom = nurture_cell_text(i, 3);
		const char **reasons = palloc(sizeof(char *));

		reasons[0] = reason;
		entries[i].has_lead = true;
		entries[i].lead_id = DatumGetInt64(nurture_cell(i, 1, &isnull));
		entries[i].kind = "handoff";
		entries[i].object = psprintf("handoff:" INT64_FORMAT, DatumGetInt64(nurture_cell(i, 2, &isnull)));
		entries[i].outcome = "escalated";
		entries[i].reasons = reasons;
		entries[i].nreasons = 1;
		entries[i].inputs = whom ? psprintf("told %s", whom) : NULL;
	}
	if (n > 0)
		nurture_audit_append(entries, n);
	return n;
}

/* Tells of clocks that are up and were not told of; returns of how many. */
int
nurture_handoff_escalate(int max)
{
	TimestampTz now = nurture_now_wall();
	OwnerSwitch save;
	int			level;
	int			n;

	nurture_owner_enter(&save);
	level = nurture_spi_connect();
	n = tell(&tell_acceptance, "accept_overdue", now, max);
	n += tell(&tell_response, "response_overdue", now, max);
	nurture_spi_finish(level);
	nurture_owner_leave(&save);
	return n;
}
