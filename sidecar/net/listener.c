/*
 * net/listener.c
 *	  The listening socket, libmicrohttpd's threads, and the ticker.
 *
 * The ticker wakes every second.  It sends the heartbeats of long replies, cuts
 * connections that have outlived their deadline (libmicrohttpd knows only
 * idleness, which a byte now and then defeats), and releases orphans.
 */
#include "net/http_impl.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/vfs.h"

#define CONNECTIONS_DEFAULT 512
#define IDLE_TIMEOUT_DEFAULT_S 60
#define THREADS_MIN 2
#define THREADS_MAX 16
#define BACKLOG 511
#define CONNECTION_MEMORY (512 * 1024) /* headers, and the pieces in which a body arrives */
#define SOCKET_BUFFER (1024 * 1024)
#define RATE_MIN_BYTES_S 16384 /* slower bodies and replies are cut */
#define DRAIN_MS_MAX 5000	   /* for clients to fetch the replies that were made, at a stop */
#define KNOWN_VERSION "0.9.75" /* see framing.c */

/* --- deadlines --- */

int64_t
pd_http_now_ms(void)
{
	return pd_vfs_real.monotonic_us(&pd_vfs_real) / 1000;
}

static struct pd_link *
link_of(const struct pd_request *request)
{
	const union MHD_ConnectionInfo *info;

	info = MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	return info != NULL ? info->socket_context : NULL;
}

/* Gives the connection time for waiting or for so many bytes; called on its listener thread. */
void
pd_http_set_deadline(const struct pd_request *request, uint64_t bytes)
{
	struct pd_link *link = link_of(request);
	int64_t allowed_s = 2 * (int64_t) request->http->idle_timeout_s + (int64_t) (bytes / RATE_MIN_BYTES_S);

	if (link != NULL)
		__atomic_store_n(&link->deadline_ms, pd_http_now_ms() + allowed_s * 1000, __ATOMIC_RELAXED);
}

void
pd_http_clear_deadline(const struct pd_request *request)
{
	struct pd_link *link = link_of(request);

	if (link != NULL)
		__atomic_store_n(&link->deadline_ms, 0, __ATOMIC_RELAXED);
}

static void
on_connection_start(struct pd_http *http, struct MHD_Connection *connection, void **context)
{
	const union MHD_ConnectionInfo *fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct pd_link *link = calloc(1, sizeof(*link));
	int size = SOCKET_BUFFER;

	*context = link;
	if (link == NULL || fd == NULL)
		return; /* served without a deadline */
	link->fd = fd->connect_fd;
	link->deadline_ms = pd_http_now_ms() + 2000 * (int64_t) http->idle_timeout_s;

	/* TCP inherits its size; what a Unix socket may hold is its sender's matter */
	if (http->unix_path[0] != '\0')
		(void) setsockopt(link->fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));

	pthread_mutex_lock(&http->mutex);
	link->next = http->links;
	if (link->next != NULL)
		link->next->previous = link;
	http->links = link;
	pthread_mutex_unlock(&http->mutex);
}

static void
on_connection_end(struct pd_http *http, void **context)
{
	struct pd_link *link = *context;

	*context = NULL;
	if (link == NULL)
		return;
	pthread_mutex_lock(&http->mutex);
	if (link->previous != NULL)
		link->previous->next = link->next;
	else if (http->links == link)
		http->links = link->next;
	if (link->next != NULL)
		link->next->previous = link->previous;
	pthread_mutex_unlock(&http->mutex);
	free(link);
}

static void
on_connection(void *arg, struct MHD_Connection *connection, void **context, enum MHD_ConnectionNotificationCode code)
{
	if (code == MHD_CONNECTION_NOTIFY_STARTED)
		on_connection_start(arg, connection, context);
	else
		on_connection_end(arg, context);
}

/* Paths are compared as they came. */
static size_t
leave_escaped(void *arg, struct MHD_Connection *connection, char *text)
{
	(void) arg;
	(void) connection;
	return strlen(text);
}

/* --- the ticker --- */

