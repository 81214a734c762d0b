\echo
\echo '-- An opt-out: what is queued is cancelled in the same transaction.'
\set ECHO queries
INSERT INTO nurture.message (lead_id, channel, asset_id, not_before)
VALUES (30005, 'email', 'disease-overview', nurture_now() + interval '1 day'),
       (30005, 'email', 'safety-profile', nurture_now() + interval '6 days')
RETURNING asset_id, status, reasons, not_before;

SELECT nurture_opt_out(30005, 'email', 'reply to a message') AS messages_cancelled;

SELECT asset_id, status, reasons FROM nurture.message WHERE lead_id = 30005 ORDER BY message_id;

\set ECHO none
\echo
\echo '-- A refused message, with every reason and what would remedy it.'
\set ECHO queries
INSERT INTO nurture.message (lead_id, channel, asset_id) VALUES (30005, 'email', 'moa-video')
RETURNING message_id, status, reasons \gset refused_
\echo :refused_status :refused_reasons

SELECT rule, passed, fact, passes_from, remedy FROM nurture_explain_contact(30005, 'email', NULL, 'moa-video') ORDER BY passed, rule;
SELECT * FROM nurture_why(30005, :refused_message_id);
\set ECHO none

\echo
\echo '-- An asset is withdrawn: nothing of it can leave any more.'
\set ECHO queries
INSERT INTO nurture.message (lead_id, channel, asset_id, not_before)
VALUES (30004, 'email', 'start-case', nurture_now() + interval '3 days') RETURNING asset_id, version, status, reasons;
SELECT nurture_set_asset_status('start-case', 1, 'withdrawn', 'claim no longer supported');
SELECT asset_id, status, reasons FROM nurture.message WHERE lead_id = 30004 AND asset_id = 'start-case';
INSERT INTO nurture.message (lead_id, channel, asset_id)
VALUES (30001, 'email', 'start-case') RETURNING asset_id, status, reasons;
\set ECHO none
