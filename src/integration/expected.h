/*
 * expected.h
 *	  What nurture_install makes, read from the statements it runs: what
 *	  nurture_selfcheck holds the catalogs against.
 */
#ifndef NURTURE_EXPECTED_H
#define NURTURE_EXPECTED_H

#include "base/compat.h"
#include "nodes/parsenodes.h"
#include "nodes/pg_list.h"

typedef struct ExpectedTrigger
{
	const char *table;			/* of schema nurture */
	const char *name;
	const char *function;		/* without schema */
	int16		type;			/* as pg_trigger.tgtype */
	bool		conditional;	/* WHEN (...) */
	int			nargs;
	const char *old_table;		/* transition tables, NULL = none */
	const char *new_table;
	char		enabled;		/* as pg_trigger.tgenabled */
	const char *statement;		/* makes it */
	bool		seen;			/* for the caller's use */
} ExpectedTrigger;

typedef struct ExpectedColumn
{
	const char *name;
	TypeName   *type;
	Node	   *default_value;	/* as parsed, NULL when there is none */
	bool		not_null;
	char		generated;		/* as pg_attribute.attgenerated */
	char		identity;		/* as pg_attribute.attidentity */
} ExpectedColumn;

typedef struct ExpectedTable
{
	const char *name;			/* of schema nurture */
	List	   *columns;		/* of ExpectedColumn */
	List	   *conditions;		/* of its checks, as parsed */
	int			checks;			/* constraints of each kind */
	int			keys;			/* primary and unique */
} ExpectedTable;

typedef struct ExpectedSchema
{
	List	   *tables;			/* of ExpectedTable */
	List	   *triggers;		/* of ExpectedTrigger */
	List	   *indexes;		/* names */
	List	   *views;			/* names, of schema nurture_bi */
	List	   *view_queries;	/* of RawStmt, as many */
} ExpectedSchema;

extern ExpectedSchema *nurture_expected_schema(void);

/* install.c */
extern char *nurture_config_table_ddl(const char *table);
extern char *nurture_versioned_table_ddl(const char *table);
extern void nurture_preset_check(const char *preset);
extern char *nurture_with_schema(const char *sql, const char *schema);

#endif							/* NURTURE_EXPECTED_H */
