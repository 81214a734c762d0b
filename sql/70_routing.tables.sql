-- Routing: who takes over a lead, when they must have answered, and what
-- became of it. A hand-off belongs to one lead; only the naming of a member
-- (nurture_assign) looks across leads.

CREATE TABLE nurture.calendar (
    calendar text PRIMARY KEY CHECK (calendar ~ '^[a-z][a-z0-9_]*$'),
    title text NOT NULL,
    time_zone text NOT NULL CHECK (pg_catalog.timezone(time_zone, timestamptz '2000-01-01 00:00:00+00') IS NOT NULL),
    owner text,
    reason text
);
COMMENT ON TABLE nurture.calendar IS 'Working calendars on which the clocks of hand-offs run.';
COMMENT ON COLUMN nurture.calendar.calendar IS 'Code.';
COMMENT ON COLUMN nurture.calendar.title IS 'Words for people.';
COMMENT ON COLUMN nurture.calendar.time_zone IS 'IANA zone in which hours and holidays are meant.';
COMMENT ON COLUMN nurture.calendar.owner IS 'Who answers for the row.';
COMMENT ON COLUMN nurture.calendar.reason IS 'Why it is as it is.';
SELECT @extschema@.nurture_config_table('nurture.calendar');

CREATE TABLE nurture.calendar_hours (
    calendar text NOT NULL REFERENCES nurture.calendar ON DELETE CASCADE,
    weekday smallint NOT NULL CHECK (weekday BETWEEN 1 AND 7),
    from_time time NOT NULL,
    to_time time NOT NULL,
    owner text,
    reason text,
    title text,
    PRIMARY KEY (calendar, weekday, from_time),
    CHECK (from_time < to_time)
);
COMMENT ON TABLE nurture.calendar_hours IS 'Working hours; a weekday may have several rows and those that overlap count once.';
COMMENT ON COLUMN nurture.calendar_hours.calendar IS 'Calendar.';
COMMENT ON COLUMN nurture.calendar_hours.weekday IS '1 Monday to 7 Sunday.';
COMMENT ON COLUMN nurture.calendar_hours.from_time IS 'Begin, by the clock on the wall of the calendar''s zone.';
COMMENT ON COLUMN nurture.calendar_hours.to_time IS 'End, not included; 24:00 is the end of the day.';
COMMENT ON COLUMN nurture.calendar_hours.owner IS 'Who answers for the row.';
COMMENT ON COLUMN nurture.calendar_hours.reason IS 'Why it is as it is.';
COMMENT ON COLUMN nurture.calendar_hours.title IS 'Words for people.';
SELECT @extschema@.nurture_config_table('nurture.calendar_hours');

CREATE TABLE nurture.calendar_holiday (
    calendar text NOT NULL REFERENCES nurture.calendar ON DELETE CASCADE,
    day date NOT NULL,
    title text NOT NULL,
    owner text,
    reason text,
    PRIMARY KEY (calendar, day)
);
COMMENT ON TABLE nurture.calendar_holiday IS 'Days of a calendar on which nobody works.';
COMMENT ON COLUMN nurture.calendar_holiday.calendar IS 'Calendar.';
COMMENT ON COLUMN nurture.calendar_holiday.day IS 'Day in the calendar''s zone.';
COMMENT ON COLUMN nurture.calendar_holiday.title IS 'Words for people.';
COMMENT ON COLUMN nurture.calendar_holiday.owner IS 'Who answers for the row.';
COMMENT ON COLUMN nurture.calendar_holiday.reason IS 'Why it is as it is.';
SELECT @extschema@.nurture_config_table('nurture.calendar_holiday');

CREATE TABLE nurture.team (
    team text PRIMARY KEY CHECK (team ~ '^[a-z][a-z0-9_]*$'),
    title text NOT NULL,
    lane text NOT NULL DEFAULT 'business' CHECK (lane ~ '^[a-z][a-z0-9_]*$'),
    calendar text REFERENCES nurture.calendar,
    never_audiences text[] NOT NULL DEFAULT '{}',
    never_requests text[] NOT NULL DEFAULT '{}',
    escalate_to text CHECK (escalate_to <> ''),
    owner text,
    reason text
);
COMMENT ON TABLE nurture.team IS 'Teams that take over leads.';
COMMENT ON COLUMN nurture.team.team IS 'Code.';
COMMENT ON COLUMN nurture.team.title IS 'Words for people.';
COMMENT ON COLUMN nurture.team.lane IS 'A lead has at most one open hand-off per product and lane: business, medical and safety run beside each other.';
COMMENT ON COLUMN nurture.team.calendar IS 'Calendar of its clocks; NULL = round the clock.';
COMMENT ON COLUMN nurture.team.never_audiences IS 'Audience types that never come here, whatever a route says.';
COMMENT ON COLUMN nurture.team.never_requests IS 'Kinds of requests that never come here, whatever a route says.';
COMMENT ON COLUMN nurture.team.escalate_to IS 'Who is told when a clock of a hand-off is up, as a member or in words of the CRM; NULL = the team''s owner.';
COMMENT ON COLUMN nurture.team.owner IS 'Who answers for the row.';
COMMENT ON COLUMN nurture.team.reason IS 'Why it is as it is.';
SELECT @extschema@.nurture_config_table('nurture.team');

