/*
 * read.h
 *	  Rows of a table by the leading columns of an index, without a plan.
 *
 * For what is read of a lead under its gate row: an executor that is started
 * for one row costs ten times what finding it does.  A read is declared static
 * beside the code that uses it, its columns in the order of an enum there:
 *
 *		static KeptRead read_stage = {
 *			"lead_stage", {{"lead_id", INT8OID}, {"product", TEXTOID}},
 *			{[STAGE_STAGE] = {"stage", TEXTOID}}
 *		};
 *
 * One more column is one more line there.  The rows found are those whose key
 * columns equal the values given, in no order; what else is asked of them is
 * asked in C.
 *
 * Where a table is not as plain as it has to be (partitioned, foreign,
 * distributed, under row-level security that binds the owner, of another
 * owner, without such an index) the same rows come from a kept plan made of
 * the same columns.
 */
#ifndef NURTURE_READ_H
#define NURTURE_READ_H

#include "base/compat.h"
#include "access/genam.h"
#include "access/skey.h"
#include "base/hold.h"
#include "base/plans.h"
#include "executor/tuptable.h"
#include "utils/relcache.h"
#include "utils/snapshot.h"

#define KEPT_READ_MAX_KEYS		2
#define KEPT_READ_MAX_COLUMNS	24
#define READ_ANY_TYPE			InvalidOid

typedef struct ReadColumn
{
	const char *name;			/* "xmin" is the system column */
	Oid			type;			/* READ_ANY_TYPE: whatever it is */
} ReadColumn;

typedef struct KeptRead
{
	const char *table;			/* of schema nurture */
	ReadColumn	keys[KEPT_READ_MAX_KEYS];	/* end at the first NULL */
	ReadColumn	columns[KEPT_READ_MAX_COLUMNS]; /* likewise */
	bool		share;			/* the rows found are locked FOR SHARE */

	/* private to read.c */
	bool		ready;			/* what follows holds */
	bool		direct;			/* by the index */
	bool		known;			/* its callback list has it */
	int			nkeys;
	int			ncolumns;
	int			deepest;		/* last column of the table that is read */
	Oid			part;			/* read instead of the table, a partition */
	const struct KeptRead *whole;	/* of which it is that partition's copy */
	struct KeptRead *last_part; /* the copy that was asked for last */
	uint64		hold;			/* serial of the hold that held it last: */
	struct HeldRead *held;		/* its entry there */
	Oid			relid;
	Oid			index;
	ScanKeyData scankeys[KEPT_READ_MAX_KEYS];
	AttrNumber	place[KEPT_READ_MAX_COLUMNS];
	KeptPlan	plan;
	struct KeptRead *next;
} KeptRead;

typedef struct RowRead
{
	KeptRead   *kept;
	struct HeldRead *held;		/* that this is a use of; NULL: its own */
	MemoryContext context;		/* of the hold */
	Snapshot	snapshot;
	Relation	rel;			/* NULL: by the plan */
	Relation	index;
	IndexScanDesc scan;
	TupleTableSlot *slot;
	SPITupleTable *rows;		/* of the plan */
	uint64		nrows;
	uint64		row;			/* the next */
	int			level;			/* of the plan's connection */
} RowRead;

/*
 * A row that is locked is read as it is once the lock is ours; above READ
 * COMMITTED one that was changed since the snapshot raises 40001.
 *
 * open, find with one value per key column, next until false, find again,
 * close.  The snapshot is active or registered meanwhile.
 */
extern void nurture_read_open(RowRead *read, KeptRead *kept,
							  Snapshot snapshot);

/* The same of one partition; false when that needs a query. */
extern bool nurture_read_open_part(RowRead *read, KeptRead *kept, Oid part,
								   Hold *hold,
								   Snapshot snapshot);

/* The same with a hold, NULL = none. */
extern void nurture_read_open_held(RowRead *read, KeptRead *kept,
								   Hold *hold, Snapshot snapshot);
extern void nurture_read_find(RowRead *read, const Datum *keys);
extern bool nurture_read_next(RowRead *read);
extern void nurture_read_close(RowRead *read);

/* One column of the row at hand; a reference lives until the next. */
extern Datum nurture_read_cell(const RowRead *read, int column, bool *isnull);

/* A text column, copied into the current memory context; NULL when null. */
extern char *nurture_read_text(const RowRead *read, int column);

/* Equality of a text column with a word, without a copy; false when null. */
extern bool nurture_read_is(const RowRead *read, int column,
							const char *word);

extern void nurture_read_init(void);

#endif							/* NURTURE_READ_H */
