/*
 * volume/cell.c
 *	  The cell: the drives of this process, whose they are, and the highest epoch.
 *
 * The cell is the one that most drives are bound to; a drive of another cell
 * is foreign and never touched.  An epoch is durable on every writable drive
 * before anything that came with it is acted upon.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "volume/internal.h"

#define SLOW_THREADS 4

const uint8_t pd_uuid_zero[PK_UUID_SIZE];

bool
pd_uuid_equal(const uint8_t *a, const uint8_t *b)
{
	return memcmp(a, b, PK_UUID_SIZE) == 0;
}

/* The cell that most drives name, and the highest epoch among those. */
static void
elect_identity(struct pd_cell *cell, const struct pd_drive_info *infos)
{
	int best = 0;

	for (int i = 0; i < cell->drive_count; i++)
	{
		int votes = 0;

		if (pd_uuid_equal(infos[i].cell, pd_uuid_zero))
			continue;
		for (int j = 0; j < cell->drive_count; j++)
			votes += pd_uuid_equal(infos[i].cell, infos[j].cell);
		if (votes > best)
		{
			best = votes;
			memcpy(cell->uuid, infos[i].cell, PK_UUID_SIZE);
		}
	}
	for (int i = 0; best > 0 && i < cell->drive_count; i++)
	{
		if (!pd_uuid_equal(infos[i].cell, cell->uuid))
		{
			if (!pd_uuid_equal(infos[i].cell, pd_uuid_zero))
				pd_log(PD_LOG_ERROR, "%s belongs to another cell and is not used", infos[i].path);
			continue;
		}
		atomic_store(&cell->drives[i].ours, true);
		if (pk_epoch_compare(&infos[i].epoch, &cell->epoch) > 0)
			cell->epoch = infos[i].epoch;
	}
}

/* Of two drives with one uuid one was made by copying: the one that has heard of fewer epochs, or comes later, is not used. */
static void
fail_copies(struct pd_cell *cell, const struct pd_drive_info *infos)
{
	for (int i = 0; i < cell->drive_count; i++)
	{
		for (int j = 0; j < cell->drive_count; j++)
		{
			int order = pk_epoch_compare(&infos[i].epoch, &infos[j].epoch);
			char why[PD_ERR_TEXT];

			if (i == j || !atomic_load(&cell->drives[i].ours) || infos[i].state == PD_DRIVE_FAILED ||
				infos[j].state == PD_DRIVE_FAILED || !pd_uuid_equal(infos[i].uuid, infos[j].uuid) || order > 0 ||
				(order == 0 && i < j))
				continue;
			snprintf(why, sizeof(why), "it is a copy of the drive at %.300s, which is used", infos[j].path);
			pd_drive_fail(cell->drives[i].drive, why);
			atomic_store(&cell->drives[i].ours, false);
		}
	}
}

bool
pd_cell_learn(struct pd_cell *cell, struct pd_extent *extent)
{
	struct pd_extent_info info;
	uint8_t uuid[PK_UUID_SIZE];
	bool ours;

	pd_cell_identity(cell, uuid, NULL);
	pd_extent_info(extent, &info);
	ours = pd_uuid_equal(info.cell, uuid);
	if (ours)
	{
		pd_cell_saw(cell, info.id, 0);
		(void) pd_map_note(cell, &info.members, info.trashed ? PD_TOLD_BY_TRASH : PD_TOLD_BY_SLOT);
	}
	else
		pd_cell_report(cell, pd_drive_uuid(pd_extent_drive(extent)), info.file, "belongs to another cell");
	return ours;
}

static bool
note_extent(void *arg, struct pd_extent *extent)
{
	(void) pd_cell_learn(arg, extent);
	return true;
}

static void
destroy(struct pd_cell *cell)
{
	if (cell->slow != NULL)
		pd_queue_stop(cell->slow);
	pd_alarms_free(cell->alarms);
	pd_map_clear(&cell->map);
	pd_peers_free(cell->peers);
	pd_reports_free(cell->reports);
	explicit_bzero(&cell->keys, sizeof(cell->keys));
	pthread_mutex_destroy(&cell->identity_lock);
	pthread_rwlock_destroy(&cell->state_lock);
	for (int i = 0; i < PD_SEAL_LOCKS; i++)
		pthread_mutex_destroy(&cell->seal_locks[i]);
	pthread_mutex_destroy(&cell->converge_lock);
	pthread_mutex_destroy(&cell->lock);
	pthread_cond_destroy(&cell->quiet);
	free(cell->drives);
	free(cell);
}

