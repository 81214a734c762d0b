-- Sales sees its own leads: whose they are, in every table, view and function
-- there is, reading and writing, with SET ROLE and as a member; and everybody
-- else sees what they saw.
BEGIN;
SET LOCAL client_min_messages = error;
SELECT plan(39);
CREATE ROLE access_rep;
CREATE ROLE access_field;
CREATE ROLE access_member IN ROLE access_field;
CREATE ROLE access_crm;
CREATE ROLE access_reader;
GRANT USAGE ON SCHEMA nurture TO access_crm;
GRANT SELECT, INSERT ON nurture.lead, nurture.event TO access_crm;

-- 1 of the rep, 2 of somebody else, 3 of nobody, 4 handed to the rep, 5 handed to the rep's team, 6 of a region, 7 merged into 2
INSERT INTO nurture.team (team, title, calendar) VALUES ('rows_team', 'Test team', 'office');
INSERT INTO nurture.team_member (team, member, external_ref) VALUES ('rows_team', 'rows_member', 'access_rep'), ('rows_team', 'rows_other', 'somebody');
INSERT INTO nurture.route (route, title) VALUES ('rows', 'all');
INSERT INTO nurture.route_version (route, version, priority, condition, team, sla_accept, sla_first_response, offer_expires, attempts_max)
    VALUES ('rows', 1, 0, '{"fact": "source", "op": "=", "value": "rows"}', 'rows_team', '8 hours', '16 hours', '24 hours', 3);
SELECT nurture_publish('route', 'rows', 1, 'test') \g /dev/null
INSERT INTO nurture.lead (lead_id, external_ref, email, audience_type, role, country, language, source, owner)
    SELECT 980000 + i, 'rows-' || i, 'rows' || i || '@example.org', 'hcp', 'prescriber', 'FR', 'en', 'rows',
           (ARRAY['access_rep', 'somebody', NULL, 'somebody', 'somebody', 'Region North', 'access_rep'])[i] FROM generate_series(1, 7) i;
INSERT INTO nurture.event (lead_id, event_type) SELECT 980000 + i, 'page_viewed' FROM generate_series(1, 6) i;
SELECT count(nurture_opt_in(980000 + i, 'email')) FROM generate_series(1, 6) i \g /dev/null
SELECT nurture_add_asset('{"asset_id": "rows", "title": "T", "format": "email", "message_class": "promotional", "channels": ["email"], "markets": ["*"], "audience_types": ["*"]}') \g /dev/null
INSERT INTO nurture.message (lead_id, channel, asset_id) SELECT 980000 + i, 'email', 'rows' FROM generate_series(1, 6) i;
SELECT count(nurture_label(980000 + i, 'key_opinion_leader')) FROM generate_series(1, 6) i \g /dev/null
UPDATE nurture.lead SET specialty = 'oncology' WHERE lead_id BETWEEN 980001 AND 980006;
SELECT count(nurture_pause(980000 + i, '2100-01-01', 'holiday')) FROM generate_series(1, 6) i \g /dev/null
INSERT INTO nurture.request (lead_id, request_no, request_kind, opened_at) SELECT 980000 + i, 99, request_kind, nurture_now() FROM generate_series(1, 6) i, (SELECT min(request_kind) AS request_kind FROM nurture.request_kind) k;
SELECT nurture_route(980002) AS hidden_handoff, nurture_route(980004) AS handed \gset
UPDATE nurture.team_member SET active = false WHERE team = 'rows_team';
SELECT nurture_route(980005) \g /dev/null
UPDATE nurture.team_member SET active = true WHERE team = 'rows_team';
SELECT nurture_reassign(980002, :hidden_handoff, 'rows_other', 'test'), nurture_reassign(980004, :handed, 'rows_member', 'test') \g /dev/null
UPDATE nurture.lead SET merged_into = 980002 WHERE lead_id = 980007;
SELECT message_id AS hidden_message FROM nurture.message WHERE lead_id = 980002 LIMIT 1 \gset

CREATE TEMP VIEW secured AS SELECT oid::regclass::text AS name FROM pg_class WHERE relnamespace = 'nurture'::regnamespace AND relrowsecurity;
SELECT is_empty('SELECT name FROM secured', 'before anybody is restricted no table has row-level security');
SELECT nurture_grant_access('access_reader', 'analyst'), nurture_grant_access('access_rep', 'sales'), nurture_grant_access('access_field', 'sales') \g /dev/null
INSERT INTO nurture.access_owner (role_name, lead_owner, reason) VALUES ('access_field', 'Region North', 'test');

