/*
 * journal.h
 *	  A namespace's head and its journal: what changed, in commit order.
 *
 * A change is made between pocket_head_lock() and pocket_head_flush().  The lock
 * is the head row's, held to the end of the transaction; under it jids have no
 * gaps and are in commit order, `at` never goes back, and the used bytes are
 * exact.  Several heads are locked in the order of ns_id (design.md, invariant
 * 9).  All functions run inside a session (base/spi.h).
 */
#ifndef POCKET_JOURNAL_H
#define POCKET_JOURNAL_H

#include "base/compat.h"

#include "base/spi.h"
#include "storage/itemptr.h"
#include "types/blocklist.h"
#include "types/version_vector.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

typedef enum PocketKind
{
	POCKET_FILE,
	POCKET_FOLDER,
	POCKET_SYMLINK,
	POCKET_MOUNT /* a folder for whoever looks at it: tree/mount.c */
} PocketKind;

/* "file", "folder", "symlink", "mount" */
extern const char *pocket_kind_name(PocketKind kind);
extern PocketKind pocket_kind_by_name(const char *name);

/* As callers see it: a mount point is a "folder". */
extern const char *pocket_kind_shown(PocketKind kind);
#define POCKET_IS_FOLDER(kind) ((kind) == POCKET_FOLDER || (kind) == POCKET_MOUNT)

/*
 * An entry as a revision left it: what rows of entry and journal have in common.
 * A file's content is either in blocks or in inlined; both are NULL when the
 * state was read without content, and in that of a deletion.
 */
typedef struct PocketState
{
	/* who it is */
	int64 ns_id;
	int64 file_id;

	/* where it is */
	int64 parent_id;
	char *name;
	bool purged; /* the row tells no more than this, and the name is not the entry's */

	/* what it is */
	PocketKind kind;
	int64 size;
	PocketBlockList *blocks;
	bytea *inlined;
	PocketSha256 *content_hash; /* NULL unless a file */
	bool has_mtime;
	TimestampTz mtime;
	Jsonb *attributes;

	/* who may do what with it, beside what stands above; a pocket.acl, NULL: nothing of its own */
	struct varlena *acl;

	/* of the revision; stamped by pocket_journal_append */
	int64 rev;
	PocketVersionVector *version;
	char *author;
	TimestampTz at;
} PocketState;

/*
 * Columns to select so that pocket_state_read() understands the row; %s of the
 * macro is the column with the revision: rev or jid.
 */
#define POCKET_STATE_COLUMNS(rev) \
	"ns_id, file_id, parent_id, name, kind, size, content_hash, mtime, attributes, " rev ", version, author, at, acl"
#define POCKET_STATE_ACL_COLUMN 14
#define POCKET_STATE_COLUMN_COUNT 14
#define POCKET_CONTENT_COLUMNS ", blocks, inline"

/* Fills state from a row; with_content: POCKET_CONTENT_COLUMNS follow. All of it is palloc'd. */
extern void pocket_state_read(PocketState *state, uint64 row, bool with_content);

typedef struct PocketHead
{
	int64 ns_id;
	int64 jid;
	int64 file_id;
	int64 used;
	TimestampTz at;
	int64 quota;		   /* -1: none */
	TimestampTz moment;	   /* of all rows of one change that has several; 0: each has its own */
	bool case_sensitive;   /* of the namespace's names */
	char *name;			   /* the namespace's, and */
	char *owner;		   /* its owner's, under the lock */
	ItemPointerData place; /* where the row's locked version is */
	bool changed;
	bool is_owned; /* he who has locked it owns the namespace, and may know what it holds */
} PocketHead;

/* 42704 when there is no such namespace (any more). */
extern void pocket_head_lock(PocketHead *head, int64 ns_id);

/* Writes the row if anything changed; once for all changes of a statement's call. */
extern void pocket_head_flush(PocketHead *head);

/*
 * All rows that follow are of one moment, later than any row before: so what one
 * rm removed can be told from what others did, and from the journal alone.
 */
extern void pocket_head_one_moment(PocketHead *head);

/* The id of an entry that is about to be made. */
extern int64 pocket_head_next_file(PocketHead *head);

/* Live bytes become more or fewer; PK003 when that is more and over the quota, with both for who owns the namespace. */
extern void pocket_head_account(PocketHead *head, int64 bytes);

