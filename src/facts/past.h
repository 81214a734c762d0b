/*
 * past.h
 *	  A lead as it was at one moment, by what was known at another.
 *
 * Two clocks: a version of facts holds from the moment the writer told
 * (held_until of the one before), and is known from the moment it was
 * recorded (replaced_at).  Of the versions known by known_at the last one that
 * held at the moment is taken, so that a known_at of the same moment gives
 * what was read then.
 */
#ifndef NURTURE_PAST_H
#define NURTURE_PAST_H

#include "base/compat.h"
#include "facts/subject.h"

/* A lead at a moment, and the leads that led to it. */
typedef struct SubjectPast
{
	Subject    *subject;		/* NULL = there was none; without activity */
	int			nchain;			/* the lead asked for and its survivors then */
	int64		chain[SUBJECT_MAX_MERGE_CHAIN];
	int			nmembers;		/* the subject and all leads it stood for */
	int64	   *members;
	int		   *into;			/* place of the one each was merged into, -1
								 * for the subject, which is the first */
} SubjectPast;

/*
 * Reads the facts of a lead and its account as the owner: the caller of this
 * decides with the rights of its own caller what of it may be used.  A lead
 * that is erased or deleted by now, or was not known by known_at, is none.
 * known_at DT_NOEND is what is known now.
 */
extern SubjectPast *nurture_subject_past(int64 lead_id, TimestampTz at,
										 TimestampTz known_at);

/* Forgets the account's facts, for callers who may not see the account. */
extern void nurture_subject_hide_account(Subject *subject);

/* Answers about the standing of a subject of the past; for subject_terms.c. */
extern bool nurture_past_standing(Subject *subject);
extern NurtureTruth nurture_past_consent(Subject *subject, Datum channel,
										 Datum purpose, Datum states);
extern NurtureTruth nurture_past_handoff(Subject *subject, Datum states);

#endif							/* NURTURE_PAST_H */
