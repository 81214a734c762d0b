-- Import of leads.

CREATE FUNCTION nurture_import_leads(leads jsonb, reason text DEFAULT NULL, actor text DEFAULT NULL, OUT inserted bigint, OUT updated bigint, OUT unchanged bigint, OUT quarantined bigint) RETURNS record
    LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_import_leads';
COMMENT ON FUNCTION nurture_import_leads(jsonb, text, text) IS 'Takes an array of leads as another system has them; keys are columns of nurture.lead, account_ref, identity {kind, value} and identities. A lead is found by lead_id, else external_ref, else identity, or made; keys that are left out change nothing, null makes a fact unknown, attributes are added to those there are. What cannot be taken goes to nurture.lead_quarantine.';
