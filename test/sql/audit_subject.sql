-- The pseudonym under which a lead's entries are hashed lies on its gate row
-- once a message was asked for; it is the one of the lead's key, and goes with
-- it. What entries of one statement have in common is not mixed up.
SET client_min_messages = error;
BEGIN;
SELECT plan(26);
SELECT set_config('nurture.clock', '2026-03-10 10:00:00+00', true) \g /dev/null
INSERT INTO nurture.asset (asset_id, family, title, format) SELECT 'as_' || i, 'as_' || i, 'asset', 'email' FROM generate_series(1, 3) i;
SELECT set_config('search_path', '', true), set_config('row_security', 'off', true), set_config('check_function_bodies', 'off', true) \g /dev/null
INSERT INTO nurture.asset_version (asset_id, version, status, message_class, channels, languages, markets, audience_types, approved_at, content_hash)
    SELECT 'as_' || i, i, 'approved', 'promotional', '{email}', '{en}', '{*}', '{hcp}', '2026-01-01', '\x01' FROM generate_series(1, 3) i;
SELECT set_config('search_path', 'public', true), set_config('row_security', 'on', true), set_config('check_function_bodies', 'on', true) \g /dev/null
INSERT INTO nurture.lead (lead_id, email, country, audience_type, language) SELECT 74000 + i, 'as' || i || '@example.com', 'FR', 'hcp', 'en' FROM generate_series(1, 400) i;
SELECT count(nurture_opt_in(74000 + i, 'email')) FROM generate_series(1, 400) i \g /dev/null
CREATE FUNCTION pg_temp.on_gate(lead bigint) RETURNS bytea LANGUAGE sql AS $$ SELECT subject FROM nurture.gate WHERE lead_id = lead $$;
-- as docs/audit.md has it: HMAC-SHA-256 of the id in network order (RFC 2104)
CREATE FUNCTION pg_temp.hmac(key bytea, lead bigint) RETURNS bytea LANGUAGE sql AS $$
    SELECT sha256((SELECT string_agg(set_byte('\x00', 0, get_byte(k, i) # 92), '' ORDER BY i) FROM generate_series(0, 63) i)
                  || sha256((SELECT string_agg(set_byte('\x00', 0, get_byte(k, i) # 54), '' ORDER BY i) FROM generate_series(0, 63) i) || int8send(lead)))
    FROM (SELECT key || decode(repeat('00', 64 - length(key)), 'hex') AS k) p $$;

SELECT is(pg_temp.on_gate(74001), NULL, 'a lead that was asked for no message needs none');
INSERT INTO nurture.message (lead_id, channel, asset_id) VALUES (74001, 'email', 'as_1');
SELECT isnt(pg_temp.on_gate(74001), NULL, 'its first message puts it on the gate row');
SELECT is(pg_temp.on_gate(74001), (SELECT pg_temp.hmac(key, lead_id) FROM nurture.subject_key WHERE lead_id = 74001), 'as the key of the lead has it');
INSERT INTO nurture.message (lead_id, channel, asset_id) VALUES (74001, 'email', 'as_2');
SELECT is((SELECT count(DISTINCT subject) FROM nurture.audit WHERE lead_ref = 74001), 1::bigint, 'entries before and after have the same');
SELECT is((SELECT subject FROM nurture.audit WHERE lead_ref = 74001 ORDER BY audit_id DESC LIMIT 1), pg_temp.on_gate(74001), 'that one');

-- many leads and assets in one statement, some of them twice
INSERT INTO nurture.message (lead_id, channel, asset_id) SELECT 74000 + 1 + (i * 7) % 390, 'email', 'as_' || 1 + i % 3 FROM generate_series(1, 600) i;
SELECT cmp_ok((SELECT count(*) FROM nurture.audit WHERE lead_ref BETWEEN 74001 AND 74400 AND kind = 'message'), '>', 600::bigint, 'each has an entry');
SELECT is_empty($$SELECT m.message_id FROM nurture.message m JOIN nurture.audit a ON a.lead_ref = m.lead_id AND a.object = 'message:' || m.message_id
    WHERE m.lead_id BETWEEN 74001 AND 74400 AND (a.versions IS DISTINCT FROM jsonb_build_object('asset', m.asset_id, 'version', m.version) OR a.outcome <> m.status OR a.reasons IS DISTINCT FROM m.reasons)$$,
    'with its own asset, version, outcome and reasons');
SELECT is_empty($$SELECT a.audit_id FROM nurture.audit a JOIN nurture.gate g ON g.lead_id = a.lead_ref WHERE a.lead_ref BETWEEN 74001 AND 74400 AND g.subject <> a.subject$$, 'and the pseudonym of its lead');
SELECT is((SELECT count(DISTINCT subject) FROM nurture.gate WHERE lead_id BETWEEN 74001 AND 74390), 390::bigint, 'which no other has');
SELECT is_empty($$SELECT * FROM nurture_audit_verify() WHERE severity = 'error'$$, 'each is hashed with it');

-- indexes that somebody adds: with a predicate that is looked at without an
-- executor, with one that needs it, of an expression
CREATE EXTENSION amcheck;
CREATE FUNCTION pg_temp.whole() RETURNS bigint LANGUAGE sql AS $$
    SELECT count(bt_index_check(x.indexrelid, true)) FROM pg_index x WHERE x.indrelid IN (SELECT tableoid FROM nurture.audit WHERE lead_ref BETWEEN 74001 AND 74400) $$;
CREATE FUNCTION pg_temp.counted() RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true);
    RETURN (SELECT count(*) FROM nurture.audit WHERE kind = 'message' AND outcome = 'queued' AND audit_id > 0);
END $$;
CREATE INDEX audit_queued ON nurture.audit (audit_id) WHERE kind = 'message' AND outcome = 'queued';
SELECT pg_temp.counted() AS before \gset
INSERT INTO nurture.message (lead_id, channel, asset_id) VALUES (74395, 'email', 'as_1'), (74396, 'phone', 'as_1'), (74397, 'email', 'as_2');
SELECT is((SELECT array_agg(outcome ORDER BY lead_ref) FROM nurture.audit WHERE lead_ref BETWEEN 74395 AND 74397 AND kind = 'message'), '{queued,refused,queued}', 'two of three messages are queued');
SELECT is(pg_temp.counted(), (:before + 2)::bigint, 'an index of entries about queued messages gets two entries');
SELECT isnt(pg_temp.whole(), 0::bigint, 'and the others all three');
CREATE INDEX audit_odd ON nurture.audit (audit_id) WHERE audit_id % 2 = 1;
INSERT INTO nurture.message (lead_id, channel, asset_id) VALUES (74398, 'email', 'as_1'), (74399, 'phone', 'as_1');
SELECT isnt(pg_temp.whole(), 0::bigint, 'with a predicate of numbers too');
DROP INDEX nurture.audit_odd;
CREATE INDEX audit_long ON nurture.audit (length(inputs));
INSERT INTO nurture.message (lead_id, channel, asset_id) SELECT 74398, 'email', 'as_' || 1 + i % 3 FROM generate_series(1, 80) i;
SELECT isnt(pg_temp.whole(), 0::bigint, 'with one of an expression too');
SELECT is(pg_temp.counted(), (SELECT count(*) FILTER (WHERE kind = 'message' AND outcome = 'queued') FROM nurture.audit), 'and the first has what it should have');
ALTER TABLE nurture.audit ADD CONSTRAINT audit_kind CHECK (kind <> 'message') NOT VALID;
SELECT throws_ok($$INSERT INTO nurture.message (lead_id, channel, asset_id) VALUES (74400, 'email', 'as_1')$$, '23514', NULL, 'a constraint that somebody adds is asked');
ALTER TABLE nurture.audit DROP CONSTRAINT audit_kind;

-- merged: what is asked of one is the other's
SELECT nurture_merge(74392, 74391, 'test') \g /dev/null
INSERT INTO nurture.message (lead_id, channel, asset_id) VALUES (74391, 'email', 'as_1');
SELECT is((SELECT lead_id FROM nurture.message WHERE lead_id IN (74391, 74392)), 74392::bigint, 'a message to a lead that was merged is its survivor''s');
SELECT is((SELECT subject FROM nurture.audit WHERE lead_ref = 74392 AND kind = 'message'), (SELECT pg_temp.hmac(key, lead_id) FROM nurture.subject_key WHERE lead_id = 74392), 'and so is the entry');

-- a statement within a message's own, and a row that is dropped
INSERT INTO nurture.message (lead_id, channel, asset_id, occurrence_key) VALUES (74393, 'email', 'as_1', 'once'), (74393, 'email', 'as_1', 'once'), (74394, 'email', 'as_2', 'once') ON CONFLICT DO NOTHING;
SELECT is_empty($$SELECT a.audit_id FROM nurture.audit a JOIN nurture.gate g ON g.lead_id = a.lead_ref WHERE a.lead_ref IN (74393, 74394) AND g.subject <> a.subject$$, 'where rows are dropped the others keep theirs');

-- made with a block of which another version comes into force: all else stays
-- as it was, and what is told of the block must not
SELECT set_config('search_path', '', true), set_config('row_security', 'off', true), set_config('check_function_bodies', 'off', true) \g /dev/null
INSERT INTO nurture.asset (asset_id, family, title, format) VALUES ('as_block', 'as_block', 'block', 'block'), ('as_4', 'as_4', 'asset', 'email');
INSERT INTO nurture.asset_version (asset_id, version, status, message_class, channels, languages, markets, audience_types, approved_at, content_hash)
    VALUES ('as_block', 1, 'approved', 'promotional', '{email}', '{en}', '{*}', '{hcp}', '2026-01-01', '\x21'), ('as_block', 2, 'draft', 'promotional', '{email}', '{en}', '{*}', '{hcp}', NULL, '\x22'),
           ('as_4', 4, 'approved', 'promotional', '{email}', '{en}', '{*}', '{hcp}', '2026-01-01', '\x01');
INSERT INTO nurture.asset_block (asset_id, version, slot, block_asset) VALUES ('as_4', 4, 'footer', 'as_block');
SELECT set_config('search_path', 'public', true), set_config('row_security', 'on', true), set_config('check_function_bodies', 'on', true) \g /dev/null
INSERT INTO nurture.lead (lead_id, email, country, audience_type, language) SELECT 74500 + i, 'asb' || i || '@example.com', 'FR', 'hcp', 'en' FROM generate_series(1, 8) i;
SELECT count(nurture_opt_in(74500 + i, 'email')) FROM generate_series(1, 8) i \g /dev/null
DO $$BEGIN FOR i IN 1 .. 4 LOOP INSERT INTO nurture.message (lead_id, channel, asset_id) VALUES (74500 + i, 'email', 'as_4'); END LOOP; END$$;
SELECT set_config('search_path', '', true), set_config('row_security', 'off', true), set_config('check_function_bodies', 'off', true) \g /dev/null
UPDATE nurture.asset_version SET status = 'superseded' WHERE asset_id = 'as_block' AND version = 1;
UPDATE nurture.asset_version SET status = 'approved', approved_at = '2026-03-01' WHERE asset_id = 'as_block' AND version = 2;
SELECT set_config('search_path', 'public', true), set_config('row_security', 'on', true), set_config('check_function_bodies', 'on', true) \g /dev/null
DO $$BEGIN FOR i IN 5 .. 8 LOOP INSERT INTO nurture.message (lead_id, channel, asset_id) VALUES (74500 + i, 'email', 'as_4'); END LOOP; END$$;
SELECT is((SELECT array_agg((decision #>> '{blocks,footer,version}')::integer ORDER BY lead_id) FROM nurture.message WHERE lead_id BETWEEN 74501 AND 74508), '{1,1,1,1,2,2,2,2}', 'messages tell the version of the block that was in force');
SELECT is((SELECT array_agg((inputs::jsonb #>> '{blocks,footer,version}')::integer ORDER BY lead_ref) FROM nurture.audit WHERE lead_ref BETWEEN 74501 AND 74508 AND kind = 'message'), '{1,1,1,1,2,2,2,2}', 'and so do their entries');

-- erased: the key goes, and what was made of it
SELECT isnt(pg_temp.on_gate(74001), NULL, 'before a lead is erased its gate row has it');
SELECT nurture_erase(74001, 'no_longer_needed', 'ticket 1') \g /dev/null
SELECT is((SELECT count(*) FROM nurture.subject_key WHERE lead_id = 74001), 0::bigint, 'an erased lead has no key');
SELECT is(pg_temp.on_gate(74001), NULL, 'and its gate row nothing that was made of it');
INSERT INTO nurture.message (lead_id, channel, asset_id) VALUES (74001, 'email', 'as_3');
SELECT is(pg_temp.on_gate(74001), NULL, 'nor does a message bring it back');
SELECT * FROM finish();
ROLLBACK;
