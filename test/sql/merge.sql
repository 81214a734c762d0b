-- Merging leads and parting them: who stands for whom, what is denied, what is
-- resolved, and what comes back.
BEGIN;
SELECT plan(122);
SET LOCAL timezone = 'UTC';
SET LOCAL nurture.clock = '2026-12-15 12:00:00+00';
SET LOCAL client_min_messages = error;
SET LOCAL nurture.app_user = 'tester';

INSERT INTO nurture.account (account_id, name) VALUES (4701, 'A'), (4702, 'B');
INSERT INTO nurture.lead (lead_id, external_ref, email, full_name, audience_type, account_id, role, country, region, attributes) VALUES
    (4701, 'MG-1', 'one@example.org', NULL, 'unknown', 4701, NULL, 'DE', NULL, '{"beds": 10}'),
    (4702, 'MG-2', 'two@example.org', 'T. Two', 'hcp', 4702, 'nurse', 'FR', 'FR-IDF', '{"beds": 20, "note": "oral"}');
INSERT INTO nurture.lead (lead_id, email, audience_type) SELECT i, 'mg' || i || '@example.org', 'hcp' FROM generate_series(4703, 4730) i;
INSERT INTO nurture.identity (kind, value, lead_id) VALUES ('cookie', 'mg-cookie', 4702);
INSERT INTO nurture.event (lead_id, event_type, occurred_at) SELECT 4701 + i % 2, 'page_viewed', '2026-12-01 10:00Z'::timestamptz + i * interval '1 day' FROM generate_series(0, 9) i;
INSERT INTO nurture.list (list, title) VALUES ('mg_list', 'list');
INSERT INTO nurture.list_member (lead_id, list, source) VALUES (4702, 'mg_list', 'file');
SELECT nurture_label(4702, 'mg_label'), nurture_label(4701, 'mg_own');
CREATE FUNCTION pg_temp.says(lead bigint, channel text DEFAULT 'email') RETURNS text LANGUAGE sql AS $$ SELECT verdict || ' ' || array_to_string(reasons, ',') FROM nurture_may_contact(lead, channel) $$;

-- what cannot be merged
SELECT throws_ok('SELECT nurture_merge(4701, 4701, $$x$$)', '22023', 'lead 4701 cannot be merged into itself', 'not with itself');
SELECT throws_ok('SELECT nurture_merge(4701, 4799, $$x$$)', 'NU004', 'there is no lead 4799', 'not with nobody');
SELECT throws_ok('SELECT nurture_merge(4799, 4701, $$x$$)', 'NU004', 'there is no lead 4799', 'nor into nobody');
SELECT throws_ok('SELECT nurture_merge(4701, 4702, $$ $$)', '22023', 'nurture_merge needs a reason', 'not without a reason');
SELECT throws_ok('SELECT nurture_merge(4701, 4702, NULL)', '22023', 'nurture_merge needs a reason', 'nor with none');
SELECT throws_ok('SELECT nurture_merge(NULL, 4702, $$x$$)', '22004', 'survivor and absorbed lead must be given', 'not without two leads');
UPDATE nurture.lead SET is_test = true WHERE lead_id = 4730;
SELECT throws_ok('SELECT nurture_merge(4701, 4730, $$x$$)', 'NU007', 'a test lead and another cannot be merged', 'not a test lead with another');
UPDATE nurture.lead SET erased_at = nurture_now() WHERE lead_id = 4729;
SELECT throws_ok('SELECT nurture_merge(4701, 4729, $$x$$)', 'NU007', 'an erased lead cannot be merged', 'not an erased lead');
SELECT throws_ok('SELECT nurture_merge(4729, 4701, $$x$$)', 'NU007', 'an erased lead cannot be merged', 'nor into one');
SELECT throws_ok('UPDATE nurture.lead SET merged_into = 4799 WHERE lead_id = 4701', 'NU004', 'lead 4701 cannot be merged into lead 4799, which is not there', 'not by hand either');

