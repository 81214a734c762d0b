/*
 * model_load.c
 *	  Compiles model versions from their tables.
 */
#include "base/compat.h"

#include "base/errors.h"
#include "base/plans.h"
#include "base/settings.h"
#include "catalog/pg_type.h"
#include "core/curve.h"
#include "facts/vocabulary.h"
#include "scoring/model_private.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"

#define MODEL_ARGS TEXTOID, INT4OID

static KeptPlan read_groups = KEPT_PLAN("SELECT rule_group, dimension, (floor * 100)::int8, (cap * 100)::int8 "
										"FROM nurture.rule_group WHERE model = $1 AND version = $2 ORDER BY rule_group",
										MODEL_ARGS);
static KeptPlan read_limits = KEPT_PLAN("SELECT dimension, (floor * 100)::int8, (cap * 100)::int8 "
										"FROM nurture.model_limit WHERE model = $1 AND version = $2",
										MODEL_ARGS);
static KeptPlan read_bands = KEPT_PLAN("SELECT dimension, band, (min_points * 100)::int8 "
									   "FROM nurture.band WHERE model = $1 AND version = $2 ORDER BY dimension, min_points DESC",
									   MODEL_ARGS);
static KeptPlan read_signal_rules = KEPT_PLAN("SELECT r.rule, coalesce(r.title, s.title, replace(r.signal, '_', ' ')), r.signal, s.signal_id::int4, "
											  "(r.points * 100)::int8, r.curve, r.curve_days, r.curve_steps::text, r.per_day_max, r.count_max, "
											  "(r.floor * 100)::int8, (r.cap * 100)::int8, r.rule_group "
											  "FROM nurture.signal_rule r JOIN nurture.signal s ON s.signal = r.signal "
											  "WHERE r.model = $1 AND r.version = $2 ORDER BY s.signal_id, r.rule",
											  MODEL_ARGS);
static KeptPlan read_point_rules = KEPT_PLAN("SELECT false, rule, title, attribute, operator, operand::text, condition::text, (points * 100)::int8, rule_group, NULL "
											 "FROM nurture.fit_rule WHERE model = $1 AND version = $2 "
											 "UNION ALL "
											 "SELECT true, pattern, title, NULL, NULL, NULL, condition::text, (points * 100)::int8, rule_group, label "
											 "FROM nurture.pattern WHERE model = $1 AND version = $2 ORDER BY 1, 2",
											 MODEL_ARGS);
static KeptPlan read_tiers = KEPT_PLAN("SELECT tier::int4, requirement, condition::text, fails_with, title "
									   "FROM nurture.tier_rule WHERE model = $1 AND version = $2 ORDER BY tier, requirement",
									   MODEL_ARGS);

static int64
limit_cell(uint64 row, int column, int64 none)
{
	bool		isnull;
	Datum		value = nurture_cell(row, column, &isnull);

	return isnull ? none : DatumGetInt64(value);
}

static int
int_cell(uint64 row, int column, int none)
{
	bool		isnull;
	Datum		value = nurture_cell(row, column, &isnull);

	return isnull ? none : DatumGetInt32(value);
}

static ScoreDimension
dimension_of(const char *name)
{
	if (strcmp(name, "fit") == 0)
		return SCORE_FIT;
	return strcmp(name, "intent") == 0 ? SCORE_INTENT : SCORE_TOTAL;
}

static int
group_index(const CompiledModel *m, const char *group)
{
	if (group == NULL)
		return NURTURE_SCORE_NO_GROUP;
	for (int i = 0; i < m->core.ngroups; i++)
	{
		if (strcmp(m->group_names[i], group) == 0)
			return i;
	}
	return NURTURE_SCORE_NO_GROUP;
}

/*
 * Reads curve_steps, [[days, percent], ...] with percent to two decimals;
 * false when it is anything else.
 */
