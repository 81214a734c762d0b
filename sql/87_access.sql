-- Access: who may do what, as ten profiles of ordinary rights.

CREATE FUNCTION nurture_grant_access("role" text, profile text, reason text DEFAULT NULL, actor text DEFAULT NULL) RETURNS boolean
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_grant_access';
COMMENT ON FUNCTION nurture_grant_access(text, text, text, text) IS 'Gives an existing role the rights of a profile: admin, marketing, sales, medical, clinical, compliance, data_steward, analyst, sender or auditor. False when it had the profile; its rights are brought up to date all the same. For the owner of schema nurture.';

CREATE FUNCTION nurture_revoke_access("role" text, profile text, reason text DEFAULT NULL, actor text DEFAULT NULL) RETURNS boolean
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_revoke_access';
COMMENT ON FUNCTION nurture_revoke_access(text, text, text, text) IS 'Takes the rights of a profile from a role but those that another profile of it gives. False when it did not have the profile. For the owner of schema nurture.';

CREATE FUNCTION nurture_access_matrix() RETURNS TABLE (kind text, object text, profile text, privilege text, without_columns text)
    LANGUAGE c STABLE PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'nurture_access_matrix';
COMMENT ON FUNCTION nurture_access_matrix() IS 'What each profile gives: tables of schema nurture, views of nurture_bi, functions by name; with profile NULL what nobody but the owner has. without_columns are those that SELECT leaves out.';

CREATE FUNCTION nurture_lead_owners() RETURNS SETOF text
    LANGUAGE c STABLE PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'nurture_lead_owners';
COMMENT ON FUNCTION nurture_lead_owners() IS 'The values of nurture.lead.owner that are the current role: its name, and those that nurture.access_owner maps to it or to a role it is a member of. Policies on nurture.lead use it.';

CREATE FUNCTION nurture_handed_leads() RETURNS SETOF bigint
    LANGUAGE c STABLE PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'nurture_handed_leads';
COMMENT ON FUNCTION nurture_handed_leads() IS 'Leads with an open hand-off to the current role as a team member, or to a team of it while no member is named. Policies on nurture.lead use it.';
