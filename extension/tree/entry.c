/*
 * entry.c
 *	  Changing live entries, each change with its journal row.
 */
#include "tree/tree.h"

#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

#define ENTRY_ARGS                                                                                                    \
	"int8 int8 int8 text text text int8 int8 pocket.blocklist bytea pocket.sha256 pocket.version_vector timestamptz " \
	"jsonb text timestamptz pocket.acl"
#define ENTRY_ARG_COUNT 17

void
pocket_state_init(PocketState *state, PocketKind kind, int64 parent_id, const char *name)
{
	memset(state, 0, sizeof(*state));
	state->kind = kind;
	state->parent_id = parent_id;
	state->name = pstrdup(name);
	state->attributes = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum("{}")));
}

static void
entry_row(const PocketNamespace *ns, const PocketState *state, Datum *values, char *nulls)
{
	memset(nulls, ' ', ENTRY_ARG_COUNT);
	values[0] = Int64GetDatum(state->ns_id);
	values[1] = Int64GetDatum(state->file_id);
	values[2] = Int64GetDatum(state->parent_id);
	values[3] = CStringGetTextDatum(state->name);
	values[4] = CStringGetTextDatum(pocket_key(ns, state->name));
	values[5] = CStringGetTextDatum(pocket_kind_name(state->kind));
	values[6] = Int64GetDatum(state->rev);
	values[7] = Int64GetDatum(state->size);
	values[8] = PointerGetDatum(state->blocks);
	nulls[8] = state->blocks == NULL ? 'n' : ' ';
	values[9] = PointerGetDatum(state->inlined);
	nulls[9] = state->inlined == NULL ? 'n' : ' ';
	values[10] = PointerGetDatum(state->content_hash);
	nulls[10] = state->content_hash == NULL ? 'n' : ' ';
	values[11] = PointerGetDatum(state->version);
	values[12] = TimestampTzGetDatum(state->mtime);
	nulls[12] = state->has_mtime ? ' ' : 'n';
	values[13] = PointerGetDatum(state->attributes);
	values[14] = CStringGetTextDatum(state->author);
	values[15] = TimestampTzGetDatum(state->at);
	values[16] = PointerGetDatum(state->acl);
	nulls[16] = state->acl == NULL ? 'n' : ' ';
}

/* The entry of state, which has its file_id. */
static void
insert_entry(PocketHead *head, const PocketNamespace *ns, PocketState *state, const char *op, const char *author)
{
	static PocketPlan insert = {
		"INSERT INTO pocket_data.entry (ns_id, file_id, parent_id, name, name_key, kind, rev, size, blocks, inline, "
		"content_hash, version, mtime, attributes, author, at, acl) "
		"VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)",
		ENTRY_ARGS, NULL, NULL};
	Datum values[ENTRY_ARG_COUNT];
	char nulls[ENTRY_ARG_COUNT];

	if (state->kind == POCKET_MOUNT)
	{
		pocket_mount_admit(head, state);
		pocket_mounts_count(head, 1);
	}
	pocket_head_account(head, state->size);
	pocket_journal_append(head, state, op, author);
	entry_row(ns, state, values, nulls);
	(void) pocket_write(&insert, values, nulls);
}

void
pocket_entry_add(PocketHead *head, const PocketNamespace *ns, PocketState *state, const char *author)
{
	pocket_entry_add_as(head, ns, state, POCKET_OP_CREATED, author);
}

void
pocket_entry_add_as(PocketHead *head, const PocketNamespace *ns, PocketState *state, const char *op, const char *author)
{
	state->file_id = pocket_head_next_file(head);
	insert_entry(head, ns, state, op, author);
}

void
pocket_entry_restore(PocketHead *head, const PocketNamespace *ns, PocketState *state, const char *author)
{
	insert_entry(head, ns, state, POCKET_OP_RESTORED, author);
}

void
pocket_entry_change(PocketHead *head, const PocketNamespace *ns, const PocketState *before, PocketState *state,
					const char *op, const char *author)
{
	static PocketPlan update = {
		"UPDATE pocket_data.entry SET parent_id = $3, name = $4, name_key = $5, kind = $6, rev = $7, size = $8, "
		"blocks = $9, inline = $10, content_hash = $11, version = $12, mtime = $13, attributes = $14, author = $15, "
		"at = $16, acl = $17 WHERE ns_id = $1 AND file_id = $2",
		ENTRY_ARGS, NULL, NULL};
	Datum values[ENTRY_ARG_COUNT];
	char nulls[ENTRY_ARG_COUNT];

	pocket_head_account(head, state->size - before->size);
	pocket_journal_append(head, state, op, author);
	entry_row(ns, state, values, nulls);
	if (pocket_write(&update, values, nulls) != 1)
		elog(ERROR, "entry " INT64_FORMAT " vanished under the head lock", state->file_id);
}

void
pocket_entry_remove(PocketHead *head, PocketState *state, const char *author)
{
	static PocketPlan remove = {"DELETE FROM pocket_data.entry WHERE ns_id = $1 AND file_id = $2", "int8 int8", NULL,
								NULL};
	Datum values[2] = {Int64GetDatum(state->ns_id), Int64GetDatum(state->file_id)};

	if (state->kind == POCKET_MOUNT)
		pocket_mounts_count(head, -1);
	/* the content stays with the revision before */
	state->blocks = NULL;
	state->inlined = NULL;
	pocket_head_account(head, -state->size);
	pocket_journal_append(head, state, POCKET_OP_DELETED, author);
	if (pocket_write(&remove, values, NULL) != 1)
		elog(ERROR, "entry " INT64_FORMAT " vanished under the head lock", state->file_id);
}

void
pocket_parents_make(PocketHead *head, const PocketNamespace *ns, const PocketPath *path, PocketSpot *spot,
					const char *author)
{
	while (spot->known < path->depth - 1)
	{
		PocketState folder;

		pocket_state_init(&folder, POCKET_FOLDER, spot->parent_id, path->names[spot->known]);
		pocket_entry_add(head, ns, &folder, author);
		spot->parent_id = folder.file_id;
		spot->steps[spot->step_count++] = (PocketStep){.file_id = folder.file_id, .rights = spot->rights};
		spot->known++;
	}
}
