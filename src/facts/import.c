/*
 * import.c
 *	  nurture_import_leads: leads as another system has them.
 *
 * A row that names its lead by lead_id, external_ref or identity changes that
 * lead, else it makes one; a key that is left out leaves its fact alone, one
 * that is null makes it unknown.  A merged lead keeps its own row: what the
 * other system says about it does not overwrite the survivor.  What cannot be
 * taken goes to nurture.lead_quarantine; the others are taken all the same.
 */
#include "base/compat.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "base/author.h"
#include "base/errors.h"
#include "base/owner.h"
#include "base/plans.h"
#include "base/try.h"
#include "catalog/pg_type.h"
#include "facts/history.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

NURTURE_FUNCTION(nurture_import_leads);

/* facts a row may bring, beside lead_id, attributes and updated_at */
#define FACTS(p) \
	p "account_id, " p "external_ref, " p "email, " p "phone, " p "full_name, " p "audience_type, " \
	p "audience_verified_at, " p "role, " p "specialty, " p "therapeutic_area, " p "country, " p "region, " \
	p "postal_code, " p "organization_type, " p "source, " p "campaign, " p "language, " p "time_zone, " \
	p "owner, " p "is_test, " p "created_at"

static KeptPlan bad_key =
KEPT_PLAN("SELECT k FROM jsonb_object_keys($1::jsonb) k WHERE k <> ALL ('{lead_id,external_ref,account_id,account_ref,"
		  "email,phone,full_name,audience_type,audience_verified_at,role,specialty,therapeutic_area,country,region,"
		  "postal_code,organization_type,source,campaign,language,time_zone,owner,is_test,attributes,created_at,"
		  "updated_at,identity,identities}'::text[]) ORDER BY k LIMIT 1", TEXTOID);
static KeptPlan read_row =
KEPT_PLAN("SELECT jsonb_typeof(r) = 'object', r::text, (r ->> 'lead_id')::bigint, nullif(btrim(r ->> 'external_ref'), ''),"
		  " r -> 'identity' ->> 'kind', r -> 'identity' ->> 'value', r ->> 'account_ref' FROM (SELECT $1::jsonb AS r) x", TEXTOID);
static KeptPlan each_row =
KEPT_PLAN("SELECT CASE jsonb_typeof(r) WHEN 'object' THEN r::text END, r::text FROM jsonb_array_elements($1) r", JSONBOID);
static KeptPlan by_id =
KEPT_PLAN("SELECT lead_id, erased_at IS NOT NULL FROM nurture.lead WHERE lead_id = $1", INT8OID);
static KeptPlan by_ref =
KEPT_PLAN("SELECT lead_id, erased_at IS NOT NULL FROM nurture.lead WHERE external_ref = $1"
		  " ORDER BY merged_into IS NOT NULL, lead_id LIMIT 2", TEXTOID);
static KeptPlan by_identity =
KEPT_PLAN("SELECT lead_id, erased_at IS NOT NULL FROM nurture.lead"
		  " WHERE lead_id = @extschema@.nurture_resolve($1, $2)", TEXTOID, TEXTOID);
static KeptPlan find_account =
KEPT_PLAN("SELECT account_id FROM nurture.account WHERE external_ref = $1", TEXTOID);
static KeptPlan change_lead =
KEPT_PLAN("UPDATE nurture.lead l SET (" FACTS("") ", updated_at, attributes) = (SELECT " FACTS("n.") ", n.updated_at, n.attributes)"
		  " FROM (SELECT p.*, jsonb_strip_nulls(o.attributes || coalesce(nullif($2::jsonb -> 'attributes', 'null'), '{}')) AS merged"
		  "  FROM nurture.lead o, jsonb_populate_record(o, $2::jsonb - 'attributes') p WHERE o.lead_id = $1) x,"
		  " LATERAL (SELECT " FACTS("x.") ", x.updated_at, x.merged AS attributes) n"
		  " WHERE l.lead_id = $1 AND ((" FACTS("l.") ", l.attributes) IS DISTINCT FROM (" FACTS("n.") ", n.attributes))",
		  INT8OID, TEXTOID);

#define DEFAULTS "jsonb_build_object('audience_type', 'unknown', 'is_test', false, 'attributes', '{}'::jsonb," \
	" 'created_at', @extschema@.nurture_now(), 'updated_at', @extschema@.nurture_now())"
#define NEW_FACTS FACTS("n.") ", n.updated_at, n.attributes FROM jsonb_populate_record(NULL::nurture.lead," \
	DEFAULTS " || jsonb_strip_nulls($1::jsonb)) n RETURNING lead_id"
