/*
 * guc.h
 *	  Pocket's settings: their values, in the units that the names end in.
 *
 * pocket_guc_init() defines all of them and reserves the prefix; it is called
 * once, by _PG_init.  Strings are never NULL; an unset one is empty.
 */
#ifndef POCKET_GUC_H
#define POCKET_GUC_H

#include "base/compat.h"

/* how a session works (anybody may set these) */
extern char *pocket_namespace;		 /* where paths without a namespace are; '' = nowhere */
extern char *pocket_principal;		 /* '' = the session's role */
extern int pocket_device;			 /* the replica whose counter a change raises */
extern int pocket_inline_limit;		 /* bytes; content up to this lives in its row */
extern int pocket_block_size;		 /* bytes; 4 MiB */
extern int pocket_client_timeout_ms; /* of one exchange with a sidecar */

/* how the cell works (superusers, the server's configuration) */
extern char *pocket_database; /* where the coordinator runs */
extern char *pocket_key_file;
extern char *pocket_ca_file;
extern int pocket_bucket_size_kb;
extern int pocket_bucket_idle_ms;
extern int pocket_open_buckets;
extern int pocket_replicas; /* 0 = the code's parities and one */
extern char *pocket_code;	/* a name that pk_code_parse accepts */
extern int pocket_encode_after_s;
extern int pocket_trash_retention_s;
extern int pocket_compact_below; /* percent; 0 = never */
extern int pocket_drive_timeout_ms;
extern int pocket_repair_rate_kb; /* per second; 0 = no limit */
extern int pocket_scrub_rate_kb;  /* per second; 0 = no limit */
extern int pocket_coordinator_interval_ms;
extern double pocket_annual_failure_rate; /* of a drive; 0.015 is 1.5 % a year */

extern void pocket_guc_init(void);

#endif
