/*
 * model_cache.c
 *	  The models of this backend: published versions at once, others when
 *	  they are asked for.
 */
#include "base/compat.h"

#include "base/errors.h"
#include "base/owner.h"
#include "base/plans.h"
#include "base/rulecache.h"
#include "base/settings.h"
#include "access/parallel.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "facts/vocabulary.h"
#include "scoring/ingest.h"
#include "scoring/model_private.h"
#include "scoring/moment.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

typedef struct ModelSet
{
	List	   *models;			/* CompiledModel *, published first */
	uint64		mask;			/* columns of the published ones */
	uint64		generation;		/* tells one set from the next */
	int			horizon;		/* nurture.horizon_days it was compiled for */
	MemoryContext context;
} ModelSet;

static void *load_models(Snapshot snapshot);
static void forget_begun(XactEvent event, void *arg);
static void forget_begun_sub(SubXactEvent event, SubTransactionId mine,
							 SubTransactionId parent, void *arg);

static RuleCache model_cache = {
	.name = "models",
	.tables = {"model", "model_version", "rule_group", "fit_rule", "signal_rule",
	"pattern", "model_limit", "band", "tier_rule", "signal", "tag"},
	.load = load_models
};

static KeptPlan read_versions = KEPT_PLAN("SELECT m.model, v.version, m.product, m.audience_types, m.is_default, v.status = 'published' "
										  "FROM nurture.model_version v JOIN nurture.model m ON m.model = v.model "
										  "WHERE CASE WHEN $1 IS NULL THEN v.status = 'published' ELSE v.model = $1 AND v.version = $2 END "
										  "ORDER BY m.model", TEXTOID, INT4OID);
static KeptPlan read_model = KEPT_PLAN("SELECT 1 FROM nurture.model WHERE model = $1", TEXTOID);
static KeptPlan read_codes = KEPT_PLAN0("SELECT string_agg('\"' || model || '\"', ', ' ORDER BY model) FROM nurture.model");

/* Registers the cache. */
void
nurture_scoring_init(void)
{
	nurture_rulecache_register(&model_cache);
	RegisterXactCallback(forget_begun, NULL);
	RegisterSubXactCallback(forget_begun_sub, NULL);
	nurture_score_hook_init();
	nurture_replay_init();
	nurture_model_at_init();
}

/* Reads the heads that the plan finds; compiles each. */
static List *
load_versions(const char *model, int version, Snapshot snapshot)
{
	Datum		values[2];
	char		nulls[3] = "  ";
	List	   *heads = NIL;
	ListCell   *cell;

	if (model == NULL)
		nulls[0] = nulls[1] = 'n';
	else
		values[0] = CStringGetTextDatum(model);
	values[1] = Int32GetDatum(version);
	nurture_execute_snapshot(&read_versions, values, nulls, snapshot);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		CompiledModel *m = palloc0(sizeof(CompiledModel));
		bool		isnull;
		Datum	   *items;
		int			n;

		m->model = nurture_cell_text(i, 1);
		m->version = DatumGetInt32(nurture_cell(i, 2, &isnull));
		m->product = nurture_cell_text(i, 3);
		deconstruct_array(DatumGetArrayTypeP(nurture_cell(i, 4, &isnull)), TEXTOID, -1,
						  false, TYPALIGN_INT, &items, NULL, &n);
		m->n_audience_types = n;
		m->audience_types = palloc(sizeof(char *) * Max(n, 1));
		for (int j = 0; j < n; j++)
			m->audience_types[j] = TextDatumGetCString(items[j]);
		m->is_default = DatumGetBool(nurture_cell(i, 5, &isnull));
		m->published = DatumGetBool(nurture_cell(i, 6, &isnull));
		heads = lappend(heads, m);
	}
	foreach(cell, heads)
		nurture_model_compile(lfirst(cell), snapshot);
	return heads;
}

static void *
load_models(Snapshot snapshot)
{
	static uint64 generations = 0;
	ModelSet   *set = palloc0(sizeof(ModelSet));
	ListCell   *cell;

	set->context = CurrentMemoryContext;
	set->horizon = nurture_horizon_days;
	set->generation = ++generations;
	set->models = load_versions(NULL, 0, snapshot);
	foreach(cell, set->models)
		set->mask |= ((CompiledModel *) lfirst(cell))->mask;
	set->mask |= UINT64CONST(1) << SUBJECT_AUDIENCE_TYPE;
	return set;
}

