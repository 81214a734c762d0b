/*
 * program.h
 *	  Programmes as conditions and other rooms ask about them.
 */
#ifndef NURTURE_PROGRAM_H
#define NURTURE_PROGRAM_H

#include "base/compat.h"
#include "core/program.h"
#include "facts/subject.h"
#include "nodes/pg_list.h"

extern void nurture_program_init(void);

/* The lead's fact that a field of programmes is compared with. */
extern int	nurture_program_fact(int field);

/* Whether an open programme fits the subject, for a program term. */
extern NurtureTruth nurture_program_truth(Subject *subject,
										  const CondTerm *term);

/*
 * Codes of the open programmes that fit the subject for a program term, in
 * their order, at most so many; list of char * in the current memory context.
 */
extern List *nurture_program_matches(Subject *subject, const CondTerm *term,
									 int most);

#endif							/* NURTURE_PROGRAM_H */
