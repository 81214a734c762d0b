/*
 * index_versions.c
 *	  Reads the versions of a library, and what each is made for and with.
 */
#include "base/compat.h"

#include "base/plans.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "content/index_private.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/* what is there may be more than what fits into memory twice */
static KeptPlan read_assets =
KEPT_PLAN_SCAN("SELECT asset_id, family, format, purpose, priority"
			   " FROM nurture.asset", 0);

/* in the order of take_version */
#define VERSIONS \
	"SELECT v.asset_id, v.version, v.status, v.message_class," \
	" v.channels, v.languages, v.markets, v.audience_types, v.claims," \
	" v.approved_at, v.valid_during, v.safety_block" \
	" FROM nurture.asset_version v"

static KeptPlan read_versions =
KEPT_PLAN_SCAN(VERSIONS " WHERE v.status IN ('approved', 'suspended')", 0);

static KeptPlan read_newest =
KEPT_PLAN_SCAN(VERSIONS " JOIN (SELECT asset_id, max(version) AS version"
			   " FROM nurture.asset_version GROUP BY asset_id"
			   " HAVING bool_and(status NOT IN ('approved', 'suspended'))) n"
			   " ON n.asset_id = v.asset_id AND n.version = v.version", 0);



static KeptPlan read_blocks =
KEPT_PLAN_SCAN("SELECT asset_id, version, block_asset, slot = 'unsubscribe'"
			   " FROM nurture.asset_block", 0);

static bool
text_equals(Datum value, const char *text)
{
	struct varlena *bytes = PG_DETOAST_DATUM_PACKED(value);

	return nurture_index_is(text, VARDATA_ANY(bytes), VARSIZE_ANY_EXHDR(bytes));
}

IndexEntry *
nurture_index_version(const ContentIndex *index, const char *asset_id, size_t len,
					  int32 version)
{
	int32		entry = index->places[nurture_index_place(index, asset_id, len)];

	while (entry >= 0 && index->entries[entry].version != version)
		entry = index->entries[entry].next;
	return entry < 0 ? NULL : &index->entries[entry];
}

/* Tells whether an array has no element. */
static bool
is_empty(Datum array)
{
	struct varlena *bytes = PG_DETOAST_DATUM_PACKED(array);
	int			ndim;

	memcpy(&ndim, VARDATA_ANY(bytes), sizeof(ndim));
	return ndim == 0;
}

/* Returns a code that many rows have. */
static const char *
take_code(Datum value, IndexCodes *codes)
{
	/* the codes may move when one is added */
	int			place = nurture_index_code(value, codes);

	return codes->codes[place];
}

static void
take_asset(TupleTableSlot *row, void *arg)
{
	Loading    *loading = arg;
	ContentIndex *index = loading->index;
	const Datum *values = row->tts_values;
	AssetRow   *asset;

	if (loading->nassets == loading->maxassets)
	{
		/* what is not touched costs nothing */
		loading->maxassets = Max(loading->maxassets * 2, 16384);
		loading->assets = loading->assets == NULL ?
			MemoryContextAllocHuge(CurrentMemoryContext, loading->maxassets * sizeof(AssetRow)) :
			repalloc_huge(loading->assets, loading->maxassets * sizeof(AssetRow));
	}
	asset = &loading->assets[loading->nassets++];
	asset->asset_id = nurture_index_text(loading, values[0]);
	asset->hash = hash_bytes((const unsigned char *) asset->asset_id, strlen(asset->asset_id));
	/* assets of a family mostly lie together */
	asset->family = loading->nassets > 1 &&
		text_equals(values[1], asset[-1].family) ? asset[-1].family :
		text_equals(values[1], asset->asset_id) ? asset->asset_id :
		nurture_index_text(loading, values[1]);
	asset->family_hash = nurture_content_family(asset->family);
	asset->format = nurture_index_code(values[2], &index->formats);
	asset->purpose = take_code(values[3], &index->purposes);
	asset->priority = DatumGetInt16(values[4]);
	asset->in_use = false;
}

/* Reads the assets, and makes it possible to find one. */
static void
load_assets(Loading *loading, Snapshot snapshot)
{
	nurture_execute_each(&read_assets, snapshot, take_asset, loading);
	loading->nassetplaces = 64;
	while (loading->nassetplaces < loading->nassets * 2)
		loading->nassetplaces *= 2;
	loading->assetplaces = MemoryContextAllocHuge(CurrentMemoryContext,
												  loading->nassetplaces * sizeof(int32));
	memset(loading->assetplaces, 0xff, loading->nassetplaces * sizeof(int32));
	for (int i = 0; i < loading->nassets; i++)
	{
		uint32		place = loading->assets[i].hash;

		while (loading->assetplaces[place & (loading->nassetplaces - 1)] >= 0)
			place++;
		loading->assetplaces[place & (loading->nassetplaces - 1)] = i;
	}
	loading->lastasset = -1;
}

