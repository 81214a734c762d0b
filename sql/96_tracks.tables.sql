-- Views of tracks: what walks, steps and channels achieve, and the cold leads.
-- No contact points, no arrays; test leads are counted nowhere.

CREATE VIEW nurture_bi.track_performance WITH (security_invoker = true) AS
WITH member AS (
    SELECT '*' AS segment, l.lead_id
    FROM nurture.lead l
    WHERE NOT l.is_test
    UNION ALL
    SELECT s.segment, p.lead_id
    FROM nurture.segment s
    CROSS JOIN LATERAL @extschema@.nurture_segment_preview(s.segment) AS p (lead_id)
),
walk AS (
    SELECT
        e.*,
        (SELECT min(t.step_no) FROM nurture.track_step t WHERE t.track = e.track AND t.version = e.version) AS first_step,
        (SELECT count(*) FROM nurture.message m WHERE m.lead_id = e.lead_id AND m.enrollment_no = e.enrollment_no AND m.sent_at IS NOT NULL) AS messages,
        EXISTS (SELECT FROM nurture.message m WHERE m.lead_id = e.lead_id AND m.enrollment_no = e.enrollment_no AND m.outcome IN ('clicked', 'opened')) AS engaged
    FROM nurture.enrollment e
)
SELECT
    w.track,
    w.version,
    w.purpose,
    w.entered_by,
    CASE WHEN w.state IN ('active', 'waiting', 'paused') THEN 'open' ELSE w.state END AS ended,
    w.exit_reason,
    m.segment,
    l.audience_type,
    l.attributes ->> 'decision_role' AS decision_role,
    count(*) AS entered,
    count(DISTINCT w.lead_id) AS leads,
    count(*) FILTER (WHERE w.step_no > w.first_step OR w.state = 'completed') AS progressed,
    count(*) FILTER (WHERE w.engaged) AS engaged,
    count(*) FILTER (WHERE w.state = 'completed' AND w.exit_reason = 'goal') AS goal_met,
    count(*) FILTER (WHERE w.state = 'exhausted') AS exhausted,
    count(*) FILTER (WHERE w.state = 'exited') AS exited,
    sum(w.messages)::bigint AS messages,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM w.exited_at - w.entered_at)::double precision / 86400) AS median_days,
    max(w.entered_at) AS last_entered_at
FROM walk w
JOIN nurture.lead l ON l.lead_id = w.lead_id AND NOT l.is_test
JOIN member m ON m.lead_id = w.lead_id
GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9;
COMMENT ON VIEW nurture_bi.track_performance IS 'What came of walks on tracks: one row per track, version, way in, way out, audience, role in the decision and segment. Segment * has every lead once; the rows of segments repeat those who are in them now, so look at one segment at a time.';
COMMENT ON COLUMN nurture_bi.track_performance.track IS 'Track.';
COMMENT ON COLUMN nurture_bi.track_performance.version IS 'Version walked.';
COMMENT ON COLUMN nurture_bi.track_performance.purpose IS 'Purpose of the track.';
COMMENT ON COLUMN nurture_bi.track_performance.entered_by IS 'Way in: entry:<code>, branch:<code>, stop_rule:<code> or manual.';
COMMENT ON COLUMN nurture_bi.track_performance.ended IS 'completed, exited or exhausted; open: it goes on.';
COMMENT ON COLUMN nurture_bi.track_performance.exit_reason IS 'Why it ended: goal, last_step, a branch, a reason of the gate.';
COMMENT ON COLUMN nurture_bi.track_performance.segment IS 'Segment the lead is in now, * = all.';
COMMENT ON COLUMN nurture_bi.track_performance.audience_type IS 'Audience.';
COMMENT ON COLUMN nurture_bi.track_performance.decision_role IS 'Role in the decision, as far as it is known.';
COMMENT ON COLUMN nurture_bi.track_performance.entered IS 'Walks.';
COMMENT ON COLUMN nurture_bi.track_performance.leads IS 'Leads who walked.';
COMMENT ON COLUMN nurture_bi.track_performance.progressed IS 'Walks that came beyond the first step.';
COMMENT ON COLUMN nurture_bi.track_performance.engaged IS 'Walks of which a message was opened or clicked.';
COMMENT ON COLUMN nurture_bi.track_performance.goal_met IS 'Walks that reached the goal.';
COMMENT ON COLUMN nurture_bi.track_performance.exhausted IS 'Walks that used all content.';
COMMENT ON COLUMN nurture_bi.track_performance.exited IS 'Walks that ended by a branch, a stop, the gate or a person.';
COMMENT ON COLUMN nurture_bi.track_performance.messages IS 'Messages sent on them.';
COMMENT ON COLUMN nurture_bi.track_performance.median_days IS 'Days a walk that is over lasted, the middle one.';
COMMENT ON COLUMN nurture_bi.track_performance.last_entered_at IS 'When the last one began.';