/* With http->mutex held, which keeps links from going and their descriptors from being closed. */
static void
cut_late_connections(struct pd_http *http)
{
	int64_t now = pd_http_now_ms();

	for (struct pd_link *link = http->links; link != NULL; link = link->next)
	{
		int64_t deadline = __atomic_load_n(&link->deadline_ms, __ATOMIC_RELAXED);

		if (deadline != 0 && now > deadline)
		{
			__atomic_store_n(&link->deadline_ms, 0, __ATOMIC_RELAXED);
			(void) shutdown(link->fd, SHUT_RDWR);
		}
	}
}

/* With http->mutex held, which keeps requests from being freed. */
static void
send_heartbeats(struct pd_http *http)
{
	for (struct pd_request *request = http->requests; request != NULL; request = request->next)
	{
		pthread_mutex_lock(&request->mutex);
		if (request->streaming && !request->ended && request->suspended)
		{
			request->beat = true;
			pd_http_wake_unlock(request);
		}
		else
			pthread_mutex_unlock(&request->mutex);
	}
}

static void
release_orphans(struct pd_http *http)
{
	struct pd_request *orphan;

	while ((orphan = http->orphans) != NULL)
	{
		http->orphans = orphan->next;
		pthread_mutex_unlock(&http->mutex);
		pd_http_request_over(orphan);
		pthread_mutex_lock(&http->mutex);
	}
}

static void *
ticker_thread(void *arg)
{
	struct pd_http *http = arg;
	int64_t next_ms = pd_http_now_ms() + 1000;

	pthread_setname_np(pthread_self(), "pd-http-ticker");
	pthread_mutex_lock(&http->mutex);
	while (!http->ticker_ends || http->orphans != NULL)
	{
		struct timespec until = {.tv_sec = next_ms / 1000, .tv_nsec = next_ms % 1000 * 1000000};

		if (http->orphans == NULL)
			(void) pthread_cond_timedwait(&http->wake, &http->mutex, &until);
		release_orphans(http);
		if (pd_http_now_ms() >= next_ms)
		{
			next_ms = pd_http_now_ms() + 1000;
			send_heartbeats(http);
			cut_late_connections(http);
		}
	}
	pthread_mutex_unlock(&http->mutex);
	return NULL;
}

/* --- sockets --- */

static bool
somebody_listens(const struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool listens;

	if (fd < 0)
		return true;
	listens = connect(fd, (const struct sockaddr *) address, sizeof(*address)) == 0 || errno != ECONNREFUSED;
	close(fd);
	return listens;
}

static pk_error
remove_stale_socket(const struct sockaddr_un *address, struct pd_err *err)
{
	struct stat st;

	if (lstat(address->sun_path, &st) < 0)
		return errno == ENOENT ? PK_OK : pd_fail_errno(err, -errno, "could not look at \"%s\"", address->sun_path);
	if (!S_ISSOCK(st.st_mode))
		return pd_fail(err, PK_ERR_STATE, "\"%s\" exists and is not a socket", address->sun_path);
	if (somebody_listens(address))
		return pd_fail(err, PK_ERR_STATE, "another process listens on \"%s\"", address->sun_path);
	if (unlink(address->sun_path) < 0 && errno != ENOENT)
		return pd_fail_errno(err, -errno, "could not remove the stale socket \"%s\"", address->sun_path);
	return PK_OK;
}

static pk_error
listen_unix(struct pd_http *http, int fd, const char *path, struct pd_err *err)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct stat st;
	pk_error rc;

	if (strlen(path) >= sizeof(address.sun_path) || path[0] == '\0')
		return pd_fail(err, PK_ERR_TOO_LARGE, "the socket path \"%s\" must have 1 to %zu bytes", path,
					   sizeof(address.sun_path) - 1);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	rc = remove_stale_socket(&address, err);
	if (rc != PK_OK)
		return rc;
	/* nobody can connect before listen, so the mode is right in time */
	if (bind(fd, (struct sockaddr *) &address, sizeof(address)) < 0 || chmod(path, 0660) < 0 ||
		listen(fd, BACKLOG) < 0 || lstat(path, &st) < 0)
		return pd_fail_errno(err, -errno, "could not listen on \"%s\"", path);
	snprintf(http->unix_path, sizeof(http->unix_path), "%s", path);
	http->unix_device = st.st_dev;
	http->unix_inode = st.st_ino;
	return PK_OK;
}

