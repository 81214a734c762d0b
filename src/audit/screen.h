/*
 * screen.h
 *	  Private to the audit room: words of a person without who they are about.
 */
#ifndef NURTURE_AUDIT_SCREEN_H
#define NURTURE_AUDIT_SCREEN_H

#include "base/compat.h"

/* The words as they may outlive the lead; lead_id is NULL when about none. */
extern const char *nurture_audit_screen(const char *words, const int64 *lead_id);

#endif							/* NURTURE_AUDIT_SCREEN_H */
