/*
 * incarnation.h
 *	  Private to the audit room: which life of the database this is.
 */
#ifndef NURTURE_AUDIT_INCARNATION_H
#define NURTURE_AUDIT_INCARNATION_H

#include "base/compat.h"

extern void nurture_incarnation_init(void);
extern int32 nurture_incarnation(bool check_xid);

#endif							/* NURTURE_AUDIT_INCARNATION_H */
