-- Partitions for this month and the next three.

SELECT @extschema@.nurture_partition_ahead(3);
