/*
 * config_apply.c
 *	  The settings of a document put in place of those in force.
 *
 * Rows are written one by one, each in a subtransaction: one that needs
 * another (a tag its parent, a condition its signal) waits for the next pass,
 * and what is left when a pass gets nowhere is what is wrong.
 */
#include "base/compat.h"

#include "base/plans.h"
#include "base/try.h"
#include "catalog/pg_type.h"
#include "control/config.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/guc.h"

/* One row to write. */
typedef struct RowChange
{
	ConfigTable *table;
	Datum		row;			/* jsonb */
	int			index;			/* in the document; -1: it is removed */
	bool		done;
} RowChange;

bool
nurture_config_error(int sqlstate)
{
	switch (ERRCODE_TO_CATEGORY(sqlstate))
	{
		case ERRCODE_OPERATOR_INTERVENTION:
		case ERRCODE_INSUFFICIENT_RESOURCES:
		case ERRCODE_TRANSACTION_ROLLBACK:
		case ERRCODE_SYSTEM_ERROR:
		case ERRCODE_INTERNAL_ERROR:
			return false;
		default:
			return true;
	}
}

void
nurture_config_fail(const char *path, const ErrorData *error)
{
	ereport(ERROR,
			(errcode(error->sqlerrcode),
			 errmsg("the configuration cannot become what the document says at %s: %s", path, error->message),
			 error->detail ? errdetail("%s", error->detail) : 0,
			 error->hint ? errhint("%s", error->hint) :
			 errhint("Correct the document there and import it again.")));
	pg_unreachable();
}

/* Appends "a.k = b.k AND ..." over the key of a table. */
static void
add_key_match(StringInfo buf, const ConfigTable *table)
{
	const char *separator = "";

	for (int i = 0; i < table->ncolumns; i++)
	{
		if (table->columns[i].key == 0)
			continue;
		appendStringInfo(buf, "%st.%s = d.%s", separator, quote_identifier(table->columns[i].name),
						 quote_identifier(table->columns[i].name));
		separator = " AND ";
	}
}

/* Appends the exported columns; keys too or not, each with a text before it. */
static void
add_columns(StringInfo buf, const ConfigTable *table, bool keys, const char *before)
{
	const char *separator = "";

	for (int i = 0; i < table->ncolumns; i++)
	{
		if (!table->columns[i].exported || (table->columns[i].key > 0 && !keys))
			continue;
		appendStringInfo(buf, "%s%s%s", separator, before, quote_identifier(table->columns[i].name));
		separator = ", ";
	}
}

static void
execute_row(const char *sql, Datum row)
{
	Oid			type = JSONBOID;

	if (SPI_execute_with_args(sql, 1, &type, &row, NULL, false, 0) < 0)
		elog(ERROR, "could not execute \"%s\"", sql);
}

/* Writes one row: work of a subtransaction. */
static void
write_row(void *arg)
{
	RowChange  *change = arg;
	ConfigTable *table = change->table;
	const char *name = quote_identifier(table->name);
	StringInfoData sql;

	initStringInfo(&sql);
	if (change->index < 0)
	{
		appendStringInfo(&sql, "DELETE FROM nurture.%s t USING jsonb_populate_record(NULL::nurture.%s, $1) d WHERE ", name, name);
		add_key_match(&sql, table);
		execute_row(sql.data, change->row);
		return;
	}
	/* not ON CONFLICT: that uses up a number of every identity column */
	appendStringInfo(&sql, "UPDATE nurture.%s t SET (", name);
	add_columns(&sql, table, false, "");
	appendStringInfoString(&sql, ") = ROW (");
	add_columns(&sql, table, false, "d.");
	appendStringInfo(&sql, ") FROM jsonb_populate_record(NULL::nurture.%s, $1) d WHERE ", name);
	add_key_match(&sql, table);
	execute_row(sql.data, change->row);
	if (SPI_processed > 0)
		return;
	resetStringInfo(&sql);
	appendStringInfo(&sql, "INSERT INTO nurture.%s (", name);
	add_columns(&sql, table, true, "");
	appendStringInfoString(&sql, ") SELECT ");
	add_columns(&sql, table, true, "d.");
	appendStringInfo(&sql, " FROM jsonb_populate_record(NULL::nurture.%s, $1) d", name);
	execute_row(sql.data, change->row);
}

/* What is read of one table of the document. */
typedef struct TableRead
{
	ConfigTable *table;
	Datum		rows;			/* jsonb array */
	List	  **changes;
} TableRead;

