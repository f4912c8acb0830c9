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
 * When the tree's own journal has been told, it is seen what is mounted in it.
 * A mount point that is new to the cursor is told, and from then on the cursor
 * reads what is mounted, too: its listing, and its journal.  The removal of a
 * mount point, or of the right to what is mounted, is told as the mount point's
 * deletion: what is below it goes with it.  So mount points are not told when
 * their rows come by, unless the client has them.  What is below one comes with
 * its own ns_id and file_id; those whose parent_id is the root are in the folder
 * whose attributes name this namespace_id.
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
#define LEVELS_AT_FIRST 16
#define OP_RESET "reset"

/* op, the columns of a revision, parent_id, name, next */
#define COLUMN_COUNT (POCKET_REVISION_COLUMN_COUNT + 4)

typedef struct Row
{
	PocketState state;
	char *op;
	bool tell;
} Row;

/* A mount point of the tree, and what is mounted there. */
typedef struct Mount
{
	PocketState state;
	int64 ns_id;
	PocketNamespace ns;
	bool exists; /* for the caller */
} Mount;
/* A folder on the way to what is told. */
typedef struct Above
{
	int64 file_id;
	int length;	  /* of the path that ends with it */
	uint8 rights; /* on it, and whether it and all above it may be read */
	bool is_shown;
} Above;

typedef struct Reader
{
	ReturnSetInfo *result; /* NULL: only whether there is something is asked */
	PocketNamespace tree;
	PocketNamespace ns;	  /* which is read: the tree, or what is mounted there */
	PocketCursor *cursor; /* moves along; what a row gives as next; has room for all items */
	pk_cursor_item *item; /* in it */
	Mount *mounts;
	int mount_count;
	int64 told;
	int64 max;
	HeapTuple held; /* the row told last: it gets the cursor that stands behind all that was passed by after it */
	HTAB *folders;	/* told before their turn in this page, because something below them was */
	Above *near;	/* the folders from the root to one that was looked at last */
	int depth;
	int room;
	StringInfoData path;  /* of that one */
	PocketPolicy *rules;  /* what the caller may */
	PocketPolicy *policy; /* that; NULL where all is his own */
	bool is_deletion;	  /* the row that the journal has come to */
	bool reset;			  /* behind the rows told, the caller has to begin anew */
	MemoryContext page;	  /* what lasts to its end */
	MemoryContext batch;  /* rows of one query */
	MemoryContext row;	  /* making one row */
} Reader;

/* --- cursors --- */

static void
begin_item(pk_cursor_item *item, int64 ns_id)
{
	item->ns_id = ns_id;
	item->listed = 0;
	item->jid = pocket_journal_end(ns_id);
	if (!pocket_journal_time(ns_id, item->jid, &item->at))
		ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED),
						errmsg("the journal of namespace " INT64_FORMAT " does not end where its head says", ns_id)));
}

static PocketCursor *
new_cursor(int64 ns_id)
{
	PocketCursor *cursor = pocket_cursor_make(1);
	PocketCell cell;

	pocket_cell_identity(&cell);
	memcpy(cursor->head.cell, cell.uuid, PK_UUID_SIZE);
	cursor->head.incarnation = cell.epoch.incarnation;
	begin_item(&cursor->items[0], ns_id);
	return cursor;
}

static PocketCursor *last_cursor(const PocketNamespace *tree);

/* {first,latest}_cursor(namespace) */
static Datum
make_cursor(FunctionCallInfo fcinfo, bool latest)
{
	char *name = PG_ARGISNULL(0) ? pocket_namespace : text_to_cstring(PG_GETARG_TEXT_PP(0));
	PocketSession session;
	PocketNamespace ns;
	PocketCursor *cursor;
	PocketCursor *result;

	if (name == NULL || name[0] == '\0')
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("no namespace is named"),
						errhint("Give its name, or set pocket.namespace.")));
	pocket_enter(&session);
	pocket_namespace_open(&ns, name, pocket_caller(&session, fcinfo->flinfo->fn_oid), false);
	pocket_check_root(&ns, PK_RIGHT_READ);
	cursor = latest ? last_cursor(&ns) : new_cursor(ns.ns_id);
	result = MemoryContextAlloc(session.result_context, VARSIZE(cursor));
	memcpy(result, cursor, VARSIZE(cursor));
	pocket_leave(&session);
	PG_RETURN_POINTER(result);
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
item_holds(const pk_cursor_item *item)
{
	TimestampTz at;

	return pocket_journal_time(item->ns_id, item->jid, &at) && at == item->at &&
		   item->jid >= pocket_journal_kept(item->ns_id, NULL, false);
}

