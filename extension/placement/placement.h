/*
 * placement.h
 *	  Reading where buckets are, and choosing where a block goes.
 *
 * Everything here reads with the latest snapshot: where bytes are is a fact of
 * now, whatever the caller's transaction may see of its files.  Where a bucket is
 * read may have been looked up half a second ago: placement that has changed since
 * costs a node a look at its map.  All functions
 * run inside a session (base/spi.h); strings are palloc'd in its context.
 */
#ifndef POCKET_PLACEMENT_H
#define POCKET_PLACEMENT_H

#include "base/compat.h"

#include "contract/pk_token.h"

/* Only the owner changes anything in the cell; the others read. */
typedef enum PocketStanding
{
	POCKET_OWNER,
	POCKET_COPY,	  /* of another database, whose dump, template or files it was made from */
	POCKET_SUPERSEDED /* a node has seen a higher epoch: another database has adopted the cell, or was promoted */
} PocketStanding;

/* Who speaks: what every token and order carries. */
typedef struct PocketCell
{
	uint8 uuid[PK_UUID_SIZE];
	pk_epoch epoch; /* incarnation, timeline of the server, starts of the coordinator */
	PocketStanding standing;
} PocketCell;

extern void pocket_cell_identity(PocketCell *cell);
extern PocketStanding pocket_cell_standing(void);

/* 55000, with the way out, unless this database owns the cell. */
extern void pocket_owner_check(const PocketCell *cell);
extern void pocket_owner_require(void);
pg_attribute_noreturn() extern void pocket_superseded_raise(void);

#define POCKET_READERS_MAX 4
#define POCKET_READERS_MAX_TEXT "4"

/* A bucket, the volume that it is in now, and the node that serves it. */
typedef struct PocketPlace
{
	int64 bucket_id;
	int64 volume_id;
	int32 generation;
	char *url;						   /* the node to ask */
	char *readers[POCKET_READERS_MAX]; /* and, for reading, others after it: the first of these is that one */
	int reader_count;
	bool lost; /* too many of the volume's members are: what only it has cannot be read */
} PocketPlace;

/* What the caller has sent to a bucket, and rows do not tell yet. */
typedef struct PocketLoad
{
	int64 bucket_id;
	int64 bytes;
} PocketLoad;

/*
 * The emptiest open bucket, all of whose drives are well, of which there are as many as pocket.replicas asks for, on a node
 * that is up; none of those to avoid, of no node to avoid.
 */
extern bool pocket_place_writable(PocketPlace *place, const int64 *avoid, int avoid_count,
								  const char *const *avoid_nodes, int avoid_node_count, const PocketLoad *loads,
								  int load_count);

/* Where a bucket is read; false when the cell does not know it. */
extern bool pocket_place_locate(int64 bucket_id, PocketPlace *place);

#endif