/* "127.0.0.1:7070" or "[::1]:7070": numbers only, a name could move. */
static bool
parse_address(const char *text, struct sockaddr_storage *address, socklen_t *length)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *) address;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *) address;
	const char *colon = strrchr(text, ':');
	char host[64];
	char *end;
	unsigned long port;
	size_t host_length;

	memset(address, 0, sizeof(*address));
	if (colon == NULL || colon[1] < '0' || colon[1] > '9')
		return false;
	port = strtoul(colon + 1, &end, 10);
	host_length = (size_t) (colon - text);
	if (*end != '\0' || port > 65535 || host_length >= sizeof(host))
		return false;
	memcpy(host, text, host_length);
	host[host_length] = '\0';

	if (host_length > 2 && host[0] == '[' && host[host_length - 1] == ']')
	{
		host[host_length - 1] = '\0';
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons((uint16_t) port);
		*length = sizeof(*v6);
		return inet_pton(AF_INET6, host + 1, &v6->sin6_addr) == 1;
	}
	v4->sin_family = AF_INET;
	v4->sin_port = htons((uint16_t) port);
	*length = sizeof(*v4);
	return inet_pton(AF_INET, host, &v4->sin_addr) == 1;
}

/* Accepted sockets inherit all of it. */
static void
tune_tcp(int fd)
{
	int yes = 1;

	(void) setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	(void) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
	/* bbr, where it is the default, paces loopback down to a quarter */
	(void) setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "cubic", strlen("cubic"));
}

static pk_error
open_socket(struct pd_http *http, const char *where, int *fd, struct pd_err *err)
{
	struct sockaddr_storage address;
	socklen_t length;
	pk_error rc = PK_OK;
	bool is_unix = strncmp(where, "unix:", 5) == 0;

	*fd = -1;
	if (!is_unix && !parse_address(where, &address, &length))
		return pd_fail(err, PK_ERR_MALFORMED,
					   "cannot listen on \"%s\": write 127.0.0.1:7070, [::1]:7070 or unix:/path/to.sock", where);
	*fd = socket(is_unix ? AF_UNIX : address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (*fd < 0)
		return pd_fail_errno(err, -errno, "could not make a socket for \"%s\"", where);

	if (is_unix)
		rc = listen_unix(http, *fd, where + 5, err);
	else
	{
		tune_tcp(*fd);
		if (bind(*fd, (struct sockaddr *) &address, length) < 0 || listen(*fd, BACKLOG) < 0)
			rc = pd_fail_errno(err, -errno, "could not listen on \"%s\"", where);
	}
	if (rc != PK_OK)
	{
		close(*fd);
		*fd = -1;
	}
	return rc;
}

/* Not when somebody else has put his own socket there. */
static void
unlink_socket(const struct pd_http *http)
{
	struct stat st;

	if (http->unix_path[0] != '\0' && lstat(http->unix_path, &st) == 0 && st.st_dev == http->unix_device &&
		st.st_ino == http->unix_inode)
		(void) unlink(http->unix_path);
}

/* --- start and stop --- */

static int
useful_threads(int wanted, int connections_max)
{
	long threads = wanted > 0 ? wanted : sysconf(_SC_NPROCESSORS_ONLN);

	if (threads < THREADS_MIN)
		threads = THREADS_MIN;
	if (wanted <= 0 && threads > THREADS_MAX)
		threads = THREADS_MAX;
	return threads < connections_max ? (int) threads : connections_max;
}

static pk_error
start_daemon(struct pd_http *http, const struct pd_http_options *options, int fd, struct pd_err *err)
{
	unsigned int flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_ITC | MHD_ALLOW_SUSPEND_RESUME;
	int connections = options->connections_max > 0 ? options->connections_max : CONNECTIONS_DEFAULT;
	int threads = useful_threads(options->threads, connections);

	http->daemon = MHD_start_daemon(
		flags, 0, NULL, NULL, pd_http_on_request, http, MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_THREAD_POOL_SIZE,
		(unsigned int) threads, MHD_OPTION_CONNECTION_LIMIT, (unsigned int) connections, MHD_OPTION_CONNECTION_TIMEOUT,
		(unsigned int) http->idle_timeout_s, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t) CONNECTION_MEMORY,
		MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_NOTIFY_COMPLETED, pd_http_on_completed, http,
		MHD_OPTION_URI_LOG_CALLBACK, pd_http_on_target, http, MHD_OPTION_NOTIFY_CONNECTION, on_connection, http,
		MHD_OPTION_UNESCAPE_CALLBACK, leave_escaped, http, MHD_OPTION_END);
	if (http->daemon == NULL)
		return pd_fail(err, PK_ERR_UNAVAILABLE, "could not start %d listener threads on \"%s\"", threads,
					   options->listen);
	return PK_OK;
}

