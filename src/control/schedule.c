/*
 * schedule.c
 *	  Publications for later, carried out by the tick.
 *
 * What is asked for is kept with the hash of what the draft says: one that is
 * edited meanwhile is not published, and that is on record.
 */
#include "base/compat.h"

#include "audit/audit.h"
#include "base/author.h"
#include "base/clock.h"
#include "base/errors.h"
#include "base/owner.h"
#include "base/plans.h"
#include "base/try.h"
#include "catalog/pg_type.h"
#include "content/content.h"
#include "control/config.h"
#include "control/control.h"
#include "control/hand.h"
#include "miscadmin.h"
#include "tracks/tracks.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/timestamp.h"

NURTURE_FUNCTION(nurture_cancel_publish);

static KeptPlan add_schedule =
KEPT_PLAN("INSERT INTO nurture.publish_schedule (kind, code, version, publish_at, content_hash, reason, confirm, requested_by, requested_login, requested_at)"
		  " VALUES ($1, $2, $3, $4, decode($5, 'hex'), $6, $7, $8, $9, $10)",
		  TEXTOID, TEXTOID, INT4OID, TIMESTAMPTZOID, TEXTOID, TEXTOID, BOOLOID, TEXTOID, TEXTOID, TIMESTAMPTZOID);
static KeptPlan find_due =
KEPT_PLAN("SELECT schedule_id FROM nurture.publish_schedule WHERE state = 'scheduled' AND publish_at <= $1 ORDER BY publish_at, schedule_id LIMIT $2",
		  TIMESTAMPTZOID, INT4OID);
static KeptPlan lock_due =
KEPT_PLAN("SELECT kind, code, version, encode(content_hash, 'hex'), reason, confirm, requested_by, requested_login FROM nurture.publish_schedule"
		  " WHERE schedule_id = $1 AND state = 'scheduled' FOR UPDATE SKIP LOCKED", INT8OID);
static KeptPlan end_schedule =
KEPT_PLAN("UPDATE nurture.publish_schedule SET state = $2, ended_at = $3, detail = $4 WHERE schedule_id = $1",
		  INT8OID, TEXTOID, TIMESTAMPTZOID, TEXTOID);
static KeptPlan count_due =
KEPT_PLAN("SELECT count(*), min(publish_at) FROM nurture.publish_schedule WHERE state = 'scheduled' AND publish_at <= $1", TIMESTAMPTZOID);
static KeptPlan cancel =
KEPT_PLAN("UPDATE nurture.publish_schedule SET state = 'cancelled', ended_at = $4, detail = $5"
		  " WHERE kind = $1 AND code = $2 AND version = $3 AND state = 'scheduled' RETURNING schedule_id",
		  TEXTOID, TEXTOID, INT4OID, TIMESTAMPTZOID, TEXTOID);

static void
record(const char *kind, const char *code, int version, const char *outcome,
	   const char *hash, const char *inputs, const char *reason, const char *actor)
{
	AuditEntry	entry = {0};

	entry.kind = "publish";
	entry.object = psprintf("%s:%s:%d", kind, code, version);
	entry.outcome = outcome;
	if (hash)
		entry.versions_json = psprintf("{\"content_hash\": \"%s\"}", hash);
	entry.inputs = inputs;
	entry.reason = reason;
	entry.actor = actor;
	nurture_audit_append(&entry, 1);
}

/* Raises unless the caller may write versions of a kind. */
static void
require_right(const VersionedKind *kind)
{
	if (pg_class_aclcheck(nurture_table_oid(kind->versions, false),
						  nurture_caller_role(), ACL_UPDATE) != ACLCHECK_OK)
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_TABLE, kind->versions);
}

