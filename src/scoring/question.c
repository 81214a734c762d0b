/*
 * question.c
 *	  nurture_next_question: the missing fact whose answer could change the
 *	  score most.
 *
 * Every kind of answer (question_answers.c) is put into the lead and scored.
 * A fact that changes nothing by itself may do so together with others that
 * are missing in the same rule; then those are answered in every way first.
 */
#include "base/compat.h"

#include "base/clock.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "scoring/question.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

NURTURE_FUNCTION(nurture_next_question);

#define QUESTION_COLUMNS 9
#define MAX_TOGETHER 3			/* facts answered together */
#define MAX_TRIALS 100000		/* of one fact together with others */

static const SubjectColumn json_columns[] = {SUBJECT_ATTRIBUTES, SUBJECT_ACCOUNT_ATTRIBUTES};

/* The range of what answers to a fact lead to. */
typedef struct Outcome
{
	bool		changes;
	int64		effect;
	bool		regrades;
	const Answer *answer;
	ScoreSummary then;
	int64		lowest;
	int64		highest;
	const char *together;		/* NULL = by itself */
} Outcome;

/* What stood where an answer was put. */
typedef struct Kept
{
	SubjectColumn column;
	Datum		value;
	bool		isnull;
} Kept;

/* Puts an answer into the subject. */
static Kept
put_answer(Subject *subject, const Missing *missing, const Answer *answer)
{
	Kept		kept;

	kept.column = missing->key ? SUBJECT_ATTRIBUTES : (SubjectColumn) missing->id;
	kept.value = subject->values[kept.column];
	kept.isnull = subject->nulls[kept.column];
	if (missing->key == NULL)
		subject->values[kept.column] = CStringGetTextDatum(answer->shown);
	else
	{
		char	   *object = psprintf("{%s: %s}", nurture_question_json(missing->key), answer->json);
		Datum		one = DirectFunctionCall1(jsonb_in, CStringGetDatum(object));

		subject->values[kept.column] = kept.isnull ? one :
			DirectFunctionCall2(jsonb_concat, kept.value, one);
	}
	subject->nulls[kept.column] = false;
	return kept;
}

static void
take_back(Subject *subject, const Kept *kept)
{
	subject->values[kept->column] = kept->value;
	subject->nulls[kept->column] = kept->isnull;
}

