# Clients bring and fetch blocks themselves: URLs for one block and one namespace each, receipts that are worth something there alone,
# and not a word about what others have.
use strict;
use warnings;
use Digest::SHA qw(hmac_sha256 sha256_hex);
use IPC::Run ();
use MIME::Base64 qw(decode_base64url encode_base64url);
use PocketTest;
use Test::More;
use Time::HiRes qw(sleep);

my $cell = PocketTest->new('clients', drives => 4);
$cell->sql("SELECT pocket.create_namespace('app'), pocket.create_namespace('other'), pocket.create_namespace('small', quota => 100000)");
my $dir = $cell->{dir};
my $denied = '{"error":{"code":"denied","message":"access denied"}}';

# Status and body of a request; the url of a node on a Unix socket is its address and then the path.
sub curl
{
    my ($url, @options) = @_;
    my @socket = $url =~ m{^unix:(.*)/block/[^/]*$} ? ('--unix-socket', $1) : ();
    $url =~ s{^unix:.*(/block/[^/]*)$}{http://localhost$1};
    my $out = '';
    IPC::Run::run([ 'curl', '-sS', '--max-time', '60', '-w', '\n%{http_code}', @socket, @options, $url ], '>', \$out) or die 'curl';
    my ($body, $status) = $out =~ /^(.*)\n([0-9]+)$/s;
    $body =~ s/\n$//;
    return ($status, $body);
}

sub bytes_of { my ($file) = @_; open my $in, '<:raw', $file or die "$file: $!"; local $/; return scalar <$in>; }

# A file cut into blocks: its list, and the files with them, by hash.
sub cut
{
    my ($file) = @_;
    my $bytes = bytes_of($file);
    my (@list, %blocks);
    for (my $at = 0; $at < length $bytes; $at += 4 << 20)
    {
        my $block = substr $bytes, $at, 4 << 20;
        my $hash = sha256_hex($block);
        push @list, "$hash:" . length $block;
        open my $out, '>:raw', $blocks{$hash} = "$dir/block-$hash" or die;
        print {$out} $block;
        close $out or die;
    }
    return ('{' . join(',', @list) . '}', \%blocks);
}

# Asks which blocks are needed and brings them; the receipts as an SQL array.
sub bring
{
    my ($namespace, $list, $blocks) = @_;
    my @receipts;
    for my $row (split /\n/, $cell->sql("SELECT hash, url FROM pocket.upload('$namespace', '$list') WHERE needed"))
    {
        my ($hash, $url) = split /\|/, $row;
        my ($status, $body) = curl($url, '-T', $blocks->{$hash});
        die "$status $body" if $status ne '201';
        push @receipts, $body =~ /"receipt": "([^"]+)"/;
    }
    return 'ARRAY[' . join(',', map { "'$_'" } @receipts) . ']::text[]';
}

sub random_block { my ($name, $size) = @_; $cell->write_random("$dir/$name", $size, "clients/$name"); return cut("$dir/$name"); }

# --- a file of several blocks, two of which are the same, there and back ---

$cell->write_random("$dir/a", 4 << 20, 'clients/a');
$cell->write_random("$dir/tail", 12345, 'clients/tail');
{
    open my $out, '>:raw', "$dir/big" or die;
    print {$out} bytes_of("$dir/a"), bytes_of("$dir/a"), bytes_of("$dir/tail");
    close $out or die;
}
my ($list, $blocks) = cut("$dir/big");
is($cell->sql("SELECT seq, size, needed, url ~ '^unix:/.*[.]sock/block/[A-Za-z0-9_-]+\$' FROM pocket.upload('app', '$list')"),
    "1|4194304|t|t\n2|4194304|f|\n3|12345|t|t", 'what is needed is brought once');
