/*
 * config_import.c
 *	  nurture_import_config: a document becomes drafts and a proposal, and
 *	  nothing that is in force changes.
 *
 * The document is first tried: written as a whole in a subtransaction that is
 * rolled back.  So every constraint and trigger has its say, and the diff is
 * between two states of the database, not between two ways to write a value.
 */
#include "base/compat.h"

#include "access/xact.h"
#include "audit/audit.h"
#include "base/author.h"
#include "base/clock.h"
#include "base/errors.h"
#include "base/owner.h"
#include "base/plans.h"
#include "base/settings.h"
#include "base/try.h"
#include "catalog/pg_type.h"
#include "content/content.h"
#include "control/config.h"
#include "control/control.h"
#include "control/proposal.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

NURTURE_FUNCTION(nurture_import_config);

#define IMPORT_COLUMNS 7

/* A version that the document has. */
typedef struct Object
{
	const VersionedKind *kind;
	char	   *code;
	Jsonb	   *content;
	Jsonb	   *stored;			/* the same, as the database keeps it */
	Jsonb	   *in_force;		/* NULL: nothing is */
} Object;

typedef struct Import
{
	List	   *tables;
	Jsonb	   *before;			/* the configuration in force */
	Jsonb	   *settings;		/* those of the document */
	List	   *objects;
	Jsonb	   *after;			/* as it would be, settings only */
	const char *author;
	const char *path;			/* what is being written, for errors */
} Import;

static Jsonb *
member_of(Jsonb *object, const char *name)
{
	JsonbValue *value = object ? getKeyJsonValueFromContainer(&object->root, name, strlen(name), NULL) : NULL;

	return value ? JsonbValueToJsonb(value) : NULL;
}

static bool
same(Jsonb *a, Jsonb *b)
{
	return a && b && compareJsonbContainers(&a->root, &b->root) == 0;
}

static Jsonb *
empty_object(void)
{
	return DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum("{}")));
}

/* Inserts a row of a version; with version 0 the version itself, as a draft. */
static int
insert_part(Import *import, const VersionedKind *kind, const char *table_name,
			const char *code, int version, Jsonb *row)
{
	ConfigTable *table = nurture_config_table_named(import->tables, table_name);
	Oid			types[4] = {TEXTOID, INT4OID, JSONBOID, TEXTOID};
	Datum		values[4] = {CStringGetTextDatum(code), Int32GetDatum(version), JsonbPGetDatum(row),
	CStringGetTextDatum(import->author)};
	const char *code_column = quote_identifier(kind->code);
	StringInfoData columns;
	StringInfoData selected;
	bool		isnull;

	initStringInfo(&columns);
	initStringInfo(&selected);
	for (int i = 0; i < table->ncolumns; i++)
	{
		if (!table->columns[i].exported)
			continue;
		appendStringInfo(&columns, ", %s", quote_identifier(table->columns[i].name));
		appendStringInfo(&selected, ", d.%s", quote_identifier(table->columns[i].name));
	}
	if (SPI_execute_with_args(version > 0 ?
							  psprintf("INSERT INTO nurture.%s (%s, version%s) SELECT $1, $2%s FROM jsonb_populate_record(NULL::nurture.%s, $3) d WHERE $4 IS NOT NULL RETURNING version",
									   table->name, code_column, columns.data, selected.data, table->name) :
							  psprintf("INSERT INTO nurture.%s (%s, version, author%s) SELECT $1, (SELECT coalesce(max(v.version), $2) + 1 FROM nurture.%s v WHERE v.%s = $1), $4%s "
									   "FROM jsonb_populate_record(NULL::nurture.%s, $3) d RETURNING version",
									   table->name, code_column, columns.data, table->name, code_column, selected.data, table->name),
							  4, types, values, NULL, false, 0) != SPI_OK_INSERT_RETURNING)
		elog(ERROR, "could not write nurture.%s", table->name);
	return DatumGetInt32(nurture_cell(0, 1, &isnull));
}

/* Makes a draft of an object; returns its number. */
static int
make_draft(Import *import, const Object *object)
{
	const VersionedKind *kind = object->kind;
	char	   *place = psprintf("/versioned/%s/%s", kind->kind, nurture_pointer_escape(object->code));
	int			style = nurture_config_style();
	int			version;

	import->path = psprintf("%s/version", place);
	version = insert_part(import, kind, kind->versions, object->code, 0, member_of(object->content, "version"));
	for (int i = 0; i < MAX_RULE_FAMILIES && kind->families[i].table; i++)
	{
		const char *family = kind->families[i].table;
		Jsonb	   *rows = strcmp(family, kind->versions) == 0 ? NULL : member_of(object->content, family);

		for (uint32 k = 0; rows && k < JB_ROOT_COUNT(rows); k++)
		{
			import->path = psprintf("%s/%s/%u", place, family, k);
			(void) insert_part(import, kind, family, object->code, version,
							   JsonbValueToJsonb(getIthJsonbValueFromContainer(&rows->root, k)));
		}
	}
	AtEOXact_GUC(true, style);
	return version;
}

