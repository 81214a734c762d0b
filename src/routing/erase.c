/*
 * erase.c
 *	  Ends what is open of a lead that is erased.
 *
 * What the rows say about the person the erasure takes out itself
 * (privacy/map.c); here nobody is left waiting for somebody who is gone.
 */
#include "base/compat.h"

#include "audit/audit.h"
#include "base/clock.h"
#include "base/plans.h"
#include "catalog/pg_type.h"
#include "routing/routing.h"
#include "routing/routing_private.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

static KeptPlan end_handoffs =
KEPT_PLAN("UPDATE nurture.handoff SET state = 'returned', closed_at = $2, closed_by = $3, reason = 'lead_erased'"
		  " WHERE lead_id = $1 AND state IN ('pending', 'offered', 'accepted', 'working', 'met')"
		  " RETURNING handoff_id, team, member", INT8OID, TIMESTAMPTZOID, TEXTOID);
static KeptPlan cancel_tasks =
KEPT_PLAN("UPDATE nurture.task SET state = 'cancelled', done_at = $2 WHERE lead_id = $1 AND state = 'open'",
		  INT8OID, TIMESTAMPTZOID);
static KeptPlan decline_requests =
KEPT_PLAN("UPDATE nurture.request SET state = 'declined', closed_at = $2, closed_by = $3, reason = 'lead_erased'"
		  " WHERE lead_id = $1 AND state = 'open'", INT8OID, TIMESTAMPTZOID, TEXTOID);

/* Ends hand-offs, tasks and requests; see routing.h. */
void
nurture_routing_erase(int64 lead_id, const char *actor)
{
	static const char *const why = "lead_erased";
	Datum		values[3];
	AuditEntry *entries;
	SPITupleTable *rows;
	int			n;

	values[0] = Int64GetDatum(lead_id);
	values[1] = TimestampTzGetDatum(nurture_now_wall());
	values[2] = CStringGetTextDatum(actor);
	nurture_handoff_write(&end_handoffs, values, NULL);
	n = (int) SPI_processed;
	rows = SPI_tuptable;
	entries = palloc0(sizeof(AuditEntry) * Max(n, 1));
	for (int i = 0; i < n; i++)
	{
		bool		isnull;
		int64		handoff_id;
		char	   *team;
		char	   *member;

		SPI_tuptable = rows;	/* the outbox runs a query of its own */
		handoff_id = DatumGetInt64(nurture_cell(i, 1, &isnull));
		team = nurture_cell_text(i, 2);
		member = nurture_cell_text(i, 3);
		nurture_outbox_add(lead_id, handoff_id, "returned", team, member);
		entries[i].has_lead = true;
		entries[i].lead_id = lead_id;
		entries[i].kind = "handoff";
		entries[i].object = psprintf("handoff:" INT64_FORMAT, handoff_id);
		entries[i].outcome = "returned";
		entries[i].reasons = &why;
		entries[i].nreasons = 1;
		entries[i].actor = actor;
	}
	nurture_execute_latest(&cancel_tasks, values, NULL, true);
	nurture_execute_latest(&decline_requests, values, NULL, true);
	nurture_audit_append(entries, n);
}
