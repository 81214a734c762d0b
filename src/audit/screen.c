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

#include "access/xact.h"
#include "audit/screen.h"
#include "base/read.h"
#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"

#define WORDS_MAX	1000		/* bytes of an entry's reason */
#define TAKEN		"[...]"
#define NAME_MIN	4			/* letters of a word that is a name */
#define PHONE_MIN	9			/* digits of a number that is no date */

enum
{
	LEAD_NAME, LEAD_EMAIL, LEAD_PHONE, LEAD_COLUMNS
};

static KeptRead find_lead = {
	"lead", {{"lead_id", INT8OID}}, {
		[LEAD_NAME] = {"full_name", TEXTOID},
		[LEAD_EMAIL] = {"email", TEXTOID},
		[LEAD_PHONE] = {"phone", TEXTOID}
	}
};

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

/* Replaces the name of the lead and its addresses. */
static char *
take_lead(char *words, int64 lead_id)
{
	char	   *texts[LEAD_COLUMNS] = {NULL};
	Datum		id = Int64GetDatum(lead_id);
	RowRead		read;

	CommandCounterIncrement();
	PushActiveSnapshot(GetLatestSnapshot());
	nurture_read_open(&read, &find_lead, GetActiveSnapshot());
	nurture_read_find(&read, &id);
	if (nurture_read_next(&read))
	{
		for (int i = 0; i < LEAD_COLUMNS; i++)
			texts[i] = nurture_read_text(&read, i);
	}
	nurture_read_close(&read);
	PopActiveSnapshot();
	for (int i = 0; i < LEAD_COLUMNS; i++)
	{
		if (texts[i] != NULL && strlen(texts[i]) >= NAME_MIN)
			words = take_out(words, texts[i]);
	}
	for (char *part = texts[LEAD_NAME] ? strtok(texts[LEAD_NAME], " \t,") : NULL;
		 part != NULL; part = strtok(NULL, " \t,"))
	{
		if (pg_mbstrlen(part) >= NAME_MIN)
			words = take_out(words, part);
	}
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
