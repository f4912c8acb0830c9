/*
 * cli/session.h
 *	  One connection to PostgreSQL, used by one thread.
 */
#ifndef PD_CLI_SESSION_H
#define PD_CLI_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include <libpq-fe.h>

#include "cli/array.h"

#define PD_SESSION_ERROR 1024
#define PD_PARAMETERS_MAX 6

struct pd_session
{
	PGconn *conn;
	PGcancel *cancel;
	char sqlstate[6];			  /* of the last error; "" when it is the connection's */
	char error[PD_SESSION_ERROR]; /* message, detail and hint on one line */
};

/* The parameters of one statement; the values stay the caller's until it ran. */
struct pd_parameters
{
	int count;
	Oid types[PD_PARAMETERS_MAX];
	const char *values[PD_PARAMETERS_MAX];
	int lengths[PD_PARAMETERS_MAX];
	int formats[PD_PARAMETERS_MAX];
	uint8_t numbers[PD_PARAMETERS_MAX][8];
};

/* False with error filled; release either way. */
extern bool pd_session_open(struct pd_session *session, const char *conninfo);
extern void pd_session_close(struct pd_session *session);

extern void pd_parameters_text(struct pd_parameters *p, const char *value); /* NULL: null */
extern void pd_parameters_bytes(struct pd_parameters *p, const void *data, size_t size);
extern void pd_parameters_int64(struct pd_parameters *p, int64_t value);
extern void pd_parameters_time(struct pd_parameters *p, int64_t unix_us);
extern void pd_parameters_json(struct pd_parameters *p, const char *value);
extern void pd_parameters_array(struct pd_parameters *p, struct pd_array *array); /* finishes it */

/* The result (PQclear it), or NULL with sqlstate and error filled.  p may be NULL. */
extern PGresult *pd_session_query(struct pd_session *session, const char *sql, const struct pd_parameters *p,
								  bool binary);
/* The same when only success matters. */
extern bool pd_session_run(struct pd_session *session, const char *sql, const struct pd_parameters *p);

/* Whether the last error may pass by itself: a deadlock, a serialization failure, a sidecar that does not answer. */
extern bool pd_session_transient(const struct pd_session *session);

/* Whether the last error would meet every other file too: no connection, no extension, no room, shut down. */
extern bool pd_session_hopeless(const struct pd_session *session);

#endif
