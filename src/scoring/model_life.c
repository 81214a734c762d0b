/*
 * model_life.c
 *	  The life of a model version: draft, check, publish.
 */
#include "base/compat.h"

#include "audit/audit.h"
#include "base/clock.h"
#include "base/errors.h"
#include "base/owner.h"
#include "base/plans.h"
#include "base/settings.h"
#include "catalog/pg_type.h"
#include "facts/attribute.h"
#include "facts/vocabulary.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "scoring/model_life.h"
#include "scoring/model_private.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

NURTURE_FUNCTION(nurture_check_model);

static bool working = false;

static const char *const rule_tables[] = {"rule_group", "fit_rule", "signal_rule", "pattern",
"model_limit", "band", "tier_rule"};

typedef void (*FindingVisit) (void *arg, const char *text, const char *severity, const char *path);

/* What rules say that compiling them does not show. */
static KeptPlan check_rules =
KEPT_PLAN("SELECT 'signal_rule/' || r.rule, CASE WHEN t.class = 'safety' THEN 'signals of class safety are never scored' "
		  "ELSE 'the signal is sensitive and counts with special consent only' END, "
		  "CASE WHEN t.class = 'safety' THEN 'error' ELSE 'warning' END "
		  "FROM nurture.signal_rule r JOIN nurture.signal s ON s.signal = r.signal "
		  "JOIN nurture.event_type t ON t.event_type = s.event_type "
		  "WHERE r.model = $1 AND r.version = $2 AND (t.class = 'safety' OR t.sensitive) "
		  "UNION ALL SELECT 'fit_rule/' || b.rule, 'the range overlaps that of rule \"' || a.rule || '\"', 'warning' "
		  "FROM nurture.fit_rule a JOIN nurture.fit_rule b ON b.model = a.model AND b.version = a.version "
		  "AND b.attribute = a.attribute AND b.rule > a.rule "
		  "WHERE a.model = $1 AND a.version = $2 AND a.operator = 'between' AND b.operator = 'between' "
		  "AND jsonb_typeof(a.operand -> 0) = jsonb_typeof(b.operand -> 1) "
		  "AND jsonb_typeof(b.operand -> 0) = jsonb_typeof(a.operand -> 1) "
		  "AND a.operand -> 0 <= b.operand -> 1 AND b.operand -> 0 <= a.operand -> 1 ORDER BY 1, 2",
		  TEXTOID, INT4OID);
static KeptPlan next_version = KEPT_PLAN("INSERT INTO nurture.model_version (model, version, author) "
										 "SELECT $1, coalesce(max(version), 0) + 1, $2 FROM nurture.model_version WHERE model = $1 RETURNING version",
										 TEXTOID, TEXTOID);
static KeptPlan find_version = KEPT_PLAN("SELECT status, author, (SELECT version FROM nurture.model_version p WHERE p.model = $1 AND p.status = 'published') "
										 "FROM nurture.model_version WHERE model = $1 AND version = $2 FOR UPDATE",
										 TEXTOID, INT4OID);
static KeptPlan retire = KEPT_PLAN("UPDATE nurture.model_version SET status = 'retired', retired_at = $2 "
								   "WHERE model = $1 AND status = 'published'", TEXTOID, TIMESTAMPTZOID);
static KeptPlan publish = KEPT_PLAN("UPDATE nurture.model_version v SET status = 'published', published_at = $3, reason = $4, approver = $5, "
									"content_hash = (SELECT encode(sha256(convert_to(coalesce(string_agg(line, E'\\n' ORDER BY line COLLATE \"C\"), ''), 'UTF8')), 'hex') FROM ("
									"SELECT 'rule_group ' || to_jsonb(r)::text AS line FROM nurture.rule_group r WHERE r.model = $1 AND r.version = $2 "
									"UNION ALL SELECT 'fit_rule ' || to_jsonb(r)::text FROM nurture.fit_rule r WHERE r.model = $1 AND r.version = $2 "
									"UNION ALL SELECT 'signal_rule ' || to_jsonb(r)::text FROM nurture.signal_rule r WHERE r.model = $1 AND r.version = $2 "
									"UNION ALL SELECT 'pattern ' || to_jsonb(r)::text FROM nurture.pattern r WHERE r.model = $1 AND r.version = $2 "
									"UNION ALL SELECT 'model_limit ' || to_jsonb(r)::text FROM nurture.model_limit r WHERE r.model = $1 AND r.version = $2 "
									"UNION ALL SELECT 'band ' || to_jsonb(r)::text FROM nurture.band r WHERE r.model = $1 AND r.version = $2 "
									"UNION ALL SELECT 'tier_rule ' || to_jsonb(r)::text FROM nurture.tier_rule r WHERE r.model = $1 AND r.version = $2) AS content) "
									"WHERE v.model = $1 AND v.version = $2 RETURNING v.content_hash",
									TEXTOID, INT4OID, TIMESTAMPTZOID, TEXTOID, TEXTOID);

