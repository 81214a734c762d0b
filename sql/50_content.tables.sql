-- Content: the library of approved assets and the weights of selection.
-- A message may only use an asset version that is approved and in force; the
-- status moves along its graph through functions alone, and what was put up
-- for approval does not change any more.

CREATE TABLE nurture.channel (
    channel text PRIMARY KEY CHECK (channel ~ '^[a-z][a-z0-9_]*$' AND channel <> 'test'),
    kind text NOT NULL CHECK (kind IN ('message', 'audience', 'human')),
    contact_point text NOT NULL CHECK (contact_point IN ('email', 'phone', 'postal', 'none')),
    consent_channel text NOT NULL,
    delivery text NOT NULL DEFAULT 'at_most_once' CHECK (delivery IN ('at_most_once', 'at_least_once')),
    lease interval NOT NULL DEFAULT '15 minutes' CHECK (lease > '0' AND lease <= '30 days'),
    title text,
    owner text,
    reason text
);
COMMENT ON TABLE nurture.channel IS 'Ways to reach a lead.';
COMMENT ON COLUMN nurture.channel.channel IS 'Code; test is the queue of test leads and no channel.';
COMMENT ON COLUMN nurture.channel.kind IS 'message: one to one; audience: an advertising audience; human: a person calls or visits.';
COMMENT ON COLUMN nurture.channel.contact_point IS 'What it needs to know of the lead: email, phone, postal or none.';
COMMENT ON COLUMN nurture.channel.consent_channel IS 'Channel under which consent is kept.';
COMMENT ON COLUMN nurture.channel.delivery IS 'What happens when a worker took a message and told nothing until its lease ended: at_most_once, it failed; at_least_once, it is taken once more.';
COMMENT ON COLUMN nurture.channel.lease IS 'How long a worker has a message that it took.';
COMMENT ON COLUMN nurture.channel.title IS 'Words for people.';
COMMENT ON COLUMN nurture.channel.owner IS 'Who answers for the row.';
COMMENT ON COLUMN nurture.channel.reason IS 'Why it is as it is.';
SELECT @extschema@.nurture_config_table('nurture.channel');

CREATE TABLE nurture.asset (
    asset_id text PRIMARY KEY CHECK (asset_id ~ '^[A-Za-z0-9][A-Za-z0-9_.-]*$' AND length(asset_id) <= 120),
    family text NOT NULL CHECK (family ~ '^[A-Za-z0-9][A-Za-z0-9_.-]*$' AND length(family) <= 120),
    title text NOT NULL CHECK (title <> ''),
    format text NOT NULL CHECK (format ~ '^[a-z][a-z0-9_]*$'),
    purpose text NOT NULL DEFAULT 'marketing' CHECK (purpose ~ '^[a-z][a-z0-9_]*$'),
    priority smallint NOT NULL DEFAULT 0 CHECK (priority BETWEEN -100 AND 100),
    owner text,
    reason text
);
COMMENT ON TABLE nurture.asset IS 'Pieces of content; what may be sent are their approved versions.';
COMMENT ON COLUMN nurture.asset.asset_id IS 'Name of the asset, as the content system knows it.';
COMMENT ON COLUMN nurture.asset.family IS 'Assets that say the same: a lead gets one of them within the no-repeat window.';
COMMENT ON COLUMN nurture.asset.title IS 'Words for people.';
COMMENT ON COLUMN nurture.asset.format IS 'Such as email, article, video, webinar; block = reusable approved text.';
COMMENT ON COLUMN nurture.asset.purpose IS 'Purpose of consent that its messages need.';
COMMENT ON COLUMN nurture.asset.priority IS 'Editorial priority, the second criterion after rank.';
COMMENT ON COLUMN nurture.asset.owner IS 'Who answers for the row.';
COMMENT ON COLUMN nurture.asset.reason IS 'Why it is as it is.';
SELECT @extschema@.nurture_config_table('nurture.asset');

