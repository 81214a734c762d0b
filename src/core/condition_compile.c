/*
 * condition_compile.c
 *	  From document to flat form: all, any, not, and every term but the fact.
 */
#include "condition_private.h"

/* What compiles each term, in the order of term_words. */
typedef bool (*TermCompiler) (CondCompiler *c, const CoreJson *object,
							  const CoreJson *value, CondTerm *term);

static const char *const term_words[] = {
	"all", "any", "not", "fact", "signal", "tag", "interest", "stage", "tier",
	"grade", "score", "consent", "label", "handoff", "campaign", "list",
	"program", NULL
};

#define FIRST_TERM	3			/* place of "fact" in term_words */

/*
 * Reads "at_least" and "at_most" of an object, each by itself optional, in
 * units of 10^-digits.
 */
static bool
read_bounds(CondCompiler *c, const CoreJson *object, int64_t lowest,
			int64_t highest, int digits, CondTerm *term)
{
	const CoreJson *least = nurture_json_member(object, "at_least");
	const CoreJson *most = nurture_json_member(object, "at_most");

	term->low = NURTURE_COND_OPEN_LOW;
	term->high = NURTURE_COND_OPEN_HIGH;
	if (least != NULL &&
		!(digits == 0 ? nurture_cond_int(c, least, lowest, highest, &term->low)
		  : nurture_cond_decimal(c, least, digits, &term->low)))
		return false;
	if (most != NULL &&
		!(digits == 0 ? nurture_cond_int(c, most, lowest, highest, &term->high)
		  : nurture_cond_decimal(c, most, digits, &term->high)))
		return false;
	if (term->low > term->high)
		return nurture_cond_fail(c, least, "\"at_least\" is greater than "
								 "\"at_most\"", NULL, 0, "");
	return true;
}

/* Says whether the value is an object with no members but these. */
static bool
is_object(CondCompiler *c, const CoreJson *value, CondWordList keys)
{
	if (value->kind != CORE_JSON_OBJECT)
		return nurture_cond_fail(c, value, "term ", c->keyword,
								 strlen(c->keyword), " needs an object");
	return nurture_cond_keys(c, value, keys);
}

/* Says whether the term's keyword stands alone in its object. */
static bool
stands_alone(CondCompiler *c, const CoreJson *object)
{
	const char *const keys[] = {c->keyword, NULL};

	return nurture_cond_keys(c, object, keys);
}

/* Compiles {"fact": ...}. */
static bool
compile_fact(CondCompiler *c, const CoreJson *object, const CoreJson *value,
			 CondTerm *term)
{
	(void) value;
	return nurture_cond_fact_term(c, object, term);
}

/* Compiles {"signal": s, "at_least": n, ...}. */
static bool
compile_signal(CondCompiler *c, const CoreJson *object, const CoreJson *value,
			   CondTerm *term)
{
	static const char *const keys[] = {
		"signal", "at_least", "at_most", "within_days", "after", NULL
	};
	const CoreJson *within = nurture_json_member(object, "within_days");
	const CoreJson *after = nurture_json_member(object, "after");
	int64_t		days;

	term->kind = COND_TERM_SIGNAL;
	if (!nurture_cond_keys(c, object, keys) ||
		!nurture_cond_word(c, value, COND_NAME_SIGNAL, &term->subject) ||
		!read_bounds(c, object, 0, NURTURE_COND_MAX_COUNT, 0, term))
		return false;
	if (term->high == NURTURE_COND_OPEN_HIGH)
	{
		if (term->low == NURTURE_COND_OPEN_LOW)
			term->low = 1;
		else if (term->low == 0)
			return nurture_cond_fail(c, nurture_json_member(object, "at_least"),
									 "every signal occurs at least 0 times",
									 NULL, 0, "");
	}
	if (within != NULL)
	{
		if (!nurture_cond_int(c, within, 0, NURTURE_COND_MAX_DAYS, &days))
			return false;
		term->within_days = (int32_t) days;
	}
	return after == NULL ||
		nurture_cond_word(c, after, COND_NAME_SIGNAL, &term->other);
}

