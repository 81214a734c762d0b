-- nurture_ingest: what can be stored is stored, the rest waits with a reason.
BEGIN;
SELECT plan(47);
SET LOCAL nurture.clock = '2026-06-15 12:00:00+00';
SET LOCAL timezone = 'UTC';
INSERT INTO nurture.event_type (event_type, class) VALUES ('in_viewed', 'content');
INSERT INTO nurture.signal (signal, event_type) VALUES ('in_viewed', 'in_viewed');
INSERT INTO nurture.lead (lead_id, external_ref, merged_into) VALUES
    (9101, 'IN-1', NULL), (9102, 'IN-2', NULL), (9103, 'IN-TWICE', NULL), (9104, 'IN-TWICE', NULL),
    (9105, 'IN-OLD', 9101), (9106, 'IN-2', 9102);

CREATE FUNCTION pg_temp.ingest(events jsonb) RETURNS text LANGUAGE sql AS
$$ SELECT format('%s inserted, %s duplicates, %s quarantined, %s unidentified', inserted, duplicates, quarantined, unidentified) FROM nurture_ingest(events) $$;
-- reason and words of what the last call put aside
CREATE FUNCTION pg_temp.refusal(event jsonb) RETURNS text LANGUAGE plpgsql AS
$$
DECLARE
    last bigint := (SELECT coalesce(max(quarantine_id), 0) FROM nurture.event_quarantine);
BEGIN
    PERFORM nurture_ingest(event);
    RETURN (SELECT string_agg(reason || ': ' || detail, ' | ') FROM nurture.event_quarantine WHERE quarantine_id > last);
END
$$;

-- what is stored
SELECT is(pg_temp.ingest('[{"lead_id": 9101, "event_type": "in_viewed", "occurred_at": "2026-06-01T10:00:00Z"},
    {"external_ref": "IN-2", "event_type": "in_viewed", "source": "web", "source_key": "a", "tags": ["topic:none_such", "x:y"], "properties": {"seconds": 61}}]'),
    '2 inserted, 0 duplicates, 0 quarantined, 0 unidentified', 'an array is stored');
SELECT results_eq($$SELECT lead_id, occurred_at, recorded_at, source, source_key, tags, properties FROM nurture.event WHERE lead_id BETWEEN 9101 AND 9102 ORDER BY lead_id$$,
    $$VALUES (9101::bigint, '2026-06-01 10:00:00+00'::timestamptz, '2026-06-15 12:00:00+00'::timestamptz, NULL, NULL, NULL::text[], NULL::jsonb),
             (9102, '2026-06-15 12:00:00+00', '2026-06-15 12:00:00+00', 'web', 'a', '{topic:none_such,x:y}', '{"seconds": 61}')$$,
    'every key goes to its column, missing ones to their default');
SELECT is((SELECT nurture_tally_count(signals, 'in_viewed') FROM nurture.activity WHERE lead_id = 9101), 1::bigint, 'and is counted');
SELECT is(pg_temp.ingest('{"lead_id": "9101", "event_type": "in_viewed", "version": 3, "message_id": 7, "asset_id": "nobody", "channel": "email", "campaign": "c"}'),
    '1 inserted, 0 duplicates, 0 quarantined, 0 unidentified', 'one event needs no array');
SELECT is((SELECT (version, message_id, asset_id, channel, campaign)::text FROM nurture.event WHERE lead_id = 9101 AND version IS NOT NULL),
    '(3,7,nobody,email,c)', 'numbers and codes are stored');
SELECT is(pg_temp.ingest('[]'), '0 inserted, 0 duplicates, 0 quarantined, 0 unidentified', 'nothing is nothing');
SELECT is((SELECT nurture_ingest(NULL)), NULL, 'NULL is NULL');
SELECT is(pg_temp.ingest('{"lead_id": 9101, "event_type": "in_viewed", "occurred_at": null, "tags": null, "properties": null, "source": null}'),
    '1 inserted, 0 duplicates, 0 quarantined, 0 unidentified', 'JSON null is a missing key');

