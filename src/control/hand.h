/*
 * hand.h
 *	  Private to the control room: persons and what they signed.
 */
#ifndef NURTURE_HAND_H
#define NURTURE_HAND_H

#include "base/compat.h"
#include "integration/versions.h"

typedef struct Person
{
	const char *name;			/* NULL: not known */
	const char *login;			/* NULL: nobody logged in */
} Person;

/* Who publishes while the tick carries out what somebody has asked for. */
extern const Person *nurture_publishing_for;

/* SHA-256, in hex, of the canonical text of what a version says; NULL when there is none. */
extern char *nurture_version_hash(const VersionedKind *kind, const char *code, int version);

/* Reads status, author and login of a version, and may lock it; NULL when there is none. */
extern char *nurture_version_status(const VersionedKind *kind, const char *code, int version,
									bool lock, Person *author);

#endif							/* NURTURE_HAND_H */
