/*
 * form_write.c
 *	  Writes what a statement's answers were decided to be, set by set, in
 *	  lock order: gate rows, leads, consent and preferences, reviews.
 */
#include "base/compat.h"

#include "base/plans.h"
#include "catalog/pg_type.h"
#include "facts/form_private.h"
#include "facts/history.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"
#include "utils/timestamp.h"

#define MAX_SHOWN	1000		/* bytes of an answer that a review shows */

static KeptPlan write_leads =
KEPT_PLAN("UPDATE nurture.lead AS l SET"
		  " email = coalesce(u.facts ->> 'email', l.email),"
		  " phone = coalesce(u.facts ->> 'phone', l.phone),"
		  " full_name = coalesce(u.facts ->> 'full_name', l.full_name),"
		  " audience_type = coalesce(u.facts ->> 'audience_type', l.audience_type),"
		  " role = coalesce(u.facts ->> 'role', l.role),"
		  " specialty = coalesce(u.facts ->> 'specialty', l.specialty),"
		  " therapeutic_area = coalesce(u.facts ->> 'therapeutic_area', l.therapeutic_area),"
		  " country = coalesce(u.facts ->> 'country', l.country),"
		  " region = coalesce(u.facts ->> 'region', l.region),"
		  " postal_code = coalesce(u.facts ->> 'postal_code', l.postal_code),"
		  " organization_type = coalesce(u.facts ->> 'organization_type', l.organization_type),"
		  " source = coalesce(u.facts ->> 'source', l.source),"
		  " campaign = coalesce(u.facts ->> 'campaign', l.campaign),"
		  " language = coalesce(u.facts ->> 'language', l.language),"
		  " time_zone = coalesce(u.facts ->> 'time_zone', l.time_zone),"
		  " attributes = l.attributes || u.attributes,"
		  " updated_at = greatest(l.updated_at, u.said_at)"
		  " FROM unnest($1, $2, $3, $4) AS u(lead_id, facts, attributes, said_at)"
		  " WHERE l.lead_id = u.lead_id",
		  INT8ARRAYOID, JSONBARRAYOID, JSONBARRAYOID, TIMESTAMPTZARRAYOID);

#define SOURCE_INSERT \
	"INSERT INTO nurture.fact_source AS s (lead_id, target, said_at, event_id, ignored_event_id, ignored_because)" \
	" SELECT * FROM unnest($1, $2, $3, $4, $5, $6) AS u(lead_id, target, said_at, event_id, ignored_event_id, ignored_because)" \
	" ON CONFLICT (lead_id, target) DO UPDATE SET" \
	" ignored_event_id = coalesce(EXCLUDED.ignored_event_id, s.ignored_event_id)," \
	" ignored_because = coalesce(EXCLUDED.ignored_because, s.ignored_because),"

/* a new value has the age of its answer */
static KeptPlan write_taken =
KEPT_PLAN(SOURCE_INSERT " said_at = EXCLUDED.said_at, event_id = EXCLUDED.event_id",
		  INT8ARRAYOID, TEXTARRAYOID, TIMESTAMPTZARRAYOID, INT8ARRAYOID, INT8ARRAYOID, TEXTARRAYOID);

/* one that is said again becomes younger, never older */
static KeptPlan write_confirmed =
KEPT_PLAN(SOURCE_INSERT
		  " said_at = greatest(EXCLUDED.said_at, s.said_at),"
		  " event_id = CASE WHEN EXCLUDED.said_at IS NULL OR EXCLUDED.said_at < s.said_at"
		  " THEN s.event_id ELSE EXCLUDED.event_id END",
		  INT8ARRAYOID, TEXTARRAYOID, TIMESTAMPTZARRAYOID, INT8ARRAYOID, INT8ARRAYOID, TEXTARRAYOID);

/*
 * One case is open per lead, bucket and scope: what comes while it is open
 * joins it, the first twenty of them.
 */