static void
add_change(TableRead *read, uint64 row, int index)
{
	RowChange  *change = palloc0(sizeof(RowChange));
	bool		isnull;

	change->table = read->table;
	change->row = JsonbPGetDatum(DatumGetJsonbPCopy(nurture_cell(row, 1, &isnull)));
	change->index = index;
	*read->changes = lappend(*read->changes, change);
}

/* Finds the rows of a table that are to be written: work that may fail. */
static void
read_table(void *arg)
{
	TableRead  *read = arg;
	ConfigTable *table = read->table;
	const char *name = quote_identifier(table->name);
	char	   *row = nurture_config_row(table);
	StringInfoData sql;
	uint64		n;

	initStringInfo(&sql);
	appendStringInfo(&sql, "SELECT max(d.nurture_row_no)::int4 FROM (SELECT r.*, e.nurture_row_no FROM jsonb_array_elements($1) WITH ORDINALITY e (value, nurture_row_no), "
					 "jsonb_populate_record(NULL::nurture.%s, e.value) r) d GROUP BY ", name);
	for (int i = 0, keys = 0; i < table->ncolumns; i++)
	{
		if (table->columns[i].key > 0)
			appendStringInfo(&sql, "%sd.%s", keys++ > 0 ? ", " : "", quote_identifier(table->columns[i].name));
	}
	appendStringInfoString(&sql, " HAVING count(*) > 1 ORDER BY 1 LIMIT 1");
	execute_row(sql.data, read->rows);
	if (SPI_processed > 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNIQUE_VIOLATION),
				 errmsg("row %d has the key of another row", pg_strtoint32(nurture_cell_text(0, 1)) - 1),
				 errhint("Rows are counted from 0. Leave one of the two out.")));

	resetStringInfo(&sql);
	appendStringInfo(&sql, "SELECT e.value, (e.n - 1)::int4 FROM jsonb_array_elements($1) WITH ORDINALITY e (value, n) "
					 "WHERE e.value NOT IN (SELECT %s FROM nurture.%s t) ORDER BY e.n", row, name);
	execute_row(sql.data, read->rows);
	n = SPI_processed;
	for (uint64 i = 0; i < n; i++)
		add_change(read, i, pg_strtoint32(nurture_cell_text(i, 2)));
	if (table->parent)
		return;					/* versions of old refer to it */
	resetStringInfo(&sql);
	appendStringInfo(&sql, "SELECT %s FROM nurture.%s t WHERE NOT EXISTS (SELECT FROM jsonb_populate_recordset(NULL::nurture.%s, $1) d WHERE ", row, name, name);
	add_key_match(&sql, table);
	appendStringInfo(&sql, ") ORDER BY %s", nurture_config_order(table));
	execute_row(sql.data, read->rows);
	n = SPI_processed;
	for (uint64 i = 0; i < n; i++)
		add_change(read, i, -1);
}

static Jsonb *
member_of(Jsonb *object, const char *name)
{
	JsonbValue *value = getKeyJsonValueFromContainer(&object->root, name, strlen(name), NULL);

	return value ? JsonbValueToJsonb(value) : NULL;
}

/* One row to be read as one of its table. */
static void
cast_row(void *arg)
{
	TableRead  *read = arg;

	execute_row(psprintf("SELECT jsonb_populate_record(NULL::nurture.%s, $1)", quote_identifier(read->table->name)),
				read->rows);
}

/* Raises an error of reading a table, with the first row that cannot be one of it. */
static void
fail_read(TableRead *read, Jsonb *rows, ErrorData *error)
{
	for (uint32 i = 0; i < JB_ROOT_COUNT(rows); i++)
	{
		ErrorData  *its_error;

		read->rows = JsonbPGetDatum(JsonbValueToJsonb(getIthJsonbValueFromContainer(&rows->root, i)));
		its_error = nurture_try(cast_row, read, nurture_config_error);
		if (its_error)
			nurture_config_fail(psprintf("/settings/%s/%u", read->table->name, i), its_error);
	}
	nurture_config_fail(psprintf("/settings/%s", read->table->name), error);
}

