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
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "content/index.h"
#include "facts/vocabulary.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
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

/* what is there may be more than what fits into memory twice */
static KeptPlan read_versions =
KEPT_PLAN_SCAN("SELECT v.asset_id, v.version, a.family, a.purpose,"
			   " v.message_class, a.priority, v.status = 'approved',"
			   " CASE WHEN lower_inf(v.valid_during) THEN '-infinity'"
			   "  WHEN lower_inc(v.valid_during) THEN lower(v.valid_during)"
			   "  ELSE lower(v.valid_during) + interval '1 us' END,"
			   " CASE WHEN upper_inf(v.valid_during) THEN 'infinity'"
			   "  WHEN upper_inc(v.valid_during)"
			   "  THEN upper(v.valid_during) + interval '1 us'"
			   "  ELSE upper(v.valid_during) END,"
			   " coalesce(v.approved_at, '-infinity'),"
			   " v.channels, v.audience_types, v.languages, v.markets,"
			   " a.format, v.claims"
			   " FROM nurture.asset_version v"
			   " JOIN nurture.asset a ON a.asset_id = v.asset_id"
			   " WHERE v.status IN ('approved', 'suspended')"
			   " OR (NOT EXISTS (SELECT FROM nurture.asset_version o"
			   "  WHERE o.asset_id = v.asset_id"
			   "  AND o.status IN ('approved', 'suspended'))"
			   "  AND v.version = (SELECT max(o.version)"
			   "  FROM nurture.asset_version o WHERE o.asset_id = v.asset_id))",
			   0);

static KeptPlan read_tags =
KEPT_PLAN_SCAN("SELECT dimension, value, tag_id FROM nurture.tag"
			   " ORDER BY tag_id", 0);

static KeptPlan read_asset_tags =
KEPT_PLAN_SCAN("SELECT asset_id, version, dimension, value"
			   " FROM nurture.asset_tag", 0);

static KeptPlan read_blocks =
KEPT_PLAN_SCAN("SELECT asset_id, version, block, bool_or(slot = 'unsubscribe') FROM"
			   " (SELECT asset_id, version, block_asset AS block, slot"
			   "  FROM nurture.asset_block"
			   "  UNION ALL SELECT asset_id, version, safety_block, ''"
			   "  FROM nurture.asset_version WHERE safety_block IS NOT NULL) b"
			   " GROUP BY asset_id, version, block"
			   " ORDER BY asset_id COLLATE \"C\", version, block COLLATE \"C\"",
			   0);

static KeptPlan read_claims =
KEPT_PLAN_SCAN("SELECT claim,"
			   " CASE WHEN lower_inf(valid_during) THEN '-infinity'"
			   "  WHEN lower_inc(valid_during) THEN lower(valid_during)"
			   "  ELSE lower(valid_during) + interval '1 us' END,"
			   " CASE WHEN upper_inf(valid_during) THEN 'infinity'"
			   "  WHEN upper_inc(valid_during)"
			   "  THEN upper(valid_during) + interval '1 us'"
			   "  ELSE upper(valid_during) END, markets, audience_types"
			   " FROM nurture.claim WHERE status = 'approved'", 0);

static KeptPlan read_policies =
KEPT_PLAN_SCAN("SELECT market, message_class, audience_type, safety_block,"
			   " disclaimer, unsubscribe_required FROM nurture.content_policy", 0);

static KeptPlan read_prerequisites = {
	"SELECT asset_id, prerequisite, condition::text "
	"FROM nurture.asset_prerequisite "
	"ORDER BY asset_id COLLATE \"C\", prerequisite COLLATE \"C\"", {0}, NULL, true
};

/* of version 0 those that are published */
static KeptPlan read_weights =
KEPT_PLAN_SCAN("SELECT w.selection, w.version, w.term, w.subject, w.value,"
			   " w.weight, coalesce(w.parameter, 0)"
			   " FROM nurture.selection_version s"
			   " JOIN nurture.selection_weight w ON w.selection = s.selection"
			   " AND w.version = s.version"
			   " WHERE s.selection = $1"
			   " AND CASE $2 WHEN 0 THEN s.status = 'published' ELSE s.version = $2 END"
			   " ORDER BY w.term COLLATE \"C\", w.subject COLLATE \"C\", w.value"
			   " COLLATE \"C\"", TEXTOID, INT4OID);
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

