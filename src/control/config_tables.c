/*
 * config_tables.c
 *	  The tables of the configuration as the catalogue has them.
 *
 * A table is configuration when it keeps a change log, so that a new one, or
 * a new column, is part of the document without another list to keep.
 */
#include "base/compat.h"

#include "base/errors.h"
#include "base/plans.h"
#include "control/config.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/guc.h"

/* Columns of versions that tell their life in one database, not what they say. */
static const char *const life[] = {
	"version", "status", "author", "author_login", "approver", "published_at", "retired_at", "content_hash",
	"approved_by", "approved_at", "created_at", "status_reason"
};

/*
 * No part of the document is what names persons, or roles of one database:
 * who works in which team and when they are away, who may do what, and who
 * answers for the processing.
 */
static const char *const left_out[] = {"access", "access_owner", "controller", "team_member"};

static const VersionedKind assets = {
	"asset", "asset_version", "asset_id", NULL, NULL,
	{
		{"asset_tag", {"dimension", "value"}}, {"asset_block", {"slot"}},
	}
};

/* Before assets, which name them. */
static const VersionedKind claims = {
	"claim", "claim", "claim", NULL, NULL, {{NULL}}
};

/*
 * One row per column, with what a CHECK of that column alone says of it: the
 * values it may have, or the pattern of its text.
 */
static KeptPlan read_columns =
KEPT_PLAN0("SELECT c.relname::text, obj_description(c.oid, 'pg_class'), a.attname::text, a.atttypid, a.atttypmod,"
		   " format_type(a.atttypid, NULL), a.attnotnull, coalesce(array_position(i.indkey::int2[], a.attnum) + 1, 0),"
		   " a.attidentity = '' AND a.attgenerated = '', col_description(c.oid, a.attnum),"
		   " (SELECT jsonb_agg(m[1])::text FROM pg_constraint k,"
		   "   regexp_matches(substring(pg_get_constraintdef(k.oid) FROM '^CHECK \\(\\(\\w+ = ANY \\(ARRAY\\[(.*)\\]\\)\\)\\)$'), '''([^'']*)''::text', 'g') m"
		   "   WHERE k.conrelid = c.oid AND k.contype = 'c' AND k.conkey = ARRAY[a.attnum]),"
		   " (SELECT min(substring(pg_get_constraintdef(k.oid) FROM '^CHECK \\(\\(\\w+ ~ ''(.*)''::text\\)\\)$')) FROM pg_constraint k"
		   "   WHERE k.conrelid = c.oid AND k.contype = 'c' AND k.conkey = ARRAY[a.attnum])"
		   " FROM pg_class c JOIN pg_trigger t ON t.tgrelid = c.oid AND t.tgname = 'nurture_change_log'"
		   " JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped"
		   " LEFT JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary"
		   " WHERE c.relnamespace = 'nurture'::regnamespace"
		   " ORDER BY c.relname COLLATE \"C\", a.attnum");

static bool
is_one_of(const char *word, const char *const *list, int n)
{
	for (int i = 0; i < n; i++)
	{
		if (strcmp(word, list[i]) == 0)
			return true;
	}
	return false;
}

const VersionedKind *
nurture_config_kinds(int *n)
{
	static VersionedKind all[8];
	static int	count = 0;

	if (count == 0)
	{
		int			known;
		const VersionedKind *kinds = nurture_versioned_kinds(&known);

		Assert(known + 1 < lengthof(all));
		memcpy(all, kinds, sizeof(VersionedKind) * known);
		all[known] = claims;
		all[known + 1] = assets;
		count = known + 2;
	}
	*n = count;
	return all;
}

const VersionedKind *
nurture_config_kind(const char *name)
{
	int			n;
	const VersionedKind *kinds = nurture_config_kinds(&n);

	for (int i = 0; i < n; i++)
	{
		if (strcmp(kinds[i].kind, name) == 0)
			return &kinds[i];
	}
	return nurture_versioned_kind(name);
}

/* Answers the status of a version that is in force. */
const char *
nurture_config_in_force(const VersionedKind *kind)
{
	return strcmp(kind->kind, "asset") == 0 || strcmp(kind->kind, "claim") == 0 ? "approved" : "published";
}

/* Finds out what a table is of. */
static void
place_table(ConfigTable *table)
{
	int			n;
	const VersionedKind *kinds = nurture_config_kinds(&n);

	table->left_out = is_one_of(table->name, left_out, lengthof(left_out));
	for (int i = 0; i < n; i++)
	{
		/* its parent, if there is one, has the name of the kind */
		if (strcmp(table->name, kinds[i].kind) == 0 && strcmp(table->name, kinds[i].versions) != 0)
			table->parent = true;
		if (strcmp(table->name, kinds[i].versions) == 0)
			table->kind = &kinds[i];
		for (int k = 0; k < MAX_RULE_FAMILIES && kinds[i].families[k].table; k++)
		{
			if (strcmp(table->name, kinds[i].families[k].table) == 0)
				table->kind = &kinds[i];
		}
	}
}

