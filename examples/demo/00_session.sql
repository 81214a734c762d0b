-- Every part of the demo begins like this: one clock, one zone, terse output.
\set ON_ERROR_STOP on
\set QUIET on
\pset pager off
\pset footer off
\pset null ''
\pset format aligned
\pset tuples_only off
SET client_min_messages = warning;
SET timezone = 'UTC';
SET nurture.app_user = 'demo';
SET nurture.change_reason = 'demo';
-- Without this setting nurture uses the server's clock; with it, every audit
-- entry says that its time is simulated. It begins on a Monday, and demo.live()
-- keeps in demo.clock how far it went.
SET nurture.clock = '2026-01-05T09:00Z';
SELECT to_regclass('demo.clock') IS NOT NULL AS began \gset
\if :began
SELECT set_config('nurture.clock', at, false) AS clock FROM demo.clock \gset
\endif
