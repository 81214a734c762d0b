/*
 * model_check.c
 *	  nurture_check_model: what is wrong with a version.
 */
#include "base/compat.h"

#include "base/owner.h"
#include "base/plans.h"
#include "catalog/pg_type.h"
#include "facts/attribute.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "scoring/model_life.h"
#include "scoring/model_private.h"
#include "utils/builtins.h"

NURTURE_FUNCTION(nurture_check_model);

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
void
nurture_model_check(const char *model, int version, FindingVisit visit, void *arg)
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
 * nurture_check_model(model text, version int) returns setof (finding,
 * severity, path): what is wrong with a version.
 */
Datum
nurture_check_model(PG_FUNCTION_ARGS)
{
	InitMaterializedSRF(fcinfo, 0);
	nurture_model_check(text_to_cstring(PG_GETARG_TEXT_PP(0)), PG_GETARG_INT32(1),
						show_finding, fcinfo->resultinfo);
	return (Datum) 0;
}
