/*
 * lease.c
 *	  Whether a message that was taken may still go out, and leases that are
 *	  over.
 */
#include "base/compat.h"

#include "audit/audit.h"
#include "base/clock.h"
#include "base/owner.h"
#include "base/plans.h"
#include "catalog/pg_type.h"
#include "facts/lead.h"
#include "gate/delivery.h"
#include "utils/builtins.h"

NURTURE_FUNCTION(nurture_still_allowed);

/*
 * Nobody knows whether it went out: where the channel wants at most one
 * delivery it is not tried again, where it wants at least one it was tried
 * twice. One that may be taken up again is left to nurture_take.
 */
static KeptPlan expire =
KEPT_PLAN("UPDATE nurture.message AS m SET status = 'failed',"
		  " reasons = array_append(COALESCE(m.reasons, '{}'), 'lease_expired')"
		  " FROM (SELECT x.lead_id, x.message_id FROM nurture.message AS x"
		  "  LEFT JOIN nurture.channel AS c ON c.channel = x.channel"
		  "  WHERE x.status = 'taken' AND x.lease_until <= $1"
		  "  AND (c.delivery IS DISTINCT FROM 'at_least_once'"
		  "   OR x.takes >= $3 OR x.cancel_requested)"
		  "  ORDER BY x.lease_until LIMIT $2"
		  "  FOR NO KEY UPDATE OF x SKIP LOCKED) AS e"
		  " WHERE m.lead_id = e.lead_id AND m.message_id = e.message_id"
		  " RETURNING m.lead_id, m.message_id, m.cancel_requested",
		  TIMESTAMPTZOID, INT4OID, INT4OID);

/* Ends leases that are over; see delivery.h. */
int64
nurture_delivery_expire(TimestampTz now, int max)
{
	static const char *const reasons[] = {"lease_expired"};
	Datum		values[3];
	AuditEntry *entries;
	int64		n;
	int			level = nurture_spi_connect();

	values[0] = TimestampTzGetDatum(now);
	values[1] = Int32GetDatum(max);
	values[2] = Int32GetDatum(DELIVERY_TAKES);
	nurture_message_write(&expire, values, NULL);
	n = SPI_processed;
	entries = palloc0(sizeof(AuditEntry) * Max(n, 1));
	for (int64 row = 0; row < n; row++)
	{
		bool		null;

		entries[row].has_lead = true;
		entries[row].lead_id = DatumGetInt64(nurture_cell(row, 1, &null));
		entries[row].kind = "delivery";
		entries[row].object = psprintf("message:" INT64_FORMAT,
									   DatumGetInt64(nurture_cell(row, 2, &null)));
		entries[row].outcome = "failed";
		entries[row].reasons = reasons;
		entries[row].nreasons = 1;
		entries[row].inputs = DatumGetBool(nurture_cell(row, 3, &null)) ?
			"to be cancelled; not known whether it was sent" :
			"not known whether it was sent";
	}
	nurture_audit_append(entries, n);
	nurture_spi_finish(level);
	return n;
}

/*
 * nurture_still_allowed(lead_id bigint, message_id bigint, worker text) returns
 * boolean
 *
 * Whether a message that was taken may go out at this moment: nobody asked to
 * cancel it, its lease lasts, by this worker when one is named, and the gate
 * still says allow.  Writes nothing.
 */
Datum
nurture_still_allowed(PG_FUNCTION_ARGS)
{
	GateAgain  *again = palloc0(sizeof(GateAgain));
	char	   *worker;
	OwnerSwitch owner;
	bool		allowed;
	int			level;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_BOOL(false);
	nurture_delivery_check_right();
	if (nurture_lead_hidden(PG_GETARG_INT64(0)))
		PG_RETURN_BOOL(false);
	worker = PG_ARGISNULL(2) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(2));
	again->lead_id = PG_GETARG_INT64(0);
	again->message_id = PG_GETARG_INT64(1);
	nurture_owner_enter(&owner);
	level = nurture_spi_connect_here();
	allowed = nurture_gate_ask_again(again, false) &&
		strcmp(again->status, "taken") == 0 && !again->cancel_requested &&
		again->same_address &&
		again->lease_until > again->ask.now &&
		(worker == NULL || (again->taken_by != NULL &&
							strcmp(worker, again->taken_by) == 0)) &&
		again->decision.verdict == GATE_ALLOW;
	nurture_spi_finish(level);
	nurture_owner_leave(&owner);
	PG_RETURN_BOOL(allowed);
}
