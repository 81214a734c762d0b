# nurture_schedule with pg_cron: real jobs, run by its launcher in a cluster
# of its own.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use Nurture;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

chomp(my $libdir = `pg_config --pkglibdir`);
plan skip_all => "pg_cron is not installed for this major: no pg_cron.so in $libdir" unless -e "$libdir/pg_cron.so";

my $node = cluster('cron', conf => <<'CONF');
shared_preload_libraries = 'pg_cron'
cron.database_name = 'crm'
cron.use_background_workers = on
max_worker_processes = 20
CONF
database($node, 'crm', 'pharma');
is($node->safe_psql('crm', 'SELECT DISTINCT state FROM nurture_schedule()'), 'by_hand', 'without pg_cron the jobs are told');
like($node->safe_psql('crm', "SELECT command FROM nurture_schedule() WHERE job = 'nurture_run'"), qr/^CALL public\.nurture_run\('50 seconds'\)$/, 'as commands for psql');
$node->safe_psql('crm', 'CREATE EXTENSION pg_cron');
is($node->safe_psql('crm', 'SELECT DISTINCT state FROM nurture_schedule()'), 'scheduled', 'with it they are set up');
is($node->safe_psql('crm', 'SELECT DISTINCT state FROM nurture_schedule()'), 'unchanged', 'once');
is($node->safe_psql('crm', "SELECT count(*) FROM cron.job WHERE jobname LIKE 'nurture%'"), '5', 'five jobs');
$node->safe_psql('crm', "SELECT cron.schedule('nurture_run', '5 5 * * *', 'SELECT 1')");
is($node->safe_psql('crm', "SELECT state FROM nurture_schedule() WHERE job = 'nurture_run'"), 'changed', 'what somebody changed is put back');
is($node->safe_psql('crm', "SELECT schedule FROM cron.job WHERE jobname = 'nurture_run'"), '* * * * *', 'every minute');

# the same command, due when the server starts instead of on the minute
$node->safe_psql('crm', <<'SQL');
INSERT INTO nurture.lead (lead_id, email, audience_type, country, language) VALUES (1, 'a@example.org', 'hcp', 'FR', 'fr');
INSERT INTO nurture.event (lead_id, event_type) VALUES (1, 'page_viewed');
SET nurture.clock = '2020-01-01T00:00:00Z';
SELECT nurture_enroll(1, 'education', 'test');
RESET nurture.clock;
SQL
is($node->safe_psql('crm', 'SELECT next_due_at < now() FROM nurture.enrollment'), 't', 'a lead is due');
my $command = $node->safe_psql('crm', "SELECT command FROM nurture_schedule() WHERE job = 'nurture_run'");
$node->safe_psql('crm', "SELECT cron.schedule('at_start', '\@reboot', \$\$$command\$\$)");
$node->restart;
ok($node->poll_query_until('crm', 'SELECT NOT EXISTS (SELECT FROM nurture.enrollment WHERE next_due_at < now())'), 'pg_cron has run the tick');
ok($node->poll_query_until('crm', "SELECT EXISTS (SELECT FROM cron.job_run_details WHERE command LIKE '%nurture_run%' AND status = 'succeeded')"), 'and says that it succeeded');
is($node->safe_psql('crm', 'SELECT count(*) FROM nurture.tick_error'), '0', 'nothing failed');
$node->stop;
done_testing();
