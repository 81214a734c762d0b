/*
 * token.h
 *	  Private to the gate room: secrets that travel in links.
 */
#ifndef NURTURE_GATE_TOKEN_H
#define NURTURE_GATE_TOKEN_H

#include "base/compat.h"

extern char *nurture_token_text(const uint8 *bytes, int n);
extern int	nurture_token_bytes(const char *text, int len, uint8 *bytes,
								int max);
extern bool nurture_token_same(const uint8 *a, const uint8 *b, int n);
extern void nurture_token_put_number(uint8 *bytes, int64 number);
extern int64 nurture_token_number(const uint8 *bytes);

#endif							/* NURTURE_GATE_TOKEN_H */
