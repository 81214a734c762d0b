-- Vocabulary: on what grounds persons are erased.

INSERT INTO nurture.erasure_basis (basis, suppress, legal_source, title, reason) VALUES
    ('no_longer_needed', false, 'GDPR Art. 17(1)(a)', 'No longer needed for its purpose', 'the data has served'),
    ('consent_withdrawn', true, 'GDPR Art. 17(1)(b)', 'Consent was withdrawn', 'who withdraws does not want to be written to'),
    ('objection', true, 'GDPR Art. 17(1)(c), 21', 'The person objected', 'an objection to direct marketing binds for good'),
    ('unlawful', false, 'GDPR Art. 17(1)(d)', 'Was processed unlawfully', 'such as an upload without a ground'),
    ('legal_obligation', false, 'GDPR Art. 17(1)(e)', 'Law asks for erasure', 'Union or member state law'),
    ('child', true, 'GDPR Art. 17(1)(f), 8', 'Data of a child', 'offered services directly'),
    ('consumer_request', false, 'California Civil Code 1798.105', 'A consumer asked for deletion', 'and the like of other states'),
    ('retention', false, 'GDPR Art. 5(1)(e)', 'The period of retention is over', 'a rule of nurture.retention')
ON CONFLICT DO NOTHING;
