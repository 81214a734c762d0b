-- Reports about standing and hand-offs. Shares are numbers from 0 to 1, NULL
-- when there is nothing to divide by; hours of teams are working hours of
-- their calendars. Test leads and merged ones are counted nowhere.

CREATE INDEX lead_uncounted ON nurture.lead (lead_id) WHERE is_test OR merged_into IS NOT NULL;

CREATE VIEW nurture_bi.triage_today WITH (security_invoker = true) AS
SELECT t.*
FROM @extschema@.nurture_triage() t;
COMMENT ON VIEW nurture_bi.triage_today IS 'What waits for a person today, in working order; nurture_triage(day) tells the same of another day.';
COMMENT ON COLUMN nurture_bi.triage_today.part IS 'new, low_confidence or review.';
COMMENT ON COLUMN nurture_bi.triage_today.place IS 'Place in its part.';
COMMENT ON COLUMN nurture_bi.triage_today.lead_id IS 'Lead.';
COMMENT ON COLUMN nurture_bi.triage_today.external_ref IS 'Identifier of the CRM.';
COMMENT ON COLUMN nurture_bi.triage_today.handoff_id IS 'Hand-off; NULL for reviews.';
COMMENT ON COLUMN nurture_bi.triage_today.review_id IS 'Review; NULL for hand-offs.';
COMMENT ON COLUMN nurture_bi.triage_today.product IS 'Product, or *.';
COMMENT ON COLUMN nurture_bi.triage_today.team IS 'Team.';
COMMENT ON COLUMN nurture_bi.triage_today.member IS 'Member; NULL until named.';
COMMENT ON COLUMN nurture_bi.triage_today.state IS 'State of the hand-off, or kind of the review.';
COMMENT ON COLUMN nurture_bi.triage_today.tier IS 'Tier when it was decided.';
COMMENT ON COLUMN nurture_bi.triage_today.grade IS 'Grade then.';
COMMENT ON COLUMN nurture_bi.triage_today.total IS 'Score then.';
COMMENT ON COLUMN nurture_bi.triage_today.confidence IS 'Share of fit points decided by known facts then; below 0.5 is apart.';
COMMENT ON COLUMN nurture_bi.triage_today.cause IS 'Event or route that led to it, or what the review is about.';
COMMENT ON COLUMN nurture_bi.triage_today.since IS 'Since when.';
COMMENT ON COLUMN nurture_bi.triage_today.due_at IS 'Until when it is to be accepted.';

CREATE VIEW nurture_bi.sla WITH (security_invoker = true) AS
SELECT
    h.team,
    h.route,
    l.audience_type,
    date_trunc('month', h.offered_at, 'UTC') AS month,
    count(*) AS handoffs,
    count(*) FILTER (WHERE h.accepted_at <= h.accept_due) AS accepted_in_time,
    count(*) FILTER (WHERE h.accepted_at > h.accept_due) AS accepted_late,
    count(*) FILTER (WHERE h.accepted_at IS NULL AND h.closed_at IS NOT NULL) AS not_accepted,
    count(*) FILTER (WHERE h.state = 'offered' AND h.accept_due < @extschema@.nurture_now()) AS acceptance_overdue,
    round(count(*) FILTER (WHERE h.accepted_at <= h.accept_due)::numeric
        / nullif(count(*) FILTER (WHERE h.accepted_at IS NOT NULL OR least(h.closed_at, @extschema@.nurture_now()) > h.accept_due), 0), 4) AS accepted_in_time_share,
    round((@extschema@.nurture_median(date_part('epoch', h.accept_time) / 3600))::numeric, 2) AS median_accept_hours,
    count(*) FILTER (WHERE h.first_response_at <= h.first_response_due) AS responded_in_time,
    count(*) FILTER (WHERE h.first_response_at > h.first_response_due) AS responded_late,
    count(*) FILTER (WHERE h.state = 'accepted' AND h.first_response_at IS NULL AND h.first_response_due < @extschema@.nurture_now()) AS response_overdue,
    round(count(*) FILTER (WHERE h.first_response_at <= h.first_response_due)::numeric
        / nullif(count(*) FILTER (WHERE h.first_response_at IS NOT NULL OR (h.accepted_at IS NOT NULL AND least(h.closed_at, @extschema@.nurture_now()) > h.first_response_due)), 0), 4) AS responded_in_time_share,
    round((@extschema@.nurture_median(date_part('epoch', h.response_time) / 3600))::numeric, 2) AS median_response_hours,
    count(*) FILTER (WHERE h.accept_escalated_at IS NOT NULL OR h.response_escalated_at IS NOT NULL) AS escalated
FROM (
    SELECT
        d.*,
        CASE WHEN d.accepted_at IS NOT NULL THEN @extschema@.nurture_working_time(t.calendar, d.offered_at, d.accepted_at) END AS accept_time,
        CASE WHEN d.first_response_at IS NOT NULL THEN @extschema@.nurture_working_time(t.calendar, d.offered_at, d.first_response_at) END AS response_time
    FROM nurture.handoff d
    LEFT JOIN nurture.team t ON t.team = d.team
    WHERE d.offered_at IS NOT NULL
) h
JOIN nurture.lead l ON l.lead_id = h.lead_id AND NOT l.is_test
GROUP BY h.team, h.route, l.audience_type, date_trunc('month', h.offered_at, 'UTC');
COMMENT ON VIEW nurture_bi.sla IS 'Acceptance and first response against their clocks, by team, route, audience and month; times in working hours of the team.';
COMMENT ON COLUMN nurture_bi.sla.team IS 'Team.';
COMMENT ON COLUMN nurture_bi.sla.route IS 'Route.';
COMMENT ON COLUMN nurture_bi.sla.audience_type IS 'Audience of the leads now.';
COMMENT ON COLUMN nurture_bi.sla.month IS 'Month in which they were offered (UTC).';
COMMENT ON COLUMN nurture_bi.sla.handoffs IS 'Hand-offs that were offered.';
COMMENT ON COLUMN nurture_bi.sla.accepted_in_time IS 'Accepted before the clock was up.';
COMMENT ON COLUMN nurture_bi.sla.accepted_late IS 'Accepted after it.';
COMMENT ON COLUMN nurture_bi.sla.not_accepted IS 'Ended without being accepted.';
COMMENT ON COLUMN nurture_bi.sla.acceptance_overdue IS 'Waiting although the clock is up.';
COMMENT ON COLUMN nurture_bi.sla.accepted_in_time_share IS 'Of those accepted, or not by the time the clock was up, how many were accepted in time.';
COMMENT ON COLUMN nurture_bi.sla.median_accept_hours IS 'Working hours from the offer to its acceptance.';
COMMENT ON COLUMN nurture_bi.sla.responded_in_time IS 'First attempt logged before the clock was up.';
COMMENT ON COLUMN nurture_bi.sla.responded_late IS 'After it.';
COMMENT ON COLUMN nurture_bi.sla.response_overdue IS 'Accepted, no attempt, and the clock is up.';
COMMENT ON COLUMN nurture_bi.sla.responded_in_time_share IS 'Of those answered, or not by the time the clock was up, how many were answered in time.';
COMMENT ON COLUMN nurture_bi.sla.median_response_hours IS 'Working hours from the offer to the first attempt.';
COMMENT ON COLUMN nurture_bi.sla.escalated IS 'Told to others because a clock was up.';

CREATE VIEW nurture_bi.stage_step WITH (security_invoker = true) AS
SELECT
    s.lead_id,
    s.product,
    s.stage,
    n.stage_no,
    s.reached_at,
    s.next_at
