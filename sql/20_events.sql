-- Events: what leads do. Trigger functions and ingestion.

CREATE FUNCTION nurture_event_annotate() RETURNS trigger
    LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_event_annotate';
COMMENT ON FUNCTION nurture_event_annotate() IS 'Trigger: writes the tags of the event''s asset version into the row, so that later re-tagging changes no history.';

CREATE FUNCTION nurture_event_count() RETURNS trigger
    LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_event_count';
COMMENT ON FUNCTION nurture_event_count() IS 'Trigger: counts inserted, corrected and deleted events into nurture.activity, one upsert per statement, and starts what the events cause.';

CREATE FUNCTION nurture_lead_unseen() RETURNS trigger
    LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_lead_unseen';
COMMENT ON FUNCTION nurture_lead_unseen() IS 'Trigger: has events of a lead that goes or is merged look at nurture.lead again.';

CREATE FUNCTION nurture_ingest(events jsonb, OUT inserted bigint, OUT duplicates bigint, OUT quarantined bigint, OUT unidentified bigint)
    RETURNS record
    LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_ingest';
COMMENT ON FUNCTION nurture_ingest(jsonb) IS 'Stores an array of events; keys are the columns of nurture.event; instead of lead_id also external_ref or identity {kind, value}, or account_id or account_ref for an event of an organisation. What cannot be stored goes to nurture.event_quarantine with its reason; nothing is lost and the others are stored. Unidentified events are stored when their identity appears.';

CREATE FUNCTION nurture_rebuild(lead_id bigint DEFAULT NULL) RETURNS bigint
    LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_rebuild';
COMMENT ON FUNCTION nurture_rebuild(bigint) IS 'Counts the kept events of one lead, or of all leads, again; returns how many leads have activity. The result is what the triggers would have left, byte by byte.';

CREATE FUNCTION nurture_activity_merged() RETURNS trigger
    LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_activity_merged';
COMMENT ON FUNCTION nurture_activity_merged() IS 'Trigger: what a merged lead did counts for its survivor, and for itself again when the merge is undone.';
