/*
 * unseed.c
 *	  nurture_unseed: takes the demo away again.
 *
 * Its leads go from every table that holds leads, as the catalogue has them,
 * so that a new table is no other list to keep.  Rows go as rows of a restore
 * come: no trigger decides or derives anything about them.  The audit trail is
 * append-only and stays, without the numbers of the leads.
 */
#include "base/compat.h"

#include "audit/audit.h"
#include "base/errors.h"
#include "base/owner.h"
#include "base/plans.h"
#include "base/trigger.h"
#include "catalog/pg_type.h"
#include "content/content.h"
#include "gate/gate.h"
#include "integration/expected.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"

NURTURE_FUNCTION(nurture_unseed);

/* What the seeds of the demo call their own; see sql/seed/demo*.sql. */
#define DEMO_LEADS		"source = 'nurture demo' AND external_ref ~ '^nurture-demo-[0-9]+$'"
#define DEMO_ASSETS		"owner = 'nurture demo' AND asset_id LIKE 'demo\\_%'"

static KeptPlan find_leads =
KEPT_PLAN0("SELECT array_agg(lead_id ORDER BY lead_id), count(*) FROM nurture.lead WHERE " DEMO_LEADS);
static KeptPlan find_accounts =
KEPT_PLAN0("SELECT array_agg(account_id ORDER BY account_id), count(*) FROM nurture.account WHERE external_ref LIKE 'nurture-demo-account-%'");
static KeptPlan find_assets =
KEPT_PLAN0("SELECT v.asset_id, v.version FROM nurture.asset_version v JOIN nurture.asset a USING (asset_id) WHERE a." DEMO_ASSETS " ORDER BY 1, 2");

/*
 * The tables that have a column and are no configuration, those that refer to
 * others first; the table that the column is the key of comes last.
 */
static KeptPlan find_tables =
KEPT_PLAN("SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid"
		  " WHERE c.relnamespace = 'nurture'::regnamespace AND c.relkind IN ('r', 'p') AND a.attname = $1 AND NOT a.attisdropped"
		  " AND NOT EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = c.oid AND t.tgname = 'nurture_change_log')"
		  " ORDER BY c.relname = $2, (SELECT count(*) FROM pg_constraint k WHERE k.confrelid = c.oid AND k.contype = 'f'), c.relname",
		  NAMEOID, NAMEOID);

/* Deletes the rows of a list of leads or accounts from all tables. */
static void
delete_everywhere(const char *column, const char *owner_table, Datum ids)
{
	Oid			type = INT8ARRAYOID;
	Datum		names[2];
	NameData	of_column;
	NameData	of_table;
	char	  **tables;
	int			n;

	namestrcpy(&of_column, column);
	namestrcpy(&of_table, owner_table);
	names[0] = NameGetDatum(&of_column);
	names[1] = NameGetDatum(&of_table);
	(void) nurture_execute(&find_tables, names, NULL, false);
	n = SPI_processed;
	tables = palloc(sizeof(char *) * Max(n, 1));
	for (int i = 0; i < n; i++)
		tables[i] = nurture_cell_text(i, 1);
	for (int i = 0; i < n; i++)
	{
		if (SPI_execute_with_args(psprintf("DELETE FROM nurture.%s WHERE %s = ANY ($1)",
										   quote_identifier(tables[i]), column),
								  1, &type, &ids, NULL, false, 0) != SPI_OK_DELETE)
			elog(ERROR, "could not delete from nurture.%s", tables[i]);
	}
}

/* Deletes what is held about the leads and organisations; how many leads. */
static int64
delete_leads(void)
{
	Oid			type = INT8ARRAYOID;
	Datum		ids;
	bool		none;
	bool		isnull;
	int64		n;

	(void) nurture_execute(&find_leads, NULL, NULL, false);
	ids = nurture_cell(0, 1, &none);
	n = DatumGetInt64(nurture_cell(0, 2, &isnull));
	if (!none)
	{
		ids = SPI_datumTransfer(ids, false, -1);
		if (SPI_execute_with_args("UPDATE nurture.audit SET lead_ref = NULL WHERE lead_ref = ANY ($1)",
								  1, &type, &ids, NULL, false, 0) != SPI_OK_UPDATE)
			elog(ERROR, "could not write nurture.audit");
		delete_everywhere("lead_id", "lead", ids);
	}
	(void) nurture_execute(&find_accounts, NULL, NULL, false);
	ids = nurture_cell(0, 1, &none);
	if (!none)
		delete_everywhere("account_id", "account", SPI_datumTransfer(ids, false, -1));
	return n;
}