struct pd_cell *
pd_cell_create(struct pd_drive *const *drives, int count, const pk_keyring *keys, struct pd_buffer_pool *buffers,
			   struct pd_err *err)
{
	struct pd_cell *cell = calloc(1, sizeof(*cell));
	struct pd_drive_info *infos = calloc((size_t) count + 1, sizeof(*infos));

	if (cell == NULL || infos == NULL)
	{
		free(cell);
		free(infos);
		(void) pd_fail(err, PK_ERR_NO_MEMORY, "out of memory for %d drives", count);
		return NULL;
	}
	pthread_mutex_init(&cell->identity_lock, NULL);
	pthread_rwlock_init(&cell->state_lock, NULL);
	for (int i = 0; i < PD_SEAL_LOCKS; i++)
		pthread_mutex_init(&cell->seal_locks[i], NULL);
	pthread_mutex_init(&cell->converge_lock, NULL);
	pthread_mutex_init(&cell->lock, NULL);
	pthread_cond_init(&cell->quiet, NULL);
	pd_map_init(&cell->map);
	cell->keys = *keys;
	cell->buffers = buffers;
	cell->drives = calloc((size_t) count + 1, sizeof(*cell->drives));
	cell->reports = pd_reports_create();
	cell->peers = pd_peers_create();
	cell->alarms = pd_alarms_create();
	cell->slow = pd_queue_start("pd-decode", SLOW_THREADS);
	if (cell->drives == NULL || cell->reports == NULL || cell->peers == NULL || cell->alarms == NULL ||
		cell->slow == NULL)
	{
		destroy(cell);
		free(infos);
		(void) pd_fail(err, PK_ERR_NO_MEMORY, "out of memory or threads for %d drives", count);
		return NULL;
	}
	cell->drive_count = count;
	for (int i = 0; i < count; i++)
	{
		cell->drives[i].drive = drives[i];
		pd_drive_info(drives[i], &infos[i]);
	}
	elect_identity(cell, infos);
	fail_copies(cell, infos);
	free(infos);
	for (int i = 0; i < count; i++)
	{
		if (atomic_load(&cell->drives[i].ours) && pd_drive_readable(drives[i]))
			pd_extent_each(drives[i], NULL, note_extent, cell);
	}
	return cell;
}

void
pd_cell_free(struct pd_cell *cell)
{
	if (cell == NULL)
		return;
	pthread_mutex_lock(&cell->lock);
	while (cell->active > 0)
		pthread_cond_wait(&cell->quiet, &cell->lock);
	pthread_mutex_unlock(&cell->lock);
	while (cell->open != NULL)
		pd_bucket_forget(cell->open);
	destroy(cell);
}

void
pd_cell_enter(struct pd_cell *cell)
{
	pthread_mutex_lock(&cell->lock);
	cell->active++;
	pthread_mutex_unlock(&cell->lock);
}

void
pd_cell_leave(struct pd_cell *cell)
{
	pthread_mutex_lock(&cell->lock);
	if (--cell->active == 0)
		pthread_cond_broadcast(&cell->quiet);
	pthread_mutex_unlock(&cell->lock);
}

void
pd_cell_set_keys(struct pd_cell *cell, const pk_keyring *keys)
{
	pthread_rwlock_wrlock(&cell->state_lock);
	cell->keys = *keys;
	pthread_rwlock_unlock(&cell->state_lock);
}

void
pd_cell_keys(struct pd_cell *cell, pk_keyring *keys)
{
	pthread_rwlock_rdlock(&cell->state_lock);
	*keys = cell->keys;
	pthread_rwlock_unlock(&cell->state_lock);
}

void
pd_cell_identity(struct pd_cell *cell, uint8_t uuid[PK_UUID_SIZE], pk_epoch *epoch)
{
	pthread_rwlock_rdlock(&cell->state_lock);
	if (uuid != NULL)
		memcpy(uuid, cell->uuid, PK_UUID_SIZE);
	if (epoch != NULL)
		*epoch = cell->epoch;
	pthread_rwlock_unlock(&cell->state_lock);
}

/* Makes the epoch durable on every drive that can be written; one that fails is quarantined by that. */
static pk_error
store_epoch(struct pd_cell *cell, const pk_epoch *epoch, struct pd_err *err)
{
	pk_error last = pd_fail(err, PK_ERR_UNAVAILABLE, "no drive of this node can be written");
	int stored = 0;

	for (int i = 0; i < cell->drive_count; i++)
	{
		struct pd_drive *drive = cell->drives[i].drive;
		pk_error rc;

		if (!atomic_load(&cell->drives[i].ours) || !pd_drive_writable(drive))
			continue;
		rc = pd_drive_set_epoch(drive, epoch, err);
		if (rc == PK_OK)
			stored++;
		else
			last = rc;
		if (rc != PK_OK && pd_drive_writable(drive))
			return rc;
	}
	if (stored == 0)
		return last;
	pthread_rwlock_wrlock(&cell->state_lock);
	cell->epoch = *epoch;
	pthread_rwlock_unlock(&cell->state_lock);
	return PK_OK;
}

