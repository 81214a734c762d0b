/*
 * again.h
 *	  Private to the gate room: deciding again about a message that is there.
 */
#ifndef NURTURE_AGAIN_H
#define NURTURE_AGAIN_H

#include "gate/gate_private.h"

typedef struct GateAgain
{
	int64		lead_id;
	int64		message_id;
	int32		version;		/* of the asset, from now on; 0 = as it is */

	/* what the message says */
	const char *status;
	bool		cancel_requested;
	bool		same_address;	/* was decided for the one the lead has */
	bool		superseded;		/* held since its version was: goes on with
								 * the one in use */
	bool		moves_first;	/* and nothing was tried yet */
	TimestampTz held_at;		/* decided_at */
	const char *asset_id;
	const char *track;
	int			takes;			/* how often it was taken */
	const char *taken_by;		/* NULL = nobody */
	TimestampTz lease_until;	/* DT_NOBEGIN = no lease */
	const char *blocks;			/* JSON of the blocks it goes out with, set by
								 * the caller; NULL = not told */

	/* what was read, and what follows */
	GateLead	lead;
	GateAsset	asset;
	GateAsk		ask;
	GateDecision decision;
} GateAgain;

/* Who may send a message that is taken, and until when. */
typedef struct GateLease
{
	const char *worker;
	TimestampTz until;
} GateLease;

/*
 * Reads everything again and decides: its gate row first, which with bump is
 * updated and stays ours, then with bump the asset version FOR SHARE.  The
 * message itself is not counted.  Answers false when there is no such message.
 * Results live in the current memory context.  Connected to SPI, as the owner.
 */
extern bool nurture_gate_ask_again(GateAgain *again, bool bump);

/*
 * Writes what was decided with bump, and its audit entry.  With a lease a
 * message that may go out now becomes taken.  Returns the new status; NULL
 * when the message changed meanwhile, or is neither queued nor held nor taken
 * with a lease that is over.
 */
extern const char *nurture_gate_write_again(GateAgain *again,
											const GateLease *lease,
											const char *cause,
											const char *reason);

/* Executes a plan that writes messages, past their guard. */
extern void nurture_message_write(KeptPlan *plan, Datum *values,
								  const char *nulls);

#endif							/* NURTURE_AGAIN_H */
