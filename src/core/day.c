/*
 * day.c
 *	  UTC days as numbers and as ISO 8601 text.
 *
 * The conversions count in eras of 400 years (146097 days) that begin on
 * 1 March, which puts the leap day last.  Source: H. Hinnant,
 * "chrono-Compatible Low-Level Date Algorithms".
 */
#include "day.h"

#define DAYS_PER_ERA	146097
#define ERA_OFFSET		719468	/* days from 0000-03-01 to 1970-01-01 */

/*
 * Answers the day number of a civil date, whose month (1..12) and day of
 * month must exist; years from -9999 to 99999 are in range.
 */
int32_t
nurture_day_from_civil(int year, int month, int dom)
{
	int			y = month <= 2 ? year - 1 : year;
	int			era = (y >= 0 ? y : y - 399) / 400;
	int			yoe = y - era * 400;
	int			doy = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 +
	dom - 1;
	int			doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;

	return (int32_t) (era * DAYS_PER_ERA + doe - ERA_OFFSET);
}

/*
 * Answers the civil date of a day number.
 */
void
nurture_day_to_civil(int32_t day, int *year, int *month, int *dom)
{
	int64_t		z = (int64_t) day + ERA_OFFSET;
	int64_t		era = (z >= 0 ? z : z - (DAYS_PER_ERA - 1)) / DAYS_PER_ERA;
	int			doe = (int) (z - era * DAYS_PER_ERA);
	int			yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	int			doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	int			mp = (5 * doy + 2) / 153;

	*dom = doy - (153 * mp + 2) / 5 + 1;
	*month = mp < 10 ? mp + 3 : mp - 9;
	*year = (int) (yoe + era * 400) + (*month <= 2 ? 1 : 0);
}

/*
 * Answers how many days a month has.
 */
static int
days_in_month(int year, int month)
{
	static const int days[] =
	{31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool		leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return month == 2 && leap ? 29 : days[month - 1];
}

/*
 * Reads a number of fixed width; false when a character is not a digit.
 */
static bool
read_digits(const char *text, int width, int *value)
{
	*value = 0;
	for (int i = 0; i < width; i++)
	{
		if (text[i] < '0' || text[i] > '9')
			return false;
		*value = *value * 10 + (text[i] - '0');
	}
	return true;
}

/*
 * Reads exactly YYYY-MM-DD; false, with *day untouched, when the text has
 * another form or names a date that does not exist.
 */
bool
nurture_day_from_iso(const char *text, size_t len, int32_t *day)
{
	int			year;
	int			month;
	int			dom;

	if (len != NURTURE_DAY_ISO_LEN || text[4] != '-' || text[7] != '-')
		return false;
	if (!read_digits(text, 4, &year) || !read_digits(text + 5, 2, &month) ||
		!read_digits(text + 8, 2, &dom))
		return false;
	if (year < 1 || month < 1 || month > 12 ||
		dom < 1 || dom > days_in_month(year, month))
		return false;
	*day = nurture_day_from_civil(year, month, dom);
	return true;
}

/*
 * Writes a day as YYYY-MM-DD with its terminating zero; false, with out
 * untouched, for a day that has no such form.
 */
bool
nurture_day_to_iso(int32_t day, char out[NURTURE_DAY_ISO_LEN + 1])
{
	int			year;
	int			month;
	int			dom;

	if (day < NURTURE_DAY_MIN || day > NURTURE_DAY_MAX)
		return false;
	nurture_day_to_civil(day, &year, &month, &dom);
	for (int i = 3; i >= 0; i--, year /= 10)
		out[i] = (char) ('0' + year % 10);
	out[4] = '-';
	out[5] = (char) ('0' + month / 10);
	out[6] = (char) ('0' + month % 10);
	out[7] = '-';
	out[8] = (char) ('0' + dom / 10);
	out[9] = (char) ('0' + dom % 10);
	out[10] = '\0';
	return true;
}
