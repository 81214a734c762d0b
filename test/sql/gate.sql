-- The gate decides about each message, whatever writes it.
BEGIN;
SELECT plan(56);
SET LOCAL client_min_messages = warning;
SET LOCAL nurture.clock = '2026-03-02T09:00:00Z';

-- approved content, as a restore would bring it
SELECT set_config('search_path', '', true) \g /dev/null
SET LOCAL row_security = off;
SET LOCAL check_function_bodies = off;
INSERT INTO nurture.asset (asset_id, family, title, format)
    SELECT id, 'family_' || id, id, 'email' FROM unnest(ARRAY['gt_a', 'gt_b', 'gt_c', 'gt_d', 'gt_old', 'gt_draft', 'gt_block', 'gt_mi', 'gt_op']) AS id;
INSERT INTO nurture.asset_version (asset_id, version, status, message_class, channels, languages, markets, audience_types, valid_during, approved_at, content_hash)
    SELECT id, 1, CASE id WHEN 'gt_draft' THEN 'draft' ELSE 'approved' END,
           CASE id WHEN 'gt_op' THEN 'operational' WHEN 'gt_mi' THEN 'medical_information' ELSE 'promotional' END,
           '{email,phone}', '{en}', '{FR,US,DE}', '{hcp,patient}',
           CASE id WHEN 'gt_old' THEN tstzrange('2025-01-01', '2026-01-01') ELSE tstzrange('2026-01-01', NULL) END,
           '2026-01-01', '\x01'
    FROM unnest(ARRAY['gt_a', 'gt_b', 'gt_c', 'gt_d', 'gt_old', 'gt_draft', 'gt_block', 'gt_mi', 'gt_op']) AS id;
SELECT set_config('search_path', 'public', true) \g /dev/null
SET LOCAL row_security = on;
SET LOCAL check_function_bodies = on;

INSERT INTO nurture.lead (lead_id, email, country, audience_type, language, created_at) VALUES
    (1, 'one@example.com', 'FR', 'hcp', 'en', '2026-01-01'),
    (2, 'two@example.com', 'FR', 'hcp', 'en', '2026-01-01'),
    (3, 'three@example.com', 'US', 'hcp', 'en-GB', '2026-01-01'),
    (4, NULL, 'US', 'hcp', 'en', '2026-01-01'),
    (5, 'five@example.com', NULL, 'hcp', NULL, '2026-01-01'),
    (6, 'six@example.com', 'US', 'patient', 'en', '2026-01-01'),
    (7, 'seven@example.com', 'FR', 'hcp', 'en', '2026-01-01'),
    (8, 'eight@example.com', 'US', 'hcp', 'en', '2026-01-01'),
    (9, 'nine@example.com', 'US', 'hcp', 'en', '2026-01-01');

CREATE FUNCTION pg_temp.send(lead bigint, asset text, occasion text DEFAULT NULL) RETURNS text LANGUAGE sql AS
$$INSERT INTO nurture.message (lead_id, channel, asset_id, occurrence_key) VALUES (lead, 'email', asset, occasion)
  RETURNING concat_ws(' ', status, CASE WHEN not_before > decided_at THEN 'from ' || to_char(not_before AT TIME ZONE 'UTC', 'MM-DD HH24:MI') END, reasons::text)$$;

-- the gate row
SELECT is((SELECT count(*) FROM nurture.gate WHERE lead_id < 10), 9::bigint, 'each lead has its gate row');
SELECT throws_ok('DELETE FROM nurture.gate WHERE lead_id = 1', 'NU008', NULL, 'a gate row cannot be removed');
SELECT throws_ok('UPDATE nurture.lead SET lead_id = 1000 WHERE lead_id = 1', 'NU007', NULL, 'a lead keeps its id');
UPDATE nurture.lead SET email = 'one@example.org', phone = '+33 1' WHERE lead_id = 1;
SELECT is((SELECT seq FROM nurture.gate WHERE lead_id = 1), 1::bigint, 'a change of an address is told to the gate');
UPDATE nurture.lead SET full_name = 'One', country = 'FR' WHERE lead_id = 1;
SELECT is((SELECT seq FROM nurture.gate WHERE lead_id = 1), 1::bigint, 'what the gate does not read is not');

