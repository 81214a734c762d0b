-- Preset pharma: which consent a message needs. Rows to be read and changed by
-- the lawyer who answers for them: nurture supports the law, it certifies
-- nothing, and the law changes. A row gives way to one that names all it names
-- and more; where rows are specific in different ways the strictest applies.

-- What holds where nothing else is said
INSERT INTO nurture.consent_policy (country, audience_type, channel, message_class, rule, unclear, legal_source, title, reason) VALUES
    ('*', '*', '*', 'promotional', 'opt_in', 'review', 'strict default: Directive 2002/58/EC art. 13(1) and GDPR art. 6(1)(a)', 'promotion needs consent', 'where no law is named, the strictest of those that are'),
    ('*', '*', '*', 'disease_awareness', 'opt_in', 'review', 'strict default: Directive 2002/58/EC art. 13(1) and GDPR art. 6(1)(a)', 'disease awareness needs consent', 'direct marketing in the sense of the directive, though no product is named'),
    ('*', '*', '*', 'medical_information', 'opt_out', 'review', 'Directive 2001/83/EC art. 86(2): answers to questions are not advertising', 'answers to questions', 'the lead asked'),
    ('*', '*', '*', 'patient_support', 'opt_in', 'review', 'GDPR art. 9(2)(a): data concerning health', 'patient support needs consent', 'taking part reveals an illness'),
    ('*', '*', '*', 'operational', 'opt_out', 'review', 'GDPR art. 6(1)(b): performance of what was asked for', 'operational messages', 'without them what was asked for cannot be done'),
    ('*', 'patient', '*', 'promotional', 'prohibited', 'refuse', 'Directive 2001/83/EC art. 88(1): no advertising of prescription medicines to the public', 'no promotion to patients', 'no consent makes it lawful'),
    ('*', 'caregiver', '*', 'promotional', 'prohibited', 'refuse', 'Directive 2001/83/EC art. 88(1): no advertising of prescription medicines to the public', 'no promotion to caregivers', 'no consent makes it lawful')
ON CONFLICT DO NOTHING;

-- European Union and European Economic Area: consent before the first message
INSERT INTO nurture.consent_policy (country, audience_type, channel, message_class, rule, unclear, legal_source, title, reason)
    SELECT c.country, '*', '*', k.message_class, 'opt_in', 'review',
           'Directive 2002/58/EC art. 13(1) and GDPR art. 6(1)(a); ' || c.law,
           c.name || ': ' || k.title, k.reason
    FROM (VALUES
        ('AT', 'Austria', 'TKG 2021 s. 174'),
        ('BE', 'Belgium', 'Code of Economic Law art. XII.13'),
        ('BG', 'Bulgaria', 'Electronic Communications Act art. 261'),
        ('CY', 'Cyprus', 'Law 112(I)/2004 s. 106'),
        ('CZ', 'Czechia', 'Act 480/2004 s. 7'),
        ('DE', 'Germany', 'UWG s. 7'),
        ('DK', 'Denmark', 'Marketing Practices Act s. 10'),
        ('EE', 'Estonia', 'Electronic Communications Act s. 103-1'),
        ('ES', 'Spain', 'Law 34/2002 (LSSI) art. 21'),
        ('FI', 'Finland', 'Act 917/2014 on Electronic Communications Services s. 200'),
        ('FR', 'France', 'Code des postes et des communications électroniques art. L. 34-5'),
        ('GR', 'Greece', 'Law 3471/2006 art. 11'),
        ('HR', 'Croatia', 'Electronic Communications Act (NN 76/22)'),
        ('HU', 'Hungary', 'Act XLVIII of 2008 s. 6'),
        ('IE', 'Ireland', 'S.I. 336/2011 reg. 13'),
        ('IS', 'Iceland', 'Electronic Communications Act 70/2022'),
        ('IT', 'Italy', 'Legislative Decree 196/2003 art. 130'),
        ('LI', 'Liechtenstein', 'as part of the EEA Agreement, Annex XI'),
        ('LT', 'Lithuania', 'Law on Electronic Communications IX-2135'),
        ('LU', 'Luxembourg', 'Law of 30 May 2005 art. 11'),
        ('LV', 'Latvia', 'Law on Information Society Services s. 9'),
        ('MT', 'Malta', 'Subsidiary Legislation 586.01 reg. 9'),
        ('NL', 'Netherlands', 'Telecommunicatiewet art. 11.7'),
        ('NO', 'Norway', 'Marketing Control Act s. 15'),
        ('PL', 'Poland', 'Electronic Communications Law of 12 July 2024 art. 398'),
        ('PT', 'Portugal', 'Law 41/2004 art. 13-A'),
        ('RO', 'Romania', 'Law 506/2004 art. 12'),
        ('SE', 'Sweden', 'Marketing Act (2008:486) s. 19'),
        ('SI', 'Slovenia', 'Electronic Communications Act (ZEKom-2)'),
        ('SK', 'Slovakia', 'Act 452/2021 s. 116')) AS c (country, name, law),
        (VALUES
        ('promotional', 'promotion needs consent', 'consent before the first message; the soft opt-in of art. 13(2) presupposes a sale, which prescription medicines do not know'),
        ('disease_awareness', 'disease awareness needs consent', 'direct marketing in the sense of the directive, though no product is named')) AS k (message_class, title, reason)
