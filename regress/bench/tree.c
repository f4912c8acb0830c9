/*
 * regress/bench/tree.c
 *	  The tree beside plain SQL in one server: commits of small changes by
 *	  several clients, looking up and listing in small and large trees, moving a
 *	  large folder, and following a large namespace.
 *
 *	  tree CONNINFO [ENTRIES]
 *
 * Prints "name value" lines: medians of five rounds in which both sides take
 * turns; rates are per second, *_ms milliseconds.
 *
 * What plain SQL writes and reads is what Pocket writes and reads: rows of
 * tables of the same definition, with the same indexes.  A change is one
 * statement there, and so one exchange with the server, as a call of Pocket is.
 * The large tree is filled by INSERTs into Pocket's own tables, a journal row and
 * an entry each, copied from a file that was put: put_many would make the same
 * rows, but slower than a benchmark should last.
 */
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <libpq-fe.h>

#define ROUNDS 5
#define ENTRIES 1000000 /* of the large tree, unless it is said */
#define ENTRIES_SMALL 10000
#define CLIENTS_MAX 8
#define COMMIT_SECONDS 0.5 /* of each side in a round */
#define LOOKUPS 3000	   /* in one round */
#define PAGES 200		   /* in one round */
#define PAGE_ROWS 100
#define MOVES 20 /* in one round */
#define EDITS 10
#define NAME_SIZE 96
#define ARGS_MAX 4

enum side
{
	POCKET,
	PLAIN,
	SIDES
};

static const char *const side_names[SIDES] = {"pocket", "plain"};

/* rounds[ROUNDS] is the one to warm up */
typedef double Rounds[SIDES][ROUNDS + 1];

typedef struct Client
{
	PGconn *conn;
	int number;
	enum side side;
	int round;
	double until;
	double ended;
	long done;
} Client;

/*
 * A namespace that was filled: /deep/wide/folder has `entries` files, and
 * /deep/many has fan folders of fan files each, a tenth as many: files at depth 4
 * in a folder of all, and in one of many.
 */
typedef struct Tree
{
	const char *name;
	char ns_id[NAME_SIZE];
	int64_t folder_id;
	int64_t spread_id; /* of the first of the files below "many" */
	int64_t entries;
	int64_t fan;
} Tree;

static PGconn *conn;

static double
now_seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double) ts.tv_sec + (double) ts.tv_nsec / 1e9;
}

static PGresult *
expect(PGconn *on, PGresult *result, const char *what)
{
	ExecStatusType status = PQresultStatus(result);

	if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK)
	{
		fprintf(stderr, "%s: %s\n", what, PQerrorMessage(on));
		exit(1);
	}
	return result;
}

static void
run(PGconn *on, const char *sql)
{
	PQclear(expect(on, PQexec(on, sql), sql));
}

static void
query(char out[NAME_SIZE], const char *sql)
{
	PGresult *result = expect(conn, PQexec(conn, sql), sql);

	snprintf(out, NAME_SIZE, "%s", PQgetvalue(result, 0, 0));
	PQclear(result);
}

static double
number(const char *sql)
{
	char value[NAME_SIZE];

	query(value, sql);
	return strtod(value, NULL);
}

static void
prepare(PGconn *on, const char *name, const char *sql)
{
	PQclear(expect(on, PQprepare(on, name, sql, 0, NULL), sql));
}

/* Runs a prepared statement, its result in binary; returns how many rows there are. */
static int
execute(PGconn *on, const char *name, int count, const char *a, const char *b, const char *c, const char *d)
{
	const char *const values[ARGS_MAX] = {a, b, c, d};
	PGresult *result = expect(on, PQexecPrepared(on, name, count, values, NULL, NULL, 1), name);
	int rows = PQntuples(result);

	PQclear(result);
	return rows;
}

static int
compare(const void *a, const void *b)
{
	double x = *(const double *) a;
	double y = *(const double *) b;

	return (x > y) - (x < y);
}

static double
median(double *values, int count)
{
	qsort(values, (size_t) count, sizeof(double), compare);
	return values[count / 2];
}

