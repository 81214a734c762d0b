/*
 * model_life.c
 *	  The life of a model version: drafted, published, retired.
 */
#include "base/compat.h"

#include "base/author.h"
#include "base/clock.h"
#include "base/errors.h"
#include "base/owner.h"
#include "base/plans.h"
#include "catalog/pg_type.h"
#include "content/content.h"
#include "control/control.h"
#include "lib/stringinfo.h"
#include "scoring/model_life.h"
#include "scoring/model_private.h"
#include "scoring/what_if.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/* moves of grades that a refusal and the audit trail tell */
#define TOLD_MOVES 8
/* share of open leads, in percent, that may move without being confirmed */
#define UNCONFIRMED_PERCENT 10

static const char *const rule_tables[] = {"rule_group", "fit_rule", "signal_rule", "pattern",
"model_limit", "band", "tier_rule"};

static KeptPlan next_version = KEPT_PLAN("INSERT INTO nurture.model_version (model, version, author, title, owner) "
										 "SELECT $1, coalesce(max(version), 0) + 1, $2, max(title) FILTER (WHERE version = $3), max(owner) FILTER (WHERE version = $3) "
										 "FROM nurture.model_version WHERE model = $1 RETURNING version",
										 TEXTOID, TEXTOID, INT4OID);
static KeptPlan find_version = KEPT_PLAN("SELECT 1 FROM nurture.model_version WHERE model = $1 AND version = $2",
										 TEXTOID, INT4OID);

/* All of them, so that of two that are published at once one waits. */
static KeptPlan lock_versions = KEPT_PLAN("SELECT version, status, author, author_login FROM nurture.model_version "
										  "WHERE model = $1 ORDER BY version FOR NO KEY UPDATE", TEXTOID);
static KeptPlan read_product = KEPT_PLAN("SELECT product FROM nurture.model WHERE model = $1", TEXTOID);
static KeptPlan retire = KEPT_PLAN("UPDATE nurture.model_version SET status = 'retired', retired_at = $2 "
								   "WHERE model = $1 AND status = 'published'", TEXTOID, TIMESTAMPTZOID);
static KeptPlan publish = KEPT_PLAN("UPDATE nurture.model_version v SET status = 'published', published_at = $3, approver = $4, reason = $5, "
									"content_hash = (SELECT encode(sha256(convert_to(coalesce(string_agg(line, E'\\n' ORDER BY line COLLATE \"C\"), ''), 'UTF8')), 'hex') FROM ("
									"SELECT 'rule_group ' || to_jsonb(r)::text AS line FROM nurture.rule_group r WHERE r.model = $1 AND r.version = $2 "
									"UNION ALL SELECT 'fit_rule ' || to_jsonb(r)::text FROM nurture.fit_rule r WHERE r.model = $1 AND r.version = $2 "
									"UNION ALL SELECT 'signal_rule ' || to_jsonb(r)::text FROM nurture.signal_rule r WHERE r.model = $1 AND r.version = $2 "
									"UNION ALL SELECT 'pattern ' || to_jsonb(r)::text FROM nurture.pattern r WHERE r.model = $1 AND r.version = $2 "
									"UNION ALL SELECT 'model_limit ' || to_jsonb(r)::text FROM nurture.model_limit r WHERE r.model = $1 AND r.version = $2 "
									"UNION ALL SELECT 'band ' || to_jsonb(r)::text FROM nurture.band r WHERE r.model = $1 AND r.version = $2 "
									"UNION ALL SELECT 'tier_rule ' || to_jsonb(r)::text FROM nurture.tier_rule r WHERE r.model = $1 AND r.version = $2) AS content) "
									"WHERE v.model = $1 AND v.version = $2 RETURNING v.content_hash",
									TEXTOID, INT4OID, TIMESTAMPTZOID, TEXTOID, TEXTOID);

