-- Alert rules, and which of them hold.

CREATE TABLE nurture.alert_rule (
    alert text PRIMARY KEY CHECK (alert ~ '^[a-z][a-z0-9_]*$'),
    view text NOT NULL,
    figure text,
    op text NOT NULL DEFAULT '>' CHECK (op IN ('>', '>=', '<', '<=', '=', '<>')),
    value numeric NOT NULL CHECK (value <> 'NaN'),
    among jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(among) = 'object'),
    every interval NOT NULL DEFAULT '15 minutes' CHECK (every > '0'),
    severity text NOT NULL DEFAULT 'warning' CHECK (severity IN ('info', 'warning', 'error')),
    team text REFERENCES nurture.team,
    enabled boolean NOT NULL DEFAULT true,
    title text NOT NULL,
    owner text,
    reason text
);
COMMENT ON TABLE nurture.alert_rule IS 'Figures of reports somebody is told about when they cross a line: the tick writes a row of nurture.outbox, topic alert.<alert>, once until the figure is back.';
COMMENT ON COLUMN nurture.alert_rule.alert IS 'Code.';
COMMENT ON COLUMN nurture.alert_rule.view IS 'View of nurture_bi.';
COMMENT ON COLUMN nurture.alert_rule.figure IS 'Column of the view, a number; any row that crosses counts. NULL = the number of rows.';
COMMENT ON COLUMN nurture.alert_rule.op IS 'How figure is compared with value.';
COMMENT ON COLUMN nurture.alert_rule.value IS 'The line.';
COMMENT ON COLUMN nurture.alert_rule.among IS 'Only rows with these values count, such as {"check_name": "invalid_country"}; {} = all.';
COMMENT ON COLUMN nurture.alert_rule.every IS 'How often it is looked at, at most.';
COMMENT ON COLUMN nurture.alert_rule.severity IS 'info, warning or error.';
COMMENT ON COLUMN nurture.alert_rule.team IS 'Team that is to see to it.';
COMMENT ON COLUMN nurture.alert_rule.enabled IS 'It is looked at at all.';
COMMENT ON COLUMN nurture.alert_rule.title IS 'Words for people.';
COMMENT ON COLUMN nurture.alert_rule.owner IS 'Who answers for the row.';
COMMENT ON COLUMN nurture.alert_rule.reason IS 'Why it is as it is.';
SELECT @extschema@.nurture_config_table('nurture.alert_rule');
CREATE TRIGGER nurture_check BEFORE INSERT OR UPDATE ON nurture.alert_rule
    FOR EACH ROW EXECUTE FUNCTION @extschema@.nurture_alert_rule_check();

CREATE TABLE nurture.alert (
    alert text PRIMARY KEY,
    checked_at timestamptz NOT NULL,
    raised_at timestamptz,
    amount numeric
);
COMMENT ON TABLE nurture.alert IS 'When each alert rule was looked at, and since when it holds; written by the tick.';
COMMENT ON COLUMN nurture.alert.alert IS 'Code.';
COMMENT ON COLUMN nurture.alert.checked_at IS 'When it was looked at last.';
COMMENT ON COLUMN nurture.alert.raised_at IS 'Since when it holds; NULL = it does not.';
COMMENT ON COLUMN nurture.alert.amount IS 'The figure then that is furthest over the line; NULL = none was.';
