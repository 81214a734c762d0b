-- Privacy: erasure of persons, what stays of them, and the certificate.
SET client_min_messages = warning;
BEGIN;
SELECT plan(85);

CREATE FUNCTION pg_temp.raised(statement text) RETURNS text LANGUAGE plpgsql AS $f$
DECLARE
    message text;
    hint text;
BEGIN
    EXECUTE statement;
    RETURN 'nothing';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, hint = PG_EXCEPTION_HINT;
    RETURN sqlstate || ' / ' || message || ' / ' || hint;
END $f$;

-- the map: one place that names every table
SELECT is_empty($$SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'nurture'::regnamespace AND c.relkind IN ('r', 'p')
    AND NOT EXISTS (SELECT FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid WHERE t.tgrelid = c.oid AND p.proname = 'nurture_invalidate' AND c.relname <> 'secret')
    EXCEPT SELECT table_name FROM nurture_erase_map()$$, 'every table that is no configuration is in the map');
SELECT is_empty($$SELECT table_name FROM nurture_erase_map() WHERE to_regclass('nurture.' || table_name) IS NULL$$, 'and the map names no other');
SELECT is_empty($$SELECT table_name, count(*) FROM nurture_erase_map() GROUP BY 1 HAVING count(*) > 1$$, 'each once');
SELECT is_empty($$SELECT m.table_name, a.attname FROM nurture_erase_map() m JOIN pg_attribute a ON a.attrelid = ('nurture.' || m.table_name)::regclass AND a.attnum > 0 AND NOT a.attisdropped
    WHERE m.act = 'clear' AND (a.attname = ANY (m.cleared)) = (a.attname = ANY (m.kept))$$, 'of what is cleared every column is named, once');
SELECT is_empty($$SELECT m.table_name, x.name FROM nurture_erase_map() m CROSS JOIN LATERAL unnest(m.cleared || m.kept) x(name)
    WHERE NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = ('nurture.' || m.table_name)::regclass AND a.attname = x.name AND NOT a.attisdropped)$$, 'and there is no other');
SELECT is_empty($$SELECT c.relname, a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname IN ('lead_id', 'lead_ref', 'survivor', 'absorbed')
    JOIN nurture_erase_map() m ON m.table_name = c.relname WHERE c.relnamespace = 'nurture'::regnamespace AND m.act = 'none'$$, 'no table about leads is said to tell nothing of them');
SELECT is_empty($$SELECT m.table_name, a.attname FROM nurture_erase_map() m JOIN pg_attribute a ON a.attrelid = ('nurture.' || m.table_name)::regclass AND a.attnum > 0 AND NOT a.attisdropped
    WHERE a.attstattarget <> 0 AND a.atttypid IN ('text'::regtype, 'jsonb'::regtype, 'bytea'::regtype)
        AND ((m.act = 'clear' AND a.attname = ANY (m.cleared)) OR (m.act = 'delete' AND a.attname IN ('payload', 'evidence', 'uri', 'key', 'value', 'properties', 'note', 'reason', 'ended_reason', 'attributes', 'external_ref', 'source_key', 'message')))
        AND (m.table_name, a.attname) NOT IN (('disqualification', 'reason'), ('event_quarantine', 'reason'), ('lead_quarantine', 'reason'))
        AND NOT (m.table_name IN ('lead', 'stage_step') AND a.attname IN ('audience_type', 'role', 'specialty', 'therapeutic_area', 'country', 'region', 'organization_type', 'source', 'campaign', 'language', 'time_zone', 'owner'))$$,
    'the statistics of the planner take no copy of who somebody is');
SELECT is_empty($$SELECT a.attrelid::regclass, a.attname FROM pg_inherits i JOIN pg_attribute a ON a.attrelid = i.inhrelid JOIN pg_attribute p ON p.attrelid = i.inhparent AND p.attname = a.attname
    WHERE i.inhparent = 'nurture.event'::regclass AND a.attnum > 0 AND p.attstattarget = 0 AND a.attstattarget <> 0$$, 'neither do those of partitions');
