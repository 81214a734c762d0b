/*
 * reviewed.h
 *	  Private to the content room: what goes through review in versions, asset
 *	  versions and claims, and the way of both through their status graph.
 */
#ifndef NURTURE_CONTENT_REVIEWED_H
#define NURTURE_CONTENT_REVIEWED_H

#include "base/compat.h"
#include "base/plans.h"

typedef struct ReviewedKind
{
	const char *kind;			/* as in nurture.approval */
	const char *table;
	const char *add;			/* how another version comes to be */

	/* $1 code, $2 version */
	KeptPlan	lock_version;	/* status, FOR NO KEY UPDATE */
	KeptPlan	lock_all_versions;	/* of $1: version, status */
	KeptPlan	read_version;	/* status, hash, author, login, valid from
								 * when it is not yet */
	KeptPlan	move_status;	/* $3 status, $4 reason */
	KeptPlan	set_hash;
	KeptPlan	sign;			/* $3 role .. $8 login */
	KeptPlan	signed_before;	/* role, name, login of each approval */
	KeptPlan	missing_roles;	/* that policy asks for */
	KeptPlan	approve_version;	/* $3 by, $4 at, $5 reason */
} ReviewedKind;

/* One version that was locked. */
typedef struct LockedVersion
{
	int32		version;
	char	   *status;
} LockedVersion;

/* reviewed.c */
extern ReviewedKind nurture_reviewed_asset;
extern ReviewedKind nurture_reviewed_claim;

/* status.c */
extern void nurture_unknown_version(const ReviewedKind *kind, const char *code,
									int32 version) pg_attribute_noreturn();
extern void nurture_record_status(const ReviewedKind *kind, const char *code,
								  int32 version, const char *status,
								  const char *from, const char *hash,
								  const char *reason, const char *inputs);

/*
 * uses.c: with the version's row locked and changed.  Cancels what is queued
 * or held with a version that went out of use, and with what is made with it.
 */
extern int64 nurture_cancel_uses(const ReviewedKind *kind, const char *code,
								 int32 version, const char *status);

/* Raises when the asset version lacks what content policy asks for. */
extern void nurture_require_content_policy(const char *asset_id, int32 version);

#endif							/* NURTURE_CONTENT_REVIEWED_H */
