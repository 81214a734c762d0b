/*
 * consent_fold.c
 *	  From the events of a lead to the state of each scope.
 */
#include "base/compat.h"

#include "gate/consent_fold.h"
#include "utils/timestamp.h"

/* An event that says of another one that it was entered in error. */
typedef struct Correction
{
	int64		id;
	int64		wrong;
} Correction;

static int
compare_corrections(const void *a, const void *b)
{
	int64		x = ((const Correction *) a)->id;
	int64		y = ((const Correction *) b)->id;

	return x > y ? -1 : x < y;
}

static bool
is_wrong(const Correction *corrections, int n, int64 id)
{
	for (int i = 0; i < n; i++)
	{
		if (corrections[i].wrong == id)
			return true;
	}
	return false;
}

/*
 * Collects the corrections that hold.  A correction can be entered in error
 * like any event; it names an earlier one, so that the newest always holds.
 */
static Correction *
read_corrections(uint64 nevents, int *n)
{
	Correction *all = palloc(sizeof(Correction) * Max(nevents, 1));
	int			nall = 0;

	*n = 0;
	for (uint64 row = 0; row < nevents; row++)
	{
		bool		null;
		int64		wrong = DatumGetInt64(nurture_cell(row, 10, &null));
		int64		id;

		if (null)
			continue;
		id = DatumGetInt64(nurture_cell(row, 9, &null));
		if (wrong >= id)
			continue;
		all[nall].id = id;
		all[nall++].wrong = wrong;
	}
	if (nall > 1)
		qsort(all, nall, sizeof(Correction), compare_corrections);
	for (int i = 0; i < nall; i++)
	{
		if (!is_wrong(all, *n, all[i].id))
			all[(*n)++] = all[i];
	}
	return all;
}

/* Tells whether an explicit grant is in force at an instant. */
static bool
explicit_stands(const ConsentScope *scope, TimestampTz at)
{
	return nurture_consent_permits(scope->state) && scope->expires_at > at &&
		nurture_consent_basis(scope->legal_basis) == BASIS_CONSENT;
}

/*
 * Applies one event to the state before it.  A request asks and settles
 * nothing.  An objection is not made smaller by a refusal that follows.  A
 * grant that rests on anything but consent lifts no denial and takes no
 * explicit grant's place; one after a confirmed one keeps the confirmation
 * while that has not run out.
 */
static void
apply_event(ConsentScope *scope, ConsentState kind, uint64 row)
{
	bool		null;
	Datum		value;
	TimestampTz at = DatumGetTimestampTz(nurture_cell(row, 6, &null));
	bool		confirmed = kind == CONSENT_CONFIRMED;
	char	   *legal_basis = nurture_cell_text(row, 8);

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
		case CONSENT_REFUSED:
		case CONSENT_WITHDRAWN:
			if (scope->state == CONSENT_OBJECTED)
				return;
			break;
		case CONSENT_GIVEN:
		case CONSENT_RENEWED:
		case CONSENT_CONFIRMED:
			if (nurture_consent_basis(legal_basis) != BASIS_CONSENT &&
				(nurture_consent_forbids(scope->state) ||
				 explicit_stands(scope, at)))
				return;
			if (scope->state == CONSENT_CONFIRMED && explicit_stands(scope, at))
				kind = CONSENT_CONFIRMED;
			break;
		default:
			break;
	}
	scope->state = kind;
	if (confirmed)
		scope->hashes = nurture_cell(row, 11, &null);
	if (confirmed || kind != CONSENT_CONFIRMED)
		scope->bound = confirmed && !null;
	scope->since = at;
	value = nurture_cell(row, 7, &null);
	scope->expires_at = null ? DT_NOEND : DatumGetTimestampTz(value);
	scope->legal_basis = legal_basis;
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
	int			ncorrections;
	Correction *corrections = read_corrections(nevents, &ncorrections);
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
		if (is_wrong(corrections, ncorrections,
					 DatumGetInt64(nurture_cell(row, 9, &null))))
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
