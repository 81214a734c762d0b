/*
 * cancel.c
 *	  Cancels messages that something which has just been recorded forbids.
 *
 * Always found with the latest snapshot: above READ COMMITTED a message that
 * committed after the transaction's own snapshot would stay queued, because
 * the sender's share lock on an asset version, say, leaves no row version that
 * would raise 40001.
 */
#include "base/compat.h"

#include "audit/audit.h"
#include "base/owner.h"
#include "base/plans.h"
#include "catalog/pg_type.h"
#include "gate/gate_private.h"
#include "utils/array.h"
#include "utils/builtins.h"

int64		nurture_cancelled_messages = 0;
uint64		nurture_gate_asset_epoch = 1;

#define CANCEL_SET \
	"UPDATE nurture.message AS m SET" \
	" status = CASE WHEN m.status OPERATOR(pg_catalog.=) 'taken'::pg_catalog.text" \
	" THEN m.status ELSE 'cancelled'::pg_catalog.text END," \
	" cancel_requested = m.status OPERATOR(pg_catalog.=) 'taken'::pg_catalog.text," \
	" reasons = pg_catalog.array_append(COALESCE(m.reasons," \
	" '{}'::pg_catalog.text[]), $1)" \
	" WHERE NOT m.cancel_requested AND "
#define CANCELLABLE \
	"m.status OPERATOR(pg_catalog.=) ANY" \
	" ('{queued,held,taken}'::pg_catalog.text[])"
#define CANCEL_RETURN \
	" RETURNING m.lead_id, m.message_id, m.status"

/*
 * The status is asked for in a way that does not match the index of waiting
 * messages by asset: a plan made while the tables are small would walk all of
 * that index for each lead.
 */
#define HAS_TAG(dimension, test) \
	"EXISTS (SELECT FROM nurture.asset_tag AS t" \
	" WHERE t.asset_id OPERATOR(pg_catalog.=) m.asset_id" \
	" AND t.version OPERATOR(pg_catalog.=) m.version" \
	" AND t.dimension OPERATOR(pg_catalog.=) '" dimension "'::pg_catalog.text" \
	" AND t.value OPERATOR(pg_catalog.=) " test ")"
#define LISTED(column, list) \
	"(" list " IS NULL OR " column " OPERATOR(pg_catalog.=) ANY (" list ")" \
	" OR '*'::pg_catalog.text OPERATOR(pg_catalog.=) ANY (" list "))"
#define MARKETING_CLASS \
	"m.message_class OPERATOR(pg_catalog.=) ANY" \
	" ('{promotional,disease_awareness}'::pg_catalog.text[])"
#define IN_SCOPE \
	"(" CANCELLABLE ") IS TRUE AND m.lead_id OPERATOR(pg_catalog.=) $2" \
	" AND (m.message_class OPERATOR(pg_catalog.=) ANY ($3)" \
	" OR m.purpose OPERATOR(pg_catalog.=) $4)" \
	" AND ($5 OPERATOR(pg_catalog.=) '*'::pg_catalog.text" \
	" OR m.channel OPERATOR(pg_catalog.=) $5 OR EXISTS" \
	" (SELECT FROM nurture.channel AS c" \
	" WHERE c.channel OPERATOR(pg_catalog.=) m.channel" \
	" AND c.consent_channel OPERATOR(pg_catalog.=) $5))" \
	" AND " LISTED("m.channel", "$6") \
	" AND ($7 OPERATOR(pg_catalog.=) '*'::pg_catalog.text OR " HAS_TAG("topic", "$7") ")" \
	" AND ($8 OPERATOR(pg_catalog.=) '*'::pg_catalog.text OR " HAS_TAG("product", "$8") ")" \
	" AND (" LISTED("m.purpose", "$9") \
	" OR (" MARKETING_CLASS " AND 'marketing'::pg_catalog.text OPERATOR(pg_catalog.=) ANY ($9)))" \
	" AND ($10 IS NULL OR m.track IS NOT NULL AND " LISTED("m.track", "$10") ")" \
	" AND ($12 IS NULL OR m.track IS DISTINCT FROM $12)" \
	" AND ($11 IS NULL OR " HAS_TAG("product", "ANY ($11)") ")" \
	" AND (NOT $13 OR m.status OPERATOR(pg_catalog.=) 'taken'::pg_catalog.text)"
