-- What stop rules did: fired, cancelled, blocked, and that nothing leaked.

CREATE VIEW nurture_bi.stop_rule_effect WITH (security_invoker = true) AS
WITH covered AS (
    SELECT
        e.rule,
        e.lead_id,
        e.effect_no,
        count(*) FILTER (WHERE e.mode = 'enforced' AND m.status = 'refused') AS blocked,
        count(*) FILTER (WHERE e.mode = 'shadow' AND m.status <> 'refused' AND m.gate_seq > e.gate_seq) AS would_have_blocked,
        count(*) FILTER (WHERE e.mode = 'enforced' AND m.status IN ('queued', 'taken', 'sent', 'delivered', 'bounced', 'complained')) AS leaked
    FROM nurture.stop_effect e
    JOIN nurture.message m ON m.lead_id = e.lead_id
    WHERE e.effect IN ('stop', 'suppress_promotional', 'pause', 'exit_track', 'switch_track')
        AND m.message_class IS NOT NULL
        -- decided while it was in force, by the order of the gate row, or still
        -- waiting although it is
        AND (m.gate_seq > e.gate_seq OR (m.status = 'queued' AND e.lifted_at IS NULL AND e.until > @extschema@.nurture_now()))
        AND (e.lifted_seq IS NULL OR m.gate_seq < e.lifted_seq)
        AND m.decided_at < e.until
        -- the scope
        AND CASE
            WHEN e.scope ? 'message_classes' THEN e.scope -> 'message_classes' ?| ARRAY[m.message_class, '*']
            WHEN e.effect = 'suppress_promotional' THEN m.message_class IN ('promotional', 'disease_awareness')
            ELSE m.message_class <> 'operational'
        END
        AND (NOT e.scope ? 'channels' OR e.scope -> 'channels' ?| ARRAY[m.channel, '*'])
        AND (NOT e.scope ? 'purposes' OR e.scope -> 'purposes' ?| ARRAY[m.purpose, '*',
            CASE WHEN m.message_class IN ('promotional', 'disease_awareness') THEN 'marketing' ELSE '*' END])
        AND (NOT e.scope ? 'tracks' OR e.scope -> 'tracks' ? coalesce(m.track, ''))
        AND (e.effect NOT IN ('exit_track', 'switch_track') OR (m.track IS NOT NULL AND m.track IS DISTINCT FROM e.to_track))
        AND (NOT e.scope ? 'products' OR EXISTS (
            SELECT FROM nurture.asset_tag t
            WHERE t.asset_id = m.asset_id AND t.version = m.version AND t.dimension = 'product' AND e.scope -> 'products' ? t.value))
    GROUP BY e.rule, e.lead_id, e.effect_no
), effects AS (
    SELECT
        e.rule,
        sum(e.fired) FILTER (WHERE e.mode = 'enforced') AS fired,
        sum(e.fired) FILTER (WHERE e.mode = 'shadow') AS shadow,
        count(DISTINCT e.lead_id) AS leads,
        count(*) FILTER (WHERE e.lifted_at IS NULL AND e.until > @extschema@.nurture_now() AND e.mode = 'enforced') AS in_force,
        sum(e.cancelled) FILTER (WHERE e.mode = 'enforced') AS cancelled,
        sum(c.blocked) AS blocked,
        sum(c.would_have_blocked) + sum(e.cancelled) FILTER (WHERE e.mode = 'shadow') AS would_have_blocked,
        sum(c.leaked) AS leaked,
        count(*) FILTER (WHERE e.lifted_because NOT IN ('expired', 'changed', 'done')) AS lifted,
        count(*) FILTER (WHERE e.lifted_because = 'expired') AS expired
    FROM nurture.stop_effect e
    JOIN nurture.lead l ON l.lead_id = e.lead_id AND NOT l.is_test
    LEFT JOIN covered c ON c.lead_id = e.lead_id AND c.effect_no = e.effect_no
    GROUP BY e.rule
)
SELECT
    coalesce(r.rule, e.rule) AS rule,
    r.title,
    r.effect,
    r.mode,
    coalesce(e.fired, 0) AS fired,
    coalesce(e.shadow, 0) AS shadow,
    coalesce(e.leads, 0) AS leads,
    coalesce(e.in_force, 0) AS in_force,
    coalesce(e.cancelled, 0) AS cancelled,
    coalesce(e.blocked, 0) AS blocked,
    coalesce(e.would_have_blocked, 0) AS would_have_blocked,
    coalesce(e.leaked, 0) AS leaked,
    coalesce(e.lifted, 0) AS lifted,
    coalesce(e.expired, 0) AS expired
FROM nurture.stop_rule r
FULL JOIN effects e ON e.rule = r.rule;
COMMENT ON VIEW nurture_bi.stop_rule_effect IS 'What each stop rule did; test leads are left out.';
COMMENT ON COLUMN nurture_bi.stop_rule_effect.rule IS 'Stop rule; manual for nurture_pause.';
COMMENT ON COLUMN nurture_bi.stop_rule_effect.title IS 'Words for people.';
COMMENT ON COLUMN nurture_bi.stop_rule_effect.effect IS 'Its effect now; NULL when the rule is gone or was none.';
COMMENT ON COLUMN nurture_bi.stop_rule_effect.mode IS 'Its mode now.';
COMMENT ON COLUMN nurture_bi.stop_rule_effect.fired IS 'How often it fired enforced.';
COMMENT ON COLUMN nurture_bi.stop_rule_effect.shadow IS 'How often it fired in shadow.';
COMMENT ON COLUMN nurture_bi.stop_rule_effect.leads IS 'For how many leads.';
COMMENT ON COLUMN nurture_bi.stop_rule_effect.in_force IS 'How many of its effects bind now.';
COMMENT ON COLUMN nurture_bi.stop_rule_effect.cancelled IS 'Messages it cancelled when it fired.';
COMMENT ON COLUMN nurture_bi.stop_rule_effect.blocked IS 'Messages refused while it was in force and covered them.';
COMMENT ON COLUMN nurture_bi.stop_rule_effect.would_have_blocked IS 'Messages that it would have cancelled or refused, and that nothing else refused, while it was in shadow.';
COMMENT ON COLUMN nurture_bi.stop_rule_effect.leaked IS 'Messages that were let through while it was in force and covered them: must be 0.';
COMMENT ON COLUMN nurture_bi.stop_rule_effect.lifted IS 'How often its effect was lifted.';
COMMENT ON COLUMN nurture_bi.stop_rule_effect.expired IS 'How often its time was over.';
