/*
 * gate_row.c
 *	  The gate row: one narrow row per lead that every message decision and
 *	  every change of what may forbid a message updates.
 *
 * It is an update and not a lock on purpose: a reader above READ COMMITTED
 * that waited for a lock goes on with the snapshot from before the wait, one
 * that waited for an update gets 40001.
 *
 * What else a decision needs is read by a second statement, never by the
 * update itself: a sub-select or join in it keeps the snapshot from before a
 * wait, and would read consent that has since been withdrawn.
 */
#include "base/compat.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "audit/audit.h"
#include "base/clock.h"
#include "base/errors.h"
#include "base/owner.h"
#include "base/plans.h"
#include "base/row.h"
#include "base/trigger.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "executor/tuptable.h"
#include "gate/contact_point.h"
#include "gate/gate_private.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/tuplestore.h"

NURTURE_FUNCTION(nurture_gate_keep);

uint64		nurture_gate_epoch = 1;

/* The first columns of nurture.gate: a new one goes behind them. */
typedef enum GateColumn
{
	GATE_LEAD_ID,
	GATE_SEQ,
	GATE_DENIED,
	GATE_STOPPED_UNTIL,
	GATE_PAUSED_UNTIL,
	GATE_SUPPRESSED,
	GATE_MERGED_INTO,
	GATE_ERASED,
	GATE_RECENT,
	GATE_DUE_AT,
	GATE_PREFERENCES,
	GATE_ABSORBS,
	GATE_SUBJECT,
	GATE_COLUMNS				/* how many */
} GateColumn;

static const char *const gate_columns[GATE_COLUMNS] = {
	"lead_id", "seq", "denied", "stopped_until", "paused_until", "suppressed",
	"merged_into", "erased", "recent", "due_at", "preferences",
	"absorbs", "subject"
};

static KeptPlan update_gate =
KEPT_PLAN("UPDATE nurture.gate AS g SET seq = g.seq OPERATOR(pg_catalog.+) $2"
		  " WHERE g.lead_id OPERATOR(pg_catalog.=) $1"
		  " RETURNING g.lead_id, g.seq, g.denied, g.stopped_until,"
		  " g.paused_until, g.suppressed, g.merged_into, g.erased, g.recent,"
		  " g.due_at, g.preferences, g.absorbs, g.subject", INT8OID, INT8OID);

static KeptPlan find_gate =
KEPT_PLAN("SELECT 1 FROM nurture.gate AS g"
		  " WHERE g.lead_id OPERATOR(pg_catalog.=) $1", INT8OID);

static KeptPlan find_survivor =
KEPT_PLAN("SELECT g.merged_into FROM nurture.gate AS g"
		  " WHERE g.lead_id OPERATOR(pg_catalog.=) $1", INT8OID);

static KeptPlan make_gate =
KEPT_PLAN("INSERT INTO nurture.gate (lead_id, merged_into, erased)"
		  " SELECT l.lead_id, l.merged_into, l.erased_at IS NOT NULL"
		  " FROM nurture.lead AS l"
		  " WHERE l.lead_id OPERATOR(pg_catalog.=) $1"
		  " ON CONFLICT DO NOTHING", INT8OID);