/* Whether nurture_publish is at work, so that the guards let it. */
bool
nurture_model_life_working(void)
{
	return working;
}

/* Copies the rules of one version into another. */
static void
copy_rules(const char *model, int from, int to)
{
	for (int i = 0; i < lengthof(rule_tables); i++)
	{
		Oid			types[3] = {TEXTOID, INT4OID, INT4OID};
		Datum		values[3];
		char	   *sql;
		char	   *columns;
		Datum		table = CStringGetTextDatum(rule_tables[i]);
		Oid			text_type = TEXTOID;

		/*
		 * columns by the catalogue, so that none is forgotten when one is
		 * added
		 */
		if (SPI_execute_with_args("SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute "
								  "WHERE attrelid = ('nurture.' || $1)::regclass AND attnum > 0 AND NOT attisdropped "
								  "AND attname NOT IN ('model', 'version')",
								  1, &text_type, &table, NULL, true, 0) != SPI_OK_SELECT)
			elog(ERROR, "could not read the columns of \"%s\"", rule_tables[i]);
		columns = nurture_cell_text(0, 1);
		sql = psprintf("INSERT INTO nurture.%s (model, version, %s) SELECT model, $3, %s FROM nurture.%s WHERE model = $1 AND version = $2",
					   rule_tables[i], columns, columns, rule_tables[i]);
		values[0] = CStringGetTextDatum(model);
		values[1] = Int32GetDatum(from);
		values[2] = Int32GetDatum(to);
		if (SPI_execute_with_args(sql, 3, types, values, NULL, false, 0) != SPI_OK_INSERT)
			elog(ERROR, "could not copy \"%s\"", rule_tables[i]);
	}
}

/*
 * Makes a draft, with the rules of from_version unless that is 0.  Runs with
 * the caller's rights: who may not insert rules may not draft.
 */
int
nurture_model_draft(const char *model, int from_version)
{
	int			level = nurture_spi_connect();
	Datum		values[2];
	bool		isnull;
	int			version;

	nurture_require_model(model);
	values[0] = CStringGetTextDatum(model);
	if (from_version > 0)
	{
		values[1] = Int32GetDatum(from_version);
		nurture_execute(&find_version, values, NULL, false);
		if (SPI_processed == 0)
			ereport(ERROR,
					(errcode(NURTURE_ERRCODE_UNKNOWN_CODE),
					 errmsg("model \"%.64s\" has no version %d", model, from_version),
					 errhint("Versions are rows of nurture.model_version.")));
	}
	values[1] = CStringGetTextDatum(nurture_actor(NULL));
	nurture_execute(&next_version, values, NULL, false);
	version = DatumGetInt32(nurture_cell(0, 1, &isnull));
	if (from_version > 0)
		copy_rules(model, from_version, version);
	nurture_spi_finish(level);
	return version;
}

/* Most and least points that the rules of a dimension can give. */
static void
reachable(const CompiledModel *m, ScoreDimension dimension, double *least, double *most)
{
	*least = *most = 0;
	for (int i = 0; i < m->n_point_rules; i++)
	{
		const PointRule *rule = &m->point_rules[i];
		ScoreDimension d = rule->group >= 0 ? m->core.groups[rule->group].dimension :
		rule->is_pattern ? SCORE_INTENT : SCORE_FIT;

		if (d == dimension && rule->points > 0)
			*most += rule->points;
		if (d == dimension && rule->points < 0)
			*least += rule->points;
	}
	for (int i = 0; i < m->core.nrules; i++)
	{
		const ScoreSignalRule *rule = &m->core.rules[i];
		ScoreDimension d = rule->group >= 0 ? m->core.groups[rule->group].dimension : SCORE_INTENT;

		if (d != dimension)
			continue;
		if (rule->points > 0)
			*most += rule->cap != NURTURE_SCORE_NO_CAP ? rule->cap :
				rule->count_max > 0 ? (double) rule->count_max * rule->points : 1e15;
		else
			*least -= 1e15;
	}
	if (m->core.limits[dimension].cap != NURTURE_SCORE_NO_CAP)
		*most = Min(*most, (double) m->core.limits[dimension].cap);
	if (m->core.limits[dimension].floor != NURTURE_SCORE_NO_FLOOR)
		*most = Max(*most, (double) m->core.limits[dimension].floor);
}

