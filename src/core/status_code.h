/*
 * status_code.h
 *	  Enhanced mail system status codes (RFC 3463) in what providers tell.
 */
#ifndef NURTURE_CORE_STATUS_CODE_H
#define NURTURE_CORE_STATUS_CODE_H

#include <stdbool.h>

#define NURTURE_STATUS_CODE 10	/* bytes that hold any code */

/*
 * Finds the first status code in a text, such as "5.1.1" in
 * "550 5.1.1 no such user", else the class alone of a reply code of SMTP, "5"
 * of "550"; false and "" when there is none.
 */
extern bool nurture_status_code(const char *text,
								char code[NURTURE_STATUS_CODE]);

/* Whether a code is the other or lies in its class: "5.1.1" in "5.1". */
extern bool nurture_status_within(const char *code, const char *class);

#endif							/* NURTURE_CORE_STATUS_CODE_H */
