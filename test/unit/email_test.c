/*
 * email_test.c
 *	  E-mail addresses against the vectors of is_email, normal forms, names
 *	  outside ASCII, and random bytes.
 */
#include <string.h>

#include "email.h"
#include "idn.h"
#include "property.h"

#define MAX_FIELD	2048

static EmailKind
kind_of(const char *text)
{
	char		normal[NURTURE_EMAIL_NORMAL];
	size_t		domain;

	return nurture_email_read(text, strlen(text), normal, &domain);
}

static bool
normal_is(const char *text, EmailKind kind, const char *wanted)
{
	char		normal[NURTURE_EMAIL_NORMAL];
	size_t		domain;
	EmailKind	found = nurture_email_read(text, strlen(text), normal, &domain);

	if (found == kind && strcmp(normal, wanted) == 0 &&
		(found == EMAIL_ERR || normal[domain - 1] == '@'))
		return true;
	printf("# %s: %s \"%s\"\n", text, nurture_email_kind_name(found), normal);
	return false;
}

/* Reads a field of a CSV file; answers what ended it. */
static int
read_field(FILE *file, char *field, size_t *len)
{
	int			c = fgetc(file);
	bool		quoted = c == '"';

	*len = 0;
	if (quoted)
		c = fgetc(file);
	for (; c != EOF; c = fgetc(file))
	{
		if (quoted && c == '"')
		{
			c = fgetc(file);
			if (c != '"')
				break;
		}
		else if (!quoted && (c == ',' || c == '\n' || c == '\r'))
			break;
		if (*len < MAX_FIELD - 1)
			field[(*len)++] = c;
	}
	field[*len] = '\0';
	if (c == '\r')
		c = fgetc(file);
	return c;
}

/*
 * What must be refused is, what must be accepted is, and the classes between
 * them are those of the vectors; what only the DNS can tell is not asked.
 */
static void
test_vectors(void)
{
	static const struct
	{
		const char *category;
		EmailKind	kind;
	}			classes[] = {
		{"ISEMAIL_VALID_CATEGORY", EMAIL_VALID},
		{"ISEMAIL_DNSWARN", EMAIL_VALID},
		{"ISEMAIL_RFC5321", EMAIL_RFC5321},
		{"ISEMAIL_CFWS", EMAIL_CFWS},
		{"ISEMAIL_DEPREC", EMAIL_DEPREC},
		{"ISEMAIL_RFC5322", EMAIL_RFC5322},
		{"ISEMAIL_ERR", EMAIL_ERR},
	};
	FILE	   *file = fopen("test/fixtures/isemail_vectors.csv", "rb");
	char		field[5][MAX_FIELD];
	size_t		len[5];
	int			rows = 0;
	int			end;

	CHECK(file != NULL);
	if (file == NULL)
		return;
	do
	{
		EmailKind	wanted = EMAIL_ERR;
		EmailKind	found;
		char		normal[NURTURE_EMAIL_NORMAL];
		size_t		domain;
		bool		known = false;
		bool		ok;

		for (int i = 0; i < 5; i++)
			end = read_field(file, field[i], &len[i]);
		for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++)
		{
			if (strcmp(classes[i].category, field[3]) != 0)
				continue;
			wanted = classes[i].kind;
			known = true;
		}
		if (!known)
			continue;			/* the heading, and the end */
		/* one row of seven with this diagnosis has another category */
		if (strcmp(field[4], "ISEMAIL_RFC5321_IPV6DEPRECATED") == 0)
			wanted = EMAIL_RFC5321;
		rows++;
		found = nurture_email_read(field[2], len[2], normal, &domain);
		ok = found == wanted;
		CHECK(ok);
		if (!ok)
			printf("# %s %s: \"%s\" %s, found %s\n", field[0], field[1],
				   field[2], field[4], nurture_email_kind_name(found));
	} while (end != EOF);
	fclose(file);
	CHECK(rows == 443);
}

static void
test_normal(void)
{
	CHECK(normal_is("Joe.Bloggs@Example.COM", EMAIL_VALID, "joe.bloggs@example.com"));
	CHECK(normal_is("\"Joe.Bloggs\"@example.com", EMAIL_RFC5321, "joe.bloggs@example.com"));
	CHECK(normal_is("\"j\\oe\"@example.com", EMAIL_RFC5321, "joe@example.com"));
	CHECK(normal_is("\"joe..b\"@example.com", EMAIL_RFC5321, "\"joe..b\"@example.com"));
	CHECK(normal_is("\"joe \\\"b\"@example.com", EMAIL_RFC5321, "\"joe \\\"b\"@example.com"));
	/* any blank is a space, quoted by a backslash or not */
	CHECK(normal_is("\"j\\\toe\"@example.com", EMAIL_RFC5321, "\"j oe\"@example.com"));
	CHECK(normal_is("\"j\toe\"@example.com", EMAIL_RFC5321, "\"j oe\"@example.com"));
	CHECK(normal_is("(c) joe (d)@(e) example.com (f)", EMAIL_DEPREC, "joe@example.com"));
	CHECK(normal_is("joe@example.com (home)", EMAIL_CFWS, "joe@example.com"));
	CHECK(normal_is("joe@[IPv6:2001:DB8::1]", EMAIL_RFC5321, "joe@[ipv6:2001:db8::1]"));
	CHECK(normal_is("joe@example", EMAIL_RFC5321, "joe@example"));
	CHECK(normal_is("joe@example.123", EMAIL_RFC5321, "joe@example.123"));
	CHECK(normal_is("Joe <joe@example.com>", EMAIL_ERR, ""));
	CHECK(normal_is("mailto:joe@example.com", EMAIL_ERR, ""));
	CHECK(normal_is("joe@example.com, jim@example.com", EMAIL_ERR, ""));
	CHECK(normal_is("joe@@example.com", EMAIL_ERR, ""));
	CHECK(normal_is("joe.@example.com", EMAIL_ERR, ""));
	CHECK(normal_is("", EMAIL_ERR, ""));
	CHECK(normal_is("joe+tag@example.com", EMAIL_VALID, "joe+tag@example.com"));
}

