/*
 * regress/bench/cell.c
 *	  What coding costs: erasure/ beside isa-l on the same buffers; encoding,
 *	  reading what has to be decoded, repair and scrubbing of real drives beside
 *	  what the machine does with the same bytes.
 *
 *		cell MEMORY DISK
 *		cell blocks DRIVE KEYS
 *
 * MEMORY: a folder that is backed by memory, DISK: one that is not.  Prints "name value": rates in bytes per
 * second, times in microseconds; medians of five.  The second form makes a drive with 1,000,000 blocks, and the
 * key file that opens it, for a pocketd to be measured.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <isa-l/erasure_code.h>
#include <openssl/rand.h>

#include "base/log.h"
#include "contract/pk_hash.h"
#include "erasure/erasure.h"
#include "volume/volume.h"

#define ROUNDS 5
#define BLOCK (4 << 20)
#define PIECE (1 << 20) /* what cp moves at a time, and what the limits do */
#define K 6
#define M 3
#define BUCKET_BLOCKS 16 /* a bucket is 64 MiB and headers */
#define VOLUMES 8		 /* of which one drive holds 512 MiB */
#define READS 200
#define ARITHMETIC ((size_t) 192 << 20)

static struct pd_err err;

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
	fprintf(stderr, "cell: %s: %s\n", what, err.text[0] != '\0' ? err.text : strerror(errno));
	exit(1);
}

static void
need(pk_error rc, const char *what)
{
	if (rc != PK_OK)
		fail(what);
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
	qsort(values, (size_t) count, sizeof(values[0]), compare);
	return values[count / 2];
}

static void
say(const char *name, double value)
{
	printf("%s %.0f\n", name, value);
	fflush(stdout);
}

/* --- erasure/ alone: both sides take turns, on the same buffers --- */

static double
arithmetic_round(const pk_code *code, uint8_t *bytes, size_t member, bool plain)
{
	static struct pd_matrix matrix;
	uint8_t *at[PK_MEMBERS_MAX];
	size_t stripe = member * (size_t) code->k;
	size_t done = 0;
	double began;

	need(pd_matrix_init(&matrix, code), "matrix");
	for (int p = code->k; p < code->k + code->m; p++)
		at[p] = bytes + ARITHMETIC + (size_t) (p - code->k) * member;
	began = now_seconds();
	for (; done + stripe <= ARITHMETIC; done += stripe)
	{
		for (int p = 0; p < code->k; p++)
			at[p] = bytes + done + (size_t) p * member;
		if (plain)
			ec_encode_data((int) member, code->k, code->m, matrix.tables, at, at + code->k);
		else
			pd_encode(&matrix, member, at, at + code->k);
	}
	return (double) done / (now_seconds() - began);
}

static void
arithmetic(void)
{
	static const pk_code codes[] = {{PK_CODE_RS, K, M}, {PK_CODE_LRC, 12, 4}};
	static const char *const names[] = {"rs63", "lrc1222"};
	uint8_t *bytes = aligned_alloc(4096, ARITHMETIC + PK_MEMBERS_MAX * 65536);

	if (bytes == NULL || RAND_bytes(bytes, (int) ARITHMETIC) != 1)
		fail("memory");
	for (int c = 0; c < 2; c++)
	{
		double ours[ROUNDS];
		double plain[ROUNDS];
		char name[32];

		(void) arithmetic_round(&codes[c], bytes, 65536, true);
		for (int i = 0; i < ROUNDS; i++)
		{
			ours[i] = arithmetic_round(&codes[c], bytes, 65536, false);
			plain[i] = arithmetic_round(&codes[c], bytes, 65536, true);
		}
		snprintf(name, sizeof(name), "%s_pocket", names[c]);
		say(name, median(ours, ROUNDS));
		snprintf(name, sizeof(name), "%s_isal", names[c]);
		say(name, median(plain, ROUNDS));
	}
	free(bytes);
}

/* --- a node --- */

#define DRIVES (K + M + 1) /* the last one is a spare */

struct node
{
	char dir[DRIVES][512];
	struct pd_drive *drives[DRIVES];
	uint8_t uuids[DRIVES][PK_UUID_SIZE];
	struct pd_buffer_pool *pool;
	struct pd_cell *cell;
	pk_keyring keys;
};

static const uint8_t cell_uuid[PK_UUID_SIZE] = {0xbe, 0x9c};

