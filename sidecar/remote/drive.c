/*
 * remote/drive.c
 *	  A peer's drive: the operations of store/remote.h as questions.
 */
#include "remote/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct remote_drive
{
	struct pd_peer *peer; /* counted */
	uint8_t uuid[PK_UUID_SIZE];
};

struct remote_build
{
	struct remote_drive *drive; /* lent: the build's proxy holds it */
	struct pd_extent_name name;
	uint32_t generation;
	uint64_t number;
};

static void
begin(struct pd_question *question, const struct remote_drive *drive, enum pd_peer_verb verb,
	  const struct pd_extent_name *name, uint32_t generation)
{
	memset(question, 0, sizeof(*question));
	question->call.verb = verb;
	memcpy(question->call.drive, drive->uuid, PK_UUID_SIZE);
	question->call.name = *name;
	question->generation = generation;
}

static pk_error
remote_find(void *arg, const struct pd_extent_name *name, bool kept, struct pd_extent_info *info, struct pd_err *err)
{
	struct remote_drive *drive = arg;
	uint8_t bytes[PD_PEER_INFO_MAX];
	struct pd_question question;
	pk_error rc;

	begin(&question, drive, kept ? PD_PEER_KEPT : PD_PEER_FIND, name, 0);
	question.bytes = bytes;
	question.room = sizeof(bytes);
	rc = pd_peer_ask(drive->peer, &question, err);
	if (rc == PK_OK && !pd_peer_info_decode(info, bytes, question.length))
		rc = pd_fail(err, PK_ERR_IO, "node %s answered with no description of an extent", drive->peer->url);
	return rc;
}

/* What brings the members of a volume: the peer makes its extent for the cell that this node serves. */
static pk_error
ask_with_members(struct remote_drive *drive, struct pd_question *question, const uint8_t *cell,
				 const struct pd_members *members, struct pd_err *err)
{
	uint8_t bytes[PD_MEMBERS_SIZE_MAX];
	struct iovec body = {bytes, pd_members_encode(bytes, members)};
	uint8_t own[PK_UUID_SIZE];
	pk_epoch epoch;
	pk_keyring keys;

	drive->peer->options.identity(drive->peer->options.arg, own, &epoch, &keys);
	explicit_bzero(&keys, sizeof(keys));
	if (cell != NULL && memcmp(own, cell, PK_UUID_SIZE) != 0)
		return pd_fail(err, PK_ERR_FOREIGN, "the extent is of another cell than this node");
	question->body = &body;
	question->body_count = 1;
	return pd_peer_ask(drive->peer, question, err);
}

static pk_error
remote_create(void *arg, const struct pd_extent_name *name, const uint8_t cell[PK_UUID_SIZE],
			  const struct pd_members *members, uint64_t capacity, struct pd_err *err)
{
	struct pd_question question;

	begin(&question, arg, PD_PEER_CREATE, name, members->generation);
	question.call.number[0] = capacity;
	return ask_with_members(arg, &question, cell, members, err);
}

static pk_error
remote_append(void *arg, const struct pd_extent_name *name, uint32_t generation, struct iovec *iov, int count,
			  uint64_t offset, uint64_t *length, struct pd_err *err)
{
	struct remote_drive *drive = arg;
	struct pd_question question;
	pk_error rc;

	begin(&question, drive, PD_PEER_APPEND, name, generation);
	question.call.number[0] = offset;
	question.body = iov;
	question.body_count = count;
	question.field = "length";
	rc = pd_peer_ask(drive->peer, &question, err);
	*length = question.number;
	return rc;
}

static pk_error
remote_seal(void *arg, const struct pd_extent_name *name, uint32_t generation, uint64_t length, uint64_t *sealed,
			struct pd_err *err)
{
	struct remote_drive *drive = arg;
	struct pd_question question;
	pk_error rc;

	begin(&question, drive, PD_PEER_SEAL, name, generation);
	question.call.number[0] = length;
	question.field = "length";
	rc = pd_peer_ask(drive->peer, &question, err);
	*sealed = question.number;
	return rc;
}

static pk_error
remote_set_members(void *arg, const struct pd_extent_name *name, const struct pd_members *members, struct pd_err *err)
{
	struct pd_question question;

	begin(&question, arg, PD_PEER_MEMBERS, name, members->generation);
	return ask_with_members(arg, &question, NULL, members, err);
}

static pk_error
remote_read(void *arg, const struct pd_extent_name *name, bool checked, uint64_t offset, void *buf, size_t n,
			struct pd_err *err)
{
	struct remote_drive *drive = arg;
	pk_error rc = PK_OK;

	for (size_t done = 0; done < n && rc == PK_OK;)
	{
		size_t take = n - done < PK_PEER_SIZE_MAX ? n - done : PK_PEER_SIZE_MAX;
		struct pd_question question;

		begin(&question, drive, checked ? PD_PEER_CHECKED : PD_PEER_READ, name, 0);
		question.call.number[0] = offset + done;
		question.call.number[1] = take;
		question.bytes = (uint8_t *) buf + done;
		question.room = take;
		rc = pd_peer_ask(drive->peer, &question, err);
		if (rc == PK_OK && question.length != take)
			rc = pd_fail(err, PK_ERR_IO, "node %s answered with %zu bytes, not %zu", drive->peer->url, question.length,
						 take);
		done += take;
	}
	return rc;
}

