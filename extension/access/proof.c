/*
 * proof.c
 *	  Whether what was read before is what would be read again.
 *
 * What a statement sees is told by its snapshot, and by what its own transaction
 * has done.  So what was looked up under one snapshot holds for another that is
 * the same, as long as nothing has been written on the way.
 */
#include "access/access.h"

#include "access/xact.h"
#include "storage/proc.h"
#include "utils/snapmgr.h"

static bool
same_xids(const TransactionId *a, const TransactionId *b, Size count)
{
	return count == 0 || memcmp(a, b, count * sizeof(TransactionId)) == 0;
}

static bool
same_snapshot(const SnapshotData *a, const SnapshotData *b)
{
	return a->xmin == b->xmin && a->xmax == b->xmax && a->xcnt == b->xcnt && a->subxcnt == b->subxcnt &&
		   a->suboverflowed == b->suboverflowed && a->takenDuringRecovery == b->takenDuringRecovery &&
		   same_xids(a->xip, b->xip, a->xcnt) && same_xids(a->subxip, b->subxip, (Size) Max(a->subxcnt, 0));
}

/* The arrays have room to grow: a proof that is taken again and again needs no more memory. */
static void
copy_xids(TransactionId **to, Size *room, const TransactionId *from, Size count, MemoryContext context)
{
	if (*to == NULL || *room < count)
	{
		if (*to != NULL)
			pfree(*to);
		*to = NULL;
		*to = MemoryContextAlloc(context, sizeof(TransactionId) * (count + 1));
		*room = count;
	}
	if (count > 0)
		memcpy(*to, from, sizeof(TransactionId) * count);
}

void
pocket_proof_take(PocketProof *proof, MemoryContext context)
{
	Snapshot snapshot = GetActiveSnapshot();

	proof->is_taken = false;
	copy_xids(&proof->xip, &proof->xip_room, snapshot->xip, snapshot->xcnt, context);
	copy_xids(&proof->subxip, &proof->subxip_room, snapshot->subxip, (Size) Max(snapshot->subxcnt, 0), context);
	proof->snapshot = *snapshot;
	proof->snapshot.xip = proof->xip;
	proof->snapshot.subxip = proof->subxip;
	proof->xid = GetTopTransactionIdIfAny();
	proof->transaction = pocket_local_transaction();
	proof->subtransaction = GetCurrentSubTransactionId();
	proof->is_taken = true;
}

bool
pocket_proof_holds(const PocketProof *proof)
{
	TransactionId xid = GetTopTransactionIdIfAny();
	Snapshot snapshot = GetActiveSnapshot();

	if (!proof->is_taken || xid != proof->xid || !same_snapshot(&proof->snapshot, snapshot))
		return false;
	/* there a transaction has to read for itself: what it has read is what conflicts are found by */
	if (IsolationIsSerializable() && proof->transaction != pocket_local_transaction())
		return false;
	/* whoever has written sees that, too, up to a command of a subtransaction */
	return !TransactionIdIsValid(xid) ||
		   (snapshot->curcid == proof->snapshot.curcid && proof->transaction == pocket_local_transaction() &&
			proof->subtransaction == GetCurrentSubTransactionId());
}