/* Reads a share above 0 and up to 1, in millionths. */
static bool
read_share(CondCompiler *c, const CoreJson *json, CondTerm *term)
{
	if (!nurture_cond_decimal(c, json, 6, &term->low))
		return false;
	if (term->low > 0 && term->low <= 1000000)
		return true;
	return nurture_cond_fail(c, json, "a share is above 0 and at most 1", NULL,
							 0, "");
}

/* Compiles {"tag": t, "present": bool} and {"tag": t, "interest_at_least": x}. */
static bool
compile_tag(CondCompiler *c, const CoreJson *object, const CoreJson *value,
			CondTerm *term)
{
	static const char *const keys[] = {
		"tag", "present", "interest_at_least", NULL
	};
	const CoreJson *present = nurture_json_member(object, "present");
	const CoreJson *share = nurture_json_member(object, "interest_at_least");

	term->kind = share != NULL ? COND_TERM_INTEREST : COND_TERM_TAG;
	if (!nurture_cond_keys(c, object, keys) ||
		!nurture_cond_word(c, value, COND_NAME_TAG, &term->subject))
		return false;
	if (share != NULL && present != NULL)
	{
		nurture_cond_fail(c, present, "\"present\" cannot stand beside "
						  "\"interest_at_least\"", NULL, 0, "");
		return nurture_cond_hint(c, "One asks about the event at hand, the "
								 "other about the lead: write two terms.");
	}
	if (share != NULL)
		return read_share(c, share, term);
	if (present == NULL)
		return true;
	if (present->kind != CORE_JSON_BOOL)
		return nurture_cond_fail(c, present, "expected true or false", NULL, 0,
								 "");
	term->absent = !present->truth;
	return true;
}

/* Compiles {"interest": {"dimension": d, "value": v, "at_least": share}}. */
static bool
compile_interest(CondCompiler *c, const CoreJson *object,
				 const CoreJson *value, CondTerm *term)
{
	static const char *const keys[] = {"dimension", "value", "at_least", NULL};
	const CoreJson *dimension;
	const CoreJson *name;
	const CoreJson *share;
	CondText	d;
	CondText	v;
	CoreJson	tag;
	char	   *joined;

	term->kind = COND_TERM_INTEREST;
	if (!stands_alone(c, object) || !is_object(c, value, keys) ||
		(dimension = nurture_cond_need(c, value, "dimension")) == NULL ||
		(name = nurture_cond_need(c, value, "value")) == NULL ||
		(share = nurture_cond_need(c, value, "at_least")) == NULL ||
		!nurture_cond_text(c, dimension, &d) ||
		!nurture_cond_text(c, name, &v))
		return false;

	/* the tag dimension:value, blamed where its value stands */
	joined = c->arena->alloc(c->arena->ctx, d.len + v.len + 2);
	memcpy(joined, d.ptr, d.len);
	joined[d.len] = ':';
	memcpy(joined + d.len + 1, v.ptr, v.len);
	joined[d.len + 1 + v.len] = '\0';
	tag = *name;
	tag.text = joined;
	tag.len = d.len + 1 + v.len;
	return nurture_cond_word(c, &tag, COND_NAME_TAG, &term->subject) &&
		read_share(c, share, term);
}

/* Compiles {"stage": [...]}. */
static bool
compile_stage(CondCompiler *c, const CoreJson *object, const CoreJson *value,
			  CondTerm *term)
{
	term->kind = COND_TERM_STAGE;
	return stands_alone(c, object) &&
		nurture_cond_words(c, value, COND_NAME_STAGE, term);
}

