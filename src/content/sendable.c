/*
 * sendable.c
 *	  nurture_sendable_assets: what could be sent at an instant, to somebody.
 */
#include "base/compat.h"

#include "base/clock.h"
#include "base/owner.h"
#include "content/content_private.h"
#include "content/index.h"
#include "funcapi.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

NURTURE_FUNCTION(nurture_sendable_assets);

/*
 * nurture_sendable_assets(at timestamptz) returns setof (asset_id text, version
 * integer)
 *
 * The approved versions in force, and with them their blocks and claims, as
 * selection sees them; blocks and pages apart.
 */
Datum
nurture_sendable_assets(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	TimestampTz at = PG_ARGISNULL(0) ? nurture_now_statement() :
	PG_GETARG_TIMESTAMPTZ(0);
	const ContentIndex *index;
	const IndexForce *force;

	if (pg_class_aclcheck(nurture_table_oid("asset_version", false),
						  nurture_caller_role(), ACL_SELECT) != ACLCHECK_OK)
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_TABLE, "asset_version");
	InitMaterializedSRF(fcinfo, 0);
	index = nurture_content_index();
	force = nurture_content_force(index, at);
	for (int i = 0; i < index->nentries; i++)
	{
		const IndexEntry *entry = &index->entries[i];
		Datum		values[2];
		bool		nulls[2] = {false, false};

		if (entry->component || !bits_has(force->entries, i) ||
			!bits_has(force->blocks, i) || !bits_has(force->claims, i))
			continue;
		values[0] = CStringGetTextDatum(entry->asset_id);
		values[1] = Int32GetDatum(entry->version);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}