CREATE TABLE nurture.team_member (
    team text NOT NULL REFERENCES nurture.team,
    member text NOT NULL CHECK (member <> ''),
    external_ref text,
    title text,
    capacity integer CHECK (capacity >= 0),
    weight smallint NOT NULL DEFAULT 1 CHECK (weight BETWEEN 1 AND 16),
    territories text[] NOT NULL DEFAULT '{}',
    languages text[] NOT NULL DEFAULT '{}',
    absence tstzrange[] NOT NULL DEFAULT '{}',
    active boolean NOT NULL DEFAULT true,
    owner text,
    reason text,
    PRIMARY KEY (team, member)
);
COMMENT ON TABLE nurture.team_member IS 'Members of teams.';
COMMENT ON COLUMN nurture.team_member.team IS 'Team.';
COMMENT ON COLUMN nurture.team_member.member IS 'Name of the member in this database, such as the role the member logs in with.';
COMMENT ON COLUMN nurture.team_member.external_ref IS 'Identifier of the CRM; owner of leads and accounts may name it.';
COMMENT ON COLUMN nurture.team_member.title IS 'Words for people.';
COMMENT ON COLUMN nurture.team_member.capacity IS 'Open hand-offs at most; NULL = any number.';
COMMENT ON COLUMN nurture.team_member.weight IS 'Share under the method weighted: 2 gets twice as many as 1.';
COMMENT ON COLUMN nurture.team_member.territories IS 'Countries (DE) and regions (DE-BY) the member covers; empty = all.';
COMMENT ON COLUMN nurture.team_member.languages IS 'Languages the member speaks, such as de: who speaks the language of the lead goes before who does not; empty = not told, as if the member spoke every one.';
COMMENT ON COLUMN nurture.team_member.absence IS 'Times in which the member gets nothing.';
COMMENT ON COLUMN nurture.team_member.active IS 'Gets hand-offs at all.';
COMMENT ON COLUMN nurture.team_member.owner IS 'Who answers for the row.';
COMMENT ON COLUMN nurture.team_member.reason IS 'Why it is as it is.';
SELECT @extschema@.nurture_config_table('nurture.team_member');

CREATE TABLE nurture.team_turn (
    team text NOT NULL,
    member text NOT NULL DEFAULT '',
    turn bigint NOT NULL DEFAULT 0,
    assigned bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (team, member)
);
COMMENT ON TABLE nurture.team_turn IS 'Whose turn it is; written by nurture_assign only. Apart from team_member, so that a turn is no change of configuration.';
COMMENT ON COLUMN nurture.team_turn.team IS 'Team.';
COMMENT ON COLUMN nurture.team_turn.member IS 'Member; empty = the team as a whole.';
COMMENT ON COLUMN nurture.team_turn.turn IS 'Virtual time at which the member is served next; of the team: the latest served.';
COMMENT ON COLUMN nurture.team_turn.assigned IS 'Hand-offs given so far.';

CREATE TABLE nurture.request_kind (
    request_kind text PRIMARY KEY CHECK (request_kind ~ '^[a-z][a-z0-9_]*$'),
    event_type text NOT NULL REFERENCES nurture.event_type,
    offers text[] NOT NULL DEFAULT '{}' CHECK (array_position(offers, NULL) IS NULL),
    title text NOT NULL,
    owner text,
    reason text
);
COMMENT ON TABLE nurture.request_kind IS 'What leads ask for, and the event that says so.';
COMMENT ON COLUMN nurture.request_kind.request_kind IS 'Code.';
COMMENT ON COLUMN nurture.request_kind.event_type IS 'An event of this type opens such a request.';
COMMENT ON COLUMN nurture.request_kind.offers IS 'Offers that such a request answers, as values of tag dimension offer: content with them is not chosen while the request is open, nor after it was fulfilled.';
COMMENT ON COLUMN nurture.request_kind.title IS 'Words for people.';
COMMENT ON COLUMN nurture.request_kind.owner IS 'Who answers for the row.';
COMMENT ON COLUMN nurture.request_kind.reason IS 'Why it is as it is.';
SELECT @extschema@.nurture_config_table('nurture.request_kind');

