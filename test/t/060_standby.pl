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
$primary->safe_psql('crm', <<'SQL');
-- two choices that were drawn, three days ago at noon
SELECT set_config('nurture.clock', to_char((now() - interval '3 days') AT TIME ZONE 'UTC', 'YYYY-MM-DD"T12:00:00Z"'), false);
SELECT nurture_opt_in(292, 'email'), nurture_opt_in(293, 'email');
INSERT INTO nurture.message (lead_id, channel, asset_id, experiment, arm, propensity) VALUES (292, 'email', 'webinar', 'loaded', 'webinar', 0.5), (293, 'email', 'evidence', 'loaded', 'usual', 0.5);
SELECT nurture_ack(lead_id, message_id, 'sent') FROM nurture_take('email', 10, 'drawn') WHERE lead_id IN (292, 293);
RESET nurture.clock;
UPDATE nurture.band SET min_points = 12 WHERE model = 'dump_model' AND version = 2 AND dimension = 'intent' AND band = '2';
SQL
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
	'SELECT lead_id, nurture_score_until(lead_id) FROM nurture.lead ORDER BY 1',
	q{SELECT l.lead_id, e.* FROM nurture.lead l, nurture_explain(l.lead_id, 'dump_model', 1, nurture_now() - interval '9 days') e WHERE l.lead_id < 40 ORDER BY 1, 2, 3, 4},
	q{SELECT * FROM nurture_what_if('dump_model', 2)},
	q{SELECT * FROM nurture_what_if('dump_model', 2, 1) WHERE new_total <> old_total},
	q{SELECT * FROM nurture_what_if_matrix('default', 1)},
	'SELECT lead_id, a.* FROM nurture.activity, nurture_tally_unnest(signals) a ORDER BY 1, 2, 3')
{
	my $set = "SET nurture.clock = '$clock'; $query";
	is($standby->safe_psql('crm', $set), $primary->safe_psql('crm', $set), substr($query, 0, 60));
}

