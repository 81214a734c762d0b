-- Consent in reports: what became of requests, and what was sent against an
-- opt-out that we did not know yet, or should have known.

CREATE VIEW nurture_bi.consent_funnel WITH (security_invoker = true) AS
    SELECT date_trunc('month', LEAST(e.occurred_at, e.recorded_at) AT TIME ZONE 'UTC')::date AS month,
           e.channel,
           e.purpose,
           l.country,
           l.audience_type,
           count(DISTINCT e.lead_id) FILTER (WHERE e.kind = 'requested') AS requested,
           count(DISTINCT e.lead_id) FILTER (WHERE e.kind = 'given') AS given,
           count(DISTINCT e.lead_id) FILTER (WHERE e.kind = 'confirmed') AS confirmed,
           count(DISTINCT e.lead_id) FILTER (WHERE e.kind = 'renewed') AS renewed,
           count(DISTINCT e.lead_id) FILTER (WHERE e.kind = 'refused') AS refused,
           count(DISTINCT e.lead_id) FILTER (WHERE e.kind = 'withdrawn') AS withdrawn,
           count(DISTINCT e.lead_id) FILTER (WHERE e.kind = 'objected') AS objected,
           count(DISTINCT e.lead_id) FILTER (WHERE e.kind = 'expired') AS expired
    FROM nurture.lead AS l
    JOIN nurture.consent_event AS e ON e.lead_id = l.lead_id
    WHERE NOT l.is_test
        AND e.kind <> 'entered_in_error'
        AND (e.evidence -> 'merged_consent_event_id') IS NULL
        AND NOT EXISTS (
            SELECT 1
            FROM nurture.consent_event AS c
            WHERE c.lead_id = e.lead_id
                AND c.kind = 'entered_in_error'
                AND c.evidence -> 'consent_event_id' = to_jsonb(e.consent_event_id)
                AND NOT EXISTS (
                    SELECT 1
                    FROM nurture.consent_event AS cc
                    WHERE cc.lead_id = c.lead_id
                        AND cc.kind = 'entered_in_error'
                        AND cc.evidence -> 'consent_event_id' = to_jsonb(c.consent_event_id)
                )
        )
    GROUP BY 1, 2, 3, 4, 5;
COMMENT ON VIEW nurture_bi.consent_funnel IS 'How many leads were asked for consent and what they said, by month in UTC, channel, purpose, country and audience. What was entered in error, what a merge handed on, and test leads are left out.';
COMMENT ON COLUMN nurture_bi.consent_funnel.month IS 'First day of the month in which it was said.';
COMMENT ON COLUMN nurture_bi.consent_funnel.channel IS 'Channel, or * for all.';
COMMENT ON COLUMN nurture_bi.consent_funnel.purpose IS 'Purpose, or * for all.';
COMMENT ON COLUMN nurture_bi.consent_funnel.country IS 'Country of the leads today; NULL: unknown.';
COMMENT ON COLUMN nurture_bi.consent_funnel.audience_type IS 'Audience of the leads today.';
COMMENT ON COLUMN nurture_bi.consent_funnel.requested IS 'Leads that were asked.';
COMMENT ON COLUMN nurture_bi.consent_funnel.given IS 'Leads that gave consent.';
COMMENT ON COLUMN nurture_bi.consent_funnel.confirmed IS 'Leads that confirmed it.';
COMMENT ON COLUMN nurture_bi.consent_funnel.renewed IS 'Leads that renewed it.';
COMMENT ON COLUMN nurture_bi.consent_funnel.refused IS 'Leads that refused.';
COMMENT ON COLUMN nurture_bi.consent_funnel.withdrawn IS 'Leads that withdrew it.';
COMMENT ON COLUMN nurture_bi.consent_funnel.objected IS 'Leads that objected.';
COMMENT ON COLUMN nurture_bi.consent_funnel.expired IS 'Leads whose consent was recorded as expired.';