CREATE TABLE nurture.route (
    route text PRIMARY KEY CHECK (route ~ '^[a-z][a-z0-9_]*$'),
    title text NOT NULL,
    product text NOT NULL DEFAULT '*',
    owner text,
    reason text
);
COMMENT ON TABLE nurture.route IS 'Routes: when a lead goes to which team.';
COMMENT ON COLUMN nurture.route.route IS 'Code.';
COMMENT ON COLUMN nurture.route.title IS 'Words for people.';
COMMENT ON COLUMN nurture.route.product IS 'Product of its hand-offs, or * for none in particular.';
COMMENT ON COLUMN nurture.route.owner IS 'Who answers for the row.';
COMMENT ON COLUMN nurture.route.reason IS 'Why it is as it is.';
SELECT @extschema@.nurture_config_table('nurture.route');

CREATE TABLE nurture.route_version (
    route text NOT NULL REFERENCES nurture.route,
    version integer NOT NULL CHECK (version > 0),
    status text NOT NULL DEFAULT 'draft' CHECK (status IN ('draft', 'published', 'retired')),
    priority integer NOT NULL,
    condition jsonb NOT NULL,
    team text NOT NULL REFERENCES nurture.team,
    method text NOT NULL DEFAULT 'round_robin' CHECK (method IN ('owner_affinity', 'territory', 'round_robin', 'weighted', 'least_loaded', 'queue')),
    sla_accept interval NOT NULL CHECK (sla_accept > interval '0' AND extract(day FROM sla_accept) = 0 AND extract(month FROM sla_accept) = 0 AND extract(year FROM sla_accept) = 0),
    sla_first_response interval NOT NULL CHECK (sla_first_response > interval '0' AND extract(day FROM sla_first_response) = 0 AND extract(month FROM sla_first_response) = 0 AND extract(year FROM sla_first_response) = 0),
    offer_expires interval CHECK (offer_expires > interval '0' AND extract(day FROM offer_expires) = 0 AND extract(month FROM offer_expires) = 0 AND extract(year FROM offer_expires) = 0),
    cool_down interval NOT NULL DEFAULT interval '30 days' CHECK (cool_down >= interval '0'),
    attempts_max smallint CHECK (attempts_max > 0),
    required_fields text[] NOT NULL DEFAULT '{}',
    hold_until jsonb,
    min_confidence numeric(5,4) CHECK (min_confidence BETWEEN 0 AND 1),
    review_when jsonb,
    review_bucket text NOT NULL DEFAULT 'manual_research' CHECK (review_bucket IN ('manual_research', 'discovery', 'compliance_review')),
    return_track text,
    author text,
    author_login text,
    approver text,
    reason text,
    published_at timestamptz,
    retired_at timestamptz,
    content_hash bytea,
    title text,
    owner text,
    PRIMARY KEY (route, version)
);
CREATE UNIQUE INDEX route_version_published ON nurture.route_version (route) WHERE status = 'published';
COMMENT ON TABLE nurture.route_version IS 'Versions of routes; immutable once published. The route with the smallest priority whose condition holds takes the lead; equal priorities go by code.';
COMMENT ON COLUMN nurture.route_version.route IS 'Route.';
COMMENT ON COLUMN nurture.route_version.version IS 'Number, from 1.';
COMMENT ON COLUMN nurture.route_version.status IS 'draft, published or retired; at most one is published.';
COMMENT ON COLUMN nurture.route_version.priority IS 'Smaller is asked first.';
COMMENT ON COLUMN nurture.route_version.condition IS 'When it applies. It is asked when a signal or tag it names occurred, or a standing it names was reached; one that names none of these is asked for requests that no other route takes.';
COMMENT ON COLUMN nurture.route_version.team IS 'Where the lead goes.';
COMMENT ON COLUMN nurture.route_version.method IS 'How the member is found: owner_affinity (the owner of lead or account, with the own team; else in turn), territory, round_robin, weighted, least_loaded, or queue (members help themselves).';
COMMENT ON COLUMN nurture.route_version.sla_accept IS 'Working time from the offer to its acceptance.';
COMMENT ON COLUMN nurture.route_version.sla_first_response IS 'Working time from the offer to the first logged attempt.';
COMMENT ON COLUMN nurture.route_version.offer_expires IS 'Working time after which an offer nobody accepted ends; NULL = never.';
COMMENT ON COLUMN nurture.route_version.cool_down IS 'Time for which a returned lead is not offered again on old grounds.';
COMMENT ON COLUMN nurture.route_version.attempts_max IS 'Unanswered attempts in a row after which the lead goes back to nurture; NULL = any number.';
COMMENT ON COLUMN nurture.route_version.required_fields IS 'Columns of the lead, or attributes.<key>, the team needs; missing ones are reported in the package.';
COMMENT ON COLUMN nurture.route_version.hold_until IS 'Condition that must hold before the hand-off is offered; until then it is pending.';
COMMENT ON COLUMN nurture.route_version.min_confidence IS 'By standing a lead is handed over only when this share of its fit points is decided by known facts, 0 to 1; with less a person looks first. NULL = any.';
COMMENT ON COLUMN nurture.route_version.review_when IS 'Condition under which a person looks at a lead first that is to be handed over by standing.';
COMMENT ON COLUMN nurture.route_version.review_bucket IS 'Kind of that review: manual_research, discovery or compliance_review; done lets the lead go on, dismiss (compliance_review: refuse) keeps it.';
COMMENT ON COLUMN nurture.route_version.return_track IS 'Track that a lead walks when it comes back to nurture; NULL = none.';
COMMENT ON COLUMN nurture.route_version.author IS 'Who wrote it.';
COMMENT ON COLUMN nurture.route_version.author_login IS 'Role that was logged in when it was made, as the server knows it; NULL: a preset.';
COMMENT ON COLUMN nurture.route_version.approver IS 'Who published it.';
COMMENT ON COLUMN nurture.route_version.reason IS 'Why it is as it is.';
COMMENT ON COLUMN nurture.route_version.published_at IS 'Since when it is in force.';
COMMENT ON COLUMN nurture.route_version.retired_at IS 'Until when it was.';
COMMENT ON COLUMN nurture.route_version.content_hash IS 'SHA-256 of what was published.';
COMMENT ON COLUMN nurture.route_version.title IS 'Words for people.';
COMMENT ON COLUMN nurture.route_version.owner IS 'Who answers for the row.';
SELECT @extschema@.nurture_config_table('nurture.route_version');
CREATE TRIGGER nurture_check BEFORE INSERT OR UPDATE ON nurture.route_version
    FOR EACH ROW EXECUTE FUNCTION @extschema@.nurture_routing_check();
