/*
 * part.c
 *	  The partitions of a table by range of an instant.
 */
#include "base/compat.h"

#include "access/xact.h"
#include "base/part.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "partitioning/partbounds.h"
#include "partitioning/partdesc.h"
#include "utils/partcache.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

bool
nurture_part_by(Relation parent, const char *column)
{
	PartitionKey key;

	if (parent->rd_rel->relkind != RELKIND_PARTITIONED_TABLE)
		return false;
	key = RelationGetPartitionKey(parent);
	return key->strategy == PARTITION_STRATEGY_RANGE && key->partnatts == 1 &&
		key->partattrs[0] != 0 && key->parttypid[0] == TIMESTAMPTZOID &&
		strcmp(NameStr(TupleDescAttr(RelationGetDescr(parent),
									 key->partattrs[0] - 1)->attname),
			   column) == 0;
}

int
nurture_part_between(Relation parent, TimestampTz from, TimestampTz to,
					 Oid *parts, int max)
{
	PartitionKey key = RelationGetPartitionKey(parent);
	PartitionDesc desc = RelationGetPartitionDesc(parent,
												  !IsolationUsesXactSnapshot());
	PartitionBoundInfo bounds = desc->boundinfo;
	Datum		first = TimestampTzGetDatum(from);
	Datum		last = TimestampTzGetDatum(to);
	bool		gap = false;
	bool		equal;
	int			begin;
	int			end;
	int			n = 0;

	if (desc->nparts == 0)
		return 0;
	begin = partition_range_datum_bsearch(key->partsupfunc, key->partcollation,
										  bounds, 1, &first, &equal);
	end = partition_range_datum_bsearch(key->partsupfunc, key->partcollation,
										bounds, 1, &last, &equal);
	for (int i = begin; i <= end; i++)
	{
		int			part = bounds->indexes[i + 1];

		/* what lies between partitions is in the default one */
		if (part < 0)
		{
			if (gap || bounds->default_index < 0)
				continue;
			gap = true;
			part = bounds->default_index;
		}
		if (n == max || !desc->is_leaf[part])
			return -1;
		parts[n++] = desc->oids[part];
	}
	return n;
}
