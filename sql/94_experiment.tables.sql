-- What experiments and assets achieved. Test leads are counted nowhere.

CREATE INDEX message_experiment ON nurture.message (experiment, lead_id) WHERE experiment IS NOT NULL;

CREATE VIEW nurture_bi.experiment WITH (security_invoker = true) AS
WITH run AS (
    SELECT
        e.*,
        greatest(e.published_at, e.starts_at) AS began,
        least(e.ends_at, e.retired_at) AS ended
    FROM nurture.experiment e
    WHERE e.status <> 'draft'
),
sent AS (
    SELECT r.experiment, r.version, r.variable, r.success_signal, r.success_within, m.lead_id, m.message_id, m.arm, m.sent_at, m.asset_id, m.version AS asset_version
    FROM run r
    JOIN nurture.message m ON m.experiment = r.experiment AND m.requested_at >= r.began AND m.requested_at < r.ended AND m.sent_at IS NOT NULL
    JOIN nurture.lead l ON l.lead_id = m.lead_id AND NOT l.is_test
),
entered AS (
    SELECT DISTINCT ON (experiment, version, lead_id) experiment, version, lead_id, arm, sent_at, success_signal, success_within
    FROM sent
    ORDER BY experiment, version, lead_id, sent_at, message_id
),
outcome AS (
    SELECT
        n.experiment,
        n.version,
        n.arm,
        count(*) AS leads,
        count(@extschema@.nurture_first_signal(n.lead_id, n.success_signal, n.sent_at, n.sent_at + n.success_within)) AS converted
    FROM entered n
    GROUP BY n.experiment, n.version, n.arm
),
used AS (
    SELECT s.experiment, s.version, s.arm, count(*) AS messages
    FROM sent s
    GROUP BY s.experiment, s.version, s.arm
),
-- what the assets of each arm are, where the variable is something else
look AS (
    SELECT
        s.experiment,
        s.version,
        s.arm,
        string_agg(DISTINCT a.format, ', ' ORDER BY a.format) AS format,
        string_agg(DISTINCT t.value, ', ' ORDER BY t.value) FILTER (WHERE t.dimension = 'topic') AS topic,
        string_agg(DISTINCT t.value, ', ' ORDER BY t.value) FILTER (WHERE t.dimension = 'offer') AS offer
    FROM sent s
    JOIN nurture.asset a ON a.asset_id = s.asset_id
    LEFT JOIN nurture.asset_tag t ON t.asset_id = s.asset_id AND t.version = s.asset_version
    GROUP BY s.experiment, s.version, s.arm
),
differs AS (
    SELECT l.experiment, l.version, 'assets of the arms differ in ' || d.what AS violation
    FROM look l
    JOIN run r ON r.experiment = l.experiment AND r.version = l.version AND r.variable IN ('subject', 'format', 'cta', 'theme')
    CROSS JOIN LATERAL (VALUES ('format', l.format, r.variable = 'format'), ('topic', l.topic, r.variable = 'theme'), ('offer', l.offer, r.variable = 'cta')) d (what, words, is_variable)
    WHERE NOT d.is_variable
    GROUP BY l.experiment, l.version, d.what
    HAVING count(DISTINCT coalesce(d.words, '')) > 1
),
shared AS (
    SELECT a.experiment, a.version,
        count(DISTINCT a.lead_id) || ' leads were in ' || b.experiment || ' too, which varies ' || b.variable AS violation
    FROM sent a
    JOIN sent b ON b.lead_id = a.lead_id AND (b.experiment, b.version) <> (a.experiment, a.version)
    JOIN run p ON p.experiment = a.experiment AND p.version = a.version
    JOIN run q ON q.experiment = b.experiment AND q.version = b.version
    WHERE p.began < q.ended AND q.began < p.ended
    GROUP BY a.experiment, a.version, b.experiment, b.version, b.variable
),
violated AS (
    SELECT experiment, version, string_agg(violation, '; ' ORDER BY violation COLLATE "C") AS violation
    FROM (SELECT * FROM differs UNION ALL SELECT * FROM shared) v
    GROUP BY experiment, version
),
arm AS (
    SELECT
        a.*,
        coalesce(o.leads, 0) AS leads,
        coalesce(o.converted, 0) AS converted,
        coalesce(u.messages, 0) AS messages,
        first_value(a.arm) OVER first AS reference,
        first_value(coalesce(o.leads, 0)) OVER first AS reference_leads,
        first_value(coalesce(o.converted, 0)) OVER first AS reference_converted,
        count(*) OVER (PARTITION BY a.experiment, a.version) AS arms,
        min(coalesce(o.leads, 0)) OVER (PARTITION BY a.experiment, a.version) AS least_leads
    FROM nurture.experiment_arm a
    LEFT JOIN outcome o ON o.experiment = a.experiment AND o.version = a.version AND o.arm = a.arm
    LEFT JOIN used u ON u.experiment = a.experiment AND u.version = a.version AND u.arm = a.arm
    WINDOW first AS (
        PARTITION BY a.experiment, a.version
        ORDER BY (a.family IS NULL AND a.format IS NULL AND a.required_tags IS NULL AND a.preferred_tags IS NULL AND a.send_at IS NULL AND coalesce(a.cadence_factor, 1) = 1) DESC, a.arm COLLATE "C")
)
SELECT
    r.experiment,
    r.version,
    r.title,
    r.variable,
    r.hypothesis,
    r.track,
    r.success_signal,
    CASE WHEN r.status = 'retired' AND r.retired_at < r.ends_at THEN 'stopped'
         WHEN r.began > @extschema@.nurture_now() THEN 'planned'
         WHEN r.ended > @extschema@.nurture_now() THEN 'running'
         ELSE 'ended' END AS status,
    r.began AS started_at,
    r.ended AS ended_at,
    a.arm,
    a.arm = a.reference AS is_reference,
    a.share,
    a.messages,
    a.leads,
    a.converted,
    CASE WHEN a.leads > 0 THEN a.converted::double precision / a.leads END AS conversion,
    w.low AS conversion_low,
    w.high AS conversion_high,
    CASE WHEN a.arm <> a.reference THEN d.low END AS difference_low,
    CASE WHEN a.arm <> a.reference THEN d.high END AS difference_high,
    CASE WHEN r.ended + r.success_within > @extschema@.nurture_now() THEN 'not ended'
         WHEN a.least_leads < r.min_leads THEN 'too few leads'
         WHEN a.arm = a.reference THEN 'reference'
         WHEN d.low > 0 THEN 'better'
         WHEN d.high < 0 THEN 'worse'
         ELSE 'no difference shown' END AS verdict,
    v.violation IS NULL AS one_variable,
    v.violation