/* Writes the whole document: work of a subtransaction that is rolled back. */
static void
try_document(void *arg)
{
	Import	   *import = arg;
	ListCell   *cell;

	import->path = NULL;
	nurture_config_apply(import->tables, import->settings);
	foreach(cell, import->objects)
	{
		Object	   *object = lfirst(cell);

		CommandCounterIncrement();
		object->stored = nurture_config_version_content(import->tables, object->kind, object->code,
														make_draft(import, object));
	}
	import->path = NULL;
	CommandCounterIncrement();
	import->after = nurture_config_document(import->tables);
	(void) nurture_jsonb_canonical(import->after, true);
}

/* Reads the versions that a document has. */
static List *
read_objects(Jsonb *document, Jsonb *before)
{
	const VersionedKind *kinds;
	List	   *objects = NIL;
	Jsonb	   *versioned = member_of(document, "versioned");
	int			n;

	kinds = nurture_config_kinds(&n);
	for (int i = 0; i < n; i++)
	{
		Jsonb	   *codes = versioned ? member_of(versioned, kinds[i].kind) : NULL;
		Jsonb	   *in_force = member_of(member_of(before, "versioned"), kinds[i].kind);
		JsonbIterator *it;
		JsonbValue	value;
		JsonbIteratorToken token;
		char	   *code = NULL;

		if (codes == NULL)
			continue;
		it = JsonbIteratorInit(&codes->root);
		while ((token = JsonbIteratorNext(&it, &value, true)) != WJB_DONE)
		{
			Object	   *object;

			if (token == WJB_KEY)
				code = pnstrdup(value.val.string.val, value.val.string.len);
			if (token != WJB_VALUE)
				continue;
			object = palloc0(sizeof(Object));
			object->kind = &kinds[i];
			object->code = code;
			object->content = JsonbValueToJsonb(&value);
			object->in_force = member_of(in_force, code);

			/*
			 * what is in force as it is written needs no draft, not even to
			 * try
			 */
			if (!same(object->content, object->in_force))
				objects = lappend(objects, object);
		}
	}
	return objects;
}

