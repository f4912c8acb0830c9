# lrc(6,2,2) and xor(2,1): files survive what the codes bear, a single loss is read around and repaired within its local group,
# and where more is lost than the code bears just the files concerned are named.
use strict;
use warnings;
use Digest::SHA;
use File::Path qw(remove_tree);
use PocketTest;
use Test::More;

my $cell = PocketTest->new('codes', drives => 12, conf => "pocket.bucket_size = '8MB'\npocket.code = 'lrc(6,2,2)'");

sub metric
{
    my ($name) = @_;
    my $text = `curl -s --unix-socket '$cell->{sidecars}{one}{socket}' http://localhost/metrics`;
    return $text =~ /^pocketd_\Q$name\E ([0-9]+)$/m ? $1 : die "no metric $name:\n$text";
}

my %digest;
sub put_files
{
    my ($folder, $count) = @_;
    mkdir "$cell->{dir}/$folder";
    for my $n (1 .. $count)
    {
        $cell->write_random("$cell->{dir}/$folder/$n", 3_500_000 - 10_000 * $n, "$folder$n");
        $digest{"$folder/$n"} = Digest::SHA->new(256)->addfile("$cell->{dir}/$folder/$n", 'b')->hexdigest;
    }
    my ($status, $out, $err) = $cell->pocket('import', "$cell->{dir}/$folder", "c:/$folder");
    die "$out\n$err" if $status;
    return;
}

# The names of files that do not come back as they were.
sub wrong_files
{
    my ($folder) = @_;
    my @wrong;
    for my $file (sort grep { m{^$folder/} } keys %digest)
    {
        my ($rc, $out, $err) = $cell->{server}->psql('postgres', "SELECT encode(sha256(pocket.get('c:/$file')), 'hex')");
        die "$file is wrong" if $rc == 0 && $out ne $digest{$file};
        push @wrong, $file if $rc;
    }
    return join ' ', @wrong;
}

# Drives of which so many may be lost together: of the sets of that size one where $what holds: lost, a bit for each position, and the most
# members that a volume loses.
sub choose_drives
{
    my ($count, $what, $code) = @_;
    my $from = join ' JOIN ', map { $_ == 1 ? 'd d1' : "d d$_ ON d$_.drive_id > d" . ($_ - 1) . '.drive_id' } 1 .. $count;
    my $ids  = join ',', map { "d$_.drive_id" } 1 .. $count;
    return split /\n/, $cell->sql(<<"SQL");
WITH d AS (SELECT drive_id FROM pocket.drives WHERE state = 'ok'), q AS (SELECT ARRAY[$ids] AS ids FROM $from),
v AS (SELECT q.ids, e.volume_id, count(*) AS members, coalesce(bit_or(1::bigint << e.position) FILTER (WHERE e.drive_id = ANY (q.ids)), 0) AS missing
      FROM q CROSS JOIN pocket.extents e GROUP BY q.ids, e.volume_id),
s AS (SELECT v.ids, max(bit_count(v.missing::bit(32))) AS most, bit_or(pocket.code_lost(w.code, v.members, v.missing)) AS lost
      FROM v JOIN pocket.volumes w USING (volume_id) WHERE w.state = 'coded' AND w.code LIKE '$code' GROUP BY v.ids)
SELECT path FROM pocket.drives WHERE drive_id = ANY ((SELECT ids FROM s WHERE $what AND NOT EXISTS (SELECT FROM v JOIN pocket.volumes w USING (volume_id)
    WHERE v.ids = s.ids AND w.code = 'replicated' AND bit_count(v.missing::bit(32)) = v.members) ORDER BY ids LIMIT 1)::bigint[])
SQL
}

# Bytes that were read to decode, for each byte that was decoded, since it was asked last.
my ($read, $made) = (0, 0);
sub decode_cost
{
    my ($r, $m) = (metric('decode_read_bytes_total'), metric('decoded_bytes_total'));
    my $cost = $m > $made ? ($r - $read) / ($m - $made) : -1;
    ($read, $made) = ($r, $m);
    return $cost;
}

sub replace_drives
{
    my ($tag, @lost) = @_;
    my %is_lost = map { $_ => 1 } @lost;
    my @new = map { "$cell->{dir}/$tag$_" } 1 .. @lost;
    $cell->init_drives(@new);
    $cell->kill_sidecar('TERM');
    $cell->set_drives('one', (grep { !$is_lost{$_} } $cell->drives), @new);
    $cell->start_sidecar;
    ($read, $made) = (0, 0);
    $cell->sql("SELECT pocket.add_node('" . $cell->url . "')");
    return;
}

