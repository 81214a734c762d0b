/*
 * publish_version.c
 *	  What publishing a version is for every kind of rows that a room keeps
 *	  in versions: the one in force retires, the draft takes its place, and
 *	  that is on record.
 */
#include "base/compat.h"

#include "audit/audit.h"
#include "base/clock.h"
#include "base/errors.h"
#include "base/plans.h"
#include "content/content.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

/*
 * Locks the versions of code and finds the draft that is to be published;
 * raises unless the version is one.  lock takes (code) and returns version,
 * status, author and author_login; what else it returns is in the row that is
 * answered, of the last result.  Connected to SPI.
 */
uint64
nurture_version_draft(KeptPlan *lock, const char *kind, const char *table,
					  const char *code, int version, VersionDraft *draft)
{
	Datum		value = CStringGetTextDatum(code);
	uint64		row = 0;
	char	   *status;
	bool		null;

	nurture_execute_latest(lock, &value, NULL, true);
	while (row < SPI_processed &&
		   DatumGetInt32(nurture_cell(row, 1, &null)) != version)
		row++;
	if (row == SPI_processed)
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_UNKNOWN_CODE),
				 errmsg("there is no version %d of %s \"%.64s\"", version, kind, code),
				 errhint("nurture.%s lists what there is.", table)));
	status = nurture_cell_text(row, 2);
	if (strcmp(status, "draft") != 0)
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_BAD_STATE),
				 errmsg("version %d of %s \"%s\" is %s", version, kind, code, status),
				 errhint("Only a draft is published; make one with nurture_draft('%s', '%s', %d).",
						 kind, code, version)));
	draft->author = nurture_cell_text(row, 3);
	draft->author_login = nurture_cell_text(row, 4);
	return row;
}

/*
 * Retires the published version of code and publishes the checked draft.
 * retire takes (code, now); publish takes (code, version, now, approver,
 * reason) and returns the content hash.  inputs, which may be NULL, says in
 * words what it was decided on.  Connected to SPI.
 */
void
nurture_version_publish(KeptPlan *retire, KeptPlan *publish, const char *kind,
						const char *code, int version, const char *reason,
						const char *approver, const char *actor,
						const char *inputs)
{
	Datum		values[5];
	AuditEntry	entry = {0};

	values[0] = CStringGetTextDatum(code);
	nurture_versions_open();
	PG_TRY();
	{
		values[1] = TimestampTzGetDatum(nurture_now_statement());
		nurture_execute_latest(retire, values, NULL, true);
		values[1] = Int32GetDatum(version);
		values[2] = TimestampTzGetDatum(nurture_now_statement());
		values[3] = CStringGetTextDatum(approver);
		values[4] = CStringGetTextDatum(reason ? reason : "");
		nurture_execute_latest(publish, values, NULL, true);
	}
	PG_FINALLY();
	{
		nurture_versions_close();
	}
	PG_END_TRY();
	entry.kind = "publish";
	entry.object = psprintf("%s:%s:%d", kind, code, version);
	entry.outcome = "published";
	entry.versions_json = psprintf("{\"content_hash\": \"%s\"}",
								   nurture_cell_text(0, 1));
	entry.inputs = inputs;
	entry.reason = reason;
	entry.actor = actor;
	nurture_audit_append(&entry, 1);
}
