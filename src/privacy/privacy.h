/*
 * privacy.h
 *	  Erasing, and what follows it: the privacy room's own, and its init.
 */
#ifndef NURTURE_PRIVACY_H
#define NURTURE_PRIVACY_H

#include "base/compat.h"
#include "base/plans.h"
#include "datatype/timestamp.h"

/* Registers the work of the tick; once per backend. */
extern void nurture_privacy_init(void);

/* erase.c; connected to SPI, as the owner */
extern int64 nurture_privacy_erase(int64 lead_id, const char *basis,
								   const char *reason, bool suppress,
								   const char *actor);
extern int64 nurture_privacy_sweep(int64 lead_id, int64 erasure_id);
extern void nurture_privacy_write(KeptPlan *plan, Datum *values,
								  const char *nulls);

/* status.c */
extern void nurture_erasure_init(void);

#endif							/* NURTURE_PRIVACY_H */
