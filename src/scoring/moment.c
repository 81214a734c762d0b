/*
 * moment.c
 *	  A lead at a moment: its facts, its activity counted from the events as
 *	  they were known, and the version of the model that was in force.
 *
 * What may be read is decided by the rights of the caller on the lead as it
 * is now: who may not see the lead, or a column that the model reads, gets
 * nothing of its past either.  The past itself is read as the owner.
 */
#include "base/compat.h"

#include "base/clock.h"
#include "base/owner.h"
#include "base/plans.h"
#include "catalog/pg_type.h"
#include "facts/event_past.h"
#include "facts/past.h"
#include "scoring/activity.h"
#include "scoring/activity_private.h"
#include "scoring/model_private.h"
#include "scoring/moment.h"
#include "scoring/sensitive.h"
#include "scoring/tally_type.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/rls.h"
#include "utils/timestamp.h"

#define ACCOUNT_MASK (SUBJECT_ALL_COLUMNS & ~((UINT64CONST(1) << SUBJECT_ACCOUNT_NAME) - 1))

/*
 * $2 is at, $3 known_at.  What happened later but was known at the moment
 * counts, as it did then: the clocks of senders differ by minutes.
 */
static KeptPlan read_events =
KEPT_PLAN("SELECT event_type, occurred_at, tags, properties, lead_id FROM nurture.event"
		  " WHERE lead_id = ANY ($1) AND recorded_at <= $3 AND (occurred_at <= $2 OR recorded_at <= $2)",
		  INT8ARRAYOID, TIMESTAMPTZOID, TIMESTAMPTZOID);

/* the same where some of them were corrected or deleted since */
static KeptPlan read_known =
KEPT_PLAN(EVENTS_KNOWN "SELECT event_type, occurred_at, tags, properties, lead_id FROM known"
		  " WHERE occurred_at <= $2 OR learned_at <= $2",
		  INT8ARRAYOID, TIMESTAMPTZOID, TIMESTAMPTZOID);

static KeptPlan read_base =
KEPT_PLAN("SELECT base, base_topics, base_last_event_at FROM nurture.activity WHERE lead_id = ANY ($1)", INT8ARRAYOID);

/* as in sensitive.c, over the state at the moment */
static KeptPlan has_granted =
KEPT_PLAN("WITH c AS (SELECT * FROM @extschema@.nurture_consent_at($1, $2, $3))"
		  " SELECT 1 WHERE EXISTS (SELECT FROM c WHERE purpose = '" NURTURE_INFERENCE_PURPOSE "' AND topic = '*'"
		  " AND product = '*' AND state IN ('given', 'confirmed', 'renewed'))"
		  " AND NOT EXISTS (SELECT FROM c WHERE state = 'objected' OR state IN ('refused', 'withdrawn')"
		  " AND purpose IN ('" NURTURE_INFERENCE_PURPOSE "', '*'))",
		  INT8OID, TIMESTAMPTZOID, TIMESTAMPTZOID);

static KeptPlan see_account =
KEPT_PLAN("SELECT 1 FROM nurture.account WHERE account_id = $1", INT8OID);

/* Plans that ask for the caller's rights, one per set of columns. */
static struct
{
	uint64		mask;
	KeptPlan	plan;
}			see_lead[4];
static int	next_see_lead = 0;

static KeptPlan *
see_lead_plan(uint64 mask)
{
	MemoryContext old;
	KeptPlan   *plan;

	for (int i = 0; i < lengthof(see_lead); i++)
	{
		if (see_lead[i].mask == mask && see_lead[i].plan.query != NULL)
			return &see_lead[i].plan;
	}
	plan = &see_lead[next_see_lead].plan;
	see_lead[next_see_lead].mask = mask;
	next_see_lead = (next_see_lead + 1) % lengthof(see_lead);
	if (plan->plan != NULL)
		SPI_freeplan(plan->plan);
	if (plan->query != NULL)
		pfree(unconstify(char *, plan->query));
	plan->plan = NULL;
	old = MemoryContextSwitchTo(TopMemoryContext);
	plan->query = nurture_subject_query(mask, "WHERE l.lead_id OPERATOR(pg_catalog.=) $1");
	plan->argtypes[0] = INT8OID;
	MemoryContextSwitchTo(old);
	return plan;
}

