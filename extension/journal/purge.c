/*
 * purge.c
 *	  Rows of an entry that lose everything but their place in the journal.
 *
 * A purged entry keeps its rows, so that jids have no gaps and a follower hears of
 * each; what they said is gone.  They become deletions: at no moment was anything
 * there.  But a folder out of which something was moved that is not purged stays
 * one, without its name: that was in it then.
 *
 * No name begins with a slash: that marks such rows, and no path leads to them.
 * Whoever reads one is given the name "purged-" and the entry's id.
 */
#include "journal/journal.h"

#include "utils/builtins.h"

char *
pocket_purged_name(int64 file_id)
{
	return psprintf("purged-" INT64_FORMAT, file_id);
}

/* Rows that are the last of their entry. */
#define IS_LAST                                                           \
	"j.jid = (SELECT n.jid FROM pocket_data.journal n WHERE n.ns_id = $1" \
	" AND n.file_id = j.file_id ORDER BY n.jid DESC LIMIT 1)"

uint64
pocket_journal_at_spot(int64 ns_id, int64 parent_id, const char *key)
{
	static PocketPlan find = {"SELECT j.file_id, j.kind = 'folder' FROM pocket_data.journal j WHERE j.ns_id = $1"
							  " AND j.parent_id = $2 AND j.name_key = $3 AND " IS_LAST " ORDER BY j.jid",
							  "int8 int8 text", NULL, NULL};
	Datum values[3] = {Int64GetDatum(ns_id), Int64GetDatum(parent_id), CStringGetTextDatum(key)};

	return pocket_write(&find, values, NULL);
}

uint64
pocket_journal_in_folder(int64 ns_id, int64 parent_id, const char *key, int64 jid, int64 max)
{
	static PocketPlan find = {
		"SELECT j.file_id, j.kind = 'folder', j.name_key, j.jid FROM pocket_data.journal j WHERE j.ns_id = $1"
		" AND j.parent_id = $2 AND (j.name_key, j.jid) > ($3, $4) AND j.name_key NOT LIKE '/%' AND " IS_LAST
		" ORDER BY j.name_key, j.jid LIMIT $5",
		"int8 int8 text int8 int8", NULL, NULL};
	Datum values[5] = {Int64GetDatum(ns_id), Int64GetDatum(parent_id), CStringGetTextDatum(key), Int64GetDatum(jid),
					   Int64GetDatum(max)};

	return pocket_write(&find, values, NULL);
}

static PocketBlockList *
read_blocks(int column)
{
	return pocket_is_null(0, column) ? NULL : (PocketBlockList *) pocket_column_varlena(0, column);
}

bool
pocket_journal_next_blocks(int64 ns_id, int64 file_id, int64 *jid, PocketBlockList **blocks,
						   PocketBlockList **next_blocks)
{
	static PocketPlan find = {
		"SELECT j.jid, j.blocks, (SELECT n.blocks FROM pocket_data.journal n WHERE n.ns_id = $1"
		" AND n.file_id = $2 AND n.jid > j.jid ORDER BY n.jid LIMIT 1) FROM pocket_data.journal j"
		" WHERE j.ns_id = $1 AND j.file_id = $2 AND j.jid > $3 AND j.blocks IS NOT NULL ORDER BY j.jid LIMIT 1",
		"int8 int8 int8", NULL, NULL};
	Datum values[3] = {Int64GetDatum(ns_id), Int64GetDatum(file_id), Int64GetDatum(*jid)};
	bool found = pocket_write(&find, values, NULL) == 1;

	if (found)
	{
		*jid = pocket_column_int64(0, 1);
		*blocks = read_blocks(2);
		*next_blocks = read_blocks(3);
	}
	pocket_free_rows();
	return found;
}

void
pocket_journal_blank(int64 ns_id, int64 file_id)
{
	static PocketPlan blank = {
		"UPDATE pocket_data.journal SET op = CASE WHEN (SELECT EXISTS (SELECT FROM pocket_data.journal c"
		" WHERE c.ns_id = $1 AND c.parent_id = $2 AND c.op <> 'deleted')) THEN op ELSE 'deleted' END, name = $3,"
		" name_key = $3, size = 0, blocks = NULL, inline = NULL, content_hash = NULL, mtime = NULL,"
		/* of a mount point that which is mounted: its followers have to forget that */
		" attributes = CASE WHEN kind = 'mount' THEN jsonb_build_object('namespace_id', attributes -> 'namespace_id')"
		" ELSE '{}' END, acl = NULL WHERE ns_id = $1 AND file_id = $2",
		"int8 int8 text", NULL, NULL};
	Datum values[3] = {Int64GetDatum(ns_id), Int64GetDatum(file_id),
					   CStringGetTextDatum(psprintf("/" INT64_FORMAT, file_id))};

	(void) pocket_write(&blank, values, NULL);
}
