/*
 * versions.h
 *	  The kinds of rules that are kept in versions.
 */
#ifndef NURTURE_VERSIONS_H
#define NURTURE_VERSIONS_H

#include "base/compat.h"

#define MAX_RULE_FAMILIES 8
#define MAX_FAMILY_KEYS 4

/* A table of rules; its rows are told apart by these columns in a version. */
typedef struct RuleFamily
{
	const char *table;			/* in schema nurture, ends at NULL */
	const char *keys[MAX_FAMILY_KEYS];	/* ends at NULL; none: one row */
} RuleFamily;

typedef struct VersionedKind
{
	const char *kind;
	const char *versions;		/* table of versions in schema nurture */
	const char *code;			/* its column, and of every family */
	int			(*draft) (const char *code, int from_version);
	char	   *(*publish) (const char *code, int version, const char *reason,
							const char *actor, bool confirm);
	RuleFamily	families[MAX_RULE_FAMILIES];
} VersionedKind;

/* Finds a kind by its name; raises NU003 when there is none. */
extern const VersionedKind *nurture_versioned_kind(const char *name);

/* All kinds that nurture_publish takes. */
extern const VersionedKind *nurture_versioned_kinds(int *n);

/*
 * Raises NU003 unless a version is there, or, with NULL, any at all.
 * Connected to SPI, with the caller's rights.
 */
extern void nurture_require_version(const VersionedKind *kind, const char *code,
									const int *version);

#endif							/* NURTURE_VERSIONS_H */
