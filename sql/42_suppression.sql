-- Suppression: what must not be written to, whatever consent says, and what
-- providers tell of addresses that do not work. Contact points are kept as
-- keyed hashes: the block outlives the data it was made from.

CREATE FUNCTION nurture_normal_email(email text) RETURNS text
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'nurture_normal_email';
COMMENT ON FUNCTION nurture_normal_email(text) IS 'The address as it is compared: lower case, without comments and needless quotes, domains outside ASCII as A-labels. NULL when it is none.';

CREATE FUNCTION nurture_email_kind(email text) RETURNS text
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'nurture_email_kind';
COMMENT ON FUNCTION nurture_email_kind(text) IS 'What kind of address it is: valid (messages go there), utf8, rfc5321, cfws, deprec, rfc5322 (kept and compared, nothing is sent), err (none at all).';

CREATE FUNCTION nurture_normal_phone(phone text, country text DEFAULT NULL) RETURNS text
    LANGUAGE c IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'nurture_normal_phone';
COMMENT ON FUNCTION nurture_normal_phone(text, text) IS 'The number as it is compared: + and its digits (E.164), by the country (ISO 3166-1) where it has no country code; digits alone when the country is not known. NULL when it is none.';

CREATE FUNCTION nurture_suppress(scope text, value text, reason text, until timestamptz DEFAULT NULL, actor text DEFAULT NULL) RETURNS bigint
    LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_suppress';
COMMENT ON FUNCTION nurture_suppress(text, text, text, timestamptz, text) IS 'Blocks a contact_point, domain, lead, account or lead_address; returns how many messages that cancelled.';

CREATE FUNCTION nurture_unsuppress(scope text, value text, reason text, actor text DEFAULT NULL) RETURNS boolean
    LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_unsuppress';
COMMENT ON FUNCTION nurture_unsuppress(text, text, text, text) IS 'Lifts a block; returns whether there was one.';