static void
open_node(struct node *node)
{
	node->pool = pd_buffer_pool_create((size_t) 64 << 20);
	for (int i = 0; i < DRIVES; i++)
	{
		node->drives[i] = pd_drive_open(&pd_vfs_real, node->dir[i]);
		if (node->drives[i] == NULL)
			fail("open a drive");
	}
	node->cell = pd_cell_create(node->drives, DRIVES, &node->keys, node->pool, &err);
	if (node->pool == NULL || node->cell == NULL)
		fail("a cell");
	pd_cell_recover(node->cell);
}

static void
close_node(struct node *node)
{
	pd_cell_free(node->cell);
	for (int i = 0; i < DRIVES; i++)
		pd_drive_close(node->drives[i]);
	pd_buffer_pool_free(node->pool);
}

/* Drive i under memory, the spare under disk. */
static void
make_node(struct node *node, const char *memory, const char *disk)
{
	static const pk_epoch epoch = {1, 1, 1};

	memset(node, 0, sizeof(*node));
	node->keys.count = 1;
	node->keys.keys[0].id = 1;
	for (int i = 0; i < DRIVES; i++)
	{
		snprintf(node->dir[i], sizeof(node->dir[i]), "%s/cell-drive%d", i < K + M ? memory : disk, i);
		need(pd_drive_format(&pd_vfs_real, node->dir[i], &err), "format a drive");
	}
	open_node(node);
	need(pd_cell_bind(node->cell, cell_uuid, &epoch, &err), "bind");
	for (int i = 0; i < DRIVES; i++)
		memcpy(node->uuids[i], pd_drive_uuid(node->drives[i]), PK_UUID_SIZE);
}

struct waiting_put
{
	struct pd_put put;
	struct pd_latch *latch;
};

static void
put_done(struct pd_put *put)
{
	pd_latch_done(((struct waiting_put *) ((char *) put - offsetof(struct waiting_put, put)))->latch);
}

/* The blocks of bucket `id` on drive `drive` alone, sealed; places gets where they are. Returns the bucket's length. */
static uint64_t
make_bucket(struct node *node, uint64_t id, int drive, const uint8_t *body, struct pd_put *places)
{
	struct pd_members members = {.volume_id = id, .generation = 1, .code = {PK_CODE_REPLICATED, 1, 0}, .count = 1};
	uint64_t length;

	memcpy(members.member[0].drive, node->uuids[drive], PK_UUID_SIZE);
	members.member[0].bucket_id = id;
	need(pd_bucket_open(node->cell, &members, id, (uint64_t) (BUCKET_BLOCKS + 1) * BLOCK, &err), "open a bucket");
	for (int b = 0; b < BUCKET_BLOCKS; b++)
	{
		struct pd_latch latch;
		struct waiting_put waiting = {.latch = &latch};

		waiting.put.bucket_id = id;
		waiting.put.generation = 1;
		waiting.put.length = BLOCK;
		waiting.put.body = body + (size_t) ((id + (uint64_t) b) % 8) * 4096;
		waiting.put.crc32c = pk_crc32c(0, waiting.put.body, BLOCK);
		waiting.put.done = put_done;
		pk_sha256(waiting.put.hash, waiting.put.body, BLOCK);
		pd_latch_init(&latch, 1);
		pd_bucket_put(node->cell, &waiting.put);
		pd_latch_wait(&latch);
		pd_latch_release(&latch);
		need(waiting.put.result, "put a block");
		places[b] = waiting.put;
	}
	need(pd_bucket_seal(node->cell, id, &length, &err), "seal");
	return length;
}

/* Volume v: data member p is bucket 1000 v + p + 1 on drive p. */
static void
make_members(const struct node *node, int v, uint64_t length, struct pd_members *members)
{
	memset(members, 0, sizeof(*members));
	members->volume_id = (uint64_t) v + 500000;
	members->generation = 2;
	members->code = (pk_code){PK_CODE_RS, K, M};
	members->count = K + M;
	for (int p = 0; p < K + M; p++)
	{
		memcpy(members->member[p].drive, node->uuids[p], PK_UUID_SIZE);
		members->member[p].bucket_id = p < K ? (uint64_t) (1000 * v + p + 1) : 0;
		members->member[p].length = length;
	}
}

/* --- limits --- */

/* Writes n bytes, in pieces, and makes them durable. */
static void
write_file(const char *path, uint64_t n, const uint8_t *bytes)
{
	int file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	if (file < 0)
		fail(path);
	for (uint64_t done = 0; done < n; done += PIECE)
	{
		if (write(file, bytes, PIECE) != PIECE)
			fail(path);
	}
	if (fdatasync(file) != 0)
		fail(path);
	close(file);
}

