/*
 * sync.c
 *	  Cursors and changes: how a client follows a namespace.
 *
 * A cursor begins with a listing: the tree as it was when the cursor was made,
 * told as the journal rows that were the last of their files then.  After it
 * comes the journal.  Both go forward by jid, so that a cursor is one position,
 * and what is told twice is told alike: whoever applies rows as they come has a
 * valid tree after each of them.
 *
 * Who does not own the namespace is told of what he may read, as far as he may
 * read the folders above it too: lists count as they are now, along the tree as
 * the row had it.  When what he may read changes (a list, or a move across its
 * bounds) he begins anew.  Beside that no file is told that he may not read any
 * more where it is now.
 */
#include "files/files.h"

#include "access/access.h"
#include "base/guc.h"
#include "access/htup_details.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "contract/pk_limits.h"
#include "placement/placement.h"
#include "types/cursor.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

PG_FUNCTION_INFO_V1(pocket_first_cursor);
PG_FUNCTION_INFO_V1(pocket_latest_cursor);
PG_FUNCTION_INFO_V1(pocket_changes);

#define CHANGES_MAX 10000
#define BATCH_ROWS 200
#define BATCH_ROWS_MIN 16
#define OP_RESET "reset"

/* op, the columns of a revision, parent_id, name, next */
#define COLUMN_COUNT (POCKET_REVISION_COLUMN_COUNT + 4)

typedef struct Row
{
	PocketState state;
	char *op;
	bool tell;
} Row;

typedef struct Reader
{
	ReturnSetInfo *result; /* NULL: only whether there is something is asked */
	PocketNamespace ns;
	PocketCursor *cursor; /* moves along; what a row gives as next */
	pk_cursor_item *item; /* in it */
	int64 told;
	int64 max;
	HeapTuple held; /* the row told last: it gets the cursor that stands behind all that was passed by after it */
	HTAB *folders;	/* told before their turn in this page, because something below them was */
	int64 near_id;	/* the folder whose path is known; 0: none */
	char *near_path;
	uint8 near_rights; /* on it, and whether all above it may be read */
	bool near_shown;
	bool is_deletion;	  /* the row that the journal has come to */
	PocketPolicy *policy; /* NULL: all is the caller's own */
	bool reset;			  /* behind the rows told, the caller has to begin anew */
	MemoryContext page;	  /* what lasts to its end */
	MemoryContext batch;  /* rows of one query */
	MemoryContext row;	  /* making one row */
} Reader;

/* --- cursors --- */

static PocketCursor *
new_cursor(int64 ns_id)
{
	PocketCursor *cursor = pocket_cursor_make(1);
	PocketCell cell;

	pocket_cell_identity(&cell);
	memcpy(cursor->head.cell, cell.uuid, PK_UUID_SIZE);
	cursor->head.incarnation = cell.epoch.incarnation;
	cursor->items[0].ns_id = ns_id;
	cursor->items[0].jid = pocket_journal_end(ns_id);
	if (!pocket_journal_time(ns_id, cursor->items[0].jid, &cursor->items[0].at))
		ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED),
						errmsg("the journal of namespace " INT64_FORMAT " does not end where its head says", ns_id)));
	return cursor;
}

/* {first,latest}_cursor(namespace) */
static Datum
make_cursor(FunctionCallInfo fcinfo, bool latest)
{
	char *name = PG_ARGISNULL(0) ? pocket_namespace : text_to_cstring(PG_GETARG_TEXT_PP(0));
	PocketSession session;
	PocketNamespace ns;
	PocketCursor *cursor;
	MemoryContext old;

	if (name == NULL || name[0] == '\0')
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("no namespace is named"),
						errhint("Give its name, or set pocket.namespace.")));
	pocket_enter(&session);
	pocket_namespace_open(&ns, name, pocket_caller(&session, fcinfo->flinfo->fn_oid), false);
	pocket_check_root(&ns, PK_RIGHT_READ);
	old = MemoryContextSwitchTo(session.result_context);
	cursor = new_cursor(ns.ns_id);
	MemoryContextSwitchTo(old);
	if (latest)
		cursor->items[0].listed = cursor->items[0].jid;
	pocket_leave(&session);
	PG_RETURN_POINTER(cursor);
}

