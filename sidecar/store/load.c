/*
 * store/load.c
 *	  What a drive holds, when it is opened: the headers, slots and trailers of
 *	  all extents. A file that none can be made of is listed as damaged, and left
 *	  where it is.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/internal.h"

struct names
{
	char **name;
	size_t count;
	size_t size;
};

static void
names_free(struct names *names)
{
	for (size_t i = 0; i < names->count; i++)
		free(names->name[i]);
	free(names->name);
	memset(names, 0, sizeof(*names));
}

static int
names_add(void *arg, const char *name)
{
	struct names *names = arg;
	char *copy;

	if (names->count == names->size)
	{
		size_t size = names->size == 0 ? 64 : names->size * 2;
		char **grown = realloc(names->name, size * sizeof(char *));

		if (grown == NULL)
			return -ENOMEM;
		names->name = grown;
		names->size = size;
	}
	copy = strdup(name);
	if (copy == NULL)
		return -ENOMEM;
	names->name[names->count++] = copy;
	return 0;
}

static int
compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *) a, *(char *const *) b);
}

/* The names in a folder of the drive, sorted. */
static int
names_list(struct pd_drive *drive, const char *folder, struct names *names)
{
	char path[PD_PATH];
	int rc;

	memset(names, 0, sizeof(*names));
	snprintf(path, sizeof(path), "%s/%s", drive->path, folder);
	rc = drive->vfs->list(drive->vfs, path, names_add, names);
	if (rc < 0)
		names_free(names);
	else if (names->count > 0)
		qsort(names->name, names->count, sizeof(char *), compare_names);
	return rc;
}

/* What was being made when the last process ended is of no use to anybody. */
pk_error
pd_drive_empty_tmp(struct pd_drive *drive, struct pd_err *err)
{
	struct names names;
	char path[PD_PATH];
	int rc;

	if (!pd_drive_writable(drive))
		return PK_OK;
	rc = names_list(drive, "tmp", &names);
	if (rc == -ENOENT)
	{
		snprintf(path, sizeof(path), "%s/tmp", drive->path);
		rc = drive->vfs->mkdir(drive->vfs, path, 0700);
	}
	if (rc < 0)
		return pd_fail_errno(err, rc, "cannot use %s/tmp", drive->path);
	for (size_t i = 0; i < names.count && rc >= 0; i++)
	{
		if (snprintf(path, sizeof(path), "%s/tmp/%s", drive->path, names.name[i]) < (int) sizeof(path))
			rc = drive->vfs->unlink(drive->vfs, path);
		if (rc == -EISDIR || rc == -EPERM) /* a folder: not of our making */
			rc = 0;
		if (rc < 0)
			(void) pd_drive_write_failed(drive, rc, NULL, "remove", path);
	}
	names_free(&names);
	return PK_OK;
}

/* The valid slot with the higher sequence. */
static void
load_slots(struct pd_extent *extent, const uint8_t *pages)
{
	bool any = false;

	for (int i = 0; i < 2; i++)
	{
		struct pd_slot slot;

		if (pd_slot_decode(&slot, pages + (size_t) i * PD_PAGE, &extent->header, NULL) != PK_OK)
			continue;
		if (!any || slot.sequence > extent->slot.sequence)
		{
			extent->slot = slot;
			extent->slot_index = i;
		}
		any = true;
	}
	if (!any)
		pd_extent_add_rot(extent, 0, 0, "neither slot is valid: its volume is not known");
}

static pk_error
check_header(struct pd_drive *drive, const struct pd_header *header, pk_extent_kind kind, uint64_t id, int position,
			 struct pd_err *err)
{
	if (header->kind != kind || header->id != id || header->position != position)
		return pd_fail(err, PK_ERR_CORRUPT, "has the header of another extent");
	if (memcmp(header->drive, drive->uuid, PK_UUID_SIZE) != 0)
	{
		char text[PK_UUID_TEXT + 1];

		pk_uuid_encode(text, header->drive);
		return pd_fail(err, PK_ERR_CORRUPT, "was made on another drive: %s", text);
	}
	return PK_OK;
}

/* Sealed, or a bucket to be recovered. */
static pk_error
load_state(struct pd_extent *extent, int fd, uint64_t size, struct pd_err *err)
{
	const struct pd_vfs *vfs = extent->drive->vfs;
	uint8_t page[PD_TRAILER];
	struct pd_trailer trailer;
	pk_error result;
	int rc = 0;

	if (size < PD_EXTENT_DATA + PD_TRAILER)
		result = pd_fail(err, PK_ERR_CORRUPT, "has no trailer");
	else
	{
		rc = pd_vfs_read_full(vfs, fd, page, PD_TRAILER, size - PD_TRAILER);
		if (rc < 0)
			result = pd_fail_errno(err, rc, "cannot be read");
		else
			result = pd_trailer_decode(&trailer, page, &extent->header, size, err);
	}
	if (result == PK_OK)
	{
		extent->state = PD_EXTENT_SEALED;
		extent->length = trailer.length;
		extent->file_size = size;
		return PK_OK;
	}
	if (result == PK_ERR_UNSUPPORTED || extent->header.kind != PK_EXTENT_BUCKET)
		return result;
	return pd_extent_recover(extent, fd, size, err);
}

