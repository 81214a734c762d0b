-- The median of reports.

CREATE FUNCTION nurture_median_step(internal, double precision) RETURNS internal
    LANGUAGE c IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'nurture_median_step';
COMMENT ON FUNCTION nurture_median_step(internal, double precision) IS 'Transition of nurture_median.';

CREATE FUNCTION nurture_median_final(internal) RETURNS double precision
    LANGUAGE c IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'nurture_median_final';
COMMENT ON FUNCTION nurture_median_final(internal) IS 'Result of nurture_median.';

CREATE AGGREGATE nurture_median(value double precision) (
    SFUNC = nurture_median_step,
    STYPE = internal,
    SSPACE = 1024,
    FINALFUNC = nurture_median_final,
    FINALFUNC_MODIFY = SHAREABLE,
    PARALLEL = SAFE
);
COMMENT ON AGGREGATE nurture_median(double precision) IS 'The value in the middle, of an even number the mean of the two; NULLs are left out. As percentile_cont(0.5), without a sort.';