/*
 * The set that the statement at hand has begun to score with.  Another session
 * may publish, and any lock that is taken may tell of it, between two rows;
 * all rows of a statement are scored by the same rules all the same.  What
 * tells statements apart is what their snapshots see: of those that see the
 * same, no publication came between.
 */
static struct
{
	ModelSet   *set;			/* NULL = none; good in this transaction */
	TransactionId xmin;
	TransactionId xmax;
	uint32		xcnt;
	int32		subxcnt;
	CommandId	curcid;
}			begun = {0};

static void
forget_begun(XactEvent event, void *arg)
{
	begun.set = NULL;
}

static void
forget_begun_sub(SubXactEvent event, SubTransactionId mine,
				 SubTransactionId parent, void *arg)
{
	if (event == SUBXACT_EVENT_ABORT_SUB)
		begun.set = NULL;
}

/* Returns the set as it is now, which the statement goes on with. */
static ModelSet *
newest_set(void)
{
	ModelSet   *set = nurture_rulecache_get(&model_cache);

	if (unlikely(set->horizon != nurture_horizon_days))
	{
		nurture_rulecache_forget(&model_cache);
		set = nurture_rulecache_get(&model_cache);
	}
	begun.set = NULL;
	if (ActiveSnapshotSet())
	{
		Snapshot	snapshot = GetActiveSnapshot();

		begun.set = set;
		begun.xmin = snapshot->xmin;
		begun.xmax = snapshot->xmax;
		begun.xcnt = snapshot->xcnt;
		begun.subxcnt = snapshot->subxcnt;
		begun.curcid = snapshot->curcid;
	}
	return set;
}

/* Returns the set that the statement has begun with. */
static ModelSet *
model_set(void)
{
	if (likely(begun.set != NULL && ActiveSnapshotSet()))
	{
		Snapshot	snapshot = GetActiveSnapshot();

		if (begun.curcid == snapshot->curcid && begun.xmax == snapshot->xmax &&
			begun.xcnt == snapshot->xcnt && begun.xmin == snapshot->xmin &&
			begun.subxcnt == snapshot->subxcnt &&
			begun.set->horizon == nurture_horizon_days)
			return begun.set;
	}
	return newest_set();
}

/* Returns the columns that published models read, and which set that is of. */
uint64
nurture_models_mask(uint64 *generation)
{
	ModelSet   *set = model_set();

	*generation = set->generation;
	return set->mask;
}

/* Raises unless there is a model of this code, with or without versions. */
void
nurture_require_model(const char *model)
{
	int			level = nurture_spi_connect();
	Datum		value = CStringGetTextDatum(model);
	OwnerSwitch save;
	char	   *codes = NULL;
	bool		exists;

	nurture_owner_enter(&save);
	nurture_execute(&read_model, &value, NULL, true);
	exists = SPI_processed > 0;
	if (!exists)
	{
		nurture_execute(&read_codes, NULL, NULL, true);
		codes = nurture_cell_text(0, 1);
	}
	nurture_owner_leave(&save);
	if (!exists)
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_UNKNOWN_CODE),
				 errmsg("unknown model \"%.64s\"", model),
				 codes ? errhint("Models are %s; new ones are rows of nurture.model.", codes) :
				 errhint("Insert it into nurture.model first.")));
	nurture_spi_finish(level);
}

static void unknown_model(const char *model) pg_attribute_noreturn();

static void
unknown_model(const char *model)
{
	nurture_require_model(model);
	ereport(ERROR,
			(errcode(NURTURE_ERRCODE_UNKNOWN_CODE),
			 errmsg("model \"%.64s\" has no published version", model),
			 errhint("Publish one with nurture_publish('model', '%.64s', version, reason).", model)));
}

static bool
names_audience(const CompiledModel *m, const char *audience, size_t len)
{
	for (int i = 0; i < m->n_audience_types; i++)
	{
		if (strlen(m->audience_types[i]) == len &&
			memcmp(m->audience_types[i], audience, len) == 0)
			return true;
	}
	return false;
}

/*
 * The published model of a product for an audience: the default that names it,
 * else the default that names none; else, for a product of its own, the first
 * of its models that is for the audience.
 */
