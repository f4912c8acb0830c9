/*
 * volume/map.c
 *	  What the slots of all extents here say: volumes, the buckets in them, and
 *	  the buckets' keys.
 *
 * Several volumes may name a bucket: the replicated one that it was written to,
 * the coded one that it became, one whose encoding was rolled back.  Since a
 * sealed bucket never changes, each of them decodes to the same bytes; the
 * current one is the coded before the replicated, then the higher generation,
 * then the higher id.  Members are looked up by what they are, on all drives,
 * and not where a slot says: a rebuilt member is found before slots are settled.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "volume/internal.h"

static const uint8_t no_key[PD_MEMBER_KEY];

static unsigned
head_of(uint64_t id)
{
	return (unsigned) ((id * UINT64_C(0x9E3779B97F4A7C15)) >> 50) % PD_MAP_HEADS;
}

void
pd_map_init(struct pd_map *map)
{
	memset(map, 0, sizeof(*map));
	pthread_rwlock_init(&map->lock, NULL);
}

void
pd_map_clear(struct pd_map *map)
{
	for (int i = 0; i < PD_MAP_HEADS; i++)
	{
		while (map->volumes[i] != NULL)
		{
			struct pd_volume_entry *volume = map->volumes[i];

			map->volumes[i] = volume->next;
			free(volume);
		}
		while (map->buckets[i] != NULL)
		{
			struct pd_bucket_entry *bucket = map->buckets[i];

			map->buckets[i] = bucket->next;
			explicit_bzero(bucket->key, sizeof(bucket->key));
			free(bucket->others);
			free(bucket);
		}
	}
	pthread_rwlock_destroy(&map->lock);
}

static struct pd_volume_entry *
find_volume(struct pd_map *map, uint64_t id)
{
	struct pd_volume_entry *volume = map->volumes[head_of(id)];

	while (volume != NULL && volume->members.volume_id != id)
		volume = volume->next;
	return volume;
}

static struct pd_bucket_entry *
find_bucket(struct pd_map *map, uint64_t id)
{
	struct pd_bucket_entry *bucket = map->buckets[head_of(id)];

	while (bucket != NULL && bucket->bucket_id != id)
		bucket = bucket->next;
	return bucket;
}

static struct pd_bucket_entry *
make_bucket(struct pd_map *map, uint64_t id)
{
	struct pd_bucket_entry *bucket = find_bucket(map, id);

	if (bucket != NULL)
		return bucket;
	bucket = calloc(1, sizeof(*bucket));
	if (bucket == NULL)
		return NULL;
	bucket->bucket_id = id;
	bucket->next = map->buckets[head_of(id)];
	map->buckets[head_of(id)] = bucket;
	return bucket;
}

/* Whether a is the volume to believe before b. */
static bool
precedes(const struct pd_members *a, const struct pd_members *b)
{
	if (a->code.kind != b->code.kind)
		return a->code.kind != PK_CODE_REPLICATED;
	if (a->generation != b->generation)
		return a->generation > b->generation;
	return a->volume_id > b->volume_id;
}

/* Puts a volume into the bucket's list, in order; the last is forgotten when there are too many. */
static void
list_volume(struct pd_map *map, struct pd_bucket_entry *bucket, const struct pd_members *members)
{
	int at = 0;

	for (int i = 0; i < bucket->volume_count; i++)
	{
		if (bucket->volumes[i] == members->volume_id)
		{
			bucket->volume_count--;
			memmove(&bucket->volumes[i], &bucket->volumes[i + 1],
					(size_t) (bucket->volume_count - i) * sizeof(bucket->volumes[0]));
			break;
		}
	}
	while (at < bucket->volume_count)
	{
		const struct pd_volume_entry *other = find_volume(map, bucket->volumes[at]);

		if (other == NULL || precedes(members, &other->members))
			break;
		at++;
	}
	if (at == PD_BUCKET_VOLUMES_MAX)
		return;
	if (bucket->volume_count == PD_BUCKET_VOLUMES_MAX)
		bucket->volume_count--;
	memmove(&bucket->volumes[at + 1], &bucket->volumes[at],
			(size_t) (bucket->volume_count - at) * sizeof(bucket->volumes[0]));
	bucket->volumes[at] = members->volume_id;
	bucket->volume_count++;
}

