/*
 * store.h
 *	  Private to the audit room: storing entries without an executor.
 */
#ifndef NURTURE_AUDIT_STORE_H
#define NURTURE_AUDIT_STORE_H

#include "base/compat.h"

#include "audit/leaf.h"
#include "base/row.h"
#include "datatype/timestamp.h"

#define STORE_ROWS	64			/* written at a time */

typedef struct AuditStore
{
	Relation	parent;
	RowTable	table;			/* the partition */
	TupleTableSlot *rows[STORE_ROWS];	/* NULL until needed */
	int			nrows;			/* put and not written yet */
} AuditStore;

/*
 * Opens the partition for entries of an instant; false when the tables are not
 * as plain as that needs.  What put is given must last until it answers true,
 * or until flush: then it was written.
 */
extern bool nurture_store_open(AuditStore *store, TimestampTz at);
extern bool nurture_store_put(AuditStore *store, const Datum *values,
							  const bool *nulls);
extern void nurture_store_flush(AuditStore *store);
extern void nurture_store_close(AuditStore *store);

#endif							/* NURTURE_AUDIT_STORE_H */
