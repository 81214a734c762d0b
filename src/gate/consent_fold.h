/*
 * consent_fold.h
 *	  Private to the gate room: from consent events to the state of a scope.
 */
#ifndef NURTURE_CONSENT_FOLD_H
#define NURTURE_CONSENT_FOLD_H

#include "base/compat.h"
#include "gate/gate_private.h"

/* What nurture_consent_fold expects in the last result of SPI. */
#define CONSENT_FOLD_COLUMNS \
	"SELECT e.channel, e.purpose, e.topic, e.product, e.kind," \
	" LEAST(e.occurred_at, e.recorded_at)," \
	" e.expires_at, e.legal_basis, e.consent_event_id," \
	" CASE WHEN e.kind OPERATOR(pg_catalog.=) 'entered_in_error'::pg_catalog.text" \
	" THEN (e.evidence OPERATOR(pg_catalog.->>) 'consent_event_id'::pg_catalog.text)" \
	"::pg_catalog.int8 END, e.contact_point_hashes"
/* dated ahead of its recording, a grant would win over every later opt-out */
#define CONSENT_FOLD_ORDER \
	" ORDER BY e.channel, e.purpose, e.topic, e.product," \
	" LEAST(e.occurred_at, e.recorded_at), e.consent_event_id"

typedef struct ConsentScope
{
	char	   *channel;
	char	   *purpose;
	char	   *topic;
	char	   *product;
	ConsentState state;			/* CONSENT_NONE: nothing that counts */
	TimestampTz since;			/* never later than it was recorded */
	TimestampTz expires_at;		/* DT_NOEND = never */
	char	   *legal_basis;	/* NULL = consent */
	int64		consent_event_id;
	bool		bound;			/* confirmed for some addresses: */
	Datum		hashes;			/* a bytea[] */
} ConsentScope;

extern ConsentScope *nurture_consent_fold(int *nscopes, TimestampTz at);

#endif							/* NURTURE_CONSENT_FOLD_H */
