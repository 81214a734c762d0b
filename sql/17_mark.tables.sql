-- Labels and lists: rows with a beginning and an end, so that the past can be
-- asked.

CREATE TABLE nurture.list (
    list text PRIMARY KEY CHECK (list ~ '^[a-z][a-z0-9_]*$'),
    title text NOT NULL,
    origin text NOT NULL DEFAULT 'hand' CHECK (origin ~ '^[a-z][a-z0-9_]*$'),
    owner text,
    reason text
);
COMMENT ON TABLE nurture.list IS 'Lists of leads, such as the delegates of a congress or the upload of a partner.';
COMMENT ON COLUMN nurture.list.list IS 'Code.';
COMMENT ON COLUMN nurture.list.title IS 'Words for people.';
COMMENT ON COLUMN nurture.list.origin IS 'Where its leads come from by default: hand, upload, partner, event, import.';
COMMENT ON COLUMN nurture.list.owner IS 'Who answers for the row.';
COMMENT ON COLUMN nurture.list.reason IS 'Why it is as it is.';
SELECT @extschema@.nurture_config_table('nurture.list');

CREATE TABLE nurture.list_member (
    lead_id bigint NOT NULL,
    list text NOT NULL,
    since timestamptz NOT NULL DEFAULT @extschema@.nurture_now(),
    until timestamptz CHECK (until >= since),
    origin text CHECK (origin ~ '^[a-z][a-z0-9_]*$'),
    source text,
    consent_source text,
    consent_at timestamptz,
    consent_evidence jsonb,
    by text,
    recorded_at timestamptz NOT NULL DEFAULT @extschema@.nurture_now(),
    PRIMARY KEY (lead_id, list, since)
);
CREATE UNIQUE INDEX list_member_open ON nurture.list_member (lead_id, list) WHERE until IS NULL;
CREATE INDEX list_member_list ON nurture.list_member (list);
COMMENT ON TABLE nurture.list_member IS 'Who is on which list, since when, from where and with what consent behind it. A consent told here is provenance, not permission: that is nurture.consent_event.';
COMMENT ON COLUMN nurture.list_member.lead_id IS 'Lead.';
COMMENT ON COLUMN nurture.list_member.list IS 'List.';
COMMENT ON COLUMN nurture.list_member.since IS 'Since when.';
COMMENT ON COLUMN nurture.list_member.until IS 'Until when; NULL = until further notice.';
COMMENT ON COLUMN nurture.list_member.origin IS 'Where this entry came from; the list''s own origin when not told.';
COMMENT ON COLUMN nurture.list_member.source IS 'File, partner or system.';
COMMENT ON COLUMN nurture.list_member.consent_source IS 'Who collected consent, and how.';
COMMENT ON COLUMN nurture.list_member.consent_at IS 'When that was.';
COMMENT ON COLUMN nurture.list_member.consent_evidence IS 'What shows it.';
COMMENT ON COLUMN nurture.list_member.by IS 'Who added the lead.';
COMMENT ON COLUMN nurture.list_member.recorded_at IS 'When we learned it.';

CREATE TABLE nurture.label (
    lead_id bigint NOT NULL,
    label text NOT NULL CHECK (label ~ '^[a-z][a-z0-9_]*$' AND length(label) <= 63),
    since timestamptz NOT NULL DEFAULT @extschema@.nurture_now(),
    until timestamptz CHECK (until >= since),
    by text,
    reason text,
    ended_by text,
    ended_reason text,
    recorded_at timestamptz NOT NULL DEFAULT @extschema@.nurture_now(),
    PRIMARY KEY (lead_id, label, since)
);
CREATE UNIQUE INDEX label_open ON nurture.label (lead_id, label) WHERE until IS NULL;
CREATE INDEX label_label ON nurture.label (label);
COMMENT ON TABLE nurture.label IS 'Labels of leads, set by patterns of models, by branches of tracks or by hand: nurture_label and nurture_unlabel, or plain INSERT and UPDATE. A deleted row is forgotten, an ended one stays.';
COMMENT ON COLUMN nurture.label.lead_id IS 'Lead.';
COMMENT ON COLUMN nurture.label.label IS 'Code.';
COMMENT ON COLUMN nurture.label.since IS 'Since when.';
COMMENT ON COLUMN nurture.label.until IS 'Until when; NULL = until it is taken off.';
COMMENT ON COLUMN nurture.label.by IS 'Who set it.';
COMMENT ON COLUMN nurture.label.reason IS 'Why.';
COMMENT ON COLUMN nurture.label.ended_by IS 'Who took it off.';
COMMENT ON COLUMN nurture.label.ended_reason IS 'Why.';
COMMENT ON COLUMN nurture.label.recorded_at IS 'When we learned it.';

CREATE TRIGGER nurture_mark_write BEFORE INSERT OR UPDATE ON nurture.list_member
    FOR EACH ROW EXECUTE FUNCTION @extschema@.nurture_mark_write();
CREATE TRIGGER nurture_mark_write BEFORE INSERT OR UPDATE ON nurture.label
    FOR EACH ROW EXECUTE FUNCTION @extschema@.nurture_mark_write();
CREATE TRIGGER nurture_mark_write BEFORE INSERT OR UPDATE ON nurture.document
    FOR EACH ROW EXECUTE FUNCTION @extschema@.nurture_mark_write();

-- standings are decided again where some rule reads labels or lists
CREATE TRIGGER nurture_standing_insert AFTER INSERT ON nurture.list_member
    REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.nurture_standing_decide_trigger('list');
CREATE TRIGGER nurture_standing_update AFTER UPDATE ON nurture.list_member
    REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.nurture_standing_decide_trigger('list');
CREATE TRIGGER nurture_standing_delete AFTER DELETE ON nurture.list_member
    REFERENCING OLD TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.nurture_standing_decide_trigger('list');
CREATE TRIGGER nurture_standing_insert AFTER INSERT ON nurture.label
    REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.nurture_standing_decide_trigger('label');
CREATE TRIGGER nurture_standing_update AFTER UPDATE ON nurture.label
    REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.nurture_standing_decide_trigger('label');
CREATE TRIGGER nurture_standing_delete AFTER DELETE ON nurture.label
    REFERENCING OLD TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.nurture_standing_decide_trigger('label');
