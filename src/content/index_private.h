/*
 * index_private.h
 *	  What the files that read the library share.
 */
#ifndef NURTURE_CONTENT_INDEX_PRIVATE_H
#define NURTURE_CONTENT_INDEX_PRIVATE_H

#include "content/index.h"
#include "utils/snapshot.h"
#include "utils/typcache.h"

/* Blocks of blocks are followed so far. */
#define MAX_BLOCK_DEPTH	32

/* a list of codes that was read before, by the hash of its array */
typedef struct ListEntry
{
	uint32		hash;			/* of the array */
	const IndexCodes *column;	/* NULL = free */
	struct varlena *array;
	IndexList  *list;
} ListEntry;

/* a tag by what it is called */
typedef struct TagPlace
{
	uint32		hash;
	int32		slot;			/* -1 = free */
} TagPlace;

/* a row of nurture.asset */
typedef struct AssetRow
{
	const char *asset_id;
	const char *family;
	const char *purpose;
	uint32		hash;			/* of its id */
	uint32		family_hash;
	int16		format;			/* place in ContentIndex.formats */
	int16		priority;
	bool		in_use;			/* it has a version that is */
} AssetRow;

/* a block that an entry is made with */
typedef struct BlockUse
{
	int32		entry;
	const char *block;
	bool		unsubscribe;
} BlockUse;

/* What is needed while the library is read. */
typedef struct Loading
{
	ContentIndex *index;
	const char *selection;		/* whose weights */
	int			version;		/* 0 = published */
	TypeCacheEntry *range;		/* of the type of valid_during */
	int			nassets;
	int			nused;			/* of which a version is in use */
	int			maxassets;
	AssetRow   *assets;
	int			nassetplaces;	/* a power of 2 */
	int32	   *assetplaces;	/* of assets by hash; -1 = free */
	int			lastasset;		/* whose version was read last */
	int			maxentries;
	int			nlists;
	int			nlistplaces;	/* a power of 2 */
	ListEntry  *lists;
	int			nuses;
	int			maxuses;
	BlockUse   *uses;
	char	   *texts;			/* where the next short text goes */
	size_t		textroom;		/* what is left there */
	int			last;			/* entry of which tags were read last */
	int			ntagplaces;
	TagPlace   *tagplaces;
	uint64		nfound;			/* tags of entries */
	uint64		maxfound;
	int32	   *found_entry;
	uint16	   *found_slot;
} Loading;

/* Tells whether a text is these bytes; most are short, and differ late. */
inline bool
nurture_index_is(const char *text, const char *bytes, size_t len)
{
	size_t		i = 0;

	while (i < len && text[i] == bytes[i])
	{
		if (text[i] == '\0')
			return false;
		i++;
	}
	return i == len && text[len] == '\0';
}

/* index.c: the place of an asset's first entry in ContentIndex.places */
extern int	nurture_index_place(const ContentIndex *index,
								const char *asset_id, size_t len);

/* index_codes.c */
extern int	nurture_index_intern(IndexCodes *codes, const char *code);
extern const char *nurture_index_text(Loading *loading, Datum value);
extern const IndexList *nurture_index_list(Loading *loading, Datum array,
										   IndexCodes *codes);
extern void nurture_index_lists_end(Loading *loading);
extern int	nurture_index_code(Datum value, IndexCodes *codes);
extern IndexRange nurture_index_range(Loading *loading, Datum value, bool null);
extern void nurture_index_sets(IndexCodes *codes, int nentries);

/* index_versions.c */
extern void nurture_index_versions(Loading *loading, Snapshot snapshot);
extern void nurture_index_blocks(Loading *loading, Snapshot snapshot);
extern IndexEntry *nurture_index_version(const ContentIndex *index,
										 const char *asset_id, size_t len,
										 int32 version);

/* index_tags.c */
extern void nurture_index_vocabulary(Loading *loading, Snapshot snapshot);
extern void nurture_index_tags(Loading *loading, Snapshot snapshot);
extern int	nurture_index_slot(const Loading *loading,
							   struct varlena *dimension,
							   struct varlena *value);

/* index_rules.c */
extern void nurture_index_claims(Loading *loading, Snapshot snapshot);
extern void nurture_index_policies(ContentIndex *index, Snapshot snapshot);
extern void nurture_index_prerequisites(ContentIndex *index,
										Snapshot snapshot);
extern void nurture_index_weights(Loading *loading, Snapshot snapshot);

#endif							/* NURTURE_CONTENT_INDEX_PRIVATE_H */
