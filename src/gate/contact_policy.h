/*
 * contact_policy.h
 *	  Private to the gate room: the rows of contact policy, compiled.  Caps are
 *	  in GateRules.
 */
#ifndef NURTURE_GATE_CONTACT_POLICY_H
#define NURTURE_GATE_CONTACT_POLICY_H

#include "base/zone.h"
#include "core/contact.h"
#include "gate/gate_private.h"

/* A row of nurture.quiet_hours. */
typedef struct QuietRow
{
	const char *market;			/* "*" = every */
	const char *channel;		/* likewise */
	int			names;			/* bits: what the row names and not "*" */
	int			classes;		/* bits */
	ContactSpan span;
	const char *text;			/* "20:00-08:00" */
} QuietRow;

/* A row of nurture.blackout. */
typedef struct BlackoutRow
{
	const char *rule;			/* "blackout:" and the code */
	const char *market;
	const char *channel;
	int			classes;
	int64		begin;			/* microseconds since 1970 */
	int64		end;			/* not included; NURTURE_CONTACT_NEVER */
} BlackoutRow;

/* A row of nurture.rest_period. */
typedef struct RestRow
{
	const char *event_type;
	const char *rule;			/* "rest:" and the event type */
	int			nchannels;
	const char **channels;
	int			classes;
	int64		length;			/* microseconds */
	const char *period_text;
} RestRow;

/* A row of nurture.holdout. */
typedef struct HoldoutRow
{
	const char *holdout;
	const char *rule;			/* "holdout:" and the code */
	const char *salt;
	int			per_mille;
	int			classes;
	TimestampTz from;			/* DT_NOBEGIN = ever */
	TimestampTz until;			/* not included; DT_NOEND = ever */
} HoldoutRow;

/*
 * The zones of a country that the server knows.  A zone is read from files: all
 * there are take a tenth of a second, so a country's are when it is asked for.
 */
typedef struct CountryZones
{
	const char *country;
	int			nnames;
	const char **names;
	int			n;				/* those below; when text is set */
	Zone	   *zones;
	WallClock  *clocks;
	const char *text;			/* "7 zones of RU"; NULL = not asked for yet */
} CountryZones;

struct ContactPolicy
{
	MemoryContext context;		/* that it lives in */
	Zone		company_zone;
	WallClock	company_clock;
	int64		horizon;		/* microseconds */
	int			nquiet;
	QuietRow   *quiet;
	int			nblackouts;
	BlackoutRow *blackouts;
	int			nrests;
	RestRow    *rests;			/* ascending by event type */
	int64		longest_rest;
	int			nholdouts;
	HoldoutRow *holdouts;
	int			ncountries;
	CountryZones *countries;	/* ascending */
};

/* Clocks where the lead is; none when nothing tells. */
typedef struct LeadClocks
{
	int			n;
	const WallClock *clocks;
	const char *text;			/* "Europe/Paris", "7 zones of RU" */
	Zone		own;
	WallClock	own_clock;
} LeadClocks;

/* instants of the server as those of core/contact.h, and back */
#define CONTACT_EPOCH	((int64) 10957 * USECS_PER_DAY)

static inline int64
contact_instant(TimestampTz at)
{
	return TIMESTAMP_IS_NOEND(at) ? NURTURE_CONTACT_NEVER :
		TIMESTAMP_IS_NOBEGIN(at) ? PG_INT64_MIN : at + CONTACT_EPOCH;
}

static inline TimestampTz
contact_timestamp(int64 instant)
{
	return instant == NURTURE_CONTACT_NEVER ? DT_NOEND : instant - CONTACT_EPOCH;
}

/* contact_policy.c */
extern const char *const nurture_contact_policy_tables[];
extern ContactPolicy *nurture_contact_policy_load(Snapshot snapshot);
extern char *nurture_period_text(uint64 row, int column);
extern void nurture_lead_clocks(const ContactPolicy *policy,
								const char *time_zone, const char *country,
								LeadClocks *where);
extern bool nurture_contact_listed(const char *const *list, int n,
								   const char *word);

/* quiet.c */
extern bool nurture_quiet_rule(const ContactPolicy *policy,
							   const char *market, const char *channel,
							   int class, const LeadClocks *where,
							   ContactRule *rule, const char **text);

/* rest.c */
extern void nurture_rest_read(GateLead *lead, const ContactPolicy *policy,
							  TimestampTz now, Snapshot snapshot);

/* holdout.c */
extern bool nurture_holdout_chooses(const HoldoutRow *row, int64 lead_id);

#endif							/* NURTURE_GATE_CONTACT_POLICY_H */