char	   *
nurture_control_schedule(const char *kind_name, const char *code, int version,
						 const char *reason, bool confirm, TimestampTz publish_at)
{
	MemoryContext context = CurrentMemoryContext;
	const VersionedKind *kind = nurture_versioned_kind(kind_name);
	const char *actor = nurture_actor(NULL);
	char	   *login = nurture_login();
	char	   *hash = NULL;
	char	   *status;
	char	   *result;
	Person		author;
	OwnerSwitch owner;
	Datum		values[10];
	char		nulls[11] = "          ";
	int			level;

	require_right(kind);
	level = nurture_spi_connect();
	status = nurture_version_status(kind, code, version, true, &author);
	if (status == NULL || strcmp(status, "draft") != 0)
		ereport(ERROR,
				(errcode(status ? NURTURE_ERRCODE_BAD_STATE : NURTURE_ERRCODE_UNKNOWN_CODE),
				 status ? errmsg("version %d of %s \"%s\" is %s", version, kind_name, code, status) :
				 errmsg("%s \"%.64s\" has no version %d", kind_name, code, version),
				 errhint("Only a draft is published; make one with nurture_draft('%s', '%.64s').", kind_name, code)));
	if (nurture_control_check(kind_name, code, version, &hash) > 0)
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_MODEL_CHECK),
				 errmsg("version %d of %s \"%s\" has errors and cannot be published", version, kind_name, code),
				 errhint("See nurture_check_version('%s', '%s', %d).", kind_name, code, version)));
	nurture_require_approved(kind_name, code, version, author.name, author.login, actor);
	values[0] = CStringGetTextDatum(kind_name);
	values[1] = CStringGetTextDatum(code);
	values[2] = Int32GetDatum(version);
	values[3] = TimestampTzGetDatum(publish_at);
	values[4] = CStringGetTextDatum(hash);
	values[5] = CStringGetTextDatum(reason);
	values[6] = BoolGetDatum(confirm);
	values[7] = CStringGetTextDatum(actor);
	values[8] = login ? CStringGetTextDatum(login) : (Datum) 0;
	nulls[8] = login ? ' ' : 'n';
	values[9] = TimestampTzGetDatum(nurture_now_wall());
	nurture_owner_enter(&owner);
	nurture_versions_write(&add_schedule, values, nulls);
	nurture_owner_leave(&owner);
	record(kind_name, code, version, "scheduled", hash, NULL, reason, NULL);
	result = MemoryContextStrdup(context, psprintf("%s %s: version %d will be published from %s on", kind_name, code, version,
												   timestamptz_to_str(publish_at)));
	nurture_spi_finish(level);
	return result;
}

/* One publication that is due. */
typedef struct Due
{
	char	   *kind;
	char	   *code;
	int			version;
	char	   *hash;
	char	   *reason;
	bool		confirm;
	Person		requested;
	char	   *changed;		/* out */
} Due;

