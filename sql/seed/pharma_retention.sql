-- Preset pharma: how long what is kept. A starting point for whoever answers
-- for data protection; long ones that change scores or reports are not enabled.

INSERT INTO nurture.retention (retention, table_name, action, period, enabled, legal_source, title, reason) VALUES
    ('consent_token', 'consent_token', 'delete', '30 days', true, 'GDPR Art. 5(1)(e)', 'Tokens that ran out', 'a month after its end nobody asks for a confirmation again'),
    ('event_quarantine', 'event_quarantine', 'delete', '90 days', true, 'GDPR Art. 5(1)(e)', 'Events that could not be stored', 'who could correct them has done so by then'),
    ('lead_quarantine', 'lead_quarantine', 'delete', '90 days', true, 'GDPR Art. 5(1)(e)', 'Leads that could not be imported', 'likewise'),
    ('tick_error', 'tick_error', 'delete', '90 days', true, NULL, 'Errors of the tick', 'they are worked off or of no interest'),
    ('outbox', 'outbox', 'delete', '30 days', true, 'GDPR Art. 5(1)(c)', 'What other systems have learned', 'it was delivered'),
    ('document', 'document', 'delete', '0', true, 'GDPR Art. 5(1)(e)', 'References to documents', 'each says itself until when it is kept'),
    ('review', 'review', 'clear', '3 years', true, 'GDPR Art. 5(1)(e)', 'Evidence of closed cases', 'claims lapse after three years (BGB 195)'),
    ('handoff', 'handoff', 'clear', '3 years', true, 'GDPR Art. 5(1)(e)', 'Packages of closed hand-offs', 'likewise; how teams did stays'),
    ('attempt', 'attempt', 'clear', '3 years', true, 'GDPR Art. 5(1)(e)', 'Notes about trials to reach a lead', 'likewise'),
    ('feedback', 'feedback', 'clear', '3 years', true, 'GDPR Art. 5(1)(e)', 'Notes about what teams were given', 'likewise'),
    ('request', 'request', 'delete', '3 years', true, 'GDPR Art. 5(1)(e)', 'Requests that were answered', 'likewise'),
    ('task', 'task', 'delete', '3 years', true, 'GDPR Art. 5(1)(e)', 'Tasks that were done', 'likewise'),
    ('stop_effect', 'stop_effect', 'delete', '3 years', true, 'GDPR Art. 5(1)(e)', 'Stops and pauses that have ended', 'likewise; what is in force stays, and so does the audit trail'),
    ('message', 'message', 'clear', '3 years', true, 'GDPR Art. 5(1)(e)', 'Addresses and facts of messages', 'what was sent of which asset stays'),
    ('consent_proof', 'consent_event', 'delete', '5 years', true, 'GDPR Art. 7(1), 17(3)(e); UWG 7a', 'Proof of consent of erased leads', 'German law asks for five years'),
    ('consent_state', 'consent', 'delete', '5 years', true, 'GDPR Art. 7(1), 17(3)(e); UWG 7a', 'State of consent of erased leads', 'goes with its proof'),
    ('event', 'event', 'drop', '5 years', false, 'GDPR Art. 5(1)(e)', 'Events', 'whole months; their counts stay in the scores. Enable it when nobody asks for scores of that time any more'),
    ('event_history', 'event_history', 'delete', '5 years', false, 'GDPR Art. 5(1)(e)', 'Events before they were corrected or deleted', 'scores as they were known before are then told by the corrected events'),
    ('lead_history', 'lead_history', 'delete', '5 years', false, 'GDPR Art. 5(1)(e)', 'Earlier facts', 'scores as of a moment before are then told by later facts'),
    ('score_history', 'score_history', 'delete', '5 years', false, 'GDPR Art. 5(1)(e)', 'Earlier scores', 'a profile'),
    ('stage_history', 'stage_history', 'delete', '5 years', false, 'GDPR Art. 5(1)(e)', 'Earlier standings', 'a profile; where a lead stood at any later moment stays'),
    ('lead', 'lead', 'erase', '5 years', false, 'GDPR Art. 5(1)(e)', 'Leads that nothing is heard of', 'erases persons for good: decide it, then enable it')
ON CONFLICT DO NOTHING;
