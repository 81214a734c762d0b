/*
 * publish.c
 *	  Versions of tracks: drafted, checked, published, immutable.
 */
#include "base/compat.h"

#include "base/author.h"
#include "base/errors.h"
#include "base/owner.h"
#include "base/plans.h"
#include "catalog/pg_type.h"
#include "content/content.h"
#include "control/control.h"
#include "facts/vocabulary.h"
#include "miscadmin.h"
#include "tracks/rules.h"
#include "tracks/tracks.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

static KeptPlan lock_versions =
KEPT_PLAN("SELECT version, status, author, author_login "
		  "FROM nurture.track_version "
		  "WHERE track = $1 "
		  "ORDER BY version FOR NO KEY UPDATE",
		  TEXTOID);

/* What a version says, with the words an error names it by. */
static KeptPlan read_parts =
KEPT_PLAN("SELECT 'step ' || step_no, condition::text, "
		  "array_to_string(coalesce(required_tags, '{}') || "
		  "coalesce(preferred_tags, '{}'), E'\\x01'), (SELECT c FROM "
		  "unnest(channels) c WHERE NOT EXISTS (SELECT FROM "
		  "nurture.channel k WHERE k.channel = c) LIMIT 1) "
		  "FROM nurture.track_step "
		  "WHERE track = $1 AND version = $2 "
		  "UNION ALL SELECT 'entry \"' || entry || '\"', "
		  "condition::text, '', NULL "
		  "FROM nurture.track_entry "
		  "WHERE track = $1 AND version = $2 "
		  "UNION ALL SELECT 'branch \"' || branch || '\"', "
		  "condition::text, '', NULL "
		  "FROM nurture.track_branch "
		  "WHERE track = $1 AND version = $2 "
		  "ORDER BY 1",
		  TEXTOID, INT4OID);
static KeptPlan count_steps =
KEPT_PLAN("SELECT count(*) "
		  "FROM nurture.track_step "
		  "WHERE track = $1 AND version = $2",
		  TEXTOID, INT4OID);
static KeptPlan unknown_signal =
KEPT_PLAN("SELECT s "
		  "FROM nurture.track t, unnest(t.wake_signals || t.goal_signal) "
		  "s "
		  "WHERE t.track = $1 AND s IS NOT NULL "
		  "AND NOT EXISTS (SELECT FROM nurture.signal g WHERE g.signal = "
		  "s) LIMIT 1",
		  TEXTOID);

/* Targets of steps that do not exist, with what they should be. */
static KeptPlan unknown_target =
KEPT_PLAN("SELECT s.step_no, s.action, s.target, CASE s.action "
		  "WHEN 'task' THEN 'team' WHEN 'handoff' THEN 'route' ELSE s.action END "
		  "FROM nurture.track_step s "
		  "WHERE s.track = $1 AND s.version = $2 AND CASE s.action "
		  "WHEN 'task' THEN NOT EXISTS (SELECT FROM nurture.team t WHERE "
		  "t.team = s.target) "
		  "WHEN 'handoff' THEN s.target IS NOT NULL AND NOT EXISTS (SELECT "
		  "FROM nurture.route r WHERE r.route = s.target) "
		  "WHEN 'stage' THEN NOT EXISTS (SELECT FROM nurture.stage g WHERE "
		  "g.stage = s.target) ELSE false END "
		  "ORDER BY s.step_no LIMIT 1",
		  TEXTOID, INT4OID);
static KeptPlan asked_facts =
KEPT_PLAN("SELECT step_no, target "
		  "FROM nurture.track_step "
		  "WHERE track = $1 AND version = $2 AND action = 'question' AND "
		  "target IS NOT NULL "
		  "ORDER BY step_no",
		  TEXTOID, INT4OID);
static KeptPlan retire =
KEPT_PLAN("UPDATE nurture.track_version "
		  "SET status = 'retired', retired_at = $2 "
		  "WHERE track = $1 AND status = 'published'",
		  TEXTOID, TIMESTAMPTZOID);