-- one person
SELECT nurture_opt_in(4701, 'email'), nurture_opt_out(4702, 'sms'), nurture_pause(4702, '2027-12-01', 'on leave') \g /dev/null
SELECT nurture_score(4701) AS score_before \gset
SELECT nurture_merge(4701, 4702, 'same person, told by phone') AS merge_id \gset
SELECT is(nurture_merge(4701, 4702, 'again'), :merge_id::bigint, 'merging again is the same merge');
SELECT is((SELECT (absorbed, survivor, reason, actor, undone_at IS NULL)::text FROM nurture.merge WHERE merge_id = :merge_id), '(4702,4701,"same person, told by phone",tester,t)', 'which is on record');
SELECT is((SELECT merged_into FROM nurture.lead WHERE lead_id = 4702), 4701::bigint, 'and on the lead');
SELECT is((SELECT merged_into FROM nurture.gate WHERE lead_id = 4702), 4701::bigint, 'and at the gate');
SELECT results_eq($$SELECT kind, outcome FROM nurture.audit WHERE lead_ref IN (4701, 4702) AND kind = 'merge' ORDER BY audit_id$$, $$VALUES ('merge', 'merged'), ('merge', 'absorbed')$$, 'and in the audit, of both');
SELECT is((SELECT reason || ' ' || array_to_string(changed, ',') FROM nurture.lead_history WHERE lead_id = 4702 ORDER BY history_no DESC LIMIT 1), 'same person, told by phone merged_into', 'and in the history of the lead');

-- who answers for whom
SELECT is(nurture_lead_id('MG-2'), 4701::bigint, 'its reference leads to the survivor');
SELECT is(nurture_resolve('cookie', 'mg-cookie'), 4701::bigint, 'so do its identities');
SELECT is(nurture_resolve('email', 'two@example.org'), 4701::bigint, 'and its address');
SELECT is(nurture_score(4702), nurture_score(4701), 'one score');
SELECT is(nurture_grade(4702), nurture_grade(4701), 'one grade');
SELECT is((SELECT sum(points) FROM nurture_explain(4702)), nurture_score(4701), 'one explanation');
SELECT is(nurture_score_at(4702, nurture_now()), nurture_score(4701), 'one score at a moment');
SELECT is(nurture_confidence(4702), nurture_confidence(4701), 'one confidence');
SELECT is((SELECT array_agg(u::text) FROM nurture_next_question(4702) u), (SELECT array_agg(u::text) FROM nurture_next_question(4701) u), 'one next question');
SELECT is((SELECT array_agg(u::text) FROM nurture_score_until(4702) u), (SELECT array_agg(u::text) FROM nurture_score_until(4701) u), 'one date of change');
SELECT is((SELECT n::text FROM nurture_next_asset(4702) n), (SELECT n::text FROM nurture_next_asset(4701) n), 'one next asset');
SELECT is((SELECT array_agg(q::text) FROM nurture_qualify(4702) q), (SELECT array_agg(q::text) FROM nurture_qualify(4701) q), 'one qualification');
SELECT is(pg_temp.says(4702), pg_temp.says(4701), 'one verdict');
SELECT is((SELECT array_agg(e.rule || e.passed) FROM nurture_explain_contact(4702, 'email') e), (SELECT array_agg(e.rule || e.passed) FROM nurture_explain_contact(4701, 'email') e), 'with one explanation');

-- activity is added, and stays one
SELECT is((SELECT sum(count) FROM nurture.activity, nurture_tally_unnest(signals) WHERE lead_id = 4701), 10::numeric, 'what both did is counted for the survivor');
SELECT is((SELECT signals::text || ' ' || coalesce(last_event_at::text, '-') FROM nurture.activity WHERE lead_id = 4702), '{} -', 'and for nobody else');
INSERT INTO nurture.event (lead_id, event_type, occurred_at) VALUES (4702, 'page_viewed', '2026-12-15 10:00Z');
INSERT INTO nurture.event (lead_id, event_type, occurred_at) VALUES (4702, 'page_viewed', '2026-12-15 11:00Z'), (4703, 'page_viewed', '2026-12-15 11:00Z'), (4701, 'page_viewed', '2026-12-15 11:00Z');
SELECT is((SELECT sum(count) FROM nurture.activity, nurture_tally_unnest(signals) WHERE lead_id = 4701), 13::numeric, 'so are later events, one or many');
DELETE FROM nurture.event WHERE lead_id = 4702 AND occurred_at = '2026-12-15 10:00Z';
SELECT is((SELECT sum(count) FROM nurture.activity, nurture_tally_unnest(signals) WHERE lead_id = 4701), 12::numeric, 'and events that are deleted');
SELECT is((SELECT count(*) FROM nurture.event WHERE lead_id = 4702), 6::bigint, 'which stay under the lead they came for');
INSERT INTO nurture.event (lead_id, event_type) VALUES (4702, 'demo_requested');
SELECT is((SELECT array_agg(DISTINCT lead_id) FROM nurture.handoff WHERE lead_id IN (4701, 4702)), '{4701}', 'what such an event starts, it starts for the survivor');

