/*
 * consent_fold.c
 *	  From the events of a lead to the state of each scope.
 */
#include "base/compat.h"

#include "gate/consent_fold.h"
#include "utils/timestamp.h"

/* Tells whether an event was entered in error, by one that says so. */
static bool
in_error(int64 id, uint64 nevents)
{
	for (uint64 row = 0; row < nevents; row++)
	{
		bool		null;
		int64		named = DatumGetInt64(nurture_cell(row, 10, &null));

		if (!null && named == id)
			return true;
	}
	return false;
}

/*
 * Applies one event to the state before it.  A request asks and settles
 * nothing.  A grant after a confirmed one keeps the confirmation.
 */
static void
apply_event(ConsentScope *scope, ConsentState kind, uint64 row)
{
	bool		null;
	Datum		value;

	switch (kind)
	{
		case CONSENT_NONE:
		case CONSENT_ENTERED_IN_ERROR:
			return;
		case CONSENT_REQUESTED:
			if (scope->state != CONSENT_NONE &&
				scope->state != CONSENT_REQUESTED)
				return;
			break;
		case CONSENT_EXPIRED:
			if (nurture_consent_forbids(scope->state))
				return;
			break;
		case CONSENT_GIVEN:
		case CONSENT_RENEWED:
			if (scope->state == CONSENT_CONFIRMED)
				kind = CONSENT_CONFIRMED;
			break;
		default:
			break;
	}
	scope->state = kind;
	scope->since = DatumGetTimestampTz(nurture_cell(row, 6, &null));
	value = nurture_cell(row, 7, &null);
	scope->expires_at = null ? DT_NOEND : DatumGetTimestampTz(value);
	scope->legal_basis = nurture_cell_text(row, 8);
	scope->consent_event_id = DatumGetInt64(nurture_cell(row, 9, &null));
}

/*
 * Returns the state of each scope in the last result of SPI, which has
 * CONSENT_FOLD_COLUMNS in CONSENT_FOLD_ORDER.  Grants that have run out at an
 * instant become expired; DT_NOEND leaves them, for who asks later.
 */
ConsentScope *
nurture_consent_fold(int *nscopes, TimestampTz at)
{
	uint64		nevents = SPI_processed;
	ConsentScope *scopes = palloc0(sizeof(ConsentScope) * Max(nevents, 1));
	int			n = 0;

	for (uint64 row = 0; row < nevents; row++)
	{
		char	   *words[4];
		ConsentScope *scope = n > 0 ? &scopes[n - 1] : NULL;
		bool		null;

		for (int i = 0; i < 4; i++)
			words[i] = nurture_cell_text(row, i + 1);
		if (scope == NULL || strcmp(scope->channel, words[0]) != 0 ||
			strcmp(scope->purpose, words[1]) != 0 ||
			strcmp(scope->topic, words[2]) != 0 ||
			strcmp(scope->product, words[3]) != 0)
		{
			scope = &scopes[n++];
			scope->channel = words[0];
			scope->purpose = words[1];
			scope->topic = words[2];
			scope->product = words[3];
			scope->expires_at = DT_NOEND;
		}
		if (in_error(DatumGetInt64(nurture_cell(row, 9, &null)), nevents))
			continue;
		apply_event(scope, nurture_consent_state(nurture_cell_text(row, 5)),
					row);
	}
	for (int i = 0; i < n && at != DT_NOEND; i++)
	{
		if (nurture_consent_permits(scopes[i].state) &&
			scopes[i].expires_at <= at)
			scopes[i].state = CONSENT_EXPIRED;
	}
	*nscopes = n;
	return scopes;
}