#define SCOPE_TYPES \
	TEXTOID, INT8OID, TEXTARRAYOID, TEXTOID, TEXTOID, TEXTARRAYOID, TEXTOID, \
	TEXTOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TEXTOID, BOOLOID
#define SCOPE_VALUES	13

static KeptPlan cancel_lead =
KEPT_PLAN(CANCEL_SET IN_SCOPE CANCEL_RETURN, SCOPE_TYPES);

/* $1 is of the cancellation only, and still has to have a type */
static KeptPlan count_lead =
KEPT_PLAN("SELECT pg_catalog.count(*) FROM nurture.message AS m"
		  " WHERE NOT m.cancel_requested AND $1 IS NOT NULL AND " IN_SCOPE,
		  SCOPE_TYPES);

static KeptPlan cancel_asset =
KEPT_PLAN(CANCEL_SET CANCELLABLE " AND m.asset_id OPERATOR(pg_catalog.=) $2"
		  " AND m.version OPERATOR(pg_catalog.=) $3" CANCEL_RETURN,
		  TEXTOID, TEXTOID, INT4OID);

/*
 * What waits with a version that was superseded, or with one before it, is
 * held; also what was held already, so that it is looked at once more.
 */
static KeptPlan hold_asset =
KEPT_PLAN("UPDATE nurture.message AS m SET"
		  " status = CASE WHEN m.status OPERATOR(pg_catalog.=) 'taken'::pg_catalog.text"
		  " THEN m.status ELSE 'held'::pg_catalog.text END,"
		  " cancel_requested = m.status OPERATOR(pg_catalog.=) 'taken'::pg_catalog.text,"
		  " reasons = pg_catalog.array_append(pg_catalog.array_remove(pg_catalog.array_remove("
		  "COALESCE(m.reasons, '{}'::pg_catalog.text[]), 'next_version_differs'::pg_catalog.text), $1), $1)"
		  " WHERE NOT m.cancel_requested AND " CANCELLABLE
		  " AND m.asset_id OPERATOR(pg_catalog.=) $2"
		  " AND m.version OPERATOR(pg_catalog.<=) $3" CANCEL_RETURN,
		  TEXTOID, TEXTOID, INT4OID);

/* Appends an audit entry per message of the last result; returns how many. */
static int64
record_cancelled(const char *reason, const char *cause)
{
	int64		n = SPI_processed;
	AuditEntry *entries;
	const char **reasons;

	if (n == 0)
		return 0;
	entries = palloc0(sizeof(AuditEntry) * n);
	reasons = palloc(sizeof(char *));
	reasons[0] = reason;
	for (int64 row = 0; row < n; row++)
	{
		AuditEntry *entry = &entries[row];
		bool		null;

		entry->has_lead = true;
		entry->lead_id = DatumGetInt64(nurture_cell(row, 1, &null));
		entry->kind = "cancel";
		entry->object = psprintf("message:" INT64_FORMAT,
								 DatumGetInt64(nurture_cell(row, 2, &null)));
		entry->outcome = nurture_cell_text(row, 3);
		if (strcmp(entry->outcome, "taken") == 0)
			entry->outcome = "cancel_requested";
		entry->reasons = reasons;
		entry->nreasons = 1;
		entry->inputs = cause;
	}
	nurture_audit_append(entries, n);
	nurture_cancelled_messages += n;
	return n;
}

static int64
run_cancel(KeptPlan *plan, Datum *values, const char *nulls,
		   const char *reason, const char *cause)
{
	int			guarded = nurture_message_open();

	PG_TRY();
	{
		(void) nurture_execute_latest(plan, values, nulls, true);
	}
	PG_FINALLY();
	{
		nurture_message_close(guarded);
	}
	PG_END_TRY();
	/* messages a statement of ours has in memory may no longer count */
	nurture_gate_epoch++;
	return record_cancelled(reason, cause);
}

static void
put_list(Datum *value, char *null, ArrayType *list)
{
	*null = list == NULL ? 'n' : ' ';
	*value = PointerGetDatum(list);
}