my $receipts = bring('app', $list, $blocks);
is($cell->sql('SELECT count(*) FROM pocket_data.block'), '0', 'bytes without a commit are in no row');
is($cell->sql("SELECT outcome, size FROM pocket.commit('app:/big', '$list', $receipts, mtime => '2020-01-01 UTC')"), 'created|8400953', 'committed');
is($cell->sql("SELECT encode(sha256(pocket.get('app:/big')), 'hex')"), sha256_hex(bytes_of("$dir/big")), 'what SQL reads');
is($cell->sql("SELECT content_hash::text = pocket.content_hash('$list')::text AND mtime = '2020-01-01 UTC' FROM pocket.stat('app:/big')"), 't', 'its hash and its time');
is($cell->sql("SELECT string_agg(files::text, ' ') FROM pocket_data.holder"), '1 1', 'each block is held once');
is($cell->sql("SELECT bool_or(needed) FROM pocket.upload('app', '$list')"), 'f', 'what is held is not needed');
is($cell->sql("SELECT outcome FROM pocket.commit('app:/again', '$list')"), 'created', 'and is committed without receipts');
is($cell->sql("SELECT outcome FROM pocket.commit('app:/big', '$list')"), 'unchanged', 'the same content is no change');
is($cell->sql("SELECT outcome FROM pocket.put('app:/again', pocket.get('app:/big'))"), 'unchanged', 'nor is it for put');
is($cell->sql('SELECT count(*) FROM pocket_data.block'), '2', 'one row for each block');

sub download
{
    my ($arguments) = @_;
    my $bytes = '';
    for my $url (split /\n/, $cell->sql("SELECT url FROM pocket.download($arguments) ORDER BY seq"))
    {
        if ($url =~ /^data:application\/octet-stream;base64,(.*)$/) { $bytes .= MIME::Base64::decode_base64($1); next; }
        my ($status) = curl($url, '-o', "$dir/got");
        is($status, '200', 'a block is fetched');
        $bytes .= bytes_of("$dir/got");
    }
    return $bytes;
}
is(sha256_hex(download("'app:/big'")), sha256_hex(bytes_of("$dir/big")), 'what clients fetch');
my $first = $cell->sql("SELECT url FROM pocket.download('app:/big') WHERE seq = 1");
$cell->encode_all;
is((curl($first, '-o', "$dir/got"))[0], '200', 'a URL from before the encoding is good');

# What the tools of the web do with a URL.
{
    my $block = substr bytes_of("$dir/big"), 0, 4 << 20;
    my ($status, $body) = curl($first, '-r', '1000000-1000099');
    is($status, '206', 'a part of a block');
    is($body, substr($block, 1000000, 100), 'is that part');
    is((curl($first, '-r', '4194300-', '-o', "$dir/part"))[0], '206', 'the end of a block');
    is(bytes_of("$dir/part"), substr($block, -4), 'is its last bytes');
    is((curl($first, '-r', '4194304-'))[0], '416', 'there is nothing behind it');
    my ($head_status, $head) = curl($first, '-I');
    is($head_status, '200', 'HEAD');
    my $etag = sha256_hex($block);
    like($head, qr/^$_\r?$/m, "says $_")
      for 'Content-Length: 4194304', 'Content-Type: application/octet-stream', 'Accept-Ranges: bytes', "ETag: \"$etag\"",
      'Referrer-Policy: no-referrer', 'Access-Control-Allow-Origin: \*';
    is((curl($first, '-H', "If-None-Match: \"$etag\""))[0], '304', 'who has it is told so');
    is((curl($first, '-X', 'OPTIONS', '-H', 'Origin: https://example.org', '-H', 'Access-Control-Request-Method: GET'))[0],
        '204', 'a page from elsewhere may ask');
    is((curl($first =~ s/(.)$/$1 eq 'A' ? 'B' : 'A'/er, '-I'))[0], '403', 'HEAD of a URL that was changed');
}
is(sha256_hex(bytes_of("$dir/got")), sha256_hex(bytes_of("$dir/a")), 'for the same bytes');
$cell->kill_sidecar('KILL');
$cell->start_sidecar;
is((curl($first, '-o', "$dir/got"))[0], '200', 'and after a crash of the node');
is(sha256_hex(download("'app:/big'")), sha256_hex(bytes_of("$dir/big")), 'a coded volume is fetched as well');
$cell->coordinate;    # the node takes nothing more for the buckets that it had open

