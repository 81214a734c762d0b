/*
 * model_check.c
 *	  nurture_check_model: what is wrong with a version.
 *
 * First what keeps it from being compiled; the guards refuse that when rules
 * are written, but a setting or a vocabulary may have changed since.  Then
 * what the compiled rules say.  An error keeps a version from being
 * published; a warning is something that is hardly meant.
 */
#include "base/compat.h"

#include "base/owner.h"
#include "base/plans.h"
#include "base/settings.h"
#include "catalog/pg_type.h"
#include "facts/attribute.h"
#include "facts/vocabulary.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "nodes/bitmapset.h"
#include "scoring/model_life.h"
#include "scoring/model_private.h"
#include "utils/builtins.h"

NURTURE_FUNCTION(nurture_check_model);

static KeptPlan read_signal_rules =
KEPT_PLAN("SELECT r.rule, r.signal, s.signal IS NOT NULL, r.curve, coalesce(r.curve_days, 0), r.curve_steps::text, coalesce(r.per_day_max, 0) "
		  "FROM nurture.signal_rule r LEFT JOIN nurture.signal s ON s.signal = r.signal "
		  "WHERE r.model = $1 AND r.version = $2 ORDER BY r.rule", TEXTOID, INT4OID);
static KeptPlan read_conditions =
KEPT_PLAN("SELECT 'fit_rule/' || rule, attribute, operator, operand::text, condition::text FROM nurture.fit_rule WHERE model = $1 AND version = $2 "
		  "UNION ALL SELECT 'pattern/' || pattern, NULL, NULL, NULL, condition::text FROM nurture.pattern WHERE model = $1 AND version = $2 "
		  "UNION ALL SELECT 'tier_rule/' || tier || '/' || requirement, NULL, NULL, NULL, condition::text FROM nurture.tier_rule WHERE model = $1 AND version = $2 "
		  "ORDER BY 1", TEXTOID, INT4OID);

/* Signals of which a rule has to know more than their number. */
static KeptPlan read_signals =
KEPT_PLAN0("SELECT s.signal_id::int4, s.retired_at IS NOT NULL, t.class = 'safety', t.sensitive "
		   "FROM nurture.signal s JOIN nurture.event_type t ON t.event_type = s.event_type "
		   "WHERE s.retired_at IS NOT NULL OR t.class = 'safety' OR t.sensitive");

/* Ranges and values of one attribute that two rules of a group share. */
static KeptPlan read_overlaps =
KEPT_PLAN("WITH range AS (SELECT rule, attribute, rule_group, "
		  "CASE operator WHEN 'between' THEN operand -> 0 WHEN '>=' THEN operand END AS low, "
		  "CASE operator WHEN 'between' THEN operand -> 1 WHEN '<=' THEN operand END AS high "
		  "FROM nurture.fit_rule WHERE model = $1 AND version = $2 AND operator IN ('between', '>=', '<=')), "
		  "value AS (SELECT r.rule, r.attribute, r.rule_group, v.value "
		  "FROM nurture.fit_rule r, jsonb_array_elements(CASE WHEN r.operator = 'in' THEN r.operand ELSE jsonb_build_array(r.operand) END) v "
		  "WHERE r.model = $1 AND r.version = $2 AND r.operator IN ('=', 'in')) "
		  "SELECT 'fit_rule/' || b.rule, 'the range overlaps that of rule \"' || a.rule || '\"' "
		  "FROM range a JOIN range b ON b.attribute = a.attribute AND b.rule_group IS NOT DISTINCT FROM a.rule_group AND b.rule > a.rule "
		  "WHERE jsonb_typeof(coalesce(a.low, a.high)) = jsonb_typeof(coalesce(b.low, b.high)) "
		  "AND (a.low IS NULL OR b.high IS NULL OR a.low <= b.high) AND (b.low IS NULL OR a.high IS NULL OR b.low <= a.high) "
		  "UNION ALL SELECT 'fit_rule/' || b.rule, 'the value ' || min(b.value::text) || ' is that of rule \"' || a.rule || '\" too' "
		  "FROM value a JOIN value b ON b.attribute = a.attribute AND b.rule_group IS NOT DISTINCT FROM a.rule_group AND b.rule > a.rule AND b.value = a.value "
		  "GROUP BY a.rule, b.rule ORDER BY 1, 2", TEXTOID, INT4OID);

