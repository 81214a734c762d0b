/*
 * step.h
 *	  Private to the tracks room: a step of an enrollment.
 */
#ifndef NURTURE_TRACKS_STEP_H
#define NURTURE_TRACKS_STEP_H

#include "tracks/rules.h"

extern void nurture_track_run_step(const TrackRules *rules, Subject *subject,
								   Enrollment *e);

#endif							/* NURTURE_TRACKS_STEP_H */