static void
print_rounds(const char *name, const char *suffix, Rounds rounds)
{
	for (int side = 0; side < SIDES; side++)
		printf("%s_%s%s %.4g\n", name, side_names[side], suffix, median(rounds[side], ROUNDS));
	fflush(stdout);
}

/* Both sides in turns, and in turns who begins; round ROUNDS comes first and warms up. */
static void
measure(Rounds rounds, double (*once)(enum side side, int round, const void *what), const void *what)
{
	for (int n = 0; n <= ROUNDS; n++)
	{
		int round = n == 0 ? ROUNDS : n - 1;

		for (int turn = 0; turn < SIDES; turn++)
		{
			enum side side = (enum side)((turn + n) % SIDES);

			rounds[side][round] = once(side, round, what);
		}
	}
}

/* --- commits --- */

#define PLAIN_HEAD                                                                                    \
	"WITH h AS (UPDATE bench_head SET jid = jid + 1, file_id = file_id + %s, at = clock_timestamp() " \
	"WHERE ns_id = $1 RETURNING ns_id, jid, file_id, at), e AS ("
#define PLAIN_JOURNAL                                                                                             \
	" RETURNING *) INSERT INTO bench_journal (ns_id, jid, file_id, op, parent_id, name, name_key, kind, size, "   \
	"inline, content_hash, version, mtime, attributes, author, at) SELECT ns_id, rev, file_id, '%s', parent_id, " \
	"name, name_key, kind, size, inline, content_hash, version, mtime, attributes, author, at FROM e "            \
	"RETURNING file_id"

static void
prepare_plain(PGconn *on)
{
	char sql[2048];

	snprintf(sql, sizeof(sql),
			 PLAIN_HEAD "INSERT INTO bench_entry (ns_id, file_id, parent_id, name, name_key, kind, rev, size, version, "
						"attributes, author, at) SELECT ns_id, file_id, 1, $2, $2, 'folder', jid, 0, $3, '{}', "
						"'postgres', at FROM h" PLAIN_JOURNAL,
			 "1", "created");
	prepare(on, "plain_mkdir", sql);
	snprintf(sql, sizeof(sql),
			 PLAIN_HEAD
			 "INSERT INTO bench_entry (ns_id, file_id, parent_id, name, name_key, kind, rev, size, inline, "
			 "content_hash, version, mtime, attributes, author, at) SELECT ns_id, file_id, 1, $2, $2, "
			 "'file', jid, 7, $4, repeat('ab', 32)::pocket.sha256, $3, at, '{}', 'postgres', at FROM h" PLAIN_JOURNAL,
			 "1", "created");
	prepare(on, "plain_put", sql);
	snprintf(sql, sizeof(sql),
			 PLAIN_HEAD "UPDATE bench_entry e SET parent_id = 1, name = $2, name_key = $2, rev = h.jid, version = $3, "
						"at = h.at FROM h WHERE e.ns_id = $1 AND e.file_id = $4 RETURNING e.*), f AS (SELECT * FROM e"
						") INSERT INTO bench_journal (ns_id, jid, file_id, op, parent_id, name, name_key, kind, size, "
						"content_hash, version, mtime, attributes, author, at) SELECT ns_id, rev, file_id, 'moved', "
						"parent_id, name, name_key, kind, size, content_hash, version, mtime, attributes, author, at "
						"FROM f",
			 "0");
	prepare(on, "plain_mv", sql);
}

