# Random histories of consent against a naive model that reads only the events:
# the state of each scope, consent at any instant as known at any other, and
# what the gate says to a message. The model is broken on purpose in several
# ways afterwards, and each break must show.
#
# NURTURE_CONSENT_HISTORIES=n says how many, NURTURE_SEED repeats a run.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use Nurture;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::Local qw(timegm);

my $histories = $ENV{NURTURE_CONSENT_HISTORIES} // 2000;
my $seed = $ENV{NURTURE_SEED} // int(rand(2**31));
my $batch = 5000;
srand($seed);
note("seed $seed (NURTURE_SEED=$seed repeats this run), $histories histories");

my $node = cluster('consent', conf => "fsync = off\nshared_buffers = 256MB");
database($node, 'consent', 'pharma');
$node->safe_psql('consent', <<'SQL');
SELECT set_config('search_path', '', false);
SET row_security = off;
SET check_function_bodies = off;
INSERT INTO nurture.tag (dimension, value, title, reason) VALUES ('product', 'drug', 'a drug', 'test') ON CONFLICT DO NOTHING;
INSERT INTO nurture.asset (asset_id, family, title, format) SELECT id, id, id, 'email' FROM unnest(ARRAY['plain', 'moa', 'drug', 'both']) AS id;
INSERT INTO nurture.asset_version (asset_id, version, status, message_class, channels, languages, markets, audience_types, approved_at, content_hash)
    SELECT id, 1, 'approved', 'promotional', '{*}', '{*}', '{*}', '{*}', '2020-01-01', '\x01' FROM unnest(ARRAY['plain', 'moa', 'drug', 'both']) AS id;
INSERT INTO nurture.asset_tag (asset_id, version, dimension, value) VALUES ('moa', 1, 'topic', 'moa'), ('drug', 1, 'product', 'drug'), ('both', 1, 'topic', 'moa'), ('both', 1, 'product', 'drug');
CREATE TABLE public.question (lead bigint, channel text, purpose text, asset text, at timestamptz);
CREATE TABLE public.moment (lead bigint, at timestamptz, known timestamptz);
RESET ALL;
-- what puts a message off would move the instant that is asked about
DELETE FROM nurture.frequency_cap;
DELETE FROM nurture.quiet_hours;
SQL