static KeptPlan make_numbered =
KEPT_PLAN("INSERT INTO nurture.lead (lead_id, " FACTS("") ", updated_at, attributes) SELECT n.lead_id, " NEW_FACTS, TEXTOID);
static KeptPlan make_lead =
KEPT_PLAN("INSERT INTO nurture.lead (" FACTS("") ", updated_at, attributes) SELECT " NEW_FACTS, TEXTOID);
static KeptPlan add_identities =
KEPT_PLAN("INSERT INTO nurture.identity (kind, value, lead_id, source)"
		  " SELECT i ->> 'kind', i ->> 'value', $1, 'import' FROM (SELECT $2::jsonb -> 'identity' AS i UNION ALL"
		  " SELECT jsonb_array_elements(CASE jsonb_typeof($2::jsonb -> 'identities') WHEN 'array' THEN $2::jsonb -> 'identities' ELSE '[]' END)) x"
		  " WHERE jsonb_typeof(i) = 'object' ON CONFLICT DO NOTHING", INT8OID, TEXTOID);
static KeptPlan with_account =
KEPT_PLAN("SELECT ($1::jsonb || jsonb_build_object('account_id', $2))::text", TEXTOID, INT8OID);
static KeptPlan quarantine =
KEPT_PLAN("INSERT INTO nurture.lead_quarantine (payload, reason, detail) VALUES ($1::jsonb, $2, $3)",
		  TEXTOID, TEXTOID, TEXTOID);

/* What became of a row. */
typedef enum RowOutcome
{
	ROW_MADE,
	ROW_CHANGED,
	ROW_SAME,
	ROW_BAD,
	ROW_OUTCOMES				/* how many */
} RowOutcome;

/* A row that cannot be taken, and why. */
typedef struct BadRow
{
	const char *reason;			/* NULL = nothing is wrong */
	const char *detail;
} BadRow;

static RowOutcome
bad(BadRow *why, const char *reason, const char *detail)
{
	why->reason = reason;
	why->detail = detail;
	return ROW_BAD;
}

static Datum
cell_text_datum(int column, bool *isnull)
{
	char	   *text = nurture_cell_text(0, column);

	*isnull = text == NULL;
	return text == NULL ? (Datum) 0 : CStringGetTextDatum(text);
}

/* Takes one row. */
static RowOutcome
take_row(const char *row, const char *reason, const char *actor, BadRow *why)
{
	Datum		values[2];
	Datum		lead_id;
	Datum		reference;
	Datum		kind;
	Datum		value;
	Datum		account;
	bool		no_id;
	bool		no_ref;
	bool		no_kind;
	bool		no_value;
	bool		no_account;
	bool		isnull;
	RowOutcome	outcome;

	values[0] = CStringGetTextDatum(row);
	(void) nurture_execute(&bad_key, values, NULL, false);
	if (SPI_processed > 0)
		return bad(why, "bad_value", psprintf("unknown key \"%.64s\"", nurture_cell_text(0, 1)));
	(void) nurture_execute(&read_row, values, NULL, false);
	lead_id = nurture_cell(0, 3, &no_id);
	reference = cell_text_datum(4, &no_ref);
	kind = cell_text_datum(5, &no_kind);
	value = cell_text_datum(6, &no_value);
	account = cell_text_datum(7, &no_account);
	if (!no_account)
	{
		(void) nurture_execute(&find_account, &account, NULL, false);
		if (SPI_processed == 0)
			return bad(why, "unknown_account", "there is no account with this account_ref");
		values[1] = nurture_cell(0, 1, &isnull);
		(void) nurture_execute(&with_account, values, NULL, false);
		values[0] = CStringGetTextDatum(nurture_cell_text(0, 1));
	}
	SPI_processed = 0;
	if (!no_id)
		(void) nurture_execute(&by_id, &lead_id, NULL, false);
	else if (!no_ref)
		(void) nurture_execute(&by_ref, &reference, NULL, false);
	else if (!no_kind && !no_value)
	{
		Datum		identity[2] = {kind, value};

		(void) nurture_execute(&by_identity, identity, NULL, false);
	}
	if (SPI_processed > 1)
		return bad(why, "ambiguous", "more than one lead has this external_ref");
	if (SPI_processed == 0)
	{
		(void) nurture_execute(no_id ? &make_lead : &make_numbered, values, NULL, false);
		lead_id = nurture_cell(0, 1, &isnull);
		outcome = ROW_MADE;
	}
	else
	{
		FactCause	cause = {.reason = reason,.actor = actor};
		FactCauses	causes = {&cause, 1};
		const FactCauses *before;

		lead_id = nurture_cell(0, 1, &isnull);
		if (DatumGetBool(nurture_cell(0, 2, &isnull)))
			return bad(why, "erased", "the lead was erased");
		cause.lead_id = DatumGetInt64(lead_id);
		values[1] = values[0];
		values[0] = lead_id;
		before = nurture_history_because(&causes);
		(void) nurture_execute(&change_lead, values, NULL, false);
		(void) nurture_history_because(before);
		outcome = SPI_processed > 0 ? ROW_CHANGED : ROW_SAME;
		values[0] = values[1];
	}
	values[1] = values[0];
	values[0] = lead_id;
	(void) nurture_execute(&add_identities, values, NULL, false);
	return outcome;
}