-- facts
SELECT is((SELECT (full_name, audience_type, account_id, role, country, region, attributes)::text FROM nurture.lead WHERE lead_id = 4701),
    '("T. Two",hcp,4701,nurse,DE,,"{""beds"": 10, ""note"": ""oral""}")', 'the survivor''s facts win, gaps are filled, a region only within its country');
SELECT is((SELECT email FROM nurture.lead WHERE lead_id = 4701), 'one@example.org', 'it keeps its address');
SELECT is((SELECT evidence -> 'facts' FROM nurture.review WHERE lead_id = 4701 AND bucket = 'contradiction' AND state = 'open'), '["account_id", "country", "attributes.beds"]', 'what contradicts goes to a person, by name');
SELECT is((SELECT string_agg(label, ' ' ORDER BY label) FROM nurture.label WHERE lead_id = 4701 AND until IS NULL), 'mg_label mg_own', 'labels are united');
SELECT is((SELECT (list, source, by)::text FROM nurture.list_member WHERE lead_id = 4701), '(mg_list,file,merge)', 'so are lists');

-- what either was denied
SELECT is((SELECT state FROM nurture.consent WHERE lead_id = 4701 AND channel = 'sms'), 'withdrawn', 'what the merged lead withdrew is withdrawn');
SELECT is((SELECT paused_until FROM nurture.gate WHERE lead_id = 4701), '2027-12-01 00:00Z', 'its pause holds');
SELECT nurture_consent(4702, 'objected', '*', source => 'letter') \g /dev/null
SELECT is((SELECT state FROM nurture.consent WHERE lead_id = 4701 AND channel = '*'), 'objected', 'and what it says later');

-- guards
SELECT throws_ok('UPDATE nurture.lead SET merged_into = NULL WHERE lead_id = 4702', 'NU009', 'merged_into was set by merge ' || :merge_id || ' and is taken back by nurture_unmerge only', 'the merge is not undone by hand');
SELECT throws_ok('UPDATE nurture.merge SET survivor = 4703 WHERE merge_id = ' || :merge_id, 'NU008', 'merges are changed by functions only', 'nor rewritten');
SELECT throws_ok('DELETE FROM nurture.merge', 'NU008', 'merges are changed by functions only', 'nor removed');
SELECT throws_ok('DELETE FROM nurture.lead WHERE lead_id = 4701', 'NU007', 'lead 4701 cannot be deleted: others were merged into it', 'who stands for others is not deleted');

