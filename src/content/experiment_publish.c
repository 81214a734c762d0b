/*
 * experiment_publish.c
 *	  Experiments drafted, checked and published; what was published stays as
 *	  it is.
 */
#include "base/compat.h"

#include "base/author.h"
#include "base/clock.h"
#include "base/errors.h"
#include "base/plans.h"
#include "catalog/pg_type.h"
#include "content/content.h"
#include "content/experiment.h"
#include "control/control.h"
#include "core/trial.h"
#include "facts/vocabulary.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

static KeptPlan lock_versions =
KEPT_PLAN("SELECT version, status, author, author_login "
		  "FROM nurture.experiment WHERE experiment = $1 "
		  "ORDER BY version FOR NO KEY UPDATE", TEXTOID);

/*
 * What is wrong with a draft, errors first.  What an arm may change follows
 * from the variable; which tags, from their dimension.
 */
static KeptPlan find_faults =
KEPT_PLAN("WITH x AS (SELECT *, greatest(starts_at, $3) AS began FROM nurture.experiment WHERE experiment = $1 AND version = $2),"
		  " a AS (SELECT a.*, coalesce(required_tags, '{}') || coalesce(preferred_tags, '{}') AS tags"
		  "  FROM nurture.experiment_arm a WHERE experiment = $1 AND version = $2),"
		  " v AS (SELECT variable, CASE variable WHEN 'cta' THEN ARRAY['offer'] WHEN 'theme' THEN ARRAY['topic', 'therapeutic_area', 'product'] ELSE ARRAY[]::text[] END AS dimensions FROM x),"
		  " changed AS (SELECT a.arm, c.what FROM a, v, LATERAL (VALUES"
		  "  ('family', a.family IS NOT NULL AND v.variable NOT IN ('subject', 'cta', 'theme')),"
		  "  ('format', a.format IS NOT NULL AND v.variable <> 'format'),"
		  "  ('send_at', a.send_at IS NOT NULL AND v.variable <> 'send_time'),"
		  "  ('cadence_factor', a.cadence_factor IS NOT NULL AND v.variable <> 'cadence')) c (what, is_so) WHERE c.is_so"
		  "  UNION ALL SELECT DISTINCT a.arm, 'tags of ' || split_part(t, ':', 1) FROM a, v, unnest(a.tags) t WHERE split_part(t, ':', 1) <> ALL (v.dimensions)),"
		  " assets AS (SELECT a.arm, string_agg(DISTINCT s.format, ', ' ORDER BY s.format) AS formats,"
		  "  string_agg(DISTINCT t.value, ', ' ORDER BY t.value) FILTER (WHERE t.dimension = 'topic') AS topics,"
		  "  string_agg(DISTINCT t.value, ', ' ORDER BY t.value) FILTER (WHERE t.dimension = 'offer') AS offers"
		  "  FROM a JOIN nurture.asset s ON s.family = a.family JOIN nurture.asset_version w ON w.asset_id = s.asset_id AND w.status = 'approved'"
		  "  LEFT JOIN nurture.asset_tag t ON t.asset_id = w.asset_id AND t.version = w.version GROUP BY a.arm),"
		  " f (severity, finding, path) AS ("
		  " SELECT 'error', 'it needs two arms at least', NULL WHERE (SELECT count(*) FROM a) < 2"
		  " UNION ALL SELECT 'error', 'it has more than 20 arms', NULL WHERE (SELECT count(*) FROM a) > 20"
		  " UNION ALL SELECT 'error', format('shares sum to %s, not to 1', trim_scale(sum(share))), 'experiment_arm' FROM a HAVING sum(share) <> 1"
		  " UNION ALL SELECT 'error', format('arm \"%s\" has no share', arm), 'experiment_arm/' || arm FROM a WHERE share = 0"
		  " UNION ALL SELECT 'error', 'it ends before it starts', 'experiment/ends_at' FROM x WHERE ends_at <= starts_at"
		  " UNION ALL SELECT 'error', 'it has ended already', 'experiment/ends_at' FROM x WHERE ends_at <= $3 AND (starts_at IS NULL OR ends_at > starts_at)"
		  " UNION ALL SELECT 'error', format('unknown signal \"%s\"', success_signal), 'experiment/success_signal' FROM x WHERE NOT EXISTS (SELECT FROM nurture.signal s WHERE s.signal = x.success_signal)"
		  " UNION ALL SELECT 'error', format('unknown track \"%s\"', track), 'experiment/track' FROM x WHERE track <> '*' AND NOT EXISTS (SELECT FROM nurture.track t WHERE t.track = x.track)"
		  " UNION ALL SELECT 'error', format('arm \"%s\" changes %s, but the variable is %s', c.arm, c.what, v.variable), 'experiment_arm/' || c.arm FROM changed c, v"
		  " UNION ALL SELECT 'error', format('arms \"%s\" and \"%s\" do the same', a.arm, b.arm), 'experiment_arm/' || b.arm FROM a JOIN a b ON a.arm < b.arm"
		  "  AND (a.family, a.format, a.required_tags, a.preferred_tags, a.send_at, coalesce(a.cadence_factor, 1)) IS NOT DISTINCT FROM (b.family, b.format, b.required_tags, b.preferred_tags, b.send_at, coalesce(b.cadence_factor, 1))"
		  " UNION ALL SELECT 'error', format('arm \"%s\": unknown tag \"%s\"', a.arm, t), 'experiment_arm/' || a.arm FROM a, unnest(a.tags) t"
		  "  WHERE NOT EXISTS (SELECT FROM nurture.tag g WHERE g.dimension || ':' || g.value = t)"
		  " UNION ALL SELECT 'error', format('arm \"%s\": no asset is of family \"%s\"', arm, family), 'experiment_arm/' || arm FROM a"
		  "  WHERE family IS NOT NULL AND NOT EXISTS (SELECT FROM nurture.asset s WHERE s.family = a.family)"
		  " UNION ALL SELECT 'error', format('arm \"%s\": no asset is of format \"%s\"', arm, format), 'experiment_arm/' || arm FROM a"
		  "  WHERE format IS NOT NULL AND NOT EXISTS (SELECT FROM nurture.asset s WHERE s.format = a.format)"
		  " UNION ALL SELECT 'error', format('version %s drew with the same salt: every lead would be in the same arm again', min(o.version)), 'experiment/salt' FROM x, nurture.experiment o"
		  "  WHERE o.experiment = x.experiment AND o.version <> x.version AND o.salt = x.salt AND o.status <> 'draft' HAVING count(*) > 0"
		  " UNION ALL SELECT 'error', format('version %s has not ended', o.version), NULL FROM nurture.experiment o WHERE o.experiment = $1 AND o.status = 'published' AND o.version <> $2 AND o.ends_at > $3"
		  " UNION ALL SELECT 'warning', format('assets of arms \"%s\" and \"%s\" differ in %s too, not only in %s', p.arm, q.arm, d.what, v.variable), 'experiment_arm/' || q.arm"
		  "  FROM v, assets p JOIN assets q ON p.arm < q.arm, LATERAL (VALUES ('format', v.variable <> 'format' AND p.formats IS DISTINCT FROM q.formats),"
		  "  ('topic', v.variable <> 'theme' AND p.topics IS DISTINCT FROM q.topics), ('offer', v.variable <> 'cta' AND p.offers IS DISTINCT FROM q.offers)) d (what, is_so) WHERE d.is_so)"
		  " SELECT finding, severity, path FROM f ORDER BY severity, path COLLATE \"C\" NULLS FIRST, finding COLLATE \"C\"",
		  TEXTOID, INT4OID, TIMESTAMPTZOID);

