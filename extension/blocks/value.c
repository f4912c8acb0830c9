/*
 * value.c
 *	  A bytea that is still on its way: an expanded object (utils/expandeddatum.h).
 *
 * Whoever sends a bytea to a client in binary, and whoever makes a row of it,
 * wants a copy of his own.  So the bytes go from the sidecar straight into that
 * copy, and are never anywhere else.
 */
#include "blocks/blocks.h"

#include "utils/expandeddatum.h"
#include "utils/memutils.h"

typedef struct PocketValue
{
	ExpandedObjectHeader header;
	PocketRead *read;
	Size length;
} PocketValue;

static Size
flat_size(ExpandedObjectHeader *header)
{
	return ((PocketValue *) header)->length + VARHDRSZ;
}

static void
flatten_into(ExpandedObjectHeader *header, void *result, Size size)
{
	pocket_read_finish(((PocketValue *) header)->read, VARDATA(result));
	SET_VARSIZE(result, size);
}

Datum
pocket_read_value(MemoryContext context, const PocketBlockList *blocks, int64 start, int64 length)
{
	static const ExpandedObjectMethods methods = {flat_size, flatten_into};
	MemoryContext own = AllocSetContextCreate(context, "pocket value", ALLOCSET_SMALL_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(own);
	PocketValue *value = palloc0(sizeof(PocketValue));

	EOH_init_header(&value->header, &methods, own);
	value->length = (Size) length;
	value->read = pocket_read_begin(blocks, start, length);
	MemoryContextSwitchTo(caller);
	return EOHPGetRODatum(&value->header);
}
