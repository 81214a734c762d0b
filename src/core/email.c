/*
 * email.c
 *	  Reads e-mail addresses.
 */
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "email.h"
#include "idn.h"

#define MAX_LOCAL		64		/* RFC 5321 section 4.5.3.1.1 */
#define MAX_DOMAIN		255		/* section 4.5.3.1.2 */
#define MAX_ADDRESS		254		/* RFC 3696 erratum 1690 */
#define MAX_LABEL		63		/* RFC 1035 section 2.3.4 */
#define MAX_COMMENTS	32		/* within one another */

typedef struct Reader
{
	const unsigned char *at;
	const unsigned char *end;
	EmailKind	kind;			/* the worst so far */
	char	   *out;			/* normal form */
	size_t		used;
} Reader;

/* What stands between two words: comments, white space, or nothing. */
typedef struct Gap
{
	bool		comment;
	bool		space;
} Gap;

static void
note(Reader *reader, EmailKind kind)
{
	if (kind > reader->kind)
		reader->kind = kind;
}

static void
put(Reader *reader, unsigned char c)
{
	reader->out[reader->used++] = c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c;
}

static bool
more(const Reader *reader)
{
	return reader->at < reader->end;
}

static bool
next_is(const Reader *reader, unsigned char c)
{
	return more(reader) && *reader->at == c;
}

static bool
is_alnum(unsigned char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
		(c >= 'A' && c <= 'Z');
}

static bool
is_atext(unsigned char c)
{
	return is_alnum(c) || (c != 0 && strchr("!#$%&'*+-/=?^_`{|}~", c) != NULL);
}

/* Reads a blank of folding white space; false when a line break is bad. */
static bool
read_blank(Reader *reader, int *folds)
{
	if (*reader->at != '\r')
	{
		reader->at++;
		return true;
	}
	/* CRLF, and what follows must be a blank on the next line */
	if (reader->end - reader->at < 3 || reader->at[1] != '\n' ||
		(reader->at[2] != ' ' && reader->at[2] != '\t'))
		return false;
	reader->at += 2;
	if (++*folds > 1)
		note(reader, EMAIL_DEPREC);
	return true;
}

static bool
at_blank(const Reader *reader)
{
	return more(reader) && (*reader->at == ' ' || *reader->at == '\t' ||
							*reader->at == '\r');
}

static bool
skip_spaces(Reader *reader)
{
	int			folds = 0;

	while (at_blank(reader))
	{
		if (!read_blank(reader, &folds))
			return false;
	}
	return true;
}

/* Reads what a backslash quotes; the backslash is read. */
static bool
read_quoted_pair(Reader *reader, unsigned char *c)
{
	if (!more(reader) || *reader->at > 127)
		return false;
	*c = *reader->at++;
	if ((*c < 32 && *c != '\t') || *c == 127)
		note(reader, EMAIL_DEPREC);
	return true;
}

static bool
skip_comment(Reader *reader)
{
	int			depth = 0;

	do
	{
		unsigned char c;

		if (!more(reader))
			return false;
		if (at_blank(reader))
		{
			if (!skip_spaces(reader))
				return false;
			continue;
		}
		c = *reader->at++;
		if (c == '(')
		{
			if (++depth > MAX_COMMENTS)
				return false;
		}
		else if (c == ')')
			depth--;
		else if (c == '\\')
		{
			if (!read_quoted_pair(reader, &c))
				return false;
		}
		else if (c > 127 || c == 0 || c == '\n')
			return false;
		else if (c < 32 || c == 127)
			note(reader, EMAIL_DEPREC);
	} while (depth > 0);
	return true;
}

static bool
skip_gap(Reader *reader, Gap *gap)
{
	gap->comment = gap->space = false;
	for (;;)
	{
		if (at_blank(reader))
		{
			gap->space = true;
			if (!skip_spaces(reader))
				return false;
		}
		else if (next_is(reader, '('))
		{
			gap->comment = true;
			if (!skip_comment(reader))
				return false;
		}
		else
			return true;
	}
}

