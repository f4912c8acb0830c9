# What get() returns is on its way: it comes when it is used, whole, as often as it is used; what cannot be read is told by get() itself.
use strict;
use warnings;
use PocketTest;
use Test::More;

my $cell = PocketTest->new('values', drives => 4, conf => "pocket.client_timeout = '5s'");
$cell->sql("SELECT pocket.create_namespace('app')");
$cell->write_random("$cell->{dir}/bytes", 9_000_000, 'bytes');
my $bytes = "pg_read_binary_file('$cell->{dir}/bytes')";
$cell->sql("SELECT pocket.put('app:/f', $bytes), pocket.put('app:/h', substr($bytes, 1, 5000000))");
my $md5 = $cell->sql("SELECT md5($bytes)");

is($cell->sql("SELECT md5(pocket.get('app:/f'))"), $md5, 'used once');
is($cell->sql("SELECT md5(c) = '$md5', length(c), sha256(c) = sha256($bytes) FROM (SELECT pocket.get('app:/f') AS c OFFSET 0) x"), 't|9000000|t', 'used several times');
is($cell->sql("SELECT bool_and(substr(pocket.get('app:/f', s, n), 1) = substr($bytes, s + 1, n)) FROM (VALUES (0, 10), (4194300, 20), (8999999, 5), (3, 8500000)) v(s, n)"), 't', 'ranges');
is($cell->sql("SELECT length(pocket.get('app:/f')) + length(pocket.get('app:/h'))"), '14000000', 'only their lengths');
is($cell->sql("SELECT count(*) FROM (SELECT length(pocket.get('app:/f')) FROM generate_series(1, 100)) x"), '100', 'a hundred that nobody takes');
is($cell->sql("SELECT md5(pocket.get('app:/f')) = '$md5' AND md5(pocket.get('app:/h')) = md5(substr($bytes, 1, 5000000))"), 't', 'two under way at once');
is($cell->sql("CREATE TABLE kept AS SELECT pocket.get('app:/f') AS c; SELECT md5(c) FROM kept"), $md5, 'kept in a table');
is($cell->sql("SELECT md5((array_agg(c ORDER BY length(c)))[1]) FROM (SELECT pocket.get('app:/f') AS c UNION ALL SELECT pocket.get('app:/f')) x"), $md5, 'in an array, through a sort');
is($cell->sql("SELECT (pocket.put('app:/g', pocket.get('app:/f'))).outcome; SELECT md5(pocket.get('app:/g'))"), "created\n$md5", 'put again');
is($cell->sql("SELECT (pocket.append('app:/a', pocket.get('app:/h'))).outcome; SELECT (pocket.append('app:/a', pocket.get('app:/f'))).size"), "created\n14000000", 'appended');
is($cell->sql("BEGIN; DECLARE k CURSOR WITH HOLD FOR SELECT md5(pocket.get('app:/f')), length(c) FROM (SELECT pocket.get('app:/f') AS c OFFSET 0) x; COMMIT; FETCH k; CLOSE k"), "$md5|9000000", 'held by a cursor beyond its transaction');
is($cell->sql(q{DO $$ DECLARE c bytea; n int := 0; BEGIN
    FOR i IN 1..5 LOOP
        BEGIN c := pocket.get('app:/f'); PERFORM length(pocket.get('app:/h')); RAISE EXCEPTION 'x'; EXCEPTION WHEN raise_exception THEN n := n + length(c); END;
    END LOOP;
    PERFORM set_config('test.n', n::text, false); END $$; SELECT current_setting('test.n')}), '45000000', 'a variable, and subtransactions that fail while others are under way');
is($cell->sql("SELECT count(*) FILTER (WHERE md5(c) = '$md5') FROM (SELECT pocket.get('app:/f') AS c FROM generate_series(1, 12) OFFSET 0) x"), '12', 'a dozen, one after the other');

# --- a value outlives the error that ends its use: a parameter, of a function that goes on ---
$cell->sql(q{CREATE FUNCTION once_more(b bytea) RETURNS text LANGUAGE plpgsql AS $$ DECLARE n int := 0; BEGIN
    BEGIN PERFORM concat(pg_cancel_backend(pg_backend_pid()), md5(b)); EXCEPTION WHEN query_canceled THEN n := 1; END;
    RETURN concat_ws(' ', n, md5(pocket.get('app:/h')), md5(b), md5(b)); END $$});
is($cell->sql("SELECT once_more(pocket.get('app:/f')) = concat_ws(' ', 1, md5(substr($bytes, 1, 5000000)), '$md5', '$md5')"), 't', 'cancelled while its blocks come, and used again');

# --- a node has 512 connections, a row can have more values than that ---
$cell->sql("SELECT pocket.put('app:/s', substr($bytes, 1, 100000))");
my $many = join ', ', map { "pocket.get('app:/s', $_, 3000) AS c$_" } 1 .. 600;
is($cell->sql("SELECT md5(concat(" . join(', ', map { "c$_" } reverse 51 .. 149) . ")) FROM (SELECT $many OFFSET 0) x"),
    $cell->sql("SELECT md5(concat(" . join(', ', map { "substr($bytes, $_ + 1, 3000)" } reverse 51 .. 149) . "))"), 'six hundred at once, of which a hundred are used, last ones first');

# --- what cannot be read ---
my ($extents) = $cell->sql("SELECT string_agg(path || '/' || file, E'\n') FROM pocket.extents JOIN pocket.drives USING (drive_id)
    WHERE bucket_id = (SELECT bucket_id FROM pocket_data.block ORDER BY length DESC, created_at, hash LIMIT 1)");
my @extents = split /\n/, $extents;
my $place = $cell->sql('SELECT "offset" FROM pocket_data.block ORDER BY length DESC, created_at, hash LIMIT 1');
my $whole = "SELECT md5(pocket.get('app:/f')) = '$md5'";
cmp_ok(scalar @extents, '>', 1, 'there are replicas');
$cell->flip_byte($extents[0], 16384 + $place + 2_000_000);
is($cell->sql("$whole FROM generate_series(1, 12) n"), join("\n", ('t') x 12), 'a byte flips in one replica while it is in the page cache: read around');
$cell->sql("SELECT * FROM pocket.coordinate('check')");
is($cell->sql("SELECT count(*) FROM pocket.extents WHERE state = 'damaged'"), '1', 'and reported');
$cell->flip_byte($_, 16384 + $place + 2_000_001) for @extents[ 1 .. $#extents ];
$cell->fails($whole, 'PK004', qr/cannot be read/, 'it flips in all of them');
$cell->kill_sidecar('KILL');
$cell->fails("SELECT length(pocket.get('app:/h'))", '08006', qr/pocketd/, 'without pocketd not even the length is told');
$cell->start_sidecar;
is($cell->sql("SELECT md5(pocket.get('app:/h')) = md5(substr($bytes, 1, 5000000))"), 't', 'it is back');
done_testing();
