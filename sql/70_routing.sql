-- Routing: what a lead is qualified for, who takes over, and by when.
-- A hand-off moves along its state graph through functions only.

CREATE FUNCTION nurture_handoff_guard() RETURNS trigger
    LANGUAGE c VOLATILE
    AS 'MODULE_PATHNAME', 'nurture_handoff_guard';
COMMENT ON FUNCTION nurture_handoff_guard() IS 'Trigger: hand-offs are made, moved and erased by functions only.';

