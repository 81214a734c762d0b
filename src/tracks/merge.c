/*
 * merge.c
 *	  Enrollments of merged leads.
 *
 * They end with the merge: the survivor goes on with its own, one per
 * purpose, and enters what its rules let it enter.
 */
#include "base/compat.h"

#include "audit/audit.h"
#include "base/plans.h"
#include "catalog/pg_type.h"
#include "content/content.h"
#include "tracks/rules.h"
#include "tracks/tracks.h"
#include "utils/builtins.h"

#define MERGED "merged"

static KeptPlan read_open =
KEPT_PLAN("SELECT coalesce(jsonb_agg(jsonb_build_object('enrollment_no', e.enrollment_no, 'state', e.state,"
		  " 'next_due_at', e.next_due_at) ORDER BY e.enrollment_no), '[]')::text"
		  " FROM nurture.enrollment e WHERE e.lead_id = $1 AND e.state IN ('active', 'waiting', 'paused')", INT8OID);

static KeptPlan reopen =
KEPT_PLAN("UPDATE nurture.enrollment e SET state = x.state, next_due_at = x.next_due_at,"
		  " exit_reason = NULL, exited_by = NULL, exited_at = NULL"
		  " FROM jsonb_to_recordset($2::jsonb) AS x(enrollment_no bigint, state text, next_due_at timestamptz)"
		  " WHERE e.lead_id = $1 AND e.enrollment_no = x.enrollment_no AND e.state = 'exited'"
		  " AND e.exit_reason = '" MERGED "' RETURNING e.enrollment_no, e.state", INT8OID, TEXTOID);

/* Ends the enrollments of a merged lead; answers what they were, as JSON. */
char	   *
nurture_tracks_merged(int64 absorbed)
{
	Datum		value = Int64GetDatum(absorbed);
	char	   *were;

	(void) nurture_execute_latest(&read_open, &value, NULL, false);
	were = nurture_cell_text(0, 1);
	(void) nurture_tracks_exit_lead(absorbed, MERGED, "merge");
	return were;
}

/* Takes that back, with what nurture_tracks_merged answered. */
void
nurture_tracks_unmerged(int64 absorbed, const char *changed)
{
	Datum		values[2];
	AuditEntry *entries;
	int			n;

	values[0] = Int64GetDatum(absorbed);
	values[1] = CStringGetTextDatum(changed);
	nurture_versions_write(&reopen, values, NULL);
	n = (int) SPI_processed;
	entries = palloc0(Max(n, 1) * sizeof(AuditEntry));
	for (int i = 0; i < n; i++)
	{
		bool		isnull;

		entries[i].has_lead = true;
		entries[i].lead_id = absorbed;
		entries[i].kind = "enrollment";
		entries[i].object = psprintf("enrollment:" INT64_FORMAT, DatumGetInt64(nurture_cell(i, 1, &isnull)));
		entries[i].outcome = nurture_cell_text(i, 2);
		entries[i].trigger_json = "{\"by\": \"unmerge\"}";
	}
	nurture_audit_append(entries, n);
}