/* Copies the rules of one version into another. */
static void
copy_rules(const char *model, int from, int to)
{
	for (int i = 0; i < lengthof(rule_tables); i++)
	{
		Oid			types[3] = {TEXTOID, INT4OID, INT4OID};
		Datum		values[3];
		char	   *sql;
		char	   *columns;
		Datum		table = CStringGetTextDatum(rule_tables[i]);
		Oid			text_type = TEXTOID;

		/*
		 * columns by the catalogue, so that none is forgotten when one is
		 * added
		 */
		if (SPI_execute_with_args("SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute "
								  "WHERE attrelid = ('nurture.' || $1)::regclass AND attnum > 0 AND NOT attisdropped "
								  "AND attname NOT IN ('model', 'version')",
								  1, &text_type, &table, NULL, true, 0) != SPI_OK_SELECT)
			elog(ERROR, "could not read the columns of \"%s\"", rule_tables[i]);
		columns = nurture_cell_text(0, 1);
		sql = psprintf("INSERT INTO nurture.%s (model, version, %s) SELECT model, $3, %s FROM nurture.%s WHERE model = $1 AND version = $2",
					   rule_tables[i], columns, columns, rule_tables[i]);
		values[0] = CStringGetTextDatum(model);
		values[1] = Int32GetDatum(from);
		values[2] = Int32GetDatum(to);
		if (SPI_execute_with_args(sql, 3, types, values, NULL, false, 0) != SPI_OK_INSERT)
			elog(ERROR, "could not copy \"%s\"", rule_tables[i]);
	}
}

/*
 * Makes a draft, with the rules of from_version unless that is 0.  Runs with
 * the caller's rights: who may not insert rules may not draft.
 */
int
nurture_model_draft(const char *model, int from_version)
{
	int			level = nurture_spi_connect();
	Datum		values[3];
	bool		isnull;
	int			version;

	nurture_require_model(model);
	values[0] = CStringGetTextDatum(model);
	if (from_version > 0)
	{
		values[1] = Int32GetDatum(from_version);
		nurture_execute(&find_version, values, NULL, false);
		if (SPI_processed == 0)
			ereport(ERROR,
					(errcode(NURTURE_ERRCODE_UNKNOWN_CODE),
					 errmsg("model \"%.64s\" has no version %d", model, from_version),
					 errhint("Versions are rows of nurture.model_version.")));
	}
	values[1] = CStringGetTextDatum(nurture_actor(NULL));
	values[2] = Int32GetDatum(from_version);
	nurture_execute(&next_version, values, NULL, false);
	version = DatumGetInt32(nurture_cell(0, 1, &isnull));
	if (from_version > 0)
		copy_rules(model, from_version, version);
	nurture_spi_finish(level);
	return version;
}

/* The errors of a check, for a refusal. */
typedef struct Refusal
{
	int			errors;
	char	   *first;
	StringInfoData all;
	MemoryContext context;		/* where first lives */
} Refusal;

static void
collect_error(void *arg, const char *text, const char *severity, const char *path)
{
	Refusal    *refusal = arg;
	char	   *line;

	if (strcmp(severity, "error") != 0)
		return;
	line = path ? psprintf("%s at %s", text, path) : pstrdup(text);
	if (refusal->errors++ == 0)
		refusal->first = MemoryContextStrdup(refusal->context, line);
	appendStringInfo(&refusal->all, "%s%s", refusal->errors > 1 ? "; " : "", line);
}

/* Refuses a version in which the check finds errors. */
static void
require_sound(const char *model, int version)
{
	Refusal		refusal = {0};

	refusal.context = CurrentMemoryContext;
	initStringInfo(&refusal.all);
	nurture_model_check(model, version, collect_error, &refusal);
	if (refusal.errors == 0)
		return;
	ereport(ERROR,
			(errcode(NURTURE_ERRCODE_MODEL_CHECK),
			 errmsg("version %d of model \"%s\" cannot be published: %s",
					version, model, refusal.first),
			 refusal.errors > 1 ? errdetail("There are %d errors: %s.", refusal.errors, refusal.all.data) : 0,
			 errhint("See nurture_check_model('%s', %d).", model, version)));
}

