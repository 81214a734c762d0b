-- A database with something in every room; read by Nurture::load_everything.
SET client_min_messages = warning;
SET nurture.change_reason = 'test data';
SET nurture.app_user = 'tests';

-- facts
INSERT INTO nurture.account (account_id, external_ref, name, organization_type, country)
    SELECT i, 'acc-' || i, 'Organisation ' || i, (ARRAY['hospital', 'sponsor', 'payer'])[1 + i % 3], (ARRAY['DE', 'FR', 'US'])[1 + i % 3]
    FROM generate_series(1, 20) i;
INSERT INTO nurture.lead (lead_id, account_id, external_ref, email, full_name, audience_type, audience_verified_at, role, specialty,
                          therapeutic_area, country, language, time_zone, organization_type, attributes)
    SELECT i, 1 + i % 20, 'crm-' || i, 'lead' || i || '@example.org', 'Lead ' || i,
           CASE WHEN i % 7 = 0 THEN 'unknown' ELSE 'hcp' END, now() - interval '1 year',
           CASE WHEN i % 5 > 0 THEN 'prescriber' END, (ARRAY['oncology', 'cardiology', NULL])[1 + i % 3],
           'neoplasms', 'FR', 'fr', 'Europe/Paris', 'hospital', jsonb_build_object('beds', i, 'note', E'tab\tquote"back\\slash')
    FROM generate_series(1, 300) i;
SELECT setval(pg_get_serial_sequence('nurture.lead', 'lead_id'), 300);
UPDATE nurture.lead SET merged_into = 1 WHERE lead_id = 299;
INSERT INTO nurture.event (lead_id, event_type, source, source_key) VALUES (299, 'page_viewed', 'web', 'merged'), (297, 'page_viewed', 'web', 'merged'), (296, 'page_viewed', 'web', 'merged');
SELECT * FROM nurture_import_leads('[{"external_ref": "crm-290", "specialty": "cardiology"}, {"colour": "red"}]', 'test data');
SELECT nurture_merge(295, 297, 'same person'), nurture_unmerge(nurture_merge(294, 296, 'same person'), 'not the same');
UPDATE nurture.lead SET role = 'nurse', updated_at = now() - interval '2 days' WHERE lead_id BETWEEN 11 AND 20;
UPDATE nurture.account SET region = 'FR-IDF', activity_score = 10, spike = 1.5, active_leads = 2, as_of = now() WHERE account_id < 5;
-- a lead that had been there before the registry became stricter
INSERT INTO nurture.attribute (attribute, type, allowed, title, reason) VALUES ('loaded_colour', 'text', '{red,green}', 'a colour', 'test data');
UPDATE nurture.lead SET attributes = attributes || '{"loaded_colour": "red", "capability": ["pk"]}' WHERE lead_id = 298;
UPDATE nurture.attribute SET allowed = '{green}' WHERE attribute = 'loaded_colour';

-- a model of the tests beside the preset's
INSERT INTO nurture.model (model, title, reason) VALUES ('dump_model', 'A model of the tests', 'test data');
SELECT nurture_draft('model', 'dump_model') AS version \gset
INSERT INTO nurture.rule_group (model, version, rule_group, dimension, cap) VALUES ('dump_model', :version, 'reading', 'intent', 40);
INSERT INTO nurture.fit_rule (model, version, rule, attribute, operator, operand, points) VALUES
    ('dump_model', :version, 'prescriber', 'role', '=', '"prescriber"', 30),
    ('dump_model', :version, 'large', 'attributes.beds', 'between', '[100, 200]', 12.5);
INSERT INTO nurture.signal_rule (model, version, rule, signal, points, curve, curve_days, curve_steps, per_day_max, count_max, rule_group) VALUES
    ('dump_model', :version, 'pages', 'page_viewed', 1, 'half_life', 30, NULL, 3, NULL, 'reading'),
    ('dump_model', :version, 'papers', 'white_paper_downloaded', 4, 'linear', 90, NULL, NULL, 2, 'reading'),
    ('dump_model', :version, 'minutes', 'time_on_page', 2, 'window', 60, NULL, NULL, NULL, NULL),
    ('dump_model', :version, 'webinars', 'webinar_attended', 10, 'step', NULL, '[[30, 100], [90, 50]]', NULL, NULL, NULL),
    ('dump_model', :version, 'clicks', 'email_clicked', 3, 'none', NULL, NULL, 1, NULL, NULL);
