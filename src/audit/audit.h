/*
 * audit.h
 *	  What the audit room offers the others: appending entries, and closing
 *	  blocks of them.
 *
 * Every decision and every change is one entry, appended in the transaction of
 * what it records: from an AFTER trigger or from the function that decides,
 * never from a BEFORE trigger, which also runs for rows that ON CONFLICT then
 * drops.  Collect a statement's entries and append them in one call.
 *
 * Entries hold no personal data.  The lead is given as lead_id, which is kept
 * beside the hashed bytes (lead_ref, erased with the lead) and as a keyed hash
 * (subject); texts and JSON here carry neither lead ids nor names nor contact
 * points.
 */
#ifndef NURTURE_AUDIT_H
#define NURTURE_AUDIT_H

#include "base/compat.h"
#include "base/hold.h"

typedef struct AuditEntry
{
	bool		has_lead;		/* false: about no lead in particular */
	int64		lead_id;		/* the lead it is about */
	const uint8 *subject;		/* its pseudonym, 32 bytes, where the caller
								 * knows it; NULL = it is made of the lead's
								 * key */
	const char *kind;			/* code: message, consent, stop, stage, ... */
	const char *object;			/* what it is about, such as message:7,
								 * asset:moa_brief:2; NULL when the lead
								 * itself */
	const char *outcome;		/* code of what was decided: queued, refused,
								 * mql, ... */
	const char *const *reasons; /* codes; NULL when it has none */
	int			nreasons;
	const char *trigger_json;	/* what led to it, a JSON object, or NULL */
	const char *versions_json;	/* rules used with their versions and content
								 * hashes, a JSON object, or NULL */
	const char *inputs;			/* facts it was decided on, kept verbatim; for
								 * kind message the decision as JSON with an
								 * array "failed" of {"rule", "reason",
								 * "fact", "version"} and, as its last member,
								 * an object "passed" of facts by rule, which
								 * nurture_why reads */
	int			inputs_common;	/* where in inputs that object begins, which
								 * entries may have in common; 0 = nothing */
	uint64		inputs_hash;	/* hash_bytes_extended, seed 0, of what begins
								 * there; 0 = not worked out */
	const char *reason;			/* words of a person, for manual acts, or NULL */
	const char *actor;			/* user of the application; NULL takes the
								 * setting nurture.app_user */
} AuditEntry;

extern void nurture_audit_append(const AuditEntry *entries, int n);

/*
 * The pseudonym of a lead, 32 bytes: what tells its entries from others'.
 * False when it has no key yet, which comes with its first entry, or none any
 * more.  As the owner.
 */
extern bool nurture_audit_pseudonym(int64 lead_id, Hold *hold, uint8 *subject);

/* Is told of what is appended, while it is set: for dry runs, which undo it. */
extern void (*nurture_audit_listener) (const AuditEntry *entries, int n);
extern int64 nurture_audit_close(void);

/*
 * Words of a person without the name and addresses of a lead, and without
 * whatever looks like an address, as reasons of entries are written.  For words
 * that may name another lead than the entry's; lead_id is NULL for none.
 */
extern const char *nurture_audit_screen(const char *words, const int64 *lead_id);

extern void nurture_audit_init(void);

#endif							/* NURTURE_AUDIT_H */
