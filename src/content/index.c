/*
 * index.c
 *	  The library compiled for selection, once per backend and again only when
 *	  a table it reads has changed.
 *
 * Of each asset the version in use is kept, and where there is none its
 * newest, so that the ledger of candidates can tell why an asset is not
 * chosen.  What a version is made for is a set of bits for each market,
 * audience, language and channel: who asks for a lead meets the few that fit
 * without looking at the others.
 */
#include "base/compat.h"

#include "access/xact.h"
#include "base/plans.h"
#include "base/rulecache.h"
#include "common/hashfn.h"
#include "content/index_private.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

static void *load_index(Snapshot snapshot);

static RuleCache content_cache = {
	.name = "content",
	.tables = {"asset", "asset_version", "asset_tag", "asset_block",
		"asset_prerequisite", "selection_version", "selection_weight", "stage",
	"frequency_cap", "tag", "signal", "claim", "content_policy"},
	.load = load_index
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

int
nurture_index_place(const ContentIndex *index, const char *asset_id, size_t len)
{
	uint32		place = hash_bytes((const unsigned char *) asset_id, len);

	for (;; place++)
	{
		int32		entry = index->places[place & (index->nplaces - 1)];

		if (entry < 0 ||
			nurture_index_is(index->entries[entry].asset_id, asset_id, len))
			return place & (index->nplaces - 1);
	}
}

/* Returns an entry of an asset, NULL when it has none. */
const IndexEntry *
nurture_content_asset(const ContentIndex *index, const char *asset_id,
					  size_t len)
{
	int32		entry = index->places[nurture_index_place(index, asset_id, len)];

	return entry < 0 ? NULL : &index->entries[entry];
}

/* Returns the hash by which families are told apart. */
uint32
nurture_content_family(const char *family)
{
	return hash_bytes((const unsigned char *) family, strlen(family));
}

static ContentIndex *
load_with(const char *selection, int version, Snapshot snapshot)
{
	ContentIndex *index = palloc0(sizeof(ContentIndex));
	Loading		loading = {.index = index,.selection = selection,.version = version};
	bool		isnull;

	nurture_index_versions(&loading, snapshot);
	nurture_index_vocabulary(&loading, snapshot);
	nurture_index_tags(&loading, snapshot);
	nurture_index_blocks(&loading, snapshot);
	nurture_index_claims(&loading, snapshot);
	nurture_index_policies(index, snapshot);
	nurture_index_prerequisites(index, snapshot);
	nurture_index_weights(&loading, snapshot);
	nurture_index_lists_end(&loading);
	pfree(loading.tagplaces);

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
	index->force = palloc0(sizeof(IndexForce));
	index->force->entries = bits_make(index->nentries);
	index->force->blocks = bits_make(index->nentries);
	index->force->claims = bits_make(index->nentries);
	return index;
}

static void *
load_index(Snapshot snapshot)
{
	return load_with("default", 0, snapshot);
}

/*
 * Compiles the library with the weights of a version that need not be
 * published, in the current memory context; connected to SPI.
 */
const ContentIndex *
nurture_content_index_with(const char *selection, int version)
{
	Snapshot	snapshot = RegisterSnapshot(IsInParallelMode() ? GetActiveSnapshot() :
											GetLatestSnapshot());
	const ContentIndex *index = load_with(selection, version, snapshot);

	UnregisterSnapshot(snapshot);
	return index;
}

static bool
in_force(const IndexEntry *entry, TimestampTz at)
{
	return entry->approved && entry->valid.from <= at && at < entry->valid.until;
}

/* Tells whether the blocks of an entry, and theirs, are in force. */
static bool
blocks_in_force(const ContentIndex *index, const IndexEntry *entry,
				TimestampTz at, int depth)
{
	for (int b = 0; b < entry->nblocks; b++)
	{
		const IndexEntry *block;

		if (entry->blocks[b] < 0)
			return false;
		block = &index->entries[entry->blocks[b]];
		if (!in_force(block, at) ||
			(block->nblocks > 0 && depth < MAX_BLOCK_DEPTH &&
			 !blocks_in_force(index, block, at, depth + 1)))
			return false;
	}
	return true;
}

static bool
claims_in_force(const ContentIndex *index, const IndexEntry *entry,
				TimestampTz at)
{
	for (int i = 0; i < entry->nall_claims; i++)
	{
		const IndexClaim *claim = &index->claims[entry->all_claims[i]];

		if (!claim->approved || at < claim->valid.from || at >= claim->valid.until)
			return false;
	}
	return true;
}

/* Narrows a time by the ends of a range. */
static void
narrow(IndexForce *force, const IndexRange *range, TimestampTz at)
{
	TimestampTz ends[2] = {range->from, range->until};

	for (int e = 0; e < lengthof(ends); e++)
	{
		if (ends[e] <= at)
			force->from = Max(force->from, ends[e]);
		else
			force->until = Min(force->until, ends[e]);
	}
}

/*
 * Returns which entries, and the blocks and claims of which, are in force at
 * an instant.  It is found once for all instants until the next range begins
 * or ends.
 */
const IndexForce *
nurture_content_force(const ContentIndex *index, TimestampTz at)
{
	IndexForce *force = index->force;
	int			n = index->nentries;

	if (force->from <= at && at < force->until)
		return force;
	memset(force->entries, 0, BITS_WORDS(n) * sizeof(Bits));
	memset(force->blocks, 0, BITS_WORDS(n) * sizeof(Bits));
	memset(force->claims, 0, BITS_WORDS(n) * sizeof(Bits));
	force->from = DT_NOBEGIN;
	force->until = DT_NOEND;
	for (int i = 0; i < index->claim_codes.n; i++)
	{
		if (index->claims[i].approved)
			narrow(force, &index->claims[i].valid, at);
	}
	for (int i = 0; i < n; i++)
	{
		const IndexEntry *entry = &index->entries[i];

		if (in_force(entry, at))
			bits_add(force->entries, i);
		if (entry->approved)
			narrow(force, &entry->valid, at);
		if (blocks_in_force(index, entry, at, 0))
			bits_add(force->blocks, i);
		if (claims_in_force(index, entry, at))
			bits_add(force->claims, i);
	}
	return force;
}
