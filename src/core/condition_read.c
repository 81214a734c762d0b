/*
 * condition_read.c
 *	  Typed reading of what a term holds: names, numbers, lists.
 *
 * Every function answers false with the error filled when the value is not
 * what it asks for.
 */
#include "condition_private.h"

/* What each kind of name is called in messages. */
static const char *const kind_words[COND_NAME_KINDS] = {
	[COND_NAME_FACT] = "fact",
	[COND_NAME_SIGNAL] = "signal",
	[COND_NAME_TAG] = "tag",
	[COND_NAME_STAGE] = "stage",
	[COND_NAME_GRADE] = "grade",
	[COND_NAME_LABEL] = "label",
	[COND_NAME_CHANNEL] = "channel",
	[COND_NAME_PURPOSE] = "purpose",
	[COND_NAME_CONSENT_STATE] = "consent state",
	[COND_NAME_LIST] = "list",
	[COND_NAME_CAMPAIGN] = "campaign",
	[COND_NAME_PROGRAM_KIND] = "kind of program",
	[COND_NAME_PROGRAM_FIELD] = "program field",
	[COND_NAME_DIMENSION] = "score dimension",
	[COND_NAME_HANDOFF_STATE] = "hand-off state",
};

/* Says whether the object has no members but these. */
bool
nurture_cond_keys(CondCompiler *c, const CoreJson *object, CondWordList known)
{
	for (const CoreJson *m = object->first; m != NULL; m = m->next)
	{
		CoreText	out;
		char		before[80];

		if (nurture_cond_find(known, m->key, m->key_len) >= 0)
			continue;
		core_text_start(&out, before, sizeof(before));
		core_text_str(&out, "term \"");
		core_text_str(&out, c->keyword);
		core_text_str(&out, "\" does not know ");
		nurture_cond_fail(c, m, before, m->key, m->key_len, "");
		return nurture_cond_hint_list(c, m->key, m->key_len, known);
	}
	return true;
}

/* Answers the member of this name; NULL, with the error, if it is missing. */
const CoreJson *
nurture_cond_need(CondCompiler *c, const CoreJson *object, const char *key)
{
	const CoreJson *m = nurture_json_member(object, key);

	if (m == NULL)
	{
		char		before[80];

		snprintf(before, sizeof(before), "term \"%s\" needs ", c->keyword);
		nurture_cond_fail(c, object, before, key, strlen(key), "");
	}
	return m;
}

/* Reads a text that is not empty. */
bool
nurture_cond_text(CondCompiler *c, const CoreJson *json, CondText *out)
{
	if (json->kind != CORE_JSON_STRING)
		return nurture_cond_fail(c, json, "expected a text in double quotes",
								 NULL, 0, "");
	if (json->len == 0)
		return nurture_cond_fail(c, json, "expected a text that is not empty",
								 NULL, 0, "");
	if (json->len > NURTURE_COND_MAX_WORD)
		return nurture_cond_fail(c, json, "the text ", json->text, json->len,
								 " is longer than 512 bytes");
	out->ptr = json->text;
	out->len = json->len;
	return true;
}

/* Reads a name and looks it up. */
bool
nurture_cond_word(CondCompiler *c, const CoreJson *json, CondNameKind kind,
				  CondWord *word)
{
	char		before[80];

	if (!nurture_cond_text(c, json, &word->name))
		return false;
	word->id = c->vocabulary->lookup(c->vocabulary->ctx, kind, json->text,
									 json->len);
	if (word->id >= 0)
		return true;
	if (word->id == COND_LOOKUP_NO_TABLE)
		return nurture_cond_fail(c, json, "term ", c->keyword,
								 strlen(c->keyword), " is not available yet");
	snprintf(before, sizeof(before), "unknown %s ", kind_words[kind]);
	nurture_cond_fail(c, json, before, json->text, json->len, "");
	return nurture_cond_hint_names(c, json->text, json->len, kind);
}

/* Reads one name or a list of names into the term's words. */
bool
nurture_cond_words(CondCompiler *c, const CoreJson *json, CondNameKind kind,
				   CondTerm *term)
{
	bool		list = json->kind == CORE_JSON_ARRAY;
	CondWord   *words;
	int			n = 0;

	if (!list && json->kind != CORE_JSON_STRING)
		return nurture_cond_fail(c, json, "expected a text in double quotes "
								 "or a list of them", NULL, 0, "");
	if (list && json->count == 0)
		return nurture_cond_fail(c, json, "the list is empty", NULL, 0, "");
	if (list && json->count > NURTURE_COND_MAX_VALUES)
		return nurture_cond_fail(c, json, "the list has more than 1000 values",
								 NULL, 0, "");
	words = c->arena->alloc(c->arena->ctx,
							sizeof(CondWord) * (list ? (size_t) json->count : 1));
	for (const CoreJson *e = list ? json->first : json; e != NULL;
		 e = list ? e->next : NULL)
	{
		if (!nurture_cond_word(c, e, kind, &words[n++]))
			return false;
	}
	term->word_kind = kind;
	term->words = words;
	term->nwords = n;
	return true;
}

/* Reads a whole number within low and high. */
bool
nurture_cond_int(CondCompiler *c, const CoreJson *json, int64_t low,
				 int64_t high, int64_t *out)
{
	char		before[96];
	int64_t		code;

	if (json->kind != CORE_JSON_NUMBER ||
		!nurture_cond_number(json->text, json->len, &code) ||
		code % 2000000 != 0)
		return nurture_cond_fail(c, json, "expected a whole number", NULL, 0,
								 "");
	*out = code / 2000000;
	if (*out >= low && *out <= high)
		return true;
	snprintf(before, sizeof(before), "the number must be between %" PRId64
			 " and %" PRId64, low, high);
	return nurture_cond_fail(c, json, before, NULL, 0, "");
}

/* Reads a number with at most so many decimals (0 to 6), times 10^digits. */
bool
nurture_cond_decimal(CondCompiler *c, const CoreJson *json, int digits,
					 int64_t *out)
{
	int64_t		unit = 2000000;
	int64_t		code;
	char		before[80];

	for (int i = 0; i < digits; i++)
		unit /= 10;
	if (json->kind != CORE_JSON_NUMBER ||
		!nurture_cond_number(json->text, json->len, &code))
		return nurture_cond_fail(c, json, "expected a number", NULL, 0, "");
	if (code > NURTURE_COND_NUMBER_MAX || code < -NURTURE_COND_NUMBER_MAX)
		return nurture_cond_fail(c, json, "the number is beyond 4000000000000",
								 NULL, 0, "");
	if (code % unit != 0)
	{
		snprintf(before, sizeof(before), "the number has more than %d decimals",
				 digits);
		return nurture_cond_fail(c, json, before, NULL, 0, "");
	}
	*out = code / unit;
	return true;
}