Datum
pocket_first_cursor(PG_FUNCTION_ARGS)
{
	return make_cursor(fcinfo, false);
}

Datum
pocket_latest_cursor(PG_FUNCTION_ARGS)
{
	return make_cursor(fcinfo, true);
}

/*
 * A cursor is of this journal when the row that it stands on is: the time of a row is its mark.  After a restore to an
 * earlier moment another row may have the number.  From before what retention keeps not all changes are there any more,
 * even if the row is.
 */
static bool
cursor_holds(const PocketCursor *cursor)
{
	const pk_cursor_item *item = &cursor->items[0];
	PocketCell cell;
	TimestampTz at;

	pocket_cell_identity(&cell);
	return memcmp(cursor->head.cell, cell.uuid, PK_UUID_SIZE) == 0 &&
		   cursor->head.incarnation == cell.epoch.incarnation && pocket_journal_time(item->ns_id, item->jid, &at) &&
		   at == item->at && item->jid >= pocket_journal_kept(item->ns_id, NULL, false);
}

/* A standby that lags, or a snapshot that is kept, may not have come as far as the cursor: that is no other journal. */
static bool
is_ahead(const PocketCursor *cursor)
{
	return (RecoveryInProgress() || IsolationUsesXactSnapshot()) &&
		   cursor->items[0].jid > pocket_journal_end(cursor->items[0].ns_id);
}

void
pocket_cursor_open(const PocketCursor *cursor, PocketNamespace *ns, PocketCaller *caller)
{
	if (cursor->count != 1)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("the cursor reads %d namespaces, not one", cursor->count)));
	if (!pocket_namespace_find(ns, cursor->items[0].ns_id, caller) ||
		(pocket_root_rights(ns, false) & PK_RIGHT_READ) == 0)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("the cursor's namespace does not exist")));
}

/* --- rows --- */

static void
put_held(Reader *reader)
{
	if (reader->held == NULL)
		return;
	tuplestore_puttuple(reader->result->setResult, reader->held);
	heap_freetuple(reader->held);
	reader->held = NULL;
}

static void
hold_row(Reader *reader, const Row *row, const char *path)
{
	Datum values[COLUMN_COUNT];
	bool nulls[COLUMN_COUNT] = {false};

	values[0] = CStringGetTextDatum(row->op);
	pocket_result_columns(values + 1, nulls + 1, &row->state, path, row->op);
	values[COLUMN_COUNT - 3] = Int64GetDatum(row->state.parent_id);
	values[COLUMN_COUNT - 2] = CStringGetTextDatum(row->state.name);
	values[COLUMN_COUNT - 1] = PointerGetDatum(reader->cursor);
	MemoryContextSwitchTo(reader->page);
	reader->held = heap_form_tuple(reader->result->setDesc, values, nulls);
}

/* What was passed by behind the last row has nothing for anybody: whoever comes back need not see it again. */
static void
put_last(Reader *reader)
{
	int column = COLUMN_COUNT;
	Datum value = PointerGetDatum(reader->cursor);
	bool is_null = false;

	if (reader->held != NULL)
		reader->held = heap_modify_tuple_by_cols(reader->held, reader->result->setDesc, 1, &column, &value, &is_null);
	put_held(reader);
}

/* The client forgets what it has, and begins with the cursor that it is given. */
static void
put_reset(const Reader *reader)
{
	Datum values[COLUMN_COUNT] = {0};
	bool nulls[COLUMN_COUNT];

	memset(nulls, true, sizeof(nulls));
	values[0] = CStringGetTextDatum(OP_RESET);
	values[1] = Int64GetDatum(reader->ns.ns_id);
	values[COLUMN_COUNT - 1] = PointerGetDatum(new_cursor(reader->ns.ns_id));
	nulls[0] = nulls[1] = nulls[COLUMN_COUNT - 1] = false;
	tuplestore_putvalues(reader->result->setResult, reader->result->setDesc, values, nulls);
}