-- repetitions
SELECT is(pg_temp.ingest('[{"lead_id": 9102, "event_type": "in_viewed", "source": "web", "source_key": "a"},
    {"lead_id": 9102, "event_type": "in_viewed", "source": "web", "source_key": "b"},
    {"lead_id": 9102, "event_type": "in_viewed", "source": "web", "source_key": "b"},
    {"lead_id": 9102, "event_type": "in_viewed", "source_key": "b"}]'),
    '2 inserted, 2 duplicates, 0 quarantined, 0 unidentified', 'repetitions are counted, not stored');
SELECT is((SELECT nurture_tally_count(signals, 'in_viewed') FROM nurture.activity WHERE lead_id = 9102), 3::bigint, 'nor counted as activity');

-- who it is
SELECT is(nurture_lead_id('IN-1'), 9101::bigint, 'a lead is found by external_ref');
SELECT is(nurture_lead_id('IN-OLD'), 9101::bigint, 'a merged lead leads to its survivor');
SELECT is(nurture_lead_id('IN-2'), 9102::bigint, 'a survivor and what it absorbed are one');
SELECT is(nurture_lead_id('IN-TWICE'), NULL::bigint, 'two leads with one reference are nobody');
SELECT is(nurture_lead_id('IN-3'), NULL::bigint, 'an unknown reference is nobody');
SELECT is(nurture_lead_id(NULL), NULL::bigint, 'NULL is nobody');
SELECT is(pg_temp.ingest('[{"external_ref": "IN-3", "event_type": "in_viewed"}, {"external_ref": "IN-TWICE", "event_type": "in_viewed"},
    {"identity": {"kind": "email", "value": "a@example.org"}, "event_type": "in_viewed"}, {"external_ref": "IN-1", "event_type": "in_viewed"}]'),
    '1 inserted, 0 duplicates, 0 quarantined, 3 unidentified', 'who is not known waits');
SELECT is((SELECT count(*) FROM nurture.event_quarantine WHERE reason = 'unidentified' AND payload ? 'event_type'), 3::bigint, 'with the event as it came');

