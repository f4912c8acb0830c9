# A cell of several nodes in two zones, over Unix sockets and ports: members are spread, any node may be killed, stopped, added,
# drained and removed, and files are read and written all the while.
use strict;
use warnings;
use File::Path qw(remove_tree);
use PocketTest;
use Test::More;
use Time::HiRes qw(sleep time);

sub random { my ($seed, $kb) = @_; return "(SELECT string_agg(sha512(('$seed' || g)::bytea), ''::bytea) FROM generate_series(1, " . $kb * 16 . ') g)'; }

my $cell = PocketTest->new('nodes', drives => 3, nodes => [ 'n1', 'n2', 'n3' ], zones => { n1 => 'east', n2 => 'west', n3 => 'west' },
    conf => "pocket.bucket_size = '4MB'\npocket.code = 'rs(6,3)'\npocket.open_buckets = 6\npocket.client_timeout = '20s'\npocket.drive_timeout = '1h'");
$cell->sql('SELECT * FROM pocket.coordinate()') for 1 .. 2;
is($cell->sql("SELECT count(*) FILTER (WHERE state = 'up') FROM pocket.nodes"), '3', 'three nodes');

# Until nothing is left to settle, repair, seal or open.
sub at_rest
{
    my ($what) = @_;
    my $left = 1;
    for (1 .. 60)
    {
        $left = $cell->sql("SELECT sum(done + remaining) FROM pocket.coordinate() WHERE duty IN ('settle', 'repair', 'seal', 'open')");
        last if $left eq '0';
    }
    is($left, '0', $what) or diag($cell->sql("SELECT * FROM pocket.coordinate(); SELECT * FROM pocket.verify()"));
    return;
}

sub value { my ($item) = @_; return $cell->sql("SELECT value || ' ' || detail FROM pocket.health WHERE item = '$item'"); }

# The most members of a volume in one node, and the fewest nodes and zones of one, of volumes in a state.
sub spread
{
    my ($state) = @_;
    return $cell->sql("SELECT max(most) || ' ' || min(nodes) || ' ' || min(zones) FROM (SELECT max(members) AS most, count(*) AS nodes, count(DISTINCT zone) AS zones
        FROM (SELECT volume_id, node, zone, count(*) AS members FROM pocket.extents JOIN pocket.drives USING (drive_id)
            WHERE volume_id IN (SELECT volume_id FROM pocket.volumes WHERE state = '$state') GROUP BY 1, 2, 3) n GROUP BY volume_id) v");
}

# --- in, coded, back ---
is(spread('open'), '2 3 2', 'four replicas lie on three nodes, and in two zones');
is($cell->sql("SELECT count(DISTINCT node) FROM pocket.volumes WHERE state = 'open'"), '3', 'each node writes to some');
my $tree = $cell->make_tree('tree', 1);
my ($status, $out, $err) = $cell->pocket('import', $tree, 'docs:/');
is($status, 0, 'import') or diag("$out\n$err");
$cell->sql("SELECT pocket.create_namespace('app')");
my %kb = map { ("file$_" => 200) } 1 .. 6;
$cell->sql("SELECT pocket.put('app:/$_', " . random($_, $kb{$_}) . ')') for sort keys %kb;

sub export_is_equal
{
    my ($what) = @_;
    my $to = "$cell->{dir}/export";
    remove_tree($to);
    ($status, $out, $err) = $cell->pocket('export', 'docs:/', $to);
    is($status, 0, "export $what") or diag("$out\n$err");
    is($cell->compare_trees($tree, $to), '', "every byte is right $what");
    return;
}
sub all_read
{
    my ($what) = @_;
    is($cell->sql('SELECT ' . join(' AND ', map { "pocket.get('app:/$_') = " . random($_, $kb{$_}) } sort keys %kb)), 't', "files read $what");
    return;
}
sub put_more
{
    my ($what) = @_;
    my $name = 'more' . scalar keys %kb;
    $kb{$name} = 100;
    is($cell->sql("SELECT (r).outcome FROM pocket.put('app:/$name', " . random($name, 100) . ') r'), 'created', "a file is written $what");
    return;
}

all_read('replicated');
ok($cell->encode_all, 'all is coded') or diag($cell->sql('SELECT * FROM pocket.coordinate()'));
is(spread('coded'), '3 3 2', 'nine members lie three on each node');
like(value('placement'), qr/^0 /, 'none shares a node that need not');
like(value('node_losses'), qr/^1 /, 'each volume bears the loss of a node');
is($cell->sql('SELECT count(*) FROM pocket.verify()'), '0', 'nothing is wrong') or diag($cell->sql('SELECT * FROM pocket.verify()'));
export_is_equal('coded over three nodes');