/* Returns the asset of a version, which mostly is that of the last or the next. */
static AssetRow *
asset_of(Loading *loading, Datum value)
{
	struct varlena *bytes = PG_DETOAST_DATUM_PACKED(value);
	const char *id = VARDATA_ANY(bytes);
	size_t		len = VARSIZE_ANY_EXHDR(bytes);
	uint32		hash;

	for (int i = Max(loading->lastasset, 0);
		 i < loading->nassets && i <= loading->lastasset + 1; i++)
	{
		if (nurture_index_is(loading->assets[i].asset_id, id, len))
		{
			loading->lastasset = i;
			return &loading->assets[i];
		}
	}
	hash = hash_bytes((const unsigned char *) id, len);
	for (uint32 place = hash;; place++)
	{
		int32		i = loading->assetplaces[place & (loading->nassetplaces - 1)];

		if (i < 0)
			return NULL;
		if (loading->assets[i].hash == hash && nurture_index_is(loading->assets[i].asset_id, id, len))
		{
			loading->lastasset = i;
			return &loading->assets[i];
		}
	}
}

/* Makes room for one more entry. */
static void
grow_entries(Loading *loading)
{
	ContentIndex *index = loading->index;
	int			max = loading->maxentries == 0 ? loading->nassets + 1 :
	loading->maxentries + loading->maxentries / 4 + 16;

	index->entries = index->entries == NULL ?
		MemoryContextAllocHuge(CurrentMemoryContext, max * sizeof(IndexEntry)) :
		repalloc_huge(index->entries, max * sizeof(IndexEntry));
	index->looks = index->looks == NULL ?
		MemoryContextAllocHuge(CurrentMemoryContext, max * sizeof(IndexLook)) :
		repalloc_huge(index->looks, max * sizeof(IndexLook));
	loading->maxentries = max;
}

static void
add_use(Loading *loading, int entry, const char *block, bool unsubscribe)
{
	BlockUse   *use;

	if (loading->nuses == loading->maxuses)
	{
		loading->maxuses = Max(loading->maxuses * 2, 64);
		loading->uses = loading->uses == NULL ?
			palloc(loading->maxuses * sizeof(BlockUse)) :
			repalloc_huge(loading->uses, loading->maxuses * sizeof(BlockUse));
	}
	use = &loading->uses[loading->nuses++];
	use->entry = entry;
	use->block = block;
	use->unsubscribe = unsubscribe;
}

static void
take_version(TupleTableSlot *row, void *arg)
{
	Loading    *loading = arg;
	ContentIndex *index = loading->index;
	const Datum *values = row->tts_values;
	AssetRow   *asset = asset_of(loading, values[0]);
	const char *format;
	IndexEntry *entry;
	IndexLook  *look;

	if (asset == NULL)
		return;
	if (!asset->in_use)
	{
		asset->in_use = true;
		loading->nused++;
	}
	if (index->nentries == loading->maxentries)
		grow_entries(loading);
	entry = &index->entries[index->nentries];
	look = &index->looks[index->nentries++];
	memset(entry, 0, sizeof(*entry));
	memset(look, 0, sizeof(*look));
	entry->asset_id = asset->asset_id;
	entry->family = asset->family;
	entry->purpose = asset->purpose;
	look->family = asset->family_hash;
	look->format = asset->format;
	look->priority = asset->priority;
	entry->version = DatumGetInt32(values[1]);
	entry->approved = text_equals(values[2], "approved");
	entry->message_class = take_code(values[3], &index->classes);
	entry->channels = nurture_index_list(loading, values[4], &index->channels);
	entry->languages = nurture_index_list(loading, values[5], &index->languages);
	entry->markets = nurture_index_list(loading, values[6], &index->markets);
	entry->audiences = nurture_index_list(loading, values[7], &index->audiences);
	if (!is_empty(values[8]))
		entry->claims = nurture_index_list(loading, values[8], &index->claim_codes);
	look->approved_at = row->tts_isnull[9] ? DT_NOBEGIN :
		DatumGetTimestampTz(values[9]);
	entry->valid = nurture_index_range(loading, values[10], row->tts_isnull[10]);
	if (!row->tts_isnull[11])
		add_use(loading, index->nentries - 1, nurture_index_text(loading, values[11]), false);
	format = index->formats.codes[look->format];
	entry->component = strcmp(format, "block") == 0 ||
		strcmp(format, "landing_page") == 0;
	entry->next = -1;
}