static const CompiledModel *
model_of_product(const ModelSet *set, const char *product,
				 const char *audience, size_t len)
{
	const CompiledModel *fallback = NULL;
	const CompiledModel *other = NULL;
	ListCell   *cell;

	foreach(cell, set->models)
	{
		const CompiledModel *m = lfirst(cell);
		bool		named;

		if (!m->published || strcmp(m->product, product) != 0)
			continue;
		named = names_audience(m, audience, len);
		if (named && m->is_default)
			return m;
		if (m->n_audience_types == 0 && m->is_default && fallback == NULL)
			fallback = m;
		if (!m->is_default && other == NULL &&
			(named || m->n_audience_types == 0))
			other = m;
	}
	if (fallback == NULL && strcmp(product, "*") != 0)
		fallback = other;
	return fallback;
}

/*
 * Returns the model that applies to leads of an audience for a product, which
 * is that for no product in particular ("*") when the product has none; NULL
 * when there is none.  newest is for decisions: by what is in force now, also
 * when the statement has scored by what was before.
 */
const CompiledModel *
nurture_model_of(const char *product, const char *audience_type,
				 size_t audience_len, bool newest)
{
	ModelSet   *set = newest ? newest_set() : model_set();
	const CompiledModel *m = model_of_product(set, product, audience_type, audience_len);

	if (m == NULL && strcmp(product, "*") != 0)
		m = model_of_product(set, "*", audience_type, audience_len);
	return m;
}

/* Returns the models that apply to leads of an audience, for any product. */
List	   *
nurture_models_of(const char *audience_type, size_t audience_len)
{
	const ModelSet *set = model_set();
	List	   *models = NIL;
	ListCell   *cell;

	foreach(cell, set->models)
	{
		CompiledModel *m = lfirst(cell);

		if (model_of_product(set, m->product, audience_type, audience_len) == m)
			models = lappend(models, m);
	}
	return models;
}

/*
 * Tells whether a version is for leads of an audience: its model names it, or
 * names none and no other default of its product does.
 */
bool
nurture_model_is_for(const CompiledModel *m, const char *audience_type,
					 size_t audience_len)
{
	const CompiledModel *other;

	if (m->n_audience_types > 0)
		return names_audience(m, audience_type, audience_len);
	if (!m->is_default)
		return true;
	other = model_of_product(model_set(), m->product, audience_type, audience_len);
	return other == NULL || strcmp(other->model, m->model) == 0 ||
		!other->is_default || other->n_audience_types == 0;
}

/* Returns the published version of a model, NULL when it has none. */
const CompiledModel *
nurture_model_published(const char *model)
{
	ListCell   *cell;

	foreach(cell, model_set()->models)
	{
		const CompiledModel *m = lfirst(cell);

		if (m->published && strcmp(m->model, model) == 0)
			return m;
	}
	return NULL;
}

/* Returns the model that applies, NULL when none does. */
const CompiledModel *
nurture_model(const char *model, const char *audience_type, size_t audience_len)
{
	const CompiledModel *m;

	if (model == NULL)
		return model_of_product(model_set(), "*", audience_type, audience_len);
	m = nurture_model_published(model);
	if (m == NULL)
		unknown_model(model);
	return m;
}

/* Returns a version in any state. */
const CompiledModel *
nurture_model_version(const char *model, int version)
{
	ModelSet   *set = model_set();
	ListCell   *cell;
	MemoryContext old;
	OwnerSwitch save;
	Snapshot	snapshot;
	List	   *found;
	int			level;

	foreach(cell, set->models)
	{
		const CompiledModel *m = lfirst(cell);

		if (strcmp(m->model, model) == 0 && m->version == version)
			return m;
	}

	/*
	 * Compiled into the cache's own context, so that an invalidation takes it
	 * away with the rest.
	 */
	snapshot = RegisterSnapshot(IsInParallelMode() ? GetActiveSnapshot() : GetLatestSnapshot());
	nurture_owner_enter(&save);
	level = nurture_spi_connect();
	old = MemoryContextSwitchTo(set->context);
	found = load_versions(model, version, snapshot);
	if (found != NIL)
		set->models = list_concat(set->models, found);
	MemoryContextSwitchTo(old);
	nurture_spi_finish(level);
	nurture_owner_leave(&save);
	UnregisterSnapshot(snapshot);
	if (found == NIL)
	{
		nurture_require_model(model);
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_UNKNOWN_CODE),
				 errmsg("model \"%.64s\" has no version %d", model, version),
				 errhint("Versions are rows of nurture.model_version.")));
	}
	return linitial(found);
}