-- every refusal has its reason
SELECT is(pg_temp.refusal('{"lead_id": 9199, "event_type": "in_viewed"}'), 'unknown_lead: there is no lead with this lead_id', 'unknown lead');
SELECT ok(pg_temp.refusal('{"lead_id": 9101, "event_type": "in_veiwed"}') LIKE 'unknown_event_type: the nearest known event types are %"in_viewed"%', 'unknown event type names the nearest');
SELECT is(pg_temp.refusal('{"lead_id": 9101}'), 'bad_value: there is no event_type', 'no event type');
SELECT is(pg_temp.refusal('{"event_type": "in_viewed"}'), 'bad_value: there is no lead_id, external_ref, identity, account_id or account_ref', 'no lead');
SELECT is(pg_temp.refusal('{"lead_id": 9101, "external_ref": "IN-1", "event_type": "in_viewed"}'), 'bad_value: give one of lead_id, external_ref, identity, account_id and account_ref', 'two ways to say who');
SELECT is(pg_temp.refusal('{"lead_id": 9101, "event_type": "in_viewed", "occurred_at": "2026-06-15T12:06:00Z"}'), 'future: occurred_at lies more than 5 minutes in the future', 'future');
SELECT is(pg_temp.refusal('{"lead_id": 9101, "event_type": "in_viewed", "occurred_at": "2026-06-15T12:04:59Z"}'), NULL, 'clocks may differ by five minutes');
SELECT is(pg_temp.refusal('{"lead_id": 9101, "event_type": "in_viewed", "occurred_at": "infinity"}'), 'bad_value: occurred_at is infinite', 'infinity');
SELECT is(pg_temp.refusal('{"lead_id": 9101, "event_type": "in_viewed", "occurred_at": "-infinity"}'), 'bad_value: occurred_at is infinite', '-infinity');
SELECT is(pg_temp.refusal('{"lead_id": 9101, "event_type": "in_viewed", "occurred_at": "yesterdayish"}'), 'bad_value: occurred_at is not a date and time', 'no date');
SELECT is(pg_temp.refusal('{"lead_id": 9101, "event_type": "in_viewed", "occurred_at": "2026-02-30"}'), 'bad_value: occurred_at is not a date and time', 'no day of the calendar');
SELECT is(pg_temp.refusal('{"lead_id": 9101, "event_type": "in_viewed", "occurred_at": "1969-07-20"}'), 'bad_value: occurred_at is out of range', 'before all tallies');
SELECT is(pg_temp.refusal('{"lead_id": 9101, "event_type": "in_viewed", "occurred_at": 1781000000}'), 'bad_value: occurred_at must be a text such as 2026-11-03T10:00:00Z', 'a number is no date');
SELECT is(pg_temp.refusal(jsonb_build_object('lead_id', 9101, 'event_type', 'in_viewed', 'occurred_at', repeat('9', 1000000))), 'bad_value: occurred_at is not a date and time', '1 MB of date');
SELECT is(pg_temp.refusal('{"lead_id": "NaN", "event_type": "in_viewed"}'), 'bad_value: lead_id must be a whole number', 'NaN');
SELECT is(pg_temp.refusal('{"lead_id": 9101.5, "event_type": "in_viewed"}'), 'bad_value: lead_id must be a whole number', 'a fraction');
SELECT is(pg_temp.refusal('{"lead_id": 9223372036854775808, "event_type": "in_viewed"}'), 'bad_value: lead_id is out of range', 'beyond bigint');
SELECT is(pg_temp.refusal('{"lead_id": 1e400, "event_type": "in_viewed"}'), 'bad_value: lead_id is out of range', 'far beyond');
SELECT is(pg_temp.refusal('{"lead_id": 9101, "event_type": "in_viewed", "version": 0}'), 'bad_value: version is out of range', 'version 0');
SELECT is(pg_temp.refusal('{"lead_id": 9101, "event_type": 5}'), 'bad_value: event_type must be a text', 'wrong type');
SELECT is(pg_temp.refusal(jsonb_build_object('lead_id', 9101, 'event_type', repeat('x', 1048576))), 'bad_value: event_type is longer than 255 bytes', '1 MB of event type');
SELECT is(pg_temp.refusal(jsonb_build_object('lead_id', 9101, 'event_type', 'in_viewed', 'source_key', repeat('x', 1048576))), 'bad_value: source_key is longer than 1024 bytes', '1 MB of key');
SELECT is(pg_temp.refusal('{"lead_id": 9101, "event_type": "in_viewed", "tags": ["topic:a", "b"]}'), 'bad_value: tag 2 is not of the form dimension:value, or longer than 255 bytes', 'a tag without dimension');
SELECT is(pg_temp.refusal('{"lead_id": 9101, "event_type": "in_viewed", "tags": "topic:a"}'), 'bad_value: tags must be an array of texts', 'tags that are no array');
SELECT is(pg_temp.refusal('{"lead_id": 9101, "event_type": "in_viewed", "properties": [1]}'), 'bad_value: properties must be an object', 'properties that are no object');
SELECT is(pg_temp.refusal('{"lead_id": 9101, "event_type": "in_viewed", "event_id": 1}'), 'bad_value: event_id is given by nurture', 'numbers of events are ours');
SELECT is(pg_temp.refusal('{"lead_id": 9101, "event_type": "in_viewed", "colour": "red"}'), 'bad_value: there is a key that is no column of nurture.event; put such values into properties', 'unknown key');
SELECT is(pg_temp.refusal('[5, null, "x", [], true]'), repeat('bad_value: an event must be an object | ', 4) || 'bad_value: an event must be an object', 'no objects');

-- a constraint of the user's own
ALTER TABLE nurture.event ADD CHECK (campaign <> 'forbidden');
SELECT is(pg_temp.ingest('[{"lead_id": 9101, "event_type": "in_viewed", "campaign": "fine"}, {"lead_id": 9101, "event_type": "in_viewed", "campaign": "forbidden"},
    {"lead_id": 9102, "event_type": "in_viewed", "source": "web", "source_key": "a"}]'),
    '1 inserted, 1 duplicates, 1 quarantined, 0 unidentified', 'what the table itself refuses is put aside, the others survive');
SELECT * FROM finish();
ROLLBACK;
