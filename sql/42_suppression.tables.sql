-- Suppression: blocks as keyed hashes, the key's check value, what providers
-- said about addresses and what follows, and kinds of addresses.

CREATE TABLE nurture.suppression (
    scope text NOT NULL CHECK (scope IN ('contact_point', 'domain', 'lead', 'account', 'lead_address')),
    key_hash bytea NOT NULL CHECK (octet_length(key_hash) = 32),
    reason text NOT NULL CHECK (reason <> ''),
    until timestamptz NOT NULL DEFAULT 'infinity',
    source text,
    since timestamptz NOT NULL DEFAULT @extschema@.nurture_now(),
    PRIMARY KEY (key_hash, scope)
);
COMMENT ON TABLE nurture.suppression IS 'Hard blocks, kept as keyed hashes so that they outlive erasure and re-import.';
COMMENT ON COLUMN nurture.suppression.scope IS 'contact_point, domain (and what lies in it), lead, account, or lead_address: an address as far as one lead is concerned, until it has another.';
COMMENT ON COLUMN nurture.suppression.key_hash IS 'HMAC-SHA-256 of scope and normalised value with the pepper.';
COMMENT ON COLUMN nurture.suppression.reason IS 'Why: hard_bounce, soft_bounce, complaint, or words of a person.';
COMMENT ON COLUMN nurture.suppression.until IS 'Until when; infinity: for good.';
COMMENT ON COLUMN nurture.suppression.source IS 'Who asked for it, or the row of nurture.bounce_policy as bounce_policy:rule.';
COMMENT ON COLUMN nurture.suppression.since IS 'Since when.';

CREATE TABLE nurture.secret (
    name text PRIMARY KEY CHECK (name IN ('pepper', 'pepper_check')),
    key bytea NOT NULL CHECK (octet_length(key) >= 32)
);
COMMENT ON TABLE nurture.secret IS 'The key of contact point hashes that was generated at install, for trials; setting nurture.pepper_file takes its place. No rights for anybody but the owner.';
COMMENT ON COLUMN nurture.secret.name IS 'pepper: the generated key; pepper_check: what shows that a key is the one that suppressions were made with.';
COMMENT ON COLUMN nurture.secret.key IS 'Random bytes, or the check value.';
INSERT INTO nurture.secret (name, key)
    SELECT 'pepper', pg_catalog.sha256(pg_catalog.uuid_send(pg_catalog.gen_random_uuid()) || pg_catalog.uuid_send(pg_catalog.gen_random_uuid()));
-- no configuration: the change log would hold the key
CREATE TRIGGER nurture_invalidate AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON nurture.secret
    FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.nurture_invalidate();
CREATE TRIGGER nurture_invalidate_row AFTER INSERT OR UPDATE OR DELETE ON nurture.secret
    FOR EACH ROW EXECUTE FUNCTION @extschema@.nurture_invalidate();
ALTER TABLE nurture.secret
    ENABLE ALWAYS TRIGGER nurture_invalidate,
    ENABLE ALWAYS TRIGGER nurture_invalidate_row;

CREATE INDEX lead_normal_email ON nurture.lead (@extschema@.nurture_normal_email(email)) WHERE email IS NOT NULL;
CREATE INDEX lead_normal_phone ON nurture.lead (@extschema@.nurture_normal_phone(phone, country)) WHERE phone IS NOT NULL;

CREATE TABLE nurture.address_list (
    list text PRIMARY KEY CHECK (list ~ '^[a-z][a-z0-9_]*$'),
    kind text NOT NULL CHECK (kind IN ('role', 'disposable')),
    names text[] NOT NULL CHECK (array_position(names, NULL) IS NULL),
    source text NOT NULL,
    title text,
    owner text,
    reason text
);
COMMENT ON TABLE nurture.address_list IS 'Which e-mail addresses are of a role or disposable. Lists of one kind count together: add a list of your own beside those that came with a preset.';
COMMENT ON COLUMN nurture.address_list.list IS 'Code.';
COMMENT ON COLUMN nurture.address_list.kind IS 'role: names are local parts, such as info; disposable: names are domains, and what lies in them counts as well.';
COMMENT ON COLUMN nurture.address_list.names IS 'The names, in any case; domains outside ASCII as A-labels.';
COMMENT ON COLUMN nurture.address_list.source IS 'Where the list is from, and under which licence.';
COMMENT ON COLUMN nurture.address_list.title IS 'Words for people.';
COMMENT ON COLUMN nurture.address_list.owner IS 'Who answers for the row.';
COMMENT ON COLUMN nurture.address_list.reason IS 'Why it is as it is.';
SELECT @extschema@.nurture_config_table('nurture.address_list');

