/*
 * access.c
 *	  Rights of roles on namespaces.
 */
#include "access/access.h"

#include "catalog/pg_authid.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(pocket_owns);

bool
pocket_may(Oid caller, const char *owner)
{
	Oid role;

	if (superuser_arg(caller))
		return true;
	role = get_role_oid(owner, true);
	return OidIsValid(role) && has_privs_of_role(caller, role);
}

char *
pocket_author(Oid caller)
{
	return GetUserNameFromId(caller, false);
}

/* owns(owner text): whether the current role has all rights of an owner; for the views */
Datum
pocket_owns(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(pocket_may(GetUserId(), text_to_cstring(PG_GETARG_TEXT_PP(0))));
}
