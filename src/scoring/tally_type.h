/*
 * tally_type.h
 *	  The type nurture_tally as other C code of the server sees it.
 *
 * A datum is a varlena, possibly with a short header, whose content is the
 * tally of core/tally.h.
 */
#ifndef NURTURE_TALLY_TYPE_H
#define NURTURE_TALLY_TYPE_H

#include "base/compat.h"
#include "core/tally.h"
#include "datatype/timestamp.h"
#include "utils/date.h"

/* first and last instant a tally can count: days 2 and 65535 since 1970 */
#define NURTURE_TALLY_MIN_INSTANT \
	(((int64) NURTURE_TALLY_FIRST_DAY - 10957) * USECS_PER_DAY)
#define NURTURE_TALLY_END_INSTANT \
	(((int64) NURTURE_TALLY_LAST_DAY + 1 - 10957) * USECS_PER_DAY)

/* Grows whenever nurture_tally_gather adds days to a tally that folded them. */
extern uint64 nurture_tally_late;

extern Oid	nurture_tally_type_oid(void);
extern Tally nurture_tally_of(Datum datum, struct varlena **detoasted);
extern void nurture_tally_raise(TallyStatus status) pg_attribute_noreturn();

/*
 * Makes a datum.  alloc returns a varlena with room for bound bytes of
 * content, close sets its length once they are written.
 */
extern struct varlena *nurture_tally_alloc(size_t bound);
extern Datum nurture_tally_close(struct varlena *result, size_t length);
extern Datum nurture_tally_from_entries(TallyEntry *entries, size_t n,
										uint16 roll_day);
extern Datum nurture_tally_plus(Datum a, Datum b);
extern Datum nurture_tally_gather(Datum a, Datum b);
extern TallyStatus nurture_tally_minus(Datum a, Datum b, Datum *result);
extern Datum nurture_tally_fold(Datum datum, uint16 day);
extern Datum nurture_tally_part(Datum datum, uint16 key, bool inside);
extern bool nurture_tally_is_empty(Datum datum);
extern bool nurture_tally_same(Datum a, Datum b);

#endif							/* NURTURE_TALLY_TYPE_H */
