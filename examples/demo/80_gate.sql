\echo
\echo '-- An opt-out: what is queued is cancelled in the same transaction.'
\set ECHO queries
INSERT INTO nurture.message (lead_id, channel, asset_id, not_before)
VALUES (30005, 'email', 'disease-overview', nurture_now() + interval '1 day'),
       (30005, 'email', 'safety-profile', nurture_now() + interval '6 days');

SELECT nurture_opt_out(30005, 'email', 'reply to a message') AS messages_cancelled;

SELECT asset_id, status, reasons FROM nurture.message WHERE lead_id = 30005 ORDER BY message_id;

INSERT INTO nurture.message (lead_id, channel, asset_id) VALUES (30005, 'email', 'moa-video');
SELECT asset_id, status, reasons FROM nurture.message WHERE lead_id = 30005 AND asset_id = 'moa-video';
\set ECHO none
SELECT demo.check('after the opt-out nothing is queued and nothing can be',
    bool_and(status IN ('cancelled', 'refused')) AND count(*) = 3) FROM nurture.message WHERE lead_id = 30005 \gset
\echo :check
INSERT INTO demo.finding (what, said)
SELECT 'Opt-out', format('%s queued messages cancelled in its transaction, a later one refused: %s',
    count(*) FILTER (WHERE status = 'cancelled'), max(array_to_string(reasons, ', ')) FILTER (WHERE status = 'refused'))
FROM nurture.message WHERE lead_id = 30005;

\echo
\echo '-- A refused message, with every reason and what would remedy it.'
\set ECHO queries
INSERT INTO nurture.message (lead_id, channel, asset_id) VALUES (30006, 'email', 'moa-video');
SELECT status, reasons FROM nurture.message WHERE lead_id = 30006;

SELECT rule, fact, remedy FROM nurture_explain_contact(30006, 'email', NULL, 'moa-video') WHERE NOT passed ORDER BY rule;

SELECT at, count(*) AS rules_asked, string_agg(rule, ', ') FILTER (WHERE NOT passed) AS not_passed
FROM nurture.message m, nurture_why(lead_id, message_id) WHERE lead_id = 30006 GROUP BY at;
\set ECHO none
SELECT demo.check('the refusal was kept, with more than one reason, each with a remedy',
    (SELECT bool_and(status = 'refused' AND cardinality(reasons) > 1) FROM nurture.message WHERE lead_id = 30006)
    AND (SELECT bool_and(remedy IS NOT NULL) FROM nurture_explain_contact(30006, 'email', NULL, 'moa-video') WHERE NOT passed)) \gset
\echo :check
INSERT INTO demo.finding (what, said)
SELECT 'Refused message', 'kept with all reasons: ' || array_to_string(reasons, ', ') FROM nurture.message WHERE lead_id = 30006;

\echo
\echo '-- An asset is withdrawn: nothing of it can leave any more.'
\set ECHO queries
INSERT INTO nurture.message (lead_id, channel, asset_id, not_before)
VALUES (30001, 'email', 'start-case', nurture_now() + interval '3 days');
SELECT nurture_set_asset_status('start-case', 1, 'withdrawn', 'claim no longer supported') AS messages_cancelled;
INSERT INTO nurture.message (lead_id, channel, asset_id) VALUES (30002, 'email', 'start-case');
SELECT lead_id, asset_id, version, status, reasons FROM nurture.message WHERE asset_id = 'start-case' ORDER BY message_id;
\set ECHO none
SELECT demo.check('of the withdrawn asset one message was cancelled and one refused',
    array_agg(status ORDER BY message_id) = '{cancelled,refused}') FROM nurture.message WHERE asset_id = 'start-case' \gset
\echo :check
INSERT INTO demo.finding (what, said)
SELECT 'Asset withdrawn', string_agg(format('message to lead %s %s (%s)', lead_id, status, array_to_string(reasons, ', ')), '; ' ORDER BY message_id)
FROM nurture.message WHERE asset_id = 'start-case';