CREATE VIEW nurture_bi.sent_before_known WITH (security_invoker = true) AS
    SELECT m.lead_id,
           m.message_id,
           m.channel,
           m.message_class,
           m.asset_id,
           m.version,
           m.sent_at,
           s.state,
           s.since AS said_at,
           e.recorded_at AS known_at,
           e.recorded_at - s.since AS learned_after,
           e.source,
           e.consent_event_id
    FROM nurture.lead AS l
    JOIN nurture.message AS m ON m.lead_id = l.lead_id
    LEFT JOIN nurture.channel AS c ON c.channel = m.channel
    CROSS JOIN LATERAL @extschema@.nurture_consent_at(m.lead_id, m.sent_at) AS s
    JOIN nurture.consent_event AS e ON e.lead_id = m.lead_id AND e.consent_event_id = s.consent_event_id
    WHERE NOT l.is_test
        AND m.sent_at IS NOT NULL
        AND EXISTS (
            SELECT 1
            FROM nurture.consent_event AS late
            WHERE late.lead_id = m.lead_id
                AND late.occurred_at <= m.sent_at
                AND late.recorded_at > m.sent_at
        )
        AND s.state IN ('refused', 'withdrawn', 'objected')
        AND e.recorded_at > m.sent_at
        AND (s.purpose IN ('*', m.purpose) OR (s.purpose = 'marketing' AND m.message_class IN ('promotional', 'disease_awareness')))
        AND (
            s.state = 'objected'
            OR (
                s.channel IN ('*', m.channel, c.consent_channel)
                AND (s.topic = '*' OR EXISTS (
                    SELECT 1
                    FROM nurture.asset_tag AS t
                    WHERE t.asset_id = m.asset_id AND t.version = m.version AND t.dimension = 'topic' AND t.value = s.topic
                ))
                AND (s.product = '*' OR EXISTS (
                    SELECT 1
                    FROM nurture.asset_tag AS t
                    WHERE t.asset_id = m.asset_id AND t.version = m.version AND t.dimension = 'product' AND t.value = s.product
                ))
            )
        );
COMMENT ON VIEW nurture_bi.sent_before_known IS 'Messages sent after a lead had said no and before we learned of it, one row per denial: late paper opt-outs. Test leads are left out.';
COMMENT ON COLUMN nurture_bi.sent_before_known.lead_id IS 'Lead.';
COMMENT ON COLUMN nurture_bi.sent_before_known.message_id IS 'Message.';
COMMENT ON COLUMN nurture_bi.sent_before_known.channel IS 'Channel.';
COMMENT ON COLUMN nurture_bi.sent_before_known.message_class IS 'Message class.';
COMMENT ON COLUMN nurture_bi.sent_before_known.asset_id IS 'Asset.';
COMMENT ON COLUMN nurture_bi.sent_before_known.version IS 'Its version.';
COMMENT ON COLUMN nurture_bi.sent_before_known.sent_at IS 'When it was sent.';
COMMENT ON COLUMN nurture_bi.sent_before_known.state IS 'refused, withdrawn or objected.';
COMMENT ON COLUMN nurture_bi.sent_before_known.said_at IS 'When the lead said so.';
COMMENT ON COLUMN nurture_bi.sent_before_known.known_at IS 'When we learned it.';
COMMENT ON COLUMN nurture_bi.sent_before_known.learned_after IS 'How long that took.';
COMMENT ON COLUMN nurture_bi.sent_before_known.source IS 'Where it came from.';
COMMENT ON COLUMN nurture_bi.sent_before_known.consent_event_id IS 'The event.';

CREATE VIEW nurture_bi.sent_after_opt_out WITH (security_invoker = true) AS
    SELECT m.lead_id,
           m.message_id,
           m.channel,
           m.message_class,
           m.asset_id,
           m.version,
           m.status,
           m.taken_at,
           m.sent_at,
           m.taken_by
    FROM nurture.lead AS l
    JOIN nurture.message AS m ON m.lead_id = l.lead_id
    WHERE NOT l.is_test AND 'sent_after_opt_out' = ANY (m.reasons);
COMMENT ON VIEW nurture_bi.sent_after_opt_out IS 'Messages that a worker sent although the lead had opted out after they were taken; each has put an alert into nurture.outbox. Test leads are left out.';
COMMENT ON COLUMN nurture_bi.sent_after_opt_out.lead_id IS 'Lead.';
COMMENT ON COLUMN nurture_bi.sent_after_opt_out.message_id IS 'Message.';
COMMENT ON COLUMN nurture_bi.sent_after_opt_out.channel IS 'Channel.';
COMMENT ON COLUMN nurture_bi.sent_after_opt_out.message_class IS 'Message class.';
COMMENT ON COLUMN nurture_bi.sent_after_opt_out.asset_id IS 'Asset.';
COMMENT ON COLUMN nurture_bi.sent_after_opt_out.version IS 'Its version.';
COMMENT ON COLUMN nurture_bi.sent_after_opt_out.status IS 'Where it is now.';
COMMENT ON COLUMN nurture_bi.sent_after_opt_out.taken_at IS 'When the worker took it.';
COMMENT ON COLUMN nurture_bi.sent_after_opt_out.sent_at IS 'When it was sent.';
COMMENT ON COLUMN nurture_bi.sent_after_opt_out.taken_by IS 'Which worker.';