SELECT is_empty($$SELECT detail FROM nurture_selfcheck() WHERE finding = 'erasure_misses'$$, 'nurture_selfcheck agrees');
CREATE TABLE nurture.added_later (lead_id bigint PRIMARY KEY, secret text);
ALTER TABLE nurture.message ADD column_added_later text;
SELECT results_eq($$SELECT detail FROM nurture_selfcheck() WHERE finding = 'erasure_misses' ORDER BY 1$$,
    $$VALUES ('column column_added_later of nurture.message may tell of leads, but no erasure knows it'), ('nurture.added_later may tell of leads, but no erasure knows it')$$,
    'and finds what was added later');
DROP TABLE nurture.added_later;
ALTER TABLE nurture.message DROP column_added_later;

-- somebody with something in every table, a double, and others beside
INSERT INTO nurture.account (account_id, name) VALUES (970000, 'Clinic');
INSERT INTO nurture.lead (lead_id, account_id, external_ref, email, phone, full_name, audience_type, country, language, role, attributes, campaign, source, created_at, updated_at)
    SELECT 970000 + i, 970000, 'erase-' || i, 'erase.person' || i || '@example.org', '+3312345670' || i, 'Person Erased' || i, 'hcp', 'FR', 'fr', 'prescriber', '{"decision_role": "influencer"}', 'spring', 'congress',
        now() - interval '60 days', now() - interval '60 days'
    FROM generate_series(1, 6) i;
UPDATE nurture.lead SET role = 'nurse' WHERE lead_id BETWEEN 970001 AND 970006;
INSERT INTO nurture.identity (kind, value, lead_id, source) SELECT 'professional_number', 'RPPS970' || i, 970000 + i, 'directory' FROM generate_series(1, 6) i;
INSERT INTO nurture.identity (kind, value, lead_id, source) VALUES ('email', 'erase.private1@example.org', 970001, 'form');
SELECT nurture_add_asset('{"asset_id": "erase_asset", "title": "x", "format": "article", "message_class": "promotional", "channels": ["email"], "markets": ["*"], "languages": ["*"], "audience_types": ["*"], "tags": ["topic:moa"]}') IS NOT NULL AS added;
SELECT nurture_set_asset_status('erase_asset', 1, 'in_review', 'test') IS NOT NULL AS set, nurture_approve('asset', 'erase_asset', 1, 'medical', 'approved', 'test') IS NOT NULL AS approved;
SELECT count(nurture_opt_in(970000 + i, 'email', 'form', '{"box": "ticked by Person Erased"}')) AS opted_in FROM generate_series(1, 6) i;
SELECT count(nurture_consent(970000 + i, 'given', 'phone', source => 'form', contact_point => '+3312345670' || i, actor => 'person' || i)) AS given FROM generate_series(1, 6) i;
INSERT INTO nurture.event (lead_id, event_type, occurred_at, source, source_key, tags, properties)
    SELECT 970000 + i, 'page_viewed', now() - interval '1 day' * i, 'web', 'erase' || i || '-' || k, '{topic:moa}', jsonb_build_object('said', 'erase.person' || i || '@example.org')
    FROM generate_series(1, 6) i, generate_series(1, 4) k;
