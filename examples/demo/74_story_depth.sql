\echo
\echo '-- Story 4: the mechanism of action again and again: deeper content.'
\set ECHO queries
SELECT asset_id, rank, reason FROM nurture_next_asset(30004, 'email');

INSERT INTO nurture.event (lead_id, event_type, asset_id, tags, source)
SELECT 30004, 'mechanism_page_viewed', 'moa-video', '{topic:moa}', 'web' FROM generate_series(1, 3);
SELECT asset_id, rank, reason FROM nurture_next_asset(30004, 'email');

CALL demo.live(2);
INSERT INTO nurture.event (lead_id, event_type, asset_id, tags, source)
SELECT 30004, 'mechanism_page_viewed', 'moa-practice', '{topic:moa}', 'web' FROM generate_series(1, 3);
SELECT asset_id, rank, reason FROM nurture_next_asset(30004, 'email');

SELECT asset_id, verdict, failed, rank, terms FROM nurture_candidates(30004, 6, 'email') ORDER BY rank DESC NULLS LAST;
\set ECHO none
