-- Data quality: what does not fit together in what is known of a lead.

CREATE FUNCTION nurture_place_problem(country text, region text) RETURNS text
    LANGUAGE c IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'nurture_place_problem';
COMMENT ON FUNCTION nurture_place_problem(text, text) IS 'What is wrong with a country (ISO 3166-1 alpha-2) and a region (ISO 3166-2): invalid_country, invalid_region, region_elsewhere (of another country); NULL = nothing, or unknown.';
