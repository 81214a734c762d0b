/*
 * quality.c
 *	  What is wrong with facts by themselves: codes of places.
 */
#include "base/compat.h"

#include "core/place.h"
#include "utils/builtins.h"

NURTURE_FUNCTION(nurture_place_problem);

static const char *const problems[] = {
	[PLACE_NO_COUNTRY] = "invalid_country",
	[PLACE_NO_REGION] = "invalid_region",
	[PLACE_ELSEWHERE] = "region_elsewhere",
};

/* nurture_place_problem(country text, region text) returns text */
Datum
nurture_place_problem(PG_FUNCTION_ARGS)
{
	text	   *country = PG_ARGISNULL(0) ? NULL : PG_GETARG_TEXT_PP(0);
	text	   *region = PG_ARGISNULL(1) ? NULL : PG_GETARG_TEXT_PP(1);
	NurturePlace place;

	place = nurture_place_check(country ? VARDATA_ANY(country) : NULL,
								country ? VARSIZE_ANY_EXHDR(country) : 0,
								region ? VARDATA_ANY(region) : NULL,
								region ? VARSIZE_ANY_EXHDR(region) : 0);
	if (place == PLACE_RIGHT)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(problems[place]));
}