FROM run r
JOIN arm a ON a.experiment = r.experiment AND a.version = r.version
LEFT JOIN violated v ON v.experiment = r.experiment AND v.version = r.version
CROSS JOIN LATERAL @extschema@.nurture_share_interval(a.converted, a.leads) w
CROSS JOIN LATERAL @extschema@.nurture_share_difference(a.converted, a.leads, a.reference_converted, a.reference_leads, 1 - 0.05 / greatest(a.arms - 1, 1)) d;
COMMENT ON VIEW nurture_bi.experiment IS 'One row per run of an experiment and arm. A lead counts in the arm that its lot fell on, from its first message on, whether or not the arm had something of its own to send; conversion is the share of them with the success signal in time.';
COMMENT ON COLUMN nurture_bi.experiment.experiment IS 'Experiment.';
COMMENT ON COLUMN nurture_bi.experiment.version IS 'Its version; one run.';
COMMENT ON COLUMN nurture_bi.experiment.title IS 'Words for people.';
COMMENT ON COLUMN nurture_bi.experiment.variable IS 'What the arms vary.';
COMMENT ON COLUMN nurture_bi.experiment.hypothesis IS 'What was expected.';
COMMENT ON COLUMN nurture_bi.experiment.track IS 'Track, or * for all.';
COMMENT ON COLUMN nurture_bi.experiment.success_signal IS 'What counts as success.';
COMMENT ON COLUMN nurture_bi.experiment.status IS 'planned, running, ended, or stopped before its time.';
COMMENT ON COLUMN nurture_bi.experiment.started_at IS 'When it began.';
COMMENT ON COLUMN nurture_bi.experiment.ended_at IS 'When it ended, or will.';
COMMENT ON COLUMN nurture_bi.experiment.arm IS 'Arm.';
COMMENT ON COLUMN nurture_bi.experiment.is_reference IS 'The arm that others are compared with: the one that changes nothing, else the first.';
COMMENT ON COLUMN nurture_bi.experiment.share IS 'Share of the leads that it should have.';
COMMENT ON COLUMN nurture_bi.experiment.messages IS 'Messages sent.';
COMMENT ON COLUMN nurture_bi.experiment.leads IS 'Leads that were sent one at least.';
COMMENT ON COLUMN nurture_bi.experiment.converted IS 'Of these, how many had the success signal within the time after their first.';
COMMENT ON COLUMN nurture_bi.experiment.conversion IS 'Their share.';
COMMENT ON COLUMN nurture_bi.experiment.conversion_low IS 'Lower end of its 95 % interval: Wilson''s score interval, (p + z^2/2n - z sqrt(p(1-p)/n + z^2/4n^2)) / (1 + z^2/n) with z = 1.96 (Wilson, JASA 22, 1927).';
COMMENT ON COLUMN nurture_bi.experiment.conversion_high IS 'Upper end, with + in place of the -.';
COMMENT ON COLUMN nurture_bi.experiment.difference_low IS 'Lower end of the interval of conversion less that of the reference (Newcombe, Statistics in Medicine 17, 1998, 873, method 10); with k arms at confidence 1 - 0.05 / (k - 1), so that all comparisons together hold at 95 % (Bonferroni).';
COMMENT ON COLUMN nurture_bi.experiment.difference_high IS 'Upper end.';
COMMENT ON COLUMN nurture_bi.experiment.verdict IS 'not ended: until the last lead had its time, because who looks every day and stops when it shines finds differences that are not there; too few leads: an arm has less than min_leads; reference; better, worse: the interval of the difference excludes 0; no difference shown.';
COMMENT ON COLUMN nurture_bi.experiment.one_variable IS 'Nothing but the variable differed, as far as messages show.';
COMMENT ON COLUMN nurture_bi.experiment.violation IS 'What else did: leads that were in another experiment during the run, assets of the arms that differ in format, topic or offer besides.';