static bool
cursor_holds(const PocketCursor *cursor)
{
	PocketCell cell;

	pocket_cell_identity(&cell);
	return memcmp(cursor->head.cell, cell.uuid, PK_UUID_SIZE) == 0 &&
		   cursor->head.incarnation == cell.epoch.incarnation && item_holds(&cursor->items[0]);
}

/* A standby that lags, or a snapshot that is kept, may not have come as far as the cursor: that is no other journal. */
static bool
is_ahead(const pk_cursor_item *item)
{
	return (RecoveryInProgress() || IsolationUsesXactSnapshot()) && item->jid > pocket_journal_end(item->ns_id);
}

void
pocket_cursor_open(const PocketCursor *cursor, PocketNamespace *ns, PocketCaller *caller)
{
	if (cursor->count < 1)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("the cursor reads no namespace")));
	if (!pocket_namespace_find(ns, cursor->items[0].ns_id, caller, false) ||
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
	values[1] = Int64GetDatum(reader->tree.ns_id);
	values[COLUMN_COUNT - 1] = PointerGetDatum(new_cursor(reader->tree.ns_id));
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

/* How far down the way to the folder that was told of last this one is; 0: it is not on it. */
static int
find_near(const Reader *reader, int64 file_id)
{
	int depth = reader->depth;

	while (depth > 0 && reader->near[depth - 1].file_id != file_id)
		depth--;
	return depth;
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

static void
enter_folder(Reader *reader, int64 file_id, const char *name, struct varlena *acl)
{
	const Above *above = reader->depth > 0 ? &reader->near[reader->depth - 1] : NULL;
	Above folder = {.file_id = file_id, .rights = PK_RIGHTS_ALL, .is_shown = true};

	if (reader->policy != NULL)
	{
		folder.rights = pocket_rights_below(reader->ns.caller, above == NULL ? 0 : above->rights, acl, false);
		folder.is_shown = (above == NULL || above->is_shown) && (folder.rights & PK_RIGHT_READ) != 0;
	}
	if (reader->depth == reader->room)
	{
		reader->room *= 2;
		reader->near = repalloc_huge(reader->near, sizeof(Above) * (Size) reader->room);
	}
	appendStringInfoString(&reader->path, name);
	folder.length = reader->path.len;
	reader->near[reader->depth++] = folder;
}

/*
 * Looks at a folder as it was when the journal ended at jid: its path, and whether
 * it is shown.  Only as far as the way is not that to the last one: a tree may be
 * very deep.
 */
static const Above *
look_at_folder(Reader *reader, int64 folder_id, int64 jid)
{
	List *way = NIL;
	ListCell *cell;
	int depth;

	for (int64 id = folder_id; (depth = find_near(reader, id)) == 0;)
	{
		Row *above = palloc(sizeof(Row));

		folder_at(reader, id, jid, above);
		way = lcons(above, way);
		id = above->state.parent_id;
	}
	reader->depth = depth;
	reader->path.len = reader->near[depth - 1].length;
	reader->path.data[reader->path.len] = '\0';
	foreach (cell, way)
	{
		const Row *above = lfirst(cell);

		appendStringInfoChar(&reader->path, '/');
		enter_folder(reader, above->state.file_id, above->state.name, above->state.acl);
	}
	list_free(way);
	return &reader->near[reader->depth - 1];
}

/* Whether an entry was where the caller may read it, when the journal ended at jid. */
static bool
is_placed_in_view(Reader *reader, const PocketState *state, int64 jid)
{
	MemoryContext outer;
	const Above *folder;

	if (reader->policy == NULL)
		return true;
	outer = MemoryContextSwitchTo(reader->row);
	folder = look_at_folder(reader, state->parent_id, jid);
	MemoryContextSwitchTo(outer);
	MemoryContextReset(reader->row);
	return folder->is_shown &&
		   (pocket_rights_below(reader->ns.caller, folder->rights, state->acl, false) & PK_RIGHT_READ) != 0;
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
	reader->depth = 1; /* the way to where it was, and then to where it is */
	was = is_placed_in_view(reader, &before.state, row->state.rev - 1);
	reader->depth = 1;
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
	(void) look_at_folder(reader, row->state.parent_id, jid);
	hold_row(reader, row, pocket_path_join(reader->path.data, row->state.name));
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
			if (rows[i].tell && rows[i].state.kind != POCKET_MOUNT && !tell_listed(reader, &rows[i]))
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

/* Whether the client has, or shall have, what a row tells of; with a mount point what is mounted goes. */
static bool
is_known(Reader *reader, const Row *row)
{
	int32 place;

	if (row->state.kind != POCKET_MOUNT)
		return row->tell;
	place = pocket_cursor_find(reader->cursor, pocket_mounted_id(&row->state));
	if (place > 0 && strcmp(row->op, POCKET_OP_DELETED) == 0)
		pocket_cursor_drop(reader->cursor, place);
	return place > 0;
}

static void
read_journal(Reader *reader)
{
	uint64 count;
	int64 wanted;
	int depth;

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
			/* it and what is below it may be called otherwise from here on */
			depth = state->kind == POCKET_FOLDER ? find_near(reader, state->file_id) : 0;
			if (depth > 1)
				reader->depth = depth - 1;
			if (is_known(reader, &rows[i]))
				tell(reader, &rows[i], state->rev);
		}
	} while (reader->told < reader->max && count == (uint64) wanted);
}

/* --- what is mounted --- */

/* What is mounted in the tree now. */
static void
find_mounts(Reader *reader)
{
	PocketState *states = pocket_mounts(reader->tree.ns_id, &reader->mount_count);

	reader->mounts = palloc(sizeof(Mount) * (Size) Max(reader->mount_count, 1));
	for (int i = 0; i < reader->mount_count; i++)
	{
		Mount *mount = &reader->mounts[i];

		CHECK_FOR_INTERRUPTS();
		mount->state = states[i];
		mount->ns_id = pocket_mounted_id(&states[i]);
		mount->exists = pocket_mount_enter(&mount->ns, &states[i], "", reader->tree.caller, false);
	}
}

static void
begin_page(Reader *reader)
{
	reader->page = AllocSetContextCreate(CurrentMemoryContext, "page of changes", ALLOCSET_DEFAULT_SIZES);
	reader->batch = AllocSetContextCreate(reader->page, "batch of changes", ALLOCSET_DEFAULT_SIZES);
	reader->row = AllocSetContextCreate(reader->page, "row of changes", ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(reader->page);
	reader->rules = pocket_policy(reader->tree.caller, false);
	initStringInfo(&reader->path);
	reader->room = LEVELS_AT_FIRST;
	reader->near = palloc(sizeof(Above) * LEVELS_AT_FIRST);
}

/* What the reader reads from here on: the item at a place of the cursor. */
static void
turn_to(Reader *reader, const PocketNamespace *ns, int32 place)
{
	HASHCTL control = {.keysize = sizeof(int64), .entrysize = sizeof(int64), .hcxt = reader->page};

	reader->ns = *ns;
	reader->policy = ns->is_owned ? NULL : reader->rules;
	reader->item = &reader->cursor->items[place];
	reader->depth = 0;
	resetStringInfo(&reader->path);
	appendStringInfoString(&reader->path, ns->prefix);
	enter_folder(reader, ns->base_id, "", ns->base_acl);
	if (reader->folders != NULL)
		hash_destroy(reader->folders);
	reader->folders = hash_create("folders told early", 64, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

static const Mount *
mount_of(const Reader *reader, int64 ns_id)
{
	for (int i = 0; i < reader->mount_count; i++)
	{
		if (reader->mounts[i].ns_id == ns_id)
			return &reader->mounts[i];
	}
	return NULL;
}

static void
tell_mount(Reader *reader, const Mount *mount, const char *op)
{
	Row row = {mount->state, unconstify(char *, op), true};

	tell(reader, &row, reader->item->jid);
}

/* What the cursor reads and the client cannot have any more; or, when its journal has gone on without him, must have anew. */
static void
drop_mounts(Reader *reader)
{
	for (int32 place = reader->cursor->count - 1; place > 0 && reader->told < reader->max; place--)
	{
		const pk_cursor_item *item = &reader->cursor->items[place];
		const Mount *mount = mount_of(reader, item->ns_id);

		if (mount != NULL && mount->exists && (is_ahead(item) || item_holds(item)))
			continue;
		pocket_cursor_drop(reader->cursor, place);
		if (mount != NULL)
			tell_mount(reader, mount, POCKET_OP_DELETED);
	}
}

static void
add_mounts(Reader *reader)
{
	for (int i = 0; i < reader->mount_count && reader->told < reader->max; i++)
	{
		const Mount *mount = &reader->mounts[i];
		pk_cursor_item item;
		PocketState state;
		char *op;

		if (!mount->exists || pocket_cursor_find(reader->cursor, mount->ns_id) > 0 ||
			!is_in_view(reader, &mount->state, reader->item->jid))
			continue;
		if (!pocket_journal_revision(&state, &op, mount->state.ns_id, mount->state.file_id, mount->state.rev))
			ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED),
							errmsg("mount point " INT64_FORMAT " of namespace \"%s\" is not in the journal",
								   mount->state.file_id, reader->tree.name)));
		begin_item(&item, mount->ns_id);
		pocket_cursor_add(reader->cursor, &item);
		tell_mount(reader, mount, op);
	}
}

static void
read_one(Reader *reader)
{
	/* what is told is judged by the lists of now, which must be those of the rows */
	if (reader->policy != NULL && pocket_journal_shared_after(reader->ns.ns_id, reader->item->jid))
	{
		reader->reset = true;
		return;
	}
	MemoryContextSwitchTo(reader->batch);
	read_listing(reader);
	if (reader->told < reader->max)
		read_journal(reader);
	MemoryContextSwitchTo(reader->page);
}

/* Who has to begin anew with what is mounted loses it, and is given it with the next page. */
static void
read_mounted(Reader *reader)
{
	for (int32 place = 1; place < reader->cursor->count && reader->told < reader->max; place++)
	{
		const Mount *mount = mount_of(reader, reader->cursor->items[place].ns_id);
		PocketNamespace ns = mount->ns;

		CHECK_FOR_INTERRUPTS();
		if (is_ahead(&reader->cursor->items[place]))
			continue;
		turn_to(reader, &reader->tree, 0);
		(void) look_at_folder(reader, mount->state.parent_id, reader->item->jid);
		ns.prefix = pocket_path_join(reader->path.data, mount->state.name);
		turn_to(reader, &ns, place);
		read_one(reader);
		if (!reader->reset)
			continue;
		reader->reset = false;
		pocket_cursor_drop(reader->cursor, place--);
		turn_to(reader, &reader->tree, 0);
		tell_mount(reader, mount, POCKET_OP_DELETED);
	}
}

/* --- changes --- */

/* The tree's own, and when that has been told, what is mounted in it. */
static void
read_page(Reader *reader)
{
	MemoryContext outer = CurrentMemoryContext;

	begin_page(reader);
	turn_to(reader, &reader->tree, 0);
	read_one(reader);
	if (!reader->reset && reader->told < reader->max && (reader->tree.mounts > 0 || reader->cursor->count > 1))
	{
		find_mounts(reader);
		drop_mounts(reader);
		add_mounts(reader);
		read_mounted(reader);
	}
	put_last(reader);
	MemoryContextSwitchTo(outer);
	MemoryContextDelete(reader->page);
}

/* A cursor that stands behind all there is. */
static PocketCursor *
last_cursor(const PocketNamespace *tree)
{
	MemoryContext outer = CurrentMemoryContext;
	Reader reader = {.tree = *tree, .max = PG_INT64_MAX};

	reader.cursor = pocket_cursor_copy(new_cursor(tree->ns_id));
	begin_page(&reader);
	turn_to(&reader, tree, 0);
	if (tree->mounts > 0)
	{
		find_mounts(&reader);
		add_mounts(&reader);
	}
	for (int32 i = 0; i < reader.cursor->count; i++)
		reader.cursor->items[i].listed = reader.cursor->items[i].jid;
	MemoryContextSwitchTo(outer);
	MemoryContextDelete(reader.page);
	return reader.cursor;
}

bool
pocket_changes_due(const PocketCursor *cursor, const PocketNamespace *ns)
{
	Reader reader = {.tree = *ns, .max = 1};

	if (is_ahead(&cursor->items[0]))
		return false;
	if (!cursor_holds(cursor))
		return true;
	reader.cursor = pocket_cursor_copy(cursor);
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
	reader->cursor = pocket_cursor_copy(PG_GETARG_CURSOR(0));
	InitMaterializedSRF(fcinfo, 0);
	reader->result = (ReturnSetInfo *) fcinfo->resultinfo;

	pocket_enter(&session);
	pocket_cursor_open(reader->cursor, &reader->tree, pocket_caller(&session, fcinfo->flinfo->fn_oid));
	if (is_ahead(&reader->cursor->items[0]))
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
