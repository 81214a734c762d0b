# Prepared transactions: an opt-out that is pending holds messages to its lead
# back, through a crash too, and binds once it is committed; a pending message
# holds an opt-out back, which then cancels it.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use Nurture;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = cluster('prepared');
database($node, 'prepared', 'pharma');
$node->safe_psql('prepared', <<'SQL', on_error_stop => 1);
BEGIN;
SELECT set_config('search_path', '', true);
SET LOCAL row_security = off;
SET LOCAL check_function_bodies = off;
INSERT INTO nurture.asset (asset_id, family, title, format)
    SELECT 'asset' || i, 'family' || i, 'asset ' || i, 'email' FROM generate_series(1, 3) AS i;
INSERT INTO nurture.asset_version (asset_id, version, status, message_class, channels, languages, markets, audience_types, approved_at, content_hash)
    SELECT 'asset' || i, 1, 'approved', 'promotional', '{email}', '{en}', '{*}', '{hcp}', now(), '\x01' FROM generate_series(1, 3) AS i;
COMMIT;
DELETE FROM nurture.quiet_hours;
INSERT INTO nurture.lead (lead_id, email, country, audience_type, language)
    SELECT i, 'lead' || i || '@example.com', 'FR', 'hcp', 'en' FROM generate_series(1, 4) AS i;
SELECT nurture_opt_in(i, 'email') FROM generate_series(1, 4) AS i;
INSERT INTO nurture.message (lead_id, channel, asset_id) SELECT i, 'email', 'asset1' FROM generate_series(1, 3) AS i;
SQL

sub statuses
{
	my ($lead) = @_;

	return $node->safe_psql('prepared', "SELECT string_agg(status, ' ' ORDER BY message_id) FROM nurture.message WHERE lead_id = $lead");
}

# How a message to a lead ends when it may wait only shortly.
sub send_shortly
{
	my ($lead, $level) = @_;

	return sqlstate($node, 'prepared',
		"SET lock_timeout = '100ms'; BEGIN ISOLATION LEVEL $level; INSERT INTO nurture.message (lead_id, channel, asset_id) VALUES ($lead, 'email', 'asset2'); COMMIT;");
}

# pending: an opt-out of 1, another of 2, a message to 4
$node->safe_psql('prepared', q{BEGIN; SELECT nurture_opt_out(1); PREPARE TRANSACTION 'out 1';}, on_error_stop => 1);
$node->safe_psql('prepared', q{BEGIN; SELECT nurture_opt_out(2); PREPARE TRANSACTION 'out 2';}, on_error_stop => 1);
$node->safe_psql('prepared', q{BEGIN; INSERT INTO nurture.message (lead_id, channel, asset_id) VALUES (4, 'email', 'asset1'); PREPARE TRANSACTION 'message 4';}, on_error_stop => 1);

foreach my $when ('before', 'after')
{
	is(send_shortly(1, $_), '55P03', "$when a crash a pending opt-out blocks a message, $_") foreach ('READ COMMITTED', 'REPEATABLE READ', 'SERIALIZABLE');
	is( $node->safe_psql('prepared', q{SET lock_timeout = '100ms'; BEGIN; SELECT DISTINCT lead_id FROM nurture_take('email', 10, 'worker'); ROLLBACK;}),
		'3', "$when a crash a worker gets nothing that waits for it, and does not wait itself");
	is(sqlstate($node, 'prepared', q{SET lock_timeout = '100ms'; SELECT nurture_opt_out(4);}), '55P03', "$when a crash a pending message blocks an opt-out");
	is(sqlstate($node, 'prepared', q{SET lock_timeout = '100ms'; SELECT nurture_merge(3, 1, 'same person');}), '55P03', "$when a crash a pending opt-out blocks a merge");
	is(send_shortly(3, 'READ COMMITTED'), '00000', "$when a crash others go on");
	next if $when eq 'after';

	$node->kill9;
	my $started;
	foreach (1 .. 10 * $PostgreSQL::Test::Utils::timeout_default)
	{
		last if $started = $node->start(fail_ok => 1);
		select(undef, undef, undef, 0.1);
		$node->stop('fast', fail_ok => 1);
	}
	BAIL_OUT('the server does not start again') unless $started;
	is($node->safe_psql('prepared', q{SELECT string_agg(gid, ', ' ORDER BY gid) FROM pg_prepared_xacts}), 'message 4, out 1, out 2', 'what is pending survives a crash');
}

is(statuses(1), 'queued', 'what is pending shows nowhere');
$node->safe_psql('prepared', q{COMMIT PREPARED 'out 1'});
is(statuses(1), 'cancelled', 'the opt-out, committed, has cancelled what was queued');
is(send_shortly(1, 'READ COMMITTED'), '00000', 'and the next message is decided');
is(statuses(1), 'cancelled refused', 'against it');

$node->safe_psql('prepared', q{ROLLBACK PREPARED 'out 2'});
is(send_shortly(2, 'READ COMMITTED'), '00000', 'an opt-out that was rolled back');
is(statuses(2), 'queued queued', 'has forbidden nothing');

$node->safe_psql('prepared', q{COMMIT PREPARED 'message 4'});
is(statuses(4), 'queued', 'the message, committed, is there');
is($node->safe_psql('prepared', 'SELECT nurture_opt_out(4)'), '1', 'an opt-out finds it');
is(statuses(4), 'cancelled', 'and cancels it');

is($node->safe_psql('prepared', q{SELECT count(*) FROM nurture.message m WHERE NOT EXISTS (SELECT FROM nurture.audit a WHERE a.lead_ref = m.lead_id AND a.kind = 'message' AND a.object = 'message:' || m.message_id)}),
	'0', 'every message has its audit entry');
is(verify_errors($node, 'prepared'), '', 'the audit trail verifies');
$node->safe_psql('prepared', 'SELECT nurture_audit_seal()');
is(verify_errors($node, 'prepared'), '', 'and can be sealed');

$node->stop;
done_testing();
