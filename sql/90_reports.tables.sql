-- Reports: views for BI tools and people who look. One row shape per view, no
-- contact points, no arrays; test leads are counted nowhere.

CREATE VIEW nurture_bi.lead_overview WITH (security_invoker = true) AS
SELECT
    l.lead_id,
    l.external_ref,
    l.audience_type,
    l.role,
    l.specialty,
    l.therapeutic_area,
    l.country,
    l.region,
    l.organization_type,
    l.account_id,
    l.source,
    l.campaign,
    l.language,
    l.owner,
    coalesce(s.stage, 'new') AS stage,
    coalesce(s.stage_no, 1) AS stage_no,
    s.since AS stage_since,
    coalesce(s.tier, 0) AS tier,
    r.model,
    r.fit,
    r.intent,
    r.total,
    r.grade,
    r.confidence,
    e.track,
    e.step_no AS track_step,
    e.state AS track_state,
    a.last_event_at AS last_activity_at,
    t.last_touch_at,
    least(e.next_due_at, t.next_message_at) AS next_touch_at,
    h.handoff_id,
    h.team,
    h.member,
    h.state AS handoff_state,
    CASE WHEN g.suppressed THEN 'suppressed' ELSE b.rule END AS blocked_by,
    CASE WHEN g.suppressed THEN 'stop' ELSE b.effect END AS blocked_how,
    CASE WHEN NOT g.suppressed THEN nullif(b.until, 'infinity') END AS blocked_until,
    CASE WHEN NOT g.suppressed THEN b.lifted_by END AS lifted_by
