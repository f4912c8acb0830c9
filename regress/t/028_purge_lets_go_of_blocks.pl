# After a purge nobody holds the blocks that only the purged file had; what another file has too is read as before.
use strict;
use warnings;
use PocketTest;
use Test::More;

my $cell = PocketTest->new('purge', drives => 3);
$cell->sql("SELECT pocket.create_namespace('app'), pocket.create_namespace('other')");
my $block = sub { my ($seed, $size) = @_; return "(SELECT convert_to(rpad('', $size, '$seed'), 'UTF8'))" };
my ($shared, $own, $older) = ($block->('shared', 4194304), $block->('own', 50000), $block->('older', 60000));
my $held = "SELECT string_agg(n.name || ' ' || h.files, ', ' ORDER BY n.name, h.files) FROM pocket_data.holder h JOIN pocket_data.namespace n USING (ns_id) WHERE h.hash::text = (pocket.digest(%s))::text";
my $holders = sub { my ($content) = @_; return $cell->sql(sprintf $held, $content); };

$cell->sql("SELECT pocket.put('app:/d/secret', $older)");
$cell->sql("SELECT pocket.put('app:/d/secret', $shared || $own)");
$cell->sql("SELECT pocket.mv('app:/d/secret', 'app:/d/moved'); SELECT pocket.put('app:/beside', $shared)");
$cell->sql("SELECT pocket.cp('app:/d/moved', 'other:/copy'); SELECT pocket.cp('app:/d/moved', 'app:/d/copy'); SELECT pocket.rm('app:/d/copy')");
is($holders->($shared), 'app 3, other 1', 'a block of three files, and of one elsewhere');
is($holders->($own), 'app 2, other 1', 'one of the purged files only');
is($holders->($older), 'app 1', 'one of an old revision');
my $everything = "SELECT md5(string_agg(t, '' ORDER BY t)) FROM (SELECT h::text AS t FROM pocket_data.holder h UNION ALL SELECT j::text FROM pocket_data.journal j UNION ALL SELECT e::text FROM pocket_data.entry e) x";
my $before = $cell->sql($everything);
is($cell->sql("BEGIN; SAVEPOINT s; SELECT pocket.purge('app:/d'); ROLLBACK TO s; COMMIT"), '3', 'a folder, a file and a file that was removed');
is($cell->sql($everything), $before, 'a savepoint takes that back to the byte');
is($cell->sql("SELECT pocket.purge('app:/d')"), '3', 'purged');
is($holders->($shared), 'app 1, other 1', 'what another file has too stays held');
is($holders->($own), 'other 1', 'the purged file\'s own is not held here any more');
is($holders->($older), '', 'nor that of its old revision, by anybody');
is($cell->sql("SELECT sha256(pocket.get('app:/beside')) = sha256($shared), sha256(pocket.get('other:/copy')) = sha256($shared || $own)"), 't|t', 'the others are read');
my $list = $cell->sql("SELECT pocket.chunk($own)");
$cell->fails("SELECT pocket.commit('app:/again', '$list')", 'PK002', qr/is needed/, 'by its hash nobody gets it back');
is($cell->sql("SELECT needed FROM pocket.upload('app', '$list')"), 't', 'and it would have to be brought again');
$cell->fails("SELECT pocket.download('app:/d/moved')", '42704', qr/does not exist/, 'it has no URL');

# A large folder: it can be interrupted, and then all is there; memory is that of a batch.
$cell->sql("SELECT pocket.put_many(array_agg('app:/large/' || i), array_agg('x'::bytea)) IS NULL FROM generate_series(1, 5000) i");
$cell->fails("SET statement_timeout = '20ms'; SELECT pocket.purge('app:/large')", '57014', qr/statement timeout/, 'it can be interrupted');
is($cell->sql("SELECT count(*) FROM pocket.ls('app:/large')"), '5000', 'and then nothing has gone');
my $anonymous = "substring(pg_read_file('/proc/self/status') from 'RssAnon:\s+([0-9]+)')::int";
cmp_ok($cell->sql("CREATE TEMP TABLE kb AS SELECT $anonymous AS before; DO \$\$ BEGIN PERFORM pocket.purge('app:/large'); END \$\$; SELECT $anonymous - before FROM kb"), '<', 8192, 'it takes no more than 8 MB');
is($cell->sql("SELECT count(*) FROM pocket_data.journal WHERE name LIKE '/%' AND name_key LIKE '/%' AND op <> 'deleted'"), '0', 'nothing is left of it');
is($cell->sql('SELECT count(*) FROM pocket.verify()'), '0', 'all is well');
done_testing();
