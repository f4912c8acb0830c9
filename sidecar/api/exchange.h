/*
 * api/exchange.h
 *	  One request on its way through the handlers; private to this room.
 *
 * An exchange is attached to its request and freed by release, which may happen
 * the moment a reply is made: nobody touches an exchange after replying.
 */
#ifndef PD_API_EXCHANGE_H
#define PD_API_EXCHANGE_H

#include <pthread.h>
#include <stdatomic.h>

#include <jansson.h>

#include "api/api.h"
#include "remote/wire.h"

#define PD_API_ERRORS 64 /* by -code */

struct pd_metrics
{
	atomic_ullong blocks_put;
	atomic_ullong blocks_get;
	atomic_ullong bytes_put;
	atomic_ullong bytes_get;
	atomic_ullong degraded_reads;
	atomic_ullong orders;
	atomic_ullong peer_requests;
	atomic_ullong denied;
	atomic_ullong errors[PD_API_ERRORS];
};

struct pd_api
{
	struct pd_cell *cell;
	struct pd_drive *const *drives;
	int drive_count;
	const struct pd_vfs *vfs;
	char *zone;
	struct pd_buffer_pool *buffers;
	struct pd_http_handler handler;
	struct pd_queue *quick;	  /* what ends soon: a heartbeat never waits behind an encode */
	struct pd_queue *slow;	  /* encode, rebuild, scrub */
	struct pd_queue *health;  /* anybody may ask, and a drive that hangs answers nobody: not before orders */
	atomic_int quick_waiting; /* jobs queued or running, bounded */
	atomic_int slow_waiting;
	atomic_int health_waiting;
	atomic_bool stopping;
	/*
	 * Held for every admission of an epoch, and from that of a destructive order
	 * to its end: an epoch that was superseded deletes nothing.
	 */
	pthread_mutex_t epoch_mutex;
	struct pd_api_peers *peers; /* peer.c's */
	struct pd_metrics metrics;
};

/* What another node asked for, and who works on it. */
struct pd_api_peer
{
	struct pd_peer_call call;
	struct pd_drive *drive;
	uint32_t crc;		   /* of the body, as it arrives */
	bool counted;		   /* among the requests of peers */
	struct pd_err refusal; /* said when the body is there; PK_OK: none */
};

struct pd_exchange
{
	struct pd_api *api;
	struct pd_request *request;
	const struct pd_route *route;
	pk_token token;
	const struct pd_verb *verb; /* of an order */
	struct pd_job job;
	bool partial; /* of a GET: a range was asked for */
	uint32_t part_start;
	uint32_t part_length;
	union
	{
		struct pd_put put;
		struct pd_get get;
		struct pd_api_peer peer;
	};
};

/* begin sees the headers, finish the whole body; as in net/http.h. */
struct pd_route
{
	const char *method;
	const char *path;
	bool prefix; /* path is followed by something */
	int64_t (*begin)(struct pd_exchange *exchange, const char *rest);
	void (*arrived)(struct pd_exchange *exchange, const uint8_t *data, size_t n); /* or NULL */
	void (*finish)(struct pd_exchange *exchange);
	void (*release)(struct pd_exchange *exchange); /* or NULL */
};

/* routes.c: replies; each is the end of the exchange for its caller. */
extern void pd_api_reply_error(struct pd_exchange *exchange, pk_error code, const char *text);
extern void pd_api_reply_denied(struct pd_exchange *exchange);
extern void pd_api_count_error(struct pd_api *api, pk_error code);
extern uint64_t pd_api_now_s(const struct pd_api *api);
/* Verifies text into exchange->token: PK_ERR_DENIED unless it is a valid one for the method. */
extern pk_error pd_api_verify_token(struct pd_exchange *exchange, const char *text, pk_method method) PK_MUST_CHECK;

/* The same, from the header "Authorization: Pocket TOKEN". */
extern pk_error pd_api_authorize(struct pd_exchange *exchange, pk_method method) PK_MUST_CHECK;

/* block.c */
extern int64_t pd_block_put_begin(struct pd_exchange *exchange, const char *rest);
extern void pd_block_put_arrived(struct pd_exchange *exchange, const uint8_t *data, size_t n);
extern void pd_block_put_finish(struct pd_exchange *exchange);
extern int64_t pd_block_get_begin(struct pd_exchange *exchange, const char *rest);
extern void pd_block_get_finish(struct pd_exchange *exchange);
extern void pd_block_head_finish(struct pd_exchange *exchange);
extern int64_t pd_block_options_begin(struct pd_exchange *exchange, const char *rest);
extern void pd_block_options_finish(struct pd_exchange *exchange);

/* order.c */
extern int64_t pd_order_begin(struct pd_exchange *exchange, const char *rest);
extern void pd_order_finish(struct pd_exchange *exchange);

/* peer.c */
extern struct pd_api_peers *pd_api_peers_create(void);
extern void pd_api_peers_free(struct pd_api_peers *peers); /* no request is under way any more; NULL is fine */
extern int64_t pd_api_peer_begin(struct pd_exchange *exchange, const char *rest);
extern void pd_api_peer_arrived(struct pd_exchange *exchange, const uint8_t *data, size_t n);
extern void pd_api_peer_finish(struct pd_exchange *exchange);
extern void pd_api_peer_release(struct pd_exchange *exchange);
/* Abandons builds that were not heard of for too long; for any request to call. */
extern void pd_api_peer_sweep(struct pd_api *api);

/* health.c */
extern int64_t pd_health_begin(struct pd_exchange *exchange, const char *rest);
extern void pd_healthz_finish(struct pd_exchange *exchange);
extern void pd_metrics_finish(struct pd_exchange *exchange);
/* "ok", "quarantined", "failed" or "foreign", and its number in that order. */
extern const char *pd_drive_state_name(const struct pd_drive_info *info, const uint8_t cell[PK_UUID_SIZE], int *number);

#endif
