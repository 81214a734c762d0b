-- Every SQLSTATE of class NU, raised; docs/errors.md lists them and
-- tools/check-symbols holds the three against each other.
BEGIN;
SELECT plan(11);
SET LOCAL client_min_messages = warning;
INSERT INTO nurture.lead (lead_id, country, audience_type, language) VALUES (972001, 'US', 'hcp', 'en');
SELECT count(nurture_add_asset('{"asset_id": "er_a", "title": "A", "format": "article", "message_class": "promotional", "channels": ["email"], "markets": ["*"], "languages": ["*"], "audience_types": ["*"]}')) \g /dev/null
SET LOCAL nurture.refuse_with_error = on;
SELECT throws_ok($$INSERT INTO nurture.message (lead_id, channel, asset_id) VALUES (972001, 'email', 'er_a')$$, 'NU001', NULL, 'NU001: refused, with an error');
SET LOCAL nurture.refuse_with_error = off;
SELECT throws_ok($$SELECT nurture_may_contact(972001, 'emial')$$, 'NU003', NULL, 'NU003: unknown code');
SELECT throws_ok($$SELECT nurture_pause(972999, 'infinity', 'x')$$, 'NU004', 'there is no lead 972999', 'NU004: unknown lead');
SELECT throws_ok($$INSERT INTO nurture.stop_rule (rule, condition, effect) VALUES ('er_x', '{"signal": 1}', 'stop')$$, 'NU005', NULL, 'NU005: condition not understood');
SELECT throws_ok($$UPDATE nurture.fit_rule SET points = 1 WHERE model = 'default' AND version = 1$$, 'NU006', NULL, 'NU006: published');
SELECT throws_ok($$UPDATE nurture.lead SET lead_id = 972002 WHERE lead_id = 972001$$, 'NU007', NULL, 'NU007: not in the state graph');
SELECT throws_ok($$DELETE FROM nurture.gate WHERE lead_id = 972001$$, 'NU008', NULL, 'NU008: protected rows');
SELECT throws_ok($$INSERT INTO nurture.message (lead_id, channel, asset_id, status) VALUES (972001, 'email', 'er_a', 'sent')$$, 'NU009', NULL, 'NU009: bypass');
INSERT INTO nurture.model (model) VALUES ('er_model');
SELECT nurture_draft('model', 'er_model') \g /dev/null
INSERT INTO nurture.signal_rule (model, version, rule, signal, points) VALUES ('er_model', 1, 'safety', 'adverse_event_reported', 1);
SELECT throws_ok($$SELECT nurture_publish('model', 'er_model', 1, 'test')$$, 'NU010', NULL, 'NU010: errors in a draft');
SELECT throws_ok($$SELECT nurture_one_click('not a token')$$, 'NU012', NULL, 'NU012: token');
-- NU011 takes twenty leads: model_life.sql
ALTER SCHEMA nurture RENAME TO er_away;
SELECT throws_ok($$SELECT nurture_pause(972001, 'infinity', 'x')$$, 'NU002', NULL, 'NU002: not installed');
SELECT * FROM finish();
ROLLBACK;