static void
prepare_clients(Client *clients, const char *conninfo)
{
	char sql[256];

	run(conn, "CREATE TABLE bench_entry (LIKE pocket_data.entry INCLUDING ALL)");
	run(conn, "CREATE TABLE bench_journal (LIKE pocket_data.journal INCLUDING ALL)");
	run(conn, "CREATE TABLE bench_head (LIKE pocket_data.namespace_head INCLUDING ALL) WITH (fillfactor = 50)");
	for (int i = 0; i < CLIENTS_MAX; i++)
	{
		Client *client = &clients[i];

		client->number = i;
		client->conn = PQconnectdb(conninfo);
		if (PQstatus(client->conn) != CONNECTION_OK)
		{
			fprintf(stderr, "connect: %s\n", PQerrorMessage(client->conn));
			exit(1);
		}
		snprintf(sql, sizeof(sql), "SELECT pocket.create_namespace('client%d')", i);
		run(client->conn, sql);
		snprintf(sql, sizeof(sql), "INSERT INTO bench_head VALUES (%d, 1, 1, 0, now())", i);
		run(client->conn, sql);
		prepare(client->conn, "pocket_mkdir", "SELECT r.rev FROM pocket.mkdir($1) AS r");
		prepare(client->conn, "pocket_put", "SELECT r.rev FROM pocket.put($1, $2) AS r");
		prepare(client->conn, "pocket_mv", "SELECT r.rev FROM pocket.mv($1, $2) AS r");
		prepare_plain(client->conn);
	}
}

static void
change_pocket(const Client *client, int n)
{
	char folder[NAME_SIZE];
	char file[NAME_SIZE];
	char target[NAME_SIZE];

	snprintf(folder, NAME_SIZE, "client%d:/folder %d %d", client->number, client->round, n);
	snprintf(file, NAME_SIZE, "client%d:/file %d %d", client->number, client->round, n);
	snprintf(target, NAME_SIZE, "client%d:/moved %d %d", client->number, client->round, n);
	(void) execute(client->conn, "pocket_mkdir", 1, folder, NULL, NULL, NULL);
	(void) execute(client->conn, "pocket_put", 2, file, "content", NULL, NULL);
	(void) execute(client->conn, "pocket_mv", 2, file, target, NULL, NULL);
}

static void
change_plain(const Client *client, int n)
{
	char ns_id[NAME_SIZE];
	char name[NAME_SIZE];
	char version[NAME_SIZE];
	char file_id[NAME_SIZE];
	const char *values[ARGS_MAX] = {ns_id, name, version, "content"};
	PGresult *result;

	snprintf(ns_id, NAME_SIZE, "%d", client->number);
	snprintf(version, NAME_SIZE, "{1:%d}", n + 1);
	snprintf(name, NAME_SIZE, "folder %d %d", client->round, n);
	(void) execute(client->conn, "plain_mkdir", 3, ns_id, name, version, NULL);
	snprintf(name, NAME_SIZE, "file %d %d", client->round, n);
	result = expect(client->conn, PQexecPrepared(client->conn, "plain_put", ARGS_MAX, values, NULL, NULL, 0), "put");
	snprintf(file_id, NAME_SIZE, "%s", PQgetvalue(result, 0, 0));
	PQclear(result);
	snprintf(name, NAME_SIZE, "moved %d %d", client->round, n);
	(void) execute(client->conn, "plain_mv", ARGS_MAX, ns_id, name, version, file_id);
}

static void *
work(void *arg)
{
	Client *client = arg;
	int n = 0;

	while (now_seconds() < client->until)
	{
		if (client->side == POCKET)
			change_pocket(client, n);
		else
			change_plain(client, n);
		n++;
	}
	client->done = 3L * n;
	client->ended = now_seconds();
	return NULL;
}

typedef struct Crowd
{
	Client *clients;
	int count;
} Crowd;

static double
commits(enum side side, int round, const void *what)
{
	const Crowd *crowd = what;
	pthread_t threads[CLIENTS_MAX];
	double began = now_seconds();
	double ended = 0;
	double done = 0;

	for (int i = 0; i < crowd->count; i++)
	{
		Client *client = &crowd->clients[i];

		client->side = side;
		client->round = crowd->count * 100 + round;
		client->until = began + COMMIT_SECONDS;
		if (pthread_create(&threads[i], NULL, work, client) != 0)
			exit(1);
	}
	for (int i = 0; i < crowd->count; i++)
	{
		(void) pthread_join(threads[i], NULL);
		done += (double) crowd->clients[i].done;
		ended = crowd->clients[i].ended > ended ? crowd->clients[i].ended : ended;
	}
	return done / (ended - began);
}

