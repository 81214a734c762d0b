# Ticks are killed in the middle of their work, two at a time, again and again:
# what they had committed stays, nothing is done twice, nobody is left out.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use Nurture;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);

my $leads = 900;
my $node = cluster('killed');
database($node, 'crm', 'pharma');
$node->safe_psql('crm', <<"SQL");
SET nurture.clock = '2026-03-02 10:00:00+00';
DELETE FROM nurture.quiet_hours;
SELECT count(*) FROM generate_series(1, 10) n, nurture_add_asset(jsonb_build_object('asset_id', 'k' || n, 'title', 'k' || n, 'format', 'article', 'message_class', 'promotional',
    'channels', '["email"]'::jsonb, 'markets', '["*"]'::jsonb, 'languages', '["*"]'::jsonb, 'audience_types', '["*"]'::jsonb, 'tags', '["funnel_stage:awareness"]'::jsonb));
SELECT count(nurture_set_asset_status('k' || n, 1, 'in_review', 'test')) FROM generate_series(1, 10) n;
SELECT count(nurture_approve('asset', 'k' || n, 1, 'medical', 'approved', 'test')) FROM generate_series(1, 10) n;
INSERT INTO nurture.lead (lead_id, email, audience_type, country, language) SELECT i, 'k' || i || '\@example.org', 'hcp', 'FR', 'fr' FROM generate_series(1, $leads) i;
SELECT count(nurture_opt_in(i, 'email', 'test')) FROM generate_series(1, $leads) i;
SELECT count(nurture_enroll(i, 'education', 'test')) FROM generate_series(1, $leads) i;
-- so slow that a tick is killed in the middle of it
CREATE FUNCTION public.slowly() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(0.005); RETURN NULL; END';
CREATE TRIGGER slowly AFTER INSERT ON nurture.message FOR EACH ROW EXECUTE FUNCTION public.slowly();
-- the first step is due
ALTER DATABASE crm SET nurture.clock = '2026-03-12 10:00:00+00';
SQL

sub counted
{
	my ($sql) = @_;

	return $node->safe_psql('crm', "SELECT count(*) FROM $sql");
}

my $due = "nurture.enrollment WHERE step_no = 1 AND state = 'active'";
my $middle = 0;
my $before = counted($due);
is($before, $leads, 'all are due');
foreach my $round (1 .. 60)
{
	my @ticks = map { IPC::Run::start([ 'psql', '-X', '-q', '-c', "CALL nurture_run('1 minute')", '-d', $node->connstr('crm') ], '>' => \my $out, '2>' => \my $err) } 1 .. 2;

	$node->poll_query_until('crm', "SELECT count(*) = 2 OR NOT EXISTS (SELECT FROM $due) FROM pg_stat_activity WHERE query LIKE 'CALL nurture_run%'");
	# soon at first, so that something is left
	sleep($round < 4 ? 0.3 : 0.3 + rand(1.2));
	$node->safe_psql('crm', "SELECT count(pg_terminate_backend(pid, 10000)) FROM pg_stat_activity WHERE query LIKE 'CALL nurture_run%'");
	eval { $_->finish } foreach @ticks;
	my $left = counted($due);

	$middle++ if $left > 0;
	last if $left == 0;
}
cmp_ok($middle, '>=', 2, 'ticks were killed before all was done');
is(counted($due), 0, 'nobody is left out');
is(counted('nurture.message'), $leads, 'everybody has a message');
is(counted('(SELECT FROM nurture.message GROUP BY lead_id HAVING count(*) > 1) m'), 0, 'nobody has two');
is(counted("nurture.enrollment WHERE step_no <> 2"), 0, 'each went on by one step');
is(counted("(SELECT FROM nurture.audit WHERE kind = 'message' GROUP BY object HAVING count(*) = 1) a"), $leads, 'each message has its decision, once');
is(counted('nurture.tick_error'), 0, 'and no lead is blamed');
$node->safe_psql('crm', 'SELECT nurture_audit_seal()');
is(verify_errors($node, 'crm'), '', 'the trail verifies');
$node->stop;
done_testing();
