/*
 * jcs.c
 *	  Canonical JSON text: RFC 8785.
 */
#include "jcs.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

#define SHORT_DIGITS 15			/* every decimal of so many comes back */
#define ALL_DIGITS 17			/* enough for every double */

/* A decimal number: 0.d1 d2 ... dn times ten to the power point. */
typedef struct Decimal
{
	char		digits[24];
	int			n;
	int			point;
} Decimal;

/* Reads what %e has written of a number that is not negative. */
static void
read_decimal(const char *text, Decimal *d)
{
	const char *p = text;

	d->n = 0;
	for (; *p != 'e'; p++)
	{
		if (*p != '.')
			d->digits[d->n++] = *p;
	}
	d->point = (int) strtol(p + 1, NULL, 10) + 1;
	while (d->n > 1 && d->digits[d->n - 1] == '0')
		d->n--;
}

/* Tries the decimal of n digits next to the nearest one, above or below. */
static bool
neighbour(double value, const char *text, int n, int step, Decimal *d)
{
	char		other[64];
	uint64_t	digits = 0;
	int			exponent;
	const char *p = text;

	for (; *p != 'e'; p++)
	{
		if (*p != '.')
			digits = digits * 10 + (uint64_t) (*p - '0');
	}
	exponent = (int) strtol(p + 1, NULL, 10) - (n - 1);
	digits = step > 0 ? digits + 1 : digits - 1;
	snprintf(other, sizeof(other), "%" PRIu64 "e%d", digits, exponent);
	if (digits == 0 || strtod(other, NULL) != value)
		return false;
	snprintf(other, sizeof(other), "%" PRIu64, digits);
	d->n = (int) strlen(other);
	memcpy(d->digits, other, (size_t) d->n);
	d->point = exponent + d->n;
	while (d->n > 1 && d->digits[d->n - 1] == '0')
		d->n--;
	return true;
}

/*
 * Finds the fewest digits that are read as value again, and of these the ones
 * closest to it.  Below a power of two the doubles lie closer together than
 * above it, so the nearest decimal may be another double's while the next one
 * is ours.
 */
static void
shortest(double value, Decimal *d)
{
	char		text[40];

	for (int n = value >= DBL_MIN ? SHORT_DIGITS : 1; n <= ALL_DIGITS; n++)
	{
		snprintf(text, sizeof(text), "%.*e", n - 1, value);
		if (strtod(text, NULL) == value)
		{
			read_decimal(text, d);
			return;
		}
		if (neighbour(value, text, n, 1, d) || neighbour(value, text, n, -1, d))
			return;
	}
}

static void
add_zeros(CoreText *out, int n)
{
	while (n-- > 0)
		core_text_add(out, "0", 1);
}

size_t
nurture_jcs_number(double value, char *buf)
{
	CoreText	out;
	Decimal		d;

	core_text_start(&out, buf, NURTURE_JCS_NUMBER_SIZE);
	if (!isfinite(value))
		return 0;
	if (value == 0)				/* -0 too */
	{
		core_text_add(&out, "0", 1);
		return out.len;
	}
	if (value < 0)
		core_text_add(&out, "-", 1);
	shortest(fabs(value), &d);
	/* ECMA-262, Number::toString, steps 6 to 10 */
	if (d.n <= d.point && d.point <= 21)
	{
		core_text_add(&out, d.digits, (size_t) d.n);
		add_zeros(&out, d.point - d.n);
	}
	else if (0 < d.point && d.point <= 21)
	{
		core_text_add(&out, d.digits, (size_t) d.point);
		core_text_add(&out, ".", 1);
		core_text_add(&out, d.digits + d.point, (size_t) (d.n - d.point));
	}
	else if (-6 < d.point && d.point <= 0)
	{
		core_text_str(&out, "0.");
		add_zeros(&out, -d.point);
		core_text_add(&out, d.digits, (size_t) d.n);
	}
	else
	{
		core_text_add(&out, d.digits, 1);
		if (d.n > 1)
		{
			core_text_add(&out, ".", 1);
			core_text_add(&out, d.digits + 1, (size_t) (d.n - 1));
		}
		core_text_str(&out, d.point > 0 ? "e+" : "e-");
		core_text_int(&out, d.point > 0 ? d.point - 1 : 1 - d.point);
	}
	return out.len;
}

bool
nurture_jcs_read(const char *number, double *value)
{
	*value = strtod(number, NULL);
	return isfinite(*value);
}

/* The digits of a JSON number without zeros around them, one by one. */
typedef struct Digits
{
	const char *p;				/* next character */
	int			left;			/* digits that are not zeros at the end */
	long		point;			/* as in Decimal */
	bool		negative;
} Digits;

static void
begin_digits(const char *number, Digits *d)
{
	const char *p = number;
	const char *exponent;
	long		before = 0;		/* digits before the point, from the first
								 * that counts; negative: zeros after it */
	int			seen = 0;
	bool		fraction = false;

	d->negative = *p == '-';
	p += d->negative;
	exponent = p + strcspn(p, "eE");
	d->p = exponent;
	d->left = 0;
	for (; p < exponent; p++)
	{
		if (*p == '.')
		{
			fraction = true;
			continue;
		}
		if (seen == 0 && *p == '0')
		{
			before -= fraction;
			continue;
		}
		if (seen++ == 0)
			d->p = p;
		before += !fraction;
		if (*p != '0')
			d->left = seen;
	}
	d->point = before + (*exponent ? strtol(exponent + 1, NULL, 10) : 0);
}

