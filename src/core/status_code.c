/*
 * status_code.c
 *	  Enhanced mail system status codes.
 */
#include <stddef.h>
#include <string.h>

#include "status_code.h"

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Returns where one to three digits end, NULL when there are none or more. */
static const char *
number(const char *text)
{
	const char *end = text;

	while (is_digit(*end))
		end++;
	return end > text && end - text <= 3 ? end : NULL;
}

/* Returns where class.subject.detail ends, NULL when it is none. */
static const char *
enhanced(const char *text)
{
	const char *end;

	if (*text != '2' && *text != '4' && *text != '5')
		return NULL;
	if (text[1] != '.' || (end = number(text + 2)) == NULL || *end != '.')
		return NULL;
	end = number(end + 1);
	/* four numbers are an address of the internet */
	return end != NULL && *end == '.' && is_digit(end[1]) ? NULL : end;
}

/* Finds the first status code; see status_code.h. */
bool
nurture_status_code(const char *text, char code[NURTURE_STATUS_CODE])
{
	const char *reply = NULL;
	char		before = ' ';

	for (const char *p = text; *p; before = *p++)
	{
		const char *end;

		if (!is_digit(*p) || is_digit(before) || before == '.')
			continue;
		end = enhanced(p);
		if (end != NULL)
		{
			memcpy(code, p, end - p);
			code[end - p] = '\0';
			return true;
		}
		if (reply == NULL && (*p == '2' || *p == '4' || *p == '5') &&
			number(p) == p + 3 && (p[3] != '.' || !is_digit(p[4])))
			reply = p;
	}
	code[0] = reply ? *reply : '\0';
	code[1] = '\0';
	return reply != NULL;
}

/* Tells whether a code lies in a class; see status_code.h. */
bool
nurture_status_within(const char *code, const char *class)
{
	size_t		n = strlen(class);

	return n == 0 ||
		(strncmp(code, class, n) == 0 && (code[n] == '\0' || code[n] == '.'));
}