FROM nurture.stage_step s
JOIN nurture.lead l ON l.lead_id = s.lead_id
JOIN (SELECT g.stage, max(g.stage_no) AS stage_no FROM nurture.stage g GROUP BY g.stage) n ON n.stage = s.stage
WHERE s.reached_at IS NOT NULL;
COMMENT ON VIEW nurture_bi.stage_step IS 'When each lead first reached each stage, and when it went on to a later one: one row per lead, product and stage.';
COMMENT ON COLUMN nurture_bi.stage_step.lead_id IS 'Lead.';
COMMENT ON COLUMN nurture_bi.stage_step.product IS 'Product, or *.';
COMMENT ON COLUMN nurture_bi.stage_step.stage IS 'Stage.';
COMMENT ON COLUMN nurture_bi.stage_step.stage_no IS 'Its order; 0 = outside the funnel.';
COMMENT ON COLUMN nurture_bi.stage_step.reached_at IS 'When the lead first reached it.';
COMMENT ON COLUMN nurture_bi.stage_step.next_at IS 'When it first reached the next later stage it has reached; NULL = not yet.';

CREATE VIEW nurture_bi.funnel WITH (security_invoker = true) AS
SELECT
    f.product,
    f.stage,
    n.stage_no,
    sum(f.reached)::bigint AS reached,
    sum(f.moved_on)::bigint AS moved_on,
    round(sum(f.moved_on) / nullif(sum(f.reached), 0), 4) AS conversion,
    max(f.median_days) AS median_days_to_next,
    sum(f.leads_now)::bigint AS leads_now
FROM (
    WITH steps AS (
        SELECT
            s.product,
            s.stage,
            count(s.reached_at) AS reached,
            count(s.next_at) AS moved_on,
            round((@extschema@.nurture_median(date_part('epoch', s.next_at - s.reached_at) / 86400))::numeric, 2) AS median_days,
            count(*) FILTER (WHERE s.is_now) AS leads_now
        FROM nurture.stage_step s
        GROUP BY s.product, s.stage
    )
    SELECT
        s.product,
        s.stage,
        CASE WHEN s.stage <> 'new' THEN s.reached ELSE 0 END AS reached,
        CASE WHEN s.stage <> 'new' THEN s.moved_on ELSE 0 END AS moved_on,
        CASE WHEN s.stage <> 'new' THEN s.median_days END AS median_days,
        s.leads_now
    FROM steps s
    UNION ALL
    SELECT
        '*',
        'new',
        count(*),
        0,
        NULL,
        count(*)
    FROM nurture.lead l
    WHERE NOT l.is_test AND l.merged_into IS NULL
    UNION ALL
    SELECT
        '*',
        'new',
        0,
        CASE WHEN s.stage <> 'new' THEN s.leads_now ELSE 0 END,
        NULL,
        -s.leads_now
    FROM steps s
    WHERE s.product = '*'
) f
LEFT JOIN (SELECT g.stage, max(g.stage_no) AS stage_no FROM nurture.stage g GROUP BY g.stage) n ON n.stage = f.stage
GROUP BY f.product, f.stage, n.stage_no
HAVING sum(f.reached) > 0 OR sum(f.leads_now) > 0;
COMMENT ON VIEW nurture_bi.funnel IS 'Leads that reached each stage, how many went on and how long it took them.';
COMMENT ON COLUMN nurture_bi.funnel.product IS 'Product, or * for none in particular.';
COMMENT ON COLUMN nurture_bi.funnel.stage IS 'Stage.';
COMMENT ON COLUMN nurture_bi.funnel.stage_no IS 'Its order; 0 = outside the funnel.';
COMMENT ON COLUMN nurture_bi.funnel.reached IS 'Leads that ever reached it; new: all leads.';
COMMENT ON COLUMN nurture_bi.funnel.moved_on IS 'Of these, how many reached a later one afterwards.';
COMMENT ON COLUMN nurture_bi.funnel.conversion IS 'Their share.';
COMMENT ON COLUMN nurture_bi.funnel.median_days_to_next IS 'Median days until they did; NULL for new.';
COMMENT ON COLUMN nurture_bi.funnel.leads_now IS 'Leads that are in it now.';

CREATE VIEW nurture_bi.funnel_by_source WITH (security_invoker = true) AS
SELECT
    f.source,
    f.product,
    f.stage,
    n.stage_no,
    sum(f.reached)::bigint AS reached,
    sum(f.moved_on)::bigint AS moved_on,
    round(sum(f.moved_on) / nullif(sum(f.reached), 0), 4) AS conversion,
    max(f.median_days) AS median_days_to_next,
    sum(f.leads_now)::bigint AS leads_now
FROM (
    WITH steps AS (
        SELECT
            s.source,
            s.product,
            s.stage,
            count(s.reached_at) AS reached,
            count(s.next_at) AS moved_on,
            round((@extschema@.nurture_median(date_part('epoch', s.next_at - s.reached_at) / 86400))::numeric, 2) AS median_days,
            count(*) FILTER (WHERE s.is_now) AS leads_now
        FROM nurture.stage_step s
        GROUP BY s.source, s.product, s.stage
    )
    SELECT
        s.source,
        s.product,
        s.stage,
        CASE WHEN s.stage <> 'new' THEN s.reached ELSE 0 END AS reached,
        CASE WHEN s.stage <> 'new' THEN s.moved_on ELSE 0 END AS moved_on,
        CASE WHEN s.stage <> 'new' THEN s.median_days END AS median_days,
        s.leads_now
    FROM steps s
    UNION ALL
    SELECT
        l.source,
        '*',
        'new',
        count(*),
        0,
        NULL,
        count(*)
    FROM nurture.lead l
    WHERE NOT l.is_test AND l.merged_into IS NULL
    GROUP BY l.source
    UNION ALL
    SELECT
        s.source,
        '*',
        'new',
        0,
        CASE WHEN s.stage <> 'new' THEN s.leads_now ELSE 0 END,
        NULL,
        -s.leads_now
    FROM steps s
    WHERE s.product = '*'
) f
LEFT JOIN (SELECT g.stage, max(g.stage_no) AS stage_no FROM nurture.stage g GROUP BY g.stage) n ON n.stage = f.stage
GROUP BY f.source, f.product, f.stage, n.stage_no
HAVING sum(f.reached) > 0 OR sum(f.leads_now) > 0;
COMMENT ON VIEW nurture_bi.funnel_by_source IS 'The funnel by where the leads came from.';
COMMENT ON COLUMN nurture_bi.funnel_by_source.source IS 'Where the leads came from; NULL = not known.';
COMMENT ON COLUMN nurture_bi.funnel_by_source.product IS 'Product, or * for none in particular.';
COMMENT ON COLUMN nurture_bi.funnel_by_source.stage IS 'Stage.';
COMMENT ON COLUMN nurture_bi.funnel_by_source.stage_no IS 'Its order; 0 = outside the funnel.';
COMMENT ON COLUMN nurture_bi.funnel_by_source.reached IS 'Leads that ever reached it; new: all leads.';
COMMENT ON COLUMN nurture_bi.funnel_by_source.moved_on IS 'Of these, how many reached a later one afterwards.';
COMMENT ON COLUMN nurture_bi.funnel_by_source.conversion IS 'Their share.';
COMMENT ON COLUMN nurture_bi.funnel_by_source.median_days_to_next IS 'Median days until they did; NULL for new.';
COMMENT ON COLUMN nurture_bi.funnel_by_source.leads_now IS 'Leads that are in it now.';

