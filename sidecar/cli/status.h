/*
 * cli/status.h
 *	  pocket status
 */
#ifndef PD_CLI_STATUS_H
#define PD_CLI_STATUS_H

#include "cli/options.h"

extern enum pd_exit pd_status(const struct pd_options *options);

#endif