/* One check. */
typedef struct Check
{
	const CompiledModel *model;
	FindingVisit visit;
	void	   *arg;
	const char *path;			/* of the rule at hand */
	bool		of_tier;		/* which may ask for the score */
	Bitmapset  *retired;		/* signal ids, like the next two */
	Bitmapset  *safety;
	Bitmapset  *sensitive;
} Check;

static void
find(const Check *check, const char *severity, const char *text)
{
	check->visit(check->arg, text, severity, check->path);
}

/* Visits what keeps a version from being compiled; true when something does. */
static bool
check_words(Check *check, Datum *key)
{
	bool		broken = false;
	uint64		n;
	char	  **cells;

	nurture_execute(&read_signal_rules, key, NULL, true);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		char	   *curve = nurture_cell_text(i, 4);
		char	   *fault;

		check->path = psprintf("signal_rule/%s", nurture_cell_text(i, 1));
		if (strcmp(nurture_cell_text(i, 3), "t") != 0)
		{
			find(check, "error", psprintf("unknown signal \"%s\"", nurture_cell_text(i, 2)));
			broken = true;
		}
		fault = nurture_model_curve_fault(curve, pg_strtoint32(nurture_cell_text(i, 5)),
										  nurture_cell_text(i, 6), nurture_horizon_days);
		if (fault)
		{
			find(check, "error", fault);
			broken = true;
		}
		if (strcmp(curve, "none") == 0 && pg_strtoint32(nurture_cell_text(i, 7)) > 1)
		{
			find(check, "error", "per_day_max above 1 needs a curve that fades");
			broken = true;
		}
	}

	/* copied out: compiling runs queries of its own */
	nurture_execute(&read_conditions, key, NULL, true);
	n = SPI_processed;
	cells = palloc(sizeof(char *) * 5 * Max(n, 1));
	for (uint64 i = 0; i < 5 * n; i++)
		cells[i] = nurture_cell_text(i / 5, i % 5 + 1);
	for (uint64 i = 0; i < n; i++)
	{
		char	  **row = &cells[5 * i];
		char	   *fault = row[4] ? nurture_condition_fault(row[4]) :
		nurture_condition_fact_fault(row[1], row[2], row[3]);

		check->path = row[0];
		if (fault)
		{
			find(check, "error", fault);
			broken = true;
		}
	}
	return broken;
}

/* Reads which signals are retired, of class safety, or sensitive. */
static void
load_signals(Check *check)
{
	nurture_execute(&read_signals, NULL, NULL, true);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		bool		isnull;
		int			id = DatumGetInt32(nurture_cell(i, 1, &isnull));

		if (DatumGetBool(nurture_cell(i, 2, &isnull)))
			check->retired = bms_add_member(check->retired, id);
		if (DatumGetBool(nurture_cell(i, 3, &isnull)))
			check->safety = bms_add_member(check->safety, id);
		if (DatumGetBool(nurture_cell(i, 4, &isnull)))
			check->sensitive = bms_add_member(check->sensitive, id);
	}
}

static void
check_signal(Check *check, int signal)
{
	if (bms_is_member(signal, check->safety))
		find(check, "error", "signals of class safety are never scored");
	else if (bms_is_member(signal, check->sensitive))
		find(check, "warning", "the signal is sensitive and counts with special consent only");
	if (bms_is_member(signal, check->retired))
		find(check, "warning", psprintf("signal \"%s\" is retired and no longer counted", nurture_signal_code(signal)));
}

/* Visits what one term of a rule that gives points should not ask. */
static void
check_term(void *arg, const CondTerm *term)
{
	Check	   *check = arg;

	switch (term->kind)
	{
		case COND_TERM_SIGNAL:
			check_signal(check, term->subject.id);
			if (term->other.id >= 0)
				check_signal(check, term->other.id);
			break;
		case COND_TERM_TAG:
		case COND_TERM_INTEREST:
			if (nurture_tag_sensitive(term->subject.id))
				find(check, "warning", psprintf("tag \"%s\" is sensitive and counts with special consent only",
												nurture_tag_text(term->subject.id)));
			break;
		case COND_TERM_SCORE:
		case COND_TERM_GRADE:
		case COND_TERM_TIER:
			if (!check->of_tier)
				find(check, "warning", "the rule asks for the score or grade that it is part of");
			break;
		default:
			break;
	}
}