/* Finds a draft that says the same already; 0 when there is none. */
static int
find_draft(Import *import, const Object *object)
{
	Oid			type = TEXTOID;
	Datum		code = CStringGetTextDatum(object->code);
	int			n;
	int		   *versions;

	if (SPI_execute_with_args(psprintf("SELECT version FROM nurture.%s WHERE %s = $1 AND status IN ('draft', 'in_review') ORDER BY version",
									   object->kind->versions, quote_identifier(object->kind->code)),
							  1, &type, &code, NULL, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read nurture.%s", object->kind->versions);
	n = SPI_processed;
	versions = palloc(sizeof(int) * Max(n, 1));
	for (int i = 0; i < n; i++)
	{
		bool		isnull;

		versions[i] = DatumGetInt32(nurture_cell(i, 1, &isnull));
	}
	for (int i = 0; i < n; i++)
	{
		if (same(nurture_config_version_content(import->tables, object->kind, object->code, versions[i]), object->stored))
			return versions[i];
	}
	return 0;
}

static void
put_row(ReturnSetInfo *result, const char *kind, const char *object, const char *change,
		int version, Jsonb *before, Jsonb *after, int64 proposal)
{
	Datum		values[IMPORT_COLUMNS];
	bool		nulls[IMPORT_COLUMNS] = {false, false, false, version == 0, before == NULL, after == NULL, proposal == 0};

	values[0] = CStringGetTextDatum(kind);
	values[1] = CStringGetTextDatum(object);
	values[2] = CStringGetTextDatum(change);
	values[3] = Int32GetDatum(version);
	values[4] = JsonbPGetDatum(before);
	values[5] = JsonbPGetDatum(after);
	values[6] = Int64GetDatum(proposal);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/* An object to make a draft of, and the number it got. */
typedef struct DraftWork
{
	Import	   *import;
	const Object *object;
	int			version;
} DraftWork;

static void
draft_work(void *arg)
{
	DraftWork  *work = arg;

	work->version = make_draft(work->import, work->object);
}

static void
record_draft(const Object *object, int version, const char *reason)
{
	AuditEntry	entry = {0};

	entry.kind = "import";
	entry.object = psprintf("%s:%s:%d", object->kind->kind, object->code, version);
	entry.outcome = "draft";
	entry.reason = reason;
	nurture_audit_append(&entry, 1);
}

/*
 * Makes a draft of what differs from what is in force.  One that needs
 * settings which are proposed only waits for them.
 */
static void
import_object(Import *import, Object *object, int64 proposal, const char *reason, ReturnSetInfo *result)
{
	const char *change = object->in_force ? "changed" : "added";
	DraftWork	work = {import, object, 0};
	ErrorData  *error;
	int			known;

	if (same(object->stored, object->in_force))
		return;
	known = find_draft(import, object);
	if (known > 0)
	{
		put_row(result, object->kind->kind, object->code, "drafted before", known, object->in_force, object->stored, 0);
		return;
	}
	error = nurture_try(draft_work, &work, nurture_config_error);
	if (error && (proposal == 0 || error->sqlerrcode == ERRCODE_INSUFFICIENT_PRIVILEGE))
		nurture_config_fail(import->path, error);
	if (error)
	{
		put_row(result, object->kind->kind, object->code, "waits", 0, object->in_force, object->stored, proposal);
		return;
	}
	record_draft(object, work.version, reason);
	put_row(result, object->kind->kind, object->code, change, work.version, object->in_force, object->stored, 0);
}

/* Tells of what is in force and not in the document: that stays. */
static void
put_kept(Jsonb *document, Jsonb *before, ReturnSetInfo *result)
{
	static KeptPlan find_kept =
	KEPT_PLAN("SELECT k.key, c.key, c.value FROM jsonb_each($2 -> 'versioned') k, jsonb_each(k.value) c"
			  " WHERE $1 -> 'versioned' -> k.key IS NOT NULL AND NOT ($1 -> 'versioned' -> k.key ? c.key)"
			  " ORDER BY k.key COLLATE \"C\", c.key COLLATE \"C\"", JSONBOID, JSONBOID);
	Datum		values[2] = {JsonbPGetDatum(document), JsonbPGetDatum(before)};

	(void) nurture_execute(&find_kept, values, NULL, true);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		bool		isnull;

		put_row(result, nurture_cell_text(i, 1), nurture_cell_text(i, 2), "kept", 0,
				DatumGetJsonbPCopy(nurture_cell(i, 3, &isnull)), NULL, 0);
	}
}

/* Proposes the settings that differ; 0 when none does. */
static int64
propose(Import *import, const char *reason, ReturnSetInfo *result)
{
	Jsonb	   *difference = nurture_config_difference(import->tables, import->before, import->after, import->settings);
	int64		proposal;

	if (JB_ROOT_COUNT(difference) == 0)
		return 0;
	proposal = nurture_proposal_add(import->settings, difference, import->author, reason);
	for (uint32 i = 0; i < JB_ROOT_COUNT(difference); i++)
	{
		Jsonb	   *row = JsonbValueToJsonb(getIthJsonbValueFromContainer(&difference->root, i));
		static const char *const names[] = {"table", "key", "change"};
		char	   *texts[3];

		for (int k = 0; k < 3; k++)
		{
			JsonbValue *value = getKeyJsonValueFromContainer(&row->root, names[k], strlen(names[k]), NULL);

			texts[k] = value ? pnstrdup(value->val.string.val, value->val.string.len) : "";
		}
		put_row(result, "setting", psprintf("%s:%s", texts[0], texts[1]), texts[2], 0,
				member_of(row, "old"), member_of(row, "new"), proposal);
	}
	return proposal;
}

/* Raises unless the caller may propose. */
static void
require_right(void)
{
	if (pg_class_aclcheck(nurture_table_oid("config_proposal", false),
						  nurture_caller_role(), ACL_INSERT) != ACLCHECK_OK)
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_TABLE, "config_proposal");
}

/*
 * nurture_import_config(document jsonb, reason text, actor text) returns setof
 * (kind, object, change, version, old, new, proposal)
 *
 * What a document would change: drafts that were made, and settings that are
 * proposed.
 */
Datum
nurture_import_config(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Import		import = {0};
	Jsonb	   *document;
	char	   *reason;
	OwnerSwitch owner;
	ErrorData  *error;
	ListCell   *cell;
	int64		proposal;
	int			gucs;
	int			level;

	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("the document must not be null")));
	document = PG_GETARG_JSONB_P(0);
	reason = PG_ARGISNULL(1) ? (nurture_change_reason && nurture_change_reason[0] ? pstrdup(nurture_change_reason) : "import") :
		text_to_cstring(PG_GETARG_TEXT_PP(1));
	require_right();
	InitMaterializedSRF(fcinfo, 0);
	gucs = NewGUCNestLevel();
	(void) set_config_option("nurture.change_reason", reason, PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
	if (!PG_ARGISNULL(2))
		(void) set_config_option("nurture.app_user", text_to_cstring(PG_GETARG_TEXT_PP(2)), PGC_USERSET, PGC_S_SESSION,
								 GUC_ACTION_SAVE, true, 0, false);
	level = nurture_spi_connect();
	import.author = nurture_actor(NULL);
	import.tables = nurture_config_tables();
	nurture_schema_require(document, nurture_config_schema_of(import.tables));
	(void) nurture_jsonb_canonical(document, true);
	import.settings = member_of(document, "settings");
	if (import.settings == NULL)
		import.settings = empty_object();

	/* what may be proposed need not be allowed to be written */
	nurture_owner_enter(&owner);
	import.before = nurture_config_document(import.tables);
	import.objects = read_objects(document, import.before);
	error = nurture_try_undone(try_document, &import, nurture_config_error);
	if (error && import.path)
		nurture_config_fail(import.path, error);
	if (error)
		ReThrowError(error);
	proposal = propose(&import, reason, result);
	put_kept(document, import.before, result);
	nurture_owner_leave(&owner);
	foreach(cell, import.objects)
		import_object(&import, lfirst(cell), proposal, reason, result);
	nurture_spi_finish(level);
	AtEOXact_GUC(true, gucs);
	return (Datum) 0;
}
