# Everything is killed (-9) at random moments under load: pocketd, the coordinator, backends in their commits, the postmaster. Buckets are
# small, so that they are sealed, coded and repaired meanwhile, and a drive rots. What was acknowledged is written down outside all of
# them; in the end it reads back to the last hash, nothing else is there, and nothing is wrong.
#
#   POCKET_KILL_ROUNDS=1000 POCKET_KILL_SEED=7      more rounds, and those of a run that failed (its seed is told)
use strict;
use warnings;
use Digest::SHA qw(sha256_hex sha512);
use IO::Handle;
use IPC::Open2;
use PocketTest;
use POSIX ();
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

my $rounds  = $ENV{POCKET_KILL_ROUNDS} // 100;
my $seed    = $ENV{POCKET_KILL_SEED} // time ^ $$;
my $writers = 3;
my $paths   = 60;                               # of each writer
$PocketTest::POCKETD = $ENV{POCKETD_RELEASE} if $ENV{POCKETD_RELEASE};    # starts a hundred times

# --- bytes that both sides can make ---
sub content
{
    my ($name, $size) = @_;
    my $text = '';
    for (my $i = 1; length $text < $size; $i++) { $text .= sha512("$name/$i"); }
    return substr $text, 0, $size;
}
my $generate = <<'SQL';
CREATE FUNCTION content(name text, size int) RETURNS bytea LANGUAGE sql IMMUTABLE AS
$$ SELECT substr(coalesce(string_agg(sha512(convert_to(name || '/' || i, 'UTF8')), ''::bytea ORDER BY i), ''), 1, size) FROM generate_series(1, (size + 63) / 64) i $$
SQL

# --- the log of a writer: "N try PATH NAME SIZE" or "N try PATH -" for a removal, then "N ok" or "N no"; no answer: nobody knows ---
sub size_for_test
{
    my $r = rand;
    return $r < 0.15 ? int rand 2100 : $r < 0.7 ? 3000 + int rand 60_000 : $r < 0.97 ? int rand 300_000 : 1_000_000 + int rand 1_000_000;
}

# A transaction of one to four changes; each path at most once.
sub make_transaction
{
    my ($writer, $n) = @_;
    my (@changes, %used);
    for my $i (1 .. (rand() < 0.6 ? 1 : 2 + int rand 3))
    {
        my $path = 'docs:/w' . $writer . '/' . int rand $paths;
        next if $used{$path}++;
        push @changes, rand() < 0.12 ? [ $path, undef, 0 ] : [ $path, "$writer-$n-$i", size_for_test() ];
    }
    return @changes;
}

sub statement
{
    my ($change) = @_;
    my ($path, $name, $size) = @$change;
    return "SELECT count(*) FROM pocket.put('$path', content('$name', $size));" if defined $name;
    return "SELECT count(pocket.rm(path)) FROM pocket.ls(substr('$path', 1, 8)) WHERE path = '$path';";
}

# Writes until it is told to end. Sessions die under its hands.
sub writer
{
    my ($cell, $writer) = @_;
    my $connection = $cell->{server}->connstr('postgres');
    srand($seed * 31 + $writer);
    open my $log, '>>', "$cell->{dir}/acknowledged.$writer" or POSIX::_exit(1);
    $log->autoflush(1);
    $SIG{PIPE} = 'IGNORE';
    open STDOUT, '>>', "$cell->{dir}/writer.$writer.log" or POSIX::_exit(1);
    open STDERR, '>&', \*STDOUT or POSIX::_exit(1);
    my ($n, $parent) = (0, getppid);
    my $enough = sub { return -e "$cell->{dir}/enough" || getppid != $parent };
    until ($enough->())
    {
        my $psql = open2(my $from, my $to, 'psql', '-XAtq', '-d', $connection);
        $to->autoflush(1);
        until ($enough->())
        {
            my @changes = make_transaction($writer, ++$n);
            print {$log} join(' ', $n, 'try', map { (defined $_ ? $_ : '-') } @$_), "\n" for @changes;
            my $one = @changes == 1;
            my $ends = $one || rand() < 0.9 ? 'COMMIT' : 'ROLLBACK';
            print {$to} ($one ? '' : "BEGIN;\n\\echo begun :SQLSTATE\n"), map({ statement($_) . "\n\\echo did :SQLSTATE\n" } @changes),
                ($one ? '' : "$ends;\n"), "\\echo end :SQLSTATE\n";
            my ($bad, $ended) = (0, 0);
            while (defined(my $line = <$from>))
            {
                $bad = 1 if $line =~ /^(?:did|begun|end) (\S+)/ && $1 ne '00000';
                if ($line =~ /^end /) { $ended = 1; last; }
            }
            last unless $ended;    # the session has died: nobody knows
            $bad = 1 if !$one && $ends eq 'ROLLBACK';
            print {$log} "$n ", ($bad ? 'no' : 'ok'), "\n";
            sleep 0.05 if $bad;
        }
        close $to;
        close $from;
        waitpid $psql, 0;
        sleep 0.03;
    }
    POSIX::_exit(0);
}