/* a list of codes that was read before, by the hash of its array */
typedef struct ListEntry
{
	uint64		hash;			/* key: of the array and the column */
	struct varlena *array;
	IndexList  *list;
} ListEntry;

/* a tag by what it is called */
typedef struct TagPlace
{
	uint32		hash;
	int32		slot;			/* -1 = free */
} TagPlace;

/* What is needed while the library is read. */
typedef struct Loading
{
	ContentIndex *index;
	const char *selection;		/* whose weights */
	int			version;		/* 0 = published */
	int			maxentries;
	HTAB	   *lists;
	const IndexEntry *last;		/* of which tags were read last */
	int			ntagplaces;
	TagPlace   *tagplaces;
	uint64		nfound;			/* tags of entries */
	uint64		maxfound;
	int32	   *found_entry;
	uint16	   *found_slot;
} Loading;

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

/* Returns the place of a code, which is added when it is new. */
static int
intern(IndexCodes *codes, const char *code)
{
	int			found = nurture_content_code(codes->codes, codes->n, code);

	if (found >= 0)
		return found;
	if (codes->n == codes->max)
	{
		codes->max = Max(codes->max * 2, 16);
		codes->codes = codes->codes == NULL ?
			palloc(codes->max * sizeof(char *)) :
			repalloc(codes->codes, codes->max * sizeof(char *));
	}
	codes->codes[codes->n] = pstrdup(code);
	return codes->n++;
}

static int
asset_place(const ContentIndex *index, const char *asset_id, size_t len)
{
	uint32		place = hash_bytes((const unsigned char *) asset_id, len);

	for (;; place++)
	{
		int32		entry = index->places[place & (index->nplaces - 1)];

		if (entry < 0 ||
			(strncmp(index->entries[entry].asset_id, asset_id, len) == 0 &&
			 index->entries[entry].asset_id[len] == '\0'))
			return place & (index->nplaces - 1);
	}
}

/* Returns an entry of an asset, NULL when it has none. */
const IndexEntry *
nurture_content_asset(const ContentIndex *index, const char *asset_id,
					  size_t len)
{
	int32		entry = index->places[asset_place(index, asset_id, len)];

	return entry < 0 ? NULL : &index->entries[entry];
}

static IndexEntry *
find_version(const ContentIndex *index, const char *asset_id, size_t len,
			 int32 version)
{
	int32		entry = index->places[asset_place(index, asset_id, len)];

	while (entry >= 0 && index->entries[entry].version != version)
		entry = index->entries[entry].next;
	return entry < 0 ? NULL : &index->entries[entry];
}

/* Returns a column that says codes; the lists of a library are few. */
static const IndexList *
take_list(Loading *loading, Datum array, IndexCodes *codes)
{
	struct varlena *bytes = PG_DETOAST_DATUM_PACKED(array);
	uint64		hash = hash_bytes_extended((unsigned char *) VARDATA_ANY(bytes),
										   VARSIZE_ANY_EXHDR(bytes),
										   (uint64) (uintptr_t) codes);
	bool		known;
	ListEntry  *entry = hash_search(loading->lists, &hash, HASH_ENTER, &known);
	IndexList  *list;
	Datum	   *items;
	bool	   *nulls;
	int			n;

	if (known && VARSIZE_ANY_EXHDR(bytes) == VARSIZE_ANY_EXHDR(entry->array) &&
		memcmp(VARDATA_ANY(bytes), VARDATA_ANY(entry->array), VARSIZE_ANY_EXHDR(bytes)) == 0)
		return entry->list;
	entry->array = palloc(VARSIZE_ANY(bytes));
	memcpy(entry->array, bytes, VARSIZE_ANY(bytes));
	entry->list = list = palloc0(sizeof(IndexList));
	deconstruct_array(DatumGetArrayTypeP(array), TEXTOID, -1, false,
					  TYPALIGN_INT, &items, &nulls, &n);
	list->codes = palloc(Max(n, 1) * sizeof(char *));
	list->places = palloc(Max(n, 1) * sizeof(int16));
	for (int i = 0; i < n; i++)
	{
		char	   *code = nulls[i] ? NULL : TextDatumGetCString(items[i]);

		if (code == NULL)
			continue;
		if (strcmp(code, "*") == 0)
			list->any = true;
		list->places[list->n] = intern(codes, code);
		list->codes[list->n] = codes->codes[list->places[list->n]];
		list->n++;
	}
	return list;
}