static pk_error
refuse_older(const pk_epoch *present, const pk_epoch *epoch, struct pd_err *err)
{
	if (epoch->incarnation < present->incarnation)
		return pd_fail(err, PK_ERR_STALE_EPOCH,
					   "incarnation %u of the database was superseded: %u has adopted the cell", epoch->incarnation,
					   present->incarnation);
	if (pk_epoch_compare(epoch, present) < 0)
		return pd_fail(err, PK_ERR_STALE_EPOCH, "epoch (%u, %u) was superseded by (%u, %u)", epoch->timeline,
					   epoch->starts, present->timeline, present->starts);
	return PK_OK;
}

/* PK_OK for the present epoch or a higher one of its incarnation. */
static pk_error
compare_epoch(const pk_epoch *present, const pk_epoch *epoch, struct pd_err *err)
{
	if (present->incarnation != 0 && epoch->incarnation > present->incarnation)
		return pd_fail(err, PK_ERR_FOREIGN, "incarnation %u of the database has not adopted this node, which serves %u",
					   epoch->incarnation, present->incarnation);
	return refuse_older(present, epoch, err);
}

static pk_error
bind_drives(struct pd_cell *cell, const uint8_t uuid[PK_UUID_SIZE], struct pd_err *err)
{
	for (int i = 0; i < cell->drive_count; i++)
	{
		struct pd_drive *drive = cell->drives[i].drive;
		struct pd_drive_info info;
		pk_error rc;

		if (atomic_load(&cell->drives[i].ours) || !pd_drive_writable(drive))
			continue;
		pd_drive_info(drive, &info);
		if (!pd_uuid_equal(info.cell, pd_uuid_zero) && !pd_uuid_equal(info.cell, uuid))
			continue;
		rc = pd_drive_bind(drive, uuid, err);
		if (rc != PK_OK)
			return rc;
		atomic_store(&cell->drives[i].ours, true);
	}
	return PK_OK;
}

pk_error
pd_cell_bind(struct pd_cell *cell, const uint8_t uuid[PK_UUID_SIZE], const pk_epoch *epoch, struct pd_err *err)
{
	uint8_t present[PK_UUID_SIZE];
	pk_epoch at;
	pk_error rc;

	if (pd_uuid_equal(uuid, pd_uuid_zero) || epoch->incarnation == 0)
		return pd_fail(err, PK_ERR_MALFORMED, "a cell has a uuid and an incarnation");
	pthread_mutex_lock(&cell->identity_lock);
	pd_cell_identity(cell, present, &at);
	if (!pd_uuid_equal(present, pd_uuid_zero) && !pd_uuid_equal(present, uuid))
		rc = pd_fail(err, PK_ERR_FOREIGN, "this node belongs to another cell");
	else
		rc = compare_epoch(&at, epoch, err);
	if (rc == PK_OK)
		rc = bind_drives(cell, uuid, err);
	if (rc == PK_OK)
		rc = store_epoch(cell, epoch, err);
	if (rc == PK_OK)
	{
		pthread_rwlock_wrlock(&cell->state_lock);
		memcpy(cell->uuid, uuid, PK_UUID_SIZE);
		pthread_rwlock_unlock(&cell->state_lock);
	}
	pthread_mutex_unlock(&cell->identity_lock);
	return rc;
}

pk_error
pd_cell_is(struct pd_cell *cell, const uint8_t uuid[PK_UUID_SIZE], pk_epoch *at, struct pd_err *err)
{
	uint8_t present[PK_UUID_SIZE];

	pd_cell_identity(cell, present, at);
	if (pd_uuid_equal(present, pd_uuid_zero))
		return pd_fail(err, PK_ERR_FOREIGN, "this node is not bound to a cell");
	if (!pd_uuid_equal(present, uuid))
		return pd_fail(err, PK_ERR_FOREIGN, "this node belongs to another cell");
	return PK_OK;
}

static pk_error
admit(struct pd_cell *cell, const uint8_t *uuid, const pk_epoch *epoch, pk_epoch *at, struct pd_err *err)
{
	pk_error rc = pd_cell_is(cell, uuid, at, err);

	return rc == PK_OK ? compare_epoch(at, epoch, err) : rc;
}

