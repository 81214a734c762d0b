/*
 * token.c
 *	  Secrets that travel in links: their text, and how it is compared.
 */
#include "base/compat.h"

#include "gate/token.h"

static const char digits[] =
"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/*
 * Returns bytes as base64url without padding (RFC 4648, section 5): nothing
 * in it has to be escaped in a URL or a header.
 */
char	   *
nurture_token_text(const uint8 *bytes, int n)
{
	char	   *text = palloc(n / 3 * 4 + 5);
	char	   *to = text;

	for (int i = 0; i < n; i += 3)
	{
		uint32		group = bytes[i] << 16;

		if (i + 1 < n)
			group |= bytes[i + 1] << 8;
		if (i + 2 < n)
			group |= bytes[i + 2];
		*to++ = digits[group >> 18];
		*to++ = digits[group >> 12 & 63];
		if (i + 1 < n)
			*to++ = digits[group >> 6 & 63];
		if (i + 2 < n)
			*to++ = digits[group & 63];
	}
	*to = '\0';
	return text;
}

/*
 * Reads the first len characters of a text back into bytes; answers how many,
 * or -1 when nurture_token_text would not have written it so, or it is more
 * than max.
 */
int
nurture_token_bytes(const char *text, int len, uint8 *bytes, int max)
{
	uint32		group = 0;
	int			bits = 0;
	int			n = 0;

	if (len % 4 == 1)
		return -1;
	for (int i = 0; i < len; i++)
	{
		const char *digit = text[i] ? strchr(digits, text[i]) : NULL;

		if (digit == NULL)
			return -1;
		group = (group << 6 | (digit - digits)) & 0xFFFFF;
		bits += 6;
		if (bits < 8)
			continue;
		bits -= 8;
		if (n == max)
			return -1;
		bytes[n++] = group >> bits & 0xFF;
	}
	/* what is left over is written as zero */
	return (group & ((1 << bits) - 1)) == 0 ? n : -1;
}

/*
 * Tells whether two secrets are the same, in a time that does not tell where
 * they differ.
 */
bool
nurture_token_same(const uint8 *a, const uint8 *b, int n)
{
	volatile uint8 differ = 0;

	for (int i = 0; i < n; i++)
		differ |= a[i] ^ b[i];
	return differ == 0;
}

/* Writes a number as eight bytes, highest first. */
void
nurture_token_put_number(uint8 *bytes, int64 number)
{
	for (int i = 0; i < 8; i++)
		bytes[i] = (uint64) number >> (56 - 8 * i) & 0xFF;
}

/* Reads what nurture_token_put_number wrote. */
int64
nurture_token_number(const uint8 *bytes)
{
	uint64		number = 0;

	for (int i = 0; i < 8; i++)
		number = number << 8 | bytes[i];
	return (int64) number;
}
