/*
 * settings.c
 *	  Defines the settings named nurture.*, in words a DBA reads.
 */
#include "base/compat.h"

#include <limits.h>

#include "base/settings.h"
#include "utils/datetime.h"
#include "utils/guc.h"
#include "utils/timestamp.h"

bool		nurture_refuse_with_error = false;
char	   *nurture_change_reason = NULL;
char	   *nurture_app_user = NULL;
bool		nurture_two_person_rule = false;
bool		nurture_pooled_logins = false;
int			nurture_horizon_days = NURTURE_DEFAULT_HORIZON_DAYS;
int			nurture_react_within = NURTURE_DEFAULT_REACT_WITHIN;
char	   *nurture_pepper_file = NULL;

bool		nurture_clock_is_set = false;
TimestampTz nurture_clock_value = 0;

static char *clock_text = NULL;

/* Reads exactly n digits, or returns -1. */
static int
read_digits(const char **cursor, int n)
{
	int			value = 0;

	for (int i = 0; i < n; i++)
	{
		char		c = **cursor;

		if (c < '0' || c > '9')
			return -1;
		value = value * 10 + (c - '0');
		(*cursor)++;
	}
	return value;
}

/*
 * Reads an instant in ISO 8601: YYYY-MM-DD[T| ]HH:MM[:SS[.ffffff]] followed by
 * Z or +HH[:MM] or -HH[:MM].  The zone is asked for and DateStyle is not
 * consulted, so that one text means one instant in every session.
 */
bool
nurture_instant_of_text(const char *text, TimestampTz *instant)
{
	const char *p = text;
	int			year,
				month,
				day,
				hour,
				minute,
				second = 0,
				usec = 0,
				zone_hour,
				zone_minute = 0,
				sign;
	struct pg_tm tm;
	Timestamp	local;

	year = read_digits(&p, 4);
	if (year < 1 || *p++ != '-')
		return false;
	month = read_digits(&p, 2);
	if (month < 1 || month > 12 || *p++ != '-')
		return false;
	day = read_digits(&p, 2);
	if (day < 1 || day > day_tab[isleap(year)][month - 1])
		return false;
	if (*p != 'T' && *p != ' ')
		return false;
	p++;
	hour = read_digits(&p, 2);
	if (hour < 0 || hour > 23 || *p++ != ':')
		return false;
	minute = read_digits(&p, 2);
	if (minute < 0 || minute > 59)
		return false;
	if (*p == ':')
	{
		p++;
		second = read_digits(&p, 2);
		if (second < 0 || second > 59)
			return false;
		if (*p == '.')
		{
			int			scale = 100000;

			p++;
			if (*p < '0' || *p > '9')
				return false;
			while (*p >= '0' && *p <= '9')
			{
				usec += (*p++ - '0') * scale;
				scale /= 10;
			}
		}
	}
	while (*p == ' ')
		p++;
	if (*p == 'Z' && p[1] == '\0')
	{
		sign = 1;
		zone_hour = 0;
	}
	else
	{
		if (*p != '+' && *p != '-')
			return false;
		sign = (*p++ == '+') ? 1 : -1;
		zone_hour = read_digits(&p, 2);
		if (zone_hour < 0 || zone_hour > 15)
			return false;
		if (*p == ':')
			p++;
		if (*p != '\0')
		{
			zone_minute = read_digits(&p, 2);
			if (zone_minute < 0 || zone_minute > 59 || *p != '\0')
				return false;
		}
	}

	memset(&tm, 0, sizeof(tm));
	tm.tm_year = year;
	tm.tm_mon = month;
	tm.tm_mday = day;
	tm.tm_hour = hour;
	tm.tm_min = minute;
	tm.tm_sec = second;
	if (tm2timestamp(&tm, usec, NULL, &local) != 0)
		return false;
	*instant = local - sign * (zone_hour * INT64CONST(3600) +
							   zone_minute * INT64CONST(60)) * USECS_PER_SEC;
	return IS_VALID_TIMESTAMP(*instant);
}

