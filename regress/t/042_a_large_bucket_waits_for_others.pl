# One large bucket and five small ones: the small ones get small parities, and no three large ones are paid for a single bucket.
use strict;
use warnings;
use PocketTest;
use Test::More;

my $cell = PocketTest->new('lengths', drives => 9, conf => "pocket.bucket_size = '16MB'\npocket.open_buckets = 1\npocket.coordinator_interval = '1h'");
$cell->sql("SELECT pocket.create_namespace('l')");

# Each in a bucket of its own.
my %digest;
sub put_bucket
{
    my ($name, $size) = @_;
    my $file = "$cell->{dir}/$name";
    $cell->write_random($file, $size, $name);
    $cell->sql("SELECT pocket.put('l:/$name', pg_read_binary_file('$file')); SELECT pocket.seal(); SELECT pocket.coordinate('open')");
    $digest{$name} = $cell->sql("SELECT encode(sha256(pg_read_binary_file('$file')), 'hex')");
    return;
}

sub parity_bytes { return $cell->sql("SELECT coalesce(sum(length), 0) FROM pocket.extents WHERE role = 'parity'") }

sub buckets { my ($state) = @_; return $cell->sql("SELECT coalesce(string_agg(pg_size_pretty(round(b.length / 1e5) * 100000), ' ' ORDER BY b.length), '') FROM pocket_data.bucket b JOIN pocket.volumes v USING (volume_id) WHERE v.state = '$state'") }

sub all_read
{
    my ($what) = @_;
    is($cell->sql("SELECT encode(sha256(pocket.get('l:/$_')), 'hex')"), $digest{$_}, "$_ $what") for sort keys %digest;
    return;
}

put_bucket('large1', 9_000_000);
put_bucket("small$_", 100_000) for 1 .. 5;
is(buckets('sealed'), '98 kB 98 kB 98 kB 98 kB 98 kB 8789 kB', 'one large and five small buckets are sealed');
is($cell->sql('SELECT pocket.encode()'), '5', 'the small ones are encoded');
ok($cell->coordinate, 'and nothing remains to be done') or diag($cell->sql('SELECT * FROM pocket.coordinate()'));
is(buckets('sealed'), '8789 kB', 'the large one waits as replicas');
cmp_ok(parity_bytes(), '<', 4 * 100_000, 'three small parities were paid');
is($cell->sql("SELECT count(*) FROM pocket.extents WHERE role = 'data' AND drive_id IS NULL"), '1', 'for five members and a virtual one');
all_read('is back');

put_bucket('large2', 8_000_000);
put_bucket('small6', 100_000);
is($cell->sql('SELECT pocket.encode()'), '3', 'two large ones are worth their parities, and a small one comes along');
ok($cell->coordinate, 'nothing remains');
is(buckets('sealed'), '', 'all are coded');
cmp_ok(parity_bytes(), '<', 3 * 9_200_000 + 4 * 100_000, 'three large parities for two large buckets');
is($cell->sql('SELECT count(*) FROM pocket.verify()'), '0', 'verify finds nothing') or diag($cell->sql('SELECT * FROM pocket.verify()'));
all_read('is back');

# by hand a bucket is encoded even when it gains nothing, where nothing else can be done
put_bucket('alone', 3_000_000);
is($cell->sql('SELECT pocket.encode()'), '1', 'a bucket that is alone is encoded when that is asked for');

done_testing();
