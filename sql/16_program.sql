-- Programmes: studies, products and partnerships that leads can fit, and what
-- "active studies", "program scope" and "region covered" mean in rules. The
-- table is in 16_program.tables.sql.

CREATE FUNCTION nurture_programs(lead_id bigint, kind text DEFAULT NULL, fields text[] DEFAULT '{therapeutic_area,country}')
    RETURNS TABLE (program text, title text, program_kind text)
    LANGUAGE c STABLE CALLED ON NULL INPUT PARALLEL SAFE COST 1000 ROWS 10
    AS 'MODULE_PATHNAME', 'nurture_programs';
COMMENT ON FUNCTION nurture_programs(bigint, text, text[]) IS 'The open programmes of a kind, or of all, that fit a lead on all the fields (therapeutic_area, phase, modality, country, site_type), as the term program of conditions has it. None for an unknown lead.';