static KeptPlan open_reviews =
KEPT_PLAN("INSERT INTO nurture.review AS r (lead_id, bucket, scope, evidence)"
		  " SELECT u.lead_id, u.bucket, u.scope, jsonb_build_object('answers', jsonb_agg(u.evidence ORDER BY u.i))"
		  " FROM unnest($1, $2, $3, $4) WITH ORDINALITY AS u(lead_id, bucket, scope, evidence, i)"
		  " GROUP BY u.lead_id, u.bucket, u.scope ORDER BY u.lead_id, u.bucket, u.scope"
		  " ON CONFLICT (lead_id, bucket, scope) WHERE state = 'open' DO UPDATE SET"
		  " evidence = r.evidence || jsonb_build_object('answers', (r.evidence -> 'answers') || (EXCLUDED.evidence -> 'answers'))"
		  " WHERE jsonb_array_length(r.evidence -> 'answers') < 20",
		  INT8ARRAYOID, TEXTARRAYOID, TEXTARRAYOID, JSONBARRAYOID);

/* Adds a cell to a column. */
void
nurture_form_put(FormColumn *column, Oid type, Datum value, bool isnull)
{
	if (column->n == column->room)
	{
		column->room = Max(column->room * 2, 16);
		column->values = column->values == NULL ? palloc(column->room * sizeof(Datum)) :
			repalloc_huge(column->values, column->room * sizeof(Datum));
		column->nulls = column->nulls == NULL ? palloc(column->room * sizeof(bool)) :
			repalloc_huge(column->nulls, column->room * sizeof(bool));
	}
	column->type = type;
	column->values[column->n] = value;
	column->nulls[column->n++] = isnull;
}

/* Adds a text, or NULL. */
void
nurture_form_put_text(FormColumn *column, const char *text)
{
	nurture_form_put(column, TEXTOID, text ? CStringGetTextDatum(text) : (Datum) 0, text == NULL);
}

/* Returns a column as the array a query takes. */
Datum
nurture_form_array(FormColumn *column, Oid type)
{
	int			lower = 1;
	bool		by_value = type == INT8OID || type == TIMESTAMPTZOID;

	if (column->n == 0)
		return PointerGetDatum(construct_empty_array(type));
	return PointerGetDatum(construct_md_array(column->values, column->nulls, 1, &column->n, &lower, type,
											  by_value ? 8 : -1, by_value,
											  by_value ? TYPALIGN_DOUBLE : TYPALIGN_INT));
}

static void
append_shown(StringInfo json, const char *name, Jsonb *value)
{
	char	   *text = JsonbToCString(NULL, &value->root, VARSIZE(value));

	appendStringInfo(json, ", \"%s\": ", name);
	if (strlen(text) <= MAX_SHOWN)
		appendStringInfoString(json, text);
	else
		escape_json(json, "longer than a review shows; see the event");
}

/* Opens a case about an answer, or joins the one that is open. */
void
nurture_form_review(FormRun *run, const FormAnswer *answer, const char *bucket, Jsonb *present, const char *problem)
{
	const SubjectEvent *event = answer->event;
	StringInfoData json;
	char		at[MAXDATELEN + 1];

	initStringInfo(&json);
	(void) JsonEncodeDateTime(at, TimestampTzGetDatum(event->occurred_at), TIMESTAMPTZOID, NULL);
	appendStringInfo(&json, "{\"event_id\": " INT64_FORMAT ", \"event_type\": \"%s\", \"occurred_at\": \"%s\"",
					 event->event_id, event->event_type, at);
	append_shown(&json, "answer", answer->answer.value ? answer->answer.value : answer->answer.raw);
	if (present != NULL)
		append_shown(&json, "present", present);
	if (problem != NULL)
	{
		appendStringInfoString(&json, ", \"problem\": ");
		escape_json(&json, problem);
	}
	appendStringInfoChar(&json, '}');
	nurture_form_put(&run->reviews[0], INT8OID, Int64GetDatum(answer->lead->lead_id), false);
	nurture_form_put_text(&run->reviews[1], bucket);
	nurture_form_put_text(&run->reviews[2], answer->rule->target.text);
	nurture_form_put(&run->reviews[3], JSONBOID, DirectFunctionCall1(jsonb_in, CStringGetDatum(json.data)), false);
}

