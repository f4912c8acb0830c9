/*
 * audit.c
 *	  The record of who changed what others may, in the transaction that does it.
 *
 * Rows stay: no retention drops them.
 */
#include "access/access.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#define PAIRS_MAX 16 /* texts: names and values */

void
pocket_audit(const PocketCaller *caller, const char *action, int64 ns_id, int64 file_id, const char *path,
			 const char *const *detail)
{
	static PocketPlan insert = {
		"INSERT INTO pocket_data.audit (at, principal, role, action, path, ns_id, file_id, detail) "
		"VALUES ($1, $2, $3, $4, $5, nullif($6, 0), nullif($7, 0), jsonb_object($8))",
		"timestamptz text text text text int8 int8 text[]", NULL, NULL};
	Datum pairs[PAIRS_MAX];
	int count = 0;
	Datum values[8];
	char nulls[8] = {' ', ' ', ' ', ' ', path == NULL ? 'n' : ' ', ' ', ' ', ' '};

	for (; detail[count] != NULL; count++)
	{
		Assert(count < PAIRS_MAX);
		pairs[count] = CStringGetTextDatum(detail[count]);
	}
	values[0] = TimestampTzGetDatum(GetCurrentTimestamp());
	values[1] = CStringGetTextDatum(caller->name);
	values[2] = CStringGetTextDatum(GetUserNameFromId(caller->session_role, false));
	values[3] = CStringGetTextDatum(action);
	values[4] = path == NULL ? (Datum) 0 : CStringGetTextDatum(path);
	values[5] = Int64GetDatum(ns_id);
	values[6] = Int64GetDatum(file_id);
	values[7] = PointerGetDatum(construct_array(pairs, count, TEXTOID, -1, false, TYPALIGN_INT));
	(void) pocket_write(&insert, values, nulls);
}

void
pocket_audit_blank(int64 ns_id)
{
	static PocketPlan blank = {"UPDATE pocket_data.audit a SET path = NULL WHERE a.ns_id = $1 AND a.path IS NOT NULL"
							   " AND EXISTS (SELECT FROM pocket_data.journal j WHERE j.ns_id = $1"
							   " AND j.file_id = a.file_id AND j.name LIKE '/%')",
							   "int8", NULL, NULL};
	Datum values[1] = {Int64GetDatum(ns_id)};

	(void) pocket_write(&blank, values, NULL);
}