CREATE VIEW nurture_bi.content_performance WITH (security_invoker = true) AS
WITH message AS (
    SELECT
        m.lead_id, m.message_id, m.asset_id, m.version, coalesce(m.purpose, a.purpose) AS purpose, m.sent_at, m.delivered_at, m.track, m.enrollment_no,
        EXISTS (SELECT FROM nurture.event e WHERE e.lead_id = m.lead_id AND e.message_id = m.message_id AND e.event_type IN ('email_opened', 'email_clicked', 'link_clicked')) AS opened,
        EXISTS (SELECT FROM nurture.event e WHERE e.lead_id = m.lead_id AND e.message_id = m.message_id AND e.event_type IN ('email_clicked', 'link_clicked')) AS clicked,
        m.outcome
    FROM nurture.message m
    JOIN nurture.asset a ON a.asset_id = m.asset_id
    JOIN nurture.lead l ON l.lead_id = m.lead_id AND NOT l.is_test
    WHERE m.sent_at IS NOT NULL AND m.version IS NOT NULL
),
-- of each lead what came after the first message with the version
reached AS (
    SELECT
        f.asset_id, f.version, f.purpose,
        count(*) AS leads,
        count(*) FILTER (WHERE EXISTS (
            SELECT FROM nurture.stage_history h
            JOIN nurture.stage o ON o.stage = h.old_stage AND o.audience_type = '*'
            JOIN nurture.stage n ON n.stage = h.new_stage AND n.audience_type = '*'
            WHERE h.lead_id = f.lead_id AND h.at > f.sent_at AND h.at <= f.sent_at + interval '30 days' AND n.stage_no > o.stage_no)) AS progressed,
        count(*) FILTER (WHERE EXISTS (
            SELECT FROM nurture.enrollment e
            WHERE e.lead_id = f.lead_id AND e.enrollment_no = f.enrollment_no AND e.state = 'completed' AND e.exit_reason = 'goal'
              AND e.exited_at > f.sent_at AND e.exited_at <= f.sent_at + interval '30 days')
            OR EXISTS (
            SELECT FROM nurture.event e
            JOIN nurture.event_type t ON t.event_type = e.event_type AND t.class = 'outcome' AND e.event_type <> 'lost'
            WHERE e.lead_id = f.lead_id AND e.occurred_at > f.sent_at AND e.occurred_at <= f.sent_at + interval '30 days')) AS converted
    FROM (SELECT DISTINCT ON (asset_id, version, purpose, lead_id) * FROM message ORDER BY asset_id, version, purpose, lead_id, sent_at, message_id) f
    GROUP BY f.asset_id, f.version, f.purpose
),
touched AS (
    SELECT
        asset_id, version, purpose,
        count(*) AS sent,
        count(*) FILTER (WHERE delivered_at IS NOT NULL) AS delivered,
        count(*) FILTER (WHERE opened) AS opened,
        count(*) FILTER (WHERE clicked) AS clicked,
        count(*) FILTER (WHERE outcome = 'unsubscribed') AS unsubscribed,
        count(*) FILTER (WHERE outcome IN ('soft_bounce', 'hard_bounce')) AS bounced,
        count(*) FILTER (WHERE outcome = 'complaint') AS complained,
        min(sent_at) AS first_sent_at,
        max(sent_at) AS last_sent_at
    FROM message
    GROUP BY asset_id, version, purpose
),
-- what leads took themselves, on the web and elsewhere
taken AS (
    SELECT e.asset_id, e.version, count(DISTINCT e.lead_id) AS leads
    FROM nurture.event e
    JOIN nurture.event_type t ON t.event_type = e.event_type AND t.class IN ('content', 'intent')
    JOIN nurture.lead l ON l.lead_id = e.lead_id AND NOT l.is_test
    WHERE e.asset_id IS NOT NULL AND e.version IS NOT NULL
    GROUP BY e.asset_id, e.version
)
SELECT
    v.asset_id,
    v.version,
    g.value AS topic,
    a.title,
    a.family,
    a.format,
    v.message_class,
    v.status,
    coalesce(t.purpose, a.purpose) AS purpose,
    coalesce(t.sent, 0) AS sent,
    coalesce(t.delivered, 0) AS delivered,
    coalesce(t.opened, 0) AS opened,
    coalesce(t.clicked, 0) AS clicked,
    coalesce(t.bounced, 0) AS bounced,
    coalesce(t.unsubscribed, 0) AS unsubscribed,
    coalesce(t.complained, 0) AS complained,
    coalesce(k.leads, 0) AS taken_leads,
    coalesce(r.leads, 0) AS leads,
    coalesce(r.progressed, 0) AS progressed,
    coalesce(r.converted, 0) AS converted,
    CASE WHEN t.sent > 0 THEN t.clicked::double precision / t.sent END AS click_share,
    c.low AS click_share_low,
    CASE WHEN r.leads > 0 THEN r.converted::double precision / r.leads END AS conversion,
    w.low AS conversion_low,
    w.high AS conversion_high,
    t.first_sent_at,
    t.last_sent_at
