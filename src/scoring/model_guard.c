/*
 * model_guard.c
 *	  Keeps published versions as they are, and refuses rules that cannot be
 *	  understood when they are written.
 */
#include "base/compat.h"

#include "access/htup_details.h"
#include "base/errors.h"
#include "base/owner.h"
#include "base/plans.h"
#include "base/settings.h"
#include "base/trigger.h"
#include "catalog/pg_type.h"
#include "content/content.h"
#include "facts/vocabulary.h"
#include "scoring/model_private.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

NURTURE_FUNCTION(nurture_guard_versioned);
NURTURE_FUNCTION(nurture_guard_version);

/*
 * FOR SHARE, so that a publish in another transaction waits for this edit, or
 * this edit sees that the version is published.
 */
static KeptPlan lock_version = KEPT_PLAN("SELECT status FROM nurture.model_version WHERE model = $1 AND version = $2 FOR SHARE",
										 TEXTOID, INT4OID);

static char *
column_text(Relation rel, HeapTuple tuple, const char *column)
{
	int			number = SPI_fnumber(RelationGetDescr(rel), column);

	return number > 0 ? SPI_getvalue(tuple, RelationGetDescr(rel), number) : NULL;
}

static void refuse_change(const char *model, const char *version, const char *status) pg_attribute_noreturn();

static void
refuse_change(const char *model, const char *version, const char *status)
{
	ereport(ERROR,
			(errcode(NURTURE_ERRCODE_PUBLISHED),
			 errmsg("version %s of model \"%s\" is %s and cannot be changed",
					version, model, status),
			 errhint("Make a new version with nurture_draft('model', '%s', %s), change that and publish it.",
					 model, version)));
}

static void
check_draft(Relation rel, HeapTuple tuple)
{
	char	   *model = column_text(rel, tuple, "model");
	char	   *version = column_text(rel, tuple, "version");
	Datum		values[2];
	OwnerSwitch save;
	char	   *status = NULL;
	int			level;

	if (model == NULL || version == NULL)
		return;					/* NOT NULL says it better */
	values[0] = CStringGetTextDatum(model);
	values[1] = Int32GetDatum(pg_strtoint32(version));
	nurture_owner_enter(&save);
	level = nurture_spi_connect();
	nurture_execute(&lock_version, values, NULL, false);
	if (SPI_processed > 0)
		status = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
	if (status != NULL && strcmp(status, "draft") != 0)
		refuse_change(model, version, status);
	nurture_spi_finish(level);
	nurture_owner_leave(&save);
}

/* Compiles what the row says, so that a rule that makes no sense is refused. */
static void
check_rule(Relation rel, HeapTuple tuple)
{
	const char *table = RelationGetRelationName(rel);
	char	   *condition = column_text(rel, tuple, "condition");
	char	   *owner;

	if (strcmp(table, "fit_rule") == 0)
	{
		owner = psprintf("fit rule \"%s\"", column_text(rel, tuple, "rule"));
		if (condition)
			nurture_condition_compile(condition, owner);
		else if (column_text(rel, tuple, "attribute") && column_text(rel, tuple, "operator"))
			nurture_condition_compile_fact(column_text(rel, tuple, "attribute"),
										   column_text(rel, tuple, "operator"),
										   column_text(rel, tuple, "operand"), owner);
	}
	else if (strcmp(table, "pattern") == 0 && condition)
		nurture_condition_compile(condition, psprintf("pattern \"%s\"", column_text(rel, tuple, "pattern")));
	else if (strcmp(table, "tier_rule") == 0 && condition)
		nurture_condition_compile(condition, psprintf("tier rule \"%s\"", column_text(rel, tuple, "requirement")));
	else if (strcmp(table, "signal_rule") == 0)
	{
		char	   *signal = column_text(rel, tuple, "signal");
		char	   *curve = column_text(rel, tuple, "curve");
		char	   *days = column_text(rel, tuple, "curve_days");
		char	   *per_day = column_text(rel, tuple, "per_day_max");

		owner = psprintf("signal rule \"%s\"", column_text(rel, tuple, "rule"));
		if (signal && nurture_signal_id(signal, strlen(signal)) < 0)
			nurture_unknown_code(COND_NAME_SIGNAL, "signal", signal);
		if (curve)
			nurture_model_curve(owner, curve, days ? pg_strtoint32(days) : 0,
								column_text(rel, tuple, "curve_steps"), nurture_horizon_days);
		if (curve && strcmp(curve, "none") == 0 && per_day && pg_strtoint32(per_day) > 1)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("%s: per_day_max above 1 needs a curve that fades", owner),
					 errdetail("Days before the horizon are folded into one count with the number of their days."),
					 errhint("Use per_day_max 1, none, or a curve.")));
	}
}