/* Publishes what is due: work that may fail. */
static void
publish_due(void *arg)
{
	Due		   *due = arg;
	const VersionedKind *kind = nurture_versioned_kind(due->kind);
	char	   *hash = nurture_version_hash(kind, due->code, due->version);
	int			gucs = NewGUCNestLevel();

	if (hash == NULL || strcmp(hash, due->hash) != 0)
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_BAD_STATE),
				 errmsg("version %d of %s \"%s\" has changed since its publication was scheduled", due->version, due->kind, due->code)));
	(void) set_config_option("nurture.change_reason", due->reason, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	(void) set_config_option("nurture.app_user", due->requested.name, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	nurture_publishing_for = &due->requested;
	PG_TRY();
	{
		due->changed = kind->publish(due->code, due->version, due->reason, due->requested.name, due->confirm);
	}
	PG_FINALLY();
	{
		nurture_publishing_for = NULL;
	}
	PG_END_TRY();
	AtEOXact_GUC(true, gucs);
}

/* Tells whether an error means that the same would work another time. */
static bool
is_passing(int sqlstate)
{
	return ERRCODE_TO_CATEGORY(sqlstate) == ERRCODE_TRANSACTION_ROLLBACK || sqlstate == ERRCODE_LOCK_NOT_AVAILABLE;
}

static bool
may_be_kept(int sqlstate)
{
	return is_passing(sqlstate) || nurture_config_error(sqlstate);
}

/* Carries out one publication; what came of it is kept. */
static bool
run_one(int64 number)
{
	Datum		key = Int64GetDatum(number);
	Datum		values[4];
	Due			due;
	ErrorData  *error;
	bool		isnull;

	(void) nurture_execute_latest(&lock_due, &key, NULL, true);
	if (SPI_processed == 0)
		return false;			/* another tick has it */
	due.kind = nurture_cell_text(0, 1);
	due.code = nurture_cell_text(0, 2);
	due.version = DatumGetInt32(nurture_cell(0, 3, &isnull));
	due.hash = nurture_cell_text(0, 4);
	due.reason = nurture_cell_text(0, 5);
	due.confirm = DatumGetBool(nurture_cell(0, 6, &isnull));
	due.requested.name = nurture_cell_text(0, 7);
	due.requested.login = nurture_cell_text(0, 8);
	due.changed = NULL;
	error = nurture_try(publish_due, &due, may_be_kept);
	if (error && is_passing(error->sqlerrcode))
		return false;
	if (error)
		record(due.kind, due.code, due.version, "failed", due.hash, error->message, due.reason, due.requested.name);
	values[0] = key;
	values[1] = CStringGetTextDatum(error ? "failed" : "published");
	values[2] = TimestampTzGetDatum(nurture_now_wall());
	values[3] = CStringGetTextDatum(error ? error->message : due.changed);
	nurture_versions_write(&end_schedule, values, NULL);
	return true;
}

/* Publishes what is due: work of the tick. */
static void
run_publications(TimestampTz now, int max_leads, TimestampTz deadline,
				 int64 *done, int64 *left, TimestampTz *oldest)
{
	Datum		values[2] = {TimestampTzGetDatum(now), Int32GetDatum(max_leads)};
	int64	   *numbers;
	bool		isnull;
	int			n;

	(void) nurture_execute(&find_due, values, NULL, false);
	n = SPI_processed;
	if (n == 0)
		return;
	numbers = palloc(sizeof(int64) * n);
	for (int i = 0; i < n; i++)
		numbers[i] = DatumGetInt64(nurture_cell(i, 1, &isnull));
	for (int i = 0; i < n && (i == 0 || GetCurrentTimestamp() < deadline); i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (run_one(numbers[i]))
			(*done)++;
	}
	(void) nurture_execute_latest(&count_due, values, NULL, false);
	*left = DatumGetInt64(nurture_cell(0, 1, &isnull));
	values[0] = nurture_cell(0, 2, &isnull);
	*oldest = isnull ? DT_NOEND : DatumGetTimestampTz(values[0]);
}

static TickWork publish_work = {"publish", run_publications, NULL};

/* Registers the work of the tick. */
void
nurture_control_init(void)
{
	nurture_tick_register(&publish_work);
}

/*
 * nurture_cancel_publish(kind text, code text, version int, reason text)
 * returns text: takes a scheduled publication back.
 */
Datum
nurture_cancel_publish(PG_FUNCTION_ARGS)
{
	const VersionedKind *kind = nurture_versioned_kind(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	char	   *code = text_to_cstring(PG_GETARG_TEXT_PP(1));
	int			version = PG_GETARG_INT32(2);
	char	   *reason = text_to_cstring(PG_GETARG_TEXT_PP(3));
	Datum		values[5] = {CStringGetTextDatum(kind->kind), CStringGetTextDatum(code), Int32GetDatum(version),
	TimestampTzGetDatum(nurture_now_wall()), CStringGetTextDatum(reason)};
	OwnerSwitch owner;
	int			level;

	if (reason[strspn(reason, " \t\r\n")] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a reason is needed to cancel a publication"),
				 errhint("Say in a few words why; it goes on record.")));
	require_right(kind);
	level = nurture_spi_connect();
	nurture_owner_enter(&owner);
	nurture_versions_write(&cancel, values, NULL);
	nurture_owner_leave(&owner);
	if (SPI_processed == 0)
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_BAD_STATE),
				 errmsg("no publication of version %d of %s \"%.64s\" is scheduled", version, kind->kind, code),
				 errhint("What is scheduled are rows of nurture.publish_schedule in state scheduled.")));
	record(kind->kind, code, version, "cancelled", NULL, NULL, reason, NULL);
	nurture_spi_finish(level);
	PG_RETURN_TEXT_P(cstring_to_text(psprintf("%s %s: version %d will not be published", kind->kind, code, version)));
}
