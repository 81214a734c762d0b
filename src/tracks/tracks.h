/*
 * tracks.h
 *	  What the tracks room offers the others.
 *
 * Lock order: enrollments come after gate rows and messages, before
 * hand-offs; ascending by lead.
 */
#ifndef NURTURE_TRACKS_H
#define NURTURE_TRACKS_H

#include "base/compat.h"
#include "datatype/timestamp.h"

extern void nurture_tracks_init(void);

/*
 * Ends every open enrollment of a lead: a hand-off was accepted, consent was
 * withdrawn, the lead was erased.  reason is a code; by names the room or
 * "manual".  Returns how many.
 */
extern int	nurture_tracks_exit_lead(int64 lead_id, const char *reason,
									 const char *by);

/*
 * Puts a lead on a track that has a published version and takes its audience,
 * when it walks none of the track's purpose; false when that is not so.  For a
 * hand-off that came back.  The lead's gate row is ours; connected to SPI, as
 * the owner.
 */
extern bool nurture_tracks_enter(int64 lead_id, const char *track,
								 const char *by, const char *reason);

/*
 * For nurture_merge and nurture_unmerge: the first ends the enrollments of a
 * lead that was merged and answers what they were, as JSON; the second opens
 * them again.  Connected to SPI, as the owner.
 */
extern char *nurture_tracks_merged(int64 absorbed);
extern void nurture_tracks_unmerged(int64 absorbed, const char *changed);

/* Publishing and drafting of tracks, for nurture_publish and nurture_draft. */
extern char *nurture_track_publish(const char *code, int version,
								   const char *reason, const char *actor,
								   bool confirm);
extern int	nurture_track_draft(const char *code, int from_version);

/*
 * Work that nurture_tick does besides enrollments: pauses and standings that
 * are due, offers that expire.  Registered from a room's init; run as the
 * owner, connected to SPI, in order of registration.
 */
typedef struct TickWork
{
	const char *kind;			/* as nurture_tick returns it */

	/*
	 * Works off at most max_leads until the deadline of the wall clock; now
	 * is the time to decide by.  left: how many more are due; oldest:
	 * DT_NOEND when none is.
	 */
	void		(*run) (TimestampTz now, int max_leads, TimestampTz deadline,
						int64 *done, int64 *left, TimestampTz *oldest);
	struct TickWork *next;		/* private */
} TickWork;

extern void nurture_tick_register(TickWork *work);

/*
 * Runs work on one lead in a subtransaction of its own.  An error is recorded
 * in nurture.tick_error and false is the answer; a serialization failure,
 * deadlock or lock timeout means next time and is not recorded, and with kind
 * NULL nothing is.  Connected to SPI as the owner.
 */
extern bool nurture_tick_lead(const char *kind, int64 lead_id,
							  void (*work) (int64 lead_id, void *arg),
							  void *arg);

#endif							/* NURTURE_TRACKS_H */