CREATE TRIGGER nurture_author BEFORE INSERT OR UPDATE ON nurture.route_version
    FOR EACH ROW EXECUTE FUNCTION @extschema@.nurture_version_author();
ALTER TABLE nurture.route_version ENABLE ALWAYS TRIGGER nurture_author;
CREATE TRIGGER nurture_version_guard BEFORE INSERT OR UPDATE OR DELETE ON nurture.route_version
    FOR EACH ROW EXECUTE FUNCTION @extschema@.nurture_version_guard();
ALTER TABLE nurture.route_version ENABLE ALWAYS TRIGGER nurture_version_guard;

CREATE TABLE nurture.stage_transition (
    audience_type text NOT NULL DEFAULT '*',
    from_stage text NOT NULL CHECK (from_stage ~ '^[a-z][a-z0-9_]*$'),
    to_stage text NOT NULL CHECK (to_stage ~ '^[a-z][a-z0-9_]*$'),
    by text NOT NULL CHECK (by IN ('rule', 'hand_off', 'person', 'track')),
    condition jsonb,
    after interval NOT NULL DEFAULT interval '0' CHECK (after >= interval '0'),
    title text,
    owner text,
    reason text,
    PRIMARY KEY (audience_type, from_stage, to_stage, by),
    CHECK (from_stage <> to_stage),
    CHECK ((by = 'rule') = (condition IS NOT NULL))
);
COMMENT ON TABLE nurture.stage_transition IS 'The graph of lifecycle stages: every change of nurture.lead_stage is one of these rows.';
COMMENT ON COLUMN nurture.stage_transition.audience_type IS 'Audience, or * for all that have no row of their own for this pair.';
COMMENT ON COLUMN nurture.stage_transition.from_stage IS 'Stage before.';
COMMENT ON COLUMN nurture.stage_transition.to_stage IS 'Stage after.';
COMMENT ON COLUMN nurture.stage_transition.by IS 'What may make the change: rule (the condition, in the event statement), hand_off (accept, attempt, convert, return, ...), person, or track (a step of one).';
COMMENT ON COLUMN nurture.stage_transition.condition IS 'Of a rule: when the change happens.';
COMMENT ON COLUMN nurture.stage_transition.after IS 'Of a rule: time the lead must have been in from_stage.';
COMMENT ON COLUMN nurture.stage_transition.title IS 'Words for people.';
COMMENT ON COLUMN nurture.stage_transition.owner IS 'Who answers for the row.';
COMMENT ON COLUMN nurture.stage_transition.reason IS 'Why it is as it is.';
SELECT @extschema@.nurture_config_table('nurture.stage_transition');
CREATE TRIGGER nurture_check BEFORE INSERT OR UPDATE ON nurture.stage_transition
    FOR EACH ROW EXECUTE FUNCTION @extschema@.nurture_routing_check();

