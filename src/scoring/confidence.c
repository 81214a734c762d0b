/*
 * confidence.c
 *	  nurture_confidence_detail: what the fit of a lead rests on.
 *
 * A fit rule is decided when its condition is true or false.  Facts that it
 * was decided by may still be doubtful: contradicted, when a rule that takes
 * points for two facts that differ says so, or a case about the fact is open;
 * stale, when the registry says that such a fact is to be asked again.
 */
#include "base/compat.h"

#include "base/clock.h"
#include "base/owner.h"
#include "base/plans.h"
#include "catalog/pg_type.h"
#include "facts/attribute.h"
#include "funcapi.h"
#include "scoring/model_private.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

NURTURE_FUNCTION(nurture_confidence_detail);

#define DETAIL_COLUMNS 5

/* A fact that rules of the model read. */
typedef struct ReadFact
{
	int			id;				/* as in conditions */
	char	   *name;
	bool		known;
	bool		contradicted;
	bool		stale;
	bool		dated;			/* since is known */
	TimestampTz since;
} ReadFact;

typedef struct Reading
{
	CondSource	source;
	ReadFact   *facts;
	int			n;
	int			room;
	bool		contradicts;	/* the rule at hand takes points for what
								 * differs */
} Reading;

/*
 * Since when facts are as they are, and whether a case about them is open.
 * The last version that had another value ended when the present one began;
 * where an answer told the present one, or told it again, it holds since that
 * was said.
 */
static KeptPlan date_facts =
KEPT_PLAN("SELECT f.no::int4, CASE "
		  "WHEN f.fact IN ('account.activity_score', 'account.spike', 'account.active_leads', 'account.as_of') THEN c.as_of "
		  "WHEN f.fact LIKE 'account.%' THEN coalesce((SELECT h.replaced_at FROM nurture.account_history h WHERE h.account_id = l.account_id "
		  "AND CASE WHEN f.fact LIKE 'account.attributes.%' THEN h.attributes -> substr(f.fact, 20) ELSE to_jsonb(h) -> substr(f.fact, 9) END "
		  "IS DISTINCT FROM CASE WHEN f.fact LIKE 'account.attributes.%' THEN c.attributes -> substr(f.fact, 20) ELSE to_jsonb(c) -> substr(f.fact, 9) END "
		  "ORDER BY h.history_no DESC LIMIT 1), c.recorded_at) "
		  "ELSE coalesce(greatest((SELECT s.said_at FROM nurture.fact_source s WHERE s.lead_id = l.lead_id AND s.target IN (f.fact, 'lead.' || f.fact)), "
		  "CASE WHEN w.event_id IS NULL THEN w.held_until END), w.held_until, l.created_at) END, "
		  "EXISTS (SELECT FROM nurture.review r WHERE r.lead_id = l.lead_id AND r.bucket = 'contradiction' AND r.state = 'open' "
		  "AND r.scope IN (f.fact, 'lead.' || f.fact)) "
		  "FROM nurture.lead l LEFT JOIN nurture.account c ON c.account_id = l.account_id CROSS JOIN unnest($2) WITH ORDINALITY f(fact, no) "
		  "LEFT JOIN LATERAL (SELECT h.held_until, h.event_id FROM nurture.lead_history h WHERE h.lead_id = l.lead_id "
		  "AND CASE WHEN f.fact LIKE 'attributes.%' THEN h.attributes -> substr(f.fact, 12) ELSE to_jsonb(h) -> f.fact END "
		  "IS DISTINCT FROM CASE WHEN f.fact LIKE 'attributes.%' THEN l.attributes -> substr(f.fact, 12) ELSE to_jsonb(l) -> f.fact END "
		  "ORDER BY h.history_no DESC LIMIT 1) w ON true "
		  "WHERE l.lead_id = $1", INT8OID, TEXTARRAYOID);

static ReadFact *
find_fact(Reading *reading, const CondWord *word)
{
	CondTerm	known = {.kind = COND_TERM_FACT,.op = COND_OP_KNOWN,.subject = *word};

	for (int i = 0; i < reading->n; i++)
	{
		if (reading->facts[i].id == word->id)
			return &reading->facts[i];
	}
	if (reading->n == reading->room)
	{
		reading->room *= 2;
		reading->facts = repalloc(reading->facts, sizeof(ReadFact) * reading->room);
	}
	memset(&reading->facts[reading->n], 0, sizeof(ReadFact));
	reading->facts[reading->n].id = word->id;
	reading->facts[reading->n].name = pnstrdup(word->name.ptr, word->name.len);
	reading->facts[reading->n].known = nurture_cond_eval_term(&known, &reading->source) == NURTURE_TRUE;
	return &reading->facts[reading->n++];
}

/* Notes the facts of a term, and whether they contradict each other. */
static void
note_term(void *arg, const CondTerm *term)
{
	Reading    *reading = arg;
	bool		differ;

	if (term->kind != COND_TERM_FACT)
		return;
	differ = reading->contradicts && term->op == COND_OP_DIFFERS_FROM &&
		nurture_cond_eval_term(term, &reading->source) == NURTURE_TRUE;
	find_fact(reading, &term->subject)->contradicted |= differ;
	if (term->op == COND_OP_SAME_AS || term->op == COND_OP_DIFFERS_FROM)
		find_fact(reading, &term->other)->contradicted |= differ;
}

static const char *
registered_key(const char *fact)
{
	if (strncmp(fact, "attributes.", 11) == 0)
		return fact + 11;
	return strncmp(fact, "account.attributes.", 19) == 0 ? fact + 19 : fact;
}

