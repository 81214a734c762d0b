/*
 * export.c
 *	  nurture_subject_export: all that is held about a person, as one document.
 *
 * Rows come as they are, table by table in the order of the map and row by row
 * by their key; jsonb has one order of keys.  So the same rows give the same
 * bytes.  Keys of hashes and what only nurture itself needs are left out.
 * Suppressions name nobody: of those, which concern what the person has.
 */
#include "base/compat.h"

#include "audit/audit.h"
#include "base/errors.h"
#include "base/owner.h"
#include "catalog/pg_type.h"
#include "facts/lead.h"
#include "gate/gate.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "privacy/map.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"

NURTURE_FUNCTION(nurture_subject_export);

/* what is to be told beside the rows themselves (GDPR Art. 15(1)) */
static KeptPlan summarise =
KEPT_PLAN("SELECT jsonb_build_object("
		  "'format', 'nurture_subject_export 1',"
		  "'leads', to_jsonb($1),"
		  "'controller', (SELECT to_jsonb(c) - 'owner' - 'reason' - 'title' - 'controller' FROM nurture.controller c),"
		  "'sources', (SELECT coalesce(jsonb_agg(DISTINCT s.source ORDER BY s.source), '[]') FROM ("
		  "  SELECT l.source FROM nurture.lead l WHERE l.lead_id = ANY ($1) UNION SELECT e.source FROM nurture.event e WHERE e.lead_id = ANY ($1)"
		  "  UNION SELECT i.source FROM nurture.identity i WHERE i.lead_id = ANY ($1)"
		  "  UNION SELECT coalesce(m.source, m.origin) FROM nurture.list_member m WHERE m.lead_id = ANY ($1)"
		  "  UNION SELECT c.source FROM nurture.consent_event c WHERE c.lead_id = ANY ($1)) s WHERE s.source IS NOT NULL),"
		  "'purposes', (SELECT coalesce(jsonb_agg(DISTINCT p.purpose ORDER BY p.purpose), '[]') FROM ("
		  "  SELECT m.message_class AS purpose FROM nurture.message m WHERE m.lead_id = ANY ($1)"
		  "  UNION SELECT c.purpose FROM nurture.consent c WHERE c.lead_id = ANY ($1)"
		  "  UNION SELECT e.purpose FROM nurture.enrollment e WHERE e.lead_id = ANY ($1)) p WHERE p.purpose IS NOT NULL),"
		  "'recipients', jsonb_build_object("
		  "  'teams', (SELECT coalesce(jsonb_agg(x ORDER BY x ->> 'team', x ->> 'member'), '[]') FROM ("
		  "    SELECT DISTINCT jsonb_build_object('team', h.team, 'title', t.title, 'member', h.member) AS x FROM nurture.handoff h"
		  "    LEFT JOIN nurture.team t USING (team) WHERE h.lead_id = ANY ($1)) h),"
		  "  'providers', (SELECT coalesce(jsonb_agg(DISTINCT jsonb_build_object('recipient', r.recipient, 'title', r.title, 'kind', r.kind,"
		  "    'country', r.country, 'safeguard', r.safeguard)), '[]') FROM nurture.recipient r"
		  "    WHERE EXISTS (SELECT FROM nurture.message m WHERE m.lead_id = ANY ($1) AND m.sent_at IS NOT NULL AND m.channel = ANY (r.channels))),"
		  "  'systems', (SELECT coalesce(jsonb_agg(DISTINCT o.topic ORDER BY o.topic), '[]') FROM nurture.outbox o WHERE o.lead_id = ANY ($1))),"
		  "'scores', (SELECT coalesce(jsonb_agg(jsonb_build_object('lead_id', l.lead_id, 'score', @extschema@.nurture_score(l.lead_id),"
		  "  'grade', @extschema@.nurture_grade(l.lead_id), 'explanation', (SELECT coalesce(jsonb_agg(to_jsonb(e) ORDER BY e.dimension, e.kind, e.rule), '[]')"
		  "  FROM @extschema@.nurture_explain(l.lead_id) e)) ORDER BY l.lead_id), '[]') FROM nurture.lead l"
		  "  WHERE l.lead_id = ANY ($1) AND l.merged_into IS NULL AND l.erased_at IS NULL),"
		  "'rights', jsonb_build_array('access', 'rectification', 'erasure', 'restriction', 'portability', 'objection', 'complaint to a supervisory authority'))::text",
		  INT8ARRAYOID);

static KeptPlan find_retention =
KEPT_PLAN("SELECT coalesce(jsonb_agg(concat_ws(' ', r.action, 'after', r.period::text) ORDER BY r.retention), '[]')::text"
		  " FROM nurture.retention r WHERE r.table_name = $1 AND r.enabled", TEXTOID);

static KeptPlan put_together =
KEPT_PLAN("SELECT $1::jsonb || jsonb_build_object('held', $2::jsonb)", TEXTOID, TEXTOID);

static KeptPlan *exports = NULL;	/* by place in the map */

