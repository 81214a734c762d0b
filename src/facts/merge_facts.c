/*
 * merge_facts.c
 *	  Facts, labels and lists of merged leads.
 *
 * The survivor's facts win, gaps are filled from the merged lead, and what
 * contradicts goes to a person.  Contact points and the verification of the
 * role are never filled: consent was given for an address, and who is verified
 * is who was looked at.  Columns that were filled are noted by name; values
 * are facts of a person and stay in nurture.lead.
 */
#include "base/compat.h"

#include "base/clock.h"
#include "base/plans.h"
#include "catalog/pg_type.h"
#include "facts/history.h"
#include "facts/merge.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

/* region and postal code mean nothing outside their country */
#define SAME_COUNTRY "(s.country IS NULL OR s.country IS NOT DISTINCT FROM a.country)"

static KeptPlan find_gaps =
KEPT_PLAN("SELECT jsonb_build_object('columns', (SELECT coalesce(jsonb_agg(c.name ORDER BY c.name), '[]') FROM (VALUES"
		  " ('account_id', s.account_id IS NULL AND a.account_id IS NOT NULL),"
		  " ('full_name', s.full_name IS NULL AND a.full_name IS NOT NULL),"
		  " ('audience_type', s.audience_type = 'unknown' AND a.audience_type <> 'unknown'),"
		  " ('role', s.role IS NULL AND a.role IS NOT NULL),"
		  " ('specialty', s.specialty IS NULL AND a.specialty IS NOT NULL),"
		  " ('therapeutic_area', s.therapeutic_area IS NULL AND a.therapeutic_area IS NOT NULL),"
		  " ('country', s.country IS NULL AND a.country IS NOT NULL),"
		  " ('region', s.region IS NULL AND a.region IS NOT NULL AND " SAME_COUNTRY "),"
		  " ('postal_code', s.postal_code IS NULL AND a.postal_code IS NOT NULL AND " SAME_COUNTRY "),"
		  " ('organization_type', s.organization_type IS NULL AND a.organization_type IS NOT NULL),"
		  " ('source', s.source IS NULL AND a.source IS NOT NULL),"
		  " ('campaign', s.campaign IS NULL AND a.campaign IS NOT NULL),"
		  " ('language', s.language IS NULL AND a.language IS NOT NULL),"
		  " ('time_zone', s.time_zone IS NULL AND a.time_zone IS NOT NULL),"
		  " ('owner', s.owner IS NULL AND a.owner IS NOT NULL)) c(name, fill) WHERE c.fill),"
		  " 'attributes', (SELECT coalesce(jsonb_agg(k ORDER BY k), '[]') FROM jsonb_object_keys(a.attributes) k"
		  "  WHERE NOT s.attributes ? k))::text,"
		  " (SELECT array_agg(c.name ORDER BY c.name)::text FROM (VALUES"
		  " ('account_id', s.account_id <> a.account_id),"
		  " ('audience_type', s.audience_type <> a.audience_type AND 'unknown' NOT IN (s.audience_type, a.audience_type)),"
		  " ('role', s.role <> a.role), ('specialty', s.specialty <> a.specialty),"
		  " ('therapeutic_area', s.therapeutic_area <> a.therapeutic_area), ('country', s.country <> a.country),"
		  " ('region', s.region <> a.region), ('organization_type', s.organization_type <> a.organization_type)"
		  " ) c(name, differs) WHERE c.differs),"
		  " (SELECT array_agg('attributes.' || k ORDER BY k)::text FROM jsonb_object_keys(a.attributes) k"
		  "  WHERE s.attributes ? k AND s.attributes -> k <> a.attributes -> k)"
		  " FROM nurture.lead s, nurture.lead a WHERE s.lead_id = $1 AND a.lead_id = $2", INT8OID, INT8OID);