-- verdicts and all their reasons
SELECT is(pg_temp.send(1, 'gt_a'), 'held {consent_missing}', 'without consent a promotion is held');
SELECT is((SELECT count(*) FROM nurture.review WHERE lead_id = 1 AND state = 'open'), 1::bigint, 'and a person asked');
SELECT is(pg_temp.send(1, 'gt_b'), 'held {consent_missing}', 'the next as well');
SELECT is((SELECT count(*) FROM nurture.review WHERE lead_id = 1 AND state = 'open'), 1::bigint, 'but not asked twice');
SELECT lives_ok($$SELECT nurture_opt_in(2, 'email')$$, 'consent is given');
SELECT is(pg_temp.send(2, 'gt_a'), 'queued', 'with consent it is queued');
SELECT is(pg_temp.send(3, 'gt_a'), 'queued', 'in the United States e-mail needs none');
SELECT is(pg_temp.send(4, 'gt_a'), 'refused {no_contact_point}', 'no address');
SELECT is(pg_temp.send(5, 'gt_a'), 'refused {market,language,consent_missing}', 'missing facts never allow');
SELECT is(pg_temp.send(6, 'gt_mi'), 'queued', 'an answer to a question needs no consent');
SELECT is(pg_temp.send(7, 'gt_draft'), 'refused {asset_not_approved,consent_missing}', 'only approved content');
SELECT is(pg_temp.send(7, 'gt_old'), 'refused {asset_not_in_force,consent_missing}', 'only content in force');
SELECT is(pg_temp.send(7, 'nowhere'), 'refused {asset_unknown}', 'only content that exists');
SELECT is(pg_temp.send(777, 'gt_a'), 'refused {lead_unknown}', 'only leads that exist');
SELECT is(pg_temp.send(7, 'gt_op'), 'queued', 'operational messages pass');
SELECT is((SELECT array_agg(DISTINCT m.message_class ORDER BY m.message_class) FROM nurture.message m WHERE lead_id IN (6, 7) AND status = 'queued'),
          ARRAY['medical_information', 'operational'], 'the class is the asset''s');

-- contact policy
SELECT is(pg_temp.send(3, 'gt_a'), 'refused {duplicate,frequency_cap}', 'a family is not repeated');
SELECT is(pg_temp.send(3, 'gt_b'), 'queued from 03-04 09:00 {frequency_cap}', 'the minimum gap puts off');
SELECT is(pg_temp.send(3, 'gt_c'), 'queued from 03-09 09:00 {frequency_cap}', 'two in any seven days');
SELECT is(pg_temp.send(3, 'gt_d'), 'queued from 03-11 09:00 {frequency_cap}', 'counted at the time they go out');
SELECT is(pg_temp.send(8, 'gt_a', 'march'), 'queued', 'an occasion');
SELECT is(pg_temp.send(8, 'gt_a', 'march'), 'refused {frequency_cap,duplicate}', 'is used once');
SELECT is(pg_temp.send(8, 'gt_a', 'april'), 'queued from 03-04 09:00 {frequency_cap}', 'another is another');

-- every rule, and what can be done
SELECT is((SELECT array_agg(rule || ' | ' || fact || ' | ' || remedy ORDER BY rule) FROM nurture_explain_contact(5, 'email', NULL, 'gt_a') WHERE NOT passed),
          ARRAY['consent | no consent | SELECT nurture_opt_in(5, ''email'')',
                'language | language unknown | UPDATE nurture.lead SET language = ''..'' WHERE lead_id = 5',
                'market | country unknown | UPDATE nurture.lead SET country = ''..'' WHERE lead_id = 5'], 'explained, with remedies');
SELECT is((SELECT count(*) FROM nurture_explain_contact(2, 'email', NULL, 'gt_b')), 26::bigint, 'every rule is told');
SELECT is((SELECT concat_ws(' ', verdict, reasons, to_char(not_before AT TIME ZONE 'UTC', 'MM-DD HH24:MI')) FROM nurture_may_contact(2, 'email', NULL, 'gt_b')),
          'defer {frequency_cap} 03-04 09:00', 'asking gives the same verdict');
SELECT is((SELECT verdict FROM nurture_may_contact(7, 'email')), 'review', 'without an asset');
SELECT throws_ok('SELECT nurture_may_contact(777, ''email'')', 'NU004', 'there is no lead 777', 'an unknown lead is an error here');
SELECT is((SELECT count(*) FROM nurture.gate WHERE lead_id = 2 AND seq > 4), 0::bigint, 'asking writes nothing');
SELECT is((SELECT count(*) FROM nurture_bi.refusals WHERE lead_id = 5), 3::bigint, 'the view of refusals has a row per reason');

-- stops, pauses, suppression
SELECT is(nurture_pause(9, '2026-03-20', 'holiday'), 0::bigint, 'a pause');
SELECT is(pg_temp.send(9, 'gt_a'), 'refused {paused}', 'binds');
SELECT is((SELECT remedy FROM nurture_explain_contact(9, 'email', NULL, 'gt_a') WHERE rule = 'pause'), 'SELECT nurture_resume(9, ''<reason>'')', 'with its remedy');
SELECT is(nurture_resume(9, 'back early'), 1, 'and is lifted');
SELECT is(pg_temp.send(9, 'gt_a'), 'queued', 'then it passes');
SELECT is(nurture_suppress('contact_point', ' NINE@example.com', 'asked on the phone'), 1::bigint, 'suppressing an address cancels');
SELECT is(pg_temp.send(9, 'gt_mi'), 'refused {suppressed}', 'and blocks every class');
SELECT is(nurture_unsuppress('contact_point', 'nine@example.com', 'a mistake'), true, 'lifted');
SELECT is(nurture_suppress('domain', 'example.com', 'asked by the house'), 9::bigint, 'a domain');
SELECT is(pg_temp.send(9, 'gt_b'), 'refused {suppressed}', 'blocks its addresses');

