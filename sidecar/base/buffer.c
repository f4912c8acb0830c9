/*
 * base/buffer.c
 *	  Free lists by size class: four classes to each power of two, so that at
 *	  most a quarter of a buffer is more than was asked for (and is never touched).
 *
 * The last buffer given back is the first given out: its pages are the warmest.
 */
#include "base/buffer.h"

#include <pthread.h>
#include <stdlib.h>

#define ALIGNMENT 4096
#define SMALLEST_BITS 14 /* 16 KiB: each quarter of it is a page */
#define LARGEST_BITS 40
#define STEPS 4
#define CLASSES ((LARGEST_BITS - SMALLEST_BITS) * STEPS + 1)

struct pd_buffer_pool
{
	pthread_mutex_t mutex;
	size_t keep_bytes;
	size_t kept_bytes; /* <= keep_bytes */
	struct pd_buffer *free_lists[CLASSES];
};

static size_t
class_size(int rank)
{
	size_t base = (size_t) 1 << (SMALLEST_BITS + rank / STEPS);

	return base + base / STEPS * (size_t) (rank % STEPS);
}

/* The smallest class that holds size, or -1. */
static int
class_of(size_t size)
{
	int rank = 0;
	int bits;

	if (size > class_size(CLASSES - 1))
		return -1;
	if (size > class_size(0))
	{
		bits = 63 - __builtin_clzll(size);
		rank = (bits - SMALLEST_BITS) * STEPS;
		while (class_size(rank) < size)
			rank++;
	}
	return rank;
}

struct pd_buffer_pool *
pd_buffer_pool_create(size_t keep_bytes)
{
	struct pd_buffer_pool *pool = calloc(1, sizeof(*pool));

	if (pool == NULL)
		return NULL;
	pthread_mutex_init(&pool->mutex, NULL);
	pool->keep_bytes = keep_bytes;
	return pool;
}

static void
free_buffer(struct pd_buffer *buffer)
{
	free(buffer->data);
	free(buffer);
}

void
pd_buffer_pool_free(struct pd_buffer_pool *pool)
{
	if (pool == NULL)
		return;
	for (int rank = 0; rank < CLASSES; rank++)
	{
		struct pd_buffer *buffer;

		while ((buffer = pool->free_lists[rank]) != NULL)
		{
			pool->free_lists[rank] = buffer->next;
			free_buffer(buffer);
		}
	}
	pthread_mutex_destroy(&pool->mutex);
	free(pool);
}

static struct pd_buffer *
new_buffer(size_t size)
{
	struct pd_buffer *buffer = malloc(sizeof(*buffer));

	if (buffer == NULL)
		return NULL;
	buffer->data = aligned_alloc(ALIGNMENT, size);
	if (buffer->data == NULL)
	{
		free(buffer);
		return NULL;
	}
	buffer->size = size;
	buffer->next = NULL;
	return buffer;
}

struct pd_buffer *
pd_buffer_get(struct pd_buffer_pool *pool, size_t size)
{
	int rank = class_of(size);
	struct pd_buffer *buffer;

	if (rank < 0)
		return NULL;

	pthread_mutex_lock(&pool->mutex);
	buffer = pool->free_lists[rank];
	if (buffer != NULL)
	{
		pool->free_lists[rank] = buffer->next;
		pool->kept_bytes -= buffer->size;
		buffer->next = NULL;
	}
	pthread_mutex_unlock(&pool->mutex);

	return buffer != NULL ? buffer : new_buffer(class_size(rank));
}

/* Takes buffers of other classes out until size more may be kept; returns them as a list. */
static struct pd_buffer *
make_room(struct pd_buffer_pool *pool, int wanted_class, size_t size)
{
	struct pd_buffer *evicted = NULL;

	for (int rank = 0; rank < CLASSES; rank++)
	{
		struct pd_buffer *buffer;

		if (rank == wanted_class)
			continue;
		while (pool->kept_bytes + size > pool->keep_bytes && (buffer = pool->free_lists[rank]) != NULL)
		{
			pool->free_lists[rank] = buffer->next;
			pool->kept_bytes -= buffer->size;
			buffer->next = evicted;
			evicted = buffer;
		}
	}
	return evicted;
}

void
pd_buffer_put(struct pd_buffer_pool *pool, struct pd_buffer *buffer)
{
	struct pd_buffer *surplus = NULL;

	if (buffer == NULL)
		return;

	pthread_mutex_lock(&pool->mutex);
	if (buffer->size <= pool->keep_bytes)
	{
		int rank = class_of(buffer->size);

		/* what is used now outlives what was used once */
		surplus = make_room(pool, rank, buffer->size);
		if (pool->kept_bytes + buffer->size <= pool->keep_bytes)
		{
			buffer->next = pool->free_lists[rank];
			pool->free_lists[rank] = buffer;
			pool->kept_bytes += buffer->size;
			buffer = NULL;
		}
	}
	pthread_mutex_unlock(&pool->mutex);

	if (buffer != NULL)
		free_buffer(buffer);
	while (surplus != NULL)
	{
		struct pd_buffer *next = surplus->next;

		free_buffer(surplus);
		surplus = next;
	}
}
