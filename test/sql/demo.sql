-- Preset demo: what it brings, that it does something, and that it goes again
-- without a trace but those of the audit trail and the change log.
SET client_min_messages = warning;
BEGIN;
SELECT plan(32);

CREATE FUNCTION pg_temp.tables() RETURNS TABLE (name text, n bigint, hash text) LANGUAGE plpgsql AS
$$ BEGIN
    FOR name IN SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'nurture'::regnamespace AND c.relkind IN ('r', 'p') AND c.relname NOT IN ('audit', 'change_log', 'seal', 'incarnation', 'meta')
        AND c.relname !~ '_sweep$' AND c.relname NOT IN ('retention_run', 'roll', 'team_turn') LOOP  -- where the tick is
        RETURN QUERY EXECUTE format('SELECT %L::text, count(*), md5(string_agg(t::text, E''\n'' ORDER BY t::text)) FROM nurture.%I t', name, name);
    END LOOP;
END $$;

-- somebody else's, which stays
INSERT INTO nurture.lead (lead_id, email, audience_type, country, language, source, external_ref) VALUES (9900001, 'own@example.org', 'hcp', 'FR', 'en', 'web', 'nurture-demo-7'), (9900002, 'two@example.org', 'hcp', 'FR', 'en', 'nurture demo', 'ours');
SELECT nurture_opt_in(9900001, 'email', 'test') > 0 AS opted_in;
SELECT version FROM nurture_add_asset('{"asset_id": "demo_ours", "title": "Ours", "format": "article", "message_class": "promotional", "channels": ["email"], "markets": ["*"], "audience_types": ["*"], "uri": "https://content.example/ours"}');
SELECT nurture_set_asset_status('demo_ours', 1, 'in_review', 'test'), nurture_approve('asset', 'demo_ours', 1, 'medical', 'approved', 'test') \g /dev/null
INSERT INTO nurture.message (lead_id, channel, asset_id) VALUES (9900001, 'email', 'demo_ours');
INSERT INTO nurture.event (lead_id, event_type, tags) VALUES (9900001, 'page_viewed', '{topic:moa}');
INSERT INTO nurture.team_member (team, member) VALUES ('account_executive', 'demo_own');
SELECT nurture_seed('pharma') AS whole;
SELECT count(*) > 5 AS ticked FROM nurture_tick(1000, '1 minute');
CREATE TEMP TABLE before AS SELECT * FROM pg_temp.tables();

SELECT throws_ok($$SELECT nurture_unseed('pharma')$$, '0A000', 'preset "pharma" cannot be taken away', 'rules are not taken away');
SELECT throws_ok($$SELECT nurture_unseed('dmeo')$$, 'NU003', 'unknown preset "dmeo"', 'an unknown preset is named');
SELECT is(nurture_unseed('demo'), 'preset demo taken away: 0 leads, 0 assets', 'where there is no demo nothing goes');
SELECT is(nurture_seed('demo'), 'preset demo loaded', 'it comes with nurture_seed');

-- what it brings
SELECT is((SELECT count(*) FROM nurture.asset_version WHERE owner = 'nurture demo' AND status = 'approved'), 24::bigint, '24 approved assets');
SELECT results_eq($$SELECT v.audience_types[1], t.value, count(*) FROM nurture.asset_version v JOIN nurture.asset_tag t USING (asset_id, version) WHERE v.owner = 'nurture demo' AND t.dimension = 'depth' GROUP BY 1, 2 ORDER BY 1, 2$$,
    $$SELECT a, d::text, 2::bigint FROM unnest('{hcp,investigator,payer}'::text[]) a, generate_series(1, 4) d ORDER BY 1, 2$$, 'in 4 depths for 3 audiences');
SELECT is((SELECT count(*) FROM nurture.lead WHERE source = 'nurture demo' AND external_ref LIKE 'nurture-demo-%'), 200::bigint, '200 leads');
SELECT cmp_ok((SELECT count(*) FROM nurture.event WHERE source = 'nurture demo'), '>', 2000::bigint, 'who did things');
SELECT is((SELECT max(nurture_now()::date - occurred_at::date) BETWEEN 85 AND 90 FROM nurture.event WHERE source = 'nurture demo'), true, 'for 90 days');
SELECT is((SELECT count(DISTINCT team) FROM nurture.team_member WHERE owner = 'nurture demo'), 3::bigint, '3 teams have members');