FROM nurture.asset_version v
JOIN nurture.asset a ON a.asset_id = v.asset_id AND a.format <> 'block'
LEFT JOIN nurture.asset_tag g ON g.asset_id = v.asset_id AND g.version = v.version AND g.dimension = 'topic'
LEFT JOIN touched t ON t.asset_id = v.asset_id AND t.version = v.version
LEFT JOIN reached r ON r.asset_id = v.asset_id AND r.version = v.version AND r.purpose = t.purpose
LEFT JOIN taken k ON k.asset_id = v.asset_id AND k.version = v.version
CROSS JOIN LATERAL @extschema@.nurture_share_interval(coalesce(t.clicked, 0), coalesce(t.sent, 0)) c
CROSS JOIN LATERAL @extschema@.nurture_share_interval(coalesce(r.converted, 0), coalesce(r.leads, 0)) w
WHERE v.status NOT IN ('draft', 'in_review') OR t.sent > 0;
COMMENT ON VIEW nurture_bi.content_performance IS 'Use and effect of asset versions: one row per version, topic and purpose. A version with two topics has two rows with the same figures, so sum over versions or over topics, not over both.';
COMMENT ON COLUMN nurture_bi.content_performance.asset_id IS 'Asset.';
COMMENT ON COLUMN nurture_bi.content_performance.version IS 'Version.';
COMMENT ON COLUMN nurture_bi.content_performance.topic IS 'Topic it is tagged with; NULL = none.';
COMMENT ON COLUMN nurture_bi.content_performance.title IS 'Words for people.';
COMMENT ON COLUMN nurture_bi.content_performance.family IS 'Family.';
COMMENT ON COLUMN nurture_bi.content_performance.format IS 'Format.';
COMMENT ON COLUMN nurture_bi.content_performance.message_class IS 'Message class.';
COMMENT ON COLUMN nurture_bi.content_performance.status IS 'Status of the version now.';
COMMENT ON COLUMN nurture_bi.content_performance.purpose IS 'Purpose of its messages.';
COMMENT ON COLUMN nurture_bi.content_performance.sent IS 'Messages that the provider had.';
COMMENT ON COLUMN nurture_bi.content_performance.delivered IS 'Of these, delivered.';
COMMENT ON COLUMN nurture_bi.content_performance.opened IS 'Of these, opened or clicked. Machines open mail: read it with care.';
COMMENT ON COLUMN nurture_bi.content_performance.clicked IS 'Of these, clicked.';
COMMENT ON COLUMN nurture_bi.content_performance.bounced IS 'Of these, bounced.';
COMMENT ON COLUMN nurture_bi.content_performance.unsubscribed IS 'Of these, answered by unsubscribing.';
COMMENT ON COLUMN nurture_bi.content_performance.complained IS 'Of these, complained about.';
COMMENT ON COLUMN nurture_bi.content_performance.taken_leads IS 'Leads that viewed, downloaded or asked for it by themselves, for whatever purpose.';
COMMENT ON COLUMN nurture_bi.content_performance.leads IS 'Leads that were sent it.';
COMMENT ON COLUMN nurture_bi.content_performance.progressed IS 'Of these, how many came to a higher lifecycle stage within 30 days of the first message with it.';
COMMENT ON COLUMN nurture_bi.content_performance.converted IS 'Of these, how many within 30 days reached the goal of the track that sent it, or had an event of class outcome (lost apart).';
COMMENT ON COLUMN nurture_bi.content_performance.click_share IS 'clicked / sent.';
COMMENT ON COLUMN nurture_bi.content_performance.click_share_low IS 'Lower end of its 95 % interval (Wilson), by which small numbers do not lead.';
COMMENT ON COLUMN nurture_bi.content_performance.conversion IS 'converted / leads.';
COMMENT ON COLUMN nurture_bi.content_performance.conversion_low IS 'Lower end of its 95 % interval (Wilson).';
COMMENT ON COLUMN nurture_bi.content_performance.conversion_high IS 'Upper end.';
COMMENT ON COLUMN nurture_bi.content_performance.first_sent_at IS 'First message.';
COMMENT ON COLUMN nurture_bi.content_performance.last_sent_at IS 'Last message.';