static void
read_file(const char *path, uint8_t *bytes)
{
	int file = open(path, O_RDONLY);
	ssize_t n;

	if (file < 0)
		fail(path);
	while ((n = read(file, bytes, PIECE)) > 0)
		;
	if (n < 0)
		fail(path);
	close(file);
}

/* "DIR/extents/..." of a bucket's extent on drive i. */
static void
bucket_path(const struct node *node, int i, uint64_t id, char *path, size_t size)
{
	char file[PK_EXTENT_FILE];

	pk_extent_file(file, PK_EXTENT_BUCKET, id, 0);
	snprintf(path, size, "%s/%s", node->dir[i], file);
}

static void
run(const char *command)
{
	if (system(command) != 0)
		fail(command);
}

/* --- encoding --- */

/* cp of k extents, m of them into files, the others to nowhere. */
static double
copy_round(const struct node *node, int v, const char *memory)
{
	char command[8192] = "";
	char path[1024];
	double began;
	double seconds;

	for (int p = 0; p < K; p++)
	{
		size_t at = strlen(command);

		bucket_path(node, p, (uint64_t) (1000 * v + p + 1), path, sizeof(path));
		if (p < M)
			snprintf(command + at, sizeof(command) - at, "cp '%s' '%s/copy%d' && ", path, memory, p);
		else
			snprintf(command + at, sizeof(command) - at, "cp '%s' /dev/null && ", path);
	}
	strcat(command, "true");
	began = now_seconds();
	run(command);
	seconds = now_seconds() - began;
	snprintf(command, sizeof(command), "rm -f '%s'/copy*", memory);
	run(command);
	return seconds;
}

static void
encoding(struct node *node, const char *memory, uint64_t length)
{
	double ours[VOLUMES];
	double plain[VOLUMES];

	for (int v = 0; v < VOLUMES; v++)
	{
		struct pd_members members;
		uint64_t parity_length;
		double began;
		int settled;

		make_members(node, v, length, &members);
		plain[v] = (double) (K * length) / copy_round(node, v, memory);
		began = now_seconds();
		need(pd_volume_encode(node->cell, &members, NULL, &parity_length, &err), "encode");
		ours[v] = (double) (K * length) / (now_seconds() - began);
		need(pd_volume_settle(node->cell, &members, &settled, &err), "settle");
	}
	say("volume_encode", median(ours, VOLUMES));
	say("volume_cp", median(plain, VOLUMES));
}

/* --- reading --- */

struct waiting_get
{
	struct pd_get get;
	struct pd_latch latch;
};

static void
get_done(struct pd_get *get)
{
	pd_latch_done(&((struct waiting_get *) ((char *) get - offsetof(struct waiting_get, get)))->latch);
}

static double
read_block(struct node *node, const struct pd_put *place, bool degraded)
{
	struct waiting_get waiting = {.get = {.bucket_id = place->bucket_id, .offset = place->offset}};
	double began = now_seconds();

	waiting.get.stored_length = place->stored_length;
	waiting.get.length = place->length;
	memcpy(waiting.get.hash, place->hash, PK_SHA256_SIZE);
	waiting.get.done = get_done;
	pd_latch_init(&waiting.latch, 1);
	pd_block_get(node->cell, &waiting.get);
	pd_latch_wait(&waiting.latch);
	pd_latch_release(&waiting.latch);
	err = waiting.get.err;
	need(waiting.get.result, "read a block");
	if (waiting.get.degraded != degraded)
		fail("a read went another way");
	pd_buffer_put(node->pool, waiting.get.plain);
	return (now_seconds() - began) * 1e6;
}

static double
read_blocks(struct node *node, struct pd_put places[VOLUMES][BUCKET_BLOCKS], bool degraded)
{
	double times[READS];

	for (int i = 0; i < READS; i++)
		times[i] = read_block(node, &places[i * 7 % VOLUMES][i % BUCKET_BLOCKS], degraded);
	return median(times, READS);
}

/* --- repair --- */

#define ORDERS_AT_ONCE 2 /* pocketd's threads for them */

/* Member 0 of volumes, one after the other: what one of those threads does. */
struct repairer
{
	struct node *node;
	atomic_int *next; /* of the volumes, for all threads */
	uint64_t length;
	uint32_t generation;
};

