/*
 * access.h
 *	  Who calls, what he may, and the record of both.
 *
 * A principal is a role of PostgreSQL or a name made by create_principal(); it is
 * kept by name, so that it survives dump and restore (after ALTER ROLE ... RENAME
 * the rows keep the old name).  Lists on entries (types/acl.h) grant rights to
 * principals and teams; what stands above an entry counts too, up to the first
 * list that cuts the inheritance.  A namespace's owner has all rights in it
 * without any list, and so has a superuser who speaks for itself: for them no
 * list is read.
 *
 * Rights are those of now: of the lists as they are committed, or done by the
 * own transaction, when the statement that asks began (fresh: at this moment).
 * What is remembered from one statement to the next is proved to be the same still.  All functions run
 * inside a session (base/spi.h).
 */
#ifndef POCKET_ACCESS_H
#define POCKET_ACCESS_H

#include "base/compat.h"

#include "base/spi.h"
#include "types/acl.h"
#include "utils/snapshot.h"

/* What stands before a team's name in a list. */
#define POCKET_TEAM "group:"

/* --- that nothing has changed (proof.c) --- */

typedef struct PocketProof
{
	bool is_taken;
	SnapshotData snapshot;
	TransactionId *xip; /* the snapshot's, with room for so many */
	Size xip_room;
	TransactionId *subxip;
	Size subxip_room;
	TransactionId xid; /* invalid while the transaction has written nothing */
	LocalTransactionId transaction;
	SubTransactionId subtransaction;
} PocketProof;

/* Of the active snapshot; memory is taken from context. */
extern void pocket_proof_take(PocketProof *proof, MemoryContext context);

/* Whether the active snapshot sees just what that one saw. */
extern bool pocket_proof_holds(const PocketProof *proof);

/* --- who calls (caller.c) --- */

typedef struct PocketCaller
{
	char *name;		  /* the principal: what is done is his */
	Oid role;		  /* whose privileges count beside the name; InvalidOid: somebody speaks for the principal */
	bool may_all;	  /* a superuser, for itself */
	Oid session_role; /* who speaks */
	Oid function;	  /* what is called, for the record of refusals */

	/* names that lists may know him by, with his teams; NULL: not looked up yet */
	char **names;
	int name_count;
	MemoryContext context; /* where they are */

	/* the mark of the memberships that his statement sees, when it has been read along with something else */
	bool has_mark;
	int64 mark;
} PocketCaller;

/*
 * The caller of a session by a function, in the current memory context.  42501 when pocket.principal
 * is set by somebody who may not speak for others, 42704 when it names nobody.
 */
extern PocketCaller *pocket_caller(const PocketSession *session, Oid function);

/* What a principal's rights are when it speaks for itself: a role, a name, or group:TEAM. */
extern PocketCaller *pocket_caller_as(const char *principal);

/* Whether caller has all rights in what owner owns. */
extern bool pocket_caller_owns(const PocketCaller *caller, const char *owner);

/* Looks up what lists may know him by, unless that is done; other functions here do it when they need it. */
extern void pocket_caller_look_up(PocketCaller *caller, bool fresh);

/* That is looked up again, as of the moment when it is needed next. */
extern void pocket_caller_forget(PocketCaller *caller);

/* Whether a list's principal is the caller, or has him among its members. */
extern bool pocket_caller_is(PocketCaller *caller, const char *principal, bool fresh);

/* 42501 unless he may make principals and teams: a superuser or member of pocket_app, for itself. */
extern void pocket_check_administrator(const PocketCaller *caller);

/* --- what was looked up before (known.c) --- */

/*
 * As pocket_select(), for a plan that gives one row at most by the key of a table; its arguments are int8, after which
 * there may be one text, and none is null.  A row that is known need not be looked for again: when it was looked for by the
 * same caller, not fresh, under a snapshot that is proved to be the same.
 */
extern uint64 pocket_look_up(PocketPlan *plan, const Datum *values, const PocketCaller *caller, bool fresh);

/* --- principals (principal.c) --- */

/* What lists call a principal that is named so: NAME, or group:NAME for a team; 42704 when there is none. */
extern char *pocket_principal_find(const char *name);

/* As find, for who may have been dropped: what has been found no more is taken for a principal's name. */
extern char *pocket_principal_named(const char *name, bool *exists);

/* The mark of all memberships: it is another one after each change of them. */
extern int64 pocket_teams_mark(bool fresh);

/* Teams that any of names is in, with the teams that those are in. */
extern List *pocket_teams_of(List *names, bool fresh);

/* A text[] of names. */
extern Datum pocket_name_array(List *names);

/*
 * Makes member a member of team, or none any more; both as in lists.  False when it is so already.
 * add: 0LP01 when a team would become its own member.  Two of these wait for each other.
 */
extern bool pocket_team_add(const char *team, const char *member);
extern bool pocket_team_remove(const char *team, const char *member);

/* --- rights (rights.c) --- */

/* Rights of the caller on what has this list (NULL: none), where he has `above` on the folder that it is in. */
extern uint8 pocket_rights_below(PocketCaller *caller, uint8 above, struct varlena *acl, bool fresh);

/* "viewer", "editor", "owner"; 22023 for others. */
extern uint8 pocket_rights_of_role(const char *role);

/* Letters of rwds; 22023 unless they are valid. */
extern uint8 pocket_rights_parse(const char *letters);
extern char *pocket_rights_text(uint8 rights);

/* What is known about folders, for the time of one statement. */
typedef struct PocketPolicy PocketPolicy;

/* In the current memory context, which its memory is taken from. */
extern PocketPolicy *pocket_policy(PocketCaller *caller, bool fresh);

/*
 * In this namespace the caller has what he has by way of an entry, on which these are his rights, and nothing else.
 */
extern void pocket_policy_begin(PocketPolicy *policy, int64 ns_id, int64 file_id, uint8 rights);

/* What is known without looking anything up, outside of a session too; false when it is not. */
extern bool pocket_policy_knows(const PocketPolicy *policy, int64 ns_id, int64 file_id, uint8 *rights);

/* Whether a namespace, of which some entry's rights have been told, is known to be the caller's. */
extern bool pocket_policy_owns(const PocketPolicy *policy, int64 ns_id);

/* Rights on an entry, live or as it was last; all in a namespace that is the caller's, none where there is nothing. */
extern uint8 pocket_policy_rights(PocketPolicy *policy, int64 ns_id, int64 file_id);

/* --- audit (audit.c) --- */

/*
 * Writes a row in this transaction.  file_id 0: none; path may be NULL.  detail: pairs of a name and a value (text, not
 * NULL), ended by NULL.
 */
extern void pocket_audit(const PocketCaller *caller, const char *action, int64 ns_id, int64 file_id, const char *path,
						 const char *const *detail);

/* Takes the path from rows on entries of a namespace that have been purged. */
extern void pocket_audit_blank(int64 ns_id);

/* --- refusals (refused.c): what is refused rolls back, and so would its row --- */

/* At library load; needs shared_preload_libraries. */
extern void pocket_refused_init(void);

/*
 * Notes that caller was refused what he asked of a path: for the coordinator, who writes a row; without him, or from another database
 * than his, into the server's log.  Never waits.  Call it before the error is raised.
 */
extern void pocket_refused(const PocketCaller *caller, int64 ns_id, const char *path);

/* The coordinator's: whether something was noted in his database, and its rows, in a transaction. */
extern bool pocket_refused_due(void);
extern void pocket_refused_write(void);

#endif
