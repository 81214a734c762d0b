/*
 * index_tags.c
 *	  Reads the tags there are, and those of each version.
 */
#include "base/compat.h"

#include "base/plans.h"
#include "common/hashfn.h"
#include "content/index_private.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

static KeptPlan read_tags =
KEPT_PLAN_SCAN("SELECT dimension, value, tag_id FROM nurture.tag"
			   " ORDER BY tag_id", 0);

static KeptPlan read_asset_tags =
KEPT_PLAN_SCAN("SELECT asset_id, version, dimension, value"
			   " FROM nurture.asset_tag", 0);

static uint32
hash_tag(const char *dimension, int dimension_len, const char *value,
		 int value_len)
{
	return hash_combine(hash_bytes((const unsigned char *) dimension, dimension_len),
						hash_bytes((const unsigned char *) value, value_len));
}

/* Reads all tags there are; a slot is a tag. */
void
nurture_index_vocabulary(Loading *loading, Snapshot snapshot)
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
		tag->dimension = nurture_index_intern(&index->dimensions, dimension);
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
int
nurture_index_slot(const Loading *loading, struct varlena *dimension,
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
			nurture_index_is(tag->value, VARDATA_ANY(value), vlen) &&
			nurture_index_is(name, VARDATA_ANY(dimension), dlen))
			return loading->tagplaces[place].slot;
	}
	return -1;
}

/* Returns the entry of a version; rows of a version mostly lie together. */
static int
entry_of(const Loading *loading, Datum asset, int32 version)
{
	const ContentIndex *index = loading->index;
	struct varlena *bytes = PG_DETOAST_DATUM_PACKED(asset);
	const char *id = VARDATA_ANY(bytes);
	size_t		len = VARSIZE_ANY_EXHDR(bytes);
	const IndexEntry *found;

	for (int i = loading->last; i < index->nentries && i <= loading->last + 1; i++)
	{
		if (index->entries[i].version == version &&
			nurture_index_is(index->entries[i].asset_id, id, len))
			return i;
	}
	found = nurture_index_version(index, id, len, version);
	return found == NULL ? -1 : found - index->entries;
}

static void
take_tag(TupleTableSlot *row, void *arg)
{
	Loading    *loading = arg;
	int			entry = entry_of(loading, row->tts_values[0],
								 DatumGetInt32(row->tts_values[1]));
	int			slot;

	if (entry < 0)
		return;					/* a version that is not looked at */
	loading->last = entry;
	slot = nurture_index_slot(loading, PG_DETOAST_DATUM_PACKED(row->tts_values[2]),
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
	loading->found_entry[loading->nfound] = entry;
	loading->found_slot[loading->nfound++] = slot;
	loading->index->looks[entry].ntags++;
}

/* Gives each entry its run of tags. */
void
nurture_index_tags(Loading *loading, Snapshot snapshot)
{
	ContentIndex *index = loading->index;
	uint16	   *runs;
	uint32		run = 0;

	loading->maxfound = Max((uint64) index->nentries * 8, 64);
	loading->found_entry = MemoryContextAllocHuge(CurrentMemoryContext,
												  loading->maxfound * sizeof(int32));
	loading->found_slot = MemoryContextAllocHuge(CurrentMemoryContext,
												 loading->maxfound * sizeof(uint16));
	nurture_execute_each(&read_asset_tags, snapshot, take_tag, loading);
	index->runs = runs = MemoryContextAllocHuge(CurrentMemoryContext,
												Max(loading->nfound, 1) * sizeof(uint16));
	for (int i = 0; i < index->nentries; i++)
	{
		index->looks[i].tags = run;
		run += index->looks[i].ntags;
		index->looks[i].ntags = 0;
	}
	for (uint64 i = 0; i < loading->nfound; i++)
	{
		IndexLook  *look = &index->looks[loading->found_entry[i]];
		const IndexTag *tag = &index->tags[loading->found_slot[i]];

		runs[look->tags + look->ntags++] = loading->found_slot[i];
		look->depth = Max(look->depth, tag->depth);
		look->has_role |= tag->dimension == index->role;
		look->has_reading_level |= tag->dimension == index->reading_level;
	}
	pfree(loading->found_entry);
	pfree(loading->found_slot);
}
