/*
 * status_code_test.c
 *	  Status codes in what mail servers and providers really write.
 */
#include <string.h>

#include "property.h"
#include "status_code.h"

static bool
code_is(const char *text, const char *wanted)
{
	char		code[NURTURE_STATUS_CODE];
	bool		found = nurture_status_code(text, code);

	if (strcmp(code, wanted) == 0 && found == (wanted[0] != '\0'))
		return true;
	printf("# %s: \"%s\"\n", text, code);
	return false;
}

int
main(void)
{
	property_start();
	CHECK(code_is("5.1.1", "5.1.1"));
	CHECK(code_is("smtp; 550 5.1.1 The email account does not exist.", "5.1.1"));
	CHECK(code_is("550-5.7.26 Unauthenticated", "5.7.26"));
	CHECK(code_is("host mx.example[192.0.2.7] said: 452 4.2.2 over quota", "4.2.2"));
	CHECK(code_is("#5.1.10 smtp;550", "5.1.10"));
	CHECK(code_is("unknown user 5.1.1.", "5.1.1"));
	CHECK(code_is("550", "5"));
	CHECK(code_is("421 try again", "4"));
	CHECK(code_is("relayed by 4.2.1.1", ""));
	CHECK(code_is("mailbox 1550 is gone", ""));
	CHECK(code_is("15.1.1", ""));
	CHECK(code_is("5.1.1234", ""));
	CHECK(code_is("3.1.1", ""));
	CHECK(code_is("", ""));
	CHECK(code_is("no code", ""));
	CHECK(code_is("5.999.999", "5.999.999"));

	CHECK(nurture_status_within("5.1.1", ""));
	CHECK(nurture_status_within("5.1.1", "5"));
	CHECK(nurture_status_within("5.1.1", "5.1"));
	CHECK(nurture_status_within("5.1.1", "5.1.1"));
	CHECK(!nurture_status_within("5.1.10", "5.1.1"));
	CHECK(!nurture_status_within("5.11.1", "5.1"));
	CHECK(!nurture_status_within("5", "5.1"));
	CHECK(!nurture_status_within("", "5"));
	return property_finish();
}
