/*
 * question.c
 *	  nurture_next_question: the missing fact whose answer could change the
 *	  score most.
 *
 * The score as a function of one fact is constant between the values that
 * rules name.  So each such value is tried, one in every gap between two
 * numbers or days and beyond the ends, and one that no rule names: what comes
 * out is every total that an answer can lead to.  Lists are tried with each
 * single item, the items of each rule, and all of them.
 *
 * A fact that changes nothing by itself may do so together with others that
 * are missing in the same rule; then those are answered in every way first.
 */
#include "base/compat.h"

#include "base/clock.h"
#include "base/owner.h"
#include "base/plans.h"
#include "catalog/pg_type.h"
#include "core/day.h"
#include "facts/attribute.h"
#include "facts/vocabulary.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "scoring/model_private.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

NURTURE_FUNCTION(nurture_next_question);

#define QUESTION_COLUMNS 9
#define MAX_TOGETHER 3			/* facts answered together */
#define MAX_TRIALS 20000		/* of one fact together with others */
#define MICRO INT64CONST(1000000)

/* no rule may name it, so it stands for all other texts */
#define OTHER_TEXT "(other)"
#define ANOTHER_TEXT "(another)"	/* and differs from that */

/* columns of a lead that somebody can be asked for; no contact point */
static const SubjectColumn askable_columns[] = {
	SUBJECT_AUDIENCE_TYPE, SUBJECT_ROLE, SUBJECT_SPECIALTY, SUBJECT_THERAPEUTIC_AREA,
	SUBJECT_COUNTRY, SUBJECT_REGION, SUBJECT_POSTAL_CODE, SUBJECT_ORGANIZATION_TYPE,
	SUBJECT_LANGUAGE, SUBJECT_TIME_ZONE
};

static const SubjectColumn json_columns[] = {SUBJECT_ATTRIBUTES, SUBJECT_ACCOUNT_ATTRIBUTES};

static KeptPlan read_audiences =
KEPT_PLAN_SCAN("SELECT audience_type FROM nurture.audience_type WHERE audience_type <> 'unknown' "
			   "ORDER BY audience_type COLLATE \"C\"", 0);

/* A value that a missing fact may have. */
typedef struct Answer
{
	const char *shown;			/* text of a scalar, JSON of a list */
	const char *json;			/* the same as JSON */
} Answer;

typedef struct Missing
{
	int			id;				/* as in conditions; of a column SubjectColumn */
	char	   *name;
	const char *key;			/* of attributes, NULL = a column */
	const Attribute *registered;	/* NULL = not in the registry */
	Answer	   *answers;
	int			n;
	int			room;
	bool		listed;			/* some rule compares it as a list */
	int64	   *numbers;		/* that rules name, in millionths */
	int			nnumbers;
	int32	   *days;			/* that rules name */
	int			ndays;
} Missing;

/* What is being asked about, and the best found so far. */
typedef struct Asking
{
	Subject    *subject;
	CondSource	source;
	const char *model;			/* as given, NULL = the default */
	const CompiledModel *now_model;
	ScoreSummary now;
	Missing    *missing;
	int			n;
	int			room;
	Missing    *at;				/* whose values are gathered */
} Asking;

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

static void
add_answer(Missing *missing, const char *shown, const char *json)
{
	for (int i = 0; i < missing->n; i++)
	{
		if (strcmp(missing->answers[i].json, json) == 0)
			return;
	}
	if (missing->n == missing->room)
	{
		missing->room = Max(16, 2 * missing->room);
		missing->answers = missing->answers ?
			repalloc(missing->answers, sizeof(Answer) * missing->room) :
			palloc(sizeof(Answer) * missing->room);
	}
	missing->answers[missing->n].shown = shown;
	missing->answers[missing->n++].json = json;
}

static char *
json_text(const char *text)
{
	StringInfoData buf;

	initStringInfo(&buf);
	escape_json(&buf, text);
	return buf.data;
}

static bool
is_sensitive_tag(int id)
{
	for (; id > 0; id = nurture_tag_parent(id))
	{
		if (nurture_tag_sensitive(id))
			return true;
	}
	return false;
}

/* Tells whether a value is a tag that is no reason to ask. */
static bool
is_sensitive(const Missing *missing, const char *text)
{
	const char *dimension = missing->registered && missing->registered->tag_dimension ?
	missing->registered->tag_dimension : missing->key ? missing->key : missing->name;
	char	   *tag = psprintf("%s:%s", dimension, text);

	return is_sensitive_tag(nurture_tag_id(tag, strlen(tag)));
}

/* Tells whether the registry allows a text. */
static bool
is_allowed(const Missing *missing, const char *text)
{
	if (missing->registered == NULL || missing->registered->nallowed == 0)
		return true;
	for (int i = 0; i < missing->registered->nallowed; i++)
	{
		if (strcmp(missing->registered->allowed[i], text) == 0)
			return true;
	}
	return false;
}

