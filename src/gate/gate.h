/*
 * gate.h
 *	  What the gate offers the other rooms.
 *
 * Lock order: activity, lead, gate, asset version, message, enrollment,
 * hand-off; ascending by lead within a step.
 */
#ifndef NURTURE_GATE_H
#define NURTURE_GATE_H

#include "base/compat.h"
#include "base/hold.h"
#include "datatype/timestamp.h"

typedef enum GateVerdict
{
	GATE_ALLOW,					/* may be sent from not_before on */
	GATE_DEFER,					/* the same, and policy moved not_before */
	GATE_REVIEW,				/* a person has to rule */
	GATE_REFUSE
} GateVerdict;

typedef struct GateAnswer
{
	GateVerdict verdict;
	int			nreasons;
	const char **reasons;		/* codes of nurture.reason */
	TimestampTz not_before;		/* of allow and defer */
	bool		particular;		/* the lead said what it wants: another asset
								 * may have another answer */
} GateAnswer;

extern void nurture_gate_init(void);

/* allow, defer, review or refuse */
extern const char *nurture_gate_verdict_name(GateVerdict verdict);

/*
 * Asks the gate without writing.  asset_id NULL asks about the lead and the
 * channel alone, as for a promotional message; version 0 takes the one in
 * force.  hold keeps open what is read, NULL = none.  The result lives in the
 * current memory context.
 */
extern GateAnswer nurture_gate_may_contact(int64 lead_id, const char *channel,
										   const char *purpose,
										   const char *asset_id,
										   int32 version, TimestampTz at,
										   Hold *hold);

/*
 * Cancels the queued and held messages of an asset version, in the current
 * transaction and found with the latest snapshot; taken ones get
 * cancel_requested.  The caller has changed the asset version's row before.
 * Takes no gate row.  reason is a code of nurture.reason.  Returns how many.
 */
extern int64 nurture_gate_cancel_for_asset(const char *asset_id,
										   int32 version, const char *reason);

/*
 * Holds what waits with a version that was superseded, in the same way; taken
 * ones get cancel_requested.  They go on with the version in use when
 * nurture_gate_move_on comes to them, outside of the transaction that has
 * the asset version locked.  Returns how many.
 */
extern int64 nurture_gate_hold_superseded(const char *asset_id, int32 version);

/*
 * Lists messages held so, by lead, and locks the gate rows of their leads,
 * passing over those that somebody else holds.  Connected to SPI, as the
 * owner.  Returns how many there are in the arrays.
 */
extern int	nurture_gate_moving(TimestampTz now, int64 *leads, int64 *messages,
								int max);

/*
 * Decides about such a message again, with the version of its asset that is in
 * use: one that is not made for the lead's market, audience, language or
 * channel, or not with what is claimed there, leaves it held, for 30 days.
 * Returns the new status, NULL when it was not held so.
 */
extern const char *nurture_gate_move_on(int64 lead_id, int64 message_id);

/*
 * Updates the lead's gate row, then cancels its queued and held messages:
 * those of classes promotional and disease_awareness, or all.  Returns how
 * many.
 */
extern int64 nurture_gate_cancel_for_lead(int64 lead_id, bool promotional_only,
										  const char *reason);

/*
 * Decides again about a queued or held message, under its gate row and without
 * counting itself; for an asset version other than its own when version is not
 * 0.  It becomes queued (from its not_before on), held, cancelled, or refused
 * when it was held; an audit entry says so.  cause: a code of what led to it,
 * reason: words of a person or NULL.  Returns the new status, NULL when it is
 * neither queued nor held.
 */
extern const char *nurture_gate_again(int64 lead_id, int64 message_id,
									  int32 version, const char *cause,
									  const char *reason);

/*
 * Ends up to max leases that are over and that nobody may take up again: their
 * messages become failed.  Locks messages that nobody else has, and nothing
 * after them.  Returns how many; connected to SPI, as the owner.
 */
extern int64 nurture_delivery_expire(TimestampTz now, int max);

/*
 * Contact points as they are compared; NULL when it is none.  country says
 * what a number without country code means, NULL = unknown; *e164 whether the
 * result has one.
 */
extern char *nurture_gate_normal_email(const char *email);
extern char *nurture_gate_normal_phone(const char *phone, const char *country,
									   bool *e164);

/* Tells whether some holdout in force at an instant chooses a lead. */
extern bool nurture_gate_held_out(int64 lead_id, TimestampTz at);

/* Updates the gate row: what changed may forbid a message. */
extern void nurture_gate_bump(int64 lead_id);

/*
 * When the tick has to look at leads again.  due keeps an earlier instant that
 * has not come (DT_NOEND: never); taken locks the row of a lead that is due
 * and answers whether it still is and nobody else has it; done takes the
 * lead off, or puts it off until another instant.  Connected to SPI, as the
 * owner.
 */
extern int	nurture_gate_due_leads(TimestampTz now, int64 *leads, int max,
								   TimestampTz *oldest);
