-- The library: countries and languages, claims, content policies.

CREATE TABLE nurture.country (
    country text PRIMARY KEY CHECK (country ~ '^[A-Z]{2}$'),
    title text NOT NULL CHECK (title <> ''),
    owner text,
    reason text
);
COMMENT ON TABLE nurture.country IS 'Countries, which are the markets of content.';
COMMENT ON COLUMN nurture.country.country IS 'ISO 3166-1 alpha-2.';
COMMENT ON COLUMN nurture.country.title IS 'English name.';
COMMENT ON COLUMN nurture.country.owner IS 'Who answers for the row.';
COMMENT ON COLUMN nurture.country.reason IS 'Where it comes from.';
SELECT @extschema@.nurture_config_table('nurture.country');

CREATE TABLE nurture.language (
    language text PRIMARY KEY CHECK (language ~ '^[a-z]{2}$'),
    title text NOT NULL CHECK (title <> ''),
    owner text,
    reason text
);
COMMENT ON TABLE nurture.language IS 'Languages of content.';
COMMENT ON COLUMN nurture.language.language IS 'ISO 639-1.';
COMMENT ON COLUMN nurture.language.title IS 'English name.';
COMMENT ON COLUMN nurture.language.owner IS 'Who answers for the row.';
COMMENT ON COLUMN nurture.language.reason IS 'Where it comes from.';
SELECT @extschema@.nurture_config_table('nurture.language');

CREATE TABLE nurture.claim (
    claim text NOT NULL CHECK (claim ~ '^[A-Za-z0-9][A-Za-z0-9_.-]*$' AND length(claim) <= 120),
    version integer NOT NULL CHECK (version > 0),
    text text NOT NULL CHECK (text <> ''),
    status text NOT NULL DEFAULT 'draft' CHECK (status IN ('draft', 'in_review', 'approved', 'suspended', 'expired', 'withdrawn', 'superseded')),
    markets text[] NOT NULL DEFAULT '{*}' CHECK (cardinality(markets) > 0),
    audience_types text[] NOT NULL DEFAULT '{*}' CHECK (cardinality(audience_types) > 0),
    reference text,
    valid_during tstzrange NOT NULL DEFAULT tstzrange(NULL, NULL) CHECK (NOT isempty(valid_during)),
    review_due date,
    approved_by text,
    approved_at timestamptz,
    content_hash bytea,
    author text,
    author_login text,
    created_at timestamptz NOT NULL DEFAULT @extschema@.nurture_now(),
    status_reason text,
    title text,
    owner text,
    reason text,
    PRIMARY KEY (claim, version),
    CHECK (status NOT IN ('approved', 'suspended') OR (approved_at IS NOT NULL AND content_hash IS NOT NULL))
);
CREATE UNIQUE INDEX claim_in_use ON nurture.claim (claim) WHERE status IN ('approved', 'suspended');
COMMENT ON TABLE nurture.claim IS 'Approved statements that content makes, in versions: draft, in_review, approved, suspended, expired, withdrawn, superseded. An asset version that makes one is sent only while it has a version in force for the lead''s market and audience. Changed through nurture_set_claim_status and nurture_approve; a draft can be edited.';
COMMENT ON COLUMN nurture.claim.claim IS 'Code, named by nurture.asset_version.claims.';
COMMENT ON COLUMN nurture.claim.version IS 'Version, from 1.';
COMMENT ON COLUMN nurture.claim.text IS 'The statement, word by word.';
COMMENT ON COLUMN nurture.claim.status IS 'draft, in_review, approved, suspended, expired, withdrawn or superseded.';
COMMENT ON COLUMN nurture.claim.markets IS 'Markets it is approved for, ISO 3166-1 alpha-2; * = every market.';
COMMENT ON COLUMN nurture.claim.audience_types IS 'Audience types it is approved for; * = every audience.';
COMMENT ON COLUMN nurture.claim.reference IS 'What supports it, such as a publication.';
COMMENT ON COLUMN nurture.claim.valid_during IS 'When it may be made.';
COMMENT ON COLUMN nurture.claim.review_due IS 'When it has to be reviewed again.';
COMMENT ON COLUMN nurture.claim.approved_by IS 'Who gave the last approval.';
COMMENT ON COLUMN nurture.claim.approved_at IS 'When it became approved.';
COMMENT ON COLUMN nurture.claim.content_hash IS 'SHA-256 of everything approval is given for; set when it goes into review.';
COMMENT ON COLUMN nurture.claim.author IS 'Who added it.';
COMMENT ON COLUMN nurture.claim.author_login IS 'Role that was logged in when it was made, as the server knows it; NULL: a preset.';
COMMENT ON COLUMN nurture.claim.created_at IS 'When it was added.';
COMMENT ON COLUMN nurture.claim.status_reason IS 'Why it has its status.';
COMMENT ON COLUMN nurture.claim.title IS 'Words for people.';
COMMENT ON COLUMN nurture.claim.owner IS 'Who answers for the row.';
COMMENT ON COLUMN nurture.claim.reason IS 'Why it is as it is.';
SELECT @extschema@.nurture_config_table('nurture.claim');
CREATE TRIGGER nurture_author BEFORE INSERT OR UPDATE ON nurture.claim
    FOR EACH ROW EXECUTE FUNCTION @extschema@.nurture_version_author();
