-- Sensitive events count for leads only that granted sensitive_inference, from
-- the moment they did until the moment they do no longer.
BEGIN;
SELECT plan(58);
SET LOCAL timezone = 'UTC';
SET LOCAL nurture.clock = '2026-06-15 12:00:00+00';
INSERT INTO nurture.event_type (event_type, class, sensitive) VALUES ('se_viewed', 'content', false), ('se_secret', 'content', true);
INSERT INTO nurture.tag (dimension, value, tag_id, parent, sensitive) VALUES ('se', 'plain', 65201, NULL, false), ('se', 'ill', 65202, NULL, true), ('se', 'below', 65203, 'ill', false);
INSERT INTO nurture.signal (signal, signal_id, event_type, tags) VALUES ('se_viewed', 29001, 'se_viewed', '{}'), ('se_ill', 29002, 'se_viewed', '{se:ill}'),
    ('se_secret', 29003, 'se_secret', '{}'), ('se_plain', 29004, 'se_secret', '{se:plain}');
INSERT INTO nurture.lead (lead_id, audience_type) SELECT generate_series(9401, 9440), 'hcp';
CREATE FUNCTION pg_temp.counts(lead bigint) RETURNS text LANGUAGE sql AS
$$ SELECT concat_ws(' | ', nullif((SELECT string_agg(s.signal || ' ' || u.count, ', ' ORDER BY s.signal_id, u.day) FROM nurture_tally_unnest(a.signals) u JOIN nurture.signal s ON s.signal_id = u.signal), ''),
        nullif((SELECT string_agg(t.value || ' ' || u.count, ', ' ORDER BY t.tag_id, u.day) FROM nurture_tally_unnest(a.topics) u JOIN nurture.tag t ON t.tag_id = u.signal), ''))
   FROM nurture.activity a WHERE lead_id = lead $$;
-- whatever was done, counting again gives the same bytes
CREATE FUNCTION pg_temp.rebuilt() RETURNS bigint LANGUAGE plpgsql AS
$$
DECLARE
    differ bigint;
BEGIN
    CREATE TEMP TABLE kept ON COMMIT DROP AS SELECT * FROM nurture.activity WHERE lead_id BETWEEN 9401 AND 9440;
    PERFORM nurture_rebuild(lead_id) FROM kept WHERE lead_id % 2 = 0;
    PERFORM nurture_rebuild();
    SELECT count(*) INTO differ FROM kept k JOIN nurture.activity a USING (lead_id) WHERE (k.signals, k.topics, k.last_event_at) IS DISTINCT FROM (a.signals, a.topics, a.last_event_at);
    DROP TABLE kept;
    RETURN differ;
END
$$;

-- without a grant
INSERT INTO nurture.event (lead_id, event_type, tags) VALUES (9401, 'se_secret', '{se:plain}'), (9401, 'se_viewed', '{se:below,se:plain}');
SELECT is(pg_temp.counts(9401), 'se_viewed 1 | plain 1', 'nothing sensitive is counted');
SELECT is(pg_temp.rebuilt(), 0::bigint, 'nor by counting again');
SELECT nurture_consent(9401, 'given', '*', 'marketing') > 0 AS ok;
SELECT nurture_consent(9401, 'given', '*', '*') > 0 AS ok;
SELECT is(pg_temp.counts(9401), 'se_viewed 1 | plain 1', 'consent for other purposes, or for all without naming this one, is no grant');
SELECT nurture_consent(9401, 'requested', '*', 'sensitive_inference') > 0 AS ok;
SELECT is(pg_temp.counts(9401), 'se_viewed 1 | plain 1', 'nor is a request');
SELECT nurture_consent(9401, 'given', '*', 'sensitive_inference', 'oncology') > 0 AS ok;
SELECT is(pg_temp.counts(9401), 'se_viewed 1 | plain 1', 'nor is a grant for one topic');

-- granting brings in what was stored
SELECT nurture_consent(9401, 'given', 'email', 'sensitive_inference') > 0 AS ok;
SELECT is(pg_temp.counts(9401), 'se_viewed 1, se_ill 1, se_secret 1, se_plain 1 | plain 2, below 1', 'granting brings stored events in, signals and topics');
INSERT INTO nurture.event (lead_id, event_type, tags) VALUES (9401, 'se_secret', '{se:plain}');
SELECT is(pg_temp.counts(9401), 'se_viewed 1, se_ill 1, se_secret 2, se_plain 2 | plain 3, below 1', 'later ones count at once');
SELECT is(pg_temp.rebuilt(), 0::bigint, 'as counting again does');