CREATE TABLE nurture.asset_version (
    asset_id text NOT NULL REFERENCES nurture.asset,
    version integer NOT NULL CHECK (version > 0),
    status text NOT NULL DEFAULT 'draft' CHECK (status IN ('draft', 'in_review', 'approved', 'suspended', 'expired', 'withdrawn', 'superseded')),
    message_class text NOT NULL CHECK (message_class IN ('promotional', 'disease_awareness', 'medical_information', 'patient_support', 'operational')),
    channels text[] NOT NULL CHECK (cardinality(channels) > 0),
    languages text[] NOT NULL CHECK (cardinality(languages) > 0),
    markets text[] NOT NULL CHECK (markets::text ~ '^\{(\*|[A-Z]{2})(,(\*|[A-Z]{2}))*\}$'),
    audience_types text[] NOT NULL CHECK (cardinality(audience_types) > 0),
    claims text[] NOT NULL DEFAULT '{}',
    safety_block text REFERENCES nurture.asset,
    merge_fields text[] NOT NULL DEFAULT '{}',
    approval_ref text,
    approved_by text,
    approved_at timestamptz,
    valid_during tstzrange NOT NULL DEFAULT tstzrange(NULL, NULL) CHECK (NOT isempty(valid_during)),
    review_due date,
    document_hash bytea,
    content_hash bytea,
    uri text,
    author text,
    author_login text,
    created_at timestamptz NOT NULL DEFAULT @extschema@.nurture_now(),
    status_reason text,
    title text,
    owner text,
    reason text,
    PRIMARY KEY (asset_id, version),
    CHECK (status NOT IN ('approved', 'suspended') OR (approved_at IS NOT NULL AND content_hash IS NOT NULL))
);
CREATE UNIQUE INDEX asset_version_in_use ON nurture.asset_version (asset_id) WHERE status IN ('approved', 'suspended');
COMMENT ON TABLE nurture.asset_version IS 'Versions of assets: draft, in_review, approved, suspended, expired, withdrawn, superseded. Changed through nurture_set_asset_status and nurture_approve; a draft can be edited.';
COMMENT ON COLUMN nurture.asset_version.asset_id IS 'Asset.';
COMMENT ON COLUMN nurture.asset_version.version IS 'Version, from 1.';
COMMENT ON COLUMN nurture.asset_version.status IS 'draft, in_review, approved, suspended, expired, withdrawn or superseded.';
COMMENT ON COLUMN nurture.asset_version.message_class IS 'Class of its messages: promotional, disease_awareness, medical_information, patient_support or operational.';
COMMENT ON COLUMN nurture.asset_version.channels IS 'Channels it is made for.';
COMMENT ON COLUMN nurture.asset_version.languages IS 'Languages, ISO 639-1; * = every language.';
COMMENT ON COLUMN nurture.asset_version.markets IS 'Markets it is approved for, ISO 3166-1 alpha-2; * = every market.';
COMMENT ON COLUMN nurture.asset_version.audience_types IS 'Audience types it is approved for; * = every audience.';
COMMENT ON COLUMN nurture.asset_version.claims IS 'Codes of the approved statements it makes.';
COMMENT ON COLUMN nurture.asset_version.safety_block IS 'Block with the safety information it must carry.';
COMMENT ON COLUMN nurture.asset_version.merge_fields IS 'The only facts of the lead that may be written into it: columns of lead, attributes.<key> or account.<column>, each with what stands in its place behind an equals sign.';
COMMENT ON COLUMN nurture.asset_version.approval_ref IS 'Number of the approval in the review system.';
COMMENT ON COLUMN nurture.asset_version.approved_by IS 'Who gave the last approval.';
COMMENT ON COLUMN nurture.asset_version.approved_at IS 'When it became approved.';
COMMENT ON COLUMN nurture.asset_version.valid_during IS 'When it may be used.';
COMMENT ON COLUMN nurture.asset_version.review_due IS 'When it has to be reviewed again.';
COMMENT ON COLUMN nurture.asset_version.document_hash IS 'Hash of the document itself, as the content system gave it.';
COMMENT ON COLUMN nurture.asset_version.content_hash IS 'SHA-256 of everything approval is given for: these columns, tags and blocks; set when it goes into review.';
COMMENT ON COLUMN nurture.asset_version.uri IS 'Where the document is.';
COMMENT ON COLUMN nurture.asset_version.author IS 'Who added it.';
COMMENT ON COLUMN nurture.asset_version.author_login IS 'Role that was logged in when it was made, as the server knows it; NULL: a preset.';
COMMENT ON COLUMN nurture.asset_version.created_at IS 'When it was added.';
COMMENT ON COLUMN nurture.asset_version.status_reason IS 'Why it has its status.';
COMMENT ON COLUMN nurture.asset_version.title IS 'Words for people.';
COMMENT ON COLUMN nurture.asset_version.owner IS 'Who answers for the row.';
COMMENT ON COLUMN nurture.asset_version.reason IS 'Why it is as it is.';
SELECT @extschema@.nurture_config_table('nurture.asset_version');

