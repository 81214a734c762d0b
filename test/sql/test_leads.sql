-- Test leads: they pass the real gate, are scored and walked through tracks
-- like any other, and no report changes because of them.
BEGIN;
SELECT plan(15);
SET LOCAL nurture.clock = '2026-06-15 12:00:00+00';
SET LOCAL timezone = 'UTC';

-- something in every report, of leads that are none
INSERT INTO nurture.account (account_id, name) VALUES (941, 'Hospital');
INSERT INTO nurture.lead (lead_id, account_id, email, audience_type, audience_verified_at, role, country, therapeutic_area, language, is_test)
    SELECT 9500 + i, 941, 'tl' || i || '@example.org', 'hcp', nurture_now(), 'prescriber', 'FR', 'neoplasms', 'en', false FROM generate_series(1, 4) i;
SELECT nurture_add_asset('{"asset_id": "tl_asset", "title": "Evidence", "format": "article", "message_class": "promotional", "channels": ["email"], "markets": ["*"], "languages": ["*"], "audience_types": ["*"], "tags": ["topic:moa"]}') IS NOT NULL AS added;
SELECT nurture_set_asset_status('tl_asset', 1, 'in_review', 'tested'), nurture_approve('asset', 'tl_asset', 1, 'medical', 'approved', 'tested') IS NOT NULL AS approved;

-- all that a lead may do, and all that may be done with it
CREATE FUNCTION pg_temp.live(lead bigint) RETURNS void LANGUAGE plpgsql AS
$$
BEGIN
    PERFORM nurture_opt_in(lead, 'email', 'form') WHERE lead % 2 = 1;
    INSERT INTO nurture.message (lead_id, channel, asset_id) VALUES (lead, 'email', 'tl_asset');
    INSERT INTO nurture.event (lead_id, event_type, source, source_key, tags) VALUES
        (lead, 'demo_requested', 'web', 'd', '{topic:moa}'), (lead, 'webinar_attended', 'web', 'w', NULL), (lead, 'clinical_evidence_downloaded', 'web', 'c', NULL);
    INSERT INTO nurture.message (lead_id, channel, asset_id) VALUES (lead, 'email', 'tl_asset');
    PERFORM nurture_enroll(lead, 'education', 'tested');
    PERFORM nurture_route(lead, reason => 'asked for by the test');
    PERFORM nurture_label(lead, 'tl_label');
END
$$;
SELECT pg_temp.live(lead_id) FROM nurture.lead WHERE lead_id BETWEEN 9501 AND 9504 ORDER BY lead_id;

-- every view and every function that counts or lists leads, as text
CREATE FUNCTION pg_temp.reports() RETURNS TABLE (report text, content text) LANGUAGE plpgsql AS
$$
DECLARE
    name text;
