/*
 * api/api.h
 *	  What pocketd answers: blocks by capability, orders of the coordinator,
 *	  health and metrics.
 *
 *	PUT  /block/TOKEN	a block's plain bytes -> 201 {"receipt": TEXT}
 *	GET  /block/TOKEN	-> 200, the plain bytes
 *	POST /order/VERB	Authorization: Pocket TOKEN, a JSON object -> 200, newlines while the work lasts, then a JSON object
 *	GET, POST /peer/...	what another node asks of the drives here: remote/FORMAT.md
 *	GET  /healthz		-> 200 or 503 {"status", "drives", "failed"}
 *	GET  /metrics		-> Prometheus text
 *
 * Whatever is wrong with a token or its URL is 403 with the same words.  Every other failure is
 * {"error": {"code", "message"}}, its status and code from the contract's table; an order's is inside its 200.
 */
#ifndef PD_API_H
#define PD_API_H

#include "net/http.h"
#include "volume/volume.h"

#define PD_VERSION "0.1.0"

struct pd_api;

struct pd_api_options
{
	struct pd_cell *cell;			/* the caller's, outlives the api */
	struct pd_drive *const *drives; /* the same */
	int drive_count;
	struct pd_buffer_pool *buffers; /* the listener's too */
	const struct pd_vfs *vfs;		/* clock and random numbers */
	const char *zone;				/* or NULL; copied */
};

/* NULL when memory or threads are lacking. */
extern struct pd_api *pd_api_create(const struct pd_api_options *options, struct pd_err *err);

/* For pd_http_start; the api must outlive the listener. */
extern const struct pd_http_handler *pd_api_handler(struct pd_api *api);

/* Long orders give up (PK_ERR_UNAVAILABLE) and new ones are refused, so that pd_http_stop does not wait for them. */
extern void pd_api_stop(struct pd_api *api);

/* After pd_http_stop. NULL is fine. */
extern void pd_api_free(struct pd_api *api);

#endif