INSERT INTO nurture.pattern (model, version, pattern, condition, points) VALUES
    ('dump_model', :version, 'key_opinion_leader', '{"label": "key_opinion_leader"}', 7),
    ('dump_model', :version, 'fits_a_study', '{"program": {"kind": "study", "on": ["therapeutic_area", "country"]}}', 3);
INSERT INTO nurture.band (model, version, dimension, band, min_points) VALUES
    ('dump_model', :version, 'fit', 'A', 40), ('dump_model', :version, 'fit', 'B', 20),
    ('dump_model', :version, 'intent', '1', 30), ('dump_model', :version, 'intent', '2', 10);
SELECT nurture_publish('model', 'dump_model', :version, 'tested', true);
SELECT nurture_draft('model', 'dump_model', :version);

-- history, in three statements, one of them repeated, one corrected, one removed
INSERT INTO nurture.event (lead_id, event_type, occurred_at, source, source_key, tags, properties)
    SELECT 1 + i % 280, (ARRAY['page_viewed', 'white_paper_downloaded', 'time_on_page', 'webinar_attended', 'email_clicked', 'mechanism_page_viewed'])[1 + i % 6],
           date_trunc('hour', now()) - interval '8 days' - i * interval '1 hour', 'web', 'k' || i,
           CASE WHEN i % 4 = 0 THEN ARRAY['topic:moa', 'therapeutic_area:neoplasms'] END, jsonb_build_object('seconds', i % 120)
    FROM generate_series(0, 3999) i;
INSERT INTO nurture.event (lead_id, event_type, occurred_at, source, source_key)
    SELECT 1 + i % 280, 'page_viewed', now() - interval '9 days', 'web', 'k' || i FROM generate_series(3900, 4099) i;
UPDATE nurture.event SET occurred_at = occurred_at - interval '1 day' WHERE source_key IN ('k7', 'k8');
UPDATE nurture.event SET event_type = 'product_page_viewed' WHERE source_key = 'k9';
DELETE FROM nurture.event WHERE source_key = 'k10';

-- sensitive events, counted for those who granted it
INSERT INTO nurture.event_type (event_type, class, sensitive, title, reason) VALUES ('loaded_support', 'content', true, 'Support page', 'test data');
INSERT INTO nurture.signal (signal, event_type, reason) VALUES ('loaded_support', 'loaded_support', 'test data');
SELECT count(nurture_consent(i, 'given', '*', 'sensitive_inference', source => 'form')) FROM generate_series(60, 69) i;
INSERT INTO nurture.event (lead_id, event_type, occurred_at, tags) SELECT 55 + i % 20, 'loaded_support', now() - i * interval '1 day', '{topic:moa}' FROM generate_series(1, 100) i;
SELECT nurture_consent(61, 'withdrawn', '*', 'sensitive_inference', source => 'form');

-- old events whose partition is gone, what is older than the horizon folded, a signal that was filled and a topic that is not yet
INSERT INTO nurture.event (lead_id, event_type, occurred_at, recorded_at, source, source_key, tags)
    SELECT 1 + i % 50, 'page_viewed', '2023-01-01'::timestamptz + i * interval '1 hour', '2023-03-01', 'old', 'o' || i, '{topic:moa}' FROM generate_series(1, 200) i;
SELECT * FROM nurture_partition_drop('2024-01-01', reason => 'test data');
SELECT nurture_roll();
INSERT INTO nurture.signal (signal, event_type, condition, reason) VALUES ('loaded_long', 'time_on_page', '$.seconds > 60', 'test data');
SELECT nurture_backfill('loaded_long', 100), nurture_backfill('loaded_long'), nurture_backfill('topic:moa', 5);

-- one known by its reference, two for the quarantine
SELECT * FROM nurture_ingest('[{"external_ref": "crm-2", "event_type": "page_viewed", "source": "app", "source_key": "a1"},
    {"external_ref": "nobody", "event_type": "page_viewed", "source": "app", "source_key": "a2"},
    {"lead_id": 2, "event_type": "page_viewd", "source": "app", "source_key": "a3"}]');

-- identities beside those of the leads' own columns, and events that wait for one
INSERT INTO nurture.identity (kind, value, lead_id, source)
    SELECT (ARRAY['cookie', 'professional_number', 'crm_id'])[1 + i % 3], 'value ' || i, 1 + i % 280, 'directory' FROM generate_series(1, 90) i;
