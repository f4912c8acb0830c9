/*
 * transfer.h
 *	  Requests to sidecars, many in flight at once; the only sockets of the
 *	  extension.
 *
 * One libcurl multi handle per backend keeps connections alive.  A batch is a
 * set of transfers under way: at most POCKET_FLIGHT_MAX run, the others wait.
 * Everything that a transfer points to is the caller's and stays until the
 * transfer was returned by pocket_batch_next() or the batch has ended; so a
 * batch is ended in PG_FINALLY, or by a callback of its memory context, before
 * an error can free that memory.  Several batches may be under way.
 *
 * Node urls are http://HOST:PORT or unix:/path/to.sock.  Errors of a transfer
 * are values in it; nothing is thrown from a callback.  A path holds a token:
 * it is in no message.
 */
#ifndef POCKET_TRANSFER_H
#define POCKET_TRANSFER_H

#include "base/compat.h"

#include "contract/pk_error.h"
#include "utils/timestamp.h"

#define POCKET_FLIGHT_MAX 32
#define POCKET_PROBLEM_SIZE 512

typedef struct PocketBatch PocketBatch;

typedef struct PocketTransfer
{
	/* the caller's: what to ask */
	const char *node;
	const char *method;		   /* "GET", "PUT" or "POST" */
	const char *path;		   /* "/block/...", "/order/..." */
	const char *authorization; /* a whole header line, or NULL */
	const char *body;		   /* NULL with GET */
	Size body_length;
	Size expected;	/* 0: what is answered goes into answer; else a good answer has just so many bytes, and they go */
	char *into;		/* here */
	int timeout_ms; /* for all of it; 0: until nothing came for pocket.client_timeout */
	bool hold;		/* but not before pocket_transfer_receive() tells where that is */
	bool hedge;		/* does not wait for its turn */
	void *owner;

	/* what came of it */
	pk_error error;
	char problem[POCKET_PROBLEM_SIZE]; /* when error is not PK_OK */
	char *answer;					   /* with a NUL behind it; palloc'd in the batch's context */
	Size answer_length;
	uint32 crc32c; /* of what came into `into` */

	/* transfer.c's */
	PocketBatch *batch;
	void *easy;
	void *headers;
	Size answer_room;
	Size received;
	bool begun;		   /* a good answer has */
	bool held;		   /* and waits */
	TimestampTz asked; /* 0: it waits for its turn */
	struct PocketTransferList *list;
	struct PocketTransfer *next, *previous;
} PocketTransfer;

/* Refuses (22023, 0A000) what is no url of a node. */
extern void pocket_node_url_check(const char *url);

/* How many more transfers may be begun that will be held: all batches together have no more than one may have. */
extern int pocket_flight_room(void);

extern PocketBatch *pocket_batch_begin(void);
extern void pocket_batch_add(PocketBatch *batch, PocketTransfer *transfer);

/* Moves bytes, without waiting. */
extern void pocket_batch_pump(PocketBatch *batch);

/* Waits, interruptibly, for one to finish; NULL when none is left, or all that are left are held. */
extern PocketTransfer *pocket_batch_next(PocketBatch *batch);

/* The same, but NULL also when one has come to be held, or at that time. */
extern PocketTransfer *pocket_batch_next_until(PocketBatch *batch, TimestampTz until);

/* None is left, or all that are left are held. */
extern bool pocket_batch_rests(const PocketBatch *batch);

/* Gives up a transfer that was added and not returned yet. */
extern void pocket_transfer_cancel(PocketTransfer *transfer);

/* A transfer that is to be held, whether it is already or not, goes on into this. */
extern void pocket_transfer_receive(PocketTransfer *transfer, char *into);

/* Those to a node, and of them only those that wait for their turn, fail: it does not answer. */
extern void pocket_batch_give_up(PocketBatch *batch, const char *node, bool waiting_only);

/* Gives up what is still under way. Throws nothing. */
extern void pocket_batch_end(PocketBatch *batch);

/* SQLSTATE of an error that a node gave: as the contract's table, but a refused signature is 28000. */
extern int pocket_node_sqlstate(pk_error error);
extern const char *pocket_node_hint(pk_error error);
pg_attribute_noreturn() extern void pocket_node_raise(const char *node, pk_error error, const char *problem);

/* A top-level or nested string member of a short JSON answer; false when there is none. */
extern bool pocket_answer_field(const char *json, const char *field, char *out, Size size);

#endif