-- what it does
SELECT results_eq($$SELECT DISTINCT track FROM nurture.enrollment e JOIN nurture.lead l USING (lead_id) WHERE l.source = 'nurture demo' ORDER BY 1$$, $$VALUES ('education'::text), ('evidence')$$, 'leads walk tracks');
SELECT cmp_ok((SELECT count(*) FROM nurture.handoff h JOIN nurture.lead l USING (lead_id) WHERE l.source = 'nurture demo' AND h.member LIKE 'demo\_%'), '>', 20::bigint, 'hand-offs have members');
SELECT cmp_ok((SELECT count(DISTINCT team) FROM nurture.handoff h JOIN nurture.lead l USING (lead_id) WHERE l.source = 'nurture demo'), '>=', 4::bigint, 'of several teams');
SELECT cmp_ok((SELECT count(DISTINCT stage) FROM nurture.lead_stage s JOIN nurture.lead l USING (lead_id) WHERE l.source = 'nurture demo'), '>=', 4::bigint, 'leads are in several stages');
SELECT cmp_ok((SELECT count(DISTINCT grade) FROM nurture.lead_stage s JOIN nurture.lead l USING (lead_id) WHERE l.source = 'nurture demo'), '>=', 6::bigint, 'and grades');
SELECT cmp_ok((SELECT count(DISTINCT a.asset_id) FROM nurture.lead l, nurture_next_asset(l.lead_id) a WHERE l.source = 'nurture demo'), '>=', 15::bigint, 'and get different assets');
SELECT cmp_ok((SELECT count(*) FROM nurture.consent WHERE state = 'withdrawn'), '>=', 4::bigint, 'some opted out');
SELECT is_empty($$SELECT object FROM nurture_lint() WHERE rule = 'step_without_asset' AND object ~ '^track:(education|evidence:[1-3]$|re_nurture)'$$, 'every step of its tracks can be filled');
SELECT is((SELECT count(*) FROM nurture.tick_error), 0::bigint, 'without an error');
SELECT is((SELECT count(*) FROM nurture_bi.content_map WHERE assets_now > 0 AND segment = 'hcp' AND stage = 'nurturing') > 5, true, 'the content map is full');
INSERT INTO nurture.message (lead_id, channel, asset_id) SELECT lead_id, 'email', 'demo_hcp_moa_1' FROM nurture.lead WHERE source = 'nurture demo' AND audience_type = 'hcp' AND external_ref LIKE 'nurture-demo-%' ORDER BY lead_id;
SELECT cmp_ok((SELECT count(*) FROM nurture.message WHERE asset_id = 'demo_hcp_moa_1' AND status = 'queued'), '>', 50::bigint, 'messages can be queued');
CREATE TEMP TABLE loaded AS SELECT * FROM pg_temp.tables();
SELECT nurture_seed('demo') AS twice;
SELECT is_empty($$SELECT name FROM (SELECT name, n FROM pg_temp.tables() EXCEPT SELECT name, n FROM loaded) x WHERE name IN ('lead', 'event', 'consent_event', 'asset', 'asset_version', 'team_member', 'account')$$, 'loaded twice it is there once');

-- and goes again
CREATE TEMP TABLE demo_lead AS SELECT lead_id FROM nurture.lead WHERE source = 'nurture demo' AND external_ref LIKE 'nurture-demo-%';
SELECT is(nurture_unseed('demo'), 'preset demo taken away: 200 leads, 24 assets', 'it goes with one call');
SELECT is_empty($$SELECT name, n FROM pg_temp.tables() EXCEPT SELECT name, n FROM before$$, 'every table has as many rows as before');
SELECT is_empty($$SELECT name FROM (SELECT name, hash FROM pg_temp.tables() EXCEPT SELECT name, hash FROM before) x$$, 'and they are the same rows');
SELECT is_empty($$SELECT member FROM nurture.team_turn WHERE member LIKE 'demo\_%' AND member <> 'demo_own'$$, 'no member has a turn any more');
SELECT is_empty($$SELECT audit_id FROM nurture.audit WHERE lead_ref IN (SELECT lead_id FROM demo_lead)$$, 'the audit trail has forgotten whom it was about');
SELECT results_eq($$SELECT object, outcome, inputs FROM nurture.audit WHERE kind = 'retention' ORDER BY audit_id DESC LIMIT 1$$, $$VALUES ('preset:demo'::text, 'removed'::text, '{"leads": 200, "assets": 24}'::text)$$, 'and says that the demo went');
SELECT is((SELECT status FROM nurture.message WHERE lead_id = 9900001), 'queued', 'what was there before goes on');
SELECT is((SELECT count(*) FROM nurture_audit_verify() WHERE severity = 'error'), 0::bigint, 'the trail is sound');
SELECT is_empty($$SELECT finding, detail FROM nurture_selfcheck() WHERE severity = 'error' AND finding NOT IN ('setting_unsafe', 'sequence_behind')$$, 'the self-check finds nothing');
SELECT is(nurture_seed('demo'), 'preset demo loaded', 'it can come back');

SELECT * FROM finish();
ROLLBACK;
