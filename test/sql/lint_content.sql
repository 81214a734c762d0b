-- nurture_lint: what it finds in the content, and that it is quiet without.
SET client_min_messages = warning;
BEGIN;
SELECT plan(21);
SET LOCAL nurture.clock = '2026-03-01 10:00+00';

CREATE FUNCTION pg_temp.approved(id text, extra jsonb DEFAULT '{}') RETURNS text LANGUAGE sql AS
$$ SELECT nurture_add_asset(jsonb_build_object('asset_id', id, 'title', 'Title of ' || id, 'format', 'article', 'message_class', 'promotional', 'uri', 'https://content.example/' || id,
    'channels', '["email"]'::jsonb, 'markets', '["*"]'::jsonb, 'audience_types', '["*"]'::jsonb) || extra);
   SELECT nurture_set_asset_status(id, (SELECT max(version) FROM nurture.asset_version WHERE asset_id = id), 'in_review', 'test');
   SELECT nurture_approve('asset', id, (SELECT max(version) FROM nurture.asset_version WHERE asset_id = id), 'medical', 'approved', 'test') $$;
CREATE FUNCTION pg_temp.lint(code text) RETURNS TABLE (object text, finding text) LANGUAGE sql AS
$$ SELECT l.object, l.finding FROM nurture_lint() WITH ORDINALITY l (finding, severity, remedy, rule, object, place) WHERE l.rule = code ORDER BY l.place $$;

SELECT results_eq($$SELECT DISTINCT rule, severity FROM nurture_lint() WHERE object ~ '^(asset|step):'$$, $$SELECT ''::text, ''::text WHERE false$$, 'nothing about assets where there are none');
SELECT is((SELECT count(*) FROM pg_temp.lint('step_without_asset')),
    (SELECT count(*) FROM nurture.track_step s JOIN nurture.track_version v USING (track, version) WHERE v.status = 'published' AND s.action IN ('message', 'invitation', 'question')), 'but no step can be filled then');
SELECT isnt_empty($$SELECT * FROM pg_temp.lint('tag_without_asset') WHERE object = 'tag:offer:overview'$$, 'nor has any asset the tag that the weights ask for');
SELECT is((SELECT severity || ': ' || remedy FROM nurture_lint() WHERE rule = 'tag_without_asset' AND object = 'tag:offer:overview'),
    'warning: Tag an asset with it, or take it out of the rule.', 'with a severity and what to do');
SELECT matches((SELECT finding FROM pg_temp.lint('tag_unused') WHERE object = 'tag:topic'), '^10 of 10 tags of dimension topic are on no approved asset, such as disease, moa, efficacy$', 'unused tags by dimension');

-- a step, and the tag tree
INSERT INTO nurture.tag (dimension, value, parent) VALUES ('topic', 'receptors', 'moa');
INSERT INTO nurture.track (track, title) VALUES ('lint_track', 'Lint');
INSERT INTO nurture.track_version (track, version) VALUES ('lint_track', 1);
INSERT INTO nurture.track_step (track, version, step_no, action, family, required_tags, channels) VALUES
    ('lint_track', 1, 1, 'message', NULL, '{topic:moa}', '{email}'), ('lint_track', 1, 2, 'message', 'lint_family', NULL, '{sms}'), ('lint_track', 1, 3, 'wait', NULL, NULL, NULL);
INSERT INTO nurture.track_entry (track, version, entry, condition) VALUES ('lint_track', 1, 'all', '{"fact": "country", "op": "known"}');
SELECT nurture_publish('track', 'lint_track', 1, 'test') AS published;
SELECT results_eq($$SELECT * FROM pg_temp.lint('step_without_asset') WHERE object ~ 'lint_track'$$,
    $$VALUES ('track:lint_track:1'::text, 'no approved asset in force fits step 1 of track "lint_track" (tags topic:moa, channel email, for *)'::text),
        ('track:lint_track:2', 'no approved asset in force fits step 2 of track "lint_track" (family lint_family, channel sms, for *)')$$, 'steps that nothing can fill');
SELECT pg_temp.approved('lint_moa', '{"tags": ["topic:receptors"]}') AS approved;
SELECT results_eq($$SELECT object FROM pg_temp.lint('step_without_asset') WHERE object ~ 'lint_track'$$, $$VALUES ('track:lint_track:2'::text)$$, 'a narrower tag fills a step');
SELECT pg_temp.approved('lint_block', '{"format": "block", "family": "lint_family", "channels": ["sms"]}') AS approved;
SELECT results_eq($$SELECT object FROM pg_temp.lint('step_without_asset') WHERE object ~ 'lint_track'$$, $$VALUES ('track:lint_track:2'::text)$$, 'a block does not');
SELECT pg_temp.approved('lint_late', '{"family": "lint_family", "channels": ["sms"], "valid_from": "2026-04-01 00:00+00"}') AS approved;
SELECT results_eq($$SELECT object FROM pg_temp.lint('step_without_asset') WHERE object ~ 'lint_track'$$, $$VALUES ('track:lint_track:2'::text)$$, 'nor what is not in force');
SELECT pg_temp.approved('lint_now', '{"family": "lint_family", "channels": ["sms"]}') AS approved;
SELECT is_empty($$SELECT object FROM pg_temp.lint('step_without_asset') WHERE object ~ 'lint_track'$$, 'now both can be filled');

