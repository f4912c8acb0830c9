/*
 * head.c
 *	  The head row of a namespace: lock, account, flush.
 */
#include "journal/journal.h"

#include "base/error.h"

/*
 * Each call of a transaction leaves one more version of the row, which none can
 * prune before its end: by key, the n-th call would walk over n of them.  So the
 * last version that this backend wrote is remembered, and tried first.  It is
 * only a guess: what is not there, or not visible any more, is found by key.
 */
static int64 last_ns_id = 0;
static ItemPointerData last_place;

static bool
lock_row(PocketHead *head)
{
	static PocketPlan by_place = {"SELECT jid, file_id, used, at, ctid FROM pocket_data.namespace_head "
								  "WHERE ns_id = $1 AND ctid = $2 FOR UPDATE",
								  "int8 tid", NULL, NULL};
	static PocketPlan by_key = {"SELECT jid, file_id, used, at, ctid FROM pocket_data.namespace_head "
								"WHERE ns_id = $1 FOR UPDATE",
								"int8", NULL, NULL};
	Datum values[2] = {Int64GetDatum(head->ns_id), PointerGetDatum(&last_place)};
	bool is_null;

	if (last_ns_id != head->ns_id || pocket_write(&by_place, values, NULL) != 1)
	{
		if (pocket_write(&by_key, values, NULL) != 1)
			return false;
	}
	head->jid = pocket_column_int64(0, 1);
	head->file_id = pocket_column_int64(0, 2);
	head->used = pocket_column_int64(0, 3);
	head->at = pocket_column_int64(0, 4);
	head->place = *(ItemPointer) DatumGetPointer(pocket_column(0, 5, &is_null));
	pocket_free_rows();
	return true;
}

void
pocket_head_lock(PocketHead *head, int64 ns_id)
{
	/* a statement of its own: its snapshot is newer than the wait for the lock */
	static PocketPlan limit = {
		"SELECT coalesce(quota, -1), case_sensitive, name, owner FROM pocket_data.namespace WHERE ns_id = $1", "int8",
		NULL, NULL};
	Datum values[1] = {Int64GetDatum(ns_id)};

	memset(head, 0, sizeof(*head));
	head->ns_id = ns_id;
	if (!lock_row(head))
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("namespace " INT64_FORMAT " does not exist", ns_id),
						errdetail("It was dropped at this moment.")));
	if (pocket_write(&limit, values, NULL) != 1)
		ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED), errmsg("namespace " INT64_FORMAT " has a head only", ns_id)));
	head->quota = pocket_column_int64(0, 1);
	head->case_sensitive = pocket_column_bool(0, 2);
	head->name = pocket_column_text(0, 3);
	head->owner = pocket_column_text(0, 4);
	pocket_free_rows();
}

void
pocket_head_flush(PocketHead *head)
{
	static PocketPlan by_place = {"UPDATE pocket_data.namespace_head SET jid = $2, file_id = $3, used = $4, at = $5 "
								  "WHERE ns_id = $1 AND ctid = $6 RETURNING ctid",
								  "int8 int8 int8 int8 timestamptz tid", NULL, NULL};
	static PocketPlan by_key = {"UPDATE pocket_data.namespace_head SET jid = $2, file_id = $3, used = $4, at = $5 "
								"WHERE ns_id = $1 RETURNING ctid",
								"int8 int8 int8 int8 timestamptz", NULL, NULL};
	Datum values[6] = {Int64GetDatum(head->ns_id), Int64GetDatum(head->jid),	  Int64GetDatum(head->file_id),
					   Int64GetDatum(head->used),  TimestampTzGetDatum(head->at), PointerGetDatum(&head->place)};
	bool is_null;

	if (!head->changed)
		return;
	/* the row is locked by us: the key finds it wherever it is */
	if (pocket_write(&by_place, values, NULL) != 1 && pocket_write(&by_key, values, NULL) != 1)
		elog(ERROR, "head of namespace " INT64_FORMAT " vanished under its lock", head->ns_id);
	last_ns_id = head->ns_id;
	last_place = *(ItemPointer) DatumGetPointer(pocket_column(0, 1, &is_null));
	head->place = last_place;
	head->changed = false;
	pocket_notify_changed(head->ns_id);
	pocket_free_rows();
}

void
pocket_head_one_moment(PocketHead *head)
{
	head->moment = Max(head->at + 1, GetCurrentTimestamp());
}

int64
pocket_head_next_file(PocketHead *head)
{
	head->changed = true;
	return ++head->file_id;
}

/* How much there is in all is the owner's business: others may not see all of it. */
static void
refuse(int64 used, int64 quota, bool is_owner)
{
	ereport(ERROR, (errcode(pocket_sqlstate(PK_ERR_QUOTA)), errmsg("the namespace's quota would be exceeded"),
					is_owner ? errdetail("Its files would have " INT64_FORMAT " bytes, " INT64_FORMAT " are allowed.",
										 used, quota)
							 : errdetail("Only its owner is told how many bytes it has, and may have."),
					errhint("Remove files, or ask the owner of the namespace for a higher quota.")));
}

/* Whether growth is too much, as it is now: what it would be, and the quota. */
static bool
is_over(int64 ns_id, int64 growth, int64 *used, int64 *quota)
{
	static PocketPlan find = {"SELECT h.used, n.quota FROM pocket_data.namespace n JOIN pocket_data.namespace_head h"
							  " ON h.ns_id = n.ns_id WHERE n.ns_id = $1 AND n.quota IS NOT NULL",
							  "int8", NULL, NULL};
	Datum values[1] = {Int64GetDatum(ns_id)};
	bool over = false;

	if (growth <= 0)
		return false;
	if (pocket_write(&find, values, NULL) == 1)
	{
		*used = pocket_column_int64(0, 1) + growth;
		*quota = pocket_column_int64(0, 2);
		over = *used > *quota;
	}
	pocket_free_rows();
	return over;
}

bool
pocket_quota_fits(int64 ns_id, int64 growth)
{
	int64 used;
	int64 quota;

	return !is_over(ns_id, growth, &used, &quota);
}

void
pocket_quota_check(int64 ns_id, int64 growth, bool is_owner)
{
	int64 used;
	int64 quota;

	if (is_over(ns_id, growth, &used, &quota))
		refuse(used, quota, is_owner);
}

void
pocket_quota_allows(int64 ns_id, int64 bytes, bool is_owner)
{
	static PocketPlan find = {"SELECT quota FROM pocket_data.namespace WHERE ns_id = $1 AND quota < $2", "int8 int8",
							  NULL, NULL};
	Datum values[2] = {Int64GetDatum(ns_id), Int64GetDatum(bytes)};

	if (pocket_write(&find, values, NULL) == 1)
		refuse(bytes, pocket_column_int64(0, 1), is_owner);
	pocket_free_rows();
}

void
pocket_head_account(PocketHead *head, int64 bytes)
{
	head->used += bytes;
	head->changed = true;
	if (bytes > 0 && head->quota >= 0 && head->used > head->quota)
		refuse(head->used, head->quota, head->is_owned);
}