static bool
any(Gap gap)
{
	return gap.comment || gap.space;
}

/* Writes a quoted string as it compares: without quotes where it can be. */
static void
put_quoted(Reader *reader, const unsigned char *word, size_t len)
{
	bool		atom = len > 0 && word[0] != '.' && word[len - 1] != '.';

	for (size_t i = 0; atom && i < len; i++)
		atom = is_atext(word[i]) ||
			(word[i] == '.' && word[i - 1] != '.');
	if (!atom)
		put(reader, '"');
	for (size_t i = 0; i < len; i++)
	{
		if (word[i] == '"' || word[i] == '\\')
			put(reader, '\\');
		put(reader, word[i]);
	}
	if (!atom)
		put(reader, '"');
}

/* Reads a quoted string; its first quote is read. */
static bool
read_quoted(Reader *reader, size_t *length)
{
	unsigned char word[NURTURE_EMAIL_MAX];
	size_t		len = 0;
	const unsigned char *begin = reader->at - 1;

	for (;;)
	{
		unsigned char c;

		if (!more(reader))
			return false;
		if (at_blank(reader))
		{
			if (*reader->at == '\r')
			{
				/* the blanks that follow it are read as what they are */
				int			folds = 0;

				if (!read_blank(reader, &folds))
					return false;
				note(reader, EMAIL_CFWS);
				continue;
			}
			word[len++] = ' ';
			reader->at++;
			continue;
		}
		c = *reader->at++;
		if (c == '"')
			break;
		if (c == '\\')
		{
			if (!read_quoted_pair(reader, &c))
				return false;
			/* any blank compares as a space, quoted or not */
			if (c == '\t')
				c = ' ';
		}
		else if (c > 127 || c == 0 || c == '\n')
			return false;
		else if (c < 32 || c == 127)
			note(reader, EMAIL_DEPREC);
		word[len++] = c;
	}
	put_quoted(reader, word, len);
	*length += reader->at - begin;
	return true;
}

/* Reads an atom of the local part; answers its length, 0 when it is bad. */
static size_t
read_atom(Reader *reader)
{
	const unsigned char *begin = reader->at;

	while (more(reader))
	{
		uint32_t	point;
		size_t		n;

		if (is_atext(*reader->at))
		{
			put(reader, *reader->at++);
			continue;
		}
		if (*reader->at < 0x80)
			break;
		n = nurture_utf8_read(reader->at, reader->end - reader->at, &point);
		if (n == 0 || !nurture_idn_letter(point))
			return 0;
		reader->used += nurture_utf8_write(nurture_idn_lower(point),
										   reader->out + reader->used);
		reader->at += n;
		note(reader, EMAIL_UTF8);
	}
	return reader->at - begin;
}

/* Reads the local part and the @ behind it. */
static bool
read_local(Reader *reader)
{
	size_t		length = 0;

	for (int word = 0;; word++)
	{
		Gap			before;
		Gap			after;

		if (!skip_gap(reader, &before) || !more(reader))
			return false;
		if (any(before))
			note(reader, word == 0 ? EMAIL_CFWS : EMAIL_DEPREC);
		if (*reader->at == '"')
		{
			reader->at++;
			if (!read_quoted(reader, &length))
				return false;
			/* all of it or, in an obsolete form, a word of it */
			note(reader, word == 0 ? EMAIL_RFC5321 : EMAIL_DEPREC);
			if (next_is(reader, '.'))
				note(reader, EMAIL_DEPREC);
		}
		else
		{
			size_t		n = read_atom(reader);

			if (n == 0)
				return false;
			length += n;
		}
		if (!skip_gap(reader, &after) || !more(reader))
			return false;
		if (any(after))
			note(reader, EMAIL_DEPREC);
		if (*reader->at == '@')
			break;
		if (*reader->at != '.')
			return false;
		put(reader, *reader->at++);
		length++;
	}
	if (length > MAX_LOCAL)
		note(reader, EMAIL_RFC5322);
	put(reader, *reader->at++);
	return true;
}

