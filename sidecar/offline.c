/*
 * offline.c
 *	  pocketd check and pocketd recover.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "offline.h"

/* --- check --- */

struct check
{
	const char *dir;
	char file[PK_EXTENT_FILE];
	uint64_t extents;
	uint64_t bytes;
	uint64_t problems;
};

static void
check_problem(void *arg, uint64_t offset, const char *problem)
{
	struct check *check = arg;

	(void) offset; /* the sentence names the place */
	check->problems++;
	printf("%s/%s: %s\n", check->dir, check->file, problem);
}

static bool
check_extent(void *arg, struct pd_extent *extent)
{
	struct check *check = arg;
	struct pd_extent_info info;

	pd_extent_info(extent, &info);
	memcpy(check->file, info.file, sizeof(check->file));
	check->extents++;
	check->bytes += pd_extent_scrub(extent, check_problem, check);
	return true;
}

static void
check_damaged(void *arg, const char *file, const char *why)
{
	struct check *check = arg;

	check->problems++;
	printf("%s/%s: %s\n", check->dir, file, why);
}

int
pd_check(const struct pd_config *config)
{
	struct check check = {0};

	for (int i = 0; i < config->drive_count; i++)
	{
		struct pd_drive *drive = pd_drive_open(&pd_vfs_real, config->drives[i]);
		struct pd_drive_info info;

		check.dir = config->drives[i];
		if (drive == NULL)
		{
			fprintf(stderr, "pocketd: out of memory\n");
			return EXIT_FAILURE;
		}
		pd_drive_info(drive, &info);
		if (info.state != PD_DRIVE_OK)
		{
			check.problems++;
			printf("%s: %s\n", check.dir, info.why);
		}
		if (pd_drive_readable(drive))
		{
			pd_drive_each_damaged(drive, check_damaged, &check);
			pd_extent_each(drive, NULL, check_extent, &check);
		}
		pd_drive_close(drive);
	}
	printf("%d drives, %" PRIu64 " extents, %" PRIu64 " bytes read: %" PRIu64 " problems\n", config->drive_count,
		   check.extents, check.bytes, check.problems);
	return check.problems == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* --- recover --- */

#define HEX_SIZE (2 * PK_SHA256_SIZE + 1)
#define PATH_SIZE 4096
#define READ_SIZE (PK_BLOCK_SIZE_MAX + 1) /* a byte more tells that a file is too long */

struct recovery
{
	const char *to;
	uint8_t *buf; /* READ_SIZE */
};

static void
block_path(const struct recovery *recovery, char path[PATH_SIZE], const uint8_t hash[PK_SHA256_SIZE],
		   const char *suffix)
{
	char hex[HEX_SIZE];

	pk_hex_encode(hex, hash, PK_SHA256_SIZE);
	hex[HEX_SIZE - 1] = '\0';
	snprintf(path, PATH_SIZE, "%s/%.2s/%s%s", recovery->to, hex, hex, suffix);
}

/* All of a file, or -1: it is not there, or has no block's length. */
static ssize_t
read_all(const char *path, uint8_t *buf)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	size_t got = 0;
	ssize_t n = 0;

	if (fd < 0)
		return -1;
	while (got < READ_SIZE && (n = read(fd, buf + got, READ_SIZE - got)) > 0)
		got += (size_t) n;
	(void) close(fd);
	return n < 0 || got > PK_BLOCK_SIZE_MAX ? -1 : (ssize_t) got;
}

static bool
has_block(void *arg, const uint8_t hash[PK_SHA256_SIZE], uint32_t length)
{
	struct recovery *recovery = arg;
	char path[PATH_SIZE];
	uint8_t present[PK_SHA256_SIZE];
	ssize_t n;

	block_path(recovery, path, hash, "");
	n = read_all(path, recovery->buf);
	if (n < 0 || (length != 0 && n != (ssize_t) length))
		return false;
	pk_sha256(present, recovery->buf, (size_t) n);
	return memcmp(present, hash, PK_SHA256_SIZE) == 0;
}

/* 0, or -errno. */
static int
write_all(int fd, const uint8_t *data, size_t length)
{
	while (length > 0)
	{
		ssize_t n = write(fd, data, length);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		data += n;
		length -= (size_t) n;
	}
	return 0;
}