-- chains and circles
SELECT throws_ok('SELECT nurture_merge(4702, 4701, $$x$$)', 'NU007', 'lead 4701 cannot be merged into lead 4702, which was merged into it', 'no circle');
SELECT throws_ok('SELECT nurture_merge(4703, 4702, $$x$$)', 'NU007', 'lead 4702 was merged into lead 4701 already', 'what was merged is not merged elsewhere');
SELECT nurture_merge(4702, 4704, 'into one that was merged') AS second \gset
SELECT is((SELECT survivor FROM nurture.merge WHERE merge_id = :second), 4701::bigint, 'into one that was merged is into its survivor');
SELECT nurture_merge(4703, 4701, 'a chain') AS third \gset
SELECT is((SELECT sum(count) FROM nurture.activity, nurture_tally_unnest(signals) WHERE lead_id = 4703), 14::numeric, 'a chain counts for its end');
SELECT is(nurture_merge(4703, 4702, 'once more'), :merge_id::bigint, 'they are one already');
SELECT is(nurture_lead_id('MG-2'), 4703::bigint, 'and the reference leads there');
SELECT is((SELECT state FROM nurture.consent WHERE lead_id = 4703 AND channel = '*'), 'objected', 'with what was said');
SELECT throws_ok('SELECT nurture_unmerge(' || :merge_id || ', $$x$$)', 'NU007', 'merge ' || :merge_id || ' cannot be taken back: its survivor was merged itself', 'a chain is undone from its end');
SELECT throws_ok('SELECT nurture_unmerge(-1, $$x$$)', 'NU003', 'there is no merge -1', 'an unknown merge is none');
SELECT throws_ok('SELECT nurture_unmerge(' || :merge_id || ', $$$$)', '22023', 'nurture_unmerge needs a reason', 'not without a reason');
SELECT ok(nurture_unmerge(:third, 'not the same'), 'the end first');
SELECT is((SELECT count(*) FROM nurture.consent WHERE lead_id = 4703), 0::bigint, 'which has nothing said any more');

-- and back
SELECT ok(nurture_unmerge(:merge_id, 'two persons after all'), 'then the first');
SELECT ok(NOT nurture_unmerge(:merge_id, 'again'), 'once');
SELECT is((SELECT (undone_by, undone_reason, undone_at IS NOT NULL)::text FROM nurture.merge WHERE merge_id = :merge_id), '(tester,"two persons after all",t)', 'on record');
SELECT is((SELECT array_agg(n ORDER BY lead_id) FROM (SELECT lead_id, sum(count) AS n FROM nurture.activity, nurture_tally_unnest(signals) WHERE lead_id IN (4701, 4702) GROUP BY 1) x), '{6,7}'::numeric[], 'each has what it did, later too');
SELECT is((SELECT (full_name, audience_type, account_id, role, country, region, attributes)::text FROM nurture.lead WHERE lead_id = 4701), '(,unknown,4701,,DE,,"{""beds"": 10}")', 'gaps are gaps again');
SELECT is((SELECT string_agg(channel || ' ' || state, ', ') FROM nurture.consent WHERE lead_id = 4701), 'email given', 'its consent is its own');
SELECT is((SELECT paused_until FROM nurture.gate WHERE lead_id = 4701), NULL, 'and its pause none');
SELECT is((SELECT string_agg(channel || ' ' || state, ', ' ORDER BY channel) FROM nurture.consent WHERE lead_id = 4702), '* objected, sms withdrawn', 'the other''s is its own');
SELECT is((SELECT string_agg(label, ' ') FROM nurture.label WHERE lead_id = 4701 AND (until IS NULL OR until > nurture_now())), 'mg_own', 'labels part');
SELECT is((SELECT state || ' ' || ruling FROM nurture.review WHERE lead_id = 4701 AND bucket = 'contradiction'), 'closed unmerged', 'nothing contradicts any more');
SELECT is(nurture_merge(4702, 4701, 'the other way round') > :third, true, 'they can be merged again');
SELECT is(nurture_lead_id('MG-1'), 4702::bigint, 'the other way round');

