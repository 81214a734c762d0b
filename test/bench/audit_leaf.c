/*
 * audit_leaf.c
 *	  A trigger for the benchmark alone: puts into NEW the leaf that the product
 *	  would compute (argument "hashed"), or leaves what came ("bare").  Compiled
 *	  with the product's own leaf.c, so that two tables of the same rows differ
 *	  by nothing but the hash.
 */
#include "base/compat.h"

#include "access/htup_details.h"
#include "audit/leaf.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "utils/rel.h"

PG_MODULE_MAGIC;

PG_FUNCTION_INFO_V1(bench_leaf);
extern PGDLLEXPORT Datum bench_leaf(PG_FUNCTION_ARGS);

/* where the columns of nurture.audit stand in AuditColumn */
static const AuditColumn sources[AUDIT_COLUMNS] = {
	AUDIT_ID, AUDIT_AT, AUDIT_INCARNATION, AUDIT_XID, AUDIT_SUBJECT,
	AUDIT_LEAD_REF, AUDIT_KIND, AUDIT_OBJECT, AUDIT_OUTCOME, AUDIT_REASONS,
	AUDIT_TRIGGER, AUDIT_VERSIONS, AUDIT_INPUTS, AUDIT_SESSION_USER,
	AUDIT_EFFECTIVE_ROLE, AUDIT_APP_USER, AUDIT_REASON, AUDIT_SIMULATED,
	AUDIT_LEAF
};

Datum
bench_leaf(PG_FUNCTION_ARGS)
{
	TriggerData *data = (TriggerData *) fcinfo->context;
	TupleDesc	desc = RelationGetDescr(data->tg_relation);
	bool		hashed = strcmp(data->tg_trigger->tgargs[0], "hashed") == 0;
	Datum		stored[AUDIT_COLUMNS];
	bool		stored_nulls[AUDIT_COLUMNS];
	Datum		values[AUDIT_COLUMNS];
	bool		nulls[AUDIT_COLUMNS];
	AuditHasher hasher;
	MerkleHash	leaf = {{0}};
	bytea	   *bytes = palloc(VARHDRSZ + NURTURE_HASH_LEN);

	heap_deform_tuple(data->tg_trigtuple, desc, stored, stored_nulls);
	for (int i = 0; i < AUDIT_COLUMNS; i++)
	{
		values[sources[i]] = stored[i];
		nulls[sources[i]] = stored_nulls[i];
	}
	if (hashed)
	{
		nurture_hasher_open(&hasher);
		nurture_audit_leaf(&hasher, values, nulls, &leaf);
		nurture_hasher_close(&hasher);
	}
	SET_VARSIZE(bytes, VARHDRSZ + NURTURE_HASH_LEN);
	memcpy(VARDATA(bytes), leaf.byte, NURTURE_HASH_LEN);
	stored[AUDIT_COLUMNS - 1] = PointerGetDatum(bytes);
	stored_nulls[AUDIT_COLUMNS - 1] = false;
	return PointerGetDatum(heap_form_tuple(desc, stored, stored_nulls));
}
