/*
 * volume/encode.c
 *	  k sealed buckets become a coded volume: their parities, computed and then
 *	  proved.
 *
 * The proof reads all k + m members from the drives again, pretends that some of
 * the data members are lost (others for each range), decodes them from what is left, parities
 * among it, and compares.  Nothing that exists is changed; parities that do not prove
 * right are removed.  An order that comes again finds its parities there, proves
 * them again, and removes nothing.
 */
#include <inttypes.h>
#include <string.h>

#include "base/log.h"
#include "volume/internal.h"

struct encoding
{
	struct pd_cell *cell;
	struct pd_members members; /* with keys and the true lengths */
	uint8_t cell_uuid[PK_UUID_SIZE];
	struct pd_matrix matrix;
	uint64_t length;						   /* of the parities */
	struct pd_extent *extents[PK_MEMBERS_MAX]; /* counted; NULL: virtual, or a parity that is not there yet */
	struct pd_drive *drives[PK_MEMBERS_MAX];   /* of the parities */
	struct pd_extent_build *builds[PK_MEMBERS_MAX];
	bool built[PK_MEMBERS_MAX]; /* by this order: goes when it fails */
	const struct pd_progress *progress;
};

static size_t
range_size(uint64_t length, uint64_t at)
{
	return length - at < PD_VOLUME_RANGE ? (size_t) (length - at) : PD_VOLUME_RANGE;
}

static pk_error
tick(const struct encoding *encoding, uint64_t done, struct pd_err *err)
{
	const struct pd_progress *progress = encoding->progress;

	if (progress != NULL && !progress->tick(progress->arg, done, 2 * encoding->length))
		return pd_fail(err, PK_ERR_UNAVAILABLE, "the encoding of volume %" PRIu64 " was stopped",
					   encoding->members.volume_id);
	return PK_OK;
}

/* --- before --- */

static pk_error
find_data(struct encoding *encoding, int p, struct pd_err *err)
{
	if (pd_member_virtual(&encoding->members, p))
		return PK_OK;
	encoding->extents[p] = pd_member_find(encoding->cell, &encoding->members, p);
	if (encoding->extents[p] == NULL)
		return pd_fail(err, PK_ERR_NOT_FOUND, "bucket %" PRIu64 " is not on the drive that member %d names",
					   encoding->members.member[p].bucket_id, p);
	return PK_OK;
}

static pk_error
check_data(struct encoding *encoding, int p, struct pd_err *err)
{
	struct pd_member *member = &encoding->members.member[p];
	struct pd_extent_info info;

	if (encoding->extents[p] == NULL)
		return PK_OK;
	pd_extent_info(encoding->extents[p], &info);
	if (!info.sealed)
		return pd_fail(err, PK_ERR_STATE, "bucket %" PRIu64 " is not sealed", member->bucket_id);
	if (info.length < member->length)
		return pd_fail(err, PK_ERR_STATE, "bucket %" PRIu64 " has %" PRIu64 " bytes and not %" PRIu64,
					   member->bucket_id, info.length, member->length);
	member->length = info.length;
	return PK_OK;
}

/* A parity of this very volume that an earlier run of the order left. */
static pk_error
find_parity(struct encoding *encoding, int p, struct pd_err *err)
{
	const struct pd_members *members = &encoding->members;
	struct pd_extent_info info;
	pk_error rc;

	rc = pd_cell_any_target(encoding->cell, members->member[p].drive, &encoding->drives[p], err);
	if (rc == PK_OK)
		rc = pd_extent_lookup(encoding->drives[p], PK_EXTENT_PARITY, members->volume_id, p, &encoding->extents[p], err);
	if (rc != PK_OK)
		return rc == PK_ERR_NOT_FOUND && encoding->drives[p] != NULL ? PK_OK : rc;
	pd_extent_info(encoding->extents[p], &info);
	if (info.sealed && info.length == encoding->length && info.members.generation == members->generation)
		return PK_OK;
	return pd_fail(err, PK_ERR_STATE, "parity %d of volume %" PRIu64 " is there already and is another one", p,
				   members->volume_id);
}

