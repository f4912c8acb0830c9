/*
 * cli/items.c
 *	  A list of files, folders and links.
 */
#include "cli/items.h"

#include <stdlib.h>
#include <string.h>

struct pd_item *
pd_items_add(struct pd_items *items, const char *path, const char *target)
{
	struct pd_item *item;

	if (items->count == items->capacity)
	{
		size_t capacity = items->capacity > 0 ? items->capacity * 2 : 256;
		struct pd_item *grown = realloc(items->items, capacity * sizeof(*grown));

		if (grown == NULL)
			return NULL;
		items->items = grown;
		items->capacity = capacity;
	}
	item = &items->items[items->count];
	*item = (struct pd_item){.path = strdup(path), .mode = PD_MODE_NONE};
	if (target != NULL)
		item->target = strdup(target);
	if (item->path == NULL || (target != NULL && item->target == NULL))
	{
		free(item->path);
		free(item->target);
		return NULL;
	}
	items->count++;
	return item;
}

void
pd_items_free(struct pd_items *items)
{
	for (size_t i = 0; i < items->count; i++)
	{
		free(items->items[i].path);
		free(items->items[i].target);
	}
	free(items->items);
	*items = (struct pd_items){0};
}

static int
compare(const void *a, const void *b)
{
	return strcmp(((const struct pd_item *) a)->path, ((const struct pd_item *) b)->path);
}

void
pd_items_sort(struct pd_items *items)
{
	if (items->count > 1)
		qsort(items->items, items->count, sizeof(*items->items), compare);
}

const struct pd_item *
pd_items_find(const struct pd_items *items, const char *path)
{
	struct pd_item key;

	if (items->count == 0)
		return NULL;
	memset(&key, 0, sizeof(key));
	key.path = (char *) path;
	return bsearch(&key, items->items, items->count, sizeof(key), compare);
}

bool
pd_items_agree(const struct pd_item *a, const struct pd_item *b)
{
	if (a->kind != b->kind)
		return false;
	switch (a->kind)
	{
		case PD_KIND_FILE:
			return a->size == b->size && a->mtime_us == b->mtime_us && a->mode == b->mode;
		case PD_KIND_SYMLINK:
			return a->target != NULL && b->target != NULL && strcmp(a->target, b->target) == 0;
		case PD_KIND_FOLDER:
			return true;
	}
	return false;
}
