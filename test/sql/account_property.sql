-- Random accounts: score, active leads, topics and spike against what the raw
-- events say, counted by SQL.
BEGIN;
SET LOCAL client_min_messages = warning;
SET LOCAL nurture.clock = '2026-06-30T12:00:00Z';
SELECT plan(7);
SELECT setseed(0.42);
INSERT INTO nurture.event_type (event_type, class) VALUES ('q_page', 'content'), ('q_demo', 'intent'), ('q_delivered', 'engagement'), ('q_bounce', 'negative'), ('q_timed', 'content');
INSERT INTO nurture.signal (signal, signal_id, event_type, condition) VALUES ('q_page', 32201, 'q_page', NULL), ('q_demo', 32202, 'q_demo', NULL),
    ('q_delivered', 32203, 'q_delivered', NULL), ('q_bounce', 32204, 'q_bounce', NULL), ('q_timed', 32205, 'q_timed', '$.seconds >= 60');
INSERT INTO nurture.tag (dimension, value, tag_id) SELECT 'topic', 'q_' || i, 61000 + i FROM generate_series(1, 8) i;
UPDATE nurture.account_policy SET passive_event_types = '{q_delivered}', lead_max = 3, topic_max = 4;

INSERT INTO nurture.account (account_id, country) SELECT 930000 + i, (ARRAY['DE', 'FR', NULL])[1 + i % 3] FROM generate_series(1, 120) i;
INSERT INTO nurture.lead (lead_id, account_id, is_test, merged_into, source, created_at)
    SELECT 9300000 + i, 930000 + 1 + i % 120, random() < 0.1, CASE WHEN random() < 0.1 THEN 9300001 END, CASE WHEN random() < 0.1 THEN 'to erase' END,
           '2026-06-30 06:00Z'::timestamptz - random() ^ 2 * interval '90 days'
    FROM generate_series(1, 500) i;
-- some accounts are busy, some are so lately
CREATE TEMP TABLE raw AS
    SELECT l.lead_id, l.account_id, (ARRAY['q_page', 'q_page', 'q_page', 'q_demo', 'q_delivered', 'q_delivered', 'q_bounce', 'q_timed'])[1 + floor(random() * 8)::int] AS event_type,
           '2026-06-30 11:00Z'::timestamptz - CASE WHEN l.account_id % 5 = 0 AND random() < 0.6 THEN random() * interval '8 days' ELSE random() * interval '130 days' END AS occurred_at,
           CASE WHEN random() < 0.5 THEN 'topic:q_' || 1 + floor(random() * 8)::int END AS tag, floor(random() * 120)::int AS seconds
    FROM (SELECT *, floor(random() * (account_id % 9))::int AS n FROM nurture.lead WHERE lead_id > 9300000) l, generate_series(1, l.n);
INSERT INTO nurture.event (lead_id, event_type, occurred_at, tags, properties)
    SELECT lead_id, event_type, occurred_at, CASE WHEN tag IS NOT NULL THEN ARRAY[tag] END, jsonb_build_object('seconds', seconds) FROM raw;
UPDATE nurture.lead SET erased_at = now(), source = NULL WHERE source = 'to erase';
INSERT INTO nurture.account_event (account_id, event_type, occurred_at, tags)
    SELECT 930000 + 1 + i % 40, 'q_page', '2026-06-30 10:00Z'::timestamptz - random() * interval '60 days', ARRAY['topic:q_1'] FROM generate_series(1, 90) i;

INSERT INTO nurture.model (model) VALUES ('q_model');
SELECT nurture_draft('model', 'q_model');
INSERT INTO nurture.fit_rule (model, version, rule, attribute, operator, operand, points) VALUES
    ('q_model', 1, 'country', 'account.country', '=', '"DE"', 11), ('q_model', 1, 'role', 'role', 'known', NULL, 100);
INSERT INTO nurture.signal_rule (model, version, rule, signal, points, curve, curve_days, per_day_max, count_max) VALUES
    ('q_model', 1, 'pages', 'q_page', 1.5, 'half_life', 20, 2, NULL), ('q_model', 1, 'demos', 'q_demo', 10, 'linear', 60, NULL, 3),
    ('q_model', 1, 'bounces', 'q_bounce', -4, 'none', NULL, NULL, NULL), ('q_model', 1, 'timed', 'q_timed', 2, 'window', 45, NULL, NULL);
INSERT INTO nurture.model_limit (model, version, dimension, floor, cap) VALUES ('q_model', 1, 'intent', -10, 40);
SELECT nurture_publish('model', 'q_model', 1, 'test') <> '' AS published;

-- what counts: events of leads that count, and of the organisation itself
CREATE TEMP TABLE counted AS
    SELECT l.lead_id, l.account_id, e.event_type, e.occurred_at, e.tags, e.properties,
           (e.event_type IN ('q_page', 'q_demo') OR e.event_type = 'q_timed' AND (e.properties ->> 'seconds')::int >= 60) AS activity,
           (e.occurred_at AT TIME ZONE 'UTC')::date AS day
    FROM nurture.event e JOIN nurture.lead c USING (lead_id) JOIN nurture.lead l ON l.lead_id = coalesce(c.merged_into, c.lead_id)
    WHERE l.lead_id > 9300000 AND NOT l.is_test AND l.erased_at IS NULL
    UNION ALL
    SELECT NULL, account_id, event_type, occurred_at, tags, NULL, true, (occurred_at AT TIME ZONE 'UTC')::date FROM nurture.account_event WHERE account_id > 930000;
