/*
 * place.h
 *	  The drives that new members can go to, and which of them do: the rows'
 *	  side of placement/domain.h.
 */
#ifndef POCKET_PLACE_H
#define POCKET_PLACE_H

#include "cell/cell.h"
#include "placement/domain.h"

typedef struct PocketDrive
{
	int64 drive_id;
	char *uuid;
	int64 node_id;
	char *url; /* of its node */
	int64 zone_id;
	int64 available; /* less what was given away since */
} PocketDrive;

typedef struct PocketDrives
{
	int count;
	PocketDrive *drives; /* in the order in which they would be taken */
} PocketDrives;

/* From rows (drive_id, uuid, node_id, url, zone_id, available) in SPI_tuptable, which it frees. */
extern void pocket_drives_take(PocketDrives *drives, uint64 rows);

/* Those that are well, of nodes that are up: the emptiest first, with some chance in it. */
extern void pocket_drives_load(PocketDrives *drives);

/* -1 when it is not among them. */
extern int pocket_drives_find(const PocketDrives *drives, int64 drive_id);

/* A drive with less room than this gets no new bucket. */
#define POCKET_ROOM_MIN (INT64CONST(8) << 20)

/* What extents have beside their bytes: checksums. */
#define POCKET_EXTENT_ROOM(length) ((length) + (length) / 32)

/*
 * As pocket_domain_choose(), among drives with so much room; stay: indexes of
 * those that have members of the volume which stay there.
 */
extern int pocket_drives_choose(const PocketDrives *drives, const int *stay, int stay_count, int64 room, int wanted,
								int bears, int *chosen, PocketCrowd *crowd);

/* Of a volume's drives: the node that has the most of them, which works on the volume. */
extern const PocketDrive *pocket_drives_worker(const PocketDrives *drives, const int *members, int count);

#endif