CREATE TABLE nurture.asset_tag (
    asset_id text NOT NULL,
    version integer NOT NULL,
    dimension text NOT NULL,
    value text NOT NULL,
    title text,
    owner text,
    reason text,
    PRIMARY KEY (asset_id, version, dimension, value),
    FOREIGN KEY (asset_id, version) REFERENCES nurture.asset_version ON DELETE CASCADE,
    FOREIGN KEY (dimension, value) REFERENCES nurture.tag
);
COMMENT ON TABLE nurture.asset_tag IS 'Tags of asset versions, from the controlled vocabulary.';
COMMENT ON COLUMN nurture.asset_tag.asset_id IS 'Asset.';
COMMENT ON COLUMN nurture.asset_tag.version IS 'Version.';
COMMENT ON COLUMN nurture.asset_tag.dimension IS 'Dimension of the tag.';
COMMENT ON COLUMN nurture.asset_tag.value IS 'Its value.';
COMMENT ON COLUMN nurture.asset_tag.title IS 'Words for people.';
COMMENT ON COLUMN nurture.asset_tag.owner IS 'Who answers for the row.';
COMMENT ON COLUMN nurture.asset_tag.reason IS 'Why it is as it is.';
SELECT @extschema@.nurture_config_table('nurture.asset_tag');

CREATE TABLE nurture.asset_block (
    asset_id text NOT NULL,
    version integer NOT NULL,
    slot text NOT NULL CHECK (slot ~ '^[a-z][a-z0-9_]*$'),
    block_asset text NOT NULL REFERENCES nurture.asset,
    title text,
    owner text,
    reason text,
    PRIMARY KEY (asset_id, version, slot),
    FOREIGN KEY (asset_id, version) REFERENCES nurture.asset_version ON DELETE CASCADE,
    CHECK (block_asset <> asset_id)
);
CREATE INDEX asset_block_used ON nurture.asset_block (block_asset);
COMMENT ON TABLE nurture.asset_block IS 'Reusable approved blocks an asset version is made with; it may be sent only while each has a version in force.';
COMMENT ON COLUMN nurture.asset_block.asset_id IS 'Asset.';
COMMENT ON COLUMN nurture.asset_block.version IS 'Version.';
COMMENT ON COLUMN nurture.asset_block.slot IS 'Place in the asset.';
COMMENT ON COLUMN nurture.asset_block.block_asset IS 'Asset of format block.';
COMMENT ON COLUMN nurture.asset_block.title IS 'Words for people.';
COMMENT ON COLUMN nurture.asset_block.owner IS 'Who answers for the row.';
COMMENT ON COLUMN nurture.asset_block.reason IS 'Why it is as it is.';
SELECT @extschema@.nurture_config_table('nurture.asset_block');

