/*
 * contact.c
 *	  Asking the gate without sending: the verdict, and the explanation of
 *	  every rule.
 */
#include "base/compat.h"

#include "access/htup_details.h"
#include "base/clock.h"
#include "base/errors.h"
#include "base/owner.h"
#include "base/plans.h"
#include "base/read.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "gate/gate_private.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/rls.h"
#include "utils/snapmgr.h"

NURTURE_FUNCTION(nurture_may_contact);
NURTURE_FUNCTION(nurture_explain_contact);

static KeptPlan see_lead =
KEPT_PLAN("SELECT 1 FROM nurture.lead AS l WHERE l.lead_id = $1", INT8OID);

static KeptRead find_lead = {
	"lead", {{"lead_id", INT8OID}}, {{"lead_id", INT8OID}}
};

static const char *const verdict_names[] = {
	[GATE_ALLOW] = "allow",[GATE_DEFER] = "defer",
	[GATE_REVIEW] = "review",[GATE_REFUSE] = "refuse"
};

/* Returns the name of a verdict. */
const char *
nurture_gate_verdict_name(GateVerdict verdict)
{
	return verdict_names[verdict];
}

/* What a query's calls of a function have in common. */
typedef struct AskCalls
{
	TupleDesc	desc;			/* of nurture_may_contact */
	char	   *channel;		/* the last one found to be a channel */
	Hold	   *hold;			/* NULL = none */
	Oid			role;			/* whose rights were looked at last */
	bool		sees_all;		/* what was found */
} AskCalls;

/*
 * Decides as the gate would, writing nothing; *known tells whether there is a
 * lead of this id that is not merged.  The result lives in the current memory
 * context.
 */
static GateDecision *
ask_gate(int64 lead_id, const char *channel, const char *purpose,
		 const char *asset_id, int32 version, TimestampTz at, bool remedies,
		 Hold *hold, const GateRules **rules, bool *known)
{
	MemoryContext context = CurrentMemoryContext;
	GateDecision *decision = palloc(sizeof(GateDecision));
	GateLead	lead = {0};
	GateAsset	asset = {0};
	GateAsk		ask = {0};
	OwnerSwitch owner;

	*rules = nurture_gate_rules();
	nurture_owner_enter(&owner);
	lead.context = context;
	lead.hold = hold;
	lead.asked = lead_id;
	ask.channel = channel;
	ask.purpose = purpose;
	ask.now = at;
	ask.not_before = DT_NOBEGIN;
	ask.no_asset = asset_id == NULL;
	ask.remedies = remedies;
	nurture_gate_read(&lead, *rules, false, at);
	if (asset_id != NULL)
		nurture_gate_asset(asset_id, version, false, at, &asset);
	nurture_gate_suppressions(&lead, *rules, &ask);
	nurture_gate_decide(*rules, &lead, &asset, &ask, decision);
	nurture_owner_leave(&owner);
	*known = lead.found && lead.lead_id == lead_id;
	return decision;
}

/* Asks the gate for another room; see gate.h. */
GateAnswer
nurture_gate_may_contact(int64 lead_id, const char *channel,
						 const char *purpose, const char *asset_id,
						 int32 version, TimestampTz at, Hold *hold)
{
	const GateRules *rules;
	bool		known_lead;
	GateDecision *decision = ask_gate(lead_id, channel, purpose, asset_id,
									  version, at, false, hold,
									  &rules, &known_lead);
	GateAnswer	answer;

	answer.verdict = decision->verdict;
	answer.not_before = decision->not_before;
	answer.particular = decision->particular;
	answer.nreasons = 0;
	answer.reasons = palloc(sizeof(char *) * Max(decision->nfindings, 1));
	for (int i = 0; i < decision->nfindings; i++)
	{
		const char *reason = decision->findings[i].reason;
		bool		known = reason == NULL;

		for (int j = 0; !known && j < answer.nreasons; j++)
			known = strcmp(answer.reasons[j], reason) == 0;
		if (!known)
			answer.reasons[answer.nreasons++] = reason;
	}
	return answer;
}

/*
 * Tells whether the caller may see all leads there are; in FROM that is looked
 * at once for each role.
 */
static bool
sees_all(AskCalls *calls)
{
	Oid			role = GetUserId();
	Oid			lead;

	if (calls->hold != NULL && calls->role == role)
		return calls->sees_all;
	lead = nurture_table_oid("lead", false);
	calls->sees_all =
		pg_class_aclcheck(lead, role, ACL_SELECT) == ACLCHECK_OK &&
		check_enable_rls(lead, InvalidOid, true) != RLS_ENABLED;
	calls->role = role;
	return calls->sees_all;
}

/*
 * Raises unless the caller, who may see all leads there are or not, may see
 * this one.
 */
static void
check_visible(int64 lead_id, bool all)
{
	Datum		key = Int64GetDatum(lead_id);
	bool		seen;

	if (all)
	{
		RowRead		read;
		OwnerSwitch owner;

		nurture_owner_enter(&owner);
		nurture_read_open(&read, &find_lead, GetActiveSnapshot());
		nurture_read_find(&read, &key);
		seen = nurture_read_next(&read);
		nurture_read_close(&read);
		nurture_owner_leave(&owner);
	}
	else
	{
		int			level = nurture_spi_connect_here();

		(void) nurture_execute(&see_lead, &key, NULL, true);
		seen = SPI_processed > 0;
		nurture_spi_finish(level);
	}
	if (!seen)
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_UNKNOWN_LEAD),
				 errmsg("there is no lead " INT64_FORMAT, lead_id),
				 errhint("Or you may not see it; nurture.lead lists those you may.")));
}

