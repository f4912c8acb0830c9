/*
 * blocklist.h
 *	  Type pocket.blocklist: the content of a file as the hashes and sizes of its
 *	  blocks, in order.  Text form: {hash:size,...}; {} is empty content.
 *
 * Both forms are read and written by contract/pk_blocklist.h.
 *
 * A value's content size is at most POCKET_BLOCKLIST_COUNT_MAX blocks, 16 TiB.
 */
#ifndef POCKET_BLOCKLIST_H
#define POCKET_BLOCKLIST_H

#include "base/compat.h"

#include "contract/pk_blocklist.h"
#include "types/sha256.h"

#define POCKET_BLOCKLIST_COUNT_MAX (4 * 1024 * 1024)

typedef pk_listed_block PocketBlock;

typedef struct PocketBlockList
{
	int32 vl_len_;
	int32 count;
	PocketBlock blocks[FLEXIBLE_ARRAY_MEMBER];
} PocketBlockList;

StaticAssertDecl(sizeof(PocketBlock) == 36, "a block of a list has 36 bytes");
StaticAssertDecl(offsetof(PocketBlockList, blocks) == 8, "a block list's blocks begin at 8");

#define POCKET_BLOCKLIST_SIZE(count) (offsetof(PocketBlockList, blocks) + (Size) (count) * sizeof(PocketBlock))

/* Detoasted; a short header is expanded, so that the fields are aligned. */
#define DatumGetPocketBlockList(d) ((PocketBlockList *) PG_DETOAST_DATUM(d))
#define PG_GETARG_BLOCKLIST(n) DatumGetPocketBlockList(PG_GETARG_DATUM(n))

/* A zeroed list of count blocks, palloc'd; 54000 when count is over the limit. */
extern PocketBlockList *pocket_blocklist_make(int64 count);

/* The bytes of the content. */
extern int64 pocket_blocklist_length(const PocketBlockList *list);

/* Dropbox's content_hash: SHA-256 over the concatenated hashes. */
extern void pocket_blocklist_content_hash(PocketSha256 *out, const PocketBlockList *list);

/* Cuts data at multiples of PK_BLOCK_SIZE_MAX and hashes; interruptible. */
extern PocketBlockList *pocket_blocklist_chunk(const char *data, Size length);

/* The first first_count blocks of head, and then tail. */
extern PocketBlockList *pocket_blocklist_join(const PocketBlockList *head, int32 first_count,
											  const PocketBlockList *tail);

extern int pocket_blocklist_compare(const PocketBlockList *a, const PocketBlockList *b);

#endif
