/*
 * remote/peer.c
 *	  A peer's life, its url and its queue.
 */
#include "remote/internal.h"

#include <stdlib.h>
#include <string.h>

#include <curl/curl.h>

#define QUEUE_THREADS 8
#define UNIX_PREFIX "unix:"
#define HTTP_PREFIX "http://"

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;
static bool curl_ready;

static void
start_curl(void)
{
	curl_ready = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
}

/* A host and a port, and nothing that could lead elsewhere: no user, path, query or escape. */
static bool
is_authority(const char *text)
{
	size_t n = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-:[]");

	return n > 0 && text[n] == '\0' && strchr(text, ':') != NULL;
}

static pk_error
set_url(struct pd_peer *peer, const char *url, struct pd_err *err)
{
	bool is_unix = strncmp(url, UNIX_PREFIX "/", strlen(UNIX_PREFIX "/")) == 0;

	if (!is_unix && (strncmp(url, HTTP_PREFIX, strlen(HTTP_PREFIX)) != 0 || !is_authority(url + strlen(HTTP_PREFIX))))
		return pd_fail(err, PK_ERR_MALFORMED, "\"%.200s\" is no url of a node: http://HOST:PORT or unix:/PATH", url);
	peer->url = strdup(url);
	peer->base = strdup(is_unix ? HTTP_PREFIX "localhost" : url);
	if (peer->url == NULL || peer->base == NULL)
		return pd_fail(err, PK_ERR_NO_MEMORY, "no memory for a peer");
	peer->unix_path = is_unix ? peer->url + strlen(UNIX_PREFIX) : NULL;
	return PK_OK;
}

struct pd_peer *
pd_peer_create(const struct pd_peer_options *options, const char *url, struct pd_err *err)
{
	struct pd_peer *peer = calloc(1, sizeof(*peer));
	pk_error rc;

	(void) pthread_once(&curl_once, start_curl);
	if (peer == NULL || !curl_ready)
	{
		free(peer);
		(void) pd_fail(err, PK_ERR_NO_MEMORY, "no memory for a peer");
		return NULL;
	}
	atomic_init(&peer->refs, 1);
	pthread_mutex_init(&peer->mutex, NULL);
	peer->options = *options;
	rc = set_url(peer, url, err);
	if (rc == PK_OK)
	{
		peer->queue = pd_queue_start("pd-peer", QUEUE_THREADS);
		if (peer->queue == NULL)
			rc = pd_fail(err, PK_ERR_NO_MEMORY, "no threads for peer %s", url);
	}
	if (rc == PK_OK)
		return peer;
	pd_peer_unref(peer);
	return NULL;
}

void
pd_peer_unref(struct pd_peer *peer)
{
	if (atomic_fetch_sub(&peer->refs, 1) != 1)
		return;
	for (int i = 0; i < peer->idle_count; i++)
		curl_easy_cleanup(peer->idle[i]);
	pthread_mutex_destroy(&peer->mutex);
	free(peer->base);
	free(peer->url);
	free(peer);
}

void
pd_peer_release(struct pd_peer *peer)
{
	if (peer == NULL)
		return;
	pd_queue_stop(peer->queue);
	pd_peer_unref(peer);
}
