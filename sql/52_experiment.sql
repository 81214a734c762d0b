-- Experiments: leads are put into arms by lot, and what came of it is told with
-- how sure one may be of it.

CREATE FUNCTION nurture_experiment_arm(lead_id bigint, experiment text, version integer DEFAULT NULL) RETURNS text
    LANGUAGE c STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
    AS 'MODULE_PATHNAME', 'nurture_experiment_arm';
COMMENT ON FUNCTION nurture_experiment_arm(bigint, text, integer) IS 'The arm that the lot of a lead falls on, whatever the dates and the condition of the experiment; NULL version: the run in force, else the latest. NULL when the shares leave the lead over.';

CREATE FUNCTION nurture_first_signal(lead_id bigint, signal text, after timestamptz, until timestamptz) RETURNS timestamptz
    LANGUAGE c STABLE STRICT PARALLEL RESTRICTED
    AS 'MODULE_PATHNAME', 'nurture_first_signal';
COMMENT ON FUNCTION nurture_first_signal(bigint, text, timestamptz, timestamptz) IS 'When a lead first had a signal after one moment, up to and with the other; NULL: it had not, or the caller may not see the lead. Signals of sensitive events count for nobody here. Needs the right to read nurture.activity.';

CREATE FUNCTION nurture_share_interval(successes bigint, trials bigint, confidence double precision DEFAULT 0.95,
    OUT low double precision, OUT high double precision)
    RETURNS record
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'nurture_share_interval';
COMMENT ON FUNCTION nurture_share_interval(bigint, bigint, double precision) IS 'Wilson''s score interval of a share (JASA 22, 1927): (p + z^2/2n +- z sqrt(p(1-p)/n + z^2/4n^2)) / (1 + z^2/n).';

CREATE FUNCTION nurture_share_difference(successes bigint, trials bigint, other_successes bigint, other_trials bigint, confidence double precision DEFAULT 0.95,
    OUT low double precision, OUT high double precision)
    RETURNS record
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'nurture_share_difference';
COMMENT ON FUNCTION nurture_share_difference(bigint, bigint, bigint, bigint, double precision) IS 'Newcombe''s interval of the first share less the other (Statistics in Medicine 17, 1998, 873, method 10), made of the Wilson intervals of both.';
