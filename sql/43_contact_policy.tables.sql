-- Contact policy: when a message may go out. Caps are in nurture.frequency_cap;
-- here are quiet hours, blackouts, rest after what a lead did, the holdout, and
-- the zones of countries, for leads whose own zone is not known.

CREATE TABLE nurture.contact_policy (
    policy text PRIMARY KEY DEFAULT 'default' CHECK (policy = 'default'),
    company_zone text NOT NULL DEFAULT 'UTC',
    horizon interval NOT NULL DEFAULT '90 days' CHECK (horizon BETWEEN '1 hour' AND '400 days'),
    title text,
    owner text,
    reason text
);
COMMENT ON TABLE nurture.contact_policy IS 'What holds for contact policy as a whole; one row. Without it the defaults of its columns hold.';
COMMENT ON COLUMN nurture.contact_policy.policy IS 'Always default.';
COMMENT ON COLUMN nurture.contact_policy.company_zone IS 'IANA zone in which the clocks company_day and company_week of caps run.';
COMMENT ON COLUMN nurture.contact_policy.horizon IS 'How far a message is put off at most; one that would have to wait longer is refused.';
COMMENT ON COLUMN nurture.contact_policy.title IS 'Words for people.';
COMMENT ON COLUMN nurture.contact_policy.owner IS 'Who answers for the row.';
COMMENT ON COLUMN nurture.contact_policy.reason IS 'Why it is as it is.';
SELECT @extschema@.nurture_config_table('nurture.contact_policy');

CREATE TABLE nurture.country_zone (
    country text NOT NULL CHECK (country ~ '^[A-Z]{2}$'),
    time_zone text NOT NULL CHECK (time_zone ~ '^[A-Za-z_]+(/[A-Za-z0-9_+-]+)+$'),
    title text,
    owner text,
    reason text,
    PRIMARY KEY (country, time_zone)
);
COMMENT ON TABLE nurture.country_zone IS 'Time zones of countries: a lead whose zone is not known has to be contacted at a time that is allowed in each of them. A zone that the server''s tz database does not know yet is left out.';
COMMENT ON COLUMN nurture.country_zone.country IS 'ISO 3166-1 alpha-2.';
COMMENT ON COLUMN nurture.country_zone.time_zone IS 'IANA zone in use there.';
COMMENT ON COLUMN nurture.country_zone.title IS 'Words for people.';
COMMENT ON COLUMN nurture.country_zone.owner IS 'Who answers for the row.';
COMMENT ON COLUMN nurture.country_zone.reason IS 'Where it comes from.';
SELECT @extschema@.nurture_config_table('nurture.country_zone');

CREATE TABLE nurture.quiet_hours (
    market text NOT NULL DEFAULT '*' CHECK (market ~ '^(\*|[A-Z]{2})$'),
    channel text NOT NULL DEFAULT '*' CHECK (channel ~ '^(\*|[a-z][a-z0-9_]*)$'),
    from_time time(0) NOT NULL CHECK (from_time < '24:00'),
    to_time time(0) NOT NULL,
    weekdays smallint[] NOT NULL DEFAULT '{1,2,3,4,5,6,7}' CHECK (cardinality(weekdays) BETWEEN 1 AND 7 AND weekdays <@ '{1,2,3,4,5,6,7}' AND array_position(weekdays, NULL) IS NULL),
    message_classes text[] NOT NULL DEFAULT '{promotional,disease_awareness,medical_information,patient_support}' CHECK (cardinality(message_classes) > 0),
    title text,
    owner text,
    reason text,
    PRIMARY KEY (market, channel, from_time, weekdays),
    CHECK (from_time <> to_time)
);
COMMENT ON TABLE nurture.quiet_hours IS 'Hours in which nothing is sent, by the clock where the lead is. A row gives way to one that names the market or the channel and all that it names; rows that name the same hold together.';
COMMENT ON COLUMN nurture.quiet_hours.market IS 'Country of the lead, ISO 3166-1 alpha-2, or *.';
COMMENT ON COLUMN nurture.quiet_hours.channel IS 'Channel, or *.';
COMMENT ON COLUMN nurture.quiet_hours.from_time IS 'Begin.';
COMMENT ON COLUMN nurture.quiet_hours.to_time IS 'End, not included; on the next day when it is not after the begin. 24:00 is the end of the day.';
COMMENT ON COLUMN nurture.quiet_hours.weekdays IS 'Days on which it begins, 1 Monday to 7 Sunday.';
COMMENT ON COLUMN nurture.quiet_hours.message_classes IS 'Message classes that keep it; operational ones only when named, or with {*}.';
COMMENT ON COLUMN nurture.quiet_hours.title IS 'Words for people.';
COMMENT ON COLUMN nurture.quiet_hours.owner IS 'Who answers for the row.';
COMMENT ON COLUMN nurture.quiet_hours.reason IS 'Law or agreement it follows.';
SELECT @extschema@.nurture_config_table('nurture.quiet_hours');