static char
next_digit(Digits *d)
{
	if (d->left == 0)
		return '\0';
	d->left--;
	if (*d->p == '.')
		d->p++;
	return *d->p++;
}

bool
nurture_jcs_same(const char *a, const char *b)
{
	Digits		x;
	Digits		y;

	begin_digits(a, &x);
	begin_digits(b, &y);
	if (x.left == 0 || y.left == 0)
		return x.left == y.left;	/* both are zero */
	if (x.left != y.left || x.point != y.point || x.negative != y.negative)
		return false;
	while (x.left > 0)
	{
		if (next_digit(&x) != next_digit(&y))
			return false;
	}
	return true;
}

void
nurture_jcs_string(CoreText *out, const char *s, size_t len)
{
	size_t		from = 0;

	core_text_add(out, "\"", 1);
	for (size_t i = 0; i < len; i++)
	{
		unsigned char c = (unsigned char) s[i];
		char		escape[8];

		if (c >= 0x20 && c != '"' && c != '\\')
			continue;
		core_text_add(out, s + from, i - from);
		from = i + 1;
		if (c == '"' || c == '\\')
			snprintf(escape, sizeof(escape), "\\%c", c);
		else if (c >= '\b' && c <= '\r' && c != '\v')
			snprintf(escape, sizeof(escape), "\\%c", "btn-fr"[c - '\b']);
		else
			snprintf(escape, sizeof(escape), "\\u%04x", c);
		core_text_str(out, escape);
	}
	core_text_add(out, s + from, len - from);
	core_text_add(out, "\"", 1);
}

/*
 * UTF-8 keeps the order of code points.  UTF-16 differs where one character
 * needs surrogates (U+10000 and up, first byte F0 and up), which sort before
 * U+E000 to U+FFFF (first byte EE and EF).
 */
int
nurture_jcs_compare(const char *a, size_t alen, const char *b, size_t blen)
{
	size_t		n = alen < blen ? alen : blen;

	for (size_t i = 0; i < n; i++)
	{
		unsigned char x = (unsigned char) a[i];
		unsigned char y = (unsigned char) b[i];

		if (x == y)
			continue;
		if (x >= 0xF0 && (y == 0xEE || y == 0xEF))
			return -1;
		if (y >= 0xF0 && (x == 0xEE || x == 0xEF))
			return 1;
		return x < y ? -1 : 1;
	}
	return alen < blen ? -1 : alen > blen;
}

/* Merges two sorted lists of members. */
static CoreJson *
merge_members(CoreJson *a, CoreJson *b)
{
	CoreJson   *first = NULL;
	CoreJson  **last = &first;

	while (a && b)
	{
		CoreJson  **less = nurture_jcs_compare(a->key, a->key_len, b->key, b->key_len) <= 0 ? &a : &b;
		CoreJson   *member = *less;

		*less = member->next;
		*last = member;
		last = &member->next;
	}
	*last = a ? a : b;
	return first;
}

/* Sorts the first n members of a list. */
static CoreJson *
sort_members(CoreJson *list, int n)
{
	CoreJson   *rest = list;
	CoreJson   *end = list;

	if (n < 2)
		return list;
	for (int i = 1; i < n / 2; i++)
		end = end->next;
	rest = end->next;
	end->next = NULL;
	return merge_members(sort_members(list, n / 2), sort_members(rest, n - n / 2));
}

bool
nurture_jcs_write(CoreJson *value, CoreText *out)
{
	char		number[NURTURE_JCS_NUMBER_SIZE];
	double		parsed;

	switch (value->kind)
	{
		case CORE_JSON_NULL:
			core_text_str(out, "null");
			return true;
		case CORE_JSON_BOOL:
			core_text_str(out, value->truth ? "true" : "false");
			return true;
		case CORE_JSON_NUMBER:
			if (!nurture_jcs_read(value->text, &parsed))
				return false;
			core_text_add(out, number, nurture_jcs_number(parsed, number));
			return true;
		case CORE_JSON_STRING:
			nurture_jcs_string(out, value->text, value->len);
			return true;
		case CORE_JSON_ARRAY:
		case CORE_JSON_OBJECT:
			break;
	}
	if (value->kind == CORE_JSON_OBJECT)
		value->first = sort_members(value->first, value->count);
	core_text_str(out, value->kind == CORE_JSON_OBJECT ? "{" : "[");
	for (CoreJson *child = value->first; child; child = child->next)
	{
		if (child != value->first)
			core_text_str(out, ",");
		if (value->kind == CORE_JSON_OBJECT)
		{
			nurture_jcs_string(out, child->key, child->key_len);
			core_text_str(out, ":");
		}
		if (!nurture_jcs_write(child, out))
			return false;
	}
	core_text_str(out, value->kind == CORE_JSON_OBJECT ? "}" : "]");
	return true;
}
