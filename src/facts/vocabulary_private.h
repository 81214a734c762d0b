/*
 * vocabulary_private.h
 *	  What vocabulary.c offers to compile_condition.c.
 */
#ifndef NURTURE_VOCABULARY_PRIVATE_H
#define NURTURE_VOCABULARY_PRIVATE_H

#include "core/condition.h"

extern void nurture_vocabulary_each(CondNameKind kind, CondNameVisit visit,
									void *arg);
extern int	nurture_vocabulary_stage(const char *name, size_t len);

#endif							/* NURTURE_VOCABULARY_PRIVATE_H */
