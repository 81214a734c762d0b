-- The gate reads leads, updates their gate rows and writes the audit without
-- an executor where tables are as nurture made them, and by queries where they
-- are not: it must say the same.
BEGIN;
SELECT plan(15);
SET LOCAL client_min_messages = error;

-- approved content, as a restore would bring it
SELECT set_config('search_path', '', true) \g /dev/null
SET LOCAL row_security = off;
SET LOCAL check_function_bodies = off;
INSERT INTO nurture.asset (asset_id, family, title, format) SELECT 'di_' || i, 'di_' || i, 'asset ' || i, 'email' FROM generate_series(1, 6) AS i;
INSERT INTO nurture.asset_version (asset_id, version, status, message_class, channels, languages, markets, audience_types, approved_at, content_hash)
    SELECT 'di_' || i, 1, 'approved', 'promotional', '{email}', '{en}', '{*}', '{hcp}', '2026-01-01', '\x01' FROM generate_series(1, 6) AS i;
SELECT set_config('search_path', 'public', true) \g /dev/null
SET LOCAL row_security = on;
SET LOCAL check_function_bodies = on;

-- twenty kinds of leads, those of the second hundred like those of the first
CREATE FUNCTION pg_temp.make(base bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO nurture.lead (lead_id, email, country, audience_type, language, account_id)
        SELECT base + i, CASE WHEN i <> 3 THEN 'di' || i || '@' || CASE WHEN i = 9 THEN 'blocked' || base || '.example' ELSE 'example.com' END END,
               CASE WHEN i <> 4 THEN 'FR' END, CASE WHEN i = 5 THEN 'patient' ELSE 'hcp' END, 'en', CASE WHEN i = 10 THEN base END
        FROM generate_series(1, 20) AS i;
    PERFORM nurture_opt_in(base + i, 'email') FROM generate_series(1, 20) AS i WHERE i NOT IN (2, 16);
    PERFORM nurture_opt_out(base + 6, '*'), nurture_pause(base + 7, '2100-01-01', 'holiday');
    PERFORM nurture_suppress('lead', (base + 8)::text, 'asked'), nurture_suppress('domain', 'blocked' || base || '.example', 'asked'),
            nurture_suppress('account', base::text, 'asked');
    UPDATE nurture.lead SET merged_into = base + 12 WHERE lead_id = base + 11;
    UPDATE nurture.lead SET erased_at = '2026-01-01' WHERE lead_id = base + 13;
    INSERT INTO nurture.lead_stage (lead_id, product, stage, stage_no, since) VALUES (base + 14, 'other', 'disqualified', 9, '2026-01-01'), (base + 15, '*', 'disqualified', 9, '2026-01-01');
    PERFORM nurture_consent(base + 16, 'given', 'email', expires_at => '2026-02-01', occurred_at => '2026-01-01');
    INSERT INTO nurture.preference (lead_id, channel, max_per_month) VALUES (base + 17, 'email', 1);
END $$;
CREATE FUNCTION pg_temp.send(base bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    -- one by one, and many at once; twice, so that caps and uniqueness have something to count
    INSERT INTO nurture.message (lead_id, channel, asset_id, occurrence_key) VALUES (base + 1, 'email', 'di_1', 'one');
    INSERT INTO nurture.message (lead_id, channel, asset_id, occurrence_key) SELECT base + i, 'email', 'di_1', 'many' FROM generate_series(1, 21) AS i;
    INSERT INTO nurture.message (lead_id, channel, asset_id, occurrence_key) SELECT base + i, 'email', 'di_1', 'many' FROM generate_series(1, 21) AS i;
    INSERT INTO nurture.message (lead_id, channel, asset_id, occurrence_key) SELECT base + 18, 'email', 'di_' || i, 'burst' FROM generate_series(1, 6) AS i;
    PERFORM nurture_opt_out(base + 19, 'email');
    INSERT INTO nurture.message (lead_id, channel, asset_id) VALUES (base + 19, 'email', 'di_2');
END $$;
CREATE FUNCTION pg_temp.told(base bigint) RETURNS SETOF text LANGUAGE sql AS $$
    SELECT concat_ws(' ', m.lead_id - base, m.channel, m.purpose, m.asset_id, m.version, m.family, m.occurrence_key, m.status, m.reasons::text,
                     m.gate_seq, m.message_class, m.contact_point_hash IS NULL, a.outcome, a.reasons::text, a.versions::text, a.trigger::text, a.kind,
                     nurture_audit_inputs(a.inputs))
    FROM nurture.message m JOIN nurture.audit a ON a.lead_ref = m.lead_id AND a.object = 'message:' || m.message_id
    WHERE m.lead_id > base AND m.lead_id <= base + 21 ORDER BY m.message_id, a.audit_id $$;
CREATE FUNCTION pg_temp.asked(base bigint) RETURNS SETOF text LANGUAGE sql AS $$
    SELECT concat_ws(' ', i, m.verdict, m.reasons::text) FROM generate_series(1, 20) AS i, nurture_may_contact(base + i, 'email') AS m ORDER BY i $$;

SET LOCAL nurture.clock = '2026-03-10 10:00:00+00';
SELECT pg_temp.make(71000) \g /dev/null
SELECT pg_temp.send(71000) \g /dev/null
SELECT is((SELECT count(*) FROM pg_temp.told(71000)) > 50, true, 'messages were decided');
SELECT is((SELECT count(DISTINCT status) FROM nurture.message WHERE lead_id BETWEEN 71001 AND 71021), 4::bigint, 'in every way: queued, held, refused, cancelled');
SELECT set_eq('SELECT unnest(reasons) FROM nurture.message WHERE lead_id BETWEEN 71001 AND 71021',
    '{audience,class_not_allowed_in_stage,class_prohibited,consent_denied,consent_expired,consent_missing,duplicate,frequency_cap,lead_disqualified,lead_erased,lead_unknown,no_contact_point,paused,preference,suppressed}'::text[], 'for every kind of reason');
SELECT is((SELECT seq FROM nurture.gate WHERE lead_id = 71001) > 3, true, 'each under a number of its lead');

-- triggers that nurture did not make, and that do nothing but count
CREATE TABLE pg_temp.fired (name text);
CREATE FUNCTION pg_temp.count_it() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN INSERT INTO pg_temp.fired VALUES (TG_TABLE_NAME || ' ' || TG_OP); RETURN NULL; END$$;
CREATE TRIGGER a_counter AFTER UPDATE ON nurture.gate FOR EACH ROW EXECUTE FUNCTION pg_temp.count_it();
CREATE TRIGGER a_counter AFTER DELETE ON nurture.lead FOR EACH STATEMENT EXECUTE FUNCTION pg_temp.count_it();
CREATE TRIGGER a_counter AFTER DELETE ON nurture.lead_stage FOR EACH STATEMENT EXECUTE FUNCTION pg_temp.count_it();
CREATE TRIGGER a_counter AFTER DELETE ON nurture.consent FOR EACH STATEMENT EXECUTE FUNCTION pg_temp.count_it();
CREATE TRIGGER a_counter AFTER DELETE ON nurture.suppression FOR EACH STATEMENT EXECUTE FUNCTION pg_temp.count_it();
CREATE TRIGGER a_counter AFTER DELETE ON nurture.message FOR EACH STATEMENT EXECUTE FUNCTION pg_temp.count_it();
CREATE TRIGGER a_counter AFTER INSERT ON nurture.audit FOR EACH ROW EXECUTE FUNCTION pg_temp.count_it();
SELECT pg_temp.make(213000) \g /dev/null
TRUNCATE pg_temp.fired;
SELECT pg_temp.send(213000) \g /dev/null
SELECT is((SELECT count(*) FROM pg_temp.fired WHERE name = 'gate UPDATE') > 40, true, 'a trigger on the gate row fires, row by row');
SELECT is((SELECT count(*) FROM pg_temp.fired WHERE name LIKE 'audit%') >= (SELECT count(*) FROM pg_temp.told(213000)), true, 'so does one on the audit, for every entry');
SELECT results_eq('SELECT pg_temp.told(213000)', 'SELECT pg_temp.told(71000)', 'decided, recorded and numbered the same');
SELECT results_eq('SELECT pg_temp.asked(213000)', 'SELECT pg_temp.asked(71000)', 'asked without sending, by queries, of both');
CREATE TABLE pg_temp.by_query AS SELECT pg_temp.asked(71000) AS answer;
DROP TRIGGER a_counter ON nurture.gate;
DROP TRIGGER a_counter ON nurture.lead;
DROP TRIGGER a_counter ON nurture.lead_stage;
DROP TRIGGER a_counter ON nurture.consent;
DROP TRIGGER a_counter ON nurture.suppression;
DROP TRIGGER a_counter ON nurture.message;
DROP TRIGGER a_counter ON nurture.audit;
SELECT results_eq('SELECT pg_temp.asked(71000)', 'TABLE pg_temp.by_query', 'and without');

-- tables that are not what they were: a child, no key, a rule
CREATE TABLE pg_temp.child () INHERITS (nurture.consent);
INSERT INTO pg_temp.child SELECT 71002, 'email', 'marketing', '*', '*', 'given', '2026-01-01', NULL, NULL, 0;
SELECT is((SELECT verdict FROM nurture_may_contact(71002, 'email')), 'allow', 'what lies in a child table is seen');
DROP TABLE pg_temp.child;
SELECT is((SELECT verdict FROM nurture_may_contact(71002, 'email')), 'review', 'and gone with it');
ALTER TABLE nurture.consent DROP CONSTRAINT consent_pkey;
SELECT results_eq('SELECT pg_temp.asked(71000)', 'TABLE pg_temp.by_query', 'a table without its key is read all the same');
CREATE RULE other AS ON UPDATE TO nurture.gate WHERE old.lead_id = -1 DO ALSO NOTHING;
INSERT INTO nurture.message (lead_id, channel, asset_id, occurrence_key) VALUES (71001, 'email', 'di_1', 'ruled');
SELECT is((SELECT g.seq - m.gate_seq FROM nurture.gate g JOIN nurture.message m USING (lead_id) WHERE lead_id = 71001 AND occurrence_key = 'ruled'), 0::bigint, 'a gate row under a rule is updated');
DROP RULE other ON nurture.gate;

-- the partition of the audit
CREATE TABLE nurture_part.audit_2031_05 PARTITION OF nurture.audit FOR VALUES FROM ('2031-05-01 00:00:00+00') TO ('2031-06-01 00:00:00+00');
SET LOCAL nurture.clock = '2031-05-05 10:00:00+00';
INSERT INTO nurture.message (lead_id, channel, asset_id, occurrence_key) SELECT 71000 + i, 'email', 'di_1', 'later' FROM generate_series(1, 3) AS i;
SELECT is((SELECT count(*) FROM nurture_part.audit_2031_05 WHERE kind = 'message' AND simulated), 3::bigint, 'entries go where their time belongs');
SET LOCAL nurture.clock = '2031-06-01 00:00:00+00';
INSERT INTO nurture.message (lead_id, channel, asset_id, occurrence_key) VALUES (71001, 'email', 'di_1', 'edge');
SELECT is((SELECT count(*) FROM nurture_part.audit_2031_05 WHERE kind = 'message'), 3::bigint, 'and not where it ends');
SELECT * FROM finish();
ROLLBACK;