CREATE VIEW nurture_bi.step_performance WITH (security_invoker = true) AS
WITH sent AS (
    SELECT
        m.track,
        e.version,
        m.step_no,
        count(*) FILTER (WHERE m.status <> 'refused') AS messages,
        count(*) FILTER (WHERE m.status = 'refused') AS refused,
        count(*) FILTER (WHERE m.status = 'held') AS held,
        count(*) FILTER (WHERE m.sent_at IS NOT NULL) AS sent,
        count(*) FILTER (WHERE m.outcome = 'clicked') AS clicked,
        count(*) FILTER (WHERE m.outcome = 'unsubscribed') AS unsubscribed
    FROM nurture.message m
    JOIN nurture.enrollment e ON e.lead_id = m.lead_id AND e.enrollment_no = m.enrollment_no
    JOIN nurture.lead l ON l.lead_id = m.lead_id AND NOT l.is_test
    WHERE m.step_no IS NOT NULL
    GROUP BY 1, 2, 3
),
stands AS (
    SELECT
        e.track,
        e.version,
        e.step_no,
        count(*) FILTER (WHERE e.state IN ('active', 'waiting', 'paused')) AS waiting,
        count(*) FILTER (WHERE e.state = 'exited') AS exited,
        count(*) FILTER (WHERE e.state = 'exhausted') AS exhausted,
        count(*) FILTER (WHERE e.state = 'completed') AS completed
    FROM nurture.enrollment e
    JOIN nurture.lead l ON l.lead_id = e.lead_id AND NOT l.is_test
    GROUP BY 1, 2, 3
)
SELECT
    s.track,
    s.version,
    v.status,
    s.step_no,
    s.action,
    s.title,
    coalesce(t.waiting, 0) AS waiting,
    (SELECT coalesce(sum(o.waiting + o.exited + o.exhausted + o.completed), 0)::bigint FROM stands o WHERE o.track = s.track AND o.version = s.version AND o.step_no > s.step_no) AS went_on,
    coalesce(t.exited, 0) AS exited,
    coalesce(t.exhausted, 0) AS exhausted,
    coalesce(t.completed, 0) AS completed,
    coalesce(m.messages, 0) AS messages,
    coalesce(m.held, 0) AS held,
    coalesce(m.refused, 0) AS refused,
    coalesce(m.sent, 0) AS sent,
    coalesce(m.clicked, 0) AS clicked,
    coalesce(m.unsubscribed, 0) AS unsubscribed
