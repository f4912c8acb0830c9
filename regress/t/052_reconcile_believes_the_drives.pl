# What rows of placement or of blocks are lost, or of another time than the drives, is made anew from what the drives hold; what rows know
# better stays, stale extents are not believed, nothing is destroyed in a new epoch before, and what drives lack is told.
use strict;
use warnings;
use File::Find qw(find);
use PocketTest;
use Test::More;

my $cell = PocketTest->new('reconciled', drives => 5, conf => "pocket.code = 'rs(2,1)'\npocket.open_buckets = 1\npocket.inline_limit = 0");
$cell->sql("SELECT pocket.create_namespace('app', retention => '0')");
my %files;

sub bytes { my ($seed, $size) = @_; return "(SELECT string_agg(sha256(('$seed' || i)::bytea), '' ORDER BY i) FROM generate_series(1, " . ($size >> 5) . ') i)'; }
sub put { my ($name, $size) = @_; $files{$name} = $size; return $cell->sql("SELECT outcome FROM pocket.put('app:/$name', " . bytes($name, $size) . ')'); }
sub all_read
{
    my ($what) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $reads = join ' || ', map { "CASE WHEN pocket.get('app:/$_') = " . bytes($_, $files{$_}) . " THEN '' ELSE ' $_' END" } sort keys %files;
    my ($rc, $out, $err) = $cell->{server}->psql('postgres', "SELECT $reads");
    is("$rc$out", '0', $what) or diag($err);
    return;
}

my @placement = qw(extent bucket volume drive);
sub lose { $cell->sql(join ';', map { "DELETE FROM pocket_data.$_" } 'intent', 'finding', 'trash', @_); return; }
sub keep { my ($name) = @_; $cell->sql(join ';', map { "CREATE TABLE keep_${name}_$_ AS TABLE pocket_data.$_" } @placement, 'block'); return; }
sub bring_back
{
    my ($name) = @_;
    lose(@placement, 'block');
    $cell->sql(join ';', (map { "INSERT INTO pocket_data.$_ OVERRIDING SYSTEM VALUE TABLE keep_${name}_$_" } qw(drive volume bucket extent block)),
        "UPDATE pocket_data.cell SET reconciled = 'another epoch'");
    return;
}

# Where sealed buckets are, without the numbers of rows.
sub placement
{
    return $cell->sql(<<'SQL');
        SELECT string_agg(concat_ws(' ', v.volume_id, v.code, v.state, v.generation, e.position, e.role, e.bucket_id, d.uuid, e.state, e.length, b.length, b.volume_id), E'\n' ORDER BY v.volume_id, e.position)
        FROM pocket_data.volume v JOIN pocket_data.extent e USING (volume_id) LEFT JOIN pocket_data.drive d USING (drive_id) LEFT JOIN pocket_data.bucket b USING (bucket_id) WHERE v.state <> 'open' AND NOT (v.code = 'replicated' AND e.length = 0)
SQL
}

sub files
{
    my @found;
    find(sub { push @found, $File::Find::name if $File::Find::name =~ m{/(extents/../|trash/)[bp]-} }, $cell->drives);
    return join "\n", sort @found;
}

# --- coded, sealed and open buckets, whose rows are lost ---

put("coded$_", 100000 * $_) for 1 .. 3;
$cell->encode_all;
put('coded too', 300000);
$cell->encode_all;
put('sealed', 150000);
$cell->sql('SELECT pocket.seal()');
put('open', 70000);
is($cell->sql("SELECT string_agg(state || ' ' || n, ', ' ORDER BY state) FROM (SELECT state, count(*) AS n FROM pocket_data.volume GROUP BY state) v") =~ /coded \d+, open 1, sealed \d+/ ? 1 : 0, 1, 'volumes of each kind');
my $before = placement();
is($cell->sql('SELECT count(*) FROM pocket.reconcile()'), '0', 'nothing is lacking');
is(placement(), $before, 'and nothing changes');

lose(@placement);
$cell->fails("SELECT pocket.get('app:/coded1')", 'PK004', qr/lost/, 'without placement nothing is read');
is($cell->sql('BEGIN; SELECT count(*) FROM pocket.reconcile(); ROLLBACK'), '0', 'reconciled, and rolled back');
is($cell->sql('SELECT object, problem FROM pocket.reconcile()'), '', 'reconciled');
all_read('every file reads back');
is(placement(), $before, 'placement is what it was');
is($cell->sql('SELECT count(*) FROM pocket.reconcile()'), '0', 'again');
is(placement(), $before, 'which changes nothing');
is(put('after', 90000), 'created', 'blocks are stored again');
$cell->coordinate;
is($cell->sql('SELECT object, problem FROM pocket.verify()'), '', 'nothing is wrong');
is($cell->sql('SELECT count(*) FROM pocket_data.found') . $cell->sql('SELECT count(*) FROM pocket_data.survey'), '00', 'what was read is forgotten');

