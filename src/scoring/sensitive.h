/*
 * sensitive.h
 *	  Who granted the purpose sensitive_inference, and what follows when that
 *	  changes.
 *
 * What sensitive events count for is in a lead's tallies while the lead's
 * consent permits it, and is counted again from the kept events in the
 * transaction in which that changes.
 *
 * The purpose is granted while a state of consent for it, of any channel and
 * of all topics and products, permits and has not run out, and nothing
 * denies: no denial of this purpose or of all purposes, whatever its channel
 * and topic, and no objection.  A grant of all purposes names no sensitive
 * ones and does not do.
 *
 * Lock order: activity before lead and gate.  Whoever counts locks the row of
 * activity first and asks then; whoever changes consent locks it before the
 * gate row where a grant is at stake.
 */
#ifndef NURTURE_SENSITIVE_H
#define NURTURE_SENSITIVE_H

#include "base/compat.h"
#include "datatype/timestamp.h"

#define NURTURE_INFERENCE_PURPOSE "sensitive_inference"

/*
 * Tells for each of these leads, ascending, whether it grants the purpose at
 * an instant by what is known now (DT_NOBEGIN: as if no grant ran out), with
 * the latest snapshot.  Connected to SPI, as the owner.
 */
extern void nurture_inference_granted(const int64 *leads, int64 n,
									  TimestampTz at, bool *granted);

/*
 * Locks rows of activity, ascending, and makes those that are missing: of the
 * leads that are named or have said anything about the purpose before.
 */
extern void nurture_inference_lock(const int64 *leads, int n,
								   const bool *named);

/*
 * After a change: counts again the leads that grant the purpose now or did
 * before, as if no grant ran out; returns how many.
 */
extern int	nurture_inference_settle(const int64 *leads, int n,
									 const bool *before);
extern void nurture_sensitive_init(void);

#endif							/* NURTURE_SENSITIVE_H */
