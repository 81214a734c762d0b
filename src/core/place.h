/*
 * place.h
 *	  Whether codes of countries and regions are ones of ISO 3166.
 */
#ifndef NURTURE_PLACE_H
#define NURTURE_PLACE_H

#include <stddef.h>

typedef enum NurturePlace
{
	PLACE_RIGHT,				/* or nothing to say */
	PLACE_NO_COUNTRY,			/* no code of ISO 3166-1 alpha-2 */
	PLACE_NO_REGION,			/* no code of ISO 3166-2 */
	PLACE_ELSEWHERE				/* a region of another country */
} NurturePlace;

/*
 * Compares as written: codes are upper-case, a region is country, hyphen and
 * part ("DE-BY").  NULL is unknown, about which there is nothing to say; so
 * is a region where the country has none.
 */
extern NurturePlace nurture_place_check(const char *country, size_t country_len,
										const char *region, size_t region_len);

#endif							/* NURTURE_PLACE_H */