BEGIN
    -- audit_lag tells of the trail, which holds what is done with test leads too
    FOR name IN SELECT c.relname FROM pg_class c WHERE relnamespace = 'nurture_bi'::regnamespace AND relkind = 'v' AND relname NOT IN ('audit_lag') ORDER BY 1 LOOP
        report := name;
        EXECUTE format('SELECT coalesce(string_agg(v::text, E''\n'' ORDER BY v::text), '''') FROM nurture_bi.%I v', name) INTO content;
        RETURN NEXT;
    END LOOP;
    report := 'nurture_scores';
    SELECT string_agg(s::text, E'\n' ORDER BY s::text) INTO content FROM nurture_scores() s;
    RETURN NEXT;
    report := 'nurture_what_if';
    SELECT string_agg(s::text, E'\n' ORDER BY s::text) INTO content FROM nurture_what_if('default', 1) s;
    RETURN NEXT;
    report := 'nurture_what_if_matrix';
    SELECT string_agg(s::text, E'\n' ORDER BY s::text) INTO content FROM nurture_what_if_matrix('default', 1) s;
    RETURN NEXT;
    report := 'nurture_account_score';
    content := nurture_account_score(941)::text;
    RETURN NEXT;
    report := 'nurture_account_spike';
    SELECT s::text INTO content FROM nurture_account_spike(941) s;
    RETURN NEXT;
END
$$;
CREATE TEMP TABLE before AS SELECT * FROM pg_temp.reports();
SELECT cmp_ok((SELECT count(*) FROM before), '>=', 9::bigint, 'there are reports');
SELECT is((SELECT string_agg(report, ', ' ORDER BY report) FROM before WHERE report IN ('lead_score', 'lead_overview', 'routing_queue', 'refusals', 'nurture_scores', 'nurture_account_score') AND content LIKE '%95%'),
    'lead_overview, lead_score, nurture_scores, refusals, routing_queue', 'which tell of the leads that are none');
SELECT is((SELECT content > '0' FROM before WHERE report = 'nurture_account_score'), true, 'and of their organisation');

-- the same people once more, as a test
INSERT INTO nurture.lead (lead_id, account_id, email, audience_type, audience_verified_at, role, country, therapeutic_area, language, is_test)
    SELECT 9510 + i, 941, 'tl' || i || '@example.org', 'hcp', nurture_now(), 'prescriber', 'FR', 'neoplasms', 'en', true FROM generate_series(1, 4) i;
SELECT pg_temp.live(lead_id) FROM nurture.lead WHERE lead_id BETWEEN 9511 AND 9514 ORDER BY lead_id;
SELECT is_empty($$SELECT report, left(r.content, 200), left(b.content, 200) FROM pg_temp.reports() r FULL JOIN before b USING (report) WHERE r.content IS DISTINCT FROM b.content$$,
    'no report changes because of test leads');
SELECT isnt_empty($$SELECT FROM nurture.enrollment WHERE lead_id BETWEEN 9511 AND 9514$$, 'though they are on tracks');
SELECT isnt_empty($$SELECT FROM nurture.handoff WHERE lead_id BETWEEN 9511 AND 9514$$, 'and handed off');
SELECT is((SELECT nurture_score(9511)), (SELECT nurture_score(9501)), 'a test lead has the score of a real one');
SELECT results_eq($$SELECT lead_id - 9510, status, reasons, not_before > decided_at FROM nurture.message WHERE lead_id BETWEEN 9511 AND 9514 ORDER BY lead_id, message_id$$,
    $$SELECT lead_id - 9500, status, reasons, not_before > decided_at FROM nurture.message WHERE lead_id BETWEEN 9501 AND 9504 ORDER BY lead_id, message_id$$,
    'and its messages pass the same gate, or do not');
SELECT cmp_ok((SELECT count(DISTINCT status) FROM nurture.message WHERE lead_id BETWEEN 9511 AND 9514), '>=', 2::bigint, 'both');
SELECT is((SELECT count(*) FROM nurture.review WHERE lead_id BETWEEN 9511 AND 9514 AND bucket = 'identity'), 0::bigint, 'nobody has to look at its address');
SELECT is(nurture_resolve('email', 'tl1@example.org'), 9501::bigint, 'which stays the real lead''s');

-- who becomes a test lead disappears, who is none any more appears
UPDATE nurture.lead SET is_test = true WHERE lead_id = 9501;
SELECT is_empty($$SELECT report FROM pg_temp.reports() WHERE report LIKE '%lead%' AND content LIKE '%9501%'$$, 'a lead that becomes a test is in no report');
UPDATE nurture.lead SET is_test = false WHERE lead_id = 9501;
SELECT is_empty($$SELECT report, r.content, b.content FROM pg_temp.reports() r JOIN before b USING (report) WHERE r.content IS DISTINCT FROM b.content$$, 'and back');
UPDATE nurture.lead SET is_test = false WHERE lead_id BETWEEN 9511 AND 9514;
SELECT set_has($$SELECT report FROM pg_temp.reports() r JOIN before b USING (report) WHERE r.content <> b.content$$,
    $$VALUES ('lead_overview'), ('lead_score'), ('refusals'), ('routing_queue'), ('nurture_scores'), ('nurture_what_if'), ('nurture_what_if_matrix'), ('nurture_account_score')$$, 'as real leads they are in all of them');
SELECT set_has($$SELECT relname::text FROM pg_class WHERE relnamespace = 'nurture_bi'::regnamespace AND relkind = 'v'$$, $$VALUES ('audit_lag')$$, 'the view left out is there');
SELECT * FROM finish();
ROLLBACK;
