# Values of every type come through pg_dump and psql, through pg_dump's directory format, and through logical replication in
# binary: the copy at the start, then inserts, updates and deletes that find their row by all its values.
use strict;
use warnings;
use PocketTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $top = $ENV{TOP} // '.';
my $from = PocketTest->new('publisher', bare => 1, streaming => 'logical');
my $to = PocketTest->new('subscriber', bare => 1);
my $table = 'CREATE TABLE value (id integer, h pocket.sha256, l pocket.blocklist, v pocket.version_vector, a pocket.acl, p pocket.path, c pocket.cursor, ps pocket.path[])';
my $all = q{SELECT count(*) || ' ' || md5(coalesce(string_agg(x::text, E'\n' ORDER BY id), '')) FROM value x};

my @cursors = map { (split /\t/)[5] } split /\n/, slurp_file("$top/regress/golden/cursor.tsv");
my $cursors = join ', ', map { "('$_'::pocket.cursor)" } @cursors;

# Rows of each type's least, usual and odd values, and of a large one that is toasted.
sub rows
{
    my ($first) = @_;
    return <<"SQL";
        INSERT INTO value
        SELECT $first + row_number() OVER (), pocket.digest(convert_to(i::text, 'UTF8')), pocket.chunk(convert_to(repeat('x', i * 37), 'UTF8')),
            pocket.increment(pocket.increment('{}', i), 9223372036854775807), a, p, c, pocket.lineage(p)
        FROM generate_series(0, 1) i, (VALUES ('{}'::pocket.acl), ('!{}'), ('!{"a \\"b\\\\\\\\ ,=}"=rwds,\x{e9}=r}')) as_ (a),
            (VALUES ('h:/'::pocket.path), ('h h:/a b/\x{e9},{"}/\\z')) ps (p), (VALUES $cursors) cs (c);
        INSERT INTO value (id) VALUES ($first);
        INSERT INTO value (id, l, v, a) SELECT $first + 1000, (SELECT ('{' || string_agg(pocket.digest(int4send(i)) || ':' || i, ',') || '}')::pocket.blocklist FROM generate_series(1, 3000) i),
            (SELECT ('{' || string_agg(i || ':' || i, ',') || '}')::pocket.version_vector FROM generate_series(1, 3000) i),
            (SELECT ('{' || string_agg('p' || i || '=rw', ',') || '}')::pocket.acl FROM generate_series(1, 900) i);
SQL
}

for my $cell ($from, $to)
{
    $cell->sql('CREATE EXTENSION pocket');
    $cell->sql($table);
}
$from->sql('ALTER TABLE value REPLICA IDENTITY FULL');
$from->sql('CREATE PUBLICATION p FOR TABLE value');
my $rows = rows(0);
utf8::encode($rows);
$from->sql($rows);
is($from->sql('SELECT count(*) FROM value'), 2 * 3 * 2 * @cursors + 2, 'there are rows');

$to->sql('CREATE SUBSCRIPTION s CONNECTION $c$' . $from->{server}->connstr('postgres') . '$c$ PUBLICATION p WITH (binary = true)');
$from->{server}->wait_for_catchup('s');
$to->{server}->poll_query_until('postgres', "SELECT count(*) = 0 FROM pg_subscription_rel WHERE srsubstate <> 'r'") or die 'no sync';
is($to->sql($all), $from->sql($all), 'the copy at the start');

$rows = rows(2000);
utf8::encode($rows);
$from->sql($rows);
$from->sql("UPDATE value SET a = a OPERATOR(pocket.|) '{new=d}', p = p OPERATOR(pocket./) 'n', v = pocket.increment(v, 5) WHERE id % 3 = 0");
$from->sql('DELETE FROM value WHERE id % 7 = 0');
$from->{server}->wait_for_catchup('s');
is($to->sql($all), $from->sql($all), 'inserts, updates and deletes');
cmp_ok($to->sql('SELECT count(*) FROM value'), '>', 100, 'rows are left');

my $server = $from->{server};
$server->safe_psql('postgres', 'CREATE DATABASE plain TEMPLATE template0; CREATE DATABASE directory TEMPLATE template0');
$server->command_ok([ 'pg_dump', '--file', "$from->{dir}/plain.sql", $server->connstr('postgres') ], 'a dump as SQL');
$server->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', "$from->{dir}/plain.sql", $server->connstr('plain') ], 'restored');
$server->command_ok([ 'pg_dump', '--format', 'directory', '--file', "$from->{dir}/dump", '--inserts', $server->connstr('postgres') ], 'a dump of INSERTs');
$server->command_ok([ 'pg_restore', '--exit-on-error', '--dbname', $server->connstr('directory'), "$from->{dir}/dump" ], 'restored');
is($server->safe_psql($_, $all), $from->sql($all), "the rows in database $_") for qw(plain directory);

$to->sql('DROP SUBSCRIPTION s');
done_testing();