static void
measure_commits(const char *conninfo)
{
	static const int counts[] = {1, 2, CLIENTS_MAX};
	Client clients[CLIENTS_MAX] = {0};

	prepare_clients(clients, conninfo);
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
	{
		Crowd crowd = {clients, counts[i]};
		Rounds rounds;
		char name[NAME_SIZE];

		measure(rounds, commits, &crowd);
		snprintf(name, NAME_SIZE, "commits%d", counts[i]);
		print_rounds(name, "", rounds);
	}
	for (int i = 0; i < CLIENTS_MAX; i++)
		PQfinish(clients[i].conn);
}

/* --- a tree to look at --- */

/*
 * One level of a tree: count entries with ids from `first`, `fan` of them in each
 * folder from id `parent` on.  The template is the namespace's file "template".
 */
static void
fill_level(const Tree *tree, const char *kind, int64_t first, int64_t count, int64_t parent, int64_t fan,
		   const char *name)
{
	char sql[2048];

	/* an id is its jid, too: nothing but this has been done in the namespace */
	snprintf(
		sql, sizeof(sql),
		"WITH e AS (INSERT INTO pocket_data.entry (ns_id, file_id, parent_id, name, name_key, kind, rev, size, "
		"inline, content_hash, version, mtime, attributes, author, at) SELECT t.ns_id, %lld + i, %lld + i / %lld, "
		"n, n, '%s', %lld + i, c.size, c.inline, c.content_hash, ('{0:' || %lld + i || '}')::pocket.version_vector, "
		"c.mtime, t.attributes, t.author, t.at FROM pocket_data.entry t LEFT JOIN pocket_data.entry f "
		"ON f.ns_id = t.ns_id AND f.file_id = t.file_id AND '%s' = 'file', "
		"LATERAL (SELECT coalesce(f.size, 0) AS size, f.inline, f.content_hash, f.mtime) c, "
		"generate_series(0, %lld::bigint - 1) i, LATERAL (SELECT '%s' || lpad((i %% %lld)::text, 8, '0') AS n) m "
		"WHERE t.ns_id = %s AND t.name = 'template' RETURNING *) INSERT INTO pocket_data.journal (ns_id, jid, "
		"file_id, op, parent_id, name, name_key, kind, size, inline, content_hash, version, mtime, attributes, "
		"author, at) SELECT ns_id, rev, file_id, 'created', parent_id, name, name_key, kind, size, inline, "
		"content_hash, version, mtime, attributes, author, at FROM e",
		(long long) first, (long long) parent, (long long) fan, kind, (long long) first, (long long) first, kind,
		(long long) count, name, (long long) fan, tree->ns_id);
	run(conn, sql);
}

static void
fill(Tree *tree, const char *name, int64_t entries)
{
	char sql[512];
	int64_t first;

	tree->name = name;
	tree->entries = entries;
	for (tree->fan = 1; (tree->fan + 1) * (tree->fan + 1) <= entries / 10;)
		tree->fan++;
	snprintf(sql, sizeof(sql), "SELECT pocket.create_namespace('%s')", name);
	query(tree->ns_id, sql);
	snprintf(sql, sizeof(sql),
			 "SELECT pocket.put('%s:/template', 'content'), pocket.mkdir('%s:/deep/many'), "
			 "pocket.mkdir('%s:/deep/wide/folder')",
			 name, name, name);
	run(conn, sql);
	snprintf(sql, sizeof(sql), "SELECT (pocket.stat('%s:/deep/wide/folder')).file_id", name);
	tree->folder_id = (int64_t) number(sql);
	snprintf(sql, sizeof(sql), "SELECT (pocket.stat('%s:/deep/many')).file_id", name);
	run(conn, "BEGIN");
	first = tree->folder_id + 1;
	fill_level(tree, "file", first, entries, tree->folder_id, entries, "file");
	first += entries;
	fill_level(tree, "folder", first, tree->fan, (int64_t) number(sql), tree->fan, "folder");
	tree->spread_id = first + tree->fan;
	fill_level(tree, "file", tree->spread_id, tree->fan * tree->fan, first, tree->fan, "file");
	snprintf(sql, sizeof(sql),
			 "UPDATE pocket_data.namespace_head h SET (jid, file_id, used) = (SELECT max(jid), max(file_id), sum(size) "
			 "FROM pocket_data.journal j WHERE j.ns_id = h.ns_id) WHERE ns_id = %s",
			 tree->ns_id);
	run(conn, sql);
	run(conn, "COMMIT");
	run(conn, "ANALYZE pocket_data.entry, pocket_data.journal");
}

