/*
 * cli/receive.c
 *	  The receiving half of export.
 *
 * Every read names the revision that the listing told, so that what is written
 * is one content, whatever happens to the file meanwhile.  A file appears under
 * its name complete or not at all.
 */
#include "cli/receive.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/local.h"
#include "cli/send.h"
#include "contract/pk_limits.h"

struct receiver
{
	struct pd_pool *pool;
	struct pd_receive *receive;
	struct pd_session *session;
	struct pd_local local;
	struct pd_array paths;
	struct pd_array revs;
	char path[PK_PATH_SIZE_MAX + 1];
};

static void
refuse(struct receiver *r, const struct pd_item *item, const char *sqlstate, const char *text)
{
	pd_progress_event(r->pool->progress, PD_EVENT_FAILED, item->path, sqlstate, text);
}

static void
refuse_errno(struct receiver *r, const struct pd_item *item, int error)
{
	char text[PD_FORMAT_ERROR];

	refuse(r, item, NULL, pd_format_errno(text, error));
}

static void
refuse_session(struct receiver *r, const struct pd_item *item)
{
	if (pd_pool_stopping(r->pool))
		return;
	if (pd_session_hopeless(r->session))
		pd_pool_fatal(r->pool, r->session->sqlstate, r->session->error);
	else
		refuse(r, item, r->session->sqlstate, r->session->error);
}

/* Writes a whole file. */
static void
write_file(struct receiver *r, const struct pd_item *item, const char *content, int length)
{
	struct pd_local_draft draft = {.folder = -1, .file = -1};
	int result;

	if (length != item->size)
	{
		refuse(r, item, NULL, "the server sent another size than it listed");
		return;
	}
	result = pd_local_create(&r->local, item->path, &draft);
	if (result == 0)
		result = pd_local_write(&draft, content, (size_t) length);
	if (result == 0)
		result = pd_local_commit(&r->local, &draft, item);
	if (result == 0)
		pd_progress_sent(r->pool->progress, 1, (uint64_t) length);
	else
	{
		pd_local_abort(&draft);
		refuse_errno(r, item, -result);
	}
}

/* Fetches files by one statement. False when it failed for all and they should be tried one by one. */
static bool
receive_together(struct receiver *r, struct pd_item *const *items, size_t count)
{
	static const char sql[] = "SELECT f.n, pocket.get(f.path, 0, NULL, f.rev)"
							  " FROM unnest($1::text[], $2::bigint[]) WITH ORDINALITY AS f(path, rev, n)";
	struct pd_parameters p = {0};
	PGresult *result;

	pd_array_reset(&r->paths);
	pd_array_reset(&r->revs);
	for (size_t i = 0; i < count; i++)
	{
		/* a path that came from the server fits */
		if (!pd_remote_path(r->receive->remote, r->path, sizeof(r->path), items[i]->path) ||
			!pd_array_add(&r->paths, r->path, strlen(r->path)) || !pd_array_add_int64(&r->revs, items[i]->rev))
		{
			pd_pool_fatal(r->pool, NULL, "out of memory");
			return true;
		}
	}
	pd_parameters_array(&p, &r->paths);
	pd_parameters_array(&p, &r->revs);
	result = pd_pool_query(r->pool, r->session, sql, &p, true);
	if (result == NULL)
	{
		if (count > 1 && !pd_session_hopeless(r->session) && !pd_pool_stopping(r->pool))
			return false;
		refuse_session(r, items[0]);
		return true;
	}
	for (int i = 0; i < PQntuples(result) && !pd_pool_stopping(r->pool); i++)
	{
		/* int8 of at most PD_BATCH_FILES: its last two bytes */
		const unsigned char *n = (const unsigned char *) PQgetvalue(result, i, 0);
		size_t index = (size_t) ((n[6] << 8 | n[7]) - 1);

		if (index < count)
			write_file(r, items[index], PQgetvalue(result, i, 1), PQgetlength(result, i, 1));
	}
	PQclear(result);
	return true;
}

