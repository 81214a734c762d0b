/*
 * merge.c
 *	  What a merge does at the gate, so that it can be taken back.
 *
 * That the survivor is denied what the merged lead was denied happens where
 * nurture.lead.merged_into changes (gate_lead.c), whoever changes it.  Here it
 * is noted which of the survivor's denials came that way, and undone.
 */
#include "base/compat.h"

#include "base/plans.h"
#include "catalog/pg_type.h"
#include "gate/gate.h"
#include "gate/gate_private.h"
#include "utils/builtins.h"

/* of the survivor, before and after */
static KeptPlan read_denials =
KEPT_PLAN("SELECT jsonb_build_object("
		  "'stops', (SELECT coalesce(jsonb_object_agg(e.rule, jsonb_build_object('until', e.until,"
		  " 'effect', e.effect, 'scope', e.scope, 'lifted_by', e.lifted_by, 'factor', e.factor,"
		  " 'to_track', e.to_track, 'reason', e.reason)), '{}')"
		  " FROM nurture.stop_effect e WHERE e.lead_id = $1 AND e.lifted_at IS NULL AND e.mode = 'enforced'),"
		  "'preferences', (SELECT coalesce(jsonb_object_agg(p.channel, p.max_per_month), '{}')"
		  " FROM nurture.preference p WHERE p.lead_id = $1),"
		  "'suppressed', EXISTS (SELECT FROM nurture.suppression s WHERE s.scope = 'lead' AND s.key_hash = $2),"
		  "'said', CASE WHEN NOT $3 THEN (SELECT max(e.consent_event_id) FROM nurture.consent_event e WHERE e.lead_id = $1) END)::text",
		  INT8OID, BYTEAOID, BOOLOID);

/* what is new may be lifted by taking the merge back */
static KeptPlan mark_stops =
KEPT_PLAN("UPDATE nurture.stop_effect e SET lifted_by = array_append(e.lifted_by, $2)"
		  " WHERE e.lead_id = $1 AND e.lifted_at IS NULL AND e.mode = 'enforced'"
		  " AND NOT ($3::jsonb -> 'stops') ? e.rule", INT8OID, TEXTOID, TEXTOID);

static KeptPlan compare_denials =
KEPT_PLAN("SELECT jsonb_build_object("
		  "'stops', (SELECT coalesce(jsonb_object_agg(b.key, jsonb_build_object('was', b.value, 'is', a.value)), '{}')"
		  " FROM jsonb_each($1::jsonb -> 'stops') b JOIN jsonb_each($2::jsonb -> 'stops') a USING (key)"
		  " WHERE a.value <> b.value),"
		  "'preferences', (SELECT coalesce(jsonb_object_agg(a.key, jsonb_build_object('was', b.value, 'is', a.value,"
		  " 'new', b.key IS NULL)), '{}')"
		  " FROM jsonb_each($2::jsonb -> 'preferences') a LEFT JOIN jsonb_each($1::jsonb -> 'preferences') b USING (key)"
		  " WHERE a.value IS DISTINCT FROM b.value),"
		  "'suppressed', ($2::jsonb -> 'suppressed')::boolean AND NOT ($1::jsonb -> 'suppressed')::boolean,"
		  "'said', $1::jsonb -> 'said')::text",
		  TEXTOID, TEXTOID);

/*
 * The survivor's copies of what the merged lead said, whenever it said it, are
 * none of its own; but those of an earlier merge, which nobody took back, stay.
 */
static KeptPlan disown =
KEPT_PLAN("INSERT INTO nurture.consent_event (lead_id, channel, purpose, topic, product, kind, source, evidence, actor)"
		  " SELECT e.lead_id, e.channel, e.purpose, e.topic, e.product, 'entered_in_error', 'unmerge',"
		  " jsonb_build_object('consent_event_id', e.consent_event_id), $3"
		  " FROM nurture.consent_event e WHERE e.lead_id = $1 AND e.kind <> 'entered_in_error'"
		  " AND jsonb_typeof(e.evidence -> 'merged_consent_event_id') = 'number'"
		  " AND EXISTS (SELECT FROM nurture.consent_event o WHERE o.lead_id = $2"
		  "  AND o.consent_event_id = (e.evidence ->> 'merged_consent_event_id')::bigint)"
		  " AND e.consent_event_id > coalesce(($4::jsonb ->> 'said')::bigint, 0)"
		  " AND NOT EXISTS (SELECT FROM nurture.consent_event x WHERE x.lead_id = $1 AND x.kind = 'entered_in_error'"
		  "  AND (x.evidence ->> 'consent_event_id')::bigint = e.consent_event_id"
		  "  AND NOT EXISTS (SELECT FROM nurture.consent_event y WHERE y.lead_id = $1 AND y.kind = 'entered_in_error'"
		  "   AND (y.evidence ->> 'consent_event_id')::bigint = x.consent_event_id))"
		  " ORDER BY e.consent_event_id", INT8OID, INT8OID, TEXTOID, TEXTOID);

