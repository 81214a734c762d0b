/*
 * condition_value.c
 *	  Numbers as exact codes, and how facts and operands compare.
 */
#include "condition_private.h"
#include "day.h"

#define NUMBER_DIGITS	6		/* decimals a code keeps */
#define NUMBER_LIMIT	(NURTURE_COND_NUMBER_MAX / 2)	/* in millionths */

/* Says whether c is a blank at the end of a fact. */
static bool
is_blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Answers text without the blanks at its ends. */
CondText
nurture_cond_trim(CondText all)
{
	while (all.len > 0 && is_blank(all.ptr[all.len - 1]))
		all.len--;
	while (all.len > 0 && is_blank(all.ptr[0]))
	{
		all.ptr++;
		all.len--;
	}
	return all;
}

/* Says whether c is a decimal digit. */
static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/*
 * Reads the exponent at *pos, which may be absent, up to the end of the text.
 * Held within +-10^9, beyond which it says the same of any text that fits in
 * memory.
 */
static bool
read_exponent(CondText t, size_t pos, int64_t *exponent)
{
	bool		negative = false;

	*exponent = 0;
	if (pos == t.len)
		return true;
	if (t.ptr[pos] != 'e' && t.ptr[pos] != 'E')
		return false;
	pos++;
	if (pos < t.len && (t.ptr[pos] == '-' || t.ptr[pos] == '+'))
		negative = t.ptr[pos++] == '-';
	if (pos == t.len)
		return false;
	for (; pos < t.len; pos++)
	{
		if (!is_digit(t.ptr[pos]))
			return false;
		if (*exponent < 1000000000)
			*exponent = *exponent * 10 + (t.ptr[pos] - '0');
	}
	if (negative)
		*exponent = -*exponent;
	return true;
}

/* Makes the code of sign and magnitude, clamping what is out of range. */
static int64_t
make_code(bool negative, uint64_t millionths, bool lost)
{
	if (millionths > NUMBER_LIMIT)
		return negative ? -NURTURE_COND_NUMBER_MAX - 1 :
			NURTURE_COND_NUMBER_MAX + 1;
	if (!negative)
		return 2 * (int64_t) millionths + (lost ? 1 : 0);

	/* floor: -0.5 millionths lie between -1 and 0, as code -1 does */
	return -2 * (int64_t) millionths - (lost ? 1 : 0);
}

/* Reads decimal text as a number code. */
bool
nurture_cond_number(const char *text, size_t len, int64_t *out)
{
	CondText	t;
	size_t		pos = 0;
	size_t		start;
	size_t		end;
	int64_t		digits_before = 0;	/* significant, before the point */
	int64_t		scale = 0;		/* digits after the point so far */
	int64_t		exponent;
	int64_t		keep;
	uint64_t	millionths = 0;
	bool		negative = false;
	bool		point = false;
	bool		any = false;
	bool		lost = false;
	bool		significant = false;

	t.len = len;
	t.ptr = text;

	t = nurture_cond_trim(t);
	if (t.len > 0 && (t.ptr[0] == '-' || t.ptr[0] == '+'))
		negative = t.ptr[pos++] == '-';
	start = pos;
	for (; pos < t.len; pos++)
	{
		char		c = t.ptr[pos];

		if (c == '.' && !point)
			point = true;
		else if (is_digit(c))
		{
			any = true;
			if (c != '0')
				significant = true;
			/* places of the first significant digit, counted from the point */
			if (!point && significant)
				digits_before++;
			else if (point && !significant)
				scale++;
		}
		else
			break;
	}
	end = pos;
	if (!any || !read_exponent(t, end, &exponent))
		return false;

	/*
	 * The value is 0.d1d2d3... * 10^(digits_before - scale + exponent), with
	 * d1 the first significant digit; so many of its digits are millionths.
	 */
	keep = digits_before - scale + exponent + NUMBER_DIGITS;
	if (significant && keep > 19)
	{
		*out = make_code(negative, UINT64_MAX, true);
		return true;
	}
	significant = false;
	for (pos = start; pos < end; pos++)
	{
		char		c = t.ptr[pos];

		if (c != '0' && c != '.')
			significant = true;
		if (c == '.' || !significant)
			continue;
		if (keep > 0)
		{
			millionths = millionths * 10 + (uint64_t) (c - '0');
			keep--;
		}
		else if (c != '0')
			lost = true;
	}
	if (significant)
	{
		for (; keep > 0; keep--)
			millionths *= 10;
	}
	*out = make_code(negative, millionths, lost);
	return true;
}

/* Makes the code of a whole number. */
int64_t
nurture_cond_number_of_int(int64_t n)
{
	bool		negative = n < 0;
	uint64_t	size = negative ? 0 - (uint64_t) n : (uint64_t) n;

	if (size > NUMBER_LIMIT / 1000000)
		return make_code(negative, UINT64_MAX, true);
	return make_code(negative, size * 1000000, false);
}

/*
 * Brings a fact into the form that compares: text without blanks at its ends,
 * nothing in it being not known.  Answers whether it is known.
 */
