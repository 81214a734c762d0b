-- nurture_score_at against what nurture_score returned: a random history of
-- many weeks, scored as it goes and asked for again at its end. Events come
-- late, are corrected again and again, deleted and stored anew; leads are merged
-- into each other and parted.
-- NURTURE_SEED (a number from -1 to 1) draws another history; which one a seed
-- gives depends on the plans that the server happens to choose, so that what is
-- counted has to hold for any.
\getenv seed NURTURE_SEED
\if :{?seed}
\else
\set seed 0.25
\endif
BEGIN;
SET LOCAL client_min_messages = warning;
SELECT plan(19);
SET LOCAL timezone = 'UTC';
SELECT setseed(:seed) \g /dev/null

INSERT INTO nurture.audience_type (audience_type, title) VALUES ('at_a', 'A'), ('at_b', 'B');
INSERT INTO nurture.event_type (event_type, class, sensitive) VALUES ('at_ill', 'content', true);
INSERT INTO nurture.event_type (event_type, class) VALUES ('at_view', 'content'), ('at_ask', 'intent'), ('at_click', 'engagement');
INSERT INTO nurture.signal (signal, signal_id, event_type, condition) VALUES
    ('at_view', 31901, 'at_view', NULL), ('at_ask', 31902, 'at_ask', NULL), ('at_click', 31903, 'at_click', NULL), ('at_ill', 31905, 'at_ill', NULL), ('at_long', 31904, 'at_view', '$.seconds >= 60');
UPDATE nurture.model SET is_default = false WHERE model = 'default';
INSERT INTO nurture.list (list, title) VALUES ('at_list', 'A list');
INSERT INTO nurture.model (model, audience_types, is_default) VALUES ('at_model', '{at_a}', true), ('at_other', '{at_b}', true), ('at_all', '{}', true);

