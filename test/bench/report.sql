-- The lines of the benchmark, from the medians; printed as JSON.
SET client_min_messages = warning;
CREATE VIEW bench.median AS
    SELECT name, percentile_cont(0.5) WITHIN GROUP (ORDER BY value) AS value FROM bench.result GROUP BY name;
CREATE FUNCTION bench.of(wanted text) RETURNS double precision LANGUAGE sql STABLE AS
    $$SELECT m.value FROM bench.median m WHERE m.name = wanted$$;
CREATE TABLE bench.line (no integer GENERATED ALWAYS AS IDENTITY, what text, value double precision, unit text, at_least boolean, bound double precision,
    measured text GENERATED ALWAYS AS (coalesce(round(value::numeric, 2) || ' ' || unit, 'not measured')) STORED,
    bar text GENERATED ALWAYS AS (coalesce(CASE WHEN at_least THEN '>= ' ELSE '<= ' END || bound, '')) STORED,
    verdict text GENERATED ALWAYS AS (CASE WHEN bound IS NULL OR value IS NULL THEN '' WHEN (value >= bound) = at_least OR value = bound THEN 'pass' ELSE 'FAIL' END) STORED);
INSERT INTO bench.line (what, value, unit, at_least, bound)
SELECT what, value, unit, at_least, bound FROM (VALUES
    (1, 'a bare primary-key subselect, per lead', bench.of('subselect') * 1000 / :leads, 'us', NULL::boolean, NULL::double precision),
    (2, 'nurture_score(lead_id), per lead', bench.of('score') * 1000 / :leads, 'us', NULL, NULL),
    (3, 'nurture_score against the bare subselect', bench.of('score') / bench.of('subselect'), 'x', false, 4),
    (4, 'PL/pgSQL over the events against nurture_score', bench.of('plpgsql') / floor(:leads / 4) / (bench.of('score') / :leads), 'x', true, 12),
    (5, 'nurture_bi.lead_score over all leads, per lead', bench.of('view') * 1000 / :leads, 'us', false, 2),
    (6, 'one set-based SQL aggregate against nurture_bi.lead_score', bench.of('set_sql') / bench.of('view'), 'x', true, 12),
    (7, 'nurture_scores() over all leads, per lead', bench.of('scores') * 1000 / :leads, 'us', false, 1),
    (7.1, 'nurture_what_if() over all leads, scored by two versions, per lead', bench.of('what_if') * 1000 / :leads, 'us', false, 3),
    (7.2, 'nurture_what_if_matrix() over all leads, per lead', bench.of('what_if_matrix') * 1000 / :leads, 'us', false, 3),
    (7.3, 'nurture_scores() over many leads, per lead', bench.of('flat_scores_many') * 1000 / :many, 'us', false, 1),
    (7.4, 'nurture_what_if_matrix() over many leads, per lead', bench.of('flat_what_if_many') * 1000 / :many, 'us', false, 3),
    (7.5, 'a bare subselect per lead, many leads against few: caches and index depth', bench.of('flat_subselect_many') / :many / (bench.of('flat_subselect_few') / :few), 'x', NULL, NULL),
    (7.51, 'nurture_score() per lead, many leads against few', bench.of('flat_score_many') / :many / (bench.of('flat_score_few') / :few), 'x', NULL, NULL),
    (7.52, 'the same, caches and index depth aside', bench.of('flat_score_many') / bench.of('flat_subselect_many') / (bench.of('flat_score_few') / bench.of('flat_subselect_few')), 'x', false, 1.2),
    (7.6, 'nurture_scores() per lead, many leads against few', bench.of('flat_scores_many') / :many / (bench.of('flat_scores_few') / :few), 'x', false, 1.2),
    (7.7, 'a condition, per term, the slowest of nine', (SELECT max(value) FROM bench.result WHERE name = 'term') / 1000, 'us', false, 0.2),
    (7.8, 'memory of a backend, growth over all calls', (bench.of('memory_after') - bench.of('memory_before')) / 1048576, 'MB', false, 1),
    (7.9, 'compiled models and vocabulary', bench.of('memory_rules') / 1024, 'kB', NULL, NULL),
    (8, 'leads whose score differs from SQL or PL/pgSQL', bench.of('wrong'), 'leads', false, 0),
    (9, 'COPY of events against the bare table', bench.of('copy_nurture') / bench.of('copy_bare'), 'x', false, 2),
    (10, 'COPY of events, per event', bench.of('copy_nurture') * 1000 / :load, 'us', NULL, NULL),
    (11, 'single-row event INSERT, counted, against the bare table, 1 client', bench.of('event_nurture_1') / bench.of('event_bare_1'), 'x', false, 2),
    (11.1, 'single-row event INSERT, counted, against the bare table, 16 clients', bench.of('event_nurture_16') / bench.of('event_bare_16'), 'x', false, 1.6),
    (12, 'the same with stops, standing, tracks and routes decided, 1 client', bench.of('event_decide_1') / bench.of('event_bare_1'), 'x', false, 2),
    (12.1, 'the same with stops, standing, tracks and routes decided, 16 clients', bench.of('event_decide_16') / bench.of('event_bare_16'), 'x', false, 1.6),
    (12.2, 'events that move a stage, in bulk, per event', bench.of('standing') * 1000 / :leads, 'us', NULL, NULL),
    (13, 'nurture_rebuild(), per event', bench.of('rebuild') * 1000 / bench.of('events'), 'us', false, 1.5),
    (14, 'message INSERT through the gate against the bare table, in bulk', bench.of('bulk_message_nurture') / bench.of('bulk_message_bare'), 'x', false, 4),
    (14.1, 'PL/pgSQL that checks and logs against the gate, in bulk', bench.of('bulk_message_plpgsql') / bench.of('bulk_message_nurture'), 'x', true, 3),
    (14.2, 'messages for one lead in one statement against as many leads', bench.of('one_lead_message') / bench.of('bulk_message_nurture'), 'x', false, 2),
    (14.3, 'messages in bulk right after install, against a grown database', bench.of('fresh_installed') / bench.of('bulk_message_nurture'), 'x', false, 1.3),
    (14.4, 'the same after ANALYZE of empty tables', bench.of('fresh_analysed') / bench.of('bulk_message_nurture'), 'x', false, 1.3),
    (14.5, 'the same after ANALYZE between two batches of a session', bench.of('fresh_between') / bench.of('bulk_message_nurture'), 'x', false, 1.3),
    (15, 'message INSERT through the gate, in bulk, per message', bench.of('bulk_message_nurture') * 1000 / bench.of('messages'), 'us', NULL, NULL),
    (15.1, 'messages of these that were not allowed', bench.of('not_allowed'), 'messages', false, 0),
    (15.2, 'messages put off because caps are used up, in bulk, per message', bench.of('bulk_message_capped') * 1000 / bench.of('messages'), 'us', NULL, NULL),
    (16, 'single-row message INSERT, throughput against bare, 16 clients', bench.of('message_bare_16') / bench.of('message_nurture_16'), 'x', true, 0.5),
    (16.1, 'the same of PL/pgSQL that checks and logs', bench.of('message_bare_16') / bench.of('message_plpgsql_16'), 'x', NULL, NULL),
    (16.2, 'single-row message INSERT against bare, 16 clients, leads busy today', bench.of('message_bare_16_busy') / bench.of('message_nurture_16_busy'), 'x', NULL, NULL),
    (16.3, 'events today that each of these has', bench.of('events_today'), 'events', NULL, NULL),
    (17, 'nurture_may_contact, per lead', bench.of('may_contact') * 1000 / least(:leads, 5000), 'us', false, 15),
    (17.1, 'the same of leads whose caps are used up', bench.of('may_contact_capped') * 1000 / least(:leads, 5000), 'us', NULL, NULL),
    (17.2, 'messages that each of these has', bench.of('each_has'), 'messages', NULL, NULL),
    (18, 'opt-out of a lead with 1,000 queued messages', bench.of('opt_out'), 'ms', false, 20),
    (18.1, 'messages that the opt-out cancelled', bench.of('opt_out_cancelled'), 'messages', true, 1000),
    (19, 'nurture_next_asset, per lead', bench.of('next_few') * 1000 / 2000, 'us', false, 60),
    (19.1, 'SQL over a GIN index against nurture_next_asset', (bench.of('next_sql') / 200) / (bench.of('next_few') / 2000), 'x', true, 20),
    (19.2, 'nurture_next_asset in a library ten times as large', bench.of('next_many') / bench.of('next_few'), 'x', false, 1.3),
    (19.3, 'the first call of a session', bench.of('next_first_few'), 'ms', false, 50),
    (19.4, 'memory of the compiled library', bench.of('next_cache_few') / 1048576, 'MB', false, 8)
) v (no, what, value, unit, at_least, bound) ORDER BY v.no;
SELECT jsonb_pretty(jsonb_build_object(
    'leads', :leads, 'events', bench.of('events'), 'server', current_setting('server_version'),
    'lines', (SELECT jsonb_agg(jsonb_build_object('what', what, 'value', round(value::numeric, 4), 'unit', unit,
                                                  'bar', bar, 'verdict', verdict) ORDER BY no) FROM bench.line),
    'medians_in_ms', (SELECT jsonb_object_agg(name, round(value::numeric, 3)) FROM bench.median WHERE name NOT IN ('warm', 'wrong', 'events', 'messages', 'not_allowed', 'each_has', 'events_today', 'term') AND name NOT LIKE 'memory%')));
