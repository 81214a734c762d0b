/*
 * settings.h
 *	  The settings named nurture.* and their limits.
 */
#ifndef NURTURE_SETTINGS_H
#define NURTURE_SETTINGS_H

#include "base/compat.h"
#include "datatype/timestamp.h"

#define NURTURE_MIN_HORIZON_DAYS	90
#define NURTURE_MAX_HORIZON_DAYS	3650
#define NURTURE_DEFAULT_HORIZON_DAYS 800
#define NURTURE_MAX_REACT_WITHIN	(366 * 24 * 3600)
#define NURTURE_DEFAULT_REACT_WITHIN (2 * 24 * 3600)

extern bool nurture_refuse_with_error;	/* raise NU001 where a message is
										 * refused */
extern char *nurture_change_reason; /* reason written to the change log */
extern char *nurture_app_user;	/* who the application says is working */
extern bool nurture_two_person_rule;	/* author and approver must differ */
extern bool nurture_pooled_logins;	/* in name alone, many share a login */
extern int	nurture_horizon_days;	/* days a tally keeps day by day */
extern int	nurture_react_within;	/* seconds: older events start nothing */
extern char *nurture_pepper_file;	/* key of the contact point hashes */

extern bool nurture_clock_is_set;	/* nurture.clock has a value */
extern TimestampTz nurture_clock_value; /* that value */

extern void nurture_settings_init(void);

/* Reads an instant in ISO 8601 with its zone, whatever the session's style. */
extern bool nurture_instant_of_text(const char *text, TimestampTz *instant);

#endif							/* NURTURE_SETTINGS_H */
