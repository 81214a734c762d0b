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

/* Returns the trigger's data, or raises when it was not called as one. */
TriggerData *
nurture_trigger_data(FunctionCallInfo fcinfo, const char *name)
{
	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" was not called by trigger manager",
						name)));
	return (TriggerData *) fcinfo->context;
}

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
	return !check_function_bodies &&
		!row_security &&
		namespace_search_path != NULL &&
		namespace_search_path[0] == '\0' &&
		has_privs_of_role(nurture_caller_role(), nurture_owner_oid());
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
