-- Tracks: who gets what next, and when. Entry and branching happen in the
-- statement that stores the event, sending happens in the tick.

CREATE TABLE nurture.segment (
    segment text PRIMARY KEY CHECK (segment ~ '^[a-z][a-z0-9_]*$'),
    title text NOT NULL CHECK (title <> ''),
    condition jsonb NOT NULL,
    owner text,
    reason text
);
COMMENT ON TABLE nurture.segment IS 'Dynamic audiences: leads of whom a condition is true now. Entries of tracks and cadences may be for one.';
COMMENT ON COLUMN nurture.segment.segment IS 'Code.';
COMMENT ON COLUMN nurture.segment.title IS 'Words for people.';
COMMENT ON COLUMN nurture.segment.condition IS 'Condition; true for its leads. nurture_segment_preview lists them.';
COMMENT ON COLUMN nurture.segment.owner IS 'Who answers for the row.';
COMMENT ON COLUMN nurture.segment.reason IS 'Why it is as it is.';
SELECT @extschema@.nurture_config_table('nurture.segment');
CREATE TRIGGER nurture_check BEFORE INSERT OR UPDATE ON nurture.segment
    FOR EACH ROW EXECUTE FUNCTION @extschema@.nurture_segment_check();

CREATE TABLE nurture.track (
    track text PRIMARY KEY CHECK (track ~ '^[a-z][a-z0-9_]*$'),
    title text NOT NULL CHECK (title <> ''),
    goal_signal text,
    purpose text NOT NULL DEFAULT 'marketing' CHECK (purpose ~ '^[a-z][a-z0-9_]*$'),
    priority smallint NOT NULL DEFAULT 0,
    audience_types text[] NOT NULL DEFAULT '{*}' CHECK (cardinality(audience_types) > 0),
    product text NOT NULL DEFAULT '*',
    re_entry text NOT NULL DEFAULT 'never' CHECK (re_entry IN ('never', 'after', 'always')),
    re_entry_after interval,
    wake_signals text[] NOT NULL DEFAULT '{}',
    reactivates boolean NOT NULL DEFAULT false,
    owner text,
    reason text,
    CHECK ((re_entry = 'after') = (re_entry_after IS NOT NULL)),
    CHECK (re_entry_after >= '0')
);
COMMENT ON TABLE nurture.track IS 'Nurture paths.';
COMMENT ON COLUMN nurture.track.track IS 'Code.';
COMMENT ON COLUMN nurture.track.title IS 'Words for people.';
COMMENT ON COLUMN nurture.track.goal_signal IS 'Signal that completes the track.';
COMMENT ON COLUMN nurture.track.purpose IS 'A lead walks one track per purpose at a time.';
COMMENT ON COLUMN nurture.track.priority IS 'When two tracks of a purpose want a lead, the higher one gets it.';
COMMENT ON COLUMN nurture.track.audience_types IS 'Audience types it takes; * = all.';
COMMENT ON COLUMN nurture.track.product IS 'Product whose standing conditions ask about; * = none in particular.';
COMMENT ON COLUMN nurture.track.re_entry IS 'Whether a lead may walk it again: never, after an interval, always.';
COMMENT ON COLUMN nurture.track.re_entry_after IS 'That interval, from when the lead left it.';
COMMENT ON COLUMN nurture.track.wake_signals IS 'Signals that bring the next step of a waiting lead forward.';
COMMENT ON COLUMN nurture.track.reactivates IS 'Leads come here when they are cold: what they do from then on is their reactivation score.';
COMMENT ON COLUMN nurture.track.owner IS 'Who answers for the row.';
COMMENT ON COLUMN nurture.track.reason IS 'Why it is as it is.';
SELECT @extschema@.nurture_config_table('nurture.track');

