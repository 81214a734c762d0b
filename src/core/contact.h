/*
 * contact.h
 *	  When somebody may be contacted: frequency caps on rolling and calendar
 *	  clocks, stretches of time that are barred, quiet hours, and the first
 *	  instant at which all of them allow at once.
 *
 * Instants are UTC microseconds since 1970-01-01.  Wall clocks are the
 * caller's (wall.h); where several are given, because the zone is not known, a
 * rule has to allow in each of them.
 */
#ifndef NURTURE_CORE_CONTACT_H
#define NURTURE_CORE_CONTACT_H

#include <stdbool.h>
#include <stdint.h>

#include "wall.h"

#define NURTURE_CONTACT_NEVER	INT64_MAX	/* not until the limit */
#define NURTURE_CONTACT_SECOND	INT64_C(1000000)
#define NURTURE_CONTACT_EVERY_DAY	0x7F

/*
 * A stretch of the wall day that is quiet.  It ends on the next day when it
 * does not end after it began.
 */
typedef struct ContactSpan
{
	int32_t		from;			/* first quiet second of the wall day */
	int32_t		to;				/* first second that is not; 1 to 86400 */
	uint8_t		weekdays;		/* on which it begins, bit 0 = Monday */
} ContactSpan;

typedef enum ContactKind
{
	CONTACT_ROLLING,			/* at most n in any stretch of length */
	CONTACT_CALENDAR,			/* at most n in a wall day or ISO week */
	CONTACT_BARRED,				/* none from begin on, until end */
	CONTACT_QUIET				/* none while a span lasts */
} ContactKind;

typedef struct ContactRule
{
	ContactKind kind;
	int			n;				/* of a cap, at least 1 */
	int64_t		length;			/* of a rolling cap, microseconds */
	int			days;			/* of a calendar cap: 1 or 7 */
	int			ntimes;			/* what a cap counts, */
	const int64_t *times;		/* ascending */
	int64_t		begin;			/* of what is barred */
	int64_t		end;			/* not included; NURTURE_CONTACT_NEVER */
	int			nclocks;		/* of calendar caps and quiet hours */
	const WallClock *clocks;
	int			nspans;
	const ContactSpan *spans;
	/* set by nurture_contact_next */
	bool		passes;			/* has not put anything off */
	int64_t		passes_from;	/* the last instant it put off to */
} ContactRule;

extern int64_t nurture_contact_rule_next(const ContactRule *rule, int64_t t,
										 int64_t limit);
extern int64_t nurture_contact_next(ContactRule *rules, int n, int64_t start,
									int64_t limit);
extern int	nurture_contact_used(const ContactRule *rule, int64_t t);

#endif							/* NURTURE_CORE_CONTACT_H */
