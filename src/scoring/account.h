/*
 * account.h
 *	  Accounts: scored by the rules of leads over what all their leads did.
 */
#ifndef NURTURE_ACCOUNT_H
#define NURTURE_ACCOUNT_H

#include "base/compat.h"
#include "datatype/timestamp.h"

extern void nurture_account_init(void);

/*
 * For the tick: fills accounts with up to max whose figures are due, their
 * rows locked; *more tells whether others are left.  Running as the owner,
 * connected to SPI.
 */
extern int	nurture_account_due(TimestampTz now, int64 *accounts, int max,
								bool *more);

/* Writes the figures of one account as of now; arg is a TimestampTz. */
extern void nurture_account_refresh(int64 account_id, void *arg);

/* Writes that they could not be made, so that it is tried again tomorrow. */
extern void nurture_account_put_off(int64 account_id, void *arg);

#endif							/* NURTURE_ACCOUNT_H */
