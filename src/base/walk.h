/*
 * walk.h
 *	  All rows of a table in the order of its primary key of one bigint,
 *	  without a plan.
 *
 * For passes over whole tables, in which the executor costs as much as what is
 * done with a row.  The rows are those that a query of the current user would
 * find with the snapshot given, and none is copied: what a row holds is good
 * until the next is asked for.
 *
 * A walk is of plain tables only: nurture_walk_open says no where a query has
 * to do it (no heap, partitioned, foreign, distributed, rules; row-level
 * security that binds the user; a column that is missing or that the user may
 * not read, of which the query then complains; SERIALIZABLE, where what was
 * read has to be noted; extensions that check or log what queries read).
 */
#ifndef NURTURE_WALK_H
#define NURTURE_WALK_H

#include "base/compat.h"
#include "access/genam.h"
#include "access/htup_details.h"
#include "base/read.h"
#include "executor/tuptable.h"
#include "storage/buf.h"
#include "utils/relcache.h"
#include "utils/snapshot.h"

typedef struct KeyWalk
{
	Relation	rel;
	Relation	index;
	IndexScanDesc scan;
	Snapshot	snapshot;
	TupleTableSlot *slot;		/* the row at hand */
	int			ncolumns;
	int			deepest;		/* last column of the table that is read */
	AttrNumber	key;			/* column of the key */
	AttrNumber	place[KEPT_READ_MAX_COLUMNS * 2];

	/* rows whose keys follow each other and that lie in one page */
	Buffer		buffer;
	int			n;
	int			next;
	HeapTupleData rows[MaxHeapTuplesPerPage];
	bool		more;			/* waiting holds where the next run begins */
	ItemPointerData waiting;
} KeyWalk;

/*
 * Opens a walk over a table of schema nurture; false when that needs a query.
 * The key is the first column.  The snapshot is active or registered
 * meanwhile.
 */
extern bool nurture_walk_open(KeyWalk *walk, const char *table,
							  const ReadColumn *columns, int ncolumns,
							  Snapshot snapshot);

/* Moves to the next row; false when there is none. */
extern bool nurture_walk_next(KeyWalk *walk);
extern void nurture_walk_close(KeyWalk *walk);

/* The row at hand as it lies in its page. */
static inline HeapTuple
nurture_walk_row(KeyWalk *walk)
{
	return &walk->rows[walk->next - 1];
}

/* Whether a column of the row at hand is null, without taking it apart. */
static inline bool
nurture_walk_isnull(KeyWalk *walk, int column)
{
	return heap_attisnull(nurture_walk_row(walk), walk->place[column],
						  walk->slot->tts_tupleDescriptor);
}

/* Takes the row at hand apart; its columns can be read then. */
extern void nurture_walk_deform(KeyWalk *walk);

/* One column of a row that was taken apart. */
static inline Datum
nurture_walk_cell(const KeyWalk *walk, int column, bool *isnull)
{
	int			place = walk->place[column] - 1;

	*isnull = walk->slot->tts_isnull[place];
	return walk->slot->tts_values[place];
}

#endif							/* NURTURE_WALK_H */
