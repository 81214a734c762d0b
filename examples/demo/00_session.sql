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
-- A Monday. Without this setting nurture uses the server's clock; with it,
-- every audit entry says that its time is simulated.
SET nurture.clock = '2026-01-05T09:00Z';
