-- Audit: sealing, verifying, proofs. In a database of its own, for blocks are
-- closed only over what has committed.
\set ECHO none
\set QUIET on
SET client_min_messages = warning;
SELECT current_database() AS back \gset
DROP DATABASE IF EXISTS nurture_audit_test;
CREATE DATABASE nurture_audit_test;
\c nurture_audit_test
SET client_min_messages = warning;
CREATE EXTENSION pgtap;
CREATE EXTENSION nurture;
SELECT nurture_install('minimal') IS NOT NULL AS installed \gset
\pset tuples_only on
\pset format unaligned

-- (test/t/032_audit_tamper.pl takes the functions from here to "end" too)
-- The canonical bytes of an entry, by the description in src/core/canon.h and
-- with the server's own send functions: a second implementation.
CREATE FUNCTION field(ordinal int, tag int, value bytea) RETURNS bytea IMMUTABLE LANGUAGE sql AS $$
    SELECT set_byte(set_byte('\x0000', 0, ordinal), 1, tag)
        || CASE WHEN value IS NULL THEN '\xffffffff'::bytea ELSE int4send(length(value)) || value END $$;
CREATE FUNCTION list(items text[]) RETURNS bytea IMMUTABLE LANGUAGE sql AS $$
    SELECT CASE WHEN items IS NOT NULL THEN int4send(cardinality(items)) || coalesce((
        SELECT string_agg(CASE WHEN i IS NULL THEN '\xffffffff' ELSE int4send(octet_length(i)) || convert_to(i, 'UTF8') END, '' ORDER BY n)
        FROM unnest(items) WITH ORDINALITY u (i, n)), '') END $$;
CREATE FUNCTION leaf(a nurture.audit) RETURNS bytea IMMUTABLE LANGUAGE sql AS $$
    SELECT sha256('\x0001'::bytea
        || field(1, 1, int8send(a.audit_id)) || field(2, 4, timestamptz_send(a.at))
        || field(3, 1, int8send(a.incarnation)) || field(4, 2, xid8send(a.xid)) || field(5, 6, a.subject)
        || field(6, 5, convert_to(a.kind, 'UTF8')) || field(7, 5, convert_to(a.object, 'UTF8'))
        || field(8, 5, convert_to(a.outcome, 'UTF8')) || field(9, 8, list(a.reasons))
        || field(10, 7, convert_to(a.trigger::text, 'UTF8')) || field(11, 7, convert_to(a.versions::text, 'UTF8'))
        || field(12, 5, convert_to(a.inputs, 'UTF8')) || field(13, 5, convert_to(a."session_user", 'UTF8'))
        || field(14, 5, convert_to(a.effective_role, 'UTF8')) || field(15, 5, convert_to(a.app_user, 'UTF8'))
        || field(16, 5, convert_to(a.reason, 'UTF8')) || field(17, 3, boolsend(a.simulated))) $$;
CREATE FUNCTION seal_hash(s nurture.seal) RETURNS bytea IMMUTABLE LANGUAGE sql AS $$
    SELECT sha256('\x0201'::bytea || field(1, 1, int8send(s.block)) || field(2, 1, int8send(s.incarnation))
        || field(3, 2, xid8send(s.xid_from)) || field(4, 2, xid8send(s.xid_to)) || field(5, 1, int8send(s.entries))
        || field(6, 4, timestamptz_send(s.first_at)) || field(7, 4, timestamptz_send(s.last_at))
        || field(8, 6, s.block_root) || field(9, 1, int8send(s.tree_size)) || field(10, 6, s.root)
        || field(11, 6, s.frontier) || field(12, 6, s.previous) || field(13, 4, timestamptz_send(s.closed_at))) $$;
-- end
CREATE FUNCTION hmac(key bytea, data bytea) RETURNS bytea IMMUTABLE LANGUAGE plpgsql AS $$
DECLARE
    inner_pad bytea := key || decode(repeat('00', 64 - length(key)), 'hex');
    outer_pad bytea := inner_pad;