CREATE TABLE nurture.track_version (
    track text NOT NULL REFERENCES nurture.track,
    version integer NOT NULL CHECK (version > 0),
    status text NOT NULL DEFAULT 'draft' CHECK (status IN ('draft', 'published', 'retired')),
    reason text,
    author text,
    author_login text,
    approver text,
    published_at timestamptz,
    retired_at timestamptz,
    content_hash bytea,
    title text,
    owner text,
    PRIMARY KEY (track, version)
);
CREATE UNIQUE INDEX track_version_published ON nurture.track_version (track) WHERE status = 'published';
COMMENT ON TABLE nurture.track_version IS 'Versions of tracks; immutable once published. A lead finishes the version it entered.';
COMMENT ON COLUMN nurture.track_version.track IS 'Track.';
COMMENT ON COLUMN nurture.track_version.version IS 'Version, from 1.';
COMMENT ON COLUMN nurture.track_version.status IS 'draft, published or retired.';
COMMENT ON COLUMN nurture.track_version.reason IS 'Why it was made.';
COMMENT ON COLUMN nurture.track_version.author IS 'Who made it.';
COMMENT ON COLUMN nurture.track_version.author_login IS 'Role that was logged in when it was made, as the server knows it; NULL: a preset.';
COMMENT ON COLUMN nurture.track_version.approver IS 'Who published it.';
COMMENT ON COLUMN nurture.track_version.published_at IS 'When it was published.';
COMMENT ON COLUMN nurture.track_version.retired_at IS 'When another version took its place.';
COMMENT ON COLUMN nurture.track_version.content_hash IS 'SHA-256 of its steps, entries and branches, set when it is published.';
COMMENT ON COLUMN nurture.track_version.title IS 'Words for people.';
COMMENT ON COLUMN nurture.track_version.owner IS 'Who answers for the row.';
SELECT @extschema@.nurture_config_table('nurture.track_version');

CREATE TABLE nurture.track_step (
    track text NOT NULL,
    version integer NOT NULL,
    step_no integer NOT NULL CHECK (step_no BETWEEN 1 AND 1000),
    action text NOT NULL DEFAULT 'message' CHECK (action IN ('message', 'invitation', 'question', 'wait', 'task', 'handoff', 'stage')),
    target text CHECK (target <> ''),
    due_within interval CHECK (due_within > interval '0' AND extract(day FROM due_within) = 0 AND extract(month FROM due_within) = 0 AND extract(year FROM due_within) = 0),
    family text,
    required_tags text[],
    preferred_tags text[],
    wait interval NOT NULL DEFAULT '0' CHECK (wait BETWEEN '-10 years' AND '10 years'),
    wait_from text NOT NULL DEFAULT 'previous' CHECK (wait_from IN ('previous', 'enrollment') OR wait_from ~ '^(account[.])?attributes[.].'),
    channels text[],
    condition jsonb,
    on_none text NOT NULL DEFAULT 'hold' CHECK (on_none IN ('skip', 'hold', 'exit')),
    title text,
    reason text,
    owner text,
    PRIMARY KEY (track, version, step_no),
    FOREIGN KEY (track, version) REFERENCES nurture.track_version ON DELETE CASCADE,
    CHECK (wait >= interval '0' OR wait_from NOT IN ('previous', 'enrollment')),
    CHECK (target IS NOT NULL OR action NOT IN ('task', 'stage')),
    CHECK (target IS NULL OR action IN ('question', 'task', 'handoff', 'stage')),
    CHECK (due_within IS NULL OR action = 'task')
);
COMMENT ON TABLE nurture.track_step IS 'Steps of a track, in order.';
COMMENT ON COLUMN nurture.track_step.track IS 'Track.';
COMMENT ON COLUMN nurture.track_step.version IS 'Version.';
COMMENT ON COLUMN nurture.track_step.step_no IS 'Order.';
COMMENT ON COLUMN nurture.track_step.action IS 'message, invitation or question: choose an asset and send it; task: give a team something to do; handoff: hand the lead over; stage: move it to a lifecycle stage; wait: nothing.';
COMMENT ON COLUMN nurture.track_step.target IS 'Of a task: the team. Of a hand-off: the route, NULL = the first that takes the lead. Of a stage: its code. Of a question: the fact that is asked for, such as attributes.topic; who has answered is not asked.';
COMMENT ON COLUMN nurture.track_step.due_within IS 'Of a task: working time of the team until it is due; NULL = no time.';
COMMENT ON COLUMN nurture.track_step.family IS 'Family of assets to choose from; NULL = any.';
COMMENT ON COLUMN nurture.track_step.required_tags IS 'Tags the asset must have, as dimension:value.';
COMMENT ON COLUMN nurture.track_step.preferred_tags IS 'Tags that raise its rank.';
COMMENT ON COLUMN nurture.track_step.wait IS 'How long after wait_from it is due, times the factor of the cadence; of a date as it is, negative = so long before it.';
COMMENT ON COLUMN nurture.track_step.wait_from IS 'previous: the step before; enrollment: when the lead entered; attributes.<key> or account.attributes.<key>: that date of the lead, as YYYY-MM-DD (midnight UTC) or ISO 8601 with its zone.';
COMMENT ON COLUMN nurture.track_step.channels IS 'Channels to try, in order; NULL = any the asset has.';
COMMENT ON COLUMN nurture.track_step.condition IS 'The step is skipped unless this is true; NULL = always.';
COMMENT ON COLUMN nurture.track_step.on_none IS 'Without a sendable asset, a route or the date: skip the step, hold and try again, or exit.';
COMMENT ON COLUMN nurture.track_step.title IS 'Words for people.';
COMMENT ON COLUMN nurture.track_step.reason IS 'Why it is as it is.';
COMMENT ON COLUMN nurture.track_step.owner IS 'Who answers for the row.';
SELECT @extschema@.nurture_config_table('nurture.track_step');