bool
nurture_cond_normal(CondValue *value)
{
	if (value->kind == COND_VALUE_TEXT)
	{
		value->text = nurture_cond_trim(value->text);
		if (value->text.len == 0)
			value->kind = COND_VALUE_UNKNOWN;
	}
	else if (value->kind == COND_VALUE_LIST && value->nitems <= 0)
		value->kind = COND_VALUE_UNKNOWN;
	return value->kind != COND_VALUE_UNKNOWN;
}

/*
 * Reads a single value as an operand of this kind; false if it does not
 * compare with one.  The table is in condition.h.
 */
bool
nurture_cond_value_as(const CondValue *value, CondOperandKind kind,
					  CondOperand *out)
{
	out->kind = kind;
	switch (kind)
	{
		case COND_OPERAND_TEXT:
			out->text = value->text;
			return value->kind == COND_VALUE_TEXT;
		case COND_OPERAND_NUMBER:
			out->number = value->number;
			return value->kind == COND_VALUE_NUMBER ||
				(value->kind == COND_VALUE_TEXT &&
				 nurture_cond_number(value->text.ptr, value->text.len,
									 &out->number));
		case COND_OPERAND_BOOL:
			out->truth = value->truth;
			return value->kind == COND_VALUE_BOOL;
		case COND_OPERAND_DAY:
			out->day = value->day;
			return value->kind == COND_VALUE_DAY ||
				(value->kind == COND_VALUE_TEXT &&
				 nurture_day_from_iso(value->text.ptr, value->text.len,
									  &out->day));
	}
	return false;
}

/* Answers the order of two texts by their bytes. */
static int
compare_text(CondText a, CondText b)
{
	size_t		n = a.len < b.len ? a.len : b.len;
	int			order = n > 0 ? memcmp(a.ptr, b.ptr, n) : 0;

	if (order != 0)
		return order;
	return (a.len > b.len) - (a.len < b.len);
}

/* Answers the order of two operands of one kind: below, at or above 0. */
int
nurture_cond_compare(const CondOperand *a, const CondOperand *b)
{
	switch (a->kind)
	{
		case COND_OPERAND_TEXT:
			return compare_text(a->text, b->text);
		case COND_OPERAND_NUMBER:
			return (a->number > b->number) - (a->number < b->number);
		case COND_OPERAND_BOOL:
			return (int) a->truth - (int) b->truth;
		case COND_OPERAND_DAY:
			return (a->day > b->day) - (a->day < b->day);
	}
	return 0;
}

/*
 * Answers the order in which lists are searched: that of
 * nurture_cond_compare, but texts by length first, which settles most
 * comparisons without reading them.
 */
int
nurture_cond_compare_sorted(const CondOperand *a, const CondOperand *b)
{
	if (a->kind == COND_OPERAND_TEXT && a->text.len != b->text.len)
		return a->text.len < b->text.len ? -1 : 1;
	return nurture_cond_compare(a, b);
}

/* Answers whether two known single values are the same. */
static NurtureTruth
same_single(const CondValue *a, const CondValue *b)
{
	/* texts come first: two of them are never compared as numbers or days */
	static const CondOperandKind kinds[] = {
		COND_OPERAND_TEXT, COND_OPERAND_NUMBER,
		COND_OPERAND_BOOL, COND_OPERAND_DAY
	};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
	{
		CondOperand x;
		CondOperand y;

		if (!nurture_cond_value_as(a, kinds[i], &x) ||
			!nurture_cond_value_as(b, kinds[i], &y))
			continue;
		if (nurture_cond_compare(&x, &y) != 0)
			return NURTURE_FALSE;
		if (kinds[i] == COND_OPERAND_NUMBER && x.number % 2 != 0)
			return NURTURE_UNKNOWN;
		return NURTURE_TRUE;
	}
	return NURTURE_UNKNOWN;
}

/* Answers item i of a known value; a single value is a list of one. */
static CondValue
item_of(const CondValue *list, int i)
{
	CondValue	item = *list;

	if (list->kind == COND_VALUE_LIST)
	{
		item.kind = COND_VALUE_TEXT;
		item.text = nurture_cond_trim(list->items[i]);
	}
	return item;
}

/* Answers whether every item of a is among those of b. */
static NurtureTruth
contained(const CondValue *a, const CondValue *b)
{
	int			na = a->kind == COND_VALUE_LIST ? a->nitems : 1;
	int			nb = b->kind == COND_VALUE_LIST ? b->nitems : 1;
	NurtureTruth all = NURTURE_TRUE;

	for (int i = 0; i < na && all != NURTURE_FALSE; i++)
	{
		CondValue	x = item_of(a, i);
		NurtureTruth found = NURTURE_FALSE;

		for (int j = 0; j < nb && found != NURTURE_TRUE; j++)
		{
			CondValue	y = item_of(b, j);

			found = nurture_truth_or(found, same_single(&x, &y));
		}
		all = nurture_truth_and(all, found);
	}
	return all;
}

/* Answers whether two known values are the same; lists compare as sets. */
NurtureTruth
nurture_cond_same(const CondValue *a, const CondValue *b)
{
	if (a->kind != COND_VALUE_LIST && b->kind != COND_VALUE_LIST)
		return same_single(a, b);
	return nurture_truth_and(contained(a, b), contained(b, a));
}
