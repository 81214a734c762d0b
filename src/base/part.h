/*
 * part.h
 *	  The partitions of a table by range of an instant.
 */
#ifndef NURTURE_PART_H
#define NURTURE_PART_H

#include "base/compat.h"
#include "datatype/timestamp.h"
#include "utils/relcache.h"

/* Tells whether a table is partitioned by range of this column alone. */
extern bool nurture_part_by(Relation parent, const char *column);

/*
 * Lists the partitions that may hold rows of instants between two, both
 * included; answers how many, -1 when there are more than max or one that is
 * itself partitioned.
 */
extern int	nurture_part_between(Relation parent, TimestampTz from,
								 TimestampTz to, Oid *parts, int max);

#endif							/* NURTURE_PART_H */
