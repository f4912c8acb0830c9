# Replicas that were offline replay what they did, in one order or another: both end with the same contents, and no
# content is lost that its own replica did not replace or delete. 10,000 random schedules, each in a folder of its own for
# each of its two orders, held against a model. Then conflicts and restores of blocks: each is held as often as it is in files.
use strict;
use warnings;
use PocketTest;
use Test::More;
use Time::HiRes qw(time);

my $schedules = $ENV{POCKET_SCHEDULES} // 10_000;
my $seed = $ENV{POCKET_SEED} // 0.25;
my $cell = PocketTest->new('replicas', drives => 1, conf => "fsync = off\nsynchronous_commit = off\npocket.code = 'replicated'");
$cell->sql("SELECT pocket.create_namespace('r')");

# An action of a replica on a path of its own tree: 'put' (an edit, or a new file when it has none there) or 'rm'.
# The replica's tree is (server's path, version) by local path: what it knew when it went offline, and what the server
# answered since. A deletion goes to the server only while that has nothing newer; rm has no base to leave this to it.
$cell->sql(<<'SQL');
CREATE SCHEMA test;
CREATE TYPE test.action AS (replica integer, verb text, file integer, content text);

-- What replicas do offline, each one's actions in their order. What a replica says about a file last may be what others say, too.
CREATE FUNCTION test.schedule(replicas integer, files integer, existing integer) RETURNS test.action[] LANGUAGE plpgsql AS $$
DECLARE
	result test.action[] := '{}';
	has boolean[];
	done boolean[];
	f integer;
BEGIN
	FOR r IN 1 .. replicas LOOP
		has := ARRAY(SELECT i <= existing FROM generate_series(1, files) i ORDER BY i);
		done := array_fill(false, ARRAY[files]);
		FOR n IN 1 .. 1 + floor(random() * 3)::integer LOOP
			f := 1 + floor(random() * files)::integer;
			CONTINUE WHEN done[f];
			IF has[f] AND random() < 0.35 THEN
				result := result || ROW(r, 'rm', f, NULL)::test.action;
				has[f] := false;
			ELSIF random() < 0.2 THEN
				result := result || ROW(r, 'put', f, 'shared')::test.action;
				done[f] := true;
			ELSE
				result := result || ROW(r, 'put', f, r || '.' || n)::test.action;
				has[f] := true;
			END IF;
		END LOOP;
	END LOOP;
	RETURN result;
END $$;

-- The model: what each replica ends with stays, and what all started with when none of them touched it.
CREATE FUNCTION test.expected(actions test.action[], existing integer) RETURNS text[] LANGUAGE sql AS $$
	SELECT ARRAY(SELECT content FROM (SELECT DISTINCT ON (replica, file) verb, content FROM unnest(actions) WITH ORDINALITY a (replica, verb, file, content, i)
			ORDER BY replica, file, i DESC) last WHERE verb = 'put'
		UNION SELECT 'start' || f FROM generate_series(1, existing) f WHERE f NOT IN (SELECT file FROM unnest(actions)) ORDER BY 1)
$$;

-- The same actions in another order: each replica's own order stays, who is next is chance; or all of one after all of another.
CREATE FUNCTION test.shuffle(actions test.action[], whole boolean) RETURNS test.action[] LANGUAGE sql AS $$
	WITH turn AS (SELECT replica, row_number() OVER (PARTITION BY replica ORDER BY x, i) AS n, row_number() OVER (ORDER BY x, i) AS place
		FROM (SELECT replica, i, CASE WHEN whole THEN -replica ELSE random() END AS x
			FROM unnest(actions) WITH ORDINALITY a (replica, verb, file, content, i)) t),
	act AS (SELECT a.*, row_number() OVER (PARTITION BY replica ORDER BY i) AS n
		FROM unnest(actions) WITH ORDINALITY a (replica, verb, file, content, i))
	SELECT array_agg(ROW(replica, verb, file, content)::test.action ORDER BY place) FROM turn JOIN act USING (replica, n)
$$;

-- Replays into a folder; replicas: whether each has an id of its own; careless: without bases. Returns what is there then.
CREATE FUNCTION test.replay(folder text, actions test.action[], existing integer, replicas boolean, careless boolean) RETURNS text[] LANGUAGE plpgsql AS $$
DECLARE
	started text[];
	known text[];		-- by replica and file
	versions pocket.version_vector[];
	a test.action;
	k integer;
	r pocket.revision;
	now pocket.version_vector;
