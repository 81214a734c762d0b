/*
 * lint.h
 *	  What nurture_lint asks; each room registers its own table of checks.
 *
 *		static const LintCheck tracks_lint[] = {
 *			{"track_endless", "warning", "Add an entry to nurture.track_branch.",
 *			"SELECT object, words FROM ..."},
 *			{NULL}
 *		};
 *
 *		nurture_lint_register(tracks_lint);		in the room's init
 */
#ifndef NURTURE_LINT_H
#define NURTURE_LINT_H

#include "base/compat.h"

/*
 * A query that returns a row for each finding: the object it is about, what
 * was found in words, and optionally a third column, the remedy of that row
 * in place of the check's.  It runs with the caller's rights, search_path
 * pg_catalog, ISO dates and UTC; tables are written nurture.name, functions of nurture
 * @extschema@.name.  Its ORDER BY is the order of the findings.
 */
typedef struct LintCheck
{
	const char *rule;			/* code, ^[a-z][a-z0-9_]*$ */
	const char *severity;		/* error, warning or info */
	const char *remedy;			/* a sentence, or a statement to run */
	const char *query;
} LintCheck;

/* Adds the checks of a room; the table ends with rule NULL and is kept. */
extern void nurture_lint_register(const LintCheck *checks);

#endif							/* NURTURE_LINT_H */
