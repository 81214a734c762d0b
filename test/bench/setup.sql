-- Data of the benchmark: leads, events of the chosen signals over a year, a
-- model with one half-life rule per signal and three facts, and the peers.
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

-- where it is eleven in the morning, whenever this runs: no quiet hours
SELECT 'Etc/GMT' || CASE WHEN h > 11 THEN '+' WHEN h < 11 THEN '-' ELSE '' END || coalesce(nullif(abs(11 - h), 0)::text, '') AS zone
FROM (SELECT extract(hour FROM now() AT TIME ZONE 'UTC')::integer AS h) n \gset
INSERT INTO nurture.lead (lead_id, email, audience_type, audience_verified_at, role, country, language, time_zone, organization_type)
SELECT i, 'l' || i || '@example.org', 'hcp', now() - interval '1 year', (ARRAY['prescriber', 'nurse', NULL])[1 + i % 3],
       (ARRAY['DE', 'FR', 'BR'])[1 + i % 3], 'en', :'zone', (ARRAY['hospital', 'clinic'])[1 + i % 2]
FROM generate_series(1, :leads) i;

-- an asset in force, consent as each country asks for it, and caps that are
-- counted but not reached: the gate evaluates every rule and allows
CREATE TABLE bench.cap AS SELECT cap, n FROM nurture.frequency_cap;
UPDATE nurture.frequency_cap SET n = 1000000;
SELECT nurture_add_asset('{"asset_id": "bench_asset", "title": "bench", "format": "article", "message_class": "promotional", "channels": ["email"],
    "markets": ["*"], "languages": ["*"], "audience_types": ["*"]}');
SELECT nurture_set_asset_status('bench_asset', 1, 'in_review', 'benchmark');
SELECT nurture_approve('asset', 'bench_asset', 1, 'medical', 'approved', 'benchmark');
INSERT INTO nurture.consent_event (lead_id, channel, kind, source) SELECT lead_id, 'email', 'confirmed', 'bench' FROM nurture.lead ORDER BY lead_id;

-- the signals: neither of safety nor narrowed, points 1 to 5
CREATE SCHEMA peer;
CREATE TABLE peer.rule AS
SELECT row_number() OVER (ORDER BY s.signal_id)::integer AS n, s.event_type, s.signal, (1 + s.signal_id % 5)::double precision AS points
FROM nurture.signal s JOIN nurture.event_type t USING (event_type)
WHERE s.condition IS NULL AND s.tags = '{}' AND t.class IN ('content', 'engagement') AND NOT t.sensitive
ORDER BY s.signal_id
LIMIT :signals;
INSERT INTO peer.rule
SELECT (SELECT max(n) FROM peer.rule) + row_number() OVER (ORDER BY s.signal_id), s.event_type, s.signal, 3
FROM nurture.signal s JOIN nurture.event_type t USING (event_type)
WHERE s.condition IS NULL AND s.tags = '{}' AND t.class IN ('intent', 'communication', 'outcome') AND NOT t.sensitive
ORDER BY s.signal_id
LIMIT greatest(:signals - (SELECT count(*) FROM peer.rule), 0);
CREATE UNIQUE INDEX ON peer.rule (event_type);

INSERT INTO nurture.model (model, title, reason) VALUES ('bench', 'bench', 'benchmark');
SELECT nurture_draft('model', 'bench') AS version \gset
INSERT INTO nurture.signal_rule (model, version, rule, signal, points, curve, curve_days)
    SELECT 'bench', :version, 'on_' || signal, signal, points::numeric, 'half_life', 30 FROM peer.rule;
INSERT INTO nurture.fit_rule (model, version, rule, attribute, operator, operand, points) VALUES
    ('bench', :version, 'prescriber', 'role', '=', '"prescriber"', 30),
    ('bench', :version, 'market', 'country', 'in', '["DE", "FR"]', 20),
    ('bench', :version, 'hospital', 'organization_type', '=', '"hospital"', 10);
INSERT INTO nurture.band (model, version, dimension, band, min_points) VALUES
    ('bench', :version, 'fit', 'A', 50), ('bench', :version, 'fit', 'B', 30), ('bench', :version, 'fit', 'C', 10),
    ('bench', :version, 'intent', '1', 50), ('bench', :version, 'intent', '2', 30), ('bench', :version, 'intent', '3', 10);
UPDATE nurture.model SET is_default = false WHERE is_default;
SELECT nurture_publish('model', 'bench', :version, 'benchmark', true);
UPDATE nurture.model SET is_default = true WHERE model = 'bench';
-- a draft in which every rule is worth something else
SELECT nurture_draft('model', 'bench', :version) AS draft \gset
UPDATE nurture.signal_rule SET points = points + 1, curve_days = 45 WHERE model = 'bench' AND version = :draft;
UPDATE nurture.fit_rule SET points = points - 5 WHERE model = 'bench' AND version = :draft;

