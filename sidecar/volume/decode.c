/*
 * volume/decode.c
 *	  A range of some members of a coded volume, from others.
 *
 * Only the members that a plan needs are looked for and read; where one is not there, or turns out damaged, another
 * plan is made without it; likewise where another node does not answer in time.  Every source is held against its checksums, and against the length that the
 * volume says it has: an extent of another length (a replica that was away when
 * the bucket was sealed) would decode to nonsense without any checksum noticing.
 */
#include <inttypes.h>
#include <string.h>

#include "volume/internal.h"

/*
 * What is held of the sources at a time: their pieces are read, decoded and forgotten, so that a request takes little more
 * memory than what it asks for, and the decoder finds them in the processor's cache.
 */
#define PIECES_BYTES (3 * 1024 * 1024)

_Static_assert(PK_MEMBERS_MAX *PD_EXTENT_CHUNK <= PIECES_BYTES, "a piece is at least a chunk");

/* One attempt after another at one range. */
struct decoding
{
	struct pd_cell *cell;
	const struct pd_members *volume;
	struct pd_matrix matrix;
	const int *wanted;
	int wanted_count;
	uint32_t avoid;	 /* positions that are not to be used */
	uint32_t absent; /* positions that are not to be used, or have no extent that is good */
	enum pd_job_class class;
	bool hurry;		/* those that are slow are done without, when that is possible */
	bool unreached; /* some could not be asked, or have not answered */
	int bad_count;
	struct pd_extent *bad[PK_MEMBERS_MAX * 2]; /* counted; failed this range */
	struct pd_extent *sources[PK_MEMBERS_MAX]; /* counted, by position; those that were looked for */
};

/* Of another node's extent every lookup gives another proxy. */
static bool
is_same(struct pd_extent *a, struct pd_extent *b)
{
	struct pd_extent_info one, other;

	if (a == b || pd_extent_drive(a) != pd_extent_drive(b) || !pd_drive_is_remote(pd_extent_drive(a)))
		return a == b;
	pd_extent_info(a, &one);
	pd_extent_info(b, &other);
	return strcmp(one.file, other.file) == 0;
}

static bool
is_bad(const struct decoding *decoding, struct pd_extent *extent)
{
	for (int i = 0; i < decoding->bad_count; i++)
	{
		if (is_same(decoding->bad[i], extent))
			return true;
	}
	return false;
}

/* Of what was found: a sealed extent of member p with the right length that has not failed, or NULL. Lets go of the others. */
static struct pd_extent *
choose_source(struct decoding *decoding, int p, struct pd_wanted *found)
{
	const struct pd_members *volume = decoding->volume;
	uint64_t length = p >= volume->code.k ? pd_members_parity_length(volume) : volume->member[p].length;
	struct pd_extent *source = NULL;

	for (int i = 0; i < found->count; i++)
	{
		struct pd_extent_info info;

		pd_extent_info(found->extents[i], &info);
		if (source == NULL && info.sealed && info.length == length && !is_bad(decoding, found->extents[i]))
			source = pd_extent_ref(found->extents[i]);
	}
	decoding->unreached = decoding->unreached || (source == NULL && found->unreached > 0);
	pd_wanted_free(found);
	return source;
}

static void
drop_source(struct decoding *decoding, int p)
{
	pd_extent_unref(decoding->sources[p]);
	decoding->sources[p] = NULL;
}

/* Those of the plan that are not held yet. False: some are not there, and another plan is needed. */
static bool
find_sources(struct decoding *decoding, const struct pd_decode_plan *plan)
{
	struct pd_wanted wanted[PK_MEMBERS_MAX] = {0};
	int positions[PK_MEMBERS_MAX];
	int count = 0;
	bool found = true;

	for (int i = 0; i < plan->source_count; i++)
	{
		int p = plan->sources[i];

		if (decoding->sources[p] != NULL || pd_member_virtual(decoding->volume, p))
			continue;
		pd_want_member(&wanted[count], decoding->volume, p);
		wanted[count].kept = true;
		positions[count++] = p;
	}
	pd_cell_find(decoding->cell, wanted, count, decoding->hurry);
	for (int i = 0; i < count; i++)
	{
		decoding->sources[positions[i]] = choose_source(decoding, positions[i], &wanted[i]);
		if (decoding->sources[positions[i]] != NULL)
			continue;
		decoding->absent |= UINT32_C(1) << positions[i];
		found = false;
	}
	return found;
}