/* jsonb of texts and numbers only: its text does not change with settings. */
static KeptPlan publish =
KEPT_PLAN("UPDATE nurture.track_version v "
		  "SET status = 'published', published_at = $3, approver = $4, "
		  "reason = coalesce(nullif($5, ''), reason), content_hash = "
		  "sha256(convert_to(jsonb_build_array((SELECT "
		  "jsonb_agg(jsonb_build_array(s.step_no, s.action, s.target, "
		  "extract(epoch FROM s.due_within), s.family, s.required_tags, s.preferred_tags, extract(epoch FROM "
		  "s.wait), s.wait_from, s.channels, s.condition, s.on_none) "
		  "ORDER BY s.step_no) FROM nurture.track_step s WHERE s.track = "
		  "v.track AND s.version = v.version), (SELECT "
		  "jsonb_agg(jsonb_build_array(e.entry, e.condition, "
		  "e.segment, e.from_step, e.once_goal_unmet) ORDER BY e.entry COLLATE "
		  "\"C\") FROM nurture.track_entry e WHERE e.track = v.track AND "
		  "e.version = v.version), (SELECT "
		  "jsonb_agg(jsonb_build_array(b.branch, b.from_step, "
		  "b.condition, b.inactivity_days, b.to_track, b.to_step, "
		  "b.resume, b.priority, b.label) ORDER BY b.branch COLLATE \"C\") FROM "
		  "nurture.track_branch b WHERE b.track = v.track AND b.version "
		  "= v.version))::text, 'UTF8')) "
		  "WHERE track = $1 AND version = $2 "
		  "RETURNING encode(content_hash, 'hex')",
		  TEXTOID, INT4OID, TIMESTAMPTZOID, TEXTOID, TEXTOID);
static KeptPlan draft_version =
KEPT_PLAN("INSERT INTO nurture.track_version "
		  "(track, version, author, title, owner) "
		  "SELECT t.track, coalesce(max(v.version), 0) + 1, $2, t.title, t.owner "
		  "FROM nurture.track t LEFT JOIN nurture.track_version v "
		  "ON v.track = t.track WHERE t.track = $1 "
		  "GROUP BY t.track RETURNING version",
		  TEXTOID, TEXTOID);
static KeptPlan draft_steps =
KEPT_PLAN("INSERT INTO nurture.track_step (track, version, step_no, "
		  "action, target, due_within, family, required_tags, preferred_tags, wait, "
		  "wait_from, channels, condition, on_none, title, owner, reason) "
		  "SELECT track, $3, step_no, action, target, due_within, family, required_tags, "
		  "preferred_tags, wait, wait_from, channels, condition, "
		  "on_none, title, owner, reason "
		  "FROM nurture.track_step "
		  "WHERE track = $1 AND version = $2",
		  TEXTOID, INT4OID, INT4OID);
static KeptPlan draft_entries =
KEPT_PLAN("INSERT INTO nurture.track_entry (track, version, entry, "
		  "condition, segment, from_step, once_goal_unmet, title, owner, reason) "
		  "SELECT track, $3, entry, condition, segment, from_step, once_goal_unmet, "
		  "title, owner, reason "
		  "FROM nurture.track_entry "
		  "WHERE track = $1 AND version = $2",
		  TEXTOID, INT4OID, INT4OID);
static KeptPlan draft_branches =
KEPT_PLAN("INSERT INTO nurture.track_branch (track, version, branch, "
		  "from_step, condition, inactivity_days, to_track, to_step, resume, "
		  "label, priority, title, owner, reason) SELECT track, $3, branch, "
		  "from_step, condition, inactivity_days, to_track, to_step, resume, "
		  "label, priority, title, owner, reason "
		  "FROM nurture.track_branch "
		  "WHERE track = $1 AND version = $2",
		  TEXTOID, INT4OID, INT4OID);

static void unknown_version(const char *code, int32 version) pg_attribute_noreturn();

static void
unknown_version(const char *code, int32 version)
{
	ereport(ERROR,
			(errcode(NURTURE_ERRCODE_UNKNOWN_CODE),
			 errmsg("there is no version %d of track \"%.64s\"", version, code),
			 errhint("nurture.track_version lists what there is.")));
}

