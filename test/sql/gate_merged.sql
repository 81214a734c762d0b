-- What one of two merged leads was sent, did and said counts for the one that
-- stands for both, as long as it does.
BEGIN;
SELECT plan(45);
SET LOCAL client_min_messages = warning;
SET LOCAL timezone = 'UTC';
SET LOCAL nurture.clock = '2026-03-02T09:00:00Z';

-- approved content, as a restore would bring it
SELECT set_config('search_path', '', true) \g /dev/null
SET LOCAL row_security = off;
SET LOCAL check_function_bodies = off;
INSERT INTO nurture.asset (asset_id, family, title, format) SELECT 'gm_' || i, 'gm_' || i, 'A', 'email' FROM generate_series(1, 6) AS i;
INSERT INTO nurture.asset_version (asset_id, version, status, message_class, channels, languages, markets, audience_types, valid_during, approved_at, content_hash)
    SELECT 'gm_' || i, 1, 'approved', 'promotional', '{email,phone}', '{en}', '{*}', '{hcp}', tstzrange('2000-01-01', NULL), '2000-01-01', '\x01' FROM generate_series(1, 6) AS i;
SELECT set_config('search_path', 'public', true) \g /dev/null
SET LOCAL row_security = on;
SET LOCAL check_function_bodies = on;
DELETE FROM nurture.frequency_cap;
DELETE FROM nurture.rest_period;
INSERT INTO nurture.frequency_cap (cap, n, period, reason) VALUES ('gm_week', 2, '7 days', 'test');
INSERT INTO nurture.lead (lead_id, email, phone, country, audience_type, language)
    SELECT i, 'gm' || i || '@example.com', '+33 1 23 45 ' || i, 'FR', 'hcp', 'en' FROM generate_series(6701, 6760) AS i;
SELECT count(nurture_opt_in(i, channel)) FROM generate_series(6701, 6760) AS i, unnest('{email,phone}'::text[]) AS channel \g /dev/null
CREATE FUNCTION pg_temp.may(lead bigint, asset text DEFAULT 'gm_6', channel text DEFAULT 'email') RETURNS text LANGUAGE sql AS
$$SELECT concat_ws(' ', verdict, to_char(nullif(not_before, nurture_now()), 'YYYY-MM-DD HH24:MI'), nullif(reasons, '{}')) FROM nurture_may_contact(lead, channel, NULL, asset)$$;
-- sends some assets and tells the provider's answer
CREATE FUNCTION pg_temp.sent(lead bigint, assets text[], key text DEFAULT NULL) RETURNS bigint LANGUAGE sql AS
$$INSERT INTO nurture.message (lead_id, channel, asset_id, occurrence_key) SELECT lead, 'email', a, key FROM unnest(assets) AS a;
  SELECT count(nurture_ack(lead_id, message_id, 'sent')) FROM nurture_take('email', 10, 'w') WHERE lead_id = lead$$;
CREATE FUNCTION pg_temp.again() RETURNS text LANGUAGE sql AS
$$SELECT 'SELECT nurture_unmerge(' || max(merge_id) || ', ''x'')' FROM nurture.merge$$;

-- caps
SELECT is(pg_temp.sent(6702, '{gm_1,gm_2}'), 2::bigint, 'the second is sent what the cap allows');
SELECT is(pg_temp.may(6701), 'allow', 'the first may be written to');
SELECT nurture_merge(6701, 6702, 'one person') AS merge_id \gset
SELECT is((SELECT absorbs FROM nurture.gate WHERE lead_id = 6701), true, 'its gate row says that it stands for another');
SELECT is(pg_temp.may(6701), 'defer 2026-03-09 09:00 {frequency_cap}', 'what the merged lead was sent counts for the survivor');
SELECT is(pg_temp.may(6702), 'defer 2026-03-09 09:00 {frequency_cap}', 'whichever of them is asked for');
SELECT is((SELECT fact FROM nurture_explain_contact(6701, 'email', NULL, 'gm_6') WHERE rule = 'cap:gm_week'), '2 of 2 in 7 days', 'and is told');
INSERT INTO nurture.message (lead_id, channel, asset_id) VALUES (6701, 'email', 'gm_3') RETURNING status, not_before, reasons;
SELECT nurture_unmerge(:merge_id, 'two after all') AS unmerged;
SELECT is(pg_temp.may(6701), 'allow', 'no longer when they are parted');
SELECT is(pg_temp.may(6702), 'defer 2026-03-09 09:00 {frequency_cap}', 'each has its own');