/* Takes the leads away, past the guards; returns how many. */
static int64
remove_leads(void)
{
	volatile int64 n = 0;
	bool		copied = nurture_copying_open();
	bool		erased = nurture_erasing_open();

	PG_TRY();
	{
		n = delete_leads();
	}
	PG_FINALLY();
	{
		nurture_erasing_close(erased);
		nurture_copying_close(copied);
	}
	PG_END_TRY();
	return n;
}

/* Takes the assets away, and what waits with them; returns how many. */
static int64
remove_assets(void)
{
	static const char *const statements[] = {
		"DELETE FROM nurture.approval WHERE kind = 'asset' AND code IN (SELECT asset_id FROM nurture.asset WHERE " DEMO_ASSETS ")",
		"DELETE FROM nurture.asset_version WHERE asset_id IN (SELECT asset_id FROM nurture.asset WHERE " DEMO_ASSETS ")",
		"DELETE FROM nurture.asset_prerequisite WHERE asset_id IN (SELECT asset_id FROM nurture.asset WHERE " DEMO_ASSETS ")",
		"DELETE FROM nurture.team_turn t USING nurture.team_member m WHERE m.team = t.team AND m.member = t.member"
		" AND m.owner = 'nurture demo' AND m.external_ref LIKE 'nurture-demo-%'",
		"DELETE FROM nurture.team_member WHERE owner = 'nurture demo' AND external_ref LIKE 'nurture-demo-%'",
		"DELETE FROM nurture.asset WHERE " DEMO_ASSETS
	};
	char	  **assets;
	int32	   *versions;
	int64		n;
	bool		isnull;

	(void) nurture_execute(&find_assets, NULL, NULL, false);
	n = SPI_processed;
	assets = palloc(sizeof(char *) * Max(n, 1));
	versions = palloc(sizeof(int32) * Max(n, 1));
	for (int64 i = 0; i < n; i++)
	{
		assets[i] = nurture_cell_text(i, 1);
		versions[i] = DatumGetInt32(nurture_cell(i, 2, &isnull));
	}
	for (int64 i = 0; i < n; i++)
		(void) nurture_gate_cancel_for_asset(assets[i], versions[i], "asset_withdrawn");
	nurture_versions_open();
	PG_TRY();
	{
		for (int i = 0; i < lengthof(statements); i++)
			nurture_execute_text(statements[i]);
	}
	PG_FINALLY();
	{
		nurture_versions_close();
	}
	PG_END_TRY();
	return SPI_processed;		/* of the last one */
}

/* nurture_unseed(preset text) returns text: takes the demo away. */
Datum
nurture_unseed(PG_FUNCTION_ARGS)
{
	char	   *preset = text_to_cstring(PG_GETARG_TEXT_PP(0));
	AuditEntry	entry = {0};
	int64		leads;
	int64		assets;
	int			level;

	nurture_preset_check(preset);
	if (strcmp(preset, "demo") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("preset \"%s\" cannot be taken away", preset),
				 errhint("Its rows are rules by now: retire or change what is not wanted. Only the demo can be taken away.")));
	if (!has_privs_of_role(GetUserId(), nurture_owner_oid()))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to take a preset away"),
				 errhint("Only the owner of schema nurture may call nurture_unseed.")));
	level = nurture_spi_connect();
	leads = remove_leads();
	assets = remove_assets();
	entry.kind = "retention";
	entry.object = "preset:demo";
	entry.outcome = "removed";
	entry.inputs = psprintf("{\"leads\": " INT64_FORMAT ", \"assets\": " INT64_FORMAT "}", leads, assets);
	nurture_audit_append(&entry, 1);
	nurture_spi_finish(level);
	PG_RETURN_TEXT_P(cstring_to_text(psprintf("preset demo taken away: " INT64_FORMAT " leads, " INT64_FORMAT " assets", leads, assets)));
}