/*
 * Whether so many more live bytes fit the quota, as committed or done now: looked
 * at without a lock, before anything is uploaded.  check: PK003 when not; is_owner:
 * it tells sizes.
 */
extern bool pocket_quota_fits(int64 ns_id, int64 growth);
extern void pocket_quota_check(int64 ns_id, int64 growth, bool is_owner);

/* PK003 when so many live bytes are over the quota, whatever else is there, or goes. */
extern void pocket_quota_allows(int64 ns_id, int64 bytes, bool is_owner);

/* Operations of the journal; they are also the outcomes that callers see. */
#define POCKET_OP_CREATED "created"
#define POCKET_OP_UPDATED "updated"
#define POCKET_OP_DELETED "deleted"
#define POCKET_OP_MOVED "moved"
#define POCKET_OP_RESTORED "restored"
#define POCKET_OP_COPIED "copied"
#define POCKET_OP_SHARED "shared" /* who may do what has changed, and nothing else: the version stays */

/* What names are compared by: folded, or in a namespace that is case sensitive themselves; palloc'd. */
extern char *pocket_name_key(const char *name, bool case_sensitive);

/*
 * Appends the state after a change by author: rev and at are set, and the
 * version is raised by pocket.device's counter.  When an entry comes to a path
 * (anything but an update or a deletion) the counter is at least the jid: above
 * all that this replica's counters were until then, so that no entry has a
 * version that one before it at the same path has had, and no base is taken for
 * that of another file.
 */
extern void pocket_journal_append(PocketHead *head, PocketState *state, const char *op, const char *author);

/* The revision jid of the entry file_id; false when there is none. op is palloc'd. */
extern bool pocket_journal_revision(PocketState *state, char **op, int64 ns_id, int64 file_id, int64 jid);

/* Where the last journal row has the entry; false when there is none. */
extern bool pocket_journal_last_place(int64 ns_id, int64 file_id, int64 *parent_id, char **name);

/* The last entry that was deleted out of a folder under a name of this key; 0 when there is none. */
extern int64 pocket_journal_deleted(int64 ns_id, int64 parent_id, const char *name_key);

/* --- what was, as committed or done now (past.c): under the head lock, before a change --- */

/* The revision jid, of whatever entry, with its content; false when there is none. op is palloc'd. */
extern bool pocket_journal_at(PocketState *state, char **op, int64 ns_id, int64 jid);

/* The last journal row of an entry, without content; false when there is none. */
extern bool pocket_journal_last(PocketState *state, int64 ns_id, int64 file_id);

/* Gives state the content that its file_id's last revision before jid has; false when that is no more. */
extern bool pocket_journal_content_before(PocketState *state, int64 jid);

/* The version of what was deleted last out of a folder under this very name; NULL when there is none. */
extern PocketVersionVector *pocket_journal_deleted_version(int64 ns_id, int64 parent_id, const char *key);

/*
 * Leaves the deletions of one moment in SPI_tuptable that are among the max rows
 * before a jid, last first: POCKET_STATE_COLUMNS("jid"), and whether the entry
 * has come back since.  Fewer than max: there are no more.
 */
extern uint64 pocket_journal_deletions(int64 ns_id, int64 before, TimestampTz moment, int64 max);

/*
 * Leaves the revisions of an entry with a jid below before in SPI_tuptable,
 * newest first, at most max: POCKET_STATE_COLUMNS("jid"), op.
 */
extern uint64 pocket_journal_history(int64 ns_id, int64 file_id, int64 before, long max);

/* --- following (changes.c); as of the calling query --- */

/*
 * Leaves in SPI_tuptable, in the order of jid, the first max rows behind `after`:
 * POCKET_STATE_COLUMNS("jid"), op, and whether the row is one to be told.
 *
 * tree: rows up to jid; to be told are those that were the state of something
 * that lived when the journal ended there.
 * after: all rows, each to be told.
 */
extern uint64 pocket_journal_tree(int64 ns_id, int64 jid, int64 after, int64 max);
extern uint64 pocket_journal_after(int64 ns_id, int64 after, int64 max);
#define POCKET_JOURNAL_OP_COLUMN (POCKET_STATE_COLUMN_COUNT + 1)
#define POCKET_JOURNAL_TELL_COLUMN (POCKET_STATE_COLUMN_COUNT + 2)

