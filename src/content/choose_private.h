/*
 * choose_private.h
 *	  What the files that choose an asset share.
 */
#ifndef NURTURE_CONTENT_CHOOSE_PRIVATE_H
#define NURTURE_CONTENT_CHOOSE_PRIVATE_H

#include "content/content.h"
#include "content/index.h"

/* Highest depth at which a lead engaged with a topic. */
typedef struct EngagedTopic
{
	int			tag_id;
	int			depth;
} EngagedTopic;

#define MAX_ANSWERS		64		/* of the gate that are kept for a choice */

/* What the gate said about a channel and purpose. */
typedef struct ChannelAnswer
{
	int			channel;
	const char *purpose;
	bool		refused;
} ChannelAnswer;

/* What a tag is worth for the lead. */
typedef struct TagPoints
{
	int64		interest;		/* share of the lead's interest, in
								 * millionths, times its weight */
	int32		general;
	int32		stage;
	int16		depth;			/* engaged with this topic; once events are
								 * read */
	bool		topic;			/* it is of that dimension */
} TagPoints;

/* A family that the lead had within the no-repeat window. */
typedef struct UsedFamily
{
	uint32		hash;			/* as in IndexLook */
	char	   *name;
} UsedFamily;

/* Sets that are joined; a filter is of some of these, of none when it is not
 * asked. */
#define MAX_JOINED		8

typedef struct SetTerm
{
	ContentFilter filter;
	int			n;				/* 0 = no entry passes */
	const Bits *sets[MAX_JOINED];
} SetTerm;

/* filters that are sets of entries come first, then those that look closer */
#define SET_FILTERS		(FILTER_POLICY + 1)

typedef struct Choice
{
	const ContentIndex *index;
	const ContentRequest *request;
	Subject    *subject;
	MemoryContext context;
	const char *audience;
	int			performer;		/* the audience as such; -1 = none is */
	const char *country;
	const char *language;
	const char *role;
	const char *stage;
	int			nterms;
	SetTerm    *terms;			/* an entry has to be in each */
	bool		of_step;		/* family, format or tags are asked for */
	int			nrequired;
	int		   *required;		/* tag ids */
	int			npreferred;
	int		   *preferred;
	TagPoints  *points;			/* per tag slot */
	const bool *requested;		/* likewise, offers that the lead asked for;
								 * NULL = none */
	bool		families_read;
	int			nfamilies;
	UsedFamily *families;		/* sent within the no-repeat window */
	int			nown_families;
	UsedFamily *own_families;	/* taken by the lead within it */
	int			nformats;		/* engagements with assets */
	int		   *formats;		/* of these, by format */
	bool		events_read;
	int			ntopics;
	EngagedTopic *topics;
	int			engaged_depth;	/* with any topic */
	int			nanswers;
	ChannelAnswer answers[MAX_ANSWERS];
	int			nrefusals;		/* reasons of the gate's last refusal */
	const char **refusals;
} Choice;

/* choose_lead.c: reads topics with their depth, formats and families, once. */
extern void nurture_choice_events(Choice *c);

/* Tells whether the lead was sent a family, or took one of it by itself. */
extern bool nurture_choice_family_used(Choice *c, int entry);

/*
 * choose_sets.c: the filters that are sets.  Which entries pass them all, NULL
 * = none; whether an entry passes one; the one that the last of them reached.
 */
extern void nurture_choice_sets(Choice *c);
extern Bits *nurture_choice_alive(const Choice *c);
extern bool nurture_choice_in_sets(const Choice *c, ContentFilter filter,
								   int entry);
extern int	nurture_choice_last_set(const Choice *c);

#endif							/* NURTURE_CONTENT_CHOOSE_PRIVATE_H */
