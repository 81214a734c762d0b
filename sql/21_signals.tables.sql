-- Signals over time: progress of filling and rolling.

CREATE TABLE nurture.backfill (
    signal text PRIMARY KEY,
    position bigint,
    done bigint NOT NULL DEFAULT 0,
    total bigint NOT NULL DEFAULT 0,
    filled bigint NOT NULL DEFAULT 0,
    started_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    finished_at timestamptz,
    actor text
);
COMMENT ON TABLE nurture.backfill IS 'Progress of nurture_backfill, one row per signal or topic that was or is being filled.';
COMMENT ON COLUMN nurture.backfill.signal IS 'Signal, or topic as dimension:value.';
COMMENT ON COLUMN nurture.backfill.position IS 'Last lead gone through; the next call begins behind it.';
COMMENT ON COLUMN nurture.backfill.done IS 'Leads gone through.';
COMMENT ON COLUMN nurture.backfill.total IS 'Leads with activity when it began.';
COMMENT ON COLUMN nurture.backfill.filled IS 'Of those gone through, leads that have it.';
COMMENT ON COLUMN nurture.backfill.started_at IS 'When it began.';
COMMENT ON COLUMN nurture.backfill.updated_at IS 'When the last leads were gone through.';
COMMENT ON COLUMN nurture.backfill.finished_at IS 'When it was finished; NULL: there are leads left.';
COMMENT ON COLUMN nurture.backfill.actor IS 'Who began it.';

CREATE TABLE nurture.roll (
    roll_day date PRIMARY KEY,
    position bigint,
    done bigint NOT NULL DEFAULT 0,
    total bigint NOT NULL DEFAULT 0,
    rolled bigint NOT NULL DEFAULT 0,
    started_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    finished_at timestamptz
);
COMMENT ON TABLE nurture.roll IS 'Passes over nurture.activity that folded what was older than the horizon, one row each.';
COMMENT ON COLUMN nurture.roll.roll_day IS 'Days before it were folded.';
COMMENT ON COLUMN nurture.roll.position IS 'Last lead gone through; the pass goes on behind it.';
COMMENT ON COLUMN nurture.roll.done IS 'Leads gone through; those in use by others are left for the next pass.';
COMMENT ON COLUMN nurture.roll.total IS 'Leads with activity when it began.';
COMMENT ON COLUMN nurture.roll.rolled IS 'Of those gone through, leads that had older days.';
COMMENT ON COLUMN nurture.roll.started_at IS 'When it began.';
COMMENT ON COLUMN nurture.roll.updated_at IS 'When the last leads were gone through.';
COMMENT ON COLUMN nurture.roll.finished_at IS 'When it was finished; NULL: there are leads left.';

CREATE VIEW nurture_bi.backfill_progress WITH (security_invoker = true) AS
SELECT
    signal,
    CASE WHEN finished_at IS NULL THEN 'unfinished' ELSE 'finished' END AS state,
    done,
    total,
    CASE WHEN finished_at IS NOT NULL THEN 100.0 ELSE round(100.0 * done / greatest(total, 1), 1) END AS percent,
    filled,
    started_at,
    updated_at,
    finished_at
FROM nurture.backfill;
COMMENT ON VIEW nurture_bi.backfill_progress IS 'How far the filling of signals and topics is.';
COMMENT ON COLUMN nurture_bi.backfill_progress.signal IS 'Signal, or topic as dimension:value.';
COMMENT ON COLUMN nurture_bi.backfill_progress.state IS 'unfinished or finished.';
COMMENT ON COLUMN nurture_bi.backfill_progress.done IS 'Leads gone through.';
COMMENT ON COLUMN nurture_bi.backfill_progress.total IS 'Leads there were when it began.';
COMMENT ON COLUMN nurture_bi.backfill_progress.percent IS 'Share gone through.';
COMMENT ON COLUMN nurture_bi.backfill_progress.filled IS 'Leads that have it.';
COMMENT ON COLUMN nurture_bi.backfill_progress.started_at IS 'When it began.';
COMMENT ON COLUMN nurture_bi.backfill_progress.updated_at IS 'When the last leads were gone through.';
COMMENT ON COLUMN nurture_bi.backfill_progress.finished_at IS 'When it was finished.';

CREATE TRIGGER nurture_signal_guard AFTER UPDATE OR DELETE ON nurture.signal
    FOR EACH ROW EXECUTE FUNCTION @extschema@.nurture_signal_guard();
ALTER TABLE nurture.signal ENABLE ALWAYS TRIGGER nurture_signal_guard;
CREATE TRIGGER nurture_tag_guard AFTER UPDATE OR DELETE ON nurture.tag
    FOR EACH ROW EXECUTE FUNCTION @extschema@.nurture_tag_guard();
ALTER TABLE nurture.tag ENABLE ALWAYS TRIGGER nurture_tag_guard;

CREATE TRIGGER nurture_sensitive_changed AFTER UPDATE ON nurture.event_type
    FOR EACH ROW WHEN (OLD.sensitive IS DISTINCT FROM NEW.sensitive) EXECUTE FUNCTION @extschema@.nurture_sensitive_changed();
CREATE TRIGGER nurture_sensitive_changed AFTER UPDATE ON nurture.tag
    FOR EACH ROW WHEN (OLD.sensitive IS DISTINCT FROM NEW.sensitive OR OLD.parent IS DISTINCT FROM NEW.parent) EXECUTE FUNCTION @extschema@.nurture_sensitive_changed();