CREATE TABLE nurture.asset_prerequisite (
    asset_id text NOT NULL REFERENCES nurture.asset,
    prerequisite text NOT NULL CHECK (prerequisite ~ '^[a-z][a-z0-9_]*$'),
    condition jsonb NOT NULL,
    title text,
    owner text,
    reason text,
    PRIMARY KEY (asset_id, prerequisite)
);
COMMENT ON TABLE nurture.asset_prerequisite IS 'Conditions a lead must meet before an asset may be chosen.';
COMMENT ON COLUMN nurture.asset_prerequisite.asset_id IS 'Asset.';
COMMENT ON COLUMN nurture.asset_prerequisite.prerequisite IS 'Code.';
COMMENT ON COLUMN nurture.asset_prerequisite.condition IS 'Condition on the lead; must be true.';
COMMENT ON COLUMN nurture.asset_prerequisite.title IS 'Words for people.';
COMMENT ON COLUMN nurture.asset_prerequisite.owner IS 'Who answers for the row.';
COMMENT ON COLUMN nurture.asset_prerequisite.reason IS 'Why it is as it is.';
SELECT @extschema@.nurture_config_table('nurture.asset_prerequisite');
CREATE TRIGGER nurture_check BEFORE INSERT OR UPDATE ON nurture.asset_prerequisite
    FOR EACH ROW EXECUTE FUNCTION @extschema@.nurture_condition_check('prerequisite', 'prerequisite');

CREATE TABLE nurture.approval_policy (
    kind text NOT NULL DEFAULT 'asset' CHECK (kind ~ '^[a-z][a-z0-9_]*$'),
    message_class text NOT NULL DEFAULT '*',
    market text NOT NULL DEFAULT '*',
    roles text[] NOT NULL CHECK (cardinality(roles) > 0 AND roles <@ ARRAY['medical', 'legal', 'regulatory', 'marketing', 'sales', 'qa']),
    title text,
    owner text,
    reason text,
    PRIMARY KEY (kind, message_class, market)
);
COMMENT ON TABLE nurture.approval_policy IS 'Which roles must sign what; where no row applies one approval is enough, where several do all their roles are needed.';
COMMENT ON COLUMN nurture.approval_policy.kind IS 'What is approved: asset, model, track, route, selection, experiment, or config, a proposal of settings. Class and market are asked of assets only.';
COMMENT ON COLUMN nurture.approval_policy.message_class IS 'Class, or * for all.';
COMMENT ON COLUMN nurture.approval_policy.market IS 'Market, or * for all.';
COMMENT ON COLUMN nurture.approval_policy.roles IS 'Roles that must sign, each by another person.';
COMMENT ON COLUMN nurture.approval_policy.title IS 'Words for people.';
COMMENT ON COLUMN nurture.approval_policy.owner IS 'Who answers for the row.';
COMMENT ON COLUMN nurture.approval_policy.reason IS 'Why it is as it is.';
SELECT @extschema@.nurture_config_table('nurture.approval_policy');

CREATE TABLE nurture.approval (
    approval_id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    kind text NOT NULL,
    code text NOT NULL,
    version integer NOT NULL,
    role text NOT NULL CHECK (role IN ('medical', 'legal', 'regulatory', 'marketing', 'sales', 'qa')),
    decision text NOT NULL CHECK (decision IN ('approved', 'changes_requested', 'rejected')),
    signed_by text NOT NULL,
    signer_login text,
    signed_at timestamptz NOT NULL,
    meaning text,
    content_hash bytea NOT NULL
);
CREATE INDEX approval_of ON nurture.approval (kind, code, version);
COMMENT ON TABLE nurture.approval IS 'Signatures: who approved what, in which role, for which content; written by nurture_approve.';
COMMENT ON COLUMN nurture.approval.approval_id IS 'Number.';
COMMENT ON COLUMN nurture.approval.kind IS 'What was signed: asset, model, track, route, selection, experiment, or config, a proposal of settings.';
COMMENT ON COLUMN nurture.approval.code IS 'Which one; import for a proposal.';
COMMENT ON COLUMN nurture.approval.version IS 'Version; number of the proposal.';
COMMENT ON COLUMN nurture.approval.role IS 'Role of the signer.';
COMMENT ON COLUMN nurture.approval.decision IS 'approved, changes_requested or rejected.';
COMMENT ON COLUMN nurture.approval.signed_by IS 'Signer.';
COMMENT ON COLUMN nurture.approval.signer_login IS 'Role that was logged in when it was signed, as the server knows it.';
COMMENT ON COLUMN nurture.approval.signed_at IS 'When.';
COMMENT ON COLUMN nurture.approval.meaning IS 'What the signature means, in the signer''s words.';
COMMENT ON COLUMN nurture.approval.content_hash IS 'Content it was given for: of an asset, its content_hash; of rules, SHA-256 of the canonical text of what the version says.';

