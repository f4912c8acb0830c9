# What is known to be damaged or lost stays known until it is mended, and the same bytes sent again mend it.
use strict;
use warnings;
use File::Path qw(remove_tree);
use PocketTest;
use PostgreSQL::Test::Utils;
use Test::More;

sub random { my ($seed, $kb) = @_; return "(SELECT string_agg(sha512(('$seed' || g)::bytea), ''::bytea) FROM generate_series(1, " . $kb * 16 . ') g)'; }

# --- reports outlive a check, or a scrub, that rolls back ---
my $cell = PocketTest->new('told', drives => 3, conf => "pocket.bucket_size = '4MB'\npocket.code = 'replicated'\npocket.replicas = 2\npocket.open_buckets = 1");
$cell->sql("SELECT pocket.create_namespace('app'); SELECT pocket.put('app:/file', " . random('a', 300) . ')');
$cell->sql('SELECT pocket.seal()');
ok($cell->coordinate, 'sealed');
my $file = $cell->sql("SELECT path || '/' || file FROM pocket.extents e JOIN pocket.drives USING (drive_id) WHERE e.length > 300000 ORDER BY position LIMIT 1");
ok(-f $file, 'the extent is found') or diag($file);
$cell->flip_byte($file, 16384 + $_ * 50_000 + 200) for 0 .. 5;
sub damaged { return $cell->sql("SELECT count(*) FROM pocket.extents WHERE state = 'damaged'"); }
$cell->sql('BEGIN; SELECT pocket.scrub(); ROLLBACK');
is(damaged(), '0', 'a scrub is rolled back with what it has found');
$cell->sql("BEGIN; SELECT * FROM pocket.coordinate('check'); ROLLBACK") for 1 .. 2;
is(damaged(), '0', 'so is a check');
$cell->sql("SELECT * FROM pocket.coordinate('check')");
is(damaged(), '1', 'the next check is told again');
is($cell->sql("SELECT pocket.get('app:/file') = " . random('a', 300)), 't', 'the other replica reads');
cmp_ok($cell->sql('SELECT pocket.repair()'), '>', 0, 'repaired');
ok($cell->coordinate, 'settled');
$cell->sql("SELECT * FROM pocket.coordinate('check')");
is($cell->sql('SELECT count(*) FROM pocket.verify()'), '0', 'what is mended is not told again') or diag($cell->sql('SELECT * FROM pocket.verify()'));

# --- duties read the rows of now ---
for my $level ('REPEATABLE READ', 'SERIALIZABLE')
{
    $cell->fails("BEGIN ISOLATION LEVEL $level; SELECT $_", '25001', qr/READ COMMITTED/, "no $_ in $level")
        for 'pocket.repair()', 'pocket.seal()', 'pocket.encode()', 'pocket.scrub()', 'pocket.coordinate()', "pocket.coordinate('check')";
}
$cell->fails('BEGIN READ ONLY; SELECT pocket.repair()', '25006', qr/read-only/, 'nor read-only');

# --- what comes to lie deeper than a path that is given may have names is there, and comes up again with its folder ---
my $chain = 'x' . '/x' x 509;
$cell->sql("SELECT pocket.mkdir('app:/deep/$chain'); SELECT pocket.put('app:/deep/$chain/leaf', 'leaf'); SELECT pocket.mkdir('app:/b/c')");
is($cell->sql("SELECT (pocket.mv('app:/deep', 'app:/b/c/deep')).outcome"), 'moved', 'beyond 512 names');
$cell->fails("SELECT pocket.stat('app:/b/c/deep/$chain/leaf')", '22023', qr/512 names/, 'no path that is given has so many');
like($cell->sql("SELECT path FROM pocket.files WHERE name = 'leaf'"), qr{^app:/b/c/deep/x.*/leaf$}, 'but it is listed');
is($cell->sql("SELECT (pocket.mv('app:/b/c/deep', 'app:/up')).outcome"), 'moved', 'and up again');
is($cell->sql("SELECT (pocket.stat('app:/up/$chain/leaf')).kind"), 'file', 'where it is found');

# --- two first users of a database ---
$cell->sql('CREATE DATABASE fresh');
$cell->{server}->safe_psql('fresh', 'CREATE EXTENSION pocket');
my (@runs, @err);
for my $n (0 .. 3)
{
    $err[$n] = '';
    push @runs,
        IPC::Run::start([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', $cell->{server}->connstr('fresh'), '-c',
            "BEGIN; SELECT pocket.create_namespace('n$n'); SELECT pg_sleep(0.3); COMMIT" ],
        '<', \undef, '>', \my $out, '2>', \$err[$n]);
}
for my $n (0 .. 3)
{
    ok($runs[$n]->finish, "first user $n") or diag($err[$n]);
}
is($cell->{server}->safe_psql('fresh', 'SELECT count(*) FROM pocket.namespaces'), '4', 'all have their namespaces');

# --- the only replica is lost: the file is named, and the same bytes heal it ---
my $one = PocketTest->new('lone', drives => 3, conf => "pocket.bucket_size = '4MB'\npocket.replicas = 1\npocket.open_buckets = 2");
$one->sql("SELECT pocket.create_namespace('app'); SELECT pocket.put('app:/folder/file', " . random('b', 300) . "); SELECT pocket.put('app:/folder/twin', " . random('b', 300) . ')');
$one->sql('SELECT pocket.seal()');
$one->sql('SELECT * FROM pocket.coordinate()');
my $drive = $one->sql("SELECT DISTINCT d.path FROM pocket.extents e JOIN pocket.drives d USING (drive_id) WHERE e.bucket_id IN (SELECT bucket_id FROM pocket_data.block)");
ok(-d $drive, 'one drive holds the block') or diag($drive);
remove_tree($drive);
for (1 .. 20)
{
    $one->sql('SELECT * FROM pocket.coordinate()');
    last if $one->sql("SELECT count(*) FROM pocket.verify() WHERE verifier = 'file'") eq '2';
}
is($one->sql("SELECT string_agg(object, ' ' ORDER BY object) FROM pocket.verify() WHERE verifier = 'file'"), 'app:/folder/file app:/folder/twin', 'verify names the files that are lost')
    or diag($one->sql('SELECT * FROM pocket.verify()'));
my ($state) = $one->error("SELECT pocket.get('app:/folder/file')");
isnt($state, '00000', "the file does not read: $state");
is($one->sql("SELECT (r).outcome FROM pocket.put('app:/folder/file', " . random('b', 300) . ') r'), 'unchanged', 'the same content is put again');
is($one->sql("SELECT pocket.get('app:/folder/file') = " . random('b', 300)), 't', 'and reads');
is($one->sql("SELECT pocket.get('app:/folder/twin') = " . random('b', 300)), 't', 'so does every file that has its blocks');
$one->sql('SELECT * FROM pocket.coordinate()');
is($one->sql("SELECT count(*) FROM pocket.verify() WHERE verifier = 'file'"), '0', 'verify names it no more') or diag($one->sql('SELECT * FROM pocket.verify()'));
done_testing();
