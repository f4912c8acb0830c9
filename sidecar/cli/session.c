/*
 * cli/session.c
 *	  One connection to PostgreSQL.
 */
#include "cli/session.h"

#include <stdio.h>
#include <string.h>

#include "cli/interrupt.h"

/* Copies text up to the first newline's end, newlines as blanks. */
static void
one_line(char *out, size_t size, const char *text)
{
	size_t length = 0;

	while (text[length] != '\0' && length + 1 < size)
	{
		out[length] = text[length] == '\n' || text[length] == '\t' ? ' ' : text[length];
		length++;
	}
	while (length > 0 && out[length - 1] == ' ')
		length--;
	out[length] = '\0';
}

static void
connection_error(struct pd_session *session)
{
	session->sqlstate[0] = '\0';
	one_line(session->error, sizeof(session->error),
			 session->conn != NULL ? PQerrorMessage(session->conn) : "out of memory");
}

static void
result_error(struct pd_session *session, const PGresult *result)
{
	const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
	const char *detail = PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL);
	const char *hint = PQresultErrorField(result, PG_DIAG_MESSAGE_HINT);
	char text[2 * PD_SESSION_ERROR];

	if (state == NULL || message == NULL)
	{
		connection_error(session);
		return;
	}
	snprintf(session->sqlstate, sizeof(session->sqlstate), "%s", state);
	snprintf(text, sizeof(text), "%s%s%s%s%s", message, detail != NULL ? "; " : "", detail != NULL ? detail : "",
			 hint != NULL ? "; hint: " : "", hint != NULL ? hint : "");
	one_line(session->error, sizeof(session->error), text);
}

bool
pd_session_open(struct pd_session *session, const char *conninfo)
{
	const char *const names[] = {"dbname", "fallback_application_name", "client_encoding", NULL};
	const char *const values[] = {conninfo, "pocket", "UTF8", NULL};
	const bool given = conninfo[0] != '\0';

	*session = (struct pd_session){0};
	session->conn = PQconnectdbParams(given ? names : names + 1, given ? values : values + 1, 1);
	if (PQstatus(session->conn) != CONNECTION_OK)
	{
		connection_error(session);
		return false;
	}
	session->cancel = PQgetCancel(session->conn);
	if (session->cancel != NULL)
		pd_interrupt_add(session->cancel);
	return true;
}

void
pd_session_close(struct pd_session *session)
{
	if (session->cancel != NULL)
	{
		pd_interrupt_remove(session->cancel);
		PQfreeCancel(session->cancel);
	}
	if (session->conn != NULL)
		PQfinish(session->conn);
	session->cancel = NULL;
	session->conn = NULL;
}

static void
parameter(struct pd_parameters *p, Oid type, const void *value, size_t length, int format)
{
	p->types[p->count] = type;
	p->values[p->count] = value;
	p->lengths[p->count] = (int) length;
	p->formats[p->count] = format;
	p->count++;
}

void
pd_parameters_text(struct pd_parameters *p, const char *value)
{
	parameter(p, PD_OID_TEXT, value, 0, 0);
}

void
pd_parameters_bytes(struct pd_parameters *p, const void *data, size_t size)
{
	parameter(p, PD_OID_BYTEA, data, size, 1);
}

void
pd_parameters_int64(struct pd_parameters *p, int64_t value)
{
	uint8_t *number = p->numbers[p->count];

	pd_array_put64(number, (uint64_t) value);
	parameter(p, PD_OID_INT8, number, 8, 1);
}

void
pd_parameters_time(struct pd_parameters *p, int64_t unix_us)
{
	uint8_t *number = p->numbers[p->count];

	pd_array_put64(number, (uint64_t) pd_array_timestamp(unix_us));
	parameter(p, PD_OID_TIMESTAMPTZ, number, 8, 1);
}

void
pd_parameters_json(struct pd_parameters *p, const char *value)
{
	parameter(p, PD_OID_JSONB, value, 0, 0);
}

static Oid
array_type(uint32_t element)
{
	switch (element)
	{
		case PD_OID_BYTEA:
			return PD_OID_BYTEA_ARRAY;
		case PD_OID_INT8:
			return PD_OID_INT8_ARRAY;
		case PD_OID_TIMESTAMPTZ:
			return PD_OID_TIMESTAMPTZ_ARRAY;
		case PD_OID_JSONB:
			return PD_OID_JSONB_ARRAY;
		default:
			return PD_OID_TEXT_ARRAY;
	}
}

void
pd_parameters_array(struct pd_parameters *p, struct pd_array *array)
{
	pd_array_finish(array);
	parameter(p, array_type(array->type), array->data, array->length, 1);
}

PGresult *
pd_session_query(struct pd_session *session, const char *sql, const struct pd_parameters *p, bool binary)
{
	PGresult *result;
	ExecStatusType status;

	if (p == NULL)
		result = PQexecParams(session->conn, sql, 0, NULL, NULL, NULL, NULL, binary);
	else
		result = PQexecParams(session->conn, sql, p->count, p->types, p->values, p->lengths, p->formats, binary);
	status = PQresultStatus(result);
	if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK)
		return result;
	if (result != NULL)
		result_error(session, result);
	else
		connection_error(session);
	PQclear(result);
	return NULL;
}

bool
pd_session_run(struct pd_session *session, const char *sql, const struct pd_parameters *p)
{
	PGresult *result = pd_session_query(session, sql, p, false);
	bool ok = result != NULL;

	PQclear(result);
	return ok;
}

static bool
state_is(const struct pd_session *session, const char *prefix)
{
	return strncmp(session->sqlstate, prefix, strlen(prefix)) == 0;
}

bool
pd_session_transient(const struct pd_session *session)
{
	if (PQstatus(session->conn) != CONNECTION_OK)
		return false;
	/* PK007: no node answers just now, as when the only pocketd starts again */
	return state_is(session, "40001") || state_is(session, "40P01") || state_is(session, "08006") ||
		   state_is(session, "PK007");
}

bool
pd_session_hopeless(const struct pd_session *session)
{
	/* by class: connection, resources, shutdown; then: no place, stale epoch, no function, no schema, no key */
	static const char *const states[] = {"08", "53", "57P", "PK005", "PK007", "42883", "3F", "28"};

	if (PQstatus(session->conn) != CONNECTION_OK || session->sqlstate[0] == '\0')
		return true;
	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++)
		if (state_is(session, states[i]))
			return true;
	return false;
}
