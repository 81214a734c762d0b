-- Registered studies become programmes, and leads are matched to them.
SET nurture.change_reason = 'ClinicalTrials.gov, 22 April 2020';
\copy nurture.program (program, kind, title, therapeutic_areas, phases, modalities, countries, status, open_during, reason) FROM 'data/studies.csv' WITH (FORMAT csv, HEADER)
RESET nurture.change_reason;

\set ECHO queries
SELECT
    count(*) AS studies,
    count(*) FILTER (WHERE status = 'open') AS open,
    count(*) FILTER (WHERE therapeutic_areas = '{}') AS without_area,
    count(*) FILTER (WHERE countries = '{}') AS name_no_place,
    count(*) FILTER (WHERE phases = '{}') AS name_no_phase
FROM nurture.program;

SELECT l.lead_id, l.full_name, l.therapeutic_area, l.country, count(p.program) AS open_studies, left(min(p.title), 60) AS one_of_them
FROM nurture.lead l
LEFT JOIN LATERAL nurture_programs(l.lead_id, 'study', '{therapeutic_area,country}') p ON true
WHERE l.lead_id BETWEEN 30001 AND 30006
GROUP BY l.lead_id
ORDER BY l.lead_id;
\set ECHO none
