-- Suppression: addresses in every spelling, domains, accounts, leads; through
-- erasure and re-import; what an address must be to be written to.
BEGIN;
SELECT plan(73);
SET LOCAL client_min_messages = error;
SET LOCAL nurture.clock = '2026-03-02T09:00:00Z';

-- approved content, as a restore would bring it
SELECT set_config('search_path', '', true) \g /dev/null
SET LOCAL row_security = off;
SET LOCAL check_function_bodies = off;
INSERT INTO nurture.asset (asset_id, family, title, format) SELECT id, id, id, 'email' FROM unnest(ARRAY['su_mi', 'su_op', 'su_pr']) AS id;
INSERT INTO nurture.asset_version (asset_id, version, status, message_class, channels, languages, markets, audience_types, approved_at, content_hash)
    SELECT id, 1, 'approved', CASE id WHEN 'su_op' THEN 'operational' WHEN 'su_pr' THEN 'promotional' ELSE 'medical_information' END, '{email,phone,sms,ad_audience}', '{en}', '{*}', '{hcp}', '2026-01-01', '\x01'
    FROM unnest(ARRAY['su_mi', 'su_op', 'su_pr']) AS id;
SELECT set_config('search_path', 'public', true) \g /dev/null
SET LOCAL row_security = on;
SET LOCAL check_function_bodies = on;

INSERT INTO nurture.account (account_id, name) VALUES (1, 'House');
INSERT INTO nurture.lead (lead_id, account_id, email, phone, country, audience_type, language, created_at) VALUES
    (1, NULL, 'anna@clinic.example', '01 23 45 67 89', 'FR', 'hcp', 'en', '2026-01-01'),
    (2, NULL, 'Anna@Clinic.Example', NULL, 'FR', 'hcp', 'en', '2026-01-01'),
    (3, 1, 'carl@house.example', NULL, 'FR', 'hcp', 'en', '2026-01-01'),
    (4, 1, 'dora@lab.house.example', NULL, 'FR', 'hcp', 'en', '2026-01-01'),
    (5, NULL, 'emil@lighthouse.example', NULL, 'FR', 'hcp', 'en', '2026-01-01'),
    (6, NULL, 'fina@m' || chr(252) || 'ller.example', NULL, 'DE', 'hcp', 'en', '2026-01-01');

CREATE FUNCTION pg_temp.send(lead bigint, channel text DEFAULT 'email', asset text DEFAULT 'su_op') RETURNS text LANGUAGE sql AS
$$INSERT INTO nurture.message (lead_id, channel, asset_id, occurrence_key) VALUES (lead, channel, asset, gen_random_uuid()::text) RETURNING concat_ws(' ', status, reasons::text)$$;
CREATE FUNCTION pg_temp.open(leads bigint[]) RETURNS bigint LANGUAGE sql AS
$$SELECT count(*) FROM nurture.message WHERE lead_id = ANY (leads) AND status IN ('queued', 'held')$$;
CREATE FUNCTION pg_temp.raises(statement text, state text, hint text, name text) RETURNS text LANGUAGE plpgsql AS
$$DECLARE found text; told text;
BEGIN
    BEGIN
        EXECUTE statement;
    EXCEPTION WHEN OTHERS THEN
        GET STACKED DIAGNOSTICS found = RETURNED_SQLSTATE, told = PG_EXCEPTION_HINT;
    END;
    RETURN is(concat(found, CASE WHEN position(hint IN told) > 0 THEN '' ELSE ' ' || told END), state, name);
END$$;

-- one contact point, in every spelling
SELECT is(pg_temp.send(1) || ', ' || pg_temp.send(2) || ', ' || pg_temp.send(1, 'phone'), 'queued, queued, queued', 'before');
SELECT is(nurture_suppress('contact_point', '  "ANNA"@clinic.example (at work)', 'asked by letter'), 2::bigint, 'cancels for every lead that has the address');
SELECT is((SELECT array_agg(lead_id ORDER BY lead_id) FROM nurture.message WHERE status = 'cancelled' AND reasons = '{suppressed}'), '{1,2}', 'of both leads');
SELECT is(pg_temp.send(1) || ', ' || pg_temp.send(2, 'ad_audience'), 'refused {suppressed}, refused {suppressed}', 'every channel that uses the address is closed');
SELECT is(pg_temp.send(1, 'phone'), 'queued', 'the phone is not');
SELECT is(nurture_suppress('contact_point', '+33 (0)1.23.45.67.89', 'asked on the phone'), 2::bigint, 'a number in another format');
SELECT is(pg_temp.send(1, 'phone') || ', ' || pg_temp.send(1, 'sms'), 'refused {suppressed}, refused {suppressed}', 'closes phone and text messages');
SELECT is((SELECT array_agg(DISTINCT a.outcome ORDER BY a.outcome) FROM nurture.audit a WHERE a.kind = 'suppression' AND a.lead_ref = 1), '{suppressed}', 'each is on record');
SELECT is((SELECT count(*) FROM nurture.audit a WHERE a.kind = 'suppression' AND a.object = 'suppression:contact_point'), 3::bigint, 'for each lead');
SELECT is((SELECT string_agg(DISTINCT source, ' ') FROM nurture.suppression), current_user::text, 'with who asked for it');