/* only what is still as the merge left it */
static KeptPlan restore_stops =
KEPT_PLAN("UPDATE nurture.stop_effect e SET until = (c.value -> 'was' ->> 'until')::timestamptz,"
		  " effect = c.value -> 'was' ->> 'effect', scope = c.value -> 'was' -> 'scope',"
		  " lifted_by = ARRAY(SELECT jsonb_array_elements_text(c.value -> 'was' -> 'lifted_by')),"
		  " factor = (c.value -> 'was' ->> 'factor')::numeric, to_track = c.value -> 'was' ->> 'to_track',"
		  " reason = c.value -> 'was' ->> 'reason'"
		  " FROM jsonb_each($2::jsonb -> 'stops') c"
		  " WHERE e.lead_id = $1 AND e.rule = c.key AND e.lifted_at IS NULL AND e.mode = 'enforced'"
		  " AND e.until = (c.value -> 'is' ->> 'until')::timestamptz AND e.scope = c.value -> 'is' -> 'scope'",
		  INT8OID, TEXTOID);
static KeptPlan restore_preferences =
KEPT_PLAN("UPDATE nurture.preference p SET max_per_month = (c.value ->> 'was')::integer"
		  " FROM jsonb_each($2::jsonb -> 'preferences') c WHERE p.lead_id = $1 AND p.channel = c.key"
		  " AND NOT (c.value -> 'new')::boolean"
		  " AND p.max_per_month IS NOT DISTINCT FROM (c.value ->> 'is')::integer", INT8OID, TEXTOID);
static KeptPlan drop_preferences =
KEPT_PLAN("DELETE FROM nurture.preference p USING jsonb_each($2::jsonb -> 'preferences') c"
		  " WHERE p.lead_id = $1 AND p.channel = c.key AND (c.value -> 'new')::boolean"
		  " AND p.max_per_month IS NOT DISTINCT FROM (c.value ->> 'is')::integer", INT8OID, TEXTOID);
static KeptPlan unsuppress =
KEPT_PLAN("SELECT @extschema@.nurture_unsuppress('lead', $1::text, $3)"
		  " WHERE ($2::jsonb -> 'suppressed')::boolean", INT8OID, TEXTOID, TEXTOID);

/* Names the cause that lifts what a merge put in force. */
static char *
lifted_by(int64 merge_id)
{
	return psprintf("unmerge:" INT64_FORMAT, merge_id);
}

/*
 * Reads what is denied to a lead, as JSON, before or after a merge.  When the
 * merge was made by hand before, what it brought is there already.
 */
char	   *
nurture_gate_denials(int64 lead_id, bool by_hand)
{
	uint8		hash[GATE_HASH_LEN];
	Datum		values[3];

	nurture_gate_hash(nurture_gate_rules(), "lead", psprintf(INT64_FORMAT, lead_id), hash);
	values[0] = Int64GetDatum(lead_id);
	values[1] = nurture_gate_hash_datum(hash);
	values[2] = BoolGetDatum(by_hand);
	(void) nurture_execute_latest(&read_denials, values, NULL, false);
	return nurture_cell_text(0, 1);
}

/*
 * Notes what a merge denied to its survivor beyond what was before; answers
 * with what of the survivor's own it changed, as JSON.
 */
char	   *
nurture_gate_merged(int64 survivor, int64 merge_id, const char *before)
{
	Datum		values[3];
	char	   *after = nurture_gate_denials(survivor, false);

	values[0] = CStringGetTextDatum(before);
	values[1] = CStringGetTextDatum(after);
	(void) nurture_execute_latest(&compare_denials, values, NULL, false);
	after = nurture_cell_text(0, 1);
	values[0] = Int64GetDatum(survivor);
	values[1] = CStringGetTextDatum(lifted_by(merge_id));
	values[2] = CStringGetTextDatum(before);
	(void) nurture_execute_latest(&mark_stops, values, NULL, true);
	return after;
}

/*
 * Gives the survivor its own permissions back; changed is what
 * nurture_gate_merged answered.  The gate rows of both are ours.
 */
void
nurture_gate_unmerged(int64 survivor, int64 absorbed, int64 merge_id,
					  const char *changed, const char *reason,
					  const char *actor)
{
	Datum		values[4];

	values[0] = Int64GetDatum(survivor);
	values[1] = Int64GetDatum(absorbed);
	values[2] = CStringGetTextDatum(actor);
	values[3] = CStringGetTextDatum(changed);
	(void) nurture_execute(&disown, values, NULL, false);
	values[1] = CStringGetTextDatum(changed);
	values[2] = CStringGetTextDatum(reason);
	(void) nurture_execute_latest(&restore_preferences, values, NULL, true);
	(void) nurture_execute_latest(&drop_preferences, values, NULL, true);
	(void) nurture_execute_latest(&restore_stops, values, NULL, true);
	(void) nurture_gate_lift(survivor, lifted_by(merge_id), reason);
	nurture_stop_refresh(survivor);
	(void) nurture_execute(&unsuppress, values, NULL, false);
}