-- which tables
SELECT set_eq('SELECT name FROM secured', $$SELECT 'nurture.' || m.object FROM (SELECT DISTINCT object FROM nurture_access_matrix() WHERE kind = 'table' AND profile = 'sales') m
    JOIN pg_attribute a ON a.attrelid = format('nurture.%I', m.object)::regclass AND a.attname IN ('lead_id', 'lead_ref')$$,
    'every table that sales reads and that says of which lead it speaks is secured');
SELECT set_eq($$SELECT m.object FROM (SELECT DISTINCT object FROM nurture_access_matrix() WHERE kind = 'table' AND profile = 'sales') m
    WHERE 'nurture.' || m.object NOT IN (SELECT name FROM secured) AND NOT EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = format('nurture.%I', m.object)::regclass AND t.tgname = 'nurture_change_log')$$,
    ARRAY['account', 'account_history', 'account_activity', 'account_event', 'account_figure_history', 'approval', 'config_proposal', 'publish_schedule', 'version_check'], 'all others are configuration, or about organisations, content and rules');
SELECT is_empty($$SELECT tablename FROM pg_policies WHERE schemaname = 'nurture' AND policyname = 'nurture_own' AND (permissive <> 'RESTRICTIVE' OR roles <> '{access_field,access_rep}')$$, 'the policy restricts the roles of the profile');
SELECT is((SELECT count(*) FROM pg_policies WHERE schemaname = 'nurture' AND policyname = 'nurture_everybody' AND roles = '{public}'), (SELECT count(*) FROM secured), 'and another lets everybody else through');

-- which leads
CREATE FUNCTION pg_temp.leads(as_role text, relation text, lead_column text) RETURNS bigint[] LANGUAGE plpgsql AS $$
DECLARE
    result bigint[];
BEGIN
    EXECUTE format('SET LOCAL ROLE %I', as_role);
    EXECUTE format('SELECT coalesce(array_agg(DISTINCT %I ORDER BY %1$I), ''{}'') FROM %s WHERE %1$I BETWEEN 980000 AND 989999', lead_column, relation) INTO result;
    RESET ROLE;
    RETURN result;
END $$;
SELECT is(pg_temp.leads('access_rep', 'nurture.lead', 'lead_id'), '{980001,980004,980005,980007}', 'a rep sees leads by its name, handed to it, and handed to its team');
SELECT is(pg_temp.leads('access_member', 'nurture.lead', 'lead_id'), '{980006}', 'a member of a role sees what is mapped to it');
SELECT is(pg_temp.leads('access_reader', 'nurture.lead', 'lead_id'), '{980001,980002,980003,980004,980005,980006,980007}', 'an analyst sees all of them');
SELECT is(pg_temp.leads('access_crm', 'nurture.event', 'lead_id'), '{980001,980002,980003,980004,980005,980006}', 'and a role without a profile what it saw before');
CREATE TEMP TABLE relations AS
    SELECT c.oid::regclass::text AS relation, a.attname::text AS lead_column
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname IN ('lead_id', 'lead_ref', 'other_lead_id')
    WHERE c.relnamespace IN ('nurture'::regnamespace, 'nurture_bi'::regnamespace) AND c.relkind IN ('r', 'p', 'v') AND has_column_privilege('access_rep', c.oid, a.attnum, 'SELECT');
SELECT cmp_ok((SELECT count(*) FROM relations), '>=', 32::bigint, 'tables and views that speak of leads');
SELECT is_empty($$SELECT relation, pg_temp.leads('access_rep', relation, lead_column) FROM relations WHERE NOT pg_temp.leads('access_rep', relation, lead_column) <@ '{980001,980004,980005,980007}'$$,
    'none shows the rep a lead that is not its own');
SELECT is_empty($$SELECT relation, pg_temp.leads('access_member', relation, lead_column) FROM relations WHERE NOT pg_temp.leads('access_member', relation, lead_column) <@ '{980006}'$$, 'nor the member one');
SELECT is_empty($$SELECT relation FROM relations WHERE relation ~ '(lead|event|message|consent_event|consent|label|stop_effect|lead_history|activity|gate|audit|request|lead_overview|lead_score|message_log|refusals)$'
    AND relation !~ 'account|score_history' AND NOT pg_temp.leads('access_rep', relation, lead_column) @> '{980001}'$$, 'of its own leads all of them tell');
SELECT is(pg_temp.leads('access_rep', 'nurture_bi.routing_queue', 'lead_id'), '{980004,980005}', 'its queue holds what was handed to it and its team');