-- a year of months, the same for both event tables
CREATE TABLE peer.bare_event (
    LIKE nurture.event INCLUDING DEFAULTS INCLUDING IDENTITY,
    PRIMARY KEY (lead_id, event_id, recorded_at)
) PARTITION BY RANGE (recorded_at);
SELECT format('CREATE TABLE IF NOT EXISTS %s PARTITION OF %s FOR VALUES FROM (%L) TO (%L)',
              prefix || to_char(m, '_YYYY_MM'), parent, m, m + interval '1 month')
FROM generate_series(date_trunc('month', now()) - interval '12 months', date_trunc('month', now()) + interval '1 month', interval '1 month') m,
     (VALUES ('nurture.event', 'nurture_part.event'), ('peer.bare_event', 'peer.bare_event')) t (parent, prefix)
WHERE NOT EXISTS (SELECT FROM pg_inherits i WHERE i.inhparent = parent::regclass
                  AND pg_get_expr((SELECT relpartbound FROM pg_class WHERE oid = i.inhrelid), i.inhrelid) LIKE '%' || to_char(m, 'YYYY-MM-DD') || '%TO%')
\gexec
CREATE UNIQUE INDEX ON peer.bare_event (lead_id, source, source_key, recorded_at);

-- A few leads do much, most do little; what happened was learned at once. In
-- the order in which it happened, as it would be loaded.
CREATE UNLOGGED TABLE peer.csv AS
SELECT row_number() OVER (ORDER BY e.occurred_at) AS n, e.lead_id, e.occurred_at AS recorded_at,
       e.event_type, e.occurred_at, 'web'::text AS source, 'key-' || row_number() OVER (ORDER BY e.occurred_at) AS source_key
FROM (SELECT 1 + floor(:leads * power(random(), 1.5))::bigint AS lead_id, r.event_type,
             date_trunc('second', now() - interval '3 days' - random() * interval '360 days') AS occurred_at
      FROM (SELECT 1 + floor(random() * (SELECT count(*) FROM peer.rule))::integer AS n FROM generate_series(1, :events)) g
      JOIN peer.rule r USING (n)) e;

-- What SQL and PL/pgSQL read: one table without partitions, narrow, in the
-- order of leads, with an index that holds all they need.
CREATE TABLE peer.event AS SELECT lead_id, event_type, occurred_at FROM peer.csv ORDER BY lead_id, occurred_at;
CREATE INDEX ON peer.event (lead_id) INCLUDE (event_type, occurred_at);

CREATE FUNCTION peer.fit(l nurture.lead) RETURNS numeric LANGUAGE sql IMMUTABLE AS $$
    SELECT (CASE WHEN l.role = 'prescriber' THEN 30 ELSE 0 END + CASE WHEN l.country IN ('DE', 'FR') THEN 20 ELSE 0 END
            + CASE WHEN l.organization_type = 'hospital' THEN 10 ELSE 0 END)::numeric $$;
CREATE FUNCTION peer.score(id bigint) RETURNS numeric LANGUAGE plpgsql STABLE AS $$
DECLARE
    total numeric;
BEGIN
    SELECT coalesce(sum(round(s.points::numeric, 2)), 0) INTO total
    FROM (SELECT r.points * sum(power(0.5::double precision, (current_date - e.occurred_at::date) / 30.0::double precision)) AS points
          FROM peer.event e JOIN peer.rule r ON r.event_type = e.event_type
          WHERE e.lead_id = id
          GROUP BY r.n, r.points) s;
    RETURN total + (SELECT CASE WHEN l.role = 'prescriber' THEN 30 ELSE 0 END + CASE WHEN l.country IN ('DE', 'FR') THEN 20 ELSE 0 END
                           + CASE WHEN l.organization_type = 'hospital' THEN 10 ELSE 0 END
                    FROM nurture.lead l WHERE l.lead_id = id);
END $$;
CREATE VIEW peer.lead_score AS
SELECT l.lead_id, peer.fit(l) + coalesce(i.intent, 0) AS total
FROM nurture.lead l
LEFT JOIN (SELECT s.lead_id, sum(round(s.points::numeric, 2)) AS intent
           FROM (SELECT e.lead_id, r.points * sum(power(0.5::double precision, (current_date - e.occurred_at::date) / 30.0::double precision)) AS points
                 FROM peer.event e JOIN peer.rule r ON r.event_type = e.event_type
                 GROUP BY e.lead_id, r.n, r.points) s
           GROUP BY s.lead_id) i USING (lead_id);

CREATE TABLE peer.bare_message (LIKE nurture.message INCLUDING DEFAULTS INCLUDING IDENTITY INCLUDING CONSTRAINTS INCLUDING INDEXES);

