-- Campaigns: the first is lead.campaign, the latest that of the lead's events.

CREATE FUNCTION nurture_latest_campaign(lead_id bigint) RETURNS text
    LANGUAGE c STABLE STRICT PARALLEL SAFE COST 1000
    AS 'MODULE_PATHNAME', 'nurture_latest_campaign';
COMMENT ON FUNCTION nurture_latest_campaign(bigint) IS 'Campaign of the lead''s latest event that has one, by when it occurred; else the first campaign, lead.campaign. NULL: none, or no such lead. Of the survivor when the lead was merged. Needs the rights to read the lead and its events.';
