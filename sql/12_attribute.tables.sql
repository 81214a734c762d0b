-- The registry of attributes. Keys that are not in it may hold anything.

CREATE TABLE nurture.attribute (
    attribute text PRIMARY KEY CHECK (attribute ~ '^[a-z][a-z0-9_]*$'),
    type text NOT NULL CHECK (type IN ('text', 'number', 'boolean', 'date', 'list')),
    allowed text[] CHECK (cardinality(allowed) > 0 AND array_position(allowed, NULL) IS NULL AND array_position(allowed, '') IS NULL),
    tag_dimension text CHECK (tag_dimension ~ '^[a-z][a-z0-9_]*$'),
    required_for text[] NOT NULL DEFAULT '{}'
        CHECK (array_position(required_for, NULL) IS NULL
               AND array_to_string(required_for, ',') ~ '^(((\*|[a-z][a-z0-9_]*)/[0-4]|route:[a-z][a-z0-9_]*)(,|$))*$'),
    source_of_truth text,
    stale_after interval CHECK (stale_after > '0'),
    personal boolean NOT NULL DEFAULT false,
    title text,
    owner text,
    reason text,
    CONSTRAINT attribute_values_check CHECK (allowed IS NULL OR tag_dimension IS NULL),
    CONSTRAINT attribute_words_check CHECK (type IN ('text', 'list') OR (allowed IS NULL AND tag_dimension IS NULL))
);
COMMENT ON TABLE nurture.attribute IS 'What may stand in lead.attributes and account.attributes under a known key; data quality, the next question, hand-offs and imports read it.';
COMMENT ON COLUMN nurture.attribute.attribute IS 'Key.';
COMMENT ON COLUMN nurture.attribute.type IS 'text, number, boolean, date (text YYYY-MM-DD) or list (array of texts), as JSON has them.';
COMMENT ON COLUMN nurture.attribute.allowed IS 'Allowed values of a text or of the items of a list; NULL: any of at most 512 bytes.';
COMMENT ON COLUMN nurture.attribute.tag_dimension IS 'Instead of allowed: the values of nurture.tag in this dimension.';
COMMENT ON COLUMN nurture.attribute.required_for IS 'Where it has to be known: audience/tier, with * for every audience, or route:code.';
COMMENT ON COLUMN nurture.attribute.source_of_truth IS 'Which system or form is right when two differ.';
COMMENT ON COLUMN nurture.attribute.stale_after IS 'After this time it should be asked again; NULL: it does not age.';
COMMENT ON COLUMN nurture.attribute.personal IS 'Says something about the person that does not belong into error messages.';
COMMENT ON COLUMN nurture.attribute.title IS 'Words for people; as a question where it is asked.';
COMMENT ON COLUMN nurture.attribute.owner IS 'Who answers for the row.';
COMMENT ON COLUMN nurture.attribute.reason IS 'Why it is as it is.';
SELECT @extschema@.nurture_config_table('nurture.attribute');

-- Last by name, so that it sees what other triggers make of a row.
CREATE TRIGGER "~nurture_facts_check" BEFORE INSERT ON nurture.lead
    FOR EACH ROW EXECUTE FUNCTION @extschema@.nurture_facts_check();
CREATE TRIGGER "~nurture_facts_check_update" BEFORE UPDATE ON nurture.lead
    FOR EACH ROW WHEN (OLD.audience_type IS DISTINCT FROM NEW.audience_type OR OLD.attributes IS DISTINCT FROM NEW.attributes)
    EXECUTE FUNCTION @extschema@.nurture_facts_check();
CREATE TRIGGER "~nurture_facts_check" BEFORE INSERT ON nurture.account
    FOR EACH ROW EXECUTE FUNCTION @extschema@.nurture_facts_check();
CREATE TRIGGER "~nurture_facts_check_update" BEFORE UPDATE ON nurture.account
    FOR EACH ROW WHEN (OLD.attributes IS DISTINCT FROM NEW.attributes)
    EXECUTE FUNCTION @extschema@.nurture_facts_check();
ALTER TABLE nurture.lead
    ENABLE ALWAYS TRIGGER "~nurture_facts_check",
    ENABLE ALWAYS TRIGGER "~nurture_facts_check_update";
ALTER TABLE nurture.account
    ENABLE ALWAYS TRIGGER "~nurture_facts_check",
    ENABLE ALWAYS TRIGGER "~nurture_facts_check_update";
