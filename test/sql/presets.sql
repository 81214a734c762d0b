-- Presets: every code is there once, numbers stay, owners' numbers follow.
BEGIN;
SELECT plan(9);

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

SELECT * FROM finish();
ROLLBACK;