SELECT * FROM nurture_ingest('[{"identity": {"kind": "cookie", "value": "later"}, "event_type": "page_viewed", "source": "app", "source_key": "i1"},
    {"identity": {"kind": "email", "value": "LEAD4@example.org"}, "event_type": "page_viewed", "source": "app", "source_key": "i2"},
    {"account_ref": "acc-21", "event_type": "page_viewed"}]');
UPDATE nurture.lead SET email = 'lead7@example.org' WHERE lead_id = 8;

-- labels and lists
INSERT INTO nurture.list (list, title, origin) VALUES ('partner_upload', 'Upload of a partner', 'partner');
INSERT INTO nurture.list_member (lead_id, list, source, consent_source, consent_at, consent_evidence)
    SELECT i, 'partner_upload', 'upload.csv', 'form of the partner', now() - interval '40 days', '{"box": "ticked"}' FROM generate_series(20, 40) i;
SELECT count(nurture_label(i, 'key_opinion_leader', CASE WHEN i % 2 = 0 THEN now() + interval '1 year' END, 'test data')) FROM generate_series(1, 30) i;
SELECT count(nurture_unlabel(i, 'key_opinion_leader')) FROM generate_series(1, 5) i;

-- programmes
INSERT INTO nurture.program (program, kind, title, therapeutic_areas, phases, countries, status, open_during) VALUES
    ('S-1', 'study', 'A study', '{neoplasms}', '{phase_2,phase_3}', '{FR,DE}', 'open', '[2026-01-01,)'),
    ('P-1', 'product', 'A product', '{neoplasms}', '{}', '{*}', 'open', '(,)');

-- what organisations did
INSERT INTO nurture.account_event (account_id, event_type, occurred_at, source, source_key, tags)
    SELECT 1 + i % 15, 'page_viewed', now() - i * interval '7 hours', 'network', 'n' || i, CASE WHEN i % 3 = 0 THEN ARRAY['topic:moa'] END
    FROM generate_series(1, 60) i;
DELETE FROM nurture.account_event WHERE source_key = 'n6';
UPDATE nurture.account_policy SET min_recent = 4;

-- approved content, and a draft
SELECT count(nurture_add_asset(jsonb_build_object('asset_id', id, 'title', id, 'format', 'article', 'message_class', 'promotional', 'channels', '["email"]'::jsonb,
    'markets', '["*"]'::jsonb, 'languages', '["*"]'::jsonb, 'audience_types', '["*"]'::jsonb, 'tags', to_jsonb(tags::text[]))))
FROM (VALUES ('moa_overview', '{"topic:moa","depth:1","offer:overview"}'), ('evidence', '{"offer:clinical_evidence","topic:efficacy","depth:2"}'),
             ('webinar', '{"offer:webinar","topic:efficacy"}'), ('draft', '{"topic:moa","depth:2"}')) v (id, tags);
SELECT nurture_set_asset_status(id, 1, 'in_review', 'test data'), nurture_approve('asset', id, 1, 'medical', 'approved', 'test data')
FROM unnest(ARRAY['moa_overview', 'evidence', 'webinar']) id;

-- a claim in two versions, and what content must carry
INSERT INTO nurture.claim (claim, version, text, markets, reference) VALUES ('loaded', 1, 'It works.', '{FR,DE}', 'Doe 2025'), ('loaded', 2, 'It works well.', '{*}', 'Doe 2026');
SELECT nurture_set_claim_status('loaded', 1, 'in_review', 'test data'), nurture_approve('claim', 'loaded', 1, 'medical', 'approved', 'test data');
SELECT nurture_add_asset('{"asset_id": "safety", "title": "Safety", "format": "block", "message_class": "promotional", "channels": ["email"], "markets": ["*"], "audience_types": ["*"], "claims": ["loaded"]}');
INSERT INTO nurture.content_policy (market, message_class, safety_block, legal_source) VALUES ('AT', 'promotional', 'safety', 'test data');

