/*
 * consent_state.c
 *	  The words of consent, and what they permit.
 */
#include "base/compat.h"

#include "gate/gate_private.h"

static const char *const state_names[] = {
	"none", "requested", "given", "confirmed", "renewed", "refused",
	"withdrawn", "objected", "expired", "entered_in_error"
};

/* Returns the state of this name, CONSENT_NONE when there is none. */
ConsentState
nurture_consent_state(const char *kind)
{
	for (int i = 1; i < lengthof(state_names); i++)
	{
		if (strcmp(state_names[i], kind) == 0)
			return (ConsentState) i;
	}
	return CONSENT_NONE;
}

/* Returns the name of a state. */
const char *
nurture_consent_state_name(ConsentState state)
{
	return state_names[state];
}

/* Tells whether a state permits; whether that suffices is the policy's. */
bool
nurture_consent_permits(ConsentState state)
{
	return state == CONSENT_GIVEN || state == CONSENT_CONFIRMED ||
		state == CONSENT_RENEWED;
}

/* Tells whether a state forbids, whatever the policy. */
bool
nurture_consent_forbids(ConsentState state)
{
	return state == CONSENT_REFUSED || state == CONSENT_WITHDRAWN ||
		state == CONSENT_OBJECTED;
}

/*
 * Tells what a grant rests on.  A word that is not known says how consent was
 * documented: that it was given, the kind of the event says.
 */
ConsentBasis
nurture_consent_basis(const char *legal_basis)
{
	static const struct
	{
		const char *name;
		ConsentBasis basis;
	}			names[] = {
		{"soft_opt_in", BASIS_SOFT},
		{"implied", BASIS_IMPLIED},
		{"implied_inquiry", BASIS_INQUIRY},
		{"legitimate_interest", BASIS_OTHER},
		{"contract", BASIS_OTHER},
		{"legal_obligation", BASIS_OTHER},
		{"vital_interest", BASIS_OTHER},
		{"public_interest", BASIS_OTHER},
	};

	for (int i = 0; legal_basis != NULL && i < lengthof(names); i++)
	{
		if (strcmp(names[i].name, legal_basis) == 0)
			return names[i].basis;
	}
	return BASIS_CONSENT;
}
