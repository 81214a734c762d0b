/*
 * forget.c
 *	  What of a lead goes when the lead is erased or deleted: preferences,
 *	  references to documents, labels, places on lists, where its facts came
 *	  from, and what reviews show of its answers.
 */
#include "base/compat.h"

#include "base/owner.h"
#include "base/plans.h"
#include "base/trigger.h"
#include "catalog/pg_type.h"
#include "utils/rel.h"

NURTURE_FUNCTION(nurture_facts_forget);

static KeptPlan forget_preferences = KEPT_PLAN("DELETE FROM nurture.preference WHERE lead_id = $1", INT8OID);
static KeptPlan forget_documents = KEPT_PLAN("DELETE FROM nurture.document WHERE lead_id = $1", INT8OID);
static KeptPlan forget_labels = KEPT_PLAN("DELETE FROM nurture.label WHERE lead_id = $1", INT8OID);
static KeptPlan forget_lists = KEPT_PLAN("DELETE FROM nurture.list_member WHERE lead_id = $1", INT8OID);
static KeptPlan forget_sources = KEPT_PLAN("DELETE FROM nurture.fact_source WHERE lead_id = $1", INT8OID);

/* that there was a case stays; what a person ruled is not about the answer */
static KeptPlan forget_reviews =
KEPT_PLAN("UPDATE nurture.review SET evidence = NULL, state = 'closed', ruling = coalesce(ruling, 'lead_erased'),"
		  " closed_at = coalesce(closed_at, @extschema@.nurture_now())"
		  " WHERE lead_id = $1 AND bucket IN ('contradiction', 'manual_research') AND evidence ? 'answers'", INT8OID);

/*
 * Trigger after rows of nurture.lead that were erased by an UPDATE, or
 * deleted.
 */
Datum
nurture_facts_forget(PG_FUNCTION_ARGS)
{
	TriggerData *data = nurture_trigger_data(fcinfo, "nurture_facts_forget");
	TupleDesc	desc = RelationGetDescr(data->tg_relation);
	KeptPlan   *const plans[] = {&forget_preferences, &forget_documents, &forget_labels, &forget_lists, &forget_sources, &forget_reviews};
	OwnerSwitch owner;
	Datum		lead_id;
	bool		isnull;
	int			level;

	if (!nurture_deriving())
		return PointerGetDatum(NULL);
	lead_id = SPI_getbinval(data->tg_trigtuple, desc, SPI_fnumber(desc, "lead_id"), &isnull);
	nurture_owner_enter(&owner);
	level = nurture_spi_connect();
	for (int i = 0; i < lengthof(plans); i++)
		(void) nurture_execute(plans[i], &lead_id, NULL, false);
	nurture_spi_finish(level);
	nurture_owner_leave(&owner);
	return PointerGetDatum(NULL);
}
