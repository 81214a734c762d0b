-- 448 real opportunities become leads with facts and are scored for fit.
CREATE TABLE demo.opportunity (
    opportunity_no int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    product text, seller text, authority text, company_size text,
    competitors text, purchasing_department text, partnership text,
    budget_allocated text, formal_tender text, rfi text, rfp text, growth text,
    positive_statement text, source text, client text, scope text,
    strategic_deal text, cross_sale text, up_sale text, deal_type text,
    needs_defined text, attention_to_client text, status text
);
\copy demo.opportunity (product, seller, authority, company_size, competitors, purchasing_department, partnership, budget_allocated, formal_tender, rfi, rfp, growth, positive_statement, source, client, scope, strategic_deal, cross_sale, up_sale, deal_type, needs_defined, attention_to_client, status) FROM 'data/Salvirt_B2B_ML_dataset.csv' WITH (FORMAT csv, HEADER, DELIMITER ';')

INSERT INTO demo.outcome
SELECT 20000 + opportunity_no, 'b2b',
       CASE WHEN row_number() OVER (PARTITION BY to_jsonb(o) - 'opportunity_no' ORDER BY opportunity_no) = 1
            THEN 'first of its kind' ELSE 'duplicate' END,
       status = 'Won'
FROM demo.opportunity o;

-- This CRM keeps sizes as words; the registry is the owner's to change.
UPDATE nurture.attribute
SET type = 'text', allowed = '{Big,Mid,Small}', reason = 'sizes are words in this CRM'
WHERE attribute = 'company_size';

-- "Unknown" is not a value: the fact is missing.
INSERT INTO nurture.lead (lead_id, external_ref, audience_type, source, attributes)
SELECT 20000 + opportunity_no, 'opportunity-' || opportunity_no, 'procurement', 'b2b',
       (SELECT jsonb_object_agg(fact.key, fact.value)
        FROM jsonb_each(to_jsonb(o) - 'opportunity_no' - 'status') fact
        WHERE fact.value <> '"Unknown"')
FROM demo.opportunity o
ORDER BY opportunity_no;

\echo
\echo '-- The same row twice: found by SQL, not by trust in the file.'
\set ECHO queries
SELECT sum(copies - 1) AS exact_duplicates, count(*) AS rows_that_have_some, max(copies) AS most_copies
FROM (SELECT count(*) AS copies
      FROM nurture.lead JOIN demo.outcome USING (lead_id)
      WHERE data = 'b2b' GROUP BY attributes, good) same
WHERE copies > 1;

\echo
\echo '-- Facts that are missing, worst first.'
SELECT fact, count(*) FILTER (WHERE NOT attributes ? fact) AS unknown,
       round(100.0 * count(*) FILTER (WHERE NOT attributes ? fact) / count(*), 1) AS percent
FROM nurture.lead
CROSS JOIN (SELECT DISTINCT jsonb_object_keys(attributes) AS fact FROM nurture.lead WHERE source = 'b2b') facts
WHERE source = 'b2b'
GROUP BY fact HAVING count(*) FILTER (WHERE NOT attributes ? fact) > 0
ORDER BY unknown DESC, fact;
\set ECHO none

-- Points set by hand by looking at these same rows: the AUC below says how
-- well whole-number rules describe them, it is no forecast. Product and
-- seller are left out: they say who sells, not who buys.
INSERT INTO nurture.model (model, audience_types, title, reason) VALUES
    ('b2b', '{procurement}', 'business opportunities', 'Shows fit on real facts with a known outcome.');
SELECT nurture_draft('model', 'b2b') AS version \gset
INSERT INTO nurture.rule_group (model, version, rule_group, dimension, cap, floor, title) VALUES
    ('b2b', :version, 'relation', 'fit', 50, -10, 'relation to the client'),
    ('b2b', :version, 'need', 'fit', 40, -10, 'need and readiness'),
    ('b2b', :version, 'company', 'fit', 20, -10, 'the company');