# --- a node is killed ---
put_more('before');
$cell->kill_sidecar('KILL', 'n2');
all_read('before anybody has noticed that a node is gone');
put_more('before anybody has noticed');
$cell->sql('SELECT * FROM pocket.coordinate()') for 1 .. 2;
is($cell->sql("SELECT string_agg(DISTINCT state, ' ') FROM pocket.drives WHERE node = '" . $cell->url('n2') . "'"), 'silent', 'its drives are silent');
is($cell->sql("SELECT count(*) FROM pocket.volumes WHERE node = '" . $cell->url('n2') . "'"), '0', 'others do what it did');
export_is_equal('without a node');
put_more('without a node');
$cell->start_sidecar('n2');
at_rest('it comes back, and all is settled');
is($cell->sql('SELECT count(*) FROM pocket.verify()'), '0', 'nothing is wrong then') or diag($cell->sql('SELECT * FROM pocket.verify()'));
# those that were opened while the others did not ask it yet lie on two, until they are full
my $spread;
for (1 .. 20)
{
    $spread = $cell->sql("SELECT count(*) FROM (SELECT FROM pocket.extents JOIN pocket.drives d USING (drive_id) JOIN pocket.volumes v USING (volume_id)
        WHERE v.state = 'open' GROUP BY volume_id HAVING count(DISTINCT d.node) = 3) x");
    last if $spread > 0;
    select undef, undef, undef, 0.3;
    put_more('until they are full');
    $cell->sql('SELECT pocket.seal()');
}
cmp_ok($spread, '>', 0, 'new buckets lie on three nodes again');
put_more('with all nodes');

# --- a node is stopped: nobody waits for it ---
$cell->freeze('n1');
my $began = time;
is($cell->sql('SELECT bool_and(' . join(' AND ', map { "pocket.get('app:/$_') = " . random($_, $kb{$_}) } sort keys %kb) . ') FROM generate_series(1, 4)'), 't', 'files read beside a node that is stopped');
cmp_ok(time - $began, '<', 18, 'without waiting for it');
$cell->sql("SET pocket.client_timeout = '1s'; SELECT * FROM pocket.coordinate('check'); SELECT * FROM pocket.coordinate('seal'); SELECT * FROM pocket.coordinate('open')");
put_more('beside a node that is stopped');
$cell->thaw('n1');
at_rest('it goes on');
all_read('when it goes on');

# --- a node is lost for good, another comes: what it had is made anew there ---
$cell->kill_sidecar('KILL', 'n3');
$cell->add_sidecar('n4', 3, tcp => 1, peers => 1);
$cell->add_node('n4', 'west');
$cell->sql("ALTER SYSTEM SET pocket.drive_timeout = '10ms'; SELECT pg_reload_conf()");
ok($cell->{server}->poll_query_until('postgres', "SELECT count(*) FILTER (WHERE d.state <> 'failed' OR d.extents > 0) = 0 FROM pocket.coordinate() c, pocket.drives d WHERE d.node = '" . $cell->url('n3') . "'"), 'repaired onto the node that was added')
    or diag($cell->sql("SELECT * FROM pocket.drives; SELECT * FROM pocket.extents; SELECT * FROM pocket.health"));
$cell->sql("ALTER SYSTEM SET pocket.drive_timeout = '1h'; SELECT pg_reload_conf()");
at_rest('and settled');
is(spread('coded'), '3 3 2', 'again three on each node');
is($cell->sql('SELECT count(*) FROM pocket.verify()'), '0', 'all is whole') or diag($cell->sql('SELECT * FROM pocket.verify()'));
$cell->sql("SELECT pocket.remove_node('" . $cell->url('n3') . "')");
is($cell->sql('SELECT count(*) FROM pocket.nodes'), '3', 'the lost one is removed');
export_is_equal('repaired');

# --- a node is drained and removed while files are written and read ---
$cell->add_sidecar('n5', 3, peers => 1);
$cell->add_node('n5', 'west');
my $script = join ";\n", map { "SELECT (r).outcome FROM pocket.put('app:/load$_', " . random("load$_", 40) . ") r; SELECT pocket.get('app:/load$_') = " . random("load$_", 40) } 1 .. 60;
my ($loaded, $said) = ('', '');
my $run = IPC::Run::start([ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', $cell->{server}->connstr('postgres') ], '<', \$script, '>', \$loaded, '2>', \$said);
$cell->sql("SELECT pocket.drain(drive_id) FROM pocket.drives WHERE node = '" . $cell->url('n2') . "'");
my $empty = "SELECT count(*) FILTER (WHERE state = 'drained') = 3 FROM (SELECT DISTINCT drive_id, d.state FROM pocket.coordinate() c, pocket.drives d WHERE d.node = '" . $cell->url('n2') . "') x";
ok($cell->{server}->poll_query_until('postgres', $empty), 'a node is drained') or diag($cell->sql('SELECT * FROM pocket.health; SELECT * FROM pocket.drives'));
$cell->sql("SELECT pocket.remove_node('" . $cell->url('n2') . "')");
ok($run->finish, 'under load') or diag($said);
is($loaded, "created\nt\n" x 60, 'of which nothing failed') or diag("$loaded$said");
$cell->kill_sidecar('TERM', 'n2');
at_rest('the cell is at rest');
is($cell->sql('SELECT count(*) FROM pocket.verify()'), '0', 'and whole') or diag($cell->sql('SELECT * FROM pocket.verify()'));
all_read('at the end');
export_is_equal('at the end');
is($cell->kill_sidecar('TERM', $_), 0, "pocketd $_ stops cleanly") for 'n1', 'n4', 'n5';
done_testing();
