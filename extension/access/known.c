/*
 * known.c
 *	  Rows that were looked up before, while they are proved to be the same.
 *
 * The folders near the root are on every path, and statements that follow each
 * other mostly see the same.  To look one of them up takes the executor microseconds,
 * to find it here a fraction of one.  What is remembered is of one snapshot
 * (proof.c) and of one caller: nobody learns by the time what others have looked
 * for.  That there is no row is remembered, too: what is hidden from somebody and what
 * is not there take the same time again.
 */
#include "access/access.h"

#include "access/htup_details.h"
#include "access/tupdesc.h"
#include "common/hashfn.h"
#include "lib/stringinfo.h"
#include "utils/memutils.h"

#define LISTS 1024

/* With so much it is begun anew; a block more can be taken, or a row's. */
#define BYTES_MAX (1024 * 1024)
#define BLOCK_BYTES_MIN (8 * 1024)
#define BLOCK_BYTES_MAX (64 * 1024)

/* One for each plan: what its rows look like. */
typedef struct Shape
{
	const PocketPlan *plan;
	TupleDesc columns;
	struct Shape *next;
} Shape;

typedef struct Row
{
	const Shape *shape;
	HeapTuple tuple; /* NULL: there is none */
	struct Row *next;
	int key_size;
	char key[FLEXIBLE_ARRAY_MEMBER];
} Row;

static struct
{
	PocketProof proof;
	MemoryContext context; /* of all that follows */
	uint64 number;		   /* of how often it was begun anew */
	Shape *shapes;
	Row *rows[LISTS]; /* by hash */

	/* whose it is */
	char *name;
	Oid role;
	Oid session_role;
} known;

static void
forget(void)
{
	known.proof.is_taken = false;
	known.number++;
	known.shapes = NULL;
	known.name = NULL;
	memset(known.rows, 0, sizeof(known.rows));
	if (known.context == NULL)
		known.context =
			AllocSetContextCreate(TopMemoryContext, "rows looked up by Pocket", 0, BLOCK_BYTES_MIN, BLOCK_BYTES_MAX);
	MemoryContextReset(known.context);
}

static bool
is_of(const PocketCaller *caller)
{
	return known.name != NULL && known.role == caller->role && known.session_role == caller->session_role &&
		   strcmp(known.name, caller->name) == 0;
}

/* From here on it is of this caller and of the active snapshot. */
static void
begin(const PocketCaller *caller)
{
	if (is_of(caller) && MemoryContextMemAllocated(known.context, false) < BYTES_MAX &&
		pocket_proof_holds(&known.proof))
		return;
	forget();
	known.name = MemoryContextStrdup(known.context, caller->name);
	known.role = caller->role;
	known.session_role = caller->session_role;
	/* its arrays grow, and stay */
	pocket_proof_take(&known.proof, TopMemoryContext);
}

/* The plan, and its arguments: numbers, and one text at most, the last. */
static void
make_key(StringInfo key, const PocketPlan *plan, const Datum *values)
{
	int i = 0;

	initStringInfo(key);
	appendBinaryStringInfo(key, (const char *) &plan, sizeof(plan));
	for (const char *type = plan->types; *type != '\0'; type += strcspn(type, " "), type += strspn(type, " "), i++)
	{
		if (strncmp(type, "text", 4) == 0)
			appendBinaryStringInfo(key, VARDATA_ANY(DatumGetPointer(values[i])),
								   (int) VARSIZE_ANY_EXHDR(DatumGetPointer(values[i])));
		else
			appendBinaryStringInfo(key, (const char *) &values[i], sizeof(Datum));
	}
}

static const Shape *
shape_of(const PocketPlan *plan)
{
	Shape *shape = known.shapes;
	MemoryContext outer;

	while (shape != NULL && shape->plan != plan)
		shape = shape->next;
	if (shape != NULL)
		return shape;
	outer = MemoryContextSwitchTo(known.context);
	shape = palloc(sizeof(Shape));
	shape->plan = plan;
	shape->columns = CreateTupleDescCopy(SPI_tuptable->tupdesc);
	shape->next = known.shapes;
	known.shapes = shape;
	MemoryContextSwitchTo(outer);
	return shape;
}

/* What is in SPI_tuptable. */
static void
remember(Row **list, const PocketPlan *plan, StringInfo key)
{
	Row *row = MemoryContextAlloc(known.context, offsetof(Row, key) + (Size) key->len);

	row->shape = shape_of(plan);
	row->tuple = NULL;
	if (SPI_processed > 0)
	{
		MemoryContext outer = MemoryContextSwitchTo(known.context);

		row->tuple = heap_copytuple(SPI_tuptable->vals[0]);
		MemoryContextSwitchTo(outer);
	}
	row->key_size = key->len;
	memcpy(row->key, key->data, (Size) key->len);
	row->next = *list;
	*list = row;
}

static const Row *
find(const Row *row, const StringInfoData *key)
{
	while (row != NULL && (row->key_size != key->len || memcmp(row->key, key->data, (Size) key->len) != 0))
		row = row->next;
	return row;
}

uint64
pocket_look_up(PocketPlan *plan, const Datum *values, const PocketCaller *caller, bool fresh)
{
	StringInfoData key;
	const Row *row;
	Row **list;
	uint64 number;
	uint64 count;

	if (fresh)
		return pocket_write(plan, values, NULL);
	begin(caller);
	make_key(&key, plan, values);
	list = &known.rows[hash_bytes((const unsigned char *) key.data, key.len) % LISTS];
	row = find(*list, &key);
	if (row != NULL)
	{
		pfree(key.data);
		return pocket_show_row(row->shape->columns, row->tuple);
	}
	number = known.number;
	count = pocket_read(plan, values, NULL);
	Assert(count <= 1);
	/* a policy of the table's may have come here for somebody else meanwhile */
	if (number == known.number)
		remember(list, plan, &key);
	pfree(key.data);
	return count;
}