CREATE VIEW nurture_bi.funnel_by_segment WITH (security_invoker = true) AS
SELECT
    f.audience_type,
    f.country,
    f.product,
    f.stage,
    n.stage_no,
    sum(f.reached)::bigint AS reached,
    sum(f.moved_on)::bigint AS moved_on,
    round(sum(f.moved_on) / nullif(sum(f.reached), 0), 4) AS conversion,
    max(f.median_days) AS median_days_to_next,
    sum(f.leads_now)::bigint AS leads_now
FROM (
    WITH steps AS (
        SELECT
            s.audience_type,
            s.country,
            s.product,
            s.stage,
            count(s.reached_at) AS reached,
            count(s.next_at) AS moved_on,
            round((@extschema@.nurture_median(date_part('epoch', s.next_at - s.reached_at) / 86400))::numeric, 2) AS median_days,
            count(*) FILTER (WHERE s.is_now) AS leads_now
        FROM nurture.stage_step s
        GROUP BY s.audience_type, s.country, s.product, s.stage
    )
    SELECT
        s.audience_type,
        s.country,
        s.product,
        s.stage,
        CASE WHEN s.stage <> 'new' THEN s.reached ELSE 0 END AS reached,
        CASE WHEN s.stage <> 'new' THEN s.moved_on ELSE 0 END AS moved_on,
        CASE WHEN s.stage <> 'new' THEN s.median_days END AS median_days,
        s.leads_now
    FROM steps s
    UNION ALL
    SELECT
        l.audience_type,
        l.country,
        '*',
        'new',
        count(*),
        0,
        NULL,
        count(*)
    FROM nurture.lead l
    WHERE NOT l.is_test AND l.merged_into IS NULL
    GROUP BY l.audience_type, l.country
    UNION ALL
    SELECT
        s.audience_type,
        s.country,
        '*',
        'new',
        0,
        CASE WHEN s.stage <> 'new' THEN s.leads_now ELSE 0 END,
        NULL,
        -s.leads_now
    FROM steps s
    WHERE s.product = '*'
) f
LEFT JOIN (SELECT g.stage, max(g.stage_no) AS stage_no FROM nurture.stage g GROUP BY g.stage) n ON n.stage = f.stage
GROUP BY f.audience_type, f.country, f.product, f.stage, n.stage_no
HAVING sum(f.reached) > 0 OR sum(f.leads_now) > 0;
COMMENT ON VIEW nurture_bi.funnel_by_segment IS 'The funnel by audience and country.';
COMMENT ON COLUMN nurture_bi.funnel_by_segment.audience_type IS 'Audience.';
COMMENT ON COLUMN nurture_bi.funnel_by_segment.country IS 'ISO 3166-1 alpha-2; NULL = not known.';
COMMENT ON COLUMN nurture_bi.funnel_by_segment.product IS 'Product, or * for none in particular.';
COMMENT ON COLUMN nurture_bi.funnel_by_segment.stage IS 'Stage.';
COMMENT ON COLUMN nurture_bi.funnel_by_segment.stage_no IS 'Its order; 0 = outside the funnel.';
COMMENT ON COLUMN nurture_bi.funnel_by_segment.reached IS 'Leads that ever reached it; new: all leads.';
COMMENT ON COLUMN nurture_bi.funnel_by_segment.moved_on IS 'Of these, how many reached a later one afterwards.';
COMMENT ON COLUMN nurture_bi.funnel_by_segment.conversion IS 'Their share.';
COMMENT ON COLUMN nurture_bi.funnel_by_segment.median_days_to_next IS 'Median days until they did; NULL for new.';
COMMENT ON COLUMN nurture_bi.funnel_by_segment.leads_now IS 'Leads that are in it now.';

CREATE VIEW nurture_bi.qualification WITH (security_invoker = true) AS
WITH standing AS (
    SELECT
        s.product,
        l.audience_type,
        s.tier,
        s.fails_with,
        s.stage = 'disqualified' AS disqualified,
        count(*) AS leads,
        count(*) FILTER (WHERE s.tier_since > @extschema@.nurture_now() - interval '30 days') AS latest,
        count(*) FILTER (WHERE s.tier_since > @extschema@.nurture_now() - interval '60 days' AND s.tier_since <= @extschema@.nurture_now() - interval '30 days') AS before
    FROM nurture.lead_stage s
    JOIN nurture.lead l ON l.lead_id = s.lead_id AND NOT l.is_test AND l.merged_into IS NULL
    GROUP BY s.product, l.audience_type, s.tier, s.fails_with, s.stage = 'disqualified'
)
SELECT
    q.product,
    q.audience_type,
    q.tier,
    q.outcome,
    q.reason,
    sum(q.leads)::bigint AS leads,
    sum(q.latest)::bigint AS leads_30_days,
    sum(q.before)::bigint AS leads_30_days_before
FROM (
    SELECT s.product, s.audience_type, t.tier, 'passed' AS outcome, NULL AS reason, s.leads, s.latest, s.before
    FROM standing s
    CROSS JOIN generate_series(1, 4) t (tier)
    WHERE s.tier >= t.tier AND NOT s.disqualified
    UNION ALL
    SELECT s.product, s.audience_type, s.tier + 1, 'failed', f.reason, s.leads, s.latest, s.before
    FROM standing s
    LEFT JOIN LATERAL unnest(s.fails_with) f (reason) ON true
    WHERE s.tier < 4 AND NOT s.disqualified
    UNION ALL
    SELECT
        d.product,
        l.audience_type,
        NULL,
        CASE WHEN d.excludes THEN 'disqualified' ELSE 'lowered' END,
        d.reason,
        count(DISTINCT d.lead_id),
        count(DISTINCT d.lead_id) FILTER (WHERE d.recorded_at > @extschema@.nurture_now() - interval '30 days'),
        count(DISTINCT d.lead_id) FILTER (WHERE d.recorded_at > @extschema@.nurture_now() - interval '60 days' AND d.recorded_at <= @extschema@.nurture_now() - interval '30 days')
    FROM nurture.disqualification d
    JOIN nurture.lead l ON l.lead_id = d.lead_id AND NOT l.is_test AND l.merged_into IS NULL
    WHERE d.valid_during @> @extschema@.nurture_now()
    GROUP BY d.product, l.audience_type, d.excludes, d.reason
) q
GROUP BY q.product, q.audience_type, q.tier, q.outcome, q.reason;
COMMENT ON VIEW nurture_bi.qualification IS 'How many leads pass each tier and why others do not, and what disqualifies leads, with the trend over 30 days. A lead that fails for two reasons is in two rows.';
COMMENT ON COLUMN nurture_bi.qualification.product IS 'Product, or * for none in particular.';
COMMENT ON COLUMN nurture_bi.qualification.audience_type IS 'Audience.';
COMMENT ON COLUMN nurture_bi.qualification.tier IS '1 identity, 2 fit, 3 intent, 4 readiness; NULL for disqualifiers.';
COMMENT ON COLUMN nurture_bi.qualification.outcome IS 'passed, failed (this is the first tier that is not passed), disqualified, or lowered by a disqualifier that does not exclude.';
COMMENT ON COLUMN nurture_bi.qualification.reason IS 'What the requirement fails with, or the disqualifier; NULL when passed.';
COMMENT ON COLUMN nurture_bi.qualification.leads IS 'Leads.';
COMMENT ON COLUMN nurture_bi.qualification.leads_30_days IS 'Of these, how many came to it in the last 30 days.';
COMMENT ON COLUMN nurture_bi.qualification.leads_30_days_before IS 'And in the 30 days before.';

