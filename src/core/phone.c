/*
 * phone.c
 *	  Reads phone numbers.
 */
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "phone.h"

#define MAX_DIGITS	24			/* that are read */
#define E164_MIN	7			/* digits, country code and all */
#define E164_MAX	15

/*
 * How numbers are written within a country: country codes of ITU-T E.164
 * (list of 15 December 2016), trunk prefixes and lengths as in the ITU's
 * Operational Bulletins (dialling procedures, national numbering plans).  A
 * country that is not here has numbers of its own that are not read; those
 * with the country code in front are read of every country.
 */
static const struct Country
{
	char		country[3];		/* ISO 3166-1 */
	const char *code;			/* country code */
	const char *trunk;			/* stands before national numbers */
	unsigned char min;			/* digits of a national number */
	unsigned char max;
}			countries[] = {
	{"AE", "971", "0", 8, 9}, {"AL", "355", "0", 8, 9},
	{"AR", "54", "0", 10, 11}, {"AT", "43", "0", 4, 13},
	{"AU", "61", "0", 9, 9}, {"BA", "387", "0", 8, 9},
	{"BD", "880", "0", 8, 10}, {"BE", "32", "0", 8, 9},
	{"BG", "359", "0", 7, 9}, {"BH", "973", "", 8, 8},
	{"BR", "55", "0", 10, 11}, {"BY", "375", "8", 9, 9},
	{"CA", "1", "1", 10, 10}, {"CH", "41", "0", 9, 9},
	{"CL", "56", "", 9, 9}, {"CN", "86", "0", 10, 12},
	{"CO", "57", "", 10, 10}, {"CR", "506", "", 8, 8},
	{"CY", "357", "", 8, 8}, {"CZ", "420", "", 9, 9},
	{"DE", "49", "0", 5, 13}, {"DK", "45", "", 8, 8},
	{"DO", "1", "1", 10, 10}, {"DZ", "213", "0", 8, 9},
	{"EC", "593", "0", 8, 9}, {"EE", "372", "", 7, 8},
	{"EG", "20", "0", 8, 10}, {"ES", "34", "", 9, 9},
	{"ET", "251", "0", 9, 9}, {"FI", "358", "0", 5, 12},
	{"FR", "33", "0", 9, 9}, {"GB", "44", "0", 9, 10},
	{"GE", "995", "0", 9, 9}, {"GF", "594", "0", 9, 9},
	{"GG", "44", "0", 10, 10}, {"GH", "233", "0", 9, 9},
	{"GP", "590", "0", 9, 9}, {"GR", "30", "", 10, 10},
	{"GT", "502", "", 8, 8}, {"HK", "852", "", 8, 8},
	{"HN", "504", "", 8, 8}, {"HR", "385", "0", 8, 9},
	{"HU", "36", "06", 8, 9}, {"ID", "62", "0", 7, 12},
	{"IE", "353", "0", 7, 9}, {"IL", "972", "0", 8, 9},
	{"IM", "44", "0", 10, 10}, {"IN", "91", "0", 10, 10},
	{"IQ", "964", "0", 8, 10}, {"IR", "98", "0", 10, 10},
	{"IS", "354", "", 7, 7}, {"IT", "39", "", 6, 11},
	{"JE", "44", "0", 10, 10}, {"JM", "1", "1", 10, 10},
	{"JO", "962", "0", 8, 9}, {"JP", "81", "0", 9, 10},
	{"KE", "254", "0", 9, 9}, {"KR", "82", "0", 8, 10},
	{"KW", "965", "", 8, 8}, {"KZ", "7", "8", 10, 10},
	{"LB", "961", "0", 7, 8}, {"LI", "423", "", 7, 7},
	{"LK", "94", "0", 9, 9}, {"LT", "370", "0", 8, 8},
	{"LU", "352", "", 4, 11}, {"LV", "371", "", 8, 8},
	{"MA", "212", "0", 9, 9}, {"MC", "377", "", 8, 9},
	{"MD", "373", "0", 8, 8}, {"ME", "382", "0", 8, 8},
	{"MK", "389", "0", 8, 8}, {"MQ", "596", "0", 9, 9},
	{"MT", "356", "", 8, 8}, {"MX", "52", "", 10, 10},
	{"MY", "60", "0", 8, 10}, {"NG", "234", "0", 8, 10},
	{"NL", "31", "0", 9, 9}, {"NO", "47", "", 8, 8},
	{"NZ", "64", "0", 8, 10}, {"OM", "968", "", 8, 8},
	{"PA", "507", "", 7, 8}, {"PE", "51", "0", 8, 9},
	{"PH", "63", "0", 8, 10}, {"PK", "92", "0", 9, 10},
	{"PL", "48", "", 9, 9}, {"PR", "1", "1", 10, 10},
	{"PT", "351", "", 9, 9}, {"PY", "595", "0", 8, 9},
	{"QA", "974", "", 8, 8}, {"RE", "262", "0", 9, 9},
	{"RO", "40", "0", 9, 9}, {"RS", "381", "0", 8, 9},
	{"RU", "7", "8", 10, 10}, {"SA", "966", "0", 8, 9},
	{"SE", "46", "0", 7, 9}, {"SG", "65", "", 8, 8},
	{"SI", "386", "0", 8, 8}, {"SK", "421", "0", 9, 9},
	{"SN", "221", "", 9, 9}, {"SV", "503", "", 8, 8},
	{"TH", "66", "0", 8, 9}, {"TN", "216", "", 8, 8},
	{"TR", "90", "0", 10, 10}, {"TW", "886", "0", 8, 9},
	{"TZ", "255", "0", 9, 9}, {"UA", "380", "0", 9, 9},
	{"UG", "256", "0", 9, 9}, {"US", "1", "1", 10, 10},
	{"UY", "598", "", 8, 8}, {"VE", "58", "0", 10, 10},
	{"VN", "84", "0", 9, 10}, {"XK", "383", "0", 8, 8},
	{"YT", "262", "0", 9, 9}, {"ZA", "27", "0", 9, 9},
};

