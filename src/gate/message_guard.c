/*
 * message_guard.c
 *	  Messages, consent events and the state of consent change through
 *	  functions of nurture only.
 *
 * Outer walls, like every guard: who may disable triggers can pass them, and
 * is found by nurture_audit_verify.
 */
#include "base/compat.h"

#include "base/errors.h"
#include "base/trigger.h"
#include "executor/spi.h"
#include "gate/gate_private.h"
#include "gate/message_row.h"
#include "utils/rel.h"

NURTURE_FUNCTION(nurture_message_guard);

static int	writing = 0;		/* functions of ours that are writing */

static const char *const column_names[MESSAGE_COLUMNS] = {
	"lead_id", "message_id", "channel", "purpose", "asset_id", "version",
	"family", "track", "occurrence_key", "status", "reasons", "not_before",
	"requested_at", "decided_at", "gate_seq", "decision", "mark",
	"trigger_kind", "trigger_event_id", "contact_point_hash", "message_class",
	"taken_at", "taken_by", "lease_until", "takes", "cancel_requested",
	"sent_at", "delivered_at", "outcome", "outcome_at", "provider_id",
	"requested_by"
};

/* Tells whether a column of the table has the name. */
static bool
is_column(TupleDesc desc, int column, const char *name)
{
	Form_pg_attribute att;

	if (column <= 0 || column > desc->natts)
		return false;
	att = TupleDescAttr(desc, column - 1);
	return !att->attisdropped && strcmp(NameStr(att->attname), name) == 0;
}

/* Finds the columns by their names, so that their order does not matter. */
void
nurture_message_columns(TupleDesc desc, int *columns)
{
	/* where they were last time: every statement asks */
	static int	last[MESSAGE_COLUMNS];

	for (int i = 0; i < MESSAGE_COLUMNS; i++)
	{
		if (!is_column(desc, last[i], column_names[i]))
			last[i] = SPI_fnumber(desc, column_names[i]);
		columns[i] = last[i];
		if (columns[i] <= 0)
			ereport(ERROR,
					(errcode(NURTURE_ERRCODE_NOT_INSTALLED),
					 errmsg("column \"%s\" of table \"message\" does not exist",
							column_names[i]),
					 errhint("The installed tables are of another version than the extension; install the version they are of.")));
	}
}

/* Returns the name of a column. */
const char *
nurture_message_column_name(MessageColumn column)
{
	return column_names[column];
}

/* Lets changes of messages in until nurture_message_close. */
int
nurture_message_open(void)
{
	return writing++;
}

/* Puts back what nurture_message_open returned, also after an error. */
void
nurture_message_close(int before)
{
	writing = before;
}

/*
 * Trigger of nurture.message and nurture.consent_event: refuses UPDATE,
 * DELETE and TRUNCATE that are not nurture's own, a restore's or of a logical
 * apply worker; of nurture.consent, where it is on INSERT, that as well.
 */
Datum
nurture_message_guard(PG_FUNCTION_ARGS)
{
	TriggerData *data = nurture_trigger_data(fcinfo, "nurture_message_guard");
	HeapTuple	row = NULL;

	if (TRIGGER_FIRED_FOR_ROW(data->tg_event))
		row = TRIGGER_FIRED_BY_UPDATE(data->tg_event) ? data->tg_newtuple :
			data->tg_trigtuple;
	if (writing > 0 || nurture_erasing() || !nurture_deriving())
		return PointerGetDatum(row);
	ereport(ERROR,
			(errcode(NURTURE_ERRCODE_APPEND_ONLY),
			 errmsg("rows of table \"%s\" are changed by functions of nurture only",
					RelationGetRelationName(data->tg_relation)),
			 errhint("A decision on record stays as it is; see nurture_opt_out, nurture_pause and nurture_consent.")));
}