# Instants in seconds: few, so that many coincide, and some at the ends of months.
sub instant { return timegm(0, $_[4] // 0, $_[3] // 12, $_[2], $_[1] - 1, $_[0]); }
my $now = instant(2026, 6, 1);
my @instants = (
	map({ instant(@$_) } [ 2024, 1, 31 ], [ 2024, 2, 29 ], [ 2025, 11, 30 ], [ 2025, 12, 1 ], [ 2024, 6, 1 ], [ 2024, 5, 31 ], [ 2025, 8, 31 ],
		[ 2024, 6, 15 ], [ 2024, 6, 30 ], [ 2025, 12, 10 ], [ 2025, 12, 31 ]),
	map({ $now - int(rand(3 * 365 * 24)) * 3600 } 1 .. 25), $now);
my @later = ($now, $now + 1, map({ instant(@$_) } [ 2026, 6, 9 ], [ 2026, 6, 13 ], [ 2026, 6, 30 ], [ 2026, 6, 30, 11, 59 ]), map { $now + int(rand(200 * 24)) * 3600 } 1 .. 6);

sub pick { return $_[ int(rand(@_)) ]; }

sub text_of
{
	my ($s, $mi, $h, $d, $mo, $y) = gmtime($_[0]);
	return sprintf('%04d-%02d-%02d %02d:%02d:%02d+00', $y + 1900, $mo + 1, $d, $h, $mi, $s);
}

# One history: what a lead said, in the order in which we learned it.
sub random_history
{
	my ($lead) = @_;
	my @recorded = sort { $a <=> $b } map { pick(@instants) } 1 .. 1 + int(rand(9));
	my @events;

	foreach my $n (1 .. @recorded)
	{
		my %event = (id => $lead * 100 + $n, lead => $lead, recorded => $recorded[ $n - 1 ]);
		my $scope = pick(['email', 'marketing', '*', '*'], ['email', 'marketing', '*', '*'], ['*', 'marketing', '*', '*'],
			[ pick('*', 'email', 'sms'), pick('*', 'marketing', 'newsletter'), pick('*', '*', 'moa'), pick('*', '*', 'drug') ]);
		@event{qw(channel purpose topic product)} = @$scope;
		$event{kind} = pick(qw(given given given confirmed confirmed renewed requested withdrawn withdrawn refused objected expired entered_in_error));
		$event{kind} = 'given' if $event{kind} eq 'entered_in_error' && $n == 1;
		$event{occurred} = rand() < 0.1 ? pick(@instants, @later) : pick(grep { $_ <= $event{recorded} } @instants);
		$event{wrong} = $lead * 100 + 1 + int(rand($n - 1)) if $event{kind} eq 'entered_in_error';
		if ($event{kind} =~ /^(given|confirmed|renewed)$/)
		{
			$event{expires} = pick(@instants, @later) if rand() < 0.25;
			$event{basis} = pick(qw(soft_opt_in implied implied implied_inquiry contract consent)) if rand() < 0.35;
		}
		push @events, \%event;
	}
	return \@events;
}

# One in twenty is about a time that is about to be over: consent that is
# implied for so many months, or a confirmation that another grant follows.
sub edge_history
{
	my ($lead) = @_;
	my %event = (lead => $lead, channel => 'email', purpose => 'marketing', topic => '*', product => '*');
	my $from = pick(@instants[ 0 .. 10 ]);

	return ('CA', [ { %event, id => $lead * 100 + 1, kind => 'given', occurred => $from, recorded => $from, basis => pick('implied', 'implied_inquiry') } ])
	  if rand() < 0.7;
	return ('DE', [
			{ %event, id => $lead * 100 + 1, kind => 'confirmed', occurred => $from, recorded => $from, expires => $from + 3600 },
			{ %event, id => $lead * 100 + 2, kind => pick('given', 'renewed'), occurred => $from + pick(3599, 3600), recorded => $from + 3600 } ]);
}

# --- the naive model; $broken names what it does wrong on purpose

sub effective { my ($event) = @_; return $event->{occurred} < $event->{recorded} ? $event->{occurred} : $event->{recorded}; }
sub denies { return $_[0] =~ /^(refused|withdrawn|objected)$/; }
sub permits { return $_[0] =~ /^(given|confirmed|renewed)$/; }
sub is_explicit { my ($event) = @_; return !defined $event->{basis} || $event->{basis} eq 'consent'; }

# The state that a list of events of one scope leaves: what the last of them
# says, unless the state before it is stronger.
sub state_after
{
	my ($broken, @events) = @_;
	my $last = pop @events or return { state => 'none' };
	my $before = state_after($broken, @events);
	my $stands = permits($before->{state}) && (!defined $before->{expires} || $before->{expires} > effective($last)) && is_explicit($before);
	my $after = { state => $last->{kind}, since => effective($last), expires => $last->{expires}, basis => $last->{basis} };

	return $before if $last->{kind} eq 'requested' && $before->{state} !~ /^(none|requested)$/;
	return $before if $last->{kind} eq 'expired' && denies($before->{state});
	return $before if denies($last->{kind}) && $last->{kind} ne 'objected' && $before->{state} eq 'objected' && $broken ne 'withdrawal shrinks objection';
	if (permits($last->{kind}))
	{
		return $before if !is_explicit($last) && ($stands || (denies($before->{state}) && $broken ne 'tacit grant lifts'));
		$after->{state} = 'confirmed' if $before->{state} eq 'confirmed' && ($stands || $broken eq 'confirmation outlives expiry');
	}
	return $after;
}

# The state of every scope at an instant, from what was known at another.
sub states_at
{
	my ($history, $at, $known, $broken) = @_;
	my @known = grep { $_->{recorded} <= $known } @$history;
	my (%wrong, %scopes, %states);

	foreach my $event (sort { $b->{id} <=> $a->{id} } grep { $_->{kind} eq 'entered_in_error' } @known)
	{
		$wrong{ $event->{wrong} } = 1 unless $wrong{ $event->{id} } || $broken eq 'errors count';
	}
	foreach my $event (sort { ($broken eq 'order of arrival' ? 0 : effective($a) <=> effective($b)) || $a->{id} <=> $b->{id} } @known)
	{
		next if $event->{kind} eq 'entered_in_error' || $wrong{ $event->{id} } || effective($event) > $at;
		push @{ $scopes{ join('|', @$event{qw(channel purpose topic product)}) } }, $event;
	}
	foreach my $scope (keys %scopes)
	{
		my $state = state_after($broken, @{ $scopes{$scope} });
		$states{$scope} = $state if $state->{state} ne 'none';
	}
	return \%states;
}

# So many calendar months later, in UTC.
sub months_later
{
	my ($from, $months) = @_;
	my ($s, $mi, $h, $d, $mo, $y) = gmtime($from);
	my @days = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31);

	$mo += $months;
	$y += 1900 + int($mo / 12);
	$mo %= 12;
	$days[1] = 29 if $y % 4 == 0 && ($y % 100 != 0 || $y % 400 == 0);
	$d = $days[$mo] if $d > $days[$mo];
	return timegm($s, $mi, $h, $d, $mo, $y);
}

# What the preset asks of promotion to professionals, by country and channel.
my %policy = (
	'FR email' => 'opt_in', 'FR sms' => 'opt_in', 'DE email' => 'double_opt_in', 'DE sms' => 'opt_in', 'US email' => 'opt_out', 'US sms' => 'opt_in',
	'CA email' => 'implied', 'CA sms' => 'opt_in', 'GB email' => 'soft_opt_in', 'GB sms' => 'opt_in');
my @countries = qw(FR DE US CA CA GB);
my %enough = (
	opt_in => {}, double_opt_in => {}, soft_opt_in => { soft_opt_in => 1 },
	implied => { soft_opt_in => 1, implied => 1, implied_inquiry => 1 });

# The reasons of consent why a message is not sent.
sub reasons_for
{
	my ($history, $country, $question, $broken) = @_;
	my ($channel, $purpose, $asset, $at) = @$question;
	my $rule = $policy{"$country $channel"};
	my $states = states_at($history, $now, $now, $broken);
	my $covers = sub {
		my ($scope, $of) = @_;
		my ($c, $p, $t, $d) = split(/\|/, $scope);
		return ($c eq '*' || $c eq $channel) && ($p eq '*' || $p eq $of)
		  && ($t eq '*' || $asset =~ /^(moa|both)$/) && ($d eq '*' || $asset =~ /^(drug|both)$/);
	};
	my ($denied, $granted, $expired) = (0, 0, 0);

	foreach my $scope (keys %$states)
	{
		my $state = $states->{$scope};
		my ($c, $p) = split(/\|/, $scope);

		foreach my $of ('marketing', $purpose)
		{
			$denied = 1 if $state->{state} eq 'objected' && ($p eq '*' || $p eq $of) && $broken ne 'objection is a refusal';
			$denied = 1 if denies($state->{state}) && $covers->($scope, $of) && !($broken eq 'narrow grant wins' && $c eq '*');
		}
		next unless $covers->($scope, 'marketing');
		$expired = 1 if $state->{state} eq 'expired';
		next unless permits($state->{state});
		next if $rule eq 'double_opt_in' && $state->{state} ne 'confirmed' && $broken ne 'no double opt-in';
		next if !is_explicit($state) && !($enough{$rule} // {})->{ $state->{basis} };
		my $end = $state->{expires};
		if ($rule eq 'implied' && !is_explicit($state))
		{
			my $months = $state->{basis} eq 'implied_inquiry' ? 6 : 24;
			my $lapse = $broken eq 'months of 30 days' ? $state->{since} + $months * 30 * 86400 : months_later($state->{since}, $months);
			$end = $lapse if !defined $end || $lapse < $end;
		}
		if (defined $end && $end <= $at && $broken ne 'no expiry') { $expired = 1; }
		else { $granted = 1; }
	}
	return join(' ', ($denied ? 'consent_denied' : ()), ($granted || $rule eq 'opt_out' ? () : $expired ? 'consent_expired' : 'consent_missing'));
}

# What is in nurture.consent, or nurture_consent_at says, as text.
sub states_text
{
	my ($states, $at) = @_;
	return join(
		';',
		map {
			my $s = $states->{$_};
			my $over = defined $at && permits($s->{state}) && defined $s->{expires} && $s->{expires} <= $at;
			join('|', $_, $over ? 'expired' : $s->{state}, $s->{since}, $s->{expires} // '')
		  }
		  sort keys %$states);
}

# --- the comparison

my $shown = 0;

sub differ
{
	my ($history, $what, $have, $want) = @_;
	return 0 if $have eq $want;
	return 1 if $shown++ >= 5;
	diag("$what\nhave: $have\nwant: $want\n" . join(
			"\n", map { my $e = $_; join(' ', map { "$_=" . (/^(occurred|recorded|expires)$/ ? text_of($e->{$_}) : $e->{$_}) } grep { defined $e->{$_} } sort keys %$e) } @$history));
	return 1;
}

sub copied
{
	my ($table, @rows) = @_;
	return "COPY $table FROM stdin;\n" . join('', map { join("\t", map { $_ // '\N' } @$_) . "\n" } @rows) . "\\.\n";
}

my $columns = '(lead_id, consent_event_id, channel, purpose, topic, product, kind, occurred_at, recorded_at, expires_at, legal_basis, evidence)';

sub event_row
{
	my ($e) = @_;
	return [
		@$e{qw(lead id channel purpose topic product kind)}, text_of($e->{occurred}), text_of($e->{recorded}),
		defined $e->{expires} ? text_of($e->{expires}) : undef, $e->{basis}, defined $e->{wrong} ? "{\"consent_event_id\": $e->{wrong}}" : undef
	];
}

my %bad = (state => 0, at => 0, verdict => 0);
my @sample;
my $clock = "SET nurture.clock = '" . text_of($now) =~ s/ (\S+)\+00$/T$1Z/r . "';\nSET TimeZone = 'Asia/Kathmandu';\n";
for (my $first = 1; $first <= $histories; $first += $batch)
{
	my $last = $first + $batch - 1 > $histories ? $histories : $first + $batch - 1;
	my %history = map { $_ => random_history($_) } $first .. $last;
	my %country = map { $_ => pick(@countries) } $first .. $last;
	my %question = map { $_ => [ map { [ pick('email', 'email', 'sms'), pick('marketing', 'newsletter'), pick(qw(plain moa drug both)), pick(@later) ] } 1 .. 3 ] } $first .. $last;
	my %moment = map { $_ => [ map { [ pick(@instants), pick(@instants) ] } 1 .. 2 ] } $first .. $last;
	my $sql = $clock;

	foreach my $lead (grep { $_ % 20 == 0 } $first .. $last)
	{
		($country{$lead}, $history{$lead}) = edge_history($lead);
		my $end = months_later($history{$lead}[0]{occurred}, $country{$lead} eq 'CA' && $history{$lead}[0]{basis} eq 'implied' ? 24 : 6);
		@$_ = ('email', 'marketing', 'plain', $end - pick(0, 1, 86400, 5 * 86400)) foreach @{ $question{$lead} };
	}
	$sql .= copied('nurture.lead (lead_id, email, phone, country, audience_type, language)', map { [ $_, "lead$_\@example.com", sprintf("+33123%06d", $_ % 1000000), $country{$_}, 'hcp', 'en' ] } $first .. $last);
	# of even leads event by event, of odd ones all in a statement, in no order
	foreach my $wave (0 .. 8)
	{
		my @rows = map { event_row($history{$_}[$wave]) } grep { $_ % 2 == 0 && $history{$_}[$wave] } $first .. $last;
		$sql .= copied("nurture.consent_event $columns", @rows) if @rows;
	}
	$sql .= copied("nurture.consent_event $columns", sort { $a->[1] % 97 <=> $b->[1] % 97 || $a->[1] <=> $b->[1] } map { map { event_row($_) } @{ $history{$_} } } grep { $_ % 2 } $first .. $last);
	$sql .= "TRUNCATE public.question, public.moment;\n";
	$sql .= copied('public.question', map { my $lead = $_; map { [ $lead, @$_[ 0 .. 2 ], text_of($_->[3]) ] } @{ $question{$lead} } } $first .. $last);
	$sql .= copied('public.moment', map { my $lead = $_; map { [ $lead, text_of($_->[0]), text_of($_->[1]) ] } @{ $moment{$lead} } } $first .. $last);
	$node->safe_psql('consent', $sql);

	my %state;
	foreach (split(/\n/, $node->safe_psql('consent', "$clock SELECT lead_id, concat_ws('|', channel, purpose, topic, product, state, extract(epoch FROM since)::bigint, coalesce(extract(epoch FROM expires_at)::bigint::text, '')) FROM nurture.consent WHERE lead_id BETWEEN $first AND $last")))
	{
		my ($lead, $text) = split(/\|/, $_, 2);
		push @{ $state{$lead} }, $text;
	}
	foreach my $lead ($first .. $last)
	{
		$bad{state} += differ($history{$lead}, "state of lead $lead", join(';', sort @{ $state{$lead} // [] }),
			join(';', sort split(/;/, states_text(states_at($history{$lead}, 9e18, 9e18, '')))));
	}
	my %place;
	foreach (split(/\n/, $node->safe_psql('consent', <<SQL)))
$clock
SELECT m.lead, coalesce(string_agg(concat_ws('|', s.channel, s.purpose, s.topic, s.product, s.state, extract(epoch FROM s.since)::bigint, coalesce(extract(epoch FROM s.expires_at)::bigint::text, '')), ';'), '')
FROM (SELECT *, ctid AS place FROM public.moment) AS m LEFT JOIN LATERAL nurture_consent_at(m.lead, m.at, m.known) AS s ON true GROUP BY m.lead, m.place ORDER BY m.place
SQL
	{
		my ($lead, $text) = split(/\|/, $_, 2);
		my ($at, $known) = @{ $moment{$lead}[ $place{$lead}++ ] };
		$bad{at} += differ($history{$lead}, "lead $lead at " . text_of($at) . ' as known at ' . text_of($known), join(';', sort split(/;/, $text)),
			join(';', sort split(/;/, states_text(states_at($history{$lead}, $at, $known, ''), $at))));
	}
	%place = ();
	foreach (split(/\n/, $node->safe_psql('consent', <<SQL)))
$clock
SELECT q.lead, coalesce((SELECT string_agg(r, ' ' ORDER BY r) FROM unnest(m.reasons) AS r WHERE r LIKE 'consent%'), '')
FROM (SELECT *, ctid AS place FROM public.question) AS q, LATERAL nurture_may_contact(q.lead, q.channel, q.purpose, q.asset, q.at) AS m ORDER BY q.place
SQL
	{
		my ($lead, $have) = split(/\|/, $_, 2);
		my $question = $question{$lead}[ $place{$lead}++ ];
		push @sample, [ $history{$lead}, $country{$lead}, $question, $have ] if @sample < 6000;
		$bad{verdict} += differ($history{$lead}, "lead $lead, $country{$lead}, " . join(' ', @$question[ 0 .. 2 ]) . ' at ' . text_of($question->[3]),
			$have, reasons_for($history{$lead}, $country{$lead}, $question, ''));
	}
}
is($bad{state}, 0, 'the state of every scope is that of the model');
is($bad{at}, 0, 'consent at any instant, as known at any other, too');
is($bad{verdict}, 0, 'and what the gate says to a message');

# the comparison must be able to fail
foreach my $broken ('narrow grant wins', 'order of arrival', 'no expiry', 'objection is a refusal', 'withdrawal shrinks objection', 'tacit grant lifts',
	'confirmation outlives expiry', 'errors count', 'no double opt-in', 'months of 30 days')
{
	my $caught = grep { reasons_for(@$_[ 0 .. 2 ], $broken) ne $_->[3] } @sample;
	cmp_ok($caught, '>', 0, "a model broken on purpose is caught: $broken ($caught times)");
}

$node->stop;
done_testing();
