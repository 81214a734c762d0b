/*
 * definition.h
 *	  Private to the control room: the parts of the definition document.
 */
#ifndef NURTURE_DEFINITION_H
#define NURTURE_DEFINITION_H

/*
 * One table of the document.  Its query takes the audience type as $1, NULL
 * for all, and returns texts in the order of their place; the names of its
 * columns are its heading.  A column whose name ends in " *" holds a condition
 * as JSON, which is written as a sentence.
 */
typedef struct DefinitionPart
{
	const char *section;		/* heading before it; NULL: the same section */
	const char *words;			/* what it says, one paragraph; NULL: nothing */
	const char *query;
} DefinitionPart;

/* ends with a part whose query is NULL */
extern const DefinitionPart nurture_definition_parts[];

#endif							/* NURTURE_DEFINITION_H */
