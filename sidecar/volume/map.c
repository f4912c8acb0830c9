/*
 * volume/map.c
 *	  What the slots of all extents here say, and the coordinator's map: volumes,
 *	  and the buckets in them.
 *
 * Both are the same knowledge: of a volume the higher generation counts. Several volumes may name a
 * bucket: the replicated one that it was written to, the coded one that it became, one whose encoding was
 * rolled back.  Since a sealed bucket never changes, each of them decodes to the same bytes; the
 * current one is that of the higher generation (a cell counts them all in one row), then the coded before
 * the replicated, then the higher id.
 *
 * A cell has a hundred thousand volumes and each node hears of all of them, so they are kept small: 24 bytes
 * for a member, 48 for a bucket.  struct pd_members is made of them when somebody asks.
 */
#include <assert.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "volume/internal.h"

static_assert(PK_BUCKET_SIZE_MAX < UINT64_C(1) << 40, "a place has 40 bits for a length");
static_assert(PK_MEMBERS_MAX <= 256, "a place has 8 bits for a position");
static_assert(sizeof(struct pd_place) == 24, "places are many");

static unsigned
head_of(uint64_t id)
{
	return (unsigned) ((id * UINT64_C(0x9E3779B97F4A7C15)) >> 40) % PD_MAP_HEADS;
}

void
pd_map_init(struct pd_map *map)
{
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
			pd_bucket_keys_free(bucket->keys);
			free(bucket);
		}
	}
	free(map->uuids);
	pthread_rwlock_destroy(&map->lock);
}

/* --- drives by number --- */

static unsigned
uuid_head(const uint8_t uuid[PK_UUID_SIZE])
{
	uint64_t word;

	memcpy(&word, uuid, sizeof(word));
	return (unsigned) ((word * UINT64_C(0x9E3779B97F4A7C15)) >> 40) % PD_MAP_UUID_HEADS;
}

/* The number of a drive, from 1, or 0 for no drive; -1 when it cannot be remembered. */
static int
number_of(struct pd_map *map, const uint8_t uuid[PK_UUID_SIZE])
{
	unsigned head = uuid_head(uuid);
	unsigned number = map->uuid_heads[head];

	if (pd_uuid_equal(uuid, pd_uuid_zero))
		return 0;
	while (number != 0 && !pd_uuid_equal(map->uuids[number - 1].uuid, uuid))
		number = map->uuids[number - 1].next;
	if (number != 0)
		return (int) number;
	if (map->uuid_count == PD_MAP_UUIDS_MAX)
		return -1;
	if (map->uuid_count == map->uuid_size)
	{
		unsigned size = map->uuid_size == 0 ? 64 : map->uuid_size * 2;
		struct pd_map_uuid *grown = realloc(map->uuids, size * sizeof(*grown));

		if (grown == NULL)
			return -1;
		map->uuids = grown;
		map->uuid_size = size;
	}
	memcpy(map->uuids[map->uuid_count].uuid, uuid, PK_UUID_SIZE);
	map->uuids[map->uuid_count].next = map->uuid_heads[head];
	map->uuid_heads[head] = (uint16_t) ++map->uuid_count;
	return (int) map->uuid_count;
}

/* --- entries --- */

static struct pd_volume_entry *
find_volume(struct pd_map *map, uint64_t id)
{
	struct pd_volume_entry *volume = map->volumes[head_of(id)];

	while (volume != NULL && volume->volume_id != id)
		volume = volume->next;
	return volume;
}

struct pd_bucket_entry *
pd_map_bucket(struct pd_map *map, uint64_t id)
{
	struct pd_bucket_entry *bucket = map->buckets[head_of(id)];

	while (bucket != NULL && bucket->bucket_id != id)
		bucket = bucket->next;
	return bucket;
}