/* Others that run, at some time and for some track, together with a draft. */
static KeptPlan find_others =
KEPT_PLAN("SELECT o.experiment, o.variable = x.variable, o.variable, x.condition::text, o.condition::text"
		  " FROM nurture.experiment x, nurture.experiment o"
		  " WHERE x.experiment = $1 AND x.version = $2 AND o.status = 'published' AND o.experiment <> x.experiment"
		  " AND greatest(o.starts_at, o.published_at) < x.ends_at AND o.ends_at > greatest(x.starts_at, $3)"
		  " AND (o.track = x.track OR o.track = '*' OR x.track = '*') ORDER BY o.experiment COLLATE \"C\"",
		  TEXTOID, INT4OID, TIMESTAMPTZOID);

static KeptPlan retire =
KEPT_PLAN("UPDATE nurture.experiment SET status = 'retired', retired_at = $2 "
		  "WHERE experiment = $1 AND status = 'published'",
		  TEXTOID, TIMESTAMPTZOID);

/* jsonb of texts and numbers only: its text does not change with settings. */
static KeptPlan publish =
KEPT_PLAN("UPDATE nurture.experiment x SET status = 'published', published_at = $3, approver = $4,"
		  " reason = coalesce(nullif($5, ''), reason), content_hash = sha256(convert_to(jsonb_build_array("
		  "variable, hypothesis, track, condition, success_signal, extract(epoch FROM success_within), min_leads,"
		  " extract(epoch FROM starts_at), extract(epoch FROM ends_at), salt,"
		  " (SELECT jsonb_agg(jsonb_build_array(a.arm, a.share, a.family, a.format, a.required_tags, a.preferred_tags,"
		  " extract(epoch FROM a.send_at), a.cadence_factor) ORDER BY a.arm COLLATE \"C\") FROM nurture.experiment_arm a"
		  " WHERE a.experiment = x.experiment AND a.version = x.version))::text, 'UTF8'))"
		  " WHERE experiment = $1 AND version = $2 RETURNING encode(content_hash, 'hex')",
		  TEXTOID, INT4OID, TIMESTAMPTZOID, TEXTOID, TEXTOID);

