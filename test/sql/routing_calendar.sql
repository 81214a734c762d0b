-- Working calendars: clocks of hand-offs over nights, weekends, holidays and
-- daylight saving.
BEGIN;
SELECT plan(26);

INSERT INTO nurture.calendar (calendar, title, time_zone) VALUES
    ('t_berlin', 'Berlin', 'Europe/Berlin'), ('t_ny', 'New York', 'America/New_York'),
    ('t_split', 'with a break', 'UTC'), ('t_night', 'night shift', 'Europe/Berlin'), ('t_empty', 'nobody', 'UTC'),
    ('t_never', 'holiday every day', 'UTC');
INSERT INTO nurture.calendar_hours (calendar, weekday, from_time, to_time)
SELECT c, d, '09:00', '17:00' FROM unnest('{t_berlin,t_ny,t_never}'::text[]) c, generate_series(1, 5) d;
INSERT INTO nurture.calendar_hours (calendar, weekday, from_time, to_time) VALUES
    ('t_split', 1, '09:00', '12:00'), ('t_split', 1, '13:00', '17:00'), ('t_split', 1, '11:00', '12:00'),
    ('t_split', 2, '09:00', '24:00'), ('t_split', 3, '00:00', '01:00'),
    ('t_night', 6, '22:00', '24:00'), ('t_night', 7, '00:00', '06:00');
INSERT INTO nurture.calendar_holiday (calendar, day, title) VALUES ('t_berlin', '2026-04-03', 'Good Friday'), ('t_berlin', '2026-04-06', 'Easter Monday');
INSERT INTO nurture.calendar_holiday (calendar, day, title) SELECT 't_never', d, 'every day' FROM generate_series(date '2026-01-01', date '2037-12-31', interval '1 day') d;

SELECT is(nurture_working_due('t_berlin', '2026-03-02 10:00+01', '4 hours'), '2026-03-02 14:00+01', 'within a day');
SELECT is(nurture_working_due('t_berlin', '2026-03-02 10:00+01', '7 hours'), '2026-03-02 17:00+01', 'to the end of a day');
SELECT is(nurture_working_due('t_berlin', '2026-03-02 10:00+01', '8 hours'), '2026-03-03 10:00+01', 'over night');
SELECT is(nurture_working_due('t_berlin', '2026-03-06 16:00+01', '2 hours'), '2026-03-09 10:00+01', 'over a weekend');
SELECT is(nurture_working_due('t_berlin', '2026-03-07 12:00+01', '24 hours'), '2026-03-11 17:00+01', 'three working days from a Saturday');
SELECT is(nurture_working_due('t_berlin', '2026-04-02 16:00+02', '2 hours'), '2026-04-07 10:00+02', 'over Easter');
SELECT is(nurture_working_due('t_berlin', '2026-03-27 16:00+01', '2 hours'), '2026-03-30 10:00+02', 'over the begin of summer time');
SELECT is(nurture_working_due('t_berlin', '2026-10-23 16:00+02', '2 hours'), '2026-10-26 10:00+01', 'over its end');
SELECT is(nurture_working_due('t_ny', '2026-03-06 16:00-05', '2 hours'), '2026-03-09 10:00-04', 'New York changes earlier');
SELECT is(nurture_working_due('t_split', '2026-03-02 08:00+00', '4 hours'), '2026-03-02 14:00+00', 'a break does not count, overlapping hours count once');
SELECT is(nurture_working_due('t_split', '2026-03-03 23:00+00', '2 hours'), '2026-03-04 01:00+00', 'hours that meet at midnight');
SELECT is(nurture_working_due('t_empty', '2026-03-02 08:00+00', '4 hours'), '2026-03-02 12:00+00', 'an empty calendar counts round the clock: overdue, not forgotten');
SELECT is(nurture_working_due('t_never', '2026-03-02 08:00+00', '4 hours'), '2026-03-02 12:00+00', 'so does one with a holiday every day');
SELECT is(nurture_working_due('t_berlin', '2026-03-07 12:00+01', '0'), '2026-03-07 12:00+01', 'no time has passed at once');

SELECT is(nurture_working_time('t_berlin', '2026-03-02 16:00+01', '2026-03-03 10:00+01'), interval '2 hours', 'working time between two instants');
SELECT is(nurture_working_time('t_berlin', '2026-03-03 10:00+01', '2026-03-02 16:00+01'), interval '-2 hours', 'backwards');
SELECT is(nurture_working_time('t_berlin', '2026-03-30 00:00+02', '2026-04-13 00:00+02'), interval '64 hours', 'two weeks with two holidays');
SELECT is(nurture_working_time('t_night', '2026-03-28 12:00+01', '2026-03-29 12:00+02'), interval '7 hours', 'the night that loses an hour');
SELECT is(nurture_working_time('t_night', '2026-10-24 12:00+02', '2026-10-25 12:00+01'), interval '9 hours', 'the night that gains one');
SELECT is(nurture_working_time(NULL, '2026-03-07 12:00+00', '2026-03-08 12:00+00'), interval '24 hours', 'round the clock without a calendar');
SELECT is(nurture_working_time('t_empty', '2026-03-02 08:00+00', '2026-03-09 08:00+00'), interval '0', 'nobody works');

SELECT throws_ok($$SELECT nurture_working_due('t_nowhere', now(), '1 hour')$$, 'NU003', 'unknown calendar "t_nowhere"', 'an unknown calendar');
SELECT throws_ok($$SELECT nurture_working_due('t_berlin', now(), '1 day')$$, '22023', 'working time is given in hours, minutes and seconds', 'days are no working time');
SELECT throws_ok($$SELECT nurture_working_due('t_berlin', 'infinity', '1 hour')$$, '22008', NULL, 'no infinite instants');
SELECT throws_ok($$INSERT INTO nurture.calendar (calendar, title, time_zone) VALUES ('t_x', 'x', 'Europe/Berlyn')$$, '22023', NULL, 'an unknown zone');
SELECT throws_ok($$INSERT INTO nurture.calendar_hours (calendar, weekday, from_time, to_time) VALUES ('t_empty', 1, '17:00', '09:00')$$, '23514', NULL, 'hours that end before they begin');

SELECT * FROM finish();
ROLLBACK;
