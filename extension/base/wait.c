/*
 * wait.c
 *	  Waiting that ends when it must.
 */
#include "base/wait.h"

#include "miscadmin.h"
#include "pgstat.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/pmsignal.h"

void
pocket_heed(void)
{
	CHECK_FOR_INTERRUPTS();
	if (IsUnderPostmaster && !PostmasterIsAlive())
		proc_exit(1);
}

void
pocket_pause(long ms)
{
	CHECK_FOR_INTERRUPTS();
	(void) WaitLatch(NULL, WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, ms, PG_WAIT_EXTENSION);
	CHECK_FOR_INTERRUPTS();
}
