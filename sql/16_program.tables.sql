-- Programmes: rows that marketing and clinical operations keep.

CREATE TABLE nurture.program (
    program text PRIMARY KEY CHECK (program <> ''),
    kind text NOT NULL CHECK (kind IN ('study', 'product', 'partnership')),
    title text NOT NULL,
    therapeutic_areas text[] NOT NULL DEFAULT '{}' CHECK (array_position(therapeutic_areas, NULL) IS NULL),
    phases text[] NOT NULL DEFAULT '{}' CHECK (array_position(phases, NULL) IS NULL),
    modalities text[] NOT NULL DEFAULT '{}' CHECK (array_position(modalities, NULL) IS NULL),
    countries text[] NOT NULL DEFAULT '{}' CHECK (array_position(countries, NULL) IS NULL),
    site_types text[] NOT NULL DEFAULT '{}' CHECK (array_position(site_types, NULL) IS NULL),
    status text NOT NULL DEFAULT 'open' CHECK (status IN ('planned', 'open', 'paused', 'closed')),
    open_during tstzrange NOT NULL DEFAULT '(,)',
    owner text,
    reason text
);
COMMENT ON TABLE nurture.program IS 'Studies, products and partnerships that leads can fit. A list without values fits nobody, the value * everybody.';
COMMENT ON COLUMN nurture.program.program IS 'Code, such as a registry number.';
COMMENT ON COLUMN nurture.program.kind IS 'study, product or partnership.';
COMMENT ON COLUMN nurture.program.title IS 'Words for people.';
COMMENT ON COLUMN nurture.program.therapeutic_areas IS 'Tags of dimension therapeutic_area, compared with lead.therapeutic_area; one that lies within the other fits.';
COMMENT ON COLUMN nurture.program.phases IS 'Phases, such as phase_2, compared with attributes.phase of the lead, or program_stage where that is not known.';
COMMENT ON COLUMN nurture.program.modalities IS 'Modalities, compared with attributes.modality of the lead.';
COMMENT ON COLUMN nurture.program.countries IS 'ISO 3166-1 alpha-2, compared with lead.country.';
COMMENT ON COLUMN nurture.program.site_types IS 'Site types, compared with attributes.site_type of the lead.';
COMMENT ON COLUMN nurture.program.status IS 'planned, open, paused or closed; only open ones fit anybody.';
COMMENT ON COLUMN nurture.program.open_during IS 'When it is open, as far as that is known.';
COMMENT ON COLUMN nurture.program.owner IS 'Who answers for the row.';
COMMENT ON COLUMN nurture.program.reason IS 'Why it is as it is.';
SELECT @extschema@.nurture_config_table('nurture.program');
