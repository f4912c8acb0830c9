# pocketd is killed (-9) again and again while files come in: what was committed reads back, what was not is not there, and the
# import goes on where it stopped.
use strict;
use warnings;
use PocketTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);

my $cell = PocketTest->new('kill', drives => 4, conf => "pocket.bucket_size = '64MB'");
$cell->sql("SELECT pocket.create_namespace('docs', case_sensitive => true)");
my $tree = $cell->make_tree('tree', 2);
$cell->write_random("$tree/sub/more$_", 20_000 + 977 * $_, "more$_") for 1 .. 300;
$cell->write_random("$tree/big$_", 9_000_000, "big$_") for 1 .. 4;

my $interrupted = 0;
for my $round (1 .. 6)
{
    my ($out, $err) = ('', '');
    my $import = IPC::Run::start([ $PocketTest::POCKET, '-d', $cell->{server}->connstr('postgres'), 'import', $tree, 'docs:/' ],
        '<', \undef, '>', \$out, '2>', \$err);
    sleep 0.05 + 0.12 * $round;
    $cell->kill_sidecar('KILL');
    $interrupted++ unless $import->finish;
    my $seconds = $cell->start_sidecar;
    # Everything that is committed must read, now.
    is($cell->sql("SELECT count(*) FROM pocket.ls('docs:/', true) f, LATERAL pocket.get(f.path) c WHERE f.kind = 'file' AND length(c) <> f.size"),
        '0', "round $round: every committed file reads");
}
cmp_ok($interrupted, '>', 0, 'some import was interrupted');

my ($status, $out, $err) = $cell->pocket('import', $tree, 'docs:/');
is($status, 0, 'the last import ends') or diag("$out\n$err");
($status, $out, $err) = $cell->pocket('export', 'docs:/', "$cell->{dir}/export");
is($status, 0, 'export') or diag("$out\n$err");
is($cell->compare_trees($tree, "$cell->{dir}/export"), '', 'every byte is back');

($status, $out, $err) = $cell->pocket('--json', 'import', $tree, 'docs:/');
like($out, qr/"sent_files":\s*0\b/, 'a second import sends nothing') or diag("$out\n$err");

# The replicas of what was open at a kill are one content.
$cell->sql('SELECT pocket.seal()');
my %bytes;
for my $line (split /\n/, $cell->sql("SELECT volume_id || '|' || path || '/' || file || '|' || length FROM pocket.extents JOIN pocket.drives USING (drive_id)"))
{
    my ($volume, $file, $length) = split /\|/, $line;
    open my $in, '<', $file or die "$file: $!";
    binmode $in;
    seek $in, 16384, 0;
    my $content = '';
    read $in, $content, $length;
    $bytes{$volume}{$content}++;
}
is((grep { keys %$_ != 1 } values %bytes), 0, 'replicas are identical');
is($cell->kill_sidecar('TERM'), 0, 'pocketd stops cleanly');
my ($check_out, $check_err) = ('', '');
IPC::Run::run([ $PocketTest::POCKETD, 'check', map { ('--drive', $_) } $cell->drives ], '>', \$check_out, '2>', \$check_err);
is($?, 0, 'pocketd check finds nothing wrong') or diag($check_out . $check_err);
done_testing();
