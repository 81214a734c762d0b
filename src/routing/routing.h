/*
 * routing.h
 *	  What the routing room offers the others: standing of leads, hand-offs,
 *	  and the versions of routes.
 */
#ifndef NURTURE_ROUTING_H
#define NURTURE_ROUTING_H

#include "base/compat.h"
#include "datatype/timestamp.h"

extern void nurture_routing_init(void);

/*
 * Between these two the guard lets the functions of a room write hand-offs.
 * The second belongs into PG_FINALLY.
 */
extern void nurture_handoffs_open(void);
extern void nurture_handoffs_close(void);

#endif							/* NURTURE_ROUTING_H */
