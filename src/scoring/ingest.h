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
	bool		of_account;		/* about an organisation, without a lead */
	const char *kind;			/* of the identity that says who, or
								 * "account"; NULL = said by number */
	char	   *value;			/* of that, in its normal form */
	const char *waits_for;		/* key, when its reason is "unidentified" */
	Datum		values[EVENT_COLUMNS];	/* tags as a jsonb array; lead_id is
										 * account_id of an organisation's */
	bool		nulls[EVENT_COLUMNS];
} IngestEvent;

/* What became of a batch of events. */
typedef struct IngestCounts
{
	int64		inserted;
	int64		duplicates;
	int64		quarantined;
	int64		unidentified;
} IngestCounts;

extern void nurture_ingest_read(IngestEvent *event, const JsonbValue *value,
								const MatchRules *rules, TimestampTz latest);
extern void nurture_ingest_set_reason(IngestEvent *event, const char *reason,
									  const char *detail);

/*
 * Finds the leads and organisations that events name; as the owner, connected
 * to SPI.  Those that are not found get a reason, and the keys they wait for
 * are locked until the transaction ends.
 */
extern void nurture_ingest_resolve(IngestEvent *events, int n);

/*
 * Stores the events that have no reason against it, with the rights of the
 * current role; those that the tables refuse get one.  Connected to SPI.
 */
extern void nurture_ingest_store(IngestEvent *events, int n,
								 IngestCounts *counts);

/* An array of one of the types that columns of events have. */
extern Datum nurture_ingest_array(Datum *values, bool *nulls, int n, Oid type);

extern void nurture_ingest_count(const IngestEvent *events, int n,
								 IngestCounts *counts);
extern Datum nurture_ingest_result(FunctionCallInfo fcinfo,
								   const IngestCounts *counts);
extern void nurture_replay_init(void);

#endif							/* NURTURE_INGEST_H */
