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
#include "utils/builtins.h"
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
	if (POCKET_IS_FOLDER(current->kind))
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

/* A suffix is short: an author is a role, of NAMEDATALEN - 1 bytes at most. */
#define NUMBER_SIZE_MAX ((int) sizeof(" 2147483647") - 1)
StaticAssertDecl(sizeof(" (conflicted copy from  on 2000000-01-01)") + NAMEDATALEN + NUMBER_SIZE_MAX +
						 EXTENSION_SIZE_MAX <
					 PK_NAME_SIZE_MAX,
				 "a conflicted copy's name has room for some of the name");

/* What the names of all copies begin with: the name, cut when a copy's would be too long, and the suffix. */
static char *
copy_stem(const char *name, const char *suffix)
{
	Size stem = extension_at(name);
	Size room = PK_NAME_SIZE_MAX - NUMBER_SIZE_MAX - strlen(suffix) - strlen(name + stem);

	if (stem > room)
	{
		/* at the beginning of a character */
		for (stem = room; stem > 0 && ((unsigned char) name[stem] & 0xc0) == 0x80;)
			stem--;
	}
	return psprintf("%.*s%s", (int) stem, name, suffix);
}

/* Where a copy may come to be. */
typedef struct Place
{
	const PocketNamespace *ns;
	const PocketSpot *current; /* what it comes to be beside */
	PocketFolder folder;
	const char *stem;
	const char *extension;
} Place;

static void
look(const Place *place, char *name, PocketSpot *copy)
{
	PocketPath path = {.namespace_name = place->ns->name, .names = &name, .depth = 1};

	CHECK_FOR_INTERRUPTS();
	pocket_resolve(copy, place->ns, &path, &place->folder, true, false);
	copy->steps = place->current->steps;
	copy->step_count = place->current->step_count;
}

/* The n-th name; whether it is taken. */
static bool
is_taken(const Place *place, int n, char **name, PocketSpot *copy)
{
	*name = n == 1 ? psprintf("%s%s", place->stem, place->extension)
				   : psprintf("%s %d%s", place->stem, n, place->extension);
	look(place, *name, copy);
	return copy->exists || copy->is_hidden;
}

/*
 * A copy that has this very content already: a client that repeats what it did
 * not see succeed gets that one.  Its name, or NULL.
 */
static char *
find_same(const Place *place, const PocketPut *put)
{
	/* with journal_copy's condition, so that it serves; a stem ends in ')', behind which comes '*' */
	static PocketPlan find = {
		"SELECT j.name FROM pocket_data.journal j CROSS JOIN LATERAL (SELECT FROM pocket_data.entry e"
		" WHERE e.ns_id = j.ns_id AND e.file_id = j.file_id AND e.rev = j.jid LIMIT 1) e"
		" WHERE j.ns_id = $1 AND j.parent_id = $2"
		" AND j.content_hash OPERATOR(pocket.=) $3 AND j.name_key LIKE '%(conflicted copy from %'"
		" AND j.name_key >= $4 AND j.name_key < pg_catalog.rtrim($4, ')') || '*'"
		" AND pg_catalog.ltrim(pg_catalog.substr(j.name_key, pg_catalog.length($4) + 1), ' 0123456789') = $5"
		" AND j.kind = 'file' AND ($6 IS NULL OR j.mtime = $6) AND ($7 IS NULL OR j.attributes = $7) LIMIT 1",
		"int8 int8 pocket.sha256 text text timestamptz jsonb", NULL, NULL};
	Datum values[7] = {Int64GetDatum(place->folder.ns_id),
					   Int64GetDatum(place->current->parent_id),
					   PointerGetDatum(&put->content_hash),
					   CStringGetTextDatum(pocket_key(place->ns, place->stem)),
					   CStringGetTextDatum(pocket_key(place->ns, place->extension)),
					   TimestampTzGetDatum(put->mtime),
					   PointerGetDatum(put->attributes)};
	char nulls[] = {' ', ' ', ' ', ' ', ' ', put->has_mtime ? ' ' : 'n', put->attributes != NULL ? ' ' : 'n'};
	char *name = pocket_write(&find, values, nulls) == 1 ? pocket_column_text(0, 1) : NULL;

	pocket_free_rows();
	return name;
}

/* A name that is free, where the one before it is not: found by a few looks, however many are taken. */
static char *
find_free(const Place *place, PocketSpot *copy)
{
	int taken = 0;
	int free = 1;
	char *name;

	while (is_taken(place, free, &name, copy))
	{
		taken = free;
		free *= 2;
	}
	while (free - taken > 1)
	{
		int middle = taken + (free - taken) / 2;

		if (is_taken(place, middle, &name, copy))
			taken = middle;
		else
			free = middle;
	}
	(void) is_taken(place, free, &name, copy);
	return name;
}

static void
find_place(PocketSpot *copy, const PocketNamespace *ns, const PocketPut *put, const PocketSpot *current,
		   const char *suffix)
{
	const char *kept = current->state.name;
	PocketStep here = {.file_id = current->parent_id, .rights = current->steps[current->step_count - 1].rights};
	Place place = {
		.ns = ns, .current = current, .stem = copy_stem(kept, suffix), .extension = kept + extension_at(kept)};
	char *name;

	place.folder = (PocketFolder){.ns_id = ns->ns_id, .steps = &here, .depth = 0};
	place.folder.path = pocket_path_folder(current->path);
	name = find_same(&place, put);
	if (name != NULL)
	{
		look(&place, name, copy);
		/* one that the caller may not read is none */
		if (copy->exists)
			return;
	}
	name = find_free(&place, copy);
	pocket_state_init(&copy->state, POCKET_FILE, current->parent_id, name);
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
