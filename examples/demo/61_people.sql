-- People of the stories, made up; and days that pass.
CREATE PROCEDURE demo.live(days int)
    LANGUAGE plpgsql
AS $$
-- Every day the clock moves to the next morning, nurture_tick() runs, and what
-- may leave is taken and reported as sent, as a mail service would.
DECLARE
    message record;
BEGIN
    FOR day IN 1 .. days LOOP
        PERFORM set_config('nurture.clock',
            to_char(current_setting('nurture.clock')::timestamptz AT TIME ZONE 'UTC' + interval '1 day', 'YYYY-MM-DD"T"HH24:MI"Z"'), false);
        PERFORM nurture_tick();
        COMMIT;
        FOR message IN SELECT * FROM nurture_take('email', 100, 'demo') LOOP
            PERFORM nurture_ack(message.lead_id, message.message_id, 'sent', 'demo-' || message.message_id);
        END LOOP;
        COMMIT;
    END LOOP;
END
$$;

INSERT INTO nurture.lead (lead_id, full_name, email, audience_type, audience_verified_at, role, specialty, therapeutic_area, country, language, time_zone, organization_type, source)
VALUES
    (30001, 'Dr Ines Morel',     'ines.morel@hospital.example',   'investigator', nurture_now(), 'principal_investigator', 'oncology',   'neoplasms',               'FR', 'en', 'Europe/Paris',  'hospital', 'web_form'),
    (30002, 'Dr Tomas Lind',     'tomas.lind@clinic.example',     'hcp',          nurture_now(), 'prescriber',             'cardiology', 'cardiovascular_diseases', 'SE', 'en', 'Europe/Stockholm', 'clinic', 'web_form'),
    (30003, 'Dr Aoife Byrne',    'aoife.byrne@health.example',    'hcp',          nurture_now(), 'medical_director',       'oncology',   'neoplasms',               'IE', 'en', 'Europe/Dublin', 'health_system', 'web_form'),
    (30004, 'Dr Jan Peeters',    'jan.peeters@university.example', 'researcher',  nurture_now(), 'researcher',             'immunology', 'immune_system_diseases',  'BE', 'en', 'Europe/Brussels', 'academic', 'web_form'),
    (30005, 'Dr Marta Silva',    'marta.silva@clinic.example',    'hcp',          nurture_now(), 'prescriber',             'neurology',  'nervous_system_diseases', 'PT', 'en', 'Europe/Lisbon', 'clinic', 'web_form'),
    (30006, 'somebody unknown',  'info@place.example',            'unknown',      NULL,          NULL,                     NULL,         NULL,                      NULL, NULL, NULL,            NULL,     'list_import');

SELECT count(nurture_opt_in(lead_id, 'email', 'web form')) AS opted_in FROM nurture.lead WHERE lead_id BETWEEN 30001 AND 30005;
