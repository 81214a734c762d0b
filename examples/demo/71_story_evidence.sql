\echo
\echo '-- Story 1: clinical evidence downloaded, evidence follow-up, webinar.'
\set ECHO queries
SELECT * FROM nurture_ingest('[
    {"lead_id": 30001, "event_type": "clinical_evidence_downloaded", "asset_id": "efficacy-phase3", "source": "web", "source_key": "d-1"},
    {"lead_id": 30001, "event_type": "clinical_evidence_downloaded", "asset_id": "efficacy-phase3", "source": "web", "source_key": "d-1"},
    {"lead_id": 30001, "event_type": "clinical_evidence_downloded",  "asset_id": "efficacy-phase3", "source": "web", "source_key": "d-2"}]');

SELECT reason, detail FROM nurture.event_quarantine;

SELECT event_type, asset_id, tags FROM nurture.event WHERE lead_id = 30001;

SELECT track, state, step_no AS step, next_due_at FROM nurture.enrollment WHERE lead_id = 30001;

CALL demo.live(7);

SELECT decided_at::date AS day, track, step_no AS step, asset_id, status FROM nurture.message WHERE lead_id = 30001 ORDER BY message_id;

INSERT INTO nurture.event (lead_id, event_type, asset_id, source)
VALUES (30001, 'webinar_registered', 'evidence-webinar', 'web');
CALL demo.live(3);
INSERT INTO nurture.event (lead_id, event_type, asset_id, source)
VALUES (30001, 'webinar_attended', 'evidence-webinar', 'webinar');

SELECT track, state, exit_reason FROM nurture.enrollment WHERE lead_id = 30001;

SELECT nurture_score(30001) AS score, nurture_grade(30001) AS grade, stage, tier
FROM nurture.lead LEFT JOIN nurture.lead_stage USING (lead_id) WHERE lead_id = 30001;

SELECT route, team, state, reason FROM nurture.handoff WHERE lead_id = 30001;

SELECT dimension, label, occurrences, points FROM nurture_explain(30001) ORDER BY dimension, points DESC, rule;
\set ECHO none
SELECT demo.check('a repeated download counts once',
    (SELECT count(*) = 1 FROM nurture.event WHERE lead_id = 30001 AND event_type = 'clinical_evidence_downloaded')) \gset
\echo :check
SELECT demo.check('the download was followed by evidence, then by an invitation to the webinar',
    (SELECT array_position(array_agg(offer ORDER BY message_id), 'webinar') > 1
     FROM nurture.message m
     JOIN LATERAL (SELECT value AS offer FROM nurture.asset_tag t WHERE t.asset_id = m.asset_id AND t.version = m.version AND dimension = 'offer') o ON true
     WHERE lead_id = 30001 AND status <> 'refused')) \gset
\echo :check
SELECT demo.check('a misspelt event waits in quarantine instead of being lost',
    (SELECT count(*) = 1 FROM nurture.event_quarantine WHERE resolved_at IS NULL)) \gset
\echo :check
SELECT demo.check('attending the webinar made a marketing-qualified lead',
    (SELECT stage = 'mql' AND tier = 3 FROM nurture.lead_stage WHERE lead_id = 30001)) \gset
\echo :check
SELECT demo.check('the explanation adds up', nurture_score(30001) = (SELECT sum(points) FROM nurture_explain(30001))) \gset
\echo :check
INSERT INTO demo.finding (what, said)
SELECT 'Evidence story', format('%s messages: %s; score %s, grade %s, stage %s', count(*), string_agg(asset_id, ', ' ORDER BY message_id), nurture_score(30001), nurture_grade(30001),
    (SELECT stage FROM nurture.lead_stage WHERE lead_id = 30001))
FROM nurture.message WHERE lead_id = 30001 AND status <> 'refused';
