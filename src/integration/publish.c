/*
 * publish.c
 *	  nurture_draft, nurture_publish and nurture_retire for every kind of
 *	  versioned rules.
 */
#include "base/compat.h"

#include "audit/audit.h"
#include "base/author.h"
#include "base/clock.h"
#include "base/errors.h"
#include "base/plans.h"
#include "catalog/pg_type.h"
#include "content/content.h"
#include "content/experiment.h"
#include "control/control.h"
#include "integration/versions.h"
#include "routing/routing.h"
#include "scoring/model.h"
#include "tracks/tracks.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

NURTURE_FUNCTION(nurture_draft);
NURTURE_FUNCTION(nurture_publish);
NURTURE_FUNCTION(nurture_retire);

/* Kinds of versioned rules, each with its room's functions. */
static const VersionedKind kinds[] = {
	{
		"model", "model_version", "model", nurture_model_draft, nurture_model_publish,
		{
			{"rule_group", {"rule_group"}}, {"fit_rule", {"rule"}}, {"signal_rule", {"rule"}},
			{"pattern", {"pattern"}}, {"model_limit", {"dimension"}},
			{"band", {"dimension", "band"}}, {"tier_rule", {"tier", "requirement"}},
		}
	},
	{
		"track", "track_version", "track", nurture_track_draft, nurture_track_publish,
		{
			{"track_step", {"step_no"}}, {"track_entry", {"entry"}}, {"track_branch", {"branch"}},
		}
	},
	{
		"route", "route_version", "route", nurture_route_draft, nurture_route_publish,
		{
			{"route_version", {NULL}},
		}
	},
	{
		"selection", "selection_version", "selection", nurture_selection_draft, nurture_selection_publish,
		{
			{"selection_weight", {"term", "subject", "value"}},
		}
	},
	{
		"experiment", "experiment", "experiment", nurture_experiment_draft, nurture_experiment_publish,
		{
			{"experiment_arm", {"arm"}},
		}
	},
};

/* Finds a kind by its name. */
const VersionedKind *
nurture_versioned_kind(const char *name)
{
	char	   *known = "";

	for (int i = 0; i < lengthof(kinds); i++)
	{
		if (strcmp(kinds[i].kind, name) == 0)
			return &kinds[i];
		known = psprintf("%s%s%s", known, i > 0 ? ", " : "", kinds[i].kind);
	}
	ereport(ERROR,
			(errcode(NURTURE_ERRCODE_UNKNOWN_CODE),
			 errmsg("unknown kind \"%.64s\"", name),
			 errhint("Kinds are: %s.", known)));
	return NULL;				/* not reached */
}

const VersionedKind *
nurture_versioned_kinds(int *n)
{
	*n = lengthof(kinds);
	return kinds;
}

/* Raises unless a version is there, or any at all with NULL. */
void
nurture_require_version(const VersionedKind *kind, const char *code,
						const int *version)
{
	Oid			types[2] = {TEXTOID, INT4OID};
	Datum		values[2];

	values[0] = CStringGetTextDatum(code);
	values[1] = Int32GetDatum(version ? *version : 0);
	if (SPI_execute_with_args(psprintf("SELECT bool_or(version = $2) FROM nurture.%s WHERE %s = $1 HAVING count(*) > 0",
									   kind->versions, kind->code),
							  2, types, values, NULL, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read nurture.%s", kind->versions);
	if (SPI_processed == 0)
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_UNKNOWN_CODE),
				 errmsg("there is no version of %s \"%.64s\"", kind->kind, code),
				 errhint("Versions are rows of nurture.%s.", kind->versions)));
	if (version != NULL && strcmp(nurture_cell_text(0, 1), "t") != 0)
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_UNKNOWN_CODE),
				 errmsg("%s \"%.64s\" has no version %d", kind->kind, code, *version),
				 errhint("Versions are rows of nurture.%s.", kind->versions)));
}

/* nurture_draft(kind text, code text, from_version int) returns int: the new version. */
Datum
nurture_draft(PG_FUNCTION_ARGS)
{
	const VersionedKind *kind;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("kind and code must not be null")));
	kind = nurture_versioned_kind(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	PG_RETURN_INT32(kind->draft(text_to_cstring(PG_GETARG_TEXT_PP(1)),
								PG_ARGISNULL(2) ? 0 : PG_GETARG_INT32(2)));
}

/* Returns the reason in an argument; there must be one. */
static char *
reason_argument(FunctionCallInfo fcinfo, int place, const char *what)
{
	char	   *reason = PG_ARGISNULL(place) ? "" : text_to_cstring(PG_GETARG_TEXT_PP(place));

	if (reason[strspn(reason, " \t\r\n")] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a reason is needed to %s", what),
				 errhint("Say in a few words why these rules change; it is kept in the audit trail.")));
	return reason;
}