BEGIN
	PERFORM set_config('pocket.device', '0', true);
	SELECT array_agg(p.version::text ORDER BY p.path) INTO started FROM pocket.put_many(
		ARRAY(SELECT folder || '/f' || f FROM generate_series(1, existing) f), ARRAY(SELECT convert_to('start' || f, 'UTF8') FROM generate_series(1, existing) f)) p;
	FOREACH a IN ARRAY actions LOOP
		PERFORM set_config('pocket.device', CASE WHEN replicas THEN a.replica ELSE 0 END::text, true);
		k := a.replica * 10 + a.file;
		IF known[k] IS NULL AND a.file <= existing THEN
			known[k] := folder || '/f' || a.file;
			versions[k] := started[a.file];
		END IF;
		IF a.verb = 'put' THEN
			r := pocket.put(coalesce(known[k], folder || '/f' || a.file), convert_to(a.content, 'UTF8'), CASE WHEN careless THEN NULL ELSE versions[k] END,
				CASE WHEN versions[k] IS NULL AND NOT careless THEN 'add' ELSE 'overwrite' END);
			known[k] := r.path;
			versions[k] := r.version;
		ELSE
			SELECT e.version INTO now FROM pocket.ls(folder) e WHERE e.path = known[k];
			IF now OPERATOR(pocket.<<=) versions[k] THEN
				PERFORM pocket.rm(known[k]);
			END IF;
			known[k] := folder || '/f' || a.file;
			versions[k] := NULL;
		END IF;
	END LOOP;
	RETURN ARRAY(SELECT DISTINCT convert_from(pocket.get(e.path), 'UTF8') COLLATE "C" AS c FROM pocket.ls(folder) e ORDER BY c);
END $$;

-- Schedules in both orders; a line for each of those that do not end as the model.
CREATE PROCEDURE test.run(first integer, last integer, seed double precision, careless boolean) LANGUAGE plpgsql AS $$
DECLARE
	actions test.action[];
	other test.action[];
	existing integer;
	expected text[];
	one text[];
	two text[];
	bad integer := 0;
BEGIN
	PERFORM setseed(seed);
	SET client_min_messages = warning;
	FOR s IN first .. last LOOP
		existing := floor(random() * 3);
		actions := test.schedule(2 + (random() < 0.25)::integer, 2, existing);
		other := test.shuffle(actions, s % 2 = 0);
		expected := test.expected(actions, existing);
		one := test.replay('r:/' || s || CASE WHEN careless THEN 'x' ELSE 'a' END, actions, existing, s % 3 > 0, careless);
		two := test.replay('r:/' || s || CASE WHEN careless THEN 'y' ELSE 'b' END, other, existing, s % 3 > 0, careless);
		IF one IS DISTINCT FROM expected OR two IS DISTINCT FROM expected THEN
			bad := bad + 1;
			IF bad <= 5 AND NOT careless THEN
				RAISE WARNING 'schedule %: % existing, % or %: expected %, got % and %', s, existing, actions, other, expected, one, two;
			END IF;
		END IF;
		IF s % 100 = 0 THEN
			COMMIT;
		END IF;
	END LOOP;
	COMMIT;
	CREATE TABLE IF NOT EXISTS test.result (careless boolean, bad integer);
	INSERT INTO test.result VALUES (careless, bad);
END $$;
SQL

my $began = time;
# The first ones let the tables be analyzed: plans that were made for empty ones would be kept.
my ($rc, $out, $err) = $cell->{server}->psql('postgres', "CALL test.run(-50, 0, $seed, false)");
is($rc, 0, 'a schedule runs') or diag($err);
$cell->sql('ANALYZE');
($rc, $out, $err) = $cell->{server}->psql('postgres', "CALL test.run(1, $schedules, $seed, false)");
is($rc, 0, 'the schedules run') or diag($err);
is($cell->sql('SELECT sum(bad) FROM test.result WHERE NOT careless'), '0', "$schedules schedules end as the model, in both orders")
    or diag("POCKET_SEED=$seed: $err");
diag(sprintf '%d schedules in %.1f s, %s changes, %s conflicts', $schedules, time - $began, $cell->sql('SELECT sum(jid) FROM pocket.namespaces'),
    $cell->sql("SELECT count(*) FROM pocket_data.journal WHERE op = 'created' AND name ~ 'conflicted copy'"));
