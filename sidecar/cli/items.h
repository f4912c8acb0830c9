/*
 * cli/items.h
 *	  A list of files, folders and links, of a directory or of Pocket.
 */
#ifndef PD_CLI_ITEMS_H
#define PD_CLI_ITEMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum pd_kind
{
	PD_KIND_FILE,
	PD_KIND_FOLDER,
	PD_KIND_SYMLINK
};

#define PD_MODE_NONE UINT32_MAX /* the mode is not known */

struct pd_item
{
	char *path;	  /* owned; relative to the top, no leading slash */
	char *target; /* owned; of a link */
	enum pd_kind kind;
	uint32_t mode;	  /* 07777 of a file */
	int64_t size;	  /* bytes, of a file */
	int64_t mtime_us; /* since 1970, rounded down */
	int64_t rev;	  /* in Pocket; 0 for a local item */
	bool bare;		  /* a folder in which nothing else was listed */
};

struct pd_items
{
	struct pd_item *items; /* owned */
	size_t count;
	size_t capacity;
};

/* A new item with copies of path and target (may be NULL), the rest zero; NULL when out of memory. */
extern struct pd_item *pd_items_add(struct pd_items *items, const char *path, const char *target);
extern void pd_items_free(struct pd_items *items);

/* By path, in byte order; needed before pd_items_find. */
extern void pd_items_sort(struct pd_items *items);
extern const struct pd_item *pd_items_find(const struct pd_items *items, const char *path);

/* Whether the other item makes sending this one needless. */
extern bool pd_items_agree(const struct pd_item *a, const struct pd_item *b);

#endif