static pk_error
make_plan(struct decoding *decoding, uint64_t offset, struct pd_decode_plan *plan, struct pd_err *err)
{
	do
	{
		pk_error rc =
			pd_decode_plan_init(plan, &decoding->matrix, ~decoding->absent, decoding->wanted, decoding->wanted_count);

		if (rc != PK_OK && decoding->unreached && decoding->hurry)
		{
			/* without those that are slow it cannot be done */
			decoding->hurry = decoding->unreached = false;
			decoding->absent = decoding->avoid;
			rc = pd_decode_plan_init(plan, &decoding->matrix, ~decoding->absent, decoding->wanted,
									 decoding->wanted_count);
		}
		if (rc != PK_OK)
			return pd_fail(err, decoding->unreached ? PK_ERR_UNAVAILABLE : rc,
						   "volume %" PRIu64 ": too few members can be read at offset %" PRIu64 "%s",
						   decoding->volume->volume_id, offset,
						   decoding->unreached ? ": some of their nodes are not reached" : "");
	} while (!find_sources(decoding, plan));
	return PK_OK;
}

static bool
note_bad(struct decoding *decoding, int p, pk_error code, const char *problem)
{
	pd_cell_report_failure(decoding->cell, decoding->sources[p], code, problem);
	decoding->unreached = decoding->unreached || !pd_cell_is_damage(decoding->sources[p], code);
	if (decoding->bad_count == (int) (sizeof(decoding->bad) / sizeof(decoding->bad[0])))
		return false;
	decoding->bad[decoding->bad_count++] = pd_extent_ref(decoding->sources[p]);
	drop_source(decoding, p);
	return true;
}

/* Starts to read n bytes of each of the plan's sources; data points to where. */
static void
start_reads(struct decoding *decoding, const struct pd_decode_plan *plan, struct pd_batch *batch, uint64_t offset,
			size_t n, uint8_t **data)
{
	for (int i = 0; i < plan->source_count; i++)
	{
		struct pd_extent *source = decoding->sources[plan->sources[i]];
		struct pd_task *task = &batch->tasks[i].task;

		data[i] = batch->buffer->data + n * (size_t) i;
		task->work = pd_work_read_checked;
		task->buf = data[i];
		task->n = n;
		task->offset = offset;
		if (source == NULL)
			continue;
		task->extent = pd_extent_ref(source);
		task->drive = pd_extent_drive(source);
		if (pd_drive_is_remote(task->drive))
			batch->tasks[i].drive = pd_peers_drive(decoding->cell, pd_drive_uuid(task->drive));
		atomic_fetch_add(&decoding->cell->decode_read_bytes, n);
	}
	pd_batch_start(batch, decoding->class);
}

/* Waits for the plan's sources. *again: one of them failed, or is too slow, and another set may do. */
static pk_error
end_reads(struct decoding *decoding, const struct pd_decode_plan *plan, struct pd_batch *batch, bool *again,
		  struct pd_err *err)
{
	bool full = false;
	pk_error rc = PK_OK;

	pd_batch_wait(batch, decoding->hurry);
	for (int i = 0; i < plan->source_count; i++)
	{
		const struct pd_batch_task *task = &batch->tasks[i];
		int p = plan->sources[i];

		if (!pd_batch_ended(batch, i))
		{
			rc = pd_fail(err, PK_ERR_UNAVAILABLE, "member %d of volume %" PRIu64 " is not read in time", p,
						 decoding->volume->volume_id);
			decoding->unreached = true;
			decoding->absent |= UINT32_C(1) << p;
			drop_source(decoding, p);
		}
		else if (task->task.result != PK_OK)
		{
			rc = pd_fail(err, task->task.result, "%s", task->task.err.text);
			full = !note_bad(decoding, p, rc, task->task.err.text) || full;
		}
	}
	*again = rc != PK_OK && !full;
	return rc;
}

