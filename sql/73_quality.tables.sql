-- What goes with a professional role: what does not is a contradiction, for
-- reports and tier 1.

CREATE TABLE nurture.role (
    role text PRIMARY KEY CHECK (role ~ '^[a-z][a-z0-9_]*$'),
    audience_types text[] NOT NULL DEFAULT '{*}' CHECK (cardinality(audience_types) > 0 AND array_position(audience_types, NULL) IS NULL),
    specialties text[] CHECK (array_position(specialties, NULL) IS NULL),
    title text NOT NULL,
    owner text,
    reason text
);
COMMENT ON TABLE nurture.role IS 'Professional roles and what goes with them. A role without a row contradicts nothing.';
COMMENT ON COLUMN nurture.role.role IS 'Code, as in nurture.lead.role.';
COMMENT ON COLUMN nurture.role.audience_types IS 'Audience types a lead of this role can be; * = all. Unknown fits every role.';
COMMENT ON COLUMN nurture.role.specialties IS 'Medical specialties that go with it; NULL = any, empty = none.';
COMMENT ON COLUMN nurture.role.title IS 'Words for people.';
COMMENT ON COLUMN nurture.role.owner IS 'Who answers for the row.';
COMMENT ON COLUMN nurture.role.reason IS 'Why it is as it is.';
SELECT @extschema@.nurture_config_table('nurture.role');
