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
my ($in, $out, $err, $told, $settled) = ('', '', '', '', 0);
my $psql = IPC::Run::start([ 'psql', '-XAtq', '-d', $server->connstr('postgres') ], '<', \$in, '>', \$out, '2>', \$err);

sub listen_to
{
    my ($id) = @_;
    $in .= "LISTEN pocket_$id;\nSELECT 'listening to $id';\n";
    $psql->pump until $out =~ /listening to $id\n/;
    return;
}

# Whether the notification has come after this, within a minute.
sub hears
{
    my ($id) = @_;
    for (1 .. 600) { $in .= "SELECT 1;\n"; $psql->pump_nb; last if $out =~ /notification "pocket_$id"/; sleep 0.1; }
    $told = $out;
    $out = '';
    return $told =~ /notification "pocket_$id"/;
}

# All that was committed before has been told.
sub settle
{
    my $name = 'settle' . ++$settled;
    my $id   = $cell->sql("SELECT pocket.create_namespace('$name')");
    listen_to($id);
    $cell->sql("SELECT pocket.put('$name:/f', 'x')");
    hears($id) or die 'the coordinator tells nothing';
    return;
}

listen_to($ns);
settle();
$began = time;
$cell->sql("SELECT pocket.put('app:/heard', 'x'); SELECT pocket.put('app:/heard', 'y')");
ok(hears($ns), 'the coordinator notifies listeners');
cmp_ok(time - $began, '<', 30, 'long before its next round');

# More namespaces in one transaction than it can name, which took longer than anybody remembers.
$cell->sql("SELECT count(pocket.create_namespace('n' || i)) FROM generate_series(1, 70) i");
my $late = $cell->sql("SELECT ns_id FROM pocket.namespaces WHERE name = 'n70'");
listen_to($late);
sub many { my ($content) = @_; return "SELECT count(pocket.put('n' || i || ':/f', '$content')) FROM generate_series(1, 70) i; UPDATE pocket_data.namespace_head SET at = at - interval '1 hour'" }
settle();
$cell->sql('BEGIN; ' . many('one') . '; COMMIT');
ok(hears($late), 'whoever has changed very many namespaces is heard, too');

# What is prepared is told after the commit, one round later; until then not.  The interval is that of now.
sub coordinator { return $cell->sql("SELECT pid FROM pg_stat_activity WHERE backend_type = 'pocket coordinator'") }
my $other = $cell->sql("SELECT ns_id FROM pocket.namespaces WHERE name = 'other'");
listen_to($other);
$cell->sql("BEGIN; SELECT pocket.put('app:/two', 'x'); SET TRANSACTION READ ONLY; PREPARE TRANSACTION 'two'");
$cell->sql("BEGIN; SELECT pocket.put('other:/never', 'x'); PREPARE TRANSACTION 'never'; ROLLBACK PREPARED 'never'");
settle();
$cell->sql("ALTER SYSTEM SET pocket.coordinator_interval = '100ms'; SELECT pg_reload_conf()");
$cell->sql("COMMIT PREPARED 'two'");
ok(hears($ns), 'a prepared transaction that is committed is told, a round later');
unlike($told, qr/pocket_$other"/, 'one that is rolled back is not');
is($cell->sql("SELECT count(*) FROM pocket_data.untold"), '0', 'and nothing is left of it');
settle();
$cell->sql('BEGIN; ' . many('two') . "; PREPARE TRANSACTION 'many'; COMMIT PREPARED 'many'");
ok(hears($late), 'however many namespaces it has changed');
$wait = waiter('60s');
$began = time;
$cell->sql("BEGIN; SELECT pocket.put('app:/woken', 'x'); PREPARE TRANSACTION 'woken'");
$cell->sql("COMMIT PREPARED 'woken'");
($answer) = $wait->();
is($answer, 't', 'a waiter is woken by it');
cmp_ok(time - $began, '<', 8, 'before it would have looked');

# Nothing is lost while there is no coordinator.
my $pid = coordinator();
$cell->sql("BEGIN; SELECT pocket.put('app:/three', 'x'); PREPARE TRANSACTION 'three'");
settle();
$cell->sql("SELECT pg_terminate_backend($pid, 10000)");
$cell->sql("COMMIT PREPARED 'three'");
$cell->sql("SELECT pocket.put('other:/meanwhile', 'x')");
is(coordinator(), '', 'there is none');
my %heard;
for (1 .. 600) { $in .= "SELECT 1;\n"; $psql->pump_nb; $heard{$1} = 1 while $out =~ /notification "pocket_(\d+)"/g; last if $heard{$ns} && $heard{$other}; sleep 0.1; }
ok($heard{$ns} && $heard{$other}, 'the next one tells what was prepared, and what was committed meanwhile');
isnt(coordinator(), '', 'and is there');
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
