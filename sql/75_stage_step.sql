-- Steps of leads through the stages, kept for the funnels.

CREATE FUNCTION nurture_stage_step_derive() RETURNS trigger
    LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_stage_step_derive';
COMMENT ON FUNCTION nurture_stage_step_derive() IS 'Trigger: keeps nurture.stage_step as history, standing and facts of a lead say.';

CREATE FUNCTION nurture_stage_step_reorder() RETURNS trigger
    LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_stage_step_reorder';
COMMENT ON FUNCTION nurture_stage_step_reorder() IS 'Trigger: keeps nurture.stage_step when the order of the stages changes.';