pk_error
pd_cell_admit(struct pd_cell *cell, const uint8_t uuid[PK_UUID_SIZE], const pk_epoch *epoch, struct pd_err *err)
{
	pk_epoch at;
	pk_error rc = admit(cell, uuid, epoch, &at, err);

	if (rc != PK_OK || pk_epoch_compare(epoch, &at) == 0)
		return rc;
	pthread_mutex_lock(&cell->identity_lock);
	rc = admit(cell, uuid, epoch, &at, err);
	if (rc == PK_OK && pk_epoch_compare(epoch, &at) > 0)
		rc = store_epoch(cell, epoch, err);
	pthread_mutex_unlock(&cell->identity_lock);
	return rc;
}

pk_error
pd_cell_adopt(struct pd_cell *cell, const uint8_t uuid[PK_UUID_SIZE], const pk_epoch *epoch, struct pd_err *err)
{
	pk_epoch at;
	pk_error rc;

	pthread_mutex_lock(&cell->identity_lock);
	rc = pd_cell_is(cell, uuid, &at, err);
	if (rc == PK_OK)
		rc = refuse_older(&at, epoch, err);
	if (rc == PK_OK && pk_epoch_compare(epoch, &at) > 0)
	{
		rc = store_epoch(cell, epoch, err);
		if (rc == PK_OK && epoch->incarnation > at.incarnation)
			pd_log(PD_LOG_WARNING, "incarnation %u of the database has adopted the cell from %u", epoch->incarnation,
				   at.incarnation);
	}
	pthread_mutex_unlock(&cell->identity_lock);
	return rc;
}

void
pd_cell_highest(struct pd_cell *cell, uint64_t *id, uint64_t *generation)
{
	*id = atomic_load(&cell->highest_id);
	*generation = atomic_load(&cell->highest_generation);
}

static void
raise_to(atomic_ullong *highest, unsigned long long seen)
{
	unsigned long long known = atomic_load(highest);

	while (seen > known && !atomic_compare_exchange_weak(highest, &known, seen))
		;
}

void
pd_cell_saw(struct pd_cell *cell, uint64_t id, uint64_t generation)
{
	raise_to(&cell->highest_id, id);
	raise_to(&cell->highest_generation, generation);
}

void
pd_cell_decoding(struct pd_cell *cell, uint64_t *read, uint64_t *decoded)
{
	*read = atomic_load(&cell->decode_read_bytes);
	*decoded = atomic_load(&cell->decoded_bytes);
}

struct pd_drive *
pd_cell_drive(struct pd_cell *cell, const uint8_t uuid[PK_UUID_SIZE])
{
	for (int i = 0; i < cell->drive_count; i++)
	{
		if (atomic_load(&cell->drives[i].ours) && pd_uuid_equal(pd_drive_uuid(cell->drives[i].drive), uuid))
			return cell->drives[i].drive;
	}
	return NULL;
}

struct pd_drive *
pd_cell_any_drive(struct pd_cell *cell, const uint8_t uuid[PK_UUID_SIZE])
{
	struct pd_drive *drive = pd_cell_drive(cell, uuid);
	struct pd_cell_drive *remote = drive == NULL ? pd_peers_drive(cell, uuid) : NULL;

	return remote != NULL ? remote->drive : drive;
}

/* PK_OK for a drive that was found and can be written. */
static pk_error
check_target(const uint8_t uuid[PK_UUID_SIZE], struct pd_drive *drive, struct pd_err *err)
{
	char text[PK_UUID_TEXT + 1];

	pk_uuid_encode(text, uuid);
	if (drive == NULL)
		return pd_fail(err, PK_ERR_NOT_FOUND, "drive %s is not on this node, or not bound to its cell", text);
	if (!pd_drive_writable(drive))
		return pd_fail(err, PK_ERR_UNAVAILABLE, "drive %s (%s) cannot be written", text, pd_drive_path(drive));
	return PK_OK;
}

pk_error
pd_cell_target(struct pd_cell *cell, const uint8_t uuid[PK_UUID_SIZE], struct pd_drive **drive, struct pd_err *err)
{
	*drive = pd_cell_drive(cell, uuid);
	return check_target(uuid, *drive, err);
}

pk_error
pd_cell_any_target(struct pd_cell *cell, const uint8_t uuid[PK_UUID_SIZE], struct pd_drive **drive, struct pd_err *err)
{
	*drive = pd_cell_any_drive(cell, uuid);
	return check_target(uuid, *drive, err);
}