-- consent: most by e-mail, some withdrawn, lead 3 objected
SELECT count(nurture_opt_in(i, 'email', 'form', '{"form": 7}')) FROM generate_series(1, 250) i;
SELECT count(nurture_opt_out(i, 'email', 'link')) FROM generate_series(200, 220) i;
SELECT nurture_consent(3, 'objected', '*', source => 'letter');
SELECT nurture_request_consent(253, 'email', source => 'form') AS token \gset asked_
SELECT nurture_confirm(:'asked_token');
SELECT nurture_one_click(nurture_unsubscribe_token(252, 'email'));
SELECT nurture_request_consent(254, 'sms', source => 'form');
SELECT nurture_suppress('contact_point', 'lead5@example.org', 'asked by phone');
SELECT nurture_suppress('domain', 'nowhere.example.org', 'asked by the house', now() + interval '1 year');
INSERT INTO nurture.address_list (list, kind, names, source) VALUES ('loaded', 'role', '{dispensary}', 'test data');
INSERT INTO nurture.address_policy (kind, message_class, verdict) VALUES ('role', 'promotional', 'review');
INSERT INTO nurture.bounce_policy (rule, kind, status, count, within, action, duration) VALUES ('loaded', 'soft_bounce', '4.2.2', 2, '7 days', 'stop_address', '30 days');
INSERT INTO nurture.event (lead_id, event_type, source, source_key, channel, properties)
    SELECT 290 + i % 2, 'email_soft_bounced', 'mail', 'bounce' || i, 'email', '{"status": "4.2.2"}' FROM generate_series(1, 4) i;
SELECT nurture_pause(6, now() + interval '40 days', 'on leave');

-- messages: some pass, some are held or refused, at whatever hour the test runs
DELETE FROM nurture.quiet_hours WHERE market = '*';
INSERT INTO nurture.message (lead_id, channel, asset_id) SELECT i, 'email', 'moa_overview' FROM generate_series(1, 290) i;
INSERT INTO nurture.message (lead_id, channel, asset_id) SELECT i, 'email', 'draft' FROM generate_series(1, 10) i;
-- some are with a worker, of some it is known what became of them
SELECT count(nurture_ack(lead_id, message_id, CASE message_id % 3 WHEN 0 THEN 'sent' WHEN 1 THEN 'clicked' ELSE 'soft_bounce' END)) FROM nurture_take('email', 6, 'loaded');
SELECT count(*) FROM nurture_take('email', 6, 'loaded');
SELECT nurture_opt_out(20, 'email', 'link');

-- people rule about some of what is held
SELECT nurture_rule(review_id, 'allow', 'test data') FROM nurture.review WHERE state = 'open' AND bucket = 'consent' ORDER BY review_id LIMIT 2;
SELECT nurture_rule(review_id, 'refuse', 'test data') FROM nurture.review WHERE state = 'open' AND bucket = 'consent' ORDER BY review_id DESC LIMIT 2;

-- something happens now: stops, standings, enrollments, hand-offs
INSERT INTO nurture.stop_rule (rule, condition, effect, factor, mode, reason) VALUES ('loaded_shadow', '{"signal": "demo_requested"}', 'slow_down', 2, 'shadow', 'test data');
INSERT INTO nurture.event (lead_id, event_type, source, source_key) SELECT i, 'email_hard_bounced', 'web', 'bounce' || i FROM generate_series(90, 92) i;
INSERT INTO nurture.event (lead_id, event_type, source, source_key)
    SELECT i, 'demo_requested', 'web', 'demo' || i FROM generate_series(30, 40) i;
INSERT INTO nurture.event (lead_id, event_type, source, source_key, properties)
    SELECT i, 'form_submitted', 'web', 'form' || i,
           '{"role": "nurse", "country": "Germany", "timeline": "asap", "region": "Bavaria", "capability": ["pk"], "consent": {"email": true, "sms": false}, "preference": {"max_per_month": 3, "topics": ["moa"]}}'
    FROM generate_series(50, 60) i;
