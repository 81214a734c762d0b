/*
 * signal_guard.c
 *	  What a signal measures, and what a tag is, does not change once activity
 *	  counts it.
 */
#include "base/compat.h"

#include "base/clock.h"
#include "base/errors.h"
#include "base/owner.h"
#include "base/plans.h"
#include "base/trigger.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

NURTURE_FUNCTION(nurture_signal_guard);
NURTURE_FUNCTION(nurture_tag_guard);

static KeptPlan has_activity = KEPT_PLAN_SCAN(
											  "SELECT EXISTS (SELECT FROM nurture.activity"
											  " WHERE @extschema@.nurture_tally_last(signals, $1) IS NOT NULL"
											  " OR @extschema@.nurture_tally_last(base, $1) IS NOT NULL)"
											  " OR EXISTS (SELECT FROM nurture.account_activity"
											  " WHERE @extschema@.nurture_tally_last(signals, $1) IS NOT NULL)",
											  INT4OID);
static KeptPlan has_topic = KEPT_PLAN_SCAN(
										   "SELECT EXISTS (SELECT FROM nurture.activity"
										   " WHERE @extschema@.nurture_tally_last(topics, $1) IS NOT NULL"
										   " OR @extschema@.nurture_tally_last(base_topics, $1) IS NOT NULL)"
										   " OR EXISTS (SELECT FROM nurture.account_activity"
										   " WHERE @extschema@.nurture_tally_last(topics, $1) IS NOT NULL)",
										   INT4OID);
static KeptPlan forget_backfill = KEPT_PLAN(
											"DELETE FROM nurture.backfill WHERE signal = $1", TEXTOID);

/* Columns that say what a signal measures. */
static const char *const definition[] = {
	"signal_id", "event_type", "tags", "condition"
};

/* And what a tag is; what is above it may change. */
static const char *const identity[] = {"dimension", "value", "tag_id"};

static Datum
column_of(HeapTuple row, TupleDesc desc, const char *name, bool *isnull)
{
	int			number = SPI_fnumber(desc, name);

	if (number <= 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("column \"%s\" of the table does not exist", name)));
	return SPI_getbinval(row, desc, number, isnull);
}

/* Tells whether a column is the same in both rows. */
static bool
same_column(HeapTuple before, HeapTuple after, TupleDesc desc,
			const char *name)
{
	Form_pg_attribute attribute = TupleDescAttr(desc, SPI_fnumber(desc, name) - 1);
	bool		old_null;
	bool		new_null;
	Datum		old_value = column_of(before, desc, name, &old_null);
	Datum		new_value = column_of(after, desc, name, &new_null);

	if (old_null || new_null)
		return old_null && new_null;
	return datum_image_eq(old_value, new_value, attribute->attbyval,
						  attribute->attlen);
}

/*
 * Tells whether activity counts an id.  Statements that store events are
 * waited for, and kept waiting until the change is committed: they would
 * count by the definition that was.
 */
static bool
is_counted(KeptPlan *plan, Datum id)
{
	bool		isnull;

	if (SPI_execute("LOCK TABLE nurture.event, nurture.account_event IN SHARE MODE", false, 0) != SPI_OK_UTILITY)
		elog(ERROR, "could not lock nurture.event");
	(void) nurture_execute_latest(plan, &id, NULL, false);
	return DatumGetBool(nurture_cell(0, 1, &isnull));
}

/* Raises when the signal has activity. */
static void
require_unused(HeapTuple row, TupleDesc desc, const char *signal, bool gone)
{
	bool		isnull;

	if (!is_counted(&has_activity, Int32GetDatum(DatumGetInt16(column_of(row, desc, "signal_id", &isnull)))))
		return;
	ereport(ERROR,
			(errcode(NURTURE_ERRCODE_PUBLISHED),
			 gone ? errmsg("signal \"%s\" has activity and cannot be deleted", signal) :
			 errmsg("signal \"%s\" has activity and its definition cannot be changed", signal),
			 gone ? errhint("Set retired_at: then it is no longer counted.") :
			 errhint("Define a new signal, fill it with nurture_backfill(), and set retired_at of this one.")));
}

