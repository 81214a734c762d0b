-- Scoring: models and their versions. A published version never changes; a
-- change is a new version.

CREATE TABLE nurture.model (
    model text PRIMARY KEY CHECK (model ~ '^[a-z][a-z0-9_]*$'),
    product text NOT NULL DEFAULT '*',
    audience_types text[] NOT NULL DEFAULT '{}',
    is_default boolean NOT NULL DEFAULT false,
    title text,
    owner text,
    reason text
);
COMMENT ON TABLE nurture.model IS 'Named sets of scoring rules.';
COMMENT ON COLUMN nurture.model.model IS 'Code.';
COMMENT ON COLUMN nurture.model.product IS 'Product it scores for, or *.';
COMMENT ON COLUMN nurture.model.audience_types IS 'Audiences it is for; empty: those that no other default model names.';
COMMENT ON COLUMN nurture.model.is_default IS 'Used where no model is named.';
COMMENT ON COLUMN nurture.model.title IS 'Words for people.';
COMMENT ON COLUMN nurture.model.owner IS 'Who answers for the row.';
COMMENT ON COLUMN nurture.model.reason IS 'Why it is as it is.';
SELECT @extschema@.nurture_config_table('nurture.model');

CREATE TABLE nurture.model_version (
    model text NOT NULL REFERENCES nurture.model,
    version integer NOT NULL CHECK (version > 0),
    status text NOT NULL DEFAULT 'draft' CHECK (status IN ('draft', 'published', 'retired')),
    title text,
    owner text,
    reason text,
    author text,
    author_login text,
    approver text,
    published_at timestamptz,
    retired_at timestamptz,
    content_hash text,
    PRIMARY KEY (model, version)
);
CREATE UNIQUE INDEX model_version_published ON nurture.model_version (model) WHERE status = 'published';
COMMENT ON TABLE nurture.model_version IS 'Versions of models; at most one of each is published.';
COMMENT ON COLUMN nurture.model_version.model IS 'Model.';
COMMENT ON COLUMN nurture.model_version.version IS 'From 1.';
COMMENT ON COLUMN nurture.model_version.status IS 'draft, published or retired; changed by nurture_publish only.';
COMMENT ON COLUMN nurture.model_version.title IS 'Words for people.';
COMMENT ON COLUMN nurture.model_version.owner IS 'Who answers for it.';
COMMENT ON COLUMN nurture.model_version.reason IS 'Why it was published.';
COMMENT ON COLUMN nurture.model_version.author IS 'Who drafted it.';
COMMENT ON COLUMN nurture.model_version.author_login IS 'Role that was logged in when it was made, as the server knows it; NULL: a preset.';
COMMENT ON COLUMN nurture.model_version.approver IS 'Who published it.';
COMMENT ON COLUMN nurture.model_version.published_at IS 'In force from.';
COMMENT ON COLUMN nurture.model_version.retired_at IS 'In force until.';
COMMENT ON COLUMN nurture.model_version.content_hash IS 'SHA-256 of its rules when it was published, in hexadecimal.';
SELECT @extschema@.nurture_config_table('nurture.model_version');

CREATE TABLE nurture.rule_group (
    model text NOT NULL,
    version integer NOT NULL,
    rule_group text NOT NULL CHECK (rule_group ~ '^[a-z][a-z0-9_]*$'),
    dimension text NOT NULL CHECK (dimension IN ('fit', 'intent')),
    floor numeric(9,2) CHECK (floor <> 'NaN'),
    cap numeric(9,2) CHECK (cap <> 'NaN'),
    title text,
    owner text,
    reason text,
    PRIMARY KEY (model, version, rule_group),
    FOREIGN KEY (model, version) REFERENCES nurture.model_version,
    CHECK (floor <= cap)
);
COMMENT ON TABLE nurture.rule_group IS 'Groups of rules with a common floor and cap.';
COMMENT ON COLUMN nurture.rule_group.model IS 'Model.';
COMMENT ON COLUMN nurture.rule_group.version IS 'Version.';
COMMENT ON COLUMN nurture.rule_group.rule_group IS 'Code.';
COMMENT ON COLUMN nurture.rule_group.dimension IS 'fit or intent.';
COMMENT ON COLUMN nurture.rule_group.floor IS 'Least the group gives; NULL none.';
COMMENT ON COLUMN nurture.rule_group.cap IS 'Most the group gives; NULL none.';
COMMENT ON COLUMN nurture.rule_group.title IS 'Words for people.';
COMMENT ON COLUMN nurture.rule_group.owner IS 'Who answers for the row.';
COMMENT ON COLUMN nurture.rule_group.reason IS 'Why it is as it is.';
SELECT @extschema@.nurture_config_table('nurture.rule_group');

