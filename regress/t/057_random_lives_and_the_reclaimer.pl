# Several sessions put, copy, remove, purge, roll back and prepare at random, with few contents, so that all share blocks; meanwhile one seals, encodes, retains,
# reclaims, compacts, trashes and empties the trash at once, and one reads by long snapshots.  At the end every revision that is kept
# reads back, holders are what a recount gives, no row is left that nobody holds, and nothing is wrong.
use strict;
use warnings;
use PocketTest;
use Test::More;

my $rounds = $ENV{POCKET_ROUNDS} // 1;
my $steps  = 60;
my $seed   = $ENV{POCKET_SEED} // 77;
my $cell   = PocketTest->new('lives', drives => 4, conf => "pocket.code = 'rs(2,1)'\npocket.replicas = 2\npocket.open_buckets = 2\npocket.bucket_size = '256kB'\nmax_prepared_transactions = 20\n"
    . "pocket.inline_limit = 0\npocket.trash_retention = 0\npocket.compact_below = 90\ndeadlock_timeout = '100ms'");
my $server = $cell->{server};
$cell->sql("SELECT pocket.create_namespace('a', retention => '0'), pocket.create_namespace('b', retention => '1 day')");
srand $seed;
sub pick { return $_[ int rand @_ ] }

# Of 24 contents of up to 20 kB.
sub content { my $n = int rand 24; return "(SELECT string_agg(sha256(('$seed $n ' || j)::bytea), '' ORDER BY j) FROM generate_series(1, " . (10 + 25 * $n) . ') j)'; }
sub path { return pick('a', 'a', 'b') . ':/' . int(rand 3) . '/' . int rand 6; }

sub op
{
    my ($path, $to, $content) = (path(), path(), content());
    return pick(("SELECT pocket.put('$path', $content)") x 5, "SELECT pocket.append('$path', $content)", ("SELECT pocket.rm('$path', true)") x 2, ("SELECT pocket.cp('$path', '$to')") x 2,
        "SELECT pocket.mv('$path', '$to')", "SELECT pocket.purge('$path')", "SELECT pocket.restore('$path', (SELECT max(h.rev) FROM pocket.history('$path') h WHERE h.outcome <> 'deleted' AND random() < 0.8))",
        "SELECT pocket.put_many(ARRAY['$path', '$to'], ARRAY[$content, " . content() . '])');
}

sub life
{
    my ($id) = @_;
    my $level = pick('READ COMMITTED', 'READ COMMITTED', 'REPEATABLE READ');
    my $end   = pick('COMMIT', 'COMMIT', 'ROLLBACK', "PREPARE TRANSACTION '$id';\nSELECT pg_sleep(0.02);\nCOMMIT PREPARED '$id'", "PREPARE TRANSACTION '$id';\nROLLBACK PREPARED '$id'");
    return op() . ";\n" if rand() < 0.4;
    return "BEGIN ISOLATION LEVEL $level;\n" . op() . ";\nSAVEPOINT s;\n" . op() . ";\n" . pick('ROLLBACK TO s', 'RELEASE s') . ";\n" . op() . ";\n$end;\n";
}

# A snapshot that is held while others work reads what it saw at first, each file to its content_hash.
my $bad = "SELECT 'BAD ' || f.path FROM (SELECT * FROM pocket.ls('a:/', true) UNION ALL SELECT * FROM pocket.ls('b:/', true)) f WHERE f.kind = 'file' AND f.size <= 4194304 AND f.content_hash::text <> encode(sha256(sha256(pocket.get(f.path, rev => f.rev))), 'hex')";
my $reading = "BEGIN ISOLATION LEVEL REPEATABLE READ;\n$bad;\nSELECT pg_sleep(0.3);\n$bad;\nCOMMIT;\n";
my $age = "UPDATE pocket_data.bucket SET sealed_at = sealed_at - interval '2 days' WHERE state = 'sealed' AND sealed_at > now() - interval '1 day'";
my @duties = ('SELECT pocket.seal()', $age, 'SELECT pocket.encode()', 'SELECT pocket.retain()', ('SELECT pocket.reclaim()') x 3, 'SELECT pocket.compact()', "SELECT pocket.coordinate('settle')", "SELECT pocket.coordinate('trash')", "SELECT pocket.coordinate('settle')", "BEGIN;\nSELECT pocket.reclaim();\nSELECT pocket.compact();\nSELECT pocket.coordinate('trash');\nROLLBACK");