UPDATE nurture.event SET properties = '{}' WHERE source_key LIKE 'erase%-4' AND lead_id BETWEEN 970001 AND 970006;
INSERT INTO nurture.event (lead_id, event_type, source, source_key) SELECT 970000 + i, 'demo_requested', 'web', 'erase-demo' || i FROM generate_series(1, 6) i;
INSERT INTO nurture.event (lead_id, event_type, source, source_key, channel, properties) SELECT 970000 + i, 'email_soft_bounced', 'mail', 'erase-bounce' || i, 'email', '{"status": "4.2.2"}' FROM generate_series(1, 6) i;
INSERT INTO nurture.event (lead_id, event_type, source, source_key, properties) SELECT 970000 + i, 'form_submitted', 'web', 'erase-form' || i, '{"role": "nurse", "country": "Germany"}' FROM generate_series(1, 6) i;
INSERT INTO nurture.preference (lead_id, channel, max_per_month) SELECT 970000 + i, 'email', 30 FROM generate_series(1, 6) i;
INSERT INTO nurture.document (lead_id, kind, uri, title) SELECT 970000 + i, 'cv', 'https://dms.example.org/erase/' || i, 'CV' FROM generate_series(1, 6) i;
INSERT INTO nurture.list (list, title) VALUES ('erase_list', 'x');
INSERT INTO nurture.list_member (lead_id, list, consent_evidence) SELECT 970000 + i, 'erase_list', '{"by": "Person Erased"}' FROM generate_series(1, 6) i;
SELECT count(nurture_label(970000 + i, 'erase_label', NULL, 'for a test')) AS labelled FROM generate_series(1, 6) i;
INSERT INTO nurture.disqualification (lead_id, reason, excludes, note) SELECT 970000 + i, 'no_budget', false, 'said Person Erased' FROM generate_series(1, 6) i;
SELECT nurture_request_consent(970001, 'sms', source => 'form') IS NOT NULL AS requested;
SELECT count(nurture_pause(970000 + i, 'infinity', 'Person Erased' || i || ' is away, call +33 1 23 45 67 0' || i || ' or Erase.Person' || i || '@example.org')) AS paused FROM generate_series(1, 6) i;
SELECT count(nurture_resume(970000 + i, 'Person Erased' || i || ' is back')) AS resumed FROM generate_series(1, 6) i;
INSERT INTO nurture.message (lead_id, channel, asset_id, occurrence_key) SELECT 970000 + i, 'email', 'erase_asset', 'for erase.person' || i FROM generate_series(1, 6) i;
UPDATE nurture.handoff SET reason = reason WHERE false;
SELECT count(nurture_attempt(h.lead_id, h.handoff_id, 'no_answer', note => 'person erased' || h.lead_id % 10 || ' was not in')) AS attempts
FROM (SELECT lead_id, handoff_id, nurture_accept(lead_id, handoff_id) FROM nurture.handoff WHERE lead_id BETWEEN 970001 AND 970006) h;
SELECT count(nurture_feedback(lead_id, 'handoff', handoff_id, 'too_early', 'person erased' || lead_id % 10 || ' is on leave')) AS feedback FROM nurture.handoff WHERE lead_id BETWEEN 970001 AND 970006;
INSERT INTO nurture.review (lead_id, bucket, scope, evidence) SELECT 970000 + i, 'discovery', 'x', '{"who": "Person Erased"}' FROM generate_series(1, 6) i;
INSERT INTO nurture.review (lead_id, bucket, scope, evidence) VALUES (970002, 'identity', 'name', '{"lead_id": 970001}');
INSERT INTO nurture.tick_error (lead_id, kind, at, sqlstate, message) VALUES (970001, 'enrollment', now(), 'XX000', 'of Person Erased');
SELECT nurture_enroll(970001, 'education', 'said Person Erased') IS NOT NULL AS enrolled;
SELECT * FROM nurture_ingest('[{"lead_id": 970001, "event_type": "no_such_type"}, {"external_ref": "erase-1", "event_type": "no_such_type"},
    {"identity": {"kind": "professional_number", "value": "rpps 9701"}, "event_type": "no_such_type"},
    {"lead_id": 970002, "event_type": "no_such_type", "properties": {"words": "I am Erase.Person1@example.org."}},
    {"lead_id": 970002, "event_type": "no_such_type", "properties": {"words": "I am erase.person1@example.organic"}},
    {"lead_id": 970002, "event_type": "no_such_type", "properties": {"words": "I am not-erase.person1@example.org"}},
    {"lead_id": 970002, "event_type": "no_such_type", "properties": {"phone": "+33123456701"}}]');
INSERT INTO nurture.lead_quarantine (payload, reason) VALUES ('{"external_ref": "erase-1", "email": "broken"}', 'bad_value'), ('{"external_ref": "erase-2"}', 'bad_value');
SELECT nurture_merge(970001, 970003, 'Person Erased has two') IS NOT NULL AS merged;
SELECT nurture_merge(970003, 970004, 'and a third') IS NOT NULL AS merged;
SELECT is((SELECT merged_into FROM nurture.lead WHERE lead_id = 970004), 970001::bigint, 'a chain of merges ends at the survivor');

CREATE FUNCTION pg_temp.rows(leads bigint[]) RETURNS TABLE (name text, n bigint) LANGUAGE plpgsql AS $f$
DECLARE
    t text;