# Every function that only reads, by its signature, in a query that calls it:
# it gives the same on the standby, and in the workers of a parallel query
# wherever it says that it is safe there. A new function needs a query here,
# unless a lead, an account or nothing is all that it asks for.
my $a_lead = '(SELECT lead_id FROM nurture.lead WHERE lead_id BETWEEN 25 AND 60) l';
my $an_account = '(SELECT account_id FROM nurture.account) a';
my %reads = (
	'nurture_now()' => 'SELECT lead_id, nurture_now() FROM nurture.lead',
	'nurture_lead_id(text)' => 'SELECT lead_id, nurture_lead_id(external_ref) FROM nurture.lead',
	'nurture_resolve(text,text)' => "SELECT lead_id, nurture_resolve('email', email) FROM nurture.lead",
	'nurture_attribute_problem(text,jsonb)' =>
	  "SELECT lead_id, nurture_attribute_problem('company_size', attributes -> 'note') FROM nurture.lead",
	'nurture_export_config()' => 'SELECT nurture_canonical(nurture_export_config())',
	'nurture_config_schema()' => 'SELECT nurture_config_schema()',
	'nurture_definition(text)' => 'SELECT audience_type, nurture_definition(audience_type) FROM nurture.audience_type',
	'nurture_tally_count(nurture_tally,text,date,date)' => "SELECT lead_id, nurture_tally_count(signals, 'page_viewed') FROM nurture.activity",
	'nurture_tally_last(nurture_tally,text)' => "SELECT lead_id, nurture_tally_last(signals, 'page_viewed') FROM nurture.activity",
	(   map { ("nurture_$_(bigint)" => "SELECT lead_id, nurture_$_(lead_id) FROM nurture.lead",
				"nurture_$_(bigint,text)" => "SELECT lead_id, nurture_$_(lead_id, 'dump_model') FROM nurture.lead") }
		  qw(score fit intent grade confidence)),
	'nurture_explain(bigint,text,integer,timestamp with time zone,timestamp with time zone)' => "SELECT l.lead_id, e.* FROM $a_lead, nurture_explain(l.lead_id) e",
	'nurture_scores(text,integer)' => 'SELECT * FROM nurture_scores()',
	'nurture_scores_at(bigint,timestamp with time zone,text,integer,timestamp with time zone)' =>
	  "SELECT l.lead_id, nurture_scores_at(l.lead_id, nurture_now(), 'dump_model', 1) FROM $a_lead",
	'nurture_score_at(bigint,timestamp with time zone,text,integer,timestamp with time zone)' =>
	  "SELECT l.lead_id, nurture_score_at(l.lead_id, nurture_now(), 'dump_model', 1) FROM $a_lead",
	'nurture_score_change(bigint,timestamp with time zone,timestamp with time zone,text)' =>
	  "SELECT l.lead_id, c.* FROM $a_lead, nurture_score_change(l.lead_id, nurture_now(), nurture_now() + interval '30 days', 'dump_model') c",
	'nurture_rank_change(bigint,timestamp with time zone,timestamp with time zone)' =>
	  "SELECT l.lead_id, r.* FROM $a_lead, nurture_rank_change(l.lead_id, nurture_now(), nurture_now() + interval '30 days') r WHERE l.lead_id < 29",
	'nurture_segment_preview(text)' => q{SELECT 'in_france' AS segment, nurture_segment_preview('in_france')},
	'nurture_check_model(text,integer)' => "SELECT * FROM nurture_check_model('dump_model', 2)",
	'nurture_what_if(text,integer,integer)' => "SELECT * FROM nurture_what_if('dump_model', 2)",
	'nurture_what_if_matrix(text,integer,integer)' => "SELECT * FROM nurture_what_if_matrix('dump_model', 2)",
	'nurture_diff(text,text,integer,integer)' => "SELECT * FROM nurture_diff('model', 'dump_model', 1, 2)",
	'nurture_model_for(bigint,text)' => "SELECT l.lead_id, m.* FROM $a_lead, nurture_model_for(l.lead_id) m",
	'nurture_account_score(bigint)' => "SELECT a.account_id, nurture_account_score(a.account_id) FROM $an_account",
	'nurture_account_score(bigint,text)' => "SELECT a.account_id, nurture_account_score(a.account_id, 'dump_model') FROM $an_account",
	'nurture_account_explain(bigint,text)' => "SELECT a.account_id, e.* FROM $an_account, nurture_account_explain(a.account_id) e",
	'nurture_account_spike(bigint)' => "SELECT a.account_id, s.* FROM $an_account, nurture_account_spike(a.account_id) s",
	'nurture_confidence_detail(bigint,text)' => "SELECT l.lead_id, d.* FROM $a_lead, nurture_confidence_detail(l.lead_id) d",
	'nurture_next_question(bigint,text)' => "SELECT l.lead_id, q.* FROM $a_lead, nurture_next_question(l.lead_id) q",
	'nurture_consent_at(bigint,timestamp with time zone,timestamp with time zone)' =>
	  "SELECT l.lead_id, c.* FROM $a_lead, nurture_consent_at(l.lead_id, nurture_now()) c",
	'nurture_held_out(bigint,text)' => "SELECT l.lead_id, nurture_held_out(l.lead_id, h.holdout) FROM $a_lead, nurture.holdout h",
	'nurture_experiment_arm(bigint,text,integer)' => "SELECT l.lead_id, nurture_experiment_arm(l.lead_id, 'loaded') FROM $a_lead",
	'nurture_first_signal(bigint,text,timestamp with time zone,timestamp with time zone)' =>
	  "SELECT l.lead_id, nurture_first_signal(l.lead_id, 'page_viewed', nurture_now() - interval '100 days', nurture_now()) FROM $a_lead",
	'nurture_quiet_until(text,text,text,timestamp with time zone,text)' =>
	  "SELECT c.country, c.time_zone, nurture_quiet_until(c.country, 'email', c.time_zone, nurture_now()) FROM nurture.country_zone c",
	'nurture_unsubscribe_token(bigint,text,text,text,text,bigint)' => "SELECT l.lead_id, nurture_unsubscribe_token(l.lead_id, 'email') FROM $a_lead",
	'nurture_may_contact(bigint,text,text,text,timestamp with time zone)' => "SELECT l.lead_id, nurture_may_contact(l.lead_id, 'email') FROM $a_lead",
	'nurture_explain_contact(bigint,text,text,text,timestamp with time zone)' =>
	  "SELECT l.lead_id, c.* FROM $a_lead, nurture_explain_contact(l.lead_id, 'email') c",
	'nurture_asset_recipients(text,integer,timestamp with time zone)' =>
	  "SELECT * FROM nurture_asset_recipients('moa_overview', 1, nurture_now() - interval '9 days')",
	'nurture_next_asset(bigint,text,text,timestamp with time zone)' => "SELECT l.lead_id, nurture_next_asset(l.lead_id, 'email') FROM $a_lead",
	'nurture_candidates(bigint,integer,text,text,timestamp with time zone,integer)' =>
	  "SELECT l.lead_id, c.* FROM $a_lead, nurture_candidates(l.lead_id, 3, 'email') c",
	'nurture_sendable_assets(timestamp with time zone)' => 'SELECT * FROM nurture_sendable_assets(nurture_now())',
	'nurture_lint()' => 'SELECT * FROM nurture_lint()',
	'nurture_selection_value(text,integer,text,interval,double precision,timestamp with time zone,double precision)' =>
	  "SELECT v.* FROM nurture_selection_value('page_viewed', within => '1 hour') v",
	'nurture_qualify(bigint,text)' => "SELECT l.lead_id, nurture_qualify(l.lead_id) FROM $a_lead",
	'nurture_triage(date)' => 'SELECT * FROM nurture_triage()',
	'nurture_working_due(text,timestamp with time zone,interval)' =>
	  "SELECT team, nurture_working_due(calendar, nurture_now(), interval '9 hours') FROM nurture.team",
	'nurture_working_time(text,timestamp with time zone,timestamp with time zone)' =>
	  "SELECT team, nurture_working_time(calendar, nurture_now() - interval '9 days', nurture_now()) FROM nurture.team",
	'nurture_audit_digest()' => 'SELECT nurture_audit_digest()',
	'nurture_audit_inputs(text)' => 'SELECT a.audit_id, nurture_audit_inputs(a.inputs) FROM nurture.audit a',
	'nurture_audit_proof(bigint)' => 'SELECT a.audit_id, p.* FROM (SELECT min(audit_id) AS audit_id FROM nurture.audit) a, nurture_audit_proof(a.audit_id) p',
	'nurture_audit_consistency(bigint,bigint)' => 'SELECT * FROM nurture_audit_consistency(10, 20)',
	'nurture_why(bigint,bigint)' => 'SELECT m.lead_id, w.* FROM (SELECT lead_id, message_id FROM nurture.message WHERE lead_id < 10) m, nurture_why(m.lead_id, m.message_id) w',
	'nurture_decisions(bigint,timestamp with time zone,timestamp with time zone)' => "SELECT l.lead_id, d.* FROM $a_lead, nurture_decisions(l.lead_id) d",

	# views and aggregates, which have no signature among these
	'view lead_score' => 'SELECT * FROM nurture_bi.lead_score',
	'view score_history' => 'SELECT * FROM nurture_bi.score_history',
	'view score_change' => 'SELECT * FROM nurture_bi.score_change',
	'view experiment' => 'SELECT * FROM nurture_bi.experiment',
	'view content_performance' => 'SELECT * FROM nurture_bi.content_performance',
	'view lead_overview' => 'SELECT * FROM nurture_bi.lead_overview WHERE lead_id < 60',
	'aggregates' => "SELECT nurture_tally_sum(signals), (SELECT nurture_tally_agg(1, occurred_at) FROM nurture.event WHERE event_type = 'page_viewed') FROM nurture.activity",
	'unnest' => 'SELECT lead_id, u.* FROM nurture.activity, nurture_tally_unnest(signals) u');
