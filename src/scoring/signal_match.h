/*
 * signal_match.h
 *	  Which signals and topics an event counts for.
 *
 * An event counts for a signal when it has the signal's event type, carries
 * all of its tags (a tag below one counts for it) and its properties satisfy
 * the signal's jsonpath predicate; and, for a retired signal, when it occurred
 * before that.  It counts for the topic of each of its own tags.  The answer
 * depends on the event and the configuration only, so that a rebuild gives
 * what was counted at insert.
 *
 * Events of sensitive types, sensitive tags and signals narrowed by one are
 * guarded: they count for leads only that granted the purpose
 * sensitive_inference (sensitive.h), and without it a guess is not allowed.
 * They still match, because opt-outs and stop rules act on them.
 */
#ifndef NURTURE_SIGNAL_MATCH_H
#define NURTURE_SIGNAL_MATCH_H

#include "base/compat.h"
#include "datatype/timestamp.h"

typedef struct MatchRules MatchRules;	/* the configuration, compiled */
typedef struct MatchType MatchType; /* one event type of it */

/* What an event matched; arrays grow and are used again. */
typedef struct EventMatch
{
	int			nsignals;		/* matched */
	int			ncounted;		/* the first of them count, the others are
								 * guarded */
	int16	   *signals;
	int			ntopics;
	uint16	   *topics;
	int			nguarded;		/* topics that are guarded */
	uint16	   *guarded;

	/* private */
	int			signal_room;
	int			topic_room;
	int			guarded_room;
	int			ntags;			/* size of the marks */
	uint32	   *marks;			/* per tag: serial of the last event with it */
	uint32		serial;
} EventMatch;

extern void nurture_signal_match_init(void);
extern const MatchRules *nurture_match_rules(void);
extern EventMatch *nurture_match_create(const MatchRules *rules);
extern const MatchType *nurture_match_type(const MatchRules *rules,
										   const char *code, size_t len);
extern void nurture_match_event(const MatchRules *rules, const MatchType *type,
								Datum tags, bool tags_null,
								Datum properties, bool properties_null,
								TimestampTz occurred_at, EventMatch *match);
extern const char *nurture_match_type_code(const MatchType *type);
extern bool nurture_match_reads_properties(const MatchType *type);

/* Makes a match that nothing is counted for. */
static inline void
nurture_match_nothing(EventMatch *match)
{
	match->nsignals = match->ncounted = 0;
	match->ntopics = match->nguarded = 0;
}

#endif							/* NURTURE_SIGNAL_MATCH_H */
