# Each verifier finds the defect that is planted for it, asks for what heals it, and tells it no more when it is healed.
use strict;
use warnings;
use File::Path qw(remove_tree);
use PocketTest;
use Test::More;

my $cell = PocketTest->new('verifiers', drives => 6, conf => "pocket.bucket_size = '4MB'\npocket.code = 'rs(3,2)'\npocket.open_buckets = 3\npocket.encode_after = '1d'");
$cell->sql("SELECT pocket.create_namespace('app')");
# what no sample holds by chance would prove nothing: some blocks of those that are watched, and many others
$cell->sql("SELECT pocket.put('app:/few/' || i, decode(repeat(md5(i::text), 150), 'hex')) FROM generate_series(1, 600) i WHERE get_byte(sha256(decode(repeat(md5(i::text), 150), 'hex')), 31) < 3 OR i <= 100");
$cell->sql("SELECT pocket.put('app:/big/' || i, (SELECT string_agg(sha512((i || '/' || g)::bytea), ''::bytea) FROM generate_series(1, 15000) g)) FROM generate_series(1, 3) i");
$cell->sql('SELECT pocket.seal()');

sub verify { return $cell->sql('SELECT verifier, object, problem FROM pocket.verify() ORDER BY 1, 2') }
sub found { my ($verifier) = @_; return $cell->sql("SELECT string_agg(object || ': ' || problem, E'\n' ORDER BY object) FROM pocket.verify() WHERE verifier = '$verifier'") }
sub nothing { my ($what) = @_; local $Test::Builder::Level = $Test::Builder::Level + 1; is(verify(), '', "verify finds nothing $what") }
sub index_again { $cell->sql('UPDATE pocket_data.extent SET indexed_at = NULL'); $cell->sql('DELETE FROM pocket_data.counted'); $cell->sql("SELECT * FROM pocket.coordinate('index')") while $cell->sql("SELECT remaining FROM pocket.coordinate('index')") > 0; return }
sub heal { $cell->sql('SELECT * FROM pocket.coordinate()'); local $Test::Builder::Level = $Test::Builder::Level + 1; ok($cell->coordinate, 'the duties come to an end'); return }
# (drive_id, path) of the extents of a bucket that hold its records, and the place of one of its blocks
sub replicas { my ($bucket) = @_; return map { [ split /\|/ ] } split /\n/, $cell->sql("SELECT drive_id, d.path || '/' || file FROM pocket.extents e JOIN pocket.drives d USING (drive_id) WHERE e.bucket_id = $bucket AND role <> 'parity' ORDER BY position") }
sub a_block { my ($where) = @_; return split /\|/, $cell->sql("SELECT bucket_id, \"offset\", encode(hash::bytea, 'hex') FROM pocket_data.block WHERE " . ($where // 'true') . ' ORDER BY hash USING OPERATOR(pocket.<) LIMIT 1') }

heal();
cmp_ok($cell->sql('SELECT pocket.verify_now()'), '>', 10, 'all verifiers have looked at all');
nothing('when all is well');
is($cell->sql("SELECT string_agg(duty || ' ' || done + remaining, ', ' ORDER BY duty) FROM pocket.coordinate() WHERE duty IN ('index', 'watch', 'referee')"), 'index 0, referee 0, watch 0', 'and nothing is due soon again');
is($cell->sql("SELECT count(*) FROM pocket.progress WHERE duty IN ('index', 'referee') AND done > 0 AND remaining = 0"), '2', 'progress shows it');

for my $state ('replicated', 'coded')
{
    my ($bucket, $offset) = a_block('length > 100000');
    my @replicas = replicas($bucket);
    is(scalar @replicas, $state eq 'coded' ? 1 : 3, "a $state bucket");

    # --- the index verifier: a record is not where its row says ---
    $cell->flip_byte($replicas[0][1], 16384 + $offset + 9);
    index_again();
    like(found('index'), qr{^\S+ on drive $replicas[0][0]: [1-9]\d* block rows .* there is no record$}, "$state: the index verifier names the drive that lacks a record");
    is($cell->sql("SELECT count(*) FROM pocket.extents WHERE state <> 'ok'"), '0', 'and calls nothing damaged itself');
    heal();
    nothing('when the scrubber has looked, and repair has healed it');

    # --- the referee: a file vanished ---
    my $file = $cell->sql("SELECT d.path || '/' || file FROM pocket.extents e JOIN pocket.drives d USING (drive_id) JOIN pocket.volumes v USING (volume_id) WHERE " . ($state eq 'coded' ? "role = 'parity'" : "v.state = 'sealed'") . ' ORDER BY file, drive_id LIMIT 1');
    for my $path ($file, $replicas[0][1])
    {
        unlink $path or die "$path: $!";
        $cell->sql('UPDATE pocket_data.drive SET listed_at = NULL');
        $cell->sql("SELECT * FROM pocket.coordinate('referee')");
        my ($name) = $path =~ m{(extents/.*)};
        like(found('referee'), qr{^\Q$name\E on drive \d+: .*(?:No such file|vanished)}m, "$state: the referee misses $name") or diag(verify());
        heal();
        nothing('when it was made anew');
        ok(-f $path, 'and it is there again');
    }

    # --- damage that a reader meets ---
    my $path = $cell->sql("SELECT path FROM pocket.files JOIN pocket_data.entry e USING (ns_id, file_id), pocket.blocks(e.blocks) b JOIN pocket_data.block k ON k.hash OPERATOR(pocket.=) b.hash WHERE k.bucket_id = $bucket AND k.\"offset\" = $offset LIMIT 1");
    $cell->flip_byte($replicas[0][1], 16384 + $offset + 5000);
    is($cell->sql("SELECT length(pocket.get('$path'))"), '960000', 'it is read around') for 1 .. 12;    # drives take turns
    $cell->sql("SELECT * FROM pocket.coordinate('check')");
    like(found('extent'), qr{on drive $replicas[0][0]: damaged}, "$state: a reader's damage is told");
    heal();
    nothing('when repair has healed what a reader met');

    # --- the watcher: a block of the sample rotted on one drive, the others would hide it ---
    my ($watched, $place, $hash) = a_block('get_byte(hash::bytea, 31) < 3');
    my @has = replicas($watched);
    $cell->flip_byte($has[-1][1], 16384 + $place + 140);
    $cell->sql("UPDATE pocket_data.watch SET created_at = now() - interval '5 minutes' - age");
    my %age = (replicated => '90 seconds', coded => '63 minutes');
    $cell->sql("UPDATE pocket_data.block SET created_at = now() - interval '$age{$state}' WHERE encode(hash::bytea, 'hex') = '$hash'");
    is($cell->sql("SELECT remaining FROM pocket.progress WHERE duty = 'watch'"), '1', 'progress knows what is due');
    my $done = $cell->sql("SELECT done FROM pocket.progress WHERE duty = 'watch'");
    is($cell->sql("SELECT done FROM pocket.coordinate('watch')"), '1', 'one block is due, at one age') or diag($cell->sql('TABLE pocket_data.watch'));
    like(found('watcher'), qr{^\S+ on drive $has[-1][0]: 1 of its blocks could not be read back: .*$}, "$state: the watcher names the drive");
    is($cell->sql("SELECT done FROM pocket.coordinate('watch')"), '0', 'and reads it once at this age');
    is($cell->sql("SELECT done - $done || ' ' || remaining FROM pocket.progress WHERE duty = 'watch'"), '1 0', 'progress counts it');
    heal();
    nothing('when that was healed');

    $cell->encode_all if $state eq 'replicated';
    is($cell->sql("SELECT count(*) FROM pocket.volumes WHERE state = 'sealed'"), '0', 'encoded') if $state eq 'replicated';
    heal();
}

# --- rows that are wrong, and drives that are right ---
my ($bucket, $offset, $hash) = a_block('length < 5000');
my %wrong = ('"offset" = "offset" + 64' => qr/there is no record/, 'length = length + 1' => qr/another length/, 'crc32c = crc32c # 1' => qr/another checksum/,
    "hash = sha256('other')::pocket.sha256" => qr/another block/);
for my $set (sort keys %wrong)
{
    $cell->sql("CREATE TABLE saved AS SELECT * FROM pocket_data.block WHERE encode(hash::bytea, 'hex') = '$hash'; UPDATE pocket_data.block SET $set WHERE encode(hash::bytea, 'hex') = '$hash'");
    index_again();
    like(found('index'), $wrong{$set}, "a row with $set");
    heal();
    like(found('index'), $wrong{$set}, 'stays told, since no repair can heal a row');
    is($cell->sql("SELECT count(*) FROM pocket.extents WHERE state <> 'ok'"), '0', 'and no drive is blamed for it');
    $cell->sql("DELETE FROM pocket_data.block b USING saved s WHERE b.bucket_id = s.bucket_id AND abs(b.\"offset\" - s.\"offset\") <= 64 AND b.created_at = s.created_at AND b.stored_length = s.stored_length AND (encode(b.hash::bytea, 'hex') = '$hash' OR b.hash OPERATOR(pocket.=) sha256('other')::pocket.sha256); INSERT INTO pocket_data.block TABLE saved; DROP TABLE saved");
    index_again();
    nothing('when the row is right again');
}
$cell->sql("INSERT INTO pocket_data.block SELECT hash, 77, \"offset\", stored_length, length, crc32c, state, created_at FROM pocket_data.block LIMIT 1");
index_again();
is(found('index'), 'bucket 77: block rows name it, and there is no such bucket', 'a row of a bucket that is not there');
$cell->sql('DELETE FROM pocket_data.block WHERE bucket_id = 77');
index_again();
nothing('without it');

# --- what namespaces say that they hold ---
my @defects = (
    [ 'UPDATE pocket_data.holder SET files = files + 1 WHERE hash OPERATOR(pocket.=) (SELECT max(hash) FROM pocket_data.holder)', 'UPDATE pocket_data.holder SET files = files - 1 WHERE hash OPERATOR(pocket.=) (SELECT max(hash) FROM pocket_data.holder)', qr/1 blocks are not held as often as the journal has them; the first, [0-9a-f]{64}: 2 instead of 1/ ],
    [ 'CREATE TABLE saved AS SELECT * FROM pocket_data.holder LIMIT 1; DELETE FROM pocket_data.holder USING saved WHERE holder.hash OPERATOR(pocket.=) saved.hash', 'INSERT INTO pocket_data.holder TABLE saved; DROP TABLE saved', qr/0 instead of 1/ ],
    [ 'CREATE TABLE saved AS SELECT * FROM pocket_data.block LIMIT 1; DELETE FROM pocket_data.block USING saved WHERE block.hash OPERATOR(pocket.=) saved.hash', 'INSERT INTO pocket_data.block TABLE saved; DROP TABLE saved', qr/1 blocks that it holds have no row in the index/ ],
    [ 'UPDATE pocket_data.namespace SET mounts = 3', 'UPDATE pocket_data.namespace SET mounts = 0', qr/3 mount points are counted, and there are 0/ ]);
for my $defect (@defects)
{
    my ($plant, $mend, $like) = @$defect;
    $plant =~ s/max\(hash\)/hash/; $mend =~ s/max\(hash\)/hash/;
    s/SELECT hash FROM pocket_data.holder\)/SELECT hash FROM pocket_data.holder ORDER BY hash USING OPERATOR(pocket.<) LIMIT 1)/ for $plant, $mend;
    $cell->sql($plant);
    index_again();
    like(found('index'), qr/^namespace app: .*$like/, "a count that is wrong is told: $like");
    $cell->sql($mend);
    index_again();
    nothing('when it is right');
}

# --- strays: what a rollback left behind is told when it has been there for a while ---
$cell->sql("SELECT pocket.put('app:/more/' || i, (SELECT string_agg(sha512((i || '+' || g)::bytea), ''::bytea) FROM generate_series(1, 15000) g)) FROM generate_series(1, 3) i");
$cell->sql('SELECT pocket.seal()');
heal();
my ($third) = split /\n/, $cell->sql("SELECT volume_id FROM pocket.volumes WHERE state = 'sealed' AND code = 'replicated' ORDER BY 1");
# as when a repair is forgotten: the volume has one member less, and the others know
$cell->sql("UPDATE pocket_data.volume SET generation = generation + 1000000, changed = pg_current_xact_id() WHERE volume_id = $third; INSERT INTO pocket_data.intent (duty, volume_id, at) VALUES ('settle', $third, now()); DELETE FROM pocket_data.extent WHERE volume_id = $third AND position = 2");
heal();
$cell->sql('UPDATE pocket_data.drive SET listed_at = NULL');
$cell->sql("SELECT * FROM pocket.coordinate('referee')");
nothing('wrong with what was left behind just now');
is($cell->sql("SELECT count(*) FROM pocket_data.finding WHERE verifier = 'referee'"), '1', 'but the referee knows it');
$cell->sql("UPDATE pocket_data.finding SET told_from = told_from - interval '1 hour'");
like(found('referee'), qr{b-[0-9a-f]+ on drive \d+: no row names it here: its bucket is in volume $third, on other drives}, 'and tells it after an hour');
my @strays = split /\n/, $cell->sql("SELECT d.path || '/' || f.file FROM pocket_data.finding f JOIN pocket.drives d USING (drive_id)");
$cell->sql("UPDATE pocket_data.finding SET found_at = found_at - interval '1 day'; UPDATE pocket_data.drive SET listed_at = NULL");
heal();
$cell->sql('UPDATE pocket_data.drive SET listed_at = NULL');
heal();
nothing('when a day later it went to the trash');
is(scalar(grep { -e $_ } @strays), 0, 'from where it was');
is($cell->sql('SELECT count(*) FROM pocket_data.trash'), scalar @strays, 'to where it waits');

# --- the trash itself ---
my ($trashed) = split /\n/, `find @{[ join ' ', $cell->drives ]} -path '*/trash/*' -type f`;
$cell->kill_sidecar('TERM');
rename $trashed, "$cell->{dir}/kept" or die "$trashed: $!";
$cell->start_sidecar;
$cell->sql('SELECT pocket.verify_now(); UPDATE pocket_data.finding SET told_from = found_at');
like(found('referee'), qr{^trash/\S+ on drive \d+: it vanished out of the trash$}, 'what vanished out of the trash is told');
$cell->kill_sidecar('TERM');
rename "$cell->{dir}/kept", $trashed or die;
$cell->start_sidecar;
$cell->sql('CREATE TABLE saved AS SELECT * FROM pocket_data.trash; DELETE FROM pocket_data.trash');
$cell->sql('SELECT pocket.verify_now(); UPDATE pocket_data.finding SET told_from = found_at');
like(found('referee'), qr{^trash/\S+ on drive \d+: it lies in the trash, and no row tells it$}m, 'and what lies there without a row');
$cell->sql('INSERT INTO pocket_data.trash TABLE saved; DROP TABLE saved');
nothing('when all are there again') if $cell->sql('SELECT pocket.verify_now()');
$cell->sql("SET pocket.trash_retention = 0; SELECT * FROM pocket.coordinate('trash')");
heal();
is($cell->sql('SELECT count(*) FROM pocket_data.trash'), '0', 'and the inspector lets strays go');

# --- more is lost than the code bears: the files are named, and nothing else suffers ---
$cell->encode_all;
heal();
my ($gone) = a_block('length > 100000 AND bucket_id = (SELECT max(bucket_id) FROM pocket_data.block WHERE length > 100000)');
my $volume = $cell->sql("SELECT volume_id FROM pocket.buckets WHERE bucket_id = $gone");
my @members = map { [ split /\|/ ] } split /\n/, $cell->sql("SELECT bucket_id, d.path || '/' || file FROM pocket.extents e JOIN pocket.drives d USING (drive_id) WHERE volume_id = $volume ORDER BY coalesce(e.bucket_id = $gone, false) DESC, role = 'parity' DESC, position");
unlink $members[$_][1] for 0 .. 2;    # the bucket's own, and both parities
my $lost = $cell->sql("SELECT string_agg(DISTINCT path, E'\n' ORDER BY path) FROM pocket.files f JOIN pocket_data.entry e USING (ns_id, file_id), pocket.blocks(e.blocks) b JOIN pocket_data.block k ON k.hash OPERATOR(pocket.=) b.hash WHERE k.bucket_id = $gone");
isnt($lost, '', 'there are files in it');
$cell->sql('SELECT pocket.verify_now()');
$cell->sql('SELECT * FROM pocket.coordinate()') for 1 .. 3;
is($cell->sql("SELECT string_agg(object, E'\n' ORDER BY object) FROM pocket.verify() WHERE verifier = 'file'"), $lost, 'verify names the files that are lost, and no others') or diag(verify());
is($cell->sql("SELECT value FROM pocket.health WHERE item = 'status'"), 'failed', 'health says so');
my $others = join ' AND ', map { "path <> '$_'" } split /\n/, $lost;
is($cell->sql("SELECT count(*) = sum((length(pocket.get(path)) = size)::int) FROM pocket.files WHERE kind = 'file' AND $others"), 't', 'all others read');
isnt($cell->sql("SELECT (r).outcome FROM pocket.put('app:/new', decode(repeat('ab', 30000), 'hex')) r"), '', 'and what is new is stored');
my ($state) = $cell->error("SELECT pocket.get('" . (split /\n/, $lost)[0] . "')");
is($state, 'PK004', 'a lost file is a clear error');
done_testing();
