-- Preset pharma: what somebody is told about.

INSERT INTO nurture.alert_rule (alert, view, figure, op, value, among, every, severity, team, title, reason) VALUES
    ('sent_after_opt_out', 'sent_after_opt_out', NULL, '>', 0, '{}', '15 minutes', 'error', NULL, 'a message was sent after an opt-out', 'It must not happen.'),
    ('stop_rule_leak', 'stop_rule_effect', 'leaked', '>', 0, '{}', '1 hour', 'error', NULL, 'a message passed a stop rule in force', 'It must not happen.'),
    ('invalid_country', 'data_quality', 'amount', '>', 0, '{"check_name": "invalid_country"}', '1 day', 'warning', NULL, 'leads with a country that is none', 'Consent policies go by the country.'),
    ('unmatched_identifier', 'data_quality', 'amount', '>', 1000, '{"check_name": "unmatched_identifier"}', '1 day', 'warning', NULL, 'many events of persons who are not known', 'A source may send identifiers nobody registers.'),
    ('failing_enrollment', 'data_quality', 'amount', '>', 0, '{"check_name": "failing_enrollment"}', '1 hour', 'warning', NULL, 'steps of tracks fail', 'The tick puts off leads that fail.')
ON CONFLICT DO NOTHING;
