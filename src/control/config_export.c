/*
 * config_export.c
 *	  nurture_export_config: the configuration as one document.
 */
#include "base/compat.h"

#include "access/xact.h"
#include "base/plans.h"
#include "catalog/pg_type.h"
#include "control/config.h"
#include "control/control.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/snapmgr.h"

NURTURE_FUNCTION(nurture_export_config);

/* Appends the SQL of the rows of a table as an array. */
static void
add_rows(StringInfo buf, const ConfigTable *table, const char *where)
{
	appendStringInfo(buf, "(SELECT coalesce(jsonb_agg(%s ORDER BY %s), '[]') FROM nurture.%s t%s)",
					 nurture_config_row(table), nurture_config_order(table),
					 quote_identifier(table->name), where);
}

char	   *
nurture_config_version(List *tables, const VersionedKind *kind)
{
	const char *code = quote_identifier(kind->code);
	ConfigTable *versions = nurture_config_table_named(tables, kind->versions);
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfo(&buf, "jsonb_build_object('version', (SELECT %s FROM nurture.%s t WHERE t.%s = v.%s AND t.version = v.version)",
					 nurture_config_row(versions), quote_identifier(kind->versions), code, code);
	for (int i = 0; i < MAX_RULE_FAMILIES && kind->families[i].table; i++)
	{
		const char *family = kind->families[i].table;

		if (strcmp(family, kind->versions) == 0)
			continue;
		appendStringInfo(&buf, ", %s, ", quote_literal_cstr(family));
		add_rows(&buf, nurture_config_table_named(tables, family),
				 psprintf(" WHERE t.%s = v.%s AND t.version = v.version", code, code));
	}
	appendStringInfoChar(&buf, ')');
	return buf.data;
}

/* Returns the one document of a result, NULL when there is none. */
static Jsonb *
one_document(int result)
{
	Datum		document;
	bool		isnull;

	if (result != SPI_OK_SELECT)
		elog(ERROR, "could not read the configuration");
	if (SPI_processed == 0)
		return NULL;
	document = nurture_cell(0, 1, &isnull);
	return isnull ? NULL : DatumGetJsonbPCopy(document);
}

Jsonb	   *
nurture_config_document(List *tables)
{
	const VersionedKind *kinds;
	const char *separator = "";
	StringInfoData sql;
	ListCell   *cell;
	Jsonb	   *document;
	int			style;
	int			n;

	initStringInfo(&sql);
	appendStringInfo(&sql, "SELECT jsonb_build_object('format', '%s', 'format_version', %d, 'settings', (SELECT jsonb_object_agg(s.name, s.rows) FROM (",
					 CONFIG_FORMAT, CONFIG_FORMAT_VERSION);
	foreach(cell, tables)
	{
		ConfigTable *table = lfirst(cell);

		if (table->kind != NULL || table->left_out)
			continue;
		appendStringInfo(&sql, "%sSELECT %s AS name, ", separator, quote_literal_cstr(table->name));
		add_rows(&sql, table, "");
		appendStringInfoString(&sql, " AS rows");
		separator = " UNION ALL ";
	}
	appendStringInfoString(&sql, ") s), 'versioned', jsonb_build_object(");
	kinds = nurture_config_kinds(&n);
	for (int i = 0; i < n; i++)
		appendStringInfo(&sql, "%s%s, (SELECT coalesce(jsonb_object_agg(v.%s, %s), '{}') FROM nurture.%s v WHERE v.status = '%s')",
						 i > 0 ? ", " : "", quote_literal_cstr(kinds[i].kind), quote_identifier(kinds[i].code),
						 nurture_config_version(tables, &kinds[i]), quote_identifier(kinds[i].versions),
						 nurture_config_in_force(&kinds[i]));
	appendStringInfoString(&sql, "))");
	style = nurture_config_style();
	/* one statement, so that all of it is of one moment */
	document = one_document(SPI_execute(sql.data, false, 0));
	AtEOXact_GUC(true, style);
	return document;
}

Jsonb	   *
nurture_config_version_content(List *tables, const VersionedKind *kind,
							   const char *code, int version)
{
	Oid			types[2] = {TEXTOID, INT4OID};
	Datum		values[2] = {CStringGetTextDatum(code), Int32GetDatum(version)};
	int			style = nurture_config_style();
	SPIPlanPtr	plan;
	Jsonb	   *content;

	plan = SPI_prepare(psprintf("SELECT %s FROM nurture.%s v WHERE v.%s = $1 AND v.version = $2",
								nurture_config_version(tables, kind), quote_identifier(kind->versions),
								quote_identifier(kind->code)),
					   2, types);
	if (plan == NULL)
		elog(ERROR, "could not prepare to read nurture.%s", kind->versions);
	CommandCounterIncrement();
	content = one_document(SPI_execute_snapshot(plan, values, NULL, GetLatestSnapshot(), InvalidSnapshot, true, false, 0));
	SPI_freeplan(plan);
	AtEOXact_GUC(true, style);
	return content;
}

/*
 * nurture_export_config() returns jsonb
 *
 * The whole configuration that is in force, with the caller's rights.
 */
Datum
nurture_export_config(PG_FUNCTION_ARGS)
{
	MemoryContext context = CurrentMemoryContext;
	int			level = nurture_spi_connect();
	Jsonb	   *document = nurture_config_document(nurture_config_tables());
	Jsonb	   *result;

	/* what canonical text would round is said now, not found out later */
	(void) nurture_jsonb_canonical(document, true);
	result = MemoryContextAlloc(context, VARSIZE(document));
	memcpy(result, document, VARSIZE(document));
	nurture_spi_finish(level);
	PG_RETURN_JSONB_P(result);
}
