/*
 * json.h
 *	  A strict reader of JSON (RFC 8259) for the documents the core compiles.
 *
 * Strict means: UTF-8 without byte order mark, one value and nothing after it,
 * no duplicate member names, no \u0000, no lone surrogates, no leading zeros,
 * no comments or trailing commas.  Numbers keep their text, so that whoever
 * reads them decides how exact they must be.  The tree and all its texts live
 * in the caller's arena; the input need not outlive the call.
 */
#ifndef NURTURE_CORE_JSON_H
#define NURTURE_CORE_JSON_H

#include <stdbool.h>
#include <stddef.h>

#include "arena.h"

#define NURTURE_JSON_MAX_DEPTH	128 /* arrays and objects inside each other */
#define NURTURE_JSON_MAX_VALUES 65536	/* values in one document */
#define NURTURE_JSON_MAX_MEMBERS 1024	/* members of one object */
#define NURTURE_JSON_MAX_BYTES	(16 * 1024 * 1024)	/* of one document */

typedef enum CoreJsonKind
{
	CORE_JSON_NULL,
	CORE_JSON_BOOL,
	CORE_JSON_NUMBER,
	CORE_JSON_STRING,
	CORE_JSON_ARRAY,
	CORE_JSON_OBJECT
} CoreJsonKind;

typedef struct CoreJson CoreJson;

struct CoreJson
{
	CoreJsonKind kind;
	bool		truth;			/* of a BOOL */
	int			count;			/* elements or members */
	int			index;			/* place in the parent, from 0 */
	const char *text;			/* STRING: decoded; NUMBER: as written */
	size_t		len;			/* bytes in text, which is NUL-terminated too */
	const char *key;			/* name as member of an object, else NULL */
	size_t		key_len;
	const CoreJson *parent;		/* NULL for the document */
	CoreJson   *first;			/* first element or member */
	CoreJson   *next;			/* next in the same parent */
};

typedef struct CoreJsonError
{
	char		path[256];		/* JSON pointer of the value at fault */
	char		message[160];	/* what is wrong, lower case, no period */
	size_t		offset;			/* byte in the input */
} CoreJsonError;

/* Reads a document; NULL with *error filled when it is not valid. */
extern CoreJson *nurture_json_parse(const char *json, size_t len,
									const CoreArena *arena,
									CoreJsonError *error);

/* Answers the member of an object with this name, or NULL. */
extern const CoreJson *nurture_json_member(const CoreJson *object,
										   const char *key);

/*
 * Writes the JSON pointer (RFC 6901) of a value, "" for the document itself;
 * answers the length it needs, as snprintf does.
 */
extern size_t nurture_json_path(const CoreJson *value, char *buf, size_t size);

#endif							/* NURTURE_CORE_JSON_H */