/* A slot contradicts what is known: only opening tells who is right, so all are kept, up to a few. */
static void
learn_other_key(struct pd_bucket_entry *bucket, const uint8_t wrapped[PD_WRAPPED_KEY])
{
	if (bucket->has_key || bucket->other_count == PD_BUCKET_OTHER_KEYS)
		return;
	for (int i = 0; i < bucket->other_count; i++)
	{
		if (memcmp(bucket->others[i], wrapped, PD_WRAPPED_KEY) == 0)
			return;
	}
	if (bucket->others == NULL)
		bucket->others = calloc(PD_BUCKET_OTHER_KEYS, sizeof(*bucket->others));
	if (bucket->others != NULL)
		memcpy(bucket->others[bucket->other_count++], wrapped, PD_WRAPPED_KEY);
}

static void
learn_member(struct pd_bucket_entry *bucket, const struct pd_member *member)
{
	if (member->length > bucket->length)
		bucket->length = member->length;
	if (memcmp(member->key, no_key, sizeof(no_key)) == 0)
		return;
	if (!bucket->has_wrapped)
		memcpy(bucket->wrapped, member->key, PD_WRAPPED_KEY);
	else if (memcmp(bucket->wrapped, member->key, PD_WRAPPED_KEY) != 0)
		learn_other_key(bucket, member->key);
	bucket->has_wrapped = true;
}

/* A slot of the same generation, written later or earlier, may know more lengths. */
static void
merge_members(struct pd_members *known, const struct pd_members *members)
{
	for (int i = 0; i < known->count && i < members->count; i++)
	{
		if (known->member[i].bucket_id == members->member[i].bucket_id &&
			members->member[i].length > known->member[i].length)
			known->member[i].length = members->member[i].length;
	}
}

static bool
note_locked(struct pd_map *map, const struct pd_members *members)
{
	struct pd_volume_entry *volume = find_volume(map, members->volume_id);
	bool newer = volume == NULL || members->generation > volume->members.generation;

	if (volume == NULL)
	{
		volume = malloc(sizeof(*volume));
		if (volume == NULL)
			return false;
		volume->next = map->volumes[head_of(members->volume_id)];
		map->volumes[head_of(members->volume_id)] = volume;
	}
	if (newer)
		volume->members = *members;
	else if (members->generation == volume->members.generation)
		merge_members(&volume->members, members);

	for (int i = 0; i < members->count; i++)
	{
		struct pd_bucket_entry *bucket;

		if (members->member[i].bucket_id == 0)
			continue;
		bucket = make_bucket(map, members->member[i].bucket_id);
		if (bucket == NULL)
			return false;
		learn_member(bucket, &members->member[i]);
		if (newer)
			list_volume(map, bucket, &volume->members);
	}
	return true;
}

bool
pd_map_note(struct pd_cell *cell, const struct pd_members *members)
{
	struct pd_err err;
	bool ok;

	if (members->count == 0) /* of an extent whose slots are both damaged */
		return true;
	if (pd_volume_check(members, false, &err) != PK_OK)
	{
		pd_log(PD_LOG_WARNING, "a slot is not believed: %s", err.text);
		return true;
	}
	pthread_rwlock_wrlock(&cell->map.lock);
	ok = note_locked(&cell->map, members);
	pthread_rwlock_unlock(&cell->map.lock);
	pd_cell_saw_id(cell, members->volume_id);
	for (int i = 0; i < members->count; i++)
		pd_cell_saw_id(cell, members->member[i].bucket_id);
	if (!ok)
		pd_log(PD_LOG_ERROR, "out of memory: volume %" PRIu64 " is not known until the next start", members->volume_id);
	return ok;
}

