/*
 * place.c
 *	  Codes of countries and regions against ISO 3166.
 */
#include "place.h"

#include <string.h>

#include "place_codes.h"

#define PLACES ((int) (sizeof(places) / sizeof(places[0])))
#define LONGEST_PART 3

/* Finds a country of two letters; -1 when there is none. */
static int
find_country(const char *code)
{
	int			from = 0;
	int			to = PLACES;

	while (from < to)
	{
		int			middle = (from + to) / 2;
		int			order = memcmp(code, places[middle].country, 2);

		if (order == 0)
			return middle;
		if (order < 0)
			to = middle;
		else
			from = middle + 1;
	}
	return -1;
}

/* Tells whether a country has a part. */
static int
has_part(int country, const char *part, size_t len)
{
	char		between[LONGEST_PART + 3] = " ";

	if (len == 0 || len > LONGEST_PART || memchr(part, ' ', len) != NULL ||
		memchr(part, '\0', len) != NULL)
		return 0;
	memcpy(between + 1, part, len);
	between[len + 1] = ' ';
	return strstr(places[country].parts, between) != NULL;
}

/* Says what is wrong with a country and a region. */
NurturePlace
nurture_place_check(const char *country, size_t country_len,
					const char *region, size_t region_len)
{
	int			of;

	if (country != NULL && (country_len != 2 || find_country(country) < 0))
		return PLACE_NO_COUNTRY;
	if (region == NULL)
		return PLACE_RIGHT;
	if (region_len < 4 || region[2] != '-')
		return PLACE_NO_REGION;
	of = find_country(region);
	if (of < 0 || !has_part(of, region + 3, region_len - 3))
		return PLACE_NO_REGION;
	if (country != NULL && memcmp(country, region, 2) != 0)
		return PLACE_ELSEWHERE;
	return PLACE_RIGHT;
}
