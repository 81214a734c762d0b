/*
 * identity.h
 *	  Whom an identifier stands for: kinds of identifiers, their one written
 *	  form, and the meeting of an identifier with events that wait for it.
 *
 * A key is "kind:value" with the value in its normal form; events that could
 * not be resolved wait for one.  Besides the kinds of nurture.identity there
 * is "account", an organisation's external_ref.
 */
#ifndef NURTURE_IDENTITY_H
#define NURTURE_IDENTITY_H

#include "base/compat.h"

#define IDENTITY_MAX_VALUE 1000 /* bytes of a value: it goes into an index */

/* The code of a kind as a constant, NULL when there is none of this name. */
extern const char *nurture_identity_kind(const char *kind, size_t len);

/* The kinds, for a hint. */
#define IDENTITY_KINDS_TEXT "email, phone, professional_number, crm_id and cookie"

/*
 * A value in the form in which values of its kind are compared, in the
 * current memory context; NULL when it is no value of the kind, and then
 * *problem says what is wrong.
 */
extern char *nurture_identity_normal(const char *kind, const char *value,
									 const char **problem);

extern char *nurture_identity_key(const char *kind, const char *normal);

/*
 * Keeps whoever makes identifiers known and whoever lets events wait for
 * them apart, until the transaction ends: either the one sees the waiting
 * event, or the other sees the identifier.  Two of the same side never wait
 * for each other.
 */
extern void nurture_identity_lock(const char *const *keys, int n, bool waiting);

/*
 * Set by the scoring room: replays the events that wait for any of the keys.
 * Called as the owner, connected to SPI.
 */
extern void (*nurture_identity_appeared) (const char *const *keys, int n);

#endif							/* NURTURE_IDENTITY_H */