static const struct Country *
find_country(const char *country)
{
	for (size_t i = 0; country && i < sizeof(countries) / sizeof(countries[0]); i++)
	{
		if (strcmp(countries[i].country, country) == 0)
			return &countries[i];
	}
	return NULL;
}

static bool
begins(const char *text, const char *with)
{
	return strncmp(text, with, strlen(with)) == 0;
}

/* Returns the country of a number with its country code, NULL = unknown. */
static const struct Country *
find_code(const char *digits)
{
	for (size_t i = 0; i < sizeof(countries) / sizeof(countries[0]); i++)
	{
		/* no country code begins with another */
		if (begins(digits, countries[i].code))
			return &countries[i];
	}
	return NULL;
}

/* Bytes of a separator at text, 0 when there is none. */
static size_t
separator(const char *text)
{
	if (strchr(" \t.-/()", *text) != NULL)
		return 1;
	/* no-break space; dashes and spaces of general punctuation */
	if (begins(text, "\xC2\xA0"))
		return 2;
	return begins(text, "\xE2\x80") && text[2] != '\0' ? 3 : 0;
}

/*
 * Collects the digits of a number; false when it is none.  plus tells whether
 * + stands in front.
 */
static bool
collect(const char *text, char digits[MAX_DIGITS + 1], bool *plus)
{
	size_t		n = 0;

	*plus = false;
	while (*text == ' ' || *text == '\t')
		text++;
	if (begins(text, "tel:"))
		text += 4;
	while (*text != '\0')
	{
		size_t		skip = separator(text);

		if (skip > 0)
			text += skip;
		else if (*text >= '0' && *text <= '9')
		{
			if (n == MAX_DIGITS)
				return false;
			digits[n++] = *text++;
		}
		else if (*text == '+' && n == 0 && !*plus)
		{
			*plus = true;
			text++;
		}
		else if (n > 0 && strchr("xXeE;#,", *text) != NULL)
			break;				/* an extension */
		else
			return false;
	}
	digits[n] = '\0';
	return n > 0;
}

/* Tells whether the trunk prefix 0 stands behind a country code. */
static bool
has_trunk(const char *digits, const struct Country *of)
{
	/* nowhere does a national number begin with it */
	return of != NULL && strcmp(of->trunk, "0") == 0 &&
		digits[strlen(of->code)] == '0';
}

/* Tells whether a number may be one of E.164; without its +. */
static bool
is_e164(const char *digits)
{
	size_t		n = strlen(digits);

	return !has_trunk(digits, find_code(digits)) && n >= E164_MIN && n <= E164_MAX && digits[0] != '0' &&
		(digits[0] != '1' || n == 11);
}

/* Writes code and number behind a +. */
static bool
write_number(const char *code, const char *number, char *normal)
{
	snprintf(normal, NURTURE_PHONE_NORMAL, "+%s%s", code, number);
	return is_e164(normal + 1);
}

/* Returns the international prefix that digits begin with, "" for none. */
static const char *
international(const char *digits, const struct Country *home)
{
	if (home != NULL && strcmp(home->code, "1") == 0)
		return begins(digits, "011") ? "011" : "";
	if (home != NULL && strcmp(home->trunk, "8") == 0)
		return begins(digits, "810") ? "810" : "";
	if (home != NULL && strcmp(home->code, "81") == 0)
		return begins(digits, "010") ? "010" : "";
	if (home != NULL && strcmp(home->code, "61") == 0)
		return begins(digits, "0011") ? "0011" : "";
	return begins(digits, "00") ? "00" : "";
}

/* Writes a number as it compares; see phone.h. */
bool
nurture_phone_read(const char *text, const char *country,
				   char normal[NURTURE_PHONE_NORMAL])
{
	char		digits[MAX_DIGITS + 1];
	const char *number = digits;
	const struct Country *home = find_country(country);
	bool		plus;
	size_t		n;

	normal[0] = '\0';
	if (!collect(text, digits, &plus))
		return false;
	if (!plus)
	{
		const char *prefix = international(digits, home);

		number += strlen(prefix);
		plus = prefix[0] != '\0' && number[0] != '\0';
		if (!plus)
			number = digits;
	}
	if (plus)
	{
		const struct Country *of = find_code(number);

		/* +44 (0)20 */
		if (has_trunk(number, of))
			return write_number(of->code, number + strlen(of->code) + 1,
								normal);
		return write_number("", number, normal);
	}
	n = strlen(digits);
	if (home != NULL)
	{
		size_t		trunk = strlen(home->trunk);

		if (strcmp(home->code, "375") == 0 && n == home->min + 2U &&
			begins(digits, "80"))
			return write_number(home->code, digits + 2, normal);
		if (trunk > 0 && begins(digits, home->trunk) &&
			n >= home->min + trunk && n <= home->max + trunk)
			return write_number(home->code, digits + trunk, normal);
		/* +1 is dialled with and without its 1; others need their prefix */
		if ((trunk == 0 || strcmp(home->code, "1") == 0) &&
			n >= home->min && n <= home->max)
			return write_number(home->code, digits, normal);
	}
	strcpy(normal, digits);
	return false;
}