/* Returns what this query's calls have in common. */
static AskCalls *
calls_of(FunctionCallInfo fcinfo)
{
	if (fcinfo->flinfo->fn_extra == NULL)
	{
		MemoryContext context = fcinfo->flinfo->fn_mcxt;
		AskCalls   *calls = MemoryContextAllocZero(context, sizeof(AskCalls));

		/* in FROM the memory of the call is the executor's */
		if (fcinfo->resultinfo != NULL)
			calls->hold = nurture_hold_make(context);
		fcinfo->flinfo->fn_extra = calls;
	}
	return fcinfo->flinfo->fn_extra;
}

/* Raises unless the channel is one; most calls of a query ask for the same. */
static void
check_channel(FunctionCallInfo fcinfo, const char *channel)
{
	AskCalls   *calls = calls_of(fcinfo);

	if (calls->channel != NULL && strcmp(calls->channel, channel) == 0)
		return;
	nurture_require_channel(channel);
	if (calls->channel != NULL)
		pfree(calls->channel);
	calls->channel = MemoryContextStrdup(fcinfo->flinfo->fn_mcxt, channel);
}

static char *
text_argument(FunctionCallInfo fcinfo, int n)
{
	return PG_ARGISNULL(n) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(n));
}

/* Reads the arguments that both functions have, and asks. */
static GateDecision *
ask_from_sql(FunctionCallInfo fcinfo, bool remedies, const GateRules **rules)
{
	char	   *channel = text_argument(fcinfo, 1);
	GateDecision *decision;
	bool		all;
	bool		known;

	if (PG_ARGISNULL(0) || channel == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("lead and channel must be given")));
	all = sees_all(calls_of(fcinfo));
	if (!all)
		check_visible(PG_GETARG_INT64(0), all);
	check_channel(fcinfo, channel);
	decision = ask_gate(PG_GETARG_INT64(0), channel, text_argument(fcinfo, 2),
						text_argument(fcinfo, 3), 0,
						PG_ARGISNULL(4) ? nurture_now_wall() :
						PG_GETARG_TIMESTAMPTZ(4), remedies,
						calls_of(fcinfo)->hold, rules, &known);
	/* the gate has seen the lead itself, unless it is merged or unknown */
	if (all && !known)
		check_visible(PG_GETARG_INT64(0), all);
	return decision;
}

/*
 * nurture_may_contact(lead_id bigint, channel text, purpose text, asset_id
 * text, at timestamptz) returns (verdict text, reasons text[], not_before
 * timestamptz)
 */
Datum
nurture_may_contact(PG_FUNCTION_ARGS)
{
	const GateRules *rules;
	GateDecision *decision;
	AskCalls   *calls = calls_of(fcinfo);
	Datum		values[3];
	bool		nulls[3] = {false, false, false};
	Datum		items[GATE_MAX_RULES];
	int			n = 0;

	if (calls->desc == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(fcinfo->flinfo->fn_mcxt);

		if (get_call_result_type(fcinfo, NULL, &calls->desc) != TYPEFUNC_COMPOSITE)
			elog(ERROR, "nurture_may_contact must return a row");
		calls->desc = BlessTupleDesc(calls->desc);
		MemoryContextSwitchTo(old);
	}
	decision = ask_from_sql(fcinfo, false, &rules);
	for (int i = 0; i < decision->nfindings; i++)
	{
		const char *reason = decision->findings[i].reason;
		bool		known = reason == NULL;

		for (int j = 0; !known && j < i; j++)
			known = decision->findings[j].reason != NULL &&
				strcmp(decision->findings[j].reason, reason) == 0;
		if (!known)
			items[n++] = CStringGetTextDatum(reason);
	}
	values[0] = CStringGetTextDatum(nurture_gate_verdict_name(decision->verdict));
	values[1] = PointerGetDatum(construct_array(items, n, TEXTOID, -1, false,
												TYPALIGN_INT));
	values[2] = TimestampTzGetDatum(decision->not_before);
	nulls[2] = decision->verdict >= GATE_REVIEW;
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(calls->desc, values,
													  nulls)));
}

/*
 * nurture_explain_contact(same) returns setof (rule text, passed boolean, fact
 * text, passes_from timestamptz, remedy text): every rule.
 */
Datum
nurture_explain_contact(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	const GateRules *rules;
	GateDecision *decision;

	InitMaterializedSRF(fcinfo, 0);
	decision = ask_from_sql(fcinfo, true, &rules);
	for (int i = 0; i < decision->nfindings; i++)
	{
		const GateFinding *finding = &decision->findings[i];
		const char *remedy = finding->remedy;
		Datum		values[5] = {0};
		bool		nulls[5] = {false};

		if (remedy == NULL && finding->reason != NULL)
		{
			const GateReason *reason = nurture_gate_reason(rules,
														   finding->reason);

			remedy = reason ? reason->remedy : NULL;
		}
		values[0] = CStringGetTextDatum(finding->rule);
		values[1] = BoolGetDatum(finding->reason == NULL);
		nulls[2] = finding->fact == NULL;
		if (finding->fact != NULL)
			values[2] = CStringGetTextDatum(finding->fact);
		nulls[3] = TIMESTAMP_IS_NOBEGIN(finding->passes_from);
		values[3] = TimestampTzGetDatum(finding->passes_from);
		nulls[4] = remedy == NULL;
		if (remedy != NULL)
			values[4] = CStringGetTextDatum(remedy);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}
