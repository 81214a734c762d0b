/*
 * question.h
 *	  What the files of the next question share: missing facts and the answers
 *	  that may be given to them.
 */
#ifndef NURTURE_QUESTION_H
#define NURTURE_QUESTION_H

#include "facts/attribute.h"
#include "scoring/model_private.h"

/* A value that a missing fact may have. */
typedef struct Answer
{
	const char *shown;			/* text of a scalar, JSON of a list */
	const char *json;			/* the same as JSON */
} Answer;

typedef struct Missing
{
	int			id;				/* as in conditions; of a column SubjectColumn */
	char	   *name;
	const char *key;			/* of attributes, NULL = a column */
	const Attribute *registered;	/* NULL = not in the registry */
	Answer	   *answers;
	int			n;
	int			room;
	bool		listed;			/* some rule compares it as a list */
	int64	   *numbers;		/* that rules name, in millionths */
	int			nnumbers;
	int32	   *days;			/* that rules name */
	int			ndays;
} Missing;

/* What is being asked about. */
typedef struct Asking
{
	Subject    *subject;
	CondSource	source;
	const char *model;			/* as given, NULL = the default */
	const CompiledModel *now_model;
	ScoreSummary now;
	Missing    *missing;
	int			n;
	int			room;
	Missing    *at;				/* whose values are gathered */
} Asking;

/* Gathers the facts that rules miss and every kind of answer to them. */
extern void nurture_question_gather(Asking *asking);

/* The text as a JSON string. */
extern char *nurture_question_json(const char *text);

#endif							/* NURTURE_QUESTION_H */