# --- what may be at each path in the end: [name, size], or [undef] for nothing ---
sub read_log
{
    my ($file, $may) = @_;
    my (%tried, $acknowledged);
    open my $in, '<', $file or die "$file: $!";
    while (my $line = <$in>)
    {
        my ($n, $what, $path, $name, $size) = split ' ', $line;
        if ($what eq 'try')
        {
            push @{ $tried{$n} }, [ $path, $name eq '-' ? undef : $name, $size ];
            push @{ $may->{$path} //= [ [undef] ] }, [ $name eq '-' ? undef : $name, $size, $n ];
            next;
        }
        for my $change (@{ $tried{$n} })
        {
            my ($done, $was) = ($change->[0], $may->{ $change->[0] });
            $may->{$done} = $what eq 'ok' ? [ [ @$change[ 1, 2 ] ] ] : [ grep { !defined $_->[2] || $_->[2] != $n } @$was ];
            $acknowledged++ if $what eq 'ok';
        }
    }
    return $acknowledged // 0;
}

my $cell = PocketTest->new('kills', drives => 5, preload => 1, conf => <<'CONF');
pocket.bucket_size = '2MB'
pocket.bucket_idle = '700ms'
pocket.open_buckets = 4
pocket.code = 'rs(2,1)'
pocket.replicas = 2
pocket.client_timeout = '60s'
pocket.coordinator_interval = '100ms'
restart_after_crash = on
CONF
my $server = $cell->{server};
$cell->sql("$generate; SELECT pocket.create_namespace('docs')");
$cell->sql("SELECT pocket.mkdir('docs:/w$_')") for 1 .. $writers;
is($cell->sql("SELECT encode(sha256(content('x-1', 1000)), 'hex')"), sha256_hex(content('x-1', 1000)), 'both sides make the same bytes');

my @writers;
for my $writer (1 .. $writers)
{
    my $pid = fork // die "fork: $!";
    writer($cell, $writer) if !$pid;
    push @writers, $pid;
}
srand($seed);

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
    my ($drive) = $cell->drives;
    my @files = grep { -s $_ > 30_000 } glob "$drive/extents/*/*";
    return 0 unless @files;
    my $file = $files[ rand @files ];
    if (rand() < 0.3) { unlink $file or die "$file: $!"; }
    else              { $cell->flip_byte($file, 16384 + int rand((-s $file) - 17000)) for 1 .. 4; }
    return 1;
}

my %killed = map { $_ => 0 } qw(pocketd coordinator backend commit postmaster);
my ($rotten, $slowest) = (0, 0);
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
        $cell->kill_sidecar('KILL');
        $rotten += let_drive_rot() if rand() < 0.3;
        $cell->start_sidecar;
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

my $began = time;
for my $round (1 .. $rounds)
{
    sleep 0.05 + rand 0.5;
    kill_something();
}
my $took = time - $began;
open my $enough, '>', "$cell->{dir}/enough" or die;
close $enough;
waitpid $_, 0 for @writers;

# --- the reckoning ---
my (%may, $acknowledged);
$acknowledged += read_log("$cell->{dir}/acknowledged.$_", \%may) for 1 .. $writers;
note sprintf "told: %d kills in %.0f s (%s), rot %d times, %d changes acknowledged, seed %s", $rounds, $took,
    join(', ', map { "$_ $killed{$_}" } sort keys %killed), $rotten, $acknowledged, $seed;
cmp_ok($acknowledged, '>', $rounds, 'the writers got on with it');
cmp_ok($slowest, '<', 30, 'no session outlives its postmaster, whatever it waits for');
cmp_ok($killed{commit} + $killed{backend}, '>', 0, 'backends were killed') if $rounds >= 50;

ok($cell->coordinate, 'the duties come to an end');
$cell->sql('SELECT pocket.scrub()');
$cell->sql('SELECT pocket.repair()');
ok($cell->coordinate, 'what rotted is repaired');
cmp_ok($cell->sql("SELECT count(*) FROM pocket.volumes WHERE state = 'coded'"), '>', 0, 'some of it was coded');

my %is = map { split /\|/ } split /\n/, $cell->sql("SELECT path, encode(sha256(pocket.get(path)), 'hex') FROM pocket.ls('docs:/', true) WHERE kind = 'file'");
my @wrong;
for my $path (sort keys %may)
{
    my $got = delete $is{$path};
    next if grep { defined $_->[0] ? defined $got && $got eq sha256_hex(content(@$_[ 0, 1 ])) : !defined $got } @{ $may{$path} };
    push @wrong, "$path is " . ($got // 'not there') . ', and may be ' . join ' or ', map { defined $_->[0] ? "$_->[0] of $_->[1] bytes" : 'not there' } @{ $may{$path} };
}
is(join("\n", @wrong), '', "what was acknowledged is there (seed $seed)");
is(join(' ', sort keys %is), '', 'and nothing else');
is($cell->sql('SELECT string_agg(v::text, E\'\n\') FROM pocket.verify() v'), '', "verify() has nothing to say (seed $seed)");
is($cell->kill_sidecar('TERM'), 0, 'pocketd stops cleanly');
my ($out, $err) = ('', '');
IPC::Run::run([ $PocketTest::POCKETD, 'check', map { ('--drive', $_) } $cell->drives ], '>', \$out, '2>', \$err);
is($?, 0, "pocketd check finds nothing wrong (seed $seed)") or diag($out . $err);
done_testing();