BEGIN
    FOR i IN 0 .. 63 LOOP
        inner_pad := set_byte(inner_pad, i, get_byte(inner_pad, i) # 54);
        outer_pad := set_byte(outer_pad, i, get_byte(outer_pad, i) # 92);
    END LOOP;
    RETURN sha256(outer_pad || sha256(inner_pad || data));
END $$;
-- RFC 6962's definition of a root, word for word.
CREATE FUNCTION naive_root(leaves bytea[]) RETURNS bytea IMMUTABLE LANGUAGE plpgsql AS $$
DECLARE
    n int := cardinality(leaves);
    k int := 1;
BEGIN
    IF n = 0 THEN RETURN sha256(''); END IF;
    IF n = 1 THEN RETURN leaves[1]; END IF;
    WHILE k * 2 < n LOOP k := k * 2; END LOOP;
    RETURN sha256('\x01'::bytea || naive_root(leaves[1:k]) || naive_root(leaves[k + 1:n]));
END $$;
-- Where a path of RFC 6962 leads (RFC 9162, section 2.1.3.2).
CREATE FUNCTION path_root(leaf_hash bytea, leaf_index bigint, tree_size bigint, path bytea[]) RETURNS bytea IMMUTABLE LANGUAGE plpgsql AS $$
DECLARE
    fn bigint := leaf_index;
    sn bigint := tree_size - 1;
    r bytea := leaf_hash;
    p bytea;
BEGIN
    FOREACH p IN ARRAY path LOOP
        IF sn = 0 THEN RETURN NULL; END IF;
        IF fn % 2 = 1 OR fn = sn THEN
            r := sha256('\x01'::bytea || p || r);
            WHILE fn <> 0 AND fn % 2 = 0 LOOP fn := fn / 2; sn := sn / 2; END LOOP;
        ELSE
            r := sha256('\x01'::bytea || r || p);
        END IF;
        fn := fn / 2;
        sn := sn / 2;
    END LOOP;
    RETURN CASE WHEN sn = 0 THEN r END;
END $$;

-- A history: changes of configuration in their own transactions, and entries
-- about 20 leads written by this test with the triggers off.
ALTER TABLE nurture.audit DISABLE TRIGGER ALL;
ALTER TABLE nurture.seal DISABLE TRIGGER ALL;
ALTER TABLE nurture.change_log DISABLE TRIGGER ALL;
ALTER TABLE nurture.message DISABLE TRIGGER ALL;
CREATE PROCEDURE history(rounds int) LANGUAGE plpgsql AS $$
BEGIN
    FOR round IN 1 .. rounds LOOP
        INSERT INTO nurture.event_type (event_type, class) VALUES ('probe_' || round, 'intent');
        COMMIT;
        INSERT INTO nurture.subject_key SELECT l, sha256(int8send(l)) FROM generate_series(1, 20) l ON CONFLICT DO NOTHING;
        INSERT INTO nurture.audit SELECT (leafed).* FROM (
            SELECT jsonb_populate_record(e, jsonb_build_object('leaf', leaf(e)::text)) AS leafed FROM (
                SELECT ROW(nextval('nurture.audit_audit_id_seq'), clock_timestamp() + CASE WHEN round % 3 = 0 THEN interval '1 month' ELSE '0' END, 1, pg_current_xact_id(),
                    hmac(k.key, int8send(k.lead_id)), k.lead_id, 'message', 'message:' || round * 100 + k.lead_id, 'refused',
                    ARRAY['consent_missing', NULL, 'quiet_hours'], '{"kind": "event", "n": 1.50}',
                    '{"b": "v2", "a": [1, 2]}',
                    '{"failed": [{"rule": "consent", "fact": "none given", "version": 3}], "passed": {"cap": "0 sent"}}',
                    'postgres', 'postgres', 'Ana Müller', NULL, false, '\x')::nurture.audit AS e
                FROM nurture.subject_key k WHERE k.lead_id % 5 = round % 5 ORDER BY k.lead_id) f) g;
        INSERT INTO nurture.message (lead_id, message_id, channel, asset_id, status)
            SELECT l, round * 100 + l, 'email', 'x', 'refused' FROM generate_series(1, 20) l WHERE l % 5 = round % 5;
        COMMIT;
        IF round % 4 = 0 THEN
            PERFORM nurture_audit_seal();
            COMMIT;
        END IF;
    END LOOP;
END $$;
SELECT nurture_partition_ahead(2) > 0 AS made \gset
CALL history(24);
CREATE TABLE kept_digest AS SELECT nurture_audit_digest() AS digest;
CREATE FUNCTION findings(digests jsonb DEFAULT NULL) RETURNS TABLE (class text, block bigint, audit_id bigint)
    LANGUAGE sql AS $$ SELECT class, block, audit_id FROM nurture_audit_verify(digests => digests) $$;

SELECT plan(45);

SELECT cmp_ok((SELECT count(DISTINCT tableoid) FROM nurture.audit), '>', 1::bigint, 'entries lie in several partitions');
SELECT is_empty($$SELECT inhrelid::regclass FROM pg_inherits WHERE inhparent = 'nurture.audit'::regclass
    AND (SELECT count(*) FROM pg_trigger WHERE tgrelid = inhrelid AND tgname LIKE 'nurture_append_only%') <> 2$$, 'each with its guards');

-- sealing
SELECT is_empty('SELECT * FROM nurture_audit_verify()', 'a good history has no findings');
SELECT is((SELECT count(*) FROM nurture.seal), 6::bigint, 'six blocks');
SELECT is((SELECT tree_size FROM nurture.seal ORDER BY block DESC LIMIT 1), (SELECT count(*) FROM nurture.audit), 'every entry is sealed');
SELECT is((SELECT count(*) FROM nurture.audit a WHERE a.leaf <> leaf(a)), 0::bigint, 'a second implementation agrees on every leaf');
SELECT is((SELECT count(*) FROM nurture.seal s WHERE s.hash <> seal_hash(s)), 0::bigint, 'and on every seal');
SELECT is((SELECT naive_root(array_agg(leaf ORDER BY xid, audit_id)) FROM nurture.audit),
    (SELECT root FROM nurture.seal ORDER BY block DESC LIMIT 1), 'and on the root of the log');
SELECT is((SELECT count(*) FROM nurture.seal s WHERE s.previous IS DISTINCT FROM (SELECT p.hash FROM nurture.seal p WHERE p.block = s.block - 1)),
    0::bigint, 'seals are chained');
SELECT is((SELECT count(*) FROM nurture.audit a, LATERAL nurture_audit_proof(a.audit_id) p
    WHERE p.leaf = a.leaf AND path_root(p.leaf, p.leaf_index, p.tree_size, p.proof) = p.root
    AND p.root = (SELECT root FROM nurture.seal ORDER BY block DESC LIMIT 1)),
    (SELECT count(*) FROM nurture.audit), 'every entry can be proved');
SELECT is((SELECT count(*) FROM nurture.seal s, LATERAL nurture_audit_consistency(s.tree_size, (SELECT max(tree_size) FROM nurture.seal)) c
    WHERE c.root1 = s.root AND c.root2 = (SELECT root FROM nurture.seal ORDER BY block DESC LIMIT 1)), 6::bigint,
    'each earlier log is the beginning of the last');
SELECT throws_ok('SELECT nurture_audit_consistency(5, 100000)', '22023', NULL, 'no proof about a log that is not there');
SELECT is_empty('SELECT nurture_audit_proof(-1)', 'no proof of an entry that is not there');
BEGIN;
INSERT INTO nurture.event_type (event_type, class) VALUES ('open', 'intent');
SELECT is(nurture_audit_seal(), 0::bigint, 'entries of a running transaction are not sealed');
SELECT is_empty('SELECT nurture_audit_verify()', 'and are no finding');
SELECT is_empty($$SELECT nurture_audit_proof((SELECT max(audit_id) FROM nurture.audit))$$, 'and cannot be proved yet');
SELECT results_eq('SELECT block, unsealed FROM nurture_bi.audit_lag', 'VALUES (6::bigint, 1::bigint)', 'the lag');
SELECT ok((SELECT age(held_back_by) >= age(pg_current_xact_id()::xid) AND held_back_by_pid IS NOT NULL FROM nurture_bi.audit_lag), 'and who holds it back');
ROLLBACK;

SELECT is((SELECT unsealed FROM nurture_bi.audit_lag), 0::bigint, 'no lag');

-- a sign of life when nothing happens: one empty block a minute
SELECT is(nurture_audit_seal(), 0::bigint, 'there is nothing to seal');
SELECT is((SELECT max(block) FROM nurture.seal), 6::bigint, 'and no sign of life within a minute of the last block');
BEGIN;
CREATE FUNCTION pg_temp.two_minutes_pass() RETURNS void LANGUAGE sql AS $$
    UPDATE nurture.seal SET closed_at = closed_at - interval '2 minutes' WHERE block = (SELECT max(block) FROM nurture.seal);
    UPDATE nurture.seal s SET hash = seal_hash(s) WHERE block = (SELECT max(block) FROM nurture.seal) $$;
SELECT pg_temp.two_minutes_pass() \g /dev/null
SELECT ok((SELECT silent_for > '1 minute' FROM nurture_bi.audit_lag), 'two minutes later the lag tells of the silence');
SELECT is(nurture_audit_seal(), 0::bigint, 'there is still nothing to seal');
SELECT results_eq($$SELECT s.block, s.entries, s.first_at, octet_length(s.leaves), s.incarnation = p.incarnation AND s.xid_from = p.xid_to AND s.xid_to >= s.xid_from,
    s.block_root = sha256(''), s.tree_size = p.tree_size AND s.root = p.root AND s.frontier = p.frontier, s.previous = p.hash AND s.hash = seal_hash(s)
    FROM nurture.seal s JOIN nurture.seal p ON p.block = s.block - 1 WHERE s.block > 6$$,
    $$VALUES (7::bigint, 0::bigint, NULL::timestamptz, 0, true, true, true, true)$$, 'an empty block goes on from the last one, and the log is what it was');
SELECT ok((SELECT silent_for < '1 minute' AND unsealed = 0 FROM nurture_bi.audit_lag), 'the silence ends');
SELECT pg_temp.two_minutes_pass() \g /dev/null
SELECT count(*) FROM nurture_tick() \g /dev/null
SELECT is((SELECT max(block) FROM nurture.seal WHERE entries = 0), 8::bigint, 'the tick gives signs of life');
SELECT is_empty('SELECT * FROM nurture_audit_verify()', 'which are no finding');
ROLLBACK;

-- reading
SELECT results_eq('SELECT rule, version, passed, fact, trigger ->> ''kind'' FROM nurture_why(7, 207)',
    $$VALUES ('consent', '3', false, 'none given', 'event'), ('cap', NULL, true, '0 sent', 'event')$$, 'why a message was refused');
SELECT is_empty('SELECT * FROM nurture_why(8, 207)', 'another lead has no such message');
SELECT is((SELECT count(*) FROM nurture_decisions(7)), 5::bigint, 'all decisions about a lead');
SELECT is((SELECT count(*) FROM nurture_decisions(7, '2000-01-01', '2000-01-02')), 0::bigint, 'in a range of time');

-- what leaves no trace in the bytes: settings, moves, other places on disk
SET DateStyle = 'German, DMY';
SET TimeZone = 'Asia/Kathmandu';
SET extra_float_digits = -15;
SET bytea_output = 'escape';
SET IntervalStyle = 'sql_standard';
SET search_path = pg_temp;
SELECT count(*) AS findings FROM public.nurture_audit_verify() \gset
RESET ALL;
SELECT is(:findings, 0, 'settings are no finding');
SET client_min_messages = warning;
VACUUM FULL nurture.audit;
CLUSTER nurture_part.audit_default USING audit_default_pkey;
REINDEX TABLE nurture.audit;
ANALYZE nurture.audit;
ALTER TABLE nurture_part.audit_default ALTER inputs SET STORAGE EXTERNAL;
CREATE INDEX ON nurture.audit (kind);
SELECT is_empty('SELECT * FROM nurture_audit_verify()', 'rewriting the table is no finding');
BEGIN;
UPDATE nurture.audit SET lead_ref = NULL WHERE lead_ref = 3;
DELETE FROM nurture.subject_key WHERE lead_id = 3;
SELECT is_empty('SELECT * FROM nurture_audit_verify()', 'an erased lead is no finding');
ROLLBACK;

-- sealing refuses what does not match its leaf
BEGIN;
DELETE FROM nurture.seal WHERE block = 6;
UPDATE nurture.audit SET outcome = 'queued' WHERE audit_id = (SELECT max(audit_id) FROM nurture.audit);
SET LOCAL client_min_messages = error;
SELECT is(nurture_audit_seal(), 0::bigint, 'a forged entry is not sealed');
SELECT is((SELECT max(block) FROM nurture.seal), 5::bigint, 'its block stays open');
ROLLBACK;

-- another life of the database
ALTER TABLE nurture.incarnation DISABLE TRIGGER ALL;
BEGIN;
UPDATE nurture.incarnation SET system_identifier = 1;
SELECT is((SELECT count(*) FROM findings()), 0::bigint, 'a restored log is good as it came');
ROLLBACK;
UPDATE nurture.incarnation SET system_identifier = 1;
INSERT INTO nurture.event_type (event_type, class) VALUES ('after_restore', 'intent');
SELECT is((SELECT array_agg(DISTINCT incarnation ORDER BY incarnation) FROM nurture.audit), ARRAY[1, 2], 'the next append opens an incarnation');
SELECT is((SELECT head_block FROM nurture.incarnation WHERE incarnation = 2), 6::bigint, 'that names the last seal');
SELECT is(nurture_audit_seal(), 1::bigint, 'it is sealed');
SELECT is_empty('SELECT * FROM nurture_audit_verify(digests => (SELECT digest FROM kept_digest))', 'and good, also by the digest from before');

-- who may
CREATE ROLE nurture_test_nobody;
GRANT CREATE ON SCHEMA public TO nurture_test_nobody;
SET ROLE nurture_test_nobody;
CREATE TABLE frequency_cap (cap text);
CREATE TRIGGER forge AFTER INSERT ON frequency_cap FOR EACH ROW EXECUTE FUNCTION nurture_log_change();
SELECT throws_ok('INSERT INTO frequency_cap VALUES (''x'')', '42501', NULL, 'nobody logs changes of a table of their own');
SELECT throws_ok('SELECT * FROM nurture_why(7, 207)', '42501', NULL, 'reading asks for SELECT on the audit trail');
DROP TABLE frequency_cap;
SELECT throws_ok('SELECT nurture_audit_verify()', '42501', NULL, 'verifying asks for SELECT on the audit trail');
SELECT throws_ok('SELECT nurture_audit_seal()', '42501', NULL, 'sealing for SELECT on seals');
RESET ROLE;
REVOKE CREATE ON SCHEMA public FROM nurture_test_nobody;
DROP ROLE nurture_test_nobody;
SELECT * FROM finish();
\c :back
SET client_min_messages = warning;
DROP DATABASE nurture_audit_test;