/* Takes over what the gate row says. */
static void
take_row(int64 lead_id, const Datum *values, const bool *nulls,
		 GateLead *lead)
{
	lead->seq = DatumGetInt64(values[GATE_SEQ]);
	lead->suppressed = DatumGetBool(values[GATE_SUPPRESSED]);
	lead->lead_id = nulls[GATE_MERGED_INTO] ? lead_id :
		DatumGetInt64(values[GATE_MERGED_INTO]);
	lead->erased = DatumGetBool(values[GATE_ERASED]);
	lead->stopped_until = nulls[GATE_STOPPED_UNTIL] ? DT_NOBEGIN :
		DatumGetTimestampTz(values[GATE_STOPPED_UNTIL]);
	lead->paused_until = nulls[GATE_PAUSED_UNTIL] ? DT_NOBEGIN :
		DatumGetTimestampTz(values[GATE_PAUSED_UNTIL]);
	lead->prefers = DatumGetBool(values[GATE_PREFERENCES]);
	lead->absorbs = DatumGetBool(values[GATE_ABSORBS]);
	lead->has_subject = false;
	if (!nulls[GATE_SUBJECT])
	{
		bytea	   *subject = DatumGetByteaPP(values[GATE_SUBJECT]);

		lead->has_subject = VARSIZE_ANY_EXHDR(subject) == GATE_HASH_LEN;
		if (lead->has_subject)
			memcpy(lead->subject, VARDATA_ANY(subject), GATE_HASH_LEN);
	}
}

/*
 * Gives the row that is to be written the lead's pseudonym, which spares each
 * message from now on to look up the key of it.
 */
static void
add_subject(TupleTableSlot *row, Hold *hold, int64 lead_id, GateLead *lead)
{
	if (lead->erased ||
		!nurture_audit_pseudonym(lead_id, hold, lead->subject))
		return;
	lead->has_subject = true;
	row->tts_values[GATE_SUBJECT] = nurture_gate_hash_datum(lead->subject);
	row->tts_isnull[GATE_SUBJECT] = false;
}

/*
 * Updates the gate row as update_gate does, but without an executor; answers
 * false when the table is not as plain as that needs.
 *
 * A row that another transaction has changed is looked for again with a new
 * snapshot at READ COMMITTED, which finds the version that is committed now;
 * above it the answer is 40001, as the executor's.
 */
static bool
update_row(int64 lead_id, int64 reserve, bool subject, Hold *hold,
		   GateLead *lead, bool *found)
{
	RowTable	own;
	RowTable   *table = nurture_row_open_held(&own, hold,
											  nurture_table_oid("gate", false),
											  ROW_UPDATE, gate_columns,
											  GATE_COLUMNS);
	bool		done = false;

	if (table == NULL)
		return false;
	CommandCounterIncrement();	/* see this transaction's own changes */
	do
	{
		TupleTableSlot *row = table->row;
		int			natts = RelationGetDescr(table->rel)->natts;

		PushActiveSnapshot(GetTransactionSnapshot());
		*found = nurture_row_find(table, lead_id, GetActiveSnapshot());
		if (*found)
		{
			slot_getallattrs(table->found);
			ExecClearTuple(row);
			memcpy(row->tts_values, table->found->tts_values,
				   natts * sizeof(Datum));
			memcpy(row->tts_isnull, table->found->tts_isnull,
				   natts * sizeof(bool));
			take_row(lead_id, row->tts_values, row->tts_isnull, lead);
			row->tts_values[GATE_SEQ] = Int64GetDatum(lead->seq + reserve);
			lead->seq++;
			if (subject && row->tts_isnull[GATE_SUBJECT])
				add_subject(row, hold, lead_id, lead);
			ExecStoreVirtualTuple(row);
			done = nurture_row_update(table, GetActiveSnapshot());
		}
		PopActiveSnapshot();
		if (*found && !done && IsolationUsesXactSnapshot())
			ereport(ERROR,
					(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
					 table->deleted ?
					 errmsg("could not serialize access due to concurrent delete") :
					 errmsg("could not serialize access due to concurrent update")));
	} while (*found && !done);
	nurture_row_close(table);
	return true;
}

