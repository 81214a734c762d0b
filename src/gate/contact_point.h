/*
 * contact_point.h
 *	  Private to the gate room: addresses of leads, what kind of address they
 *	  are, and what is suppressed of them.
 */
#ifndef NURTURE_CONTACT_POINT_H
#define NURTURE_CONTACT_POINT_H

#include "gate/gate_private.h"

#define CONTACT_MAX_DOMAINS		6	/* of one address: itself and those it
									 * lies in */

/* What a channel needs to know of a lead. */
typedef enum ContactKind
{
	CONTACT_NONE,
	CONTACT_EMAIL,
	CONTACT_PHONE
} ContactKind;

/* A contact point as it is compared; address is NULL when there is none. */
typedef struct ContactPoint
{
	bool		known;			/* the lead has something there */
	char	   *address;
	char	   *domain;			/* within address, of e-mail */
	const char *fault;			/* why no message may go there, NULL = it may */
} ContactPoint;

/* address.c */
extern void nurture_contact_read(ContactKind kind, const char *email,
								 const char *phone, const char *country,
								 ContactPoint *point);
extern char *nurture_gate_normal_domain(const char *domain);
extern int	nurture_contact_domains(const char *domain, const char **domains);
extern void nurture_contact_lock(const char *scope, const char *value,
								 bool suppressing);
extern void nurture_contact_share(const char *email, const char *phone,
								  const char *country, bool has_account,
								  int64 account_id);

/* contact_point.c */
extern void nurture_contact_init(void);
extern ContactKind nurture_contact_kind(const char *channel);
extern ArrayType *nurture_contact_channels(ContactKind kind);
extern GateVerdict nurture_address_verdict(int kinds, int class,
										   const char **kind);
extern void nurture_contact_suppressions(const GateLead *lead,
										 const GateRules *rules,
										 ContactKind kind, GateAsk *ask);

/* bounce.c */
extern void nurture_bounce_init(void);

/* suppress.c */
typedef struct ContactBlock
{
	bool		lead_only;		/* as far as this lead is concerned */
	int64		lead_id;		/* that it became known for */
	ContactKind kind;
	const char *address;		/* normalised, NULL = not known: */
	const uint8 *hash;			/* its hash */
	const char *reason;
	const char *source;
	TimestampTz until;
} ContactBlock;

/*
 * Puts a contact point out of use.  An address of which the hash alone is known
 * is one that the lead no longer has.  Connected to SPI, as the owner.
 */
extern void nurture_suppress_contact(const ContactBlock *block);

/* For erase.c: the leads that have an address, ascending; how many. */
extern int	nurture_suppress_holders(const char *address, int64 **ids);

/*
 * For erase.c: what was suppressed for a lead, or for its address as far as
 * this lead was concerned, becomes a suppression of the contact point.
 */
extern bool nurture_suppress_keep(int64 lead_id, const char *address);

#endif							/* NURTURE_CONTACT_POINT_H */