my (%safe, %plain);
foreach (split(/\n/, $primary->safe_psql('crm', <<'SQL')))
SELECT p.oid::regprocedure, p.proparallel,
       CASE WHEN p.pronargs = p.pronargdefaults THEN format('SELECT * FROM %s() f', p.proname)
            WHEN p.pronargs = p.pronargdefaults + 1 AND p.proargnames[1] = 'lead_id' THEN format('SELECT l.lead_id, f.* FROM LEADS, %s(l.lead_id) f', p.proname)
            WHEN p.pronargs = p.pronargdefaults + 1 AND p.proargnames[1] = 'account_id' THEN format('SELECT a.account_id, f.* FROM ACCOUNTS, %s(a.account_id) f', p.proname) END
FROM pg_proc p JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid AND e.extname = 'nurture'
WHERE p.provolatile = 's' AND p.prokind = 'f' AND p.prorettype <> 'internal'::regtype AND 'internal'::regtype <> ALL (p.proargtypes)
  -- called by views and by the planner only
  AND p.proname <> 'nurture_score_part'
SQL
{
	my ($signature, $parallel, $query) = split(/\|/, $_, 3);

	$safe{$signature} = $parallel;
	next if $reads{$signature} || $query eq '';
	# called in the plainest way
	$reads{$signature} = $query =~ s/LEADS/$a_lead/r =~ s/ACCOUNTS/$an_account/r;
	$plain{$signature} = 1;
}
is(join(', ', grep { !$reads{$_} } sort keys %safe), '', 'every function that only reads is among the queries');
is(join(', ', grep { /\(/ && !$safe{$_} } sort keys %reads), '', 'and every query is of one');

my $serial = "SET nurture.clock = '$clock'; SET timezone = 'UTC'; SET max_parallel_workers_per_gather = 0;";
my $parallel = <<SQL;
SET nurture.clock = '$clock'; SET timezone = 'UTC';
SELECT set_config(name, 'on', false) FROM pg_settings WHERE name IN ('force_parallel_mode', 'debug_parallel_query') \\g /dev/null
SET max_parallel_workers_per_gather = 2; SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0; SET min_parallel_index_scan_size = 0; SET parallel_leader_participation = off;
SQL
my ($workers, %poor) = (0);
foreach my $read (sort keys %reads)
{
	my $query = "SELECT r::text FROM ($reads{$read}) r ORDER BY r::text COLLATE \"C\"";
	my $result = $primary->safe_psql('crm', "$serial $query");
	my $safe = ($safe{$read} // 's') eq 's';

	# nothing has been sent, so an asset has no recipients
	$poor{$read} = $result unless $plain{$read} || $read =~ /^nurture_asset_recipients/ || $result =~ /[^,()\n0-9]|,\d/;
	is($standby->safe_psql('crm', "$serial $query"), $result, "$read: the same on the standby");
	is($primary->safe_psql('crm', "$parallel $query"), $result, "$read: the same with workers") if $safe;
	is($standby->safe_psql('crm', "$parallel $query"), $result, "$read: and with workers on the standby") if $safe;
	$workers++ if $safe && $primary->safe_psql('crm', "$parallel EXPLAIN (COSTS OFF) $query") =~ /Gather/;
}
is(join("\n", map { "$_: $poor{$_}" } sort keys %poor), '', 'each query gives something');
is($workers, scalar(grep { ($safe{$_} // 's') eq 's' } keys %reads), 'workers ran all that is safe');

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