FROM nurture.track_step s
JOIN nurture.track_version v ON v.track = s.track AND v.version = s.version AND v.status <> 'draft'
LEFT JOIN stands t ON t.track = s.track AND t.version = s.version AND t.step_no = s.step_no
LEFT JOIN sent m ON m.track = s.track AND m.version = s.version AND m.step_no = s.step_no;
COMMENT ON VIEW nurture_bi.step_performance IS 'What each step of a track does: who stands at it, what was sent, and who went on.';
COMMENT ON COLUMN nurture_bi.step_performance.track IS 'Track.';
COMMENT ON COLUMN nurture_bi.step_performance.version IS 'Version.';
COMMENT ON COLUMN nurture_bi.step_performance.status IS 'published or retired.';
COMMENT ON COLUMN nurture_bi.step_performance.step_no IS 'Step.';
COMMENT ON COLUMN nurture_bi.step_performance.action IS 'What it does.';
COMMENT ON COLUMN nurture_bi.step_performance.title IS 'Words for people.';
COMMENT ON COLUMN nurture_bi.step_performance.waiting IS 'Leads whose next step it is.';
COMMENT ON COLUMN nurture_bi.step_performance.went_on IS 'Walks that came beyond it.';
COMMENT ON COLUMN nurture_bi.step_performance.exited IS 'Walks that ended when it was next.';
COMMENT ON COLUMN nurture_bi.step_performance.exhausted IS 'Walks that had no content left at it.';
COMMENT ON COLUMN nurture_bi.step_performance.completed IS 'Walks that ended well at it.';
COMMENT ON COLUMN nurture_bi.step_performance.messages IS 'Messages it led to, refused ones apart.';
COMMENT ON COLUMN nurture_bi.step_performance.held IS 'Of these, those a person has to look at.';
COMMENT ON COLUMN nurture_bi.step_performance.refused IS 'Messages the gate refused.';
COMMENT ON COLUMN nurture_bi.step_performance.sent IS 'Messages sent.';
COMMENT ON COLUMN nurture_bi.step_performance.clicked IS 'Of these, those that were clicked.';
COMMENT ON COLUMN nurture_bi.step_performance.unsubscribed IS 'Of these, those that led to an opt-out.';

CREATE VIEW nurture_bi.channel_by_segment WITH (security_invoker = true) AS
WITH member AS (
    SELECT '*' AS segment, l.lead_id
    FROM nurture.lead l
    WHERE NOT l.is_test
    UNION ALL
    SELECT s.segment, p.lead_id
    FROM nurture.segment s
    CROSS JOIN LATERAL @extschema@.nurture_segment_preview(s.segment) AS p (lead_id)
),
touch AS (
    SELECT
        m.lead_id,
        m.channel,
        m.outcome,
        m.delivered_at,
        EXISTS (SELECT FROM nurture.event e WHERE e.lead_id = m.lead_id AND e.message_id = m.message_id AND e.event_type IN ('email_clicked', 'link_clicked', 'email_replied')) AS engaged,
        EXISTS (
            SELECT FROM nurture.stage_history h
            JOIN nurture.stage o ON o.stage = h.old_stage AND o.audience_type = '*'
            JOIN nurture.stage n ON n.stage = h.new_stage AND n.audience_type = '*'
            WHERE h.lead_id = m.lead_id AND h.at > m.sent_at AND h.at <= m.sent_at + interval '30 days' AND n.stage_no > o.stage_no) AS progressed
    FROM nurture.message m
    WHERE m.sent_at IS NOT NULL
)
SELECT
    t.channel,
    b.segment,
    l.audience_type,
    count(*) AS sent,
    count(DISTINCT t.lead_id) AS leads,
    count(*) FILTER (WHERE t.delivered_at IS NOT NULL) AS delivered,
    count(*) FILTER (WHERE t.outcome IN ('soft_bounce', 'hard_bounce')) AS bounced,
    count(*) FILTER (WHERE t.outcome IN ('unsubscribed', 'complaint')) AS unwanted,
    count(*) FILTER (WHERE t.engaged) AS engaged,
    count(DISTINCT t.lead_id) FILTER (WHERE t.progressed) AS progressed,
    count(*) FILTER (WHERE t.engaged)::double precision / count(*) AS engaged_share
