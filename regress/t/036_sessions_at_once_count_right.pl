# Several sessions change two namespaces at random, at once: in savepoints, prepared, cancelled, at any isolation level, while
# retention cuts the journals down.  Afterwards holders, used bytes, entries and journals must be what a recount gives.
use strict;
use warnings;
use PocketTest;
use Test::More;

my $sessions = 4;
my $rounds   = 4;
my $steps    = 60;
my $seed     = $ENV{POCKET_SEED} // 20261;
my $cell     = PocketTest->new('schedule', drives => 3, conf => "max_prepared_transactions = 20\npocket.inline_limit = 0\npocket.code = 'replicated'\npocket.replicas = 1\ndeadlock_timeout = '50ms'");
my $server   = $cell->{server};
$cell->sql("SELECT pocket.create_namespace('$_')") for 'a', 'b';

# Files of several blocks: of one byte each, made by hand, which cp, mv, restore and rewind carry about.
$cell->sql(<<'SQL');
SET pocket.inline_limit = 100;
SELECT count(pocket.put(n || ':/' || i % 3 || '/' || i % 4 || '/f', substr('abcdefghijklmnopqrst', i, 1 + i % 5)::bytea)) FROM generate_series(1, 20) i, unnest('{a,b}'::text[]) n;
CREATE TABLE made AS SELECT j.inline, (SELECT ('{' || string_agg(encode(sha256(substr(j.inline, i, 1)), 'hex') || ':1', ',' ORDER BY i) || '}')::pocket.blocklist
	FROM generate_series(1, length(j.inline)) i) AS blocks FROM (SELECT DISTINCT inline FROM pocket_data.journal WHERE inline <> '') j;
UPDATE pocket_data.entry e SET blocks = m.blocks, inline = NULL FROM made m WHERE m.inline = e.inline;
UPDATE pocket_data.journal j SET blocks = m.blocks, inline = NULL FROM made m WHERE m.inline = j.inline;
INSERT INTO pocket_data.block (hash, bucket_id, "offset", stored_length, length, crc32c, created_at)
	SELECT DISTINCT b.hash, 1, 0, 1, 1, 0, now() FROM made m, pocket.blocks(m.blocks) b;
CREATE VIEW recount AS SELECT j.ns_id, b.hash, count(*) AS files
	FROM (SELECT ns_id, blocks, lag(blocks) OVER (PARTITION BY ns_id, file_id ORDER BY jid) AS before FROM pocket_data.journal) j,
		pocket.blocks(pocket.missing(j.blocks, coalesce(j.before, '{}'))) b
	GROUP BY j.ns_id, b.hash;
INSERT INTO pocket_data.holder TABLE recount;
CREATE VIEW wrong AS
	SELECT 'holder' AS what, h::text FROM ((TABLE pocket_data.holder EXCEPT TABLE recount) UNION ALL (TABLE recount EXCEPT TABLE pocket_data.holder)) h
	UNION ALL SELECT 'used', n::text FROM pocket.namespaces n WHERE used <> (SELECT sum(size) FROM pocket_data.entry e WHERE e.ns_id = n.ns_id)
	UNION ALL SELECT 'entry', e.ns_id || ' ' || e.file_id FROM (SELECT ns_id, file_id, rev, parent_id, name, size, blocks, attributes, version FROM pocket_data.entry
		EXCEPT SELECT ns_id, file_id, jid, parent_id, name, size, blocks, attributes, version FROM pocket_data.journal) e
	UNION ALL SELECT 'not the last row', e.ns_id || ' ' || e.rev FROM pocket_data.entry e WHERE EXISTS (SELECT FROM pocket_data.journal j WHERE j.ns_id = e.ns_id AND j.file_id = e.file_id AND j.jid > e.rev)
	UNION ALL SELECT 'lives in the journal only', j.ns_id || ' ' || j.jid FROM (SELECT DISTINCT ON (ns_id, file_id) * FROM pocket_data.journal ORDER BY ns_id, file_id, jid DESC) j
		WHERE j.op <> 'deleted' AND NOT EXISTS (SELECT FROM pocket_data.entry e WHERE e.ns_id = j.ns_id AND e.rev = j.jid)
	UNION ALL SELECT 'no folder', e.ns_id || ' ' || e.file_id FROM pocket_data.entry e WHERE e.parent_id <> 0
		AND NOT EXISTS (SELECT FROM pocket_data.entry p WHERE p.ns_id = e.ns_id AND p.file_id = e.parent_id AND p.kind = 'folder')
	UNION ALL SELECT 'gap', j.ns_id || ' ' || j.jid FROM (SELECT *, lag(jid) OVER w AS before, lag(at) OVER w AS earlier FROM pocket_data.journal WINDOW w AS (PARTITION BY ns_id ORDER BY jid)) j
		JOIN pocket_data.namespace n USING (ns_id) WHERE j.jid > n.kept_jid + 1 AND j.jid <> j.before + 1 OR j.at < j.earlier
	UNION ALL SELECT 'head', h.ns_id::text FROM pocket_data.namespace_head h WHERE h.jid <> (SELECT max(jid) FROM pocket_data.journal j WHERE j.ns_id = h.ns_id);