-- and withdrawing takes it out
SELECT nurture_consent(9401, 'withdrawn', '*', 'sensitive_inference') > 0 AS ok;
SELECT is(pg_temp.counts(9401), 'se_viewed 1 | plain 1', 'withdrawing takes it out in the same transaction');
INSERT INTO nurture.event (lead_id, event_type, tags) VALUES (9401, 'se_secret', '{se:plain}');
SELECT is(pg_temp.counts(9401), 'se_viewed 1 | plain 1', 'and keeps it out');
SELECT nurture_consent(9401, 'given', 'phone', 'sensitive_inference') > 0 AS ok;
SELECT is(pg_temp.counts(9401), 'se_viewed 1 | plain 1', 'a narrow grant does not loosen a wide denial');
SELECT nurture_consent(9401, 'renewed', '*', 'sensitive_inference') > 0 AS ok;
SELECT is(pg_temp.counts(9401), 'se_viewed 1, se_ill 1, se_secret 3, se_plain 3 | plain 4, below 1', 'the grant of the same scope does');
SELECT nurture_consent(9401, 'withdrawn', 'email', '*') > 0 AS ok;
SELECT is(pg_temp.counts(9401), 'se_viewed 1 | plain 1', 'a denial of all purposes denies this one, whatever its channel');
SELECT nurture_consent(9401, 'given', 'email', '*') > 0 AS ok;
SELECT is(pg_temp.counts(9401), 'se_viewed 1, se_ill 1, se_secret 3, se_plain 3 | plain 4, below 1', 'until that is taken back');
SELECT nurture_opt_out(9401, 'email') >= 0 AS ok;
SELECT is(pg_temp.counts(9401), 'se_viewed 1, se_ill 1, se_secret 3, se_plain 3 | plain 4, below 1', 'opting out of marketing e-mail says nothing about it');
SELECT nurture_consent(9401, 'objected', 'email') > 0 AS ok;
SELECT is(pg_temp.counts(9401), 'se_viewed 1 | plain 1', 'an objection does');
SELECT is(pg_temp.rebuilt(), 0::bigint, 'counting again gives the same bytes');

-- a grant that was an error
SELECT nurture_consent(9402, 'given', '*', 'sensitive_inference') AS grant_id \gset
SELECT is(signals, '{}', 'a grant before any event') FROM nurture.activity WHERE lead_id = 9402;
INSERT INTO nurture.event (lead_id, event_type, tags) VALUES (9402, 'se_secret', '{se:ill}');
SELECT is(pg_temp.counts(9402), 'se_secret 1 | ill 1', 'holds for the first');
INSERT INTO nurture.consent_event (lead_id, channel, kind, evidence) VALUES (9402, 'email', 'entered_in_error', jsonb_build_object('consent_event_id', :grant_id));
SELECT is(pg_temp.counts(9402), '', 'entered in error, it never was');

-- several leads in a statement, out of order
INSERT INTO nurture.consent_event (lead_id, channel, purpose, kind) SELECT i, '*', 'sensitive_inference', 'given' FROM generate_series(9420, 9411, -1) i WHERE i % 2 = 0;
INSERT INTO nurture.event (lead_id, event_type, occurred_at, tags) SELECT 9411 + i % 10, 'se_secret', '2026-06-10', '{se:ill}' FROM generate_series(1, 100) i;
SELECT is((SELECT string_agg(lead_id || ':' || coalesce(nullif(pg_temp.counts(lead_id), ''), '-'), ' ' ORDER BY lead_id) FROM nurture.activity WHERE lead_id BETWEEN 9411 AND 9414),
    '9411:- 9412:se_secret 10 | ill 10 9413:- 9414:se_secret 10 | ill 10', 'in one statement some count and others do not');
DELETE FROM nurture.event WHERE event_id IN (SELECT min(event_id) FROM nurture.event WHERE lead_id BETWEEN 9411 AND 9420 GROUP BY lead_id);
SELECT is(pg_temp.counts(9412), 'se_secret 9 | ill 9', 'deleted ones are taken away');
SELECT is(pg_temp.counts(9413), '', 'where they were counted');
UPDATE nurture.event SET tags = '{se:plain}', event_type = 'se_viewed' WHERE lead_id IN (9412, 9413);
SELECT is(pg_temp.counts(9412) || ' / ' || pg_temp.counts(9413), 'se_viewed 9 | plain 9 / se_viewed 9 | plain 9', 'corrected to something else they count for all');
UPDATE nurture.event SET event_type = 'se_secret' WHERE lead_id IN (9412, 9413);
SELECT is(pg_temp.counts(9412) || ' / ' || pg_temp.counts(9413), 'se_secret 9, se_plain 9 | plain 9 / ', 'and back');
SELECT is(pg_temp.rebuilt(), 0::bigint, 'counting again gives the same bytes');

