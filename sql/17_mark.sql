-- Labels and lists: what people and rules say about a lead, read by conditions.
-- Functions; the tables are in 17_mark.tables.sql.

CREATE FUNCTION nurture_mark_write() RETURNS trigger
    LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_mark_write';
COMMENT ON FUNCTION nurture_mark_write() IS 'Trigger: writes who sets a label or adds to a list, and refuses unknown leads and lists; documents of unknown leads too.';

CREATE FUNCTION nurture_label(lead_id bigint, label text, until timestamptz DEFAULT NULL, reason text DEFAULT NULL, actor text DEFAULT NULL)
    RETURNS boolean
    LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_label';
COMMENT ON FUNCTION nurture_label(bigint, text, timestamptz, text, text) IS 'Labels a lead from now on, until a moment or until it is taken off; true when the lead did not have the label. A label it has gets the new end.';

CREATE FUNCTION nurture_unlabel(lead_id bigint, label text, reason text DEFAULT NULL, actor text DEFAULT NULL)
    RETURNS boolean
    LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_unlabel';
COMMENT ON FUNCTION nurture_unlabel(bigint, text, text, text) IS 'Takes a label off from now on; true when the lead had it. The row stays as history.';
