/*
 * control.h
 *	  What the control room offers the others: canonical JSON, and the rules
 *	  under which a version is signed and published.
 */
#ifndef NURTURE_CONTROL_H
#define NURTURE_CONTROL_H

#include "base/compat.h"
#include "datatype/timestamp.h"
#include "utils/jsonb.h"

extern void nurture_control_init(void);

/*
 * Returns the RFC 8785 text of a document.  With exact, a number that its
 * nearest double does not give back is an error too, not only one beyond the
 * range.
 */
extern char *nurture_jsonb_canonical(Jsonb *document, bool exact);

/*
 * Tells whether somebody has had a hand in a version: its author, or who
 * edited it while it was a draft, by the change log.
 */
extern bool nurture_had_a_hand(const char *kind, const char *code, int version,
							   const char *author, const char *author_login,
							   const char *actor);

/*
 * Raises unless a draft may be published by approver: the roles that
 * approval_policy asks for have signed what it says now, or, where none does
 * and the two-person rule is on, another person has signed it or publishes.
 */
extern void nurture_require_approved(const char *kind, const char *code, int version,
									 const char *author, const char *author_login,
									 const char *approver);

/* Signs what is no asset, for nurture_approve; returns the state after it. */
extern char *nurture_control_sign(const char *kind, const char *code, int version,
								  const char *role, const char *decision,
								  const char *meaning);

/*
 * Runs check and dry run of a draft unless what it says has been checked
 * before, and keeps what they found; does nothing when there is no such draft.
 * Returns the number of errors, and the hash of what was checked.
 */
extern int	nurture_control_check(const char *kind, const char *code, int version, char **hash);

/* Keeps a publication for later; returns what will happen, in words. */
extern char *nurture_control_schedule(const char *kind, const char *code, int version,
									  const char *reason, bool confirm,
									  TimestampTz publish_at);

/*
 * Puts drafts in force, {"track": {code: version}, ..., "settings": {...}},
 * for work that is taken back afterwards.  As the owner, connected to SPI.
 */
extern void nurture_control_try_drafts(Jsonb *drafts);

#endif							/* NURTURE_CONTROL_H */