/* One piece of what is wanted, to out. */
static pk_error
decode_piece(struct decoding *decoding, const struct pd_decode_plan *plan, uint64_t offset, size_t n,
			 uint8_t *const *out, bool *again, struct pd_err *err)
{
	struct pd_batch *batch = pd_batch_create(decoding->cell, plan->source_count, n * (size_t) plan->source_count);
	uint8_t *data[PK_MEMBERS_MAX];
	pk_error rc;

	if (batch == NULL)
		return pd_fail(err, PK_ERR_NO_MEMORY, "out of memory for decoding");
	start_reads(decoding, plan, batch, offset, n, data);
	rc = end_reads(decoding, plan, batch, again, err);
	if (rc == PK_OK)
	{
		pd_decode(plan, n, data, out);
		atomic_fetch_add(&decoding->cell->decoded_bytes, n * (size_t) plan->wanted_count);
	}
	pd_batch_free(batch);
	return rc;
}

/* Goes on from *done, piece by piece, with one set of sources. *again: it failed by damage that is now known. */
static pk_error
attempt(struct decoding *decoding, uint64_t offset, size_t n, uint8_t *const *out, size_t *done, bool *again,
		struct pd_err *err)
{
	struct pd_decode_plan plan;
	uint8_t *to[PK_MEMBERS_MAX];
	size_t piece = PIECES_BYTES;
	pk_error rc;

	*again = false;
	rc = make_plan(decoding, offset + *done, &plan, err);
	if (rc == PK_OK && plan.source_count > 0)
		piece = PIECES_BYTES / (size_t) plan.source_count / PD_EXTENT_CHUNK * PD_EXTENT_CHUNK;
	while (rc == PK_OK && *done < n)
	{
		size_t part = n - *done < piece ? n - *done : piece;

		for (int i = 0; i < plan.wanted_count; i++)
			to[i] = out[i] + *done;
		rc = decode_piece(decoding, &plan, offset + *done, part, to, again, err);
		if (rc == PK_OK)
			*done += part;
	}
	return rc;
}

static pk_error
decode_whole(struct pd_cell *cell, const struct pd_members *volume, uint32_t avoid, const int *wanted, int wanted_count,
			 uint64_t offset, size_t n, uint8_t *const *out, enum pd_job_class class, struct pd_err *err)
{
	struct decoding decoding = {.cell = cell, .volume = volume, .avoid = avoid, .absent = avoid};
	size_t done = 0;
	bool again = true;
	pk_error rc;

	decoding.wanted = wanted;
	decoding.wanted_count = wanted_count;
	decoding.class = class;
	decoding.hurry = class == PD_JOB_LIVE;
	rc = pd_matrix_init(&decoding.matrix, &volume->code);
	if (rc != PK_OK)
		return pd_fail(err, rc, "volume %" PRIu64 " has a code that is not built", volume->volume_id);
	while (again)
		rc = attempt(&decoding, offset, n, out, &done, &again, err);
	for (int p = 0; p < volume->count; p++)
		drop_source(&decoding, p);
	for (int i = 0; i < decoding.bad_count; i++)
		pd_extent_unref(decoding.bad[i]);
	return rc;
}

pk_error
pd_decode_range(struct pd_cell *cell, const struct pd_members *volume, uint32_t avoid, const int *wanted,
				int wanted_count, uint64_t offset, size_t n, uint8_t *const *out, enum pd_job_class class,
				struct pd_err *err)
{
	uint32_t wanted_mask = 0;
	pk_error rc;

	for (int i = 0; i < wanted_count; i++)
		wanted_mask |= UINT32_C(1) << wanted[i];
	rc = decode_whole(cell, volume, avoid | wanted_mask, wanted, wanted_count, offset, n, out, class, err);
	if (rc == PK_OK || rc == PK_ERR_NO_MEMORY || rc == PK_ERR_UNSUPPORTED)
		return rc;

	/* damage in different places of many members: each chunk has its own sources, a wanted member's own good chunks among them */
	for (size_t done = 0; done < n; done += PD_EXTENT_CHUNK)
	{
		uint8_t *part[PK_MEMBERS_MAX];
		size_t part_n = n - done < PD_EXTENT_CHUNK ? n - done : PD_EXTENT_CHUNK;

		for (int i = 0; i < wanted_count; i++)
			part[i] = out[i] + done;
		rc = decode_whole(cell, volume, avoid, wanted, wanted_count, offset + done, part_n, part, class, err);
		if (rc != PK_OK)
			return rc;
	}
	return PK_OK;
}
