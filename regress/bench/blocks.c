/*
 * regress/bench/blocks.c
 *	  Pocket beside bytea in one server, over one connection: blocks of 4 MiB
 *	  one by one, and small files by hundreds, with binary parameters and
 *	  results, so that neither side pays for text.
 *
 *	  blocks CONNINFO
 *
 * Prints "name value" lines: rates are bytes (or files) per second, the median
 * of five rounds in which both sides take turns; wal_*: bytes of WAL for each
 * byte of user data, over all rounds.
 */
#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <libpq-fe.h>
#include <openssl/rand.h>

#define BLOCK (4 * 1024 * 1024)
#define BLOCKS 32 /* in one round */
#define SMALL 8192
#define SMALLS 256 /* in one batch */
#define BATCHES 8  /* in one round */
#define ROUNDS 5
#define OID_BYTEA 17
#define OID_TEXT 25
#define OID_BYTEA_ARRAY 1001
#define OID_TEXT_ARRAY 1009
#define NAME_SIZE 64

enum side
{
	POCKET,
	BYTEA,
	SIDES
};

static const char *const side_names[SIDES] = {"pocket", "bytea"};

/* All sides of what is measured; rounds[ROUNDS] is the one to warm up. */
struct figure
{
	double rates[SIDES][ROUNDS + 1];
	double wal[SIDES];
	double bytes[SIDES];
};

static PGconn *conn;
static uint8_t *data; /* BLOCKS * BLOCK */
static uint8_t *message;

static double
now_seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double) ts.tv_sec + (double) ts.tv_nsec / 1e9;
}

static void
fail(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, conn != NULL ? PQerrorMessage(conn) : "");
	exit(1);
}

static PGresult *
expect(PGresult *result, const char *what)
{
	ExecStatusType status = PQresultStatus(result);

	if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK)
		fail(what);
	return result;
}

static void
run(const char *sql)
{
	PQclear(expect(PQexec(conn, sql), sql));
}

static double
number(const char *sql)
{
	PGresult *result = expect(PQexec(conn, sql), sql);
	double value = strtod(PQgetvalue(result, 0, 0), NULL);

	PQclear(result);
	return value;
}

static double
wal_position(void)
{
	return number("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn");
}

static void
prepare(const char *name, const char *sql, Oid first, Oid second)
{
	const Oid types[2] = {first, second};

	PQclear(expect(PQprepare(conn, name, sql, second != 0 ? 2 : 1, types), sql));
}

static void
name_of(char out[NAME_SIZE], enum side side, int round, int n)
{
	snprintf(out, NAME_SIZE, "%s/%d/%d", side == POCKET ? "bench:" : "block", round, n);
}

static void
fill(size_t length)
{
	for (size_t done = 0; done < length; done += BLOCK)
		if (RAND_bytes(data + done, (int) (length - done < BLOCK ? length - done : BLOCK)) != 1)
			fail("random bytes");
}

static double
put_blocks(enum side side, int round)
{
	const int formats[2] = {0, 1};
	char name[NAME_SIZE];
	double began;

	began = now_seconds();
	for (int i = 0; i < BLOCKS; i++)
	{
		const char *values[2] = {name, (const char *) data + (size_t) i * BLOCK};
		const int lengths[2] = {0, BLOCK};

		name_of(name, side, round, i);
		PQclear(expect(
			PQexecPrepared(conn, side == POCKET ? "pocket_put" : "bytea_put", 2, values, lengths, formats, 1), "put"));
	}
	return (double) BLOCKS * BLOCK / (now_seconds() - began);
}

static double
get_block(enum side side, int round, int n)
{
	const int formats[1] = {0};
	char name[NAME_SIZE];
	const char *values[1] = {name};
	double seconds;
	PGresult *result;

	name_of(name, side, round, n);
	seconds = now_seconds();
	result =
		expect(PQexecPrepared(conn, side == POCKET ? "pocket_get" : "bytea_get", 1, values, NULL, formats, 1), "get");
	seconds = now_seconds() - seconds;
	if (PQntuples(result) != 1 || PQgetlength(result, 0, 0) != BLOCK ||
		memcmp(PQgetvalue(result, 0, 0), data + (size_t) n * BLOCK, BLOCK) != 0)
		fail("what came back differs");
	PQclear(result);
	return seconds;
}

/*
 * data still holds what put_blocks sent in this round; the comparison is not timed.  Both sides take turns block by block, when
 * what was put has left the machine's memory for its drive: so neither pays for the other's writing.
 */
static void
get_blocks(struct figure *figure, int round)
{
	double seconds[SIDES] = {0};

	sync();
	for (int i = 0; i < BLOCKS; i++)
	{
		for (int turn = 0; turn < SIDES; turn++)
		{
			enum side side = (enum side)((turn + i) % SIDES);

			seconds[side] += get_block(side, round, i);
		}
	}
	for (int side = 0; side < SIDES; side++)
		figure->rates[side][round] = (double) BLOCKS * BLOCK / seconds[side];
}

static uint8_t *
put32(uint8_t *out, uint32_t value)
{
	value = htonl(value);
	memcpy(out, &value, 4);
	return out + 4;
}

static uint8_t *
array_header(uint8_t *out, uint32_t type)
{
	out = put32(out, 1);
	out = put32(out, 0);
	out = put32(out, type);
	out = put32(out, SMALLS);
	return put32(out, 1);
}