/* Compiles {"tier": {"at_least": n, "at_most": n}} and {"tier": n}. */
static bool
compile_tier(CondCompiler *c, const CoreJson *object, const CoreJson *value,
			 CondTerm *term)
{
	static const char *const keys[] = {"at_least", "at_most", NULL};

	term->kind = COND_TERM_TIER;
	if (!stands_alone(c, object))
		return false;
	if (value->kind == CORE_JSON_NUMBER)
	{
		if (!nurture_cond_int(c, value, 0, 4, &term->low))
			return false;
		term->high = term->low;
		return true;
	}
	if (!is_object(c, value, keys) ||
		!read_bounds(c, value, 0, 4, 0, term))
		return false;
	if (value->count == 0)
		return nurture_cond_fail(c, value, "term \"tier\" needs \"at_least\" "
								 "or \"at_most\"", NULL, 0, "");
	return true;
}

/* Compiles {"grade": [...]}. */
static bool
compile_grade(CondCompiler *c, const CoreJson *object, const CoreJson *value,
			  CondTerm *term)
{
	term->kind = COND_TERM_GRADE;
	return stands_alone(c, object) &&
		nurture_cond_words(c, value, COND_NAME_GRADE, term);
}

/* Compiles {"score": {"dimension": d, "at_least": x, "at_most": x}}. */
static bool
compile_score(CondCompiler *c, const CoreJson *object, const CoreJson *value,
			  CondTerm *term)
{
	static const char *const keys[] = {
		"dimension", "at_least", "at_most", NULL
	};
	const CoreJson *dimension;

	term->kind = COND_TERM_SCORE;
	if (!stands_alone(c, object) || !is_object(c, value, keys) ||
		(dimension = nurture_cond_need(c, value, "dimension")) == NULL ||
		!nurture_cond_word(c, dimension, COND_NAME_DIMENSION,
						   &term->subject) ||
		!read_bounds(c, value, 0, 0, 2, term))
		return false;
	if (value->count == 1)
		return nurture_cond_fail(c, value, "term \"score\" needs \"at_least\" "
								 "or \"at_most\"", NULL, 0, "");
	return true;
}

/* Compiles {"consent": {"channel": c, "purpose": p, "is": state}}. */
static bool
compile_consent(CondCompiler *c, const CoreJson *object,
				const CoreJson *value, CondTerm *term)
{
	static const char *const keys[] = {"channel", "purpose", "is", NULL};
	const CoreJson *channel;
	const CoreJson *purpose;
	const CoreJson *state;

	term->kind = COND_TERM_CONSENT;
	return stands_alone(c, object) && is_object(c, value, keys) &&
		(channel = nurture_cond_need(c, value, "channel")) != NULL &&
		(purpose = nurture_cond_need(c, value, "purpose")) != NULL &&
		(state = nurture_cond_need(c, value, "is")) != NULL &&
		nurture_cond_word(c, channel, COND_NAME_CHANNEL, &term->subject) &&
		nurture_cond_word(c, purpose, COND_NAME_PURPOSE, &term->other) &&
		nurture_cond_words(c, state, COND_NAME_CONSENT_STATE, term);
}

/* Compiles {"label": l}. */
static bool
compile_label(CondCompiler *c, const CoreJson *object, const CoreJson *value,
			  CondTerm *term)
{
	term->kind = COND_TERM_LABEL;
	return stands_alone(c, object) &&
		nurture_cond_word(c, value, COND_NAME_LABEL, &term->subject);
}

/* Compiles {"handoff": {"state": state}}. */
static bool
compile_handoff(CondCompiler *c, const CoreJson *object,
				const CoreJson *value, CondTerm *term)
{
	static const char *const keys[] = {"state", NULL};
	const CoreJson *state;

	term->kind = COND_TERM_HANDOFF;
	return stands_alone(c, object) && is_object(c, value, keys) &&
		(state = nurture_cond_need(c, value, "state")) != NULL &&
		nurture_cond_words(c, state, COND_NAME_HANDOFF_STATE, term);
}

