/*
 * permit.c
 *	  What the caller may do with what a path leads to.
 *
 * What he may not read does not exist: an entry that is hidden from him gives the
 * same results and the same errors, to the letter, as one that is not there; so
 * errors about what is not there say the path as it was given.  Whoever has a right
 * on an entry may name it by its path, whatever of the folders above it is hidden
 * from him.
 */
#include "tree/tree.h"

#define READABLE(rights) (((rights) &PK_RIGHT_READ) != 0)

/* rights: on the entry, if there is one */
static void
conclude(PocketSpot *spot, uint8 rights)
{
	const PocketStep *last = spot->step_count > 0 ? &spot->steps[spot->step_count - 1] : NULL;

	for (int i = 0; i < spot->step_count; i++)
	{
		if (!READABLE(spot->steps[i].rights))
			continue;
		spot->is_seen = true;
		spot->rights = spot->steps[i].rights;
	}
	spot->is_hidden = last != NULL && !READABLE(last->rights);
	if (!spot->exists)
		return;
	spot->exists = READABLE(rights);
	spot->is_hidden = !spot->exists;
	if (spot->exists)
	{
		spot->is_seen = true;
		spot->rights = rights;
	}
}

void
pocket_spot_judge(PocketSpot *spot, const PocketNamespace *ns, int first, bool fresh)
{
	uint8 above = ns->above;

	if (ns->is_owned)
	{
		spot->rights = PK_RIGHTS_ALL;
		return;
	}
	for (int i = 0; i < spot->step_count; i++)
	{
		if (i >= first)
			spot->steps[i].rights = pocket_rights_below(ns->caller, above, spot->steps[i].acl, fresh);
		above = spot->steps[i].rights;
	}
	if (spot->exists)
		above = pocket_rights_below(ns->caller, above, spot->step_count == 0 ? ns->base_acl : spot->state.acl, fresh);
	conclude(spot, above);
}

PocketPolicy *
pocket_namespace_policy(const PocketNamespace *ns, bool fresh)
{
	PocketPolicy *policy = pocket_policy(ns->caller, fresh);

	if (ns->link != 0)
		pocket_policy_begin(policy, ns->ns_id, ns->base_id, ns->above);
	return policy;
}

/* Whether an entry has left, since, the folder where it is looked at. */
static bool
has_moved(const PocketSpot *spot, const PocketNamespace *ns)
{
	int64 parent_id;
	char *name;

	return pocket_journal_last_place(ns->ns_id, spot->state.file_id, &parent_id, &name) &&
		   parent_id != spot->steps[spot->step_count - 1].file_id;
}

void
pocket_spot_judge_past(PocketSpot *spot, const PocketNamespace *ns, bool fresh)
{
	PocketPolicy *policy;
	uint8 rights = 0;

	if (ns->is_owned)
	{
		spot->rights = PK_RIGHTS_ALL;
		return;
	}
	policy = pocket_namespace_policy(ns, fresh);
	for (int i = 0; i < spot->step_count; i++)
		spot->steps[i].rights = pocket_policy_rights(policy, ns->ns_id, spot->steps[i].file_id);
	if (spot->exists)
		rights = pocket_policy_rights(policy, ns->ns_id, spot->state.file_id);
	/* by the path that it has it may be named, but not by one of a folder that is hidden and has it no more */
	if (spot->exists && spot->step_count > 0 && !READABLE(spot->steps[spot->step_count - 1].rights) &&
		has_moved(spot, ns))
		rights = 0;
	conclude(spot, rights);
}

/* --- errors --- */

void
pocket_namespace_missing(const char *name)
{
	ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("namespace \"%s\" does not exist", name),
					errhint("pocket.create_namespace() makes one; the view pocket.namespaces lists yours.")));
}

void
pocket_check_seen(const PocketSpot *spot, const PocketNamespace *ns, const PocketPath *path)
{
	if (ns->is_owned)
		return;
	if (spot->is_hidden && ns->ns_id != POCKET_NO_NAMESPACE)
		pocket_refused(ns->caller, ns->ns_id, pocket_path_given(ns, path));
	if (!spot->is_seen)
		pocket_namespace_missing(path->namespace_name);
}

