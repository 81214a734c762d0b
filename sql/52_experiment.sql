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

CREATE FUNCTION nurture_selection_value(outcome text, selection_version integer DEFAULT NULL, experiment text DEFAULT NULL, within interval DEFAULT '14 days',
    clip double precision DEFAULT 20, since timestamptz DEFAULT NULL, confidence double precision DEFAULT 0.95,
    OUT signal text, OUT version integer, OUT leads bigint, OUT agreed bigint, OUT clipped bigint, OUT value double precision, OUT low double precision, OUT high double precision,
    OUT support double precision, OUT effective double precision, OUT logged double precision, OUT logged_low double precision, OUT logged_high double precision)
    RETURNS record
    LANGUAGE c STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
    AS 'MODULE_PATHNAME', 'nurture_selection_value';
COMMENT ON FUNCTION nurture_selection_value(text, integer, text, interval, double precision, timestamptz, double precision) IS 'What share of leads would have had the outcome under a version of the ranking (a draft too; NULL: the one in force), by what experiments drew. Each lead''s first drawn choice is made again as the lead was then; w = min(1 / probability, clip) where the ranking agrees, else 0; value = mean(w x outcome) (Horvitz and Thompson, JASA 47, 1952), with the interval of Bottou et al., JMLR 14, 2013, section 4.4, which is wide where the log could not show what the ranking would choose (support below 1). logged: what the experiments earned.';

CREATE FUNCTION nurture_draft_performance(version integer, signal text, within interval DEFAULT '14 days', points integer DEFAULT 20) RETURNS bigint
    LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_draft_performance';
COMMENT ON FUNCTION nurture_draft_performance(integer, text, interval, integer) IS 'Writes into a draft of selection default what each asset achieved with each audience: points x the lower end of the interval of the share of leads that had the signal in time after their first message with it. Returns how many weights were written.';
