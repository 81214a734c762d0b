/*
 * activity_lead.c
 *	  Takes back that a lead was seen, when it goes, is merged or erased.
 *
 * An event finds in nurture.activity that its lead exists and then does not
 * look at nurture.lead.  Whoever deletes a lead therefore takes the activity
 * row first, as the lock order wants it, and holds it until the end of the
 * transaction: an event either comes before, or waits and looks.
 */
#include "base/compat.h"

#include "base/owner.h"
#include "base/plans.h"
#include "base/settings.h"
#include "base/trigger.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/rel.h"

NURTURE_FUNCTION(nurture_lead_unseen);

/*
 * Makes the row where there is none: otherwise one that another transaction
 * has made and not yet committed would be missed.
 */
static KeptPlan unsee =
KEPT_PLAN("INSERT INTO nurture.activity AS a (lead_id) VALUES ($1)"
		  " ON CONFLICT (lead_id) DO UPDATE SET lead_seen = false", INT8OID);

/*
 * Trigger of nurture.lead, before a row is deleted, renumbered, merged or
 * erased.
 */
Datum
nurture_lead_unseen(PG_FUNCTION_ARGS)
{
	TriggerData *data = nurture_trigger_data(fcinfo, "nurture_lead_unseen");
	HeapTuple	result = TRIGGER_FIRED_BY_UPDATE(data->tg_event) ?
	data->tg_newtuple : data->tg_trigtuple;
	TupleDesc	desc = RelationGetDescr(data->tg_relation);
	OwnerSwitch owner;
	bool		isnull;
	Datum		lead_id;
	int			level;

	if (!nurture_deriving())
		return PointerGetDatum(result);
	nurture_owner_enter(&owner);
	level = nurture_spi_connect();
	lead_id = SPI_getbinval(data->tg_trigtuple, desc,
							SPI_fnumber(desc, "lead_id"), &isnull);
	(void) nurture_execute_latest(&unsee, &lead_id, NULL, true);
	nurture_spi_finish(level);
	nurture_owner_leave(&owner);
	return PointerGetDatum(result);
}