#define FILL(column) column " = CASE WHEN $3::jsonb -> 'columns' ? '" column "' THEN a." column " ELSE s." column " END,"
static KeptPlan fill_gaps =
KEPT_PLAN("UPDATE nurture.lead s SET " FILL("account_id") FILL("full_name") FILL("audience_type") FILL("role")
		  FILL("specialty") FILL("therapeutic_area") FILL("country") FILL("region") FILL("postal_code")
		  FILL("organization_type") FILL("source") FILL("campaign") FILL("language") FILL("time_zone") FILL("owner")
		  " attributes = a.attributes || s.attributes"
		  " FROM nurture.lead a WHERE s.lead_id = $1 AND a.lead_id = $2"
		  " AND ($3::jsonb -> 'columns' <> '[]' OR $3::jsonb -> 'attributes' <> '[]')", INT8OID, INT8OID, TEXTOID);

/* the last version before what comes after the merge */
static KeptPlan last_version =
KEPT_PLAN("SELECT coalesce(max(history_no), 0) FROM nurture.lead_history WHERE lead_id = $1", INT8OID);

/* what was filled and not changed since */
static KeptPlan still_filled =
KEPT_PLAN("SELECT jsonb_build_object('columns', (SELECT coalesce(jsonb_agg(c), '[]')"
		  " FROM jsonb_array_elements_text($3::jsonb -> 'columns') c WHERE NOT EXISTS"
		  " (SELECT FROM nurture.lead_history h WHERE h.lead_id = $1 AND c = ANY (h.changed)"
		  "  AND h.history_no > ($3::jsonb ->> 'history_no')::bigint)),"
		  " 'attributes', (SELECT coalesce(jsonb_agg(k), '[]') FROM jsonb_array_elements_text($3::jsonb -> 'attributes') k"
		  "  WHERE s.attributes -> k = a.attributes -> k))::text"
		  " FROM nurture.lead s, nurture.lead a WHERE s.lead_id = $1 AND a.lead_id = $2", INT8OID, INT8OID, TEXTOID);

#define EMPTY(column, empty) column " = CASE WHEN $2::jsonb -> 'columns' ? '" column "' THEN " empty " ELSE s." column " END,"
static KeptPlan empty_gaps =
KEPT_PLAN("UPDATE nurture.lead s SET " EMPTY("account_id", "NULL") EMPTY("full_name", "NULL")
		  EMPTY("audience_type", "'unknown'") EMPTY("role", "NULL") EMPTY("specialty", "NULL")
		  EMPTY("therapeutic_area", "NULL") EMPTY("country", "NULL") EMPTY("region", "NULL")
		  EMPTY("postal_code", "NULL") EMPTY("organization_type", "NULL") EMPTY("source", "NULL")
		  EMPTY("campaign", "NULL") EMPTY("language", "NULL") EMPTY("time_zone", "NULL") EMPTY("owner", "NULL")
		  " attributes = s.attributes - ARRAY(SELECT jsonb_array_elements_text($2::jsonb -> 'attributes'))"
		  " WHERE s.lead_id = $1 AND ($2::jsonb -> 'columns' <> '[]' OR $2::jsonb -> 'attributes' <> '[]')",
		  INT8OID, TEXTOID);

static KeptPlan open_review =
KEPT_PLAN("INSERT INTO nurture.review (lead_id, bucket, scope, evidence)"
		  " VALUES ($1, 'contradiction', 'merge:' || $2, jsonb_build_object('merge_id', $2, 'lead_id', $3,"
		  " 'facts', to_jsonb(coalesce($4::text[], '{}') || coalesce($5::text[], '{}')))) ON CONFLICT DO NOTHING",
		  INT8OID, INT8OID, INT8OID, TEXTOID, TEXTOID);
static KeptPlan close_review =
KEPT_PLAN("UPDATE nurture.review SET state = 'closed', ruling = 'unmerged', reason = $3, closed_at = $4, closed_by = $5"
		  " WHERE lead_id = $1 AND bucket = 'contradiction' AND scope = 'merge:' || $2 AND state = 'open'",
		  INT8OID, INT8OID, TEXTOID, TIMESTAMPTZOID, TEXTOID);