/* Returns what of a lead's columns is new, as an object. */
static Jsonb *
new_columns(const FormLead *lead)
{
	JsonbParseState *state = NULL;

	(void) pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	for (int i = 0; i < FACT_LEAD_COLUMNS; i++)
	{
		JsonbValue	key;
		JsonbValue	value;

		if (lead->facts[i] == NULL)
			continue;
		key.type = jbvString;
		key.val.string.val = unconstify(char *, nurture_fact_lead_columns[i].name);
		key.val.string.len = strlen(key.val.string.val);
		(void) pushJsonbValue(&state, WJB_KEY, &key);
		(void) JsonbExtractScalar(&lead->facts[i]->root, &value);
		(void) pushJsonbValue(&state, WJB_VALUE, &value);
	}
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

/* Updates the leads that learned something, by one statement. */
static void
write_facts(FormRun *run)
{
	FormColumn	columns[4] = {0};
	FactCause  *causes = palloc(Max(run->nleads, 1) * sizeof(FactCause));
	FactCauses	because = {causes, 0};
	const FactCauses *outer;
	Datum		values[4];

	for (int i = 0; i < run->nleads; i++)
	{
		FormLead   *lead = &run->leads[i];
		FactCause  *cause = &causes[because.n];
		Jsonb	   *more;

		if (!lead->changed)
			continue;
		if (lead->more == NULL)
			(void) pushJsonbValue(&lead->more, WJB_BEGIN_OBJECT, NULL);
		more = JsonbValueToJsonb(pushJsonbValue(&lead->more, WJB_END_OBJECT, NULL));
		nurture_form_put(&columns[0], INT8OID, Int64GetDatum(lead->lead_id), false);
		nurture_form_put(&columns[1], JSONBOID, JsonbPGetDatum(new_columns(lead)), false);
		nurture_form_put(&columns[2], JSONBOID, JsonbPGetDatum(more), false);
		nurture_form_put(&columns[3], TIMESTAMPTZOID, TimestampTzGetDatum(lead->said_at), false);
		cause->lead_id = lead->lead_id;
		cause->event_id = lead->event->event_id;
		cause->reason = lead->why.data;
		cause->actor = NULL;
		because.n++;
	}
	if (because.n == 0)
		return;
	values[0] = nurture_form_array(&columns[0], INT8OID);
	values[1] = nurture_form_array(&columns[1], JSONBOID);
	values[2] = nurture_form_array(&columns[2], JSONBOID);
	values[3] = nurture_form_array(&columns[3], TIMESTAMPTZOID);
	outer = nurture_history_because(&because);
	(void) nurture_execute(&write_leads, values, NULL, false);
	(void) nurture_history_because(outer);
}

/* Keeps which answers the facts come from, and which changed nothing. */
static void
write_fact_sources(FormRun *run, bool taken)
{
	FormColumn	columns[6] = {0};
	static const Oid types[] = {INT8OID, TEXTOID, TIMESTAMPTZOID, INT8OID, INT8OID, TEXTOID};
	Datum		values[6];

	for (int i = 0; i < run->nfacts; i++)
	{
		const FormFact *fact = &run->facts[i];
		const FormAnswer *answer = &run->answers[fact->first];

		if (fact->taken != taken || (fact->event_id == 0 && fact->ignored_event_id == 0))
			continue;
		nurture_form_put(&columns[0], INT8OID, Int64GetDatum(answer->lead->lead_id), false);
		nurture_form_put_text(&columns[1], answer->rule->target.text);
		nurture_form_put(&columns[2], TIMESTAMPTZOID, TimestampTzGetDatum(fact->said_at), fact->event_id == 0);
		nurture_form_put(&columns[3], INT8OID, Int64GetDatum(fact->event_id), fact->event_id == 0);
		nurture_form_put(&columns[4], INT8OID, Int64GetDatum(fact->ignored_event_id), fact->ignored_event_id == 0);
		nurture_form_put_text(&columns[5], fact->ignored_because);
	}
	if (columns[0].n == 0)
		return;
	for (int i = 0; i < lengthof(columns); i++)
		values[i] = nurture_form_array(&columns[i], types[i]);
	(void) nurture_execute(taken ? &write_taken : &write_confirmed, values, NULL, false);
}

/* Collects what the gate decides about: consent and preferences. */
static void
collect_for_gate(FormRun *run)
{
	run->for_gate = palloc(Max(run->nanswers, 1) * sizeof(FactForGate));
	for (int i = 0; i < run->nanswers; i++)
	{
		const FormAnswer *answer = &run->answers[i];
		FactForGate *out = &run->for_gate[run->nfor_gate];

		if (answer->rule->target.kind != FACT_CONSENT && answer->rule->target.kind != FACT_PREFERENCE)
			continue;
		if (answer->answer.problem != NULL)
		{
			nurture_form_review(run, answer, "manual_research", NULL, answer->answer.problem);
			continue;
		}
		out->lead_id = answer->lead->lead_id;
		out->rule = answer->rule;
		out->event = answer->event;
		out->answer = &answer->answer;
		out->contradicts = false;
		answer->lead->of_gate = true;
		run->nfor_gate++;
	}
}

static int
compare_gates(const void *a, const void *b)
{
	int64		x = *(const int64 *) a;
	int64		y = *(const int64 *) b;

	return x < y ? -1 : x > y;
}

/*
 * Updates the gate rows of all leads that need it, before anything of theirs;
 * a merged lead that answered has one of its own.
 */
static void
lock_gates(FormRun *run)
{
	int64	   *ids = palloc((run->nleads + run->nfor_gate + 1) * sizeof(int64));
	int			n = 0;
	int			distinct = 0;

	for (int i = 0; i < run->nleads; i++)
	{
		if (run->leads[i].of_gate)
			ids[n++] = run->leads[i].lead_id;
	}
	for (int i = 0; i < run->nfor_gate; i++)
	{
		if (run->for_gate[i].event->came_for != run->for_gate[i].lead_id)
			ids[n++] = run->for_gate[i].event->came_for;
	}
	qsort(ids, n, sizeof(int64), compare_gates);
	for (int i = 0; i < n; i++)
	{
		if (distinct == 0 || ids[i] != ids[distinct - 1])
			ids[distinct++] = ids[i];
	}
	if (distinct > 0)
		nurture_fact_gate->lock(ids, distinct);
}

/* Lets the gate record consent and preferences; yes against no goes to a person. */
static void
write_for_gate(FormRun *run)
{
	if (run->nfor_gate == 0)
		return;
	nurture_fact_gate->consents(run->for_gate, run->nfor_gate);
	nurture_fact_gate->preferences(run->for_gate, run->nfor_gate);
	for (int i = 0; i < run->nfor_gate; i++)
	{
		const FactForGate *about = &run->for_gate[i];
		FormAnswer	answer;

		if (!about->contradicts)
			continue;
		answer.lead = nurture_form_lead(run->leads, run->nleads, about->lead_id);
		answer.rule = about->rule;
		answer.event = about->event;
		answer.answer = *about->answer;
		nurture_form_review(run, &answer, "contradiction", NULL, NULL);
	}
}

static void
write_reviews(FormRun *run)
{
	Datum		values[4];

	if (run->reviews[0].n == 0)
		return;
	values[0] = nurture_form_array(&run->reviews[0], INT8OID);
	values[1] = nurture_form_array(&run->reviews[1], TEXTOID);
	values[2] = nurture_form_array(&run->reviews[2], TEXTOID);
	values[3] = nurture_form_array(&run->reviews[3], JSONBOID);
	(void) nurture_execute(&open_reviews, values, NULL, false);
}


/* Writes everything that was decided. */
void
nurture_form_write(FormRun *run)
{
	collect_for_gate(run);
	lock_gates(run);
	write_facts(run);
	write_fact_sources(run, true);
	write_fact_sources(run, false);
	write_for_gate(run);
	write_reviews(run);
}
