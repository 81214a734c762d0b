-- Random rule sets: whatever routes say, whoever owns a lead and whatever a lead
-- turns out to be, no team gets what it may not have, safety reports reach
-- pharmacovigilance, and one hand-off is open per lead, product and lane.
-- NURTURE_SEED (a number from -1 to 1) repeats a run, NURTURE_ROUTE_SETS is how
-- many sets of rules it tries.
\getenv seed NURTURE_SEED
\if :{?seed}
\else
\set seed 0.8
\endif
\getenv sets NURTURE_ROUTE_SETS
\if :{?sets}
\else
\set sets 4
\endif
SET client_min_messages = warning;
BEGIN;
SELECT plan(13);
SELECT setseed(:seed), set_config('nurture_test.sets', :'sets', true) \g /dev/null
SET LOCAL nurture.clock = '2026-03-02 10:00:00+00';
SET LOCAL nurture.app_user = 'ana';
INSERT INTO nurture.team_member (team, member) SELECT team, 'owner_' || team FROM nurture.team;
-- what the safety route asks for, random routes may not take away: it stays first
CREATE TEMP TABLE broken (rounds int, what text, lead_id bigint, team text) ON COMMIT DROP;
CREATE TEMP TABLE seen (rounds int, handoffs bigint, teams bigint, withdrawn bigint, reports bigint, questions bigint, patients bigint) ON COMMIT DROP;

CREATE FUNCTION pg_temp.pick(items text[]) RETURNS text LANGUAGE sql VOLATILE AS $$ SELECT items[1 + floor(random() * cardinality(items))::int] $$;
CREATE FUNCTION pg_temp.term() RETURNS jsonb LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    RETURN CASE floor(random() * 8)::int
        WHEN 0 THEN '{"all": []}'
        WHEN 1 THEN jsonb_build_object('fact', 'audience_type', 'op', pg_temp.pick('{=,!=}'), 'value', pg_temp.pick('{hcp,patient,caregiver,payer,partner,unknown}'))
        WHEN 2 THEN jsonb_build_object('stage', jsonb_build_array(pg_temp.pick('{engaged,nurturing,mql,sql}')))
        WHEN 3 THEN jsonb_build_object('tier', jsonb_build_object('at_least', floor(random() * 5)::int))
        WHEN 4 THEN jsonb_build_object('tag', 'topic:safety')
        ELSE jsonb_build_object('signal', pg_temp.pick('{question_asked,adverse_event_reported,product_complaint_reported,demo_requested,information_requested,trial_match_requested,coverage_question,webinar_attended,literature_requested}'), 'within_days', 7)
    END;
END $$;
CREATE FUNCTION pg_temp.condition(depth int) RETURNS jsonb LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    IF depth = 0 OR random() < 0.3 THEN RETURN pg_temp.term(); END IF;
    RETURN CASE floor(random() * 3)::int
        WHEN 0 THEN jsonb_build_object('any', jsonb_build_array(pg_temp.condition(depth - 1), pg_temp.condition(depth - 1)))
        WHEN 1 THEN jsonb_build_object('all', jsonb_build_array(pg_temp.condition(depth - 1), pg_temp.condition(depth - 1)))
        ELSE jsonb_build_object('not', pg_temp.condition(depth - 1)) END;
END $$;

DO $$
DECLARE
    r int;
    i int;
    code text;
    audiences text[] := (SELECT array_agg(audience_type ORDER BY audience_type) FROM nurture.audience_type);
    events text[] := '{question_asked,adverse_event_reported,product_complaint_reported,demo_requested,meeting_requested,information_requested,trial_match_requested,coverage_question,literature_requested,rfi_received,webinar_attended,technical_document_downloaded,page_viewed}';
    teams text[] := (SELECT array_agg(team ORDER BY team) FROM nurture.team);