CREATE TABLE nurture.disqualification (
    lead_id bigint NOT NULL,
    disqualification_no bigint GENERATED BY DEFAULT AS IDENTITY,
    product text NOT NULL DEFAULT '*',
    reason text NOT NULL CHECK (reason ~ '^[a-z][a-z0-9_]*$'),
    excludes boolean NOT NULL DEFAULT true,
    valid_during tstzrange NOT NULL DEFAULT tstzrange(@extschema@.nurture_now(), NULL) CHECK (NOT isempty(valid_during)),
    note text,
    actor text,
    recorded_at timestamptz NOT NULL DEFAULT @extschema@.nurture_now(),
    PRIMARY KEY (lead_id, disqualification_no)
);
COMMENT ON TABLE nurture.disqualification IS 'Why a lead is out, or less than it seems: facts with a validity.';
COMMENT ON COLUMN nurture.disqualification.lead_id IS 'Lead.';
COMMENT ON COLUMN nurture.disqualification.disqualification_no IS 'Number.';
COMMENT ON COLUMN nurture.disqualification.product IS 'Product, or * for all.';
COMMENT ON COLUMN nurture.disqualification.reason IS 'Code, such as out_of_region.';
COMMENT ON COLUMN nurture.disqualification.excludes IS 'Takes the lead out of the funnel; else it is only shown.';
COMMENT ON COLUMN nurture.disqualification.valid_during IS 'When it holds.';
COMMENT ON COLUMN nurture.disqualification.note IS 'Words for people.';
COMMENT ON COLUMN nurture.disqualification.actor IS 'Who says so.';
COMMENT ON COLUMN nurture.disqualification.recorded_at IS 'When we learned it.';
CREATE TRIGGER nurture_standing_insert AFTER INSERT ON nurture.disqualification
    REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.nurture_standing_decide_trigger();
CREATE TRIGGER nurture_standing_update AFTER UPDATE ON nurture.disqualification
    REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.nurture_standing_decide_trigger();
CREATE TRIGGER nurture_standing_delete AFTER DELETE ON nurture.disqualification
    REFERENCING OLD TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.nurture_standing_decide_trigger();
-- behind nurture_consent_changed, which goes before it by name
CREATE TRIGGER nurture_standing_insert AFTER INSERT ON nurture.consent_event
    REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.nurture_standing_decide_trigger('consent');
-- who may be another lead is no lead by itself until a person has said so
CREATE TRIGGER nurture_standing_insert AFTER INSERT ON nurture.review
    REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.nurture_standing_decide_trigger('identity');
CREATE TRIGGER nurture_standing_update AFTER UPDATE ON nurture.review
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.nurture_standing_decide_trigger('identity');
CREATE TRIGGER nurture_standing AFTER UPDATE ON nurture.lead
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.nurture_standing_decide_trigger('lead');

CREATE TRIGGER nurture_standing AFTER UPDATE ON nurture.account
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.nurture_standing_decide_trigger('account');

