/*
 * alert.c
 *	  Tells other systems of what should not have happened.
 */
#include "base/compat.h"

#include "base/clock.h"
#include "base/plans.h"
#include "catalog/pg_type.h"
#include "gate/gate_private.h"
#include "utils/builtins.h"

static KeptPlan add_alert =
KEPT_PLAN("INSERT INTO nurture.outbox (lead_id, topic, payload, created_at)"
		  " SELECT m.lead_id, 'alert.'::pg_catalog.text OPERATOR(pg_catalog.||) $3,"
		  " pg_catalog.jsonb_build_object('message_id'::pg_catalog.text, m.message_id,"
		  " 'channel'::pg_catalog.text, m.channel, 'asset_id'::pg_catalog.text, m.asset_id,"
		  " 'version'::pg_catalog.text, m.version, 'sent_at'::pg_catalog.text, m.sent_at), $4"
		  " FROM nurture.message AS m"
		  " WHERE m.lead_id OPERATOR(pg_catalog.=) $1"
		  " AND m.message_id OPERATOR(pg_catalog.=) $2",
		  INT8OID, INT8OID, TEXTOID, TIMESTAMPTZOID);

/*
 * Puts an alert about a message into the outbox.  what is a code of
 * nurture.reason.  Connected to SPI, as the owner.
 */
void
nurture_gate_alert(int64 lead_id, int64 message_id, const char *what)
{
	Datum		values[4];

	values[0] = Int64GetDatum(lead_id);
	values[1] = Int64GetDatum(message_id);
	values[2] = CStringGetTextDatum(what);
	values[3] = TimestampTzGetDatum(nurture_now_wall());
	(void) nurture_execute(&add_alert, values, NULL, false);
}
