/*
 * clock.h
 *	  What time it is, for every room.
 */
#ifndef NURTURE_CLOCK_H
#define NURTURE_CLOCK_H

#include "base/compat.h"
#include "datatype/timestamp.h"

/* days from 1970-01-01 to PostgreSQL's epoch, 2000-01-01 */
#define NURTURE_EPOCH_OFFSET_DAYS 10957

extern TimestampTz nurture_now_statement(void);
extern TimestampTz nurture_now_wall(void);
extern bool nurture_now_simulated(void);
extern int32 nurture_day_of(TimestampTz instant);
extern int32 nurture_today(void);
extern TimestampTz nurture_instant_of_day(int32 day);

#endif							/* NURTURE_CLOCK_H */
