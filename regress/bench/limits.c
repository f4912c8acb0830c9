/*
 * regress/bench/limits.c
 *	  What this machine can do at best, one core each: the limits beside which
 *	  the other figures stand.  Prints "name rate", rates in bytes per second,
 *	  medians of five.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <isa-l/crc.h>
#include <isa-l/erasure_code.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#define BLOCK (4 * 1024 * 1024)
#define MEMBER (64 * 1024)
#define APPENDS 24
#define ROUNDS 5
#define K 6
#define M 3
#define WORK ((size_t) 192 << 20) /* bytes in one round of arithmetic: more than the caches hold */

static uint8_t *block; /* WORK bytes, and room for parities */

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
	perror(what);
	exit(1);
}

static int
compare(const void *a, const void *b)
{
	double x = *(const double *) a;
	double y = *(const double *) b;

	return (x > y) - (x < y);
}

/* Runs five rounds after one to warm up. */
static void
report(const char *name, double (*round)(void))
{
	double rates[ROUNDS];

	(void) round();
	for (int i = 0; i < ROUNDS; i++)
		rates[i] = round();
	qsort(rates, ROUNDS, sizeof(rates[0]), compare);
	printf("%s %.0f\n", name, rates[ROUNDS / 2]);
	fflush(stdout);
}

static double
append_round(void)
{
	int file = open("limits.tmp", O_WRONLY | O_CREAT | O_TRUNC, 0600);
	double began;
	double seconds;

	if (file < 0)
		fail("limits.tmp");
	began = now_seconds();
	for (int i = 0; i < APPENDS; i++)
		if (write(file, block, BLOCK) != BLOCK || fdatasync(file) != 0)
			fail("write");
	seconds = now_seconds() - began;
	close(file);
	unlink("limits.tmp");
	return (double) APPENDS * BLOCK / seconds;
}

static double
sha256_round(void)
{
	double began = now_seconds();
	unsigned char out[32];

	for (size_t done = 0; done < WORK; done += BLOCK)
		if (EVP_Digest(block + done, BLOCK, out, NULL, EVP_sha256(), NULL) != 1)
			fail("sha256");
	return (double) WORK / (now_seconds() - began);
}

static double
aes_round(void)
{
	static uint8_t out[BLOCK + 16];
	static const uint8_t key[32] = {1};
	static const uint8_t nonce[12] = {2};
	EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
	double began = now_seconds();
	int length;

	for (size_t done = 0; done < WORK; done += BLOCK)
		if (EVP_EncryptInit_ex(context, EVP_aes_256_gcm(), NULL, key, nonce) != 1 ||
			EVP_EncryptUpdate(context, out, &length, block + done, BLOCK) != 1 ||
			EVP_EncryptFinal_ex(context, out + length, &length) != 1)
			fail("aes");
	EVP_CIPHER_CTX_free(context);
	return (double) WORK / (now_seconds() - began);
}

static double
crc_round(void)
{
	static volatile uint32_t sink;
	double began = now_seconds();

	for (size_t done = 0; done < WORK; done += BLOCK)
		sink = crc32_iscsi(block + done, BLOCK, 0);
	(void) sink;
	return (double) WORK / (now_seconds() - began);
}

/* Rows of a generator or of its inverse, applied to K members: the same work for encoding and for decoding M losses. */
static double
code_round(const uint8_t *rows)
{
	static uint8_t tables[32 * K * M];
	uint8_t *in[K];
	uint8_t *out[M];
	double began;
	size_t done = 0;

	ec_init_tables(K, M, (uint8_t *) rows, tables);
	for (int i = 0; i < M; i++)
		out[i] = block + WORK + (size_t) i * MEMBER;
	for (began = now_seconds(); done + (size_t) K * MEMBER <= WORK; done += (size_t) K * MEMBER)
	{
		for (int i = 0; i < K; i++)
			in[i] = block + done + (size_t) i * MEMBER;
		ec_encode_data(MEMBER, K, M, tables, in, out);
	}
	return (double) done / (now_seconds() - began);
}

static double
encode_round(void)
{
	uint8_t matrix[(K + M) * K];

	gf_gen_cauchy1_matrix(matrix, K + M, K);
	return code_round(matrix + (size_t) K * K);
}

/* Members 0, 1 and 2 are lost: the first rows of the inverse of what is left. */
static double
decode_round(void)
{
	uint8_t matrix[(K + M) * K];
	uint8_t inverse[K * K];

	gf_gen_cauchy1_matrix(matrix, K + M, K);
	if (gf_invert_matrix(matrix + (size_t) M * K, inverse, K) != 0)
		fail("invert");
	return code_round(inverse);
}

int
main(void)
{
	block = aligned_alloc(4096, WORK + (size_t) M * MEMBER);
	if (block == NULL || RAND_bytes(block, (int) WORK) != 1)
		fail("memory");
	report("append", append_round);
	report("sha256", sha256_round);
	report("aes256gcm", aes_round);
	report("crc32c", crc_round);
	report("encode", encode_round);
	report("decode", decode_round);
	free(block);
	return 0;
}
