/*
 * jcs.h
 *	  The JSON Canonicalization Scheme (RFC 8785): one text for one document.
 *
 * Members come in the order of their names as UTF-16 code units, texts are
 * escaped as little as JSON allows, numbers are what ECMAScript's
 * Number.prototype.toString gives for the nearest double, and nothing stands
 * between the tokens.
 *
 * The digits of a number are found here and not with the server's ryu: that
 * never takes a decimal that lies on the border between two doubles, and so
 * says 9.999999999999999e+22 where ECMAScript says 1e+23.
 */
#ifndef NURTURE_CORE_JCS_H
#define NURTURE_CORE_JCS_H

#include <stdbool.h>
#include <stddef.h>

#include "json.h"
#include "json_text.h"

#define NURTURE_JCS_NUMBER_SIZE 32	/* bytes of the longest number, with NUL */

/*
 * Writes a double as ECMAScript does; answers its length, 0 for infinities
 * and NaN, which JSON does not have.
 */
extern size_t nurture_jcs_number(double value, char *buf);

/*
 * Answers the double that is nearest to a JSON number; false when it is
 * beyond the range.
 */
extern bool nurture_jcs_read(const char *number, double *value);

/* Tells whether two JSON numbers are the same decimal number. */
extern bool nurture_jcs_same(const char *a, const char *b);

/* Appends a text in quotes, escaped. */
extern void nurture_jcs_string(CoreText *out, const char *s, size_t len);

/* Compares two names, UTF-8, by their UTF-16 code units. */
extern int	nurture_jcs_compare(const char *a, size_t alen,
								const char *b, size_t blen);

/*
 * Appends a document.  Sorts the members of its objects on the way.  False
 * when a number is beyond the range of doubles.
 */
extern bool nurture_jcs_write(CoreJson *value, CoreText *out);

#endif							/* NURTURE_CORE_JCS_H */