CREATE TABLE nurture.handoff (
    lead_id bigint NOT NULL,
    handoff_id bigint GENERATED BY DEFAULT AS IDENTITY,
    product text NOT NULL DEFAULT '*',
    lane text NOT NULL,
    route text,
    version integer,
    team text NOT NULL,
    member text,
    state text NOT NULL CHECK (state IN ('pending', 'offered', 'accepted', 'working', 'met', 'converted', 'rejected', 'expired', 'returned')),
    is_open boolean GENERATED ALWAYS AS (state IN ('pending', 'offered', 'accepted', 'working', 'met')) STORED,
    method text NOT NULL,
    priority integer NOT NULL,
    tier smallint,
    grade text,
    total numeric(9,2) CHECK (total <> 'NaN'),
    confidence numeric(5,4) CHECK (confidence BETWEEN 0 AND 1),
    created_at timestamptz NOT NULL,
    offered_at timestamptz,
    accept_due timestamptz,
    first_response_due timestamptz,
    expires_at timestamptz,
    accepted_at timestamptz,
    accepted_by text,
    first_response_at timestamptz,
    accept_escalated_at timestamptz,
    response_escalated_at timestamptz,
    met_at timestamptz,
    closed_at timestamptz,
    closed_by text,
    cool_down_until timestamptz,
    attempts integer NOT NULL DEFAULT 0,
    unanswered integer NOT NULL DEFAULT 0,
    reason text,
    package jsonb NOT NULL,
    PRIMARY KEY (lead_id, handoff_id)
) WITH (fillfactor = 80);
CREATE UNIQUE INDEX handoff_open ON nurture.handoff (lead_id, product, lane) WHERE state IN ('pending', 'offered', 'accepted', 'working', 'met');
CREATE INDEX handoff_id ON nurture.handoff (handoff_id);
CREATE INDEX handoff_unassigned ON nurture.handoff (team, created_at) WHERE state = 'offered' AND member IS NULL;
CREATE INDEX handoff_expiring ON nurture.handoff (expires_at) WHERE state = 'offered';
CREATE INDEX handoff_late_accept ON nurture.handoff (accept_due) WHERE state = 'offered' AND accept_escalated_at IS NULL;
CREATE INDEX handoff_late_response ON nurture.handoff (first_response_due) WHERE state = 'accepted' AND response_escalated_at IS NULL;
CREATE INDEX handoff_member ON nurture.handoff (team, member) WHERE state IN ('pending', 'offered', 'accepted', 'working', 'met');
COMMENT ON TABLE nurture.handoff IS 'Leads handed to teams. Changed by functions only: nurture_route, nurture_assign, nurture_accept, nurture_reject, nurture_attempt, nurture_convert, nurture_return.';
COMMENT ON COLUMN nurture.handoff.lead_id IS 'Lead.';
COMMENT ON COLUMN nurture.handoff.handoff_id IS 'Number, unique on its own.';
COMMENT ON COLUMN nurture.handoff.product IS 'Product, or *.';
COMMENT ON COLUMN nurture.handoff.lane IS 'Lane of the team: one open hand-off per lead, product and lane.';
COMMENT ON COLUMN nurture.handoff.route IS 'Route that led here.';
COMMENT ON COLUMN nurture.handoff.version IS 'Its version.';
COMMENT ON COLUMN nurture.handoff.team IS 'Team.';
COMMENT ON COLUMN nurture.handoff.member IS 'Member; NULL until named.';
COMMENT ON COLUMN nurture.handoff.state IS 'pending, offered, accepted, working, met, converted, rejected, expired or returned.';
COMMENT ON COLUMN nurture.handoff.is_open IS 'Somebody has something to do.';
COMMENT ON COLUMN nurture.handoff.method IS 'How the member is found.';
COMMENT ON COLUMN nurture.handoff.priority IS 'Of the route; smaller is more urgent.';
COMMENT ON COLUMN nurture.handoff.tier IS 'Tier of the lead when it was decided.';
COMMENT ON COLUMN nurture.handoff.grade IS 'Grade then, such as A2; NULL when no model applied.';
COMMENT ON COLUMN nurture.handoff.total IS 'Score then.';
COMMENT ON COLUMN nurture.handoff.confidence IS 'Share of fit points decided by known facts then, 0 to 1.';
COMMENT ON COLUMN nurture.handoff.created_at IS 'When it was decided.';
COMMENT ON COLUMN nurture.handoff.offered_at IS 'When the clocks began to run.';
COMMENT ON COLUMN nurture.handoff.accept_due IS 'Until when it is to be accepted.';
COMMENT ON COLUMN nurture.handoff.first_response_due IS 'Until when the first attempt is to be logged.';
COMMENT ON COLUMN nurture.handoff.expires_at IS 'When the offer ends by itself.';
COMMENT ON COLUMN nurture.handoff.accepted_at IS 'When it was accepted.';
COMMENT ON COLUMN nurture.handoff.accepted_by IS 'By whom.';
COMMENT ON COLUMN nurture.handoff.first_response_at IS 'When the first attempt was logged.';
COMMENT ON COLUMN nurture.handoff.accept_escalated_at IS 'When it was told to others that nobody accepted it in time.';
COMMENT ON COLUMN nurture.handoff.response_escalated_at IS 'When it was told to others that nobody had tried to reach the lead in time.';
COMMENT ON COLUMN nurture.handoff.met_at IS 'When a meeting was held.';
COMMENT ON COLUMN nurture.handoff.closed_at IS 'When it ended.';
COMMENT ON COLUMN nurture.handoff.closed_by IS 'Who ended it.';
COMMENT ON COLUMN nurture.handoff.cool_down_until IS 'Until then the lead is not offered again on old grounds.';
COMMENT ON COLUMN nurture.handoff.attempts IS 'Attempts logged.';
COMMENT ON COLUMN nurture.handoff.unanswered IS 'Attempts without answer since the last answer.';
COMMENT ON COLUMN nurture.handoff.reason IS 'Why it ended, as a code or in words.';
COMMENT ON COLUMN nurture.handoff.package IS 'What the team was told, frozen when the hand-off was decided.';
CREATE TRIGGER nurture_guard BEFORE INSERT OR UPDATE OR DELETE ON nurture.handoff
    FOR EACH ROW EXECUTE FUNCTION @extschema@.nurture_handoff_guard();
ALTER TABLE nurture.handoff ENABLE ALWAYS TRIGGER nurture_guard;

