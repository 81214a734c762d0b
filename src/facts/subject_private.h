/*
 * subject_private.h
 *	  What subject.c offers inside its room.
 */
#ifndef NURTURE_SUBJECT_PRIVATE_H
#define NURTURE_SUBJECT_PRIVATE_H

#include "core/condition.h"
#include "facts/subject.h"

/* columns of nurture_subject_query in front of the facts */
#define QUERY_LEAD_ID		1
#define QUERY_MERGED_INTO	2
#define QUERY_ERASED_AT		3
#define QUERY_SIGNALS		4
#define QUERY_TOPICS		5
#define QUERY_LAST_EVENT_AT 6
#define QUERY_FIRST_FACT	7

extern int	nurture_subject_fact(const char *name, size_t len);
extern void nurture_subject_each_fact(CondNameVisit visit, void *arg);
extern void nurture_subject_value(Subject *subject, int fact, CondValue *out);
extern NurtureTruth nurture_subject_other(void *ctx, const CondTerm *term);

#endif							/* NURTURE_SUBJECT_PRIVATE_H */
