/*
 * inventory.h
 *	  What drives say that they hold, page by page: a page is a JSON text, and
 *	  rows in SQL.
 *
 *		PocketInventory pages = {.url = url, .uuid = uuid};
 *
 *		while (pocket_inventory_extents(&pages))
 *			... a statement over POCKET_LISTED("$1"), with pages.answer as text ...
 *		if (pages.error != PK_OK)
 *			... pages.problem ...
 *
 * A drive may change between two pages; each extent that was there all the time is told once.
 */
#ifndef POCKET_INVENTORY_H
#define POCKET_INVENTORY_H

#include "base/compat.h"

#include "contract/pk_error.h"

typedef struct PocketInventory
{
	const char *url;  /* of the drive's node */
	const char *uuid; /* the drive's */
	int max;		  /* a page's rows; 0: as many as one answer may have */

	char *after;	/* list: a file, NULL: from the start */
	int64 offset;	/* records: from there on, 0 or where a page ended */
	int64 length;	/* records: of the extent */
	bool ended;		/* there is no page behind this one */
	char *answer;	/* the page, palloc'd: for the caller to free */
	pk_error error; /* why there is no page, when it is not PK_OK; PK_ERR_NOT_FOUND: no such drive, or no extent */
	char *problem;
} PocketInventory;

/* The next page of the drive's extents; false: there is none. */
extern bool pocket_inventory_extents(PocketInventory *pages);

/* The next page of the records of a bucket's extent on this drive. */
extern bool pocket_inventory_records(PocketInventory *pages, int64 bucket_id);

/*
 * A page's rows, as an item of FROM; json is of type text.  problem: the file is gone, or has another length; volume 0: no
 * slot is valid.  members: [{"drive", "bucket", "length"}].
 */
#define POCKET_LISTED(json)                                                                                  \
	" pg_catalog.jsonb_to_recordset(" json "::jsonb -> 'extents') AS listed"                                 \
	" (file text, kind text, id int8, \"position\" int4, sealed bool, open bool, length int8, problem text," \
	" volume int8, generation int4, code text, members jsonb)"

/* Files that no extent could be made of; of the first page. */
#define POCKET_LISTED_DAMAGED(json) \
	" pg_catalog.jsonb_to_recordset(" json "::jsonb -> 'damaged') AS damaged (file text, problem text)"

#define POCKET_RECORDS(json)                                                                               \
	" (SELECT r.\"offset\", r.stored_length, r.length, pg_catalog.decode(r.hash, 'hex') AS hash, r.crc32c" \
	" FROM pg_catalog.jsonb_to_recordset(" json "::jsonb -> 'records')"                                    \
	" AS r (\"offset\" int8, stored_length int4, length int4, hash text, crc32c int8)) AS records"

/* Stretches without a valid record. */
#define POCKET_RECORDS_DAMAGE(json)                                         \
	" pg_catalog.jsonb_to_recordset(" json "::jsonb -> 'damage') AS damage" \
	" (\"offset\" int8, length int8, problem text)"

#endif
