/*
 * guard.c
 *	  Keeps tables append-only, and the audit trail to its own writer.
 *
 * These are the outer walls: a superuser may disable a trigger, and then
 * nurture_audit_verify finds what was done.
 */
#include "base/compat.h"

#include "access/htup_details.h"
#include "audit/audit.h"
#include "audit/guard.h"
#include "audit/incarnation.h"
#include "audit/inputs.h"
#include "base/errors.h"
#include "base/trigger.h"
#include "executor/spi.h"
#include "replication/logicalworker.h"
#include "utils/datum.h"
#include "utils/rel.h"

NURTURE_FUNCTION(nurture_append_only);

static bool writing = false;	/* an append of ours is under way */

/* Lets rows in until nurture_guard_close; returns what was so before. */
bool
nurture_guard_open(void)
{
	bool		before = writing;

	writing = true;
	return before;
}

/* Puts back what nurture_guard_open returned, also after an error. */
void
nurture_guard_close(bool before)
{
	writing = before;
}

/*
 * Tells whether an UPDATE does nothing but take the lead out of an entry: the
 * one column that no leaf covers.
 */
static bool
only_forgets(TriggerData *data)
{
	TupleDesc	desc = RelationGetDescr(data->tg_relation);
	int			lead_ref = SPI_fnumber(desc, "lead_ref");

	if (!TRIGGER_FIRED_BY_UPDATE(data->tg_event) || lead_ref <= 0)
		return false;
	for (int i = 1; i <= desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i - 1);
		bool		old_null;
		bool		new_null;
		Datum		old = heap_getattr(data->tg_trigtuple, i, desc, &old_null);
		Datum		new = heap_getattr(data->tg_newtuple, i, desc, &new_null);

		if (att->attisdropped)
			continue;
		if (i == lead_ref ? !new_null :
			old_null != new_null ||
			(!old_null && !datum_image_eq(old, new, att->attbyval, att->attlen)))
			return false;
	}
	return true;
}

/*
 * Trigger: refuses UPDATE, DELETE and TRUNCATE; where it is put on INSERT,
 * rows that the audit room does not write itself.  Rows that a logical apply
 * worker or a restore brings stay as they came.
 */
Datum
nurture_append_only(PG_FUNCTION_ARGS)
{
	TriggerData *data = nurture_trigger_data(fcinfo, "nurture_append_only");
	const char *table = RelationGetRelationName(data->tg_relation);
	HeapTuple	row = NULL;

	if (TRIGGER_FIRED_FOR_ROW(data->tg_event))
		row = TRIGGER_FIRED_BY_UPDATE(data->tg_event) ?
			data->tg_newtuple : data->tg_trigtuple;
	if (IsLogicalWorker() || (nurture_erasing() && only_forgets(data)))
		return PointerGetDatum(row);
	if (TRIGGER_FIRED_BY_INSERT(data->tg_event))
	{
		if (!writing && !nurture_restoring())
			ereport(ERROR,
					(errcode(NURTURE_ERRCODE_APPEND_ONLY),
					 errmsg("table \"%s\" is written by nurture only", table),
					 errhint("Entries come with what they record; there is nothing to insert by hand.")));
		return PointerGetDatum(row);
	}
	ereport(ERROR,
			(errcode(NURTURE_ERRCODE_APPEND_ONLY),
			 errmsg("table \"%s\" is append-only", table),
			 errhint("What is on record stays; a correction is a new entry.")));
}

/* Registers what the audit room needs in each backend. */
void
nurture_audit_init(void)
{
	nurture_incarnation_init();
	nurture_inputs_init();
}