CREATE TABLE nurture.handoff_cause (
    lead_id bigint NOT NULL,
    handoff_id bigint NOT NULL,
    cause_no bigint GENERATED BY DEFAULT AS IDENTITY,
    at timestamptz NOT NULL,
    route text,
    version integer,
    event_id bigint,
    event_type text,
    asset_id text,
    reason text,
    actor text,
    PRIMARY KEY (lead_id, handoff_id, cause_no),
    FOREIGN KEY (lead_id, handoff_id) REFERENCES nurture.handoff ON DELETE CASCADE
);
COMMENT ON TABLE nurture.handoff_cause IS 'What led to a hand-off: the trigger that made it, then the addenda that joined it.';
COMMENT ON COLUMN nurture.handoff_cause.lead_id IS 'Lead.';
COMMENT ON COLUMN nurture.handoff_cause.handoff_id IS 'Hand-off.';
COMMENT ON COLUMN nurture.handoff_cause.cause_no IS 'Order of writing; the smallest made the hand-off.';
COMMENT ON COLUMN nurture.handoff_cause.at IS 'When.';
COMMENT ON COLUMN nurture.handoff_cause.route IS 'Route that applied.';
COMMENT ON COLUMN nurture.handoff_cause.version IS 'Its version.';
COMMENT ON COLUMN nurture.handoff_cause.event_id IS 'Event that triggered it; NULL = a standing or a person.';
COMMENT ON COLUMN nurture.handoff_cause.event_type IS 'Its type.';
COMMENT ON COLUMN nurture.handoff_cause.asset_id IS 'Asset it concerned.';
COMMENT ON COLUMN nurture.handoff_cause.reason IS 'In words.';
COMMENT ON COLUMN nurture.handoff_cause.actor IS 'Person, when one asked for it.';

CREATE TABLE nurture.attempt (
    lead_id bigint NOT NULL,
    handoff_id bigint NOT NULL,
    attempt_no integer NOT NULL,
    outcome text NOT NULL,
    at timestamptz NOT NULL,
    actor text,
    note text,
    PRIMARY KEY (lead_id, handoff_id, attempt_no),
    FOREIGN KEY (lead_id, handoff_id) REFERENCES nurture.handoff ON DELETE CASCADE
);
COMMENT ON TABLE nurture.attempt IS 'Trials of a member to reach the lead.';
COMMENT ON COLUMN nurture.attempt.lead_id IS 'Lead.';
COMMENT ON COLUMN nurture.attempt.handoff_id IS 'Hand-off.';
COMMENT ON COLUMN nurture.attempt.attempt_no IS 'From 1.';
COMMENT ON COLUMN nurture.attempt.outcome IS 'no_answer, left_message, reached, replied, meeting_booked, meeting_held, meeting_no_show or wrong_contact.';
COMMENT ON COLUMN nurture.attempt.at IS 'When it was logged.';
COMMENT ON COLUMN nurture.attempt.actor IS 'Who tried.';
COMMENT ON COLUMN nurture.attempt.note IS 'In words.';

CREATE TABLE nurture.request (
    lead_id bigint NOT NULL,
    request_no bigint GENERATED BY DEFAULT AS IDENTITY,
    request_kind text NOT NULL,
    product text NOT NULL DEFAULT '*',
    event_id bigint,
    asset_id text,
    opened_at timestamptz NOT NULL,
    handoff_id bigint,
    state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'fulfilled', 'declined')),
    closed_at timestamptz,
    closed_by text,
    reason text,
    PRIMARY KEY (lead_id, request_no)
);
CREATE INDEX request_open ON nurture.request (lead_id, request_kind) WHERE state = 'open';
COMMENT ON TABLE nurture.request IS 'What leads asked for.';
COMMENT ON COLUMN nurture.request.lead_id IS 'Lead.';
COMMENT ON COLUMN nurture.request.request_no IS 'Number.';
COMMENT ON COLUMN nurture.request.request_kind IS 'Kind, a row of nurture.request_kind.';
COMMENT ON COLUMN nurture.request.product IS 'Product, or *.';
COMMENT ON COLUMN nurture.request.event_id IS 'Event that opened it.';
COMMENT ON COLUMN nurture.request.asset_id IS 'Asset the event concerned.';
COMMENT ON COLUMN nurture.request.opened_at IS 'When the lead asked.';
COMMENT ON COLUMN nurture.request.handoff_id IS 'Hand-off that works on it.';
COMMENT ON COLUMN nurture.request.state IS 'open, fulfilled or declined.';
COMMENT ON COLUMN nurture.request.closed_at IS 'When it was answered.';
COMMENT ON COLUMN nurture.request.closed_by IS 'By whom.';
COMMENT ON COLUMN nurture.request.reason IS 'Why it was declined, or what was given.';

