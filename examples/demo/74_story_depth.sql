\echo
\echo '-- Story 4: the mechanism of action again and again: deeper content.'
\set ECHO queries
SELECT asset_id, rank, reason FROM nurture_next_asset(30004, 'email');

INSERT INTO nurture.event (lead_id, event_type, asset_id, source)
SELECT 30004, 'mechanism_page_viewed', 'moa-video', 'web' FROM generate_series(1, 3);
SELECT asset_id, rank, reason FROM nurture_next_asset(30004, 'email');

CALL demo.live(5);

INSERT INTO nurture.event (lead_id, event_type, asset_id, source)
SELECT 30004, 'mechanism_page_viewed', 'moa-practice', 'web' FROM generate_series(1, 3);
CALL demo.live(4);
SELECT decided_at::date AS day, track, asset_id, (SELECT value FROM nurture.asset_tag t WHERE t.asset_id = m.asset_id AND t.version = m.version AND dimension = 'depth') AS depth, status
FROM nurture.message m WHERE lead_id = 30004 ORDER BY message_id;

INSERT INTO nurture.event (lead_id, event_type, asset_id, source)
SELECT 30004, 'mechanism_page_viewed', 'moa-biomarkers', 'web' FROM generate_series(1, 3);
SELECT asset_id, rank, reason FROM nurture_next_asset(30004, 'email');

SELECT asset_id, verdict, failed, rank FROM nurture_candidates(30004, 100, 'email')
WHERE asset_id LIKE 'moa-%' OR rank >= 30 ORDER BY rank DESC, asset_id;
\set ECHO none
SELECT demo.check('what was sent about the mechanism of action became deeper',
    count(*) >= 2 AND array_agg(depth ORDER BY message_id) = array_agg(depth ORDER BY depth))
FROM (SELECT m.message_id, d.value AS depth
      FROM nurture.message m
      JOIN nurture.asset_tag d ON d.asset_id = m.asset_id AND d.version = m.version AND d.dimension = 'depth'
      JOIN nurture.asset_tag t ON t.asset_id = m.asset_id AND t.version = m.version AND t.dimension = 'topic' AND t.value = 'moa'
      WHERE m.lead_id = 30004 AND m.status <> 'refused') sent \gset
\echo :check
INSERT INTO demo.finding (what, said)
SELECT 'Mechanism of action', 'sent in this order: ' || string_agg(asset_id, ', ' ORDER BY message_id)
FROM nurture.message WHERE lead_id = 30004 AND status <> 'refused';
