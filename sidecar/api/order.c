/*
 * api/order.c
 *	  POST /order/VERB: who may order, when it runs, and how it is answered.
 *
 * The listener only checks the token and the body's hash.  The rest, the fence
 * of the epoch included, happens on a queue's thread when the order's turn has
 * come, because it waits for drives: an order that was superseded while it
 * waited is refused.
 */
#include <stdlib.h>
#include <string.h>

#include "api/json.h"
#include "api/order.h"
#include "base/log.h"

#define QUICK_WAITING_MAX 256
#define SLOW_WAITING_MAX 64

static const struct pd_verb verbs[] = {
	{"bind", false, PD_ADMIT_ITSELF, pd_order_bind},	  {"status", false, PD_ADMIT_ITSELF, pd_order_status},
	{"adopt", false, PD_ADMIT_ITSELF, pd_order_adopt},	  {"epoch", false, PD_ADMIT_ITSELF, pd_order_epoch},
	{"open", false, PD_ADMIT_BEFORE, pd_order_open},	  {"seal", false, PD_ADMIT_BEFORE, pd_order_seal},
	{"encode", true, PD_ADMIT_BEFORE, pd_order_encode},	  {"settle", false, PD_ADMIT_BEFORE, pd_order_settle},
	{"rebuild", true, PD_ADMIT_BEFORE, pd_order_rebuild}, {"drop", false, PD_ADMIT_HELD, pd_order_drop},
	{"scrub", true, PD_ADMIT_BEFORE, pd_order_scrub},	  {"list", true, PD_ADMIT_BEFORE, pd_order_list},
	{"records", true, PD_ADMIT_BEFORE, pd_order_records}, {"watch", true, PD_ADMIT_BEFORE, pd_order_watch},
	{"trash", false, PD_ADMIT_HELD, pd_order_trash},	  {"untrash", false, PD_ADMIT_HELD, pd_order_untrash},
	{"empty", false, PD_ADMIT_HELD, pd_order_empty},	  {"map", false, PD_ADMIT_BEFORE, pd_order_map},
	{"copy", true, PD_ADMIT_BEFORE, pd_order_copy},
};

static const struct pd_verb unknown_verb = {"", false, PD_ADMIT_ITSELF, NULL};

static const struct pd_verb *
find_verb(const char *name)
{
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
	{
		if (strcmp(name, verbs[i].name) == 0)
			return &verbs[i];
	}
	return &unknown_verb;
}

int64_t
pd_order_begin(struct pd_exchange *exchange, const char *rest)
{
	if (pd_api_authorize(exchange, PK_METHOD_ORDER) != PK_OK || exchange->token.length > PK_ORDER_SIZE_MAX)
	{
		pd_api_reply_denied(exchange);
		return PK_ERR_DENIED;
	}
	exchange->verb = find_verb(rest);
	return exchange->token.length;
}

pk_error
pd_order_admit(struct pd_exchange *exchange, struct pd_err *err)
{
	return pd_cell_admit(exchange->api->cell, exchange->token.cell, &exchange->token.epoch, err);
}

pk_error
pd_order_admit_once(struct pd_exchange *exchange, struct pd_err *err)
{
	struct pd_api *api = exchange->api;
	uint8_t cell[PK_UUID_SIZE];
	pk_epoch present;
	pk_error code;

	pd_cell_identity(api->cell, cell, &present);
	if (memcmp(cell, exchange->token.cell, sizeof(cell)) == 0 &&
		present.incarnation == exchange->token.epoch.incarnation &&
		pk_epoch_compare(&present, &exchange->token.epoch) == 0)
		return PK_OK;
	pthread_mutex_lock(&api->epoch_mutex);
	code = pd_order_admit(exchange, err);
	pthread_mutex_unlock(&api->epoch_mutex);
	return code;
}

bool
pd_order_tick(void *exchange, uint64_t done, uint64_t total)
{
	struct pd_exchange *self = exchange;

	(void) done;
	(void) total;
	return !atomic_load(&self->api->stopping) && !pd_request_gone(self->request);
}