CREATE TABLE nurture.fit_rule (
    model text NOT NULL,
    version integer NOT NULL,
    rule text NOT NULL CHECK (rule ~ '^[a-z][a-z0-9_]*$'),
    attribute text,
    operator text,
    operand jsonb,
    condition jsonb,
    points numeric(9,2) NOT NULL CHECK (points <> 'NaN'),
    rule_group text,
    title text,
    owner text,
    reason text,
    PRIMARY KEY (model, version, rule),
    FOREIGN KEY (model, version) REFERENCES nurture.model_version,
    FOREIGN KEY (model, version, rule_group) REFERENCES nurture.rule_group,
    CHECK ((condition IS NULL) = (attribute IS NOT NULL AND operator IS NOT NULL)),
    CHECK (condition IS NULL OR (attribute IS NULL AND operator IS NULL AND operand IS NULL))
);
COMMENT ON TABLE nurture.fit_rule IS 'Points for who the lead is: attribute, operator, operand, or a whole condition.';
COMMENT ON COLUMN nurture.fit_rule.model IS 'Model.';
COMMENT ON COLUMN nurture.fit_rule.version IS 'Version.';
COMMENT ON COLUMN nurture.fit_rule.rule IS 'Code.';
COMMENT ON COLUMN nurture.fit_rule.attribute IS 'Column of lead except contact points, account.<column> or attributes.<key>.';
COMMENT ON COLUMN nurture.fit_rule.operator IS 'Operator of the notation of conditions.';
COMMENT ON COLUMN nurture.fit_rule.operand IS 'Operand.';
COMMENT ON COLUMN nurture.fit_rule.condition IS 'Whole condition instead of the three.';
COMMENT ON COLUMN nurture.fit_rule.points IS 'Points when it is true; may be negative.';
COMMENT ON COLUMN nurture.fit_rule.rule_group IS 'Group, NULL none.';
COMMENT ON COLUMN nurture.fit_rule.title IS 'Words for people.';
COMMENT ON COLUMN nurture.fit_rule.owner IS 'Who answers for the row.';
COMMENT ON COLUMN nurture.fit_rule.reason IS 'Why it is as it is.';
SELECT @extschema@.nurture_config_table('nurture.fit_rule');

