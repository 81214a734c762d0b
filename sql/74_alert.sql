-- Alerts: figures of reports that cross a line.

CREATE FUNCTION nurture_alert_rule_check() RETURNS trigger
    LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_alert_rule_check';
COMMENT ON FUNCTION nurture_alert_rule_check() IS 'Trigger: refuses alert rules about views and columns that there are not.';
