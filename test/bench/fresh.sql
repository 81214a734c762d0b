-- Messages in bulk where plans were made while tables were empty. One session:
-- plans are kept by it. case: installed, nothing is ever analysed; analysed,
-- everything is while it is empty; between, two batches with ANALYZE between.
SET client_min_messages = warning;
CREATE EXTENSION nurture;
SELECT nurture_install('pharma');
CREATE SCHEMA bench;
CREATE TABLE bench.result (name text, value double precision);
CREATE FUNCTION bench.measure(name text, statement text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    since timestamptz := clock_timestamp();
BEGIN
    EXECUTE statement;
    INSERT INTO bench.result VALUES (name, 1000 * extract(epoch FROM clock_timestamp() - since));
END $$;
SELECT nurture_add_asset('{"asset_id": "bench_asset", "title": "bench", "format": "article", "message_class": "promotional", "channels": ["email"],
    "markets": ["*"], "languages": ["*"], "audience_types": ["*"]}');
SELECT nurture_set_asset_status('bench_asset', 1, 'in_review', 'benchmark');
SELECT nurture_approve('asset', 'bench_asset', 1, 'medical', 'approved', 'benchmark');
UPDATE nurture.frequency_cap SET n = 1000000;
SELECT 'Etc/GMT' || CASE WHEN h > 11 THEN '+' WHEN h < 11 THEN '-' ELSE '' END || coalesce(nullif(abs(11 - h), 0)::text, '') AS zone
FROM (SELECT extract(hour FROM now() AT TIME ZONE 'UTC')::integer AS h) n \gset
SELECT :'case' = 'analysed' AS analysed, :'case' = 'between' AS between \gset
\if :analysed
ANALYZE;
\endif
-- the plans are made now
INSERT INTO nurture.message (lead_id, channel, asset_id) VALUES (0, 'email', 'bench_asset');
INSERT INTO nurture.lead (lead_id, email, audience_type, audience_verified_at, role, country, language, time_zone, organization_type)
SELECT i, 'l' || i || '@example.org', 'hcp', now() - interval '1 year', (ARRAY['prescriber', 'nurse', NULL])[1 + i % 3],
       (ARRAY['DE', 'FR', 'BR'])[1 + i % 3], 'en', :'zone', (ARRAY['hospital', 'clinic'])[1 + i % 2]
FROM generate_series(1, :leads) i;
INSERT INTO nurture.consent_event (lead_id, channel, kind, source) SELECT lead_id, 'email', 'confirmed', 'bench' FROM nurture.lead ORDER BY lead_id;
INSERT INTO nurture.event (lead_id, event_type) SELECT lead_id, 'page_viewed' FROM nurture.lead;
SELECT format($$INSERT INTO nurture.message (lead_id, channel, asset_id, occurrence_key) SELECT l.lead_id, 'email', 'bench_asset', 'bulk' FROM nurture.lead l WHERE l.lead_id BETWEEN %s AND %s$$,
              1, :n) AS first,
       format($$INSERT INTO nurture.message (lead_id, channel, asset_id, occurrence_key) SELECT l.lead_id, 'email', 'bench_asset', 'bulk' FROM nurture.lead l WHERE l.lead_id BETWEEN %s AND %s$$,
              :n + 1, 2 * :n) AS second \gset
SELECT bench.measure(CASE WHEN :'case' = 'between' THEN 'warm' ELSE 'fresh_' || :'case' END, :'first');
\if :between
ANALYZE;
SELECT bench.measure('fresh_between', :'second');
\endif
