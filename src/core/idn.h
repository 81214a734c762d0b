/*
 * idn.h
 *	  Letters outside ASCII in e-mail addresses: UTF-8 and A-labels.
 */
#ifndef NURTURE_CORE_IDN_H
#define NURTURE_CORE_IDN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Reads one code point (RFC 3629); answers its bytes, 0 when they are bad. */
extern size_t nurture_utf8_read(const unsigned char *text, size_t len,
								uint32_t *point);

/* Writes one code point; answers how many bytes, up to 4. */
extern size_t nurture_utf8_write(uint32_t point, char *to);

/*
 * Whether a code point outside ASCII may stand in an address: no control, no
 * space, no general punctuation or mark of direction, nothing private.
 */
extern bool nurture_idn_letter(uint32_t point);

/*
 * Answers the lower-case letter of one of ASCII, Latin up to U+017F, Greek or
 * Cyrillic, every other code point itself.
 */
extern uint32_t nurture_idn_lower(uint32_t point);

/*
 * Writes a label as A-label, "xn--" and its Punycode (RFC 3492).  Answers its
 * length, 0 when it does not fit into max bytes.
 */
extern size_t nurture_idn_label(const uint32_t *points, size_t n, char *to,
								size_t max);

#endif							/* NURTURE_CORE_IDN_H */
