/*
 * leaf.h
 *	  Private to the audit room: an entry as a row, and its leaf hash.
 */
#ifndef NURTURE_AUDIT_LEAF_H
#define NURTURE_AUDIT_LEAF_H

#include "base/compat.h"
#include "base/sha256.h"
#include "core/merkle.h"

/*
 * Columns of nurture.audit in the order in which C reads and writes them.
 * Those before AUDIT_LEAD_REF are hashed, their place + 1 being their ordinal
 * in the canonical bytes: never change the order, append and raise the version.
 */
typedef enum AuditColumn
{
	AUDIT_ID,
	AUDIT_AT,
	AUDIT_INCARNATION,
	AUDIT_XID,
	AUDIT_SUBJECT,
	AUDIT_KIND,
	AUDIT_OBJECT,
	AUDIT_OUTCOME,
	AUDIT_REASONS,
	AUDIT_TRIGGER,
	AUDIT_VERSIONS,
	AUDIT_INPUTS,
	AUDIT_SESSION_USER,
	AUDIT_EFFECTIVE_ROLE,
	AUDIT_APP_USER,
	AUDIT_REASON,
	AUDIT_SIMULATED,
	AUDIT_LEAD_REF,				/* not hashed: erased with the lead */
	AUDIT_LEAF,
	AUDIT_COLUMNS
} AuditColumn;

#define AUDIT_COLUMN_LIST \
	"audit_id, at, incarnation, xid, subject, kind, object, outcome, " \
	"reasons, trigger, versions, inputs, \"session_user\", effective_role, " \
	"app_user, reason, simulated, lead_ref, leaf"

#define KNOWN_JSON_LEN	512		/* bytes of a jsonb and of its text */

/* the last jsonb of a column, whose text the next one often has as well */
typedef struct KnownJson
{
	int			len;			/* 0: none yet */
	int			textlen;
	char		json[KNOWN_JSON_LEN];
	char text[	KNOWN_JSON_LEN];	/* UTF-8 */
} KnownJson;

/* the server's SHA-256, used again for each hash */
typedef struct AuditHasher
{
	Sha256		sha;
	MerkleHasher merkle;		/* the same for the core's tree */
	unsigned char buffer[4096]; /* canonical bytes on their way */
	KnownJson	trigger;
	KnownJson	versions;
} AuditHasher;

extern void nurture_hasher_open(AuditHasher *hasher);
extern void nurture_hasher_close(AuditHasher *hasher);
extern void nurture_audit_leaf(AuditHasher *hasher, const Datum *values,
							   const bool *nulls, MerkleHash *leaf);
extern void nurture_audit_subject(AuditHasher *hasher, const char *key,
								  size_t keylen, int64 lead_id,
								  MerkleHash *subject);

#endif							/* NURTURE_AUDIT_LEAF_H */