CREATE TABLE nurture.signal_rule (
    model text NOT NULL,
    version integer NOT NULL,
    rule text NOT NULL CHECK (rule ~ '^[a-z][a-z0-9_]*$'),
    signal text NOT NULL REFERENCES nurture.signal,
    points numeric(9,2) NOT NULL CHECK (points <> 'NaN'),
    curve text NOT NULL DEFAULT 'none' CHECK (curve IN ('none', 'half_life', 'linear', 'step', 'window')),
    curve_days integer,
    curve_steps jsonb,
    per_day_max integer CHECK (per_day_max > 0),
    count_max integer CHECK (count_max > 0),
    floor numeric(9,2) CHECK (floor <> 'NaN'),
    cap numeric(9,2) CHECK (cap <> 'NaN'),
    rule_group text,
    title text,
    owner text,
    reason text,
    PRIMARY KEY (model, version, rule),
    FOREIGN KEY (model, version) REFERENCES nurture.model_version,
    FOREIGN KEY (model, version, rule_group) REFERENCES nurture.rule_group,
    CHECK (floor <= cap),
    CHECK ((curve IN ('half_life', 'linear', 'window')) = (curve_days IS NOT NULL)),
    CHECK ((curve = 'step') = (curve_steps IS NOT NULL))
);
COMMENT ON TABLE nurture.signal_rule IS 'Points for what the lead does.';
COMMENT ON COLUMN nurture.signal_rule.model IS 'Model.';
COMMENT ON COLUMN nurture.signal_rule.version IS 'Version.';
COMMENT ON COLUMN nurture.signal_rule.rule IS 'Code.';
COMMENT ON COLUMN nurture.signal_rule.signal IS 'Signal.';
COMMENT ON COLUMN nurture.signal_rule.points IS 'Points of one occurrence today; may be negative.';
COMMENT ON COLUMN nurture.signal_rule.curve IS 'How points fade with age in UTC days: none, half_life, linear, step or window.';
COMMENT ON COLUMN nurture.signal_rule.curve_days IS 'Days of half_life, linear and window.';
COMMENT ON COLUMN nurture.signal_rule.curve_steps IS '[[last age in days, percent], ...] of step.';
COMMENT ON COLUMN nurture.signal_rule.per_day_max IS 'So many of a day count; NULL all.';
COMMENT ON COLUMN nurture.signal_rule.count_max IS 'So many, the most recent, count; NULL all.';
COMMENT ON COLUMN nurture.signal_rule.floor IS 'Least the rule gives once it fired; NULL none.';
COMMENT ON COLUMN nurture.signal_rule.cap IS 'Most the rule gives; NULL none.';
COMMENT ON COLUMN nurture.signal_rule.rule_group IS 'Group, NULL none.';
COMMENT ON COLUMN nurture.signal_rule.title IS 'Words for people.';
COMMENT ON COLUMN nurture.signal_rule.owner IS 'Who answers for the row.';
COMMENT ON COLUMN nurture.signal_rule.reason IS 'Why it is as it is.';
SELECT @extschema@.nurture_config_table('nurture.signal_rule');

CREATE TABLE nurture.pattern (
    model text NOT NULL,
    version integer NOT NULL,
    pattern text NOT NULL CHECK (pattern ~ '^[a-z][a-z0-9_]*$'),
    condition jsonb NOT NULL,
    points numeric(9,2) NOT NULL CHECK (points <> 'NaN'),
    rule_group text,
    label text CHECK (label ~ '^[a-z][a-z0-9_]*$' AND length(label) <= 63),
    title text,
    owner text,
    reason text,
    PRIMARY KEY (model, version, pattern),
    FOREIGN KEY (model, version) REFERENCES nurture.model_version,
    FOREIGN KEY (model, version, rule_group) REFERENCES nurture.rule_group
);
COMMENT ON TABLE nurture.pattern IS 'Points for combinations of signals; counted as intent unless the group says fit.';
COMMENT ON COLUMN nurture.pattern.model IS 'Model.';
COMMENT ON COLUMN nurture.pattern.version IS 'Version.';
COMMENT ON COLUMN nurture.pattern.pattern IS 'Code.';
COMMENT ON COLUMN nurture.pattern.condition IS 'When it holds.';
COMMENT ON COLUMN nurture.pattern.points IS 'Points when it is true; may be negative.';
COMMENT ON COLUMN nurture.pattern.rule_group IS 'Group, NULL none.';
COMMENT ON COLUMN nurture.pattern.label IS 'Label that a lead gets when its standing is decided and the pattern is true; it stays until it is taken off, and then it is not set again.';
COMMENT ON COLUMN nurture.pattern.title IS 'Words for people.';
COMMENT ON COLUMN nurture.pattern.owner IS 'Who answers for the row.';
COMMENT ON COLUMN nurture.pattern.reason IS 'Why it is as it is.';
SELECT @extschema@.nurture_config_table('nurture.pattern');

