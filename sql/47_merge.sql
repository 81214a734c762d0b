-- Merging: leads that are one person count, and are asked, as one; and can be
-- parted again.

CREATE FUNCTION nurture_merge(survivor bigint, absorbed bigint, reason text, actor text DEFAULT NULL) RETURNS bigint
    LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_merge';
COMMENT ON FUNCTION nurture_merge(bigint, bigint, text, text) IS 'Two leads are one person: from now on the survivor stands for both. Its rows stay where they are; what either was denied both are denied. Returns the merge_id, by which nurture_unmerge takes it back; the one there is when they are one already.';

CREATE FUNCTION nurture_unmerge(merge_id bigint, reason text, actor text DEFAULT NULL) RETURNS boolean
    LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_unmerge';
COMMENT ON FUNCTION nurture_unmerge(bigint, text, text) IS 'Takes a merge back: both leads have again what is theirs, also of what came since. Messages that the merge cancelled stay so. Returns false when it had been taken back already.';

CREATE FUNCTION nurture_merge_guard() RETURNS trigger
    LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_merge_guard';
COMMENT ON FUNCTION nurture_merge_guard() IS 'Trigger: a merge of nurture.merge is taken back by nurture_unmerge only, and who stands for others stays.';

CREATE FUNCTION nurture_find_duplicates(merge boolean DEFAULT false, actor text DEFAULT NULL, OUT scope text, OUT leads bigint, OUT opened bigint, OUT merged bigint) RETURNS SETOF record
    LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_find_duplicates';
COMMENT ON FUNCTION nurture_find_duplicates(boolean, text) IS 'Opens a review, bucket identity, for each lead that has the same address, number, identifier of the CRM, or name within one organisation as an earlier lead, unless that pair was looked at before. With merge, leads that share an identifier of the CRM are merged into the first of them instead.';
