/*
 * fake_remote.h
 *	  A drive of another node without a network: operations over a local drive,
 *	  with counters and failures on demand.
 *
 *	fake_remote_init(&fake, local); ... fake_remote_end(&fake);		fake.drive is the remote face of local, which stays the caller's
 *	fake_fail(&fake, FAKE_APPEND, 2, PK_ERR_UNAVAILABLE);	the second append from now on fails, undone
 *	fake.after = true;			failures come after the work: it was done, and the answer is lost
 *	fake.forever = true;		from the failing one on all of that operation fail
 *	fake.lie = 1;				every length that is answered is greater by this
 *	fake_hold(&fake, FAKE_READ); ... fake_wait_held(&fake, 1); ... fake_release(&fake);	reads wait until released
 *	fake_calls(&fake, FAKE_SEAL)		how often
 *
 * As a real peer: appends only by the one who created, on the local drive's extent that is open; a generation below the slot's is
 * refused.
 */
#ifndef UNIT_FAKE_REMOTE_H
#define UNIT_FAKE_REMOTE_H

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "store/remote.h"

enum fake_op
{
	FAKE_FIND,
	FAKE_CREATE,
	FAKE_APPEND,
	FAKE_SEAL,
	FAKE_SET_MEMBERS,
	FAKE_READ,
	FAKE_REMOVE,
	FAKE_BUILD_BEGIN,
	FAKE_BUILD_WRITE,
	FAKE_BUILD_SPOIL,
	FAKE_BUILD_FINISH,
	FAKE_OPS
};

#define FAKE_THREADS 3

struct fake_remote
{
	struct pd_drive *local;
	struct pd_drive *drive;
	struct pd_queue *queue;
	atomic_int calls[FAKE_OPS];
	atomic_int builds;	 /* begun, neither finished nor abandoned */
	atomic_int released; /* the drive's arg was */

	bool after;
	bool forever;
	int64_t lie;

	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t changed;
	int fail_at[FAKE_OPS]; /* the call with this number fails; 0: none does */
	pk_error fail_code[FAKE_OPS];
	bool hold[FAKE_OPS];
	int held;
};

/* What the call is to come to; PK_OK: what it really comes to. */
static inline pk_error
fake_enter(struct fake_remote *fake, enum fake_op op)
{
	int call = atomic_fetch_add(&fake->calls[op], 1) + 1;
	pk_error code = PK_OK;

	pthread_mutex_lock(&fake->lock);
	if (fake->hold[op])
	{
		fake->held++;
		pthread_cond_broadcast(&fake->changed);
		while (fake->hold[op])
			pthread_cond_wait(&fake->changed, &fake->lock);
		fake->held--;
	}
	if (fake->fail_at[op] > 0 && (call == fake->fail_at[op] || (fake->forever && call > fake->fail_at[op])))
		code = fake->fail_code[op];
	pthread_mutex_unlock(&fake->lock);
	return code;
}

static inline pk_error
fake_failed(struct fake_remote *fake, pk_error code, struct pd_err *err)
{
	return pd_fail(err, code, "fake peer of %s: failure on demand", pd_drive_path(fake->local));
}

/* failure: of fake_enter; work is done unless it comes before. */
#define FAKE_DO(fake, failure, err, work)                 \
	do                                                    \
	{                                                     \
		pk_error fake_rc;                                 \
		if ((failure) != PK_OK && !(fake)->after)         \
			return fake_failed((fake), (failure), (err)); \
		fake_rc = (work);                                 \
		if (fake_rc == PK_OK && (failure) != PK_OK)       \
			return fake_failed((fake), (failure), (err)); \
		return fake_rc;                                   \
	} while (0)

static inline pk_error
fake_find_local(struct fake_remote *fake, const struct pd_extent_name *name, uint32_t generation,
				struct pd_extent **extent, struct pd_err *err)
{
	struct pd_extent_info info;
	pk_error rc = pd_extent_lookup(fake->local, name->kind, name->id, name->position, extent, err);

