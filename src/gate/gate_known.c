/*
 * gate_known.c
 *	  A new lead whose number was somebody's before.
 *
 * Gate rows stay when leads are deleted, and so do consent events, stops,
 * suppressions and messages.  Whether it is the same person nobody knows, so
 * the stricter of both holds: what forbids or limits binds the new lead too,
 * what permitted has to be said again, and who the other was merged into, or
 * that it was erased, says nothing.  It all goes on record.
 */
#include "base/compat.h"

#include "audit/audit.h"
#include "base/clock.h"
#include "base/plans.h"
#include "catalog/pg_type.h"
#include "gate/gate_private.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"

static KeptPlan begin_again =
KEPT_PLAN("UPDATE nurture.gate AS g SET seq = g.seq + 1, merged_into = NULL,"
		  " erased = false, recent = NULL, due_at = NULL"
		  " WHERE g.lead_id = $1 RETURNING g.denied <> 0, g.suppressed,"
		  " coalesce(g.stopped_until > $2, false),"
		  " coalesce(g.paused_until > $2, false)", INT8OID, TIMESTAMPTZOID);

static KeptPlan end_grants =
KEPT_PLAN("INSERT INTO nurture.consent_event (lead_id, channel, purpose,"
		  " topic, product, kind, occurred_at, recorded_at, source, evidence)"
		  " SELECT c.lead_id, c.channel, c.purpose, c.topic, c.product,"
		  " 'expired', $2, $2, 'lead_inserted_again',"
		  " jsonb_build_object('ended_consent_event_id', c.consent_event_id)"
		  " FROM nurture.consent AS c WHERE c.lead_id = $1"
		  " AND c.state = ANY ('{given,confirmed,renewed}')"
		  " ORDER BY c.channel, c.purpose, c.topic, c.product",
		  INT8OID, TIMESTAMPTZOID);

/* Ends what was granted and tells what is kept of one lead. */
static void
know(int64 lead_id, AuditEntry *entry)
{
	static const char *const words[] = {"denied consent", "suppression",
	"stops", "pauses"};
	Datum		values[2];
	StringInfoData kept;

	values[0] = Int64GetDatum(lead_id);
	values[1] = TimestampTzGetDatum(nurture_now_wall());
	(void) nurture_execute(&begin_again, values, NULL, false);
	initStringInfo(&kept);
	for (int i = 0; i < lengthof(words) && SPI_processed > 0; i++)
	{
		bool		null;

		if (DatumGetBool(nurture_cell(0, i + 1, &null)))
			appendStringInfo(&kept, "%s%s", kept.len ? ", " : "", words[i]);
	}
	/* with the gate row ours: later than whatever was granted */
	values[1] = TimestampTzGetDatum(nurture_now_wall());
	(void) nurture_execute(&end_grants, values, NULL, false);
	entry->has_lead = true;
	entry->lead_id = lead_id;
	entry->kind = "gate";
	entry->outcome = "known_number";
	entry->inputs = psprintf("kept: %s; ended: " UINT64_FORMAT " grants",
							 kept.len ? kept.data : "nothing",
							 (uint64) SPI_processed);
}

/*
 * Begins anew with the gate rows of new leads, ascending, that were there
 * before them.  Connected to SPI, as the owner.
 */
void
nurture_gate_known(const int64 *leads, int n)
{
	AuditEntry *entries = palloc0(sizeof(AuditEntry) * Max(n, 1));

	nurture_gate_epoch++;
	for (int i = 0; i < n; i++)
	{
		CHECK_FOR_INTERRUPTS();
		know(leads[i], &entries[i]);
	}
	nurture_audit_append(entries, n);
}
