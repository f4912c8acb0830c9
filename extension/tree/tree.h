/*
 * tree.h
 *	  Namespaces, paths and live entries.
 *
 * Names are kept as given and compared by their key: folded, or themselves in a
 * namespace that is case sensitive.  Symbolic links are entries like files;
 * nothing here follows them.  Reads are either `fresh` (what is committed or
 * done now: under the head lock, before a change) or as of the calling query;
 * those of past.c see the tree as a row of the journal left it.
 * All functions run inside a session (base/spi.h).
 */
#ifndef POCKET_TREE_H
#define POCKET_TREE_H

#include "base/compat.h"

#include "contract/pk_limits.h"
#include "access/access.h"
#include "journal/journal.h"

#define POCKET_ROOT_ID 1
#define POCKET_ROOT_PARENT_ID 0
#define POCKET_NOWHERE_ID (-1) /* no folder has it, nor one that is lower */
#define POCKET_NO_NAMESPACE 0

/* --- paths: `name:/a/b`, `/a/b` in the namespace that pocket.namespace names, or `link:TOKEN/a/b` --- */

typedef struct PocketPath
{
	char *namespace_name;
	char **names; /* valid ones */
	int depth;	  /* of names; 0 is the root */
	bool slash;	  /* ends in a slash, so it can only be a folder */
	char *link;	  /* the token of a link, where the path begins; else NULL */
} PocketPath;

/* 22023 unless text is a path of at most PK_PATH_SIZE_MAX bytes and PK_PATH_DEPTH_MAX names. */
extern void pocket_path_parse(PocketPath *path, const char *text);

/* For a path that Pocket itself gave: moving a folder can make what is below it as deep as it likes. */
extern void pocket_path_parse_listed(PocketPath *path, const char *text);

/* 42809 when the path ends in a slash (or is the root), which no file or link can have. */
extern void pocket_path_check_leaf(const PocketPath *path);

/* --- namespaces --- */

/*
 * A namespace as a path leads into it.  What is shown of it begins with prefix,
 * and names go down from the folder base_id: the root and "NAME:", unless the
 * path comes in another way.
 */
typedef struct PocketNamespace
{
	int64 ns_id;
	char *name; /* its own */
	bool case_sensitive;
	int32 mounts;	 /* how many mount points it has */
	bool is_mounted; /* looked at through one; else by its name */
	char *prefix;	 /* a path is this, and "/NAME" for each name below the base */
	int64 base_id;

	/* whose rights count here */
	PocketCaller *caller;
	bool is_owned; /* he has all of them */

	/* if not: what he has above the base, and the base's list */
	uint8 above;
	struct varlena *base_acl;

	int link; /* its place, when the path leads through a link; else 0 */
} PocketNamespace;

/* 42704 when it does not exist.  Whether it exists for caller is said by what he may read in it. */
extern void pocket_namespace_open(PocketNamespace *ns, const char *name, PocketCaller *caller, bool fresh);

/*
 * Locks the head of a namespace that was opened, and looks again who owns it and
 * what caller may, in a new snapshot. 42704 when it has been given another name.
 */
extern void pocket_namespace_lock(PocketHead *head, PocketNamespace *ns);

/* As after pocket_namespace_lock(), for one more way into a namespace whose head is locked. */
extern void pocket_namespace_locked(const PocketHead *head, PocketNamespace *ns);

/* As open, but false when there is no such namespace; ns is then one that nobody owns, in which nothing is. */
extern bool pocket_namespace_look_up(PocketNamespace *ns, const char *name, PocketCaller *caller, bool fresh);

/* By its id; false when it does not exist. */
extern bool pocket_namespace_find(PocketNamespace *ns, int64 ns_id, PocketCaller *caller, bool fresh);

/* The namespace of a head that is locked. */
extern void pocket_namespace_of_head(PocketNamespace *ns, const PocketHead *head, PocketCaller *caller);

/* Reads the list of the base: for those who need it though it is not what gives them their rights. */
extern void pocket_namespace_read_list(PocketNamespace *ns, bool fresh);

typedef struct PocketNamespaceOptions
{
	int64 quota; /* -1: none */
	const Interval *retention;
	bool case_sensitive;
} PocketNamespaceOptions;

/* Makes a namespace with its root and returns its id; 42710 when the name is taken. */
extern int64 pocket_namespace_create(const char *name, const PocketNamespaceOptions *options, const char *owner);

/*
 * Under the head lock: changes what is given.  new_name and retention may be NULL,
 * has_quota false; quota -1 is none.  42710 when the new name is taken.
 */
extern void pocket_namespace_alter(const PocketHead *head, const char *new_name, bool has_quota, int64 quota,
								   const Interval *retention);