-- every version has other points, curves and conditions
CREATE FUNCTION pg_temp.a_version(of_model text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE v integer := nurture_draft('model', of_model);
BEGIN
    INSERT INTO nurture.fit_rule (model, version, rule, attribute, operator, operand, points) VALUES
        (of_model, v, 'role', 'role', 'in', '["physician", "nurse"]', 5 + v),
        (of_model, v, 'country', 'country', '=', '"DE"', 10.25 * v),
        (of_model, v, 'mail', 'email_known', '=', 'true', 3),
        (of_model, v, 'beds', 'attributes.beds', '>=', to_jsonb(10 * (v % 5)), 7.5),
        (of_model, v, 'fresh', 'updated_at', 'due_within', '[-20, 0]', 2),
        (of_model, v, 'verified', 'audience_verified_at', 'older_than', '10', 4),
        (of_model, v, 'account', 'account.country', '=', '"DE"', 6),
        (of_model, v, 'wing', 'account.attributes.wing', 'known', NULL, 1),
        (of_model, v, 'spike', 'account.spike', '>=', '2', 9),
        (of_model, v, 'counted', 'account.as_of', 'due_within', '[-3, 0]', 1.5);
    INSERT INTO nurture.signal_rule (model, version, rule, signal, points, curve, curve_days, curve_steps, per_day_max, count_max) VALUES
        (of_model, v, 'view', 'at_view', 2 + v, 'half_life', 20 + v, NULL, 3, NULL),
        (of_model, v, 'ask', 'at_ask', 20, 'linear', 90, NULL, NULL, 2),
        (of_model, v, 'ill', 'at_ill', 5, 'half_life', 30, NULL, NULL, NULL),
        (of_model, v, 'click', 'at_click', 3, 'step', NULL, '[[7, 100], [21, 40]]', NULL, NULL),
        (of_model, v, 'long', 'at_long', 1.33, 'none', NULL, NULL, 1, NULL);
    INSERT INTO nurture.pattern (model, version, pattern, condition, points) VALUES
        (of_model, v, 'busy', '{"signal": "at_view", "at_least": 3, "within_days": 10}', 11),
        (of_model, v, 'after', '{"signal": "at_click", "after": "at_ask"}', 4.5),
        (of_model, v, 'standing', '{"any": [{"stage": ["engaged", "mql", "sql"]}, {"tier": {"at_least": 2}}]}', 8),
        (of_model, v, 'grade', '{"grade": ["A1", "A2", "B1", "B2", "D4"]}', 2.25),
        (of_model, v, 'consent', '{"consent": {"channel": "email", "purpose": "marketing", "is": ["given", "confirmed"]}}', 13),
        (of_model, v, 'topic', '{"interest": {"dimension": "topic", "value": "moa", "at_least": 0.5}}', 3.5),
        (of_model, v, 'campaign', '{"campaign": {"latest": ["at_spring"]}}', 0.75),
        (of_model, v, 'label', '{"label": "at_label"}', 2.75),
        (of_model, v, 'list', '{"list": "at_list"}', 1.25),
        (of_model, v, 'handoff', '{"handoff": {"state": "open"}}', -17);
    INSERT INTO nurture.band (model, version, dimension, band, min_points) VALUES
        (of_model, v, 'fit', 'A', 30), (of_model, v, 'fit', 'B', 20), (of_model, v, 'fit', 'C', 10),
        (of_model, v, 'intent', '1', 40), (of_model, v, 'intent', '2', 20), (of_model, v, 'intent', '3', 5);
    PERFORM nurture_publish('model', of_model, v, 'test', true);
END $$;

CREATE FUNCTION pg_temp.clock(now timestamptz) RETURNS text LANGUAGE sql AS $$SELECT set_config('nurture.clock', to_char(now AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), true)$$;
CREATE TEMP TABLE seen (at timestamptz, lead_id bigint, fit numeric, intent numeric, total numeric, grade text, explained numeric, other numeric);
CREATE TEMP TABLE done (what text, n integer);
CREATE FUNCTION pg_temp.any_of(VARIADIC list text[]) RETURNS text LANGUAGE sql VOLATILE AS 'SELECT list[1 + floor(random() * cardinality(list))::integer]';
CREATE FUNCTION pg_temp.a_lead() RETURNS bigint LANGUAGE sql VOLATILE AS 'SELECT 930001 + floor(random() * 40)::bigint';

CREATE TEMP TABLE back (lead_id bigint, source text, source_key text);
-- some events of a lead turn out to be others, to have been earlier or later, or to say something else
CREATE FUNCTION pg_temp.correct(id bigint, now timestamptz) RETURNS void LANGUAGE sql AS $$
    UPDATE nurture.event SET
        occurred_at = CASE WHEN random() < 0.4 THEN least(occurred_at + interval '12 days' * (random() - 0.5), now + interval '4 minutes') ELSE occurred_at END,
        event_type = CASE WHEN random() < 0.3 THEN pg_temp.any_of('at_view', 'at_ask', 'at_click', 'at_ill', 'page_viewed') ELSE event_type END,
        tags = CASE WHEN random() < 0.3 THEN ARRAY['topic:' || pg_temp.any_of('moa', 'safety')] WHEN random() < 0.2 THEN NULL ELSE tags END,
        properties = CASE WHEN random() < 0.3 THEN jsonb_build_object('seconds', floor(random() * 120)) ELSE properties END,
        campaign = CASE WHEN random() < 0.3 THEN pg_temp.any_of('at_spring', 'at_autumn', NULL) ELSE campaign END
    WHERE lead_id IN (id, id + 1) AND random() < 0.6 $$;

DO $$
DECLARE
    now timestamptz := '2026-03-01 09:00Z';
    what text;
    id bigint;
    other bigint;
    event_time timestamptz;
BEGIN
    PERFORM pg_temp.clock(now);
    PERFORM pg_temp.a_version('at_model');
    PERFORM pg_temp.a_version('at_other');
    PERFORM pg_temp.a_version('at_all');
    INSERT INTO nurture.account (account_id, name, country) SELECT 930000 + i, 'A' || i, pg_temp.any_of('DE', 'FR') FROM generate_series(1, 6) i;
    INSERT INTO nurture.lead (lead_id, account_id, email, audience_type, country) SELECT i, 930001, 'a' || i || '@example.org', 'at_a', 'DE' FROM generate_series(930001, 930024) i;
    FOR step IN 1..75 LOOP
        -- from minutes to days, so that several steps may share a day
        now := now + CASE WHEN random() < 0.3 THEN interval '20 minutes' ELSE date_trunc('second', interval '31 hours' * random()) END;
        PERFORM pg_temp.clock(now);
        -- besides those that come at random: in every history there are many
        IF step % 20 = 0 THEN
            PERFORM pg_temp.a_version(pg_temp.any_of('at_model', 'at_other', 'at_all'));
        END IF;
        FOR i IN 1..14 LOOP
            what := pg_temp.any_of('new', 'event', 'event', 'event', 'late', 'ahead', 'keyed', 'corrected', 'corrected', 'twice', 'removed', 'again', 'undone', 'fact', 'fact', 'two_facts', 'crm', 'new', 'account', 'figures', 'moved', 'consent', 'withdrawn', 'sensitive', 'label', 'list', 'expiring', 'contact',
                                   CASE WHEN random() < 0.2 THEN 'version' ELSE 'event' END, CASE WHEN random() < 0.2 THEN 'merge' WHEN random() < 0.3 THEN 'merged' ELSE 'late' END, CASE WHEN random() < 0.4 THEN 'unmerge' WHEN random() < 0.2 THEN 'default' ELSE 'corrected' END,
                                   CASE WHEN random() < 0.1 THEN 'gone' ELSE 'audience' END, CASE WHEN random() < 0.3 THEN 'tick' ELSE 'event' END, CASE WHEN random() < 0.3 THEN 'route' ELSE 'fact' END);
            id := pg_temp.a_lead();
            event_time := now - interval '40 days' * random();
            CASE what
            WHEN 'new' THEN
                INSERT INTO nurture.lead (lead_id, account_id, email, audience_type, role, country, attributes, audience_verified_at, created_at)
                VALUES (id, 930001 + floor(random() * 7), 'a' || id || '@example.org', pg_temp.any_of('at_a', 'at_a', 'at_b', 'hcp'), pg_temp.any_of('physician', 'other', NULL),
                        pg_temp.any_of('DE', 'FR', NULL), '{"beds": 20}', now - interval '20 days' * random(), now - interval '30 days' * random())
                ON CONFLICT DO NOTHING;
            WHEN 'event', 'late', 'ahead' THEN
                CONTINUE WHEN NOT EXISTS (SELECT FROM nurture.lead WHERE lead_id = id);
                INSERT INTO nurture.event (lead_id, event_type, occurred_at, campaign, tags, properties)
                SELECT id, pg_temp.any_of('at_view', 'at_view', 'at_ask', 'at_click', 'page_viewed', 'at_ill'),
                       CASE what WHEN 'event' THEN now WHEN 'late' THEN event_time ELSE now + interval '4 minutes' END, CASE WHEN random() < 0.2 THEN pg_temp.any_of('at_spring', 'at_autumn') END,
                       CASE WHEN random() < 0.4 THEN ARRAY['topic:' || pg_temp.any_of('moa', 'safety')] END, jsonb_build_object('seconds', floor(random() * 120))
                FROM generate_series(1, 1 + floor(random() * 4)::integer);
            WHEN 'keyed' THEN
                CONTINUE WHEN NOT EXISTS (SELECT FROM nurture.lead WHERE lead_id = id);
                INSERT INTO nurture.event (lead_id, event_type, occurred_at, source, source_key)
                SELECT id, pg_temp.any_of('at_view', 'at_ask', 'at_click', 'at_ill'), event_time, 'test', 'k' || k FROM generate_series(1, 3) k;
            WHEN 'corrected' THEN
                PERFORM pg_temp.correct(id, now);
            WHEN 'twice' THEN
                -- within one instant: only the last of them was ever known
                PERFORM pg_temp.correct(id, now);
                PERFORM pg_temp.correct(id, now);
            WHEN 'removed' THEN
                DELETE FROM nurture.event WHERE lead_id IN (id, id + 1) AND random() < 0.4;
            WHEN 'again' THEN
                -- deleted and told anew, with the same key
                WITH gone AS (DELETE FROM nurture.event WHERE lead_id IN (id, id + 1, id + 2) AND source_key IS NOT NULL RETURNING *)
                INSERT INTO back SELECT lead_id, source, source_key FROM gone;
                INSERT INTO nurture.event (lead_id, event_type, occurred_at, source, source_key)
                SELECT lead_id, pg_temp.any_of('at_view', 'at_ask', 'at_click'), now - interval '9 days' * random(), source, source_key FROM back;
                DELETE FROM back;
            WHEN 'undone' THEN
                -- a sub-transaction that is taken back leaves nothing
                BEGIN
                    PERFORM pg_temp.correct(id, now);
                    DELETE FROM nurture.event WHERE lead_id = id + 1;
                    RAISE EXCEPTION USING ERRCODE = 'P0999';
                EXCEPTION WHEN SQLSTATE 'P0999' THEN
                    NULL;
                END;
            WHEN 'fact' THEN
                UPDATE nurture.lead SET role = pg_temp.any_of('physician', 'nurse', 'other', NULL), country = pg_temp.any_of('DE', 'FR') WHERE lead_id IN (id, id + 1, id + 2);
            WHEN 'two_facts' THEN
                UPDATE nurture.lead SET attributes = jsonb_build_object('beds', floor(random() * 50)) WHERE lead_id = id;
                UPDATE nurture.lead SET attributes = jsonb_build_object('beds', floor(random() * 50)) WHERE lead_id = id;
            WHEN 'crm' THEN
                UPDATE nurture.lead SET role = pg_temp.any_of('physician', 'nurse', 'other', NULL), updated_at = event_time WHERE lead_id = id;
            WHEN 'account' THEN
                UPDATE nurture.account SET country = pg_temp.any_of('DE', 'FR'), attributes = CASE WHEN random() < 0.5 THEN '{}' ELSE '{"wing": "north"}' END::jsonb
                WHERE account_id = 930001 + floor(random() * 7)::bigint;
            WHEN 'figures' THEN
                UPDATE nurture.account SET spike = round((random() * 4)::numeric, 2), active_leads = floor(random() * 9), as_of = now WHERE account_id IN (930001, 930002, 930001 + floor(random() * 7)::bigint);
            WHEN 'moved' THEN
                UPDATE nurture.lead SET account_id = 930001 + floor(random() * 7) WHERE lead_id = id;
            WHEN 'contact' THEN
                UPDATE nurture.lead SET email = CASE WHEN email IS NULL THEN 'b' || id || '@example.org' END WHERE lead_id = id;
            WHEN 'consent' THEN
                CONTINUE WHEN NOT EXISTS (SELECT FROM nurture.lead WHERE lead_id = id);
                PERFORM nurture_consent(id, pg_temp.any_of('given', 'confirmed', 'requested', 'renewed'), pg_temp.any_of('email', '*'), occurred_at => pg_temp.any_of(now::text, event_time::text, (now + interval '1 hour')::text)::timestamptz);
            WHEN 'sensitive' THEN
                CONTINUE WHEN NOT EXISTS (SELECT FROM nurture.lead WHERE lead_id = id);
                PERFORM nurture_consent(id, pg_temp.any_of('given', 'given', 'withdrawn', 'refused'), 'email', 'sensitive_inference', occurred_at => pg_temp.any_of(now::text, event_time::text)::timestamptz);
            WHEN 'label' THEN
                CONTINUE WHEN NOT EXISTS (SELECT FROM nurture.lead WHERE lead_id = id AND merged_into IS NULL);
                IF random() < 0.4 THEN
                    PERFORM nurture_unlabel(id, 'at_label');
                ELSE
                    PERFORM nurture_label(id, 'at_label', CASE WHEN random() < 0.5 THEN now + interval '5 days' * random() END);
                END IF;
            WHEN 'list' THEN
                CONTINUE WHEN NOT EXISTS (SELECT FROM nurture.lead WHERE lead_id = id AND merged_into IS NULL);
                INSERT INTO nurture.list_member (lead_id, list, since, until) VALUES (id, 'at_list', now - interval '3 days' * random(), now + interval '4 days' * random()) ON CONFLICT DO NOTHING;
            WHEN 'expiring' THEN
                CONTINUE WHEN NOT EXISTS (SELECT FROM nurture.lead WHERE lead_id = id);
                PERFORM nurture_consent(id, 'given', 'email', expires_at => now + interval '9 days' * random());
            WHEN 'withdrawn' THEN
                CONTINUE WHEN NOT EXISTS (SELECT FROM nurture.lead WHERE lead_id = id);
                PERFORM nurture_consent(id, pg_temp.any_of('withdrawn', 'refused', 'expired'), pg_temp.any_of('email', '*'), occurred_at => pg_temp.any_of(now::text, event_time::text)::timestamptz);
            WHEN 'version' THEN
                PERFORM pg_temp.a_version(pg_temp.any_of('at_model', 'at_other', 'at_all'));
            WHEN 'default' THEN
                -- the models change places, or leave an audience to the model for all
                IF random() < 0.7 THEN
                    UPDATE nurture.model SET audience_types = CASE audience_types WHEN '{at_a}' THEN '{at_b}'::text[] WHEN '{at_b}' THEN '{at_a}' ELSE audience_types END WHERE model IN ('at_model', 'at_other');
                ELSE
                    UPDATE nurture.model SET is_default = NOT is_default WHERE model = 'at_other';
                END IF;
            WHEN 'merge' THEN
                UPDATE nurture.lead l SET merged_into = id WHERE l.lead_id = 930001 + floor(random() * 40)::bigint AND l.lead_id <> id AND l.merged_into IS NULL
                    AND EXISTS (SELECT FROM nurture.lead s WHERE s.lead_id = id AND s.merged_into IS NULL) AND NOT EXISTS (SELECT FROM nurture.lead m WHERE m.merged_into = l.lead_id);
            WHEN 'merged' THEN
                -- chains too
                other := pg_temp.a_lead();
                PERFORM nurture_merge(id, other, 'test') FROM nurture.lead a, nurture.lead b
                WHERE a.lead_id = id AND b.lead_id = other AND id <> other AND a.merged_into IS NULL AND b.merged_into IS NULL;
            WHEN 'unmerge' THEN
                PERFORM nurture_unmerge(merge_id, 'test') FROM (SELECT m.merge_id FROM nurture.merge m JOIN nurture.lead s ON s.lead_id = m.survivor AND s.merged_into IS NULL
                    WHERE m.undone_at IS NULL AND m.absorbed BETWEEN 930001 AND 930040 ORDER BY m.merge_id DESC LIMIT 1) m;
            WHEN 'gone' THEN
                IF random() < 0.5 THEN
                    DELETE FROM nurture.account WHERE account_id = 930001 + floor(random() * 7)::bigint;
                ELSE
                    INSERT INTO nurture.account (account_id, name, country) VALUES (930001 + floor(random() * 7)::bigint, 'back', 'DE') ON CONFLICT DO NOTHING;
                END IF;
            WHEN 'audience' THEN
                UPDATE nurture.lead SET audience_type = pg_temp.any_of('at_a', 'at_b') WHERE lead_id = id AND random() < 0.3;
            WHEN 'tick' THEN
                PERFORM nurture_tick(50, '10 s');
            WHEN 'route' THEN
                PERFORM nurture_route(id, reason => 'test') FROM nurture.lead WHERE lead_id = id AND merged_into IS NULL;
                PERFORM nurture_accept(lead_id, handoff_id) FROM nurture.handoff WHERE lead_id BETWEEN 930001 AND 930040 AND state = 'offered' AND random() < 0.3;
                PERFORM nurture_reject(lead_id, handoff_id, 'test') FROM nurture.handoff WHERE lead_id BETWEEN 930001 AND 930040 AND state = 'offered' AND random() < 0.2;
                PERFORM nurture_attempt(lead_id, handoff_id, pg_temp.any_of('no_answer', 'reached', 'meeting_held')) FROM nurture.handoff WHERE lead_id BETWEEN 930001 AND 930040 AND state IN ('accepted', 'working') AND random() < 0.3;
                PERFORM nurture_return(lead_id, handoff_id, 'test') FROM nurture.handoff WHERE lead_id BETWEEN 930001 AND 930040 AND state IN ('working', 'met') AND random() < 0.2;
            END CASE;
            INSERT INTO done VALUES (what, 1);
        END LOOP;
        INSERT INTO seen
            SELECT now, i, nurture_fit(i), nurture_intent(i), nurture_score(i), nurture_grade(i), (SELECT sum(points) FROM nurture_explain(i)), nurture_score(i, 'at_other')
            FROM generate_series(930001, 930042) i;
    END LOOP;
    PERFORM pg_temp.clock(now + interval '200 days');
END $$;

SELECT cmp_ok((SELECT count(DISTINCT what) FROM done), '>=', 20::bigint, 'everything happened');
SELECT cmp_ok((SELECT count(*) FROM seen WHERE total IS NOT NULL), '>=', 2000::bigint, 'thousands of scores were seen');
SELECT cmp_ok((SELECT count(*) FROM seen WHERE total IS NULL), '>=', 200::bigint, 'among them leads that were not there yet');
SELECT cmp_ok((SELECT count(DISTINCT total) FROM seen), '>=', 500::bigint, 'of many values');
SELECT cmp_ok((SELECT count(*) FROM nurture.model_version WHERE model LIKE 'at\_%'), '>=', 5::bigint, 'by several versions');
SELECT is((SELECT count(DISTINCT (rule)) FROM seen s, nurture_explain(lead_id, at => at)), 25::bigint, 'every rule gave points to somebody');
SELECT cmp_ok((SELECT count(*) FROM nurture.event_history), '>=', 400::bigint, 'events were corrected and deleted');
SELECT cmp_ok((SELECT max(n) FROM (SELECT count(*) AS n FROM nurture.event_history GROUP BY lead_id, event_id) x), '>=', 4::bigint, 'the same ones again and again');
SELECT is_empty($$SELECT 1 FROM nurture.event_history WHERE changed && '{lead_id,event_id,recorded_at}' OR changed = '{}' AND EXISTS (SELECT FROM nurture.event e WHERE (e.lead_id, e.event_id) = (event_history.lead_id, event_history.event_id))$$,
    'history says what changed, or that the event is gone');
SELECT is_empty($$SELECT s.*, nurture_score_at(lead_id, at, known_at => at) FROM seen s
    WHERE nurture_score_at(lead_id, at, known_at => at) IS DISTINCT FROM total LIMIT 3$$, 'score_at, as known then, is what the score was');
SELECT is_empty($$SELECT s.*, a.* FROM seen s, nurture_scores_at(lead_id, at, known_at => at) a
    WHERE (a.fit, a.intent, a.total, a.grade) IS DISTINCT FROM (s.fit, s.intent, s.total, s.grade) LIMIT 3$$, 'so are its parts and the grade');
SELECT is_empty($$SELECT s.* FROM seen s WHERE nurture_score_at(lead_id, at, 'at_other', known_at => at) IS DISTINCT FROM other LIMIT 3$$, 'and the score by another model');
SELECT is_empty($$SELECT s.* FROM seen s WHERE (SELECT sum(points) FROM nurture_explain(lead_id, at => at)) IS DISTINCT FROM nurture_score_at(lead_id, at) LIMIT 3$$,
    'its explanation adds up');
SELECT is_empty($$SELECT s.* FROM seen s WHERE (SELECT sum(points) FROM nurture_explain(lead_id, at => at, known_at => at)) IS DISTINCT FROM explained LIMIT 3$$,
    'and the explanation of what was known then is the one that was given');
SELECT cmp_ok((SELECT count(*) FROM seen s WHERE nurture_score_at(lead_id, at) IS DISTINCT FROM total), '>', 50::bigint, 'what was learned later makes other scores, when it may be used');
SELECT is_empty($$SELECT i FROM generate_series(930001, 930042) i WHERE nurture_score_at(i, nurture_now()) IS DISTINCT FROM nurture_score(i)$$, 'now is a moment too');
CREATE TEMP TABLE later AS SELECT a.at AS old_at, min(b.at) AS new_at FROM (SELECT DISTINCT at FROM seen) a JOIN (SELECT DISTINCT at FROM seen) b ON b.at > a.at + interval '7 days' GROUP BY 1;
SELECT is_empty($$SELECT a.*, b.*, c.* FROM later JOIN seen a ON a.at = old_at JOIN seen b ON b.at = new_at AND b.lead_id = a.lead_id, nurture_score_change(a.lead_id, old_at, new_at) c
    WHERE (c.old_total, c.new_total) IS DISTINCT FROM (a.total, b.total) LIMIT 3$$, 'changes go from what was seen to what was seen');
DO $$BEGIN PERFORM set_config(name, 'on', true) FROM pg_settings WHERE name IN ('force_parallel_mode', 'debug_parallel_query'); END$$;
SET LOCAL parallel_setup_cost = 0;
SET LOCAL parallel_tuple_cost = 0;
SELECT is_empty($$SELECT s.lead_id FROM seen s WHERE at = (SELECT max(at) FROM seen) AND nurture_score_at(lead_id, at, known_at => at) IS DISTINCT FROM total$$, 'parallel workers agree');

SET LOCAL max_parallel_workers_per_gather = 0;
DELETE FROM nurture.event_history;
SELECT cmp_ok((SELECT count(*) FROM seen s WHERE lead_id % 4 = 0 AND nurture_score_at(lead_id, at, known_at => at) IS DISTINCT FROM total), '>', 50::bigint, 'without the history of events many would be wrong');

SELECT * FROM finish();
ROLLBACK;
