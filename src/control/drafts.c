/*
 * drafts.c
 *	  Drafts put in force for the length of a dry run.
 *
 * Everything written here is taken back by the caller, so nobody need have
 * approved it.
 */
#include "base/compat.h"

#include "base/author.h"
#include "base/errors.h"
#include "base/plans.h"
#include "catalog/pg_type.h"
#include "control/config.h"
#include "control/control.h"
#include "utils/builtins.h"
#include "utils/numeric.h"

static KeptPlan publish_draft =
KEPT_PLAN("SELECT @extschema@.nurture_publish($1, $2, $3, 'dry run', true)",
		  TEXTOID, TEXTOID, INT4OID);

/* Raises what drafts look like. */
static void not_drafts(const char *what) pg_attribute_noreturn();
static void
not_drafts(const char *what)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("\"%.64s\" is none that can be tried as a draft", what),
			 errhint("Drafts are {\"track\": {\"education\": 2}}, likewise model, route and selection; {\"settings\": {table: [rows]}} takes the place of policies.")));
}

/* Publishes the versions that an object {code: version} names. */
static void
publish_all(const char *kind, const JsonbValue *codes)
{
	JsonbIterator *it;
	JsonbIteratorToken token;
	JsonbValue	value;
	Datum		values[3];

	if (codes->type != jbvBinary ||
		!JsonContainerIsObject(codes->val.binary.data))
		not_drafts(kind);
	values[0] = CStringGetTextDatum(kind);
	it = JsonbIteratorInit(codes->val.binary.data);
	while ((token = JsonbIteratorNext(&it, &value, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			values[1] = PointerGetDatum(cstring_to_text_with_len(value.val.string.val,
																 value.val.string.len));
		if (token != WJB_VALUE)
			continue;
		if (value.type != jbvNumeric)
			not_drafts(text_to_cstring(DatumGetTextPP(values[1])));
		values[2] = DirectFunctionCall1(numeric_int4, NumericGetDatum(value.val.numeric));
		nurture_execute(&publish_draft, values, NULL, false);
	}
}

/* Puts each kind of drafts in force. */
static void
try_all(Jsonb *drafts)
{
	JsonbIterator *it = JsonbIteratorInit(&drafts->root);
	JsonbIteratorToken token;
	JsonbValue	value;
	char	   *kind = NULL;

	while ((token = JsonbIteratorNext(&it, &value, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			kind = pnstrdup(value.val.string.val, value.val.string.len);
		if (token != WJB_VALUE)
			continue;
		if (strcmp(kind, "settings") == 0)
			nurture_config_apply(nurture_config_tables(), JsonbValueToJsonb(&value));
		else if (strcmp(kind, "model") == 0 || strcmp(kind, "track") == 0 ||
				 strcmp(kind, "route") == 0 || strcmp(kind, "selection") == 0)
			publish_all(kind, &value);
		else
			not_drafts(kind);
		CommandCounterIncrement();
	}
}

/* Puts drafts in force; see control.h. */
void
nurture_control_try_drafts(Jsonb *drafts)
{
	if (!JB_ROOT_IS_OBJECT(drafts))
		not_drafts("drafts");
	nurture_trying_drafts = true;
	PG_TRY();
	{
		try_all(drafts);
	}
	PG_FINALLY();
	{
		nurture_trying_drafts = false;
	}
	PG_END_TRY();
}
