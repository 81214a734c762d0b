-- A lead that row-level security hides is, to whoever it is hidden from, a
-- lead that is not there: in every function that takes a lead and in every
-- function and view over all leads. Found in the catalogue, so that a new
-- function is asked too.
BEGIN;
SET LOCAL client_min_messages = warning;
SELECT plan(16);
INSERT INTO nurture.account (account_id, name, organization_type) VALUES (950001, 'Shared', 'hospital');
INSERT INTO nurture.lead (lead_id, account_id, external_ref, email, audience_type, role, country, owner)
    SELECT 950000 + i, 950001, 'hidden-' || i, 'hidden' || i || '@example.org', 'hcp', 'prescriber', 'DE', CASE WHEN i % 2 = 0 THEN 'rep' END FROM generate_series(1, 6) i;
INSERT INTO nurture.lead (lead_id, merged_into, owner) VALUES (950007, 950001, 'rep');
SELECT nurture_opt_in(950000 + i, 'email', 'form') > 0 AS consented FROM generate_series(1, 2) i;
INSERT INTO nurture.event (lead_id, event_type) SELECT 950000 + 1 + i % 6, (ARRAY['page_viewed', 'demo_requested', 'webinar_attended'])[1 + i / 6] FROM generate_series(0, 17) i;
SELECT nurture_add_asset('{"asset_id": "hidden", "title": "T", "format": "email", "message_class": "promotional", "channels": ["email"], "markets": ["*"], "audience_types": ["*"]}') IS NOT NULL AS added;
INSERT INTO nurture.message (lead_id, channel, asset_id) VALUES (950001, 'email', 'hidden'), (950002, 'email', 'hidden');
SELECT count(*) > 0 AS ticked FROM nurture_tick(1000, '1 minute');
SELECT nurture_draft('model', 'default', 1) AS version \gset
UPDATE nurture.fit_rule SET points = points + 1 WHERE model = 'default' AND version = :version;

CREATE ROLE nurture_test_rep;
GRANT USAGE ON SCHEMA nurture, nurture_bi TO nurture_test_rep;
GRANT SELECT ON ALL TABLES IN SCHEMA nurture, nurture_bi TO nurture_test_rep;
ALTER TABLE nurture.lead ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON nurture.lead TO nurture_test_rep USING (owner = 'rep');

-- what a function says of a lead, with the lead's number taken out
CREATE FUNCTION pg_temp.said(of_function text, arguments text, lead bigint) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    result text;
BEGIN
    EXECUTE format('SELECT string_agg(r::text, E''\n'' ORDER BY r::text COLLATE "C") FROM %s(%s%s) r', of_function, lead, arguments) INTO result;
    RETURN coalesce(nullif(replace(result, lead::text, 'LEAD'), ''), '()');
EXCEPTION WHEN OTHERS THEN
    RETURN replace(SQLSTATE || ' ' || SQLERRM, lead::text, 'LEAD');
END $$;
CREATE TEMP TABLE asked AS
    SELECT p.oid::regprocedure::text AS signature, p.proname::text AS name,
           (SELECT coalesce(string_agg(', ' || CASE WHEN n = 'model' THEN '''default''' WHEN n = 'channel' THEN '''email''' WHEN t = 'timestamptz'::regtype THEN 'nurture_now() + interval ''1 minute'''
                                                    WHEN t = 'bigint'::regtype THEN '1' ELSE 'NULL' END, '' ORDER BY i), '')
            FROM unnest(p.proargtypes[1:p.pronargs - p.pronargdefaults - 1], p.proargnames[2:p.pronargs - p.pronargdefaults]) WITH ORDINALITY x (t, n, i)) AS arguments
    FROM pg_proc p JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
    WHERE p.provolatile = 's' AND p.proargnames[1] = 'lead_id' AND p.proargtypes[0] = 'bigint'::regtype;
GRANT SELECT ON asked TO nurture_test_rep;
SELECT ok((SELECT count(*) FROM asked) >= 18, 'functions of a lead');
SET LOCAL ROLE nurture_test_rep;
SELECT is_empty($$SELECT signature, pg_temp.said(name, arguments, 950001) AS hidden, pg_temp.said(name, arguments, 959999) AS missing FROM asked
    WHERE pg_temp.said(name, arguments, 950001) <> pg_temp.said(name, arguments, 959999)$$, 'say of a hidden lead what they say of one that is not there');
SELECT is_empty($$SELECT signature, pg_temp.said(name, arguments, 950007) FROM asked
    WHERE name ~ '_(score|fit|intent|grade|scores?_at|explain|confidence|confidence_detail|next_question)$' AND pg_temp.said(name, arguments, 950007) <> pg_temp.said(name, arguments, 959999)$$,
    'a lead that was merged into a hidden one has no score');