/*
 * Asks to confirm when too many open leads would change grade against the
 * version that is replaced, and says in words how many do; NULL when there is
 * nothing to compare with.  A first version may take leads over from another
 * model; that is said, and not asked: it is what it was made for.  All leads
 * count, also those that the caller may not see.
 */
static char *
require_confirmed(const char *model, int version, bool replaces, bool confirm)
{
	WhatIfMatrix matrix;
	Datum		value = CStringGetTextDatum(model);
	OwnerSwitch save;
	char	   *product;
	char	   *moves;

	nurture_owner_enter(&save);
	nurture_execute(&read_product, &value, NULL, true);
	product = nurture_cell_text(0, 1);
	nurture_what_if_count(model, version, 0,
						  psprintf("AND NOT EXISTS (SELECT FROM nurture.lead_stage s "
								   "WHERE s.lead_id = l.lead_id AND s.product = %s AND s.stage IN ('converted', 'disqualified'))",
								   quote_literal_cstr(product)),
						  &matrix);
	nurture_owner_leave(&save);
	if (!replaces && matrix.compared == 0)
		return NULL;
	moves = nurture_what_if_moves(&matrix, TOLD_MOVES);
	if (replaces && !confirm && matrix.moved * 100 > matrix.leads * UNCONFIRMED_PERCENT)
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_CONFIRM),
				 errmsg("version %d of model \"%s\" would change the grade of " INT64_FORMAT " of " INT64_FORMAT " open leads",
						version, model, matrix.moved, matrix.leads),
				 errdetail("%s.", moves),
				 errhint("See nurture_what_if_matrix('%s', %d); when this is meant, publish with confirm => true.",
						 model, version)));
	return psprintf(INT64_FORMAT " of " INT64_FORMAT " open leads change grade%s%s%s",
					matrix.moved, matrix.leads, matrix.moved > 0 ? " (" : "", moves,
					matrix.moved > 0 ? ")" : "");
}

/*
 * Publishes a draft and retires the version before it.  Returns what changed
 * in words.  The draft is compiled first; rules that cannot be are an error.
 */
char	   *
nurture_model_publish(const char *model, int version, const char *reason,
					  const char *actor, bool confirm)
{
	MemoryContext context = CurrentMemoryContext;
	int			level = nurture_spi_connect();
	Datum		value;
	char	   *status = NULL;
	char	   *author = NULL;
	char	   *author_login = NULL;
	char	   *before = NULL;
	const char *who = nurture_actor(actor);
	char	   *moves;
	char	   *result;

	nurture_require_model(model);
	value = CStringGetTextDatum(model);
	nurture_execute_latest(&lock_versions, &value, NULL, true);
	/* who held the rows may have published */
	AcceptInvalidationMessages();
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		char	   *number = nurture_cell_text(i, 1);
		char	   *its_status = nurture_cell_text(i, 2);

		if (strcmp(its_status, "published") == 0)
			before = number;
		if (pg_strtoint32(number) != version)
			continue;
		status = its_status;
		author = nurture_cell_text(i, 3);
		author_login = nurture_cell_text(i, 4);
	}
	if (status == NULL)
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_UNKNOWN_CODE),
				 errmsg("model \"%.64s\" has no version %d", model, version),
				 errhint("Make one with nurture_draft('model', '%.64s').", model)));
	if (strcmp(status, "draft") != 0)
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_BAD_STATE),
				 errmsg("version %d of model \"%s\" is %s already", version, model, status),
				 errhint("Only drafts can be published.")));
	nurture_require_approved("model", model, version, author, author_login, who);
	require_sound(model, version);
	moves = require_confirmed(model, version, before != NULL, confirm);
	nurture_version_publish(&retire, &publish, "model", model, version, reason,
							who, actor, moves);

	result = psprintf("model %s: version %d published", model, version);
	if (before)
		result = psprintf("%s, version %s retired", result, before);
	if (moves)
		result = psprintf("%s; %s", result, moves);
	result = MemoryContextStrdup(context, result);
	nurture_spi_finish(level);
	return result;
}
