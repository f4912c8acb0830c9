/*
 * put.c
 *	  put and put_many: whole files from bytes.
 */
#include "files/files.h"

#include "access/access.h"
#include "base/guc.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "nodes/pg_list.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

PG_FUNCTION_INFO_V1(pocket_put);
PG_FUNCTION_INFO_V1(pocket_put_many);

static PocketPutMode
put_mode(const char *mode, const PocketVersionVector *base)
{
	if (strcmp(mode, "overwrite") == 0)
		return POCKET_PUT_OVERWRITE;
	if (strcmp(mode, "add") == 0)
		return POCKET_PUT_ADD;
	if (strcmp(mode, "update") != 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("unknown mode \"%s\"", mode),
						errhint("Modes are \"add\", \"overwrite\" and \"update\".")));
	if (base == NULL)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("mode \"update\" needs a base version"),
						errhint("The base is the version that pocket.stat() told before the content was changed.")));
	return POCKET_PUT_UPDATE;
}

void
pocket_put_check_early(const PocketNamespace *ns, const PocketPut *put)
{
	PocketSpot spot;

	pocket_check_write(ns, &put->path);
	if (put->length <= (Size) pocket_inline_limit)
		return;
	pocket_resolve(&spot, ns, &put->path, NULL, true, false);
	if (spot.exists && POCKET_IS_FOLDER(spot.state.kind) && !pocket_put_conflicts(put, &spot.state))
		pocket_check_file(&spot);
}

static void
bytes_of(PocketPut *put, bytea *content)
{
	put->data = VARDATA_ANY(content);
	put->length = VARSIZE_ANY_EXHDR(content);
}

void
pocket_put_arguments(PocketPut *put, FunctionCallInfo fcinfo, int base)
{
	int mtime = base + 2;

	pocket_check_not_null(fcinfo, base + 1, "mode");
	put->base = PG_ARGISNULL(base) ? NULL : PG_GETARG_VERSION_VECTOR(base);
	put->mode = put_mode(text_to_cstring(PG_GETARG_TEXT_PP(base + 1)), put->base);
	if (put->base != NULL)
		pocket_check_base(put->base);
	pocket_path_argument(&put->path, fcinfo, 0);
	pocket_path_check_leaf(&put->path);
	put->has_mtime = !PG_ARGISNULL(mtime);
	put->mtime = put->has_mtime ? PG_GETARG_TIMESTAMPTZ(mtime) : 0;
}

/* put(path, content, base, mode, mtime, attributes) */
Datum
pocket_put(PG_FUNCTION_ARGS)
{
	PocketPut put = {0};
	PocketPut *puts[1] = {&put};
	PocketSession session;
	PocketCaller *caller;
	PocketNamespace ns;
	PocketReceipts *receipts;
	PocketHead head;
	PocketSpot spot;
	const char *outcome;
	Datum result;

	pocket_check_not_null(fcinfo, 0, "path");
	pocket_check_not_null(fcinfo, 1, "content");
	PreventCommandIfReadOnly("pocket.put()");
	pocket_put_arguments(&put, fcinfo, 2);
	bytes_of(&put, PG_GETARG_BYTEA_PP(1));
	put.attributes = PG_ARGISNULL(5) ? NULL : PG_GETARG_JSONB_P(5);
	pocket_check_attributes(put.attributes);

	pocket_enter(&session);
	caller = pocket_caller(&session, fcinfo->flinfo->fn_oid);
	pocket_path_open(&ns, &put.path, caller, true);
	pocket_put_check_early(&ns, &put);
	receipts = pocket_puts_store(&ns, puts, 1);
	pocket_namespace_lock(&head, &ns);
	pocket_puts_store_again(&ns, puts, 1, receipts);
	outcome = pocket_put_apply(&head, &ns, &put, receipts, NULL, &spot, caller->name);
	pocket_head_flush(&head);
	result = pocket_result(fcinfo, &session, &spot.state, spot.path, outcome);
	pocket_leave(&session);
	PG_RETURN_DATUM(result);
}

/* --- put_many --- */

/* A namespace that a call puts into. */
typedef struct Target
{
	PocketNamespace *ns; /* as one of the paths leads into it */
	PocketHead head;
	PocketReceipts *receipts;
	PocketFolder near;
	const PocketNamespace *near_ns; /* as the path of near leads into it */
} Target;

typedef struct Batch
{
	int count;
	PocketPut *puts;
	PocketNamespace **ns_of; /* by put: each way into a namespace once */
	List *ways;				 /* of PocketNamespace */
	Target *targets;		 /* in the order of ns_id */
	int target_count;
	int *target_of; /* by put */
} Batch;