/* Tells whether text is four numbers to 255 with dots between them. */
static bool
is_ipv4(const char *text, size_t len)
{
	int			parts = 0;
	size_t		i = 0;

	for (;;)
	{
		int			value = 0;
		size_t		digits = 0;

		while (i < len && text[i] >= '0' && text[i] <= '9' && digits < 3)
		{
			value = value * 10 + (text[i++] - '0');
			digits++;
		}
		if (digits == 0 || value > 255)
			return false;
		if (++parts == 4)
			return i == len;
		if (i == len || text[i++] != '.')
			return false;
	}
}

/* Tells whether text is an IPv6 address (RFC 4291 section 2.2). */
static bool
is_ipv6(const char *text, size_t len)
{
	int			groups = 0;
	bool		skipped = false;
	size_t		i = 0;

	if (len < 2 || (text[0] == ':' && text[1] != ':'))
		return false;
	while (i < len)
	{
		size_t		digits = 0;

		if (text[i] == ':')
		{
			/* at the start, or the second one of a pair */
			if (i == 0)
				i++;
			if (skipped || i >= len || text[i] != ':')
				return false;
			skipped = true;
			i++;
			continue;
		}
		for (size_t j = i; j < len && text[j] != ':'; j++)
		{
			if (text[j] == '.')
			{
				if (!is_ipv4(text + i, len - i))
					return false;
				groups += 2;
				i = len;
				break;
			}
		}
		if (i == len)
			break;
		while (i < len && digits < 5 &&
			   strchr("0123456789abcdef", text[i]) != NULL)
		{
			i++;
			digits++;
		}
		if (digits == 0 || digits > 4)
			return false;
		groups++;
		if (i == len)
			break;
		if (text[i] != ':' || i + 1 == len)
			return false;
		i++;
	}
	return skipped ? groups <= 7 : groups == 8;
}

/* Reads an address literal; its bracket is read. */
static bool
read_literal(Reader *reader)
{
	size_t		begin;
	const char *text;
	size_t		len;
	EmailKind	found = EMAIL_RFC5321;

	put(reader, '[');
	begin = reader->used;
	for (;;)
	{
		unsigned char c;

		if (!more(reader))
			return false;
		if (at_blank(reader))
		{
			note(reader, EMAIL_CFWS);
			if (!skip_spaces(reader))
				return false;
			continue;
		}
		c = *reader->at++;
		if (c == ']')
			break;
		if (c == '\\')
		{
			found = EMAIL_RFC5322;
			if (!read_quoted_pair(reader, &c))
				return false;
		}
		else if (c > 127 || c == 0 || c == '[' || c == '\n')
			return false;
		else if (c < 33 || c == 127)
			found = EMAIL_RFC5322;
		put(reader, c);
	}
	text = reader->out + begin;
	len = reader->used - begin;
	if (!is_ipv4(text, len) &&
		(len < 5 || memcmp(text, "ipv6:", 5) != 0 ||
		 !is_ipv6(text + 5, len - 5)))
		found = EMAIL_RFC5322;
	note(reader, found);
	put(reader, ']');
	return true;
}