/* Whether a list has changed behind a row. */
extern bool pocket_journal_shared_after(int64 ns_id, int64 after);

/* When the row was written; false when there is none (any more). */
extern bool pocket_journal_time(int64 ns_id, int64 jid, TimestampTz *at);

/* The jid of the last row; 0 when there is no such namespace. */
extern int64 pocket_journal_end(int64 ns_id);

/* The last row of an entry with a jid up to this; false when there is none. op is palloc'd. */
extern bool pocket_journal_as_of(PocketState *state, char **op, int64 ns_id, int64 file_id, int64 jid, bool fresh);

/* --- retention (retention.c) --- */

/*
 * The row from which on the journal tells all: of what is before it only the state that it left is kept.  0: nothing was
 * dropped.  at, when not NULL: since when that has been.
 */
extern int64 pocket_journal_kept(int64 ns_id, TimestampTz *at, bool fresh);

/*
 * Of the next max namespaces behind one, leaves in SPI_tuptable those that have rows to drop, the ones that have waited
 * longest first: ns_id, up to which row that was done, and up to which it can be.
 */
extern uint64 pocket_journals_due(int64 after, int64 max);

/* The last of so many; 0 when there are not as many, and the next ones are the first again. */
extern int64 pocket_journals_page(int64 after, int64 max);

/* The same of one namespace, under the lock: what is retained may be more by now.  False when there is nothing to drop. */
extern bool pocket_journal_due(int64 ns_id, int64 *kept, int64 *last);

/* What pocket_head_lock() locks, unless another has it. */
extern bool pocket_head_lock_if_free(int64 ns_id);

/*
 * Under the lock.  replacing: leaves in SPI_tuptable the rows behind `after`, up to `last`: jid, whether it is a deletion,
 * the jid of its file's row before it, which it has replaced (null: none, or a deletion, which is gone), and at.
 */
extern uint64 pocket_journal_replacing(int64 ns_id, int64 after, int64 last, long max);

/* Drops a row; its blocks, and those of the row next. */
extern void pocket_journal_drop(int64 ns_id, int64 jid, int64 next, PocketBlockList **blocks,
								PocketBlockList **next_blocks);

/* Notes that this has been done up to a row. */
extern void pocket_journal_keep(int64 ns_id, int64 jid, TimestampTz at);

/* --- purging (purge.c); under the head lock --- */

/* What a purged entry is called where its rows are read; palloc'd. */
extern char *pocket_purged_name(int64 file_id);

/*
 * Leaves in SPI_tuptable the entries that are, or were when they were deleted: in a folder under a key, all; or in the
 * folder, purged ones left out, behind (key, jid), the first max of them.  file_id, whether it is a folder; and
 * name_key, jid.
 */
extern uint64 pocket_journal_at_spot(int64 ns_id, int64 parent_id, const char *key);
extern uint64 pocket_journal_in_folder(int64 ns_id, int64 parent_id, const char *key, int64 jid, int64 max);

/* The first revision of a file behind jid that has blocks, and those of the one after it; false when there is none. */
extern bool pocket_journal_next_blocks(int64 ns_id, int64 file_id, int64 *jid, PocketBlockList **blocks,
									   PocketBlockList **next_blocks);

/* Takes from all rows of an entry what they tell of it. */
extern void pocket_journal_blank(int64 ns_id, int64 file_id);

/* --- telling of changes (notify.c) --- */

/* At library load; needs shared_preload_libraries. */
extern void pocket_notify_init(void);

/* Whoever waits for the namespace is woken when this transaction has been committed. */
extern void pocket_notify_changed(int64 ns_id);

/*
 * From enter, once for each of several, to leave the backend's latch is set when the namespace has changed; false when it
 * will not be: then look from time to time.  A prepared transaction that is committed wakes nobody.
 */
extern bool pocket_notify_enter(int64 ns_id);
extern void pocket_notify_leave(void);

/*
 * The coordinator's: from the first call on his latch is set by changes; whether there are any to be told.
 *
 * listeners: NOTIFY pocket_<ns_id> for each, in a transaction; prepared_too: also for what was prepared and committed
 * since.  done, after its end: whether it was committed; what was not told is due still.
 */
extern bool pocket_notify_due(void);
extern void pocket_notify_listeners(bool prepared_too);
extern void pocket_notify_done(bool told);

#endif
