/*
 * rights.c
 *	  What lists grant: roles, letters, and the chain of folders above an entry.
 */
#include "access/access.h"

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

static const struct
{
	const char *name;
	uint8 rights;
} roles[] = {
	{"viewer", PK_RIGHT_READ}, {"editor", PK_RIGHT_READ | PK_RIGHT_WRITE | PK_RIGHT_DELETE}, {"owner", PK_RIGHTS_ALL}};

uint8
pocket_rights_of_role(const char *role)
{
	for (Size i = 0; i < lengthof(roles); i++)
	{
		if (strcmp(roles[i].name, role) == 0)
			return roles[i].rights;
	}
	ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("unknown role \"%s\"", role),
					errhint("Roles are \"viewer\", \"editor\" and \"owner\".")));
}

uint8
pocket_rights_parse(const char *letters)
{
	uint8_t rights;
	size_t at;

	if (!pk_rights_parse(&rights, letters, strlen(letters), &at))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("invalid rights \"%s\"", letters),
						errhint("Rights are letters of \"rwds\": read, write, delete, share.")));
	return rights;
}

char *
pocket_rights_text(uint8 rights)
{
	static const char letters[] = "rwds";
	char *text = palloc0(PK_RIGHTS_TEXT + 1);
	int length = 0;

	for (int right = 0; right < PK_RIGHTS_TEXT; right++)
	{
		if (rights & (1 << right))
			text[length++] = letters[right];
	}
	return text;
}

/* --- by id --- */

typedef struct FolderKey
{
	int64 ns_id;
	int64 file_id; /* 0: the namespace itself */
} FolderKey;

typedef struct Folder
{
	FolderKey key;
	uint8 rights;
} Folder;

struct PocketPolicy
{
	PocketCaller *caller;
	bool fresh;
	HTAB *folders;
};

PocketPolicy *
pocket_policy(PocketCaller *caller, bool fresh)
{
	HASHCTL control = {.keysize = sizeof(FolderKey), .entrysize = sizeof(Folder), .hcxt = CurrentMemoryContext};
	PocketPolicy *policy = palloc(sizeof(PocketPolicy));

	policy->caller = caller;
	policy->fresh = fresh;
	policy->folders = hash_create("rights on folders", 64, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	return policy;
}

/* What stands above a namespace's root: everything for its owner, nothing for others. */
static uint8
rights_in_namespace(const PocketPolicy *policy, int64 ns_id)
{
	static PocketPlan find = {"SELECT owner FROM pocket_data.namespace WHERE ns_id = $1", "int8", NULL, NULL};
	Datum values[1] = {Int64GetDatum(ns_id)};
	uint8 rights = 0;

	if (pocket_select(&find, values, NULL, policy->fresh, 0) == 1 &&
		pocket_caller_owns(policy->caller, pocket_column_text(0, 1)))
		rights = PK_RIGHTS_ALL;
	pocket_free_rows();
	return rights;
}

/* The folder that an entry is in, or was last, and its list; false when there never was one. */
static bool
step_up(const PocketPolicy *policy, FolderKey key, int64 *parent_id, struct varlena **acl)
{
	static PocketPlan find = {"SELECT parent_id, acl FROM pocket_data.entry WHERE ns_id = $1 AND file_id = $2 "
							  "UNION ALL (SELECT parent_id, acl FROM pocket_data.journal "
							  "WHERE ns_id = $1 AND file_id = $2 ORDER BY jid DESC LIMIT 1) LIMIT 1",
							  "int8 int8", NULL, NULL};
	Datum values[2] = {Int64GetDatum(key.ns_id), Int64GetDatum(key.file_id)};
	bool found = pocket_select(&find, values, NULL, policy->fresh, 0) == 1;

	if (found)
	{
		*parent_id = pocket_column_int64(0, 1);
		*acl = pocket_is_null(0, 2) ? NULL : pocket_column_varlena(0, 2);
	}
	pocket_free_rows();
	return found;
}

static uint8
remember(PocketPolicy *policy, FolderKey key, uint8 rights)
{
	Folder *folder = hash_search(policy->folders, &key, HASH_ENTER, NULL);

	folder->rights = rights;
	return rights;
}

/*
 * Up until something is known, and down again.  A list is memory of its own, and
 * what it takes to find it is, too: both are given back at once.
 */
static uint8
find_rights(PocketPolicy *policy, FolderKey key)
{
	const Folder *known = hash_search(policy->folders, &key, HASH_FIND, NULL);
	struct varlena *acl = NULL;
	int64 parent_id = 0;
	uint8 above;

	if (known != NULL)
		return known->rights;
	check_stack_depth();
	CHECK_FOR_INTERRUPTS();
	if (key.file_id == 0)
		return remember(policy, key, rights_in_namespace(policy, key.ns_id));
	above = find_rights(policy, (FolderKey){key.ns_id, 0});
	if (above == PK_RIGHTS_ALL)
		return above; /* his own: no list counts */
	if (!step_up(policy, key, &parent_id, &acl))
		return remember(policy, key, 0);
	if (parent_id != 0)
		above = find_rights(policy, (FolderKey){key.ns_id, parent_id});
	return remember(policy, key, pocket_rights_below(policy->caller, above, acl, policy->fresh));
}

void
pocket_policy_begin(PocketPolicy *policy, int64 ns_id, int64 file_id, uint8 rights)
{
	(void) remember(policy, (FolderKey){ns_id, 0}, 0);
	(void) remember(policy, (FolderKey){ns_id, file_id}, rights);
}

bool
pocket_policy_owns(const PocketPolicy *policy, int64 ns_id)
{
	FolderKey key = {ns_id, 0};
	const Folder *known = hash_search(policy->folders, &key, HASH_FIND, NULL);

	return known != NULL && known->rights == PK_RIGHTS_ALL;
}

bool
pocket_policy_knows(const PocketPolicy *policy, int64 ns_id, int64 file_id, uint8 *rights)
{
	FolderKey key = {ns_id, file_id};
	const Folder *known;

	/* his own: no list counts */
	if (pocket_policy_owns(policy, ns_id))
	{
		*rights = PK_RIGHTS_ALL;
		return true;
	}
	known = hash_search(policy->folders, &key, HASH_FIND, NULL);
	if (known != NULL)
		*rights = known->rights;
	return known != NULL;
}

uint8
pocket_policy_rights(PocketPolicy *policy, int64 ns_id, int64 file_id)
{
	return find_rights(policy, (FolderKey){ns_id, file_id});
}