static bool
check_clock(char **newval, void **extra, GucSource source)
{
	TimestampTz instant;
	TimestampTz *kept;

	if (*newval == NULL || **newval == '\0')
		return true;
	if (!nurture_instant_of_text(*newval, &instant))
	{
		GUC_check_errdetail("The clock is an instant in ISO 8601 with its zone.");
		GUC_check_errhint("Write it like \"2026-03-29T08:00:00Z\", or leave it empty for the real time.");
		return false;
	}
	kept = nurture_guc_malloc(sizeof(TimestampTz));
	if (kept == NULL)
		return false;
	*kept = instant;
	*extra = kept;
	return true;
}

static void
assign_clock(const char *newval, void *extra)
{
	nurture_clock_is_set = (extra != NULL);
	nurture_clock_value = extra ? *(TimestampTz *) extra : 0;
}

/* Registers every setting. */
void
nurture_settings_init(void)
{
	DefineCustomStringVariable("nurture.clock",
							   "Sets the instant that nurture takes for the present.",
							   "Empty means the real time. For tests, dry runs and back-tests; audit entries made under it are marked as simulated.",
							   &clock_text, "", PGC_SUSET, 0,
							   check_clock, assign_clock, NULL);
	DefineCustomBoolVariable("nurture.refuse_with_error",
							 "Raises an error (SQLSTATE NU001) when a message is refused.",
							 "Off keeps the refused row with its reasons, which is evidence; on suits clients that expect an exception.",
							 &nurture_refuse_with_error, false, PGC_USERSET, 0,
							 NULL, NULL, NULL);
	DefineCustomStringVariable("nurture.change_reason",
							   "Sets the reason that the change log records for changes of rules.",
							   NULL,
							   &nurture_change_reason, "", PGC_USERSET, 0,
							   NULL, NULL, NULL);
	DefineCustomStringVariable("nurture.app_user",
							   "Sets the user name of the application for audit entries.",
							   "Recorded beside the session user and the effective role, never instead of them.",
							   &nurture_app_user, "", PGC_USERSET, 0,
							   NULL, NULL, NULL);
	DefineCustomBoolVariable("nurture.two_person_rule",
							 "Requires that another person than the author publishes a version.",
							 NULL,
							 &nurture_two_person_rule, false, PGC_SUSET, 0,
							 NULL, NULL, NULL);
	DefineCustomBoolVariable("nurture.pooled_logins",
							 "Says that many persons share a login, so that the two-person rule goes by the names that the application declares.",
							 "Off, the same login is the same person whatever it declares.",
							 &nurture_pooled_logins, false, PGC_SUSET, 0,
							 NULL, NULL, NULL);
	DefineCustomIntVariable("nurture.horizon_days",
							"Sets the age in days from which decaying points are 0.",
							"Rules without decay count activity of any age.",
							&nurture_horizon_days, NURTURE_DEFAULT_HORIZON_DAYS,
							NURTURE_MIN_HORIZON_DAYS, NURTURE_MAX_HORIZON_DAYS,
							PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("nurture.react_within",
							"Sets how old an event may be to start something.",
							"Older events count as activity but start no track, hand-off or stop; opt-outs, objections and complaints always bind.",
							&nurture_react_within, NURTURE_DEFAULT_REACT_WITHIN,
							0, NURTURE_MAX_REACT_WITHIN,
							PGC_SUSET, GUC_UNIT_S, NULL, NULL, NULL);
	DefineCustomStringVariable("nurture.pepper_file",
							   "Names the file with the secret key of contact point hashes.",
							   "At least 32 bytes, readable by the server only. Empty: a key generated at install and kept in the database, for trials.",
							   &nurture_pepper_file, "", PGC_SIGHUP,
							   GUC_SUPERUSER_ONLY, NULL, NULL, NULL);
	MarkGUCPrefixReserved("nurture");
}
