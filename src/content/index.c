/*
 * index.c
 *	  The library compiled for selection: one array of versions, made once per
 *	  backend and again only when a table it reads has changed.
 *
 * Of each asset the version in use is kept, and where there is none its
 * newest, so that the ledger of candidates can tell why an asset is not
 * chosen.
 */
#include "base/compat.h"

#include "base/plans.h"
#include "base/rulecache.h"
#include "catalog/pg_type.h"
#include "content/index.h"
#include "facts/vocabulary.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

static void *load_index(Snapshot snapshot);

static RuleCache content_cache = {
	.name = "content",
	.tables = {"asset", "asset_version", "asset_tag", "asset_block",
		"asset_prerequisite", "selection_version", "selection_weight", "stage",
	"frequency_cap", "tag", "signal"},
	.load = load_index
};

static KeptPlan read_versions = {
	"SELECT v.asset_id, v.version, a.family, a.purpose, v.message_class, "
	"a.priority::int4, v.status = 'approved', "
	"CASE WHEN lower_inf(v.valid_during) THEN '-infinity' WHEN "
	"lower_inc(v.valid_during) THEN lower(v.valid_during) ELSE "
	"lower(v.valid_during) + interval '1 us' END, "
	"CASE WHEN upper_inf(v.valid_during) THEN 'infinity' WHEN "
	"upper_inc(v.valid_during) THEN upper(v.valid_during) + interval '1 "
	"us' ELSE upper(v.valid_during) END, coalesce(v.approved_at, "
	"'-infinity'), v.channels, v.audience_types, v.languages, v.markets "
	"FROM nurture.asset_version v "
	"JOIN nurture.asset a ON a.asset_id = v.asset_id "
	"WHERE v.status IN ('approved', 'suspended') "
	"OR (NOT EXISTS (SELECT FROM nurture.asset_version o WHERE "
	"o.asset_id = v.asset_id AND o.status IN ('approved', 'suspended')) "
	"AND v.version = (SELECT max(o.version) FROM nurture.asset_version o "
	"WHERE o.asset_id = v.asset_id)) "
	"ORDER BY v.asset_id COLLATE \"C\", v.version", {0}, NULL, true
};
static KeptPlan read_tags = {
	"SELECT t.asset_id, t.version, t.dimension, t.value, g.tag_id "
	"FROM nurture.asset_tag t "
	"JOIN nurture.tag g ON g.dimension = t.dimension "
	"AND g.value = t.value "
	"ORDER BY t.asset_id COLLATE \"C\", t.version, g.tag_id", {0}, NULL, true
};
static KeptPlan read_blocks = {
	"SELECT asset_id, version, block "
	"FROM (SELECT asset_id, version, block_asset AS block FROM "
	"nurture.asset_block UNION SELECT asset_id, version, safety_block "
	"FROM nurture.asset_version WHERE safety_block IS NOT NULL) b "
	"ORDER BY asset_id COLLATE \"C\", version, block COLLATE \"C\"", {0}, NULL, true
};
static KeptPlan read_prerequisites = {
	"SELECT asset_id, prerequisite, condition::text "
	"FROM nurture.asset_prerequisite "
	"ORDER BY asset_id COLLATE \"C\", prerequisite COLLATE \"C\"", {0}, NULL, true
};
static KeptPlan read_weights = {
	"SELECT w.selection, w.version, w.term, w.subject, w.value, "
	"w.weight, coalesce(w.parameter, 0) "
	"FROM nurture.selection_version s "
	"JOIN nurture.selection_weight w ON w.selection = s.selection "
	"AND w.version = s.version "
	"WHERE s.status = 'published' AND s.selection = 'default' "
	"ORDER BY w.term COLLATE \"C\", w.subject COLLATE \"C\", w.value "
	"COLLATE \"C\"", {0}, NULL, true
};
static KeptPlan read_stages = {
	"SELECT audience_type, stage, message_classes "
	"FROM nurture.stage", {0}, NULL, true
};
static KeptPlan read_repeat = {
	"SELECT (extract(epoch FROM period) * 1000000)::int8, n "
	"FROM nurture.frequency_cap "
	"WHERE same_family "
	"ORDER BY n, period DESC LIMIT 1", {0}, NULL, true
};

/* Registers the cache. */
void
nurture_content_index_init(void)
{
	nurture_rulecache_register(&content_cache);
}

/* Returns the index, compiled again when the library has changed. */
const ContentIndex *
nurture_content_index(void)
{
	return nurture_rulecache_get(&content_cache);
}

/* Returns the place of a code in a list, -1 when it is not there. */
int
nurture_content_code(const char *const *codes, int n, const char *code)
{
	for (int i = 0; i < n; i++)
	{
		if (strcmp(codes[i], code) == 0)
			return i;
	}
	return -1;
}