bool
pd_map_volume(struct pd_cell *cell, uint64_t volume_id, struct pd_members *members)
{
	struct pd_volume_entry *volume;

	pthread_rwlock_rdlock(&cell->map.lock);
	volume = find_volume(&cell->map, volume_id);
	if (volume != NULL)
		*members = volume->members;
	pthread_rwlock_unlock(&cell->map.lock);
	return volume != NULL;
}

bool
pd_map_of_bucket(struct pd_cell *cell, uint64_t bucket_id, int nth, struct pd_members *members)
{
	struct pd_map *map = &cell->map;
	struct pd_volume_entry *volume = NULL;
	struct pd_bucket_entry *bucket;

	pthread_rwlock_rdlock(&map->lock);
	bucket = find_bucket(map, bucket_id);
	if (bucket != NULL && nth < bucket->volume_count)
		volume = find_volume(map, bucket->volumes[nth]);
	if (volume != NULL)
		*members = volume->members;
	pthread_rwlock_unlock(&map->lock);
	return volume != NULL;
}

void
pd_map_each(struct pd_cell *cell, void (*each)(void *arg, const struct pd_members *members), void *arg)
{
	struct pd_map *map = &cell->map;

	for (int i = 0; i < PD_MAP_HEADS; i++)
	{
		struct pd_members members;
		int nth = 0;

		for (;;)
		{
			struct pd_volume_entry *volume;

			pthread_rwlock_rdlock(&map->lock);
			volume = map->volumes[i];
			for (int skip = nth; volume != NULL && skip > 0; skip--)
				volume = volume->next;
			if (volume != NULL)
				members = volume->members;
			pthread_rwlock_unlock(&map->lock);
			if (volume == NULL)
				break;
			each(arg, &members);
			nth++;
		}
	}
}

pk_error
pd_map_fence(struct pd_cell *cell, const struct pd_members *members, struct pd_err *err)
{
	struct pd_volume_entry *volume;
	uint32_t generation = 0;

	pthread_rwlock_rdlock(&cell->map.lock);
	volume = find_volume(&cell->map, members->volume_id);
	if (volume != NULL)
		generation = volume->members.generation;
	pthread_rwlock_unlock(&cell->map.lock);
	if (generation > members->generation)
		return pd_fail(err, PK_ERR_STATE, "volume %" PRIu64 " is at generation %u, the order names %u",
					   members->volume_id, generation, members->generation);
	return PK_OK;
}

/* What is known of a bucket's key: the number of wrapped ones, or 0 and the key itself. */
static int
known_keys(struct pd_map *map, uint64_t bucket_id, uint8_t wrapped[1 + PD_BUCKET_OTHER_KEYS][PD_WRAPPED_KEY],
		   uint8_t key[PD_BUCKET_KEY], bool *has_key)
{
	struct pd_bucket_entry *bucket;
	int count = 0;

	pthread_rwlock_rdlock(&map->lock);
	bucket = find_bucket(map, bucket_id);
	*has_key = bucket != NULL && bucket->has_key;
	if (*has_key)
		memcpy(key, bucket->key, PD_BUCKET_KEY);
	else if (bucket != NULL && bucket->has_wrapped)
	{
		memcpy(wrapped[count++], bucket->wrapped, PD_WRAPPED_KEY);
		for (int i = 0; i < bucket->other_count; i++)
			memcpy(wrapped[count++], bucket->others[i], PD_WRAPPED_KEY);
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
	bucket = find_bucket(map, bucket_id);
	if (bucket != NULL)
	{
		memcpy(bucket->wrapped, wrapped, PD_WRAPPED_KEY);
		memcpy(bucket->key, key, PD_BUCKET_KEY);
		bucket->has_key = true;
		free(bucket->others);
		bucket->others = NULL;
		bucket->other_count = 0;
	}
	pthread_rwlock_unlock(&map->lock);
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
	struct pd_bucket_entry *bucket;
	bool contradicted;

	pthread_rwlock_rdlock(&cell->map.lock);
	bucket = find_bucket(&cell->map, bucket_id);
	contradicted = bucket != NULL && bucket->other_count > 0;
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
		struct pd_bucket_entry *bucket;

		if (member->bucket_id == 0)
			continue;
		bucket = find_bucket(&cell->map, member->bucket_id);
		if (bucket == NULL)
			continue;
		if (bucket->length > member->length)
			member->length = bucket->length;
		/* the one that opened counts for more than what a slot told */
		if (bucket->has_wrapped && (bucket->has_key || memcmp(member->key, no_key, sizeof(no_key)) == 0))
			memcpy(member->key, bucket->wrapped, PD_WRAPPED_KEY);
	}
	pthread_rwlock_unlock(&cell->map.lock);
}

