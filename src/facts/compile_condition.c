/*
 * compile_condition.c
 *	  Conditions compiled against the names of this database.
 */
#include "base/compat.h"

#include "base/errors.h"
#include "base/owner.h"
#include "base/trigger.h"
#include "executor/spi.h"
#include "facts/attribute.h"
#include "facts/subject_private.h"
#include "facts/vocabulary.h"
#include "facts/vocabulary_private.h"
#include "utils/memutils.h"

NURTURE_FUNCTION(nurture_condition_check);

static void *
arena_alloc(void *ctx, size_t size)
{
	return MemoryContextAlloc((MemoryContext) ctx, size);
}

static bool
is_code(const char *name, size_t len)
{
	if (len == 0 || len > 63 || name[0] < 'a' || name[0] > 'z')
		return false;
	for (size_t i = 1; i < len; i++)
	{
		if (!((name[i] >= 'a' && name[i] <= 'z') ||
			  (name[i] >= '0' && name[i] <= '9') || name[i] == '_'))
			return false;
	}
	return true;
}

static bool
table_exists(const char *name)
{
	return OidIsValid(nurture_table_oid(name, true));
}

static int
lookup_name(void *ctx, CondNameKind kind, const char *name, size_t len)
{
	switch (kind)
	{
		case COND_NAME_FACT:
			return nurture_subject_fact(name, len);
		case COND_NAME_SIGNAL:
			return nurture_signal_id(name, len);
		case COND_NAME_TAG:
			return nurture_tag_id(name, len);
		case COND_NAME_STAGE:
			return nurture_vocabulary_stage(name, len);
		case COND_NAME_CHANNEL:
		case COND_NAME_PURPOSE:
		case COND_NAME_LABEL:
			return is_code(name, len) ? 0 : COND_LOOKUP_UNKNOWN;
		case COND_NAME_CAMPAIGN:
			return 0;
		case COND_NAME_LIST:
			return nurture_list_id(name, len);
		case COND_NAME_PROGRAM_KIND:
		case COND_NAME_PROGRAM_FIELD:
			if (!table_exists("program"))
				return COND_LOOKUP_NO_TABLE;
			break;
		case COND_NAME_HANDOFF_STATE:
			if (!table_exists("handoff"))
				return COND_LOOKUP_NO_TABLE;
			break;
		case COND_NAME_CONSENT_STATE:
			if (!table_exists("consent"))
				return COND_LOOKUP_NO_TABLE;
			break;
		case COND_NAME_GRADE:
		case COND_NAME_DIMENSION:
			break;
	}
	return nurture_cond_standard_lookup(kind, name, len);
}

static void
each_name(void *ctx, CondNameKind kind, CondNameVisit visit, void *arg)
{
	if (kind == COND_NAME_FACT)
		nurture_subject_each_fact(visit, arg);
	else if (kind == COND_NAME_SIGNAL || kind == COND_NAME_TAG ||
			 kind == COND_NAME_STAGE || kind == COND_NAME_LIST)
		nurture_vocabulary_each(kind, visit, arg);
	else
		nurture_cond_standard_each(kind, visit, arg);
}

static const char *
label_of(void *ctx, CondNameKind kind, int id)
{
	return kind == COND_NAME_SIGNAL ? nurture_signal_title(id) : NULL;
}

static const CondVocabulary names = {NULL, lookup_name, each_name, label_of};

static void bad_condition(const CondError *error, const char *owner) pg_attribute_noreturn();

static void
bad_condition(const CondError *error, const char *owner)
{
	ereport(ERROR,
			(errcode(NURTURE_ERRCODE_BAD_CONDITION),
			 errmsg("condition of %s: %s", owner, error->message),
			 errdetail("At \"%s\" in the document.",
					   error->path[0] ? error->path : "/"),
			 error->hint[0] ? errhint("%s", error->hint) : 0));
}

/* Compiles a condition document in the current memory context. */
Condition  *
nurture_condition_compile(const char *json, const char *owner)
{
	CoreArena	arena = {arena_alloc, CurrentMemoryContext};
	CondError	error;
	Condition  *condition;

	condition = nurture_cond_compile(json, strlen(json), &names, &arena, &error);
	if (condition == NULL)
		bad_condition(&error, owner);
	return condition;
}

/* Compiles attribute, operator and operand in the current memory context. */
Condition  *
nurture_condition_compile_fact(const char *fact, const char *op,
							   const char *operand_json, const char *owner)
{
	CoreArena	arena = {arena_alloc, CurrentMemoryContext};
	CondError	error;
	Condition  *condition;

	condition = nurture_cond_compile_fact(fact, strlen(fact), op, strlen(op),
										  operand_json,
										  operand_json ? strlen(operand_json) : 0,
										  &names, &arena, &error);
	if (condition == NULL)
		bad_condition(&error, owner);
	return condition;
}

