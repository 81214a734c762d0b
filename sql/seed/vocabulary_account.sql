-- Every preset: how accounts are scored and what is a spike. Numbers are the
-- defaults of nurture.account_policy, to be agreed on and changed.

INSERT INTO nurture.account_policy (policy, reason) VALUES
    ('default', 'Several people of one organisation who look at several things are a buying group; spikes are told from the noise of small counts.')
ON CONFLICT DO NOTHING;