CREATE TABLE nurture.model_limit (
    model text NOT NULL,
    version integer NOT NULL,
    dimension text NOT NULL CHECK (dimension IN ('fit', 'intent', 'total')),
    floor numeric(9,2) CHECK (floor <> 'NaN'),
    cap numeric(9,2) CHECK (cap <> 'NaN'),
    title text,
    owner text,
    reason text,
    PRIMARY KEY (model, version, dimension),
    FOREIGN KEY (model, version) REFERENCES nurture.model_version,
    CHECK (floor <= cap)
);
COMMENT ON TABLE nurture.model_limit IS 'Floor and cap of a dimension.';
COMMENT ON COLUMN nurture.model_limit.model IS 'Model.';
COMMENT ON COLUMN nurture.model_limit.version IS 'Version.';
COMMENT ON COLUMN nurture.model_limit.dimension IS 'fit, intent or total.';
COMMENT ON COLUMN nurture.model_limit.floor IS 'Least; NULL none.';
COMMENT ON COLUMN nurture.model_limit.cap IS 'Most; NULL none.';
COMMENT ON COLUMN nurture.model_limit.title IS 'Words for people.';
COMMENT ON COLUMN nurture.model_limit.owner IS 'Who answers for the row.';
COMMENT ON COLUMN nurture.model_limit.reason IS 'Why it is as it is.';
SELECT @extschema@.nurture_config_table('nurture.model_limit');

CREATE TABLE nurture.band (
    model text NOT NULL,
    version integer NOT NULL,
    dimension text NOT NULL CHECK (dimension IN ('fit', 'intent', 'total')),
    band text NOT NULL CHECK (band ~ '^([A-D]|[1-4])$'),
    min_points numeric(9,2) NOT NULL CHECK (min_points <> 'NaN'),
    title text,
    owner text,
    reason text,
    PRIMARY KEY (model, version, dimension, band),
    UNIQUE (model, version, dimension, min_points),
    FOREIGN KEY (model, version) REFERENCES nurture.model_version,
    CHECK (dimension <> 'fit' OR band ~ '^[A-D]$'),
    CHECK (dimension <> 'intent' OR band ~ '^[1-4]$')
);
COMMENT ON TABLE nurture.band IS 'Bands: A to D for fit, 1 to 4 for intent; below the lowest minimum the worst band applies.';
COMMENT ON COLUMN nurture.band.model IS 'Model.';
COMMENT ON COLUMN nurture.band.version IS 'Version.';
COMMENT ON COLUMN nurture.band.dimension IS 'fit, intent or total.';
COMMENT ON COLUMN nurture.band.band IS 'A, B, C, D or 1, 2, 3, 4.';
COMMENT ON COLUMN nurture.band.min_points IS 'Reached from this many points.';
COMMENT ON COLUMN nurture.band.title IS 'Words for people.';
COMMENT ON COLUMN nurture.band.owner IS 'Who answers for the row.';
COMMENT ON COLUMN nurture.band.reason IS 'Why it is as it is.';
SELECT @extschema@.nurture_config_table('nurture.band');

CREATE TABLE nurture.tier_rule (
    model text NOT NULL,
    version integer NOT NULL,
    tier smallint NOT NULL CHECK (tier BETWEEN 1 AND 4),
    requirement text NOT NULL CHECK (requirement ~ '^[a-z][a-z0-9_]*$'),
    condition jsonb NOT NULL,
    fails_with text NOT NULL CHECK (fails_with ~ '^[a-z][a-z0-9_]*$'),
    title text,
    owner text,
    reason text,
    PRIMARY KEY (model, version, tier, requirement),
    FOREIGN KEY (model, version) REFERENCES nurture.model_version
);
COMMENT ON TABLE nurture.tier_rule IS 'What each tier asks for; all requirements of a tier must be true.';
COMMENT ON COLUMN nurture.tier_rule.model IS 'Model.';
COMMENT ON COLUMN nurture.tier_rule.version IS 'Version.';
COMMENT ON COLUMN nurture.tier_rule.tier IS '1 identity, 2 fit, 3 intent, 4 readiness.';
COMMENT ON COLUMN nurture.tier_rule.requirement IS 'Code.';
COMMENT ON COLUMN nurture.tier_rule.condition IS 'When it is met.';
COMMENT ON COLUMN nurture.tier_rule.fails_with IS 'Reason code when it is not.';
COMMENT ON COLUMN nurture.tier_rule.title IS 'Words for people.';
COMMENT ON COLUMN nurture.tier_rule.owner IS 'Who answers for the row.';
COMMENT ON COLUMN nurture.tier_rule.reason IS 'Why it is as it is.';
SELECT @extschema@.nurture_config_table('nurture.tier_rule');

