/*
 * spread.h
 *	  Over which buckets the blocks of one call are spread, whoever sends them.
 *
 * Small blocks go to one bucket, so that they share its group commits; after a
 * few megabytes the bucket changes, so that all fill alike.  Buckets that do not
 * take blocks are avoided; when none is left, others are opened.  Private to
 * this room.
 */
#ifndef POCKET_SPREAD_H
#define POCKET_SPREAD_H

#include "blocks/blocks.h"
#include "placement/placement.h"
#include "utils/timestamp.h"

#define POCKET_LOADS_MAX 64

/* Zeroed at first. The strings of place stay, even when the place changes. */
typedef struct PocketSpread
{
	bool placed;
	PocketPlace place; /* where blocks go now */
	int64 bytes;	   /* sent there */
	PocketLoad loads[POCKET_LOADS_MAX];
	int load_count;

	/* buckets that this call does not try again */
	int64 avoid[POCKET_CLOSED_MAX];
	int avoid_count;

	/* the last failure that says more than that a bucket is full */
	pk_error error;
	const char *node;
	char *problem;
} PocketSpread;

/* spread->place is set; false when no open bucket takes blocks now. */
extern bool pocket_spread_find(PocketSpread *spread);

/* The same, but waits until there is one, opened for us if need be; raises what is in the way. */
extern void pocket_spread_wait(PocketSpread *spread);

/* So many bytes go to the place. */
extern void pocket_spread_count(PocketSpread *spread, int64 bytes);

/* The bucket did not take a block; closed: and never will, which this backend remembers. */
extern void pocket_spread_avoid(PocketSpread *spread, int64 bucket_id, bool closed);
extern void pocket_spread_note(PocketSpread *spread, pk_error error, const char *node, const char *problem);

/* Starts what opens other buckets, if more are known to be closed than before. */
extern int64 pocket_spread_closed(void);
extern void pocket_spread_hint(int64 before);

pg_attribute_noreturn() extern void pocket_spread_give_up(const PocketSpread *spread);

/* Whether as long as a node may take to answer has passed since. */
extern bool pocket_out_of_patience(TimestampTz began);

#endif
