# Every function without each of the rights that it needs: the SQLSTATE, and nothing done; with them, it works.  By a role, by a team, and for a principal.
use strict;
use warnings;
use PocketTest;
use Test::More;

my $cell   = PocketTest->new('rights', drives => 1);
my $server = $cell->{server};
$cell->sql("CREATE ROLE ann LOGIN; CREATE ROLE ben LOGIN; CREATE ROLE pocket_app; CREATE ROLE web LOGIN IN ROLE pocket_app");
$cell->sql("SELECT pocket.create_principal('kim'), pocket.create_principal('eng', 'group'), pocket.create_principal('inner', 'group')");
$cell->sql("SELECT pocket.add_member('eng', 'inner'), pocket.add_member('inner', 'ben'), pocket.add_member('inner', 'kim')");

# Runs a statement and takes back what it did: its SQLSTATE, and what else is said.
$cell->sql(<<'SQL');
CREATE FUNCTION try(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	message text; detail text; hint text;
BEGIN
	EXECUTE statement;
	RAISE SQLSTATE 'ZZ000';
EXCEPTION
	WHEN SQLSTATE 'ZZ000' THEN RETURN '00000';
	WHEN OTHERS THEN
		GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
		RETURN concat_ws(' | ', SQLSTATE, message, detail, hint);
END $$;
SQL

# How many rows' places it looks up.  Twice, so that what is looked up once is known.
$cell->sql(<<'SQL');
CREATE FUNCTION scans() RETURNS bigint LANGUAGE sql AS $$ SELECT sum(seq_scan + coalesce(idx_scan, 0)) FROM pg_stat_xact_all_tables WHERE schemaname = 'pocket_data' $$;
CREATE FUNCTION lookups(statement text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	before bigint;
BEGIN
	PERFORM try(statement);
	before := scans();
	PERFORM try(statement);
	RETURN scans() - before;
END $$;
SQL

# What a caller gets, of each statement a line.
sub results
{
    my ($caller, @statements) = @_;
    return calls($caller, 'try', @statements);
}

sub calls
{
    my ($caller, $function, @statements) = @_;
    return split /\n/, value($caller, join "\n", map { "SELECT $function(\$statement\$$_\$statement\$);" } @statements), -1;
}

# One value, by a statement that stays done.
sub value
{
    my ($caller, $sql) = @_;
    my ($role, $principal) = @$caller;
    return $server->safe_psql('postgres', ($principal ? "SET pocket.principal = '$principal';\n" : '') . $sql, extra_params => [ '-U', $role ]);
}

# Gives the team exactly these rights on the tree.
sub grant_exactly
{
    my ($rights) = @_;
    my $acl = $rights eq '' ? 'NULL' : "'{group:eng=$rights}'";
    $cell->sql("UPDATE pocket_data.entry SET acl = $acl WHERE ns_id = (SELECT ns_id FROM pocket_data.namespace WHERE name = 'ann') AND file_id = 1");
    return;
}

# function, the rights that it needs on the tree (without r 42704, without another one 42501), statement
my @calls = (
    [ 'get',            'r',   "SELECT pocket.get('ann:/dir/file')" ],
    [ 'get rev',        'r',   "SELECT pocket.get('ann:/dir/file', rev => 3)" ],
    [ 'stat',           'r',   "SELECT pocket.stat('ann:/dir/file')" ],
    [ 'stat at',        'r',   "SELECT pocket.stat('ann:/dir/file', now())" ],
    [ 'ls',             'r',   "SELECT pocket.ls('ann:/dir')" ],
    [ 'ls recursive',   'r',   "SELECT pocket.ls('ann:/', true)" ],
    [ 'ls at',          'r',   "SELECT pocket.ls('ann:/dir', at => now())" ],
    [ 'history',        'r',   "SELECT pocket.history('ann:/dir/file')" ],
    [ 'mkdir (there)',  'r',   "SELECT pocket.mkdir('ann:/dir')" ],
    [ 'first_cursor',   'r',   "SELECT pocket.first_cursor('ann')" ],
    [ 'latest_cursor',  'r',   "SELECT pocket.latest_cursor('ann')" ],
    [ 'changes',        'r',   "SELECT pocket.changes(:'cursor')" ],
    [ 'cp from',        'r',   "SELECT pocket.cp('ann:/dir', 'mine:/copy')" ],
    [ 'put',            'rw',  "SELECT pocket.put('ann:/dir/file', 'new')" ],
    [ 'put large',      'rw',  "SELECT pocket.put('ann:/dir/file', decode(repeat('5a', 9000), 'hex'))" ],
    [ 'put new',        'rw',  "SELECT pocket.put('ann:/dir/new', 'new')" ],
    [ 'put new folder', 'rw',  "SELECT pocket.put('ann:/more/new', 'new')" ],
    [ 'put beside',     'rw',  "SELECT pocket.put('ann:/dir/file', 'other', mode => 'add')" ],
    [ 'put_many',       'rw',  "SELECT pocket.put_many(ARRAY['mine:/x', 'ann:/dir/file'], ARRAY['1', '2']::bytea[])" ],
    [ 'append',         'rw',  "SELECT pocket.append('ann:/dir/file', '+')" ],
    [ 'append new',     'rw',  "SELECT pocket.append('ann:/dir/new', '+')" ],
    [ 'append large',   'rw',  "SELECT pocket.append('ann:/dir/file', decode(repeat('5a', 9000), 'hex'))" ],
    [ 'mkdir',          'rw',  "SELECT pocket.mkdir('ann:/dir/sub2')" ],
    [ 'symlink',        'rw',  "SELECT pocket.symlink('ann:/dir/link', 'x')" ],
    [ 'symlink there',  'rw',  "SELECT pocket.symlink('ann:/dir/file', 'x')" ],
    [ 'set_attributes', 'rw',  "SELECT pocket.set_attributes('ann:/dir/file', '{}')" ],
    [ 'restore',        'rw',  "SELECT pocket.restore('ann:/dir/file', 3)" ],
    [ 'restore gone',   'rw',  "SELECT pocket.restore('ann:/dir/gone', 6)" ],
    [ 'cp to',          'rw',  "SELECT pocket.cp('mine:/', 'ann:/dir/mine')" ],
    [ 'cp within',      'rw',  "SELECT pocket.cp('ann:/dir/file', 'ann:/dir/file2')" ],
    [ 'lock',           'rw',  "SELECT pocket.lock('{mine,ann}')" ],
    [ 'rm',             'rd',  "SELECT pocket.rm('ann:/dir/file')" ],
    [ 'rm recursive',   'rd',  "SELECT pocket.rm('ann:/dir', true)" ],
    [ 'mv',             'rwd', "SELECT pocket.mv('ann:/dir/file', 'ann:/dir/file2')" ],
    [ 'mv away',        'rd',  "SELECT pocket.mv('ann:/dir', 'mine:/dir')" ],
    [ 'mv to',          'rw',  "SELECT pocket.mv('mine:/m', 'ann:/dir/m')" ],
    [ 'rewind',         'rwd', "SELECT pocket.rewind('ann:/dir', :'moment')" ],
    [ 'share',          'rwds', "SELECT pocket.share('ann:/dir', 'kim', 'owner')" ],
    [ 'unshare',        'rs',  "SELECT pocket.unshare('ann:/dir', 'kim')" ],
    [ 'set_inheritance', 'rs', "SELECT pocket.set_inheritance('ann:/dir', false)" ],
    [ 'may of another', 'rs',  "SELECT pocket.may('ann:/dir', 'r', 'web')" ],
);
my @callers = ([ 'ben', undef ], [ 'web', 'kim' ]);

$cell->sql("SET ROLE ann; SELECT pocket.create_namespace('ann'); SELECT pocket.put('ann:/dir/file', 'content'); SELECT pocket.put('ann:/dir/file', 'changed'); SELECT pocket.put('ann:/dir/sub/deep', 'deep'); SELECT pocket.put('ann:/dir/gone', 'gone'); SELECT pocket.rm('ann:/dir/gone')");
my $gone = $cell->sql("SELECT max(rev) FROM pocket.history('ann:/dir/gone') WHERE outcome = 'created'");
my $moment = $cell->sql("SELECT at FROM pocket.stat('ann:/dir/file')");
my $cursor = $cell->sql("SELECT pocket.first_cursor('ann')");
my $before = $cell->sql("SELECT jid FROM pocket_data.namespace_head WHERE ns_id = (SELECT ns_id FROM pocket_data.namespace WHERE name = 'ann')");

for my $call (@calls) { $call->[2] =~ s/:'cursor'/'$cursor'/; $call->[2] =~ s/:'moment'/'$moment'/; $call->[2] =~ s/gone', 6/gone', $gone/; }

for my $caller (@callers)
{
    my $who = $caller->[1] // $caller->[0];
    value($caller, "SELECT pocket.create_namespace('mine'); SELECT pocket.put('mine:/m', 'mine')");
    my %sets = map { $_ => 1 } '', 'wds', 'rds', 'rws', 'rwd', map { $_->[1] } @calls;
    for my $set (sort keys %sets)
    {
        grant_exactly($set);
        my @got = results($caller, map { $_->[2] } @calls);
        for my $n (0 .. $#calls)
        {
            my ($name, $needs) = @{ $calls[$n] };
            my @lacks = grep { index($set, $_) < 0 } split //, $needs;
            my $unseen = $name =~ /^may/ ? '00000' : '42704';    # may() says no
            my $expected = !@lacks ? '00000' : index($set, 'r') < 0 ? $unseen : '42501';
            is(substr($got[$n], 0, 5), $expected, "$who: $name with {$set}") or diag($got[$n]);
        }
        my $wait = eval { value($caller, "CALL pocket.wait('$cursor', '0')"); 1 } ? 'ok' : $@;
        like($wait, $set =~ /r/ ? qr/^ok$/ : qr/the cursor's namespace does not exist/, "$who: wait with {$set}");
    }
    # of the namespace itself, with all rights on its root
    my @own = ("SELECT pocket.alter_namespace('ann', quota => 1)", "SELECT pocket.drop_namespace('ann')");
    grant_exactly('rwds');
    is(substr($_, 0, 5), '42501', "$who: what is the owner's with all rights") for results($caller, @own);
    grant_exactly('');
    is(substr($_, 0, 5), '42704', "$who: what is the owner's without any") for results($caller, @own);
    is(value($caller, "SELECT pocket.may('ann:/', 'r'), pocket.may('ann:/dir', 'r', 'ann')"), 'f|f', "$who: may tells that there is nothing");
    value($caller, "SELECT pocket.drop_namespace('mine')");
}
is($cell->sql("SELECT jid FROM pocket_data.namespace_head WHERE ns_id = (SELECT ns_id FROM pocket_data.namespace WHERE name = 'ann')"), $before, 'nothing has been done');

# --- what may not be read does not exist: the same error, to the letter ---
sub same_errors
{
    my ($caller, $there, $not, @statements) = @_;
    my @pair = map { my $name = $_; [ map { s/\Q$name\E/NAME/gr } results($caller, map { s/%s/$name/gr } @statements) ] } $there, $not;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    for my $n (0 .. $#statements)
    {
        is($pair[0][$n], $pair[1][$n], "@{[$caller->[1] // $caller->[0]]}: $statements[$n] tells nothing") or next;
        unlike($pair[0][$n], qr/^00000/, 'and is an error');
    }
    my @looked = map { my $name = $_; [ calls($caller, 'lookups', map { s/%s/$name/gr } @statements) ] } $there, $not;
    for my $n (0 .. $#statements)
    {
        next if $statements[$n] =~ /restore.*9/ && $there =~ /hidden$/;    # who guesses a revision is told by the time that there is one
        cmp_ok(abs($looked[0][$n] - $looked[1][$n]), '<=', 1, "@{[$caller->[1] // $caller->[0]]}: $statements[$n] looks up as much of $there as of $not, but for one")
            or diag("$looked[0][$n] and $looked[1][$n]");
    }
    return;
}
my @reads = map { "SELECT pocket.$_" } "get('ann:%s')", "get('ann:%s', rev => 5)", "stat('ann:%s')", "stat('ann:%s', now())", "stat('ann:%s', '2000-01-01')", "ls('ann:%s')", "ls('ann:%s', true)",
    "ls('ann:%s', at => now())", "history('ann:%s')", "restore('ann:%s', 5)", "restore('ann:%s', 9)", "rm('ann:%s')", "rm('ann:%s', true)", "set_attributes('ann:%s', '{}')", "cp('ann:%s', 'mine:/x')",
    "mv('ann:%s', 'mine:/x')", "mv('mine:/m', 'ann:%s/deeper/m')", "share('ann:%s', 'kim', 'viewer')", "unshare('ann:%s', 'kim')", "set_inheritance('ann:%s', true)", "rewind('ann:%s', now())";
my @writes = map { "SELECT pocket.$_" } "put('ann:%s', 'x')", "put('ann:%s/more', 'x')", "append('ann:%s', 'x')", "mkdir('ann:%s')", "symlink('ann:%s', 'x')", "put_many(ARRAY['ann:%s'], ARRAY['x'::bytea])", "mv('mine:/m', 'ann:%s')",
    "cp('mine:/m', 'ann:%s')", "put('ann:%s', 'x', mode => 'add')", "put('ann:%s', decode(repeat('5a', 9000), 'hex'))";
$cell->sql("SET ROLE ann; SELECT pocket.put('ann:/dir/Hidden/File', 'secret'); SELECT pocket.put('ann:/dir/Hidden/a/b/c', 'deep'); SELECT pocket.share('ann:/dir/Hidden', 'web', 'viewer'); SELECT pocket.set_inheritance('ann:/dir/Hidden', false)");
for my $caller (@callers)
{
    value($caller, "SELECT pocket.create_namespace('mine'); SELECT pocket.put('mine:/m', 'mine')");
    grant_exactly('r');
    same_errors($caller, "/dir/hidden$_", "/dir/absent$_", @reads, @writes) for '', '/file', '/file/deep', '/a/b/c', '/a/b/c/d/e';
    grant_exactly('rwds');
    same_errors($caller, "/dir/hidden$_", "/dir/absent$_", grep { !/mv\('mine/ } @reads) for '', '/file', '/file/deep', '/a/b/c';
    is(value($caller, "SELECT count(*) FROM pocket.ls('ann:/', true)"), '4', 'nor does what is listed');
    is(value($caller, "SELECT count(*) FROM pocket.files WHERE path LIKE 'ann:%'"), '5', 'nor the view');
    is(value($caller, "SELECT count(*) FROM pocket.files WHERE path IS NULL"), '0', 'which has no row of what is hidden');
    is(value($caller, "SELECT count(*) FROM pocket.shares WHERE path IS NULL OR path ILIKE '%hidden%'"), '0', 'nor are its shares there');
    is(value($caller, "SELECT count(*) FROM pocket.changes(pocket.first_cursor('ann'))"), '4', 'nor changes');
    is(value($caller, "SELECT outcome FROM pocket.cp('ann:/dir', 'mine:/dir'); SELECT count(*) FROM pocket.ls('mine:/dir', true)"), "copied\n3", 'nor what is copied');
    grant_exactly('');
    # the namespace, too: as one that is not there
    my @all = (@reads, @writes, map { "SELECT pocket.$_" } "alter_namespace('ann', quota => 1)", "drop_namespace('ann')", "lock('{ann}')", "first_cursor('ann')", "latest_cursor('ann')");
    same_errors($caller, 'ann', 'xyz', map { s/%s/\/dir\/file/gr =~ s/\bann\b/%s/gr } @all);
    # nor is it told by what is wrong beside it
    value($caller, "SELECT pocket.mkdir('mine:/folder')");
    same_errors($caller, 'ann', 'xyz', map { "SELECT pocket.$_" } "ls('mine:/', after => '%s:/x')", "ls('mine:/', true, after => '%s:/')", "put('%s:/x/', 'x')", "put_many(ARRAY['%s:/x/'], ARRAY['x'::bytea])",
        "put_many(ARRAY['mine:/folder', '%s:/x'], ARRAY[decode(repeat('5a', 9000), 'hex'), 'y'])", "commit('%s:/x/', '{}')", "mv('mine:/nosuch', '%s:/x')", "cp('mine:/nosuch', '%s:/x')", "cp('mine:/nosuch', '%s:/')");
    value($caller, "SELECT pocket.drop_namespace('mine')");
}

# --- nor is it told by the time that a put takes: what is hidden from an editor, he brings again ---
sub blocks_put
{
    my $out = '';
    IPC::Run::run([ 'curl', '-s', '--max-time', '5', '--unix-socket', $cell->{sidecars}{one}{socket}, 'http://localhost/metrics' ], '>', \$out);
    my ($n) = $out =~ /^pocketd_blocks_put_total\S* (\d+)/m or die "no counter: $out";
    return $n;
}
my $large = "decode(repeat('a5', 9000), 'hex')";
$cell->sql("SET ROLE ann; SELECT pocket.put('ann:/dir/Hidden/Large', $large)");
grant_exactly('rwd');
for my $call ("put('ann:/dir/mine', $large)", "append('ann:/dir/appended', $large)", "put_many(ARRAY['ann:/dir/many'], ARRAY[$large])")
{
    my $put = blocks_put();
    value([ 'ben', undef ], "SELECT pocket.$call");
    is(blocks_put() - $put, 1, "ben: $call brings its block");
}
my $put = blocks_put();
value([ 'ann', undef ], "SELECT pocket.put('ann:/dir/again', $large)");
is(blocks_put() - $put, 0, 'who owns it all does not');
is($cell->sql("SELECT count(*) FROM pocket.ls('ann:/dir') l WHERE kind = 'file' AND size = 9000 AND pocket.get(l.path) = $large"), '4', 'all have the content');
done_testing();
