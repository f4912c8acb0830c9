/*
 * conflict.c
 *	  Content that may not replace what is at its path: it is kept beside it, under
 *	  a name of its own, so that no edit is lost and none is hidden.
 */
#include "files/files.h"

#include "base/error.h"
#include "contract/pk_name.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/datetime.h"
#include "utils/timestamp.h"

/* What follows the last dot of a name and is longer, with the dot, is a part of a sentence, not an extension. */
#define EXTENSION_SIZE_MAX 32

/* Bytes of an author in a name; what is longer is cut. */
#define AUTHOR_SIZE_MAX 63

/*
 * What a client says becomes part of the file's version for ever: half of what a
 * version can be is left to later changes, which could not be made any more.
 */
#define BASE_COUNT_MAX (POCKET_VECTOR_COUNT_MAX / 2)
#define BASE_COUNTER_MAX (PG_INT64_MAX / 2)

void
pocket_check_base(const PocketVersionVector *base)
{
	int32 i;

	if (base->count > BASE_COUNT_MAX)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						errmsg("a base version can have at most %d replicas", BASE_COUNT_MAX),
						errdetail("This one has %d.", base->count)));
	for (i = 0; i < base->count; i++)
	{
		if (base->counters[i].counter > BASE_COUNTER_MAX)
			ereport(ERROR, (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
							errmsg("a counter of a base version can be at most " INT64_FORMAT, BASE_COUNTER_MAX),
							errdetail("That of replica " INT64_FORMAT " is " INT64_FORMAT ".",
									  base->counters[i].replica, base->counters[i].counter)));
	}
}

bool
pocket_put_conflicts(const PocketPut *put, const PocketState *current)
{
	PocketVectorOrder order;

	if (put->mode == POCKET_PUT_ADD)
		return true;
	if (put->base == NULL)
		return false;
	if (current->kind == POCKET_FOLDER)
		return true;
	order = pocket_vector_order(current->version, put->base);
	return order == POCKET_VECTOR_AFTER || order == POCKET_VECTOR_CONCURRENT;
}

/* The author as a part of a name: principals may be called anything, at any length. */
static char *
author_in_name(const char *author)
{
	int length = pg_mbcliplen(author, (int) strlen(author), AUTHOR_SIZE_MAX);
	char *text = pnstrdup(author, (Size) length);
	size_t at;

	for (;;)
	{
		switch (pk_name_check(text, strlen(text), &at))
		{
			case PK_NAME_SLASH:
			case PK_NAME_CONTROL:
			case PK_NAME_ENCODING:
				text[at] = '_';
				break;
			default:
				return text;
		}
	}
}

/*
 * " (conflicted copy from AUTHOR on YYYY-MM-DD)": the day of the journal row in
 * UTC, so that it does not depend on the session's time zone.
 */
static char *
suffix_of(const PocketHead *head, const char *author)
{
	TimestampTz now = Max(head->at, GetCurrentTimestamp());
	struct pg_tm day;
	fsec_t fraction;

	if (timestamp2tm(now, NULL, &day, &fraction, NULL, NULL) != 0)
		elog(ERROR, "time of a journal row is out of range");
	return psprintf(" (conflicted copy from %s on %04d-%02d-%02d)", author_in_name(author), day.tm_year, day.tm_mon,
					day.tm_mday);
}

/* Where the extension of a name begins, with its dot; its end when it has none. */
static Size
extension_at(const char *name)
{
	const char *dot = strrchr(name, '.');
	Size length = strlen(name);

	if (dot == NULL || dot == name || strlen(dot) > EXTENSION_SIZE_MAX)
		return length;
	return (Size) (dot - name);
}

/* The name of the n-th copy, whose stem is cut when the name would be too long. */
static char *
copy_name(const char *name, const char *suffix, int n)
{
	Size stem = extension_at(name);
	const char *extension = name + stem;
	char *rest = n == 1 ? psprintf("%s%s", suffix, extension) : psprintf("%s %d%s", suffix, n, extension);
	Size room = PK_NAME_SIZE_MAX - strlen(rest);

	if (stem > room)
	{
		/* at the beginning of a character */
		for (stem = room; stem > 0 && ((unsigned char) name[stem] & 0xc0) == 0x80;)
			stem--;
	}
	return psprintf("%.*s%s", (int) stem, name, rest);
}

StaticAssertDecl(sizeof(" (conflicted copy from  on 2000000-01-01) 2147483647") + AUTHOR_SIZE_MAX + EXTENSION_SIZE_MAX <
					 PK_NAME_SIZE_MAX,
				 "a conflicted copy's name has room for some of the name");

/*
 * The first name that is free, or that has this very content already: a client
 * that repeats what it did not see succeed gets the same copy.
 */
static void
find_place(PocketSpot *copy, const PocketNamespace *ns, const PocketPut *put, const PocketSpot *current,
		   const char *suffix)
{
	PocketStep here = {.file_id = current->parent_id, .rights = current->steps[current->step_count - 1].rights};
	PocketFolder folder = {.ns_id = ns->ns_id, .steps = &here, .depth = 0};
	int n;

	folder.path = pocket_path_folder(current->path);
	for (n = 1;; n++)
	{
		char *name = copy_name(current->state.name, suffix, n);
		PocketPath path = {.namespace_name = ns->name, .names = &name, .depth = 1};

		CHECK_FOR_INTERRUPTS();
		pocket_resolve(copy, ns, &path, &folder, true, false);
		copy->steps = current->steps;
		copy->step_count = current->step_count;
		if (copy->is_hidden)
			continue;
		if (!copy->exists)
		{
			pocket_state_init(&copy->state, POCKET_FILE, current->parent_id, name);
			return;
		}
		if (pocket_put_same_content(put, &copy->state) && pocket_put_same_metadata(put, &copy->state))
			return;
	}
}

void
pocket_put_aside(PocketHead *head, const PocketNamespace *ns, const PocketPut *put, PocketReceipts *receipts,
				 PocketSpot *spot, const char *author)
{
	PocketSpot copy;

	/* it is something new in the folder */
	if (spot->step_count == 0)
		pocket_denied(ns, &put->path, PK_RIGHT_WRITE);
	if (!ns->is_owned && (~spot->steps[spot->step_count - 1].rights & (PK_RIGHT_READ | PK_RIGHT_WRITE)) != 0)
		pocket_denied(ns, &put->path, PK_RIGHT_WRITE);
	find_place(&copy, ns, put, spot, suffix_of(head, author));
	if (!copy.exists)
		pocket_put_create(head, ns, put, receipts, &copy.state, author);
	else if (!put->is_inline)
		pocket_blocks_hold(ns->ns_id, receipts, put->blocks, put->blocks); /* what was lost, and was brought again */
	ereport(NOTICE, (errcode(pocket_sqlstate(PK_ERR_CONFLICT)),
					 errmsg("the content is kept as a conflicted copy beside \"%s\"", spot->path),
					 errdetail("What is at \"%s\" stays, at version %s.", spot->path,
							   pocket_vector_text(spot->state.version))));
	*spot = copy;
}
