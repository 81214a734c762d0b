/*
 * question_answers.c
 *	  Which facts a lead's rules miss, and what could be answered.
 *
 * The score as a function of one fact is constant between the values that
 * rules name.  So an answer is each such value, one in every gap between two
 * numbers or days and beyond the ends, and one that no rule names.  Lists are
 * answered with each single item, the items of each rule, and all of them.
 */
#include "base/compat.h"

#include "base/owner.h"
#include "base/plans.h"
#include "core/day.h"
#include "facts/vocabulary.h"
#include "lib/stringinfo.h"
#include "scoring/question.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"

#define MICRO INT64CONST(1000000)
#define ANY_TIER 4

/* no rule may name it, so it stands for all other texts */
#define OTHER_TEXT "(other)"
#define ANOTHER_TEXT "(another)"	/* and differs from that */

/* columns of a lead that somebody can be asked for; no contact point */
static const SubjectColumn askable_columns[] = {
	SUBJECT_AUDIENCE_TYPE, SUBJECT_ROLE, SUBJECT_SPECIALTY, SUBJECT_THERAPEUTIC_AREA,
	SUBJECT_COUNTRY, SUBJECT_REGION, SUBJECT_POSTAL_CODE, SUBJECT_ORGANIZATION_TYPE,
	SUBJECT_LANGUAGE, SUBJECT_TIME_ZONE
};

static KeptPlan read_audiences =
KEPT_PLAN_SCAN("SELECT audience_type FROM nurture.audience_type WHERE audience_type <> 'unknown' "
			   "ORDER BY audience_type COLLATE \"C\"", 0);
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

/* Returns the text as a JSON string. */
char	   *
nurture_question_json(const char *text)
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
		add_answer(missing, text, nurture_question_json(text));
	if (takes(missing, ATTRIBUTE_LIST) && (missing->listed || missing->registered))
	{
		char	   *list = psprintf("[%s]", nurture_question_json(text));

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
			appendStringInfo(&buf, "%c%s", buf.len == 0 ? '[' : ',', nurture_question_json(text));
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
		add_answer(missing, text, nurture_question_json(text));
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
		!nurture_attribute_required(registered, nurture_subject_text(subject, SUBJECT_AUDIENCE_TYPE),
									ANY_TIER, NULL))
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

/* Gathers the facts that rules miss and every kind of answer to them. */
void
nurture_question_gather(Asking *asking)
{
	const CompiledModel *model = asking->now_model;

	asking->n = 0;
	asking->room = 16;
	asking->missing = palloc(sizeof(Missing) * asking->room);
	for (int i = 0; i < model->n_point_rules; i++)
		nurture_cond_visit_terms(model->point_rules[i].condition, note_term, asking);
	if (asking->model == NULL)
	{
		/* another audience may have another model */
		CondWord	audience = {SUBJECT_AUDIENCE_TYPE, {"audience_type", strlen("audience_type")}};

		note_fact(asking, &audience);
	}
	for (int i = 0; i < asking->n; i++)
		gather(asking, &asking->missing[i]);
}