/* Adds what history, cases and the registry say about the facts. */
static void
date_reading(Reading *reading, int64 lead_id, TimestampTz now)
{
	Datum	   *names = palloc(sizeof(Datum) * Max(reading->n, 1));
	Datum		values[2];
	OwnerSwitch save;
	int			level;

	for (int i = 0; i < reading->n; i++)
		names[i] = CStringGetTextDatum(reading->facts[i].name);
	values[0] = Int64GetDatum(lead_id);
	values[1] = PointerGetDatum(construct_array(names, reading->n, TEXTOID, -1, false, TYPALIGN_INT));
	nurture_owner_enter(&save);
	level = nurture_spi_connect();
	nurture_execute(&date_facts, values, NULL, true);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		bool		isnull;
		ReadFact   *fact = &reading->facts[DatumGetInt32(nurture_cell(i, 1, &isnull)) - 1];

		fact->since = DatumGetTimestampTz(nurture_cell(i, 2, &isnull));
		fact->dated = !isnull && fact->known;
		fact->contradicted |= DatumGetBool(nurture_cell(i, 3, &isnull));
	}
	nurture_spi_finish(level);
	nurture_owner_leave(&save);

	for (int i = 0; i < reading->n; i++)
	{
		ReadFact   *fact = &reading->facts[i];
		const char *key = registered_key(fact->name);
		const Attribute *attribute = nurture_attribute(key, strlen(key));

		if (fact->dated && attribute != NULL && attribute->has_stale_after)
			fact->stale = DatumGetTimestampTz(DirectFunctionCall2(timestamptz_pl_interval,
																  TimestampTzGetDatum(fact->since),
																  IntervalPGetDatum(&unconstify(Attribute *, attribute)->stale_after))) <= now;
	}
}

/* The fact that a rule's state rests on. */
typedef struct Worst
{
	Reading    *reading;
	bool		undecided;
	const ReadFact *fact;
	int			badness;
} Worst;

static void
weigh_fact(Worst *worst, const CondWord *word)
{
	const ReadFact *fact = find_fact(worst->reading, word);
	int			badness = worst->undecided ? (fact->known ? 1 : 4) :
	!fact->known ? 0 : fact->contradicted ? 3 : fact->stale ? 2 : 1;

	if (worst->fact == NULL || badness > worst->badness)
	{
		worst->fact = fact;
		worst->badness = badness;
	}
}

static void
weigh_term(void *arg, const CondTerm *term)
{
	if (term->kind != COND_TERM_FACT)
		return;
	weigh_fact(arg, &term->subject);
	if (term->op == COND_OP_SAME_AS || term->op == COND_OP_DIFFERS_FROM)
		weigh_fact(arg, &term->other);
}

static void
put_rule(ReturnSetInfo *result, const PointRule *rule, NurtureTruth truth, Reading *reading)
{
	Worst		worst = {reading, truth == NURTURE_UNKNOWN, NULL, 0};
	Datum		values[DETAIL_COLUMNS];
	bool		nulls[DETAIL_COLUMNS] = {false};
	const char *state = "known";

	nurture_cond_visit_terms(rule->condition, weigh_term, &worst);
	if (worst.undecided)
		state = "unknown";
	else if (worst.badness == 3)
		state = "contradicted";
	else if (worst.badness == 2)
		state = "stale";
	values[0] = CStringGetTextDatum(rule->rule);
	nulls[1] = worst.fact == NULL;
	values[1] = nulls[1] ? (Datum) 0 : CStringGetTextDatum(worst.fact->name);
	values[2] = nurture_points_datum(Abs(rule->points));
	values[3] = CStringGetTextDatum(state);
	nulls[4] = nulls[1] || !worst.fact->dated;
	values[4] = nulls[4] ? (Datum) 0 : TimestampTzGetDatum(worst.fact->since);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/*
 * nurture_confidence_detail(lead_id bigint, model text) returns setof record:
 * one row per fit rule, none for an unknown lead.
 */
Datum
nurture_confidence_detail(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	TimestampTz now = nurture_now_statement();
	const CompiledModel *model;
	Subject    *subject;
	text	   *audience;
	Reading		reading;
	ScoreSummary summary;
	ScoreDetail detail;

	InitMaterializedSRF(fcinfo, 0);
	if (PG_ARGISNULL(0))
		return (Datum) 0;
	subject = nurture_subject_load(PG_GETARG_INT64(0), now, false);
	if (subject == NULL || subject->erased_at != DT_NOBEGIN)
		return (Datum) 0;
	audience = DatumGetTextPP(subject->values[SUBJECT_AUDIENCE_TYPE]);
	model = nurture_model(PG_ARGISNULL(1) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(1)),
						  VARDATA_ANY(audience), VARSIZE_ANY_EXHDR(audience));
	if (model == NULL)
		return (Datum) 0;
	detail.results = NULL;
	detail.truths = palloc0(sizeof(NurtureTruth) * Max(model->n_point_rules, 1));
	nurture_score_detail(subject, model, &summary, &detail);

	reading.n = 0;
	reading.room = 32;
	reading.facts = palloc(sizeof(ReadFact) * reading.room);
	nurture_subject_source(subject, &reading.source);
	for (int i = 0; i < model->n_point_rules; i++)
	{
		const PointRule *rule = &model->point_rules[i];

		reading.contradicts = rule->points < 0 && detail.truths[i] == NURTURE_TRUE;
		nurture_cond_visit_terms(rule->condition, note_term, &reading);
	}
	date_reading(&reading, subject->lead_id, now);
	for (int i = 0; i < model->n_point_rules; i++)
	{
		if (!model->point_rules[i].is_pattern)
			put_rule(result, &model->point_rules[i], detail.truths[i], &reading);
	}
	return (Datum) 0;
}
