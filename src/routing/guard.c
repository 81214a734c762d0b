/*
 * guard.c
 *	  Hand-offs are made and moved by functions only.
 */
#include "base/compat.h"

#include "base/errors.h"
#include "base/trigger.h"
#include "routing/routing.h"

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

/* Trigger on nurture.handoff: refuses rows that no function of ours writes. */
Datum
nurture_handoff_guard(PG_FUNCTION_ARGS)
{
	TriggerData *data = nurture_trigger_data(fcinfo, "nurture_handoff_guard");

	if (open_depth == 0 && nurture_deriving())
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_APPEND_ONLY),
				 errmsg("hand-offs are changed by functions only"),
				 errhint("Use nurture_route, nurture_accept, nurture_reject, nurture_attempt, nurture_convert, nurture_return or nurture_reassign.")));
	return PointerGetDatum(TRIGGER_FIRED_BY_UPDATE(data->tg_event) ?
						   data->tg_newtuple : data->tg_trigtuple);
}
