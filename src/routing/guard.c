/*
 * guard.c
 *	  Hand-offs are made and moved by functions only, for those who may.
 */
#include "base/compat.h"

#include "base/errors.h"
#include "base/owner.h"
#include "base/trigger.h"
#include "routing/routing.h"
#include "routing/routing_private.h"
#include "utils/acl.h"

NURTURE_FUNCTION(nurture_handoff_guard);

static int	open_depth = 0;		/* functions that are writing right now */

/* Lets the functions of a room write hand-offs. */
void
nurture_handoffs_open(void)
{
	open_depth++;
}

/* Ends what nurture_handoffs_open began. */
void
nurture_handoffs_close(void)
{
	open_depth--;
}

/*
 * Raises unless the caller may update a table of schema nurture.  The
 * functions of this room write as the owner, so whether the caller may is
 * asked here: it takes a right that no guard would let it use directly.
 */
void
nurture_routing_right(const char *table)
{
	if (pg_class_aclcheck(nurture_table_oid(table, false),
						  nurture_caller_role(), ACL_UPDATE) != ACLCHECK_OK)
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_TABLE, table);
}

/* Trigger on nurture.handoff: refuses rows that no function of ours writes. */
Datum
nurture_handoff_guard(PG_FUNCTION_ARGS)
{
	TriggerData *data = nurture_trigger_data(fcinfo, "nurture_handoff_guard");

	if (open_depth == 0 && !nurture_erasing() && nurture_deriving())
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_APPEND_ONLY),
				 errmsg("hand-offs are changed by functions only"),
				 errhint("Use nurture_route, nurture_accept, nurture_reject, nurture_attempt, nurture_convert, nurture_return or nurture_reassign.")));
	return PointerGetDatum(TRIGGER_FIRED_BY_UPDATE(data->tg_event) ?
						   data->tg_newtuple : data->tg_trigtuple);
}