-- What somebody would write in PL/pgSQL instead of the gate: a row of the lead
-- is locked, then lead, consent, suppression, stop, asset and one cap are
-- looked at, and what was decided is logged with its hash.
CREATE TABLE peer.message (LIKE nurture.message INCLUDING DEFAULTS INCLUDING IDENTITY INCLUDING CONSTRAINTS INCLUDING INDEXES);
CREATE TABLE peer.gate (lead_id bigint PRIMARY KEY, seq bigint NOT NULL DEFAULT 0) WITH (fillfactor = 50);
INSERT INTO peer.gate (lead_id) SELECT lead_id FROM nurture.lead ORDER BY 1;
CREATE TABLE peer.log (log_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, lead_id bigint NOT NULL, at timestamptz NOT NULL, decision text NOT NULL, hash bytea NOT NULL);
CREATE INDEX ON peer.log (lead_id, log_id);
CREATE FUNCTION peer.decide() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    l nurture.lead;
    a nurture.asset_version;
    sent bigint;
    why text[] := '{}';
BEGIN
    UPDATE peer.gate g SET seq = g.seq + 1 WHERE g.lead_id = NEW.lead_id RETURNING g.seq INTO NEW.gate_seq;
    NEW.decided_at := clock_timestamp();
    SELECT * INTO l FROM nurture.lead WHERE lead_id = NEW.lead_id;
    IF NOT FOUND OR l.erased_at IS NOT NULL OR l.email IS NULL THEN
        why := array_append(why, 'lead');
    END IF;
    IF NOT EXISTS (SELECT FROM nurture.consent c WHERE c.lead_id = NEW.lead_id AND c.channel IN ('*', NEW.channel) AND c.purpose IN ('*', 'marketing')
                   AND c.state IN ('given', 'confirmed', 'renewed') AND (c.expires_at IS NULL OR c.expires_at > NEW.decided_at))
       OR EXISTS (SELECT FROM nurture.consent c WHERE c.lead_id = NEW.lead_id AND c.channel IN ('*', NEW.channel) AND c.purpose IN ('*', 'marketing')
                  AND c.state IN ('refused', 'withdrawn', 'objected')) THEN
        why := array_append(why, 'consent');
    END IF;
    IF EXISTS (SELECT FROM nurture.suppression s WHERE s.key_hash IN (sha256(convert_to(lower(l.email), 'UTF8')), sha256(convert_to(split_part(lower(l.email), '@', 2), 'UTF8')))
               AND s.until > NEW.decided_at) THEN
        why := array_append(why, 'suppression');
    END IF;
    IF EXISTS (SELECT FROM nurture.stop_effect e WHERE e.lead_id = NEW.lead_id AND e.lifted_at IS NULL AND e.until > NEW.decided_at) THEN
        why := array_append(why, 'stop');
    END IF;
    SELECT * INTO a FROM nurture.asset_version v WHERE v.asset_id = NEW.asset_id AND v.status = 'approved' FOR SHARE;
    IF NOT FOUND OR NOT NEW.channel = ANY (a.channels) OR NOT a.valid_during @> NEW.decided_at THEN
        why := array_append(why, 'asset');
    END IF;
    SELECT count(*) INTO sent FROM peer.message m WHERE m.lead_id = NEW.lead_id AND m.channel = NEW.channel
        AND m.status IN ('queued', 'taken', 'sent', 'delivered') AND m.decided_at > NEW.decided_at - interval '7 days';
    IF sent >= 1000000 THEN
        why := array_append(why, 'cap');
    END IF;
    NEW.version := a.version;
    NEW.family := NEW.asset_id;
    NEW.not_before := NEW.decided_at;
    NEW.status := CASE WHEN why = '{}' THEN 'queued' ELSE 'refused' END;
    NEW.reasons := why;
    RETURN NEW;
END $$;
CREATE FUNCTION peer.record() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    decision text := jsonb_build_object('message', NEW.message_id, 'status', NEW.status, 'reasons', NEW.reasons, 'asset', NEW.asset_id, 'version', NEW.version)::text;
BEGIN
    INSERT INTO peer.log (lead_id, at, decision, hash) VALUES (NEW.lead_id, NEW.decided_at, decision, sha256(convert_to(NEW.lead_id || NEW.decided_at::text || decision, 'UTF8')));
    RETURN NULL;
END $$;
-- each lead had a message before, as most leads have had
INSERT INTO nurture.message (lead_id, channel, asset_id, occurrence_key) SELECT lead_id, 'email', 'bench_asset', 'welcome' FROM nurture.lead;
INSERT INTO peer.bare_message (lead_id, channel, asset_id, version, family, occurrence_key, not_before)
    SELECT lead_id, channel, asset_id, version, family, occurrence_key, not_before FROM nurture.message ORDER BY message_id;
INSERT INTO peer.message (lead_id, channel, asset_id, version, family, occurrence_key, not_before, decided_at, gate_seq, reasons)
    SELECT lead_id, channel, asset_id, version, family, occurrence_key, not_before, decided_at, gate_seq, '{}' FROM nurture.message ORDER BY message_id;
CREATE TRIGGER decide BEFORE INSERT ON peer.message FOR EACH ROW EXECUTE FUNCTION peer.decide();
CREATE TRIGGER record AFTER INSERT ON peer.message FOR EACH ROW EXECUTE FUNCTION peer.record();
VACUUM ANALYZE;