/*
 * Tells whether the caller may see these leads with the columns of a mask;
 * raises when a column is not granted.
 */
static bool
may_see(const SubjectPast *past, uint64 mask)
{
	KeptPlan   *plan = see_lead_plan(mask);
	bool		seen = true;
	int			level = nurture_spi_connect();

	for (int i = 0; i < past->nchain && seen; i++)
	{
		Datum		lead_id = Int64GetDatum(past->chain[i]);

		nurture_execute(plan, &lead_id, NULL, true);
		seen = SPI_processed > 0;
	}
	nurture_spi_finish(level);
	return seen;
}

/*
 * Hides what an account's row-level security hides from the caller; all of it
 * when the model does not read accounts, which the caller then need not be
 * allowed to.
 */
static void
hide_account(Subject *subject, uint64 mask)
{
	Datum		account_id = subject->values[SUBJECT_ACCOUNT_ID];
	int			level;

	if (subject->nulls[SUBJECT_ACCOUNT_ID] ||
		check_enable_rls(nurture_table_oid("account", false), InvalidOid, true) != RLS_ENABLED)
		return;
	if ((mask & ACCOUNT_MASK) == 0)
	{
		nurture_subject_hide_account(subject);
		return;
	}
	level = nurture_spi_connect();
	nurture_execute(&see_account, &account_id, NULL, true);
	if (SPI_processed == 0)
		nurture_subject_hide_account(subject);
	nurture_spi_finish(level);
}

/* Adds what a tally holds to a lead's, in the context of the result. */
static void
add_tally(Datum *sum, Datum tally)
{
	if (!nurture_tally_is_empty(tally))
		*sum = nurture_tally_plus(*sum, tally);
}

/*
 * Tells whether sensitive events of a lead counted: it and all that it was
 * merged into had granted that.
 */
static bool
granted(const SubjectPast *past, int64 lead_id, Datum *values)
{
	int			place = 0;

	while (past->members[place] != lead_id)
		place++;
	for (; place >= 0; place = past->into[place])
	{
		values[0] = Int64GetDatum(past->members[place]);
		nurture_execute(&has_granted, values, NULL, true);
		if (SPI_processed == 0)
			return false;
	}
	return true;
}

/*
 * Counts the events of a lead, and of those merged into it, into its subject,
 * on top of what dropped events left in their bases.
 */
