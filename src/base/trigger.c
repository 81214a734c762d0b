/*
 * trigger.c
 *	  What every trigger function of nurture asks first, and the trigger that
 *	  announces changes of configuration tables.
 */
#include "base/compat.h"

#include "base/owner.h"
#include "base/trigger.h"
#include "catalog/namespace.h"
#include "miscadmin.h"
#include "replication/logicalworker.h"
#include "utils/acl.h"
#include "utils/guc.h"
#include "utils/inval.h"
#include "utils/rel.h"
#include "utils/rls.h"

NURTURE_FUNCTION(nurture_invalidate);

/*
 * Returns the trigger's data, or raises when it was not called as one of a
 * table of ours.  Everybody may attach a trigger function to a table of their
 * own: its columns are not what we take them for, and what is written as our
 * owner would be theirs to choose.
 */
TriggerData *
nurture_trigger_data(FunctionCallInfo fcinfo, const char *name)
{
	TriggerData *data = (TriggerData *) fcinfo->context;
	Oid			schema;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" was not called by trigger manager",
						name)));
	schema = RelationGetNamespace(data->tg_relation);
	if (schema != nurture_schema_oid(false) &&
		schema != get_namespace_oid("nurture_part", true))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("function \"%s\" is not for triggers of table \"%s\"",
						name, RelationGetRelationName(data->tg_relation)),
				 errhint("It belongs to tables of schema nurture.")));
	return data;
}

/* copies of leads are being made; see simulate.c */
static bool copying = false;

/*
 * Tells whether rows are being put back by the script of a pg_dump, so that
 * nothing may be derived from them or decided about them again.
 *
 * The mark is the preamble that every pg_dump writes (empty search_path,
 * row_security off, check_function_bodies off) in a session of the owner or a
 * superuser.  It gives nobody a right they lack: the owner may disable
 * triggers anyway, and a message without its decision is found by
 * nurture_audit_verify.
 */
bool
nurture_restoring(void)
{
	return copying || (!check_function_bodies &&
					   !row_security &&
					   namespace_search_path != NULL &&
					   namespace_search_path[0] == '\0' &&
					   has_privs_of_role(nurture_caller_role(), nurture_owner_oid()));
}

/* Lets rows be written as those of a restore are; returns what was so before. */
bool
nurture_copying_open(void)
{
	bool		before = copying;

	copying = true;
	return before;
}

/* Puts back what nurture_copying_open returned, also after an error. */
void
nurture_copying_close(bool before)
{
	copying = before;
}

/* Returns the row to be written; refuses a trigger that is not before one. */
HeapTuple
nurture_trigger_before_row(TriggerData *data, const char *name)
{
	if (!TRIGGER_FIRED_BEFORE(data->tg_event) ||
		!TRIGGER_FIRED_FOR_ROW(data->tg_event) ||
		TRIGGER_FIRED_BY_DELETE(data->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" must be fired BEFORE INSERT OR UPDATE, FOR EACH ROW",
						name)));
	return TRIGGER_FIRED_BY_UPDATE(data->tg_event) ? data->tg_newtuple :
		data->tg_trigtuple;
}

/* Refuses a trigger that is not after a statement with its rows. */
void
nurture_trigger_after_statement(TriggerData *data, const char *name)
{
	if (!TRIGGER_FIRED_AFTER(data->tg_event) ||
		!TRIGGER_FIRED_FOR_STATEMENT(data->tg_event) ||
		(data->tg_newtable == NULL && data->tg_oldtable == NULL))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" must be fired AFTER, FOR EACH STATEMENT, with its transition tables",
						name)));
}

/*
 * Tells whether triggers are to derive data and decide: not for rows of a
 * restore, nor for those of a logical apply worker, whose derived rows are
 * replicated themselves.
 */
bool
nurture_deriving(void)
{
	return !IsLogicalWorker() && !nurture_restoring();
}

/* an erasure of ours is writing */
static bool erasing = false;

/* Lets an erasure past the guards; returns what was so before. */
bool
nurture_erasing_open(void)
{
	bool		before = erasing;

	erasing = true;
	return before;
}

/* Puts back what nurture_erasing_open returned, also after an error. */
void
nurture_erasing_close(bool before)
{
	erasing = before;
}

/* Tells whether an erasure is writing. */
bool
nurture_erasing(void)
{
	return erasing;
}

/*
 * Announces a change of a configuration table to every backend's rule caches.
 * Attached twice to each such table: per statement, and per row ENABLE ALWAYS,
 * because logical apply fires row triggers only.
 */
Datum
nurture_invalidate(PG_FUNCTION_ARGS)
{
	TriggerData *data = nurture_trigger_data(fcinfo, "nurture_invalidate");

	CacheInvalidateRelcacheByRelid(RelationGetRelid(data->tg_relation));
	return PointerGetDatum(NULL);
}
