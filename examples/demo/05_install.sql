CREATE EXTENSION nurture;
SELECT nurture_install('pharma');
\ir 10_prepare.sql