FROM touch t
JOIN nurture.lead l ON l.lead_id = t.lead_id AND NOT l.is_test
JOIN member b ON b.lead_id = t.lead_id
GROUP BY 1, 2, 3;
COMMENT ON VIEW nurture_bi.channel_by_segment IS 'Engagement and progress by channel, segment and audience. Segment * has every lead once; the rows of segments repeat those who are in them now.';
COMMENT ON COLUMN nurture_bi.channel_by_segment.channel IS 'Channel.';
COMMENT ON COLUMN nurture_bi.channel_by_segment.segment IS 'Segment the lead is in now, * = all.';
COMMENT ON COLUMN nurture_bi.channel_by_segment.audience_type IS 'Audience.';
COMMENT ON COLUMN nurture_bi.channel_by_segment.sent IS 'Messages sent.';
COMMENT ON COLUMN nurture_bi.channel_by_segment.leads IS 'Leads they went to.';
COMMENT ON COLUMN nurture_bi.channel_by_segment.delivered IS 'Messages delivered.';
COMMENT ON COLUMN nurture_bi.channel_by_segment.bounced IS 'Messages that came back.';
COMMENT ON COLUMN nurture_bi.channel_by_segment.unwanted IS 'Messages that led to an opt-out or a complaint.';
COMMENT ON COLUMN nurture_bi.channel_by_segment.engaged IS 'Messages that were clicked or answered.';
COMMENT ON COLUMN nurture_bi.channel_by_segment.progressed IS 'Leads who reached a higher stage within 30 days of one.';
COMMENT ON COLUMN nurture_bi.channel_by_segment.engaged_share IS 'engaged / sent.';

CREATE VIEW nurture_bi.nurture_progress WITH (security_invoker = true) AS
WITH touch AS (
    SELECT
        date_trunc('month', m.sent_at AT TIME ZONE 'UTC')::date AS month,
        EXISTS (
            SELECT FROM nurture.asset_tag a
            JOIN nurture.event e ON e.lead_id = m.lead_id AND e.occurred_at <= m.sent_at AND (a.dimension || ':' || a.value) = ANY (e.tags)
            WHERE a.asset_id = m.asset_id AND a.version = m.version AND a.dimension = 'topic') AS shares,
        EXISTS (
            SELECT FROM nurture.event e
            JOIN nurture.event_type t ON t.event_type = e.event_type
            WHERE e.lead_id = m.lead_id AND e.occurred_at >= m.sent_at AND e.occurred_at <= m.sent_at + interval '14 days'
              AND (t.class IN ('content', 'intent', 'outcome') OR (t.class = 'engagement' AND t.event_type NOT IN ('email_delivered', 'email_opened')))) AS engaged,
        m.sent_at > @extschema@.nurture_now() - interval '14 days' AS recent
    FROM nurture.message m
    JOIN nurture.lead l ON l.lead_id = m.lead_id AND NOT l.is_test
    WHERE m.sent_at IS NOT NULL AND m.message_class = 'promotional'
),
touches AS (
    SELECT
        month,
        count(*) AS touches,
        count(*) FILTER (WHERE NOT shares OR (NOT engaged AND NOT recent)) AS irrelevant
    FROM touch
    GROUP BY month
),
walks AS (
    SELECT
        date_trunc('month', e.entered_at AT TIME ZONE 'UTC')::date AS month,
        count(DISTINCT e.lead_id) AS leads,
        count(DISTINCT e.lead_id) FILTER (WHERE x.met_at IS NOT NULL) AS meetings,
        percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM coalesce(e.exited_at, @extschema@.nurture_now()) - e.entered_at)::double precision / 86400) AS median_days
    FROM nurture.enrollment e
    JOIN nurture.lead l ON l.lead_id = e.lead_id AND NOT l.is_test
    CROSS JOIN LATERAL (
        SELECT min(v.occurred_at) AS met_at
        FROM nurture.event v
        WHERE v.lead_id = e.lead_id AND v.event_type IN ('meeting_booked', 'meeting_held') AND v.occurred_at > e.entered_at AND v.occurred_at <= e.entered_at + interval '180 days'
    ) x
    WHERE e.purpose = 'marketing'
    GROUP BY 1
)
SELECT
    coalesce(t.month, w.month) AS month,
    coalesce(t.touches, 0) AS touches,
    coalesce(t.irrelevant, 0) AS irrelevant,
    CASE WHEN t.touches > 0 THEN t.irrelevant::double precision / t.touches END AS irrelevant_share,
    coalesce(w.leads, 0) AS entered,
    coalesce(w.meetings, 0) AS meetings,
    CASE WHEN w.leads > 0 THEN w.meetings::double precision / w.leads END AS meeting_share,
    w.median_days
