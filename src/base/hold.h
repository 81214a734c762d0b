/*
 * hold.h
 *	  Tables that stay open for all rows of one statement.
 *
 * Opening a table and its index for each row costs more than finding a row
 * there.  A hold lives in the executor's memory, which is fn_mcxt of a trigger
 * function or of a function in FROM, and what it has open is closed when the
 * executor ends.  Reads (read.h) and rows (row.h) that are opened with one are
 * closed by it; NULL is none, and everything is closed at once.
 *
 * Never make one for a function that may be called from an expression: PL/pgSQL
 * keeps the memory of such a call until the transaction ends, and tables that
 * are open cannot be altered.
 */
#ifndef NURTURE_HOLD_H
#define NURTURE_HOLD_H

#include "base/compat.h"
#include "utils/palloc.h"
#include "utils/resowner.h"

typedef struct Hold
{
	MemoryContext context;		/* of everything that is held */
	MemoryContextCallback release;
	ResourceOwner owner;		/* of what is open */
	uint64		serial;			/* no other hold of this backend has it */
	struct HeldRead *reads;		/* private to read.c */
	struct HeldRow *rows;		/* private to row.c */
} Hold;

extern Hold *nurture_hold_make(MemoryContext executor);

/* Tells whether something may be held: not when another owner is current. */
static inline bool
nurture_hold_serves(const Hold *hold)
{
	return hold != NULL && hold->owner == CurrentResourceOwner;
}

/* read.c and row.c: close what they have open */
extern void nurture_hold_close_reads(Hold *hold);
extern void nurture_hold_close_rows(Hold *hold);

#endif							/* NURTURE_HOLD_H */