/* The same places for both sides, others in each round. */
static int64_t
place(int round, int n, int64_t count)
{
	uint64_t x = ((uint64_t) round << 32 | (uint64_t) n) * UINT64_C(0x9E3779B97F4A7C15);

	x = (x ^ x >> 31) * UINT64_C(0xBF58476D1CE4E5B9);
	return (int64_t) ((x ^ x >> 29) % (uint64_t) count);
}

/* In turns a file of the large folder and one of many folders. */
static double
lookups(enum side side, int round, const void *what)
{
	const Tree *tree = what;
	double began = now_seconds();

	for (int i = 0; i < LOOKUPS; i++)
	{
		bool wide = i % 2 == 0;
		int64_t n = place(round, i, wide ? tree->entries : tree->fan * tree->fan);
		char value[NAME_SIZE];
		int rows;

		if (side == PLAIN)
		{
			snprintf(value, NAME_SIZE, "%lld", (long long) ((wide ? tree->folder_id + 1 : tree->spread_id) + n));
			rows = execute(conn, "plain_stat", 2, tree->ns_id, value, NULL, NULL);
		}
		else
		{
			if (wide)
				snprintf(value, NAME_SIZE, "%s:/deep/wide/folder/file%08d", tree->name, (int) n);
			else
				snprintf(value, NAME_SIZE, "%s:/deep/many/folder%08d/file%08d", tree->name, (int) (n / tree->fan),
						 (int) (n % tree->fan));
			rows = execute(conn, "pocket_stat", 1, value, NULL, NULL, NULL);
		}
		if (rows != 1)
		{
			fprintf(stderr, "%s is not there\n", value);
			exit(1);
		}
	}
	return LOOKUPS / (now_seconds() - began);
}

static double
pages(enum side side, int round, const void *what)
{
	const Tree *tree = what;
	char folder[NAME_SIZE];
	double began = now_seconds();

	if (side == POCKET)
		snprintf(folder, NAME_SIZE, "%s:/deep/wide/folder", tree->name);
	else
		snprintf(folder, NAME_SIZE, "%lld", (long long) tree->folder_id);
	for (int i = 0; i < PAGES; i++)
	{
		char after[NAME_SIZE];
		int rows;

		snprintf(after, NAME_SIZE, "file%08d", (int) place(round, i, tree->entries - PAGE_ROWS - 1));
		if (side == POCKET)
			rows = execute(conn, "pocket_ls", 2, folder, after, NULL, NULL);
		else
			rows = execute(conn, "plain_ls", 3, tree->ns_id, folder, after, NULL);
		if (rows != PAGE_ROWS)
		{
			fprintf(stderr, "a page of %d rows\n", rows);
			exit(1);
		}
	}
	return PAGES / (now_seconds() - began);
}

#define COLUMNS "ns_id, file_id, rev, name, kind, size, content_hash, version, mtime, author, at, attributes"

