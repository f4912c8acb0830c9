/*
 * cli/format.c
 *	  Numbers, times and names as people read them.
 */
#include "cli/format.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* What the rows of one file cost beside its bytes, in bytes that take about as long. */
#define FILE_WEIGHT 16384.0

#define TIME_MAX_SECONDS (99.0 * 3600.0)

void
pd_format_bytes(char out[PD_FORMAT_SIZE], uint64_t bytes)
{
	static const char *const units[] = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
	double value = (double) bytes;
	int unit = 0;

	/* 999.5 would be printed as 1000 */
	while (value >= 999.5 && unit < 6)
	{
		value /= 1000.0;
		unit++;
	}
	if (unit == 0 || value >= 99.95)
		snprintf(out, PD_FORMAT_SIZE, "%.0f %s", value, units[unit]);
	else
		snprintf(out, PD_FORMAT_SIZE, "%.1f %s", value, units[unit]);
}

void
pd_format_time(char out[PD_FORMAT_SIZE], double seconds)
{
	unsigned whole;

	if (!(seconds >= 0.0) || seconds > TIME_MAX_SECONDS)
	{
		snprintf(out, PD_FORMAT_SIZE, "-:--");
		return;
	}
	whole = (unsigned) (seconds + 0.5);
	if (whole >= 3600)
		snprintf(out, PD_FORMAT_SIZE, "%u:%02u:%02u", whole / 3600, whole / 60 % 60, whole % 60);
	else
		snprintf(out, PD_FORMAT_SIZE, "%u:%02u", whole / 60, whole % 60);
}

void
pd_format_count(char out[PD_FORMAT_SIZE], uint64_t count)
{
	char digits[PD_FORMAT_SIZE];
	size_t length = (size_t) snprintf(digits, sizeof(digits), "%llu", (unsigned long long) count);
	size_t used = 0;

	/* 15 digits with four commas fit; more are printed as they are */
	if (length > 15)
	{
		memcpy(out, digits, length + 1);
		return;
	}
	for (size_t i = 0; i < length; i++)
	{
		if (i > 0 && (length - i) % 3 == 0)
			out[used++] = ',';
		out[used++] = digits[i];
	}
	out[used] = '\0';
}

/* Bytes of the printable UTF-8 character at s, or 0. */
static size_t
printable(const unsigned char *s, size_t left)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t length;
	uint32_t c;

	if (s[0] < 0x80)
		return s[0] >= 0x20 && s[0] != 0x7f;
	length = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;
	if (s[0] < 0xc2 || s[0] > 0xf4 || left < length)
		return 0;
	c = s[0] & (0x7fu >> length);
	for (size_t i = 1; i < length; i++)
	{
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (s[i] & 0x3fu);
	}
	if (c < least[length] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff) || c < 0xa0)
		return 0;
	/* controls of text direction and line separators can lie about a name */
	if ((c >= 0x200e && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069))
		return 0;
	return length;
}

void
pd_format_name(char *out, size_t size, const char *name, size_t length)
{
	size_t used = 0;
	size_t i = 0;

	while (i < length)
	{
		size_t step = printable((const unsigned char *) name + i, length - i);
		size_t need = step > 0 ? step : 4;

		/* room for this, for "..." and for the NUL */
		if (used + need + 4 > size)
		{
			memcpy(out + used, "...", 3);
			used += 3;
			break;
		}
		if (step > 0)
			memcpy(out + used, name + i, step);
		else
			snprintf(out + used, 5, "\\x%02x", (unsigned char) name[i]);
		used += need;
		i += step > 0 ? step : 1;
	}
	out[used] = '\0';
}

const char *
pd_format_errno(char text[PD_FORMAT_ERROR], int error)
{
	return strerror_r(error, text, PD_FORMAT_ERROR);
}

double
pd_format_fraction(const struct pd_format_state *state)
{
	double all = (double) state->bytes_total + FILE_WEIGHT * (double) state->files_total;
	double done = (double) state->bytes + FILE_WEIGHT * (double) state->files;

	if (all <= 0.0)
		return 1.0;
	return done < all ? done / all : 1.0;
}

double
pd_format_left(const struct pd_format_state *state)
{
	double fraction = pd_format_fraction(state);

	if (fraction >= 1.0)
		return 0.0;
	if (fraction <= 0.0 || state->seconds < 0.5)
		return -1.0;
	return state->seconds * (1.0 - fraction) / fraction;
}

/* "  1,234 of 5,000 files  12.0 MB  45.0 MB/s  0:12 left" without the leading blanks */
static void
facts(char *out, size_t size, const struct pd_format_state *state)
{
	char files[PD_FORMAT_SIZE];
	char total[PD_FORMAT_SIZE];
	char bytes[PD_FORMAT_SIZE];
	char rate[PD_FORMAT_SIZE];
	char left[PD_FORMAT_SIZE];

	pd_format_count(files, state->files);
	pd_format_count(total, state->files_total);
	pd_format_bytes(bytes, state->bytes);
	pd_format_bytes(rate, state->seconds > 0.0 ? (uint64_t) ((double) state->bytes / state->seconds) : 0);
	pd_format_time(left, pd_format_left(state));
	snprintf(out, size, "%s/%s files  %s  %s/s  %s left", files, total, bytes, rate, left);
}

void
pd_format_bar(char *out, size_t size, int columns, const struct pd_format_state *state)
{
	char text[160];
	char bar[64];
	double fraction = pd_format_fraction(state);
	int width;
	int full;

	facts(text, sizeof(text), state);
	/* "import  42% [####....] facts" */
	width = columns - (int) strlen(text) - (int) strlen(state->verb) - 10;
	if (width > 40)
		width = 40;
	if (width >= 5)
	{
		full = (int) (fraction * width);
		for (int i = 0; i < width; i++)
			bar[i] = i < full ? '#' : '.';
		bar[width] = '\0';
		snprintf(out, size, "%s %3d%% [%s] %s", state->verb, (int) (fraction * 100.0), bar, text);
	}
	else
		snprintf(out, size, "%s %3d%% %s", state->verb, (int) (fraction * 100.0), text);
	if (columns > 0 && (size_t) columns < strlen(out))
		out[columns] = '\0';
}

void
pd_format_plain(char *out, size_t size, const struct pd_format_state *state)
{
	char text[160];

	facts(text, sizeof(text), state);
	snprintf(out, size, "%s: %d%%  %s", state->verb, (int) (pd_format_fraction(state) * 100.0), text);
}
