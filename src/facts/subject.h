/*
 * subject.h
 *	  A lead as conditions and models see it: facts, activity, standing and
 *	  the event at hand, read by one query that starts from nurture.lead.
 */
#ifndef NURTURE_SUBJECT_H
#define NURTURE_SUBJECT_H

#include "base/compat.h"
#include "base/hold.h"
#include "core/condition.h"
#include "core/tally.h"
#include "datatype/timestamp.h"
#include "utils/array.h"
#include "utils/jsonb.h"

/* merges are followed at most so far; cycles are refused when merging */
#define SUBJECT_MAX_MERGE_CHAIN 64

/* Facts in the order of subject_columns in subject.c. */
typedef enum SubjectColumn
{
	SUBJECT_AUDIENCE_TYPE,
	SUBJECT_AUDIENCE_VERIFIED_AT,
	SUBJECT_ROLE,
	SUBJECT_SPECIALTY,
	SUBJECT_THERAPEUTIC_AREA,
	SUBJECT_COUNTRY,
	SUBJECT_REGION,
	SUBJECT_POSTAL_CODE,
	SUBJECT_ORGANIZATION_TYPE,
	SUBJECT_SOURCE,
	SUBJECT_CAMPAIGN,
	SUBJECT_LANGUAGE,
	SUBJECT_TIME_ZONE,
	SUBJECT_OWNER,
	SUBJECT_IS_TEST,
	SUBJECT_CREATED_AT,
	SUBJECT_UPDATED_AT,
	SUBJECT_EMAIL_KNOWN,
	SUBJECT_PHONE_KNOWN,
	SUBJECT_ACCOUNT_ID,
	SUBJECT_ATTRIBUTES,
	SUBJECT_ACCOUNT_NAME,
	SUBJECT_ACCOUNT_ORGANIZATION_TYPE,
	SUBJECT_ACCOUNT_COUNTRY,
	SUBJECT_ACCOUNT_REGION,
	SUBJECT_ACCOUNT_DOMAIN,
	SUBJECT_ACCOUNT_OWNER,
	SUBJECT_ACCOUNT_ACTIVITY_SCORE,
	SUBJECT_ACCOUNT_SPIKE,
	SUBJECT_ACCOUNT_ACTIVE_LEADS,
	SUBJECT_ACCOUNT_AS_OF,
	SUBJECT_ACCOUNT_ATTRIBUTES,
	SUBJECT_COLUMNS				/* how many */
} SubjectColumn;

/* The event that a reaction is about. */
typedef struct SubjectEvent
{
	int64		lead_id;		/* whom it concerns: the survivor when the
								 * lead it came for was merged */
	int64		came_for;		/* the lead it is stored under */
	int64		event_id;
	const char *event_type;
	TimestampTz occurred_at;
	TimestampTz recorded_at;
	ArrayType  *tags;			/* text[], NULL = none */
	Jsonb	   *properties;		/* NULL = none */
	const char *asset_id;		/* NULL = none */
	int32		version;		/* 0 = none */
	const char *channel;		/* NULL = unknown */
	const char *campaign;		/* NULL = none */
	int64		message_id;		/* 0 = none */
	bool		history;		/* too old, or marked so, to start anything */
	int			nsignals;
	const int16 *signals;		/* signal ids it matched */
} SubjectEvent;

/* A label a subject has, or a list it is on. */
typedef struct SubjectMark
{
	bool		is_list;
	const char *name;
} SubjectMark;

typedef struct Subject
{
	int64		lead_id;		/* the survivor when the asked one was merged */
	bool		of_account;		/* an account scored like a lead: it has no
								 * standing, consent or hand-off */
	bool		fresh;			/* reads what this transaction wrote as well */
	bool		past;			/* standing, consent and hand-offs are read as
								 * of now, which is another time (past.h) */
	TimestampTz known_at;		/* of the past: what was recorded by then */
	TimestampTz now;			/* what conditions call now */
	int32		today;			/* its UTC day */
	const char *product;		/* standing is asked for this; "*" by default */
	Datum		values[SUBJECT_COLUMNS];
	bool		nulls[SUBJECT_COLUMNS];
	TimestampTz erased_at;		/* DT_NOBEGIN = not erased */
	Tally		signals;
	Tally		topics;
	TimestampTz last_event_at;	/* DT_NOBEGIN = never */
	const SubjectEvent *event;	/* NULL = none at hand */

	/* filled on first use */
	bool		standing_read;
	const char *stage;			/* "new" when the lead has no row */
	const char *grade;			/* NULL = none */
	int			tier;
	bool		marks_read;
	SubjectMark *marks;
	int			nmarks;
	MemoryContext context;		/* where lazily read things go */
	Hold	   *hold;			/* of what they are read from, NULL = none */
} Subject;

/*
 * Reads a lead as of the given time; NULL when there is none, or the caller
 * may not see it.  as_owner reads with the owner's rights, for decisions of
 * the system itself; else with the caller's, so that row and column rights
 * decide.  The result lives in the current memory context.  Connects to SPI
 * by itself.
 */
extern Subject *nurture_subject_load(int64 lead_id, TimestampTz now,
									 bool as_owner);

/* What a query's calls of a function that reads leads have in common. */
typedef struct SubjectReader
{
	Hold	   *hold;			/* NULL = none, when it is not in FROM */
	Oid			role;			/* whose rights were looked at last */
	bool		sees_all;		/* what was found */
} SubjectReader;

/* The same with the caller's rights, for functions that read lead after lead. */
extern Subject *nurture_subject_load_by(SubjectReader *reader, int64 lead_id,
										TimestampTz now);

/*
 * For scoring, which reads many leads by queries of its own: the columns to
 * select, in the order of SubjectColumn, and a subject over their values.
 * The mask has a bit per SubjectColumn; columns outside it are selected as
 * nothing and must not be asked for.
 */
#define SUBJECT_ALL_COLUMNS ((UINT64CONST(1) << SUBJECT_COLUMNS) - 1)

extern const char *nurture_subject_expression(SubjectColumn column);
extern const char *nurture_subject_column(SubjectColumn column, Oid *type,
										  bool *of_account);
extern uint64 nurture_subject_mask(const Condition *condition);
extern char *nurture_subject_query(uint64 mask, const char *where);
extern void nurture_subject_begin(Subject *subject, TimestampTz now,
								  MemoryContext context);
extern void nurture_subject_fill(Subject *subject, const Datum *values,
								 const bool *nulls, uint64 mask);
extern Tally nurture_tally_datum(Datum tally);

/* Set by the scoring room: points of a dimension in hundredths. */
extern bool (*nurture_subject_points) (Subject *subject, int dimension,
									   int64 *points);

/* A column fact as text, NULL when unknown. */
extern char *nurture_subject_text(const Subject *subject, SubjectColumn column);

/* Evaluates a condition about a subject; may query for consent, hand-off. */
extern NurtureTruth nurture_subject_eval(Subject *subject,
										 const Condition *condition);
extern NurtureTruth nurture_subject_explain(Subject *subject,
											const Condition *condition,
											void (*visit) (void *arg,
														   const CondTerm *term,
														   NurtureTruth truth),
											void *arg);

/* Reads stage, grade and tier, which the subject then holds. */
extern void nurture_subject_standing(Subject *subject);

/* Fills a source for the core's evaluator. */
extern void nurture_subject_source(Subject *subject, CondSource *source);

/* Share of one tag in the lead's decayed interest of its dimension, in
 * millionths; tags below it count. */
extern int64 nurture_subject_interest(const Subject *subject, int tag_id);

#endif							/* NURTURE_SUBJECT_H */
