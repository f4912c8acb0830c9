/*
 * api/order.h
 *	  The verbs of POST /order/VERB; private to this room.
 */
#ifndef PD_API_ORDER_H
#define PD_API_ORDER_H

#include "api/exchange.h"

enum pd_admission
{
	PD_ADMIT_BEFORE, /* the epoch is admitted, then the order runs */
	PD_ADMIT_HELD,	 /* ... and no other epoch is admitted until it has ended */
	PD_ADMIT_ITSELF	 /* the order does it */
};

struct pd_verb
{
	const char *name;
	bool slow;
	enum pd_admission admission;
	/* body: a JSON object, of whatever content. Sets *result to a new object when it returns PK_OK. */
	pk_error (*run)(struct pd_exchange *exchange, const json_t *body, json_t **result, struct pd_err *err);
};

/* The epoch of the exchange's token, durably. */
extern pk_error pd_order_admit(struct pd_exchange *exchange, struct pd_err *err) PK_MUST_CHECK;
/* The same, and waits for destructive orders only when the epoch is another one than the present: those wait for other nodes. */
extern pk_error pd_order_admit_once(struct pd_exchange *exchange, struct pd_err *err) PK_MUST_CHECK;
/* Stops an order whose client is gone, or when pocketd stops. */
extern bool pd_order_tick(void *exchange, uint64_t done, uint64_t total);

/* A block by {"offset", "stored_length", "length", "hash"}; its bucket is the caller's to fill in. */
extern pk_error pd_order_read_block(const json_t *object, struct pd_get *block, struct pd_err *err) PK_MUST_CHECK;

extern pk_error pd_order_bind(struct pd_exchange *exchange, const json_t *body, json_t **result, struct pd_err *err);
extern pk_error pd_order_adopt(struct pd_exchange *exchange, const json_t *body, json_t **result, struct pd_err *err);
extern pk_error pd_order_epoch(struct pd_exchange *exchange, const json_t *body, json_t **result, struct pd_err *err);
extern pk_error pd_order_status(struct pd_exchange *exchange, const json_t *body, json_t **result, struct pd_err *err);
extern pk_error pd_order_open(struct pd_exchange *exchange, const json_t *body, json_t **result, struct pd_err *err);
extern pk_error pd_order_seal(struct pd_exchange *exchange, const json_t *body, json_t **result, struct pd_err *err);
extern pk_error pd_order_encode(struct pd_exchange *exchange, const json_t *body, json_t **result, struct pd_err *err);
extern pk_error pd_order_settle(struct pd_exchange *exchange, const json_t *body, json_t **result, struct pd_err *err);
extern pk_error pd_order_rebuild(struct pd_exchange *exchange, const json_t *body, json_t **result, struct pd_err *err);
extern pk_error pd_order_drop(struct pd_exchange *exchange, const json_t *body, json_t **result, struct pd_err *err);
extern pk_error pd_order_copy(struct pd_exchange *exchange, const json_t *body, json_t **result, struct pd_err *err);
extern pk_error pd_order_trash(struct pd_exchange *exchange, const json_t *body, json_t **result, struct pd_err *err);
extern pk_error pd_order_untrash(struct pd_exchange *exchange, const json_t *body, json_t **result, struct pd_err *err);
extern pk_error pd_order_empty(struct pd_exchange *exchange, const json_t *body, json_t **result, struct pd_err *err);
extern pk_error pd_order_map(struct pd_exchange *exchange, const json_t *body, json_t **result, struct pd_err *err);
extern pk_error pd_order_scrub(struct pd_exchange *exchange, const json_t *body, json_t **result, struct pd_err *err);
extern pk_error pd_order_list(struct pd_exchange *exchange, const json_t *body, json_t **result, struct pd_err *err);
extern pk_error pd_order_records(struct pd_exchange *exchange, const json_t *body, json_t **result, struct pd_err *err);
extern pk_error pd_order_watch(struct pd_exchange *exchange, const json_t *body, json_t **result, struct pd_err *err);

#endif
