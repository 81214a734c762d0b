/*
 * check.c
 *	  What is found in a draft before it is signed and published, kept with
 *	  what the draft said then.
 */
#include "base/compat.h"

#include "base/author.h"
#include "base/clock.h"
#include "base/errors.h"
#include "base/owner.h"
#include "base/plans.h"
#include "catalog/pg_type.h"
#include "content/content.h"
#include "content/experiment.h"
#include "control/config.h"
#include "control/control.h"
#include "control/hand.h"
#include "facts/subject.h"
#include "facts/vocabulary.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

NURTURE_FUNCTION(nurture_check_version);

/* leads that a dry run of conditions asks, the latest ones */
#define DRY_RUN_LEADS 1000

static KeptPlan find_check =
KEPT_PLAN("SELECT errors FROM nurture.version_check WHERE kind = $1 AND code = $2 AND version = $3 AND content_hash = decode($4, 'hex')"
		  " ORDER BY check_id DESC LIMIT 1", TEXTOID, TEXTOID, INT4OID, TEXTOID);
static KeptPlan add_check =
KEPT_PLAN("INSERT INTO nurture.version_check (kind, code, version, content_hash, checked_at, checked_by, errors, warnings, findings, dry_run)"
		  " SELECT $1, $2, $3, decode($4, 'hex'), $5, $6, count(*) FILTER (WHERE f.severity = 'error'), count(*) FILTER (WHERE f.severity = 'warning'),"
		  " $7, $8 FROM jsonb_to_recordset($7) AS f (severity text)",
		  TEXTOID, TEXTOID, INT4OID, TEXTOID, TIMESTAMPTZOID, TEXTOID, JSONBOID, JSONBOID);
static KeptPlan check_model =
KEPT_PLAN("SELECT finding, severity, path FROM @extschema@.nurture_check_model($1, $2)", TEXTOID, INT4OID);
static KeptPlan model_moves =
KEPT_PLAN("SELECT coalesce(jsonb_build_object('leads', sum(m.leads), 'changed', coalesce(sum(m.leads) FILTER (WHERE m.old_grade IS DISTINCT FROM m.new_grade), 0),"
		  " 'moves', coalesce(jsonb_agg(jsonb_build_object('from', m.old_grade, 'to', m.new_grade, 'leads', m.leads)"
		  "  ORDER BY m.leads DESC, m.old_grade COLLATE \"C\", m.new_grade COLLATE \"C\") FILTER (WHERE m.old_grade IS DISTINCT FROM m.new_grade), '[]'))::text, 'null')"
		  " FROM @extschema@.nurture_what_if_matrix($1, $2) m", TEXTOID, INT4OID);

/* Conditions of tracks and routes, with the words that tell them apart. */
static KeptPlan track_conditions =
KEPT_PLAN("SELECT 'track_entry/' || entry, condition::text, coalesce((SELECT product FROM nurture.track WHERE track = $1), '*') FROM nurture.track_entry WHERE track = $1 AND version = $2"
		  " UNION ALL SELECT 'track_branch/' || branch, condition::text, coalesce((SELECT product FROM nurture.track WHERE track = $1), '*') FROM nurture.track_branch WHERE track = $1 AND version = $2 AND condition IS NOT NULL"
		  " UNION ALL SELECT 'track_step/' || step_no, condition::text, coalesce((SELECT product FROM nurture.track WHERE track = $1), '*') FROM nurture.track_step WHERE track = $1 AND version = $2 AND condition IS NOT NULL"
		  " ORDER BY 1", TEXTOID, INT4OID);
static KeptPlan route_conditions =
KEPT_PLAN("SELECT 'route_version/condition', v.condition::text, r.product FROM nurture.route_version v JOIN nurture.route r USING (route) WHERE v.route = $1 AND v.version = $2"
		  " UNION ALL SELECT 'route_version/hold_until', v.hold_until::text, r.product FROM nurture.route_version v JOIN nurture.route r USING (route) WHERE v.route = $1 AND v.version = $2 AND v.hold_until IS NOT NULL"
		  " ORDER BY 1", TEXTOID, INT4OID);