/* Returns what is wrong with a condition document, NULL when nothing is. */
char	   *
nurture_condition_fault(const char *json)
{
	CoreArena	arena = {arena_alloc, CurrentMemoryContext};
	CondError	error;

	if (nurture_cond_compile(json, strlen(json), &names, &arena, &error) != NULL)
		return NULL;
	return psprintf("%s at \"%s\" in the document", error.message,
					error.path[0] ? error.path : "/");
}

/* The same for attribute, operator and operand. */
char	   *
nurture_condition_fact_fault(const char *fact, const char *op,
							 const char *operand_json)
{
	CoreArena	arena = {arena_alloc, CurrentMemoryContext};
	CondError	error;

	if (nurture_cond_compile_fact(fact, strlen(fact), op, strlen(op),
								  operand_json,
								  operand_json ? strlen(operand_json) : 0,
								  &names, &arena, &error) != NULL)
		return NULL;
	return pstrdup(error.message);
}

/*
 * Tells whether no lead can make a condition true, or none of the audience
 * types when some are given.
 */
bool
nurture_condition_never(const Condition *condition,
						const char *const *audience_types, int n)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "nurture condition",
												  ALLOCSET_DEFAULT_SIZES);
	CoreArena	arena = {arena_alloc, context};
	CondText   *texts = palloc(sizeof(CondText) * Max(n, 1));
	CondNarrow	only = {SUBJECT_AUDIENCE_TYPE, texts, n};
	bool		never;

	for (int i = 0; i < n; i++)
	{
		texts[i].ptr = audience_types[i];
		texts[i].len = strlen(audience_types[i]);
	}
	never = nurture_cond_possible(condition, n > 0 ? &only : NULL, &arena) == NURTURE_FALSE;
	MemoryContextDelete(context);
	pfree(texts);
	return never;
}

/* Returns the condition as part of an English sentence. */
char	   *
nurture_condition_text(const Condition *condition)
{
	size_t		length = nurture_cond_print(condition, &names, NULL, 0);
	char	   *text = palloc(length + 1);

	nurture_cond_print(condition, &names, text, length + 1);
	return text;
}

/* Returns one term as part of an English sentence. */
char	   *
nurture_condition_term_text(const CondTerm *term)
{
	size_t		length = nurture_cond_print_term(term, &names, NULL, 0);
	char	   *text = palloc(length + 1);

	nurture_cond_print_term(term, &names, text, length + 1);
	return text;
}

/* Refuses a condition that no fact can make true. */
static void
refuse_finding(void *arg, const char *text, const char *severity)
{
	if (strcmp(severity, "error") == 0)
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_BAD_CONDITION),
				 errmsg("condition of %s: %s", (const char *) arg, text),
				 errhint("See nurture.attribute and nurture.audience_type.")));
}

/*
 * Refuses a condition that is being written when it cannot be understood, or
 * compares a fact with what it never is.  Not asked when rules are loaded: the
 * registry of attributes may have become stricter since.
 */
void
nurture_condition_accept(const char *json, const char *owner)
{
	nurture_attribute_check(nurture_condition_compile(json, owner),
							refuse_finding, unconstify(char *, owner));
}

/*
 * Trigger on a configuration table with a column "condition": what cannot be
 * understood is refused when it is written, not when an event comes.  The
 * arguments say what the rows are, and which column names one.
 */
Datum
nurture_condition_check(PG_FUNCTION_ARGS)
{
	TriggerData *data = nurture_trigger_data(fcinfo, "nurture_condition_check");
	TupleDesc	desc = RelationGetDescr(data->tg_relation);
	HeapTuple	row = TRIGGER_FIRED_BY_UPDATE(data->tg_event) ?
	data->tg_newtuple : data->tg_trigtuple;
	char	   *condition;
	char	   *code;

	if (!nurture_deriving())
		return PointerGetDatum(row);
	if (data->tg_trigger->tgnargs != 2)
		elog(ERROR, "nurture_condition_check needs two arguments");
	condition = SPI_getvalue(row, desc, SPI_fnumber(desc, "condition"));
	code = SPI_getvalue(row, desc, SPI_fnumber(desc, data->tg_trigger->tgargs[1]));
	if (condition != NULL)
		nurture_condition_accept(condition,
								 psprintf("%s \"%.64s\"", data->tg_trigger->tgargs[0],
										  code ? code : ""));
	return PointerGetDatum(row);
}
