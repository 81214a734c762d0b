/*
 * canary.c
 *	  nurture_canary: opts a test lead out the way a lead does, tries to send
 *	  to it, and says whether that was refused.
 *
 * It goes the way of a message, with the functions that everybody calls, so
 * that what breaks anywhere on it shows here before a lead notices.
 */
#include "base/compat.h"

#include "audit/audit.h"
#include "base/meta.h"
#include "base/owner.h"
#include "base/plans.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "gate/gate_private.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/guc.h"

NURTURE_FUNCTION(nurture_canary);

#define CANARY_REF "nurture:canary"

static KeptPlan find_lead =
KEPT_PLAN("SELECT lead_id FROM nurture.lead WHERE external_ref = $1", TEXTOID);

static KeptPlan make_lead =
KEPT_PLAN("INSERT INTO nurture.lead (external_ref, email, is_test, source)"
		  " VALUES ($1, 'canary@nurture.invalid', true, 'nurture_canary') RETURNING lead_id", TEXTOID);

static KeptPlan opt_in =
KEPT_PLAN("SELECT @extschema@.nurture_opt_in($1, 'email', 'nurture_canary')", INT8OID);

static KeptPlan opt_out =
KEPT_PLAN("SELECT @extschema@.nurture_one_click(@extschema@.nurture_unsubscribe_token($1, 'email'))", INT8OID);

static KeptPlan may_contact =
KEPT_PLAN("SELECT 'consent_denied' = ANY (c.reasons), c.verdict, array_to_string(c.reasons, ', ')"
		  " FROM @extschema@.nurture_may_contact($1, 'email') c", INT8OID);

/* an asset that could be sent, so that the lead alone forbids it */
static KeptPlan send =
KEPT_PLAN("INSERT INTO nurture.message (lead_id, channel, asset_id, version, trigger_kind)"
		  " SELECT $1, 'email', v.asset_id, v.version, 'manual' FROM nurture.asset_version v"
		  " WHERE v.status = 'approved' AND 'email' = ANY (v.channels) AND v.message_class <> 'operational'"
		  " AND v.valid_during @> @extschema@.nurture_now()"
		  " ORDER BY v.asset_id, v.version LIMIT 1"
		  " RETURNING 'consent_denied' = ANY (reasons) AND status = 'refused', status, array_to_string(reasons, ', ')", INT8OID);

typedef struct Canary
{
	ReturnSetInfo *result;
	bool		passed;			/* so far */
} Canary;

static void
put_step(Canary *canary, const char *step, bool passed, const char *detail)
{
	Datum		values[3];
	bool		nulls[3] = {false, false, detail == NULL};

	values[0] = CStringGetTextDatum(step);
	values[1] = BoolGetDatum(passed);
	if (detail != NULL)
		values[2] = CStringGetTextDatum(detail);
	tuplestore_putvalues(canary->result->setResult, canary->result->setDesc,
						 values, nulls);
	canary->passed = canary->passed && passed;
}

/* Asks whether the lead may be contacted; wanted is what it should say of consent. */
static void
ask(Canary *canary, const char *step, Datum lead_id, bool denied)
{
	bool		isnull;
	bool		answer;

	(void) nurture_execute(&may_contact, &lead_id, NULL, false);
	answer = DatumGetBool(nurture_cell(0, 1, &isnull)) && !isnull;
	put_step(canary, step, answer == denied,
			 psprintf("%s: %s", nurture_cell_text(0, 2), nurture_cell_text(0, 3)));
}

static Datum
canary_lead(void)
{
	Datum		ref = CStringGetTextDatum(CANARY_REF);
	bool		isnull;

	(void) nurture_execute(&find_lead, &ref, NULL, false);
	if (SPI_processed == 0)
		(void) nurture_execute(&make_lead, &ref, NULL, false);
	return nurture_cell(0, 1, &isnull);
}

/*
 * nurture_canary() returns setof (step text, passed boolean, detail text)
 */
Datum
nurture_canary(PG_FUNCTION_ARGS)
{
	Canary		canary = {(ReturnSetInfo *) fcinfo->resultinfo, true};
	AuditEntry	entry = {.has_lead = true,.kind = "canary"};
	OwnerSwitch owner;
	Datum		lead_id;
	bool		isnull;
	int			gucs;
	int			level;

	if (!has_privs_of_role(GetUserId(), nurture_owner_oid()))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to run the canary"),
				 errhint("Only the owner of schema nurture may call nurture_canary.")));
	InitMaterializedSRF(fcinfo, 0);

	/* a refusal is what is looked for */
	gucs = NewGUCNestLevel();
	(void) set_config_option("nurture.refuse_with_error", "off",
							 PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
	nurture_owner_enter(&owner);
	level = nurture_spi_connect();
	lead_id = canary_lead();
	(void) nurture_execute(&opt_in, &lead_id, NULL, false);
	put_step(&canary, "opt_in", true, NULL);
	ask(&canary, "allowed", lead_id, false);
	(void) nurture_execute(&opt_out, &lead_id, NULL, false);
	put_step(&canary, "one_click", true, NULL);
	ask(&canary, "denied", lead_id, true);
	(void) nurture_execute(&send, &lead_id, NULL, false);
	if (SPI_processed == 0)
		put_step(&canary, "refused", true, "no approved asset for email: nothing to send");
	else
	{
		bool		refused = DatumGetBool(nurture_cell(0, 1, &isnull)) && !isnull;

		put_step(&canary, "refused", refused,
				 psprintf("%s: %s", nurture_cell_text(0, 2), nurture_cell_text(0, 3)));
	}
	entry.lead_id = DatumGetInt64(lead_id);
	entry.outcome = canary.passed ? "passed" : "failed";
	nurture_audit_append(&entry, 1);
	nurture_meta_note("canary_at", NULL);
	nurture_meta_note("canary", entry.outcome);
	nurture_spi_finish(level);
	nurture_owner_leave(&owner);
	AtEOXact_GUC(true, gucs);
	if (!canary.passed)
		ereport(WARNING,
				(errmsg("the canary was not stopped"),
				 errdetail("A test lead that had opted out could have been sent to."),
				 errhint("Stop the senders, and look at nurture_selfcheck().")));
	return (Datum) 0;
}