static void
visit_fact(void *arg, const char *text, const char *severity)
{
	find(arg, severity, text);
}

/* Visits what is wrong with the condition of a rule. */
static void
check_condition(Check *check, const Condition *condition)
{
	const CompiledModel *m = check->model;

	nurture_attribute_check(condition, visit_fact, check);
	nurture_cond_visit_terms(condition, check_term, check);
	if (nurture_condition_never(condition, NULL, 0))
		find(check, check->of_tier ? "error" : "warning", "the condition can never be true");
	else if (m->n_audience_types > 0 &&
			 nurture_condition_never(condition, m->audience_types, m->n_audience_types))
		find(check, check->of_tier ? "error" : "warning", "the condition is for audiences that the model is not for");
}

static void
check_point_rules(Check *check)
{
	const CompiledModel *m = check->model;

	for (int i = 0; i < m->n_point_rules; i++)
	{
		const PointRule *rule = &m->point_rules[i];

		check->path = psprintf("%s/%s", rule->is_pattern ? "pattern" : "fit_rule", rule->rule);
		if (rule->points == 0)
			find(check, "warning", "the rule gives 0 points");
		check_condition(check, rule->condition);
	}
}

static void
check_signal_rules(Check *check)
{
	const CompiledModel *m = check->model;

	for (int i = 0; i < m->core.nrules; i++)
	{
		const ScoreSignalRule *rule = &m->core.rules[i];
		bool		weightless = !rule->ever;

		check->path = psprintf("signal_rule/%s", m->signal_names[i].rule);
		for (int age = 0; weightless && age < rule->nfactor; age++)
			weightless = rule->factor[age] == 0;
		if (rule->points == 0)
			find(check, "warning", "the rule gives 0 points");
		else if (weightless)
			find(check, "warning", "the curve is 0 at every age");
		check_signal(check, rule->signal);
	}
}

static void
check_tiers(Check *check)
{
	const CompiledModel *m = check->model;
	int			before = 0;

	check->of_tier = true;
	check->path = NULL;
	if (m->n_tiers == 0)
		find(check, "warning", "the version has no tier rules");
	for (int i = 0; i < m->n_tiers; i++)
	{
		const TierRule *rule = &m->tiers[i];

		check->path = psprintf("tier_rule/%d/%s", rule->tier, rule->requirement);
		if (rule->tier > before + 1)
			find(check, "warning", psprintf("tier %d asks for nothing: leads pass it unseen", before + 1));
		before = rule->tier;
		check_condition(check, rule->condition);
	}
	check->of_tier = false;
}

/* Visits what is wrong with a version. */
void
nurture_model_check(const char *model, int version, FindingVisit visit, void *arg)
{
	Check		check = {.visit = visit,.arg = arg};
	Datum		key[2];
	OwnerSwitch save;
	bool		broken;
	int			level;

	key[0] = CStringGetTextDatum(model);
	key[1] = Int32GetDatum(version);
	nurture_owner_enter(&save);
	level = nurture_spi_connect();
	broken = check_words(&check, key);
	if (!broken)
	{
		check.model = nurture_model_version(model, version);
		load_signals(&check);
		check.path = NULL;
		if (check.model->core.nrules + check.model->n_point_rules == 0)
			find(&check, "error", "the version has no rules");
		nurture_model_check_reach(check.model, visit, arg);
		check_point_rules(&check);
		check_signal_rules(&check);
		check_tiers(&check);
		nurture_execute(&read_overlaps, key, NULL, true);
		for (uint64 i = 0; i < SPI_processed; i++)
		{
			check.path = nurture_cell_text(i, 1);
			find(&check, "warning", nurture_cell_text(i, 2));
		}
	}
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
	/* no row would say that nothing is wrong */
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("model and version must not be null"),
				 errhint("Versions are rows of nurture.model_version.")));
	InitMaterializedSRF(fcinfo, 0);
	nurture_model_check(text_to_cstring(PG_GETARG_TEXT_PP(0)), PG_GETARG_INT32(1),
						show_finding, fcinfo->resultinfo);
	return (Datum) 0;
}
