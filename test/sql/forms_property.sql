-- Forms, random: whatever the order and the statements in which answers are
-- learned, the one that was given last holds; fill keeps the first that was
-- learned, and what contradicts changes nothing.
SET client_min_messages = warning;
BEGIN;
SELECT plan(6);
SELECT setseed(0.42) \g /dev/null

INSERT INTO nurture.attribute (attribute, type) VALUES ('fp_last', 'text'), ('fp_first', 'number'), ('fp_kept', 'list');
INSERT INTO nurture.fact_map (event_type, target, path, mode) VALUES
    ('form_submitted', 'attributes.fp_last', '$.a', 'replace'), ('demo_requested', 'attributes.fp_last', '$.b.a', 'replace'),
    ('form_submitted', 'attributes.fp_first', '$.n', 'fill'), ('form_submitted', 'attributes.fp_kept', '$.l', 'review'),
    ('form_submitted', 'preference.sms.max_per_month', '$.n', 'replace');
INSERT INTO nurture.lead (lead_id, created_at, updated_at) SELECT 990000 + i, '2020-01-01', '2020-01-01' FROM generate_series(1, 40) i;

-- 2,000 events, in 300 statements of random size, each at a random time
CREATE TEMP TABLE told AS
    SELECT i, 1 + (random() * 299)::int AS batch, 990001 + (random() * 39)::int AS lead_id, (ARRAY['form_submitted', 'demo_requested'])[1 + (random() < 0.3)::int] AS event_type,
           '2026-01-01'::timestamptz + (random() * 40)::int * interval '1 day' AS at, (random() * 5)::int AS n, 'v' || (random() * 3)::int AS a
    FROM generate_series(1, 2000) i;
DO $$
DECLARE b int;
BEGIN
    FOR b IN 1..300 LOOP
        INSERT INTO nurture.event (lead_id, event_type, occurred_at, source, source_key, properties)
            SELECT lead_id, event_type, at, 'fp', i::text,
                   CASE event_type WHEN 'form_submitted' THEN jsonb_build_object('a', a, 'n', n, 'l', jsonb_build_array(a)) ELSE jsonb_build_object('b', jsonb_build_object('a', a)) END
            FROM told WHERE batch = b ORDER BY md5(i::text);
    END LOOP;
END $$;
CREATE TEMP VIEW learned AS SELECT t.*, e.event_id FROM told t JOIN nurture.event e ON e.lead_id = t.lead_id AND e.source = 'fp' AND e.source_key = t.i::text;
-- within a statement answers are taken in the order they were given
CREATE TEMP VIEW first_learned AS SELECT DISTINCT ON (lead_id) * FROM learned WHERE event_type = 'form_submitted' ORDER BY lead_id, batch, at, event_id;
CREATE TEMP VIEW last_given AS SELECT DISTINCT ON (lead_id) * FROM learned ORDER BY lead_id, at DESC, event_id DESC;

SELECT is_empty($$SELECT l.lead_id, attributes ->> 'fp_last', g.a FROM nurture.lead l JOIN last_given g USING (lead_id) WHERE attributes ->> 'fp_last' IS DISTINCT FROM g.a$$, 'replace: the answer that was given last holds');
SELECT is_empty($$SELECT l.lead_id FROM nurture.lead l JOIN first_learned f USING (lead_id) WHERE (attributes ->> 'fp_first')::int IS DISTINCT FROM f.n$$, 'fill: the first that was learned holds');
SELECT is_empty($$SELECT l.lead_id FROM nurture.lead l JOIN first_learned f USING (lead_id) WHERE attributes -> 'fp_kept' IS DISTINCT FROM jsonb_build_array(f.a)$$, 'review: nothing changes what is known');
SELECT is_empty($$SELECT lead_id FROM nurture.preference p JOIN (SELECT DISTINCT ON (lead_id) * FROM learned WHERE event_type = 'form_submitted' ORDER BY lead_id, at DESC, event_id DESC) g USING (lead_id)
    WHERE p.channel = 'sms' AND p.max_per_month <> g.n$$, 'a preference: the last that was given');
SELECT is_empty($$SELECT s.lead_id FROM nurture.fact_source s JOIN nurture.lead l USING (lead_id)
    JOIN (SELECT lead_id, a, max(at) AS at FROM learned GROUP BY lead_id, a) said ON said.lead_id = s.lead_id AND said.a = l.attributes ->> 'fp_last'
    WHERE s.target = 'attributes.fp_last' AND s.said_at <> said.at$$, 'a fact is as old as the last answer that says it');
SELECT is_empty($$SELECT h.lead_id FROM nurture.lead_history h LEFT JOIN nurture.event e ON e.lead_id = h.lead_id AND e.event_id = h.event_id WHERE h.lead_id BETWEEN 990001 AND 990040 AND e.event_id IS NULL$$, 'every change names its event');

SELECT * FROM finish();
ROLLBACK;