CREATE VIEW nurture_bi.outcome_by_grade WITH (security_invoker = true) AS
SELECT
    h.product,
    h.lane,
    h.grade,
    count(*) AS handoffs,
    count(h.accepted_at) AS accepted,
    count(h.met_at) AS met,
    count(*) FILTER (WHERE h.state = 'converted') AS converted,
    count(*) FILTER (WHERE h.state = 'rejected') AS rejected,
    count(*) FILTER (WHERE h.state = 'returned') AS returned,
    count(*) FILTER (WHERE h.state = 'expired') AS expired,
    count(*) FILTER (WHERE h.is_open) AS open,
    round(count(h.accepted_at)::numeric / nullif(count(*) FILTER (WHERE h.accepted_at IS NOT NULL OR NOT h.is_open), 0), 4) AS acceptance_rate,
    round(count(h.met_at)::numeric / nullif(count(h.accepted_at), 0), 4) AS meeting_rate,
    round(count(*) FILTER (WHERE h.state = 'converted')::numeric / nullif(count(h.accepted_at) FILTER (WHERE NOT h.is_open), 0), 4) AS conversion_rate
FROM nurture.handoff h
WHERE NOT EXISTS (SELECT FROM nurture.lead x WHERE x.lead_id = h.lead_id AND (x.is_test OR x.merged_into IS NOT NULL))
GROUP BY h.product, h.lane, h.grade;
COMMENT ON VIEW nurture_bi.outcome_by_grade IS 'What became of hand-offs, by the grade the lead had then.';
COMMENT ON COLUMN nurture_bi.outcome_by_grade.product IS 'Product, or *.';
COMMENT ON COLUMN nurture_bi.outcome_by_grade.lane IS 'business, medical or safety.';
COMMENT ON COLUMN nurture_bi.outcome_by_grade.grade IS 'Grade when the lead was handed over; NULL when no model applied.';
COMMENT ON COLUMN nurture_bi.outcome_by_grade.handoffs IS 'Hand-offs.';
COMMENT ON COLUMN nurture_bi.outcome_by_grade.accepted IS 'Accepted.';
COMMENT ON COLUMN nurture_bi.outcome_by_grade.met IS 'With a meeting held.';
COMMENT ON COLUMN nurture_bi.outcome_by_grade.converted IS 'Ended with success.';
COMMENT ON COLUMN nurture_bi.outcome_by_grade.rejected IS 'Rejected.';
COMMENT ON COLUMN nurture_bi.outcome_by_grade.returned IS 'Returned to nurture.';
COMMENT ON COLUMN nurture_bi.outcome_by_grade.expired IS 'Offers nobody answered.';
COMMENT ON COLUMN nurture_bi.outcome_by_grade.open IS 'Not ended yet.';
COMMENT ON COLUMN nurture_bi.outcome_by_grade.acceptance_rate IS 'Accepted of those that were answered or ended.';
COMMENT ON COLUMN nurture_bi.outcome_by_grade.meeting_rate IS 'Met of those accepted.';
COMMENT ON COLUMN nurture_bi.outcome_by_grade.conversion_rate IS 'Converted of those accepted that have ended.';

CREATE VIEW nurture_bi.outcome_by_tier WITH (security_invoker = true) AS
SELECT
    h.product,
    h.lane,
    h.tier,
    count(*) AS handoffs,
    count(h.accepted_at) AS accepted,
    count(h.met_at) AS met,
    count(*) FILTER (WHERE h.state = 'converted') AS converted,
    count(*) FILTER (WHERE h.state = 'rejected') AS rejected,
    count(*) FILTER (WHERE h.state = 'returned') AS returned,
    count(*) FILTER (WHERE h.state = 'expired') AS expired,
    count(*) FILTER (WHERE h.is_open) AS open,
    round(count(h.accepted_at)::numeric / nullif(count(*) FILTER (WHERE h.accepted_at IS NOT NULL OR NOT h.is_open), 0), 4) AS acceptance_rate,
    round(count(h.met_at)::numeric / nullif(count(h.accepted_at), 0), 4) AS meeting_rate,
    round(count(*) FILTER (WHERE h.state = 'converted')::numeric / nullif(count(h.accepted_at) FILTER (WHERE NOT h.is_open), 0), 4) AS conversion_rate
FROM nurture.handoff h
WHERE NOT EXISTS (SELECT FROM nurture.lead x WHERE x.lead_id = h.lead_id AND (x.is_test OR x.merged_into IS NOT NULL))
GROUP BY h.product, h.lane, h.tier;
COMMENT ON VIEW nurture_bi.outcome_by_tier IS 'What became of hand-offs, by the tier the lead had then.';
COMMENT ON COLUMN nurture_bi.outcome_by_tier.product IS 'Product, or *.';
COMMENT ON COLUMN nurture_bi.outcome_by_tier.lane IS 'business, medical or safety.';
COMMENT ON COLUMN nurture_bi.outcome_by_tier.tier IS 'Tier when the lead was handed over.';
COMMENT ON COLUMN nurture_bi.outcome_by_tier.handoffs IS 'Hand-offs.';
COMMENT ON COLUMN nurture_bi.outcome_by_tier.accepted IS 'Accepted.';
COMMENT ON COLUMN nurture_bi.outcome_by_tier.met IS 'With a meeting held.';
COMMENT ON COLUMN nurture_bi.outcome_by_tier.converted IS 'Ended with success.';
COMMENT ON COLUMN nurture_bi.outcome_by_tier.rejected IS 'Rejected.';
COMMENT ON COLUMN nurture_bi.outcome_by_tier.returned IS 'Returned to nurture.';
COMMENT ON COLUMN nurture_bi.outcome_by_tier.expired IS 'Offers nobody answered.';
COMMENT ON COLUMN nurture_bi.outcome_by_tier.open IS 'Not ended yet.';
COMMENT ON COLUMN nurture_bi.outcome_by_tier.acceptance_rate IS 'Accepted of those that were answered or ended.';
COMMENT ON COLUMN nurture_bi.outcome_by_tier.meeting_rate IS 'Met of those accepted.';
COMMENT ON COLUMN nurture_bi.outcome_by_tier.conversion_rate IS 'Converted of those accepted that have ended.';

CREATE VIEW nurture_bi.meeting_rate WITH (security_invoker = true) AS
SELECT
    date_trunc('month', h.created_at, 'UTC') AS month,
    h.team,
    l.audience_type,
    count(*) AS handoffs,
    count(h.accepted_at) AS accepted,
    count(*) FILTER (WHERE a.booked) AS booked,
    count(h.met_at) AS held,
    count(*) FILTER (WHERE a.no_show) AS no_shows,
    round(count(*) FILTER (WHERE a.booked)::numeric / nullif(count(h.accepted_at), 0), 4) AS booked_rate,
    round(count(h.met_at)::numeric / nullif(count(h.accepted_at), 0), 4) AS meeting_rate
