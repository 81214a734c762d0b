/*
 * model_default.c
 *	  Which model is for which lead: one default per product and audience, and
 *	  the answer to why a lead is scored by the model it is scored by.
 */
#include "base/compat.h"

#include "base/clock.h"
#include "base/errors.h"
#include "base/owner.h"
#include "base/plans.h"
#include "base/trigger.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "scoring/model_private.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

NURTURE_FUNCTION(nurture_guard_default);
NURTURE_FUNCTION(nurture_model_for);

/* "numd", of an advisory lock; 1 is the table of models */
#define DEFAULT_LOCK_CLASS 0x6E756D64
#define DEFAULT_LOCK_MODELS 1

static KeptPlan find_rival =
KEPT_PLAN("SELECT o.model, o.product, (SELECT a FROM unnest(o.audience_types) a WHERE a = ANY (n.audience_types) ORDER BY a LIMIT 1) "
		  "FROM nurture.model n JOIN nurture.model o ON o.product = n.product AND o.model <> n.model "
		  "WHERE n.model = $1 AND n.is_default AND o.is_default AND (o.audience_types && n.audience_types "
		  "OR (cardinality(o.audience_types) = 0 AND cardinality(n.audience_types) = 0)) ORDER BY o.model LIMIT 1",
		  TEXTOID);

/*
 * Trigger on nurture.model, AFTER each row, so that one statement may make
 * another model the default: refuses a second default of a product for an
 * audience.
 */
Datum
nurture_guard_default(PG_FUNCTION_ARGS)
{
	TriggerData *data = nurture_trigger_data(fcinfo, "nurture_guard_default");
	HeapTuple	row = TRIGGER_FIRED_BY_UPDATE(data->tg_event) ?
	data->tg_newtuple : data->tg_trigtuple;
	TupleDesc	desc = data->tg_relation->rd_att;
	char	   *model = SPI_getvalue(row, desc, SPI_fnumber(desc, "model"));
	Datum		value = CStringGetTextDatum(model);
	OwnerSwitch save;
	int			level;

	if (!nurture_deriving())
		return PointerGetDatum(NULL);
	nurture_owner_enter(&save);
	level = nurture_spi_connect();
	/* two sessions that make a default each would not see the other's */
	DirectFunctionCall2(pg_advisory_xact_lock_int4,
						Int32GetDatum(DEFAULT_LOCK_CLASS),
						Int32GetDatum(DEFAULT_LOCK_MODELS));
	nurture_execute_latest(&find_rival, &value, NULL, false);
	if (SPI_processed > 0)
	{
		char	   *audience = nurture_cell_text(0, 3);

		ereport(ERROR,
				(errcode(ERRCODE_UNIQUE_VIOLATION),
				 errmsg("models \"%s\" and \"%s\" cannot both be the default of product \"%s\" for %s",
						nurture_cell_text(0, 1), model, nurture_cell_text(0, 2),
						audience ? psprintf("audience type \"%s\"", audience) :
						"the audiences that no default names"),
				 errhint("Set is_default of one of them to false, or change its audience_types; one UPDATE may do both.")));
	}
	nurture_spi_finish(level);
	nurture_owner_leave(&save);
	return PointerGetDatum(NULL);
}

/* Says in words why a model is the one for an audience and product. */
static char *
why_model(const CompiledModel *m, const char *product, const char *audience)
{
	char	   *why;
	bool		named = false;

	for (int i = 0; i < m->n_audience_types; i++)
		named |= strcmp(m->audience_types[i], audience) == 0;
	if (m->is_default && named)
		why = psprintf("the default for audience type \"%s\"", audience);
	else if (m->is_default && strcmp(audience, "unknown") == 0)
		why = pstrdup("the lead has no audience type; the default for audiences that no default names");
	else if (m->is_default)
		why = psprintf("no default names audience type \"%s\"; the default for such audiences", audience);
	else
		why = psprintf("a model of the product for audience type \"%s\"; there is no default", audience);
	if (strcmp(m->product, product) != 0)
		why = psprintf("product \"%s\" has no model for it: %s", product, why);
	return why;
}

/*
 * nurture_model_for(lead_id bigint, product text) returns setof (model text,
 * version int, why text): no row when no model applies or the lead is not
 * there.
 */
Datum
nurture_model_for(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	char	   *product = text_to_cstring(PG_GETARG_TEXT_PP(1));
	const CompiledModel *m;
	Subject    *subject;
	char	   *audience;
	Datum		values[3];
	bool		nulls[3] = {false};

	InitMaterializedSRF(fcinfo, 0);
	subject = nurture_subject_load(PG_GETARG_INT64(0), nurture_now_statement(), false);
	if (subject == NULL || subject->erased_at != DT_NOBEGIN)
		return (Datum) 0;
	audience = nurture_subject_text(subject, SUBJECT_AUDIENCE_TYPE);
	if (audience == NULL)
		audience = "unknown";
	m = nurture_model_of(product, audience, strlen(audience), false);
	if (m == NULL)
		return (Datum) 0;
	values[0] = CStringGetTextDatum(m->model);
	values[1] = Int32GetDatum(m->version);
	values[2] = CStringGetTextDatum(why_model(m, product, audience));
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	return (Datum) 0;
}
