# The node that writes a bucket dies between its append to one replica and to another, and so does who has the longer one: what was sealed
# meanwhile keeps its length when they return, and all is repaired.
use strict;
use warnings;
use PocketTest;
use Test::More;
use Time::HiRes qw(sleep);

sub random { my ($seed, $kb) = @_; return "(SELECT string_agg(sha512(('$seed' || g)::bytea), ''::bytea) FROM generate_series(1, " . $kb * 16 . ') g)'; }

my $cell = PocketTest->new('longer', drives => 1, nodes => [ 'n1', 'n2', 'n3' ],
    conf => "pocket.code = 'replicated'\npocket.replicas = 3\npocket.open_buckets = 1\npocket.client_timeout = '2s'\npocket.drive_timeout = '1h'");
$cell->sql('SELECT * FROM pocket.coordinate()') for 1 .. 2;
$cell->sql("SELECT pocket.create_namespace('app')");
$cell->sql("SELECT pocket.put('app:/first', " . random('first', 100) . ')');
my ($bucket, $node) = split /\|/, $cell->sql("SELECT b.bucket_id, v.node FROM pocket.buckets b JOIN pocket.volumes v USING (volume_id)");
my ($writer) = grep { $cell->url($_) eq $node } qw(n1 n2 n3);
my ($longer, $shorter) = grep { $_ ne $writer } qw(n1 n2 n3);

my $file = $cell->sql("SELECT DISTINCT file FROM pocket.extents WHERE bucket_id = $bucket");
sub bytes_of { my ($id) = @_; return -s "$cell->{sidecars}{$id}{drives}[0]/$file"; }

# a block reaches two of the three, and is not acknowledged
my $before = bytes_of($longer);
ok($before > 0, 'the extent is found');
$cell->freeze($shorter);
my $said = '';
my $script = "SELECT pocket.put('app:/late', " . random('late', 100) . ')';
my $put = IPC::Run::start([ 'psql', '-XAtq', '-d', $cell->{server}->connstr('postgres'), '-c', $script ], '<', \undef, '>&', \$said);
for (1 .. 100) { last if bytes_of($longer) > $before; sleep 0.05; }
cmp_ok(bytes_of($longer), '>', $before, 'one replica has more');
$cell->freeze($longer);
$cell->kill_sidecar('KILL', $writer);
$cell->kill_sidecar('KILL', $shorter);
$put->finish;
like($said, qr/ERROR/, 'nobody was told that it is kept');

# who is left seals it
$cell->start_sidecar($shorter);
$cell->sql("SELECT * FROM pocket.coordinate()") for 1 .. 2;
my $length = $cell->sql("SELECT length FROM pocket.buckets WHERE bucket_id = $bucket AND state = 'sealed'");
cmp_ok($length, '>', 0, 'sealed by the one that is left');
my $sealed = bytes_of($shorter);
cmp_ok($sealed, '<', bytes_of($longer), 'without what another has more');
$cell->thaw($longer);
$cell->start_sidecar($writer);
my $left = '';
for (1 .. 40)
{
    $left = $cell->sql("SELECT sum(done + remaining) FROM pocket.coordinate() WHERE duty IN ('settle', 'repair', 'seal', 'open')");
    last if $left eq '0';
}
is($left, '0', 'all is repaired') or diag($cell->sql('SELECT * FROM pocket.extents; SELECT * FROM pocket.health'));
$cell->sql('SELECT * FROM pocket.scrub()');
is($cell->sql('SELECT count(*) FROM pocket.verify()'), '0', 'and whole') or diag($cell->sql('SELECT * FROM pocket.verify()'));
is($cell->sql("SELECT DISTINCT length FROM pocket.extents WHERE bucket_id = $bucket"), $length, 'at the length that was sealed');
is(join(' ', map { bytes_of($_) } qw(n1 n2 n3)), "$sealed $sealed $sealed", 'on every drive');
is($cell->sql("SELECT pocket.get('app:/first') = " . random('first', 100)), 't', 'what was acknowledged is there');
is($cell->kill_sidecar('TERM', $_), 0, "pocketd $_ stops cleanly") for qw(n1 n2 n3);
done_testing();
