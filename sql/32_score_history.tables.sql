-- What scores were: one row per lead, model and day on which a decision, or the
-- tick that looks at every lead once a day, found another score than the one
-- before. nurture_score_at has it for any moment.

CREATE TABLE nurture.score_history (
    lead_id bigint NOT NULL,
    model text NOT NULL,
    day date NOT NULL,
    at timestamptz NOT NULL,
    version integer NOT NULL,
    fit numeric NOT NULL,
    intent numeric NOT NULL,
    total numeric NOT NULL,
    grade text,
    swept boolean NOT NULL,
    PRIMARY KEY (lead_id, model, day)
);
CREATE INDEX score_history_day ON nurture.score_history (day);
COMMENT ON TABLE nurture.score_history IS 'Scores as decisions and the daily sweep of the tick found them, one row per lead, model and day on which they differed from the row before. Gone when the lead is erased or deleted.';
COMMENT ON COLUMN nurture.score_history.lead_id IS 'Lead.';
COMMENT ON COLUMN nurture.score_history.model IS 'Model.';
COMMENT ON COLUMN nurture.score_history.day IS 'Day (UTC).';
COMMENT ON COLUMN nurture.score_history.at IS 'When another score was found, the last time that day.';
COMMENT ON COLUMN nurture.score_history.version IS 'Version that scored.';
COMMENT ON COLUMN nurture.score_history.fit IS 'Points for who the lead is.';
COMMENT ON COLUMN nurture.score_history.intent IS 'Points for what the lead does.';
COMMENT ON COLUMN nurture.score_history.total IS 'Score.';
COMMENT ON COLUMN nurture.score_history.grade IS 'Grade; NULL: the model has no bands.';
COMMENT ON COLUMN nurture.score_history.swept IS 'Only the daily sweep found another score that day, no decision.';

CREATE TABLE nurture.score_sweep (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    day date,
    next_lead bigint
);
COMMENT ON TABLE nurture.score_sweep IS 'How far the tick has come in looking for leads whose score changed since their last row of nurture.score_history; one row.';
COMMENT ON COLUMN nurture.score_sweep.one IS 'Always true.';
COMMENT ON COLUMN nurture.score_sweep.day IS 'Day (UTC) on which the sweep began; one a day.';
COMMENT ON COLUMN nurture.score_sweep.next_lead IS 'Where it goes on; NULL when it is done.';
INSERT INTO nurture.score_sweep DEFAULT VALUES;

CREATE VIEW nurture_bi.score_history WITH (security_invoker = true) AS
SELECT
    h.lead_id,
    h.at,
    h.day,
    h.model,
    h.version,
    h.fit,
    h.intent,
    h.total,
    h.grade
FROM nurture.score_history h
JOIN nurture.lead l ON l.lead_id = h.lead_id
WHERE NOT l.is_test;
COMMENT ON VIEW nurture_bi.score_history IS 'Scores over time, one row per lead, model and day on which a decision or the tick found another score. Test leads are left out.';
COMMENT ON COLUMN nurture_bi.score_history.lead_id IS 'Lead.';
COMMENT ON COLUMN nurture_bi.score_history.at IS 'When it was found.';
COMMENT ON COLUMN nurture_bi.score_history.day IS 'Its day (UTC).';
COMMENT ON COLUMN nurture_bi.score_history.model IS 'Model.';
COMMENT ON COLUMN nurture_bi.score_history.version IS 'Version that scored.';
COMMENT ON COLUMN nurture_bi.score_history.fit IS 'Points for who the lead is.';
COMMENT ON COLUMN nurture_bi.score_history.intent IS 'Points for what the lead does.';
COMMENT ON COLUMN nurture_bi.score_history.total IS 'Score.';
COMMENT ON COLUMN nurture_bi.score_history.grade IS 'Grade.';

CREATE VIEW nurture_bi.score_change WITH (security_invoker = true) AS
SELECT
    m.lead_id,
    c.old_at,
    c.new_at,
    c.model_used AS model,
    c.old_version,
    c.new_version,
    c.old_total,
    c.new_total,
    c.new_total - c.old_total AS change,
    c.old_grade,
    c.new_grade,
    c.by_time,
    c.by_activity,
    c.by_fact,
    c.by_version
FROM (
    SELECT lead_id FROM nurture.score_history WHERE at > @extschema@.nurture_now() - interval '7 days' AND NOT swept
    UNION
    SELECT lead_id FROM nurture.lead_history WHERE replaced_at > @extschema@.nurture_now() - interval '7 days'
    UNION
    SELECT lead_id FROM nurture.event WHERE recorded_at > @extschema@.nurture_now() - interval '7 days'
    UNION
    SELECT lead_id FROM nurture.event_history WHERE replaced_at > @extschema@.nurture_now() - interval '7 days'
) m
JOIN nurture.lead l ON l.lead_id = m.lead_id AND NOT l.is_test AND l.merged_into IS NULL AND l.erased_at IS NULL
CROSS JOIN LATERAL @extschema@.nurture_score_change(
    m.lead_id, @extschema@.nurture_now() - interval '7 days', @extschema@.nurture_now()
) c
WHERE c.new_total IS DISTINCT FROM c.old_total OR c.new_grade IS DISTINCT FROM c.old_grade;
COMMENT ON VIEW nurture_bi.score_change IS 'Movers of the last 7 days with causes: by_time + by_activity + by_fact + by_version is the change, exactly. Leads with nothing new (no decision, event or fact) are left out: theirs only faded.';
COMMENT ON COLUMN nurture_bi.score_change.lead_id IS 'Lead.';
COMMENT ON COLUMN nurture_bi.score_change.old_at IS '7 days ago.';
COMMENT ON COLUMN nurture_bi.score_change.new_at IS 'Now.';
COMMENT ON COLUMN nurture_bi.score_change.model IS 'Model now.';
COMMENT ON COLUMN nurture_bi.score_change.old_version IS 'Version that scored then.';
COMMENT ON COLUMN nurture_bi.score_change.new_version IS 'Version that scores now.';
COMMENT ON COLUMN nurture_bi.score_change.old_total IS 'Score then; NULL: the lead was not there.';
COMMENT ON COLUMN nurture_bi.score_change.new_total IS 'Score now.';
COMMENT ON COLUMN nurture_bi.score_change.change IS 'Their difference.';
COMMENT ON COLUMN nurture_bi.score_change.old_grade IS 'Grade then.';
COMMENT ON COLUMN nurture_bi.score_change.new_grade IS 'Grade now.';
COMMENT ON COLUMN nurture_bi.score_change.by_time IS 'What fading and coming due changed.';
COMMENT ON COLUMN nurture_bi.score_change.by_activity IS 'What was learned of the lead''s doing: events, consent, standing.';
COMMENT ON COLUMN nurture_bi.score_change.by_fact IS 'What changed facts of lead and account gave.';
COMMENT ON COLUMN nurture_bi.score_change.by_version IS 'What another version or model gave.';