/* A condition of a rule, whose facts the registry of attributes looks at. */
typedef struct RuleFacts
{
	FindingVisit visit;
	void	   *arg;
	const char *path;
} RuleFacts;

static void
visit_fact(void *arg, const char *text, const char *severity)
{
	RuleFacts  *rule = arg;

	rule->visit(rule->arg, text, severity, rule->path);
}

/* Visits what the registry of attributes finds in the conditions of a version. */
static void
check_facts(const CompiledModel *compiled, FindingVisit visit, void *arg)
{
	RuleFacts	rule = {visit, arg, NULL};

	for (int i = 0; i < compiled->n_point_rules; i++)
	{
		const PointRule *point = &compiled->point_rules[i];

		rule.path = psprintf("%s/%s", point->is_pattern ? "pattern" : "fit_rule", point->rule);
		nurture_attribute_check(point->condition, visit_fact, &rule);
	}
	for (int i = 0; i < compiled->n_tiers; i++)
	{
		rule.path = psprintf("tier_rule/%d/%s", compiled->tiers[i].tier,
							 compiled->tiers[i].requirement);
		nurture_attribute_check(compiled->tiers[i].condition, visit_fact, &rule);
	}
}

/*
 * Visits what is wrong with a version.  Rules that cannot be compiled do not
 * get so far: the guards refuse them when they are written.
 */
static void
check_version(const char *model, int version, FindingVisit visit, void *arg)
{
	const CompiledModel *compiled = nurture_model_version(model, version);
	static const char *const names[] = {"fit", "intent"};
	Datum		values[2];
	OwnerSwitch save;
	int			level;

	if (compiled->core.nrules + compiled->n_point_rules == 0)
		visit(arg, "the version has no rules", "error", NULL);
	for (int d = SCORE_FIT; d <= SCORE_INTENT; d++)
	{
		const ModelBands *bands = &compiled->bands[d];
		double		least;
		double		most;

		reachable(compiled, d, &least, &most);
		if (bands->n == 0)
			visit(arg, psprintf("dimension %s has no bands", names[d]), "warning", psprintf("band/%s", names[d]));
		for (int i = 0; i < bands->n; i++)
		{
			if (bands->min_points[i] > most)
				visit(arg, psprintf("band %c cannot be reached", bands->band[i]), "error",
					  psprintf("band/%s/%c", names[d], bands->band[i]));
			if (i > 0 && bands->band[i] < bands->band[i - 1])
				visit(arg, psprintf("band %c needs more points than band %c", bands->band[i - 1], bands->band[i]),
					  "error", psprintf("band/%s/%c", names[d], bands->band[i]));
		}
	}
	for (int i = 0; i < compiled->core.nrules; i++)
	{
		const ScoreSignalRule *rule = &compiled->core.rules[i];
		bool		weightless = !rule->ever;

		for (int age = 0; weightless && age < rule->nfactor; age++)
			weightless = rule->factor[age] == 0;
		if (weightless || rule->points == 0)
			visit(arg, "the rule can never give points", "warning",
				  psprintf("signal_rule/%s", compiled->signal_names[i].rule));
	}
	if (compiled->n_tiers == 0)
		visit(arg, "the version has no tier rules", "warning", NULL);

	check_facts(compiled, visit, arg);

	values[0] = CStringGetTextDatum(model);
	values[1] = Int32GetDatum(version);
	nurture_owner_enter(&save);
	level = nurture_spi_connect();
	nurture_execute(&check_rules, values, NULL, true);
	for (uint64 i = 0; i < SPI_processed; i++)
		visit(arg, nurture_cell_text(i, 2), nurture_cell_text(i, 3), nurture_cell_text(i, 1));
	nurture_spi_finish(level);
	nurture_owner_leave(&save);
}

