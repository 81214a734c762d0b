/*
 * guard.h
 *	  Private to the audit room: rows that are only ever added, and by whom.
 */
#ifndef NURTURE_AUDIT_GUARD_H
#define NURTURE_AUDIT_GUARD_H

#include "base/compat.h"

extern bool nurture_guard_open(void);
extern void nurture_guard_close(bool before);

#endif							/* NURTURE_AUDIT_GUARD_H */