extern void nurture_gate_due(int64 lead_id, TimestampTz due, TimestampTz now);
extern bool nurture_gate_due_taken(int64 lead_id, TimestampTz now);
extern void nurture_gate_due_done(int64 lead_id, TimestampTz now,
								  TimestampTz again);

/*
 * Puts a stop in force that no stop rule's event caused, such as an accepted
 * hand-off's, and cancels what it forbids.  effect: stop,
 * suppress_promotional or pause.  lifted_by: one code, or NULL.  Where
 * nurture.stop_rule has a row of this code, that row says what it does; with
 * effect NULL nothing happens without one.
 */
extern void nurture_gate_stop(int64 lead_id, const char *rule,
							  const char *effect, TimestampTz until,
							  const char *lifted_by, const char *reason);

/*
 * Lifts the stops of a lead that name this cause in lifted_by, such as
 * handoff_returned.  Returns how many.
 */
extern int	nurture_gate_lift(int64 lead_id, const char *cause,
							  const char *reason);

/*
 * Asks the stop rules that name a lifecycle stage or consent, and neither a
 * signal nor a tag, after one of these has changed.  The lead's gate row has
 * been updated; connected to SPI, as the owner.
 */
#define GATE_STATE_STAGE	0x01
#define GATE_STATE_CONSENT	0x02
extern void nurture_gate_state_changed(int64 lead_id, int states);

/* Ends the stops and pauses of leads whose time is over; for the tick. */
extern int	nurture_gate_stops_due(TimestampTz now, int64 *leads, int max,
								   TimestampTz *oldest);
extern bool nurture_gate_stops_end(int64 lead_id, TimestampTz now);

/* What the stops in force say about one track of a lead. */
typedef struct GateHold
{
	bool		stopped;		/* nothing of it may be sent */
	bool		paused;
	const char *rule;			/* that says so; NULL = none */
	int32		pace;			/* times its waits, in hundredths */
} GateHold;

/* Connected to SPI, as the owner. */
extern GateHold nurture_gate_hold(int64 lead_id, const char *track,
								  const char *purpose, const char *product,
								  TimestampTz now);

/* What a stop does to the enrollments of a lead. */
typedef enum GateTrackAct
{
	GATE_TRACKS_END,
	GATE_TRACKS_PAUSE,
	GATE_TRACKS_SLOW,
	GATE_TRACKS_SWITCH,
	GATE_TRACKS_RELEASE			/* a pause is over: go on, unless another is */
} GateTrackAct;

typedef struct GateTrackEffect
{
	int64		lead_id;
	GateTrackAct act;
	const char *rule;
	const char *exit_reason;	/* of END and SWITCH: a code */
	const char *to_track;		/* of SWITCH */
	int64		event_id;		/* 0 = none */
	const char *words;			/* of a person, NULL = none */
	const void *scope;			/* for covers */

	/* whether an enrollment is meant */
	bool		(*covers) (const void *scope, const char *track,
						   const char *purpose, const char *product);
} GateTrackEffect;

/* What the tracks room does for stops; set by its init. */
typedef struct GateTracks
{
	/* connected to SPI, as the owner; gate rows are ours */
	void		(*apply) (const GateTrackEffect *effect);

	/*
	 * likewise: something was denied to a lead.  Ends the enrollments that
	 * this leaves without a channel, for that reason, by that room.
	 */
	void		(*denied) (int64 lead_id, const char *reason, const char *by);
} GateTracks;

extern const GateTracks *nurture_gate_tracks;

/*
 * For nurture_merge and nurture_unmerge.  What is denied to a lead, as JSON,
 * is read before nurture.lead.merged_into is written and given to merged
 * after that, which answers what is to be given to unmerged.  The gate rows
 * are ours; connected to SPI, as the owner.
 */
extern char *nurture_gate_denials(int64 lead_id, bool by_hand);
extern char *nurture_gate_merged(int64 survivor, int64 merge_id,
								 const char *before);
extern void nurture_gate_unmerged(int64 survivor, int64 absorbed,
								  int64 merge_id, const char *changed,
								  const char *reason, const char *actor);

/*
 * Lists the leads that were merged into one, and into those, in the context;
 * read_only: with the active snapshot.  Connected to SPI, as the owner.
 */
extern int64 *nurture_gate_absorbed(int64 lead_id, bool read_only,
									MemoryContext context, int *n);

/*
 * For nurture_erase.  lock updates the gate rows of leads, ascending and
 * without repeats, and before them takes the locks of their addresses, as
 * whoever suppresses one does.  keep_denials then suppresses, by their keyed
 * hashes, the addresses that the leads did not want to be written to; with
 * all, every one.  Returns how many.  Connected to SPI, as the owner.
 */
extern void nurture_gate_erase_lock(const int64 *leads, int n);
extern int	nurture_gate_keep_denials(const int64 *leads, int n, bool all);

/* For nurture_subject_export, likewise: what is suppressed of leads, as JSON. */
extern char *nurture_gate_tell_suppressions(const int64 *leads, int n);

#endif							/* NURTURE_GATE_H */