-- written back to back in one session, with plans kept
SET LOCAL ROLE access_rep;
SELECT ok(nurture_score(980001) IS NOT NULL AND nurture_score(980002) IS NULL, 'a score is there for its own lead only');
RESET ROLE;
SELECT ok(nurture_score(980002) IS NOT NULL, 'the owner sees that one');
SET LOCAL ROLE access_rep;
SELECT ok(nurture_score(980002) IS NULL, 'and the rep still does not');
SELECT is((SELECT count(*) FROM nurture_scores() WHERE lead_id BETWEEN 980001 AND 980007), 3::bigint, 'nor in the set');
-- a model in which a lead that is named counts, whatever is said of it
SELECT format('SELECT (nurture_score_row(lead, %s)).total', string_agg('NULL', ', ')) AS by_hand FROM generate_series(2, (SELECT pronargs FROM pg_proc WHERE proname = 'nurture_score_row')) \gset
SELECT is((SELECT array_agg((:by_hand) IS NULL ORDER BY lead) FROM unnest('{980001,980002}'::bigint[]) lead), '{f,t}', 'nor by what a view scores with, handed a hidden lead and made up facts');
SELECT is((SELECT count(*) FROM nurture.account a JOIN nurture.lead l USING (account_id) WHERE l.lead_id = 980002), 0::bigint, 'nor by a join');
SET LOCAL row_security = off;
SELECT throws_ok('SELECT count(*) FROM nurture.lead', '42501', NULL, 'switching row-level security off is refused, not obeyed');
SET LOCAL row_security = on;
PREPARE hidden AS SELECT count(*) FROM nurture.lead WHERE lead_id = 980002;
SELECT results_eq('EXECUTE hidden', ARRAY[0::bigint], 'a prepared statement sees no more');
CREATE FUNCTION pg_temp.leak(text) RETURNS boolean LANGUAGE plpgsql COST 0.0001 AS $$BEGIN RAISE EXCEPTION 'leaked %', $1; END $$;
SELECT lives_ok($$SELECT * FROM nurture.lead WHERE owner = 'somebody' AND lead_id = 980002 AND pg_temp.leak(external_ref)$$, 'a cheap function sees no hidden row first');
RESET ROLE;

-- every function that is given a lead or something of a lead: a hidden one is one that is not there
CREATE TEMP TABLE calls (call text);
INSERT INTO calls VALUES ('nurture_accept(%s, %s)'), ('nurture_reject(%s, %s, ''busy'')'), ('nurture_attempt(%s, %s, ''no_answer'')'), ('nurture_convert(%s, %s)'),
    ('nurture_return(%s, %s, ''busy'')'), ('nurture_reassign(%s, %s, ''rows_member'')'), ('nurture_fulfil(%s, 99, ''fulfilled'')'), ('nurture_route(%s)'),
    ('nurture_opt_out(%s)'), ('nurture_opt_in(%s, ''phone'')'), ('nurture_consent(%s, ''given'', ''phone'')'), ('nurture_request_consent(%s, ''email'')'),
    ('nurture_pause(%s, ''2100-01-01'', ''x'')'), ('nurture_resume(%s, ''x'')'),
    ('nurture_label(%s, ''key_opinion_leader'')'), ('nurture_unlabel(%s, ''key_opinion_leader'')'), ('nurture_enroll(%s, ''education'', ''x'')'), ('nurture_exit(%s, ''education'', ''x'')'),
    ('nurture_merge(%s, 980001, ''same'')'), ('nurture_merge(980001, %s, ''same'')'), ('nurture_explain_contact(%s, ''email'')'), ('nurture_may_contact(%s, ''email'')'),
    ('nurture_still_allowed(%s, %s)'), ('nurture_ack(%s, %s, ''sent'')'), ('nurture_why(%s, %s)'), ('nurture_decisions(%s)'), ('nurture_candidates(%s)'), ('nurture_next_asset(%s)'), ('nurture_qualify(%s)');
CREATE FUNCTION pg_temp.said(call text, lead bigint, other bigint) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    result text;
BEGIN
    SET LOCAL ROLE access_rep;
    BEGIN
        EXECUTE format('SELECT string_agg(r::text, '' '') FROM ' || call || ' r', lead, other) INTO result;
        RAISE EXCEPTION USING ERRCODE = 'AC001';
    EXCEPTION WHEN OTHERS THEN
        result := CASE WHEN SQLSTATE = 'AC001' THEN coalesce(result, 'nothing') ELSE SQLSTATE || ' ' || SQLERRM END;
    END;
    RESET ROLE;
    RETURN replace(replace(result, lead::text, 'LEAD'), other::text, 'OTHER');
