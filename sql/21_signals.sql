-- Signals over time: filled from stored events, rolled at the horizon, and
-- kept when the events they were counted from are gone.

CREATE FUNCTION nurture_backfill(signal text, batch integer DEFAULT NULL, again boolean DEFAULT false) RETURNS bigint
    LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_backfill';
COMMENT ON FUNCTION nurture_backfill(text, integer, boolean) IS 'Fills a signal, or a topic given as dimension:value, from stored events: for the next batch of leads or for all that are left. Goes on where the last call stopped and returns how many leads it went through, 0 when it is finished; again starts anew. Progress is in nurture.backfill.';

CREATE PROCEDURE nurture_backfill_run(signal text, batch integer DEFAULT 10000, again boolean DEFAULT false)
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'nurture_backfill_run';
COMMENT ON PROCEDURE nurture_backfill_run(text, integer, boolean) IS 'Calls nurture_backfill until it is finished and commits after each batch.';

CREATE FUNCTION nurture_signal_guard() RETURNS trigger
    LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_signal_guard';
COMMENT ON FUNCTION nurture_signal_guard() IS 'Trigger: refuses to change what a signal measures, or to delete it, once it has activity.';

CREATE FUNCTION nurture_tag_guard() RETURNS trigger
    LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_tag_guard';
COMMENT ON FUNCTION nurture_tag_guard() IS 'Trigger: refuses to delete, rename or renumber a tag once it has activity.';

CREATE FUNCTION nurture_roll(max_leads integer DEFAULT NULL) RETURNS bigint
    LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_roll';
COMMENT ON FUNCTION nurture_roll(integer) IS 'Folds days older than nurture.horizon_days into one count per signal, which changes no score: goes on with the pass over all leads, or starts one when the horizon has moved. Returns how many leads it went through, 0 when nothing is left. The tick does it by itself, a pass a month; progress is in nurture.roll.';

CREATE FUNCTION nurture_partition_drop(before timestamptz, detach boolean DEFAULT false, forget_keys boolean DEFAULT false, reason text DEFAULT NULL, actor text DEFAULT NULL, OUT partition text, OUT events bigint, OUT leads bigint)
    RETURNS SETOF record
    LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_partition_drop';
COMMENT ON FUNCTION nurture_partition_drop(timestamptz, boolean, boolean, text, text) IS 'Drops the partitions of nurture.event that end before an instant, and older rows of the default partition, and keeps what they gave as the base of their leads. detach: the tables stay, apart from nurture.event. forget_keys: a repetition of a dropped event counts again.';

CREATE FUNCTION nurture_sensitive_changed() RETURNS trigger
    LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_sensitive_changed';
COMMENT ON FUNCTION nurture_sensitive_changed() IS 'Trigger: counts leads again whose events became sensitive, or are no longer.';