/* Tells whether a column is part of the document. */
static bool
is_exported(const ConfigTable *table, const char *column)
{
	const VersionedKind *kind = table->kind;

	if (kind == NULL)
		return true;
	if (strcmp(column, kind->code) == 0 || strcmp(column, "version") == 0)
		return false;
	if (strcmp(table->name, kind->versions) != 0)
		return true;
	/* publishing writes its reason there */
	if (strcmp(column, "reason") == 0)
		return strcmp(nurture_config_in_force(kind), "approved") == 0;
	return !is_one_of(column, life, lengthof(life));
}

List	   *
nurture_config_tables(void)
{
	List	   *tables = NIL;
	ConfigTable *table = NULL;
	uint64		n;

	(void) nurture_execute(&read_columns, NULL, NULL, true);
	n = SPI_processed;
	for (uint64 i = 0; i < n; i++)
	{
		char	   *name = nurture_cell_text(i, 1);
		ConfigColumn *column;
		bool		isnull;

		if (table == NULL || strcmp(table->name, name) != 0)
		{
			table = palloc0(sizeof(ConfigTable));
			table->name = name;
			table->comment = nurture_cell_text(i, 2);
			table->columns = palloc0(sizeof(ConfigColumn) * n);
			place_table(table);
			tables = lappend(tables, table);
		}
		column = &table->columns[table->ncolumns++];
		column->name = nurture_cell_text(i, 3);
		column->type = DatumGetObjectId(nurture_cell(i, 4, &isnull));
		column->typmod = DatumGetInt32(nurture_cell(i, 5, &isnull));
		column->type_name = nurture_cell_text(i, 6);
		column->required = DatumGetBool(nurture_cell(i, 7, &isnull));
		column->key = DatumGetInt32(nurture_cell(i, 8, &isnull));
		column->exported = DatumGetBool(nurture_cell(i, 9, &isnull)) && is_exported(table, column->name);
		column->comment = nurture_cell_text(i, 10);
		column->values = nurture_cell_text(i, 11);
		column->pattern = nurture_cell_text(i, 12);
	}
	return tables;
}

ConfigTable *
nurture_config_table_named(List *tables, const char *name)
{
	ListCell   *cell;

	foreach(cell, tables)
	{
		ConfigTable *table = lfirst(cell);

		if (strcmp(table->name, name) == 0)
			return table;
	}
	return NULL;
}

/*
 * Lets values become texts that no setting of the session changes; returns
 * the nest level to hand to AtEOXact_GUC.
 */
int
nurture_config_style(void)
{
	static const char *const settings[][2] = {
		{"DateStyle", "ISO, YMD"}, {"IntervalStyle", "iso_8601"}, {"TimeZone", "UTC"}, {"bytea_output", "hex"},

		/*
		 * the query of the document is long, not slow: compiling it takes ten
		 * times as long
		 */
		{"jit", "off"}
	};
	int			level = NewGUCNestLevel();

	for (int i = 0; i < lengthof(settings); i++)
		(void) set_config_option(settings[i][0], settings[i][1], PGC_USERSET, PGC_S_SESSION,
								 GUC_ACTION_SAVE, true, 0, false);
	return level;
}

/* Answers the SQL of the object of a row of alias t. */
char	   *
nurture_config_row(const ConfigTable *table)
{
	StringInfoData buf;
	const char *separator = "";

	initStringInfo(&buf);
	appendStringInfoString(&buf, "(SELECT coalesce(jsonb_object_agg(e.k, e.v), '{}') FROM jsonb_each(to_jsonb(t)) AS e (k, v) "
						   "WHERE e.v <> 'null' AND e.k = ANY (ARRAY[");
	for (int i = 0; i < table->ncolumns; i++)
	{
		if (!table->columns[i].exported)
			continue;
		appendStringInfo(&buf, "%s%s", separator, quote_literal_cstr(table->columns[i].name));
		separator = ", ";
	}
	appendStringInfoString(&buf, "]::text[]))");
	return buf.data;
}

/* Answers the SQL by which rows of alias t are ordered: their key. */
char	   *
nurture_config_order(const ConfigTable *table)
{
	StringInfoData buf;

	initStringInfo(&buf);
	for (int key = 1;; key++)
	{
		const ConfigColumn *column = NULL;

		for (int i = 0; i < table->ncolumns; i++)
		{
			if (table->columns[i].key == key)
				column = &table->columns[i];
		}
		if (column == NULL)
			break;
		appendStringInfo(&buf, "%st.%s%s", key > 1 ? ", " : "", quote_identifier(column->name),
						 strcmp(column->type_name, "text") == 0 ? " COLLATE \"C\"" : "");
	}
	return buf.len > 0 ? buf.data : "1";
}
