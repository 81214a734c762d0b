/*
 * mark.h
 *	  Labels and lists of leads, as conditions ask for them.
 */
#ifndef NURTURE_MARK_H
#define NURTURE_MARK_H

#include "base/compat.h"
#include "facts/subject.h"

extern void nurture_mark_init(void);

/*
 * Whether a subject has the label, or is on the list, that a term names.  A
 * decision reads the lead's own rows once.  Where one statement asks about
 * many leads, the leads of the label are read once instead.
 */
extern NurtureTruth nurture_mark_truth(Subject *subject, const CondTerm *term);

#endif							/* NURTURE_MARK_H */