CREATE INDEX ON counted (account_id);
ANALYZE counted;

-- the rules over the sum: one lead that did all of it
INSERT INTO nurture.lead (lead_id, account_id) SELECT 9390000 + i, NULL FROM generate_series(1, 120) i;
INSERT INTO nurture.event (lead_id, event_type, occurred_at, properties) SELECT account_id + 8460000, event_type, occurred_at, properties FROM counted;
UPDATE nurture.lead SET account_id = lead_id - 8460000, is_test = true WHERE lead_id > 9390000;
CREATE TEMP VIEW naive AS
    SELECT a.account_id,
           (SELECT count(DISTINCT lead_id) FROM counted c WHERE c.account_id = a.account_id AND activity AND day > date '2026-06-30' - 90) AS active,
           (SELECT count(*) FROM (SELECT sum(0.5 ^ ((date '2026-06-30' - day) / 30.0)) AS weight FROM counted c, unnest(tags) tag
                                  WHERE c.account_id = a.account_id GROUP BY tag) w WHERE weight >= 0.5) AS topics
    FROM nurture.account a WHERE account_id > 930000;
SELECT is_empty($$SELECT n.*, nurture_score(account_id + 8460000, 'q_model') FROM naive n
    WHERE nurture_account_score(account_id, 'q_model') IS DISTINCT FROM nurture_score(account_id + 8460000, 'q_model') + 5 * greatest(0, least(active - 1, 3)) + 2 * greatest(0, least(topics - 1, 4))$$,
    'the score is that of one lead that did all of it, and the breadth');
SELECT is_empty($$SELECT account_id FROM nurture.account WHERE account_id > 930000
    AND nurture_account_score(account_id, 'q_model') IS DISTINCT FROM (SELECT sum(points) FROM nurture_account_explain(account_id, 'q_model'))$$, 'the explanation adds up');
SELECT is_empty($$SELECT n.* FROM naive n WHERE (active, topics) IS DISTINCT FROM
    ((SELECT occurrences FROM nurture_account_explain(account_id, 'q_model') WHERE rule = 'active_leads'), (SELECT occurrences FROM nurture_account_explain(account_id, 'q_model') WHERE rule = 'topics'))$$,
    'with the numbers of leads and topics');

-- spikes: active days of leads, and the binomial tail by its definition
CREATE FUNCTION pg_temp.tail(x bigint, n bigint, p numeric) RETURNS numeric LANGUAGE sql IMMUTABLE AS
$$ SELECT coalesce(sum(factorial(n) / (factorial(k) * factorial(n - k)) * p ^ k * (1 - p) ^ (n - k)), 0) FROM generate_series(x, n) k $$;
CREATE TEMP VIEW naive_spike AS
    SELECT s.*, (recent + 0.5) / (baseline * 7.0 / nullif(days, 0) + 0.5) AS ratio, pg_temp.tail(recent, recent + baseline, 7.0 / (7 + days)) AS chance
    FROM (SELECT w.account_id, greatest(days, 0) AS days,
                 (SELECT count(DISTINCT (lead_id, day)) FROM counted c WHERE c.account_id = w.account_id AND activity AND day > date '2026-06-30' - 7) AS recent,
                 (SELECT count(DISTINCT (lead_id, day)) FROM counted c WHERE c.account_id = w.account_id AND activity AND day <= date '2026-06-30' - 7 AND day > date '2026-06-30' - 7 - days) AS baseline
          FROM (SELECT a.account_id, least(56, date '2026-06-24' - least(
                           (SELECT min(day) FROM counted c WHERE c.account_id = a.account_id AND activity),
                           (SELECT min((created_at AT TIME ZONE 'UTC')::date) FROM nurture.lead l
                            WHERE l.account_id = a.account_id AND NOT is_test AND merged_into IS NULL AND erased_at IS NULL), date '2026-06-30')) AS days
                FROM nurture.account a WHERE account_id > 930000) w) s;
CREATE TEMP TABLE compared AS
    SELECT n.account_id, n.days, n.recent AS n_recent, n.baseline AS n_baseline, n.ratio AS n_ratio, n.chance AS n_chance, s.*
    FROM naive_spike n, nurture_account_spike(n.account_id) s;
SELECT is_empty($$SELECT * FROM compared WHERE (recent, baseline, baseline_days) IS DISTINCT FROM (n_recent, n_baseline, days)$$, 'recent and baseline count the days of leads');
SELECT is_empty($$SELECT * FROM compared WHERE CASE WHEN days < 14 THEN ratio IS NOT NULL OR chance IS NOT NULL
    ELSE ratio IS DISTINCT FROM round(n_ratio, 2) OR abs(chance - n_chance) > 1e-9 OR chance IS NULL END$$, 'ratio and chance are by their formulas');
SELECT is_empty($$SELECT * FROM compared WHERE is_spike <> (days >= 14 AND n_recent >= 3 AND round(n_ratio, 2) >= 2 AND n_chance <= 0.01)$$, 'and so is what is a spike');
SELECT is((SELECT string_agg(DISTINCT v, ',' ORDER BY v) FROM compared, LATERAL (VALUES (CASE WHEN is_spike THEN 'spike' WHEN ratio IS NULL THEN 'no history' WHEN recent = 0 THEN 'silent' WHEN baseline = 0 THEN 'from nothing' ELSE 'usual' END)) x (v)),
    'from nothing,no history,silent,spike,usual', 'all kinds were met');
SELECT * FROM finish();
ROLLBACK;
