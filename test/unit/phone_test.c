/*
 * phone_test.c
 *	  Phone numbers as people write them, and what is not guessed.
 */
#include <string.h>

#include "phone.h"
#include "property.h"

static bool
reads(const char *text, const char *country, const char *wanted)
{
	char		normal[NURTURE_PHONE_NORMAL];
	bool		e164 = nurture_phone_read(text, country, normal);

	if (strcmp(normal, wanted) == 0 && e164 == (wanted[0] == '+'))
		return true;
	printf("# %s (%s): \"%s\" %d\n", text, country ? country : "-", normal, e164);
	return false;
}

static void
test_written(void)
{
	CHECK(reads("+33 1 23 45 67 89", NULL, "+33123456789"));
	CHECK(reads("+33 (0)1.23.45.67.89", NULL, "+33123456789"));
	CHECK(reads("0033-1-23-45-67-89", NULL, "+33123456789"));
	CHECK(reads("01 23 45 67 89", "FR", "+33123456789"));
	CHECK(reads("tel:+33-1-23-45-67-89;ext=7", "FR", "+33123456789"));
	CHECK(reads("(020) 7946-0958", "GB", "+442079460958"));
	CHECK(reads("+44 (0)20 7946 0958 ext. 12", "US", "+442079460958"));
	CHECK(reads("(212) 555-0123", "US", "+12125550123"));
	CHECK(reads("1-212-555-0123 x9", "CA", "+12125550123"));
	CHECK(reads("011 44 20 7946 0958", "US", "+442079460958"));
	CHECK(reads("8 (495) 123-45-67", "RU", "+74951234567"));
	CHECK(reads("8 029 123 45 67", "BY", "+375291234567"));
	CHECK(reads("06 1 234 5678", "HU", "+3612345678"));
	CHECK(reads("06 1234 5678", "IT", "+390612345678"));
	CHECK(reads("+39 06 1234 5678", "IT", "+390612345678"));
	CHECK(reads("612 34 56 78", "ES", "+34612345678"));
	CHECK(reads("\xC2\xA0" "030\xC2\xA0" "1234\xE2\x80\x93" "567", "DE", "+49301234567"));
	CHECK(reads("0011 33 1 23 45 67 89", "AU", "+33123456789"));
	CHECK(reads("+225 07 12 34 56 78", NULL, "+2250712345678"));
}

static void
test_not_guessed(void)
{
	/* no country, a country that is not known, the trunk prefix missing */
	CHECK(reads("01 23 45 67 89", NULL, "0123456789"));
	CHECK(reads("01 23 45 67 89", "ZZ", "0123456789"));
	CHECK(reads("1 23 45 67 89", "FR", "123456789"));
	CHECK(reads("33123456789", "FR", "33123456789"));
	CHECK(reads("34612345678", "ES", "34612345678"));
	CHECK(reads("555-0123", "US", "5550123"));
}

static void
test_refused(void)
{
	char		normal[NURTURE_PHONE_NORMAL];

	CHECK(reads("", "FR", ""));
	CHECK(reads("none", "FR", ""));
	CHECK(reads("1-800-FLOWERS", "US", ""));
	CHECK(reads("12+34", NULL, ""));
	CHECK(reads("1234567890123456789012345", NULL, ""));
	/* too short, too long, zero in front, ten digits for +1 */
	CHECK(!nurture_phone_read("+33 1", NULL, normal));
	CHECK(!nurture_phone_read("+331234567890123456", NULL, normal));
	CHECK(!nurture_phone_read("+0123456789", NULL, normal));
	CHECK(!nurture_phone_read("+1 212 555 012", NULL, normal));
}

/* A number with its country code reads as itself everywhere. */
static void
test_random(void)
{
	static const char letters[] = "0123456789+ -.()x0011";
	static const char *const homes[] = {NULL, "FR", "US", "RU", "IT", "JP", "AU"};

	for (int i = 0; i < 100000; i++)
	{
		char		text[32];
		char		normal[NURTURE_PHONE_NORMAL];
		char		again[NURTURE_PHONE_NORMAL];
		int			len = random_below(30);

		for (int j = 0; j < len; j++)
			text[j] = letters[random_below(sizeof(letters) - 1)];
		text[len] = '\0';
		if (!nurture_phone_read(text, homes[random_below(7)], normal))
			continue;
		CHECK(nurture_phone_read(normal, homes[random_below(7)], again));
		CHECK(strcmp(normal, again) == 0);
	}
}

int
main(void)
{
	property_start();
	test_written();
	test_not_guessed();
	test_refused();
	test_random();
	return property_finish();
}