BEGIN
    FOR r IN 1..current_setting('nurture_test.sets')::int LOOP
        BEGIN
            FOR i IN 1..14 LOOP
                code := 'p_' || i;
                INSERT INTO nurture.route (route, title, product) VALUES (code, 'random', pg_temp.pick('{*,*,*,x}'));
                INSERT INTO nurture.route_version (route, version, priority, condition, team, method, sla_accept, sla_first_response, hold_until, min_confidence)
                VALUES (code, 1, 11 + floor(random() * 1000)::int, pg_temp.condition(3), pg_temp.pick(teams), pg_temp.pick('{owner_affinity,territory,round_robin,weighted,least_loaded,queue}'),
                    '8 hours', '16 hours', CASE WHEN random() < 0.2 THEN pg_temp.term() END, CASE WHEN random() < 0.2 THEN 0.7 END);
                PERFORM nurture_publish('route', code, 1, 'random');
            END LOOP;
            INSERT INTO nurture.lead (lead_id, email, audience_type, role, country, owner)
            SELECT 76000 + g, 'x' || g || '@p.example.org', pg_temp.pick(audiences), pg_temp.pick('{prescriber,NULL}'), 'DE', 'owner_' || pg_temp.pick(teams) FROM generate_series(1, 60) g;
            FOR i IN 1..4 LOOP
                INSERT INTO nurture.event (lead_id, event_type, tags) SELECT 76001 + floor(random() * 60)::int, pg_temp.pick(events), CASE WHEN random() < 0.2 THEN '{topic:safety}'::text[] END FROM generate_series(1, 25);
                UPDATE nurture.lead SET audience_type = pg_temp.pick(audiences) WHERE lead_id BETWEEN 76001 AND 76060 AND random() < 0.1;
                PERFORM nurture_route(76001 + floor(random() * 60)::int);
            END LOOP;
            PERFORM nurture_assign();
            INSERT INTO broken
            SELECT r, 'audience', h.lead_id, h.team FROM nurture.handoff h JOIN nurture.lead l USING (lead_id) JOIN nurture.team t USING (team) WHERE h.is_open AND l.audience_type = ANY (t.never_audiences)
            UNION ALL
            SELECT r, 'request', q.lead_id, h.team FROM nurture.request q JOIN nurture.handoff h USING (lead_id, handoff_id) JOIN nurture.team t USING (team) WHERE q.request_kind = ANY (t.never_requests)
            UNION ALL
            SELECT r, 'cause', c.lead_id, h.team FROM nurture.handoff_cause c JOIN nurture.handoff h USING (lead_id, handoff_id) JOIN nurture.request_kind k USING (event_type) JOIN nurture.team t USING (team)
                WHERE k.request_kind = ANY (t.never_requests)
            UNION ALL
            SELECT r, 'safety', e.lead_id, NULL FROM nurture.event e WHERE e.event_type IN ('adverse_event_reported', 'product_complaint_reported') AND e.lead_id BETWEEN 76001 AND 76060
                AND NOT EXISTS (SELECT FROM nurture.handoff h WHERE h.lead_id = e.lead_id AND h.team = 'pharmacovigilance' AND h.is_open)
            UNION ALL
            SELECT r, 'question', e.lead_id, NULL FROM nurture.event e WHERE e.event_type = 'question_asked' AND e.lead_id BETWEEN 76001 AND 76060
                AND NOT EXISTS (SELECT FROM nurture.handoff h JOIN nurture.team t USING (team) WHERE h.lead_id = e.lead_id AND NOT 'medical_question' = ANY (t.never_requests) AND h.is_open)
            UNION ALL
            SELECT r, 'two open', lead_id, string_agg(team, ' ') FROM nurture.handoff WHERE is_open GROUP BY lead_id, product, lane HAVING count(*) > 1
            UNION ALL
            SELECT r, 'lane', h.lead_id, h.team FROM nurture.handoff h JOIN nurture.team t USING (team) WHERE h.lane <> t.lane
            UNION ALL
            SELECT r, 'team', h.lead_id, h.team FROM nurture.handoff h JOIN nurture.route_version v USING (route, version) WHERE h.team <> v.team AND v.method <> 'owner_affinity'
            UNION ALL
            SELECT r, 'member', h.lead_id, h.team FROM nurture.handoff h WHERE h.member IS NOT NULL AND NOT EXISTS (SELECT FROM nurture.team_member m WHERE m.team = h.team AND m.member = h.member)
            UNION ALL
            SELECT r, 'queue', h.lead_id, h.team FROM nurture.handoff h JOIN nurture.lead l USING (lead_id) WHERE h.method = 'queue' AND h.member IS NOT NULL AND h.member IS DISTINCT FROM l.owner
            UNION ALL
            SELECT r, 'pending clock', h.lead_id, h.team FROM nurture.handoff h WHERE h.state = 'pending' AND (h.accept_due IS NOT NULL OR h.offered_at IS NOT NULL);
            INSERT INTO seen SELECT r, count(*), count(DISTINCT team), count(*) FILTER (WHERE reason = 'audience_changed'),
                count(*) FILTER (WHERE team = 'pharmacovigilance'), count(*) FILTER (WHERE lane = 'medical'),
                count(*) FILTER (WHERE EXISTS (SELECT FROM nurture.lead l WHERE l.lead_id = h.lead_id AND l.audience_type IN ('patient', 'caregiver'))) FROM nurture.handoff h;
            -- keep what was found, take the rules back
            RAISE EXCEPTION USING errcode = 'P0001', message = (SELECT json_build_object('broken', (SELECT json_agg(b) FROM broken b), 'seen', (SELECT json_agg(s) FROM seen s))::text);
        EXCEPTION WHEN raise_exception THEN
            TRUNCATE broken, seen;
            INSERT INTO broken SELECT * FROM json_populate_recordset(NULL::broken, nullif(SQLERRM::json ->> 'broken', '')::json);
            INSERT INTO seen SELECT * FROM json_populate_recordset(NULL::seen, (SQLERRM::json ->> 'seen')::json);
        END;
    END LOOP;
END $$;
SELECT is((SELECT count(*) FROM seen), :sets::bigint, 'so many sets of rules were tried');
SELECT ok((SELECT min(handoffs) > 10 AND avg(handoffs) > 30 AND avg(teams) > 3 AND sum(withdrawn) > 1 AND avg(reports) > 3 AND avg(questions) > 3 AND avg(patients) > 3 FROM seen), 'each with hand-offs of many kinds');
SELECT is_empty(format('SELECT * FROM broken WHERE what = %L', w), m)
FROM (VALUES ('audience', 'no team has a lead it may not have, whoever owns it and whatever it became'), ('request', 'none has a request it may not have'), ('cause', 'none got one as an addendum'),
    ('safety', 'every safety report is open with pharmacovigilance'), ('question', 'every medical question is open with a team that may answer it'), ('two open', 'one is open per lead, product and lane'),
    ('lane', 'each in the lane of its team'), ('team', 'with the team of the route, or of the owner where the route says so'), ('member', 'members are of the team'),
    ('queue', 'a queue names nobody'), ('pending clock', 'no clock runs before an offer')) v (w, m);
SELECT * FROM finish();
ROLLBACK;