/* Reads a label and writes it; false when there is none or it is bad. */
static bool
read_label(Reader *reader)
{
	uint32_t	points[NURTURE_EMAIL_MAX];
	size_t		n = 0;
	const unsigned char *begin = reader->at;
	bool		ascii = true;

	while (more(reader))
	{
		size_t		bytes = 1;
		uint32_t	point = *reader->at;

		if (point >= 0x80)
		{
			bytes = nurture_utf8_read(reader->at, reader->end - reader->at,
									  &point);
			if (bytes == 0 || !nurture_idn_letter(point))
				return false;
			ascii = false;
		}
		else if (!is_atext(*reader->at))
			break;
		else if (!is_alnum(*reader->at) && *reader->at != '-')
			note(reader, EMAIL_RFC5322);
		points[n++] = nurture_idn_lower(point);
		reader->at += bytes;
	}
	if (reader->at == begin || *begin == '-' || reader->at[-1] == '-')
		return false;
	if (ascii)
	{
		if (n > MAX_LABEL)
			note(reader, EMAIL_RFC5322);
		for (size_t i = 0; i < n; i++)
			put(reader, points[i]);
	}
	else
	{
		char		label[MAX_LABEL + 1];
		size_t		len = nurture_idn_label(points, n, label, MAX_LABEL);

		if (len == 0)
		{
			/* longer than a label may be: as it is, to compare */
			note(reader, EMAIL_RFC5322);
			for (size_t i = 0; i < n; i++)
				reader->used += nurture_utf8_write(points[i],
												   reader->out + reader->used);
		}
		for (size_t i = 0; i < len; i++)
			put(reader, label[i]);
	}
	return true;
}

/* Reads the domain up to the end. */
static bool
read_domain(Reader *reader)
{
	size_t		begin = reader->used;
	size_t		last = begin;
	int			labels = 0;
	bool		literal = false;

	for (;; labels++)
	{
		Gap			before;
		Gap			after;

		if (!skip_gap(reader, &before) || !more(reader))
			return false;
		if (any(before))
			note(reader, EMAIL_DEPREC);
		last = reader->used;
		literal = *reader->at == '[';
		if (literal)
		{
			reader->at++;
			if (!read_literal(reader))
				return false;
		}
		else if (!read_label(reader))
			return false;
		if (!skip_gap(reader, &after))
			return false;
		if (any(after))
			note(reader, EMAIL_CFWS);
		if (!more(reader))
			break;
		if (*reader->at != '.' || literal)
			return false;
		put(reader, *reader->at++);
	}
	if (literal && labels > 0)
		note(reader, EMAIL_RFC5322);
	if (reader->used - begin > MAX_DOMAIN || reader->used > MAX_ADDRESS)
		note(reader, EMAIL_RFC5322);

	/*
	 * Of domains with one label only those of countries may take mail: ICANN
	 * prohibits it for all others (resolution 2013.08.13.NG02).
	 */
	if (!literal &&
		((labels == 0 && reader->used - last != 2) ||
		 (reader->out[last] >= '0' && reader->out[last] <= '9')))
		note(reader, EMAIL_RFC5321);
	return true;
}

/* Reads an address; see email.h. */
EmailKind
nurture_email_read(const char *text, size_t len,
				   char normal[NURTURE_EMAIL_NORMAL], size_t *domain)
{
	Reader		reader = {
		.at = (const unsigned char *) text,
		.end = (const unsigned char *) text + len,.kind = EMAIL_VALID,
		.out = normal
	};

	if (len <= NURTURE_EMAIL_MAX && read_local(&reader))
	{
		*domain = reader.used;
		if (read_domain(&reader))
		{
			normal[reader.used] = '\0';
			return reader.kind;
		}
	}
	normal[0] = '\0';
	*domain = 0;
	return EMAIL_ERR;
}

/* Reads a domain; see email.h. */
EmailKind
nurture_domain_read(const char *text, size_t len,
					char normal[NURTURE_EMAIL_NORMAL])
{
	Reader		reader = {
		.at = (const unsigned char *) text,
		.end = (const unsigned char *) text + len,.kind = EMAIL_VALID,
		.out = normal
	};

	if (len <= NURTURE_EMAIL_MAX && read_domain(&reader) &&
		reader.kind <= EMAIL_RFC5321 && normal[0] != '[')
	{
		normal[reader.used] = '\0';
		return EMAIL_VALID;
	}
	normal[0] = '\0';
	return EMAIL_ERR;
}

/* Returns the name of a kind. */
const char *
nurture_email_kind_name(EmailKind kind)
{
	static const char *const names[] = {"valid", "utf8", "rfc5321", "cfws",
	"deprec", "rfc5322", "err"};

	return names[kind];
}