-- expiry and review
SELECT pg_temp.approved('lint_old', '{"valid_until": "2026-02-28 00:00+00"}'), pg_temp.approved('lint_soon', '{"valid_until": "2026-03-20 00:00+00"}'),
    pg_temp.approved('lint_far', '{"valid_until": "2026-09-20 00:00+00", "review_due": "2026-03-01"}'), pg_temp.approved('lint_due', '{"review_due": "2026-02-28"}');
SELECT results_eq($$SELECT * FROM pg_temp.lint('content_expired')$$, $$VALUES ('asset:lint_old:1'::text, 'version 1 of asset "lint_old" is approved, and expired on 2026-02-28'::text)$$, 'expired content');
SELECT results_eq($$SELECT * FROM pg_temp.lint('content_expiring')$$, $$VALUES ('asset:lint_soon:1'::text, 'version 1 of asset "lint_soon" expires on 2026-03-20'::text)$$, 'content about to expire');
SELECT results_eq($$SELECT * FROM pg_temp.lint('content_review_overdue')$$, $$VALUES ('asset:lint_due:1'::text, 'version 1 of asset "lint_due" was to be reviewed by 2026-02-28'::text)$$, 'past its review');

-- where it is
SELECT pg_temp.approved('lint_nowhere', '{}'::jsonb || jsonb_build_object('uri', NULL)), pg_temp.approved('lint_path', '{"uri": "content/brief.html"}'), pg_temp.approved('lint_gone', '{"uri": "https://content.example/one"}'), pg_temp.approved('lint_left', '{"uri": "https://content.example/one"}');
SELECT nurture_set_asset_status('lint_gone', 1, 'withdrawn', 'taken off the site') AS cancelled;
SELECT results_eq($$SELECT object FROM pg_temp.lint('uri_missing') UNION ALL SELECT object FROM pg_temp.lint('uri_bad')$$, $$VALUES ('asset:lint_nowhere:1'::text), ('asset:lint_path:1')$$, 'no uri, or none that can be opened');
SELECT results_eq($$SELECT * FROM pg_temp.lint('uri_dead')$$,
    $$VALUES ('asset:lint_left:1'::text, 'the uri of version 1 of asset "lint_left" is that of version 1 of asset "lint_gone", which is withdrawn'::text)$$, 'a page that was withdrawn with another asset');

-- what it is made with
INSERT INTO nurture.claim (claim, version, text, valid_during) VALUES ('lint_claim', 1, 'It works.', '[2026-01-01 00:00+00,2026-03-20 00:00+00)'), ('lint_gone', 1, 'It is safe.', '(,)');
SELECT nurture_set_claim_status(c, 1, 'in_review', 'test'), nurture_approve('claim', c, 1, 'medical', 'approved', 'shown') FROM unnest('{lint_claim,lint_gone}'::text[]) c \g /dev/null
SELECT pg_temp.approved('lint_made', '{"claims": ["lint_claim", "lint_gone"], "blocks": {"footer": "lint_block"}}') AS approved;
SELECT is_empty($$SELECT rule FROM nurture_lint() WHERE rule IN ('block_out', 'claim_out', 'claim_changed')$$, 'all in force');
SELECT results_eq($$SELECT * FROM pg_temp.lint('claim_expiring')$$, $$VALUES ('claim:lint_claim:1'::text, 'version 1 of claim "lint_claim" expires on 2026-03-20; 1 approved assets make it'::text)$$, 'a claim about to expire');
SELECT nurture_set_asset_status('lint_block', 1, 'withdrawn', 'test'), nurture_set_claim_status('lint_gone', 1, 'withdrawn', 'test');
SELECT results_eq($$SELECT rule, finding FROM nurture_lint() WHERE object = 'asset:lint_made:1' ORDER BY rule$$,
    $$VALUES ('block_out'::text, 'version 1 of asset "lint_made" is made with "lint_block", which has no version in force'::text),
        ('claim_out', 'version 1 of asset "lint_made" makes claim "lint_gone", which has no version in force')$$, 'parts that are out');
INSERT INTO nurture.claim (claim, version, text) VALUES ('lint_claim', 2, 'It works well.');
SET LOCAL nurture.clock = '2026-03-01 11:00+00';
SELECT nurture_set_claim_status('lint_claim', 2, 'in_review', 'test'), nurture_approve('claim', 'lint_claim', 2, 'medical', 'approved', 'shown') \g /dev/null
SELECT results_eq($$SELECT * FROM pg_temp.lint('claim_changed')$$, $$VALUES ('asset:lint_made:1'::text, 'version 1 of asset "lint_made" was approved before version 2 of its claim "lint_claim"'::text)$$, 'a claim that says something else since');

-- the objects themselves
UPDATE nurture.review_date SET reviewed_on = '2026-02-20', review_every = '7 days' WHERE object = 'tag';
SELECT results_eq($$SELECT * FROM pg_temp.lint('review_overdue') WHERE object = 'tag:*'$$, $$VALUES ('tag:*'::text, 'tag was to be looked at again by 2026-02-27, by marketing_operations'::text)$$, 'parts of the configuration past their review');
SELECT is_empty($$SELECT rule FROM nurture_lint() WHERE severity NOT IN ('error', 'warning', 'info') OR finding = '' OR remedy = ''$$, 'every row says how bad it is and what to do');

SELECT * FROM finish();
ROLLBACK;