/* that they are candidates is settled */
static KeptPlan close_candidates =
KEPT_PLAN("UPDATE nurture.review SET state = 'closed', ruling = 'merged', reason = $3, closed_at = $4, closed_by = $5"
		  " WHERE state = 'open' AND bucket = 'identity' AND lead_id = ANY (ARRAY[$1, $2])"
		  " AND evidence ->> 'lead_id' = CASE lead_id WHEN $1 THEN $2 ELSE $1 END::text",
		  INT8OID, INT8OID, TEXTOID, TIMESTAMPTZOID, TEXTOID);

static KeptPlan copy_labels =
KEPT_PLAN("WITH made AS (INSERT INTO nurture.label (lead_id, label, since, until, by, reason)"
		  " SELECT $1, l.label, $3, l.until, 'merge', $4 FROM nurture.label l WHERE l.lead_id = $2 AND l.since <= $3"
		  " AND (l.until IS NULL OR l.until > $3) AND NOT EXISTS (SELECT FROM nurture.label o WHERE o.lead_id = $1"
		  "  AND o.label = l.label AND o.since <= $3 AND (o.until IS NULL OR o.until > $3))"
		  " ON CONFLICT DO NOTHING RETURNING label)"
		  " SELECT coalesce(jsonb_agg(label ORDER BY label), '[]')::text FROM made",
		  INT8OID, INT8OID, TIMESTAMPTZOID, TEXTOID);
static KeptPlan copy_lists =
KEPT_PLAN("WITH made AS (INSERT INTO nurture.list_member (lead_id, list, since, until, origin, source, consent_source,"
		  " consent_at, consent_evidence, by) SELECT $1, m.list, $3, m.until, m.origin, m.source, m.consent_source,"
		  " m.consent_at, m.consent_evidence, 'merge' FROM nurture.list_member m WHERE m.lead_id = $2 AND m.since <= $3"
		  " AND (m.until IS NULL OR m.until > $3) AND NOT EXISTS (SELECT FROM nurture.list_member o WHERE o.lead_id = $1"
		  "  AND o.list = m.list AND o.since <= $3 AND (o.until IS NULL OR o.until > $3))"
		  " ON CONFLICT DO NOTHING RETURNING list)"
		  " SELECT coalesce(jsonb_agg(list ORDER BY list), '[]')::text FROM made",
		  INT8OID, INT8OID, TIMESTAMPTZOID);
static KeptPlan end_labels =
KEPT_PLAN("UPDATE nurture.label SET until = $3, ended_reason = $4"
		  " WHERE lead_id = $1 AND by = 'merge' AND (until IS NULL OR until > $3)"
		  " AND since = ($2::jsonb ->> 'at')::timestamptz AND $2::jsonb -> 'labels' ? label",
		  INT8OID, TEXTOID, TIMESTAMPTZOID, TEXTOID);
static KeptPlan end_lists =
KEPT_PLAN("UPDATE nurture.list_member SET until = $3"
		  " WHERE lead_id = $1 AND by = 'merge' AND (until IS NULL OR until > $3)"
		  " AND since = ($2::jsonb ->> 'at')::timestamptz AND $2::jsonb -> 'lists' ? list",
		  INT8OID, TEXTOID, TIMESTAMPTZOID);
static KeptPlan assemble =
KEPT_PLAN("SELECT ($1::jsonb || jsonb_build_object('history_no', $2, 'labels', $3::jsonb, 'lists', $4::jsonb,"
		  " 'at', $5))::text", TEXTOID, INT8OID, TEXTOID, TEXTOID, TIMESTAMPTZOID);

/* Runs an UPDATE of a lead that the history is to say more about. */
static void
update_lead(KeptPlan *plan, Datum *values, int64 lead_id, const char *reason,
			const char *actor)
{
	FactCause	cause = {.lead_id = lead_id,.reason = reason,.actor = actor};
	FactCauses	causes = {&cause, 1};
	const FactCauses *before = nurture_history_because(&causes);

	(void) nurture_execute_latest(plan, values, NULL, true);
	(void) nurture_history_because(before);
}

