/*
 * finding.h
 *	  What verifiers have found: rows that stay until a later round finds the same
 *	  place well.
 *
 * A round over a place doubts what was found there, notes what it finds again or
 * anew, and clears the rest.  A row has its place as (verifier, object).
 */
#ifndef POCKET_FINDING_H
#define POCKET_FINDING_H

#include "base/compat.h"

typedef struct PocketFinding
{
	const char *verifier;
	const char *object;	 /* for whoever asks pocket.verify() */
	const char *problem; /* the same */
	int64 drive_id;		 /* 0: it is about no extent */
	const char *file;	 /* of the extent, below its drive */
	const char *detail;	 /* JSON for the verifier, or NULL */
	int grace_s;		 /* verify() tells it when it is this old */
} PocketFinding;

/* Whether it is new. */
extern bool pocket_finding_note(const PocketFinding *finding);

extern void pocket_finding_doubt(const char *verifier, const char *object);
extern void pocket_finding_clear(const char *verifier, const char *object);

/* Of extents that no row puts there any more: whatever ailed them. */
extern void pocket_findings_forget(const char *verifier);

/* "extents/3f/b-000000000000003f on drive 5" */
extern char *pocket_extent_name(const char *file, int64 drive_id);

/* The scrubber shall look at a bucket's extent before all others: its checksums decide whether it is damaged. */
extern void pocket_extent_suspect(int64 drive_id, int64 bucket_id);

#endif
