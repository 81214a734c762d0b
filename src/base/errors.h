/*
 * errors.h
 *	  SQLSTATEs of class NU: what a client of nurture may want to branch on.
 *
 * Everything else uses PostgreSQL's own codes.  Messages never carry personal
 * data: codes, numbers and names of rules only.
 */
#ifndef NURTURE_ERRORS_H
#define NURTURE_ERRORS_H

#include "base/compat.h"
#include "mb/pg_wchar.h"

#define NURTURE_ERRCODE_REFUSED			MAKE_SQLSTATE('N','U','0','0','1')	/* message refused,
																			 * refuse_with_error is
																			 * on */
#define NURTURE_ERRCODE_NOT_INSTALLED	MAKE_SQLSTATE('N','U','0','0','2')	/* schema nurture
																			 * missing or of another
																			 * version */
#define NURTURE_ERRCODE_UNKNOWN_CODE	MAKE_SQLSTATE('N','U','0','0','3')	/* unknown event type,
																			 * signal, model, ... */
#define NURTURE_ERRCODE_UNKNOWN_LEAD	MAKE_SQLSTATE('N','U','0','0','4')	/* no such lead, or not
																			 * visible to the caller */
#define NURTURE_ERRCODE_BAD_CONDITION	MAKE_SQLSTATE('N','U','0','0','5')	/* condition document
																			 * not understood */
#define NURTURE_ERRCODE_PUBLISHED		MAKE_SQLSTATE('N','U','0','0','6')	/* published version
																			 * cannot be changed */
#define NURTURE_ERRCODE_BAD_STATE		MAKE_SQLSTATE('N','U','0','0','7')	/* move not in the state
																			 * graph */
#define NURTURE_ERRCODE_APPEND_ONLY		MAKE_SQLSTATE('N','U','0','0','8')	/* protected rows:
																			 * audit, messages,
																			 * consent events */
#define NURTURE_ERRCODE_BYPASS			MAKE_SQLSTATE('N','U','0','0','9')	/* a guarded path was
																			 * bypassed or altered */
#define NURTURE_ERRCODE_MODEL_CHECK		MAKE_SQLSTATE('N','U','0','1','0')	/* the check found
																			 * errors in a draft */

#define NURTURE_ERRCODE_CONFIRM			MAKE_SQLSTATE('N','U','0','1','1')	/* goes far: the caller
																			 * must confirm */

#define NURTURE_ERRCODE_TOKEN			MAKE_SQLSTATE('N','U','0','1','2')	/* token not ours, used
																			 * or expired */

/* Returns a word of a client's as a message tells it: whole characters only. */
static inline const char *
nurture_clipped(const char *word)
{
	int			length = strlen(word);

	return length <= 64 ? word : pnstrdup(word, pg_mbcliplen(word, length, 64));
}

#endif							/* NURTURE_ERRORS_H */