static KeptPlan draft_experiment =
KEPT_PLAN("INSERT INTO nurture.experiment (experiment, version, variable, hypothesis, track, condition, success_signal,"
		  " success_within, min_leads, starts_at, ends_at, author, title, owner)"
		  " SELECT experiment, (SELECT max(version) + 1 FROM nurture.experiment WHERE experiment = $1), variable, hypothesis, track, condition,"
		  " success_signal, success_within, min_leads, starts_at, ends_at, $3, title, owner"
		  " FROM nurture.experiment WHERE experiment = $1 AND ($2 = 0 OR version = $2) ORDER BY version DESC LIMIT 1"
		  " RETURNING version", TEXTOID, INT4OID, TEXTOID);
static KeptPlan draft_arms =
KEPT_PLAN("INSERT INTO nurture.experiment_arm (experiment, version, arm, share, family, format, required_tags,"
		  " preferred_tags, send_at, cadence_factor, title, owner, reason)"
		  " SELECT experiment, $3, arm, share, family, format, required_tags, preferred_tags, send_at, cadence_factor,"
		  " title, owner, reason FROM nurture.experiment_arm WHERE experiment = $1 AND version = $2",
		  TEXTOID, INT4OID, INT4OID);

/* Tells whether some lead could meet both conditions; NULL is every lead. */
static bool
meet(const char *a, const char *b)
{
	char	   *both;

	if (a == NULL && b == NULL)
		return true;
	both = a == NULL || b == NULL ? psprintf("%s", a ? a : b) :
		psprintf("{\"all\": [%s, %s]}", a, b);
	return !nurture_condition_never(nurture_condition_compile(both, "both experiments"), NULL, 0);
}

