/*
 * day_test.c
 *	  Every day that has an ISO form, both ways, against a plain calendar
 *	  that counts day by day.
 */
#include <stdio.h>
#include <string.h>

#include "day.h"

static int	passed;
static int	failed;

#define CHECK(cond) \
	((cond) ? (void) passed++ : \
	 (void) (failed++, printf("line %d: %s\n", __LINE__, #cond)))

int
main(void)
{
	int			year = 1;
	int			month = 1;
	int			dom = 1;
	int			wrong = 0;
	int32_t		day = 12345;
	char		iso[NURTURE_DAY_ISO_LEN + 1];
	static const char *const bad[] = {
		"2026-02-29", "1900-02-29", "2100-02-29", "0000-01-01", "2026-13-01",
		"2026-00-01", "2026-01-00", "2026-04-31", "2026-1-01", "2026-01-1",
		"2026/01/01", "2026-01-01 ", " 2026-01-01", "20260101", "-001-01-01",
		"+026-01-01", "2026-0a-01", "2026-01-0:", ""
	};

	for (int32_t d = NURTURE_DAY_MIN; d <= NURTURE_DAY_MAX; d++)
	{
		char		expected[16];
		int32_t		back = 0;
		int			last;

		snprintf(expected, sizeof(expected), "%04d-%02d-%02d",
				 year % 10000, month % 100, dom % 100);
		if (!nurture_day_to_iso(d, iso) || strcmp(iso, expected) != 0 ||
			!nurture_day_from_iso(iso, strlen(iso), &back) || back != d)
			wrong++;
		last = month == 2 ?
			(year % 400 == 0 || (year % 4 == 0 && year % 100) ? 29 : 28) :
			month == 4 || month == 6 || month == 9 || month == 11 ? 30 : 31;
		if (++dom > last)
		{
			dom = 1;
			if (++month > 12)
			{
				month = 1;
				year++;
			}
		}
	}
	CHECK(wrong == 0);
	CHECK(year == 10000);
	CHECK(nurture_day_from_civil(1970, 1, 1) == 0);
	CHECK(nurture_day_from_civil(2149, 6, 6) == 65535);
	CHECK(!nurture_day_to_iso(NURTURE_DAY_MIN - 1, iso));
	CHECK(!nurture_day_to_iso(NURTURE_DAY_MAX + 1, iso));
	CHECK(!nurture_day_to_iso(INT32_MIN, iso));
	CHECK(!nurture_day_to_iso(INT32_MAX, iso));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK(!nurture_day_from_iso(bad[i], strlen(bad[i]), &day));
	CHECK(day == 12345);
	printf("%d passed, %d failed\n", passed, failed);
	return failed != 0;
}
