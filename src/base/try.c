/*
 * try.c
 *	  Work in a subtransaction of its own.
 */
#include "base/compat.h"

#include "access/xact.h"
#include "base/try.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

bool
nurture_error_of_data(int sqlstate)
{
	switch (ERRCODE_TO_CATEGORY(sqlstate))
	{
		case ERRCODE_DATA_EXCEPTION:
		case ERRCODE_INTEGRITY_CONSTRAINT_VIOLATION:
		case ERRCODE_WITH_CHECK_OPTION_VIOLATION:
		case ERRCODE_PLPGSQL_ERROR:
		case ERRCODE_PROGRAM_LIMIT_EXCEEDED:
			return true;
		default:
			return false;
	}
}

static ErrorData *
try_work(void (*work) (void *arg), void *arg,
		 bool (*about_data) (int sqlstate), bool keep)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	ErrorData  *volatile failure = NULL;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		work(arg);
		if (keep)
			ReleaseCurrentSubTransaction();
		else
			RollbackAndReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		failure = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		if (!about_data(failure->sqlerrcode))
		{
			/* whoever catches it ends the transaction it began itself */
			MemoryContextSwitchTo(context);
			CurrentResourceOwner = owner;
			ReThrowError(failure);
		}
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	return failure;
}

ErrorData  *
nurture_try(void (*work) (void *arg), void *arg,
			bool (*about_data) (int sqlstate))
{
	return try_work(work, arg, about_data, true);
}

ErrorData  *
nurture_try_undone(void (*work) (void *arg), void *arg,
				   bool (*about_data) (int sqlstate))
{
	return try_work(work, arg, about_data, false);
}
