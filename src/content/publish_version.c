/*
 * publish_version.c
 *	  What publishing a version is for every kind of rows that a room keeps
 *	  in versions: the one in force retires, the draft takes its place, and
 *	  that is on record.
 */
#include "base/compat.h"

#include "audit/audit.h"
#include "base/clock.h"
#include "content/content.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

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