# --- block rows too; pass by pass ---

$cell->sql('SELECT pocket.seal()');
$cell->coordinate;
$before = placement();
my $blocks = $cell->sql('SELECT count(DISTINCT hash) FROM pocket_data.block');
lose(@placement, 'block');
like($cell->sql('SELECT object FROM pocket.reconcile()') || 'none', qr/^none$/, 'reconciled');
is($cell->sql('SELECT count(DISTINCT hash) FROM pocket_data.block'), $blocks, 'each block that somebody holds has its row');
all_read('every file reads back without its block rows');
is(placement(), $before, 'from where it was');
$cell->sql("DELETE FROM pocket_data.block; UPDATE pocket_data.cell SET reconciled = 'another epoch'");
ok($cell->coordinate, 'passes do the same');
all_read('every file reads back');
is($cell->sql("SELECT reconciled = incarnation || '/1', reconciling IS NULL FROM pocket_data.cell"), 't|t', 'and it is noted for which epoch');

# --- rows from before encoding, over the drives as they are ---

put("then$_", 120000 * $_) for 1 .. 2;
$cell->sql('SELECT pocket.seal()');
keep('then');
$cell->encode_all;
$before = placement();
isnt($before, $cell->sql('SELECT 1'), 'encoded');
my $kept = files();
bring_back('then');
isnt(placement(), $before, 'rows of placement from before that');
ok($cell->coordinate, 'the coordinator reconciles by itself');
is(placement(), $before, 'to what the drives have');
all_read('every file of then reads back');
is($cell->sql('SELECT object, problem FROM pocket.verify()'), '', 'nothing is wrong');

# --- an encoding that was rolled back has left parities ---

put('rolled back', 200000);
$cell->sql('SELECT pocket.seal()');
$before = placement();
cmp_ok($cell->sql('BEGIN; SELECT pocket.encode(); ROLLBACK'), '>', 0, 'an encoding is rolled back');
lose(@placement);
$cell->sql('SELECT pocket.reconcile()');
is(placement(), $before, 'its volume is not believed');

# --- a drive that is silent while others are read; an extent that is shorter than another of its bucket ---

lose(@placement);
$cell->sql('SELECT pocket.reconcile()');
my $bucket = $cell->sql("SELECT e.bucket_id FROM pocket_data.extent e JOIN pocket_data.volume v USING (volume_id) WHERE v.code = 'replicated' AND e.length > 0 LIMIT 1");
$cell->sql("DELETE FROM pocket_data.extent WHERE bucket_id = $bucket; DELETE FROM pocket_data.bucket WHERE bucket_id = $bucket; UPDATE pocket_data.cell SET reconciled = 'another epoch'");
$cell->sql("INSERT INTO pocket_data.drive (uuid, node_id, path, state, capacity, available, used, seen_at) SELECT gen_random_uuid(), node_id, '', 'silent', 0, 0, 0, now() FROM pocket_data.node");
is($cell->sql("SELECT remaining FROM pocket.coordinate('reconcile')"), '1', 'a pass waits for it');
is($cell->sql("SELECT done || ' ' || remaining FROM pocket.progress WHERE duty = 'reconcile'"), '5 1', 'progress tells');
my ($short, $length) = split /\|/, $cell->sql("UPDATE pocket_data.found SET length = length - 64 WHERE kind = 'bucket' AND id = $bucket AND drive_id = (SELECT min(drive_id) FROM pocket_data.found WHERE kind = 'bucket' AND id = $bucket) RETURNING drive_id, length");
$cell->sql("UPDATE pocket_data.drive SET state = 'failed' WHERE state = 'silent'");
is($cell->sql("SELECT remaining FROM pocket.coordinate('reconcile')"), '0', 'the next one does without it, when it has failed');
is($cell->sql("SELECT state, problem FROM pocket_data.extent WHERE bucket_id = $bucket AND drive_id = $short"), "damaged|it has $length bytes, not " . ($length + 64), 'an extent that is shorter is none');
is($cell->sql("SELECT count(*) FROM pocket_data.extent WHERE bucket_id = $bucket AND state = 'ok' AND drive_id <> $short"), '1', 'the other one is');
$cell->coordinate;
$cell->sql("DELETE FROM pocket_data.drive WHERE path = ''");
all_read('every file reads back');
is($cell->sql('SELECT object, problem FROM pocket.verify()'), '', 'nothing is wrong');