int
pd_members_position(const struct pd_members *members, uint64_t bucket_id)
{
	int data = members->code.kind == PK_CODE_REPLICATED ? members->count : members->code.k;

	for (int i = 0; i < data && i < members->count; i++)
	{
		if (members->member[i].bucket_id == bucket_id)
			return i;
	}
	return -1;
}

uint64_t
pd_members_parity_length(const struct pd_members *members)
{
	uint64_t length = 0;

	for (int i = 0; i < members->code.k; i++)
	{
		if (members->member[i].length > length)
			length = members->member[i].length;
	}
	return (length + PK_RECORD_ALIGN - 1) / PK_RECORD_ALIGN * PK_RECORD_ALIGN;
}

bool
pd_member_virtual(const struct pd_members *members, int position)
{
	return members->code.kind != PK_CODE_REPLICATED && position < members->code.k &&
		   members->member[position].bucket_id == 0;
}

static pk_error
check_member(const struct pd_members *members, int position, struct pd_err *err)
{
	const struct pd_member *member = &members->member[position];
	bool replicated = members->code.kind == PK_CODE_REPLICATED;
	bool data = replicated || position < members->code.k;

	if (member->length > PK_BUCKET_SIZE_MAX)
		return pd_fail(err, PK_ERR_MALFORMED, "member %d of volume %" PRIu64 " is longer than a bucket", position,
					   members->volume_id);
	if (pd_member_virtual(members, position))
		return PK_OK;
	if (pd_uuid_equal(member->drive, pd_uuid_zero))
		return pd_fail(err, PK_ERR_MALFORMED, "member %d of volume %" PRIu64 " has no drive", position,
					   members->volume_id);
	if (data != (member->bucket_id != 0))
		return pd_fail(err, PK_ERR_MALFORMED, "member %d of volume %" PRIu64 " names no bucket, or a parity names one",
					   position, members->volume_id);
	if (replicated && member->bucket_id != members->member[0].bucket_id)
		return pd_fail(err, PK_ERR_MALFORMED, "replicas of volume %" PRIu64 " name different buckets",
					   members->volume_id);
	return PK_OK;
}

pk_error
pd_volume_check(const struct pd_members *members, bool distinct, struct pd_err *err)
{
	bool replicated = members->code.kind == PK_CODE_REPLICATED;

	if (members->count < 1 || members->count > PK_MEMBERS_MAX || members->volume_id == 0 ||
		(!replicated && members->count != members->code.k + members->code.m))
		return pd_fail(err, PK_ERR_MALFORMED, "volume %" PRIu64 " has %d members, which its code does not",
					   members->volume_id, members->count);
	for (int i = 0; i < members->count; i++)
	{
		pk_error rc = check_member(members, i, err);

		if (rc != PK_OK)
			return rc;
		for (int j = 0; j < i; j++)
		{
			if (distinct && !pd_member_virtual(members, i) &&
				pd_uuid_equal(members->member[i].drive, members->member[j].drive))
				return pd_fail(err, PK_ERR_MALFORMED, "members %d and %d of volume %" PRIu64 " are on one drive", j, i,
							   members->volume_id);
			if (!replicated && members->member[i].bucket_id != 0 &&
				members->member[i].bucket_id == members->member[j].bucket_id)
				return pd_fail(err, PK_ERR_MALFORMED, "bucket %" PRIu64 " is twice in volume %" PRIu64,
							   members->member[i].bucket_id, members->volume_id);
		}
	}
	return PK_OK;
}