static KeptPlan lint_track =
KEPT_PLAN("SELECT 'there are no steps', 'error', NULL WHERE NOT EXISTS (SELECT FROM nurture.track_step WHERE track = $1 AND version = $2)"
		  " UNION ALL SELECT 'nothing brings a lead in: there is no entry, and no branch of another track leads here', 'warning', NULL"
		  " WHERE NOT EXISTS (SELECT FROM nurture.track_entry WHERE track = $1 AND version = $2)"
		  " AND NOT EXISTS (SELECT FROM nurture.track_branch b JOIN nurture.track_version v USING (track, version) WHERE b.to_track = $1 AND v.status = 'published')"
		  " UNION ALL SELECT 'unknown channel ' || c, 'error', 'track_step/' || s.step_no FROM nurture.track_step s, unnest(s.channels) c"
		  " WHERE s.track = $1 AND s.version = $2 AND NOT EXISTS (SELECT FROM nurture.channel k WHERE k.channel = c)"
		  " UNION ALL SELECT 'no published route ' || s.target, 'warning', 'track_step/' || s.step_no FROM nurture.track_step s"
		  " WHERE s.track = $1 AND s.version = $2 AND s.action = 'handoff' AND s.target IS NOT NULL AND NOT EXISTS (SELECT FROM nurture.route_version v WHERE v.route = s.target AND v.status = 'published')"
		  " UNION ALL SELECT 'no asset that is approved has the family ' || s.family, 'warning', 'track_step/' || s.step_no FROM nurture.track_step s"
		  " WHERE s.track = $1 AND s.version = $2 AND s.family IS NOT NULL AND NOT EXISTS (SELECT FROM nurture.asset a JOIN nurture.asset_version v USING (asset_id)"
		  "  WHERE a.family = s.family AND v.status = 'approved')"
		  " UNION ALL SELECT 'there is no step ' || e.from_step, 'error', 'track_entry/' || e.entry FROM nurture.track_entry e"
		  " WHERE e.track = $1 AND e.version = $2 AND NOT EXISTS (SELECT FROM nurture.track_step s WHERE s.track = $1 AND s.version = $2 AND s.step_no >= e.from_step)"
		  " UNION ALL SELECT 'track ' || b.to_track || ' has no published version', 'warning', 'track_branch/' || b.branch FROM nurture.track_branch b"
		  " WHERE b.track = $1 AND b.version = $2 AND b.to_track <> $1 AND NOT EXISTS (SELECT FROM nurture.track_version v WHERE v.track = b.to_track AND v.status = 'published')"
		  " ORDER BY 2, 3 NULLS FIRST, 1", TEXTOID, INT4OID);
static KeptPlan lint_route =
KEPT_PLAN("SELECT 'no active member in team ' || v.team, 'warning', 'route_version/team' FROM nurture.route_version v WHERE v.route = $1 AND v.version = $2"
		  " AND NOT EXISTS (SELECT FROM nurture.team_member m WHERE m.team = v.team AND m.active)"
		  " UNION ALL SELECT 'route ' || o.route || ' has the same priority; of the two the one with the lower code is asked first', 'warning', 'route_version/priority'"
		  " FROM nurture.route_version v JOIN nurture.route_version o ON o.priority = v.priority AND o.route <> v.route AND o.status = 'published'"
		  " WHERE v.route = $1 AND v.version = $2"
		  " UNION ALL SELECT 'the offer expires before it has to be accepted', 'warning', 'route_version/offer_expires' FROM nurture.route_version v"
		  " WHERE v.route = $1 AND v.version = $2 AND v.offer_expires < v.sla_accept ORDER BY 3, 1", TEXTOID, INT4OID);
static KeptPlan lint_selection =
KEPT_PLAN("SELECT 'there are no weights', 'error', NULL WHERE NOT EXISTS (SELECT FROM nurture.selection_weight WHERE selection = $1 AND version = $2)"
		  " UNION ALL SELECT 'all weights are 0', 'warning', NULL WHERE NOT EXISTS (SELECT FROM nurture.selection_weight WHERE selection = $1 AND version = $2 AND weight <> 0)"
		  "  AND EXISTS (SELECT FROM nurture.selection_weight WHERE selection = $1 AND version = $2)", TEXTOID, INT4OID);
static KeptPlan find_leads =
KEPT_PLAN("SELECT lead_id FROM nurture.lead WHERE merged_into IS NULL AND erased_at IS NULL AND NOT is_test ORDER BY lead_id DESC LIMIT $1", INT4OID);

/* What a check has found so far: a JSON array of findings. */
typedef struct Findings
{
	StringInfoData json;
	int			n;
	int			errors;
} Findings;