CREATE TABLE nurture.task (
    lead_id bigint NOT NULL,
    task_id bigint GENERATED BY DEFAULT AS IDENTITY,
    handoff_id bigint,
    request_no bigint,
    task_kind text NOT NULL CHECK (task_kind IN ('accept', 'contact', 'request', 'step', 'escalate')),
    title text NOT NULL,
    team text NOT NULL,
    member text,
    state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'done', 'cancelled')),
    due_at timestamptz,
    created_at timestamptz NOT NULL,
    done_at timestamptz,
    PRIMARY KEY (lead_id, task_id)
);
CREATE INDEX task_open ON nurture.task (team, member) WHERE state = 'open';
COMMENT ON TABLE nurture.task IS 'What somebody has to do for a hand-off or a request.';
COMMENT ON COLUMN nurture.task.lead_id IS 'Lead.';
COMMENT ON COLUMN nurture.task.task_id IS 'Number.';
COMMENT ON COLUMN nurture.task.handoff_id IS 'Hand-off.';
COMMENT ON COLUMN nurture.task.request_no IS 'Request.';
COMMENT ON COLUMN nurture.task.task_kind IS 'accept (answer the offer), contact (reach the lead), request (fulfil it), step (of a track) or escalate (see that it is done: a clock is up).';
COMMENT ON COLUMN nurture.task.title IS 'Words for people.';
COMMENT ON COLUMN nurture.task.team IS 'Team.';
COMMENT ON COLUMN nurture.task.member IS 'Member; NULL until named.';
COMMENT ON COLUMN nurture.task.state IS 'open, done or cancelled.';
COMMENT ON COLUMN nurture.task.due_at IS 'Until when.';
COMMENT ON COLUMN nurture.task.created_at IS 'Since when.';
COMMENT ON COLUMN nurture.task.done_at IS 'When it ended.';

CREATE TABLE nurture.outbox (
    lead_id bigint NOT NULL,
    outbox_id bigint GENERATED BY DEFAULT AS IDENTITY,
    topic text NOT NULL,
    payload jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT @extschema@.nurture_now(),
    attempts integer NOT NULL DEFAULT 0,
    taken_by text,
    lease_until timestamptz,
    done_at timestamptz,
    PRIMARY KEY (lead_id, outbox_id)
);
CREATE INDEX outbox_open ON nurture.outbox (outbox_id) WHERE done_at IS NULL;
COMMENT ON TABLE nurture.outbox IS 'What other systems are to learn; written in the deciding transaction, delivered at least once.';
COMMENT ON COLUMN nurture.outbox.lead_id IS 'Lead.';
COMMENT ON COLUMN nurture.outbox.outbox_id IS 'Order of writing; the receiver''s idempotency key.';
COMMENT ON COLUMN nurture.outbox.topic IS 'Such as handoff.offered.';
COMMENT ON COLUMN nurture.outbox.payload IS 'Identifiers and codes; no contact points.';
COMMENT ON COLUMN nurture.outbox.created_at IS 'When it was written.';
COMMENT ON COLUMN nurture.outbox.attempts IS 'How often it was taken.';
COMMENT ON COLUMN nurture.outbox.taken_by IS 'Who took it last.';
COMMENT ON COLUMN nurture.outbox.lease_until IS 'Until then nobody else gets it.';
COMMENT ON COLUMN nurture.outbox.done_at IS 'When its delivery was confirmed.';

CREATE TABLE nurture.standing_sweep (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    since timestamptz NOT NULL DEFAULT '-infinity',
    started_at timestamptz NOT NULL DEFAULT '-infinity',
    next_lead bigint,
    walk_next bigint
);
COMMENT ON TABLE nurture.standing_sweep IS 'How far the tick has come in deciding standings again for leads whose activity added up; one row.';
COMMENT ON COLUMN nurture.standing_sweep.one IS 'Always true.';
COMMENT ON COLUMN nurture.standing_sweep.since IS 'Leads active since then are looked at.';
COMMENT ON COLUMN nurture.standing_sweep.started_at IS 'When the sweep began; at most one an hour.';
COMMENT ON COLUMN nurture.standing_sweep.next_lead IS 'Where it goes on; NULL when it is done.';
COMMENT ON COLUMN nurture.standing_sweep.walk_next IS 'Where the walk over all standings goes on that follows a change of rules; NULL when there is none to make.';
INSERT INTO nurture.standing_sweep DEFAULT VALUES;
CREATE TRIGGER nurture_standing_restart AFTER UPDATE ON nurture.model_version FOR EACH ROW
    WHEN (OLD.status IS DISTINCT FROM NEW.status) EXECUTE FUNCTION @extschema@.nurture_standing_restart();
CREATE TRIGGER nurture_standing_restart AFTER UPDATE ON nurture.model FOR EACH ROW
    WHEN ((OLD.product, OLD.audience_types, OLD.is_default) IS DISTINCT FROM (NEW.product, NEW.audience_types, NEW.is_default))
    EXECUTE FUNCTION @extschema@.nurture_standing_restart();
CREATE TRIGGER nurture_standing_restart AFTER UPDATE ON nurture.route_version FOR EACH ROW
    WHEN (OLD.status IS DISTINCT FROM NEW.status) EXECUTE FUNCTION @extschema@.nurture_standing_restart();
CREATE TRIGGER nurture_standing_restart AFTER INSERT OR UPDATE OR DELETE ON nurture.stage_transition
    FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.nurture_standing_restart();