CREATE TABLE nurture.selection_version (
    selection text NOT NULL CHECK (selection ~ '^[a-z][a-z0-9_]*$'),
    version integer NOT NULL CHECK (version > 0),
    status text NOT NULL DEFAULT 'draft' CHECK (status IN ('draft', 'published', 'retired')),
    reason text,
    author text,
    author_login text,
    approver text,
    published_at timestamptz,
    retired_at timestamptz,
    content_hash bytea,
    title text,
    owner text,
    PRIMARY KEY (selection, version)
);
CREATE UNIQUE INDEX selection_version_published ON nurture.selection_version (selection) WHERE status = 'published';
COMMENT ON TABLE nurture.selection_version IS 'Versions of the weights by which assets are ranked; immutable once published.';
COMMENT ON COLUMN nurture.selection_version.selection IS 'Code; the one used is default.';
COMMENT ON COLUMN nurture.selection_version.version IS 'Version, from 1.';
COMMENT ON COLUMN nurture.selection_version.status IS 'draft, published or retired.';
COMMENT ON COLUMN nurture.selection_version.reason IS 'Why it was made.';
COMMENT ON COLUMN nurture.selection_version.author IS 'Who made it.';
COMMENT ON COLUMN nurture.selection_version.author_login IS 'Role that was logged in when it was made, as the server knows it; NULL: a preset.';
COMMENT ON COLUMN nurture.selection_version.approver IS 'Who published it.';
COMMENT ON COLUMN nurture.selection_version.published_at IS 'When it was published.';
COMMENT ON COLUMN nurture.selection_version.retired_at IS 'When another version took its place.';
COMMENT ON COLUMN nurture.selection_version.content_hash IS 'SHA-256 of its weights, set when it is published.';
COMMENT ON COLUMN nurture.selection_version.title IS 'Words for people.';
COMMENT ON COLUMN nurture.selection_version.owner IS 'Who answers for the row.';
SELECT @extschema@.nurture_config_table('nurture.selection_version');

CREATE TABLE nurture.selection_weight (
    selection text NOT NULL,
    version integer NOT NULL,
    term text NOT NULL CHECK (term IN ('interest', 'general', 'stage', 'preferred', 'depth_next', 'depth_same', 'freshness', 'format', 'priority', 'performance')),
    subject text NOT NULL DEFAULT '*',
    value text NOT NULL DEFAULT '*',
    weight integer NOT NULL CHECK (weight BETWEEN -10000 AND 10000),
    parameter integer CHECK (parameter BETWEEN 1 AND 3650),
    reason text,
    title text,
    owner text,
    PRIMARY KEY (selection, version, term, subject, value),
    FOREIGN KEY (selection, version) REFERENCES nurture.selection_version ON DELETE CASCADE
);
COMMENT ON TABLE nurture.selection_weight IS 'Weights of the terms whose sum is the rank of an asset.';
COMMENT ON COLUMN nurture.selection_weight.selection IS 'Selection.';
COMMENT ON COLUMN nurture.selection_weight.version IS 'Version.';
COMMENT ON COLUMN nurture.selection_weight.term IS 'interest: share of the lead''s interest in a tag x weight of its dimension; general: tag that suits leads without known interest; stage: funnel stage that suits a lifecycle stage; preferred: per preferred tag of the track step; depth_next: one deeper after repeated engagement with a topic; depth_same: as deep as before; freshness: falls to 0 over so many days after approval; format: times the share of the format among the assets that the lead engaged with; priority: per point of editorial priority; performance: points of an asset for an audience, by what it achieved.';
COMMENT ON COLUMN nurture.selection_weight.subject IS 'interest, general: dimension of the tag; stage: lifecycle stage; performance: asset; else *.';
COMMENT ON COLUMN nurture.selection_weight.value IS 'general: value of the tag; stage: funnel stage; performance: audience type, * = all; else *.';
COMMENT ON COLUMN nurture.selection_weight.weight IS 'Points.';
COMMENT ON COLUMN nurture.selection_weight.parameter IS 'freshness: days; depth_next: engagements with the topic within 90 days from which they are repeated.';
COMMENT ON COLUMN nurture.selection_weight.reason IS 'Why it is as it is.';
COMMENT ON COLUMN nurture.selection_weight.title IS 'Words for people.';
COMMENT ON COLUMN nurture.selection_weight.owner IS 'Who answers for the row.';
SELECT @extschema@.nurture_config_table('nurture.selection_weight');

