/*
 * see.c
 *	  What the views ask: whether the caller has rights on a row's entry.
 *
 * They ask for every row that is read, so what is known about folders is kept
 * in the function's own memory.  A plan may outlive its statement (PL/pgSQL keeps
 * expressions), so what is kept is good for one snapshot, one role and one principal,
 * and is thrown away when any of them is another.
 */
#include "access/access.h"

#include "base/guc.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

PG_FUNCTION_INFO_V1(pocket_sees);
PG_FUNCTION_INFO_V1(pocket_is_me);
PG_FUNCTION_INFO_V1(pocket_owns);
PG_FUNCTION_INFO_V1(pocket_grants);

typedef struct Seen
{
	MemoryContext context; /* of all that follows; NULL: nothing is known */
	PocketCaller *caller;
	PocketPolicy *policy;

	/* of what it is */
	PocketProof proof;
	Oid role;
	char *principal;
} Seen;

static bool
is_of_now(const Seen *seen)
{
	return seen->context != NULL && seen->role == GetUserId() && strcmp(seen->principal, pocket_principal) == 0 &&
		   pocket_proof_holds(&seen->proof);
}

/* In a session. */
static void
begin(Seen *seen, const PocketSession *session, MemoryContext function)
{
	MemoryContext outer = CurrentMemoryContext;

	if (seen->context != NULL)
		MemoryContextDelete(seen->context);
	seen->context = NULL;
	seen->context = AllocSetContextCreate(function, "rights in a statement", ALLOCSET_SMALL_SIZES);
	MemoryContextSwitchTo(seen->context);
	memset(&seen->proof, 0, sizeof(seen->proof));
	pocket_proof_take(&seen->proof, seen->context);
	seen->role = session->caller;
	seen->principal = pstrdup(pocket_principal);
	seen->caller = pocket_caller(session, InvalidOid);
	seen->policy = pocket_policy(seen->caller, false);
	MemoryContextSwitchTo(outer);
}

/* A session costs more than an answer that is known: it is opened only when something has to be looked up. */
typedef struct Asking
{
	Seen *seen;
	MemoryContext function;
	PocketSession session;
	bool is_open;
} Asking;

static void
open_session(Asking *asking)
{
	if (asking->is_open)
		return;
	pocket_enter(&asking->session);
	asking->is_open = true;
}

static void
ask(Asking *asking, FunctionCallInfo fcinfo)
{
	if (fcinfo->flinfo->fn_extra == NULL)
		fcinfo->flinfo->fn_extra = MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt, sizeof(Seen));
	asking->seen = fcinfo->flinfo->fn_extra;
	asking->function = fcinfo->flinfo->fn_mcxt;
	asking->is_open = false;
	if (!is_of_now(asking->seen))
	{
		open_session(asking);
		begin(asking->seen, &asking->session, asking->function);
	}
}

static void
close_session(Asking *asking)
{
	if (asking->is_open)
		pocket_leave(&asking->session);
}

/* folder_id 0: the namespace itself, on which its owner has all rights and nobody else has any */
static uint8
rights_on_folder(Asking *asking, int64 ns_id, int64 folder_id)
{
	uint8 rights;

	if (pocket_policy_knows(asking->seen->policy, ns_id, folder_id, &rights))
		return rights;
	open_session(asking);
	return pocket_policy_rights(asking->seen->policy, ns_id, folder_id);
}

/*
 * sees(ns_id, parent_id, acl, rights): whether the caller has these rights on an entry in a folder, both live or as they
 * were last; parent_id 0: a namespace's root
 */
Datum
pocket_sees(PG_FUNCTION_ARGS)
{
	int64 ns_id;
	int64 parent_id;
	struct varlena *acl;
	uint8 asked;
	uint8 rights;
	Asking asking;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || PG_ARGISNULL(3))
		PG_RETURN_NULL();
	ns_id = PG_GETARG_INT64(0);
	parent_id = PG_GETARG_INT64(1);
	acl = PG_ARGISNULL(2) ? NULL : PG_GETARG_POCKET_ACL(2);
	asked = pocket_rights_parse(text_to_cstring(PG_GETARG_TEXT_PP(3)));
	ask(&asking, fcinfo);
	/* lists count for all but the owner, whatever rights they have given before */
	rights = rights_on_folder(&asking, ns_id, 0);
	if (rights != PK_RIGHTS_ALL)
	{
		rights = rights_on_folder(&asking, ns_id, parent_id);
		if (acl != NULL)
		{
			open_session(&asking);
			rights = pocket_rights_below(asking.seen->caller, rights, acl, false);
		}
	}
	close_session(&asking);
	PG_RETURN_BOOL((rights & asked) == asked);
}

/* is_me(principal): whether a list's principal is the caller, or has him among its members */
Datum
pocket_is_me(PG_FUNCTION_ARGS)
{
	char *principal = text_to_cstring(PG_GETARG_TEXT_PP(0));
	Asking asking;
	bool is_me;

	ask(&asking, fcinfo);
	open_session(&asking);
	is_me = pocket_caller_is(asking.seen->caller, principal, false);
	close_session(&asking);
	PG_RETURN_BOOL(is_me);
}

/* owns(owner): whether the caller has all rights in what owner owns */
Datum
pocket_owns(PG_FUNCTION_ARGS)
{
	char *owner = text_to_cstring(PG_GETARG_TEXT_PP(0));
	Asking asking;
	bool owns;

	ask(&asking, fcinfo);
	owns = pocket_caller_owns(asking.seen->caller, owner);
	close_session(&asking);
	PG_RETURN_BOOL(owns);
}

/* grants(acl): one row for each principal */
Datum
pocket_grants(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	pk_acl *acl = pocket_acl_unpack(PG_GETARG_POCKET_ACL(0));

	InitMaterializedSRF(fcinfo, 0);
	for (int i = 0; i < acl->count; i++)
	{
		const pk_acl_entry *entry = &acl->entries[i];
		Datum values[2] = {PointerGetDatum(cstring_to_text_with_len(entry->name, entry->length)),
						   CStringGetTextDatum(pocket_rights_text(entry->rights))};
		bool nulls[2] = {false, false};

		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}
