/*
 * idn.c
 *	  Letters outside ASCII in e-mail addresses.
 */
#include <string.h>

#include "idn.h"

/* parameters of Punycode, RFC 3492 section 5 */
#define BASE			36
#define TMIN			1
#define TMAX			26
#define SKEW			38
#define DAMP			700
#define INITIAL_BIAS	72
#define INITIAL_N		128

/* Reads one code point; see idn.h. */
size_t
nurture_utf8_read(const unsigned char *text, size_t len, uint32_t *point)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t		n;
	uint32_t	value;

	if (len == 0)
		return 0;
	if (text[0] < 0x80)
	{
		*point = text[0];
		return 1;
	}
	n = (text[0] & 0xE0) == 0xC0 ? 2 : (text[0] & 0xF0) == 0xE0 ? 3 :
		(text[0] & 0xF8) == 0xF0 ? 4 : 0;
	if (n == 0 || n > len)
		return 0;
	value = text[0] & (0x7F >> n);
	for (size_t i = 1; i < n; i++)
	{
		if ((text[i] & 0xC0) != 0x80)
			return 0;
		value = value << 6 | (text[i] & 0x3F);
	}
	if (value < least[n] || value > 0x10FFFF ||
		(value >= 0xD800 && value <= 0xDFFF))
		return 0;
	*point = value;
	return n;
}

/* Writes one code point; see idn.h. */
size_t
nurture_utf8_write(uint32_t point, char *to)
{
	if (point < 0x80)
	{
		to[0] = point;
		return 1;
	}
	if (point < 0x800)
	{
		to[0] = 0xC0 | point >> 6;
		to[1] = 0x80 | (point & 0x3F);
		return 2;
	}
	if (point < 0x10000)
	{
		to[0] = 0xE0 | point >> 12;
		to[1] = 0x80 | (point >> 6 & 0x3F);
		to[2] = 0x80 | (point & 0x3F);
		return 3;
	}
	to[0] = 0xF0 | point >> 18;
	to[1] = 0x80 | (point >> 12 & 0x3F);
	to[2] = 0x80 | (point >> 6 & 0x3F);
	to[3] = 0x80 | (point & 0x3F);
	return 4;
}

/* Tells whether a code point may stand in an address; see idn.h. */
bool
nurture_idn_letter(uint32_t point)
{
	return point > 0xA0 && point != 0xAD && point != 0x1680 &&
		point != 0x180E && !(point >= 0x2000 && point <= 0x206F) &&
		point != 0x3000 && !(point >= 0xE000 && point <= 0xF8FF) &&
		point != 0xFEFF && !(point >= 0xFFF0 && point <= 0xFFFF) &&
		point < 0xE0000;
}

/* Answers the lower-case letter; see idn.h. */
uint32_t
nurture_idn_lower(uint32_t point)
{
	if (point < 0x80)
		return point >= 'A' && point <= 'Z' ? point + 32 : point;
	if (point >= 0xC0 && point <= 0xDE && point != 0xD7)
		return point + 32;
	if (point >= 0x100 && point <= 0x17E)
	{
		if (point == 0x178)
			return 0xFF;
		/* capitals are even, but odd between U+0139 and U+0148 and at the end */
		if ((point >= 0x139 && point <= 0x148) || point >= 0x179)
			return point % 2 == 1 ? point + 1 : point;
		if (point == 0x130 || point == 0x131 || point == 0x138 ||
			point == 0x149)
			return point;
		return point % 2 == 0 ? point + 1 : point;
	}
	if (point == 0x386)
		return 0x3AC;
	if (point >= 0x388 && point <= 0x38A)
		return point + 37;
	if (point == 0x38C)
		return 0x3CC;
	if (point == 0x38E || point == 0x38F)
		return point + 63;
	if (point >= 0x391 && point <= 0x3AB && point != 0x3A2)
		return point + 32;
	if (point >= 0x400 && point <= 0x40F)
		return point + 80;
	if (point >= 0x410 && point <= 0x42F)
		return point + 32;
	return point == 0x1E9E ? 0xDF : point;
}

static uint32_t
adapt(uint32_t delta, uint32_t count, bool first)
{
	uint32_t	k = 0;

	delta = first ? delta / DAMP : delta / 2;
	delta += delta / count;
	for (; delta > (BASE - TMIN) * TMAX / 2; k += BASE)
		delta /= BASE - TMIN;
	return k + (BASE - TMIN + 1) * delta / (delta + SKEW);
}

/* Writes a label as A-label; see idn.h. */
size_t
nurture_idn_label(const uint32_t *points, size_t n, char *to, size_t max)
{
	uint32_t	next = INITIAL_N;
	uint32_t	bias = INITIAL_BIAS;
	uint32_t	delta = 0;
	size_t		used = 4;
	size_t		done = 0;
	size_t		basic;

	/* so long a label never fits, and no sum below overflows */
	if (max < used || n > max)
		return 0;
	memcpy(to, "xn--", used);
	for (size_t i = 0; i < n; i++)
	{
		if (points[i] >= 0x80)
			continue;
		if (used == max)
			return 0;
		to[used++] = points[i];
		done++;
	}
	basic = done;
	if (basic > 0)
	{
		if (used == max)
			return 0;
		to[used++] = '-';
	}
	while (done < n)
	{
		uint32_t	least = UINT32_MAX;

		for (size_t i = 0; i < n; i++)
		{
			if (points[i] >= next && points[i] < least)
				least = points[i];
		}
		delta += (least - next) * (done + 1);
		next = least;
		for (size_t i = 0; i < n; i++)
		{
			uint32_t	q = delta;

			if (points[i] < next)
				delta++;
			if (points[i] != next)
				continue;
			q = delta;
			for (uint32_t k = BASE;; k += BASE)
			{
				uint32_t	t = k <= bias ? TMIN : k >= bias + TMAX ? TMAX :
				k - bias;
				uint32_t	digit = q < t ? q : t + (q - t) % (BASE - t);

				if (used == max)
					return 0;
				to[used++] = digit < 26 ? 'a' + digit : '0' + (digit - 26);
				if (q < t)
					break;
				q = (q - t) / (BASE - t);
			}
			bias = adapt(delta, done + 1, done == basic);
			delta = 0;
			done++;
		}
		delta++;
		next++;
	}
	return used;
}
