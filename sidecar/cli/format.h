/*
 * cli/format.h
 *	  Numbers, times and names as people read them.  Pure functions: no I/O.
 */
#ifndef PD_CLI_FORMAT_H
#define PD_CLI_FORMAT_H

#include <stddef.h>
#include <stdint.h>

#define PD_FORMAT_SIZE 24

/* "0 B", "999 B", "1.5 kB", "127 MB": decimal units, three digits. */
extern void pd_format_bytes(char out[PD_FORMAT_SIZE], uint64_t bytes);

/* "0:07", "12:30", "3:00:09"; "-:--" when seconds is negative or beyond 99 hours. */
extern void pd_format_time(char out[PD_FORMAT_SIZE], double seconds);

/* "12,345" */
extern void pd_format_count(char out[PD_FORMAT_SIZE], uint64_t count);

/*
 * A name that is safe to print: control characters and bytes that are not UTF-8
 * become \xNN, so that no file name can steer a terminal or break JSON.
 * Cut with "..." when it does not fit in size (>= 8) bytes.
 */
extern void pd_format_name(char *out, size_t size, const char *name, size_t length);

/* What an errno means, without the unsafe parts of strerror: returns text or a constant. */
#define PD_FORMAT_ERROR 128
extern const char *pd_format_errno(char text[PD_FORMAT_ERROR], int error);

/* How far some work is. */
struct pd_format_state
{
	const char *verb; /* "import" */
	uint64_t files;
	uint64_t files_total;
	uint64_t bytes;
	uint64_t bytes_total;
	double seconds; /* since the start */
};

/* Between 0 and 1.  A file counts as some bytes of its own, so that a tree of small files moves evenly. */
extern double pd_format_fraction(const struct pd_format_state *state);

/* Seconds left at the average rate; negative when that cannot be said yet. */
extern double pd_format_left(const struct pd_format_state *state);

/* The bar: exactly at most columns characters, no newline. */
extern void pd_format_bar(char *out, size_t size, int columns, const struct pd_format_state *state);

/* The same facts as a plain line. */
extern void pd_format_plain(char *out, size_t size, const struct pd_format_state *state);

#endif