static bool
read_steps(const char *json, CurveStep **steps, int *nsteps)
{
	Jsonb	   *doc = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(json)));

	if (!JB_ROOT_IS_ARRAY(doc) || JB_ROOT_IS_SCALAR(doc))
		return false;
	*nsteps = JB_ROOT_COUNT(doc);
	*steps = palloc(sizeof(CurveStep) * Max(*nsteps, 1));
	for (int i = 0; i < *nsteps; i++)
	{
		JsonbValue *pair = getIthJsonbValueFromContainer(&doc->root, i);
		JsonbValue *part[2];
		int64		numbers[2];

		if (pair->type != jbvBinary || !JsonContainerIsArray(pair->val.binary.data) ||
			JsonContainerSize(pair->val.binary.data) != 2)
			return false;
		for (int j = 0; j < 2; j++)
		{
			char	   *text;

			part[j] = getIthJsonbValueFromContainer(pair->val.binary.data, j);
			if (part[j]->type != jbvNumeric)
				return false;
			/* codes of nurture_cond_number: twice the millionths, odd = more */
			text = DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(part[j]->val.numeric)));

			if (!nurture_cond_number(text, strlen(text), &numbers[j]))
				return false;
		}
		if (numbers[0] % 2000000 != 0 || numbers[1] % 20000 != 0 ||
			numbers[0] / 2000000 < PG_INT32_MIN || numbers[0] / 2000000 > PG_INT32_MAX ||
			numbers[1] / 20000 < 0 || numbers[1] / 20000 > PG_INT32_MAX)
			return false;
		(*steps)[i].days = numbers[0] / 2000000;
		(*steps)[i].percent = numbers[1] / 20000;
	}
	return true;
}

/*
 * Compiles the curve of a signal rule; false when it cannot be, with the
 * status and the step at fault, CURVE_OK standing for curve_steps that are no
 * list of pairs.  Of curve none the factors are NULL.
 */
static bool
compile_curve(const char *curve, int days, const char *steps_json, int horizon,
			  int32 **factors, CurveError *error)
{
	CurveSpec	spec;
	CurveStep  *steps = NULL;
	bool		made;

	memset(&spec, 0, sizeof(spec));
	error->status = CURVE_BAD_KIND;
	error->step = -1;
	*factors = NULL;
	if (!nurture_curve_kind_from_name(curve, strlen(curve), &spec.kind))
		return false;
	if (spec.kind == CURVE_NONE)
		return true;
	spec.days = days;
	if (spec.kind == CURVE_STEP)
	{
		error->status = CURVE_OK;
		if (steps_json == NULL || !read_steps(steps_json, &steps, &spec.nsteps))
			return false;
		spec.steps = steps;
	}
	*factors = palloc(sizeof(int32) * horizon);
	made = nurture_curve_compile(&spec, *factors, horizon, error) == CURVE_OK;
	if (steps)
		pfree(steps);
	return made;
}

static const char *
curve_fault_text(const CurveError *error)
{
	return error->status == CURVE_OK ? "curve_steps is not a list of [days, percent] pairs" :
		nurture_curve_status_text(error->status);
}

/* Returns what is wrong with a curve in words, NULL when nothing is. */
char	   *
nurture_model_curve_fault(const char *curve, int days, const char *steps_json,
						  int horizon)
{
	CurveError	error;
	int32	   *factors;

	if (compile_curve(curve, days, steps_json, horizon, &factors, &error))
		return NULL;
	if (error.status == CURVE_DAYS_BEYOND_HORIZON || error.status == CURVE_STEP_BEYOND_HORIZON)
		return psprintf("the curve is longer than the horizon of %d days", horizon);
	return pstrdup(curve_fault_text(&error));
}

/*
 * Compiles the curve of a signal rule into factors, raising when it cannot
 * be; NULL for curve none.
 */
int32	   *
nurture_model_curve(const char *owner, const char *curve, int days,
					const char *steps_json, int horizon)
{
	CurveError	error;
	int32	   *factors;

	if (compile_curve(curve, days, steps_json, horizon, &factors, &error))
		return factors;
	if (error.status == CURVE_BAD_KIND)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s: unknown curve \"%s\"", owner, curve),
				 errhint("Curves are none, half_life, linear, step and window.")));
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("%s: %s", owner, curve_fault_text(&error)),
			 error.step >= 0 ? errdetail("In step %d of curve_steps.", error.step + 1) : 0,
			 error.status == CURVE_OK ?
			 errhint("Write it like [[7, 100], [30, 50]]; days are whole, percent has at most two decimals.") :
			 errhint("The horizon is %d days (nurture.horizon_days).", horizon)));
	return NULL;				/* not reached */
}