static pk_error
prepare(struct encoding *encoding, struct pd_err *err)
{
	struct pd_members *members = &encoding->members;
	pk_error rc;

	rc = pd_volume_check(members, true, err);
	if (rc != PK_OK)
		return rc;
	rc = pd_matrix_init(&encoding->matrix, &members->code);
	if (rc != PK_OK)
		return pd_fail(err, rc, "volume %" PRIu64 " has a code that is not built", members->volume_id);
	rc = pd_map_fence(encoding->cell, members, err);
	if (rc != PK_OK)
		return rc;
	pd_cell_identity(encoding->cell, encoding->cell_uuid, NULL);
	for (int p = 0; rc == PK_OK && p < members->code.k; p++)
		rc = find_data(encoding, p, err);
	if (rc == PK_OK)
		rc = pd_cell_fill(encoding->cell, members, err);
	for (int p = 0; rc == PK_OK && p < members->code.k; p++)
		rc = check_data(encoding, p, err);
	encoding->length = pd_members_parity_length(members);
	for (int p = members->code.k; rc == PK_OK && p < members->count; p++)
	{
		members->member[p].length = encoding->length;
		rc = find_parity(encoding, p, err);
	}
	return rc;
}

/* --- computing --- */

/* Tasks that read members [0, count) at one range into data; the readers of a batch run while another is worked on. */
static void
start_reads(struct encoding *encoding, struct pd_task *tasks, int count, struct pd_latch *latch, uint64_t at,
			uint8_t *const *data)
{
	memset(tasks, 0, sizeof(*tasks) * (size_t) count);
	for (int p = 0; p < count; p++)
	{
		tasks[p].work = pd_work_read_checked;
		tasks[p].extent = encoding->extents[p];
		tasks[p].drive = tasks[p].extent != NULL ? pd_extent_drive(tasks[p].extent) : NULL;
		tasks[p].buf = data[p];
		tasks[p].offset = at;
		tasks[p].n = range_size(encoding->length, at);
	}
	pd_tasks_start(tasks, count, latch, PD_JOB_BACKGROUND);
}

/* A member that cannot be read as it should is repaired before it is encoded. */
static pk_error
wait_reads(struct encoding *encoding, struct pd_task *tasks, int count, struct pd_latch *latch, struct pd_err *err)
{
	pk_error rc = pd_tasks_wait(tasks, count, latch, err);

	for (int p = 0; p < count; p++)
	{
		if (tasks[p].result != PK_OK)
			pd_cell_report_failure(encoding->cell, tasks[p].extent, tasks[p].result, tasks[p].err.text);
	}
	if (rc != PK_OK && err != NULL)
		err->code = PK_ERR_CORRUPT;
	return rc == PK_OK ? PK_OK : PK_ERR_CORRUPT;
}

static pk_error
begin_builds(struct encoding *encoding, struct pd_err *err)
{
	const struct pd_members *members = &encoding->members;

	for (int p = members->code.k; p < members->count; p++)
	{
		pk_error rc;

		if (encoding->extents[p] != NULL)
			continue;
		rc = pd_extent_build_begin(encoding->drives[p], PK_EXTENT_PARITY, members->volume_id, p, encoding->cell_uuid,
								   members, encoding->length, &encoding->builds[p], err);
		if (rc != PK_OK)
			return rc;
	}
	return PK_OK;
}

/* Tasks for the parities that are being built. */
static int
parity_tasks(struct encoding *encoding, struct pd_task *tasks, pk_error (*work)(struct pd_task *task),
			 uint8_t *const *parity, size_t n)
{
	const struct pd_members *members = &encoding->members;
	int count = 0;

	memset(tasks, 0, sizeof(*tasks) * PK_MEMBERS_MAX);
	for (int p = members->code.k; p < members->count; p++)
	{
		if (encoding->builds[p] == NULL)
			continue;
		tasks[count].work = work;
		tasks[count].build = encoding->builds[p];
		tasks[count].drive = encoding->drives[p];
		tasks[count].buf = parity != NULL ? parity[p - members->code.k] : NULL;
		tasks[count].n = n;
		count++;
	}
	return count;
}