-- through erasure and re-import
UPDATE nurture.lead SET email = NULL, phone = NULL, full_name = NULL, erased_at = '2026-03-02' WHERE lead_id IN (1, 2);
INSERT INTO nurture.lead (lead_id, email, phone, country, audience_type, language) VALUES
    (11, 'ANNA@CLINIC.EXAMPLE', '0033 1 23 45 67 89', NULL, 'hcp', 'en'), (12, 'anna@clinic.example', NULL, 'FR', 'hcp', 'en');
SELECT is(pg_temp.send(11) || ', ' || pg_temp.send(12) || ', ' || pg_temp.send(11, 'sms'), 'refused {suppressed}, refused {suppressed}, refused {suppressed}', 'a new lead with the address of an erased one is not written to');
SELECT is((SELECT count(*) FROM nurture.suppression s WHERE s::text ~* 'anna|clinic|12345'), 0::bigint, 'and no address is kept');
SELECT is((SELECT count(*) FROM nurture.audit a WHERE a.kind = 'suppression' AND a::text ~* 'anna|clinic|12345'), 0::bigint, 'nor in the trail');

-- a lead that comes to have such an address
INSERT INTO nurture.lead (lead_id, email, phone, country, audience_type, language) VALUES (13, 'gina@clinic.example', '+1 212 555 0123', 'US', 'hcp', 'en'), (14, 'hans@clinic.example', '01 23 45 67 89', 'BE', 'hcp', 'en');
SELECT is(pg_temp.send(13) || ', ' || pg_temp.send(14) || ', ' || pg_temp.send(14, 'sms'), 'queued, queued, queued', 'others are');
UPDATE nurture.lead SET email = 'anna@clinic.example' WHERE lead_id = 13;
SELECT is(pg_temp.open('{13}'), 0::bigint, 'what is queued when an address becomes a suppressed one is cancelled');
UPDATE nurture.lead SET country = 'FR' WHERE lead_id = 14;
SELECT is((SELECT array_agg(channel || ' ' || status ORDER BY message_id) FROM nurture.message WHERE lead_id = 14), '{"email queued","sms cancelled"}', 'also when the country makes it one');
SELECT is(nurture_unsuppress('contact_point', 'anna@clinic.example', 'the letter was another Anna''s'), true, 'lifted');
SELECT is(pg_temp.send(13), 'queued', 'then it is open');
SELECT is(nurture_unsuppress('contact_point', 'anna@clinic.example', 'again'), false, 'there is none any more');
SELECT is((SELECT array_agg(DISTINCT a.lead_ref ORDER BY a.lead_ref) FROM nurture.audit a WHERE a.kind = 'suppression' AND a.outcome = 'unsuppressed'), '{11,12,13}', 'that is on record, too');

-- domains, and what lies in them
SELECT is(pg_temp.send(3) || ', ' || pg_temp.send(4) || ', ' || pg_temp.send(5), 'queued, queued, queued', 'before');
SELECT is(nurture_suppress('domain', 'House.example', 'asked by the house'), 2::bigint, 'a domain with those in it');
SELECT is(pg_temp.send(3) || ', ' || pg_temp.send(4) || ', ' || pg_temp.send(5), 'refused {suppressed}, refused {suppressed}, queued', 'not one that ends alike');
SELECT is((SELECT fact FROM nurture_explain_contact(4, 'email') WHERE rule = 'suppression'), 'domain: asked by the house, until it is lifted', 'and says so');
SELECT is(nurture_unsuppress('domain', '@house.example', 'a misunderstanding'), true, 'lifted');
SELECT is(nurture_suppress('domain', 'xn--mller-kva.example', 'asked'), 0::bigint, 'a domain as A-label');
SELECT is(pg_temp.send(6), 'refused {suppressed}', 'is the one in letters');