FROM nurture.handoff h
JOIN nurture.lead l ON l.lead_id = h.lead_id AND NOT l.is_test AND l.merged_into IS NULL
LEFT JOIN (
    SELECT
        t.lead_id,
        t.handoff_id,
        bool_or(t.outcome IN ('meeting_booked', 'meeting_held')) AS booked,
        bool_or(t.outcome = 'meeting_no_show') AS no_show
    FROM nurture.attempt t
    WHERE t.outcome IN ('meeting_booked', 'meeting_held', 'meeting_no_show')
    GROUP BY t.lead_id, t.handoff_id
) a ON a.lead_id = h.lead_id AND a.handoff_id = h.handoff_id
WHERE h.lane = 'business'
GROUP BY date_trunc('month', h.created_at, 'UTC'), h.team, l.audience_type;
COMMENT ON VIEW nurture_bi.meeting_rate IS 'Meetings of the hand-offs of a month, by team and audience.';
COMMENT ON COLUMN nurture_bi.meeting_rate.month IS 'Month in which the leads were handed over (UTC).';
COMMENT ON COLUMN nurture_bi.meeting_rate.team IS 'Team.';
COMMENT ON COLUMN nurture_bi.meeting_rate.audience_type IS 'Audience.';
COMMENT ON COLUMN nurture_bi.meeting_rate.handoffs IS 'Hand-offs.';
COMMENT ON COLUMN nurture_bi.meeting_rate.accepted IS 'Accepted.';
COMMENT ON COLUMN nurture_bi.meeting_rate.booked IS 'With a meeting booked or held.';
COMMENT ON COLUMN nurture_bi.meeting_rate.held IS 'With a meeting held.';
COMMENT ON COLUMN nurture_bi.meeting_rate.no_shows IS 'With a meeting the lead did not come to.';
COMMENT ON COLUMN nurture_bi.meeting_rate.booked_rate IS 'Booked of those accepted.';
COMMENT ON COLUMN nurture_bi.meeting_rate.meeting_rate IS 'Held of those accepted.';

CREATE VIEW nurture_bi.time_to_next_action WITH (security_invoker = true) AS
SELECT
    s.team,
    s.route,
    s.action,
    s.action_no,
    count(*) AS handoffs,
    round((percentile_cont(0.5) WITHIN GROUP (ORDER BY (extract(epoch FROM s.to_at - s.from_at) / 3600)::double precision))::numeric, 2) AS median_hours,
    round((percentile_cont(0.9) WITHIN GROUP (ORDER BY (extract(epoch FROM s.to_at - s.from_at) / 3600)::double precision))::numeric, 2) AS p90_hours,
    round((percentile_cont(0.5) WITHIN GROUP (ORDER BY (extract(epoch FROM @extschema@.nurture_working_time(t.calendar, s.from_at, s.to_at)) / 3600)::double precision))::numeric, 2) AS median_working_hours
FROM (
    SELECT h.team, h.route, a.action, a.action_no, a.from_at, a.to_at
    FROM nurture.handoff h
    CROSS JOIN LATERAL (VALUES
        ('accept', 1, h.offered_at, h.accepted_at),
        ('first_attempt', 2, h.accepted_at, h.first_response_at),
        ('meeting', 4, h.first_response_at, h.met_at),
        ('close', 5, h.accepted_at, h.closed_at)
    ) a (action, action_no, from_at, to_at)
    WHERE a.from_at IS NOT NULL AND a.to_at IS NOT NULL AND NOT EXISTS (SELECT FROM nurture.lead x WHERE x.lead_id = h.lead_id AND (x.is_test OR x.merged_into IS NOT NULL))
    UNION ALL
    SELECT h.team, h.route, 'next_attempt', 3, n.from_at, n.at
    FROM (SELECT t.lead_id, t.handoff_id, t.at, lag(t.at) OVER (PARTITION BY t.lead_id, t.handoff_id ORDER BY t.attempt_no) AS from_at FROM nurture.attempt t) n
    JOIN nurture.handoff h ON h.lead_id = n.lead_id AND h.handoff_id = n.handoff_id
    WHERE n.from_at IS NOT NULL AND NOT EXISTS (SELECT FROM nurture.lead x WHERE x.lead_id = h.lead_id AND (x.is_test OR x.merged_into IS NOT NULL))
) s
LEFT JOIN nurture.team t ON t.team = s.team
GROUP BY s.team, s.route, s.action, s.action_no;
COMMENT ON VIEW nurture_bi.time_to_next_action IS 'How long teams take from one action to the next, in hours and in working hours.';
COMMENT ON COLUMN nurture_bi.time_to_next_action.team IS 'Team.';
COMMENT ON COLUMN nurture_bi.time_to_next_action.route IS 'Route.';
COMMENT ON COLUMN nurture_bi.time_to_next_action.action IS 'accept (from the offer), first_attempt (from the acceptance), next_attempt (from the one before), meeting (held, from the first attempt), close (from the acceptance).';
COMMENT ON COLUMN nurture_bi.time_to_next_action.action_no IS 'Its order.';
COMMENT ON COLUMN nurture_bi.time_to_next_action.handoffs IS 'How often it was made.';
COMMENT ON COLUMN nurture_bi.time_to_next_action.median_hours IS 'Median of the hours it took.';
COMMENT ON COLUMN nurture_bi.time_to_next_action.p90_hours IS 'Nine of ten took less.';
COMMENT ON COLUMN nurture_bi.time_to_next_action.median_working_hours IS 'Median in working hours of the team.';

CREATE VIEW nurture_bi.handoff_quality WITH (security_invoker = true) AS
SELECT
    h.team,
    h.route,
    h.state,
    CASE WHEN h.reason ~ '^[a-z][a-z0-9_]*$' THEN h.reason WHEN h.reason IS NOT NULL THEN 'in_words' END AS reason,
    count(*) AS handoffs,
    count(h.accepted_at) AS accepted,
    count(*) FILTER (WHERE h.closed_at IS NOT NULL AND h.state <> 'converted' AND EXISTS (
        SELECT
        FROM nurture.handoff o
        WHERE o.lead_id = h.lead_id AND o.product = h.product AND o.lane = h.lane AND o.team <> h.team
            AND o.created_at >= h.closed_at AND o.created_at < h.closed_at + interval '30 days'
    )) AS rerouted,
    coalesce(sum(f.verdicts), 0)::bigint AS feedback,
    coalesce(sum(f.useful), 0)::bigint AS useful,
    coalesce(sum(f.not_actionable), 0)::bigint AS not_actionable,
    coalesce(sum(f.too_early), 0)::bigint AS too_early,
    coalesce(sum(f.wrong_team), 0)::bigint AS wrong_team,
    coalesce(sum(f.wrong_depth), 0)::bigint AS wrong_depth,
    coalesce(sum(f.inaccurate), 0)::bigint AS inaccurate,
    round(sum(f.useful) / nullif(sum(f.verdicts), 0), 4) AS actionable_share
