# Three nodes on a bad network, under load: requests are delayed, lost, answered without anybody hearing it, sent twice and again much
# later, and one node after the other is cut off, is stopped or killed. In the end what was acknowledged reads back, and nothing is wrong.
#
#   POCKET_NET_ROUNDS=200 POCKET_NET_SEED=7      more rounds, and those of a run that failed (its seed is told)
use strict;
use warnings;
use PocketLoad;
use PocketProxy;
use PocketTest;
use Test::More;
use Time::HiRes qw(sleep time);

my $rounds = $ENV{POCKET_NET_ROUNDS} // 16;
my $seed   = $ENV{POCKET_NET_SEED} // time ^ $$;
$PocketTest::POCKETD = $ENV{POCKETD_RELEASE} if $ENV{POCKETD_RELEASE};

my @nodes = qw(n1 n2 n3);
my $cell = PocketTest->new('network', bare => 1, preload => 1, conf => <<'CONF');
pocket.bucket_size = '2MB'
pocket.bucket_idle = '700ms'
pocket.open_buckets = 4
pocket.code = 'rs(2,1)'
pocket.replicas = 2
pocket.client_timeout = '3s'
pocket.drive_timeout = '1h'
pocket.coordinator_interval = '100ms'
CONF
$cell->sql('CREATE EXTENSION pocket');
my %proxy;
for my $node (@nodes)
{
    $cell->add_sidecar($node, 2);
    $proxy{$node} = PocketProxy->new($cell, $node, seed => $seed);
    $cell->sql("SET client_min_messages = error; SELECT pocket.add_node('" . $proxy{$node}->url . "')");
}
ok($cell->{server}->poll_query_until('postgres', "SELECT count(*) = 3 FROM pocket.nodes WHERE state = 'up'"), 'three nodes are up');
my $load = PocketLoad->new($cell, seed => $seed);
srand($seed);
$load->start(3);
sleep 1;

# Whoever is not meant has a network that is merely bad.
my %did = map { $_ => 0 } qw(bad cut stopped killed);
my $began = time;
for my $round (1 .. $rounds)
{
    my ($node, $what) = ($nodes[ rand @nodes ], (qw(bad bad cut stopped killed))[ rand 5 ]);
    $proxy{$_}->set(lose => 0.02, unanswered => 0.02, delay => 0.1, twice => 0.1, late => 0.1) for @nodes;
    $did{$what}++;
    $proxy{$node}->set(lose => 0.1, unanswered => 0.15, delay => 0.4, twice => 0.3, late => 0.3) if $what eq 'bad';
    $proxy{$node}->set(cut => 1) if $what eq 'cut';
    $cell->freeze($node) if $what eq 'stopped';
    $cell->kill_sidecar('KILL', $node) if $what eq 'killed';
    sleep 0.3 + rand 1.2;
    $cell->thaw($node) if $what eq 'stopped';
    $cell->start_sidecar($node) if $what eq 'killed';
    $proxy{$_}->set for @nodes;
    sleep rand 0.4;
}
my $took = time - $began;
my $acknowledged = $load->stop;
my %counts;
for my $node (@nodes)
{
    my %of = $proxy{$node}->counts;
    $counts{$_} += $of{$_} for keys %of;
}
note sprintf 'told: %d rounds in %.0f s (%s), of requests %s, %d changes acknowledged, seed %s', $rounds, $took, join(', ', map { "$_ $did{$_}" } sort keys %did),
    join(', ', map { "$_ $counts{$_}" } sort keys %counts), $acknowledged, $seed;
cmp_ok($acknowledged, '>', $rounds, 'the writers got on with it');
cmp_ok($counts{$_} // 0, '>', 0, "some requests were $_") for qw(lose unanswered delay twice late passed);
ok($cell->{server}->poll_query_until('postgres', "SELECT count(*) = 3 FROM pocket.nodes WHERE state = 'up'"), 'three nodes are up again');
$load->reckon('by a bad network');
is($cell->kill_sidecar('TERM', $_), 0, "pocketd $_ stops cleanly") for @nodes;
my ($out, $err) = ('', '');
IPC::Run::run([ $PocketTest::POCKETD, 'check', map { ('--drive', $_) } map { $cell->drives($_) } @nodes ], '>', \$out, '2>', \$err);
is($?, 0, "pocketd check finds nothing wrong (seed $seed)") or diag($out . $err);
$proxy{$_}->stop for @nodes;
done_testing();
