/*
 * api/range.h
 *	  The part of something that a Range header asks for (RFC 9110, section 14).
 */
#ifndef PD_API_RANGE_H
#define PD_API_RANGE_H

#include <stdint.h>

enum pd_range
{
	PD_RANGE_WHOLE, /* there is no range, or none that has to be understood: other units, several ranges, bad syntax */
	PD_RANGE_PART,
	PD_RANGE_OUTSIDE /* nothing of it is there: status 416 */
};

/* header may be NULL; start and length (at least 1) are set for a part of something of size bytes. */
extern enum pd_range pd_range_parse(const char *header, uint64_t size, uint64_t *start, uint64_t *length);

#endif