BEGIN
    FOR t IN SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'lead_id' WHERE c.relnamespace = 'nurture'::regnamespace AND c.relkind IN ('r', 'p') ORDER BY 1 LOOP
        name := t;
        EXECUTE format('SELECT count(*) FROM nurture.%I WHERE lead_id = ANY ($1)', t) INTO n USING leads;
        RETURN NEXT;
    END LOOP;
END $f$;
CREATE FUNCTION pg_temp.picture(lead bigint) RETURNS TABLE (name text, digest text) LANGUAGE plpgsql AS $f$
DECLARE
    t text;
BEGIN
    FOR t IN SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'lead_id' WHERE c.relnamespace = 'nurture'::regnamespace AND c.relkind IN ('r', 'p')
            AND c.relname NOT IN ('gate', 'review') ORDER BY 1 LOOP
        name := t;
        EXECUTE format('SELECT md5(coalesce(string_agg(x::text, '','' ORDER BY x::text COLLATE "C"), '''')) FROM nurture.%I x WHERE lead_id = $1', t) INTO digest USING lead;
        RETURN NEXT;
    END LOOP;
END $f$;
SELECT is_empty($$SELECT m.table_name FROM nurture_erase_map() m JOIN pg_temp.rows('{970001,970003,970004}') r ON r.name = m.table_name WHERE m.act IN ('delete', 'clear') AND r.n = 0$$,
    'there is something in every table that is erased');
CREATE TEMP TABLE beside AS SELECT * FROM pg_temp.picture(970002);
CREATE TEMP TABLE trail AS SELECT audit_id, leaf, subject FROM nurture.audit WHERE lead_ref IN (970001, 970003, 970004);
SELECT ok(count(*) > 30, 'and a trail') FROM trail;
SELECT nurture_audit_seal() > 0 AS sealed;

-- one act for all that are one person
SELECT nurture_opt_out(970003, 'email', 'link') IS NOT NULL AS opted_out;
SELECT nurture_erase(970003, 'no_longer_needed', 'ticket 4711', actor => 'privacy desk') AS erasure \gset
SELECT is((SELECT leads FROM nurture.erasure WHERE erasure_id = :erasure), '{970001,970003,970004}'::bigint[], 'the survivor and all that were merged go together');
SELECT results_eq(format($$SELECT lead_id, basis, reason, actor, status, completed_at, suppressed FROM nurture.erasure WHERE erasure_id = %s$$, :erasure),
    $$VALUES (970003::bigint, 'no_longer_needed', 'ticket 4711', 'privacy desk', 'pending', NULL::timestamptz, 4)$$, 'with a certificate');
SELECT is_empty(format($$SELECT m.table_name FROM nurture_erase_map() m WHERE m.act IN ('delete', 'clear') AND m.table_name NOT IN ('tick_error', 'lead_quarantine')
    AND (SELECT coalesce((counts ->> m.table_name)::bigint, 0) FROM nurture.erasure WHERE erasure_id = %s) = 0$$, :erasure), 'that counts the rows of each table');
SELECT is_empty($$SELECT r.name, r.n FROM pg_temp.rows('{970001,970003,970004}') r JOIN nurture_erase_map() m ON m.table_name = r.name WHERE m.act = 'delete' AND r.n > 0$$, 'rows are gone');
SELECT is((SELECT count(*) FROM nurture.lead l WHERE lead_id IN (970001, 970003, 970004) AND erased_at IS NOT NULL
        AND num_nonnulls(account_id, external_ref, email, phone, full_name, audience_verified_at, role, specialty, therapeutic_area, country, region, postal_code, organization_type, source, campaign, language, time_zone, owner) = 0
        AND attributes = '{}' AND audience_type = 'unknown'), 3::bigint, 'of the leads nothing but their numbers is left');
SELECT is_empty($$SELECT lead_id FROM nurture.activity WHERE lead_id IN (970001, 970003, 970004) AND (signals::text, topics::text, base::text, base_topics::text) <> ('{}', '{}', '{}', '{}')$$, 'and no counts');
SELECT is_empty($$SELECT 1 FROM nurture.message WHERE lead_id IN (970001, 970003, 970004) AND (status IN ('queued', 'held') OR num_nonnulls(contact_point_hash, provider_id, occurrence_key) > 0 OR decision ?| '{passed,review}' OR decision #> '{failed,0,fact}' IS NOT NULL)$$,
    'messages stay without address and facts');
SELECT ok(count(*) > 0 AND bool_and(decision ? 'verdict'), 'but with what was decided') FROM nurture.message WHERE lead_id = 970001;
SELECT is_empty($$SELECT 1 FROM nurture.enrollment WHERE lead_id = 970001 AND state IN ('active', 'waiting', 'paused')$$, 'no track goes on');
SELECT is_empty($$SELECT 1 FROM nurture.handoff WHERE lead_id IN (970001, 970003, 970004) AND (is_open OR package <> '{}')
    UNION ALL SELECT 1 FROM nurture.task WHERE lead_id IN (970001, 970003, 970004) AND (state = 'open' OR title <> task_kind)
    UNION ALL SELECT 1 FROM nurture.request WHERE lead_id IN (970001, 970003, 970004) AND state = 'open'
    UNION ALL SELECT 1 FROM nurture.attempt WHERE lead_id IN (970001, 970003, 970004) AND note IS NOT NULL$$, 'no hand-off, task or request');
SELECT is_empty($$SELECT 1 FROM nurture.review WHERE (lead_id IN (970001, 970003, 970004) OR evidence ->> 'lead_id' = '970001') AND (state = 'open' OR evidence IS NOT NULL)$$, 'no case, of another lead that named it either');
SELECT results_eq($$SELECT channel, kind, source, contact_point, evidence, actor FROM nurture.consent_event WHERE lead_id = 970001 AND kind = 'given' ORDER BY consent_event_id$$,
    $$VALUES ('email', 'given', 'form', NULL::text, NULL::jsonb, NULL::text), ('phone', 'given', 'form', NULL, NULL, NULL)$$, 'consent stays proved, without who');
SELECT set_eq($$SELECT payload #>> '{properties,words}' FROM nurture.event_quarantine WHERE payload ->> 'event_type' = 'no_such_type'$$,
    ARRAY['I am erase.person1@example.organic', 'I am not-erase.person1@example.org'], 'of what was never stored only what is about others is left');
SELECT set_eq($$SELECT payload ->> 'external_ref' FROM nurture.lead_quarantine WHERE payload ->> 'external_ref' LIKE 'erase-%'$$, ARRAY['erase-2'], 'of what was never imported too');
SELECT is_empty($$SELECT o.lead_id FROM nurture.outbox o WHERE lead_id IN (970001, 970003, 970004) AND payload ? 'package'$$, 'other systems are not told what was');
SELECT results_eq($$SELECT lead_id, payload ->> 'erasure_id' IS NOT NULL FROM nurture.outbox WHERE topic = 'lead.erased' ORDER BY 1$$, $$VALUES (970001::bigint, true), (970003, true), (970004, true)$$, 'but that it ended');
SELECT set_eq($$SELECT name FROM pg_temp.picture(970002) p JOIN beside b USING (name) WHERE p.digest <> b.digest$$, ARRAY[]::text[], 'nothing of another lead has changed');
SELECT is((SELECT state || ' ' || ruling FROM nurture.review WHERE lead_id = 970002 AND bucket = 'identity' AND scope = 'name'), 'closed lead_erased', 'but the case about both');

-- the trail
SELECT is_empty($$SELECT * FROM nurture_audit_verify()$$, 'the trail verifies');
SELECT is((SELECT count(*) FROM nurture.audit a JOIN trail t USING (audit_id, leaf, subject) WHERE a.lead_ref IS NULL), (SELECT count(*) FROM trail), 'bit for bit, and names the lead no more');
SELECT is_empty($$SELECT 1 FROM nurture.subject_key WHERE lead_id IN (970001, 970003, 970004) UNION ALL SELECT 1 FROM nurture.audit WHERE lead_ref IN (970001, 970003, 970004)$$, 'nobody can find it by its key');
SELECT results_eq(format($$SELECT outcome, reasons, app_user, reason, count(*), count(lead_ref) FROM nurture.audit WHERE object = 'erasure:%s' GROUP BY 1, 2, 3, 4$$, :erasure),
    $$VALUES ('erased', '{no_longer_needed}'::text[], 'privacy desk', 'ticket 4711', 3::bigint, 0::bigint)$$, 'the last entry of each is the erasure');
SELECT is_empty($$SELECT kind, object, outcome, reason, app_user, inputs, trigger FROM nurture.audit a WHERE a::text ~* 'erase\.p|person.erased|3312345670'$$, 'no entry ever held who it was');
SELECT is_empty($$SELECT finding, detail FROM nurture_selfcheck() WHERE severity = 'error' AND detail ~ '97000[134]'$$, 'nurture_selfcheck finds nothing');

-- nothing comes back
SELECT results_eq($$INSERT INTO nurture.message (lead_id, channel, asset_id) VALUES (970001, 'email', 'erase_asset'), (970004, 'email', 'erase_asset') RETURNING status, reasons[1]$$,
    $$VALUES ('refused', 'lead_erased'), ('refused', 'lead_erased')$$, 'messages to it are refused');
SELECT is_empty($$SELECT * FROM nurture_audit_verify()$$, 'which is on record');
SELECT matches(pg_temp.raised($$INSERT INTO nurture.event (lead_id, event_type) VALUES (970001, 'page_viewed')$$), '^NU004 / lead 970001, .* was erased / .*nurture_ingest', 'an event of it is refused');
SELECT matches(pg_temp.raised($$INSERT INTO nurture.event (lead_id, event_type) VALUES (970003, 'page_viewed'), (970002, 'page_viewed')$$), '^NU004', 'of what was merged into it, and among others');
SELECT results_eq($$SELECT inserted, quarantined FROM nurture_ingest('[{"lead_id": 970001, "event_type": "page_viewed", "source": "web", "properties": {"who": "Person Erased1"}}, {"lead_id": 970002, "event_type": "page_viewed"}]')$$,
    $$VALUES (1::bigint, 1::bigint)$$, 'one that is ingested is quarantined');
SELECT results_eq($$SELECT payload, detail FROM nurture.event_quarantine WHERE reason = 'erased'$$,
    $$VALUES ('{"source": "web", "lead_id": 970001, "event_type": "page_viewed"}'::jsonb, 'the lead was erased')$$, 'without what it told');
SELECT is((SELECT count(*) FROM nurture.event WHERE lead_id IN (970001, 970003, 970004)), 0::bigint, 'nothing is stored');
SELECT matches(pg_temp.raised($$SELECT nurture_opt_in(970001, 'email')$$), '^NU007 / lead 970001 was erased and can consent to nothing / .', 'it consents to nothing');
SELECT is(nurture_opt_out(970001, 'email', 'link'), 0::bigint, 'a denial is taken');
UPDATE nurture.lead SET email = CASE lead_id WHEN 970001 THEN 'erase.person1@example.org' ELSE email END, role = 'nurse', erased_at = NULL, attributes = '{"a": 1}' WHERE lead_id IN (970001, 970006);
SELECT results_eq($$SELECT lead_id, email IS NULL, role, erased_at IS NULL FROM nurture.lead WHERE lead_id IN (970001, 970006) ORDER BY 1$$,
    $$VALUES (970001::bigint, true, NULL::text, false), (970006, false, 'nurse', true)$$, 'what the CRM still writes is not kept, and stops nobody else');
SELECT matches(pg_temp.raised(statement), '^NU007 / lead 970001 was erased / .', 'nothing is written about it: ' || split_part(statement, ' ', 3))
FROM unnest(ARRAY[$$INSERT INTO nurture.label (lead_id, label) VALUES (970001, 'erase_label')$$,
    $$INSERT INTO nurture.list_member (lead_id, list) VALUES (970001, 'erase_list')$$,
    $$INSERT INTO nurture.document (lead_id, kind, uri) VALUES (970001, 'cv', 'https://dms.example.org/x')$$,
    $$INSERT INTO nurture.preference (lead_id, channel, max_per_month) VALUES (970001, 'email', 1)$$,
    $$INSERT INTO nurture.identity (kind, value, lead_id) VALUES ('cookie', 'erase-cookie', 970001)$$,
    $$INSERT INTO nurture.disqualification (lead_id, reason) VALUES (970001, 'no_budget')$$]) statement;
SELECT matches(pg_temp.raised($$SELECT nurture_merge(970002, 970001, 'x')$$), '^NU007 / an erased lead cannot be merged', 'it is merged with nobody');
SELECT matches(pg_temp.raised($$SELECT nurture_unmerge((SELECT merge_id FROM nurture.merge WHERE absorbed = 970003), 'x')$$), '^NU007', 'and parted from nobody');

-- who said no stays suppressed under any lead
INSERT INTO nurture.lead (lead_id, email, audience_type, country, language) VALUES
    (970011, 'ERASE.person1@example.org', 'hcp', 'FR', 'fr'), (970012, 'erase.person4@example.org', 'hcp', 'FR', 'fr'), (970013, 'erase.private1@example.org', 'hcp', 'FR', 'fr');
SELECT count(nurture_opt_in(lead_id, 'email', 'form')) AS opted_in FROM nurture.lead WHERE lead_id BETWEEN 970011 AND 970013;
INSERT INTO nurture.message (lead_id, channel, asset_id) SELECT i, 'email', 'erase_asset' FROM generate_series(970011, 970013) i;
SELECT results_eq($$SELECT lead_id, status, reasons FROM nurture.message WHERE lead_id BETWEEN 970011 AND 970013 ORDER BY 1$$,
    $$VALUES (970011::bigint, 'refused', '{suppressed}'::text[]), (970012, 'refused', '{suppressed}'), (970013, 'refused', '{suppressed}')$$, 'every address of who had opted out is suppressed when it comes back');

-- who did not, does not; who asks for it does
SELECT nurture_erase(970005, 'no_longer_needed', 'ticket 1') IS NOT NULL AS erased, nurture_erase(970006, 'no_longer_needed', 'ticket 2', suppress => true) IS NOT NULL AS erased;
INSERT INTO nurture.lead (lead_id, email, phone, audience_type, country, language) VALUES
    (970015, 'erase.person5@example.org', '+33123456705', 'hcp', 'FR', 'fr'), (970016, 'erase.person6@example.org', '+33123456706', 'hcp', 'FR', 'fr');
SELECT count(nurture_opt_in(lead_id, 'email', 'form')) AS opted_in FROM nurture.lead WHERE lead_id IN (970015, 970016);
SELECT results_eq($$SELECT (nurture_may_contact(970015, 'email')).reasons @> '{suppressed}', (nurture_may_contact(970016, 'email')).reasons, (nurture_may_contact(970016, 'phone')).reasons @> '{suppressed}'$$,
    $$VALUES (false, '{suppressed}'::text[], true)$$, 'who did not say no may come back; who asks for it stays suppressed');
SELECT set_eq($$SELECT suppressed FROM nurture.erasure WHERE lead_id IN (970005, 970006)$$, ARRAY[0, 2], 'the certificate says so');
SELECT nurture_suppress('lead', '970015', 'asked by phone', '2099-01-01') IS NOT NULL AS suppressed;
SELECT nurture_erase(970015, 'legal_obligation', 'ticket 3') IS NOT NULL AS erased;
INSERT INTO nurture.lead (lead_id, email, audience_type) VALUES (970025, 'erase.person5@example.org', 'hcp');
SELECT is((nurture_may_contact(970025, 'email')).reasons @> '{suppressed}', true, 'a suppression of the lead binds its addresses then');
SELECT nurture_erase(970025, 'objection', 'ticket 4') IS NOT NULL AS erased;
SELECT is((SELECT count(*) FROM nurture.suppression WHERE reason = 'asked_not_to_be_contacted' AND until = 'infinity' AND source = 'nurture_erase') >= 5, true, 'an objection suppresses for good');

-- once more
SELECT nurture_erase(970001, 'objection', 'once more') AS again \gset
SELECT is((SELECT leads FROM nurture.erasure WHERE erasure_id = :again), '{970001,970003,970004}'::bigint[], 'what was erased may be erased again: what came since goes');
SELECT is_empty($$SELECT 1 FROM nurture.event_quarantine WHERE reason = 'erased' AND payload ->> 'lead_id' = '970001'$$, 'such as that an event came');
SELECT is_empty($$SELECT * FROM nurture_audit_verify()$$, 'the trail verifies');

-- pending
SELECT set_eq(format($$SELECT relation FROM nurture_erase_status(%s) WHERE detail = 'VACUUM FULL ' || relation$$, :erasure), format($$SELECT relation FROM nurture.erasure_relation WHERE erasure_id = %s$$, :erasure),
    'the tables to rewrite');
SELECT is((SELECT status || ' ' || (to_rewrite LIKE '%nurture.lead,%') FROM nurture_bi.erasure WHERE erasure_id = :erasure), 'pending true', 'in the view too');
SELECT is((SELECT count(DISTINCT erasure_id) FROM nurture_erase_status()), (SELECT count(*) FROM nurture.erasure WHERE status = 'pending'), 'without a number: of all that are pending');
SELECT matches(pg_temp.raised(statement), '^NU008 / table "erasure(_relation)?" is written by nurture only', 'a certificate stays: ' || split_part(statement, ' ', 1))
FROM unnest(ARRAY[$$UPDATE nurture.erasure SET status = 'complete', completed_at = now()$$, $$DELETE FROM nurture.erasure_relation$$, $$TRUNCATE nurture.erasure CASCADE$$,
    $$INSERT INTO nurture.erasure (lead_id, leads, at, basis, reason) VALUES (1, '{1}', now(), 'objection', 'x')$$]) statement;
SELECT matches(pg_temp.raised($$UPDATE nurture.audit SET lead_ref = NULL$$), '^NU008', 'nor does anybody else take leads out of the trail');

-- bad input and rights
SELECT matches(pg_temp.raised(statement), pattern, what)
FROM (VALUES ($$SELECT nurture_erase(NULL, 'objection', 'x')$$, '^22004 / the lead to erase must be given', 'no lead'),
    ($$SELECT nurture_erase(979999, 'objection', 'x')$$, '^NU004 / there is no lead 979999 / .', 'a lead that is not there'),
    ($$SELECT nurture_erase(970002, 'whim', 'x')$$, '^NU003 / unknown legal basis "whim" / .*erasure_basis', 'an unknown ground'),
    ($$SELECT nurture_erase(970002, 'objection', ' ')$$, '^22023 / an erasure needs a reason / .', 'no reason'),
    ($$SELECT nurture_erase(970002, NULL, 'x')$$, '^22023 / an erasure needs a legal basis / .', 'no ground'),
    ($$SELECT nurture_erase(970002, 'objection', repeat('x', 501))$$, '^22001 / the reason of an erasure is longer', 'a long reason'),
    ($$SELECT nurture_erase(970002, 'objection', 'asked by erase.person2@example.org')$$, '^22023 / the reason names the person .*ticket', 'a reason with the address'),
    ($$SELECT nurture_erase(970002, 'objection', 'person erased2 asked')$$, '^22023 / the reason names the person', 'a reason with the name'),
    ($$SELECT * FROM nurture_erase_status(-1)$$, '^NU003 / there is no erasure -1 / .', 'a certificate that is not there')) v (statement, pattern, what);
CREATE ROLE nurture_test_erase;
GRANT USAGE ON SCHEMA nurture TO nurture_test_erase;
SET LOCAL ROLE nurture_test_erase;
SELECT is(pg_temp.raised($$SELECT nurture_erase(970002, 'objection', 'x')$$), '42501 / permission denied for function nurture_erase / ', 'nobody may call it by default');
RESET ROLE;
GRANT EXECUTE ON FUNCTION nurture_erase(bigint, text, text, boolean, text), nurture_erase_status(bigint) TO nurture_test_erase;
SET LOCAL ROLE nurture_test_erase;
SELECT is(pg_temp.raised($$SELECT nurture_erase(970002, 'objection', 'x')$$), '42501 / permission denied to erase leads / It needs the right to INSERT into nurture.erasure.', 'the right to call it is not enough');
SELECT is(pg_temp.raised($$SELECT * FROM nurture_erase_status()$$), '42501 / permission denied to look at erasures / It needs the right to SELECT from nurture.erasure.', 'nor to look at it');
RESET ROLE;
GRANT INSERT, SELECT ON nurture.erasure TO nurture_test_erase;
SET LOCAL ROLE nurture_test_erase;
SELECT is(nurture_erase(970002, 'objection', 'ticket 9') IS NOT NULL, true, 'with it no right on any other table is needed');
RESET ROLE;
SELECT is_empty($$SELECT * FROM nurture_audit_verify()$$, 'the trail verifies');

SELECT * FROM finish();
ROLLBACK;