CREATE TRIGGER nurture_author BEFORE INSERT OR UPDATE ON nurture.asset_version
    FOR EACH ROW EXECUTE FUNCTION @extschema@.nurture_version_author();
ALTER TABLE nurture.asset_version ENABLE ALWAYS TRIGGER nurture_author;
CREATE TRIGGER nurture_author BEFORE INSERT OR UPDATE ON nurture.selection_version
    FOR EACH ROW EXECUTE FUNCTION @extschema@.nurture_version_author();
ALTER TABLE nurture.selection_version ENABLE ALWAYS TRIGGER nurture_author;
CREATE TRIGGER nurture_asset_guard BEFORE INSERT OR UPDATE OR DELETE ON nurture.asset_version
    FOR EACH ROW EXECUTE FUNCTION @extschema@.nurture_asset_guard();
CREATE TRIGGER nurture_asset_guard_truncate BEFORE TRUNCATE ON nurture.asset_version
    FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.nurture_asset_guard();
ALTER TABLE nurture.asset_version
    ENABLE ALWAYS TRIGGER nurture_asset_guard,
    ENABLE ALWAYS TRIGGER nurture_asset_guard_truncate;
CREATE TRIGGER nurture_part_guard BEFORE INSERT OR UPDATE OR DELETE ON nurture.asset_tag
    FOR EACH ROW EXECUTE FUNCTION @extschema@.nurture_version_part_guard('asset_version');
CREATE TRIGGER nurture_part_guard BEFORE INSERT OR UPDATE OR DELETE ON nurture.asset_block
    FOR EACH ROW EXECUTE FUNCTION @extschema@.nurture_version_part_guard('asset_version');
CREATE TRIGGER nurture_part_guard BEFORE INSERT OR UPDATE OR DELETE ON nurture.selection_weight
    FOR EACH ROW EXECUTE FUNCTION @extschema@.nurture_version_part_guard('selection_version');
CREATE TRIGGER nurture_selection_guard BEFORE INSERT OR UPDATE OR DELETE ON nurture.selection_version
    FOR EACH ROW EXECUTE FUNCTION @extschema@.nurture_version_guard();
CREATE TRIGGER nurture_approval_guard BEFORE INSERT OR UPDATE OR DELETE ON nurture.approval
    FOR EACH ROW EXECUTE FUNCTION @extschema@.nurture_version_guard();
ALTER TABLE nurture.asset_tag ENABLE ALWAYS TRIGGER nurture_part_guard;
ALTER TABLE nurture.asset_block ENABLE ALWAYS TRIGGER nurture_part_guard;
ALTER TABLE nurture.selection_weight ENABLE ALWAYS TRIGGER nurture_part_guard;
ALTER TABLE nurture.selection_version ENABLE ALWAYS TRIGGER nurture_selection_guard;
ALTER TABLE nurture.approval ENABLE ALWAYS TRIGGER nurture_approval_guard;
