/*
 * weakened.h
 *	  Private to the audit room: settings of the session that guarantee less.
 */
#ifndef NURTURE_AUDIT_WEAKENED_H
#define NURTURE_AUDIT_WEAKENED_H

#include "base/compat.h"

extern void nurture_weakened_tell(void);

#endif							/* NURTURE_AUDIT_WEAKENED_H */