/* Returns the place of a code that many rows have. */
static int
take_place(Datum value, IndexCodes *codes)
{
	struct varlena *bytes = PG_DETOAST_DATUM_PACKED(value);
	int			len = VARSIZE_ANY_EXHDR(bytes);

	for (int i = 0; i < codes->n; i++)
	{
		if (strncmp(codes->codes[i], VARDATA_ANY(bytes), len) == 0 &&
			codes->codes[i][len] == '\0')
			return i;
	}
	return intern(codes, TextDatumGetCString(value));
}

/* Returns that code. */
static const char *
take_code(Datum value, IndexCodes *codes)
{
	int			place = take_place(value, codes);

	return codes->codes[place];
}

static void
take_version(TupleTableSlot *row, void *arg)
{
	Loading    *loading = arg;
	ContentIndex *index = loading->index;
	const Datum *values = row->tts_values;
	IndexEntry *entry;

	if (index->nentries == loading->maxentries)
	{
		loading->maxentries = Max(loading->maxentries * 2, 64);
		index->entries = index->entries == NULL ?
			palloc(loading->maxentries * sizeof(IndexEntry)) :
			repalloc_huge(index->entries, loading->maxentries * sizeof(IndexEntry));
	}
	entry = &index->entries[index->nentries++];
	memset(entry, 0, sizeof(*entry));
	entry->asset_id = TextDatumGetCString(values[0]);
	entry->version = DatumGetInt32(values[1]);
	entry->family = TextDatumGetCString(values[2]);
	entry->purpose = take_code(values[3], &index->purposes);
	entry->message_class = take_code(values[4], &index->classes);
	if (strcmp(entry->family, entry->asset_id) == 0)
		entry->family = entry->asset_id;
	entry->priority = DatumGetInt16(values[5]);
	entry->approved = DatumGetBool(values[6]);
	entry->valid.from = DatumGetTimestampTz(values[7]);
	entry->valid.until = DatumGetTimestampTz(values[8]);
	entry->approved_at = DatumGetTimestampTz(values[9]);
	entry->channels = take_list(loading, values[10], &index->channels);
	entry->audiences = take_list(loading, values[11], &index->audiences);
	entry->languages = take_list(loading, values[12], &index->languages);
	entry->markets = take_list(loading, values[13], &index->markets);
	entry->format = take_place(values[14], &index->formats);
	if (ArrayGetNItems(ARR_NDIM(DatumGetArrayTypeP(values[15])), ARR_DIMS(DatumGetArrayTypeP(values[15]))) > 0)
		entry->claims = take_list(loading, values[15], &index->claim_codes);
	entry->component = strcmp(index->formats.codes[entry->format], "block") == 0 ||
		strcmp(index->formats.codes[entry->format], "landing_page") == 0;
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
		int			place = asset_place(index, entry->asset_id,
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

static void
make_sets(IndexCodes *codes, int nentries)
{
	codes->any = bits_make(nentries);
	codes->entries = palloc(Max(codes->n, 1) * sizeof(Bits *));
	for (int i = 0; i < codes->n; i++)
		codes->entries[i] = bits_make(nentries);
}

/* Gives each code the entries that have it. */
static void
load_sets(ContentIndex *index)
{
	int			n = index->nentries;

	make_sets(&index->channels, n);
	make_sets(&index->audiences, n);
	make_sets(&index->languages, n);
	make_sets(&index->markets, n);
	make_sets(&index->classes, n);
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

static uint32
hash_tag(const char *dimension, int dimension_len, const char *value,
		 int value_len)
{
	return hash_combine(hash_bytes((const unsigned char *) dimension, dimension_len),
						hash_bytes((const unsigned char *) value, value_len));
}

/* Reads all tags there are; a slot is a tag. */
static void
load_vocabulary(Loading *loading, Snapshot snapshot)
{
	ContentIndex *index = loading->index;

	nurture_execute_snapshot(&read_tags, NULL, NULL, snapshot);
	index->nslots = SPI_processed;
	index->tags = palloc0(Max(index->nslots, 1) * sizeof(IndexTag));
	loading->ntagplaces = 64;
	while (loading->ntagplaces < index->nslots * 2)
		loading->ntagplaces *= 2;
	loading->tagplaces = palloc(loading->ntagplaces * sizeof(TagPlace));
	for (int i = 0; i < loading->ntagplaces; i++)
		loading->tagplaces[i].slot = -1;
	for (int i = 0; i < index->nslots; i++)
	{
		IndexTag   *tag = &index->tags[i];
		char	   *dimension = nurture_cell_text(i, 1);
		bool		isnull;
		uint32		hash;
		uint32		place;

		tag->value = nurture_cell_text(i, 2);
		tag->tag_id = DatumGetInt32(nurture_cell(i, 3, &isnull));
		tag->dimension = intern(&index->dimensions, dimension);
		if (strcmp(dimension, "depth") == 0)
			tag->depth = Min(atoi(tag->value), 100);
		hash = hash_tag(dimension, strlen(dimension), tag->value, strlen(tag->value));
		place = hash & (loading->ntagplaces - 1);
		while (loading->tagplaces[place].slot >= 0)
			place = (place + 1) & (loading->ntagplaces - 1);
		loading->tagplaces[place].hash = hash;
		loading->tagplaces[place].slot = i;
	}
	/* they come in the order of their ids */
	index->max_tag = index->nslots == 0 ? -1 : index->tags[index->nslots - 1].tag_id;
	index->slots = palloc0((index->max_tag + 1) * sizeof(uint16) + 1);
	for (int i = 0; i < index->nslots; i++)
		index->slots[index->tags[i].tag_id] = i;
	index->topic = nurture_content_code(index->dimensions.codes, index->dimensions.n, "topic");
	index->role = nurture_content_code(index->dimensions.codes, index->dimensions.n, "role");
	index->reading_level = nurture_content_code(index->dimensions.codes, index->dimensions.n, "reading_level");
}

/* Returns the slot of a tag, -1 when there is no such tag. */
static int
find_slot(const Loading *loading, struct varlena *dimension,
		  struct varlena *value)
{
	const ContentIndex *index = loading->index;
	int			dlen = VARSIZE_ANY_EXHDR(dimension);
	int			vlen = VARSIZE_ANY_EXHDR(value);
	uint32		hash = hash_tag(VARDATA_ANY(dimension), dlen, VARDATA_ANY(value), vlen);
	uint32		place = hash & (loading->ntagplaces - 1);

	for (; loading->tagplaces[place].slot >= 0;
		 place = (place + 1) & (loading->ntagplaces - 1))
	{
		const IndexTag *tag = &index->tags[loading->tagplaces[place].slot];
		const char *name = index->dimensions.codes[tag->dimension];

		if (loading->tagplaces[place].hash == hash &&
			strncmp(tag->value, VARDATA_ANY(value), vlen) == 0 &&
			tag->value[vlen] == '\0' &&
			strncmp(name, VARDATA_ANY(dimension), dlen) == 0 &&
			name[dlen] == '\0')
			return loading->tagplaces[place].slot;
	}
	return -1;
}

static void
take_tag(TupleTableSlot *row, void *arg)
{
	Loading    *loading = arg;
	ContentIndex *index = loading->index;
	struct varlena *asset = PG_DETOAST_DATUM_PACKED(row->tts_values[0]);
	size_t		len = VARSIZE_ANY_EXHDR(asset);
	int32		version = DatumGetInt32(row->tts_values[1]);
	const IndexEntry *entry = loading->last;
	int			slot;

	/* rows of a version mostly lie together */
	if (entry == NULL || entry->version != version ||
		strncmp(entry->asset_id, VARDATA_ANY(asset), len) != 0 ||
		entry->asset_id[len] != '\0')
		entry = find_version(index, VARDATA_ANY(asset), len, version);
	if (entry == NULL)
		return;					/* a version that is not looked at */
	loading->last = entry;
	slot = find_slot(loading, PG_DETOAST_DATUM_PACKED(row->tts_values[2]),
					 PG_DETOAST_DATUM_PACKED(row->tts_values[3]));
	if (slot < 0)
		return;
	if (loading->nfound == loading->maxfound)
	{
		loading->maxfound *= 2;
		loading->found_entry = repalloc_huge(loading->found_entry,
											 loading->maxfound * sizeof(int32));
		loading->found_slot = repalloc_huge(loading->found_slot,
											loading->maxfound * sizeof(uint16));
	}
	loading->found_entry[loading->nfound] = entry - index->entries;
	loading->found_slot[loading->nfound++] = slot;
	index->entries[entry - index->entries].ntags++;
}

/* Gives each entry its run of tags. */
static void
load_asset_tags(Loading *loading, Snapshot snapshot)
{
	ContentIndex *index = loading->index;
	uint16	   *tags;
	uint16	   *run;

	loading->maxfound = Max(index->nentries * 4, 64);
	loading->found_entry = MemoryContextAllocHuge(CurrentMemoryContext,
												  loading->maxfound * sizeof(int32));
	loading->found_slot = MemoryContextAllocHuge(CurrentMemoryContext,
												 loading->maxfound * sizeof(uint16));
	nurture_execute_each(&read_asset_tags, snapshot, take_tag, loading);
	run = tags = MemoryContextAllocHuge(CurrentMemoryContext,
										Max(loading->nfound, 1) * sizeof(uint16));
	for (int i = 0; i < index->nentries; i++)
	{
		index->entries[i].tags = run;
		run += index->entries[i].ntags;
		index->entries[i].ntags = 0;
	}
	for (uint64 i = 0; i < loading->nfound; i++)
	{
		IndexEntry *entry = &index->entries[loading->found_entry[i]];
		const IndexTag *tag = &index->tags[loading->found_slot[i]];

		tags[(entry->tags - tags) + entry->ntags++] = loading->found_slot[i];
		entry->depth = Max(entry->depth, tag->depth);
		entry->has_role |= tag->dimension == index->role;
		entry->has_reading_level |= tag->dimension == index->reading_level;
	}
	pfree(loading->found_entry);
	pfree(loading->found_slot);
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
		char	   *asset_id = nurture_cell_text(i, 1);
		char	   *block = nurture_cell_text(i, 3);
		IndexEntry *entry = find_version(index, asset_id, strlen(asset_id),
										 DatumGetInt32(nurture_cell(i, 2, &isnull)));

		blocks[i] = index->places[asset_place(index, block, strlen(block))];
		if (entry == NULL)
			continue;
		if (entry->nblocks++ == 0)
			entry->blocks = &blocks[i];
		entry->unsubscribe |= DatumGetBool(nurture_cell(i, 4, &isnull));
	}
}

/* Blocks of blocks are followed so far. */
#define MAX_BLOCK_DEPTH	32

/* Collects the claims of an entry and of what it is made with. */
static void
collect_claims(const ContentIndex *index, const IndexEntry *entry, int depth,
			   int16 *places, int *n)
{
	for (int i = 0; entry->claims != NULL && i < entry->claims->n; i++)
	{
		bool		known = false;

		for (int k = 0; k < *n && !known; k++)
			known = places[k] == entry->claims->places[i];
		if (!known)
			places[(*n)++] = entry->claims->places[i];
	}
	for (int b = 0; b < entry->nblocks && depth < MAX_BLOCK_DEPTH; b++)
	{
		if (entry->blocks[b] >= 0)
			collect_claims(index, &index->entries[entry->blocks[b]], depth + 1, places, n);
	}
}

/* Adds an entry to the codes for which all its claims are approved. */
static void
add_claimed(const ContentIndex *index, IndexCodes *codes, int e, size_t column)
{
	const IndexEntry *entry = &index->entries[e];
	bool		any = true;

	for (int i = 0; i < entry->nall_claims; i++)
	{
		const IndexClaim *claim = &index->claims[entry->all_claims[i]];

		if (!claim->approved)
			return;				/* it is not in force, whatever the code */
		any &= (*(const IndexList *const *) ((const char *) claim + column))->any;
	}
	if (any)
	{
		bits_add(codes->any, e);
		return;
	}
	for (int code = 0; code < codes->n; code++)
	{
		bool		all = true;

		for (int i = 0; i < entry->nall_claims && all; i++)
		{
			const IndexList *list =
			*(const IndexList *const *) ((const char *) &index->claims[entry->all_claims[i]] + column);

			all = list->any ||
				nurture_content_code(list->codes, list->n, codes->codes[code]) >= 0;
		}
		if (all)
			bits_add(codes->entries[code], e);
	}
}

/* Reads the claims, and gives each entry those it makes. */
static void
load_claims(Loading *loading, Snapshot snapshot)
{
	ContentIndex *index = loading->index;
	int16	   *places;

	index->claims = palloc0(Max(index->claim_codes.n, 1) * sizeof(IndexClaim));
	if (index->claim_codes.n == 0)
		return;
	nurture_execute_snapshot(&read_claims, NULL, NULL, snapshot);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		char	   *code = nurture_cell_text(i, 1);
		int			place = nurture_content_code(index->claim_codes.codes, index->claim_codes.n, code);
		IndexClaim *claim;
		bool		isnull;

		if (place < 0)
			continue;
		claim = &index->claims[place];
		claim->approved = true;
		claim->valid.from = DatumGetTimestampTz(nurture_cell(i, 2, &isnull));
		claim->valid.until = DatumGetTimestampTz(nurture_cell(i, 3, &isnull));
		claim->markets = take_list(loading, nurture_cell(i, 4, &isnull), &index->claim_markets);
		claim->audiences = take_list(loading, nurture_cell(i, 5, &isnull), &index->claim_audiences);
	}
	make_sets(&index->claim_markets, index->nentries);
	make_sets(&index->claim_audiences, index->nentries);
	places = palloc(index->claim_codes.n * sizeof(int16));
	for (int e = 0; e < index->nentries; e++)
	{
		IndexEntry *entry = &index->entries[e];
		int			n = 0;

		collect_claims(index, entry, 0, places, &n);
		if (n > 0)
		{
			entry->nall_claims = n;
			entry->all_claims = memcpy(palloc(n * sizeof(int16)), places, n * sizeof(int16));
		}
		add_claimed(index, &index->claim_markets, e, offsetof(IndexClaim, markets));
		add_claimed(index, &index->claim_audiences, e, offsetof(IndexClaim, audiences));
	}
	pfree(places);
}

/* Tells whether an entry is made with a block, NULL = none asked for. */
static bool
made_with(const ContentIndex *index, const IndexEntry *entry, const char *block)
{
	for (int b = 0; block != NULL && b < entry->nblocks; b++)
	{
		if (entry->blocks[b] >= 0 &&
			strcmp(index->entries[entry->blocks[b]].asset_id, block) == 0)
			return true;
	}
	return block == NULL;
}

/* Reads the content policies, each with the entries that keep it. */
static void
load_policies(ContentIndex *index, Snapshot snapshot)
{
	nurture_execute_snapshot(&read_policies, NULL, NULL, snapshot);
	index->npolicies = SPI_processed;
	index->policies = palloc0(Max(index->npolicies, 1) * sizeof(IndexPolicy));
	for (int i = 0; i < index->npolicies; i++)
	{
		IndexPolicy *policy = &index->policies[i];
		char	   *class = nurture_cell_text(i, 2);
		char	   *safety_block = nurture_cell_text(i, 4);
		char	   *disclaimer = nurture_cell_text(i, 5);
		bool		isnull;
		bool		unsubscribe = DatumGetBool(nurture_cell(i, 6, &isnull));

		policy->market = nurture_cell_text(i, 1);
		policy->audience = nurture_cell_text(i, 3);
		policy->kept = bits_make(index->nentries);
		for (int e = 0; e < index->nentries; e++)
		{
			const IndexEntry *entry = &index->entries[e];

			if ((strcmp(class, "*") != 0 && strcmp(class, entry->message_class) != 0) ||
				(made_with(index, entry, safety_block) &&
				 made_with(index, entry, disclaimer) &&
				 (entry->unsubscribe || !unsubscribe)))
				bits_add(policy->kept, e);
		}
	}
	index->components = bits_make(index->nentries);
	for (int e = 0; e < index->nentries; e++)
	{
		if (index->entries[e].component)
			bits_add(index->components, e);
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
		int32		e = index->places[asset_place(index, assets[i], strlen(assets[i]))];

		for (; e >= 0; e = index->entries[e].next)
		{
			if (index->entries[e].nprerequisites++ == 0)
				index->entries[e].prerequisites = &conditions[i];
		}
	}
}

/* Returns the slot of a tag that a weight names. */
static int
weight_slot(const Loading *loading, const char *dimension, const char *value)
{
	return find_slot(loading, cstring_to_text(dimension), cstring_to_text(value));
}

/* Gives the entries of an asset one more row of what it achieved. */
static void
add_performance(ContentIndex *index, IndexPerformance *row, const char *asset_id,
				const char *audience, int32 points)
{
	int32		e = index->places[asset_place(index, asset_id, strlen(asset_id))];

	row->audience = strcmp(audience, "*") == 0 ? -1 : intern(&index->performers, audience);
	row->points = points;
	for (; e >= 0; e = index->entries[e].next)
	{
		if (index->entries[e].nperformance++ == 0)
			index->entries[e].performance = row;
	}
}

static void
load_weights(Loading *loading, Snapshot snapshot)
{
	static const struct
	{
		const char *name;
		IndexTerm	term;
	}			terms[] = {
		{"general", WEIGHT_GENERAL}, {"stage", WEIGHT_STAGE},
		{"preferred", WEIGHT_PREFERRED}, {"depth_next", WEIGHT_DEPTH_NEXT},
		{"depth_same", WEIGHT_DEPTH_SAME}, {"freshness", WEIGHT_FRESHNESS},
		{"format", WEIGHT_FORMAT}, {"priority", WEIGHT_PRIORITY}
	};
	ContentIndex *index = loading->index;
	IndexPerformance *performance;
	Datum		values[2];
	bool		isnull;

	index->selection = pstrdup(loading->selection);
	values[0] = CStringGetTextDatum(loading->selection);
	values[1] = Int32GetDatum(loading->version);
	nurture_execute_snapshot(&read_weights, values, NULL, snapshot);
	index->weights = palloc(Max(SPI_processed, 1) * sizeof(IndexWeight));
	performance = palloc(Max(SPI_processed, 1) * sizeof(IndexPerformance));
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		char	   *term = nurture_cell_text(i, 3);
		char	   *subject = nurture_cell_text(i, 4);
		char	   *value = nurture_cell_text(i, 5);
		int32		weight = DatumGetInt32(nurture_cell(i, 6, &isnull));
		IndexWeight *w;

		index->selection_version = DatumGetInt32(nurture_cell(i, 2, &isnull));
		if (strcmp(term, "interest") == 0)
		{
			for (int t = 0; t < index->nslots; t++)
			{
				if (strcmp(index->dimensions.codes[index->tags[t].dimension], subject) == 0)
					index->tags[t].interest = weight;
			}
			continue;
		}
		if (strcmp(term, "performance") == 0)
		{
			/* those of an asset come one after the other */
			add_performance(index, &performance[i], subject, value, weight);
			continue;
		}
		w = &index->weights[index->nweights++];
		memset(w, 0, sizeof(*w));
		for (int t = 0; t < lengthof(terms); t++)
		{
			if (strcmp(terms[t].name, term) == 0)
				w->term = terms[t].term;
		}
		w->weight = weight;
		w->parameter = DatumGetInt32(nurture_cell(i, 7, &isnull));
		w->slot = -1;
		if (w->term == WEIGHT_GENERAL)
			w->slot = weight_slot(loading, subject, value);
		else if (w->term == WEIGHT_STAGE)
		{
			w->stage = pstrdup(subject);
			w->slot = weight_slot(loading, "funnel_stage", value);
		}
	}
}

static ContentIndex *
load_with(const char *selection, int version, Snapshot snapshot)
{
	ContentIndex *index = palloc0(sizeof(ContentIndex));
	Loading		loading = {.index = index,.selection = selection,.version = version};
	HASHCTL		control = {
		.keysize = sizeof(uint64),.entrysize = sizeof(ListEntry),
		.hcxt = CurrentMemoryContext
	};
	bool		isnull;

	loading.lists = hash_create("nurture content lists", 64, &control,
								HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	nurture_execute_each(&read_versions, snapshot, take_version, &loading);
	hash_assets(index);
	load_sets(index);
	load_vocabulary(&loading, snapshot);
	load_asset_tags(&loading, snapshot);
	load_blocks(index, snapshot);
	load_claims(&loading, snapshot);
	load_policies(index, snapshot);
	load_prerequisites(index, snapshot);
	load_weights(&loading, snapshot);
	hash_destroy(loading.lists);
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
