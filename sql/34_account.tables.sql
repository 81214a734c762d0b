-- Accounts: how they are scored and what counts as a spike.

CREATE TABLE nurture.account_policy (
    policy text PRIMARY KEY DEFAULT 'default' CHECK (policy = 'default'),
    classes text[] NOT NULL DEFAULT '{content,engagement,intent,account}' CHECK (array_position(classes, NULL) IS NULL),
    passive_event_types text[] NOT NULL DEFAULT '{email_delivered,email_opened}' CHECK (array_position(passive_event_types, NULL) IS NULL),
    active_days integer NOT NULL DEFAULT 90 CHECK (active_days BETWEEN 1 AND 3650),
    lead_points numeric(9,2) NOT NULL DEFAULT 5 CHECK (lead_points <> 'NaN'),
    lead_max integer NOT NULL DEFAULT 5 CHECK (lead_max BETWEEN 0 AND 10000),
    topic_dimensions text[] NOT NULL DEFAULT '{topic}' CHECK (array_position(topic_dimensions, NULL) IS NULL),
    topic_half_life_days integer NOT NULL DEFAULT 30 CHECK (topic_half_life_days BETWEEN 1 AND 90),
    topic_weight numeric(9,2) NOT NULL DEFAULT 0.5 CHECK (topic_weight > 0 AND topic_weight <> 'NaN'),
    topic_points numeric(9,2) NOT NULL DEFAULT 2 CHECK (topic_points <> 'NaN'),
    topic_max integer NOT NULL DEFAULT 5 CHECK (topic_max BETWEEN 0 AND 10000),
    recent_days integer NOT NULL DEFAULT 7 CHECK (recent_days BETWEEN 1 AND 90),
    baseline_days integer NOT NULL DEFAULT 56 CHECK (baseline_days BETWEEN 1 AND 3650),
    min_baseline_days integer NOT NULL DEFAULT 14 CHECK (min_baseline_days >= 1),
    min_recent integer NOT NULL DEFAULT 3 CHECK (min_recent >= 1),
    min_ratio numeric(9,2) NOT NULL DEFAULT 2 CHECK (min_ratio >= 0 AND min_ratio <> 'NaN'),
    max_chance numeric(9,8) NOT NULL DEFAULT 0.01 CHECK (max_chance BETWEEN 0 AND 1),
    title text DEFAULT 'accounts',
    owner text,
    reason text,
    CHECK (min_baseline_days <= baseline_days)
);
COMMENT ON TABLE nurture.account_policy IS 'How accounts are scored beyond the rules of a model, and what is a spike; one row. Without it there are neither points for leads and topics nor spikes.';
COMMENT ON COLUMN nurture.account_policy.policy IS 'Always default.';
COMMENT ON COLUMN nurture.account_policy.classes IS 'Classes of event types that are activity of a lead; what we do to it is not.';
COMMENT ON COLUMN nurture.account_policy.passive_event_types IS 'Event types of these classes that are none: mail that is delivered, and opened by mail programs themselves.';
COMMENT ON COLUMN nurture.account_policy.active_days IS 'A lead is active when it did something in so many days up to today (UTC).';
COMMENT ON COLUMN nurture.account_policy.lead_points IS 'Points for each active lead beyond the first.';
COMMENT ON COLUMN nurture.account_policy.lead_max IS 'So many leads beyond the first give points.';
COMMENT ON COLUMN nurture.account_policy.topic_dimensions IS 'Dimensions of the tags that are topics.';
COMMENT ON COLUMN nurture.account_policy.topic_half_life_days IS 'Half-life of the interest in a topic.';
COMMENT ON COLUMN nurture.account_policy.topic_weight IS 'A topic counts from this decayed number of occurrences.';
COMMENT ON COLUMN nurture.account_policy.topic_points IS 'Points for each topic beyond the first.';
COMMENT ON COLUMN nurture.account_policy.topic_max IS 'So many topics beyond the first give points.';
COMMENT ON COLUMN nurture.account_policy.recent_days IS 'Days up to today (UTC) that are recent; whole weeks keep weekends out of it.';
COMMENT ON COLUMN nurture.account_policy.baseline_days IS 'Days before them to compare with, at most.';
COMMENT ON COLUMN nurture.account_policy.min_baseline_days IS 'With fewer days of history there is no ratio.';
COMMENT ON COLUMN nurture.account_policy.min_recent IS 'A spike has at least so many recent active days of leads.';
COMMENT ON COLUMN nurture.account_policy.min_ratio IS 'And at least this ratio.';
COMMENT ON COLUMN nurture.account_policy.max_chance IS 'And at most this chance of coming about at the old rate.';
COMMENT ON COLUMN nurture.account_policy.title IS 'Words for people.';
COMMENT ON COLUMN nurture.account_policy.owner IS 'Who answers for the row.';
COMMENT ON COLUMN nurture.account_policy.reason IS 'Why it is as it is.';
SELECT @extschema@.nurture_config_table('nurture.account_policy');

CREATE INDEX account_as_of ON nurture.account (as_of);
CREATE TABLE nurture.account_sweep (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    started_at timestamptz NOT NULL DEFAULT '-infinity',
    next_account bigint
);
COMMENT ON TABLE nurture.account_sweep IS 'How far the tick has come in looking for accounts whose leads did something since their figures were written; one row.';
COMMENT ON COLUMN nurture.account_sweep.one IS 'Always true.';
COMMENT ON COLUMN nurture.account_sweep.started_at IS 'When the sweep began; at most one an hour.';
COMMENT ON COLUMN nurture.account_sweep.next_account IS 'Where it goes on; NULL when it is done.';
INSERT INTO nurture.account_sweep DEFAULT VALUES;
