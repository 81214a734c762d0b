/*
 * phone.h
 *	  Phone numbers in the form of ITU-T E.164: + and the digits.
 */
#ifndef NURTURE_CORE_PHONE_H
#define NURTURE_CORE_PHONE_H

#include <stdbool.h>

#define NURTURE_PHONE_NORMAL	40	/* bytes that hold any normal form */

/*
 * Writes the number as it compares, which ends at '\0'; true when it is one
 * of E.164, with its country code and 7 to 15 digits.
 *
 * country, ISO 3166-1 alpha-2, says what a number without country code means;
 * NULL = unknown.  Such a number of an unknown country is written as its
 * digits and never one of E.164: which country is meant is not guessed.  What
 * is no number at all is written as "".
 *
 * Blanks, dots, dashes, slashes and brackets may stand between digits, "tel:"
 * in front; an extension is left out.  "+" or an international prefix in front
 * says that the country code follows, where the trunk prefix that some people
 * write behind it, as in +44 (0)20, is left out.
 *
 * Whether a number is assigned, or has the length its country gives it, is not
 * asked, but for +1, where it is always ten digits.
 */
extern bool nurture_phone_read(const char *text, const char *country,
							   char normal[NURTURE_PHONE_NORMAL]);

#endif							/* NURTURE_CORE_PHONE_H */