static void
prepare_looks(void)
{
	prepare(conn, "pocket_stat", "SELECT * FROM pocket.stat($1)");
	prepare(conn, "plain_stat", "SELECT " COLUMNS " FROM pocket_data.entry WHERE ns_id = $1 AND file_id = $2");
	prepare(conn, "pocket_ls", "SELECT * FROM pocket.ls($1, after => $2, max => 100)");
	prepare(conn, "plain_ls",
			"SELECT " COLUMNS " FROM pocket_data.entry WHERE ns_id = $1 AND parent_id = $2 "
			"AND name_key > $3 ORDER BY name_key LIMIT 100");
	prepare(conn, "pocket_mv", "SELECT r.rev FROM pocket.mv($1, $2) AS r");
	prepare(conn, "pocket_put", "SELECT r.rev FROM pocket.put($1, $2) AS r");
	prepare(conn, "pocket_changes", "SELECT * FROM pocket.changes($1)");
	prepare(conn, "plain_changes",
			"SELECT "
			"ns_id, jid, file_id, op, parent_id, name, kind, size, content_hash, "
			"version, mtime, author, at, attributes FROM pocket_data.journal "
			"WHERE ns_id = $1 AND jid > $2 ORDER BY jid LIMIT 1000");
}

static void
measure_looks(const Tree *tree, const char *size)
{
	Rounds rounds;
	char name[NAME_SIZE];

	measure(rounds, lookups, tree);
	snprintf(name, NAME_SIZE, "stat_%s", size);
	print_rounds(name, "", rounds);
	measure(rounds, pages, tree);
	snprintf(name, NAME_SIZE, "ls_%s", size);
	print_rounds(name, "", rounds);
}

/* --- rights --- */

/* The same looks by who owns the tree, and by one who may read it because a team that he is in was given that. */
typedef struct Looks
{
	const Tree *tree;
	PGconn *by[SIDES]; /* PLAIN: the owner */
	double (*once)(enum side side, int round, const void *what);
} Looks;

static double
look_as(enum side side, int round, const void *what)
{
	const Looks *looks = what;
	PGconn *own = conn;
	double rate;

	conn = looks->by[side];
	rate = looks->once(POCKET, round, looks->tree);
	conn = own;
	return rate;
}

static void
prepare_member(const Tree *tree, PGconn *member)
{
	char sql[256];

	run(conn, "CREATE ROLE bench_member");
	run(conn, "SELECT pocket.create_principal('bench_team', 'group'), pocket.create_principal('bench_teams', 'group')");
	run(conn, "SELECT pocket.add_member('bench_team', 'bench_member')");
	run(conn, "SELECT pocket.add_member('bench_teams', 'bench_team')");
	snprintf(sql, sizeof(sql), "SELECT pocket.share('%s:/', 'group:bench_teams', 'viewer')", tree->name);
	run(conn, sql);
	run(member, "SET ROLE bench_member");
	prepare(member, "pocket_stat", "SELECT * FROM pocket.stat($1)");
	prepare(member, "pocket_ls", "SELECT * FROM pocket.ls($1, after => $2, max => 100)");
}

static void
measure_rights(const Tree *tree, const char *conninfo)
{
	Looks looks = {.tree = tree, .by = {PQconnectdb(conninfo), conn}, .once = lookups};
	Rounds rounds;

	if (PQstatus(looks.by[POCKET]) != CONNECTION_OK)
	{
		fprintf(stderr, "connect: %s\n", PQerrorMessage(looks.by[POCKET]));
		exit(1);
	}
	prepare_member(tree, looks.by[POCKET]);
	measure(rounds, look_as, &looks);
	printf("stat_member %.4g\nstat_owner %.4g\n", median(rounds[POCKET], ROUNDS), median(rounds[PLAIN], ROUNDS));
	looks.once = pages;
	measure(rounds, look_as, &looks);
	printf("ls_member %.4g\nls_owner %.4g\n", median(rounds[POCKET], ROUNDS), median(rounds[PLAIN], ROUNDS));
	fflush(stdout);
	PQfinish(looks.by[POCKET]);
}

/* --- moving and following --- */

/*
 * There and back.  The first moves after a checkpoint write images of pages; the
 * median does not.
 */
