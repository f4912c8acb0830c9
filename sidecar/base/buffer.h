/*
 * base/buffer.h
 *	  Large aligned buffers that are used again, because the first touch of a
 *	  fresh page costs more than filling it.
 */
#ifndef PD_BASE_BUFFER_H
#define PD_BASE_BUFFER_H

#include <stddef.h>
#include <stdint.h>

struct pd_buffer
{
	uint8_t *data;			/* 4096-aligned */
	size_t size;			/* usable bytes */
	struct pd_buffer *next; /* the pool's */
};

struct pd_buffer_pool;

/* Keeps at most keep_bytes of released buffers. NULL when out of memory. */
extern struct pd_buffer_pool *pd_buffer_pool_create(size_t keep_bytes);
extern void pd_buffer_pool_free(struct pd_buffer_pool *pool);

/* A buffer of at least size bytes with undefined content, or NULL. */
extern struct pd_buffer *pd_buffer_get(struct pd_buffer_pool *pool, size_t size);
extern void pd_buffer_put(struct pd_buffer_pool *pool, struct pd_buffer *buffer); /* NULL is fine */

#endif