$cell->sql("SELECT pocket.put('app:/inline', 'in its row'), pocket.put('app:/empty', '')");
is(download("'app:/inline'"), 'in its row', 'what is in its row comes in its URL');
is($cell->sql("SELECT seq, hash::text = pocket.digest('in its row')::text, size FROM pocket.download('app:/inline')"), '1|t|10', 'with its hash and size');
is($cell->sql("SELECT count(*) FROM pocket.download('app:/empty')"), '0', 'an empty file has nothing to be fetched');
my $old = $cell->sql("SELECT rev FROM pocket.stat('app:/inline')");
$cell->sql("SELECT pocket.commit('app:/inline', '$list')");
is(download("'app:/inline', $old"), 'in its row', 'a revision');
is($cell->sql("SELECT outcome FROM pocket.commit('app:/nothing', '{}')"), 'created', 'no block at all');
is($cell->sql("SELECT length(pocket.get('app:/nothing'))"), '0', 'is the empty content');
my ($tiny, $tiny_blocks) = random_block('tiny', 7);
$receipts = bring('app', $tiny, $tiny_blocks);
is($cell->sql("SELECT outcome FROM pocket.commit('app:/tiny', '$tiny', $receipts)"), 'created', 'a block of seven bytes stays one');
is($cell->sql("SELECT pocket.get('app:/tiny') = '\\x" . unpack('H*', bytes_of("$dir/tiny")) . "' AND blocks IS NOT NULL FROM pocket_data.entry WHERE name = 'tiny'"), 't', 'and is read');

# --- a URL is for one thing ---

my ($one, $one_blocks) = random_block('one', 30000);
my ($two, $two_blocks) = random_block('two', 30000);
my ($file, $foreign) = (values %$one_blocks, values %$two_blocks);
my $put = $cell->sql("SELECT url FROM pocket.upload('app', '$one')");
my %wrong = ('other bytes' => [ '-T', $foreign ], 'a byte more' => [ '-T', "$dir/big" ], 'a byte less' => [ '-T', "$dir/tiny" ], 'GET' => [],
    'POST' => [ '--data-binary', "\@$file" ], 'DELETE' => [ '-X', 'DELETE' ]);
is_deeply([ curl($put, @{ $wrong{$_} }) ], [ '403', $denied ], "a URL to PUT with $_") for sort keys %wrong;
is_deeply([ curl($put =~ s/(.)$/$1 eq 'A' ? 'B' : 'A'/er, '-T', $file) ], [ '403', $denied ], 'a URL that was changed');
my $get = $cell->sql("SELECT url FROM pocket.download('app:/tiny')");
is_deeply([ curl($get, '-T', "$dir/tiny") ], [ '403', $denied ], 'a URL to GET with PUT');
my $short = $cell->sql("SELECT url FROM pocket.download('app:/tiny', expires => '1 s')");
my ($status, $body);
for (1 .. 100) { ($status, $body) = curl($short); last if $status ne '200'; sleep 0.1; }
is_deeply([ $status, $body ], [ '403', $denied ], 'a URL that has expired');
$cell->fails("SELECT pocket.download('app:/tiny', expires => '$_')", '22023', qr/at most 7 days/, "expires => $_") for '0', '-1 s', '7 days 0.000001 s', '8 days', '1 month', '-2147483648 days', '2562047788 hours', '-2562047788 hours';
is($cell->sql("SELECT count(*) FROM pocket.download('app:/tiny', expires => '7 days')"), '1', 'expires => 7 days');

# --- what a receipt is worth ---

my ($status_one, $answer) = curl($put, '-T', $file);
is($status_one, '201', 'the right bytes');
my ($receipt) = $answer =~ /"receipt": "([^"]+)"/;