CREATE TABLE nurture.address_policy (
    kind text NOT NULL CHECK (kind IN ('role', 'disposable')),
    message_class text NOT NULL CHECK (message_class IN ('*', 'promotional', 'disease_awareness', 'medical_information', 'patient_support', 'operational')),
    verdict text NOT NULL CHECK (verdict IN ('allow', 'review', 'refuse')),
    title text,
    owner text,
    reason text,
    PRIMARY KEY (kind, message_class)
);
COMMENT ON TABLE nurture.address_policy IS 'What the gate says to a message for an address of a kind. Without a row: allow.';
COMMENT ON COLUMN nurture.address_policy.kind IS 'role or disposable.';
COMMENT ON COLUMN nurture.address_policy.message_class IS 'Message class; * for those without a row of their own.';
COMMENT ON COLUMN nurture.address_policy.verdict IS 'allow, review or refuse.';
COMMENT ON COLUMN nurture.address_policy.title IS 'Words for people.';
COMMENT ON COLUMN nurture.address_policy.owner IS 'Who answers for the row.';
COMMENT ON COLUMN nurture.address_policy.reason IS 'Why it is as it is.';
SELECT @extschema@.nurture_config_table('nurture.address_policy');

CREATE TABLE nurture.bounce_policy (
    rule text PRIMARY KEY CHECK (rule ~ '^[a-z][a-z0-9_]*$'),
    kind text NOT NULL CHECK (kind IN ('hard_bounce', 'soft_bounce', 'complaint')),
    status text NOT NULL DEFAULT '' CHECK (status ~ '^([245](\.[0-9]{1,3}(\.[0-9]{1,3})?)?)?$'),
    count integer NOT NULL DEFAULT 1 CHECK (count > 0),
    within interval CHECK (within > '0' AND within <= '100 years'),
    action text NOT NULL CHECK (action IN ('suppress', 'stop_address', 'none')),
    duration interval CHECK (duration > '0' AND duration <= '100 years'),
    title text,
    owner text,
    reason text,
    UNIQUE (kind, status),
    CHECK (count = 1 OR within IS NOT NULL)
);
COMMENT ON TABLE nurture.bounce_policy IS 'What follows when a provider tells that an address does not work, or of a complaint. Of the rows for a status code the narrowest applies.';
COMMENT ON COLUMN nurture.bounce_policy.rule IS 'Code.';
COMMENT ON COLUMN nurture.bounce_policy.kind IS 'hard_bounce (event email_hard_bounced), soft_bounce (email_soft_bounced) or complaint (complained).';
COMMENT ON COLUMN nurture.bounce_policy.status IS 'Status codes of RFC 3463 it is for: 5.1.1, a class such as 5.1 or 5, or nothing for all.';
COMMENT ON COLUMN nurture.bounce_policy.count IS 'At how many it acts, of the same address, kind and class.';
COMMENT ON COLUMN nurture.bounce_policy.within IS 'In which time before the last of them; for a count above 1. A day has 24 hours, a month 30 days.';
COMMENT ON COLUMN nurture.bounce_policy.action IS 'suppress: the contact point, whoever has it; stop_address: for this lead, until it has another address; none.';
COMMENT ON COLUMN nurture.bounce_policy.duration IS 'How long after the last of them, likewise; NULL: for good.';
COMMENT ON COLUMN nurture.bounce_policy.title IS 'Words for people.';
COMMENT ON COLUMN nurture.bounce_policy.owner IS 'Who answers for the row.';
COMMENT ON COLUMN nurture.bounce_policy.reason IS 'Why it is as it is.';
SELECT @extschema@.nurture_config_table('nurture.bounce_policy');

CREATE TABLE nurture.bounce (
    lead_id bigint NOT NULL,
    bounce_id bigint NOT NULL GENERATED BY DEFAULT AS IDENTITY,
    key_hash bytea CHECK (octet_length(key_hash) = 32),
    kind text NOT NULL CHECK (kind IN ('hard_bounce', 'soft_bounce', 'complaint')),
    status text NOT NULL DEFAULT '',
    occurred_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT @extschema@.nurture_now(),
    event_id bigint NOT NULL,
    message_id bigint,
    rule text,
    PRIMARY KEY (lead_id, bounce_id)
);
CREATE INDEX bounce_key ON nurture.bounce (key_hash, kind, occurred_at);
COMMENT ON TABLE nurture.bounce IS 'Bounces and complaints that events told of, by address; kept by the event that told it.';
COMMENT ON COLUMN nurture.bounce.lead_id IS 'Lead.';
COMMENT ON COLUMN nurture.bounce.bounce_id IS 'Number.';
COMMENT ON COLUMN nurture.bounce.key_hash IS 'Keyed hash of the address, as in nurture.message.contact_point_hash; NULL: not known.';
COMMENT ON COLUMN nurture.bounce.kind IS 'hard_bounce, soft_bounce or complaint.';
COMMENT ON COLUMN nurture.bounce.status IS 'Status code of RFC 3463, the class of a reply code, or nothing.';
COMMENT ON COLUMN nurture.bounce.occurred_at IS 'When it happened.';
COMMENT ON COLUMN nurture.bounce.recorded_at IS 'When we learned it.';
COMMENT ON COLUMN nurture.bounce.event_id IS 'Event that told it.';
COMMENT ON COLUMN nurture.bounce.message_id IS 'Message it is about, when told.';
COMMENT ON COLUMN nurture.bounce.rule IS 'Row of nurture.bounce_policy that acted; NULL: none did.';