static pk_error
load_file(struct pd_drive *drive, int fd, pk_extent_kind kind, uint64_t id, int position, bool trashed,
		  struct pd_err *err)
{
	const struct pd_vfs *vfs = drive->vfs;
	uint8_t pages[3 * PD_PAGE];
	struct pd_header header;
	struct pd_extent *extent;
	pk_error result;
	int64_t size = vfs->size(vfs, fd);
	int rc;

	if (size < 0)
		return pd_fail_errno(err, (int) size, "cannot be examined");
	if (size < PD_EXTENT_DATA)
		return pd_fail(err, PK_ERR_CORRUPT, "has %lld bytes: it was cut off within its header", (long long) size);
	rc = pd_vfs_read_full(vfs, fd, pages, sizeof(pages), 0);
	if (rc < 0)
		return pd_fail_errno(err, rc, "cannot be read");
	result = pd_header_decode(&header, pages, err);
	if (result == PK_OK)
		result = check_header(drive, &header, kind, id, position, err);
	if (result != PK_OK)
		return result;
	extent = pd_extent_new(drive, &header, trashed);
	if (extent == NULL)
		return pd_fail(err, PK_ERR_NO_MEMORY, "found no memory");
	load_slots(extent, pages + PD_PAGE);
	result = load_state(extent, fd, (uint64_t) size, err);
	if (result == PK_OK)
		result = pd_registry_put(drive, extent, err);
	pd_extent_unref(extent);
	return result;
}

/* file: "extents/hh/name" or "trash/name". PK_ERR_NO_MEMORY ends everything, any other problem is the file's. */
static pk_error
load_name(struct pd_drive *drive, const char *file, const char *name, struct pd_err *err)
{
	char expected[PK_EXTENT_FILE];
	char path[PD_PATH];
	struct pd_err why;
	bool trashed = strncmp(file, PD_TRASH, strlen(PD_TRASH)) == 0;
	pk_extent_kind kind;
	pk_error result;
	uint64_t id;
	int position, fd;

	if (!pk_extent_file_parse(name, &kind, &id, &position))
	{
		pd_drive_add_damaged(drive, file, "is not the name of an extent");
		return PK_OK;
	}
	if (trashed)
		pd_trash_file(expected, kind, id, position);
	else
		pk_extent_file(expected, kind, id, position);
	if (strcmp(expected, file) != 0)
	{
		pd_drive_add_damaged(drive, file, "is in the wrong folder");
		return PK_OK;
	}
	snprintf(path, sizeof(path), "%s/%s", drive->path, file);
	fd = drive->vfs->open(drive->vfs, path, O_RDONLY | PD_OPEN, 0);
	if (fd < 0)
		result = pd_fail_errno(&why, fd, "cannot be opened");
	else
	{
		result = load_file(drive, fd, kind, id, position, trashed, &why);
		drive->vfs->close(drive->vfs, fd);
	}
	if (result == PK_ERR_NO_MEMORY)
		return pd_fail(err, result, "%s", why.text);
	if (result != PK_OK)
		pd_drive_add_damaged(drive, file, why.text);
	return PK_OK;
}

static pk_error
load_folder(struct pd_drive *drive, const char *folder, struct pd_err *err)
{
	char file[600];
	struct names names;
	pk_error result = PK_OK;
	int rc;

	rc = names_list(drive, folder, &names);
	if (rc == -ENOMEM)
		return pd_fail(err, PK_ERR_NO_MEMORY, "no memory to list %s", folder);
	if (rc == -ENOENT) /* made when it is needed */
		return PK_OK;
	if (rc < 0)
	{
		struct pd_err why;

		(void) pd_fail_errno(&why, rc, "cannot be listed");
		pd_drive_add_damaged(drive, folder, why.text);
		return PK_OK;
	}
	for (size_t i = 0; i < names.count && result == PK_OK; i++)
	{
		snprintf(file, sizeof(file), "%s/%s", folder, names.name[i]);
		result = load_name(drive, file, names.name[i], err);
	}
	names_free(&names);
	return result;
}

pk_error
pd_drive_load(struct pd_drive *drive, struct pd_err *err)
{
	struct names names;
	pk_error result = PK_OK;
	int rc = names_list(drive, "extents", &names);

	if (rc < 0)
		return pd_fail_errno(err, rc, "cannot list %s/extents", drive->path);
	for (size_t i = 0; i < names.count && result == PK_OK; i++)
	{
		char folder[300];

		snprintf(folder, sizeof(folder), "extents/%s", names.name[i]);
		result = load_folder(drive, folder, err);
	}
	names_free(&names);
	if (result == PK_OK)
		result = load_folder(drive, "trash", err);
	return result;
}
