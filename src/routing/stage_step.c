/*
 * stage_step.c
 *	  When each lead first reached each stage, kept for the funnels.
 *
 * What the funnels count follows from the history of standings, the order of
 * the stages and a few facts of the leads; asked of a million leads, that
 * takes seconds.  The triggers here keep nurture.stage_step as the query below
 * answers, whoever writes those tables: a decision, a merge, a retention, an
 * erasure or a person.
 */
#include "base/compat.h"

#include "base/owner.h"
#include "base/plans.h"
#include "base/trigger.h"
#include "catalog/pg_type.h"
#include "routing/stage_step.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"

NURTURE_FUNCTION(nurture_stage_step_derive);
NURTURE_FUNCTION(nurture_stage_step_reorder);

static KeptPlan keep_lead = KEPT_PLAN(NURTURE_STAGE_STEPS_KEEP(" AND t.lead_id = $1"), INT8OID);
static KeptPlan keep_all = {NURTURE_STAGE_STEPS_KEEP(""), {0}, NULL, true};

/*
 * Keeps the steps of a lead, or with NULL of all.  The lock holds them against
 * a change of the order of stages: what is read behind it is the order that
 * counts.
 */
static void
keep(const int64 *lead_id)
{
	Datum		value = lead_id == NULL ? (Datum) 0 : Int64GetDatum(*lead_id);
	OwnerSwitch save;
	int			level;

	nurture_owner_enter(&save);
	level = nurture_spi_connect();
	LockRelationOid(nurture_table_oid("stage_step", false),
					lead_id == NULL ? ShareRowExclusiveLock : RowExclusiveLock);
	nurture_execute_latest(lead_id == NULL ? &keep_all : &keep_lead,
						   lead_id == NULL ? NULL : &value, NULL, true);
	nurture_spi_finish(level);
	nurture_owner_leave(&save);
}

/* Returns the lead that a row of the trigger's table is about. */
static int64
lead_of(TriggerData *data, HeapTuple row)
{
	TupleDesc	desc = RelationGetDescr(data->tg_relation);
	bool		isnull;

	return DatumGetInt64(SPI_getbinval(row, desc, SPI_fnumber(desc, "lead_id"),
									   &isnull));
}

/*
 * Trigger on nurture.stage_history, nurture.lead_stage and nurture.lead: keeps
 * the steps of the lead whose row was written, changed or deleted.
 */
Datum
nurture_stage_step_derive(PG_FUNCTION_ARGS)
{
	TriggerData *data = nurture_trigger_data(fcinfo, "nurture_stage_step_derive");
	int64		lead_id;

	if (!nurture_deriving())
		return PointerGetDatum(NULL);
	lead_id = lead_of(data, data->tg_trigtuple);
	keep(&lead_id);
	if (TRIGGER_FIRED_BY_UPDATE(data->tg_event) &&
		lead_of(data, data->tg_newtuple) != lead_id)
	{
		lead_id = lead_of(data, data->tg_newtuple);
		keep(&lead_id);
	}
	return PointerGetDatum(NULL);
}

/* Trigger on nurture.stage: keeps all steps when the order of stages changes. */
Datum
nurture_stage_step_reorder(PG_FUNCTION_ARGS)
{
	(void) nurture_trigger_data(fcinfo, "nurture_stage_step_reorder");
	if (nurture_deriving())
		keep(NULL);
	return PointerGetDatum(NULL);
}
