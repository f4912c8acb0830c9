/*
 * api/health.c
 *	  /healthz and /metrics: no token, and nothing in them that needs one.
 *
 * Both ask the drives, so they run on a queue of their own: a drive that hangs
 * holds up this and no order.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/exchange.h"
#include "api/json.h"

#define HEALTH_WAITING_MAX 64

int64_t
pd_health_begin(struct pd_exchange *exchange, const char *rest)
{
	(void) exchange;
	(void) rest;
	return 0;
}

const char *
pd_drive_state_name(const struct pd_drive_info *info, const uint8_t cell[PK_UUID_SIZE], int *number)
{
	static const uint8_t unbound[PK_UUID_SIZE];
	static const char *const names[] = {"ok", "quarantined", "failed", "foreign"};

	if (info->state == PD_DRIVE_FAILED)
		*number = 2;
	else if (memcmp(info->cell, unbound, sizeof(unbound)) != 0 && memcmp(info->cell, cell, PK_UUID_SIZE) != 0)
		*number = 3;
	else
		*number = info->state == PD_DRIVE_OK ? 0 : 1;
	return names[*number];
}

static struct pd_exchange *
job_exchange(struct pd_job *job)
{
	return (struct pd_exchange *) (void *) ((char *) job - offsetof(struct pd_exchange, job));
}

static void
submit(struct pd_exchange *exchange, void (*run)(struct pd_job *job))
{
	struct pd_api *api = exchange->api;

	exchange->job.run = run;
	if (atomic_fetch_add(&api->health_waiting, 1) >= HEALTH_WAITING_MAX)
	{
		atomic_fetch_sub(&api->health_waiting, 1);
		pd_api_reply_error(exchange, PK_ERR_BUSY, NULL);
		return;
	}
	pd_queue_submit(api->health, &exchange->job, PD_JOB_LIVE);
}

static void
healthz_job(struct pd_job *job)
{
	struct pd_exchange *exchange = job_exchange(job);
	struct pd_api *api = exchange->api;
	uint8_t cell[PK_UUID_SIZE];
	pk_epoch epoch;
	int failed = 0;
	char text[128];
	int length;

	pd_cell_identity(api->cell, cell, &epoch);
	for (int i = 0; i < api->drive_count; i++)
	{
		struct pd_drive_info info;
		int state;

		pd_drive_info(api->drives[i], &info);
		(void) pd_drive_state_name(&info, cell, &state);
		failed += state != 0;
	}
	length = snprintf(text, sizeof(text), "{\"status\": \"%s\", \"drives\": %d, \"failed\": %d}\n",
					  failed == 0 ? "ok" : "degraded", api->drive_count, failed);
	atomic_fetch_sub(&api->health_waiting, 1);
	pd_request_reply_text(exchange->request, failed < api->drive_count ? 200 : 503, "application/json", text,
						  (size_t) length);
}

void
pd_healthz_finish(struct pd_exchange *exchange)
{
	submit(exchange, healthz_job);
}

static void
put_counter(FILE *out, const char *name, const char *help, uint64_t value)
{
	fprintf(out, "# HELP pocketd_%s %s\n# TYPE pocketd_%s counter\npocketd_%s %" PRIu64 "\n", name, help, name, name,
			value);
}

static void
put_label(FILE *out, const char *text)
{
	for (; *text != '\0'; text++)
	{
		if (*text == '\n')
			fputs("\\n", out);
		else
		{
			if (*text == '"' || *text == '\\')
				fputc('\\', out);
			fputc(*text, out);
		}
	}
}

static void
put_counters(FILE *out, struct pd_api *api)
{
	struct pd_metrics *metrics = &api->metrics;
	uint64_t read;
	uint64_t decoded;

	pd_cell_decoding(api->cell, &read, &decoded);
	put_counter(out, "blocks_put_total", "Blocks made durable.", atomic_load(&metrics->blocks_put));
	put_counter(out, "blocks_get_total", "Blocks read.", atomic_load(&metrics->blocks_get));
	put_counter(out, "bytes_put_total", "Plain bytes made durable.", atomic_load(&metrics->bytes_put));
	put_counter(out, "bytes_get_total", "Plain bytes read.", atomic_load(&metrics->bytes_get));
	put_counter(out, "degraded_reads_total", "Reads that one drive alone could not answer.",
				atomic_load(&metrics->degraded_reads));
	put_counter(out, "decode_read_bytes_total", "Bytes of members that were read to compute others.", read);
	put_counter(out, "decoded_bytes_total", "Bytes of members that were computed from others.", decoded);
	put_counter(out, "orders_total", "Orders that were answered.", atomic_load(&metrics->orders));
	put_counter(out, "peer_requests_total", "Requests of other nodes.", atomic_load(&metrics->peer_requests));
	put_counter(out, "denied_total", "Requests whose token or URL was not accepted.", atomic_load(&metrics->denied));
	fputs("# HELP pocketd_errors_total Errors answered, by code.\n# TYPE pocketd_errors_total counter\n", out);
	for (int i = 1; i < PD_API_ERRORS; i++)
	{
		const pk_error_info *info = pk_error_lookup(-i);

		if (info->code == (pk_error) -i)
			fprintf(out, "pocketd_errors_total{code=\"%s\"} %llu\n", info->name, atomic_load(&metrics->errors[i]));
	}
}

enum drive_figure
{
	FIGURE_STATE,
	FIGURE_CAPACITY,
	FIGURE_AVAILABLE,
	FIGURE_USED,
	FIGURE_EXTENTS,
	FIGURES
};

static const char *const figure_names[FIGURES][2] = {
	[FIGURE_STATE] = {"drive_state", "0 ok, 1 quarantined, 2 failed, 3 foreign."},
	[FIGURE_CAPACITY] = {"drive_capacity_bytes", "Size of the drive's file system."},
	[FIGURE_AVAILABLE] = {"drive_available_bytes", "Free bytes of the drive's file system."},
	[FIGURE_USED] = {"drive_used_bytes", "Bytes of the drive's extents."},
	[FIGURE_EXTENTS] = {"drive_extents", "Extents on the drive."},
};

/* Prometheus wants the samples of a metric together: figure by figure, drive by drive. */
static bool
put_drives(FILE *out, struct pd_api *api)
{
	uint64_t(*values)[FIGURES] = calloc((size_t) api->drive_count + 1, sizeof(*values));
	uint8_t cell[PK_UUID_SIZE];
	pk_epoch epoch;

	if (values == NULL)
		return false;
	pd_cell_identity(api->cell, cell, &epoch);
	for (int i = 0; i < api->drive_count; i++)
	{
		struct pd_drive_info info;
		int state;

		pd_drive_info(api->drives[i], &info);
		(void) pd_drive_state_name(&info, cell, &state);
		values[i][FIGURE_STATE] = (uint64_t) state;
		values[i][FIGURE_CAPACITY] = info.capacity;
		values[i][FIGURE_AVAILABLE] = info.available;
		values[i][FIGURE_USED] = info.used;
		values[i][FIGURE_EXTENTS] = info.extents;
	}
	for (int figure = 0; figure < FIGURES; figure++)
	{
		const char *name = figure_names[figure][0];

		fprintf(out, "# HELP pocketd_%s %s\n# TYPE pocketd_%s gauge\n", name, figure_names[figure][1], name);
		for (int i = 0; i < api->drive_count; i++)
		{
			fprintf(out, "pocketd_%s{drive=\"", name);
			put_label(out, pd_drive_path(api->drives[i]));
			fprintf(out, "\"} %" PRIu64 "\n", values[i][figure]);
		}
	}
	free(values);
	return true;
}

static void
metrics_job(struct pd_job *job)
{
	struct pd_exchange *exchange = job_exchange(job);
	struct pd_api *api = exchange->api;
	char *text = NULL;
	size_t length = 0;
	FILE *out = open_memstream(&text, &length);
	bool complete = out != NULL;

	if (out != NULL)
	{
		fprintf(out, "# HELP pocketd_info Version.\n# TYPE pocketd_info gauge\npocketd_info{version=\"%s\"} 1\n",
				PD_VERSION);
		put_counters(out, api);
		complete = put_drives(out, api) && ferror(out) == 0;
		complete = fclose(out) == 0 && complete;
	}
	atomic_fetch_sub(&api->health_waiting, 1);
	if (complete)
		pd_request_reply_text(exchange->request, 200, "text/plain; version=0.0.4", text, length);
	else
		pd_api_reply_error(exchange, PK_ERR_NO_MEMORY, NULL);
	free(text);
}

void
pd_metrics_finish(struct pd_exchange *exchange)
{
	submit(exchange, metrics_job);
}
