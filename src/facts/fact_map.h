/*
 * fact_map.h
 *	  Which answers in events become facts, consent and preferences.
 */
#ifndef NURTURE_FACT_MAP_H
#define NURTURE_FACT_MAP_H

#include "base/compat.h"
#include "facts/attribute.h"
#include "facts/subject.h"

typedef enum FactKind
{
	FACT_LEAD,					/* a column of nurture.lead */
	FACT_ATTRIBUTE,				/* a key of lead.attributes */
	FACT_CONSENT,				/* consent for channel and purpose */
	FACT_PREFERENCE				/* a column of nurture.preference */
} FactKind;

typedef enum FactMode
{
	FACT_FILL,					/* only what is unknown */
	FACT_REPLACE,
	FACT_REVIEW					/* what contradicts opens a review */
} FactMode;

/* What a text of a column must be. */
typedef enum FactForm
{
	FACT_ANY_TEXT,
	FACT_EMAIL,
	FACT_PHONE,
	FACT_AUDIENCE,				/* row of nurture.audience_type */
	FACT_AREA,					/* tag of dimension therapeutic_area */
	FACT_COUNTRY,				/* ISO 3166-1 alpha-2 */
	FACT_REGION,				/* ISO 3166-2 */
	FACT_LANGUAGE,				/* ISO 639-1, with or without a country */
	FACT_ZONE,					/* IANA zone */
	FACT_TOPICS,				/* list of tags of dimension topic */
	FACT_FORMAT,				/* tag of dimension format */
	FACT_COUNT					/* 0 to 1000 */
} FactForm;

typedef struct FactColumn
{
	const char *name;
	FactForm	form;
	bool		of_gate;		/* the gate reads it */
	bool		no_replace;		/* a form may not overwrite it */
} FactColumn;

/* The columns of nurture.lead that answers may fill; ends at a NULL name. */
#define FACT_LEAD_COLUMNS 15
extern const FactColumn nurture_fact_lead_columns[];

/* Where an answer goes. */
typedef struct FactTarget
{
	FactKind	kind;
	const char *text;			/* as in nurture.fact_map.target */
	const FactColumn *column;	/* of LEAD and PREFERENCE */
	const char *key;			/* of ATTRIBUTE */
	const char *channel;		/* of CONSENT and PREFERENCE; "*" = all */
	const char *purpose;		/* of CONSENT; "*" = all */
} FactTarget;

typedef struct FactRule
{
	const char *event_type;
	FactTarget	target;
	FactMode	mode;
	Datum		path;			/* jsonpath */
	const char *path_text;
	Jsonb	   *translate;		/* object: answer to value; NULL = none */
} FactRule;

/* The rules of an event type by target and place; n = 0 when it has none. */
extern const FactRule *nurture_fact_rules(const char *event_type, int *n);

/* What a rule finds in an event; NULL when the lead gave no answer. */
typedef struct FactAnswer
{
	Jsonb	   *raw;			/* as it stands in the event */
	Jsonb	   *value;			/* as the target holds it; NULL = misfit */
	char	   *problem;		/* of a misfit, in words without the value */
} FactAnswer;

extern bool nurture_fact_answer(const FactRule *rule, const Jsonb *properties,
								FactAnswer *answer);

/* An answer about consent or a preference, on its way into the gate's room. */
typedef struct FactForGate
{
	int64		lead_id;
	const FactRule *rule;
	const SubjectEvent *event;
	const FactAnswer *answer;
	bool		contradicts;	/* out: a yes against a denial, mode review */
} FactForGate;

/* What the gate does for answers; set by its init. */
typedef struct FactGate
{
	/* updates the gate rows of leads, which are ascending */
	void		(*lock) (const int64 *lead_ids, int n);
	void		(*consents) (FactForGate *answers, int n);
	void		(*preferences) (const FactForGate *answers, int n);
	/* raises unless it is a channel, or "*" */
	void		(*require_channel) (const char *channel);
} FactGate;

extern const FactGate *nurture_fact_gate;

extern void nurture_fact_map_init(void);
extern void nurture_form_init(void);

#endif							/* NURTURE_FACT_MAP_H */