SELECT @extschema@.nurture_versioned_table('nurture.rule_group');
SELECT @extschema@.nurture_versioned_table('nurture.fit_rule');
SELECT @extschema@.nurture_versioned_table('nurture.signal_rule');
SELECT @extschema@.nurture_versioned_table('nurture.pattern');
SELECT @extschema@.nurture_versioned_table('nurture.model_limit');
SELECT @extschema@.nurture_versioned_table('nurture.band');
SELECT @extschema@.nurture_versioned_table('nurture.tier_rule');
CREATE TRIGGER nurture_author BEFORE INSERT OR UPDATE ON nurture.model_version
    FOR EACH ROW EXECUTE FUNCTION @extschema@.nurture_version_author();
ALTER TABLE nurture.model_version ENABLE ALWAYS TRIGGER nurture_author;
CREATE TRIGGER nurture_guard_version BEFORE INSERT OR UPDATE OR DELETE ON nurture.model_version
    FOR EACH ROW EXECUTE FUNCTION @extschema@.nurture_guard_version();
CREATE TRIGGER nurture_guard_version_truncate BEFORE TRUNCATE ON nurture.model_version
    FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.nurture_guard_version();
ALTER TABLE nurture.model_version ENABLE ALWAYS TRIGGER nurture_guard_version;
ALTER TABLE nurture.model_version ENABLE ALWAYS TRIGGER nurture_guard_version_truncate;

CREATE TRIGGER nurture_guard_default AFTER INSERT OR UPDATE ON nurture.model
    FOR EACH ROW EXECUTE FUNCTION @extschema@.nurture_guard_default();
ALTER TABLE nurture.model ENABLE ALWAYS TRIGGER nurture_guard_default;

CREATE VIEW nurture_bi.lead_score WITH (security_invoker = true) AS
SELECT
    s.lead_id,
    (s.score).model AS model,
    (s.score).fit AS fit,
    (s.score).intent AS intent,
    (s.score).total AS total,
    (s.score).grade AS grade,
    (s.score).confidence AS confidence
FROM (
    SELECT
        l.lead_id,
        @extschema@.nurture_score_row(
            l.lead_id, a.signals, a.topics, NULL,
            l.audience_type, l.audience_verified_at, l.role, l.specialty, l.therapeutic_area,
            l.country, l.region, l.postal_code, l.organization_type, l.source, l.campaign,
            l.language, l.time_zone, l.owner, l.is_test, l.created_at, l.updated_at,
            l.email_known, l.phone_known, l.account_id, l.attributes,
            c.name, c.organization_type, c.country, c.region, c.domain,
            c.owner, c.activity_score, c.spike, c.active_leads, c.as_of, c.attributes
        ) AS score
    FROM nurture.lead l
    LEFT JOIN nurture.activity a ON a.lead_id = l.lead_id
    LEFT JOIN nurture.account c ON c.account_id = l.account_id
    WHERE l.merged_into IS NULL AND l.erased_at IS NULL AND NOT l.is_test
) s;
COMMENT ON VIEW nurture_bi.lead_score IS 'Score of every lead now, by the default model of its audience. Test, merged and erased leads are left out.';
COMMENT ON COLUMN nurture_bi.lead_score.lead_id IS 'Lead.';
COMMENT ON COLUMN nurture_bi.lead_score.model IS 'Model that applies; NULL when none does.';
COMMENT ON COLUMN nurture_bi.lead_score.fit IS 'Points for who the lead is.';
COMMENT ON COLUMN nurture_bi.lead_score.intent IS 'Points for what the lead does, decayed to today (UTC).';
COMMENT ON COLUMN nurture_bi.lead_score.total IS 'fit + intent within the limits of the model.';
COMMENT ON COLUMN nurture_bi.lead_score.grade IS 'Cell of the two bands, such as A2.';
COMMENT ON COLUMN nurture_bi.lead_score.confidence IS 'Share of fit points decided by known facts, 0 to 1.';