static void
count_events(const SubjectPast *past)
{
	Subject    *subject = past->subject;
	const MatchRules *rules = nurture_match_rules();
	EventMatch *match = nurture_match_create(rules);
	ActivityDelta *delta = nurture_delta_create();
	ActivityDelta *guarded;
	MemoryContext context = CurrentMemoryContext;
	Datum		members = nurture_lead_array(past->members, past->nmembers);
	Datum		values[3];
	DeltaLead **leads;
	DeltaLead  *counted;
	OwnerSwitch owner;
	uint32		n;
	bool		isnull;
	int			level;

	nurture_delta_lead(delta, subject->lead_id);
	values[0] = members;
	values[1] = TimestampTzGetDatum(subject->now);
	values[2] = TimestampTzGetDatum(subject->known_at);
	nurture_owner_enter(&owner);
	level = nurture_spi_connect();
	nurture_execute(nurture_events_touched(members, Min(subject->now, subject->known_at)) ?
					&read_known : &read_events, values, NULL, true);
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		text	   *code = DatumGetTextPP(nurture_cell(row, 1, &isnull));
		TimestampTz occurred_at = DatumGetTimestampTz(nurture_cell(row, 2, &isnull));
		const MatchType *type = nurture_match_type(rules, VARDATA_ANY(code), VARSIZE_ANY_EXHDR(code));
		bool		tags_null;
		bool		properties_null;
		Datum		tags = nurture_cell(row, 3, &tags_null);
		Datum		properties = nurture_cell(row, 4, &properties_null);

		if (type == NULL)
			continue;
		nurture_match_event(rules, type, tags, tags_null, properties, properties_null,
							occurred_at, match);
		nurture_delta_count(delta, DatumGetInt64(nurture_cell(row, 5, &isnull)),
							occurred_at, match);
	}
	leads = nurture_delta_finish(delta, &n);
	counted = leads[0];
	for (uint32 i = 0; i < n; i++)
	{
		if (leads[i]->lead_id == subject->lead_id)
			counted = leads[i];
	}
	MemoryContextSwitchTo(context);
	for (uint32 i = 0; i < n; i++)
	{
		if (leads[i] == counted)
			continue;
		add_tally(&counted->signals, leads[i]->signals);
		add_tally(&counted->topics, leads[i]->topics);
		counted->last_event_at = Max(counted->last_event_at, leads[i]->last_event_at);
	}
	guarded = nurture_delta_guarded(delta);
	if (guarded != NULL)
	{
		leads = nurture_delta_finish(guarded, &n);
		for (uint32 i = 0; i < n; i++)
		{
			if (!granted(past, leads[i]->lead_id, values))
				continue;
			add_tally(&counted->signals, leads[i]->signals);
			add_tally(&counted->topics, leads[i]->topics);
		}
	}
	nurture_execute(&read_base, &members, NULL, true);
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		Datum		last;

		add_tally(&counted->signals, nurture_cell(row, 1, &isnull));
		add_tally(&counted->topics, nurture_cell(row, 2, &isnull));
		last = nurture_cell(row, 3, &isnull);
		if (!isnull)
			counted->last_event_at = Max(counted->last_event_at, DatumGetTimestampTz(last));
	}
	nurture_spi_finish(level);
	nurture_owner_leave(&owner);
	MemoryContextSwitchTo(context);
	subject->signals = nurture_tally_datum(counted->signals);
	subject->topics = nurture_tally_datum(counted->topics);
	subject->last_event_at = counted->last_event_at;
}

/* Reads what a lead was at a moment, and which version scores it. */
bool
nurture_moment_load(int64 lead_id, TimestampTz at, TimestampTz known_at,
					const char *model, const int32 *version, ScoredMoment *out)
{
	SubjectPast *past;
	text	   *audience;

	if (TIMESTAMP_NOT_FINITE(at))
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_FIELD_OVERFLOW),
				 errmsg("a score at \"%s\" cannot be computed", at == DT_NOEND ? "infinity" : "-infinity"),
				 errhint("Give a moment; known_at may be infinity.")));
	if (version != NULL && model == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a version needs the name of its model"),
				 errhint("Name the model too.")));
	out->model = version != NULL ? nurture_model_version(model, *version) : NULL;
	past = nurture_subject_past(lead_id, at, known_at);
	out->subject = past->subject;
	if (out->subject == NULL)
		return false;
	if (version == NULL)
	{
		audience = DatumGetTextPP(out->subject->values[SUBJECT_AUDIENCE_TYPE]);
		out->model = nurture_model_at(model, VARDATA_ANY(audience), VARSIZE_ANY_EXHDR(audience), at);
	}
	if (out->model == NULL ||
		!may_see(past, out->model->mask | UINT64CONST(1) << SUBJECT_AUDIENCE_TYPE))
		return false;
	hide_account(out->subject, out->model->mask);
	count_events(past);
	return true;
}

/*
 * Reads what a decision of a moment found.  What the same statement recorded
 * afterwards has the time of the decision.
 */
Subject    *
nurture_moment_subject(int64 lead_id, TimestampTz at)
{
	SubjectPast *past = nurture_subject_past(lead_id, at, at - 1);

	if (past->subject == NULL || !may_see(past, SUBJECT_ALL_COLUMNS))
		return NULL;
	hide_account(past->subject, SUBJECT_ALL_COLUMNS);
	count_events(past);
	return past->subject;
}