CREATE TABLE nurture.track_entry (
    track text NOT NULL,
    version integer NOT NULL,
    entry text NOT NULL CHECK (entry ~ '^[a-z][a-z0-9_]*$'),
    condition jsonb NOT NULL,
    segment text REFERENCES nurture.segment,
    from_step integer NOT NULL DEFAULT 1,
    once_goal_unmet boolean NOT NULL DEFAULT true,
    title text,
    reason text,
    owner text,
    PRIMARY KEY (track, version, entry),
    FOREIGN KEY (track, version) REFERENCES nurture.track_version ON DELETE CASCADE
);
COMMENT ON TABLE nurture.track_entry IS 'What brings a lead into a track; asked when an event with a signal of the condition comes.';
COMMENT ON COLUMN nurture.track_entry.track IS 'Track.';
COMMENT ON COLUMN nurture.track_entry.version IS 'Version.';
COMMENT ON COLUMN nurture.track_entry.entry IS 'Code.';
COMMENT ON COLUMN nurture.track_entry.condition IS 'Condition; must be true.';
COMMENT ON COLUMN nurture.track_entry.segment IS 'Only for leads in this segment; NULL = for all.';
COMMENT ON COLUMN nurture.track_entry.from_step IS 'Step it begins with.';
COMMENT ON COLUMN nurture.track_entry.once_goal_unmet IS 'Not for leads that have reached the goal.';
COMMENT ON COLUMN nurture.track_entry.title IS 'Words for people.';
COMMENT ON COLUMN nurture.track_entry.reason IS 'Why it is as it is.';
COMMENT ON COLUMN nurture.track_entry.owner IS 'Who answers for the row.';
SELECT @extschema@.nurture_config_table('nurture.track_entry');

CREATE TABLE nurture.track_branch (
    track text NOT NULL,
    version integer NOT NULL,
    branch text NOT NULL CHECK (branch ~ '^[a-z][a-z0-9_]*$'),
    from_step integer,
    condition jsonb,
    inactivity_days integer CHECK (inactivity_days > 0),
    to_track text REFERENCES nurture.track,
    to_step integer,
    resume boolean NOT NULL DEFAULT false,
    label text CHECK (label ~ '^[a-z][a-z0-9_]*$' AND length(label) <= 63),
    priority smallint NOT NULL DEFAULT 0,
    title text,
    reason text,
    owner text,
    PRIMARY KEY (track, version, branch),
    FOREIGN KEY (track, version) REFERENCES nurture.track_version ON DELETE CASCADE,
    CHECK ((condition IS NULL) <> (inactivity_days IS NULL)),
    CHECK (NOT resume OR (to_track IS NOT NULL AND to_step IS NULL))
);
COMMENT ON TABLE nurture.track_branch IS 'What takes a lead out of a track or into another; conditions are asked when an event with one of their signals comes, inactivity by the tick.';
COMMENT ON COLUMN nurture.track_branch.track IS 'Track.';
COMMENT ON COLUMN nurture.track_branch.version IS 'Version.';
COMMENT ON COLUMN nurture.track_branch.branch IS 'Code; the reason of the exit.';
COMMENT ON COLUMN nurture.track_branch.from_step IS 'Only at this step; NULL = at any.';
COMMENT ON COLUMN nurture.track_branch.condition IS 'Condition; must be true.';
COMMENT ON COLUMN nurture.track_branch.inactivity_days IS 'Instead of a condition: so many days without engagement.';
COMMENT ON COLUMN nurture.track_branch.to_track IS 'Where to; NULL = nurturing ends.';
COMMENT ON COLUMN nurture.track_branch.to_step IS 'Step there; NULL = its first. A later step of the same track: the lead goes on there.';
COMMENT ON COLUMN nurture.track_branch.resume IS 'Goes on with that track where the lead left it, whether or not it may walk it again.';
COMMENT ON COLUMN nurture.track_branch.label IS 'Label that a lead gets when it takes the branch; what a person took off is not set again.';
COMMENT ON COLUMN nurture.track_branch.priority IS 'The highest that holds is taken.';
COMMENT ON COLUMN nurture.track_branch.title IS 'Words for people.';
COMMENT ON COLUMN nurture.track_branch.reason IS 'Why it is as it is.';
COMMENT ON COLUMN nurture.track_branch.owner IS 'Who answers for the row.';
SELECT @extschema@.nurture_config_table('nurture.track_branch');