END $$;
-- rights beyond the profile, so that the lead alone decides
GRANT UPDATE ON nurture.message, nurture.enrollment, nurture.request TO access_rep;
GRANT SELECT, INSERT, UPDATE ON nurture.merge, nurture.label TO access_rep;
GRANT SELECT ON nurture.consent_event TO access_rep;
SELECT is_empty(format($$SELECT call, pg_temp.said(call, 980002, CASE WHEN call ~ 'still|ack|why' THEN %1$s ELSE %2$s END) AS hidden, pg_temp.said(call, 989999, CASE WHEN call ~ 'still|ack|why' THEN %1$s ELSE %2$s END) AS missing FROM calls
    WHERE pg_temp.said(call, 980002, CASE WHEN call ~ 'still|ack|why' THEN %1$s ELSE %2$s END) <> pg_temp.said(call, 989999, CASE WHEN call ~ 'still|ack|why' THEN %1$s ELSE %2$s END)$$, :hidden_message, :hidden_handoff),
    'functions say of a hidden lead what they say of one that is not there');
SELECT is((SELECT state FROM nurture.handoff WHERE handoff_id = :hidden_handoff), 'offered', 'the hand-off of a hidden lead is as it was');
SELECT is(left(pg_temp.said('nurture_accept(%s, %s)', 980004, :handed), 8), 'accepted', 'one''s own is accepted');
SELECT is(pg_temp.said('nurture_opt_out(%s)', 980001, 55), '0', 'the opt-out of one''s own is recorded');

-- rows written directly
SET LOCAL ROLE access_rep;
SELECT throws_ok($$INSERT INTO nurture.consent_event (lead_id, channel, kind) VALUES (980002, 'email', 'withdrawn')$$, '42501', NULL, 'nothing is written about a hidden lead');
SELECT lives_ok($$INSERT INTO nurture.consent_event (lead_id, channel, kind) VALUES (980001, 'email', 'withdrawn')$$, 'about one''s own it is');
SELECT throws_ok($$INSERT INTO nurture.label (lead_id, label) VALUES (980002, 'key_opinion_leader')$$, '42501', NULL, 'no label either');
SELECT is_empty($$UPDATE nurture.request SET reason = 'x' WHERE lead_id = 980002 RETURNING 1$$, 'a row that is not seen is not changed');
RESET ROLE;

-- what follows when things change
UPDATE nurture.lead SET owner = 'access_rep' WHERE lead_id = 980003;
SELECT ok(980003 = ANY (pg_temp.leads('access_rep', 'nurture.lead', 'lead_id')), 'a lead that is given to the rep appears');
SELECT nurture_reassign(980004, :handed, 'rows_other', 'test') \g /dev/null
SELECT ok(NOT 980004 = ANY (pg_temp.leads('access_rep', 'nurture.message', 'lead_id')), 'one that is handed to somebody else goes, with its messages');
SELECT nurture_grant_access('access_member', 'analyst') \g /dev/null
SELECT is(pg_temp.leads('access_member', 'nurture.lead', 'lead_id'), '{980006}', 'a second profile does not widen what is seen');
ALTER TABLE nurture.lead DISABLE ROW LEVEL SECURITY;
SELECT ok(EXISTS (SELECT FROM nurture_selfcheck() WHERE finding = 'rows_unsecured' AND severity = 'error'), 'the self-check finds row-level security off');
SELECT count(*) FROM nurture_selfcheck(true) \g /dev/null
SELECT ok(pg_temp.leads('access_member', 'nurture.lead', 'lead_id') = '{980006}' AND NOT EXISTS (SELECT FROM nurture_selfcheck() WHERE finding = 'rows_unsecured'), 'and puts it on again');
SELECT nurture_revoke_access('access_rep', 'sales') \g /dev/null
SELECT is((SELECT DISTINCT roles FROM pg_policies WHERE policyname = 'nurture_own' AND schemaname = 'nurture'), '{access_field}', 'a role that is no longer in sales leaves the policies');
SELECT nurture_revoke_access('access_field', 'sales') \g /dev/null
SELECT ok(NOT EXISTS (SELECT FROM secured) AND NOT EXISTS (SELECT FROM pg_policies WHERE schemaname = 'nurture'), 'with the last of them the policies go');

-- policies that were there before decide on
ALTER TABLE nurture.lead ENABLE ROW LEVEL SECURITY;
CREATE POLICY mine ON nurture.lead TO access_reader USING (country = 'DE');
SELECT nurture_grant_access('access_rep', 'sales') \g /dev/null
SELECT ok(pg_temp.leads('access_reader', 'nurture.lead', 'lead_id') = '{}' AND NOT EXISTS (SELECT FROM pg_policies WHERE tablename = 'lead' AND policyname = 'nurture_everybody'),
    'where there are policies already, nobody sees more than those say');
SELECT * FROM finish();
ROLLBACK;