static double
put_smalls(enum side side, int round)
{
	const int formats[2] = {1, 1};
	static uint8_t names[SMALLS * (NAME_SIZE + 4) + 20];
	double began;

	began = now_seconds();
	for (int batch = 0; batch < BATCHES; batch++)
	{
		uint8_t *n = array_header(names, OID_TEXT);
		uint8_t *m = array_header(message, OID_BYTEA);
		const char *values[2] = {(const char *) names, (const char *) message};
		int lengths[2];

		for (int i = 0; i < SMALLS; i++)
		{
			char name[NAME_SIZE];
			size_t length;

			snprintf(name, sizeof(name), "%s/small/%d/%d/%d", side == POCKET ? "bench:" : "small", round, batch, i);
			length = strlen(name);
			n = put32(n, (uint32_t) length);
			memcpy(n, name, length);
			n += length;
			m = put32(m, SMALL);
			memcpy(m, data + ((size_t) batch * SMALLS + (size_t) i) * SMALL, SMALL);
			m += SMALL;
		}
		lengths[0] = (int) (n - names);
		lengths[1] = (int) (m - message);
		PQclear(
			expect(PQexecPrepared(conn, side == POCKET ? "pocket_many" : "bytea_many", 2, values, lengths, formats, 1),
				   "put_many"));
	}
	return (double) BATCHES * SMALLS / (now_seconds() - began);
}

static int
compare(const void *a, const void *b)
{
	double x = *(const double *) a;
	double y = *(const double *) b;

	return (x > y) - (x < y);
}

static void
print_figure(const char *name, struct figure *figure, int with_wal)
{
	for (int side = 0; side < SIDES; side++)
	{
		qsort(figure->rates[side], ROUNDS, sizeof(double), compare);
		printf("%s_%s %.0f\n", name, side_names[side], figure->rates[side][ROUNDS / 2]);
		if (with_wal)
			printf("wal_%s_%s %.4f\n", name, side_names[side], figure->wal[side] / figure->bytes[side]);
	}
	fflush(stdout);
}

/* round ROUNDS comes first and warms up; then both sides take turns, and take turns in who begins. */
static void
measure_blocks(struct figure *put, struct figure *get)
{
	for (int n = 0; n <= ROUNDS; n++)
	{
		int round = n == 0 ? ROUNDS : n - 1;

		fill((size_t) BLOCKS * BLOCK);
		for (int turn = 0; turn < SIDES; turn++)
		{
			enum side side = (enum side)((turn + n) % SIDES);
			double wal = wal_position();

			put->rates[side][round] = put_blocks(side, round);
			put->wal[side] += round < ROUNDS ? wal_position() - wal : 0;
			put->bytes[side] += round < ROUNDS ? (double) BLOCKS * BLOCK : 0;
		}
		get_blocks(get, round);
	}
}

static void
measure_smalls(struct figure *small)
{
	for (int n = 0; n <= ROUNDS; n++)
	{
		int round = n == 0 ? ROUNDS : n - 1;

		fill((size_t) BATCHES * SMALLS * SMALL);
		for (int turn = 0; turn < SIDES; turn++)
		{
			enum side side = (enum side)((turn + n) % SIDES);
			double wal = wal_position();

			small->rates[side][round] = put_smalls(side, round);
			small->wal[side] += round < ROUNDS ? wal_position() - wal : 0;
			small->bytes[side] += round < ROUNDS ? (double) BATCHES * SMALLS * SMALL : 0;
		}
	}
}

int
main(int argc, char **argv)
{
	struct figure put = {0};
	struct figure get = {0};
	struct figure small = {0};

	if (argc != 2)
	{
		fprintf(stderr, "usage: blocks CONNINFO\n");
		return 2;
	}
	conn = PQconnectdb(argv[1]);
	if (PQstatus(conn) != CONNECTION_OK)
		fail("connect");
	data = malloc((size_t) BLOCKS * BLOCK);
	message = malloc((size_t) SMALLS * (SMALL + 4) + 20);
	if (data == NULL || message == NULL)
		fail("memory");
	run("CREATE TABLE bench_bytea (name text PRIMARY KEY, content bytea)");
	run("ALTER TABLE bench_bytea ALTER content SET STORAGE EXTERNAL");
	run("SELECT pocket.create_namespace('bench', case_sensitive => true)");
	prepare("pocket_put", "SELECT r.rev FROM pocket.put($1, $2) AS r", OID_TEXT, OID_BYTEA);
	prepare("bytea_put", "INSERT INTO bench_bytea VALUES ($1, $2)", OID_TEXT, OID_BYTEA);
	prepare("pocket_get", "SELECT pocket.get($1)", OID_TEXT, 0);
	prepare("bytea_get", "SELECT content FROM bench_bytea WHERE name = $1", OID_TEXT, 0);
	prepare("pocket_many", "SELECT count(r) FROM pocket.put_many($1, $2) AS r", OID_TEXT_ARRAY, OID_BYTEA_ARRAY);
	prepare("bytea_many", "INSERT INTO bench_bytea SELECT * FROM unnest($1, $2)", OID_TEXT_ARRAY, OID_BYTEA_ARRAY);
	measure_blocks(&put, &get);
	print_figure("put", &put, 1);
	print_figure("get", &get, 0);
	measure_smalls(&small);
	print_figure("small", &small, 1);
	PQfinish(conn);
	free(data);
	free(message);
	return 0;
}