/* Sets a setting until the nest level ends. */
static void
set_until_end(const char *name, const char *value)
{
	(void) set_config_option(name, value, PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
}

/*
 * nurture_publish(kind text, code text, version int, reason text, confirm
 * bool, actor text, publish_at timestamptz) returns text: what changed.  With
 * publish_at in the future the tick does it then.
 */
Datum
nurture_publish(PG_FUNCTION_ARGS)
{
	const VersionedKind *kind;
	int			level;
	char	   *reason;
	char	   *actor = NULL;
	char	   *code;
	char	   *changed;
	bool		confirm;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || PG_ARGISNULL(2))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("kind, code and version must not be null")));
	kind = nurture_versioned_kind(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	reason = reason_argument(fcinfo, 3, "publish");
	level = NewGUCNestLevel();
	if (!PG_ARGISNULL(5))
	{
		/* who publishes, for every room's records */
		actor = text_to_cstring(PG_GETARG_TEXT_PP(5));
		set_until_end("nurture.app_user", actor);
	}
	set_until_end("nurture.change_reason", reason);
	code = text_to_cstring(PG_GETARG_TEXT_PP(1));
	confirm = !PG_ARGISNULL(4) && PG_GETARG_BOOL(4);
	if (!PG_ARGISNULL(6) && PG_GETARG_TIMESTAMPTZ(6) > nurture_now_statement())
		changed = nurture_control_schedule(kind->kind, code, PG_GETARG_INT32(2), reason, confirm,
										   PG_GETARG_TIMESTAMPTZ(6));
	else
	{
		int			errors = 0;

		if (!nurture_loading_preset)
			errors = nurture_control_check(kind->kind, code, PG_GETARG_INT32(2), NULL);
		/* what the room itself refuses it says better */
		changed = kind->publish(code, PG_GETARG_INT32(2), reason, actor, confirm);
		if (errors > 0)
			ereport(ERROR,
					(errcode(NURTURE_ERRCODE_MODEL_CHECK),
					 errmsg("version %d of %s \"%s\" has errors and cannot be published",
							PG_GETARG_INT32(2), kind->kind, code),
					 errhint("See nurture_check_version('%s', '%s', %d).", kind->kind, code, PG_GETARG_INT32(2))));
	}
	AtEOXact_GUC(true, level);
	PG_RETURN_TEXT_P(cstring_to_text(changed));
}

/* Raises when leads that no other model is for are left without any. */
static void
keep_last_resort(const char *model)
{
	Oid			type = TEXTOID;
	Datum		value = CStringGetTextDatum(model);

	if (SPI_execute_with_args("SELECT 1 FROM nurture.model WHERE model = $1 AND is_default AND product = '*' AND audience_types = '{}'",
							  1, &type, &value, NULL, false, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not read nurture.model");
	if (SPI_processed > 0)
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_BAD_STATE),
				 errmsg("model \"%.64s\" is the default for leads that no other model is for", model),
				 errdetail("Without it they would have no score."),
				 errhint("Publish another version of it, or make another model the default first.")));
}

/*
 * nurture_retire(kind text, code text, reason text, actor text) returns text:
 * takes the version in force out of it, and says which.  With the caller's
 * rights.
 */
Datum
nurture_retire(PG_FUNCTION_ARGS)
{
	const VersionedKind *kind;
	AuditEntry	entry = {0};
	Oid			types[2] = {TEXTOID, TIMESTAMPTZOID};
	Datum		values[2];
	char	   *code;
	char	   *reason;
	char	   *version;
	int			gucs;
	int			level;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("kind and code must not be null")));
	kind = nurture_versioned_kind(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	code = text_to_cstring(PG_GETARG_TEXT_PP(1));
	reason = reason_argument(fcinfo, 2, "retire");
	gucs = NewGUCNestLevel();
	if (!PG_ARGISNULL(3))
	{
		entry.actor = text_to_cstring(PG_GETARG_TEXT_PP(3));
		set_until_end("nurture.app_user", entry.actor);
	}
	set_until_end("nurture.change_reason", reason);
	level = nurture_spi_connect();
	nurture_require_version(kind, code, NULL);
	values[0] = CStringGetTextDatum(code);
	values[1] = TimestampTzGetDatum(nurture_now_statement());
	nurture_versions_open();
	PG_TRY();
	{
		if (SPI_execute_with_args(psprintf("UPDATE nurture.%s SET status = 'retired', retired_at = $2 "
										   "WHERE %s = $1 AND status = 'published' RETURNING version",
										   kind->versions, kind->code),
								  2, types, values, NULL, false, 0) != SPI_OK_UPDATE_RETURNING)
			elog(ERROR, "could not update nurture.%s", kind->versions);
	}
	PG_FINALLY();
	{
		nurture_versions_close();
	}
	PG_END_TRY();
	if (SPI_processed == 0)
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_BAD_STATE),
				 errmsg("%s \"%.64s\" has no published version", kind->kind, code),
				 errhint("Only what is in force can be retired; see nurture.%s.", kind->versions)));
	version = nurture_cell_text(0, 1);
	if (strcmp(kind->kind, "model") == 0)
		keep_last_resort(code);
	entry.kind = "retire";
	entry.object = psprintf("%s:%s:%s", kind->kind, code, version);
	entry.outcome = "retired";
	entry.reason = reason;
	nurture_audit_append(&entry, 1);
	nurture_spi_finish(level);
	AtEOXact_GUC(true, gucs);
	PG_RETURN_TEXT_P(cstring_to_text(psprintf("%s %s: version %s retired",
											  kind->kind, code, version)));
}