# --- rows that know better ---

my $newer = $cell->sql("UPDATE pocket_data.volume SET generation = generation + 1 WHERE volume_id = (SELECT min(volume_id) FROM pocket_data.volume WHERE state = 'coded') RETURNING volume_id");
$before = placement();
is($cell->sql('SELECT object, problem FROM pocket.reconcile()'), '', 'reconciled');
is(placement(), $before, 'a volume of a higher generation than slots tell stays as rows have it');
is($cell->sql("SELECT count(*) FROM pocket_data.intent WHERE duty = 'settle' AND volume_id = $newer"), '1', 'and the slots are told');
ok($cell->coordinate, 'which is done');

# --- nothing is destroyed before ---

put('surplus', 200000);
$cell->sql('SELECT pocket.seal()');
$cell->sql('SELECT pocket.encode()');
$cell->sql("SELECT * FROM pocket.coordinate('settle')") for 1 .. 2;
put('surplus2', 200000);
$cell->sql('SELECT pocket.seal()');
$cell->sql('SELECT pocket.encode()');
cmp_ok($cell->sql("SELECT count(*) FROM pocket_data.intent WHERE duty IN ('drop', 'trash')"), '>', 0, 'there are replicas to be dropped');
$cell->sql("UPDATE pocket_data.cell SET reconciled = 'another epoch'");
$kept = files();
$cell->sql("SELECT * FROM pocket.coordinate('$_')") for qw(settle settle reclaim trash settle);
is(files(), $kept, 'in a new epoch none is');
$cell->kill_sidecar('TERM');
$cell->sql("SELECT * FROM pocket.coordinate('$_')") for qw(check reconcile);
is($cell->sql('SELECT reconciled FROM pocket_data.cell'), 'another epoch', 'silent drives are waited for');
$cell->start_sidecar;
$cell->coordinate;
isnt(files(), $kept, 'when reconciled they are');
all_read('every file reads back');

# --- stale extents ---

my @drives = $cell->drives;
$cell->{server}->append_conf('postgresql.conf', "pocket.drive_timeout = '1s'");
$cell->{server}->reload;
$cell->kill_sidecar('TERM');
$cell->set_drives('one', @drives[ 1 .. 4 ]);
$cell->start_sidecar;
$cell->sql('SELECT pocket.repair()');
$cell->coordinate;
like($cell->sql("SELECT string_agg(DISTINCT state, ',') FROM pocket_data.drive"), qr/failed/, 'a drive is gone');
is($cell->sql("SELECT count(*) FROM pocket_data.extent e JOIN pocket_data.drive d USING (drive_id) WHERE d.state = 'failed'"), '0', 'what it had was made anew');
$before = placement();
$cell->kill_sidecar('TERM');
$cell->set_drives('one', @drives);
$cell->start_sidecar;
lose(@placement);
$cell->sql('SELECT * FROM pocket.reconcile()');
is(placement(), $before, 'a drive comes back, all rows are lost: what it holds is not believed');
all_read('every file reads back');

# --- the trash ---