void
pocket_check_known(const PocketNamespace *ns, const PocketPath *path, bool fresh)
{
	PocketSpot spot;

	if (ns->is_owned)
		return;
	pocket_resolve(&spot, ns, path, NULL, fresh, false);
	if (!spot.is_seen)
		pocket_check_seen(&spot, ns, path);
}

void
pocket_denied(const PocketNamespace *ns, const PocketPath *path, uint8 rights)
{
	char *given = pocket_path_given(ns, path);

	pocket_refused(ns->caller, ns->ns_id, given);
	ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE), errmsg("permission denied for \"%s\"", given),
					errdetail("It needs the rights \"%s\".", pocket_rights_text(rights)),
					errhint("Who has the right \"s\" there can give them: see pocket.share().")));
}

void
pocket_require(const PocketSpot *spot, const PocketNamespace *ns, const PocketPath *path, uint8 rights)
{
	pocket_check_spot(spot, ns, path);
	if ((spot->rights & rights) != rights)
		pocket_denied(ns, path, rights);
}

void
pocket_require_room(const PocketSpot *spot, const PocketNamespace *ns, const PocketPath *path)
{
	if (ns->is_owned)
		return;
	if (!spot->is_seen)
		pocket_check_seen(spot, ns, path);
	/* a name that is taken by what is hidden cannot be had: that much has to be told */
	if (spot->is_hidden || (spot->rights & PK_RIGHT_WRITE) == 0)
		pocket_denied(ns, path, PK_RIGHT_WRITE);
}

void
pocket_require_write(const PocketSpot *spot, const PocketNamespace *ns, const PocketPath *path)
{
	if (spot->exists)
		pocket_require(spot, ns, path, PK_RIGHT_WRITE);
	else
		pocket_require_room(spot, ns, path);
}

/* --- before a lock is waited for: who may not have it shall not know that there is one --- */

void
pocket_check_rights(const PocketNamespace *ns, const PocketPath *path, uint8 rights)
{
	PocketSpot spot;

	if (ns->is_owned)
		return;
	pocket_resolve(&spot, ns, path, NULL, true, false);
	pocket_require(&spot, ns, path, rights);
}

void
pocket_check_write(const PocketNamespace *ns, const PocketPath *path)
{
	PocketSpot spot;

	if (ns->is_owned)
		return;
	pocket_resolve(&spot, ns, path, NULL, true, false);
	pocket_require_write(&spot, ns, path);
}

/* --- namespaces as a whole --- */

uint8
pocket_root_rights(const PocketNamespace *ns, bool fresh)
{
	return ns->is_owned ? PK_RIGHTS_ALL : pocket_rights_below(ns->caller, ns->above, ns->base_acl, fresh);
}

void
pocket_check_root(const PocketNamespace *ns, uint8 rights)
{
	const PocketPath root = {.namespace_name = ns->name, .slash = true};
	uint8 has = pocket_root_rights(ns, true);

	if (!READABLE(has))
	{
		if (ns->ns_id != POCKET_NO_NAMESPACE)
			pocket_refused(ns->caller, ns->ns_id, pocket_path_given(ns, &root));
		pocket_namespace_missing(ns->name);
	}
	if ((has & rights) != rights)
		pocket_denied(ns, &root, rights);
}

void
pocket_check_owned(const PocketNamespace *ns)
{
	const PocketPath root = {.namespace_name = ns->name, .slash = true};

	if (ns->is_owned)
		return;
	pocket_check_root(ns, PK_RIGHT_READ);
	/* whose a namespace is, and what it is called, is nothing to whom a link was given */
	if (ns->link != 0)
		pocket_denied(ns, &root, PK_RIGHTS_ALL);
	pocket_refused(ns->caller, ns->ns_id, pocket_path_given(ns, &root));
	ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE), errmsg("must be owner of namespace \"%s\"", ns->name)));
}