static void
add_finding(Findings *findings, const char *finding, const char *severity, const char *path)
{
	appendStringInfoString(&findings->json, findings->n++ > 0 ? ", {\"severity\": " : "{\"severity\": ");
	escape_json(&findings->json, severity);
	appendStringInfoString(&findings->json, ", \"finding\": ");
	escape_json(&findings->json, finding);
	if (path)
	{
		appendStringInfoString(&findings->json, ", \"path\": ");
		escape_json(&findings->json, path);
	}
	appendStringInfoChar(&findings->json, '}');
	findings->errors += strcmp(severity, "error") == 0;
}

/* Adds the rows (finding, severity, path) of a query. */
static void
add_rows(Findings *findings, KeptPlan *query, Datum *key)
{
	uint64		n;

	(void) nurture_execute(query, key, NULL, false);
	n = SPI_processed;
	for (uint64 i = 0; i < n; i++)
		add_finding(findings, nurture_cell_text(i, 1), nurture_cell_text(i, 2), nurture_cell_text(i, 3));
}

/* A condition, and for how many leads it is what. */
typedef struct DryCondition
{
	char	   *path;
	char	   *json;
	char	   *product;
	Condition  *compiled;
	int			holds;
	int			unknown;
} DryCondition;

/* Reads the conditions of a version; faults are findings. */
static DryCondition *
read_conditions(KeptPlan *query, Datum *key, Findings *findings, int *n)
{
	DryCondition *conditions;

	(void) nurture_execute(query, key, NULL, false);
	*n = SPI_processed;
	conditions = palloc0(sizeof(DryCondition) * Max(*n, 1));
	for (int i = 0; i < *n; i++)
	{
		conditions[i].path = nurture_cell_text(i, 1);
		conditions[i].json = nurture_cell_text(i, 2);
		conditions[i].product = nurture_cell_text(i, 3);
	}
	for (int i = 0; i < *n; i++)
	{
		char	   *fault = nurture_condition_fault(conditions[i].json);

		if (fault)
			add_finding(findings, fault, "error", conditions[i].path);
		else
			conditions[i].compiled = nurture_condition_compile(conditions[i].json, conditions[i].path);
	}
	return conditions;
}

/* Lists the latest leads. */
static int64 *
latest_leads(int *n)
{
	Datum		limit = Int32GetDatum(DRY_RUN_LEADS);
	int64	   *leads;

	(void) nurture_execute(&find_leads, &limit, NULL, false);
	*n = SPI_processed;
	leads = palloc(sizeof(int64) * Max(*n, 1));
	for (int i = 0; i < *n; i++)
	{
		bool		isnull;

		leads[i] = DatumGetInt64(nurture_cell(i, 1, &isnull));
	}
	return leads;
}

/* Asks conditions of the latest leads; how many leads were asked. */
static int
ask_leads(DryCondition *conditions, int n)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "nurture dry run", ALLOCSET_DEFAULT_SIZES);
	TimestampTz now = nurture_now_statement();
	int			nleads;
	int64	   *leads = latest_leads(&nleads);
	int			asked = 0;

	for (int i = 0; i < nleads; i++)
	{
		MemoryContext old = MemoryContextSwitchTo(context);
		Subject    *subject = nurture_subject_load(leads[i], now, true);

		CHECK_FOR_INTERRUPTS();
		asked += subject != NULL;
		for (int k = 0; k < n && subject; k++)
		{
			NurtureTruth truth;

			if (conditions[k].compiled == NULL)
				continue;
			subject->product = conditions[k].product;
			subject->standing_read = false;
			truth = nurture_subject_eval(subject, conditions[k].compiled);
			conditions[k].holds += truth == NURTURE_TRUE;
			conditions[k].unknown += truth == NURTURE_UNKNOWN;
		}
		MemoryContextSwitchTo(old);
		MemoryContextReset(context);
	}
	MemoryContextDelete(context);
	return asked;
}

/* Runs the conditions of a version over leads; the result as JSON. */
static char *
dry_run_conditions(KeptPlan *query, Datum *key, Findings *findings)
{
	StringInfoData json;
	DryCondition *conditions;
	int			n;
	int			asked;

	conditions = read_conditions(query, key, findings, &n);
	asked = ask_leads(conditions, n);
	initStringInfo(&json);
	appendStringInfo(&json, "{\"leads\": %d, \"conditions\": [", asked);
	for (int i = 0; i < n; i++)
	{
		appendStringInfoString(&json, i > 0 ? ", {\"path\": " : "{\"path\": ");
		escape_json(&json, conditions[i].path);
		appendStringInfo(&json, ", \"true\": %d, \"unknown\": %d}", conditions[i].holds, conditions[i].unknown);
	}
	appendStringInfoString(&json, "]}");
	return json.data;
}

