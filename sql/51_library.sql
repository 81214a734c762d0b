-- The library: what versions of assets are made with and for. Claims are
-- approved statements with versions and an expiry of their own; content
-- policies say what a market asks for; markets and languages are ISO codes.

CREATE FUNCTION nurture_library_check() RETURNS trigger
    LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_library_check';
COMMENT ON FUNCTION nurture_library_check() IS 'Trigger: what a version, claim, policy, tag or block names must be there, and names the nearest when it is not; versions follow each other, and blocks do not go in a circle.';

CREATE FUNCTION nurture_set_claim_status(claim text, version integer, status text, reason text) RETURNS bigint
    LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_set_claim_status';
COMMENT ON FUNCTION nurture_set_claim_status(text, integer, text, text) IS 'Moves a version of a claim along draft, in_review, approved, suspended, expired, withdrawn; one that goes out of use takes the queued and held messages of every asset version that makes the claim with it. Returns how many were cancelled.';

CREATE FUNCTION nurture_sendable_assets(at timestamptz DEFAULT NULL)
    RETURNS TABLE (asset_id text, version integer)
    LANGUAGE c STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED ROWS 100
    AS 'MODULE_PATHNAME', 'nurture_sendable_assets';
COMMENT ON FUNCTION nurture_sendable_assets(timestamptz) IS 'Asset versions that are in force at an instant, now without one, with all their blocks and claims, as far as is known today: what could be sent then, to somebody.';
