-- From the queue to the provider and back.

-- in the order in which messages are taken
CREATE INDEX message_due ON nurture.message (channel, not_before, lead_id, message_id) WHERE status = 'queued';
CREATE INDEX message_lease ON nurture.message (lease_until) WHERE status = 'taken';
CREATE INDEX lead_test ON nurture.lead (lead_id) WHERE is_test;

CREATE VIEW nurture_bi.message_log WITH (security_invoker = true) AS
    SELECT m.lead_id,
           m.message_id,
           m.channel,
           m.message_class,
           m.purpose,
           m.asset_id,
           m.version,
           m.track,
           m.enrollment_no,
           m.step_no,
           m.experiment,
           m.arm,
           m.trigger_kind,
           m.trigger_event_id,
           m.requested_by,
           m.status,
           m.decision ->> 'verdict' AS verdict,
           array_to_string(m.reasons, ', ') AS reasons,
           m.outcome,
           m.requested_at,
           m.decided_at,
           m.not_before,
           m.taken_at,
           m.taken_by,
           m.takes,
           m.lease_until,
           m.sent_at,
           m.delivered_at,
           m.outcome_at,
           m.cancel_requested,
           COALESCE(m.reasons && ARRAY['sent_after_opt_out', 'sent_after_cancel'], false) AS sent_all_the_same,
           m.provider_id
    FROM nurture.lead AS l
    JOIN nurture.message AS m ON m.lead_id = l.lead_id
    WHERE NOT l.is_test;
COMMENT ON VIEW nurture_bi.message_log IS 'Every message, whatever became of it, with its times; those to test leads are left out.';
COMMENT ON COLUMN nurture_bi.message_log.lead_id IS 'Lead.';
COMMENT ON COLUMN nurture_bi.message_log.message_id IS 'Message.';
COMMENT ON COLUMN nurture_bi.message_log.channel IS 'Channel.';
COMMENT ON COLUMN nurture_bi.message_log.message_class IS 'Message class.';
COMMENT ON COLUMN nurture_bi.message_log.purpose IS 'Purpose.';
COMMENT ON COLUMN nurture_bi.message_log.asset_id IS 'Asset.';
COMMENT ON COLUMN nurture_bi.message_log.version IS 'Its version.';
COMMENT ON COLUMN nurture_bi.message_log.track IS 'Track.';
COMMENT ON COLUMN nurture_bi.message_log.enrollment_no IS 'Enrollment.';
COMMENT ON COLUMN nurture_bi.message_log.step_no IS 'Step.';
COMMENT ON COLUMN nurture_bi.message_log.experiment IS 'Experiment it is part of.';
COMMENT ON COLUMN nurture_bi.message_log.arm IS 'Arm of the experiment.';
COMMENT ON COLUMN nurture_bi.message_log.trigger_kind IS 'event, step, branch, manual or import.';
COMMENT ON COLUMN nurture_bi.message_log.trigger_event_id IS 'Event that led to it.';
COMMENT ON COLUMN nurture_bi.message_log.requested_by IS 'Who asked for it.';
COMMENT ON COLUMN nurture_bi.message_log.status IS 'queued, held, refused, taken, sent, delivered, bounced, complained, cancelled or failed.';
COMMENT ON COLUMN nurture_bi.message_log.verdict IS 'What the gate said last: allow, defer, review or refuse.';
COMMENT ON COLUMN nurture_bi.message_log.reasons IS 'Why; codes of nurture.reason, in a list.';
COMMENT ON COLUMN nurture_bi.message_log.outcome IS 'The furthest outcome that was acknowledged.';
COMMENT ON COLUMN nurture_bi.message_log.requested_at IS 'When it was asked for.';
COMMENT ON COLUMN nurture_bi.message_log.decided_at IS 'When the gate decided last.';
COMMENT ON COLUMN nurture_bi.message_log.not_before IS 'From when on it may be taken.';
COMMENT ON COLUMN nurture_bi.message_log.taken_at IS 'When a worker took it last.';
COMMENT ON COLUMN nurture_bi.message_log.taken_by IS 'Which worker.';
COMMENT ON COLUMN nurture_bi.message_log.takes IS 'How often it was taken.';
COMMENT ON COLUMN nurture_bi.message_log.lease_until IS 'Until when the worker had it.';
COMMENT ON COLUMN nurture_bi.message_log.sent_at IS 'When the provider had it.';
COMMENT ON COLUMN nurture_bi.message_log.delivered_at IS 'When it was delivered.';
COMMENT ON COLUMN nurture_bi.message_log.outcome_at IS 'When the outcome happened.';
COMMENT ON COLUMN nurture_bi.message_log.cancel_requested IS 'It was to be cancelled after it had been taken.';
COMMENT ON COLUMN nurture_bi.message_log.sent_all_the_same IS 'It went out after it was to be cancelled, or after its lease had ended.';
COMMENT ON COLUMN nurture_bi.message_log.provider_id IS 'The provider''s identifier.';