/* Fills the parameters that say what a scope covers. */
static void
scope_values(const CancelScope *scope, Datum *values, char *nulls)
{
	Datum		classes[5];
	int			nclasses = 0;

	for (int bit = 1; bit <= CLASS_OPERATIONAL; bit <<= 1)
	{
		if (scope->classes & bit)
			classes[nclasses++] =
				CStringGetTextDatum(nurture_gate_class_name(bit));
	}
	memset(nulls, ' ', SCOPE_VALUES);
	values[0] = CStringGetTextDatum(scope->reason);
	values[1] = Int64GetDatum(scope->lead_id);
	values[2] = PointerGetDatum(construct_array(classes, nclasses, TEXTOID, -1,
												false, TYPALIGN_INT));
	if (scope->purpose != NULL)
		values[3] = CStringGetTextDatum(scope->purpose);
	else
		nulls[3] = 'n';
	values[4] = CStringGetTextDatum(scope->channel);
	put_list(&values[5], &nulls[5], scope->channels);
	values[6] = CStringGetTextDatum(scope->topic);
	values[7] = CStringGetTextDatum(scope->product);
	put_list(&values[8], &nulls[8], scope->purposes);
	put_list(&values[9], &nulls[9], scope->tracks);
	put_list(&values[10], &nulls[10], scope->products);
	if (scope->but_track != NULL)
		values[11] = CStringGetTextDatum(scope->but_track);
	else
		nulls[11] = 'n';
	values[12] = BoolGetDatum(scope->taken_only);
}

/*
 * Cancels what a scope covers of one lead, whose gate row has been updated.
 * Connected to SPI, as the owner.  Returns how many.
 */
int64
nurture_gate_cancel(const CancelScope *scope)
{
	Datum		values[SCOPE_VALUES];
	char		nulls[SCOPE_VALUES];

	scope_values(scope, values, nulls);
	return run_cancel(&cancel_lead, values, nulls, scope->reason,
					  scope->cause);
}

/* Returns how many messages nurture_gate_cancel would cancel. */
int64
nurture_gate_would_cancel(const CancelScope *scope)
{
	Datum		values[SCOPE_VALUES];
	char		nulls[SCOPE_VALUES];
	bool		null;

	scope_values(scope, values, nulls);
	(void) nurture_execute_latest(&count_lead, values, nulls, false);
	return DatumGetInt64(nurture_cell(0, 1, &null));
}

static int64
change_for_asset(KeptPlan *plan, const char *asset_id, int32 version,
				 const char *reason)
{
	OwnerSwitch owner;
	int			level;
	Datum		values[3];
	int64		n;

	nurture_gate_asset_epoch++;
	nurture_owner_enter(&owner);
	level = nurture_spi_connect();
	values[0] = CStringGetTextDatum(reason);
	values[1] = CStringGetTextDatum(asset_id);
	values[2] = Int32GetDatum(version);
	n = run_cancel(plan, values, NULL, reason,
				   psprintf("asset:%s:%d", asset_id, version));
	nurture_spi_finish(level);
	nurture_owner_leave(&owner);
	return n;
}

/* Cancels the messages of an asset version; see gate.h. */
int64
nurture_gate_cancel_for_asset(const char *asset_id, int32 version,
							  const char *reason)
{
	return change_for_asset(&cancel_asset, asset_id, version, reason);
}

/* Holds the messages of a superseded version; see gate.h. */
int64
nurture_gate_hold_superseded(const char *asset_id, int32 version)
{
	return change_for_asset(&hold_asset, asset_id, version, "asset_superseded");
}

/* Cancels the messages of a lead; see gate.h. */
int64
nurture_gate_cancel_for_lead(int64 lead_id, bool promotional_only,
							 const char *reason)
{
	CancelScope scope = {
		.lead_id = lead_id,
		.classes = promotional_only ? CLASS_MARKETING : CLASS_ALL,
		.channel = "*",.topic = "*",.product = "*",.reason = reason
	};
	OwnerSwitch owner;
	int			level;
	int64		n;

	nurture_owner_enter(&owner);
	level = nurture_spi_connect();
	nurture_gate_lock(lead_id);
	n = nurture_gate_cancel(&scope);
	nurture_spi_finish(level);
	nurture_owner_leave(&owner);
	return n;
}
