/*
 * definition.c
 *	  nurture_definition: the live configuration as the document that those
 *	  who answer for it sign.
 *
 * Nothing in it depends on when or by whom it is made: the same configuration
 * is the same text, and the hash at its end is what a signature on paper
 * refers to.
 */
#include "base/compat.h"

#include "base/errors.h"
#include "base/owner.h"
#include "base/plans.h"
#include "catalog/pg_type.h"
#include "common/cryptohash.h"
#include "common/sha2.h"
#include "control/control.h"
#include "control/definition.h"
#include "facts/vocabulary.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/guc.h"

NURTURE_FUNCTION(nurture_definition);

/* Appends a text as the cell of a table. */
static void
put_cell(StringInfo out, const char *text)
{
	for (const char *p = text; p && *p; p++)
	{
		switch (*p)
		{
			case '|':
			case '\\':
			case '`':
			case '*':
				appendStringInfo(out, "\\%c", *p);
				break;
			case '<':
				appendStringInfoString(out, "&lt;");
				break;
			case '\n':
			case '\r':
			case '\t':
				appendStringInfoChar(out, ' ');
				break;
			default:
				appendStringInfoChar(out, *p);
		}
	}
}

/* Writes a condition as a sentence; one that is not understood any more as it stands. */
static char *
sentence(const char *json)
{
	if (nurture_condition_fault(json) != NULL)
		return psprintf("not understood: %s", json);
	return nurture_condition_text(nurture_condition_compile(json, "a condition"));
}

/* Tells whether a heading says that its column holds conditions. */
static bool
is_condition(const char *heading)
{
	size_t		length = strlen(heading);

	return length > 2 && strcmp(heading + length - 2, " *") == 0;
}

/* Writes one table. */
static void
put_table(StringInfo out, const DefinitionPart *part, Datum audience, char null)
{
	Oid			type = TEXTOID;
	uint64		rows;
	int			columns;
	char	  **headings;
	char	  **cells;

	if (SPI_execute_with_args(part->query, 1, &type, &audience, &null, false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read \"%s\"", part->query);
	rows = SPI_processed;
	columns = SPI_tuptable->tupdesc->natts;
	if (rows == 0)
	{
		appendStringInfoString(out, "None.\n\n");
		return;
	}
	headings = palloc(sizeof(char *) * columns);
	cells = palloc(sizeof(char *) * columns * rows);
	for (int c = 0; c < columns; c++)
		headings[c] = SPI_fname(SPI_tuptable->tupdesc, c + 1);
	for (uint64 r = 0; r < rows; r++)
	{
		for (int c = 0; c < columns; c++)
			cells[r * columns + c] = nurture_cell_text(r, c + 1);
	}
	appendStringInfoChar(out, '|');
	for (int c = 0; c < columns; c++)
		appendStringInfo(out, " %.*s |", (int) strlen(headings[c]) - (is_condition(headings[c]) ? 2 : 0), headings[c]);
	appendStringInfoString(out, "\n|");
	for (int c = 0; c < columns; c++)
		appendStringInfoString(out, " --- |");
	appendStringInfoChar(out, '\n');
	for (uint64 r = 0; r < rows; r++)
	{
		CHECK_FOR_INTERRUPTS();
		appendStringInfoChar(out, '|');
		for (int c = 0; c < columns; c++)
		{
			char	   *cell = cells[r * columns + c];

			appendStringInfoChar(out, ' ');
			put_cell(out, cell && is_condition(headings[c]) ? sentence(cell) : cell);
			appendStringInfoString(out, cell && *cell ? " |" : "|");
		}
		appendStringInfoChar(out, '\n');
	}
	appendStringInfoChar(out, '\n');
}

/* Appends the SHA-256 of what is written so far, in words. */
static void
put_hash(StringInfo out)
{
	pg_cryptohash_ctx *sha = pg_cryptohash_create(PG_SHA256);
	unsigned char digest[PG_SHA256_DIGEST_LENGTH];
	char	   *utf8 = pg_server_to_any(out->data, out->len, PG_UTF8);

	if (pg_cryptohash_init(sha) < 0 ||
		pg_cryptohash_update(sha, (const uint8 *) utf8, utf8 == out->data ? out->len : strlen(utf8)) < 0 ||
		pg_cryptohash_final(sha, digest, sizeof(digest)) < 0)
		elog(ERROR, "could not compute SHA-256");
	pg_cryptohash_free(sha);
	appendStringInfoString(out, "SHA-256 of the text above this line: ");
	for (int i = 0; i < PG_SHA256_DIGEST_LENGTH; i++)
		appendStringInfo(out, "%02x", digest[i]);
	appendStringInfoChar(out, '\n');
}

static void
require_audience(Datum audience)
{
	static KeptPlan find_audience =
	KEPT_PLAN("SELECT 1 FROM nurture.audience_type WHERE audience_type = $1", TEXTOID);

	(void) nurture_execute(&find_audience, &audience, NULL, true);
	if (SPI_processed == 0)
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_UNKNOWN_CODE),
				 errmsg("unknown audience type \"%.64s\"", TextDatumGetCString(audience)),
				 errhint("Audience types are rows of nurture.audience_type.")));
}

/*
 * nurture_definition(audience_type text) returns text
 *
 * The live configuration as Markdown, with the caller's rights.
 */
Datum
nurture_definition(PG_FUNCTION_ARGS)
{
	static const char *const roles[] = {"Marketing", "Sales", "Medical", "QA"};
	static const char *const settings[][2] = {
		{"DateStyle", "ISO, YMD"}, {"IntervalStyle", "postgres"}, {"TimeZone", "UTC"}
	};
	Datum		audience = PG_ARGISNULL(0) ? (Datum) 0 : PG_GETARG_DATUM(0);
	char		null = PG_ARGISNULL(0) ? 'n' : ' ';
	MemoryContext context = CurrentMemoryContext;
	StringInfoData out;
	text	   *result;
	int			section = 0;
	int			gucs;
	int			level;

	(void) nurture_schema_oid(false);
	initStringInfo(&out);
	gucs = NewGUCNestLevel();
	for (int i = 0; i < lengthof(settings); i++)
		(void) set_config_option(settings[i][0], settings[i][1], PGC_USERSET, PGC_S_SESSION,
								 GUC_ACTION_SAVE, true, 0, false);
	level = nurture_spi_connect();
	if (null == ' ')
		require_audience(audience);
	appendStringInfoString(&out, "# Definition of lead nurturing\n\n");
	if (null == ' ')
		appendStringInfo(&out, "What is in force for the audience %s. ", TextDatumGetCString(audience));
	appendStringInfoString(&out, "Made from the live configuration by nurture_definition; times are UTC.\n\n");
	for (const DefinitionPart *part = nurture_definition_parts; part->query; part++)
	{
		if (part->section)
			appendStringInfo(&out, "## %d. %s\n\n", ++section, part->section);
		if (part->words)
			appendStringInfo(&out, "%s\n\n", part->words);
		put_table(&out, part, audience, null);
	}
	put_hash(&out);
	appendStringInfo(&out, "\n## %d. Signed\n\n| for | name | date | meaning | signature |\n| --- | --- | --- | --- | --- |\n", ++section);
	for (int i = 0; i < lengthof(roles); i++)
		appendStringInfo(&out, "| %s | | | | |\n", roles[i]);
	MemoryContextSwitchTo(context);
	result = cstring_to_text_with_len(out.data, out.len);
	nurture_spi_finish(level);
	AtEOXact_GUC(true, gucs);
	PG_RETURN_TEXT_P(result);
}