$cell->sql('SELECT pocket.seal()');
for my $name ('trashed', 'trashed too')
{
    put($name, 250000);
    $cell->encode_all;
}
keep('full');
$cell->sql('CREATE TABLE keep_holder AS TABLE pocket_data.holder');
$cell->sql("SELECT pocket.rm('app:/trashed'), pocket.rm('app:/trashed too'); SELECT pocket.mkdir('app:/later'); SELECT pocket.retain()");
for (1 .. 4) { $cell->sql("UPDATE pocket_data.bucket SET sealed_at = sealed_at - interval '2 days'"); $cell->sql('SELECT pocket.reclaim()'); }
$cell->coordinate;
my ($one, $two) = split /\n/, $cell->sql('SELECT DISTINCT bucket_id FROM keep_full_block EXCEPT SELECT bucket_id FROM pocket_data.block');
my ($trashed, $too) = map { sprintf 'trash/b-%016x', $_ } $one, $two;
like(files(), qr{/$_$}m, 'a bucket is in the trash') for $trashed, $too;
$cell->sql('CREATE TABLE keep_trash AS TABLE pocket_data.trash');
$cell->sql('DELETE FROM pocket_data.holder; INSERT INTO pocket_data.holder TABLE keep_holder');
bring_back('full');
$cell->sql('INSERT INTO pocket_data.trash TABLE keep_trash');
my $rows = 'SELECT count(*) FROM pocket_data.trash t WHERE EXISTS (SELECT FROM pocket_data.extent e WHERE e.bucket_id = t.bucket_id AND e.drive_id = t.drive_id)';
cmp_ok($cell->sql($rows), '>', 0, 'rows know it');
my $parities = $cell->sql("SELECT count(*) FROM pocket_data.extent WHERE role = 'parity'");
$cell->sql("CREATE TABLE lost AS SELECT volume_id FROM pocket_data.bucket WHERE bucket_id = $two; DELETE FROM pocket_data.extent WHERE volume_id IN (TABLE lost); DELETE FROM pocket_data.bucket WHERE volume_id IN (TABLE lost); DELETE FROM pocket_data.volume WHERE volume_id IN (TABLE lost)");
is($cell->sql('SELECT object, problem FROM pocket.reconcile()'), '', 'rows of before, which need them, or of blocks alone');
unlike(files(), qr{/$_$}m, 'bring it back') for $trashed, $too;
is($cell->sql("SELECT count(*) FROM pocket_data.extent WHERE role = 'parity'"), $parities, 'and all of its volume');
is($cell->sql($rows), '0', 'also in the rows');
is($cell->sql('SELECT count(*) > 0 FROM pocket_data.extent WHERE scrubbed_at IS NULL'), 't', 'to be scrubbed');
is($cell->sql('SELECT count(*) FROM pocket_data.block b LEFT JOIN pocket_data.bucket k USING (bucket_id) WHERE k.bucket_id IS NULL'), '0', 'each block has its place');
delete @files{'trashed', 'trashed too'};
all_read('every file reads back');

# --- rows of blocks were lost, and what is retired when no row names it was retired ---

$cell->sql('DROP TABLE keep_holder; SELECT pocket.seal()');
$cell->coordinate;
$cell->sql("DELETE FROM pocket_data.block; UPDATE pocket_data.bucket SET sealed_at = sealed_at - interval '2 days'; SELECT pocket.reclaim()");
$cell->sql("SELECT pocket.coordinate('settle')");
like($cell->sql("SELECT string_agg(DISTINCT state, ' ') FROM pocket_data.volume"), qr/^open retired$/, 'every sealed volume retires');
cmp_ok($cell->sql('SELECT count(*) FROM pocket_data.trash WHERE bucket_id <> 0'), '>', 2, 'into the trash');
$kept = files();
$cell->sql("SET client_min_messages = error; SET pocket.trash_retention = 0; SELECT pocket.coordinate('$_')") for qw(trash settle trash settle);
like($cell->sql("SELECT string_agg(DISTINCT problem, ' ') FROM pocket_data.trash"), qr/is held, and not safe elsewhere/, 'where the inspector keeps what is held');
$cell->sql("DELETE FROM pocket_data.intent; INSERT INTO pocket_data.intent (duty, drive_id, bucket_id, volume_id, at, generation) SELECT 'trash', drive_id, bucket_id, volume_id, now(), 1000000 FROM pocket_data.trash WHERE bucket_id <> 0 LIMIT 1");
is($cell->sql('BEGIN; SELECT object, problem FROM pocket.reconcile(); ROLLBACK'), '', 'reconciled, and rolled back');
is($cell->sql('SELECT object, problem FROM pocket.reconcile()'), '', 'reconciled');
is($cell->sql("SELECT count(*) FROM pocket_data.volume WHERE state = 'retired'") . $cell->sql("SELECT count(*) FROM pocket_data.bucket WHERE state = 'retired'"), '00', 'they are retired no more');
all_read('every file reads back');
$cell->coordinate;
all_read('and is not trashed by what was intended before');
$cell->sql("UPDATE pocket_data.bucket SET sealed_at = sealed_at - interval '2 days'; SELECT pocket.reclaim()");
$cell->coordinate;
is($cell->sql('SELECT object, problem FROM pocket.verify()'), '', 'nothing is wrong');
all_read('what is needed stays');

# --- what was replicated then, and was coded and trashed since, its surplus dropped; also when the one extent that was left is lost,
# and when nothing but a parity is left ---

