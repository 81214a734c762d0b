-- A library of :assets approved versions with 200 tags, :more others that fit
-- no lead of ours, and :leads leads who read about some topics; then the peer:
-- one table of versions with a GIN index over what a version is made for.
SET client_min_messages = warning;
SELECT setseed(0.42);
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

INSERT INTO nurture.tag (dimension, value, title, reason) SELECT 'topic', 'bench_' || i, 'bench', 'benchmark' FROM generate_series(1, 170) i;
CREATE TABLE public.topic AS SELECT row_number() OVER (ORDER BY value) AS n, value FROM nurture.tag WHERE dimension = 'topic' AND value LIKE 'bench%';
CREATE UNIQUE INDEX ON public.topic (n);
INSERT INTO nurture.lead (lead_id, email, audience_type, audience_verified_at, role, country, language, time_zone)
SELECT i, 'l' || i || '@example.org', (ARRAY['hcp', 'investigator', 'payer', 'partner'])[1 + i % 4], now() - interval '1 year', (ARRAY['prescriber', 'nurse', NULL])[1 + i % 3],
       (ARRAY['DE', 'FR', 'BR', 'IT', 'ES', 'PL', 'NL', 'BE'])[1 + i % 8], (ARRAY['de', 'fr', 'pt', 'it', 'es', 'pl', 'nl', 'fr'])[1 + i % 8], 'Europe/Berlin'
FROM generate_series(1, :leads) i;
INSERT INTO nurture.consent_event (lead_id, channel, kind, source) SELECT lead_id, 'email', 'given', 'bench' FROM nurture.lead ORDER BY lead_id;

-- the library as a restore brings it; every eighth version is for any market
SELECT set_config('search_path', '', false), set_config('row_security', 'off', false), set_config('check_function_bodies', 'off', false);
INSERT INTO nurture.asset (asset_id, family, title, format, purpose, priority)
SELECT 'a' || i, 'f' || (i / 3), 'Asset ' || i, (ARRAY['article', 'video', 'webinar', 'white_paper'])[1 + i % 4], 'marketing', i % 5
FROM generate_series(1, :assets + :more) i;
INSERT INTO nurture.asset_version (asset_id, version, status, message_class, channels, languages, markets, audience_types, approved_by, approved_at, valid_during, content_hash, uri)
SELECT 'a' || i, 1, 'approved', 'promotional', CASE WHEN i % 2 = 0 THEN '{email}'::text[] ELSE '{email,phone}' END,
       CASE WHEN i > :assets THEN '{ja}'::text[] ELSE ARRAY['en', (ARRAY['de', 'fr', 'pt', 'it', 'es', 'pl', 'nl', 'fr'])[1 + i % 8]] END,
       CASE WHEN i > :assets THEN '{JP}'::text[] WHEN i % 8 = 0 THEN '{*}' ELSE ARRAY[(ARRAY['DE', 'FR', 'BR', 'IT', 'ES', 'PL', 'NL', 'BE'])[1 + i % 8], 'US'] END,
       ARRAY[(ARRAY['hcp', 'investigator', 'payer', 'partner'])[1 + (i / 8) % 4]], 'bench', now() - random() * interval '300 days',
       tstzrange(now() - interval '1 year', now() + interval '1 year'), decode(md5(i::text) || md5(i::text), 'hex'), 'https://content.example/' || i
FROM generate_series(1, :assets + :more) i;
INSERT INTO nurture.asset_tag (asset_id, version, dimension, value)
SELECT 'a' || i, 1, 'topic', (SELECT t.value FROM public.topic t WHERE t.n = 1 + (i * 7919 + k * 104729) % 170)
FROM generate_series(1, :assets + :more) i, generate_series(1, 3) k
ON CONFLICT DO NOTHING;
INSERT INTO nurture.asset_tag (asset_id, version, dimension, value)
SELECT 'a' || i, 1, d.dimension, d.value
FROM generate_series(1, :assets + :more) i,
     LATERAL (VALUES ('depth', (1 + i % 3)::text), ('funnel_stage', (ARRAY['awareness', 'consideration', 'evaluation', 'decision'])[1 + i % 4]),
                     ('format', (ARRAY['article', 'video', 'webinar', 'white_paper'])[1 + i % 4]), ('offer', (ARRAY['overview', 'clinical_evidence', 'webinar'])[1 + i % 3])) d (dimension, value);
SET search_path = public;
SET row_security = on;
SET check_function_bodies = on;