-- accounts and leads
SELECT is(pg_temp.send(3), 'queued', 'before');
SELECT is(nurture_suppress('account', '1', 'in court'), 1::bigint, 'an account');
SELECT is(pg_temp.send(3) || ', ' || pg_temp.send(4, 'portal', 'su_op'), 'refused {suppressed}, refused {channel_not_supported,suppressed}', 'on every channel');
SELECT is(pg_temp.send(5), 'queued', 'others pass');
UPDATE nurture.lead SET account_id = 1 WHERE lead_id = 5;
SELECT is(pg_temp.open('{5}'), 0::bigint, 'until they join it');
UPDATE nurture.lead SET account_id = NULL WHERE lead_id IN (3, 5);
SELECT is(pg_temp.send(3), 'queued', 'and again when they leave');
SELECT is(nurture_suppress('lead', '3', 'asked', '2026-04-01T00:00:00Z'), 1::bigint, 'a lead until an instant');
SELECT is((SELECT passes_from FROM nurture_explain_contact(3, 'email') WHERE rule = 'suppression'), '2026-04-01T00:00:00Z'::timestamptz, 'which is told');
SET LOCAL nurture.clock = '2026-04-01T00:00:00Z';
SELECT is(pg_temp.send(3), 'queued', 'when it has come, it passes');
SELECT is(nurture_suppress('lead', '3', 'asked again', actor => 'clerk'), 1::bigint, 'anew');
SELECT is((SELECT source || ' ' || (since = '2026-04-01T00:00:00Z') FROM nurture.suppression WHERE scope = 'lead'), 'clerk true', 'it counts from then');
SELECT is(nurture_suppress('lead', '3', 'shorter', '2026-05-01T00:00:00Z'), 0::bigint, 'a shorter one');
SELECT is((SELECT reason || ' ' || until FROM nurture.suppression WHERE scope = 'lead'), 'asked again infinity', 'does not take its place');
SELECT is(nurture_unsuppress('lead', '3', 'settled'), true, 'lifted');
SELECT is(pg_temp.send(3), 'queued', 'open');

-- an address as far as one lead is concerned
INSERT INTO nurture.lead (lead_id, email, country, audience_type, language) VALUES (21, 'ida@clinic.example', 'FR', 'hcp', 'en'), (22, 'ida@clinic.example', 'FR', 'hcp', 'en'), (23, 'ida@clinic.example', 'FR', 'hcp', 'en');
SELECT is(nurture_suppress('lead_address', '21:Ida@clinic.example', 'mail came back'), 0::bigint, 'the address of one lead');
SELECT is(pg_temp.send(21) || ', ' || pg_temp.send(22), 'refused {suppressed}, queued', 'binds that lead');
UPDATE nurture.lead SET merged_into = 22 WHERE lead_id = 21;
SELECT is(pg_temp.send(22), 'refused {suppressed}', 'and the one it is merged into');
UPDATE nurture.lead SET email = 'ida@new.example' WHERE lead_id = 22;
SELECT is(pg_temp.send(22), 'queued', 'until there is another address');
UPDATE nurture.lead SET email = 'ida@clinic.example' WHERE lead_id = 22;
SELECT is(pg_temp.open('{22}') || ' ' || pg_temp.send(22), '0 refused {suppressed}', 'not when it is the old one again');

-- what an address must be
SELECT is((SELECT array_agg(nurture_email_kind(a) ORDER BY n) FROM unnest(ARRAY[' a@b.example ', 'a@b', 'j' || chr(246) || '@b.example', '"a b"@c.example', 'a(c)@b.example', 'a@b.example(c)', 'a @b', repeat('a', 65) || '@b.example', 'a@b@c', NULL]) WITH ORDINALITY AS u (a, n)),
          ARRAY['valid', 'rfc5321', 'utf8', 'rfc5321', 'deprec', 'cfws', 'deprec', 'rfc5322', 'err', NULL], 'kinds of addresses');
