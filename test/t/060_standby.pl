# A hot standby: every score is the same there, reading writes nothing, and
# rules that are published on the primary are used after replay.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use Nurture;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $primary = cluster('primary', streaming => 1);
database($primary, 'crm', 'pharma');
load_everything($primary, 'crm');
$primary->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->start;
$primary->wait_for_catchup($standby);

my $clock = $primary->safe_psql('crm', q{SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')});
is($standby->safe_psql('crm', 'SELECT pg_is_in_recovery()'), 't', 'the standby is one');
my $scores = scores($primary, 'crm', $clock);
isnt($scores, '', 'there are scores');
is(scores($standby, 'crm', $clock), $scores, 'all scores of all models are the same there');

foreach my $query (
	'SELECT lead_id, nurture_score(lead_id), nurture_fit(lead_id), nurture_intent(lead_id), nurture_grade(lead_id) FROM nurture.lead ORDER BY 1',
	'SELECT * FROM nurture_bi.lead_score ORDER BY lead_id',
	'SELECT l.lead_id, e.* FROM nurture.lead l, nurture_explain(l.lead_id) e WHERE l.lead_id < 40 ORDER BY 1, 2, 3, 4',
	q{SELECT lead_id, m.model, s.* FROM nurture.lead l, nurture.model m, nurture_scores_at(l.lead_id, nurture_now() - interval '1 hour', m.model) s ORDER BY 1, 2},
	q{SELECT l.lead_id, e.* FROM nurture.lead l, nurture_explain(l.lead_id, 'dump_model', 1, nurture_now() - interval '9 days') e WHERE l.lead_id < 40 ORDER BY 1, 2, 3, 4},
	q{SELECT * FROM nurture_what_if('dump_model', 2)},
	q{SELECT * FROM nurture_what_if('dump_model', 2, 1) WHERE new_total <> old_total},
	q{SELECT * FROM nurture_what_if_matrix('default', 1)},
	'SELECT lead_id, a.* FROM nurture.activity, nurture_tally_unnest(signals) a ORDER BY 1, 2, 3')
{
	my $set = "SET nurture.clock = '$clock'; $query";
	is($standby->safe_psql('crm', $set), $primary->safe_psql('crm', $set), substr($query, 0, 60));
}
is(verify_errors($standby, 'crm'), '', 'the audit trail can be verified there');
is(sqlstate($standby, 'crm', q{INSERT INTO nurture.event (lead_id, event_type) VALUES (1, 'page_viewed')}),
	'25006', 'writing is refused by the server');
is(sqlstate($standby, 'crm', 'SELECT nurture_rebuild()'), '25006', 'a rebuild as well');
is(sqlstate($standby, 'crm', 'SELECT nurture_audit_seal()'), '25006', 'sealing as well');

# a session of the standby that has the rules in its cache
my $reader = $standby->background_psql('crm');
my $score = q{SELECT nurture_score(1, 'dump_model');};
my $old = $reader->query($score);
$primary->safe_psql('crm', <<'SQL');
UPDATE nurture.signal_rule SET points = points + 5 WHERE model = 'dump_model' AND version = 2 AND rule = 'minutes';
SELECT nurture_publish('model', 'dump_model', 2, 'five more', true);
SQL
$primary->wait_for_catchup($standby);
is($reader->query($score), sprintf('%.2f', $old + 5), 'a session of the standby uses what the primary published');
$primary->safe_psql('crm', q{INSERT INTO nurture.event (lead_id, event_type) SELECT 1, 'email_clicked' FROM generate_series(1, 2)});
$primary->wait_for_catchup($standby);
is($reader->query($score), $primary->safe_psql('crm', $score), 'and counts what it counted');
$reader->quit;

# promoted, it goes on
$standby->promote;
$standby->safe_psql('crm', q{INSERT INTO nurture.event (lead_id, event_type, source, source_key) VALUES (1, 'page_viewed', 'web', 'after'); SELECT nurture_audit_seal();});
is($standby->safe_psql('crm', q{SELECT count(*) FROM nurture.event WHERE source_key = 'after'}), '1', 'promoted, it takes events');
is(verify_errors($standby, 'crm'), '', 'and its audit trail verifies');

$standby->stop;
$primary->stop;
done_testing();
