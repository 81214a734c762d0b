/*
 * read.c
 *	  What the audit trail says: why a message was decided as it was, and all
 *	  decisions about a lead.
 *
 * Everything here reads with the caller's rights: SELECT on nurture.audit.
 */
#include "base/compat.h"

#include "base/plans.h"
#include "catalog/pg_type.h"
#include "facts/lead.h"
#include "funcapi.h"
#include "nodes/execnodes.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

NURTURE_FUNCTION(nurture_why);
NURTURE_FUNCTION(nurture_decisions);

/* decisions with each rule, those that failed first; what happened to the message later, with reasons */
static KeptPlan find_why =
KEPT_PLAN("SELECT a.at, a.trigger,"
		  " coalesce(r.rule, pg_catalog.array_to_string(a.reasons, ', '), a.outcome),"
		  " r.version, r.passed,"
		  " CASE WHEN a.kind = 'message' THEN r.fact ELSE a.inputs END"
		  " FROM nurture.audit a"
		  " CROSS JOIN LATERAL (SELECT CASE WHEN a.kind = 'message' THEN"
		  "  @extschema@.nurture_audit_inputs(a.inputs)::pg_catalog.jsonb"
		  "  END AS inputs) i"
		  " LEFT JOIN LATERAL (SELECT f.value ->> 'rule', f.value ->> 'version',"
		  "  false, f.value ->> 'fact', f.n"
		  "  FROM pg_catalog.jsonb_array_elements(i.inputs -> 'failed')"
		  "  WITH ORDINALITY f (value, n)"
		  "  UNION ALL SELECT p.rule, p.value ->> 'version', true,"
		  "  CASE WHEN pg_catalog.jsonb_typeof(p.value) = 'object'"
		  "  THEN p.value ->> 'fact' ELSE p.value #>> '{}' END, p.n + 1000"
		  "  FROM pg_catalog.jsonb_each(i.inputs -> 'passed')"
		  "  WITH ORDINALITY p (rule, value, n))"
		  " r (rule, version, passed, fact, n) ON true"
		  " WHERE a.lead_ref = $1 AND a.object = 'message:' || $2"
		  " ORDER BY a.audit_id, r.n", INT8OID, INT8OID);

static KeptPlan find_decisions =
KEPT_PLAN("SELECT a.audit_id, a.at, a.kind, a.object, a.outcome, a.reasons,"
		  " a.trigger, a.versions,"
		  " @extschema@.nurture_audit_inputs(a.inputs) AS inputs,"
		  " a.reason, a.\"session_user\","
		  " a.effective_role, a.app_user, a.simulated"
		  " FROM nurture.audit a WHERE a.lead_ref = $1"
		  " AND a.at >= $2 AND a.at <= $3 ORDER BY a.audit_id",
		  INT8OID, TIMESTAMPTZOID, TIMESTAMPTZOID);

/* Hands the rows of a query to the caller of a set-returning function. */
static void
return_rows(FunctionCallInfo fcinfo, KeptPlan *kept, Datum *values)
{
	ReturnSetInfo *result;
	int			level;

	InitMaterializedSRF(fcinfo, 0);
	result = (ReturnSetInfo *) fcinfo->resultinfo;
	level = nurture_spi_connect();
	(void) nurture_execute(kept, values, NULL, true);
	for (uint64 row = 0; row < SPI_processed; row++)
		tuplestore_puttuple(result->setResult, SPI_tuptable->vals[row]);
	nurture_spi_finish(level);
}

/*
 * nurture_why(lead_id, message_id) returns at, trigger, rule, version, passed,
 * fact: what is on record, never a decision made again.
 */
Datum
nurture_why(PG_FUNCTION_ARGS)
{
	Datum		values[2] = {PG_GETARG_DATUM(0), PG_GETARG_DATUM(1)};

	if (nurture_lead_hidden(PG_GETARG_INT64(0)))
		InitMaterializedSRF(fcinfo, 0);
	else
		return_rows(fcinfo, &find_why, values);
	return (Datum) 0;
}

/* nurture_decisions(lead_id, "from", "to"): every entry about a lead. */
Datum
nurture_decisions(PG_FUNCTION_ARGS)
{
	Datum		values[3];

	if (PG_ARGISNULL(0) || nurture_lead_hidden(PG_GETARG_INT64(0)))
	{
		InitMaterializedSRF(fcinfo, 0);
		return (Datum) 0;
	}
	values[0] = PG_GETARG_DATUM(0);
	values[1] = PG_ARGISNULL(1) ? TimestampTzGetDatum(DT_NOBEGIN) :
		PG_GETARG_DATUM(1);
	values[2] = PG_ARGISNULL(2) ? TimestampTzGetDatum(DT_NOEND) :
		PG_GETARG_DATUM(2);
	return_rows(fcinfo, &find_decisions, values);
	return (Datum) 0;
}
