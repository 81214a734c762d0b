-- Integration: install, presets, partitions.

CREATE FUNCTION nurture_install(preset text DEFAULT 'pharma') RETURNS text
    LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_install';
COMMENT ON FUNCTION nurture_install(text) IS 'Creates schemas nurture, nurture_part and nurture_bi as the caller''s own objects and loads a preset: pharma, biopharma, demo or minimal.';

CREATE FUNCTION nurture_seed(preset text) RETURNS text
    LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_seed';
COMMENT ON FUNCTION nurture_seed(text) IS 'Loads a preset into an installed nurture; rows that are there stay as they are.';

CREATE FUNCTION nurture_unseed(preset text) RETURNS text
    LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_unseed';
COMMENT ON FUNCTION nurture_unseed(text) IS 'Takes away what the preset demo brought beyond pharma: its leads with all that is held about them, its organisations, assets and members. What the audit trail and the change log have on record stays, without the numbers of the leads. For the owner of schema nurture. Returns how many leads and assets went.';

CREATE FUNCTION nurture_config_table(configuration regclass) RETURNS void
    LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_config_table';
COMMENT ON FUNCTION nurture_config_table(regclass) IS 'Attaches the triggers that every configuration table has; used by nurture_install. The caller needs the rights that CREATE TRIGGER asks for.';

CREATE FUNCTION nurture_partition_ahead(months integer DEFAULT 3) RETURNS integer
    LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_partition_ahead';
COMMENT ON FUNCTION nurture_partition_ahead(integer) IS 'Makes the monthly partitions of nurture.event and nurture.audit for this month and so many months ahead; returns how many were made.';
