/*
 * files.h
 *	  What the SQL functions on files share: arguments, results, and the change
 *	  that put and put_many make.
 */
#ifndef POCKET_FILES_H
#define POCKET_FILES_H

#include "base/compat.h"

#include "base/spi.h"
#include "blocks/blocks.h"
#include "tree/tree.h"
#include "types/cursor.h"

#define POCKET_OUTCOME_UNCHANGED "unchanged"
#define POCKET_OUTCOME_CONFLICT "conflict"

/* --- results (result.c) --- */

/* pocket.file: ns_id .. attributes; pocket.revision: the same and outcome */
#define POCKET_FILE_COLUMN_COUNT 12
#define POCKET_REVISION_COLUMN_COUNT 13

/* The columns of a revision, or of a file when outcome is NULL; they point into state.  path may be NULL, for null. */
extern void pocket_result_columns(Datum *values, bool *nulls, const PocketState *state, const char *path,
								  const char *outcome);

/* A composite value in the session's result context. */
extern Datum pocket_result(FunctionCallInfo fcinfo, PocketSession *session, const PocketState *state, const char *path,
						   const char *outcome);

/* One more row of a set that InitMaterializedSRF() began. */
extern void pocket_result_row(FunctionCallInfo fcinfo, const PocketState *state, const char *path, const char *outcome);

/* Room for one row in a function's code: arguments that must not be null are checked by name, 22004. */
extern void pocket_check_not_null(FunctionCallInfo fcinfo, int argument, const char *name);

/* A text argument's path; the session need not be open. */
extern void pocket_path_argument(PocketPath *path, FunctionCallInfo fcinfo, int argument);

/* --- cursors (sync.c) --- */

/* The tree that a cursor follows; 22023 when it follows none, 42704 when there is none whose root caller may read. */
extern void pocket_cursor_open(const PocketCursor *cursor, PocketNamespace *ns, PocketCaller *caller);

/* Whether changes() has something for a cursor of this tree. */
extern bool pocket_changes_due(const PocketCursor *cursor, const PocketNamespace *ns);

/* --- contents (change.c) --- */

typedef enum PocketPutMode
{
	POCKET_PUT_OVERWRITE, /* the last writer wins, unless there is a base */
	POCKET_PUT_ADD,		  /* what is there already is in conflict */
	POCKET_PUT_UPDATE	  /* there is a base */
} PocketPutMode;

/* One file to be put. */
typedef struct PocketPut
{
	/* given */
	PocketPath path;
	PocketPutMode mode;
	PocketVersionVector *base; /* the version that the content was made from; NULL: any */
	const char *data;
	Size length;
	bool has_mtime;
	TimestampTz mtime;
	Jsonb *attributes; /* NULL: as they are */

	/* made of it before the lock */
	PocketBlockList *blocks;
	PocketSha256 content_hash;
	bool is_inline;
} PocketPut;

/*
 * PK003 when the quota is in the way of puts, in this order, as far as can be told
 * without a lock (quota.c).
 */
extern void pocket_puts_check_quota(const PocketNamespace *ns, PocketPut **puts, int count);

/* Hashes the contents that are small enough for their rows, and stores the others: bytes first, without locks. */
extern PocketReceipts *pocket_puts_store(const PocketNamespace *ns, PocketPut **puts, int count);

/* Under the head lock: sends what the namespace held when pocket_puts_store() asked, and does not any more. */
extern void pocket_puts_store_again(const PocketNamespace *ns, PocketPut **puts, int count, PocketReceipts *receipts);

/*
 * The arguments path (the first) and base, mode, mtime (the first of them is number `base`) of put and commit.  22023 unless
 * mode is one, and has the base that it needs.
 */
extern void pocket_put_arguments(PocketPut *put, FunctionCallInfo fcinfo, int base);

/* Neither an upload is begun nor a lock waited for when it cannot be put; this is looked at again under the lock. */
extern void pocket_put_check_early(const PocketNamespace *ns, const PocketPut *put);

/* Bytes of a jsonb value of attributes, as they are given. */
#define POCKET_ATTRIBUTES_SIZE_MAX (16 * 1024)

/* Bytes of a symbolic link's target, which is one of its attributes, and leaves room for others. */
#define POCKET_TARGET_SIZE_MAX (4 * 1024)

/* 22023 unless attributes are a JSON object, 54000 when it is too large. */
extern void pocket_check_attributes(const Jsonb *attributes);

/* 42809 unless what is at spot is a file. */
extern void pocket_check_file(const PocketSpot *spot);

/* Whether put's content is that of state, and whether nothing else that put gives differs. */
extern bool pocket_put_same_content(const PocketPut *put, const PocketState *state);
extern bool pocket_put_same_metadata(const PocketPut *put, const PocketState *state);

/* Makes a file of put where state says, which pocket_state_init() made: holders, entry and journal. */
extern void pocket_put_create(PocketHead *head, const PocketNamespace *ns, const PocketPut *put,
							  PocketReceipts *receipts, PocketState *state, const char *author);

/*
 * Makes the file what put says, under the head lock: parents, holders, entry and
 * journal.  near: see pocket_resolve; it is moved to the file's folder.  *spot has the
 * result, and the outcome is returned.
 */
extern const char *pocket_put_apply(PocketHead *head, const PocketNamespace *ns, const PocketPut *put,
									PocketReceipts *receipts, const PocketFolder *near, PocketSpot *spot,
									const char *author);

/* The file that a path leads to, with its content as of now, or as of a revision of it (get.c). */
extern void pocket_find_content(PocketSpot *spot, const PocketNamespace *ns, const PocketPath *path, bool of_revision,
								int64 rev);