/* Two sets of data buffers: while one is encoded and written, the other is read into. */
static pk_error
compute(struct encoding *encoding, uint8_t *const *const *data, uint8_t *const *parity, struct pd_err *err)
{
	struct pd_task reads[PK_MEMBERS_MAX];
	struct pd_task writes[PK_MEMBERS_MAX];
	struct pd_latch latch;
	int k = encoding->members.code.k;
	int turn = 0;
	pk_error rc = PK_OK;

	if (encoding->length > 0)
		start_reads(encoding, reads, k, &latch, 0, data[0]);
	for (uint64_t at = 0; at < encoding->length && rc == PK_OK; at += PD_VOLUME_RANGE, turn = !turn)
	{
		size_t n = range_size(encoding->length, at);

		rc = wait_reads(encoding, reads, k, &latch, err);
		if (rc == PK_OK)
			rc = tick(encoding, at, err);
		if (rc != PK_OK)
			break;
		if (at + n < encoding->length)
			start_reads(encoding, reads, k, &latch, at + n, data[!turn]);
		pd_encode(&encoding->matrix, n, data[turn], parity);
		rc = pd_tasks_run(writes, parity_tasks(encoding, writes, pd_work_build_write, parity, n), PD_JOB_BACKGROUND,
						  err);
		if (rc != PK_OK && at + n < encoding->length)
			(void) wait_reads(encoding, reads, k, &latch, NULL);
	}
	return rc;
}

static pk_error
finish_builds(struct encoding *encoding, struct pd_err *err)
{
	struct pd_task tasks[PK_MEMBERS_MAX];
	int count = parity_tasks(encoding, tasks, pd_work_build_finish, NULL, 0);
	pk_error rc = pd_tasks_run(tasks, count, PD_JOB_BACKGROUND, err);
	int at = 0;

	for (int p = encoding->members.code.k; p < encoding->members.count; p++)
	{
		if (encoding->builds[p] == NULL)
			continue;
		encoding->builds[p] = NULL;
		if (tasks[at].result == PK_OK)
		{
			encoding->extents[p] = tasks[at].extent;
			encoding->built[p] = true;
		}
		at++;
	}
	return rc;
}

/* --- proving --- */

/*
 * Which members are held for lost in this range: as many as there are parities, others each time, so that each parity is
 * needed. They come from the local groups in turn: each local parity makes up for one of its own.
 */
static uint32_t
choose_lost(const struct pd_members *members, unsigned turn, int *wanted, int *wanted_count)
{
	int k = members->code.k;
	int m = members->code.m;
	int groups = pk_code_groups(&members->code) > 0 ? pk_code_groups(&members->code) : 1;
	uint32_t lost = 0;

	*wanted_count = k < m ? k : m;
	for (int i = 0; i < *wanted_count; i++)
	{
		int nth = (int) ((turn * (unsigned) *wanted_count + (unsigned) i) % (unsigned) k);

		wanted[i] = nth % groups * (k / groups) + nth / groups;
		lost |= UINT32_C(1) << wanted[i];
	}
	for (int i = 0; i < m - k; i++) /* more parities than data: some of them are not needed, others each time */
		lost |= UINT32_C(1) << (k + (int) ((turn + (unsigned) i) % (unsigned) m));
	return lost;
}

static pk_error
prove_range(struct encoding *encoding, unsigned turn, size_t n, uint8_t *const *data, uint8_t *const *scratch,
			struct pd_err *err)
{
	const struct pd_members *members = &encoding->members;
	uint32_t all = members->count == 32 ? UINT32_MAX : (UINT32_C(1) << members->count) - 1;
	struct pd_decode_plan plan;
	uint8_t *sources[PK_MEMBERS_MAX];
	int wanted[PK_MEMBERS_MAX];
	int wanted_count;
	uint32_t lost = choose_lost(members, turn, wanted, &wanted_count);
	pk_error rc = pd_decode_plan_init(&plan, &encoding->matrix, all & ~lost, wanted, wanted_count);

