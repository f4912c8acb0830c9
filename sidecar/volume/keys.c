/*
 * volume/keys.c
 *	  The wrapped keys of buckets, as slots tell them.
 *
 * A slot may tell a key of nobody's: a drive may lie. Only opening tells who is right, so what contradicts the
 * first is kept, up to a few, until one has opened.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "volume/internal.h"

struct pd_bucket_keys
{
	bool has_key;
	uint8_t wrapped[PD_WRAPPED_KEY]; /* the first that a slot told, or the one that opened */
	uint8_t key[PD_BUCKET_KEY];		 /* unwrapped, wiped at the end */
	int other_count;
	uint8_t (*others)[PD_WRAPPED_KEY]; /* until one opened */
};

static const uint8_t no_key[PD_MEMBER_KEY];

void
pd_bucket_keys_free(struct pd_bucket_keys *keys)
{
	if (keys == NULL)
		return;
	explicit_bzero(keys->key, sizeof(keys->key));
	free(keys->others);
	free(keys);
}

bool
pd_bucket_learn_key(struct pd_bucket_entry *bucket, const uint8_t wrapped[PD_WRAPPED_KEY])
{
	struct pd_bucket_keys *keys = bucket->keys;

	if (memcmp(wrapped, no_key, sizeof(no_key)) == 0)
		return true;
	if (keys == NULL)
	{
		keys = calloc(1, sizeof(*keys));
		if (keys == NULL)
			return false;
		memcpy(keys->wrapped, wrapped, PD_WRAPPED_KEY);
		bucket->keys = keys;
		return true;
	}
	if (keys->has_key || keys->other_count == PD_BUCKET_OTHER_KEYS ||
		memcmp(keys->wrapped, wrapped, PD_WRAPPED_KEY) == 0)
		return true;
	for (int i = 0; i < keys->other_count; i++)
	{
		if (memcmp(keys->others[i], wrapped, PD_WRAPPED_KEY) == 0)
			return true;
	}
	if (keys->others == NULL)
		keys->others = calloc(PD_BUCKET_OTHER_KEYS, sizeof(*keys->others));
	if (keys->others == NULL)
		return false;
	memcpy(keys->others[keys->other_count++], wrapped, PD_WRAPPED_KEY);
	return true;
}

void
pd_bucket_tell_key(const struct pd_bucket_entry *bucket, uint8_t wrapped[PD_WRAPPED_KEY])
{
	if (bucket->keys != NULL)
		memcpy(wrapped, bucket->keys->wrapped, PD_WRAPPED_KEY);
}

bool
pd_map_has_key(struct pd_cell *cell, uint64_t bucket_id)
{
	const struct pd_bucket_entry *bucket;
	bool has;

	pthread_rwlock_rdlock(&cell->map.lock);
	bucket = pd_map_bucket(&cell->map, bucket_id);
	has = bucket != NULL && bucket->keys != NULL;
	pthread_rwlock_unlock(&cell->map.lock);
	return has;
}

/* What is known of a bucket's key: the number of wrapped ones, or 0 and the key itself. */
static int
known_keys(struct pd_map *map, uint64_t bucket_id, uint8_t wrapped[1 + PD_BUCKET_OTHER_KEYS][PD_WRAPPED_KEY],
		   uint8_t key[PD_BUCKET_KEY], bool *has_key)
{
	const struct pd_bucket_entry *bucket;
	const struct pd_bucket_keys *keys;
	int count = 0;

	pthread_rwlock_rdlock(&map->lock);
	bucket = pd_map_bucket(map, bucket_id);
	keys = bucket != NULL ? bucket->keys : NULL;
	*has_key = keys != NULL && keys->has_key;
	if (*has_key)
		memcpy(key, keys->key, PD_BUCKET_KEY);
	else if (keys != NULL)
	{
		memcpy(wrapped[count++], keys->wrapped, PD_WRAPPED_KEY);
		for (int i = 0; i < keys->other_count; i++)
			memcpy(wrapped[count++], keys->others[i], PD_WRAPPED_KEY);
	}
	pthread_rwlock_unlock(&map->lock);
	return count;
}

/* The one that opened is the bucket's: the others are forgotten, so that no new slot repeats them. */
static void
keep_key(struct pd_map *map, uint64_t bucket_id, const uint8_t wrapped[PD_WRAPPED_KEY],
		 const uint8_t key[PD_BUCKET_KEY])
{
	struct pd_bucket_entry *bucket;

	pthread_rwlock_wrlock(&map->lock);
	bucket = pd_map_bucket(map, bucket_id);
	if (bucket != NULL && bucket->keys != NULL)
	{
		struct pd_bucket_keys *keys = bucket->keys;

		memcpy(keys->wrapped, wrapped, PD_WRAPPED_KEY);
		memcpy(keys->key, key, PD_BUCKET_KEY);
		keys->has_key = true;
		free(keys->others);
		keys->others = NULL;
		keys->other_count = 0;
	}
	pthread_rwlock_unlock(&map->lock);
}

