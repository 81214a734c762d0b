/*
 * meta.c
 *	  Facts about the installation itself, in nurture.meta.
 */
#include "base/compat.h"

#include "access/xact.h"
#include "base/meta.h"
#include "base/plans.h"
#include "catalog/pg_type.h"
#include "utils/builtins.h"

static KeptPlan note =
KEPT_PLAN("INSERT INTO nurture.meta (key, value)"
		  " VALUES ($1, coalesce($2, to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')))"
		  " ON CONFLICT (key) DO UPDATE SET value = EXCLUDED.value", TEXTOID, TEXTOID);

void
nurture_meta_note(const char *key, const char *value)
{
	Datum		values[2] = {CStringGetTextDatum(key), (Datum) 0};
	char		nulls[] = " n";

	if (XactReadOnly)
		return;
	if (value != NULL)
	{
		values[1] = CStringGetTextDatum(value);
		nulls[1] = ' ';
	}
	(void) nurture_execute(&note, values, nulls, false);
}