	if (rc != PK_OK)
		return rc;
	pd_extent_info(*extent, &info);
	if (generation < info.members.generation)
	{
		pd_extent_unref(*extent);
		return pd_fail(err, PK_ERR_STATE, "fake peer: generation %u is older than %u", (unsigned) generation,
					   (unsigned) info.members.generation);
	}
	return PK_OK;
}

static inline pk_error
fake_do_find(struct fake_remote *fake, const struct pd_extent_name *name, bool kept, struct pd_extent_info *info,
			 struct pd_err *err)
{
	struct pd_extent *extent;
	pk_error rc = (kept ? pd_extent_lookup_kept : pd_extent_lookup)(fake->local, name->kind, name->id, name->position,
																	&extent, err);

	if (rc != PK_OK)
		return rc;
	pd_extent_info(extent, info);
	info->length += (uint64_t) fake->lie;
	pd_extent_unref(extent);
	return PK_OK;
}

static inline pk_error
fake_find(void *arg, const struct pd_extent_name *name, bool kept, struct pd_extent_info *info, struct pd_err *err)
{
	struct fake_remote *fake = arg;
	pk_error failure = fake_enter(fake, FAKE_FIND);

	FAKE_DO(fake, failure, err, fake_do_find(fake, name, kept, info, err));
}

static inline pk_error
fake_do_create(struct fake_remote *fake, const struct pd_extent_name *name, const uint8_t *cell,
			   const struct pd_members *members, uint64_t capacity, struct pd_err *err)
{
	struct pd_extent *extent;
	pk_error rc =
		pd_extent_create(fake->local, name->kind, name->id, name->position, cell, members, capacity, &extent, err);

	if (rc == PK_OK)
		pd_extent_unref(extent);
	return rc;
}

static inline pk_error
fake_create(void *arg, const struct pd_extent_name *name, const uint8_t *cell, const struct pd_members *members,
			uint64_t capacity, struct pd_err *err)
{
	struct fake_remote *fake = arg;
	pk_error failure = fake_enter(fake, FAKE_CREATE);

	FAKE_DO(fake, failure, err, fake_do_create(fake, name, cell, members, capacity, err));
}

enum fake_change
{
	FAKE_DO_APPEND,
	FAKE_DO_SEAL,
	FAKE_DO_SET_MEMBERS,
	FAKE_DO_REMOVE
};

struct fake_work
{
	enum fake_change change;
	struct iovec *iov;
	int count;
	uint64_t offset; /* or length */
	uint64_t *said;
	const struct pd_members *members;
};

/* What changes an extent that is there. */
static inline pk_error
fake_change(struct fake_remote *fake, const struct pd_extent_name *name, uint32_t generation,
			const struct fake_work *work, struct pd_err *err)
{
	struct pd_extent_info info;
	struct pd_extent *extent;
	pk_error rc = fake_find_local(fake, name, generation, &extent, err);

	if (rc != PK_OK)
		return rc;
	switch (work->change)
	{
		case FAKE_DO_APPEND:
			rc = pd_extent_append(extent, work->iov, work->count, work->offset, err);
			break;
		case FAKE_DO_SEAL:
			rc = pd_extent_seal_whole(extent, work->offset, err);
			break;
		case FAKE_DO_SET_MEMBERS:
			rc = pd_extent_set_members(extent, work->members, err);
			break;
		case FAKE_DO_REMOVE:
			rc = pd_extent_remove(extent, err);
			break;
	}
	pd_extent_info(extent, &info);
	if (work->said != NULL)
		*work->said = info.length + (uint64_t) fake->lie;
	pd_extent_unref(extent);
	return rc;
}

static inline pk_error
fake_append(void *arg, const struct pd_extent_name *name, uint32_t generation, struct iovec *iov, int count,
			uint64_t offset, uint64_t *length, struct pd_err *err)
{
	struct fake_remote *fake = arg;
	struct fake_work work = {.change = FAKE_DO_APPEND, .iov = iov, .count = count, .offset = offset, .said = length};
	pk_error failure = fake_enter(fake, FAKE_APPEND);

	FAKE_DO(fake, failure, err, fake_change(fake, name, generation, &work, err));
}

