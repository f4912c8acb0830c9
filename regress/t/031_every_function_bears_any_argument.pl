# Every function and procedure of schema pocket with nulls, empty values and the extremes of its arguments' types, as superuser and as
# a role without rights: errors, yes, but no crash and no internal error.
use strict;
use warnings;
use PocketTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $cell = PocketTest->new('fuzz', drives => 3, conf => "log_error_verbosity = verbose");
$cell->sql(<<'SQL');
    CREATE ROLE plain LOGIN;
    CREATE SCHEMA fuzz;
    GRANT USAGE ON SCHEMA fuzz TO plain;
    SET ROLE plain;
    SELECT pocket.create_namespace('app');
    SELECT pocket.put('app:/f', convert_to(repeat('x', 5000), 'UTF8')), pocket.put('app:/d/e/f', 'inline'), pocket.symlink('app:/l', 'f'), pocket.mkdir('app:/empty');
    SELECT pocket.put('app:/gone', 'x'), pocket.rm('app:/gone');
    RESET ROLE;
    CREATE TABLE fuzz.value (type text, value text);
    INSERT INTO fuzz.value SELECT t.type, v.value FROM (VALUES
        ('text', ARRAY[$$''$$, $$'/'$$, $$'app:/'$$, $$'app:/f'$$, $$'app:/d'$$, $$'app:/d/'$$, $$'app:/l'$$, $$'app:/gone'$$, $$'app:'$$, $$'app'$$, $$':'$$, $$'a:b:/c'$$, $$'/a/../b'$$, $$'//'$$, $$'app:/new/file'$$,
            $$'app:' || repeat('/x', 600)$$, $$repeat('x', 20000)$$, $$E'\x01'$$, $$'link:x/y'$$, $$'ÄÖÜ ß'$$, $$'overwrite'$$, $$'add'$$, $$'update'$$, $$'%'$$, $$repeat('(', 5000)$$]),
        ('cstring', ARRAY[$$''$$, $$'{}'$$, $$'{'$$, $$'app:/f'$$, $$'x'$$]),
        ('bytea', ARRAY[$$''$$, $$'\x00'$$, $$convert_to(repeat('y', 3000), 'UTF8')$$, $$sha256('x')$$]),
        ('bigint', ARRAY['0', '1', '-1', '2', '9223372036854775807', '(-9223372036854775808)']),
        ('integer', ARRAY['0', '1', '-1', '2147483647', '(-2147483648)']), ('smallint', ARRAY['0', '1', '-1', '32767', '(-32768)']),
        ('double precision', ARRAY['0', '1', $$'NaN'$$, $$'Infinity'$$, $$'-Infinity'$$]), ('boolean', ARRAY['true', 'false']), ('oid', ARRAY['0', '1', '4294967295']),
        ('interval', ARRAY[$$'0'$$, $$'1 s'$$, $$'-1 s'$$, $$'178000000 years'$$, $$'-178000000 years'$$, $$'-2147483648 days'$$, $$'2562047788 hours'$$, $$'0.000001 s'$$]),
        ('timestamp with time zone', ARRAY[$$'infinity'$$, $$'-infinity'$$, 'now()', $$'4714-11-24 00:00:00+00 BC'$$, $$'294276-12-31 23:59:59.999999+00'$$]),
        ('jsonb', ARRAY[$$'{}'$$, $$'[]'$$, $$'null'$$, $$'1'$$, $$'{"target": 1}'$$, $$jsonb_build_object('a', repeat('x', 20000))$$]),
        ('text[]', ARRAY[$$'{}'$$, $$'{NULL}'$$, $$'{app}'$$, $$'{app:/m,app:/n}'$$, $$'{{app:/f},{app:/g}}'$$, $$'[5:5]={app:/f}'$$]),
        ('bytea[]', ARRAY[$$'{}'$$, $$'{NULL}'$$, $$'{x,y}'$$, $$'{{x},{y}}'$$]), ('jsonb[]', ARRAY[$$'{}'$$, $$'{NULL,1}'$$]), ('timestamp with time zone[]', ARRAY[$$'{}'$$, $$'{infinity,-infinity}'$$]),
        ('pocket.sha256', ARRAY[$$pocket.digest('')$$, $$repeat('f', 64)::pocket.sha256$$]),
        ('pocket.blocklist', ARRAY[$$'{}'$$, $$pocket.chunk(convert_to(repeat('x', 5000), 'UTF8'))$$, $$('{' || repeat('0', 64) || ':4194304,' || repeat('f', 64) || ':1}')::pocket.blocklist$$, $$('{' || repeat('0', 64) || ':1,' || repeat('0', 64) || ':1}')::pocket.blocklist$$]),
        ('pocket.version_vector', ARRAY[$$'{}'$$, $$'{1:1}'$$, $$'{1:9223372036854775807}'$$, $$'{0:1,2:2,9223372036854775807:3}'$$]),
        ('pocket.acl', ARRAY[$$'{}'$$, $$'{plain=rwds}'$$, $$'{group:eng=r,alice=rwd}'$$]),
        ('pocket.path', ARRAY[$$'app:/'$$, $$'app:/f'$$, $$'app:/d/e/f'$$]),
        ('pocket.cursor', ARRAY[$$fuzz.cursor(true)$$, $$fuzz.cursor(false)$$])) t (type, list), unnest(t.list) v (value);
    CREATE TABLE fuzz.cursors AS SELECT pocket.first_cursor('app') AS first, pocket.latest_cursor('app') AS latest;
    CREATE FUNCTION fuzz.cursor(first boolean) RETURNS pocket.cursor LANGUAGE sql STABLE AS 'SELECT CASE WHEN $1 THEN first ELSE latest END FROM fuzz.cursors';
    GRANT SELECT ON ALL TABLES IN SCHEMA fuzz TO plain;

    -- A value of a type, as SQL; a null for the types of which there is none.
    CREATE FUNCTION fuzz.any_value(type text) RETURNS text LANGUAGE sql VOLATILE AS
        $$ SELECT coalesce((SELECT v.value FROM fuzz.value v WHERE v.type = any_value.type ORDER BY random() LIMIT 1), 'NULL') $$;
    -- Calls each function often; what ended in an internal error.
    CREATE FUNCTION fuzz.run(rounds integer, OUT problem text) RETURNS SETOF text LANGUAGE plpgsql AS $$
    DECLARE
        f record;
        call text;
        arguments text[];
        succeeded bigint := 0;
        failed bigint := 0;
    BEGIN
        FOR f IN SELECT p.proname, p.prokind, ARRAY(SELECT format_type(t, NULL) FROM unnest(p.proargtypes) WITH ORDINALITY a (t, i) ORDER BY i) AS types
            FROM pg_catalog.pg_proc p WHERE p.pronamespace = 'pocket'::regnamespace AND p.prokind IN ('f', 'p') ORDER BY p.oid LOOP
            FOR round IN 0 .. CASE WHEN cardinality(f.types) = 0 THEN 0 ELSE rounds END LOOP
                -- first all null, then null among others, then anything
                arguments := ARRAY(SELECT CASE WHEN round = 0 OR (round % 3 = 0 AND random() < 0.3) OR t = 'internal' THEN 'NULL' ELSE fuzz.any_value(t) END || CASE WHEN t = 'internal' THEN '' ELSE '::' || t END
                    FROM unnest(f.types) WITH ORDINALITY a (t, i) ORDER BY i);
                call := format('%s pocket.%I(%s)%s', CASE f.prokind WHEN 'p' THEN 'CALL' ELSE 'SELECT' END, f.proname, array_to_string(arguments, ', '), CASE f.prokind WHEN 'p' THEN '' ELSE ' IS NULL' END);
                BEGIN
                    EXECUTE call;
                    succeeded := succeeded + 1;
                EXCEPTION WHEN OTHERS THEN
                    failed := failed + 1;
                    IF SQLSTATE LIKE 'XX%' THEN
                        problem := SQLSTATE || ' ' || SQLERRM || ': ' || left(call, 500);
                        RETURN NEXT;
                    END IF;
                END;
            END LOOP;
        END LOOP;
        IF succeeded < 200 OR failed < 200 THEN
            problem := format('%s calls succeeded, %s failed: that tells nothing', succeeded, failed);
            RETURN NEXT;
        END IF;
    END $$;
SQL

for my $role ('postgres', 'plain')
{
    for my $seed (0.1, 0.2)
    {
        my ($status, $out, $err) = $cell->{server}->psql('postgres', "SET client_min_messages = error; SELECT setseed($seed) IS NULL; BEGIN; SET ROLE $role; SELECT fuzz.run(50); ROLLBACK;");
        is($status, 0, "$role, $seed: the server bears it") or diag($err);
        is($out, 'f', "$role, $seed: no internal error") or diag($out);
    }
}
my $log = slurp_file($cell->{server}->logfile);
unlike($log, qr/PANIC|terminated by signal|TRAP:|server process .* was terminated/, 'no process has crashed');
is($cell->sql("SELECT count(*) FROM pocket.ls('app:/', true)"), '6', 'what was there is there');
is($cell->sql('SELECT count(*) FROM pocket.verify()'), '0', 'all is well');
done_testing();