static bool
find_above(const Reader *reader, int64 file_id, int64 jid, Row *above)
{
	CHECK_FOR_INTERRUPTS();
	return pocket_journal_as_of(&above->state, &above->op, reader->ns.ns_id, file_id, jid, false);
}

static void
above_at(const Reader *reader, int64 file_id, int64 jid, Row *above)
{
	if (!find_above(reader, file_id, jid, above))
		ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED),
						errmsg("folder " INT64_FORMAT " of namespace \"%s\" is not in the journal", file_id,
							   reader->ns.name)));
}

/* One folder further down; the root is where this begins. */
static void
enter_folder(Reader *reader, uint8 above, struct varlena *acl)
{
	if (reader->policy == NULL)
		return;
	reader->near_rights = pocket_rights_below(reader->ns.caller, above, acl, false);
	reader->near_shown = reader->near_shown && (reader->near_rights & PK_RIGHT_READ) != 0;
}

/*
 * A folder on the way to the root.  A purge deletes what is in a folder that was deleted long before, or makes deletions of
 * all that a folder was: retention may let go of its rows before those of what was in it.
 */
static void
folder_at(const Reader *reader, int64 folder_id, int64 jid, Row *folder)
{
	if (!reader->is_deletion)
		above_at(reader, folder_id, jid, folder);
	else if (!find_above(reader, folder_id, jid, folder))
		pocket_state_init(&folder->state, POCKET_FOLDER, POCKET_ROOT_ID, pocket_purged_name(folder_id));
}

/* Looks at a folder as it was when the journal ended at jid: its path, and whether it is shown. */
static void
look_at_folder(Reader *reader, int64 folder_id, int64 jid)
{
	List *folders = NIL;
	ListCell *cell;
	StringInfoData path;

	if (folder_id == reader->near_id)
		return;
	for (int64 id = folder_id; id != POCKET_ROOT_ID;)
	{
		Row *above = palloc(sizeof(Row));

		folder_at(reader, id, jid, above);
		folders = lcons(above, folders);
		id = above->state.parent_id;
	}
	initStringInfo(&path);
	appendStringInfoString(&path, folders == NIL ? pocket_path_base(&reader->ns) : reader->ns.prefix);
	reader->near_shown = true;
	enter_folder(reader, 0, reader->ns.base_acl);
	foreach (cell, folders)
	{
		const Row *folder = lfirst(cell);

		appendStringInfo(&path, "/%s", folder->state.name);
		enter_folder(reader, reader->near_rights, folder->state.acl);
	}
	if (reader->near_path != NULL)
		pfree(reader->near_path);
	reader->near_path = MemoryContextStrdup(reader->page, path.data);
	reader->near_id = folder_id;
}

/* Whether an entry was where the caller may read it, when the journal ended at jid. */
static bool
is_placed_in_view(Reader *reader, const PocketState *state, int64 jid)
{
	MemoryContext outer;

	if (reader->policy == NULL)
		return true;
	outer = MemoryContextSwitchTo(reader->row);
	look_at_folder(reader, state->parent_id, jid);
	MemoryContextSwitchTo(outer);
	MemoryContextReset(reader->row);
	return reader->near_shown &&
		   (pocket_rights_below(reader->ns.caller, reader->near_rights, state->acl, false) & PK_RIGHT_READ) != 0;
}

/* Folders are told as they were placed, so that what is in them has its place; files only while they may be read. */
static bool
is_in_view(Reader *reader, const PocketState *state, int64 jid)
{
	if (reader->policy == NULL)
		return true;
	return is_placed_in_view(reader, state, jid) &&
		   (state->kind == POCKET_FOLDER ||
			(pocket_policy_rights(reader->policy, reader->ns.ns_id, state->file_id) & PK_RIGHT_READ) != 0);
}

/* Whether a row has brought an entry into the caller's view, with what is below it, or out of it. */
static bool
crosses_view(Reader *reader, const Row *row)
{
	Row before;
	bool was;

	if (reader->policy == NULL || strcmp(row->op, POCKET_OP_MOVED) != 0)
		return false;
	above_at(reader, row->state.file_id, row->state.rev - 1, &before);
	reader->near_id = 0;
	was = is_placed_in_view(reader, &before.state, row->state.rev - 1);
	reader->near_id = 0;
	return was != is_placed_in_view(reader, &row->state, row->state.rev);
}