INSERT INTO nurture.preference (lead_id, channel, max_per_month) VALUES (61, 'email', 0), (62, '*', 4);
INSERT INTO nurture.document (lead_id, kind, uri, hash, access_profile, retain_until) VALUES (61, 'consent_form', 'https://dms.example.org/61', sha256('61'), 'compliance', '2036-01-01');
INSERT INTO nurture.fact_map (event_type, target, path, mode, translate, reason) VALUES ('email_replied', 'attributes.loaded_colour', '$.colour', 'replace', '{"verde": "green"}', 'test data');
SELECT count(nurture_route(i, reason => 'asked for by the test')) FROM generate_series(31, 35) i;
SELECT nurture_assign();
SELECT nurture_accept(lead_id, handoff_id, 'test data') FROM nurture.handoff WHERE state = 'offered' ORDER BY handoff_id LIMIT 2;
INSERT INTO nurture.experiment (experiment, variable, hypothesis, success_signal, ends_at, salt, reason) VALUES ('loaded', 'cta', 'webinars bring more', 'demo_requested', '2099-01-01 00:00Z', 'loaded-salt', 'test data');
INSERT INTO nurture.experiment_arm (experiment, arm, share, preferred_tags, reason) VALUES ('loaded', 'usual', 0.5, NULL, 'test data'), ('loaded', 'webinar', 0.5, '{offer:webinar}', 'test data');
SELECT nurture_publish('experiment', 'loaded', 1, 'test data'), nurture_draft('experiment', 'loaded', 1);
SELECT nurture_feedback(lead_id, 'handoff', handoff_id, 'useful', 'test data') FROM nurture.handoff WHERE state = 'accepted' ORDER BY handoff_id LIMIT 1;
SELECT nurture_outbox_done('loaded', (SELECT array_agg(outbox_id) FROM (SELECT outbox_id FROM nurture_outbox_take(6, 'loaded') LIMIT 4) t));
INSERT INTO nurture.role (role, title, reason) VALUES ('loaded', 'A role', 'test data');
INSERT INTO nurture.alert_rule (alert, view, figure, value, title, reason) VALUES ('loaded', 'data_quality', 'amount', 1, 'data', 'test data');
SELECT nurture_enroll(i, 'education', 'test data') FROM generate_series(70, 75) i;
INSERT INTO nurture.segment (segment, title, condition) VALUES ('in_france', 'Leads in France', '{"fact": "country", "op": "=", "value": "FR"}');
SELECT * FROM nurture_tick(200, '1 min');

-- contact policy beside the preset's
INSERT INTO nurture.blackout (blackout, market, during, reason) VALUES ('year_end', 'FR', '[2026-12-24,2027-01-02)', 'test data');
INSERT INTO nurture.holdout (holdout, per_mille, salt, valid_during, reason) VALUES ('global', 50, 'loaded-salt', '[2020-01-01,2021-01-01)', 'test data');
INSERT INTO nurture.frequency_cap (cap, n, period, clock, reason) VALUES ('loaded_week', 9, '7 days', 'company_week', 'test data');
UPDATE nurture.contact_policy SET company_zone = 'Europe/Berlin';

-- persons who were erased, one of them merged; what the register of processing tells
SELECT nurture_merge(270, 271, 'test data');
SELECT nurture_erase(271, 'objection', 'ticket 1'), nurture_erase(218, 'no_longer_needed', 'ticket 2');
INSERT INTO nurture.controller (name, contact, reason) VALUES ('Pharma', 'privacy@example.org', 'test data');
INSERT INTO nurture.recipient (recipient, kind, channels, country, title, reason) VALUES ('mailer', 'processor', '{email}', 'FR', 'Mail provider', 'test data');
INSERT INTO nurture.notice (notice_id, notice_version, uri, hash, title, reason) VALUES ('privacy', '1', 'https://www.example.org/privacy', sha256('text'), 'Privacy notice', 'test data');
SELECT * FROM nurture_retain('consent_token');

-- change control: settings that are proposed, a draft that was checked and signed and is to be published some day
SELECT count(*) FROM nurture_import_config('{"format": "nurture.config", "format_version": 1, "settings": {"list": [{"list": "loaded_import", "origin": "import", "title": "a list"}]}}', 'test data');
SELECT nurture_draft('route', 'sql', 1) AS version \gset
UPDATE nurture.route_version SET attempts_max = 5 WHERE route = 'sql' AND version = :version;
SELECT nurture_approve('route', 'sql', :version, 'sales', 'approved', 'test data');
SELECT nurture_publish('route', 'sql', :version, 'test data', publish_at => '2099-01-01 00:00Z');
INSERT INTO nurture.review_date (object, code, owner, reviewed_on, reason) VALUES ('route', 'sql', 'sales', '2026-01-31', 'test data');

-- part of the trail is sealed, part is not
SELECT nurture_audit_seal();
UPDATE nurture.frequency_cap SET n = n WHERE cap = 'none';
UPDATE nurture.signal SET title = title || ' (tested)' WHERE signal = 'page_viewed';

-- rights, to roles that every cluster has
SELECT nurture_grant_access('pg_monitor', 'analyst', 'test data'), nurture_grant_access('pg_signal_backend', 'sales', 'test data');
INSERT INTO nurture.access_owner (role_name, lead_owner, reason) VALUES ('pg_signal_backend', 'Region North', 'test data');
