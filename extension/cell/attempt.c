/*
 * attempt.c
 *	  Parities of encodings that were rolled back.
 *
 * They are files that no row names, and the referee finds them as strays.  Whoever
 * encodes holds the lock of a pass to the end of his transaction, prepared ones
 * too, and ids are given once: what was a stray under that lock never becomes a
 * member.  The node looks for itself: it lets a parity go only when no member was
 * told of its volume.  Of another incarnation's volumes reconcile() decides.
 */
#include "cell/cell.h"

#include "base/spi.h"
#include "placement/placement.h"

#define ATTEMPTS_MAX 512
#define LITERAL_(n) #n
#define LITERAL(n) LITERAL_(n)

/* "extents/XX/p-ID-PP" */
#define IS_PARITY "f.file ~ '^extents/[0-9a-f]{2}/p-[0-9a-f]{16}-[0-9]{2}$'"

void
pocket_intend_drop_attempts(void)
{
	/* its finding goes with the order for it; the referee passes over what has one */
	static PocketPlan intend = {
		"WITH stray AS (SELECT x.* FROM (SELECT f.verifier, f.object, f.drive_id,"
		" CASE WHEN " IS_PARITY " THEN ('x' || pg_catalog.substr(f.file, 14, 16))::bit(64)::int8 END AS volume_id,"
		" CASE WHEN " IS_PARITY " THEN pg_catalog.substr(f.file, 31)::int4 END AS position FROM pocket_data.finding f"
		" WHERE f.verifier = 'referee' AND f.detail ->> 'kind' = 'stray') x WHERE x.volume_id >> 32 = $1"
		" AND NOT EXISTS (SELECT FROM pocket_data.volume v WHERE v.volume_id = x.volume_id)"
		" LIMIT " LITERAL(ATTEMPTS_MAX) "), told AS (DELETE FROM pocket_data.finding f USING stray s"
										" WHERE f.verifier = s.verifier AND f.object = s.object)"
										" INSERT INTO pocket_data.intent (duty, drive_id, volume_id, position, at)"
										" SELECT 'drop', s.drive_id, s.volume_id, s.position, "
										"pg_catalog.clock_timestamp() FROM stray s",
		"int8", NULL, NULL};
	PocketCell cell;
	Datum values[1];

	pocket_cell_identity(&cell);
	values[0] = Int64GetDatum((int64) cell.epoch.incarnation);
	(void) pocket_write(&intend, values, NULL);
}