CREATE TABLE nurture.cadence (
    track text NOT NULL DEFAULT '*',
    segment text NOT NULL DEFAULT '*',
    stage text NOT NULL DEFAULT '*',
    level text NOT NULL CHECK (level IN ('active', 'warm', 'quiet', 'cold')),
    within_days integer CHECK (within_days >= 0),
    factor numeric(9,2) NOT NULL CHECK (factor BETWEEN 0 AND 100),
    sends boolean NOT NULL DEFAULT true,
    formats text[] CHECK (cardinality(formats) > 0),
    title text,
    owner text,
    reason text,
    PRIMARY KEY (track, segment, stage, level),
    CHECK (within_days IS NULL OR (level <> 'cold' AND track = '*' AND segment = '*' AND stage = '*'))
);
COMMENT ON TABLE nurture.cadence IS 'How engagement stretches the waits of a track. The most specific row says: of the track, then of a segment, then of a stage, before those of *.';
COMMENT ON COLUMN nurture.cadence.track IS 'Track, or * for all.';
COMMENT ON COLUMN nurture.cadence.segment IS 'Only leads in this segment, or * for all.';
COMMENT ON COLUMN nurture.cadence.stage IS 'Only leads in this lifecycle stage, or * for all.';
COMMENT ON COLUMN nurture.cadence.level IS 'active, warm, quiet or cold.';
COMMENT ON COLUMN nurture.cadence.within_days IS 'The level of leads that engaged within so many days, in rows for all tracks, segments and stages; cold = longer ago.';
COMMENT ON COLUMN nurture.cadence.factor IS 'Times the wait of a step.';
COMMENT ON COLUMN nurture.cadence.sends IS 'Whether anything is sent at this level; else the step waits.';
COMMENT ON COLUMN nurture.cadence.formats IS 'Formats that suit leads of this level: assets tagged with one are preferred; NULL = any.';
COMMENT ON COLUMN nurture.cadence.title IS 'Words for people.';
COMMENT ON COLUMN nurture.cadence.owner IS 'Who answers for the row.';
COMMENT ON COLUMN nurture.cadence.reason IS 'Why it is as it is.';
SELECT @extschema@.nurture_config_table('nurture.cadence');

CREATE TABLE nurture.enrollment (
    lead_id bigint NOT NULL,
    enrollment_no bigint NOT NULL CHECK (enrollment_no > 0),
    track text NOT NULL,
    version integer NOT NULL,
    purpose text NOT NULL,
    step_no integer NOT NULL,
    state text NOT NULL CHECK (state IN ('active', 'waiting', 'paused', 'exhausted', 'exited', 'completed')),
    due_from timestamptz NOT NULL,
    next_due_at timestamptz,
    refusals smallint NOT NULL DEFAULT 0,
    entered_at timestamptz NOT NULL,
    entered_by text NOT NULL,
    trigger_event_id bigint,
    campaign text,
    exited_at timestamptz,
    exited_by text,
    exit_reason text,
    PRIMARY KEY (lead_id, enrollment_no)
) WITH (fillfactor = 80);
CREATE UNIQUE INDEX enrollment_open ON nurture.enrollment (lead_id, purpose) WHERE state IN ('active', 'waiting', 'paused');
CREATE INDEX enrollment_due ON nurture.enrollment (next_due_at) WHERE state IN ('active', 'waiting');
COMMENT ON TABLE nurture.enrollment IS 'Leads on tracks, now and before; changed by functions only. One open per lead and purpose.';
COMMENT ON COLUMN nurture.enrollment.lead_id IS 'Lead.';
COMMENT ON COLUMN nurture.enrollment.enrollment_no IS 'Counts the lead''s enrollments, from 1.';
COMMENT ON COLUMN nurture.enrollment.track IS 'Track.';
COMMENT ON COLUMN nurture.enrollment.version IS 'Version entered.';
COMMENT ON COLUMN nurture.enrollment.purpose IS 'Purpose of the track.';
COMMENT ON COLUMN nurture.enrollment.step_no IS 'Step that comes next.';
COMMENT ON COLUMN nurture.enrollment.state IS 'active; waiting: nothing could be sent, it is tried again; paused; exhausted: all content used; exited; completed.';
COMMENT ON COLUMN nurture.enrollment.due_from IS 'When the wait for the next step began.';
COMMENT ON COLUMN nurture.enrollment.next_due_at IS 'When the next step is due.';
COMMENT ON COLUMN nurture.enrollment.refusals IS 'How often in a row the gate refused the step.';
COMMENT ON COLUMN nurture.enrollment.entered_at IS 'When the lead entered.';
COMMENT ON COLUMN nurture.enrollment.entered_by IS 'entry:<code>, branch:<code> or manual.';
COMMENT ON COLUMN nurture.enrollment.trigger_event_id IS 'Event that led to it.';
COMMENT ON COLUMN nurture.enrollment.campaign IS 'Campaign of that event, else the one the lead came by.';
COMMENT ON COLUMN nurture.enrollment.exited_at IS 'When it ended.';
COMMENT ON COLUMN nurture.enrollment.exited_by IS 'event, tick, manual or the room that ended it.';
COMMENT ON COLUMN nurture.enrollment.exit_reason IS 'Why it ended: goal, a branch, a reason of the gate, words of a person.';