FROM nurture.handoff h
LEFT JOIN (
    SELECT
        v.lead_id,
        v.handoff_id,
        count(*) AS verdicts,
        count(*) FILTER (WHERE v.verdict = 'useful') AS useful,
        count(*) FILTER (WHERE v.verdict = 'not_actionable') AS not_actionable,
        count(*) FILTER (WHERE v.verdict = 'too_early') AS too_early,
        count(*) FILTER (WHERE v.verdict = 'wrong_team') AS wrong_team,
        count(*) FILTER (WHERE v.verdict = 'wrong_depth') AS wrong_depth,
        count(*) FILTER (WHERE v.verdict = 'inaccurate') AS inaccurate
    FROM (
        SELECT DISTINCT ON (f.lead_id, f.about, f.about_id, f.actor)
            f.lead_id,
            f.about_id AS handoff_id,
            f.verdict
        FROM nurture.feedback f
        WHERE f.about = 'handoff'
        ORDER BY f.lead_id, f.about, f.about_id, f.actor, f.feedback_no DESC
    ) v
    GROUP BY v.lead_id, v.handoff_id
) f ON f.lead_id = h.lead_id AND f.handoff_id = h.handoff_id
WHERE NOT EXISTS (SELECT FROM nurture.lead x WHERE x.lead_id = h.lead_id AND (x.is_test OR x.merged_into IS NOT NULL))
GROUP BY h.team, h.route, h.state, CASE WHEN h.reason ~ '^[a-z][a-z0-9_]*$' THEN h.reason WHEN h.reason IS NOT NULL THEN 'in_words' END;
COMMENT ON VIEW nurture_bi.handoff_quality IS 'What became of hand-offs and what teams thought of them, by team, route, state and reason.';
COMMENT ON COLUMN nurture_bi.handoff_quality.team IS 'Team.';
COMMENT ON COLUMN nurture_bi.handoff_quality.route IS 'Route.';
COMMENT ON COLUMN nurture_bi.handoff_quality.state IS 'State now.';
COMMENT ON COLUMN nurture_bi.handoff_quality.reason IS 'Why it ended, when that is a code; in_words when it is not.';
COMMENT ON COLUMN nurture_bi.handoff_quality.handoffs IS 'Hand-offs.';
COMMENT ON COLUMN nurture_bi.handoff_quality.accepted IS 'Of these, accepted.';
COMMENT ON COLUMN nurture_bi.handoff_quality.rerouted IS 'Ended without success and, within 30 days, handed to another team.';
COMMENT ON COLUMN nurture_bi.handoff_quality.feedback IS 'Verdicts, the latest of each person about each hand-off.';
COMMENT ON COLUMN nurture_bi.handoff_quality.useful IS 'Useful.';
COMMENT ON COLUMN nurture_bi.handoff_quality.not_actionable IS 'Not actionable.';
COMMENT ON COLUMN nurture_bi.handoff_quality.too_early IS 'Too early.';
COMMENT ON COLUMN nurture_bi.handoff_quality.wrong_team IS 'Wrong team.';
COMMENT ON COLUMN nurture_bi.handoff_quality.wrong_depth IS 'Wrong depth.';
COMMENT ON COLUMN nurture_bi.handoff_quality.inaccurate IS 'Inaccurate.';
COMMENT ON COLUMN nurture_bi.handoff_quality.actionable_share IS 'Useful of all verdicts.';

CREATE VIEW nurture_bi.feedback WITH (security_invoker = true) AS
SELECT
    f.lead_id,
    f.feedback_no,
    f.at,
    f.about,
    f.about_id,
    f.team,
    h.route,
    h.grade,
    f.verdict,
    f.note,
    f.actor,
    NOT EXISTS (
        SELECT
        FROM nurture.feedback g
        WHERE g.lead_id = f.lead_id AND g.about = f.about AND g.about_id = f.about_id AND g.actor IS NOT DISTINCT FROM f.actor AND g.feedback_no > f.feedback_no
    ) AS is_latest
FROM nurture.feedback f
JOIN nurture.lead l ON l.lead_id = f.lead_id AND NOT l.is_test
LEFT JOIN nurture.handoff h ON f.about = 'handoff' AND h.lead_id = f.lead_id AND h.handoff_id = f.about_id;
COMMENT ON VIEW nurture_bi.feedback IS 'What teams think of what they were given, one row for each verdict.';
COMMENT ON COLUMN nurture_bi.feedback.lead_id IS 'Lead.';
COMMENT ON COLUMN nurture_bi.feedback.feedback_no IS 'Number.';
COMMENT ON COLUMN nurture_bi.feedback.at IS 'When.';
COMMENT ON COLUMN nurture_bi.feedback.about IS 'handoff, request or message.';
COMMENT ON COLUMN nurture_bi.feedback.about_id IS 'Which one.';
COMMENT ON COLUMN nurture_bi.feedback.team IS 'Team that had it.';
COMMENT ON COLUMN nurture_bi.feedback.route IS 'Route of the hand-off.';
COMMENT ON COLUMN nurture_bi.feedback.grade IS 'Grade of the lead when it was handed over.';
COMMENT ON COLUMN nurture_bi.feedback.verdict IS 'useful, not_actionable, too_early, wrong_team, wrong_depth or inaccurate.';
COMMENT ON COLUMN nurture_bi.feedback.note IS 'In words.';
COMMENT ON COLUMN nurture_bi.feedback.actor IS 'Who says so.';
COMMENT ON COLUMN nurture_bi.feedback.is_latest IS 'The latest of this person about it.';

CREATE VIEW nurture_bi.requests WITH (security_invoker = true) AS
SELECT
    r.lead_id,
    r.request_no,
    r.request_kind,
    k.title,
    r.product,
    r.asset_id,
    l.audience_type,
    l.country,
    r.state,
    r.opened_at,
    t.due_at,
    r.state = 'open' AND t.due_at < @extschema@.nurture_now() AS overdue,
    r.closed_at,
    r.closed_by,
    round((extract(epoch FROM @extschema@.nurture_working_time(m.calendar, r.opened_at, coalesce(r.closed_at, greatest(@extschema@.nurture_now(), r.opened_at)))) / 3600)::numeric, 2) AS working_hours,
    r.handoff_id,
    h.team,
    h.member,
    r.reason
FROM nurture.request r
JOIN nurture.lead l ON l.lead_id = r.lead_id AND NOT l.is_test AND l.merged_into IS NULL
LEFT JOIN nurture.request_kind k ON k.request_kind = r.request_kind
LEFT JOIN nurture.handoff h ON h.lead_id = r.lead_id AND h.handoff_id = r.handoff_id
LEFT JOIN nurture.team m ON m.team = h.team
LEFT JOIN LATERAL (
    SELECT max(a.due_at) AS due_at
    FROM nurture.task a
    WHERE a.lead_id = r.lead_id AND a.request_no = r.request_no AND a.task_kind = 'request'
) t ON true;
COMMENT ON VIEW nurture_bi.requests IS 'What leads asked for, one row each, with who works on it and until when.';
COMMENT ON COLUMN nurture_bi.requests.lead_id IS 'Lead.';
COMMENT ON COLUMN nurture_bi.requests.request_no IS 'Number, for nurture_fulfil.';
COMMENT ON COLUMN nurture_bi.requests.request_kind IS 'Kind.';
COMMENT ON COLUMN nurture_bi.requests.title IS 'In words.';
COMMENT ON COLUMN nurture_bi.requests.product IS 'Product, or *.';
COMMENT ON COLUMN nurture_bi.requests.asset_id IS 'Asset the event concerned.';
COMMENT ON COLUMN nurture_bi.requests.audience_type IS 'Audience of the lead.';
COMMENT ON COLUMN nurture_bi.requests.country IS 'Country of the lead.';
COMMENT ON COLUMN nurture_bi.requests.state IS 'open, fulfilled or declined.';
COMMENT ON COLUMN nurture_bi.requests.opened_at IS 'When the lead asked.';
COMMENT ON COLUMN nurture_bi.requests.due_at IS 'Until when it is to be answered; NULL when nobody works on it.';
COMMENT ON COLUMN nurture_bi.requests.overdue IS 'It is open and that time is over.';
COMMENT ON COLUMN nurture_bi.requests.closed_at IS 'When it was answered.';
COMMENT ON COLUMN nurture_bi.requests.closed_by IS 'By whom.';
COMMENT ON COLUMN nurture_bi.requests.working_hours IS 'How long it took, or has taken so far, in working hours of the team.';
COMMENT ON COLUMN nurture_bi.requests.handoff_id IS 'Hand-off that works on it.';
COMMENT ON COLUMN nurture_bi.requests.team IS 'Team that has it.';
COMMENT ON COLUMN nurture_bi.requests.member IS 'Member; NULL until named.';
COMMENT ON COLUMN nurture_bi.requests.reason IS 'Why it was declined, or what was given.';

