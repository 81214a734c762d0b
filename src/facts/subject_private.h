/*
 * subject_private.h
 *	  What subject.c offers inside its room.
 */
#ifndef NURTURE_SUBJECT_PRIVATE_H
#define NURTURE_SUBJECT_PRIVATE_H

#include "core/condition.h"
#include "facts/subject.h"

extern int	nurture_subject_fact(const char *name, size_t len);
extern void nurture_subject_each_fact(CondNameVisit visit, void *arg);
extern void nurture_subject_value(Subject *subject, int fact, CondValue *out);
extern NurtureTruth nurture_subject_other(void *ctx, const CondTerm *term);

#endif							/* NURTURE_SUBJECT_PRIVATE_H */