CREATE UNIQUE INDEX message_step ON nurture.message (lead_id, enrollment_no, step_no)
    WHERE enrollment_no IS NOT NULL AND status NOT IN ('refused', 'cancelled', 'failed');
COMMENT ON INDEX nurture.message_step IS 'A step of an enrollment sends once.';

CREATE TABLE nurture.tick_error (
    lead_id bigint NOT NULL,
    tick_error_id bigint NOT NULL GENERATED BY DEFAULT AS IDENTITY,
    kind text NOT NULL,
    at timestamptz NOT NULL,
    sqlstate text NOT NULL,
    message text NOT NULL,
    PRIMARY KEY (lead_id, tick_error_id)
);
COMMENT ON TABLE nurture.tick_error IS 'Leads and accounts that a tick could not work off, with the error; the others went on.';
COMMENT ON COLUMN nurture.tick_error.lead_id IS 'Lead; the account where kind is account.';
COMMENT ON COLUMN nurture.tick_error.tick_error_id IS 'Number.';
COMMENT ON COLUMN nurture.tick_error.kind IS 'Kind of work, as nurture_tick returns it.';
COMMENT ON COLUMN nurture.tick_error.at IS 'When.';
COMMENT ON COLUMN nurture.tick_error.sqlstate IS 'SQLSTATE.';
COMMENT ON COLUMN nurture.tick_error.message IS 'Its message.';

CREATE TRIGGER nurture_author BEFORE INSERT OR UPDATE ON nurture.track_version
    FOR EACH ROW EXECUTE FUNCTION @extschema@.nurture_version_author();
ALTER TABLE nurture.track_version ENABLE ALWAYS TRIGGER nurture_author;
CREATE TRIGGER nurture_track_guard BEFORE INSERT OR UPDATE OR DELETE ON nurture.track_version
    FOR EACH ROW EXECUTE FUNCTION @extschema@.nurture_version_guard();
CREATE TRIGGER nurture_part_guard BEFORE INSERT OR UPDATE OR DELETE ON nurture.track_step
    FOR EACH ROW EXECUTE FUNCTION @extschema@.nurture_version_part_guard('track_version');
CREATE TRIGGER nurture_part_guard BEFORE INSERT OR UPDATE OR DELETE ON nurture.track_entry
    FOR EACH ROW EXECUTE FUNCTION @extschema@.nurture_version_part_guard('track_version');
CREATE TRIGGER nurture_part_guard BEFORE INSERT OR UPDATE OR DELETE ON nurture.track_branch
    FOR EACH ROW EXECUTE FUNCTION @extschema@.nurture_version_part_guard('track_version');
CREATE TRIGGER nurture_enrollment_guard BEFORE INSERT OR UPDATE OR DELETE ON nurture.enrollment
    FOR EACH ROW EXECUTE FUNCTION @extschema@.nurture_enrollment_guard();
ALTER TABLE nurture.track_version ENABLE ALWAYS TRIGGER nurture_track_guard;
ALTER TABLE nurture.track_step ENABLE ALWAYS TRIGGER nurture_part_guard;
ALTER TABLE nurture.track_entry ENABLE ALWAYS TRIGGER nurture_part_guard;
ALTER TABLE nurture.track_branch ENABLE ALWAYS TRIGGER nurture_part_guard;
ALTER TABLE nurture.enrollment ENABLE ALWAYS TRIGGER nurture_enrollment_guard;