static bool
takes(const Missing *missing, AttributeType type)
{
	if (missing->key == NULL)
		return type == ATTRIBUTE_TEXT;
	return missing->registered == NULL || missing->registered->type == type;
}

static void
add_text(Missing *missing, const char *text)
{
	if (!is_allowed(missing, text) || is_sensitive(missing, text))
		return;
	if (takes(missing, ATTRIBUTE_TEXT))
		add_answer(missing, text, json_text(text));
	if (takes(missing, ATTRIBUTE_LIST) && (missing->listed || missing->registered))
	{
		char	   *list = psprintf("[%s]", json_text(text));

		add_answer(missing, list, list);
	}
}

/* Adds a list of the texts among values that may be there. */
static void
add_list(Missing *missing, const CondOperand *values, int nvalues)
{
	StringInfoData buf;

	if (!takes(missing, ATTRIBUTE_LIST))
		return;
	initStringInfo(&buf);
	for (int i = 0; i < nvalues; i++)
	{
		char	   *text = pnstrdup(values[i].text.ptr, values[i].text.len);

		if (is_allowed(missing, text) && !is_sensitive(missing, text))
			appendStringInfo(&buf, "%c%s", buf.len == 0 ? '[' : ',', json_text(text));
	}
	if (buf.len > 0)
	{
		appendStringInfoChar(&buf, ']');
		add_answer(missing, buf.data, buf.data);
	}
}

static void
add_number(Missing *missing, int64 micros)
{
	char	   *text = psprintf("%s" INT64_FORMAT ".%06d", micros < 0 ? "-" : "",
								Abs(micros / MICRO), (int) Abs(micros % MICRO));
	char	   *end = text +strlen(text);

	while (end[-1] == '0')
		*--end = '\0';
	if (end[-1] == '.')
		end[-1] = '\0';
	if (takes(missing, ATTRIBUTE_NUMBER))
		add_answer(missing, text, text);
	else if (takes(missing, ATTRIBUTE_TEXT))
		add_text(missing, text);
}

static void
add_day(Missing *missing, int32 day)
{
	char	   *text = palloc(16);

	if (day < NURTURE_DAY_MIN || day > NURTURE_DAY_MAX)
		return;
	nurture_day_to_iso(day, text);
	if (takes(missing, ATTRIBUTE_DATE))
		add_answer(missing, text, json_text(text));
	else if (takes(missing, ATTRIBUTE_TEXT))
		add_text(missing, text);
}

static void
note_number(Missing *missing, int64 code)
{
	missing->numbers = missing->numbers ?
		repalloc(missing->numbers, sizeof(int64) * (missing->nnumbers + 1)) : palloc(sizeof(int64));
	missing->numbers[missing->nnumbers++] = code / 2;
}

static void
note_day(Missing *missing, int64 day)
{
	if (day < NURTURE_DAY_MIN || day > NURTURE_DAY_MAX)
		return;
	missing->days = missing->days ?
		repalloc(missing->days, sizeof(int32) * (missing->ndays + 1)) : palloc(sizeof(int32));
	missing->days[missing->ndays++] = (int32) day;
}

static int
compare_numbers(const void *a, const void *b)
{
	int64		x = *(const int64 *) a;
	int64		y = *(const int64 *) b;

	return x < y ? -1 : x > y;
}

static int
compare_days(const void *a, const void *b)
{
	int32		x = *(const int32 *) a;
	int32		y = *(const int32 *) b;

	return x < y ? -1 : x > y;
}

/* Adds the numbers and days that were noted, and one for every gap. */
static void
add_gaps(Missing *missing)
{
	qsort(missing->numbers, missing->nnumbers, sizeof(int64), compare_numbers);
	for (int i = 0; i < missing->nnumbers; i++)
	{
		int64		x = missing->numbers[i];

		if (i == 0)
			add_number(missing, x - MICRO);
		add_number(missing, x);
		if (i == missing->nnumbers - 1)
			add_number(missing, x + MICRO);
		else if (missing->numbers[i + 1] - x > 1)
			add_number(missing, x + Min(MICRO, (missing->numbers[i + 1] - x) / 2));
	}
	qsort(missing->days, missing->ndays, sizeof(int32), compare_days);
	for (int i = 0; i < missing->ndays; i++)
	{
		int32		day = missing->days[i];

		if (i == 0)
			add_day(missing, day - 1);
		add_day(missing, day);
		if (i == missing->ndays - 1 || missing->days[i + 1] > day + 1)
			add_day(missing, day + 1);
	}
}

