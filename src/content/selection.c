/*
 * selection.c
 *	  Versions of the weights of selection: drafted, published, immutable.
 */
#include "base/compat.h"

#include "base/author.h"
#include "base/errors.h"
#include "base/owner.h"
#include "base/plans.h"
#include "catalog/pg_type.h"
#include "content/content_private.h"
#include "content/requested.h"
#include "content/experiment.h"
#include "content/index.h"
#include "control/control.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

static KeptPlan lock_versions =
KEPT_PLAN("SELECT version, status, author, author_login, (SELECT count(*) FROM "
		  "nurture.selection_weight w WHERE w.selection = s.selection "
		  "AND w.version = s.version) "
		  "FROM nurture.selection_version s "
		  "WHERE selection = $1 "
		  "ORDER BY version FOR NO KEY UPDATE",
		  TEXTOID);
static KeptPlan retire =
KEPT_PLAN("UPDATE nurture.selection_version "
		  "SET status = 'retired', retired_at = $2 "
		  "WHERE selection = $1 AND status = 'published'",
		  TEXTOID, TIMESTAMPTZOID);

/* jsonb of texts and numbers only: its text does not change with settings. */
static KeptPlan publish =
KEPT_PLAN("UPDATE nurture.selection_version s "
		  "SET status = 'published', published_at = $3, approver = $4, "
		  "reason = coalesce(nullif($5, ''), reason), content_hash = "
		  "sha256(convert_to((SELECT jsonb_agg(jsonb_build_array(w.term, "
		  "w.subject, w.value, w.weight, w.parameter) ORDER BY w.term "
		  "COLLATE \"C\", w.subject COLLATE \"C\", w.value COLLATE "
		  "\"C\")::text FROM nurture.selection_weight w WHERE "
		  "w.selection = s.selection AND w.version = s.version), "
		  "'UTF8')) "
		  "WHERE selection = $1 AND version = $2 "
		  "RETURNING encode(content_hash, 'hex')",
		  TEXTOID, INT4OID, TIMESTAMPTZOID, TEXTOID, TEXTOID);
static KeptPlan draft_version =
KEPT_PLAN("INSERT INTO nurture.selection_version "
		  "(selection, version, author, title, owner) "
		  "SELECT $1, coalesce(max(version), 0) + 1, $2, "
		  "(array_agg(title ORDER BY version DESC))[1], "
		  "(array_agg(owner ORDER BY version DESC))[1] "
		  "FROM nurture.selection_version WHERE selection = $1 "
		  "RETURNING version",
		  TEXTOID, TEXTOID);
static KeptPlan draft_weights =
KEPT_PLAN("INSERT INTO nurture.selection_weight (selection, version, "
		  "term, subject, value, weight, parameter, title, owner, reason) "
		  "SELECT selection, $3, term, subject, value, weight, parameter, "
		  "title, owner, reason "
		  "FROM nurture.selection_weight "
		  "WHERE selection = $1 AND version = $2",
		  TEXTOID, INT4OID, INT4OID);

/*
 * Publishes a draft of selection weights; the version before is retired.
 * Answers what changed, in words.
 */
char	   *
nurture_selection_publish(const char *code, int version, const char *reason,
						  const char *actor, bool confirm)
{
	MemoryContext context = CurrentMemoryContext;
	const char *approver;
	char	   *result;
	VersionDraft draft;
	uint64		row;
	bool		null;
	int64		weights;
	int			level = nurture_spi_connect();

	row = nurture_version_draft(&lock_versions, "selection", "selection_version",
								code, version, &draft);
	weights = DatumGetInt64(nurture_cell(row, 5, &null));
	if (weights == 0)
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_MODEL_CHECK),
				 errmsg("version %d of selection \"%s\" has no weights", version, code),
				 errhint("Add rows to nurture.selection_weight.")));
	approver = nurture_actor(actor);
	nurture_require_approved("selection", code, version, draft.author, draft.author_login, approver);

	nurture_version_publish(&retire, &publish, "selection", code, version, reason,
							approver, actor, NULL);
	result = MemoryContextStrdup(context,
								 psprintf("selection %s: version %d published, " INT64_FORMAT " weights",
										  code, version, weights));
	nurture_spi_finish(level);
	return result;
}

/* Makes a draft, a copy of a version or, from 0, empty; answers its number. */
int
nurture_selection_draft(const char *code, int from_version)
{
	Datum		values[3];
	bool		isnull;
	int			version;
	int			level = nurture_spi_connect();

	values[0] = CStringGetTextDatum(code);
	values[1] = CStringGetTextDatum(nurture_actor(NULL));
	nurture_execute(&draft_version, values, NULL, false);
	version = DatumGetInt32(nurture_cell(0, 1, &isnull));
	if (from_version > 0)
	{
		values[1] = Int32GetDatum(from_version);
		values[2] = Int32GetDatum(version);
		nurture_execute(&draft_weights, values, NULL, false);
		if (SPI_processed == 0)
			ereport(ERROR,
					(errcode(NURTURE_ERRCODE_UNKNOWN_CODE),
					 errmsg("there is no version %d of selection \"%.64s\" with weights", from_version, code),
					 errhint("nurture.selection_version lists what there is.")));
	}
	nurture_spi_finish(level);
	return version;
}

/* Registers the room's caches and checks. */
void
nurture_content_init(void)
{
	nurture_content_index_init();
	nurture_content_lint_init();
	nurture_experiment_init();
	nurture_content_move_init();
	nurture_requested_init();
}
