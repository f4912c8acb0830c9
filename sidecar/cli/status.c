/*
 * cli/status.c
 *	  pocket status: what the views of the cell say, as tables or as one JSON
 *	  object.  Columns are taken as the server names them.
 */
#include "cli/status.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/format.h"
#include "cli/interrupt.h"
#include "cli/session.h"

#define OID_BOOL 16
#define OID_INT4 23
#define OID_FLOAT8 701
#define CELL_SIZE 256

struct section
{
	const char *name;
	const char *sql;
};

static const struct section sections[] = {
	{"health", "SELECT * FROM pocket.health"},
	{"nodes", "SELECT * FROM pocket.nodes ORDER BY 1"},
	{"drives", "SELECT drive_id, node, zone, path, state, capacity, used FROM pocket.drives ORDER BY drive_id"},
	{"volumes",
	 "SELECT code, state, count(*) AS volumes FROM pocket.volumes GROUP BY code, state ORDER BY code, state"},
	{"buckets", "SELECT state, count(*) AS buckets, sum(length)::bigint AS length, sum(live)::bigint AS live"
				" FROM pocket.buckets GROUP BY state ORDER BY state"},
};

#define SECTIONS (sizeof(sections) / sizeof(sections[0]))

static bool
is_bytes(const char *column)
{
	static const char *const names[] = {"capacity", "available", "used", "length", "live", "bytes"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(column, names[i]) == 0)
			return true;
	return false;
}

static bool
is_number(const PGresult *result, int column)
{
	Oid type = PQftype(result, column);

	return type == PD_OID_INT8 || type == OID_INT4;
}

static void
format_cell(char out[CELL_SIZE], const PGresult *result, int row, int column)
{
	const char *value = PQgetvalue(result, row, column);

	if (PQgetisnull(result, row, column))
		memcpy(out, "-", 2);
	else if (is_number(result, column) && is_bytes(PQfname(result, column)))
		pd_format_bytes(out, strtoull(value, NULL, 10));
	else
		pd_format_name(out, CELL_SIZE, value, strlen(value));
}

/* Characters, not bytes, of UTF-8. */
static int
width_of(const char *text)
{
	int width = 0;

	for (; *text != '\0'; text++)
		width += ((unsigned char) *text & 0xc0) != 0x80;
	return width;
}

static void
print_cell(const char *text, int width, bool right, bool last)
{
	int blanks = width - width_of(text);

	if (right)
		printf("  %*s%s", blanks, "", text);
	else if (last)
		printf("  %s", text);
	else
		printf("  %s%*s", text, blanks, "");
}

static void
print_table(const char *name, const PGresult *result)
{
	int columns = PQnfields(result);
	char cell[CELL_SIZE];

	printf("%s\n", name);
	for (int row = -1; row < PQntuples(result); row++)
	{
		for (int column = 0; column < columns; column++)
		{
			int width = width_of(PQfname(result, column));

			for (int i = 0; i < PQntuples(result); i++)
			{
				format_cell(cell, result, i, column);
				if (width_of(cell) > width)
					width = width_of(cell);
			}
			if (row < 0)
				pd_format_name(cell, sizeof(cell), PQfname(result, column), strlen(PQfname(result, column)));
			else
				format_cell(cell, result, row, column);
			print_cell(cell, width, is_number(result, column), column == columns - 1);
		}
		printf("\n");
	}
	if (PQntuples(result) == 0)
		printf("  (none)\n");
}

static json_t *
json_value(const PGresult *result, int row, int column)
{
	const char *value = PQgetvalue(result, row, column);
	Oid type = PQftype(result, column);

	if (PQgetisnull(result, row, column))
		return json_null();
	if (is_number(result, column))
		return json_integer(strtoll(value, NULL, 10));
	if (type == OID_FLOAT8)
		return json_real(strtod(value, NULL));
	if (type == OID_BOOL)
		return json_boolean(value[0] == 't');
	return json_string(value);
}

static json_t *
json_table(const PGresult *result)
{
	json_t *rows = json_array();

	for (int row = 0; row < PQntuples(result); row++)
	{
		json_t *object = json_object();

		for (int column = 0; column < PQnfields(result); column++)
			json_object_set_new(object, PQfname(result, column), json_value(result, row, column));
		json_array_append_new(rows, object);
	}
	return rows;
}

static void
print_error(const struct pd_options *options, const struct pd_session *session)
{
	json_t *object;
	char *text;

	if (!options->json)
	{
		fprintf(stderr, "pocket: %s%s%s%s\n", session->error, session->sqlstate[0] != '\0' ? " (SQLSTATE " : "",
				session->sqlstate, session->sqlstate[0] != '\0' ? ")" : "");
		return;
	}
	object = json_pack("{s:s, s:s, s:s}", "event", "fatal", "sqlstate", session->sqlstate, "error", session->error);
	text = object != NULL ? json_dumps(object, JSON_COMPACT) : NULL;
	if (text != NULL)
		puts(text);
	free(text);
	json_decref(object);
}

enum pd_exit
pd_status(const struct pd_options *options)
{
	struct pd_session session;
	json_t *all = json_object();
	bool ok = pd_session_open(&session, options->conninfo);

	for (size_t i = 0; ok && i < SECTIONS; i++)
	{
		PGresult *result = pd_session_query(&session, sections[i].sql, NULL, false);

		ok = result != NULL;
		if (ok && options->json)
			json_object_set_new(all, sections[i].name, json_table(result));
		else if (ok)
			print_table(sections[i].name, result);
		PQclear(result);
	}
	if (ok && options->json)
	{
		char *text = json_dumps(all, JSON_COMPACT | JSON_PRESERVE_ORDER);

		if (text != NULL)
			puts(text);
		free(text);
	}
	if (!ok)
		print_error(options, &session);
	pd_session_close(&session);
	json_decref(all);
	return ok ? PD_EXIT_OK : pd_interrupted() ? PD_EXIT_INTERRUPTED : PD_EXIT_SERVER;
}