-- messages, enrollments, hand-offs
SELECT nurture_add_asset('{"asset_id": "mg_op", "title": "t", "format": "article", "message_class": "operational", "channels": ["email"], "markets": ["*"], "languages": ["*"], "audience_types": ["*"]}') IS NOT NULL AS added;
SELECT nurture_set_asset_status('mg_op', 1, 'in_review', 'x'), nurture_approve('asset', 'mg_op', 1, 'medical', 'approved', 'x');
SELECT nurture_opt_in(i, '*') FROM generate_series(4710, 4713) i \g /dev/null
INSERT INTO nurture.message (lead_id, channel, asset_id) VALUES (4710, 'email', 'mg_op'), (4711, 'email', 'mg_op');
SELECT nurture_route(4710, reason => 'x') IS NOT NULL AS a, nurture_route(4711, reason => 'x') IS NOT NULL AS b, nurture_route(4713, reason => 'x') IS NOT NULL AS c;
SELECT nurture_merge(4710, 4711, 'both are handed over') AS both \gset
SELECT results_eq($$SELECT lead_id, status, reasons[array_length(reasons, 1)] FROM nurture.message WHERE asset_id = 'mg_op' ORDER BY 1$$, $$VALUES (4710::bigint, 'queued', NULL::text), (4711, 'cancelled', 'lead_merged')$$, 'messages of the merged lead are cancelled');
SELECT results_eq($$SELECT lead_id, state, reason FROM nurture.handoff WHERE lead_id IN (4710, 4711) ORDER BY 1$$, $$VALUES (4710::bigint, 'offered', NULL::text), (4711, 'returned', 'merged')$$, 'of two open hand-offs the survivor''s goes on');
SELECT is((SELECT count(*) FROM nurture.handoff_cause WHERE lead_id = 4710 AND reason = 'merged'), 1::bigint, 'with an addendum');
SELECT is((SELECT string_agg(DISTINCT state, ',') FROM nurture.task WHERE lead_id = 4711), 'cancelled', 'and the tasks of the other are off');
SELECT ok(nurture_unmerge(:both, 'x'), 'taken back');
SELECT results_eq($$SELECT lead_id, state FROM nurture.handoff WHERE lead_id IN (4710, 4711) ORDER BY 1$$, $$VALUES (4710::bigint, 'offered'), (4711, 'offered')$$, 'both go on');
SELECT is((SELECT status FROM nurture.message WHERE lead_id = 4711), 'cancelled', 'but messages stay cancelled');
SELECT is((SELECT string_agg(DISTINCT state, ',') FROM nurture.task WHERE lead_id = 4711), 'open', 'and tasks are open');

INSERT INTO nurture.lead_stage AS s (lead_id, stage, stage_no, since) SELECT 4713, 'mql', stage_no, nurture_now() FROM nurture.stage WHERE stage = 'mql' AND audience_type = '*'
    ON CONFLICT (lead_id, product) DO UPDATE SET stage = 'mql', stage_no = EXCLUDED.stage_no;
SELECT nurture_accept(4713, handoff_id) FROM nurture.handoff WHERE lead_id = 4713 AND state = 'offered' \g /dev/null
SELECT is((SELECT stage FROM nurture.lead_stage WHERE lead_id = 4713), 'sal', 'a lead that sales accepted');
SELECT nurture_merge(4712, 4713, 'sales is at it') AS moved \gset
SELECT results_eq($$SELECT lead_id, state, reason FROM nurture.handoff WHERE lead_id IN (4712, 4713) ORDER BY 1$$, $$VALUES (4712::bigint, 'accepted', NULL::text), (4713, 'returned', 'merged')$$, 'its hand-off goes on as the survivor''s');
SELECT is((SELECT stage FROM nurture.lead_stage WHERE lead_id = 4712), 'sal', 'who stands where it stood');
SELECT is((SELECT string_agg(rule, ',') FROM nurture.stop_effect WHERE lead_id = 4712 AND lifted_at IS NULL), 'handoff_open', 'and rests from promotion');
SELECT nurture_attempt(4712, handoff_id, 'reached') FROM nurture.handoff WHERE lead_id = 4712 AND state = 'accepted' \g /dev/null
SELECT ok(nurture_unmerge(:moved, 'x'), 'taken back');
SELECT results_eq($$SELECT lead_id, state FROM nurture.handoff WHERE lead_id IN (4712, 4713) ORDER BY 1$$, $$VALUES (4712::bigint, 'returned'), (4713, 'working')$$, 'the hand-off goes on as far as it came');
SELECT isnt((SELECT stage FROM nurture.lead_stage WHERE lead_id = 4712), 'sal', 'the survivor stands where it did');
SELECT is((SELECT count(*) FROM nurture.stop_effect WHERE lead_id = 4712 AND lifted_at IS NULL), 0::bigint, 'and nothing stops it');

