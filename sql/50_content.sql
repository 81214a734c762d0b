-- Content: what may be sent, and what is the best for a lead next.
-- Only approved asset versions in force are ever chosen; the choice is a sum
-- of integers that is told with it, and the message gate reads the chosen row
-- again.

CREATE FUNCTION nurture_asset_guard() RETURNS trigger
    LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_asset_guard';
COMMENT ON FUNCTION nurture_asset_guard() IS 'Trigger: drafts of asset versions may be edited, everything else moves through functions.';

CREATE FUNCTION nurture_version_guard() RETURNS trigger
    LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_version_guard';
COMMENT ON FUNCTION nurture_version_guard() IS 'Trigger: versions begin as drafts and do not change once published; signatures never change.';

CREATE FUNCTION nurture_version_part_guard() RETURNS trigger
    LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_version_part_guard';
COMMENT ON FUNCTION nurture_version_part_guard() IS 'Trigger: parts of a version are written while it is a draft. Argument: the table of its versions.';

CREATE FUNCTION nurture_add_asset(asset jsonb, OUT asset_id text, OUT version integer)
    RETURNS record
    LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_add_asset';
COMMENT ON FUNCTION nurture_add_asset(jsonb) IS 'Adds an asset, or the next version of one, as a draft. Keys: the columns of asset and asset_version, valid_from, valid_until, tags (list of dimension:value), blocks (object slot -> asset), prerequisites (object code -> condition).';

CREATE FUNCTION nurture_set_asset_status(asset_id text, version integer, status text, reason text) RETURNS bigint
    LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_set_asset_status';
COMMENT ON FUNCTION nurture_set_asset_status(text, integer, text, text) IS 'Moves an asset version along draft, in_review, approved, suspended, expired, withdrawn; one that goes out of use takes its queued and held messages with it. Returns how many were cancelled.';

CREATE FUNCTION nurture_approve(kind text, code text, version integer, role text, decision text, meaning text) RETURNS text
    LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_approve';
COMMENT ON FUNCTION nurture_approve(text, text, integer, text, text, text) IS 'Signs exactly the present content of an asset version that is in review, of a draft of rules (kind model, track, route, selection or experiment) or of a proposal of settings (config, import, its number). With the last signature that approval_policy asks for an asset becomes approved and the version before is superseded, rules may be published, a proposal is applied. Returns what it is then.';

CREATE FUNCTION nurture_asset_recipients(asset_id text, version integer DEFAULT NULL, since timestamptz DEFAULT NULL)
    RETURNS TABLE (lead_id bigint, message_id bigint, asset_version integer, channel text, status text, sent_at timestamptz)
    LANGUAGE c STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
    AS 'MODULE_PATHNAME', 'nurture_asset_recipients';
COMMENT ON FUNCTION nurture_asset_recipients(text, integer, timestamptz) IS 'Who was sent an asset; NULL version: any, NULL since: ever.';

CREATE FUNCTION nurture_next_asset(lead_id bigint, channel text DEFAULT NULL, track text DEFAULT NULL, at timestamptz DEFAULT NULL,
    OUT asset_id text, OUT version integer, OUT rank integer, OUT reason text)
    RETURNS record
    LANGUAGE c STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
    AS 'MODULE_PATHNAME', 'nurture_next_asset';
COMMENT ON FUNCTION nurture_next_asset(bigint, text, text, timestamptz) IS 'The approved asset that fits a lead best, with the terms of its rank; without one, asset_id is NULL and reason names the filter that removed the last candidate. With a track, what its step asks for; at a moment of the past, what would have been chosen then.';

CREATE FUNCTION nurture_candidates(lead_id bigint, k integer DEFAULT 20, channel text DEFAULT NULL, track text DEFAULT NULL, at timestamptz DEFAULT NULL, selection_version integer DEFAULT NULL)
    RETURNS TABLE (asset_id text, version integer, verdict text, failed text[], rank integer, terms jsonb)
    LANGUAGE c STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED ROWS 20
    AS 'MODULE_PATHNAME', 'nurture_candidates';
COMMENT ON FUNCTION nurture_candidates(bigint, integer, text, text, timestamptz, integer) IS 'The ledger behind nurture_next_asset: each candidate with every hard filter it fails and the terms of its rank, the best first. At a moment of the past it is what would have been chosen then, by what was known then; with selection_version, by the weights of that version, a draft too.';
