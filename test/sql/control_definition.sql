-- nurture_definition: the document that marketing, sales, medical and QA sign.
-- The whole of it for the preset is below, with its days and hashes blotted
-- out: whoever changes a rule of the preset sees here how it reads.
BEGIN;
SET LOCAL client_min_messages = warning;
SELECT plan(20);
CREATE FUNCTION pg_temp.changes(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE before text[]; after text[];
BEGIN
    before := string_to_array(nurture_definition(), E'\n');
    EXECUTE statement;
    after := string_to_array(nurture_definition(), E'\n');
    RETURN (SELECT string_agg(line, E'\n' ORDER BY n) FROM (
        SELECT n, '-' || l AS line FROM unnest(before) WITH ORDINALITY b (l, n) WHERE l <> ALL (after) AND l NOT LIKE 'SHA-256%'
        UNION ALL SELECT n + 100000, '+' || l FROM unnest(after) WITH ORDINALITY a (l, n) WHERE l <> ALL (before) AND l NOT LIKE 'SHA-256%') x);
END $$;
SELECT set_config('nurture.change_reason', 'test', true) \g /dev/null
UPDATE nurture.review_date SET reviewed_on = '2026-01-31';

\pset tuples_only on
\pset format unaligned
SELECT regexp_replace(regexp_replace(replace(nurture_definition(), session_user, 'INSTALLER'), '\m[0-9a-f]{64}\M', 'HASH', 'g'), '\m20[0-9]{2}-[0-9]{2}-[0-9]{2}\M', 'DAY', 'g');
\pset tuples_only off
\pset format aligned

-- the same configuration is the same text
SELECT is(nurture_definition(), (SELECT nurture_definition()), 'twice the same');
CREATE TEMP TABLE first_text AS SELECT nurture_definition() AS t;
SET LOCAL TimeZone = 'Asia/Tokyo'; SET LOCAL DateStyle = 'German'; SET LOCAL IntervalStyle = 'iso_8601'; SET LOCAL nurture.clock = '2030-01-01T00:00:00Z';
SELECT is(nurture_definition(), (SELECT t FROM first_text), 'whatever the session and the day');
RESET TimeZone; RESET DateStyle; RESET IntervalStyle; RESET nurture.clock;
CREATE TEMP TABLE caps AS SELECT * FROM nurture.frequency_cap;
DELETE FROM nurture.frequency_cap;
INSERT INTO nurture.frequency_cap SELECT * FROM caps ORDER BY cap DESC;
SELECT is(nurture_definition(), (SELECT t FROM first_text), 'whatever the order of rows');
SELECT is(substring(t FROM 'SHA-256 of the text above this line: ([0-9a-f]{64})'), encode(sha256(convert_to(split_part(t, 'SHA-256 of the text above', 1), 'UTF8')), 'hex'), 'the hash is that of the text') FROM first_text;

-- a change shows
SELECT alike(pg_temp.changes($$UPDATE nurture.frequency_cap SET n = 3 WHERE cap = 'email_week'$$),
    '-| email_week | e-mail in a week | 2 | 7 days | %' || E'\n' || '+| email_week | e-mail in a week | 3 | 7 days | %', 'a cap');
SELECT alike(pg_temp.changes($$UPDATE nurture.stop_rule SET duration = '45 days' WHERE rule = 'clicks_without_form'$$), '-| clicks_without_form |%30 days%+| clicks_without_form |%45 days%', 'a stop');
SELECT alike(pg_temp.changes($$UPDATE nurture.consent_policy SET rule = 'double_opt_in' WHERE country = 'DE' AND audience_type = '*' AND channel = 'email' AND message_class = 'promotional'$$), '%+| DE | \\* | email | promotional | double_opt_in |%', 'consent')
    FROM nurture.consent_policy WHERE country = 'DE' AND audience_type = '*' AND channel = 'email' AND message_class = 'promotional' AND rule <> 'double_opt_in'
UNION ALL SELECT alike(pg_temp.changes($$UPDATE nurture.consent_policy SET unclear = 'refuse' WHERE country = '*' AND audience_type = '*' AND channel = '*' AND message_class = 'operational'$$), '%+| \\* | \\* | \\* | operational | opt\_out | refuse |%', 'consent')
    WHERE NOT EXISTS (SELECT FROM nurture.consent_policy WHERE country = 'DE' AND audience_type = '*' AND channel = 'email' AND message_class = 'promotional' AND rule <> 'double_opt_in');
SELECT is(pg_temp.changes($$SELECT nurture_draft('model', 'default', 1)$$), NULL, 'a draft is not in force');
UPDATE nurture.signal_rule SET points = 41 WHERE model = 'default' AND version = 2 AND signal = 'demo_requested';
SELECT alike(pg_temp.changes($$SELECT nurture_publish('model', 'default', 2, 'one more point', true)$$), '%-| default | % | demo_requested | 40.00 |%+| default | % | demo_requested | 41.00 |%+| model | default | 2 | % | one more point |%', 'points, with their version and why');
SELECT nurture_draft('route', 'mql', 1) \g /dev/null
UPDATE nurture.route_version SET sla_accept = '2 hours', condition = '{"all": [{"stage": ["mql"]}, {"fact": "country", "op": "=", "value": "DE"}]}' WHERE route = 'mql' AND version = 2;
SELECT nurture_approve('route', 'mql', 2, 'sales', 'approved', 'we can do that') \g /dev/null
SELECT alike(pg_temp.changes($$SELECT nurture_publish('route', 'mql', 2, 'faster')$$), '%+| 140 | mql |%| stage is mql, and country is DE |%| 02:00:00 |%+| route | mql | 2 | sales | approved | % | we can do that |%', 'a route in words, its SLA, and who signed it');
SELECT alike(pg_temp.changes($$INSERT INTO nurture.review_date (object, code, owner, reviewed_on, review_every) VALUES ('team', 'catch_all', 'operations', '2026-05-01', '3 months')$$),
    '%+| catch_all |%| operations | 2026-08-01 |%+| team | catch_all | operations | 2026-05-01 | 2026-08-01 |%', 'an owner and a review date of one row');
SELECT ok(position('| anna\|b &lt;x> \*y\* |' IN pg_temp.changes($$UPDATE nurture.team SET owner = 'anna|b <x> *y*' WHERE team = 'catch_all'$$)) > 0, 'what a person wrote is no markup');
INSERT INTO nurture.asset (asset_id, family, title, format, owner) VALUES ('cd_brief', 'cd_brief', 'a brief', 'email', 'brand team');
INSERT INTO nurture.asset_version (asset_id, version, message_class, channels, languages, markets, audience_types, review_due, approval_ref) VALUES ('cd_brief', 1, 'promotional', '{email}', '{en}', '{DE}', '{investigator}', '2026-12-31', 'MLR-1');
SELECT nurture_set_asset_status('cd_brief', 1, 'in_review', 'test') \g /dev/null
SELECT alike(pg_temp.changes($$SELECT nurture_approve('asset', 'cd_brief', 1, 'medical', 'approved', 'medically right')$$), '%+| cd_brief | 1 | a brief | promotional | investigator | DE | en | MLR-1 |%| 2026-12-31 | brand team |%', 'an asset');

-- for one audience
SELECT ok(nurture_definition('investigator') LIKE '%What is in force for the audience investigator. %| a brief |%', 'what concerns an audience');
SELECT ok(nurture_definition('hcp') NOT LIKE '%| a brief |%', 'and no other');
SELECT ok(nurture_definition('patient') NOT LIKE '%| account_executive | account executives |%', 'nor teams that never take it');
SELECT ok(nurture_definition('patient') NOT LIKE E'%\n| hcp | healthcare professional |%', 'nor audiences');
SELECT throws_ok($$SELECT nurture_definition('nobody')$$, 'NU003', 'unknown audience type "nobody"', 'an unknown audience');
SELECT ok(bool_and(position(s IN nurture_definition()) > 0), 'every part is there') FROM unnest(ARRAY['Audiences', 'Required fields', 'Sources', 'Signals', 'Models', 'Thresholds', 'Tiers', 'Tracks and goals', 'Exclusions', 'Stops', 'Caps',
    'Content', 'Destinations and SLAs', 'Versions and signatures', 'Owners and reviews', 'Signed']) s;

-- every part of it has an owner and a day
SELECT is_empty($$SELECT line FROM regexp_split_to_table(nurture_definition(), E'\n') line WHERE line ~ '^\| (adverse_event|complained|hcp|mql|catch_all|email_week|education) \|' AND line ~ '\| \|$'$$, 'no owner or review date is missing');
SELECT * FROM finish();
ROLLBACK;