-- late events, on folded days
UPDATE nurture.activity SET signals = nurture_tally_roll(signals, '2026-06-12'), topics = nurture_tally_roll(topics, '2026-06-12') WHERE lead_id BETWEEN 9411 AND 9420;
INSERT INTO nurture.event (lead_id, event_type, occurred_at, tags) SELECT i, 'se_secret', '2026-06-10', '{se:plain}' FROM generate_series(9411, 9420) i;
SELECT is((SELECT signals::text || topics::text FROM nurture.activity WHERE lead_id = 9412), '{29003@ever:10/1, 29004@ever:10/1; rolled 2026-06-12}{65201@ever:10/1; rolled 2026-06-12}', 'a late event of a folded day');
DELETE FROM nurture.event WHERE lead_id BETWEEN 9411 AND 9420 AND occurred_at = '2026-06-10' AND event_id % 3 = 0;
SELECT is(pg_temp.rebuilt(), 0::bigint, 'taken from and added to, folded counts are what counting again gives');

-- all ways in
SELECT nurture_consent(9421, 'confirmed', '*', 'sensitive_inference') > 0 AS ok;
SELECT * FROM nurture_ingest('[{"lead_id": 9421, "event_type": "se_secret", "source": "s", "source_key": "1"}, {"lead_id": 9422, "event_type": "se_secret", "source": "s", "source_key": "1"}, {"lead_id": 9421, "event_type": "se_secret", "source": "s", "source_key": "1"}]');
SELECT is(pg_temp.counts(9421) || '/' || pg_temp.counts(9422), 'se_secret 1/', 'nurture_ingest');
COPY nurture.event (lead_id, event_type, source, source_key) FROM STDIN WITH (DELIMITER ' ');
9421 se_secret s 1
9421 se_secret s 2
9422 se_secret s 3
\.
SELECT is(pg_temp.counts(9421) || '/' || pg_temp.counts(9422), 'se_secret 2/', 'COPY, without repetitions');
INSERT INTO nurture.signal (signal, signal_id, event_type) VALUES ('se_new', 29005, 'se_secret');
SELECT nurture_backfill('se_new') > 0 AS ok;
SELECT is(pg_temp.counts(9421) || '/' || pg_temp.counts(9422), 'se_secret 2, se_new 2/', 'nurture_backfill');
SELECT is((SELECT filled FROM nurture.backfill WHERE signal = 'se_new'), (SELECT count(*) FROM nurture.activity WHERE nurture_tally_count(signals, 29005) > 0), 'which knows who has it');
SELECT is(pg_temp.rebuilt(), 0::bigint, 'counting again gives the same bytes');

-- a grant that runs out
SELECT nurture_consent(9423, 'given', '*', 'sensitive_inference', expires_at => '2026-06-20 00:00+00') > 0 AS ok;
INSERT INTO nurture.event (lead_id, event_type) VALUES (9423, 'se_secret');
SELECT is(pg_temp.counts(9423), 'se_secret 1, se_new 1', 'counted while it holds');
SET LOCAL nurture.clock = '2026-06-21 12:00:00+00';
INSERT INTO nurture.event (lead_id, event_type) VALUES (9423, 'se_secret');
SELECT is(pg_temp.counts(9423), 'se_secret 1, se_new 1', 'no event counts after it has run out');
SELECT done FROM nurture_tick() WHERE kind = 'sensitive';
SELECT is(pg_temp.counts(9423), '', 'and the tick takes out what it had let in');
SELECT is((SELECT state FROM nurture.consent WHERE lead_id = 9423 AND purpose = 'sensitive_inference'), 'expired', 'for the record');
SELECT is((SELECT done FROM nurture_tick() WHERE kind = 'sensitive'), 0::bigint, 'once');
SELECT nurture_consent(9423, 'renewed', '*', 'sensitive_inference') > 0 AS ok;
SELECT is(pg_temp.counts(9423), 'se_secret 1, se_secret 1, se_new 1, se_new 1', 'renewed, it lets in what came between');
SELECT nurture_consent(9424, 'given', '*', 'sensitive_inference', expires_at => '2026-06-22 00:00+00') > 0 AS ok;
INSERT INTO nurture.event (lead_id, event_type) VALUES (9424, 'se_secret');
SET LOCAL nurture.clock = '2026-06-23 12:00:00+00';
SELECT nurture_consent(9424, 'withdrawn', '*', 'sensitive_inference') > 0 AS ok;
SELECT is(pg_temp.counts(9424), '', 'withdrawn after it ran out and before the tick');
SELECT is(pg_temp.rebuilt(), 0::bigint, 'counting again gives the same bytes');