static inline pk_error
fake_seal(void *arg, const struct pd_extent_name *name, uint32_t generation, uint64_t length, uint64_t *sealed,
		  struct pd_err *err)
{
	struct fake_remote *fake = arg;
	struct fake_work work = {.change = FAKE_DO_SEAL, .offset = length, .said = sealed};
	pk_error failure = fake_enter(fake, FAKE_SEAL);

	FAKE_DO(fake, failure, err, fake_change(fake, name, generation, &work, err));
}

static inline pk_error
fake_set_members(void *arg, const struct pd_extent_name *name, const struct pd_members *members, struct pd_err *err)
{
	struct fake_remote *fake = arg;
	struct fake_work work = {.change = FAKE_DO_SET_MEMBERS, .members = members};
	pk_error failure = fake_enter(fake, FAKE_SET_MEMBERS);

	FAKE_DO(fake, failure, err, fake_change(fake, name, members->generation, &work, err));
}

static inline pk_error
fake_remove(void *arg, const struct pd_extent_name *name, uint32_t generation, struct pd_err *err)
{
	struct fake_remote *fake = arg;
	struct fake_work work = {.change = FAKE_DO_REMOVE};
	pk_error failure = fake_enter(fake, FAKE_REMOVE);

	FAKE_DO(fake, failure, err, fake_change(fake, name, generation, &work, err));
}

static inline pk_error
fake_do_read(struct fake_remote *fake, const struct pd_extent_name *name, bool checked, uint64_t offset, void *buf,
			 size_t n, struct pd_err *err)
{
	struct pd_extent *extent;
	pk_error rc = pd_extent_lookup_kept(fake->local, name->kind, name->id, name->position, &extent, err);

	if (rc != PK_OK)
		return rc;
	rc = checked ? pd_extent_read_checked(extent, offset, buf, n, err) : pd_extent_read(extent, offset, buf, n, err);
	pd_extent_unref(extent);
	return rc;
}

static inline pk_error
fake_read(void *arg, const struct pd_extent_name *name, bool checked, uint64_t offset, void *buf, size_t n,
		  struct pd_err *err)
{
	struct fake_remote *fake = arg;
	pk_error failure = fake_enter(fake, FAKE_READ);

	FAKE_DO(fake, failure, err, fake_do_read(fake, name, checked, offset, buf, n, err));
}

/* --- builds --- */

struct fake_build
{
	struct fake_remote *fake;
	struct pd_extent_build *build;
};

static inline pk_error
fake_build_begin(void *arg, const struct pd_extent_name *name, const uint8_t *cell, const struct pd_members *members,
				 uint64_t length, void **handle, struct pd_err *err)
{
	struct fake_remote *fake = arg;
	struct fake_build *made;
	struct pd_extent_build *build;
	pk_error rc = fake_enter(fake, FAKE_BUILD_BEGIN);

	if (rc != PK_OK)
		return fake_failed(fake, rc, err);
	rc = pd_extent_build_begin(fake->local, name->kind, name->id, name->position, cell, members, length, &build, err);
	if (rc != PK_OK)
		return rc;
	made = malloc(sizeof(*made));
	assert_non_null(made);
	*made = (struct fake_build){fake, build};
	*handle = made;
	atomic_fetch_add(&fake->builds, 1);
	return PK_OK;
}

static inline pk_error
fake_build_write(void *handle, uint64_t offset, const void *buf, size_t n, struct pd_err *err)
{
	struct fake_build *build = handle;
	pk_error failure = fake_enter(build->fake, FAKE_BUILD_WRITE);

	(void) offset;
	FAKE_DO(build->fake, failure, err, pd_extent_build_write(build->build, buf, n, err));
}