# The same receipt with other fields, signed with the cell's key.
sub forge
{
    my ($text, $at, $bytes) = @_;
    my ($id, $secret) = split ' ', (grep { !/^#/ } split /\n/, bytes_of($cell->{keys}))[0];
    my $raw = decode_base64url($text);
    substr($raw, $at, length $bytes) = $bytes;
    substr($raw, 112) = hmac_sha256(substr($raw, 0, 112), hmac_sha256('pocket/1 receipt', pack 'H*', $secret));
    return encode_base64url($raw);
}
sub commit_error
{
    my ($receipt, $list, $path) = @_;
    my ($state, $text) = $cell->error('SELECT pocket.commit(\'' . ($path // 'app:/refused') . '\', \'' . ($list // $one) . "', ARRAY['$receipt'])");
    return $text =~ s/^psql:<stdin>:\d+: //gr;
}
my $needed = commit_error('');
like($needed, qr/PK002.*is needed.*DETAIL.*HINT.*pocket\.upload/s, 'without a receipt the block is needed');
my ($foreign_receipt) = bring('other', $one, $one_blocks) =~ /'(.*)'/;
my %worthless = ('garbage' => 'x', 'a changed receipt' => $receipt =~ s/(.)$/$1 eq 'A' ? 'B' : 'A'/er, 'one for another namespace' => $foreign_receipt,
    'one for another block' => (bring('app', $two, $two_blocks) =~ /'(.*)'/)[0], 'one of another cell' => forge($receipt, 16, "\1" x 16),
    'one that has expired' => forge($receipt, 96, pack 'Q<', time - 1), 'one for another size' => forge($receipt, 52, pack 'V', 29999),
    'one for a bucket that there is not' => forge($receipt, 32, pack 'Q<', 77), 'a URL' => $put, 'two in one' => "$receipt$receipt");
is(commit_error($worthless{$_}), $needed, "$_ is as good as none") for sort keys %worthless;
is($cell->sql("SELECT count(*) FROM pocket.files WHERE name = 'refused'"), '0', 'nothing of that is there');
is($cell->sql("SELECT outcome FROM pocket.commit('app:/one', '$one', ARRAY['x', '$receipt', '$receipt'])"), 'created', 'the receipt itself counts, whatever is beside it');
is($cell->sql("SELECT encode(sha256(pocket.get('app:/one')), 'hex')"), sha256_hex(bytes_of($file)), 'and the bytes are there');
my ($hash) = $one =~ /\{(.*):/;
like(commit_error('', "{$hash:29999}"), qr/PK002/, 'a held block under another size is needed');
is($cell->sql("SELECT needed FROM pocket.upload('app', '{$hash:29999}')"), 't', 'says upload, too');

# The hash is no capability: what another namespace has is as unknown as what nobody has.
is($cell->sql("SELECT outcome FROM pocket.commit('other:/secret', '$one', ARRAY['$foreign_receipt'])"), 'created', 'another namespace has a block');
my ($three, $three_blocks) = random_block('three', 30000);
my ($three_hash) = $three =~ /\{(.*):/;
my ($two_hash) = $two =~ /\{(.*):/;
my $nowhere = commit_error('', $three, 'small:/x') =~ s/$three_hash/HASH/gr;
is(commit_error('', $one, 'small:/x') =~ s/$hash/HASH/gr, $nowhere, 'the error for what exists elsewhere is that for what does not');
is($cell->sql("SELECT needed, url IS NOT NULL FROM pocket.upload('small', '$one')"), 't|t', 'and it is asked for');

# --- sizes, quotas, rights ---

my ($four) = random_block('four', 4 << 20);
my ($four_hash) = $four =~ /\{(.*):/;
$cell->fails("SELECT pocket.commit('app:/x', '{$hash:30000,$hash:30000}')", '22023', qr/block 1 of 2 has 30000 bytes.*4194304/s, 'a short block in the middle');
$cell->fails("SELECT pocket.commit('app:/x', '{$four_hash:4194304,$hash:30000,$hash:30000}')", '22023', qr/block 2 of 3/, 'anywhere');
$cell->fails("SELECT pocket.commit('app:/x', '{$hash:4194305}')", '22P02', qr//, 'a block that is too large');
$cell->fails("SELECT pocket.commit('app:/x', '{$hash:0}')", '22P02', qr//, 'and an empty one are no block lists');
my ($fits, $fits_blocks) = random_block('fits', 100000);
my ($over, $over_blocks) = random_block('over', 100001);
$cell->fails("SELECT pocket.upload('small', '$over')", 'PK003', qr/100001 bytes, 100000 are allowed/, 'what can never be committed is not brought');
$cell->sql("SELECT pocket.alter_namespace('small', quota => 100001)");
$receipts = bring('small', $over, $over_blocks);
$cell->sql("SELECT pocket.alter_namespace('small', quota => 100000)");
$cell->fails("SELECT pocket.commit('small:/over', '$over', $receipts)", 'PK003', qr/100001 bytes, 100000 are allowed/, 'a byte over the quota');
$cell->fails("SELECT pocket.commit('small:/over', '$over')", 'PK003', qr/quota/, 'is told before the blocks are looked at');
$receipts = bring('small', $fits, $fits_blocks);
is($cell->sql("SELECT outcome FROM pocket.commit('small:/fits', '$fits', $receipts)"), 'created', 'what fits to the byte');
is($cell->sql("SELECT used FROM pocket.namespaces WHERE name = 'small'"), '100000', 'is accounted');
$cell->sql('CREATE ROLE eve LOGIN');
$cell->fails("SET ROLE eve; SELECT pocket.$_", '42704', qr/namespace "app" does not exist/, "a stranger: $_")
    for "upload('app', '$one')", "commit('app:/x', '$one', ARRAY['$receipt'])", "download('app:/one')";
$cell->fails("SELECT pocket.download('app:/')", '42809', qr/is a folder/, 'a folder is not downloaded');
$cell->fails("SELECT pocket.commit('app:/', '$one')", '42809', qr//, 'nor committed');

# --- conflicts are put's ---

my $base = $cell->sql("SELECT version FROM pocket.stat('app:/one')");
$cell->sql("SELECT pocket.put('app:/one', 'changed meanwhile')");
is($cell->sql("SELECT outcome, path ~ 'one [(]conflicted copy from' FROM pocket.commit('app:/one', '$one', base => '$base')"), 'conflict|t', 'a commit from an old base is kept beside');
is($cell->sql("SELECT outcome FROM pocket.commit('app:/one', '$one', mode => 'add')"), 'conflict', 'so is one that adds');
is($cell->sql("SELECT encode(pocket.get('app:/one'), 'escape')"), 'changed meanwhile', 'what is there stays');

# --- two at once ---

sub session
{
    my %session = (in => '', out => '', err => '');
    $session{run} = IPC::Run::start([ 'psql', '-XAtq', '-d', $cell->{server}->connstr('postgres') ], '<', \$session{in}, '>', \$session{out}, '2>', \$session{err});
    return \%session;
}
sub say_to { my ($session, $sql) = @_; $session->{in} .= "$sql;\n\\echo done\n"; $session->{out} = ''; $session->{run}->pump_nb; return; }
sub hear { my ($session) = @_; $session->{run}->pump until $session->{out} =~ /done\n\z/; return $session->{out} =~ s/done\n\z//r; }
sub until_waiting { until ($cell->sql("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'") eq '1') { $_->{run}->pump_nb for @_; sleep 0.01; } return; }

my ($left, $right) = (session(), session());
my ($new, $new_blocks) = random_block('new', 50000);
my @both = (bring('app', $new, $new_blocks), bring('app', $new, $new_blocks));
say_to($left, "BEGIN; SELECT outcome FROM pocket.commit('app:/left', '$new', $both[0])");
is(hear($left), "created\n", 'one commits a new block');
say_to($right, "SELECT outcome FROM pocket.commit('app:/right', '$new', $both[1])");
until_waiting($left, $right);
say_to($left, 'ROLLBACK');
hear($left);
is(hear($right), "created\n", 'another, who waited for it, has the block by his own receipt when that is rolled back');
my ($new_hash) = $new =~ /\{(.*):/;
is($cell->sql("SELECT (SELECT files FROM pocket_data.holder WHERE hash::text = '$new_hash'), (SELECT count(*) FROM pocket_data.block WHERE hash::text = '$new_hash')"), '1|1', 'held once, by one row');
my ($next, $next_blocks) = random_block('next', 50000);
@both = (bring('app', $next, $next_blocks), bring('other', $next, $next_blocks));
say_to($left, "BEGIN; SELECT outcome FROM pocket.commit('app:/next', '$next', $both[0])");
is(hear($left), "created\n", 'a new block in two namespaces');
say_to($right, "SELECT outcome FROM pocket.commit('other:/next', '$next', $both[1])");
is(hear($right), "created\n", 'at once: nobody waits');
say_to($left, 'COMMIT');
hear($left);
is($cell->sql("SELECT pocket.get('app:/next') = pocket.get('other:/next')"), 't', 'both read it');

# --- retention lets go of a block between the question and the lock ---

# Makes a file whose block only an old revision has, and a session that has asked, waits for the head, and is let go on when it is released.
sub race
{
    my ($name, $change) = @_;
    my ($list, $blocks) = random_block($name, 60000);
    my $receipts = bring('app', $list, $blocks);
    $cell->sql("SELECT pocket.alter_namespace('app', retention => '30 days')");
    $cell->sql("SELECT pocket.commit('app:/$name', '$list', $receipts); SELECT pocket.put('app:/$name', 'replaced')");
    $cell->sql("SELECT pocket.put('app:/last', '$name'); SELECT pocket.alter_namespace('app', retention => '0')");
    my ($hash) = $list =~ /\{(.*):/;
    my $held = "SELECT count(*) FROM pocket_data.holder WHERE hash::text = '$hash'";
    is($cell->sql($held), '1', "$name: an old revision holds the block");
    say_to($left, "BEGIN; SELECT pocket.lock(ARRAY['app'])");
    hear($left);
    say_to($right, $change->($list, $receipts, "$dir/$name"));
    until_waiting($left, $right);
    say_to($left, "SELECT pocket.retain() > 0; $held");
    is(hear($left), "t\n0\n", "$name: which retention lets go of");
    say_to($left, 'COMMIT');
    hear($left);
    my $result = hear($right);
    return ($result, $right->{err}, $hash, sha256_hex(bytes_of("$dir/$name")));
}
for my $how (
    [ 'race-put', sub { "SELECT outcome FROM pocket.put('app:/back', pg_read_binary_file('$_[2]'))" } ],
    [ 'race-snapshot', sub { "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT outcome FROM pocket.put('app:/back', pg_read_binary_file('$_[2]')); COMMIT" } ],
    [ 'race-many', sub { "SELECT outcome FROM pocket.put_many(ARRAY['app:/back'], ARRAY[pg_read_binary_file('$_[2]')])" } ],
    [ 'race-receipt', sub { "SELECT outcome FROM pocket.commit('app:/back', '$_[0]', $_[1])" } ],
    [ 'race-append', sub { "SELECT outcome FROM pocket.append('app:/appended', pg_read_binary_file('$_[2]'))" } ])
{
    my ($result, $error, $hash, $content) = race(@$how);
    like($result, qr/^(created|updated)$/, "$how->[0]: whoever has the content at hand does not fail") or diag($error);
    is($cell->sql("SELECT files FROM pocket_data.holder WHERE hash::text = '$hash'"), '1', "$how->[0]: it is held again");
    is($cell->sql("SELECT count(*) FROM pocket_data.block WHERE hash::text = '$hash'"), $how->[0] eq 'race-receipt' ? '1' : '2', "$how->[0]: and indexed as it was brought");
    my $path = $how->[0] eq 'race-append' ? 'appended' : 'back';
    is($cell->sql("SELECT encode(sha256(pocket.get('app:/$path')), 'hex')"), $content, "$how->[0]: and read");
}
my ($nothing, $error) = race('race-held', sub { "SELECT outcome FROM pocket.commit('app:/back', '$_[0]')" });
like($error, qr/is needed/, 'whoever has neither the content nor a receipt is told that the block is needed');
$_->{run}->finish for ($left, $right);

# --- a superseded epoch ---

my $stale = $cell->sql("SELECT url FROM pocket.upload('app', '$three')");
$cell->sql('UPDATE pocket_data.cell SET starts = starts + 1');
$cell->sql("SELECT * FROM pocket.coordinate('check')");
is_deeply([ curl($stale, '-T', values %$three_blocks) ], [ '403', $denied ], 'a URL to PUT of a superseded epoch');
$receipts = bring('app', $three, $three_blocks);
is($cell->sql("SELECT outcome FROM pocket.commit('app:/three', '$three', $receipts)"), 'created', 'whoever asks again gets another');
is((curl($first, '-o', "$dir/got"))[0], '200', 'reading has no epoch');
is($cell->sql('SELECT count(*) FROM pocket.verify()'), '0', 'all is well');
done_testing();