CREATE VIEW nurture_bi.account_activity WITH (security_invoker = true) AS
SELECT
    a.account_id,
    a.external_ref,
    a.name,
    a.organization_type,
    a.country,
    a.owner,
    a.activity_score,
    a.spike,
    a.active_leads,
    coalesce(l.leads, 0)::bigint AS leads,
    coalesce(l.roles, 0)::bigint AS breadth,
    coalesce(h.open_handoffs, 0)::bigint AS open_handoffs,
    h.last_handoff_at,
    v.last_event_at AS last_own_event_at,
    a.as_of
FROM nurture.account a
LEFT JOIN nurture.account_activity v ON v.account_id = a.account_id
LEFT JOIN (
    SELECT r.account_id, sum(r.leads) AS leads, count(r.role) AS roles
    FROM (
        SELECT p.account_id, p.role, count(*) AS leads
        FROM nurture.lead p
        WHERE p.account_id IS NOT NULL AND NOT p.is_test AND p.merged_into IS NULL AND p.erased_at IS NULL
        GROUP BY p.account_id, p.role
    ) r
    GROUP BY r.account_id
) l ON l.account_id = a.account_id
LEFT JOIN (
    SELECT p.account_id, count(*) FILTER (WHERE d.is_open) AS open_handoffs, max(d.created_at) AS last_handoff_at
    FROM nurture.handoff d
    JOIN nurture.lead p ON p.lead_id = d.lead_id AND NOT p.is_test AND p.merged_into IS NULL
    WHERE p.account_id IS NOT NULL
    GROUP BY p.account_id
) h ON h.account_id = a.account_id;
COMMENT ON VIEW nurture_bi.account_activity IS 'Score, spike and breadth of organisations, and what is going on with their leads.';
COMMENT ON COLUMN nurture_bi.account_activity.account_id IS 'Organisation.';
COMMENT ON COLUMN nurture_bi.account_activity.external_ref IS 'Identifier of the CRM.';
COMMENT ON COLUMN nurture_bi.account_activity.name IS 'Name.';
COMMENT ON COLUMN nurture_bi.account_activity.organization_type IS 'Kind of organisation.';
COMMENT ON COLUMN nurture_bi.account_activity.country IS 'ISO 3166-1 alpha-2.';
COMMENT ON COLUMN nurture_bi.account_activity.owner IS 'Who in sales looks after it.';
COMMENT ON COLUMN nurture_bi.account_activity.activity_score IS 'Score over all its leads, as of as_of.';
COMMENT ON COLUMN nurture_bi.account_activity.spike IS 'Ratio of recent activity to its own baseline when that is a spike, 0 when it is none, NULL with too little history.';
COMMENT ON COLUMN nurture_bi.account_activity.active_leads IS 'Leads with recent activity, as of as_of.';
COMMENT ON COLUMN nurture_bi.account_activity.leads IS 'Leads that are known.';
COMMENT ON COLUMN nurture_bi.account_activity.breadth IS 'Different roles among them.';
COMMENT ON COLUMN nurture_bi.account_activity.open_handoffs IS 'Open hand-offs of its leads.';
COMMENT ON COLUMN nurture_bi.account_activity.last_handoff_at IS 'When the last of its leads was handed over.';
COMMENT ON COLUMN nurture_bi.account_activity.last_own_event_at IS 'Last event of the organisation itself.';
COMMENT ON COLUMN nurture_bi.account_activity.as_of IS 'When the scheduler wrote its figures.';

CREATE VIEW nurture_bi.account_stakeholders WITH (security_invoker = true) AS
SELECT
    l.account_id,
    a.name AS account,
    l.lead_id,
    l.external_ref,
    l.audience_type,
    l.role,
    l.attributes ->> 'decision_role' AS decision_role,
    l.attributes ->> 'job_function' AS job_function,
    l.country,
    l.owner,
    coalesce(s.stage, 'new') AS stage,
    coalesce(s.stage_no, 1) AS stage_no,
    coalesce(s.tier, 0) AS tier,
    s.grade,
    v.last_event_at AS last_activity_at,
    h.handoff_id,
    h.team,
    h.member
FROM nurture.lead l
LEFT JOIN nurture.account a ON a.account_id = l.account_id
LEFT JOIN nurture.lead_stage s ON s.lead_id = l.lead_id AND s.product = '*'
LEFT JOIN nurture.activity v ON v.lead_id = l.lead_id
LEFT JOIN nurture.handoff h ON h.lead_id = l.lead_id AND h.product = '*' AND h.lane = 'business' AND h.state IN ('pending', 'offered', 'accepted', 'working', 'met')
WHERE l.account_id IS NOT NULL AND NOT l.is_test AND l.merged_into IS NULL AND l.erased_at IS NULL;
COMMENT ON VIEW nurture_bi.account_stakeholders IS 'Who of an organisation is known, in which role, and where they stand: one row per lead with an organisation.';
COMMENT ON COLUMN nurture_bi.account_stakeholders.account_id IS 'Organisation.';
COMMENT ON COLUMN nurture_bi.account_stakeholders.account IS 'Its name.';
COMMENT ON COLUMN nurture_bi.account_stakeholders.lead_id IS 'Lead.';
COMMENT ON COLUMN nurture_bi.account_stakeholders.external_ref IS 'Identifier of the CRM.';
COMMENT ON COLUMN nurture_bi.account_stakeholders.audience_type IS 'Audience.';
COMMENT ON COLUMN nurture_bi.account_stakeholders.role IS 'Professional role.';
COMMENT ON COLUMN nurture_bi.account_stakeholders.decision_role IS 'Part in decisions: decision_maker, recommender, influencer, evaluator, user or gatekeeper.';
COMMENT ON COLUMN nurture_bi.account_stakeholders.job_function IS 'Function in the organisation.';
COMMENT ON COLUMN nurture_bi.account_stakeholders.country IS 'ISO 3166-1 alpha-2.';
COMMENT ON COLUMN nurture_bi.account_stakeholders.owner IS 'Who in sales looks after the lead.';
COMMENT ON COLUMN nurture_bi.account_stakeholders.stage IS 'Lifecycle stage, for no product in particular.';
COMMENT ON COLUMN nurture_bi.account_stakeholders.stage_no IS 'Its order.';
COMMENT ON COLUMN nurture_bi.account_stakeholders.tier IS 'Tier passed when it was last decided.';
COMMENT ON COLUMN nurture_bi.account_stakeholders.grade IS 'Grade then.';
COMMENT ON COLUMN nurture_bi.account_stakeholders.last_activity_at IS 'Last event.';
COMMENT ON COLUMN nurture_bi.account_stakeholders.handoff_id IS 'Open hand-off to a business team.';
COMMENT ON COLUMN nurture_bi.account_stakeholders.team IS 'Team that has the lead.';
COMMENT ON COLUMN nurture_bi.account_stakeholders.member IS 'Member; NULL until named.';