/*
 * Fills the survivor's gaps, gives it labels and lists, and opens a review of
 * what contradicts; answers what it changed, as JSON.
 */
char	   *
nurture_facts_merged(int64 survivor, int64 absorbed, int64 merge_id,
					 const char *reason, const char *actor)
{
	Datum		values[5];
	char		nulls[6] = "     ";
	TimestampTz now = nurture_now_wall();
	char	   *gaps;
	char	   *columns;
	char	   *keys;
	char	   *labels;
	Datum		history_no;
	bool		isnull;

	values[0] = Int64GetDatum(survivor);
	values[1] = Int64GetDatum(absorbed);
	(void) nurture_execute_latest(&find_gaps, values, NULL, false);
	gaps = nurture_cell_text(0, 1);
	columns = nurture_cell_text(0, 2);
	keys = nurture_cell_text(0, 3);
	values[2] = CStringGetTextDatum(gaps);
	update_lead(&fill_gaps, values, survivor, reason, actor);
	(void) nurture_execute_latest(&last_version, values, NULL, false);
	history_no = nurture_cell(0, 1, &isnull);

	values[2] = CStringGetTextDatum(reason);
	values[3] = TimestampTzGetDatum(now);
	values[4] = CStringGetTextDatum(actor);
	(void) nurture_execute_latest(&close_candidates, values, NULL, true);
	if (columns != NULL || keys != NULL)
	{
		values[1] = Int64GetDatum(merge_id);
		values[2] = Int64GetDatum(absorbed);
		values[3] = columns ? CStringGetTextDatum(columns) : (Datum) 0;
		nulls[3] = columns ? ' ' : 'n';
		values[4] = keys ? CStringGetTextDatum(keys) : (Datum) 0;
		nulls[4] = keys ? ' ' : 'n';
		(void) nurture_execute_latest(&open_review, values, nulls, true);
	}

	values[1] = Int64GetDatum(absorbed);
	values[2] = TimestampTzGetDatum(now);
	values[3] = CStringGetTextDatum(reason);
	(void) nurture_execute_latest(&copy_labels, values, NULL, true);
	labels = nurture_cell_text(0, 1);
	(void) nurture_execute_latest(&copy_lists, values, NULL, true);
	values[3] = CStringGetTextDatum(nurture_cell_text(0, 1));
	values[0] = CStringGetTextDatum(gaps);
	values[1] = history_no;
	values[2] = CStringGetTextDatum(labels);
	values[4] = TimestampTzGetDatum(now);
	(void) nurture_execute_latest(&assemble, values, NULL, false);
	return nurture_cell_text(0, 1);
}

/* Takes that back, with what nurture_facts_merged answered. */
void
nurture_facts_unmerged(int64 survivor, int64 absorbed, int64 merge_id,
					   const char *changed, const char *reason,
					   const char *actor)
{
	Datum		values[5];

	values[0] = Int64GetDatum(survivor);
	values[1] = Int64GetDatum(absorbed);
	values[2] = CStringGetTextDatum(changed);
	(void) nurture_execute_latest(&still_filled, values, NULL, false);
	values[1] = CStringGetTextDatum(nurture_cell_text(0, 1));
	update_lead(&empty_gaps, values, survivor, reason, actor);
	values[1] = CStringGetTextDatum(changed);
	values[2] = TimestampTzGetDatum(nurture_now_wall());
	values[3] = CStringGetTextDatum(reason);
	(void) nurture_execute_latest(&end_labels, values, NULL, true);
	(void) nurture_execute_latest(&end_lists, values, NULL, true);
	values[1] = Int64GetDatum(merge_id);
	values[4] = CStringGetTextDatum(actor);
	values[3] = values[2];
	values[2] = CStringGetTextDatum(reason);
	(void) nurture_execute_latest(&close_review, values, NULL, true);
}