/* Returns the place of a code in a list, which is extended by it. */
static int
intern(const char **codes, int *n, const char *code, const char *what)
{
	int			found = nurture_content_code(codes, *n, code);

	if (found >= 0)
		return found;
	if (*n >= INDEX_MAX_CODES)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("assets use more than %d different %s", INDEX_MAX_CODES, what)));
	codes[*n] = pstrdup(code);
	return (*n)++;
}

/* Finds the first entry of an asset, -1 when it has none. */
static int
find_asset(const ContentIndex *index, const char *asset_id)
{
	int			low = 0;
	int			high = index->nentries;

	while (low < high)
	{
		int			mid = low + (high - low) / 2;

		if (strcmp(index->entries[mid].asset_id, asset_id) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low < index->nentries &&
		strcmp(index->entries[low].asset_id, asset_id) == 0 ? low : -1;
}

static IndexEntry *
find_version(const ContentIndex *index, const char *asset_id, int32 version)
{
	for (int i = find_asset(index, asset_id);
		 i >= 0 && i < index->nentries &&
		 strcmp(index->entries[i].asset_id, asset_id) == 0; i++)
	{
		if (index->entries[i].version == version)
			return &index->entries[i];
	}
	return NULL;
}

static void
load_entry(ContentIndex *index, IndexEntry *entry, uint64 row)
{
	const char **channels;
	const char **audiences;
	int16	   *order;
	bool		isnull;
	int			n;

	entry->asset_id = nurture_cell_text(row, 1);
	entry->version = DatumGetInt32(nurture_cell(row, 2, &isnull));
	entry->family = nurture_cell_text(row, 3);
	entry->purpose = nurture_cell_text(row, 4);
	entry->message_class = nurture_cell_text(row, 5);
	entry->priority = DatumGetInt32(nurture_cell(row, 6, &isnull));
	entry->approved = DatumGetBool(nurture_cell(row, 7, &isnull));
	entry->valid.from = DatumGetTimestampTz(nurture_cell(row, 8, &isnull));
	entry->valid.until = DatumGetTimestampTz(nurture_cell(row, 9, &isnull));
	entry->approved_at = DatumGetTimestampTz(nurture_cell(row, 10, &isnull));
	channels = nurture_cell_strings(row, 11, &n);
	entry->nchannels = n;
	entry->channel_order = order = palloc(Max(n, 1) * sizeof(int16));
	for (int i = 0; i < n; i++)
	{
		order[i] = intern(index->channels, &index->nchannels, channels[i], "channels");
		entry->channels |= UINT64CONST(1) << order[i];
	}
	audiences = nurture_cell_strings(row, 12, &n);
	for (int i = 0; i < n; i++)
	{
		if (strcmp(audiences[i], "*") == 0)
			entry->audiences = INDEX_ALL;
		else
			entry->audiences |= UINT64CONST(1) << intern(index->audiences, &index->naudiences,
														 audiences[i], "audience types");
	}
	entry->languages = nurture_cell_strings(row, 13, &n);
	entry->nlanguages = n;
	entry->markets = nurture_cell_strings(row, 14, &n);
	entry->nmarkets = n;
	if (nurture_content_code(entry->markets, n, "*") >= 0)
		entry->nmarkets = 0;
}

/* Gives each entry its run of tags. */
static void
load_tags(ContentIndex *index, Snapshot snapshot)
{
	IndexTag   *tags;
	IndexEntry *entry = NULL;
	int32	   *slots = palloc0((PG_UINT16_MAX + 1) * sizeof(int32));

	nurture_execute_snapshot(&read_tags, NULL, NULL, snapshot);
	tags = palloc0(Max(SPI_processed, 1) * sizeof(IndexTag));
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		char	   *asset_id = nurture_cell_text(i, 1);
		char	   *dimension = nurture_cell_text(i, 3);
		bool		isnull;
		int32		version = DatumGetInt32(nurture_cell(i, 2, &isnull));

		if (entry == NULL || entry->version != version ||
			strcmp(entry->asset_id, asset_id) != 0)
			entry = find_version(index, asset_id, version);
		if (entry == NULL)
			continue;			/* a version that is not looked at */
		if (entry->ntags++ == 0)
			entry->tags = &tags[i];
		tags[i].tag_id = DatumGetInt32(nurture_cell(i, 5, &isnull));
		if (slots[tags[i].tag_id & PG_UINT16_MAX] == 0)
			slots[tags[i].tag_id & PG_UINT16_MAX] = ++index->nslots;
		tags[i].slot = slots[tags[i].tag_id & PG_UINT16_MAX] - 1;
		tags[i].value = nurture_cell_text(i, 4);
		tags[i].dimension = intern(index->dimensions, &index->ndimensions,
								   dimension, "tag dimensions");
		if (strcmp(dimension, "depth") == 0)
		{
			tags[i].depth = Min(atoi(tags[i].value), 100);
			entry->depth = Max(entry->depth, tags[i].depth);
		}
		else if (strcmp(dimension, "role") == 0)
			entry->has_role = true;
		else if (strcmp(dimension, "reading_level") == 0)
			entry->has_reading_level = true;
	}
	pfree(slots);
	index->topic = nurture_content_code(index->dimensions, index->ndimensions, "topic");
	index->role = nurture_content_code(index->dimensions, index->ndimensions, "role");
	index->reading_level = nurture_content_code(index->dimensions, index->ndimensions, "reading_level");
}

/* Ties each entry to the versions in use of its blocks. */
static void
load_blocks(ContentIndex *index, Snapshot snapshot)
{
	int32	   *blocks;

	nurture_execute_snapshot(&read_blocks, NULL, NULL, snapshot);
	blocks = palloc(Max(SPI_processed, 1) * sizeof(int32));
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		bool		isnull;
		IndexEntry *entry = find_version(index, nurture_cell_text(i, 1),
										 DatumGetInt32(nurture_cell(i, 2, &isnull)));

		blocks[i] = find_asset(index, nurture_cell_text(i, 3));
		if (entry != NULL && entry->nblocks++ == 0)
			entry->blocks = &blocks[i];
	}
}