/* Under the head lock: removes every row of the namespace, the head last. Its blocks then have one holder fewer. */
extern void pocket_namespace_drop(const PocketHead *head);

/* --- mounts (mount.c) --- */

/* One item of a cursor is the tree's own. */
#define POCKET_MOUNTS_MAX (PK_CURSOR_ITEMS_MAX - 1)

/*
 * Where a path begins: the one place that knows what stands before its names.
 * path is left with those that go down from ns->base_id: when it leads through a
 * mount point, those behind that.  42704 when the namespace does not exist, or
 * what is mounted on the way does not, for caller.
 *
 * through: a mount point that the path leads to is passed too; what is asked for
 * is then the root of what is mounted.
 * past: the way is looked for as it was; for reading.
 * find: as open, but false when there is no such namespace, or link.
 *
 * A namespace that does not exist is an error for superusers only; for others it
 * is an empty one, with ns_id 0, in which they may read nothing.  28P01 for a link
 * that has to be opened.  Mount points are not passed by way of a link.
 */
extern void pocket_path_open(PocketNamespace *ns, PocketPath *path, PocketCaller *caller, bool fresh);
extern void pocket_path_open_through(PocketNamespace *ns, PocketPath *path, PocketCaller *caller, bool fresh);
extern void pocket_path_open_past(PocketNamespace *ns, PocketPath *path, PocketCaller *caller, TimestampTz at,
								  bool through);
extern bool pocket_path_find(PocketNamespace *ns, PocketPath *path, PocketCaller *caller, bool fresh, bool through);

/*
 * What is mounted at a mount point, whose path it gets as its prefix; false when it does not exist for caller: when he
 * may not read its root.
 */
extern bool pocket_mount_enter(PocketNamespace *ns, const PocketState *mount, const char *path, PocketCaller *caller,
							   bool fresh);

/* Whether an entry that caller may read exists for him: a mount point does with what is mounted. */
extern bool pocket_is_visible(const PocketState *state, PocketCaller *caller);

/* The attributes of a mount point: others, which may be NULL, and what is mounted; and that again. */
extern Jsonb *pocket_mount_attributes(int64 mounted_id, Jsonb *others);
extern int64 pocket_mounted_id(const PocketState *mount);

/* The mount points of a namespace, as of the calling query, by file_id; palloc'd. */
extern PocketState *pocket_mounts(int64 ns_id, int *count);

/*
 * Under the head lock, before a mount point is added: 55000 when it would be inside
 * a mount, or have one inside, 42710 when the tree has the namespace already,
 * 54000 when it has POCKET_MOUNTS_MAX.
 */
extern void pocket_mount_admit(const PocketHead *head, const PocketState *mount);

/* Under the head lock: there are so many more. */
extern void pocket_mounts_count(const PocketHead *head, int change);

/* --- looking up --- */

/* What is known of a folder that a path goes through. */
typedef struct PocketStep
{
	int64 file_id;
	struct varlena *acl; /* its own list; gone when the step is known from before */
	uint8 rights;		 /* of the caller on it; of use unless all is his own */
} PocketStep;

/* A folder that was resolved: where the next resolution may begin. */
typedef struct PocketFolder
{
	int64 ns_id;
	PocketStep *steps; /* depth + 1 of them, from the base to the folder itself */
	char *path;		   /* as kept */
	char **names;
	int depth; /* below the base; -1: none yet */
} PocketFolder;

/* Where a path leads. */
typedef struct PocketSpot
{
	bool exists;	   /* for the caller: and he may read it */
	PocketState state; /* if it exists */
	int known;		   /* how many of the path's names exist, from the base */
	int64 parent_id;   /* of the last name; while known < depth - 1 the deepest folder that exists */
	PocketStep *steps; /* from the base down to parent_id */
	int step_count;	   /* 0 when the path has no names */
	char *path;		   /* qualified; names that exist as they are kept, the others as given */

	/* permit.c; for the owner all rights, and what follows is false */
	uint8 rights;	/* on the entry, or on the deepest folder above it that may be read */
	bool is_seen;	/* something on the path may be read */
	bool is_hidden; /* the entry is there, or the folder that it would be in, and may not be read */
} PocketSpot;

/*
 * near may be NULL, or a folder that the caller knows to be there still.  42809 when the path goes through a file, 40001
 * through a mount point: it was opened before that was made.
 */
extern void pocket_resolve(PocketSpot *spot, const PocketNamespace *ns, const PocketPath *path,
						   const PocketFolder *near, bool fresh, bool with_content);

/* As resolve; 42704 when there is nothing. */
extern void pocket_resolve_existing(PocketSpot *spot, const PocketNamespace *ns, const PocketPath *path, bool fresh,
									bool with_content);