/* Returns the plan that makes the rows of a table one JSON array. */
static KeptPlan *
plan_of(int i)
{
	const PrivacyTable *table = &nurture_privacy_map[i];
	KeptPlan   *plan;
	StringInfoData query;

	if (exports == NULL)
		exports = MemoryContextAllocZero(TopMemoryContext, nurture_privacy_tables * sizeof(KeptPlan));
	plan = &exports[i];
	if (plan->query != NULL)
		return plan;
	initStringInfo(&query);
	appendStringInfoString(&query, "SELECT coalesce(jsonb_agg(jsonb_strip_nulls(to_jsonb(t)");
	if (table->hidden != NULL)
		appendStringInfo(&query, " - string_to_array('%s', ', ')", table->hidden);
	if (strcmp(table->table, "audit") == 0)
		appendStringInfoString(&query, " || jsonb_build_object('inputs', @extschema@.nurture_audit_inputs(t.inputs))");
	appendStringInfo(&query, ") ORDER BY %s), '[]')::text FROM nurture.%s t WHERE %s",
					 table->order, table->table, table->of);
	plan->argtypes[0] = INT8ARRAYOID;
	plan->argtypes[1] = TEXTOID;
	plan->argtypes[2] = TEXTARRAYOID;
	plan->argtypes[3] = TIMESTAMPTZOID;
	plan->seqscan = strstr(query.data, "t.payload") != NULL || strstr(query.data, "t.evidence") != NULL;
	plan->query = MemoryContextStrdup(TopMemoryContext, query.data);
	return plan;
}

/* Appends a table with its rows, unless it has none. */
static void
put_table(int i, PrivacyPerson *person, StringInfo json)
{
	const PrivacyTable *table = &nurture_privacy_map[i];
	char	   *rows;
	Datum		value;

	if (table->order == NULL)
		return;
	if (table->of == NULL)
		rows = nurture_gate_tell_suppressions(person->leads, person->n);
	else
	{
		(void) nurture_execute(plan_of(i), person->parameters, NULL, true);
		rows = nurture_cell_text(0, 1);
	}
	if (strcmp(rows, "[]") == 0)
		return;
	value = CStringGetTextDatum(table->table);
	(void) nurture_execute(&find_retention, &value, NULL, true);
	appendStringInfo(json, "%s\"%s\": {\"rows\": %s, \"retention\": %s, \"about\": ", json->len > 1 ? ", " : "",
					 table->table, rows, nurture_cell_text(0, 1));
	escape_json(json, table->why);
	appendStringInfoChar(json, '}');
}

/*
 * Lets times, intervals and bytes be written alike whatever the session says;
 * returns the nest level that puts it back.
 */
static int
pin_formats(void)
{
	static const char *const pinned[][2] = {
		{"timezone", "UTC"}, {"datestyle", "ISO, YMD"},
		{"intervalstyle", "postgres"}, {"bytea_output", "hex"}
	};
	int			level = NewGUCNestLevel();

	for (int i = 0; i < lengthof(pinned); i++)
		(void) set_config_option(pinned[i][0], pinned[i][1],
								 PGC_USERSET, PGC_S_SESSION,
								 GUC_ACTION_SAVE, true, 0, false);
	return level;
}

/* nurture_subject_export(lead_id bigint) returns jsonb */
Datum
nurture_subject_export(PG_FUNCTION_ARGS)
{
	MemoryContext context = CurrentMemoryContext;
	PrivacyPerson person;
	AuditEntry	entry = {0};
	OwnerSwitch owner;
	StringInfoData json;
	Datum		values[2];
	Datum		result;
	bool		isnull;
	int			gucs;
	int			level;

	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("the lead to export must be given")));
	nurture_privacy_right(ACL_INSERT, "export what is held about leads");
	entry.lead_id = PG_GETARG_INT64(0);
	if (nurture_lead_hidden(entry.lead_id))
		entry.lead_id = -1;		/* as one that is not there */
	nurture_owner_enter(&owner);
	level = nurture_spi_connect();
	if (!nurture_privacy_family(entry.lead_id, &person))
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_UNKNOWN_LEAD),
				 errmsg("there is no lead " INT64_FORMAT, PG_GETARG_INT64(0)),
				 errhint("Or you may not see it; nurture.lead lists those you may.")));
	nurture_privacy_describe(&person);
	gucs = pin_formats();
	initStringInfo(&json);
	appendStringInfoChar(&json, '{');
	for (int i = 0; i < nurture_privacy_tables; i++)
		put_table(i, &person, &json);
	appendStringInfoChar(&json, '}');
	(void) nurture_execute(&summarise, person.parameters, NULL, true);
	values[0] = CStringGetTextDatum(nurture_cell_text(0, 1));
	values[1] = CStringGetTextDatum(json.data);
	(void) nurture_execute(&put_together, values, NULL, true);
	result = nurture_cell(0, 1, &isnull);
	MemoryContextSwitchTo(context);
	result = PointerGetDatum(DatumGetJsonbPCopy(result));
	AtEOXact_GUC(true, gucs);

	entry.has_lead = true;
	entry.kind = "subject_export";
	entry.outcome = "exported";
	nurture_audit_append(&entry, 1);
	nurture_spi_finish(level);
	nurture_owner_leave(&owner);
	PG_RETURN_DATUM(result);
}