/* --- conflicts (conflict.c) --- */

/* 22003 or 54000 unless base leaves later versions room to grow. */
extern void pocket_check_base(const PocketVersionVector *base);

/* Whether put may not replace what is at its path, unless that has the same content. */
extern bool pocket_put_conflicts(const PocketPut *put, const PocketState *current);

/*
 * Keeps put beside what is at spot, which is told in a notice, as a conflicted
 * copy; *spot is then the copy.  The same copy is not made twice.
 */
extern void pocket_put_aside(PocketHead *head, const PocketNamespace *ns, const PocketPut *put,
							 PocketReceipts *receipts, PocketSpot *spot, const char *author);

/* --- walking over what is below a folder (walk.c) --- */

/* A folder that is open. */
typedef struct PocketLevel
{
	int64 folder_id;
	uint8 rights; /* of the caller on it, if the walker looks at them */
	int64 note;	  /* the walker's own */

	/* the walk's: a batch of its children, and the key of the last of them */
	MemoryContext batch;
	PocketState *children;
	int count;
	int next;
	bool more;
	char *key;
} PocketLevel;

typedef struct PocketWalk
{
	int64 ns_id;
	int64 jid; /* the tree after this row of the journal; POCKET_NOW: the live one */
	bool fresh;
	int64 rows_max; /* children that are read at once; a walker that wants fewer may say so */

	PocketLevel *levels;
	int depth; /* of levels */
	int room;
	MemoryContext memory;
	MemoryContext step;
	MemoryContext outer;
} PocketWalk;

/*
 * From begin to end the current memory is one that each next() resets: for the
 * work on one child.  Memory of a walk is bounded by its depth.
 */
extern void pocket_walk_begin(PocketWalk *walk, int64 ns_id, int64 jid, bool fresh);
extern void pocket_walk_end(PocketWalk *walk);

/* Opens a folder, whose children come next, by key, after after_key ("": from the first). */
extern void pocket_walk_enter(PocketWalk *walk, int64 folder_id, uint8 rights, const char *after_key, int64 note);

/* The innermost folder that is open, until the next enter; NULL: none. */
extern PocketLevel *pocket_walk_level(const PocketWalk *walk);

/* Its next child, without content, until it is left; NULL: there are no more. */
extern PocketState *pocket_walk_next(PocketWalk *walk);

/* Closes it; itself, as next() gave it; NULL when that was not so, as of the first one. */
extern PocketState *pocket_walk_leave(PocketWalk *walk);

/* --- from one path to another: cp and mv (copy.c) --- */

typedef struct PocketRoute
{
	/* given */
	PocketPath source_path;
	PocketPath target_path;
	bool moves;		  /* mount points go along; else what is mounted at the source is the source */
	const char *verb; /* "copy" */
	const char *done; /* "copied" */
	uint8 rights;	  /* on the source; with that to delete it, it may get another name */

	/* opened: both heads are locked, both ends resolved since */
	PocketNamespace source_ns;
	PocketNamespace target_ns;
	PocketHead heads[2];
	PocketHead *source_head;
	PocketHead *target_head; /* within a namespace the same */
	PocketSpot source;		 /* with content */
	PocketSpot target;
	char *author;
} PocketRoute;

/*
 * 42704 when a namespace, the source or the target's folder does not exist, 42710
 * when there is something at the target, unless it is the source itself; 22023 when its folder is in the
 * source, 42501 when caller may not take the one or make the other.
 */
extern void pocket_route_open(PocketRoute *route, PocketCaller *caller);

/* Copies the source and all below it; target.state is what was made. */
extern void pocket_route_copy(PocketRoute *route);

extern void pocket_route_flush(PocketRoute *route);

/* --- what was (restore.c, list.c) --- */

/* All but where it is, and the version, becomes the revision's. */
extern void pocket_state_fill(PocketState *state, const PocketState *revision);

/* Whether nothing of that differs. */
extern bool pocket_state_same(const PocketState *a, const PocketState *b);

/* The last row of the journal up to a time; 42704 when the namespace was not there yet. */
extern int64 pocket_moment(const PocketNamespace *ns, const PocketPath *path, TimestampTz at, bool fresh);

/* 22023 for the very thing that a link leads to: its place is nothing to who comes by the link (move.c). */
extern void pocket_check_not_base(const PocketPath *path, const char *done);

/* What is removed, by what path; for what is said when it may not be. */
typedef struct PocketRemoval
{
	PocketHead *head;
	const PocketNamespace *ns;
	const PocketPath *path;
} PocketRemoval;

/*
 * Removes an entry and all below it; spot's state gets the deletion's revision (move.c).  42501 when something of it may
 * not be removed.
 */
extern void pocket_remove_tree(const PocketRemoval *removal, PocketSpot *spot);

/* --- lists (share.c) --- */

/* Gives a live entry, whose state has its content, a list of its own (NULL: none), with a journal row. */
extern void pocket_entry_share(PocketHead *head, const PocketNamespace *ns, PocketState *state, struct varlena *acl);

/*
 * Makes what has no bytes, and the folders that it lacks, at the path that led to an empty spot, if the caller may (make.c).
 * attributes: NULL is none.
 */
extern void pocket_make(PocketHead *head, const PocketNamespace *ns, const PocketPath *path, PocketSpot *spot,
						PocketKind kind, Jsonb *attributes);

/* {"target": target} (make.c) */
extern Jsonb *pocket_link_attributes(const char *target);

#endif