static struct pd_bucket_entry *
make_bucket(struct pd_map *map, uint64_t id)
{
	struct pd_bucket_entry *bucket = pd_map_bucket(map, id);

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

static struct pd_volume_entry *
volume_of(struct pd_place *place)
{
	return (struct pd_volume_entry *) (void *) ((char *) (place - place->position) -
												offsetof(struct pd_volume_entry, places));
}

/* Whether a is the volume to believe before b. */
static bool
precedes(const struct pd_volume_entry *a, const struct pd_volume_entry *b)
{
	if (a->generation != b->generation)
		return a->generation > b->generation;
	if (a->code.kind != b->code.kind)
		return a->code.kind != PK_CODE_REPLICATED;
	return a->volume_id > b->volume_id;
}

/* A bucket's list has each volume once: all members of a replicated one name the same. */
static bool
is_listed(const struct pd_volume_entry *volume, int p)
{
	return volume->places[p].bucket != NULL && (p == 0 || volume->code.kind != PK_CODE_REPLICATED);
}

static void
list_places(struct pd_volume_entry *volume)
{
	for (int p = 0; p < volume->count; p++)
	{
		struct pd_place **link;

		if (!is_listed(volume, p))
			continue;
		link = &volume->places[p].bucket->places;
		while (*link != NULL && precedes(volume_of(*link), volume))
			link = &(*link)->next;
		volume->places[p].next = *link;
		*link = &volume->places[p];
	}
}

static void
unlist_places(struct pd_volume_entry *volume)
{
	for (int p = 0; p < volume->count; p++)
	{
		struct pd_place **link;

		if (!is_listed(volume, p))
			continue;
		link = &volume->places[p].bucket->places;
		while (*link != &volume->places[p])
			link = &(*link)->next;
		*link = volume->places[p].next;
	}
}

static void
free_bucket(struct pd_map *map, struct pd_bucket_entry *bucket)
{
	struct pd_bucket_entry **link = &map->buckets[head_of(bucket->bucket_id)];

	while (*link != bucket)
		link = &(*link)->next;
	*link = bucket->next;
	pd_bucket_keys_free(bucket->keys);
	free(bucket);
}

/* Takes a volume out of the map, and the buckets that nobody else names and of which nothing is known but this. */
static void
remove_volume(struct pd_map *map, struct pd_volume_entry *volume)
{
	struct pd_volume_entry **link = &map->volumes[head_of(volume->volume_id)];

	while (*link != volume)
		link = &(*link)->next;
	*link = volume->next;
	unlist_places(volume);
	for (int p = 0; p < volume->count; p++)
	{
		struct pd_bucket_entry *bucket = is_listed(volume, p) ? volume->places[p].bucket : NULL;

		if (bucket != NULL && bucket->places == NULL && bucket->keys == NULL)
			free_bucket(map, bucket);
	}
	free(volume);
}

/* An entry of these members, not listed yet; NULL when there is no memory, or too many drives. */
static struct pd_volume_entry *
make_volume(struct pd_map *map, const struct pd_members *members)
{
	struct pd_volume_entry *volume = calloc(1, sizeof(*volume) + (size_t) members->count * sizeof(volume->places[0]));

	if (volume == NULL)
		return NULL;
	volume->volume_id = members->volume_id;
	volume->generation = members->generation;
	volume->code = members->code;
	volume->count = (uint8_t) members->count;
	for (int p = 0; p < members->count; p++)
	{
		const struct pd_member *member = &members->member[p];
		int drive = number_of(map, member->drive);
		struct pd_bucket_entry *bucket = member->bucket_id != 0 ? make_bucket(map, member->bucket_id) : NULL;

		if (drive < 0 || (member->bucket_id != 0 && bucket == NULL))
		{
			free(volume);
			return NULL;
		}
		volume->places[p] = (struct pd_place){
			.bucket = bucket, .length = member->length, .drive = (uint16_t) drive, .position = (uint8_t) p};
	}
	return volume;
}

/* --- learning --- */

/* One of the same generation, told later or earlier, may know more lengths. */
static void
merge_lengths(struct pd_volume_entry *volume, const struct pd_members *members)
{
	for (int p = 0; p < volume->count && p < members->count; p++)
	{
		struct pd_place *place = &volume->places[p];
		uint64_t bucket_id = place->bucket != NULL ? place->bucket->bucket_id : 0;

		if (bucket_id == members->member[p].bucket_id && members->member[p].length > place->length)
			place->length = members->member[p].length;
	}
}

static bool
note_locked(struct pd_map *map, const struct pd_members *members, enum pd_told told)
{
	struct pd_volume_entry *volume = find_volume(map, members->volume_id);
	unsigned before = volume != NULL ? volume->told : 0;

	if (volume != NULL && members->generation == volume->generation)
		merge_lengths(volume, members);
	else if (volume == NULL || members->generation > volume->generation)
	{
		struct pd_volume_entry *newer = make_volume(map, members);

		if (newer == NULL)
			return false;
		newer->next = map->volumes[head_of(members->volume_id)];
		map->volumes[head_of(members->volume_id)] = newer;
		list_places(newer);
		if (volume != NULL) /* only now: a bucket that is in both stays */
			remove_volume(map, volume);
		volume = newer;
	}
	volume->told = (uint8_t) (before | told);
	for (int p = 0; p < members->count; p++)
	{
		const struct pd_member *member = &members->member[p];
		struct pd_bucket_entry *bucket = member->bucket_id != 0 ? make_bucket(map, member->bucket_id) : NULL;

		if (member->bucket_id == 0)
			continue;
		if (bucket == NULL || !pd_bucket_learn_key(bucket, member->key))
			return false;
		if (member->length > bucket->length)
			bucket->length = member->length;
	}
	return true;
}

bool
pd_map_note(struct pd_cell *cell, const struct pd_members *members, enum pd_told told)
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
	ok = note_locked(&cell->map, members, told);
	pthread_rwlock_unlock(&cell->map.lock);
	pd_cell_saw(cell, members->volume_id, members->generation);
	for (int i = 0; i < members->count; i++)
		pd_cell_saw(cell, members->member[i].bucket_id, 0);
	if (!ok)
		pd_log(PD_LOG_ERROR, "out of memory: volume %" PRIu64 " is not known until the next start", members->volume_id);
	return ok;
}