FROM touches t
FULL JOIN walks w ON w.month = t.month;
COMMENT ON VIEW nurture_bi.nurture_progress IS 'What nurturing achieves, by month: touches that were irrelevant, and leads who came from a track to a meeting. Irrelevant is a promotional message that shares no topic with what the lead had shown interest in before, or that nobody answered by any engagement within 14 days.';
COMMENT ON COLUMN nurture_bi.nurture_progress.month IS 'First day of the month, UTC.';
COMMENT ON COLUMN nurture_bi.nurture_progress.touches IS 'Promotional messages sent.';
COMMENT ON COLUMN nurture_bi.nurture_progress.irrelevant IS 'Of these, the irrelevant ones.';
COMMENT ON COLUMN nurture_bi.nurture_progress.irrelevant_share IS 'irrelevant / touches.';
COMMENT ON COLUMN nurture_bi.nurture_progress.entered IS 'Leads who entered a track of marketing.';
COMMENT ON COLUMN nurture_bi.nurture_progress.meetings IS 'Of these, those with a meeting within 180 days.';
COMMENT ON COLUMN nurture_bi.nurture_progress.meeting_share IS 'meetings / entered.';
COMMENT ON COLUMN nurture_bi.nurture_progress.median_days IS 'Days on the track until it ended, or until now, the middle one.';

CREATE VIEW nurture_bi.webinar WITH (security_invoker = true) AS
WITH registered AS (
    SELECT
        coalesce(e.asset_id, e.campaign, '') AS webinar,
        e.asset_id,
        e.campaign,
        e.lead_id,
        min(e.occurred_at) AS registered_at
    FROM nurture.event e
    JOIN nurture.lead l ON l.lead_id = e.lead_id AND NOT l.is_test
    WHERE e.event_type = 'webinar_registered'
    GROUP BY 1, 2, 3, 4
),
followed AS (
    SELECT
        r.*,
        (SELECT min(e.occurred_at) FROM nurture.event e WHERE e.lead_id = r.lead_id AND e.event_type = 'webinar_attended' AND e.occurred_at >= r.registered_at
            AND (e.asset_id IS NOT DISTINCT FROM r.asset_id OR e.asset_id IS NULL)) AS attended_at
    FROM registered r
)
SELECT
    f.webinar,
    f.asset_id,
    f.campaign,
    count(*) AS registered,
    count(f.attended_at) AS attended,
    count(f.attended_at)::double precision / count(*) AS attended_share,
    count(*) FILTER (WHERE EXISTS (SELECT FROM nurture.event e WHERE e.lead_id = f.lead_id AND e.event_type = 'slide_deck_downloaded'
        AND e.occurred_at >= f.registered_at AND e.occurred_at <= coalesce(f.attended_at, f.registered_at) + interval '7 days')) AS took_slides,
    count(*) FILTER (WHERE EXISTS (SELECT FROM nurture.enrollment n WHERE n.lead_id = f.lead_id AND n.entered_at >= f.registered_at
        AND n.entered_at <= coalesce(f.attended_at, f.registered_at) + interval '30 days')) AS nurtured,
    count(*) FILTER (WHERE EXISTS (SELECT FROM nurture.event e WHERE e.lead_id = f.lead_id AND e.event_type IN ('meeting_booked', 'meeting_held')
        AND e.occurred_at > f.registered_at AND e.occurred_at <= coalesce(f.attended_at, f.registered_at) + interval '90 days')) AS meetings,
    min(f.registered_at) AS first_registered_at,
    max(f.registered_at) AS last_registered_at
