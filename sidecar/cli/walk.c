/*
 * cli/walk.c
 *	  Listing a local directory.
 *
 * Recursion is as deep as the tree, at most PK_PATH_DEPTH_MAX, with one open
 * directory on each level.
 */
#include "cli/walk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/format.h"
#include "contract/pk_limits.h"
#include "contract/pk_name.h"

struct walk
{
	struct pd_items *items;
	pd_walk_report report;
	void *user;
	bool (*stop)(void);
	size_t length; /* of path */
	char path[PK_PATH_SIZE_MAX + 1];
};

struct names
{
	char **names;
	size_t count;
	size_t capacity;
};

static bool walk_folder(struct walk *walk, int directory, int depth);

static int
compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *) a, *(char *const *) b);
}

static void
names_free(struct names *names)
{
	for (size_t i = 0; i < names->count; i++)
		free(names->names[i]);
	free(names->names);
}

static bool
names_add(struct names *names, const char *name)
{
	if (names->count == names->capacity)
	{
		size_t capacity = names->capacity > 0 ? names->capacity * 2 : 64;
		char **grown = realloc(names->names, capacity * sizeof(*grown));

		if (grown == NULL)
			return false;
		names->names = grown;
		names->capacity = capacity;
	}
	names->names[names->count] = strdup(name);
	return names->names[names->count] != NULL && ++names->count > 0;
}

/* All names in a folder, sorted.  0, or a negative errno. */
static int
names_read(struct names *names, int directory)
{
	int copy = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *stream;
	struct dirent *entry;
	int result = 0;

	if (copy < 0)
		return -errno;
	stream = fdopendir(copy);
	if (stream == NULL)
	{
		result = -errno;
		close(copy);
		return result;
	}
	while (errno = 0, (entry = readdir(stream)) != NULL)
	{
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (!names_add(names, entry->d_name))
		{
			result = -ENOMEM;
			break;
		}
	}
	if (entry == NULL && errno != 0)
		result = -errno;
	closedir(stream);
	if (names->count > 1)
		qsort(names->names, names->count, sizeof(*names->names), compare_names);
	return result;
}

static void
failed(struct walk *walk, int error)
{
	char text[PD_FORMAT_ERROR];

	walk->report(walk->user, PD_WALK_FAILED, walk->path, pd_format_errno(text, error));
}

/* The target of a link, to be freed; NULL with errno. */
static char *
read_link(int directory, const char *name)
{
	char target[PK_PATH_SIZE_MAX + 1];
	ssize_t length = readlinkat(directory, name, target, sizeof(target));

	if (length < 0)
		return NULL;
	if (length == (ssize_t) sizeof(target))
	{
		errno = ENAMETOOLONG;
		return NULL;
	}
	target[length] = '\0';
	return strdup(target);
}

static bool
walk_link(struct walk *walk, int directory, const char *name)
{
	char *target = read_link(directory, name);
	struct pd_item *item;

	if (target == NULL)
	{
		int error = errno;

		failed(walk, error);
		return error != ENOMEM;
	}
	item = pd_items_add(walk->items, walk->path, target);
	free(target);
	if (item == NULL)
		return false;
	item->kind = PD_KIND_SYMLINK;
	return true;
}

static bool
walk_file(struct walk *walk, const struct stat *st)
{
	struct pd_item *item = pd_items_add(walk->items, walk->path, NULL);

	if (item == NULL)
		return false;
	item->kind = PD_KIND_FILE;
	item->mode = st->st_mode & 07777;
	item->size = st->st_size;
	item->mtime_us = (int64_t) st->st_mtim.tv_sec * 1000000 + st->st_mtim.tv_nsec / 1000;
	return true;
}

static bool
walk_subfolder(struct walk *walk, int directory, const char *name, int depth)
{
	size_t index = walk->items->count;
	struct pd_item *item;
	int child;
	bool ok;

	if (depth >= PK_PATH_DEPTH_MAX)
	{
		walk->report(walk->user, PD_WALK_FAILED, walk->path, "is nested too deeply");
		return true;
	}
	child = openat(directory, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (child < 0)
	{
		failed(walk, errno);
		return true;
	}
	item = pd_items_add(walk->items, walk->path, NULL);
	if (item == NULL)
	{
		close(child);
		return false;
	}
	item->kind = PD_KIND_FOLDER;
	ok = walk_folder(walk, child, depth);
	walk->items->items[index].bare = walk->items->count == index + 1;
	close(child);
	return ok;
}

/* walk->path names the entry already. */
static bool
walk_entry(struct walk *walk, int directory, const char *name, int depth)
{
	pk_name_fault fault;
	struct stat st;
	size_t at;

	fault = pk_name_check(name, strlen(name), &at);
	if (fault != PK_NAME_VALID)
	{
		char text[128];

		snprintf(text, sizeof(text), "the name %s", pk_name_fault_text(fault));
		walk->report(walk->user, PD_WALK_FAILED, walk->path, text);
		return true;
	}
	if (fstatat(directory, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
	{
		failed(walk, errno);
		return true;
	}
	if (S_ISREG(st.st_mode))
		return walk_file(walk, &st);
	if (S_ISDIR(st.st_mode))
		return walk_subfolder(walk, directory, name, depth + 1);
	if (S_ISLNK(st.st_mode))
		return walk_link(walk, directory, name);
	walk->report(walk->user, PD_WALK_SKIPPED, walk->path,
				 S_ISFIFO(st.st_mode)	? "is a fifo"
				 : S_ISSOCK(st.st_mode) ? "is a socket"
										: "is a device");
	return true;
}

static bool
walk_folder(struct walk *walk, int directory, int depth)
{
	size_t base = walk->length;
	struct names names = {0};
	int result = names_read(&names, directory);
	bool ok = result != -ENOMEM;

	if (result < 0)
		failed(walk, -result);
	for (size_t i = 0; ok && i < names.count; i++)
	{
		size_t length = strlen(names.names[i]);

		if (walk->stop != NULL && walk->stop())
			ok = false;
		else if (base + 1 + length > PK_PATH_SIZE_MAX)
			walk->report(walk->user, PD_WALK_FAILED, walk->path, "holds a path that is too long");
		else
		{
			if (base > 0)
				walk->path[base] = '/';
			memcpy(walk->path + base + (base > 0), names.names[i], length + 1);
			walk->length = base + (base > 0) + length;
			ok = walk_entry(walk, directory, names.names[i], depth);
			walk->length = base;
			walk->path[base] = '\0';
		}
	}
	names_free(&names);
	return ok;
}

bool
pd_walk(int directory, struct pd_items *items, pd_walk_report report, void *user, bool (*stop)(void))
{
	struct walk *walk = malloc(sizeof(*walk));
	bool ok;

	if (walk == NULL)
		return false;
	walk->items = items;
	walk->report = report;
	walk->user = user;
	walk->stop = stop;
	walk->length = 0;
	walk->path[0] = '\0';
	ok = walk_folder(walk, directory, 0);
	free(walk);
	return ok;
}