/* Compiles {"campaign": ...} and {"campaign": {"latest": ...}}. */
static bool
compile_campaign(CondCompiler *c, const CoreJson *object,
				 const CoreJson *value, CondTerm *term)
{
	static const char *const keys[] = {"latest", NULL};

	term->kind = COND_TERM_CAMPAIGN;
	term->latest = value->kind == CORE_JSON_OBJECT;
	if (!stands_alone(c, object) ||
		(term->latest && (!nurture_cond_keys(c, value, keys) ||
						  (value = nurture_cond_need(c, value, "latest")) == NULL)))
		return false;
	return nurture_cond_words(c, value, COND_NAME_CAMPAIGN, term);
}

/* Compiles {"list": l}. */
static bool
compile_list(CondCompiler *c, const CoreJson *object, const CoreJson *value,
			 CondTerm *term)
{
	term->kind = COND_TERM_LIST;
	return stands_alone(c, object) &&
		nurture_cond_word(c, value, COND_NAME_LIST, &term->subject);
}

/* Compiles {"program": {"kind": k, "on": [fields]}}. */
static bool
compile_program(CondCompiler *c, const CoreJson *object,
				const CoreJson *value, CondTerm *term)
{
	static const char *const keys[] = {"kind", "on", NULL};
	const CoreJson *kind;
	const CoreJson *on;

	term->kind = COND_TERM_PROGRAM;
	if (!stands_alone(c, object) || !is_object(c, value, keys) ||
		(kind = nurture_cond_need(c, value, "kind")) == NULL ||
		(on = nurture_cond_need(c, value, "on")) == NULL ||
		!nurture_cond_word(c, kind, COND_NAME_PROGRAM_KIND, &term->subject) ||
		!nurture_cond_words(c, on, COND_NAME_PROGRAM_FIELD, term))
		return false;
	for (int i = 0; i < term->nwords; i++)
	{
		if (term->words[i].id >= 32)
			return nurture_cond_fail(c, on, "program field ",
									 term->words[i].name.ptr,
									 term->words[i].name.len,
									 " cannot be matched on");
		term->fields |= UINT32_C(1) << term->words[i].id;
	}
	return true;
}

static const TermCompiler term_compilers[] = {
	compile_fact, compile_signal, compile_tag, compile_interest,
	compile_stage, compile_tier, compile_grade, compile_score,
	compile_consent, compile_label, compile_handoff, compile_campaign,
	compile_list, compile_program
};

/* Takes the next node; -1, with the error, if there are too many. */
static int
add_node(CondCompiler *c, const CoreJson *json, CondNodeKind kind)
{
	CondNode   *node;

	if (c->nnodes >= c->max_nodes)
	{
		nurture_cond_fail(c, json, "the condition has more than 4000 parts",
						  NULL, 0, "");
		return -1;
	}
	node = &c->nodes[c->nnodes];
	node->kind = kind;
	node->end = c->nnodes + 1;
	node->term = -1;
	return c->nnodes++;
}

/* Compiles a term, whose keyword is at this place of term_words. */
static bool
compile_term(CondCompiler *c, const CoreJson *object, const CoreJson *value,
			 int place)
{
	int			at = add_node(c, object, COND_NODE_TERM);
	CondTerm   *term;

	if (at < 0)
		return false;
	if (c->nterms >= c->max_terms)
		return nurture_cond_fail(c, object, "the condition has more than 1000 "
								 "terms", NULL, 0, "");
	term = &c->terms[c->nterms];
	memset(term, 0, sizeof(*term));
	term->number = c->nterms;
	term->subject.id = -1;
	term->other.id = -1;
	term->within_days = -1;
	term->low = NURTURE_COND_OPEN_LOW;
	term->high = NURTURE_COND_OPEN_HIGH;
	c->nodes[at].term = c->nterms++;
	c->keyword = term_words[place];
	return term_compilers[place - FIRST_TERM] (c, object, value, term);
}

