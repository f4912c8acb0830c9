/*
 * volume/decode.c
 *	  A range of some members of a coded volume, from others.
 *
 * Only the members that a plan needs are looked for and read; where one is not there, or turns out damaged, another
 * plan is made without it.  Every source is held against its checksums, and against the length that the
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
	uint32_t absent; /* positions that are not to be used, or have no extent that is good */
	enum pd_job_class class;
	int bad_count;
	struct pd_extent *bad[PK_MEMBERS_MAX * 2]; /* counted; failed this range */
	struct pd_extent *sources[PK_MEMBERS_MAX]; /* counted, by position; those that were looked for */
};

static bool
is_bad(const struct decoding *decoding, const struct pd_extent *extent)
{
	for (int i = 0; i < decoding->bad_count; i++)
	{
		if (decoding->bad[i] == extent)
			return true;
	}
	return false;
}

/* A sealed extent of member p with the right length that has not failed, or NULL. */
static struct pd_extent *
find_source(struct decoding *decoding, int p)
{
	const struct pd_members *volume = decoding->volume;
	const struct pd_member *member = &volume->member[p];
	bool parity = p >= volume->code.k;
	uint64_t length = parity ? pd_members_parity_length(volume) : member->length;
	struct pd_extent *found[PK_MEMBERS_MAX];
	struct pd_extent *source = NULL;
	int count =
		pd_cell_extents_kept(decoding->cell, parity ? PK_EXTENT_PARITY : PK_EXTENT_BUCKET,
							 parity ? volume->volume_id : member->bucket_id, parity ? p : 0, found, PK_MEMBERS_MAX);

	for (int i = 0; i < count; i++)
	{
		struct pd_extent_info info;

		pd_extent_info(found[i], &info);
		if (source == NULL && info.sealed && info.length == length && !is_bad(decoding, found[i]))
			source = found[i];
		else
			pd_extent_unref(found[i]);
	}
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
	bool found = true;

	for (int i = 0; i < plan->source_count; i++)
	{
		int p = plan->sources[i];

		if (decoding->sources[p] != NULL || pd_member_virtual(decoding->volume, p))
			continue;
		decoding->sources[p] = find_source(decoding, p);
		if (decoding->sources[p] != NULL)
			continue;
		decoding->absent |= UINT32_C(1) << p;
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

		if (rc != PK_OK)
			return pd_fail(err, rc, "volume %" PRIu64 ": too few members can be read at offset %" PRIu64,
						   decoding->volume->volume_id, offset);
	} while (!find_sources(decoding, plan));
	return PK_OK;
}

static bool
note_bad(struct decoding *decoding, int p, const char *problem)
{
	pd_cell_report_extent(decoding->cell, decoding->sources[p], problem);
	if (decoding->bad_count == (int) (sizeof(decoding->bad) / sizeof(decoding->bad[0])))
		return false;
	decoding->bad[decoding->bad_count++] = pd_extent_ref(decoding->sources[p]);
	drop_source(decoding, p);
	return true;
}

/* Reads n bytes of the plan's sources at once. *damaged: one of them failed, and another set may do. */
static pk_error
read_sources(struct decoding *decoding, const struct pd_decode_plan *plan, uint64_t offset, size_t n, uint8_t **data,
			 bool *damaged, struct pd_err *err)
{
	struct pd_task tasks[PK_MEMBERS_MAX] = {0};
	pk_error rc;

	for (int i = 0; i < plan->source_count; i++)
	{
		tasks[i].work = pd_work_read_checked;
		tasks[i].extent = decoding->sources[plan->sources[i]];
		tasks[i].drive = tasks[i].extent != NULL ? pd_extent_drive(tasks[i].extent) : NULL;
		tasks[i].buf = data[i];
		tasks[i].n = n;
		tasks[i].offset = offset;
		if (tasks[i].extent != NULL)
			atomic_fetch_add(&decoding->cell->decode_read_bytes, n);
	}
	rc = pd_tasks_run(tasks, plan->source_count, decoding->class, err);
	*damaged = rc != PK_OK;
	for (int i = 0; i < plan->source_count; i++)
	{
		if (tasks[i].result != PK_OK && !note_bad(decoding, plan->sources[i], tasks[i].err.text))
			*damaged = false;
	}
	return rc;
}

/* Goes on from *done, piece by piece, with one set of sources. *again: it failed by damage that is now known. */
static pk_error
attempt(struct decoding *decoding, uint64_t offset, size_t n, uint8_t *const *out, uint8_t *pieces, size_t *done,
		bool *again, struct pd_err *err)
{
	struct pd_decode_plan plan;
	uint8_t *data[PK_MEMBERS_MAX];
	uint8_t *to[PK_MEMBERS_MAX];
	size_t piece = PIECES_BYTES;
	pk_error rc;

	*again = false;
	rc = make_plan(decoding, offset + *done, &plan, err);
	if (rc == PK_OK && plan.source_count > 0)
		piece = PIECES_BYTES / (size_t) plan.source_count / PD_EXTENT_CHUNK * PD_EXTENT_CHUNK;
	for (int i = 0; rc == PK_OK && i < plan.source_count; i++)
		data[i] = pieces + piece * (size_t) i;
	while (rc == PK_OK && *done < n)
	{
		size_t part = n - *done < piece ? n - *done : piece;

		rc = read_sources(decoding, &plan, offset + *done, part, data, again, err);
		if (rc != PK_OK)
			break;
		for (int i = 0; i < plan.wanted_count; i++)
			to[i] = out[i] + *done;
		pd_decode(&plan, part, data, to);
		atomic_fetch_add(&decoding->cell->decoded_bytes, part * (size_t) plan.wanted_count);
		*done += part;
	}
	return rc;
}

static pk_error
decode_whole(struct pd_cell *cell, const struct pd_members *volume, uint32_t avoid, const int *wanted, int wanted_count,
			 uint64_t offset, size_t n, uint8_t *const *out, enum pd_job_class class, struct pd_err *err)
{
	struct decoding decoding = {.cell = cell, .volume = volume, .absent = avoid};
	struct pd_buffer *pieces;
	size_t done = 0;
	bool again = true;
	pk_error rc;

	decoding.wanted = wanted;
	decoding.wanted_count = wanted_count;
	decoding.class = class;
	rc = pd_matrix_init(&decoding.matrix, &volume->code);
	if (rc != PK_OK)
		return pd_fail(err, rc, "volume %" PRIu64 " has a code that is not built", volume->volume_id);
	pieces = pd_buffer_get(cell->buffers, PIECES_BYTES);
	if (pieces == NULL)
		return pd_fail(err, PK_ERR_NO_MEMORY, "out of memory for decoding");
	while (again)
		rc = attempt(&decoding, offset, n, out, pieces->data, &done, &again, err);
	pd_buffer_put(cell->buffers, pieces);
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
