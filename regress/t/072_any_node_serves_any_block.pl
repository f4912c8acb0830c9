# Every node is told the map, in as many orders as it takes: so each serves blocks that only another one has, also when it has
# just been started anew, and a node that is removed is forgotten.
use strict;
use warnings;
use IPC::Run ();
use PocketTest;
use Test::More;

sub random { my ($seed, $kb) = @_; return "(SELECT string_agg(sha512(('$seed' || g)::bytea), ''::bytea) FROM generate_series(1, " . $kb * 16 . ') g)'; }

my $cell = PocketTest->new('map', drives => 1, nodes => [ 'n1', 'n2', 'n3' ], conf => "pocket.bucket_size = '4MB'\npocket.code = 'replicated'\npocket.replicas = 1\npocket.open_buckets = 3");
$cell->sql('SELECT * FROM pocket.coordinate()') for 1 .. 2;
$cell->sql("SELECT pocket.create_namespace('app')");
# buckets that were opened when there was one node
$cell->sql("SELECT pocket.put('app:/first$_', " . random("first$_", 60) . ')') for 1 .. 6;
$cell->sql('SELECT pocket.seal()');
$cell->sql("SELECT pocket.put('app:/early$_', " . random("early$_", 60) . ')') for 1 .. 6;
$cell->sql('SELECT pocket.seal()');

# The bytes of a file's only block as a node gives them, as hex of their SHA-256; or the status.
sub from_node
{
    my ($file, $node) = @_;
    my ($token) = $cell->sql("SELECT url FROM pocket.download('app:/$file')") =~ m{/block/([^/]+)$};
    my @where = $cell->address($node) =~ /^unix:(.*)/ ? ('--unix-socket', $1, "http://localhost/block/$token") : ($cell->url($node) . "/block/$token");
    my ($bytes, $err) = ('', '');
    IPC::Run::run([ 'curl', '-s', '-w', '%{http_code}', @where ], '>', \$bytes, '2>', \$err);
    my $status = substr $bytes, -3, 3, '';
    return $status eq '200' ? unpack 'H*', Digest::SHA::sha256($bytes) : "$status $bytes";
}
sub all_serve
{
    my ($what, $files, @nodes) = @_;
    my @wrong;
    for my $file (@$files)
    {
        my $hash = $cell->sql("SELECT hash FROM pocket.download('app:/$file')");
        for my $node (@nodes)
        {
            my $got = from_node($file, $node);
            push @wrong, "$file from $node: $got" if $got ne $hash;
        }
    }
    is(join("\n", @wrong), '', $what);
    return;
}

my @early = map { "early$_" } 1 .. 6;
cmp_ok($cell->sql('SELECT count(DISTINCT drive_id) FROM pocket.extents WHERE length > 0'), '>', 1, 'blocks are on several nodes, each on one');
$cell->sql("SELECT * FROM pocket.coordinate('check')");
all_serve('each node serves blocks of the others', \@early, 'n1', 'n2', 'n3');

# --- a cell of many volumes: more than fits into one order ---
$cell->sql("INSERT INTO pocket_data.volume (volume_id, node_id, code, state, generation, changed_at)
    SELECT incarnation << 32 | 1000000 + g, (SELECT min(node_id) FROM pocket_data.node), 'replicated', 'sealed', 1, now() FROM pocket_data.cell, generate_series(1, 9000) g;
    INSERT INTO pocket_data.bucket (bucket_id, volume_id, state, capacity, length, opened_at, sealed_at)
    SELECT volume_id + 1000000, volume_id, 'sealed', 4096, 4096, now(), now() FROM pocket_data.volume WHERE volume_id & 4294967295 > 1000000;
    INSERT INTO pocket_data.extent (volume_id, position, role, bucket_id, drive_id, state, length)
    SELECT b.volume_id, row_number() OVER (PARTITION BY b.bucket_id) - 1, 'replica', b.bucket_id, d.drive_id, 'ok', 4096
    FROM pocket_data.bucket b, pocket_data.drive d WHERE b.volume_id & 4294967295 > 1000000");
$cell->sql("SELECT pocket.put('app:/late$_', " . random("late$_", 60) . ')') for 1 .. 6;
my @late = map { "late$_" } 1 .. 6;
my ($out, $err) = ('', '');
sub check
{
    my ($what) = @_;
    IPC::Run::run([ 'psql', '-XAtq', '-d', $cell->{server}->connstr('postgres'), '-c', "SELECT done, remaining FROM pocket.coordinate('check')" ], '>', \$out, '2>', \$err);
    is("$out$err", "3|0\n", $what);
    return;
}
check('they are told, without a word');
all_serve('each node serves what came after them', \@late, 'n1', 'n2', 'n3');
$cell->kill_sidecar('KILL', 'n2');
$cell->start_sidecar('n2');
check('a node that was started anew is told all of it');
all_serve('and serves what came first and last', [ @early[ 0 .. 2 ], @late[ 0 .. 2 ] ], 'n2');

# --- what a transaction that goes on has changed is told when it has ended, whatever was told meanwhile ---
$cell->sql("DELETE FROM pocket_data.extent WHERE volume_id & 4294967295 > 1000000; DELETE FROM pocket_data.bucket WHERE volume_id & 4294967295 > 1000000;
    DELETE FROM pocket_data.volume WHERE volume_id & 4294967295 > 1000000");
my ($file, $moved);
for my $name (@early)
{
    my ($volume, $node) = split /\|/, $cell->sql("SELECT e.volume_id, d.node FROM pocket.extents e JOIN pocket.drives d USING (drive_id) JOIN pocket_data.block k USING (bucket_id)
        WHERE k.hash OPERATOR(pocket.=) (SELECT hash FROM pocket.download('app:/$name'))");
    ($file, $moved) = ($name, $volume) if $node ne $cell->url('n2');
}
$cell->sql("CREATE TABLE kept AS SELECT * FROM pocket_data.extent WHERE volume_id = $moved; DELETE FROM pocket_data.extent WHERE volume_id = $moved");
$cell->kill_sidecar('KILL', 'n2');
$cell->start_sidecar('n2');
check('a map without a volume');
like(from_node($file, 'n2'), qr/^404/, 'and a node that does not find it');
my ($in, $said, $problem) = ('', '', '');
my $other = IPC::Run::start([ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', $cell->{server}->connstr('postgres') ], '<', \$in, '>', \$said, '2>', \$problem);
$in .= "BEGIN; INSERT INTO pocket_data.extent SELECT * FROM kept; UPDATE pocket_data.volume SET changed = pg_current_xact_id() WHERE volume_id = $moved; SELECT 'done';\n";
$other->pump until $said =~ /done/ || $problem;
$cell->sql("SELECT pocket.put('app:/between', " . random('between', 60) . ')');
check('the map goes on beside it');
$cell->sql("SELECT pocket.put('app:/after', " . random('after', 60) . ')');
check('and on');
$in .= "COMMIT; SELECT 'committed';\n";
$other->pump until $said =~ /committed/ || $problem;
$in .= "\\q\n";
ok($other->finish, 'it commits') or diag($problem);
check('what it has changed is told then');
all_serve('nothing is missed', [ $file, 'between', 'after' ], 'n1', 'n2', 'n3');
done_testing();