void
nurture_config_apply(List *tables, Jsonb *settings)
{
	List	   *changes = NIL;
	ListCell   *cell;
	int			style = nurture_config_style();
	bool		moved = true;
	int			left;

	foreach(cell, tables)
	{
		ConfigTable *table = lfirst(cell);
		Jsonb	   *rows = member_of(settings, table->name);
		TableRead	read = {table, (Datum) 0, &changes};
		ErrorData  *error;

		if (rows == NULL || table->kind || table->left_out)
			continue;
		read.rows = JsonbPGetDatum(rows);
		error = nurture_try(read_table, &read, nurture_config_error);
		if (error)
			fail_read(&read, rows, error);
	}
	left = list_length(changes);
	while (left > 0)
	{
		RowChange  *failed = NULL;
		ErrorData  *error = NULL;

		if (!moved)
			elog(ERROR, "rows of the configuration were left over");
		moved = false;
		foreach(cell, changes)
		{
			RowChange  *change = lfirst(cell);
			ErrorData  *its_error;

			CHECK_FOR_INTERRUPTS();
			if (change->done)
				continue;
			its_error = nurture_try(write_row, change, nurture_config_error);
			if (its_error == NULL)
			{
				change->done = moved = true;
				left--;
			}
			else if (failed == NULL)
			{
				failed = change;
				error = its_error;
			}
		}
		if (!moved && failed)
			nurture_config_fail(failed->index >= 0 ?
								psprintf("/settings/%s/%d", failed->table->name, failed->index) :
								psprintf("/settings/%s, where the row %s is left out", failed->table->name,
										 JsonbToCString(NULL, &DatumGetJsonbP(failed->row)->root, 0)),
								error);
	}
	AtEOXact_GUC(true, style);
}

/* Answers {"table": ["key column", ...]} of the settings. */
static Datum
keys_of(List *tables)
{
	StringInfoData buf;
	const char *separator = "";
	ListCell   *cell;

	initStringInfo(&buf);
	appendStringInfoChar(&buf, '{');
	foreach(cell, tables)
	{
		ConfigTable *table = lfirst(cell);

		if (table->kind || table->left_out)
			continue;
		appendStringInfo(&buf, "%s\"%s\": [", separator, table->name);
		for (int key = 1, found = 1; found; key++)
		{
			found = 0;
			for (int i = 0; i < table->ncolumns; i++)
			{
				if (table->columns[i].key != key)
					continue;
				appendStringInfo(&buf, "%s\"%s\"", key > 1 ? ", " : "", table->columns[i].name);
				found = 1;
			}
		}
		appendStringInfoChar(&buf, ']');
		separator = ", ";
	}
	appendStringInfoChar(&buf, '}');
	return DirectFunctionCall1(jsonb_in, CStringGetDatum(buf.data));
}

Jsonb	   *
nurture_config_difference(List *tables, Jsonb *before, Jsonb *after, Jsonb *settings)
{
	static KeptPlan compare =
	KEPT_PLAN("WITH rows AS (SELECT d.side, s.key AS tab, r.value AS row,"
			  " (SELECT string_agg(r.value ->> k.c, '/' ORDER BY k.n) FROM jsonb_array_elements_text($4 -> s.key) WITH ORDINALITY k (c, n)) AS key"
			  " FROM (VALUES (1, $1), (2, $2)) d (side, document), jsonb_each(d.document -> 'settings') s, jsonb_array_elements(s.value) r"
			  " WHERE $3 ? s.key)"
			  " SELECT coalesce(jsonb_agg(jsonb_strip_nulls(jsonb_build_object('table', coalesce(o.tab, n.tab), 'key', coalesce(o.key, n.key),"
			  " 'change', CASE WHEN o.key IS NULL THEN 'added' WHEN n.key IS NULL THEN 'removed' ELSE 'changed' END))"
			  " || CASE WHEN o.key IS NULL THEN '{}' ELSE jsonb_build_object('old', o.row) END"
			  " || CASE WHEN n.key IS NULL THEN '{}' ELSE jsonb_build_object('new', n.row) END"
			  " ORDER BY coalesce(o.tab, n.tab) COLLATE \"C\", coalesce(o.key, n.key) COLLATE \"C\"), '[]')"
			  " FROM (SELECT * FROM rows WHERE side = 1) o FULL JOIN (SELECT * FROM rows WHERE side = 2) n"
			  " ON o.tab = n.tab AND o.key = n.key WHERE o.row IS DISTINCT FROM n.row",
			  JSONBOID, JSONBOID, JSONBOID, JSONBOID);
	Datum		values[4] = {JsonbPGetDatum(before), JsonbPGetDatum(after), JsonbPGetDatum(settings), keys_of(tables)};
	bool		isnull;

	(void) nurture_execute(&compare, values, NULL, true);
	return DatumGetJsonbPCopy(nurture_cell(0, 1, &isnull));
}