/* 0, a negative errno, or 1: the session's error. */
static int
receive_ranges(struct receiver *r, const struct pd_item *item, struct pd_local_draft *draft, int64_t *received)
{
	while (*received < item->size)
	{
		int64_t left = item->size - *received;
		int64_t length = left < PD_RANGE_BYTES ? left : PD_RANGE_BYTES;
		struct pd_parameters p = {0};
		PGresult *result;
		int status;

		pd_parameters_text(&p, r->path);
		pd_parameters_int64(&p, *received);
		pd_parameters_int64(&p, length);
		pd_parameters_int64(&p, item->rev);
		result = pd_pool_query(r->pool, r->session, "SELECT pocket.get($1, $2, $3, $4)", &p, true);
		if (result == NULL)
			return 1;
		if (PQntuples(result) == 1 && PQgetlength(result, 0, 0) == length)
			status = pd_local_write(draft, PQgetvalue(result, 0, 0), (size_t) length);
		else
			status = -EPROTO;
		PQclear(result);
		if (status < 0)
			return status;
		*received += length;
		pd_progress_part(r->pool->progress, length);
		if (pd_pool_stopping(r->pool))
			return -EINTR;
	}
	return 0;
}

static void
receive_large(struct receiver *r, const struct pd_item *item)
{
	struct pd_local_draft draft = {.folder = -1, .file = -1};
	int64_t received = 0;
	int result;

	if (!pd_remote_path(r->receive->remote, r->path, sizeof(r->path), item->path))
	{
		refuse(r, item, NULL, "the path is too long");
		return;
	}
	result = pd_local_create(&r->local, item->path, &draft);
	if (result == 0)
		result = receive_ranges(r, item, &draft, &received);
	if (result == 0)
		result = pd_local_commit(&r->local, &draft, item);
	pd_progress_part(r->pool->progress, -received);
	if (result == 0)
	{
		pd_progress_sent(r->pool->progress, 1, (uint64_t) received);
		return;
	}
	pd_local_abort(&draft);
	if (result == 1)
		refuse_session(r, item);
	else if (result != -EINTR)
		refuse_errno(r, item, -result);
}

static void
receive_link(struct receiver *r, const struct pd_item *item)
{
	int result = item->target != NULL ? pd_local_symlink(&r->local, item->path, item->target) : -EPROTO;

	if (result < 0)
		refuse_errno(r, item, -result);
}

static bool
take(struct pd_receive *receive, size_t *first, size_t *count)
{
	pthread_mutex_lock(&receive->lock);
	*first = receive->next;
	*count = *first < receive->count ? pd_send_batch(receive->plan, receive->count, *first) : 0;
	receive->next += *count;
	pthread_mutex_unlock(&receive->lock);
	return *count > 0;
}

static void
receive_batch(struct receiver *r, struct pd_item *const *items, size_t count)
{
	if (items[0]->kind == PD_KIND_SYMLINK)
	{
		for (size_t i = 0; i < count && !pd_pool_stopping(r->pool); i++)
			receive_link(r, items[i]);
	}
	else if (items[0]->size > PD_WHOLE_BYTES)
		receive_large(r, items[0]);
	else if (!receive_together(r, items, count))
	{
		for (size_t i = 0; i < count && !pd_pool_stopping(r->pool); i++)
			(void) receive_together(r, items + i, 1);
	}
}

void
pd_receive_work(struct pd_pool *pool, struct pd_session *session)
{
	struct pd_receive *receive = pool->user;
	struct receiver *r = calloc(1, sizeof(*r));
	size_t first;
	size_t count;

	if (r == NULL)
	{
		pd_pool_fatal(pool, NULL, "out of memory");
		return;
	}
	r->pool = pool;
	r->receive = receive;
	r->session = session;
	pd_local_init(&r->local, receive->top, receive->umask_);
	pd_array_init(&r->paths, PD_OID_TEXT);
	pd_array_init(&r->revs, PD_OID_INT8);
	while (!pd_pool_stopping(pool) && take(receive, &first, &count))
		receive_batch(r, receive->plan + first, count);
	pd_array_free(&r->paths);
	pd_array_free(&r->revs);
	pd_local_release(&r->local);
	free(r);
}