$cell->sql("CALL test.run(1, 200, $seed, true)");
cmp_ok($cell->sql('SELECT bad FROM test.result WHERE careless'), '>', 20, 'the model tells when edits are lost: without bases they are');

# Blocks. What the journal says that is held: each block once for each run of a file's revisions that have it.
my $held = <<'SQL';
SET search_path = pocket, public;
WITH has AS (SELECT DISTINCT ns_id, file_id, jid, b.hash FROM pocket_data.journal j, pocket.blocks(j.blocks) b WHERE j.blocks IS NOT NULL),
before AS (SELECT ns_id, file_id, jid, lag(jid) OVER (PARTITION BY ns_id, file_id ORDER BY jid) AS previous FROM pocket_data.journal),
due AS (SELECT h.ns_id, h.hash, count(*) AS files FROM has h JOIN before USING (ns_id, file_id, jid)
	WHERE NOT EXISTS (SELECT FROM has p WHERE p.ns_id = h.ns_id AND p.file_id = h.file_id AND p.jid = before.previous AND p.hash = h.hash) GROUP BY 1, 2)
SELECT count(*) FROM due FULL JOIN pocket_data.holder o USING (ns_id, hash) WHERE due.files IS DISTINCT FROM o.files
SQL
$cell->sql(<<'SQL');
SELECT pocket.create_namespace('b', quota => 50000000);
CREATE FUNCTION test.bytes(seed text, size integer) RETURNS bytea LANGUAGE sql IMMUTABLE AS
	$$ SELECT substr(string_agg(sha256(convert_to(seed || i, 'UTF8')), ''::bytea), 1, size) FROM generate_series(1, size / 32 + 1) i $$;
SQL
my $two = "test.bytes('a', 4194304) || test.bytes('b', 100000)";
is($cell->sql("SELECT outcome FROM pocket.put('b:/d/f', $two)"), 'created', 'a file of two blocks');
is($cell->sql("SELECT outcome FROM pocket.put('b:/d/f', test.bytes('a', 4194304) || test.bytes('c', 100000), '{0:3}')"), 'updated', 'edited');
is($cell->sql("SELECT outcome FROM pocket.put('b:/d/f', test.bytes('a', 4194304) || test.bytes('d', 100000), '{0:3}')"), 'conflict', 'a conflict');
is($cell->sql("SELECT outcome FROM pocket.put('b:/d/f', test.bytes('a', 4194304) || test.bytes('d', 100000), '{0:3}')"), 'conflict', 'and again');
is($cell->sql("SELECT count(*) FROM pocket.ls('b:/d')"), '2', 'one copy');
is($cell->sql("SELECT md5(pocket.get(path)) = md5(test.bytes('a', 4194304) || test.bytes('d', 100000)) FROM pocket.ls('b:/d') WHERE path LIKE '%conflicted%'"), 't', 'it can be read');
is($cell->sql("SELECT outcome FROM pocket.restore('b:/d/f', 3)"), 'restored', 'the first revision is restored');
is($cell->sql("SELECT md5(pocket.get('b:/d/f')) = md5($two)"), 't', 'and can be read');
is($cell->sql($held), '0', 'each block is held as often as it is in files');
$cell->kill_sidecar('TERM');
is($cell->sql("SELECT outcome FROM pocket.rm('b:/d', true)"), 'deleted', 'removed');
is($cell->sql("SELECT outcome FROM pocket.restore('b:/d', 2)"), 'restored', 'restored without a sidecar: rows only');
is($cell->sql("SELECT outcome FROM pocket.restore('b:/d/f', 4)"), 'restored', 'a revision of the time before the removal');
$cell->start_sidecar;
is($cell->sql("SELECT md5(pocket.get('b:/d/f')) = md5(test.bytes('a', 4194304) || test.bytes('c', 100000))"), 't', 'and can be read');
is($cell->sql($held), '0', 'each block is held as often as it is in files');
$cell->fails("SELECT pocket.put('b:/d/f', test.bytes('e', 50000000), '{}')", 'PK003', qr/quota/, 'a conflicted copy must fit the quota');
is($cell->sql($held), '0', 'what failed holds nothing');
is($cell->sql("SELECT used = (SELECT sum(size) FROM pocket_data.entry e WHERE e.ns_id = n.ns_id) FROM pocket.namespaces n WHERE name = 'b'"), 't', 'the used bytes are exact');
done_testing();