static void
free_http(struct pd_http *http)
{
	if (http->ticker_started)
	{
		pthread_mutex_lock(&http->mutex);
		http->ticker_ends = true;
		pthread_cond_signal(&http->wake);
		pthread_mutex_unlock(&http->mutex);
		pthread_join(http->ticker, NULL);
	}
	pthread_cond_destroy(&http->wake);
	pthread_mutex_destroy(&http->mutex);
	free(http);
}

static struct pd_http *
create_http(const struct pd_http_options *options, const struct pd_http_handler *handler)
{
	struct pd_http *http = calloc(1, sizeof(*http));
	pthread_condattr_t attributes;

	if (http == NULL)
		return NULL;
	http->handler = *handler;
	http->buffers = options->buffers;
	http->idle_timeout_s = options->idle_timeout_s > 0 ? options->idle_timeout_s : IDLE_TIMEOUT_DEFAULT_S;
	http->raw_headers = strcmp(MHD_get_version(), KNOWN_VERSION) == 0;
	pthread_mutex_init(&http->mutex, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&http->wake, &attributes);
	pthread_condattr_destroy(&attributes);
	http->ticker_started = pthread_create(&http->ticker, NULL, ticker_thread, http) == 0;
	if (!http->ticker_started)
	{
		free_http(http);
		return NULL;
	}
	return http;
}

struct pd_http *
pd_http_start(const struct pd_http_options *options, const struct pd_http_handler *handler, struct pd_err *err)
{
	struct pd_http *http = create_http(options, handler);
	pk_error rc;
	int fd;

	if (http == NULL)
	{
		(void) pd_fail(err, PK_ERR_NO_MEMORY, "could not start a listener on \"%s\"", options->listen);
		return NULL;
	}
	rc = open_socket(http, options->listen, &fd, err);
	if (rc == PK_OK)
	{
		rc = start_daemon(http, options, fd, err);
		if (rc != PK_OK)
			close(fd);
	}
	if (rc != PK_OK)
	{
		unlink_socket(http);
		free_http(http);
		return NULL;
	}
	if (!http->raw_headers)
		pd_log(PD_LOG_WARNING, "libmicrohttpd %s is not the one whose parser was examined: some malformed headers pass",
			   MHD_get_version());
	return http;
}

/* How many requests have no reply yet, and how many replies are not delivered. */
static void
count_requests(struct pd_http *http, int *unanswered, int *undelivered)
{
	*unanswered = 0;
	*undelivered = 0;
	pthread_mutex_lock(&http->mutex);
	for (struct pd_request *request = http->requests; request != NULL; request = request->next)
	{
		pthread_mutex_lock(&request->mutex);
		if (request->replied && (!request->streaming || request->ended))
			(*undelivered)++;
		else if (request->replied || request->owed)
			(*unanswered)++;
		pthread_mutex_unlock(&request->mutex);
	}
	pthread_mutex_unlock(&http->mutex);
}

void
pd_http_stop(struct pd_http *http)
{
	const struct timespec pause = {.tv_nsec = 1000000};
	int64_t drain_until_ms = 0;

	if (http == NULL)
		return;
	pthread_mutex_lock(&http->mutex);
	http->stopping = true;
	pthread_mutex_unlock(&http->mutex);
	unlink_socket(http);

	/* libmicrohttpd aborts the process when it is stopped with a suspended connection: work is waited for */
	for (;;)
	{
		int unanswered, undelivered;

		count_requests(http, &unanswered, &undelivered);
		if (unanswered == 0 && drain_until_ms == 0)
			drain_until_ms = pd_http_now_ms() + DRAIN_MS_MAX;
		if (unanswered == 0 && __atomic_load_n(&http->resuming, __ATOMIC_SEQ_CST) == 0 &&
			(undelivered == 0 || pd_http_now_ms() > drain_until_ms))
			break;
		nanosleep(&pause, NULL);
	}
	MHD_stop_daemon(http->daemon);
	free_http(http);
}
