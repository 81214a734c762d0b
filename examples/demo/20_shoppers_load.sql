-- 12,330 real web sessions become leads with dated events.
CREATE TABLE demo.session (
    session_no int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    administrative int, administrative_seconds numeric,
    informational int, informational_seconds numeric,
    product int, product_seconds numeric,
    bounce_rates numeric, exit_rates numeric, page_values numeric,
    special_day numeric, month text, operating_system int, browser int,
    region int, traffic_type int, visitor_type text, weekend boolean,
    revenue boolean
);
\copy demo.session (administrative, administrative_seconds, informational, informational_seconds, product, product_seconds, bounce_rates, exit_rates, page_values, special_day, month, operating_system, browser, region, traffic_type, visitor_type, weekend, revenue) FROM 'data/online_shoppers_intention.csv' WITH (FORMAT csv, HEADER, DELIMITER ';')

-- The outcome goes where no rule can read it; what leaks it goes nowhere.
INSERT INTO demo.outcome
SELECT session_no, 'shoppers',
       CASE WHEN month IN ('Nov', 'Dec') THEN 'Nov to Dec' ELSE 'Feb to Oct' END,
       revenue
FROM demo.session;
ALTER TABLE demo.session
    DROP COLUMN revenue, DROP COLUMN page_values,
    DROP COLUMN bounce_rates, DROP COLUMN exit_rates;

-- The file has no day and no hour: both come from the row's number.
ALTER TABLE demo.session ADD COLUMN began timestamptz;
UPDATE demo.session SET began = make_timestamptz(2025,
    array_position(ARRAY['Jan', 'Feb', 'Mar', 'Apr', 'May', 'June', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'], month),
    1 + session_no % 28, 8 + session_no % 12, 0, 0, 'UTC');

-- Signals of this shop: time on product pages, narrowed by jsonpath.
INSERT INTO nurture.signal (signal, event_type, condition, title) VALUES
    ('product_minute', 'time_on_page', '$.page == "product" && $.seconds >= 60', 'at least a minute on product pages'),
    ('product_5_minutes', 'time_on_page', '$.page == "product" && $.seconds >= 300', 'at least 5 minutes on product pages'),
    ('product_10_minutes', 'time_on_page', '$.page == "product" && $.seconds >= 600', 'at least 10 minutes on product pages'),
    ('product_read', 'time_on_page', '$.page == "product" && $.per_page >= 15', 'product pages read, 15 seconds each'),
    ('product_studied', 'time_on_page', '$.page == "product" && $.per_page >= 30', 'product pages studied, 30 seconds each');

INSERT INTO nurture.lead (lead_id, external_ref, source, created_at, attributes)
SELECT session_no, 'session-' || session_no, 'online_shop', began,
       jsonb_build_object('visitor_type', visitor_type, 'weekend', weekend,
                          'region', region, 'traffic_type', traffic_type)
FROM demo.session
ORDER BY session_no;

-- A page is an event; time on pages of one kind is one event with its seconds.
INSERT INTO nurture.event (lead_id, event_type, occurred_at, source, channel, properties)
SELECT session_no, event_type, began + page_no * interval '5 seconds', 'online_shop', 'web', NULL
FROM demo.session,
     LATERAL (VALUES ('page_viewed', administrative),
                     ('implementation_page_viewed', informational),
                     ('product_page_viewed', product)) AS kind (event_type, pages),
     generate_series(1, pages) AS page_no
UNION ALL
SELECT session_no, 'time_on_page', began + interval '2 hours', 'online_shop', 'web',
       jsonb_build_object('page', page, 'seconds', round(seconds), 'per_page', round(seconds / greatest(pages, 1)))
FROM demo.session,
     LATERAL (VALUES ('administrative', administrative, administrative_seconds),
                     ('informational', informational, informational_seconds),
                     ('product', product, product_seconds)) AS kind (page, pages, seconds)
WHERE seconds > 0
ORDER BY 1, 3;
