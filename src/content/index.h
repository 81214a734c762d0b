/*
 * index.h
 *	  Private to the content room: the library compiled for selection.
 */
#ifndef NURTURE_CONTENT_INDEX_H
#define NURTURE_CONTENT_INDEX_H

#include "base/compat.h"
#include "content/bits.h"
#include "core/condition.h"
#include "datatype/timestamp.h"

/* From when until when a version may be used. */
typedef struct IndexRange
{
	TimestampTz from;
	TimestampTz until;			/* excluded */
} IndexRange;

/* A tag that versions have; its place in ContentIndex.tags is its slot. */
typedef struct IndexTag
{
	int32		tag_id;
	int16		dimension;		/* place in ContentIndex.dimensions */
	int16		depth;			/* of dimension depth: its number */
	int32		interest;		/* weight of its dimension in term interest */
	const char *value;
} IndexTag;

/* Codes of one column of a version; versions that say the same share it. */
typedef struct IndexList
{
	int			n;
	const char **codes;
	int16	   *places;			/* of each in its IndexCodes */
	bool		any;			/* "*" is among them */
} IndexList;

/* What an asset achieved with an audience. */
typedef struct IndexPerformance
{
	int16		audience;		/* place in ContentIndex.performers, -1 = all */
	int32		points;
} IndexPerformance;

/*
 * What every candidate of a lead is looked at for: it lies close together, as
 * a library does not fit into a processor's nearest cache.
 */
typedef struct IndexLook
{
	TimestampTz approved_at;
	uint32		tags;			/* place of the first in ContentIndex.runs */
	uint32		family;			/* hash of its family's name */
	uint16		ntags;
	int16		depth;			/* deepest depth tag, 0 = none */
	int16		format;			/* place in ContentIndex.formats */
	int16		priority;
	bool		has_role;
	bool		has_reading_level;
	bool		has_prerequisites;
	bool		has_performance;
} IndexLook;

/* One asset version that selection looks at; the rest of it. */
typedef struct IndexEntry
{
	const char *asset_id;
	const char *family;
	const char *purpose;
	const char *message_class;
	int32		version;
	IndexRange	valid;
	const IndexList *channels;	/* in the order of the row */
	const IndexList *languages;
	const IndexList *markets;
	const IndexList *audiences;
	const int32 *blocks;		/* entries of its blocks; -1 = none in use */
	const IndexList *claims;	/* its own, NULL = none */
	const int16 *all_claims;	/* places of these and of its blocks' claims */
	uint16		nall_claims;
	Condition **prerequisites;
	const IndexPerformance *performance;
	int32		next;			/* another version of the asset, -1 = none */
	uint16		nblocks;
	uint16		nprerequisites;
	uint16		nperformance;
	bool		approved;
	bool		component;		/* a block or page: sent with others only */
	bool		unsubscribe;	/* has a block in slot unsubscribe */
} IndexEntry;

/* The approved version of a claim. */
typedef struct IndexClaim
{
	bool		approved;		/* there is one */
	IndexRange	valid;
	const IndexList *markets;
	const IndexList *audiences;
} IndexClaim;

/* The codes of a column, each with the entries that have it. */
typedef struct IndexCodes
{
	int			n;
	int			max;
	const char **codes;
	Bits	  **entries;
	Bits	   *any;			/* entries that are for every one */
} IndexCodes;

/* A row of nurture.selection_weight. */
typedef enum IndexTerm
{
	WEIGHT_GENERAL,
	WEIGHT_STAGE,
	WEIGHT_PREFERRED,
	WEIGHT_DEPTH_NEXT,
	WEIGHT_DEPTH_SAME,
	WEIGHT_FRESHNESS,
	WEIGHT_FORMAT,
	WEIGHT_PRIORITY
} IndexTerm;

typedef struct IndexWeight
{
	IndexTerm	term;
	const char *stage;			/* stage: the lead's */
	int			slot;			/* general, stage: the tag; -1 = not in use */
	int32		weight;
	int32		parameter;
} IndexWeight;

/* Message classes allowed in a stage. */
typedef struct IndexStage
{
	const char *audience_type;	/* "*" = without a row of its own */
	const char *stage;
	int			nclasses;
	const char **classes;
} IndexStage;

/* A row of nurture.content_policy. */
typedef struct IndexPolicy
{
	const char *market;			/* "*" = every */
	const char *audience;		/* likewise */
	Bits	   *kept;			/* entries that have what it asks for, or are
								 * of another class */
} IndexPolicy;

/* Which entries are in force, and have blocks in force, for a while. */
typedef struct IndexForce
{
	TimestampTz from;
	TimestampTz until;			/* excluded; not after from = not known */
	Bits	   *entries;
	Bits	   *blocks;
	Bits	   *claims;			/* claims likewise */
} IndexForce;

typedef struct ContentIndex
{
	int			nentries;
	IndexEntry *entries;
	IndexLook  *looks;			/* of the entries, in their order */
	const uint16 *runs;			/* slots of their tags, entry after entry */
	int			nplaces;		/* a power of 2 */
	int32	   *places;			/* an entry of each asset by hash; -1 = none */
	IndexCodes	channels;
	IndexCodes	audiences;
	IndexCodes	languages;
	IndexCodes	markets;
	IndexCodes	classes;
	IndexCodes	purposes;		/* without entries */
	IndexCodes	formats;		/* likewise */
	IndexCodes	claim_codes;	/* likewise */
	IndexClaim *claims;			/* by place in claim_codes */
	IndexCodes	claim_markets;	/* entries all of whose claims are for them */
	IndexCodes	claim_audiences;
	Bits	   *components;		/* entries that are no candidates */
	int			npolicies;
	IndexPolicy *policies;
	IndexCodes	dimensions;		/* likewise */
	int			nslots;
	IndexTag   *tags;
	int			max_tag;
	uint16	   *slots;			/* by tag id */
	int			topic;			/* dimensions, -1 = not used */
	int			role;
	int			reading_level;
	IndexCodes	performers;		/* audiences of IndexPerformance */
	int			nweights;
	IndexWeight *weights;
	const char *selection;
	int32		selection_version;	/* 0 = none published */
	int			nstages;
	IndexStage *stages;
	int64		repeat_window;	/* microseconds without the same family */
	int32		repeat_limit;	/* how many within it, 0 = no such rule */
	IndexForce *force;
} ContentIndex;

extern void nurture_content_index_init(void);
extern const ContentIndex *nurture_content_index(void);
extern const ContentIndex *nurture_content_index_with(const char *selection,
													  int version);
extern int	nurture_content_code(const char *const *codes, int n,
								 const char *code);
extern const IndexEntry *nurture_content_asset(const ContentIndex *index,
											   const char *asset_id,
											   size_t len);
extern uint32 nurture_content_family(const char *family);
extern const IndexForce *nurture_content_force(const ContentIndex *index,
											   TimestampTz at);

/* Returns the slot of a tag, -1 when there is no such tag. */
static inline int
nurture_content_slot(const ContentIndex *index, int tag_id)
{
	return tag_id < 0 || tag_id > index->max_tag ||
		index->tags[index->slots[tag_id]].tag_id != tag_id ? -1 :
		index->slots[tag_id];
}

#endif							/* NURTURE_CONTENT_INDEX_H */