/* The value of a known fact that another is compared with. */
static void
add_value_of(Asking *asking, const CondWord *word)
{
	Subject    *subject = asking->subject;
	char	   *name = pnstrdup(word->name.ptr, word->name.len);

	if (strncmp(name, "attributes.", 11) == 0 && !subject->nulls[SUBJECT_ATTRIBUTES])
	{
		Jsonb	   *json = DatumGetJsonbP(subject->values[SUBJECT_ATTRIBUTES]);
		JsonbValue	found;
		Jsonb	   *one;

		if (getKeyJsonValueFromContainer(&json->root, name + 11, strlen(name + 11), &found) == NULL)
			return;
		one = JsonbValueToJsonb(&found);
		if (found.type == jbvString)
			add_text(asking->at, pnstrdup(found.val.string.val, found.val.string.len));
		else if (asking->at->key != NULL)
		{
			char	   *text = JsonbToCString(NULL, &one->root, VARSIZE(one));

			add_answer(asking->at, text, text);
		}
	}
	else if (word->id >= 0 && word->id < SUBJECT_COLUMNS)
	{
		char	   *text = nurture_subject_text(subject, word->id);

		if (text !=NULL)
			add_text(asking->at, text);
	}
}

/* Gathers the values that a term names for the fact that is asked about. */
static void
gather_term(void *arg, const CondTerm *term)
{
	Asking	   *asking = arg;
	Missing    *at = asking->at;

	if (term->kind != COND_TERM_FACT)
		return;
	if (term->op == COND_OP_SAME_AS || term->op == COND_OP_DIFFERS_FROM)
	{
		if (term->subject.id == at->id)
			add_value_of(asking, &term->other);
		else if (term->other.id == at->id)
			add_value_of(asking, &term->subject);
		else
			return;
		add_text(at, OTHER_TEXT);
		add_text(at, ANOTHER_TEXT);
		return;
	}
	if (term->subject.id != at->id)
		return;
	if (term->op == COND_OP_ANY_OF || term->op == COND_OP_ALL_OF)
		at->listed = true;
	for (int i = 0; i < term->nvalues; i++)
	{
		const CondOperand *value = &term->values[i];
		char	   *text = pnstrdup(value->text.ptr, value->text.len);

		switch (value->kind)
		{
			case COND_OPERAND_NUMBER:
				note_number(at, value->number);
				break;
			case COND_OPERAND_DAY:
				note_day(at, value->day);
				break;
			case COND_OPERAND_BOOL:
				if (takes(at, ATTRIBUTE_BOOLEAN))
				{
					add_answer(at, "true", "true");
					add_answer(at, "false", "false");
				}
				break;
			case COND_OPERAND_TEXT:
				add_text(at, text);
				if (term->op == COND_OP_GE || term->op == COND_OP_LE || term->op == COND_OP_BETWEEN)
				{
					/* right above it, and below everything */
					add_text(at, psprintf("%s!", text));
					add_text(at, "!");
				}
				break;
		}
	}
	if (at->listed && term->nvalues > 0 && term->values[0].kind != COND_OPERAND_NUMBER)
		add_list(at, term->values, term->nvalues);
	if (term->op == COND_OP_UNDER && !is_sensitive_tag(term->other.id))
	{
		char	   *tag = pnstrdup(term->other.name.ptr, term->other.name.len);
		char	   *colon = strchr(tag, ':');

		add_text(at, colon ? colon + 1 : tag);
	}
	if (term->op == COND_OP_DUE_WITHIN)
	{
		note_day(at, (int64) asking->subject->today + term->from_day);
		note_day(at, (int64) asking->subject->today + term->to_day);
	}
	if (term->op == COND_OP_OLDER_THAN)
		note_day(at, (int64) asking->subject->today - term->from_day);
}

/* Tells whether a personal attribute is required of leads of an audience. */
static bool
is_required(const Attribute *attribute, const char *audience)
{
	size_t		length = strlen(audience);

	for (int i = 0; i < attribute->nrequired; i++)
	{
		const char *required = attribute->required_for[i];

		if (strncmp(required, "*/", 2) == 0 ||
			(strncmp(required, audience, length) == 0 && required[length] == '/'))
			return true;
	}
	return false;
}

