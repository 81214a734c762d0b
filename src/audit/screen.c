/*
 * screen.c
 *	  Takes out of a person's words who they are about: entries are hashed and
 *	  outlive the lead.
 *
 * What can be told is taken: the name of the lead and the longer words of it,
 * its addresses, and whatever looks like an e-mail address or a phone number.
 * A nickname cannot be told; who writes reasons is asked not to name anybody.
 */
#include "base/compat.h"

#include "audit/audit.h"
#include "base/plans.h"
#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"

#define WORDS_MAX	1000		/* bytes of an entry's reason */
#define TAKEN		"[...]"
#define NAME_MIN	4			/* letters of a word that is a name */
#define PHONE_MIN	9			/* digits of a number that is no date */

/* and of those merged into it, whose words it inherits */
static KeptPlan find_names =
KEPT_PLAN("SELECT l.full_name, l.email, l.phone FROM nurture.lead l WHERE l.lead_id = $1"
		  " UNION ALL SELECT l.full_name, l.email, l.phone FROM nurture.lead l WHERE l.merged_into = $1",
		  INT8OID);

static bool
is_word(unsigned char c)
{
	return IS_HIGHBIT_SET(c) || isalnum(c);
}

/* Replaces a text wherever it stands as a whole word. */
static char *
take_out(char *words, const char *what)
{
	int			len = (int) strlen(what);
	StringInfoData left;

	if (len == 0)
		return words;
	initStringInfo(&left);
	for (const char *p = words; *p != '\0';)
	{
		if (pg_strncasecmp(p, what, len) == 0 && !is_word(p[len]) &&
			(p == words || !is_word(p[-1])))
		{
			appendStringInfoString(&left, TAKEN);
			p += len;
		}
		else
			appendStringInfoChar(&left, *p++);
	}
	return left.data;
}

/* Replaces a name, and the longer words of it. */
static char *
take_name(char *words, char *name)
{
	words = take_out(words, name);
	for (char *part = strtok(name, " \t,"); part != NULL; part = strtok(NULL, " \t,"))
	{
		if (pg_mbstrlen(part) >= NAME_MIN)
			words = take_out(words, part);
	}
	return words;
}

/* Replaces the name of the lead and its addresses. */
static char *
take_lead(char *words, int64 lead_id)
{
	MemoryContext context = CurrentMemoryContext;
	Datum		value = Int64GetDatum(lead_id);
	int			level = nurture_spi_connect();

	MemoryContextSwitchTo(context);
	(void) nurture_execute_latest(&find_names, &value, NULL, false);
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		for (int column = 1; column <= 3; column++)
		{
			char	   *said = nurture_cell_text(row, column);

			if (said == NULL || strlen(said) < NAME_MIN)
				continue;
			words = column == 1 ? take_name(words, said) : take_out(words, said);
		}
	}
	nurture_spi_finish(level);
	return words;
}

/* Tells how long what looks like a phone number is; 0 when it is none. */
static int
phone_length(const char *p)
{
	const char *start = p;
	const char *end = p;
	int			digits = 0;

	for (p += *p == '+'; *p != '\0' && strchr("0123456789 -./()", *p) != NULL; p++)
	{
		if (isdigit((unsigned char) *p))
		{
			digits++;
			end = p + 1;
		}
	}
	return digits >= (*start == '+' ? PHONE_MIN - 2 : PHONE_MIN) ? (int) (end - start) : 0;
}

/* Replaces what looks like an address, whoever's it is. */
static char *
take_addresses(const char *words)
{
	StringInfoData left;
	bool		inside = false; /* a number or word */

	initStringInfo(&left);
	for (const char *p = words; *p != '\0';)
	{
		int			word = (int) strcspn(p, " \t\r\n,;<>()\"'");
		const char *at = memchr(p, '@', word);
		int			phone = inside ? 0 : phone_length(p);

		if (!inside && at != NULL && at > p && memchr(at, '.', p + word - at) != NULL)
		{
			appendStringInfoString(&left, TAKEN);
			p += word;
			continue;
		}
		if (phone > 0)
		{
			appendStringInfoString(&left, TAKEN);
			p += phone;
			continue;
		}
		inside = is_word(*p);
		appendStringInfoChar(&left, *p++);
	}
	return left.data;
}

/* Returns the words as they may outlive the lead. */
const char *
nurture_audit_screen(const char *words, const int64 *lead_id)
{
	char	   *left;

	if (words == NULL || words[strcspn(words, " 0123456789@")] == '\0')
		return words;			/* a code */
	left = pnstrdup(words, pg_mbcliplen(words, (int) strlen(words), WORDS_MAX));
	if (lead_id != NULL)
		left = take_lead(left, *lead_id);
	return take_addresses(left);
}
