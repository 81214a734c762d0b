/*
 * store.c
 *	  Stores entries in the partition they belong to, without an executor.
 *
 * A single message makes a single entry, for which an executor that finds a
 * partition costs more than all else that is done about it; and the entries of
 * a large statement are written a page at a time.  Where anything but nurture
 * itself has a say about rows of nurture.audit, the query of append.c serves.
 */
#include "base/compat.h"

#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "audit/store.h"
#include "base/owner.h"
#include "base/part.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "utils/rel.h"

/* The columns of the table in its order, and where each comes from. */
static const char *const columns[AUDIT_COLUMNS] = {
	"audit_id", "at", "incarnation", "xid", "subject", "lead_ref", "kind",
	"object", "outcome", "reasons", "trigger", "versions", "inputs",
	"session_user", "effective_role", "app_user", "reason", "simulated", "leaf"
};

static const AuditColumn sources[AUDIT_COLUMNS] = {
	AUDIT_ID, AUDIT_AT, AUDIT_INCARNATION, AUDIT_XID, AUDIT_SUBJECT,
	AUDIT_LEAD_REF, AUDIT_KIND, AUDIT_OBJECT, AUDIT_OUTCOME, AUDIT_REASONS,
	AUDIT_TRIGGER, AUDIT_VERSIONS, AUDIT_INPUTS, AUDIT_SESSION_USER,
	AUDIT_EFFECTIVE_ROLE, AUDIT_APP_USER, AUDIT_REASON, AUDIT_SIMULATED,
	AUDIT_LEAF
};

/* Tells whether inserting into the parent is nothing but finding a partition. */
static bool
parent_is_plain(Relation parent)
{
	const TriggerDesc *triggers = parent->trigdesc;

	if (parent->rd_rel->relforcerowsecurity || parent->rd_rules != NULL ||
		parent->rd_rel->relowner != GetUserId())
		return false;
	/* the guard that asks who writes is nurture's own */
	if (!nurture_row_triggers_ours(parent) ||
		(triggers != NULL &&
		 (triggers->trig_insert_before_row || triggers->trig_insert_after_row ||
		  triggers->trig_insert_after_statement ||
		  triggers->trig_insert_new_table)))
		return false;
	return nurture_part_by(parent, "at");
}

/* Returns the partition for an instant, invalid when there is none. */
static Oid
partition_for(Relation parent, TimestampTz at)
{
	Oid			part;

	return nurture_part_between(parent, at, at, &part, 1) == 1 ? part :
		InvalidOid;
}

/* Opens the partition for entries of an instant. */
bool
nurture_store_open(AuditStore *store, TimestampTz at)
{
	Relation	parent = table_open(nurture_table_oid("audit", false),
									RowExclusiveLock);

	memset(store, 0, sizeof(*store));
	if (parent_is_plain(parent))
	{
		Oid			partition = partition_for(parent, at);

		while (OidIsValid(partition) &&
			   nurture_row_open(&store->table, partition, ROW_APPEND, columns,
								AUDIT_COLUMNS))
		{
			/* another may have been attached before its lock was ours */
			Oid			now = partition_for(parent, at);

			if (now == partition &&
				store->table.rel->rd_rel->relowner == GetUserId())
			{
				store->parent = parent;
				return true;
			}
			nurture_row_close(&store->table);
			partition = now == partition ? InvalidOid : now;
		}
	}
	table_close(parent, NoLock);
	return false;
}

/* Takes an entry; answers whether all that were taken are written. */
bool
nurture_store_put(AuditStore *store, const Datum *values, const bool *nulls)
{
	TupleTableSlot *row = store->rows[store->nrows];

	if (row == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(store->table.context);

		row = store->rows[store->nrows] = table_slot_create(store->table.rel,
															NULL);
		MemoryContextSwitchTo(old);
	}
	store->nrows++;
	for (int i = 0; i < AUDIT_COLUMNS; i++)
	{
		row->tts_values[i] = values[sources[i]];
		row->tts_isnull[i] = nulls[sources[i]];
	}
	for (int i = AUDIT_COLUMNS; i < row->tts_tupleDescriptor->natts; i++)
		row->tts_isnull[i] = true;	/* dropped */
	ExecStoreVirtualTuple(row);
	if (store->nrows < STORE_ROWS)
		return false;
	nurture_store_flush(store);
	return true;
}

/* Writes what was taken. */
void
nurture_store_flush(AuditStore *store)
{
	if (store->nrows == 0)
		return;
	nurture_row_append(&store->table, store->rows, store->nrows);
	for (int i = 0; i < store->nrows; i++)
		ExecClearTuple(store->rows[i]);
	store->nrows = 0;
}

/* Ends storing; what was written shows to the next command. */
void
nurture_store_close(AuditStore *store)
{
	for (int i = 0; i < STORE_ROWS && store->rows[i] != NULL; i++)
		ExecDropSingleTupleTableSlot(store->rows[i]);
	nurture_row_close(&store->table);
	table_close(store->parent, NoLock);
	CommandCounterIncrement();
}