SELECT nurture_enroll(4714, 'education', 'x'), nurture_enroll(4715, 'education', 'x');
SELECT nurture_merge(4714, 4715, 'both on a track') AS walk \gset
SELECT results_eq($$SELECT lead_id, state, exit_reason, exited_by FROM nurture.enrollment WHERE lead_id IN (4714, 4715) ORDER BY 1$$,
    $$VALUES (4714::bigint, 'active', NULL::text, NULL::text), (4715, 'exited', 'merged', 'merge')$$, 'the survivor stays on its track, the other leaves');
SELECT throws_ok($$SELECT nurture_enroll(4715, 'education', 'x')$$, 'NU007', 'lead 4714 is on track "education" already', 'enrolling it is enrolling the survivor');
SELECT ok(nurture_unmerge(:walk, 'x'), 'taken back');
SELECT results_eq($$SELECT lead_id, state FROM nurture.enrollment WHERE lead_id IN (4714, 4715) ORDER BY 1$$, $$VALUES (4714::bigint, 'active'), (4715, 'active')$$, 'both walk on');

-- out for one, out for both
INSERT INTO nurture.disqualification (lead_id, reason) VALUES (4717, 'competitor');
SELECT nurture_suppress('lead', '4717', 'asked by phone') \g /dev/null
INSERT INTO nurture.preference (lead_id, channel, max_per_month) VALUES (4716, 'email', 9), (4717, 'email', 2), (4717, 'sms', 0);
SELECT nurture_merge(4716, 4717, 'out') AS out \gset
SELECT is((SELECT string_agg(reason, ',') FROM nurture.disqualification WHERE lead_id = 4716), 'competitor', 'a disqualification binds the survivor');
SELECT matches(pg_temp.says(4716), 'suppressed', 'a suppression too');
SELECT is((SELECT string_agg(channel || ' ' || max_per_month, ', ' ORDER BY channel) FROM nurture.preference WHERE lead_id = 4716), 'email 2, sms 0', 'and what it prefers');
SELECT ok(nurture_unmerge(:out, 'x'), 'taken back');
SELECT is((SELECT count(*) FROM nurture.disqualification WHERE lead_id = 4716), 0::bigint, 'it is in again');
SELECT doesnt_match(pg_temp.says(4716), 'suppressed', 'not suppressed');
SELECT is((SELECT string_agg(channel || ' ' || max_per_month, ', ' ORDER BY channel) FROM nurture.preference WHERE lead_id = 4716), 'email 9', 'and prefers what it did');

-- a later change of what was filled stays
INSERT INTO nurture.lead (lead_id, role, specialty) VALUES (4741, NULL, NULL), (4742, 'nurse', 'oncology');
SELECT nurture_merge(4741, 4742, 'x') AS filled \gset
UPDATE nurture.lead SET role = 'physician' WHERE lead_id = 4741;
SELECT ok(nurture_unmerge(:filled, 'x'), 'taken back');
SELECT is((SELECT (role, specialty)::text FROM nurture.lead WHERE lead_id = 4741), '(physician,)', 'what was changed since stays, what was filled goes');

-- an address that both have is a candidate, and settled by the merge
INSERT INTO nurture.lead (lead_id, email) VALUES (4743, 'both@example.org'), (4744, 'Both@Example.org ');
SELECT is((SELECT count(*) FROM nurture.review WHERE lead_id = 4744 AND bucket = 'identity' AND state = 'open'), 1::bigint, 'two leads with one address are candidates');
SELECT nurture_merge(4743, 4744, 'same address') > 0 AS merged;
SELECT is((SELECT state || ' ' || ruling FROM nurture.review WHERE lead_id = 4744 AND bucket = 'identity'), 'closed merged', 'which the merge settles');