static void
measure_moves(const Tree *tree)
{
	double seconds[MOVES * ROUNDS];
	double wal[MOVES * ROUNDS];
	char here[NAME_SIZE];
	char there[NAME_SIZE];
	static const char rows[] = "SELECT sum(n_tup_ins + n_tup_upd + n_tup_del) FROM pg_stat_xact_all_tables "
							   "WHERE schemaname = 'pocket_data'";
	double before;

	snprintf(here, NAME_SIZE, "%s:/deep/wide/folder", tree->name);
	snprintf(there, NAME_SIZE, "%s:/elsewhere", tree->name);
	for (int i = 0; i < MOVES * ROUNDS; i++)
	{
		double position = number("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn");
		double began = now_seconds();

		(void) execute(conn, "pocket_mv", 2, i % 2 == 0 ? here : there, i % 2 == 0 ? there : here, NULL, NULL);
		seconds[i] = now_seconds() - began;
		wal[i] = number("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn") - position;
	}
	printf("mv_ms %.3g\n", 1000 * median(seconds, MOVES * ROUNDS));
	printf("mv_wal %.0f\n", median(wal, MOVES * ROUNDS));
	run(conn, "BEGIN");
	before = number(rows); /* what is not yet told to the statistics is counted, too */
	(void) execute(conn, "pocket_mv", 2, here, there, NULL, NULL);
	printf("mv_rows %.0f\n", number(rows) - before);
	run(conn, "ROLLBACK");
	fflush(stdout);
}

static double
follow(enum side side, int round, const void *what)
{
	const Tree *tree = what;
	char sql[2 * NAME_SIZE];
	char from[NAME_SIZE * 4];
	PGresult *result;
	double began;
	int rows;

	if (side == POCKET)
		snprintf(sql, sizeof(sql), "SELECT pocket.latest_cursor('%s')", tree->name);
	else
		snprintf(sql, sizeof(sql), "SELECT jid FROM pocket_data.namespace_head WHERE ns_id = %s", tree->ns_id);
	result = expect(conn, PQexec(conn, sql), sql);
	snprintf(from, sizeof(from), "%s", PQgetvalue(result, 0, 0));
	PQclear(result);
	for (int i = 0; i < EDITS; i++)
	{
		char path[NAME_SIZE];
		char content[NAME_SIZE];

		snprintf(path, NAME_SIZE, "%s:/deep/wide/folder/file%08d", tree->name, (int) place(100 + i, i, tree->entries));
		snprintf(content, NAME_SIZE, "%d %d %d", (int) side, round, i);
		(void) execute(conn, "pocket_put", 2, path, content, NULL, NULL);
	}
	began = now_seconds();
	rows = side == POCKET ? execute(conn, "pocket_changes", 1, from, NULL, NULL, NULL)
						  : execute(conn, "plain_changes", 2, tree->ns_id, from, NULL, NULL);
	if (rows != EDITS)
	{
		fprintf(stderr, "%d changes\n", rows);
		exit(1);
	}
	return 1000 * (now_seconds() - began);
}

int
main(int argc, char **argv)
{
	int64_t entries = argc == 3 ? strtoll(argv[2], NULL, 10) : ENTRIES;
	Tree small = {0};
	Tree large = {0};
	Rounds rounds;
	double began;

	if (argc < 2 || argc > 3 || entries < ENTRIES_SMALL)
	{
		fprintf(stderr, "usage: tree CONNINFO [ENTRIES]\n");
		return 2;
	}
	conn = PQconnectdb(argv[1]);
	if (PQstatus(conn) != CONNECTION_OK)
	{
		fprintf(stderr, "connect: %s\n", PQerrorMessage(conn));
		return 1;
	}
	measure_commits(argv[1]);
	prepare_looks();
	fill(&small, "small", ENTRIES_SMALL);
	measure_looks(&small, "small");
	began = now_seconds();
	fill(&large, "large", entries);
	printf("fill_s %.1f\n", now_seconds() - began);
	measure_looks(&large, "large");
	measure_rights(&large, argv[1]);
	measure_moves(&large);
	measure(rounds, follow, &large);
	print_rounds("changes", "_ms", rounds);
	PQfinish(conn);
	return 0;
}
