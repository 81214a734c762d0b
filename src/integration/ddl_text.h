/*
 * ddl_text.h
 *	  The SQL parts that nurture_install runs, embedded at build time.
 */
#ifndef NURTURE_DDL_TEXT_H
#define NURTURE_DDL_TEXT_H

typedef struct NurtureDdlPart
{
	const char *name;			/* path below sql/, such as "10_facts.tables.sql" or
								 * "seed/pharma.sql" */
	const char *text;			/* its statements; @extschema@ stands for the
								 * extension's schema */
} NurtureDdlPart;

/* ends with a part whose name is NULL */
extern const NurtureDdlPart nurture_ddl_parts[];

#endif							/* NURTURE_DDL_TEXT_H */