/* jid: where the journal ended when the row's path was what is told */
static void
tell(Reader *reader, const Row *row, int64 jid)
{
	MemoryContext outer;

	if (!is_in_view(reader, &row->state, jid))
		return;
	reader->told++;
	if (reader->result == NULL)
		return;
	put_held(reader);
	outer = MemoryContextSwitchTo(reader->row);
	look_at_folder(reader, row->state.parent_id, jid);
	hold_row(reader, row, pocket_path_join(reader->near_path, row->state.name));
	MemoryContextSwitchTo(outer);
	MemoryContextReset(reader->row);
}

/* --- the listing --- */

/* The folders above a row that come after it in the journal, the highest first: they were moved or changed later. */
static List *
later_folders(Reader *reader, const Row *row)
{
	List *folders = NIL;
	int64 id = row->state.parent_id;

	while (id != POCKET_ROOT_ID)
	{
		Row *above = palloc(sizeof(Row));

		if (hash_search(reader->folders, &id, HASH_FIND, NULL) != NULL)
			break;
		above_at(reader, id, reader->item->jid, above);
		if (above->state.rev < row->state.rev)
			break; /* told, and so is all above it */
		folders = lcons(above, folders);
		id = above->state.parent_id;
	}
	return folders;
}

/* The row with what must come before it; false when the page has no room for all of that. A page has at least one. */
static bool
tell_listed(Reader *reader, const Row *row)
{
	List *folders;
	ListCell *cell;

	if (hash_search(reader->folders, &row->state.file_id, HASH_FIND, NULL) != NULL ||
		!is_in_view(reader, &row->state, reader->item->jid))
		return true;
	folders = later_folders(reader, row);
	if (reader->told > 0 && reader->told + list_length(folders) + 1 > reader->max)
		return false;
	foreach (cell, folders)
	{
		const Row *above = lfirst(cell);

		(void) hash_search(reader->folders, &above->state.file_id, HASH_ENTER, NULL);
		tell(reader, above, reader->item->jid);
	}
	reader->item->listed = row->state.rev;
	tell(reader, row, reader->item->jid);
	return true;
}

/* Copies what a query of the journal found. */
static Row *
read_rows(uint64 count)
{
	Row *rows = palloc(sizeof(Row) * Max(count, 1));

	for (uint64 i = 0; i < count; i++)
	{
		pocket_state_read(&rows[i].state, i, false);
		rows[i].op = pocket_column_text(i, POCKET_JOURNAL_OP_COLUMN);
		rows[i].tell = rows[i].state.file_id != POCKET_ROOT_ID && pocket_column_bool(i, POCKET_JOURNAL_TELL_COLUMN);
	}
	pocket_free_rows();
	return rows;
}

/* Not all that is read is told: so a little more is read than is wanted. */
static int64
window(const Reader *reader)
{
	return Min(Max(reader->max - reader->told, BATCH_ROWS_MIN), BATCH_ROWS);
}

static void
read_listing(Reader *reader)
{
	while (reader->told < reader->max && reader->item->listed < reader->item->jid)
	{
		int64 wanted = window(reader);
		uint64 count;
		Row *rows;

		MemoryContextReset(reader->batch);
		count = pocket_journal_tree(reader->ns.ns_id, reader->item->jid, reader->item->listed, wanted);
		rows = read_rows(count);
		for (uint64 i = 0; i < count; i++)
		{
			if (reader->told >= reader->max)
				return;
			if (rows[i].tell && !tell_listed(reader, &rows[i]))
			{
				reader->max = reader->told;
				return;
			}
			reader->item->listed = rows[i].state.rev;
		}
		if (count < (uint64) wanted)
			reader->item->listed = reader->item->jid;
	}
}

/* --- the journal --- */