-- through a chain, by hand, and within one statement
SELECT is(pg_temp.sent(6703, '{gm_1}'), 1::bigint, 'one was sent to the first of a chain');
SELECT is(pg_temp.sent(6704, '{gm_2}'), 1::bigint, 'one to the second');
SELECT nurture_merge(6704, 6703, 'one person') > 0 AND nurture_merge(6705, 6704, 'one person') > 0 AS merged;
SELECT is(pg_temp.may(6705), 'defer 2026-03-09 09:00 {frequency_cap}', 'both count for the last');
SELECT is(pg_temp.sent(6706, '{gm_1}'), 1::bigint, 'one was sent to a lead');
UPDATE nurture.lead SET merged_into = 6707 WHERE lead_id = 6706;
INSERT INTO nurture.message (lead_id, channel, asset_id) VALUES (6707, 'email', 'gm_2'), (6706, 'email', 'gm_3'), (6707, 'email', 'gm_4');
SELECT results_eq($$SELECT lead_id, status, reasons, not_before > decided_at FROM nurture.message WHERE lead_id IN (6706, 6707) ORDER BY message_id$$,
    $$VALUES (6706::bigint, 'sent', NULL::text[], false), (6707, 'queued', NULL, false), (6707, 'queued', '{frequency_cap}', true), (6707, 'queued', '{frequency_cap}', true)$$, 'that the CRM merged: within one statement, too');
UPDATE nurture.lead SET merged_into = NULL WHERE lead_id = 6706;
SELECT is(pg_temp.may(6706), 'allow', 'and parted: it has its own again');
INSERT INTO nurture.lead (lead_id, merged_into) VALUES (6700, 6708);
SELECT is((SELECT absorbs FROM nurture.gate WHERE lead_id = 6708), true, 'one that comes merged is told of as well');
INSERT INTO nurture.message (lead_id, channel, asset_id) VALUES (6709, 'email', 'gm_1'), (6709, 'email', 'gm_2');
SELECT nurture_merge(6710, 6709, 'one person') > 0 AS merged;
SELECT is(pg_temp.may(6710), 'allow', 'what the merge cancelled does not count');

-- no repeat: of a family within its window, of an occasion ever
DELETE FROM nurture.frequency_cap;
INSERT INTO nurture.frequency_cap (cap, n, period, same_family, reason) VALUES ('gm_family', 1, '30 days', true, 'test');
SELECT is(pg_temp.sent(6712, '{gm_1}'), 1::bigint, 'one was sent');
SELECT is(pg_temp.sent(6712, '{gm_2}', 'birthday'), 1::bigint, 'and one for an occasion');
SELECT is((SELECT failed @> '{seen}' FROM nurture_candidates(6711, 100) WHERE asset_id = 'gm_1'), false, 'of which another lead has seen nothing');
SELECT nurture_merge(6711, 6712, 'one person') AS merge_id \gset
SELECT is((SELECT failed @> '{seen}' FROM nurture_candidates(6711, 100) WHERE asset_id = 'gm_1'), true, 'nor is it chosen for it');
SELECT is(pg_temp.may(6711, 'gm_1'), 'refuse {duplicate}', 'the survivor does not get it again');
SELECT is(pg_temp.may(6711, 'gm_3'), 'allow', 'but another');
INSERT INTO nurture.message (lead_id, channel, asset_id, occurrence_key) VALUES (6711, 'email', 'gm_2', 'birthday'), (6711, 'email', 'gm_2', 'new year');
SELECT results_eq($$SELECT status, reasons FROM nurture.message WHERE lead_id = 6711 ORDER BY message_id$$, $$VALUES ('refused', '{duplicate}'::text[]), ('queued', NULL)$$, 'nor one for the same occasion');
SELECT nurture_unmerge(:merge_id, 'two after all') AS unmerged;
SELECT is(pg_temp.may(6711, 'gm_1'), 'allow', 'until they are parted');

-- rest
INSERT INTO nurture.rest_period (event_type, period, reason) VALUES ('page_viewed', '3 days', 'test');
INSERT INTO nurture.event (lead_id, event_type, occurred_at) VALUES (6714, 'page_viewed', '2026-03-01T09:00Z');
SELECT is(pg_temp.may(6713), 'allow', 'who did nothing need not be left in peace');
SELECT nurture_merge(6713, 6714, 'one person') AS merge_id \gset
SELECT is(pg_temp.may(6713), 'defer 2026-03-04 09:00 {rest_period}', 'but for what the merged lead did');
INSERT INTO nurture.event (lead_id, event_type, occurred_at) VALUES (6714, 'page_viewed', '2026-03-02T08:00Z');
SELECT is(pg_temp.may(6713), 'defer 2026-03-05 08:00 {rest_period}', 'before the merge or since');
SELECT nurture_unmerge(:merge_id, 'two after all') AS unmerged;
SELECT is(pg_temp.may(6713), 'allow', 'not when they are parted');
SELECT is(pg_temp.may(6714), 'defer 2026-03-05 08:00 {rest_period}', 'which leaves it to whom it belongs');