static pk_error
remote_remove(void *arg, const struct pd_extent_name *name, uint32_t generation, struct pd_err *err)
{
	struct remote_drive *drive = arg;
	struct pd_question question;

	begin(&question, drive, PD_PEER_REMOVE, name, generation);
	return pd_peer_ask(drive->peer, &question, err);
}

/* --- builds --- */

static pk_error
remote_build_begin(void *arg, const struct pd_extent_name *name, const uint8_t cell[PK_UUID_SIZE],
				   const struct pd_members *members, uint64_t length, void **handle, struct pd_err *err)
{
	struct remote_build *build = malloc(sizeof(*build));
	struct pd_question question;
	pk_error rc;

	if (build == NULL)
		return pd_fail(err, PK_ERR_NO_MEMORY, "no memory for a build");
	begin(&question, arg, PD_PEER_BUILD, name, members->generation);
	question.call.number[0] = length;
	question.field = "build";
	rc = ask_with_members(arg, &question, cell, members, err);
	if (rc != PK_OK)
	{
		free(build);
		return rc;
	}
	*build = (struct remote_build){arg, *name, members->generation, question.number};
	*handle = build;
	return PK_OK;
}

static void
begin_of_build(struct pd_question *question, const struct remote_build *build, enum pd_peer_verb verb)
{
	begin(question, build->drive, verb, &build->name, build->generation);
	question->call.number[0] = build->number;
}

static pk_error
remote_build_write(void *handle, uint64_t offset, const void *buf, size_t n, struct pd_err *err)
{
	struct remote_build *build = handle;
	pk_error rc = PK_OK;

	for (size_t done = 0; done < n && rc == PK_OK;)
	{
		size_t take = n - done < PK_PEER_SIZE_MAX ? n - done : PK_PEER_SIZE_MAX;
		struct iovec body = {(uint8_t *) (uintptr_t) buf + done, take};
		struct pd_question question;

		begin_of_build(&question, build, PD_PEER_WRITE);
		question.call.number[1] = offset + done;
		question.body = &body;
		question.body_count = 1;
		rc = pd_peer_ask(build->drive->peer, &question, err);
		done += take;
	}
	return rc;
}

static pk_error
remote_build_spoil(void *handle, uint64_t offset, uint64_t n, struct pd_err *err)
{
	struct remote_build *build = handle;
	struct pd_question question;

	begin_of_build(&question, build, PD_PEER_SPOIL);
	question.call.number[1] = offset;
	question.call.number[2] = n;
	return pd_peer_ask(build->drive->peer, &question, err);
}

static pk_error
remote_build_finish(void *handle, struct pd_err *err)
{
	struct remote_build *build = handle;
	struct pd_question question;
	pk_error rc;

	begin_of_build(&question, build, PD_PEER_FINISH);
	rc = pd_peer_ask(build->drive->peer, &question, err);
	free(build);
	return rc;
}

/* The peer abandons by itself what it is not told to. */
static void
remote_build_abandon(void *handle)
{
	struct remote_build *build = handle;
	struct pd_question question;
	struct pd_err ignored;

	begin_of_build(&question, build, PD_PEER_ABANDON);
	(void) !pd_peer_ask(build->drive->peer, &question, &ignored);
	free(build);
}

static void
remote_release(void *arg)
{
	struct remote_drive *drive = arg;

	pd_peer_unref(drive->peer);
	free(drive);
}

static const struct pd_remote_ops ops = {
	remote_find,		 remote_create,		   remote_append,	   remote_seal,		   remote_set_members,
	remote_read,		 remote_remove,		   remote_build_begin, remote_build_write, remote_build_spoil,
	remote_build_finish, remote_build_abandon, remote_release,
};

struct pd_drive *
pd_peer_drive(struct pd_peer *peer, const uint8_t uuid[PK_UUID_SIZE], struct pd_err *err)
{
	size_t size = strlen(peer->url) + 1 + PK_UUID_TEXT + 1;
	struct remote_drive *remote = malloc(sizeof(*remote));
	struct pd_drive *drive = NULL;
	char text[PK_UUID_TEXT + 1];
	char *name = malloc(size);

	if (remote != NULL && name != NULL)
	{
		pk_uuid_encode(text, uuid);
		snprintf(name, size, "%s/%s", peer->url, text);
		remote->peer = peer;
		memcpy(remote->uuid, uuid, PK_UUID_SIZE);
		drive = pd_drive_create_remote(uuid, name, peer->queue, &ops, remote);
	}
	free(name);
	if (drive == NULL)
	{
		free(remote);
		(void) pd_fail(err, PK_ERR_NO_MEMORY, "no memory for a drive of node %s", peer->url);
		return NULL;
	}
	atomic_fetch_add(&peer->refs, 1);
	return drive;
}
