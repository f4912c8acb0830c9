/*
 * api/routes.c
 *	  Which handler a request goes to, and how it is refused.
 */
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

#include "api/exchange.h"
#include "api/json.h"
#include "base/log.h"

#define QUICK_THREADS \
	16 /* an order may wait for another node until that is given up; a heartbeat must not wait with it */
#define SLOW_THREADS 2

static const char denied_text[] = "{\"error\":{\"code\":\"denied\",\"message\":\"access denied\"}}";

static const struct pd_route routes[] = {
	{"PUT", "/block/", true, pd_block_put_begin, pd_block_put_arrived, pd_block_put_finish, NULL},
	{"GET", "/block/", true, pd_block_get_begin, NULL, pd_block_get_finish, NULL},
	{"HEAD", "/block/", true, pd_block_get_begin, NULL, pd_block_head_finish, NULL},
	{"OPTIONS", "/block/", true, pd_block_options_begin, NULL, pd_block_options_finish, NULL},
	{"POST", "/order/", true, pd_order_begin, NULL, pd_order_finish, NULL},
	{"GET", PD_PEER_PATH, true, pd_api_peer_begin, pd_api_peer_arrived, pd_api_peer_finish, pd_api_peer_release},
	{"POST", PD_PEER_PATH, true, pd_api_peer_begin, pd_api_peer_arrived, pd_api_peer_finish, pd_api_peer_release},
	{"GET", "/healthz", false, pd_health_begin, NULL, pd_healthz_finish, NULL},
	{"GET", "/metrics", false, pd_health_begin, NULL, pd_metrics_finish, NULL},
};

void
pd_api_count_error(struct pd_api *api, pk_error code)
{
	int index = -(int) code;

	if (index < 0 || index >= PD_API_ERRORS)
		index = -PK_ERR_INTERNAL;
	atomic_fetch_add(&api->metrics.errors[index], 1);
}

void
pd_api_reply_error(struct pd_exchange *exchange, pk_error code, const char *text)
{
	static const char no_memory[] = "{\"error\":{\"code\":\"no_memory\",\"message\":\"out of memory\"}}";
	char *json = pd_json_error(code, text);

	pd_api_count_error(exchange->api, code);
	pd_request_reply_text(exchange->request, pk_error_lookup(code)->http_status, "application/json",
						  json != NULL ? json : no_memory, strlen(json != NULL ? json : no_memory));
	free(json);
}

void
pd_api_reply_denied(struct pd_exchange *exchange)
{
	atomic_fetch_add(&exchange->api->metrics.denied, 1);
	pd_request_reply_text(exchange->request, 403, "application/json", denied_text, sizeof(denied_text) - 1);
}

uint64_t
pd_api_now_s(const struct pd_api *api)
{
	return (uint64_t) api->vfs->now_us(api->vfs) / 1000000;
}

pk_error
pd_api_verify_token(struct pd_exchange *exchange, const char *text, pk_method method)
{
	pk_keyring keys;
	pk_error result;

	pd_cell_keys(exchange->api->cell, &keys);
	result = pk_token_verify(&exchange->token, text, strlen(text), &keys, pd_api_now_s(exchange->api));
	OPENSSL_cleanse(&keys, sizeof(keys));
	if (result == PK_OK && exchange->token.method != method)
		result = PK_ERR_DENIED;
	return result;
}

pk_error
pd_api_authorize(struct pd_exchange *exchange, pk_method method)
{
	static const char scheme[] = "Pocket ";
	const char *authorization = pd_request_header(exchange->request, "Authorization");

	if (authorization == NULL || strncmp(authorization, scheme, strlen(scheme)) != 0)
		return PK_ERR_DENIED;
	return pd_api_verify_token(exchange, authorization + strlen(scheme), method);
}

/* The route of a request and what follows its path; NULL when there is none. */
static const struct pd_route *
find_route(const char *method, const char *path, const char **rest)
{
	for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++)
	{
		size_t length = strlen(routes[i].path);

		if (strcmp(method, routes[i].method) == 0 && strncmp(path, routes[i].path, length) == 0 &&
			(routes[i].prefix || path[length] == '\0'))
		{
			*rest = path + length;
			return &routes[i];
		}
	}
	return NULL;
}