void
nurture_experiment_findings(const char *code, int version,
							void (*found) (void *arg, const char *finding,
										   const char *severity,
										   const char *path),
							void *arg)
{
	Datum		values[3];
	uint64		n;
	char	  **cells;

	values[0] = CStringGetTextDatum(code);
	values[1] = Int32GetDatum(version);
	values[2] = TimestampTzGetDatum(nurture_now_statement());

	/* copied out: compiling runs queries of its own */
	nurture_execute_latest(&find_others, values, NULL, false);
	n = SPI_processed;
	cells = palloc(Max(n, 1) * 5 * sizeof(char *));
	for (uint64 i = 0; i < n * 5; i++)
		cells[i] = nurture_cell_text(i / 5, (int) (i % 5) + 1);
	for (uint64 i = 0; i < n; i++)
	{
		char	  **other = &cells[i * 5];

		if (!meet(other[3], other[4]))
			continue;
		if (strcmp(other[1], "t") == 0)
			found(arg, psprintf("leads may be in experiment \"%s\" at the same time, which varies %s as well", other[0], other[2]),
				  "error", "experiment/condition");
		else
			found(arg, psprintf("leads may be in experiment \"%s\" at the same time; a message is part of one of them only", other[0]),
				  "warning", "experiment/condition");
	}
	nurture_execute_latest(&find_faults, values, NULL, false);
	for (uint64 i = 0; i < SPI_processed; i++)
		found(arg, nurture_cell_text(i, 1), nurture_cell_text(i, 2), nurture_cell_text(i, 3));
}

/* What an error is about. */
typedef struct Draft
{
	const char *code;
	int			version;
} Draft;

static void
refuse(void *arg, const char *finding, const char *severity, const char *path)
{
	const Draft *draft = arg;

	if (strcmp(severity, "error") == 0)
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_MODEL_CHECK),
				 errmsg("version %d of experiment \"%s\": %s", draft->version, draft->code, finding),
				 errhint("nurture_check_version('experiment', '%s', %d) lists all that is found.",
						 draft->code, draft->version)));
}

/* Publishes a draft: from its start on it runs.  Answers so, in words. */
char	   *
nurture_experiment_publish(const char *code, int version, const char *reason,
						   const char *actor, bool confirm)
{
	MemoryContext context = CurrentMemoryContext;
	Draft		draft = {code, version};
	const char *approver = nurture_actor(actor);
	VersionDraft written;
	char	   *result;
	int			level = nurture_spi_connect();

	/* two that overlap must not be published side by side */
	if (SPI_execute("LOCK TABLE nurture.experiment IN SHARE ROW EXCLUSIVE MODE", false, 0) != SPI_OK_UTILITY)
		elog(ERROR, "could not lock nurture.experiment");
	(void) nurture_version_draft(&lock_versions, "experiment", "experiment",
								 code, version, &written);
	nurture_require_approved("experiment", code, version, written.author, written.author_login, approver);
	nurture_experiment_findings(code, version, refuse, &draft);
	nurture_version_publish(&retire, &publish, "experiment", code, version, reason,
							approver, actor, NULL);
	result = MemoryContextStrdup(context, psprintf("experiment %s: version %d published", code, version));
	nurture_spi_finish(level);
	return result;
}

/*
 * Makes a draft, a copy of a version or, from 0, of the latest, with a salt of
 * its own; answers its number.
 */
int
nurture_experiment_draft(const char *code, int from_version)
{
	Datum		values[3];
	bool		isnull;
	int			version;
	int			level = nurture_spi_connect();

	values[0] = CStringGetTextDatum(code);
	values[1] = Int32GetDatum(from_version);
	values[2] = CStringGetTextDatum(nurture_actor(NULL));
	nurture_execute(&draft_experiment, values, NULL, false);
	if (SPI_processed == 0)
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_UNKNOWN_CODE),
				 from_version > 0 ? errmsg("there is no version %d of experiment \"%.64s\"", from_version, code) :
				 errmsg("unknown experiment \"%.64s\"", code),
				 errhint("An experiment begins as a row of nurture.experiment.")));
	version = DatumGetInt32(nurture_cell(0, 1, &isnull));
	values[1] = Int32GetDatum(from_version > 0 ? from_version : version - 1);
	values[2] = Int32GetDatum(version);
	nurture_execute(&draft_arms, values, NULL, false);
	nurture_spi_finish(level);
	return version;
}
