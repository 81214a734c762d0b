/*
 * place_test.c
 *	  Codes of countries and regions: known ones, near misses, and every pair
 *	  and triple of letters against a naive look.
 */
#include <string.h>

#include "place.h"
#include "property.h"

static NurturePlace
check(const char *country, const char *region)
{
	return nurture_place_check(country, country ? strlen(country) : 0,
							   region, region ? strlen(region) : 0);
}

static void
test_known(void)
{
	CHECK(check("DE", "DE-BY") == PLACE_RIGHT);
	CHECK(check("DE", NULL) == PLACE_RIGHT);
	CHECK(check(NULL, "US-CA") == PLACE_RIGHT);
	CHECK(check(NULL, NULL) == PLACE_RIGHT);
	CHECK(check("AD", "AD-02") == PLACE_RIGHT);
	CHECK(check("ZW", "ZW-MW") == PLACE_RIGHT);
	CHECK(check("XK", NULL) == PLACE_RIGHT);
	CHECK(check("GB", "GB-ENG") == PLACE_RIGHT);
	CHECK(check("de", "DE-BY") == PLACE_NO_COUNTRY);
	CHECK(check("UK", NULL) == PLACE_NO_COUNTRY);
	CHECK(check("", NULL) == PLACE_NO_COUNTRY);
	CHECK(check("DEU", NULL) == PLACE_NO_COUNTRY);
	CHECK(check("DE", "BY") == PLACE_NO_REGION);
	CHECK(check("DE", "DE-") == PLACE_NO_REGION);
	CHECK(check("DE", "DE-XX") == PLACE_NO_REGION);
	CHECK(check("DE", "DE-BY BE") == PLACE_NO_REGION);
	CHECK(check("DE", "DE- BY") == PLACE_NO_REGION);
	CHECK(check("DE", "DE_BY") == PLACE_NO_REGION);
	CHECK(check("DE", "QQ-BY") == PLACE_NO_REGION);
	CHECK(check("DE", "") == PLACE_NO_REGION);
	CHECK(check("DE", "FR-IDF") == PLACE_ELSEWHERE);
	CHECK(nurture_place_check("DE", 2, "DE-B\0Y", 6) == PLACE_NO_REGION);
}

/* How many of all codes there could be are there: as many as in the source. */
static void
test_all(void)
{
	int			countries = 0;
	int			regions = 0;
	static const char signs[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";

	for (char a = 'A'; a <= 'Z'; a++)
	{
		for (char b = 'A'; b <= 'Z'; b++)
		{
			char		code[8] = {a, b, '\0'};
			bool		known = check(code, NULL) == PLACE_RIGHT;

			countries += known;
			for (int i = 0; i < 36; i++)
			{
				for (int j = -1; j < 36; j++)
				{
					for (int k = -1; k < (j < 0 ? 0 : 36); k++)
					{
						code[2] = '-';
						code[3] = signs[i];
						code[4] = j < 0 ? '\0' : signs[j];
						code[5] = k < 0 ? '\0' : signs[k];
						code[6] = '\0';
						if (check(NULL, code) == PLACE_RIGHT)
						{
							regions++;
							CHECK(known);
						}
					}
				}
			}
		}
	}
	CHECK(countries == 250);
	CHECK(regions == 5127);
}

int
main(void)
{
	property_start();
	test_known();
	test_all();
	return property_finish();
}