/* Tells whether an error is about the row, not about rights or the server. */
static bool
about_the_row(int sqlstate)
{
	return nurture_error_of_data(sqlstate) ||
		sqlstate == NURTURE_ERRCODE_UNKNOWN_LEAD ||
		sqlstate == NURTURE_ERRCODE_UNKNOWN_CODE ||
		sqlstate == NURTURE_ERRCODE_BAD_STATE;
}

/* A row to take, and what became of it. */
typedef struct RowAttempt
{
	const char *row;
	const char *reason;
	const char *actor;
	BadRow	   *why;
	RowOutcome	outcome;
} RowAttempt;

static void
attempt_row(void *arg)
{
	RowAttempt *attempt = arg;

	attempt->outcome = take_row(attempt->row, attempt->reason, attempt->actor,
								attempt->why);
}

/* Takes one row in a subtransaction of its own. */
static RowOutcome
try_row(const char *row, const char *reason, const char *actor, BadRow *why)
{
	RowAttempt	attempt = {row, reason, actor, why, ROW_BAD};
	ErrorData  *error = nurture_try(attempt_row, &attempt, about_the_row);

	if (error == NULL)
		return attempt.outcome;
	why->reason = ERRCODE_TO_CATEGORY(error->sqlerrcode) == ERRCODE_DATA_EXCEPTION ? "bad_value" : "refused";
	why->detail = error->message;
	return ROW_BAD;
}

static void
keep_bad(const char *row, const BadRow *why)
{
	OwnerSwitch save;
	Datum		values[3];

	values[0] = CStringGetTextDatum(row);
	values[1] = CStringGetTextDatum(why->reason);
	values[2] = CStringGetTextDatum(why->detail);
	nurture_owner_enter(&save);
	(void) nurture_execute(&quarantine, values, NULL, false);
	nurture_owner_leave(&save);
}

/*
 * nurture_import_leads(leads jsonb, reason text, actor text) returns
 * (inserted, updated, unchanged, quarantined)
 */
Datum
nurture_import_leads(PG_FUNCTION_ARGS)
{
	Datum		rows;
	char	   *reason = PG_ARGISNULL(1) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(1));
	const char *actor = nurture_actor(PG_ARGISNULL(2) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(2)));
	MemoryContext outer = CurrentMemoryContext;
	MemoryContext each;
	int64		counts[ROW_OUTCOMES] = {0};
	Datum		values[ROW_OUTCOMES];
	bool		nulls[ROW_OUTCOMES] = {false};
	TupleDesc	desc;
	SPITupleTable *table;
	uint64		n;
	int			level;

	if (PG_ARGISNULL(0) || !JB_ROOT_IS_ARRAY(PG_GETARG_JSONB_P(0)) || JB_ROOT_IS_SCALAR(PG_GETARG_JSONB_P(0)))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("leads to import are an array of objects"),
				 errhint("Such as '[{\"external_ref\": \"crm-1\", \"country\": \"FR\"}]'.")));
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	rows = JsonbPGetDatum(PG_GETARG_JSONB_P(0));
	each = AllocSetContextCreate(outer, "nurture import", ALLOCSET_DEFAULT_SIZES);
	level = nurture_spi_connect();
	(void) nurture_execute(&each_row, &rows, NULL, false);
	table = SPI_tuptable;
	n = SPI_processed;
	for (uint64 i = 0; i < n; i++)
	{
		MemoryContext old = MemoryContextSwitchTo(each);
		BadRow		why = {0};
		RowOutcome	outcome;
		char	   *row;
		char	   *whole;

		CHECK_FOR_INTERRUPTS();
		SPI_tuptable = table;
		row = nurture_cell_text(i, 1);
		whole = nurture_cell_text(i, 2);
		if (row == NULL)
			outcome = bad(&why, "bad_value", "a lead is an object");
		else
			outcome = try_row(row, reason, actor, &why);
		if (outcome == ROW_BAD)
			keep_bad(whole, &why);
		counts[outcome]++;
		MemoryContextSwitchTo(old);
		MemoryContextReset(each);
	}
	nurture_spi_finish(level);
	MemoryContextSwitchTo(outer);
	MemoryContextDelete(each);
	for (int i = 0; i < ROW_OUTCOMES; i++)
		values[i] = Int64GetDatum(counts[i]);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}
