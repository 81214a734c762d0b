/*
 * attribute.h
 *	  The registry of attributes: what may stand in lead.attributes and
 *	  account.attributes under a known key.
 *
 * Keys that are not registered hold anything.  JSON null and texts of blanks
 * are "not known" and fit every type.
 */
#ifndef NURTURE_ATTRIBUTE_H
#define NURTURE_ATTRIBUTE_H

#include "base/compat.h"
#include "core/condition.h"
#include "datatype/timestamp.h"
#include "utils/jsonb.h"

#define ATTRIBUTE_MAX_TEXT	NURTURE_COND_MAX_WORD	/* bytes of a text value:
													 * longer ones no rule
													 * could name */
#define ATTRIBUTE_MAX_ITEMS 1000	/* of a list */

typedef enum AttributeType
{
	ATTRIBUTE_TEXT,
	ATTRIBUTE_NUMBER,
	ATTRIBUTE_BOOLEAN,
	ATTRIBUTE_DATE,				/* text YYYY-MM-DD */
	ATTRIBUTE_LIST				/* array of texts */
} AttributeType;

typedef struct Attribute
{
	const char *attribute;
	AttributeType type;
	int			nallowed;		/* 0 = any value */
	const char **allowed;		/* from allowed or the tag dimension;
								 * ascending bytewise */
	const char *tag_dimension;	/* NULL = none */
	int			nrequired;
	const char **required_for;	/* "audience/tier", "*" for all audiences, or
								 * "route:code" */
	bool		has_stale_after;
	Interval	stale_after;
	bool		personal;		/* its values stay out of messages */
	const char *title;			/* NULL = the code's words */
} Attribute;

extern void nurture_attribute_init(void);

/* A registered attribute, NULL when there is none of this key. */
extern const Attribute *nurture_attribute(const char *key, size_t len);

/* All of them, ascending by key; good until the end of the transaction. */
extern const Attribute *nurture_attributes(int *n);
extern const char *nurture_attribute_type_name(AttributeType type);

/*
 * Whether it has to be known of leads of an audience that are of a tier, or
 * on a route (NULL = on none).
 */
extern bool nurture_attribute_required(const Attribute *attribute,
									   const char *audience, int tier,
									   const char *route);

/* What may stand there, in words: one of "a", "b", or a number. */
extern char *nurture_attribute_allowed(const Attribute *attribute);

/* What is wrong with a value, in words without the value; NULL = it fits. */
extern char *nurture_attribute_misfit(const Attribute *attribute,
									  const JsonbValue *value);

/*
 * What of a condition the registry knows better: operands that are not of
 * the type or not allowed (severity error), keys that are not registered
 * (warning).
 */
typedef void (*AttributeFinding) (void *arg, const char *text,
								  const char *severity);
extern void nurture_attribute_check(const Condition *condition,
									AttributeFinding visit, void *arg);

/* Audience types: whether there is such a code, and NU003 when there is not. */
extern bool nurture_audience_known(const char *code, size_t len);
extern void nurture_unknown_audience(const char *code) pg_attribute_noreturn();

#endif							/* NURTURE_ATTRIBUTE_H */
