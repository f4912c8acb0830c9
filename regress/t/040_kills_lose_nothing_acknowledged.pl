# Everything is killed (-9) at random moments under load: pocketd, the coordinator, backends in their commits, the postmaster; first with one
# node, then with three. Buckets are small, so that they are sealed, coded and repaired meanwhile, and a drive rots. What was
# acknowledged is written down outside all of them; in the end it reads back to the last hash, nothing else is there, and nothing is wrong.
#
#   POCKET_KILL_ROUNDS=1000 POCKET_KILL_SEED=7      more rounds, and those of a run that failed (its seed is told)
#   POCKET_KILL_NODES=3                             with three nodes only
use strict;
use warnings;
use PocketLoad;
use PocketTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

my $rounds = $ENV{POCKET_KILL_ROUNDS} // 100;
my $seed   = $ENV{POCKET_KILL_SEED} // time ^ $$;
$PocketTest::POCKETD = $ENV{POCKETD_RELEASE} if $ENV{POCKETD_RELEASE};    # starts a hundred times

my ($cell, $server, @nodes);
my (%killed, $rotten, $slowest);

# One answer, or nothing when there is no server to ask just now.
sub ask
{
    my ($sql) = @_;
    my ($out, $err) = ('', '');
    my $well = IPC::Run::run([ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', $server->connstr('postgres'), map { ('-c', $_) } split /;\n/, $sql ],
        '<', \undef, '>', \$out, '2>', \$err);
    chomp $out;
    return $well ? $out : '';
}

sub wait_for_server
{
    for (1 .. 1500) { return 1 if ask('SELECT 1') eq '1'; sleep 0.02; }
    die 'the server does not come back: ' . $server->logfile;
}

# Within what one parity, and one replica, bear: always the same drive. Nothing is written to it meanwhile.
sub let_drive_rot
{
    my ($drive) = $cell->drives($nodes[0]);
    my @files = grep { -s $_ > 30_000 } glob "$drive/extents/*/*";
    return 0 unless @files;
    my $file = $files[ rand @files ];
    if (rand() < 0.3) { unlink $file or die "$file: $!"; }
    else              { $cell->flip_byte($file, 16384 + int rand((-s $file) - 17000)) for 1 .. 4; }
    return 1;
}

sub kill_process
{
    my ($what, $sql) = @_;
    my $pid = ask($sql);
    return unless $pid =~ /^\d+$/;
    kill 'KILL', $pid or return;
    $killed{$what}++;
    wait_for_server();
    return;
}

sub kill_postmaster
{
    my $pid = (split /\n/, slurp_file($server->data_dir . '/postmaster.pid'))[0];
    $server->kill9;
    $killed{postmaster}++;
    # it is waited for, and so are its children: they still have its memory
    my $killed = time;
    for (1 .. 1200)
    {
        sleep 0.05;
        next if kill 0, $pid;
        last if system_log('pg_ctl', '-w', '-D', $server->data_dir, '-l', $server->logfile, 'start') == 0;
    }
    $slowest = time - $killed if time - $killed > $slowest;
    $server->_update_pid(1);
    return wait_for_server();
}

sub kill_something
{
    my $r = rand;
    if ($r < 0.45)
    {
        my $node = $nodes[ rand @nodes ];
        $cell->kill_sidecar('KILL', $node);
        $rotten += let_drive_rot() if $node eq $nodes[0] && rand() < 0.4;
        sleep rand 0.3 if rand() < 0.3;
        $cell->start_sidecar($node);
        $killed{pocketd}++;
    }
    elsif ($r < 0.6)
    {
        kill_process('coordinator', "SELECT pid FROM pg_stat_activity WHERE backend_type = 'pocket coordinator'");
    }
    elsif ($r < 0.85)
    {
        # whoever commits at this moment; else, after a while, whoever works
        my $found = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() AND state = 'active'";
        my $commits = ask("DO \$\$ BEGIN FOR i IN 1 .. 2000 LOOP PERFORM pg_stat_clear_snapshot(); IF EXISTS ($found AND query LIKE 'COMMIT%') THEN RETURN; END IF; END LOOP; END \$\$;\n"
            . "$found ORDER BY query LIKE 'COMMIT%' DESC LIMIT 1");
        kill_process($commits ? 'commit' : 'backend', $commits ? "SELECT $commits" : "$found LIMIT 1");
    }
    else
    {
        kill_postmaster();
    }
    return;
}

# So many kills in a cell of so many nodes with so many drives each.
sub live
{
    my ($count, $drives, $kills) = @_;
    @nodes = map { "n$_" } 1 .. $count;
    %killed = map { $_ => 0 } qw(pocketd coordinator backend commit postmaster);
    ($rotten, $slowest) = (0, 0);
    $cell = PocketTest->new("kills$count", drives => $drives, nodes => [@nodes], preload => 1, conf => <<'CONF');
pocket.bucket_size = '2MB'
pocket.bucket_idle = '700ms'
pocket.open_buckets = 4
pocket.code = 'rs(2,1)'
pocket.replicas = 2
pocket.client_timeout = '60s'
pocket.coordinator_interval = '100ms'
restart_after_crash = on
CONF
    $server = $cell->{server};
    my $load = PocketLoad->new($cell, seed => $seed);
    srand($seed + $count);
    $load->start(3);
    my $began = time;
    for my $round (1 .. $kills)
    {
        sleep 0.05 + rand 0.5;
        kill_something();
    }
    my $took = time - $began;
    my $acknowledged = $load->stop;
    my $what = "by kills among $count " . ($count == 1 ? 'node' : 'nodes');
    note sprintf 'told: %d kills in %.0f s (%s), rot %d times, %d changes acknowledged, %d nodes, seed %s', $kills, $took,
        join(', ', map { "$_ $killed{$_}" } sort keys %killed), $rotten, $acknowledged, $count, $seed;
    cmp_ok($acknowledged, '>', $kills, "the writers got on with it $what");
    cmp_ok($slowest, '<', 30, "no session outlives its postmaster, whatever it waits for $what");
    cmp_ok($killed{commit} + $killed{backend}, '>', 0, 'backends were killed') if $kills >= 40;
    $load->reckon($what);
    is($cell->kill_sidecar('TERM', $_), 0, "pocketd $_ stops cleanly") for @nodes;
    my ($out, $err) = ('', '');
    IPC::Run::run([ $PocketTest::POCKETD, 'check', map { ('--drive', $_) } map { $cell->drives($_) } @nodes ], '>', \$out, '2>', \$err);
    is($?, 0, "pocketd check finds nothing wrong (seed $seed)") or diag($out . $err);
    $server->stop('immediate');
    return;
}

my %drives = (1 => 5, 3 => 2);
my @lives = split /,/, $ENV{POCKET_KILL_NODES} // '1,3';
live($_, $drives{$_}, int($rounds / @lives)) for @lives;
done_testing();
