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
#include "utils/builtins.h"
#include "utils/timestamp.h"

NURTURE_FUNCTION(nurture_latest_campaign);

/* $2 the moment, $3 what was recorded by then */
static KeptPlan read_latest = KEPT_PLAN("SELECT campaign FROM nurture.event"
										" WHERE lead_id OPERATOR(pg_catalog.=) $1 AND campaign IS NOT NULL"
										" AND occurred_at OPERATOR(pg_catalog.<=) $2 AND recorded_at OPERATOR(pg_catalog.<=) $3"
										" ORDER BY occurred_at DESC, event_id DESC LIMIT 1",
										INT8OID, TIMESTAMPTZOID, TIMESTAMPTZOID);

/* Reads the latest campaign with the rights of the current user. */
static char *
read_campaign(Subject *subject)
{
	Datum		values[3];
	char	   *campaign = NULL;

	values[0] = Int64GetDatum(subject->lead_id);
	values[1] = TimestampTzGetDatum(subject->now);
	values[2] = TimestampTzGetDatum(subject->past ? subject->known_at : DT_NOEND);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI");
	nurture_execute(&read_latest, values, NULL, !subject->fresh);
	if (SPI_processed > 0)
		campaign = MemoryContextStrdup(subject->context, nurture_cell_text(0, 1));
	SPI_finish();
	return campaign ? campaign : nurture_subject_text(subject, SUBJECT_CAMPAIGN);
}

/* Returns the latest campaign of a subject, for a condition. */
char	   *
nurture_campaign_latest(Subject *subject)
{
	OwnerSwitch save;
	char	   *campaign;

	nurture_owner_enter(&save);
	campaign = read_campaign(subject);
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
