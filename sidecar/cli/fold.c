/*
 * cli/fold.c
 *	  Names that a namespace without case sensitivity takes for the same.
 */
#include "cli/fold.h"

#include <stdlib.h>
#include <string.h>

#include "contract/pk_name.h"

struct folded
{
	char *key;
	size_t index;
};

char *
pd_fold_path(const char *path)
{
	/* a name's key is at most three times as long */
	char *key = malloc(strlen(path) * 3 + 1);
	size_t used = 0;

	if (key == NULL)
		return NULL;
	for (;;)
	{
		char name[PK_NAME_KEY_MAX + 1];
		const char *slash = strchr(path, '/');
		size_t length = slash != NULL ? (size_t) (slash - path) : strlen(path);
		size_t folded = pk_name_key(name, path, length);

		memcpy(key + used, name, folded);
		used += folded;
		if (slash == NULL)
			break;
		key[used++] = '/';
		path = slash + 1;
	}
	key[used] = '\0';
	return key;
}

static int
compare(const void *a, const void *b)
{
	const struct folded *x = a;
	const struct folded *y = b;
	int order = strcmp(x->key, y->key);

	return order != 0 ? order : (x->index > y->index) - (x->index < y->index);
}

long
pd_fold_mark(const struct pd_items *items, bool *marks)
{
	struct folded *all = calloc(items->count + 1, sizeof(*all));
	long marked = 0;
	size_t count = 0;

	for (; all != NULL && count < items->count; count++)
	{
		all[count].index = count;
		all[count].key = pd_fold_path(items->items[count].path);
		if (all[count].key == NULL)
			break;
	}
	if (all == NULL || count < items->count)
		marked = -1;
	else
	{
		qsort(all, count, sizeof(*all), compare);
		for (size_t i = 0; i < count; i++)
		{
			marks[all[i].index] = i > 0 && strcmp(all[i].key, all[i - 1].key) == 0;
			marked += marks[all[i].index];
		}
	}
	for (size_t i = 0; all != NULL && i < count; i++)
		free(all[i].key);
	free(all);
	return marked;
}
