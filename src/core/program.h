/*
 * program.h
 *	  Which programmes (studies, products, partnerships) fit a lead.
 *
 * Programmes are numbered; every value that some programme names is a set of
 * programmes, a bitmap.  A question intersects a few of them, 64 programmes
 * at a time.
 *
 * A programme fits on a field when one of its values is one of the lead's;
 * the value * fits every lead, known or not, and a field without values fits
 * none.  A field that the lead does not know is unknown for every programme
 * that names values.  Fields combine as "all", programmes as "any", in
 * Kleene's three values.
 */
#ifndef NURTURE_CORE_PROGRAM_H
#define NURTURE_CORE_PROGRAM_H

#include "condition.h"

#define NURTURE_PROGRAM_FIELDS 5	/* ids of COND_NAME_PROGRAM_FIELD */
#define NURTURE_PROGRAM_KINDS 3 /* ids of COND_NAME_PROGRAM_KIND */

/* A programme that may be open. */
typedef struct ProgramSpec
{
	int			kind;			/* id of its kind */
	int64_t		from;			/* open from this instant on ... */
	int64_t		until;			/* ... and before this one */
	int			nvalues[NURTURE_PROGRAM_FIELDS];
	const CondText *values[NURTURE_PROGRAM_FIELDS];
} ProgramSpec;

/* What is known of a lead; a field without values is not known. */
typedef struct ProgramLead
{
	int			nvalues[NURTURE_PROGRAM_FIELDS];
	const CondText *values[NURTURE_PROGRAM_FIELDS];
} ProgramLead;

typedef struct ProgramIndex ProgramIndex;

/* Builds an index in the arena; values are copied by reference. */
extern ProgramIndex *nurture_program_index(const ProgramSpec *programs, int n,
										   CoreArena *arena);

/*
 * Answers whether a programme of the kind that is open now fits the lead on
 * all the fields (bits by field id).  Remembers which programmes are open, so
 * the index is for one thread.
 */
extern NurtureTruth nurture_program_match(ProgramIndex *index, int kind,
										  uint32_t fields,
										  const ProgramLead *lead,
										  int64_t now);

/* Answers the first such programme after this number, -1 if there is none. */
extern int	nurture_program_next(ProgramIndex *index, int kind,
								 uint32_t fields, const ProgramLead *lead,
								 int64_t now, int after);

#endif							/* NURTURE_CORE_PROGRAM_H */
