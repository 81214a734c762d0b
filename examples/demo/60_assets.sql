-- A small library: each asset goes from draft through review to approval,
-- signed for every role that the policy asks for, each by somebody else.
CREATE PROCEDURE demo.library(assets jsonb)
    LANGUAGE plpgsql
AS $$
DECLARE
    asset jsonb;
    added record;
    needed text;
BEGIN
    FOR asset IN SELECT * FROM jsonb_array_elements(assets) LOOP
        PERFORM set_config('nurture.app_user', 'author', false);
        SELECT * INTO added FROM nurture_add_asset(asset);
        PERFORM nurture_set_asset_status(added.asset_id, added.version, 'in_review', 'ready for review');
        FOR needed IN
            SELECT unnest(coalesce((SELECT roles FROM nurture.approval_policy
                                    WHERE kind = 'asset' AND message_class IN (asset ->> 'message_class', '*')
                                    ORDER BY message_class = '*', market = '*' DESC LIMIT 1), '{medical}'))
        LOOP
            PERFORM set_config('nurture.app_user', 'reviewer-' || needed, false);
            PERFORM nurture_approve('asset', added.asset_id, added.version, needed, 'approved', 'read and approved');
        END LOOP;
    END LOOP;
    PERFORM set_config('nurture.app_user', 'demo', false);
END
$$;

INSERT INTO nurture.approval_policy (kind, message_class, market, roles, title, reason) VALUES
    ('asset', 'promotional', '*', '{medical,legal}', 'promotion', 'Two pairs of eyes on everything that promotes.');

CREATE TABLE demo.asset (
    asset_id text PRIMARY KEY, format text, message_class text, tags text, title text
);
INSERT INTO demo.asset VALUES
    ('disease-overview', 'article', 'disease_awareness', 'topic:disease depth:1 funnel_stage:awareness offer:overview', 'The disease at a glance'),
    ('guideline-brief', 'guideline', 'medical_information', 'topic:guidelines depth:1 funnel_stage:awareness offer:overview', 'Guidelines in brief'),
    ('preference-choice', 'form', 'operational', 'depth:1 funnel_stage:awareness offer:preference', 'What would you like to hear about?'),
    ('moa-video', 'video', 'promotional', 'topic:moa depth:1 funnel_stage:awareness offer:overview', 'How it works in three minutes'),
    ('moa-practice', 'article', 'promotional', 'topic:moa depth:2 funnel_stage:consideration offer:overview', 'Mechanism of action in practice'),
    ('moa-biomarkers', 'white_paper', 'promotional', 'topic:moa depth:3 funnel_stage:evaluation offer:clinical_evidence', 'Receptor data and biomarkers'),
    ('moa-methods', 'study_summary', 'promotional', 'topic:moa depth:4 funnel_stage:decision offer:clinical_evidence', 'Assay methods, the full report'),
    ('efficacy-overview', 'brochure', 'promotional', 'topic:efficacy depth:1 funnel_stage:awareness offer:overview', 'What the studies asked'),
    ('efficacy-phase3', 'study_summary', 'promotional', 'topic:efficacy depth:2 funnel_stage:consideration offer:clinical_evidence', 'Phase III in four pages'),
    ('efficacy-subgroups', 'study_summary', 'promotional', 'topic:efficacy depth:3 funnel_stage:evaluation offer:clinical_evidence', 'Efficacy by subgroup'),
    ('evidence-webinar', 'webinar', 'promotional', 'topic:efficacy depth:3 funnel_stage:evaluation offer:webinar', 'Webinar: reading the phase III data'),
    ('evidence-questions', 'faq', 'medical_information', 'topic:efficacy depth:2 funnel_stage:evaluation offer:qa', 'Questions asked about the evidence'),
    ('safety-profile', 'slide_deck', 'promotional', 'topic:safety depth:2 funnel_stage:consideration offer:clinical_evidence', 'Safety profile'),
    ('study-design', 'article', 'medical_information', 'topic:study_design depth:2 funnel_stage:consideration offer:library', 'How the study was designed'),
    ('start-checklist', 'checklist', 'promotional', 'topic:implementation depth:2 funnel_stage:evaluation offer:implementation', 'Checklist for the first patients'),
    ('start-case', 'case_study', 'promotional', 'topic:implementation depth:3 funnel_stage:decision offer:implementation', 'How one clinic began'),
    ('access-guide', 'article', 'medical_information', 'topic:access depth:1 funnel_stage:consideration offer:library', 'Access and coverage'),
    ('meet-us', 'form', 'promotional', 'depth:2 funnel_stage:decision offer:request_meeting', 'Talk to us');

SELECT jsonb_agg(jsonb_build_object(
    'asset_id', asset_id, 'family', asset_id, 'title', title, 'format', format,
    'purpose', 'marketing', 'message_class', message_class,
    'channels', '["email"]'::jsonb, 'languages', '["en"]'::jsonb, 'markets', '["*"]'::jsonb,
    'audience_types', '["hcp", "investigator", "researcher", "pharmacist"]'::jsonb,
    'tags', to_jsonb(string_to_array(tags, ' ')),
    'uri', 'https://content.example/' || asset_id) ORDER BY asset_id) AS library
FROM demo.asset \gset
CALL demo.library(:'library');

\set ECHO queries
SELECT asset_id, version, status, message_class, string_agg(dimension || ':' || value, ' ' ORDER BY dimension) AS tags
FROM nurture.asset_version JOIN nurture.asset_tag USING (asset_id, version)
WHERE asset_id LIKE 'moa-%' GROUP BY asset_id, version ORDER BY asset_id;
SELECT role, decision, signed_by, signed_at FROM nurture.approval WHERE code = 'moa-practice' ORDER BY approval_id;
SELECT status, count(*) AS asset_versions FROM nurture.asset_version GROUP BY status;
\set ECHO none
SELECT demo.check('every asset of the library is approved',
    (SELECT count(*) FROM nurture.asset_version v JOIN demo.asset USING (asset_id) WHERE status = 'approved') = (SELECT count(*) FROM demo.asset)) \gset
\echo :check