ALTER TABLE nurture.claim ENABLE ALWAYS TRIGGER nurture_author;
CREATE TRIGGER nurture_asset_guard BEFORE INSERT OR UPDATE OR DELETE ON nurture.claim
    FOR EACH ROW EXECUTE FUNCTION @extschema@.nurture_asset_guard();
CREATE TRIGGER nurture_asset_guard_truncate BEFORE TRUNCATE ON nurture.claim
    FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.nurture_asset_guard();
ALTER TABLE nurture.claim
    ENABLE ALWAYS TRIGGER nurture_asset_guard,
    ENABLE ALWAYS TRIGGER nurture_asset_guard_truncate;

CREATE TABLE nurture.content_policy (
    market text NOT NULL DEFAULT '*',
    message_class text NOT NULL DEFAULT '*' CHECK (message_class IN ('*', 'promotional', 'disease_awareness', 'medical_information', 'patient_support', 'operational')),
    audience_type text NOT NULL DEFAULT '*',
    safety_block text REFERENCES nurture.asset,
    disclaimer text REFERENCES nurture.asset,
    unsubscribe_required boolean NOT NULL DEFAULT false,
    legal_source text,
    title text,
    owner text,
    reason text,
    PRIMARY KEY (market, message_class, audience_type),
    CHECK (safety_block IS NOT NULL OR disclaimer IS NOT NULL OR unsubscribe_required)
);
COMMENT ON TABLE nurture.content_policy IS 'What content must carry, by market, message class and audience; every row that applies binds. Asked when a version is approved, chosen, decided about and taken.';
COMMENT ON COLUMN nurture.content_policy.market IS 'Market, ISO 3166-1 alpha-2, or * for all.';
COMMENT ON COLUMN nurture.content_policy.message_class IS 'Class, or * for all.';
COMMENT ON COLUMN nurture.content_policy.audience_type IS 'Audience type, or * for all.';
COMMENT ON COLUMN nurture.content_policy.safety_block IS 'Block with safety information that the version must be made with; NULL: none.';
COMMENT ON COLUMN nurture.content_policy.disclaimer IS 'Block with a disclaimer that the version must be made with; NULL: none.';
COMMENT ON COLUMN nurture.content_policy.unsubscribe_required IS 'The version must have a block in slot unsubscribe, which says how to leave the list.';
COMMENT ON COLUMN nurture.content_policy.legal_source IS 'Rule that asks for it.';
COMMENT ON COLUMN nurture.content_policy.title IS 'Words for people.';
COMMENT ON COLUMN nurture.content_policy.owner IS 'Who answers for the row.';
COMMENT ON COLUMN nurture.content_policy.reason IS 'Why it is as it is.';
SELECT @extschema@.nurture_config_table('nurture.content_policy');

CREATE TRIGGER nurture_check BEFORE INSERT OR UPDATE ON nurture.asset_version
    FOR EACH ROW EXECUTE FUNCTION @extschema@.nurture_library_check();
CREATE TRIGGER nurture_check BEFORE INSERT OR UPDATE ON nurture.claim
    FOR EACH ROW EXECUTE FUNCTION @extschema@.nurture_library_check();
CREATE TRIGGER nurture_check BEFORE INSERT OR UPDATE ON nurture.content_policy
    FOR EACH ROW EXECUTE FUNCTION @extschema@.nurture_library_check();
CREATE TRIGGER nurture_check BEFORE INSERT OR UPDATE ON nurture.asset_tag
    FOR EACH ROW EXECUTE FUNCTION @extschema@.nurture_library_check();
CREATE TRIGGER nurture_check BEFORE INSERT OR UPDATE ON nurture.asset_block
    FOR EACH ROW EXECUTE FUNCTION @extschema@.nurture_library_check();
