/*
 * map.h
 *	  Private to the privacy room: where something about a lead is held.
 *
 * The one place that erasure, export, status and retention read.  Every table
 * of schema nurture that is no configuration has a row here; nurture_erase_map
 * shows it, and nurture_selfcheck tells of tables and columns that it lacks.
 */
#ifndef NURTURE_PRIVACY_MAP_H
#define NURTURE_PRIVACY_MAP_H

#include "base/compat.h"
#include "base/plans.h"

typedef enum PrivacyAct
{
	PRIVACY_DELETE,				/* rows go */
	PRIVACY_CLEAR,				/* rows stay, what tells of the person goes */
	PRIVACY_KEEP,				/* rows stay as they are: why says on what
								 * ground */
	PRIVACY_NONE				/* nothing about a lead */
} PrivacyAct;

/*
 * Queries of a table take these parameters: $1 bigint[] the leads, $2 text a
 * regular expression of their addresses, lower case, $3 text[] the references
 * that systems have for them, $4 timestamptz now.
 */
#define PRIVACY_PARAMETERS 4

typedef struct PrivacyTable
{
	const char *table;			/* of schema nurture */
	PrivacyAct	act;
	const char *of;				/* condition on its rows; NULL = none */
	const char *set;			/* of CLEAR: assignments */
	const char *cleared;		/* of CLEAR: columns they empty */
	const char *kept;			/* of CLEAR: all others */
	const char *order;			/* of an export, NULL = not exported */
	const char *hidden;			/* columns that an export leaves out */
	const char *left;			/* condition on what an erasure missed, NULL =
								 * any row */
	const char *why;			/* what it is for, and why anything stays */
} PrivacyTable;

/* In the order in which an erasure works: the audit trail last. */
extern const PrivacyTable nurture_privacy_map[];
extern const int nurture_privacy_tables;

/* Whose data it is: the leads of one person, and how else they are named. */
typedef struct PrivacyPerson
{
	int64	   *leads;			/* ascending, merged ones too */
	int			n;
	Datum		parameters[PRIVACY_PARAMETERS];
	char		nulls[PRIVACY_PARAMETERS + 1];
} PrivacyPerson;

/*
 * Finds the leads that a lead is one person with, by the latest snapshot;
 * false when there is no such lead.  describe adds how else they are named.
 * Connected to SPI, as the owner.
 */
extern bool nurture_privacy_family(int64 lead_id, PrivacyPerson *person);
extern void nurture_privacy_describe(PrivacyPerson *person);

/* Runs a query made of a table's row of the map, with a person's parameters. */
extern uint64 nurture_privacy_count(int i, PrivacyPerson *person);
extern uint64 nurture_privacy_act(int i, PrivacyPerson *person);

/* Tells whether a table still says what an erasure takes. */
extern bool nurture_privacy_residual(int i, PrivacyPerson *person);

extern const char *nurture_privacy_act_name(PrivacyAct act);

/* Raises unless the caller has a right on nurture.erasure. */
extern void nurture_privacy_right(AclMode mode, const char *what);

#endif							/* NURTURE_PRIVACY_MAP_H */
