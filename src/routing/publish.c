/*
 * publish.c
 *	  Versions of routes: drafted, published, retired.
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
#include "control/control.h"
#include "routing/routing.h"
#include "routing/routing_private.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

static KeptPlan find_route =
KEPT_PLAN("SELECT 1 FROM nurture.route WHERE route = $1 FOR UPDATE", TEXTOID);
static KeptPlan latest_version =
KEPT_PLAN("SELECT pg_catalog.max(version) FROM nurture.route_version WHERE route = $1", TEXTOID);
static KeptPlan copy_version =
KEPT_PLAN("INSERT INTO nurture.route_version (route, version, priority, condition, team, method, sla_accept, sla_first_response,"
		  " offer_expires, cool_down, attempts_max, required_fields, hold_until, min_confidence, review_when, review_bucket,"
		  " return_track, author, title, owner)"
		  " SELECT v.route, (SELECT pg_catalog.max(w.version) + 1 FROM nurture.route_version w WHERE w.route = $1),"
		  " v.priority, v.condition, v.team, v.method, v.sla_accept, v.sla_first_response, v.offer_expires, v.cool_down,"
		  " v.attempts_max, v.required_fields, v.hold_until, v.min_confidence, v.review_when, v.review_bucket, v.return_track,"
		  " $3, v.title, v.owner"
		  " FROM nurture.route_version v WHERE v.route = $1 AND v.version = $2 RETURNING version",
		  TEXTOID, INT4OID, TEXTOID);
static KeptPlan find_version =
KEPT_PLAN("SELECT v.status, v.author, v.author_login, v.team, EXISTS (SELECT FROM nurture.team_member m WHERE m.team = v.team AND m.active),"
		  " (SELECT w.version FROM nurture.route_version w WHERE w.route = $1 AND w.status = 'published')"
		  " FROM nurture.route_version v WHERE v.route = $1 AND v.version = $2 FOR UPDATE OF v",
		  TEXTOID, INT4OID);
static KeptPlan retire =
KEPT_PLAN("UPDATE nurture.route_version SET status = 'retired', retired_at = $2 WHERE route = $1 AND status = 'published'",
		  TEXTOID, TIMESTAMPTZOID);
static KeptPlan publish =
KEPT_PLAN("UPDATE nurture.route_version v SET status = 'published', published_at = $3, approver = $4, reason = $5,"
		  " content_hash = pg_catalog.sha256(pg_catalog.convert_to(pg_catalog.jsonb_build_array(v.route, v.version, v.priority,"
		  " v.condition, v.team, v.method, v.sla_accept, v.sla_first_response, v.offer_expires, v.cool_down,"
		  " v.attempts_max, v.required_fields, v.hold_until, v.min_confidence, v.review_when, v.review_bucket, v.return_track)::text, 'UTF8'))"
		  " WHERE v.route = $1 AND v.version = $2 RETURNING pg_catalog.encode(v.content_hash, 'hex')",
		  TEXTOID, INT4OID, TIMESTAMPTZOID, TEXTOID, TEXTOID);

static void
unknown_version(const char *route, int version)
{
	ereport(ERROR,
			(errcode(NURTURE_ERRCODE_UNKNOWN_CODE),
			 errmsg("route \"%s\" has no version %d", route, version),
			 errhint("Versions are rows of nurture.route_version.")));
}

/*
 * Makes a draft with the rules of a version, 0 = the latest; returns its
 * number.
 */
