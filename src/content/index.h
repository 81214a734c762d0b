/*
 * index.h
 *	  Private to the content room: the library compiled for selection.
 */
#ifndef NURTURE_CONTENT_INDEX_H
#define NURTURE_CONTENT_INDEX_H

#include "base/compat.h"
#include "core/condition.h"
#include "datatype/timestamp.h"

#define INDEX_MAX_CODES 64		/* channels, and audience types: bits */
#define INDEX_ALL	(~UINT64CONST(0))	/* every market, audience, language */

/* From when until when a version may be used. */
typedef struct IndexRange
{
	TimestampTz from;
	TimestampTz until;			/* excluded */
} IndexRange;

/* A tag of an asset version. */
typedef struct IndexTag
{
	int32		tag_id;
	int32		slot;			/* number among the tags in use, from 0 */
	int16		dimension;		/* place in ContentIndex.dimensions */
	int16		depth;			/* of dimension depth: its number */
	const char *value;
} IndexTag;

/* One asset version that selection looks at. */
typedef struct IndexEntry
{
	const char *asset_id;
	int32		version;
	const char *family;
	const char *purpose;
	const char *message_class;
	int32		priority;
	bool		approved;
	IndexRange	valid;
	TimestampTz approved_at;
	uint64		channels;		/* bits by ContentIndex.channels */
	uint64		audiences;		/* bits, or INDEX_ALL */
	uint16		nchannels;
	uint16		nlanguages;
	uint16		nmarkets;		/* 0 = every one */
	uint16		ntags;
	uint16		nblocks;
	uint16		nprerequisites;
	const int16 *channel_order; /* bits in the order of the row */
	const char **languages;		/* "*" = every one */
	const char **markets;
	const IndexTag *tags;
	int16		depth;			/* deepest depth tag, 0 = none */
	bool		has_role;
	bool		has_reading_level;
	const int32 *blocks;		/* entries of its blocks; -1 = none in use */
	Condition **prerequisites;
} IndexEntry;

/* A row of nurture.selection_weight. */
typedef struct IndexWeight
{
	const char *term;
	const char *subject;
	const char *value;
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

typedef struct ContentIndex
{
	int			nentries;
	IndexEntry *entries;		/* ascending by asset_id, then version */
	int			nchannels;
	const char *channels[INDEX_MAX_CODES];
	int			naudiences;
	const char *audiences[INDEX_MAX_CODES];
	int			ndimensions;
	const char *dimensions[INDEX_MAX_CODES];
	int32		dimension_weights[INDEX_MAX_CODES]; /* of term interest */
	int			nslots;			/* different tags in use */
	int			topic;			/* dimension number, -1 = not used */
	int			role;
	int			reading_level;
	int			nweights;
	IndexWeight *weights;
	const char *selection;
	int32		selection_version;	/* 0 = none published */
	int			nstages;
	IndexStage *stages;
	int64		repeat_window;	/* microseconds without the same family */
	int32		repeat_limit;	/* how many within it, 0 = no such rule */
} ContentIndex;

extern void nurture_content_index_init(void);
extern const ContentIndex *nurture_content_index(void);
extern int	nurture_content_code(const char *const *codes, int n,
								 const char *code);

#endif							/* NURTURE_CONTENT_INDEX_H */
