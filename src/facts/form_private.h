/*
 * form_private.h
 *	  What the files about forms share: the answers of a statement, on their
 *	  way into facts.
 */
#ifndef NURTURE_FORM_PRIVATE_H
#define NURTURE_FORM_PRIVATE_H

#include "facts/fact_map.h"
#include "lib/stringinfo.h"

/* A lead of the statement as it is under its lock. */
typedef struct FormLead
{
	int64		lead_id;
	int64		merged_into;	/* 0 = not merged */
	bool		erased;
	TimestampTz created_at;
	Jsonb	   *attributes;
	char	   *columns[FACT_LEAD_COLUMNS]; /* NULL = unknown */

	/* what is to be written */
	Jsonb	   *facts[FACT_LEAD_COLUMNS];	/* NULL = as it is */
	JsonbParseState *more;		/* attributes; NULL = none */
	bool		changed;
	bool		of_gate;		/* its gate row comes first */
	TimestampTz said_at;		/* latest of what is new */
	const SubjectEvent *event;	/* that said it */
	StringInfoData why;
	const char *why_type;		/* event type named last in it */
} FormLead;

typedef struct FormAnswer
{
	FormLead   *lead;
	const FactRule *rule;
	const SubjectEvent *event;
	FactAnswer	answer;
} FormAnswer;

/* The answers of a statement about one fact of one lead. */
typedef struct FormFact
{
	int			first;			/* among the answers */
	int			n;
	Jsonb	   *present;		/* NULL = unknown */
	bool		disputed;		/* an answer differs from the present value */
	bool		taken;			/* an answer is the new value */
	TimestampTz said_at;
	int64		event_id;		/* of an answer that says what now holds; 0 =
								 * none */
	int64		ignored_event_id;	/* the last one that changed nothing; 0 =
									 * none */
	const char *ignored_because;
} FormFact;

/* Growing columns of a query's arrays. */
typedef struct FormColumn
{
	Oid			type;
	int			n;
	int			room;
	Datum	   *values;
	bool	   *nulls;
} FormColumn;

typedef struct FormRun
{
	int			nleads;
	FormLead   *leads;			/* ascending */
	int			nanswers;
	int			room;
	FormAnswer *answers;
	int			nfacts;
	FormFact   *facts;
	FormColumn	reviews[4];
	int			nfor_gate;
	FactForGate *for_gate;
} FormRun;

/* form_write.c */
extern void nurture_form_put(FormColumn *column, Oid type, Datum value, bool isnull);
extern void nurture_form_put_text(FormColumn *column, const char *text);
extern Datum nurture_form_array(FormColumn *column, Oid type);
extern void nurture_form_review(FormRun *run, const FormAnswer *answer, const char *bucket,
								Jsonb *present, const char *problem);
extern void nurture_form_write(FormRun *run);

/* form.c */
extern FormLead *nurture_form_lead(FormLead *leads, int n, int64 lead_id);

#endif							/* NURTURE_FORM_PRIVATE_H */
