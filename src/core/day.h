/*
 * day.h
 *	  UTC days as numbers and as ISO 8601 text.
 *
 * A day is the number of days since 1970-01-01 in the proleptic Gregorian
 * calendar (ISO 8601), negative before.  The text form is exactly
 * YYYY-MM-DD with a four-digit year, so days from 0001-01-01 to 9999-12-31
 * have one.
 */
#ifndef NURTURE_CORE_DAY_H
#define NURTURE_CORE_DAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NURTURE_DAY_MIN			(-719162)	/* 0001-01-01 */
#define NURTURE_DAY_MAX			2932896 /* 9999-12-31 */
#define NURTURE_DAY_ISO_LEN		10	/* strlen("YYYY-MM-DD") */

extern int32_t nurture_day_from_civil(int year, int month, int dom);
extern void nurture_day_to_civil(int32_t day, int *year, int *month,
								 int *dom);
extern bool nurture_day_from_iso(const char *text, size_t len, int32_t *day);
extern bool nurture_day_to_iso(int32_t day,
							   char out[NURTURE_DAY_ISO_LEN + 1]);

#endif							/* NURTURE_CORE_DAY_H */