CREATE VIEW nurture_bi.data_quality WITH (security_invoker = true) AS
WITH facts AS (
    SELECT
        coalesce(sum(l.leads) FILTER (WHERE NOT l.reachable), 0)::bigint AS n1,
        min(l.lead_id) FILTER (WHERE NOT l.reachable) AS e1,
        min(l.created_at) FILTER (WHERE NOT l.reachable) AS o1,
        coalesce(sum(l.leads) FILTER (WHERE l.audience_type = 'unknown'), 0)::bigint AS n2,
        min(l.lead_id) FILTER (WHERE l.audience_type = 'unknown') AS e2,
        min(l.created_at) FILTER (WHERE l.audience_type = 'unknown') AS o2,
        coalesce(sum(l.leads) FILTER (WHERE l.country IS NULL), 0)::bigint AS n3,
        min(l.lead_id) FILTER (WHERE l.country IS NULL) AS e3,
        min(l.created_at) FILTER (WHERE l.country IS NULL) AS o3,
        coalesce(sum(l.leads) FILTER (WHERE l.role IS NULL), 0)::bigint AS n4,
        min(l.lead_id) FILTER (WHERE l.role IS NULL) AS e4,
        min(l.created_at) FILTER (WHERE l.role IS NULL) AS o4,
        coalesce(sum(l.leads) FILTER (WHERE NOT l.area_known), 0)::bigint AS n5,
        min(l.lead_id) FILTER (WHERE NOT l.area_known) AS e5,
        min(l.created_at) FILTER (WHERE NOT l.area_known) AS o5,
        coalesce(sum(l.leads) FILTER (WHERE p.problem = 'invalid_country'), 0)::bigint AS n6,
        min(l.lead_id) FILTER (WHERE p.problem = 'invalid_country') AS e6,
        min(l.created_at) FILTER (WHERE p.problem = 'invalid_country') AS o6,
        coalesce(sum(l.leads) FILTER (WHERE p.problem = 'invalid_region'), 0)::bigint AS n7,
        min(l.lead_id) FILTER (WHERE p.problem = 'invalid_region') AS e7,
        min(l.created_at) FILTER (WHERE p.problem = 'invalid_region') AS o7,
        coalesce(sum(l.leads) FILTER (WHERE p.problem = 'region_elsewhere'), 0)::bigint AS n8,
        min(l.lead_id) FILTER (WHERE p.problem = 'region_elsewhere') AS e8,
        min(l.created_at) FILTER (WHERE p.problem = 'region_elsewhere') AS o8,
        coalesce(sum(l.leads) FILTER (WHERE l.audience_type <> 'unknown' AND o.audience_types <> '{*}' AND l.audience_type <> ALL (o.audience_types)), 0)::bigint AS n9,
        min(l.lead_id) FILTER (WHERE l.audience_type <> 'unknown' AND o.audience_types <> '{*}' AND l.audience_type <> ALL (o.audience_types)) AS e9,
        min(l.created_at) FILTER (WHERE l.audience_type <> 'unknown' AND o.audience_types <> '{*}' AND l.audience_type <> ALL (o.audience_types)) AS o9,
        coalesce(sum(l.leads) FILTER (WHERE l.specialty IS NOT NULL AND l.specialty <> ALL (o.specialties)), 0)::bigint AS n10,
        min(l.lead_id) FILTER (WHERE l.specialty IS NOT NULL AND l.specialty <> ALL (o.specialties)) AS e10,
        min(l.created_at) FILTER (WHERE l.specialty IS NOT NULL AND l.specialty <> ALL (o.specialties)) AS o10
    FROM (
        SELECT
            x.country,
            x.region,
            x.audience_type,
            x.role,
            x.specialty,
            x.therapeutic_area IS NOT NULL AS area_known,
            x.email_known OR x.phone_known AS reachable,
            count(*) AS leads,
            min(x.lead_id) AS lead_id,
            min(x.created_at) AS created_at
        FROM nurture.lead x
        WHERE NOT x.is_test AND x.merged_into IS NULL AND x.erased_at IS NULL
        GROUP BY 1, 2, 3, 4, 5, 6, 7
    ) l
    LEFT JOIN nurture.role o ON o.role = l.role
    CROSS JOIN LATERAL (SELECT @extschema@.nurture_place_problem(l.country, l.region) AS problem) p
)
SELECT
    c.check_name,
    c.title,
    c.amount,
    c.example,
    c.oldest_at,
    @extschema@.nurture_now() - c.oldest_at AS age
FROM facts f
CROSS JOIN LATERAL (VALUES
    ('missing_contact_point', 'no address and no number', f.n1, 'lead ' || f.e1, f.o1),
    ('missing_audience', 'audience not known', f.n2, 'lead ' || f.e2, f.o2),
    ('missing_country', 'country not known', f.n3, 'lead ' || f.e3, f.o3),
    ('missing_role', 'role not known', f.n4, 'lead ' || f.e4, f.o4),
    ('missing_therapeutic_area', 'therapeutic area not known', f.n5, 'lead ' || f.e5, f.o5),
    ('invalid_country', 'country is no code of ISO 3166-1', f.n6, 'lead ' || f.e6, f.o6),
    ('invalid_region', 'region is no code of ISO 3166-2', f.n7, 'lead ' || f.e7, f.o7),
    ('region_elsewhere', 'region of another country', f.n8, 'lead ' || f.e8, f.o8),
    ('role_contradicts_audience', 'role that does not go with the audience', f.n9, 'lead ' || f.e9, f.o9),
    ('role_contradicts_specialty', 'role that does not go with the specialty', f.n10, 'lead ' || f.e10, f.o10)
) c (check_name, title, amount, example, oldest_at)
UNION ALL
SELECT
    CASE r.bucket WHEN 'identity' THEN 'probable_duplicate' WHEN 'contradiction' THEN 'contradicting_answer' ELSE r.bucket END,
    CASE r.bucket WHEN 'identity' THEN 'leads that may be one person' WHEN 'contradiction' THEN 'answers that contradict what is known' ELSE 'reviews that wait for a person' END,
    count(*),
    'review ' || min(r.review_id),
    min(r.opened_at),
    @extschema@.nurture_now() - min(r.opened_at)
FROM nurture.review r
JOIN nurture.lead l ON l.lead_id = r.lead_id AND NOT l.is_test
WHERE r.state = 'open'
GROUP BY r.bucket
UNION ALL
SELECT
    CASE q.reason WHEN 'unidentified' THEN 'unmatched_identifier' ELSE 'quarantine_' || q.reason END,
    CASE q.reason WHEN 'unidentified' THEN 'events of persons who are not known yet' ELSE 'events that could not be stored' END,
    count(*),
    'event_quarantine ' || min(q.quarantine_id),
    min(q.received_at),
    @extschema@.nurture_now() - min(q.received_at)
FROM nurture.event_quarantine q
WHERE q.resolved_at IS NULL AND q.reason <> 'erased'
GROUP BY q.reason
UNION ALL
SELECT
    'failing_' || e.kind,
    'work of the scheduler that failed in the last week',
    count(*),
    CASE e.kind WHEN 'account' THEN 'account ' ELSE 'lead ' END || min(e.lead_id),
    min(e.at),
    @extschema@.nurture_now() - min(e.at)
FROM nurture.tick_error e
WHERE e.at > @extschema@.nurture_now() - interval '7 days'
GROUP BY e.kind;
COMMENT ON VIEW nurture_bi.data_quality IS 'What is missing, wrong or waiting in the data, with how much of it there is, an example and how old the oldest is.';
COMMENT ON COLUMN nurture_bi.data_quality.check_name IS 'What is looked for.';
COMMENT ON COLUMN nurture_bi.data_quality.title IS 'In words.';
COMMENT ON COLUMN nurture_bi.data_quality.amount IS 'How many there are.';
COMMENT ON COLUMN nurture_bi.data_quality.example IS 'One of them, by table and number; NULL = none.';
COMMENT ON COLUMN nurture_bi.data_quality.oldest_at IS 'Since when the oldest is there: a lead since it was made.';
COMMENT ON COLUMN nurture_bi.data_quality.age IS 'For how long.';