-- each lead read something about a few topics, and was sent some families
INSERT INTO nurture.event (lead_id, event_type, occurred_at, tags)
SELECT l.lead_id, 'page_viewed', now() - random() * interval '120 days', ARRAY['topic:' || t.value, 'depth:' || (1 + (l.lead_id + k) % 2)]
FROM nurture.lead l, generate_series(1, 10) k, public.topic t WHERE t.n = 1 + (l.lead_id * 31 + k % 4 * 17) % 170;
SELECT count(*) FROM (SELECT nurture_next_asset(lead_id) AS a FROM nurture.lead WHERE lead_id <= 10) s;

-- what somebody would build: arrays, one GIN index, interest kept in a table
CREATE SCHEMA peer;
CREATE TABLE peer.library AS
SELECT v.asset_id, v.version, a.family, a.priority, v.valid_during, v.approved_at,
       (SELECT array_agg('c:' || c) FROM unnest(v.channels) c) || (SELECT array_agg('l:' || c) FROM unnest(v.languages) c)
       || (SELECT array_agg('m:' || c) FROM unnest(v.markets) c) || (SELECT array_agg('a:' || c) FROM unnest(v.audience_types) c) AS made_for,
       (SELECT array_agg(t.dimension || ':' || t.value) FROM nurture.asset_tag t WHERE t.asset_id = v.asset_id AND t.version = v.version) AS tags,
       (SELECT max(t.value::integer) FROM nurture.asset_tag t WHERE t.asset_id = v.asset_id AND t.version = v.version AND t.dimension = 'depth') AS depth
FROM nurture.asset_version v JOIN nurture.asset a USING (asset_id) WHERE v.status = 'approved';
CREATE INDEX ON peer.library USING gin (made_for);
CREATE TABLE peer.interest AS
SELECT e.lead_id, t.tag, sum(power(0.5, extract(epoch FROM now() - e.occurred_at) / 86400 / 30))::double precision AS weight
FROM nurture.event e, unnest(e.tags) t (tag) WHERE t.tag LIKE 'topic:%' GROUP BY 1, 2;
CREATE INDEX ON peer.interest (lead_id) INCLUDE (tag, weight);
CREATE TABLE peer.depth AS
SELECT e.lead_id, t.tag, max(substr(d.tag, 7)::integer) AS depth
FROM nurture.event e, unnest(e.tags) t (tag), unnest(e.tags) d (tag) WHERE t.tag LIKE 'topic:%' AND d.tag LIKE 'depth:%' GROUP BY 1, 2;
CREATE INDEX ON peer.depth (lead_id) INCLUDE (tag, depth);
CREATE FUNCTION peer.next_asset(id bigint) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT v.asset_id
    FROM nurture.lead l
    JOIN peer.library v ON v.made_for @> ARRAY['a:' || l.audience_type, 'c:email'] AND v.made_for && ARRAY['m:' || l.country, 'm:*'] AND v.made_for && ARRAY['l:' || l.language, 'l:*']
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(CASE WHEN t.tag = 'offer:overview' AND i.weight IS NULL THEN 30 ELSE 40 * i.weight / (SELECT sum(weight) FROM peer.interest x WHERE x.lead_id = l.lead_id) END), 0)
               + CASE WHEN 'funnel_stage:awareness' = ANY (v.tags) THEN 10 ELSE 0 END
               + 5 * greatest(0, 1 - extract(epoch FROM now() - v.approved_at)::double precision / 86400 / 180) + v.priority AS rank
        FROM unnest(v.tags) t (tag) LEFT JOIN peer.interest i ON i.lead_id = l.lead_id AND i.tag = t.tag) r
    WHERE l.lead_id = id AND v.valid_during @> now()
      AND v.depth <= 1 + coalesce((SELECT max(d.depth) FROM peer.depth d WHERE d.lead_id = l.lead_id AND d.tag = ANY (v.tags)), 0)
      AND NOT EXISTS (SELECT FROM nurture.message m WHERE m.lead_id = l.lead_id AND m.family = v.family AND m.decided_at > now() - interval '30 days')
      AND EXISTS (SELECT FROM nurture.consent c WHERE c.lead_id = l.lead_id AND c.channel IN ('*', 'email') AND c.state IN ('given', 'confirmed', 'renewed'))
    ORDER BY r.rank DESC, v.priority DESC, v.asset_id LIMIT 1 $$;
VACUUM ANALYZE;