SQL
is($cell->sql('TABLE wrong'), '', 'it begins well');

srand($seed);
sub pick { return $_[ int rand @_ ] }

sub path
{
    my ($ns) = @_;
    my $path = pick('a', 'a', 'b') . ':/' . int rand 3;
    $path .= '/' . int rand 4 if rand() < 0.7;
    $path .= '/f' if rand() < 0.6;
    return $path;
}

sub op
{
    my $path = path();
    my $to   = path();
    my $content = 'block ' . int rand 12;
    return pick(
        "SELECT pocket.put('$path', '$content')", "SELECT pocket.put('$path', '$content')", "SELECT pocket.put('$path', '$content', '{}')",
        "SELECT pocket.append('$path', '+')", "SELECT pocket.rm('$path', true)", "SELECT pocket.cp('$path', '$to')", "SELECT pocket.mv('$path', '$to')", "SELECT pocket.mv('$path', '$to')",
        "SELECT pocket.restore('$path', (SELECT max(h.rev) FROM pocket.history('$path') h WHERE h.outcome <> 'deleted' AND random() < 0.8))",
        "SELECT pocket.rewind('$path', clock_timestamp() - random() * interval '1 s')", "SELECT pocket.rewind('" . pick('a:/', 'b:/') . "', clock_timestamp() - random() * interval '1 s')",
        "SELECT pocket.set_attributes('$path', '{\"x\": " . int(rand 5) . "}')", "SELECT pocket.mkdir('$path')",
        "SELECT pocket.put_many(ARRAY['$path', '$to'], ARRAY['$content', 'other']::bytea[])", "SELECT pocket.symlink('$path', 'x')");
}

# One transaction, or several statements that end well or not.
sub life
{
    my ($id) = @_;
    my $level = pick('READ COMMITTED', 'READ COMMITTED', 'REPEATABLE READ', 'SERIALIZABLE');
    my $end   = pick('COMMIT', 'COMMIT', 'COMMIT', 'ROLLBACK', "PREPARE TRANSACTION '$id';\nCOMMIT PREPARED '$id'", "PREPARE TRANSACTION '$id';\nROLLBACK PREPARED '$id'");
    my $lock  = rand() < 0.3 ? "SELECT pocket.lock('{a,b}');\n" : '';
    my $kind  = int rand 6;
    return op() . ";\n" if $kind == 0;
    return "BEGIN ISOLATION LEVEL $level;\n$lock" . op() . ";\n" . op() . ";\n$end;\n" if $kind == 1;
    return "BEGIN ISOLATION LEVEL $level;\n$lock" . op() . ";\nSAVEPOINT s;\n" . op() . ";\nROLLBACK TO s;\n" . op() . ";\n$end;\n" if $kind == 2;
    return "BEGIN;\nSAVEPOINT s;\n" . op() . ";\nROLLBACK TO s;\nSAVEPOINT s;\n" . op() . ";\nRELEASE s;\n" . op() . ";\n$end;\n" if $kind == 3;
    return 'SET statement_timeout = ' . (1 + int rand 8) . ";\n" . op() . ";\n" . op() . ";\nRESET statement_timeout;\n" if $kind == 4;
    return "BEGIN;\nSET LOCAL statement_timeout = 20;\nSAVEPOINT s;\n" . op() . ";\nROLLBACK TO s;\n" . op() . ";\nCOMMIT;\n";
}