sub volume_of { my ($name) = @_; return $cell->sql("SELECT DISTINCT b.volume_id FROM pocket_data.entry e CROSS JOIN LATERAL pocket.blocks(e.blocks) x JOIN pocket_data.block k ON k.hash OPERATOR(pocket.=) x.hash JOIN pocket_data.bucket b USING (bucket_id) WHERE e.name = '$name'"); }
for my $case ('there', 'lost', 'single')
{
    $cell->sql('SELECT pocket.seal()');
    $cell->coordinate;
    put($case, 260000);
    $cell->sql('SELECT pocket.seal()');
    keep($case);
    $cell->sql('DROP TABLE IF EXISTS keep_holder; CREATE TABLE keep_holder AS TABLE pocket_data.holder');
    put('of later', 250000) if $case ne 'single';
    $cell->encode_all;
    my $coded = volume_of($case);
    is($cell->sql("SELECT count(*) FROM pocket_data.bucket WHERE volume_id = $coded") . $cell->sql("SELECT code FROM pocket_data.volume WHERE volume_id = $coded"), $case eq 'single' ? '1rs(2,1)' : '2rs(2,1)', "$case: it is coded");
    my $path = $cell->sql("SELECT d.path FROM pocket_data.extent e JOIN pocket_data.drive d USING (drive_id) JOIN keep_${case}_block k USING (bucket_id) WHERE e.volume_id = $coded LIMIT 1");
    $cell->sql("SELECT pocket.rm('app:/$case')" . ($case eq 'single' ? '' : ", pocket.rm('app:/of later')") . "; SELECT pocket.mkdir('app:/later than $case'); SELECT pocket.retain()");
    for (1 .. 4) { $cell->sql("UPDATE pocket_data.bucket SET sealed_at = sealed_at - interval '2 days'"); $cell->sql('SELECT pocket.reclaim()'); }
    $cell->coordinate;
    my $members = $cell->sql("SELECT count(*) FROM pocket_data.trash WHERE volume_id = $coded");
    is($members, $case eq 'single' ? '2' : '3', "$case: all of that volume is in the trash");
    delete $files{'of later'};
    $cell->sql('DELETE FROM pocket_data.holder; INSERT INTO pocket_data.holder TABLE keep_holder');
    if ($case ne 'there')
    {
        $cell->kill_sidecar('TERM');
        $cell->set_drives('one', grep { $_ ne $path } $cell->drives);
        $cell->start_sidecar;
    }
    bring_back($case);
    for (1 .. 300)
    {
        $cell->sql("SELECT * FROM pocket.coordinate('check')");
        last if $case eq 'there' || $cell->sql("SELECT state FROM pocket_data.drive WHERE path = '$path'") eq 'failed';
        select undef, undef, undef, 0.1;
    }
    is($cell->sql('SELECT object, problem FROM pocket.reconcile()'), '', "$case: nothing is lacking");
    put($case, 260000);    # its namespace holds the block: only the entry is new
    is(volume_of($case), $coded, "$case: its volume comes back");
    all_read("$case: every file reads back");
    $before = placement();
    $cell->sql('SELECT pocket.reconcile()');
    is(placement(), $before, "$case: again, which changes nothing");
    $cell->coordinate;
    is($cell->sql("SELECT count(*) FROM pocket_data.extent e JOIN pocket_data.drive d USING (drive_id) WHERE e.volume_id = $coded AND e.state = 'ok' AND d.state = 'ok'"), $members, "$case: and is made whole");
    is($cell->sql('SELECT object, problem FROM pocket.verify()'), '', "$case: nothing is wrong");
}

# --- what drives lack ---

my $victim = $cell->sql("SELECT bucket_id FROM pocket_data.extent WHERE role <> 'parity' AND bucket_id IS NOT NULL AND length > 0 ORDER BY bucket_id LIMIT 1");
my $volume = $cell->sql("SELECT volume_id FROM pocket_data.bucket WHERE bucket_id = $victim");
my @names = split /\n/, $cell->sql("SELECT pocket.extent_file(e.role, CASE e.role WHEN 'parity' THEN e.volume_id ELSE e.bucket_id END, e.position) FROM pocket_data.extent e WHERE e.volume_id = $volume AND e.drive_id IS NOT NULL");
my @gone = grep { my $file = $_; grep { $file =~ m{/$_$} } @names } split /\n/, files();    # stale ones too
$cell->kill_sidecar('TERM');
is(unlink(@gone), scalar @gone, 'a whole volume is destroyed');
$cell->start_sidecar;
like($cell->sql('SELECT object, problem FROM pocket.reconcile()'), qr/^extents.* on drive \d+\|its drive does not have it$/m, 'its extents are told');
lose(@placement);
like($cell->sql('SELECT object, problem FROM pocket.reconcile()'), qr/^bucket $victim\|\d+ block rows point into it, and no drive has it$/m, 'or its bucket, when nothing tells of it');
lose(@placement, 'block');
like($cell->sql('SELECT object, problem FROM pocket.reconcile()'), qr/^block [0-9a-f]{64}\|1 namespaces hold it, and no drive tells that it has it$/m, 'or its blocks');
done_testing();