-- candidates
INSERT INTO nurture.lead (lead_id, account_id, full_name, external_ref) VALUES (4751, 4701, 'Ann-Marie  Lee', 'MG-51'), (4752, 4701, 'LEE, Ann Marie', 'MG-51'), (4753, 4702, 'Ann Marie Lee', NULL), (4754, 4701, 'Lee', NULL), (4755, 4701, 'lee', NULL);
SELECT results_eq($$SELECT scope, opened, merged FROM nurture_find_duplicates() WHERE scope IN ('crm_id', 'name')$$, $$VALUES ('crm_id', 0::bigint, 0::bigint), ('name', 1, 0)$$, 'the same name in one organisation, told in any way; one word is no name');
SELECT is((SELECT evidence::text FROM nurture.review WHERE lead_id = 4752 AND scope = 'name'), '{"same": "name", "lead_id": 4751}', 'names the earlier lead and not the name');
SELECT is((SELECT sum(opened) FROM nurture_find_duplicates()), 0::numeric, 'once');
SELECT is((SELECT merged FROM nurture_find_duplicates(merge => true) WHERE scope = 'crm_id'), 1::bigint, 'those with one identifier are merged when asked to');
SELECT is(nurture_lead_id('MG-51'), 4751::bigint, 'into the first');

-- who is deleted takes what it did along
INSERT INTO nurture.event (lead_id, event_type) VALUES (4743, 'page_viewed'), (4744, 'page_viewed');
DELETE FROM nurture.event WHERE lead_id = 4744;
DELETE FROM nurture.lead WHERE lead_id = 4744;
SELECT is((SELECT sum(count) FROM nurture.activity, nurture_tally_unnest(signals) WHERE lead_id = 4743), 1::numeric, 'a merged lead can be deleted');
SELECT is((SELECT count(*) FROM nurture.merge WHERE absorbed = 4744), 0::bigint, 'with its merge');

-- rights
CREATE ROLE nurture_test_merger;
GRANT USAGE ON SCHEMA nurture TO nurture_test_merger;
GRANT SELECT ON nurture.lead TO nurture_test_merger;
SET LOCAL ROLE nurture_test_merger;
SELECT throws_ok('SELECT nurture_merge(4720, 4721, $$x$$)', '42501', 'permission denied to merge leads', 'merging needs a right');
SELECT throws_ok('SELECT nurture_unmerge(1, $$x$$)', '42501', 'permission denied to merge leads', 'so does parting');
RESET ROLE;
GRANT INSERT, UPDATE ON nurture.merge TO nurture_test_merger;
SET LOCAL ROLE nurture_test_merger;
SELECT lives_ok('SELECT nurture_unmerge(nurture_merge(4720, 4721, $$x$$), $$x$$)', 'and no other');
RESET ROLE;
ALTER TABLE nurture.lead ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON nurture.lead TO nurture_test_merger USING (lead_id <> 4721);
SET LOCAL ROLE nurture_test_merger;
SELECT throws_ok('SELECT nurture_merge(4720, 4721, $$x$$)', 'NU004', 'there is no lead 4721', 'a lead that is hidden is none');
RESET ROLE;
ALTER TABLE nurture.lead DISABLE ROW LEVEL SECURITY;

-- what the random histories of merge_property found
INSERT INTO nurture.lead (lead_id, full_name) VALUES (4730, 'Found'), (4731, 'Found too');
INSERT INTO nurture.event (lead_id, event_type, occurred_at) VALUES (4730, 'page_viewed', '2026-12-14 10:00+00'), (4730, 'page_viewed', '2026-12-10 10:00+00'), (4731, 'page_viewed', '2026-12-12 10:00+00');
SELECT nurture_merge(4730, 4731, 'same person') IS NOT NULL AS merged;
DELETE FROM nurture.event WHERE lead_id = 4730 AND occurred_at = '2026-12-14 10:00+00';
SELECT is((SELECT last_event_at FROM nurture.activity WHERE lead_id = 4730), '2026-12-12 10:00+00', 'when the latest event goes, it is the latest of all that were merged');