static pk_error
write_block(void *arg, const uint8_t hash[PK_SHA256_SIZE], const uint8_t *data, uint32_t length, struct pd_err *err)
{
	const struct recovery *recovery = arg;
	char path[PATH_SIZE], unfinished[PATH_SIZE];
	int rc = 0;
	int fd;

	block_path(recovery, path, hash, "");
	block_path(recovery, unfinished, hash, ".unfinished");
	unfinished[strlen(recovery->to) + 3] = '\0';
	if (mkdir(unfinished, 0700) != 0 && errno != EEXIST)
		return pd_fail_errno(err, -errno, "cannot make \"%s\"", unfinished);
	block_path(recovery, unfinished, hash, ".unfinished");
	fd = open(unfinished, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return pd_fail_errno(err, -errno, "cannot write \"%s\"", unfinished);
	rc = write_all(fd, data, length);
	if (close(fd) != 0 && rc == 0)
		rc = -errno;
	if (rc == 0 && rename(unfinished, path) != 0)
		rc = -errno;
	return rc == 0 ? PK_OK : pd_fail_errno(err, rc, "cannot write \"%s\"", path);
}

static void
tell_missing(void *arg, const uint8_t hash[PK_SHA256_SIZE], uint64_t bucket_id, uint64_t offset)
{
	char hex[HEX_SIZE];

	(void) arg;
	pk_hex_encode(hex, hash, PK_SHA256_SIZE);
	hex[HEX_SIZE - 1] = '\0';
	printf("%s: bucket %" PRIu64 ", offset %" PRIu64 ": nothing yields this block\n", hex, bucket_id, offset);
}

static void
tell_bucket(void *arg, uint64_t bucket_id)
{
	(void) arg;
	printf("bucket %" PRIu64 ": not all of it can be read\n", bucket_id);
}

/* Bytes of files whose rename was told are on the disk, too. */
static pk_error
sync_all(const char *dir, struct pd_err *err)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int rc = fd < 0 || syncfs(fd) != 0 ? -errno : 0;

	if (fd >= 0)
		(void) close(fd);
	return rc == 0 ? PK_OK : pd_fail_errno(err, rc, "cannot sync \"%s\"", dir);
}

/* Drives that do not open are told; what the others have is worth the more. */
static void
tell_drives(const struct pd_config *config, struct pd_drive *const *drives)
{
	for (int i = 0; i < config->drive_count; i++)
	{
		struct pd_drive_info info;

		pd_drive_info(drives[i], &info);
		if (info.state != PD_DRIVE_OK)
			printf("%s: %s\n", config->drives[i], info.why);
	}
}

pk_error
pd_recover(const struct pd_config *config, struct pd_drive *const *drives, struct pd_cell *cell, struct pd_err *err)
{
	struct recovery recovery = {.to = config->to, .buf = malloc(READ_SIZE)};
	const struct pd_salvage salvage = {has_block, write_block, tell_missing, tell_bucket, &recovery};
	struct pd_salvaged done;
	pk_error result;

	if (recovery.buf == NULL)
		return pd_fail(err, PK_ERR_NO_MEMORY, "out of memory");
	if (strlen(config->to) > PATH_SIZE - HEX_SIZE - 32)
		result = pd_fail(err, PK_ERR_MALFORMED, "the path of --to is too long");
	else if (mkdir(config->to, 0700) != 0 && errno != EEXIST)
		result = pd_fail_errno(err, -errno, "cannot make \"%s\"", config->to);
	else
	{
		tell_drives(config, drives);
		result = pd_cell_salvage(cell, &salvage, &done, err);
	}
	if (result == PK_OK)
		result = sync_all(config->to, err);
	free(recovery.buf);
	if (result != PK_OK)
		return result;
	printf("%" PRIu64 " buckets: %" PRIu64 " blocks, %" PRIu64 " bytes written to %s; %" PRIu64
		   " blocks missing, %" PRIu64 " buckets damaged\n",
		   done.buckets, done.blocks, done.bytes, config->to, done.missing, done.buckets_damaged);
	if (done.missing > 0 || done.buckets_damaged > 0)
		return pd_fail(err, PK_ERR_BLOCK_LOST, "not everything could be recovered");
	return PK_OK;
}
