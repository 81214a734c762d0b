-- Content, for those who make and approve it: what is due, what is there for
-- whom, and where nothing is.

CREATE INDEX audit_gap ON nurture.audit (at) WHERE kind = 'step' AND outcome = 'no_asset';

CREATE VIEW nurture_bi.content_review_due WITH (security_invoker = true) AS
WITH today (at, day) AS (
    SELECT n.at, (n.at AT TIME ZONE 'UTC')::date FROM (SELECT @extschema@.nurture_now() AS at) AS n
), content AS (
    SELECT 'asset' AS kind, v.asset_id AS code, v.version, a.title, a.format, v.message_class, v.status, v.review_due, v.valid_during, coalesce(v.owner, a.owner) AS owner
    FROM nurture.asset_version AS v JOIN nurture.asset AS a ON a.asset_id = v.asset_id
    WHERE v.status IN ('approved', 'suspended')
    UNION ALL
    SELECT 'claim', c.claim, c.version, coalesce(c.title, c.text), 'claim', NULL, c.status, c.review_due, c.valid_during, c.owner
    FROM nurture.claim AS c
    WHERE c.status IN ('approved', 'suspended')
), due AS (
    SELECT
        c.kind,
        c.code,
        c.version,
        c.title,
        c.format,
        c.message_class,
        c.status,
        c.owner,
        c.review_due,
        CASE WHEN NOT upper_inf(c.valid_during) THEN upper(c.valid_during) END AS expires_at,
        CASE
            WHEN upper(c.valid_during) <= t.at THEN 'expired'
            WHEN c.review_due < t.day THEN 'overdue'
            WHEN upper(c.valid_during) <= t.at + interval '30 days' THEN 'expires_soon'
            WHEN c.review_due <= t.day + 30 THEN 'due_soon'
        END AS state,
        least(c.review_due - t.day, (upper(c.valid_during) AT TIME ZONE 'UTC')::date - t.day) AS days_left
    FROM content AS c CROSS JOIN today AS t
)
SELECT d.kind, d.code, d.version, d.title, d.format, d.message_class, d.status, d.owner, d.state, d.review_due, d.expires_at, d.days_left
FROM due AS d
WHERE d.state IS NOT NULL;
COMMENT ON VIEW nurture_bi.content_review_due IS 'Assets and claims in use that have expired or are to be reviewed, or will within 30 days.';
COMMENT ON COLUMN nurture_bi.content_review_due.kind IS 'asset or claim.';
COMMENT ON COLUMN nurture_bi.content_review_due.code IS 'Asset or claim.';
COMMENT ON COLUMN nurture_bi.content_review_due.version IS 'Version in use.';
COMMENT ON COLUMN nurture_bi.content_review_due.title IS 'Title; of a claim without one its text.';
COMMENT ON COLUMN nurture_bi.content_review_due.format IS 'Format of the asset; claim.';
COMMENT ON COLUMN nurture_bi.content_review_due.message_class IS 'Class of the asset''s messages.';
COMMENT ON COLUMN nurture_bi.content_review_due.status IS 'approved or suspended.';
COMMENT ON COLUMN nurture_bi.content_review_due.owner IS 'Who answers for it.';
COMMENT ON COLUMN nurture_bi.content_review_due.state IS 'expired: out of force; overdue: its review date has passed; expires_soon, due_soon: within 30 days.';
COMMENT ON COLUMN nurture_bi.content_review_due.review_due IS 'When it has to be reviewed again.';
COMMENT ON COLUMN nurture_bi.content_review_due.expires_at IS 'When it goes out of force.';
COMMENT ON COLUMN nurture_bi.content_review_due.days_left IS 'Days until the earlier of both; negative when it has passed.';

CREATE VIEW nurture_bi.content_map WITH (security_invoker = true) AS
WITH RECURSIVE moment (at) AS (
    SELECT @extschema@.nurture_now()
), above (tag, over) AS (
    SELECT t.dimension || ':' || t.value, t.dimension || ':' || t.value FROM nurture.tag AS t
    UNION
    SELECT u.tag, t.dimension || ':' || t.parent
    FROM above AS u JOIN nurture.tag AS t ON t.dimension || ':' || t.value = u.over
    WHERE t.parent IS NOT NULL
), tagged AS MATERIALIZED (
    SELECT t.asset_id, t.version, array_agg(DISTINCT u.over) AS tags
    FROM nurture.asset_tag AS t JOIN above AS u ON u.tag = t.dimension || ':' || t.value
    GROUP BY t.asset_id, t.version
), content AS MATERIALIZED (
    SELECT v.asset_id, v.version, a.family, a.format, v.message_class, v.audience_types, v.channels, coalesce(t.tags, '{}') AS tags,
        n.asset_id IS NOT NULL AS now, l.asset_id IS NOT NULL AS soon
    FROM nurture.asset_version AS v
    JOIN nurture.asset AS a ON a.asset_id = v.asset_id
    LEFT JOIN tagged AS t ON t.asset_id = v.asset_id AND t.version = v.version
    LEFT JOIN (SELECT x.asset_id, x.version FROM moment AS m, @extschema@.nurture_sendable_assets(m.at) AS x) AS n
        ON n.asset_id = v.asset_id AND n.version = v.version
    LEFT JOIN (SELECT x.asset_id, x.version FROM moment AS m, @extschema@.nurture_sendable_assets(m.at + interval '30 days') AS x) AS l
        ON l.asset_id = v.asset_id AND l.version = v.version
    WHERE v.status = 'approved' AND a.format NOT IN ('block', 'landing_page')
), step AS (
    SELECT s.track, s.step_no, s.family, coalesce(s.required_tags, '{}') AS required_tags, coalesce(s.channels, '{}') AS channels, k.audience_types
    FROM nurture.track_step AS s
    JOIN nurture.track_version AS w ON w.track = s.track AND w.version = s.version AND w.status = 'published'
    JOIN nurture.track AS k ON k.track = s.track
    WHERE s.action <> 'wait'
), fit AS MATERIALIZED (
    SELECT s.track, s.step_no, c.format, c.message_class, c.audience_types,
        count(*) FILTER (WHERE c.now) AS assets_now, count(*) FILTER (WHERE c.soon) AS assets_in_30_days
    FROM step AS s
    JOIN content AS c ON (s.family IS NULL OR c.family = s.family) AND (s.channels = '{}' OR c.channels && s.channels) AND s.required_tags <@ c.tags
    GROUP BY s.track, s.step_no, c.format, c.message_class, c.audience_types
), segment AS (
    SELECT a.audience_type, g.stage, g.stage_no, g.message_classes
    FROM nurture.audience_type AS a
    CROSS JOIN LATERAL (
        SELECT DISTINCT ON (s.stage) s.stage, s.stage_no, s.message_classes
        FROM nurture.stage AS s WHERE s.audience_type IN ('*', a.audience_type)
        ORDER BY s.stage, s.audience_type = '*'
    ) AS g
)
SELECT
    g.audience_type AS segment,
    g.stage,
    g.stage_no,
    s.track,
    s.step_no,
    f.format,
    coalesce(sum(f.assets_now), 0)::bigint AS assets_now,
    coalesce(sum(f.assets_in_30_days), 0)::bigint AS assets_in_30_days
