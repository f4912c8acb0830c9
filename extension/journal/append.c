/*
 * append.c
 *	  Journal rows: writing them, and the state that they and entries carry.
 */
#include "journal/journal.h"

#include "base/guc.h"
#include "contract/pk_name.h"
#include "catalog/pg_type.h"
#include "utils/builtins.h"

static const char *const kind_names[] = {"file", "folder", "symlink", "mount"};

const char *
pocket_kind_name(PocketKind kind)
{
	return kind_names[kind];
}

const char *
pocket_kind_shown(PocketKind kind)
{
	return kind_names[kind == POCKET_MOUNT ? POCKET_FOLDER : kind];
}

PocketKind
pocket_kind_by_name(const char *name)
{
	int kind;

	for (kind = 0; kind < (int) lengthof(kind_names); kind++)
	{
		if (strcmp(kind_names[kind], name) == 0)
			return (PocketKind) kind;
	}
	ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED), errmsg("an entry is of the unknown kind \"%s\"", name)));
}

static struct varlena *
varlena_or_null(uint64 row, int column)
{
	return pocket_is_null(row, column) ? NULL : pocket_column_varlena(row, column);
}

void
pocket_state_read(PocketState *state, uint64 row, bool with_content)
{
	bool is_null;
	Datum value;

	memset(state, 0, sizeof(*state));
	state->ns_id = pocket_column_int64(row, 1);
	state->file_id = pocket_column_int64(row, 2);
	state->parent_id = pocket_column_int64(row, 3);
	state->name = pocket_column_text(row, 4);
	state->purged = state->name[0] == '/';
	if (state->purged)
		state->name = pocket_purged_name(state->file_id);
	state->kind = pocket_kind_by_name(pocket_column_text(row, 5));
	state->size = pocket_column_int64(row, 6);
	value = pocket_column(row, 7, &is_null);
	if (!is_null)
		state->content_hash = pocket_sha256_make(DatumGetPocketSha256(value)->bytes);
	value = pocket_column(row, 8, &is_null);
	state->has_mtime = !is_null;
	if (!is_null)
		state->mtime = DatumGetTimestampTz(value);
	state->attributes = (Jsonb *) pocket_column_varlena(row, 9);
	state->rev = pocket_column_int64(row, 10);
	state->version = (PocketVersionVector *) pocket_column_varlena(row, 11);
	state->author = pocket_column_text(row, 12);
	state->at = pocket_column_int64(row, 13);
	state->acl = varlena_or_null(row, POCKET_STATE_ACL_COLUMN);
	if (with_content)
	{
		state->blocks = (PocketBlockList *) varlena_or_null(row, 15);
		state->inlined = (bytea *) varlena_or_null(row, 16);
	}
}

/* Whether after op an entry is at a path where it was not. */
static bool
arrives(const char *op)
{
	return strcmp(op, POCKET_OP_UPDATED) != 0 && strcmp(op, POCKET_OP_DELETED) != 0 &&
		   strcmp(op, POCKET_OP_SHARED) != 0;
}

char *
pocket_name_key(const char *name, bool case_sensitive)
{
	char *key;

	/* the root's name is empty, as no other is */
	if (case_sensitive || name[0] == '\0')
		return pstrdup(name);
	key = palloc(PK_NAME_KEY_MAX + 1);
	(void) pk_name_key(key, name, strlen(name));
	return key;
}

/* Time does not go back along a journal, whatever the clock does. */
static void
stamp(PocketHead *head, PocketState *state, const char *op, const char *author)
{
	TimestampTz now = head->moment != 0 ? head->moment : GetCurrentTimestamp();

	head->jid++;
	head->at = Max(head->at, now);
	head->changed = true;
	state->ns_id = head->ns_id;
	state->rev = head->jid;
	state->at = head->at;
	state->author = pstrdup(author);
	if (arrives(op) && head->jid > 1)
		state->version = pocket_vector_raise(state->version, pocket_device, head->jid - 1);
	if (strcmp(op, POCKET_OP_SHARED) != 0)
		state->version = pocket_vector_increment(state->version, pocket_device);
}

void
pocket_journal_append(PocketHead *head, PocketState *state, const char *op, const char *author)
{
	static PocketPlan append = {
		"INSERT INTO pocket_data.journal (ns_id, jid, file_id, op, parent_id, name, name_key, kind, size, blocks, "
		"inline, "
		"content_hash, version, mtime, attributes, author, at, acl) "
		"VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)",
		"int8 int8 int8 text int8 text text text int8 pocket.blocklist bytea pocket.sha256 pocket.version_vector "
		"timestamptz "
		"jsonb text timestamptz pocket.acl",
		NULL, NULL};
	Datum values[18];
	char nulls[18];

	stamp(head, state, op, author);
	memset(nulls, ' ', sizeof(nulls));
	values[0] = Int64GetDatum(state->ns_id);
	values[1] = Int64GetDatum(state->rev);
	values[2] = Int64GetDatum(state->file_id);
	values[3] = CStringGetTextDatum(op);
	values[4] = Int64GetDatum(state->parent_id);
	values[5] = CStringGetTextDatum(state->name);
	values[6] = CStringGetTextDatum(pocket_name_key(state->name, head->case_sensitive));
	values[7] = CStringGetTextDatum(pocket_kind_name(state->kind));
	values[8] = Int64GetDatum(state->size);
	values[9] = PointerGetDatum(state->blocks);
	nulls[9] = state->blocks == NULL ? 'n' : ' ';
	values[10] = PointerGetDatum(state->inlined);
	nulls[10] = state->inlined == NULL ? 'n' : ' ';
	values[11] = PointerGetDatum(state->content_hash);
	nulls[11] = state->content_hash == NULL ? 'n' : ' ';
	values[12] = PointerGetDatum(state->version);
	values[13] = TimestampTzGetDatum(state->mtime);
	nulls[13] = state->has_mtime ? ' ' : 'n';
	values[14] = PointerGetDatum(state->attributes);
	values[15] = CStringGetTextDatum(state->author);
	values[16] = TimestampTzGetDatum(state->at);
	values[17] = PointerGetDatum(state->acl);
	nulls[17] = state->acl == NULL ? 'n' : ' ';
	(void) pocket_write(&append, values, nulls);
}
