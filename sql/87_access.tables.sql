-- Which roles have which profile, and whose leads they see.

CREATE TABLE nurture.access (
    role_name text,
    profile text CHECK (profile IN ('admin', 'marketing', 'sales', 'medical', 'clinical', 'compliance', 'data_steward', 'analyst', 'sender', 'auditor')),
    granted_at timestamptz NOT NULL DEFAULT @extschema@.nurture_now(),
    granted_by text,
    title text,
    owner text,
    reason text,
    PRIMARY KEY (role_name, profile)
);
COMMENT ON TABLE nurture.access IS 'Profiles of roles, kept by nurture_grant_access and nurture_revoke_access.';
COMMENT ON COLUMN nurture.access.role_name IS 'Role of the cluster.';
COMMENT ON COLUMN nurture.access.profile IS 'What it may do; nurture_access_matrix() says what that is.';
COMMENT ON COLUMN nurture.access.granted_at IS 'Since when.';
COMMENT ON COLUMN nurture.access.granted_by IS 'Who granted it.';
COMMENT ON COLUMN nurture.access.title IS 'Words for people.';
COMMENT ON COLUMN nurture.access.owner IS 'Who is responsible for the role.';
COMMENT ON COLUMN nurture.access.reason IS 'Why it has the profile.';
SELECT @extschema@.nurture_config_table('nurture.access');

CREATE TABLE nurture.access_owner (
    role_name text,
    lead_owner text,
    title text,
    owner text,
    reason text,
    PRIMARY KEY (role_name, lead_owner)
);
COMMENT ON TABLE nurture.access_owner IS 'Whose leads a role of profile sales sees, beside those whose owner is its own name.';
COMMENT ON COLUMN nurture.access_owner.role_name IS 'Role of the cluster; its members see the same leads.';
COMMENT ON COLUMN nurture.access_owner.lead_owner IS 'What nurture.lead.owner, or a team member''s name or external_ref, says.';
COMMENT ON COLUMN nurture.access_owner.title IS 'Words for people.';
COMMENT ON COLUMN nurture.access_owner.owner IS 'Who is responsible for the row.';
COMMENT ON COLUMN nurture.access_owner.reason IS 'Why.';
SELECT @extschema@.nurture_config_table('nurture.access_owner');
