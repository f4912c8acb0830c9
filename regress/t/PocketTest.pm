# A cell for a test: a PostgreSQL server and one or more sidecars of its own, on Unix sockets, in directories of its own.
#
#   my $cell = PocketTest->new('name', drives => 9, conf => "pocket.bucket_size = '4MB'");
#   $cell->sql('SELECT ...');  $cell->fails('SELECT ...', '42704', qr/.../, 'test name');
#   $cell->kill_sidecar('KILL'); $cell->start_sidecar;
package PocketTest;

use strict;
use warnings;
use Cwd qw(abs_path);
use Digest::SHA qw(sha256_hex);
use File::Path qw(make_path remove_tree);
use File::Temp qw(tempdir);
use IPC::Run ();
use POSIX qw(:sys_wait_h);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

our $POCKETD = $ENV{POCKETD} // 'pocketd';
our $POCKET  = $ENV{POCKET}  // 'pocket';
my @running;    # every sidecar that is up, to be ended whatever happens

# drives: how many (default 9); nodes: a list of names, for as many sidecars with so many drives each (default: one, 'one'), every
# other one reached by TCP; zones: their zones, by name; preload: 1 = with the background worker; conf: more lines of postgresql.conf;
# bare: 1 = no extension, no node.
sub new
{
    my ($class, $name, %options) = @_;
    my $self = bless { name => $name, drive_count => $options{drives} // 9, sidecars => {} }, $class;
    $self->{dir} = tempdir("pocket-$name-XXXX", DIR => $ENV{TESTDIR} // '/tmp', CLEANUP => 1);
    $self->{keys} = "$self->{dir}/keys";
    $self->keygen($self->{keys});

    my $server = PostgreSQL::Test::Cluster->new($name);
    $server->init(extra => [ '--locale=C.UTF-8', '-E', 'UTF8' ], allows_streaming => $options{streaming} // 0);
    $server->append_conf('postgresql.conf', "pocket.key_file = '$self->{keys}'\n");
    $server->append_conf('postgresql.conf', "shared_preload_libraries = 'pocket'\npocket.coordinator_interval = '200ms'\n")
        if $options{preload};
    $server->append_conf('postgresql.conf', "$options{conf}\n") if $options{conf};
    $server->start;
    $self->{server} = $server;
    return $self if $options{bare};

    $self->sql('CREATE EXTENSION pocket');
    my @nodes = @{ $options{nodes} // ['one'] };
    for my $i (0 .. $#nodes) { $self->add_sidecar($nodes[$i], $self->{drive_count}, tcp => $i % 2, peers => @nodes > 1); }
    for my $node (@nodes) { $self->add_node($node, $options{zones}{$node}); }
    return $self;
}

# Makes a sidecar, again or for the first time, a node of the cell.
sub add_node
{
    my ($self, $id, $zone) = @_;
    return $self->sql("SET client_min_messages = error; SELECT pocket.add_node('" . $self->url($id) . "', '" . ($zone // 'default') . "')");
}

sub keygen
{
    my ($self, $file) = @_;
    IPC::Run::run([ $POCKETD, 'keygen' ], '>', $file) or die 'pocketd keygen failed';
    chmod 0600, $file;
    return;
}

# Formats drives for a sidecar and starts it, on a Unix socket or, with tcp => 1, on a port of the loopback; with peers => 1 it does
# not wait long for other nodes.
sub add_sidecar
{
    my ($self, $id, $count, %options) = @_;
    my @drives = map { "$self->{dir}/$id-drive$_" } 1 .. $count;
    $self->init_drives(@drives);
    $self->{sidecars}{$id} = { drives => \@drives, socket => "$self->{dir}/$id.sock", log => "$self->{dir}/$id.log", peers => $options{peers} };
    $self->{sidecars}{$id}{port} = PostgreSQL::Test::Cluster::get_free_port() if $options{tcp};
    return $self->start_sidecar($id);
}

sub init_drives
{
    my ($self, @drives) = @_;
    my ($out, $err);
    IPC::Run::run([ $POCKETD, 'init', map { ('--drive', $_) } @drives ], '>', \$out, '2>', \$err) or die "pocketd init: $err";
    return;
}

# Where it listens, and what the cell calls it.
sub address
{
    my ($self, $id) = @_;
    my $sidecar = $self->{sidecars}{ $id // 'one' };
    return $sidecar->{port} ? "127.0.0.1:$sidecar->{port}" : "unix:$sidecar->{socket}";
}

sub url { my ($self, $id) = @_; my $address = $self->address($id); return $address =~ /^unix:/ ? $address : "http://$address"; }

sub drives { my ($self, $id) = @_; return @{ $self->{sidecars}{ $id // 'one' }{drives} }; }

sub set_drives { my ($self, $id, @drives) = @_; $self->{sidecars}{$id}{drives} = \@drives; return; }

# Starts and waits until it answers; dies with its log when it does not within 30 s. Returns the seconds that took.
sub start_sidecar
{
    my ($self, $id, @more) = @_;
    $id //= 'one';
    my $sidecar = $self->{sidecars}{$id};
    my $began   = time;
    my $pid     = fork // die "fork: $!";
    if (!$pid)
    {
        open STDIN, '<', '/dev/null';
        open STDOUT, '>>', $sidecar->{log} or POSIX::_exit(127);
        open STDERR, '>&', \*STDOUT;
        exec $POCKETD, 'run', '--listen', $self->address($id), '--keys', $self->{keys},
            ($sidecar->{peers} ? ('--peer-timeout', '2') : ()), (map { ('--drive', $_) } @{ $sidecar->{drives} }), @more
            or POSIX::_exit(127);
    }
    $sidecar->{pid} = $pid;
    push @running, $pid;
    my @where = $sidecar->{port} ? ($self->url($id) . '/healthz') : ('--unix-socket', $sidecar->{socket}, 'http://localhost/healthz');
    until (($sidecar->{port} || -S $sidecar->{socket}) && IPC::Run::run([ 'curl', '-s', '-o', '/dev/null', '--max-time', '5', @where ]))
    {
        die "pocketd '$id' ended:\n" . slurp_file($sidecar->{log}) if waitpid($pid, WNOHANG) == $pid;
        die "pocketd '$id' does not answer:\n" . slurp_file($sidecar->{log}) if time - $began > 30;
        sleep 0.02;
    }
    return time - $began;
}

# Sends the signal and waits for the end; returns the wait status.
sub kill_sidecar
{
    my ($self, $signal, $id) = @_;
    my $sidecar = $self->{sidecars}{ $id // 'one' };
    my $pid = delete $sidecar->{pid} // return;
    kill $signal, $pid;
    waitpid $pid, 0;
    my $status = $?;
    @running = grep { $_ != $pid } @running;
    return $status;
}

# Stops a sidecar without ending it, and lets it go on.
sub freeze { my ($self, $id) = @_; kill 'STOP', $self->{sidecars}{$id}{pid}; return; }
sub thaw { my ($self, $id) = @_; kill 'CONT', $self->{sidecars}{$id}{pid}; return; }

sub sidecar_log { my ($self, $id) = @_; return slurp_file($self->{sidecars}{ $id // 'one' }{log}); }

# The result of a statement that must succeed, unaligned.
sub sql { my ($self, $sql) = @_; return $self->{server}->safe_psql('postgres', $sql); }

# The SQLSTATE and the message of a statement that must fail.
sub error
{
    my ($self, $sql) = @_;
    my ($rc, $out, $err) = $self->{server}->psql('postgres', "\\set VERBOSITY verbose\n$sql");
    return ('00000', '') unless $rc;
    my ($state) = $err =~ /(?:ERROR|FATAL):\s+([0-9A-Z]{5}):/;
    return ($state // '?', $err);
}

sub fails
{
    my ($self, $sql, $state, $like, $what) = @_;
    my ($got, $err) = $self->error($sql);
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $ok = $got eq $state && $err =~ $like;
    ok($ok, $what) or diag("wanted $state and $like, got $got: $err");
    return;
}

# Runs pocket.coordinate() until it has nothing left, at most $max passes.
sub coordinate
{
    my ($self, $max) = @_;
    for my $pass (1 .. $max // 40)
    {
        sleep 0.05 if $pass > 10;    # something waits for a time to pass
        return 1 if $self->sql("SELECT coalesce(sum(done) FILTER (WHERE duty NOT IN ('check', 'scrub')), 0) + coalesce(sum(remaining) FILTER (WHERE duty <> 'scrub'), 0) FROM pocket.coordinate()") eq '0';
    }
    return 0;
}

# Seals what is open and encodes it all, surplus dropped.
sub encode_all
{
    my ($self) = @_;
    $self->sql('SELECT pocket.seal()');
    $self->sql('SELECT pocket.encode()');
    return $self->coordinate;
}

# Runs the client; returns (exit status, stdout, stderr).
sub pocket
{
    my ($self, @arguments) = @_;
    my ($out, $err) = ('', '');
    IPC::Run::run([ $POCKET, '-d', $self->{server}->connstr('postgres'), @arguments ], '<', \undef, '>', \$out, '2>', \$err);
    return ($? >> 8, $out, $err);
}

# A tree of files: sizes around the limits that matter, names that hurt, links. Returns its directory.
sub make_tree
{
    my ($self, $name, $seed) = @_;
    my $dir = "$self->{dir}/$name";
    make_path("$dir/sub/deeper", "$dir/empty folder");
    my %sizes = ('empty' => 0, 'one' => 1, 'inline' => 2048, 'just over' => 2049, 'chunk' => 65536, 'block' => 4 << 20,
        'block and one' => (4 << 20) + 1, 'three blocks' => 3 * (4 << 20) - 7, 'sub/Ünïcödé ✓' => 5000, 'sub/UPPER' => 3000, 'sub/upper' => 3001,
        'sub/deeper/quote\'"$' => 10000);
    for my $file (sort keys %sizes) { $self->write_random("$dir/$file", $sizes{$file}, "$seed/$file"); }
    for my $n (1 .. 40) { $self->write_random("$dir/sub/file$n", 100 * $n * $n, "$seed/$n"); }
    $self->write_random("$dir/same as block", 4 << 20, "$seed/block");
    symlink '../one', "$dir/sub/link" or die "symlink: $!";
    symlink 'nowhere', "$dir/dangling" or die "symlink: $!";
    chmod 0640, "$dir/one"; chmod 0755, "$dir/inline";
    utime 1000000000, 1234567890, "$dir/one";
    return $dir;
}

# Bytes that do not compress, the same for the same seed.
sub write_random
{
    my ($self, $file, $size, $seed) = @_;
    open my $out, '>', $file or die "$file: $!";
    binmode $out;
    open my $stream, '-|', 'openssl', 'enc', '-aes-128-ctr', '-nosalt', '-K', substr(sha256_hex($seed), 0, 32), '-iv', '0' x 32, '-in', '/dev/zero' or die;
    binmode $stream;
    my ($left, $buffer) = ($size);
    while ($left > 0)
    {
        my $n = sysread $stream, $buffer, ($left < 1 << 20 ? $left : 1 << 20);
        die 'openssl' unless $n;
        print {$out} $buffer;
        $left -= $n;
    }
    close $out or die "$file: $!";
    { no warnings; close $stream; }
    return;
}

# What differs between two trees: names, kinds, contents, modes, modification times of files, targets of links.
sub compare_trees
{
    my ($self, $a, $b) = @_;
    my $out = '';
    IPC::Run::run([ 'diff', '-r', '--no-dereference', $a, $b ], '>', \$out, '2>&1');
    my @lists = map {
        my $dir = $_;
        my $list = '';
        IPC::Run::run([ 'find', $dir, '-mindepth', '1', '-type', 'f', '-printf', '%P %m %T@ %s\n', '-o', '-mindepth', '1', '-printf', '%P %y %l\n' ], '>', \$list);
        $list =~ s/(\.[0-9]{6})[0-9]+/$1/g;    # timestamptz has microseconds
        join "\n", sort split /\n/, $list
    } $a, $b;
    my @differences = split /\n/, $out;
    push @differences, 'modes or times differ' if $lists[0] ne $lists[1];
    return join "\n", @differences > 8 ? (@differences[ 0 .. 7 ], '... and ' . (@differences - 8) . ' more') : @differences;
}

sub flip_byte
{
    my ($self, $file, $offset) = @_;
    open my $io, '+<', $file or die "$file: $!";
    binmode $io;
    seek $io, $offset, 0;
    my $byte = '';
    read $io, $byte, 1;
    seek $io, $offset, 0;
    print {$io} chr(ord($byte) ^ 0x20);
    close $io or die "$file: $!";
    return;
}

END
{
    my $status = $?;
    for my $pid (@running) { kill 'KILL', $pid; waitpid $pid, 0; }
    $? = $status;
}

1;
