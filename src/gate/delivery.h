/*
 * delivery.h
 *	  Private to the gate room: from the queue to the provider and back.
 */
#ifndef NURTURE_DELIVERY_H
#define NURTURE_DELIVERY_H

#include "gate/again.h"

#define DELIVERY_TAKES	2		/* a message is taken at most so often */
#define DELIVERY_LEASE	(15 * USECS_PER_MINUTE) /* of a channel without a row */
#define DELIVERY_LEASE_DAYS	30	/* the longest one */

/* Raises unless the caller may take and acknowledge messages. */
extern void nurture_delivery_check_right(void);

#endif							/* NURTURE_DELIVERY_H */