/* Refuses to publish for a finding that is an error. */
static void
refuse_finding(void *arg, const char *text, const char *severity, const char *path)
{
	const char *version = arg;

	if (strcmp(severity, "error") == 0)
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_MODEL_CHECK),
				 errmsg("%s cannot be published: %s%s%s", version, text,
						path ? " at " : "", path ? path : ""),
				 errhint("See nurture_check_model.")));
}

/* Puts a finding into the result of nurture_check_model. */
static void
show_finding(void *arg, const char *text, const char *severity, const char *path)
{
	ReturnSetInfo *result = arg;
	Datum		values[3];
	bool		nulls[3] = {false};

	values[0] = CStringGetTextDatum(text);
	values[1] = CStringGetTextDatum(severity);
	nulls[2] = path == NULL;
	values[2] = nulls[2] ? (Datum) 0 : CStringGetTextDatum(path);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/*
 * Publishes a draft and retires the version before it.  Returns what changed
 * in words.  The draft is compiled first; rules that cannot be are an error.
 */
char	   *
nurture_model_publish(const char *model, int version, const char *reason,
					  const char *actor)
{
	MemoryContext context = CurrentMemoryContext;
	int			level = nurture_spi_connect();
	Datum		values[5];
	char	   *status;
	char	   *author;
	char	   *before;
	const char *who = nurture_actor(actor);
	char	   *result;
	TimestampTz now = nurture_now_statement();
	AuditEntry	entry;

	nurture_require_model(model);
	values[0] = CStringGetTextDatum(model);
	values[1] = Int32GetDatum(version);
	nurture_execute(&find_version, values, NULL, false);
	if (SPI_processed == 0)
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_UNKNOWN_CODE),
				 errmsg("model \"%.64s\" has no version %d", model, version),
				 errhint("Make one with nurture_draft('model', '%.64s').", model)));
	status = nurture_cell_text(0, 1);
	author = nurture_cell_text(0, 2);
	before = nurture_cell_text(0, 3);
	if (strcmp(status, "draft") != 0)
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_BAD_STATE),
				 errmsg("version %d of model \"%s\" is %s already", version, model, status),
				 errhint("Only drafts can be published.")));
	if (nurture_two_person_rule && author != NULL && strcmp(author, who) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("version %d of model \"%s\" must be published by another person than its author", version, model),
				 errhint("The setting nurture.two_person_rule is on.")));

	check_version(model, version, refuse_finding, psprintf("version %d of model \"%s\"", version, model));

	working = true;
	PG_TRY();
	{
		values[1] = TimestampTzGetDatum(now);
		nurture_execute(&retire, values, NULL, false);
		values[1] = Int32GetDatum(version);
		values[2] = TimestampTzGetDatum(now);
		values[3] = CStringGetTextDatum(reason);
		values[4] = CStringGetTextDatum(who);
		nurture_execute(&publish, values, NULL, false);
	}
	PG_FINALLY();
	{
		working = false;
	}
	PG_END_TRY();
	if (SPI_processed != 1)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("version %d of model \"%s\" could not be published", version, model),
				 errhint("The caller needs the right to update nurture.model_version.")));

	memset(&entry, 0, sizeof(entry));
	entry.kind = "publish";
	entry.object = psprintf("model:%s:%d", model, version);
	entry.outcome = "published";
	entry.versions_json = psprintf("{\"model\": \"%s\", \"version\": %d, \"replaces\": %s, \"content_hash\": \"%s\"}",
								   model, version, before ? before : "null", nurture_cell_text(0, 1));
	entry.reason = reason;
	entry.actor = who;
	nurture_audit_append(&entry, 1);

	result = MemoryContextStrdup(context,
								 before ? psprintf("model %s: version %d published, version %s retired", model, version, before) :
								 psprintf("model %s: version %d published", model, version));
	nurture_spi_finish(level);
	return result;
}

/*
 * nurture_check_model(model text, version int) returns setof (finding,
 * severity, path): what is wrong with a version.
 */
Datum
nurture_check_model(PG_FUNCTION_ARGS)
{
	InitMaterializedSRF(fcinfo, 0);
	check_version(text_to_cstring(PG_GETARG_TEXT_PP(0)), PG_GETARG_INT32(1),
				  show_finding, fcinfo->resultinfo);
	return (Datum) 0;
}
