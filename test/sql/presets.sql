-- Presets: every code is there once, numbers stay, owners' numbers follow.
BEGIN;
SELECT plan(22);

SELECT is((SELECT count(*) FROM nurture.event_type), (SELECT count(*) FROM nurture.signal), 'one signal per event type');
SELECT is_empty('SELECT signal FROM nurture.signal WHERE signal <> event_type', 'and of the same name');
SELECT is_empty('SELECT event_type FROM nurture.event_type WHERE title IS NULL UNION ALL SELECT signal FROM nurture.signal WHERE title IS NULL UNION ALL SELECT value FROM nurture.tag WHERE title IS NULL', 'all have words for people');
SELECT results_eq($$SELECT signal, condition::text FROM nurture.signal WHERE condition IS NOT NULL$$,
    $$VALUES ('time_on_page', '($."seconds" >= 60)')$$, 'only the time on a page is narrowed');
SELECT results_eq($$SELECT signal_id::int, signal FROM nurture.signal WHERE signal IN ('page_viewed', 'demo_requested', 'product_complaint_reported') ORDER BY 1$$,
    $$VALUES (1, 'page_viewed'), (30, 'demo_requested'), (70, 'product_complaint_reported')$$, 'numbers of signals stay as they were shipped');
SELECT results_eq($$SELECT tag_id, dimension, value FROM nurture.tag WHERE (dimension, value) IN (('topic', 'moa'), ('depth', '4'), ('therapeutic_area', 'neoplasms')) ORDER BY 1$$,
    $$VALUES (2, 'topic', 'moa'), (44, 'depth', '4'), (1038, 'therapeutic_area', 'neoplasms')$$, 'and those of tags');

SELECT nurture_seed('pharma');
INSERT INTO nurture.signal (signal, event_type) VALUES ('presets_own', 'page_viewed');
INSERT INTO nurture.tag (dimension, value) VALUES ('product', 'presets_own');
SELECT cmp_ok((SELECT signal_id::int FROM nurture.signal WHERE signal = 'presets_own'), '>=', 1000, 'signals of the owner have numbers from 1000 on');
SELECT cmp_ok((SELECT tag_id FROM nurture.tag WHERE value = 'presets_own'), '>=', 10000, 'tags from 10000 on');
SELECT is((SELECT value FROM nurture.tag WHERE dimension = 'therapeutic_area' AND value = 'cardiovascular_diseases'), 'cardiovascular_diseases', 'therapeutic areas are there');

-- The default model: published, sound, and with the numbers that were agreed.
SELECT is_empty($$SELECT * FROM nurture_check_model('default', 1)$$, 'the default model has no findings');
SELECT results_eq($$SELECT version, status FROM nurture.model_version WHERE model = 'default'$$, $$VALUES (1, 'published')$$, 'and is published once, after two seeds');
INSERT INTO nurture.lead (lead_id, email, audience_type, role, specialty, therapeutic_area, country, organization_type) VALUES
    (2, NULL, 'investigator', 'principal_investigator', 'oncology', 'neoplasms', 'FR', 'hospital'),
    (3, NULL, 'hcp', 'nurse', NULL, 'eye_diseases', 'BR', 'clinic'),
    (4, NULL, 'patient', NULL, NULL, NULL, 'FR', NULL);
SELECT results_eq($$SELECT lead_id, nurture_fit(lead_id) FROM nurture.lead WHERE lead_id BETWEEN 2 AND 4 ORDER BY 1$$,
    $$VALUES (2::bigint, 100.00), (3, 51.00), (4, 10.00)$$, 'fit adds up to 100 for who it is made for');
SELECT is_empty($$SELECT FROM nurture.signal_rule JOIN nurture.signal s USING (signal) JOIN nurture.event_type USING (event_type) WHERE class = 'safety'$$, 'no model scores safety');
SELECT results_eq($$SELECT signal, points, curve_days, per_day_max FROM nurture.signal_rule WHERE model = 'default' AND signal IN ('demo_requested', 'webinar_attended', 'email_clicked', 'meeting_no_show') ORDER BY 1$$,
    $$VALUES ('demo_requested', 40.00, 30, 1), ('email_clicked', 3.00, 30, 2), ('meeting_no_show', -5.00, 30, NULL), ('webinar_attended', 15.00, 90, 1)$$, 'points of some signals');