/*
 * Finds the one member of an object that says what it is; NULL, with the
 * error, if there is none or more than one.
 */
static const CoreJson *
find_keyword(CondCompiler *c, const CoreJson *object, int *place)
{
	const CoreJson *found = NULL;

	for (const CoreJson *m = object->first; m != NULL; m = m->next)
	{
		int			here = nurture_cond_find(term_words, m->key, m->key_len);
		char		before[80];

		if (here < 0)
			continue;
		if (found == NULL)
		{
			found = m;
			*place = here;
			continue;
		}
		snprintf(before, sizeof(before), "\"%s\" cannot stand beside ",
				 term_words[here]);
		nurture_cond_fail(c, m, before, found->key, found->key_len, "");
		nurture_cond_hint(c, "Put each into an object of its own, inside "
						  "\"all\" or \"any\".");
		return NULL;
	}
	if (found == NULL)
	{
		const CoreJson *m = object->first;

		nurture_cond_fail(c, m, "unknown term ", m->key, m->key_len, "");
		nurture_cond_hint_list(c, m->key, m->key_len, term_words);
	}
	return found;
}

/* Compiles any part of a condition, inside depth others. */
static bool
compile_node(CondCompiler *c, const CoreJson *json, int depth)
{
	static const CondNodeKind kinds[FIRST_TERM] = {
		COND_NODE_ALL, COND_NODE_ANY, COND_NODE_NOT
	};
	const CoreJson *value;
	int			place = 0;
	int			at;

	if (json->kind != CORE_JSON_OBJECT)
		return nurture_cond_fail(c, json, "a condition must be an object",
								 NULL, 0, "");
	if (json->count == 0)
	{
		nurture_cond_fail(c, json, "the condition is empty", NULL, 0, "");
		return nurture_cond_hint(c, "Write {\"all\": []} for a condition that "
								 "is always true.");
	}
	value = find_keyword(c, json, &place);
	if (value == NULL)
		return false;
	if (place >= FIRST_TERM)
		return compile_term(c, json, value, place);

	c->keyword = term_words[place];
	if (depth >= NURTURE_COND_MAX_DEPTH)
		return nurture_cond_fail(c, json, "the condition is nested more than "
								 "32 deep", NULL, 0, "");
	at = add_node(c, json, kinds[place]);
	if (at < 0 || !stands_alone(c, json))
		return false;
	if (kinds[place] == COND_NODE_NOT)
	{
		if (!compile_node(c, value, depth + 1))
			return false;
	}
	else
	{
		if (value->kind != CORE_JSON_ARRAY)
			return nurture_cond_fail(c, value, "", c->keyword,
									 strlen(c->keyword),
									 " needs a list of conditions");
		if (value->count == 0 && kinds[place] == COND_NODE_ANY)
			return nurture_cond_fail(c, value, "an empty \"any\" is never "
									 "true", NULL, 0, "");
		for (const CoreJson *e = value->first; e != NULL; e = e->next)
		{
			if (!compile_node(c, e, depth + 1))
				return false;
		}
	}
	c->nodes[at].end = c->nnodes;
	return true;
}

/* Answers how many objects a document has, itself included. */
static int
count_objects(const CoreJson *json)
{
	int			n = json->kind == CORE_JSON_OBJECT ? 1 : 0;

	for (const CoreJson *e = json->first; e != NULL; e = e->next)
		n += count_objects(e);
	return n;
}