/* 42704 when spot is empty, 42809 when the path that led to it is that of a folder, and it is none. */
extern void pocket_check_spot(const PocketSpot *spot, const PocketNamespace *ns, const PocketPath *path);

/*
 * The id of the entry that a path leads to, or led to last before it was deleted; 42704 when it never did, or caller may
 * not read what it led to.
 */
extern int64 pocket_resolve_past(const PocketNamespace *ns, const PocketPath *path);

/* Does nothing, as long as so many lookups of a name take: what is not there shall not be told by the time. */
extern void pocket_pass_time(const PocketNamespace *ns, int lookups, bool fresh);

/* An entry by its id; false when it does not live. */
extern bool pocket_entry_find(PocketState *state, int64 ns_id, int64 file_id, bool fresh);

/* The child of a folder that has the key; false when there is none. */
extern bool pocket_child_find(PocketState *state, int64 ns_id, int64 parent_id, const char *key, bool fresh,
							  bool with_content);

/* As child_find, of a child that a path may go through: what a step needs, its name as it is kept, and its kind. */
extern bool pocket_step_find(PocketStep *step, char **name, PocketKind *kind, const PocketNamespace *ns,
							 int64 parent_id, const char *key, bool fresh);

/* The id of a child that is not there: lower than POCKET_NOWHERE_ID, and its own. */
extern int64 pocket_nowhere(int64 parent_id, const char *key);

/* Fills in the content of a live entry's state that was read without it. */
extern void pocket_entry_content(PocketState *state);

/*
 * Leaves children of a folder in SPI_tuptable, by key, after after_key ("" is
 * from the start), at most max: POCKET_STATE_COLUMNS("rev"), name_key.
 */
#define POCKET_CHILD_KEY_COLUMN (POCKET_STATE_COLUMN_COUNT + 1)
extern uint64 pocket_children(int64 ns_id, int64 parent_id, const char *after_key, long max, bool fresh);

/* The key of a name in a namespace; palloc'd. */
extern char *pocket_key(const PocketNamespace *ns, const char *name);

/*
 * The path of what is called name in a folder, live or deleted; as deep as the
 * tree is, which may be more than a path that is given may have.  NULL when that
 * is not below the base.
 */
extern char *pocket_path_of(const PocketNamespace *ns, int64 parent_id, const char *name);

/* The path of the base itself. */
extern char *pocket_path_base(const PocketNamespace *ns);

/* A path as it was given, qualified: for what is said about what does not exist. */
extern char *pocket_path_given(const PocketNamespace *ns, const PocketPath *path);

/* `path` + "/" + `name` */
extern char *pocket_path_join(const char *path, const char *name);

/* The path of the folder that an entry's path is in. */
extern char *pocket_path_folder(const char *path);

/* --- what the caller may (permit.c) --- */

/* Fills in what the rights on a spot are that has been resolved; steps before the first one are judged already. */
extern void pocket_spot_judge(PocketSpot *spot, const PocketNamespace *ns, int first, bool fresh);

/* As judge, of a spot as it was: the rights are those of now, on what is, or was last, elsewhere perhaps. */
extern void pocket_spot_judge_past(PocketSpot *spot, const PocketNamespace *ns, bool fresh);

/* What is known about folders by their ids, for a way into a namespace. */
extern PocketPolicy *pocket_namespace_policy(const PocketNamespace *ns, bool fresh);

/* Raises what is said about a path on which the caller may read nothing: there is no such namespace. */
extern void pocket_namespace_missing(const char *name) POCKET_NORETURN;

/* Before something is called missing: says so, as far as the caller sees, and notes it when it is there. */
extern void pocket_check_seen(const PocketSpot *spot, const PocketNamespace *ns, const PocketPath *path);

/* Before something is said about the namespace: there is none for whoever may read nothing on the path. */
extern void pocket_check_known(const PocketNamespace *ns, const PocketPath *path, bool fresh);

/* 42501, naming these rights; it is noted. */
extern void pocket_denied(const PocketNamespace *ns, const PocketPath *path, uint8 rights) POCKET_NORETURN;

/* 42704 unless the entry exists for the caller, 42501 unless he has these rights on it. */
extern void pocket_require(const PocketSpot *spot, const PocketNamespace *ns, const PocketPath *path, uint8 rights);

/* For a spot that is empty: the right to make something there, which is w on the deepest folder that exists. */
extern void pocket_require_room(const PocketSpot *spot, const PocketNamespace *ns, const PocketPath *path);

/* The right to make an entry what is given, or to make it. */
extern void pocket_require_write(const PocketSpot *spot, const PocketNamespace *ns, const PocketPath *path);

/* As require and require_write, before a lock is waited for or anything is stored; both are asked again under the lock. */
extern void pocket_check_rights(const PocketNamespace *ns, const PocketPath *path, uint8 rights);
extern void pocket_check_write(const PocketNamespace *ns, const PocketPath *path);

