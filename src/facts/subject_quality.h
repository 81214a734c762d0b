/*
 * subject_quality.h
 *	  Private to the facts room: what is wrong with facts, as facts.
 */
#ifndef NURTURE_SUBJECT_QUALITY_H
#define NURTURE_SUBJECT_QUALITY_H

#include "core/condition.h"
#include "facts/subject.h"

enum
{
	QUALITY_ADDRESS,			/* ok, missing or invalid */
	QUALITY_COUNTRY,			/* ok or invalid */
	QUALITY_REGION,				/* ok, invalid or elsewhere */
	QUALITY_ROLE,				/* ok, contradicts_audience or
								 * contradicts_specialty */
	QUALITY_DUPLICATE,			/* ok or candidate */
	QUALITY_FACTS				/* how many */
};

extern void nurture_subject_quality_init(void);
extern int	nurture_subject_quality_fact(const char *name, size_t len);
extern void nurture_subject_each_quality(CondNameVisit visit, void *arg);
extern uint64 nurture_subject_quality_mask(int fact);
extern void nurture_subject_quality(const Subject *subject, int fact,
									CondValue *out);

#endif							/* NURTURE_SUBJECT_QUALITY_H */