/* Raises what is wrong with a draft: words, conditions, nothing to do. */
static void
check_draft(const char *code, int32 version, Datum *values)
{
	bool		isnull;
	char	   *signal;
	char	  **parts;
	uint64		n;

	nurture_execute(&count_steps, values, NULL, false);
	if (DatumGetInt64(nurture_cell(0, 1, &isnull)) == 0)
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_MODEL_CHECK),
				 errmsg("version %d of track \"%s\" has no steps", version, code),
				 errhint("Add rows to nurture.track_step.")));
	nurture_execute(&unknown_signal, values, NULL, false);
	if (SPI_processed > 0 && (signal = nurture_cell_text(0, 1)) != NULL)
		nurture_unknown_code(COND_NAME_SIGNAL, "signal", signal);

	nurture_execute(&unknown_target, values, NULL, false);
	if (SPI_processed > 0)
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_UNKNOWN_CODE),
				 errmsg("step %s of track \"%s\": unknown %s \"%.64s\"", nurture_cell_text(0, 1), code,
						nurture_cell_text(0, 4), nurture_cell_text(0, 3)),
				 errhint("Its target is a row of nurture.%s.", nurture_cell_text(0, 4))));
	nurture_execute(&asked_facts, values, NULL, false);
	n = SPI_processed;
	parts = palloc(Max(n, 1) * 2 * sizeof(char *));
	for (uint64 i = 0; i < n * 2; i++)
		parts[i] = nurture_cell_text(i / 2, (int) (i % 2) + 1);
	for (uint64 i = 0; i < n; i++)
		nurture_condition_accept(nurture_track_known(parts[i * 2 + 1]),
								 psprintf("step %s of track \"%s\"", parts[i * 2], code));

	/* copied out: compiling runs queries of its own */
	nurture_execute(&read_parts, values, NULL, false);
	n = SPI_processed;
	parts = palloc(Max(n, 1) * 4 * sizeof(char *));
	for (uint64 i = 0; i < n * 4; i++)
		parts[i] = nurture_cell_text(i / 4, (int) (i % 4) + 1);
	for (uint64 i = 0; i < n; i++)
	{
		char	   *owner = psprintf("%s of track \"%s\"", parts[i * 4], code);
		char	   *tag = parts[i * 4 + 2];

		if (parts[i * 4 + 1] != NULL)
			nurture_condition_accept(parts[i * 4 + 1], owner);
		while (tag != NULL && *tag != '\0')
		{
			char	   *end = strchr(tag, '\001');

			if (end != NULL)
				*end = '\0';
			if (nurture_tag_id(tag, strlen(tag)) < 0)
				nurture_unknown_code(COND_NAME_TAG, "tag", tag);
			tag = end == NULL ? NULL : end + 1;
		}
		if (parts[i * 4 + 3] != NULL)
			ereport(ERROR,
					(errcode(NURTURE_ERRCODE_UNKNOWN_CODE),
					 errmsg("%s: unknown channel \"%.64s\"", owner, parts[i * 4 + 3]),
					 errhint("Channels are rows of nurture.channel.")));
	}
}

/*
 * Publishes a draft; the version before is retired, and leads on it finish it.
 * Answers what changed, in words.
 */
char	   *
nurture_track_publish(const char *code, int version, const char *reason,
					  const char *actor, bool confirm)
{
	MemoryContext context = CurrentMemoryContext;
	Datum		values[2];
	const char *approver = nurture_actor(actor);
	char	   *result;
	VersionDraft draft;
	int			level = nurture_spi_connect();

	(void) nurture_version_draft(&lock_versions, "track", "track_version",
								 code, version, &draft);
	values[0] = CStringGetTextDatum(code);
	nurture_require_approved("track", code, version, draft.author, draft.author_login, approver);
	values[1] = Int32GetDatum(version);
	check_draft(code, version, values);

	nurture_version_publish(&retire, &publish, "track", code, version, reason,
							approver, actor, NULL);
	result = MemoryContextStrdup(context,
								 psprintf("track %s: version %d published", code, version));
	nurture_spi_finish(level);
	return result;
}

/* Makes a draft, a copy of a version or, from 0, empty; answers its number. */
int
nurture_track_draft(const char *code, int from_version)
{
	Datum		values[3];
	bool		isnull;
	int			version;
	int			level = nurture_spi_connect();

	values[0] = CStringGetTextDatum(code);
	values[1] = CStringGetTextDatum(nurture_actor(NULL));
	nurture_execute(&draft_version, values, NULL, false);
	if (SPI_processed == 0)
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_UNKNOWN_CODE),
				 errmsg("unknown track \"%.64s\"", code),
				 errhint("Tracks are rows of nurture.track.")));
	version = DatumGetInt32(nurture_cell(0, 1, &isnull));
	if (from_version > 0)
	{
		values[1] = Int32GetDatum(from_version);
		values[2] = Int32GetDatum(version);
		nurture_execute(&draft_steps, values, NULL, false);
		if (SPI_processed == 0)
			unknown_version(code, from_version);
		nurture_execute(&draft_entries, values, NULL, false);
		nurture_execute(&draft_branches, values, NULL, false);
	}
	nurture_spi_finish(level);
	return version;
}

/* Registers the room's caches and its reactor. */
void
nurture_tracks_init(void)
{
	nurture_track_rules_init();
	nurture_track_react_init();
	nurture_track_stop_init();
	nurture_tick_init();
	nurture_track_lint_init();
}