	if (rc != PK_OK)
		return pd_fail(err, rc, "volume %" PRIu64 " cannot be decoded", members->volume_id);
	for (int i = 0; i < plan.source_count; i++)
		sources[i] = data[plan.sources[i]];
	pd_decode(&plan, n, sources, scratch);
	for (int i = 0; i < wanted_count; i++)
	{
		if (memcmp(scratch[i], data[wanted[i]], n) != 0)
			return pd_fail(err, PK_ERR_CORRUPT, "the parities of volume %" PRIu64 " do not yield member %d",
						   members->volume_id, wanted[i]);
	}
	return PK_OK;
}

static pk_error
prove(struct encoding *encoding, uint8_t *const *const *data, uint8_t *const *scratch, struct pd_err *err)
{
	struct pd_task reads[PK_MEMBERS_MAX];
	struct pd_latch latch;
	int count = encoding->members.count;
	unsigned range = 0;
	pk_error rc = PK_OK;

	if (encoding->length > 0)
		start_reads(encoding, reads, count, &latch, 0, data[0]);
	for (uint64_t at = 0; at < encoding->length && rc == PK_OK; at += PD_VOLUME_RANGE, range++)
	{
		size_t n = range_size(encoding->length, at);

		rc = wait_reads(encoding, reads, count, &latch, err);
		if (rc == PK_OK)
			rc = tick(encoding, encoding->length + at, err);
		if (rc != PK_OK)
			break;
		if (at + n < encoding->length)
			start_reads(encoding, reads, count, &latch, at + n, data[(range + 1) % 2]);
		rc = prove_range(encoding, range, n, data[range % 2], scratch, err);
		if (rc != PK_OK && at + n < encoding->length)
			(void) wait_reads(encoding, reads, count, &latch, NULL);
	}
	return rc;
}

/* --- the whole --- */

static pk_error
compute_and_prove(struct encoding *encoding, struct pd_err *err)
{
	int count = encoding->members.count;
	struct pd_buffer *buffer = pd_buffer_get(encoding->cell->buffers, (size_t) PD_VOLUME_RANGE * 3 * (size_t) count);
	uint8_t *pointers[3][PK_MEMBERS_MAX];
	uint8_t *const *data[2] = {pointers[0], pointers[1]};
	pk_error rc;

	if (buffer == NULL)
		return pd_fail(err, PK_ERR_NO_MEMORY, "out of memory for encoding volume %" PRIu64,
					   encoding->members.volume_id);
	for (int i = 0; i < 3 * count; i++)
		pointers[i / count][i % count] = buffer->data + (size_t) i * PD_VOLUME_RANGE;
	rc = begin_builds(encoding, err);
	if (rc == PK_OK)
		rc = compute(encoding, data, pointers[2], err);
	if (rc == PK_OK)
		rc = finish_builds(encoding, err);
	if (rc == PK_OK)
		rc = prove(encoding, data, pointers[2], err);
	pd_buffer_put(encoding->cell->buffers, buffer);
	return rc;
}

static void
clean_up(struct encoding *encoding, bool failed)
{
	for (int p = 0; p < encoding->members.count && p < PK_MEMBERS_MAX; p++)
	{
		struct pd_err err;

		pd_extent_build_abandon(encoding->builds[p]);
		if (failed && encoding->built[p] && pd_extent_remove(encoding->extents[p], &err) != PK_OK)
			pd_log(PD_LOG_WARNING, "a parity remains that nothing needs: %s", err.text);
		pd_extent_unref(encoding->extents[p]);
	}
}

pk_error
pd_volume_encode(struct pd_cell *cell, const struct pd_members *members, const struct pd_progress *progress,
				 uint64_t *parity_length, struct pd_err *err)
{
	struct encoding encoding = {.cell = cell, .members = *members, .progress = progress};
	struct pd_members known;
	pk_error rc;

	rc = prepare(&encoding, err);
	if (rc == PK_OK)
		rc = compute_and_prove(&encoding, err);
	if (rc == PK_OK && !pd_map_note(cell, &encoding.members, PD_TOLD_BY_SLOT))
		rc = pd_fail(err, PK_ERR_NO_MEMORY, "out of memory for volume %" PRIu64, members->volume_id);
	/* when the volume is known, a duplicate of this order has finished: what has its names may be members by now */
	clean_up(&encoding, rc != PK_OK && !pd_map_volume(cell, members->volume_id, &known));
	*parity_length = encoding.length;
	return rc;
}
