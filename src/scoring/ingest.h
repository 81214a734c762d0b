/*
 * ingest.h
 *	  One event of nurture_ingest between reading and storing.
 */
#ifndef NURTURE_INGEST_H
#define NURTURE_INGEST_H

#include "base/compat.h"
#include "scoring/event_row.h"
#include "scoring/signal_match.h"
#include "utils/jsonb.h"

#define INGEST_MAX_TAGS 1000	/* tags of one event */

typedef struct IngestEvent
{
	Jsonb	   *payload;		/* as it came */
	const char *reason;			/* code why it cannot be stored, or NULL */
	char	   *detail;			/* the same in words */
	struct varlena *external_ref;	/* text, instead of a lead_id */
	Datum		values[EVENT_COLUMNS];	/* tags as a jsonb array */
	bool		nulls[EVENT_COLUMNS];
} IngestEvent;

extern void nurture_ingest_read(IngestEvent *event, const JsonbValue *value,
								const MatchRules *rules, TimestampTz latest);

#endif							/* NURTURE_INGEST_H */
