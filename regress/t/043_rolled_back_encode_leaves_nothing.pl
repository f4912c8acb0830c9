# BEGIN; SELECT pocket.encode(); ROLLBACK loses nothing, and its parities go once the referee has seen that no row names them; those
# of an encoding that is committed, or prepared, stay.
use strict;
use warnings;
use PocketTest;
use Test::More;

my $cell = PocketTest->new('attempts', drives => 9, conf => "pocket.bucket_size = '4MB'\npocket.open_buckets = 6\npocket.encode_after = '1d'\nmax_prepared_transactions = 2");
$cell->sql("SELECT pocket.create_namespace('a')");
$cell->sql("SELECT pocket.put('a:/' || i, (SELECT string_agg(sha512((i || '/' || g)::bytea), ''::bytea) FROM generate_series(1, 12000) g)) FROM generate_series(1, 12) i");
my $digests = 'SELECT string_agg(encode(sha256(pocket.get(path)), $$hex$$), $$ $$ ORDER BY path) FROM pocket.files WHERE kind = $$file$$';
my $content = $cell->sql($digests);
$cell->sql('SELECT pocket.seal()');

sub files { my ($glob) = @_; return scalar map { glob "$_/extents/*/$glob" } $cell->drives }
sub referee { $cell->sql('UPDATE pocket_data.drive SET listed_at = NULL'); $cell->sql("SELECT * FROM pocket.coordinate('referee')"); return }
sub settle { $cell->sql("SELECT * FROM pocket.coordinate('settle')") for 1 .. 2; return }    # what one writes down another does
sub parity_rows { return $cell->sql("SELECT count(*) FROM pocket.extents WHERE role = 'parity'") }

my $buckets = files('b-*');
$cell->sql('BEGIN; SELECT pocket.encode(); ROLLBACK');
my $attempts = files('p-*');
cmp_ok($attempts, '>=', 3, 'an encoding was rolled back: its parities are on the drives');
is(parity_rows(), '0', 'and in no row');
is($cell->sql($digests), $content, 'every file reads');
settle();
is(files('p-*'), $attempts, 'nothing goes before somebody has looked');
referee();
settle();
is(files('p-*'), 0, 'they are gone when the referee has seen them');
is(files('b-*'), $buckets, 'no replica is');
is($cell->sql($digests), $content, 'every file reads');
is($cell->sql("SELECT count(*) FROM pocket_data.intent"), '0', 'no intent is left');

# one that is rolled back and one that is prepared
$cell->sql('BEGIN; SELECT pocket.encode(); ROLLBACK');
$cell->sql("BEGIN; SELECT pocket.encode(); PREPARE TRANSACTION 'encoding'");
is(files('p-*'), 2 * $attempts, 'two sets of parities');
$cell->fails("SET lock_timeout = '100ms'; SELECT * FROM pocket.coordinate('referee')", '55P03', qr/lock timeout/, 'nobody looks while an encoding is prepared');
$cell->sql("COMMIT PREPARED 'encoding'");
referee();
ok($cell->coordinate, 'the duties come to an end') or diag($cell->sql('SELECT * FROM pocket.coordinate()'), $cell->sql('SELECT * FROM pocket_data.intent'));
is(files('p-*'), $attempts, 'of the two those that were rolled back are gone');
is(parity_rows(), $attempts, 'the others are in rows');
is($cell->sql($digests), $content, 'every file reads');
referee();
is($cell->sql('SELECT count(*) FROM pocket.verify()'), '0', 'verify finds nothing') or diag($cell->sql('SELECT * FROM pocket.verify()'));
is($cell->sql("SELECT count(*) FROM pocket_data.finding WHERE verifier = 'referee'"), '0', 'nor has the referee found a stray');

is($cell->kill_sidecar('TERM'), 0, 'pocketd stops cleanly');
done_testing();