static void
test_international(void)
{
	uint32_t	points[64];
	char		label[64];

	CHECK(normal_is("joe@M\xC3\x9CLLER.de", EMAIL_VALID, "joe@xn--mller-kva.de"));
	CHECK(normal_is("joe@xn--mller-kva.de", EMAIL_VALID, "joe@xn--mller-kva.de"));
	CHECK(normal_is("joe@xn--MLLER-kva.de", EMAIL_VALID, "joe@xn--mller-kva.de"));
	CHECK(normal_is("J\xC3\x96rg@example.com", EMAIL_UTF8, "j\xC3\xB6rg@example.com"));
	/* Greek and Cyrillic test names of ICANN */
	CHECK(normal_is("a@\xCF\x80\xCE\xB1\xCF\x81\xCE\xAC\xCE\xB4\xCE\xB5\xCE\xB9\xCE\xB3\xCE\xBC\xCE\xB1.com",
					EMAIL_VALID, "a@xn--hxajbheg2az3al.com"));
	CHECK(normal_is("a@\xD0\x9F\xD0\xA0\xD0\x98\xD0\x9C\xD0\x95\xD0\xA0.com",
					EMAIL_VALID, "a@xn--e1afmkfd.com"));
	/* bad UTF-8, an overlong form, a surrogate, a mark of direction, a space */
	CHECK(kind_of("j\xC3@example.com") == EMAIL_ERR);
	CHECK(kind_of("j\xC0\xAF@example.com") == EMAIL_ERR);
	CHECK(kind_of("j\xED\xA0\x80@example.com") == EMAIL_ERR);
	CHECK(kind_of("j\xE2\x80\xAE@example.com") == EMAIL_ERR);
	CHECK(kind_of("j@ex\xC2\xA0mple.com") == EMAIL_ERR);
	/* RFC 3492 section 7.1 (B): simplified Chinese */
	points[0] = 0x4ED6;
	points[1] = 0x4EEC;
	points[2] = 0x4E3A;
	points[3] = 0x4EC0;
	points[4] = 0x4E48;
	points[5] = 0x4E0D;
	points[6] = 0x8BF4;
	points[7] = 0x4E2D;
	points[8] = 0x6587;
	CHECK(nurture_idn_label(points, 9, label, 63) == 28 &&
		  memcmp(label, "xn--ihqwcrb4cv8a8dqg056pqjye", 28) == 0);
	/* too long for a label */
	for (int i = 0; i < 60; i++)
		points[i] = 0x4ED6 + 7 * i;
	CHECK(nurture_idn_label(points, 60, label, 63) == 0);
}

static void
test_domain(void)
{
	char		normal[NURTURE_EMAIL_NORMAL];

	CHECK(nurture_domain_read("Example.COM", 11, normal) == EMAIL_VALID &&
		  strcmp(normal, "example.com") == 0);
	CHECK(nurture_domain_read("M\xC3\xBCller.de", 10, normal) == EMAIL_VALID &&
		  strcmp(normal, "xn--mller-kva.de") == 0);
	CHECK(nurture_domain_read("[1.2.3.4]", 9, normal) == EMAIL_ERR);
	CHECK(nurture_domain_read("a..b", 4, normal) == EMAIL_ERR);
	CHECK(nurture_domain_read("a b.com", 7, normal) == EMAIL_ERR);
	CHECK(nurture_domain_read("", 0, normal) == EMAIL_ERR);
}

/* A normal form is its own normal form and of a kind that is no worse. */
static void
test_random(void)
{
	static const char letters[] = "aB.@\"\\()[]: -_9\t\r\n\xC3\xBC\x80x";

	for (int i = 0; i < 200000; i++)
	{
		char		text[40];
		char		normal[NURTURE_EMAIL_NORMAL];
		char		again[NURTURE_EMAIL_NORMAL];
		size_t		len = random_below(30);
		size_t		domain;
		EmailKind	kind;

		for (size_t j = 0; j < len; j++)
			text[j] = letters[random_below(sizeof(letters) - 1)];
		if (len > 8)
			memcpy(text + random_below(len - 7), "@b.com", 6);
		kind = nurture_email_read(text, len, normal, &domain);
		if (kind == EMAIL_ERR)
		{
			CHECK(normal[0] == '\0');
			continue;
		}
		CHECK(strlen(normal) < NURTURE_EMAIL_NORMAL);
		CHECK(nurture_email_read(normal, strlen(normal), again, &domain) <= kind ||
			  kind >= EMAIL_DEPREC);
		CHECK(strcmp(normal, again) == 0 || kind >= EMAIL_DEPREC);
	}
}

int
main(void)
{
	property_start();
	test_vectors();
	test_normal();
	test_international();
	test_domain();
	test_random();
	return property_finish();
}
