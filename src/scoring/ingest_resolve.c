/*
 * ingest_resolve.c
 *	  Whom events are about: leads by number, reference or identity,
 *	  organisations by number or reference.
 *
 * Who is not found may just be on its way in another transaction.  So the
 * keys of those are locked against whoever makes them known, and looked up
 * once more; only then an event waits.
 */
#include "base/compat.h"

#include "base/plans.h"
#include "catalog/pg_type.h"
#include "facts/identity.h"
#include "scoring/ingest.h"
#include "utils/builtins.h"

static KeptPlan resolve_keys = KEPT_PLAN(
										 "SELECT u.i, CASE WHEN u.kind = 'account'"
										 " THEN (SELECT a.account_id FROM nurture.account a WHERE a.external_ref = u.value)"
										 " ELSE @extschema@.nurture_resolve(u.kind, u.value) END"
										 " FROM unnest($1, $2) WITH ORDINALITY AS u(kind, value, i)",
										 TEXTARRAYOID, TEXTARRAYOID);
static KeptPlan missing_leads = KEPT_PLAN(
										  "SELECT u.i FROM unnest($1) WITH ORDINALITY AS u(lead_id, i)"
										  " WHERE NOT EXISTS (SELECT FROM nurture.lead l WHERE l.lead_id = u.lead_id)",
										  INT8ARRAYOID);
static KeptPlan erased_leads = KEPT_PLAN(
										 "SELECT u.i FROM unnest($1) WITH ORDINALITY AS u(lead_id, i)"
										 " JOIN nurture.lead l ON l.lead_id = u.lead_id AND l.erased_at IS NOT NULL",
										 INT8ARRAYOID);
static KeptPlan missing_accounts = KEPT_PLAN(
											 "SELECT u.i FROM unnest($1) WITH ORDINALITY AS u(account_id, i)"
											 " WHERE NOT EXISTS (SELECT FROM nurture.account a WHERE a.account_id = u.account_id)",
											 INT8ARRAYOID);

/* Looks up the keys of some events; those found get their number. */
static void
look_up(IngestEvent **asked, int n)
{
	Datum	   *kinds = palloc(n * sizeof(Datum));
	Datum	   *values = palloc(n * sizeof(Datum));
	Datum		parameters[2];
	bool		isnull;

	for (int i = 0; i < n; i++)
	{
		kinds[i] = CStringGetTextDatum(asked[i]->kind);
		values[i] = CStringGetTextDatum(asked[i]->value);
	}
	parameters[0] = nurture_ingest_array(kinds, NULL, n, TEXTOID);
	parameters[1] = nurture_ingest_array(values, NULL, n, TEXTOID);
	(void) nurture_execute_latest(&resolve_keys, parameters, NULL, false);
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		IngestEvent *event = asked[DatumGetInt64(nurture_cell(row, 1, &isnull)) - 1];
		Datum		number = nurture_cell(row, 2, &isnull);

		if (isnull)
			continue;
		event->values[EVENT_LEAD_ID] = Int64GetDatum(DatumGetInt64(number));
		event->nulls[EVENT_LEAD_ID] = false;
	}
	SPI_freetuptable(SPI_tuptable);
}

/* Keeps those that still have no number; returns how many. */
static int
unresolved(IngestEvent **asked, int n)
{
	int			left = 0;

	for (int i = 0; i < n; i++)
	{
		if (asked[i]->nulls[EVENT_LEAD_ID])
			asked[left++] = asked[i];
	}
	return left;
}

/* Gives a reason to events with a number that is nobody's. */
static void
check_numbers(IngestEvent *events, int n, bool of_account)
{
	IngestEvent **asked = palloc(Max(n, 1) * sizeof(IngestEvent *));
	Datum	   *values = palloc(Max(n, 1) * sizeof(Datum));
	Datum		parameter;
	int			nasked = 0;
	bool		isnull;

	for (int i = 0; i < n; i++)
	{
		if (events[i].reason == NULL && events[i].of_account == of_account)
		{
			values[nasked] = events[i].values[EVENT_LEAD_ID];
			asked[nasked++] = &events[i];
		}
	}
	if (nasked == 0)
		return;
	parameter = nurture_ingest_array(values, NULL, nasked, INT8OID);
	(void) nurture_execute_latest(of_account ? &missing_accounts : &missing_leads,
								  &parameter, NULL, false);
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		IngestEvent *event = asked[DatumGetInt64(nurture_cell(row, 1, &isnull)) - 1];

		if (of_account)
			nurture_ingest_set_reason(event, "unknown_account",
									  "there is no organisation with this account_id");
		else
			nurture_ingest_set_reason(event, "unknown_lead",
									  "there is no lead with this lead_id");
	}
	SPI_freetuptable(SPI_tuptable);
	if (of_account)
		return;
	(void) nurture_execute_latest(&erased_leads, &parameter, NULL, false);
	for (uint64 row = 0; row < SPI_processed; row++)
		nurture_ingest_set_reason(asked[DatumGetInt64(nurture_cell(row, 1, &isnull)) - 1],
								  "erased", "the lead was erased");
	SPI_freetuptable(SPI_tuptable);
}

/* Finds the leads and organisations that events name. */
void
nurture_ingest_resolve(IngestEvent *events, int n)
{
	IngestEvent **asked = palloc(Max(n, 1) * sizeof(IngestEvent *));
	int			nasked = 0;

	for (int i = 0; i < n; i++)
	{
		if (events[i].reason == NULL && events[i].kind != NULL)
			asked[nasked++] = &events[i];
	}
	if (nasked > 0)
	{
		look_up(asked, nasked);
		nasked = unresolved(asked, nasked);
	}
	if (nasked > 0)
	{
		const char **keys = palloc(nasked * sizeof(char *));

		for (int i = 0; i < nasked; i++)
			asked[i]->waits_for = keys[i] = nurture_identity_key(asked[i]->kind, asked[i]->value);
		nurture_identity_lock(keys, nasked, true);
		look_up(asked, nasked);
		nasked = unresolved(asked, nasked);
	}
	for (int i = 0; i < nasked; i++)
		nurture_ingest_set_reason(asked[i], "unidentified",
								  asked[i]->of_account ?
								  "account_ref belongs to no organisation" :
								  strcmp(asked[i]->kind, "crm_id") == 0 ?
								  "external_ref belongs to no lead, or to more than one" :
								  "no lead is known by this identity");
	check_numbers(events, n, false);
	check_numbers(events, n, true);
}
