/*
 * consent_say.h
 *	  Private to the gate room: recording what a lead said.
 */
#ifndef NURTURE_CONSENT_SAY_H
#define NURTURE_CONSENT_SAY_H

#include "base/compat.h"

/* A consent event; texts that are NULL take their defaults. */
typedef struct ConsentWords
{
	int64		lead_id;
	const char *kind;
	const char *channel;
	const char *purpose;		/* default marketing */
	const char *topic;			/* default * */
	const char *product;		/* likewise */
	const char *source;
	const char *evidence;		/* JSON */
	const char *notice_id;
	const char *notice_version;
	const char *actor;
	bytea	   *confirmed_for;	/* hash of the address, NULL = not told */
} ConsentWords;

/*
 * Records the event as of now with the rights of the current role; returns its
 * number.  Connected to SPI.
 */
extern int64 nurture_consent_say(const ConsentWords *words);

/*
 * Tells whether who records consent for this purpose may lock the lead's gate
 * row first, to decide by what has been said so far.  Where sensitive
 * inference is at stake, rows of activity come before it.
 */
extern bool nurture_consent_gate_first(const char *purpose);

#endif							/* NURTURE_CONSENT_SAY_H */
