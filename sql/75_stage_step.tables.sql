-- When each lead first reached each stage: what the funnels count. It follows
-- from the history of standings, the order of the stages and facts of the
-- leads; triggers keep it. Test leads and merged ones have no rows.

CREATE TABLE nurture.stage_step (
    lead_id bigint NOT NULL,
    product text NOT NULL,
    stage text NOT NULL,
    reached_at timestamptz,
    next_at timestamptz,
    is_now boolean NOT NULL DEFAULT false,
    source text,
    audience_type text NOT NULL DEFAULT 'unknown',
    country text,
    PRIMARY KEY (lead_id, product, stage)
) WITH (fillfactor = 80);
COMMENT ON TABLE nurture.stage_step IS 'When each lead first reached each stage; follows from nurture.stage_history, nurture.lead_stage and nurture.lead. Without test leads and merged ones.';
COMMENT ON COLUMN nurture.stage_step.lead_id IS 'Lead.';
COMMENT ON COLUMN nurture.stage_step.product IS 'Product, or *.';
COMMENT ON COLUMN nurture.stage_step.stage IS 'Stage.';
COMMENT ON COLUMN nurture.stage_step.reached_at IS 'When the lead first reached it; NULL = it is in it, but history does not tell since when.';
COMMENT ON COLUMN nurture.stage_step.next_at IS 'When it first reached the next later stage it has reached; NULL = not yet, or it was there before.';
COMMENT ON COLUMN nurture.stage_step.is_now IS 'It is in it now.';
COMMENT ON COLUMN nurture.stage_step.source IS 'Where the lead came from.';
COMMENT ON COLUMN nurture.stage_step.audience_type IS 'Its audience.';
COMMENT ON COLUMN nurture.stage_step.country IS 'Its country.';
CREATE TRIGGER nurture_stage_step_made AFTER INSERT ON nurture.stage_history FOR EACH ROW
    WHEN (NEW.new_stage IS DISTINCT FROM NEW.old_stage) EXECUTE FUNCTION @extschema@.nurture_stage_step_derive();
CREATE TRIGGER nurture_stage_step_gone AFTER DELETE ON nurture.stage_history FOR EACH ROW
    WHEN (OLD.new_stage IS DISTINCT FROM OLD.old_stage) EXECUTE FUNCTION @extschema@.nurture_stage_step_derive();
CREATE TRIGGER nurture_stage_step_moved AFTER UPDATE ON nurture.stage_history FOR EACH ROW
    WHEN ((OLD.lead_id, OLD.product, OLD.old_stage, OLD.new_stage, OLD.at) IS DISTINCT FROM (NEW.lead_id, NEW.product, NEW.old_stage, NEW.new_stage, NEW.at))
    EXECUTE FUNCTION @extschema@.nurture_stage_step_derive();
CREATE TRIGGER nurture_stage_step_made AFTER INSERT ON nurture.lead_stage FOR EACH ROW EXECUTE FUNCTION @extschema@.nurture_stage_step_derive();
CREATE TRIGGER nurture_stage_step_gone AFTER DELETE ON nurture.lead_stage FOR EACH ROW EXECUTE FUNCTION @extschema@.nurture_stage_step_derive();
CREATE TRIGGER nurture_stage_step_moved AFTER UPDATE ON nurture.lead_stage FOR EACH ROW
    WHEN ((OLD.lead_id, OLD.product, OLD.stage) IS DISTINCT FROM (NEW.lead_id, NEW.product, NEW.stage))
    EXECUTE FUNCTION @extschema@.nurture_stage_step_derive();
CREATE TRIGGER nurture_stage_step_gone AFTER DELETE ON nurture.lead FOR EACH ROW EXECUTE FUNCTION @extschema@.nurture_stage_step_derive();
CREATE TRIGGER nurture_stage_step_moved AFTER UPDATE ON nurture.lead FOR EACH ROW
    WHEN ((OLD.source, OLD.audience_type, OLD.country, OLD.is_test, OLD.merged_into) IS DISTINCT FROM (NEW.source, NEW.audience_type, NEW.country, NEW.is_test, NEW.merged_into))
    EXECUTE FUNCTION @extschema@.nurture_stage_step_derive();
CREATE TRIGGER nurture_stage_step_reordered AFTER INSERT OR DELETE OR UPDATE OF stage, stage_no ON nurture.stage
    FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.nurture_stage_step_reorder();