static int64_t
api_begin(void *arg, struct pd_request *request)
{
	struct pd_api *api = arg;
	const char *path = pd_request_path(request);
	const char *rest = "";
	const struct pd_route *route = find_route(pd_request_method(request), path, &rest);
	struct pd_exchange *exchange = calloc(1, sizeof(*exchange));

	if (exchange == NULL)
	{
		struct pd_exchange refusal = {.api = api, .request = request};

		pd_api_reply_error(&refusal, PK_ERR_NO_MEMORY, NULL);
		return PK_ERR_NO_MEMORY;
	}
	exchange->api = api;
	exchange->request = request;
	exchange->route = route;
	pd_api_peer_sweep(api);
	pd_request_attach(request, exchange);
	if (route != NULL)
		return route->begin(exchange, rest);
	/* a URL of a block under another method is a wrong URL like any other */
	if (strncmp(path, "/block/", 7) == 0)
	{
		pd_api_reply_denied(exchange);
		return PK_ERR_DENIED;
	}
	pd_api_reply_error(exchange, PK_ERR_NOT_FOUND, NULL);
	return PK_ERR_NOT_FOUND;
}

static void
api_arrived(void *arg, struct pd_request *request, const uint8_t *data, size_t n)
{
	struct pd_exchange *exchange = pd_request_attached(request);

	(void) arg;
	if (exchange->route->arrived != NULL)
		exchange->route->arrived(exchange, data, n);
}

static void
api_finish(void *arg, struct pd_request *request)
{
	struct pd_exchange *exchange = pd_request_attached(request);

	(void) arg;
	exchange->route->finish(exchange);
}

static void
api_release(void *arg, struct pd_request *request)
{
	struct pd_exchange *exchange = pd_request_attached(request);

	(void) arg;
	pd_request_attach(request, NULL);
	if (exchange->route != NULL && exchange->route->release != NULL)
		exchange->route->release(exchange);
	free(exchange);
}

struct pd_api *
pd_api_create(const struct pd_api_options *options, struct pd_err *err)
{
	struct pd_api *api = calloc(1, sizeof(*api));

	if (api == NULL)
	{
		pd_fail(err, PK_ERR_NO_MEMORY, "out of memory for the API");
		return NULL;
	}
	pthread_mutex_init(&api->epoch_mutex, NULL);
	api->cell = options->cell;
	api->drives = options->drives;
	api->drive_count = options->drive_count;
	api->vfs = options->vfs;
	api->buffers = options->buffers;
	api->peers = pd_api_peers_create();
	api->handler = (struct pd_http_handler){api_begin, api_arrived, api_finish, api_release, api};
	api->zone = options->zone != NULL ? strdup(options->zone) : NULL;
	api->quick = pd_queue_start("pd-quick", QUICK_THREADS);
	api->slow = pd_queue_start("pd-slow", SLOW_THREADS);
	api->health = pd_queue_start("pd-health", 1);
	if (api->peers == NULL || api->quick == NULL || api->slow == NULL || api->health == NULL ||
		(options->zone != NULL && api->zone == NULL))
	{
		pd_fail(err, PK_ERR_NO_MEMORY, "out of memory or threads for the API");
		pd_api_free(api);
		return NULL;
	}
	return api;
}

const struct pd_http_handler *
pd_api_handler(struct pd_api *api)
{
	return &api->handler;
}

void
pd_api_stop(struct pd_api *api)
{
	atomic_store(&api->stopping, true);
}

void
pd_api_free(struct pd_api *api)
{
	if (api == NULL)
		return;
	atomic_store(&api->stopping, true);
	if (api->slow != NULL)
		pd_queue_stop(api->slow);
	if (api->quick != NULL)
		pd_queue_stop(api->quick);
	if (api->health != NULL)
		pd_queue_stop(api->health);
	pd_api_peers_free(api->peers);
	pthread_mutex_destroy(&api->epoch_mutex);
	free(api->zone);
	free(api);
}
