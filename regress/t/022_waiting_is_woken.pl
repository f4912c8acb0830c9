# CALL pocket.wait(): woken by a commit, not by a rollback; holds no snapshot; listeners are notified by the coordinator.
use strict;
use warnings;
use PocketTest;
use Test::More;
use Time::HiRes qw(time sleep);

my $cell = PocketTest->new('wait', drives => 1, preload => 1, conf => "pocket.coordinator_interval = '60s'\nmax_prepared_transactions = 4");
my $ns = $cell->sql("SELECT pocket.create_namespace('app')");
$cell->sql("SELECT pocket.create_namespace('other')");
my $server = $cell->{server};

# Waits in the background; returns a function that gives the answer and the seconds that it took.
sub waiter
{
    my ($timeout, $cell) = ($_[0], $_[1] // $cell);
    my $server = $cell->{server};
    my $cursor = $cell->sql("SELECT pocket.latest_cursor('app')");
    my $began  = time;
    my ($in, $out, $err) = ("CALL pocket.wait('$cursor', '$timeout');", '', '');
    my $run = IPC::Run::start([ 'psql', '-XAtq', '-d', $server->connstr('postgres'), '-c', $in ], '<', \undef, '>', \$out, '2>', \$err);
    $server->poll_query_until('postgres', "SELECT count(*) > 0 FROM pg_stat_activity WHERE query LIKE 'CALL%' AND state = 'active'");
    return sub { $run->finish; chomp $out; return ($out . $err, time - $began); };
}

my $wait = waiter('60s');
is($cell->sql("SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'CALL%' AND (backend_xmin IS NOT NULL OR backend_xid IS NOT NULL)"), '0', 'a waiter holds nothing');
$cell->sql("SELECT pocket.put('other:/a', 'x')");
$cell->sql("BEGIN; SELECT pocket.put('app:/a', 'x'); ROLLBACK");
is($cell->sql("SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'CALL%'"), '1', 'neither another namespace nor a rollback ends it');
my $began = time;
$cell->sql("SELECT pocket.put('app:/a', 'x')");
my ($answer) = $wait->();
is($answer, 't', 'a commit does');
cmp_ok(time - $began, '<', 3, 'at once, and not by looking every ten seconds');

# What is mounted in the tree that is followed is followed too.
$cell->sql("SELECT pocket.mount('other', 'app:/mounted')");
$wait = waiter('60s');
$began = time;
$cell->sql("SELECT pocket.put('other:/b', 'x')");
($answer) = $wait->();
is($answer, 't', 'a commit in a namespace that is mounted ends it');
cmp_ok(time - $began, '<', 3, 'at once');
$wait = waiter('60s');
$cell->sql("SELECT pocket.unmount('app:/mounted')");
($answer) = $wait->();
is($answer, 't', 'so does its end');

my ($seconds);
($answer, $seconds) = waiter('1s')->();
is($answer, 'f', 'the time-out ends it');
cmp_ok($seconds, '<', 5, 'in time');
is($cell->sql("CALL pocket.wait(pocket.first_cursor('app'))"), 't', 'where there is something already it does not wait');

# What is committed by somebody else is found by looking.
$wait = waiter('60s');
$cell->sql("BEGIN; SELECT pocket.put('app:/prepared', 'x'); PREPARE TRANSACTION 'p'");
$cell->sql("COMMIT PREPARED 'p'");
($answer) = $wait->();
is($answer, 't', 'a prepared transaction that is committed is found too');

# A waiter that is cancelled leaves its place.
$wait = waiter('60s');
$cell->sql("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE query LIKE 'CALL%'");
($answer) = $wait->();
like($answer, qr/canceling statement/, 'it can be cancelled');

$cell->fails("BEGIN; CALL pocket.wait(pocket.latest_cursor('app')); COMMIT", '2D000', qr/transaction block/, 'not inside a transaction block');
$cell->fails("CALL pocket.wait(pocket.latest_cursor('app'), '-1s')", '22023', qr/timeout/, 'no negative time');
$cell->fails("CALL pocket.wait(NULL)", '22004', qr/cursor/, 'no cursor');
is($cell->sql("DO \$\$ DECLARE c boolean; BEGIN CALL pocket.wait(pocket.first_cursor('app'), '1s', c); RAISE NOTICE '%', c; END \$\$; SELECT 1"), '1', 'in a DO block it can');

# Listeners.
my ($in, $out, $err) = ('', '', '');
my $psql = IPC::Run::start([ 'psql', '-XAtq', '-d', $server->connstr('postgres') ], '<', \$in, '>', \$out, '2>', \$err);
$in .= "LISTEN pocket_$ns;\nSELECT 'listening';\n";
$psql->pump until $out =~ /listening/;
$cell->sql("SELECT pocket.put('app:/heard', 'x'); SELECT pocket.put('app:/heard', 'y')");
for (1 .. 100) { $in .= "SELECT 1;\n"; $psql->pump_nb; last if $out =~ /notification "pocket_$ns"/; sleep 0.05; }
like($out, qr/notification "pocket_$ns"/, 'the coordinator notifies listeners long before its next round');
$in .= "\\q\n";
$psql->finish;

# Where the library is not preloaded nobody wakes anybody.
my $plain = PocketTest->new('plain', drives => 1);
$plain->sql("SELECT pocket.create_namespace('app')");
$wait = waiter('60s', $plain);
$plain->sql("SELECT pocket.put('app:/a', 'x')");
($answer, $seconds) = $wait->();
is($answer, 't', 'without the library preloaded a waiter finds out by looking');
cmp_ok($seconds, '<', 10, 'twice in a second');
done_testing();
