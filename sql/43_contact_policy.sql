-- Contact policy: when a message may go out, and who is held out.

CREATE FUNCTION nurture_contact_policy_check() RETURNS trigger
    LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_contact_policy_check';
COMMENT ON FUNCTION nurture_contact_policy_check() IS 'Trigger: a row of contact policy names channels, message classes, countries, event types and time zones that exist.';

CREATE FUNCTION nurture_quiet_until(market text, channel text, time_zone text DEFAULT NULL, at timestamptz DEFAULT NULL, message_class text DEFAULT 'promotional') RETURNS timestamptz
    LANGUAGE c STABLE CALLED ON NULL INPUT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_quiet_until';
COMMENT ON FUNCTION nurture_quiet_until(text, text, text, timestamptz, text) IS 'First instant from at (NULL: now) on that is outside the quiet hours of a market and channel in a time zone; NULL for the zone: in every zone of the market. NULL when there is none within the horizon of nurture.contact_policy, or no zone is known.';

CREATE FUNCTION nurture_held_out(lead_id bigint, holdout text) RETURNS boolean
    LANGUAGE c STABLE STRICT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_held_out';
COMMENT ON FUNCTION nurture_held_out(bigint, text) IS 'Whether a holdout''s hash chooses a lead, whatever the dates of the holdout; writes nothing and reads the holdout alone.';