static void
read_journal(Reader *reader)
{
	uint64 count;
	int64 wanted;

	reader->near_id = 0;
	do
	{
		Row *rows;

		MemoryContextReset(reader->batch);
		wanted = window(reader);
		count = pocket_journal_after(reader->ns.ns_id, reader->item->jid, wanted);
		rows = read_rows(count);
		for (uint64 i = 0; i < count && reader->told < reader->max; i++)
		{
			const PocketState *state = &rows[i].state;

			reader->is_deletion = strcmp(rows[i].op, POCKET_OP_DELETED) == 0;
			if (crosses_view(reader, &rows[i]))
			{
				reader->reset = true;
				return;
			}
			reader->item->jid = reader->item->listed = state->rev;
			reader->item->at = state->at;
			if (state->kind == POCKET_FOLDER)
				reader->near_id = 0; /* it or one below it may be called otherwise from here on */
			if (rows[i].tell)
				tell(reader, &rows[i], state->rev);
		}
	} while (reader->told < reader->max && count == (uint64) wanted);
}

static void
read_page(Reader *reader)
{
	HASHCTL control = {.keysize = sizeof(int64), .entrysize = sizeof(int64), .hcxt = CurrentMemoryContext};
	MemoryContext outer = CurrentMemoryContext;

	reader->folders = hash_create("folders told early", 64, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	reader->page = AllocSetContextCreate(outer, "page of changes", ALLOCSET_DEFAULT_SIZES);
	reader->batch = AllocSetContextCreate(reader->page, "batch of changes", ALLOCSET_DEFAULT_SIZES);
	reader->row = AllocSetContextCreate(reader->page, "row of changes", ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(reader->page);
	if (!reader->ns.is_owned)
		reader->policy = pocket_policy(reader->ns.caller, false);
	MemoryContextSwitchTo(reader->batch);
	/* what is told is judged by the lists of now, which must be those of the rows */
	if (reader->policy != NULL && pocket_journal_shared_after(reader->ns.ns_id, reader->item->jid))
		reader->reset = true;
	else
	{
		read_listing(reader);
		if (reader->told < reader->max)
			read_journal(reader);
	}
	MemoryContextSwitchTo(reader->page);
	put_last(reader);
	MemoryContextSwitchTo(outer);
	MemoryContextDelete(reader->page);
}

bool
pocket_changes_due(const PocketCursor *cursor, const PocketNamespace *ns)
{
	Reader reader = {.ns = *ns, .max = 1};

	if (is_ahead(cursor))
		return false;
	if (!cursor_holds(cursor))
		return true;
	reader.cursor = palloc(VARSIZE(cursor));
	memcpy(reader.cursor, cursor, VARSIZE(cursor));
	reader.item = &reader.cursor->items[0];
	read_page(&reader);
	return reader.told > 0 || reader.reset;
}

/* changes(cursor, max) */
Datum
pocket_changes(PG_FUNCTION_ARGS)
{
	Reader *reader = palloc0(sizeof(Reader));
	PocketSession session;

	pocket_check_not_null(fcinfo, 0, "cursor");
	pocket_check_not_null(fcinfo, 1, "max");
	reader->max = PG_GETARG_INT32(1);
	if (reader->max < 1 || reader->max > CHANGES_MAX)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("max must be between 1 and %d", CHANGES_MAX)));
	reader->cursor = (PocketCursor *) PG_DETOAST_DATUM_COPY(PG_GETARG_DATUM(0));
	reader->item = &reader->cursor->items[0];
	InitMaterializedSRF(fcinfo, 0);
	reader->result = (ReturnSetInfo *) fcinfo->resultinfo;

	pocket_enter(&session);
	pocket_cursor_open(reader->cursor, &reader->ns, pocket_caller(&session, fcinfo->flinfo->fn_oid));
	if (is_ahead(reader->cursor))
		; /* nothing is there yet */
	else if (cursor_holds(reader->cursor))
		read_page(reader);
	else
		reader->reset = true;
	/* what is told before it comes in a page of its own */
	if (reader->reset && reader->told == 0)
		put_reset(reader);
	pocket_leave(&session);
	return (Datum) 0;
}
