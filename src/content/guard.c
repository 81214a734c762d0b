/*
 * guard.c
 *	  Guards of versioned rules and content: what was submitted or published
 *	  does not change, and a status moves through functions only.
 *
 * The triggers are ENABLE ALWAYS, so that session_replication_role changes
 * nothing; rows of a restore and of a logical apply worker come as they are.
 */
#include "base/compat.h"

#include "base/errors.h"
#include "base/owner.h"
#include "base/plans.h"
#include "base/trigger.h"
#include "catalog/pg_type.h"
#include "content/content.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/rel.h"

NURTURE_FUNCTION(nurture_asset_guard);
NURTURE_FUNCTION(nurture_version_guard);
NURTURE_FUNCTION(nurture_version_part_guard);

static int	open_depth = 0;		/* functions that are writing right now */

/*
 * FOR SHARE, so that nobody submits or publishes the version between this
 * look and the end of our transaction.
 */
static KeptPlan asset_status =
KEPT_PLAN("SELECT status "
		  "FROM nurture.asset_version "
		  "WHERE asset_id = $1 AND version = $2 FOR SHARE",
		  TEXTOID, INT4OID);
static KeptPlan selection_status =
KEPT_PLAN("SELECT status "
		  "FROM nurture.selection_version "
		  "WHERE selection = $1 AND version = $2 FOR SHARE",
		  TEXTOID, INT4OID);
static KeptPlan experiment_status =
KEPT_PLAN("SELECT status "
		  "FROM nurture.experiment "
		  "WHERE experiment = $1 AND version = $2 FOR SHARE",
		  TEXTOID, INT4OID);
static KeptPlan track_status =
KEPT_PLAN("SELECT status "
		  "FROM nurture.track_version "
		  "WHERE track = $1 AND version = $2 FOR SHARE",
		  TEXTOID, INT4OID);

/* Lets the functions of a room write what the guards protect. */
void
nurture_versions_open(void)
{
	open_depth++;
}

/* Ends what nurture_versions_open began. */
void
nurture_versions_close(void)
{
	open_depth--;
}

/* Runs a write with the latest snapshot while the guards are open. */
void
nurture_versions_write(KeptPlan *plan, Datum *values, const char *nulls)
{
	nurture_versions_open();
	PG_TRY();
	{
		(void) nurture_execute_latest(plan, values, nulls, true);
	}
	PG_FINALLY();
	{
		nurture_versions_close();
	}
	PG_END_TRY();
}

/* Tells whether a function is writing right now. */
bool
nurture_versions_writing(void)
{
	return open_depth > 0;
}

static char *
column_text(HeapTuple tuple, TupleDesc desc, const char *column)
{
	return SPI_getvalue(tuple, desc, SPI_fnumber(desc, column));
}

/* Tells whether a column has another value in the new row. */
static bool
column_differs(HeapTuple old_row, HeapTuple new_row, TupleDesc desc,
			   const char *column)
{
	int			number = SPI_fnumber(desc, column);
	Form_pg_attribute att = TupleDescAttr(desc, number - 1);
	bool		old_null;
	bool		new_null;
	Datum		old_value = SPI_getbinval(old_row, desc, number, &old_null);
	Datum		new_value = SPI_getbinval(new_row, desc, number, &new_null);

	if (old_null || new_null)
		return old_null != new_null;
	return !datum_image_eq(old_value, new_value, att->attbyval, att->attlen);
}

/* Raises when a row does not begin its life as a draft. */
static void
check_begins_as_draft(HeapTuple row, TupleDesc desc, const char *table,
					  const char *hint)
{
	char	   *status = column_text(row, desc, "status");

	if (status != NULL && strcmp(status, "draft") != 0)
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_BAD_STATE),
				 errmsg("a row of \"%s\" begins as draft, not as \"%s\"",
						table, status),
				 errhint("%s", hint)));
}

static void
refuse_truncate(const char *table)
{
	ereport(ERROR,
			(errcode(NURTURE_ERRCODE_APPEND_ONLY),
			 errmsg("\"%s\" cannot be truncated", table),
			 errhint("Delete single drafts instead.")));
}

/*
 * Trigger on nurture.asset_version and nurture.claim: drafts may be edited,
 * everything else moves through functions.
 */
Datum
nurture_asset_guard(PG_FUNCTION_ARGS)
{
	TriggerData *data = nurture_trigger_data(fcinfo, "nurture_asset_guard");
	TupleDesc	desc = RelationGetDescr(data->tg_relation);
	HeapTuple	result = TRIGGER_FIRED_BY_UPDATE(data->tg_event) ?
	data->tg_newtuple : data->tg_trigtuple;
	bool		asset = strcmp(RelationGetRelationName(data->tg_relation), "asset_version") == 0;
	const char *table = asset ? "nurture.asset_version" : "nurture.claim";
	const char *thing = asset ? "asset" : "claim";
	const char *hint = asset ? "Use nurture_set_asset_status or nurture_approve." :
	"Use nurture_set_claim_status or nurture_approve.";
	const char *protected_columns[] = {
		NameStr(TupleDescAttr(desc, 0)->attname), "version", "status", "approved_by", "approved_at",
		"content_hash", "status_reason"
	};
	char	   *status;

	if (TRIGGER_FIRED_BY_TRUNCATE(data->tg_event))
	{
		if (nurture_deriving())
			refuse_truncate(table);
		return PointerGetDatum(NULL);
	}
	if (open_depth > 0 || !nurture_deriving())
		return PointerGetDatum(result);

	if (TRIGGER_FIRED_BY_INSERT(data->tg_event))
	{
		check_begins_as_draft(result, desc, table, hint);
		return PointerGetDatum(result);
	}

	status = column_text(data->tg_trigtuple, desc, "status");
	if (strcmp(status, "draft") != 0)
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_PUBLISHED),
				 errmsg("version %s of %s \"%s\" is %s and cannot be changed",
						column_text(data->tg_trigtuple, desc, "version"), thing,
						SPI_getvalue(data->tg_trigtuple, desc, 1), status),
				 errhint("Add a new version%s; the status moves with nurture_set_%s_status.",
						 asset ? " with nurture_add_asset" : "", thing)));
	if (TRIGGER_FIRED_BY_UPDATE(data->tg_event))
	{
		for (int i = 0; i < lengthof(protected_columns); i++)
		{
			if (column_differs(data->tg_trigtuple, data->tg_newtuple, desc,
							   protected_columns[i]))
				ereport(ERROR,
						(errcode(NURTURE_ERRCODE_BAD_STATE),
						 errmsg("column \"%s\" of %s version is changed by functions only",
								protected_columns[i], asset ? "an asset" : "a claim"),
						 errhint("%s", hint)));
		}
	}
	return PointerGetDatum(result);
}

