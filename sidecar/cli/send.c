/*
 * cli/send.c
 *	  The sending half of import.
 *
 * When a batch fails, its items are sent one by one: one file that the server
 * refuses must not keep the others out.  A file is read straight into the
 * message that carries it.
 */
#include "cli/send.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/interrupt.h"
#include "cli/local.h"
#include "contract/pk_limits.h"

#define CHANGED "changed while it was read; import again"

struct sender
{
	struct pd_pool *pool;
	struct pd_send *send;
	struct pd_session *session;
	struct pd_local local;
	struct pd_array paths;
	struct pd_array contents;
	struct pd_array times;
	struct pd_array attributes;
	char path[PK_PATH_SIZE_MAX + 1];
};

size_t
pd_send_batch(struct pd_item *const *plan, size_t count, size_t first)
{
	int64_t bytes = plan[first]->size;
	size_t n = 1;

	while (first + n < count && n < PD_BATCH_FILES && plan[first + n]->kind == plan[first]->kind &&
		   bytes + plan[first + n]->size <= PD_BATCH_BYTES)
		bytes += plan[first + n++]->size;
	return n;
}

static void
refuse(struct sender *s, const struct pd_item *item, const char *sqlstate, const char *text)
{
	pd_progress_event(s->pool->progress, PD_EVENT_FAILED, item->path, sqlstate, text);
}

static void
refuse_errno(struct sender *s, const struct pd_item *item, int error)
{
	char text[PD_FORMAT_ERROR];

	refuse(s, item, NULL, error == ESTALE ? CHANGED : pd_format_errno(text, error));
}

/* What the session's last error means for this item, or for the run. */
static void
refuse_session(struct sender *s, const struct pd_item *item)
{
	if (pd_pool_stopping(s->pool))
		return;
	if (pd_session_hopeless(s->session))
		pd_pool_fatal(s->pool, s->session->sqlstate, s->session->error);
	else
		refuse(s, item, s->session->sqlstate, s->session->error);
}

/* s->path becomes the item's path in Pocket. */
static bool
full_path(struct sender *s, const struct pd_item *item)
{
	if (pd_remote_path(s->send->remote, s->path, sizeof(s->path), item->path))
		return true;
	refuse(s, item, NULL, "the path is too long");
	return false;
}

static void
format_attributes(char *out, size_t size, mode_t mode)
{
	snprintf(out, size, "{\"mode\": \"%04o\"}", (unsigned) mode & 07777u);
}

/* Reads the file into the arrays; false when it was refused. */
static bool
add_file(struct sender *s, const struct pd_item *item)
{
	struct stat st;
	char attributes[40];
	uint8_t *place;
	int file;
	int result;

	if (!full_path(s, item))
		return false;
	file = pd_local_open(&s->local, item->path, &st);
	if (file < 0)
	{
		refuse_errno(s, item, errno);
		return false;
	}
	if (st.st_size != item->size)
	{
		close(file);
		refuse(s, item, NULL, CHANGED);
		return false;
	}
	place = pd_array_reserve(&s->contents, (size_t) st.st_size);
	if (place == NULL)
		result = -ENOMEM;
	else
	{
		result = pd_local_read(file, place, (size_t) st.st_size, 0);
		if (result == 0 && !pd_local_unchanged(file, &st))
			result = -ESTALE;
		if (result < 0)
			pd_array_retract(&s->contents, (size_t) st.st_size);
	}
	close(file);
	if (result < 0)
	{
		refuse_errno(s, item, -result);
		return false;
	}
	format_attributes(attributes, sizeof(attributes), st.st_mode);
	if (pd_array_add(&s->paths, s->path, strlen(s->path)) && pd_array_add_time(&s->times, pd_local_mtime_us(&st)) &&
		pd_array_add_jsonb(&s->attributes, attributes))
		return true;
	pd_pool_fatal(s->pool, NULL, "out of memory");
	return false;
}

static bool
add_link(struct sender *s, const struct pd_item *item)
{
	if (!full_path(s, item))
		return false;
	if (pd_array_add(&s->paths, s->path, strlen(s->path)) &&
		(item->target == NULL || pd_array_add(&s->contents, item->target, strlen(item->target))))
		return true;
	pd_pool_fatal(s->pool, NULL, "out of memory");
	return false;
}

/* Sends what the arrays hold, in a transaction of its own. */
static bool
run_batch(struct sender *s, enum pd_kind kind)
{
	struct pd_parameters p = {0};
	const char *sql;
	PGresult *result;

	pd_parameters_array(&p, &s->paths);
	if (kind == PD_KIND_FOLDER)
		sql = "SELECT count(r) FROM unnest($1::text[]) AS l(path), pocket.mkdir(l.path) AS r";
	else
		pd_parameters_array(&p, &s->contents);
	if (kind == PD_KIND_SYMLINK)
		sql = "SELECT count(r) FROM unnest($1::text[], $2::text[]) AS l(path, target),"
			  " pocket.symlink(l.path, l.target) AS r";
	else if (kind == PD_KIND_FILE)
	{
		sql = "SELECT count(r) FROM pocket.put_many($1, $2, $3, $4) AS r";
		pd_parameters_array(&p, &s->times);
		pd_parameters_array(&p, &s->attributes);
	}
	result = pd_pool_query(s->pool, s->session, sql, &p, false);
	if (result == NULL)
		return false;
	PQclear(result);
	return true;
}

static void
reset_arrays(struct sender *s, enum pd_kind kind)
{
	pd_array_reset(&s->paths);
	pd_array_reset(&s->contents);
	pd_array_reset(&s->times);
	pd_array_reset(&s->attributes);
	s->contents.type = kind == PD_KIND_FILE ? PD_OID_BYTEA : PD_OID_TEXT;
}