SELECT results_eq($$SELECT string_agg(band || ' ' || min_points, ', ' ORDER BY band) FROM nurture.band WHERE model = 'default' GROUP BY dimension ORDER BY 1$$,
    $$VALUES ('1 50.00, 2 30.00, 3 10.00, 4 0.00'), ('A 60.00, B 40.00, C 20.00, D 0.00')$$, 'bands');

SELECT is_empty($$SELECT object FROM (
    SELECT 'model:' || model || ':' || version FROM nurture.model_version WHERE status = 'published'
    UNION ALL SELECT 'track:' || track || ':' || version FROM nurture.track_version WHERE status = 'published'
    UNION ALL SELECT 'route:' || route || ':' || version FROM nurture.route_version WHERE status = 'published'
    UNION ALL SELECT 'selection:' || selection || ':' || version FROM nurture.selection_version WHERE status = 'published') published (object)
    WHERE NOT EXISTS (SELECT FROM nurture.audit a WHERE a.kind = 'publish' AND a.object = published.object AND a.outcome = 'published' AND a.versions ? 'content_hash')$$,
    'whatever a preset publishes is on record with its hash');

-- Contact policy, stops and service levels.
SELECT results_eq($$SELECT cap, channels, n, period FROM nurture.frequency_cap ORDER BY cap COLLATE "C"$$,
    $$VALUES ('email_month', '{email}'::text[], 6, interval '30 days'), ('email_week', '{email}', 2, '7 days'), ('no_repeat', '{*}', 1, '180 days'),
             ('promotional_gap', '{*}', 1, '48 hours'), ('promotional_week', '{*}', 3, '7 days')$$, 'caps');
SELECT results_eq($$SELECT rule, effect, duration FROM nurture.stop_rule ORDER BY rule COLLATE "C"$$,
    $$VALUES ('adverse_event', 'stop', NULL::interval), ('clicks_without_form', 'slow_down', '30 days'), ('complained', 'suppress_promotional', NULL), ('decision_stage', 'stop', NULL),
             ('demo_requested', 'suppress_promotional', '90 days'), ('handoff_open', 'suppress_promotional', NULL), ('hard_bounce', 'stop', NULL), ('meeting_booked', 'suppress_promotional', '90 days'),
             ('meeting_requested', 'suppress_promotional', '90 days'), ('no_answer', 'suppress_promotional', '30 days'), ('objected', 'suppress_promotional', NULL),
             ('opted_out', 'suppress_promotional', NULL), ('product_complaint', 'stop', NULL)$$, 'stop rules');
SELECT is_empty('SELECT rule FROM nurture.stop_rule WHERE reason IS NULL OR title IS NULL', 'each with its reason');
INSERT INTO nurture.event (lead_id, event_type) VALUES (2, 'adverse_event_reported'), (3, 'product_complaint_reported');
SELECT results_eq($$SELECT e.lead_id, rule, until, h.team FROM nurture.stop_effect e JOIN nurture.handoff h ON h.lead_id = e.lead_id WHERE e.lead_id IN (2, 3) ORDER BY 1$$,
    $$VALUES (2::bigint, 'adverse_event', timestamptz 'infinity', 'pharmacovigilance'), (3, 'product_complaint', 'infinity', 'pharmacovigilance')$$,
    'a safety report stops nurturing and goes to pharmacovigilance');
SELECT results_eq($$SELECT DISTINCT team, sla_accept, sla_first_response FROM nurture.route_version
        WHERE status = 'published' AND (team IN ('clinical_operations', 'medical_affairs', 'pharmacovigilance') OR route IN ('ready', 'sql')) ORDER BY 1, 2, 3$$,
    $$VALUES ('account_executive', interval '8 hours', interval '4 hours'), ('account_executive', '8 hours', '16 hours'), ('clinical_operations', '8 hours', '16 hours'),
             ('medical_affairs', '8 hours', '8 hours'), ('pharmacovigilance', '4 hours', '8 hours')$$, 'service levels in working hours');
SELECT results_eq($$SELECT level, within_days, factor FROM nurture.cadence WHERE track = '*' ORDER BY factor$$,
    $$VALUES ('active', 7, 0.50), ('warm', 30, 1.00), ('quiet', 90, 2.00), ('cold', NULL, 4.00)$$, 'cadence');

SELECT * FROM finish();
ROLLBACK;