ON CONFLICT DO NOTHING;

-- Where a row must be more exact than that
INSERT INTO nurture.consent_policy (country, audience_type, channel, message_class, rule, unclear, implied_months, inquiry_months, verified_audience, legal_source, title, reason) VALUES
    -- Germany: who sends must prove consent, and a form that anybody can fill in proves nothing
    ('DE', '*', 'email', 'promotional', 'double_opt_in', 'refuse', NULL, NULL, false, 'UWG s. 7(2) no. 2; BGH I ZR 164/09: proof by double opt-in', 'Germany: double opt-in', 'holds between businesses, too'),
    ('DE', '*', 'email', 'disease_awareness', 'double_opt_in', 'refuse', NULL, NULL, false, 'UWG s. 7(2) no. 2; BGH I ZR 164/09: proof by double opt-in', 'Germany: double opt-in', 'advertising is whatever furthers sales, if only in the end'),
    ('DE', '*', 'phone', 'promotional', 'opt_in', 'refuse', NULL, NULL, false, 'UWG s. 7(2) no. 1 and s. 7a: express consent, documented and kept for five years', 'Germany: phone', 'presumed consent of businesses is not relied on'),
    ('DE', '*', 'sms', 'promotional', 'opt_in', 'refuse', NULL, NULL, false, 'UWG s. 7(2) no. 2: electronic mail, which texts are', 'Germany: SMS', 'express consent'),
    ('DE', 'hcp', '*', 'promotional', 'opt_in', 'refuse', NULL, NULL, false, 'HWG s. 10(1): prescription medicines are advertised to professionals only; UWG s. 7', 'Germany: health care professionals', 'being a professional is no consent'),
    -- France: professionals about their profession
    ('FR', 'payer', 'email', 'promotional', 'opt_out', 'review', NULL, NULL, false, 'CNIL: prospecting of professionals; GDPR art. 6(1)(f) and 21(2)', 'France: payers by e-mail', 'informed beforehand, about their profession, at any time free to object'),
    ('FR', 'procurement', 'email', 'promotional', 'opt_out', 'review', NULL, NULL, false, 'CNIL: prospecting of professionals; GDPR art. 6(1)(f) and 21(2)', 'France: procurement by e-mail', 'informed beforehand, about their profession, at any time free to object'),
    ('FR', 'partner', 'email', 'promotional', 'opt_out', 'review', NULL, NULL, false, 'CNIL: prospecting of professionals; GDPR art. 6(1)(f) and 21(2)', 'France: partners by e-mail', 'informed beforehand, about their profession, at any time free to object'),
    -- Italy, Spain, Portugal: the role is verified before promotion; set verified_audience elsewhere where the affiliate asks for it
    ('IT', 'hcp', '*', 'promotional', 'opt_in', 'review', NULL, NULL, true, 'Legislative Decree 219/2006 art. 119; Legislative Decree 196/2003 art. 130', 'Italy: verified professionals', 'only who may prescribe or supply'),
    ('IT', 'pharmacist', '*', 'promotional', 'opt_in', 'review', NULL, NULL, true, 'Legislative Decree 219/2006 art. 119; Legislative Decree 196/2003 art. 130', 'Italy: verified pharmacists', 'only who may prescribe or supply'),
    ('ES', 'hcp', '*', 'promotional', 'opt_in', 'review', NULL, NULL, true, 'Royal Decree 1416/1994; Law 34/2002 art. 21', 'Spain: verified professionals', 'only who may prescribe or dispense'),
    ('ES', 'pharmacist', '*', 'promotional', 'opt_in', 'review', NULL, NULL, true, 'Royal Decree 1416/1994; Law 34/2002 art. 21', 'Spain: verified pharmacists', 'only who may prescribe or dispense'),
    ('PT', 'hcp', '*', 'promotional', 'opt_in', 'review', NULL, NULL, true, 'Decree-Law 176/2006 art. 154; Law 41/2004 art. 13-A', 'Portugal: verified professionals', 'only who may prescribe or dispense'),
    ('PT', 'pharmacist', '*', 'promotional', 'opt_in', 'review', NULL, NULL, true, 'Decree-Law 176/2006 art. 154; Law 41/2004 art. 13-A', 'Portugal: verified pharmacists', 'only who may prescribe or dispense'),
    -- Sweden: the rule protects natural persons
    ('SE', 'procurement', 'email', 'promotional', 'opt_out', 'review', NULL, NULL, false, 'Marketing Act (2008:486) s. 19: natural persons; GDPR art. 6(1)(f)', 'Sweden: procurement by e-mail', 'addresses of the organisation'),
    -- United Kingdom
    ('GB', '*', '*', 'promotional', 'opt_in', 'review', NULL, NULL, false, 'PECR 2003 reg. 19 to 22; UK GDPR art. 6(1)(a)', 'United Kingdom: promotion needs consent', 'live calls, too: numbers are not compared with the Telephone Preference Service'),
    ('GB', '*', '*', 'disease_awareness', 'opt_in', 'review', NULL, NULL, false, 'PECR 2003 reg. 19 to 22; UK GDPR art. 6(1)(a)', 'United Kingdom: disease awareness needs consent', 'direct marketing is promotion of aims as well'),
    ('GB', '*', 'email', 'promotional', 'soft_opt_in', 'review', NULL, NULL, false, 'PECR 2003 reg. 22(3): details obtained in a sale or negotiation, similar products, refusal offered each time', 'United Kingdom: e-mail, soft opt-in', 'legal_basis soft_opt_in says that all of it was so'),
    ('GB', 'payer', 'email', 'promotional', 'opt_out', 'review', NULL, NULL, false, 'PECR 2003 reg. 22: individual subscribers; UK GDPR art. 6(1)(f) and 21(2)', 'United Kingdom: corporate subscribers', 'addresses of the organisation; sole traders are individuals'),
    ('GB', 'procurement', 'email', 'promotional', 'opt_out', 'review', NULL, NULL, false, 'PECR 2003 reg. 22: individual subscribers; UK GDPR art. 6(1)(f) and 21(2)', 'United Kingdom: corporate subscribers', 'addresses of the organisation; sole traders are individuals'),
    ('GB', '*', 'post', 'promotional', 'opt_out', 'review', NULL, NULL, false, 'UK GDPR art. 6(1)(f), recital 47 and art. 21(2)', 'United Kingdom: post', 'PECR does not cover letters'),
    ('GB', 'patient', '*', 'promotional', 'prohibited', 'refuse', NULL, NULL, false, 'Human Medicines Regulations 2012 reg. 284', 'United Kingdom: no promotion to patients', 'no consent makes it lawful'),
    ('GB', 'caregiver', '*', 'promotional', 'prohibited', 'refuse', NULL, NULL, false, 'Human Medicines Regulations 2012 reg. 284', 'United Kingdom: no promotion to caregivers', 'no consent makes it lawful'),
    -- United States
    ('US', '*', 'email', 'promotional', 'opt_out', 'review', NULL, NULL, false, 'CAN-SPAM Act, 15 U.S.C. s. 7704', 'United States: e-mail', 'an opt-out is honoured at once, the Act gives ten business days'),
    ('US', '*', 'email', 'disease_awareness', 'opt_out', 'review', NULL, NULL, false, 'CAN-SPAM Act, 15 U.S.C. s. 7704', 'United States: e-mail', 'an opt-out is honoured at once, the Act gives ten business days'),
    ('US', 'patient', 'email', 'promotional', 'opt_in', 'refuse', NULL, NULL, false, 'CAN-SPAM Act with consent as company policy', 'United States: patients', 'direct-to-consumer advertising is lawful (21 CFR 202), health data are not to be guessed at'),
    ('US', 'caregiver', 'email', 'promotional', 'opt_in', 'refuse', NULL, NULL, false, 'CAN-SPAM Act with consent as company policy', 'United States: caregivers', 'direct-to-consumer advertising is lawful (21 CFR 202), health data are not to be guessed at'),
    ('US', 'patient', 'email', 'disease_awareness', 'opt_in', 'refuse', NULL, NULL, false, 'consumer health data laws of the states, such as RCW 19.373', 'United States: patients', 'an illness can be told from the message'),
    ('US', 'caregiver', 'email', 'disease_awareness', 'opt_in', 'refuse', NULL, NULL, false, 'consumer health data laws of the states, such as RCW 19.373', 'United States: caregivers', 'an illness can be told from the message'),
    ('US', '*', 'phone', 'promotional', 'opt_in', 'refuse', NULL, NULL, false, 'TCPA, 47 U.S.C. s. 227; 47 CFR 64.1200', 'United States: phone', 'prior express written consent'),
    ('US', '*', 'sms', 'promotional', 'opt_in', 'refuse', NULL, NULL, false, 'TCPA, 47 U.S.C. s. 227; 47 CFR 64.1200', 'United States: SMS', 'prior express written consent; a text is a call'),
    ('US', '*', 'phone', 'disease_awareness', 'opt_in', 'refuse', NULL, NULL, false, 'TCPA, 47 U.S.C. s. 227; 47 CFR 64.1200', 'United States: phone', 'prior express written consent'),
    ('US', '*', 'sms', 'disease_awareness', 'opt_in', 'refuse', NULL, NULL, false, 'TCPA, 47 U.S.C. s. 227; 47 CFR 64.1200', 'United States: SMS', 'prior express written consent; a text is a call'),
    -- Canada
    ('CA', '*', 'email', 'promotional', 'implied', 'review', 24, 6, false, 'CASL (S.C. 2010, c. 23) s. 6 and s. 10(9) to (14)', 'Canada: e-mail', 'implied by a business relationship for 24 months, by an inquiry for 6'),
    ('CA', '*', 'email', 'disease_awareness', 'implied', 'review', 24, 6, false, 'CASL (S.C. 2010, c. 23) s. 6 and s. 10(9) to (14)', 'Canada: e-mail', 'implied by a business relationship for 24 months, by an inquiry for 6'),
    ('CA', '*', 'sms', 'promotional', 'opt_in', 'refuse', NULL, NULL, false, 'CASL (S.C. 2010, c. 23) s. 6, with express consent as company policy', 'Canada: SMS', 'implied consent would be lawful, and is not relied on'),
    ('CA', '*', 'phone', 'promotional', 'opt_in', 'refuse', NULL, NULL, false, 'CRTC Unsolicited Telecommunications Rules', 'Canada: phone', 'numbers are not compared with the National Do Not Call List'),
    ('CA', 'patient', '*', 'promotional', 'prohibited', 'refuse', NULL, NULL, false, 'Food and Drug Regulations s. C.01.044', 'Canada: no promotion to patients', 'no more than name, price and quantity'),
    ('CA', 'caregiver', '*', 'promotional', 'prohibited', 'refuse', NULL, NULL, false, 'Food and Drug Regulations s. C.01.044', 'Canada: no promotion to caregivers', 'no more than name, price and quantity')
ON CONFLICT DO NOTHING;