FROM followed f
GROUP BY 1, 2, 3;
COMMENT ON VIEW nurture_bi.webinar IS 'Webinars by what was registered for: who came, who took the slides, and who met afterwards.';
COMMENT ON COLUMN nurture_bi.webinar.webinar IS 'What was registered for: the asset, else the campaign.';
COMMENT ON COLUMN nurture_bi.webinar.asset_id IS 'Asset of the registration.';
COMMENT ON COLUMN nurture_bi.webinar.campaign IS 'Campaign of the registration.';
COMMENT ON COLUMN nurture_bi.webinar.registered IS 'Leads who registered.';
COMMENT ON COLUMN nurture_bi.webinar.attended IS 'Of these, those who came.';
COMMENT ON COLUMN nurture_bi.webinar.attended_share IS 'attended / registered.';
COMMENT ON COLUMN nurture_bi.webinar.took_slides IS 'Of these, those who took the slides within 7 days.';
COMMENT ON COLUMN nurture_bi.webinar.nurtured IS 'Of these, those who entered a track within 30 days.';
COMMENT ON COLUMN nurture_bi.webinar.meetings IS 'Of these, those with a meeting within 90 days.';
COMMENT ON COLUMN nurture_bi.webinar.first_registered_at IS 'First registration.';
COMMENT ON COLUMN nurture_bi.webinar.last_registered_at IS 'Last registration.';

CREATE VIEW nurture_bi.cold_leads WITH (security_invoker = true) AS
WITH quiet AS (
    SELECT
        l.lead_id,
        l.audience_type,
        l.country,
        l.owner,
        l.created_at,
        (SELECT max(u.day) FROM @extschema@.nurture_tally_unnest(a.signals) u
            JOIN nurture.signal s ON s.signal_id = u.signal
            JOIN nurture.event_type t ON t.event_type = s.event_type
            WHERE t.class IN ('content', 'intent', 'outcome') OR (t.class = 'engagement' AND t.event_type NOT IN ('email_delivered', 'email_opened'))) AS last_engaged_on,
        (SELECT max(h.unanswered) FROM nurture.handoff h WHERE h.lead_id = l.lead_id) AS unanswered
    FROM nurture.lead l
    LEFT JOIN nurture.activity a ON a.lead_id = l.lead_id
    WHERE NOT l.is_test AND l.merged_into IS NULL AND l.erased_at IS NULL
)
SELECT
    q.lead_id,
    q.audience_type,
    q.country,
    q.owner,
    coalesce(s.stage, 'new') AS stage,
    coalesce(s.stage_no, 1) AS stage_no,
    q.last_engaged_on,
    (@extschema@.nurture_now() AT TIME ZONE 'UTC')::date - coalesce(q.last_engaged_on, (q.created_at AT TIME ZONE 'UTC')::date) AS quiet_days,
    coalesce(q.unanswered, 0) AS unanswered_attempts,
    e.track,
    e.state AS track_state,
    @extschema@.nurture_reactivation(q.lead_id) AS reactivation_score