/* Compiles a document that has been read. */
static Condition *
compile_document(const CoreJson *document, const CondVocabulary *vocabulary,
				 CoreArena *arena, CondError *error)
{
	CondCompiler c = {.vocabulary = vocabulary,.arena = arena,.error = error,
	.keyword = ""};
	Condition  *condition;
	int			n = count_objects(document);

	/* every node is an object of the document, so none is missing */
	c.max_nodes = n < NURTURE_COND_MAX_NODES ? n : NURTURE_COND_MAX_NODES;
	c.max_terms = n < NURTURE_COND_MAX_TERMS ? n : NURTURE_COND_MAX_TERMS;
	c.nodes = arena->alloc(arena->ctx,
						   sizeof(CondNode) * (size_t) (c.max_nodes + 1));
	c.terms = arena->alloc(arena->ctx,
						   sizeof(CondTerm) * (size_t) (c.max_terms + 1));
	if (!compile_node(&c, document, 0))
		return NULL;
	condition = arena->alloc(arena->ctx, sizeof(Condition));
	condition->nnodes = c.nnodes;
	condition->nterms = c.nterms;
	condition->nodes = c.nodes;
	condition->terms = c.terms;
	return condition;
}

/* Reads JSON text; NULL with *error filled, under this path, if it is none. */
static CoreJson *
read_document(const char *json, size_t len, const char *path,
			  CoreArena *arena, CondError *error)
{
	CoreJsonError problem;
	CoreJson   *document = nurture_json_parse(json, len, arena, &problem);
	CoreText	out;

	if (document != NULL)
		return document;
	core_text_start(&out, error->path, sizeof(error->path));
	core_text_str(&out, path);
	core_text_str(&out, problem.path);
	core_text_start(&out, error->message, sizeof(error->message));
	core_text_str(&out, problem.message);
	core_text_start(&out, error->hint, sizeof(error->hint));
	core_text_str(&out, "Byte ");
	core_text_int(&out, (int64_t) problem.offset);
	core_text_str(&out, " of the document.");
	return NULL;
}

/* Compiles a document. */
Condition  *
nurture_cond_compile(const char *json, size_t len,
					 const CondVocabulary *vocabulary, CoreArena *arena,
					 CondError *error)
{
	CoreJson   *document;

	memset(error, 0, sizeof(*error));
	document = read_document(json, len, "", arena, error);
	if (document == NULL)
		return NULL;
	return compile_document(document, vocabulary, arena, error);
}

/* Makes a JSON string that is a member of parent. */
static CoreJson *
make_member(CoreArena *arena, CoreJson *parent, const char *key,
			const char *text, size_t len)
{
	CoreJson   *v = arena->alloc(arena->ctx, sizeof(CoreJson));
	char	   *copy = arena->alloc(arena->ctx, len + 1);

	memset(v, 0, sizeof(*v));
	if (len > 0)
		memcpy(copy, text, len);
	copy[len] = '\0';
	v->kind = CORE_JSON_STRING;
	v->text = copy;
	v->len = len;
	v->key = key;
	v->key_len = strlen(key);
	v->parent = parent;
	v->index = parent->count++;
	return v;
}

/* Compiles attribute, operator, operand, as if they stood in a document. */
Condition  *
nurture_cond_compile_fact(const char *fact, size_t fact_len, const char *op,
						  size_t op_len, const char *operand_json,
						  size_t operand_len,
						  const CondVocabulary *vocabulary, CoreArena *arena,
						  CondError *error)
{
	CoreJson   *object = arena->alloc(arena->ctx, sizeof(CoreJson));
	CoreJson   *value;

	memset(error, 0, sizeof(*error));
	memset(object, 0, sizeof(*object));
	object->kind = CORE_JSON_OBJECT;
	object->first = make_member(arena, object, "fact", fact, fact_len);
	object->first->next = make_member(arena, object, "op", op, op_len);
	if (operand_json != NULL)
	{
		value = read_document(operand_json, operand_len, "/value", arena,
							  error);
		if (value == NULL)
			return NULL;
		value->key = "value";
		value->key_len = strlen("value");
		value->parent = object;
		value->index = object->count++;
		object->first->next->next = value;
	}
	return compile_document(object, vocabulary, arena, error);
}