/* Says that what was counted may not be what counts now. */
static void
note_retired(HeapTuple row, TupleDesc desc, const char *signal)
{
	bool		isnull;
	Datum		value = column_of(row, desc, "retired_at", &isnull);

	if (!isnull && DatumGetTimestampTz(value) > nurture_now_wall())
		return;
	ereport(NOTICE,
			(errmsg("signal \"%s\" may count other events now than those that were counted", signal),
			 errhint("SELECT nurture_backfill('%s') counts them again.", signal)));
}

/*
 * nurture_signal_guard() returns trigger
 *
 * After each row of nurture.signal that is updated or deleted.
 */
Datum
nurture_signal_guard(PG_FUNCTION_ARGS)
{
	TriggerData *data = nurture_trigger_data(fcinfo, "nurture_signal_guard");
	TupleDesc	desc = RelationGetDescr(data->tg_relation);
	HeapTuple	before = data->tg_trigtuple;
	HeapTuple	after = TRIGGER_FIRED_BY_UPDATE(data->tg_event) ? data->tg_newtuple : NULL;
	OwnerSwitch save;
	bool		defined = false;
	bool		retired = false;
	bool		isnull;
	Datum		code;
	int			level;

	if (!nurture_deriving())
		return PointerGetDatum(NULL);
	for (int i = 0; after != NULL && i < lengthof(definition); i++)
		defined |= !same_column(before, after, desc, definition[i]);
	if (after != NULL)
		retired = !same_column(before, after, desc, "retired_at");
	if (after != NULL && !defined && !retired)
		return PointerGetDatum(NULL);

	code = column_of(before, desc, "signal", &isnull);
	nurture_owner_enter(&save);
	level = nurture_spi_connect();
	if (after == NULL || defined)
		require_unused(before, desc, TextDatumGetCString(code), after == NULL);
	(void) nurture_execute(&forget_backfill, &code, NULL, false);
	if (retired && !defined)
		note_retired(after, desc, TextDatumGetCString(code));
	nurture_spi_finish(level);
	nurture_owner_leave(&save);
	return PointerGetDatum(NULL);
}

/*
 * nurture_tag_guard() returns trigger
 *
 * After each row of nurture.tag that is updated or deleted: its number stands
 * in the tallies of topics, and its name in the events that they are counted
 * from.
 */
Datum
nurture_tag_guard(PG_FUNCTION_ARGS)
{
	TriggerData *data = nurture_trigger_data(fcinfo, "nurture_tag_guard");
	TupleDesc	desc = RelationGetDescr(data->tg_relation);
	HeapTuple	before = data->tg_trigtuple;
	bool		gone = TRIGGER_FIRED_BY_DELETE(data->tg_event);
	bool		differs = gone;
	OwnerSwitch save;
	bool		counted;
	bool		isnull;
	int			level;

	for (int i = 0; !gone && i < lengthof(identity); i++)
		differs |= !same_column(before, data->tg_newtuple, desc, identity[i]);
	if (!differs || !nurture_deriving())
		return PointerGetDatum(NULL);
	nurture_owner_enter(&save);
	level = nurture_spi_connect();
	counted = is_counted(&has_topic, column_of(before, desc, "tag_id", &isnull));
	nurture_spi_finish(level);
	nurture_owner_leave(&save);
	if (counted)
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_PUBLISHED),
				 gone ? errmsg("tag \"%s:%s\" has activity and cannot be deleted",
							   SPI_getvalue(before, desc, SPI_fnumber(desc, "dimension")),
							   SPI_getvalue(before, desc, SPI_fnumber(desc, "value"))) :
				 errmsg("tag \"%s:%s\" has activity and keeps its name and number",
						SPI_getvalue(before, desc, SPI_fnumber(desc, "dimension")),
						SPI_getvalue(before, desc, SPI_fnumber(desc, "value"))),
				 errhint("Retire it: take it off assets and rules, and leave the row; put it below another tag with parent if what it counted is to count there.")));
	return PointerGetDatum(NULL);
}