/* Adds a fact that is missing and may be asked for. */
static void
note_fact(Asking *asking, const CondWord *word)
{
	static const char prefix[] = "attributes.";
	Subject    *subject = asking->subject;
	CondTerm	known = {.kind = COND_TERM_FACT,.op = COND_OP_KNOWN,.subject = *word};
	char	   *name = pnstrdup(word->name.ptr, word->name.len);
	const char *key = NULL;
	const Attribute *registered;
	bool		askable = false;
	Missing    *missing;

	for (int i = 0; i < asking->n; i++)
	{
		if (asking->missing[i].id == word->id)
			return;
	}
	if (strncmp(name, prefix, sizeof(prefix) - 1) == 0)
	{
		key = name + sizeof(prefix) - 1;
		askable = true;
	}
	for (int i = 0; i < lengthof(askable_columns); i++)
		askable |= word->id == (int) askable_columns[i];
	registered = nurture_attribute(key ? key : name, strlen(key ? key : name));
	if (!askable)
		return;
	if (registered != NULL && registered->personal &&
		!is_required(registered, nurture_subject_text(subject, SUBJECT_AUDIENCE_TYPE)))
		return;
	if (word->id == SUBJECT_AUDIENCE_TYPE ?
		strcmp(nurture_subject_text(subject, SUBJECT_AUDIENCE_TYPE), "unknown") != 0 :
		nurture_cond_eval_term(&known, &asking->source) == NURTURE_TRUE)
		return;
	if (asking->n == asking->room)
	{
		asking->room *= 2;
		asking->missing = repalloc(asking->missing, sizeof(Missing) * asking->room);
	}
	missing = &asking->missing[asking->n++];
	memset(missing, 0, sizeof(Missing));
	missing->id = word->id;
	missing->name = name;
	missing->key = key;
	missing->registered = registered;
}

static void
note_term(void *arg, const CondTerm *term)
{
	if (term->kind != COND_TERM_FACT)
		return;
	note_fact(arg, &term->subject);
	if (term->op == COND_OP_SAME_AS || term->op == COND_OP_DIFFERS_FROM)
		note_fact(arg, &term->other);
}

static void
add_audiences(Missing *missing)
{
	OwnerSwitch save;
	int			level;
	MemoryContext context = CurrentMemoryContext;

	nurture_owner_enter(&save);
	level = nurture_spi_connect();
	nurture_execute(&read_audiences, NULL, NULL, true);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		MemoryContext old = MemoryContextSwitchTo(context);

		add_text(missing, nurture_cell_text(i, 1));
		MemoryContextSwitchTo(old);
	}
	nurture_spi_finish(level);
	nurture_owner_leave(&save);
}

/* Gathers every kind of answer to a missing fact. */
static void
gather(Asking *asking, Missing *missing)
{
	asking->at = missing;
	if (missing->key == NULL && missing->id == SUBJECT_AUDIENCE_TYPE)
	{
		add_audiences(missing);
		return;
	}
	/* lists are known for what they are before single values are added */
	for (int pass = 0; pass < 2; pass++)
	{
		for (int i = 0; i < asking->now_model->n_point_rules; i++)
			nurture_cond_visit_terms(asking->now_model->point_rules[i].condition, gather_term, asking);
		if (pass == 0)
			missing->nnumbers = missing->ndays = 0;
	}
	add_gaps(missing);
	if (missing->registered && missing->registered->nallowed > 0)
	{
		CondOperand *all = palloc0(sizeof(CondOperand) * missing->registered->nallowed);

		for (int i = 0; i < missing->registered->nallowed; i++)
		{
			add_text(missing, missing->registered->allowed[i]);
			all[i].text.ptr = missing->registered->allowed[i];
			all[i].text.len = strlen(all[i].text.ptr);
		}
		add_list(missing, all, missing->registered->nallowed);
		return;
	}
	if (missing->registered && missing->registered->type == ATTRIBUTE_BOOLEAN)
	{
		add_answer(missing, "true", "true");
		add_answer(missing, "false", "false");
	}
	else if (missing->registered && missing->registered->type == ATTRIBUTE_NUMBER)
		add_number(missing, 0);
	else if (missing->registered && missing->registered->type == ATTRIBUTE_DATE)
		add_day(missing, asking->subject->today);
	else
		add_text(missing, OTHER_TEXT);
	if (missing->listed && missing->n > 2)
	{
		/* everything that some rule asks for */
		StringInfoData buf;

		initStringInfo(&buf);
		for (int i = 0; i < missing->n; i++)
		{
			const char *json = missing->answers[i].json;

			if (json[0] == '"')
				appendStringInfo(&buf, "%c%s", buf.len == 0 ? '[' : ',', json);
		}
		if (buf.len > 0)
		{
			appendStringInfoChar(&buf, ']');
			add_answer(missing, buf.data, buf.data);
		}
	}
}

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
		char	   *object = psprintf("{%s: %s}", json_text(missing->key), answer->json);
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
	asking.room = 16;
	asking.missing = palloc(sizeof(Missing) * asking.room);
	nurture_subject_source(asking.subject, &asking.source);
	for (int i = 0; i < asking.now_model->n_point_rules; i++)
		nurture_cond_visit_terms(asking.now_model->point_rules[i].condition, note_term, &asking);
	if (asking.model == NULL)
	{
		/* another audience may have another model */
		CondWord	audience = {SUBJECT_AUDIENCE_TYPE, {"audience_type", strlen("audience_type")}};

		note_fact(&asking, &audience);
	}
	for (int i = 0; i < asking.n; i++)
		gather(&asking, &asking.missing[i]);

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
