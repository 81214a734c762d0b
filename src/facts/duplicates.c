/*
 * duplicates.c
 *	  nurture_find_duplicates: leads that may be one person, for a person to
 *	  look at.
 *
 * Two leads with one e-mail address or number are noticed when they are
 * written (identity_owner.c); here all are looked at, those too that came
 * while triggers were off, and names within one organisation, which would
 * cost every writer too much.  What was ruled about a pair stays ruled.
 */
#include "base/compat.h"

#include "base/author.h"
#include "base/owner.h"
#include "base/plans.h"
#include "catalog/pg_type.h"
#include "facts/merge.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/tuplestore.h"

NURTURE_FUNCTION(nurture_find_duplicates);

#define LIVING "l.merged_into IS NULL AND l.erased_at IS NULL AND NOT l.is_test"

/* each lead with the first that has the same, by what is the same */
#define GROUPS \
	"WITH keys(scope, lead_id, key) AS (" \
	" SELECT 'email', l.lead_id, @extschema@.nurture_normal_email(l.email) FROM nurture.lead l" \
	" WHERE l.email IS NOT NULL AND " LIVING \
	" UNION ALL SELECT 'phone', l.lead_id, @extschema@.nurture_normal_phone(l.phone) FROM nurture.lead l" \
	" WHERE l.phone IS NOT NULL AND " LIVING \
	" UNION ALL SELECT 'crm_id', l.lead_id, btrim(l.external_ref) FROM nurture.lead l" \
	" WHERE btrim(l.external_ref) <> '' AND " LIVING \
	" UNION ALL SELECT 'name', l.lead_id, l.account_id || ':' || (SELECT string_agg(w, ' ' ORDER BY w COLLATE \"C\")" \
	"  FROM regexp_split_to_table(lower(l.full_name), '[[:space:][:punct:]]+') w WHERE w <> '' HAVING count(*) > 1)" \
	" FROM nurture.lead l WHERE l.full_name IS NOT NULL AND l.account_id IS NOT NULL AND " LIVING ")," \
	" found AS (SELECT scope, lead_id, first FROM (SELECT scope, lead_id, min(lead_id) OVER (PARTITION BY scope, key) AS first" \
	"  FROM keys WHERE key IS NOT NULL) k WHERE lead_id <> first)"

static KeptPlan add_candidates =
KEPT_PLAN0(GROUPS ", made AS (INSERT INTO nurture.review (lead_id, bucket, scope, evidence)"
		   " SELECT f.lead_id, 'identity', f.scope, jsonb_build_object('same', f.scope, 'lead_id', f.first) FROM found f"
		   " WHERE NOT EXISTS (SELECT FROM nurture.review r WHERE r.lead_id = f.lead_id AND r.bucket = 'identity'"
		   "  AND r.scope = f.scope AND r.evidence ->> 'lead_id' = f.first::text)"
		   " ORDER BY f.lead_id, f.scope ON CONFLICT DO NOTHING RETURNING scope)"
		   " SELECT s.scope, (SELECT count(*) FROM found f WHERE f.scope = s.scope),"
		   " (SELECT count(*) FROM made m WHERE m.scope = s.scope)"
		   " FROM unnest('{crm_id,email,phone,name}'::text[]) WITH ORDINALITY AS s(scope, i) ORDER BY s.i");

static KeptPlan find_strong =
KEPT_PLAN0(GROUPS " SELECT first, lead_id FROM found WHERE scope = 'crm_id' ORDER BY first, lead_id");

/*
 * nurture_find_duplicates(merge boolean, actor text) returns setof (scope,
 * leads, opened, merged)
 */
Datum
nurture_find_duplicates(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	bool		merge = !PG_ARGISNULL(0) && PG_GETARG_BOOL(0);
	const char *actor = nurture_actor(PG_ARGISNULL(1) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(1)));
	int64		merged = 0;
	OwnerSwitch owner;
	int			level;
	bool		isnull;

	if (pg_class_aclcheck(nurture_table_oid("review", false), nurture_caller_role(), ACL_INSERT) != ACLCHECK_OK ||
		(merge && pg_class_aclcheck(nurture_table_oid("merge", false), nurture_caller_role(), ACL_INSERT) != ACLCHECK_OK))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to find duplicates"),
				 errhint("It needs the right to INSERT into nurture.review, and to merge them into nurture.merge.")));
	InitMaterializedSRF(fcinfo, 0);
	nurture_owner_enter(&owner);
	level = nurture_spi_connect();
	if (merge)
	{
		int64		n;
		int64	   *pairs;

		(void) nurture_execute_latest(&find_strong, NULL, NULL, false);
		n = SPI_processed;
		pairs = palloc(Max(n, 1) * 2 * sizeof(int64));
		for (int64 i = 0; i < n; i++)
		{
			pairs[2 * i] = DatumGetInt64(nurture_cell(i, 1, &isnull));
			pairs[2 * i + 1] = DatumGetInt64(nurture_cell(i, 2, &isnull));
		}
		SPI_freetuptable(SPI_tuptable);
		for (int64 i = 0; i < n; i++)
		{
			CHECK_FOR_INTERRUPTS();
			(void) nurture_merge_leads(pairs[2 * i], pairs[2 * i + 1], "same identifier of the CRM", actor);
			merged++;
		}
	}
	(void) nurture_execute_latest(&add_candidates, NULL, NULL, true);
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		char	   *scope = nurture_cell_text(row, 1);
		Datum		values[4];
		bool		nulls[4] = {false};

		values[0] = CStringGetTextDatum(scope);
		values[1] = nurture_cell(row, 2, &isnull);
		values[2] = nurture_cell(row, 3, &isnull);
		values[3] = Int64GetDatum(strcmp(scope, "crm_id") == 0 ? merged : 0);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	nurture_spi_finish(level);
	nurture_owner_leave(&owner);
	return (Datum) 0;
}