/* Admits the epoch as the verb asks for it, and runs the order. */
static pk_error
admit_and_run(struct pd_exchange *exchange, const json_t *body, json_t **result, struct pd_err *err)
{
	const struct pd_verb *verb = exchange->verb;
	struct pd_api *api = exchange->api;
	pk_error code;

	if (verb->admission == PD_ADMIT_ITSELF)
		return verb->run(exchange, body, result, err);

	if (verb->admission == PD_ADMIT_BEFORE)
	{
		code = pd_order_admit_once(exchange, err);
		return code == PK_OK ? verb->run(exchange, body, result, err) : code;
	}
	pthread_mutex_lock(&api->epoch_mutex);
	code = pd_order_admit(exchange, err);
	if (code == PK_OK)
		code = verb->run(exchange, body, result, err);
	pthread_mutex_unlock(&api->epoch_mutex);
	return code;
}

static pk_error
run_order(struct pd_exchange *exchange, json_t **result, struct pd_err *err)
{
	size_t length = 0;
	struct pd_buffer *buffer = pd_request_body(exchange->request, &length);
	json_t *body;
	const char *order;
	pk_error code;

	if (atomic_load(&exchange->api->stopping))
		return pd_fail(err, PK_ERR_UNAVAILABLE, "pocketd is stopping");
	if (exchange->verb->run == NULL)
		return pd_fail(err, PK_ERR_UNSUPPORTED, "pocketd %s knows no such order", PD_VERSION);
	body = pd_json_parse(buffer != NULL ? (const char *) buffer->data : "", length, err);
	if (body == NULL)
		return err->code;

	/* the token signs the body, not the URL: a body names its order and is good for no other */
	code = pd_json_string(body, "order", 64, &order, err);
	if (code == PK_OK && strcmp(order, exchange->verb->name) != 0)
		code = pd_fail(err, PK_ERR_DENIED, "the body is that of another order than \"%s\"", exchange->verb->name);
	if (code == PK_OK)
		code = admit_and_run(exchange, body, result, err);
	json_decref(body);
	return code;
}

/* On a queue's thread. */
static void
order_job(struct pd_job *job)
{
	static const char no_memory[] = "{\"error\":{\"code\":\"no_memory\",\"message\":\"out of memory for the answer\"}}";
	struct pd_exchange *exchange = (struct pd_exchange *) (void *) ((char *) job - offsetof(struct pd_exchange, job));
	struct pd_api *api = exchange->api;
	atomic_int *waiting = exchange->verb->slow ? &api->slow_waiting : &api->quick_waiting;
	struct pd_err err = {PK_OK, ""};
	json_t *result = NULL;
	pk_error code = run_order(exchange, &result, &err);
	char *text = NULL;

	if (code == PK_OK && result != NULL)
		text = json_dumps(result, JSON_COMPACT);
	else
	{
		code = code == PK_OK ? PK_ERR_NO_MEMORY : code;
		pd_log(PD_LOG_WARNING, "order %s: %s: %s", exchange->verb->name, pk_error_lookup(code)->name, err.text);
		pd_api_count_error(api, code);
		text = pd_json_error(code, err.text);
	}
	if (result != NULL)
		json_decref(result);
	atomic_fetch_add(&api->metrics.orders, 1);
	atomic_fetch_sub(waiting, 1);
	pd_request_reply_end(exchange->request, text != NULL ? text : no_memory, strlen(text != NULL ? text : no_memory));
	free(text);
}

void
pd_order_finish(struct pd_exchange *exchange)
{
	struct pd_api *api = exchange->api;
	bool slow = exchange->verb->slow;
	atomic_int *waiting = slow ? &api->slow_waiting : &api->quick_waiting;
	size_t length = 0;
	struct pd_buffer *body = pd_request_body(exchange->request, &length);
	uint8_t hash[PK_SHA256_SIZE];

	if (body == NULL)
		length = 0;
	pk_sha256(hash, body != NULL ? (const void *) body->data : "", length);
	if (length != exchange->token.length || memcmp(hash, exchange->token.hash, sizeof(hash)) != 0)
	{
		pd_api_reply_denied(exchange);
		return;
	}

	exchange->job.run = order_job;
	if (atomic_fetch_add(waiting, 1) >= (slow ? SLOW_WAITING_MAX : QUICK_WAITING_MAX))
	{
		char *text = pd_json_error(PK_ERR_BUSY, "too many orders are waiting");

		atomic_fetch_sub(waiting, 1);
		pd_api_count_error(api, PK_ERR_BUSY);
		pd_request_reply_text(exchange->request, 200, "application/json", text != NULL ? text : "",
							  text ? strlen(text) : 0);
		free(text);
		return;
	}
	pd_request_reply_begin(exchange->request);
	pd_queue_submit(slow ? api->slow : api->quick, &exchange->job, PD_JOB_LIVE);
}