FROM nurture.lead l
LEFT JOIN nurture_bi.lead_score r ON r.lead_id = l.lead_id
LEFT JOIN nurture.lead_stage s ON s.lead_id = l.lead_id AND s.product = '*'
LEFT JOIN nurture.activity a ON a.lead_id = l.lead_id
LEFT JOIN nurture.gate g ON g.lead_id = l.lead_id
LEFT JOIN LATERAL (
    SELECT track, step_no, state, next_due_at
    FROM nurture.enrollment
    WHERE lead_id = l.lead_id AND state IN ('active', 'waiting', 'paused')
    ORDER BY enrollment_no DESC
    LIMIT 1
) e ON true
LEFT JOIN LATERAL (
    SELECT
        max(sent_at) AS last_touch_at,
        min(coalesce(not_before, decided_at)) FILTER (WHERE status = 'queued') AS next_message_at
    FROM nurture.message
    WHERE lead_id = l.lead_id
) t ON true
LEFT JOIN LATERAL (
    SELECT handoff_id, team, member, state
    FROM nurture.handoff
    WHERE lead_id = l.lead_id AND state IN ('pending', 'offered', 'accepted', 'working', 'met')
    ORDER BY priority, handoff_id
    LIMIT 1
) h ON true
LEFT JOIN LATERAL (
    SELECT rule, effect, until, array_to_string(lifted_by, ', ') AS lifted_by
    FROM nurture.stop_effect
    WHERE lead_id = l.lead_id AND lifted_at IS NULL AND mode = 'enforced' AND until > @extschema@.nurture_now()
    ORDER BY (effect = 'stop') DESC, until DESC, effect_no
    LIMIT 1
) b ON true
WHERE NOT l.is_test AND l.merged_into IS NULL AND l.erased_at IS NULL;
COMMENT ON VIEW nurture_bi.lead_overview IS 'One row per lead: facts without contact points, standing, score now, track, touches, who has it, and what blocks it until when.';
COMMENT ON COLUMN nurture_bi.lead_overview.lead_id IS 'Lead.';
COMMENT ON COLUMN nurture_bi.lead_overview.external_ref IS 'Identifier of the CRM.';
COMMENT ON COLUMN nurture_bi.lead_overview.audience_type IS 'Audience.';
COMMENT ON COLUMN nurture_bi.lead_overview.role IS 'Professional role.';
COMMENT ON COLUMN nurture_bi.lead_overview.specialty IS 'Medical specialty.';
COMMENT ON COLUMN nurture_bi.lead_overview.therapeutic_area IS 'Main therapeutic area.';
COMMENT ON COLUMN nurture_bi.lead_overview.country IS 'ISO 3166-1 alpha-2.';
COMMENT ON COLUMN nurture_bi.lead_overview.region IS 'ISO 3166-2.';
COMMENT ON COLUMN nurture_bi.lead_overview.organization_type IS 'Kind of the lead''s organisation.';
COMMENT ON COLUMN nurture_bi.lead_overview.account_id IS 'Organisation.';
COMMENT ON COLUMN nurture_bi.lead_overview.source IS 'Where the lead came from.';
COMMENT ON COLUMN nurture_bi.lead_overview.campaign IS 'First campaign.';
COMMENT ON COLUMN nurture_bi.lead_overview.language IS 'ISO 639-1.';
COMMENT ON COLUMN nurture_bi.lead_overview.owner IS 'Who in sales looks after the lead.';
COMMENT ON COLUMN nurture_bi.lead_overview.stage IS 'Lifecycle stage, for no product in particular.';
COMMENT ON COLUMN nurture_bi.lead_overview.stage_no IS 'Its order.';
COMMENT ON COLUMN nurture_bi.lead_overview.stage_since IS 'Since when; NULL while new.';
COMMENT ON COLUMN nurture_bi.lead_overview.tier IS 'Tier passed when it was last decided.';
COMMENT ON COLUMN nurture_bi.lead_overview.model IS 'Model of the scores.';
COMMENT ON COLUMN nurture_bi.lead_overview.fit IS 'Points for who the lead is.';
COMMENT ON COLUMN nurture_bi.lead_overview.intent IS 'Points for what the lead does, decayed to today.';
COMMENT ON COLUMN nurture_bi.lead_overview.total IS 'fit + intent within the limits of the model.';
COMMENT ON COLUMN nurture_bi.lead_overview.grade IS 'Cell of the two bands now, such as A2.';
COMMENT ON COLUMN nurture_bi.lead_overview.confidence IS 'Share of fit points decided by known facts, 0 to 1.';
COMMENT ON COLUMN nurture_bi.lead_overview.track IS 'Track the lead is on, the latest of several.';
COMMENT ON COLUMN nurture_bi.lead_overview.track_step IS 'Step of the track.';
COMMENT ON COLUMN nurture_bi.lead_overview.track_state IS 'active, waiting or paused.';
COMMENT ON COLUMN nurture_bi.lead_overview.last_activity_at IS 'Last event.';
COMMENT ON COLUMN nurture_bi.lead_overview.last_touch_at IS 'Last message sent.';
COMMENT ON COLUMN nurture_bi.lead_overview.next_touch_at IS 'When the next message or step is due.';
COMMENT ON COLUMN nurture_bi.lead_overview.handoff_id IS 'Most urgent open hand-off.';
COMMENT ON COLUMN nurture_bi.lead_overview.team IS 'Team that has the lead.';
COMMENT ON COLUMN nurture_bi.lead_overview.member IS 'Member; NULL until named.';
COMMENT ON COLUMN nurture_bi.lead_overview.handoff_state IS 'pending, offered, accepted, working or met.';
COMMENT ON COLUMN nurture_bi.lead_overview.blocked_by IS 'Stop rule in force, manual, or suppressed; NULL = none.';
COMMENT ON COLUMN nurture_bi.lead_overview.blocked_how IS 'stop, suppress_promotional or pause.';
COMMENT ON COLUMN nurture_bi.lead_overview.blocked_until IS 'Until when; NULL = until it is lifted.';
COMMENT ON COLUMN nurture_bi.lead_overview.lifted_by IS 'What lifts it.';