static void *
repairer_main(void *arg)
{
	const struct repairer *repairer = arg;
	int v;

	while ((v = atomic_fetch_add(repairer->next, 1)) < VOLUMES)
	{
		struct pd_members members;
		struct pd_err problem;

		make_members(repairer->node, v, repairer->length, &members);
		members.generation = repairer->generation;
		memcpy(members.member[0].drive, repairer->node->uuids[DRIVES - 1], PK_UUID_SIZE);
		if (pd_volume_rebuild(repairer->node->cell, &members, 1, NULL, &problem) != PK_OK)
		{
			fprintf(stderr, "cell: rebuild: %s\n", problem.text);
			exit(1);
		}
	}
	return NULL;
}

/* Member 0 of every volume onto the spare, so many at a time. */
static double
repair_round(struct node *node, uint64_t length, uint32_t generation, int at_once)
{
	atomic_int next = 0;
	struct repairer repairer = {node, &next, length, generation};
	pthread_t threads[ORDERS_AT_ONCE];
	double began = now_seconds();

	for (int i = 0; i < at_once; i++)
	{
		errno = pthread_create(&threads[i], NULL, repairer_main, &repairer);
		if (errno != 0)
			fail("a thread");
	}
	for (int i = 0; i < at_once; i++)
		pthread_join(threads[i], NULL);
	return (double) (VOLUMES * length) / (now_seconds() - began);
}

/* All three take turns. */
static void
repair(struct node *node, const char *disk, uint64_t length, const uint8_t *bytes)
{
	double ours[ROUNDS];
	double single[ROUNDS];
	double plain[ROUNDS];
	char path[1024];

	snprintf(path, sizeof(path), "%s/written", disk);
	for (int i = 0; i < ROUNDS; i++)
	{
		double began = now_seconds();

		for (int v = 0; v < VOLUMES; v++)
			write_file(path, length / PIECE * PIECE, bytes);
		plain[i] = (double) (VOLUMES * (length / PIECE * PIECE)) / (now_seconds() - began);
		unlink(path);
		ours[i] = repair_round(node, length, (uint32_t) (2 * i) + 3, ORDERS_AT_ONCE);
		single[i] = repair_round(node, length, (uint32_t) (2 * i) + 4, 1);
	}
	say("repair", median(ours, ROUNDS));
	say("repair_single", median(single, ROUNDS));
	say("repair_write", median(plain, ROUNDS));
}

/* --- scrub --- */

static void
scrub(struct node *node, uint64_t length, uint8_t *bytes)
{
	double ours[ROUNDS];
	double plain[ROUNDS];

	for (int i = 0; i < ROUNDS; i++)
	{
		char next[PK_EXTENT_FILE];
		uint64_t done;
		double began = now_seconds();

		for (int v = 0; v < VOLUMES; v++)
		{
			char path[1024];

			bucket_path(node, 1, (uint64_t) (1000 * v + 2), path, sizeof(path));
			read_file(path, bytes);
		}
		plain[i] = (double) (VOLUMES * length) / (now_seconds() - began);
		began = now_seconds();
		need(pd_drive_scrub(node->cell, node->uuids[1], "", UINT64_MAX, next, &done, NULL, NULL, &err), "scrub");
		ours[i] = (double) (VOLUMES * length) / (now_seconds() - began);
		if (done < VOLUMES * length)
			fail("the scrub read too little");
	}
	say("scrub", median(ours, ROUNDS));
	say("scrub_read", median(plain, ROUNDS));
}

/* --- a drive with many blocks --- */

#define MANY 1000000
#define MANY_PER_BUCKET 50000
#define MANY_AT_ONCE 1000
#define SMALL 64

static void
put_many(struct pd_cell *cell, uint64_t bucket_id, uint64_t first)
{
	static struct waiting_put waiting[MANY_AT_ONCE];
	static uint8_t bodies[MANY_AT_ONCE][SMALL];
	struct pd_latch latch;

	memset(waiting, 0, sizeof(waiting));
	pd_latch_init(&latch, MANY_AT_ONCE);
	for (int i = 0; i < MANY_AT_ONCE; i++)
	{
		uint64_t number = first + (uint64_t) i;

		memcpy(bodies[i], &number, sizeof(number));
		waiting[i].latch = &latch;
		waiting[i].put.bucket_id = bucket_id;
		waiting[i].put.generation = 1;
		waiting[i].put.length = SMALL;
		waiting[i].put.body = bodies[i];
		waiting[i].put.crc32c = pk_crc32c(0, bodies[i], SMALL);
		waiting[i].put.done = put_done;
		pk_sha256(waiting[i].put.hash, bodies[i], SMALL);
		pd_bucket_put(cell, &waiting[i].put);
	}
	pd_latch_wait(&latch);
	pd_latch_release(&latch);
	for (int i = 0; i < MANY_AT_ONCE; i++)
		need(waiting[i].put.result, "put a small block");
}