/*
 * Trigger on selection_version, track_version and approval: versions begin as
 * drafts and change until they are published; signatures never change.
 */
Datum
nurture_version_guard(PG_FUNCTION_ARGS)
{
	TriggerData *data = nurture_trigger_data(fcinfo, "nurture_version_guard");
	TupleDesc	desc = RelationGetDescr(data->tg_relation);
	HeapTuple	result = TRIGGER_FIRED_BY_UPDATE(data->tg_event) ?
	data->tg_newtuple : data->tg_trigtuple;
	const char *table = RelationGetRelationName(data->tg_relation);
	const char *hint = "Use nurture_publish.";
	char	   *status;

	if (open_depth > 0 || !nurture_deriving())
		return PointerGetDatum(result);
	if (SPI_fnumber(desc, "status") == SPI_ERROR_NOATTRIBUTE)
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_APPEND_ONLY),
				 errmsg("rows of \"nurture.%s\" are written by functions only",
						table),
				 strcmp(table, "approval") == 0 ? errhint("Use nurture_approve.") :
				 errhint("They come with what they record.")));
	if (TRIGGER_FIRED_BY_INSERT(data->tg_event))
	{
		check_begins_as_draft(result, desc, psprintf("nurture.%s", table), hint);
		return PointerGetDatum(result);
	}
	status = column_text(data->tg_trigtuple, desc, "status");
	if (strcmp(status, "draft") != 0)
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_PUBLISHED),
				 errmsg("version %s of \"%s\" is %s and cannot be changed",
						column_text(data->tg_trigtuple, desc, "version"),
						SPI_getvalue(data->tg_trigtuple, desc, 1), status),
				 errhint("Make a new version with nurture_draft.")));
	if (TRIGGER_FIRED_BY_UPDATE(data->tg_event) &&
		column_differs(data->tg_trigtuple, data->tg_newtuple, desc, "status"))
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_BAD_STATE),
				 errmsg("the status of a version is changed by functions only"),
				 errhint("%s", hint)));
	return PointerGetDatum(result);
}

static KeptPlan *
parent_plan(const char *parent)
{
	if (strcmp(parent, "asset_version") == 0)
		return &asset_status;
	if (strcmp(parent, "selection_version") == 0)
		return &selection_status;
	if (strcmp(parent, "experiment") == 0)
		return &experiment_status;
	if (strcmp(parent, "track_version") == 0)
		return &track_status;
	elog(ERROR, "unknown version table \"%s\"", parent);
	return NULL;				/* not reached */
}

/* Raises when the version that a row is part of is no draft any more. */
static void
check_parent_is_draft(const char *parent, HeapTuple row, TupleDesc desc)
{
	int			number = SPI_fnumber(desc, "version");
	Datum		values[2];
	bool		isnull[2];
	char	   *status = NULL;

	values[0] = SPI_getbinval(row, desc, 1, &isnull[0]);
	values[1] = SPI_getbinval(row, desc, number, &isnull[1]);
	if (isnull[0] || isnull[1])
		return;					/* NOT NULL says it better */
	if (nurture_execute(parent_plan(parent), values, NULL, false) > 0 &&
		SPI_processed > 0)
		status = nurture_cell_text(0, 1);
	/* none: the foreign key speaks, or the whole version is being deleted */
	if (status != NULL && strcmp(status, "draft") != 0)
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_PUBLISHED),
				 errmsg("version %d of \"%s\" is %s and cannot be changed",
						DatumGetInt32(values[1]),
						SPI_getvalue(row, desc, 1), status),
				 errhint("Make a new version.")));
}

/*
 * Trigger on the tables that hold the parts of a version (tags, weights,
 * steps): written while the version is a draft.  Argument: its table.
 */
Datum
nurture_version_part_guard(PG_FUNCTION_ARGS)
{
	TriggerData *data = nurture_trigger_data(fcinfo, "nurture_version_part_guard");
	TupleDesc	desc = RelationGetDescr(data->tg_relation);
	bool		update = TRIGGER_FIRED_BY_UPDATE(data->tg_event);
	HeapTuple	result = update ? data->tg_newtuple : data->tg_trigtuple;
	const char *parent = data->tg_trigger->tgargs[0];
	OwnerSwitch save;
	int			level;

	if (open_depth > 0 || !nurture_deriving())
		return PointerGetDatum(result);
	nurture_owner_enter(&save);
	level = nurture_spi_connect();
	check_parent_is_draft(parent, data->tg_trigtuple, desc);
	if (update)
		check_parent_is_draft(parent, data->tg_newtuple, desc);
	nurture_spi_finish(level);
	nurture_owner_leave(&save);
	return PointerGetDatum(result);
}
