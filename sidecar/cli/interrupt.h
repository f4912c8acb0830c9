/*
 * cli/interrupt.h
 *	  Ctrl-C: a thread waits for the signals, raises a flag, and cancels what
 *	  the registered connections are doing until they stop.
 */
#ifndef PD_CLI_INTERRUPT_H
#define PD_CLI_INTERRUPT_H

#include <stdbool.h>

#include <libpq-fe.h>

/* Blocks SIGINT, SIGTERM and SIGHUP in the caller and all threads to come, and starts the waiting thread. */
extern bool pd_interrupt_start(void);

/* Whether the program shall stop. */
extern bool pd_interrupted(void);

/* From now on until removed, an interrupt cancels what runs on this connection. Ownership stays the caller's. */
extern void pd_interrupt_add(PGcancel *cancel);
extern void pd_interrupt_remove(PGcancel *cancel);

#endif
