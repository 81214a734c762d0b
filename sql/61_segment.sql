-- Segments: dynamic audiences, and what cold leads do once they are
-- approached again.

CREATE FUNCTION nurture_segment_check() RETURNS trigger
    LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_segment_check';
COMMENT ON FUNCTION nurture_segment_check() IS 'Trigger: refuses a segment whose condition cannot be understood.';

CREATE FUNCTION nurture_segment_preview(segment text) RETURNS SETOF bigint
    LANGUAGE c STABLE STRICT PARALLEL UNSAFE ROWS 1000
    AS 'MODULE_PATHNAME', 'nurture_segment_preview';
COMMENT ON FUNCTION nurture_segment_preview(text) IS 'The leads who are in a segment now, before anything is sent to them; those the caller may see, without test, merged and erased leads.';

CREATE FUNCTION nurture_reactivation(lead_id bigint) RETURNS numeric
    LANGUAGE c STABLE STRICT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_reactivation';
COMMENT ON FUNCTION nurture_reactivation(bigint) IS 'The reactivation score: points of intent for what the lead did since the day it last entered a track that reactivates, such as re_nurture; NULL when it never did.';
