/*
 * mark.h
 *	  Labels and lists of leads, as conditions ask for them.
 */
#ifndef NURTURE_MARK_H
#define NURTURE_MARK_H

#include "base/compat.h"
#include "datatype/timestamp.h"
#include "facts/subject.h"

extern void nurture_mark_init(void);

/*
 * Whether a subject has the label, or is on the list, that a term names.  A
 * decision reads the lead's own rows once.  Where one statement asks about
 * many leads, the leads of the label are read once instead.
 */
extern NurtureTruth nurture_mark_truth(Subject *subject, const CondTerm *term);

/*
 * When a label or a place on a list of a lead begins or ends next, DT_NOEND
 * when none does.  Connected to SPI, as the owner.
 */
extern TimestampTz nurture_mark_next(int64 lead_id, TimestampTz now);

/* A label that a rule gives a lead. */
typedef struct MarkGiven
{
	int64		lead_id;
	const char *label;
	const char *by;				/* such as pattern:high_intent */
} MarkGiven;

/*
 * Labels leads from now on, where they lack the label and nobody took it off.
 * Connected to SPI, as the owner.
 */
extern void nurture_mark_give(const MarkGiven *given, int n, TimestampTz now);

#endif							/* NURTURE_MARK_H */
