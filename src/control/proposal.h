/*
 * proposal.h
 *	  Private to the control room: settings that are proposed.
 */
#ifndef NURTURE_PROPOSAL_H
#define NURTURE_PROPOSAL_H

#include "base/compat.h"
#include "utils/jsonb.h"

/* Keeps a proposal and returns its number; one that says the same is reused while it is open. */
extern int64 nurture_proposal_add(Jsonb *settings, Jsonb *difference,
								  const char *author, const char *reason);

/*
 * What signing asks about a proposal; NULL when there is none.  state is
 * open, applied or rejected.
 */
typedef struct Proposal
{
	int64		number;
	char	   *author;
	char	   *author_login;
	char	   *hash;			/* hex */
	const char *state;
} Proposal;

extern Proposal *nurture_proposal_find(int64 number);

/*
 * Applies a proposal as the owner.  Raises NU007 when the configuration has
 * changed since it was made.  reason goes to the change log.
 */
extern void nurture_proposal_apply(int64 number, const char *reason);

#endif							/* NURTURE_PROPOSAL_H */