SELECT set_eq($$SELECT DISTINCT name FROM asked WHERE pg_temp.said(name, arguments, 950002) <> pg_temp.said(name, arguments, 959999) AND name ~ '_(score|fit|intent|grade|scores?_at|explain|confidence|confidence_detail|next_question)$'$$,
    ARRAY['nurture_score', 'nurture_fit', 'nurture_intent', 'nurture_grade', 'nurture_score_at', 'nurture_scores_at', 'nurture_explain', 'nurture_confidence', 'nurture_confidence_detail', 'nurture_next_question'],
    'of one that is seen they say more');
RESET ROLE;

-- sets
CREATE FUNCTION pg_temp.leads_of(query text) RETURNS bigint[] LANGUAGE plpgsql AS $$
DECLARE
    result bigint[];
BEGIN
    EXECUTE 'SELECT array_agg(DISTINCT lead_id ORDER BY lead_id) FROM ' || query || ' s WHERE lead_id BETWEEN 950000 AND 959999' INTO result;
    RETURN result;
END $$;
CREATE TEMP TABLE sets AS
    SELECT 'nurture_scores()' AS query UNION ALL SELECT 'nurture_scores(''default'')' UNION ALL SELECT format('nurture_scores(''default'', %s)', :version)
    UNION ALL SELECT format('nurture_what_if(''default'', %s)', :version)
    UNION ALL SELECT c.oid::regclass::text FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'lead_id' WHERE c.relnamespace = 'nurture_bi'::regnamespace;
GRANT SELECT ON sets TO nurture_test_rep;
SELECT is_empty($$SELECT query FROM sets WHERE query ~ 'score|what_if|overview|routing_queue' AND query !~ 'history|change' AND NOT pg_temp.leads_of(query) @> '{950001,950002,950003}'$$, 'the owner finds all leads in them');
SET LOCAL ROLE nurture_test_rep;
SELECT is_empty($$SELECT query, pg_temp.leads_of(query) FROM sets WHERE pg_temp.leads_of(query) && '{950001,950003,950005}'$$, 'no set and no view has a hidden lead');
SELECT is_empty($$SELECT query FROM sets WHERE query ~ 'score|what_if|overview|routing_queue' AND query !~ 'history|change' AND NOT pg_temp.leads_of(query) @> '{950002,950004,950006}'$$, 'those that are seen are in all of them');
SELECT ok(pg_temp.said('nurture_decisions', '', 950002) LIKE '%consent%' AND pg_temp.said('nurture_consent_at', ', nurture_now()', 950002) LIKE '%given%', 'what is on record of those that are seen stays to be read');
SELECT is(pg_temp.leads_of('nurture_bi.refusals'), '{950002}', 'also of what was refused');
SELECT is((SELECT sum(leads) FROM nurture_what_if_matrix('default', :version)), (SELECT count(*) FROM nurture.lead WHERE merged_into IS NULL AND NOT is_test AND erased_at IS NULL)::numeric, 'a matrix counts leads that are seen');
SELECT is((SELECT count(nurture_score(lead_id)) FROM generate_series(950001, 950006) lead_id), 3::bigint, 'also where the planner could take the query apart');
SELECT is((SELECT max(nurture_score(a.lead_id)) FROM nurture.activity a WHERE a.lead_id IN (950001, 950003, 950005)), NULL, 'or reads leads from another table');
SELECT is((SELECT occurrences FROM nurture_account_explain(950001) WHERE rule = 'active_leads'), 3::bigint, 'an account is scored over the leads that are seen');
SELECT is((SELECT recent FROM nurture_account_spike(950001)), 3::bigint, 'with their activity');
RESET ROLE;

-- columns that may not be read are not scored either
REVOKE SELECT ON nurture.lead FROM nurture_test_rep;
SELECT format('GRANT SELECT (%s) ON nurture.lead TO nurture_test_rep', string_agg(attname, ', ')) FROM pg_attribute
    WHERE attrelid = 'nurture.lead'::regclass AND attnum > 0 AND NOT attisdropped AND attname <> 'role' \gexec
SET LOCAL ROLE nurture_test_rep;
SELECT is_empty($$SELECT signature, pg_temp.said(name, arguments, 950002) FROM asked
    WHERE name ~ '_(score|fit|intent|grade|scores?_at|explain|confidence|confidence_detail|next_question)$' AND pg_temp.said(name, arguments, 950002) !~ '^42501 '$$,
    'who may not read a fact that rules read gets no score');
SELECT throws_ok('SELECT * FROM nurture_scores()', '42501', NULL, 'nor the set');
RESET ROLE;
SELECT * FROM finish();
ROLLBACK;
