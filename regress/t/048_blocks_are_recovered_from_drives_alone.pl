# pocketd recover: when rows, nodes and some drives are gone, the blocks that the other drives yield come back by their hashes.
use strict;
use warnings;
use Digest::SHA qw(sha256_hex);
use File::Find qw(find);
use File::Path qw(remove_tree);
use IPC::Run ();
use PocketTest;
use Test::More;

my $cell = PocketTest->new('recover', drives => 9, conf => "pocket.code = 'rs(6,3)'\npocket.bucket_size = '1MB'");
my $dir  = $cell->{dir};

# 24 files of random bytes and of text, coded; then some that stay replicated.
$cell->sql("SELECT pocket.create_namespace('a')");
$cell->sql(
    "SELECT count(pocket.put('a:/f' || i, CASE WHEN i % 2 = 0 THEN convert_to(repeat('line ' || i || E'\\n', 20000), 'UTF8')"
      . " ELSE (SELECT string_agg(sha256(convert_to(i || '/' || j, 'UTF8')), '') FROM generate_series(1, 8000) j) END))"
      . " FROM generate_series(1, 24) i");
$cell->sql('SELECT pocket.seal()');
$cell->sql('SELECT pocket.encode()');
$cell->sql('SELECT pocket.coordinate()') for 1 .. 3;
cmp_ok($cell->sql("SELECT count(*) FROM pocket.volumes WHERE state = 'coded'"), '>', 0, 'some volumes are coded');
$cell->sql(
    "SELECT count(pocket.put('a:/late' || i, (SELECT string_agg(sha256(convert_to('late' || i || '/' || j, 'UTF8')), '')"
      . " FROM generate_series(1, 1000) j))) FROM generate_series(1, 4) i");
my %wanted = map { split /\|/ } split /\n/, $cell->sql('SELECT DISTINCT hash::text, length FROM pocket_data.block');
cmp_ok(scalar keys %wanted, '>', 20, 'there are blocks');
$cell->kill_sidecar('KILL');
my @drives = $cell->drives;

sub recover
{
    my ($to, @of) = @_;
    my ($out, $err) = ('', '');
    IPC::Run::run([ $PocketTest::POCKETD, 'recover', '--keys', $cell->{keys}, (map { ('--drive', $_) } @of), '--to', $to ], '>', \$out, '2>', \$err);
    return ($? >> 8, $out, $err);
}

# What is in a directory, by name; dies for a file that is not what its name says.
sub recovered
{
    my ($to) = @_;
    my %files;
    find(
        {
            no_chdir => 1,
            wanted   => sub {
                return if -d $_;
                open my $in, '<:raw', $_ or die "$_: $!";
                my $bytes = do { local $/; <$in> };
                my ($name) = m{/([0-9a-f]{64})$} or die "an unexpected file $_";
                die "$_ has other bytes" if sha256_hex($bytes) ne $name;
                $files{$name} = length $bytes;
            }
        },
        $to);
    return %files;
}

my ($status, $out, $err) = recover("$dir/all", @drives);
is($status, 0, 'from all drives') or diag "$out$err";
is_deeply({ recovered("$dir/all") }, \%wanted, 'every block comes back');
($status, $out) = recover("$dir/all", @drives);
like($out, qr/ 0 blocks, 0 bytes written/, 'a second time nothing is written');

($status, $out, $err) = recover("$dir/six", @drives[ 3 .. 8 ]);
is($status, 0, 'from what rs(6,3) needs') or diag "$out$err";
is_deeply({ recovered("$dir/six") }, \%wanted, 'every block comes back by decoding');

# A file that is no block is written again, and one more lost drive is more than the code bears.
my ($first) = sort keys %wanted;
my $damaged = "$dir/six/" . substr($first, 0, 2) . "/$first";
open my $spoil, '+<:raw', $damaged or die; print {$spoil} 'x'; close $spoil or die;
($status, $out) = recover("$dir/six", @drives[ 3 .. 8 ]);
like($out, qr/ 1 blocks, [0-9]+ bytes written/, 'what is there and is not what its name says is written again');
is_deeply({ recovered("$dir/six") }, \%wanted, 'and right then');

($status, $out, $err) = recover("$dir/five", @drives[ 4 .. 8 ]);
is($status, 1, 'from fewer drives than that the exit status tells that something is missing');
like($out, qr/not all of it can be read|nothing yields this block/, 'and the lines what');
my %five = recovered("$dir/five");
cmp_ok(scalar keys %five, '>', 0, 'the others come back');
cmp_ok(scalar keys %five, '<', scalar keys %wanted, 'and no more than are there');

is((recover("$dir/file", "$dir/no-such-drive"))[0], 0, 'no drive yields nothing');
{
    my ($out, $err) = ('', '');
    IPC::Run::run([ $PocketTest::POCKETD, 'recover', '--keys', $cell->{keys}, '--drive', $drives[0] ], '>', \$out, '2>', \$err);
    is($? >> 8, 2, 'without --to it is no command');
    open my $keys, '>', "$dir/other-keys" or die; print {$keys} '1 ' . 'ab' x 32 . "\n"; close $keys or die; chmod 0600, "$dir/other-keys";
    IPC::Run::run([ $PocketTest::POCKETD, 'recover', '--keys', "$dir/other-keys", (map { ('--drive', $_) } @drives), '--to', "$dir/none" ], '>', \$out, '2>', \$err);
    is($? >> 8, 1, 'with another key file nothing opens');
    is_deeply({ recovered("$dir/none") }, {}, 'and nothing is written');
}
done_testing();
