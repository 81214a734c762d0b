/*
 * content.h
 *	  What the content room offers to others: writing protected versions, and
 *	  the choice of an asset for a lead.
 */
#ifndef NURTURE_CONTENT_H
#define NURTURE_CONTENT_H

#include "base/compat.h"
#include "base/plans.h"
#include "datatype/timestamp.h"
#include "facts/subject.h"
#include "utils/array.h"
#include "utils/jsonb.h"

extern void nurture_content_init(void);

/*
 * Between these two the guards let the functions of a room write versions
 * and signatures.  The second belongs into PG_FINALLY.
 */
extern void nurture_versions_open(void);
extern void nurture_versions_close(void);
extern bool nurture_versions_writing(void);

/* A write between the two, with the latest snapshot; connected to SPI. */
extern void nurture_versions_write(KeptPlan *plan, Datum *values,
								   const char *nulls);

/* Appends the entry of a signature for a version with this content. */
extern void nurture_signature_record(const char *kind, const char *code,
									 int version, const char *role,
									 const char *decision, const char *hash,
									 const char *meaning);

/* Who wrote a draft. */
typedef struct VersionDraft
{
	char	   *author;
	char	   *author_login;
} VersionDraft;

/* Locks the versions and answers the row of the draft in the last result. */
extern uint64 nurture_version_draft(KeptPlan *lock, const char *kind,
									const char *table, const char *code,
									int version, VersionDraft *draft);

/* Retires what is in force, publishes a draft and records it. */
extern void nurture_version_publish(KeptPlan *retire, KeptPlan *publish,
									const char *kind, const char *code,
									int version, const char *reason,
									const char *approver, const char *actor,
									const char *inputs);

/* What to choose an asset for. */
typedef struct ContentRequest
{
	const char *channel;		/* NULL = any */
	const char *family;			/* a track step asks for it; NULL = any */
	const char *format;			/* an arm asks for it; NULL = any */
	ArrayType  *required_tags;	/* text[] of 'dimension:value', NULL = none */
	ArrayType  *preferred_tags; /* likewise */
	TimestampTz at;				/* as of when */
	bool		past;			/* a moment of the past: what was known then */
	const struct ContentIndex *index;	/* a library with weights of a draft;
										 * NULL = what is in force */
} ContentRequest;

/* The hard filters, in the order in which they are asked. */
typedef enum ContentFilter
{
	FILTER_NOT_IN_FORCE,		/* not approved, or outside valid_during */
	FILTER_BLOCK,				/* a block it is made with is not in force */
	FILTER_MARKET,				/* not for the lead's country */
	FILTER_AUDIENCE,			/* not for the lead's audience type */
	FILTER_LANGUAGE,			/* not in the lead's language */
	FILTER_CHANNEL,				/* not made for the channel */
	FILTER_MESSAGE_CLASS,		/* class not allowed in the lead's stage */
	FILTER_CLAIM,				/* a claim it makes is not in force, or not
								 * for the lead's market or audience */
	FILTER_POLICY,				/* made without what content policy asks for */
	FILTER_REQUESTED,			/* offers what the lead has asked for */
	FILTER_ROLE,				/* tagged for other roles */
	FILTER_READING_LEVEL,		/* tagged for other readers */
	FILTER_STEP,				/* not the family, format or required tags */
	FILTER_SEEN,				/* family used within the no-repeat window */
	FILTER_DEPTH,				/* too deep for what the lead has engaged with */
	FILTER_PREREQUISITE,		/* a prerequisite is not met */
	FILTER_CONSENT,				/* the gate refuses every channel it has */
	CONTENT_FILTERS				/* how many */
} ContentFilter;

/* The terms of the rank. */
typedef enum ContentTerm
{
	TERM_INTEREST,
	TERM_GENERAL,
	TERM_STAGE,
	TERM_PREFERRED,
	TERM_DEPTH,
	TERM_FRESHNESS,
	TERM_FORMAT,
	TERM_PRIORITY,
	TERM_PERFORMANCE,
	CONTENT_TERMS				/* how many */
} ContentTerm;

typedef struct ContentCandidate
{
	const char *asset_id;
	int32		version;
	const char *family;
	const char *purpose;
	const char *message_class;
	const char *channel;		/* the first that fits; NULL = none */
	uint32		failed;			/* bit per ContentFilter; 0 = may be chosen */
	int32		rank;
	int32		priority;
	int32		terms[CONTENT_TERMS];
} ContentCandidate;

typedef struct ContentChoice
{
	const ContentCandidate *chosen; /* NULL = none */
	const char *reason;			/* the terms, or the filter that removed the
								 * last candidate */
	const char *selection;		/* code of the weights used */
	int32		selection_version;	/* 0 = none published */
	int			nrefusals;
	const char **refusals;		/* reasons of the gate, when it was consent
								 * that removed the last candidate */
} ContentChoice;

extern const char *nurture_content_filter_code(ContentFilter filter);
extern const char *nurture_content_term_code(ContentTerm term);

/*
 * Answers which asset fits a lead best; everything lives in the current
 * memory context.  Connects to SPI by itself.
 */
extern ContentChoice nurture_content_choose(Subject *subject,
											const ContentRequest *request);

/* Publishing and drafting of selection weights, for nurture_publish. */
extern char *nurture_selection_publish(const char *code, int version,
									   const char *reason, const char *actor,
									   bool confirm);
extern int	nurture_selection_draft(const char *code, int from_version);

/* What would be chosen otherwise for leads, as JSON; connected to SPI. */
extern char *nurture_selection_dry_run(const char *code, int version,
									   const int64 *leads, int n,
									   TimestampTz at);

#endif							/* NURTURE_CONTENT_H */