/* Trigger on rule tables: rows of drafts may change, nothing else. */
Datum
nurture_guard_versioned(PG_FUNCTION_ARGS)
{
	TriggerData *data = nurture_trigger_data(fcinfo, "nurture_guard_versioned");
	Relation	rel = data->tg_relation;
	HeapTuple	row;

	if (!nurture_deriving())
		return PointerGetDatum(TRIGGER_FIRED_BY_UPDATE(data->tg_event) ?
							   data->tg_newtuple : data->tg_trigtuple);
	if (TRIGGER_FIRED_BY_TRUNCATE(data->tg_event))
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_PUBLISHED),
				 errmsg("table \"%s\" cannot be truncated", RelationGetRelationName(rel)),
				 errhint("It holds published versions; delete the rows of a draft instead.")));
	check_draft(rel, data->tg_trigtuple);
	if (TRIGGER_FIRED_BY_DELETE(data->tg_event))
		return PointerGetDatum(data->tg_trigtuple);
	row = data->tg_trigtuple;
	if (TRIGGER_FIRED_BY_UPDATE(data->tg_event))
	{
		row = data->tg_newtuple;
		check_draft(rel, row);
	}
	check_rule(rel, row);
	return PointerGetDatum(row);
}

static bool
same_column(Relation rel, HeapTuple a, HeapTuple b, const char *column)
{
	char	   *x = column_text(rel, a, column);
	char	   *y = column_text(rel, b, column);

	return (x == NULL && y == NULL) || (x && y && strcmp(x, y) == 0);
}

/*
 * Trigger on nurture.model_version: a version is made as a draft, and its
 * status moves through nurture_publish only.
 */
Datum
nurture_guard_version(PG_FUNCTION_ARGS)
{
	TriggerData *data = nurture_trigger_data(fcinfo, "nurture_guard_version");
	Relation	rel = data->tg_relation;
	HeapTuple	old = data->tg_trigtuple;
	HeapTuple	row = TRIGGER_FIRED_BY_UPDATE(data->tg_event) ? data->tg_newtuple : old;

	if (!nurture_deriving() || nurture_versions_writing())
		return PointerGetDatum(row);
	if (TRIGGER_FIRED_BY_TRUNCATE(data->tg_event))
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_PUBLISHED),
				 errmsg("table \"%s\" cannot be truncated", RelationGetRelationName(rel))));
	if (TRIGGER_FIRED_BY_INSERT(data->tg_event))
	{
		if (strcmp(column_text(rel, row, "status"), "draft") != 0)
			ereport(ERROR,
					(errcode(NURTURE_ERRCODE_BAD_STATE),
					 errmsg("a version begins as a draft"),
					 errhint("Insert it with status draft and call nurture_publish.")));
		return PointerGetDatum(row);
	}
	if (strcmp(column_text(rel, old, "status"), "draft") != 0)
		refuse_change(column_text(rel, old, "model"), column_text(rel, old, "version"),
					  column_text(rel, old, "status"));
	if (TRIGGER_FIRED_BY_UPDATE(data->tg_event))
	{
		static const char *const fixed[] = {"model", "version", "status", "published_at",
		"retired_at", "content_hash", "approver"};

		for (int i = 0; i < lengthof(fixed); i++)
		{
			if (!same_column(rel, old, row, fixed[i]))
				ereport(ERROR,
						(errcode(NURTURE_ERRCODE_BAD_STATE),
						 errmsg("column \"%s\" of a version is set by nurture_draft and nurture_publish only", fixed[i]),
						 errhint("Call nurture_publish('model', model, version, reason).")));
		}
	}
	return PointerGetDatum(row);
}