static void
load_groups_and_limits(CompiledModel *m, Datum *key, Snapshot snapshot)
{
	ScoreGroup *groups;

	nurture_execute_snapshot(&read_groups, key, NULL, snapshot);
	m->core.ngroups = SPI_processed;
	groups = palloc0(sizeof(ScoreGroup) * Max(SPI_processed, 1));
	m->group_names = palloc(sizeof(char *) * Max(SPI_processed, 1));
	for (int i = 0; i < m->core.ngroups; i++)
	{
		m->group_names[i] = nurture_cell_text(i, 1);
		groups[i].dimension = dimension_of(nurture_cell_text(i, 2));
		groups[i].limit.floor = limit_cell(i, 3, NURTURE_SCORE_NO_FLOOR);
		groups[i].limit.cap = limit_cell(i, 4, NURTURE_SCORE_NO_CAP);
	}
	m->core.groups = groups;

	for (int i = 0; i < NURTURE_SCORE_DIMENSIONS; i++)
	{
		m->core.limits[i].floor = NURTURE_SCORE_NO_FLOOR;
		m->core.limits[i].cap = NURTURE_SCORE_NO_CAP;
	}
	nurture_execute_snapshot(&read_limits, key, NULL, snapshot);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		ScoreDimension d = dimension_of(nurture_cell_text(i, 1));

		m->core.limits[d].floor = limit_cell(i, 2, NURTURE_SCORE_NO_FLOOR);
		m->core.limits[d].cap = limit_cell(i, 3, NURTURE_SCORE_NO_CAP);
	}

	nurture_execute_snapshot(&read_bands, key, NULL, snapshot);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		ModelBands *bands = &m->bands[dimension_of(nurture_cell_text(i, 1))];

		if (bands->n == lengthof(bands->band))
			continue;
		bands->band[bands->n] = nurture_cell_text(i, 2)[0];
		bands->min_points[bands->n++] = limit_cell(i, 3, 0);
	}
}

/*
 * Rules of one curve share its table: scoring a lead then reads few lines of
 * memory over and over.
 */
static void
share_factors(ScoreSignalRule *rules, int of)
{
	int32	   *mine = unconstify(int32 *, rules[of].factor);

	for (int i = 0; mine != NULL && i < of; i++)
	{
		if (rules[i].factor != NULL && rules[i].nfactor == rules[of].nfactor &&
			memcmp(rules[i].factor, mine, sizeof(int32) * rules[of].nfactor) == 0)
		{
			rules[of].factor = rules[i].factor;
			pfree(mine);
			return;
		}
	}
}

static void
index_rules(ScoreModel *core)
{
	ScoreIndex *index = palloc(sizeof(ScoreIndex));

	nurture_score_index(core, index,
						palloc(sizeof(int) * Max(core->nrules, 1)),
						palloc(NURTURE_SCORE_MAX_INDEXED));
	core->index = index;
}

static void
load_signal_rules(CompiledModel *m, Datum *key, Snapshot snapshot)
{
	int			horizon = nurture_horizon_days;
	ScoreSignalRule *rules;
	SignalRuleName *rule_names;

	nurture_execute_snapshot(&read_signal_rules, key, NULL, snapshot);
	m->core.nrules = SPI_processed;
	rules = palloc0(sizeof(ScoreSignalRule) * Max(SPI_processed, 1));
	rule_names = palloc0(sizeof(SignalRuleName) * Max(SPI_processed, 1));
	for (int i = 0; i < m->core.nrules; i++)
	{
		ScoreSignalRule *rule = &rules[i];
		char	   *owner;

		rule_names[i].rule = nurture_cell_text(i, 1);
		rule_names[i].title = nurture_cell_text(i, 2);
		rule_names[i].signal = nurture_cell_text(i, 3);
		owner = psprintf("signal rule \"%s\" of model \"%s\" version %d",
						 rule_names[i].rule, m->model, m->version);
		rule->signal = int_cell(i, 4, 0);
		rule->points = limit_cell(i, 5, 0);
		rule->factor = nurture_model_curve(owner, nurture_cell_text(i, 6), int_cell(i, 7, 0),
										   nurture_cell_text(i, 8), horizon);
		rule->nfactor = rule->factor ? horizon : 0;
		share_factors(rules, i);
		rule->ever = rule->factor == NULL;
		rule->per_day_max = int_cell(i, 9, 0);
		rule->count_max = int_cell(i, 10, 0);
		rule->floor = limit_cell(i, 11, NURTURE_SCORE_NO_FLOOR);
		rule->cap = limit_cell(i, 12, NURTURE_SCORE_NO_CAP);
		rule->group = group_index(m, nurture_cell_text(i, 13));
		pfree(owner);
	}
	m->core.rules = rules;
	index_rules(&m->core);
	m->signal_names = rule_names;
}

