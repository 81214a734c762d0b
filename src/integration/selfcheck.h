/*
 * selfcheck.h
 *	  Private to nurture_selfcheck: where its findings go.
 */
#ifndef NURTURE_SELFCHECK_H
#define NURTURE_SELFCHECK_H

#include "base/compat.h"
#include "funcapi.h"
#include "integration/expected.h"

typedef struct SelfcheckSink
{
	ReturnSetInfo *result;
	bool		repair;			/* run what repairs */
	int			repaired;
	int			errors;			/* findings of that severity that stay */
} SelfcheckSink;

/*
 * A query that returns a row for each finding: its detail and the statement
 * that repairs it, or NULL.
 */
typedef struct Selfcheck
{
	const char *finding;
	const char *severity;
	const char *query;
} Selfcheck;

/* selfcheck_catalog.c: ends with finding NULL */
extern const Selfcheck nurture_selfcheck_catalog[];

/*
 * Puts a finding; statement repairs it, NULL when nothing we may do does.
 * Connected to SPI as the owner.
 */
extern void nurture_selfcheck_put(SelfcheckSink *sink, const char *finding,
								  const char *severity, const char *detail,
								  const char *statement);

/* selfcheck_schema.c: holds the catalogs against what install makes */
extern void nurture_selfcheck_schema(SelfcheckSink *sink);

/* selfcheck_expression.c: defaults, checks and views */
extern void nurture_selfcheck_expressions(SelfcheckSink *sink,
										  const ExpectedSchema *schema);

#endif							/* NURTURE_SELFCHECK_H */