FROM quiet q
LEFT JOIN nurture.lead_stage s ON s.lead_id = q.lead_id AND s.product = '*'
LEFT JOIN LATERAL (
    SELECT n.track, n.state
    FROM nurture.enrollment n
    WHERE n.lead_id = q.lead_id
    ORDER BY n.enrollment_no DESC
    LIMIT 1
) e ON true
WHERE (@extschema@.nurture_now() AT TIME ZONE 'UTC')::date - coalesce(q.last_engaged_on, (q.created_at AT TIME ZONE 'UTC')::date) >= 90 OR q.unanswered >= 3;
COMMENT ON VIEW nurture_bi.cold_leads IS 'Leads without engagement for 90 days, or whom three attempts did not reach; what was tried since, and what they did.';
COMMENT ON COLUMN nurture_bi.cold_leads.lead_id IS 'Lead.';
COMMENT ON COLUMN nurture_bi.cold_leads.audience_type IS 'Audience.';
COMMENT ON COLUMN nurture_bi.cold_leads.country IS 'ISO 3166-1 alpha-2.';
COMMENT ON COLUMN nurture_bi.cold_leads.owner IS 'Who in sales looks after the lead.';
COMMENT ON COLUMN nurture_bi.cold_leads.stage IS 'Lifecycle stage.';
COMMENT ON COLUMN nurture_bi.cold_leads.stage_no IS 'Its order.';
COMMENT ON COLUMN nurture_bi.cold_leads.last_engaged_on IS 'Last day, UTC, on which the lead did something itself; NULL = never, or too long ago to be kept by day.';
COMMENT ON COLUMN nurture_bi.cold_leads.quiet_days IS 'Days since, or since the lead was made.';
COMMENT ON COLUMN nurture_bi.cold_leads.unanswered_attempts IS 'Attempts in a row without an answer.';
COMMENT ON COLUMN nurture_bi.cold_leads.track IS 'Track it walked last.';
COMMENT ON COLUMN nurture_bi.cold_leads.track_state IS 'How that stands.';
COMMENT ON COLUMN nurture_bi.cold_leads.reactivation_score IS 'What it did since it entered a track that reactivates; NULL = it did not.';

CREATE VIEW nurture_bi.reactivation WITH (security_invoker = true) AS
SELECT
    e.lead_id,
    e.enrollment_no,
    e.track,
    e.entered_at,
    e.state,
    e.exit_reason,
    l.audience_type,
    (SELECT count(*) FROM nurture.message m WHERE m.lead_id = e.lead_id AND m.enrollment_no = e.enrollment_no AND m.sent_at IS NOT NULL) AS messages,
    CASE WHEN e.enrollment_no = max(e.enrollment_no) OVER (PARTITION BY e.lead_id) THEN @extschema@.nurture_reactivation(e.lead_id) END AS reactivation_score,
    (SELECT min(v.occurred_at) FROM nurture.event v
        JOIN nurture.event_type t ON t.event_type = v.event_type
        WHERE v.lead_id = e.lead_id AND v.occurred_at >= e.entered_at
          AND (t.class IN ('content', 'intent', 'outcome') OR (t.class = 'engagement' AND t.event_type NOT IN ('email_delivered', 'email_opened')))) AS engaged_at,
    (SELECT min(n.track) FROM nurture.enrollment n WHERE n.lead_id = e.lead_id AND n.enrollment_no = e.enrollment_no + 1) AS went_to
FROM nurture.enrollment e
JOIN nurture.track k ON k.track = e.track AND k.reactivates
JOIN nurture.lead l ON l.lead_id = e.lead_id AND NOT l.is_test;
COMMENT ON VIEW nurture_bi.reactivation IS 'Leads that were approached again when they were cold: what was sent, what they did, and whether they came back.';
COMMENT ON COLUMN nurture_bi.reactivation.lead_id IS 'Lead.';
COMMENT ON COLUMN nurture_bi.reactivation.enrollment_no IS 'Number of the walk.';
COMMENT ON COLUMN nurture_bi.reactivation.track IS 'Track that reactivates.';
COMMENT ON COLUMN nurture_bi.reactivation.entered_at IS 'When the lead entered it.';
COMMENT ON COLUMN nurture_bi.reactivation.state IS 'How the walk stands.';
COMMENT ON COLUMN nurture_bi.reactivation.exit_reason IS 'Why it ended.';
COMMENT ON COLUMN nurture_bi.reactivation.audience_type IS 'Audience.';
COMMENT ON COLUMN nurture_bi.reactivation.messages IS 'Messages sent on it.';
COMMENT ON COLUMN nurture_bi.reactivation.reactivation_score IS 'Points of intent since it entered, of the latest walk.';
COMMENT ON COLUMN nurture_bi.reactivation.engaged_at IS 'When it first did something itself after that; NULL = it has not.';
COMMENT ON COLUMN nurture_bi.reactivation.went_to IS 'Track it walked next.';