-- the ways to insert
SELECT nurture_unsuppress('domain', 'example.com', 'test over') \g /dev/null
INSERT INTO nurture.lead (lead_id, email, country, audience_type, language)
    SELECT i, 'bulk' || i || '@example.net', 'US', 'hcp', 'en' FROM generate_series(101, 110) AS i;
INSERT INTO nurture.message (lead_id, channel, asset_id) SELECT i, 'email', 'gt_a' FROM generate_series(101, 104) AS i;
INSERT INTO nurture.message (lead_id, channel, asset_id) VALUES (105, 'email', 'gt_a'), (105, 'email', 'gt_a'), (106, 'email', 'gt_a') ON CONFLICT DO NOTHING;
MERGE INTO nurture.message m USING (SELECT 107 AS lead) s ON m.lead_id = s.lead WHEN NOT MATCHED THEN INSERT (lead_id, channel, asset_id) VALUES (s.lead, 'email', 'gt_a');
COPY nurture.message (lead_id, channel, asset_id) FROM stdin;
108	email	gt_a
108	email	gt_a
109	email	gt_draft
\.
SELECT is((SELECT string_agg(lead_id || ' ' || status, ', ' ORDER BY lead_id, message_id) FROM nurture.message WHERE lead_id > 100 AND lead_id < 777),
          '101 queued, 102 queued, 103 queued, 104 queued, 105 queued, 105 refused, 106 queued, 107 queued, 108 queued, 108 refused, 109 refused', 'INSERT SELECT, VALUES, ON CONFLICT, MERGE and COPY are decided alike');
SELECT is((SELECT count(*) FROM nurture.message m WHERE m.lead_id > 100 AND NOT EXISTS
             (SELECT FROM nurture.audit a WHERE a.kind = 'message' AND a.object = 'message:' || m.message_id AND a.outcome = m.status)), 0::bigint, 'each has its audit entry');
SELECT is((SELECT count(*) FROM nurture.message WHERE lead_id = 105 AND gate_seq IS NOT NULL), 2::bigint, 'each its place in the order');

-- nobody decides in the gate's stead
SELECT throws_ok($$INSERT INTO nurture.message (lead_id, channel, asset_id, status) VALUES (110, 'email', 'gt_a', 'sent')$$, 'NU009', NULL, 'a status cannot be brought along');
SELECT throws_ok($$INSERT INTO nurture.message (lead_id, channel, asset_id, decision) VALUES (110, 'email', 'gt_a', '{}')$$, 'NU009', NULL, 'nor a decision');
SELECT throws_ok($$UPDATE nurture.message SET status = 'queued' WHERE lead_id = 1$$, 'NU008', NULL, 'a status cannot be changed by hand');
SELECT throws_ok($$DELETE FROM nurture.message WHERE lead_id = 1$$, 'NU008', NULL, 'a message cannot be deleted');
CREATE FUNCTION pg_temp.loosen() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN NEW.status := 'queued'; RETURN NEW; END$$;
CREATE TRIGGER "~~later" BEFORE INSERT ON nurture.message FOR EACH ROW EXECUTE FUNCTION pg_temp.loosen();
SELECT throws_ok($$INSERT INTO nurture.message (lead_id, channel, asset_id) VALUES (7, 'email', 'gt_a')$$, 'NU009', NULL, 'a later trigger that loosens is found');
DROP TRIGGER "~~later" ON nurture.message;
SET LOCAL nurture.refuse_with_error = on;
SELECT throws_ok($$INSERT INTO nurture.message (lead_id, channel, asset_id) VALUES (4, 'email', 'gt_b')$$, 'NU001', 'message refused: no_contact_point', 'refused with an error, if the session wants it so');
SET LOCAL nurture.refuse_with_error = off;

-- merged and erased leads
UPDATE nurture.lead SET merged_into = 102 WHERE lead_id = 101;
SELECT is((SELECT string_agg(status, ' ') FROM nurture.message WHERE lead_id = 101), 'cancelled', 'what a merged lead had queued is cancelled');
INSERT INTO nurture.message (lead_id, channel, asset_id) VALUES (101, 'email', 'gt_op');
SELECT is((SELECT count(*) FROM nurture.message WHERE lead_id = 102 AND asset_id = 'gt_op' AND status = 'queued'), 1::bigint, 'a message to it goes to the survivor');

SELECT * FROM finish();
ROLLBACK;