/* The same by queries, and makes the row of a lead that has none. */
static bool
update_by_query(int64 lead_id, int64 reserve, GateLead *lead)
{
	Datum		values[2];

	values[0] = Int64GetDatum(lead_id);
	values[1] = Int64GetDatum(reserve);
	for (int try = 0;; try++)
	{
		(void) nurture_execute(&update_gate, values, NULL, false);
		if (SPI_processed == 1)
		{
			Datum		cells[GATE_COLUMNS];
			bool		nulls[GATE_COLUMNS];

			for (int i = 0; i < GATE_COLUMNS; i++)
				cells[i] = nurture_cell(0, i + 1, &nulls[i]);
			take_row(lead_id, cells, nulls, lead);
			lead->seq -= reserve - 1;
			SPI_freetuptable(SPI_tuptable);
			return true;
		}
		if (try > 0)
			return false;

		/*
		 * Made after our snapshot: that is no unknown lead, the transaction
		 * has to run again.
		 */
		(void) nurture_execute_latest(&find_gate, values, NULL, false);
		if (SPI_processed > 0 && IsolationUsesXactSnapshot())
			ereport(ERROR,
					(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
					 errmsg("could not serialize access to a lead that was made after this transaction began"),
					 errhint("Run the transaction again.")));
		/* a row that came while triggers were off, or is new */
		nurture_gate_make(lead_id);
	}
}

/* Makes the gate row that a lead should have, from the lead's row as it is. */
void
nurture_gate_make(int64 lead_id)
{
	Datum		value = Int64GetDatum(lead_id);

	(void) nurture_execute(&make_gate, &value, NULL, false);
}

/*
 * Updates the gate row, the first statement of everything the gate does, and
 * reads it into lead.  seq grows by reserve; lead->seq is the first of these
 * numbers.  With subject the row is given the lead's pseudonym, unless it has
 * it.  Answers false when there is no such lead.  As the owner; hold may
 * be NULL.
 */
bool
nurture_gate_update(int64 lead_id, int64 reserve, bool subject, Hold *hold,
					GateLead *lead)
{
	bool		found;
	int			level;

	nurture_gate_epoch++;
	if (update_row(lead_id, reserve, subject, hold, lead, &found) && found)
		return true;
	level = nurture_spi_connect_here();
	found = update_by_query(lead_id, reserve, lead);
	nurture_spi_finish(level);
	return found;
}

/* Updates the gate row of a lead that must be known. */
void
nurture_gate_lock(int64 lead_id)
{
	GateLead	lead;

	if (!nurture_gate_update(lead_id, 1, false, NULL, &lead))
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_UNKNOWN_LEAD),
				 errmsg("there is no lead " INT64_FORMAT, lead_id),
				 errhint("Or you may not see it; nurture.lead lists those you may.")));
}

/* Updates the gate row, for other rooms. */
void
nurture_gate_bump(int64 lead_id)
{
	OwnerSwitch owner;
	int			level;

	nurture_owner_enter(&owner);
	level = nurture_spi_connect();
	nurture_gate_lock(lead_id);
	nurture_spi_finish(level);
	nurture_owner_leave(&owner);
}

/* Returns the lead that a lead was merged into, 0 when it was not. */
int64
nurture_gate_survivor(int64 lead_id)
{
	Datum		value = Int64GetDatum(lead_id);
	bool		null = true;

	(void) nurture_execute_latest(&find_survivor, &value, NULL, false);
	if (SPI_processed > 0)
		value = nurture_cell(0, 1, &null);
	return null ? 0 : DatumGetInt64(value);
}

/* Trigger of nurture.gate: rows of the gate are never removed. */
Datum
nurture_gate_keep(PG_FUNCTION_ARGS)
{
	TriggerData *data = nurture_trigger_data(fcinfo, "nurture_gate_keep");

	if (!nurture_deriving())
		return PointerGetDatum(data->tg_trigtuple);
	ereport(ERROR,
			(errcode(NURTURE_ERRCODE_APPEND_ONLY),
			 errmsg("rows of table \"%s\" cannot be removed",
					RelationGetRelationName(data->tg_relation)),
			 errhint("Without its gate row a lead's opt-out and a message to it could pass each other; DELETE of a lead cancels what is queued for it, TRUNCATE would not.")));
}