/* Sends items of one kind. False when all of them together were refused and should be tried one by one. */
static bool
send_together(struct sender *s, struct pd_item *const *items, size_t count)
{
	enum pd_kind kind = items[0]->kind;
	const struct pd_item *last = NULL;
	uint64_t bytes = 0;

	reset_arrays(s, kind);
	for (size_t i = 0; i < count && !pd_pool_stopping(s->pool); i++)
	{
		if (kind == PD_KIND_FILE ? add_file(s, items[i]) : add_link(s, items[i]))
		{
			bytes += (uint64_t) items[i]->size;
			last = items[i];
		}
	}
	if (s->paths.count == 0 || pd_pool_stopping(s->pool))
		return true;
	if (run_batch(s, kind))
	{
		if (kind == PD_KIND_FILE)
			pd_progress_sent(s->pool->progress, (uint64_t) s->paths.count, bytes);
		return true;
	}
	if (s->paths.count > 1 && !pd_session_hopeless(s->session))
		return false;
	refuse_session(s, last);
	return true;
}

/* Puts the first piece and appends the others, inside a transaction. 0, a negative errno, or 1: the session's error. */
static int
send_pieces(struct sender *s, int file, const struct stat *st, uint8_t *piece, int64_t *sent)
{
	char attributes[40];

	format_attributes(attributes, sizeof(attributes), st->st_mode);
	for (*sent = 0; *sent < st->st_size;)
	{
		int64_t left = st->st_size - *sent;
		size_t size = left < PD_PIECE_BYTES ? (size_t) left : PD_PIECE_BYTES;
		struct pd_parameters p = {0};
		const char *sql = "SELECT count(r) FROM pocket.append($1, $2, $3) AS r";
		int result = pd_local_read(file, piece, size, *sent);

		if (result < 0)
			return result;
		pd_parameters_text(&p, s->path);
		pd_parameters_bytes(&p, piece, size);
		pd_parameters_time(&p, pd_local_mtime_us(st));
		if (*sent == 0)
		{
			sql = "SELECT count(r) FROM pocket.put($1, $2, mtime => $3, attributes => $4) AS r";
			pd_parameters_json(&p, attributes);
		}
		if (!pd_session_run(s->session, sql, &p))
			return 1;
		*sent += (int64_t) size;
		pd_progress_part(s->pool->progress, (int64_t) size);
		if (pd_pool_stopping(s->pool))
			return -EINTR;
	}
	return pd_local_unchanged(file, st) ? 0 : -ESTALE;
}

static void
send_large(struct sender *s, const struct pd_item *item)
{
	uint8_t *piece = malloc(PD_PIECE_BYTES);
	struct stat st;
	int64_t sent = 0;
	int result;
	int file;

	if (piece == NULL || !full_path(s, item))
	{
		if (piece == NULL)
			pd_pool_fatal(s->pool, NULL, "out of memory");
		free(piece);
		return;
	}
	file = pd_local_open(&s->local, item->path, &st);
	if (file < 0)
	{
		refuse_errno(s, item, errno);
		free(piece);
		return;
	}
	result = pd_session_run(s->session, "BEGIN", NULL) ? send_pieces(s, file, &st, piece, &sent) : 1;
	if (result == 0 && !pd_session_run(s->session, "COMMIT", NULL))
		result = 1;
	pd_progress_part(s->pool->progress, -sent);
	if (result == 0)
		pd_progress_sent(s->pool->progress, 1, (uint64_t) sent);
	else if (result == 1)
		refuse_session(s, item);
	else if (result != -EINTR)
		refuse_errno(s, item, -result);
	if (PQtransactionStatus(s->session->conn) != PQTRANS_IDLE)
		(void) pd_session_run(s->session, "ROLLBACK", NULL);
	close(file);
	free(piece);
}

/* Takes the next batch from the plan; false when nothing is left. */
static bool
take(struct pd_send *send, size_t *first, size_t *count)
{
	pthread_mutex_lock(&send->lock);
	*first = send->next;
	*count = *first < send->count ? pd_send_batch(send->plan, send->count, *first) : 0;
	send->next += *count;
	pthread_mutex_unlock(&send->lock);
	return *count > 0;
}

void
pd_send_work(struct pd_pool *pool, struct pd_session *session)
{
	struct pd_send *send = pool->user;
	struct sender *s = calloc(1, sizeof(*s));
	size_t first;
	size_t count;

	if (s == NULL)
	{
		pd_pool_fatal(pool, NULL, "out of memory");
		return;
	}
	s->pool = pool;
	s->send = send;
	s->session = session;
	pd_local_init(&s->local, send->top, 0);
	pd_array_init(&s->paths, PD_OID_TEXT);
	pd_array_init(&s->contents, PD_OID_BYTEA);
	pd_array_init(&s->times, PD_OID_TIMESTAMPTZ);
	pd_array_init(&s->attributes, PD_OID_JSONB);
	while (!pd_pool_stopping(pool) && take(send, &first, &count))
	{
		if (send->plan[first]->kind == PD_KIND_FILE && send->plan[first]->size > PD_LARGE_BYTES)
			send_large(s, send->plan[first]);
		else if (!send_together(s, send->plan + first, count))
			for (size_t i = 0; i < count && !pd_pool_stopping(pool); i++)
				(void) send_together(s, send->plan + first + i, 1);
	}
	pd_array_free(&s->paths);
	pd_array_free(&s->contents);
	pd_array_free(&s->times);
	pd_array_free(&s->attributes);
	pd_local_release(&s->local);
	free(s);
}
