/*
 * holdout.c
 *	  Leads that are held out, so that what messages do can be measured.
 *
 * The choice is a hash of salt, holdout and lead alone: it needs no table, is
 * the same in every session and on every server, and can be made again years
 * later, by anybody who knows the salt:
 *
 *		('x' || substr(encode(sha256(convert_to(
 *			salt || ':' || holdout || ':' || lead_id, 'UTF8')), 'hex'), 1, 15)
 *		)::bit(60)::bigint % 1000 < per_mille
 */
#include "base/compat.h"

#include "base/errors.h"
#include "base/lot.h"
#include "gate/contact_policy.h"
#include "gate/gate.h"
#include "utils/builtins.h"

NURTURE_FUNCTION(nurture_held_out);

/* Tells whether a holdout's hash chooses a lead. */
bool
nurture_holdout_chooses(const HoldoutRow *row, int64 lead_id)
{
	return nurture_lot(row->salt, row->holdout, lead_id) % 1000 <
		(uint64) row->per_mille;
}

/* Tells whether some holdout in force at an instant chooses a lead. */
bool
nurture_gate_held_out(int64 lead_id, TimestampTz at)
{
	const ContactPolicy *policy = nurture_gate_rules()->contact;

	for (int i = 0; i < policy->nholdouts; i++)
	{
		const HoldoutRow *row = &policy->holdouts[i];

		if (row->from <= at && at < row->until &&
			nurture_holdout_chooses(row, lead_id))
			return true;
	}
	return false;
}

/* nurture_held_out(lead_id bigint, holdout text) returns boolean */
Datum
nurture_held_out(PG_FUNCTION_ARGS)
{
	char	   *holdout = text_to_cstring(PG_GETARG_TEXT_PP(1));
	const ContactPolicy *policy = nurture_gate_rules()->contact;

	for (int i = 0; i < policy->nholdouts; i++)
	{
		if (strcmp(policy->holdouts[i].holdout, holdout) == 0)
			PG_RETURN_BOOL(nurture_holdout_chooses(&policy->holdouts[i],
												   PG_GETARG_INT64(0)));
	}
	ereport(ERROR,
			(errcode(NURTURE_ERRCODE_UNKNOWN_CODE),
			 errmsg("unknown holdout \"%.64s\"", holdout),
			 errhint("Holdouts are rows of nurture.holdout.")));
	PG_RETURN_NULL();			/* not reached */
}
