/*
 * change.c
 *	  The change log of configuration tables.
 */
#include "base/compat.h"

#include "access/htup_details.h"
#include "audit/audit.h"
#include "audit/guard.h"
#include "audit/leaf.h"
#include "base/author.h"
#include "base/clock.h"
#include "base/owner.h"
#include "base/plans.h"
#include "base/settings.h"
#include "base/trigger.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

NURTURE_FUNCTION(nurture_log_change);

static KeptPlan add_change =
KEPT_PLAN("INSERT INTO nurture.change_log (at, table_name, operation, old_row,"
		  " new_row, reason, \"session_user\", effective_role, app_user,"
		  " simulated) SELECT $1, $2, $3, r.old_row, r.new_row,"
		  " coalesce($6, CASE WHEN r.new_row OPERATOR(pg_catalog.->>) 'status'"
		  "  IS DISTINCT FROM r.old_row OPERATOR(pg_catalog.->>) 'status'"
		  "  THEN r.new_row OPERATOR(pg_catalog.->>) 'status_reason' END,"
		  "  r.new_row OPERATOR(pg_catalog.->>) 'reason',"
		  "  r.old_row OPERATOR(pg_catalog.->>) 'reason'),"
		  " $7, $8, $9, $10 FROM (SELECT pg_catalog.to_jsonb($4) AS old_row,"
		  " pg_catalog.to_jsonb($5) AS new_row) r"
		  " RETURNING change_id, reason, pg_catalog.jsonb_strip_nulls("
		  "  pg_catalog.jsonb_build_object('old', old_row, 'new', new_row))::text",
		  TIMESTAMPTZOID, TEXTOID, TEXTOID, RECORDOID, RECORDOID, TEXTOID,
		  TEXTOID, TEXTOID, TEXTOID, BOOLOID);

static Datum
text_or_null(const char *value, char *null)
{
	*null = (value == NULL || value[0] == '\0') ? 'n' : ' ';
	return *null == 'n' ? (Datum) 0 : CStringGetTextDatum(value);
}

/* Tells whether an UPDATE changed anything. */
static bool
same_row(HeapTuple a, HeapTuple b)
{
	return a->t_len == b->t_len &&
		HeapTupleHeaderGetNatts(a->t_data) == HeapTupleHeaderGetNatts(b->t_data) &&
		a->t_data->t_hoff == b->t_data->t_hoff &&
		((a->t_data->t_infomask ^ b->t_data->t_infomask) & HEAP_HASNULL) == 0 &&
		memcmp((char *) a->t_data + SizeofHeapTupleHeader,
			   (char *) b->t_data + SizeofHeapTupleHeader,
			   a->t_len - SizeofHeapTupleHeader) == 0;
}

/*
 * Tells whether a version was published, retired or otherwise moved on, and
 * nobody says why: the reason in its row is that of an earlier step.
 */
static bool
moved_for_no_reason(const char *table, TupleDesc desc, HeapTuple old_row, HeapTuple new_row)
{
	size_t		length = strlen(table);
	int			column = SPI_fnumber(desc, "status");
	int			why = SPI_fnumber(desc, "status_reason");
	char	   *reason;

	if (!old_row || !new_row || column <= 0 || length <= 8 ||
		strcmp(table + length - 8, "_version") != 0 ||
		(nurture_change_reason && nurture_change_reason[0]) ||
		strcmp(SPI_getvalue(old_row, desc, column), SPI_getvalue(new_row, desc, column)) == 0)
		return false;
	reason = why > 0 ? SPI_getvalue(new_row, desc, why) : NULL;
	return reason == NULL || reason[0] == '\0';
}

/*
 * Trigger, AFTER INSERT OR UPDATE OR DELETE FOR EACH ROW: writes the change to
 * nurture.change_log and an audit entry of kind change, which holds both rows.
 */
Datum
nurture_log_change(PG_FUNCTION_ARGS)
{
	TriggerData *data = nurture_trigger_data(fcinfo, "nurture_log_change");
	TupleDesc	desc = RelationGetDescr(data->tg_relation);
	const char *table = RelationGetRelationName(data->tg_relation);
	HeapTuple	old_row = NULL;
	HeapTuple	new_row = NULL;
	const char *operation;
	const char *role;
	Datum		values[10];
	char		nulls[11];
	OwnerSwitch owner;
	AuditEntry	entry = {0};
	bool		guarded;
	bool		null;
	int			level;

	if (!TRIGGER_FIRED_AFTER(data->tg_event) ||
		!TRIGGER_FIRED_FOR_ROW(data->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" must be fired AFTER ROW",
						"nurture_log_change")));
	/* on a table of their own, anybody could write the log as its owner */
	if (RelationGetNamespace(data->tg_relation) != nurture_schema_oid(false))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("table \"%s\" is not a configuration table of nurture",
						table)));
	if (!nurture_deriving())
		return PointerGetDatum(NULL);
	if (TRIGGER_FIRED_BY_INSERT(data->tg_event))
	{
		operation = "INSERT";
		new_row = data->tg_trigtuple;
	}
	else if (TRIGGER_FIRED_BY_UPDATE(data->tg_event))
	{
		operation = "UPDATE";
		old_row = data->tg_trigtuple;
		new_row = data->tg_newtuple;
		if (same_row(old_row, new_row))
			return PointerGetDatum(NULL);
	}
	else
	{
		operation = "DELETE";
		old_row = data->tg_trigtuple;
	}

	if (moved_for_no_reason(table, desc, old_row, new_row))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a version of \"nurture.%s\" does not change its status without a reason", table),
				 errhint("Give the function a reason, or set nurture.change_reason.")));
	role = GetUserNameFromId(nurture_caller_role(), true);
	nurture_owner_enter(&owner);
	level = nurture_spi_connect();
	memset(nulls, ' ', sizeof(nulls));
	values[0] = TimestampTzGetDatum(nurture_now_wall());
	values[1] = CStringGetTextDatum(table);
	values[2] = CStringGetTextDatum(operation);
	nulls[3] = old_row == NULL ? 'n' : ' ';
	values[3] = old_row == NULL ? (Datum) 0 :
		heap_copy_tuple_as_datum(old_row, desc);
	nulls[4] = new_row == NULL ? 'n' : ' ';
	values[4] = new_row == NULL ? (Datum) 0 :
		heap_copy_tuple_as_datum(new_row, desc);
	values[5] = text_or_null(nurture_change_reason, &nulls[5]);
	values[6] = text_or_null(nurture_login(), &nulls[6]);
	values[7] = text_or_null(role, &nulls[7]);
	values[8] = text_or_null(nurture_app_user, &nulls[8]);
	values[9] = BoolGetDatum(nurture_now_simulated());

	guarded = nurture_guard_open();
	PG_TRY();
	{
		(void) nurture_execute(&add_change, values, nulls, false);
	}
	PG_FINALLY();
	{
		nurture_guard_close(guarded);
	}
	PG_END_TRY();

	entry.kind = "change";
	entry.object = psprintf("change:" INT64_FORMAT,
							DatumGetInt64(nurture_cell(0, 1, &null)));
	entry.outcome = table;
	entry.reason = nurture_cell_text(0, 2);
	entry.inputs = nurture_cell_text(0, 3);
	nurture_audit_append(&entry, 1);
	nurture_spi_finish(level);
	nurture_owner_leave(&owner);
	return PointerGetDatum(NULL);
}