static void
load_point_rules(CompiledModel *m, Datum *key, Snapshot snapshot)
{
	PointRule  *rules;
	struct
	{
		char	   *attribute,
				   *operator,
				   *operand,
				   *condition;
	}		   *texts;

	nurture_execute_snapshot(&read_point_rules, key, NULL, snapshot);
	m->n_point_rules = SPI_processed;
	rules = palloc0(sizeof(PointRule) * Max(SPI_processed, 1));
	texts = palloc0(sizeof(*texts) * Max(SPI_processed, 1));
	for (int i = 0; i < m->n_point_rules; i++)
	{
		bool		isnull;

		rules[i].is_pattern = DatumGetBool(nurture_cell(i, 1, &isnull));
		rules[i].rule = nurture_cell_text(i, 2);
		rules[i].title = nurture_cell_text(i, 3);
		rules[i].points = limit_cell(i, 8, 0);
		rules[i].group = group_index(m, nurture_cell_text(i, 9));
		rules[i].label = nurture_cell_text(i, 10);
		texts[i].attribute = nurture_cell_text(i, 4);
		texts[i].operator = nurture_cell_text(i, 5);
		texts[i].operand = nurture_cell_text(i, 6);
		texts[i].condition = nurture_cell_text(i, 7);
	}
	/* compiling reads the vocabulary, which runs queries of its own */
	for (int i = 0; i < m->n_point_rules; i++)
	{
		char	   *owner = psprintf("%s \"%s\" of model \"%s\" version %d",
									 rules[i].is_pattern ? "pattern" : "fit rule",
									 rules[i].rule, m->model, m->version);

		if (texts[i].condition)
			rules[i].condition = nurture_condition_compile(texts[i].condition, owner);
		else
			rules[i].condition = nurture_condition_compile_fact(texts[i].attribute, texts[i].operator,
																texts[i].operand, owner);
		rules[i].subject = texts[i].attribute;
		m->mask |= nurture_subject_mask(rules[i].condition);
		if (!rules[i].is_pattern)
			m->fit_weight += Abs(rules[i].points);
		pfree(owner);
	}
	m->point_rules = rules;
	pfree(texts);
}

static void
load_tiers(CompiledModel *m, Datum *key, Snapshot snapshot)
{
	TierRule   *tiers;
	char	  **texts;

	nurture_execute_snapshot(&read_tiers, key, NULL, snapshot);
	m->n_tiers = SPI_processed;
	tiers = palloc0(sizeof(TierRule) * Max(SPI_processed, 1));
	texts = palloc0(sizeof(char *) * Max(SPI_processed, 1));
	for (int i = 0; i < m->n_tiers; i++)
	{
		tiers[i].tier = int_cell(i, 1, 0);
		tiers[i].requirement = nurture_cell_text(i, 2);
		texts[i] = nurture_cell_text(i, 3);
		tiers[i].fails_with = nurture_cell_text(i, 4);
		tiers[i].title = nurture_cell_text(i, 5);
	}
	for (int i = 0; i < m->n_tiers; i++)
	{
		char	   *owner = psprintf("tier rule \"%s\" of model \"%s\" version %d",
									 tiers[i].requirement, m->model, m->version);

		tiers[i].condition = nurture_condition_compile(texts[i], owner);
		pfree(owner);
	}
	m->tiers = tiers;
	pfree(texts);
}

/*
 * Compiles the rules of one version into m, whose head is filled, in the
 * current memory context.  Raises when a rule cannot be compiled.
 */
void
nurture_model_compile(CompiledModel *m, Snapshot snapshot)
{
	Datum		key[2];
	int			where;
	ScoreStatus status;

	key[0] = CStringGetTextDatum(m->model);
	key[1] = Int32GetDatum(m->version);
	load_groups_and_limits(m, key, snapshot);
	load_signal_rules(m, key, snapshot);
	load_point_rules(m, key, snapshot);
	load_tiers(m, key, snapshot);

	status = nurture_score_check(&m->core, &where);
	if (status != SCORE_OK)
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_MODEL_CHECK),
				 errmsg("model \"%s\" version %d: %s", m->model, m->version,
						nurture_score_status_text(status)),
				 where >= 0 && status != SCORE_BAD_LIMIT && where < m->core.nrules ?
				 errdetail("In signal rule \"%s\".", m->signal_names[where].rule) : 0));
}