# Errors that such a life has; anything else is one of ours.
my $expected = join '|', qw(PK00[1-4] 3B001 42704 42710 42809 22023 2BP01 57014 40P01 40001 25P02 42601 22004), '55000: prepared';
my %seen;
for my $round (1 .. $rounds)
{
    my @runs;
    for my $session (1 .. $sessions)
    {
        my $script = "\\set VERBOSITY verbose\nSET client_min_messages = error;\nSELECT setseed(" . rand() . ");\n";
        $script .= life("r$round s$session $_") for 1 .. $steps;
        $script .= "RESET statement_timeout;\nSELECT pocket.retain();\nSELECT pocket.alter_namespace('b', retention => '" . pick('1 day', '0', '200 ms', '1 s') . "');\n" if $session == 1;
        my ($out, $err) = ('', '');
        my $file = "$cell->{dir}/$round-$session.sql";
        PostgreSQL::Test::Utils::append_to_file($file, $script);
        my %run = (err => \$err);
        $run{handle} = IPC::Run::start([ 'psql', '-XAtq', '-d', $server->connstr('postgres'), '-f', $file ], '<', \undef, '>', '/dev/null', '2>', \$err);
        push @runs, { handle => $run{handle}, err => \$err };
    }
    $_->{handle}->finish for @runs;
    for my $run (@runs)
    {
        for my $line (grep { /ERROR|FATAL|PANIC/ } split /\n/, ${ $run->{err} })
        {
            my ($state) = $line =~ /(?:ERROR|FATAL|PANIC):\s+(\w+)/;
            $seen{ $state // $line }++;
            note("$line") if $ENV{POCKET_SEED} && $line =~ /PK002/;
            fail("round $round: $line") unless $line =~ /ERROR:\s+(?:$expected)/;
        }
    }
    is($cell->sql('SELECT count(*) FROM pg_prepared_xacts'), '0', "round $round: nothing is left prepared");
    is($cell->sql('TABLE wrong'), '', "round $round: all is as a recount gives it");
}
note("seed $seed; errors: " . join ', ', map { "$_ $seen{$_}" } sort keys %seen);
is($cell->sql("SELECT string_agg(op, ',' ORDER BY op) FROM (SELECT DISTINCT op FROM pocket_data.journal) o"), 'copied,created,deleted,moved,restored,updated', 'there was some of everything');
note($cell->sql("SELECT op, count(*) FROM pocket_data.journal GROUP BY 1"));
$cell->sql("SELECT pocket.alter_namespace(n, retention => '0') FROM unnest('{a,b}'::text[]) n");
my $passes = 0;
$passes++ until $passes == 100 || $cell->sql("SELECT sum(done + remaining) FROM pocket.coordinate('retain')") eq '0';    # a pass drops 1,000 rows of a journal
cmp_ok($passes, '<', 100, 'passes of retention end');
is($cell->sql('TABLE wrong'), '', 'and when the journals are as short as they can be');
is($cell->sql('SELECT count(*) FROM pocket_data.journal j JOIN pocket_data.journal later USING (ns_id, file_id) JOIN pocket_data.namespace_head h USING (ns_id) WHERE later.jid > j.jid AND later.jid < h.jid'),
    '0', 'with nothing in them that others have replaced');
done_testing();