FROM segment AS g
JOIN step AS s ON '*' = ANY (s.audience_types) OR g.audience_type = ANY (s.audience_types)
LEFT JOIN fit AS f ON f.track = s.track AND f.step_no = s.step_no
    AND f.message_class = ANY (g.message_classes)
    AND ('*' = ANY (f.audience_types) OR g.audience_type = ANY (f.audience_types))
GROUP BY g.audience_type, g.stage, g.stage_no, s.track, s.step_no, f.format;
COMMENT ON VIEW nurture_bi.content_map IS 'What there is for whom: by segment, stage, step of a track and format, how many approved assets can be sent now and in 30 days, when their ranges and those of their blocks and claims have moved on. A row without format: nothing at all.';
COMMENT ON COLUMN nurture_bi.content_map.segment IS 'Audience type.';
COMMENT ON COLUMN nurture_bi.content_map.stage IS 'Lifecycle stage.';
COMMENT ON COLUMN nurture_bi.content_map.stage_no IS 'Its order.';
COMMENT ON COLUMN nurture_bi.content_map.track IS 'Track.';
COMMENT ON COLUMN nurture_bi.content_map.step_no IS 'Its step.';
COMMENT ON COLUMN nurture_bi.content_map.format IS 'Format of the assets; NULL: no approved asset fits the step for this segment and stage.';
COMMENT ON COLUMN nurture_bi.content_map.assets_now IS 'Assets that can be sent now, in some market and language.';
COMMENT ON COLUMN nurture_bi.content_map.assets_in_30_days IS 'Of those approved today, assets that can be sent in 30 days.';

CREATE VIEW nurture_bi.content_gap WITH (security_invoker = true) AS
SELECT
    l.audience_type AS segment,
    l.country AS market,
    l.language,
    coalesce(g.stage, 'new') AS stage,
    a.versions ->> 'track' AS track,
    (a.inputs::jsonb ->> 'step')::integer AS step_no,
    a.reasons[1] AS removed_by,
    count(DISTINCT l.lead_id) AS leads,
    count(*) AS times,
    min(a.at) AS first_at,
    max(a.at) AS last_at
FROM nurture.audit AS a
JOIN nurture.lead AS l ON l.lead_id = a.lead_ref AND NOT l.is_test
LEFT JOIN nurture.lead_stage AS g ON g.lead_id = l.lead_id AND g.product = '*'
WHERE a.kind = 'step' AND a.outcome = 'no_asset' AND a.at > @extschema@.nurture_now() - interval '90 days'
GROUP BY l.audience_type, l.country, l.language, coalesce(g.stage, 'new'), a.versions ->> 'track', (a.inputs::jsonb ->> 'step')::integer, a.reasons[1];
COMMENT ON VIEW nurture_bi.content_gap IS 'Where a step of a track found nothing to send within 90 days: for which segment, and the filter that removed the last candidate, which tells what to write or to approve next. Test leads are not counted.';
COMMENT ON COLUMN nurture_bi.content_gap.segment IS 'Audience type.';
COMMENT ON COLUMN nurture_bi.content_gap.market IS 'Country of the leads.';
COMMENT ON COLUMN nurture_bi.content_gap.language IS 'Their language.';
COMMENT ON COLUMN nurture_bi.content_gap.stage IS 'Stage they are in now.';
COMMENT ON COLUMN nurture_bi.content_gap.track IS 'Track.';
COMMENT ON COLUMN nurture_bi.content_gap.step_no IS 'Its step.';
COMMENT ON COLUMN nurture_bi.content_gap.removed_by IS 'Filter that removed the last candidate: market, language, claim, content_policy, seen, depth, ... as in nurture_candidates.';
COMMENT ON COLUMN nurture_bi.content_gap.leads IS 'Leads it happened to.';
COMMENT ON COLUMN nurture_bi.content_gap.times IS 'How often.';
COMMENT ON COLUMN nurture_bi.content_gap.first_at IS 'First time.';
COMMENT ON COLUMN nurture_bi.content_gap.last_at IS 'Last time.';
