/*
 * model_at.c
 *	  Which version of a model was in force at a moment.
 *
 * A version is in force from published_at until retired_at.  What a model was
 * for (its product, audiences and whether it is a default) is told by the
 * change log: each entry has the row that held until then.  Before its first
 * change it was for what it was made for.
 */
#include "base/compat.h"

#include "base/plans.h"
#include "base/rulecache.h"
#include "catalog/pg_type.h"
#include "scoring/model_private.h"
#include "scoring/moment.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

/* A version that is or was published, with one of the things it was for. */
typedef struct VersionHead
{
	const char *model;
	int			version;
	TimestampTz from;
	TimestampTz until;			/* DT_NOEND = still in force */
	TimestampTz for_from;		/* the model was for the rest of this */
	TimestampTz for_until;		/* until then */
	bool		is_default;		/* for leads without a product */
	const char **audience_types;
	int			n_audience_types;
} VersionHead;

typedef struct VersionHeads
{
	int			n;
	VersionHead *heads;			/* ascending by model, version and time */
} VersionHeads;

static void *load_heads(Snapshot snapshot);

static RuleCache heads_cache = {
	.name = "versions of models",
	.tables = {"model", "model_version"},
	.load = load_heads
};

static KeptPlan read_heads =
KEPT_PLAN0("WITH c AS (SELECT change_id, at, old_row, old_row ->> 'model' AS model FROM nurture.change_log"
		   " WHERE table_name = 'model' AND old_row IS NOT NULL),"
		   " p AS (SELECT model, old_row AS row, lag(at) OVER (PARTITION BY model ORDER BY change_id) AS since,"
		   " at AS until, change_id AS i FROM c"
		   " UNION ALL SELECT m.model, to_jsonb(m), (SELECT c.at FROM c WHERE c.model = m.model"
		   " ORDER BY c.change_id DESC LIMIT 1), 'infinity', NULL FROM nurture.model m)"
		   " SELECT v.model, v.version, v.published_at, v.retired_at,"
		   " (p.row ->> 'is_default')::boolean AND p.row ->> 'product' = '*',"
		   " ARRAY(SELECT jsonb_array_elements_text(p.row -> 'audience_types')),"
		   " coalesce(p.since, '-infinity'), p.until"
		   " FROM nurture.model_version v JOIN p ON p.model = v.model"
		   " WHERE v.published_at IS NOT NULL ORDER BY v.model, v.version, p.i NULLS LAST");

/* Registers the cache. */
void
nurture_model_at_init(void)
{
	nurture_rulecache_register(&heads_cache);
}

static void *
load_heads(Snapshot snapshot)
{
	VersionHeads *all = palloc0(sizeof(VersionHeads));

	nurture_execute_snapshot(&read_heads, NULL, NULL, snapshot);
	all->n = (int) SPI_processed;
	all->heads = palloc0(sizeof(VersionHead) * Max(all->n, 1));
	for (int i = 0; i < all->n; i++)
	{
		VersionHead *head = &all->heads[i];
		bool		isnull;
		Datum		value;

		head->model = nurture_cell_text(i, 1);
		head->version = DatumGetInt32(nurture_cell(i, 2, &isnull));
		head->from = DatumGetTimestampTz(nurture_cell(i, 3, &isnull));
		value = nurture_cell(i, 4, &isnull);
		head->until = isnull ? DT_NOEND : DatumGetTimestampTz(value);
		head->is_default = DatumGetBool(nurture_cell(i, 5, &isnull));
		head->audience_types = nurture_cell_strings(i, 6, &head->n_audience_types);
		head->for_from = DatumGetTimestampTz(nurture_cell(i, 7, &isnull));
		head->for_until = DatumGetTimestampTz(nurture_cell(i, 8, &isnull));
	}
	return all;
}

static bool
names_audience(const VersionHead *head, const char *audience, size_t len)
{
	for (int i = 0; i < head->n_audience_types; i++)
	{
		if (strlen(head->audience_types[i]) == len &&
			memcmp(head->audience_types[i], audience, len) == 0)
			return true;
	}
	return false;
}

/*
 * Returns the version that applied at a moment: of the named model, or of the
 * default for an audience when model is NULL.  NULL when none was in force; a
 * name that is no model raises NU003.
 */
const CompiledModel *
nurture_model_at(const char *model, const char *audience, size_t len, TimestampTz at)
{
	const VersionHeads *all = nurture_rulecache_get(&heads_cache);
	const VersionHead *fallback = NULL;
	const VersionHead *found = NULL;

	for (int i = 0; i < all->n; i++)
	{
		const VersionHead *head = &all->heads[i];

		if (head->from > at || head->until <= at)
			continue;
		if (model != NULL)
		{
			/* of two from one moment on, the later version */
			if (strcmp(head->model, model) == 0)
				found = head;
		}
		else if (!head->is_default || head->for_from > at || head->for_until <= at)
			continue;
		else if (names_audience(head, audience, len) &&
				 (found == NULL || strcmp(found->model, head->model) == 0))
			found = head;
		else if (head->n_audience_types == 0 &&
				 (fallback == NULL || strcmp(fallback->model, head->model) == 0))
			fallback = head;
	}
	if (found == NULL)
		found = fallback;
	if (found != NULL)
		return nurture_model_version(pstrdup(found->model), found->version);
	if (model != NULL)
		nurture_require_model(model);
	return NULL;
}
