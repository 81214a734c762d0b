/*
 * campaign.c
 *	  The latest campaign of a lead.
 *
 * It is read from the events when it is asked for: a column kept by their
 * trigger would be written with every event, and asked for now and then.
 */
#include "base/compat.h"

#include "base/clock.h"
#include "base/owner.h"
#include "base/plans.h"
#include "catalog/pg_type.h"
#include "facts/campaign.h"
#include "facts/event_past.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

NURTURE_FUNCTION(nurture_latest_campaign);

static KeptPlan read_latest = KEPT_PLAN("SELECT campaign FROM nurture.event"
										" WHERE lead_id OPERATOR(pg_catalog.=) $1 AND campaign IS NOT NULL"
										" AND occurred_at OPERATOR(pg_catalog.<=) $2"
										" ORDER BY occurred_at DESC, event_id DESC LIMIT 1",
										INT8OID, TIMESTAMPTZOID);

/* $1 the lead, as bigint[], $2 the moment, $3 what was known by then */
static KeptPlan read_known = KEPT_PLAN(EVENTS_KNOWN "SELECT campaign FROM known"
									   " WHERE campaign IS NOT NULL AND occurred_at <= $2"
									   " ORDER BY occurred_at DESC, event_id DESC LIMIT 1",
									   INT8ARRAYOID, TIMESTAMPTZOID, TIMESTAMPTZOID);

/* Returns what a query found, NULL when nothing. */
static char *
found_campaign(Subject *subject)
{
	if (SPI_processed == 0)
		return NULL;
	return MemoryContextStrdup(subject->context, nurture_cell_text(0, 1));
}

/* Reads the latest campaign with the rights of the current user. */
static char *
read_campaign(Subject *subject)
{
	Datum		values[2];
	char	   *campaign;

	values[0] = Int64GetDatum(subject->lead_id);
	values[1] = TimestampTzGetDatum(subject->now);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI");
	nurture_execute(&read_latest, values, NULL, !subject->fresh);
	campaign = found_campaign(subject);
	SPI_finish();
	return campaign ? campaign : nurture_subject_text(subject, SUBJECT_CAMPAIGN);
}

/* Reads the latest campaign of a subject of the past. */
static char *
read_past_campaign(Subject *subject)
{
	Datum		lead_id = Int64GetDatum(subject->lead_id);
	Datum		values[3];
	char	   *campaign;
	int			level = nurture_spi_connect();

	values[0] = PointerGetDatum(construct_array(&lead_id, 1, INT8OID, 8, FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
	values[1] = TimestampTzGetDatum(subject->now);
	values[2] = TimestampTzGetDatum(subject->known_at);
	nurture_execute(&read_known, values, NULL, true);
	campaign = found_campaign(subject);
	nurture_spi_finish(level);
	return campaign ? campaign : nurture_subject_text(subject, SUBJECT_CAMPAIGN);
}

/* Returns the latest campaign of a subject, for a condition. */
char	   *
nurture_campaign_latest(Subject *subject)
{
	OwnerSwitch save;
	char	   *campaign;

	nurture_owner_enter(&save);
	campaign = subject->past ? read_past_campaign(subject) : read_campaign(subject);
	nurture_owner_leave(&save);
	return campaign;
}

/*
 * nurture_latest_campaign(lead_id bigint) returns text
 *
 * With the caller's rights on the lead and its events; of the survivor when
 * the lead was merged.
 */
Datum
nurture_latest_campaign(PG_FUNCTION_ARGS)
{
	Subject    *subject = nurture_subject_load(PG_GETARG_INT64(0), nurture_now_statement(), false);
	char	   *campaign = NULL;

	if (subject != NULL && TIMESTAMP_IS_NOBEGIN(subject->erased_at))
		campaign = read_campaign(subject);
	if (campaign == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(campaign));
}
