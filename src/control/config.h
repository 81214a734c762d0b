/*
 * config.h
 *	  Private to the control room: the tables of the configuration, and the
 *	  document they make.
 *
 * The document is
 *
 *		{"format": "nurture.config", "format_version": 1,
 *		 "settings": {table: [row, ...], ...},
 *		 "versioned": {kind: {code: {"version": row, table: [row, ...]}}}}
 *
 * settings holds every table whose rows are in force as they stand; versioned
 * what is in force of the rules that are kept in versions, without their
 * numbers and their lives, which belong to one database.  A row is an object
 * of its columns; a column that is NULL is left out.
 */
#ifndef NURTURE_CONFIG_H
#define NURTURE_CONFIG_H

#include "base/compat.h"
#include "integration/versions.h"
#include "nodes/pg_list.h"
#include "utils/jsonb.h"

#define CONFIG_FORMAT "nurture.config"
#define CONFIG_FORMAT_VERSION 1

typedef struct ConfigColumn
{
	char	   *name;
	Oid			type;
	int			typmod;
	char	   *type_name;		/* as format_type says */
	bool		required;		/* NOT NULL */
	int			key;			/* place in the primary key, from 1; 0: none */
	bool		exported;
	char	   *comment;
	char	   *values;			/* JSON array of the values a CHECK allows, or
								 * NULL */
	char	   *pattern;		/* regular expression of a CHECK, or NULL */
} ConfigColumn;

typedef struct ConfigTable
{
	char	   *name;			/* in schema nurture */
	char	   *comment;
	int			ncolumns;
	ConfigColumn *columns;
	const VersionedKind *kind;	/* NULL: its rows are settings */
	bool		left_out;		/* in no document */
	bool		parent;			/* of a kind: rows are never taken away */
} ConfigTable;

/* Kinds of versions in the document: those of nurture_publish, and assets. */
extern const VersionedKind *nurture_config_kinds(int *n);
extern const VersionedKind *nurture_config_kind(const char *name);
extern const char *nurture_config_in_force(const VersionedKind *kind);

/* The configuration tables by name, in the current context; as the catalogue has them. */
extern List *nurture_config_tables(void);
extern ConfigTable *nurture_config_table_named(List *tables, const char *name);

/* Lets values become texts that no setting of the session changes. */
extern int	nurture_config_style(void);

/* SQL texts: the object of a row of alias t; ORDER BY of its key. */
extern char *nurture_config_row(const ConfigTable *table);
extern char *nurture_config_order(const ConfigTable *table);

/*
 * SQL of the object of the version that alias v is a row of.
 */
extern char *nurture_config_version(List *tables, const VersionedKind *kind);

/* The document; with the rights in force. */
extern Jsonb *nurture_config_document(List *tables);

/*
 * What one version says, as in the document; NULL when there is none.  As it
 * is now, at any isolation level: what is signed and published is that, not
 * what the transaction saw when it began.
 */
extern Jsonb *nurture_config_version_content(List *tables, const VersionedKind *kind,
											 const char *code, int version);

/* The JSON Schema of the document. */
extern Jsonb *nurture_config_schema_of(List *tables);

/* Raises unless a document is as a schema says. */
extern void nurture_schema_require(Jsonb *document, Jsonb *schema);

/*
 * Writes the settings of a document in place of those that are in force: rows
 * are added, changed and removed.  Raises with the path of what cannot be.
 * With the rights in force, connected to SPI.
 */
extern void nurture_config_apply(List *tables, Jsonb *settings);

/* Raises an error that was caught, with the place in the document it is about. */
extern void nurture_config_fail(const char *path, const ErrorData *error) pg_attribute_noreturn();

/* Tells errors about the document from those about the server. */
extern bool nurture_config_error(int sqlstate);

/*
 * What differs between two documents, as a JSON array of {"table", "key",
 * "change", "old", "new"}; only tables of settings are compared.
 */
extern Jsonb *nurture_config_difference(List *tables, Jsonb *before, Jsonb *after,
										Jsonb *settings);

/* Words for errors. */
extern char *nurture_pointer_escape(const char *name);

#endif							/* NURTURE_CONFIG_H */