SELECT is(nurture_normal_email('Anna <anna@clinic.example>'), NULL, 'a name with brackets is none');
INSERT INTO nurture.lead (lead_id, email, phone, country, audience_type, language) VALUES (31, 'kurt@@clinic.example', '12 34', 'FR', 'hcp', 'en'), (32, '"lea x"@clinic.example', '01 23 45 67 80', NULL, 'hcp', 'en'), (33, ' ', NULL, 'FR', 'hcp', 'en');
SELECT is(pg_temp.send(31) || ', ' || pg_temp.send(31, 'sms') || ', ' || pg_temp.send(32) || ', ' || pg_temp.send(33), 'refused {contact_point_invalid}, refused {contact_point_invalid}, refused {contact_point_invalid}, refused {no_contact_point}', 'what is no address is refused');
SELECT is(pg_temp.send(32, 'sms'), 'refused {contact_point_invalid}', 'a number of which the country is not known is not guessed');
SELECT is((SELECT array_agg(fact ORDER BY lead) FROM (VALUES (31), (32)) v (lead), nurture_explain_contact(lead, 'email') WHERE rule = 'contact_point'), '{err,rfc5321}', 'with its kind');
SELECT is((SELECT email FROM nurture.lead WHERE lead_id = 31), 'kurt@@clinic.example', 'nothing is lost');
UPDATE nurture.lead SET country = 'FR' WHERE lead_id = 32;
SELECT is(pg_temp.send(32, 'sms'), 'queued', 'once the country is known it is');
SELECT is(nurture_suppress('contact_point', '"LEA X"@clinic.example', 'asked'), 0::bigint, 'what cannot be written to can be suppressed');

-- roles and disposable addresses
INSERT INTO nurture.lead (lead_id, email, country, audience_type, language) VALUES (41, 'Info+web@clinic.example', 'US', 'hcp', 'en'), (42, 'max@sub.mailinator.com', 'US', 'hcp', 'en'), (43, 'ned@clinic.example', 'US', 'hcp', 'en');
SELECT is(pg_temp.send(41, asset => 'su_pr'), 'queued', 'the preset allows addresses of a role');
SELECT is(pg_temp.send(42, asset => 'su_pr') || ', ' || pg_temp.send(42), 'refused {disposable_address}, queued', 'and refuses promotion to disposable ones');
UPDATE nurture.address_policy SET verdict = 'review' WHERE kind = 'role' AND message_class = '*';
INSERT INTO nurture.address_policy (kind, message_class, verdict) VALUES ('role', 'operational', 'allow');
SELECT is(pg_temp.send(41, asset => 'su_mi') || ', ' || pg_temp.send(41), 'held {role_address}, queued', 'a row for the class wins over the one for all');
SELECT is((SELECT fact FROM nurture_explain_contact(43, 'email') WHERE rule = 'address_kind'), 'personal', 'others are of persons');
INSERT INTO nurture.address_list (list, kind, names, source) VALUES ('ours', 'role', '{Ned}', 'our own');
SELECT is(pg_temp.send(43, asset => 'su_mi'), 'held {role_address}', 'a list of one''s own counts with the others');
SELECT cmp_ok((SELECT min(cardinality(names)) FROM nurture.address_list WHERE list <> 'ours'), '>', 1000, 'the lists of the preset are there');

-- what is no value
SELECT pg_temp.raises($$SELECT nurture_suppress('contact_point', 'anna', 'x')$$, '22023', '+33', 'a word is no contact point');
SELECT pg_temp.raises($$SELECT nurture_suppress('contact_point', '01 23 45 67 89', 'x')$$, '22023', 'nurture_normal_phone', 'nor is a number without its country');
SELECT pg_temp.raises($$SELECT nurture_suppress('contact_point', 'a@@b', 'x')$$, '22023', 'brackets', 'nor what is no address');
SELECT pg_temp.raises($$SELECT nurture_suppress('domain', 'com', 'x')$$, '22023', 'two labels', 'a top-level domain is not suppressed');
SELECT pg_temp.raises($$SELECT nurture_suppress('lead', 'one', 'x')$$, '22023', 'number', 'a lead is a number');
SELECT pg_temp.raises($$SELECT nurture_suppress('lead_address', 'a@b.example', 'x')$$, '22023', 'colon', 'the address of a lead names it');
SELECT pg_temp.raises($$SELECT nurture_suppress('planet', 'x', 'x')$$, 'NU003', 'Scopes are', 'an unknown scope');
SELECT pg_temp.raises($$SELECT nurture_suppress('lead', '1', ' ')$$, '22023', 'few words', 'a reason is asked for');
SELECT pg_temp.raises($$SELECT nurture_unsuppress('lead', '1', '')$$, '22023', 'few words', 'to lift one as well');
SELECT throws_ok($$SELECT nurture_suppress('lead', NULL, 'x')$$, '22004', NULL, 'a value, too');
SELECT throws_ok($$SELECT nurture_unsuppress('lead', '1', NULL)$$, '22004', NULL, 'NULL is none');
SELECT throws_ok($$SELECT nurture_suppress('lead', '1', 'x', '2026-03-31')$$, '22023', NULL, 'an end in the past is none');

SELECT * FROM finish();
ROLLBACK;