/* Elements of an array argument that has one for each file, or NULL when it is not given. */
static Datum *
elements(FunctionCallInfo fcinfo, int argument, const char *name, Oid type, bool **nulls, int *count)
{
	ArrayType *array;
	Datum *values;
	int16 length;
	bool by_value;
	char align;
	int found;
	bool given = PG_NARGS() > argument && !PG_ARGISNULL(argument);

	if (!given)
		return NULL;
	array = PG_GETARG_ARRAYTYPE_P(argument);
	if (ARR_NDIM(array) > 1)
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR), errmsg("argument \"%s\" must have one dimension", name)));
	get_typlenbyvalalign(type, &length, &by_value, &align);
	deconstruct_array(array, type, length, by_value, align, &values, nulls, &found);
	if (*count >= 0 && found != *count)
		ereport(ERROR, (errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
						errmsg("argument \"%s\" has %d elements, argument \"paths\" has %d", name, found, *count)));
	*count = found;
	return values;
}

static void
check_no_null(const bool *nulls, int count, const char *name)
{
	int i;

	for (i = 0; i < count; i++)
	{
		if (nulls[i])
			ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
							errmsg("element %d of argument \"%s\" must not be null", i + 1, name)));
	}
}

static void
read_batch(Batch *batch, FunctionCallInfo fcinfo)
{
	bool *path_nulls;
	bool *content_nulls;
	bool *mtime_nulls = NULL;
	bool *attribute_nulls = NULL;
	int count = -1;
	Datum *paths = elements(fcinfo, 0, "paths", TEXTOID, &path_nulls, &count);
	Datum *contents = elements(fcinfo, 1, "contents", BYTEAOID, &content_nulls, &count);
	Datum *mtimes = elements(fcinfo, 2, "mtimes", TIMESTAMPTZOID, &mtime_nulls, &count);
	Datum *attributes = elements(fcinfo, 3, "attributes", JSONBOID, &attribute_nulls, &count);
	int i;

	check_no_null(path_nulls, count, "paths");
	check_no_null(content_nulls, count, "contents");
	batch->count = count;
	batch->puts = palloc0(sizeof(PocketPut) * (Size) Max(count, 1));
	for (i = 0; i < count; i++)
	{
		PocketPut *put = &batch->puts[i];

		pocket_path_parse(&put->path, TextDatumGetCString(paths[i]));
		if (put->path.link != NULL)
			ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
							errmsg("pocket.put_many() does not take paths of links"), errhint("Use pocket.put().")));
		pocket_path_check_leaf(&put->path);
		bytes_of(put, DatumGetByteaPP(contents[i]));
		if (mtimes != NULL && !mtime_nulls[i])
		{
			put->has_mtime = true;
			put->mtime = DatumGetTimestampTz(mtimes[i]);
		}
		if (attributes != NULL && !attribute_nulls[i])
			put->attributes = DatumGetJsonbP(attributes[i]);
		pocket_check_attributes(put->attributes);
	}
}

static int
compare_targets(const void *a, const void *b)
{
	int64 x = ((const Target *) a)->ns->ns_id;
	int64 y = ((const Target *) b)->ns->ns_id;

	return (x > y) - (x < y);
}

/* The namespace of a name, when it was opened before and nothing is mounted in it: then its paths need not be looked at. */
static PocketNamespace *
find_plain(const Batch *batch, const char *name)
{
	ListCell *cell;

	foreach (cell, batch->ways)
	{
		PocketNamespace *ns = lfirst(cell);

		if (!ns->is_mounted && ns->mounts == 0 && strcmp(ns->name, name) == 0)
			return ns;
	}
	return NULL;
}

static PocketNamespace *
open_way(Batch *batch, PocketPath *path, PocketCaller *caller)
{
	PocketNamespace *opened = find_plain(batch, path->namespace_name);
	ListCell *cell;

	if (opened != NULL)
		return opened;
	opened = palloc(sizeof(PocketNamespace));
	/* what is not there is told in its turn, as what may not be seen */
	(void) pocket_path_find(opened, path, caller, true, false);
	foreach (cell, batch->ways)
	{
		PocketNamespace *ns = lfirst(cell);

		if (ns->ns_id == opened->ns_id && strcmp(ns->prefix, opened->prefix) == 0)
			return ns;
	}
	batch->ways = lappend(batch->ways, opened);
	return opened;
}

static int
find_target(const Batch *batch, int64 ns_id)
{
	int i;

	for (i = 0; i < batch->target_count; i++)
	{
		if (batch->targets[i].ns->ns_id == ns_id)
			return i;
	}
	return -1;
}

/* The namespaces, each once, in the order in which they are locked. */
static void
find_targets(Batch *batch, PocketCaller *caller)
{
	ListCell *cell;
	int i;

	batch->ns_of = palloc(sizeof(PocketNamespace *) * (Size) Max(batch->count, 1));
	for (i = 0; i < batch->count; i++)
		batch->ns_of[i] = open_way(batch, &batch->puts[i].path, caller);
	batch->targets = palloc0(sizeof(Target) * (Size) Max(list_length(batch->ways), 1));
	foreach (cell, batch->ways)
	{
		PocketNamespace *ns = lfirst(cell);

		if (find_target(batch, ns->ns_id) < 0)
			batch->targets[batch->target_count++] = (Target){.ns = ns, .near.depth = -1};
	}
	qsort(batch->targets, (size_t) batch->target_count, sizeof(Target), compare_targets);
	batch->target_of = palloc(sizeof(int) * (Size) Max(batch->count, 1));
	for (i = 0; i < batch->count; i++)
		batch->target_of[i] = find_target(batch, batch->ns_of[i]->ns_id);
}

