/*
 * email_fuzz.c
 *	  Foreign bytes as an e-mail address, a domain and a phone number.  A normal
 *	  form is its own normal form and never longer than its buffer.
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "email.h"
#include "phone.h"

extern int	LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static void
require(bool ok)
{
	if (!ok)
		abort();
}

int
LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	char		normal[NURTURE_EMAIL_NORMAL];
	char		again[NURTURE_EMAIL_NORMAL];
	char		number[NURTURE_PHONE_NORMAL];
	char		same[NURTURE_PHONE_NORMAL];
	char	   *text = malloc(size + 1);
	size_t		domain;
	EmailKind	kind;

	require(text != NULL);
	memcpy(text, data, size);
	text[size] = '\0';
	kind = nurture_email_read(text, size, normal, &domain);
	if (kind == EMAIL_ERR)
		require(normal[0] == '\0');
	else
	{
		require(strlen(normal) < NURTURE_EMAIL_NORMAL);
		require(domain > 0 && normal[domain - 1] == '@');
		if (kind < EMAIL_DEPREC)
		{
			require(nurture_email_read(normal, strlen(normal), again, &domain) <= kind);
			require(strcmp(normal, again) == 0);
		}
	}
	if (nurture_domain_read(text, size, normal) == EMAIL_VALID)
	{
		require(nurture_domain_read(normal, strlen(normal), again) == EMAIL_VALID);
		require(strcmp(normal, again) == 0);
	}
	if (nurture_phone_read(text, size > 0 && data[0] % 2 ? "FR" : NULL, number))
	{
		require(nurture_phone_read(number, NULL, same));
		require(strcmp(number, same) == 0);
	}
	free(text);
	return 0;
}
