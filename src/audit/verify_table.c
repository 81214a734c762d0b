/*
 * verify_table.c
 *	  Compares tables that no leaf covers with the entries about them: the
 *	  change log, messages, and the incarnations.
 */
#include "base/compat.h"

#include "audit/finding.h"
#include "base/owner.h"
#include "base/plans.h"
#include "catalog/pg_type.h"

static KeptPlan check_incarnations =
KEPT_PLAN("SELECT i.incarnation FROM nurture.incarnation i"
		  " LEFT JOIN nurture.seal s"
		  "  ON s.block OPERATOR(pg_catalog.=) i.head_block"
		  " WHERE i.head_block IS NOT NULL AND i.incarnation OPERATOR(pg_catalog.>=) $1"
		  " AND s.hash IS DISTINCT FROM i.head_hash"
		  " ORDER BY i.incarnation", INT4OID);

static KeptPlan check_changes =
KEPT_PLAN_SCAN("SELECT a.audit_id, c.change_id,"
			   " CASE WHEN a.audit_id IS NULL THEN 'has no audit entry'"
			   " WHEN c.change_id IS NULL THEN 'is not in the change log'"
			   " ELSE 'is not the one on record' END"
			   " FROM nurture.change_log c FULL JOIN"
			   " (SELECT e.audit_id, e.object, e.outcome, e.inputs"
			   "  FROM nurture.audit e WHERE e.kind = 'change') a"
			   " ON a.object = 'change:' || c.change_id"
			   " WHERE $1 AND (a.audit_id IS NULL OR c.change_id IS NULL"
			   " OR a.outcome IS DISTINCT FROM c.table_name"
			   " OR a.inputs IS DISTINCT FROM pg_catalog.jsonb_strip_nulls("
			   "  pg_catalog.jsonb_build_object('old', c.old_row, 'new', c.new_row))::text)"
			   " ORDER BY 2, 1", BOOLOID);

/*
 * The last decision about each message against the message.  A refused one
 * may never be taken; an erased lead's entries may outlive its messages.
 */
static KeptPlan check_messages =
KEPT_PLAN_SCAN("SELECT d.audit_id, m.message_id,"
			   " CASE WHEN d.audit_id IS NULL THEN 'has no decision on record'"
			   " WHEN m.message_id IS NULL THEN 'is not there'"
			   " ELSE 'was refused and is ' || m.status END"
			   " FROM nurture.message m FULL JOIN"
			   " (SELECT DISTINCT ON (e.object) e.audit_id, e.object, e.lead_ref, e.outcome"
			   "  FROM nurture.audit e WHERE e.kind = 'message'"
			   "  ORDER BY e.object, e.audit_id DESC) d"
			   " ON d.object = 'message:' || m.message_id"
			   " WHERE $1 AND (d.audit_id IS NULL"
			   " OR (m.message_id IS NULL AND d.lead_ref IS NOT NULL)"
			   " OR (d.outcome = 'refused' AND m.status <> 'refused'))"
			   " ORDER BY 2, 1", BOOLOID);

/* Notes rows of (audit_id, number of the row compared, what is wrong). */
static void
note_rows(Verify *v, const char *class, const char *what)
{
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		bool		no_entry;
		bool		no_row;
		Datum		entry = nurture_cell(row, 1, &no_entry);
		Datum		number = nurture_cell(row, 2, &no_row);
		char	   *wrong = nurture_cell_text(row, 3);

		if (no_row)
			nurture_finding(v, class, 0, DatumGetInt64(entry),
							"the %s of this entry %s", what, wrong);
		else
			nurture_finding(v, class, 0,
							no_entry ? 0 : DatumGetInt64(entry),
							"%s " INT64_FORMAT " %s", what,
							DatumGetInt64(number), wrong);
	}
}

/* Runs the comparisons. */
void
nurture_verify_tables(Verify *v)
{
	Datum		values[1];

	values[0] = BoolGetDatum(true);
	(void) nurture_execute_snapshot(&check_changes, values, NULL, v->snapshot);
	note_rows(v, "change_log", "change");
	if (OidIsValid(nurture_table_oid("message", true)))
	{
		(void) nurture_execute_snapshot(&check_messages, values, NULL,
										v->snapshot);
		note_rows(v, "message", "message");
	}
	values[0] = Int32GetDatum(1);
	(void) nurture_execute_snapshot(&check_incarnations, values, NULL,
									v->snapshot);
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		bool		null;

		nurture_finding(v, "incarnation", 0, 0,
						"the seal that incarnation %d began with is not there",
						DatumGetInt32(nurture_cell(row, 1, &null)));
	}
}