my $expected = join '|', qw(PK00[123] 42704 42710 42809 22023 2BP01 40P01 40001 25P02 3B001 22004 P0001 42601), '55000: prepared';
my %seen;
for my $round (1 .. $rounds)
{
    my @runs;
    for my $session (1 .. 5)
    {
        my $script = "\\set VERBOSITY verbose\nSET client_min_messages = error;\n";
        if ($session == 5) { $script .= $reading x 6 }
        elsif ($session == 4) { $script .= join '', map { "$_;\n" } (@duties) x 4 }
        else { $script .= life("r$round s$session $_") for 1 .. $steps }
        my ($out, $err) = ('', '');
        my $file = "$cell->{dir}/$round-$session.sql";
        PostgreSQL::Test::Utils::append_to_file($file, $script);
        push @runs, { out => \$out, err => \$err, handle => IPC::Run::start([ 'psql', '-XAtq', '-d', $server->connstr('postgres'), '-f', $file ], '<', \undef, '>', \$out, '2>', \$err) };
    }
    $_->{handle}->finish for @runs;
    is(join('', ${ $runs[4]{out} } =~ /^BAD.*$/mg), '', "round $round: old snapshots read what they saw");
    for my $run (@runs)
    {
        for my $line (grep { /ERROR|FATAL|PANIC/ } split /\n/, ${ $run->{err} })
        {
            my ($state) = $line =~ /(?:ERROR|FATAL|PANIC):\s+(\w+)/;
            $seen{ $state // $line }++;
            fail("round $round: $line") unless $line =~ /ERROR:\s+(?:$expected)/;
        }
    }
    is($cell->sql('SELECT count(*) FROM pg_prepared_xacts'), '0', "round $round: nothing is left prepared");
    is($cell->sql($bad), '', "round $round: every live file reads back");
}
note("seed $seed; errors: " . join ', ', map { "$_ $seen{$_}" } sort keys %seen);

# --- all that is kept, and nothing else ---

is($cell->sql("SELECT string_agg('BAD ' || j.jid, ' ') FROM pocket_data.journal j JOIN pocket_data.namespace n USING (ns_id) JOIN pocket_data.entry e USING (ns_id, file_id)"
        . " WHERE j.kind = 'file' AND j.op <> 'deleted' AND j.name NOT LIKE '/%' AND j.blocks IS NOT NULL"
        . " AND encode(sha256(sha256(pocket.get(pocket.path_of(e.ns_id, e.file_id), rev => j.jid))), 'hex') <> j.content_hash::text"), '', 'every revision that is kept reads back');
is($cell->sql("SELECT count(*) > 20 FROM pocket_data.journal WHERE blocks IS NOT NULL AND name NOT LIKE '/%'"), 't', 'and there are some');
is($cell->sql(<<'SQL'), '', 'holders are what a recount gives');
WITH recount AS (SELECT j.ns_id, b.hash::text AS hash, count(*) AS files
	FROM (SELECT ns_id, blocks, lag(blocks) OVER (PARTITION BY ns_id, file_id ORDER BY jid) AS before FROM pocket_data.journal) j,
		pocket.blocks(pocket.missing(j.blocks, coalesce(j.before, '{}'))) b GROUP BY j.ns_id, b.hash::text),
held AS (SELECT ns_id, hash::text, files FROM pocket_data.holder)
SELECT string_agg(x::text, ' ') FROM ((TABLE held EXCEPT TABLE recount) UNION ALL (TABLE recount EXCEPT TABLE held)) x
SQL
my $dead = 'SELECT count(*) FROM pocket_data.block k WHERE NOT EXISTS (SELECT FROM pocket_data.holder h WHERE h.hash::text = k.hash::text AND h.files > 0)';
my $bare = 'SELECT count(*) FROM pocket_data.holder h WHERE NOT EXISTS (SELECT FROM pocket_data.block k JOIN pocket_data.bucket b USING (bucket_id) WHERE h.hash::text = k.hash::text AND b.state <> \'retired\')';
$cell->sql('SELECT pocket.reclaim()') for 1 .. 3;
is($cell->sql($bare) . ' ' . $cell->sql($dead), '0 0', 'what is held has a row, and what has a row is held');
is($cell->sql('SELECT count(*) FROM (SELECT hash::text FROM pocket_data.block GROUP BY 1 HAVING count(*) > 1) d') <= 2 ? 'merged' : 'not merged', 'merged', 'second copies were merged');
for (1 .. 4) { $cell->sql($_) for 'SELECT pocket.seal()', $age, 'SELECT pocket.compact()', 'SELECT pocket.reclaim()', "SELECT pocket.coordinate('settle')", "SELECT pocket.coordinate('trash')", "SELECT pocket.coordinate('settle')" }
is($cell->sql($bad), '', 'after compaction every live file reads back');
$cell->sql('SELECT pocket.encode()');
$cell->sql('SELECT pocket.scrub()');
is($cell->sql('SELECT verifier, object, problem FROM pocket.verify()'), '', 'nothing is wrong');
is($cell->sql("SELECT count(*) > 0 FROM pocket_data.volume WHERE state = 'coded'"), 't', 'and some of it is coded');
done_testing();