/* The puts into one target, in their order; returns how many. */
static int
puts_of(const Batch *batch, int target, PocketPut **puts)
{
	int count = 0;

	for (int i = 0; i < batch->count; i++)
	{
		if (batch->target_of[i] == target)
			puts[count++] = &batch->puts[i];
	}
	return count;
}

static void
store_targets(Batch *batch, PocketPut **puts)
{
	for (int i = 0; i < batch->count; i++)
	{
		if (batch->ns_of[i]->ns_id == POCKET_NO_NAMESPACE && batch->ns_of[i]->is_owned)
			pocket_namespace_missing(batch->ns_of[i]->name);
		/* others look as far as they would in one that they may not see */
		pocket_put_check_early(batch->ns_of[i], &batch->puts[i]);
	}
	for (int t = 0; t < batch->target_count; t++)
	{
		int count = puts_of(batch, t, puts);

		batch->targets[t].receipts = pocket_puts_store(batch->targets[t].ns, puts, count);
	}
}

static void
lock_targets(Batch *batch, PocketPut **puts)
{
	ListCell *cell;

	for (int t = 0; t < batch->target_count; t++)
		pocket_namespace_lock(&batch->targets[t].head, batch->targets[t].ns);
	foreach (cell, batch->ways)
	{
		PocketNamespace *ns = lfirst(cell);

		pocket_namespace_locked(&batch->targets[find_target(batch, ns->ns_id)].head, ns);
	}
	for (int t = 0; t < batch->target_count; t++)
	{
		int count = puts_of(batch, t, puts);

		pocket_puts_store_again(batch->targets[t].ns, puts, count, batch->targets[t].receipts);
	}
}

/* The next file is likely to be in the same folder, which cannot go while the head is locked. */
static void
remember_folder(Target *target, const PocketNamespace *ns, const PocketPut *put, const PocketSpot *spot)
{
	PocketFolder *near = &target->near;

	target->near_ns = ns;
	near->ns_id = ns->ns_id;
	near->depth = put->path.depth - 1;
	near->names = put->path.names;
	if (near->path != NULL)
	{
		pfree(near->path);
		pfree(near->steps);
	}
	near->path = pocket_path_folder(spot->path);
	near->steps = palloc(sizeof(PocketStep) * (Size) spot->step_count);
	memcpy(near->steps, spot->steps, sizeof(PocketStep) * (Size) spot->step_count);
	/* their rights are known, their lists are gone with the memory of this file */
	for (int i = 0; i < spot->step_count; i++)
		near->steps[i].acl = NULL;
}

static void
apply_batch(Batch *batch, FunctionCallInfo fcinfo, const char *author)
{
	MemoryContext outer = CurrentMemoryContext;
	MemoryContext one = AllocSetContextCreate(outer, "one file of put_many", ALLOCSET_DEFAULT_SIZES);
	int i;

	for (i = 0; i < batch->count; i++)
	{
		PocketPut *put = &batch->puts[i];
		Target *target = &batch->targets[batch->target_of[i]];
		const PocketNamespace *ns = batch->ns_of[i];
		PocketSpot spot;
		const char *outcome;

		CHECK_FOR_INTERRUPTS();
		MemoryContextSwitchTo(one);
		outcome = pocket_put_apply(&target->head, ns, put, target->receipts,
								   target->near_ns == ns ? &target->near : NULL, &spot, author);
		pocket_result_row(fcinfo, &spot.state, spot.path, outcome);
		MemoryContextSwitchTo(outer);
		remember_folder(target, ns, put, &spot);
		MemoryContextReset(one);
	}
	MemoryContextDelete(one);
}

/* put_many(paths, contents, mtimes, attributes): one exchange with the sidecars, one head lock per namespace */
Datum
pocket_put_many(PG_FUNCTION_ARGS)
{
	Batch batch = {0};
	PocketSession session;
	PocketPut **puts;
	PocketCaller *caller;
	int t;

	pocket_check_not_null(fcinfo, 0, "paths");
	pocket_check_not_null(fcinfo, 1, "contents");
	PreventCommandIfReadOnly("pocket.put_many()");
	read_batch(&batch, fcinfo);
	InitMaterializedSRF(fcinfo, 0);

	pocket_enter(&session);
	caller = pocket_caller(&session, fcinfo->flinfo->fn_oid);
	find_targets(&batch, caller);
	puts = palloc(sizeof(PocketPut *) * (Size) Max(batch.count, 1));
	store_targets(&batch, puts);
	lock_targets(&batch, puts);
	apply_batch(&batch, fcinfo, caller->name);
	for (t = 0; t < batch.target_count; t++)
		pocket_head_flush(&batch.targets[t].head);
	pocket_leave(&session);
	return (Datum) 0;
}