static inline pk_error
fake_build_spoil(void *handle, uint64_t offset, uint64_t n, struct pd_err *err)
{
	struct fake_build *build = handle;
	pk_error failure = fake_enter(build->fake, FAKE_BUILD_SPOIL);

	FAKE_DO(build->fake, failure, err, pd_extent_build_spoil(build->build, offset, n, err));
}

static inline pk_error
fake_do_finish(struct fake_build *build, struct pd_err *err)
{
	struct pd_extent_build *ended = build->build;

	build->build = NULL;
	return pd_extent_build_finish(ended, NULL, err);
}

static inline void
fake_build_abandon(void *handle)
{
	struct fake_build *build = handle;

	pd_extent_build_abandon(build->build);
	atomic_fetch_sub(&build->fake->builds, 1);
	free(build);
}

static inline pk_error
fake_finish_or_fail(struct fake_build *build, struct pd_err *err)
{
	pk_error failure = fake_enter(build->fake, FAKE_BUILD_FINISH);

	FAKE_DO(build->fake, failure, err, fake_do_finish(build, err));
}

static inline pk_error
fake_build_finish(void *handle, struct pd_err *err)
{
	pk_error rc = fake_finish_or_fail(handle, err);

	fake_build_abandon(handle);
	return rc;
}

static inline void
fake_released(void *arg)
{
	atomic_fetch_add(&((struct fake_remote *) arg)->released, 1);
}

static const struct pd_remote_ops fake_ops = {fake_find,		fake_create,	  fake_append,		 fake_seal,
											  fake_set_members, fake_read,		  fake_remove,		 fake_build_begin,
											  fake_build_write, fake_build_spoil, fake_build_finish, fake_build_abandon,
											  fake_released};

/* --- what tests call --- */

static inline void
fake_remote_init(struct fake_remote *fake, struct pd_drive *local)
{
	memset(fake, 0, sizeof(*fake));
	pthread_mutex_init(&fake->lock, NULL);
	pthread_cond_init(&fake->changed, NULL);
	fake->local = local;
	fake->queue = pd_queue_start("fake", FAKE_THREADS);
	assert_non_null(fake->queue);
	fake->drive = pd_drive_create_remote(pd_drive_uuid(local), "http://fake", fake->queue, &fake_ops, fake);
	assert_non_null(fake->drive);
}

/* Nobody holds an extent of it any more, and no build is left. */
static inline void
fake_remote_end(struct fake_remote *fake)
{
	pd_drive_close(fake->drive);
	pd_queue_stop(fake->queue);
	assert_int_equal(atomic_load(&fake->released), 1);
	assert_int_equal(atomic_load(&fake->builds), 0);
	pthread_mutex_destroy(&fake->lock);
	pthread_cond_destroy(&fake->changed);
}

static inline int
fake_calls(struct fake_remote *fake, enum fake_op op)
{
	return atomic_load(&fake->calls[op]);
}

/* The nth call from now fails; n = 0: none does any more. */
static inline void
fake_fail(struct fake_remote *fake, enum fake_op op, int nth, pk_error code)
{
	pthread_mutex_lock(&fake->lock);
	fake->fail_at[op] = nth == 0 ? 0 : fake_calls(fake, op) + nth;
	fake->fail_code[op] = code;
	pthread_mutex_unlock(&fake->lock);
}

static inline void
fake_hold(struct fake_remote *fake, enum fake_op op)
{
	pthread_mutex_lock(&fake->lock);
	fake->hold[op] = true;
	pthread_mutex_unlock(&fake->lock);
}

/* Until so many calls wait. */
static inline void
fake_wait_held(struct fake_remote *fake, int count)
{
	pthread_mutex_lock(&fake->lock);
	while (fake->held < count)
		pthread_cond_wait(&fake->changed, &fake->lock);
	pthread_mutex_unlock(&fake->lock);
}

/* All that wait go on. */
static inline void
fake_release(struct fake_remote *fake)
{
	pthread_mutex_lock(&fake->lock);
	memset(fake->hold, 0, sizeof(fake->hold));
	pthread_cond_broadcast(&fake->changed);
	pthread_mutex_unlock(&fake->lock);
}

#endif
