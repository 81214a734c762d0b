/*
 * proposal.c
 *	  Settings that are proposed, and what applying them does.
 */
#include "base/compat.h"

#include "audit/audit.h"
#include "base/author.h"
#include "base/clock.h"
#include "base/errors.h"
#include "base/owner.h"
#include "base/plans.h"
#include "catalog/pg_type.h"
#include "content/content.h"
#include "control/config.h"
#include "control/control.h"
#include "control/proposal.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/timestamp.h"

static KeptPlan add_proposal =
KEPT_PLAN("INSERT INTO nurture.config_proposal (settings, difference, content_hash, author, author_login, reason, proposed_at)"
		  " VALUES ($1, $2, sha256(convert_to($3, 'UTF8')), $4, $5, $6, $7) RETURNING proposal_id",
		  JSONBOID, JSONBOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, TIMESTAMPTZOID);

/* Which proposals are open: nobody has rejected them, and they are not applied. */
static KeptPlan find_same =
KEPT_PLAN("SELECT p.proposal_id FROM nurture.config_proposal p"
		  " WHERE p.content_hash = sha256(convert_to($1, 'UTF8')) AND p.author = $2 AND p.settings = $3"
		  " AND NOT EXISTS (SELECT FROM nurture.approval a WHERE a.kind = 'config' AND a.code = 'import' AND a.version = p.proposal_id"
		  "  AND a.content_hash = p.content_hash)"
		  " ORDER BY p.proposal_id DESC LIMIT 1", TEXTOID, TEXTOID, JSONBOID);
static KeptPlan find_proposal =
KEPT_PLAN("SELECT p.author, p.author_login, encode(p.content_hash, 'hex'),"
		  " CASE WHEN EXISTS (SELECT FROM nurture.approval a WHERE a.kind = 'config' AND a.code = 'import' AND a.version = p.proposal_id"
		  "  AND a.decision <> 'approved') THEN 'rejected'"
		  " WHEN EXISTS (SELECT FROM nurture.audit u WHERE u.kind = 'import' AND u.object = 'config:import:' || p.proposal_id"
		  "  AND u.outcome = 'applied') THEN 'applied' ELSE 'open' END"
		  " FROM nurture.config_proposal p WHERE p.proposal_id = $1 FOR UPDATE", INT8OID);
static KeptPlan read_proposal =
KEPT_PLAN("SELECT settings, difference FROM nurture.config_proposal WHERE proposal_id = $1", INT8OID);

static void
record(int64 number, const char *outcome, const char *reason, const char *hash)
{
	AuditEntry	entry = {0};

	entry.kind = "import";
	entry.object = psprintf("config:import:" INT64_FORMAT, number);
	entry.outcome = outcome;
	entry.reason = reason;
	if (hash)
		entry.versions_json = psprintf("{\"content_hash\": \"%s\"}", hash);
	nurture_audit_append(&entry, 1);
}

int64
nurture_proposal_add(Jsonb *settings, Jsonb *difference,
					 const char *author, const char *reason)
{
	char	   *canonical = nurture_jsonb_canonical(difference, false);
	char	   *login = nurture_login();
	Datum		same[3] = {CStringGetTextDatum(canonical), CStringGetTextDatum(author), JsonbPGetDatum(settings)};
	Datum		values[7] = {JsonbPGetDatum(settings), JsonbPGetDatum(difference), same[0], same[1],
		login ? CStringGetTextDatum(login) : (Datum) 0, CStringGetTextDatum(reason),
	TimestampTzGetDatum(nurture_now_wall())};
	char		nulls[8] = "       ";
	int64		number;
	bool		isnull;

	(void) nurture_execute(&find_same, same, NULL, true);
	if (SPI_processed > 0)
		return DatumGetInt64(nurture_cell(0, 1, &isnull));
	nulls[4] = login ? ' ' : 'n';
	nurture_versions_open();
	PG_TRY();
	{
		(void) nurture_execute(&add_proposal, values, nulls, false);
	}
	PG_FINALLY();
	{
		nurture_versions_close();
	}
	PG_END_TRY();
	number = DatumGetInt64(nurture_cell(0, 1, &isnull));
	record(number, "proposed", reason, NULL);
	return number;
}

Proposal   *
nurture_proposal_find(int64 number)
{
	Datum		value = Int64GetDatum(number);
	Proposal   *proposal;

	(void) nurture_execute_latest(&find_proposal, &value, NULL, true);
	if (SPI_processed == 0)
		return NULL;
	proposal = palloc(sizeof(Proposal));
	proposal->number = number;
	proposal->author = nurture_cell_text(0, 1);
	proposal->author_login = nurture_cell_text(0, 2);
	proposal->hash = nurture_cell_text(0, 3);
	proposal->state = nurture_cell_text(0, 4);
	return proposal;
}

void
nurture_proposal_apply(int64 number, const char *reason)
{
	Datum		value = Int64GetDatum(number);
	List	   *tables;
	Jsonb	   *settings;
	Jsonb	   *difference;
	Jsonb	   *before;
	Jsonb	   *now;
	OwnerSwitch owner;
	int			gucs = NewGUCNestLevel();
	bool		isnull;

	(void) set_config_option("nurture.change_reason", reason, PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
	nurture_owner_enter(&owner);
	(void) nurture_execute(&read_proposal, &value, NULL, false);
	settings = DatumGetJsonbPCopy(nurture_cell(0, 1, &isnull));
	difference = DatumGetJsonbPCopy(nurture_cell(0, 2, &isnull));
	tables = nurture_config_tables();
	before = nurture_config_document(tables);
	nurture_config_apply(tables, settings);
	CommandCounterIncrement();
	now = nurture_config_difference(tables, before, nurture_config_document(tables), settings);
	if (compareJsonbContainers(&now->root, &difference->root) != 0)
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_BAD_STATE),
				 errmsg("the configuration has changed since proposal " INT64_FORMAT " was made", number),
				 errdetail("Applying it would do something else than what was proposed and signed."),
				 errhint("Import the document again and approve the new proposal.")));
	nurture_owner_leave(&owner);
	record(number, "applied", reason, NULL);
	AtEOXact_GUC(true, gucs);
}