/* Compiles the prerequisites; they belong to the asset, so to each entry. */
static void
load_prerequisites(ContentIndex *index, Snapshot snapshot)
{
	Condition **conditions;
	char	  **assets;
	uint64		n;

	nurture_execute_snapshot(&read_prerequisites, NULL, NULL, snapshot);
	n = SPI_processed;
	conditions = palloc(Max(n, 1) * sizeof(Condition *));
	assets = palloc(Max(n, 1) * sizeof(char *));
	for (uint64 i = 0; i < n; i++)
	{
		assets[i] = nurture_cell_text(i, 1);
		conditions[i] = nurture_condition_compile(nurture_cell_text(i, 3),
												  psprintf("prerequisite \"%s\" of asset \"%s\"",
														   nurture_cell_text(i, 2), assets[i]));
	}
	for (uint64 i = 0; i < n; i++)
	{
		for (int e = find_asset(index, assets[i]);
			 e >= 0 && e < index->nentries &&
			 strcmp(index->entries[e].asset_id, assets[i]) == 0; e++)
		{
			if (index->entries[e].nprerequisites++ == 0)
				index->entries[e].prerequisites = &conditions[i];
		}
	}
}

static void
load_weights(ContentIndex *index, Snapshot snapshot)
{
	bool		isnull;

	index->selection = "default";
	nurture_execute_snapshot(&read_weights, NULL, NULL, snapshot);
	index->nweights = SPI_processed;
	index->weights = palloc(Max(index->nweights, 1) * sizeof(IndexWeight));
	for (int i = 0; i < index->nweights; i++)
	{
		IndexWeight *w = &index->weights[i];

		index->selection_version = DatumGetInt32(nurture_cell(i, 2, &isnull));
		w->term = nurture_cell_text(i, 3);
		w->subject = nurture_cell_text(i, 4);
		w->value = nurture_cell_text(i, 5);
		w->weight = DatumGetInt32(nurture_cell(i, 6, &isnull));
		w->parameter = DatumGetInt32(nurture_cell(i, 7, &isnull));
		if (strcmp(w->term, "interest") == 0)
			index->dimension_weights[intern(index->dimensions, &index->ndimensions,
											w->subject, "tag dimensions")] = w->weight;
	}
}

static void *
load_index(Snapshot snapshot)
{
	ContentIndex *index = palloc0(sizeof(ContentIndex));
	bool		isnull;

	nurture_execute_snapshot(&read_versions, NULL, NULL, snapshot);
	index->nentries = SPI_processed;
	index->entries = palloc0(Max(index->nentries, 1) * sizeof(IndexEntry));
	for (int i = 0; i < index->nentries; i++)
		load_entry(index, &index->entries[i], i);
	load_tags(index, snapshot);
	load_blocks(index, snapshot);
	load_prerequisites(index, snapshot);
	load_weights(index, snapshot);

	nurture_execute_snapshot(&read_stages, NULL, NULL, snapshot);
	index->nstages = SPI_processed;
	index->stages = palloc(Max(index->nstages, 1) * sizeof(IndexStage));
	for (int i = 0; i < index->nstages; i++)
	{
		index->stages[i].audience_type = nurture_cell_text(i, 1);
		index->stages[i].stage = nurture_cell_text(i, 2);
		index->stages[i].classes = nurture_cell_strings(i, 3, &index->stages[i].nclasses);
	}
	nurture_execute_snapshot(&read_repeat, NULL, NULL, snapshot);
	if (SPI_processed > 0)
	{
		index->repeat_window = DatumGetInt64(nurture_cell(0, 1, &isnull));
		index->repeat_limit = DatumGetInt32(nurture_cell(0, 2, &isnull));
	}
	return index;
}