-- the base keeps nothing sensitive
SELECT is((SELECT count(*) FROM nurture_partition_drop('2026-06-15')), 0::bigint, 'there is nothing old');
INSERT INTO nurture.event (lead_id, event_type, occurred_at, recorded_at, tags) VALUES (9425, 'se_secret', '2024-01-10', '2024-01-10', '{se:ill}'), (9425, 'se_viewed', '2024-01-10', '2024-01-10', '{se:ill,se:plain}');
SELECT nurture_consent(9425, 'given', '*', 'sensitive_inference') > 0 AS ok;
SELECT is(pg_temp.counts(9425), 'se_viewed 1, se_ill 1, se_secret 1, se_new 1 | plain 1, ill 2', 'old events of a lead that granted it');
SELECT events, leads FROM nurture_partition_drop('2024-02-01');
SELECT is(pg_temp.counts(9425) || ' / ' || (SELECT base::text || base_topics::text FROM nurture.activity WHERE lead_id = 9425), 'se_viewed 1 | plain 1 / {29001@2024-01-10:1}{65201@2024-01-10:1}', 'what is sensitive goes with its events');
SELECT is(pg_temp.rebuilt(), 0::bigint, 'counting again gives the same bytes');

-- what becomes sensitive later
INSERT INTO nurture.event_type (event_type, class) VALUES ('se_later', 'content');
INSERT INTO nurture.tag (dimension, value, tag_id, parent) VALUES ('se', 'top', 65204, NULL), ('se', 'under', 65205, 'top');
INSERT INTO nurture.signal (signal, signal_id, event_type, tags) VALUES ('se_later', 29006, 'se_later', '{}'), ('se_top', 29007, 'se_viewed', '{se:top}');
INSERT INTO nurture.event (lead_id, event_type, occurred_at, recorded_at, tags) SELECT l, t, at, at, '{se:plain,se:under}' FROM unnest(ARRAY[9426, 9427]) l, unnest(ARRAY['se_later', 'se_viewed']) t, unnest(ARRAY['2026-06-20', '2024-01-10']::timestamptz[]) at;
SELECT nurture_consent(9427, 'given', '*', 'sensitive_inference') > 0 AS ok;
SELECT events, leads FROM nurture_partition_drop('2024-02-01');
SELECT is(pg_temp.counts(9426), pg_temp.counts(9427), 'while it is not, it counts for all');
UPDATE nurture.event_type SET sensitive = true WHERE event_type = 'se_later';
SELECT is(pg_temp.counts(9426), 'se_viewed 1, se_viewed 1, se_top 1, se_top 1 | plain 2, plain 1, under 2, under 1', 'a kind of event that becomes sensitive is taken out, with what dropped events gave to its signals');
SELECT is(pg_temp.counts(9427), 'se_viewed 1, se_viewed 1, se_later 1, se_top 1, se_top 1 | plain 2, plain 2, under 2, under 2', 'where it was not granted, the base everywhere');
SELECT is(pg_temp.rebuilt(), 0::bigint, 'counting again gives the same bytes');
UPDATE nurture.tag SET sensitive = true WHERE dimension = 'se' AND value = 'top';
SELECT is(pg_temp.counts(9426), 'se_viewed 1, se_viewed 1 | plain 2, plain 1', 'so is a tag, with those below it and signals on it');
SELECT is((SELECT base::text || base_topics::text FROM nurture.activity WHERE lead_id = 9427), '{29001@2024-01-10:1}{65201@2024-01-10:2}', 'of the base too');
UPDATE nurture.tag SET parent = NULL WHERE dimension = 'se' AND value = 'under';
SELECT is(pg_temp.counts(9426), 'se_viewed 1, se_viewed 1 | plain 2, plain 1, under 1', 'a tag that leaves the sensitive ones counts again');
UPDATE nurture.event_type SET sensitive = false WHERE event_type = 'se_later';
SELECT is(pg_temp.counts(9426), 'se_viewed 1, se_viewed 1, se_later 1 | plain 2, plain 2, under 2', 'as does a kind of event that is no longer');
UPDATE nurture.tag SET title = 'Words' WHERE dimension = 'se';
SELECT is(pg_temp.counts(9426), 'se_viewed 1, se_viewed 1, se_later 1 | plain 2, plain 2, under 2', 'words change nothing');
SELECT is(pg_temp.rebuilt(), 0::bigint, 'counting again gives the same bytes');
-- an objection forbids it as long as it stands, also when a grant of another purpose ends it
INSERT INTO nurture.lead (lead_id) VALUES (9490);
SELECT nurture_consent(9490, 'given', '*', 'sensitive_inference') > 0 AS ok;
INSERT INTO nurture.event (lead_id, event_type) VALUES (9490, 'se_secret');
SELECT is(pg_temp.counts(9490), 'se_secret 1, se_new 1', 'granted');
SELECT nurture_consent(9490, 'objected', 'email') > 0 AS ok;
SELECT is(pg_temp.counts(9490), '', 'objected');
SELECT nurture_consent(9490, 'confirmed', 'email') > 0 AS ok;
SELECT is(pg_temp.counts(9490), 'se_secret 1, se_new 1', 'and confirmed');

SELECT * FROM finish();
ROLLBACK;
