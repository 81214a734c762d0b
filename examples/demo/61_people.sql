-- Days that pass, and people of the stories, made up.
CREATE PROCEDURE demo.live(days int)
    LANGUAGE plpgsql
AS $$
-- Every day the clock moves to the next morning and nurture_tick() runs.
BEGIN
    FOR day IN 1 .. days LOOP
        UPDATE demo.clock SET at = to_char((at::timestamptz + interval '1 day') AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI"Z"');
        PERFORM set_config('nurture.clock', at, false) FROM demo.clock;
        PERFORM nurture_tick();
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

\set ECHO queries
SELECT lead_id, full_name, audience_type, role, therapeutic_area, country, nurture_opt_in(lead_id, 'email', 'web form') AS consent_event
FROM nurture.lead WHERE lead_id BETWEEN 30001 AND 30005 ORDER BY lead_id;
\set ECHO none