/* Makes it possible to find an entry by its asset. */
static void
hash_assets(ContentIndex *index)
{
	index->nplaces = 64;
	while (index->nplaces < index->nentries * 2)
		index->nplaces *= 2;
	index->places = palloc(index->nplaces * sizeof(int32));
	memset(index->places, 0xff, index->nplaces * sizeof(int32));
	for (int i = 0; i < index->nentries; i++)
	{
		IndexEntry *entry = &index->entries[i];
		int			place = nurture_index_place(index, entry->asset_id,
												strlen(entry->asset_id));

		entry->next = index->places[place];
		index->places[place] = i;
	}
}

static void
add_codes(IndexCodes *codes, const IndexList *list, int entry)
{
	if (list->any)
		bits_add(codes->any, entry);
	for (int i = 0; i < list->n; i++)
		bits_add(codes->entries[list->places[i]], entry);
}

/* Gives each code the entries that have it. */
static void
load_sets(ContentIndex *index)
{
	int			n = index->nentries;

	nurture_index_sets(&index->channels, n);
	nurture_index_sets(&index->audiences, n);
	nurture_index_sets(&index->languages, n);
	nurture_index_sets(&index->markets, n);
	nurture_index_sets(&index->classes, n);
	for (int i = 0; i < n; i++)
	{
		const IndexEntry *entry = &index->entries[i];

		add_codes(&index->channels, entry->channels, i);
		add_codes(&index->audiences, entry->audiences, i);
		add_codes(&index->languages, entry->languages, i);
		add_codes(&index->markets, entry->markets, i);
		for (int c = 0; c < index->classes.n; c++)
		{
			if (index->classes.codes[c] == entry->message_class)
				bits_add(index->classes.entries[c], i);
		}
	}
}

/* Reads the versions to look at; there is one for each asset, seldom more. */
void
nurture_index_versions(Loading *loading, Snapshot snapshot)
{
	load_assets(loading, snapshot);
	grow_entries(loading);
	nurture_execute_each(&read_versions, snapshot, take_version, loading);
	if (loading->nused < loading->nassets)
		nurture_execute_each(&read_newest, snapshot, take_version, loading);
	pfree(loading->assetplaces);
	if (loading->assets != NULL)
		pfree(loading->assets);
	hash_assets(loading->index);
	load_sets(loading->index);
}

static int
compare_uses(const void *a, const void *b)
{
	const BlockUse *x = a;
	const BlockUse *y = b;

	if (x->entry != y->entry)
		return x->entry < y->entry ? -1 : 1;
	return strcmp(x->block, y->block);
}

/* Ties each entry to the versions in use of its blocks, to each once. */
void
nurture_index_blocks(Loading *loading, Snapshot snapshot)
{
	ContentIndex *index = loading->index;
	int32	   *blocks;

	nurture_execute_snapshot(&read_blocks, NULL, NULL, snapshot);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		bool		isnull;
		char	   *asset_id = nurture_cell_text(i, 1);
		IndexEntry *entry = nurture_index_version(index, asset_id, strlen(asset_id),
												  DatumGetInt32(nurture_cell(i, 2, &isnull)));

		if (entry != NULL)
			add_use(loading, entry - index->entries, nurture_cell_text(i, 3),
					DatumGetBool(nurture_cell(i, 4, &isnull)));
	}
	if (loading->nuses == 0)
		return;
	qsort(loading->uses, loading->nuses, sizeof(BlockUse), compare_uses);
	blocks = palloc(loading->nuses * sizeof(int32));
	for (int i = 0; i < loading->nuses; i++)
	{
		const BlockUse *use = &loading->uses[i];
		IndexEntry *entry = &index->entries[use->entry];

		blocks[i] = index->places[nurture_index_place(index, use->block, strlen(use->block))];
		entry->unsubscribe |= use->unsubscribe;
		if (i > 0 && compare_uses(use - 1, use) == 0)
			continue;
		if (entry->nblocks == 0)
			entry->blocks = &blocks[i];
		/* what was said twice leaves a gap behind it */
		unconstify(int32 *, entry->blocks)[entry->nblocks++] = blocks[i];
	}
	pfree(loading->uses);
}