INSERT INTO nurture.lead (lead_id, full_name) VALUES (4732, 'Kept'), (4733, 'Parted by hand');
SELECT nurture_consent(4732, 'given', 'email') IS NOT NULL AND nurture_consent(4733, 'withdrawn', 'email') IS NOT NULL AS said;
UPDATE nurture.lead SET merged_into = 4732 WHERE lead_id = 4733;
UPDATE nurture.lead SET merged_into = NULL WHERE lead_id = 4733;
SELECT is((SELECT state FROM nurture.consent WHERE lead_id = 4732), 'withdrawn', 'a merge by hand denies, and parting by hand takes nothing back');
SELECT nurture_unmerge(nurture_merge(4732, 4733, 'same person'), 'another person') IS NOT NULL AS parted;
SELECT is((SELECT state FROM nurture.consent WHERE lead_id = 4732), 'withdrawn', 'nor does taking a later merge back');

-- never loosens: of random histories, whatever was refused to the survivor is refused, and what the other had denied too
INSERT INTO nurture.lead (lead_id, email, phone, audience_type, country) SELECT i, 'mgr' || i || '@example.org', '+3312345' || i, 'hcp', (ARRAY['FR', 'DE', 'US', 'GB', NULL])[1 + i / 2 % 5] FROM generate_series(47000, 47199) i;
SELECT setseed(0.4711) \g /dev/null
SELECT count(nurture_consent(47000 + floor(random() * 200)::int, (ARRAY['requested', 'given', 'given', 'confirmed', 'refused', 'withdrawn', 'objected', 'expired', 'renewed'])[1 + floor(random() * 9)::int],
    (ARRAY['*', 'email', 'sms', 'phone'])[1 + floor(random() * 4)::int], (ARRAY['marketing', 'marketing', '*', 'service'])[1 + floor(random() * 4)::int],
    occurred_at => nurture_now() - random() * interval '400 days')) FROM generate_series(1, 450) i;
SELECT count(nurture_pause(47000 + floor(random() * 200)::int, nurture_now() + interval '9 days', 'x')), count(nurture_suppress('lead', (47000 + floor(random() * 200)::int)::text, 'x')) FROM generate_series(1, 15);
CREATE TEMP TABLE said AS SELECT lead_id, channel, purpose, m.verdict, m.reasons, array_position('{allow,defer,review,refuse}', m.verdict) AS strict
    FROM generate_series(47000, 47199) lead_id, unnest('{email,sms,phone}'::text[]) channel, unnest('{marketing,service}'::text[]) purpose, nurture_may_contact(lead_id, channel, purpose) m;
SELECT count(nurture_merge(i, i + 1, 'x')) FROM generate_series(47000, 47198, 2) i;
SELECT ok((SELECT count(DISTINCT verdict) > 2 AND count(DISTINCT reasons) > 8 FROM said), 'many verdicts before');
SELECT is_empty($$SELECT s.*, m.verdict, m.reasons FROM said s, nurture_may_contact(lead_id, channel, purpose) m WHERE lead_id % 2 = 0 AND array_position('{allow,defer,review,refuse}', m.verdict) < strict$$, 'no merge loosens anything for the survivor');
SELECT is_empty($$SELECT s.*, m.verdict, m.reasons FROM said s, nurture_may_contact(lead_id - 1, channel, purpose) m WHERE lead_id % 2 = 1
    AND EXISTS (SELECT FROM unnest(s.reasons) x JOIN nurture.reason r ON r.reason = x WHERE r.class IN ('suppression', 'stop') OR r.reason = 'consent_denied') AND m.verdict NOT IN ('refuse', 'defer')$$, 'nor what the other was denied');
SELECT is_empty($$SELECT s.*, m.verdict FROM said s, nurture_may_contact(lead_id, channel, purpose) m WHERE lead_id % 2 = 1 AND (m.verdict, m.reasons) IS DISTINCT FROM (SELECT (o.verdict, o.reasons) FROM nurture_may_contact(lead_id - 1, channel, purpose) o)$$, 'both have one verdict');
SELECT count(nurture_unmerge(merge_id, 'x')) FROM nurture.merge WHERE survivor BETWEEN 47000 AND 47199;
SELECT is_empty($$SELECT s.*, m.verdict, m.reasons FROM said s, nurture_may_contact(lead_id, channel, purpose) m WHERE (m.verdict, m.reasons) IS DISTINCT FROM (s.verdict, s.reasons)$$, 'and parted each has its own again');

SELECT * FROM finish();
ROLLBACK;