/* Tries all answers to a fact, as things stand in the subject. */
static void
try_answers(const Asking *asking, const Missing *missing, const char *together, Outcome *best)
{
	MemoryContext trial = AllocSetContextCreate(CurrentMemoryContext, "nurture question",
												ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(trial);
	MemoryContext lazy = asking->subject->context;
	ScoreSummary before = asking->now;

	asking->subject->context = trial;
	(void) nurture_score_subject(asking->subject, asking->model, &before);
	for (int i = 0; i < missing->n; i++)
	{
		Kept		kept = put_answer(asking->subject, missing, &missing->answers[i]);
		ScoreSummary then;
		int64		effect;
		bool		regrades;
		bool		scored;

		CHECK_FOR_INTERRUPTS();
		scored = nurture_score_subject(asking->subject, asking->model, &then);
		take_back(asking->subject, &kept);
		/* no model is for such an audience: then there is no score */
		if (!scored)
			continue;
		effect = Abs(then.total - before.total);
		regrades = strcmp(then.grade, before.grade) != 0;
		if (best->answer == NULL || effect > best->effect ||
			(effect == best->effect && regrades && !best->regrades))
		{
			best->answer = &missing->answers[i];
			best->effect = effect;
			best->regrades = regrades;
			best->then = then;
			best->together = together;
		}
		best->changes |= effect != 0 || regrades;
		best->lowest = Min(best->lowest, then.total);
		best->highest = Max(best->highest, then.total);
		MemoryContextReset(trial);
	}
	asking->subject->context = lazy;
	MemoryContextSwitchTo(old);
	MemoryContextDelete(trial);
}

/* The missing facts that one rule reads. */
typedef struct RuleFacts
{
	const Asking *asking;
	int			n;
	const Missing *facts[MAX_TOGETHER + 1];
} RuleFacts;

static void
note_missing_fact(RuleFacts *rule, int id)
{
	for (int i = 0; i < rule->n; i++)
	{
		if (rule->facts[i]->id == id)
			return;
	}
	for (int i = 0; i < rule->asking->n; i++)
	{
		if (rule->asking->missing[i].id == id && rule->n <= MAX_TOGETHER)
			rule->facts[rule->n++] = &rule->asking->missing[i];
	}
}

static void
note_missing(void *arg, const CondTerm *term)
{
	if (term->kind != COND_TERM_FACT)
		return;
	note_missing_fact(arg, term->subject.id);
	if (term->op == COND_OP_SAME_AS || term->op == COND_OP_DIFFERS_FROM)
		note_missing_fact(arg, term->other.id);
}

/* Tries a fact under every answer to the others from this one on. */
static void
try_together(const Asking *asking, const Missing *missing, const RuleFacts *rule,
			 int other, const char *together, Outcome *best)
{
	if (other == rule->n)
	{
		try_answers(asking, missing, together, best);
		return;
	}
	if (rule->facts[other] == missing)
	{
		try_together(asking, missing, rule, other + 1, together, best);
		return;
	}
	for (int i = 0; i < rule->facts[other]->n; i++)
	{
		Kept		kept = put_answer(asking->subject, rule->facts[other], &rule->facts[other]->answers[i]);

		try_together(asking, missing, rule, other + 1, together, best);
		take_back(asking->subject, &kept);
	}
}

/* Tries a fact together with what else its rules miss. */
static void
try_rules(const Asking *asking, const Missing *missing, Outcome *best)
{
	const CompiledModel *model = asking->now_model;

	for (int i = 0; i < model->n_point_rules; i++)
	{
		RuleFacts	rule = {asking, 0, {NULL}};
		StringInfoData together;
		int64		trials = 1;
		bool		reads = false;

		nurture_cond_visit_terms(model->point_rules[i].condition, note_missing, &rule);
		initStringInfo(&together);
		for (int j = 0; j < rule.n; j++)
		{
			trials *= Max(rule.facts[j]->n, 1);
			reads |= rule.facts[j] == missing;
			if (rule.facts[j] != missing)
				appendStringInfo(&together, "%s%s", together.len > 0 ? ", " : "", rule.facts[j]->name);
		}
		if (reads && rule.n > 1 && rule.n <= MAX_TOGETHER && trials <= MAX_TRIALS)
			try_together(asking, missing, &rule, 0, together.data, best);
	}
}

static void
put_question(ReturnSetInfo *result, const Missing *missing, const Outcome *best)
{
	Datum		values[QUESTION_COLUMNS];
	bool		nulls[QUESTION_COLUMNS] = {false};
	const char *title = missing->registered ? missing->registered->title : NULL;

	values[0] = CStringGetTextDatum(missing->name);
	values[1] = nurture_points_datum(best->effect);
	values[2] = CStringGetTextDatum(best->answer->shown);
	values[3] = nurture_points_datum(best->then.total);
	nulls[4] = best->then.grade[0] == '\0';
	values[4] = nulls[4] ? (Datum) 0 : CStringGetTextDatum(best->then.grade);
	values[5] = nurture_points_datum(best->lowest);
	values[6] = nurture_points_datum(best->highest);
	nulls[7] = best->together == NULL;
	values[7] = nulls[7] ? (Datum) 0 : CStringGetTextDatum(best->together);
	nulls[8] = title == NULL;
	values[8] = nulls[8] ? (Datum) 0 : CStringGetTextDatum(title);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

typedef struct Question
{
	const Missing *missing;
	Outcome		best;
} Question;

/* Largest effect first, then those that change the grade, then by name. */
static int
compare_questions(const void *a, const void *b)
{
	const Question *x = a;
	const Question *y = b;

	if (x->best.effect != y->best.effect)
		return x->best.effect > y->best.effect ? -1 : 1;
	if (x->best.regrades != y->best.regrades)
		return x->best.regrades ? -1 : 1;
	return strcmp(x->missing->name, y->missing->name);
}

/*
 * nurture_next_question(lead_id bigint, model text) returns setof record: the
 * missing facts that can change total or grade, the most telling first.
 */
Datum
nurture_next_question(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Asking		asking = {NULL};
	Question   *questions;
	int			n = 0;

	InitMaterializedSRF(fcinfo, 0);
	if (PG_ARGISNULL(0))
		return (Datum) 0;
	asking.subject = nurture_subject_load(PG_GETARG_INT64(0), nurture_now_statement(), false);
	if (asking.subject == NULL || asking.subject->erased_at != DT_NOBEGIN)
		return (Datum) 0;
	if (!PG_ARGISNULL(1))
		asking.model = text_to_cstring(PG_GETARG_TEXT_PP(1));
	if (!nurture_score_subject(asking.subject, asking.model, &asking.now))
		return (Datum) 0;
	asking.now_model = asking.now.model;

	/* what is read on first use is read now, and outlives the trials */
	nurture_subject_standing(asking.subject);
	for (int i = 0; i < lengthof(json_columns); i++)
	{
		Datum	   *value = &asking.subject->values[json_columns[i]];

		if (!asking.subject->nulls[json_columns[i]])
			*value = JsonbPGetDatum(DatumGetJsonbP(*value));
	}
	nurture_subject_source(asking.subject, &asking.source);
	nurture_question_gather(&asking);

	questions = palloc(sizeof(Question) * Max(asking.n, 1));
	for (int i = 0; i < asking.n; i++)
	{
		Outcome		best = {.lowest = asking.now.total,.highest = asking.now.total};

		try_answers(&asking, &asking.missing[i], NULL, &best);
		if (!best.changes)
			try_rules(&asking, &asking.missing[i], &best);
		if (best.changes)
		{
			questions[n].missing = &asking.missing[i];
			questions[n++].best = best;
		}
	}
	qsort(questions, n, sizeof(Question), compare_questions);
	for (int i = 0; i < n; i++)
		put_question(result, questions[i].missing, &questions[i].best);
	return (Datum) 0;
}