void
pd_map_forget_told(struct pd_cell *cell)
{
	struct pd_map *map = &cell->map;

	pthread_rwlock_wrlock(&map->lock);
	for (int i = 0; i < PD_MAP_HEADS; i++)
	{
		struct pd_volume_entry *next;

		for (struct pd_volume_entry *volume = map->volumes[i]; volume != NULL; volume = next)
		{
			next = volume->next;
			if (volume->told == PD_TOLD_BY_MAP)
				remove_volume(map, volume);
		}
	}
	pthread_rwlock_unlock(&map->lock);
}

void
pd_map_forget_volume(struct pd_cell *cell, uint64_t volume_id)
{
	struct pd_volume_entry *volume;

	pthread_rwlock_wrlock(&cell->map.lock);
	volume = find_volume(&cell->map, volume_id);
	if (volume != NULL && (volume->told & PD_TOLD_BY_TRASH) != 0) /* what lies there is read on */
		volume->told = PD_TOLD_BY_TRASH;
	else if (volume != NULL)
		remove_volume(&cell->map, volume);
	pthread_rwlock_unlock(&cell->map.lock);
}

/* --- asking --- */

/* Lock held. */
static void
fill_members(struct pd_map *map, const struct pd_volume_entry *volume, struct pd_members *members)
{
	memset(members, 0, sizeof(*members));
	members->volume_id = volume->volume_id;
	members->generation = volume->generation;
	members->code = volume->code;
	members->count = volume->count;
	for (int p = 0; p < volume->count; p++)
	{
		const struct pd_place *place = &volume->places[p];
		struct pd_member *member = &members->member[p];

		if (place->drive != 0)
			memcpy(member->drive, map->uuids[place->drive - 1].uuid, PK_UUID_SIZE);
		member->length = place->length;
		if (place->bucket != NULL)
		{
			member->bucket_id = place->bucket->bucket_id;
			pd_bucket_tell_key(place->bucket, member->key);
		}
	}
}

void
pd_map_retire(struct pd_cell *cell, uint64_t volume_id)
{
	struct pd_volume_entry *volume;

	pthread_rwlock_wrlock(&cell->map.lock);
	volume = find_volume(&cell->map, volume_id);
	if (volume != NULL)
		volume->told = PD_TOLD_BY_TRASH;
	pthread_rwlock_unlock(&cell->map.lock);
}

bool
pd_map_retired(struct pd_cell *cell, uint64_t volume_id)
{
	const struct pd_volume_entry *volume;
	bool retired;

	pthread_rwlock_rdlock(&cell->map.lock);
	volume = find_volume(&cell->map, volume_id);
	retired = volume != NULL && (volume->told & (PD_TOLD_BY_SLOT | PD_TOLD_BY_TRASH)) == PD_TOLD_BY_TRASH;
	pthread_rwlock_unlock(&cell->map.lock);
	return retired;
}

bool
pd_map_volume(struct pd_cell *cell, uint64_t volume_id, struct pd_members *members)
{
	struct pd_volume_entry *volume;

	pthread_rwlock_rdlock(&cell->map.lock);
	volume = find_volume(&cell->map, volume_id);
	if (volume != NULL)
		fill_members(&cell->map, volume, members);
	pthread_rwlock_unlock(&cell->map.lock);
	return volume != NULL;
}

bool
pd_map_of_bucket(struct pd_cell *cell, uint64_t bucket_id, int nth, struct pd_members *members)
{
	struct pd_map *map = &cell->map;
	struct pd_bucket_entry *bucket;
	struct pd_place *place = NULL;

	pthread_rwlock_rdlock(&map->lock);
	bucket = pd_map_bucket(map, bucket_id);
	if (bucket != NULL)
		place = bucket->places;
	for (int i = 0; i < nth && place != NULL; i++)
		place = place->next;
	if (place != NULL)
		fill_members(map, volume_of(place), members);
	pthread_rwlock_unlock(&map->lock);
	return place != NULL;
}

void
pd_map_each(struct pd_cell *cell, void (*each)(void *arg, const struct pd_members *members), void *arg)
{
	struct pd_map *map = &cell->map;
	int head = 0;
	int nth = 0;

	for (;;)
	{
		struct pd_volume_entry *volume = NULL;
		struct pd_members members;

		pthread_rwlock_rdlock(&map->lock);
		for (; head < PD_MAP_HEADS; head++, nth = 0)
		{
			volume = map->volumes[head];
			for (int skip = nth; volume != NULL && skip > 0; skip--)
				volume = volume->next;
			if (volume != NULL)
				break;
		}
		if (volume != NULL)
			fill_members(map, volume, &members);
		pthread_rwlock_unlock(&map->lock);
		if (volume == NULL)
			return;
		each(arg, &members);
		nth++;
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
		generation = volume->generation;
	pthread_rwlock_unlock(&cell->map.lock);
	if (generation > members->generation)
		return pd_fail(err, PK_ERR_STATE, "volume %" PRIu64 " is at generation %u, the order names %u",
					   members->volume_id, generation, members->generation);
	return PK_OK;
}