CREATE TABLE nurture.blackout (
    blackout text PRIMARY KEY CHECK (blackout ~ '^[a-z][a-z0-9_]*$'),
    market text NOT NULL DEFAULT '*' CHECK (market ~ '^(\*|[A-Z]{2})$'),
    channel text NOT NULL DEFAULT '*' CHECK (channel ~ '^(\*|[a-z][a-z0-9_]*)$'),
    during tstzrange NOT NULL CHECK (NOT isempty(during)),
    message_classes text[] NOT NULL DEFAULT '{promotional,disease_awareness,medical_information,patient_support}' CHECK (cardinality(message_classes) > 0),
    title text,
    owner text,
    reason text
);
COMMENT ON TABLE nurture.blackout IS 'Stretches of time in which nothing is sent, such as public holidays, a recall, or days around a congress.';
COMMENT ON COLUMN nurture.blackout.blackout IS 'Code.';
COMMENT ON COLUMN nurture.blackout.market IS 'Country of the lead, ISO 3166-1 alpha-2, or *.';
COMMENT ON COLUMN nurture.blackout.channel IS 'Channel, or *.';
COMMENT ON COLUMN nurture.blackout.during IS 'From when until when.';
COMMENT ON COLUMN nurture.blackout.message_classes IS 'Message classes that keep it; operational ones only when named, or with {*}.';
COMMENT ON COLUMN nurture.blackout.title IS 'Words for people.';
COMMENT ON COLUMN nurture.blackout.owner IS 'Who answers for the row.';
COMMENT ON COLUMN nurture.blackout.reason IS 'Why it is as it is.';
SELECT @extschema@.nurture_config_table('nurture.blackout');

CREATE TABLE nurture.rest_period (
    event_type text PRIMARY KEY CHECK (event_type ~ '^[a-z][a-z0-9_]*$'),
    channels text[] NOT NULL DEFAULT '{*}' CHECK (cardinality(channels) > 0),
    period interval NOT NULL CHECK (period > '0' AND period <= '400 days'),
    message_classes text[] NOT NULL DEFAULT '{promotional,disease_awareness}' CHECK (cardinality(message_classes) > 0),
    title text,
    owner text,
    reason text
);
COMMENT ON TABLE nurture.rest_period IS 'How long a lead is left in peace after it did something, counted from when it happened.';
COMMENT ON COLUMN nurture.rest_period.event_type IS 'What the lead did.';
COMMENT ON COLUMN nurture.rest_period.channels IS 'Channels that rest, {*} for all.';
COMMENT ON COLUMN nurture.rest_period.period IS 'How long; a day has 24 hours, a month 30 days.';
COMMENT ON COLUMN nurture.rest_period.message_classes IS 'Message classes that rest.';
COMMENT ON COLUMN nurture.rest_period.title IS 'Words for people.';
COMMENT ON COLUMN nurture.rest_period.owner IS 'Who answers for the row.';
COMMENT ON COLUMN nurture.rest_period.reason IS 'Why it is as it is.';
SELECT @extschema@.nurture_config_table('nurture.rest_period');

CREATE TABLE nurture.holdout (
    holdout text PRIMARY KEY CHECK (holdout ~ '^[a-z][a-z0-9_]*$'),
    per_mille integer NOT NULL CHECK (per_mille BETWEEN 0 AND 1000),
    salt text NOT NULL DEFAULT gen_random_uuid()::text CHECK (salt ~ '^[!-~]{8,200}$'),
    valid_during tstzrange NOT NULL DEFAULT '(,)' CHECK (NOT isempty(valid_during)),
    message_classes text[] NOT NULL DEFAULT '{promotional,disease_awareness}' CHECK (cardinality(message_classes) > 0),
    title text,
    owner text,
    reason text
);
COMMENT ON TABLE nurture.holdout IS 'Leads that get no such messages, to measure what messages do: a lead is held out when the first 60 bits of SHA-256 of "salt:holdout:lead_id", modulo 1000, are less than per_mille.';
COMMENT ON COLUMN nurture.holdout.holdout IS 'Code of the experiment.';
COMMENT ON COLUMN nurture.holdout.per_mille IS 'Share of leads. When it grows, those that are held out stay so.';
COMMENT ON COLUMN nurture.holdout.salt IS 'What makes this choice of leads its own; it never changes.';
COMMENT ON COLUMN nurture.holdout.valid_during IS 'From when until when it binds.';
COMMENT ON COLUMN nurture.holdout.message_classes IS 'Message classes that are held back.';
COMMENT ON COLUMN nurture.holdout.title IS 'Words for people.';
COMMENT ON COLUMN nurture.holdout.owner IS 'Who answers for the row.';
COMMENT ON COLUMN nurture.holdout.reason IS 'Why it is as it is.';
SELECT @extschema@.nurture_config_table('nurture.holdout');

CREATE TRIGGER nurture_check BEFORE INSERT OR UPDATE ON nurture.contact_policy
    FOR EACH ROW EXECUTE FUNCTION @extschema@.nurture_contact_policy_check();
CREATE TRIGGER nurture_check BEFORE INSERT OR UPDATE ON nurture.quiet_hours
    FOR EACH ROW EXECUTE FUNCTION @extschema@.nurture_contact_policy_check();
CREATE TRIGGER nurture_check BEFORE INSERT OR UPDATE ON nurture.blackout
    FOR EACH ROW EXECUTE FUNCTION @extschema@.nurture_contact_policy_check();
CREATE TRIGGER nurture_check BEFORE INSERT OR UPDATE ON nurture.rest_period
    FOR EACH ROW EXECUTE FUNCTION @extschema@.nurture_contact_policy_check();
CREATE TRIGGER nurture_check BEFORE INSERT OR UPDATE ON nurture.holdout
    FOR EACH ROW EXECUTE FUNCTION @extschema@.nurture_contact_policy_check();
CREATE TRIGGER nurture_check BEFORE INSERT OR UPDATE ON nurture.frequency_cap
    FOR EACH ROW EXECUTE FUNCTION @extschema@.nurture_contact_policy_check();