static bool
same_member(Jsonb *a, Jsonb *b, const char *name)
{
	JsonbValue *x = getKeyJsonValueFromContainer(&a->root, name, strlen(name), NULL);
	JsonbValue *y = getKeyJsonValueFromContainer(&b->root, name, strlen(name), NULL);

	if (x == NULL || y == NULL)
		return x == y;
	return compareJsonbContainers(&JsonbValueToJsonb(x)->root, &JsonbValueToJsonb(y)->root) == 0;
}

/*
 * Warns when a draft differs from what is in force in more than one family of
 * rules, or, where a version is one row, in more than one of its columns.
 */
static void
warn_of_many(const VersionedKind *kind, const char *code, Jsonb *draft, Findings *findings)
{
	Oid			type = TEXTOID;
	Datum		value = CStringGetTextDatum(code);
	List	   *tables = nurture_config_tables();
	StringInfoData names;
	Jsonb	   *in_force;
	int			changed = 0;
	bool		isnull;

	if (SPI_execute_with_args(psprintf("SELECT version FROM nurture.%s WHERE %s = $1 AND status = 'published'", kind->versions, kind->code),
							  1, &type, &value, NULL, false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read nurture.%s", kind->versions);
	if (SPI_processed == 0)
		return;
	in_force = nurture_config_version_content(tables, kind, code, DatumGetInt32(nurture_cell(0, 1, &isnull)));
	initStringInfo(&names);
	for (int i = 0; i < MAX_RULE_FAMILIES && kind->families[i].table; i++)
	{
		const char *family = kind->families[i].table;
		ConfigTable *table = nurture_config_table_named(tables, family);
		bool		one_row = strcmp(family, kind->versions) == 0;
		Jsonb	   *a = draft;
		Jsonb	   *b = in_force;

		if (!one_row)
		{
			if (!same_member(a, b, family))
				appendStringInfo(&names, "%s%s", changed++ > 0 ? ", " : "", family);
			continue;
		}
		a = JsonbValueToJsonb(getKeyJsonValueFromContainer(&a->root, "version", 7, NULL));
		b = JsonbValueToJsonb(getKeyJsonValueFromContainer(&b->root, "version", 7, NULL));
		for (int k = 0; k < table->ncolumns; k++)
		{
			const char *column = table->columns[k].name;

			if (table->columns[k].exported && strcmp(column, "title") != 0 && strcmp(column, "owner") != 0 &&
				!same_member(a, b, column))
				appendStringInfo(&names, "%s%s", changed++ > 0 ? ", " : "", column);
		}
	}
	if (changed > 1)
		add_finding(findings, psprintf("more than one variable changes at once: %s", names.data), "warning", NULL);
}

static void
take_finding(void *arg, const char *finding, const char *severity, const char *path)
{
	add_finding(arg, finding, severity, path);
}

/* Checks a draft, runs it dry and keeps what came out. */
static int
run_check(const VersionedKind *kind, const char *code, int version, const char *hash)
{
	Datum		key[2] = {CStringGetTextDatum(code), Int32GetDatum(version)};
	Findings	findings = {{0}};
	Datum		values[8];
	char		nulls[9] = "        ";
	char	   *dry_run = NULL;

	initStringInfo(&findings.json);
	appendStringInfoChar(&findings.json, '[');
	if (strcmp(kind->kind, "model") == 0)
	{
		add_rows(&findings, &check_model, key);
		if (findings.errors == 0)
		{
			(void) nurture_execute(&model_moves, key, NULL, false);
			dry_run = nurture_cell_text(0, 1);
		}
	}
	else if (strcmp(kind->kind, "track") == 0)
	{
		add_rows(&findings, &lint_track, key);
		dry_run = dry_run_conditions(&track_conditions, key, &findings);
	}
	else if (strcmp(kind->kind, "route") == 0)
	{
		add_rows(&findings, &lint_route, key);
		dry_run = dry_run_conditions(&route_conditions, key, &findings);
	}
	else if (strcmp(kind->kind, "experiment") == 0)
		nurture_experiment_findings(code, version, take_finding, &findings);
	else
	{
		add_rows(&findings, &lint_selection, key);
		if (findings.errors == 0)
		{
			int			n;
			int64	   *leads = latest_leads(&n);

			dry_run = nurture_selection_dry_run(code, version, leads, n, nurture_now_statement());
		}
	}
	warn_of_many(kind, code, nurture_config_version_content(nurture_config_tables(), kind, code, version), &findings);
	appendStringInfoChar(&findings.json, ']');

	values[0] = CStringGetTextDatum(kind->kind);
	values[1] = key[0];
	values[2] = key[1];
	values[3] = CStringGetTextDatum(hash);
	values[4] = TimestampTzGetDatum(nurture_now_wall());
	values[5] = CStringGetTextDatum(nurture_actor(NULL));
	values[6] = DirectFunctionCall1(jsonb_in, CStringGetDatum(findings.json.data));
	nulls[7] = dry_run && strcmp(dry_run, "null") != 0 ? ' ' : 'n';
	values[7] = nulls[7] == 'n' ? (Datum) 0 : DirectFunctionCall1(jsonb_in, CStringGetDatum(dry_run));
	nurture_versions_write(&add_check, values, nulls);
	return findings.errors;
}

int
nurture_control_check(const char *kind_name, const char *code, int version, char **hash)
{
	MemoryContext context = CurrentMemoryContext;
	const VersionedKind *kind = nurture_versioned_kind(kind_name);
	int			level = nurture_spi_connect();
	int			errors = 0;
	char	   *found;
	Person		author;
	OwnerSwitch owner;
	Datum		values[4];
	bool		isnull;
	char	   *status;

	nurture_owner_enter(&owner);
	status = nurture_version_status(kind, code, version, false, &author);
	if (status && strcmp(status, "draft") == 0)
	{
		found = nurture_version_hash(kind, code, version);
		values[0] = CStringGetTextDatum(kind_name);
		values[1] = CStringGetTextDatum(code);
		values[2] = Int32GetDatum(version);
		values[3] = CStringGetTextDatum(found);
		(void) nurture_execute_latest(&find_check, values, NULL, false);
		if (SPI_processed > 0)
			errors = DatumGetInt32(nurture_cell(0, 1, &isnull));
		if (SPI_processed == 0 || errors > 0)
			errors = run_check(kind, code, version, found);
		if (hash)
			*hash = MemoryContextStrdup(context, found);
	}
	nurture_owner_leave(&owner);
	nurture_spi_finish(level);
	return errors;
}

/*
 * nurture_check_version(kind text, code text, version int) returns setof
 * (finding, severity, path)
 *
 * Checks a draft and runs it dry; both are kept with the version.
 */
Datum
nurture_check_version(PG_FUNCTION_ARGS)
{
	static KeptPlan read_findings =
	KEPT_PLAN("SELECT f.row ->> 'finding', f.row ->> 'severity', f.row ->> 'path' FROM nurture.version_check c, jsonb_array_elements(c.findings) WITH ORDINALITY AS f (row, n)"
			  " WHERE c.check_id = (SELECT max(check_id) FROM nurture.version_check WHERE kind = $1 AND code = $2 AND version = $3) ORDER BY f.n",
			  TEXTOID, TEXTOID, INT4OID);
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	const VersionedKind *kind = nurture_versioned_kind(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	char	   *code = text_to_cstring(PG_GETARG_TEXT_PP(1));
	int			version = PG_GETARG_INT32(2);
	Datum		values[3] = {CStringGetTextDatum(kind->kind), CStringGetTextDatum(code), Int32GetDatum(version)};
	OwnerSwitch owner;
	Person		author;
	char	   *status;
	int			level;

	if (pg_class_aclcheck(nurture_table_oid("version_check", false),
						  nurture_caller_role(), ACL_INSERT) != ACLCHECK_OK)
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_TABLE, "version_check");
	InitMaterializedSRF(fcinfo, 0);
	level = nurture_spi_connect();
	nurture_require_version(kind, code, &version);	/* with the caller's
													 * rights */
	status = nurture_version_status(kind, code, version, false, &author);
	if (status == NULL || strcmp(status, "draft") != 0)
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_BAD_STATE),
				 errmsg("version %d of %s \"%s\" is %s; only a draft is checked", version, kind->kind, code, status ? status : "gone"),
				 errhint("What the check found of it is in nurture.version_check.")));
	nurture_owner_enter(&owner);
	(void) run_check(kind, code, version, nurture_version_hash(kind, code, version));
	(void) nurture_execute_latest(&read_findings, values, NULL, false);
	nurture_owner_leave(&owner);
	for (uint64 i = 0; i < SPI_processed; i++)
		tuplestore_puttuple(result->setResult, SPI_tuptable->vals[i]);
	nurture_spi_finish(level);
	return (Datum) 0;
}