int
nurture_route_draft(const char *route, int from_version)
{
	OwnerSwitch save;
	Datum		values[3];
	bool		isnull;
	int			version;
	int			level;

	nurture_routing_right("route_version");
	nurture_owner_enter(&save);
	level = nurture_spi_connect();
	values[0] = CStringGetTextDatum(route);
	nurture_execute_latest(&find_route, values, NULL, true);
	if (SPI_processed == 0)
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_UNKNOWN_CODE),
				 errmsg("unknown route \"%s\"", route),
				 errhint("Routes are rows of nurture.route.")));
	if (from_version <= 0)
	{
		nurture_execute_latest(&latest_version, values, NULL, false);
		from_version = DatumGetInt32(nurture_cell(0, 1, &isnull));
		if (isnull)
			ereport(ERROR,
					(errcode(NURTURE_ERRCODE_UNKNOWN_CODE),
					 errmsg("route \"%s\" has no version to draft from", route),
					 errhint("Insert its first version into nurture.route_version.")));
	}
	values[1] = Int32GetDatum(from_version);
	values[2] = CStringGetTextDatum(nurture_actor(NULL));
	nurture_versions_write(&copy_version, values, NULL);
	if (SPI_processed == 0)
		unknown_version(route, from_version);
	version = DatumGetInt32(nurture_cell(0, 1, &isnull));
	nurture_spi_finish(level);
	nurture_owner_leave(&save);
	return version;
}

/*
 * Publishes a draft and retires the version before it; says what changed.  A
 * team without active members is told, not refused: its hand-offs wait.
 */
char	   *
nurture_route_publish(const char *route, int version, const char *reason,
					  const char *actor, bool confirm)
{
	MemoryContext context = CurrentMemoryContext;
	const char *approver = nurture_actor(actor);
	AuditEntry	entry = {0};
	OwnerSwitch save;
	Datum		values[5];
	bool		isnull;
	bool		has_members;
	char	   *status;
	char	   *author;
	char	   *author_login;
	char	   *team;
	char	   *before;
	char	   *result;
	int			level;

	if (reason == NULL || reason[0] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("publishing needs a reason")));
	nurture_routing_right("route_version");
	nurture_owner_enter(&save);
	level = nurture_spi_connect();
	values[0] = CStringGetTextDatum(route);
	values[1] = Int32GetDatum(version);
	nurture_execute_latest(&find_version, values, NULL, true);
	if (SPI_processed == 0)
		unknown_version(route, version);
	status = nurture_cell_text(0, 1);
	author = nurture_cell_text(0, 2);
	author_login = nurture_cell_text(0, 3);
	team = nurture_cell_text(0, 4);
	has_members = DatumGetBool(nurture_cell(0, 5, &isnull));
	before = nurture_cell_text(0, 6);
	if (strcmp(status, "draft") != 0)
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_PUBLISHED),
				 errmsg("version %d of route \"%s\" is %s", version, route, status),
				 errhint("Make a new version with nurture_draft('route', '%s').", route)));
	nurture_require_approved("route", route, version, author, author_login, approver);
	values[1] = TimestampTzGetDatum(nurture_now_wall());
	nurture_versions_write(&retire, values, NULL);
	values[1] = Int32GetDatum(version);
	values[2] = TimestampTzGetDatum(nurture_now_wall());
	values[3] = CStringGetTextDatum(approver);
	values[4] = CStringGetTextDatum(reason);
	nurture_versions_write(&publish, values, NULL);
	entry.kind = "publish";
	entry.object = psprintf("route:%s:%d", route, version);
	entry.outcome = "published";
	entry.versions_json = psprintf("{\"content_hash\": \"%s\"}", nurture_cell_text(0, 1));
	entry.reason = reason;
	nurture_audit_append(&entry, 1);
	result = MemoryContextStrdup(context,
								 psprintf("route %s version %d is published%s%s%s%s%s", route, version,
										  before ? ", version " : "", before ? before : "",
										  before ? " is retired" : "",
										  has_members ? "" : "; no active member in team ",
										  has_members ? "" : team));
	nurture_spi_finish(level);
	nurture_owner_leave(&save);
	return result;
}

/* Makes the caches known and registers the reactors; once per backend. */
void
nurture_routing_init(void)
{
	nurture_calendar_init();
	nurture_routing_rules_init();
	nurture_standing_init();
	nurture_route_init();
	nurture_routing_lint_init();
}