is($cell->sql("SELECT value FROM pocket.health WHERE item = 'replicas'"), '4 of 4', 'a new block has one replica more than losses are borne');
$cell->sql("SELECT pocket.create_namespace('c')");
put_files('l', 16);
ok($cell->encode_all, 'seal, encode, and nothing remains') or diag($cell->sql('SELECT * FROM pocket.coordinate()'));
is($cell->sql('SELECT string_agg(DISTINCT code, $$ $$) FROM pocket.volumes WHERE state <> $$open$$'), 'lrc(6,2,2)', 'the code that was asked for');
is($cell->sql('SELECT count(*) FROM pocket.verify()'), '0', 'verify finds nothing') or diag($cell->sql('SELECT * FROM pocket.verify()'));
is(wrong_files('l'), '', 'every byte is back');
is(metric('decode_read_bytes_total'), 0, 'and nothing was decoded for it');

# one
my ($one) = $cell->sql("SELECT path FROM pocket.drives WHERE drive_id = (SELECT drive_id FROM pocket.extents WHERE role = 'data' AND drive_id IS NOT NULL ORDER BY length DESC LIMIT 1)");
remove_tree($one);
is(wrong_files('l'), '', 'every byte is back without one drive');
my $cost = decode_cost();
cmp_ok($cost, '>', 0, 'for which something was decoded');
cmp_ok($cost, '<=', 3, 'from the three other members of a local group, and no more');
ok($cell->coordinate, 'repair onto the drives that are left comes to an end');
is($cell->sql("SELECT count(*) FROM pocket.verify() WHERE verifier <> 'drive'"), '0', 'all is whole again') or diag($cell->sql('SELECT * FROM pocket.verify()'));
$cost = decode_cost();
ok($cost > 0 && $cost <= 3, 'a drive is repaired from local groups') or diag("$cost bytes were read for each");

# four, which is as many as there are parities and more than any four that may be lost
my @four = choose_drives(4, 'lost = 0 AND most = 4', '%');
is(scalar @four, 4, 'there are four drives whose loss the code bears');
remove_tree($_) for @four;
is(wrong_files('l'), '', 'every byte is back without them');
$cell->sql('SELECT * FROM pocket.coordinate()');
cmp_ok($cell->sql("SELECT count(*) FROM pocket.verify() WHERE verifier = 'file'"), '==', 0, 'verify calls no file lost');
replace_drives('second', @four);
$cell->sql('SELECT pocket.repair()');
ok($cell->coordinate, 'repair of four drives comes to an end');
is($cell->sql("SELECT count(*) FROM pocket.verify() WHERE verifier <> 'drive'"), '0', 'all is whole again') or diag($cell->sql('SELECT * FROM pocket.verify()'));

# xor(2,1) in the same cell
$cell->{server}->append_conf('postgresql.conf', "pocket.code = 'xor(2,1)'\n");
$cell->{server}->reload;
is($cell->sql("SELECT value FROM pocket.health WHERE item = 'replicas'"), '4 of 2', 'two replicas of what one parity will protect');
put_files('x', 6);
ok($cell->encode_all, 'seal, encode, and nothing remains');
cmp_ok($cell->sql("SELECT count(*) FROM pocket.volumes WHERE code = 'xor(2,1)'"), '>', 0, 'there are volumes of two halves and their sum');
my ($half) = $cell->sql("SELECT d.path FROM pocket.extents e JOIN pocket.volumes v USING (volume_id) JOIN pocket.drives d USING (drive_id) WHERE v.code = 'xor(2,1)' AND e.role = 'data' ORDER BY e.length DESC LIMIT 1");
decode_cost();
remove_tree($half);
is(wrong_files('x'), '', 'every byte of them is back without a drive');
$cost = decode_cost();
ok($cost > 0 && $cost <= 2, 'from the two others') or diag("$cost bytes were read for each");
is(wrong_files('l'), '', 'and of the others');
$cell->sql('SELECT * FROM pocket.coordinate()');
replace_drives('third', $half);
$cell->sql('SELECT pocket.repair()');
ok($cell->coordinate, 'repair comes to an end');

# more than is borne
my @gone = choose_drives(4, "lost & 1 <> 0", 'lrc%');
is(scalar @gone, 4, 'there are four drives whose loss is too much');
remove_tree($_) for @gone;
my %wrong = map { $_ => 1 } grep { length } split / /, wrong_files('l') . ' ' . wrong_files('x');
cmp_ok(scalar keys %wrong, '<', 22, 'files that need none of the lost members are back');
$cell->sql('SELECT * FROM pocket.coordinate()');
my %named = map { $_ => 1 } split /\n/, $cell->sql("SELECT substr(object, 4) FROM pocket.verify() WHERE verifier = 'file'");
is_deeply(\%named, \%wrong, 'verify names just the files that cannot be read')
    or diag(join ' ', 'named', sort keys %named, 'wrong', sort keys %wrong);
cmp_ok(scalar keys %named, '>', 0, 'of which there are some');

is($cell->kill_sidecar('TERM'), 0, 'pocketd stops cleanly');
done_testing();
