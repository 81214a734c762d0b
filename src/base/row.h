/*
 * row.h
 *	  One row of a table by its primary key, without a plan.
 *
 * For the two writes that every single event makes.  An executor that is
 * started for one row costs as much as writing it; these functions call what
 * it would call, as the server's own apply worker of logical replication
 * does.  They are for plain tables only: nurture_row_open says no when
 * triggers would fire, row-level security binds the owner, or there are
 * columns nobody here knows, and the caller then runs its query.
 *
 * Rows are found with the snapshot given.  Counts and keys are facts about
 * the table and use the latest at any isolation level; who uses the
 * transaction's raises 40001 when an update gives way above READ COMMITTED.
 */
#ifndef NURTURE_ROW_H
#define NURTURE_ROW_H

#include "base/compat.h"
#include "access/genam.h"
#include "base/hold.h"
#include "executor/tuptable.h"
#include "nodes/execnodes.h"
#include "utils/relcache.h"
#include "utils/snapshot.h"

typedef struct RowTable
{
	MemoryContext context;		/* in which it was opened, and is kept */
	Relation	rel;
	Relation	index;			/* of the primary key; NULL until needed */
	TupleTableSlot *found;		/* the row that find has found */
	TupleTableSlot *row;		/* the row to write */
	EState	   *estate;			/* NULL until an index has to be written */
	ResultRelInfo *info;		/* likewise */
	int			nplain;			/* indexes to append to without an executor: */
	struct PlainIndex *plain;	/* NULL = not looked at, or some need one */
	IndexScanDesc scan;			/* of the primary key; NULL until needed */
	bool		deleted;		/* by whom update gave way to */
	bool		held;			/* stays open: close leaves it so */
} RowTable;

typedef enum RowUse
{
	ROW_READ,
	ROW_UPDATE,					/* further columns are kept as they are */
	ROW_INSERT,					/* there are no further columns */
	ROW_APPEND					/* likewise; many rows, their keys are new */
} RowUse;

/* Tells whether all triggers of a table are nurture's. */
extern bool nurture_row_triggers_ours(Relation rel);

/* Tells whether the owner finds a table's rows in it and nowhere else. */
extern bool nurture_row_is_table(Relation rel);

/*
 * Opens a table, whose first columns are the given ones unless it is only
 * read; false when it is not as plain as it has to be.
 */
extern bool nurture_row_open(RowTable *table, Oid oid, RowUse use,
							 const char *const *columns, int ncolumns);
extern void nurture_row_close(RowTable *table);

/*
 * The same with a hold, NULL = none: returns the held table, or *own, which it
 * opens; NULL when it is not as plain as it has to be.
 */
extern RowTable *nurture_row_open_held(RowTable *own, Hold *hold, Oid oid,
									   RowUse use,
									   const char *const *columns,
									   int ncolumns);

/* Finds a row by a primary key of one bigint, as of a snapshot. */
extern bool nurture_row_find(RowTable *table, int64 key, Snapshot snapshot);

/*
 * Writes table->row in place of table->found, waiting for others; false when
 * one of them has changed or deleted that version: then find again.
 */
extern bool nurture_row_update(RowTable *table, Snapshot snapshot);

/* Stores rows of slots of the table, all of whose keys are new. */
extern void nurture_row_append(RowTable *table, TupleTableSlot **rows,
							   int nrows);

/* Stores table->row, as ON CONFLICT DO NOTHING does; false when not. */
extern bool nurture_row_insert(RowTable *table);

#endif							/* NURTURE_ROW_H */
