-- Experiments: which of several ways works better, tried on leads that lots
-- are drawn for. A message carries the arm its lead is in.

CREATE TABLE nurture.experiment (
    experiment text NOT NULL CHECK (experiment ~ '^[a-z][a-z0-9_]*$'),
    version integer NOT NULL DEFAULT 1 CHECK (version > 0),
    status text NOT NULL DEFAULT 'draft' CHECK (status IN ('draft', 'published', 'retired')),
    variable text NOT NULL CHECK (variable IN ('subject', 'format', 'cta', 'send_time', 'cadence', 'theme')),
    hypothesis text NOT NULL CHECK (hypothesis <> ''),
    track text NOT NULL DEFAULT '*',
    condition jsonb,
    success_signal text NOT NULL,
    success_within interval NOT NULL DEFAULT '14 days' CHECK (success_within > '0' AND success_within <= '365 days'),
    min_leads integer NOT NULL DEFAULT 100 CHECK (min_leads > 0),
    starts_at timestamptz,
    ends_at timestamptz NOT NULL,
    salt text NOT NULL DEFAULT gen_random_uuid()::text CHECK (salt ~ '^[!-~]{8,200}$'),
    reason text,
    author text,
    author_login text,
    approver text,
    published_at timestamptz,
    retired_at timestamptz,
    content_hash bytea,
    title text,
    owner text,
    PRIMARY KEY (experiment, version)
);
CREATE UNIQUE INDEX experiment_published ON nurture.experiment (experiment) WHERE status = 'published';
COMMENT ON TABLE nurture.experiment IS 'Experiments on the messages of tracks; immutable once published. A version is one run.';
COMMENT ON COLUMN nurture.experiment.experiment IS 'Code.';
COMMENT ON COLUMN nurture.experiment.version IS 'Version, from 1; one run of the experiment.';
COMMENT ON COLUMN nurture.experiment.status IS 'draft, published or retired.';
COMMENT ON COLUMN nurture.experiment.variable IS 'The one thing in which arms differ: subject, format, cta, send_time, cadence or theme.';
COMMENT ON COLUMN nurture.experiment.hypothesis IS 'What is expected, in words; written before the first message.';
COMMENT ON COLUMN nurture.experiment.track IS 'Track whose messages take part; * = of every track.';
COMMENT ON COLUMN nurture.experiment.condition IS 'Leads that take part: it must be true; NULL = all.';
COMMENT ON COLUMN nurture.experiment.success_signal IS 'Signal that counts as success.';
COMMENT ON COLUMN nurture.experiment.success_within IS 'How soon after a lead''s first message it has to come.';
COMMENT ON COLUMN nurture.experiment.min_leads IS 'Leads that each arm needs for a verdict.';
COMMENT ON COLUMN nurture.experiment.starts_at IS 'When it begins; NULL = when it is published.';
COMMENT ON COLUMN nurture.experiment.ends_at IS 'When it ends; later messages take no part.';
COMMENT ON COLUMN nurture.experiment.salt IS 'What makes this draw its own. The lot of a lead is the first 60 bits of SHA-256 of "salt:experiment:lead_id"; modulo 1,000,000 it falls on an arm by the running sum of the shares, in millionths, in the order of the arms.';
COMMENT ON COLUMN nurture.experiment.reason IS 'Why it was made.';
COMMENT ON COLUMN nurture.experiment.author IS 'Who made it.';
COMMENT ON COLUMN nurture.experiment.author_login IS 'Role that was logged in when it was made, as the server knows it.';
COMMENT ON COLUMN nurture.experiment.approver IS 'Who published it.';
COMMENT ON COLUMN nurture.experiment.published_at IS 'When it was published.';
COMMENT ON COLUMN nurture.experiment.retired_at IS 'When it was stopped, or another run took its place.';
COMMENT ON COLUMN nurture.experiment.content_hash IS 'SHA-256 of what it says and its arms, set when it is published.';
COMMENT ON COLUMN nurture.experiment.title IS 'Words for people.';
COMMENT ON COLUMN nurture.experiment.owner IS 'Who answers for the row.';
SELECT @extschema@.nurture_config_table('nurture.experiment');

CREATE TABLE nurture.experiment_arm (
    experiment text NOT NULL,
    version integer NOT NULL DEFAULT 1,
    arm text NOT NULL CHECK (arm ~ '^[a-z][a-z0-9_]*$'),
    share numeric(7,6) NOT NULL CHECK (share >= 0 AND share <= 1),
    family text,
    format text,
    required_tags text[],
    preferred_tags text[],
    send_at time,
    cadence_factor numeric(9,2) CHECK (cadence_factor BETWEEN 0.1 AND 10),
    title text,
    owner text,
    reason text,
    PRIMARY KEY (experiment, version, arm),
    FOREIGN KEY (experiment, version) REFERENCES nurture.experiment ON DELETE CASCADE
);
COMMENT ON TABLE nurture.experiment_arm IS 'Arms of experiments: what each changes of a step. One that changes nothing is the control.';
COMMENT ON COLUMN nurture.experiment_arm.experiment IS 'Experiment.';
COMMENT ON COLUMN nurture.experiment_arm.version IS 'Its version.';
COMMENT ON COLUMN nurture.experiment_arm.arm IS 'Code; arms are in its order.';
COMMENT ON COLUMN nurture.experiment_arm.share IS 'Share of the leads; those of all arms sum to 1.';
COMMENT ON COLUMN nurture.experiment_arm.family IS 'Family of assets to choose from, in place of the step''s.';
COMMENT ON COLUMN nurture.experiment_arm.format IS 'Format that the asset must have.';
COMMENT ON COLUMN nurture.experiment_arm.required_tags IS 'Tags that the asset must have besides those of the step.';
COMMENT ON COLUMN nurture.experiment_arm.preferred_tags IS 'Tags that raise its rank besides those of the step.';
COMMENT ON COLUMN nurture.experiment_arm.send_at IS 'Time of day from which the message may be taken, by the lead''s clock.';
COMMENT ON COLUMN nurture.experiment_arm.cadence_factor IS 'Times the waits of the track.';
COMMENT ON COLUMN nurture.experiment_arm.title IS 'Words for people.';
COMMENT ON COLUMN nurture.experiment_arm.owner IS 'Who answers for the row.';
COMMENT ON COLUMN nurture.experiment_arm.reason IS 'Why it is as it is.';
SELECT @extschema@.nurture_config_table('nurture.experiment_arm');

CREATE TRIGGER nurture_author BEFORE INSERT OR UPDATE ON nurture.experiment
    FOR EACH ROW EXECUTE FUNCTION @extschema@.nurture_version_author();
ALTER TABLE nurture.experiment ENABLE ALWAYS TRIGGER nurture_author;
CREATE TRIGGER nurture_check BEFORE INSERT OR UPDATE ON nurture.experiment
    FOR EACH ROW EXECUTE FUNCTION @extschema@.nurture_condition_check('experiment', 'experiment');
CREATE TRIGGER nurture_experiment_guard BEFORE INSERT OR UPDATE OR DELETE ON nurture.experiment
    FOR EACH ROW EXECUTE FUNCTION @extschema@.nurture_version_guard();
CREATE TRIGGER nurture_part_guard BEFORE INSERT OR UPDATE OR DELETE ON nurture.experiment_arm
    FOR EACH ROW EXECUTE FUNCTION @extschema@.nurture_version_part_guard('experiment');
ALTER TABLE nurture.experiment ENABLE ALWAYS TRIGGER nurture_experiment_guard;
ALTER TABLE nurture.experiment_arm ENABLE ALWAYS TRIGGER nurture_part_guard;