CREATE VIEW nurture_bi.routing_queue WITH (security_invoker = true) AS
SELECT
    h.lead_id,
    h.handoff_id,
    h.team,
    h.member,
    h.lane,
    h.product,
    h.route,
    h.state,
    h.priority,
    h.created_at,
    h.offered_at,
    CASE WHEN h.state = 'offered' THEN h.accept_due ELSE h.first_response_due END AS due_at,
    CASE
        WHEN h.state = 'offered' THEN h.accept_due < @extschema@.nurture_now()
        WHEN h.first_response_at IS NULL AND h.state = 'accepted' THEN h.first_response_due < @extschema@.nurture_now()
        ELSE false
    END AS overdue,
    h.accept_due,
    h.first_response_due,
    h.expires_at,
    h.accepted_at,
    h.first_response_at,
    h.attempts,
    (SELECT count(*) FROM nurture.handoff_cause c WHERE c.lead_id = h.lead_id AND c.handoff_id = h.handoff_id) - 1 AS addenda,
    l.audience_type,
    l.country,
    h.package #>> '{standing,stage}' AS stage,
    (h.package #>> '{standing,tier}')::integer AS tier,
    h.package #>> '{standing,grade}' AS grade,
    (h.package #>> '{standing,total}')::numeric AS total,
    h.package #>> '{trigger,title}' AS trigger,
    h.package #>> '{trigger,asset}' AS trigger_asset,
    nullif((SELECT string_agg(m, ', ' ORDER BY m) FROM jsonb_array_elements_text(h.package -> 'missing') m), '') AS missing
FROM nurture.handoff h
JOIN nurture.lead l USING (lead_id)
WHERE h.state IN ('pending', 'offered', 'accepted', 'working', 'met') AND NOT l.is_test;
COMMENT ON VIEW nurture_bi.routing_queue IS 'Open hand-offs with what is due when; overdue is computed on reading, so it is true even if no job runs.';
COMMENT ON COLUMN nurture_bi.routing_queue.lead_id IS 'Lead.';
COMMENT ON COLUMN nurture_bi.routing_queue.handoff_id IS 'Hand-off.';
COMMENT ON COLUMN nurture_bi.routing_queue.team IS 'Team.';
COMMENT ON COLUMN nurture_bi.routing_queue.member IS 'Member; NULL until named.';
COMMENT ON COLUMN nurture_bi.routing_queue.lane IS 'business, medical or safety.';
COMMENT ON COLUMN nurture_bi.routing_queue.product IS 'Product, or *.';
COMMENT ON COLUMN nurture_bi.routing_queue.route IS 'Route that led here.';
COMMENT ON COLUMN nurture_bi.routing_queue.state IS 'pending, offered, accepted, working or met.';
COMMENT ON COLUMN nurture_bi.routing_queue.priority IS 'Smaller is more urgent.';
COMMENT ON COLUMN nurture_bi.routing_queue.created_at IS 'When it was decided.';
COMMENT ON COLUMN nurture_bi.routing_queue.offered_at IS 'When the clocks began to run.';
COMMENT ON COLUMN nurture_bi.routing_queue.due_at IS 'Until when the next move is due: acceptance, then the first attempt.';
COMMENT ON COLUMN nurture_bi.routing_queue.overdue IS 'That time is over and the move was not made.';
COMMENT ON COLUMN nurture_bi.routing_queue.accept_due IS 'Until when it is to be accepted.';
COMMENT ON COLUMN nurture_bi.routing_queue.first_response_due IS 'Until when the first attempt is to be logged.';
COMMENT ON COLUMN nurture_bi.routing_queue.expires_at IS 'When the offer ends by itself.';
COMMENT ON COLUMN nurture_bi.routing_queue.accepted_at IS 'When it was accepted.';
COMMENT ON COLUMN nurture_bi.routing_queue.first_response_at IS 'When the first attempt was logged.';
COMMENT ON COLUMN nurture_bi.routing_queue.attempts IS 'Attempts so far.';
COMMENT ON COLUMN nurture_bi.routing_queue.addenda IS 'Further triggers that joined it.';
COMMENT ON COLUMN nurture_bi.routing_queue.audience_type IS 'Audience of the lead now.';
COMMENT ON COLUMN nurture_bi.routing_queue.country IS 'Country of the lead now.';
COMMENT ON COLUMN nurture_bi.routing_queue.stage IS 'Stage when it was decided.';
COMMENT ON COLUMN nurture_bi.routing_queue.tier IS 'Tier then.';
COMMENT ON COLUMN nurture_bi.routing_queue.grade IS 'Grade then.';
COMMENT ON COLUMN nurture_bi.routing_queue.total IS 'Score then.';
COMMENT ON COLUMN nurture_bi.routing_queue.trigger IS 'What triggered it.';
COMMENT ON COLUMN nurture_bi.routing_queue.trigger_asset IS 'Asset that it concerned.';
COMMENT ON COLUMN nurture_bi.routing_queue.missing IS 'Required fields that are not known.';