INSERT INTO nurture.fit_rule (model, version, rule, attribute, operator, operand, points, rule_group, title) VALUES
    ('b2b', :version, 'current_client', 'attributes.client', '=', '"Current"', 15, 'relation', 'is a client already'),
    ('b2b', :version, 'joint_past', 'attributes.source', '=', '"Joint past"', 8, 'relation', 'known from earlier work'),
    ('b2b', :version, 'strategic_account', 'attributes.attention_to_client', '=', '"Strategic account"', 8, 'relation', 'strategic account'),
    ('b2b', :version, 'first_deal', 'attributes.attention_to_client', '=', '"First deal"', -4, 'relation', 'first deal'),
    ('b2b', :version, 'partnership', 'attributes.partnership', '=', '"Yes"', 5, 'relation', 'comes through a partner'),
    ('b2b', :version, 'positive_statement', 'attributes.positive_statement', '=', '"Yes"', 8, 'relation', 'said something positive'),
    ('b2b', :version, 'no_competitors', 'attributes.competitors', '=', '"No"', 15, 'need', 'no competitor'),
    ('b2b', :version, 'up_sale', 'attributes.up_sale', '=', '"Yes"', 15, 'need', 'extends what they have'),
    ('b2b', :version, 'scope_clear', 'attributes.scope', '=', '"Clear"', 4, 'need', 'scope is clear'),
    ('b2b', :version, 'needs_defined', 'attributes.needs_defined', '=', '"Yes"', 4, 'need', 'needs are defined'),
    ('b2b', :version, 'budget_allocated', 'attributes.budget_allocated', '=', '"Yes"', 4, 'need', 'budget is allocated'),
    ('b2b', :version, 'formal_tender', 'attributes.formal_tender', '=', '"Yes"', -8, 'need', 'formal tender'),
    ('b2b', :version, 'maintenance', 'attributes.deal_type', '=', '"Maintenance"', 6, 'need', 'maintenance deal'),
    ('b2b', :version, 'big', 'attributes.company_size', '=', '"Big"', 6, 'company', 'big company'),
    ('b2b', :version, 'purchasing', 'attributes.purchasing_department', '=', '"Yes"', 4, 'company', 'purchasing takes part'),
    ('b2b', :version, 'authority', 'attributes.authority', '=', '"High"', 4, 'company', 'high authority'),
    ('b2b', :version, 'deal_important', 'attributes.strategic_deal', '=', '"Very important"', 5, 'company', 'very important deal'),
    ('b2b', :version, 'deal_unimportant', 'attributes.strategic_deal', '=', '"Unimportant"', -5, 'company', 'unimportant deal');
INSERT INTO nurture.model_limit (model, version, dimension, floor, cap) VALUES
    ('b2b', :version, 'fit', 0, 100);
INSERT INTO nurture.band (model, version, dimension, band, min_points) VALUES
    ('b2b', :version, 'fit', 'A', 65), ('b2b', :version, 'fit', 'B', 45), ('b2b', :version, 'fit', 'C', 25), ('b2b', :version, 'fit', 'D', 0),
    ('b2b', :version, 'intent', '4', 0);
SELECT nurture_publish('model', 'b2b', :version, 'points agreed for the demo');

\echo
\echo '-- Fit against the outcome.'
\set ECHO queries
SELECT left(nurture_grade(lead_id, 'b2b'), 1) AS fit_band, count(*) AS opportunities,
       count(*) FILTER (WHERE good) AS won, round(100 * avg(good::int)) AS percent
FROM demo.outcome WHERE data = 'b2b'
GROUP BY 1 ORDER BY 1;

SELECT rows_taken, count(*) AS opportunities,
       demo.auc(array_agg(nurture_fit(lead_id, 'b2b')), array_agg(good)) AS auc_of_fit
FROM demo.outcome
JOIN (VALUES ('all rows', '{first of its kind,duplicate}'::text[]),
             ('each kind once', '{first of its kind}')) taken (rows_taken, parts) ON part = ANY (parts)
WHERE data = 'b2b'
GROUP BY rows_taken ORDER BY rows_taken;
\set ECHO none

SELECT demo.auc(array_agg(nurture_fit(lead_id, 'b2b')), array_agg(good)) AS fit_auc
FROM demo.outcome WHERE data = 'b2b' AND part = 'first of its kind' \gset
SELECT sum(copies - 1) AS duplicates
FROM (SELECT count(*) AS copies FROM demo.opportunity o GROUP BY to_jsonb(o) - 'opportunity_no') same \gset
SELECT demo.check('fit ranks won deals better than chance by far (AUC ' || :fit_auc || ' > 0.7)', :fit_auc > 0.7) \gset
\echo :check
SELECT demo.check('duplicates counted by facts are the duplicates of the file',
    (SELECT sum(copies - 1) FROM (SELECT count(*) AS copies FROM nurture.lead JOIN demo.outcome USING (lead_id)
                                  WHERE data = 'b2b' GROUP BY attributes, good) same) = :duplicates) \gset
\echo :check
INSERT INTO demo.finding (what, said)
SELECT '448 real opportunities',
       format('AUC of fit %s, each kind of row once; %s exact duplicates; %s of %s facts unknown', :fit_auc, :duplicates,
              sum(22 - (SELECT count(*) FROM jsonb_object_keys(attributes))), 22 * count(*))
FROM nurture.lead WHERE source = 'b2b';
