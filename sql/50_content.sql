-- Content: what may be sent, and what is the best for a lead next.
-- Only approved asset versions in force are ever chosen; the choice is a sum
-- of integers that is told with it, and the message gate reads the chosen row
-- again.

CREATE FUNCTION nurture_asset_guard() RETURNS trigger
    LANGUAGE c VOLATILE
    AS 'MODULE_PATHNAME', 'nurture_asset_guard';
COMMENT ON FUNCTION nurture_asset_guard() IS 'Trigger: drafts of asset versions may be edited, everything else moves through functions.';

CREATE FUNCTION nurture_version_guard() RETURNS trigger
    LANGUAGE c VOLATILE
    AS 'MODULE_PATHNAME', 'nurture_version_guard';
COMMENT ON FUNCTION nurture_version_guard() IS 'Trigger: versions begin as drafts and do not change once published; signatures never change.';

CREATE FUNCTION nurture_version_part_guard() RETURNS trigger
    LANGUAGE c VOLATILE
    AS 'MODULE_PATHNAME', 'nurture_version_part_guard';
COMMENT ON FUNCTION nurture_version_part_guard() IS 'Trigger: parts of a version are written while it is a draft. Argument: the table of its versions.';
