/*
 * hold.c
 *	  Tables that stay open for all rows of one statement.
 */
#include "base/compat.h"

#include "access/xact.h"
#include "base/hold.h"
#include "utils/memutils.h"

static uint64 holds_made = 0;

/*
 * The executor ends: closes what is held.  When the transaction is being
 * rolled back, the resource owner has it all.
 */
static void
release_hold(void *arg)
{
	Hold	   *hold = arg;
	ResourceOwner owner = CurrentResourceOwner;

	if (!IsTransactionState())
		return;
	CurrentResourceOwner = hold->owner;
	nurture_hold_close_reads(hold);
	nurture_hold_close_rows(hold);
	CurrentResourceOwner = owner;
}

/*
 * Makes a hold that is released with the executor, NULL where there is none:
 * the memory of a COPY outlives the owner of what it has open.
 *
 * Nothing that is held may have a context of its own below the hold's:
 * children go before the callback.
 */
Hold	   *
nurture_hold_make(MemoryContext executor)
{
	MemoryContext context;
	Hold	   *hold;

	if (strcmp(executor->name, "ExecutorState") != 0)
		return NULL;
	context = AllocSetContextCreate(executor, "nurture hold",
									ALLOCSET_DEFAULT_SIZES);
	hold = MemoryContextAllocZero(context, sizeof(Hold));
	hold->context = context;
	hold->serial = ++holds_made;
	hold->owner = CurrentResourceOwner;
	hold->release.func = release_hold;
	hold->release.arg = hold;
	MemoryContextRegisterResetCallback(context, &hold->release);
	return hold;
}