/* An extent that another node made here since the start. */
static void
look_here(struct pd_cell *cell, uint64_t bucket_id)
{
	for (int i = 0; i < cell->drive_count && !pd_map_has_key(cell, bucket_id); i++)
	{
		struct pd_extent *extent = NULL;

		if (atomic_load(&cell->drives[i].ours))
			extent = pd_extent_find(cell->drives[i].drive, PK_EXTENT_BUCKET, bucket_id, 0);
		if (extent != NULL)
			(void) pd_cell_learn(cell, extent);
		pd_extent_unref(extent);
	}
}

pk_error
pd_map_key(struct pd_cell *cell, uint64_t bucket_id, uint8_t key[PD_BUCKET_KEY], struct pd_err *err)
{
	uint8_t wrapped[1 + PD_BUCKET_OTHER_KEYS][PD_WRAPPED_KEY];
	uint8_t uuid[PK_UUID_SIZE];
	bool has_key;
	int count = known_keys(&cell->map, bucket_id, wrapped, key, &has_key);
	pk_keyring keys;
	pk_error rc = PK_ERR_NO_KEY;

	if (has_key)
		return PK_OK;
	if (count == 0)
	{
		look_here(cell, bucket_id);
		count = known_keys(&cell->map, bucket_id, wrapped, key, &has_key);
	}
	if (count == 0)
		return pd_fail(err, PK_ERR_NO_KEY, "no slot here has the key of bucket %" PRIu64, bucket_id);

	pd_cell_keys(cell, &keys);
	pd_cell_identity(cell, uuid, NULL);
	for (int i = 0; i < count && rc != PK_OK; i++)
	{
		rc = pd_key_unwrap(key, wrapped[i], uuid, bucket_id, &keys, err);
		if (rc == PK_OK)
			keep_key(&cell->map, bucket_id, wrapped[i], key);
	}
	explicit_bzero(&keys, sizeof(keys));
	/* slots have checksums of their own: it is the key file that is wrong, and no drive to be called damaged for it */
	if (rc == PK_ERR_CORRUPT)
		return pd_fail(err, PK_ERR_NO_KEY, "the key of bucket %" PRIu64 " does not open with the key file's",
					   bucket_id);
	return rc;
}

/* Where slots contradict each other, before one of them is written into new slots. */
static void
decide_key(struct pd_cell *cell, uint64_t bucket_id)
{
	const struct pd_bucket_entry *bucket;
	bool contradicted;

	pthread_rwlock_rdlock(&cell->map.lock);
	bucket = pd_map_bucket(&cell->map, bucket_id);
	contradicted = bucket != NULL && bucket->keys != NULL && bucket->keys->other_count > 0;
	pthread_rwlock_unlock(&cell->map.lock);
	if (contradicted)
	{
		uint8_t key[PD_BUCKET_KEY];
		struct pd_err err;

		if (pd_map_key(cell, bucket_id, key, &err) != PK_OK)
			pd_log(PD_LOG_WARNING, "slots tell different keys: %s", err.text);
		explicit_bzero(key, sizeof(key));
	}
}

void
pd_map_fill(struct pd_cell *cell, struct pd_members *members)
{
	for (int i = 0; i < members->count; i++)
	{
		if (members->member[i].bucket_id != 0)
			decide_key(cell, members->member[i].bucket_id);
	}
	pthread_rwlock_rdlock(&cell->map.lock);
	for (int i = 0; i < members->count; i++)
	{
		struct pd_member *member = &members->member[i];
		const struct pd_bucket_entry *bucket;

		if (member->bucket_id == 0)
			continue;
		bucket = pd_map_bucket(&cell->map, member->bucket_id);
		if (bucket == NULL)
			continue;
		if (bucket->length > member->length)
			member->length = bucket->length;
		/* the one that opened counts for more than what a slot told */
		if (bucket->keys != NULL && (bucket->keys->has_key || memcmp(member->key, no_key, sizeof(no_key)) == 0))
			memcpy(member->key, bucket->keys->wrapped, PD_WRAPPED_KEY);
	}
	pthread_rwlock_unlock(&cell->map.lock);
}
