-- What becomes of messages and what suppression refuses, for BI tools.

CREATE VIEW nurture_bi.deliverability WITH (security_invoker = true) AS
    WITH told AS (
        SELECT m.lead_id,
               date_trunc('month', m.sent_at, 'UTC') AS month,
               1 AS sent,
               CASE WHEN m.delivered_at IS NOT NULL THEN 1 ELSE 0 END AS delivered,
               0 AS soft_bounces,
               0 AS hard_bounces,
               0 AS complaints
        FROM nurture.message AS m
        JOIN nurture.channel AS c ON c.channel = m.channel AND c.contact_point = 'email'
        WHERE m.sent_at IS NOT NULL
        UNION ALL
        SELECT b.lead_id,
               date_trunc('month', b.occurred_at, 'UTC'),
               0,
               0,
               CASE WHEN b.kind = 'soft_bounce' THEN 1 ELSE 0 END,
               CASE WHEN b.kind = 'hard_bounce' THEN 1 ELSE 0 END,
               CASE WHEN b.kind = 'complaint' THEN 1 ELSE 0 END
        FROM nurture.bounce AS b
    )
    SELECT coalesce(split_part(@extschema@.nurture_normal_email(l.email), '@', -1), '') AS domain,
           (t.month AT TIME ZONE 'UTC')::date AS month,
           sum(t.sent) AS sent,
           sum(t.delivered) AS delivered,
           sum(t.soft_bounces) AS soft_bounces,
           sum(t.hard_bounces) AS hard_bounces,
           sum(t.complaints) AS complaints,
           round(sum(t.delivered)::numeric / nullif(sum(t.sent), 0), 4) AS delivery_rate,
           round(sum(t.soft_bounces)::numeric / nullif(sum(t.sent), 0), 4) AS soft_bounce_rate,
           round(sum(t.hard_bounces)::numeric / nullif(sum(t.sent), 0), 4) AS hard_bounce_rate,
           round(sum(t.complaints)::numeric / nullif(sum(t.delivered), 0), 4) AS complaint_rate
    FROM nurture.lead AS l
    JOIN told AS t ON t.lead_id = l.lead_id
    WHERE NOT l.is_test
    GROUP BY 1, 2;
COMMENT ON VIEW nurture_bi.deliverability IS 'E-mail by domain and month (UTC): what was sent, and what became of it; test leads are left out. Reads the address of leads.';
COMMENT ON COLUMN nurture_bi.deliverability.domain IS 'Domain of the address the lead has now; empty when it has none, or was erased.';
COMMENT ON COLUMN nurture_bi.deliverability.month IS 'First day of the month in which it was sent, bounced or complained about.';
COMMENT ON COLUMN nurture_bi.deliverability.sent IS 'Messages that the provider had.';
COMMENT ON COLUMN nurture_bi.deliverability.delivered IS 'Of these: told to be delivered.';
COMMENT ON COLUMN nurture_bi.deliverability.soft_bounces IS 'Soft bounces told by events.';
COMMENT ON COLUMN nurture_bi.deliverability.hard_bounces IS 'Hard bounces told by events.';
COMMENT ON COLUMN nurture_bi.deliverability.complaints IS 'Complaints told by events, of any channel.';
COMMENT ON COLUMN nurture_bi.deliverability.delivery_rate IS 'delivered / sent; NULL when nothing was sent.';
COMMENT ON COLUMN nurture_bi.deliverability.soft_bounce_rate IS 'soft_bounces / sent.';
COMMENT ON COLUMN nurture_bi.deliverability.hard_bounce_rate IS 'hard_bounces / sent.';
COMMENT ON COLUMN nurture_bi.deliverability.complaint_rate IS 'complaints / delivered.';

CREATE VIEW nurture_bi.suppression_effect WITH (security_invoker = true) AS
    WITH listed AS (
        SELECT s.scope,
               s.reason,
               count(*) FILTER (WHERE s.until > @extschema@.nurture_now()) AS in_force,
               count(*) FILTER (WHERE s.until <= @extschema@.nurture_now()) AS ended
        FROM nurture.suppression AS s
        GROUP BY s.scope, s.reason
    ), refused AS (
        SELECT split_part(f.what, ':', 1) AS scope,
               substr(f.what, position(':' IN f.what) + 1) AS reason,
               count(DISTINCT (f.lead_id, f.message_id)) AS messages,
               count(DISTINCT f.lead_id) AS leads,
               max(f.decided_at) AS last_at
        FROM (
            SELECT m.lead_id,
                   m.message_id,
                   m.decided_at,
                   jsonb_path_query(m.decision, '$.failed[*] ? (@.rule == "suppression").version') #>> '{}' AS what
            FROM nurture.lead AS l
            JOIN nurture.message AS m ON m.lead_id = l.lead_id
            WHERE m.reasons @> '{suppressed}' AND NOT l.is_test
        ) AS f
        GROUP BY 1, 2
    )
    SELECT coalesce(k.scope, r.scope) AS scope,
           coalesce(k.reason, r.reason) AS reason,
           coalesce(k.in_force, 0) AS in_force,
           coalesce(k.ended, 0) AS ended,
           coalesce(r.messages, 0) AS messages_refused,
           coalesce(r.leads, 0) AS leads_concerned,
           r.last_at AS last_refused_at
    FROM listed AS k
    FULL JOIN refused AS r ON r.scope = k.scope AND r.reason = k.reason;
COMMENT ON VIEW nurture_bi.suppression_effect IS 'Suppressions by scope and reason, and what the gate refused because of them; messages to test leads are left out.';
COMMENT ON COLUMN nurture_bi.suppression_effect.scope IS 'contact_point, domain, lead, account or lead_address.';
COMMENT ON COLUMN nurture_bi.suppression_effect.reason IS 'Reason of the suppression.';
COMMENT ON COLUMN nurture_bi.suppression_effect.in_force IS 'Suppressions that bind.';
COMMENT ON COLUMN nurture_bi.suppression_effect.ended IS 'Suppressions whose time is over; what was lifted is in the audit trail.';
COMMENT ON COLUMN nurture_bi.suppression_effect.messages_refused IS 'Messages that the gate refused, or would not let go, because of one. Those that were cancelled as it was put in force are not among them.';
COMMENT ON COLUMN nurture_bi.suppression_effect.leads_concerned IS 'Leads of these messages.';
COMMENT ON COLUMN nurture_bi.suppression_effect.last_refused_at IS 'When the last of them was refused.';
