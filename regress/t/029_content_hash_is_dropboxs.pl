# content_hash is the one that Dropbox publishes: SHA-256 over the concatenated SHA-256 of each 4 MiB; computed here on its own.
use strict;
use warnings;
use Digest::SHA qw(sha256 sha256_hex);
use PocketTest;
use Test::More;

my $cell = PocketTest->new('hash', drives => 3);
$cell->sql("SELECT pocket.create_namespace('app')");
my $block = 4 * 1024 * 1024;

sub dropbox
{
    my ($bytes) = @_;
    my $hashes = '';
    for (my $at = 0; $at < length $bytes; $at += $block) { $hashes .= sha256(substr $bytes, $at, $block); }
    return sha256_hex($hashes);
}

# What everybody knows: nothing; and one block, which is the hash of a hash.
is(dropbox(''), 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855', 'the empty file is SHA-256 of nothing');
is(dropbox('abc'), '4f8b42c22dd3729b519ba6f68d2da7cc5b2d606d05daed5ad5128cc03e6c6358', 'a short one is SHA-256 of its SHA-256');

for my $size (0, 1, 2048, 2049, $block - 1, $block, $block + 1, 2 * $block, 2 * $block + 1, 3 * $block - 1, 10_000_000)
{
    my $file = "$cell->{dir}/file";
    $cell->write_random($file, $size, "hash/$size");
    my $bytes = do { open my $in, '<:raw', $file or die; local $/; <$in> };
    my $expected = dropbox($bytes // '');
    my $read = "pg_read_binary_file('$file')";
    is($cell->sql("SELECT content_hash FROM pocket.put('app:/put$size', $read)"), $expected, "put of $size bytes");
    my $cut = int($size / 3);
    is($cell->sql("SELECT pocket.put('app:/append$size', substr($read, 1, $cut)) IS NULL; SELECT content_hash FROM pocket.append('app:/append$size', substr($read, $cut + 1))"),
        "f\n$expected", 'in two parts');
    is($cell->sql("SELECT content_hash FROM pocket.commit('app:/commit$size', pocket.chunk($read))"), $expected, 'as a block list that is held')
        if $size > 2048 || $size == 0;
    is($cell->sql("SELECT content_hash, pocket.content_hash(pocket.chunk($read)) FROM pocket.stat('app:/append$size')"), "$expected|$expected", 'and read');
}
is($cell->sql("SELECT count(*) FROM pocket.files WHERE kind = 'file' AND pocket.content_hash(pocket.chunk(pocket.get(path)))::text <> content_hash::text"), '0', 'of what is read back, too');
done_testing();