/* Rights on a namespace's root; 42704 and 42501 unless the caller has these, or is its owner. */
extern uint8 pocket_root_rights(const PocketNamespace *ns, bool fresh);
extern void pocket_check_root(const PocketNamespace *ns, uint8 rights);
extern void pocket_check_owned(const PocketNamespace *ns);

/* --- as it was (past.c): the tree after row jid of the journal --- */

/* In place of a jid: the live tree, which the functions above read. */
#define POCKET_NOW 0

/*
 * The last row that was written up to a moment; POCKET_NOW when the namespace was not there yet.  22023 when the moment
 * is older than what is kept.
 */
extern int64 pocket_past_moment(const PocketNamespace *ns, const PocketPath *path, TimestampTz at, bool fresh);

/* As pocket_resolve, pocket_child_find and pocket_children, whose columns they have too. */
extern void pocket_past_resolve(PocketSpot *spot, const PocketNamespace *ns, const PocketPath *path, int64 jid,
								bool fresh);
extern bool pocket_past_child_find(PocketState *state, int64 ns_id, int64 parent_id, const char *key, int64 jid,
								   bool fresh);
extern uint64 pocket_past_children(int64 ns_id, int64 parent_id, const char *after_key, long max, int64 jid,
								   bool fresh);

/* --- links (link.c) --- */

#define POCKET_LINK_TOKEN_SIZE 43 /* base64url of 32 bytes */
#define POCKET_LINK_KEY_SIZE 32
#define POCKET_LINK_SALT_SIZE 16

/* A link as its row says. */
typedef struct PocketLink
{
	int64 ns_id;
	int64 file_id;
	uint8 rights;
	char *namespace_name;
	bool case_sensitive;
	bool has_password;
	uint8 salt[POCKET_LINK_SALT_SIZE];
	uint8 key[POCKET_LINK_KEY_SIZE];
} PocketLink;

/* 42704: one and the same for what never was a link, and what is none any more. */
extern void pocket_link_missing(void) POCKET_NORETURN;

/* What follows the token in `link:TOKEN...`, which is given back; NULL when text is no such path. */
extern const char *pocket_link_parse(const char *text, char **token);

/* Whether text is a path that begins with what may be a token. */
extern bool pocket_link_is_path(const char *text);

/* SHA-256 of a token: what is kept of it. */
extern bytea *pocket_link_hash(const char *token);

/* The key that a password gives: slow, so that guessing is. */
extern void pocket_link_derive(uint8 key[POCKET_LINK_KEY_SIZE], const char *password,
							   const uint8 salt[POCKET_LINK_SALT_SIZE]);

/* False when there is no such link, it has expired, or what it leads to does not live; link is zeroed then. */
extern bool pocket_link_find(PocketLink *link, const bytea *token_hash, bool fresh);

/* The session may use a link that was found from now on, as long as it has this password. */
extern void pocket_link_remember(const char *token, const PocketLink *link);

/* As pocket_path_find, by a link: what it leads to is the base. 28P01 when it has a password, and has not been opened. */
extern bool pocket_link_open(PocketNamespace *ns, const char *token, PocketCaller *caller, bool fresh);

/* Looks again what a link gives. */
extern void pocket_link_fill(PocketNamespace *ns, bool fresh);

/* A path as results have it: with the token in its place. */
extern const char *pocket_link_shown(const char *path);

/* --- changing, under the head lock: the entry, its journal row, and the used bytes --- */

/* A state to fill for a new entry: attributes {}, everything else empty. */
extern void pocket_state_init(PocketState *state, PocketKind kind, int64 parent_id, const char *name);

extern void pocket_entry_add(PocketHead *head, const PocketNamespace *ns, PocketState *state, const char *author);

/* An entry that was removed lives again, with the file_id and from the version that state has. */
extern void pocket_entry_restore(PocketHead *head, const PocketNamespace *ns, PocketState *state, const char *author);

/* op: "created" as in pocket_entry_add, or "copied". */
extern void pocket_entry_add_as(PocketHead *head, const PocketNamespace *ns, PocketState *state, const char *op,
								const char *author);

/* before: the state that is replaced; op "updated", "moved" or "restored". */
extern void pocket_entry_change(PocketHead *head, const PocketNamespace *ns, const PocketState *before,
								PocketState *state, const char *op, const char *author);

/* state loses its content, and gets the deletion's revision. */
extern void pocket_entry_remove(PocketHead *head, PocketState *state, const char *author);

/* Makes the folders that a path's last name lacks; spot's steps, parent_id and known are then its parent's. */
extern void pocket_parents_make(PocketHead *head, const PocketNamespace *ns, const PocketPath *path, PocketSpot *spot,
								const char *author);

#endif
