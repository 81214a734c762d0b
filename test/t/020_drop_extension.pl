# Dropping the extension: refused while data stands, and with CASCADE not one
# row of lead, event, message, consent or audit goes with it.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use Nurture;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = cluster('drop');
database($node, 'loaded', 'pharma');
load_everything($node, 'loaded');
my @kept = qw(account lead lead_stage stage_history event event_key event_quarantine consent_event
  consent message review gate stop_effect suppression handoff task audit seal change_log
  model model_version fit_rule signal_rule asset asset_version asset_tag enrollment);
my $before = picture($node, 'loaded');

is(sqlstate($node, 'loaded', 'DROP EXTENSION nurture'), '2BP01', 'refused while data stands');
is(differences($before, picture($node, 'loaded')), '', 'nothing happened');

$node->safe_psql('loaded', 'DROP EXTENSION nurture CASCADE');
my $after = picture($node, 'loaded');
foreach my $table (@kept)
{
	isnt($before->{"nurture.$table"}, undef, "there was a table $table");
	is($after->{"nurture.$table"}, $before->{"nurture.$table"}, "$table keeps every row");
}
foreach my $table (qw(lead event consent_event message audit))
{
	unlike($before->{"nurture.$table"} // '0|', qr/^0\|/, "$table was not empty");
}
is($node->safe_psql('loaded', q{SELECT count(*) FROM pg_proc WHERE proname LIKE 'nurture\_%'}),
	'0', 'the functions are gone');

$node->stop;
done_testing();
