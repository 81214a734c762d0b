/*
 * control.h
 *	  What the control room offers the others: canonical JSON, and the rules
 *	  under which a version is approved and published.
 */
#ifndef NURTURE_CONTROL_H
#define NURTURE_CONTROL_H

#include "base/compat.h"
#include "utils/jsonb.h"

extern void nurture_control_init(void);

/*
 * Returns the RFC 8785 text of a document.  With exact, a number that its
 * nearest double does not give back is an error too, not only one beyond the
 * range.
 */
extern char *nurture_jsonb_canonical(Jsonb *document, bool exact);

#endif							/* NURTURE_CONTROL_H */