static void
make_many(const char *path, const char *key_file)
{
	static const pk_epoch epoch = {1, 1, 1};
	struct pd_buffer_pool *pool = pd_buffer_pool_create((size_t) 64 << 20);
	pk_keyring keys = {.count = 1};
	struct pd_drive *drive;
	struct pd_cell *cell;
	FILE *out = fopen(key_file, "w");

	keys.keys[0].id = 1;
	if (pool == NULL || out == NULL)
		fail(key_file);
	fprintf(out, "1 %0*d\n", 2 * PK_KEY_SIZE, 0);
	fclose(out);
	need(pd_drive_format(&pd_vfs_real, path, &err), "format a drive");
	drive = pd_drive_open(&pd_vfs_real, path);
	cell = drive == NULL ? NULL : pd_cell_create(&drive, 1, &keys, pool, &err);
	if (cell == NULL)
		fail("a cell");
	need(pd_cell_bind(cell, cell_uuid, &epoch, &err), "bind");
	for (uint64_t done = 0; done < MANY; done += MANY_PER_BUCKET)
	{
		struct pd_members members = {.generation = 1, .code = {PK_CODE_REPLICATED, 1, 0}, .count = 1};
		uint64_t id = done / MANY_PER_BUCKET + 1;
		uint64_t length;

		members.volume_id = id;
		members.member[0].bucket_id = id;
		memcpy(members.member[0].drive, pd_drive_uuid(drive), PK_UUID_SIZE);
		need(pd_bucket_open(cell, &members, id, (uint64_t) MANY_PER_BUCKET * 512, &err), "open a bucket");
		for (uint64_t i = 0; i < MANY_PER_BUCKET; i += MANY_AT_ONCE)
			put_many(cell, id, done + i);
		need(pd_bucket_seal(cell, id, &length, &err), "seal");
	}
	pd_cell_free(cell);
	pd_drive_close(drive);
	pd_buffer_pool_free(pool);
}

/* --- the whole --- */

int
main(int argc, char **argv)
{
	static struct node node;
	static struct pd_put lost[VOLUMES][BUCKET_BLOCKS];
	static struct pd_put others[VOLUMES][BUCKET_BLOCKS];
	static struct pd_put places[BUCKET_BLOCKS];
	uint8_t *bytes = malloc(2 * BLOCK);
	uint64_t length = 0;
	uint64_t read;
	uint64_t decoded;
	char away[600];

	if (argc == 4 && strcmp(argv[1], "blocks") == 0)
	{
		make_many(argv[2], argv[3]);
		return 0;
	}
	if (argc != 3)
	{
		fprintf(stderr, "usage: cell MEMORY DISK | cell blocks DRIVE KEYS\n");
		return 2;
	}
	if (bytes == NULL || RAND_bytes(bytes, 2 * BLOCK) != 1)
		fail("memory");
	arithmetic();
	pd_log_set_level(PD_LOG_ERROR);
	make_node(&node, argv[1], argv[2]);
	for (int v = 0; v < VOLUMES; v++)
	{
		for (int p = 0; p < K; p++)
			length = make_bucket(&node, (uint64_t) (1000 * v + p + 1), p, bytes,
								 p == 0	  ? lost[v]
								 : p == 1 ? others[v]
										  : places);
	}
	encoding(&node, argv[1], length);
	scrub(&node, length, bytes);
	close_node(&node);

	snprintf(away, sizeof(away), "%s.away", node.dir[0]);
	if (rename(node.dir[0], away) != 0)
		fail(away);
	open_node(&node);
	(void) read_blocks(&node, others, false);
	say("read_plain_us", read_blocks(&node, others, false));
	say("read_decoded_us", read_blocks(&node, lost, true));
	pd_cell_decoding(node.cell, &read, &decoded);
	say("read_decoded_fetched", (double) read / READS);
	repair(&node, argv[2], length, bytes);
	close_node(&node);
	free(bytes);
	return 0;
}
