/*
 * cli/export.h
 *	  pocket export PATH DIR
 */
#ifndef PD_CLI_EXPORT_H
#define PD_CLI_EXPORT_H

#include "cli/options.h"

extern enum pd_exit pd_export(const struct pd_options *options);

#endif