-- consent: what was entered in error is not said for the survivor either
CREATE FUNCTION pg_temp.denied(lead bigint) RETURNS text LANGUAGE sql AS
$$SELECT string_agg(channel || ' ' || state || ' ' || to_char(since, 'HH24:MI'), ', ' ORDER BY channel COLLATE "C") FROM nurture.consent WHERE lead_id = lead AND state IN ('refused', 'withdrawn', 'objected')$$;
CREATE FUNCTION pg_temp.error(lead bigint, event bigint) RETURNS bigint LANGUAGE sql AS
$$SELECT nurture_consent(lead, 'entered_in_error', 'email', evidence => jsonb_build_object('consent_event_id', event))$$;
SELECT nurture_consent(6716, 'withdrawn', 'email') AS w \gset
SELECT nurture_merge(6715, 6716, 'one person') AS merge_id \gset
SELECT is(pg_temp.denied(6715), 'email withdrawn 09:00', 'a denial is handed on by the merge');
SELECT pg_temp.error(6716, :w) AS e \gset
SELECT is(pg_temp.denied(6716), NULL, 'taken back for the merged lead');
SELECT is(pg_temp.denied(6715), NULL, 'it is for the survivor');
SELECT is(pg_temp.may(6715), 'allow', 'who may be written to again');
SELECT pg_temp.error(6716, :e) AS again \gset
SELECT is(pg_temp.denied(6715), 'email withdrawn 09:00', 'when that was the error, it is denied again');
SELECT nurture_unmerge(:merge_id, 'two after all') AS unmerged;
SELECT is(pg_temp.denied(6715), NULL, 'parting takes it back from the survivor');
SELECT is(pg_temp.denied(6716), 'email withdrawn 09:00', 'and not from whom it belongs to');

SELECT nurture_merge(6717, 6718, 'one person') > 0 AND nurture_merge(6719, 6717, 'one person') > 0 AS merged;
SELECT nurture_consent(6718, 'objected', '*') AS w \gset
SELECT is(pg_temp.denied(6719), '* objected 09:00', 'one that came after the merge is handed on through a chain');
SELECT pg_temp.error(6718, :w) > 0 AS corrected;
SELECT is(concat_ws(',', pg_temp.denied(6717), pg_temp.denied(6719)), '', 'and so is its correction');

SET LOCAL nurture.clock = '2026-03-02T12:00:00Z';
SELECT nurture_consent(6721, 'refused', 'email', occurred_at => '2026-03-02T10:00Z') > 0 AS said;
SELECT nurture_consent(6721, 'withdrawn', 'email', occurred_at => '2026-03-02T11:00Z') AS w \gset
SELECT nurture_merge(6720, 6721, 'one person') > 0 AS merged;
SELECT pg_temp.error(6721, :w) > 0 AS corrected;
SELECT is(pg_temp.denied(6721), 'email refused 10:00', 'without it the lead had refused before');
SELECT is(pg_temp.denied(6720), 'email refused 12:00', 'which binds the survivor from the merge on');

SELECT nurture_consent(6723, 'refused', 'email', occurred_at => '2026-03-02T10:00Z') > 0 AS said;
SELECT nurture_consent(6723, 'withdrawn', 'email', occurred_at => '2026-03-02T11:00Z') AS w \gset
SELECT nurture_merge(6722, 6723, 'one person') > 0 AS merged;
SET LOCAL nurture.clock = '2026-03-02T13:00:00Z';
SELECT nurture_opt_in(6722, 'email') > 0 AS granted;
SELECT pg_temp.error(6723, :w) > 0 AS corrected;
SELECT is(pg_temp.denied(6722), NULL, 'what the survivor granted since then stands');

SELECT nurture_consent(6725, 'refused', 'email', occurred_at => '2026-03-02T10:00Z') > 0 AS said;
SELECT nurture_consent(6725, 'given', 'email', occurred_at => '2026-03-02T11:00Z') AS g \gset
SELECT nurture_merge(6724, 6725, 'one person') > 0 AS merged;
SELECT is(pg_temp.denied(6724), NULL, 'nothing is denied');
SELECT pg_temp.error(6725, :g) > 0 AS corrected;
SELECT is(pg_temp.denied(6724), 'email refused 13:00', 'until the grant turns out to have been an error');

SELECT nurture_consent(6726, 'withdrawn', 'email') AS w \gset
SELECT nurture_consent(6727, 'refused', 'email') > 0 AS said;
SELECT nurture_merge(6726, 6727, 'one person') > 0 AS merged;
SELECT pg_temp.error(6726, :w) > 0 AS corrected;
SELECT is(pg_temp.denied(6726), 'email refused 13:00', 'where the survivor''s own denial was the error, that of the merged lead binds it');
SELECT nurture_merge(6728, 6729, 'one person') AS merge_id \gset
SELECT nurture_consent(6729, 'withdrawn', 'email') AS w \gset
INSERT INTO nurture.message (lead_id, channel, asset_id) VALUES (6728, 'email', 'gm_1');
SELECT nurture_unmerge(:merge_id, 'two after all') AS unmerged;
SELECT pg_temp.error(6729, :w) > 0 AS corrected;
SELECT is((SELECT count(*) FROM nurture.consent_event WHERE lead_id = 6728 AND kind = 'entered_in_error'), 1::bigint, 'after parting nothing is handed on');

SELECT * FROM finish();
ROLLBACK;
